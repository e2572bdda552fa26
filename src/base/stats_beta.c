/* Regularised incomplete beta functions, their quantiles, Student's t and the binomial. */
#include <math.h>

#include "base/stats_tails.h"

#define HUGE_SHAPE 1e4 /* both above: quadrature, whose cost does not grow with the shapes */

/* (a + b) x - a, exactly rounded but for the last place: far more than x - a/(a+b) could give. */
static double mean_distance(double a, double b, double x, double y)
{
    double n = a + b, rest = a > b ? (a - n) + b : (b - n) + a;

    if (x <= y)
        return fma(n, x, -a) + rest * x;
    return -(fma(n, y, -b) + rest * y);
}

double btz_beta_log_density_logit(double a, double b, double x, double y)
{
    double n = a + b, d = mean_distance(a, b, x, y);

    /* Loader 2000: Stirling corrections and deviances are all small near the centre, nothing cancels. */
    return btz_stirling_error(n) - btz_stirling_error(a) - btz_stirling_error(b) -
           btz_deviance(a, n * x, d) - btz_deviance(b, n * y, -d) + 0.5 * log(a * (b / n)) -
           BTZ_LOG_SQRT_2PI;
}

/*
 * B(a,b) I_x(a,b) / (x^a y^b) by the fraction of Didonato and Morris, ACM TOMS 18 (1992) 360, equation 9 (the even part
 * of DLMF 8.17.22), modified Lentz. It sees x near 1 only through `excess` = a - (a+b) x, so nothing is lost
 * there. Converges fast for x < (a+1)/(a+b+2).
 */
static double continued_fraction(double a, double b, double x, double y, double excess)
{
    const double tiny = 1e-300;
    double h = a * (excess + 1) / (a + 1), c, d = 0;

    h = fabs(h) < tiny ? tiny : h;
    c = h;
    for (int m = 1; m < 100000; m++) {
        double below = a + 2 * m - 1, delta;
        double up = (a + m - 1) / below * ((a + b + m - 1) / below) * m * (b - m) * x * x;
        double base =
            m + m * (b - m) * x / below + (a + m) * (excess + 1 + m * (1 + y)) / (below + 2);

        d = base + up * d;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = base + up / c;
        c = fabs(c) < tiny ? tiny : c;
        delta = c * d;
        h *= delta;
        if (fabs(delta - 1) <= DBL_EPSILON)
            break;
    }
    return 1 / h;
}

/* I_x(a,b) for x not much above the mean. */
static struct btz_tail lower_tail(double a, double b, double x, double y)
{
    double log_density = btz_beta_log_density_logit(a, b, x, y), factor;

    if (a > HUGE_SHAPE && b > HUGE_SHAPE) {
        struct btz_tail_integral in = { .A = a - 1, .s = -1, .B = b - 1, .y = x / y, .limit = 1 };

        in.c = (mean_distance(a, b, x, y) + 1 - 2 * x) / y;
        factor = btz_tail_integrate(&in) / y;
    } else {
        factor = continued_fraction(a, b, x, y, -mean_distance(a, b, x, y));
    }
    return (struct btz_tail){ true, exp(log_density) * factor, log_density + log(factor) };
}

struct btz_tail btz_beta_tail(double a, double b, double x, double y)
{
    struct btz_tail t;

    if (!(a > 0 && b > 0 && x >= 0 && y >= 0) || isinf(a) || isinf(b))
        return (struct btz_tail){ true, NAN, NAN };
    if (x == 0 || y == 0)
        return (struct btz_tail){ x == 0, 0, -INFINITY };
    if (x * (b + 1) < (a + 1) * y)
        return lower_tail(a, b, x, y);
    t = lower_tail(b, a, y, x);
    t.is_lower = false;
    return t;
}

static struct btz_tail tail_at(double a, double b, double x)
{
    return btz_beta_tail(a, b, x, x <= 1 ? 1 - x : NAN);
}

double btz_beta_p(double a, double b, double x)
{
    return btz_tail_value(tail_at(a, b, x), true);
}

double btz_beta_q(double a, double b, double x)
{
    return btz_tail_value(tail_at(a, b, x), false);
}

double btz_beta_log_p(double a, double b, double x)
{
    return btz_tail_log(tail_at(a, b, x), true);
}

double btz_beta_log_q(double a, double b, double x)
{
    return btz_tail_log(tail_at(a, b, x), false);
}

static double logistic(double s)
{
    return s < 0 ? exp(s) / (1 + exp(s)) : 1 / (1 + exp(-s));
}

/* In s = logit x the density x^a (1-x)^b is log-concave, hence both tails are, and asymptotically their
 * logarithms are straight lines: Newton on them converges from anywhere. */
double btz_beta_logit_quantile(double a, double b, double log_tail, bool lower)
{
    double s = log(a / b), before = INFINITY;

    for (int i = 0; i < 500; i++) {
        double x = logistic(s), y = logistic(-s), log_now, slope, delta;

        if (x == 0 || y == 0)
            break;
        log_now = btz_tail_log(btz_beta_tail(a, b, x, y), lower);
        slope = exp(btz_beta_log_density_logit(a, b, x, y) - log_now);
        delta = (log_tail - log_now) / (lower ? slope : -slope);
        s += delta;
        if (fabs(delta) <= DBL_EPSILON || (fabs(delta) < 1e-10 && fabs(delta) >= before))
            break;
        before = fabs(delta);
    }
    return s;
}

double btz_beta_quantile(double a, double b, double p)
{
    if (!(a > 0 && b > 0 && p >= 0 && p <= 1) || isinf(a) || isinf(b))
        return NAN;
    if (p == 0 || p == 1)
        return p;
    return logistic(p <= 0.5 ? btz_beta_logit_quantile(a, b, log(p), true)
                             : btz_beta_logit_quantile(a, b, log1p(-p), false));
}

double btz_beta_quantile_q(double a, double b, double q)
{
    if (!(a > 0 && b > 0 && q >= 0 && q <= 1) || isinf(a) || isinf(b))
        return NAN;
    if (q == 0 || q == 1)
        return 1 - q;
    return logistic(q <= 0.5 ? btz_beta_logit_quantile(a, b, log(q), false)
                             : btz_beta_logit_quantile(a, b, log1p(-q), true));
}

/* ---- Student ---- */

double btz_student_sf(double df, double t)
{
    double ratio = t * t / df, half;

    if (!(df > 0) || isnan(t) || isinf(df))
        return NAN;
    if (isinf(ratio))
        return t > 0 ? 0 : 1;
    half =
        btz_tail_value(btz_beta_tail(df / 2, 0.5, 1 / (1 + ratio), ratio / (1 + ratio)), true) / 2;
    return t >= 0 ? half : 1 - half;
}

double btz_student_quantile_sf(double df, double q)
{
    double tail = q <= 0.5 ? q : 1 - q, logit, t;

    if (!(df > 0 && q >= 0 && q <= 1) || isinf(df))
        return NAN;
    if (q == 0.5)
        return 0;
    if (tail == 0)
        return q == 0 ? INFINITY : -INFINITY;
    logit = tail <= 0.25 ? btz_beta_logit_quantile(df / 2, 0.5, log(2 * tail), true)
                         : btz_beta_logit_quantile(df / 2, 0.5, log1p(-2 * tail), false);
    t = sqrt(df * exp(-logit));
    return q < 0.5 ? t : -t;
}

/* ---- binomial ---- */

static bool is_binomial(uint64_t k, uint64_t n, double p)
{
    return k <= n && n <= BTZ_COUNT_MAX && p >= 0 && p <= 1;
}

double btz_binomial_log_pmf(uint64_t k, uint64_t n, double p)
{
    double a = (double)k, b = (double)(n - k), all = (double)n, d;

    if (!is_binomial(k, n, p))
        return NAN;
    if (p == 0 || p == 1)
        return k == (p == 0 ? 0 : n) ? 0 : -INFINITY;
    if (k == 0)
        return all * log1p(-p);
    if (k == n)
        return all * log(p);
    d = mean_distance(a, b, p, 1 - p);
    return btz_stirling_error(all) - btz_stirling_error(a) - btz_stirling_error(b) -
           btz_deviance(a, all * p, d) - btz_deviance(b, all * (1 - p), -d) -
           0.5 * log(a * (b / all)) - BTZ_LOG_SQRT_2PI;
}

double btz_binomial_at_least(uint64_t k, uint64_t n, double p)
{
    if (!is_binomial(k, n, p))
        return NAN;
    return k == 0 ? 1 : btz_beta_p((double)k, (double)(n - k) + 1, p);
}

double btz_binomial_at_most(uint64_t k, uint64_t n, double p)
{
    if (!is_binomial(k, n, p))
        return NAN;
    return k == n ? 1 : btz_beta_q((double)k + 1, (double)(n - k), p);
}
