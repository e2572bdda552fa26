/*
 * Sliding windows: geometry, images to columns.
 */
#include "graph/ops/window.h"

#define REAL  float
#define N(id) id##_f32
#include "graph/window_real.h"
#undef REAL
#undef N
#define REAL  double
#define N(id) id##_f64
#include "graph/window_real.h"

#define EXTENT_MAX INT32_MAX

bool btz_window_is_point(const struct btz_window *w)
{
    for (int i = 0; i < 3; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad[i] || w->pad_end[i])
            return false;
    return true;
}

static enum btz_err read_list(const struct btz_call *call, const char *name, uint32_t axes,
                              int64_t least, int64_t out[3])
{
    const int64_t *list;
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, name, &list, &count));
    if (!list)
        return BTZ_OK;
    if (count != axes)
        return btz_op_fail(call, BTZ_INPUT, "%s has %zu numbers, expected %" PRIu32, name, count,
                           axes);
    for (uint32_t i = 0; i < axes; i++) {
        if (list[i] < least || list[i] > EXTENT_MAX)
            return btz_op_fail(call, BTZ_INPUT, "%s has %" PRId64, name, list[i]);
        out[3 - axes + i] = list[i];
    }
    return BTZ_OK;
}

static enum btz_err read_pads(const struct btz_call *call, struct btz_window *w)
{
    const int64_t *list;
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, "pads", &list, &count));
    if (!list)
        return BTZ_OK;
    if (count != 2 * (size_t)w->axes)
        return btz_op_fail(call, BTZ_INPUT, "pads has %zu numbers, expected %" PRIu32, count,
                           2 * w->axes);
    for (size_t i = 0; i < count; i++) {
        if (list[i] < 0 || list[i] > EXTENT_MAX)
            return btz_op_fail(call, BTZ_UNSUPPORTED, "pads has %" PRId64, list[i]);
        (i < w->axes ? w->pad : w->pad_end)[3 - w->axes + i % w->axes] = list[i];
    }
    return BTZ_OK;
}

static enum btz_err outputs(const struct btz_call *call, struct btz_window *w)
{
    struct btz_slice mode;
    int64_t ceil_mode;
    bool upper, lower;

    BTZ_TRY(btz_attr_string(call->node, "auto_pad", "NOTSET", &mode));
    BTZ_TRY(btz_attr_int(call->node, "ceil_mode", 0, &ceil_mode));
    upper = btz_slice_is(mode, "SAME_UPPER"), lower = btz_slice_is(mode, "SAME_LOWER");
    if (!upper && !lower && !btz_slice_is(mode, "NOTSET") && !btz_slice_is(mode, "VALID"))
        return btz_op_fail(call, BTZ_INPUT, "auto_pad %.*s", BTZ_SLICE_ARG(mode));
    for (int i = 0; i < 3; i++) {
        int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1, room;

        if (upper || lower) {
            int64_t total;

            w->out[i] = (w->in[i] + w->stride[i] - 1) / w->stride[i];
            total = (w->out[i] - 1) * w->stride[i] + reach - w->in[i];
            total = total < 0 ? 0 : total;
            w->pad[i] = upper ? total / 2 : total - total / 2;
            w->pad_end[i] = total - w->pad[i];
            continue;
        }
        if (btz_slice_is(mode, "VALID"))
            w->pad[i] = w->pad_end[i] = 0;
        room = w->in[i] + w->pad[i] + w->pad_end[i] - reach;
        if (room < 0)
            return btz_op_fail(call, BTZ_INPUT, "a window of %" PRId64 " over %" PRId64 " elements",
                               reach, w->in[i] + w->pad[i] + w->pad_end[i]);
        w->out[i] = (room + (ceil_mode ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
        /* A window may not begin in the padding behind. */
        if (ceil_mode && (w->out[i] - 1) * w->stride[i] >= w->in[i] + w->pad[i])
            w->out[i]--;
    }
    return BTZ_OK;
}

enum btz_err btz_window_read(const struct btz_call *call, const struct btz_shape *image,
                             const int64_t *kernel, struct btz_window *w)
{
    if (image->rank < 3 || image->rank > 5)
        return btz_op_fail(call, BTZ_UNSUPPORTED,
                           "images of %" PRIu32 " axes, supported are 1 to 3",
                           image->rank < 2 ? 0 : image->rank - 2);
    *w = (struct btz_window){ .axes = image->rank - 2,
                              .in = { 1, 1, 1 },
                              .kernel = { 1, 1, 1 },
                              .stride = { 1, 1, 1 },
                              .dilation = { 1, 1, 1 } };
    for (uint32_t i = 0; i < w->axes; i++) {
        w->in[3 - w->axes + i] = image->dim[2 + i];
        if (kernel)
            w->kernel[3 - w->axes + i] = kernel[i];
        if (image->dim[2 + i] > EXTENT_MAX)
            return btz_op_fail(call, BTZ_LIMIT, "an image of %" PRId64 " elements in one axis",
                               image->dim[2 + i]);
    }
    if (!kernel && !btz_attr(call->node, "kernel_shape"))
        return btz_op_fail(call, BTZ_INPUT, "kernel_shape is missing");
    if (!kernel)
        BTZ_TRY(read_list(call, "kernel_shape", w->axes, 1, w->kernel));
    BTZ_TRY(read_list(call, "strides", w->axes, 1, w->stride));
    BTZ_TRY(read_list(call, "dilations", w->axes, 1, w->dilation));
    BTZ_TRY(read_pads(call, w));
    for (int i = 0; i < 3; i++)
        if (w->kernel[i] < 1 || w->kernel[i] > EXTENT_MAX ||
            w->dilation[i] > EXTENT_MAX / w->kernel[i])
            return btz_op_fail(call, BTZ_LIMIT, "a window of %" PRId64 " elements", w->kernel[i]);
    BTZ_TRY(outputs(call, w));
    w->in_size = w->out_size = w->kernel_size = 1;
    for (int i = 0; i < 3; i++)
        if (!btz_size_mul(w->in_size, (size_t)w->in[i], &w->in_size) ||
            !btz_size_mul(w->out_size, (size_t)w->out[i], &w->out_size) ||
            !btz_size_mul(w->kernel_size, (size_t)w->kernel[i], &w->kernel_size))
            return btz_op_fail(call, BTZ_LIMIT, "images that are too large");
    return BTZ_OK;
}
