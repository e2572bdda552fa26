/*
 * Balls, boxes and planes. What the papers solve by sorting is a root of a monotone, piecewise linear function of one number
 * here: a few passes that run in vector registers instead of n log n compares.
 */
#include <math.h>
#include <string.h>

#include "robust/rows.h"

#define BLOCK 256 /* floats are summed as floats within a block, blocks as doubles */

/* Compiled for wider registers too, the widest of the processor is taken. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) &&                             \
    !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

static size_t block_end(size_t at, size_t n)
{
    return n - at < BLOCK ? n : at + BLOCK;
}

double btz_inner(const float *a, const float *b, size_t n)
{
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

double btz_distance(enum btz_norm norm, const float *a, const float *b, size_t n)
{
    double sum = 0;
    float most = 0;

    switch (norm) {
    case BTZ_NORM_LINF:
#pragma omp simd reduction(max : most)
        for (size_t i = 0; i < n; i++)
            most = fabsf(a[i] - b[i]) > most ? fabsf(a[i] - b[i]) : most;
        return (double)most;
    case BTZ_NORM_L2:
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < n; i++)
            sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        return sqrt(sum);
    case BTZ_NORM_L1:
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < n; i++)
            sum += fabs((double)a[i] - (double)b[i]);
        return sum;
    default:
        return btz_norm_of(norm, a, b, n);
    }
}

/* Order of bits is order of values among floats that are not negative. */
static uint32_t bits_of(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits & 0x7fffffff;
}

static float float_of(uint32_t bits)
{
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

float btz_rank_of_abs(const float *v, size_t n, size_t rank)
{
    uint32_t low = 0,
             high = 0x7fffffff; /* the smallest that at least rank+1 values do not exceed */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2, count = 0;

#pragma omp simd reduction(+ : count)
        for (size_t i = 0; i < n; i++)
            count += bits_of(v[i]) <= middle;
        if (count > rank)
            high = middle;
        else
            low = middle + 1;
    }
    return float_of(low);
}

/* ---- balls ------------------------------------------------------------------------------------------------------------- */

static void clip(struct btz_box box, size_t n, float *p)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        p[i] = btz_clamp(p[i], box.low, box.high);
}

static void ball_linf(float eps, struct btz_box box, const float *x, size_t n, float *p)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        p[i] = btz_clamp(btz_clamp(p[i], x[i] - eps, x[i] + eps), box.low, box.high);
}

static void ball_l2(double eps, struct btz_box box, const float *x, size_t n, float *p)
{
    double norm = btz_distance(BTZ_NORM_L2, p, x, n);
    float scale = (float)(eps / norm);

    if (norm > eps) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            p[i] = x[i] + (p[i] - x[i]) * scale;
    }
    clip(box, n, p);
}

/* L1 norm of the steps to p, each shortened by `less` and cut at the box; and how many of them feel a change of `less`. */
static double shortened(double less, struct btz_box box, const float *x, size_t n, const float *p,
                        double *slope)
{
    double sum = 0, count = 0;

#pragma omp simd reduction(+ : sum, count)
    for (size_t i = 0; i < n; i++) {
        double step = (double)p[i] - (double)x[i], length = fabs(step) - less;
        double room = step > 0 ? (double)box.high - (double)x[i] : (double)x[i] - (double)box.low;

        count += length > 0 && length < room ? 1.0 : 0.0;
        length = length < room ? length : room;
        sum += length > 0 ? length : 0.0;
    }
    *slope = count;
    return sum;
}

static double longest(const float *x, size_t n, const float *p)
{
    float most = 0;

#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++)
        most = fabsf(p[i] - x[i]) > most ? fabsf(p[i] - x[i]) : most;
    return (double)most * 1.0001;
}

/* The problem of Croce and Hein, arXiv 2103.01208, section 3: by duality every step is shortened by the same. */
static void ball_l1(double eps, struct btz_box box, const float *x, size_t n, float *p)
{
    double radius = eps * (1 - 1e-6); /* floats of the result round */
    double low = 0, high = longest(x, n, p), less = 0, slope;
    double sum = shortened(0, box, x, n, p, &slope);
    bool inside = sum <= radius;

    for (int i = 0; i < 100 && !inside && fabs(sum - radius) > 1e-8 * radius; i++) {
        if (sum > radius)
            low = less;
        else
            high = less;
        less += slope > 0 ? (sum - radius) / slope : high;
        if (!(less > low && less < high))
            less = (low + high) / 2;
        if (less <= low || less >= high)
            break;
        sum = shortened(less, box, x, n, p, &slope);
    }
    if (!inside && sum > radius * (1 + 1e-7))
        less = high;
    for (size_t i = 0; i < n; i++) {
        double step = (double)p[i] - (double)x[i], length = fmax(fabs(step) - less, 0);

        p[i] = btz_clamp((float)((double)x[i] + copysign(length, step)), box.low, box.high);
    }
}

void btz_project_ball(enum btz_norm norm, double eps, struct btz_box box, const float *x, size_t n,
                      float *p)
{
    if (norm == BTZ_NORM_LINF)
        ball_linf((float)eps, box, x, n, p);
    else if (norm == BTZ_NORM_L2)
        ball_l2(eps, box, x, n, p);
    else if (norm == BTZ_NORM_L1)
        ball_l1(eps, box, x, n, p);
    else
        clip(box, n, p);
}

/* ---- planes ------------------------------------------------------------------------------------------------------------ */

/* How far w.d reaches when every feature moves by min(by, room), or for L2 by min(by |w|, room); and its derivative. */
WIDE static double reach(enum btz_norm norm, const float *a, const float *room, size_t n, float by,
                         double *slope)
{
    double sum = 0, total = 0;

    for (size_t at = 0; at < n; at += BLOCK) {
        size_t end = block_end(at, n);
        float s = 0, t = 0;

        if (norm == BTZ_NORM_LINF) {
#pragma omp simd reduction(+ : s, t)
            for (size_t i = at; i < end; i++) {
                s += a[i] * (by < room[i] ? by : room[i]);
                t += by < room[i] ? a[i] : 0.0F;
            }
        } else {
#pragma omp simd reduction(+ : s, t)
            for (size_t i = at; i < end; i++) {
                float move = by * a[i];

                s += a[i] * (move < room[i] ? move : room[i]);
                t += move < room[i] ? a[i] * a[i] : 0.0F;
            }
        }
        sum += (double)s;
        total += (double)t;
    }
    *slope = total;
    return sum;
}

/* reach() is concave in `by`, so Newton's steps from 0 never pass the root and end on its piece. */
static float move_for(enum btz_norm norm, double c, const float *a, const float *room, size_t n)
{
    double by = 0;

    for (int i = 0; i < 100; i++) {
        double slope, short_of = c - reach(norm, a, room, n, (float)by, &slope);
        double next;

        if (short_of <= c * 1e-6)
            return (float)by;
        if (slope <= 0)
            return INFINITY; /* every feature is at its bound */
        next = by + short_of / slope;
        if (next <= by * (1 + 1e-7))
            return (float)by;
        by = next;
    }
    return (float)by;
}

/* Whole steps for the features of the largest |w|, a part for the last. */
static void plane_l1(double c, const float *a, const float *room, size_t n, float *d)
{
    uint32_t low = 0, high = 0x7fffffff; /* the largest with reach left above it */
    float from;

    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        float least = float_of(middle);
        double sum = 0;

#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < n; i++)
            sum += a[i] >= least ? (double)a[i] * (double)room[i] : 0.0;
        if (sum >= c)
            low = middle;
        else
            high = middle - 1;
    }
    from = float_of(low);
    for (size_t i = 0; i < n; i++) {
        d[i] = a[i] > from ? room[i] : 0;
        if (a[i] > from)
            c -= (double)a[i] * (double)room[i];
    }
    for (size_t i = 0; i < n && c > 0; i++) {
        if (a[i] > from || a[i] < from || a[i] <= 0)
            continue;
        d[i] = fminf(room[i], (float)(c / (double)a[i]));
        c -= (double)a[i] * (double)room[i];
    }
}

/* |w|, and how far each feature may go downhill: where `sign` w is up. */
WIDE static void prepare(float sign, float least, struct btz_box box, const float *restrict t,
                         const float *restrict w, size_t n, float *restrict a, float *restrict room)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float up = sign * w[i], size = fabsf(up), above = box.high - t[i], below = t[i] - box.low;
        float to = up > 0 ? above : below;

        a[i] = size > least ? size : 0.0F;
        room[i] = to > 0 ? to : 0.0F;
    }
}

WIDE static void finish(float sign, const float *restrict w, size_t n, float *restrict d)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        d[i] = copysignf(d[i], sign * w[i]);
}

void btz_project_plane(enum btz_norm norm, struct btz_box box, const float *t, const float *w,
                       double c, size_t n, float *d, float *scratch)
{
    const float sign = c >= 0 ? -1.0F : 1.0F;
    float *a = scratch, *room = scratch + n, by;

    prepare(sign, norm == BTZ_NORM_LINF ? 0.0F : 1e-8F, box, t, w, n, a, room);
    if (norm == BTZ_NORM_L1) {
        plane_l1(fabs(c), a, room, n, d);
    } else {
        by = move_for(norm, fabs(c), a, room, n);
        if (norm == BTZ_NORM_LINF) {
#pragma omp simd
            for (size_t i = 0; i < n; i++) {
                float move = by < room[i] ? by : room[i];

                d[i] = a[i] > 0 ? move : 0.0F;
            }
        } else {
#pragma omp simd
            for (size_t i = 0; i < n; i++) {
                float move = by * a[i];

                move = move < room[i] ? move : room[i];
                d[i] = a[i] > 0 ? move : 0.0F; /* infinity times 0 is no step */
            }
        }
    }
    finish(sign, w, n, d);
}

/* ---- random points ----------------------------------------------------------------------------------------------------- */

double btz_random_normal(struct btz_rng *rng)
{
    double u = 1 - btz_rng_unit(rng), v = btz_rng_unit(rng);

    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

void btz_random_start(enum btz_norm norm, double eps, struct btz_box box, const float *x, size_t n,
                      struct btz_rng *rng, float *out)
{
    double scale = norm == BTZ_NORM_L1 ? (double)box.high - (double)box.low : 1, size = 0;

    for (size_t i = 0; i < n; i++) {
        double v = norm == BTZ_NORM_LINF ? 2 * btz_rng_unit(rng) - 1 : btz_random_normal(rng);

        out[i] = (float)v;
        size = norm == BTZ_NORM_LINF ? fmax(size, fabs(v)) : size + v * v;
    }
    if (norm == BTZ_NORM_LINF)
        scale = eps / (size + 1e-12);
    else if (norm == BTZ_NORM_L2)
        scale = eps / (sqrt(size) + 1e-12);
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] + (float)scale * out[i];
    btz_project_ball(norm, eps, box, x, n, out);
}
