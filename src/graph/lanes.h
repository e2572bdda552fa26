/*
 * Lanes: the layout in which batches are computed fast. Sixteen samples lie side by side, N x F is ceil(N/16) x F x 16, so
 * every element of a sample is one vector, windows and strides need no shuffling, flattening is free, and what a sample yields
 * does not depend on the others of its batch. Lanes behind the last sample repeat it; their gradients are zero.
 *
 * lanes_real.h holds the kernels, once for each set of instructions; lanes.c chooses and converts; plan_lanes.c decides which
 * steps of a net work in lanes.
 */
#ifndef BTZ_GRAPH_LANES_H
#define BTZ_GRAPH_LANES_H

#include "graph/kernel.h"

#define BTZ_LANES       16
#define BTZ_LANES_LEAST 4 /* samples of a batch; below, most lanes would be empty */

static inline size_t btz_lanes_blocks(size_t samples)
{
    return (samples + BTZ_LANES - 1) / BTZ_LANES;
}

/*
 * out[row][pixel] = start + sum over k of weight[row][k] * x[pixel + off[k]], for all lanes. Offsets and strides are in floats,
 * multiples of 16. Weights are packed (btz_pack): rows of a tile side by side for each k, filled up with zeros; so is the bias.
 */
struct btz_panel {
    size_t rows, k, pixels, row_stride;
    const float *weights, *bias; /* bias NULL: zeros */
    const float *x;
    float *out;
    const int32_t *off;       /* k */
    const int32_t *from, *to; /* of pixels: where in x, where in out */
    bool add, relu;           /* add: start is what is in out, and there is no bias */
};

/* d[row * row_stride + k * k_stride] (+)= scale * sum over pixels and lanes of g[row, pixel] * x[pixel + off[k]]. */
struct btz_outer {
    size_t rows, k, pixels, blocks;
    const float *x, *g;
    size_t x_block, g_block, g_row; /* strides */
    const int32_t *off, *from, *g_from;
    float *d, scale;
    size_t row_stride, k_stride;
    bool add;
};

/* Windows over a plane: output o is made of the elements at taps[first[o]] up to taps[first[o + 1]]; of a mean, times scale[o]. */
struct btz_windows {
    size_t outs;
    const int32_t *first, *taps;
    const float *scale;
};

struct btz_isa {
    const char *name;
    bool (*works)(void);         /* on this processor */
    size_t (*side)(size_t rows); /* of that many rows or more: how many the first tile has */
    void (*panel)(const struct btz_panel *p);
    void (*outer)(const struct btz_outer *o);
    /* to[i] = mask[i] > 0 ? from[i] : 0 of count vectors of lanes; mask NULL: a copy. */
    void (*masked)(float *to, const float *from, const float *mask, size_t count);
    float (*sum)(const float *from, size_t count);
    /* to (+)= relu(scale * from + shift); mask as above, instead of relu. */
    void (*affine)(float *to, const float *from, const float *mask, size_t count, float scale,
                   float shift, bool relu, bool add);
    /* Over one plane. which: 16 for each output, the tap of the largest. Gradients are added. */
    void (*largest)(const struct btz_windows *w, const float *x, float *y, int32_t *which);
    void (*largest_grad)(const struct btz_windows *w, const float *g, const int32_t *which,
                         float *d);
    void (*mean)(const struct btz_windows *w, const float *x, float *y);
    void (*mean_grad)(const struct btz_windows *w, const float *g, float *d);
    /* F x 16 from sixteen rows of F, and back. */
    void (*gather)(const float *const rows[BTZ_LANES], size_t features, float *to);
    void (*scatter)(const float *from, size_t features, float *const rows[BTZ_LANES], size_t count,
                    bool add);
};
extern const struct btz_isa btz_isa_plain, btz_isa_avx2, btz_isa_avx512;
/* The best for this processor, or the one of that name; NULL: it does not work here. */
const struct btz_isa *btz_isa_find(const char *name);

/* N x F (rank r) to lanes (rank r + 1) and back; add: gradients are added. */
void btz_lanes_gather(const struct btz_isa *isa, const struct btz_tensor *plain,
                      const struct btz_tensor *lanes, bool zeros);
void btz_lanes_scatter(const struct btz_isa *isa, const struct btz_tensor *lanes,
                       const struct btz_tensor *plain, bool add);
void btz_lanes_add(const struct btz_tensor *plain, const struct btz_tensor *lanes);
/* Shape of a batch in lanes. False: too many axes. */
bool btz_lanes_shape(const struct btz_shape *plain, struct btz_shape *lanes);

/* rows x k with strides, as a panel wants them; `out` has room for btz_pack_size floats. */
size_t btz_pack_size(const struct btz_isa *isa, size_t rows, size_t k);
void btz_pack(const struct btz_isa *isa, const float *w, size_t rows, size_t k, size_t row_stride,
              size_t k_stride, float scale, float *out);

/* Scale and shift of a channel by the constants of a batch normalisation. */
void btz_norm_affine(const struct btz_call *norm, size_t channel, float *scale, float *shift);
/* rows x k weights and a bias (NULL: zeros) through it, in their plain order; both outputs have room. */
void btz_norm_fold(const struct btz_call *norm, const float *w, const float *bias, size_t rows,
                   size_t k, size_t row_stride, size_t k_stride, float *w_out, float *bias_out);
/* Floats of an arena, aligned for kernels; NULL: it is full. */
float *btz_lanes_floats(struct btz_arena *arena, size_t count);

/* How an operator works in lanes. Inputs that are constants are as they are; all others, and the outputs, are in lanes. */
struct btz_op_lanes {
    bool seldom; /* only where the input is in lanes already: not worth a conversion */
    bool relu;   /* a Relu behind it can be made part of it: call->relu */
    bool scaled; /* and a batch normalisation with fixed statistics: call->norm */
    /* Shapes are still the plain ones. */
    bool (*fits)(struct btz_call *call);
    /* Once, shapes in lanes: tables and room for packed weights in call->lanes_state. */
    enum btz_err (*prepare)(struct btz_call *call, struct btz_arena *arena);
    void (*pack)(struct btz_call *call); /* whenever parameters have changed; may be NULL */
    size_t (*scratch)(const struct btz_call *call);
    enum btz_err (*run)(struct btz_call *call);
    enum btz_err (*grad)(struct btz_call *call);
};

#endif
