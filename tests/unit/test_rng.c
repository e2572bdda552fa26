/* Philox: published answers, and what is built on it is uniform, unbiased and independent between streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include <bartizan/stats.h>

#include "base/base.h"

/* Upper tail of the chi-square of observed counts that should be equal. */
static double chi_square_p(const unsigned *counts, size_t cells, double expected)
{
    double sum = 0;

    for (size_t i = 0; i < cells; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return btz_gamma_q((double)(cells - 1) / 2, sum / 2);
}

static void test_known_answers(void **state)
{
    /* Random123 kat_vectors, philox4x32 10: counter and key all zero; counter and key all ones. The second is
     * reached at the last block of a stream, which no count gets to: set directly. */
    static const uint32_t zero[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
    static const uint32_t ones[4] = { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd };
    static const uint32_t pi[4] = { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 };
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 0, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(btz_rng_u32(&r), zero[i]);
    btz_rng_init(&r, UINT64_MAX, UINT64_MAX);
    r.counter[0] = r.counter[1] = UINT32_MAX;
    for (int i = 0; i < 4; i++)
        assert_int_equal(btz_rng_u32(&r), ones[i]);
    /* Counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0: digits of pi. */
    btz_rng_init(&r, 0x299f31d0a4093822, 0x0370734413198a2e);
    r.counter[0] = 0x243f6a88;
    r.counter[1] = 0x85a308d3;
    for (int i = 0; i < 4; i++)
        assert_int_equal(btz_rng_u32(&r), pi[i]);
}

static void test_carry(void **state)
{
    struct btz_rng a, b;

    (void)state;
    /* The block after 2^32 - 1 is that of counter (0, 1), not a repetition of the first. */
    btz_rng_init(&a, 9, 9);
    a.counter[0] = UINT32_MAX;
    for (int i = 0; i < 4; i++)
        btz_rng_u32(&a);
    btz_rng_init(&b, 9, 9);
    b.counter[1] = 1;
    for (int i = 0; i < 4; i++)
        assert_int_equal(btz_rng_u32(&a), btz_rng_u32(&b));
}

static void test_u64_order(void **state)
{
    struct btz_rng a, b;

    (void)state;
    btz_rng_init(&a, 1, 2);
    btz_rng_init(&b, 1, 2);
    for (int i = 0; i < 10; i++) {
        uint64_t low = btz_rng_u32(&b), high = btz_rng_u32(&b);

        assert_true(btz_rng_u64(&a) == (high << 32 | low));
    }
}

static void test_below_is_unbiased(void **state)
{
    static const uint32_t bounds[] = { 2, 3, 5, 7, 10, 97 };
    unsigned counts[97];
    struct btz_rng r;

    (void)state;
    for (size_t b = 0; b < BTZ_COUNT(bounds); b++) {
        double p;

        memset(counts, 0, sizeof counts);
        btz_rng_init(&r, 7, b);
        for (int i = 0; i < 97000; i++) {
            uint32_t v = btz_rng_below(&r, bounds[b]);

            assert_true(v < bounds[b]);
            counts[v]++;
        }
        p = chi_square_p(counts, bounds[b], 97000.0 / bounds[b]);
        assert_true(p > 1e-4 && p < 1 - 1e-6);
    }
    assert_int_equal(btz_rng_below(&r, 1), 0);
    /* Bound 3 * 2^30: of the 2^32 words a plain product would give every third value twice, so a remainder
     * of 0 modulo 3 in half of all draws instead of a third. */
    memset(counts, 0, sizeof counts);
    btz_rng_init(&r, 8, 0);
    for (int i = 0; i < 90000; i++)
        counts[btz_rng_below(&r, 3u << 30) % 3]++;
    assert_true(chi_square_p(counts, 3, 30000) > 1e-4);
    for (int i = 0; i < 1000; i++)
        assert_true(btz_rng_below(&r, UINT32_MAX) < UINT32_MAX);
}

static void test_unit_range(void **state)
{
    unsigned counts[64] = { 0 }, low_bits[64] = { 0 };
    double mean = 0, squares = 0, p;
    const int draws = 100000;
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 3, 3);
    for (int i = 0; i < draws; i++) {
        double u = btz_rng_unit(&r), scaled = u * 0x1p53;

        assert_true(u >= 0 && u < 1);
        assert_true(scaled == floor(scaled));
        counts[(int)(u * 64)]++;
        low_bits[(uint64_t)scaled % 64]++; /* all 53 bits are there */
        mean += u / draws;
        squares += u * u / draws;
    }
    assert_true(fabs(mean - 0.5) < 4 * sqrt(1.0 / 12 / draws));
    assert_true(fabs(squares - 1.0 / 3) < 4 * sqrt(4.0 / 45 / draws));
    p = chi_square_p(counts, 64, draws / 64.0);
    assert_true(p > 1e-4 && p < 1 - 1e-4);
    p = chi_square_p(low_bits, 64, draws / 64.0);
    assert_true(p > 1e-4 && p < 1 - 1e-4);
    /* The largest word gives the largest value, still below 1. */
    r = (struct btz_rng){ .block = { 0, 0, UINT32_MAX, UINT32_MAX }, .left = 2 };
    assert_true(btz_rng_unit(&r) == 1 - 0x1p-53);
}

/* Neighbouring seeds and neighbouring streams: bits of one agree with the other's half of the time, and the two
 * together fill a square evenly. */
static void test_streams_are_independent(void **state)
{
    static const uint64_t pairs[][4] = { { 0, 0, 0, 1 },
                                         { 0, 0, 1, 0 },
                                         { 5, 7, 7, 5 },
                                         { 1, UINT64_MAX, 1, 0 },
                                         { 1ull << 32, 0, 1, 0 } };
    const int words = 20000;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(pairs); i++) {
        struct btz_rng a, b;
        unsigned square[256] = { 0 }, equal = 0, bits = 0;
        double p;

        btz_rng_init(&a, pairs[i][0], pairs[i][1]);
        btz_rng_init(&b, pairs[i][2], pairs[i][3]);
        for (int j = 0; j < words; j++) {
            uint32_t x = btz_rng_u32(&a), y = btz_rng_u32(&b);

            equal += x == y;
            bits += (unsigned)__builtin_popcount(x ^ y);
            square[x >> 28 << 4 | y >> 28]++;
        }
        assert_in_range(equal, 0, 1);
        assert_true(fabs(bits - words * 16.0) < 4.5 * sqrt(words * 8.0));
        p = chi_square_p(square, 256, words / 256.0);
        assert_true(p > 1e-4 && p < 1 - 1e-4);
    }
}

static void test_stream_names(void **state)
{
    (void)state;
    /* First 8 bytes of SHA-256("abc"), FIPS 180-4. */
    assert_true(btz_rng_stream(btz_str("abc")) == 0xba7816bf8f01cfea);
    assert_true(btz_rng_stream(btz_str("probe/1")) != btz_rng_stream(btz_str("probe/2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_carry),
        cmocka_unit_test(test_u64_order),     cmocka_unit_test(test_below_is_unbiased),
        cmocka_unit_test(test_unit_range),    cmocka_unit_test(test_streams_are_independent),
        cmocka_unit_test(test_stream_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
