/* Regularised incomplete gamma functions and their quantiles. */
#include <math.h>

#include "base/stats_tails.h"

#define HUGE_SHAPE 1e4 /* above: quadrature, whose cost does not grow with the shape */

/* log Gamma(1 + a), 0 < a <= 0.2, relative to itself: DLMF 5.7.3. */
static double log_gamma_1p(double a)
{
    /* (zeta(k) - 1), k = 2 .. 18 */
    static const double zeta_m1[] = {
        0.64493406684822643647,     0.2020569031595942854,      0.082323233711138191516,
        0.036927755143369926331,    0.017343061984449139715,    0.0083492773819228268398,
        0.0040773561979443393787,   0.0020083928260822144179,   0.00099457512781808533715,
        0.0004941886041194645587,   0.00024608655330804829864,  0.00012271334757848914675,
        0.000061248135058704829259, 0.000030588236307020493552, 0.000015282259408651871733,
        7.6371976378997622736e-6,   3.8172932649998398565e-6,
    };
    const double one_minus_euler = 0.4227843350984671393934879;
    double sum = 0;

    for (size_t i = BTZ_COUNT(zeta_m1); i-- > 0;) {
        double k = (double)i + 2;

        sum = (i % 2 == 0 ? zeta_m1[i] : -zeta_m1[i]) / k + a * sum;
    }
    return -log1p(a) + a * one_minus_euler + a * a * sum;
}

/* log of x^a e^-x / Gamma(a), the density of log x. */
static double log_density_log(double a, double x)
{
    return 0.5 * log(a) - BTZ_LOG_SQRT_2PI - btz_stirling_error(a) - btz_deviance(a, x, x - a);
}

static struct btz_tail tail_of(bool lower, double log_factor, double factor)
{
    return (struct btz_tail){ lower, exp(log_factor) * factor, log_factor + log(factor) };
}

/* DLMF 8.7.1, times a: 1 + x/(a+1) + x^2/((a+1)(a+2)) + ... */
static double series(double a, double x)
{
    double term = 1, sum = 1;

    for (int n = 1; n < 100000 && term > sum * DBL_EPSILON / 4; n++) {
        term *= x / (a + n);
        sum += term;
    }
    return sum;
}

/* DLMF 8.9.2 in even form, modified Lentz (Thompson and Barnett 1986). */
static double continued_fraction(double a, double x)
{
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;

    for (int n = 1; n < 100000; n++) {
        double an = -n * (n - a), delta;

        b += 2;
        d = an * d + b;
        c = b + an / c;
        if (fabs(d) < tiny)
            d = tiny;
        if (fabs(c) < tiny)
            c = tiny;
        d = 1 / d;
        delta = d * c;
        h *= delta;
        if (fabs(delta - 1) <= DBL_EPSILON)
            break;
    }
    return h;
}

/* Q for a < 1 and x <= 1.5: 1 - x^a/Gamma(1+a) (1 + a sum (-x)^n / (n! (a+n))), with the 1 taken out. */
static double upper_small(double a, double x)
{
    int sign;
    double log_power = a * log(x) - (a <= 0.2 ? log_gamma_1p(a) : lgamma_r(1 + a, &sign));
    double term = 1, sum = 0;

    for (int n = 1; n < 60; n++) {
        term *= -x / n;
        sum += term / (a + n);
        if (fabs(term) < DBL_EPSILON / 64)
            break;
    }
    return -expm1(log_power) - exp(log_power) * a * sum;
}

static struct btz_tail gamma_huge(double a, double x)
{
    double d = x - a;
    bool lower = d < 0;
    struct btz_tail_integral in = { .A = a - 1,
                                    .s = lower ? -1 : 1,
                                    .c = lower ? d + 1 : -(d + 1),
                                    .limit = lower ? 1 : INFINITY };

    return tail_of(lower, log_density_log(a, x), btz_tail_integrate(&in));
}

static struct btz_tail gamma_tail(double a, double x)
{
    if (!(a > 0 && x >= 0) || isinf(a))
        return (struct btz_tail){ true, NAN, NAN };
    if (x == 0)
        return (struct btz_tail){ true, 0, -INFINITY };
    if (isinf(x))
        return (struct btz_tail){ false, 0, -INFINITY };
    if (a > HUGE_SHAPE)
        return gamma_huge(a, x);
    if (a < 1 && x <= 1.5) {
        double upper = upper_small(a, x);

        if (upper < 0.6)
            return (struct btz_tail){ false, upper, log(upper) };
    }
    if (x < a + 1)
        return tail_of(true, log_density_log(a, x), series(a, x) / a);
    return tail_of(false, log_density_log(a, x), continued_fraction(a, x));
}

double btz_gamma_p(double a, double x)
{
    return btz_tail_value(gamma_tail(a, x), true);
}

double btz_gamma_q(double a, double x)
{
    return btz_tail_value(gamma_tail(a, x), false);
}

double btz_gamma_log_p(double a, double x)
{
    return btz_tail_log(gamma_tail(a, x), true);
}

double btz_gamma_log_q(double a, double x)
{
    return btz_tail_log(gamma_tail(a, x), false);
}

/*
 * x where the chosen tail has logarithm `log_tail`. In s = log x the density is exp(a s - e^s), log-concave,
 * hence both tails are: Newton on the logarithm of a tail settles on one side of the root and stays
 * there. Steps to the right are held at 1 because the upper tail falls like exp(-e^s).
 */
static double quantile(double a, double log_tail, bool lower)
{
    double s = log(a), before = INFINITY;

    if (!lower && -log_tail > a)
        s = log(-log_tail);
    for (int i = 0; i < 2000; i++) {
        double x = exp(s), log_now, slope, delta;

        if (x == 0)
            return 0;
        log_now = btz_tail_log(gamma_tail(a, x), lower);
        slope = exp(log_density_log(a, x) - log_now);
        delta = (log_tail - log_now) / (lower ? slope : -slope);
        if (delta > 1)
            delta = 1;
        s += delta;
        if (fabs(delta) <= DBL_EPSILON || (fabs(delta) < 1e-10 && fabs(delta) >= before))
            break;
        before = fabs(delta);
    }
    return exp(s);
}

double btz_gamma_quantile_log_q(double a, double log_q)
{
    if (!(a > 0 && log_q <= 0) || isinf(a))
        return NAN;
    if (log_q == 0)
        return 0;
    if (isinf(log_q))
        return INFINITY;
    return log_q < -M_LN2 ? quantile(a, log_q, false) : quantile(a, btz_log_1m_exp(log_q), true);
}

double btz_gamma_quantile_q(double a, double q)
{
    if (!(q >= 0 && q <= 1))
        return NAN;
    return q < 0.5 ? btz_gamma_quantile_log_q(a, log(q)) : btz_gamma_quantile(a, 1 - q);
}

double btz_gamma_quantile(double a, double p)
{
    if (!(a > 0 && p >= 0 && p <= 1) || isinf(a))
        return NAN;
    if (p == 0 || p == 1)
        return p == 0 ? 0 : INFINITY;
    return p <= 0.5 ? quantile(a, log(p), true) : quantile(a, log1p(-p), false);
}
