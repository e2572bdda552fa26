/*
 * Blurs: defocus, glass, motion, zoom, elastic.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/corrupting.h"

size_t btz_mirror(ptrdiff_t i, size_t n)
{
    ptrdiff_t period = 2 * (ptrdiff_t)n;

    i %= period;
    if (i < 0)
        i += period;
    return (size_t)(i < (ptrdiff_t)n ? i : period - 1 - i);
}

/* One row or column of a Gaussian blur; `kernel` is from the middle outwards. */
static void smooth(float *line, size_t n, size_t stride, const double *kernel, size_t reach,
                   float *copy)
{
    for (size_t k = 0; k < n; k++)
        copy[k] = line[k * stride];
    for (size_t k = 0; k < n; k++) {
        double sum = kernel[0] * (double)copy[k];

        for (size_t d = 1; d <= reach; d++)
            sum += kernel[d] * ((double)copy[btz_mirror((ptrdiff_t)k - (ptrdiff_t)d, n)] +
                                (double)copy[btz_mirror((ptrdiff_t)k + (ptrdiff_t)d, n)]);
        line[k * stride] = (float)sum;
    }
}

enum btz_err btz_gaussian(float *plane, size_t height, size_t width, double sigma, double truncate)
{
    size_t reach = (size_t)(truncate * sigma + 0.5), longest = height > width ? height : width;
    BTZ_FREE double *kernel = calloc(reach + 1, sizeof *kernel);
    BTZ_FREE float *copy = calloc(longest, sizeof *copy);
    double sum = 0;

    if (!kernel || !copy)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (!reach)
        return BTZ_OK;
    for (size_t d = 0; d <= reach; d++) {
        kernel[d] = exp(-(double)(d * d) / (2 * sigma * sigma));
        sum += kernel[d] * (d ? 2 : 1);
    }
    for (size_t d = 0; d <= reach; d++)
        kernel[d] /= sum;
    for (size_t i = 0; i < height; i++)
        smooth(plane + i * width, width, 1, kernel, reach, copy);
    for (size_t j = 0; j < width; j++)
        smooth(plane + j, height, width, kernel, reach, copy);
    return BTZ_OK;
}

/* ---- defocus ----------------------------------------------------------------------------------------------------------- */

#define REACH_MAX 200

/* A disk whose edge is smoothed by a Gaussian of 3 x 3 or 5 x 5, as OpenCV makes it; (2 reach + 1)^2 weights of sum 1. */
static void disk(double radius, double alias, size_t reach, double *kernel)
{
    ptrdiff_t r = (ptrdiff_t)reach, edge = radius <= 8 ? 1 : 2;
    size_t side = 2 * reach + 1;
    double around = 0, sum = 0;

    memset(kernel, 0, side * side * sizeof *kernel);
    for (ptrdiff_t a = -edge; a <= edge; a++)
        around += exp(-(double)(a * a) / (2 * alias * alias));
    for (ptrdiff_t i = -r; i <= r; i++)
        for (ptrdiff_t j = -r; j <= r; j++) {
            if ((double)(i * i + j * j) > radius * radius)
                continue;
            for (ptrdiff_t a = -edge; a <= edge; a++)
                for (ptrdiff_t b = -edge; b <= edge; b++)
                    if (labs(i + a) <= r && labs(j + b) <= r)
                        kernel[(size_t)(i + a + r) * side + (size_t)(j + b + r)] +=
                            exp(-(double)(a * a + b * b) / (2 * alias * alias)) / around / around;
        }
    for (size_t k = 0; k < side * side; k++)
        sum += kernel[k];
    for (size_t k = 0; k < side * side; k++)
        kernel[k] /= sum;
}

enum btz_err btz_corrupt_defocus_blur(const struct btz_corrupting *c, float *x)
{
    static const double table[2][5][2] = {
        { { 0.3, 0.4 }, { 0.4, 0.5 }, { 0.5, 0.6 }, { 1, 0.2 }, { 1.5, 0.1 } },
        { { 3, 0.1 }, { 4, 0.5 }, { 6, 0.5 }, { 8, 0.5 }, { 10, 0.5 } },
    };
    const double *v = table[c->large][c->severity];
    size_t h = c->p->height, w = c->p->width;
    double radius = fmin(v[0] * c->scale, REACH_MAX - 3);
    size_t reach = (size_t)ceil(radius) + 2, side = 2 * reach + 1;
    BTZ_FREE double *kernel = calloc(side, side * sizeof *kernel);
    BTZ_FREE float *copy = calloc(h, w * sizeof *copy);

    if (!kernel || !copy)
        return btz_fail(BTZ_LIMIT, "out of memory");
    disk(radius, v[1], reach, kernel);
    for (size_t q = 0; q < c->p->channels; q++) {
        float *plane = x + q * h * w;

        memcpy(copy, plane, h * w * sizeof *copy);
        for (size_t i = 0; i < h; i++)
            for (size_t j = 0; j < w; j++) {
                double sum = 0;

                for (size_t a = 0; a < side; a++) {
                    const float *row =
                        copy + btz_mirror((ptrdiff_t)(i + a) - (ptrdiff_t)reach, h) * w;

                    for (size_t b = 0; b < side; b++)
                        if (kernel[a * side + b] > 0)
                            sum +=
                                kernel[a * side + b] *
                                (double)row[btz_mirror((ptrdiff_t)(j + b) - (ptrdiff_t)reach, w)];
                }
                plane[i * w + j] = (float)sum;
            }
    }
    return BTZ_OK;
}

/* ---- glass ------------------------------------------------------------------------------------------------------------- */

enum btz_err btz_corrupt_glass_blur(const struct btz_corrupting *c, float *x)
{
    static const double table[2][5][3] = {
        /* sigma, distance, rounds */
        { { 0.05, 1, 1 }, { 0.25, 1, 1 }, { 0.4, 1, 1 }, { 0.25, 1, 2 }, { 0.4, 1, 2 } },
        { { 0.7, 1, 2 }, { 0.9, 2, 1 }, { 1, 2, 3 }, { 1.1, 3, 2 }, { 1.5, 4, 2 } },
    };
    const double *v = table[c->large][c->severity];
    size_t h = c->p->height, w = c->p->width, d = (size_t)fmax(1, round(v[1] * c->scale));
    double sigma = v[0] * c->scale;

    for (size_t q = 0; q < c->p->channels; q++)
        BTZ_TRY(btz_gaussian(x + q * h * w, h, w, sigma, 4));
    for (int round = 0; round < (int)v[2]; round++)
        for (size_t i = h - (d < h ? d : h); i > d; i--)
            for (size_t j = w - (d < w ? d : w); j > d; j--) {
                size_t to_i = i + btz_rng_below(c->rng, (uint32_t)(2 * d)) - d;
                size_t to_j = j + btz_rng_below(c->rng, (uint32_t)(2 * d)) - d;

                for (size_t q = 0; q < c->p->channels; q++) {
                    float *a = x + (q * h + i) * w + j, *b = x + (q * h + to_i) * w + to_j;
                    float t = *a;

                    *a = *b;
                    *b = t;
                }
            }
    for (size_t q = 0; q < c->p->channels; q++)
        BTZ_TRY(btz_gaussian(x + q * h * w, h, w, sigma, 4));
    return BTZ_OK;
}

/* ---- motion ------------------------------------------------------------------------------------------------------------ */

/* As ImageMagick's MotionBlurImage: 2 radius + 1 steps from the pixel on, edges repeated. */
enum btz_err btz_motion(float *plane, size_t height, size_t width, double radius, double sigma,
                        double degrees)
{
    size_t steps = 2 * (size_t)ceil(fmin(radius, REACH_MAX)) + 1;
    double angle = degrees * 3.14159265358979323846 / 180, sum = 0;
    BTZ_FREE double *kernel = calloc(steps, sizeof *kernel);
    BTZ_FREE float *copy = calloc(height, width * sizeof *copy);

    if (!kernel || !copy)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memcpy(copy, plane, height * width * sizeof *copy);
    for (size_t k = 0; k < steps; k++) {
        kernel[k] = exp(-(double)(k * k) / (2 * sigma * sigma));
        sum += kernel[k];
    }
    for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < width; j++) {
            double v = 0;

            for (size_t k = 0; k < steps; k++) {
                double r = (double)i + ceil((double)k * sin(angle) - 0.5);
                double q = (double)j + ceil((double)k * cos(angle) - 0.5);

                r = fmin(fmax(r, 0), (double)height - 1);
                q = fmin(fmax(q, 0), (double)width - 1);
                v += kernel[k] * (double)copy[(size_t)r * width + (size_t)q];
            }
            plane[i * width + j] = (float)(v / sum);
        }
    return BTZ_OK;
}

enum btz_err btz_corrupt_motion_blur(const struct btz_corrupting *c, float *x)
{
    static const double table[2][5][2] = {
        { { 6, 1 }, { 6, 1.5 }, { 6, 2 }, { 8, 2 }, { 9, 2.5 } },
        { { 10, 3 }, { 15, 5 }, { 15, 8 }, { 15, 12 }, { 20, 15 } },
    };
    const double *v = table[c->large][c->severity];
    double degrees = 90 * btz_rng_unit(c->rng) - 45;

    for (size_t q = 0; q < c->p->channels; q++)
        BTZ_TRY(btz_motion(x + q * c->p->height * c->p->width, c->p->height, c->p->width,
                           v[0] * c->scale, v[1] * c->scale, degrees));
    return BTZ_OK;
}

/* ---- zoom -------------------------------------------------------------------------------------------------------------- */

enum btz_err btz_zoom(float *plane, size_t height, size_t width, double factor)
{
    double middle_i = ((double)height - 1) / 2, middle_j = ((double)width - 1) / 2;
    BTZ_FREE float *copy = calloc(height, width * sizeof *copy);

    if (!copy)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memcpy(copy, plane, height * width * sizeof *copy);
    for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < width; j++)
            plane[i * width + j] =
                btz_picture_at(copy, height, width, middle_i + ((double)i - middle_i) / factor,
                               middle_j + ((double)j - middle_j) / factor, 0);
    return BTZ_OK;
}

enum btz_err btz_corrupt_zoom_blur(const struct btz_corrupting *c, float *x)
{
    static const double table[2][5][2] = {
        /* end, step; the end is not reached */
        { { 1.06, 0.01 }, { 1.11, 0.01 }, { 1.16, 0.01 }, { 1.21, 0.01 }, { 1.26, 0.01 } },
        { { 1.11, 0.01 }, { 1.16, 0.01 }, { 1.21, 0.02 }, { 1.26, 0.02 }, { 1.31, 0.03 } },
    };
    const double *v = table[c->large][c->severity];
    size_t h = c->p->height, w = c->p->width, plane = h * w;
    int steps = (int)ceil((v[0] - 1) / v[1] - 1e-9);
    BTZ_FREE float *copy = calloc(plane, 2 * sizeof *copy);
    float *sum = copy + plane;

    if (!copy)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t q = 0; q < c->p->channels; q++) {
        memcpy(sum, x + q * plane, plane * sizeof *sum);
        for (int s = 0; s < steps; s++) {
            memcpy(copy, x + q * plane, plane * sizeof *copy);
            BTZ_TRY(btz_zoom(copy, h, w, 1 + s * v[1]));
            for (size_t k = 0; k < plane; k++)
                sum[k] += copy[k];
        }
        for (size_t k = 0; k < plane; k++)
            x[q * plane + k] = sum[k] / (float)(steps + 1);
    }
    return BTZ_OK;
}

/* ---- elastic ----------------------------------------------------------------------------------------------------------- */

/* Coefficients with a[0] + a[1] x + a[2] y = v at three points; false where they are in line. */
static bool plane_through(const double x[3], const double y[3], const double v[3], double a[3])
{
    double det = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);

    if (fabs(det) < 1e-9)
        return false;
    a[1] = ((v[1] - v[0]) * (y[2] - y[0]) - (v[2] - v[0]) * (y[1] - y[0])) / det;
    a[2] = ((x[1] - x[0]) * (v[2] - v[0]) - (x[2] - x[0]) * (v[1] - v[0])) / det;
    a[0] = v[0] - a[1] * x[0] - a[2] * y[0];
    return true;
}

/* Where each pixel comes from: an affine map by three moved points, plus smooth noise. */
static enum btz_err displace(const struct btz_corrupting *c, double alpha, double sigma,
                             double affine, float *rows, float *columns)
{
    size_t h = c->p->height, w = c->p->width;
    double size = (double)(h < w ? h : w), third = floor(size / 3);
    double ci = floor((double)h / 2), cj = floor((double)w / 2);
    const double pi[3] = { ci + third, ci + third, ci - third };
    const double pj[3] = { cj + third, cj - third, cj - third };
    double qi[3], qj[3], ai[3] = { 0, 1, 0 }, aj[3] = { 0, 0, 1 };

    for (int k = 0; k < 3; k++) {
        qi[k] = pi[k] + affine * (2 * btz_rng_unit(c->rng) - 1);
        qj[k] = pj[k] + affine * (2 * btz_rng_unit(c->rng) - 1);
    }
    if (!plane_through(qi, qj, pi, ai) || !plane_through(qi, qj, pj, aj)) {
        memcpy(ai, (double[3]){ 0, 1, 0 }, sizeof ai);
        memcpy(aj, (double[3]){ 0, 0, 1 }, sizeof aj);
    }
    for (size_t k = 0; k < h * w; k++) {
        rows[k] = (float)(2 * btz_rng_unit(c->rng) - 1);
        columns[k] = (float)(2 * btz_rng_unit(c->rng) - 1);
    }
    BTZ_TRY(btz_gaussian(rows, h, w, sigma, 3));
    BTZ_TRY(btz_gaussian(columns, h, w, sigma, 3));
    for (size_t i = 0; i < h; i++)
        for (size_t j = 0; j < w; j++) {
            double r = (double)i + alpha * (double)rows[i * w + j];
            double q = (double)j + alpha * (double)columns[i * w + j];

            rows[i * w + j] = (float)(ai[0] + ai[1] * r + ai[2] * q);
            columns[i * w + j] = (float)(aj[0] + aj[1] * r + aj[2] * q);
        }
    return BTZ_OK;
}

/* Bilinear, mirrored at the edges. */
static float mirrored(const float *plane, size_t h, size_t w, double row, double column)
{
    double top = floor(row), left = floor(column), sum = 0;

    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++)
            sum += (1 - fabs(row - top - a)) * (1 - fabs(column - left - b)) *
                   (double)plane[btz_mirror((ptrdiff_t)top + a, h) * w +
                                 btz_mirror((ptrdiff_t)left + b, w)];
    return (float)sum;
}

enum btz_err btz_corrupt_elastic(const struct btz_corrupting *c, float *x)
{
    /* Shares of the side: strength, sigma, move of the three points. The source has 244 where 224 was meant. */
    static const double table[2][5][3] = {
        { { 0, 0, 0.08 },
          { 0.05, 0.2, 0.07 },
          { 0.08, 0.06, 0.06 },
          { 0.1, 0.04, 0.05 },
          { 0.1, 0.03, 0.03 } },
        { { 2, 0.7, 0.1 },
          { 2, 0.08, 0.2 },
          { 0.05, 0.01, 0.02 },
          { 0.07, 0.01, 0.02 },
          { 0.12, 0.01, 0.02 } },
    };
    const double *v = table[c->large][c->severity];
    size_t h = c->p->height, w = c->p->width, plane = h * w;
    double side = (double)(h < w ? h : w) * (c->large ? 244.0 / 224 : 1);
    BTZ_FREE float *field = calloc(plane, 3 * sizeof *field);

    if (!field)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(displace(c, v[0] * side, v[1] * side, v[2] * side, field, field + plane));
    for (size_t q = 0; q < c->p->channels; q++) {
        memcpy(field + 2 * plane, x + q * plane, plane * sizeof *field);
        for (size_t k = 0; k < plane; k++)
            x[q * plane + k] =
                mirrored(field + 2 * plane, h, w, (double)field[k], (double)field[plane + k]);
    }
    return BTZ_OK;
}
