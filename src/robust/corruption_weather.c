/*
 * Weather: snow, frost, fog. Drawn from noise.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/corrupting.h"
#include "robust/rows.h"

/* ---- plasma ------------------------------------------------------------------------------------------------------------ */

struct map {
    struct btz_rng *rng;
    double *at;
    size_t size; /* a power of two; the edges meet */
};

static double *cell(const struct map *m, size_t i, size_t j)
{
    return &m->at[(i & (m->size - 1)) * m->size + (j & (m->size - 1))];
}

static double wobble(struct map *m, double four, double wibble)
{
    return four / 4 + wibble * wibble * (2 * btz_rng_unit(m->rng) - 1);
}

static void refine(struct map *m, size_t step, double wibble)
{
    size_t half = step / 2, n = m->size;

    for (size_t i = 0; i < n; i += step)
        for (size_t j = 0; j < n; j += step)
            *cell(m, i + half, j + half) =
                wobble(m,
                       *cell(m, i, j) + *cell(m, i + step, j) + *cell(m, i, j + step) +
                           *cell(m, i + step, j + step),
                       wibble);
    for (size_t i = 0; i < n; i += half)
        for (size_t j = (i / half) % 2 ? 0 : half; j < n; j += step)
            *cell(m, i, j) = wobble(m,
                                    *cell(m, i + half, j) + *cell(m, i + n - half, j) +
                                        *cell(m, i, j + half) + *cell(m, i, j + n - half),
                                    wibble);
}

enum btz_err btz_plasma(struct btz_rng *rng, size_t height, size_t width, double decay, float *out)
{
    struct map m = { rng, NULL, 2 };
    double wibble = 100, low, high;
    BTZ_FREE double *storage = NULL;

    while (m.size < height || m.size < width)
        m.size *= 2;
    m.at = storage = calloc(m.size, m.size * sizeof *storage);
    if (!storage)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t step = m.size; step >= 2; step /= 2) {
        refine(&m, step, wibble);
        wibble /= decay;
    }
    low = high = m.at[0];
    for (size_t k = 0; k < m.size * m.size; k++) {
        low = fmin(low, m.at[k]);
        high = fmax(high, m.at[k]);
    }
    for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < width; j++)
            out[i * width + j] = (float)(high > low ? (*cell(&m, i, j) - low) / (high - low) : 0);
    return BTZ_OK;
}

/* ---- fog and frost ----------------------------------------------------------------------------------------------------- */

enum btz_err btz_corrupt_fog(const struct btz_corrupting *c, float *x)
{
    static const double table[2][5][2] = {
        { { 0.2, 3 }, { 0.5, 3 }, { 0.75, 2.5 }, { 1, 2 }, { 1.5, 1.75 } },
        { { 1.5, 2 }, { 2, 2 }, { 2.5, 1.7 }, { 2.5, 1.5 }, { 3, 1.4 } },
    };
    const double *v = table[c->large][c->severity];
    size_t plane = c->p->height * c->p->width, count = c->p->channels * plane;
    BTZ_FREE float *map = calloc(plane, sizeof *map);
    float most = 0;

    if (!map)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_plasma(c->rng, c->p->height, c->p->width, v[1], map));
    for (size_t k = 0; k < count; k++)
        most = fmaxf(most, x[k]);
    for (size_t k = 0; k < count; k++)
        x[k] = (x[k] + (float)v[0] * map[k % plane]) * most / (most + (float)v[0]);
    return BTZ_OK;
}

/* Veins of ice: the ridges of two plasmas, a little blue. */
enum btz_err btz_corrupt_frost(const struct btz_corrupting *c, float *x)
{
    static const float table[2][5][2] = {
        { { 1, 0.2F }, { 1, 0.3F }, { 0.9F, 0.4F }, { 0.85F, 0.4F }, { 0.75F, 0.45F } },
        { { 1, 0.4F }, { 0.8F, 0.6F }, { 0.7F, 0.7F }, { 0.65F, 0.7F }, { 0.6F, 0.75F } },
    };
    static const float tint[3] = { 0.88F, 0.95F, 1 };
    const float *v = table[c->large][c->severity];
    size_t plane = c->p->height * c->p->width;
    BTZ_FREE float *map = calloc(plane, 2 * sizeof *map);

    if (!map)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (int k = 0; k < 2; k++)
        BTZ_TRY(btz_plasma(c->rng, c->p->height, c->p->width, 1.6, map + (size_t)k * plane));
    for (size_t k = 0; k < plane; k++) {
        float a = 1 - fabsf(2 * map[k] - 1), b = 1 - fabsf(2 * map[plane + k] - 1);

        map[k] = 0.15F + 0.85F * fmaxf(a * a, b * b);
    }
    for (size_t q = 0; q < c->p->channels; q++)
        for (size_t k = 0; k < plane; k++)
            x[q * plane + k] =
                v[0] * x[q * plane + k] + v[1] * map[k] * (c->p->channels == 3 ? tint[q] : 1);
    return BTZ_OK;
}

/* ---- snow -------------------------------------------------------------------------------------------------------------- */

static float grey(const struct btz_corrupting *c, const float *x, size_t k)
{
    size_t plane = c->p->height * c->p->width;
    float sum = 0;

    if (c->p->channels == 3)
        return 0.299F * x[k] + 0.587F * x[plane + k] + 0.114F * x[2 * plane + k];
    for (size_t q = 0; q < c->p->channels; q++)
        sum += x[q * plane + k];
    return sum / (float)c->p->channels;
}

enum btz_err btz_corrupt_snow(const struct btz_corrupting *c, float *x)
{
    /* mean, deviation, zoom, threshold, radius, sigma, share of the picture */
    static const double table[2][5][7] = {
        { { 0.1, 0.2, 1, 0.6, 8, 3, 0.95 },
          { 0.1, 0.2, 1, 0.5, 10, 4, 0.9 },
          { 0.15, 0.3, 1.75, 0.55, 10, 4, 0.9 },
          { 0.25, 0.3, 2.25, 0.6, 12, 6, 0.85 },
          { 0.3, 0.3, 1.25, 0.65, 14, 12, 0.8 } },
        { { 0.1, 0.3, 3, 0.5, 10, 4, 0.8 },
          { 0.2, 0.3, 2, 0.5, 12, 4, 0.7 },
          { 0.55, 0.3, 4, 0.9, 12, 8, 0.7 },
          { 0.55, 0.3, 4.5, 0.85, 12, 8, 0.65 },
          { 0.55, 0.3, 2.5, 0.85, 12, 12, 0.55 } },
    };
    const double *v = table[c->large][c->severity];
    size_t h = c->p->height, w = c->p->width, plane = h * w;
    BTZ_FREE float *flakes = calloc(plane, sizeof *flakes);

    if (!flakes)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t k = 0; k < plane; k++)
        flakes[k] = (float)(v[0] + v[1] * btz_random_normal(c->rng));
    BTZ_TRY(btz_zoom(flakes, h, w, v[2]));
    for (size_t k = 0; k < plane; k++)
        flakes[k] = (double)flakes[k] < v[3] ? 0 : fminf(flakes[k], 1);
    BTZ_TRY(btz_motion(flakes, h, w, v[4] * c->scale, v[5] * c->scale,
                       90 * btz_rng_unit(c->rng) - 135));
    for (size_t k = 0; k < plane; k++) {
        float white = grey(c, x, k) * 1.5F + 0.5F, share = (float)v[6];

        for (size_t q = 0; q < c->p->channels; q++) {
            float *at = &x[q * plane + k];

            *at = share * *at + (1 - share) * fmaxf(*at, white) + flakes[k] + flakes[plane - 1 - k];
        }
    }
    return BTZ_OK;
}
