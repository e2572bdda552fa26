/*
 * A run of hardening in a report.
 */
#include <math.h>

#include "robust/evaluation_report.h"
#include "robust/harden/inside.h"
#include "robust/harden/report.h"
#include "robust/practice.h"

/* ---- accuracies --------------------------------------------------------------------------------------------------------- */

static enum btz_err add_accuracy(const char *model, const char *samples,
                                 const struct btz_harden_accuracy *a, json_t *rows, json_t *numbers)
{
    struct btz_rate clean, robust;

    BTZ_TRY(btz_rate_set(a->clean, a->n, 0.95, &clean));
    BTZ_TRY(btz_rate_set(a->robust, a->n, 0.95, &robust));
    if (json_array_append_new(rows, json_pack("[s, s, I, o, o]", model, samples, (json_int_t)a->n,
                                              btz_rate_text(&clean), btz_rate_text(&robust))) ||
        json_array_append_new(numbers, json_pack("{s:s, s:s, s:o, s:o}", "model", model, "samples",
                                                 samples, "clean", btz_rate_json(&clean), "robust",
                                                 btz_rate_json(&robust))))
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

static enum btz_err accuracies(const struct btz_harden_account *a, struct btz_results *results)
{
    const struct btz_harden_options *o = a->options;
    BTZ_JSON json_t *rows = json_array(), *numbers = json_array();
    char note[500];

    for (size_t i = 0; i < a->measured_count; i++) {
        const struct btz_harden_measured *m = &a->measured[i];

        if (!m->after.n)
            continue;
        BTZ_TRY(add_accuracy("original", m->samples, &m->before, rows, numbers));
        BTZ_TRY(add_accuracy("hardened", m->samples, &m->after, rows, numbers));
    }
    snprintf(note, sizeof note,
             "Robust: right as it is and under PGD, %s %g, %d steps of %.6g, %d random starts, "
             "values within %g and %g. Samples are spread evenly over the data. Intervals are "
             "exact (Clopper-Pearson), 95 %%. Accuracy on what was trained on is too good; and "
             "stronger attacks break more: measure with bartizan robust attack.",
             btz_norm_name(o->norm), o->eps, BTZ_HARDEN_FINAL_STEPS,
             2.5 * o->eps / BTZ_HARDEN_FINAL_STEPS, BTZ_HARDEN_FINAL_RESTARTS, (double)o->box.low,
             (double)o->box.high);
    return btz_results_figure(results,
                              json_pack("{s:s, s:s, s:[s, s, s, s, s], s:O, s:O, s:s}", "kind",
                                        "table", "title", "Before and after", "columns", "model",
                                        "samples", "how many", "clean accuracy", "robust accuracy",
                                        "rows", rows, "accuracies", numbers, "note", note));
}

/* ---- curves --------------------------------------------------------------------------------------------------------------- */

size_t btz_harden_collapse(const struct btz_harden_options *o, const struct btz_harden_result *r,
                           bool *stopped)
{
    *stopped = r->end == BTZ_HARDEN_OVERFITTED;
    if (*stopped)
        return r->epoch_count;
    for (size_t i = 1; i < r->epoch_count; i++)
        if (r->epochs[i - 1].train_robust - r->epochs[i].train_robust > o->overfit_drop)
            return i + 1;
    return 0;
}

/* One number of each epoch; where there is none, null, a gap. */
static json_t *series(const struct btz_harden_result *r, const char *name, size_t member)
{
    json_t *points = json_array();

    for (size_t i = 0; i < r->epoch_count; i++) {
        double v;

        memcpy(&v, (const char *)&r->epochs[i] + member, sizeof v);
        json_array_append_new(points, json_pack("[I, o]", (json_int_t)i + 1,
                                                isfinite(v) ? json_real(v) : json_null()));
    }
    return json_pack("{s:s, s:o}", "name", name, "points", points);
}
#define SERIES(r, name, member) series(r, name, offsetof(struct btz_harden_epoch, member))

static json_t *marks(const struct btz_harden_account *a)
{
    bool stopped;
    size_t epoch = btz_harden_collapse(a->options, a->result, &stopped);

    return epoch ? json_pack("[{s:I, s:s}]", "x", (json_int_t)epoch, "text",
                             stopped ? "overfitting: stopped" : "overfitting")
                 : json_array();
}

static json_t *curve(const struct btz_harden_account *a, const char *title, const char *y,
                     json_t *list)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o}", "kind", "curve", "title", title, "x",
                     "epoch", "y", y, "whole", 1, "series", list, "marks", marks(a));
}

static bool has_held(const struct btz_harden_result *r)
{
    for (size_t i = 0; i < r->epoch_count; i++)
        if (isfinite(r->epochs[i].valid_clean) || isfinite(r->epochs[i].valid_robust))
            return true;
    return false;
}

static enum btz_err accuracy_curve(const struct btz_harden_account *a, struct btz_results *results)
{
    const struct btz_harden_result *r = a->result;
    const char *held = a->options->valid ? "validation" : "held out";
    size_t most = a->options->measure_max;
    json_t *list = json_array(), *figure;
    char name[64], note[400];

    json_array_append_new(list, SERIES(r, "training, clean", train_clean));
    json_array_append_new(list, SERIES(r, "training, robust", train_robust));
    if (has_held(r)) {
        snprintf(name, sizeof name, "%s, clean", held);
        json_array_append_new(list, SERIES(r, name, valid_clean));
        snprintf(name, sizeof name, "%s, robust", held);
        json_array_append_new(list, SERIES(r, name, valid_robust));
    }
    snprintf(note, sizeof note,
             "After each epoch: %zu samples that are trained on and %zu that are not, as they are "
             "and under PGD of %" PRIu32 " steps from one random start.",
             r->train_count < most ? r->train_count : most,
             r->valid_count < most ? r->valid_count : most, a->options->measure_steps);
    figure = curve(a, "Accuracy by epoch", "accuracy", list);
    if (!figure || json_object_set_new(figure, "percent", json_true()) ||
        json_object_set_new(figure, "note", json_string(note))) {
        json_decref(figure);
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return btz_results_figure(results, figure);
}

static enum btz_err curves(const struct btz_harden_account *a, struct btz_results *results)
{
    const struct btz_harden_result *r = a->result;

    BTZ_TRY(accuracy_curve(a, results));
    BTZ_TRY(btz_results_figure(
        results, curve(a, "Loss by epoch", "loss", json_pack("[o]", SERIES(r, "loss", loss)))));
    return btz_results_figure(results, curve(a, "Learning rate by epoch", "learning rate",
                                             json_pack("[o]", SERIES(r, "learning rate", lr))));
}

/* ---- tables of what was done ------------------------------------------------------------------------------------------ */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static void row(json_t *rows, const char *name, json_t *value)
{
    json_array_append_new(rows, json_pack("[s, o]", name, value));
}

static json_t *text(const char *value)
{
    return value ? btz_json_text(btz_str(value)) : json_null();
}

static enum btz_err course(const struct btz_harden_account *a, struct btz_results *results)
{
    const struct btz_harden_result *r = a->result;
    json_t *rows = json_array();
    bool stopped;
    size_t epoch = btz_harden_collapse(a->options, r, &stopped);
    double epochs = 0;
    char words[160];

    for (size_t i = 0; i < r->epoch_count; i++)
        epochs += isfinite(r->epochs[i].seconds) ? r->epochs[i].seconds : 0;
    if (stopped)
        snprintf(words, sizeof words,
                 "in epoch %zu: stopped, the weights after epoch %" PRIu32 " are the result", epoch,
                 r->kept);
    else if (epoch)
        snprintf(words, sizeof words, "in epoch %zu, and trained on", epoch);
    row(rows, "end", json_string(btz_harden_end_names[r->end]));
    row(rows, "catastrophic overfitting", json_string(epoch ? words : "not seen"));
    row(rows, "weights written, after epoch", number(r->kept));
    row(rows, "epochs", number(r->epoch_count));
    row(rows, "batches", number(r->batches));
    snprintf(words, sizeof words, "at batch %" PRIu64 ", from the checkpoint of a run before",
             r->resumed);
    row(rows, "continued", json_string(r->resumed ? words : "no"));
    snprintf(words, sizeof words, "%.1f s", r->seconds);
    row(rows, r->resumed ? "time of the last part" : "time of training", json_string(words));
    snprintf(words, sizeof words, "%.1f s", epochs);
    row(rows, "time of all epochs", json_string(words));
    row(rows, "training samples", number(r->train_count));
    row(rows, "samples held out", number(r->valid_count));
    row(rows, "numbers trained", number(r->params));
    snprintf(words, sizeof words, "%.1f MiB", (double)r->memory / 1048576);
    row(rows, "memory", json_string(words));
    return btz_results_figure(
        results,
        json_pack("{s:s, s:s, s:[s, s], s:o, s:f, s:f, s:o, s:b}", "kind", "table", "title",
                  "Course of the training", "columns", "what", "value", "rows", rows, "seconds",
                  r->seconds, "epoch_seconds", epochs, "overfitting_epoch",
                  epoch ? number(epoch) : json_null(), "stopped", (int)stopped));
}

static void loss_rows(json_t *rows, const struct btz_harden_options *o)
{
    bool pairs = o->method == BTZ_HARDEN_TRADES || o->method == BTZ_HARDEN_MART;

    row(rows, "method", json_string(btz_harden_method_names[o->method]));
    row(rows, "norm", json_string(btz_norm_name(o->norm)));
    row(rows, "eps", json_real(o->eps));
    row(rows, "lowest value", json_real((double)o->box.low));
    row(rows, "highest value", json_real((double)o->box.high));
    if (o->method != BTZ_HARDEN_PLAIN) {
        row(rows, "step of the inner attack", json_real(o->step));
        row(rows, "steps of the inner attack", number(o->steps));
        row(rows, "epochs in which eps grows", json_real(o->eps_warmup));
    }
    if (pairs)
        row(rows, "beta", json_real(o->beta));
    if (o->method == BTZ_HARDEN_FREE)
        row(rows, "replays", number(o->replays));
    row(rows, "share left as it is", json_real(o->clean_ratio));
    row(rows, "weight perturbation, gamma", o->awp ? json_real(o->awp_gamma) : json_string("no"));
    if (o->awp)
        row(rows, "weight perturbation, epochs without", number(o->awp_warmup));
}

static void step_rows(json_t *rows, const struct btz_harden_options *o)
{
    char words[200] = "";
    size_t at = 0;

    row(rows, "epochs", number(o->epochs));
    row(rows, "batch", number(o->batch));
    row(rows, "part of a batch", number(o->part));
    row(rows, "optimiser", json_string(btz_harden_optimiser_names[o->optimiser]));
    row(rows, "learning rate, highest", json_real(o->lr));
    row(rows, "momentum", json_real(o->momentum));
    row(rows, "weight decay", json_real(o->decay));
    row(rows, "schedule", json_string(btz_harden_schedule_names[o->schedule]));
    if (o->schedule == BTZ_HARDEN_CYCLIC)
        row(rows, "epoch of the highest rate", json_real(o->peak));
    if (o->schedule == BTZ_HARDEN_STEP) {
        for (size_t i = 0; i < o->drop_count; i++)
            at += (size_t)snprintf(words + at, sizeof words - at, "%s%" PRIu32, i ? ", " : "",
                                   o->drops[i]);
        row(rows, "rate drops at epochs", json_string(words));
        row(rows, "to the share of", json_real(o->drop));
    }
    row(rows, "mean of the weights", o->average > 0 ? json_real(o->average) : json_string("no"));
}

static void sample_rows(json_t *rows, const struct btz_harden_account *a)
{
    const struct btz_harden_options *o = a->options;
    char name[80];

    for (size_t i = 0; i < o->augment_count; i++) {
        snprintf(name, sizeof name, "share of samples, %.40s", o->augments[i].name);
        row(rows, name, json_real(o->augments[i].share));
    }
    row(rows, "data", text(a->data));
    row(rows, "labels", a->labels ? text(a->labels) : json_string("in the data"));
    if (a->valid_data) {
        row(rows, "validation data", text(a->valid_data));
        row(rows, "validation labels", a->valid_labels ? text(a->valid_labels) : json_null());
    } else {
        row(rows, "share held out", json_real(o->validation));
    }
    row(rows, "weights kept",
        json_string(o->keep == BTZ_HARDEN_KEEP_BEST
                        ? "best epoch on the validation data, whose accuracy flatters therefore"
                        : "last epoch"));
    row(rows, "stops at overfitting",
        o->overfit_stop ? json_real(o->overfit_drop) : json_string("no"));
}

static enum btz_err settings(const struct btz_harden_account *a, struct btz_results *results)
{
    json_t *rows = json_array();
    char seed[24];

    snprintf(seed, sizeof seed, "%" PRIu64, a->options->seed);
    loss_rows(rows, a->options);
    step_rows(rows, a->options);
    sample_rows(rows, a);
    row(rows, "seed", json_string(seed));
    row(rows, "threads", number(a->options->threads));
    row(rows, "processes", number(a->options->ranks ? a->options->ranks->count : 1));
    return btz_results_figure(
        results, json_pack("{s:s, s:s, s:[s, s], s:o, s:s}", "kind", "table", "title", "Settings",
                           "columns", "setting", "value", "rows", rows, "note",
                           "Equal files, settings and seed give equal bytes, whatever the number "
                           "of threads."));
}

static enum btz_err files(const struct btz_harden_account *a, struct btz_results *results)
{
    char before[2 * BTZ_SHA256_LEN + 1], after[2 * BTZ_SHA256_LEN + 1];

    btz_hex(a->original.sha256, BTZ_SHA256_LEN, before);
    btz_hex(a->hardened.sha256, BTZ_SHA256_LEN, after);
    return btz_results_figure(
        results,
        json_pack("{s:s, s:s, s:[s, s, s, s], s:[[s, o, o, s], [s, o, o, s]], s:s}", "kind",
                  "table", "title", "Models", "columns", "model", "file", "bytes", "SHA-256",
                  "rows", "original", text(a->original.path), number(a->original.bytes), before,
                  "hardened", text(a->hardened.path), number(a->hardened.bytes), after, "note",
                  "The original as it was read, the hardened one as it was written."));
}

/* ---- the finding ---------------------------------------------------------------------------------------------------------- */

/* What PGD still breaks, as robust attack would say it. */
static enum btz_err finding(const struct btz_harden_account *a, struct btz_sink *sink)
{
    const struct btz_harden_measured *m = &a->measured[0];
    struct btz_finding f;
    char location[200], reason[400] = "no sample is classified correctly";

    BTZ_TRY(btz_evasion_rate("redteam.evasion.gradient", m->after.clean - m->after.robust,
                             m->after.clean, &f));
    f.asset = btz_model_asset(a->hardened.path);
    if (f.n)
        snprintf(reason, sizeof reason,
                 "%" PRIu64 " of %" PRIu64
                 " samples that are classified correctly were broken (%s); clean accuracy %.2f %%, "
                 "under PGD %.2f %%; before hardening %.2f and %.2f %%.",
                 f.k, f.n, m->samples, 100.0 * (double)m->after.clean / (double)m->after.n,
                 100.0 * (double)m->after.robust / (double)m->after.n,
                 100.0 * (double)m->before.clean / (double)m->before.n,
                 100.0 * (double)m->before.robust / (double)m->before.n);
    snprintf(location, sizeof location, "pgd after hardening, %s %.6g",
             btz_norm_name(a->options->norm), a->options->eps);
    f.location = location;
    f.reason = reason;
    return btz_evasion_tell(&f, m->after.n, sink);
}

enum btz_err btz_harden_tell(const struct btz_harden_account *given, struct btz_results *results)
{
    struct btz_harden_options settled = *given->options;
    struct btz_harden_account a = *given;

    a.options = &settled;
    BTZ_TRY(btz_harden_settle(&settled));
    BTZ_TRY(finding(&a, btz_results_sink(results)));
    BTZ_TRY(accuracies(&a, results));
    BTZ_TRY(curves(&a, results));
    BTZ_TRY(course(&a, results));
    BTZ_TRY(files(&a, results));
    return settings(&a, results);
}
