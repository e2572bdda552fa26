/* Intervals and the test for one rate. */
#include <math.h>

#include "base/stats_tails.h"

enum btz_err btz_stats_check_level(double confidence, enum btz_side side)
{
    if (!(confidence > 0 && confidence < 1))
        return btz_fail(BTZ_USAGE, "confidence %g: must be between 0 and 1, such as 0.95",
                        confidence);
    if ((unsigned)side > BTZ_SIDE_UPPER)
        return btz_fail(BTZ_USAGE, "side %u: must be two, lower or upper", (unsigned)side);
    return BTZ_OK;
}

enum btz_err btz_stats_check_counts(uint64_t k, uint64_t n)
{
    if (k > n)
        return btz_fail(BTZ_INPUT, "%" PRIu64 " successes of %" PRIu64 " trials cannot be", k, n);
    if (n > BTZ_COUNT_MAX)
        return btz_fail(BTZ_LIMIT, "%" PRIu64 " trials: at most 2^53", n);
    return BTZ_OK;
}

double btz_stats_alpha(double confidence, enum btz_side side)
{
    return (1 - confidence) / (side == BTZ_SIDE_TWO ? 2 : 1);
}

static struct btz_interval exact(double k, double n, double alpha, enum btz_side side)
{
    struct btz_interval out = { 0, 1 };

    if (k > 0 && side != BTZ_SIDE_UPPER)
        out.low = btz_beta_quantile(k, n - k + 1, alpha);
    if (k < n && side != BTZ_SIDE_LOWER)
        out.high = btz_beta_quantile_q(k + 1, n - k, alpha);
    return out;
}

enum btz_err btz_exact_interval_fractional(double k, double n, double confidence,
                                           enum btz_side side, struct btz_interval *out)
{
    BTZ_TRY(btz_stats_check_level(confidence, side));
    if (!(k >= 0 && k <= n))
        return btz_fail(BTZ_INPUT, "%g successes of %g trials cannot be", k, n);
    if (n > (double)BTZ_COUNT_MAX)
        return btz_fail(BTZ_LIMIT, "%g trials: at most 2^53", n);
    *out = exact(k, n, btz_stats_alpha(confidence, side), side);
    return BTZ_OK;
}

enum btz_err btz_exact_interval(uint64_t k, uint64_t n, double confidence, enum btz_side side,
                                struct btz_interval *out)
{
    BTZ_TRY(btz_stats_check_level(confidence, side));
    BTZ_TRY(btz_stats_check_counts(k, n));
    *out = exact((double)k, (double)n, btz_stats_alpha(confidence, side), side);
    return BTZ_OK;
}

/* Beyond the bound with half the probability of k: the mean of two exact tails, each a beta tail whose shapes
 * are a pair below; a shape of 0 stands for the tail that is 0 or 1 whatever the rate. */
struct midp {
    double a[2], b[2];
    bool lower; /* the lower bound: the tails rise with the rate */
};

static double midp_tail(const struct midp *m, double p)
{
    double sum = 0;

    for (int i = 0; i < 2; i++) {
        if (m->a[i] == 0 || m->b[i] == 0)
            sum += (m->a[i] == 0) == m->lower ? 1 : 0;
        else
            sum += m->lower ? btz_beta_p(m->a[i], m->b[i], p) : btz_beta_q(m->a[i], m->b[i], p);
    }
    return sum / 2;
}

/* Slope of the tail over logit p, without its sign. */
static double midp_slope(const struct midp *m, double p)
{
    double sum = 0;

    for (int i = 0; i < 2; i++)
        if (m->a[i] > 0 && m->b[i] > 0)
            sum += exp(btz_beta_log_density_logit(m->a[i], m->b[i], p, 1 - p));
    return sum / 2;
}

/* Rate where the mid-p tail is alpha. It lies between the exact bounds of the two tails: Newton on the logarithm
 * over logit p, halving the bracket where a step would leave it. */
static double midp_bound(const struct midp *m, double alpha)
{
    double end[2], low, high, p;

    for (int i = 0; i < 2; i++)
        end[i] = m->a[i] == 0   ? 0
                 : m->b[i] == 0 ? 1
                 : m->lower     ? btz_beta_quantile(m->a[i], m->b[i], alpha)
                                : btz_beta_quantile_q(m->a[i], m->b[i], alpha);
    low = end[0];
    high = end[1];
    p = (low + high) / 2;
    for (int i = 0; i < 200; i++) {
        double tail = midp_tail(m, p), step, odds;

        if ((tail <= alpha) == m->lower)
            low = p;
        else
            high = p;
        step = log(alpha / tail) * tail / midp_slope(m, p);
        odds = p / (1 - p) * exp(m->lower ? step : -step);
        if (fabs(odds / (1 + odds) - p) <= 2 * DBL_EPSILON * p)
            break;
        p = odds / (1 + odds);
        if (!(p > low && p < high))
            p = (low + high) / 2;
        if (p <= low || p >= high)
            break;
    }
    return p;
}

enum btz_err btz_midp_interval(uint64_t k, uint64_t n, double confidence, enum btz_side side,
                               struct btz_interval *out)
{
    struct btz_interval found = { 0, 1 };
    struct midp both;
    double alpha;

    BTZ_TRY(btz_stats_check_level(confidence, side));
    BTZ_TRY(btz_stats_check_counts(k, n));
    alpha = btz_stats_alpha(confidence, side);
    both = (struct midp){ .a = { (double)k, (double)k + 1 },
                          .b = { (double)(n - k) + 1, (double)(n - k) } };
    if (k > 0 && side != BTZ_SIDE_UPPER) {
        both.lower = true;
        found.low = midp_bound(&both, alpha);
    }
    if (k < n && side != BTZ_SIDE_LOWER) {
        both.lower = false;
        found.high = midp_bound(&both, alpha);
    }
    *out = found;
    return BTZ_OK;
}

enum btz_err btz_wilson_interval(uint64_t k, uint64_t n, double confidence, enum btz_side side,
                                 struct btz_interval *out)
{
    struct btz_interval found = { 0, 1 };
    double z, all = (double)n, p, centre, half, scale;

    BTZ_TRY(btz_stats_check_level(confidence, side));
    BTZ_TRY(btz_stats_check_counts(k, n));
    if (n > 0) {
        z = btz_normal_quantile_sf(btz_stats_alpha(confidence, side));
        p = (double)k / all;
        scale = 1 + z * z / all;
        centre = (p + z * z / (2 * all)) / scale;
        half = z * sqrt(p * (1 - p) / all + z * z / (4 * all * all)) / scale;
        if (k > 0 && side != BTZ_SIDE_UPPER)
            found.low = fmin(fmax(centre - half, 0), 1);
        if (k < n && side != BTZ_SIDE_LOWER)
            found.high = fmin(fmax(centre + half, 0), 1);
    }
    *out = found;
    return BTZ_OK;
}

#define TIE_SLACK 1e-7

/* Outcomes beyond the mean, seen from k, that are no more probable than k; the probabilities fall away from the
 * mode, so the first of them is found by bisection. */
static double opposite_tail(uint64_t k, uint64_t n, double p)
{
    double limit = btz_binomial_log_pmf(k, n, p) + log1p(TIE_SLACK);
    double mode_at = floor(((double)n + 1) * p);
    uint64_t mode = mode_at > (double)n ? n : (uint64_t)mode_at, near, far;

    if ((double)k < (double)n * p) { /* far: the smallest outcome above that counts */
        near = k < mode ? mode - 1 : k;
        far = n + 1;
        while (far - near > 1) {
            uint64_t j = near + (far - near) / 2;

            if (btz_binomial_log_pmf(j, n, p) <= limit)
                far = j;
            else
                near = j;
        }
        return far > n ? 0 : btz_binomial_at_least(far, n, p);
    }
    far = 0; /* how many of the outcomes 0, 1, ... below count */
    near = k > mode ? mode + 2 : k + 1;
    while (near - far > 1) {
        uint64_t j = far + (near - far) / 2;

        if (btz_binomial_log_pmf(j - 1, n, p) <= limit)
            far = j;
        else
            near = j;
    }
    return far == 0 ? 0 : btz_binomial_at_most(far - 1, n, p);
}

enum btz_err btz_binomial_test(uint64_t k, uint64_t n, double p, enum btz_side side,
                               double *p_value)
{
    double own, mean = (double)n * p;

    BTZ_TRY(btz_stats_check_level(0.5, side));
    BTZ_TRY(btz_stats_check_counts(k, n));
    if (!(p >= 0 && p <= 1))
        return btz_fail(BTZ_USAGE, "rate %g: must be between 0 and 1", p);
    if (side == BTZ_SIDE_LOWER || side == BTZ_SIDE_UPPER) {
        *p_value =
            side == BTZ_SIDE_LOWER ? btz_binomial_at_most(k, n, p) : btz_binomial_at_least(k, n, p);
        return BTZ_OK;
    }
    if (p == 0 || p == 1) {
        *p_value = k == (p == 0 ? 0 : n) ? 1 : 0;
        return BTZ_OK;
    }
    if ((double)k == mean) {
        *p_value = 1;
        return BTZ_OK;
    }
    own = (double)k < mean ? btz_binomial_at_most(k, n, p) : btz_binomial_at_least(k, n, p);
    *p_value = fmin(1, own + opposite_tail(k, n, p));
    return BTZ_OK;
}
