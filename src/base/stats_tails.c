/* What the tails have in common, and the normal distribution. */
#include <math.h>

#include "base/stats_tails.h"

double btz_log_gamma(double x)
{
    int sign;

    return x > 0 ? lgamma_r(x, &sign) : NAN;
}

double btz_log_1m_exp(double x)
{
    /* Maechler, "Accurately computing log(1 - exp(-|a|))", 2012: each form where it does not cancel. */
    return x > -M_LN2 ? log(-expm1(x)) : log1p(-exp(x));
}

double btz_tail_value(struct btz_tail t, bool lower)
{
    return t.is_lower == lower ? t.value : 1 - t.value;
}

double btz_tail_log(struct btz_tail t, bool lower)
{
    if (t.is_lower == lower)
        return t.log;
    /* Where the value has underflowed its complement is 1, and log1p(-0) says so. */
    return t.value < 0.5 ? log1p(-t.value) : btz_log_1m_exp(t.log);
}

double btz_log1p_minus(double t)
{
    double r, y, power = 1, sum = 1.0 / 3;

    if (t < -0.6 || t > 0.6)
        return log1p(t) - t;
    /* log(1+t) = 2 atanh(r), r = t/(2+t), and t - 2r = t r: the leading terms cancel on paper. */
    r = t / (2 + t);
    y = r * r;
    for (int k = 5; k < 80; k += 2) {
        double term;

        power *= y;
        term = power / k;
        sum += term;
        if (term < sum * DBL_EPSILON / 4)
            break;
    }
    return r * (2 * y * sum - t);
}

double btz_stirling_error(double a)
{
    /* B_2k / (2k (2k-1)): DLMF 5.11.1. */
    static const double c[] = { 1.0 / 12,    -1.0 / 360,       1.0 / 1260,
                                -1.0 / 1680, 1.0 / 1188,       -691.0 / 360360,
                                1.0 / 156,   -3617.0 / 122400, 43867.0 / 244188 };
    double sum = 0, y;

    if (a < 16)
        return btz_log_gamma(a + 1) - (a + 0.5) * log(a) + a - BTZ_LOG_SQRT_2PI;
    y = 1 / (a * a);
    for (size_t i = BTZ_COUNT(c); i-- > 0;)
        sum = sum * y + c[i];
    return sum / a;
}

double btz_deviance(double a, double m, double d)
{
    double t = d / a;

    if (t < -0.6)
        return m - a - a * log(m / a);
    return -a * btz_log1p_minus(t);
}

double btz_tail_integrate(const struct btz_tail_integral *in)
{
    /* Double-exponential rule u = w exp(t - exp(-t)), Takahasi and Mori 1974: w is where the integrand has
     * fallen to about 1/e, so one set of nodes serves all parameters. */
    const double step = 1.0 / 24, q = (in->A * in->s * in->s + in->B * in->y * in->y) / 2;
    const double slope = fabs(in->c), w = 2 / (slope + sqrt(slope * slope + 4 * q));
    double sum = 0;

    for (int i = -96; i <= 108; i++) {
        double t = i * step, inner = exp(-t), v = exp(t - inner), u = w * v, h;

        if (u >= in->limit)
            break;
        h = in->A * btz_log1p_minus(in->s * u) + in->c * u;
        if (in->B != 0)
            h += in->B * btz_log1p_minus(in->y * u);
        if (h < -60)
            break;
        sum += exp(h) * v * (1 + inner);
    }
    return sum * step * w;
}

/* ---- normal ---- */

#define FAR 20.0 /* from here the asymptotic series of Mills' ratio is exact to the last place */

/* log P(Z >= z), z >= FAR: A&S 26.2.12. */
static double log_sf_far(double z)
{
    double y = 1 / (z * z), term = 1, sum = 0;

    for (int k = 1; k < 40 && fabs(term) > DBL_EPSILON / 16; k += 2) {
        term *= -k * y;
        sum += term;
    }
    return -z * z / 2 - log(z) - BTZ_LOG_SQRT_2PI + log1p(sum);
}

double btz_normal_sf(double z)
{
    return 0.5 * erfc(z * M_SQRT1_2);
}

double btz_normal_cdf(double z)
{
    return btz_normal_sf(-z);
}

double btz_normal_log_sf(double z)
{
    if (z > FAR)
        return isinf(z) ? -INFINITY : log_sf_far(z);
    return z < 0 ? log1p(-btz_normal_sf(-z)) : log(btz_normal_sf(z));
}

double btz_normal_log_cdf(double z)
{
    return btz_normal_log_sf(-z);
}

/* z >= 0 where log P(Z >= z) = log_q <= log 1/2. The logarithm is concave in z and sf(z) <= exp(-z^2/2)/2,
 * so Newton from the right of the root falls on it without overshooting. */
static double sf_quantile_upper(double log_q)
{
    double z = sqrt(fmax(0, -2 * (log_q + M_LN2)));

    for (int i = 0; i < 100; i++) {
        double log_sf = btz_normal_log_sf(z);
        double hazard = exp(-z * z / 2 - BTZ_LOG_SQRT_2PI - log_sf);
        double delta = (log_sf - log_q) / hazard;

        z += delta;
        if (fabs(delta) <= 2 * DBL_EPSILON * fabs(z))
            break;
    }
    return z;
}

/* z where P(0 <= Z <= z) = d, |d| <= 1/4: keeps the relative accuracy of d near the centre. */
static double central_quantile(double d)
{
    double z = d * sqrt(2 * M_PI);

    for (int i = 0; i < 20; i++) {
        double delta = (d - 0.5 * erf(z * M_SQRT1_2)) * sqrt(2 * M_PI) * exp(z * z / 2);

        z += delta;
        if (fabs(delta) <= 2 * DBL_EPSILON * fabs(z))
            break;
    }
    return z;
}

double btz_normal_quantile_log_sf(double log_q)
{
    if (!(log_q <= 0))
        return NAN;
    if (log_q == 0)
        return -INFINITY;
    if (isinf(log_q))
        return INFINITY;
    if (log_q <= log(0.25))
        return sf_quantile_upper(log_q);
    if (log_q < log(0.75))
        return central_quantile(-expm1(log_q + M_LN2) / 2);
    return -sf_quantile_upper(btz_log_1m_exp(log_q));
}

double btz_normal_quantile_sf(double q)
{
    if (!(q >= 0 && q <= 1))
        return NAN;
    if (q == 0 || q == 1)
        return q == 0 ? INFINITY : -INFINITY;
    if (fabs(q - 0.5) <= 0.25)
        return central_quantile(0.5 - q);
    return q < 0.5 ? sf_quantile_upper(log(q)) : -sf_quantile_upper(log1p(-q));
}

double btz_normal_quantile(double p)
{
    return -btz_normal_quantile_sf(p);
}
