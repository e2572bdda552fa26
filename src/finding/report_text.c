/* The terminal: as wide as it is, colours only when asked for, hostile text escaped. */
#include "finding/report.h"

#define WIDTH_DEFAULT 100
#define WIDTH_MIN     40
#define WIDTH_MAX     400
#define SHOWN_OF_RULE 2  /* the JSON and HTML reports have all */
#define STACKED_BELOW 80 /* narrower terminals get one fact a line */

struct page {
    const struct btz_run *run;
    struct btz_buf *out;
    size_t width, indent, rule_columns;
};

static const char *const severity_colors[BTZ_SEVERITY_COUNT] = {
    [BTZ_SEVERITY_INFO] = "2",    [BTZ_SEVERITY_LOW] = "36",        [BTZ_SEVERITY_MEDIUM] = "33",
    [BTZ_SEVERITY_HIGH] = "1;31", [BTZ_SEVERITY_CRITICAL] = "1;35",
};

static enum btz_err styled(const struct page *p, const char *color, const char *text,
                           size_t columns)
{
    size_t n = strlen(text);

    if (p->run->color)
        BTZ_TRY(btz_buf_printf(p->out, "\x1b[%sm%s\x1b[0m", color, text));
    else
        BTZ_TRY(btz_buf_add_str(p->out, text));
    return btz_buf_printf(p->out, "%*s", n < columns ? (int)(columns - n) : 0, "");
}

static enum btz_err heading(const struct page *p, const char *text, uint64_t count)
{
    char line[64];

    snprintf(line, sizeof line, "%s (%" PRIu64 ")", text, count);
    BTZ_TRY(btz_buf_add_byte(p->out, '\n'));
    BTZ_TRY(styled(p, "1", line, 0));
    return btz_buf_add_byte(p->out, '\n');
}

static enum btz_err wrapped(const struct page *p, size_t indent, struct btz_slice text)
{
    if (text.len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(p->out, "%*s", (int)indent, ""));
    BTZ_TRY(btz_report_wrap(text, p->width, indent, p->out));
    return btz_buf_add_byte(p->out, '\n');
}

static enum btz_err write_head(const struct page *p, const struct btz_risk *risk)
{
    const struct btz_run *run = p->run;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX);
    char started[BTZ_TIME_TEXT], finished[BTZ_TIME_TEXT];

    btz_time_format(run->started_ms, started);
    btz_time_format(run->finished_ms, finished);
    BTZ_TRY(wrapped(p, 0, btz_str(run->title ? run->title : "bartizan report")));
    BTZ_TRY(
        btz_buf_printf(&text, "%.19s to %.19s UTC, seed %" PRIu64, started, finished, run->seed));
    if (run->id)
        BTZ_TRY(btz_buf_printf(&text, ", run %s", run->id));
    if (run->version)
        BTZ_TRY(btz_buf_printf(&text, ", bartizan %s", run->version));
    BTZ_TRY(wrapped(p, 0, btz_buf_slice(&text)));
    if (!run->complete) {
        BTZ_TRY(styled(p, "1;31",
                       run->failure ? "FAILED: these results are partial."
                                    : "INTERRUPTED: these results are partial.",
                       0));
        BTZ_TRY(btz_buf_add_byte(p->out, '\n'));
        if (run->failure)
            BTZ_TRY(wrapped(p, 0, btz_str(run->failure)));
    }
    btz_buf_clear(&text);
    BTZ_TRY(btz_buf_add_str(&text, "Risk "));
    BTZ_TRY(btz_report_score(risk, &text));
    BTZ_TRY(btz_buf_printf(&text,
                           ", %" PRIu64 " failed, %" PRIu64 " not evaluated, %" PRIu64
                           " passed, %" PRIu64 " suppressed",
                           risk->failed, risk->not_evaluated, risk->passed, risk->suppressed));
    return wrapped(p, 0, btz_buf_slice(&text));
}

/* Severity, rule and place in columns, or below each other where the terminal is narrow. */
static enum btz_err write_record(const struct page *p, const struct btz_record *r)
{
    const struct btz_finding *f = &r->finding;
    BTZ_BUF_RELEASE struct btz_buf place = BTZ_BUF(SIZE_MAX), status = BTZ_BUF(SIZE_MAX);
    BTZ_BUF_RELEASE struct btz_buf rate = BTZ_BUF(256);
    bool stacked = p->width < STACKED_BELOW;
    size_t indent = p->indent;

    BTZ_TRY(btz_report_rate(f, &rate));
    BTZ_TRY(btz_report_place(r, &place));
    BTZ_TRY(btz_report_status(r, &status));
    BTZ_TRY(styled(p, severity_colors[f->severity], btz_severity_name(f->severity),
                   stacked ? 0 : indent));
    if (stacked) {
        BTZ_TRY(btz_buf_printf(p->out, "\n%*s%s\n", (int)indent, "", f->rule->id));
        BTZ_TRY(wrapped(p, indent, btz_buf_slice(&rate)));
    } else {
        BTZ_TRY(btz_buf_printf(p->out, "%-*s%s%.*s\n", rate.len ? (int)p->rule_columns : 0,
                               f->rule->id, rate.len ? "  " : "",
                               BTZ_SLICE_ARG(btz_buf_slice(&rate))));
    }
    BTZ_TRY(wrapped(p, indent, btz_buf_slice(&place)));
    BTZ_TRY(wrapped(p, indent, btz_buf_slice(&status)));
    return wrapped(p, indent, btz_str(f->reason));
}

/* The records of one rule that a section lists, in their order: the worst first. */
struct section {
    const struct btz_record *records;
    size_t count;
    enum btz_outcome outcome;
    bool suppressed;
};

static bool is_listed(const struct section *s, size_t i)
{
    return s->records[i].finding.outcome == s->outcome &&
           (s->records[i].status == BTZ_STATUS_SUPPRESSED) == s->suppressed;
}

static bool is_first_of_rule(const struct section *s, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_listed(s, i) && s->records[i].finding.rule == s->records[at].finding.rule)
            return false;
    return true;
}

/* One rule: its worst checks in full, the others as a number. Two hundred ways into one hole are one problem. */
static enum btz_err write_rule(const struct page *p, const struct section *s, size_t at)
{
    const struct btz_rule *rule = s->records[at].finding.rule;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    size_t shown = 0, more = 0;
    uint64_t k = 0, n = 0;

    for (size_t i = at; i < s->count; i++) {
        if (s->records[i].finding.rule != rule || !is_listed(s, i))
            continue;
        if (shown < SHOWN_OF_RULE) {
            BTZ_TRY(write_record(p, &s->records[i]));
            shown++;
            continue;
        }
        more++;
        k += s->records[i].finding.k;
        n += s->records[i].finding.n;
    }
    if (more == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(&text, "and %zu more check%s of this rule", more, more == 1 ? "" : "s"));
    if (n > 0)
        BTZ_TRY(btz_buf_printf(&text, ", %" PRIu64 "/%" PRIu64 " tries", k, n));
    return wrapped(p, p->indent, btz_buf_slice(&text));
}

static enum btz_err write_records(const struct page *p, enum btz_outcome outcome, bool suppressed,
                                  const char *title, uint64_t expected)
{
    struct section s = { .outcome = outcome, .suppressed = suppressed };

    if (expected == 0)
        return BTZ_OK;
    s.records = btz_results_records(p->run->results, &s.count);
    BTZ_TRY(heading(p, title, expected));
    for (size_t i = 0; i < s.count; i++)
        if (is_listed(&s, i) && is_first_of_rule(&s, i))
            BTZ_TRY(write_rule(p, &s, i));
    return BTZ_OK;
}

/* What passed is summed up by rule: hundreds of lines that say nothing was found hide the others. */
static enum btz_err write_passed(const struct page *p, uint64_t expected)
{
    size_t count;
    const struct btz_record *records = btz_results_records(p->run->results, &count);

    if (expected == 0)
        return BTZ_OK;
    BTZ_TRY(heading(p, "Passed", expected));
    for (size_t i = 0, end; i < count; i = end) {
        const struct btz_finding *first = &records[i].finding;
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
        uint64_t k = 0, n = 0;

        end = i + 1;
        if (first->outcome != BTZ_OUTCOME_PASS)
            continue;
        /* Sorted: those of one rule stand together. */
        for (end = i; end < count && strcmp(records[end].finding.rule->id, first->rule->id) == 0;
             end++) {
            k += records[end].finding.k;
            n += records[end].finding.n;
        }
        BTZ_TRY(btz_buf_printf(&text, "%s: %zu check%s", first->rule->id, end - i,
                               end - i == 1 ? "" : "s"));
        if (n > 0)
            BTZ_TRY(btz_buf_printf(&text, ", %" PRIu64 "/%" PRIu64, k, n));
        BTZ_TRY(wrapped(p, p->indent, btz_buf_slice(&text)));
    }
    return BTZ_OK;
}

static enum btz_err write_risk(const struct page *p)
{
    struct btz_risk_part parts[BTZ_RISK_PARTS];
    size_t count = btz_results_risk_parts(p->run->results, -1, NULL, parts), shown = 0;

    while (shown < count && parts[shown].adds >= 0.05)
        shown++;
    if (shown == 0)
        return BTZ_OK;
    BTZ_TRY(heading(p, "Where the risk comes from", shown));
    for (size_t i = 0; i < shown; i++) {
        BTZ_BUF_RELEASE struct btz_buf why = BTZ_BUF(4096);

        BTZ_TRY(btz_buf_printf(&why, "%s ", parts[i].record->finding.rule->id));
        BTZ_TRY(btz_report_risk_part(&parts[i], &why));
        BTZ_TRY(wrapped(p, p->indent, btz_buf_slice(&why)));
    }
    if (shown < count) {
        BTZ_BUF_RELEASE struct btz_buf rest = BTZ_BUF(256);

        BTZ_TRY(btz_buf_printf(&rest, "%zu more rules add less than 0.1 each", count - shown));
        BTZ_TRY(wrapped(p, p->indent, btz_buf_slice(&rest)));
    }
    return BTZ_OK;
}

static enum btz_err write_coverage(const struct page *p)
{
    size_t count;
    const struct btz_coverage *list = btz_results_coverage(p->run->results, &count);

    BTZ_TRY(heading(p, "Coverage", count));
    for (size_t i = 0; i < count; i++) {
        const struct btz_coverage *c = &list[i];
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX);

        BTZ_TRY(btz_buf_printf(&text,
                               "%s of %s: %" PRIu64 " of %" PRIu64 " %s, %" PRIu64
                               " skipped, %" PRIu64 " failed",
                               btz_practice_title(c->practice), c->asset.name, c->done, c->planned,
                               c->unit, c->skipped, c->failed));
        BTZ_TRY(wrapped(p, p->indent, btz_buf_slice(&text)));
    }
    return BTZ_OK;
}

static enum btz_err write_text(const struct btz_run *run, struct btz_buf *out)
{
    struct page p = { .run = run, .out = out, .width = run->width ? run->width : WIDTH_DEFAULT };
    struct btz_risk risk;
    size_t count;
    const struct btz_record *records = btz_results_records(run->results, &count);

    p.width = p.width < WIDTH_MIN ? WIDTH_MIN : p.width > WIDTH_MAX ? WIDTH_MAX : p.width;
    p.indent = p.width < STACKED_BELOW ? 4 : 10;
    for (size_t i = 0; i < count; i++)
        if (strlen(records[i].finding.rule->id) > p.rule_columns)
            p.rule_columns = strlen(records[i].finding.rule->id);
    btz_results_risk(run->results, -1, NULL, &risk);
    BTZ_TRY(write_head(&p, &risk));
    BTZ_TRY(write_records(&p, BTZ_OUTCOME_FAIL, false, "Failed", risk.failed));
    BTZ_TRY(
        write_records(&p, BTZ_OUTCOME_NOT_EVALUATED, false, "Not evaluated", risk.not_evaluated));
    BTZ_TRY(write_records(&p, BTZ_OUTCOME_FAIL, true, "Suppressed", risk.suppressed));
    BTZ_TRY(write_passed(&p, risk.passed));
    BTZ_TRY(write_risk(&p));
    BTZ_TRY(write_coverage(&p));
    if (!run->ledger_root)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_byte(out, '\n'));
    {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX);

        BTZ_TRY(btz_buf_printf(&text, "Ledger %s, size %" PRIu64 ", root %s",
                               run->ledger_origin ? run->ledger_origin : "", run->ledger_size,
                               run->ledger_root));
        return wrapped(&p, 0, btz_buf_slice(&text));
    }
}

const struct btz_report_format btz_report_format_text = {
    .id = "text",
    .title = "Text, for terminals",
    .extension = "txt",
    .write = write_text,
};
