/* Calibration: the bound that it states holds as often as it states, by simulation; its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include <bartizan/stats.h>

#include "gate/guard/calibrate.h"

/* Scores are uniform, so that the true rate of false positives of a threshold t is 1 - t. */
static unsigned held(uint64_t seed, size_t n, double rate, double confidence, unsigned repetitions)
{
    BTZ_FREE double *scores = calloc(n, sizeof *scores);
    struct btz_rng rng;
    unsigned good = 0;

    btz_rng_init(&rng, seed, 1);
    for (unsigned r = 0; r < repetitions; r++) {
        struct btz_calibrated c;

        for (size_t i = 0; i < n; i++)
            scores[i] = btz_rng_unit(&rng);
        assert_int_equal(btz_calibrate(scores, n, rate, confidence, &c), BTZ_OK);
        assert_true(c.upper <= rate);
        assert_int_equal(c.lines, n);
        good += 1 - c.threshold <= rate;
    }
    return good;
}

/* At least the stated share; and not much more, or it would be wasteful: at n where the bound is nearly reached the
 * share is near the stated one. Limits are those of the binomial, at 1e-6. */
static void test_bound_holds(void **state)
{
    static const struct {
        size_t n;
        double rate, confidence;
    } cases[] = {
        { 299, 0.01, 0.95 }, { 500, 0.02, 0.95 }, { 1000, 0.05, 0.99 },
        { 60, 0.05, 0.95 },  { 2000, 0.01, 0.9 },
    };
    enum { REPETITIONS = 1000 };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        unsigned good = held(i + 1, cases[i].n, cases[i].rate, cases[i].confidence, REPETITIONS);

        assert_true(btz_binomial_at_most(good, REPETITIONS, cases[i].confidence) > 1e-6);
    }
    /* 299 lines are the least for 1 % at 95 %: 0.99^299 = 0.0495. */
    assert_true(held(9, 299, 0.01, 0.95, REPETITIONS) < REPETITIONS * 0.975);
}

/* Ties and lumps: the distribution of scores does not matter. Half the texts score 0, some exactly 0.7. */
static void test_bound_holds_with_ties(void **state)
{
    enum { N = 400, REPETITIONS = 1000 };
    static double scores[N];
    struct btz_rng rng;
    unsigned good = 0;

    (void)state;
    btz_rng_init(&rng, 5, 1);
    for (unsigned r = 0; r < REPETITIONS; r++) {
        struct btz_calibrated c;
        double rate;

        for (size_t i = 0; i < N; i++) {
            double u = btz_rng_unit(&rng);

            scores[i] = u < 0.5 ? 0 : u < 0.96 ? 0.3 : u < 0.99 ? 0.7 : 0.9;
        }
        assert_int_equal(btz_calibrate(scores, N, 0.02, 0.95, &c), BTZ_OK);
        rate = c.threshold <= 0.3 ? 0.5 : c.threshold <= 0.7 ? 0.04 : c.threshold <= 0.9 ? 0.01 : 0;
        good += rate <= 0.02;
    }
    assert_true(btz_binomial_at_most(good, REPETITIONS, 0.95) > 1e-6);
}

static void test_too_few(void **state)
{
    static double scores[400];
    struct btz_calibrated c;

    (void)state;
    assert_int_equal(btz_calibrate_needed(0.01, 0.95), 299);
    assert_int_equal(btz_calibrate_needed(0.05, 0.95), 59);
    assert_int_equal(btz_calibrate_needed(0.001, 0.95), 2995);
    assert_int_equal(btz_calibrate(scores, 298, 0.01, 0.95, &c), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "299"));
    assert_int_equal(btz_calibrate(scores, 299, 0.01, 0.95, &c), BTZ_OK);
    assert_int_equal(btz_calibrate(scores, 0, 0.01, 0.95, &c), BTZ_INPUT);
    assert_int_equal(btz_calibrate(scores, 400, 0, 0.95, &c), BTZ_USAGE);
    assert_int_equal(btz_calibrate(scores, 400, 0.01, 1, &c), BTZ_USAGE);
    for (size_t i = 0; i < 400; i++)
        scores[i] = 1;
    assert_int_equal(btz_calibrate(scores, 400, 0.01, 0.95, &c), BTZ_INPUT);
}

/* ---- the file ---- */

static const struct btz_calibrated items[] = {
    { .detector = "injection", .channel = BTZ_CHANNEL_USER, .threshold = 0.1 + 0.2, .lines = 900 },
    { .detector = "injection", .channel = BTZ_CHANNEL_DOCUMENT, .threshold = 0.75, .lines = 400 },
};

static void test_file(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(1 << 16);
    uint8_t digest[BTZ_SHA256_LEN] = { 7 }, other[BTZ_SHA256_LEN] = { 8 };
    struct btz_calibration *c;

    (void)state;
    assert_int_equal(btz_calibration_write(items, 2, digest, 0.01, 0.95, &file), BTZ_OK);
    assert_int_equal(btz_calibration_parse(btz_buf_slice(&file), "f", digest, &c), BTZ_OK);
    assert_true(btz_calibration_threshold(c, "injection", BTZ_CHANNEL_USER) == 0.1 + 0.2);
    assert_true(btz_calibration_threshold(c, "injection", BTZ_CHANNEL_DOCUMENT) == 0.75);
    assert_true(btz_calibration_threshold(c, "injection", BTZ_CHANNEL_OUTPUT) < 0);
    assert_true(btz_calibration_threshold(c, "other", BTZ_CHANNEL_USER) < 0);
    assert_true(btz_calibration_threshold(NULL, "injection", BTZ_CHANNEL_USER) < 0);
    btz_calibration_free(c);
    assert_int_equal(btz_calibration_parse(btz_buf_slice(&file), "f", other, &c), BTZ_CONFLICT);
    for (size_t end = 0; end + 2 < file.len; end++)
        assert_int_not_equal(btz_calibration_parse(btz_slice_of(file.ptr, end), "f", digest, &c),
                             BTZ_OK);
}

static void test_bad_files(void **state)
{
    static const char head[] =
        "{\"format\":\"bartizan-calibration\",\"version\":1,\"classifier\":"
        "\"0700000000000000000000000000000000000000000000000000000000000000\","
        "\"thresholds\":";
    static const char *const bad[] = {
        "1}",
        "[1]}",
        "[{\"detector\":\"a\",\"channel\":\"user\",\"threshold\":1.5}]}",
        "[{\"detector\":\"a\",\"channel\":\"user\",\"threshold\":-0.1}]}",
        "[{\"detector\":\"a\",\"channel\":\"nowhere\",\"threshold\":0.5}]}",
        "[{\"detector\":\"\",\"channel\":\"user\",\"threshold\":0.5}]}",
        "[{\"detector\":\"a\",\"channel\":\"user\",\"threshold\":\"0.5\"}]}",
        ("[{\"detector\":\"a\",\"channel\":\"user\",\"threshold\":0.5},"
         "{\"detector\":\"a\",\"channel\":\"user\",\"threshold\":0.6}]}"),
    };
    uint8_t digest[BTZ_SHA256_LEN] = { 7 };
    struct btz_calibration *c;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(1 << 16);

        assert_int_equal(btz_buf_printf(&file, "%s%s", head, bad[i]), BTZ_OK);
        assert_int_equal(btz_calibration_parse(btz_buf_slice(&file), "f", digest, &c), BTZ_INPUT);
    }
    assert_int_equal(btz_calibration_parse(btz_str("{\"format\":\"bartizan-calibration\","
                                                   "\"version\":2}"),
                                           "f", digest, &c),
                     BTZ_UNSUPPORTED);
    assert_int_equal(btz_calibration_parse(btz_str("{}"), "f", digest, &c), BTZ_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_holds), cmocka_unit_test(test_bound_holds_with_ties),
        cmocka_unit_test(test_too_few),     cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),
    };

    return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
