/* Percentile and BCa bootstrap over independent units. */
#include <math.h>
#include <stdlib.h>

#include "base/stats_tails.h"

static enum btz_err check(size_t units, const struct btz_bootstrap_options *o)
{
    BTZ_TRY(btz_stats_check_level(o->confidence, BTZ_SIDE_TWO));
    if (o->resamples < 100 || o->resamples > 10000000)
        return btz_fail(BTZ_USAGE, "%u resamples: must be 100 to 10,000,000", o->resamples);
    if ((unsigned)o->kind > BTZ_BOOTSTRAP_BCA)
        return btz_fail(BTZ_USAGE, "bootstrap kind %u: must be percentile or BCa",
                        (unsigned)o->kind);
    if (units < 2)
        return btz_fail(BTZ_INPUT, "bootstrap of %zu units: at least 2", units);
    if (units > UINT32_MAX)
        return btz_fail(BTZ_LIMIT, "bootstrap of %zu units: at most 2^32 - 1", units);
    return BTZ_OK;
}

static enum btz_err evaluate(btz_statistic statistic, const void *data, const size_t *units,
                             size_t count, double *out)
{
    double value = statistic(data, units, count);

    if (!isfinite(value))
        return btz_fail(BTZ_INPUT, "the statistic of a sample of %zu units is not finite", count);
    *out = value;
    return BTZ_OK;
}

static int by_value(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Rank (R+1) p of the sorted values, interpolated, held at both ends. */
static double quantile(const double *sorted, size_t count, double p)
{
    double at = (double)(count + 1) * p, whole;

    if (at <= 1)
        return sorted[0];
    if (at >= (double)count)
        return sorted[count - 1];
    whole = floor(at);
    return sorted[(size_t)whole - 1] +
           (at - whole) * (sorted[(size_t)whole] - sorted[(size_t)whole - 1]);
}

/* Skewness of the leave-one-out values over 6. `units` is overwritten. */
static enum btz_err acceleration(btz_statistic statistic, const void *data, size_t *units,
                                 size_t count, double *values, double *out)
{
    double mean = 0, squares = 0, cubes = 0;

    for (size_t i = 0; i + 1 < count; i++)
        units[i] = i + 1;
    for (size_t left = 0; left < count; left++) {
        BTZ_TRY(evaluate(statistic, data, units, count - 1, &values[left]));
        units[left] = left; /* the next one leaves left + 1 out */
        mean += (values[left] - mean) / (double)(left + 1);
    }
    for (size_t i = 0; i < count; i++) {
        double off = mean - values[i];

        squares += off * off;
        cubes += off * off * off;
    }
    *out = squares > 0 ? cubes / (6 * squares * sqrt(squares)) : 0;
    return BTZ_OK;
}

/* The share of resamples to cut off at normal score z, corrected for bias z0 and acceleration a. */
static double corrected_share(double z, double z0, double a)
{
    double stretch = 1 - a * (z0 + z);

    if (stretch <= 0)
        return z0 + z > 0 ? 1 : 0;
    return btz_normal_cdf(z0 + (z0 + z) / stretch);
}

/* Resamples that equal the sample count half; rounding must not tip them, so equal means nearly so. */
static double bias(const double *sorted, size_t count, double value)
{
    double slack = 1e-12 * (sorted[count - 1] - sorted[0]), below = 0;

    for (size_t i = 0; i < count; i++)
        below += sorted[i] < value - slack ? 1 : sorted[i] <= value + slack ? 0.5 : 0;
    below = fmin(fmax(below, 0.5), (double)count - 0.5);
    return btz_normal_quantile(below / (double)count);
}

static enum btz_err resample(btz_statistic statistic, const void *data, size_t *units, size_t count,
                             const struct btz_bootstrap_options *o, double *values, double *error)
{
    struct btz_rng rng;
    double mean = 0, squares = 0;

    btz_rng_init(&rng, o->seed, o->stream);
    for (unsigned r = 0; r < o->resamples; r++) {
        double off;

        for (size_t i = 0; i < count; i++)
            units[i] = btz_rng_below(&rng, (uint32_t)count);
        BTZ_TRY(evaluate(statistic, data, units, count, &values[r]));
        off = values[r] - mean;
        mean += off / (r + 1.0);
        squares += off * (values[r] - mean);
    }
    *error = sqrt(squares / (o->resamples - 1.0));
    return BTZ_OK;
}

enum btz_err btz_bootstrap(btz_statistic statistic, const void *data, size_t units,
                           const struct btz_bootstrap_options *o, struct btz_bootstrapped *out)
{
    BTZ_FREE size_t *index = NULL;
    BTZ_FREE double *values = NULL, *left_out = NULL;
    struct btz_bootstrapped found = { .interval = { 0, 0 } };
    double low, high, z, z0, a;

    BTZ_TRY(check(units, o));
    index = reallocarray(NULL, units, sizeof *index);
    left_out = reallocarray(NULL, units, sizeof *left_out);
    values = reallocarray(NULL, o->resamples, sizeof *values);
    if (!index || !values || !left_out)
        return btz_fail(BTZ_LIMIT, "out of memory for %u resamples of %zu units", o->resamples,
                        units);
    for (size_t i = 0; i < units; i++)
        index[i] = i;
    BTZ_TRY(evaluate(statistic, data, index, units, &found.value));
    BTZ_TRY(resample(statistic, data, index, units, o, values, &found.error));
    qsort(values, o->resamples, sizeof *values, by_value);
    low = (1 - o->confidence) / 2;
    high = 1 - low;
    if (o->kind == BTZ_BOOTSTRAP_BCA) {
        z = btz_normal_quantile_sf(low);
        z0 = bias(values, o->resamples, found.value);
        BTZ_TRY(acceleration(statistic, data, index, units, left_out, &a));
        low = corrected_share(-z, z0, a);
        high = corrected_share(z, z0, a);
    }
    found.degenerate = values[0] == values[o->resamples - 1];
    found.interval.low = quantile(values, o->resamples, low);
    found.interval.high = quantile(values, o->resamples, high);
    *out = found;
    return BTZ_OK;
}

static double mean_of(const void *data, const size_t *units, size_t count)
{
    const double *values = data;
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[units[i]];
    return sum / (double)count;
}

static double rate_of(const void *data, const size_t *units, size_t count)
{
    const struct btz_cluster *clusters = data;
    double k = 0, n = 0;

    for (size_t i = 0; i < count; i++) {
        k += (double)clusters[units[i]].k;
        n += (double)clusters[units[i]].n;
    }
    return k / n;
}

enum btz_err btz_bootstrap_mean(const double *values, size_t count,
                                const struct btz_bootstrap_options *options,
                                struct btz_bootstrapped *out)
{
    return btz_bootstrap(mean_of, values, count, options, out);
}

enum btz_err btz_bootstrap_rate(const struct btz_cluster *clusters, size_t count,
                                const struct btz_bootstrap_options *options,
                                struct btz_bootstrapped *out)
{
    for (size_t i = 0; i < count; i++) {
        if (clusters[i].n == 0)
            return btz_fail(BTZ_INPUT, "cluster %zu has no trials: leave it out", i);
        BTZ_TRY(btz_stats_check_counts(clusters[i].k, clusters[i].n));
    }
    return btz_bootstrap(rate_of, clusters, count, options, out);
}
