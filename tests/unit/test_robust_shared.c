/* What the units of an evaluation share: a perturbation that is trained once, constraints, inputs to start from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/constraint.h"
#include "robust/evaluate.h"
#include "robust/hunt.h"
#include "robust/rows.h"

#define FEATURES 16
#define N        600 /* three units */

struct all {
    struct btz_model *model;
    float x[N * FEATURES];
    uint32_t y[N];
    struct btz_evaluate_attack attack;
    struct btz_evaluate_options o;
    /* What the evaluation told. */
    size_t broken;
    bool odd; /* something that must not be */
    float delta[FEATURES];
    const struct btz_constraint *constraint;
};

static void prepare(struct all *a, const char *id)
{
    static const struct btz_shape shape = { 1, { FEATURES } };
    float w[FEATURES * 2], b[2] = { 0, 0 };
    const struct btz_known_layer layer = { w, b, 2 };
    struct btz_rng r;

    memset(a, 0, sizeof *a);
    btz_rng_init(&r, 51, 0);
    for (size_t f = 0; f < FEATURES; f++) {
        w[2 * f] = (float)(0.5 + btz_rng_unit(&r)) * (f % 2 ? 1 : -1);
        w[2 * f + 1] = -w[2 * f];
        b[0] -= w[2 * f] / 2;
        b[1] -= w[2 * f + 1] / 2;
    }
    for (size_t i = 0; i < N; i++) {
        double z = 0;

        for (size_t f = 0; f < FEATURES; f++) {
            /* All of class 0. */
            double v = 0.5 + 0.05 * btz_random_normal(&r) + (f % 2 ? 0.05 : -0.05);

            a->x[i * FEATURES + f] = (float)fmin(fmax(v, 0.2), 0.8);
            z += (double)w[2 * f] * ((double)a->x[i * FEATURES + f] - 0.5);
        }
        a->y[i] = z < 0;
    }
    assert_int_equal(btz_known_model(&shape, &layer, 1, false, &a->model), BTZ_OK);
    a->attack.attack = btz_attack_find(id);
    btz_attack_defaults(a->attack.attack, a->attack.param);
    a->o = (struct btz_evaluate_options){ .model = a->model,
                                          .samples = { .n = N, .x = a->x, .y = a->y },
                                          .attacks = &a->attack,
                                          .attack_count = 1,
                                          .norm = BTZ_NORM_LINF,
                                          .eps = 0.1,
                                          .box = { 0, 1 },
                                          .seed = 1,
                                          .threads = 2,
                                          .broken_user = a };
}

static enum btz_err same_delta(void *user, const struct btz_evaluate_broken *b)
{
    struct all *a = user;

    for (size_t f = 0; f < FEATURES; f++) {
        float d = b->adv[f] - b->x[f];

        if (!a->broken)
            a->delta[f] = d;
        a->odd = a->odd || fabsf(d - a->delta[f]) > 1e-6F;
    }
    a->broken++;
    return BTZ_OK;
}

static void test_universal(void **state)
{
    struct all *a = malloc(sizeof *a);
    struct btz_evaluation *e = NULL;

    (void)state;
    assert_non_null(a);
    prepare(a, "universal");
    a->o.broken = same_delta;
    assert_int_equal(btz_evaluate(&a->o, &e), BTZ_OK);
    assert_true(a->broken > N / 2);
    assert_int_equal(a->broken, e->attacks[0].broken);
    assert_int_equal(e->attacks[0].claimed_invalid, 0);
    assert_false(a->odd);
    btz_evaluation_free(e);
    btz_model_free(a->model);
    free(a);
}

static enum btz_err within(void *user, const struct btz_evaluate_broken *b)
{
    struct all *a = user;

    a->odd = a->odd || !btz_constraint_holds(a->constraint, b->x, b->adv);
    a->broken++;
    return BTZ_OK;
}

static void test_constraint(void **state)
{
    struct all *a = malloc(sizeof *a);
    struct btz_evaluation *e = NULL;
    struct btz_constraint c;
    struct btz_arena arena;

    (void)state;
    assert_non_null(a);
    btz_arena_init(&arena, 1U << 20);
    assert_int_equal(btz_constraint_free_columns(FEATURES, (struct btz_box){ 0, 1 }, &arena, &c),
                     BTZ_OK);
    for (size_t f = 0; f < FEATURES; f++) {
        c.columns[f].immutable = f < 4;
        c.columns[f].moves = f % 3 ? BTZ_MOVES_ANY : BTZ_MOVES_UP;
    }
    prepare(a, "tabular-gradient");
    a->constraint = a->o.constraint = &c;
    a->o.norm = BTZ_NORM_L0;
    a->o.eps = 6;
    a->o.broken = within;
    assert_int_equal(btz_evaluate(&a->o, &e), BTZ_OK);
    assert_true(a->broken > N / 2);
    assert_false(a->odd);
    btz_evaluation_free(e);
    btz_model_free(a->model);
    btz_arena_release(&arena);
    free(a);
}

/* The first of the data are where an attack by labels begins: three questions at most until the other class. */
static void test_pool(void **state)
{
    struct all *a = malloc(sizeof *a);
    struct btz_evaluation *e = NULL;

    (void)state;
    assert_non_null(a);
    prepare(a, "hopskipjump");
    for (size_t f = 0; f < FEATURES; f++) /* one of the other class */
        a->x[f] = 1 - a->x[f];
    a->y[0] = !a->y[0];
    a->o.norm = BTZ_NORM_L2;
    a->o.eps = 1;
    a->o.samples.n = 40;
    a->attack.param[btz_attack_param_find(a->attack.attack, "queries")] = 1;
    a->attack.param[btz_attack_param_find(a->attack.attack, "start")] = 0;
    assert_int_equal(btz_evaluate(&a->o, &e), BTZ_OK);
    assert_int_equal(e->attacks[0].broken, e->clean.k);
    btz_evaluation_free(e);
    btz_model_free(a->model);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_universal),
        cmocka_unit_test(test_constraint),
        cmocka_unit_test(test_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
