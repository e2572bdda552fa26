/* A square that is put somewhere on the picture, the same for all of them, trained at random places. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/picture.h"

extern const struct btz_attack btz_attack_patch;

enum { AREA, STEPS, BATCH, RATE, TARGET, TRIES };
static const struct btz_attack_param params[] = {
    [AREA] = { "area", "share of the picture that the square covers", 0.05, 0.0001, 0.9, false },
    [STEPS] = { "steps", "steps of the training", 200, 1, 1e6, true },
    [BATCH] = { "batch", "samples for one step", 64, 1, 1e6, true },
    [RATE] = { "rate", "first step as a share of the box; falls to 0", 0.1, 1e-6, 1, false },
    [TARGET] = { "target", "class to be seen; -1: any but the label", -1, -1, 1e6, true },
    [TRIES] = { "tries", "places on each picture; one that succeeds is enough", 10, 1, 10000,
                true },
};

static size_t side_of(const struct btz_attack_job *job, const struct btz_picture *p)
{
    size_t least = p->height < p->width ? p->height : p->width;
    double side = round(sqrt(job->param[AREA] * (double)(p->height * p->width)));

    return side < 1 ? 1 : side > (double)least ? least : (size_t)side;
}

struct place {
    size_t row, column;
};

static struct place place(const struct btz_attack_job *job, const struct btz_picture *p,
                          size_t side, size_t i, uint64_t part)
{
    struct btz_rng rng;
    struct place at;

    btz_attack_rng(job, i, part, &rng);
    at.row = btz_rng_below(&rng, (uint32_t)(p->height - side + 1));
    at.column = btz_rng_below(&rng, (uint32_t)(p->width - side + 1));
    return at;
}

static void put(const struct btz_picture *p, size_t side, struct place at, const float *patch,
                float *x)
{
    for (size_t c = 0; c < p->channels; c++)
        for (size_t r = 0; r < side; r++)
            memcpy(x + (c * p->height + at.row + r) * p->width + at.column,
                   patch + (c * side + r) * side, side * sizeof *x);
}

/* Adds the part of a gradient that lies under the square. */
static void gather(const struct btz_picture *p, size_t side, struct place at, const float *grad,
                   double *sum)
{
    for (size_t c = 0; c < p->channels; c++)
        for (size_t r = 0; r < side; r++)
            for (size_t k = 0; k < side; k++)
                sum[(c * side + r) * side + k] +=
                    (double)grad[(c * p->height + at.row + r) * p->width + at.column + k];
}

struct work {
    float *x, *grad;
    uint32_t *label;
    double *sum, *speed;
};

static enum btz_err step(const struct btz_attack_job *job, const struct btz_picture *p,
                         struct work *w, size_t t, size_t batch, float *patch)
{
    const struct btz_loss loss = { btz_loss_cross_entropy, w->label };
    size_t f = job->features, side = side_of(job, p), count = p->channels * side * side;
    double range = (double)job->box.high - (double)job->box.low;
    double size = job->param[RATE] * range * (1 - (double)t / job->param[STEPS]), total = 0;
    bool aimed = job->param[TARGET] >= 0;

    for (size_t b = 0; b < batch; b++) {
        size_t i = (t * batch + b) % job->n;

        memcpy(w->x + b * f, job->x + i * f, f * sizeof *w->x);
        put(p, side, place(job, p, side, i, 0x10000 + t), patch, w->x + b * f);
        w->label[b] = aimed ? (uint32_t)job->param[TARGET] : job->y[i];
    }
    BTZ_TRY(btz_classifier_gradient(job->classifier, w->x, batch, &loss, 1, NULL, NULL, w->grad));
    memset(w->sum, 0, count * sizeof *w->sum);
    for (size_t b = 0; b < batch; b++) {
        size_t i = (t * batch + b) % job->n;

        gather(p, side, place(job, p, side, i, 0x10000 + t), w->grad + b * f, w->sum);
    }
    for (size_t k = 0; k < count; k++)
        total += fabs(w->sum[k]);
    for (size_t k = 0; total > 0 && k < count; k++) {
        w->speed[k] = 0.9 * w->speed[k] + w->sum[k] / total;
        patch[k] += (float)((aimed ? -size : size) * ((w->speed[k] > 0) - (w->speed[k] < 0)));
        patch[k] = fminf(fmaxf(patch[k], job->box.low), job->box.high);
    }
    return BTZ_OK;
}

static enum btz_err train(const struct btz_attack_job *job, float *shared)
{
    size_t batch = job->param[BATCH] < (double)job->n ? (size_t)job->param[BATCH] : job->n;
    size_t f = job->features;
    struct btz_picture p;
    BTZ_FREE float *rows = calloc(batch, 2 * f * sizeof *rows);
    BTZ_FREE uint32_t *label = calloc(batch, sizeof *label);
    BTZ_FREE double *sums = calloc(f, 2 * sizeof *sums);
    struct work w = { rows, NULL, label, sums, NULL };

    if (!rows || !label || !sums)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_picture_of(&job->shape, &p));
    if (job->param[TARGET] >= (double)job->classes)
        return btz_fail(BTZ_USAGE, "target %g: the model has %zu classes", job->param[TARGET],
                        job->classes);
    w.grad = rows + batch * f;
    w.speed = sums + f;
    for (size_t k = 0; k < f; k++)
        shared[k] = (job->box.low + job->box.high) / 2;
    for (size_t t = 0; t < (size_t)job->param[STEPS] && !(job->stop && *job->stop); t++)
        BTZ_TRY(step(job, &p, &w, t, batch, shared));
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t f = job->features, tries = (size_t)job->param[TRIES];
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;
    BTZ_FREE float *patch = calloc(f, sizeof *patch);
    struct btz_picture p;

    if (!patch)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_picture_of(&job->shape, &p));
    if (job->shared)
        memcpy(patch, job->shared, f * sizeof *patch);
    else
        BTZ_TRY(train(job, patch));
    BTZ_TRY(btz_hunt_new(job, (double)tries, true, &h));
    for (size_t t = 0; t < tries; t++) {
        for (size_t i = 0; i < job->n; i++) {
            size_t side = side_of(job, &p);
            float *row;

            if (h->done[i])
                continue;
            row = btz_hunt_row(h, i);
            memcpy(row, job->x + i * f, f * sizeof *row);
            put(&p, side, place(job, &p, side, i, t), patch, row);
        }
        BTZ_TRY(btz_hunt_ask(h));
        h->filled = 0;
    }
    return BTZ_OK;
}

/* A model of the sum of all pixels: the best square is dark, and takes 16 of 64 pixels from 0.5 to 0, a sum of 8. */
static enum btz_err selftest(void)
{
    static const struct btz_shape shape = { 3, { 1, 8, 8 } };
    float w[128], x[128], adv[128], b[2] = { 0, 0 };
    const struct btz_known_layer layer = { w, b, 2 };
    const uint32_t y[2] = { 0, 0 };
    struct btz_attack attack = btz_attack_patch;
    struct btz_attack_param all[BTZ_COUNT(params)];
    struct btz_model *m = NULL;
    size_t dark = 0;
    bool broken[2];
    enum btz_err err;

    memcpy(all, params, sizeof all);
    all[AREA].fallback = 0.25;
    attack.params = all;
    for (size_t k = 0; k < 64; k++) {
        w[2 * k] = 1;
        w[2 * k + 1] = 0;
        x[k] = 0.5F;
        x[64 + k] = 0.52F;
    }
    /* 32 and 33.28 against 24.8: a dark square leaves 24 and 24.96. */
    b[1] = 24.8F;
    BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
    err = btz_known_run(&attack, m, BTZ_NORM_NONE, 0, 2, x, y, adv, broken);
    btz_model_free(m);
    for (size_t k = 0; k < 64; k++)
        dark += adv[k] < 1e-3F;
    if (!err && (!broken[0] || broken[1] || dark != 16))
        return btz_fail(BTZ_INTERNAL, "patch: %zu dark pixels of 16; broken: %d, %d of 1, 0", dark,
                        broken[0], broken[1]);
    return err;
}

const struct btz_attack btz_attack_patch = {
    .id = "patch",
    .summary = "one square for all pictures, trained at random places",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_NONE,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.patch",
    .source = "Brown et al. 2017, arXiv 1712.09665",
    .run = run,
    .train = train,
    .selftest = selftest,
};
