/*
 * Operators that only move elements: each says from where every element of the output comes, and from that come the run and the
 * gradient. Scratch holds the map.
 */
#include "graph/kernel.h"

#define NOWHERE (-1) /* a fill value */

/* Fills map[i] for output 0: the index into input 0, or NOWHERE. */
typedef enum btz_err mapper(struct btz_call *call, int64_t *map);

static size_t scratch(const struct btz_call *call)
{
    size_t n = 0;

    for (uint32_t i = 0; i < call->out_count; i++)
        n += call->out[i] ? btz_tensor_count(call->out[i]) : 0;
    return n * sizeof(int64_t);
}

static enum btz_err run_map(struct btz_call *call, mapper *fill_map, const void *fill)
{
    const struct btz_tensor *x = call->in[0], *y = call->out[0];
    size_t n = btz_tensor_count(y), size = btz_type_size(y->type);
    int64_t *map = call->scratch;

    BTZ_TRY(fill_map(call, map));
    for (size_t i = 0; i < n; i++) {
        uint8_t *to = (uint8_t *)y->data + i * size;

        if (map[i] >= 0)
            memcpy(to, (const uint8_t *)x->data + (size_t)map[i] * size, size);
        else if (fill)
            memcpy(to, fill, size);
        else
            memset(to, 0, size);
    }
    return BTZ_OK;
}

static enum btz_err grad_map(struct btz_call *call, mapper *fill_map)
{
    const struct btz_tensor *g = call->out_grad[0];
    int64_t *map = call->scratch;

    if (!call->in_grad[0])
        return BTZ_OK;
    BTZ_TRY(fill_map(call, map));
    for (size_t i = 0, n = btz_tensor_count(g); i < n; i++)
        if (map[i] >= 0)
            btz_add(call->in_grad[0], (size_t)map[i], btz_get(g, i));
    return BTZ_OK;
}

static void strides_of(const struct btz_shape *s, int64_t out[BTZ_RANK_MAX])
{
    int64_t step = 1;

    for (uint32_t i = s->rank; i-- > 0; step *= s->dim[i])
        out[i] = step;
}

/* Visits the output's indexes in order; `from` and `step` give the input's element along each axis. */
static void affine(const struct btz_shape *out, int64_t base, const int64_t step[BTZ_RANK_MAX],
                   int64_t *map)
{
    int64_t index[BTZ_RANK_MAX] = { 0 };
    size_t n = 1;

    for (uint32_t i = 0; i < out->rank; i++)
        n *= (size_t)out->dim[i];
    for (size_t k = 0; k < n; k++) {
        map[k] = base;
        for (uint32_t i = out->rank; i-- > 0;) {
            base += step[i];
            if (++index[i] < out->dim[i])
                break;
            base -= step[i] * out->dim[i];
            index[i] = 0;
        }
    }
}

/* ---- Transpose -------------------------------------------------------------------------------------------------------- */

static enum btz_err permutation(struct btz_call *call, uint32_t perm[BTZ_RANK_MAX])
{
    uint32_t rank = call->in[0]->shape.rank, seen = 0;
    const int64_t *list;
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, "perm", &list, &count));
    if (list && count != rank)
        return btz_op_fail(call, BTZ_INPUT, "perm has %zu axes, the input %" PRIu32, count, rank);
    for (uint32_t i = 0; i < rank; i++) {
        perm[i] = rank - 1 - i;
        if (list)
            BTZ_TRY(btz_axis(call, list[i], rank, &perm[i]));
        seen |= UINT32_C(1) << perm[i];
    }
    if (seen != (UINT32_C(1) << rank) - 1)
        return btz_op_fail(call, BTZ_INPUT, "perm is no permutation");
    return BTZ_OK;
}

static enum btz_err infer_transpose(struct btz_call *call, bool *later)
{
    uint32_t perm[BTZ_RANK_MAX];

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(permutation(call, perm));
    for (uint32_t i = 0; i < call->in[0]->shape.rank; i++)
        call->out[0]->shape.dim[i] = call->in[0]->shape.dim[perm[i]];
    return BTZ_OK;
}

static enum btz_err map_transpose(struct btz_call *call, int64_t *map)
{
    int64_t strides[BTZ_RANK_MAX], step[BTZ_RANK_MAX];
    uint32_t perm[BTZ_RANK_MAX];

    BTZ_TRY(permutation(call, perm));
    strides_of(&call->in[0]->shape, strides);
    for (uint32_t i = 0; i < call->in[0]->shape.rank; i++)
        step[i] = strides[perm[i]];
    affine(&call->out[0]->shape, 0, step, map);
    return BTZ_OK;
}

/* ---- Slice ------------------------------------------------------------------------------------------------------------ */

struct slice {
    int64_t start[BTZ_RANK_MAX], step[BTZ_RANK_MAX], count[BTZ_RANK_MAX];
};

static enum btz_err slice_list(struct btz_call *call, uint32_t i, const char *name,
                               int64_t out[BTZ_RANK_MAX], uint32_t *count, bool *known)
{
    const int64_t *list;
    size_t n;

    *known = true;
    *count = 0;
    if (call->node->opset >= 10)
        return btz_call_in(call, i) ? btz_want_ints(call, i, out, count, known) : BTZ_OK;
    if (!name)
        return BTZ_OK;
    BTZ_TRY(btz_attr_ints(call->node, name, &list, &n));
    if (n > BTZ_RANK_MAX)
        return btz_op_fail(call, BTZ_INPUT, "%s has %zu numbers", name, n);
    if (n)
        memcpy(out, list, n * sizeof out[0]);
    *count = (uint32_t)n;
    return BTZ_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static enum btz_err slice_of(struct btz_call *call, struct slice *s, bool *known)
{
    const struct btz_shape *in = &call->in[0]->shape;
    int64_t starts[BTZ_RANK_MAX], ends[BTZ_RANK_MAX], axes[BTZ_RANK_MAX], steps[BTZ_RANK_MAX];
    uint32_t n, n_ends, n_axes, n_steps;
    bool known_part[4];

    BTZ_TRY(slice_list(call, 1, "starts", starts, &n, &known_part[0]));
    BTZ_TRY(slice_list(call, 2, "ends", ends, &n_ends, &known_part[1]));
    BTZ_TRY(slice_list(call, 3, "axes", axes, &n_axes, &known_part[2]));
    BTZ_TRY(slice_list(call, 4, NULL, steps, &n_steps, &known_part[3]));
    *known = known_part[0] && known_part[1] && known_part[2] && known_part[3];
    if (n != n_ends || n > in->rank || (n_axes && n_axes != n) || (n_steps && n_steps != n))
        return btz_op_fail(call, BTZ_INPUT, "starts, ends, axes and steps do not agree");
    for (uint32_t i = 0; i < in->rank; i++) {
        s->start[i] = 0;
        s->step[i] = 1;
        s->count[i] = in->dim[i];
    }
    for (uint32_t i = 0; i < n && *known; i++) {
        int64_t step = n_steps ? steps[i] : 1, d, from = starts[i], to = ends[i];
        uint32_t axis = i;

        if (n_axes)
            BTZ_TRY(btz_axis(call, axes[i], in->rank, &axis));
        d = in->dim[axis];
        if (!step || step == INT64_MIN)
            return btz_op_fail(call, BTZ_INPUT, "a step of %" PRId64, step);
        from += from < 0 ? d : 0;
        to += to < 0 ? d : 0;
        from = step > 0 ? clamp(from, 0, d) : clamp(from, 0, d - 1);
        to = step > 0 ? clamp(to, 0, d) : clamp(to, -1, d);
        s->start[axis] = from;
        s->step[axis] = step;
        s->count[axis] = step > 0 ? (to > from ? (to - from - 1) / step + 1 : 0)
                                  : (from > to && d ? (from - to - 1) / -step + 1 : 0);
    }
    return BTZ_OK;
}

static enum btz_err infer_slice(struct btz_call *call, bool *later)
{
    struct slice s;
    bool known;

    BTZ_TRY(btz_call_counts(call, 1, 5));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(slice_of(call, &s, &known));
    *later = !known;
    memcpy(call->out[0]->shape.dim, s.count, sizeof s.count);
    return BTZ_OK;
}

static enum btz_err map_slice(struct btz_call *call, int64_t *map)
{
    int64_t strides[BTZ_RANK_MAX], base = 0;
    struct slice s;
    bool known;

    BTZ_TRY(slice_of(call, &s, &known));
    strides_of(&call->in[0]->shape, strides);
    for (uint32_t i = 0; i < call->in[0]->shape.rank; i++) {
        base += s.start[i] * strides[i];
        /* A step past the end is never taken, its product might not fit. */
        s.step[i] = s.count[i] > 1 ? s.step[i] * strides[i] : 0;
    }
    affine(&call->out[0]->shape, base, s.step, map);
    return BTZ_OK;
}

/* ---- Expand, Tile ----------------------------------------------------------------------------------------------------- */

static enum btz_err infer_expand(struct btz_call *call, bool *later)
{
    struct btz_shape want = { 0 };
    enum btz_err err;
    bool known;

    BTZ_TRY(btz_call_counts(call, 2, 2));
    call->out[0]->type = call->in[0]->type;
    BTZ_TRY(btz_want_ints(call, 1, want.dim, &want.rank, &known));
    *later = !known;
    for (uint32_t i = 0; i < want.rank && known; i++)
        if (want.dim[i] < 0)
            return btz_op_fail(call, BTZ_INPUT, "dimension %" PRId64, want.dim[i]);
    if (!known)
        return BTZ_OK;
    err = btz_shape_broadcast(&call->in[0]->shape, &want, &call->out[0]->shape);
    return err == BTZ_OK ? BTZ_OK : btz_op_fail_at(call, err);
}

static enum btz_err map_expand(struct btz_call *call, int64_t *map)
{
    struct btz_walk w;

    btz_walk_init(&w, &call->out[0]->shape, 1,
                  (const struct btz_shape *const[]){ &call->in[0]->shape });
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++)
        *map++ = (int64_t)(w.at[0] + i * w.step[0]);
    return BTZ_OK;
}

static enum btz_err infer_tile(struct btz_call *call, bool *later)
{
    int64_t repeats[BTZ_RANK_MAX];
    uint32_t n;
    bool known;

    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_want_ints(call, 1, repeats, &n, &known));
    if (n != call->in[0]->shape.rank)
        return btz_op_fail(call, BTZ_INPUT, "%" PRIu32 " repeats for %" PRIu32 " axes", n,
                           call->in[0]->shape.rank);
    *later = !known;
    for (uint32_t i = 0; i < n && known; i++)
        if (repeats[i] < 0 || __builtin_mul_overflow(repeats[i], call->in[0]->shape.dim[i],
                                                     &call->out[0]->shape.dim[i]))
            return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " repeats", repeats[i]);
    return BTZ_OK;
}

static enum btz_err map_tile(struct btz_call *call, int64_t *map)
{
    const struct btz_shape *in = &call->in[0]->shape, *out = &call->out[0]->shape;
    int64_t strides[BTZ_RANK_MAX];

    strides_of(in, strides);
    for (size_t k = 0, n = btz_tensor_count(call->out[0]); k < n; k++) {
        int64_t rest = (int64_t)k, at = 0;

        for (uint32_t i = out->rank; i-- > 0; rest /= out->dim[i])
            at += rest % out->dim[i] % in->dim[i] * strides[i];
        map[k] = at;
    }
    return BTZ_OK;
}

/* ---- Pad -------------------------------------------------------------------------------------------------------------- */

static enum btz_err pads_of(struct btz_call *call, int64_t pads[2 * BTZ_RANK_MAX], bool *known)
{
    uint32_t rank = call->in[0]->shape.rank, axes[BTZ_RANK_MAX], count = rank;
    const int64_t *list = NULL;
    const struct btz_tensor *t = NULL;
    size_t n;

    memset(pads, 0, 2 * BTZ_RANK_MAX * sizeof pads[0]);
    *known = true;
    for (uint32_t i = 0; i < rank; i++)
        axes[i] = i;
    if (btz_call_in(call, 3)) {
        int64_t given[BTZ_RANK_MAX];

        BTZ_TRY(btz_want_ints(call, 3, given, &count, known));
        for (uint32_t i = 0; i < count && *known; i++)
            BTZ_TRY(btz_axis(call, given[i], rank, &axes[i]));
    }
    if (call->node->opset >= 11) {
        t = btz_call_in(call, 1);
        if (!t || !btz_type_is_integer(t->type))
            return btz_op_fail(call, BTZ_INPUT, "wants pads of int64");
        n = btz_tensor_count(t);
        *known = *known && t->data;
    } else
        BTZ_TRY(btz_attr_ints(call->node, "pads", &list, &n));
    if (n != 2 * (size_t)count)
        return btz_op_fail(call, BTZ_INPUT, "%zu pads for %" PRIu32 " axes", n, count);
    for (uint32_t i = 0; i < count && *known; i++) {
        pads[axes[i]] = t ? btz_at_int(t, i) : list[i];
        pads[BTZ_RANK_MAX + axes[i]] = t ? btz_at_int(t, i + count) : list[i + count];
    }
    return BTZ_OK;
}

static enum btz_err infer_pad(struct btz_call *call, bool *later)
{
    int64_t pads[2 * BTZ_RANK_MAX];
    bool known;

    BTZ_TRY(btz_call_counts(call, 1, 4));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(pads_of(call, pads, &known));
    *later = !known;
    for (uint32_t i = 0; i < call->in[0]->shape.rank && known; i++) {
        int64_t *d = &call->out[0]->shape.dim[i];

        if (__builtin_add_overflow(*d, pads[i], d) ||
            __builtin_add_overflow(*d, pads[BTZ_RANK_MAX + i], d) || *d < 0)
            return btz_op_fail(call, BTZ_INPUT, "pads of axis %" PRIu32 " leave nothing", i);
    }
    if (btz_call_in(call, 2) &&
        (call->in[2]->type != call->in[0]->type || btz_tensor_count(call->in[2]) != 1))
        return btz_op_fail(call, BTZ_INPUT, "the value is no number like the input's");
    return BTZ_OK;
}

/* Where an index outside of [0, n) is taken from. */
static int64_t outside(int64_t i, int64_t n, char mode)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == 'c' || n < 1)
        return NOWHERE;
    if (mode == 'e')
        return i < 0 ? 0 : n - 1;
    if (mode == 'w')
        return (i % n + n) % n;
    if (n == 1)
        return 0;
    i = (i % (2 * n - 2) + 2 * n - 2) % (2 * n - 2);
    return i < n ? i : 2 * n - 2 - i;
}

static enum btz_err map_pad(struct btz_call *call, int64_t *map)
{
    const struct btz_shape *in = &call->in[0]->shape, *out = &call->out[0]->shape;
    int64_t strides[BTZ_RANK_MAX], pads[2 * BTZ_RANK_MAX];
    struct btz_slice mode;
    bool known;

    BTZ_TRY(pads_of(call, pads, &known));
    BTZ_TRY(btz_attr_string(call->node, "mode", "constant", &mode));
    if (!btz_slice_is(mode, "constant") && !btz_slice_is(mode, "edge") &&
        !btz_slice_is(mode, "reflect") && !btz_slice_is(mode, "wrap"))
        return btz_op_fail(call, BTZ_INPUT, "mode %.*s", BTZ_SLICE_ARG(mode));
    strides_of(in, strides);
    for (size_t k = 0, n = btz_tensor_count(call->out[0]); k < n; k++) {
        int64_t rest = (int64_t)k, at = 0;

        for (uint32_t i = out->rank; i-- > 0; rest /= out->dim[i]) {
            int64_t from = outside(rest % out->dim[i] - pads[i], in->dim[i], (char)mode.ptr[0]);

            at = at < 0 || from < 0 ? NOWHERE : at + from * strides[i];
        }
        map[k] = at;
    }
    return BTZ_OK;
}

static enum btz_err run_pad(struct btz_call *call)
{
    float value;
    double wide;

    if (call->node->opset >= 11)
        return run_map(call, map_pad, btz_call_in(call, 2) ? call->in[2]->data : NULL);
    BTZ_TRY(btz_attr_float(call->node, "value", 0, &value));
    wide = value;
    return run_map(call, map_pad, call->in[0]->type == BTZ_F64 ? (void *)&wide : &value);
}

static enum btz_err grad_pad(struct btz_call *call)
{
    const int64_t *map = call->scratch;

    BTZ_TRY(map_pad(call, call->scratch));
    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n; i++) {
        if (map[i] >= 0 && call->in_grad[0])
            btz_add(call->in_grad[0], (size_t)map[i], btz_get(call->out_grad[0], i));
        else if (map[i] < 0 && btz_call_in_grad(call, 2))
            btz_add(call->in_grad[2], 0, btz_get(call->out_grad[0], i));
    }
    return BTZ_OK;
}

/* ---- DepthToSpace, SpaceToDepth, Trilu ------------------------------------------------------------------------------- */

static enum btz_err infer_depth(struct btz_call *call, bool *later)
{
    bool to_space = call->node->type[0] == 'D';
    int64_t b, *d;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_want_rank(call, 0, 4, 4));
    BTZ_TRY(btz_attr_int(call->node, "blocksize", 0, &b));
    d = call->out[0]->shape.dim;
    if (b < 1 || b > 65536 || (to_space ? d[1] % (b * b) : d[2] % b || d[3] % b))
        return btz_op_fail(call, BTZ_INPUT, "blocks of %" PRId64, b);
    if (to_space) {
        d[1] /= b * b;
        d[2] *= b;
        d[3] *= b;
    } else {
        d[1] *= b * b;
        d[2] /= b;
        d[3] /= b;
    }
    return BTZ_OK;
}

static enum btz_err map_depth(struct btz_call *call, int64_t *map)
{
    bool to_space = call->node->type[0] == 'D';
    const int64_t *in = call->in[0]->shape.dim, *out = call->out[0]->shape.dim;
    struct btz_slice mode;
    int64_t b, k = 0;
    bool crd;

    BTZ_TRY(btz_attr_int(call->node, "blocksize", 0, &b));
    BTZ_TRY(btz_attr_string(call->node, "mode", "DCR", &mode));
    crd = btz_slice_is(mode, "CRD");
    for (int64_t n = 0; n < out[0]; n++)
        for (int64_t c = 0; c < out[1]; c++)
            for (int64_t y = 0; y < out[2]; y++)
                for (int64_t x = 0; x < out[3]; x++) {
                    int64_t from_c, from_y, from_x;

                    if (to_space) {
                        int64_t block = y % b * b + x % b;
                        from_c = crd ? c * b * b + block : block * out[1] + c;
                        from_y = y / b;
                        from_x = x / b;
                    } else {
                        int64_t block = c / in[1];
                        from_c = c % in[1];
                        from_y = y * b + block / b;
                        from_x = x * b + block % b;
                    }
                    map[k++] = ((n * in[1] + from_c) * in[2] + from_y) * in[3] + from_x;
                }
    return BTZ_OK;
}

static enum btz_err infer_trilu(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 2));
    BTZ_TRY(btz_want_rank(call, 0, 2, BTZ_RANK_MAX));
    if (btz_call_in(call, 1) && btz_tensor_count(call->in[1]) != 1)
        return btz_op_fail(call, BTZ_INPUT, "k is no number");
    return btz_infer_same(call, later);
}

static enum btz_err map_trilu(struct btz_call *call, int64_t *map)
{
    const struct btz_shape *s = &call->in[0]->shape;
    int64_t rows = s->dim[s->rank - 2], cols = s->dim[s->rank - 1], upper;
    int64_t k = btz_call_in(call, 1) ? clamp(btz_at_int(call->in[1], 0), -rows - 1, cols + 1) : 0;

    BTZ_TRY(btz_attr_int(call->node, "upper", 1, &upper));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        int64_t r = (int64_t)i / cols % rows, c = (int64_t)i % cols;

        map[i] = (upper ? c >= r + k : c <= r + k) ? (int64_t)i : NOWHERE;
    }
    return BTZ_OK;
}

/* ---- ReverseSequence -------------------------------------------------------------------------------------------------- */

static enum btz_err infer_reverse(struct btz_call *call, bool *later)
{
    int64_t batch, time;

    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_attr_int(call->node, "batch_axis", 1, &batch));
    BTZ_TRY(btz_attr_int(call->node, "time_axis", 0, &time));
    BTZ_TRY(btz_want_rank(call, 0, 2, BTZ_RANK_MAX));
    if (batch < 0 || batch > 1 || time < 0 || time > 1 || batch == time ||
        (int64_t)btz_tensor_count(call->in[1]) != call->in[0]->shape.dim[batch])
        return btz_op_fail(call, BTZ_INPUT, "axes or lengths that do not fit");
    return BTZ_OK;
}

static enum btz_err map_reverse(struct btz_call *call, int64_t *map)
{
    const struct btz_shape *s = &call->in[0]->shape;
    struct btz_split inner = btz_split_at(s, 1);
    int64_t time;

    BTZ_TRY(btz_attr_int(call->node, "time_axis", 0, &time));
    for (int64_t a = 0; a < s->dim[0]; a++)
        for (int64_t b = 0; b < s->dim[1]; b++) {
            int64_t t = time ? b : a, n = btz_at_int(call->in[1], (size_t)(time ? a : b)), to;

            n = clamp(n, 0, s->dim[time]);
            to = t < n ? n - 1 - t : t;
            for (int64_t k = 0; k < (int64_t)inner.inner; k++)
                *map++ =
                    (time ? a * s->dim[1] + to : to * s->dim[1] + b) * (int64_t)inner.inner + k;
        }
    return BTZ_OK;
}

#define MAPPED(id)                                                                                 \
    static enum btz_err run_##id(struct btz_call *call)                                            \
    {                                                                                              \
        return run_map(call, map_##id, NULL);                                                      \
    }                                                                                              \
    static enum btz_err grad_##id(struct btz_call *call)                                           \
    {                                                                                              \
        return grad_map(call, map_##id);                                                           \
    }
MAPPED(transpose)
MAPPED(slice)
MAPPED(expand)
MAPPED(tile)
MAPPED(depth)
MAPPED(trilu)
MAPPED(reverse)

/* Input 2 is the value of a Pad. */
#define OP(text, from, id)                                                                         \
    {                                                                                              \
        .name = text, .since = from, .infer = infer_##id, .run = run_##id, .grad = grad_##id,      \
        .scratch = scratch, .flags = BTZ_OP_GRAD_IN, .settings = 4                                 \
    }
static const struct btz_op ops[] = {
    OP("Transpose", 7, transpose), OP("Slice", 7, slice),  OP("Expand", 8, expand),
    OP("Tile", 7, tile),           OP("Pad", 7, pad),      OP("DepthToSpace", 7, depth),
    OP("SpaceToDepth", 7, depth),  OP("Trilu", 14, trilu), OP("ReverseSequence", 10, reverse),
};
BTZ_OP_FAMILY(move, ops);
