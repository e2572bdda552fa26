/*
 * Pooling in lanes: every output has the list of the elements it is made of.
 */
#include "graph/ops/pool.h"

#define TAPS_MAX ((size_t)1 << 24) /* of the lists; beyond, pooling is plain */

struct state {
    struct btz_windows w;
    size_t planes, plane;
};

/* Elements of a window along an axis: [*from, *to) of the kernel are in the image; returns those in image and padding. */
static int64_t along(const struct btz_window *w, int axis, int64_t out, int64_t *from, int64_t *to)
{
    int64_t begin = out * w->stride[axis] - w->pad[axis], inside = 0;

    *from = *to = 0;
    for (int64_t k = 0; k < w->kernel[axis]; k++) {
        int64_t at = begin + k * w->dilation[axis];

        inside += at < w->in[axis] + w->pad_end[axis];
        *from += at < 0;
        *to += at < w->in[axis];
    }
    if (*from > *to)
        *from = *to;
    return inside;
}

static bool fits(struct btz_call *call)
{
    struct btz_window w;
    size_t planes, taps;

    return btz_pool_window(call, &w, &planes) == BTZ_OK && w.in_size < INT32_MAX / BTZ_LANES &&
           btz_size_mul(w.out_size, w.kernel_size, &taps) && taps < TAPS_MAX;
}

static enum btz_err tables(const struct btz_window *w, bool with_pads, struct btz_arena *arena,
                           struct btz_windows *out)
{
    int32_t *first = btz_arena_array(arena, w->out_size + 1, sizeof *first);
    int32_t *taps = btz_arena_array(arena, w->out_size * w->kernel_size + 1, sizeof *taps);
    float *scale = btz_arena_array(arena, w->out_size + 1, sizeof *scale);
    int32_t count = 0;

    if (!first || !taps || !scale)
        return BTZ_LIMIT;
    for (size_t o = 0; o < w->out_size; o++) {
        int64_t at[3] = { (int64_t)o / (w->out[1] * w->out[2]), (int64_t)o / w->out[2] % w->out[1],
                          (int64_t)o % w->out[2] };
        int64_t from[3], to[3], padded = 1;

        for (int i = 0; i < 3; i++)
            padded *= along(w, i, at[i], &from[i], &to[i]);
        first[o] = count;
        for (int64_t z = from[0]; z < to[0]; z++)
            for (int64_t y = from[1]; y < to[1]; y++)
                for (int64_t x = from[2]; x < to[2]; x++) {
                    int64_t e[3] = { z, y, x };

                    for (int i = 0; i < 3; i++)
                        e[i] = at[i] * w->stride[i] - w->pad[i] + e[i] * w->dilation[i];
                    taps[count++] =
                        (int32_t)(((e[0] * w->in[1] + e[1]) * w->in[2] + e[2]) * BTZ_LANES);
                }
        scale[o] = 1.0F / (float)(with_pads ? padded : count - first[o]);
    }
    first[w->out_size] = count;
    *out = (struct btz_windows){ w->out_size, first, taps, scale };
    return BTZ_OK;
}

static enum btz_err prepare(struct btz_call *call, struct btz_arena *arena)
{
    struct state *s = btz_arena_alloc(arena, sizeof *s);
    struct btz_tensor plain = *call->in[0];
    const struct btz_tensor *in[] = { &plain };
    struct btz_call copy = *call;
    struct btz_window w;
    int64_t with_pads;

    if (!s)
        return BTZ_LIMIT;
    plain.shape.rank--;
    copy.in = in;
    BTZ_TRY(btz_pool_window(&copy, &w, &s->planes));
    BTZ_TRY(btz_attr_int(call->node, "count_include_pad", 0, &with_pads));
    BTZ_TRY(tables(&w, with_pads, arena, &s->w));
    s->plane = w.in_size * BTZ_LANES;
    call->lanes_state = s;
    return BTZ_OK;
}

static size_t scratch_largest(const struct btz_call *call)
{
    return btz_tensor_count(call->out[0]) * sizeof(int32_t);
}

static enum btz_err run_largest(struct btz_call *call)
{
    const struct state *s = call->lanes_state;
    size_t step = s->w.outs * BTZ_LANES;

    for (size_t p = 0; p < s->planes; p++)
        call->isa->largest(&s->w, (const float *)call->in[0]->data + p * s->plane,
                           (float *)call->out[0]->data + p * step,
                           (int32_t *)call->scratch + p * step);
    return BTZ_OK;
}

static enum btz_err run_mean(struct btz_call *call)
{
    const struct state *s = call->lanes_state;

    for (size_t p = 0; p < s->planes; p++)
        call->isa->mean(&s->w, (const float *)call->in[0]->data + p * s->plane,
                        (float *)call->out[0]->data + p * s->w.outs * BTZ_LANES);
    return BTZ_OK;
}

static enum btz_err grad(struct btz_call *call, bool largest)
{
    const struct state *s = call->lanes_state;
    size_t step = s->w.outs * BTZ_LANES;

    for (size_t p = 0; p < s->planes; p++) {
        const float *g = (const float *)call->out_grad[0]->data + p * step;
        float *d = (float *)call->in_grad[0]->data + p * s->plane;

        if (call->overwrite & 1)
            memset(d, 0, s->plane * sizeof *d);
        if (largest)
            call->isa->largest_grad(&s->w, g, (const int32_t *)call->scratch + p * step, d);
        else
            call->isa->mean_grad(&s->w, g, d);
    }
    return BTZ_OK;
}

static enum btz_err grad_largest(struct btz_call *call)
{
    return grad(call, true);
}

static enum btz_err grad_mean(struct btz_call *call)
{
    return grad(call, false);
}

const struct btz_op_lanes btz_max_lanes = { .seldom = true,
                                            .fits = fits,
                                            .prepare = prepare,
                                            .scratch = scratch_largest,
                                            .run = run_largest,
                                            .grad = grad_largest };
const struct btz_op_lanes btz_mean_lanes = {
    .seldom = true, .fits = fits, .prepare = prepare, .run = run_mean, .grad = grad_mean
};
