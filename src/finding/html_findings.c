/* The findings of the HTML report: a card for each rule, in it each way in with its conversation as evidence. */
#include <math.h>

#include "base/json.h"
#include "finding/html.h"

#define EVIDENCE_MAX ((size_t)64 << 20) /* read */
#define TURNS_MAX    24                 /* messages of a conversation shown */
#define SIGHT_MAX    6                  /* findings of a rule in sight at once */
#define OPEN_MAX     30                 /* shown with everything */
#define ROWS_MAX     300                /* and as lines */

/* ---- evidence ---- */

static enum btz_err turn(struct btz_buf *out, struct btz_slice role, const char *note,
                         struct btz_slice text, size_t at, size_t len)
{
    static const char *const known[] = { "system", "user", "assistant", "tool" };
    const char *css = "other";

    for (size_t i = 0; i < BTZ_COUNT(known); i++)
        if (btz_slice_is(role, known[i]))
            css = known[i];
    ADDF("<li class=\"%s\"><b>", css);
    BTZ_TRY(btz_html_line(out, role.len > 0 ? role : btz_str("message"), BTZ_HTML_TEXT));
    ADDF("%s</b><div dir=\"auto\">", note);
    if (text.len == 0)
        ADD("<span class=\"cut\">(empty)</span>");
    BTZ_TRY(btz_html_marked(out, text, at, len, BTZ_HTML_MESSAGE));
    return btz_buf_add_str(out, "</div></li>\n");
}

static struct btz_slice text_of(const json_t *object, const char *key)
{
    struct btz_slice text = btz_str("");

    return btz_json_get_text(object, key, &text) ? text : btz_str("");
}

static size_t offset_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 ? (size_t)value : 0;
}

static enum btz_err fact(struct btz_buf *out, const char *name, struct btz_slice value)
{
    if (value.len == 0)
        return BTZ_OK;
    ADDF("<div><dt>%s</dt> <dd>", name);
    BTZ_TRY(btz_html_line(out, value, BTZ_HTML_TEXT));
    return btz_buf_add_str(out, "</dd></div>\n");
}

static enum btz_err digest(struct btz_buf *out, const struct btz_evidence *e)
{
    char hex[2 * BTZ_SHA256_LEN + 1];

    btz_hex(e->sha256, BTZ_SHA256_LEN, hex);
    return btz_buf_printf(
        out, "<div><dt>Evidence</dt> <dd>SHA-256 <code>%.16s&hellip;</code></dd></div></dl>\n",
        hex);
}

/* What decided, and how the attempt was made. */
static enum btz_err facts(struct btz_buf *out, const json_t *talk, const struct btz_finding *f,
                          const struct btz_evidence *e)
{
    struct btz_slice reason = text_of(talk, "reason");
    BTZ_BUF_RELEASE struct btz_buf answer = BTZ_BUF(256);
    const json_t *status = json_object_get(talk, "http_status");
    const json_t *seconds = json_object_get(talk, "seconds");

    if (json_is_integer(status))
        BTZ_TRY(
            btz_buf_printf(&answer, "HTTP %" JSON_INTEGER_FORMAT " ", json_integer_value(status)));
    if (json_is_number(seconds) && json_number_value(seconds) >= 0)
        BTZ_TRY(btz_buf_printf(&answer, "after %.2g s", json_number_value(seconds)));
    ADD("<dl class=\"facts\">");
    BTZ_TRY(fact(out, "Judged", text_of(talk, "outcome")));
    BTZ_TRY(fact(out, "Detector", text_of(talk, "detector")));
    if (!f->reason || !btz_slice_is(reason, f->reason))
        BTZ_TRY(fact(out, "Proof", reason));
    BTZ_TRY(fact(out, "Probe", text_of(talk, "probe")));
    BTZ_TRY(fact(out, "Transform", text_of(talk, "transform")));
    BTZ_TRY(fact(out, "Answer", btz_buf_slice(&answer)));
    return digest(out, e);
}

static enum btz_err conversation(struct btz_buf *out, const json_t *talk,
                                 const struct btz_finding *f, const struct btz_evidence *e)
{
    const json_t *messages = json_object_get(talk, "messages"), *message;
    size_t count = json_array_size(messages);

    ADD("<ol class=\"talk\">");
    for (size_t i = 0; i < count && i < TURNS_MAX; i++) {
        message = json_array_get(messages, i);
        BTZ_TRY(turn(out, text_of(message, "role"), "", text_of(message, "text"), 0, 0));
    }
    if (count > TURNS_MAX)
        ADDF("<li class=\"other\"><span class=\"cut\">&hellip; %zu messages left out "
             "&hellip;</span></li>",
             count - TURNS_MAX);
    BTZ_TRY(turn(out, btz_str("assistant"), ", the reply that was judged", text_of(talk, "reply"),
                 offset_of(talk, "at"), offset_of(talk, "len")));
    ADD("</ol>");
    return facts(out, talk, f, e);
}

static enum btz_err raw(struct btz_buf *out, struct btz_slice bytes, const struct btz_evidence *e)
{
    ADD("<pre>");
    BTZ_TRY(btz_html_block(out, bytes, BTZ_HTML_MESSAGE));
    ADD("</pre><dl class=\"facts\">");
    BTZ_TRY(fact(out, "Kind", btz_str(e->label)));
    BTZ_TRY(fact(out, "Type", btz_str(e->media_type)));
    return digest(out, e);
}

static enum btz_err one_evidence(struct btz_buf *out, const struct btz_html *p,
                                 const struct btz_finding *f, const struct btz_evidence *e)
{
    BTZ_BUF_RELEASE struct btz_buf storage = BTZ_BUF(EVIDENCE_MAX);
    BTZ_JSON json_t *talk = NULL;
    struct btz_slice bytes;
    char hex[2 * BTZ_SHA256_LEN + 1];

    if (!btz_report_evidence(p->run, e, &storage, &bytes)) {
        btz_hex(e->sha256, BTZ_SHA256_LEN, hex);
        return btz_buf_printf(out,
                              "<p class=\"soft\">Evidence <code>%s</code> is not at hand: it was "
                              "deleted, or left out to save room.</p>\n",
                              hex);
    }
    if (btz_json_parse(bytes, EVIDENCE_MAX, "evidence", &talk) == BTZ_OK &&
        json_is_array(json_object_get(talk, "messages")))
        return conversation(out, talk, f, e);
    return raw(out, bytes, e);
}

static enum btz_err evidence(struct btz_buf *out, const struct btz_html *p,
                             const struct btz_finding *f, size_t start)
{
    for (size_t i = 0; i < f->evidence_count; i++) {
        if (out->len - start > BTZ_HTML_BODY)
            return btz_buf_printf(out,
                                  "<p class=\"soft\">%zu more pieces of evidence are in the JSON "
                                  "report.</p>\n",
                                  f->evidence_count - i);
        if (f->evidence_count > 1)
            ADDF("<h4>Example %zu of %zu</h4>", i + 1, f->evidence_count);
        BTZ_TRY(one_evidence(out, p, f, &f->evidence[i]));
    }
    return BTZ_OK;
}

/* ---- findings ---- */

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
