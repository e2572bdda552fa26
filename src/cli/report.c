/* bartizan report: an earlier JSON report in another format. */
#include "cli/cli.h"
#include "finding/finding.h"

#define REPORT_MAX ((size_t)256 << 20)

struct args {
    const char *from, *output;
    int format;
};

static const char *const formats[] = {
    "text", "json", "jsonl", "sarif", "junit", "html", "md", NULL
};

static const struct btz_option options[] = {
    { .name = "from",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, from),
      .metavar = "FILE",
      .help = "A report that `--format json` wrote; - is standard input.",
      .required = true },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .help = "The format to write.",
      .fallback = "text",
      .choices = formats },
    { .name = "output",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, output),
      .metavar = "FILE",
      .help = "Write to FILE instead of standard output." },
};

static enum btz_err convert(struct btz_cli *cli, const struct args *args, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(REPORT_MAX + 1);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_results *results;
    struct btz_run run;
    enum btz_err err;

    btz_arena_init(&arena, REPORT_MAX);
    BTZ_TRY(btz_file_read(args->from, REPORT_MAX, &text));
    err = btz_report_read(btz_buf_slice(&text), &arena, &results, &run);
    if (err != BTZ_OK)
        return btz_fail_context(err, "%s", args->from);
    run.width = cli->columns;
    run.color = cli->color && !args->output;
    err = btz_report_format_find(formats[args->format])->write(&run, out);
    btz_results_free(results);
    return err;
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    const struct args *args = arguments;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(2 * REPORT_MAX);
    enum btz_err err = convert(cli, args, &out);

    (void)operands;
    (void)operand_count;
    if (err == BTZ_OK && args->output)
        err = btz_file_write(args->output, btz_buf_slice(&out), 0644);
    else if (err == BTZ_OK && fwrite(out.ptr, 1, out.len, cli->out) != out.len)
        err = btz_fail_errno(BTZ_IO, "write the report");
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_report = {
    .noun = "report",
    .summary = "Write an earlier JSON report in another format.",
    .details =
        "Findings, evidence, coverage and risk are as they were when the report was written; "
        "suppressions and baselines are not applied again.\n\n"
        "Examples:\n"
        "  bartizan report --from report.json --format html -o report.html\n"
        "  bartizan report --from report.json --format md",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
