/* The table of corruptions: against a loop of its own, and against the attack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "robust/corruption_table.h"

#define SIDE     8
#define FEATURES (SIDE * SIDE)
#define CLASSES  4
#define SAMPLES  150 /* three units */

static struct btz_model *model;
static float x[SAMPLES * FEATURES];
static uint32_t y[SAMPLES];
static const struct btz_box unit_box = { 0, 1 };

static void must(enum btz_err err)
{
    if (err)
        fail_msg("%s", btz_error_detail());
}

static int make_world(void **state)
{
    static const struct btz_shape shape = { 3, { 1, SIDE, SIDE } };
    static float w[FEATURES * CLASSES], b[CLASSES], z[SAMPLES * CLASSES];
    const struct btz_known_layer layer = { w, b, CLASSES };
    struct btz_classifier *c = NULL;
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 3, 3);
    for (size_t i = 0; i < FEATURES * CLASSES; i++)
        w[i] = (float)(btz_rng_unit(&r) - 0.5);
    /* Blobs that are bright in one place: some margin, and not the same for all. */
    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t k = 0; k < FEATURES; k++)
            x[i * FEATURES + k] =
                (float)(0.3 * btz_rng_unit(&r) + (w[k * CLASSES + i % CLASSES] > 0 ? 0.3 : 0.1));
    must(btz_known_model(&shape, &layer, 1, false, &model));
    must(btz_classifier_new(model, NULL, &c));
    must(btz_classifier_logits(c, x, SAMPLES, z));
    btz_classifier_free(c);
    for (size_t i = 0; i < SAMPLES; i++)
        y[i] = (uint32_t)(btz_argmax(z + i * CLASSES, CLASSES) + (i % 10 == 3)) % CLASSES;
    return 0;
}

static int free_world(void **state)
{
    (void)state;
    btz_model_free(model);
    return 0;
}

static struct btz_corruption_table_options options_of(uint64_t n, unsigned threads)
{
    return (struct btz_corruption_table_options){
        .model = model,
        .samples = { .n = n, .x = x, .y = y },
        .box = unit_box,
        .seed = 7,
        .threads = threads,
    };
}

/* A clean pass that was made is taken as it is, and changes nothing else. */
static void test_given_clean(void **state)
{
    struct btz_corruption_table_options o = options_of(40, 2);
    struct btz_sample_verdict verdicts[40];
    struct btz_classifier *c = NULL;
    struct btz_corruption_table own, given;

    (void)state;
    must(btz_corruption_table(&o, &own));
    must(btz_classifier_new(model, NULL, &c));
    for (size_t i = 0; i < 40; i++) {
        float z[CLASSES];

        must(btz_classifier_logits(c, x + i * FEATURES, 1, z));
        verdicts[i] = (struct btz_sample_verdict){ .clean = (uint32_t)btz_argmax(z, CLASSES) };
    }
    btz_classifier_free(c);
    o.clean = verdicts;
    must(btz_corruption_table(&o, &given));
    assert_memory_equal(&own, &given, sizeof own);
    for (size_t i = 0; i < 40; i++)
        verdicts[i].clean = (y[i] + 1) % CLASSES;
    must(btz_corruption_table(&o, &given));
    assert_int_equal(given.clean.k, 0);
    assert_int_equal(given.worst.k, 0);
    assert_memory_equal(own.cell, given.cell, sizeof own.cell);
}

static void test_brute_force(void **state)
{
    const struct btz_corruption_table_options o = options_of(40, 1);
    const struct btz_picture p = { 1, SIDE, SIDE };
    struct btz_corruption_table t;
    struct btz_classifier *c = NULL;
    uint64_t total = 0, correct;

    (void)state;
    must(btz_corruption_table(&o, &t));
    assert_int_equal(t.n, 40);
    assert_int_equal(t.clean.k, 36);
    must(btz_classifier_new(model, NULL, &c));
    for (int kind = 0; kind < BTZ_CORRUPT_COUNT; kind++)
        for (int severity = 1; severity <= BTZ_SEVERITIES; severity++) {
            correct = 0;
            for (uint64_t i = 0; i < 40; i++) {
                float out[FEATURES], z[CLASSES];
                struct btz_rng rng;

                btz_rng_init(&rng, 7 ^ btz_rng_stream(btz_str("corruption")),
                             i << 20 | (uint64_t)(kind * 5 + severity));
                must(btz_corrupt(&p, unit_box, (enum btz_corruption)kind, severity, &rng,
                                 x + i * FEATURES, out));
                must(btz_classifier_logits(c, out, 1, z));
                correct += btz_argmax(z, CLASSES) == y[i];
            }
            assert_int_equal(t.cell[kind][severity - 1].k, correct);
            assert_int_equal(t.cell[kind][severity - 1].n, 40);
            total += correct;
        }
    btz_classifier_free(c);
    assert_true(total < (uint64_t)36 * 75); /* something is broken */
    assert_float_equal(t.mean, (double)total / (40 * 75), 1e-12);
    correct = 0;
    for (int s = 0; s < BTZ_SEVERITIES; s++)
        correct += t.cell[BTZ_CORRUPT_FOG][s].k;
    assert_float_equal(t.kind_mean[BTZ_CORRUPT_FOG], (double)correct / 200, 1e-12);
}

static void test_threads(void **state)
{
    struct btz_corruption_table_options one = options_of(SAMPLES, 1),
                                        three = options_of(SAMPLES, 3);
    struct btz_corruption_table a, b;

    (void)state;
    must(btz_corruption_table(&one, &a));
    must(btz_corruption_table(&three, &b));
    assert_int_equal(a.threads, 1);
    assert_int_equal(b.threads, 3);
    assert_memory_equal(a.cell, b.cell, sizeof a.cell);
    assert_int_equal(a.worst.k, b.worst.k);
    assert_true(a.mean == b.mean);
}

static void test_worst_is_the_attack(void **state)
{
    const struct btz_corruption_table_options o = options_of(SAMPLES, 2);
    struct btz_evaluate_attack attack = { .attack = btz_attack_find("corruption") };
    const struct btz_evaluate_options eo = {
        .model = model,
        .samples = o.samples,
        .attacks = &attack,
        .attack_count = 1,
        .norm = BTZ_NORM_NONE,
        .box = unit_box,
        .seed = o.seed,
        .threads = 1,
    };
    struct btz_corruption_table t;
    struct btz_evaluation *e = NULL;

    (void)state;
    btz_attack_defaults(attack.attack, attack.param);
    must(btz_corruption_table(&o, &t));
    must(btz_evaluate(&eo, &e));
    assert_int_equal(t.clean.k, e->clean.k);
    assert_int_equal(t.worst.k, e->robust.k);
    assert_true(t.worst.k < t.clean.k);
    btz_evaluation_free(e);
}

static void test_refused(void **state)
{
    static const struct btz_shape flat = { 1, { FEATURES } };
    static const float w[FEATURES * 2], b[2];
    const struct btz_known_layer layer = { w, b, 2 };
    struct btz_corruption_table_options o = options_of(10, 1);
    struct btz_corruption_table t;
    struct btz_model *m = NULL;
    const volatile int stop = 1;

    (void)state;
    o.memory_max = 100;
    assert_int_equal(btz_corruption_table(&o, &t), BTZ_LIMIT);
    o.memory_max = 0;
    o.box.high = 0.2F;
    assert_int_equal(btz_corruption_table(&o, &t), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "sample 0"));
    o.box = unit_box;
    o.stop = &stop;
    must(btz_corruption_table(&o, &t));
    assert_true(t.stopped && t.n == 0);
    must(btz_known_model(&flat, &layer, 1, false, &m));
    o.model = m;
    assert_int_equal(btz_corruption_table(&o, &t), BTZ_UNSUPPORTED);
    btz_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_clean), cmocka_unit_test(test_brute_force),
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_worst_is_the_attack),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, make_world, free_world);
}
