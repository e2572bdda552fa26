/* Kernels over lanes; included once for each set of instructions. WIDTH: floats in a register; ROWS: of the tallest
 * tile of a panel; OUTER_ROWS x OUTER_COLS: registers of sums of an outer product. */
#define COLS_MAX 8

typedef float vec __attribute__((vector_size(WIDTH * 4)));

static inline vec load(const float *p)
{
    return *(const vec *)p;
}

static inline void store(float *p, vec v)
{
    *(vec *)p = v;
}

/* ---- panels ----------------------------------------------------------------------------------------------------------- */

struct tile {
    const struct btz_panel *p;
    const float *weights, *bias; /* bias NULL: zeros */
    const float *x[COLS_MAX];
    float *out[COLS_MAX];
    const int32_t *off;
    size_t rows, k;
    bool add, relu;
};

/* As the scalar one: NaN stays. */
static inline vec relu_of(vec v)
{
    return (vec)(~(__typeof__(v > v))(v <= 0) & (__typeof__(v > v))v);
}

#define TILE(height, width)                                                                        \
    static void tile_##height##_##width(const struct tile *t)                                      \
    {                                                                                              \
        const float *w = t->weights;                                                               \
        vec sum[height][width];                                                                    \
                                                                                                   \
        UNROLL for (size_t r = 0; r < height; r++)                                                 \
        {                                                                                          \
            float b = t->bias ? t->bias[r] : 0;                                                    \
            UNROLL for (size_t c = 0; c < width; c++) sum[r][c] = (vec){ 0 } + b;                  \
        }                                                                                          \
        for (size_t k = 0; k < t->k; k++, w += height) {                                           \
            vec x[width];                                                                          \
                                                                                                   \
            UNROLL for (size_t c = 0; c < width; c++) x[c] = load(t->x[c] + t->off[k]);            \
            UNROLL for (size_t r = 0; r < height; r++)                                             \
            {                                                                                      \
                UNROLL for (size_t c = 0; c < width; c++) sum[r][c] += x[c] * w[r];                \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (size_t r = 0; r < height; r++)                                                 \
        {                                                                                          \
            UNROLL for (size_t c = 0; c < width; c++) if (r < t->rows)                             \
            {                                                                                      \
                float *out = t->out[c] + r * t->p->row_stride;                                     \
                vec v = sum[r][c];                                                                 \
                                                                                                   \
                if (t->add)                                                                        \
                    v += load(out);                                                                \
                if (t->relu)                                                                       \
                    v = relu_of(v);                                                                \
                store(out, v);                                                                     \
            }                                                                                      \
        }                                                                                          \
    }
#define TILES_3(height) TILE(height, 1) TILE(height, 2) TILE(height, 3)
#define TILES_6(height) TILES_3(height) TILE(height, 4) TILE(height, 5) TILE(height, 6)
TILES_6(1)
TILE(1, 7)
TILE(1, 8)
TILES_FOUR(4)
#if ROWS == 8
TILES_3(8)
#endif
#undef TILE
#undef TILES_3
#undef TILES_6

/* The last rows have a tile of their own: no work on rows that are not there. */
static const struct shape {
    size_t rows, cols;
    void (*tiles[COLS_MAX])(const struct tile *);
} shapes[] = {
    { 1, 8, { tile_1_1, tile_1_2, tile_1_3, tile_1_4, tile_1_5, tile_1_6, tile_1_7, tile_1_8 } },
#if ROWS == 8
    { 4, 6, { tile_4_1, tile_4_2, tile_4_3, tile_4_4, tile_4_5, tile_4_6 } },
    { 8, 3, { tile_8_1, tile_8_2, tile_8_3 } },
#else
    { 4, 3, { tile_4_1, tile_4_2, tile_4_3 } },
#endif
};

static size_t side(size_t rows)
{
    return rows > 4 ? ROWS : rows > 1 ? 4 : 1;
}

/* Rows that have one shape, over a part of k. */
static void band(const struct btz_panel *p, const struct shape *s, size_t row, size_t rows,
                 size_t k, size_t k_end)
{
    size_t subs = BTZ_LANES / WIDTH;
    struct tile t = { .p = p,
                      .k = k_end - k,
                      .off = p->off + k,
                      .add = k > 0 || p->add,
                      .relu = p->relu && k_end == p->k };

    for (size_t pixel = 0; pixel < p->pixels * subs; pixel += s->cols) {
        size_t left = p->pixels * subs - pixel, cols = left < s->cols ? left : s->cols;

        for (size_t r = row; r < row + rows; r += s->rows) {
            for (size_t c = 0; c < cols; c++) {
                size_t at = (pixel + c) / subs, sub = (pixel + c) % subs * WIDTH;

                t.x[c] = p->x + p->from[at] + sub;
                t.out[c] = p->out + p->to[at] + r * p->row_stride + sub;
            }
            t.weights = p->weights + r * p->k + k * s->rows;
            t.bias = k == 0 && p->bias ? p->bias + r : NULL;
            t.rows = row + rows - r;
            s->tiles[cols - 1](&t);
        }
    }
}

#define K_PART 512 /* as much of k at once as leaves its rows in the cache */

static void panel(const struct btz_panel *p)
{
    size_t k = 0;

    do {
        size_t k_end = p->k - k < K_PART ? p->k : k + K_PART, rest = p->rows % ROWS;
        size_t whole = side(rest) == ROWS ? p->rows : p->rows - rest;

        if (whole)
            band(p, &shapes[BTZ_COUNT(shapes) - 1], 0, whole, k, k_end);
        if (whole < p->rows)
            band(p, &shapes[side(rest) == 4], whole, p->rows - whole, k, k_end);
        k = k_end;
    } while (k < p->k);
}

/* ---- sums over lanes -------------------------------------------------------------------------------------------------- */

typedef float four __attribute__((vector_size(16)));

static inline float total(vec v)
{
    union {
        vec v;
        four f[WIDTH / 4];
    } u = { v };
    four s = u.f[0];

    UNROLL for (size_t i = 1; i < WIDTH / 4; i++) s += u.f[i];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

static float sum(const float *from, size_t count)
{
    vec s[4] = { { 0 } };
    size_t n = count * BTZ_LANES, i = 0;

    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH)
        UNROLL for (size_t k = 0; k < 4; k++) s[k] += load(from + i + k * WIDTH);
    for (; i < n; i += WIDTH)
        s[0] += load(from + i);
    return total((s[0] + s[1]) + (s[2] + s[3]));
}

static void outer_tile(const struct btz_outer *o, const size_t row[OUTER_ROWS],
                       const size_t k[OUTER_COLS], float out[OUTER_ROWS][OUTER_COLS])
{
    vec s[OUTER_ROWS][OUTER_COLS];

    UNROLL for (size_t r = 0; r < OUTER_ROWS; r++)
    {
        UNROLL for (size_t c = 0; c < OUTER_COLS; c++) s[r][c] = (vec){ 0 };
    }
    for (size_t b = 0; b < o->blocks; b++) {
        const float *g[OUTER_ROWS], *x[OUTER_COLS];

        UNROLL for (size_t r = 0; r < OUTER_ROWS; r++) g[r] =
            o->g + b * o->g_block + row[r] * o->g_row;
        UNROLL for (size_t c = 0; c < OUTER_COLS; c++) x[c] = o->x + b * o->x_block + o->off[k[c]];
        for (size_t p = 0; p < o->pixels; p++)
            for (size_t sub = 0; sub < BTZ_LANES; sub += WIDTH) {
                vec v[OUTER_COLS];

                UNROLL for (size_t c = 0; c < OUTER_COLS; c++) v[c] = load(x[c] + o->from[p] + sub);
                UNROLL for (size_t r = 0; r < OUTER_ROWS; r++)
                {
                    vec gv = load(g[r] + o->g_from[p] + sub);

                    UNROLL for (size_t c = 0; c < OUTER_COLS; c++) s[r][c] += v[c] * gv;
                }
            }
    }
    UNROLL for (size_t r = 0; r < OUTER_ROWS; r++)
    {
        UNROLL for (size_t c = 0; c < OUTER_COLS; c++) out[r][c] = total(s[r][c]);
    }
}

static void outer(const struct btz_outer *o)
{
    for (size_t r = 0; r < o->rows; r += OUTER_ROWS)
        for (size_t c = 0; c < o->k; c += OUTER_COLS) {
            size_t row[OUTER_ROWS], k[OUTER_COLS];
            float out[OUTER_ROWS][OUTER_COLS];

            /* What is over is computed twice and stored once. */
            for (size_t i = 0; i < OUTER_ROWS; i++)
                row[i] = r + i < o->rows ? r + i : o->rows - 1;
            for (size_t i = 0; i < OUTER_COLS; i++)
                k[i] = c + i < o->k ? c + i : o->k - 1;
            outer_tile(o, row, k, out);
            for (size_t i = 0; i < OUTER_ROWS && r + i < o->rows; i++)
                for (size_t j = 0; j < OUTER_COLS && c + j < o->k; j++) {
                    float *d = &o->d[(r + i) * o->row_stride + (c + j) * o->k_stride];

                    *d = o->scale * out[i][j] + (o->add ? *d : 0);
                }
        }
}

/* ---- copies ----------------------------------------------------------------------------------------------------------- */

static void masked(float *to, const float *from, const float *mask, size_t count)
{
    size_t n = count * BTZ_LANES;

    if (!mask) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    for (size_t i = 0; i < n; i += WIDTH) {
        vec m = load(mask + i), v = load(from + i);

        store(to + i, (vec)((__typeof__(m > m))(m > 0) & (__typeof__(m > m))v));
    }
}

static void affine(float *to, const float *from, const float *mask, size_t count, float scale,
                   float shift, bool relu, bool add)
{
    for (size_t i = 0; i < count * BTZ_LANES; i += WIDTH) {
        vec v = load(from + i) * scale + shift;

        if (mask) {
            vec m = load(mask + i);
            v = (vec)((__typeof__(m > m))(m > 0) & (__typeof__(m > m))v);
        }
        if (relu)
            v = relu_of(v);
        store(to + i, add ? load(to + i) + v : v);
    }
}

/* ---- windows ---------------------------------------------------------------------------------------------------------- */

typedef int32_t whole __attribute__((vector_size(WIDTH * 4)));

static void largest(const struct btz_windows *w, const float *x, float *y, int32_t *which)
{
    for (size_t o = 0; o < w->outs; o++)
        for (size_t sub = 0; sub < BTZ_LANES; sub += WIDTH) {
            const int32_t *tap = &w->taps[w->first[o]];
            int32_t count = w->first[o + 1] - w->first[o];
            vec best = (vec){ 0 } - INFINITY;
            whole at = (whole){ 0 } - 1;

            for (int32_t t = 0; t < count; t++) {
                vec v = load(x + tap[t] + sub);
                whole take = (whole)(v > best) | (whole)(v != v) | (at < 0);

                best = (vec)((take & (whole)v) | (~take & (whole)best));
                at = (take & t) | (~take & at);
            }
            store(y + o * BTZ_LANES + sub, best);
            *(whole *)(which + o * BTZ_LANES + sub) = at;
        }
}

static void largest_grad(const struct btz_windows *w, const float *g, const int32_t *which,
                         float *d)
{
    for (size_t o = 0; o < w->outs; o++)
        for (size_t sub = 0; sub < BTZ_LANES; sub += WIDTH) {
            whole at = *(const whole *)(which + o * BTZ_LANES + sub);
            whole v = (whole)load(g + o * BTZ_LANES + sub);

            for (int32_t t = w->first[o]; t < w->first[o + 1]; t++) {
                float *to = d + w->taps[t] + sub;

                store(to, load(to) + (vec)((at == t - w->first[o]) & v));
            }
        }
}

static void mean(const struct btz_windows *w, const float *x, float *y)
{
    for (size_t o = 0; o < w->outs; o++)
        for (size_t sub = 0; sub < BTZ_LANES; sub += WIDTH) {
            vec v = { 0 };

            for (int32_t t = w->first[o]; t < w->first[o + 1]; t++)
                v += load(x + w->taps[t] + sub);
            store(y + o * BTZ_LANES + sub, v * w->scale[o]);
        }
}

static void mean_grad(const struct btz_windows *w, const float *g, float *d)
{
    for (size_t o = 0; o < w->outs; o++)
        for (size_t sub = 0; sub < BTZ_LANES; sub += WIDTH) {
            vec v = load(g + o * BTZ_LANES + sub) * w->scale[o];

            for (int32_t t = w->first[o]; t < w->first[o + 1]; t++) {
                float *to = d + w->taps[t] + sub;
                store(to, load(to) + v);
            }
        }
}

/* ---- to lanes and back ------------------------------------------------------------------------------------------------ */

static void gather(const float *const rows[BTZ_LANES], size_t features, float *to)
{
    for (size_t f = 0; f < features; f++, to += BTZ_LANES)
        UNROLL for (size_t l = 0; l < BTZ_LANES; l++) to[l] = rows[l][f];
}

static void scatter(const float *from, size_t features, float *const rows[BTZ_LANES], size_t count,
                    bool add)
{
    for (size_t l = 0; l < count; l++) {
        float *to = rows[l];

        if (add)
            for (size_t f = 0; f < features; f++)
                to[f] += from[f * BTZ_LANES + l];
        else
            for (size_t f = 0; f < features; f++)
                to[f] = from[f * BTZ_LANES + l];
    }
}

const struct btz_isa ISA = { .name = ISA_NAME,
                             .works = works,
                             .side = side,
                             .panel = panel,
                             .outer = outer,
                             .masked = masked,
                             .sum = sum,
                             .affine = affine,
                             .largest = largest,
                             .largest_grad = largest_grad,
                             .mean = mean,
                             .mean_grad = mean_grad,
                             .gather = gather,
                             .scatter = scatter };
