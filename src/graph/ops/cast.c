/*
 * Conversions, and what makes truth values.
 */
#include <math.h>

#include "graph/kernel.h"

static enum btz_err cast_to(const struct btz_call *call, enum btz_type *out)
{
    int64_t to;

    if (strcmp(call->node->type, "CastLike") == 0) {
        enum btz_type declared = call->model->values[call->node->in[1]].type;

        *out = declared ? declared : call->in[1]->type;
        return BTZ_OK;
    }
    BTZ_TRY(btz_attr_int(call->node, "to", 0, &to));
    if (to <= 0 || to > BTZ_BF16 || !btz_type_size((enum btz_type)to))
        return btz_op_fail(call, BTZ_UNSUPPORTED, "to type %" PRId64, to);
    *out = (enum btz_type)to;
    return BTZ_OK;
}

static enum btz_err infer_cast(struct btz_call *call, bool *later)
{
    enum btz_type to;

    BTZ_TRY(btz_call_counts(call, strcmp(call->node->type, "CastLike") == 0 ? 2 : 1, 2));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(cast_to(call, &to));
    if ((to == BTZ_STRING) != (call->in[0]->type == BTZ_STRING) && to != BTZ_STRING &&
        !btz_type_is_real(btz_call_type(call, to)))
        return btz_op_fail(call, BTZ_UNSUPPORTED, "from strings to %s", btz_type_name(to));
    if (to == BTZ_STRING && call->in[0]->type != BTZ_STRING)
        return btz_op_fail(call, BTZ_UNSUPPORTED, "to strings");
    call->out[0]->type = btz_call_type(call, to);
    return BTZ_OK;
}

static enum btz_err strings_to_reals(struct btz_call *call)
{
    const struct btz_slice *s = call->in[0]->data;

    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        static const struct {
            const char *text;
            double value;
        } special[] = { { "NaN", NAN },        { "nan", NAN },       { "INF", INFINITY },
                        { "+INF", INFINITY },  { "inf", INFINITY },  { "+inf", INFINITY },
                        { "-INF", -INFINITY }, { "-inf", -INFINITY } };
        double v = 0;
        bool found = false;

        for (size_t k = 0; k < BTZ_COUNT(special) && !found; k++)
            if (btz_slice_is(s[i], special[k].text)) {
                v = special[k].value;
                found = true;
            }
        if (!found && btz_parse_double(s[i], &v) != BTZ_OK)
            return btz_op_fail_at(call, BTZ_INPUT);
        btz_put_real(call->out[0], i, v);
    }
    return BTZ_OK;
}

static enum btz_err run_cast(struct btz_call *call)
{
    enum btz_type to = BTZ_TYPE_NONE;

    if (call->in[0]->type == BTZ_STRING && call->out[0]->type != BTZ_STRING)
        return strings_to_reals(call);
    btz_tensor_convert(call->in[0], call->out[0]);
    BTZ_TRY(cast_to(call, &to));
    for (size_t i = 0, n = btz_tensor_count(call->out[0]);
         i < n && (to == BTZ_F16 || to == BTZ_BF16); i++) {
        float v = (float)btz_get(call->out[0], i);
        uint32_t bits;

        if (to == BTZ_F16)
            v = btz_f16_to_f32(btz_f32_to_f16(v));
        else if (call->node->opset >= 19)
            v = btz_bf16_to_f32(btz_f32_to_bf16(v));
        else { /* before it was said how to round, the low bits were dropped */
            memcpy(&bits, &v, sizeof bits);
            bits &= 0xffff0000;
            memcpy(&v, &bits, sizeof bits);
        }
        btz_set(call->out[0], i, (double)v);
    }
    return BTZ_OK;
}

static enum btz_err grad_cast(struct btz_call *call)
{
    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n && call->in_grad[0]; i++)
        btz_add(call->in_grad[0], i, btz_get(call->out_grad[0], i));
    return BTZ_OK;
}

/* ---- comparisons and logic -------------------------------------------------------------------------------------------- */

static enum btz_err infer_compare(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(btz_infer_broadcast(call, later));
    if (call->in[0]->type != call->in[1]->type)
        return btz_op_fail(call, BTZ_INPUT, "inputs of types %s and %s",
                           btz_type_name(call->in[0]->type), btz_type_name(call->in[1]->type));
    call->out[0]->type = BTZ_BOOL;
    return BTZ_OK;
}

static enum btz_err infer_bits(struct btz_call *call, bool *later)
{
    BTZ_TRY(infer_compare(call, later));
    if (!btz_type_is_integer(call->in[0]->type))
        return btz_op_fail(call, BTZ_INPUT, "is not for inputs of type %s",
                           btz_type_name(call->in[0]->type));
    call->out[0]->type = call->in[0]->type;
    return BTZ_OK;
}

/* By name: -1, 0, 1 for less, equal, greater; 2: not comparable. */
static int order(const struct btz_tensor *a, size_t i, const struct btz_tensor *b, size_t j)
{
    if (btz_type_is_real(a->type)) {
        double x = btz_get(a, i), y = btz_get(b, j);

        return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
    }
    if (a->type == BTZ_STRING)
        return btz_slice_equal(((const struct btz_slice *)a->data)[i],
                               ((const struct btz_slice *)b->data)[j])
                   ? 0
                   : 2;
    {
        int64_t x = btz_at_int(a, i), y = btz_at_int(b, j);

        if (a->type == BTZ_U64)
            return (uint64_t)x < (uint64_t)y ? -1 : (uint64_t)x > (uint64_t)y;
        return x < y ? -1 : x > y;
    }
}

static int64_t bits(const char *what, int64_t x, int64_t y, bool right)
{
    if (strcmp(what, "BitShift") == 0)
        return y < 0 || y > 63 ? 0
               : right         ? (int64_t)((uint64_t)x >> y)
                               : (int64_t)((uint64_t)x << y);
    return strcmp(what, "BitwiseAnd") == 0 ? x & y : strcmp(what, "BitwiseOr") == 0 ? x | y : x ^ y;
}

static bool judge(const char *what, const struct btz_tensor *a, size_t i,
                  const struct btz_tensor *b, size_t j)
{
    bool x, y;
    int o;

    switch (what[0]) {
    case 'E':
        return order(a, i, b, j) == 0;
    case 'G':
        o = order(a, i, b, j);
        return o == 1 || (o == 0 && what[7]); /* Greater, GreaterOrEqual */
    case 'L':
        o = order(a, i, b, j);
        return o == -1 || (o == 0 && what[4]);
    }
    x = btz_at_int(a, i) != 0, y = btz_at_int(b, j) != 0;
    return what[0] == 'A' ? x && y : what[0] == 'O' ? x || y : x != y;
}

static enum btz_err run_compare(struct btz_call *call)
{
    const struct btz_tensor *a = call->in[0], *b = call->in[1];
    const char *what = call->node->type;
    struct btz_slice direction = { 0 };
    struct btz_walk w;
    size_t at = 0;

    if (strcmp(what, "BitShift") == 0)
        BTZ_TRY(btz_attr_string(call->node, "direction", "", &direction));
    btz_walk_init(&w, &call->out[0]->shape, 2,
                  (const struct btz_shape *const[]){ &a->shape, &b->shape });
    BTZ_WALK(&w)
    for (size_t k = 0; k < w.len; k++, at++) {
        size_t i = w.at[0] + k * w.step[0], j = w.at[1] + k * w.step[1];

        if (what[0] == 'B')
            btz_put_int(
                call->out[0], at,
                bits(what, btz_at_int(a, i), btz_at_int(b, j), btz_slice_is(direction, "RIGHT")));
        else
            ((uint8_t *)call->out[0]->data)[at] = judge(what, a, i, b, j);
    }
    return BTZ_OK;
}

static enum btz_err infer_test(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    if (strcmp(call->node->type, "Not") == 0)
        return call->in[0]->type == BTZ_BOOL ? BTZ_OK : btz_op_fail(call, BTZ_INPUT, "wants bool");
    if (strcmp(call->node->type, "BitwiseNot") == 0)
        return btz_type_is_integer(call->in[0]->type)
                   ? BTZ_OK
                   : btz_op_fail(call, BTZ_INPUT, "wants integers");
    BTZ_TRY(btz_want_real(call, 0));
    call->out[0]->type = BTZ_BOOL;
    return BTZ_OK;
}

static enum btz_err run_test(struct btz_call *call)
{
    const char *what = call->node->type;
    int64_t low = 1, high = 1;

    BTZ_TRY(btz_attr_int(call->node, "detect_negative", 1, &low));
    BTZ_TRY(btz_attr_int(call->node, "detect_positive", 1, &high));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        if (what[0] == 'N')
            btz_put_int(call->out[0], i, !btz_at_int(call->in[0], i));
        else if (what[0] == 'B')
            btz_put_int(call->out[0], i, ~btz_at_int(call->in[0], i));
        else {
            double v = btz_get(call->in[0], i);

            btz_put_int(call->out[0], i,
                        what[2] == 'N' ? isnan(v)
                                       : isinf(v) && ((v < 0 && low) || (v > 0 && high)));
        }
    }
    return BTZ_OK;
}

/* ---- Where, Clip ------------------------------------------------------------------------------------------------------ */

static enum btz_err infer_where(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 3, 3));
    BTZ_TRY(btz_infer_broadcast(call, later));
    if (call->in[0]->type != BTZ_BOOL || call->in[1]->type != call->in[2]->type)
        return btz_op_fail(call, BTZ_INPUT, "inputs of types %s, %s and %s",
                           btz_type_name(call->in[0]->type), btz_type_name(call->in[1]->type),
                           btz_type_name(call->in[2]->type));
    call->out[0]->type = call->in[1]->type;
    return BTZ_OK;
}

static void walk_where(struct btz_call *call, struct btz_walk *w)
{
    btz_walk_init(w, &call->out[0]->shape, 3,
                  (const struct btz_shape *const[]){ &call->in[0]->shape, &call->in[1]->shape,
                                                     &call->in[2]->shape });
}

static enum btz_err run_where(struct btz_call *call)
{
    size_t at = 0, size = btz_type_size(call->out[0]->type);
    struct btz_walk w;

    walk_where(call, &w);
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++, at++) {
        uint32_t k = ((const uint8_t *)call->in[0]->data)[w.at[0] + i * w.step[0]] ? 1 : 2;

        memcpy((uint8_t *)call->out[0]->data + at * size,
               (const uint8_t *)call->in[k]->data + (w.at[k] + i * w.step[k]) * size, size);
    }
    return BTZ_OK;
}

static enum btz_err grad_where(struct btz_call *call)
{
    struct btz_walk w;
    size_t at = 0;

    walk_where(call, &w);
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++, at++) {
        uint32_t k = ((const uint8_t *)call->in[0]->data)[w.at[0] + i * w.step[0]] ? 1 : 2;

        if (call->in_grad[k])
            btz_add(call->in_grad[k], w.at[k] + i * w.step[k], btz_get(call->out_grad[0], at));
    }
    return BTZ_OK;
}

static enum btz_err bounds(const struct btz_call *call, double *low, double *high)
{
    *low = -INFINITY;
    *high = INFINITY;
    if (call->node->opset < 11) {
        float a, b;

        BTZ_TRY(btz_attr_float(call->node, "min", -INFINITY, &a));
        BTZ_TRY(btz_attr_float(call->node, "max", INFINITY, &b));
        *low = a;
        *high = b;
        return BTZ_OK;
    }
    if (btz_call_in(call, 1))
        *low = btz_at_real(call->in[1], 0);
    if (btz_call_in(call, 2))
        *high = btz_at_real(call->in[2], 0);
    return BTZ_OK;
}

static enum btz_err infer_clip(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 3));
    for (uint32_t i = 1; i < call->in_count; i++)
        if (call->in[i] && btz_tensor_count(call->in[i]) != 1)
            return btz_op_fail(call, BTZ_INPUT, "a bound is no scalar");
    return btz_infer_same(call, later);
}

static enum btz_err run_clip(struct btz_call *call)
{
    double low, high;

    BTZ_TRY(bounds(call, &low, &high));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        if (btz_type_is_real(call->in[0]->type)) {
            double v = btz_get(call->in[0], i);

            v = v < low ? low : v;
            btz_set(call->out[0], i, v > high ? high : v);
        } else {
            int64_t v = btz_at_int(call->in[0], i);
            bool uns = call->in[0]->type == BTZ_U64;

            if (btz_call_in(call, 1)) {
                int64_t a = btz_at_int(call->in[1], 0);
                v = (uns ? (uint64_t)v < (uint64_t)a : v < a) ? a : v;
            }
            if (btz_call_in(call, 2)) {
                int64_t b = btz_at_int(call->in[2], 0);
                v = (uns ? (uint64_t)v > (uint64_t)b : v > b) ? b : v;
            }
            btz_put_int(call->out[0], i, v);
        }
    }
    return BTZ_OK;
}

static enum btz_err grad_clip(struct btz_call *call)
{
    double low, high;

    BTZ_TRY(bounds(call, &low, &high));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        double v = btz_get(call->in[0], i), g = btz_get(call->out_grad[0], i);

        if (v > high || high < low) {
            if (btz_call_in_grad(call, 2))
                btz_add(call->in_grad[2], 0, g);
        } else if (v < low) {
            if (btz_call_in_grad(call, 1))
                btz_add(call->in_grad[1], 0, g);
        } else if (call->in_grad[0])
            btz_add(call->in_grad[0], i, g);
    }
    return BTZ_OK;
}

#define COMPARE(text, from)                                                                        \
    {                                                                                              \
        .name = text, .since = from, .infer = infer_compare, .run = run_compare                    \
    }
#define BITS(text, from)                                                                           \
    {                                                                                              \
        .name = text, .since = from, .infer = infer_bits, .run = run_compare                       \
    }
#define TEST(text, from)                                                                           \
    {                                                                                              \
        .name = text, .since = from, .infer = infer_test, .run = run_test                          \
    }
static const struct btz_op ops[] = {
    { .name = "Cast", .since = 7, .infer = infer_cast, .run = run_cast, .grad = grad_cast },
    { .name = "CastLike", .since = 15, .infer = infer_cast, .run = run_cast, .grad = grad_cast },
    COMPARE("Equal", 7),
    COMPARE("Greater", 7),
    COMPARE("GreaterOrEqual", 12),
    COMPARE("Less", 7),
    COMPARE("LessOrEqual", 12),
    COMPARE("And", 7),
    COMPARE("Or", 7),
    COMPARE("Xor", 7),
    BITS("BitShift", 11),
    BITS("BitwiseAnd", 18),
    BITS("BitwiseOr", 18),
    BITS("BitwiseXor", 18),
    TEST("Not", 1),
    TEST("BitwiseNot", 18),
    TEST("IsNaN", 9),
    TEST("IsInf", 10),
    { .name = "Where",
      .since = 9,
      .infer = infer_where,
      .run = run_where,
      .grad = grad_where,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "Clip",
      .since = 7,
      .infer = infer_clip,
      .run = run_clip,
      .grad = grad_clip,
      .flags = BTZ_OP_GRAD_IN,
      .settings = 6 },
};
BTZ_OP_FAMILY(cast, ops);
