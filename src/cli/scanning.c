#include "cli/scanning.h"

#include <stdlib.h>

#include "cli/progress.h"
#include "cli/reports.h"

const char *const btz_scan_severities[] = { "info", "low", "medium", "high", "critical", NULL };
const char *const btz_scan_formats[] = { "text",  "json", "jsonl", "sarif",
                                         "junit", "html", "md",    NULL };

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

/* Those of the options, that of --format, those of the file. What cannot be written is said now, in a dry run, too. */
static enum btz_err gather_reports(const struct btz_scan_args *a,
                                   const struct btz_settings *settings, struct btz_arena *arena,
                                   struct btz_report_wish **out, size_t *count)
{
    const struct btz_report_conf *conf = settings->reports.items;
    size_t n = a->reports.count, all = n + 1 + settings->reports.count;
    struct btz_report_wish *wished, *reports = btz_arena_array(arena, all, sizeof *reports);

    if (!reports)
        return BTZ_LIMIT;
    BTZ_TRY(btz_cli_report_wishes(&a->reports, true, arena, &wished));
    memcpy(reports, wished, n * sizeof *reports);
    reports[n++] = (struct btz_report_wish){ btz_scan_formats[a->format], a->output };
    BTZ_TRY(btz_cli_can_write("--output", a->output));
    for (size_t i = 0; i < settings->reports.count; i++) {
        reports[n++] = (struct btz_report_wish){ conf[i].format, conf[i].path };
        BTZ_TRY(btz_cli_can_write("reports", conf[i].path));
    }
    *out = reports;
    *count = n;
    return BTZ_OK;
}

static enum btz_err scan(struct btz_cli *cli, const struct btz_scan_args *a,
                         struct btz_settings *settings, struct btz_arena *arena,
                         struct btz_scan_outcome *outcome)
{
    struct btz_report_wish *reports;
    struct view view = { .cli = cli, .dry_run = a->dry_run };
    struct btz_scan_options o = { .run_id = a->run,
                                  .resume = a->resume,
                                  .dry_run = a->dry_run,
                                  .forecast_json = strcmp(btz_scan_formats[a->format], "json") == 0,
                                  .baseline = a->baseline,
                                  .stop = cli->stop,
                                  .log = &cli->log,
                                  .progress = on_progress,
                                  .print = print,
                                  .user = &view };
    enum btz_err err;

    BTZ_TRY(gather_reports(a, settings, arena, &reports, &o.report_count));
    o.reports = reports;
    o.state_dir = settings->state;
    if (a->fail_on >= 0)
        settings->fail_on = (enum btz_severity)a->fail_on;
    if (a->risk_threshold >= 0)
        settings->risk_threshold = a->risk_threshold;
    o.seed = a->seed >= 0 ? (uint64_t)a->seed : settings->seed;
    o.threads = a->threads > 0 ? (unsigned)a->threads : settings->threads;
    btz_progress_open(&view.progress, cli);
    err = btz_scan(settings, &o, outcome);
    btz_progress_close(&view.progress);
    return err;
}

int btz_cli_scan(struct btz_cli *cli, const struct btz_scan_args *a, struct btz_settings *settings,
                 struct btz_arena *arena)
{
    struct btz_scan_outcome outcome;
    enum btz_err err = scan(cli, a, settings, arena, &outcome);

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
