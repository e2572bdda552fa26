/*
 * One self-contained page: no script, no address of anything outside, readable on a phone, in the dark, on paper and
 * by a screen reader. Everything that came from a target is escaped; its policy forbids the page to load anything.
 */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "finding/html.h"

#define ADD(text)  BTZ_TRY(btz_buf_add_str(out, text))
#define ADDF(...)  BTZ_TRY(btz_buf_printf(out, __VA_ARGS__))
#define TEXT(text) BTZ_TRY(btz_html_str(out, text))

#define SHOWN_PASSES 2000

struct page {
    const struct btz_run *run;
    const struct btz_record *records;
    size_t count;
    struct btz_risk risk;
};

static enum btz_err percent(struct btz_buf *out, const struct btz_finding *f)
{
    if (f->n == 0)
        return btz_buf_add_str(out, "&ndash;");
    ADDF("%" PRIu64 " of %" PRIu64 " &middot; %.0f&#8239;%%", f->k, f->n, 100 * f->value);
    if (!isnan(f->ci_low))
        ADDF(" <span class=\"soft\">[%.0f&ndash;%.0f]</span>", 100 * f->ci_low, 100 * f->ci_high);
    return BTZ_OK;
}

static enum btz_err duration(struct btz_buf *out, uint64_t ms)
{
    if (ms < 120000)
        return btz_buf_printf(out, "%.1f s", (double)ms / 1000);
    return btz_buf_printf(out, "%.0f min", (double)ms / 60000);
}

/* ---- top ---- */

static enum btz_err head(struct btz_buf *out, const struct page *p)
{
    ADD("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<meta name=\"referrer\" content=\"no-referrer\"><title>");
    TEXT(p->run->title ? p->run->title : "bartizan report");
    ADD("</title><style>");
    ADD(btz_html_style);
    return btz_buf_add_str(
        out,
        "</style></head><body>\n<a class=\"skip\" href=\"#findings\">Skip to the findings</a>\n");
}

static enum btz_err tile(struct btz_buf *out, uint64_t count, const char *label, const char *css)
{
    return btz_buf_printf(out, "<div class=\"tile %s\"><b>%" PRIu64 "</b><span>%s</span></div>",
                          count ? css : "", count, label);
}

static enum btz_err intro(struct btz_buf *out, const struct page *p)
{
    char started[BTZ_TIME_TEXT];

    btz_time_format(p->run->started_ms, started);
    ADD("<header><p class=\"brand\">bartizan &middot; security report</p><h1>");
    TEXT(p->run->title ? p->run->title : "Scan report");
    ADDF("</h1><p class=\"meta\">Run <span class=\"mono\">");
    TEXT(p->run->id);
    ADDF("</span> &middot; %.10s %.8s UTC &middot; took ", started, started + 11);
    BTZ_TRY(duration(out, p->run->finished_ms - p->run->started_ms));
    ADDF(" &middot; seed %" PRIu64 " &middot; bartizan %s</p></header>\n", p->run->seed,
         p->run->version);
    if (!p->run->complete)
        ADD("<div class=\"card warn\" role=\"alert\"><strong>This run did not finish.</strong> "
            "What was not asked is listed "
            "as not evaluated, never as passed. Continue it with <code>bartizan scan "
            "--resume</code>.</div>\n");
    return BTZ_OK;
}

static enum btz_err summary(struct btz_buf *out, const struct page *p)
{
    const struct btz_risk *r = &p->risk;

    ADD("<main><section aria-labelledby=\"summary\"><h2 id=\"summary\">Summary</h2><div "
        "class=\"card top\"><div>");
    BTZ_TRY(btz_chart_gauge(out, r));
    ADDF("<p class=\"soft\" style=\"text-align:center\">The measured intervals allow %.0f to "
         "%.0f.</p></div><div>",
         r->low, r->high);
    ADD("<div class=\"tiles\">");
    BTZ_TRY(tile(out, r->failed_by_severity[BTZ_SEVERITY_CRITICAL], "critical", "critical"));
    BTZ_TRY(tile(out, r->failed_by_severity[BTZ_SEVERITY_HIGH], "high", "high"));
    BTZ_TRY(tile(out, r->failed_by_severity[BTZ_SEVERITY_MEDIUM], "medium", "medium"));
    BTZ_TRY(tile(out,
                 r->failed_by_severity[BTZ_SEVERITY_LOW] + r->failed_by_severity[BTZ_SEVERITY_INFO],
                 "low or info", "low"));
    BTZ_TRY(tile(out, r->passed, "resisted", "none"));
    BTZ_TRY(tile(out, r->not_evaluated, "not evaluated", ""));
    BTZ_TRY(tile(out, r->suppressed, "suppressed or known", ""));
    ADD("</div><p class=\"soft\">Each number counts checks: one attack technique, in one disguise, "
        "against one asset. "
        "The score weighs severity by how sure the measurement is; a single success counts less "
        "than a hundred.</p>");
    if (p->run->ledger_origin) {
        ADD("<p class=\"soft\">Recorded in ledger <span class=\"mono\">");
        TEXT(p->run->ledger_origin);
        ADDF("</span>, %" PRIu64
             " entries, root <span class=\"mono\" style=\"overflow-wrap:anywhere\">%s</span>. "
             "<code>bartizan ledger verify</code> proves that nothing was changed since.</p>",
             p->run->ledger_size, p->run->ledger_root);
    }
    return btz_buf_add_str(out, "</div></div></section>\n");
}

/* ---- charts ---- */

static enum btz_err practices(struct btz_buf *out, const struct page *p)
{
    ADD("<section aria-labelledby=\"practices\"><h2 id=\"practices\">Risk by practice</h2><div "
        "class=\"card scroll\"><table>"
        "<thead><tr><th scope=\"col\">Practice</th><th scope=\"col\">Risk, 0 to 100</th><th "
        "class=\"n\" scope=\"col\">Score"
        "</th><th class=\"n\" scope=\"col\">Failed</th><th class=\"n\" "
        "scope=\"col\">Resisted</th><th class=\"n\" "
        "scope=\"col\">Not evaluated</th></tr></thead><tbody>");
    for (int i = 0; i < BTZ_PRACTICE_COUNT; i++) {
        struct btz_risk r;

        btz_results_risk(p->run->results, i, NULL, &r);
        ADDF("<tr><th scope=\"row\">%s</th>", btz_practice_title((enum btz_practice)i));
        if (r.failed + r.passed + r.not_evaluated + r.suppressed == 0) {
            ADD("<td class=\"soft\" colspan=\"5\">not part of this run</td></tr>");
            continue;
        }
        ADD("<td>");
        BTZ_TRY(btz_chart_score(out, &r));
        ADDF("</td><td class=\"n\">%.0f <span class=\"soft\">[%.0f&ndash;%.0f]</span></td><td "
             "class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64
             "</td></tr>",
             r.score, r.low, r.high, r.failed, r.passed, r.not_evaluated);
    }
    return btz_buf_add_str(out, "</tbody></table></div></section>\n");
}

/* The references that the rules of this run name, each once, in the catalogue's order. */
static size_t references(const struct page *p, const char **ids, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++) {
        for (const char *const *ref = p->records[i].finding.rule->refs; *ref; ref++) {
            size_t at = 0;

            while (at < count && strcmp(ids[at], *ref) != 0)
                at++;
            if (at == count && count < max)
                ids[count++] = *ref;
        }
    }
    return count;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum btz_err framework_rows(struct btz_buf *out, const struct page *p,
                                   const char *const *ids, size_t count, const char *framework)
{
    for (size_t i = 0; i < count; i++) {
        struct btz_reference ref;
        struct btz_risk r;

        if (!btz_reference_find(ids[i], &ref) || strcmp(ref.framework, framework) != 0)
            continue;
        btz_results_risk(p->run->results, -1, ids[i], &r);
        ADD("<tr><th scope=\"row\"><span class=\"mono\">");
        TEXT(ref.id);
        ADD("</span> ");
        TEXT(ref.title);
        ADD("</th><td>");
        BTZ_TRY(btz_chart_score(out, &r));
        ADDF("</td><td class=\"n\">%.0f</td><td class=\"n\">%" PRIu64
             "</td><td class=\"n\">%" PRIu64 "</td></tr>",
             r.score, r.failed, r.passed);
    }
    return BTZ_OK;
}

static enum btz_err frameworks(struct btz_buf *out, const struct page *p)
{
    const char *ids[256], *done[32];
    size_t count = references(p, ids, BTZ_COUNT(ids)), done_count = 0;

    qsort(ids, count, sizeof ids[0], by_id);
    ADD("<section aria-labelledby=\"frameworks\"><h2 id=\"frameworks\">Risk by reference "
        "framework</h2>");
    for (size_t i = 0; i < count; i++) {
        struct btz_reference ref;
        bool seen = false;

        if (!btz_reference_find(ids[i], &ref))
            continue;
        for (size_t d = 0; d < done_count && !seen; d++)
            seen = strcmp(done[d], ref.framework) == 0;
        if (seen || done_count == BTZ_COUNT(done))
            continue;
        ADDF("<details class=\"card\"%s><summary><strong>", done_count == 0 ? " open" : "");
        done[done_count++] = ref.framework;
        TEXT(ref.framework);
        ADD("</strong></summary><div class=\"scroll\"><table><thead><tr><th "
            "scope=\"col\">Reference</th><th scope=\"col\">"
            "Risk, 0 to 100</th><th class=\"n\" scope=\"col\">Score</th><th class=\"n\" "
            "scope=\"col\">Failed</th>"
            "<th class=\"n\" scope=\"col\">Resisted</th></tr></thead><tbody>");
        BTZ_TRY(framework_rows(out, p, ids, count, ref.framework));
        ADD("</tbody></table></div></details>\n");
    }
    return btz_buf_add_str(out, "</section>\n");
}

static enum btz_err trend(struct btz_buf *out, const struct page *p)
{
    struct btz_past_run now = { p->run->finished_ms, p->risk };

    if (p->run->past_count == 0)
        return BTZ_OK;
    ADD("<section aria-labelledby=\"trend\"><h2 id=\"trend\">Trend</h2><div class=\"card\">");
    BTZ_TRY(btz_chart_trend(out, p->run->past, p->run->past_count, &now));
    ADDF("<p class=\"soft\">Risk score of the last %zu runs in this state folder; bars show what "
         "the intervals allow.</p>"
         "</div></section>\n",
         p->run->past_count + 1);
    return BTZ_OK;
}

/* ---- findings ---- */

static enum btz_err bubble(struct btz_buf *out, struct btz_slice role, struct btz_slice text,
                           size_t at, size_t len)
{
    static const char *const known[] = { "system", "user", "assistant", "tool" };
    const char *css = "user";

    for (size_t i = 0; i < BTZ_COUNT(known); i++)
        if (btz_slice_is(role, known[i]))
            css = known[i];
    ADDF("<li class=\"%s\"><b>%s</b>", css, css);
    BTZ_TRY(btz_html_marked(out, text, at, len));
    return btz_buf_add_str(out, "</li>");
}

static enum btz_err conversation(struct btz_buf *out, const struct btz_evidence *e)
{
    BTZ_JSON json_t *object = NULL;
    struct btz_slice role, text;
    size_t i, at, len;
    json_t *message;
    char hex[2 * BTZ_SHA256_LEN + 1];

    btz_hex(e->sha256, BTZ_SHA256_LEN, hex);
    if (btz_json_parse(e->bytes, 64u << 20, "evidence", &object) != BTZ_OK ||
        !json_is_object(object)) {
        ADD("<pre>");
        BTZ_TRY(btz_html_text(out, btz_slice_sub(e->bytes, 0, 65536)));
        return btz_buf_add_str(out, "</pre>");
    }
    ADD("<ol class=\"talk\">");
    json_array_foreach(json_object_get(object, "messages"), i, message)
    {
        (void)btz_json_get_text(message, "role", &role);
        (void)btz_json_get_text(message, "text", &text);
        BTZ_TRY(bubble(out, role, text, 0, 0));
    }
    (void)btz_json_get_text(object, "reply", &text);
    at = (size_t)json_integer_value(json_object_get(object, "at"));
    len = (size_t)json_integer_value(json_object_get(object, "len"));
    BTZ_TRY(bubble(out, btz_str("assistant"), text, at, len));
    ADD("</ol><p class=\"soft\">Detector <code>");
    (void)btz_json_get_text(object, "detector", &text);
    BTZ_TRY(btz_html_text(out, text));
    ADD("</code>: ");
    (void)btz_json_get_text(object, "reason", &text);
    BTZ_TRY(btz_html_text(out, text));
    return btz_buf_printf(out, " &middot; evidence <span class=\"mono\">%.16s</span></p>", hex);
}

static enum btz_err one_finding(struct btz_buf *out, const struct btz_record *r)
{
    const struct btz_finding *f = &r->finding;

    ADD("<details><summary>");
    TEXT(f->asset.name);
    ADD(" &middot; <code>");
    TEXT(f->location);
    ADD("</code> &middot; ");
    BTZ_TRY(percent(out, f));
    if (f->n > 0 && !isnan(f->ci_low)) {
        ADD(" ");
        BTZ_TRY(
            btz_chart_rate(out, f->value, f->ci_low, f->ci_high, btz_severity_name(f->severity)));
    }
    if (r->status != BTZ_STATUS_OPEN) {
        static const char *const words[] = { "open", "suppressed", "known", "worse than before" };

        ADDF(" <span class=\"pill\">%s</span>", words[r->status]);
    }
    ADD("</summary><p>");
    TEXT(f->reason);
    ADDF("</p><p class=\"soft\">Adds %.1f to the risk [%.1f&ndash;%.1f] &middot; fingerprint <span "
         "class=\"mono\">%s</span>",
         r->risk, r->risk_low, r->risk_high, r->fingerprint);
    if (r->status_reason) {
        ADD(" &middot; ");
        TEXT(r->status_reason);
    }
    ADD("</p>");
    for (size_t i = 0; i < f->evidence_count; i++)
        BTZ_TRY(conversation(out, &f->evidence[i]));
    return btz_buf_add_str(out, "</details>");
}

static enum btz_err rule_references(struct btz_buf *out, const struct btz_rule *rule)
{
    ADD("<ul class=\"refs\">");
    for (const char *const *id = rule->refs; *id; id++) {
        struct btz_reference ref;

        ADD("<li>");
        TEXT(*id);
        if (btz_reference_find(*id, &ref)) {
            ADD(" ");
            TEXT(ref.title);
        }
        ADD("</li>");
    }
    return btz_buf_add_str(out, "</ul>");
}

/* All failing records of one rule in one card, worst first as the records are sorted. */
static enum btz_err rule_card(struct btz_buf *out, const struct page *p,
                              const struct btz_rule *rule)
{
    enum btz_severity worst = BTZ_SEVERITY_INFO;
    size_t failing = 0;
    uint64_t k = 0, n = 0;

    for (size_t i = 0; i < p->count; i++) {
        const struct btz_finding *f = &p->records[i].finding;

        if (f->rule != rule || f->outcome == BTZ_OUTCOME_NOT_EVALUATED)
            continue;
        k += f->k;
        n += f->n;
        if (f->outcome != BTZ_OUTCOME_FAIL)
            continue;
        failing++;
        worst = f->severity > worst ? f->severity : worst;
    }
    ADDF("<details class=\"card rule\" id=\"%s\"><summary><span class=\"line\"><span class=\"pill "
         "%s\">%s</span><h3>",
         rule->id, btz_severity_name(worst), btz_severity_name(worst));
    TEXT(rule->title);
    ADDF("</h3><span class=\"soft\">%zu %s &middot; %" PRIu64 " of %" PRIu64
         " attempts</span></span></summary>",
         failing, failing == 1 ? "way in" : "ways in", k, n);
    ADDF("<p class=\"mono soft\">%s</p>", rule->id);
    BTZ_TRY(rule_references(out, rule));
    for (size_t i = 0; i < p->count; i++)
        if (p->records[i].finding.rule == rule && p->records[i].finding.outcome == BTZ_OUTCOME_FAIL)
            BTZ_TRY(one_finding(out, &p->records[i]));
    ADD("<h4>What it means</h4>");
    BTZ_TRY(btz_html_page(out, rule->page, "Why it matters"));
    ADD("<h4>What to do</h4>");
    BTZ_TRY(btz_html_page(out, rule->page, "Remedy"));
    return btz_buf_add_str(out, "</details>\n");
}

static enum btz_err findings(struct btz_buf *out, const struct page *p)
{
    const struct btz_rule *done[512];
    size_t count = 0;

    ADD("<section aria-labelledby=\"findings\"><h2 id=\"findings\" tabindex=\"-1\">Findings</h2>");
    for (size_t i = 0; i < p->count; i++) {
        const struct btz_rule *rule = p->records[i].finding.rule;
        size_t d = 0;

        if (p->records[i].finding.outcome != BTZ_OUTCOME_FAIL)
            continue;
        while (d < count && done[d] != rule)
            d++;
        if (d < count || count == BTZ_COUNT(done))
            continue;
        done[count++] = rule;
        BTZ_TRY(rule_card(out, p, rule));
    }
    if (count == 0)
        ADD("<p class=\"card\">No attack succeeded. See below for what was resisted, and for what "
            "was not evaluated.</p>");
    return btz_buf_add_str(out, "</section>\n");
}

/* ---- the rest: what passed, what was not evaluated, how much was looked at ---- */

static enum btz_err listing(struct btz_buf *out, const struct page *p, enum btz_outcome outcome,
                            const char *id, const char *title, const char *empty)
{
    size_t count = 0, shown = 0;

    for (size_t i = 0; i < p->count; i++)
        count += p->records[i].finding.outcome == outcome;
    ADDF("<section aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2>", id, id, title);
    if (count == 0)
        return btz_buf_printf(out, "<p class=\"card\">%s</p></section>\n", empty);
    ADDF("<details class=\"card\"><summary>%zu checks</summary><div "
         "class=\"scroll\"><table><thead><tr><th scope=\"col\">Rule"
         "</th><th scope=\"col\">Where</th><th class=\"n\" scope=\"col\">Successes</th><th "
         "scope=\"col\">Said</th></tr></thead>"
         "<tbody>",
         count);
    for (size_t i = 0; i < p->count && shown < SHOWN_PASSES; i++) {
        const struct btz_finding *f = &p->records[i].finding;

        if (f->outcome != outcome)
            continue;
        shown++;
        ADDF("<tr><td class=\"mono\">%s</td><td>", f->rule->id);
        TEXT(f->asset.name);
        ADD(": ");
        TEXT(f->location);
        ADD("</td><td class=\"n\">");
        BTZ_TRY(percent(out, f));
        ADD("</td><td>");
        TEXT(f->reason);
        ADD("</td></tr>");
    }
    ADD("</tbody></table></div>");
    if (shown < count)
        ADDF("<p>%zu more are in the JSON report.</p>", count - shown);
    return btz_buf_add_str(out, "</details></section>\n");
}

static enum btz_err coverage(struct btz_buf *out, const struct page *p)
{
    size_t count;
    const struct btz_coverage *c = btz_results_coverage(p->run->results, &count);

    ADD("<section aria-labelledby=\"coverage\"><h2 id=\"coverage\">Coverage</h2><div class=\"card "
        "scroll\"><table><thead><tr>"
        "<th scope=\"col\">Asset</th><th scope=\"col\">Practice</th><th class=\"n\" "
        "scope=\"col\">Planned</th><th class=\"n\" "
        "scope=\"col\">Done</th><th class=\"n\" scope=\"col\">Skipped</th><th class=\"n\" "
        "scope=\"col\">Failed</th></tr>"
        "</thead><tbody>");
    for (size_t i = 0; i < count; i++) {
        ADD("<tr><td>");
        TEXT(c[i].asset.name);
        ADD(" <span class=\"soft\">");
        TEXT(c[i].asset.address);
        ADDF("</span></td><td>%s</td>", btz_practice_title(c[i].practice));
        ADDF("<td class=\"n\">%" PRIu64 " ", c[i].planned);
        TEXT(c[i].unit);
        ADDF("</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64
             "</td><td class=\"n\">%" PRIu64 "</td></tr>",
             c[i].done, c[i].skipped, c[i].failed);
    }
    return btz_buf_add_str(out, "</tbody></table></div></section>\n");
}

static enum btz_err write_html(const struct btz_run *run, struct btz_buf *out)
{
    struct page p = { .run = run };

    p.records = btz_results_records(run->results, &p.count);
    btz_results_risk(run->results, -1, NULL, &p.risk);
    BTZ_TRY(head(out, &p));
    BTZ_TRY(intro(out, &p));
    BTZ_TRY(summary(out, &p));
    BTZ_TRY(trend(out, &p));
    BTZ_TRY(practices(out, &p));
    BTZ_TRY(frameworks(out, &p));
    BTZ_TRY(findings(out, &p));
    BTZ_TRY(listing(out, &p, BTZ_OUTCOME_NOT_EVALUATED, "not-evaluated", "Not evaluated",
                    "Everything that was planned was evaluated."));
    BTZ_TRY(listing(out, &p, BTZ_OUTCOME_PASS, "resisted", "Resisted", "Nothing was resisted."));
    BTZ_TRY(coverage(out, &p));
    ADD("</main><footer class=\"soft\">Rates are successes of the attack in attempts; brackets "
        "hold the exact 95&#8239;% "
        "interval, clustered by prompt. A check that did not run is not evaluated, never passed. "
        "Text from targets is shown "
        "escaped; invisible characters appear as codes.</footer></body></html>\n");
    return BTZ_OK;
}

const struct btz_report_format btz_report_format_html = {
    .id = "html",
    .title = "One self-contained page for people",
    .extension = "html",
    .write = write_html,
};
