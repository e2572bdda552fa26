/* What intervals promise, held against the truth: how often they cover a known rate. Exact enumeration of all
 * outcomes where there are few enough, fixed-seed simulation elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include <bartizan/stats.h>

#include "base/base.h"

#define N_MAX 200

typedef enum btz_err (*interval_fn)(uint64_t, uint64_t, double, enum btz_side,
                                    struct btz_interval *);

static bool covers(struct btz_interval i, double p)
{
    return i.low <= p && p <= i.high;
}

static void all_intervals(interval_fn f, uint64_t n, double confidence, enum btz_side side,
                          struct btz_interval *out)
{
    for (uint64_t k = 0; k <= n; k++)
        assert_int_equal(f(k, n, confidence, side, &out[k]), BTZ_OK);
}

static double coverage(const struct btz_interval *intervals, uint64_t n, double p)
{
    double sum = 0;

    for (uint64_t k = 0; k <= n; k++)
        if (covers(intervals[k], p))
            sum += exp(btz_binomial_log_pmf(k, n, p));
    return sum;
}

static const double rates[] = { 0,    0.0001, 0.001, 0.005, 0.01,  0.02,   0.05, 0.1,
                                0.15, 0.2,    0.25,  0.3,   0.35,  0.4,    0.45, 0.5,
                                0.55, 0.6,    0.65,  0.7,   0.75,  0.8,    0.85, 0.9,
                                0.95, 0.98,   0.99,  0.995, 0.999, 0.9999, 1 };

static void test_exact_covers(void **state)
{
    struct btz_interval all[N_MAX + 1];
    double worst = 1;

    (void)state;
    for (uint64_t n = 1; n <= N_MAX; n++)
        for (int side = BTZ_SIDE_TWO; side <= BTZ_SIDE_UPPER; side++) {
            all_intervals(btz_exact_interval, n, 0.95, (enum btz_side)side, all);
            for (size_t r = 0; r < BTZ_COUNT(rates); r++) {
                double got = coverage(all, n, rates[r]);

                worst = fmin(worst, got);
                if (got < 0.95 - 1e-9)
                    fail_msg("n %d, side %d, rate %g: covered %.6f", (int)n, side, rates[r], got);
            }
        }
    print_message("# exact: least coverage %.6f\n", worst);
}

/* The least coverage of all rates lies just beside a bound: look there. */
static void test_exact_covers_at_bounds(void **state)
{
    static const uint64_t sizes[] = { 1, 2, 3, 10, 37, 100 };
    static const double levels[] = { 0.8, 0.95, 0.999 };
    struct btz_interval all[N_MAX + 1];

    (void)state;
    for (size_t s = 0; s < BTZ_COUNT(sizes); s++)
        for (size_t c = 0; c < BTZ_COUNT(levels); c++) {
            uint64_t n = sizes[s];

            all_intervals(btz_exact_interval, n, levels[c], BTZ_SIDE_TWO, all);
            for (uint64_t k = 0; k <= n; k++) {
                double beside[2] = { all[k].low - 1e-9, all[k].high + 1e-9 };

                for (int b = 0; b < 2; b++)
                    if (beside[b] > 0 && beside[b] < 1)
                        assert_true(coverage(all, n, beside[b]) >= levels[c] - 1e-6);
            }
        }
}

static double mean_coverage(interval_fn f, uint64_t n)
{
    struct btz_interval all[N_MAX + 1];
    double sum = 0;
    const int points = 199;

    all_intervals(f, n, 0.95, BTZ_SIDE_TWO, all);
    for (int i = 1; i <= points; i++)
        sum += coverage(all, n, i / (points + 1.0));
    return sum / points;
}

/* Mid-p covers 95 % +- 1.5 on average over n in 1..200 and the rates. For a handful of trials alone no interval can
 * avoid covering more; below the nominal level it never falls by more than half a point. */
static void test_midp_covers_on_average(void **state)
{
    double total = 0, total_large = 0;

    (void)state;
    for (uint64_t n = 1; n <= N_MAX; n++) {
        double midp = mean_coverage(btz_midp_interval, n);

        assert_true(midp >= 0.945);
        if (n < 20 || n % 9 == 0)
            assert_true(midp <= mean_coverage(btz_exact_interval, n));
        if (n >= 20) {
            assert_true(midp <= 0.965);
            total_large += midp;
        }
        total += midp;
    }
    print_message("# mid-p mean coverage: %.4f over n in 1..%d, %.4f over n >= 20\n", total / N_MAX,
                  N_MAX, total_large / (N_MAX - 19));
    assert_true(fabs(total / N_MAX - 0.95) < 0.015);
    assert_true(fabs(total_large / (N_MAX - 19) - 0.95) < 0.015);
}

static void test_wilson_covers_on_average(void **state)
{
    (void)state;
    for (uint64_t n = 10; n <= N_MAX; n += 38)
        assert_true(fabs(mean_coverage(btz_wilson_interval, n) - 0.95) < 0.01);
}

/* ---- clusters ---- */

#define M 5 /* generations of a prompt */

/* Two ways to reach an intra-prompt correlation rho: with probability rho all generations copy the first, or
 * prompts have rates of their own, drawn from a beta distribution. */
enum model { COPY, BETA };

static void cluster_pmf(enum model model, double rho, double p, double out[M + 1])
{
    double s = 1 / rho - 1, a = p * s, b = (1 - p) * s;

    for (uint64_t k = 0; k <= M; k++) {
        double independent = exp(btz_binomial_log_pmf(k, M, p)), x = (double)k;

        if (rho == 0 || rho == 1 || model == COPY)
            out[k] = (1 - rho) * independent + rho * (k == 0 ? 1 - p : k == M ? p : 0);
        else
            out[k] = exp(btz_log_gamma(M + 1) - btz_log_gamma(x + 1) - btz_log_gamma(M - x + 1) +
                         btz_log_gamma(x + a) + btz_log_gamma(M - x + b) - btz_log_gamma(M + s) -
                         btz_log_gamma(a) - btz_log_gamma(b) + btz_log_gamma(s));
    }
}

static const double cluster_rates[] = { 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99 };
static const double rhos[] = { 0, 0.3, 1 };

#define FEW 10 /* prompts: 3,003 ways to have 0..5 successes each, all of them weighed */

struct outcome {
    unsigned prompts[M + 1]; /* with k successes */
    double log_ways;         /* multinomial coefficient */
    struct btz_interval clustered, pooled;
};

static size_t enumerate(struct outcome *out, unsigned *prompts, unsigned k, unsigned left,
                        size_t at)
{
    struct btz_cluster clusters[FEW];
    struct btz_clustered found;
    size_t used = 0;

    if (k < M) {
        for (unsigned i = 0; i <= left; i++) {
            prompts[k] = i;
            at = enumerate(out, prompts, k + 1, left - i, at);
        }
        return at;
    }
    prompts[M] = left;
    memcpy(out[at].prompts, prompts, sizeof out[at].prompts);
    out[at].log_ways = btz_log_gamma(FEW + 1);
    for (unsigned i = 0; i <= M; i++) {
        out[at].log_ways -= btz_log_gamma(prompts[i] + 1.0);
        for (unsigned j = 0; j < prompts[i]; j++)
            clusters[used++] = (struct btz_cluster){ i, M };
    }
    assert_int_equal(btz_cluster_interval(clusters, FEW, 0.95, BTZ_SIDE_TWO, &found), BTZ_OK);
    out[at].clustered = found.interval;
    assert_int_equal(btz_exact_interval(found.k, found.n, 0.95, BTZ_SIDE_TWO, &out[at].pooled),
                     BTZ_OK);
    return at + 1;
}

static double probability(const struct outcome *o, const double pmf[M + 1])
{
    double log_p = o->log_ways;

    for (unsigned k = 0; k <= M; k++)
        if (o->prompts[k] > 0)
            log_p += o->prompts[k] * log(pmf[k]);
    return exp(log_p);
}

static void test_clusters_exactly(void **state)
{
    const size_t ways = 3003;
    BTZ_FREE struct outcome *all = calloc(ways, sizeof *all);
    unsigned prompts[M + 1];
    double worst = 1, worst_pooled = 1;

    (void)state;
    assert_non_null(all);
    assert_int_equal(enumerate(all, prompts, 0, FEW, 0), ways);
    for (size_t i = 0; i < ways; i++) {
        assert_true(all[i].clustered.low <= all[i].pooled.low);
        assert_true(all[i].clustered.high >= all[i].pooled.high);
    }
    for (int model = COPY; model <= BETA; model++)
        for (size_t r = 0; r < BTZ_COUNT(rhos); r++)
            for (size_t q = 0; q < BTZ_COUNT(cluster_rates); q++) {
                double pmf[M + 1], clustered = 0, pooled = 0, sum = 0;

                cluster_pmf((enum model)model, rhos[r], cluster_rates[q], pmf);
                for (size_t i = 0; i < ways; i++) {
                    double weight = probability(&all[i], pmf);

                    sum += weight;
                    clustered += covers(all[i].clustered, cluster_rates[q]) ? weight : 0;
                    pooled += covers(all[i].pooled, cluster_rates[q]) ? weight : 0;
                }
                assert_true(fabs(sum - 1) < 1e-9);
                worst = fmin(worst, clustered);
                worst_pooled = fmin(worst_pooled, pooled);
            }
    print_message("# %d prompts, exact: least coverage %.4f; of the pooled interval %.4f\n", FEW,
                  worst, worst_pooled);
    assert_true(worst >= 0.95);
    assert_true(worst_pooled <
                0.7); /* the scenes are hard: counting generations as independent fails */
}

static void draw(struct btz_rng *rng, const double pmf[M + 1], struct btz_cluster *out,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double u = btz_rng_unit(rng);
        unsigned k = 0;

        while (k < M && u >= pmf[k])
            u -= pmf[k++];
        out[i] = (struct btz_cluster){ k, M };
    }
}

#define TRIALS 1500
/* 95 % less 3.3 standard errors of TRIALS trials. */
#define HOLDS (0.95 - 3.3 * 0.00563)

static void test_clusters_simulated(void **state)
{
    static const size_t sizes[] = { 40, 200 };
    struct btz_cluster clusters[200];
    struct btz_clustered found;
    double worst = 1, total = 0;
    size_t cells = 0;

    (void)state;
    for (size_t s = 0; s < BTZ_COUNT(sizes); s++)
        for (int model = COPY; model <= BETA; model++)
            for (size_t r = 0; r < BTZ_COUNT(rhos); r++)
                for (size_t q = 0; q < BTZ_COUNT(cluster_rates); q++) {
                    struct btz_rng rng;
                    double pmf[M + 1];
                    unsigned hits = 0;

                    btz_rng_init(&rng, 2, cells);
                    cluster_pmf((enum model)model, rhos[r], cluster_rates[q], pmf);
                    for (int t = 0; t < TRIALS; t++) {
                        draw(&rng, pmf, clusters, sizes[s]);
                        assert_int_equal(
                            btz_cluster_interval(clusters, sizes[s], 0.95, BTZ_SIDE_TWO, &found),
                            BTZ_OK);
                        hits += covers(found.interval, cluster_rates[q]);
                    }
                    if ((double)hits / TRIALS < HOLDS)
                        fail_msg("%zu prompts, model %d, rho %g, rate %g: covered %.4f", sizes[s],
                                 model, rhos[r], cluster_rates[q], (double)hits / TRIALS);
                    worst = fmin(worst, (double)hits / TRIALS);
                    total += (double)hits / TRIALS;
                    cells++;
                }
    print_message("# 40 and 200 prompts: least coverage %.4f, mean %.4f\n", worst,
                  total / (double)cells);
    assert_true(total / (double)cells > 0.955);
}

/* Prompts with 1 to 20 generations. */
static void test_clusters_of_unequal_size(void **state)
{
    static const uint64_t pattern[] = { 1, 1, 2, 5, 20 };
    struct btz_cluster clusters[60];
    struct btz_clustered found;
    double worst = 1;

    (void)state;
    for (size_t count = 15; count <= 60; count += 45)
        for (size_t r = 0; r < BTZ_COUNT(rhos); r++)
            for (size_t q = 0; q < BTZ_COUNT(cluster_rates); q++) {
                double p = cluster_rates[q], got;
                struct btz_rng rng;
                unsigned hits = 0;

                btz_rng_init(&rng, 3, count * 100 + r * 10 + q);
                for (int t = 0; t < TRIALS; t++) {
                    for (size_t i = 0; i < count; i++) {
                        uint64_t n = pattern[i % BTZ_COUNT(pattern)], k = 0;

                        if (btz_rng_unit(&rng) < rhos[r])
                            k = btz_rng_unit(&rng) < p ? n : 0;
                        else
                            for (uint64_t j = 0; j < n; j++)
                                k += btz_rng_unit(&rng) < p;
                        clusters[i] = (struct btz_cluster){ k, n };
                    }
                    assert_int_equal(
                        btz_cluster_interval(clusters, count, 0.95, BTZ_SIDE_TWO, &found), BTZ_OK);
                    hits += covers(found.interval, p);
                }
                got = (double)hits / TRIALS;
                if (got < HOLDS)
                    fail_msg("%zu prompts, rho %g, rate %g: covered %.4f", count, rhos[r], p, got);
                worst = fmin(worst, got);
            }
    print_message("# unequal prompts: least coverage %.4f\n", worst);
}

/* ---- correction, resampling, sequential ---- */

static uint64_t draw_binomial(struct btz_rng *rng, uint64_t n, double p)
{
    uint64_t k = 0;

    for (uint64_t i = 0; i < n; i++)
        k += btz_rng_unit(rng) < p;
    return k;
}

/* The judge's quality is itself estimated from labelled examples. Also: the variance of the delta method is
 * the variance seen. */
static void test_rogan_gladen_covers(void **state)
{
    static const double truths[] = { 0, 0.02, 0.1, 0.4, 0.8, 1 };
    const double se = 0.9, sp = 0.95;
    const uint64_t n = 300, labelled = 150;
    double worst = 1;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(truths); i++) {
        double pi = truths[i], mean = 0, squares = 0, said = 0;
        struct btz_rng rng;
        unsigned hits = 0;

        btz_rng_init(&rng, 4, i);
        for (int t = 0; t < TRIALS; t++) {
            struct btz_judge_quality judge = { .positives = labelled, .negatives = labelled };
            struct btz_corrected found;
            double off;

            judge.sensitivity = (double)draw_binomial(&rng, labelled, se) / (double)labelled;
            judge.specificity = (double)draw_binomial(&rng, labelled, sp) / (double)labelled;
            assert_int_equal(btz_rogan_gladen(draw_binomial(&rng, n, pi * se + (1 - pi) * (1 - sp)),
                                              n, &judge, 0.95, &found),
                             BTZ_OK);
            hits += covers(found.interval, pi);
            off = found.raw - mean;
            mean += off / (t + 1);
            squares += off * (found.raw - mean);
            said += found.variance / TRIALS;
        }
        assert_true(fabs(mean - pi) < 0.01);
        assert_true(fabs(squares / (TRIALS - 1) / said - 1) < 0.15);
        if ((double)hits / TRIALS < 0.93)
            fail_msg("true rate %g: covered %.4f", pi, (double)hits / TRIALS);
        worst = fmin(worst, (double)hits / TRIALS);
    }
    print_message("# corrected for the judge: least coverage %.4f\n", worst);
}

/* Means of 40 skewed values, and a rate over 60 prompts of fully correlated generations. */
static void test_bootstrap_covers(void **state)
{
    const int trials = 300;
    int percentile = 0, bca = 0, by_prompt = 0, by_generation = 0;
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 5, 0);
    for (int t = 0; t < trials; t++) {
        struct btz_bootstrap_options o = { .resamples = 600, .confidence = 0.95, .stream = t };
        struct btz_bootstrapped found;
        struct btz_cluster prompts[60];
        double values[300];

        for (int i = 0; i < 40; i++)
            values[i] = -log1p(-btz_rng_unit(&rng));
        assert_int_equal(btz_bootstrap_mean(values, 40, &o, &found), BTZ_OK);
        percentile += covers(found.interval, 1);
        o.kind = BTZ_BOOTSTRAP_BCA;
        assert_int_equal(btz_bootstrap_mean(values, 40, &o, &found), BTZ_OK);
        bca += covers(found.interval, 1);

        for (int i = 0; i < 60; i++) {
            prompts[i] = (struct btz_cluster){ btz_rng_unit(&rng) < 0.3 ? 5 : 0, 5 };
            for (int j = 0; j < 5; j++)
                values[i * 5 + j] = prompts[i].k > 0;
        }
        assert_int_equal(btz_bootstrap_rate(prompts, 60, &o, &found), BTZ_OK);
        by_prompt += covers(found.interval, 0.3);
        o.kind = BTZ_BOOTSTRAP_PERCENTILE;
        o.resamples = 200;
        assert_int_equal(btz_bootstrap_mean(values, 300, &o, &found), BTZ_OK);
        by_generation += covers(found.interval, 0.3);
    }
    print_message("# bootstrap of %d: percentile %d, BCa %d, by prompt %d, by generation %d\n",
                  trials, percentile, bca, by_prompt, by_generation);
    assert_in_range(percentile, 267,
                    297); /* known to fall a little short of 285 for skewed values */
    assert_in_range(bca, 270, 298);
    assert_in_range(by_prompt, 270, 298);
    assert_true(by_generation < 225);
}

/* Both errors of the sequential test stay near the 5 % asked for; Wald's bounds overshoot, so below. */
static void test_sprt_errors(void **state)
{
    const int trials = 2000;

    (void)state;
    for (int truth = 0; truth < 2; truth++) {
        int wrong = 0;
        struct btz_rng rng;

        btz_rng_init(&rng, 6, truth);
        for (int t = 0; t < trials; t++) {
            struct btz_sprt s;

            assert_int_equal(btz_sprt_init(0.01, 0.05, 0.05, 0.05, &s), BTZ_OK);
            while (btz_sprt_add(&s, btz_rng_unit(&rng) < (truth ? 0.05 : 0.01)) ==
                   BTZ_SPRT_CONTINUE)
                ;
            wrong += s.decision == (truth ? BTZ_SPRT_ACCEPT_H0 : BTZ_SPRT_ACCEPT_H1);
        }
        print_message("# sequential test: %d of %d decided wrongly\n", wrong, trials);
        assert_in_range(wrong, 10, 132); /* 100 and 3.3 standard errors */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_covers),
        cmocka_unit_test(test_exact_covers_at_bounds),
        cmocka_unit_test(test_midp_covers_on_average),
        cmocka_unit_test(test_wilson_covers_on_average),
        cmocka_unit_test(test_clusters_exactly),
        cmocka_unit_test(test_clusters_simulated),
        cmocka_unit_test(test_clusters_of_unequal_size),
        cmocka_unit_test(test_rogan_gladen_covers),
        cmocka_unit_test(test_bootstrap_covers),
        cmocka_unit_test(test_sprt_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
