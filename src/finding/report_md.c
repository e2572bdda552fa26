/* GitHub-flavoured Markdown, for pull requests and job summaries. Hostile text is neutral wherever it stands. */
#include "finding/report.h"

static enum btz_err md(const char *text, struct btz_buf *out)
{
    return btz_report_md(btz_str(text), out);
}

/* Numbers hold "<0.1" and brackets. */
static enum btz_err number(enum btz_err written, struct btz_buf *text, struct btz_buf *out)
{
    BTZ_TRY(written);
    BTZ_TRY(btz_report_md(btz_buf_slice(text), out));
    btz_buf_clear(text);
    return BTZ_OK;
}

static enum btz_err write_head(const struct btz_run *run, const struct btz_risk *risk,
                               struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    char started[BTZ_TIME_TEXT], finished[BTZ_TIME_TEXT];

    btz_time_format(run->started_ms, started);
    btz_time_format(run->finished_ms, finished);
    BTZ_TRY(btz_buf_add_str(out, "# "));
    BTZ_TRY(md(run->title ? run->title : "bartizan report", out));
    BTZ_TRY(btz_buf_add_str(out, "\n\n"));
    if (!run->complete && run->failure) {
        BTZ_TRY(btz_buf_add_str(out, "> **The run failed: these results are partial.** "));
        BTZ_TRY(md(run->failure, out));
        BTZ_TRY(btz_buf_add_str(out, "\n\n"));
    } else if (!run->complete)
        BTZ_TRY(
            btz_buf_add_str(out, "> **The run was interrupted: these results are partial.**\n\n"));
    BTZ_TRY(btz_buf_add_str(out, "**Risk "));
    BTZ_TRY(number(btz_report_score(risk, &text), &text, out));
    BTZ_TRY(btz_buf_printf(out,
                           "** - %" PRIu64 " failed, %" PRIu64 " not evaluated, %" PRIu64
                           " passed, %" PRIu64 " suppressed\n\n",
                           risk->failed, risk->not_evaluated, risk->passed, risk->suppressed));
    BTZ_TRY(btz_buf_printf(out, "Run %.19s to %.19s UTC", started, finished));
    if (run->id) {
        BTZ_TRY(btz_buf_add_str(out, ", id "));
        BTZ_TRY(md(run->id, out));
    }
    BTZ_TRY(btz_buf_printf(out, ", seed %" PRIu64, run->seed));
    if (run->version) {
        BTZ_TRY(btz_buf_add_str(out, ", bartizan "));
        BTZ_TRY(md(run->version, out));
    }
    return btz_buf_add_str(out, "\n\n");
}

/* A table of the records of one outcome, those set aside by a suppression or the others. */
static enum btz_err write_table(const struct btz_run *run, enum btz_outcome outcome,
                                bool suppressed, const char *title, struct btz_buf *out)
{
    size_t count;
    const struct btz_record *records = btz_results_records(run->results, &count);
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        const struct btz_record *r = &records[i];
        BTZ_BUF_RELEASE struct btz_buf place = BTZ_BUF(SIZE_MAX), status = BTZ_BUF(SIZE_MAX);
        BTZ_BUF_RELEASE struct btz_buf rate = BTZ_BUF(256);

        if (r->finding.outcome != outcome || (r->status == BTZ_STATUS_SUPPRESSED) != suppressed)
            continue;
        if (!begun)
            BTZ_TRY(btz_buf_printf(out,
                                   "## %s\n\n| Severity | Rule | Where | Measured (95 %% "
                                   "interval) | Remarks |\n| --- | --- | --- | --- | --- |\n",
                                   title));
        begun = true;
        BTZ_TRY(btz_report_place(r, &place));
        BTZ_TRY(btz_report_status(r, &status));
        BTZ_TRY(btz_buf_printf(out, "| %s | %s | ", btz_severity_name(r->finding.severity),
                               r->finding.rule->id));
        BTZ_TRY(btz_report_md(btz_buf_slice(&place), out));
        BTZ_TRY(btz_buf_add_str(out, " | "));
        BTZ_TRY(number(btz_report_rate(&r->finding, &rate), &rate, out));
        BTZ_TRY(btz_buf_add_str(out, " | "));
        BTZ_TRY(btz_report_md(btz_buf_slice(&status), out));
        if (status.len > 0 && r->finding.reason && r->finding.reason[0])
            BTZ_TRY(btz_buf_add_str(out, "; "));
        BTZ_TRY(md(r->finding.reason, out));
        BTZ_TRY(btz_buf_add_str(out, " |\n"));
    }
    return begun ? btz_buf_add_byte(out, '\n') : BTZ_OK;
}

static enum btz_err write_risk(const struct btz_run *run, struct btz_buf *out)
{
    struct btz_risk_part parts[BTZ_RISK_PARTS];
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    size_t count = btz_results_risk_parts(run->results, -1, NULL, parts);

    if (count == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_str(out, "## Where the risk comes from\n\n"));
    for (size_t i = 0; i < count; i++) {
        BTZ_TRY(btz_buf_printf(out, "- %s ", parts[i].record->finding.rule->id));
        BTZ_TRY(number(btz_report_risk_part(&parts[i], &text), &text, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return btz_buf_add_byte(out, '\n');
}

/* A fence no run of backticks inside can close. */
static enum btz_err write_fenced(struct btz_slice text, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(SIZE_MAX);
    size_t longest = 2, now = 0;

    BTZ_TRY(btz_utf8_printable(text, true, &shown));
    for (size_t i = 0; i < shown.len; i++) {
        now = shown.ptr[i] == '`' ? now + 1 : 0;
        if (now > longest)
            longest = now;
    }
    for (size_t i = 0; i <= longest; i++)
        BTZ_TRY(btz_buf_add_byte(out, '`'));
    BTZ_TRY(btz_buf_add_str(out, "text\n"));
    BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&shown)));
    if (shown.len > 0 && shown.ptr[shown.len - 1] != '\n')
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    for (size_t i = 0; i <= longest; i++)
        BTZ_TRY(btz_buf_add_byte(out, '`'));
    return btz_buf_add_byte(out, '\n');
}

#define EVIDENCE_SHOWN   20   /* findings whose first evidence is shown: a comment has its limits */
#define EVIDENCE_EXCERPT 2000 /* bytes of it */

static enum btz_err write_evidence(const struct btz_run *run, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf storage = BTZ_BUF((size_t)16 << 20);
    size_t count, shown = 0;
    const struct btz_record *records = btz_results_records(run->results, &count);

    for (size_t i = 0; i < count && shown < EVIDENCE_SHOWN; i++) {
        const struct btz_record *r = &records[i];
        BTZ_BUF_RELEASE struct btz_buf place = BTZ_BUF(SIZE_MAX);
        struct btz_slice bytes;

        if (r->finding.outcome != BTZ_OUTCOME_FAIL || r->status == BTZ_STATUS_SUPPRESSED ||
            r->finding.evidence_count == 0 ||
            !btz_report_evidence(run, &r->finding.evidence[0], &storage, &bytes))
            continue;
        if (shown++ == 0)
            BTZ_TRY(btz_buf_add_str(out, "## Evidence\n\n"));
        BTZ_TRY(btz_report_place(r, &place));
        BTZ_TRY(btz_buf_printf(out, "<details><summary>%s, ", r->finding.rule->id));
        BTZ_TRY(btz_report_md(btz_buf_slice(&place), out));
        BTZ_TRY(btz_buf_add_str(out, "</summary>\n\n"));
        BTZ_TRY(write_fenced(btz_slice_sub(bytes, 0, EVIDENCE_EXCERPT), out));
        if (bytes.len > EVIDENCE_EXCERPT)
            BTZ_TRY(
                btz_buf_printf(out, "\nThe first %d of %zu bytes.\n", EVIDENCE_EXCERPT, bytes.len));
        BTZ_TRY(btz_buf_add_str(out, "\n</details>\n\n"));
    }
    return BTZ_OK;
}

static enum btz_err write_coverage(const struct btz_run *run, struct btz_buf *out)
{
    size_t count;
    const struct btz_coverage *list = btz_results_coverage(run->results, &count);

    if (count == 0)
        return btz_buf_add_str(out, "## Coverage\n\nNothing was recorded.\n");
    BTZ_TRY(btz_buf_add_str(out, "## Coverage\n\n| Practice | Asset | Unit | Planned | Done | "
                                 "Skipped | Failed |\n| --- | --- | --- | --: | --: | --: | --: "
                                 "|\n"));
    for (size_t i = 0; i < count; i++) {
        const struct btz_coverage *c = &list[i];

        BTZ_TRY(btz_buf_printf(out, "| %s | ", btz_practice_title(c->practice)));
        BTZ_TRY(md(c->asset.name, out));
        BTZ_TRY(btz_buf_add_str(out, " | "));
        BTZ_TRY(md(c->unit, out));
        BTZ_TRY(btz_buf_printf(out, " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " |\n",
                               c->planned, c->done, c->skipped, c->failed));
    }
    return BTZ_OK;
}

static enum btz_err write_md(const struct btz_run *run, struct btz_buf *out)
{
    struct btz_risk risk;

    btz_results_risk(run->results, -1, NULL, &risk);
    BTZ_TRY(write_head(run, &risk, out));
    BTZ_TRY(write_table(run, BTZ_OUTCOME_FAIL, false, "Failed", out));
    BTZ_TRY(write_risk(run, out));
    BTZ_TRY(write_table(run, BTZ_OUTCOME_NOT_EVALUATED, false, "Not evaluated", out));
    BTZ_TRY(write_table(run, BTZ_OUTCOME_FAIL, true, "Suppressed", out));
    BTZ_TRY(write_table(run, BTZ_OUTCOME_PASS, false, "Passed", out));
    BTZ_TRY(write_evidence(run, out));
    BTZ_TRY(write_coverage(run, out));
    if (!run->ledger_root)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_str(out, "\nLedger "));
    BTZ_TRY(md(run->ledger_origin, out));
    BTZ_TRY(btz_buf_printf(out, ", size %" PRIu64 ", root ", run->ledger_size));
    BTZ_TRY(md(run->ledger_root, out));
    return btz_buf_add_byte(out, '\n');
}

const struct btz_report_format btz_report_format_md = {
    .id = "md",
    .title = "Markdown, for pull requests and job summaries",
    .extension = "md",
    .write = write_md,
};
