/* Elastic net: L1 and squared L2 together, by FISTA (iterative shrinkage), with the search over the weight of Carlini and
 * Wagner. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/known.h"
#include "robust/robust.h"

extern const struct btz_attack btz_attack_ead;

enum { STEPS, RATE, SEARCHES, WEIGHT, BETA, KAPPA, RULE };
static const struct btz_attack_param params[] = {
    [STEPS] = { "steps", "steps of the optimiser for each weight", 1000, 1, 1e6, true },
    [RATE] = { "rate", "its first learning rate; falls as a square root to 0", 0.01, 1e-6, 10,
               false },
    [SEARCHES] = { "searches", "weights that are tried", 9, 1, 30, true },
    [WEIGHT] = { "weight", "first weight of the classification term", 0.001, 1e-9, 1e9, false },
    [BETA] = { "beta", "weight of the L1 norm", 0.001, 0, 10, false },
    [KAPPA] = { "kappa", "margin by which the wrong class must lead", 0, 0, 1e6, false },
    [RULE] = { "rule", "what is kept: 0 the smallest in the norm, 1 the smallest elastic net", 0, 0,
               1, true },
};

struct state {
    double low, high, weight;
    double best; /* by the rule */
    bool found;
};

struct work {
    struct btz_attack_job *job;
    struct state *state;
    float *x, *slack, *grad, *logits, *margin;
};

static double size_of(const struct work *w, const float *x, const float *x0)
{
    size_t f = w->job->features;
    double l2;

    if ((int)w->job->param[RULE] == 0)
        return btz_norm_of(w->job->norm, x, x0, f);
    l2 = btz_norm_of(BTZ_NORM_L2, x, x0, f);
    return w->job->param[BETA] * btz_norm_of(BTZ_NORM_L1, x, x0, f) + l2 * l2;
}

/* Keeps what is misclassified and smaller. */
static void judge(struct work *w, size_t i, const float *logits)
{
    struct btz_attack_job *job = w->job;
    size_t f = job->features;
    struct state *s = &w->state[i];
    float other = -INFINITY;
    double size;

    for (size_t k = 0; k < job->classes; k++)
        if (k != job->y[i])
            other = fmaxf(other, logits[k]);
    if (btz_argmax(logits, job->classes) == job->y[i] ||
        (double)(logits[job->y[i]] - other) + job->param[KAPPA] > 0)
        return;
    s->found = true;
    size = size_of(w, w->x + i * f, job->x + i * f);
    if (size >= s->best)
        return;
    s->best = size;
    memcpy(job->adv + i * f, w->x + i * f, f * sizeof *job->adv);
    job->broken[i] = btz_norm_of(job->norm, job->adv + i * f, job->x + i * f, f) <= job->eps;
}

/* Gradient at the slack, shrinkage towards the input, momentum. */
static void step(struct work *w, size_t i, size_t t)
{
    const struct btz_attack_job *job = w->job;
    size_t f = job->features;
    const float rate = (float)(job->param[RATE] * sqrt(1 - (double)t / job->param[STEPS])),
                beta = (float)job->param[BETA], speed = (float)t / ((float)t + 3);
    float pull = (double)w->margin[i] + job->param[KAPPA] > 0 ? (float)w->state[i].weight : 0;

    for (size_t j = i * f; j < (i + 1) * f; j++) {
        float x0 = job->x[j], before = w->x[j];
        float z = w->slack[j] - rate * (2 * (w->slack[j] - x0) + pull * w->grad[j]);

        if (z - x0 > beta)
            z = fminf(z - beta, job->box.high);
        else if (z - x0 < -beta)
            z = fmaxf(z + beta, job->box.low);
        else
            z = x0;
        w->x[j] = z;
        w->slack[j] = z + speed * (z - before);
    }
}

static enum btz_err search(struct work *w)
{
    struct btz_attack_job *job = w->job;
    const struct btz_loss loss = { btz_loss_margin, job->y };
    size_t bytes = job->n * job->features * sizeof *w->x;

    memcpy(w->x, job->x, bytes);
    memcpy(w->slack, job->x, bytes);
    for (size_t i = 0; i < job->n; i++)
        w->state[i].found = false;
    for (size_t t = 0; t < (size_t)job->param[STEPS]; t++) {
        if (job->stop && *job->stop)
            return BTZ_OK;
        BTZ_TRY(btz_classifier_gradient(job->classifier, w->slack, job->n, &loss, 1, NULL,
                                        w->margin, w->grad));
        for (size_t i = 0; i < job->n; i++)
            step(w, i, t);
        BTZ_TRY(btz_classifier_logits(job->classifier, w->x, job->n, w->logits));
        for (size_t i = 0; i < job->n; i++)
            btz_attack_count(job, i, 2, 1);
        for (size_t i = 0; i < job->n; i++)
            judge(w, i, w->logits + i * job->classes);
    }
    for (size_t i = 0; i < job->n; i++) {
        struct state *s = &w->state[i];

        if (s->found)
            s->high = s->weight;
        else
            s->low = s->weight;
        s->weight = s->high > 0 ? (s->low + s->high) / 2 : s->weight * 10;
    }
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t n = job->n, f = job->features;
    BTZ_FREE struct state *state = calloc(n, sizeof *state);
    BTZ_FREE float *block = calloc(3 * n, f * sizeof *block);
    BTZ_FREE float *logits = calloc(n, (job->classes + 1) * sizeof *logits);
    struct work w = { job, state, block, NULL, NULL, logits, NULL };

    if (!state || !block || !logits)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w.slack = block + n * f;
    w.grad = block + 2 * n * f;
    w.margin = logits + n * job->classes;
    for (size_t i = 0; i < n; i++)
        state[i] =
            (struct state){ .high = -1, .weight = job->param[WEIGHT], .best = (double)INFINITY };
    for (int s = 0; s < (int)job->param[SEARCHES]; s++)
        BTZ_TRY(search(&w));
    return BTZ_OK;
}

/*
 * Without the L1 norm what is left is a plain descent, which reaches the L2 distance (measured: 1.0002 of it); with ten times
 * the default weight the L1 norm rules (1.0012). The default lies between and cannot reach either: each step shrinks by beta
 * whatever its rate, in the paper and in the authors' code, so that the L1 norm weighs beta / rate, 0.1 and more, beside the
 * squared L2 norm. Measured: 1.162 in L1, 1.122 in L2; 10,000 steps instead of 1,000 do not change that.
 */
static enum btz_err selftest(void)
{
    BTZ_TRY(btz_known_linear_with(&btz_attack_ead, BTZ_NORM_L2, "beta", 0, 1.002));
    BTZ_TRY(btz_known_linear_with(&btz_attack_ead, BTZ_NORM_L1, "beta", 0.01, 1.005));
    BTZ_TRY(btz_known_linear(&btz_attack_ead, BTZ_NORM_L1, 1.18));
    return btz_known_linear(&btz_attack_ead, BTZ_NORM_L2, 1.15);
}

static struct btz_attack_most most(const struct btz_attack_job *job)
{
    uint64_t steps = (uint64_t)job->param[SEARCHES] * (uint64_t)job->param[STEPS];

    return (struct btz_attack_most){ 2 * steps, steps };
}

const struct btz_attack btz_attack_ead = {
    .id = "ead",
    .summary = "smallest elastic net of L1 and L2, by iterative shrinkage",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_L1 | 1U << BTZ_NORM_L2,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.gradient",
    .source = "Chen et al. 2018, arXiv 1709.04114",
    .run = run,
    .most = most,
    .selftest = selftest,
};
