/* If, Loop, Scan: what bodies read from around them, gradients through a branch, loops without end, graphs too deep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "graph/kernel.h"
#include "graph/wire.h"

#define MAX      (1 << 20)
#define OK(call) assert_int_equal((call), BTZ_OK)

/* A tensor of numbers: floats, int64 or truth values. */
static void put_constant(struct btz_buf *graph, const char *name, enum btz_type type, int64_t n,
                         const double *list)
{
    BTZ_BUF_RELEASE struct btz_buf t = BTZ_BUF(MAX);
    uint8_t data[256];
    struct btz_tensor raw = { type, { n >= 0, { n } }, data };
    size_t count = n < 0 ? 1 : (size_t)n;

    for (size_t i = 0; i < count; i++)
        btz_put_real(&raw, i, list[i]);
    if (n >= 0)
        OK(btz_wire_put_number(&t, 1, (uint64_t)n));
    OK(btz_wire_put_number(&t, 2, type));
    OK(btz_wire_put_text(&t, 8, name));
    OK(btz_wire_put_bytes(&t, 9, btz_slice_of(data, count * btz_type_size(type))));
    OK(btz_wire_put_bytes(graph, 5, btz_buf_slice(&t)));
}

/* dim < 0: a scalar. Type 0: nothing is said of it. */
static void put_value(struct btz_buf *graph, uint32_t field, const char *name, enum btz_type type,
                      int64_t dim)
{
    BTZ_BUF_RELEASE struct btz_buf v = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf t = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf s = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf d = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf outer = BTZ_BUF(MAX);

    OK(btz_wire_put_text(&v, 1, name));
    if (type) {
        OK(btz_wire_put_number(&t, 1, type));
        if (dim >= 0) {
            OK(btz_wire_put_number(&d, 1, (uint64_t)dim));
            OK(btz_wire_put_bytes(&s, 1, btz_buf_slice(&d)));
        }
        OK(btz_wire_put_bytes(&t, 2, btz_buf_slice(&s)));
        OK(btz_wire_put_bytes(&outer, 1, btz_buf_slice(&t)));
        OK(btz_wire_put_bytes(&v, 2, btz_buf_slice(&outer)));
    }
    OK(btz_wire_put_bytes(graph, field, btz_buf_slice(&v)));
}

/* Names are separated by spaces; "-" is left out. Bodies follow as pairs of a name and a graph. */
static void put_names(struct btz_buf *n, uint32_t field, const char *names)
{
    char one[32];

    while (*names) {
        size_t len = strcspn(names, " ");

        snprintf(one, sizeof one, "%.*s", (int)len, *names == '-' ? "" : names);
        OK(btz_wire_put_text(n, field, *names == '-' ? "" : one));
        names += len;
        names += *names == ' ';
    }
}

static void put_node(struct btz_buf *graph, const char *type, const char *in, const char *out,
                     const char *name1, const struct btz_buf *body1, const char *name2,
                     const struct btz_buf *body2)
{
    BTZ_BUF_RELEASE struct btz_buf n = BTZ_BUF(MAX);

    put_names(&n, 1, in);
    put_names(&n, 2, out);
    OK(btz_wire_put_text(&n, 4, type));
    for (int i = 0; i < 2; i++) {
        BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(MAX);
        const struct btz_buf *body = i ? body2 : body1;

        if (!body)
            continue;
        OK(btz_wire_put_text(&a, 1, i ? name2 : name1));
        OK(btz_wire_put_bytes(&a, 6, btz_buf_slice(body)));
        OK(btz_wire_put_number(&a, 20, 5));
        OK(btz_wire_put_bytes(&n, 5, btz_buf_slice(&a)));
    }
    OK(btz_wire_put_bytes(graph, 1, btz_buf_slice(&n)));
}

static void plain_node(struct btz_buf *graph, const char *type, const char *in, const char *out)
{
    put_node(graph, type, in, out, NULL, NULL, NULL, NULL);
}

static void finish(struct btz_buf *out, const struct btz_buf *graph)
{
    uint8_t version[] = { 0x10, 16 };

    OK(btz_wire_put_number(out, 1, 8));
    OK(btz_wire_put_bytes(out, 7, btz_buf_slice(graph)));
    OK(btz_wire_put_bytes(out, 8, btz_slice_of(version, 2)));
}

static enum btz_err parse(const struct btz_buf *bytes, struct btz_model **m)
{
    *m = NULL;
    return btz_model_parse(btz_buf_slice(bytes), NULL, NULL, m);
}

/* z = tanh(cond ? x * w : x + w); the condition is a constant or an input. */
static void branches(struct btz_buf *bytes, bool constant)
{
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf yes = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf no = BTZ_BUF(MAX);

    plain_node(&yes, "Mul", "x w", "p");
    put_value(&yes, 12, "p", 0, -1);
    plain_node(&no, "Add", "x w", "s");
    put_value(&no, 12, "s", 0, -1);
    put_value(&graph, 11, "x", BTZ_F32, 3);
    if (constant)
        put_constant(&graph, "c", BTZ_BOOL, -1, (const double[]){ 1 });
    else
        put_value(&graph, 11, "c", BTZ_BOOL, -1);
    put_constant(&graph, "w", BTZ_F32, 3, (const double[]){ 0.5, -1, 2 });
    put_node(&graph, "If", "c", "y", "then_branch", &yes, "else_branch", &no);
    plain_node(&graph, "Tanh", "y", "z");
    put_value(&graph, 12, "z", BTZ_F32, 3);
    finish(bytes, &graph);
}

static const double xs[] = { 0.3, -0.6, 0.9 }, ws[] = { 0.5, -1, 2 };

static void test_gradient(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf third = BTZ_BUF(MAX);
    const struct btz_net_param *params;
    struct btz_model *m, *m2;
    struct btz_net *net;

    (void)state;
    branches(&bytes, true);
    OK(parse(&bytes, &m));
    assert_int_equal(m->input_count, 1);
    assert_int_equal(m->nodes[0].in_count, 5); /* each branch has its own */
    assert_int_equal(m->nodes[0].captured, 4);
    OK(btz_net_new(
        m, &(struct btz_net_options){ .doubles = true, .input_grads = true, .param_grads = true },
        &net));
    for (size_t i = 0; i < 3; i++)
        btz_set(btz_net_input(net, 0), i, xs[i]);
    OK(btz_net_forward(net));
    assert_non_null(btz_net_output_grad(net, 0));
    for (size_t i = 0; i < 3; i++)
        btz_set(btz_net_output_grad(net, 0), i, 1);
    OK(btz_net_backward(net));
    assert_int_equal(btz_net_params(net, &params), 1);
    for (size_t i = 0; i < 3; i++) {
        double z = tanh(xs[i] * ws[i]);

        assert_true(fabs(btz_get(btz_net_output(net, 0), i) - z) < 1e-12);
        assert_true(fabs(btz_get(btz_net_input_grad(net, 0), i) - (1 - z * z) * ws[i]) < 1e-12);
        assert_true(fabs(btz_get(params[0].grad, i) - (1 - z * z) * xs[i]) < 1e-12);
    }
    btz_net_free(net);
    /* What the branches read from around them is not written as an input. */
    OK(btz_model_write(m, &again));
    OK(parse(&again, &m2));
    assert_int_equal(m2->nodes[0].in_count, 5);
    OK(btz_model_write(m2, &third));
    assert_true(btz_slice_equal(btz_buf_slice(&again), btz_buf_slice(&third)));
    btz_model_free(m2);
    btz_model_free(m);
}

static void test_condition_of_data(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(MAX);
    struct btz_model *m;
    struct btz_net *net;

    (void)state;
    branches(&bytes, false);
    OK(parse(&bytes, &m));
    OK(btz_net_new(m, &(struct btz_net_options){ .input_grads = true }, &net));
    assert_null(btz_net_output_grad(net, 0));
    for (int turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < 3; i++)
            btz_set(btz_net_input(net, 0), i, xs[i]);
        btz_put_int(btz_net_input(net, 1), 0, turn % 2);
        OK(btz_net_forward(net));
        for (size_t i = 0; i < 3; i++)
            assert_true(fabs(btz_get(btz_net_output(net, 0), i) -
                             tanh(turn % 2 ? xs[i] * ws[i] : xs[i] + ws[i])) < 1e-6);
    }
    OK(btz_net_backward(net));
    btz_net_free(net);
    btz_model_free(m);
}

/* v += x in each turn, and all v; `inside`: by way of another graph, an If in the body. */
static void sums(struct btz_buf *bytes, bool counted, bool inside)
{
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf yes = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf no = BTZ_BUF(MAX);

    put_value(&body, 11, "i", BTZ_I64, -1);
    put_value(&body, 11, "going", BTZ_BOOL, -1);
    put_value(&body, 11, "v", 0, -1);
    plain_node(&body, "Identity", "going", "still");
    if (inside) {
        plain_node(&yes, "Add", "v x", "q");
        put_value(&yes, 12, "q", 0, -1);
        put_value(&no, 12, "v", 0, -1);
        put_node(&body, "If", "going", "sum", "then_branch", &yes, "else_branch", &no);
    } else
        plain_node(&body, "Add", "v x", "sum");
    plain_node(&body, "Neg", "sum", "minus");
    put_value(&body, 12, "still", BTZ_BOOL, -1);
    put_value(&body, 12, "sum", 0, -1);
    put_value(&body, 12, "minus", 0, -1);
    put_value(&graph, 11, "x", BTZ_F32, 2);
    put_value(&graph, 11, "n", BTZ_I64, -1);
    put_constant(&graph, "zero", BTZ_F32, 2, (const double[]){ 0, 1 });
    put_constant(&graph, "true", BTZ_BOOL, -1, (const double[]){ 1 });
    put_node(&graph, "Loop", counted ? "n true zero" : "- true zero", "last all", "body", &body,
             NULL, NULL);
    put_value(&graph, 12, "last", BTZ_F32, 2);
    put_value(&graph, 12, "all", 0, -1);
    finish(bytes, &graph);
}

static void test_loop(void **state)
{
    struct btz_model *m;
    struct btz_net *net;

    (void)state;
    for (int inside = 0; inside < 2; inside++) {
        BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(MAX);

        sums(&bytes, true, inside);
        OK(parse(&bytes, &m));
        OK(btz_net_new(m, &(struct btz_net_options){ .turns_max = 20 }, &net));
        for (int64_t n = 0; n < 5; n += 2) {
            const struct btz_tensor *last = btz_net_output(net, 0), *all = btz_net_output(net, 1);

            btz_set(btz_net_input(net, 0), 0, 1.5);
            btz_set(btz_net_input(net, 0), 1, -2);
            btz_put_int(btz_net_input(net, 1), 0, n);
            OK(btz_net_forward(net));
            assert_true(btz_get(last, 0) == 1.5 * (double)n);
            assert_true(btz_get(last, 1) == 1 - 2.0 * (double)n);
            assert_int_equal(all->shape.dim[0], n);
            for (size_t i = 0; i < (size_t)n; i++)
                assert_true(btz_get(all, 2 * i) == -1.5 * (double)(i + 1));
        }
        btz_put_int(btz_net_input(net, 1), 0, 21);
        assert_int_equal(btz_net_forward(net), BTZ_LIMIT);
        btz_net_free(net);
        btz_model_free(m);
    }
}

static void test_hostile(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf deep = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf unknown = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(MAX);
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(MAX);
    struct btz_model *m;
    struct btz_net *net;

    (void)state;
    sums(&bytes, false, false); /* without end */
    OK(parse(&bytes, &m));
    OK(btz_net_new(m, &(struct btz_net_options){ .turns_max = 1000 }, &net));
    assert_int_equal(btz_net_forward(net), BTZ_LIMIT);
    btz_net_free(net);
    OK(btz_net_new(m, &(struct btz_net_options){ .memory_max = 1 << 18 }, &net));
    assert_int_equal(btz_net_forward(net), BTZ_LIMIT);
    btz_net_free(net);
    btz_model_free(m);
    /* A name that is nowhere, however deep. */
    plain_node(&body, "Neg", "nowhere", "y");
    put_value(&body, 12, "y", 0, -1);
    put_constant(&graph, "c", BTZ_BOOL, -1, (const double[]){ 1 });
    put_node(&graph, "If", "c", "z", "then_branch", &body, "else_branch", &body);
    put_value(&graph, 12, "z", 0, -1);
    finish(&unknown, &graph);
    assert_int_equal(parse(&unknown, &m), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "nowhere"));
    /* Graphs in graphs in graphs. */
    btz_buf_clear(&body);
    put_constant(&body, "k", BTZ_F32, 1, (const double[]){ 1 });
    put_value(&body, 12, "k", 0, -1);
    for (int i = 0; i < 12; i++) {
        btz_buf_clear(&graph);
        put_constant(&graph, "c", BTZ_BOOL, -1, (const double[]){ 1 });
        put_node(&graph, "If", "c", "z", "then_branch", &body, "else_branch", &body);
        put_value(&graph, 12, "z", 0, -1);
        btz_buf_clear(&body);
        OK(btz_buf_add(&body, btz_buf_slice(&graph).ptr, btz_buf_slice(&graph).len));
    }
    finish(&deep, &body);
    assert_int_equal(parse(&deep, &m), BTZ_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_condition_of_data),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
