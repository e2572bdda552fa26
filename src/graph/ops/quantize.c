/*
 * Numbers of eight bits: to and from them, and products of them. None of these has a gradient: rounding has none, and a
 * straight-through one would show attacks a slope that the model does not have.
 */
#include <math.h>

#include "graph/ops/window.h"

static void range_of(enum btz_type type, int64_t *low, int64_t *high)
{
    *low = type == BTZ_I8 ? INT8_MIN : type == BTZ_I16 ? INT16_MIN : 0;
    *high = type == BTZ_I8    ? INT8_MAX
            : type == BTZ_I16 ? INT16_MAX
            : type == BTZ_U16 ? UINT16_MAX
                              : UINT8_MAX;
}

static bool is_narrow(enum btz_type type)
{
    return type == BTZ_I8 || type == BTZ_U8;
}

/* To the nearest, ties to even, then the zero point, then what fits. */
static void put(const struct btz_tensor *y, size_t i, double scaled, int64_t zero)
{
    int64_t low, high, v;

    range_of(y->type, &low, &high);
    v = btz_real_to_int(rint(scaled));
    if (scaled != scaled)
        v = 0;
    v = v < -(1 << 30) ? -(1 << 30) : v > 1 << 30 ? 1 << 30 : v;
    v += zero;
    btz_put_int(y, i, v < low ? low : v > high ? high : v);
}

/* ---- QuantizeLinear, DequantizeLinear --------------------------------------------------------------------------------- */

/* Which scale is whose: one for all, one for each index of an axis, or one for each block of an axis. */
struct scales {
    struct btz_split s;
    size_t count, block; /* block 0: none */
};

static enum btz_err scales_of(const struct btz_call *call, struct scales *q)
{
    const struct btz_shape *x = &call->in[0]->shape;
    int64_t axis, block;
    uint32_t at;

    BTZ_TRY(btz_attr_int(call->node, "axis", 1, &axis));
    BTZ_TRY(btz_attr_int(call->node, "block_size", 0, &block));
    *q = (struct scales){ { 1, 1, btz_tensor_count(call->in[0]) },
                          btz_tensor_count(call->in[1]),
                          0 };
    if (block < 0)
        return btz_op_fail(call, BTZ_INPUT, "blocks of %" PRId64, block);
    if (btz_call_in(call, 2) && btz_tensor_count(call->in[2]) != q->count)
        return btz_op_fail(call, BTZ_INPUT, "%zu scales and %zu zero points", q->count,
                           btz_tensor_count(call->in[2]));
    if (q->count == 1 && !block)
        return BTZ_OK;
    BTZ_TRY(btz_axis(call, axis, x->rank, &at));
    q->s = btz_split_at(x, at);
    q->block = (size_t)block;
    if (block) {
        struct btz_shape want = *x;

        want.dim[at] = (x->dim[at] - 1) / block + 1;
        if (!x->dim[at] || !btz_shape_equal(&want, &call->in[1]->shape))
            return btz_op_fail(call, BTZ_INPUT, "scales do not fit blocks of %" PRId64, block);
    } else if (q->count != q->s.n)
        return btz_op_fail(call, BTZ_INPUT, "%zu scales for %zu indexes", q->count, q->s.n);
    return BTZ_OK;
}

static size_t scale_at(const struct scales *q, size_t i)
{
    size_t k = i / q->s.inner % q->s.n;

    if (!q->block)
        return q->count == 1 ? 0 : k;
    return (i / (q->s.inner * q->s.n) * ((q->s.n - 1) / q->block + 1) + k / q->block) * q->s.inner +
           i % q->s.inner;
}

static enum btz_err infer_quantize(struct btz_call *call, bool *later)
{
    struct scales q;
    int64_t type;

    BTZ_TRY(btz_call_counts(call, 2, 3));
    BTZ_TRY(btz_infer_same(call, later));
    if (!btz_type_is_real(call->in[0]->type) && call->in[0]->type != BTZ_I32)
        return btz_op_fail(call, BTZ_UNSUPPORTED, "of %s", btz_type_name(call->in[0]->type));
    BTZ_TRY(btz_want_real(call, 1));
    BTZ_TRY(scales_of(call, &q));
    BTZ_TRY(btz_attr_int(call->node, "output_dtype", 0, &type));
    type = btz_call_in(call, 2) ? (int64_t)call->in[2]->type : type ? type : BTZ_U8;
    if (type != BTZ_U8 && type != BTZ_I8 && type != BTZ_U16 && type != BTZ_I16)
        return btz_op_fail(call, BTZ_UNSUPPORTED, "to type %" PRId64, type);
    call->out[0]->type = (enum btz_type)type;
    return BTZ_OK;
}

static enum btz_err run_quantize(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *zero = btz_call_in(call, 2);
    struct scales q;

    BTZ_TRY(scales_of(call, &q));
    for (size_t i = 0, n = btz_tensor_count(x); i < n; i++) {
        size_t k = scale_at(&q, i);
        double v = btz_at_real(x, i), s = btz_get(call->in[1], k);

        /* The quotient is of floats: ties are where they are for others. */
        put(call->out[0], i, call->in[1]->type == BTZ_F32 ? (double)((float)v / (float)s) : v / s,
            zero ? btz_at_int(zero, k) : 0);
    }
    return BTZ_OK;
}

static enum btz_err infer_dequantize(struct btz_call *call, bool *later)
{
    struct scales q;

    BTZ_TRY(btz_call_counts(call, 2, 3));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_want_real(call, 1));
    if (!btz_type_is_integer(call->in[0]->type) ||
        (btz_call_in(call, 2) && call->in[2]->type != call->in[0]->type))
        return btz_op_fail(call, BTZ_UNSUPPORTED, "of %s", btz_type_name(call->in[0]->type));
    BTZ_TRY(scales_of(call, &q));
    call->out[0]->type = call->in[1]->type;
    return BTZ_OK;
}

static enum btz_err run_dequantize(struct btz_call *call)
{
    const struct btz_tensor *zero = btz_call_in(call, 2);
    struct scales q;

    BTZ_TRY(scales_of(call, &q));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        size_t k = scale_at(&q, i);
        double v = btz_at_real(call->in[0], i) - (zero ? btz_at_real(zero, k) : 0);

        btz_set(call->out[0], i, v * btz_get(call->in[1], k));
    }
    return BTZ_OK;
}

/* ---- DynamicQuantizeLinear -------------------------------------------------------------------------------------------- */

static enum btz_err infer_dynamic(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_want_real(call, 0));
    if (call->out_count != 3 || !call->out[1] || !call->out[2])
        return btz_op_fail(call, BTZ_INPUT, "has %" PRIu32 " outputs, expected 3", call->out_count);
    call->out[0]->type = call->out[2]->type = BTZ_U8;
    call->out[1]->type = call->in[0]->type;
    call->out[1]->shape = call->out[2]->shape = (struct btz_shape){ 0 };
    return BTZ_OK;
}

static enum btz_err run_dynamic(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0];
    double low = 0, high = 0, scale;
    size_t n = btz_tensor_count(x);

    for (size_t i = 0; i < n; i++) {
        low = fmin(low, btz_get(x, i));
        high = fmax(high, btz_get(x, i));
    }
    scale = high > low ? (double)(float)((high - low) / 255) : 1;
    btz_set(call->out[1], 0, scale);
    put(call->out[2], 0, -low / scale, 0);
    for (size_t i = 0; i < n; i++)
        put(call->out[0], i, (double)((float)btz_get(x, i) / (float)scale),
            btz_at_int(call->out[2], 0));
    return BTZ_OK;
}

/* ---- products --------------------------------------------------------------------------------------------------------- */

/* An operand: its zero point and scale are one, or one for each of `count` rows, columns or channels. */
struct operand {
    const struct btz_tensor *t, *scale, *zero;
};

static enum btz_err check_operand(struct btz_call *call, const struct operand *o, size_t count)
{
    if (!o->t || !is_narrow(o->t->type))
        return btz_op_fail(call, BTZ_UNSUPPORTED, "an operand is not of int8 or uint8");
    if (o->zero && (o->zero->type != o->t->type ||
                    (btz_tensor_count(o->zero) != 1 && btz_tensor_count(o->zero) != count)))
        return btz_op_fail(call, BTZ_INPUT, "%zu zero points for %zu", btz_tensor_count(o->zero),
                           count);
    if (o->scale && (!btz_type_is_real(o->scale->type) ||
                     (btz_tensor_count(o->scale) != 1 && btz_tensor_count(o->scale) != count)))
        return btz_op_fail(call, BTZ_INPUT, "%zu scales for %zu", btz_tensor_count(o->scale),
                           count);
    return BTZ_OK;
}

static int64_t zero_at(const struct operand *o, size_t k)
{
    return o->zero ? btz_at_int(o->zero, btz_tensor_count(o->zero) == 1 ? 0 : k) : 0;
}

static double scale_of(const struct operand *o, size_t k)
{
    return o->scale ? btz_get(o->scale, btz_tensor_count(o->scale) == 1 ? 0 : k) : 1;
}

/* Operands a, b and y of any of the four operators; y has no tensor yet while shapes are inferred. */
static void operands_of(const struct btz_call *call, struct operand o[3])
{
    memset(o, 0, 3 * sizeof o[0]);
    if (call->node->type[0] == 'Q')
        for (uint32_t k = 0; k < 3; k++)
            o[k] = (struct operand){ k < 2 ? btz_call_in(call, 3 * k) : call->out[0],
                                     btz_call_in(call, k < 2 ? 3 * k + 1 : 6),
                                     btz_call_in(call, k < 2 ? 3 * k + 2 : 7) };
    else
        for (uint32_t k = 0; k < 2; k++)
            o[k] = (struct operand){ btz_call_in(call, k), NULL, btz_call_in(call, 2 + k) };
}

static enum btz_err set_type(struct btz_call *call, const struct operand o[3])
{
    call->out[0]->type = BTZ_I32;
    if (call->node->type[0] != 'Q')
        return BTZ_OK;
    if (!o[0].scale || !o[1].scale || !o[2].scale || !o[2].zero || !is_narrow(o[2].zero->type) ||
        btz_tensor_count(o[2].scale) != 1 || btz_tensor_count(o[2].zero) != 1 ||
        !btz_type_is_real(o[2].scale->type))
        return btz_op_fail(call, BTZ_INPUT, "scales or zero points are missing or of wrong types");
    call->out[0]->type = o[2].zero->type;
    return BTZ_OK;
}

static void put_product(const struct btz_call *call, const struct operand o[3], size_t i,
                        int64_t sum, size_t row, size_t col)
{
    if (call->node->type[0] == 'Q')
        put(call->out[0], i,
            (double)sum * (scale_of(&o[0], row) * scale_of(&o[1], col) / scale_of(&o[2], 0)),
            zero_at(&o[2], 0));
    else
        btz_put_int(call->out[0], i, sum);
}

struct stack {
    struct btz_shape a, b, out;
    size_t m, n, k;
};

static enum btz_err stack_of(struct btz_call *call, const struct operand o[3], struct stack *s,
                             struct btz_shape *shape)
{
    const struct btz_shape *a, *b;
    enum btz_err err;

    if (!o[0].t || !o[1].t || !o[0].t->shape.rank || !o[1].t->shape.rank)
        return btz_op_fail(call, BTZ_INPUT, "an operand is left out or a scalar");
    a = &o[0].t->shape, b = &o[1].t->shape;
    *s = (struct stack){ .m = a->rank > 1 ? (size_t)a->dim[a->rank - 2] : 1,
                         .k = (size_t)a->dim[a->rank - 1],
                         .n = b->rank > 1 ? (size_t)b->dim[b->rank - 1] : 1 };
    if ((size_t)b->dim[b->rank > 1 ? b->rank - 2 : 0] != s->k)
        return btz_op_fail(call, BTZ_INPUT, "operands do not fit each other");
    for (; s->a.rank + 2 < a->rank; s->a.rank++)
        s->a.dim[s->a.rank] = a->dim[s->a.rank];
    for (; s->b.rank + 2 < b->rank; s->b.rank++)
        s->b.dim[s->b.rank] = b->dim[s->b.rank];
    err = btz_shape_broadcast(&s->a, &s->b, &s->out);
    if (err != BTZ_OK)
        return btz_op_fail_at(call, err);
    *shape = s->out;
    if (a->rank > 1)
        shape->dim[shape->rank++] = (int64_t)s->m;
    if (b->rank > 1)
        shape->dim[shape->rank++] = (int64_t)s->n;
    return BTZ_OK;
}

static enum btz_err infer_product(struct btz_call *call, bool *later)
{
    struct operand o[3];
    struct stack s;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 8));
    operands_of(call, o);
    BTZ_TRY(stack_of(call, o, &s, &call->out[0]->shape));
    BTZ_TRY(check_operand(call, &o[0], s.m));
    BTZ_TRY(check_operand(call, &o[1], s.n));
    return set_type(call, o);
}

static enum btz_err run_product(struct btz_call *call)
{
    struct btz_shape shape;
    struct operand o[3];
    struct btz_walk w;
    struct stack s;
    size_t matrix = 0;

    operands_of(call, o);
    BTZ_TRY(stack_of(call, o, &s, &shape));
    btz_walk_init(&w, &s.out, 2, (const struct btz_shape *const[]){ &s.a, &s.b });
    BTZ_WALK(&w)
    for (size_t e = 0; e < w.len; e++, matrix++)
        for (size_t i = 0; i < s.m; i++)
            for (size_t j = 0; j < s.n; j++) {
                size_t a = (w.at[0] + e * w.step[0]) * s.m * s.k + i * s.k,
                       b = (w.at[1] + e * w.step[1]) * s.k * s.n + j;
                int64_t za = zero_at(&o[0], i), zb = zero_at(&o[1], j), sum = 0;

                for (size_t k = 0; k < s.k; k++)
                    sum +=
                        (btz_at_int(o[0].t, a + k) - za) * (btz_at_int(o[1].t, b + k * s.n) - zb);
                put_product(call, o, (matrix * s.m + i) * s.n + j, sum, i, j);
            }
    return BTZ_OK;
}

/* ---- convolutions ----------------------------------------------------------------------------------------------------- */

static enum btz_err conv_of(struct btz_call *call, const struct operand o[3], struct btz_window *w,
                            int64_t *groups)
{
    const struct btz_shape *x, *k;

    if (!o[0].t || !o[1].t)
        return btz_op_fail(call, BTZ_INPUT, "an operand is left out");
    x = &o[0].t->shape, k = &o[1].t->shape;
    BTZ_TRY(btz_attr_int(call->node, "group", 1, groups));
    if (x->rank < 3 || x->rank > 5 || k->rank != x->rank)
        return btz_op_fail(call, BTZ_UNSUPPORTED, "an image of %" PRIu32 " axes", x->rank);
    if (*groups < 1 || x->dim[1] % *groups || k->dim[0] % *groups ||
        k->dim[1] != x->dim[1] / *groups)
        return btz_op_fail(call, BTZ_INPUT,
                           "%" PRId64 " groups of %" PRId64 " channels, kernels of "
                           "%" PRId64,
                           *groups, x->dim[1], k->dim[1]);
    for (uint32_t i = 2; i < k->rank; i++)
        if (k->dim[i] < 1)
            return btz_op_fail(call, BTZ_INPUT, "an empty kernel");
    return btz_window_read(call, x, &k->dim[2], w);
}

static enum btz_err infer_conv(struct btz_call *call, bool *later)
{
    const struct btz_tensor *bias;
    struct btz_shape *out;
    struct btz_window w;
    struct operand o[3];
    int64_t groups;
    size_t channels;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 9));
    operands_of(call, o);
    BTZ_TRY(conv_of(call, o, &w, &groups));
    channels = (size_t)o[1].t->shape.dim[0];
    BTZ_TRY(check_operand(call, &o[0], 1));
    BTZ_TRY(check_operand(call, &o[1], channels));
    bias = btz_call_in(call, 8);
    if (bias && (bias->type != BTZ_I32 || btz_tensor_count(bias) != channels))
        return btz_op_fail(call, BTZ_INPUT, "the bias is not one int32 for each channel");
    out = &call->out[0]->shape;
    *out = o[0].t->shape;
    out->dim[1] = (int64_t)channels;
    for (uint32_t i = 0; i < w.axes; i++)
        out->dim[2 + i] = w.out[3 - w.axes + i];
    return set_type(call, o);
}

/* One output: channel m of image b at position p. What lies outside is the zero point: it adds nothing. */
static int64_t conv_at(const struct operand o[3], const struct btz_window *w, size_t b, size_t m,
                       size_t p, size_t group)
{
    size_t depth = (size_t)o[1].t->shape.dim[1], channels = (size_t)o[0].t->shape.dim[1];
    int64_t za = zero_at(&o[0], 0), zb = zero_at(&o[1], m), sum = 0;
    int64_t at[3] = { (int64_t)p / (w->out[1] * w->out[2]), (int64_t)p / w->out[2] % w->out[1],
                      (int64_t)p % w->out[2] };

    for (size_t k = 0; k < w->kernel_size; k++) {
        int64_t off[3] = { (int64_t)k / (w->kernel[1] * w->kernel[2]),
                           (int64_t)k / w->kernel[2] % w->kernel[1], (int64_t)k % w->kernel[2] };
        size_t from = 0;
        bool inside = true;

        for (int i = 0; i < 3; i++) {
            int64_t e = at[i] * w->stride[i] + off[i] * w->dilation[i] - w->pad[i];

            inside = inside && e >= 0 && e < w->in[i];
            from = from * (size_t)w->in[i] + (size_t)e;
        }
        for (size_t c = 0; c < depth && inside; c++)
            sum +=
                (btz_at_int(o[0].t, (b * channels + group * depth + c) * w->in_size + from) - za) *
                (btz_at_int(o[1].t, (m * depth + c) * w->kernel_size + k) - zb);
    }
    return sum;
}

static enum btz_err run_conv(struct btz_call *call)
{
    const struct btz_tensor *bias = btz_call_in(call, 8);
    struct btz_window w;
    struct operand o[3];
    int64_t groups = 1;
    size_t batch, channels, at = 0;

    operands_of(call, o);
    BTZ_TRY(conv_of(call, o, &w, &groups));
    batch = (size_t)o[0].t->shape.dim[0];
    channels = (size_t)o[1].t->shape.dim[0];
    for (size_t b = 0; b < batch; b++)
        for (size_t m = 0; m < channels; m++)
            for (size_t p = 0; p < w.out_size; p++, at++)
                put_product(call, o, at,
                            conv_at(o, &w, b, m, p, m / (channels / (size_t)groups)) +
                                (bias ? btz_at_int(bias, m) : 0),
                            0, m);
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "QuantizeLinear", .since = 10, .infer = infer_quantize, .run = run_quantize },
    { .name = "DequantizeLinear", .since = 10, .infer = infer_dequantize, .run = run_dequantize },
    { .name = "DynamicQuantizeLinear", .since = 11, .infer = infer_dynamic, .run = run_dynamic },
    { .name = "QLinearMatMul", .since = 10, .infer = infer_product, .run = run_product },
    { .name = "QLinearConv", .since = 10, .infer = infer_conv, .run = run_conv },
    { .name = "MatMulInteger", .since = 10, .infer = infer_product, .run = run_product },
    { .name = "ConvInteger", .since = 10, .infer = infer_conv, .run = run_conv },
};
BTZ_OP_FAMILY(quantize, ops);
