#include "cli/robust_options.h"
#include "base/json.h"
#include "base/pool.h"
#include "cli/reports.h"
#include "robust/evaluation_report.h"
#include "sample/sample.h"

struct args {
    const char *data, *labels, *label_column;
    bool corruptions;
    double low, high;
    int64_t seed, threads;
    int format;
    struct btz_option_list reports;
};
static const char *const formats[] = { "text", "json", NULL };

static const struct btz_option options[] = {
    BTZ_SAMPLES_OPTIONS("Samples"),
    { BTZ_FLAG_ROW("corruptions", corruptions,
                   "Also under each of fifteen common corruptions in five severities, and their "
                   "mean; samples must be pictures.") },
    BTZ_RANGE_OPTIONS(", for --corruptions"),
    { BTZ_COUNT_ROW("seed", seed, 0, 9007199254740992.0, "1",
                    "Of the draws of --corruptions: same seed, same pictures.") },
    { BTZ_COUNT_ROW("threads", threads, 0, 256, "0", "Worker threads; 0: one a processor.") },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How the result is printed." },
    { BTZ_LIST_ROW(
        "report", reports, "FORMAT=FILE",
        "A report of --corruptions, such as html=FILE or json=FILE; may be given several "
        "times.") },
};

static enum btz_err rows(void *user, uint64_t first, size_t count, float *x, uint32_t *y)
{
    return btz_samples_rows(user, (size_t)first, count, x, y);
}

/* ---- corruptions ------------------------------------------------------------------------------------------------------- */

static json_t *json_of_table(const struct btz_corruption_table *t)
{
    json_t *kinds = json_array(), *severities = json_array();

    for (int k = 0; k < BTZ_CORRUPT_COUNT; k++) {
        json_t *cells = json_array();

        for (int s = 0; s < BTZ_SEVERITIES; s++)
            json_array_append_new(cells, btz_rate_json(&t->cell[k][s]));
        json_array_append_new(kinds, json_pack("{s:s, s:f, s:o}", "kind",
                                               btz_corruption_name((enum btz_corruption)k), "mean",
                                               t->kind_mean[k], "severities", cells));
    }
    for (int s = 0; s < BTZ_SEVERITIES; s++)
        json_array_append_new(severities, json_real(t->severity_mean[s]));
    return json_pack("{s:f, s:o, s:o, s:o}", "mean_accuracy", t->mean, "worst",
                     btz_rate_json(&t->worst), "severity_means", severities, "kinds", kinds);
}

static enum btz_err text_of_table(const struct btz_corruption_table *t, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "\n%-16s", "corruption, %"));
    for (int s = 1; s <= BTZ_SEVERITIES; s++)
        BTZ_TRY(btz_buf_printf(out, "%8d", s));
    BTZ_TRY(btz_buf_printf(out, "%8s\n", "mean"));
    for (int k = 0; k < BTZ_CORRUPT_COUNT; k++) {
        BTZ_TRY(btz_buf_printf(out, "%-16s", btz_corruption_name((enum btz_corruption)k)));
        for (int s = 0; s < BTZ_SEVERITIES; s++)
            BTZ_TRY(btz_buf_printf(out, "%8.2f", 100 * t->cell[k][s].value));
        BTZ_TRY(btz_buf_printf(out, "%8.2f\n", 100 * t->kind_mean[k]));
    }
    BTZ_TRY(btz_buf_printf(out, "%-16s", "mean"));
    for (int s = 0; s < BTZ_SEVERITIES; s++)
        BTZ_TRY(btz_buf_printf(out, "%8.2f", 100 * t->severity_mean[s]));
    return btz_buf_printf(
        out,
        "%8.2f\n\nmean corruption accuracy %.2f %% (clean %.2f %%); correct under "
        "all of them %.2f %% [%.2f, %.2f]\n",
        100 * t->mean, 100 * t->mean, 100 * t->clean.value, 100 * t->worst.value,
        100 * t->worst.interval.low, 100 * t->worst.interval.high);
}

/* ---- all together ------------------------------------------------------------------------------------------------------ */

/* table: NULL where it was not asked for. */
static enum btz_err print(FILE *out, const struct btz_evaluation *e,
                          const struct btz_corruption_table *table, bool as_json)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)8 << 20);
    BTZ_JSON json_t *o = NULL;
    json_t *classes = json_array();

    for (size_t k = 0; k < e->classes; k++)
        json_array_append_new(classes, btz_rate_json(&e->clean_by_class[k]));
    o = json_pack("{s:o, s:o}", "clean", btz_rate_json(&e->clean), "classes", classes);
    if (!o || (table && json_object_set_new(o, "corruptions", json_of_table(table))))
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (as_json) {
        BTZ_TRY(btz_json_write(o, true, &text));
        BTZ_TRY(btz_buf_add_byte(&text, '\n'));
    } else {
        BTZ_TRY(btz_buf_printf(
            &text, "accuracy %.2f %% [%.2f, %.2f], %" PRIu64 " of %" PRIu64 " samples\n",
            100 * e->clean.value, 100 * e->clean.interval.low, 100 * e->clean.interval.high,
            e->clean.k, e->clean.n));
        for (size_t k = 0; k < e->classes && e->classes <= 100; k++)
            if (e->clean_by_class[k].n)
                BTZ_TRY(btz_buf_printf(&text, "  class %zu: %.2f %%, %" PRIu64 " of %" PRIu64 "\n",
                                       k, 100 * e->clean_by_class[k].value, e->clean_by_class[k].k,
                                       e->clean_by_class[k].n));
        if (table)
            BTZ_TRY(text_of_table(table, &text));
    }
    if (fwrite(text.ptr, 1, text.len, out) != text.len)
        return btz_fail_errno(BTZ_IO, "write the result");
    return BTZ_OK;
}

static enum btz_err stopped(uint64_t done, uint64_t n)
{
    return btz_fail(
        BTZ_IO, "stopped after %" PRIu64 " of %" PRIu64 " samples; there is no accuracy of a part",
        done, n);
}

static enum btz_err corruptions(const struct args *a, const struct btz_evaluate_options *o,
                                const struct btz_evaluation *e, struct btz_corruption_table *out)
{
    const struct btz_corruption_table_options to = {
        .model = o->model,
        .samples = o->samples,
        .clean = e->verdicts,
        .box = { (float)a->low, (float)a->high },
        .seed = (uint64_t)a->seed,
        .threads = o->threads,
        .stop = o->stop,
    };

    BTZ_TRY(btz_corruption_table(&to, out));
    return out->stopped ? stopped(out->n, to.samples.n) : BTZ_OK;
}

struct job {
    const char *path;
    uint64_t started_ms;
    struct btz_arena arena;
    struct btz_report_wish *reports;
};

static enum btz_err write_reports(struct btz_cli *cli, const struct args *a, const struct job *j,
                                  const struct btz_evaluation *e,
                                  const struct btz_corruption_table *table)
{
    BTZ_BUF_RELEASE struct btz_buf title = BTZ_BUF(8192);
    struct btz_results *results;
    struct btz_run run = { .version = btz_version(),
                           .started_ms = j->started_ms,
                           .finished_ms = btz_clock_unix_ms(),
                           .seed = (uint64_t)a->seed,
                           .complete = true };
    enum btz_err err;

    BTZ_TRY(btz_buf_printf(&title, "Accuracy of %s", j->path));
    BTZ_TRY(btz_buf_cstr(&title, &run.title));
    BTZ_TRY(btz_results_new(&results));
    run.results = results;
    err = btz_evaluation_tell(j->path, e, table, results);
    if (err == BTZ_OK)
        err = btz_cli_report_write(cli, j->reports, a->reports.count, &run);
    btz_results_free(results);
    return err;
}

static enum btz_err evaluate(struct btz_cli *cli, const struct args *a, struct job *j)
{
    const struct btz_samples_options so = { .data = a->data,
                                            .labels = a->labels,
                                            .label_column = a->label_column };
    struct btz_evaluate_options o = { .samples.read = rows,
                                      .box = { -3e38F, 3e38F },
                                      .threads =
                                          a->threads ? (unsigned)a->threads : btz_pool_processors(),
                                      .stop = cli->stop };
    struct btz_samples *s = NULL;
    struct btz_model *m = NULL;
    struct btz_evaluation *e = NULL;
    struct btz_corruption_table table;
    enum btz_err err;

    if (a->reports.count && !a->corruptions)
        return btz_fail(BTZ_USAGE, "--report is of --corruptions: an accuracy alone finds nothing");
    BTZ_TRY(btz_cli_report_wishes(&a->reports, true, &j->arena, &j->reports));
    BTZ_TRY(btz_model_read(j->path, NULL, &m));
    err = btz_samples_open(&so, &s);
    if (!err && !btz_samples_info(s)->labelled)
        err = btz_fail(BTZ_USAGE, "%s: there are no labels; say where they are with --labels",
                       a->data);
    if (!err) {
        o.model = m;
        o.samples.n = btz_samples_info(s)->count;
        o.samples.user = s;
        err = btz_evaluate(&o, &e);
    }
    if (!err && e->stopped)
        err = stopped(e->n, o.samples.n);
    if (!err && a->corruptions)
        err = corruptions(a, &o, e, &table);
    if (!err)
        err = print(cli->out, e, a->corruptions ? &table : NULL, a->format == 1);
    if (!err && a->reports.count)
        err = write_reports(cli, a, j, e, a->corruptions ? &table : NULL);
    btz_evaluation_free(e);
    btz_samples_close(s);
    btz_model_free(m);
    return err;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    struct job j = { .path = operands[0], .started_ms = btz_clock_unix_ms() };
    enum btz_err err;

    (void)operand_count;
    btz_arena_init(&j.arena, (size_t)1 << 20);
    err = evaluate(cli, args, &j);
    btz_arena_release(&j.arena);
    return err ? btz_cli_fail(cli, err) : 0;
}

const struct btz_command btz_command_robust_eval = {
    .noun = "robust",
    .verb = "eval",
    .summary = "Accuracy of a classifier on labelled samples, with its exact interval.",
    .details =
        "Nothing is attacked; see `bartizan robust attack`.\n\n"
        "  bartizan robust eval model.onnx --data images.gz --labels labels.gz\n"
        "  bartizan robust eval model.onnx --data images.gz --labels labels.gz --corruptions "
        "--report html=corruptions.html\n\n"
        "--corruptions is the protocol of Hendrycks and Dietterich 2019 (arXiv 1903.12261) in "
        "accuracies. Their mCE needs the errors of a reference model and is not given.\n\n"
        "Interrupted it prints no figures and exits with 4.",
    .operands = "MODEL",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
