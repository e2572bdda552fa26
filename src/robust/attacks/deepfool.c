/* DeepFool: to the nearest boundary of the model made linear, again and again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/known.h"
#include "robust/robust.h"

extern const struct btz_attack btz_attack_deepfool;

enum { STEPS, OVERSHOOT, CANDIDATES };
static const struct btz_attack_param params[] = {
    [STEPS] = { "steps", "linear models that are made", 50, 1, 10000, true },
    [OVERSHOOT] = { "overshoot", "how far beyond the boundary, as a share", 0.02, 0, 1, false },
    [CANDIDATES] = { "candidates", "likeliest classes that are looked at", 10, 2, 1000, true },
};

#define BLOCK ((size_t)1 << 24) /* floats of gradients at a time */

/* Of the rows of one call: the r-th likeliest class of each. */
struct ranks {
    uint32_t *class; /* candidates x count */
    size_t count;
};
struct rank_loss {
    const struct ranks *ranks;
    size_t rank;
};

/* The score of one class. */
static void score(const void *user, size_t first, size_t count, size_t classes, const float *logits,
                  float *loss, float *grad)
{
    const struct rank_loss *l = user;

    for (size_t i = 0; i < count; i++) {
        uint32_t k = l->ranks->class[l->rank * l->ranks->count + first + i];

        if (loss)
            loss[i] = logits[i * classes + k];
        for (size_t c = 0; grad && c < classes; c++)
            grad[i * classes + c] = c == k;
    }
}

struct work {
    struct btz_attack_job *job;
    size_t candidates;
    size_t *active, count;
    struct ranks ranks;
    struct rank_loss *user;
    struct btz_loss *losses;
    float *x, *grad, *logits, *value, *total; /* total: of the samples of this chunk, by active */
};

/* The label first, then the others from the likeliest on. */
static void rank(struct work *w, const float *logits, uint32_t y, size_t a)
{
    size_t classes = w->job->classes;

    w->ranks.class[a] = y;
    for (size_t r = 1; r < w->candidates; r++) {
        size_t best = SIZE_MAX;

        for (size_t k = 0; k < classes; k++) {
            bool taken = false;

            for (size_t q = 0; q < r; q++)
                taken = taken || w->ranks.class[q * w->ranks.count + a] == k;
            if (!taken && (best == SIZE_MAX || logits[k] > logits[best]))
                best = k;
        }
        w->ranks.class[r * w->ranks.count + a] = (uint32_t)best;
    }
}

/* Adds the shortest step to a boundary to the a-th's total; the gradients are those of its row. */
static void add_step(struct work *w, size_t a, float *total)
{
    size_t f = w->job->features, best = 0;
    bool linf = w->job->norm == BTZ_NORM_LINF;
    double nearest = (double)INFINITY, gap = 0, length = 0;
    const float *gy = w->grad + a * f;

    for (size_t r = 1; r < w->candidates; r++) {
        const float *gk = w->grad + (r * w->count + a) * f;
        double d = fabs((double)w->value[r * w->count + a] - (double)w->value[a]);
        double l = btz_norm_of(linf ? BTZ_NORM_L1 : BTZ_NORM_L2, gk, gy, f);

        if (l > 1e-12 && d / l < nearest) {
            nearest = d / l;
            best = r;
            gap = d;
            length = l;
        }
    }
    for (size_t j = 0; best && j < f; j++) {
        double g = (double)w->grad[(best * w->count + a) * f + j] - (double)gy[j];

        /* The small sum helps over the boundary where rounding would stop just before it. */
        if (linf)
            g = (g > 0) - (g < 0);
        else
            g /= length;
        total[j] += (float)((gap + 1e-4) / length * g);
    }
}

static void move(struct work *w, size_t i, const float *total, float *x)
{
    const struct btz_attack_job *job = w->job;
    float over = 1 + (float)job->param[OVERSHOOT];

    for (size_t j = 0; j < job->features; j++)
        x[j] = fminf(fmaxf(job->x[i * job->features + j] + over * total[j], job->box.low),
                     job->box.high);
}

/* Samples first .. first + n - 1 to the end. */
static enum btz_err chunk(struct work *w, size_t first, size_t n)
{
    struct btz_attack_job *job = w->job;
    size_t f = job->features, classes = job->classes;
    float *final = job->adv;

    w->count = n;
    memset(w->total, 0, n * f * sizeof *w->total);
    for (size_t a = 0; a < n; a++)
        w->active[a] = first + a;
    for (int t = 0; t <= (int)job->param[STEPS] && w->count; t++) {
        size_t left = 0;

        if (job->stop && *job->stop)
            break;
        for (size_t a = 0; a < w->count; a++)
            move(w, w->active[a], w->total + (w->active[a] - first) * f, w->x + a * f);
        BTZ_TRY(btz_classifier_logits(job->classifier, w->x, w->count, w->logits));
        for (size_t a = 0; a < w->count; a++) {
            size_t i = w->active[a];

            btz_attack_count(job, i, 1, 0);
            memcpy(final + i * f, w->x + a * f, f * sizeof *final);
            if (btz_argmax(w->logits + a * classes, classes) != job->y[i]) {
                job->broken[i] =
                    btz_norm_of(job->norm, final + i * f, job->x + i * f, f) <= job->eps;
                continue;
            }
            memmove(w->x + left * f, w->x + a * f, f * sizeof *w->x);
            memmove(w->logits + left * classes, w->logits + a * classes,
                    classes * sizeof *w->logits);
            w->active[left++] = i;
        }
        w->count = w->ranks.count = left;
        if (!left || t == (int)job->param[STEPS])
            break;
        for (size_t a = 0; a < left; a++)
            rank(w, w->logits + a * classes, job->y[w->active[a]], a);
        BTZ_TRY(btz_classifier_gradient(job->classifier, w->x, left, w->losses, w->candidates, NULL,
                                        w->value, w->grad));
        for (size_t a = 0; a < left; a++)
            btz_attack_count(job, w->active[a], w->candidates, w->candidates);
        for (size_t a = 0; a < left; a++)
            add_step(w, a, w->total + (w->active[a] - first) * f);
    }
    /* What is still classified as its label is no find. */
    for (size_t a = 0; a < w->count; a++)
        memcpy(final + w->active[a] * f, job->x + w->active[a] * f, f * sizeof *final);
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t candidates = (size_t)fmin(job->param[CANDIDATES], (double)job->classes);
    size_t f = job->features, n = BLOCK / (f * (candidates + 2)) + 1;
    BTZ_FREE size_t *active = NULL;
    BTZ_FREE uint32_t *class = NULL;
    BTZ_FREE struct rank_loss *user = NULL;
    BTZ_FREE struct btz_loss *losses = NULL;
    BTZ_FREE float *block = NULL, *scores = NULL;
    struct work w = { .job = job, .candidates = candidates };

    n = n < job->n ? n : job->n;
    active = calloc(n, sizeof *active);
    class = calloc(n * candidates, sizeof *class);
    user = calloc(candidates, sizeof *user);
    losses = calloc(candidates, sizeof *losses);
    block = calloc(n * (candidates + 2), f * sizeof *block);
    scores = calloc(n, (job->classes + candidates) * sizeof *scores);
    if (!active || !class || !user || !losses || !block || !scores)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w.active = active;
    w.ranks.class = class;
    w.user = user;
    w.losses = losses;
    w.x = block;
    w.total = block + n * f;
    w.grad = block + 2 * n * f;
    w.logits = scores;
    w.value = scores + n * job->classes;
    for (size_t r = 0; r < candidates; r++) {
        user[r] = (struct rank_loss){ &w.ranks, r };
        losses[r] = (struct btz_loss){ score, &user[r] };
    }
    for (size_t first = 0; first < job->n; first += n)
        BTZ_TRY(chunk(&w, first, job->n - first < n ? job->n - first : n));
    return BTZ_OK;
}

static enum btz_err selftest(void)
{
    BTZ_TRY(btz_known_linear(&btz_attack_deepfool, BTZ_NORM_L2, 1.03));
    return btz_known_linear(&btz_attack_deepfool, BTZ_NORM_LINF, 1.03);
}

const struct btz_attack btz_attack_deepfool = {
    .id = "deepfool",
    .summary = "smallest change by steps to the nearest boundary of a linear approximation",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_L2 | 1U << BTZ_NORM_LINF,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.gradient",
    .source = "Moosavi-Dezfooli et al. 2016, arXiv 1511.04599",
    .run = run,
    .selftest = selftest,
};
