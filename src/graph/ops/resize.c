/*
 * Resize and Upsample: along each axis every output is a weighted sum of inputs, so that an image is made axis by axis, and the
 * gradient goes the same way back. Source: the reference in onnx's own node tests.
 */
#include <math.h>

#include "graph/kernel.h"

enum mode { NEAREST, LINEAR, CUBIC };
enum coordinates {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF_PIXEL_FOR_NN,
    TF_CROP_AND_RESIZE,
};
enum rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, OLD };

static const char *const mode_names[] = { "nearest", "linear", "cubic", NULL };
static const char *const coordinate_names[] = { "half_pixel",         "half_pixel_symmetric",
                                                "pytorch_half_pixel", "align_corners",
                                                "asymmetric",         "tf_half_pixel_for_nn",
                                                "tf_crop_and_resize", NULL };
static const char *const rounding_names[] = { "round_prefer_floor", "round_prefer_ceil", "floor",
                                              "ceil", NULL };

struct resize {
    enum mode mode;
    enum coordinates coordinates;
    enum rounding rounding;
    bool antialias, exclude_outside;
    double cubic, outside;
    struct btz_shape in, out;
    double scale[BTZ_RANK_MAX], roi[BTZ_RANK_MAX][2];
};

static enum btz_err word(const struct btz_call *call, const char *name, const char *absent,
                         const char *const *names, int *out)
{
    struct btz_slice s;

    BTZ_TRY(btz_attr_string(call->node, name, absent, &s));
    for (*out = 0; names[*out]; ++*out)
        if (btz_slice_is(s, names[*out]))
            return BTZ_OK;
    return btz_op_fail(call, BTZ_INPUT, "%s is %.*s", name, BTZ_SLICE_ARG(s));
}

static enum btz_err read_words(const struct btz_call *call, struct resize *r)
{
    bool old = call->node->type[0] == 'U' || call->node->opset < 11;
    int mode, coordinates, rounding;
    int64_t antialias, exclude;
    float cubic, outside;
    struct btz_slice s;

    BTZ_TRY(btz_attr_string(call->node, "mode", "nearest", &s));
    if (btz_slice_is(s, "bilinear") || btz_slice_is(s, "trilinear"))
        mode = LINEAR;
    else
        BTZ_TRY(word(call, "mode", "nearest", mode_names, &mode));
    BTZ_TRY(word(call, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel",
                 coordinate_names, &coordinates));
    BTZ_TRY(word(call, "nearest_mode", "round_prefer_floor", rounding_names, &rounding));
    BTZ_TRY(btz_attr_int(call->node, "antialias", 0, &antialias));
    BTZ_TRY(btz_attr_int(call->node, "exclude_outside", 0, &exclude));
    BTZ_TRY(btz_attr_float(call->node, "cubic_coeff_a", -0.75F, &cubic));
    BTZ_TRY(btz_attr_float(call->node, "extrapolation_value", 0, &outside));
    r->mode = (enum mode)mode;
    r->coordinates = (enum coordinates)coordinates;
    r->rounding = old ? OLD : (enum rounding)rounding;
    r->antialias = antialias && r->mode != NEAREST;
    r->exclude_outside = exclude != 0;
    r->cubic = (double)cubic;
    r->outside = (double)outside;
    return BTZ_OK;
}

/* Which axes the lists are of; all of them where there is no attribute. */
static enum btz_err read_axes(const struct btz_call *call, uint32_t axes[BTZ_RANK_MAX],
                              uint32_t *count)
{
    uint32_t rank = call->in[0]->shape.rank, seen = 0;
    const int64_t *list;
    size_t n;

    BTZ_TRY(btz_attr_ints(call->node, "axes", &list, &n));
    *count = list ? (uint32_t)n : rank;
    if (n > rank)
        return btz_op_fail(call, BTZ_INPUT, "%zu axes for %" PRIu32, n, rank);
    for (uint32_t i = 0; i < *count; i++) {
        axes[i] = i;
        if (list)
            BTZ_TRY(btz_axis(call, list[i], rank, &axes[i]));
        if (seen >> axes[i] & 1)
            return btz_op_fail(call, BTZ_INPUT, "an axis is named twice");
        seen |= UINT32_C(1) << axes[i];
    }
    return BTZ_OK;
}

static enum btz_err set_scale(const struct btz_call *call, struct resize *r, uint32_t axis,
                              double scale)
{
    double d = floor((double)r->in.dim[axis] * scale);

    if (!(scale > 0) || !(d < 1e15))
        return btz_op_fail(call, BTZ_INPUT, "a scale of %g", scale);
    r->scale[axis] = scale;
    r->out.dim[axis] = (int64_t)d;
    return BTZ_OK;
}

static enum btz_err read_sizes(const struct btz_call *call, struct resize *r,
                               const struct btz_tensor *sizes, const uint32_t *axes, uint32_t count)
{
    struct btz_slice policy;
    double scale = 0;

    BTZ_TRY(btz_attr_string(call->node, "keep_aspect_ratio_policy", "stretch", &policy));
    for (uint32_t i = 0; i < count; i++) {
        int64_t want = btz_at_int(sizes, i), d = r->in.dim[axes[i]];
        double own = (double)want / (double)d;

        if (want < 0 || (want > 0 && !d))
            return btz_op_fail(call, BTZ_INPUT, "a size of %" PRId64, want);
        r->out.dim[axes[i]] = want;
        r->scale[axes[i]] = d ? own : 1;
        if (i == 0 || (btz_slice_is(policy, "not_larger") ? own < scale : own > scale))
            scale = own;
    }
    if (btz_slice_is(policy, "stretch"))
        return BTZ_OK;
    if (!btz_slice_is(policy, "not_larger") && !btz_slice_is(policy, "not_smaller"))
        return btz_op_fail(call, BTZ_INPUT, "keep_aspect_ratio_policy %.*s", BTZ_SLICE_ARG(policy));
    for (uint32_t i = 0; i < count; i++) {
        BTZ_TRY(set_scale(call, r, axes[i], scale));
        r->out.dim[axes[i]] = (int64_t)floor((double)r->in.dim[axes[i]] * scale + 0.5);
    }
    return BTZ_OK;
}

/* A list input; NULL when it is left out or empty. */
static enum btz_err list_input(const struct btz_call *call, uint32_t i, uint32_t count, bool real,
                               const struct btz_tensor **out)
{
    const struct btz_tensor *t = btz_call_in(call, i);
    size_t n = t ? btz_tensor_count(t) : 0;

    *out = n ? t : NULL;
    if (n && (n != count || t->type == BTZ_STRING || t->type == BTZ_BOOL ||
              btz_type_is_integer(t->type) == real))
        return btz_op_fail(call, BTZ_INPUT,
                           "input %" PRIu32 " has %zu numbers of type %s, expected %" PRIu32, i, n,
                           btz_type_name(t->type), count);
    return BTZ_OK;
}

static enum btz_err resize_of(const struct btz_call *call, struct resize *r, bool *known)
{
    const struct btz_tensor *scales = NULL, *sizes = NULL, *roi = NULL;
    uint32_t axes[BTZ_RANK_MAX], count;
    const float *list = NULL;
    size_t n = 0;

    *r = (struct resize){ .in = call->in[0]->shape, .out = call->in[0]->shape };
    *known = true;
    BTZ_TRY(read_words(call, r));
    BTZ_TRY(read_axes(call, axes, &count));
    for (uint32_t i = 0; i < BTZ_RANK_MAX; i++) {
        r->scale[i] = 1;
        r->roi[i][1] = 1;
    }
    if (call->node->opset < 9) {
        BTZ_TRY(btz_attr_floats(call->node, "scales", &list, &n));
        if (n != count)
            return btz_op_fail(call, BTZ_INPUT, "has %zu scales, expected %" PRIu32, n, count);
    } else if (call->node->opset < 11)
        BTZ_TRY(list_input(call, 1, count, true, &scales));
    else {
        BTZ_TRY(list_input(call, 1, 2 * count, true, &roi));
        BTZ_TRY(list_input(call, 2, count, true, &scales));
        BTZ_TRY(list_input(call, 3, count, false, &sizes));
    }
    if (!list && !scales == !sizes && r->in.rank)
        return btz_op_fail(call, BTZ_INPUT, "wants either scales or sizes");
    *known = (!scales || scales->data) && (!sizes || sizes->data) && (!roi || roi->data);
    for (uint32_t i = 0; i < count && !sizes && *known; i++)
        BTZ_TRY(set_scale(call, r, axes[i], list ? (double)list[i] : btz_at_real(scales, i)));
    if (sizes && *known)
        BTZ_TRY(read_sizes(call, r, sizes, axes, count));
    for (uint32_t i = 0; i < count && roi && *known; i++) {
        r->roi[axes[i]][0] = btz_at_real(roi, i);
        r->roi[axes[i]][1] = btz_at_real(roi, i + count);
    }
    return BTZ_OK;
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    struct resize r;
    bool known;

    BTZ_TRY(btz_call_counts(call, 1, 4));
    if (call->in[0]->type == BTZ_STRING)
        return btz_op_fail(call, BTZ_INPUT, "is not for strings");
    BTZ_TRY(resize_of(call, &r, &known));
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape = r.out;
    *later = !known;
    for (uint32_t i = 0; i < r.in.rank && known; i++)
        if (r.in.dim[i] == 0 && r.out.dim[i] > 0)
            return btz_op_fail(call, BTZ_INPUT, "of no elements");
    return BTZ_OK;
}

/* ---- weights ---------------------------------------------------------------------------------------------------------- */

/* Where output x of an axis lies in the input. */
static double position(const struct resize *r, uint32_t axis, int64_t x)
{
    double in = (double)r->in.dim[axis], scale = r->scale[axis], at = (double)x,
           out = scale * in; /* not rounded, as in the reference */

    switch (r->coordinates) {
    case PYTORCH_HALF_PIXEL:
        return r->out.dim[axis] == 1 ? 0 : (at + 0.5) / scale - 0.5;
    case HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)r->out.dim[axis] / out) + (at + 0.5) / scale - 0.5;
    case ALIGN_CORNERS:
        return out == 1 || r->out.dim[axis] == 1 ? 0 : at * (in - 1) / (out - 1);
    case ASYMMETRIC:
        return at / scale;
    case TF_HALF_PIXEL_FOR_NN:
        return (at + 0.5) / scale;
    case TF_CROP_AND_RESIZE:
        return r->out.dim[axis] == 1
                   ? (r->roi[axis][0] + r->roi[axis][1]) * (in - 1) / 2
                   : r->roi[axis][0] * (in - 1) +
                         at * (r->roi[axis][1] - r->roi[axis][0]) * (in - 1) / (out - 1);
    case HALF_PIXEL:
        break;
    }
    return (at + 0.5) / scale - 0.5;
}

/* How far the weights reach: elements first .. 1 - first around the one below. */
static int64_t first_of(const struct resize *r, uint32_t axis)
{
    double scale = r->antialias && r->scale[axis] < 1 ? r->scale[axis] : 1;

    /* A scale that is next to nothing reaches further than there is memory. */
    return (int64_t)fmax(floor((r->mode == CUBIC ? -2 : -1) / scale), -1e9) + 1;
}

static size_t taps_of(const struct resize *r, uint32_t axis)
{
    return r->mode == NEAREST ? 1 : (size_t)(2 - 2 * first_of(r, axis));
}

static double kernel(const struct resize *r, double x)
{
    double a = r->cubic;

    x = fabs(x);
    if (r->mode == LINEAR)
        return x < 1 ? 1 - x : 0;
    return x <= 1  ? ((a + 2) * x - (a + 3)) * x * x + 1
           : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
                   : 0;
}

static double nearest(const struct resize *r, uint32_t axis, double x)
{
    switch (r->rounding) {
    case PREFER_FLOOR:
        return ceil(x - 0.5);
    case PREFER_CEIL:
        return floor(x + 0.5);
    case FLOOR:
        return floor(x);
    case CEIL:
        return ceil(x);
    case OLD:
        return r->scale[axis] < 1 ? ceil(x) : floor(x);
    }
    return x;
}

struct tap {
    int64_t index;
    double weight;
};

static int64_t clamp(double at, int64_t n)
{
    return !(at > 0) ? 0 : at >= (double)n ? n - 1 : (int64_t)at;
}

/* The weights of output x of an axis; false: it lies outside. */
static bool fill_taps(const struct resize *r, uint32_t axis, int64_t x, struct tap *taps)
{
    double at = position(r, axis, x), base, scale, sum = 0;
    int64_t n = r->in.dim[axis], first = first_of(r, axis);
    size_t count = taps_of(r, axis);

    if (r->coordinates == TF_CROP_AND_RESIZE && !(at >= 0 && at <= (double)(n - 1)))
        return false;
    if (r->mode == NEAREST) {
        taps[0] = (struct tap){ clamp(nearest(r, axis, at), n), 1 };
        return true;
    }
    scale = r->antialias && r->scale[axis] < 1 ? r->scale[axis] : 1;
    base = ceil(at) - 1;
    for (size_t k = 0; k < count; k++) {
        double i = base + (double)first + (double)k;
        bool outside = i < 0 || i >= (double)n;

        taps[k] = (struct tap){ clamp(i, n), kernel(r, (i - at) * scale) };
        if (outside && r->exclude_outside)
            taps[k].weight = 0;
        sum += taps[k].weight;
    }
    for (size_t k = 0; k < count && (r->antialias || r->exclude_outside); k++)
        taps[k].weight /= sum;
    return true;
}

/* ---- passes ----------------------------------------------------------------------------------------------------------- */

static bool same_axis(const struct resize *r, uint32_t axis)
{
    return r->out.dim[axis] == r->in.dim[axis] && r->scale[axis] == 1 &&
           r->coordinates != TF_CROP_AND_RESIZE;
}

/* Elements when the axes before `axis` are done. */
static size_t mixed_count(const struct resize *r, uint32_t axis, bool *fits)
{
    size_t n = 1;

    for (uint32_t i = 0; i < r->in.rank; i++)
        *fits = btz_size_mul(n, (size_t)(i < axis ? r->out.dim[i] : r->in.dim[i]), &n) && *fits;
    return n;
}

/* Two images and the weights of an axis. */
static bool sizes_of(const struct resize *r, size_t *image, size_t *taps)
{
    bool fits = true;

    *image = *taps = 0;
    for (uint32_t i = 0; i <= r->in.rank; i++) {
        size_t n = mixed_count(r, i, &fits), t;

        *image = n > *image ? n : *image;
        if (i < r->in.rank) {
            fits = btz_size_mul((size_t)r->out.dim[i], taps_of(r, i), &t) && fits;
            *taps = t > *taps ? t : *taps;
        }
    }
    return fits;
}

static size_t scratch(const struct btz_call *call)
{
    struct resize r;
    size_t image, taps;
    bool known;

    if (resize_of(call, &r, &known) != BTZ_OK || !known || !sizes_of(&r, &image, &taps) ||
        !btz_size_mul(image, 2 * sizeof(double), &image) ||
        !btz_size_mul(taps, sizeof(struct tap), &taps) || !btz_size_add(image, taps, &image))
        return SIZE_MAX;
    return image;
}

/* Axis `axis` of `from` to `to`, or back: what is in `to` is added up in `from`. */
static void pass(const struct resize *r, uint32_t axis, struct tap *taps, double *from, double *to,
                 bool back)
{
    size_t outer = 1, inner = 1, count = taps_of(r, axis), in = (size_t)r->in.dim[axis],
           out = (size_t)r->out.dim[axis];

    for (uint32_t i = 0; i < r->in.rank; i++)
        if (i < axis)
            outer *= (size_t)r->out.dim[i];
        else if (i > axis)
            inner *= (size_t)r->in.dim[i];
    for (size_t x = 0; x < out; x++)
        if (!fill_taps(r, axis, (int64_t)x, taps + x * count))
            memset(taps + x * count, 0, count * sizeof *taps);
    for (size_t o = 0; o < outer; o++)
        for (size_t x = 0; x < out; x++) {
            double *y = to + (o * out + x) * inner;

            for (size_t i = 0; i < inner && !back; i++)
                y[i] = 0;
            for (size_t k = 0; k < count; k++) {
                double w = taps[x * count + k].weight,
                       *f = from + (o * in + (size_t)taps[x * count + k].index) * inner;

                for (size_t i = 0; i < inner && w != 0; i++)
                    if (back)
                        f[i] += w * y[i];
                    else
                        y[i] += w * f[i];
            }
        }
}

/* Outputs that lie outside of the region that is cut out. */
static void fill_outside(const struct resize *r, double *y, size_t n, double value)
{
    for (uint32_t axis = 0; axis < r->out.rank; axis++) {
        size_t d = (size_t)r->out.dim[axis], inner = 1;
        double last = (double)(r->in.dim[axis] - 1);

        for (uint32_t i = axis + 1; i < r->out.rank; i++)
            inner *= (size_t)r->out.dim[i];
        for (size_t x = 0; x < d; x++) {
            double at = position(r, axis, (int64_t)x);

            for (size_t o = 0; o < n / (d * inner) && !(at >= 0 && at <= last); o++)
                for (size_t i = 0; i < inner; i++)
                    y[(o * d + x) * inner + i] = value;
        }
    }
}

static enum btz_err run(struct btz_call *call)
{
    size_t n = btz_tensor_count(call->out[0]), image, taps;
    double *from = call->scratch, *to;
    struct resize r;
    bool known;

    BTZ_TRY(resize_of(call, &r, &known));
    if (!n)
        return BTZ_OK;
    (void)sizes_of(&r, &image, &taps);
    to = from + image;
    for (size_t i = 0, count = btz_tensor_count(call->in[0]); i < count; i++)
        from[i] = btz_at_real(call->in[0], i);
    for (uint32_t axis = 0; axis < r.in.rank; axis++) {
        double *t = from;

        if (same_axis(&r, axis))
            continue;
        pass(&r, axis, (struct tap *)((double *)call->scratch + 2 * image), from, to, false);
        from = to;
        to = t;
    }
    if (r.coordinates == TF_CROP_AND_RESIZE)
        fill_outside(&r, from, n, r.outside);
    for (size_t i = 0; i < n; i++)
        btz_put_real(call->out[0], i, from[i]);
    return BTZ_OK;
}

static enum btz_err grad(struct btz_call *call)
{
    size_t n = btz_tensor_count(call->out[0]), image, taps;
    double *to = call->scratch, *from;
    struct resize r;
    bool known;

    BTZ_TRY(resize_of(call, &r, &known));
    if (!call->in_grad[0] || !n)
        return BTZ_OK;
    (void)sizes_of(&r, &image, &taps);
    from = to + image;
    for (size_t i = 0; i < n; i++)
        to[i] = btz_get(call->out_grad[0], i);
    if (r.coordinates == TF_CROP_AND_RESIZE)
        fill_outside(&r, to, n, 0);
    for (uint32_t axis = r.in.rank; axis-- > 0;) {
        double *t = from;
        bool fits = true;

        if (same_axis(&r, axis))
            continue;
        memset(from, 0, mixed_count(&r, axis, &fits) * sizeof(double));
        pass(&r, axis, (struct tap *)((double *)call->scratch + 2 * image), from, to, true);
        from = to;
        to = t;
    }
    for (size_t i = 0, count = btz_tensor_count(call->in[0]); i < count; i++)
        btz_add(call->in_grad[0], i, to[i]);
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "Resize",
      .since = 10,
      .infer = infer,
      .run = run,
      .grad = grad,
      .scratch = scratch,
      .flags = BTZ_OP_GRAD_IN,
      .settings = 0xe },
    { .name = "Upsample",
      .since = 7,
      .until = 9,
      .infer = infer,
      .run = run,
      .grad = grad,
      .scratch = scratch,
      .flags = BTZ_OP_GRAD_IN,
      .settings = 2 },
};
BTZ_OP_FAMILY(resize, ops);
