/*
 * The inner maximisation: inputs near the samples that the model gets wrong.
 */
#include <math.h>
#include <stdlib.h>

#include "robust/harden/inside.h"
#include "robust/rows.h"

static float unit(struct btz_rng *r)
{
    return (float)(btz_rng_u32(r) >> 8) * 0x1p-24F;
}

static double length(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (b ? (double)b[i] : 0);

        sum += d * d;
    }
    return sqrt(sum);
}

static void into_ball(enum btz_norm norm, double eps, size_t features, const float *x, float *adv)
{
    float e = (float)eps;

    if (norm == BTZ_NORM_LINF)
        for (size_t i = 0; i < features; i++)
            adv[i] = btz_clamp(adv[i], x[i] - e, x[i] + e);
    else {
        double l = length(adv, x, features);

        for (size_t i = 0; l > eps && i < features; i++)
            adv[i] = x[i] + (float)(((double)adv[i] - (double)x[i]) * (eps / l));
    }
}

static void into_box(struct btz_box box, size_t features, float *adv)
{
    for (size_t i = 0; i < features; i++)
        adv[i] = btz_clamp(adv[i], box.low, box.high);
}

void btz_harden_project(enum btz_norm norm, double eps, struct btz_box box, size_t features,
                        const float *x, float *adv)
{
    into_ball(norm, eps, features, x, adv);
    into_box(box, features, adv);
}

/* Uniform in the ball. */
static void random_start(const struct btz_inner *how, struct btz_rng *r, size_t features,
                         const float *x, float *adv)
{
    double l, radius;

    if (how->norm == BTZ_NORM_LINF) {
        for (size_t i = 0; i < features; i++)
            adv[i] = x[i] + (float)how->eps * (2 * unit(r) - 1);
        return;
    }
    for (size_t i = 0; i < features; i++)
        adv[i] = (float)btz_random_normal(r);
    l = length(adv, NULL, features);
    radius = how->eps * pow((double)unit(r), 1 / (double)features);
    for (size_t i = 0; i < features; i++)
        adv[i] = x[i] + (float)((double)adv[i] * (l > 0 ? radius / l : 0));
}

static void start(const struct btz_inner *how, struct btz_rng *r, size_t features, const float *x,
                  float *adv)
{
    switch (how->start) {
    case BTZ_INNER_UNIFORM:
    case BTZ_INNER_UNIFORM_OPEN:
        random_start(how, r, features, x, adv);
        break;
    case BTZ_INNER_NEAR:
        for (size_t i = 0; i < features; i++)
            adv[i] = x[i] + 0.001F * (float)btz_random_normal(r);
        break;
    default:
        memcpy(adv, x, features * sizeof *adv);
        break;
    }
    if (how->start == BTZ_INNER_UNIFORM)
        into_box(how->box, features, adv);
}

static void move(const struct btz_inner *how, size_t features, const float *x, const float *grad,
                 float *adv)
{
    float step = (float)how->step;

    if (how->norm == BTZ_NORM_LINF)
        for (size_t i = 0; i < features; i++)
            adv[i] += step * (float)((grad[i] > 0) - (grad[i] < 0));
    else {
        double l = length(grad, NULL, features);

        for (size_t i = 0; i < features; i++)
            adv[i] += (float)(how->step * (double)grad[i] / (l + 1e-12));
    }
    btz_harden_project(how->norm, how->eps, how->box, features, x, adv);
}

/* Derivatives of what is maximised, a row of logits at a time. */
static void seed_rows(const struct btz_inner *how, size_t count, size_t classes, const float *clean,
                      const float *z, const uint32_t *y, double *row, float *seeds)
{
    if (!how->divergence) {
        btz_loss_cross_entropy(y, 0, count, classes, z, NULL, seeds);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        (void)btz_loss_kl_row(clean + i * classes, z + i * classes, classes, NULL, row);
        for (size_t k = 0; k < classes; k++)
            seeds[i * classes + k] = (float)row[k];
    }
}

struct inner_work {
    float *clean, *seeds;
    double *row;
};

static enum btz_err climb(struct btz_harden_nets *n, const struct btz_inner *how, uint64_t version,
                          uint64_t seed, size_t count, const float *x, const uint32_t *y,
                          const struct inner_work *w, float *adv)
{
    enum btz_harden_net which =
        how->training && n->net[BTZ_HARDEN_SEARCH] ? BTZ_HARDEN_SEARCH : BTZ_HARDEN_EVAL;
    size_t features = n->params->features;

    for (uint32_t step = 0; step < how->steps; step++) {
        const float *z, *grad;
        size_t right = 0;

        BTZ_TRY(btz_harden_forward(n, which, version, seed, adv, count, &z));
        for (size_t i = 0; i < count; i++)
            right += btz_argmax(z + i * n->classes, n->classes) == y[i];
        if (how->only_right && !right)
            return BTZ_OK;
        seed_rows(how, count, n->classes, w->clean, z, y, w->row, w->seeds);
        for (size_t i = 0; i < count; i++)
            if (how->only_right && btz_argmax(z + i * n->classes, n->classes) != y[i])
                memset(w->seeds + i * n->classes, 0, n->classes * sizeof *w->seeds);
        BTZ_TRY(btz_harden_backward(n, which, w->seeds, count, 1));
        grad = btz_harden_input_grad(n, which);
        /* A row without a seed has no gradient and stays. */
        for (size_t i = 0; i < count; i++)
            move(how, features, x + i * features, grad + i * features, adv + i * features);
    }
    return BTZ_OK;
}

enum btz_err btz_harden_inner(struct btz_harden_nets *n, const struct btz_inner *how,
                              uint64_t version, uint64_t seed, struct btz_rng *rng, size_t count,
                              const float *x, const uint32_t *y, float *adv)
{
    size_t features = n->params->features;
    BTZ_FREE float *clean = malloc(count * n->classes * sizeof *clean);
    BTZ_FREE float *seeds = malloc(count * n->classes * sizeof *seeds);
    BTZ_FREE double *row = malloc(n->classes * sizeof *row);
    const float *z;

    if (!clean || !seeds || !row)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < count; i++)
        start(how, &rng[i], features, x + i * features, adv + i * features);
    if (how->divergence) {
        BTZ_TRY(btz_harden_forward(n, BTZ_HARDEN_EVAL, version, seed, x, count, &z));
        memcpy(clean, z, count * n->classes * sizeof *clean);
    }
    return climb(n, how, version, seed, count, x, y, &(struct inner_work){ clean, seeds, row },
                 adv);
}
