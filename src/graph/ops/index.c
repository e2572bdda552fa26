/*
 * Joining, cutting, and choosing elements by index.
 */
#include <math.h>

#include "graph/kernel.h"

static uint8_t *place(const struct btz_tensor *t, size_t at)
{
    return (uint8_t *)t->data + at * btz_type_size(t->type);
}

static void add_run(const struct btz_tensor *to, size_t at, const struct btz_tensor *from,
                    size_t from_at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        btz_add(to, at + i, btz_get(from, from_at + i));
}

/* ---- Concat, Split ---------------------------------------------------------------------------------------------------- */

static enum btz_err infer_concat(struct btz_call *call, bool *later)
{
    struct btz_shape *out;
    int64_t axis;
    uint32_t at;

    BTZ_TRY(btz_call_counts(call, 1, UINT32_MAX));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_attr_int(call->node, "axis", 1, &axis));
    BTZ_TRY(btz_axis(call, axis, call->in[0]->shape.rank, &at));
    out = &call->out[0]->shape;
    for (uint32_t i = 1; i < call->in_count; i++) {
        struct btz_shape s;

        if (!call->in[i] || call->in[i]->type != call->in[0]->type ||
            call->in[i]->shape.rank != out->rank)
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is not like the first", i);
        s = call->in[i]->shape;
        if (__builtin_add_overflow(out->dim[at], s.dim[at], &out->dim[at]))
            return btz_op_fail(call, BTZ_LIMIT, "too large");
        s.dim[at] = call->in[0]->shape.dim[at];
        if (!btz_shape_equal(&s, &call->in[0]->shape))
            return btz_op_fail(call, BTZ_INPUT,
                               "input %" PRIu32 " has another shape than the first", i);
    }
    return BTZ_OK;
}

/* Parts of `whole` along an axis, one after the other; `back` adds from whole to the parts' gradients. */
static void parts(const struct btz_tensor *whole, uint32_t axis,
                  const struct btz_tensor *const *list, struct btz_tensor *const *to,
                  uint32_t count, int mode)
{
    struct btz_split w = btz_split_at(&whole->shape, axis);
    size_t from = 0, size = btz_type_size(whole->type);

    for (uint32_t k = 0; k < count; k++) {
        size_t n, line;

        if (!list[k])
            continue;
        n = (size_t)list[k]->shape.dim[axis];
        line = n * w.inner;
        for (size_t o = 0; o < w.outer && line; o++) {
            size_t at = (o * w.n + from) * w.inner;

            if (mode == 0) /* parts to whole */
                memcpy(place(whole, at), place(list[k], o * line), line * size);
            else if (mode == 1) /* whole to parts */
                memcpy(place(to[k], o * line), place(whole, at), line * size);
            else if (mode == 2 && to[k]) /* gradient of the whole to the parts */
                add_run(to[k], o * line, whole, at, line);
            else if (mode == 3 && to[k]) /* gradients of the parts to the whole */
                add_run(whole, at, to[k], o * line, line);
        }
        from += n;
    }
}

static enum btz_err run_concat(struct btz_call *call)
{
    int64_t axis;
    uint32_t at;

    BTZ_TRY(btz_attr_int(call->node, "axis", 1, &axis));
    BTZ_TRY(btz_axis(call, axis, call->in[0]->shape.rank, &at));
    parts(call->out[0], at, call->in, NULL, call->in_count, 0);
    return BTZ_OK;
}

static enum btz_err grad_concat(struct btz_call *call)
{
    int64_t axis;
    uint32_t at;

    BTZ_TRY(btz_attr_int(call->node, "axis", 1, &axis));
    BTZ_TRY(btz_axis(call, axis, call->in[0]->shape.rank, &at));
    parts(call->out_grad[0], at, call->in, call->in_grad, call->in_count, 2);
    return BTZ_OK;
}

static enum btz_err split_axis(const struct btz_call *call, uint32_t *out)
{
    int64_t axis;

    BTZ_TRY(btz_attr_int(call->node, "axis", 0, &axis));
    return btz_axis(call, axis, call->in[0]->shape.rank, out);
}

static enum btz_err infer_split(struct btz_call *call, bool *later)
{
    const int64_t *list = NULL;
    const struct btz_tensor *t = NULL;
    int64_t total, sum = 0, each;
    size_t n = 0;
    uint32_t axis;

    BTZ_TRY(btz_call_counts(call, 1, 2));
    BTZ_TRY(split_axis(call, &axis));
    total = call->in[0]->shape.dim[axis];
    each = call->out_count ? (total + call->out_count - 1) / call->out_count : 0;
    if (call->node->opset < 13)
        BTZ_TRY(btz_attr_ints(call->node, "split", &list, &n));
    else if ((t = btz_call_in(call, 1)))
        n = btz_tensor_count(t);
    if (t && !t->data) {
        *later = true;
        for (uint32_t i = 0; i < call->out_count; i++)
            if (call->out[i])
                call->out[i]->type = call->in[0]->type;
        return BTZ_OK;
    }
    if (n && n != call->out_count)
        return btz_op_fail(call, BTZ_INPUT, "%zu lengths for %" PRIu32 " outputs", n,
                           call->out_count);
    for (uint32_t i = 0; i < call->out_count; i++) {
        int64_t d = t ? btz_at_int(t, i) : list ? list[i] : total - sum < each ? total - sum : each;

        if (d < 0 || d > total - sum || !call->out[i])
            return btz_op_fail(call, BTZ_INPUT, "part %" PRIu32 " of %" PRId64 " elements", i, d);
        sum += d;
        call->out[i]->type = call->in[0]->type;
        call->out[i]->shape = call->in[0]->shape;
        call->out[i]->shape.dim[axis] = d;
    }
    if (sum != total)
        return btz_op_fail(call, BTZ_INPUT,
                           "parts of %" PRId64 " elements together, the axis has %" PRId64, sum,
                           total);
    return BTZ_OK;
}

static enum btz_err run_split(struct btz_call *call)
{
    uint32_t axis;

    BTZ_TRY(split_axis(call, &axis));
    parts(call->in[0], axis, (const struct btz_tensor *const *)call->out, call->out,
          call->out_count, 1);
    return BTZ_OK;
}

static enum btz_err grad_split(struct btz_call *call)
{
    struct btz_split s;
    size_t from = 0;
    uint32_t axis;

    BTZ_TRY(split_axis(call, &axis));
    s = btz_split_at(&call->in[0]->shape, axis);
    for (uint32_t k = 0; k < call->out_count && call->in_grad[0]; k++) {
        size_t n = (size_t)call->out[k]->shape.dim[axis];

        for (size_t o = 0; o < s.outer && call->out_grad[k]; o++)
            add_run(call->in_grad[0], (o * s.n + from) * s.inner, call->out_grad[k],
                    o * n * s.inner, n * s.inner);
        from += n;
    }
    return BTZ_OK;
}

/* ---- Gather ----------------------------------------------------------------------------------------------------------- */

static enum btz_err gather_axis(const struct btz_call *call, uint32_t *out)
{
    int64_t axis;

    BTZ_TRY(btz_attr_int(call->node, "axis", 0, &axis));
    if (!btz_call_in(call, 1) || !btz_type_is_integer(call->in[1]->type))
        return btz_op_fail(call, BTZ_INPUT, "wants indices of int64");
    return btz_axis(call, axis, call->in[0]->shape.rank, out);
}

static enum btz_err infer_gather(struct btz_call *call, bool *later)
{
    const struct btz_shape *x, *idx;
    struct btz_shape out = { 0 };
    uint32_t axis;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(gather_axis(call, &axis));
    x = &call->in[0]->shape, idx = &call->in[1]->shape;
    if (x->rank + idx->rank - 1 > BTZ_RANK_MAX)
        return btz_op_fail(call, BTZ_LIMIT, "an output of more than %d axes", BTZ_RANK_MAX);
    for (uint32_t i = 0; i < axis; i++)
        out.dim[out.rank++] = x->dim[i];
    for (uint32_t i = 0; i < idx->rank; i++)
        out.dim[out.rank++] = idx->dim[i];
    for (uint32_t i = axis + 1; i < x->rank; i++)
        out.dim[out.rank++] = x->dim[i];
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape = out;
    return BTZ_OK;
}

static enum btz_err gather(struct btz_call *call, bool back)
{
    size_t count = btz_tensor_count(call->in[1]), size = btz_type_size(call->in[0]->type), k = 0;
    struct btz_split s;
    uint32_t axis;

    BTZ_TRY(gather_axis(call, &axis));
    s = btz_split_at(&call->in[0]->shape, axis);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < count; i++) {
            size_t to = (o * count + i) * s.inner;

            BTZ_TRY(btz_want_index(call, btz_at_int(call->in[1], i), (int64_t)s.n, &k));
            if (!back)
                memcpy(place(call->out[0], to), place(call->in[0], (o * s.n + k) * s.inner),
                       s.inner * size);
            else if (call->in_grad[0])
                add_run(call->in_grad[0], (o * s.n + k) * s.inner, call->out_grad[0], to, s.inner);
        }
    return BTZ_OK;
}

static enum btz_err run_gather(struct btz_call *call)
{
    return gather(call, false);
}

static enum btz_err grad_gather(struct btz_call *call)
{
    return gather(call, true);
}

/* ---- ArgMax, ArgMin, CumSum ------------------------------------------------------------------------------------------- */

static enum btz_err infer_arg(struct btz_call *call, bool *later)
{
    struct btz_shape *out;
    int64_t axis, keep;
    uint32_t at;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_attr_int(call->node, "axis", 0, &axis));
    BTZ_TRY(btz_attr_int(call->node, "keepdims", 1, &keep));
    BTZ_TRY(btz_axis(call, axis, call->in[0]->shape.rank, &at));
    if (!call->in[0]->shape.dim[at])
        return btz_op_fail(call, BTZ_INPUT, "of no elements");
    out = &call->out[0]->shape;
    call->out[0]->type = BTZ_I64;
    out->dim[at] = 1;
    if (!keep) {
        memmove(&out->dim[at], &out->dim[at + 1], (out->rank - at - 1) * sizeof out->dim[0]);
        out->rank--;
    }
    return BTZ_OK;
}

static enum btz_err run_arg(struct btz_call *call)
{
    bool max = strcmp(call->node->type, "ArgMax") == 0;
    struct btz_split s;
    int64_t axis, last;
    uint32_t at;

    BTZ_TRY(btz_attr_int(call->node, "axis", 0, &axis));
    BTZ_TRY(btz_attr_int(call->node, "select_last_index", 0, &last));
    BTZ_TRY(btz_axis(call, axis, call->in[0]->shape.rank, &at));
    s = btz_split_at(&call->in[0]->shape, at);
    for (size_t line = 0; line < s.outer * s.inner; line++) {
        size_t start = line / s.inner * s.n * s.inner + line % s.inner, best = 0;

        for (size_t i = 1; i < s.n; i++) {
            double v = btz_at_real(call->in[0], start + i * s.inner),
                   b = btz_at_real(call->in[0], start + best * s.inner);

            if ((max ? v > b : v < b) || (last && v == b))
                best = i;
        }
        ((int64_t *)call->out[0]->data)[line] = (int64_t)best;
    }
    return BTZ_OK;
}

static enum btz_err infer_cumsum(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 2, 2));
    if (btz_tensor_count(call->in[1]) != 1 || call->in[0]->type == BTZ_STRING)
        return btz_op_fail(call, BTZ_INPUT, "the axis is no number");
    return btz_infer_same(call, later);
}

static enum btz_err cumsum(struct btz_call *call, bool back)
{
    const struct btz_tensor *x = back ? call->out_grad[0] : call->in[0];
    int64_t exclusive, reverse;
    struct btz_split s;
    uint32_t at;

    BTZ_TRY(btz_attr_int(call->node, "exclusive", 0, &exclusive));
    BTZ_TRY(btz_attr_int(call->node, "reverse", 0, &reverse));
    BTZ_TRY(btz_axis(call, btz_at_int(call->in[1], 0), call->in[0]->shape.rank, &at));
    if (back)
        reverse = !reverse;
    s = btz_split_at(&call->in[0]->shape, at);
    for (size_t line = 0; line < s.outer * s.inner; line++) {
        size_t start = line / s.inner * s.n * s.inner + line % s.inner;
        double sum = 0;

        for (size_t k = 0; k < s.n; k++) {
            size_t i = start + (reverse ? s.n - 1 - k : k) * s.inner;
            double v = btz_at_real(x, i), now = exclusive ? sum : sum + v;

            sum += v;
            if (!back)
                btz_put_real(call->out[0], i, now);
            else if (call->in_grad[0])
                btz_add(call->in_grad[0], i, now);
        }
    }
    return BTZ_OK;
}

static enum btz_err run_cumsum(struct btz_call *call)
{
    return cumsum(call, false);
}

static enum btz_err grad_cumsum(struct btz_call *call)
{
    return cumsum(call, true);
}

static const struct btz_op ops[] = {
    { .name = "Concat", .since = 7, .infer = infer_concat, .run = run_concat, .grad = grad_concat },
    { .name = "Split", .since = 7, .infer = infer_split, .run = run_split, .grad = grad_split },
    { .name = "Gather",
      .since = 7,
      .infer = infer_gather,
      .run = run_gather,
      .grad = grad_gather,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "ArgMax", .since = 7, .infer = infer_arg, .run = run_arg },
    { .name = "ArgMin", .since = 7, .infer = infer_arg, .run = run_arg },
    { .name = "CumSum",
      .since = 11,
      .infer = infer_cumsum,
      .run = run_cumsum,
      .grad = grad_cumsum,
      .flags = BTZ_OP_GRAD_IN },
};
BTZ_OP_FAMILY(index, ops);
