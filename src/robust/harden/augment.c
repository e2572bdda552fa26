/*
 * Changes to training samples that leave their label as it is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/corruption.h"
#include "robust/harden/inside.h"

/* A sample as channels of a picture; a row of numbers is one line of it. */
struct picture {
    size_t channels, height, width;
};

static struct picture picture_of(const struct btz_shape *s)
{
    struct picture p = { 1, 1, 1 };

    p.width = (size_t)s->dim[s->rank - 1];
    if (s->rank > 1)
        p.height = (size_t)s->dim[s->rank - 2];
    for (uint32_t k = 0; k + 2 < s->rank; k++)
        p.channels *= (size_t)s->dim[k];
    return p;
}

static float at_random(struct btz_rng *r)
{
    return (float)btz_rng_unit(r);
}

static size_t below(struct btz_rng *r, size_t bound)
{
    return btz_rng_below(r, (uint32_t)bound);
}

enum btz_err btz_harden_shift(const void *user, const struct btz_shape *shape, struct btz_box box,
                              size_t index, struct btz_rng *rng, float *x)
{
    struct picture p = picture_of(shape);
    size_t plane = p.height * p.width, most_x = p.width / 8, most_y = p.height / 8;
    ptrdiff_t dx = (ptrdiff_t)below(rng, 2 * most_x + 1) - (ptrdiff_t)most_x;
    ptrdiff_t dy = (ptrdiff_t)below(rng, 2 * most_y + 1) - (ptrdiff_t)most_y;
    BTZ_FREE float *old = malloc(plane * sizeof *old);

    (void)user;
    (void)index;
    if (!old)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t c = 0; c < p.channels; c++) {
        float *at = x + c * plane;

        memcpy(old, at, plane * sizeof *old);
        for (size_t i = 0; i < p.height; i++)
            for (size_t k = 0; k < p.width; k++) {
                ptrdiff_t from_y = (ptrdiff_t)i - dy, from_x = (ptrdiff_t)k - dx;
                bool inside = from_y >= 0 && from_y < (ptrdiff_t)p.height && from_x >= 0 &&
                              from_x < (ptrdiff_t)p.width;

                at[i * p.width + k] =
                    inside ? old[(size_t)from_y * p.width + (size_t)from_x] : box.low;
            }
    }
    return BTZ_OK;
}

enum btz_err btz_harden_mirror(const void *user, const struct btz_shape *shape, struct btz_box box,
                               size_t index, struct btz_rng *rng, float *x)
{
    struct picture p = picture_of(shape);

    (void)user;
    (void)box;
    (void)index;
    if (btz_rng_u32(rng) & 1)
        return BTZ_OK;
    for (size_t row = 0; row < p.channels * p.height; row++)
        for (size_t k = 0; k < p.width / 2; k++) {
            float *a = x + row * p.width + k, *b = x + (row + 1) * p.width - 1 - k, v = *a;

            *a = *b;
            *b = v;
        }
    return BTZ_OK;
}

/* Every value to the nearer end. */
static void to_ends(struct btz_box box, size_t n, float *x)
{
    float middle = (box.low + box.high) / 2;

    for (size_t i = 0; i < n; i++)
        x[i] = x[i] < middle ? box.low : box.high;
}

/* Contrast between a fifth and a half, about the middle of what there is. */
static void flatten(size_t n, float factor, float *x)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(sum / (double)n) + factor * (x[i] - (float)(sum / (double)n));
}

static void salt(struct btz_box box, struct btz_rng *r, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++)
        if (btz_rng_below(r, 10) == 0)
            x[i] = btz_rng_u32(r) & 1 ? box.low : box.high;
}

/* A block of a third of each side, in all channels. */
static void hole(struct btz_box box, const struct picture *p, struct btz_rng *r, float *x)
{
    size_t h = (p->height + 2) / 3, w = (p->width + 2) / 3;
    size_t top = below(r, p->height - h + 1), left = below(r, p->width - w + 1);

    for (size_t c = 0; c < p->channels; c++)
        for (size_t i = top; i < top + h; i++)
            for (size_t k = left; k < left + w; k++)
                x[(c * p->height + i) * p->width + k] = box.low;
}

/* One channel of several, or every fourth line of a picture without colours. */
static void dead(struct btz_box box, const struct picture *p, struct btz_rng *r, float *x)
{
    size_t plane = p->height * p->width, phase = below(r, 4);

    if (p->channels > 1) {
        float *at = x + below(r, p->channels) * plane;

        for (size_t i = 0; i < plane; i++)
            at[i] = box.low;
        return;
    }
    for (size_t i = phase; p->height > 1 && i < p->height; i += 4)
        for (size_t k = 0; k < p->width; k++)
            x[i * p->width + k] = box.low;
    if (p->height == 1)
        x[below(r, p->width)] = box.low;
}

enum btz_err btz_harden_edge(const void *user, const struct btz_shape *shape, struct btz_box box,
                             size_t index, struct btz_rng *rng, float *x)
{
    struct picture p = picture_of(shape);
    size_t n = p.channels * p.height * p.width;

    (void)user;
    (void)index;
    switch (btz_rng_below(rng, 5)) {
    case 0:
        to_ends(box, n, x);
        break;
    case 1:
        flatten(n, 0.2F + 0.3F * at_random(rng), x);
        break;
    case 2:
        salt(box, rng, n, x);
        break;
    case 3:
        hole(box, &p, rng, x);
        break;
    default:
        dead(box, &p, rng, x);
        break;
    }
    return BTZ_OK;
}

enum btz_err btz_harden_corrupt(const void *user, const struct btz_shape *shape, struct btz_box box,
                                size_t index, struct btz_rng *rng, float *x)
{
    enum btz_corruption kind = (enum btz_corruption)btz_rng_below(rng, BTZ_CORRUPT_COUNT);
    int severity = 1 + (int)btz_rng_below(rng, BTZ_SEVERITIES);
    struct btz_picture p;
    BTZ_FREE float *out = NULL;
    size_t count;

    (void)user;
    (void)index;
    BTZ_TRY(btz_picture_of(shape, &p));
    count = p.channels * p.height * p.width;
    out = malloc(count * sizeof *out);
    if (!out)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_corrupt(&p, box, kind, severity, rng, x, out));
    memcpy(x, out, count * sizeof *out);
    return BTZ_OK;
}
