/* The findings of the HTML report: a card for each rule, in it each way in with its conversation as evidence. */
#include <math.h>

#include "finding/html.h"

#define SIGHT_MAX 6   /* findings of a rule in sight at once */
#define OPEN_MAX  30  /* shown with everything */
#define ROWS_MAX  300 /* and as lines */

/* ---- findings ---- */

static enum btz_err evidence(struct btz_buf *out, const struct btz_html *p,
                             const struct btz_finding *f, size_t start)
{
    for (size_t i = 0; i < f->evidence_count; i++) {
        if (out->len - start > BTZ_HTML_BODY)
            return btz_buf_printf(out,
                                  "<p class=\"soft\">%zu more pieces of evidence are in the JSON "
                                  "report.</p>\n",
                                  f->evidence_count - i);
        if (!btz_html_is_example(&f->evidence[i])) {
            ADD("<h4>");
            TEXT(f->evidence[i].label);
            ADD("</h4>");
        } else if (f->evidence_count > 1)
            ADDF("<h4>Example %zu of %zu</h4>", i + 1, f->evidence_count);
        BTZ_TRY(btz_html_evidence(out, p, f, &f->evidence[i]));
    }
    return BTZ_OK;
}

static enum btz_err place(struct btz_buf *out, const struct btz_html *p, const struct btz_record *r)
{
    ADD("<span class=\"place\">");
    BTZ_TRY(btz_html_place(out, p, r));
    return btz_buf_add_str(out, "</span>");
}

static enum btz_err pills(struct btz_buf *out, const struct btz_html_rule *rule,
                          const struct btz_record *r)
{
    const char *severity = btz_severity_name(r->finding.severity);

    if (r->finding.severity != rule->severity)
        ADDF(" <span class=\"pill %s\">%s</span>", severity, severity);
    if (r->status == BTZ_STATUS_BASELINE)
        ADD(" <span class=\"pill\">known</span>");
    if (r->status == BTZ_STATUS_WORSE)
        ADD(" <span class=\"pill worse\">worse</span>");
    return BTZ_OK;
}

static enum btz_err one_finding(struct btz_buf *out, const struct btz_html *p,
                                const struct btz_html_rule *rule, const struct btz_record *r,
                                size_t start)
{
    BTZ_BUF_RELEASE struct btz_buf status = BTZ_BUF(SIZE_MAX);
    const struct btz_finding *f = &r->finding;

    ADD("<details class=\"finding\"><summary><span class=\"line\">");
    BTZ_TRY(place(out, p, r));
    ADD("<span class=\"rate\">");
    BTZ_TRY(btz_html_rate(out, f));
    BTZ_TRY(pills(out, rule, r));
    ADD("</span>");
    if (f->n > 0)
        BTZ_TRY(btz_chart_rate(out, f, btz_severity_name(f->severity)));
    ADDF("</span></summary><div id=\"finding-%s\">", r->fingerprint);
    if (f->reason && f->reason[0]) {
        ADD("<p>");
        TEXT(f->reason);
        ADD("</p>");
    }
    BTZ_TRY(btz_report_status(r, &status));
    if (status.len > 0) {
        ADD("<p>");
        BTZ_TRY(btz_html_line(out, btz_buf_slice(&status), BTZ_HTML_TEXT));
        ADD("</p>");
    }
    ADDF("<p class=\"soft\">Alone worth %.1f points of risk [%.1f&ndash;%.1f]; fingerprint "
         "<code>%s</code></p>",
         r->risk, r->risk_low, r->risk_high, r->fingerprint);
    BTZ_TRY(evidence(out, p, f, start));
    return btz_buf_add_str(out, "</div></details>\n");
}

static bool is_shown(const struct btz_html_rule *rule, const struct btz_record *r)
{
    return r->finding.outcome == BTZ_OUTCOME_FAIL && r->status != BTZ_STATUS_SUPPRESSED &&
           strcmp(r->finding.rule->id, rule->rule->id) == 0;
}

/* What is written of the failed checks of one rule so far. */
struct progress {
    size_t start, shown;
    bool folded, listed;
};

static enum btz_err one_line(struct btz_buf *out, const struct btz_html *p,
                             const struct btz_html_rule *rule, const struct btz_record *r)
{
    ADD("<li>");
    BTZ_TRY(place(out, p, r));
    ADD(" <span class=\"rate\">");
    BTZ_TRY(btz_html_rate(out, &r->finding));
    BTZ_TRY(pills(out, rule, r));
    return btz_buf_add_str(out, "</span></li>\n");
}

static enum btz_err one_way(struct btz_buf *out, const struct btz_html *p,
                            const struct btz_html_rule *rule, const struct btz_record *r,
                            struct progress *done)
{
    /* The remedy should not be a screen away; two more ways are not worth a fold. */
    if (done->shown == SIGHT_MAX && rule->failed > SIGHT_MAX + 2) {
        ADDF("<details class=\"finding\"><summary>%zu more failed checks</summary>\n",
             rule->failed - SIGHT_MAX);
        done->folded = true;
    }
    if (done->shown++ < OPEN_MAX)
        return one_finding(out, p, rule, r, done->start);
    if (!done->listed)
        ADD("<ul class=\"more\">");
    done->listed = true;
    return one_line(out, p, rule, r);
}

/* Worst first, as the records are sorted: the first with everything, more as lines, the rest as a number. */
static enum btz_err ways(struct btz_buf *out, const struct btz_html *p,
                         const struct btz_html_rule *rule, size_t start)
{
    struct progress done = { .start = start };

    for (size_t i = 0; i < p->count && done.shown < ROWS_MAX; i++) {
        if (!is_shown(rule, &p->records[i]))
            continue;
        if (out->len - start > BTZ_HTML_BODY)
            break;
        BTZ_TRY(one_way(out, p, rule, &p->records[i], &done));
    }
    if (done.listed)
        ADD("</ul>");
    if (done.shown < rule->failed)
        ADDF("<p class=\"soft\">%zu more failed checks of this rule are in the JSON report.</p>\n",
             rule->failed - done.shown);
    return done.folded ? btz_buf_add_str(out, "</details>\n") : BTZ_OK;
}

static enum btz_err references(struct btz_buf *out, const struct btz_rule *rule)
{
    ADD("<ul class=\"refs\" aria-label=\"References\">");
    for (const char *const *id = rule->refs; *id; id++) {
        struct btz_reference ref;

        ADD("<li><code>");
        TEXT(*id);
        ADD("</code>");
        if (btz_reference_find(*id, &ref)) {
            ADD(" ");
            TEXT(ref.title);
        }
        ADD("</li>");
    }
    return btz_buf_add_str(out, "</ul>\n");
}

static enum btz_err page_section(struct btz_buf *out, const struct btz_rule *rule,
                                 const char *title, const char *heading)
{
    ADDF("<h4>%s</h4>", title);
    return btz_html_page(out, rule->page, heading);
}

static enum btz_err rule_card(struct btz_buf *out, const struct btz_html *p,
                              const struct btz_html_rule *rule, size_t start, bool open)
{
    const char *severity = btz_severity_name(rule->severity);

    ADDF("<details class=\"card rule\"%s><summary><span class=\"pill %s\">%s</span> <h3>",
         open ? " open" : "", severity, severity);
    TEXT(rule->rule->title);
    ADDF("</h3> <span class=\"soft\">%zu of %zu checks failed</span></summary>"
         "<div class=\"inside\" id=\"rule-",
         rule->failed, rule->failed + rule->passed);
    TEXT(rule->rule->id);
    ADD("\"><p class=\"soft\"><code>");
    TEXT(rule->rule->id);
    ADD("</code></p>");
    BTZ_TRY(ways(out, p, rule, start));
    if (rule->rule->page) {
        BTZ_TRY(page_section(out, rule->rule, "Why it matters", "Why it matters"));
        BTZ_TRY(page_section(out, rule->rule, "What to do", "Remedy"));
        BTZ_TRY(page_section(out, rule->rule, "When it is a false alarm", "False positives"));
    }
    BTZ_TRY(references(out, rule->rule));
    return btz_buf_add_str(out, "</div></details>\n");
}

enum btz_err btz_html_findings(struct btz_buf *out, const struct btz_html *p)
{
    size_t start = out->len, count = 0;

    for (size_t i = 0; i < p->rule_count && p->rules[i].failed > 0; i++, count++)
        BTZ_TRY(rule_card(out, p, &p->rules[i], start, i == 0));
    if (count == 0)
        return btz_buf_add_str(out, "<p class=\"card\">No check failed. What passed and what was "
                                    "not evaluated is listed below.</p>\n");
    return BTZ_OK;
}
