/*
 * Convolution and its transpose: images to columns, then matrix products; those of
 * small batches by oneDNN where it is.
 */
#include "graph/onednn.h"
#include "graph/ops/conv.h"

static void im2col(enum btz_type type, const struct btz_window *w, size_t channels,
                   const void *image, void *col)
{
    if (type == BTZ_F32)
        btz_im2col_f32(w, channels, image, col);
    else
        btz_im2col_f64(w, channels, image, col);
}

static void col2im(enum btz_type type, const struct btz_window *w, size_t channels, const void *col,
                   void *image)
{
    if (type == BTZ_F32)
        btz_col2im_f32(w, channels, col, image);
    else
        btz_col2im_f64(w, channels, col, image);
}

static void *part(const struct btz_tensor *t, size_t at)
{
    return (uint8_t *)t->data + at * btz_type_size(t->type);
}

static enum btz_err check(struct btz_call *call, int64_t *groups)
{
    BTZ_TRY(btz_call_counts(call, 2, 3));
    for (uint32_t i = 0; i < call->in_count; i++)
        if (call->in[i]) {
            BTZ_TRY(btz_want_real(call, i));
            if (call->in[i]->type != call->in[0]->type)
                return btz_op_fail(call, BTZ_INPUT, "inputs of several types");
        }
    BTZ_TRY(btz_want_rank(call, 0, 3, 5));
    BTZ_TRY(btz_want_rank(call, 1, call->in[0]->shape.rank, call->in[0]->shape.rank));
    BTZ_TRY(btz_attr_int(call->node, "group", 1, groups));
    if (*groups < 1 || call->in[0]->shape.dim[1] % *groups || call->in[1]->shape.dim[0] % *groups)
        return btz_op_fail(call, BTZ_INPUT,
                           "%" PRId64 " groups of %" PRId64 " channels and %" PRId64 " kernels",
                           *groups, call->in[0]->shape.dim[1], call->in[1]->shape.dim[0]);
    return BTZ_OK;
}

static enum btz_err check_bias(struct btz_call *call, int64_t channels)
{
    if (btz_call_in(call, 2) &&
        (call->in[2]->shape.rank != 1 || call->in[2]->shape.dim[0] != channels))
        return btz_op_fail(call, BTZ_INPUT, "the bias does not have %" PRId64 " elements",
                           channels);
    return BTZ_OK;
}

static enum btz_err check_kernel_shape(struct btz_call *call, const struct btz_shape *weights)
{
    const int64_t *list;
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, "kernel_shape", &list, &count));
    if (list &&
        (count != weights->rank - 2 || memcmp(list, &weights->dim[2], count * sizeof *list) != 0))
        return btz_op_fail(call, BTZ_INPUT, "kernel_shape is not that of the weights");
    return BTZ_OK;
}

enum btz_err btz_conv_of(struct btz_call *call, struct btz_conv *c)
{
    const struct btz_shape *x, *weights;
    int64_t groups;

    BTZ_TRY(check(call, &groups));
    x = &call->in[0]->shape, weights = &call->in[1]->shape;
    BTZ_TRY(check_bias(call, weights->dim[0]));
    if (weights->dim[1] != x->dim[1] / groups)
        return btz_op_fail(call, BTZ_INPUT,
                           "kernels of %" PRId64 " channels for groups of %" PRId64,
                           weights->dim[1], x->dim[1] / groups);
    BTZ_TRY(check_kernel_shape(call, weights));
    BTZ_TRY(btz_window_read(call, x, &weights->dim[2], &c->w));
    c->batch = (size_t)x->dim[0];
    c->groups = (size_t)groups;
    c->in_channels = (size_t)weights->dim[1];
    c->out_channels = (size_t)(weights->dim[0] / groups);
    if (!btz_size_mul(c->in_channels * c->w.kernel_size, c->w.out_size, &c->col))
        return btz_op_fail(call, BTZ_LIMIT, "needs too much memory");
    return BTZ_OK;
}

static enum btz_err infer_conv(struct btz_call *call, bool *later)
{
    struct btz_shape *out;
    struct btz_conv c;

    (void)later;
    BTZ_TRY(btz_conv_of(call, &c));
    out = &call->out[0]->shape;
    *out = call->in[0]->shape;
    out->dim[1] = call->in[1]->shape.dim[0];
    for (uint32_t i = 0; i < c.w.axes; i++)
        out->dim[2 + i] = c.w.out[3 - c.w.axes + i];
    call->out[0]->type = call->in[0]->type;
    btz_onednn_free(call->state);
    call->state = btz_onednn_fits(call, &c) ? btz_onednn_new(&c, btz_call_in(call, 2)) : NULL;
    return BTZ_OK;
}

static void release_conv(struct btz_call *call)
{
    btz_onednn_free(call->state);
}

static enum btz_err transpose_of(struct btz_call *call, struct btz_conv *c, struct btz_shape *out);

static size_t columns(const struct btz_call *call)
{
    struct btz_call copy = *call;
    struct btz_shape out;
    struct btz_conv c;
    size_t bytes;

    if (call->state)
        return btz_onednn_scratch(call->state);
    if ((strcmp(call->node->type, "Conv") == 0 ? btz_conv_of(&copy, &c)
                                               : transpose_of(&copy, &c, &out)) != BTZ_OK ||
        !btz_size_mul(c.col, btz_type_size(call->in[0]->type), &bytes))
        return SIZE_MAX;
    return btz_window_is_point(&c.w) ? 0 : bytes;
}

static void add_bias(const struct btz_tensor *bias, const struct btz_tensor *out, size_t plane)
{
    size_t channels = (size_t)out->shape.dim[1], lines = (size_t)out->shape.dim[0] * channels;

    for (size_t i = 0; i < lines; i++) {
        double b = bias ? btz_get(bias, i % channels) : 0;

        if (out->type == BTZ_F32) {
            float *to = (float *)out->data + i * plane, v = (float)b;
            for (size_t k = 0; k < plane; k++)
                to[k] = v;
        } else {
            double *to = (double *)out->data + i * plane;
            for (size_t k = 0; k < plane; k++)
                to[k] = b;
        }
    }
}

static void sum_bias(const struct btz_tensor *g, const struct btz_tensor *d, size_t plane)
{
    size_t channels = (size_t)g->shape.dim[1], lines = (size_t)g->shape.dim[0] * channels;

    for (size_t i = 0; i < lines; i++) {
        double sum = 0;

        for (size_t k = 0; k < plane; k++)
            sum += btz_get(g, i * plane + k);
        btz_add(d, i % channels, sum);
    }
}

static enum btz_err run_conv(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *weights = call->in[1], *y = call->out[0];
    struct btz_gemm g = { .type = x->type, .reference = call->reference, .alpha = 1, .beta = 1 };
    struct btz_conv c;

    if (call->state)
        return btz_onednn_run(call->state, call);
    BTZ_TRY(btz_conv_of(call, &c));
    add_bias(btz_call_in(call, 2), y, c.w.out_size);
    g.m = c.out_channels, g.n = c.w.out_size, g.k = c.in_channels * c.w.kernel_size;
    for (size_t i = 0; i < c.batch * c.groups; i++) {
        const void *image = part(x, i * c.in_channels * c.w.in_size), *col = image;

        if (!btz_window_is_point(&c.w)) {
            im2col(x->type, &c.w, c.in_channels, image, call->scratch);
            col = call->scratch;
        }
        btz_gemm(&g, part(weights, i % c.groups * g.m * g.k), col, part(y, i * g.m * g.n));
    }
    return BTZ_OK;
}

static enum btz_err grad_conv(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *weights = call->in[1], *gy = call->out_grad[0];
    struct btz_gemm dw = {
        .type = x->type, .reference = call->reference, .alpha = 1, .beta = 1, .trans_b = true
    };
    struct btz_gemm dx = {
        .type = x->type, .reference = call->reference, .alpha = 1, .trans_a = true
    };
    struct btz_conv c;
    bool point;

    BTZ_TRY(btz_conv_of(call, &c));
    if (btz_call_in_grad(call, 2))
        sum_bias(gy, call->in_grad[2], c.w.out_size);
    if (call->state)
        return btz_onednn_grad(call->state, call);
    point = btz_window_is_point(&c.w);
    dw.m = dx.k = c.out_channels;
    dw.n = dx.m = c.in_channels * c.w.kernel_size;
    dw.k = dx.n = c.w.out_size;
    dx.beta = point ? 1 : 0;
    for (size_t i = 0; i < c.batch * c.groups; i++) {
        size_t at = i * c.in_channels * c.w.in_size, kernel = i % c.groups * dw.m * dw.n;
        const void *g = part(gy, i * c.out_channels * c.w.out_size);

        if (call->in_grad[1]) {
            if (!point)
                im2col(x->type, &c.w, c.in_channels, part(x, at), call->scratch);
            btz_gemm(&dw, g, point ? part(x, at) : call->scratch, part(call->in_grad[1], kernel));
        }
        if (call->in_grad[0]) {
            btz_gemm(&dx, part(weights, kernel), g,
                     point ? part(call->in_grad[0], at) : call->scratch);
            if (!point)
                col2im(x->type, &c.w, c.in_channels, call->scratch, part(call->in_grad[0], at));
        }
    }
    return BTZ_OK;
}

/* ---- ConvTranspose: the window slides over the output ----------------------------------------------------------------- */

/* Output extents and pads; `spatial` of the output comes from output_shape or from the formula. */
static enum btz_err transpose_extent(struct btz_call *call, struct btz_window *w,
                                     const struct btz_shape *x)
{
    const int64_t *shape, *extra;
    size_t shape_count, extra_count;
    struct btz_slice mode;

    BTZ_TRY(btz_attr_ints(call->node, "output_shape", &shape, &shape_count));
    BTZ_TRY(btz_attr_ints(call->node, "output_padding", &extra, &extra_count));
    BTZ_TRY(btz_attr_string(call->node, "auto_pad", "NOTSET", &mode));
    if ((shape && shape_count < w->axes) || (extra && extra_count != w->axes))
        return btz_op_fail(call, BTZ_INPUT, "output_shape or output_padding has too few numbers");
    for (uint32_t i = 0; i < w->axes; i++) {
        uint32_t k = 3 - w->axes + i;
        int64_t reach = (w->kernel[k] - 1) * w->dilation[k] + 1, more = extra ? extra[i] : 0, total;
        bool same = btz_slice_has_prefix(mode, btz_str("SAME"));

        if (more < 0 || more > INT32_MAX)
            return btz_op_fail(call, BTZ_INPUT, "output_padding %" PRId64, more);
        w->out[k] = x->dim[2 + i];
        if (shape || same) {
            int64_t want = shape ? shape[shape_count - w->axes + i] : w->out[k] * w->stride[k];

            if (want < 1 || want > INT32_MAX)
                return btz_op_fail(call, BTZ_INPUT, "output_shape %" PRId64, want);
            total = w->stride[k] * (w->out[k] - 1) + more + reach - want;
            if (total < 0) {
                more -= total;
                total = 0;
            }
            w->pad[k] = btz_slice_is(mode, "SAME_UPPER") || !same ? total / 2 : total - total / 2;
            if (!same && !btz_slice_is(mode, "SAME_UPPER"))
                w->pad[k] = total - total / 2;
            w->pad_end[k] = total - w->pad[k];
            w->in[k] = want;
        } else
            w->in[k] = w->stride[k] * (w->out[k] - 1) + more + reach - w->pad[k] - w->pad_end[k];
        if (w->in[k] < 1 || w->in[k] > INT32_MAX)
            return btz_op_fail(call, BTZ_INPUT, "an output of %" PRId64 " elements in one axis",
                               w->in[k]);
    }
    return BTZ_OK;
}

static enum btz_err transpose_of(struct btz_call *call, struct btz_conv *c, struct btz_shape *out)
{
    const struct btz_shape *x, *weights;
    struct btz_shape wide;
    int64_t groups;

    BTZ_TRY(check(call, &groups));
    x = &call->in[0]->shape, weights = &call->in[1]->shape;
    if (weights->dim[0] != x->dim[1])
        return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " kernels for %" PRId64 " channels",
                           weights->dim[0], x->dim[1]);
    if (weights->dim[1] > INT32_MAX || groups > INT32_MAX)
        return btz_op_fail(call, BTZ_LIMIT, "too many channels");
    BTZ_TRY(check_bias(call, weights->dim[1] * groups));
    BTZ_TRY(check_kernel_shape(call, weights));
    /* Only the attributes: extents wide enough for any window. */
    wide = *x;
    for (uint32_t i = 2; i < x->rank; i++) {
        if (x->dim[i] > INT32_MAX || weights->dim[i] < 1)
            return btz_op_fail(call, BTZ_LIMIT, "an image of %" PRId64 " elements in one axis",
                               x->dim[i]);
        wide.dim[i] = 1 << 20;
    }
    BTZ_TRY(btz_window_read(call, &wide, &weights->dim[2], &c->w));
    BTZ_TRY(transpose_extent(call, &c->w, x));
    c->w.in_size = c->w.out_size = 1;
    *out = *x;
    out->dim[1] = weights->dim[1] * groups;
    for (uint32_t i = 0; i < 3; i++) {
        if (i < 3 - c->w.axes)
            c->w.in[i] = c->w.out[i] = 1;
        else
            out->dim[i + c->w.axes - 1] = c->w.in[i];
        if (!btz_size_mul(c->w.in_size, (size_t)c->w.in[i], &c->w.in_size) ||
            !btz_size_mul(c->w.out_size, (size_t)c->w.out[i], &c->w.out_size))
            return btz_op_fail(call, BTZ_LIMIT, "images that are too large");
    }
    c->batch = (size_t)x->dim[0];
    c->groups = (size_t)groups;
    c->in_channels =
        (size_t)weights->dim[1]; /* of the image over which the window slides: the output */
    c->out_channels = (size_t)(weights->dim[0] / groups);
    if (!btz_size_mul(c->in_channels * c->w.kernel_size, c->w.out_size, &c->col))
        return btz_op_fail(call, BTZ_LIMIT, "needs too much memory");
    return BTZ_OK;
}

static enum btz_err infer_transpose(struct btz_call *call, bool *later)
{
    struct btz_conv c;

    (void)later;
    BTZ_TRY(transpose_of(call, &c, &call->out[0]->shape));
    call->out[0]->type = call->in[0]->type;
    return BTZ_OK;
}

static enum btz_err run_transpose(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *weights = call->in[1], *y = call->out[0];
    struct btz_gemm g = {
        .type = x->type, .reference = call->reference, .alpha = 1, .trans_a = true
    };
    struct btz_shape out;
    struct btz_conv c;
    bool point;

    BTZ_TRY(transpose_of(call, &c, &out));
    point = btz_window_is_point(&c.w);
    add_bias(btz_call_in(call, 2), y, c.w.in_size);
    g.m = c.in_channels * c.w.kernel_size, g.n = c.w.out_size, g.k = c.out_channels;
    g.beta = point ? 1 : 0;
    for (size_t i = 0; i < c.batch * c.groups; i++) {
        void *image = part(y, i * c.in_channels * c.w.in_size);

        btz_gemm(&g, part(weights, i % c.groups * g.m * g.k), part(x, i * g.k * g.n),
                 point ? image : call->scratch);
        if (!point)
            col2im(x->type, &c.w, c.in_channels, call->scratch, image);
    }
    return BTZ_OK;
}

static enum btz_err grad_transpose(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *weights = call->in[1], *gy = call->out_grad[0];
    struct btz_gemm dx = { .type = x->type, .reference = call->reference, .alpha = 1, .beta = 1 };
    struct btz_gemm dw = {
        .type = x->type, .reference = call->reference, .alpha = 1, .beta = 1, .trans_b = true
    };
    struct btz_shape out;
    struct btz_conv c;

    BTZ_TRY(transpose_of(call, &c, &out));
    dx.m = dw.m = c.out_channels;
    dx.k = dw.n = c.in_channels * c.w.kernel_size;
    dx.n = dw.k = c.w.out_size;
    for (size_t i = 0; i < c.batch * c.groups; i++) {
        size_t kernel = i % c.groups * dw.m * dw.n;
        const void *image = part(gy, i * c.in_channels * c.w.in_size), *col = image;

        if (!btz_window_is_point(&c.w)) {
            im2col(x->type, &c.w, c.in_channels, image, call->scratch);
            col = call->scratch;
        }
        if (call->in_grad[0])
            btz_gemm(&dx, part(weights, kernel), col, part(call->in_grad[0], i * dx.m * dx.n));
        if (call->in_grad[1])
            btz_gemm(&dw, part(x, i * dx.m * dx.n), col, part(call->in_grad[1], kernel));
    }
    if (btz_call_in_grad(call, 2))
        sum_bias(gy, call->in_grad[2], c.w.in_size);
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "Conv",
      .since = 7,
      .infer = infer_conv,
      .run = run_conv,
      .grad = grad_conv,
      .scratch = columns,
      .lanes = &btz_conv_lanes,
      .release = release_conv,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "ConvTranspose",
      .since = 7,
      .infer = infer_transpose,
      .run = run_transpose,
      .grad = grad_transpose,
      .scratch = columns,
      .flags = BTZ_OP_GRAD_IN },
};
BTZ_OP_FAMILY(conv, ops);
