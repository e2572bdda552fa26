/* What the files of the statistics share below the public header. */
#ifndef BTZ_STATS_TAILS_H
#define BTZ_STATS_TAILS_H

#include <float.h>
#include <math.h>

#include <bartizan/stats.h>

#include "base/base.h"

#define BTZ_LOG_SQRT_2PI 0.91893853320467274178

/* One of the two tails of a distribution, the one that was computed directly. */
struct btz_tail {
    bool is_lower;
    double value, log;
};
double btz_tail_value(struct btz_tail t, bool lower);
double btz_tail_log(struct btz_tail t, bool lower);

/* log(1 - exp(x)) for x <= 0. */
double btz_log_1m_exp(double x);
/* log(1 + t) - t without cancellation, t >= -1. */
double btz_log1p_minus(double t);
/* log Gamma(a + 1) less its Stirling approximation (a + 1/2) log a - a + log sqrt(2 pi). */
double btz_stirling_error(double a);
/* a (r - 1 - log r), r = 1 + d/a = m/a: half the deviance of m against a; d = m - a carries the accuracy. */
double btz_deviance(double a, double m, double d);

/*
 * Integral over u in [0, limit) of exp(A g(s u) + B g(y u) + c u) with g(t) = log(1 + t) - t: what the
 * incomplete gamma and beta become for huge parameters, with u the distance from the bound. c <= 0, but
 * for a rounding.
 */
struct btz_tail_integral {
    double A, s, B, y, c, limit;
};
double btz_tail_integrate(const struct btz_tail_integral *in);

/* Beta at x with y = 1 - x known as exactly as x. */
struct btz_tail btz_beta_tail(double a, double b, double x, double y);
/* log(x/(1-x)) where the lower (upper) tail of the beta has logarithm `log_tail` < 0. */
double btz_beta_logit_quantile(double a, double b, double log_tail, bool lower);
/* log of x^a y^b / B(a,b). */
double btz_beta_log_density_logit(double a, double b, double x, double y);

/* Checks that public functions share. */
BTZ_CHECKED enum btz_err btz_stats_check_level(double confidence, enum btz_side side);
BTZ_CHECKED enum btz_err btz_stats_check_counts(uint64_t k, uint64_t n);
/* Probability beyond each bound of the interval. */
double btz_stats_alpha(double confidence, enum btz_side side);

#endif
