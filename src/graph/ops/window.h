/*
 * Windows that slide over images of one to three axes: convolution and pooling. Fewer axes than three are three with ones in
 * front.
 */
#ifndef BTZ_GRAPH_OPS_WINDOW_H
#define BTZ_GRAPH_OPS_WINDOW_H

#include "graph/kernel.h"

struct btz_window {
    uint32_t axes; /* as in the file */
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
    size_t in_size, out_size, kernel_size; /* products */
};
/*
 * Reads kernel_shape (or takes `kernel`), strides, dilations, pads, auto_pad, ceil_mode, and works out the outputs of images of
 * shape N x C x `spatial`.
 */
BTZ_CHECKED enum btz_err btz_window_read(const struct btz_call *call, const struct btz_shape *image,
                                         const int64_t *kernel, struct btz_window *w);
/* The first output whose window begins at or after 0, and so on: the part [*from, *to) of the outputs for which kernel element
 * k of an axis lies in the image. */
static inline void btz_window_range(const struct btz_window *w, int axis, int64_t k, int64_t *from,
                                    int64_t *to)
{
    int64_t off = k * w->dilation[axis] - w->pad[axis], s = w->stride[axis];

    *from = off < 0 ? (-off + s - 1) / s : 0;
    *to = w->in[axis] - off <= 0 ? 0 : (w->in[axis] - off + s - 1) / s;
    if (*to > w->out[axis])
        *to = w->out[axis];
    if (*from > *to)
        *from = *to;
}

/* Images of `channels` to columns, (channels * kernel) x out, zeros outside; and what is in columns added to images. */
void btz_im2col_f32(const struct btz_window *w, size_t channels, const float *image, float *col);
void btz_im2col_f64(const struct btz_window *w, size_t channels, const double *image, double *col);
void btz_col2im_f32(const struct btz_window *w, size_t channels, const float *col, float *image);
void btz_col2im_f64(const struct btz_window *w, size_t channels, const double *col, double *image);
/* Columns are the image itself. */
bool btz_window_is_point(const struct btz_window *w);

#endif
