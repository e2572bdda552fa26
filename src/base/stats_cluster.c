/* Rates whose trials come in clusters, and rates seen through an imperfect judge. */
#include <math.h>

#include "base/stats_tails.h"

struct sums {
    uint64_t k, n;
    size_t clusters;
    double squares, cubes; /* sums of n_i^2 and n_i^3 */
};

static enum btz_err add_up(const struct btz_cluster *clusters, size_t count, struct sums *out)
{
    struct sums s = { 0 };

    for (size_t i = 0; i < count; i++) {
        const struct btz_cluster *c = &clusters[i];

        if (c->k > c->n)
            return btz_fail(BTZ_INPUT,
                            "cluster %zu: %" PRIu64 " successes of %" PRIu64 " trials cannot be", i,
                            c->k, c->n);
        if (c->n > BTZ_COUNT_MAX - s.n)
            return btz_fail(BTZ_LIMIT, "more than 2^53 trials at cluster %zu", i);
        s.k += c->k;
        s.n += c->n;
        s.squares += (double)c->n * (double)c->n;
        s.cubes += (double)c->n * (double)c->n * (double)c->n;
        s.clusters += c->n > 0;
    }
    *out = s;
    return BTZ_OK;
}

/* Variance of sum k / sum n between clusters over its binomial value, two opposite clusters of the size that
 * matters for the variance added: see the header. */
static double design_effect(const struct btz_cluster *clusters, size_t count, const struct sums *s)
{
    double typical = s->cubes / s->squares, all = (double)s->n + 2 * typical;
    double p = ((double)s->k + typical) / all;
    double spread = typical * typical * (p * p + (1 - p) * (1 - p));

    for (size_t i = 0; i < count; i++) {
        double off = (double)clusters[i].k - p * (double)clusters[i].n;

        spread += off * off;
    }
    return fmax(1, spread / (all * p * (1 - p)));
}

enum btz_err btz_cluster_interval(const struct btz_cluster *clusters, size_t count,
                                  double confidence, enum btz_side side, struct btz_clustered *out)
{
    struct btz_clustered found = { .interval = { 0, 1 }, .rate = NAN, .design = 1 };
    struct sums s;

    BTZ_TRY(btz_stats_check_level(confidence, side));
    BTZ_TRY(add_up(clusters, count, &s));
    if (s.n > 0) {
        found.rate = (double)s.k / (double)s.n;
        found.k = s.k;
        found.n = s.n;
        found.clusters = s.clusters;
        found.design = design_effect(clusters, count, &s);
        found.n_effective = (double)s.n / found.design;
        BTZ_TRY(btz_exact_interval_fractional((double)s.k / found.design, found.n_effective,
                                              confidence, side, &found.interval));
    }
    *out = found;
    return BTZ_OK;
}

/* ---- Rogan and Gladen ---- */

static double per(double value, uint64_t n, double added)
{
    return n > 0 ? value / ((double)n + added) : 0;
}

/* Lang and Reiczigel 2014, equations of their section 2.2: z^2/2 pseudo-counts on the judgements, one on
 * each kind of labelled example, and a shift against the skewness. */
static struct btz_interval corrected_interval(double k, double n, const struct btz_judge_quality *j,
                                              double z)
{
    double all = n + z * z, p = (k + z * z / 2) / all;
    double se = j->positives > 0
                    ? (j->sensitivity * (double)j->positives + 1) / ((double)j->positives + 2)
                    : j->sensitivity;
    double sp = j->negatives > 0
                    ? (j->specificity * (double)j->negatives + 1) / ((double)j->negatives + 2)
                    : j->specificity;
    double power = se + sp - 1, rate = (p + sp - 1) / power;
    double se_part = per(se * (1 - se), j->positives, 2),
           sp_part = per(sp * (1 - sp), j->negatives, 2);
    double shift = 2 * z * z * (rate * se_part - (1 - rate) * sp_part);
    double half =
        z / power *
        sqrt(p * (1 - p) / all + rate * rate * se_part + (1 - rate) * (1 - rate) * sp_part);

    if (power <= 0)
        return (struct btz_interval){ 0, 1 };
    return (struct btz_interval){ fmin(fmax(rate + shift - half, 0), 1),
                                  fmin(fmax(rate + shift + half, 0), 1) };
}

enum btz_err btz_rogan_gladen(uint64_t k, uint64_t n, const struct btz_judge_quality *judge,
                              double confidence, struct btz_corrected *out)
{
    double se = judge->sensitivity, sp = judge->specificity, power = se + sp - 1;
    double p, pi;

    BTZ_TRY(btz_stats_check_level(confidence, BTZ_SIDE_TWO));
    BTZ_TRY(btz_stats_check_counts(k, n));
    if (n == 0)
        return btz_fail(BTZ_INPUT, "no judgements to correct");
    if (!(se >= 0 && se <= 1 && sp >= 0 && sp <= 1))
        return btz_fail(BTZ_INPUT, "sensitivity %g and specificity %g: must be in [0,1]", se, sp);
    if (power <= 0.01)
        return btz_fail(BTZ_INPUT,
                        "sensitivity %g and specificity %g: a judge this near to chance says "
                        "nothing about the true rate; use a better one",
                        se, sp);
    p = (double)k / (double)n;
    pi = (p + sp - 1) / power;
    *out = (struct btz_corrected){
        .rate = fmin(fmax(pi, 0), 1),
        .raw = pi,
        .variance = (p * (1 - p) / (double)n + pi * pi * per(se * (1 - se), judge->positives, 0) +
                     (1 - pi) * (1 - pi) * per(sp * (1 - sp), judge->negatives, 0)) /
                    (power * power),
        .clipped = pi < 0 || pi > 1,
        .interval =
            corrected_interval((double)k, (double)n, judge,
                               btz_normal_quantile_sf(btz_stats_alpha(confidence, BTZ_SIDE_TWO))),
    };
    return BTZ_OK;
}
