/* Images to columns and back; included once for each REAL. */
void N(btz_im2col)(const struct btz_window *w, size_t channels, const REAL *image, REAL *col)
{
    for (size_t c = 0; c < channels; c++, image += w->in_size)
        for (int64_t k = 0; k < (int64_t)w->kernel_size; k++, col += w->out_size) {
            int64_t kz = k / (w->kernel[1] * w->kernel[2]), ky = k / w->kernel[2] % w->kernel[1],
                    kx = k % w->kernel[2], z0, z1, y0, y1, x0, x1;
            int64_t offset = kx * w->dilation[2] - w->pad[2];

            btz_window_range(w, 0, kz, &z0, &z1);
            btz_window_range(w, 1, ky, &y0, &y1);
            btz_window_range(w, 2, kx, &x0, &x1);
            for (int64_t z = 0; z < w->out[0]; z++)
                for (int64_t y = 0; y < w->out[1]; y++) {
                    REAL *to = col + (z * w->out[1] + y) * w->out[2];
                    const REAL *from;

                    if (z < z0 || z >= z1 || y < y0 || y >= y1 || x0 == x1) {
                        memset(to, 0, (size_t)w->out[2] * sizeof *to);
                        continue;
                    }
                    from =
                        image + ((z * w->stride[0] + kz * w->dilation[0] - w->pad[0]) * w->in[1] +
                                 y * w->stride[1] + ky * w->dilation[1] - w->pad[1]) *
                                    w->in[2];
                    memset(to, 0, (size_t)x0 * sizeof *to);
                    if (w->stride[2] == 1)
                        memcpy(to + x0, from + x0 + offset, (size_t)(x1 - x0) * sizeof *to);
                    else
                        for (int64_t x = x0; x < x1; x++)
                            to[x] = from[x * w->stride[2] + offset];
                    memset(to + x1, 0, (size_t)(w->out[2] - x1) * sizeof *to);
                }
        }
}

void N(btz_col2im)(const struct btz_window *w, size_t channels, const REAL *col, REAL *image)
{
    for (size_t c = 0; c < channels; c++, image += w->in_size)
        for (int64_t k = 0; k < (int64_t)w->kernel_size; k++, col += w->out_size) {
            int64_t kz = k / (w->kernel[1] * w->kernel[2]), ky = k / w->kernel[2] % w->kernel[1],
                    kx = k % w->kernel[2], z0, z1, y0, y1, x0, x1;
            int64_t offset = kx * w->dilation[2] - w->pad[2];

            btz_window_range(w, 0, kz, &z0, &z1);
            btz_window_range(w, 1, ky, &y0, &y1);
            btz_window_range(w, 2, kx, &x0, &x1);
            for (int64_t z = z0; z < z1; z++)
                for (int64_t y = y0; y < y1; y++) {
                    const REAL *from = col + (z * w->out[1] + y) * w->out[2];
                    int64_t row = (z * w->stride[0] + kz * w->dilation[0] - w->pad[0]) * w->in[1] +
                                  y * w->stride[1] + ky * w->dilation[1] - w->pad[1];

                    for (int64_t x = x0; x < x1; x++)
                        image[row * w->in[2] + x * w->stride[2] + offset] += from[x];
                }
        }
}
