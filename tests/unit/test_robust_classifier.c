/* Models as classifiers: logits behind a softmax, gradients against differences, calls of any length, attacks' self-tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/evaluate.h"

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

/* ---- what an attack costs at most -------------------------------------------------------------------------------------- */

static const char *const exact[] = { "apgd-ce", "apgd-dlr", "apgd-t", "di-fgsm",
                                     "ead",     "fab",      "fab-t",  "fgsm",
                                     "mi-fgsm", "pgd",      "square", "ti-fgsm" };

static bool is_exact(const char *id)
{
    for (size_t i = 0; i < BTZ_COUNT(exact); i++)
        if (strcmp(exact[i], id) == 0)
            return true;
    return false;
}

/* One clear class of five over a small picture: nothing is broken within nearly no change, so that everything is tried. */
static struct btz_model *clear_classes(void)
{
    static const struct btz_shape shape = { 3, { 1, 4, 4 } };
    float w[16 * 5], b[5] = { 9, 4, 3, 2, 1 };
    struct btz_model *m = NULL;
    struct btz_rng r;

    btz_rng_init(&r, 9, 0);
    random_floats(&r, w, 16 * 5);
    assert_int_equal(btz_known_model(&shape, &(struct btz_known_layer){ w, b, 5 }, 1, false, &m),
                     BTZ_OK);
    return m;
}

static void most(const struct btz_attack *attack, enum btz_norm norm, const struct btz_model *m)
{
    static const struct {
        const char *name;
        double value;
    } small[] = {
        { "steps", 11 }, { "queries", 60 }, { "restarts", 2 }, { "searches", 2 }, { "targets", 3 }
    };
    static const float x[3 * 16];
    static const uint32_t y[3];
    struct btz_evaluate_attack a = { .attack = attack };
    struct btz_attack_job job = { .attack = attack, .norm = norm, .classes = 5 };
    const struct btz_evaluate_options o = { .model = m,
                                            .samples = { .n = 3, .x = x, .y = y },
                                            .attacks = &a,
                                            .attack_count = 1,
                                            .norm = norm,
                                            .eps = norm == BTZ_NORM_L0 ? 0 : 1e-9,
                                            .box = { 0, 1 } };
    const struct btz_evaluate_attacked *done;
    struct btz_evaluation *e;
    struct btz_attack_most at_most;

    btz_attack_defaults(attack, a.param);
    for (size_t i = 0; i < BTZ_COUNT(small); i++)
        if (btz_attack_param_find(attack, small[i].name) != SIZE_MAX)
            a.param[btz_attack_param_find(attack, small[i].name)] = small[i].value;
    memcpy(job.param, a.param, sizeof job.param);
    at_most = attack->most(&job);
    if (btz_evaluate(&o, &e) != BTZ_OK)
        fail_msg("%s: %s", attack->id, btz_error_detail());
    done = &e->attacks[0];
    assert_int_equal(done->tried, 3);
    assert_int_equal(done->broken, 0);
    if (done->queries > 3 * at_most.questions || done->gradients > 3 * at_most.gradients ||
        (is_exact(attack->id) &&
         (done->queries != 3 * at_most.questions || done->gradients != 3 * at_most.gradients)))
        fail_msg("%s, %s: %" PRIu64 " questions, %" PRIu64 " for gradients; of one of 3 samples "
                 "at most %" PRIu64 " and %" PRIu64,
                 attack->id, btz_norm_name(norm), done->queries, done->gradients, at_most.questions,
                 at_most.gradients);
    btz_evaluation_free(e);
}

static void test_most(void **state)
{
    struct btz_model *m = clear_classes();
    (void)state;

    for (size_t k = 0; btz_attacks[k]; k++) {
        assert_true(btz_attacks[k]->most || !is_exact(btz_attacks[k]->id));
        for (int norm = BTZ_NORM_LINF; btz_attacks[k]->most && norm <= BTZ_NORM_L0; norm++)
            if (btz_attacks[k]->norms & 1U << norm)
                most(btz_attacks[k], (enum btz_norm)norm, m);
    }
    btz_model_free(m);
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
        cmocka_unit_test(test_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
