/*
 * The corruptions by name, and those of single pixels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/corrupting.h"
#include "robust/rows.h"

static const struct {
    const char *name;
    btz_corrupt_fn *fn;
} kinds[BTZ_CORRUPT_COUNT] = {
    [BTZ_CORRUPT_GAUSSIAN_NOISE] = { "gaussian-noise", btz_corrupt_gaussian_noise },
    [BTZ_CORRUPT_SHOT_NOISE] = { "shot-noise", btz_corrupt_shot_noise },
    [BTZ_CORRUPT_IMPULSE_NOISE] = { "impulse-noise", btz_corrupt_impulse_noise },
    [BTZ_CORRUPT_DEFOCUS_BLUR] = { "defocus-blur", btz_corrupt_defocus_blur },
    [BTZ_CORRUPT_GLASS_BLUR] = { "glass-blur", btz_corrupt_glass_blur },
    [BTZ_CORRUPT_MOTION_BLUR] = { "motion-blur", btz_corrupt_motion_blur },
    [BTZ_CORRUPT_ZOOM_BLUR] = { "zoom-blur", btz_corrupt_zoom_blur },
    [BTZ_CORRUPT_SNOW] = { "snow", btz_corrupt_snow },
    [BTZ_CORRUPT_FROST] = { "frost", btz_corrupt_frost },
    [BTZ_CORRUPT_FOG] = { "fog", btz_corrupt_fog },
    [BTZ_CORRUPT_BRIGHTNESS] = { "brightness", btz_corrupt_brightness },
    [BTZ_CORRUPT_CONTRAST] = { "contrast", btz_corrupt_contrast },
    [BTZ_CORRUPT_ELASTIC] = { "elastic", btz_corrupt_elastic },
    [BTZ_CORRUPT_PIXELATE] = { "pixelate", btz_corrupt_pixelate },
    [BTZ_CORRUPT_JPEG] = { "jpeg", btz_corrupt_jpeg },
};

const char *btz_corruption_name(enum btz_corruption kind)
{
    return kinds[kind].name;
}

bool btz_corruption_parse(const char *text, enum btz_corruption *out)
{
    for (int k = 0; k < BTZ_CORRUPT_COUNT; k++)
        if (strcmp(text, kinds[k].name) == 0) {
            *out = (enum btz_corruption)k;
            return true;
        }
    return false;
}

enum btz_err btz_corrupt(const struct btz_picture *p, struct btz_box box, enum btz_corruption kind,
                         int severity, struct btz_rng *rng, const float *in, float *out)
{
    size_t count = p->channels * p->height * p->width;
    size_t least = p->height < p->width ? p->height : p->width;
    float range = box.high - box.low;
    struct btz_corrupting c = { p, least > 64, 0, severity - 1, rng };

    if ((unsigned)kind >= BTZ_CORRUPT_COUNT || severity < 1 || severity > BTZ_SEVERITIES ||
        !(range > 0))
        return btz_fail(BTZ_USAGE, "corruption %d of severity %d does not exist", (int)kind,
                        severity);
    c.scale = c.large ? (double)least / 224 : fmax((double)least / 32, 1);
    for (size_t k = 0; k < count; k++)
        out[k] = fminf(fmaxf((in[k] - box.low) / range, 0), 1);
    BTZ_TRY(kinds[kind].fn(&c, out));
    for (size_t k = 0; k < count; k++)
        out[k] = box.low + range * fminf(fmaxf(out[k], 0), 1);
    return BTZ_OK;
}

static size_t count_of(const struct btz_corrupting *c)
{
    return c->p->channels * c->p->height * c->p->width;
}

/* ---- noise ------------------------------------------------------------------------------------------------------------- */

enum btz_err btz_corrupt_gaussian_noise(const struct btz_corrupting *c, float *x)
{
    static const double sigma[2][5] = { { 0.04, 0.06, 0.08, 0.09, 0.10 },
                                        { 0.08, 0.12, 0.18, 0.26, 0.38 } };

    for (size_t k = 0; k < count_of(c); k++)
        x[k] += (float)(sigma[c->large][c->severity] * btz_random_normal(c->rng));
    return BTZ_OK;
}

/* Counts of events until the product of uniforms is below exp(-mean); large means in parts, which add up. */
static double poisson(struct btz_rng *r, double mean)
{
    double events = 0;

    while (mean > 0) {
        double part = fmin(mean, 500), floor_is = exp(-part), product = 1 - btz_rng_unit(r);

        for (; product > floor_is; events++)
            product *= 1 - btz_rng_unit(r);
        mean -= part;
    }
    return events;
}

enum btz_err btz_corrupt_shot_noise(const struct btz_corrupting *c, float *x)
{
    static const double photons[2][5] = { { 500, 250, 100, 75, 50 }, { 60, 25, 12, 5, 3 } };
    double n = photons[c->large][c->severity];

    for (size_t k = 0; k < count_of(c); k++)
        x[k] = (float)(poisson(c->rng, (double)x[k] * n) / n);
    return BTZ_OK;
}

enum btz_err btz_corrupt_impulse_noise(const struct btz_corrupting *c, float *x)
{
    static const double amount[2][5] = { { 0.01, 0.02, 0.03, 0.05, 0.07 },
                                         { 0.03, 0.06, 0.09, 0.17, 0.27 } };

    for (size_t k = 0; k < count_of(c); k++) {
        double u = btz_rng_unit(c->rng);

        if (u < amount[c->large][c->severity])
            x[k] = u < amount[c->large][c->severity] / 2;
    }
    return BTZ_OK;
}

/* ---- light ------------------------------------------------------------------------------------------------------------- */

/* The value of hue, saturation and value: the largest channel grows, the others in proportion. */
enum btz_err btz_corrupt_brightness(const struct btz_corrupting *c, float *x)
{
    static const float add[2][5] = { { 0.05F, 0.1F, 0.15F, 0.2F, 0.3F },
                                     { 0.1F, 0.2F, 0.3F, 0.4F, 0.5F } };
    size_t plane = c->p->height * c->p->width;

    for (size_t k = 0; k < plane; k++) {
        float top = 0, to;

        for (size_t q = 0; q < c->p->channels; q++)
            top = fmaxf(top, x[q * plane + k]);
        to = fminf(top + add[c->large][c->severity], 1);
        for (size_t q = 0; q < c->p->channels; q++)
            x[q * plane + k] = top > 0 ? x[q * plane + k] * (to / top) : to;
    }
    return BTZ_OK;
}

enum btz_err btz_corrupt_contrast(const struct btz_corrupting *c, float *x)
{
    static const double by[2][5] = { { 0.75, 0.5, 0.4, 0.3, 0.15 }, { 0.4, 0.3, 0.2, 0.1, 0.05 } };
    size_t plane = c->p->height * c->p->width;

    for (size_t q = 0; q < c->p->channels; q++) {
        double mean = 0;

        for (size_t k = 0; k < plane; k++)
            mean += (double)x[q * plane + k];
        mean /= (double)plane;
        for (size_t k = 0; k < plane; k++)
            x[q * plane + k] =
                (float)(((double)x[q * plane + k] - mean) * by[c->large][c->severity] + mean);
    }
    return BTZ_OK;
}

/* ---- digital ----------------------------------------------------------------------------------------------------------- */

/* Means over boxes from `n` to `to` samples; a box takes parts of pixels. */
static void resize(const float *in, size_t n, size_t stride, size_t to, float *out, size_t ostride)
{
    double ratio = (double)n / (double)to;

    for (size_t j = 0; j < to; j++) {
        double from = ratio * (double)j, until = ratio * (double)(j + 1), sum = 0, weight = 0;

        for (size_t k = (size_t)from; k < n && (double)k < until; k++) {
            double w = fmin(until, (double)k + 1) - fmax(from, (double)k);

            sum += w * (double)in[k * stride];
            weight += w;
        }
        out[j * ostride] = (float)(weight > 0 ? sum / weight : 0);
    }
}

enum btz_err btz_corrupt_pixelate(const struct btz_corrupting *c, float *x)
{
    static const double by[2][5] = { { 0.95, 0.9, 0.85, 0.75, 0.65 },
                                     { 0.6, 0.5, 0.4, 0.3, 0.25 } };
    size_t h = c->p->height, w = c->p->width;
    size_t sh = (size_t)fmax(1, by[c->large][c->severity] * (double)h),
           sw = (size_t)fmax(1, by[c->large][c->severity] * (double)w);
    BTZ_FREE float *half = calloc(sh, w * sizeof *half);
    BTZ_FREE float *small = calloc(sh, sw * sizeof *small);

    if (!half || !small)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t q = 0; q < c->p->channels; q++) {
        float *plane = x + q * h * w;

        for (size_t j = 0; j < w; j++)
            resize(plane + j, h, w, sh, half + j, w);
        for (size_t i = 0; i < sh; i++)
            resize(half + i * w, w, 1, sw, small + i * sw, 1);
        for (size_t i = 0; i < sh; i++)
            resize(small + i * sw, sw, 1, w, half + i * w, 1);
        for (size_t j = 0; j < w; j++)
            resize(half + j, sh, w, h, plane + j, w);
    }
    return BTZ_OK;
}
