/*
 * One self-contained page: no script, no address of anything outside, readable on a phone, in the dark, on paper and
 * by a screen reader. Everything that came from a target is escaped; its policy forbids the page to load anything and
 * allows one style, by its digest.
 */
#include <math.h>
#include <stdlib.h>

#include "finding/html.h"

/* ---- what the page is about ---- */

static struct btz_html_rule *rule_slot(struct btz_html *p, const struct btz_rule *rule)
{
    for (size_t i = 0; i < p->rule_count; i++)
        if (strcmp(p->rules[i].rule->id, rule->id) == 0)
            return &p->rules[i];
    p->rules[p->rule_count].rule = rule;
    return &p->rules[p->rule_count++];
}

/* Of two failing checks the one with more points, of two passed ones the one that leaves more room. */
static bool is_worse(const struct btz_record *a, const struct btz_record *than)
{
    if (!than)
        return true;
    if (a->finding.outcome != than->finding.outcome)
        return a->finding.outcome == BTZ_OUTCOME_FAIL;
    if (a->finding.outcome == BTZ_OUTCOME_FAIL)
        return a->risk > than->risk;
    return a->finding.n > 0 && (than->finding.n == 0 || a->finding.ci_high > than->finding.ci_high);
}

static void count_record(struct btz_html *p, const struct btz_record *r)
{
    struct btz_html_rule *rule = rule_slot(p, r->finding.rule);

    if (r->finding.outcome == BTZ_OUTCOME_NOT_EVALUATED) {
        rule->not_evaluated++;
        return;
    }
    if (r->finding.outcome == BTZ_OUTCOME_PASS) {
        rule->passed++;
    } else if (r->status == BTZ_STATUS_SUPPRESSED) {
        rule->suppressed++;
        return;
    } else {
        rule->failed++;
        if (r->finding.severity > rule->severity)
            rule->severity = r->finding.severity;
    }
    rule->k += r->finding.n > 0 ? r->finding.k : 0;
    rule->n += r->finding.n;
    if (is_worse(r, rule->worst))
        rule->worst = r;
}

static int by_points(const void *x, const void *y)
{
    const struct btz_html_rule *a = x, *b = y;
    int order = (b->failed > 0) - (a->failed > 0);

    if (order == 0 && a->failed > 0) {
        order = (b->worst->risk > a->worst->risk) - (b->worst->risk < a->worst->risk);
        if (order == 0)
            order = (int)b->severity - (int)a->severity;
    }
    return order ? order : strcmp(a->rule->id, b->rule->id);
}

static enum btz_err gather(const struct btz_run *run, struct btz_html *p)
{
    p->run = run;
    p->records = btz_results_records(run->results, &p->count);
    btz_results_risk(run->results, -1, NULL, &p->risk);
    p->rules = calloc(p->count + 1, sizeof *p->rules);
    if (!p->rules)
        return btz_fail(BTZ_LIMIT, "out of memory for the report");
    p->only = p->count > 0 ? &p->records[0].finding.asset : NULL;
    for (size_t i = 0; i < p->count; i++) {
        const struct btz_asset *asset = &p->records[i].finding.asset;

        if (p->only &&
            (strcmp(asset->name, p->only->name) != 0 || strcmp(asset->kind, p->only->kind) != 0))
            p->only = NULL;
        count_record(p, &p->records[i]);
    }
    qsort(p->rules, p->rule_count, sizeof *p->rules, by_points);
    return BTZ_OK;
}

/* ---- top ---- */

static enum btz_err head(struct btz_buf *out, const struct btz_run *run)
{
    uint8_t digest[BTZ_SHA256_LEN];

    btz_sha256(btz_str(btz_html_style), digest);
    ADD("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; "
        "style-src &#39;sha256-");
    BTZ_TRY(btz_base64_encode(btz_slice_of(digest, sizeof digest), out));
    ADD("&#39;; img-src data:; base-uri &#39;none&#39;; form-action &#39;none&#39;\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    if (run->title && run->title[0]) {
        TEXT(run->title);
        ADD(" &ndash; ");
    }
    ADD("bartizan report</title>\n<style>");
    ADD(btz_html_style);
    return btz_buf_add_str(out, "</style>\n</head>\n<body>\n<a class=\"skip\" "
                                "href=\"#summary\">Skip to the summary</a>\n");
}

static enum btz_err duration(struct btz_buf *out, uint64_t ms)
{
    if (ms < 120000)
        return btz_buf_printf(out, "%.1f s", (double)ms / 1000);
    if (ms < 7200000)
        return btz_buf_printf(out, "%.0f min", (double)ms / 60000);
    return btz_buf_printf(out, "%.1f h", (double)ms / 3600000);
}

static enum btz_err intro(struct btz_buf *out, const struct btz_run *run)
{
    char started[BTZ_TIME_TEXT];

    btz_time_format(run->started_ms, started);
    ADD("<header><p class=\"brand\">bartizan security report</p>\n<h1><bdi>");
    TEXT(run->title && run->title[0] ? run->title : "Security report");
    ADDF("</bdi></h1>\n<p class=\"soft\">%.10s %.8s UTC", started, started + 11);
    if (run->finished_ms > run->started_ms) {
        ADD(", took ");
        BTZ_TRY(duration(out, run->finished_ms - run->started_ms));
    }
    if (run->id) {
        ADD(" &middot; run <code>");
        TEXT(run->id);
        ADD("</code>");
    }
    ADDF(" &middot; seed %" PRIu64, run->seed);
    if (run->version) {
        ADD(" &middot; bartizan ");
        TEXT(run->version);
    }
    ADD("</p>\n");
    if (!run->complete && run->failure) {
        ADD("<p class=\"card warn\"><strong>This run failed.</strong> What was not asked is listed "
            "as not evaluated, never as passed. ");
        TEXT(run->failure);
        ADD("</p>\n");
    } else if (!run->complete)
        ADD("<p class=\"card warn\"><strong>This run did not finish.</strong> What was not asked "
            "is "
            "listed as not evaluated, never as passed, and the score may still rise. Continue with "
            "<code>bartizan scan --resume</code>.</p>\n");
    return btz_buf_add_str(out, "</header>\n");
}

/* ---- summary ---- */

#define WORST_SHOWN 5

/* Settings and files are looked at, not counted: then no interval is spoken of. */
static bool has_rates(const struct btz_html *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->records[i].finding.n > 0 || !isnan(p->records[i].finding.ci_low))
            return true;
    return false;
}

static enum btz_err score_box(struct btz_buf *out, const struct btz_html *p)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(256);
    const struct btz_risk *r = &p->risk;

    if (r->failed + r->passed == 0)
        return btz_buf_add_str(out, "<div class=\"score\"><p class=\"number\">?</p><p>Nothing was "
                                    "evaluated, so there is no risk score.</p></div>\n");
    BTZ_TRY(btz_report_percent(r->score / 100, false, &text));
    ADDF("<div class=\"score\"><p class=\"number %s\"><span class=\"hidden\">Risk score "
         "</span>%.*s<small> of 100</small></p>",
         btz_risk_band(r->score), BTZ_SLICE_ARG(btz_buf_slice(&text)));
    BTZ_TRY(btz_chart_bands(out, r));
    ADDF("<p class=\"soft\">Risk: <strong>%s</strong>.", btz_risk_band(r->score));
    if (!has_rates(p))
        return btz_buf_add_str(out, "</p></div>\n");
    ADD(" The measured intervals allow ");
    BTZ_TRY(btz_report_percent(r->low / 100, false, out));
    ADD(" to ");
    BTZ_TRY(btz_report_percent(r->high / 100, false, out));
    return btz_buf_add_str(out, ".</p></div>\n");
}

static enum btz_err worst_rule(struct btz_buf *out, const struct btz_html *p,
                               const struct btz_html_rule *rule)
{
    const struct btz_finding *f = &rule->worst->finding;

    ADD("<li><div>");
    BTZ_TRY(btz_html_rule_name(out, rule));
    ADD("<span class=\"where\">");
    BTZ_TRY(btz_html_place(out, p, rule->worst));
    if (rule->failed > 1)
        ADDF(" and %zu more %s", rule->failed - 1, rule->failed == 2 ? "way" : "ways");
    ADD("</span></div><div><span class=\"rate\">");
    BTZ_TRY(btz_html_rate(out, f));
    ADD("</span>");
    if (f->n > 0)
        BTZ_TRY(btz_chart_rate(out, f, btz_severity_name(f->severity)));
    return btz_buf_add_str(out, "</div></li>\n");
}

/* Nothing failed: how much that says. */
static enum btz_err all_passed(struct btz_buf *out, const struct btz_html *p)
{
    double most = NAN;

    if (p->risk.passed == 0)
        return btz_buf_add_str(out, "<p class=\"lead\">Nothing was evaluated: this report says "
                                    "nothing about the system.</p>");
    ADD("<p class=\"lead\">No check failed.</p><p>That is no proof of safety. ");
    for (size_t i = 0; i < p->rule_count; i++)
        if (p->rules[i].worst && p->rules[i].worst->finding.n > 0 &&
            !isnan(p->rules[i].worst->finding.ci_high))
            most = fmax(p->rules[i].worst->finding.ci_high, isnan(most) ? 0 : most);
    if (!isnan(most))
        ADDF("The check with the fewest tries still allows a success rate of up to %.0f%%. ",
             100 * most);
    return btz_buf_add_str(out, "More tries narrow the intervals.</p>");
}

static enum btz_err verdict(struct btz_buf *out, const struct btz_html *p)
{
    size_t failed = 0, evaluated = 0, not_evaluated = 0;

    for (size_t i = 0; i < p->rule_count; i++) {
        const struct btz_html_rule *r = &p->rules[i];

        failed += r->failed > 0;
        evaluated += r->failed + r->passed > 0;
        not_evaluated += r->failed + r->passed == 0 && r->not_evaluated > 0;
    }
    if (failed == 0)
        return all_passed(out, p);
    ADDF("<p class=\"lead\">%zu of %zu %s failed", failed, evaluated,
         evaluated == 1 ? "rule" : "rules");
    if (p->only) {
        ADD(" on <bdi>");
        TEXT(p->only->name);
        ADD("</bdi>");
    }
    ADD(".");
    if (not_evaluated > 0)
        ADDF(" %zu more could not be evaluated.", not_evaluated);
    ADDF("%s</p><ol class=\"worst\">\n", failed > 1 ? " The worst first:" : "");
    for (size_t i = 0; i < failed && i < WORST_SHOWN; i++)
        BTZ_TRY(worst_rule(out, p, &p->rules[i]));
    ADD("</ol>");
    if (failed > WORST_SHOWN)
        ADDF("<p><a href=\"#findings\">All %zu failed rules</a></p>", failed);
    return BTZ_OK;
}

static enum btz_err tile(struct btz_buf *out, uint64_t count, const char *label, const char *css)
{
    return btz_buf_printf(out, "<li%s%s%s><b>%" PRIu64 "</b> %s</li>", count ? " class=\"" : "",
                          count ? css : "", count ? "\"" : "", count, label);
}

static enum btz_err summary(struct btz_buf *out, const struct btz_html *p)
{
    const struct btz_risk *r = &p->risk;
    size_t known = 0, worse = 0;

    for (size_t i = 0; i < p->count; i++) {
        known += p->records[i].status == BTZ_STATUS_BASELINE;
        worse += p->records[i].status == BTZ_STATUS_WORSE;
    }
    ADD("<div class=\"card top\">\n");
    BTZ_TRY(score_box(out, p));
    ADD("<div>");
    BTZ_TRY(verdict(out, p));
    ADD("</div></div>\n<ul class=\"tiles\" aria-label=\"Checks\">");
    for (int s = BTZ_SEVERITY_CRITICAL; s >= 0; s--)
        if (s >= BTZ_SEVERITY_LOW || r->failed_by_severity[s] > 0)
            BTZ_TRY(tile(out, r->failed_by_severity[s], btz_severity_name((enum btz_severity)s),
                         btz_severity_name((enum btz_severity)s)));
    BTZ_TRY(tile(out, r->passed, "passed", "none"));
    BTZ_TRY(tile(out, r->not_evaluated, "not evaluated", "open"));
    if (r->suppressed > 0)
        BTZ_TRY(tile(out, r->suppressed, "suppressed", "open"));
    ADD("</ul>\n<p class=\"soft\">");
    if (has_rates(p))
        ADD("Checks: one attack technique, in one disguise, against one asset. "
            "Brackets hold the 95% interval of a rate.");
    else
        ADD("Checks: one rule, in one place.");
    if (known + worse > 0)
        ADDF(" Against the baseline: %zu known, %zu significantly worse.", known, worse);
    return btz_buf_add_str(out, "</p>\n");
}

/* ---- sections ---- */

static enum btz_err not_evaluated(struct btz_buf *out, const struct btz_html *p)
{
    return btz_html_checks(out, p, BTZ_OUTCOME_NOT_EVALUATED, false);
}

static enum btz_err suppressed(struct btz_buf *out, const struct btz_html *p)
{
    return btz_html_checks(out, p, BTZ_OUTCOME_FAIL, true);
}

static enum btz_err passed(struct btz_buf *out, const struct btz_html *p)
{
    return btz_html_checks(out, p, BTZ_OUTCOME_PASS, false);
}

static enum btz_err reading(struct btz_buf *out, const struct btz_html *p)
{
    const struct btz_run *run = p->run;

    ADD("<div class=\"card\"><ul><li>A rate is k successes of the attack, or hits, in n tries that "
        "got an answer. Brackets hold its 95% interval; tries of one prompt count as related. The "
        "worst of many checks is partly the unluckiest one: look at the ticks beside it.</li>"
        "<li>Points of a check: the weight of its severity (info 1, low 10, medium 35, high 70, "
        "critical 100) times the chance that one of ten tries succeeds, averaged over both ends of "
        "the interval. A single success counts less than a hundred.</li>"
        "<li>A check that did not run is not evaluated, never passed. What is suppressed does not "
        "count; what a baseline knows does.</li>"
        "<li>Text from targets is shown as text: nothing in it is live, and invisible characters "
        "appear as codes such as <code>\\u202e</code>.</li>");
    if (run->ledger_root) {
        ADD("<li>Recorded in the ledger");
        if (run->ledger_origin) {
            ADD(" <code>");
            TEXT(run->ledger_origin);
            ADD("</code>");
        }
        ADDF(", %" PRIu64 " entries, root <code>", run->ledger_size);
        TEXT(run->ledger_root);
        ADD("</code>. <code>bartizan ledger verify</code> shows that nothing was changed "
            "since.</li>");
    }
    return btz_buf_add_str(out, "</ul></div>\n");
}

static const struct section {
    const char *id, *title;
    enum btz_err (*write)(struct btz_buf *, const struct btz_html *);
} sections[] = {
    { "summary", "Summary", summary },
    { "measurements", "Measurements", btz_html_figures },
    { "trend", "Trend", btz_html_trend },
    { "rates", "Success rates", btz_html_rates },
    { "findings", "Findings", btz_html_findings },
    { "sources", "Where the risk comes from", btz_html_sources },
    { "practices", "Risk by practice", btz_html_practices },
    { "frameworks", "Risk by reference framework", btz_html_frameworks },
    { "not-evaluated", "Not evaluated", not_evaluated },
    { "suppressed", "Suppressed", suppressed },
    { "passed", "Passed", passed },
    { "coverage", "Coverage", btz_html_coverage },
    { "reading", "How to read this", reading },
};

static enum btz_err body(struct btz_buf *out, const struct btz_html *p)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(out->max), all = BTZ_BUF(out->max);

    ADD("<nav aria-label=\"Sections\"><ul>");
    for (size_t i = 0; i < BTZ_COUNT(sections); i++) {
        const struct section *s = &sections[i];

        btz_buf_clear(&text);
        BTZ_TRY(s->write(&text, p));
        if (text.len == 0)
            continue;
        ADDF("<li><a href=\"#%s\">%s</a></li>", s->id, s->title);
        BTZ_TRY(btz_buf_printf(&all,
                               "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\" "
                               "tabindex=\"-1\">%s</h2>\n",
                               s->id, s->id, s->title));
        BTZ_TRY(btz_buf_add_slice(&all, btz_buf_slice(&text)));
        BTZ_TRY(btz_buf_add_str(&all, "</section>\n"));
    }
    ADD("</ul></nav>\n<main>\n");
    BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&all)));
    return btz_buf_add_str(out, "</main>\n");
}

static enum btz_err write_page(struct btz_buf *out, const struct btz_html *p)
{
    BTZ_TRY(head(out, p->run));
    BTZ_TRY(intro(out, p->run));
    BTZ_TRY(body(out, p));
    return btz_buf_add_str(out, "</body>\n</html>\n");
}

static enum btz_err write_html(const struct btz_run *run, struct btz_buf *out)
{
    struct btz_html p = { 0 };
    enum btz_err err = gather(run, &p);

    if (err == BTZ_OK)
        err = write_page(out, &p);
    free(p.rules);
    return err;
}

const struct btz_report_format btz_report_format_html = {
    .id = "html",
    .title = "One self-contained page for people",
    .extension = "html",
    .write = write_html,
};
