/* The tables of the HTML report: rates and risks with their charts, lists of checks, coverage. */
#include <math.h>
#include <stdlib.h>

#include "finding/html.h"

/* On a narrow screen a row folds into lines, and each number brings the title of its column. */
struct column {
    const char *title;
    bool number;
    const char *unit; /* of the scale that stands in place of the title, else NULL */
};

static enum btz_err open_table(struct btz_buf *out, const char *caption,
                               const struct column *columns, size_t count)
{
    ADDF("<table><caption>%s</caption><thead><tr>", caption);
    for (size_t i = 0; i < count; i++) {
        ADDF("<th scope=\"col\"%s>%s", columns[i].number ? " class=\"n\"" : "", columns[i].title);
        if (columns[i].unit)
            BTZ_TRY(btz_chart_scale(out, columns[i].unit));
        ADD("</th>");
    }
    return btz_buf_add_str(out, "</tr></thead><tbody>\n");
}

static enum btz_err close_table(struct btz_buf *out)
{
    return btz_buf_add_str(out, "</tbody></table>\n");
}

static enum btz_err count_cell(struct btz_buf *out, const char *title, uint64_t count)
{
    return btz_buf_printf(out, "<td class=\"n\" data-t=\"%s\">%" PRIu64 "</td>", title, count);
}

/* ---- numbers and names ---- */

/* "<0.1%" is text like any other. */
static enum btz_err share(struct btz_buf *out, double value, bool sign)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(64);

    BTZ_TRY(btz_report_percent(value, sign, &text));
    return btz_html_line(out, btz_buf_slice(&text), BTZ_HTML_TEXT);
}

static enum btz_err range(struct btz_buf *out, double low, double high)
{
    if (isnan(low) || isnan(high))
        return BTZ_OK;
    ADD(" <span class=\"soft\">[");
    BTZ_TRY(share(out, low, false));
    ADD("&ndash;");
    BTZ_TRY(share(out, high, false));
    return btz_buf_add_str(out, "]</span>");
}

enum btz_err btz_html_rate(struct btz_buf *out, const struct btz_finding *f)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(256);

    if (f->n > 0) {
        ADDF("%" PRIu64 " of %" PRIu64 " <b>", f->k, f->n);
        BTZ_TRY(share(out, (double)f->k / (double)f->n, true));
        ADD("</b>");
        return range(out, f->ci_low, f->ci_high);
    }
    BTZ_TRY(btz_report_rate(f, &text));
    if (text.len == 0)
        return btz_buf_add_str(out, "&ndash;");
    return btz_html_line(out, btz_buf_slice(&text), BTZ_HTML_TEXT);
}

enum btz_err btz_html_rule_name(struct btz_buf *out, const struct btz_html_rule *rule)
{
    if (rule->failed > 0) {
        const char *name = btz_severity_name(rule->severity);

        ADDF("<span class=\"pill %s\">%s</span> <a href=\"#rule-", name, name);
        TEXT(rule->rule->id);
        ADD("\">");
        TEXT(rule->rule->title);
        return btz_buf_add_str(out, "</a>");
    }
    ADDF("<span class=\"pill %s\">%s</span> ", rule->passed > 0 ? "pass" : "",
         rule->passed > 0 ? "passed" : "not evaluated");
    return btz_html_line(out, btz_str(rule->rule->title), BTZ_HTML_TEXT);
}

enum btz_err btz_html_place(struct btz_buf *out, const struct btz_html *p,
                            const struct btz_record *r)
{
    bool has_location = r->finding.location[0] != '\0';

    if (!p->only || !has_location) {
        ADD("<bdi>");
        TEXT(r->finding.asset.name);
        ADDF("</bdi>%s", has_location ? ": " : "");
    }
    if (!has_location)
        return BTZ_OK;
    ADD("<bdi>");
    TEXT(r->finding.location);
    return btz_buf_add_str(out, "</bdi>");
}

static enum btz_err score_cells(struct btz_buf *out, const struct btz_risk *r)
{
    if (r->failed == 0) {
        /* A score of 0 would look like a measurement. */
        ADDF("<td colspan=\"2\" class=\"soft\">%s</td>", r->passed > 0 ? "no failure found"
                                                         : r->suppressed > 0
                                                             ? "suppressed, so not counted"
                                                             : "not evaluated");
    } else {
        ADD("<td class=\"chart\">");
        BTZ_TRY(btz_chart_score(out, r));
        ADD("</td><td class=\"n\" data-t=\"Score\"><b>");
        BTZ_TRY(share(out, r->score / 100, false));
        ADD("</b>");
        BTZ_TRY(range(out, r->low / 100, r->high / 100));
        ADD("</td>");
    }
    BTZ_TRY(count_cell(out, "Failed", r->failed));
    BTZ_TRY(count_cell(out, "Passed", r->passed));
    return count_cell(out, "Not evaluated", r->not_evaluated);
}

static const struct column risk_columns[] = {
    { "", false, NULL },      { "", false, "" },        { "Score", true, NULL },
    { "Failed", true, NULL }, { "Passed", true, NULL }, { "Not evaluated", true, NULL },
};

static enum btz_err open_risk_table(struct btz_buf *out, const char *caption, const char *first)
{
    struct column columns[BTZ_COUNT(risk_columns)];

    memcpy(columns, risk_columns, sizeof columns);
    columns[0].title = first;
    columns[1].title = "<span class=\"hidden\">Risk</span>";
    return open_table(out, caption, columns, BTZ_COUNT(columns));
}

/* ---- success rates ---- */

/* What the measurement is sure of: one success in one try is less than fifteen in twenty. */
static double sure_of(const struct btz_finding *f)
{
    return isnan(f->ci_low) ? (double)f->k / (double)f->n : f->ci_low;
}

static int by_rate(const void *x, const void *y)
{
    const struct btz_html_rule *a = *(const struct btz_html_rule *const *)x;
    const struct btz_html_rule *b = *(const struct btz_html_rule *const *)y;
    double p = sure_of(&a->worst->finding), q = sure_of(&b->worst->finding);
    int order = (q > p) - (q < p);

    if (order == 0) {
        p = (double)a->failed / (double)(a->failed + a->passed);
        q = (double)b->failed / (double)(b->failed + b->passed);
        order = (q > p) - (q < p);
    }
    return order ? order : strcmp(a->rule->id, b->rule->id);
}

static enum btz_err rate_row(struct btz_buf *out, const struct btz_html *p,
                             const struct btz_html_rule *rule)
{
    ADD("<tr><th scope=\"row\">");
    BTZ_TRY(btz_html_rule_name(out, rule));
    ADD("<span class=\"where\">");
    BTZ_TRY(btz_html_place(out, p, rule->worst));
    ADD("</span></th><td class=\"chart\">");
    BTZ_TRY(btz_chart_rates(out, p, rule));
    ADD("</td><td class=\"n\" data-t=\"Worst check\">");
    BTZ_TRY(btz_html_rate(out, &rule->worst->finding));
    return btz_buf_printf(out,
                          "</td><td class=\"n\" data-t=\"Checks failed\">%zu of %zu</td><td "
                          "class=\"n\" data-t=\"All tries\">%" PRIu64 " of %" PRIu64 "</td></tr>\n",
                          rule->failed, rule->failed + rule->passed, rule->k, rule->n);
}

enum btz_err btz_html_rates(struct btz_buf *out, const struct btz_html *p)
{
    static const struct column columns[] = {
        { "Rule and its worst check", false, NULL },
        { "<span class=\"hidden\">Success rate</span>", false, "%" },
        { "Worst check", true, NULL },
        { "Checks failed", true, NULL },
        { "All tries", true, NULL },
    };
    BTZ_FREE const struct btz_html_rule **list = calloc(p->rule_count + 1, sizeof *list);
    size_t count = 0, facts = 0;

    if (!list)
        return btz_fail(BTZ_LIMIT, "out of memory for the report");
    for (size_t i = 0; i < p->rule_count; i++) {
        const struct btz_html_rule *rule = &p->rules[i];

        if (!rule->worst)
            continue;
        if (rule->worst->finding.n > 0)
            list[count++] = rule;
        else
            facts++;
    }
    if (count == 0)
        return BTZ_OK;
    qsort(list, count, sizeof *list, by_rate);
    ADD("<p>How often an "
        "attack succeeded. The point is the worst check of the rule, the bar its 95% interval: "
        "long bars need more tries, not less worry. Grey ticks are the rule&#39;s other checks. "
        "The "
        "surest failures come first, by the low end of the bar.</p>"
        "<div class=\"card\">");
    BTZ_TRY(open_table(out, "Success rate of each rule&#39;s worst check, surest first", columns,
                       BTZ_COUNT(columns)));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(rate_row(out, p, list[i]));
    BTZ_TRY(close_table(out));
    if (facts > 0)
        ADDF("<p class=\"soft\">%zu more %s no rate: see the findings.</p>", facts,
             facts == 1 ? "rule measures" : "rules measure");
    return btz_buf_add_str(out, "</div>\n");
}

/* ---- where the risk comes from ---- */

static const struct btz_html_rule *rule_of(const struct btz_html *p, const char *id)
{
    for (size_t i = 0; i < p->rule_count; i++)
        if (strcmp(p->rules[i].rule->id, id) == 0)
            return &p->rules[i];
    return NULL;
}

/* The score if one of the rules had not failed: the others move up. */
static double score_without(const struct btz_risk_part *parts, size_t count, size_t without)
{
    double left = 1, factor = 1;

    for (size_t i = 0; i < count; i++) {
        if (i == without)
            continue;
        left *= 1 - factor * parts[i].points / 100;
        factor /= 2;
    }
    return 100 * (1 - left);
}

static enum btz_err part_words(struct btz_buf *out, const struct btz_risk_part *part)
{
    const struct btz_finding *f = &part->record->finding;

    ADDF("%s weighs %.0f", btz_severity_name(f->severity), part->weight);
    if (f->n == 0)
        return BTZ_OK;
    ADD("; the chance that one of ten tries succeeds is <span "
        "class=\"nb\">");
    BTZ_TRY(share(out, part->chance_low, false));
    ADD("&ndash;");
    BTZ_TRY(share(out, part->chance_high, false));
    return btz_buf_add_str(out, "%</span>");
}

static enum btz_err part_row(struct btz_buf *out, const struct btz_html *p,
                             const struct btz_risk_part *part, double without)
{
    const struct btz_record *r = part->record;
    const struct btz_html_rule *rule = rule_of(p, r->finding.rule->id);

    ADD("<tr><th scope=\"row\">");
    if (rule)
        BTZ_TRY(btz_html_rule_name(out, rule));
    ADD("<span class=\"where\">");
    BTZ_TRY(part_words(out, part));
    ADD("</span></th><td class=\"chart\">");
    BTZ_TRY(btz_chart_points(out, r));
    ADD("</td><td class=\"n\" data-t=\"Points alone\"><b>");
    BTZ_TRY(share(out, part->points / 100, false));
    ADD("</b>");
    BTZ_TRY(range(out, r->risk_low / 100, r->risk_high / 100));
    ADD("</td><td class=\"n\" data-t=\"Adds\">");
    if (part->adds < 0.05)
        ADD("&lt;0.1");
    else
        ADDF("%.1f", part->adds);
    ADD("</td><td class=\"n\" data-t=\"Score once fixed\">");
    BTZ_TRY(share(out, without / 100, false));
    return btz_buf_add_str(out, "</td></tr>\n");
}

enum btz_err btz_html_sources(struct btz_buf *out, const struct btz_html *p)
{
    static const struct column columns[] = {
        { "Rule", false, NULL },
        { "<span class=\"hidden\">Points</span>", false, "" },
        { "Points alone", true, NULL },
        { "Adds", true, NULL },
        { "Score once fixed", true, NULL },
    };
    struct btz_risk_part parts[BTZ_RISK_PARTS];
    size_t count = btz_results_risk_parts(p->run->results, -1, NULL, parts);

    if (count == 0)
        return BTZ_OK;
    ADD("<p>Each rule counts once, with its worst check: the worst rule in full, the next one "
        "half, "
        "then a quarter and so on, each of what the ones before have left of 100. What they add "
        "sums to the score.</p><div class=\"card\">");
    BTZ_TRY(open_table(out, "What each rule adds to the risk score, worst first", columns,
                       BTZ_COUNT(columns)));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(part_row(out, p, &parts[i], score_without(parts, count, i)));
    BTZ_TRY(close_table(out));
    return btz_buf_add_str(out, "</div>\n");
}

/* ---- risk by practice and by framework ---- */

enum btz_err btz_html_practices(struct btz_buf *out, const struct btz_html *p)
{
    ADD("<div class=\"card\">");
    BTZ_TRY(open_risk_table(out, "Risk score of each practice, 0 to 100", "Practice"));
    for (int i = 0; i < BTZ_PRACTICE_COUNT; i++) {
        struct btz_risk r;

        btz_results_risk(p->run->results, i, NULL, &r);
        ADDF("<tr><th scope=\"row\">%s</th>", btz_practice_title((enum btz_practice)i));
        if (r.failed + r.passed + r.not_evaluated + r.suppressed == 0)
            ADD("<td class=\"soft\" colspan=\"5\">not part of this run</td>");
        else
            BTZ_TRY(score_cells(out, &r));
        ADD("</tr>\n");
    }
    BTZ_TRY(close_table(out));
    return btz_buf_add_str(out, "</div>\n");
}

static bool is_used(const struct btz_html *p, const struct btz_reference *ref)
{
    for (size_t i = 0; i < p->rule_count; i++)
        for (const char *const *id = p->rules[i].rule->refs; *id; id++)
            if (strcmp(*id, ref->id) == 0)
                return true;
    return false;
}

/* Calls for every framework that a rule of this run names; the table of references is grouped by framework. */
static enum btz_err each_framework(struct btz_buf *out, const struct btz_html *p,
                                   enum btz_err (*visit)(struct btz_buf *, const struct btz_html *,
                                                         const char *framework))
{
    const char *last = "";

    for (size_t i = 0; i < btz_reference_count(); i++) {
        const struct btz_reference *ref = btz_reference_at(i);

        if (strcmp(ref->framework, last) == 0 || !is_used(p, ref))
            continue;
        last = ref->framework;
        BTZ_TRY(visit(out, p, last));
    }
    return BTZ_OK;
}

static enum btz_err framework_row(struct btz_buf *out, const struct btz_html *p,
                                  const char *framework)
{
    struct btz_risk r;

    btz_results_risk(p->run->results, -1, framework, &r);
    ADD("<tr><th scope=\"row\">");
    TEXT(framework);
    ADD("</th>");
    BTZ_TRY(score_cells(out, &r));
    return btz_buf_add_str(out, "</tr>\n");
}

static enum btz_err framework_details(struct btz_buf *out, const struct btz_html *p,
                                      const char *framework)
{
    ADDF("<details class=\"card\"%s><summary><h3>",
         strcmp(framework, btz_reference_at(0)->framework) == 0 ? " open" : "");
    TEXT(framework);
    ADD("</h3></summary>");
    BTZ_TRY(open_risk_table(out, "Risk score of each reference, 0 to 100", "Reference"));
    for (size_t i = 0; i < btz_reference_count(); i++) {
        const struct btz_reference *ref = btz_reference_at(i);
        struct btz_risk r;

        if (strcmp(ref->framework, framework) != 0 || !is_used(p, ref))
            continue;
        btz_results_risk(p->run->results, -1, ref->id, &r);
        ADD("<tr><th scope=\"row\"><code>");
        TEXT(ref->id);
        ADD("</code> ");
        TEXT(ref->title);
        ADD("</th>");
        BTZ_TRY(score_cells(out, &r));
        ADD("</tr>\n");
    }
    BTZ_TRY(close_table(out));
    return btz_buf_add_str(out, "</details>\n");
}

enum btz_err btz_html_frameworks(struct btz_buf *out, const struct btz_html *p)
{
    bool used = false;

    for (size_t i = 0; i < btz_reference_count() && !used; i++)
        used = is_used(p, btz_reference_at(i));
    if (!used)
        return BTZ_OK;
    ADD("<p>A rule counts under every reference it names, so these scores do not add up.</p><div "
        "class=\"card\">");
    BTZ_TRY(open_risk_table(out, "Risk score of each framework, 0 to 100", "Framework"));
    BTZ_TRY(each_framework(out, p, framework_row));
    BTZ_TRY(close_table(out));
    ADD("</div>\n");
    return each_framework(out, p, framework_details);
}

/* ---- trend ---- */

#define TREND_MAX 24 /* runs drawn */

static enum btz_err trend_table(struct btz_buf *out, const struct btz_past_run *runs, size_t count)
{
    static const struct column columns[] = {
        { "Finished", false, NULL }, { "Risk", true, NULL },          { "Failed", true, NULL },
        { "Passed", true, NULL },    { "Not evaluated", true, NULL },
    };

    ADD("<details><summary>Numbers</summary>");
    BTZ_TRY(open_table(out, "Runs, newest first", columns, BTZ_COUNT(columns)));
    for (size_t i = count; i-- > 0;) {
        const struct btz_risk *r = &runs[i].risk;
        char when[BTZ_TIME_TEXT];

        btz_time_format(runs[i].finished_ms, when);
        ADDF("<tr><th scope=\"row\">%.10s %.5s%s</th><td class=\"n\" data-t=\"Risk\"><b>", when,
             when + 11, i + 1 == count ? ", this run" : "");
        BTZ_TRY(share(out, r->score / 100, false));
        ADD("</b>");
        BTZ_TRY(range(out, r->low / 100, r->high / 100));
        ADD("</td>");
        BTZ_TRY(count_cell(out, "Failed", r->failed));
        BTZ_TRY(count_cell(out, "Passed", r->passed));
        BTZ_TRY(count_cell(out, "Not evaluated", r->not_evaluated));
        ADD("</tr>\n");
    }
    BTZ_TRY(close_table(out));
    return btz_buf_add_str(out, "</details>");
}

enum btz_err btz_html_trend(struct btz_buf *out, const struct btz_html *p)
{
    struct btz_past_run runs[TREND_MAX];
    size_t count = 0, usable = 0;

    for (size_t i = 0; i < p->run->past_count; i++)
        usable += isfinite(p->run->past[i].risk.score);
    /* The newest ones that fit beside this run. */
    for (size_t i = 0; i < p->run->past_count; i++) {
        if (!isfinite(p->run->past[i].risk.score))
            continue;
        if (usable-- < TREND_MAX)
            runs[count++] = p->run->past[i];
    }
    if (count == 0)
        return BTZ_OK;
    runs[count++] = (struct btz_past_run){ p->run->finished_ms, p->risk };
    ADD("<div class=\"card\">");
    BTZ_TRY(btz_chart_trend(out, runs, count));
    ADDF("<p class=\"soft\">Risk score of the last %zu runs; the bars are their intervals. Runs "
         "that asked different questions compare badly: look at the numbers of checks.</p>",
         count);
    BTZ_TRY(trend_table(out, runs, count));
    return btz_buf_add_str(out, "</div>\n");
}

/* ---- lists of checks, coverage ---- */

static enum btz_err check_row(struct btz_buf *out, const struct btz_html *p,
                              const struct btz_record *r)
{
    BTZ_BUF_RELEASE struct btz_buf status = BTZ_BUF(SIZE_MAX);

    ADD("<tr><th scope=\"row\"><code>");
    TEXT(r->finding.rule->id);
    ADD("</code><span class=\"where\">");
    BTZ_TRY(btz_html_place(out, p, r));
    ADD("</span></th><td class=\"n\" data-t=\"Successes\">");
    BTZ_TRY(btz_html_rate(out, &r->finding));
    ADD("</td><td class=\"why\">");
    BTZ_TRY(btz_report_status(r, &status));
    BTZ_TRY(btz_html_line(out, btz_buf_slice(&status), BTZ_HTML_TEXT));
    if (status.len > 0 && r->finding.reason && r->finding.reason[0])
        ADD("; ");
    TEXT(r->finding.reason);
    return btz_buf_add_str(out, "</td></tr>\n");
}

static bool belongs(const struct btz_record *r, enum btz_outcome outcome, bool suppressed)
{
    return r->finding.outcome == outcome &&
           (outcome != BTZ_OUTCOME_FAIL || (r->status == BTZ_STATUS_SUPPRESSED) == suppressed);
}

enum btz_err btz_html_checks(struct btz_buf *out, const struct btz_html *p,
                             enum btz_outcome outcome, bool suppressed)
{
    static const struct column columns[] = {
        { "Rule and place", false, NULL },
        { "Successes", true, NULL },
        { "Why", false, NULL },
    };
    size_t count = 0, shown = 0, start;

    for (size_t i = 0; i < p->count; i++)
        count += belongs(&p->records[i], outcome, suppressed);
    if (count == 0)
        return BTZ_OK;
    ADDF("<details class=\"card\"><summary>%zu %s</summary>", count,
         count == 1 ? "check" : "checks");
    BTZ_TRY(
        open_table(out, "Checks, their measured rates and reasons", columns, BTZ_COUNT(columns)));
    start = out->len;
    for (size_t i = 0; i < p->count && out->len - start < BTZ_HTML_TABLE; i++) {
        if (!belongs(&p->records[i], outcome, suppressed))
            continue;
        BTZ_TRY(check_row(out, p, &p->records[i]));
        shown++;
    }
    BTZ_TRY(close_table(out));
    if (shown < count)
        ADDF("<p>%zu more are in the JSON report.</p>", count - shown);
    return btz_buf_add_str(out, "</details>");
}

static enum btz_err coverage_row(struct btz_buf *out, const struct btz_coverage *c)
{
    ADD("<tr><th scope=\"row\"><bdi>");
    TEXT(c->asset.name);
    ADD("</bdi> <span class=\"soft\">");
    TEXT(c->asset.kind);
    ADD("</span><span class=\"where\">");
    TEXT(c->asset.address);
    ADDF("</span></th><td data-t=\"Practice\">%s</td><td data-t=\"Unit\">",
         btz_practice_title(c->practice));
    TEXT(c->unit);
    ADD("</td>");
    BTZ_TRY(count_cell(out, "Planned", c->planned));
    BTZ_TRY(count_cell(out, "Done", c->done));
    BTZ_TRY(count_cell(out, "Skipped", c->skipped));
    BTZ_TRY(count_cell(out, "Failed", c->failed));
    return btz_buf_add_str(out, "</tr>\n");
}

enum btz_err btz_html_coverage(struct btz_buf *out, const struct btz_html *p)
{
    static const struct column columns[] = {
        { "Asset", false, NULL },  { "Practice", false, NULL }, { "Unit", false, NULL },
        { "Planned", true, NULL }, { "Done", true, NULL },      { "Skipped", true, NULL },
        { "Failed", true, NULL },
    };
    size_t count, shown = 0, start;
    const struct btz_coverage *list = btz_results_coverage(p->run->results, &count);

    if (count == 0)
        return btz_buf_add_str(out, "<p class=\"card\">Nothing was recorded.</p>\n");
    ADD("<div class=\"card\">");
    BTZ_TRY(open_table(out, "How much was looked at", columns, BTZ_COUNT(columns)));
    start = out->len;
    while (shown < count && out->len - start < BTZ_HTML_TABLE)
        BTZ_TRY(coverage_row(out, &list[shown++]));
    BTZ_TRY(close_table(out));
    if (shown < count)
        ADDF("<p>%zu more are in the JSON report.</p>", count - shown);
    return btz_buf_add_str(out, "</div>\n");
}
