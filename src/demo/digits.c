/*
 * Strokes of ten digits in a unit square, y downwards; a pixel is as dark as the pen is near.
 */
#include "demo/digits.h"

#include <math.h>

#define STROKES 3
#define PARTS   24 /* straight parts of an arc */

/* A straight line x0 y0 x1 y1, or, where ry is not 0, an arc: centre, radii, from and to in degrees, clockwise from the right. */
struct stroke {
    double x, y, rx, ry, from, to;
};
#define LINE(x0, y0, x1, y1)                                                                       \
    {                                                                                              \
        x0, y0, x1, 0, y1, 0                                                                       \
    }

static const struct stroke digits[10][STROKES] = {
    { { 0.5, 0.5, 0.29, 0.41, 0, 360 } },
    { LINE(0.34, 0.26, 0.55, 0.08), LINE(0.55, 0.08, 0.55, 0.92) },
    { { 0.5, 0.3, 0.28, 0.22, 180, 395 }, LINE(0.73, 0.43, 0.24, 0.9), LINE(0.24, 0.9, 0.78, 0.9) },
    { { 0.47, 0.29, 0.26, 0.21, 200, 450 }, { 0.47, 0.71, 0.29, 0.21, 270, 520 } },
    { LINE(0.62, 0.08, 0.2, 0.64), LINE(0.2, 0.64, 0.84, 0.64), LINE(0.64, 0.36, 0.64, 0.94) },
    { LINE(0.74, 0.1, 0.32, 0.1),
      LINE(0.32, 0.1, 0.28, 0.48),
      { 0.48, 0.66, 0.28, 0.26, -140, 150 } },
    { { 0.5, 0.66, 0.27, 0.25, 0, 360 }, { 0.73, 0.62, 0.5, 0.54, 180, 255 } },
    { LINE(0.22, 0.1, 0.78, 0.1), LINE(0.78, 0.1, 0.42, 0.92) },
    { { 0.5, 0.29, 0.22, 0.2, 0, 360 }, { 0.5, 0.7, 0.27, 0.22, 0, 360 } },
    { { 0.5, 0.34, 0.27, 0.25, 0, 360 }, { 0.27, 0.38, 0.5, 0.54, 0, 75 } },
};

struct hand { /* how this one is written */
    double xx, xy, yx, yy, dx, dy, pen, noise;
};

static double within(struct btz_rng *r, double low, double high)
{
    return low + (high - low) * btz_rng_unit(r);
}

static void take_hand(struct btz_rng *r, struct hand *h)
{
    double turn = within(r, -0.25, 0.25), slant = within(r, -0.25, 0.25);
    double wide = within(r, 0.75, 1.0), tall = within(r, 0.75, 1.0);

    h->xx = wide * cos(turn);
    h->xy = wide * (slant * cos(turn) - sin(turn));
    h->yx = tall * sin(turn);
    h->yy = tall * (slant * sin(turn) + cos(turn));
    h->dx = within(r, -0.09, 0.09);
    h->dy = within(r, -0.09, 0.09);
    h->pen = within(r, 0.045, 0.085);
    h->noise = within(r, 0, 0.12);
}

static void place(const struct hand *h, double x, double y, double at[2])
{
    at[0] = 0.5 + h->xx * (x - 0.5) + h->xy * (y - 0.5) + h->dx;
    at[1] = 0.5 + h->yx * (x - 0.5) + h->yy * (y - 0.5) + h->dy;
}

static double to_line(double px, double py, const double a[2], const double b[2])
{
    double dx = b[0] - a[0], dy = b[1] - a[1], length = dx * dx + dy * dy;
    double t = length > 0 ? ((px - a[0]) * dx + (py - a[1]) * dy) / length : 0;

    t = fmin(fmax(t, 0), 1);
    return hypot(px - a[0] - t * dx, py - a[1] - t * dy);
}

/* Makes the distances smaller where this stroke is nearer. */
static void draw(const struct hand *h, const struct stroke *s, double distance[BTZ_DIGIT_PIXELS])
{
    int parts = s->ry > 0 ? PARTS : 1;
    double a[2], b[2];

    for (int k = 0; k < parts; k++) {
        if (s->ry > 0) {
            double t0 = (s->from + (s->to - s->from) * k / parts) * M_PI / 180,
                   t1 = (s->from + (s->to - s->from) * (k + 1) / parts) * M_PI / 180;

            place(h, s->x + s->rx * cos(t0), s->y + s->ry * sin(t0), a);
            place(h, s->x + s->rx * cos(t1), s->y + s->ry * sin(t1), b);
        } else {
            place(h, s->x, s->y, a);
            place(h, s->rx, s->from, b);
        }
        for (int i = 0; i < BTZ_DIGIT_PIXELS; i++) {
            double x = (i % BTZ_DIGIT_SIDE + 0.5) / BTZ_DIGIT_SIDE,
                   y = (i / BTZ_DIGIT_SIDE + 0.5) / BTZ_DIGIT_SIDE;

            distance[i] = fmin(distance[i], to_line(x, y, a, b));
        }
    }
}

void btz_demo_digit(unsigned digit, struct btz_rng *rng, uint8_t out[BTZ_DIGIT_PIXELS])
{
    double distance[BTZ_DIGIT_PIXELS];
    struct hand h;

    for (int i = 0; i < BTZ_DIGIT_PIXELS; i++)
        distance[i] = 2;
    take_hand(rng, &h);
    for (int s = 0; s < STROKES; s++)
        if (digits[digit][s].x > 0)
            draw(&h, &digits[digit][s], distance);
    for (int i = 0; i < BTZ_DIGIT_PIXELS; i++) {
        double ink = 0.5 + (h.pen - distance[i]) * BTZ_DIGIT_SIDE;

        ink = fmin(fmax(ink, 0), 1) + h.noise * (btz_rng_unit(rng) - 0.5);
        out[i] = (uint8_t)lround(255 * fmin(fmax(ink, 0), 1));
    }
}
