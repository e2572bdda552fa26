/*
 * Classic machine learning: trees against a walk over the lists as they stand in a file, the others against what ONNX Runtime
 * 1.30 answered for the same models, and what hostile files may say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "graph/kernel.h"

#define ATTRS 20
#define LIST  16

/* One node over one input (or more), built in memory. */
struct one {
    struct btz_model m;
    struct btz_value values[8];
    struct btz_node node;
    struct btz_attr attrs[ATTRS];
    float floats[ATTRS][LIST];
    int64_t ints[ATTRS][LIST];
    struct btz_slice strings[ATTRS][LIST];
    struct btz_shape shapes[4];
    uint32_t in[4], out[2], inputs[4], outputs[2];
};

static void start(struct one *o, const char *op, int64_t opset, uint32_t outs)
{
    memset(o, 0, sizeof *o);
    o->node = (struct btz_node){ .name = "n",
                                 .type = op,
                                 .domain = "ai.onnx.ml",
                                 .op = btz_op_find("ai.onnx.ml", op, opset),
                                 .opset = opset,
                                 .in = o->in,
                                 .out = o->out,
                                 .attrs = o->attrs };
    assert_non_null(o->node.op);
    o->m = (struct btz_model){ .values = o->values,
                               .nodes = &o->node,
                               .node_count = 1,
                               .inputs = o->inputs,
                               .outputs = o->outputs };
    for (uint32_t k = 0; k < outs; k++) {
        o->values[o->m.value_count] =
            (struct btz_value){ .name = "y", .producer = 0, .is_output = true };
        o->out[o->node.out_count++] = o->m.value_count;
        o->outputs[o->m.output_count++] = o->m.value_count++;
    }
}

static void input(struct one *o, enum btz_type type, int64_t rows, int64_t cols)
{
    o->values[o->m.value_count] =
        (struct btz_value){ .name = "x", .type = type, .producer = BTZ_NONE, .is_input = true };
    o->shapes[o->m.input_count] =
        rows ? (struct btz_shape){ 2, { rows, cols } } : (struct btz_shape){ 1, { cols } };
    o->in[o->node.in_count++] = o->m.value_count;
    o->inputs[o->m.input_count++] = o->m.value_count++;
}

static struct btz_attr *attr(struct one *o, const char *name, enum btz_attr_kind kind, size_t n)
{
    struct btz_attr *a = &o->attrs[o->node.attr_count++];

    assert_true(o->node.attr_count <= ATTRS);
    *a = (struct btz_attr){ .name = name, .kind = kind, .count = n };
    return a;
}
/* Lists are copied: they live as long as the model. */
static void put_floats(struct one *o, const char *name, const float *list, size_t n)
{
    float *to = o->floats[o->node.attr_count];

    assert_true(n <= LIST);
    memcpy(to, list, n * sizeof *list);
    attr(o, name, BTZ_ATTR_FLOATS, n)->floats = to;
}

static void put_ints(struct one *o, const char *name, const int64_t *list, size_t n)
{
    int64_t *to = o->ints[o->node.attr_count];

    assert_true(n <= LIST);
    memcpy(to, list, n * sizeof *list);
    attr(o, name, BTZ_ATTR_INTS, n)->ints = to;
}

static void put_strings(struct one *o, const char *name, const char *const *list, size_t n)
{
    struct btz_slice *to = o->strings[o->node.attr_count];

    assert_true(n <= LIST);
    for (size_t i = 0; i < n; i++)
        to[i] = btz_str(list[i]);
    attr(o, name, BTZ_ATTR_STRINGS, n)->strings = to;
}
#define LENGTH(type, ...) (sizeof((type[]){ __VA_ARGS__ }) / sizeof(type))
#define FLOATS(o, name, ...)                                                                       \
    put_floats((o), (name), (const float[]){ __VA_ARGS__ }, LENGTH(float, __VA_ARGS__))
#define INTS(o, name, ...)                                                                         \
    put_ints((o), (name), (const int64_t[]){ __VA_ARGS__ }, LENGTH(int64_t, __VA_ARGS__))
#define STRINGS(o, name, ...)                                                                      \
    put_strings((o), (name), (const char *const[]){ __VA_ARGS__ },                                 \
                LENGTH(const char *, __VA_ARGS__))
#define TEXT(o, name, value) attr((o), (name), BTZ_ATTR_STRING, 0)->s = btz_str(value)
#define INT(o, name, value)  attr((o), (name), BTZ_ATTR_INT, 0)->i = (value)
#define REAL(o, name, value) attr((o), (name), BTZ_ATTR_FLOAT, 0)->f = (value)

static enum btz_err open_one(struct one *o, struct btz_net **net)
{
    *net = NULL;
    return btz_net_new(&o->m, &(struct btz_net_options){ .inputs = o->shapes }, net);
}

/* The numbers of every output, one after the other. */
static void expect(struct one *o, const double *x, const double *want)
{
    struct btz_net *net;
    size_t at = 0;

    assert_int_equal(open_one(o, &net), BTZ_OK);
    for (uint32_t k = 0; k < o->m.input_count; k++) {
        struct btz_tensor *t = btz_net_input(net, k);

        for (size_t i = 0, n = btz_tensor_count(t); i < n; i++)
            btz_put_real(t, i, x[at++]);
    }
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    at = 0;
    for (uint32_t k = 0; k < o->m.output_count; k++) {
        const struct btz_tensor *t = btz_net_output(net, k);

        for (size_t i = 0, n = btz_tensor_count(t); i < n; i++, at++)
            if (!(fabs(btz_at_real(t, i) - want[at]) <= 1e-5 * (1 + fabs(want[at])))) {
                print_message("# %s: output %u element %zu is %.9g, expected %.9g\n", o->node.type,
                              k, i, btz_at_real(t, i), want[at]);
                fail();
            }
    }
    btz_net_free(net);
}
#define EXPECT(o, x, ...) expect((o), (x), (const double[]){ __VA_ARGS__ })

/* ---- trees ------------------------------------------------------------------------------------------------------------- */

#define NODES 256

/* Lists of an ensemble, as in the file. */
struct forest {
    int64_t tree[NODES], node[NODES], feature[NODES], yes[NODES], no[NODES], missing[NODES],
        w_tree[2 * NODES], w_node[2 * NODES], w_id[2 * NODES];
    float value[NODES], weight[2 * NODES];
    struct btz_slice mode[NODES];
    size_t n, weights;
};

static int64_t grow(struct forest *f, struct btz_rng *r, int64_t tree, int64_t *next, int depth,
                    int64_t targets)
{
    static const char *const modes[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                         "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ" };
    size_t at = f->n++;
    int64_t own = (*next)++;

    f->tree[at] = tree;
    f->node[at] = own * 3 + 1; /* any numbers do */
    f->feature[at] = btz_rng_below(r, 3);
    f->value[at] = (float)btz_rng_below(r, 5) - 2;
    f->missing[at] = btz_rng_below(r, 2);
    f->yes[at] = f->no[at] = 0;
    if (depth == 0 || (own && btz_rng_below(r, 4) == 0)) {
        f->mode[at] = btz_str("LEAF");
        for (int64_t k = 0; k < targets; k++)
            if (btz_rng_below(r, 3)) {
                f->w_tree[f->weights] = tree;
                f->w_node[f->weights] = own * 3 + 1;
                f->w_id[f->weights] = k;
                f->weight[f->weights++] = (float)(btz_rng_unit(r) * 2 - 1);
            }
        return own * 3 + 1;
    }
    f->mode[at] = btz_str(modes[btz_rng_below(r, 6)]);
    f->yes[at] = grow(f, r, tree, next, depth - 1, targets);
    f->no[at] = grow(f, r, tree, next, depth - 1, targets);
    return own * 3 + 1;
}

static void plant(struct one *o, const struct forest *f, bool classes)
{
    attr(o, "nodes_treeids", BTZ_ATTR_INTS, f->n)->ints = f->tree;
    attr(o, "nodes_nodeids", BTZ_ATTR_INTS, f->n)->ints = f->node;
    attr(o, "nodes_featureids", BTZ_ATTR_INTS, f->n)->ints = f->feature;
    attr(o, "nodes_truenodeids", BTZ_ATTR_INTS, f->n)->ints = f->yes;
    attr(o, "nodes_falsenodeids", BTZ_ATTR_INTS, f->n)->ints = f->no;
    attr(o, "nodes_missing_value_tracks_true", BTZ_ATTR_INTS, f->n)->ints = f->missing;
    attr(o, "nodes_values", BTZ_ATTR_FLOATS, f->n)->floats = f->value;
    attr(o, "nodes_modes", BTZ_ATTR_STRINGS, f->n)->strings = f->mode;
    attr(o, classes ? "class_treeids" : "target_treeids", BTZ_ATTR_INTS, f->weights)->ints =
        f->w_tree;
    attr(o, classes ? "class_nodeids" : "target_nodeids", BTZ_ATTR_INTS, f->weights)->ints =
        f->w_node;
    attr(o, classes ? "class_ids" : "target_ids", BTZ_ATTR_INTS, f->weights)->ints = f->w_id;
    attr(o, classes ? "class_weights" : "target_weights", BTZ_ATTR_FLOATS, f->weights)->floats =
        f->weight;
}

static size_t node_at(const struct forest *f, int64_t tree, int64_t node)
{
    size_t i = 0;

    while (f->tree[i] != tree || f->node[i] != node)
        i++;
    return i;
}

/* By the words of the specification, with nothing prepared. */
static void walk(const struct forest *f, int64_t trees, const double *x, int64_t targets, char how,
                 double *scores)
{
    for (int64_t k = 0; k < targets; k++) {
        double sum = 0, least = INFINITY, most = -INFINITY;
        bool any = false;

        for (int64_t t = 0; t < trees; t++) {
            size_t i = node_at(f, t, 1);

            while (!btz_slice_is(f->mode[i], "LEAF")) {
                double v = x[f->feature[i]], c = (double)f->value[i];
                bool yes = btz_slice_is(f->mode[i], "BRANCH_LEQ")   ? v <= c
                           : btz_slice_is(f->mode[i], "BRANCH_LT")  ? v < c
                           : btz_slice_is(f->mode[i], "BRANCH_GTE") ? v >= c
                           : btz_slice_is(f->mode[i], "BRANCH_GT")  ? v > c
                           : btz_slice_is(f->mode[i], "BRANCH_EQ")  ? v == c
                                                                    : v != c;

                yes = yes || (isnan(v) && f->missing[i]);
                i = node_at(f, t, yes ? f->yes[i] : f->no[i]);
            }
            for (size_t w = 0; w < f->weights; w++)
                if (f->w_tree[w] == t && f->w_node[w] == f->node[i] && f->w_id[w] == k) {
                    sum += (double)f->weight[w];
                    least = fmin(least, (double)f->weight[w]);
                    most = fmax(most, (double)f->weight[w]);
                    any = true;
                }
        }
        scores[k] = !any         ? 0
                    : how == 'S' ? sum
                    : how == 'A' ? sum / (double)trees
                    : how == 'I' ? least
                                 : most;
    }
}

static void test_trees(void **state)
{
    static const char *const how[] = { "SUM", "AVERAGE", "MIN", "MAX" };
    struct forest *f = malloc(sizeof *f);
    struct btz_rng r;

    (void)state;
    assert_non_null(f);
    btz_rng_init(&r, 3, 1);
    for (int round = 0; round < 200; round++) {
        int64_t trees = 1 + btz_rng_below(&r, 4), targets = 3 + btz_rng_below(&r, 2);
        double x[5 * 3], want[5 * 5], base[5];
        uint32_t which = btz_rng_below(&r, 4);
        bool classes = round % 2;
        struct one o;
        float bases[5];

        memset(f, 0, sizeof *f);
        for (int64_t t = 0; t < trees; t++) {
            int64_t next = 0;
            (void)grow(f, &r, t, &next, 1 + (int)btz_rng_below(&r, 4), targets);
        }
        start(&o, classes ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor", 1, classes ? 2 : 1);
        input(&o, BTZ_F32, 5, 3);
        plant(&o, f, classes);
        for (int64_t k = 0; k < targets; k++)
            base[k] = (double)(bases[k] = (float)btz_rng_unit(&r));
        attr(&o, "base_values", BTZ_ATTR_FLOATS, (size_t)targets)->floats = bases;
        if (classes) /* as many as there are targets */
            INTS(&o, "classlabels_int64s", 7, 8, 9, 10, 11);
        else
            TEXT(&o, "aggregate_function", how[which]);
        if (classes)
            o.attrs[o.node.attr_count - 1].count = (size_t)targets;
        else
            INT(&o, "n_targets", targets);
        for (size_t i = 0; i < 15; i++)
            x[i] = btz_rng_below(&r, 8) ? (double)btz_rng_below(&r, 9) / 2 - 2 : NAN;
        for (size_t row = 0; row < 5; row++) {
            double *scores = want + (classes ? 5 : 0) + row * (size_t)targets;
            size_t best = 0;

            walk(f, trees, x + row * 3, targets, classes ? 'S' : "SAIX"[which], scores);
            for (int64_t k = 0; k < targets; k++)
                scores[k] += base[k];
            for (size_t k = 1; k < (size_t)targets; k++)
                best = scores[k] > scores[best] ? k : best;
            if (classes)
                want[row] = 7 + (double)best;
        }
        expect(&o, x, want);
    }
    free(f);
}

/* Two classes of which the leaves know one: a stump. */
static void stump(struct one *o, float a, float b, const char *transform)
{
    start(o, "TreeEnsembleClassifier", 1, 2);
    input(o, BTZ_F32, 2, 1);
    INTS(o, "nodes_treeids", 0, 0, 0);
    INTS(o, "nodes_nodeids", 0, 1, 2);
    INTS(o, "nodes_featureids", 0, 0, 0);
    INTS(o, "nodes_truenodeids", 1, 0, 0);
    INTS(o, "nodes_falsenodeids", 2, 0, 0);
    FLOATS(o, "nodes_values", 0.5F, 0, 0);
    STRINGS(o, "nodes_modes", "BRANCH_LT", "LEAF", "LEAF");
    INTS(o, "class_treeids", 0, 0);
    INTS(o, "class_nodeids", 1, 2);
    INTS(o, "class_ids", 0, 0);
    FLOATS(o, "class_weights", a, b);
    INTS(o, "classlabels_int64s", 3, 5);
    TEXT(o, "post_transform", transform);
}

static void test_two_classes(void **state)
{
    const double x[] = { 0, 1 };
    struct one o;

    (void)state;
    stump(&o, 0.3F, 0.75F, "NONE");
    EXPECT(&o, x, 3, 5, 0.7, 0.3, 0.25, 0.75);
    stump(&o, -0.5F, 0.75F, "LOGISTIC");
    EXPECT(&o, x, 3, 5, 0.6224594, 0.3775406, 0.3208213, 0.6791787);
    stump(&o, -0.5F, 0.75F, "NONE");
    EXPECT(&o, x, 3, 5, 0.5, -0.5, -0.75, 0.75);
}

static struct btz_attr *named(struct one *o, const char *name)
{
    for (uint32_t i = 0; i < o->node.attr_count; i++)
        if (strcmp(o->attrs[i].name, name) == 0)
            return &o->attrs[i];
    fail();
    return NULL;
}

/* Whatever a file says of its trees: an answer, never a walk without end. */
static void test_hostile_trees(void **state)
{
    static const struct {
        const char *list;
        size_t at;
        int64_t value;
    } lies[] = {
        { "nodes_truenodeids", 0, 0 }, /* a circle of one */
        { "nodes_truenodeids", 0, 2 }, /* two parents */
        { "nodes_truenodeids", 0, 9 }, /* no such node */
        { "nodes_nodeids", 2, 1 },     /* twice the same */
        { "nodes_treeids", 2, 1 },     /* in another tree */
        { "nodes_featureids", 0, 1 },  /* a feature that is not there */
        { "nodes_featureids", 0, -1 }, { "nodes_featureids", 0, INT64_MAX },
        { "class_ids", 0, 2 },         { "class_ids", 0, -1 },
        { "class_nodeids", 0, 0 }, /* no leaf */
        { "class_nodeids", 0, 77 },
    };
    static const char *const lists[] = { "nodes_treeids", "nodes_nodeids",     "nodes_featureids",
                                         "nodes_values",  "nodes_truenodeids", "nodes_falsenodeids",
                                         "class_treeids", "class_nodeids",     "class_ids",
                                         "class_weights", "nodes_modes" };
    struct btz_net *net;
    struct one o;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(lies); i++) {
        struct btz_attr *a;

        stump(&o, 0.5F, 1, "NONE");
        a = named(&o, lies[i].list);
        o.ints[a - o.attrs][lies[i].at] = lies[i].value;
        assert_int_equal(open_one(&o, &net), BTZ_INPUT);
    }
    for (size_t i = 0; i < BTZ_COUNT(lists); i++) {
        stump(&o, 0.5F, 1, "NONE");
        named(&o, lists[i])->count--;
        assert_int_equal(open_one(&o, &net), BTZ_INPUT);
        stump(&o, 0.5F, 1, "NONE");
        named(&o, lists[i])->count = 0;
        assert_int_equal(open_one(&o, &net), BTZ_INPUT);
    }
    /* Two nodes apart from the tree that are each other's parents. */
    stump(&o, 0.5F, 1, "NONE");
    for (size_t i = 0; i < 7; i++)
        o.attrs[i].count = 5;
    for (size_t i = 3; i < 5; i++) {
        o.ints[0][i] = 0;
        o.ints[1][i] = (int64_t)i;
        o.ints[2][i] = 0;
        o.ints[3][i] = o.ints[4][i] = 7 - (int64_t)i;
        o.floats[5][i] = 0;
        o.strings[6][i] = btz_str("BRANCH_LT");
    }
    assert_int_equal(open_one(&o, &net), BTZ_INPUT);
    o.ints[4][3] = 3;
    o.ints[4][4] = 4;
    assert_int_equal(open_one(&o, &net), BTZ_INPUT);
    start(&o, "TreeEnsembleRegressor", 1, 1);
    input(&o, BTZ_F32, 1, 1);
    INT(&o, "n_targets", INT64_MAX);
    assert_int_equal(open_one(&o, &net), BTZ_LIMIT);
}

/* ---- linear models and support vectors --------------------------------------------------------------------------------- */

static const double xs[] = { 0.5, -1, 1.5, 2, -0.25, 0.75 };

static void machine(struct one *o, const char *op, uint32_t outs)
{
    start(o, op, 1, outs);
    input(o, BTZ_F32, 3, 2);
}

static void vectors(struct one *o, const char *kernel)
{
    TEXT(o, "kernel_type", kernel);
    FLOATS(o, "support_vectors", 0.5F, 1, -1, 0.25F, 1.5F, -0.5F, 0, 2);
}

static void test_machines(void **state)
{
    struct one o;

    (void)state;
    machine(&o, "LinearClassifier", 2);
    FLOATS(&o, "coefficients", 0.5F, -1, 0.25F, 2, -0.5F, 0.125F);
    FLOATS(&o, "intercepts", 0.1F, -0.2F, 0.3F);
    INTS(&o, "classlabels_ints", 4, 5, 6);
    TEXT(&o, "post_transform", "SOFTMAX");
    EXPECT(&o, xs, 4, 5, 5, 0.7855104, 0.02556779, 0.1889219, 0.004784823, 0.982843, 0.01237217,
           0.08245089, 0.6168973, 0.3006518);
    machine(&o, "LinearClassifier", 2);
    FLOATS(&o, "coefficients", 0.5F, -1);
    FLOATS(&o, "intercepts", 0.1F);
    INTS(&o, "classlabels_ints", 4, 5);
    TEXT(&o, "post_transform", "LOGISTIC");
    EXPECT(&o, xs, 5, 4, 4, 0.2058704, 0.7941296, 0.7595109, 0.2404891, 0.6846015, 0.3153985);
    machine(&o, "LinearRegressor", 1);
    FLOATS(&o, "coefficients", 2, 1, 0, -1);
    INT(&o, "targets", 2);
    EXPECT(&o, xs, 0, 1, 5, -2, 0.25, -0.75); /* by hand */
    machine(&o, "SVMClassifier", 2);
    vectors(&o, "RBF");
    FLOATS(&o, "kernel_params", 0.5F, 0, 0);
    INTS(&o, "vectors_per_class", 2, 1, 1);
    FLOATS(&o, "coefficients", 0.5F, -0.25F, 1, -0.75F, 0.125F, 0.5F, -1, 0.25F);
    FLOATS(&o, "rho", 0.1F, -0.2F, 0.3F);
    FLOATS(&o, "prob_a", -1, -2, -1.5F);
    FLOATS(&o, "prob_b", 0.1F, 0.2F, -0.1F);
    INTS(&o, "classlabels_ints", 4, 5, 6);
    EXPECT(&o, xs, 6, 4, 4, 0.3275006, 0.2535995, 0.4189, 0.263988, 0.3928909, 0.343121, 0.3269765,
           0.3611241, 0.3118994);
    machine(&o, "SVMClassifier", 2);
    vectors(&o, "SIGMOID");
    FLOATS(&o, "kernel_params", 0.5F, 0.25F, 0);
    INTS(&o, "vectors_per_class", 1, 3);
    FLOATS(&o, "coefficients", 0.5F, -0.25F, 1, -0.75F);
    FLOATS(&o, "rho", 0.1F);
    INTS(&o, "classlabels_ints", 4, 5);
    EXPECT(&o, xs, 4, 4, 5, -1.249179, 1.249179, -0.5942888, 0.5942888, 0.4499308, -0.4499308);
    machine(&o, "SVMRegressor", 1);
    vectors(&o, "POLY");
    FLOATS(&o, "kernel_params", 0.5F, 1, 3);
    FLOATS(&o, "coefficients", 0.5F, -0.25F, 1, -0.75F);
    FLOATS(&o, "rho", 0.1F);
    INT(&o, "n_supports", 4);
    EXPECT(&o, xs, 4.452051, -9.191992, -2.997466);
}

static void test_hostile_machines(void **state)
{
    static const char *const lists[] = { "support_vectors", "vectors_per_class",
                                         "coefficients",    "rho",
                                         "prob_a",          "kernel_params",
                                         "classlabels_ints" };
    struct btz_net *net;
    struct one o;

    (void)state;
    for (size_t i = 0; i < 2 * BTZ_COUNT(lists); i++) {
        machine(&o, "SVMClassifier", 2);
        vectors(&o, "RBF");
        FLOATS(&o, "kernel_params", 0.5F, 0, 0);
        INTS(&o, "vectors_per_class", 2, 1, 1);
        FLOATS(&o, "coefficients", 0.5F, -0.25F, 1, -0.75F, 0.125F, 0.5F, -1, 0.25F);
        FLOATS(&o, "rho", 0.1F, -0.2F, 0.3F);
        FLOATS(&o, "prob_a", -1, -2, -1.5F);
        FLOATS(&o, "prob_b", 0.1F, 0.2F, -0.1F);
        INTS(&o, "classlabels_ints", 4, 5, 6);
        if (i < BTZ_COUNT(lists))
            named(&o, lists[i])->count--;
        else if (i == BTZ_COUNT(lists))
            o.ints[3][1] = INT64_MAX;
        else if (i == BTZ_COUNT(lists) + 1)
            o.ints[3][1] = -1;
        else
            o.shapes[0].dim[1] = 1; /* another number of features */
        assert_int_equal(open_one(&o, &net), BTZ_INPUT);
    }
    machine(&o, "LinearClassifier", 2);
    FLOATS(&o, "coefficients", 0.5F, -1, 3);
    FLOATS(&o, "intercepts", 0.1F, 2);
    INTS(&o, "classlabels_ints", 4, 5);
    assert_int_equal(open_one(&o, &net), BTZ_INPUT);
    machine(&o, "LinearRegressor", 1);
    FLOATS(&o, "coefficients", 0.5F, -1);
    INT(&o, "targets", INT64_MAX);
    assert_int_equal(open_one(&o, &net), BTZ_INPUT);
}

/* ---- features ---------------------------------------------------------------------------------------------------------- */

/* By hand. */
static void test_features(void **state)
{
    struct one o;

    (void)state;
    machine(&o, "Scaler", 1);
    FLOATS(&o, "offset", 1, -1);
    FLOATS(&o, "scale", 2, 0.5F);
    EXPECT(&o, xs, -1, 0, 1, 1.5, -2.5, 0.875);
    machine(&o, "Normalizer", 1);
    TEXT(&o, "norm", "L1");
    EXPECT(&o, xs, 0.5 / 1.5, -1 / 1.5, 1.5 / 3.5, 2 / 3.5, -0.25, 0.75);
    machine(&o, "Normalizer", 1);
    TEXT(&o, "norm", "L2");
    EXPECT(&o, xs, 0.5 / sqrt(1.25), -1 / sqrt(1.25), 0.6, 0.8, -0.25 / sqrt(0.625),
           0.75 / sqrt(0.625));
    machine(&o, "Normalizer", 1);
    EXPECT(&o, xs, 1, -2, 0.75, 1, -1.0 / 3, 1);
    machine(&o, "Binarizer", 1);
    REAL(&o, "threshold", 0.5F);
    EXPECT(&o, xs, 0, 0, 1, 1, 0, 1);
    machine(&o, "Imputer", 1);
    FLOATS(&o, "imputed_value_floats", 8, 9);
    REAL(&o, "replaced_value_float", NAN);
    EXPECT(&o, ((const double[]){ NAN, 1, 2, NAN, 3, 4 }), 8, 1, 2, 9, 3, 4);
    start(&o, "LabelEncoder", 2, 1);
    input(&o, BTZ_I64, 2, 2);
    INTS(&o, "keys_int64s", 5, 1);
    FLOATS(&o, "values_floats", 0.5F, 0.25F);
    REAL(&o, "default_float", 7);
    EXPECT(&o, ((const double[]){ 1, 5, 9, 1 }), 0.25, 0.5, 7, 0.25);
    start(&o, "OneHotEncoder", 1, 1);
    input(&o, BTZ_I64, 0, 3);
    INTS(&o, "cats_int64s", 5, 2);
    EXPECT(&o, ((const double[]){ 2, 9, 5 }), 0, 1, 0, 0, 1, 0);
    start(&o, "ArrayFeatureExtractor", 1, 1);
    input(&o, BTZ_F32, 2, 3);
    input(&o, BTZ_I64, 0, 2);
    EXPECT(&o, ((const double[]){ 1, 2, 3, 4, 5, 6, 2, 0 }), 3, 1, 6, 4);
    start(&o, "FeatureVectorizer", 1, 1);
    input(&o, BTZ_F32, 2, 2);
    input(&o, BTZ_I64, 2, 1);
    INTS(&o, "inputdimensions", 2, 2);
    EXPECT(&o, ((const double[]){ 1, 2, 3, 4, 5, 6 }), 1, 2, 5, 0, 3, 4, 6, 0);
    machine(&o, "ZipMap", 1);
    EXPECT(&o, xs, 0.5, -1, 1.5, 2, -0.25, 0.75);
}

static void test_strings(void **state)
{
    struct btz_net *net;
    struct one o;

    (void)state;
    start(&o, "LabelEncoder", 1, 1); /* strings to their places */
    input(&o, BTZ_STRING, 0, 3);
    STRINGS(&o, "classes_strings", "cat", "dog");
    INT(&o, "default_int64", -7);
    assert_int_equal(open_one(&o, &net), BTZ_OK);
    for (size_t i = 0; i < 3; i++)
        ((struct btz_slice *)btz_net_input(net, 0)->data)[i] =
            btz_str((const char *const[]){ "dog", "", "cat" }[i]);
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(btz_at_int(btz_net_output(net, 0), i), ((const int[]){ 1, -7, 0 })[i]);
    btz_net_free(net);
    start(&o, "CategoryMapper", 1, 1);
    input(&o, BTZ_I64, 0, 2);
    STRINGS(&o, "cats_strings", "red", "blue");
    INTS(&o, "cats_int64s", 3, 8);
    TEXT(&o, "default_string", "none");
    assert_int_equal(open_one(&o, &net), BTZ_OK);
    btz_put_int(btz_net_input(net, 0), 0, 8);
    btz_put_int(btz_net_input(net, 0), 1, 4);
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    assert_true(btz_slice_is(((struct btz_slice *)btz_net_output(net, 0)->data)[0], "blue"));
    assert_true(btz_slice_is(((struct btz_slice *)btz_net_output(net, 0)->data)[1], "none"));
    btz_net_free(net);
    start(&o, "LinearClassifier", 1, 1); /* labels that are strings */
    input(&o, BTZ_F32, 1, 1);
    FLOATS(&o, "coefficients", 1, -1);
    FLOATS(&o, "intercepts", 0, 0);
    STRINGS(&o, "classlabels_strings", "up", "down");
    assert_int_equal(open_one(&o, &net), BTZ_OK);
    btz_set(btz_net_input(net, 0), 0, -3);
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    assert_true(btz_slice_is(((struct btz_slice *)btz_net_output(net, 0)->data)[0], "down"));
    btz_net_free(net);
    machine(&o, "ArrayFeatureExtractor", 1);
    input(&o, BTZ_I64, 0, 1);
    assert_int_equal(open_one(&o, &net), BTZ_OK);
    btz_put_int(btz_net_input(net, 1), 0, 2); /* of two features */
    assert_int_equal(btz_net_forward(net), BTZ_INPUT);
    btz_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_two_classes),
        cmocka_unit_test(test_hostile_trees),
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_hostile_machines),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
