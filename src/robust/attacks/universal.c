/* One perturbation for all inputs: projected gradient over the training samples. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/robust.h"

extern const struct btz_attack btz_attack_universal;

enum { EPOCHS, BATCH, STEP };
static const struct btz_attack_param params[] = {
    [EPOCHS] = { "epochs", "rounds over the training samples", 20, 1, 10000, true },
    [BATCH] = { "batch", "samples for one step", 128, 1, 1e6, true },
    [STEP] = { "step", "first step as a share of eps; falls to 0", 0.25, 1e-6, 10, false },
};

static float boxed(const struct btz_box *box, float v)
{
    return fminf(fmaxf(v, box->low), box->high);
}

/* Into the ball, a hair inside of it for rounding. */
static void project(const struct btz_attack_job *job, float *delta)
{
    float eps = (float)(job->eps * (1 - 1e-6));
    double length = 0;

    for (size_t k = 0; k < job->features; k++) {
        length += (double)delta[k] * (double)delta[k];
        if (job->norm == BTZ_NORM_LINF)
            delta[k] = fminf(fmaxf(delta[k], -eps), eps);
    }
    length = sqrt(length);
    if (job->norm == BTZ_NORM_L2 && length > (double)eps)
        for (size_t k = 0; k < job->features; k++)
            delta[k] = (float)((double)delta[k] / length * (double)eps);
}

struct work {
    float *x, *grad, *logits, *value;
    double *sum;
};

/* One step against the margins of samples first .. first+n-1; those that are broken already ask for nothing. */
static enum btz_err step(const struct btz_attack_job *job, struct work *w, size_t first, size_t n,
                         double size, float *delta)
{
    const struct btz_loss loss = { btz_loss_margin, job->y + first };
    size_t f = job->features;
    double length = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < f; k++)
            w->x[i * f + k] = boxed(&job->box, job->x[(first + i) * f + k] + delta[k]);
    BTZ_TRY(
        btz_classifier_gradient(job->classifier, w->x, n, &loss, 1, w->logits, w->value, w->grad));
    memset(w->sum, 0, f * sizeof *w->sum);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; w->value[i] >= 0 && k < f; k++)
            w->sum[k] += (double)w->grad[i * f + k];
    for (size_t k = 0; k < f; k++)
        length += w->sum[k] * w->sum[k];
    length = sqrt(length);
    for (size_t k = 0; length > 0 && k < f; k++) {
        double d =
            job->norm == BTZ_NORM_LINF ? (w->sum[k] > 0) - (w->sum[k] < 0) : w->sum[k] / length;

        delta[k] -= (float)(size * d);
    }
    project(job, delta);
    return BTZ_OK;
}

static enum btz_err train(const struct btz_attack_job *job, float *delta)
{
    size_t batch = job->param[BATCH] < (double)job->n ? (size_t)job->param[BATCH] : job->n;
    size_t f = job->features;
    BTZ_FREE float *rows = calloc(batch, (2 * f + job->classes + 1) * sizeof *rows);
    BTZ_FREE double *sum = calloc(f, sizeof *sum);
    struct work w = { .x = rows, .sum = sum };

    if (!rows || !sum)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w.grad = rows + batch * f;
    w.logits = rows + 2 * batch * f;
    w.value = w.logits + batch * job->classes;
    memset(delta, 0, f * sizeof *delta);
    for (size_t e = 0; e < (size_t)job->param[EPOCHS]; e++) {
        double size = job->eps * job->param[STEP] * (1 - (double)e / job->param[EPOCHS]);

        for (size_t first = 0; first < job->n; first += batch) {
            if (job->stop && *job->stop)
                return BTZ_OK;
            BTZ_TRY(
                step(job, &w, first, job->n - first < batch ? job->n - first : batch, size, delta));
        }
    }
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t f = job->features;
    BTZ_FREE float *delta = calloc(f, sizeof *delta);
    BTZ_FREE float *logits = calloc(job->n, job->classes * sizeof *logits);

    if (!delta || !logits)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (job->shared)
        memcpy(delta, job->shared, f * sizeof *delta);
    else
        BTZ_TRY(train(job, delta));
    for (size_t k = 0; k < job->n * f; k++)
        job->adv[k] = boxed(&job->box, job->x[k] + delta[k % f]);
    BTZ_TRY(btz_classifier_logits(job->classifier, job->adv, job->n, logits));
    for (size_t i = 0; i < job->n; i++)
        btz_attack_count(job, i, 1, 0);
    for (size_t i = 0; i < job->n; i++)
        job->broken[i] = btz_argmax(logits + i * job->classes, job->classes) != job->y[i];
    return BTZ_OK;
}

/* Samples of one class of a linear model: the best is -eps sign(w), which breaks those nearer than eps and no others. */
static enum btz_err selftest(void)
{
    static const float w[] = { 1, -1, -2, 2, 0.5F, -0.5F, -0.5F, 0.5F }, b[] = { 0, 0 };
    static const float x[] = { 0.5F, 0.5F, 0.5F, 0.06F, 0.5F, 0.5F, 0.5F, 0.46F };
    static const struct btz_shape shape = { 1, { 4 } };
    const struct btz_known_layer layer = { w, b, 2 };
    const uint32_t y[2] = { 1, 1 };
    struct btz_model *m = NULL;
    float adv[8];
    bool broken[2];
    enum btz_err err;

    /* w.x is -0.28 and -0.48, and eps moves it by 4 eps. */
    BTZ_TRY(btz_known_model(&shape, &layer, 1, true, &m));
    err = btz_known_run(&btz_attack_universal, m, BTZ_NORM_LINF, 0.1, 2, x, y, adv, broken);
    btz_model_free(m);
    if (!err &&
        (!broken[0] || broken[1] || fabsf(adv[0] - 0.6F) > 1e-3F || fabsf(adv[4] - 0.6F) > 1e-3F))
        return btz_fail(BTZ_INTERNAL, "universal moved a linear model's inputs to %g and %g",
                        (double)adv[0], (double)adv[4]);
    return err;
}

const struct btz_attack btz_attack_universal = {
    .id = "universal",
    .summary = "one perturbation for all inputs, trained on the first of the data",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_LINF | 1U << BTZ_NORM_L2,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.universal",
    .source = "Moosavi-Dezfooli et al. 2017, arXiv 1610.08401; by gradients: Shafahi et al. 2020, "
              "arXiv 1811.11304",
    .run = run,
    .train = train,
    .selftest = selftest,
};
