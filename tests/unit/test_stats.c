/* Intervals, tests, corrections and the bootstrap against published vectors and plain enumeration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include <bartizan/bartizan.h>

#include "base/base.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, want %.17g within %g", got, want, tolerance);
}

static void test_interval_table(void **state)
{
    /* 95 %, z = 1.959963984540054; six places. */
    static const struct {
        uint64_t k, n;
        double wilson[2], exact[2];
    } rows[] = {
        { 0, 10, { 0, 0.277533 }, { 0, 0.308497 } },
        { 1, 10, { 0.017876, 0.404150 }, { 0.002529, 0.445016 } },
        { 5, 10, { 0.236593, 0.763407 }, { 0.187086, 0.812914 } },
        { 10, 10, { 0.722467, 1 }, { 0.691503, 1 } },
        { 0, 100, { 0, 0.036993 }, { 0, 0.036217 } },
        { 3, 100, { 0.010255, 0.084519 }, { 0.006230, 0.085176 } },
        { 7, 256, { 0.013307, 0.055356 }, { 0.011063, 0.055525 } },
    };
    struct btz_interval i;

    (void)state;
    for (size_t r = 0; r < BTZ_COUNT(rows); r++) {
        assert_int_equal(btz_wilson_interval(rows[r].k, rows[r].n, 0.95, BTZ_SIDE_TWO, &i), BTZ_OK);
        near(i.low, rows[r].wilson[0], 6e-7);
        near(i.high, rows[r].wilson[1], 6e-7);
        assert_int_equal(btz_exact_interval(rows[r].k, rows[r].n, 0.95, BTZ_SIDE_TWO, &i), BTZ_OK);
        near(i.low, rows[r].exact[0], 6e-7);
        near(i.high, rows[r].exact[1], 6e-7);
    }
}

static double plain_pmf(uint64_t k, uint64_t n, double p)
{
    double term = pow(p, (double)k) * pow(1 - p, (double)(n - k));

    for (uint64_t i = 0; i < k; i++)
        term *= (double)(n - i) / (double)(i + 1);
    return term;
}

/* P(X >= k) at rate p by the plain sum. */
static double sum_at_least(uint64_t k, uint64_t n, double p)
{
    double sum = 0;

    for (uint64_t j = k; j <= n; j++)
        sum += plain_pmf(j, n, p);
    return sum;
}

/* The bounds are the rates whose tails are what they say. */
static void test_interval_definition(void **state)
{
    static const double levels[] = { 0.5, 0.95, 0.999 };
    struct btz_interval two, lower, upper, mid, whole;

    (void)state;
    for (size_t c = 0; c < BTZ_COUNT(levels); c++)
        for (uint64_t n = 1; n <= 40; n += n < 6 ? 1 : 17)
            for (uint64_t k = 0; k <= n; k++) {
                double alpha = 1 - levels[c];

                assert_int_equal(btz_exact_interval(k, n, levels[c], BTZ_SIDE_TWO, &two), BTZ_OK);
                assert_int_equal(btz_exact_interval(k, n, levels[c], BTZ_SIDE_LOWER, &lower),
                                 BTZ_OK);
                assert_int_equal(btz_exact_interval(k, n, levels[c], BTZ_SIDE_UPPER, &upper),
                                 BTZ_OK);
                assert_int_equal(btz_midp_interval(k, n, levels[c], BTZ_SIDE_TWO, &mid), BTZ_OK);
                assert_true(lower.high == 1 && upper.low == 0);
                assert_true(two.low <= mid.low && mid.high <= two.high);
                if (k > 0) {
                    near(sum_at_least(k, n, two.low), alpha / 2, 1e-12);
                    near(sum_at_least(k, n, lower.low), alpha, 1e-12);
                    near((sum_at_least(k, n, mid.low) + sum_at_least(k + 1, n, mid.low)) / 2,
                         alpha / 2, 1e-12);
                } else {
                    assert_true(two.low == 0 && lower.low == 0 && mid.low == 0);
                }
                if (k < n) {
                    near(1 - sum_at_least(k + 1, n, two.high), alpha / 2, 1e-12);
                    near(1 - sum_at_least(k + 1, n, upper.high), alpha, 1e-12);
                    near(1 - (sum_at_least(k, n, mid.high) + sum_at_least(k + 1, n, mid.high)) / 2,
                         alpha / 2, 1e-12);
                } else {
                    assert_true(two.high == 1 && upper.high == 1 && mid.high == 1);
                }
                assert_int_equal(btz_exact_interval_fractional((double)k, (double)n, levels[c],
                                                               BTZ_SIDE_TWO, &whole),
                                 BTZ_OK);
                assert_memory_equal(&whole, &two, sizeof two);
            }
    /* The rule of three and its exact form, far out: 1 - (alpha)^(1/n). */
    assert_int_equal(btz_exact_interval(0, 1000000, 0.95, BTZ_SIDE_UPPER, &upper), BTZ_OK);
    near(upper.high * 1e6 / -log(0.05), 1, 2e-6);
    near(upper.high, -expm1(log(0.05) / 1e6), 1e-17);
    /* 3 of very many is Poisson: bounds of the mean 0.618672, 8.767273 (Garwood 1936), mid-p within them. */
    assert_int_equal(btz_exact_interval(3, BTZ_COUNT_MAX, 0.95, BTZ_SIDE_TWO, &two), BTZ_OK);
    assert_int_equal(btz_midp_interval(3, BTZ_COUNT_MAX, 0.95, BTZ_SIDE_TWO, &mid), BTZ_OK);
    near(two.low * (double)BTZ_COUNT_MAX, 0.618672, 1e-6);
    near(two.high * (double)BTZ_COUNT_MAX, 8.767273, 1e-6);
    near(btz_gamma_q(3, mid.high * (double)BTZ_COUNT_MAX) +
             btz_gamma_q(4, mid.high * (double)BTZ_COUNT_MAX),
         0.05, 1e-12);
    near(btz_gamma_p(3, mid.low * (double)BTZ_COUNT_MAX) +
             btz_gamma_p(4, mid.low * (double)BTZ_COUNT_MAX),
         0.05, 1e-12);
    assert_int_equal(btz_exact_interval(BTZ_COUNT_MAX / 2, BTZ_COUNT_MAX, 0.95, BTZ_SIDE_TWO, &two),
                     BTZ_OK);
    near((two.high - two.low) * sqrt((double)BTZ_COUNT_MAX), 1.959963984540054, 1e-6);
}

static void test_interval_errors(void **state)
{
    struct btz_interval i = { 7, 8 };

    (void)state;
    assert_int_equal(btz_exact_interval(3, 2, 0.95, BTZ_SIDE_TWO, &i), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "3 successes of 2"));
    assert_int_equal(btz_exact_interval(1, 2, 1, BTZ_SIDE_TWO, &i), BTZ_USAGE);
    assert_int_equal(btz_exact_interval(1, 2, NAN, BTZ_SIDE_TWO, &i), BTZ_USAGE);
    assert_int_equal(btz_wilson_interval(1, 2, 95, BTZ_SIDE_TWO, &i), BTZ_USAGE);
    assert_int_equal(btz_midp_interval(1, 2, 0.95, (enum btz_side)9, &i), BTZ_USAGE);
    assert_int_equal(btz_exact_interval(1, BTZ_COUNT_MAX + 1, 0.95, BTZ_SIDE_TWO, &i), BTZ_LIMIT);
    assert_int_equal(btz_exact_interval_fractional(NAN, 2, 0.95, BTZ_SIDE_TWO, &i), BTZ_INPUT);
    assert_int_equal(btz_exact_interval_fractional(1, INFINITY, 0.95, BTZ_SIDE_TWO, &i), BTZ_LIMIT);
    assert_true(i.low == 7 && i.high == 8);
    assert_int_equal(btz_exact_interval(0, 0, 0.95, BTZ_SIDE_TWO, &i), BTZ_OK);
    assert_true(i.low == 0 && i.high == 1);
    assert_int_equal(btz_wilson_interval(0, 0, 0.95, BTZ_SIDE_TWO, &i), BTZ_OK);
    assert_true(i.low == 0 && i.high == 1);
    assert_int_equal(btz_midp_interval(0, 0, 0.95, BTZ_SIDE_TWO, &i), BTZ_OK);
    assert_true(i.low == 0 && i.high == 1);
}

/* ---- tests ---- */

static void test_binomial_test(void **state)
{
    static const double rates[] = { 0.1, 0.25, 0.5, 0.5001, 0.73 };
    double p;

    (void)state;
    for (size_t r = 0; r < BTZ_COUNT(rates); r++)
        for (uint64_t n = 0; n <= 24; n++)
            for (uint64_t k = 0; k <= n; k++) {
                double want = 0, own = plain_pmf(k, n, rates[r]);

                for (uint64_t j = 0; j <= n; j++) {
                    double term = plain_pmf(j, n, rates[r]);

                    if (term <= own * (1 + 1e-7))
                        want += term;
                }
                assert_int_equal(btz_binomial_test(k, n, rates[r], BTZ_SIDE_TWO, &p), BTZ_OK);
                near(p, want, 1e-12);
                assert_int_equal(btz_binomial_test(k, n, rates[r], BTZ_SIDE_UPPER, &p), BTZ_OK);
                near(p, sum_at_least(k, n, rates[r]), 1e-12);
                assert_int_equal(btz_binomial_test(k, n, rates[r], BTZ_SIDE_LOWER, &p), BTZ_OK);
                near(p, 1 - sum_at_least(k + 1, n, rates[r]), 1e-12);
            }
    /* Mendel's peas, Conover 1971, p. 97: 682 of 925 at 3/4; exact rational sums. */
    assert_int_equal(btz_binomial_test(682, 925, 0.75, BTZ_SIDE_TWO, &p), BTZ_OK);
    near(p, 0.3824915595748517, 1e-13);
    assert_int_equal(btz_binomial_test(0, 100, 0.05, BTZ_SIDE_TWO, &p), BTZ_OK);
    near(p, 0.010194711686699939, 1e-14);
    assert_int_equal(btz_binomial_test(12, 100, 0.05, BTZ_SIDE_TWO, &p), BTZ_OK);
    near(p, 0.004274182466365915, 1e-15);
    assert_int_equal(btz_binomial_test(3, 9, 0, BTZ_SIDE_TWO, &p), BTZ_OK);
    assert_true(p == 0);
    assert_int_equal(btz_binomial_test(9, 9, 1, BTZ_SIDE_TWO, &p), BTZ_OK);
    assert_true(p == 1);
    assert_int_equal(btz_binomial_test(3, 9, 1.5, BTZ_SIDE_TWO, &p), BTZ_USAGE);
    assert_int_equal(btz_binomial_test(10, 9, 0.5, BTZ_SIDE_TWO, &p), BTZ_INPUT);
}

static void test_mcnemar(void **state)
{
    static const struct {
        uint64_t b, c;
        double p;
    } rows[] = { { 0, 5, 0.0625 },    { 0, 6, 0.03125 }, { 1, 9, 0.021484 }, { 2, 12, 0.012939 },
                 { 5, 15, 0.041389 }, { 10, 10, 1 },     { 0, 0, 1 },        { 15, 5, 0.041389 },
                 { 0, 1, 1 },         { 0, 60, 0x1p-59 } };
    double p;

    (void)state;
    for (size_t r = 0; r < BTZ_COUNT(rows); r++) {
        assert_int_equal(btz_mcnemar(rows[r].b, rows[r].c, &p), BTZ_OK);
        near(p, rows[r].p, rows[r].p > 0.01 ? 6e-7 : rows[r].p * 1e-12);
    }
    assert_int_equal(btz_mcnemar(UINT64_MAX, 1, &p), BTZ_LIMIT);
    assert_int_equal(btz_mcnemar(1, UINT64_MAX, &p), BTZ_LIMIT);
}

static double choose(uint64_t n, uint64_t k)
{
    double out = 1;

    if (k > n)
        return 0;
    for (uint64_t i = 0; i < k; i++)
        out = out * (double)(n - i) / (double)(i + 1);
    return round(out);
}

static void fisher_by_sums(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double want[3])
{
    double all = choose(n1 + n2, k1 + k2), own = choose(n1, k1) * choose(n2, k2);

    want[0] = want[1] = want[2] = 0;
    for (uint64_t j = 0; j <= k1 + k2 && j <= n1; j++) {
        double ways = choose(n1, j) * choose(n2, k1 + k2 - j);

        want[BTZ_SIDE_TWO] += ways <= own * (1 + 1e-7) ? ways / all : 0;
        want[BTZ_SIDE_LOWER] += j <= k1 ? ways / all : 0;
        want[BTZ_SIDE_UPPER] += j >= k1 ? ways / all : 0;
    }
}

static void test_fisher(void **state)
{
    /* Fisher's tea (1935), the convictions of twins (Fisher 1962), and large tables; exact rational sums. */
    static const struct {
        uint64_t k1, n1, k2, n2;
        double lower, upper, two;
    } rows[] = {
        { 3, 4, 1, 4, 0.9857142857142858, 0.24285714285714285, 0.4857142857142857 },
        { 2, 12, 15, 18, 0.00046518094336290503, 0.9999845190186861, 0.0005367241191434358 },
        { 0, 1000, 60, 1200, 8.066302588153776e-17, 1, 1.581447560669049e-16 },
        { 30, 256, 55, 256, 0.0020859533607010465, 0.9990543370545342, 0.004171906721402093 },
        { 500, 1000, 500, 1000, 0.517834551951791, 0.517834551951791, 1 },
        { 1, 5000, 40, 3000, 2.0291567345334357e-16, 1, 2.0291567345334357e-16 },
        { 700, 1000, 900, 1000, 4.746884454112e-30, 1, 9.493768908224e-30 },
    };
    double p;

    (void)state;
    for (size_t r = 0; r < BTZ_COUNT(rows); r++) {
        const double want[] = { rows[r].two, rows[r].lower, rows[r].upper };

        for (int side = BTZ_SIDE_TWO; side <= BTZ_SIDE_UPPER; side++) {
            assert_int_equal(btz_fisher_test(rows[r].k1, rows[r].n1, rows[r].k2, rows[r].n2,
                                             (enum btz_side)side, &p),
                             BTZ_OK);
            near(p, want[side], want[side] * 1e-11);
        }
    }
    for (uint64_t n1 = 0; n1 <= 9; n1++)
        for (uint64_t n2 = 0; n2 <= 12; n2++)
            for (uint64_t k1 = 0; k1 <= n1; k1++)
                for (uint64_t k2 = 0; k2 <= n2; k2++) {
                    double want[3];

                    fisher_by_sums(k1, n1, k2, n2, want);
                    for (int side = BTZ_SIDE_TWO; side <= BTZ_SIDE_UPPER; side++) {
                        assert_int_equal(btz_fisher_test(k1, n1, k2, n2, (enum btz_side)side, &p),
                                         BTZ_OK);
                        near(p, want[side], 1e-12);
                    }
                }
    assert_int_equal(btz_fisher_test(5, 4, 0, 1, BTZ_SIDE_TWO, &p), BTZ_INPUT);
    assert_int_equal(btz_fisher_test(0, BTZ_COUNT_MAX, 0, 1, BTZ_SIDE_TWO, &p), BTZ_LIMIT);
    assert_int_equal(btz_fisher_test(0, 1, 0, 1, (enum btz_side)7, &p), BTZ_USAGE);
}

static void test_benjamini_hochberg(void **state)
{
    /* Benjamini and Hochberg 1995, section 3.2, here out of order. */
    static const double p[] = { 0.0278, 0.0001, 0.0004, 0.0019, 1.0,    0.0095, 0.0201, 0.0298,
                                0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590 };
    const size_t count = BTZ_COUNT(p);
    double adjusted[BTZ_COUNT(p)], bad = NAN;
    bool reject[BTZ_COUNT(p)];
    size_t rejected = 99;

    (void)state;
    assert_int_equal(btz_benjamini_hochberg(p, count, 0.05, reject, adjusted, &rejected), BTZ_OK);
    assert_int_equal(rejected, 4);
    for (size_t i = 0; i < count; i++) {
        size_t again;

        assert_int_equal(reject[i], p[i] <= 0.0095);
        assert_true(adjusted[i] >= p[i] && adjusted[i] <= 1);
        /* Just below its adjusted value a hypothesis stands, just above it falls. */
        if (adjusted[i] < 0.99) {
            bool now[BTZ_COUNT(p)];

            assert_int_equal(
                btz_benjamini_hochberg(p, count, adjusted[i] * (1 + 1e-9), now, NULL, &again),
                BTZ_OK);
            assert_true(now[i]);
            assert_int_equal(
                btz_benjamini_hochberg(p, count, adjusted[i] * (1 - 1e-9), now, NULL, NULL),
                BTZ_OK);
            assert_false(now[i]);
        }
    }
    near(adjusted[1], 0.0015, 1e-12);
    near(adjusted[5], 0.0095 * 15 / 4, 1e-12);
    assert_int_equal(btz_benjamini_hochberg(NULL, 0, 0.05, NULL, NULL, &rejected), BTZ_OK);
    assert_int_equal(rejected, 0);
    assert_int_equal(btz_benjamini_hochberg(p, count, 0, NULL, NULL, NULL), BTZ_USAGE);
    assert_int_equal(btz_benjamini_hochberg(&bad, 1, 0.05, NULL, NULL, NULL), BTZ_INPUT);
}

static void test_sprt(void **state)
{
    struct btz_sprt s;
    int trials = 0;

    (void)state;
    assert_int_equal(btz_sprt_init(0.01, 0.05, 0.05, 0.05, &s), BTZ_OK);
    near(s.upper, 2.944439, 5e-7);
    near(s.lower, -2.944439, 5e-7);
    near(s.up, 1.609438, 5e-7);
    near(s.down, -0.041243, 5e-7);
    do
        trials++;
    while (btz_sprt_add(&s, false) == BTZ_SPRT_CONTINUE);
    assert_int_equal(trials, 72);
    assert_int_equal(s.decision, BTZ_SPRT_ACCEPT_H0);
    assert_int_equal(btz_sprt_add(&s, true), BTZ_SPRT_ACCEPT_H0);
    assert_int_equal(s.successes, 0);
    near(btz_sprt_ratio(&s), 72 * s.down, 1e-12);

    assert_int_equal(btz_sprt_init(0.01, 0.10, 0.05, 0.05, &s), BTZ_OK);
    near(s.up, 2.302585, 5e-7);
    near(s.down, -0.095310, 5e-7);
    for (trials = 1; btz_sprt_add(&s, false) == BTZ_SPRT_CONTINUE; trials++)
        ;
    assert_int_equal(trials, 31);
    assert_int_equal(btz_sprt_init(0.01, 0.10, 0.05, 0.05, &s), BTZ_OK);
    assert_int_equal(btz_sprt_add(&s, true), BTZ_SPRT_CONTINUE);
    assert_int_equal(btz_sprt_add(&s, true), BTZ_SPRT_ACCEPT_H1);

    assert_int_equal(btz_sprt_init(0.05, 0.05, 0.05, 0.05, &s), BTZ_USAGE);
    assert_int_equal(btz_sprt_init(0, 0.05, 0.05, 0.05, &s), BTZ_USAGE);
    assert_int_equal(btz_sprt_init(0.1, 0.2, 0.5, 0.05, &s), BTZ_USAGE);
}

static void test_rogan_gladen(void **state)
{
    const struct btz_judge_quality judge = { .sensitivity = 0.9, .specificity = 0.95 };
    const struct btz_judge_quality tried = { 0.9, 0.95, 200, 400 }, perfect = { 1, 1, 0, 0 };
    const struct btz_judge_quality useless = { 0.5, 0.505, 0, 0 }, wrong = { 1.2, 0.9, 0, 0 };
    struct btz_corrected c, known;
    struct btz_interval wilson;

    (void)state;
    assert_int_equal(btz_rogan_gladen(20, 100, &judge, 0.95, &known), BTZ_OK);
    near(known.raw, 0.176471, 5e-7);
    assert_true(known.rate == known.raw && !known.clipped);
    near(known.variance, 0.2 * 0.8 / 100 / (0.85 * 0.85), 1e-15);
    assert_int_equal(btz_rogan_gladen(3, 100, &judge, 0.95, &c), BTZ_OK);
    near(c.raw, -0.023529, 5e-7);
    assert_true(c.clipped && c.rate == 0 && c.interval.low == 0 && c.interval.high > 0.01);
    /* The judge's own uncertainty widens everything: 0.0016 + r^2 .09/200 + (1-r)^2 .0475/400. */
    assert_int_equal(btz_rogan_gladen(20, 100, &tried, 0.95, &c), BTZ_OK);
    near(c.variance, (0.0016 + 0.031141868512 * 0.00045 + 0.678200692042 * 0.00011875) / 0.7225,
         1e-12);
    assert_true(c.interval.low < known.interval.low && c.interval.high > known.interval.high);
    /* A perfect judge: Agresti and Coull's interval, whose centre is Wilson's; width even at k = 0. */
    assert_int_equal(btz_rogan_gladen(30, 100, &perfect, 0.95, &c), BTZ_OK);
    assert_int_equal(btz_wilson_interval(30, 100, 0.95, BTZ_SIDE_TWO, &wilson), BTZ_OK);
    near(c.interval.low + c.interval.high, wilson.low + wilson.high, 1e-12);
    assert_int_equal(btz_rogan_gladen(0, 100, &perfect, 0.95, &c), BTZ_OK);
    assert_true(c.rate == 0 && !c.clipped && c.interval.high > 0.03);
    assert_int_equal(btz_rogan_gladen(20, 100, &useless, 0.95, &c), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "chance"));
    assert_int_equal(btz_rogan_gladen(20, 100, &wrong, 0.95, &c), BTZ_INPUT);
    assert_int_equal(btz_rogan_gladen(0, 0, &judge, 0.95, &c), BTZ_INPUT);
    assert_int_equal(btz_rogan_gladen(2, 1, &judge, 0.95, &c), BTZ_INPUT);
    assert_int_equal(btz_rogan_gladen(1, 1, &judge, 0, &c), BTZ_USAGE);
}

/* ---- clusters ---- */

static struct btz_clustered cluster_of(const struct btz_cluster *clusters, size_t count)
{
    struct btz_clustered out;

    assert_int_equal(btz_cluster_interval(clusters, count, 0.95, BTZ_SIDE_TWO, &out), BTZ_OK);
    assert_true(out.design >= 1 && out.interval.low <= out.interval.high);
    return out;
}

static void test_clusters(void **state)
{
    struct btz_cluster c[20], empty = { 0, 0 }, impossible = { 2, 1 }, vast = { 0, BTZ_COUNT_MAX };
    struct btz_clustered found;
    struct btz_interval exact;

    (void)state;
    /* All-or-nothing prompts are worth their number, whatever k: 0, some, all. */
    for (uint64_t hits = 0; hits <= 20; hits += 4) {
        for (uint64_t i = 0; i < 20; i++)
            c[i] = (struct btz_cluster){ i < hits ? 5 : 0, 5 };
        found = cluster_of(c, 20);
        near(found.n_effective, 20, 1e-9);
        near(found.design, 5, 1e-9);
        assert_int_equal(btz_exact_interval(hits, 20, 0.95, BTZ_SIDE_TWO, &exact), BTZ_OK);
        near(found.interval.low, exact.low, 1e-9);
        near(found.interval.high, exact.high, 1e-9);
        near(found.rate, (double)hits / 20, 1e-15);
    }
    /* One generation each: nothing is clustered. */
    for (uint64_t i = 0; i < 20; i++)
        c[i] = (struct btz_cluster){ i < 7, 1 };
    found = cluster_of(c, 20);
    assert_int_equal(btz_exact_interval(7, 20, 0.95, BTZ_SIDE_TWO, &exact), BTZ_OK);
    near(found.design, 1, 1e-12);
    near(found.interval.low, exact.low, 1e-12);
    near(found.interval.high, exact.high, 1e-12);
    /* A single success must not shrink the upper bound that no success has. */
    for (uint64_t i = 0; i < 20; i++)
        c[i] = (struct btz_cluster){ 0, 5 };
    exact = cluster_of(c, 20).interval;
    c[0].k = 1;
    assert_true(cluster_of(c, 20).interval.high > 0.9 * exact.high);
    /* One prompt of twenty with half of all generations: fewer than Kish's n^2 / sum n_i^2 = 3.8 prompts' worth. */
    for (uint64_t i = 0; i < 20; i++)
        c[i] = (struct btz_cluster){ 0, i == 0 ? 95 : 5 };
    found = cluster_of(c, 20);
    assert_true(found.n_effective > 2 && found.n_effective < 190.0 * 190 / (95.0 * 95 + 19 * 25));
    /* Empty clusters change nothing, no cluster at all leaves everything open. */
    c[19] = empty;
    near(cluster_of(c, 20).n_effective, cluster_of(c, 19).n_effective, 1e-12);
    assert_int_equal(cluster_of(c, 20).clusters, 19);
    found = cluster_of(&empty, 1);
    assert_true(isnan(found.rate) && found.interval.low == 0 && found.interval.high == 1);
    assert_int_equal(btz_cluster_interval(&impossible, 1, 0.95, BTZ_SIDE_TWO, &found), BTZ_INPUT);
    assert_int_equal(btz_cluster_interval(c, 1, 0, BTZ_SIDE_TWO, &found), BTZ_USAGE);
    c[0] = vast;
    c[1] = vast;
    assert_int_equal(btz_cluster_interval(c, 2, 0.95, BTZ_SIDE_TWO, &found), BTZ_LIMIT);
}

/* ---- bootstrap ---- */

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

#define SIX 6

/* All 6^6 resamples, weighed equally: what the seeded resampling approaches. */
static void all_resamples(const double *values, double *out)
{
    for (unsigned i = 0; i < 46656; i++) {
        unsigned rest = i;
        double sum = 0;

        for (int j = 0; j < SIX; j++, rest /= 6)
            sum += values[rest % 6];
        out[i] = sum / SIX;
    }
    qsort(out, 46656, sizeof *out, by_value);
}

static void test_bootstrap_exact(void **state)
{
    static const double values[SIX] = { 0.3, 1.1, 1.2, 2.9, 4.7, 11.3 };
    struct btz_bootstrap_options o = { .resamples = 200000, .confidence = 0.9, .seed = 11 };
    struct btz_bootstrapped found, again;
    BTZ_FREE double *all = calloc(46656, sizeof *all);
    double mean = 0, below = 0, z0, a, squares = 0, cubes = 0;

    (void)state;
    assert_non_null(all);
    all_resamples(values, all);
    for (int i = 0; i < SIX; i++)
        mean += values[i] / SIX;
    assert_int_equal(btz_bootstrap_mean(values, SIX, &o, &found), BTZ_OK);
    near(found.value, mean, 1e-12);
    near(found.interval.low, all[46656 / 20], 0.02);
    near(found.interval.high, all[46656 - 46656 / 20], 0.04);
    /* The standard error of a resampled mean is known: sqrt(sum of squares)/n. */
    for (int i = 0; i < SIX; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
        cubes += (values[i] - mean) * (values[i] - mean) * (values[i] - mean);
    }
    near(found.error, sqrt(squares) / SIX, 0.006);
    assert_false(found.degenerate);

    /* BCa by Efron's formulas; for a mean the acceleration is the skewness of the values over 6 sqrt n. */
    for (int i = 0; i < 46656; i++)
        below += (all[i] < mean - 1e-9 ? 1 : all[i] < mean + 1e-9 ? 0.5 : 0) / 46656;
    z0 = btz_normal_quantile(below);
    a = cubes / (6 * pow(squares, 1.5));
    o.kind = BTZ_BOOTSTRAP_BCA;
    assert_int_equal(btz_bootstrap_mean(values, SIX, &o, &found), BTZ_OK);
    for (int side = 0; side < 2; side++) {
        double z = z0 + (side ? 1.6448536269514722 : -1.6448536269514722);
        double share = btz_normal_cdf(z0 + z / (1 - a * z));
        double got = side ? found.interval.high : found.interval.low;

        /* Resampling errs by about 0.0005 of the share. */
        assert_true(got >= all[(size_t)(46656 * (share - 0.002))] - 1e-9);
        assert_true(got <= all[(size_t)(46656 * (share + 0.002))] + 1e-9);
    }
    assert_int_equal(btz_bootstrap_mean(values, SIX, &o, &again), BTZ_OK);
    assert_memory_equal(&found.interval, &again.interval, sizeof found.interval);
    o.stream = 1;
    assert_int_equal(btz_bootstrap_mean(values, SIX, &o, &again), BTZ_OK);
    assert_true(again.error != found.error);
}

struct pair {
    double up, down;
};

static double ratio_of(const void *data, const size_t *units, size_t count)
{
    const struct pair *pairs = data;
    double up = 0, down = 0;

    for (size_t i = 0; i < count; i++) {
        up += pairs[units[i]].up;
        down += pairs[units[i]].down;
    }
    return up / down;
}

static void test_bootstrap_edges(void **state)
{
    static const struct btz_cluster none[] = { { 0, 5 }, { 0, 5 }, { 0, 3 } };
    static const struct btz_cluster hollow[] = { { 0, 5 }, { 0, 0 } };
    static const struct pair pairs[] = { { 1, 0 }, { 2, 1 }, { 3, 1 } };
    struct btz_bootstrap_options o = { .kind = BTZ_BOOTSTRAP_BCA,
                                       .resamples = 200,
                                       .confidence = 0.95 };
    struct btz_bootstrapped found;

    (void)state;
    assert_int_equal(btz_bootstrap_rate(none, 3, &o, &found), BTZ_OK);
    assert_true(found.degenerate && found.interval.low == 0 && found.interval.high == 0);
    assert_int_equal(btz_bootstrap_rate(hollow, 2, &o, &found), BTZ_INPUT);
    assert_int_equal(btz_bootstrap_rate(none, 1, &o, &found), BTZ_INPUT);
    assert_int_equal(btz_bootstrap(ratio_of, pairs, 3, &o, &found), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "not finite"));
    o.resamples = 99;
    assert_int_equal(btz_bootstrap_rate(none, 3, &o, &found), BTZ_USAGE);
    o.resamples = 100;
    o.kind = (enum btz_bootstrap_kind)5;
    assert_int_equal(btz_bootstrap_rate(none, 3, &o, &found), BTZ_USAGE);
    o.kind = BTZ_BOOTSTRAP_PERCENTILE;
    o.confidence = 1.5;
    assert_int_equal(btz_bootstrap_rate(none, 3, &o, &found), BTZ_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval_table),
        cmocka_unit_test(test_interval_definition),
        cmocka_unit_test(test_interval_errors),
        cmocka_unit_test(test_binomial_test),
        cmocka_unit_test(test_mcnemar),
        cmocka_unit_test(test_fisher),
        cmocka_unit_test(test_benjamini_hochberg),
        cmocka_unit_test(test_sprt),
        cmocka_unit_test(test_rogan_gladen),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_bootstrap_exact),
        cmocka_unit_test(test_bootstrap_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
