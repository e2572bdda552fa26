/*
 * The known answer of attacks that look for the smallest norm: the distance to the boundary of a linear model.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/known.h"
#include "robust/rows.h"

#define SIDE     4
#define FEATURES (SIDE * SIDE)
#define CLASSES  3
#define SAMPLES  4

struct linear {
    float w[FEATURES * CLASSES], b[CLASSES]; /* in x out, as layers have them */
    float x[SAMPLES * FEATURES];
    uint32_t y[SAMPLES];
    double exact[SAMPLES];
};

static void scores(const struct linear *l, const float *x, double z[CLASSES])
{
    for (size_t k = 0; k < CLASSES; k++) {
        z[k] = (double)l->b[k];
        for (size_t f = 0; f < FEATURES; f++)
            z[k] += (double)x[f] * (double)l->w[f * CLASSES + k];
    }
}

/* Length of w_y - w_k in the dual norm. */
static double dual(const struct linear *l, enum btz_norm norm, size_t y, size_t k)
{
    float a[FEATURES], b[FEATURES];

    for (size_t f = 0; f < FEATURES; f++) {
        a[f] = l->w[f * CLASSES + y];
        b[f] = l->w[f * CLASSES + k];
    }
    return btz_norm_of(norm == BTZ_NORM_LINF ? BTZ_NORM_L1
                       : norm == BTZ_NORM_L1 ? BTZ_NORM_LINF
                                             : BTZ_NORM_L2,
                       a, b, FEATURES);
}

static double distance(const struct linear *l, enum btz_norm norm, const float *x, uint32_t *y)
{
    double z[CLASSES], best = (double)INFINITY;

    scores(l, x, z);
    *y = 0;
    for (uint32_t k = 1; k < CLASSES; k++)
        if (z[k] > z[*y])
            *y = k;
    for (size_t k = 0; k < CLASSES; k++)
        if (k != *y)
            best = fmin(best, (z[*y] - z[k]) / dual(l, norm, *y, k));
    return best;
}

/* Near the middle of the box, so that its walls are not in the way of the shortest move. */
static void make(struct linear *l, enum btz_norm norm)
{
    const double low = norm == BTZ_NORM_LINF ? 0.02 : 0.08,
                 high = norm == BTZ_NORM_LINF ? 0.06 : 0.2;
    struct btz_rng r;

    btz_rng_init(&r, 11, 0);
    memset(l->b, 0, sizeof l->b);
    for (size_t f = 0; f < FEATURES; f++)
        for (size_t k = 0; k < CLASSES; k++) {
            l->w[f * CLASSES + k] = (float)btz_random_normal(&r);
            l->b[k] -= l->w[f * CLASSES + k] / 2;
        }
    for (size_t i = 0; i < SAMPLES; i++)
        do {
            for (size_t f = 0; f < FEATURES; f++)
                l->x[i * FEATURES + f] = (float)(0.3 + 0.4 * btz_rng_unit(&r));
            l->exact[i] = distance(l, norm, l->x + i * FEATURES, &l->y[i]);
        } while (l->exact[i] < low || l->exact[i] > high);
}

/* To the class that leads of the others at `at`. */
static double distance_of_found(const struct linear *l, enum btz_norm norm, size_t i,
                                const float *at)
{
    double z[CLASSES], from[CLASSES];
    uint32_t y = l->y[i], found = y == 0;

    scores(l, at, z);
    scores(l, l->x + i * FEATURES, from);
    for (uint32_t k = 0; k < CLASSES; k++)
        if (k != y && z[k] > z[found])
            found = k;
    return (from[y] - from[found]) / dual(l, norm, y, found);
}

static enum btz_err check(const struct linear *l, const struct btz_attack *a, enum btz_norm norm,
                          double factor, const float *adv, const bool *broken)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        const float *x = adv + i * FEATURES;
        double z[CLASSES], norm_is = btz_norm_of(norm, x, l->x + i * FEATURES, FEATURES);
        double wanted =
            a->access == BTZ_ATTACK_LABELS ? distance_of_found(l, norm, i, x) : l->exact[i];
        bool wrong = false;

        scores(l, x, z);
        for (size_t k = 0; k < CLASSES; k++)
            wrong = wrong || (k != l->y[i] && z[k] > z[l->y[i]] - 1e-5);
        if (!broken[i] || !wrong || norm_is > wanted * factor || norm_is < l->exact[i] * (1 - 1e-3))
            return btz_fail(BTZ_INTERNAL,
                            "%s in %s: sample %zu of a linear model is %g from the boundary, and "
                            "what was found is %s at %g",
                            a->id, btz_norm_name(norm), i, wanted,
                            wrong ? "misclassified" : "not misclassified", norm_is);
    }
    return BTZ_OK;
}

enum btz_err btz_known_linear(const struct btz_attack *attack, enum btz_norm norm, double factor)
{
    return btz_known_linear_with(attack, norm, NULL, 0, factor);
}

enum btz_err btz_known_linear_with(const struct btz_attack *attack, enum btz_norm norm,
                                   const char *param, double value, double factor)
{
    static const struct btz_shape shape = { 3, { 1, SIDE, SIDE } };
    BTZ_FREE struct linear *l = calloc(1, sizeof *l);
    float adv[SAMPLES * FEATURES];
    bool broken[SAMPLES];
    struct btz_model *m = NULL;
    enum btz_err err;

    if (!l)
        return btz_fail(BTZ_LIMIT, "out of memory");
    make(l, norm);
    BTZ_TRY(
        btz_known_model(&shape, &(struct btz_known_layer){ l->w, l->b, CLASSES }, 1, false, &m));
    err = btz_known_run_with(attack, m, norm, 100, SAMPLES, l->x, l->y, param, value, adv, broken);
    btz_model_free(m);
    return err ? err : check(l, attack, norm, factor, adv, broken);
}
