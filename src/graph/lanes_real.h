/* Kernels over lanes; included once for each set of instructions. WIDTH: floats in a register; ROWS x COLS: registers of sums of
 * a panel; OUTER_ROWS x OUTER_COLS: of an outer product. */
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
    const float *weights, *x[COLS];
    float *out[COLS];
    const int32_t *off;
    size_t rows, k, row;
    bool first, last; /* part of k */
};

/* As the scalar one: NaN stays. */
static inline vec relu_of(vec v)
{
    return (vec)(~(__typeof__(v > v))(v <= 0) & (__typeof__(v > v))v);
}

#define TILE(cols)                                                                                 \
    static void tile_##cols(const struct tile *t)                                                  \
    {                                                                                              \
        const struct btz_panel *p = t->p;                                                          \
        const float *w = t->weights;                                                               \
        vec sum[ROWS][cols];                                                                       \
                                                                                                   \
        UNROLL for (size_t r = 0; r < ROWS; r++)                                                   \
        {                                                                                          \
            float b = t->first && p->bias ? p->bias[t->row + r] : 0;                               \
            UNROLL for (size_t c = 0; c < cols; c++) sum[r][c] = (vec){ 0 } + b;                   \
        }                                                                                          \
        for (size_t k = 0; k < t->k; k++, w += ROWS) {                                             \
            vec x[cols];                                                                           \
                                                                                                   \
            UNROLL for (size_t c = 0; c < cols; c++) x[c] = load(t->x[c] + t->off[k]);             \
            UNROLL for (size_t r = 0; r < ROWS; r++)                                               \
            {                                                                                      \
                UNROLL for (size_t c = 0; c < cols; c++) sum[r][c] += x[c] * w[r];                 \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (size_t r = 0; r < ROWS; r++)                                                   \
        {                                                                                          \
            UNROLL for (size_t c = 0; c < cols; c++) if (r < t->rows)                              \
            {                                                                                      \
                float *out = t->out[c] + r * p->row_stride;                                        \
                vec v = sum[r][c];                                                                 \
                                                                                                   \
                if (!t->first || p->add)                                                           \
                    v += load(out);                                                                \
                if (t->last && p->relu)                                                            \
                    v = relu_of(v);                                                                \
                store(out, v);                                                                     \
            }                                                                                      \
        }                                                                                          \
    }
TILE(1)
TILE(2)
TILE(3)
#undef TILE

#define K_PART 512 /* as much of k at once as leaves its rows in the cache */

static void panel(const struct btz_panel *p)
{
    static void (*const tiles[])(const struct tile *) = { tile_1, tile_2, tile_3 };
    size_t subs = BTZ_LANES / WIDTH;
    struct tile t = { .p = p };
    size_t k = 0;

    _Static_assert(COLS == 3, "tiles of one to three columns");
    do {
        t.k = p->k - k < K_PART ? p->k - k : K_PART;
        t.first = k == 0;
        t.last = k + t.k == p->k;
        t.off = p->off + k;
        for (size_t pixel = 0; pixel < p->pixels * subs; pixel += COLS) {
            size_t cols = p->pixels * subs - pixel < COLS ? p->pixels * subs - pixel : COLS;

            for (size_t row = 0; row < p->rows; row += ROWS) {
                for (size_t c = 0; c < cols; c++) {
                    size_t at = (pixel + c) / subs, sub = (pixel + c) % subs * WIDTH;

                    t.x[c] = p->x + p->from[at] + sub;
                    t.out[c] = p->out + p->to[at] + row * p->row_stride + sub;
                }
                t.weights = p->weights + row * p->k + k * ROWS;
                t.row = row;
                t.rows = p->rows - row < ROWS ? p->rows - row : ROWS;
                tiles[cols - 1](&t);
            }
        }
        k += t.k;
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
                             .rows = ROWS,
                             .panel = panel,
                             .outer = outer,
                             .masked = masked,
                             .sum = sum,
                             .gather = gather,
                             .scatter = scatter };
