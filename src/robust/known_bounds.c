/*
 * A linear model of four classes over a small image: the distance of a sample to the boundary is the least
 * (z_y - z_k) / |w_y - w_k| in the dual norm, as long as the box is farther away.
 */
#include <math.h>
#include <stdlib.h>

#include "robust/robust.h"

#define SIDE     4
#define FEATURES (SIDE * SIDE)
#define CLASSES  4
#define SAMPLES  6
#define STEEP    20 /* a softmax sees the likeliest other class alone */

struct linear {
    float w[FEATURES * CLASSES], b[CLASSES];
    float x[SAMPLES * FEATURES];
    uint32_t y[SAMPLES];
};

static double score(const struct linear *l, const float *x, size_t k)
{
    double z = (double)l->b[k];

    for (size_t f = 0; f < FEATURES; f++)
        z += (double)x[f] * (double)l->w[f * CLASSES + k];
    return z;
}

static double dual(const struct linear *l, enum btz_norm norm, size_t i, size_t k)
{
    double sum = 0;

    for (size_t f = 0; f < FEATURES; f++) {
        double d = fabs((double)l->w[f * CLASSES + i] - (double)l->w[f * CLASSES + k]);

        sum = norm == BTZ_NORM_LINF ? sum + d : norm == BTZ_NORM_L2 ? sum + d * d : fmax(sum, d);
    }
    return norm == BTZ_NORM_L2 ? sqrt(sum) : sum;
}

/* In the norm, or for BTZ_NORM_NONE in logits: to the nearest boundary, and how many times as far the next one is. */
static double distance(const struct linear *l, enum btz_norm norm, const float *x, size_t y,
                       double *next)
{
    double least = INFINITY, second = INFINITY;

    for (size_t k = 0; k < CLASSES; k++) {
        double d = score(l, x, y) - score(l, x, k);

        if (k == y)
            continue;
        d /= norm == BTZ_NORM_NONE ? 1 : dual(l, norm, y, k);
        second = fmin(second, fmax(d, least));
        least = fmin(least, d);
    }
    *next = second / least;
    return least;
}

/* Far enough from the sides of the box; and nearest to one class whatever the norm, so that no loss has another in view. */
static bool is_clear(const struct linear *l, const float *x, size_t y)
{
    static const enum btz_norm norms[] = { BTZ_NORM_LINF, BTZ_NORM_L2, BTZ_NORM_L1, BTZ_NORM_NONE };

    for (size_t i = 0; i < BTZ_COUNT(norms); i++) {
        double next, d = distance(l, norms[i], x, y, &next);

        if (next < 1.5 || (norms[i] == BTZ_NORM_L1 && d > 0.3) ||
            (norms[i] == BTZ_NORM_LINF && d < 0.004))
            return false;
    }
    return true;
}

static void make(struct linear *l)
{
    struct btz_rng r;
    size_t have = 0;

    btz_rng_init(&r, 20, 4);
    for (size_t i = 0; i < FEATURES * CLASSES; i++)
        l->w[i] = (float)(btz_rng_unit(&r) * 2 - 1) * STEEP;
    for (size_t k = 0; k < CLASSES; k++) {
        l->b[k] = 0;
        for (size_t f = 0; f < FEATURES; f++)
            l->b[k] -= 0.5F * l->w[f * CLASSES + k];
    }
    while (have < SAMPLES) {
        float *x = l->x + have * FEATURES;
        size_t y = 0;

        for (size_t f = 0; f < FEATURES; f++)
            x[f] = (float)(0.4 + 0.2 * btz_rng_unit(&r));
        for (size_t k = 1; k < CLASSES; k++)
            y = score(l, x, k) > score(l, x, y) ? k : y;
        l->y[have] = (uint32_t)y;
        have += is_clear(l, x, y);
    }
}

static enum btz_err check(const struct btz_attack *attack, const struct btz_model *m,
                          const struct linear *l, enum btz_norm norm, double factor, bool want)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        const float *x = l->x + i * FEATURES;
        double next, d = distance(l, norm, x, l->y[i], &next);
        float adv[FEATURES];
        bool broken = false;

        BTZ_TRY(btz_known_run(attack, m, norm, factor * d, 1, x, &l->y[i], adv, &broken));
        if (broken != want)
            return btz_fail(BTZ_INTERNAL, "%s: a linear model %g away (%s) was%s broken at %g",
                            attack->id, d, btz_norm_name(norm), broken ? "" : " not", factor * d);
        if (broken && (btz_norm_of(norm, adv, x, FEATURES) > factor * d + 1e-6 ||
                       btz_norm_of(norm, adv, x, FEATURES) < d * 0.9999))
            return btz_fail(BTZ_INTERNAL, "%s: moved by %g (%s) where %g is needed and %g allowed",
                            attack->id, btz_norm_of(norm, adv, x, FEATURES), btz_norm_name(norm), d,
                            factor * d);
    }
    return BTZ_OK;
}

enum btz_err btz_known_bounds(const struct btz_attack *attack, unsigned norms, double below,
                              double above)
{
    static const struct btz_shape shape = { 3, { 1, SIDE, SIDE } };
    struct linear l;
    struct btz_known_layer layer = { l.w, l.b, CLASSES };
    struct btz_model *m = NULL;
    enum btz_err err = BTZ_OK;

    make(&l);
    BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
    for (int norm = 0; !err && norm < BTZ_NORM_COUNT; norm++) {
        if (!(norms & 1U << norm))
            continue;
        err = check(attack, m, &l, (enum btz_norm)norm, below, false);
        if (!err)
            err = check(attack, m, &l, (enum btz_norm)norm, above, true);
    }
    btz_model_free(m);
    return err;
}
