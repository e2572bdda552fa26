/* Insides of the HTML report: text made safe, charts, tables, findings. */
#ifndef BTZ_FINDING_HTML_H
#define BTZ_FINDING_HTML_H

#include "finding/report.h"

/* Of the writers, whose buffer is always `out`. */
#define ADD(text)  BTZ_TRY(btz_buf_add_str(out, text))
#define ADDF(...)  BTZ_TRY(btz_buf_printf(out, __VA_ARGS__))
#define TEXT(text) BTZ_TRY(btz_html_line(out, btz_str(text), BTZ_HTML_TEXT))

/* What one place of the page may take, in bytes of the original: a report stays a page that opens. */
#define BTZ_HTML_TEXT    600            /* a name, a place, a reason */
#define BTZ_HTML_MESSAGE 6000           /* a message of a conversation, a piece of evidence */
#define BTZ_HTML_BODY    (2560u * 1024) /* all findings with their evidence, written */
#define BTZ_HTML_TABLE   (384u * 1024)  /* the rows of one list of checks, written */

/* What a run says of one rule. */
struct btz_html_rule {
    const struct btz_rule *rule;
    /* The failing check with the most points; where none failed, the passed one that leaves the most room; NULL when
     * there is neither. */
    const struct btz_record *worst;
    enum btz_severity severity; /* worst of the failing */
    size_t failed, passed, not_evaluated, suppressed;
    uint64_t k, n; /* over all failed and passed checks */
};

struct btz_html {
    const struct btz_run *run;
    const struct btz_record *records;
    size_t count;
    struct btz_risk risk;
    struct btz_html_rule *rules; /* failing first, most points first; each rule once */
    size_t rule_count;
    const struct btz_asset *only; /* where every check looked; NULL when there are several assets */
};

/* ---- html_text.c: every byte that is not ours goes through here ---- */

/*
 * Text for element content, at most `max` bytes of it and then how much was left out, which is an element itself. Control
 * and invisible characters show as \x1b, \u202e; a line has its line ends as \n, a block keeps them.
 */
BTZ_CHECKED enum btz_err btz_html_line(struct btz_buf *out, struct btz_slice text, size_t max);
BTZ_CHECKED enum btz_err btz_html_block(struct btz_buf *out, struct btz_slice text, size_t max);
/* The same for quoted attributes and the text of drawings, which hold no elements: what is cut ends with three dots. */
BTZ_CHECKED enum btz_err btz_html_short(struct btz_buf *out, struct btz_slice text, size_t max);
/* A block with [at, at + len) of the text inside <mark>; what is left out is far from it. */
BTZ_CHECKED enum btz_err btz_html_marked(struct btz_buf *out, struct btz_slice text, size_t at,
                                         size_t len, size_t max);
/* A rule page (headings, paragraphs, lists, `code`, **bold**, links as text), only its section `heading`; the whole
 * page when `heading` is NULL. Nothing when there is no such section. */
BTZ_CHECKED enum btz_err btz_html_page(struct btz_buf *out, const char *markdown,
                                       const char *heading);

/* ---- html_charts.c: inline SVG, each an image with its content in words ---- */

/* Labels 0 to 100 over a column of whiskers; `unit` is "%" or "". */
BTZ_CHECKED enum btz_err btz_chart_scale(struct btz_buf *out, const char *unit);
/* A rate in [0,1] with its interval (NAN: none) on a scale of 0 to 100 %. */
BTZ_CHECKED enum btz_err btz_chart_rate(struct btz_buf *out, const struct btz_finding *f,
                                        const char *css);
/* The same for the worst check of a rule, with the rates of all its other checks as ticks behind it. */
BTZ_CHECKED enum btz_err btz_chart_rates(struct btz_buf *out, const struct btz_html *p,
                                         const struct btz_html_rule *rule);
/* A score with its interval on a scale of 0 to 100. */
BTZ_CHECKED enum btz_err btz_chart_score(struct btz_buf *out, const struct btz_risk *risk);
/* The same, larger and with the bands, on top of the page. */
BTZ_CHECKED enum btz_err btz_chart_bands(struct btz_buf *out, const struct btz_risk *risk);
/* The points of a check with their interval on the same scale. */
BTZ_CHECKED enum btz_err btz_chart_points(struct btz_buf *out, const struct btz_record *r);
/* Risk of earlier runs and this one, oldest first. */
BTZ_CHECKED enum btz_err btz_chart_trend(struct btz_buf *out, const struct btz_past_run *runs,
                                         size_t count);

/* "none", "low", "medium", "high", "critical" by score; the bands of docs/risk.md. */
const char *btz_risk_band(double score);

/* ---- html_tables.c: the insides of sections; what has nothing to say writes nothing ---- */

BTZ_CHECKED enum btz_err btz_html_rates(struct btz_buf *out, const struct btz_html *p);
BTZ_CHECKED enum btz_err btz_html_sources(struct btz_buf *out, const struct btz_html *p);
BTZ_CHECKED enum btz_err btz_html_practices(struct btz_buf *out, const struct btz_html *p);
BTZ_CHECKED enum btz_err btz_html_frameworks(struct btz_buf *out, const struct btz_html *p);
BTZ_CHECKED enum btz_err btz_html_trend(struct btz_buf *out, const struct btz_html *p);
BTZ_CHECKED enum btz_err btz_html_coverage(struct btz_buf *out, const struct btz_html *p);
/* The checks of an outcome, those set aside by a suppression or the others. */
BTZ_CHECKED enum btz_err btz_html_checks(struct btz_buf *out, const struct btz_html *p,
                                         enum btz_outcome outcome, bool suppressed);

/* "7 of 20 · 35% [15–59]", "value 0.83 [0.8 to 0.86]", a dash when nothing was counted or measured. */
BTZ_CHECKED enum btz_err btz_html_rate(struct btz_buf *out, const struct btz_finding *f);
/* "asset: location"; the location alone where all have one asset. */
BTZ_CHECKED enum btz_err btz_html_place(struct btz_buf *out, const struct btz_html *p,
                                        const struct btz_record *r);
/* A link to the findings of a rule that failed, else its title alone. */
BTZ_CHECKED enum btz_err btz_html_rule_name(struct btz_buf *out, const struct btz_html_rule *rule);

/* ---- html_evidence.c ---- */

BTZ_CHECKED enum btz_err btz_html_evidence(struct btz_buf *out, const struct btz_html *p,
                                           const struct btz_finding *f,
                                           const struct btz_evidence *e);

/* One of several of a kind, to be numbered; figures and pictures have their own headings. */
bool btz_html_is_example(const struct btz_evidence *e);

/* ---- html_figure.c ---- */

/* `known` is false, and nothing written, for a kind of figure that is none of ours. */
BTZ_CHECKED enum btz_err btz_html_figure(struct btz_buf *out, const json_t *figure, bool *known);

/* Those of the run as a whole. */
BTZ_CHECKED enum btz_err btz_html_figures(struct btz_buf *out, const struct btz_html *p);

/* ---- html_findings.c ---- */

BTZ_CHECKED enum btz_err btz_html_findings(struct btz_buf *out, const struct btz_html *p);

/* Made from report_html.css by the build. */
extern const char btz_html_style[];

#endif
