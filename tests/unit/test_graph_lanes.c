/*
 * Batches in lanes, with every set of instructions this processor has, and convolutions of few samples by oneDNN where it is,
 * against the scalar reference: outputs, gradients of inputs and of parameters; and what a sample yields does not depend on the
 * batch it is in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>

#include "graph/lanes.h"
#include "graph/net.h"
#include "graph/onednn.h"
#include "graph_make.h"

#define ISAS 4
static const char *const isas[ISAS] = { "plain", "avx2", "avx512", "onednn" };

static bool is_here(const char *isa)
{
    return strcmp(isa, "onednn") == 0 ? btz_onednn_version() != NULL : btz_isa_find(isa) != NULL;
}

/* Windows with all that can be odd about them; values used twice, both layouts at once, outputs in the middle. */
static struct btz_model *make_odd(void)
{
    struct graph_make g;

    make_init(&g, 7);
    make_value(&g, 11, "x", "-1,4,9,7");
    make_value(&g, 12, "y", "-1,5");
    make_value(&g, 12, "middle", "-1,6,5,6");
    make_constant(&g, "mean", "4,1,1", 0.5, 0.2);
    make_constant(&g, "deviation", "1,4,1,1", 1.5, 0.3);
    make_node(&g, "Sub", "x mean", "x1", "");
    make_node(&g, "Div", "x1 deviation", "x2", "");
    make_constant(&g, "w1", "8,2,3,2", 0, 0.5);
    make_constant(&g, "b1", "8", 0, 0.5);
    make_node(&g, "Conv", "x2 w1 b1", "c1", "group:2 pads=2,0,1,1 strides=2,1 dilations=1,2");
    make_node(&g, "Relu", "c1", "r1", "");
    make_constant(&g, "w2", "6,8,1,1", 0, 0.5);
    make_node(&g, "Conv", "r1 w2", "c2", "");
    make_constant(&g, "slope", "6,1,1", 0.2, 0.1);
    make_node(&g, "PRelu", "c2 slope", "p2", "");
    make_constant(&g, "w3", "6,6,3,3", 0, 0.3);
    make_node(&g, "Conv", "p2 w3", "c3", "pads=1,1,1,1");
    make_node(&g, "Add", "c3 p2", "s3", ""); /* a residual */
    make_node(&g, "Relu", "s3", "r3", "");
    make_node(&g, "MaxPool", "r3", "m3", "kernel_shape=2,3 strides=1,1 pads=0,1,0,0");
    make_constant(&g, "w4", "6,6,2,2", 0, 0.4);
    make_constant(&g, "wd", "6,1,3,2", 0, 0.5);
    make_node(&g, "Conv", "m3 wd", "d3", "group:6 pads=1,0,1,1"); /* a channel each */
    make_node(&g, "Conv", "d3 w4", "middle", "strides=1,1 pads=1,1,1,1");
    make_node(&g, "Softmax", "middle", "soft", "axis:1"); /* has no lanes */
    make_node(&g, "Transpose", "soft", "turned", "perm=0,2,3,1");
    make_node(&g, "Mul", "soft middle", "both", "");
    make_constant(&g, "w5", "5,6,2,1", 0, 0.4);
    make_node(&g, "Conv", "both w5", "c5", "strides=3,3");
    make_node(&g, "GlobalAveragePool", "c5", "a5", "");
    make_node(&g, "Flatten", "a5", "f5", "axis:1");
    make_node(&g, "Flatten", "turned", "ft", "axis:1");
    make_constant(&g, "w6", "180,5", 0, 0.3);
    make_constant(&g, "b6", "1,5", 0, 0.3);
    make_node(&g, "Gemm", "ft w6 b6", "g6", "alpha/0.5 beta/2");
    make_constant(&g, "w7", "5,5", 0, 0.5);
    make_node(&g, "MatMul", "f5 w7", "g7", "");
    make_node(&g, "Sigmoid", "g7", "q7", "");
    make_node(&g, "Add", "g6 q7", "y", "");
    return make_model(&g);
}

/* Windows over one and three axes, strides larger than the kernel, batch normalisation, pooling with pads. */
static struct btz_model *make_deep(void)
{
    struct graph_make g;

    make_init(&g, 9);
    make_value(&g, 11, "x", "-1,2,5,4,6");
    make_value(&g, 12, "y", "-1,7");
    make_constant(&g, "w1", "5,2,2,3,2", 0, 0.5);
    make_constant(&g, "b1", "5", 0, 0.5);
    make_node(&g, "Conv", "x w1 b1", "c1", "strides=1,2,3 pads=0,1,0,1,1,1");
    make_constant(&g, "scale", "5", 1, 0.2);
    make_constant(&g, "shift", "5", 0, 0.2);
    make_constant(&g, "mean", "5", 0, 0.2);
    make_constant(&g, "var", "5", 1, 0.2);
    make_node(&g, "BatchNormalization", "c1 scale shift mean var", "n1", "");
    make_node(&g, "Relu", "n1", "r1", "");
    make_node(&g, "AveragePool", "r1", "a1",
              "kernel_shape=2,2,2 pads=1,0,0,0,1,1 strides=2,1,1 count_include_pad:1");
    make_constant(&g, "mean2", "5", 0, 0.3);
    make_node(&g, "BatchNormalization", "a1 scale shift mean2 var", "n2", "epsilon/0.01");
    make_node(&g, "Relu", "n2", "r2", "");
    make_node(&g, "Flatten", "r2", "f1", "axis:1");
    make_node(&g, "Flatten", "f1", "f2", "axis:1");
    make_constant(&g, "w2", "7,60", 0, 0.4);
    make_node(&g, "Gemm", "f2 w2", "g2", "transB:1");
    make_node(&g, "LeakyRelu", "g2", "y", "alpha/0.2");
    return make_model(&g);
}

/* Convolutions that are large enough for oneDNN, with all that can be odd about them, and some that are not. */
static struct btz_model *make_wide(void)
{
    struct graph_make g;

    make_init(&g, 3);
    make_value(&g, 11, "x", "-1,17,27,28");
    make_value(&g, 12, "y", "-1,6");
    make_value(&g, 12, "middle", "-1,24,28,28");
    make_constant(&g, "w1", "24,17,3,3", 0, 0.3);
    make_constant(&g, "b1", "24", 0, 0.5);
    make_node(&g, "Conv", "x w1 b1", "middle", "pads=2,3,1,1 dilations=1,2");
    make_node(&g, "Relu", "middle", "r1", "");
    make_constant(&g, "w2", "33,24,5,3", 0, 0.1);
    make_node(&g, "Conv", "r1 w2", "c2", "strides=2,1");
    make_node(&g, "Sigmoid", "c2", "s2", "");
    make_node(&g, "Mul", "s2 c2", "r2", "");
    make_constant(&g, "w3", "256,33,1,1", 0, 0.2);
    make_constant(&g, "b3", "256", 0, 0.2);
    make_node(&g, "Conv", "r2 w3 b3", "c3", "");
    make_constant(&g, "w4", "32,8,3,3", 0, 0.1);
    make_node(&g, "Conv", "c3 w4", "c4", "group:32 strides=3,3"); /* groups are not */
    make_constant(&g, "w5", "6,32,2,2", 0, 0.3);
    make_node(&g, "Conv", "c4 w5", "c5", ""); /* too small */
    make_node(&g, "GlobalAveragePool", "c5", "a5", "");
    make_node(&g, "Flatten", "a5", "y", "axis:1");
    return make_model(&g);
}

struct pass {
    struct btz_net *net;
    size_t batch;
};

static void fill(struct btz_tensor *t, uint64_t seed, size_t first)
{
    size_t count = btz_tensor_count(t), one = count / (size_t)t->shape.dim[0];

    for (size_t i = 0; i < count; i++) {
        struct btz_rng rng;

        btz_rng_init(&rng, seed, first * one + i);
        ((float *)t->data)[i] = (float)(2 * btz_rng_unit(&rng) - 1);
    }
}

static struct btz_net *run(const struct btz_model *m, const char *isa, size_t batch, size_t first,
                           bool params)
{
    struct btz_net *net = NULL;

    make_ok(btz_net_new(
        m,
        &(struct btz_net_options){ .batch = (int64_t)batch,
                                   .input_grads = true,
                                   .param_grads = params,
                                   .reference = !isa,
                                   .isa = isa && strcmp(isa, "onednn") != 0 ? isa : NULL },
        &net));
    /* Twice: what is left of the first must not show. */
    for (int i = 0; i < 2; i++) {
        fill(btz_net_input(net, 0), 1, first);
        make_ok(btz_net_forward(net));
        for (uint32_t k = 0; k < m->output_count; k++)
            fill(btz_net_output_grad(net, k), 2 + k, first);
        make_ok(btz_net_backward(net));
    }
    return net;
}

static void near(const char *what, const struct btz_tensor *a, const struct btz_tensor *b)
{
    const float *x = a->data, *y = b->data;
    size_t n = btz_tensor_count(b);
    double scale = 0;

    assert_true(btz_shape_equal(&a->shape, &b->shape));
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)y[i]));
    assert_true(scale > 0);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)y[i]) <= 2e-5 * scale)) {
            print_message("# %s %zu: %.9g, expected %.9g\n", what, i, (double)x[i], (double)y[i]);
            fail_msg("differs");
        }
}

static void compare(struct btz_model *m, size_t batch, bool params)
{
    const struct btz_net_param *want, *got;
    struct btz_net *reference = run(m, NULL, batch, 0, params);

    for (size_t i = 0; i < ISAS; i++) {
        struct btz_net *net;
        size_t count;

        if (!is_here(isas[i]))
            continue;
        net = run(m, isas[i], batch, 0, params);
        for (uint32_t k = 0; k < m->output_count; k++)
            near(isas[i], btz_net_output(net, k), btz_net_output(reference, k));
        near("by the input", btz_net_input_grad(net, 0), btz_net_input_grad(reference, 0));
        count = btz_net_params(net, &got);
        assert_int_equal(count, btz_net_params(reference, &want));
        assert_int_equal(count > 0, params);
        for (size_t p = 0; p < count; p++) {
            assert_int_equal(got[p].value, want[p].value);
            near(m->values[got[p].value].name, got[p].grad, want[p].grad);
        }
        btz_net_free(net);
    }
    btz_net_free(reference);
    btz_model_free(m);
}

static void test_odd(void **state)
{
    (void)state;
    compare(make_odd(), 5, true);
    compare(make_odd(), 33, true);
    compare(make_odd(), 16, false);
}

static void test_deep(void **state)
{
    (void)state;
    compare(make_deep(), 19, true);
    compare(make_deep(), 90, false);
}

static void test_digits(void **state)
{
    (void)state;
    compare(make_digit_net(), 4, true);
    compare(make_digit_net(), 4, false);
}

static void test_wide(void **state)
{
    struct btz_model *m = make_wide();
    struct btz_net *net;
    size_t count = 0;

    (void)state;
    if (!btz_onednn_version())
        print_message("# no oneDNN here: our own kernels only\n");
    net = run(m, "onednn", 1, 0, false);
    for (uint32_t i = 0; i < m->node_count; i++)
        count += strcmp(m->nodes[i].type, "Conv") == 0 && net->steps[i].call.state;
    assert_int_equal(count, btz_onednn_version() ? 3 : 0);
    btz_net_free(net);
    btz_model_free(m);
    compare(make_wide(), 1, true);
    compare(make_wide(), 3, true);
    compare(make_wide(), 3, false);
    compare(make_wide(), 5, true);
}

static void same_rows(const struct btz_tensor *all, const struct btz_tensor *part, size_t first)
{
    size_t bytes = btz_tensor_bytes(part);

    assert_memory_equal((const uint8_t *)all->data + first * (bytes / (size_t)part->shape.dim[0]),
                        part->data, bytes);
}

/* Bit by bit the same, whoever else is in the batch. */
static void alone(struct btz_model *m, size_t batch, size_t part_batch, size_t first)
{
    for (size_t i = 0; i < ISAS; i++) {
        struct btz_net *all, *part;

        if (!is_here(isas[i]))
            continue;
        all = run(m, isas[i], batch, 0, false);
        part = run(m, isas[i], part_batch, first, false);
        same_rows(btz_net_output(all, 0), btz_net_output(part, 0), first);
        same_rows(btz_net_output(all, 1), btz_net_output(part, 1), first);
        same_rows(btz_net_input_grad(all, 0), btz_net_input_grad(part, 0), first);
        btz_net_free(all);
        btz_net_free(part);
    }
    btz_model_free(m);
}

static void test_alone(void **state)
{
    (void)state;
    alone(make_odd(), 50, 9, 25);
    alone(make_wide(), 3, 1, 1);
}

/* Packed parameters follow those of the model. */
static void test_changed(void **state)
{
    struct btz_model *m = make_digit_net();
    struct btz_net *net = run(m, "plain", 4, 0, true), *again;
    struct btz_tensor *w = m->values[btz_model_value(m, "w2")].constant;

    (void)state;
    for (size_t i = 0; i < btz_tensor_count(w); i++)
        ((float *)w->data)[i] *= -0.5F;
    make_ok(btz_net_params_changed(net));
    again = run(m, "plain", 4, 0, true);
    make_ok(btz_net_forward(net));
    same_rows(btz_net_output(net, 0), btz_net_output(again, 0), 0);
    make_ok(btz_net_backward(net));
    same_rows(btz_net_input_grad(net, 0), btz_net_input_grad(again, 0), 0);
    btz_net_free(net);
    btz_net_free(again);
    btz_model_free(m);
}

/* Everything of the digit classifier is in lanes, and each Relu part of the step before. */
static void test_plan(void **state)
{
    struct btz_model *m = make_digit_net();
    struct btz_net *net = run(m, "plain", 20, 0, false);
    size_t fused = 0;

    (void)state;
    for (uint32_t i = 0; i < m->node_count; i++) {
        assert_true(net->steps[i].lanes);
        fused += net->steps[i].fused;
    }
    assert_int_equal(fused, 3);
    btz_net_free(net);
    btz_model_free(m);
    /* The first normalisation and both Relus. */
    m = make_deep();
    net = run(m, "plain", 20, 0, false);
    fused = 0;
    for (uint32_t i = 0; i < m->node_count; i++) {
        assert_true(net->steps[i].lanes);
        fused += net->steps[i].fused;
    }
    assert_int_equal(fused, 3);
    btz_net_free(net);
    net = run(m, NULL, 20, 0, false);
    for (uint32_t i = 0; i < m->node_count; i++)
        assert_false(net->steps[i].lanes || net->steps[i].fused);
    btz_net_free(net);
    btz_model_free(m);
}

/* Two backwards of one forward are as one each. */
static void test_repeat(void **state)
{
    struct btz_model *m = make_odd();

    (void)state;
    for (int reference = 0; reference < 2; reference++) {
        struct btz_net *once = run(m, reference ? NULL : "plain", 6, 0, true), *net = NULL;
        const struct btz_net_param *a, *b;

        make_ok(btz_net_new(m,
                            &(struct btz_net_options){ .batch = 6,
                                                       .input_grads = true,
                                                       .param_grads = true,
                                                       .repeat = true,
                                                       .reference = reference,
                                                       .isa = reference ? NULL : "plain" },
                            &net));
        fill(btz_net_input(net, 0), 1, 0);
        make_ok(btz_net_forward(net));
        for (uint64_t seed = 4; seed > 0; seed -= 2) {
            fill(btz_net_output_grad(net, 0), seed, 0);
            fill(btz_net_output_grad(net, 1), seed + 1, 0);
            make_ok(btz_net_backward(net));
        }
        same_rows(btz_net_output(net, 0), btz_net_output(once, 0), 0);
        same_rows(btz_net_output(net, 1), btz_net_output(once, 1), 0);
        same_rows(btz_net_input_grad(net, 0), btz_net_input_grad(once, 0), 0);
        assert_int_equal(btz_net_params(net, &a), btz_net_params(once, &b));
        for (size_t p = 0; p < btz_net_params(net, &a); p++)
            assert_memory_equal(a[p].grad->data, b[p].grad->data, btz_tensor_bytes(a[p].grad));
        btz_net_free(once);
        btz_net_free(net);
    }
    btz_model_free(m);
}

static size_t held(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

/* What a net says it holds is what it takes from the system, and running takes no more. */
static void test_memory(void **state)
{
    struct btz_model *models[] = { make_odd(), make_deep(), make_digit_net() };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        const struct btz_model *m = models[i % 3];
        size_t before = held(), planned, taken;
        struct btz_net *net = NULL;

        make_ok(btz_net_new(
            m,
            &(struct btz_net_options){
                .batch = 40, .input_grads = true, .param_grads = i & 1, .reference = i > 2 },
            &net));
        planned = btz_net_memory(net);
        taken = held() - before;
        if (before) { /* sanitizers do not count */
            /* The allocator rounds to pages. */
            assert_true(taken >= planned && taken <= planned + planned / 20 + 16384);
            fill(btz_net_input(net, 0), 1, 0);
            make_ok(btz_net_forward(net));
            make_ok(btz_net_backward(net));
            assert_true(held() - before <= planned + planned / 20 + 16384);
            assert_int_equal(btz_net_memory(net), planned);
        }
        btz_net_free(net);
        if (before)
            assert_int_equal(held(), before);
    }
    for (size_t i = 0; i < 3; i++)
        btz_model_free(models[i]);
}

static void test_unknown(void **state)
{
    struct btz_model *m = make_digit_net();
    struct btz_net *net = NULL;

    (void)state;
    assert_int_equal(
        btz_net_new(m, &(struct btz_net_options){ .batch = 16, .isa = "abacus" }, &net),
        BTZ_UNSUPPORTED);
    assert_non_null(strstr(btz_error_detail(), "abacus"));
    btz_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd),    cmocka_unit_test(test_deep),
        cmocka_unit_test(test_digits), cmocka_unit_test(test_wide),
        cmocka_unit_test(test_alone),  cmocka_unit_test(test_changed),
        cmocka_unit_test(test_plan),   cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
