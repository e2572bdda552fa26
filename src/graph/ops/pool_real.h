/* Pooling; included once for each REAL. */
static void N(max_pool)(const struct btz_window *w, size_t planes, const REAL *x, REAL *y,
                        int64_t *which)
{
    for (size_t p = 0; p < planes; p++, x += w->in_size)
        for (int64_t z = 0; z < w->out[0]; z++)
            for (int64_t r = 0; r < w->out[1]; r++)
                for (int64_t c = 0; c < w->out[2]; c++, y++, which++) {
                    int64_t at = -1;
                    REAL best = 0;

                    for (int64_t i = 0; i < w->kernel[0]; i++) {
                        int64_t zi = z * w->stride[0] + i * w->dilation[0] - w->pad[0];
                        if (zi < 0 || zi >= w->in[0])
                            continue;
                        for (int64_t j = 0; j < w->kernel[1]; j++) {
                            int64_t ri = r * w->stride[1] + j * w->dilation[1] - w->pad[1];
                            if (ri < 0 || ri >= w->in[1])
                                continue;
                            for (int64_t k = 0; k < w->kernel[2]; k++) {
                                int64_t ci = c * w->stride[2] + k * w->dilation[2] - w->pad[2], n;
                                if (ci < 0 || ci >= w->in[2])
                                    continue;
                                n = (zi * w->in[1] + ri) * w->in[2] + ci;
                                if (at < 0 || x[n] > best || x[n] != x[n]) {
                                    at = n;
                                    best = x[n];
                                }
                            }
                        }
                    }
                    *y = at < 0 ? (REAL)-INFINITY : best;
                    *which = at;
                }
}

static void N(max_pool_grad)(const struct btz_window *w, size_t planes, const REAL *g,
                             const int64_t *which, REAL *d)
{
    for (size_t p = 0; p < planes; p++, d += w->in_size)
        for (size_t i = 0; i < w->out_size; i++, g++, which++)
            if (*which >= 0)
                d[*which] += *g;
}
