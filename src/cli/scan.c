#include <stdlib.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "watch/watch.h"

struct args {
    struct btz_option_list reports;
    const char *output, *baseline, *run;
    double risk_threshold;
    int64_t seed, threads;
    int format, fail_on;
    bool dry_run, resume;
};

static const char *const severities[] = { "info", "low", "medium", "high", "critical", NULL };
static const char *const formats[] = {
    "text", "json", "jsonl", "sarif", "junit", "html", "md", NULL
};

#define ARG(member) offsetof(struct args, member)
static const struct btz_option options[] = {
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = ARG(format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "Report printed on standard output." },
    { .name = "output",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(output),
      .metavar = "FILE",
      .help = "Write that report to FILE instead." },
    { .name = "report",
      .kind = BTZ_OPTION_STRINGS,
      .offset = ARG(reports),
      .metavar = "FORMAT=FILE",
      .help = "One more report; may be given several times." },
    { .name = "fail-on",
      .kind = BTZ_OPTION_CHOICE,
      .offset = ARG(fail_on),
      .metavar = "SEVERITY",
      .choices = severities,
      .help = "Exit 1 on an open finding of this severity or above (default: fail_on of the "
              "configuration)." },
    { .name = "risk-threshold",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(risk_threshold),
      .metavar = "SCORE",
      .fallback = "-1",
      .min = -1,
      .max = 100,
      .help = "Exit 1 when the risk score is above SCORE, 0 to 100 (default: risk_threshold of the "
              "configuration)." },
    { .name = "baseline",
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(baseline),
      .metavar = "FILE",
      .help = "An earlier JSON report: only what is new or significantly worse counts." },
    { .name = "dry-run",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(dry_run),
      .help = "Print what would be asked, its time and cost, and stop." },
    { .name = "resume",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(resume),
      .help = "Continue the last interrupted run: what was answered is not asked again." },
    { .name = "run",
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(run),
      .metavar = "ID",
      .help = "Name of the run; with --resume, the run to continue." },
    { .name = "seed",
      .kind = BTZ_OPTION_INT,
      .offset = ARG(seed),
      .metavar = "N",
      .fallback = "-1",
      .min = -1,
      .max = 9007199254740992.0,
      .help = "Same seed, same attacks (default: seed of the configuration)." },
    { .name = "threads",
      .kind = BTZ_OPTION_INT,
      .offset = ARG(threads),
      .metavar = "N",
      .fallback = "0",
      .min = 0,
      .max = 1024,
      .help = "Worker threads; 0: as the configuration says." },
};

struct view {
    struct btz_cli *cli;
    struct btz_progress_view progress;
    bool forecast_shown, dry_run;
};

static void on_progress(void *user, const struct btz_progress *p)
{
    struct view *v = user;

    v->progress.sink.progress(&v->progress.sink, p);
}

/* The forecast is chatter unless it is all that was asked for; reports are results. */
static enum btz_err print(void *user, struct btz_slice text)
{
    struct view *v = user;
    FILE *to = v->cli->out;

    btz_progress_close(&v->progress);
    if (!v->forecast_shown) {
        v->forecast_shown = true;
        if (!v->dry_run && v->cli->quiet)
            return BTZ_OK;
        to = v->dry_run ? v->cli->out : v->cli->err;
    }
    if (fwrite(text.ptr, 1, text.len, to) != text.len)
        return btz_fail_errno(BTZ_IO, "write the report");
    return BTZ_OK;
}

static enum btz_err take_report(const char *wish, struct btz_arena *arena,
                                struct btz_report_wish *out)
{
    const char *equals = strchr(wish, '=');

    if (!equals || equals[1] == '\0')
        return btz_fail(BTZ_USAGE, "--report %s: expected FORMAT=FILE, such as html=report.html",
                        wish);
    out->format = btz_arena_str(arena, btz_slice_of(wish, (size_t)(equals - wish)));
    out->path = equals + 1;
    if (!out->format)
        return BTZ_LIMIT;
    if (!btz_report_format_find(out->format))
        return btz_fail(
            BTZ_USAGE,
            "--report %s: unknown format; one of text, json, jsonl, sarif, junit, html, md", wish);
    return BTZ_OK;
}

static enum btz_err scan(struct btz_cli *cli, const struct args *a, struct btz_arena *arena,
                         struct btz_scan_outcome *outcome)
{
    struct btz_report_wish *reports;
    struct view view = { .cli = cli, .dry_run = a->dry_run };
    struct btz_settings settings;
    struct btz_scan_options o = { .run_id = a->run,
                                  .resume = a->resume,
                                  .dry_run = a->dry_run,
                                  .baseline = a->baseline,
                                  .stop = cli->stop,
                                  .log = &cli->log,
                                  .progress = on_progress,
                                  .print = print,
                                  .user = &view };
    enum btz_err err;

    BTZ_TRY(btz_cli_settings(cli, arena, &settings));
    reports =
        btz_arena_array(arena, a->reports.count + 1 + settings.reports.count, sizeof *reports);
    if (!reports)
        return BTZ_LIMIT;
    for (size_t i = 0; i < a->reports.count; i++)
        BTZ_TRY(take_report(a->reports.items[i], arena, &reports[o.report_count++]));
    reports[o.report_count++] = (struct btz_report_wish){ formats[a->format], a->output };
    for (size_t i = 0; i < settings.reports.count; i++) {
        const struct btz_report_conf *report =
            (const struct btz_report_conf *)settings.reports.items + i;

        reports[o.report_count++] = (struct btz_report_wish){ report->format, report->path };
    }
    o.reports = reports;
    o.state_dir = settings.state;
    if (a->fail_on >= 0)
        settings.fail_on = (enum btz_severity)a->fail_on;
    if (a->risk_threshold >= 0)
        settings.risk_threshold = a->risk_threshold;
    o.seed = a->seed >= 0 ? (uint64_t)a->seed : settings.seed;
    o.threads = a->threads > 0 ? (unsigned)a->threads : settings.threads;
    btz_progress_open(&view.progress, cli);
    err = btz_scan(&settings, &o, outcome);
    btz_progress_close(&view.progress);
    return err;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_scan_outcome outcome;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)256 << 20);
    err = scan(cli, a, &arena, &outcome);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    if (a->dry_run)
        return 0;
    if (outcome.practice != BTZ_OK)
        return btz_cli_fail(cli, btz_fail(outcome.practice, "%s", outcome.practice_detail));
    if (!outcome.complete)
        return btz_cli_fail(
            cli, btz_fail(BTZ_IO,
                          "stopped before the end; continue with the same options and --resume"));
    return outcome.failed_at_floor || outcome.over_threshold ? 1 : 0;
}

const struct btz_command btz_command_scan = {
    .noun = "scan",
    .summary = "Run every practice of bartizan.yaml and report what it proves",
    .details =
        "Attacks the targets, checks the assets, writes each finding with its evidence to the "
        "ledger, and prints a "
        "report. Exit status: 0 clean, 1 findings at or above --fail-on or a risk above "
        "--risk-threshold, 2 wrong "
        "usage or configuration, 3 unreadable input, 4 i/o or target unreachable, 5 denied.\n\n"
        "Examples:\n"
        "  bartizan scan --report html=report.html --report sarif=report.sarif\n"
        "  bartizan scan --baseline last-week.json --fail-on high\n"
        "  bartizan scan --dry-run",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
