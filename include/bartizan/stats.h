/*
 * Statistics: tails of distributions, exact intervals and tests for counts, corrections, clustered and
 * resampled intervals, sequential decisions.
 *
 * Rates, probabilities and levels are fractions in [0,1], never per cent. Logarithms are natural.
 * Functions that return double are pure, never set an error and give NAN outside the stated domain.
 * Functions that return enum btz_err write their result only on BTZ_OK; USAGE is a level, side or option
 * out of its range, INPUT is data that cannot be (k > n, p not in [0,1]), LIMIT is a size or memory.
 * Nothing here keeps state: every function may be called from any thread.
 */
#ifndef BARTIZAN_STATS_H
#define BARTIZAN_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bartizan/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Closed interval, low <= high. */
struct btz_interval {
    double low, high;
};

/* Which bounds an interval or which alternatives a test has. */
enum btz_side {
    BTZ_SIDE_TWO,   /* two-sided: (1 - confidence)/2 beyond each bound */
    BTZ_SIDE_LOWER, /* interval [low, 1]; test against "smaller than" */
    BTZ_SIDE_UPPER  /* interval [0, high]; test against "greater than" */
};

/* Largest count that any function takes: all counts up to it are exact doubles. */
#define BTZ_COUNT_MAX ((uint64_t)1 << 53)

/* ---- tails -------------------------------------------------------------------------------------
 * Relative error of tails at most 1e-12 wherever the value is a normal double; of their logarithms
 * 1e-12 relative to max(|log|, 1e-12), also where the tail itself underflows to 0 (log p of -1e4 and
 * far below). Both tails are computed, neither by subtraction from 1 when it is the small one. */

/* log Gamma(x), x > 0, to a few units in the last place. Source: lgamma_r of the C library. */
BTZ_API double btz_log_gamma(double x);

/* Standard normal: P(Z <= z), P(Z >= z) and their logarithms, any z, infinities included.
 * Source: erfc; Abramowitz and Stegun 26.2.12 for the far logarithms. */
BTZ_API double btz_normal_cdf(double z);
BTZ_API double btz_normal_sf(double z);
BTZ_API double btz_normal_log_cdf(double z);
BTZ_API double btz_normal_log_sf(double z);

/* z with P(Z <= z) = p, with P(Z >= z) = q, and with log P(Z >= z) = log_q (any log_q <= 0).
 * 0 and 1 give the infinities. Newton on the logarithm of the smaller tail. */
BTZ_API double btz_normal_quantile(double p);
BTZ_API double btz_normal_quantile_sf(double q);
BTZ_API double btz_normal_quantile_log_sf(double log_q);

/* Regularised incomplete gamma of shape a > 0 and scale 1 at x >= 0: P(a,x) lower, Q(a,x) upper tail.
 * Accuracy stated for a in [1e-3, 1e9]. A chi-square of d degrees is Q(d/2, x/2).
 * Source: DLMF 8.7, 8.9, 8.11; prefactor after Loader (2000); double-exponential quadrature for a > 1e4. */
BTZ_API double btz_gamma_p(double a, double x);
BTZ_API double btz_gamma_q(double a, double x);
BTZ_API double btz_gamma_log_p(double a, double x);
BTZ_API double btz_gamma_log_q(double a, double x);
/* x with P(a,x) = p, with Q(a,x) = q, with log Q(a,x) = log_q. */
BTZ_API double btz_gamma_quantile(double a, double p);
BTZ_API double btz_gamma_quantile_q(double a, double q);
BTZ_API double btz_gamma_quantile_log_q(double a, double log_q);

/* Regularised incomplete beta I_x(a,b), x in [0,1], a and b > 0: lower tail and upper tail 1 - I_x.
 * Accuracy stated for a and b in [1e-3, 1e9]. Source: continued fraction of
 * Didonato and Morris, ACM TOMS 18 (1992) 360, prefactor after
 * C. Loader, "Fast and accurate computation of binomial probabilities", 2000; quadrature for huge a and b. */
BTZ_API double btz_beta_p(double a, double b, double x);
BTZ_API double btz_beta_q(double a, double b, double x);
BTZ_API double btz_beta_log_p(double a, double b, double x);
BTZ_API double btz_beta_log_q(double a, double b, double x);
/* x with I_x(a,b) = p, with 1 - I_x(a,b) = q. */
BTZ_API double btz_beta_quantile(double a, double b, double p);
BTZ_API double btz_beta_quantile_q(double a, double b, double q);

/* Student's t with df > 0 degrees of freedom (fractional allowed): P(T >= t), and t with P(T >= t) = q. */
BTZ_API double btz_student_sf(double df, double t);
BTZ_API double btz_student_quantile_sf(double df, double q);

/* Binomial, k successes of n at rate p: log P(X = k), P(X <= k), P(X >= k). k <= n <= BTZ_COUNT_MAX. */
BTZ_API double btz_binomial_log_pmf(uint64_t k, uint64_t n, double p);
BTZ_API double btz_binomial_at_most(uint64_t k, uint64_t n, double p);
BTZ_API double btz_binomial_at_least(uint64_t k, uint64_t n, double p);

/* ---- one rate ----------------------------------------------------------------------------------
 * k successes of n independent trials; `confidence` in (0,1), such as 0.95. n = 0 gives [0,1].
 * Errors: USAGE for the level or the side, INPUT for k > n, LIMIT for n > BTZ_COUNT_MAX. */

/* Clopper-Pearson: covers with at least `confidence` whatever the true rate. The default everywhere.
 * low is 0 at k = 0, high is 1 at k = n. Source: Clopper and Pearson, Biometrika 26 (1934) 404. */
BTZ_API BTZ_CHECKED enum btz_err btz_exact_interval(uint64_t k, uint64_t n, double confidence,
                                                    enum btz_side side, struct btz_interval *out);

/* The same for fractional counts 0 <= k <= n, such as effective sample sizes. */
BTZ_API BTZ_CHECKED enum btz_err btz_exact_interval_fractional(double k, double n,
                                                               double confidence,
                                                               enum btz_side side,
                                                               struct btz_interval *out);

/* Mid-p: half the probability of k itself counts as beyond. Covers with `confidence` on average over the
 * rates, not for each; narrower than exact. Source: Berry and Armitage, The Statistician 44 (1995) 417. */
BTZ_API BTZ_CHECKED enum btz_err btz_midp_interval(uint64_t k, uint64_t n, double confidence,
                                                   enum btz_side side, struct btz_interval *out);

/* Wilson's score interval. Source: Wilson, JASA 22 (1927) 209. */
BTZ_API BTZ_CHECKED enum btz_err btz_wilson_interval(uint64_t k, uint64_t n, double confidence,
                                                     enum btz_side side, struct btz_interval *out);

/* Exact p-value of k of n under rate p. LOWER: P(X <= k); UPPER: P(X >= k); TWO: probability of all
 * outcomes that are no more probable than k (relative slack 1e-7 for ties). */
BTZ_API BTZ_CHECKED enum btz_err btz_binomial_test(uint64_t k, uint64_t n, double p,
                                                   enum btz_side side, double *p_value);

/* ---- clustered rates ---------------------------------------------------------------------------*/

/* One prompt with its generations (or one record with its rows): k of n succeeded. n = 0 is ignored. */
struct btz_cluster {
    uint64_t k, n;
};

struct btz_clustered {
    struct btz_interval interval;
    double rate;     /* sum k / sum n; NAN when there is nothing */
    uint64_t k, n;   /* the sums */
    size_t clusters; /* with n > 0 */
    double design; /* design effect >= 1: how many times more trials than independent ones needed */
    double n_effective; /* n / design */
};

/*
 * Interval for the rate when generations of one prompt resemble each other: never narrower than the exact
 * interval of the pooled counts, and that of the number of clusters when nothing but all-or-nothing
 * clusters, k = 0 and k = n included, was seen (equal sizes).
 *
 * Method: the design effect is the variance of sum k / sum n between clusters (linearised ratio estimator)
 * over its binomial value; n / design and k / design go into Clopper-Pearson (Korn and Graubard, Survey
 * Methodology 24 (1998) 193). Because that variance is badly known when few clusters show a success, two
 * clusters of size sum n^3 / sum n^2, one with all and one with no success, are added for the design effect
 * alone (in the manner of Agresti and Coull): the start is full correlation, data move it to what they show.
 * Coverage at 95 %, from 10 to 200 prompts with 5 generations, rates 0.01 to 0.99 and correlations 0 to 1: at
 * least 95 % by enumeration (10 prompts) and simulation; likewise for sizes as uneven as 1 to 20.
 * With every n = 1 the result is the exact interval.
 * Errors: USAGE, INPUT (k > n), LIMIT (sum n > BTZ_COUNT_MAX).
 */
BTZ_API BTZ_CHECKED enum btz_err btz_cluster_interval(const struct btz_cluster *clusters,
                                                      size_t count, double confidence,
                                                      enum btz_side side,
                                                      struct btz_clustered *out);

/* ---- correction for an imperfect judge ---------------------------------------------------------*/

/* What is known of a judge, from labelled examples. A count of 0 examples means "known exactly". */
struct btz_judge_quality {
    double sensitivity, specificity; /* in [0,1]; their sum must exceed 1.01 */
    uint64_t positives, negatives;   /* labelled examples behind each */
};

struct btz_corrected {
    double rate;                  /* clipped to [0,1] */
    double raw;                   /* before clipping, may be outside */
    double variance;              /* of raw: delta method, the judge's own uncertainty included */
    bool clipped;                 /* raw was outside [0,1]: say so in reports */
    struct btz_interval interval; /* within [0,1]; has width at k = 0 and k = n */
};

/*
 * True rate behind k positive judgements of n: (k/n + Sp - 1)/(Se + Sp - 1).
 * variance = [p(1-p)/n + r^2 Se(1-Se)/n_se + (1-r)^2 Sp(1-Sp)/n_sp] / (Se+Sp-1)^2 with p = k/n, r the rate
 * (Rogan and Gladen, Am. J. Epidemiology 107 (1978) 71). The two-sided interval is that of Lang and
 * Reiczigel, Preventive Veterinary Medicine 113 (2014) 13, which adds pseudo-counts, so that zero variance
 * does not give zero width. Errors: USAGE; INPUT for k > n, n = 0, and a judge with Se + Sp <= 1.01, which
 * says nothing about the truth.
 */
BTZ_API BTZ_CHECKED enum btz_err btz_rogan_gladen(uint64_t k, uint64_t n,
                                                  const struct btz_judge_quality *judge,
                                                  double confidence, struct btz_corrected *out);

/* ---- comparing and deciding --------------------------------------------------------------------*/

/* Exact McNemar: b pairs changed one way, c the other (two runs on the same prompts). Two-sided
 * p = min(1, 2 P(X <= min(b,c))), X binomial of b + c at 1/2. b = c = 0 gives 1. LIMIT for b + c too large. */
BTZ_API BTZ_CHECKED enum btz_err btz_mcnemar(uint64_t b, uint64_t c, double *p_value);

/* Fisher's exact test that two runs on different prompts, k1 of n1 and k2 of n2, have the same rate.
 * LOWER: rate 1 smaller; UPPER: rate 1 greater; TWO: all tables no more probable (relative slack 1e-7).
 * Source: Fisher, J. Royal Statistical Society 98 (1935) 39. n1 + n2 <= BTZ_COUNT_MAX. */
BTZ_API BTZ_CHECKED enum btz_err btz_fisher_test(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2,
                                                 enum btz_side side, double *p_value);

/*
 * Benjamini-Hochberg step-up at false discovery rate q in (0,1) over `count` p-values in any order.
 * Writes, where not NULL: reject[i], adjusted[i] (the smallest q at which i is rejected, at most 1), and the
 * number rejected. Source: J. Royal Statistical Society B 57 (1995) 289.
 */
BTZ_API BTZ_CHECKED enum btz_err btz_benjamini_hochberg(const double *p, size_t count, double q,
                                                        bool *reject, double *adjusted,
                                                        size_t *rejected);

/* Wald's sequential probability ratio test of rate p0 against p1 > p0. Plain data: copy, store, merge. */
enum btz_sprt_decision {
    BTZ_SPRT_CONTINUE,
    BTZ_SPRT_ACCEPT_H0, /* the rate is p0 or less */
    BTZ_SPRT_ACCEPT_H1  /* the rate is p1 or more */
};
struct btz_sprt {
    double up, down;              /* log-likelihood ratio per success (> 0) and per failure (< 0) */
    double lower, upper;          /* bounds: log(beta/(1-alpha)), log((1-beta)/alpha) */
    uint64_t successes, failures; /* until the decision */
    enum btz_sprt_decision decision; /* the first that fell; it stands */
};
/* 0 < p0 < p1 < 1; alpha, beta in (0, 0.5): errors of the first and second kind. USAGE otherwise.
 * Source: Wald, Annals of Mathematical Statistics 16 (1945) 117. */
BTZ_API BTZ_CHECKED enum btz_err btz_sprt_init(double p0, double p1, double alpha, double beta,
                                               struct btz_sprt *out);
/* Adds one trial and gives the decision so far; after a decision trials are no longer counted. */
BTZ_API enum btz_sprt_decision btz_sprt_add(struct btz_sprt *s, bool success);
/* The present log-likelihood ratio, from the counts: free of accumulated rounding. */
BTZ_API double btz_sprt_ratio(const struct btz_sprt *s);

/* ---- bootstrap ---------------------------------------------------------------------------------*/

/* Statistic of a sample given as indices 0..units-1, with repetition; `units` of them (units - 1 for the
 * jackknife of BCa). A unit is what was drawn independently: a prompt with all its generations. */
typedef double (*btz_statistic)(const void *data, const size_t *units, size_t count);

enum btz_bootstrap_kind { BTZ_BOOTSTRAP_PERCENTILE, BTZ_BOOTSTRAP_BCA };
struct btz_bootstrap_options {
    enum btz_bootstrap_kind kind;
    unsigned resamples; /* 100 .. 10,000,000; 10,000 is usual */
    double confidence;
    uint64_t seed, stream; /* Philox4x32-10: equal pairs, equal result on every machine */
};
struct btz_bootstrapped {
    struct btz_interval interval;
    double value;    /* of the sample itself */
    double error;    /* standard deviation of the resampled statistic */
    bool degenerate; /* all resamples gave one value: the width 0 is no evidence; for rates use
                      * btz_cluster_interval */
};

/*
 * Resamples `units` >= 2 units with replacement. Source: Efron, JASA 82 (1987) 171 (percentile, BCa);
 * acceleration by the jackknife over units. Quantiles of R resamples interpolate at rank (R+1)p.
 * Errors: USAGE, INPUT when the statistic is not finite for a resample, LIMIT for memory.
 */
BTZ_API BTZ_CHECKED enum btz_err btz_bootstrap(btz_statistic statistic, const void *data,
                                               size_t units,
                                               const struct btz_bootstrap_options *options,
                                               struct btz_bootstrapped *out);
/* Of the mean of finite values, and of the rate sum k / sum n over clusters with n > 0 (INPUT otherwise). */
BTZ_API BTZ_CHECKED enum btz_err btz_bootstrap_mean(const double *values, size_t count,
                                                    const struct btz_bootstrap_options *options,
                                                    struct btz_bootstrapped *out);
BTZ_API BTZ_CHECKED enum btz_err btz_bootstrap_rate(const struct btz_cluster *clusters,
                                                    size_t count,
                                                    const struct btz_bootstrap_options *options,
                                                    struct btz_bootstrapped *out);

#ifdef __cplusplus
}
#endif
#endif
