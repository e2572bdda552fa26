/*
 * Convolution in lanes. Forward: one panel over the image, padded with zeros. By the image: each image element hears only of
 * every stride-th element of the kernel, so the image falls into stride x stride phases, each a panel over the padded
 * gradient. By the weights: outer products.
 */
#include "graph/ops/conv.h"

#define PHASES_MAX 64
#define WEIGHT_PART                                                                                \
    1 /* blocks of which the gradient of weights is summed at once: what stays in the first cache */

struct phase {
    size_t taps, pixels;
    int32_t *off, *from, *to, *tap; /* tap: element of the kernel */
    float *weights;                 /* of the groups */
};

struct state {
    struct btz_conv c;
    size_t blocks, padded[3], padded_size; /* of the image; equal to in[]: no copy */
    size_t wide[3], wide_size, lo[3];      /* of the gradient of the output */
    bool bare, by_image;
    int32_t *off, *from, *to, *wide_from;
    float *weights, *bias;
    float *folded, *folded_bias; /* through a batch normalisation, in the order of the model */
    size_t phase_count;
    struct phase *phases;
};

static size_t index3(const size_t dim[3], size_t z, size_t y, size_t x)
{
    return ((z * dim[1] + y) * dim[2] + x) * BTZ_LANES;
}

static bool extents(struct state *s)
{
    struct btz_window *w = &s->c.w;
    size_t most;

    s->bare = true;
    s->padded_size = s->wide_size = s->phase_count = 1;
    for (int i = 0; i < 3; i++) {
        int64_t reach = (w->kernel[i] - 1) * w->dilation[i];
        int64_t need = (w->out[i] - 1) * w->stride[i] + reach + 1;
        int64_t last = (w->in[i] - 1 + w->pad[i]) / w->stride[i];

        s->bare = s->bare && !w->pad[i] && need <= w->in[i];
        /* Padding the image wants, and what lies behind it. */
        s->padded[i] = (size_t)(need > w->in[i] + w->pad[i] ? need : w->in[i] + w->pad[i]);
        s->lo[i] = (size_t)(reach / w->stride[i]);
        s->wide[i] = s->lo[i] + (size_t)(last + 1 > w->out[i] ? last + 1 : w->out[i]);
        if (!btz_size_mul(s->padded_size, s->padded[i], &s->padded_size) ||
            !btz_size_mul(s->wide_size, s->wide[i], &s->wide_size) ||
            !btz_size_mul(s->phase_count, (size_t)w->stride[i], &s->phase_count) ||
            s->phase_count > PHASES_MAX)
            return false;
    }
    if (s->bare)
        for (int i = 0; i < 3; i++)
            s->padded[i] = (size_t)w->in[i];
    if (s->bare)
        s->padded_size = w->in_size;
    /* Offsets are 32 bits. */
    return btz_size_mul(s->padded_size * BTZ_LANES, s->c.in_channels, &most) && most < INT32_MAX &&
           btz_size_mul(s->wide_size * BTZ_LANES, s->c.out_channels, &most) && most < INT32_MAX &&
           btz_size_mul(w->in_size * BTZ_LANES, s->c.in_channels, &most) && most < INT32_MAX &&
           btz_size_mul(w->out_size * BTZ_LANES, s->c.out_channels, &most) && most < INT32_MAX;
}

static bool fits(struct btz_call *call)
{
    struct state s;

    if (btz_conv_of(call, &s.c) != BTZ_OK || !extents(&s))
        return false;
    return s.c.w.out_size && s.c.w.in_size;
}

static enum btz_err state_of(struct btz_call *call, struct state *s)
{
    struct btz_tensor plain = *call->in[0];
    const struct btz_tensor *in[3] = { &plain, call->in[1], btz_call_in(call, 2) };
    struct btz_call copy = *call;

    plain.shape.rank--;
    copy.in = in;
    BTZ_TRY(btz_conv_of(&copy, &s->c));
    s->blocks = s->c.batch;
    return extents(s) ? BTZ_OK : btz_op_fail(call, BTZ_INTERNAL, "does not fit into lanes");
}

static enum btz_err tables(struct state *s, struct btz_arena *arena)
{
    const struct btz_window *w = &s->c.w;
    size_t taps = s->c.in_channels * w->kernel_size, at = 0;

    s->off = btz_arena_array(arena, taps, sizeof *s->off);
    s->from = btz_arena_array(arena, w->out_size, sizeof *s->from);
    s->to = btz_arena_array(arena, w->out_size, sizeof *s->to);
    s->wide_from = btz_arena_array(arena, w->out_size, sizeof *s->wide_from);
    if (!s->off || !s->from || !s->to || !s->wide_from)
        return BTZ_LIMIT;
    for (size_t c = 0; c < s->c.in_channels; c++)
        for (size_t k = 0; k < w->kernel_size; k++, at++) {
            size_t z = k / (size_t)(w->kernel[1] * w->kernel[2]),
                   y = k / (size_t)w->kernel[2] % (size_t)w->kernel[1],
                   x = k % (size_t)w->kernel[2];

            s->off[at] = (int32_t)(c * s->padded_size * BTZ_LANES +
                                   index3(s->padded, z * (size_t)w->dilation[0],
                                          y * (size_t)w->dilation[1], x * (size_t)w->dilation[2]));
        }
    for (size_t o = 0; o < w->out_size; o++) {
        size_t z = o / (size_t)(w->out[1] * w->out[2]),
               y = o / (size_t)w->out[2] % (size_t)w->out[1], x = o % (size_t)w->out[2];

        s->from[o] = (int32_t)index3(s->padded, z * (size_t)w->stride[0], y * (size_t)w->stride[1],
                                     x * (size_t)w->stride[2]);
        s->to[o] = (int32_t)(o * BTZ_LANES);
        s->wide_from[o] = (int32_t)index3(s->wide, z + s->lo[0], y + s->lo[1], x + s->lo[2]);
    }
    return BTZ_OK;
}

static enum btz_err phase_tables(struct state *s, struct phase *p, const int64_t r[3],
                                 struct btz_arena *arena)
{
    const struct btz_window *w = &s->c.w;
    size_t taps = 0, at = 0;

    p->off = btz_arena_array(arena, s->c.out_channels * w->kernel_size + 1, sizeof *p->off);
    p->tap = btz_arena_array(arena, w->kernel_size + 1, sizeof *p->tap);
    p->from = btz_arena_array(arena, w->in_size + 1, sizeof *p->from);
    p->to = btz_arena_array(arena, w->in_size + 1, sizeof *p->to);
    if (!p->off || !p->tap || !p->from || !p->to)
        return BTZ_LIMIT;
    for (int64_t k = 0; k < (int64_t)w->kernel_size; k++) {
        int64_t e[3] = { k / (w->kernel[1] * w->kernel[2]), k / w->kernel[2] % w->kernel[1],
                         k % w->kernel[2] };
        size_t back[3];
        bool hears = true;

        for (int i = 0; i < 3; i++) {
            hears = hears && e[i] * w->dilation[i] % w->stride[i] == r[i];
            back[i] = (size_t)(e[i] * w->dilation[i] / w->stride[i]);
        }
        if (!hears)
            continue;
        p->tap[taps] = (int32_t)k;
        p->off[taps++] = -(int32_t)index3(s->wide, back[0], back[1], back[2]);
    }
    for (size_t c = s->c.out_channels; c-- > 0;)
        for (size_t t = 0; t < taps; t++)
            p->off[c * taps + t] = p->off[t] + (int32_t)(c * s->wide_size * BTZ_LANES);
    p->taps = taps;
    for (int64_t i = 0; i < (int64_t)w->in_size; i++) {
        int64_t e[3] = { i / (w->in[1] * w->in[2]) + w->pad[0], i / w->in[2] % w->in[1] + w->pad[1],
                         i % w->in[2] + w->pad[2] };

        if (e[0] % w->stride[0] != r[0] || e[1] % w->stride[1] != r[1] ||
            e[2] % w->stride[2] != r[2])
            continue;
        p->from[at] = (int32_t)index3(s->wide, (size_t)(e[0] / w->stride[0]) + s->lo[0],
                                      (size_t)(e[1] / w->stride[1]) + s->lo[1],
                                      (size_t)(e[2] / w->stride[2]) + s->lo[2]);
        p->to[at++] = (int32_t)(i * BTZ_LANES);
    }
    p->pixels = at;
    return BTZ_OK;
}

static enum btz_err phases(struct btz_call *call, struct state *s, struct btz_arena *arena)
{
    const struct btz_window *w = &s->c.w;

    s->phases = btz_arena_array(arena, s->phase_count, sizeof *s->phases);
    if (!s->phases)
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->phase_count; i++) {
        struct phase *p = &s->phases[i];
        int64_t r[3] = { (int64_t)i / (w->stride[1] * w->stride[2]),
                         (int64_t)i / w->stride[2] % w->stride[1], (int64_t)i % w->stride[2] };

        BTZ_TRY(phase_tables(s, p, r, arena));
        p->weights =
            btz_lanes_floats(arena, s->c.groups * btz_pack_size(call->isa, s->c.in_channels,
                                                                s->c.out_channels * p->taps));
        if (!p->weights)
            return BTZ_LIMIT;
    }
    return BTZ_OK;
}

static enum btz_err prepare(struct btz_call *call, struct btz_arena *arena)
{
    struct state *s = btz_arena_alloc(arena, sizeof *s);

    if (!s)
        return BTZ_LIMIT;
    *s = (struct state){ .by_image = call->in_grad[0] };
    BTZ_TRY(state_of(call, s));
    BTZ_TRY(tables(s, arena));
    s->weights =
        btz_lanes_floats(arena, s->c.groups * btz_pack_size(call->isa, s->c.out_channels,
                                                            s->c.in_channels * s->c.w.kernel_size));
    s->bias = btz_lanes_floats(arena, s->c.groups * btz_pack_size(call->isa, s->c.out_channels, 1));
    if (!s->weights || !s->bias)
        return BTZ_LIMIT;
    if (call->norm) {
        s->folded = btz_lanes_floats(arena, btz_tensor_count(call->in[1]));
        s->folded_bias = btz_lanes_floats(arena, s->c.groups * s->c.out_channels);
        if (!s->folded || !s->folded_bias)
            return BTZ_LIMIT;
    }
    if (s->by_image)
        BTZ_TRY(phases(call, s, arena));
    call->lanes_state = s;
    return BTZ_OK;
}

static void pack(struct btz_call *call)
{
    struct state *s = call->lanes_state;
    const float *w = call->in[1]->data, *bias = btz_call_in(call, 2) ? call->in[2]->data : NULL;
    size_t size = s->c.w.kernel_size, k = s->c.in_channels * size, rows = s->c.out_channels;

    if (call->norm) {
        btz_norm_fold(call->norm, w, bias, s->c.groups * rows, k, k, 1, s->folded, s->folded_bias);
        w = s->folded;
        bias = s->folded_bias;
    }
    for (size_t g = 0; g < s->c.groups; g++) {
        const float *part = w + g * rows * k;

        btz_pack(call->isa, part, rows, k, k, 1, 1,
                 s->weights + g * btz_pack_size(call->isa, rows, k));
        if (bias)
            btz_pack(call->isa, bias + g * rows, rows, 1, 1, 0, 1,
                     s->bias + g * btz_pack_size(call->isa, rows, 1));
        for (size_t i = 0; s->by_image && i < s->phase_count; i++) {
            const struct phase *p = &s->phases[i];
            size_t side, panel = btz_pack_size(call->isa, s->c.in_channels, rows * p->taps);
            float *to = p->weights + g * panel;

            for (size_t c = 0; c < s->c.in_channels; c += side) {
                side = call->isa->side(s->c.in_channels - c);
                for (size_t o = 0; o < rows; o++)
                    for (size_t t = 0; t < p->taps; t++)
                        for (size_t r = 0; r < side; r++)
                            *to++ = c + r < s->c.in_channels
                                        ? part[o * k + (c + r) * size + (size_t)p->tap[t]]
                                        : 0;
            }
        }
    }
}

/* Blocks that are padded at once. */
static size_t parts(const struct btz_call *call, const struct state *s)
{
    size_t most =
        call->in_grad && (call->in_grad[1] || btz_call_in_grad(call, 2)) ? WEIGHT_PART : 1;

    return s->blocks < most ? s->blocks : most;
}

static size_t image_size(const struct state *s)
{
    return s->bare ? 0 : s->c.in_channels * s->padded_size * BTZ_LANES;
}

static size_t scratch(const struct btz_call *call)
{
    const struct state *s = call->lanes_state;
    size_t floats = image_size(s);

    if (call->out_grad && call->out_grad[0])
        floats += s->c.out_channels * s->wide_size * BTZ_LANES;
    return floats * parts(call, s) * sizeof(float);
}

/* Rows of `in` into a larger box of zeros that begins `lo` before; mask: zeros where it is not positive. */
static void pad(const struct btz_isa *isa, const int64_t in[3], const size_t box[3],
                const int64_t lo[3], size_t channels, const float *from, const float *mask,
                float *to)
{
    size_t row = (size_t)in[2], line = box[2] * BTZ_LANES;
    size_t before = (size_t)lo[2] * BTZ_LANES, behind = line - before - row * BTZ_LANES;

    for (size_t c = 0; c < channels; c++)
        for (int64_t z = 0; z < (int64_t)box[0]; z++)
            for (int64_t y = 0; y < (int64_t)box[1]; y++, to += line) {
                if (z < lo[0] || z >= lo[0] + in[0] || y < lo[1] || y >= lo[1] + in[1]) {
                    memset(to, 0, line * sizeof *to);
                    continue;
                }
                memset(to, 0, before * sizeof *to);
                isa->masked(to + before, from, mask, row);
                memset(to + before + row * BTZ_LANES, 0, behind * sizeof *to);
                from += row * BTZ_LANES;
                mask = mask ? mask + row * BTZ_LANES : NULL;
            }
}

static const float *image(const struct btz_call *call, const struct state *s, size_t block,
                          size_t group, float *to)
{
    const struct btz_conv *c = &s->c;
    const float *x = (const float *)call->in[0]->data +
                     (block * c->groups + group) * c->in_channels * c->w.in_size * BTZ_LANES;

    if (s->bare)
        return x;
    pad(call->isa, c->w.in, s->padded, c->w.pad, c->in_channels, x, NULL, to);
    return to;
}

static enum btz_err run(struct btz_call *call)
{
    const struct state *s = call->lanes_state;
    const struct btz_conv *c = &s->c;
    struct btz_panel p = { .rows = c->out_channels,
                           .k = c->in_channels * c->w.kernel_size,
                           .pixels = c->w.out_size,
                           .row_stride = c->w.out_size * BTZ_LANES,
                           .off = s->off,
                           .from = s->from,
                           .to = s->to,
                           .relu = call->relu };

    for (size_t b = 0; b < s->blocks; b++)
        for (size_t g = 0; g < c->groups; g++) {
            p.x = image(call, s, b, g, call->scratch);
            p.out =
                (float *)call->out[0]->data + (b * c->groups + g) * c->out_channels * p.row_stride;
            p.weights = s->weights + g * btz_pack_size(call->isa, p.rows, p.k);
            p.bias =
                btz_call_in(call, 2) ? s->bias + g * btz_pack_size(call->isa, p.rows, 1) : NULL;
            call->isa->panel(&p);
        }
    return BTZ_OK;
}

static void by_image(struct btz_call *call, const struct state *s, size_t block, size_t group,
                     const float *wide)
{
    const struct btz_conv *c = &s->c;
    struct btz_panel p = { .rows = c->in_channels,
                           .row_stride = c->w.in_size * BTZ_LANES,
                           .x = wide,
                           .add = !(call->overwrite & 1) };

    p.out = (float *)call->in_grad[0]->data +
            (block * c->groups + group) * c->in_channels * p.row_stride;
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct phase *f = &s->phases[i];

        p.k = c->out_channels * f->taps;
        p.pixels = f->pixels;
        p.off = f->off;
        p.from = f->from;
        p.to = f->to;
        p.weights = f->weights + group * btz_pack_size(call->isa, p.rows, p.k);
        call->isa->panel(&p);
    }
}

static void by_parameters(struct btz_call *call, const struct state *s, size_t first, size_t count,
                          size_t group, const float *wide)
{
    const struct btz_conv *c = &s->c;
    size_t k = c->in_channels * c->w.kernel_size, image_step = image_size(s);
    size_t wide_step = c->out_channels * s->wide_size * BTZ_LANES;
    float *images = call->scratch;

    if (call->in_grad[1]) {
        struct btz_outer o = { .rows = c->out_channels,
                               .k = k,
                               .pixels = c->w.out_size,
                               .blocks = count,
                               .x = images,
                               .g = wide,
                               .x_block = image_step,
                               .g_block = wide_step,
                               .g_row = s->wide_size * BTZ_LANES,
                               .off = s->off,
                               .from = s->from,
                               .g_from = s->wide_from,
                               .d = (float *)call->in_grad[1]->data + group * c->out_channels * k,
                               .scale = 1,
                               .row_stride = k,
                               .k_stride = 1,
                               .add = first || !(call->overwrite & 2) };

        if (s->bare) {
            o.x = image(call, s, first, group, NULL);
            o.x_block = c->groups * c->in_channels * c->w.in_size * BTZ_LANES;
        }
        for (size_t b = 0; b < count && !s->bare; b++)
            (void)image(call, s, first + b, group, images + b * image_step);
        call->isa->outer(&o);
    }
    if (btz_call_in_grad(call, 2))
        for (size_t r = 0; r < c->out_channels; r++) {
            float *d = (float *)call->in_grad[2]->data + group * c->out_channels + r;
            float sum = first || !(call->overwrite & 4) ? *d : 0;

            for (size_t b = 0; b < count; b++)
                sum += call->isa->sum(wide + b * wide_step + r * s->wide_size * BTZ_LANES,
                                      s->wide_size);
            *d = sum;
        }
}

static enum btz_err grad(struct btz_call *call)
{
    const struct state *s = call->lanes_state;
    const struct btz_conv *c = &s->c;
    const float *mask = call->relu ? call->out[0]->data : NULL;
    size_t part = parts(call, s), rows = c->out_channels * c->w.out_size * BTZ_LANES;
    float *wide = (float *)call->scratch + part * image_size(s);
    int64_t lo[3] = { (int64_t)s->lo[0], (int64_t)s->lo[1], (int64_t)s->lo[2] };

    for (size_t first = 0; first < s->blocks; first += part)
        for (size_t g = 0; g < c->groups; g++) {
            size_t count = s->blocks - first < part ? s->blocks - first : part;

            for (size_t b = 0; b < count; b++) {
                size_t at = ((first + b) * c->groups + g) * rows;
                float *to = wide + b * c->out_channels * s->wide_size * BTZ_LANES;

                pad(call->isa, c->w.out, s->wide, lo, c->out_channels,
                    (const float *)call->out_grad[0]->data + at, mask ? mask + at : NULL, to);
                if (call->in_grad[0])
                    by_image(call, s, first + b, g, to);
            }
            if (call->in_grad[1] || btz_call_in_grad(call, 2))
                by_parameters(call, s, first, count, g, wide);
        }
    return BTZ_OK;
}

const struct btz_op_lanes btz_conv_lanes = { .relu = true,
                                             .scaled = true,
                                             .fits = fits,
                                             .prepare = prepare,
                                             .pack = pack,
                                             .scratch = scratch,
                                             .run = run,
                                             .grad = grad };
