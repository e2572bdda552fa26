/* Pictures turned and corrupted: against what is known of each corruption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/corrupting.h"
#include "robust/corruption.h"

static const struct btz_box unit_box = { 0, 1 };

static void corrupt(const struct btz_picture *p, enum btz_corruption kind, int severity,
                    const float *in, float *out)
{
    struct btz_rng rng;

    btz_rng_init(&rng, 3, 1);
    assert_int_equal(btz_corrupt(p, unit_box, kind, severity, &rng, in, out), BTZ_OK);
}

static double mean(const float *x, size_t n)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += (double)x[k];
    return sum / (double)n;
}

static double spread(const float *x, const float *y, size_t n)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += ((double)x[k] - (double)y[k]) * ((double)x[k] - (double)y[k]);
    return sqrt(sum / (double)n);
}

static void scene(const struct btz_picture *p, float *x)
{
    for (size_t q = 0; q < p->channels; q++)
        for (size_t i = 0; i < p->height; i++)
            for (size_t j = 0; j < p->width; j++)
                x[(q * p->height + i) * p->width + j] =
                    (float)(0.5 + 0.3 * sin(0.9 * (double)i + (double)q) * cos(0.7 * (double)j));
}

/* Every kind and severity at several sizes: inside the box, the same for the same draws, different from the input. */
static void test_all(void **state)
{
    static const struct btz_picture sizes[] = {
        { 1, 28, 28 }, { 3, 32, 32 }, { 3, 5, 9 }, { 2, 1, 1 }, { 1, 70, 66 },
    };

    (void)state;
    for (size_t s = 0; s < BTZ_COUNT(sizes); s++) {
        const struct btz_picture *p = &sizes[s];
        size_t n = p->channels * p->height * p->width;
        float *x = calloc(n, 3 * sizeof *x), *a = x + n, *b = x + 2 * n;

        scene(p, x);
        for (int k = 0; k < BTZ_CORRUPT_COUNT; k++)
            for (int v = 1; v <= 5; v += s == 4 ? 4 : 1) {
                enum btz_corruption kind = (enum btz_corruption)k;

                corrupt(p, kind, v, x, a);
                corrupt(p, kind, v, x, b);
                assert_memory_equal(a, b, n * sizeof *a);
                for (size_t i = 0; i < n; i++)
                    assert_true(a[i] >= 0 && a[i] <= 1);
                /* On 32 pixels the mildest blurs are next to nothing. */
                if (n > 700 && !(strstr(btz_corruption_name(kind), "blur") && v < 4))
                    if (!(spread(a, x, n) > 1e-3))
                        fail_msg("%s %d leaves the picture as it is", btz_corruption_name(kind), v);
            }
        free(x);
    }
}

/* Noise of a level picture has the deviation of the table. */
static void test_noise(void **state)
{
    static const double gauss[] = { 0.04, 0.06, 0.08, 0.09, 0.10 };
    static const double photons[] = { 500, 250, 100, 75, 50 };
    static const double impulse[] = { 0.01, 0.02, 0.03, 0.05, 0.07 };
    const struct btz_picture p = { 3, 60, 60 };
    float x[10800], out[10800];

    (void)state;
    for (size_t k = 0; k < 10800; k++)
        x[k] = 0.4F;
    for (int v = 1; v <= 5; v++) {
        size_t white = 0, black = 0;

        corrupt(&p, BTZ_CORRUPT_GAUSSIAN_NOISE, v, x, out);
        assert_true(fabs(spread(out, x, 10800) / gauss[v - 1] - 1) < 0.03);
        corrupt(&p, BTZ_CORRUPT_SHOT_NOISE, v, x, out);
        assert_true(fabs(spread(out, x, 10800) / sqrt(0.4 / photons[v - 1]) - 1) < 0.03);
        assert_true(fabs(mean(out, 10800) - 0.4) < 0.01);
        corrupt(&p, BTZ_CORRUPT_IMPULSE_NOISE, v, x, out);
        for (size_t k = 0; k < 10800; k++) {
            white += out[k] > 0.99F;
            black += out[k] < 0.01F;
        }
        assert_true(fabs((double)(white + black) / 10800 - impulse[v - 1]) < 0.01);
        assert_true(white > black / 2 && black > white / 2);
    }
}

/* Blurs keep a level picture, and spread a point without losing any of it. */
static void test_blur(void **state)
{
    static const enum btz_corruption blurs[] = { BTZ_CORRUPT_DEFOCUS_BLUR, BTZ_CORRUPT_GLASS_BLUR,
                                                 BTZ_CORRUPT_MOTION_BLUR, BTZ_CORRUPT_ELASTIC };
    const struct btz_picture p = { 1, 32, 32 };
    float x[1024], out[1024];

    (void)state;
    for (size_t b = 0; b < BTZ_COUNT(blurs); b++)
        for (int v = 1; v <= 5; v++) {
            for (size_t k = 0; k < 1024; k++)
                x[k] = 0.4F;
            corrupt(&p, blurs[b], v, x, out);
            for (size_t k = 0; k < 1024; k++)
                assert_true(fabsf(out[k] - 0.4F) < 1e-5F);
            memset(x, 0, sizeof x);
            x[16 * 32 + 16] = 1;
            corrupt(&p, blurs[b], v, x, out);
            if (blurs[b] != BTZ_CORRUPT_ELASTIC)
                assert_true(fabs(mean(out, 1024) * 1024 - 1) < 1e-4);
        }
    /* A disk of radius 1.5 has 9 pixels; smoothed by sigma 0.1 it stays what it is. */
    corrupt(&p, BTZ_CORRUPT_DEFOCUS_BLUR, 5, x, out);
    for (int i = -2; i <= 2; i++)
        for (int j = -2; j <= 2; j++)
            assert_true(fabsf(out[(16 + i) * 32 + 16 + j] -
                              (abs(i) < 2 && abs(j) < 2 ? 1.0F / 9 : 0)) < 1e-4F);
    /* The middle of a zoom stays; what is around it moves outwards. */
    scene(&p, x);
    corrupt(&p, BTZ_CORRUPT_ZOOM_BLUR, 5, x, out);
    assert_true(spread(out + 15 * 32 + 15, x + 15 * 32 + 15, 2) < spread(out, x, 32));
}

/* Gaussian weights: scipy.ndimage.gaussian_filter1d of a point, sigma 1, truncate 4. */
static void test_gaussian(void **state)
{
    static const double scipy[] = { 0.39894347, 0.24197145, 0.05399113, 0.00443186, 0.00013383 };
    float x[11] = { 0 };

    (void)state;
    x[5] = 1;
    assert_int_equal(btz_gaussian(x, 1, 11, 1, 4), BTZ_OK);
    for (size_t d = 0; d < 5; d++)
        assert_true(fabs((double)x[5 + d] - scipy[d]) < 1e-6 && x[5 + d] == x[5 - d]);
    assert_int_equal(btz_mirror(-1, 4), 0);
    assert_int_equal(btz_mirror(4, 4), 3);
    assert_int_equal(btz_mirror(-9, 4), 0);
    assert_int_equal(btz_mirror(8, 4), 0);
}

static void test_light(void **state)
{
    const struct btz_picture p = { 3, 4, 4 };
    float x[48], out[48];
    double m;

    (void)state;
    scene(&p, x);
    m = mean(x, 16);
    corrupt(&p, BTZ_CORRUPT_CONTRAST, 2, x, out);
    for (size_t k = 0; k < 16; k++)
        assert_true(fabs((double)out[k] - (m + 0.5 * ((double)x[k] - m))) < 1e-6);
    /* (0.2, 0.4, 0.1): value 0.4 becomes 0.55 and hue and saturation stay: colorsys.hsv_to_rgb gives these. */
    x[0] = 0.2F;
    x[16] = 0.4F;
    x[32] = 0.1F;
    corrupt(&p, BTZ_CORRUPT_BRIGHTNESS, 3, x, out);
    assert_true(fabsf(out[0] - 0.275F) < 1e-6F && fabsf(out[16] - 0.55F) < 1e-6F &&
                fabsf(out[32] - 0.1375F) < 1e-6F);
}

/* Halves of a picture whose side times the constant is half of it: means of 2 x 2. */
static void test_pixelate(void **state)
{
    const struct btz_picture p = { 1, 80, 80 };
    float x[6400], out[6400];

    (void)state;
    scene(&p, x);
    corrupt(&p, BTZ_CORRUPT_PIXELATE, 2, x, out); /* 0.5 of 80 */
    for (size_t i = 0; i < 80; i++)
        for (size_t j = 0; j < 80; j++) {
            size_t at = i / 2 * 2 * 80 + j / 2 * 2;

            assert_true(fabsf(out[i * 80 + j] - (x[at] + x[at + 1] + x[at + 80] + x[at + 81]) / 4) <
                        1e-5F);
        }
}

/* Weather: whiter than the picture, worse with severity; plasma fills [0, 1]. */
static void test_weather(void **state)
{
    static const enum btz_corruption kinds[] = { BTZ_CORRUPT_SNOW, BTZ_CORRUPT_FROST,
                                                 BTZ_CORRUPT_FOG };
    const struct btz_picture p = { 3, 32, 32 };
    float x[3072], one[3072], five[3072], low = 1, high = 0;
    struct btz_rng rng;

    (void)state;
    scene(&p, x);
    for (size_t k = 0; k < BTZ_COUNT(kinds); k++) {
        corrupt(&p, kinds[k], 1, x, one);
        corrupt(&p, kinds[k], 5, x, five);
        assert_true(spread(five, x, 3072) > spread(one, x, 3072));
    }
    corrupt(&p, BTZ_CORRUPT_SNOW, 3, x, one);
    assert_true(mean(one, 3072) > mean(x, 3072) + 0.01);
    btz_rng_init(&rng, 4, 0);
    assert_int_equal(btz_plasma(&rng, 32, 32, 2, x), BTZ_OK);
    for (size_t k = 0; k < 1024; k++) {
        low = fminf(low, x[k]);
        high = fmaxf(high, x[k]);
    }
    assert_true(low <= 0 && high >= 1);
    /* Smooth: neighbours are alike, far points are not. */
    assert_true(spread(x, x + 1, 1000) < 0.5 * spread(x, x + 16 * 32, 512));
}

/* A level block comes back to within half a step of its mean; low quality loses the fine pattern. */
static void test_jpeg(void **state)
{
    const struct btz_picture p = { 1, 16, 16 };
    float x[256], out[256];

    (void)state;
    for (size_t k = 0; k < 256; k++)
        x[k] = 100.0F / 255;
    /* Quality 80: the mean's step is 6, of 8 times the mean less 128: -224 is 37.3 steps, which comes back as -222. */
    corrupt(&p, BTZ_CORRUPT_JPEG, 1, x, out);
    for (size_t k = 0; k < 256; k++)
        assert_true(fabsf(out[k] * 255 - 100) <= 1);
    for (size_t k = 0; k < 256; k++)
        x[k] = 0.5F + ((k + k / 16) % 2 ? 0.02F : -0.02F);
    corrupt(&p, BTZ_CORRUPT_JPEG, 5, x, out);
    assert_true(spread(out, x, 256) > 0.015);
}

static void test_turn(void **state)
{
    const struct btz_picture p = { 1, 3, 3 };
    const float x[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    const float quarter[] = { 3, 6, 9, 2, 5, 8, 1, 4, 7 }, down[] = { 0, 0, 0, 1, 2, 3, 4, 5, 6 };
    float out[9];

    (void)state;
    btz_picture_turn(&p, x, 90, 0, 0, 0, out); /* numpy.rot90 */
    assert_memory_equal(out, quarter, sizeof out);
    btz_picture_turn(&p, x, 0, 1, 0, 0, out);
    assert_memory_equal(out, down, sizeof out);
    btz_picture_turn(&p, x, 0, 0, 0.5, 0, out);
    assert_true(fabsf(out[0] - 0.5F) < 1e-6F && fabsf(out[1] - 1.5F) < 1e-6F);
}

static void test_names(void **state)
{
    struct btz_picture p = { 1, 2, 2 };
    enum btz_corruption kind;
    float x[4] = { 0 }, out[4];
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 1, 1);
    for (int k = 0; k < BTZ_CORRUPT_COUNT; k++) {
        assert_true(btz_corruption_parse(btz_corruption_name((enum btz_corruption)k), &kind));
        assert_int_equal(kind, k);
    }
    assert_false(btz_corruption_parse("rain", &kind));
    assert_int_equal(btz_corrupt(&p, unit_box, BTZ_CORRUPT_FOG, 6, &rng, x, out), BTZ_USAGE);
    assert_int_equal(btz_picture_of(&(struct btz_shape){ 1, { 4 } }, &p), BTZ_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),     cmocka_unit_test(test_noise),
        cmocka_unit_test(test_blur),    cmocka_unit_test(test_gaussian),
        cmocka_unit_test(test_light),   cmocka_unit_test(test_pixelate),
        cmocka_unit_test(test_weather), cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_turn),    cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
