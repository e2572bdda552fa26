/* Tails of distributions against values at 45 digits, published tables and each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include <bartizan/stats.h>

#include "base/base.h"

#define TOLERANCE 1e-12

static double relative(double got, double want)
{
    if (got == want)
        return 0;
    return fabs(got - want) / fabs(want);
}

static void expect_near(double got, double want, double tolerance, const char *what)
{
    if (!(relative(got, want) <= tolerance)) {
        print_error("%s: got %.17g, want %.17g, relative error %.2g\n", what, got, want,
                    relative(got, want));
        fail();
    }
}

/* Splits at tabs; false when there are not exactly `want` fields. */
static bool split(struct btz_slice line, struct btz_slice *fields, size_t want)
{
    size_t count = 0, from = 0;

    for (size_t i = 0; i <= line.len; i++) {
        if (i < line.len && line.ptr[i] != '\t')
            continue;
        if (count == want)
            return false;
        fields[count++] = btz_slice_sub(line, from, i - from);
        from = i + 1;
    }
    return count == want;
}

static double number(struct btz_slice text)
{
    double out = NAN;

    if (btz_slice_is(text, "-"))
        return NAN;
    assert_int_equal(btz_parse_double(text, &out), BTZ_OK);
    return out;
}

struct golden {
    double a, b, x, value, log;
};

static double value_of(struct btz_slice name, const struct golden *g)
{
    if (btz_slice_is(name, "normal_sf"))
        return btz_normal_sf(g->x);
    if (btz_slice_is(name, "gamma_p"))
        return btz_gamma_p(g->a, g->x);
    if (btz_slice_is(name, "gamma_q"))
        return btz_gamma_q(g->a, g->x);
    if (btz_slice_is(name, "beta_p"))
        return btz_beta_p(g->a, g->b, g->x);
    if (btz_slice_is(name, "beta_q"))
        return btz_beta_q(g->a, g->b, g->x);
    assert_true(btz_slice_is(name, "student_sf"));
    return btz_student_sf(g->a, g->x);
}

static double log_of(struct btz_slice name, const struct golden *g)
{
    if (btz_slice_is(name, "normal_sf"))
        return btz_normal_log_sf(g->x);
    if (btz_slice_is(name, "gamma_p"))
        return btz_gamma_log_p(g->a, g->x);
    if (btz_slice_is(name, "gamma_q"))
        return btz_gamma_log_q(g->a, g->x);
    if (btz_slice_is(name, "beta_p"))
        return btz_beta_log_p(g->a, g->b, g->x);
    if (btz_slice_is(name, "beta_q"))
        return btz_beta_log_q(g->a, g->b, g->x);
    return log(btz_student_sf(g->a, g->x));
}

static void test_golden(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    char path[4096];
    struct btz_reader reader;
    struct btz_slice line;
    size_t rows = 0, bad = 0;
    double worst = 0, worst_log = 0;
    const char *source = getenv("BTZ_SOURCE");

    (void)state;
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/tests/golden/stats_tails.tsv", source);
    assert_int_equal(btz_file_read(path, 1 << 20, &text), BTZ_OK);
    reader = (struct btz_reader){ .in = btz_buf_slice(&text), .what = path };
    while (btz_read_line(&reader, &line)) {
        struct btz_slice f[6];
        struct golden g;
        double off, off_log;

        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        assert_true(split(line, f, 6));
        g = (struct golden){ number(f[1]), number(f[2]), number(f[3]), number(f[4]), number(f[5]) };
        off = isnan(g.value) ? 0 : relative(value_of(f[0], &g), g.value);
        /* A logarithm next to 0 is known as well as its value. */
        off_log = fabs(log_of(f[0], &g) - g.log) / fmax(fabs(g.log), 1e-12);
        if (!(off <= TOLERANCE && off_log <= TOLERANCE)) {
            print_error("%.*s: value off by %.2g, logarithm by %.2g\n", BTZ_SLICE_ARG(line), off,
                        off_log);
            bad++;
        }
        worst = fmax(worst, off);
        worst_log = fmax(worst_log, off_log);
        rows++;
    }
    print_message("# %zu values, worst relative error %.2g, of logarithms %.2g\n", rows, worst,
                  worst_log);
    assert_int_equal(bad, 0);
    assert_true(rows > 500);
}

static void test_published(void **state)
{
    (void)state;
    /* The tables of the NIST/SEMATECH e-Handbook, 1.3.6.7, to the places they print ... */
    expect_near(btz_normal_quantile(0.975), 1.96, 2e-5, "z .975");
    expect_near(2 * btz_gamma_quantile(0.5, 0.95), 3.841, 2e-4, "chi2 1 .95");
    expect_near(2 * btz_gamma_quantile(5, 0.95), 18.307, 5e-5, "chi2 10 .95");
    expect_near(btz_student_quantile_sf(10, 0.025), 2.228, 2e-4, "t 10 .975");
    expect_near(btz_student_quantile_sf(1, 0.025), 12.706, 5e-5, "t 1 .975");
    /* ... and their roots at 30 digits by mpmath. */
    expect_near(btz_normal_quantile(0.975), 1.959963984540054, 1e-15, "z .975");
    expect_near(btz_normal_quantile(0.995), 2.5758293035489007609785767486, 1e-15, "z .995");
    expect_near(2 * btz_gamma_quantile(5, 0.95), 18.307038053275146871803, 1e-14, "chi2 10 .95");
    expect_near(btz_student_quantile_sf(10, 0.025), 2.2281388519862747483954, 1e-14, "t 10 .975");
    expect_near(btz_student_quantile_sf(199, 0.025), 1.9719565442517538353, 1e-14, "t 199 .975");
    /* Identities: P(1,x) = 1 - e^-x, I_x(1,b) = 1 - (1-x)^b, I_x(1/2,1/2) = 2/pi asin sqrt x. */
    expect_near(btz_gamma_p(1, 0.25), -expm1(-0.25), 1e-14, "P(1,x)");
    expect_near(btz_beta_p(1, 7, 0.125), -expm1(7 * log1p(-0.125)), 1e-14, "I_x(1,b)");
    expect_near(btz_beta_p(0.5, 0.5, 0.25), 1.0 / 3, 1e-14, "arc sine law");
    expect_near(btz_log_gamma(0.5), 0.57236494292470008707, 1e-15, "log Gamma(1/2)");
    /* n = 1, S = 1000: p underflows, its logarithm does not. */
    assert_true(btz_gamma_q(1, 1000) == 0);
    expect_near(btz_gamma_log_q(1, 1000), -1000, 1e-15, "log Q(1,1000)");
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(btz_normal_sf(INFINITY) == 0 && btz_normal_sf(-INFINITY) == 1);
    assert_true(btz_normal_log_sf(INFINITY) == -INFINITY && btz_normal_log_sf(-INFINITY) == 0);
    assert_true(btz_normal_log_sf(1e200) == -INFINITY);
    assert_true(isnan(btz_normal_sf(NAN)) && isnan(btz_normal_log_sf(NAN)));
    assert_true(isnan(btz_normal_quantile(-0.1)) && isnan(btz_normal_quantile(1.1)));
    assert_true(isnan(btz_normal_quantile(NAN)) && isnan(btz_normal_quantile_log_sf(1)));
    assert_true(btz_normal_quantile(0) == -INFINITY && btz_normal_quantile(1) == INFINITY);
    assert_true(btz_normal_quantile(0.5) == 0);
    assert_true(btz_gamma_p(2, 0) == 0 && btz_gamma_q(2, 0) == 1);
    assert_true(btz_gamma_log_p(2, 0) == -INFINITY && btz_gamma_log_q(2, 0) == 0);
    assert_true(btz_gamma_p(2, INFINITY) == 1 && btz_gamma_q(2, INFINITY) == 0);
    assert_true(isnan(btz_gamma_p(0, 1)) && isnan(btz_gamma_p(-1, 1)) && isnan(btz_gamma_q(1, -1)));
    assert_true(isnan(btz_gamma_p(NAN, 1)) && isnan(btz_gamma_log_q(1, NAN)));
    assert_true(btz_gamma_quantile(3, 0) == 0 && btz_gamma_quantile(3, 1) == INFINITY);
    assert_true(btz_gamma_quantile_q(3, 1) == 0 && btz_gamma_quantile_q(3, 0) == INFINITY);
    assert_true(isnan(btz_gamma_quantile(0, 0.5)) && isnan(btz_gamma_quantile(1, 2)));
    assert_true(btz_beta_p(2, 3, 0) == 0 && btz_beta_p(2, 3, 1) == 1);
    assert_true(btz_beta_log_q(2, 3, 0) == 0 && btz_beta_log_q(2, 3, 1) == -INFINITY);
    assert_true(isnan(btz_beta_p(0, 1, 0.5)) && isnan(btz_beta_p(1, 1, 1.5)));
    assert_true(isnan(btz_beta_p(1, 1, -0.5)) && isnan(btz_beta_q(1, 1, NAN)));
    assert_true(btz_beta_quantile(2, 3, 0) == 0 && btz_beta_quantile(2, 3, 1) == 1);
    assert_true(btz_beta_quantile_q(2, 3, 0) == 1 && btz_beta_quantile_q(2, 3, 1) == 0);
    assert_true(isnan(btz_beta_quantile(2, 3, NAN)) && isnan(btz_beta_quantile(-2, 3, 0.5)));
    assert_true(btz_student_sf(3, 0) == 0.5 && btz_student_quantile_sf(3, 0.5) == 0);
    assert_true(btz_student_sf(3, INFINITY) == 0 && btz_student_sf(3, -INFINITY) == 1);
    assert_true(isnan(btz_student_sf(0, 1)) && isnan(btz_student_quantile_sf(3, -1)));
    assert_true(isnan(btz_log_gamma(0)) && isnan(btz_log_gamma(-0.5)));
    assert_true(btz_binomial_log_pmf(0, 0, 0.5) == 0);
    assert_true(btz_binomial_log_pmf(1, 5, 0) == -INFINITY && btz_binomial_log_pmf(0, 5, 0) == 0 &&
                btz_binomial_log_pmf(5, 5, 1) == 0);
    assert_true(isnan(btz_binomial_log_pmf(6, 5, 0.5)) && isnan(btz_binomial_at_most(1, 2, 1.5)));
}

/* Quantiles against the tails they invert; both tails, down to e^-600. */
static void test_quantiles(void **state)
{
    static const double shapes[] = { 0.05, 0.5, 1, 3.7, 50, 2500, 30000, 1e7 };
    static const double logs[] = { -1e-6, -0.01, -0.3, -0.6931, -0.7, -2, -3.7, -20, -230, -600 };
    char what[128];

    (void)state;
    for (size_t l = 0; l < BTZ_COUNT(logs); l++) {
        double p = exp(logs[l]);

        expect_near(btz_normal_sf(btz_normal_quantile_sf(p)), p, 2e-13 * fmax(1, -logs[l]),
                    "normal");
        expect_near(btz_normal_cdf(btz_normal_quantile(p)), p, 2e-13 * fmax(1, -logs[l]), "normal");
        expect_near(btz_normal_log_sf(btz_normal_quantile_log_sf(logs[l])), logs[l], 1e-9,
                    "normal log");
        for (size_t i = 0; i < BTZ_COUNT(shapes); i++) {
            double a = shapes[i], x;

            snprintf(what, sizeof what, "shape %g, log p %g", a, logs[l]);
            x = btz_gamma_quantile(a, p);
            if (x > 1e-300)
                expect_near(btz_gamma_p(a, x), p, 1e-11 + 1e-15 * a, what);
            x = btz_gamma_quantile_q(a, p);
            if (x > 1e-300)
                expect_near(btz_gamma_q(a, x), p, 2e-11 + 1e-12 * fmax(x, -logs[l]), what);
            for (size_t j = 0; j < BTZ_COUNT(shapes); j++) {
                double b = shapes[j];

                snprintf(what, sizeof what, "shapes %g %g, log p %g", a, b, logs[l]);
                x = btz_beta_quantile(a, b, p);
                if (x > 1e-300 && x < 0.5)
                    expect_near(btz_beta_p(a, b, x), p, 2e-11 + 1e-15 * (a + b), what);
                x = btz_beta_quantile_q(a, b, p);
                if (x > 1e-300 && x < 0.5)
                    expect_near(btz_beta_q(a, b, x), p, 2e-11 + 1e-15 * (a + b), what);
            }
        }
    }
    expect_near(btz_gamma_log_q(5, btz_gamma_quantile_log_q(5, -1e4)), -1e4, TOLERANCE,
                "log q -1e4");
    expect_near(btz_gamma_log_q(0.3, btz_gamma_quantile_log_q(0.3, -1e4)), -1e4, TOLERANCE,
                "a < 1");
    expect_near(btz_normal_log_sf(btz_normal_quantile_log_sf(-1e4)), -1e4, TOLERANCE, "z of -1e4");
    /* Near the centre the quantile keeps the relative accuracy of the distance from 1/2. */
    expect_near(btz_normal_quantile(0.5 + 0x1p-40), 0x1p-40 * sqrt(2 * M_PI), 1e-14, "centre");
}

/* Binomial tails against the plain sum of C(n,k) p^k (1-p)^(n-k), whose terms come by their ratio. */
static void test_binomial_sums(void **state)
{
    static const double rates[] = { 1e-9, 0.001, 0.05, 0.25, 0.5, 0.8, 0.99, 1 - 1e-9 };
    static const uint64_t sizes[] = { 1, 2, 7, 30, 61 };

    (void)state;
    for (size_t r = 0; r < BTZ_COUNT(rates); r++)
        for (size_t s = 0; s < BTZ_COUNT(sizes); s++) {
            uint64_t n = sizes[s];
            long double p = rates[r], term[64], sum = 0;

            for (uint64_t k = 0; k <= n; k++) {
                term[k] = powl(p, (long double)k) * powl(1 - p, (long double)(n - k));
                for (uint64_t i = 0; i < k; i++)
                    term[k] *= (long double)(n - i) / (long double)(i + 1);
                expect_near(exp(btz_binomial_log_pmf(k, n, rates[r])), (double)term[k], 1e-12,
                            "pmf");
            }
            for (uint64_t k = 0; k <= n; k++) {
                sum += term[k];
                expect_near(btz_binomial_at_most(k, n, rates[r]), (double)sum, 1e-12, "at most");
            }
            sum = 0;
            for (uint64_t k = n + 1; k-- > 0;) {
                sum += term[k];
                expect_near(btz_binomial_at_least(k, n, rates[r]), (double)sum, 1e-12, "at least");
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),        cmocka_unit_test(test_published),
        cmocka_unit_test(test_edges),         cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_binomial_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
