/* Attacks by labels: every question counted, budgets kept, samples that know nothing of each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/rows.h"

#define FEATURES 12
#define CLASSES  3
#define N        5

/* A linear model that answers with labels alone, and counts. */
struct toy {
    struct btz_oracle oracle;
    float w[CLASSES][FEATURES];
    uint64_t asked;
    double lowest, highest; /* of all that was asked */
    bool always;            /* says 0 to everything */
};

static uint32_t label(const struct toy *t, const float *x)
{
    double z[CLASSES] = { 0 };
    uint32_t best = 0;

    for (uint32_t k = 0; k < CLASSES; k++) {
        for (size_t f = 0; f < FEATURES; f++)
            z[k] += (double)t->w[k][f] * ((double)x[f] - 0.5);
        if (z[k] > z[best])
            best = k;
    }
    return t->always ? 0 : best;
}

static enum btz_err ask(struct btz_oracle *o, const float *x, size_t n, float *scores)
{
    struct toy *t = (struct toy *)o;

    t->asked += n;
    for (size_t i = 0; i < n; i++) {
        uint32_t y = label(t, x + i * FEATURES);

        for (uint32_t k = 0; k < CLASSES; k++)
            scores[i * CLASSES + k] = k == y;
        for (size_t f = 0; f < FEATURES; f++) {
            t->lowest = fmin(t->lowest, (double)x[i * FEATURES + f]);
            t->highest = fmax(t->highest, (double)x[i * FEATURES + f]);
        }
    }
    return BTZ_OK;
}

static void toy_init(struct toy *t)
{
    struct btz_rng r;

    memset(t, 0, sizeof *t);
    t->oracle = (struct btz_oracle){
        .shape = { 1, { FEATURES } }, .features = FEATURES, .classes = CLASSES, .ask = ask
    };
    btz_rng_init(&r, 21, 0);
    for (size_t k = 0; k < CLASSES; k++)
        for (size_t f = 0; f < FEATURES; f++)
            t->w[k][f] = (float)btz_random_normal(&r);
}

struct all {
    struct toy toy;
    float x[N * FEATURES], adv[N * FEATURES];
    uint32_t y[N];
    uint64_t index[N], queries[N];
    bool broken[N];
    double last[N];
    uint64_t last_query[N];
    struct btz_attack_job job;
};

/* Better each time, at a later question, within the budget. */
static void on_best(void *user, size_t i, uint64_t queries, double norm)
{
    struct all *a = user;

    assert_true(norm < a->last[i]);
    assert_true(queries > a->last_query[i]);
    a->last[i] = norm;
    a->last_query[i] = queries;
}

static void prepare(struct all *a, const struct btz_attack *attack, enum btz_norm norm)
{
    struct btz_rng r;

    memset(a, 0, sizeof *a);
    toy_init(&a->toy);
    btz_rng_init(&r, 22, 0);
    for (size_t f = 0; f < N * FEATURES; f++)
        a->x[f] = (float)(0.2 + 0.6 * btz_rng_unit(&r));
    for (size_t i = 0; i < N; i++) {
        a->y[i] = label(&a->toy, a->x + i * FEATURES);
        a->index[i] = 100 + i;
        a->last[i] = (double)INFINITY;
    }
    memcpy(a->adv, a->x, sizeof a->adv);
    a->job = (struct btz_attack_job){
        .attack = attack,
        .oracle = &a->toy.oracle,
        .shape = a->toy.oracle.shape,
        .n = N,
        .features = FEATURES,
        .classes = CLASSES,
        .x = a->x,
        .y = a->y,
        .index = a->index,
        .norm = norm,
        .eps = 100,
        .box = { 0, 1 },
        .seed = 5,
        .adv = a->adv,
        .broken = a->broken,
        .queries = a->queries,
        .on_best = on_best,
        .user = a,
    };
    btz_attack_defaults(attack, a->job.param);
    a->job.param[btz_attack_param_find(attack, "queries")] = 700;
}

static void each(void (*test)(const struct btz_attack *, enum btz_norm))
{
    for (const struct btz_attack *const *a = btz_attacks; *a; a++)
        for (int n = 0; n < BTZ_NORM_NONE; n++)
            if ((*a)->access == BTZ_ATTACK_LABELS && (*a)->norms & 1U << n)
                test(*a, (enum btz_norm)n);
}

static void check_result(const struct all *a)
{
    for (size_t i = 0; i < N; i++) {
        const float *adv = a->adv + i * FEATURES;

        assert_true(a->broken[i]);
        assert_int_not_equal(label(&a->toy, adv), a->y[i]);
        assert_true(btz_norm_of(a->job.norm, adv, a->x + i * FEATURES, FEATURES) == a->last[i]);
    }
    assert_true(a->toy.lowest >= 0 && a->toy.highest <= 1);
}

/* Each sample asks what its budget allows and not one more; the sum is what the model answered. */
static void budget(const struct btz_attack *attack, enum btz_norm norm)
{
    struct all a;

    prepare(&a, attack, norm);
    a.job.eps = 0; /* never enough: all is asked */
    assert_int_equal(attack->run(&a.job), BTZ_OK);
    assert_true(a.toy.asked <= 700 * N);
    /* The boundary attack ends when its steps have become too small. */
    if (strcmp(attack->id, "boundary") != 0)
        assert_int_equal(a.toy.asked, 700 * N);
    assert_int_equal(a.toy.asked, a.toy.oracle.queries);
    for (size_t i = 0; i < N; i++) {
        assert_false(a.broken[i]);
        assert_true(a.last_query[i] <= 700 && a.queries[i] <= 700);
        a.toy.asked -= a.queries[i];
    }
    assert_int_equal(a.toy.asked, 0);
}

static void test_budget(void **state)
{
    (void)state;
    each(budget);
}

/* The same whether a sample is alone or in company. */
static void company(const struct btz_attack *attack, enum btz_norm norm)
{
    struct all a;
    float together[N * FEATURES];

    prepare(&a, attack, norm);
    assert_int_equal(attack->run(&a.job), BTZ_OK);
    check_result(&a);
    memcpy(together, a.adv, sizeof together);
    prepare(&a, attack, norm);
    for (size_t i = 0; i < N; i++) {
        struct btz_attack_job one = a.job;

        one.n = 1;
        one.x += i * FEATURES;
        one.y += i;
        one.index += i;
        one.adv += i * FEATURES;
        one.broken += i;
        one.queries += i;
        one.on_best = NULL;
        assert_int_equal(attack->run(&one), BTZ_OK);
    }
    assert_memory_equal(a.adv, together, sizeof together);
}

static void test_company(void **state)
{
    (void)state;
    each(company);
}

/* One budget for all: it ends the attack with what there is. */
static void oracle_budget(const struct btz_attack *attack, enum btz_norm norm)
{
    struct all a;

    prepare(&a, attack, norm);
    a.toy.oracle.budget = 501;
    assert_int_equal(attack->run(&a.job), BTZ_OK);
    assert_int_equal(a.toy.asked, 501);
    check_result(&a);
}

static void test_oracle_budget(void **state)
{
    (void)state;
    each(oracle_budget);
}

/* With `early`, no round after success. */
static void early(const struct btz_attack *attack, enum btz_norm norm)
{
    struct all a;
    uint64_t sum = 0;

    prepare(&a, attack, norm);
    a.job.param[btz_attack_param_find(attack, "early")] = 1;
    assert_int_equal(attack->run(&a.job), BTZ_OK);
    for (size_t i = 0; i < N; i++) {
        assert_true(a.broken[i]);
        assert_int_equal(a.queries[i], a.last_query[i]);
        sum += a.queries[i];
    }
    /* Questions that go out together do not wait for each other's answers. */
    assert_true(sum <= a.toy.asked && a.toy.asked < 500 * N);
}

static void test_early(void **state)
{
    (void)state;
    each(early);
}

/* A model that never changes its mind, and a user that has had enough. */
static void hopeless(const struct btz_attack *attack, enum btz_norm norm)
{
    static const volatile int enough = 1;
    struct all a;

    prepare(&a, attack, norm);
    a.toy.always = true;
    memset(a.y, 0, sizeof a.y);
    assert_int_equal(attack->run(&a.job), BTZ_OK);
    for (size_t i = 0; i < N; i++)
        assert_false(a.broken[i]);
    assert_memory_equal(a.adv, a.x, sizeof a.x);
    prepare(&a, attack, norm);
    a.job.stop = &enough;
    assert_int_equal(attack->run(&a.job), BTZ_OK);
    assert_int_equal(a.toy.asked, 0);
}

static void test_hopeless(void **state)
{
    (void)state;
    each(hopeless);
}

/* The pool is asked first, the nearest first. */
static void test_pool(void **state)
{
    const struct btz_attack *attack = btz_attack_find("hopskipjump");
    struct all a;
    struct btz_hunt *h = NULL;
    float pool[2 * FEATURES];
    uint32_t pool_label[2];

    (void)state;
    prepare(&a, attack, BTZ_NORM_L2);
    a.job.n = 1;
    for (size_t p = 0; p < 2; p++)
        pool_label[p] = (a.y[0] + 1) % CLASSES;
    for (size_t f = 0; f < FEATURES; f++) {
        float toward = a.toy.w[pool_label[0]][f] - a.toy.w[a.y[0]][f];

        pool[f] = toward > 0 ? 1 : 0;
        pool[FEATURES + f] = 0.5F * pool[f] + 0.5F * a.x[f];
    }
    assert_int_equal(label(&a.toy, pool), pool_label[0]);
    assert_int_not_equal(label(&a.toy, pool + FEATURES), a.y[0]);
    a.job.pool = pool;
    a.job.pool_label = pool_label;
    a.job.pool_count = 2;
    assert_int_equal(btz_hunt_new(&a.job, 10, false, &h), BTZ_OK);
    assert_int_equal(btz_hunt_start(h, 0), BTZ_OK);
    assert_int_equal(h->asked[0], 1);
    assert_memory_equal(a.adv, pool + FEATURES, sizeof pool / 2);
    btz_hunt_free(&h);
}

/* A normal of a plane, in a subspace of all directions. */
static void test_normal(void **state)
{
    const struct btz_attack *attack = btz_attack_find("hopskipjump");
    const struct btz_hunt_draw draw = { .draw = btz_hunt_draw_normal };
    struct btz_hunt *h = NULL;
    float normal[FEATURES], point[FEATURES];
    double delta = 0.01, along = 0, length = 0;
    const size_t count = 3000;
    struct all a;

    (void)state;
    prepare(&a, attack, BTZ_NORM_L2);
    memset(a.toy.w[2], 0, sizeof a.toy.w[2]);
    for (size_t f = 0; f < FEATURES; f++) {
        a.toy.w[0][f] = -a.toy.w[1][f];
        point[f] = 0.5F;
    }
    a.job.n = 1;
    a.y[0] = 0;
    a.job.eps = 0;
    assert_int_equal(btz_hunt_new(&a.job, 3001, false, &h), BTZ_OK);
    h->best[0] = 1;
    a.job.on_best = NULL;
    assert_int_equal(btz_hunt_normal(h, point, &delta, &count, 1, &draw, normal), BTZ_OK);
    assert_int_equal(h->asked[0], 3000);
    for (size_t f = 0; f < FEATURES; f++) {
        along += (double)normal[f] * (double)a.toy.w[1][f];
        length += (double)a.toy.w[1][f] * (double)a.toy.w[1][f];
    }
    assert_true(along / sqrt(length) > 0.97);
    btz_hunt_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),        cmocka_unit_test(test_company),
        cmocka_unit_test(test_oracle_budget), cmocka_unit_test(test_early),
        cmocka_unit_test(test_hopeless),      cmocka_unit_test(test_pool),
        cmocka_unit_test(test_normal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
