/*
 * Shapes: views of the same elements, and what makes tensors from shapes.
 */
#include <math.h>

#include "graph/kernel.h"

/* ---- views ------------------------------------------------------------------------------------------------------------ */

static enum btz_err same_count(struct btz_call *call)
{
    size_t a, b;

    BTZ_TRY(btz_shape_count(&call->in[0]->shape, &a));
    BTZ_TRY(btz_shape_count(&call->out[0]->shape, &b));
    if (a != b) {
        char s[BTZ_SHAPE_TEXT], t[BTZ_SHAPE_TEXT];
        return btz_op_fail(call, BTZ_INPUT, "%s does not fit into %s",
                           btz_shape_text(&call->in[0]->shape, s),
                           btz_shape_text(&call->out[0]->shape, t));
    }
    return BTZ_OK;
}

static enum btz_err infer_reshape(struct btz_call *call, bool *later)
{
    const struct btz_shape *in;
    struct btz_shape *out;
    int64_t dims[BTZ_RANK_MAX], allow_zero, free_axis = -1;
    size_t total, rest = 1;
    uint32_t count;
    bool known;

    BTZ_TRY(btz_call_counts(call, 2, 2));
    in = &call->in[0]->shape, out = &call->out[0]->shape;
    BTZ_TRY(btz_want_ints(call, 1, dims, &count, &known));
    BTZ_TRY(btz_attr_int(call->node, "allowzero", 0, &allow_zero));
    BTZ_TRY(btz_shape_count(in, &total));
    call->out[0]->type = call->in[0]->type;
    if (!known) {
        *later = true;
        return BTZ_OK;
    }
    out->rank = count;
    for (uint32_t i = 0; i < count; i++) {
        if (dims[i] == 0 && !allow_zero) {
            if (i >= in->rank)
                return btz_op_fail(call, BTZ_INPUT,
                                   "0 for axis %" PRIu32 " which the input does not have", i);
            dims[i] = in->dim[i];
        }
        if (dims[i] < -1 || (dims[i] == -1 && free_axis >= 0))
            return btz_op_fail(call, BTZ_INPUT, "dimension %" PRId64 " of axis %" PRIu32, dims[i],
                               i);
        if (dims[i] == -1)
            free_axis = i;
        else if (!btz_size_mul(rest, (size_t)dims[i], &rest))
            return btz_op_fail(call, BTZ_LIMIT, "a shape that is too large");
        out->dim[i] = dims[i];
    }
    if (free_axis >= 0) {
        if (!rest || total % rest)
            return btz_op_fail(call, BTZ_INPUT, "%zu elements in rows of %zu", total, rest);
        out->dim[free_axis] = (int64_t)(total / rest);
    }
    return same_count(call);
}

static enum btz_err infer_flatten(struct btz_call *call, bool *later)
{
    const struct btz_shape *in;
    struct btz_shape *out;
    int64_t axis;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, 1));
    in = &call->in[0]->shape, out = &call->out[0]->shape;
    BTZ_TRY(btz_attr_int(call->node, "axis", 1, &axis));
    if (axis < -(int64_t)in->rank || axis > in->rank)
        return btz_op_fail(call, BTZ_INPUT, "axis %" PRId64, axis);
    axis += axis < 0 ? in->rank : 0;
    *out = (struct btz_shape){ 2, { 1, 1 } };
    for (uint32_t i = 0; i < in->rank; i++)
        out->dim[i < axis ? 0 : 1] *= in->dim[i];
    call->out[0]->type = call->in[0]->type;
    return BTZ_OK;
}

static enum btz_err infer_squeeze(struct btz_call *call, bool *later)
{
    const struct btz_shape *in;
    struct btz_shape *out;
    uint32_t bits, at = 0;
    bool given, known;

    BTZ_TRY(btz_call_counts(call, 1, 2));
    in = &call->in[0]->shape, out = &call->out[0]->shape;
    BTZ_TRY(btz_want_axes(call, 1, 13, in->rank, &bits, &given, &known));
    call->out[0]->type = call->in[0]->type;
    *later = !known;
    for (uint32_t i = 0; i < in->rank && known; i++) {
        bool drop = given ? bits >> i & 1 : in->dim[i] == 1;

        if (drop && in->dim[i] != 1)
            return btz_op_fail(call, BTZ_INPUT, "axis %" PRIu32 " has %" PRId64 " elements", i,
                               in->dim[i]);
        if (!drop)
            out->dim[at++] = in->dim[i];
    }
    out->rank = at;
    return BTZ_OK;
}

static enum btz_err infer_unsqueeze(struct btz_call *call, bool *later)
{
    const struct btz_shape *in;
    struct btz_shape *out;
    uint32_t bits, count, from = 0;
    int64_t axes[BTZ_RANK_MAX];
    bool given, known;

    BTZ_TRY(btz_call_counts(call, 1, 2));
    in = &call->in[0]->shape, out = &call->out[0]->shape;
    call->out[0]->type = call->in[0]->type;
    if (call->node->opset >= 13) {
        BTZ_TRY(btz_want_ints(call, 1, axes, &count, &known));
        if (!known) {
            *later = true;
            return BTZ_OK;
        }
    } else {
        const struct btz_attr *a = btz_attr(call->node, "axes");
        count = a && a->count <= BTZ_RANK_MAX ? (uint32_t)a->count : 0;
    }
    if (!count || in->rank + count > BTZ_RANK_MAX)
        return btz_op_fail(call, BTZ_INPUT, "%" PRIu32 " axes for an input of %" PRIu32, count,
                           in->rank);
    BTZ_TRY(btz_want_axes(call, 1, 13, in->rank + count, &bits, &given, &known));
    out->rank = in->rank + count;
    for (uint32_t i = 0; i < out->rank; i++)
        out->dim[i] = bits >> i & 1 ? 1 : in->dim[from++];
    return BTZ_OK;
}

static enum btz_err infer_identity(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    return btz_infer_same(call, later);
}

/* ---- from shapes ------------------------------------------------------------------------------------------------------ */

static enum btz_err shape_range(const struct btz_call *call, int64_t *from, int64_t *to)
{
    int64_t rank = call->in[0]->shape.rank;

    BTZ_TRY(btz_attr_int(call->node, "start", 0, from));
    BTZ_TRY(btz_attr_int(call->node, "end", rank, to));
    *from += *from < 0 ? rank : 0;
    *to += *to < 0 ? rank : 0;
    *from = *from < 0 ? 0 : *from > rank ? rank : *from;
    *to = *to < *from ? *from : *to > rank ? rank : *to;
    return BTZ_OK;
}

static enum btz_err infer_shape(struct btz_call *call, bool *later)
{
    int64_t from, to;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(shape_range(call, &from, &to));
    call->out[0]->type = BTZ_I64;
    call->out[0]->shape = (struct btz_shape){ 1, { to - from } };
    return BTZ_OK;
}

static enum btz_err run_shape(struct btz_call *call)
{
    int64_t from, to;

    BTZ_TRY(shape_range(call, &from, &to));
    for (int64_t i = from; i < to; i++)
        ((int64_t *)call->out[0]->data)[i - from] = call->in[0]->shape.dim[i];
    return BTZ_OK;
}

static enum btz_err infer_size(struct btz_call *call, bool *later)
{
    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, 1));
    call->out[0]->type = BTZ_I64;
    call->out[0]->shape = (struct btz_shape){ 0 };
    return BTZ_OK;
}

static enum btz_err run_size(struct btz_call *call)
{
    *(int64_t *)call->out[0]->data = (int64_t)btz_tensor_count(call->in[0]);
    return BTZ_OK;
}

/* ---- constants -------------------------------------------------------------------------------------------------------- */

static enum btz_err constant_of(const struct btz_call *call, struct btz_tensor *out)
{
    const struct btz_attr *a;

    if (call->node->attr_count != 1)
        return btz_op_fail(call, BTZ_INPUT, "has %" PRIu32 " attributes, expected one",
                           call->node->attr_count);
    a = &call->node->attrs[0];
    /* The union of data is only read. */
    switch (a->kind) {
    case BTZ_ATTR_TENSOR:
        *out = *a->t;
        return BTZ_OK;
    case BTZ_ATTR_FLOAT:
    case BTZ_ATTR_INT:
    case BTZ_ATTR_STRING:
        *out = (struct btz_tensor){ .type = a->kind == BTZ_ATTR_FLOAT ? BTZ_F32
                                            : a->kind == BTZ_ATTR_INT ? BTZ_I64
                                                                      : BTZ_STRING };
        memcpy(&out->data, &(const void *){ &a->f }, sizeof out->data);
        return BTZ_OK;
    case BTZ_ATTR_FLOATS:
    case BTZ_ATTR_INTS:
    case BTZ_ATTR_STRINGS:
        *out = (struct btz_tensor){ .type = a->kind == BTZ_ATTR_FLOATS ? BTZ_F32
                                            : a->kind == BTZ_ATTR_INTS ? BTZ_I64
                                                                       : BTZ_STRING,
                                    .shape = { 1, { (int64_t)a->count } } };
        memcpy(&out->data, &(const void *){ a->floats }, sizeof out->data);
        return BTZ_OK;
    case BTZ_ATTR_GRAPH:
        break;
    }
    return btz_op_fail(call, BTZ_UNSUPPORTED, "of attribute '%s'", a->name);
}

static enum btz_err infer_constant(struct btz_call *call, bool *later)
{
    struct btz_tensor t;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 0, 0));
    BTZ_TRY(constant_of(call, &t));
    call->out[0]->type = btz_call_type(call, t.type);
    call->out[0]->shape = t.shape;
    return BTZ_OK;
}

static enum btz_err run_constant(struct btz_call *call)
{
    struct btz_tensor t;

    BTZ_TRY(constant_of(call, &t));
    btz_tensor_convert(&t, call->out[0]);
    return BTZ_OK;
}

static enum btz_err infer_fill(struct btz_call *call, bool *later)
{
    const struct btz_attr *value = btz_attr(call->node, "value");
    int64_t dims[BTZ_RANK_MAX];
    bool known;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_ints(call, 0, dims, &call->out[0]->shape.rank, &known));
    if (value && (value->kind != BTZ_ATTR_TENSOR || btz_tensor_count(value->t) != 1 ||
                  value->t->type == BTZ_STRING))
        return btz_op_fail(call, BTZ_INPUT, "the value is no tensor of one number");
    call->out[0]->type = btz_call_type(call, value ? value->t->type : BTZ_F32);
    *later = !known;
    for (uint32_t i = 0; i < call->out[0]->shape.rank && known; i++) {
        if (dims[i] < 0)
            return btz_op_fail(call, BTZ_INPUT, "dimension %" PRId64, dims[i]);
        call->out[0]->shape.dim[i] = dims[i];
    }
    return BTZ_OK;
}

static enum btz_err run_fill(struct btz_call *call)
{
    const struct btz_attr *value = btz_attr(call->node, "value");
    struct btz_tensor one = *call->out[0];
    size_t size = btz_type_size(one.type), bytes = btz_tensor_bytes(&one);

    memset(one.data, 0, bytes);
    if (!value || !bytes)
        return BTZ_OK;
    one.shape = (struct btz_shape){ 0 };
    btz_tensor_convert(&(struct btz_tensor){ .type = value->t->type, .data = value->t->data },
                       &one);
    for (size_t at = size; at < bytes; at += size)
        memcpy((uint8_t *)one.data + at, one.data, size);
    return BTZ_OK;
}

static enum btz_err infer_eye(struct btz_call *call, bool *later)
{
    int64_t type;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_rank(call, 0, 2, 2));
    BTZ_TRY(btz_attr_int(call->node, "dtype", call->in[0]->type, &type));
    if (type <= 0 || type > BTZ_BF16 || type == BTZ_STRING)
        return btz_op_fail(call, BTZ_INPUT, "dtype %" PRId64, type);
    call->out[0]->type = btz_call_type(call, (enum btz_type)type);
    call->out[0]->shape = call->in[0]->shape;
    return BTZ_OK;
}

static enum btz_err run_eye(struct btz_call *call)
{
    int64_t k, rows = call->out[0]->shape.dim[0], cols = call->out[0]->shape.dim[1];

    BTZ_TRY(btz_attr_int(call->node, "k", 0, &k));
    memset(call->out[0]->data, 0, btz_tensor_bytes(call->out[0]));
    for (int64_t r = 0; r < rows && k < cols && k > -rows; r++)
        if (r + k >= 0 && r + k < cols)
            btz_put_int(call->out[0], (size_t)(r * cols + r + k), 1);
    return BTZ_OK;
}

static enum btz_err infer_range(struct btz_call *call, bool *later)
{
    double n;

    BTZ_TRY(btz_call_counts(call, 3, 3));
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape.rank = 1;
    for (uint32_t i = 0; i < 3; i++) {
        if (btz_tensor_count(call->in[i]) != 1 || call->in[i]->type != call->in[0]->type ||
            call->in[i]->type == BTZ_STRING)
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is no number like the first", i);
        *later = *later || !call->in[i]->data;
    }
    if (*later)
        return BTZ_OK;
    n = ceil((btz_at_real(call->in[1], 0) - btz_at_real(call->in[0], 0)) /
             btz_at_real(call->in[2], 0));
    if (!(n < 1e15))
        return btz_op_fail(call, BTZ_INPUT, "a range without end");
    call->out[0]->shape.dim[0] = n > 0 ? (int64_t)n : 0;
    return BTZ_OK;
}

static enum btz_err run_range(struct btz_call *call)
{
    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n; i++)
        if (btz_type_is_real(call->in[0]->type))
            btz_set(call->out[0], i, btz_get(call->in[0], 0) + (double)i * btz_get(call->in[2], 0));
        else
            btz_put_int(call->out[0], i,
                        (int64_t)((uint64_t)btz_at_int(call->in[0], 0) +
                                  i * (uint64_t)btz_at_int(call->in[2], 0)));
    return BTZ_OK;
}

static enum btz_err run_view(struct btz_call *call)
{
    (void)call;
    return BTZ_OK;
}

#define VIEW(text, infers)                                                                         \
    {                                                                                              \
        .name = text, .since = 7, .infer = infers, .run = run_view, .flags = BTZ_OP_VIEW           \
    }
static const struct btz_op ops[] = {
    VIEW("Reshape", infer_reshape),
    VIEW("Flatten", infer_flatten),
    VIEW("Squeeze", infer_squeeze),
    VIEW("Unsqueeze", infer_unsqueeze),
    VIEW("Identity", infer_identity),
    { .name = "Shape",
      .since = 7,
      .infer = infer_shape,
      .run = run_shape,
      .flags = BTZ_OP_SHAPE_ONLY },
    { .name = "Size",
      .since = 7,
      .infer = infer_size,
      .run = run_size,
      .flags = BTZ_OP_SHAPE_ONLY },
    { .name = "Constant", .since = 7, .infer = infer_constant, .run = run_constant },
    { .name = "ConstantOfShape", .since = 9, .infer = infer_fill, .run = run_fill },
    { .name = "EyeLike",
      .since = 9,
      .infer = infer_eye,
      .run = run_eye,
      .flags = BTZ_OP_SHAPE_ONLY },
    { .name = "Range", .since = 11, .infer = infer_range, .run = run_range },
};
BTZ_OP_FAMILY(shape, ops);
