/*
 * The evaluation: the clean pass, then one attack after the other over the samples that are left.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/pool.h"
#include "robust/evaluating.h"

#define MEMORY_MAX ((size_t)8 << 30)
#define ROWS       14 /* inputs that a unit holds: four of ours, what the hungriest attack holds */

bool btz_evaluating_stopped(const struct btz_evaluating *ev)
{
    return ev->o->stop && __atomic_load_n(ev->o->stop, __ATOMIC_RELAXED);
}

enum btz_err btz_rate_set(uint64_t k, uint64_t n, double confidence, struct btz_rate *out)
{
    *out = (struct btz_rate){ .k = k, .n = n, .value = n ? (double)k / (double)n : NAN };
    return btz_exact_interval(k, n, confidence, BTZ_SIDE_TWO, &out->interval);
}

enum btz_err btz_worker_scores(struct btz_worker *w, const float *x, size_t n, float *scores)
{
    return w->classifier ? btz_classifier_logits(w->classifier, x, n, scores)
                         : btz_oracle_ask(w->oracle, x, n, scores);
}

static enum btz_err read_rows(struct btz_evaluating *ev, uint64_t first, size_t count, float *x,
                              uint32_t *y)
{
    const struct btz_evaluate_samples *s = &ev->o->samples;
    size_t n = ev->e->features;
    enum btz_err err;

    if (s->x) {
        memcpy(x, s->x + first * n, count * n * sizeof *x);
        memcpy(y, s->y + first, count * sizeof *y);
        return BTZ_OK;
    }
    pthread_mutex_lock(&ev->read_lock);
    err = s->read(s->user, first, count, x, y);
    pthread_mutex_unlock(&ev->read_lock);
    return err;
}

enum btz_err btz_evaluating_read(struct btz_evaluating *ev, const uint64_t *list, size_t count,
                                 float *x, uint32_t *y)
{
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && list[i + run] == list[i] + run; run++)
            ;
        BTZ_TRY(read_rows(ev, list[i], run, x + i * ev->e->features, y + i));
    }
    return BTZ_OK;
}

struct btz_attack_job btz_evaluating_job(const struct btz_evaluating *ev, struct btz_worker *w,
                                         const struct btz_evaluate_attack *a, size_t count)
{
    const struct btz_evaluate_options *o = ev->o;
    struct btz_attack_job job = {
        .attack = a->attack,
        .classifier = w->classifier,
        .oracle = w->oracle,
        .shape = ev->e->shape,
        .n = count,
        .features = ev->e->features,
        .classes = ev->e->classes,
        .x = w->x,
        .y = w->y,
        .index = w->index,
        .norm = o->norm,
        .eps = o->eps,
        .box = o->box,
        .seed = o->seed,
        .stop = o->stop,
        .shared = ev->shared,
        .pool = ev->pool,
        .pool_label = ev->pool_label,
        .pool_count = ev->pool_count,
        .constraint = o->constraint,
        .adv = w->adv,
        .broken = w->broken,
        .queries = w->queries,
        .gradients = w->gradients,
    };

    memcpy(job.param, a->param, sizeof job.param);
    if (btz_best_is_kept(a->attack)) {
        for (size_t i = 0; i < count * BTZ_BEST_POINTS; i++)
            w->best[i] = INFINITY;
        job.on_best = btz_best_note;
        job.user = w;
    }
    memcpy(w->adv, w->x, count * ev->e->features * sizeof *w->adv);
    memset(w->broken, 0, count * sizeof *w->broken);
    memset(w->queries, 0, count * sizeof *w->queries);
    memset(w->gradients, 0, count * sizeof *w->gradients);
    return job;
}

static void progress(struct btz_evaluating *ev, const char *stage, uint64_t done, uint64_t total)
{
    struct btz_sink *sink = ev->o->progress;
    double seconds = (double)(btz_clock_ns() - ev->started) * 1e-9;
    uint64_t fresh = done > ev->resumed_samples ? done - ev->resumed_samples : 0;
    struct btz_progress p = { .stage = stage, .done = done, .total = total, .eta_s = NAN };

    if (!sink || !sink->progress)
        return;
    p.per_second = seconds > 0 ? (double)fresh / seconds : 0;
    if (p.per_second > 0)
        p.eta_s = (double)(total - done) / p.per_second;
    sink->progress(sink, &p);
}

/* ---- the clean pass ---------------------------------------------------------------------------------------------------- */

static enum btz_err check_rows(const struct btz_evaluating *ev, const struct btz_worker *w,
                               uint64_t first, size_t count)
{
    const struct btz_box box = ev->o->box;
    size_t n = ev->e->features;

    for (size_t i = 0; i < count; i++) {
        if (w->y[i] >= ev->e->classes)
            return btz_fail(BTZ_INPUT,
                            "sample %" PRIu64 " has label %" PRIu32 "; the model has %zu classes",
                            first + i, w->y[i], ev->e->classes);
        for (size_t k = 0; k < n; k++) {
            float v = w->x[i * n + k];

            if (!(v >= box.low && v <= box.high))
                return btz_fail(BTZ_INPUT,
                                "sample %" PRIu64 ", value %zu is %g; inputs are %g to %g: scale "
                                "the data or say the range",
                                first + i, k, (double)v, (double)box.low, (double)box.high);
        }
    }
    return BTZ_OK;
}

static enum btz_err clean_unit(void *user, size_t unit, unsigned worker)
{
    struct btz_evaluating *ev = user;
    struct btz_worker *w = &ev->workers[worker];
    uint64_t first = (uint64_t)unit * ev->unit;
    size_t count = ev->e->n - first < ev->unit ? (size_t)(ev->e->n - first) : ev->unit;
    size_t classes = ev->e->classes;
    struct btz_sha256 hash;

    BTZ_TRY(read_rows(ev, first, count, w->x, w->y));
    BTZ_TRY(check_rows(ev, w, first, count));
    btz_sha256_init(&hash);
    btz_sha256_add(&hash, btz_slice_of(w->x, count * ev->e->features * sizeof *w->x));
    btz_sha256_add(&hash, btz_slice_of(w->y, count * sizeof *w->y));
    btz_sha256_end(&hash, ev->unit_digests[unit]);
    BTZ_TRY(btz_worker_scores(w, w->x, count, w->scores));
    if (!unit)
        memcpy(ev->unit_scores, w->scores, ev->few * classes * sizeof *w->scores);
    for (size_t i = 0; i < count; i++) {
        size_t class = btz_argmax(w->scores + i * classes, classes);
        uint32_t predicted = class == SIZE_MAX ? UINT32_MAX : (uint32_t) class;

        ev->e->verdicts[first + i] = (struct btz_sample_verdict){
            .y = w->y[i],
            .clean = predicted,
            .attack = BTZ_NOT_BROKEN,
            .predicted = predicted,
            .distance = NAN,
        };
    }
    return BTZ_OK;
}

static enum btz_err clean_pass(struct btz_evaluating *ev)
{
    size_t units = (size_t)((ev->e->n + ev->unit - 1) / ev->unit), done = 0;
    struct btz_pool_job job = { units, ev->threads, clean_unit, ev, ev->o->stop };
    struct btz_sha256 all;
    uint64_t correct = 0;

    ev->started = btz_clock_ns();
    progress(ev, "clean", 0, ev->e->n);
    BTZ_TRY(btz_pool_run(&job, &done));
    if (done < units) {
        ev->stopped = true;
        ev->e->n = (uint64_t)done * ev->unit;
    }
    btz_sha256_init(&all);
    for (size_t i = 0; i < done; i++)
        btz_sha256_add(&all, btz_slice_of(ev->unit_digests[i], BTZ_SHA256_LEN));
    btz_sha256_end(&all, ev->digest);
    for (uint64_t i = 0; i < ev->e->n; i++)
        correct += ev->e->verdicts[i].clean == ev->e->verdicts[i].y;
    progress(ev, "clean", ev->e->n, ev->e->n);
    return btz_rate_set(correct, ev->e->n, ev->confidence, &ev->e->clean);
}

/* ---- one attack -------------------------------------------------------------------------------------------------------- */

static void list_samples(struct btz_evaluating *ev)
{
    ev->list_count = 0;
    for (uint64_t i = 0; i < ev->e->n; i++) {
        const struct btz_sample_verdict *v = &ev->e->verdicts[i];

        if (v->clean == v->y && (ev->o->alone || v->attack == BTZ_NOT_BROKEN))
            ev->list[ev->list_count++] = i;
    }
    ev->units = (ev->list_count + ev->unit - 1) / ev->unit;
}

static enum btz_err tell(struct btz_evaluating *ev, const struct btz_unit_result *r)
{
    size_t n = ev->e->features, at = 0;

    for (size_t i = 0; ev->o->broken && i < r->count; i++) {
        const struct btz_unit_sample *s = &r->samples[i];
        struct btz_evaluate_broken b = {
            .index = s->index,
            .attack = r->attack,
            .predicted = s->predicted,
            .distance = (double)s->distance,
            .x = ev->clean,
        };

        if (!s->broken)
            continue;
        b.adv = r->adv + at++ * n;
        BTZ_TRY(read_rows(ev, s->index, 1, ev->clean, &b.y));
        BTZ_TRY(ev->o->broken(ev->o->broken_user, &b));
    }
    return BTZ_OK;
}

static void note_sample(struct btz_evaluating *ev, const struct btz_unit_sample *s,
                        struct btz_evaluate_attacked *a)
{
    struct btz_sample_verdict *v = &ev->e->verdicts[s->index];

    v->queries += s->queries;
    v->gradients += s->gradients;
    a->queries += s->queries;
    a->gradients += s->gradients;
    if (!s->broken)
        return;
    a->scalar_disagrees += s->scalar_disagrees;
    v->distance = isnan(v->distance) ? s->distance : fminf(v->distance, s->distance);
    if (v->attack != BTZ_NOT_BROKEN)
        return;
    v->attack = (uint32_t)ev->attack;
    v->predicted = s->predicted;
    v->scalar_disagrees = s->scalar_disagrees;
}

/* A unit's result becomes part of the evaluation: in the order of units. */
static enum btz_err commit(struct btz_evaluating *ev, const struct btz_unit_result *r)
{
    struct btz_evaluation *e = ev->e;
    struct btz_evaluate_attacked *a = &e->attacks[ev->attack];

    for (size_t i = 0; i < r->count; i++)
        note_sample(ev, &r->samples[i], a);
    btz_best_commit(ev, r, a->tried);
    a->tried += r->count;
    a->broken += r->broken;
    a->claimed_correct += r->claimed_correct;
    a->claimed_invalid += r->claimed_invalid;
    a->seconds += r->seconds;
    e->nan_count += r->nan_count;
    e->distance_max = fmax(e->distance_max, r->distance_max);
    e->adv_min = fminf(e->adv_min, r->adv_min);
    e->adv_max = fmaxf(e->adv_max, r->adv_max);
    BTZ_TRY(tell(ev, r));
    progress(ev, a->given.attack->id, a->tried, ev->list_count);
    return BTZ_OK;
}

static enum btz_err commit_ready(struct btz_evaluating *ev, size_t unit, struct btz_unit_result *r)
{
    enum btz_err err = BTZ_OK;

    pthread_mutex_lock(&ev->commit_lock);
    ev->pending[unit] = *r;
    ev->ready[unit] = true;
    while (!err && ev->committed < ev->units && ev->ready[ev->committed]) {
        struct btz_unit_result *next = &ev->pending[ev->committed];

        if (ev->state)
            err = btz_state_add(ev->state, ev, next);
        if (!err)
            err = commit(ev, next);
        btz_unit_result_release(next);
        ev->committed++;
    }
    pthread_mutex_unlock(&ev->commit_lock);
    return err;
}

static enum btz_err attack_unit(void *user, size_t number, unsigned worker)
{
    struct btz_evaluating *ev = user;
    struct btz_worker *w = &ev->workers[worker];
    size_t unit = ev->first_unit + number, first = unit * ev->unit;
    size_t count = ev->list_count - first < ev->unit ? ev->list_count - first : ev->unit;
    const struct btz_evaluate_attack *a = &ev->o->attacks[ev->attack];
    struct btz_unit_result r = { .attack = (uint32_t)ev->attack,
                                 .unit = (uint32_t)unit,
                                 .count = (uint32_t)count };
    struct btz_attack_job job;
    uint64_t started = btz_clock_ns();
    enum btz_err err;

    memcpy(w->index, ev->list + first, count * sizeof *w->index);
    BTZ_TRY(btz_evaluating_read(ev, w->index, count, w->x, w->y));
    job = btz_evaluating_job(ev, w, a, count);
    err = a->attack->run(&job);
    if (btz_evaluating_stopped(ev)) /* perhaps ended early: not a result, and no failure */
        return BTZ_OK;
    if (err)
        return btz_fail_context(err, "%s", a->attack->id);
    err = btz_verify_unit(ev, w, &r);
    if (!err && btz_best_is_kept(a->attack))
        err = btz_best_keep(w, &r);
    if (err) {
        btz_unit_result_release(&r);
        return err;
    }
    r.seconds = (double)(btz_clock_ns() - started) * 1e-9;
    return commit_ready(ev, unit, &r);
}

/* Units that are on file. */
static enum btz_err resume(struct btz_evaluating *ev)
{
    struct btz_unit_result r;
    bool have = true;

    while (ev->state && have && ev->committed < ev->units) {
        enum btz_err err = BTZ_OK;

        BTZ_TRY(btz_state_next(ev->state, ev, &r, &have));
        if (!have)
            break;
        for (size_t i = 0; i < r.count && !err; i++)
            if (r.unit != ev->committed || r.unit * ev->unit + i >= ev->list_count ||
                ev->list[r.unit * ev->unit + i] != r.samples[i].index)
                err = btz_fail(BTZ_INPUT, "%s: unit %" PRIu32 " of %s holds other samples",
                               ev->o->state, r.unit, ev->o->attacks[ev->attack].attack->id);
        if (!err)
            err = commit(ev, &r);
        ev->resumed_samples += r.count;
        ev->committed++;
        btz_unit_result_release(&r);
        BTZ_TRY(err);
    }
    return BTZ_OK;
}

static enum btz_err run_units(struct btz_evaluating *ev)
{
    struct btz_pool_job job = { ev->units, ev->threads, attack_unit, ev, ev->o->stop };

    ev->committed = 0;
    ev->resumed_samples = 0;
    ev->started = btz_clock_ns();
    progress(ev, ev->o->attacks[ev->attack].attack->id, 0, ev->list_count);
    BTZ_TRY(resume(ev));
    ev->first_unit = ev->committed;
    job.count = ev->units - ev->first_unit;
    if (job.count)
        BTZ_TRY(btz_pool_run(&job, NULL));
    ev->stopped = ev->stopped || ev->committed < ev->units;
    return BTZ_OK;
}

static enum btz_err run_attack(struct btz_evaluating *ev)
{
    struct btz_evaluation *e = ev->e;
    struct btz_evaluate_attacked *a = &e->attacks[ev->attack];
    uint64_t left = 0;
    enum btz_err err;

    list_samples(ev);
    a->given = ev->o->attacks[ev->attack];
    a->alone = ev->list_count == e->clean.k;
    ev->pending = calloc(ev->units + 1, sizeof *ev->pending);
    ev->ready = calloc(ev->units + 1, sizeof *ev->ready);
    err = ev->pending && ev->ready ? btz_evaluating_prepare(ev)
                                   : btz_fail(BTZ_LIMIT, "out of memory");
    if (!err)
        err = btz_best_begin(ev);
    if (!err)
        err = run_units(ev);
    if (!err)
        err = btz_best_end(ev, a);
    free(ev->best);
    ev->best = NULL;
    btz_evaluating_forget(ev);
    for (size_t i = 0; ev->pending && i < ev->units; i++)
        btz_unit_result_release(&ev->pending[i]);
    free(ev->pending);
    free(ev->ready);
    ev->pending = NULL;
    ev->ready = NULL;
    BTZ_TRY(err);
    for (uint64_t i = 0; i < e->n; i++)
        left += e->verdicts[i].clean == e->verdicts[i].y && e->verdicts[i].attack == BTZ_NOT_BROKEN;
    e->queries += a->queries;
    e->gradients += a->gradients;
    if (a->alone && a->tried == ev->list_count)
        BTZ_TRY(btz_rate_set(e->clean.k - a->broken, e->n, ev->confidence, &a->robust_alone));
    return btz_rate_set(left, e->n, ev->confidence, &a->robust);
}

/* ---- workers ----------------------------------------------------------------------------------------------------------- */

static void worker_close(struct btz_worker *w)
{
    btz_oracle_free(w->oracle);
    btz_classifier_free(w->classifier);
    btz_classifier_free(w->reference);
    free(w->x);
    free(w->adv);
    free(w->rows);
    free(w->scores);
    free(w->y);
    free(w->index);
    free(w->queries);
    free(w->gradients);
    free(w->who);
    free(w->broken);
    free(w->best);
}

static enum btz_err worker_models(const struct btz_evaluate_options *o, struct btz_worker *w)
{
    struct btz_classifier_options c = { .batch = o->batch, .sample = o->sample };

    if (!o->model)
        return o->oracle(o->oracle_user, &w->oracle);
    BTZ_TRY(btz_classifier_new(o->model, &c, &w->classifier));
    c.reference = true;
    BTZ_TRY(btz_classifier_new(o->model, &c, &w->reference));
    return o->oracle ? o->oracle(o->oracle_user, &w->oracle)
                     : btz_oracle_of_classifier(w->classifier, &w->oracle);
}

static enum btz_err worker_arrays(struct btz_worker *w, size_t unit, size_t features,
                                  size_t classes)
{
    w->x = calloc(unit * features, sizeof *w->x);
    w->adv = calloc(unit * features, sizeof *w->adv);
    w->rows = calloc(unit * features, sizeof *w->rows);
    w->scores = calloc(unit * classes, sizeof *w->scores);
    w->y = calloc(unit, sizeof *w->y);
    w->index = calloc(unit, sizeof *w->index);
    w->queries = calloc(unit, sizeof *w->queries);
    w->gradients = calloc(unit, sizeof *w->gradients);
    w->who = calloc(unit, sizeof *w->who);
    w->broken = calloc(unit, sizeof *w->broken);
    w->best = calloc(unit, BTZ_BEST_POINTS * sizeof *w->best);
    if (!w->x || !w->adv || !w->rows || !w->scores || !w->y || !w->index || !w->queries ||
        !w->gradients || !w->who || !w->broken || !w->best)
        return btz_fail(BTZ_LIMIT, "out of memory for units of %zu samples", unit);
    return BTZ_OK;
}

static bool needs_gradients(const struct btz_evaluate_options *o)
{
    bool needs = o->signs;

    for (size_t i = 0; i < o->attack_count; i++)
        needs = needs || o->attacks[i].attack->access == BTZ_ATTACK_GRADIENT;
    return needs;
}

/* The same for every number of threads: what a unit is, is part of the result. */
static size_t unit_of(size_t features)
{
    size_t most = BTZ_EVALUATE_ROOM / features;

    return most < 1 ? 1 : most > BTZ_EVALUATE_UNIT ? BTZ_EVALUATE_UNIT : most;
}

static enum btz_err worker_memory(const struct btz_evaluate_options *o, const struct btz_worker *w,
                                  size_t features, size_t *out)
{
    size_t unit = unit_of(features), arrays = unit * features * ROWS * sizeof(float), nets = 0;

    if (w->classifier)
        BTZ_TRY(btz_classifier_memory(w->classifier, needs_gradients(o), &nets));
    /* The reference has forward nets alone, about half of ours. */
    *out = nets + nets / 2 + arrays;
    return BTZ_OK;
}

/* ---- all together ------------------------------------------------------------------------------------------------------ */

bool btz_attack_keeps_constraints(const struct btz_attack *a)
{
    return strcmp(a->rule, "redteam.evasion.tabular") == 0;
}

static enum btz_err check_options(const struct btz_evaluate_options *o)
{
    if (!o->model && !o->oracle)
        return btz_fail(BTZ_USAGE, "an evaluation needs a model or an oracle");
    if (!o->samples.n || (!o->samples.read && (!o->samples.x || !o->samples.y)))
        return btz_fail(BTZ_USAGE, "an evaluation needs labelled samples");
    if (!(o->box.low < o->box.high) || !isfinite(o->box.low) || !isfinite(o->box.high))
        return btz_fail(BTZ_USAGE, "inputs from %g to %g: no range", (double)o->box.low,
                        (double)o->box.high);
    if (!(o->eps >= 0) || !isfinite(o->eps))
        return btz_fail(BTZ_USAGE, "eps %g: a number from 0 on", o->eps);
    for (size_t i = 0; i < o->attack_count; i++) {
        const struct btz_attack *a = o->attacks[i].attack;

        if (!(a->norms & 1U << o->norm))
            return btz_fail(BTZ_USAGE, "%s does not know the norm %s", a->id,
                            btz_norm_name(o->norm));
        if (a->access == BTZ_ATTACK_GRADIENT && !o->model)
            return btz_fail(BTZ_USAGE,
                            "%s needs gradients, and this model only answers; `bartizan robust "
                            "list` names the attacks by scores and by labels",
                            a->id);
        if (o->constraint && !btz_attack_keeps_constraints(a))
            return btz_fail(BTZ_USAGE,
                            "%s knows nothing of constraints; attacks on tables are tabular and "
                            "tabular-gradient",
                            a->id);
    }
    return BTZ_OK;
}

/* The first worker's model, and from it how many there will be and what they take. */
static enum btz_err plan_workers(struct btz_evaluating *ev, size_t *each)
{
    const struct btz_evaluate_options *o = ev->o;
    struct btz_evaluation *e = ev->e;
    size_t allowed = o->memory_max ? o->memory_max : MEMORY_MAX;

    ev->threads = o->threads ? o->threads : 1;
    if (ev->threads > BTZ_POOL_THREADS_MAX)
        ev->threads = BTZ_POOL_THREADS_MAX;
    ev->workers = calloc(ev->threads, sizeof *ev->workers);
    if (!ev->workers)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(worker_models(o, &ev->workers[0]));
    e->shape = ev->workers[0].oracle->shape;
    e->features = ev->workers[0].oracle->features;
    e->classes = ev->workers[0].oracle->classes;
    ev->unit = unit_of(e->features);
    BTZ_TRY(worker_memory(o, &ev->workers[0], e->features, each));
    if (*each > allowed)
        return btz_fail(BTZ_LIMIT, "the evaluation needs %zu MiB for one thread; %zu are allowed",
                        (*each >> 20) + 1, allowed >> 20);
    if (ev->threads > allowed / *each)
        ev->threads = (unsigned)(allowed / *each);
    e->memory =
        *each * ev->threads + (size_t)e->n * (sizeof *e->verdicts + sizeof *ev->list) +
        (o->samples.x ? (size_t)e->n * (e->features * sizeof *o->samples.x + sizeof *o->samples.y)
                      : o->samples.memory);
    e->threads = ev->threads;
    return BTZ_OK;
}

static enum btz_err prepare_workers(struct btz_evaluating *ev)
{
    size_t each;

    BTZ_TRY(plan_workers(ev, &each));
    for (unsigned i = 0; i < ev->threads; i++) {
        if (i)
            BTZ_TRY(worker_models(ev->o, &ev->workers[i]));
        BTZ_TRY(worker_arrays(&ev->workers[i], ev->unit, ev->e->features, ev->e->classes));
    }
    return BTZ_OK;
}

static enum btz_err prepare_results(struct btz_evaluating *ev)
{
    struct btz_evaluation *e = ev->e;
    size_t units = (size_t)((e->n + ev->unit - 1) / ev->unit);

    ev->few = e->n < ev->unit ? (size_t)e->n : ev->unit;
    ev->few = ev->few < BTZ_EVALUATE_FEW ? ev->few : BTZ_EVALUATE_FEW;
    e->verdicts = btz_arena_array(&e->arena, (size_t)e->n, sizeof *e->verdicts);
    e->attacks = btz_arena_array(&e->arena, ev->o->attack_count + 1, sizeof *e->attacks);
    ev->list = btz_arena_array(&e->arena, (size_t)e->n, sizeof *ev->list);
    ev->clean = btz_arena_array(&e->arena, e->features, sizeof *ev->clean);
    ev->unit_digests = btz_arena_array(&e->arena, units, BTZ_SHA256_LEN);
    ev->unit_scores = btz_arena_array(&e->arena, ev->few * e->classes, sizeof *ev->unit_scores);
    e->clean_by_class = btz_arena_array(&e->arena, e->classes, sizeof *e->clean_by_class);
    e->robust_by_class = btz_arena_array(&e->arena, e->classes, sizeof *e->robust_by_class);
    if (!e->verdicts || !e->attacks || !ev->list || !ev->clean || !ev->unit_digests ||
        !ev->unit_scores || !e->clean_by_class || !e->robust_by_class)
        return BTZ_LIMIT;
    e->adv_min = INFINITY;
    e->adv_max = -INFINITY;
    e->attack_count = ev->o->attack_count;
    return BTZ_OK;
}

static enum btz_err by_class(struct btz_evaluating *ev)
{
    struct btz_evaluation *e = ev->e;

    for (uint64_t i = 0; i < e->n; i++) {
        const struct btz_sample_verdict *v = &e->verdicts[i];
        bool clean = v->clean == v->y;

        e->clean_by_class[v->y].n++;
        e->clean_by_class[v->y].k += clean;
        e->robust_by_class[v->y].k += clean && v->attack == BTZ_NOT_BROKEN;
    }
    for (size_t k = 0; k < e->classes; k++) {
        struct btz_rate *clean = &e->clean_by_class[k], *robust = &e->robust_by_class[k];

        BTZ_TRY(btz_rate_set(robust->k, clean->n, ev->confidence, robust));
        BTZ_TRY(btz_rate_set(clean->k, clean->n, ev->confidence, clean));
    }
    if (e->classes > BTZ_CONFUSION_CLASSES)
        return BTZ_OK;
    e->confusion = btz_arena_array(&e->arena, e->classes * e->classes, sizeof *e->confusion);
    if (!e->confusion)
        return BTZ_LIMIT;
    for (uint64_t i = 0; i < e->n; i++)
        if (e->verdicts[i].predicted < e->classes)
            e->confusion[e->verdicts[i].y * e->classes + e->verdicts[i].predicted]++;
    return BTZ_OK;
}

static size_t peak_memory(void)
{
    struct rusage use;

    return getrusage(RUSAGE_SELF, &use) == 0 ? (size_t)use.ru_maxrss << 10 : 0;
}

static enum btz_err evaluate(struct btz_evaluating *ev)
{
    struct btz_evaluation *e = ev->e;

    BTZ_TRY(prepare_workers(ev));
    BTZ_TRY(prepare_results(ev));
    BTZ_TRY(clean_pass(ev));
    e->robust = e->clean;
    if (!ev->stopped)
        BTZ_TRY(btz_checks_before(ev));
    if (ev->o->state && !ev->stopped)
        BTZ_TRY(btz_state_open(ev, &ev->state));
    for (ev->attack = 0; ev->attack < e->attack_count; ev->attack++) {
        if (ev->stopped) {
            e->attack_count = ev->attack;
            break;
        }
        BTZ_TRY(run_attack(ev));
        e->robust = e->attacks[ev->attack].robust;
    }
    BTZ_TRY(by_class(ev));
    BTZ_TRY(btz_checks_after(ev));
    for (unsigned i = 0; i < ev->threads && !ev->o->model; i++)
        e->asked += ev->workers[i].oracle->queries;
    e->stopped = ev->stopped;
    e->peak = peak_memory();
    return BTZ_OK;
}

static void close_workers(struct btz_evaluating *ev)
{
    unsigned asked = ev->o->threads ? ev->o->threads : 1;

    for (unsigned i = 0; ev->workers && i < asked && i < BTZ_POOL_THREADS_MAX; i++)
        worker_close(&ev->workers[i]);
    free(ev->workers);
}

enum btz_err btz_evaluate_plan(const struct btz_evaluate_options *options,
                               struct btz_evaluate_plan *out)
{
    struct btz_evaluation e = { .n = options->samples.n };
    struct btz_evaluating ev = { .o = options, .e = &e };
    size_t each;
    enum btz_err err;

    BTZ_TRY(check_options(options));
    err = plan_workers(&ev, &each);
    close_workers(&ev);
    if (!err)
        *out = (struct btz_evaluate_plan){
            .worker = each, .memory = e.memory, .threads = e.threads, .classes = e.classes
        };
    return err;
}

enum btz_err btz_evaluate(const struct btz_evaluate_options *options, struct btz_evaluation **out)
{
    struct btz_evaluating ev = { .o = options,
                                 .read_lock = PTHREAD_MUTEX_INITIALIZER,
                                 .commit_lock = PTHREAD_MUTEX_INITIALIZER };
    uint64_t started = btz_clock_ns();
    enum btz_err err;

    BTZ_TRY(check_options(options));
    ev.e = calloc(1, sizeof *ev.e);
    if (!ev.e)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_arena_init(&ev.e->arena, options->memory_max ? options->memory_max : MEMORY_MAX);
    ev.e->n = options->samples.n;
    ev.confidence = options->confidence > 0 ? options->confidence : 0.95;
    err = evaluate(&ev);
    close_workers(&ev);
    btz_state_close(ev.state);
    pthread_mutex_destroy(&ev.read_lock);
    pthread_mutex_destroy(&ev.commit_lock);
    ev.e->seconds = (double)(btz_clock_ns() - started) * 1e-9;
    if (err) {
        btz_evaluation_free(ev.e);
        return err;
    }
    *out = ev.e;
    return BTZ_OK;
}

void btz_evaluation_free(struct btz_evaluation *e)
{
    if (!e)
        return;
    btz_arena_release(&e->arena);
    free(e);
}
