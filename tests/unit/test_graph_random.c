/*
 * Graphs at random, backward with shared memory: against central differences in doubles, floats against doubles, and against the
 * same graph with every value an output, where nothing of the forward pass is shared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "graph/kernel.h"

#define VALUES 128
#define NODES  40
#define INTS   8

/* A model that is built in memory. */
struct graph {
    struct btz_model m;
    struct btz_value values[VALUES];
    struct btz_shape shapes[VALUES]; /* of those that exist already */
    struct btz_tensor constants[VALUES];
    float *floats[VALUES];
    int64_t *ints[VALUES];
    bool usable[VALUES]; /* a value of floats that a node may read */
    bool statistic[VALUES];
    struct btz_node nodes[NODES];
    uint32_t in[NODES][6], out[NODES][3];
    struct btz_attr attrs[NODES][4];
    int64_t attr_ints[NODES][4][INTS];
    uint32_t inputs[4], outputs[VALUES];
    struct btz_shape input_shapes[4];
    struct btz_rng r;
};

static uint32_t new_value(struct graph *g, struct btz_shape shape, bool usable)
{
    uint32_t v = g->m.value_count++;

    assert_true(v < VALUES);
    g->values[v] = (struct btz_value){ .name = "v", .type = BTZ_F32, .producer = BTZ_NONE };
    g->shapes[v] = shape;
    g->usable[v] = usable;
    return v;
}

static struct btz_shape shape_of(uint32_t rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (struct btz_shape){ rank, { a, b, c, d } };
}

static uint32_t add_input(struct graph *g, struct btz_shape shape)
{
    uint32_t v = new_value(g, shape, true);

    g->values[v].is_input = true;
    g->input_shapes[g->m.input_count] = shape;
    g->inputs[g->m.input_count++] = v;
    return v;
}

/* A parameter; positive where it is a variance. */
static uint32_t add_param(struct graph *g, struct btz_shape shape, bool positive)
{
    uint32_t v = new_value(g, shape, false);
    struct btz_tensor *t = &g->constants[v];
    size_t n;

    *t = (struct btz_tensor){ BTZ_F32, shape, NULL };
    n = btz_tensor_count(t);
    g->floats[v] = calloc(n + 1, sizeof(float));
    for (size_t i = 0; i < n; i++)
        g->floats[v][i] = (float)(positive ? 0.5 + btz_rng_unit(&g->r) : btz_rng_unit(&g->r) - 0.5);
    t->data = g->floats[v];
    g->values[v].constant = t;
    return v;
}

static uint32_t add_ints(struct graph *g, const int64_t *list, size_t n)
{
    uint32_t v = new_value(g, shape_of(1, (int64_t)n, 0, 0, 0), false);

    g->ints[v] = calloc(n + 1, sizeof(int64_t));
    memcpy(g->ints[v], list, n * sizeof *list);
    g->constants[v] = (struct btz_tensor){ BTZ_I64, g->shapes[v], g->ints[v] };
    g->values[v].type = BTZ_I64;
    g->values[v].constant = &g->constants[v];
    return v;
}
#define INT_LIST(g, ...)                                                                           \
    add_ints(g, (int64_t[]){ __VA_ARGS__ }, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

static struct btz_node *add_node(struct graph *g, const char *type, int64_t opset)
{
    uint32_t i = g->m.node_count++;

    assert_true(i < NODES);
    g->nodes[i] = (struct btz_node){ .name = "n",
                                     .type = type,
                                     .domain = "",
                                     .opset = opset,
                                     .in = g->in[i],
                                     .out = g->out[i],
                                     .attrs = g->attrs[i] };
    g->nodes[i].op = btz_op_find("", type, opset);
    assert_non_null(g->nodes[i].op);
    return &g->nodes[i];
}

static void attr_int(struct btz_node *n, const char *name, int64_t value)
{
    n->attrs[n->attr_count++] = (struct btz_attr){ .name = name, .kind = BTZ_ATTR_INT, .i = value };
}

static void attr_ints(struct graph *g, struct btz_node *n, const char *name, const int64_t *list,
                      size_t count)
{
    int64_t *to = g->attr_ints[n - g->nodes][n->attr_count];

    memcpy(to, list, count * sizeof *list);
    n->attrs[n->attr_count++] =
        (struct btz_attr){ .name = name, .kind = BTZ_ATTR_INTS, .count = count, .ints = to };
}

static uint32_t add_out(struct graph *g, struct btz_node *n, struct btz_shape shape)
{
    uint32_t v = new_value(g, shape, true);

    g->values[v].producer = (uint32_t)(n - g->nodes);
    n->out[n->out_count++] = v;
    return v;
}

static void add_in(struct btz_node *n, uint32_t v)
{
    n->in[n->in_count++] = v;
}

/* ---- steps: each adds a node that reads v, when the shape is right ------------------------------------------------------ */

static void unary(struct graph *g, uint32_t v)
{
    static const char *const names[] = { "Relu", "Tanh", "Sigmoid",  "LeakyRelu", "Softplus",
                                         "Neg",  "Erf",  "Identity", "Dropout",   "Abs",
                                         "Elu",  "Sin",  "Softsign", "Relu",      "Tanh" };
    struct btz_node *n = add_node(g, names[btz_rng_below(&g->r, BTZ_COUNT(names))], 13);

    add_in(n, v);
    add_out(g, n, g->shapes[v]);
}

/* With another value of the same shape, itself among them; Div and Pow would leave the range. */
static void binary(struct graph *g, uint32_t v)
{
    static const char *const names[] = { "Add", "Sub", "Mul", "Max", "Mean", "Add" };
    struct btz_node *n = add_node(g, names[btz_rng_below(&g->r, BTZ_COUNT(names))], 13);
    uint32_t other = v;

    for (uint32_t k = 0; k < 20; k++) {
        uint32_t w = btz_rng_below(&g->r, g->m.value_count);
        if (g->usable[w] && btz_shape_equal(&g->shapes[w], &g->shapes[v]))
            other = w;
    }
    if (other == v && strcmp(n->type, "Max") == 0)
        n->type = "Add", n->op = btz_op_find("", "Add", 13);
    add_in(n, v);
    add_in(n, other);
    add_out(g, n, g->shapes[v]);
}

static void with_row(struct graph *g, uint32_t v)
{
    const struct btz_shape *s = &g->shapes[v];
    struct btz_node *n = add_node(g, btz_rng_below(&g->r, 2) ? "Add" : "Mul", 13);
    uint32_t row = add_param(g, shape_of(1, s->dim[s->rank - 1], 0, 0, 0), false);

    add_in(n, btz_rng_below(&g->r, 2) ? v : row);
    add_in(n, n->in[0] == v ? row : v);
    add_out(g, n, g->shapes[v]);
}

static void reduced(struct graph *g, uint32_t v)
{
    struct btz_node *n = add_node(g, "ReduceMean", 13), *add;
    struct btz_shape s = g->shapes[v];
    uint32_t mean;

    attr_ints(g, n, "axes", (int64_t[]){ (int64_t)s.rank - 1 }, 1);
    s.dim[s.rank - 1] = 1;
    add_in(n, v);
    mean = add_out(g, n, s);
    add = add_node(g, "Sub", 13);
    add_in(add, v);
    add_in(add, mean);
    add_out(g, add, g->shapes[v]);
}

static void normal(struct graph *g, uint32_t v)
{
    const struct btz_shape *s = &g->shapes[v];
    uint32_t which = btz_rng_below(&g->r, 3), last = s->rank - 1;
    struct btz_node *n;

    if (which == 0) {
        struct btz_shape row = shape_of(1, s->dim[last], 0, 0, 0);

        n = add_node(g, "LayerNormalization", 17);
        add_in(n, v);
        add_in(n, add_param(g, row, true));
        add_in(n, add_param(g, row, false));
        n->attrs[n->attr_count++] =
            (struct btz_attr){ .name = "epsilon", .kind = BTZ_ATTR_FLOAT, .f = 0.1F };
    } else {
        n = add_node(g, which == 1 ? "Softmax" : "LogSoftmax", 13);
        attr_int(n, "axis", (int64_t)btz_rng_below(&g->r, s->rank));
        add_in(n, v);
    }
    add_out(g, n, g->shapes[v]);
}

static void joined(struct graph *g, uint32_t v)
{
    struct btz_shape s = g->shapes[v];
    struct btz_node *n = add_node(g, "Concat", 13);

    add_in(n, v);
    for (uint32_t k = 0; k < 40 && n->in_count < 3; k++) {
        uint32_t w = btz_rng_below(&g->r, g->m.value_count);
        struct btz_shape t = g->shapes[w];

        if (!g->usable[w] || t.rank != s.rank)
            continue;
        t.dim[1] = s.dim[1];
        if (!btz_shape_equal(&t, &s) || s.dim[1] + g->shapes[w].dim[1] > 8)
            continue;
        add_in(n, w);
        s.dim[1] += g->shapes[w].dim[1];
    }
    attr_int(n, "axis", 1);
    add_out(g, n, s);
}

static void parted(struct graph *g, uint32_t v)
{
    struct btz_shape a = g->shapes[v], b = a;
    struct btz_node *n;

    if (a.dim[1] < 2)
        return;
    n = add_node(g, "Split", 13);
    attr_int(n, "axis", 1);
    a.dim[1] = 1 + (int64_t)btz_rng_below(&g->r, (uint32_t)a.dim[1] - 1);
    b.dim[1] -= a.dim[1];
    add_in(n, v);
    add_in(n, INT_LIST(g, a.dim[1], b.dim[1]));
    add_out(g, n, a);
    add_out(g, n, b);
}

static void sliced(struct graph *g, uint32_t v)
{
    struct btz_shape s = g->shapes[v];
    struct btz_node *n = add_node(g, "Slice", 13);
    int64_t from = s.dim[1] > 1 ? 1 : 0;

    add_in(n, v);
    add_in(n, INT_LIST(g, from));
    add_in(n, INT_LIST(g, INT64_MAX));
    add_in(n, INT_LIST(g, 1));
    s.dim[1] -= from;
    add_out(g, n, s);
}

static void moved(struct graph *g, uint32_t v)
{
    struct btz_shape s = g->shapes[v], t = s;
    struct btz_node *n = add_node(g, "Transpose", 13);
    int64_t perm[4] = { 0, 1, 2, 3 };

    if (s.rank == 4) {
        perm[2] = 3, perm[3] = 2;
        t.dim[2] = s.dim[3], t.dim[3] = s.dim[2];
    } else {
        perm[0] = 1, perm[1] = 0;
        t.dim[0] = s.dim[1], t.dim[1] = s.dim[0];
    }
    attr_ints(g, n, "perm", perm, s.rank);
    add_in(n, v);
    add_out(g, n, t);
}

static void viewed(struct graph *g, uint32_t v)
{
    struct btz_shape s = g->shapes[v], t = s;
    struct btz_node *n;

    if (s.rank == 4 && btz_rng_below(&g->r, 2)) {
        n = add_node(g, "Flatten", 13);
        t = shape_of(2, s.dim[0], s.dim[1] * s.dim[2] * s.dim[3], 0, 0);
        add_in(n, v);
    } else if (s.rank == 4) {
        n = add_node(g, "Reshape", 13);
        t = shape_of(4, s.dim[0], s.dim[1], s.dim[3], s.dim[2]);
        add_in(n, v);
        add_in(n, INT_LIST(g, 0, 0, s.dim[3], -1));
    } else {
        n = add_node(g, "Reshape", 13);
        t = shape_of(2, s.dim[1], s.dim[0], 0, 0);
        add_in(n, v);
        add_in(n, INT_LIST(g, s.dim[1], -1));
    }
    add_out(g, n, t);
}

static void product(struct graph *g, uint32_t v)
{
    const struct btz_shape s = g->shapes[v];
    struct btz_node *n;

    if (s.rank != 2)
        return;
    n = add_node(g, btz_rng_below(&g->r, 2) ? "MatMul" : "Gemm", 13);
    add_in(n, v);
    add_in(n, add_param(g, shape_of(2, s.dim[1], 3, 0, 0), false));
    if (strcmp(n->type, "Gemm") == 0)
        add_in(n, add_param(g, shape_of(1, 3, 0, 0, 0), false));
    add_out(g, n, shape_of(2, s.dim[0], 3, 0, 0));
}

static void image(struct graph *g, uint32_t v)
{
    struct btz_shape s = g->shapes[v], t = s;
    struct btz_node *n;

    if (s.rank != 4)
        return;
    n = add_node(g, "Conv", 11);
    t.dim[1] = 3;
    attr_ints(g, n, "pads", (int64_t[]){ 1, 1, 1, 1 }, 4);
    add_in(n, v);
    add_in(n, add_param(g, shape_of(4, 3, s.dim[1], 3, 3), false));
    if (btz_rng_below(&g->r, 2))
        add_in(n, add_param(g, shape_of(1, 3, 0, 0, 0), false));
    v = add_out(g, n, t);
    if (btz_rng_below(&g->r, 2)) {
        struct btz_shape row = shape_of(1, 3, 0, 0, 0);

        n = add_node(g, "BatchNormalization", 15);
        add_in(n, v);
        add_in(n, add_param(g, row, true));
        add_in(n, add_param(g, row, false));
        add_in(n, add_param(g, row, false));
        add_in(n, add_param(g, row, true));
        g->statistic[n->in[3]] = g->statistic[n->in[4]] = true;
        v = add_out(g, n, t);
    }
    if (btz_rng_below(&g->r, 2)) {
        n = add_node(g, "Relu", 13);
        add_in(n, v);
        v = add_out(g, n, t);
    }
    if (t.dim[2] >= 2 && t.dim[3] >= 2) {
        n = add_node(g, btz_rng_below(&g->r, 2) ? "MaxPool" : "AveragePool", 12);
        attr_ints(g, n, "kernel_shape", (int64_t[]){ 2, 2 }, 2);
        add_in(n, v);
        t.dim[2]--, t.dim[3]--;
        add_out(g, n, t);
    }
}

static void (*const kinds[])(struct graph *, uint32_t) = { unary,    unary,   binary, binary,
                                                           with_row, reduced, normal, joined,
                                                           parted,   sliced,  moved,  viewed,
                                                           viewed,   product, image };

/* ---- whole graphs ------------------------------------------------------------------------------------------------------ */

static void start(struct graph *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    btz_rng_init(&g->r, seed, 1);
    g->m = (struct btz_model){
        .values = g->values, .nodes = g->nodes, .inputs = g->inputs, .outputs = g->outputs
    };
}

static void finish(struct graph *g)
{
    for (uint32_t v = 0; v < VALUES; v++) {
        free(g->floats[v]);
        free(g->ints[v]);
    }
}

static void add_output(struct graph *g, uint32_t v)
{
    if (g->values[v].is_output)
        return;
    g->values[v].is_output = true;
    g->outputs[g->m.output_count++] = v;
}

static void make(struct graph *g, uint64_t seed)
{
    uint32_t want;

    start(g, seed);
    want = 3 + btz_rng_below(&g->r, 14);
    add_input(g, shape_of(4, 2, 2, 3, 3));
    add_input(g, shape_of(2, 2, 4, 0, 0));
    while (g->m.node_count < want) {
        uint32_t v = btz_rng_below(&g->r, g->m.value_count);

        /* Mostly the younger ones, so that chains become long. */
        if (btz_rng_below(&g->r, 3))
            v = g->m.value_count - 1 - v / 4;
        if (g->usable[v])
            kinds[btz_rng_below(&g->r, BTZ_COUNT(kinds))](g, v);
    }
    for (uint32_t v = g->m.value_count; v-- > 0 && !g->m.output_count;)
        if (g->usable[v])
            add_output(g, v);
    for (uint32_t k = btz_rng_below(&g->r, 4); k > 0; k--) {
        uint32_t v = btz_rng_below(&g->r, g->m.value_count);

        if (g->usable[v])
            add_output(g, v);
    }
}

static struct btz_net *open_net(struct graph *g, bool doubles)
{
    struct btz_net *net = NULL;
    enum btz_err err = btz_net_new(&g->m,
                                   &(struct btz_net_options){ .inputs = g->input_shapes,
                                                              .doubles = doubles,
                                                              .repeat = doubles,
                                                              .input_grads = true,
                                                              .param_grads = true },
                                   &net);

    if (err != BTZ_OK)
        print_message("# %s\n", btz_error_detail());
    assert_int_equal(err, BTZ_OK);
    for (uint32_t k = 0; k < g->m.input_count; k++) {
        struct btz_tensor *t = btz_net_input(net, k);
        struct btz_rng r;

        btz_rng_init(&r, 5, k);
        for (size_t i = 0, n = btz_tensor_count(t); i < n; i++)
            btz_set(t, i, btz_rng_unit(&r) * 2 - 1);
    }
    return net;
}

/* Weights of the loss: the same for the same value, whatever the order of the outputs. */
static double weight(uint32_t value, size_t i)
{
    return sin(1.0 + 3.0 * value + 0.7 * (double)i);
}

static double loss(struct btz_net *net, const struct graph *g, uint32_t outputs)
{
    double sum = 0;

    assert_int_equal(btz_net_forward(net), BTZ_OK);
    for (uint32_t o = 0; o < outputs; o++) {
        const struct btz_tensor *t = btz_net_output(net, o);

        for (size_t i = 0, n = btz_tensor_count(t); i < n; i++)
            sum += btz_get(t, i) * weight(g->outputs[o], i);
    }
    return sum;
}

static void backward(struct btz_net *net, const struct graph *g, uint32_t outputs)
{
    for (uint32_t o = 0; o < g->m.output_count; o++) {
        struct btz_tensor *t = btz_net_output_grad(net, o);

        for (size_t i = 0, n = t ? btz_tensor_count(t) : 0; i < n; i++)
            btz_set(t, i, o < outputs ? weight(g->outputs[o], i) : 0);
    }
    assert_int_equal(btz_net_backward(net), BTZ_OK);
}

/* Gradient k of a net: the inputs, then the parameters by value. */
static const struct btz_tensor *grad_of(struct btz_net *net, const struct graph *g, uint32_t v)
{
    const struct btz_net_param *params;
    size_t n = btz_net_params(net, &params);

    for (uint32_t k = 0; k < g->m.input_count; k++)
        if (g->inputs[k] == v)
            return btz_net_input_grad(net, k);
    for (size_t k = 0; k < n; k++)
        if (params[k].value == v)
            return params[k].grad;
    return NULL;
}

static void change(struct btz_net *net, struct graph *g, uint32_t v, size_t i, double value)
{
    for (uint32_t k = 0; k < g->m.input_count; k++)
        if (g->inputs[k] == v) {
            btz_set(btz_net_input(net, k), i, value);
            return;
        }
    btz_put_real(g->values[v].constant, i, value);
    assert_int_equal(btz_net_params_changed(net), BTZ_OK);
}

static double value_at(struct btz_net *net, struct graph *g, uint32_t v, size_t i)
{
    for (uint32_t k = 0; k < g->m.input_count; k++)
        if (g->inputs[k] == v)
            return btz_get(btz_net_input(net, k), i);
    return btz_at_real(g->values[v].constant, i);
}

/* The slope by one element. Where a kink is near, a smaller step is on one side of it. */
static bool slope_is(struct btz_net *net, struct graph *g, uint32_t v, size_t i, double got,
                     double *want)
{
    double old = value_at(net, g, v, i);
    bool same = false;

    /* Parameters are floats: powers of two keep the step exact. */
    for (double h = 0x1p-16; h > 0x1p-22 && !same; h /= 16) {
        double up, down;

        change(net, g, v, i, old + h);
        up = loss(net, g, g->m.output_count);
        change(net, g, v, i, old - h);
        down = loss(net, g, g->m.output_count);
        *want = (up - down) / (2 * h);
        same = fabs(got - *want) <= 1e-6 * (1 + fabs(*want));
    }
    change(net, g, v, i, old);
    return same;
}

static bool agree(const struct graph *g, const struct btz_tensor *a, const struct btz_tensor *b,
                  double tolerance, const char *what, uint64_t seed, uint32_t v)
{
    double most = 0;

    if (!a || !b) {
        if (!a != !b)
            print_message("# seed %d: %s: a gradient of value %u is missing\n", (int)seed, what, v);
        return !a == !b;
    }
    for (size_t i = 0, n = btz_tensor_count(a); i < n; i++)
        most = fmax(most, fabs(btz_get(a, i)));
    for (size_t i = 0, n = btz_tensor_count(a); i < n; i++)
        if (!(fabs(btz_get(a, i) - btz_get(b, i)) <= tolerance * (1 + most))) {
            print_message("# seed %d: %s: value %u element %zu: %.9g and %.9g\n", (int)seed, what,
                          v, i, btz_get(a, i), btz_get(b, i));
            return false;
        }
    (void)g;
    return true;
}

static void show(const struct graph *g)
{
    for (uint32_t i = 0; i < g->m.node_count; i++) {
        print_message("#   %u: %s", i, g->nodes[i].type);
        for (uint32_t k = 0; k < g->nodes[i].in_count; k++)
            print_message(" %u", g->nodes[i].in[k]);
        print_message(" ->");
        for (uint32_t k = 0; k < g->nodes[i].out_count; k++)
            print_message(" %u%s", g->nodes[i].out[k],
                          g->values[g->nodes[i].out[k]].is_output ? "!" : "");
        print_message("\n");
    }
}

static bool check(uint64_t seed, size_t *slopes)
{
    struct graph *g = malloc(sizeof *g);
    struct btz_net *net, *single, *unshared;
    uint32_t outputs;
    bool good = true;
    double base;

    assert_non_null(g);
    make(g, seed);
    outputs = g->m.output_count;
    net = open_net(g, true);
    single = open_net(g, false);
    base = loss(net, g, outputs);
    (void)loss(single, g, outputs);
    backward(net, g, outputs);
    backward(net, g, outputs); /* as often as one likes */
    backward(single, g, outputs);
    assert_int_equal(btz_net_backward(single), BTZ_INTERNAL); /* it did not ask to repeat */
    /* The same with nothing shared. */
    for (uint32_t i = 0; i < g->m.node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].out_count; k++)
            add_output(g, g->nodes[i].out[k]);
    unshared = open_net(g, true);
    if (!(fabs(loss(unshared, g, outputs) - base) <= 1e-11 * (1 + fabs(base)))) {
        print_message("# seed %d: the outputs differ\n", (int)seed);
        good = false;
    }
    backward(unshared, g, outputs);
    g->m.output_count = outputs;
    for (uint32_t v = 0; v < g->m.value_count && good; v++) {
        const struct btz_tensor *d = grad_of(net, g, v);
        double want;

        if (d && g->statistic[v]) {
            print_message("# seed %d: value %u is no parameter\n", (int)seed, v);
            good = false;
        }
        /* What reaches only by values that are now outputs has a gradient there, of zeros. */
        if (d)
            good = agree(g, d, grad_of(unshared, g, v), 1e-11, "not shared", seed, v) && good;
        good = agree(g, d, grad_of(single, g, v), 1e-3, "floats", seed, v) && good;
        if (!d)
            continue;
        for (size_t i = 0, n = btz_tensor_count(d); i < n && good; i += 1 + n / 24, ++*slopes)
            if (!slope_is(net, g, v, i, btz_get(d, i), &want)) {
                print_message("# seed %d: value %u element %zu: %.9g, expected %.9g\n", (int)seed,
                              v, i, btz_get(d, i), want);
                good = false;
            }
    }
    if (!good)
        show(g);
    btz_net_free(net);
    btz_net_free(single);
    btz_net_free(unshared);
    finish(g);
    free(g);
    return good;
}

static void test_graphs(void **state)
{
    size_t slopes = 0;
    int bad = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 1000 && bad < 5; seed++)
        bad += !check(seed, &slopes);
    print_message("# %zu slopes\n", slopes);
    assert_int_equal(bad, 0);
    assert_true(slopes > 20000);
}

/* A view of which only the run knows the shape keeps what it looks at. */
static void test_late_view(void **state)
{
    static const struct btz_shape shapes[] = { { 2, { 2, 8 } }, { 1, { 2 } } };
    struct graph *g = malloc(sizeof *g);
    struct btz_net *net = NULL;
    struct btz_node *n;
    uint32_t x, to, tanh_x, view, other;

    (void)state;
    assert_non_null(g);
    start(g, 1);
    x = add_input(g, shapes[0]);
    to = add_input(g, shapes[1]);
    g->values[to].type = BTZ_I64;
    n = add_node(g, "Tanh", 13);
    add_in(n, x);
    tanh_x = add_out(g, n, shapes[0]);
    n = add_node(g, "Reshape", 13);
    add_in(n, tanh_x);
    add_in(n, to);
    view = add_out(g, n, shapes[0]);
    other = x;
    for (int i = 0; i < 3; i++) {
        n = add_node(g, "Softplus", 13);
        add_in(n, other);
        other = add_out(g, n, shapes[0]);
    }
    add_output(g, other);
    n = add_node(g, "Neg", 13);
    add_in(n, view);
    add_output(g, add_out(g, n, shapes[0]));
    assert_int_equal(btz_net_new(&g->m, &(struct btz_net_options){ .inputs = shapes }, &net),
                     BTZ_OK);
    for (size_t i = 0; i < 16; i++)
        btz_set(btz_net_input(net, 0), i, 0.1 * (double)i);
    ((int64_t *)btz_net_input(net, 1)->data)[0] = 4;
    ((int64_t *)btz_net_input(net, 1)->data)[1] = 4;
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    assert_int_equal(btz_net_output(net, 1)->shape.dim[1], 4);
    for (size_t i = 0; i < 16; i++)
        assert_true(fabs(btz_get(btz_net_output(net, 1), i) + tanh(0.1 * (double)i)) < 1e-6);
    btz_net_free(net);
    finish(g);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_late_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
