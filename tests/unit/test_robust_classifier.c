/* Models as classifiers: logits behind a softmax, gradients against differences, calls of any length, attacks' self-tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/robust.h"

#define FEATURES 6
#define HIDDEN   5
#define CLASSES  3

static void random_floats(struct btz_rng *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(btz_rng_unit(r) * 2 - 1);
}

static struct btz_model *two_layers(bool softmax)
{
    static const struct btz_shape shape = { 2, { 2, 3 } };
    float w0[FEATURES * HIDDEN], b0[HIDDEN], w1[HIDDEN * CLASSES], b1[CLASSES];
    struct btz_model *m = NULL;
    struct btz_rng r;

    btz_rng_init(&r, 7, 0);
    random_floats(&r, w0, FEATURES * HIDDEN);
    random_floats(&r, b0, HIDDEN);
    random_floats(&r, w1, HIDDEN * CLASSES);
    random_floats(&r, b1, CLASSES);
    assert_int_equal(
        btz_known_model(&shape,
                        (struct btz_known_layer[]){ { w0, b0, HIDDEN }, { w1, b1, CLASSES } }, 2,
                        softmax, &m),
        BTZ_OK);
    return m;
}

static void test_softmax_is_left_out(void **state)
{
    struct btz_model *plain = two_layers(false), *soft = two_layers(true);
    struct btz_classifier *a = NULL, *b = NULL;
    float x[FEATURES * 4], za[CLASSES * 4], zb[CLASSES * 4];
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 8, 0);
    random_floats(&r, x, FEATURES * 4);
    assert_int_equal(btz_classifier_new(plain, NULL, &a), BTZ_OK);
    assert_int_equal(btz_classifier_new(soft, NULL, &b), BTZ_OK);
    assert_int_equal(a->features, FEATURES);
    assert_int_equal(a->classes, CLASSES);
    assert_int_equal(btz_classifier_logits(a, x, 4, za), BTZ_OK);
    assert_int_equal(btz_classifier_logits(b, x, 4, zb), BTZ_OK);
    assert_memory_equal(za, zb, sizeof za);
    assert_int_equal(a->forwards, 4);
    btz_classifier_free(a);
    btz_classifier_free(b);
    btz_model_free(plain);
    btz_model_free(soft);
}

/* Any number of rows gives each row what it gets alone. */
static void test_lengths(void **state)
{
    struct btz_model *m = two_layers(false);
    struct btz_classifier *c = NULL;
    float x[FEATURES * 21], z[CLASSES * 21], one[CLASSES];
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 9, 0);
    random_floats(&r, x, FEATURES * 21);
    assert_int_equal(btz_classifier_new(m, &(struct btz_classifier_options){ .batch = 8 }, &c),
                     BTZ_OK);
    for (size_t n = 1; n <= 21; n++) {
        assert_int_equal(btz_classifier_logits(c, x, n, z), BTZ_OK);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(btz_classifier_logits(c, x + i * FEATURES, 1, one), BTZ_OK);
            for (size_t k = 0; k < CLASSES; k++)
                assert_true(fabsf(one[k] - z[i * CLASSES + k]) < 1e-5F);
        }
    }
    btz_classifier_free(c);
    btz_model_free(m);
}

static void test_gradients(void **state)
{
    static const uint32_t y[] = { 0, 2, 1, 1, 0 };
    const struct btz_loss losses[] = { { btz_loss_cross_entropy, y }, { btz_loss_margin, y } };
    struct btz_model *m = two_layers(true);
    struct btz_classifier *c = NULL;
    float x[FEATURES * 5], grad[2 * FEATURES * 5], value[10], up[10], down[10],
        none[sizeof grad / 4];
    const float h = 1e-3F;
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 10, 0);
    random_floats(&r, x, FEATURES * 5);
    assert_int_equal(btz_classifier_new(m, &(struct btz_classifier_options){ .batch = 2 }, &c),
                     BTZ_OK);
    assert_int_equal(btz_classifier_gradient(c, x, 5, losses, 2, NULL, value, grad), BTZ_OK);
    for (size_t f = 0; f < FEATURES; f++) {
        for (size_t i = 0; i < 5; i++)
            x[i * FEATURES + f] += h;
        assert_int_equal(btz_classifier_gradient(c, x, 5, losses, 2, NULL, up, none), BTZ_OK);
        for (size_t i = 0; i < 5; i++)
            x[i * FEATURES + f] -= 2 * h;
        assert_int_equal(btz_classifier_gradient(c, x, 5, losses, 2, NULL, down, none), BTZ_OK);
        for (size_t i = 0; i < 5; i++)
            x[i * FEATURES + f] += h;
        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < 5; i++) {
                float d = (up[k * 5 + i] - down[k * 5 + i]) / (2 * h);

                assert_true(fabsf(d - grad[(k * 5 + i) * FEATURES + f]) < 2e-3F);
            }
    }
    btz_classifier_free(c);
    btz_model_free(m);
}

static void test_no_classifier(void **state)
{
    struct btz_model *m = two_layers(false);
    struct btz_classifier *c = NULL;

    (void)state;
    m->values[m->inputs[0]].has_shape = false;
    assert_int_equal(btz_classifier_new(m, NULL, &c), BTZ_UNSUPPORTED);
    m->values[m->inputs[0]].has_shape = true;
    m->values[m->inputs[0]].type = BTZ_I64;
    assert_int_equal(btz_classifier_new(m, NULL, &c), BTZ_UNSUPPORTED);
    assert_null(c);
    btz_model_free(m);
}

static void test_argmax(void **state)
{
    (void)state;
    assert_int_equal(btz_argmax((float[]){ 1, 3, 3 }, 3), 1);
    assert_int_equal(btz_argmax((float[]){ 1, NAN, 3 }, 3), SIZE_MAX);
}

static void test_budget(void **state)
{
    struct btz_model *m = two_layers(false);
    struct btz_classifier *c = NULL;
    struct btz_oracle *o = NULL;
    float x[FEATURES * 3] = { 0 }, z[CLASSES * 3];

    (void)state;
    assert_int_equal(btz_classifier_new(m, NULL, &c), BTZ_OK);
    assert_int_equal(btz_oracle_of_classifier(c, &o), BTZ_OK);
    o->budget = 5;
    assert_int_equal(btz_oracle_ask(o, x, 3, z), BTZ_OK);
    assert_int_equal(btz_oracle_ask(o, x, 3, z), BTZ_LIMIT);
    assert_int_equal(btz_oracle_ask(o, x, 2, z), BTZ_OK);
    assert_int_equal(o->queries, 5);
    btz_oracle_free(o);
    btz_classifier_free(c);
    btz_model_free(m);
}

static void test_registry(void **state)
{
    (void)state;
    for (const struct btz_attack *const *a = btz_attacks; *a; a++) {
        assert_true(!a[1] || strcmp((*a)->id, a[1]->id) < 0);
        assert_ptr_equal(btz_attack_find((*a)->id), *a);
        assert_true((*a)->param_count <= BTZ_ATTACK_PARAMS_MAX);
        assert_non_null((*a)->source);
        assert_true((*a)->norms != 0);
        if ((*a)->selftest() != BTZ_OK)
            fail_msg("%s: %s", (*a)->id, btz_error_detail());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_is_left_out),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_no_classifier),
        cmocka_unit_test(test_argmax),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_registry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
