/*
 * The table of corruptions: every sample under every kind and severity, counted.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "robust/corruption_table.h"

#define UNIT       ((size_t)64)      /* samples */
#define ROOM       ((size_t)4 << 20) /* floats of a unit, at most */
#define MEMORY_MAX ((size_t)8 << 30)
#define CELLS      (BTZ_CORRUPT_COUNT * BTZ_SEVERITIES)

struct counts {
    uint64_t n, clean, worst, cell[CELLS];
};

struct worker {
    struct btz_classifier *classifier;
    float *x, *rows, *logits;
    uint32_t *y;
    bool *survives;
};

struct table {
    const struct btz_corruption_table_options *o;
    struct worker *workers;
    struct btz_picture picture;
    size_t unit, features, classes;
    pthread_mutex_t read_lock;
    struct counts *counts; /* of each unit */
};

static bool stopped(const struct table *t)
{
    return t->o->stop && __atomic_load_n(t->o->stop, __ATOMIC_RELAXED);
}

static enum btz_err read_rows(struct table *t, struct worker *w, uint64_t first, size_t count)
{
    const struct btz_evaluate_samples *s = &t->o->samples;
    enum btz_err err;

    if (s->x) {
        memcpy(w->x, s->x + first * t->features, count * t->features * sizeof *w->x);
        memcpy(w->y, s->y + first, count * sizeof *w->y);
        return BTZ_OK;
    }
    pthread_mutex_lock(&t->read_lock);
    err = s->read(s->user, first, count, w->x, w->y);
    pthread_mutex_unlock(&t->read_lock);
    return err;
}

static enum btz_err check_rows(const struct table *t, const struct worker *w, uint64_t first,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (w->y[i] >= t->classes)
            return btz_fail(BTZ_INPUT,
                            "sample %" PRIu64 " has label %" PRIu32 "; the model has %zu classes",
                            first + i, w->y[i], t->classes);
        for (size_t k = 0; k < t->features; k++) {
            float v = w->x[i * t->features + k];

            if (!(v >= t->o->box.low && v <= t->o->box.high))
                return btz_fail(BTZ_INPUT,
                                "sample %" PRIu64 ", value %zu is %g; inputs are %g to %g: say the "
                                "range with --low and --high",
                                first + i, k, (double)v, (double)t->o->box.low,
                                (double)t->o->box.high);
        }
    }
    return BTZ_OK;
}

/* How many rows are classified correctly; those that are not no longer survive. */
static enum btz_err judge(const struct table *t, struct worker *w, const float *rows, size_t count,
                          uint64_t *correct)
{
    BTZ_TRY(btz_classifier_logits(w->classifier, rows, count, w->logits));
    for (size_t i = 0; i < count; i++) {
        bool right = btz_argmax(w->logits + i * t->classes, t->classes) == w->y[i];

        *correct += right;
        w->survives[i] = w->survives[i] && right;
    }
    return BTZ_OK;
}

/* The samples as they are: from the pass that was made, or by one. */
static enum btz_err judge_clean(const struct table *t, struct worker *w, uint64_t first,
                                size_t count, uint64_t *correct)
{
    memset(w->survives, true, count * sizeof *w->survives);
    if (!t->o->clean)
        return judge(t, w, w->x, count, correct);
    for (size_t i = 0; i < count; i++) {
        w->survives[i] = t->o->clean[first + i].clean == w->y[i];
        *correct += w->survives[i];
    }
    return BTZ_OK;
}

/* The pictures of the attack: its streams, its numbering of draws. */
static enum btz_err corrupt(const struct table *t, struct worker *w, uint64_t first, size_t count,
                            enum btz_corruption kind, int severity)
{
    uint64_t index;
    const struct btz_attack_job job = { .attack = btz_attack_find("corruption"),
                                        .seed = t->o->seed,
                                        .index = &index };

    for (size_t i = 0; i < count; i++) {
        float *row = w->rows + i * t->features;
        struct btz_rng rng;

        index = first + i;
        btz_attack_rng(&job, 0, (uint64_t)kind * BTZ_SEVERITIES + (uint64_t)severity, &rng);
        BTZ_TRY(
            btz_corrupt(&t->picture, t->o->box, kind, severity, &rng, w->x + i * t->features, row));
        for (size_t k = 0; k < t->features; k++)
            row[k] = fminf(fmaxf(row[k], t->o->box.low), t->o->box.high);
    }
    return BTZ_OK;
}

static enum btz_err run_unit(void *user, size_t number, unsigned worker)
{
    struct table *t = user;
    struct worker *w = &t->workers[worker];
    struct counts *c = &t->counts[number];
    uint64_t first = (uint64_t)number * t->unit, left = t->o->samples.n - first;
    size_t count = left < t->unit ? (size_t)left : t->unit;

    BTZ_TRY(read_rows(t, w, first, count));
    BTZ_TRY(check_rows(t, w, first, count));
    BTZ_TRY(judge_clean(t, w, first, count, &c->clean));
    for (int cell = 0; cell < CELLS; cell++) {
        if (stopped(t)) /* half a unit is not a result: n stays 0 */
            return BTZ_OK;
        BTZ_TRY(corrupt(t, w, first, count, (enum btz_corruption)(cell / BTZ_SEVERITIES),
                        cell % BTZ_SEVERITIES + 1));
        BTZ_TRY(judge(t, w, w->rows, count, &c->cell[cell]));
    }
    for (size_t i = 0; i < count; i++)
        c->worst += w->survives[i];
    c->n = count;
    return BTZ_OK;
}

/* ---- workers ----------------------------------------------------------------------------------------------------------- */

static void worker_close(struct worker *w)
{
    btz_classifier_free(w->classifier);
    free(w->x);
    free(w->rows);
    free(w->logits);
    free(w->y);
    free(w->survives);
}

static enum btz_err worker_arrays(const struct table *t, struct worker *w)
{
    w->x = calloc(t->unit, t->features * sizeof *w->x);
    w->rows = calloc(t->unit, t->features * sizeof *w->rows);
    w->logits = calloc(t->unit, t->classes * sizeof *w->logits);
    w->y = calloc(t->unit, sizeof *w->y);
    w->survives = calloc(t->unit, sizeof *w->survives);
    return w->x && w->rows && w->logits && w->y && w->survives
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "out of memory for %zu samples of %zu values", t->unit,
                          t->features);
}

/* The first worker tells what a unit is and how many workers there is memory for. */
static enum btz_err plan(struct table *t, unsigned *threads)
{
    size_t allowed = t->o->memory_max ? t->o->memory_max : MEMORY_MAX, each;
    struct btz_classifier *c;

    BTZ_TRY(btz_classifier_new(t->o->model, NULL, &t->workers[0].classifier));
    c = t->workers[0].classifier;
    BTZ_TRY(btz_picture_of(&c->shape, &t->picture));
    t->features = c->features;
    t->classes = c->classes;
    t->unit = ROOM / t->features;
    t->unit = t->unit < 1 ? 1 : t->unit > UNIT ? UNIT : t->unit;
    BTZ_TRY(btz_classifier_memory(c, false, &each));
    each += t->unit * (2 * t->features + t->classes) * sizeof(float);
    if (each > allowed)
        return btz_fail(BTZ_LIMIT, "the table needs %zu MiB for one thread; %zu are allowed",
                        (each >> 20) + 1, allowed >> 20);
    if (*threads > allowed / each)
        *threads = (unsigned)(allowed / each);
    return BTZ_OK;
}

static enum btz_err add_up(const struct table *t, size_t units, struct btz_corruption_table *out)
{
    double confidence = t->o->confidence > 0 ? t->o->confidence : 0.95;
    struct counts sum = { 0 };

    for (size_t u = 0; u < units && t->counts[u].n; u++) {
        sum.n += t->counts[u].n;
        sum.clean += t->counts[u].clean;
        sum.worst += t->counts[u].worst;
        for (int k = 0; k < CELLS; k++)
            sum.cell[k] += t->counts[u].cell[k];
    }
    out->n = sum.n;
    out->stopped = sum.n < t->o->samples.n;
    if (!sum.n)
        return BTZ_OK;
    BTZ_TRY(btz_rate_set(sum.clean, sum.n, confidence, &out->clean));
    BTZ_TRY(btz_rate_set(sum.worst, sum.n, confidence, &out->worst));
    for (int k = 0; k < CELLS; k++) {
        struct btz_rate *r = &out->cell[k / BTZ_SEVERITIES][k % BTZ_SEVERITIES];

        BTZ_TRY(btz_rate_set(sum.cell[k], sum.n, confidence, r));
        out->kind_mean[k / BTZ_SEVERITIES] += r->value / BTZ_SEVERITIES;
        out->severity_mean[k % BTZ_SEVERITIES] += r->value / BTZ_CORRUPT_COUNT;
        out->mean += r->value / CELLS;
    }
    return BTZ_OK;
}

enum btz_err btz_corruption_table(const struct btz_corruption_table_options *o,
                                  struct btz_corruption_table *out)
{
    unsigned threads = o->threads ? o->threads : 1, given;
    struct table t = { .o = o, .read_lock = PTHREAD_MUTEX_INITIALIZER };
    size_t units = 0;
    enum btz_err err;

    memset(out, 0, sizeof *out);
    if (!o->model || !o->samples.n || (!o->samples.read && (!o->samples.x || !o->samples.y)))
        return btz_fail(BTZ_USAGE, "a table needs a model and labelled samples");
    if (!(o->box.low < o->box.high) || !isfinite(o->box.low) || !isfinite(o->box.high))
        return btz_fail(BTZ_USAGE, "inputs from %g to %g: no range", (double)o->box.low,
                        (double)o->box.high);
    given = threads = threads > BTZ_POOL_THREADS_MAX ? BTZ_POOL_THREADS_MAX : threads;
    t.workers = calloc(given, sizeof *t.workers);
    err = t.workers ? plan(&t, &threads) : btz_fail(BTZ_LIMIT, "out of memory");
    for (unsigned i = 0; !err && i < threads; i++) {
        if (i)
            err = btz_classifier_new(o->model, NULL, &t.workers[i].classifier);
        if (!err)
            err = worker_arrays(&t, &t.workers[i]);
    }
    if (!err) {
        units = (size_t)((o->samples.n + t.unit - 1) / t.unit);
        t.counts = calloc(units, sizeof *t.counts);
        if (!t.counts)
            err = btz_fail(BTZ_LIMIT, "out of memory");
    }
    if (!err)
        err = btz_pool_run(&(struct btz_pool_job){ units, threads, run_unit, &t, o->stop }, NULL);
    if (!err)
        err = add_up(&t, units, out);
    out->threads = threads;
    for (unsigned i = 0; t.workers && i < given; i++)
        worker_close(&t.workers[i]);
    free(t.workers);
    free(t.counts);
    pthread_mutex_destroy(&t.read_lock);
    return err;
}
