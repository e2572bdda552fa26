/* Comparing runs and judging many probes at once. */
#include <math.h>
#include <stdlib.h>

#include "base/stats_tails.h"

enum btz_err btz_mcnemar(uint64_t b, uint64_t c, double *p_value)
{
    if (b > BTZ_COUNT_MAX || c > BTZ_COUNT_MAX - b)
        return btz_fail(BTZ_LIMIT, "%" PRIu64 " + %" PRIu64 " changed pairs: at most 2^53", b, c);
    *p_value = fmin(1, 2 * btz_binomial_at_most(b < c ? b : c, b + c, 0.5));
    return BTZ_OK;
}

/* ---- Fisher ---- */

#define TIE_SLACK 1e-7

/* Tables with the margins fixed: k of the `drawn` successes fall among n1 of n1 + n2 trials. */
struct margins {
    double n1, n2, drawn, low, high; /* low <= k <= high */
};

static double log_pmf(const struct margins *m, double k)
{
    uint64_t n1 = (uint64_t)m->n1, n2 = (uint64_t)m->n2, drawn = (uint64_t)m->drawn;
    double p = m->drawn / (m->n1 + m->n2);

    /* Loader 2000: a product of three binomials at the common rate, none of which overflows. */
    return btz_binomial_log_pmf((uint64_t)k, n1, p) +
           btz_binomial_log_pmf(drawn - (uint64_t)k, n2, p) -
           btz_binomial_log_pmf(drawn, n1 + n2, p);
}

/* pmf(k + 1) / pmf(k) */
static double ratio(const struct margins *m, double k)
{
    return (m->n1 - k) / (k + 1) * ((m->drawn - k) / (m->n2 - m->drawn + k + 1));
}

/* Sum of the outcomes from k away from the mode (`step` +1 or -1), k included: pmf(k) (1 + r + r r' + ...). */
static double tail_from(const struct margins *m, double k, int step)
{
    double term = 1, sum = 1, at = k;

    while (step > 0 ? at < m->high : at > m->low) {
        term *= step > 0 ? ratio(m, at) : 1 / ratio(m, at - 1);
        at += step;
        sum += term;
        if (term < sum * DBL_EPSILON / 64)
            break;
    }
    return exp(log_pmf(m, k)) * sum;
}

static double mode_of(const struct margins *m)
{
    double at = floor((m->n1 + 1) * ((m->drawn + 1) / (m->n1 + m->n2 + 2)));

    return fmin(fmax(at, m->low), m->high);
}

/* P(X >= k) or P(X <= k): directly when k lies beyond the mode, else through the complement. */
static double one_sided(const struct margins *m, double k, bool at_least)
{
    double mode = mode_of(m);

    if (at_least)
        return k > mode ? tail_from(m, k, 1) : k <= m->low ? 1 : 1 - tail_from(m, k - 1, -1);
    return k < mode ? tail_from(m, k, -1) : k >= m->high ? 1 : 1 - tail_from(m, k + 1, 1);
}

static double two_sided(const struct margins *m, double k)
{
    double mode = mode_of(m), limit = log_pmf(m, k) + log1p(TIE_SLACK), near, far;
    bool below = k < mode;
    double own;

    if (limit >= log_pmf(m, mode))
        return 1;
    own = one_sided(m, k, !below);
    near = mode;
    far = below ? m->high + 1 : m->low - 1;
    while (fabs(far - near) > 1) {
        double j = floor((near + far) / 2);

        if (log_pmf(m, j) <= limit)
            far = j;
        else
            near = j;
    }
    if (far > m->high || far < m->low)
        return fmin(1, own);
    return fmin(1, own + one_sided(m, far, below));
}

enum btz_err btz_fisher_test(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, enum btz_side side,
                             double *p_value)
{
    struct margins m;

    BTZ_TRY(btz_stats_check_level(0.5, side));
    BTZ_TRY(btz_stats_check_counts(k1, n1));
    BTZ_TRY(btz_stats_check_counts(k2, n2));
    if (n1 > BTZ_COUNT_MAX - n2)
        return btz_fail(BTZ_LIMIT, "%" PRIu64 " + %" PRIu64 " trials: at most 2^53", n1, n2);
    m = (struct margins){ .n1 = (double)n1, .n2 = (double)n2, .drawn = (double)(k1 + k2) };
    m.low = fmax(0, m.drawn - m.n2);
    m.high = fmin(m.n1, m.drawn);
    if (m.low == m.high)
        *p_value = 1;
    else if (side == BTZ_SIDE_TWO)
        *p_value = two_sided(&m, (double)k1);
    else
        *p_value = one_sided(&m, (double)k1, side == BTZ_SIDE_UPPER);
    return BTZ_OK;
}

/* ---- Benjamini-Hochberg ---- */

struct ranked {
    double p;
    size_t at;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return (x->p > y->p) - (x->p < y->p);
}

enum btz_err btz_benjamini_hochberg(const double *p, size_t count, double q, bool *reject,
                                    double *adjusted, size_t *rejected)
{
    BTZ_FREE struct ranked *order = NULL;
    double least = 1;
    size_t passed = 0;

    if (!(q > 0 && q < 1))
        return btz_fail(BTZ_USAGE, "false discovery rate %g: must be between 0 and 1", q);
    for (size_t i = 0; i < count; i++)
        if (!(p[i] >= 0 && p[i] <= 1))
            return btz_fail(BTZ_INPUT, "p-value %zu is %g: must be between 0 and 1", i, p[i]);
    if (count > 0 && !(order = reallocarray(NULL, count, sizeof *order)))
        return btz_fail(BTZ_LIMIT, "out of memory for %zu p-values", count);
    for (size_t i = 0; i < count; i++)
        order[i] = (struct ranked){ p[i], i };
    if (count > 0)
        qsort(order, count, sizeof *order, by_p);
    for (size_t rank = 1; rank <= count; rank++)
        if (order[rank - 1].p <= (double)rank * q / (double)count)
            passed = rank;
    for (size_t rank = count; rank > 0; rank--) {
        size_t at = order[rank - 1].at;

        least = fmin(least, order[rank - 1].p * (double)count / (double)rank);
        if (adjusted)
            adjusted[at] = least;
        if (reject)
            reject[at] = rank <= passed;
    }
    if (rejected)
        *rejected = passed;
    return BTZ_OK;
}
