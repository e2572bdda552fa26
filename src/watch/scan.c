#include "watch/watch.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

#define PLAN_CAP   ((size_t)1 << 30)
#define REPORT_MAX ((size_t)512 << 20)
#define PAST_MAX   50
#define ID_MAX     (sizeof((struct btz_scan_outcome *)0)->run_id - 1)

struct scan {
    const struct btz_settings *settings;
    const struct btz_scan_options *o;
    struct btz_context ctx;
    struct btz_arena arena;
    struct btz_results *results;
    struct btz_ledger *ledger;
    struct btz_ledger_sink to_ledger;
    struct btz_past_run past[PAST_MAX];
    size_t past_count;
    struct btz_buf baseline;
    uint64_t started_ms;
    struct btz_scan_outcome *out;
};

/* ---- run folders: STATE/runs/ID/{started,report.json,TARGET.jsonl} ---- */

static enum btz_err run_path(const struct scan *s, const char *run_id, const char *file,
                             struct btz_buf *path, const char **out)
{
    btz_buf_clear(path);
    BTZ_TRY(btz_buf_printf(path, "%s/runs/%s%s%s", s->o->state_dir, run_id, file ? "/" : "",
                           file ? file : ""));
    return btz_buf_cstr(path, out);
}

static bool run_has(const struct scan *s, const char *run_id, const char *file)
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(4096);
    const char *path;

    return run_path(s, run_id, file, &buf, &path) == BTZ_OK && access(path, F_OK) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* An id is the name of a folder below ours, and nothing else. */
static bool is_id(const char *id)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return id[0] != '\0' && id[0] != '.' && strlen(id) <= ID_MAX && id[strspn(id, allowed)] == '\0';
}

static int is_run(const struct dirent *d)
{
    return is_id(d->d_name);
}

/* Names of earlier runs, sorted: those that nobody named begin with their time. */
static enum btz_err list_runs(const struct scan *s, struct dirent ***list, int *count)
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(4096);
    const char *path;

    BTZ_TRY(btz_buf_printf(&buf, "%s/runs", s->o->state_dir));
    BTZ_TRY(btz_buf_cstr(&buf, &path));
    *list = NULL;
    *count = scandir(path, list, is_run, by_name);
    if (*count < 0 && errno != ENOENT)
        return btz_fail_errno(BTZ_IO, "list %s", path);
    if (*count < 0)
        *count = 0;
    return BTZ_OK;
}

static void free_runs(struct dirent **list, int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

/* When a run began, from its file `started`; false when it is none of ours. */
static bool read_start(const struct scan *s, const char *run_id, uint64_t *started_ms)
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(4096), text = BTZ_BUF(BTZ_TIME_TEXT + 1);
    const char *path;

    return run_path(s, run_id, "started", &buf, &path) == BTZ_OK &&
           btz_file_read(path, BTZ_TIME_TEXT, &text) == BTZ_OK &&
           btz_time_parse(btz_slice_trim(btz_buf_slice(&text)), started_ms) == BTZ_OK;
}

static void name_run(struct scan *s)
{
    char when[BTZ_TIME_TEXT];
    uint16_t salt;

    btz_time_format(s->started_ms, when);
    btz_random_bytes(&salt, sizeof salt);
    snprintf(s->out->run_id, sizeof s->out->run_id, "%.4s%.2s%.2sT%.2s%.2s%.2sZ-%04x", when,
             when + 5, when + 8, when + 11, when + 14, when + 17, (unsigned)salt);
}

/* The run to continue: the one named, else the one begun last of those without a report. */
static enum btz_err find_run(struct scan *s)
{
    struct dirent **list;
    uint64_t started, last = 0;
    bool found = false;
    int count;

    BTZ_TRY(list_runs(s, &list, &count));
    for (int i = 0; i < count; i++) {
        const char *id = list[i]->d_name;
        bool wanted = s->o->run_id ? strcmp(s->o->run_id, id) == 0 : !run_has(s, id, "report.json");

        if (!wanted || !read_start(s, id, &started) || (found && started < last))
            continue;
        found = true;
        last = started;
        snprintf(s->out->run_id, sizeof s->out->run_id, "%.63s", id);
    }
    free_runs(list, count);
    if (!found)
        return btz_fail(BTZ_USAGE, "--resume: %s%s",
                        s->o->run_id ? "there is no run " : "no interrupted run in ",
                        s->o->run_id ? s->o->run_id : s->o->state_dir);
    s->started_ms = last;
    return BTZ_OK;
}

static enum btz_err choose_run(struct scan *s)
{
    if (s->o->run_id && !is_id(s->o->run_id))
        return btz_fail(BTZ_USAGE,
                        "--run %s: use 1 to %zu letters, digits, '.', '_' and '-', no '.' in front",
                        s->o->run_id, ID_MAX);
    if (s->o->resume)
        return find_run(s);
    if (s->o->run_id)
        snprintf(s->out->run_id, sizeof s->out->run_id, "%s", s->o->run_id);
    else
        name_run(s);
    return BTZ_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct btz_past_run *x = a, *y = b;

    return (x->finished_ms > y->finished_ms) - (x->finished_ms < y->finished_ms);
}

/* Risk of earlier finished runs, for the trend. A report that cannot be read is left out with a warning. */
static enum btz_err read_past(struct scan *s)
{
    struct dirent **list;
    int count;

    BTZ_TRY(list_runs(s, &list, &count));
    for (int i = count; i-- > 0 && s->past_count < PAST_MAX;) {
        BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(4096), text = BTZ_BUF(REPORT_MAX);
        const char *path;

        if (strcmp(list[i]->d_name, s->out->run_id) == 0 ||
            !run_has(s, list[i]->d_name, "report.json"))
            continue;
        if (run_path(s, list[i]->d_name, "report.json", &buf, &path) == BTZ_OK &&
            btz_file_read(path, REPORT_MAX - 1, &text) == BTZ_OK &&
            btz_past_run_read(btz_buf_slice(&text), &s->past[s->past_count]) == BTZ_OK)
            s->past_count++;
        else
            btz_log(s->o->log, BTZ_LOG_WARN, "left out of the trend: %s", btz_error_detail());
    }
    free_runs(list, count);
    qsort(s->past, s->past_count, sizeof *s->past, by_time);
    return BTZ_OK;
}

/* ---- practices ---- */

struct forward { /* results and ledger get everything; progress goes to the person */
    struct btz_tee tee;
    const struct btz_scan_options *o;
};

static void on_progress(struct btz_sink *sink, const struct btz_progress *p)
{
    const struct forward *f = (const struct forward *)sink;

    if (f->o->progress)
        f->o->progress(f->o->user, p);
}

/* An asset named in the settings that nothing looked at must show, or its absence reads as health. */
static enum btz_err uncovered_assets(struct scan *s, struct btz_sink *sink)
{
    for (size_t i = 0; i < s->settings->uncovered_count; i++) {
        const struct btz_coverage c = { .practice = s->settings->uncovered[i].practice,
                                        .asset = s->settings->uncovered[i].asset,
                                        .unit = "assets",
                                        .planned = 1,
                                        .skipped = 1 };

        btz_log(s->o->log, BTZ_LOG_WARN,
                "%s \"%s\": not evaluated, no practice of this build looks at it", c.asset.kind,
                c.asset.name);
        BTZ_TRY(sink->coverage(sink, &c));
    }
    return BTZ_OK;
}

static enum btz_err run_practices(struct scan *s, void *const *plans)
{
    struct btz_sink *to[2] = { btz_results_sink(s->results), &s->to_ledger.sink };
    struct forward f = { .o = s->o };

    btz_tee_init(&f.tee, to, BTZ_COUNT(to));
    f.tee.sink.progress = on_progress;
    for (size_t i = 0; btz_practices[i]; i++) {
        enum btz_err err;

        if (!plans[i])
            continue;
        err = btz_practices[i]->run(plans[i], &s->ctx, &f.tee.sink);
        if (err != BTZ_OK && s->out->practice == BTZ_OK) {
            s->out->practice = err;
            snprintf(s->out->practice_detail, sizeof s->out->practice_detail, "%s",
                     btz_error_detail());
        }
    }
    return uncovered_assets(s, &f.tee.sink);
}

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static enum btz_err add_forecast(const struct btz_practice_ops *practice,
                                 const struct btz_forecast *f, json_t *list)
{
    json_t *details = NULL,
           *o = json_pack("{s:s, s:I, s:o, s:o, s:o}", "practice", practice->name, "requests",
                          (json_int_t)f->requests, "seconds", number(f->seconds), "cost",
                          number(f->cost), "text", btz_json_text(btz_str(f->text ? f->text : "")));

    if (f->json)
        BTZ_TRY(btz_json_parse(btz_str(f->json), strlen(f->json), "a forecast", &details));
    if ((details && json_object_update_new(o, details)) || json_array_append_new(list, o))
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

static enum btz_err print_forecasts(struct scan *s, const struct btz_buf *text, json_t *list)
{
    BTZ_BUF_RELEASE struct btz_buf json = BTZ_BUF(16u << 20);
    BTZ_JSON json_t *all = json_pack("{s:O}", "forecasts", list);

    if (!s->o->dry_run || !s->o->forecast_json)
        return s->o->print(s->o->user, btz_buf_slice(text));
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_json_write(all, true, &json));
    BTZ_TRY(btz_buf_add_byte(&json, '\n'));
    return s->o->print(s->o->user, btz_buf_slice(&json));
}

/* A prediction that cannot be made does not keep the others from it; the first error is returned at the end. */
static void predict(struct scan *s, const struct btz_practice_ops *practice, void *plan,
                    struct btz_forecast *f, enum btz_err *first)
{
    enum btz_err err;

    if (!s->o->dry_run || !practice->predict)
        return;
    err = practice->predict(plan, &s->ctx, &s->arena, f);
    if (err == BTZ_OK || *first != BTZ_OK)
        return;
    *first = err;
    snprintf(s->out->practice_detail, sizeof s->out->practice_detail, "%s", btz_error_detail());
}

static enum btz_err make_plans(struct scan *s, void **plans)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1u << 20);
    BTZ_JSON json_t *list = json_array();
    enum btz_err first = BTZ_OK;

    for (size_t i = 0; btz_practices[i]; i++) {
        const void *conf = btz_settings_practice(s->settings, btz_practices[i]);
        struct btz_forecast forecast = { 0 };

        if (!conf)
            continue;
        BTZ_TRY(btz_practices[i]->plan(conf, &s->ctx, &s->arena, &plans[i], &forecast));
        predict(s, btz_practices[i], plans[i], &forecast, &first);
        BTZ_TRY(add_forecast(btz_practices[i], &forecast, list));
        BTZ_TRY(btz_buf_printf(&text, "%s: %s", btz_practices[i]->name,
                               forecast.text ? forecast.text : "\n"));
    }
    if (text.len == 0)
        return btz_fail(
            BTZ_USAGE,
            "nothing to scan: the configuration names no practice (add a `redteam:` section, or "
            "run `bartizan init`)");
    BTZ_TRY(print_forecasts(s, &text, list));
    return first == BTZ_OK ? BTZ_OK : btz_fail(first, "%s", s->out->practice_detail);
}

/* ---- ledger ---- */

static enum btz_err open_ledger(struct scan *s)
{
    BTZ_BUF_RELEASE struct btz_buf path = BTZ_BUF(4096);
    const char *dir;

    BTZ_TRY(btz_buf_printf(&path, "%s/ledger", s->o->state_dir));
    BTZ_TRY(btz_buf_cstr(&path, &dir));
    BTZ_TRY(btz_ledger_open_own(dir, &s->ledger));
    btz_ledger_sink_init(&s->to_ledger, s->ledger, s->out->run_id);
    return BTZ_OK;
}

/* ---- reports ---- */

/* Results drop evidence when there is too much of it; the store has all. */
static bool find_evidence(void *user, const uint8_t sha256[BTZ_SHA256_LEN], struct btz_buf *out)
{
    return btz_ledger_get_evidence(user, sha256, out) == BTZ_OK;
}

static enum btz_err write_report(struct scan *s, const struct btz_run *run, const char *format,
                                 const char *path, unsigned mode)
{
    const struct btz_report_format *f = btz_report_format_find(format);
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(REPORT_MAX);

    if (!f)
        return btz_fail(BTZ_USAGE, "unknown report format \"%s\"", format);
    BTZ_TRY(f->write(run, &text));
    if (!path || strcmp(path, "-") == 0)
        return s->o->print(s->o->user, btz_buf_slice(&text));
    return btz_file_write(path, btz_buf_slice(&text), mode);
}

/* Our own comes first and ends the run: an interrupted one has none, so that --resume finds it. One report that cannot be
 * written does not cost the others. */
static enum btz_err write_each(struct scan *s, const struct btz_run *run)
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(4096);
    enum btz_err first = BTZ_OK;
    char detail[1024] = "";
    const char *own;

    if (s->out->complete) {
        BTZ_TRY(run_path(s, s->out->run_id, "report.json", &buf, &own));
        BTZ_TRY(write_report(s, run, "json", own, 0600));
    }
    for (size_t i = 0; i < s->o->report_count; i++) {
        const struct btz_report_wish *wish = &s->o->reports[i];
        enum btz_err err = write_report(s, run, wish->format, wish->path, 0644);

        if (err == BTZ_OK || first != BTZ_OK)
            continue;
        first = err;
        snprintf(detail, sizeof detail, "%s", btz_error_detail());
    }
    return first == BTZ_OK ? BTZ_OK : btz_fail(first, "%s", detail);
}

static bool interrupted(const struct scan *s)
{
    return s->o->stop && *s->o->stop;
}

static enum btz_err write_reports(struct scan *s)
{
    struct btz_hash root = { { 0 } };
    char root_hex[2 * BTZ_SHA256_LEN + 1];
    struct btz_run run = { .id = s->out->run_id,
                           .title = s->settings->title,
                           .version = btz_version(),
                           .started_ms = s->started_ms,
                           .finished_ms = btz_clock_unix_ms(),
                           .seed = s->ctx.seed,
                           .complete = s->out->complete,
                           .failure = interrupted(s) || s->out->practice == BTZ_OK
                                          ? NULL
                                          : s->out->practice_detail,
                           .results = s->results,
                           .past = s->past,
                           .past_count = s->past_count,
                           .ledger_origin = btz_ledger_origin(s->ledger),
                           .ledger_root = root_hex,
                           .ledger_size = btz_ledger_size(s->ledger),
                           .evidence = find_evidence,
                           .evidence_user = s->ledger };

    btz_ledger_root(s->ledger, &root);
    btz_hex(root.b, sizeof root.b, root_hex);
    return write_each(s, &run);
}

static enum btz_err judge_results(struct scan *s)
{
    const struct btz_settings *settings = s->settings;
    size_t expired = 0;

    BTZ_TRY(btz_results_suppress(s->results, settings->suppressions.items,
                                 settings->suppressions.count, btz_clock_unix_ms(), &expired));
    if (expired > 0)
        btz_log(s->o->log, BTZ_LOG_WARN,
                "%zu suppressions are past their date and count for nothing", expired);
    if (s->o->baseline)
        BTZ_TRY(btz_results_baseline(s->results, btz_buf_slice(&s->baseline)));
    btz_results_risk(s->results, -1, NULL, &s->out->risk);
    s->out->failed_at_floor = btz_results_has_failed(s->results, settings->fail_on);
    s->out->over_threshold =
        settings->risk_threshold >= 0 && s->out->risk.score > settings->risk_threshold;
    return BTZ_OK;
}

/* ---- the whole ---- */

/* What a person mistyped is said before the first request, not an hour later. */
static enum btz_err check_wishes(struct scan *s)
{
    const struct btz_conf_list *suppressions = &s->settings->suppressions;

    for (size_t i = 0; i < s->o->report_count; i++)
        if (!btz_report_format_find(s->o->reports[i].format))
            return btz_fail(BTZ_USAGE, "unknown report format \"%s\"", s->o->reports[i].format);
    BTZ_TRY(btz_suppressions_check(suppressions->items, suppressions->count));
    BTZ_TRY(btz_results_new(&s->results));
    if (!s->o->baseline)
        return BTZ_OK;
    s->baseline = BTZ_BUF(REPORT_MAX);
    BTZ_TRY(btz_file_read(s->o->baseline, REPORT_MAX - 1, &s->baseline));
    return btz_results_baseline(s->results, btz_buf_slice(&s->baseline));
}

/* The folder of a new run is new: two runs in one would mix their transcripts. */
static enum btz_err make_folder(struct scan *s)
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(4096);
    char when[BTZ_TIME_TEXT];
    const char *path;

    if (s->o->resume)
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(&buf, "%s/runs", s->o->state_dir));
    BTZ_TRY(btz_buf_cstr(&buf, &path));
    BTZ_TRY(btz_file_mkdirs(path, 0700));
    BTZ_TRY(run_path(s, s->out->run_id, NULL, &buf, &path));
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST
                   ? btz_fail(
                         BTZ_CONFLICT,
                         "run %s: is there already; --resume continues it, --run names another",
                         s->out->run_id)
                   : btz_fail_errno(BTZ_IO, "create folder %s", path);
    btz_time_format(s->started_ms, when);
    BTZ_TRY(run_path(s, s->out->run_id, "started", &buf, &path));
    return btz_file_write(path, btz_str(when), 0600);
}

static enum btz_err begin(struct scan *s, void **plans)
{
    s->ctx = (struct btz_context){ .state_dir = s->o->state_dir,
                                   .settings_file = s->settings->file,
                                   .run_id = s->out->run_id,
                                   .seed = s->o->seed,
                                   .threads = s->o->threads ? s->o->threads : 1,
                                   .resume = s->o->resume,
                                   .stop = s->o->stop,
                                   .log = s->o->log };
    BTZ_TRY(check_wishes(s));
    BTZ_TRY(make_plans(s, plans));
    if (s->o->dry_run)
        return BTZ_OK;
    BTZ_TRY(make_folder(s));
    BTZ_TRY(read_past(s));
    return open_ledger(s);
}

static enum btz_err finish(struct scan *s)
{
    BTZ_BUF_RELEASE struct btz_buf details = BTZ_BUF(4096);

    s->out->complete = !interrupted(s) && s->out->practice == BTZ_OK;
    BTZ_TRY(btz_ledger_sink_flush(&s->to_ledger));
    BTZ_TRY(judge_results(s));
    BTZ_TRY(btz_buf_printf(&details, "{\"complete\":%s,\"risk\":%.2f,\"failed\":%" PRIu64 "}",
                           s->out->complete ? "true" : "false", s->out->risk.score,
                           s->out->risk.failed));
    BTZ_TRY(btz_ledger_sink_event(&s->to_ledger, "run-finished", btz_buf_slice(&details)));
    return write_reports(s);
}

static enum btz_err scan(struct scan *s)
{
    size_t count = 0;
    void **plans;

    while (btz_practices[count])
        count++;
    plans = btz_arena_array(&s->arena, count + 1, sizeof *plans);
    if (!plans)
        return BTZ_LIMIT;
    BTZ_TRY(choose_run(s));
    BTZ_TRY(begin(s, plans));
    if (s->o->dry_run)
        return BTZ_OK;
    BTZ_TRY(btz_ledger_sink_event(&s->to_ledger, s->o->resume ? "run-resumed" : "run-started",
                                  btz_str("")));
    BTZ_TRY(run_practices(s, plans));
    return finish(s);
}

enum btz_err btz_scan(const struct btz_settings *settings, const struct btz_scan_options *options,
                      struct btz_scan_outcome *out)
{
    struct scan s = {
        .settings = settings, .o = options, .out = out, .started_ms = btz_clock_unix_ms()
    };
    enum btz_err err;

    *out = (struct btz_scan_outcome){ .practice = BTZ_OK };
    btz_arena_init(&s.arena, PLAN_CAP);
    err = scan(&s);
    btz_ledger_sink_release(&s.to_ledger);
    btz_ledger_close(s.ledger);
    btz_results_free(s.results);
    btz_buf_release(&s.baseline);
    btz_arena_release(&s.arena);
    return err;
}
