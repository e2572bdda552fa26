/* The evaluation: the same whatever the threads and interruptions, believing nothing; and a published figure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mnist_net.h"
#include "robust/constraint.h"
#include "robust/evaluate.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define DIGIT_STEPS 10
#else
#define DIGIT_STEPS 100
#endif

#define SIDE     4
#define FEATURES (SIDE * SIDE)
#define HIDDEN   24
#define CLASSES  5
#define SAMPLES  700 /* three units */

struct world {
    struct btz_model *model;
    float x[SAMPLES * FEATURES];
    uint32_t y[SAMPLES];
};

static struct world *world;

static int make_world(void **state)
{
    static const struct btz_shape shape = { 3, { 1, SIDE, SIDE } };
    static float w0[FEATURES * HIDDEN], b0[HIDDEN], w1[HIDDEN * CLASSES], b1[CLASSES];
    const struct btz_known_layer layers[] = { { w0, b0, HIDDEN }, { w1, b1, CLASSES } };
    struct btz_classifier *c = NULL;
    float z[SAMPLES * CLASSES];
    struct btz_rng r;
    (void)state;

    world = calloc(1, sizeof *world);
    btz_rng_init(&r, 3, 3);
    for (size_t i = 0; i < FEATURES * HIDDEN; i++)
        w0[i] = (float)(btz_rng_unit(&r) - 0.5);
    for (size_t i = 0; i < HIDDEN * CLASSES; i++)
        w1[i] = (float)(btz_rng_unit(&r) - 0.5) * 4;
    for (size_t i = 0; i < SAMPLES * FEATURES; i++)
        world->x[i] = (float)btz_rng_unit(&r);
    mnist_must(btz_known_model(&shape, layers, 2, false, &world->model));
    mnist_must(btz_classifier_new(world->model, NULL, &c));
    mnist_must(btz_classifier_logits(c, world->x, SAMPLES, z));
    btz_classifier_free(c);
    /* One in ten has another label than the model says. */
    for (size_t i = 0; i < SAMPLES; i++)
        world->y[i] = (uint32_t)(btz_argmax(z + i * CLASSES, CLASSES) + (i % 10 == 3)) % CLASSES;
    return 0;
}

static int free_world(void **state)
{
    (void)state;
    btz_model_free(world->model);
    free(world);
    return 0;
}

static struct btz_evaluate_options options(const struct btz_evaluate_attack *a, size_t count)
{
    return (struct btz_evaluate_options){
        .model = world->model,
        .samples = { .n = SAMPLES, .x = world->x, .y = world->y },
        .attacks = a,
        .attack_count = count,
        .norm = BTZ_NORM_LINF,
        .eps = 0.06,
        .box = { 0, 1 },
        .seed = 5,
        .threads = 1,
    };
}

static struct btz_evaluate_attack attack(const char *id, const char *name, double value)
{
    struct btz_evaluate_attack a = { .attack = btz_attack_find(id) };

    assert_non_null(a.attack);
    btz_attack_defaults(a.attack, a.param);
    if (name)
        a.param[btz_attack_param_find(a.attack, name)] = value;
    return a;
}

static void some_attacks(struct btz_evaluate_attack out[4])
{
    out[0] = attack("apgd-ce", "steps", 10);
    out[1] = attack("apgd-t", "steps", 10);
    out[2] = attack("fab-t", "steps", 8);
    out[3] = attack("square", "queries", 60);
}

static struct btz_evaluation *run(const struct btz_evaluate_options *o)
{
    struct btz_evaluation *e = NULL;

    mnist_must(btz_evaluate(o, &e));
    return e;
}

static void assert_same(const struct btz_evaluation *a, const struct btz_evaluation *b)
{
    assert_int_equal(a->n, b->n);
    for (uint64_t i = 0; i < a->n; i++) {
        const struct btz_sample_verdict *v = &a->verdicts[i], *w = &b->verdicts[i];

        assert_true(v->y == w->y && v->clean == w->clean && v->attack == w->attack &&
                    v->predicted == w->predicted && v->queries == w->queries &&
                    v->gradients == w->gradients && v->scalar_disagrees == w->scalar_disagrees);
        assert_memory_equal(&v->distance, &w->distance, sizeof v->distance);
    }
    assert_int_equal(a->attack_count, b->attack_count);
    for (size_t i = 0; i < a->attack_count; i++) {
        assert_int_equal(a->attacks[i].broken, b->attacks[i].broken);
        assert_int_equal(a->attacks[i].queries, b->attacks[i].queries);
    }
    assert_int_equal(a->robust.k, b->robust.k);
    assert_true(fabs(a->distance_max - b->distance_max) <= 0);
}

/* ---- what comes out ---------------------------------------------------------------------------------------------------- */

static void test_threads(void **state)
{
    struct btz_evaluate_attack a[4];
    struct btz_evaluate_options o;
    struct btz_evaluation *one, *more;
    (void)state;

    some_attacks(a);
    o = options(a, 4);
    one = run(&o);
    for (o.threads = 2; o.threads <= 3; o.threads++) {
        more = run(&o);
        assert_same(one, more);
        btz_evaluation_free(more);
    }
    /* Something was at stake: each attack but one of the last broke something, and something is left. */
    assert_true(one->attacks[0].broken > 50);
    assert_true(one->robust.k > 50 && one->robust.k < one->clean.k);
    btz_evaluation_free(one);
}

static void test_figures(void **state)
{
    struct btz_evaluate_attack a[4];
    struct btz_evaluate_options o;
    struct btz_evaluation *e;
    uint64_t robust = 0, clean = 0, n = 0, confused = 0, right = 0;
    struct btz_interval interval;
    (void)state;

    some_attacks(a);
    o = options(a, 4);
    e = run(&o);
    assert_int_equal(e->clean.k, SAMPLES * 9 / 10);
    for (size_t k = 0; k < CLASSES; k++) {
        n += e->clean_by_class[k].n;
        clean += e->clean_by_class[k].k;
        robust += e->robust_by_class[k].k;
        for (size_t j = 0; j < CLASSES; j++)
            confused += e->confusion[k * CLASSES + j];
        right += e->confusion[k * CLASSES + k];
    }
    assert_int_equal(n, SAMPLES);
    assert_int_equal(clean, e->clean.k);
    assert_int_equal(robust, e->robust.k);
    assert_int_equal(confused, SAMPLES);
    assert_int_equal(right, e->robust.k);
    mnist_must(btz_exact_interval(e->robust.k, SAMPLES, 0.95, BTZ_SIDE_TWO, &interval));
    assert_true(fabs(interval.low - e->robust.interval.low) < 1e-12);
    assert_true(e->attacks[0].alone && e->attacks[0].robust_alone.n == SAMPLES);
    assert_true(!e->attacks[1].alone && e->attacks[1].robust_alone.n == 0);
    assert_true(e->distance_max <= 0.06 + 1e-6 && e->distance_max > 0.05);
    for (uint64_t i = 0; i < SAMPLES; i++) {
        const struct btz_sample_verdict *v = &e->verdicts[i];

        assert_true((v->attack == BTZ_NOT_BROKEN) == (isnan(v->distance) != 0));
        assert_true(v->attack == BTZ_NOT_BROKEN || v->predicted != v->y);
        assert_true((v->clean == v->y) == (v->queries > 0));
        assert_true(v->gradients <= v->queries);
    }
    assert_int_equal(e->checks[BTZ_CHECK_FINAL].outcome, BTZ_OUTCOME_PASS);
    assert_int_equal(e->checks[BTZ_CHECK_RANDOM].outcome, BTZ_OUTCOME_PASS);
    assert_int_equal(e->checks[BTZ_CHECK_PROBABILITIES].outcome, BTZ_OUTCOME_PASS);
    /* Four other classes, nine targets. */
    assert_int_equal(e->checks[BTZ_CHECK_CLASSES].outcome, BTZ_OUTCOME_FAIL);
    btz_evaluation_free(e);
}

/* Alone, each attack is stronger than after others; together they leave the same or less. */
static void test_alone(void **state)
{
    struct btz_evaluate_attack a[2] = { attack("pgd", "steps", 5), attack("fgsm", NULL, 0) };
    struct btz_evaluate_options o = options(a, 2);
    struct btz_evaluation *chain = run(&o), *alone;
    (void)state;

    o.alone = true;
    alone = run(&o);
    assert_true(alone->attacks[1].tried == alone->clean.k);
    assert_true(alone->attacks[1].robust_alone.k >= alone->robust.k);
    assert_true(alone->attacks[1].broken >= chain->attacks[1].broken);
    assert_int_equal(alone->robust.k, chain->robust.k);
    btz_evaluation_free(chain);
    btz_evaluation_free(alone);
}

static enum btz_err read_rows(void *user, uint64_t first, size_t count, float *x, uint32_t *y)
{
    *(uint64_t *)user += count;
    memcpy(x, world->x + first * FEATURES, count * FEATURES * sizeof *x);
    memcpy(y, world->y + first, count * sizeof *y);
    return BTZ_OK;
}

static void test_rows_on_demand(void **state)
{
    struct btz_evaluate_attack a = attack("apgd-ce", "steps", 5);
    struct btz_evaluate_options o = options(&a, 1);
    struct btz_evaluation *whole = run(&o), *rows;
    uint64_t asked = 0;
    (void)state;

    o.samples = (struct btz_evaluate_samples){ .n = SAMPLES, .read = read_rows, .user = &asked };
    o.threads = 2;
    rows = run(&o);
    assert_same(whole, rows);
    assert_true(asked >= SAMPLES);
    btz_evaluation_free(whole);
    btz_evaluation_free(rows);
}

struct told {
    uint64_t count, last;
    bool ordered;
};

static enum btz_err tell(void *user, const struct btz_evaluate_broken *b)
{
    struct told *t = user;

    t->ordered = t->ordered && (!t->count || b->index > t->last);
    t->last = b->index;
    t->count++;
    if (b->distance > 0.06 + 1e-6 || b->predicted == b->y ||
        memcmp(b->x, world->x + b->index * FEATURES, FEATURES * sizeof *b->x) != 0)
        t->ordered = false;
    return BTZ_OK;
}

static void test_broken_are_told(void **state)
{
    struct btz_evaluate_attack a = attack("apgd-ce", "steps", 10);
    struct btz_evaluate_options o = options(&a, 1);
    struct told t = { .ordered = true };
    struct btz_evaluation *e;
    (void)state;

    o.broken = tell;
    o.broken_user = &t;
    o.threads = 3;
    e = run(&o);
    assert_true(t.ordered);
    assert_int_equal(t.count, e->attacks[0].broken);
    btz_evaluation_free(e);
}

/* The whole sequences, shortened, in each norm: nothing outside eps and the box is claimed, and each attack breaks something
 * when it is alone. */
static void test_norms(void **state)
{
    static const double eps[] = { 0.05, 0.15, 0.4 };
    (void)state;

    for (int norm = BTZ_NORM_LINF; norm <= BTZ_NORM_L1; norm++)
        for (int version = BTZ_AUTOATTACK_STANDARD; version <= BTZ_AUTOATTACK_RAND; version++) {
            struct btz_evaluate_attack a[BTZ_AUTOATTACK_MAX];
            struct btz_evaluate_options o = options(a, 0);
            struct btz_evaluation *e;

            mnist_must(btz_autoattack_list((enum btz_autoattack)version, (enum btz_norm)norm,
                                           CLASSES, a, &o.attack_count));
            for (size_t i = 0; i < o.attack_count; i++)
                a[i].param[0] = a[i].attack->access == BTZ_ATTACK_SCORES ? 100 : 10;
            o.samples.n = 60;
            o.norm = (enum btz_norm)norm;
            o.eps = eps[norm];
            o.alone = true;
            e = run(&o);
            for (size_t i = 0; i < e->attack_count; i++) {
                assert_int_equal(e->attacks[i].claimed_invalid, 0);
                assert_true(e->attacks[i].broken > 0);
            }
            assert_true(e->distance_max <= eps[norm] + 1e-6);
            assert_int_equal(e->checks[BTZ_CHECK_FINAL].outcome, BTZ_OUTCOME_PASS);
            assert_int_equal(e->checks[BTZ_CHECK_CLASSES].outcome, BTZ_OUTCOME_PASS);
            btz_evaluation_free(e);
        }
}

/* The mean of equal gradients is that gradient; only the questions grow. */
static void test_averaged(void **state)
{
    struct btz_evaluate_attack a = attack("apgd-ce", "steps", 8);
    struct btz_evaluate_options o = options(&a, 1);
    struct btz_evaluation *once = run(&o), *four;
    (void)state;

    a.param[btz_attack_param_find(a.attack, "eot")] = 4;
    four = run(&o);
    assert_int_equal(once->robust.k, four->robust.k);
    assert_int_equal(once->attacks[0].gradients * 4, four->attacks[0].gradients);
    btz_evaluation_free(once);
    btz_evaluation_free(four);
}

/* ---- interruptions ----------------------------------------------------------------------------------------------------- */

struct killer {
    struct btz_sink sink;
    int left;
    volatile int *stop; /* NULL: kill */
};

static void count_down(struct btz_sink *sink, const struct btz_progress *p)
{
    struct killer *k = (struct killer *)sink;

    if (p->done == 0 || k->left-- > 0)
        return;
    if (!k->stop)
        raise(SIGKILL);
    else
        __atomic_store_n(k->stop, 1, __ATOMIC_RELAXED);
}

static const char *state_path(char out[64])
{
    snprintf(out, 64, "/tmp/btz-evaluate-%d.state", (int)getpid());
    return out;
}

/* Killed after every possible unit, and resumed; the last time by another number of threads. */
static void test_kill(void **state)
{
    struct btz_evaluate_attack a[4];
    struct btz_evaluate_options o;
    struct btz_evaluation *whole, *resumed;
    struct told t = { .ordered = true };
    char path[64];
    (void)state;

    some_attacks(a);
    o = options(a, 4);
    whole = run(&o);
    o.state = state_path(path);
    unlink(path);
    for (int lives = 0; lives < 4; lives++) {
        int status = 0;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct killer k = { .sink.progress = count_down, .left = 2 + lives * 2 };

            o.progress = &k.sink;
            _exit(btz_evaluate(&o, &resumed) == BTZ_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    o.threads = 2;
    o.broken = tell;
    o.broken_user = &t;
    resumed = run(&o);
    assert_same(whole, resumed);
    assert_int_equal(t.count, whole->clean.k - whole->robust.k);
    btz_evaluation_free(resumed);
    /* What is complete is not computed again. */
    o.broken = NULL;
    resumed = run(&o);
    assert_same(whole, resumed);
    btz_evaluation_free(resumed);
    btz_evaluation_free(whole);
    unlink(path);
}

static void test_stop(void **state)
{
    struct btz_evaluate_attack a[4];
    struct btz_evaluate_options o;
    struct btz_evaluation *whole, *part;
    volatile int stop = 0;
    struct killer k = { .sink.progress = count_down, .left = 3, .stop = &stop };
    char path[64];
    (void)state;

    some_attacks(a);
    o = options(a, 4);
    whole = run(&o);
    o.state = state_path(path);
    unlink(path);
    o.stop = &stop;
    o.progress = &k.sink;
    part = run(&o);
    assert_true(part->stopped);
    assert_true(part->robust.k >= whole->robust.k);
    btz_evaluation_free(part);
    stop = 0;
    o.progress = NULL;
    part = run(&o);
    assert_false(part->stopped);
    assert_same(whole, part);
    btz_evaluation_free(part);
    btz_evaluation_free(whole);
    unlink(path);
}

static void test_damaged_state(void **state)
{
    struct btz_evaluate_attack a[4];
    struct btz_evaluate_options o;
    struct btz_evaluation *whole, *e = NULL;
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(64 << 20);
    char path[64];
    (void)state;

    some_attacks(a);
    o = options(a, 4);
    o.state = state_path(path);
    unlink(path);
    whole = run(&o);
    mnist_must(btz_file_read(path, 64 << 20, &file));
    for (int k = 0; k < 40; k++) {
        size_t len = k < 20 ? file.len * (size_t)k / 20 : file.len;
        size_t at = file.len * (size_t)(k % 20) / 20;

        if (k >= 20)
            file.ptr[at] ^= 0x40;
        mnist_must(btz_file_write(path, btz_slice_of(file.ptr, len), 0600));
        if (k >= 20)
            file.ptr[at] ^= 0x40;
        if (k == 20) /* the first byte: not ours */
            assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
        else if (k % 3 == 0) {
            e = run(&o);
            assert_same(whole, e);
            btz_evaluation_free(e);
        }
    }
    mnist_must(btz_file_write(path, btz_buf_slice(&file), 0600));
    o.eps = 0.07;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "another evaluation"));
    btz_evaluation_free(whole);
    unlink(path);
}

/* A state belongs to its constraint and to what was asked; an attack that knows nothing of constraints is refused. */
static void test_constrained_state(void **state)
{
    struct btz_evaluate_attack a[] = { attack("tabular", "queries", 40),
                                       attack("square", "queries", 10) };
    struct btz_evaluate_options o = options(a, 1);
    struct btz_evaluation *e = NULL, *again;
    struct btz_constraint c, other;
    struct btz_arena arena;
    char path[64];
    (void)state;

    btz_arena_init(&arena, 1U << 20);
    mnist_must(btz_constraint_free_columns(FEATURES, o.box, &arena, &c));
    mnist_must(btz_constraint_free_columns(FEATURES, o.box, &arena, &other));
    c.columns[3].immutable = other.columns[3].immutable = true;
    o.norm = BTZ_NORM_L0;
    o.eps = 3;
    o.samples.n = 40;
    o.constraint = &c;
    o.state = state_path(path);
    unlink(path);
    e = run(&o);
    assert_true(e->attacks[0].broken > 0);
    assert_int_equal(e->attacks[0].claimed_invalid, 0);
    o.constraint = &other; /* the same by value */
    again = run(&o);
    assert_same(e, again);
    btz_evaluation_free(again);
    btz_evaluation_free(e);
    other.columns[5].high = 0.5F;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "another evaluation"));
    o.constraint = NULL;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
    o.constraint = &c;
    o.identity = "another model";
    assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
    unlink(path);
    o.attacks = a + 1;
    o.norm = BTZ_NORM_LINF;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_USAGE);
    assert_non_null(strstr(btz_error_detail(), "knows nothing of constraints"));
    btz_arena_release(&arena);
}

/* ---- attacks that lie -------------------------------------------------------------------------------------------------- */

/* Claims everything: one third outside eps, one third NaN, the rest unchanged. */
static enum btz_err lie(struct btz_attack_job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        float *v = &job->adv[i * job->features];

        job->broken[i] = true;
        if (job->index[i] % 3 == 0)
            *v += *v < 0.5F ? 0.07F : -0.07F;
        else if (job->index[i] % 3 == 1)
            *v = NAN;
    }
    return BTZ_OK;
}

static enum btz_err no_test(void)
{
    return BTZ_OK;
}

static void test_lies(void **state)
{
    static const struct btz_attack liar = { .id = "liar",
                                            .access = BTZ_ATTACK_SCORES,
                                            .norms = 1U << BTZ_NORM_LINF,
                                            .run = lie,
                                            .selftest = no_test };
    const struct btz_evaluate_attack a = { .attack = &liar };
    struct btz_evaluate_options o = options(&a, 1);
    struct btz_evaluation *e = run(&o);
    (void)state;

    assert_int_equal(e->robust.k, e->clean.k);
    assert_int_equal(e->attacks[0].broken, 0);
    assert_int_equal(e->attacks[0].claimed_invalid + e->attacks[0].claimed_correct, e->clean.k);
    assert_true(e->attacks[0].claimed_correct > 150 && e->attacks[0].claimed_correct < 250);
    assert_true(e->nan_count > 150);
    assert_int_equal(e->checks[BTZ_CHECK_FINAL].outcome, BTZ_OUTCOME_FAIL);
    btz_evaluation_free(e);
}

/* ---- bad input --------------------------------------------------------------------------------------------------------- */

static void test_bad_input(void **state)
{
    struct btz_evaluate_attack a = attack("fgsm", NULL, 0), black = attack("square", NULL, 0);
    struct btz_evaluate_options o = options(&a, 1);
    struct btz_evaluation *e = NULL;
    uint32_t y = world->y[321];
    float x = world->x[500 * FEATURES];
    struct btz_evaluate_plan plan;
    (void)state;

    world->y[321] = CLASSES;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "sample 321 has label 5"));
    world->y[321] = y;
    world->x[500 * FEATURES] = NAN;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "sample 500"));
    world->x[500 * FEATURES] = 255;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_INPUT);
    world->x[500 * FEATURES] = x;
    o.norm = BTZ_NORM_L2; /* fgsm knows Linf */
    assert_int_equal(btz_evaluate(&o, &e), BTZ_USAGE);
    o.norm = BTZ_NORM_LINF;
    o.memory_max = 1024;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_LIMIT);
    assert_int_equal(btz_evaluate_plan(&o, &plan), BTZ_LIMIT);
    o.memory_max = 0;
    mnist_must(btz_evaluate_plan(&o, &plan));
    o.memory_max = plan.worker * 2 + plan.worker / 2;
    o.threads = 8;
    mnist_must(btz_evaluate_plan(&o, &plan));
    e = run(&o);
    assert_int_equal(e->threads, 2);
    assert_int_equal(plan.threads, 2);
    /* Padding to lines of the cache depends on where the blocks of an arena come to lie. */
    assert_in_range(plan.memory, e->memory - e->memory / 50, e->memory + e->memory / 50);
    assert_int_equal(plan.classes, e->classes);
    assert_true(e->memory <= o.memory_max);
    assert_true(e->peak > 1 << 20); /* this program alone is that large */
    btz_evaluation_free(e);
    o = options(&black, 1);
    o.model = NULL;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_USAGE);
    o = options(&a, 1);
    o.samples.n = 0;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_USAGE);
    o = options(&a, 1);
    o.eps = NAN;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_USAGE);
}

/* ---- signs ------------------------------------------------------------------------------------------------------------- */

/* relu(x - 0.6) and the like: flat where the samples are, so gradients say nothing and questions do. */
static void test_masked(void **state)
{
    static const float w0[] = { 1, 0, 0, 0 }, b0[] = { -0.6F }, w1[] = { 0, 10 },
                       b1[] = { 0, -0.4F };
    static const struct btz_shape shape = { 3, { 1, 2, 2 } };
    const struct btz_known_layer layers[] = { { w0, b0, 1 }, { w1, b1, 2 } };
    float x[40 * 4];
    uint32_t y[40] = { 0 };
    struct btz_evaluate_attack a[2] = { attack("fgsm", NULL, 0), attack("square", "queries", 200) };
    struct btz_evaluate_options o = options(a, 2);
    struct btz_model *m = NULL;
    struct btz_evaluation *e;
    (void)state;

    for (size_t i = 0; i < 40 * 4; i++)
        x[i] = 0.4F;
    mnist_must(btz_known_model(&shape, layers, 2, false, &m));
    o.model = m;
    o.samples = (struct btz_evaluate_samples){ .n = 40, .x = x, .y = y };
    o.eps = 0.25;
    o.signs = true;
    e = run(&o);
    assert_int_equal(e->checks[BTZ_CHECK_ZERO_GRADIENT].outcome, BTZ_OUTCOME_FAIL);
    assert_int_equal(e->checks[BTZ_CHECK_SQUARE].outcome, BTZ_OUTCOME_FAIL);
    assert_int_equal(e->checks[BTZ_CHECK_BLACK_BOX].outcome, BTZ_OUTCOME_FAIL);
    assert_int_equal(e->attacks[0].broken, 0);
    assert_int_equal(e->robust.k, 0);
    btz_model_free(m);
    btz_evaluation_free(e);
}

static void test_no_signs(void **state)
{
    struct btz_evaluate_attack a[2] = { attack("apgd-ce", NULL, 0),
                                        attack("square", "queries", 60) };
    struct btz_evaluate_options o = options(a, 2);
    struct btz_evaluation *e;
    (void)state;

    o.signs = true;
    o.samples.n = 100;
    e = run(&o);
    for (int i = BTZ_CHECK_STEPS; i < BTZ_CHECK_COUNT; i++)
        if (e->checks[i].outcome != BTZ_OUTCOME_PASS)
            fail_msg("%s: %s", btz_check_name((enum btz_check_id)i), e->checks[i].text);
    assert_true(e->curve_count >= 5);
    assert_int_equal(e->curve[e->curve_count - 1].robust.k, 0);
    btz_evaluation_free(e);
}

static void test_sequences(void **state)
{
    static const char *const standard[] = { "apgd-ce", "apgd-t", "fab-t", "square" };
    static const char *const plus[] = { "apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t" };
    struct btz_evaluate_attack a[BTZ_AUTOATTACK_MAX];
    enum btz_autoattack v;
    size_t count;
    (void)state;

    assert_true(btz_autoattack_parse("plus", &v) && v == BTZ_AUTOATTACK_PLUS);
    assert_false(btz_autoattack_parse("more", &v));
    mnist_must(btz_autoattack_list(BTZ_AUTOATTACK_STANDARD, BTZ_NORM_LINF, 10, a, &count));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(a[i].attack->id, standard[i]);
    assert_true(a[1].param[btz_attack_param_find(a[1].attack, "targets")] == 9);
    assert_true(a[3].param[btz_attack_param_find(a[3].attack, "queries")] == 5000);
    mnist_must(btz_autoattack_list(BTZ_AUTOATTACK_STANDARD, BTZ_NORM_L1, 10, a, &count));
    assert_true(a[0].param[btz_attack_param_find(a[0].attack, "restarts")] == 5);
    assert_true(a[0].param[btz_attack_param_find(a[0].attack, "large-eps")] == 1);
    assert_true(a[1].param[btz_attack_param_find(a[1].attack, "targets")] == 5);
    mnist_must(btz_autoattack_list(BTZ_AUTOATTACK_PLUS, BTZ_NORM_L2, 4, a, &count));
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(a[i].attack->id, plus[i]);
    assert_true(a[2].param[btz_attack_param_find(a[2].attack, "restarts")] == 5);
    assert_true(a[4].param[btz_attack_param_find(a[4].attack, "targets")] == 3);
    mnist_must(btz_autoattack_list(BTZ_AUTOATTACK_RAND, BTZ_NORM_LINF, 10, a, &count));
    assert_int_equal(count, 2);
    assert_true(a[1].param[btz_attack_param_find(a[1].attack, "eot")] == 20);
    assert_int_equal(btz_autoattack_list(BTZ_AUTOATTACK_RAND, BTZ_NORM_L0, 10, a, &count),
                     BTZ_UNSUPPORTED);
}

/* ---- a published figure ------------------------------------------------------------------------------------------------ */

/* Every 50th digit. Of all 10,000 the published evaluation leaves 82.93 %; of these a shorter one must leave what is within
 * reach of that, and no more than the first attack does. */
static void test_digits(void **state)
{
    struct btz_evaluate_attack a[2] = { attack("apgd-ce", NULL, 0),
                                        attack("square", "queries", 300) };
    struct btz_evaluate_options o = options(a, 2);
    struct btz_model *m = mnist_model();
    struct btz_evaluation *one, *two;
    float *x = NULL;
    uint32_t *y = NULL;
    (void)state;

    if (!m || !mnist_samples(200, &x, &y)) {
        print_message("# skipped: %s\n", btz_error_detail());
        btz_model_free(m);
        skip();
    }
    a[0].param[0] = DIGIT_STEPS;
    a[1].param[0] = DIGIT_STEPS * 3;
    o.model = m;
    o.samples = (struct btz_evaluate_samples){ .n = 200, .x = x, .y = y };
    o.eps = 0.3;
    one = run(&o);
    o.threads = 2;
    two = run(&o);
    assert_same(one, two);
    assert_int_equal(one->clean.k, 196);
    assert_true(one->attacks[0].robust.k <= 186 && one->attacks[0].robust.k >= 160);
    assert_true(one->robust.k <= one->attacks[0].robust.k && one->robust.k >= 155);
    assert_true(one->distance_max <= 0.3 + 1e-6);
    assert_int_equal(one->attacks[0].claimed_correct + one->attacks[0].claimed_invalid, 0);
    btz_evaluation_free(one);
    btz_evaluation_free(two);
    btz_model_free(m);
    free(x);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_rows_on_demand),
        cmocka_unit_test(test_broken_are_told),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_averaged),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_damaged_state),
        cmocka_unit_test(test_constrained_state),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_masked),
        cmocka_unit_test(test_no_signs),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_digits),
    };

    return cmocka_run_group_tests(tests, make_world, free_world);
}
