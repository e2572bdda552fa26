/*
 * Square attack: random windows, kept where the margin shrinks. By scores alone, so masked gradients do not stop it.
 *
 * In the source one window is drawn for a whole batch; here for each sample, so that what becomes of a sample does not depend on
 * its neighbours. Its distribution is the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/rows.h"

extern const struct btz_attack btz_attack_square;

enum { QUERIES, P_INIT, RESTARTS, RESCALE, PARAMS };
static const struct btz_attack_param params[PARAMS] = {
    [QUERIES] = { "queries", "questions of a run, after the first", 5000, 1, 10000000, true },
    [P_INIT] = { "p-init", "share of the image that the first windows cover", 0.8, 0.0001, 1,
                 false },
    [RESTARTS] = { "restarts", "runs", 1, 1, 1000, true },
    [RESCALE] = { "rescale",
                  "schedule of windows stretched to the number of queries (1) or not (0)", 0, 0, 1,
                  true },
};

struct window {
    size_t row, column, height, width;
};

struct square {
    struct btz_attack_job *job;
    struct btz_rows rows;
    struct btz_image m;
    float *best, *next, *margin, *scores; /* rows; next is best but for what was proposed */
    struct btz_rng *rng;
    struct window *window; /* where next differs */
    float *eta;            /* side x side */
    size_t eta_side, eta_room;
};

/* ---- windows ----------------------------------------------------------------------------------------------------------- */

static double share_at(const struct square *s, size_t query)
{
    static const size_t ends[] = { 10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000 };
    double p = s->job->param[P_INIT];

    if (s->job->param[RESCALE] > 0)
        query = (size_t)((double)query / s->job->param[QUERIES] * 10000);
    for (size_t i = 0; i < BTZ_COUNT(ends) && query > ends[i]; i++)
        p /= 2;
    return p;
}

/* A place for a window; the last offset is never drawn, as in the source. */
static void place(const struct square *s, struct btz_rng *rng, struct window *w)
{
    size_t down = s->m.h - w->height, right = s->m.w - w->width;

    w->row = down ? btz_rng_below(rng, (uint32_t)down) : 0;
    w->column = right ? btz_rng_below(rng, (uint32_t)right) : 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A square where one fits, else as much of the image's shorter side as there is, and longer on the other. */
static struct window window_of(const struct square *s, double p)
{
    double area = p * (double)(s->m.h * s->m.w), side = round(sqrt(area));
    size_t side_of = side < 1 ? 1 : (size_t)side, least = smaller(s->m.h, s->m.w), other;
    struct window w = { 0, 0, side_of, side_of };

    if (side_of <= least)
        return w;
    other = (size_t)round(area / (double)least);
    other = smaller(other > least ? other : least, s->m.h > s->m.w ? s->m.h : s->m.w);
    w.height = s->m.h > s->m.w ? other : least;
    w.width = s->m.h > s->m.w ? least : other;
    return w;
}

static void copy_window(const struct square *s, const struct window *w, const float *from,
                        float *to)
{
    for (size_t c = 0; c < s->m.c; c++)
        for (size_t i = 0; i < w->height; i++) {
            size_t at = c * s->m.step_c + (w->row + i) * s->m.step_h + w->column * s->m.step_w;

            if (s->m.step_w == 1) {
                memcpy(to + at, from + at, w->width * sizeof *to);
                continue;
            }
            for (size_t j = 0; j < w->width; j++)
                to[at + j * s->m.step_w] = from[at + j * s->m.step_w];
        }
}

/* ---- Linf -------------------------------------------------------------------------------------------------------------- */

static float random_sign(struct btz_rng *rng)
{
    return btz_rng_u32(rng) & 1 ? 1.0F : -1.0F;
}

/* Adds `by` in the window of one channel, inside the ball and the box. */
static void push(const struct square *s, const struct window *w, size_t c, float by, const float *x,
                 float *p)
{
    const struct btz_box box = s->job->box;
    const float eps = (float)s->job->eps;

    for (size_t i = 0; i < w->height; i++) {
        size_t at = c * s->m.step_c + (w->row + i) * s->m.step_h + w->column * s->m.step_w;

        for (size_t j = 0; j < w->width; j++, at += s->m.step_w)
            p[at] = btz_clamp(btz_clamp(p[at] + by, x[at] - eps, x[at] + eps), box.low, box.high);
    }
}

static void start_linf(struct square *s, size_t row)
{
    size_t n = s->job->features;
    struct window stripe = { 0, 0, s->m.h, 1 };

    for (size_t c = 0; c < s->m.c; c++)
        for (stripe.column = 0; stripe.column < s->m.w; stripe.column++)
            push(s, &stripe, c, (float)s->job->eps * random_sign(&s->rng[row]), s->rows.x + row * n,
                 s->next + row * n);
}

static void propose_linf(struct square *s, size_t row, double p)
{
    size_t n = s->job->features;
    struct window w = window_of(s, p);

    place(s, &s->rng[row], &w);
    for (size_t c = 0; c < s->m.c; c++)
        push(s, &w, c, 2 * (float)s->job->eps * random_sign(&s->rng[row]), s->rows.x + row * n,
             s->next + row * n);
    s->window[row] = w;
}

/* ---- L2 and L1 --------------------------------------------------------------------------------------------------------- */

static double length(const struct square *s, double sum)
{
    return s->job->norm == BTZ_NORM_L2 ? sqrt(sum) : sum;
}

static double part(const struct square *s, float v)
{
    return s->job->norm == BTZ_NORM_L2 ? (double)v * (double)v : fabs((double)v);
}

/* Rectangles that grow around the centre, each lighter than the one before; of length 1. */
static void rectangles(const struct square *s, size_t height, size_t width, float sign, float *out)
{
    ptrdiff_t h = (ptrdiff_t)height, w = (ptrdiff_t)width, top = h / 2, left = w / 2;
    ptrdiff_t count = (top > left ? top : left) + 1;
    double sum = 0;

    for (ptrdiff_t k = 0; k < count; k++, top--, left--) {
        double weight = 1.0 / ((double)(k + 1) * (double)(k + 1));

        if (s->job->norm == BTZ_NORM_L1)
            weight *= weight;
        for (ptrdiff_t i = top < 0 ? 0 : top; i < h && i < top + 2 * k + 1; i++)
            for (ptrdiff_t j = left < 0 ? 0 : left; j < w && j < left + 2 * k + 1; j++)
                out[i * w + j] += (float)weight;
    }
    for (size_t i = 0; i < height * width; i++)
        sum += part(s, out[i]);
    for (size_t i = 0; i < height * width; i++)
        out[i] *= sign / (float)length(s, sum);
}

/* The pattern of a side: upper half up, lower half down; of length 1. */
static void make_eta(struct square *s, size_t side)
{
    size_t upper = side / 2;
    double sum = 0;

    if (s->eta_side == side)
        return;
    s->eta_side = side;
    memset(s->eta, 0, side * side * sizeof *s->eta);
    if (upper)
        rectangles(s, upper, side, 1, s->eta);
    rectangles(s, side - upper, side, -1, s->eta + upper * side);
    for (size_t i = 0; i < side * side; i++)
        sum += part(s, s->eta[i]);
    for (size_t i = 0; i < side * side; i++)
        s->eta[i] /= (float)length(s, sum);
}

static float eta_at(const struct square *s, size_t i, size_t j, bool transposed)
{
    return transposed ? s->eta[j * s->eta_side + i] : s->eta[i * s->eta_side + j];
}

/* From the steps in `d` to points: of length eps (L2), or projected (L1). */
static void finish(const struct square *s, const float *x, float *d)
{
    const struct btz_attack_job *job = s->job;
    size_t n = job->features;
    double sum = 0;
    float scale = 1;

    if (job->norm == BTZ_NORM_L2) {
        for (size_t i = 0; i < n; i++)
            sum += part(s, d[i]);
        scale = (float)(job->eps / (sqrt(sum) + 1e-12));
    }
    for (size_t i = 0; i < n; i++)
        d[i] = x[i] + scale * d[i];
    btz_project_ball(job->norm, job->eps, job->box, x, n, d);
}

static void start_tiles(struct square *s, size_t row)
{
    size_t n = s->job->features, side = s->m.h / 5 ? s->m.h / 5 : 1;
    float *d = s->next + row * n;
    struct btz_rng *rng = &s->rng[row];
    double sum = 0;

    side = smaller(side, s->m.w);
    make_eta(s, side);
    memset(d, 0, n * sizeof *d);
    for (size_t top = s->m.h % side / 2; top + side <= s->m.h; top += side)
        for (size_t left = s->m.w % side / 2; left + side <= s->m.w; left += side) {
            bool transposed = btz_rng_u32(rng) & 1;

            for (size_t c = 0; c < s->m.c; c++) {
                float sign = random_sign(rng);

                for (size_t i = 0; i < side * side; i++)
                    d[c * s->m.step_c + (top + i / side) * s->m.step_h +
                      (left + i % side) * s->m.step_w] +=
                        sign * eta_at(s, i / side, i % side, transposed);
            }
        }
    for (size_t i = 0; i < n; i++)
        sum += part(s, d[i]);
    for (size_t i = 0; i < n; i++)
        d[i] *= (float)(s->job->eps / (length(s, sum) + 1e-12));
    finish(s, s->rows.x + row * n, d);
}

static size_t at_of(const struct square *s, const struct window *w, size_t c, size_t i, size_t j)
{
    return c * s->m.step_c + (w->row + i) * s->m.step_h + (w->column + j) * s->m.step_w;
}

static bool is_inside(const struct window *w, size_t row, size_t column)
{
    return row >= w->row && row < w->row + w->height && column >= w->column &&
           column < w->column + w->width;
}

/* Length of the steps within either window. */
static double length_of_both(const struct square *s, const struct window *a, const struct window *b,
                             const float *d)
{
    double sum = 0;

    for (size_t c = 0; c < s->m.c; c++)
        for (size_t i = 0; i < a->height; i++)
            for (size_t j = 0; j < a->width; j++) {
                sum += part(s, d[at_of(s, a, c, i, j)]);
                if (!is_inside(a, b->row + i, b->column + j))
                    sum += part(s, d[at_of(s, b, c, i, j)]);
            }
    return length(s, sum);
}

/* What the first window of one channel becomes: the pattern over what was there, of length 1; in `fresh`. */
static void blend(struct square *s, const struct window *w, size_t c, bool transposed, float sign,
                  const float *d, float *fresh)
{
    size_t side = w->height;
    double before = 0, after = 0;

    for (size_t i = 0; i < side * side; i++)
        before += part(s, d[at_of(s, w, c, i / side, i % side)]);
    for (size_t i = 0; i < side * side; i++) {
        fresh[i] = sign * eta_at(s, i / side, i % side, transposed) +
                   d[at_of(s, w, c, i / side, i % side)] / (float)(1e-12 + length(s, before));
        after += part(s, fresh[i]);
    }
    for (size_t i = 0; i < side * side; i++)
        fresh[i] /= (float)(1e-12 + length(s, after));
}

/* The mass of the second window, and what is left to eps, moves into the first. */
static void propose_moved(struct square *s, size_t row, double p)
{
    const struct btz_attack_job *job = s->job;
    size_t n = job->features, side, limit = smaller(s->m.h, s->m.w);
    const float *x = s->rows.x + row * n;
    float *d = s->next + row * n, *fresh = s->eta + s->eta_room;
    struct btz_rng *rng = &s->rng[row];
    double total = 0, windows, mass, channels = (double)s->m.c;
    struct window a, b;
    bool transposed = btz_rng_u32(rng) & 1;

    side = (size_t)fmax(round(sqrt(p * (double)(s->m.h * s->m.w))), 3);
    side += side % 2 == 0;
    side = side <= limit ? side : limit - (limit % 2 == 0 && limit > 1);
    a = b = (struct window){ 0, 0, side, side };
    make_eta(s, side);
    place(s, rng, &a);
    place(s, rng, &b);
    for (size_t i = 0; i < n; i++) {
        d[i] = s->best[row * n + i] - x[i];
        total += part(s, d[i]);
    }
    total = length(s, total);
    windows = length_of_both(s, &a, &b, d);
    mass = job->norm == BTZ_NORM_L2
               ? sqrt(fmax(job->eps * job->eps - total * total, 0) / channels + windows * windows)
               : (fmax(job->eps - total, 0) / channels + windows) * channels;
    for (size_t c = 0; c < s->m.c; c++)
        blend(s, &a, c, transposed, random_sign(rng), d, fresh + c * side * side);
    for (size_t c = 0; c < s->m.c; c++)
        for (size_t i = 0; i < side * side; i++)
            d[at_of(s, &b, c, i / side, i % side)] = 0;
    for (size_t c = 0; c < s->m.c; c++)
        for (size_t i = 0; i < side * side; i++)
            d[at_of(s, &a, c, i / side, i % side)] = (float)mass * fresh[c * side * side + i];
    finish(s, x, d);
    s->window[row] = (struct window){ 0, 0, s->m.h, s->m.w };
}

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

static float margin_of(const float *z, size_t classes, size_t y)
{
    float other = -INFINITY;

    for (size_t k = 0; k < classes; k++)
        if (k != y && z[k] > other)
            other = z[k];
    return z[y] - other;
}

/* Asks for all that was proposed; keeps what is better, takes back the rest. */
static enum btz_err judge(struct square *s, bool first)
{
    size_t n = s->job->features, classes = s->job->classes;

    BTZ_TRY(btz_oracle_ask(s->job->oracle, s->next, s->rows.n, s->scores));
    btz_rows_asked(&s->rows, false);
    for (size_t row = s->rows.n; row-- > 0;) {
        const float *z = s->scores + row * classes;
        float margin = margin_of(z, classes, s->rows.y[row]);

        if (btz_argmax(z, classes) != s->rows.y[row]) {
            btz_rows_broken(&s->rows, row, s->next + row * n);
        } else if (first || margin < s->margin[row]) {
            s->margin[row] = margin;
            copy_window(s, &s->window[row], s->next + row * n, s->best + row * n);
        } else {
            copy_window(s, &s->window[row], s->best + row * n, s->next + row * n);
        }
    }
    return BTZ_OK;
}

static bool is_over(const struct square *s)
{
    const struct btz_oracle *o = s->job->oracle;

    return !s->rows.n || btz_rows_stopped(&s->rows) ||
           (o->budget && o->queries + s->rows.n > o->budget);
}

static enum btz_err run_once(struct square *s, uint64_t part)
{
    const struct btz_attack_job *job = s->job;
    size_t n = job->features;
    bool linf = job->norm == BTZ_NORM_LINF;

    memcpy(s->next, s->rows.x, s->rows.n * n * sizeof *s->next);
    for (size_t row = 0; row < s->rows.n; row++) {
        btz_attack_rng(job, s->rows.sample[row], part, &s->rng[row]);
        s->window[row] = (struct window){ 0, 0, s->m.h, s->m.w };
        if (linf)
            start_linf(s, row);
        else
            start_tiles(s, row);
    }
    if (is_over(s))
        return BTZ_OK;
    BTZ_TRY(judge(s, true));
    for (size_t query = 0; query < (size_t)job->param[QUERIES] && !is_over(s); query++) {
        double p = share_at(s, query);

        for (size_t row = 0; row < s->rows.n; row++) {
            if (linf)
                propose_linf(s, row, p);
            else
                propose_moved(s, row, p);
        }
        BTZ_TRY(judge(s, false));
    }
    for (size_t row = 0; row < s->rows.n; row++)
        memcpy(job->adv + s->rows.sample[row] * n, s->best + row * n, n * sizeof *s->best);
    return BTZ_OK;
}

static enum btz_err allocate(struct square *s)
{
    struct btz_rows *r = &s->rows;
    size_t row = s->job->features * sizeof(float), side;

    s->m = btz_image_of(&s->job->shape);
    BTZ_TRY(btz_rows_init(r, s->job));
    if (!(s->best = btz_rows_array(r, row)) || !(s->next = btz_rows_array(r, row)) ||
        !(s->margin = btz_rows_array(r, sizeof(float))) ||
        !(s->scores = btz_rows_array(r, s->job->classes * sizeof(float))) ||
        !(s->rng = btz_rows_array(r, sizeof *s->rng)) ||
        !(s->window = btz_rows_array(r, sizeof *s->window)))
        return BTZ_LIMIT;
    side = smaller(s->m.h, s->m.w);
    s->eta_room = side * side;
    s->eta = calloc(s->eta_room * (s->m.c + 1),
                    sizeof *s->eta); /* the pattern, and one window of each channel */
    return s->eta ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err run(struct btz_attack_job *job)
{
    struct square s = { .job = job };
    enum btz_err err = allocate(&s);

    for (size_t k = 0; !err && k < (size_t)job->param[RESTARTS]; k++)
        err = run_once(&s, k);
    btz_rows_release(&s.rows);
    free(s.eta);
    return err;
}

/* ---- known answers ----------------------------------------------------------------------------------------------------- */

/* The other score is 10 relu(x_0 - 0.6) - 0.4, the label's 0: flat at 0.5, broken from 0.64 on. */
static enum btz_err flat(double eps, bool want)
{
    static const float w0[] = { 1, 0, 0, 0 }, b0[] = { -0.6F }, w1[] = { 0, 10 },
                       b1[] = { 0, -0.4F };
    static const float x[] = { 0.5F, 0.5F, 0.5F, 0.5F };
    static const struct btz_shape shape = { 3, { 1, 2, 2 } };
    const struct btz_known_layer layers[] = { { w0, b0, 1 }, { w1, b1, 2 } };
    const uint32_t y = 0;
    struct btz_model *m = NULL;
    bool broken = false;
    float adv[4];
    enum btz_err err;

    BTZ_TRY(btz_known_model(&shape, layers, 2, false, &m));
    err = btz_known_run(&btz_attack_square, m, BTZ_NORM_LINF, eps, 1, x, &y, adv, &broken);
    btz_model_free(m);
    if (!err && broken != want)
        return btz_fail(BTZ_INTERNAL, "square: a flat model was%s broken within %g",
                        broken ? "" : " not", eps);
    return err;
}

/* Independent weights of a picture, or the pattern that windows of side 3 have, at one place. */
#define SIDE 11
static void weights(enum btz_norm norm, bool pattern, float *w)
{
    static const float up[] = { 1, 5, 1 }, down[] = { 3, 3, 3, 3, 15, 3 }; /* rectangles of L2 */
    struct btz_rng rng;

    btz_rng_init(&rng, 6, 3);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        size_t row = i / SIDE - 4, column = i % SIDE - 3; /* of the pattern; wraps before it */
        double v = 0;

        if (!pattern && row + 4 < SIDE - 1 && column + 3 < SIDE - 1)
            v = btz_random_normal(&rng);
        else if (pattern && row == 0 && column < 3)
            v = (double)up[column] / sqrt(27);
        else if (pattern && row < 3 && column < 3)
            v = -(double)down[(row - 1) * 3 + column] / sqrt(270);
        if (pattern && norm == BTZ_NORM_L1) /* whatever is pushed the right way is pushed well */
            v = (v > 0) - (v < 0);
        w[i] = (float)v;
    }
}

/* The label's score is w.(x - 0.5) + 0.4, the other's 0: the boundary is 0.4 / |w|_dual away. Nothing hangs on the last row and
 * column, where neither the tiles of the start nor small windows come. */
static enum btz_err plane(enum btz_norm norm, bool pattern, double factor, bool want)
{
    static const struct btz_shape shape = { 3, { 1, SIDE, SIDE } };
    float one[SIDE * SIDE], w[SIDE * SIDE * 2] = { 0 }, b[2] = { 0.4F, 0 }, x[SIDE * SIDE],
                                            adv[SIDE * SIDE];
    const struct btz_known_layer layer = { w, b, 2 };
    const uint32_t y = 0;
    struct btz_model *m = NULL;
    bool broken = false;
    double dual = 0, eps;
    enum btz_err err;

    weights(norm, pattern, one);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        double v = (double)one[i];

        x[i] = 0.5F;
        w[2 * i] = one[i];
        b[0] -= 0.5F * one[i];
        dual = norm == BTZ_NORM_LINF ? dual + fabs(v)
               : norm == BTZ_NORM_L2 ? dual + v * v
                                     : fmax(dual, fabs(v));
    }
    eps = factor * 0.4 / (norm == BTZ_NORM_L2 ? sqrt(dual) : dual);
    BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
    err = btz_known_run(&btz_attack_square, m, norm, eps, 1, x, &y, adv, &broken);
    btz_model_free(m);
    if (!err && broken != want)
        return btz_fail(BTZ_INTERNAL, "square (%s): a plane was%s broken at %g times its distance",
                        btz_norm_name(norm), broken ? "" : " not", factor);
    return err;
}

/*
 * With the published 5,000 questions Square reaches a plane that its windows can draw: 1.018 times the distance in L2, 1.044 in
 * L1. One of independent weights it cannot: a window changes by its whole pattern or not at all, so that 1.27 (L2) and 1.31 (L1)
 * are left. An implementation of its own after the papers leaves 1.20 to 1.35 and 1.15 to 1.72 of four such planes, and the same
 * of the first. On a side of 10 both leave about 1.5 and 1.7: there the tiles of the start cover the last row and column, whose
 * share of the change no window takes back, since the last offset is never drawn.
 */
static enum btz_err selftest(void)
{
    static const double above[] = { 1.01, 1.35, 1.4 }, drawn[] = { 1.01, 1.05, 1.08 };

    BTZ_TRY(flat(0.139, false));
    BTZ_TRY(flat(0.141, true));
    for (int norm = BTZ_NORM_LINF; norm <= BTZ_NORM_L1; norm++) {
        BTZ_TRY(plane((enum btz_norm)norm, false, 0.97, false));
        BTZ_TRY(plane((enum btz_norm)norm, false, above[norm], true));
        BTZ_TRY(plane((enum btz_norm)norm, true, 0.97, false));
        BTZ_TRY(plane((enum btz_norm)norm, true, drawn[norm], true));
    }
    return BTZ_OK;
}

static struct btz_attack_most most(const struct btz_attack_job *job)
{
    uint64_t runs = (uint64_t)job->param[RESTARTS];

    return (struct btz_attack_most){ runs * ((uint64_t)job->param[QUERIES] + 1), 0 };
}

const struct btz_attack btz_attack_square = {
    .id = "square",
    .summary = "random windows, kept where the margin shrinks",
    .access = BTZ_ATTACK_SCORES,
    .norms = 1U << BTZ_NORM_LINF | 1U << BTZ_NORM_L2 | 1U << BTZ_NORM_L1,
    .params = params,
    .param_count = PARAMS,
    .rule = "redteam.evasion.score",
    .source =
        "Andriushchenko et al. 2020, arXiv 1912.00049; L1: Croce and Hein 2021, arXiv 2103.01208",
    .run = run,
    .most = most,
    .selftest = selftest,
};
