/*
 * What JPEG does to a picture, without the file: colour, subsampling by two, cosines of 8 x 8 blocks, quantisation.
 *
 * Source: ITU-T T.81, tables K.1 and K.2, and A.3.3; scaling by quality as in libjpeg.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/corrupting.h"

static const uint8_t luminance[64] = {
    16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
    14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
    18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
};
static const uint8_t chrominance[64] = {
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
    99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
};

static double step_of(uint8_t base, int quality)
{
    int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    int step = (base * scale + 50) / 100;

    return step < 1 ? 1 : step > 255 ? 255 : step;
}

/* cosine[u][x] of the orthonormal transform. */
static void cosines(double out[8][8])
{
    for (int u = 0; u < 8; u++)
        for (int x = 0; x < 8; x++)
            out[u][x] = (u ? 0.5 : 0.35355339059327373) *
                        cos((2 * x + 1) * u * 3.14159265358979323846 / 16);
}

static void block(double b[8][8], double cosine[8][8], const uint8_t *table, int quality)
{
    double half[8][8], f[8][8];

    for (int u = 0; u < 8; u++)
        for (int x = 0; x < 8; x++) {
            half[u][x] = 0;
            for (int y = 0; y < 8; y++)
                half[u][x] += cosine[u][y] * b[y][x];
        }
    for (int u = 0; u < 8; u++)
        for (int v = 0; v < 8; v++) {
            double step = step_of(table[u * 8 + v], quality);

            f[u][v] = 0;
            for (int x = 0; x < 8; x++)
                f[u][v] += cosine[v][x] * half[u][x];
            f[u][v] = round(f[u][v] / step) * step;
        }
    for (int u = 0; u < 8; u++)
        for (int x = 0; x < 8; x++) {
            half[u][x] = 0;
            for (int v = 0; v < 8; v++)
                half[u][x] += cosine[v][x] * f[u][v];
        }
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++) {
            b[y][x] = 0;
            for (int u = 0; u < 8; u++)
                b[y][x] += cosine[u][y] * half[u][x];
        }
}

/* A plane of values 0 to 255; the last row and column are repeated to whole blocks. */
static void plane_pass(float *plane, size_t h, size_t w, const uint8_t *table, int quality)
{
    double cosine[8][8], b[8][8];

    cosines(cosine);
    for (size_t i = 0; i < h; i += 8)
        for (size_t j = 0; j < w; j += 8) {
            for (size_t y = 0; y < 8; y++)
                for (size_t x = 0; x < 8; x++) {
                    size_t r = i + y < h ? i + y : h - 1, q = j + x < w ? j + x : w - 1;

                    b[y][x] = (double)plane[r * w + q] - 128;
                }
            block(b, cosine, table, quality);
            for (size_t y = 0; y < 8 && i + y < h; y++)
                for (size_t x = 0; x < 8 && j + x < w; x++)
                    plane[(i + y) * w + j + x] = (float)fmin(fmax(round(b[y][x] + 128), 0), 255);
        }
}

/* Red, green and blue to luminance and two colours and back (JFIF). */
static void to_colours(float *x, size_t plane)
{
    for (size_t k = 0; k < plane; k++) {
        float r = x[k], g = x[plane + k], b = x[2 * plane + k];

        x[k] = 0.299F * r + 0.587F * g + 0.114F * b;
        x[plane + k] = -0.168736F * r - 0.331264F * g + 0.5F * b + 128;
        x[2 * plane + k] = 0.5F * r - 0.418688F * g - 0.081312F * b + 128;
    }
}

static void from_colours(float *x, size_t plane)
{
    for (size_t k = 0; k < plane; k++) {
        float y = x[k], b = x[plane + k] - 128, r = x[2 * plane + k] - 128;

        x[k] = y + 1.402F * r;
        x[plane + k] = y - 0.344136F * b - 0.714136F * r;
        x[2 * plane + k] = y + 1.772F * b;
    }
}

/* A colour at half the size: means of two by two, and back between the four centres. */
static void colour_pass(float *plane, size_t h, size_t w, float *half, int quality)
{
    size_t hh = (h + 1) / 2, hw = (w + 1) / 2;

    for (size_t i = 0; i < hh; i++)
        for (size_t j = 0; j < hw; j++) {
            size_t below = 2 * i + 1 < h ? 2 * i + 1 : h - 1,
                   right = 2 * j + 1 < w ? 2 * j + 1 : w - 1;

            half[i * hw + j] = (plane[2 * i * w + 2 * j] + plane[2 * i * w + right] +
                                plane[below * w + 2 * j] + plane[below * w + right]) /
                               4;
        }
    plane_pass(half, hh, hw, chrominance, quality);
    for (size_t i = 0; i < h; i++)
        for (size_t j = 0; j < w; j++) {
            double r = fmin(fmax(((double)i - 0.5) / 2, 0), (double)hh - 1);
            double q = fmin(fmax(((double)j - 0.5) / 2, 0), (double)hw - 1);

            plane[i * w + j] = btz_picture_at(half, hh, hw, r, q, 0);
        }
}

enum btz_err btz_corrupt_jpeg(const struct btz_corrupting *c, float *x)
{
    static const int table[2][5] = { { 80, 65, 58, 50, 40 }, { 25, 18, 15, 10, 7 } };
    int quality = table[c->large][c->severity];
    size_t h = c->p->height, w = c->p->width, plane = h * w, count = c->p->channels * plane;
    bool coloured = c->p->channels == 3;
    BTZ_FREE float *half = calloc((h + 1) / 2, (w + 1) / 2 * sizeof *half);

    if (!half)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t k = 0; k < count; k++)
        x[k] = roundf(x[k] * 255);
    if (coloured)
        to_colours(x, plane);
    for (size_t q = 0; q < c->p->channels; q++) {
        if (coloured && q)
            colour_pass(x + q * plane, h, w, half, quality);
        else
            plane_pass(x + q * plane, h, w, luminance, quality);
    }
    if (coloured)
        from_colours(x, plane);
    for (size_t k = 0; k < count; k++)
        x[k] = fminf(fmaxf(roundf(x[k]), 0), 255) / 255;
    return BTZ_OK;
}
