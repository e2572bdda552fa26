/*
 * JUnit XML, as CI systems read it: a suite for each asset, a case for each finding. Only failures that count against
 * the build are failures: what is suppressed, known from the baseline or was not evaluated is skipped with its reason.
 */
#include "finding/report.h"

static bool is_failure(const struct btz_record *r)
{
    return r->finding.outcome == BTZ_OUTCOME_FAIL &&
           (r->status == BTZ_STATUS_OPEN || r->status == BTZ_STATUS_WORSE);
}

static bool is_skipped(const struct btz_record *r)
{
    return r->finding.outcome != BTZ_OUTCOME_PASS && !is_failure(r);
}

static enum btz_err attribute(const char *name, struct btz_slice value, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, " %s=\"", name));
    BTZ_TRY(btz_report_xml(value, out));
    return btz_buf_add_byte(out, '"');
}

/* "Title: 7/20 35% [15-59]" */
static enum btz_err headline(const struct btz_finding *f, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf rate = BTZ_BUF(256);

    BTZ_TRY(btz_report_rate(f, &rate));
    BTZ_TRY(btz_buf_add_str(out, f->rule->title));
    return rate.len == 0 ? BTZ_OK
                         : btz_buf_printf(out, ": %.*s", BTZ_SLICE_ARG(btz_buf_slice(&rate)));
}

static enum btz_err line(const char *label, struct btz_slice text, struct btz_buf *out)
{
    if (text.len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(out, "%s: ", label));
    BTZ_TRY(btz_report_xml(text, out));
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err write_failure(const struct btz_record *r, struct btz_buf *out)
{
    const struct btz_finding *f = &r->finding;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX), status = BTZ_BUF(SIZE_MAX);
    char hex[2 * BTZ_SHA256_LEN + 1];

    BTZ_TRY(headline(f, &text));
    BTZ_TRY(btz_report_status(r, &status));
    BTZ_TRY(btz_buf_add_str(out, "      <failure"));
    BTZ_TRY(attribute("type", btz_str(btz_severity_name(f->severity)), out));
    BTZ_TRY(attribute("message", btz_buf_slice(&text), out));
    BTZ_TRY(btz_buf_add_byte(out, '>'));
    BTZ_TRY(line("reason", btz_str(f->reason), out));
    BTZ_TRY(line("status", btz_buf_slice(&status), out));
    BTZ_TRY(line("fingerprint", btz_str(r->fingerprint), out));
    for (size_t i = 0; i < f->evidence_count; i++) {
        btz_hex(f->evidence[i].sha256, BTZ_SHA256_LEN, hex);
        BTZ_TRY(line("evidence sha256", btz_str(hex), out));
    }
    BTZ_TRY(btz_buf_printf(out, "more: bartizan explain %s\n", f->rule->id));
    return btz_buf_add_str(out, "</failure>\n");
}

static enum btz_err write_skipped(const struct btz_record *r, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf why = BTZ_BUF(SIZE_MAX);

    if (r->finding.outcome == BTZ_OUTCOME_NOT_EVALUATED) {
        BTZ_TRY(btz_buf_add_str(&why, "not evaluated: "));
        BTZ_TRY(btz_buf_add_str(&why, r->finding.reason ? r->finding.reason : "no reason given"));
    } else {
        BTZ_TRY(headline(&r->finding, &why));
        BTZ_TRY(btz_buf_add_str(&why, "; "));
        BTZ_TRY(btz_report_status(r, &why));
    }
    BTZ_TRY(btz_buf_add_str(out, "      <skipped"));
    BTZ_TRY(attribute("message", btz_buf_slice(&why), out));
    return btz_buf_add_str(out, "/>\n");
}

static enum btz_err write_case(const struct btz_record *r, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "    <testcase"));
    BTZ_TRY(attribute("classname", btz_str(r->finding.rule->id), out));
    BTZ_TRY(attribute(
        "name", btz_str(r->finding.location[0] ? r->finding.location : r->finding.rule->title),
        out));
    BTZ_TRY(btz_buf_add_str(out, " time=\"0\""));
    if (r->finding.outcome == BTZ_OUTCOME_PASS)
        return btz_buf_add_str(out, "/>\n");
    BTZ_TRY(btz_buf_add_str(out, ">\n"));
    BTZ_TRY(is_failure(r) ? write_failure(r, out) : write_skipped(r, out));
    return btz_buf_add_str(out, "    </testcase>\n");
}

static bool is_of(const struct btz_record *r, const struct btz_asset *asset)
{
    return strcmp(r->finding.asset.name, asset->name) == 0 &&
           strcmp(r->finding.asset.kind, asset->kind) == 0;
}

static enum btz_err write_suite(const struct btz_run *run, const struct btz_report_asset *asset,
                                struct btz_buf *out)
{
    size_t count, tests = 0, failures = 0, skipped = 0;
    const struct btz_record *records = btz_results_records(run->results, &count);
    char started[BTZ_TIME_TEXT];

    for (size_t i = 0; i < count; i++) {
        if (!is_of(&records[i], &asset->asset))
            continue;
        tests++;
        failures += is_failure(&records[i]);
        skipped += is_skipped(&records[i]);
    }
    if (tests == 0)
        return BTZ_OK;
    btz_time_format(run->started_ms, started);
    BTZ_TRY(btz_buf_add_str(out, "  <testsuite"));
    BTZ_TRY(attribute("name", btz_str(asset->id), out));
    BTZ_TRY(btz_buf_printf(out,
                           " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" "
                           "time=\"0\" timestamp=\"%.19s\">\n",
                           tests, failures, skipped, started));
    for (size_t i = 0; i < count; i++)
        if (is_of(&records[i], &asset->asset))
            BTZ_TRY(write_case(&records[i], out));
    return btz_buf_add_str(out, "  </testsuite>\n");
}

static enum btz_err write_head(const struct btz_run *run, struct btz_buf *out)
{
    size_t count, failures = 0, skipped = 0, errors = run->complete ? 0 : 1;
    const struct btz_record *records = btz_results_records(run->results, &count);
    uint64_t ms = run->finished_ms > run->started_ms ? run->finished_ms - run->started_ms : 0;

    for (size_t i = 0; i < count; i++) {
        failures += is_failure(&records[i]);
        skipped += is_skipped(&records[i]);
    }
    BTZ_TRY(btz_buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites"));
    BTZ_TRY(attribute("name", btz_str(run->title ? run->title : "bartizan"), out));
    BTZ_TRY(btz_buf_printf(out,
                           " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" "
                           "time=\"%" PRIu64 ".%03" PRIu64 "\">\n",
                           count + errors, failures, errors, skipped, ms / 1000, ms % 1000));
    if (run->complete)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_str(
        out, "  <testsuite name=\"run\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" "
             "time=\"0\">\n"
             "    <testcase classname=\"bartizan\" name=\"the run was complete\" time=\"0\">\n"
             "      <error type=\"incomplete\""));
    BTZ_TRY(attribute(
        "message",
        btz_str(run->failure ? run->failure : "The run was interrupted: its results are partial."),
        out));
    return btz_buf_add_str(out, "/>\n"
                                "    </testcase>\n"
                                "  </testsuite>\n");
}

static enum btz_err write_junit(const struct btz_run *run, struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_report_assets assets;

    btz_arena_init(&arena, (size_t)256 << 20);
    BTZ_TRY(btz_report_assets(run->results, &arena, &assets));
    BTZ_TRY(write_head(run, out));
    for (size_t i = 0; i < assets.count; i++)
        BTZ_TRY(write_suite(run, &assets.list[i], out));
    return btz_buf_add_str(out, "</testsuites>\n");
}

const struct btz_report_format btz_report_format_junit = {
    .id = "junit",
    .title = "JUnit XML, for CI systems",
    .extension = "xml",
    .write = write_junit,
};
