/*
 * Images looked at elsewhere than on their pixels, and boxes: GridSample, RoiAlign, MaxUnpool, NonMaxSuppression.
 */
#include <math.h>
#include <stdlib.h>

#include "graph/kernel.h"

/* ---- GridSample -------------------------------------------------------------------------------------------------------- */

enum pad_mode { ZEROS, BORDER, REFLECTION };
enum sample_mode { NEAREST, LINEAR, CUBIC };

struct sampler {
    enum sample_mode mode;
    enum pad_mode pads;
    bool corners;
    uint32_t axes;
    int64_t size[3]; /* of the image, without batch and channels */
    size_t batch, channels, in, out;
};

static enum btz_err sampler_of(const struct btz_call *call, struct sampler *s)
{
    const struct btz_shape *x = &call->in[0]->shape, *g = &call->in[1]->shape;
    struct btz_slice mode, pads;
    int64_t corners;

    *s = (struct sampler){ .axes = x->rank - 2, .in = 1, .out = 1 };
    BTZ_TRY(btz_attr_string(call->node, "mode", "linear", &mode));
    BTZ_TRY(btz_attr_string(call->node, "padding_mode", "zeros", &pads));
    BTZ_TRY(btz_attr_int(call->node, "align_corners", 0, &corners));
    s->corners = corners != 0;
    s->mode = btz_slice_is(mode, "nearest")                                  ? NEAREST
              : btz_slice_is(mode, "bicubic") || btz_slice_is(mode, "cubic") ? CUBIC
                                                                             : LINEAR;
    s->pads = btz_slice_is(pads, "border")  ? BORDER
              : btz_slice_is(pads, "zeros") ? ZEROS
                                            : REFLECTION;
    if ((s->mode == LINEAR && !btz_slice_is(mode, "linear") && !btz_slice_is(mode, "bilinear")) ||
        (s->pads == REFLECTION && !btz_slice_is(pads, "reflection")))
        return btz_op_fail(call, BTZ_INPUT, "mode %.*s, padding_mode %.*s", BTZ_SLICE_ARG(mode),
                           BTZ_SLICE_ARG(pads));
    if (g->rank != x->rank || g->dim[0] != x->dim[0] || g->dim[g->rank - 1] != s->axes)
        return btz_op_fail(call, BTZ_INPUT, "a grid that does not fit the image");
    s->batch = (size_t)x->dim[0];
    s->channels = (size_t)x->dim[1];
    for (uint32_t i = 0; i < s->axes; i++) {
        s->size[i] = x->dim[i + 2];
        s->in *= (size_t)x->dim[i + 2];
        s->out *= (size_t)g->dim[i + 1];
        if (!x->dim[i + 2])
            return btz_op_fail(call, BTZ_INPUT, "an image of no pixels");
    }
    return BTZ_OK;
}

static enum btz_err infer_grid(struct btz_call *call, bool *later)
{
    struct btz_shape *out;
    struct sampler s;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_real(call, 1));
    BTZ_TRY(btz_want_rank(call, 0, 3, 5));
    BTZ_TRY(sampler_of(call, &s));
    out = &call->out[0]->shape;
    *out = call->in[0]->shape;
    call->out[0]->type = call->in[0]->type;
    for (uint32_t i = 2; i < out->rank; i++)
        out->dim[i] = call->in[1]->shape.dim[i - 1];
    return BTZ_OK;
}

/* Into [low, high] as if there were mirrors; *slope: the sign with which it moves. */
static double mirror(double x, double low, double high, double *slope)
{
    double range = high - low, turns;

    *slope = 1;
    if (!isfinite(x) || range <= 0)
        return low;
    if (x < low) {
        turns = floor((low - x) / range);
        *slope = fmod(turns, 2) == 0 ? -1 : 1;
        return fmod(turns, 2) == 0 ? low + (low - x - turns * range)
                                   : high - (low - x - turns * range);
    }
    if (x > high) {
        turns = floor((x - high) / range);
        *slope = fmod(turns, 2) == 0 ? -1 : 1;
        return fmod(turns, 2) == 0 ? high - (x - high - turns * range)
                                   : low + (x - high - turns * range);
    }
    return x;
}

struct sample_tap {
    int64_t index; /* -1: nothing is there */
    double weight, slope;
};

static int64_t pixel(const struct sampler *s, uint32_t axis, double i)
{
    double n = (double)s->size[axis], slope;

    if (i >= 0 && i < n)
        return (int64_t)i;
    if (s->pads == ZEROS || !isfinite(i))
        return -1;
    if (s->pads == BORDER)
        return i < 0 ? 0 : s->size[axis] - 1;
    i = s->corners ? mirror(i, 0, n - 1, &slope) : mirror(i, -0.5, n - 0.5, &slope);
    return i < 0 ? 0 : i > n - 1 ? s->size[axis] - 1 : (int64_t)i;
}

/* The cubic kernel with a = -0.75 and its slope. */
static double cubic(double x, double *slope)
{
    double a = -0.75, d = fabs(x), sign = x < 0 ? -1 : 1;

    if (d <= 1) {
        *slope = sign * (3 * (a + 2) * d - 2 * (a + 3)) * d;
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    }
    *slope = d < 2 ? sign * ((3 * a * d - 10 * a) * d + 8 * a) : 0;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* The pixels of one axis for a coordinate of the grid; slopes are by that. */
static size_t taps_of(const struct sampler *s, uint32_t axis, double g, struct sample_tap taps[4])
{
    double n = (double)s->size[axis], scale = s->corners ? (n - 1) / 2 : n / 2,
           x = s->corners ? (g + 1) * scale : ((g + 1) * n - 1) / 2, low = s->corners ? 0 : -0.5,
           high = s->corners ? n - 1 : n - 0.5, turn;
    size_t count = s->mode == NEAREST ? 1 : s->mode == LINEAR ? 2 : 4;

    if (s->mode == NEAREST)
        x = rint(x);
    if ((x < low || x > high) && s->pads == BORDER) {
        x = x < 0 ? 0 : n - 1;
        scale = 0;
    } else if ((x < low || x > high) && s->pads == REFLECTION) {
        x = mirror(x, low, high, &turn);
        scale *= turn;
    }
    for (size_t k = 0; k < count; k++) {
        double at = s->mode == NEAREST ? rint(x) : floor(x) + (double)k - (s->mode == CUBIC),
               d = x - at, slope = 0;

        taps[k].index = pixel(s, axis, at);
        taps[k].weight = s->mode == NEAREST  ? 1
                         : s->mode == LINEAR ? 1 - fabs(d)
                                             : cubic(d, &slope);
        if (s->mode == LINEAR)
            slope = k == 0 ? -1 : 1;
        taps[k].slope = s->mode == NEAREST ? 0 : slope * scale;
    }
    return count;
}

/* One point of the grid: visits its pixels. Forward sums into `sum`; back adds to the gradients. */
static double at_point(const struct sampler *s, const struct btz_tensor *x, size_t plane,
                       struct sample_tap taps[3][4], size_t count, double go,
                       const struct btz_tensor *dx, double by_axis[3])
{
    size_t all = 1;
    double sum = 0;

    for (uint32_t i = 0; i < s->axes; i++)
        all *= count;
    for (size_t k = 0; k < all; k++) {
        double weight = 1, slopes[3] = { 1, 1, 1 }, v;
        size_t rest = k, at = 0;
        bool there = true;

        for (uint32_t i = 0; i < s->axes; i++, rest /= count) {
            const struct sample_tap *t = &taps[i][rest % count];

            there = there && t->index >= 0;
            at = at * (size_t)s->size[i] + (size_t)t->index;
            weight *= t->weight;
            for (uint32_t j = 0; j < s->axes; j++)
                slopes[j] *= i == j ? t->slope : t->weight;
        }
        if (!there)
            continue;
        v = btz_get(x, plane + at);
        sum += weight * v;
        if (dx)
            btz_add(dx, plane + at, go * weight);
        for (uint32_t j = 0; j < s->axes && by_axis; j++)
            by_axis[j] += go * v * slopes[j];
    }
    return sum;
}

static enum btz_err grid(struct btz_call *call, bool back)
{
    const struct btz_tensor *x = call->in[0], *dx = back ? call->in_grad[0] : NULL;
    struct sampler s;

    BTZ_TRY(sampler_of(call, &s));
    for (size_t b = 0; b < s.batch; b++)
        for (size_t p = 0; p < s.out; p++) {
            struct sample_tap taps[3][4];
            double by_axis[3] = { 0 };
            size_t count = 1, at = (b * s.out + p) * s.axes;

            /* The grid names the last axis first. */
            for (uint32_t i = 0; i < s.axes; i++)
                count = taps_of(&s, i, btz_get(call->in[1], at + s.axes - 1 - i), taps[i]);
            for (size_t c = 0; c < s.channels; c++) {
                size_t plane = b * s.channels + c;
                double go = back ? btz_get(call->out_grad[0], plane * s.out + p) : 0, v;

                v = at_point(&s, x, plane * s.in, taps, count, go, dx,
                             back && call->in_grad[1] ? by_axis : NULL);
                if (!back)
                    btz_set(call->out[0], plane * s.out + p, v);
            }
            for (uint32_t i = 0; i < s.axes && back && call->in_grad[1]; i++)
                btz_add(call->in_grad[1], at + s.axes - 1 - i, by_axis[i]);
        }
    return BTZ_OK;
}

static enum btz_err run_grid(struct btz_call *call)
{
    return grid(call, false);
}

static enum btz_err grad_grid(struct btz_call *call)
{
    return grid(call, true);
}

/* ---- RoiAlign ---------------------------------------------------------------------------------------------------------- */

struct roi {
    int64_t out_h, out_w, ratio, h, w;
    size_t channels, batch;
    double scale, offset;
    bool max;
};

static enum btz_err roi_of(const struct btz_call *call, struct roi *r)
{
    const struct btz_shape *x = &call->in[0]->shape;
    struct btz_slice mode, coordinates;
    float scale;

    BTZ_TRY(btz_attr_int(call->node, "output_height", 1, &r->out_h));
    BTZ_TRY(btz_attr_int(call->node, "output_width", 1, &r->out_w));
    BTZ_TRY(btz_attr_int(call->node, "sampling_ratio", 0, &r->ratio));
    BTZ_TRY(btz_attr_float(call->node, "spatial_scale", 1, &scale));
    BTZ_TRY(btz_attr_string(call->node, "mode", "avg", &mode));
    BTZ_TRY(btz_attr_string(call->node, "coordinate_transformation_mode",
                            call->node->opset < 16 ? "output_half_pixel" : "half_pixel",
                            &coordinates));
    if (r->out_h < 1 || r->out_w < 1 || r->out_h > 65536 || r->out_w > 65536 || r->ratio < 0 ||
        r->ratio > 1024 || (!btz_slice_is(mode, "avg") && !btz_slice_is(mode, "max")))
        return btz_op_fail(call, BTZ_INPUT,
                           "an output of %" PRId64 " x %" PRId64 ", ratio %" PRId64, r->out_h,
                           r->out_w, r->ratio);
    r->scale = (double)scale;
    r->offset = btz_slice_is(coordinates, "half_pixel") ? 0.5 : 0;
    r->max = btz_slice_is(mode, "max");
    r->batch = (size_t)x->dim[0];
    r->channels = (size_t)x->dim[1];
    r->h = x->dim[2];
    r->w = x->dim[3];
    return BTZ_OK;
}

static enum btz_err infer_roi(struct btz_call *call, bool *later)
{
    struct roi r;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 3, 3));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_real(call, 1));
    BTZ_TRY(btz_want_rank(call, 0, 4, 4));
    BTZ_TRY(btz_want_rank(call, 1, 2, 2));
    BTZ_TRY(roi_of(call, &r));
    if (call->in[1]->shape.dim[1] != 4 || !btz_type_is_integer(call->in[2]->type) ||
        (int64_t)btz_tensor_count(call->in[2]) != call->in[1]->shape.dim[0] || !r.h || !r.w)
        return btz_op_fail(call, BTZ_INPUT, "regions that do not fit");
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape =
        (struct btz_shape){ 4,
                            { call->in[1]->shape.dim[0], (int64_t)r.channels, r.out_h, r.out_w } };
    return BTZ_OK;
}

struct corner {
    size_t at[4];
    double weight[4];
};

/* The four pixels around a point; false: it is outside. */
static bool corners_of(const struct roi *r, double y, double x, struct corner *c)
{
    int64_t y0, x0, y1, x1;
    double fy, fx;

    if (!(y >= -1 && y <= (double)r->h && x >= -1 && x <= (double)r->w))
        return false;
    y = y < 0 ? 0 : y > (double)(r->h - 1) ? (double)(r->h - 1) : y;
    x = x < 0 ? 0 : x > (double)(r->w - 1) ? (double)(r->w - 1) : x;
    y0 = (int64_t)y, x0 = (int64_t)x;
    y1 = y0 + (y0 < r->h - 1), x1 = x0 + (x0 < r->w - 1);
    fy = y - (double)y0, fx = x - (double)x0;
    *c = (struct corner){ { (size_t)(y0 * r->w + x0), (size_t)(y0 * r->w + x1),
                            (size_t)(y1 * r->w + x0), (size_t)(y1 * r->w + x1) },
                          { (1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx } };
    return true;
}

/* One output; back: `go` goes to dx. The maximum is of the weighted pixels, as in ONNX Runtime. */
static double roi_bin(const struct roi *r, const struct btz_tensor *x, size_t plane,
                      const double start[2], const double bin[2], const int64_t grid[2], int64_t py,
                      int64_t px, double go, const struct btz_tensor *dx)
{
    double sum = 0, count = (double)(grid[0] * grid[1]);
    bool any = false;
    size_t best = 0;
    double best_weight = 0;

    for (int64_t i = 0; i < grid[0]; i++)
        for (int64_t j = 0; j < grid[1]; j++) {
            struct corner c;

            if (!corners_of(
                    r, start[0] + ((double)py + ((double)i + 0.5) / (double)grid[0]) * bin[0],
                    start[1] + ((double)px + ((double)j + 0.5) / (double)grid[1]) * bin[1], &c))
                continue;
            for (int k = 0; k < 4; k++) {
                double v = c.weight[k] * btz_get(x, plane + c.at[k]);

                if (!r->max)
                    sum += v / count;
                else if (!any || v > sum) {
                    sum = v;
                    best = c.at[k];
                    best_weight = c.weight[k];
                    any = true;
                }
                if (!r->max && dx)
                    btz_add(dx, plane + c.at[k], go * c.weight[k] / count);
            }
        }
    if (r->max && any && dx)
        btz_add(dx, plane + best, go * best_weight);
    return sum;
}

static enum btz_err roi_align(struct btz_call *call, bool back)
{
    struct roi r;
    size_t out = 0, image = 0;

    BTZ_TRY(roi_of(call, &r));
    for (size_t n = 0, regions = (size_t)call->in[1]->shape.dim[0]; n < regions; n++) {
        double start[2], end[2], bin[2];
        int64_t grid[2];

        BTZ_TRY(btz_want_index(call, btz_at_int(call->in[2], n), (int64_t)r.batch, &image));
        for (int i = 0; i < 2; i++) { /* y, x; the tensor has x first */
            double extent;

            start[i] = btz_get(call->in[1], n * 4 + (size_t)(1 - i)) * r.scale - r.offset;
            end[i] = btz_get(call->in[1], n * 4 + 2 + (size_t)(1 - i)) * r.scale - r.offset;
            extent = end[i] - start[i];
            if (r.offset == 0)
                extent = fmax(extent, 1);
            bin[i] = extent / (double)(i ? r.out_w : r.out_h);
            grid[i] = r.ratio ? r.ratio : (int64_t)fmin(fmax(ceil(bin[i]), 0), 4096);
        }
        for (size_t c = 0; c < r.channels; c++)
            for (int64_t p = 0; p < r.out_h * r.out_w; p++, out++) {
                size_t plane = (image * r.channels + c) * (size_t)(r.h * r.w);
                double v = roi_bin(&r, call->in[0], plane, start, bin, grid, p / r.out_w,
                                   p % r.out_w, back ? btz_get(call->out_grad[0], out) : 0,
                                   back ? call->in_grad[0] : NULL);

                if (!back)
                    btz_set(call->out[0], out, v);
            }
    }
    return BTZ_OK;
}

static enum btz_err run_roi(struct btz_call *call)
{
    return roi_align(call, false);
}

/* To the image; where the regions lie is taken as given. */
static enum btz_err grad_roi(struct btz_call *call)
{
    return call->in_grad[0] ? roi_align(call, true) : BTZ_OK;
}

/* ---- MaxUnpool --------------------------------------------------------------------------------------------------------- */

static enum btz_err list_at(const struct btz_call *call, const char *name, size_t n, size_t i,
                            int64_t absent, int64_t *out)
{
    const int64_t *list;
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, name, &list, &count));
    if (list && count != n)
        return btz_op_fail(call, BTZ_INPUT, "%s has %zu numbers, expected %zu", name, count, n);
    *out = list ? list[i] : absent;
    if (*out < 0 || *out > INT32_MAX)
        return btz_op_fail(call, BTZ_INPUT, "%s has %" PRId64, name, *out);
    return BTZ_OK;
}

/* The shape that the pooling had: indices are of that. */
static enum btz_err unpooled(const struct btz_call *call, struct btz_shape *out)
{
    size_t axes = call->in[0]->shape.rank - 2;

    *out = call->in[0]->shape;
    for (size_t i = 0; i < axes; i++) {
        int64_t kernel, stride, before, behind, *d = &out->dim[i + 2];

        BTZ_TRY(list_at(call, "kernel_shape", axes, i, 0, &kernel));
        BTZ_TRY(list_at(call, "strides", axes, i, 1, &stride));
        BTZ_TRY(list_at(call, "pads", 2 * axes, i, 0, &before));
        BTZ_TRY(list_at(call, "pads", 2 * axes, i + axes, 0, &behind));
        if (kernel < 1 || *d < 1 || *d > INT32_MAX)
            return btz_op_fail(call, BTZ_INPUT, "a kernel of %" PRId64, kernel);
        *d = (*d - 1) * stride + kernel - before - behind;
        if (*d < 1)
            return btz_op_fail(call, BTZ_INPUT, "pads that are larger than the image");
    }
    return BTZ_OK;
}

static enum btz_err infer_unpool(struct btz_call *call, bool *later)
{
    struct btz_shape natural, *out;
    int64_t dims[BTZ_RANK_MAX];
    uint32_t n;
    bool known;

    BTZ_TRY(btz_call_counts(call, 2, 3));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_rank(call, 0, 3, BTZ_RANK_MAX));
    BTZ_TRY(unpooled(call, &natural));
    if (call->in[1]->type != BTZ_I64 || !btz_shape_equal(&call->in[0]->shape, &call->in[1]->shape))
        return btz_op_fail(call, BTZ_INPUT, "indices are not like the input");
    out = &call->out[0]->shape;
    call->out[0]->type = call->in[0]->type;
    *out = natural;
    if (!btz_call_in(call, 2))
        return BTZ_OK;
    BTZ_TRY(btz_want_ints(call, 2, dims, &n, &known));
    *later = !known;
    for (uint32_t i = 0; i < natural.rank && known; i++) {
        if (n != natural.rank || dims[i] < natural.dim[i])
            return btz_op_fail(call, BTZ_INPUT, "an output_shape that is too small");
        out->dim[i] = dims[i];
    }
    return BTZ_OK;
}

static enum btz_err unpool(struct btz_call *call, bool back)
{
    const struct btz_shape *out = &call->out[0]->shape;
    struct btz_shape natural;
    size_t all = 1;

    BTZ_TRY(unpooled(call, &natural));
    for (uint32_t i = 0; i < natural.rank; i++)
        all *= (size_t)natural.dim[i];
    if (!back)
        memset(call->out[0]->data, 0, btz_tensor_bytes(call->out[0]));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        int64_t rest = btz_at_int(call->in[1], i);
        size_t at = 0, step = 1;

        if (rest < 0 || (uint64_t)rest >= all)
            return btz_op_fail(call, BTZ_INPUT, "index %" PRId64 " of %zu", rest, all);
        for (uint32_t d = natural.rank; d-- > 0; rest /= natural.dim[d]) {
            at += (size_t)(rest % natural.dim[d]) * step;
            step *= (size_t)out->dim[d];
        }
        if (!back)
            btz_set(call->out[0], at, btz_get(call->in[0], i));
        else if (call->in_grad[0])
            btz_add(call->in_grad[0], i, btz_get(call->out_grad[0], at));
    }
    return BTZ_OK;
}

static enum btz_err run_unpool(struct btz_call *call)
{
    return unpool(call, false);
}

static enum btz_err grad_unpool(struct btz_call *call)
{
    return unpool(call, true);
}

/* ---- NonMaxSuppression ------------------------------------------------------------------------------------------------- */

struct box {
    double score, area, low[2], high[2];
    int64_t index;
};

struct suppression {
    const struct btz_tensor *boxes, *scores;
    int64_t most;
    double overlap, least;
    bool centred;
};

static enum btz_err one_number(const struct btz_call *call, uint32_t i, double absent, double *out,
                               bool *known)
{
    const struct btz_tensor *t = btz_call_in(call, i);

    *out = absent;
    if (!t)
        return BTZ_OK;
    if (btz_tensor_count(t) != 1 || t->type == BTZ_STRING)
        return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is no number", i);
    *known = *known && t->data;
    if (t->data)
        *out = btz_at_real(t, 0);
    return BTZ_OK;
}

static enum btz_err suppression_of(struct btz_call *call, struct suppression *s, bool *known)
{
    const struct btz_shape *b, *c;
    double most;
    int64_t centred;

    BTZ_TRY(btz_call_counts(call, 2, 5));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_real(call, 1));
    BTZ_TRY(btz_want_rank(call, 0, 3, 3));
    BTZ_TRY(btz_want_rank(call, 1, 3, 3));
    s->boxes = call->in[0], s->scores = call->in[1];
    b = &s->boxes->shape, c = &s->scores->shape;
    if (b->dim[2] != 4 || b->dim[0] != c->dim[0] || b->dim[1] != c->dim[2])
        return btz_op_fail(call, BTZ_INPUT, "boxes and scores do not fit");
    *known = s->boxes->data && s->scores->data;
    BTZ_TRY(one_number(call, 2, 0, &most, known));
    BTZ_TRY(one_number(call, 3, 0, &s->overlap, known));
    BTZ_TRY(one_number(call, 4, -INFINITY, &s->least, known));
    BTZ_TRY(btz_attr_int(call->node, "center_point_box", 0, &centred));
    s->most = btz_real_to_int(most);
    s->centred = centred != 0;
    return BTZ_OK;
}

static int by_score(const void *a, const void *b)
{
    const struct box *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void read_box(const struct suppression *s, size_t at, struct box *b)
{
    for (size_t i = 0; i < 2; i++) {
        double p = btz_get(s->boxes, at + i), q = btz_get(s->boxes, at + i + 2);

        b->low[i] = s->centred ? p - q / 2 : fmin(p, q);
        b->high[i] = s->centred ? p + q / 2 : fmax(p, q);
    }
    b->area = (b->high[0] - b->low[0]) * (b->high[1] - b->low[1]);
}

static bool overlaps(const struct box *a, const struct box *b, double limit)
{
    double h = fmin(a->high[0], b->high[0]) - fmax(a->low[0], b->low[0]),
           w = fmin(a->high[1], b->high[1]) - fmax(a->low[1], b->low[1]), common;

    if (h <= 0 || w <= 0)
        return false;
    common = h * w;
    return common / (a->area + b->area - common) > limit;
}

/* Counts what is chosen; writes it where `out` is given. */
static enum btz_err suppress(const struct btz_call *call, const struct suppression *s, int64_t *out,
                             size_t *count)
{
    size_t batches = (size_t)s->boxes->shape.dim[0], n = (size_t)s->boxes->shape.dim[1],
           classes = (size_t)s->scores->shape.dim[1];
    BTZ_FREE struct box *list = calloc(n + 1, sizeof *list);

    if (!list)
        return btz_op_fail(call, BTZ_LIMIT, "needs too much memory");
    *count = 0;
    for (size_t line = 0; line < batches * classes; line++) {
        size_t found = 0, kept = 0;

        for (size_t i = 0; i < n; i++) {
            list[found].score = btz_get(s->scores, line * n + i);
            list[found].index = (int64_t)i;
            read_box(s, (line / classes * n + i) * 4, &list[found]);
            found += list[found].score > s->least;
        }
        if (found)
            qsort(list, found, sizeof *list, by_score);
        for (size_t i = 0; i < found && (int64_t)kept < s->most; i++) {
            bool good = true;

            for (size_t k = 0; k < kept && good; k++)
                good = !overlaps(&list[k], &list[i], s->overlap);
            if (!good)
                continue;
            if (out) {
                int64_t *row = out + *count * 3;

                row[0] = (int64_t)(line / classes);
                row[1] = (int64_t)(line % classes);
                row[2] = list[i].index;
            }
            list[kept++] = list[i];
            ++*count;
        }
    }
    return BTZ_OK;
}

static enum btz_err infer_nms(struct btz_call *call, bool *later)
{
    struct suppression s;
    size_t count = 0;
    bool known;

    BTZ_TRY(suppression_of(call, &s, &known));
    call->out[0]->type = BTZ_I64;
    *later = !known;
    if (known)
        BTZ_TRY(suppress(call, &s, NULL, &count));
    call->out[0]->shape = (struct btz_shape){ 2, { (int64_t)count, 3 } };
    return BTZ_OK;
}

static enum btz_err run_nms(struct btz_call *call)
{
    struct suppression s;
    size_t count;
    bool known;

    BTZ_TRY(suppression_of(call, &s, &known));
    return suppress(call, &s, call->out[0]->data, &count);
}

static const struct btz_op ops[] = {
    { .name = "GridSample",
      .since = 16,
      .infer = infer_grid,
      .run = run_grid,
      .grad = grad_grid,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "RoiAlign",
      .since = 10,
      .infer = infer_roi,
      .run = run_roi,
      .grad = grad_roi,
      .flags = BTZ_OP_GRAD_IN,
      .settings = 2 },
    { .name = "MaxUnpool",
      .since = 9,
      .infer = infer_unpool,
      .run = run_unpool,
      .grad = grad_unpool,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "NonMaxSuppression", .since = 10, .infer = infer_nms, .run = run_nms },
};
BTZ_OP_FAMILY(vision, ops);
