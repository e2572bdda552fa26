/*
 * Elements at places that another input names: gathered from there, or scattered there.
 */
#include <math.h>

#include "graph/kernel.h"

/* Where element i of the small tensor (output of a gather, updates of a scatter) lies in the large one. */
typedef enum btz_err locator(const struct btz_call *call, size_t i, size_t *at);

/* ---- along one axis --------------------------------------------------------------------------------------------------- */

static enum btz_err axis_of(const struct btz_call *call, uint32_t *out)
{
    int64_t axis;

    BTZ_TRY(btz_attr_int(call->node, "axis", 0, &axis));
    if (!btz_call_in(call, 1) || !btz_type_is_integer(call->in[1]->type))
        return btz_op_fail(call, BTZ_INPUT, "wants indices of int64");
    return btz_axis(call, axis, call->in[0]->shape.rank, out);
}

static enum btz_err locate_element(const struct btz_call *call, size_t i, size_t *out)
{
    const struct btz_shape *x = &call->in[0]->shape, *s = &call->in[1]->shape;
    size_t rest = i, at = 0, step = 1, k = 0;
    uint32_t axis;

    BTZ_TRY(axis_of(call, &axis));
    BTZ_TRY(btz_want_index(call, btz_at_int(call->in[1], i), x->dim[axis], &k));
    for (uint32_t d = x->rank; d-- > 0;) {
        at += (d == axis ? k : rest % (size_t)s->dim[d]) * step;
        rest /= (size_t)s->dim[d];
        step *= (size_t)x->dim[d];
    }
    *out = at;
    return BTZ_OK;
}

static enum btz_err infer_gather_elements(struct btz_call *call, bool *later)
{
    const struct btz_shape *x = &call->in[0]->shape;
    uint32_t axis;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 3));
    BTZ_TRY(axis_of(call, &axis));
    BTZ_TRY(btz_want_rank(call, 1, x->rank, x->rank));
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != axis && call->in[1]->shape.dim[i] > x->dim[i])
            return btz_op_fail(call, BTZ_INPUT,
                               "indices are larger than the input in axis %" PRIu32, i);
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape = call->in[1]->shape;
    return BTZ_OK;
}

static enum btz_err infer_scatter_elements(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 3, 3));
    BTZ_TRY(infer_gather_elements(call, later));
    if (!btz_shape_equal(&call->in[2]->shape, &call->in[1]->shape) ||
        call->in[2]->type != call->in[0]->type)
        return btz_op_fail(call, BTZ_INPUT, "updates are not like the indices");
    call->out[0]->shape = call->in[0]->shape;
    return BTZ_OK;
}

/* ---- by whole indexes ------------------------------------------------------------------------------------------------- */

struct nd {
    size_t batch, rows, depth,
        inner;     /* rows of `depth` indexes each, for runs of `inner` elements */
    uint32_t from; /* the first axis that is indexed */
};

static enum btz_err nd_of(const struct btz_call *call, struct nd *n)
{
    const struct btz_shape *x = &call->in[0]->shape, *s = &call->in[1]->shape;
    int64_t batch = 0;

    if (!btz_type_is_integer(call->in[1]->type) || !s->rank || !x->rank)
        return btz_op_fail(call, BTZ_INPUT, "wants indices of int64");
    if (call->node->type[0] == 'G')
        BTZ_TRY(btz_attr_int(call->node, "batch_dims", 0, &batch));
    if (batch < 0 || batch >= x->rank || batch >= s->rank ||
        s->dim[s->rank - 1] + batch > x->rank || s->dim[s->rank - 1] < (call->node->type[0] == 'G'))
        return btz_op_fail(call, BTZ_INPUT,
                           "indices of %" PRId64 " axes, after %" PRId64 " of %" PRIu32,
                           s->dim[s->rank - 1], batch, x->rank);
    *n = (struct nd){ 1, 1, (size_t)s->dim[s->rank - 1], 1, (uint32_t)batch };
    for (uint32_t i = 0; i < s->rank - 1; i++) {
        if (i < n->from && s->dim[i] != x->dim[i])
            return btz_op_fail(call, BTZ_INPUT, "batches of %" PRId64 " and %" PRId64, x->dim[i],
                               s->dim[i]);
        n->rows *= (size_t)s->dim[i];
        n->batch *= i < n->from ? (size_t)s->dim[i] : 1;
    }
    for (uint32_t i = n->from + (uint32_t)n->depth; i < x->rank; i++)
        n->inner *= (size_t)x->dim[i];
    return BTZ_OK;
}

static enum btz_err locate_nd(const struct btz_call *call, size_t i, size_t *out)
{
    const struct btz_shape *x = &call->in[0]->shape;
    size_t row, at, k = 0;
    struct nd n;

    BTZ_TRY(nd_of(call, &n));
    row = i / n.inner;
    at = row / (n.rows / n.batch);
    for (size_t d = 0; d < n.depth; d++) {
        int64_t dim = x->dim[n.from + d];

        BTZ_TRY(btz_want_index(call, btz_at_int(call->in[1], row * n.depth + d), dim, &k));
        at = at * (size_t)dim + k;
    }
    *out = at * n.inner + i % n.inner;
    return BTZ_OK;
}

static enum btz_err nd_shape(struct btz_call *call, struct btz_shape *out)
{
    const struct btz_shape *x = &call->in[0]->shape, *s = &call->in[1]->shape;
    struct nd n;

    BTZ_TRY(nd_of(call, &n));
    *out = *s;
    out->rank--;
    if (out->rank + x->rank - n.from - n.depth > BTZ_RANK_MAX)
        return btz_op_fail(call, BTZ_LIMIT, "more than %d axes", BTZ_RANK_MAX);
    for (uint32_t i = n.from + (uint32_t)n.depth; i < x->rank; i++)
        out->dim[out->rank++] = x->dim[i];
    return BTZ_OK;
}

static enum btz_err infer_gather_nd(struct btz_call *call, bool *later)
{
    struct btz_shape shape;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(nd_shape(call, &shape));
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape = shape;
    return BTZ_OK;
}

static enum btz_err infer_scatter_nd(struct btz_call *call, bool *later)
{
    struct btz_shape shape;

    BTZ_TRY(btz_call_counts(call, 3, 3));
    BTZ_TRY(nd_shape(call, &shape));
    if (!btz_shape_equal(&shape, &call->in[2]->shape) || call->in[2]->type != call->in[0]->type)
        return btz_op_fail(call, BTZ_INPUT, "updates do not fit the indices");
    return btz_infer_same(call, later);
}

/* ---- gathering -------------------------------------------------------------------------------------------------------- */

static enum btz_err gather(struct btz_call *call, locator *where)
{
    size_t size = btz_type_size(call->in[0]->type), at = 0;

    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n; i++) {
        BTZ_TRY(where(call, i, &at));
        memcpy((uint8_t *)call->out[0]->data + i * size,
               (const uint8_t *)call->in[0]->data + at * size, size);
    }
    return BTZ_OK;
}

static enum btz_err grad_gather(struct btz_call *call, locator *where)
{
    size_t at = 0;

    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n && call->in_grad[0]; i++) {
        BTZ_TRY(where(call, i, &at));
        btz_add(call->in_grad[0], at, btz_get(call->out_grad[0], i));
    }
    return BTZ_OK;
}

/* ---- scattering ------------------------------------------------------------------------------------------------------- */

enum how { LAST, ADD, MUL, MAX, MIN };

static enum btz_err how_of(const struct btz_call *call, enum how *out)
{
    static const char *const names[] = { "none", "add", "mul", "max", "min" };
    struct btz_slice how;

    BTZ_TRY(btz_attr_string(call->node, "reduction", "none", &how));
    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (btz_slice_is(how, names[i])) {
            *out = (enum how)i;
            if (i && (call->in[0]->type == BTZ_STRING || call->in[0]->type == BTZ_BOOL) && i < MAX)
                break;
            return BTZ_OK;
        }
    return btz_op_fail(call, BTZ_INPUT, "reduction %.*s", BTZ_SLICE_ARG(how));
}

static void combine(const struct btz_tensor *y, size_t at, const struct btz_tensor *u, size_t i,
                    enum how how)
{
    if (btz_type_is_real(y->type)) {
        double a = btz_get(y, at), b = btz_get(u, i);

        btz_set(y, at,
                how == ADD   ? a + b
                : how == MUL ? a * b
                : how == MAX ? fmax(a, b)
                             : fmin(a, b));
    } else {
        int64_t a = btz_at_int(y, at), b = btz_at_int(u, i);
        uint64_t c = (uint64_t)a, d = (uint64_t)b;
        bool less = y->type == BTZ_U64 ? c < d : a < b;

        btz_put_int(y, at,
                    how == ADD   ? (int64_t)(c + d)
                    : how == MUL ? (int64_t)(c * d)
                    : how == MAX ? (less ? b : a)
                                 : (less ? a : b));
    }
}

static enum btz_err scatter(struct btz_call *call, locator *where)
{
    const struct btz_tensor *y = call->out[0], *u = call->in[2];
    size_t size = btz_type_size(y->type), at = 0;
    enum how how;

    BTZ_TRY(how_of(call, &how));
    btz_tensor_convert(call->in[0], y);
    for (size_t i = 0, n = btz_tensor_count(u); i < n; i++) {
        BTZ_TRY(where(call, i, &at));
        if (how == LAST)
            memcpy((uint8_t *)y->data + at * size, (const uint8_t *)u->data + i * size, size);
        else
            combine(y, at, u, i, how);
    }
    return BTZ_OK;
}

/* Two numbers for each element of the output: who wrote it last; the product without zeros and their count; how many share
 * the extreme. */
static size_t scratch(const struct btz_call *call)
{
    size_t bytes;

    return btz_size_mul(btz_tensor_count(call->in[0]), 2 * sizeof(double), &bytes) ? bytes
                                                                                   : SIZE_MAX;
}

static void count_in(enum how how, double *acc, double *second, double v, double y)
{
    if (how == MAX || how == MIN)
        *acc += v == y;
    else if (v == 0)
        ++*second;
    else
        *acc *= v;
}

static double share(enum how how, double acc, double second, double v, double y)
{
    if (how == ADD)
        return 1;
    if (how == MUL)
        return second == 0 ? acc / v : second == 1 && v == 0 ? acc : 0;
    return v == y ? 1 / acc : 0;
}

static enum btz_err grad_scatter(struct btz_call *call, locator *where)
{
    const struct btz_tensor *x = call->in[0], *u = call->in[2], *y = call->out[0],
                            *g = call->out_grad[0], *dx = call->in_grad[0], *du = call->in_grad[2];
    size_t count = btz_tensor_count(x), updates = btz_tensor_count(u), at = 0;
    double *acc = call->scratch, *second = acc + count;
    enum how how;

    BTZ_TRY(how_of(call, &how));
    for (size_t i = 0; i < count; i++) {
        acc[i] = how == LAST ? -1 : how == MUL;
        second[i] = 0;
        if (how > ADD)
            count_in(how, &acc[i], &second[i], btz_get(x, i), btz_get(y, i));
    }
    for (size_t i = 0; i < updates; i++) {
        BTZ_TRY(where(call, i, &at));
        if (how == LAST)
            acc[at] = (double)i;
        else if (how > ADD)
            count_in(how, &acc[at], &second[at], btz_get(u, i), btz_get(y, at));
    }
    for (size_t i = 0; i < count && dx; i++)
        btz_add(dx, i,
                btz_get(g, i) *
                    (how == LAST ? acc[i] < 0
                                 : share(how, acc[i], second[i], btz_get(x, i), btz_get(y, i))));
    for (size_t i = 0; i < updates && du; i++) {
        BTZ_TRY(where(call, i, &at));
        btz_add(du, i,
                btz_get(g, at) *
                    (how == LAST ? acc[at] == (double)i
                                 : share(how, acc[at], second[at], btz_get(u, i), btz_get(y, at))));
    }
    return BTZ_OK;
}

#define LOCATED(id)                                                                                \
    static enum btz_err run_gather_##id(struct btz_call *call)                                     \
    {                                                                                              \
        return gather(call, locate_##id);                                                          \
    }                                                                                              \
    static enum btz_err grad_gather_##id(struct btz_call *call)                                    \
    {                                                                                              \
        return grad_gather(call, locate_##id);                                                     \
    }                                                                                              \
    static enum btz_err run_scatter_##id(struct btz_call *call)                                    \
    {                                                                                              \
        return scatter(call, locate_##id);                                                         \
    }                                                                                              \
    static enum btz_err grad_scatter_##id(struct btz_call *call)                                   \
    {                                                                                              \
        return grad_scatter(call, locate_##id);                                                    \
    }
LOCATED(element)
LOCATED(nd)

static const struct btz_op ops[] = {
    { .name = "GatherElements",
      .since = 11,
      .infer = infer_gather_elements,
      .run = run_gather_element,
      .grad = grad_gather_element,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "GatherND",
      .since = 11,
      .infer = infer_gather_nd,
      .run = run_gather_nd,
      .grad = grad_gather_nd,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "Scatter",
      .since = 9,
      .until = 10,
      .infer = infer_scatter_elements,
      .run = run_scatter_element,
      .grad = grad_scatter_element,
      .scratch = scratch,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT },
    { .name = "ScatterElements",
      .since = 11,
      .infer = infer_scatter_elements,
      .run = run_scatter_element,
      .grad = grad_scatter_element,
      .scratch = scratch,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT },
    { .name = "ScatterND",
      .since = 11,
      .infer = infer_scatter_nd,
      .run = run_scatter_nd,
      .grad = grad_scatter_nd,
      .scratch = scratch,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT },
};
BTZ_OP_FAMILY(scatter, ops);
