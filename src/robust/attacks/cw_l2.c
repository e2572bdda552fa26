/* Carlini and Wagner, L2: Adam in tanh space, binary search over the weight of the classification term. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/known.h"
#include "robust/robust.h"

extern const struct btz_attack btz_attack_cw_l2;

enum { STEPS, RATE, SEARCHES, WEIGHT, KAPPA };
static const struct btz_attack_param params[] = {
    [STEPS] = { "steps", "steps of the optimiser for each weight", 1000, 1, 1e6, true },
    [RATE] = { "rate", "its learning rate", 0.01, 1e-6, 10, false },
    [SEARCHES] = { "searches", "weights that are tried", 9, 1, 30, true },
    [WEIGHT] = { "weight", "first weight of the classification term", 0.001, 1e-9, 1e9, false },
    [KAPPA] = { "kappa", "margin by which the wrong class must lead", 0, 0, 1e6, false },
};

/* What a sample has. */
struct state {
    double low, high, weight; /* of the binary search; high < 0: none yet */
    double best, last_loss;   /* distance squared; loss at the last look */
    bool found, stopped;      /* in this search */
};

struct work {
    struct btz_attack_job *job;
    struct state *state;
    size_t *active, count;
    uint32_t *label;                                       /* of the active */
    float *w, *mean, *square, *x, *grad, *logits, *margin; /* of all; of the active from x on */
    float middle, half;
};

/* Margin loss for the active, with their own labels. */
static enum btz_err look(struct work *k)
{
    const struct btz_loss loss = { btz_loss_margin, k->label };
    size_t f = k->job->features;

    for (size_t a = 0; a < k->count; a++) {
        size_t i = k->active[a];

        k->label[a] = k->job->y[i];
        btz_attack_count(k->job, i, 1, 1);
        for (size_t j = 0; j < f; j++)
            k->x[a * f + j] = k->middle + k->half * tanhf(k->w[i * f + j]);
    }
    return btz_classifier_gradient(k->job->classifier, k->x, k->count, &loss, 1, k->logits,
                                   k->margin, k->grad);
}

static void keep(struct work *k, size_t a, double distance)
{
    struct btz_attack_job *job = k->job;
    size_t i = k->active[a], f = job->features;

    if (distance >= k->state[i].best)
        return;
    k->state[i].best = distance;
    memcpy(job->adv + i * f, k->x + a * f, f * sizeof *k->x);
    job->broken[i] = sqrt(distance) <= job->eps;
}

/* One step of Adam for the a-th active sample. */
static void step(struct work *k, size_t a, size_t t)
{
    const double kappa = k->job->param[KAPPA], rate = k->job->param[RATE];
    size_t i = k->active[a], f = k->job->features;
    const float *x0 = k->job->x + i * f;
    struct state *s = &k->state[i];
    double distance = 0, margin = (double)k->margin[a] + kappa;
    float pull = margin > 0 ? (float)s->weight : 0;
    const float fix1 = (float)(1 / (1 - pow(0.9, (double)t))),
                fix2 = (float)(1 / (1 - pow(0.999, (double)t)));

    for (size_t j = 0; j < f; j++) {
        double d = (double)k->x[a * f + j] - (double)x0[j];

        distance += d * d;
    }
    if (btz_argmax(k->logits + a * k->job->classes, k->job->classes) != k->job->y[i] &&
        margin <= 0) {
        s->found = true;
        keep(k, a, distance);
    }
    /* Ten looks in a search: one that no longer gains is left. */
    if (t % ((size_t)k->job->param[STEPS] / 10 + 1) == 0) {
        double now = distance + s->weight * fmax(margin, 0);

        s->stopped = now > s->last_loss * 0.9999;
        s->last_loss = now;
    }
    for (size_t j = 0; j < f; j++) {
        size_t at = i * f + j;
        float u = (k->x[a * f + j] - k->middle) / k->half;
        float g =
            (2 * (k->x[a * f + j] - x0[j]) + pull * k->grad[a * f + j]) * k->half * (1 - u * u);

        k->mean[at] = 0.9F * k->mean[at] + 0.1F * g;
        k->square[at] = 0.999F * k->square[at] + 0.001F * g * g;
        k->w[at] -= (float)rate * k->mean[at] * fix1 / (sqrtf(k->square[at] * fix2) + 1e-8F);
    }
}

static void begin(struct work *k)
{
    size_t f = k->job->features;

    k->count = k->job->n;
    for (size_t i = 0; i < k->job->n; i++) {
        k->active[i] = i;
        k->state[i].found = k->state[i].stopped = false;
        k->state[i].last_loss = (double)INFINITY;
    }
    for (size_t j = 0; j < k->job->n * f; j++)
        k->w[j] = atanhf(0.999999F * (k->job->x[j] - k->middle) / k->half);
    memset(k->mean, 0, k->job->n * f * sizeof *k->mean);
    memset(k->square, 0, k->job->n * f * sizeof *k->square);
}

static void next_weight(struct state *s)
{
    if (s->found)
        s->high = s->weight;
    else
        s->low = s->weight;
    s->weight = s->high > 0 ? (s->low + s->high) / 2 : s->weight * 10;
}

static enum btz_err search(struct work *k)
{
    struct btz_attack_job *job = k->job;

    begin(k);
    for (size_t t = 1; t <= (size_t)job->param[STEPS] && k->count; t++) {
        size_t left = 0;

        if (job->stop && *job->stop)
            return BTZ_OK;
        BTZ_TRY(look(k));
        for (size_t a = 0; a < k->count; a++) {
            step(k, a, t);
            if (!k->state[k->active[a]].stopped)
                k->active[left++] = k->active[a];
        }
        k->count = left;
    }
    for (size_t i = 0; i < job->n; i++)
        next_weight(&k->state[i]);
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t n = job->n, f = job->features;
    BTZ_FREE struct state *state = calloc(n, sizeof *state);
    BTZ_FREE size_t *active = calloc(n, sizeof *active);
    BTZ_FREE uint32_t *label = calloc(n, sizeof *label);
    BTZ_FREE float *block = calloc(5 * n, f * sizeof *block);
    BTZ_FREE float *logits = calloc(n, (job->classes + 1) * sizeof *logits);
    struct work k = { .job = job, .state = state, .active = active, .label = label };

    if (!state || !active || !label || !block || !logits)
        return btz_fail(BTZ_LIMIT, "out of memory");
    k.w = block;
    k.mean = block + n * f;
    k.square = block + 2 * n * f;
    k.x = block + 3 * n * f;
    k.grad = block + 4 * n * f;
    k.logits = logits;
    k.margin = logits + n * job->classes;
    k.middle = (job->box.low + job->box.high) / 2;
    k.half = (job->box.high - job->box.low) / 2;
    for (size_t i = 0; i < n; i++)
        state[i] =
            (struct state){ .high = -1, .weight = job->param[WEIGHT], .best = (double)INFINITY };
    for (int s = 0; s < (int)job->param[SEARCHES]; s++)
        BTZ_TRY(search(&k));
    return BTZ_OK;
}

static enum btz_err selftest(void)
{
    return btz_known_linear(&btz_attack_cw_l2, BTZ_NORM_L2, 1.005);
}

static struct btz_attack_most most(const struct btz_attack_job *job)
{
    uint64_t steps = (uint64_t)job->param[SEARCHES] * (uint64_t)job->param[STEPS];

    return (struct btz_attack_most){ steps, steps };
}

const struct btz_attack btz_attack_cw_l2 = {
    .id = "cw-l2",
    .summary = "smallest L2 change, by Adam in tanh space and a search over the weight",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_L2,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.gradient",
    .source = "Carlini and Wagner 2017, arXiv 1608.04644",
    .run = run,
    .most = most,
    .selftest = selftest,
};
