#include "cli/samples.h"
#include "base/json.h"
#include "base/pool.h"
#include "robust/evaluate.h"
#include "sample/sample.h"

struct args {
    const char *data, *labels, *label_column;
    int64_t threads;
    int format;
};
static const char *const formats[] = { "text", "json", NULL };

#define ARG(member) offsetof(struct args, member)
static const struct btz_option options[] = {
    BTZ_SAMPLES_OPTIONS("Samples"),
    { .name = "threads",
      .kind = BTZ_OPTION_INT,
      .offset = ARG(threads),
      .metavar = "N",
      .fallback = "0",
      .min = 0,
      .max = 256,
      .help = "Worker threads; 0: one a processor." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = ARG(format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How the result is printed." },
};

static enum btz_err rows(void *user, uint64_t first, size_t count, float *x, uint32_t *y)
{
    return btz_samples_rows(user, (size_t)first, count, x, y);
}

static json_t *rate(const struct btz_rate *r)
{
    return json_pack("{s:I, s:I, s:f, s:[f, f]}", "correct", (json_int_t)r->k, "samples",
                     (json_int_t)r->n, "accuracy", r->value, "interval", r->interval.low,
                     r->interval.high);
}

static enum btz_err print(FILE *out, const struct btz_evaluation *e, bool as_json)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)8 << 20);
    BTZ_JSON json_t *o = NULL;
    json_t *classes = json_array();

    for (size_t k = 0; k < e->classes; k++)
        json_array_append_new(classes, rate(&e->clean_by_class[k]));
    o = json_pack("{s:o, s:o}", "clean", rate(&e->clean), "classes", classes);
    if (!o)
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
    }
    if (fwrite(text.ptr, 1, text.len, out) != text.len)
        return btz_fail_errno(BTZ_IO, "write the result");
    return BTZ_OK;
}

static enum btz_err evaluate(struct btz_cli *cli, const struct args *a, const char *path)
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
    enum btz_err err;

    BTZ_TRY(btz_model_read(path, NULL, &m));
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
    if (!err)
        err = print(cli->out, e, a->format == 1);
    btz_evaluation_free(e);
    btz_samples_close(s);
    btz_model_free(m);
    return err;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    enum btz_err err = evaluate(cli, args, operands[0]);

    (void)operand_count;
    return err ? btz_cli_fail(cli, err) : 0;
}

const struct btz_command btz_command_robust_eval = {
    .noun = "robust",
    .verb = "eval",
    .summary = "Accuracy of a classifier on labelled samples, with its exact interval",
    .details = "Nothing is attacked; see `bartizan robust attack`.\n\n"
               "  bartizan robust eval model.onnx --data images.gz --labels labels.gz",
    .operands = "MODEL",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
