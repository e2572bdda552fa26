/*
 * Ensembles of decision trees. Everything a file says of them is checked once: every tree has one root, every node one parent,
 * so that no walk is longer than there are nodes.
 */
#include <math.h>
#include <stdlib.h>

#include "graph/ops/classic.h"

enum rule { LEAF, LEQ, LT, GTE, GT, EQ, NEQ };
enum aggregate { SUM, AVERAGE, MIN, MAX };

struct tree_node {
    enum rule rule;
    bool missing_true;
    int64_t feature;
    double value;
    uint32_t yes, no;
    uint32_t first, count; /* of a leaf: its weights */
};

struct tree_weight {
    uint32_t target;
    double weight;
};

struct trees {
    struct tree_node *nodes;
    struct tree_weight *weights;
    uint32_t *roots;
    size_t node_count, weight_count, root_count, targets;
    int64_t feature_max;
    struct btz_reals base;
    struct btz_labels labels;
    enum aggregate aggregate;
    enum btz_transform transform;
    bool classifier, one_class,
        positive; /* all weights are of one class, `only`; none is negative */
    size_t only;
};

struct place {
    int64_t tree, node;
    uint32_t index;
};

/* Lists as they stand in the file. */
struct lists {
    const int64_t *tree, *node, *feature, *yes, *no, *missing;
    struct btz_reals value;
    const struct btz_attr *mode;
    struct place *places; /* sorted */
    size_t n;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static enum btz_err find_node(const struct btz_call *call, const struct lists *l, int64_t tree,
                              int64_t node, uint32_t *out)
{
    const struct place key = { tree, node, 0 }, *found = NULL;

    if (l->n)
        found = bsearch(&key, l->places, l->n, sizeof key, by_place);
    if (!found)
        return btz_op_fail(call, BTZ_INPUT, "tree %" PRId64 " has no node %" PRId64, tree, node);
    *out = found->index;
    return BTZ_OK;
}

static enum btz_err read_ints(const struct btz_call *call, const char *name, size_t n,
                              const int64_t **out)
{
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, name, out, &count));
    if (count != n)
        return btz_op_fail(call, BTZ_INPUT, "%s has %zu numbers, expected %zu", name, count, n);
    return BTZ_OK;
}

static enum btz_err read_lists(const struct btz_call *call, struct btz_arena *arena,
                               struct lists *l)
{
    size_t missing;

    BTZ_TRY(btz_attr_ints(call->node, "nodes_treeids", &l->tree, &l->n));
    if (l->n >= UINT32_MAX || !l->n)
        return btz_op_fail(call, BTZ_INPUT, "has %zu nodes", l->n);
    BTZ_TRY(read_ints(call, "nodes_nodeids", l->n, &l->node));
    BTZ_TRY(read_ints(call, "nodes_featureids", l->n, &l->feature));
    BTZ_TRY(read_ints(call, "nodes_truenodeids", l->n, &l->yes));
    BTZ_TRY(read_ints(call, "nodes_falsenodeids", l->n, &l->no));
    BTZ_TRY(btz_attr_ints(call->node, "nodes_missing_value_tracks_true", &l->missing, &missing));
    if (missing && missing != l->n)
        return btz_op_fail(call, BTZ_INPUT,
                           "nodes_missing_value_tracks_true has %zu numbers, expected %zu", missing,
                           l->n);
    BTZ_TRY(btz_reals_of(call, "nodes_values", &l->value));
    l->mode = btz_attr(call->node, "nodes_modes");
    if (l->value.count != l->n || !l->mode || l->mode->kind != BTZ_ATTR_STRINGS ||
        l->mode->count != l->n)
        return btz_op_fail(call, BTZ_INPUT,
                           "nodes_values or nodes_modes is not as long as the rest");
    l->places = btz_arena_array(arena, l->n, sizeof l->places[0]);
    if (!l->places)
        return BTZ_LIMIT;
    for (size_t i = 0; i < l->n; i++)
        l->places[i] = (struct place){ l->tree[i], l->node[i], (uint32_t)i };
    qsort(l->places, l->n, sizeof l->places[0], by_place);
    for (size_t i = 1; i < l->n; i++)
        if (by_place(&l->places[i - 1], &l->places[i]) == 0)
            return btz_op_fail(call, BTZ_INPUT, "tree %" PRId64 " has two nodes %" PRId64,
                               l->places[i].tree, l->places[i].node);
    return BTZ_OK;
}

static enum btz_err read_nodes(const struct btz_call *call, struct btz_arena *arena,
                               const struct lists *l, struct trees *t)
{
    static const char *const rules[] = { "LEAF",      "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                         "BRANCH_GT", "BRANCH_EQ",  "BRANCH_NEQ" };

    t->node_count = l->n;
    t->nodes = btz_arena_array(arena, l->n, sizeof t->nodes[0]);
    if (!t->nodes)
        return BTZ_LIMIT;
    for (size_t i = 0; i < l->n; i++) {
        struct tree_node *n = &t->nodes[i];
        size_t rule = 0;

        while (rule < BTZ_COUNT(rules) && !btz_slice_is(l->mode->strings[i], rules[rule]))
            rule++;
        if (rule == BTZ_COUNT(rules))
            return btz_op_fail(call, BTZ_UNSUPPORTED, "mode %.*s",
                               BTZ_SLICE_ARG(l->mode->strings[i]));
        *n = (struct tree_node){ .rule = (enum rule)rule,
                                 .missing_true = l->missing && l->missing[i],
                                 .feature = l->feature[i],
                                 .value = btz_real_at(&l->value, i) };
        if (n->rule == LEAF)
            continue;
        if (n->feature < 0)
            return btz_op_fail(call, BTZ_INPUT, "feature %" PRId64, n->feature);
        t->feature_max = n->feature > t->feature_max ? n->feature : t->feature_max;
        BTZ_TRY(find_node(call, l, l->tree[i], l->yes[i], &n->yes));
        BTZ_TRY(find_node(call, l, l->tree[i], l->no[i], &n->no));
    }
    return BTZ_OK;
}

/* One root a tree, one parent a node, nothing out of reach: then there is no cycle. */
static enum btz_err check_trees(const struct btz_call *call, struct btz_arena *arena,
                                const struct lists *l, struct trees *t)
{
    uint8_t *parents = btz_arena_array(arena, l->n, 1);
    uint32_t *stack = btz_arena_array(arena, l->n + 1, sizeof *stack);
    size_t seen = 0, depth = 0;

    t->roots = btz_arena_array(arena, l->n, sizeof t->roots[0]);
    if (!parents || !stack || !t->roots)
        return BTZ_LIMIT;
    memset(parents, 0, l->n);
    for (size_t i = 0; i < l->n; i++)
        for (int side = 0; side < 2 && t->nodes[i].rule != LEAF; side++) {
            uint32_t child = side ? t->nodes[i].no : t->nodes[i].yes;

            if (parents[child]++)
                return btz_op_fail(call, BTZ_INPUT,
                                   "node %" PRId64 " of tree %" PRId64 " has two parents",
                                   l->node[child], l->tree[child]);
        }
    for (size_t i = 0; i < l->n; i++) {
        const struct place *p = &l->places[i];

        if (parents[p->index])
            continue;
        if (t->root_count && l->tree[t->roots[t->root_count - 1]] == p->tree)
            return btz_op_fail(call, BTZ_INPUT, "tree %" PRId64 " has two roots", p->tree);
        t->roots[t->root_count++] = p->index;
        stack[depth++] = p->index;
    }
    while (depth) {
        const struct tree_node *n = &t->nodes[stack[--depth]];

        seen++;
        if (n->rule != LEAF) {
            stack[depth++] = n->yes;
            stack[depth++] = n->no;
        }
    }
    if (seen != l->n)
        return btz_op_fail(call, BTZ_INPUT, "a tree is a circle");
    return BTZ_OK;
}

/* The weights of leaves, in the order of their nodes. */
static enum btz_err read_weights(const struct btz_call *call, struct btz_arena *arena,
                                 const struct lists *l, struct trees *t)
{
    const char *prefix = t->classifier ? "class" : "target";
    const int64_t *tree, *node, *id;
    struct btz_reals weight;
    char name[4][24];
    uint32_t *owner, at = 0;

    for (int i = 0; i < 4; i++)
        snprintf(name[i], sizeof name[i], "%s_%s", prefix,
                 (const char *const[]){ "treeids", "nodeids", "ids", "weights" }[i]);
    BTZ_TRY(btz_attr_ints(call->node, name[0], &tree, &t->weight_count));
    BTZ_TRY(read_ints(call, name[1], t->weight_count, &node));
    BTZ_TRY(read_ints(call, name[2], t->weight_count, &id));
    BTZ_TRY(btz_reals_of(call, name[3], &weight));
    if (weight.count != t->weight_count || t->weight_count >= UINT32_MAX)
        return btz_op_fail(call, BTZ_INPUT, "%s has %zu numbers, expected %zu", name[3],
                           weight.count, t->weight_count);
    owner = btz_arena_array(arena, t->weight_count + 1, sizeof *owner);
    t->weights = btz_arena_array(arena, t->weight_count + 1, sizeof t->weights[0]);
    if (!owner || !t->weights)
        return BTZ_LIMIT;
    t->one_class = t->positive = true;
    for (size_t i = 0; i < t->weight_count; i++) {
        BTZ_TRY(find_node(call, l, tree[i], node[i], &owner[i]));
        if (id[i] < 0 || (uint64_t)id[i] >= t->targets || t->nodes[owner[i]].rule != LEAF)
            return btz_op_fail(call, BTZ_INPUT,
                               "a weight of %s %" PRId64 " of %zu at node %" PRId64, prefix, id[i],
                               t->targets, node[i]);
        t->nodes[owner[i]].count++;
        t->one_class = t->one_class && id[i] == id[0];
        t->only = (size_t)id[0];
        t->positive = t->positive && btz_real_at(&weight, i) >= 0;
    }
    for (size_t i = 0; i < t->node_count; i++) {
        t->nodes[i].first = at;
        at += t->nodes[i].count;
        t->nodes[i].count = 0;
    }
    for (size_t i = 0; i < t->weight_count; i++) {
        struct tree_node *n = &t->nodes[owner[i]];

        t->weights[n->first + n->count++] =
            (struct tree_weight){ (uint32_t)id[i], btz_real_at(&weight, i) };
    }
    return BTZ_OK;
}

static enum btz_err prepare(struct btz_call *call, struct btz_arena *arena)
{
    static const char *const names[] = { "SUM", "AVERAGE", "MIN", "MAX" };
    struct trees *t = btz_arena_alloc(arena, sizeof *t);
    struct btz_slice aggregate;
    struct lists l = { 0 };
    int64_t targets;
    size_t k = 0;

    if (!t)
        return BTZ_LIMIT;
    *t = (struct trees){ .classifier = strstr(call->node->type, "Class") != NULL };
    call->state = t;
    BTZ_TRY(btz_transform_of(call, &t->transform));
    BTZ_TRY(btz_reals_of(call, "base_values", &t->base));
    if (t->classifier) {
        BTZ_TRY(btz_labels_of(call, "classlabels_int64s", "classlabels_strings", &t->labels));
        t->targets = t->labels.count;
    } else {
        BTZ_TRY(btz_attr_int(call->node, "n_targets", 1, &targets));
        t->targets = targets > 0 ? (size_t)targets : 0;
    }
    BTZ_TRY(btz_attr_string(call->node, "aggregate_function", "SUM", &aggregate));
    while (k < BTZ_COUNT(names) && !btz_slice_is(aggregate, names[k]))
        k++;
    if (k == BTZ_COUNT(names))
        return btz_op_fail(call, BTZ_INPUT, "aggregate_function %.*s", BTZ_SLICE_ARG(aggregate));
    t->aggregate = (enum aggregate)k;
    if (!t->targets || t->targets > 1 << 20)
        return btz_op_fail(call, t->targets ? BTZ_LIMIT : BTZ_INPUT, "has %zu classes or targets",
                           t->targets);
    if (t->base.count && t->base.count != t->targets && !(t->targets == 2 && t->base.count == 1))
        return btz_op_fail(call, BTZ_INPUT, "has %zu base values, expected %zu", t->base.count,
                           t->targets);
    BTZ_TRY(read_lists(call, arena, &l));
    BTZ_TRY(read_nodes(call, arena, &l, t));
    BTZ_TRY(check_trees(call, arena, &l, t));
    return read_weights(call, arena, &l, t);
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    const struct trees *t = call->state;
    size_t rows, features;

    (void)later;
    if (call->in_count != 1 || !call->in[0])
        return btz_op_fail(call, BTZ_INPUT, "has %" PRIu32 " inputs, expected 1", call->in_count);
    BTZ_TRY(btz_rows_of(call, &rows, &features));
    if (t->feature_max >= (int64_t)features)
        return btz_op_fail(call, BTZ_INPUT, "asks for feature %" PRId64 " of %zu", t->feature_max,
                           features);
    if (t->classifier)
        btz_infer_classes(call, rows, &t->labels, t->targets);
    else if (btz_call_out(call, 0)) {
        call->out[0]->type = btz_call_type(call, BTZ_F32);
        call->out[0]->shape = (struct btz_shape){ 2, { (int64_t)rows, (int64_t)t->targets } };
    }
    return BTZ_OK;
}

/* Scores of a row and whether each has any; room for two where one class is two. */
static size_t scratch(const struct btz_call *call)
{
    const struct trees *t = call->state;

    return (t->targets + 2) * 2 * sizeof(double);
}

static bool goes_true(const struct tree_node *n, double x)
{
    if (n->missing_true && isnan(x))
        return true;
    switch (n->rule) {
    case LEQ:
        return x <= n->value;
    case LT:
        return x < n->value;
    case GTE:
        return x >= n->value;
    case GT:
        return x > n->value;
    case EQ:
        return x == n->value;
    case NEQ:
        return x != n->value;
    case LEAF:
        break;
    }
    return false;
}

static void add_tree(const struct trees *t, const struct btz_tensor *x, size_t row, uint32_t root,
                     double *scores, double *has)
{
    const struct tree_node *n = &t->nodes[root];

    while (n->rule != LEAF)
        n = &t->nodes[goes_true(n, btz_at_real(x, row + (size_t)n->feature)) ? n->yes : n->no];
    for (uint32_t k = n->first; k < n->first + n->count; k++) {
        const struct tree_weight *w = &t->weights[k];
        double *s = &scores[w->target];

        if (t->aggregate <= AVERAGE)
            *s += w->weight;
        else if (has[w->target] == 0 || (t->aggregate == MIN ? w->weight < *s : w->weight > *s))
            *s = w->weight;
        has[w->target] = 1;
    }
}

static void add_base(const struct trees *t, double *scores)
{
    for (size_t k = 0; k < t->targets; k++) {
        if (t->aggregate == AVERAGE)
            scores[k] /= (double)t->root_count;
        if (k < t->base.count)
            scores[k] += btz_real_at(&t->base, k);
    }
}

/* Two classes. Where all leaves speak of the first only, that score is the second's, and the first's is made of it. */
static size_t two_classes(const struct trees *t, double *s)
{
    enum btz_second second = t->positive ? BTZ_SECOND_SHARE : BTZ_SECOND_SIGN;
    double limit = t->positive ? 0.5 : 0;
    size_t best;

    if (!t->one_class || t->base.count == 2) {
        add_base(t, s);
        best = btz_best(s, 2);
        btz_finish_scores(s, 2, t->transform, BTZ_SECOND_NONE);
        return best;
    }
    if (t->base.count) /* one base value is of the class there is */
        s[t->only] += btz_real_at(&t->base, 0);
    best = s[t->only] > limit;
    btz_finish_scores(s, t->only == 0 ? 1 : 2, t->transform, second);
    return best;
}

/* The best of those classes that have a score. */
static size_t best_of(const double *scores, const double *has, size_t n)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++)
        if (has[i] != 0 && (best == n || scores[i] > scores[best]))
            best = i;
    return best == n ? 0 : best;
}

static enum btz_err run(struct btz_call *call)
{
    const struct trees *t = call->state;
    const struct btz_tensor *out = btz_call_out(call, t->classifier ? 1 : 0);
    double *scores = call->scratch, *has = scores + t->targets + 2;
    size_t rows, features;

    BTZ_TRY(btz_rows_of(call, &rows, &features));
    for (size_t r = 0; r < rows; r++) {
        size_t best = 0;

        memset(scores, 0, scratch(call));
        for (size_t k = 0; k < t->root_count; k++)
            add_tree(t, call->in[0], r * features, t->roots[k], scores, has);
        if (t->classifier && t->targets == 2)
            best = two_classes(t, scores);
        else {
            add_base(t, scores);
            best = t->base.count ? btz_best(scores, t->targets) : best_of(scores, has, t->targets);
            btz_finish_scores(scores, t->targets, t->transform, BTZ_SECOND_NONE);
        }
        if (t->classifier)
            btz_put_label(btz_call_out(call, 0), r, &t->labels, best);
        for (size_t k = 0; k < t->targets && out; k++)
            btz_set(out, r * t->targets + k, scores[k]);
    }
    return BTZ_OK;
}

#define ML "ai.onnx.ml"
static const struct btz_op ops[] = {
    { .name = "TreeEnsembleClassifier",
      .domain = ML,
      .since = 1,
      .prepare = prepare,
      .infer = infer,
      .run = run,
      .scratch = scratch },
    { .name = "TreeEnsembleRegressor",
      .domain = ML,
      .since = 1,
      .prepare = prepare,
      .infer = infer,
      .run = run,
      .scratch = scratch },
};
BTZ_OP_FAMILY(trees, ops);
