/*
 * Products with a constant matrix in lanes: Gemm and MatMul.
 */
#include "graph/ops/conv.h"
#include "graph/ops/dense.h"

struct state {
    struct btz_dense d;
    size_t blocks;
    int32_t *off, *off_back, *from, *to,
        *zeros; /* of elements of the input, of the output; of blocks */
    float *weights, *back, *bias;
};

static bool fits(struct btz_call *call)
{
    struct btz_dense d;

    return btz_dense_of(call, &d) && (call->in[0]->shape.dim[0] + BTZ_LANES) <=
                                         INT32_MAX / BTZ_LANES / (int64_t)(d.in + d.out + 1);
}

static enum btz_err prepare(struct btz_call *call, struct btz_arena *arena)
{
    struct state *s = btz_arena_alloc(arena, sizeof *s);
    struct btz_tensor plain = *call->in[0];
    const struct btz_tensor *in[3] = { &plain, call->in[1], btz_call_in(call, 2) };
    struct btz_call copy = *call;

    if (!s)
        return BTZ_LIMIT;
    plain.shape.rank--;
    copy.in = in;
    if (!btz_dense_of(&copy, &s->d))
        return btz_op_fail(call, BTZ_INTERNAL, "does not fit into lanes");
    s->blocks = (size_t)plain.shape.dim[0];
    s->off = btz_arena_array(arena, s->d.in, sizeof *s->off);
    s->off_back = btz_arena_array(arena, s->d.out, sizeof *s->off_back);
    s->from = btz_arena_array(arena, s->blocks, sizeof *s->from);
    s->to = btz_arena_array(arena, s->blocks, sizeof *s->to);
    s->zeros = btz_arena_array(arena, 1, sizeof *s->zeros);
    s->weights = btz_lanes_floats(arena, btz_pack_size(call->isa, s->d.out, s->d.in));
    s->bias = btz_lanes_floats(arena, btz_pack_size(call->isa, s->d.out, 1));
    s->back = call->in_grad[0]
                  ? btz_lanes_floats(arena, btz_pack_size(call->isa, s->d.in, s->d.out))
                  : NULL;
    if (!s->off || !s->off_back || !s->from || !s->to || !s->zeros || !s->weights || !s->bias ||
        (call->in_grad[0] && !s->back))
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->d.in; i++)
        s->off[i] = (int32_t)(i * BTZ_LANES);
    for (size_t i = 0; i < s->d.out; i++)
        s->off_back[i] = (int32_t)(i * BTZ_LANES);
    for (size_t b = 0; b < s->blocks; b++) {
        s->from[b] = (int32_t)(b * s->d.in * BTZ_LANES);
        s->to[b] = (int32_t)(b * s->d.out * BTZ_LANES);
    }
    s->zeros[0] = 0;
    call->lanes_state = s;
    return BTZ_OK;
}

static void pack(struct btz_call *call)
{
    struct state *s = call->lanes_state;
    const struct btz_dense *d = &s->d;
    const float *w = call->in[1]->data;

    btz_pack(call->isa, w, d->out, d->in, d->out_stride, d->in_stride, d->alpha, s->weights);
    if (s->back)
        btz_pack(call->isa, w, d->in, d->out, d->in_stride, d->out_stride, d->alpha, s->back);
    if (btz_call_in(call, 2))
        btz_pack(call->isa, call->in[2]->data, d->out, 1, 1, 0, d->beta, s->bias);
}

/* The gradient of the output before a Relu that is part of this. */
static size_t scratch(const struct btz_call *call)
{
    const struct state *s = call->lanes_state;

    return call->relu && call->out_grad && call->out_grad[0]
               ? s->blocks * s->d.out * BTZ_LANES * sizeof(float)
               : 0;
}

static enum btz_err run(struct btz_call *call)
{
    const struct state *s = call->lanes_state;
    struct btz_panel p = { .rows = s->d.out,
                           .k = s->d.in,
                           .pixels = s->blocks,
                           .row_stride = BTZ_LANES,
                           .weights = s->weights,
                           .bias = btz_call_in(call, 2) ? s->bias : NULL,
                           .x = call->in[0]->data,
                           .out = call->out[0]->data,
                           .off = s->off,
                           .from = s->from,
                           .to = s->to,
                           .relu = call->relu };

    call->isa->panel(&p);
    return BTZ_OK;
}

static void by_parameters(struct btz_call *call, const struct state *s, const float *g)
{
    const struct btz_dense *d = &s->d;

    if (call->in_grad[1]) {
        struct btz_outer o = { .rows = d->out,
                               .k = d->in,
                               .pixels = 1,
                               .blocks = s->blocks,
                               .x = call->in[0]->data,
                               .g = g,
                               .x_block = d->in * BTZ_LANES,
                               .g_block = d->out * BTZ_LANES,
                               .g_row = BTZ_LANES,
                               .off = s->off,
                               .from = s->zeros,
                               .g_from = s->zeros,
                               .d = call->in_grad[1]->data,
                               .scale = d->alpha,
                               .row_stride = d->out_stride,
                               .k_stride = d->in_stride,
                               .add = !(call->overwrite & 2) };

        call->isa->outer(&o);
    }
    if (btz_call_in_grad(call, 2))
        for (size_t r = 0; r < d->out; r++) {
            float *to = (float *)call->in_grad[2]->data + r, sum = 0;

            for (size_t b = 0; b < s->blocks; b++)
                sum += call->isa->sum(g + (b * d->out + r) * BTZ_LANES, 1);
            *to = d->beta * sum + (call->overwrite & 4 ? 0 : *to);
        }
}

static enum btz_err grad(struct btz_call *call)
{
    const struct state *s = call->lanes_state;
    const float *g = call->out_grad[0]->data;

    if (call->relu) {
        call->isa->masked(call->scratch, g, call->out[0]->data, s->blocks * s->d.out);
        g = call->scratch;
    }
    if (call->in_grad[0]) {
        struct btz_panel p = { .rows = s->d.in,
                               .k = s->d.out,
                               .pixels = s->blocks,
                               .row_stride = BTZ_LANES,
                               .weights = s->back,
                               .x = g,
                               .out = call->in_grad[0]->data,
                               .off = s->off_back,
                               .from = s->to,
                               .to = s->from,
                               .add = !(call->overwrite & 1) };

        call->isa->panel(&p);
    }
    by_parameters(call, s, g);
    return BTZ_OK;
}

const struct btz_op_lanes btz_dense_lanes = { .relu = true,
                                              .fits = fits,
                                              .prepare = prepare,
                                              .pack = pack,
                                              .scratch = scratch,
                                              .run = run,
                                              .grad = grad };
