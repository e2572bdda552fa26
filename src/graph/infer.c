/*
 * What the operators ask of their inputs.
 */
#include "graph/kernel.h"

const struct btz_tensor *btz_call_in(const struct btz_call *call, uint32_t i)
{
    return i < call->in_count ? call->in[i] : NULL;
}

struct btz_tensor *btz_call_out(const struct btz_call *call, uint32_t i)
{
    return i < call->out_count ? call->out[i] : NULL;
}

struct btz_tensor *btz_call_in_grad(const struct btz_call *call, uint32_t i)
{
    return i < call->in_count ? call->in_grad[i] : NULL;
}

const struct btz_tensor *btz_call_out_grad(const struct btz_call *call, uint32_t i)
{
    return i < call->out_count ? call->out_grad[i] : NULL;
}

enum btz_type btz_call_type(const struct btz_call *call, enum btz_type type)
{
    if (type == BTZ_F16 || type == BTZ_BF16)
        type = BTZ_F32;
    return type == BTZ_F32 && call->doubles ? BTZ_F64 : type;
}

enum btz_err btz_call_counts(struct btz_call *call, uint32_t in_min, uint32_t in_max)
{
    if (call->in_count < in_min || call->in_count > in_max)
        return btz_op_fail(call, BTZ_INPUT,
                           "has %" PRIu32 " inputs, expected %" PRIu32 " to %" PRIu32,
                           call->in_count, in_min, in_max);
    for (uint32_t i = 0; i < in_min; i++)
        if (!call->in[i])
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is left out", i);
    if (!btz_call_out(call, 0))
        return btz_op_fail(call, BTZ_INPUT, "has no output");
    return BTZ_OK;
}

enum btz_err btz_infer_same(struct btz_call *call, bool *later)
{
    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, UINT32_MAX));
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape = call->in[0]->shape;
    return BTZ_OK;
}

enum btz_err btz_infer_broadcast(struct btz_call *call, bool *later)
{
    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, UINT32_MAX));
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape = call->in[0]->shape;
    for (uint32_t i = 1; i < call->in_count; i++) {
        enum btz_err err;

        if (!call->in[i])
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is left out", i);
        err = btz_shape_broadcast(&call->out[0]->shape, &call->in[i]->shape, &call->out[0]->shape);
        if (err != BTZ_OK)
            return btz_op_fail_at(call, err);
    }
    return BTZ_OK;
}

enum btz_err btz_want_real(struct btz_call *call, uint32_t i)
{
    if (!btz_call_in(call, i) || !btz_type_is_real(call->in[i]->type))
        return btz_op_fail(call, BTZ_UNSUPPORTED,
                           "input %" PRIu32 " is of type %s, expected float or double", i,
                           btz_call_in(call, i) ? btz_type_name(call->in[i]->type) : "none");
    return BTZ_OK;
}

enum btz_err btz_want_rank(struct btz_call *call, uint32_t i, uint32_t min, uint32_t max)
{
    uint32_t rank = call->in[i]->shape.rank;

    if (rank < min || rank > max)
        return btz_op_fail(call, BTZ_INPUT,
                           "input %" PRIu32 " has %" PRIu32 " axes, expected %" PRIu32
                           " to %" PRIu32,
                           i, rank, min, max);
    return BTZ_OK;
}

enum btz_err btz_want_ints(struct btz_call *call, uint32_t i, int64_t out[BTZ_RANK_MAX],
                           uint32_t *count, bool *known)
{
    const struct btz_tensor *t = btz_call_in(call, i);
    size_t n;

    if (!t)
        return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is left out", i);
    BTZ_TRY(btz_want_rank(call, i, 0, 1));
    if (!btz_type_is_integer(t->type))
        return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is of type %s, expected int64", i,
                           btz_type_name(t->type));
    n = btz_tensor_count(t);
    if (n > BTZ_RANK_MAX)
        return btz_op_fail(call, BTZ_LIMIT,
                           "input %" PRIu32 " has %zu numbers, at most %d are supported", i, n,
                           BTZ_RANK_MAX);
    *count = (uint32_t)n;
    *known = t->data != NULL || n == 0;
    for (size_t k = 0; k < n && *known; k++)
        out[k] = btz_at_int(t, k);
    return BTZ_OK;
}

enum btz_err btz_want_axes(struct btz_call *call, uint32_t i, int64_t since, uint32_t rank,
                           uint32_t *bits, bool *given, bool *known)
{
    int64_t axes[BTZ_RANK_MAX];
    uint32_t count = 0, axis;

    *bits = 0;
    *given = false;
    *known = true;
    if (call->node->opset >= since) {
        if (!btz_call_in(call, i))
            return BTZ_OK;
        BTZ_TRY(btz_want_ints(call, i, axes, &count, known));
    } else {
        const int64_t *list;
        size_t n;

        BTZ_TRY(btz_attr_ints(call->node, "axes", &list, &n));
        if (!list)
            return BTZ_OK;
        if (n > BTZ_RANK_MAX)
            return btz_op_fail(call, BTZ_INPUT, "%zu axes", n);
        memcpy(axes, list, n * sizeof axes[0]);
        count = (uint32_t)n;
    }
    *given = true;
    for (uint32_t k = 0; k < count && *known; k++) {
        BTZ_TRY(btz_axis(call, axes[k], rank, &axis));
        if (*bits >> axis & 1)
            return btz_op_fail(call, BTZ_INPUT, "axis %" PRIu32 " is named twice", axis);
        *bits |= UINT32_C(1) << axis;
    }
    return BTZ_OK;
}

enum btz_err btz_want_index(const struct btz_call *call, int64_t v, int64_t n, size_t *out)
{
    if (v < -n || v >= n)
        return btz_op_fail(call, BTZ_INPUT, "index %" PRId64 " of %" PRId64 " elements", v, n);
    *out = (size_t)(v < 0 ? v + n : v);
    return BTZ_OK;
}
