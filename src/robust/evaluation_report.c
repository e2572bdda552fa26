#include <math.h>

#include "robust/evaluation_report.h"
#include "robust/practice.h"

json_t *btz_rate_json(const struct btz_rate *r)
{
    return json_pack("{s:I, s:I, s:f, s:[f, f]}", "correct", (json_int_t)r->k, "samples",
                     (json_int_t)r->n, "accuracy", r->value, "interval", r->interval.low,
                     r->interval.high);
}

json_t *btz_rate_text(const struct btz_rate *r)
{
    char text[80];

    snprintf(text, sizeof text, "%.2f %% [%.2f, %.2f]", 100 * r->value, 100 * r->interval.low,
             100 * r->interval.high);
    return json_string(text);
}

static void row(json_t *rows, json_t *what, const struct btz_rate *r)
{
    json_array_append_new(rows, json_pack("[o, I, o]", what, (json_int_t)r->n, btz_rate_text(r)));
}

static enum btz_err accuracies(const struct btz_evaluation *e, const struct btz_corruption_table *t,
                               struct btz_results *results)
{
    json_t *rows = json_array();

    row(rows, json_string("as they are"), &e->clean);
    if (t)
        row(rows, json_string("as they are and under all corruptions"), &t->worst);
    return btz_results_figure(results, json_pack("{s:s, s:s, s:[s, s, s], s:o, s:s}", "kind",
                                                 "table", "title", "Accuracy", "columns", "samples",
                                                 "how many", "accuracy", "rows", rows, "note",
                                                 "Intervals are exact (Clopper-Pearson), 95 %."));
}

static enum btz_err classes(const struct btz_evaluation *e, struct btz_results *results)
{
    json_t *rows = json_array();

    for (size_t k = 0; k < e->classes && e->classes <= 100; k++)
        if (e->clean_by_class[k].n)
            row(rows, json_integer((json_int_t)k), &e->clean_by_class[k]);
    return btz_results_figure(results, json_pack("{s:s, s:s, s:[s, s, s], s:o}", "kind", "table",
                                                 "title", "Accuracy by class", "columns", "class",
                                                 "how many", "accuracy", "rows", rows));
}

static json_t *percent(double share)
{
    char text[24];

    snprintf(text, sizeof text, "%.2f", 100 * share);
    return json_string(text);
}

static json_t *table_row(const char *name, const double *shares, double mean)
{
    json_t *row = json_pack("[s]", name);

    for (int s = 0; s < BTZ_SEVERITIES; s++)
        json_array_append_new(row, percent(shares[s]));
    json_array_append_new(row, percent(mean));
    return row;
}

static enum btz_err corruptions(const struct btz_corruption_table *t, struct btz_results *results)
{
    json_t *rows = json_array(), *points = json_array();

    for (int k = 0; k < BTZ_CORRUPT_COUNT; k++) {
        double shares[BTZ_SEVERITIES];

        for (int s = 0; s < BTZ_SEVERITIES; s++)
            shares[s] = t->cell[k][s].value;
        json_array_append_new(
            rows, table_row(btz_corruption_name((enum btz_corruption)k), shares, t->kind_mean[k]));
    }
    json_array_append_new(rows, table_row("mean", t->severity_mean, t->mean));
    json_array_append_new(points, json_pack("[i, f]", 0, t->clean.value));
    for (int s = 0; s < BTZ_SEVERITIES; s++)
        json_array_append_new(points, json_pack("[i, f]", s + 1, t->severity_mean[s]));
    BTZ_TRY(btz_results_figure(
        results, json_pack("{s:s, s:s, s:[s, s, s, s, s, s, s], s:o, s:s}", "kind", "table",
                           "title", "Accuracy under corruptions, %", "columns", "corruption",
                           "severity 1", "2", "3", "4", "5", "mean", "rows", rows, "note",
                           "Fifteen kinds in five severities, after Hendrycks and Dietterich 2019 "
                           "(arXiv 1903.12261); mCE needs a reference model and is not given.")));
    return btz_results_figure(
        results, json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:[{s:s, s:o}], s:s}", "kind", "curve",
                           "title", "Accuracy by severity", "x", "severity", "y", "accuracy",
                           "whole", 1, "percent", 1, "series", "name", "mean of fifteen kinds",
                           "points", points, "note", "Severity 0: as they are."));
}

/* As the attack `corruption` says it, which takes the worst of them for each sample. */
static enum btz_err finding(const char *path, const struct btz_corruption_table *t,
                            struct btz_sink *sink)
{
    struct btz_finding f;
    char reason[300] = "no sample is classified correctly";

    BTZ_TRY(
        btz_evasion_rate("redteam.evasion.corruption", t->clean.k - t->worst.k, t->clean.k, &f));
    f.asset = btz_model_asset(path);
    f.location = "fifteen corruptions in five severities";
    if (f.n)
        snprintf(reason, sizeof reason,
                 "%" PRIu64 " of %" PRIu64
                 " samples that are classified correctly are not under at least one corruption; "
                 "clean accuracy %.2f %%, mean over corruptions %.2f %%",
                 f.k, f.n, 100 * t->clean.value, 100 * t->mean);
    f.reason = reason;
    return btz_evasion_tell(&f, t->n, sink);
}

enum btz_err btz_evaluation_tell(const char *path, const struct btz_evaluation *e,
                                 const struct btz_corruption_table *table,
                                 struct btz_results *results)
{
    if (table)
        BTZ_TRY(finding(path, table, btz_results_sink(results)));
    BTZ_TRY(accuracies(e, table, results));
    if (table)
        BTZ_TRY(corruptions(table, results));
    return classes(e, results);
}
