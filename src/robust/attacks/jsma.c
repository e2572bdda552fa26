/* Saliency maps: few features, moved all the way, two at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/robust.h"

extern const struct btz_attack btz_attack_jsma;

enum { THETA, GAMMA, TARGET, TARGETS, BOTH };
static const struct btz_attack_param params[] = {
    [THETA] = { "theta", "change of a feature in one step, as a share of the box", 1, 0.01, 1,
                false },
    [GAMMA] = { "gamma", "share of the features that may be changed", 0.15, 0, 1, false },
    [TARGET] = { "target", "class to be reached; -1: any, the smallest of `targets`", -1, -1, 1e6,
                 true },
    [TARGETS] = { "targets", "likeliest other classes that are tried without a target", 3, 1, 1000,
                  true },
    [BOTH] = { "both", "1: features go up and down; 0: up", 1, 0, 1, true },
};

/* The score of the target, or the sum of all the others. */
struct side {
    const uint32_t *target;
    bool others;
};

static void side_loss(const void *user, size_t first, size_t count, size_t classes,
                      const float *logits, float *loss, float *grad)
{
    const struct side *s = user;

    for (size_t i = 0; i < count; i++) {
        uint32_t t = s->target[first + i];
        float sum = 0;

        for (size_t k = 0; k < classes; k++) {
            float weight = (k == t) != s->others;

            sum += weight * logits[i * classes + k];
            if (grad)
                grad[i * classes + k] = weight;
        }
        if (loss)
            loss[i] = sum;
    }
}

struct work {
    struct btz_attack_job *job;
    size_t *active, count;
    uint32_t *target;
    double *best;     /* n */
    signed char *way; /* n x features: where a feature went; it does not turn back */
    float *x, *now;   /* n x features; of the active */
    float *grad, *logits;
};

/* One way of moving one feature. */
struct move {
    size_t feature;
    float sign, gain, cost; /* change of the target's score and of the others' sum */
};
#define MOVES 64 /* pairs are looked for among as many: all of them where inputs are small */

static size_t moves(const struct work *w, size_t a, struct move out[MOVES])
{
    const struct btz_attack_job *job = w->job;
    size_t i = w->active[a], f = job->features, count = 0;

    for (size_t k = 0; k < f; k++)
        for (int s = 1; s >= (job->param[BOTH] > 0 ? -1 : 1); s -= 2) {
            float v = w->x[i * f + k], sign = (float)s;
            struct move m = { k, sign, sign * w->grad[a * f + k],
                              sign * w->grad[(w->count + a) * f + k] };
            size_t at;

            if ((s > 0 ? v >= job->box.high : v <= job->box.low) || w->way[i * f + k] == -s ||
                m.gain - m.cost <= 0)
                continue;
            /* Insertion into the best so far. */
            if (count < MOVES)
                at = count++;
            else if (m.gain - m.cost > out[MOVES - 1].gain - out[MOVES - 1].cost)
                at = MOVES - 1;
            else
                continue;
            for (; at && m.gain - m.cost > out[at - 1].gain - out[at - 1].cost; at--)
                out[at] = out[at - 1];
            out[at] = m;
        }
    return count;
}

static void apply(struct work *w, size_t i, const struct move *m)
{
    const struct btz_attack_job *job = w->job;
    float by = (float)job->param[THETA] * (job->box.high - job->box.low) * m->sign;
    size_t at = i * job->features + m->feature;

    w->x[at] = fminf(fmaxf(w->x[at] + by, job->box.low), job->box.high);
    w->way[at] = m->sign > 0 ? 1 : -1;
}

/* The pair with the greatest product of what it gives the target and takes from the others; else the best move alone. */
static bool step(struct work *w, size_t a)
{
    struct move m[MOVES];
    size_t count = moves(w, a, m), p = 0, q = 0;
    float best = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++) {
            float gain = m[i].gain + m[j].gain, cost = m[i].cost + m[j].cost;

            if (m[i].feature != m[j].feature && gain > 0 && cost < 0 && -gain * cost > best) {
                best = -gain * cost;
                p = i;
                q = j;
            }
        }
    if (!count)
        return false;
    apply(w, w->active[a], &m[p]);
    if (q != p)
        apply(w, w->active[a], &m[q]);
    return true;
}

/* Keeps what has arrived; true where the sample is to go on. */
static bool look(struct work *w, size_t a)
{
    struct btz_attack_job *job = w->job;
    size_t i = w->active[a], f = job->features;
    size_t class = btz_argmax(w->logits + a * job->classes, job->classes);
    double size = btz_norm_of(BTZ_NORM_L0, w->x + i * f, job->x + i * f, f);
    bool arrived = job->param[TARGET] < 0 ? class != job->y[i] : class == w->target[a];

    if (arrived && size < w->best[i]) {
        w->best[i] = size;
        memcpy(job->adv + i * f, w->x + i * f, f * sizeof *job->adv);
        job->broken[i] = size <= job->eps;
    }
    return !arrived && size < w->best[i] && size < job->param[GAMMA] * (double)f;
}

/* The r-th likeliest class other than the label, at the input. */
static uint32_t ranked(const float *logits, size_t classes, uint32_t y, size_t r)
{
    for (uint32_t k = 0; k < classes; k++) {
        size_t above = 0;

        for (uint32_t q = 0; q < classes; q++)
            above += q != y && (logits[q] > logits[k] || (!(logits[q] < logits[k]) && q < k));
        if (k != y && above == r)
            return k;
    }
    return y ? 0 : 1;
}

static enum btz_err attempt(struct work *w, size_t rank)
{
    struct btz_attack_job *job = w->job;
    size_t n = job->n, f = job->features, classes = job->classes;
    const struct side sides[2] = { { w->target, false }, { w->target, true } };
    const struct btz_loss losses[2] = { { side_loss, &sides[0] }, { side_loss, &sides[1] } };

    memcpy(w->x, job->x, n * f * sizeof *w->x);
    memset(w->way, 0, n * f);
    BTZ_TRY(btz_classifier_logits(job->classifier, job->x, n, w->logits));
    w->count = 0;
    for (size_t i = 0; i < n; i++) {
        bool any = job->param[TARGET] < 0;
        uint32_t t = any ? ranked(w->logits + i * classes, classes, job->y[i], rank)
                         : (uint32_t)job->param[TARGET];

        if (!any && (t >= classes || t == job->y[i]))
            continue;
        w->target[w->count] = t;
        w->active[w->count++] = i;
    }
    while (w->count && !(job->stop && *job->stop)) {
        size_t left = 0;

        for (size_t a = 0; a < w->count; a++)
            btz_attack_count(job, w->active[a], 2, 2);
        for (size_t a = 0; a < w->count; a++)
            memcpy(w->now + a * f, w->x + w->active[a] * f, f * sizeof *w->now);
        BTZ_TRY(btz_classifier_gradient(job->classifier, w->now, w->count, losses, 2, w->logits,
                                        NULL, w->grad));
        for (size_t a = 0; a < w->count; a++)
            if (look(w, a) && step(w, a)) {
                w->active[left] = w->active[a];
                w->target[left++] = w->target[a];
            }
        w->count = left;
    }
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t n = job->n, f = job->features;
    size_t targets =
        job->param[TARGET] < 0 ? (size_t)fmin(job->param[TARGETS], (double)job->classes - 1) : 1;
    BTZ_FREE size_t *active = calloc(n, sizeof *active);
    BTZ_FREE uint32_t *target = calloc(n, sizeof *target);
    BTZ_FREE double *best = calloc(n, sizeof *best);
    BTZ_FREE signed char *way = calloc(n, f);
    BTZ_FREE float *block = calloc(4 * n, f * sizeof *block);
    BTZ_FREE float *logits = calloc(n, job->classes * sizeof *logits);
    struct work w = { job, active, 0, target, best, way, block, NULL, NULL, logits };

    if (!active || !target || !best || !way || !block || !logits)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w.now = block + n * f;
    w.grad = block + 2 * n * f;
    for (size_t i = 0; i < n; i++)
        best[i] = (double)INFINITY;
    for (size_t r = 0; r < targets; r++)
        BTZ_TRY(attempt(&w, r));
    return BTZ_OK;
}

/*
 * From the middle of the box a feature moved to a wall gains |w| / 2: the fewest that are needed are the largest. The attack
 * takes two at a time, so that it may use one more.
 */
static enum btz_err selftest(void)
{
    static const float gains[] = { 8, 7, 5, 4, 3, 2, 1, 0.5F };
    static const struct btz_shape shape = { 1, { 8 } };
    float w[16], b[2], x[8], adv[8];
    const struct btz_known_layer layer = { w, b, 2 };
    const uint32_t y = 0;

    for (size_t k = 0; k < 8; k++) {
        w[2 * k] = (k % 2 ? 1 : -1) * gains[k] / 2;
        w[2 * k + 1] = -w[2 * k];
        x[k] = 0.5F;
    }
    /* Between the sum of the first `few` gains and that of one less. */
    for (size_t few = 2; few <= 5; few++) {
        struct btz_attack attack = btz_attack_jsma;
        struct btz_attack_param all[BTZ_COUNT(params)];
        double margin = 0, changed;
        struct btz_model *m = NULL;
        bool broken = false;
        enum btz_err err;

        memcpy(all, params, sizeof all);
        all[GAMMA].fallback = 1;
        attack.params = all;
        for (size_t k = 0; k < few; k++)
            margin += (double)gains[k] / 2;
        margin -= 0.1;
        b[0] = (float)(margin / 2);
        b[1] = -b[0];
        for (size_t k = 0; k < 8; k++)
            b[0] -= w[2 * k] * 0.5F;
        for (size_t k = 0; k < 8; k++)
            b[1] -= w[2 * k + 1] * 0.5F;
        BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
        err =
            btz_known_run(&attack, m, BTZ_NORM_L0, (double)(few + few % 2), 1, x, &y, adv, &broken);
        btz_model_free(m);
        BTZ_TRY(err);
        changed = btz_norm_of(BTZ_NORM_L0, adv, x, 8);
        if (!broken || changed < (double)few || changed > (double)(few + few % 2))
            return btz_fail(BTZ_INTERNAL, "jsma changed %g features where %zu are enough", changed,
                            few);
    }
    return BTZ_OK;
}

const struct btz_attack btz_attack_jsma = {
    .id = "jsma",
    .summary = "few features moved all the way, chosen by saliency maps",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_L0,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.gradient",
    .source = "Papernot et al. 2016, arXiv 1511.07528; both ways: Wiyatno and Xu 2018",
    .run = run,
    .selftest = selftest,
};
