/* Insides of the HTML report: text made safe, charts, style. */
#ifndef BTZ_FINDING_HTML_H
#define BTZ_FINDING_HTML_H

#include "finding/finding.h"

/* ---- html_text.c: every byte that is not ours goes through here ---- */

/* Text for element content and quoted attributes. Control and invisible characters show as \x1b, \u202e. */
BTZ_CHECKED enum btz_err btz_html_text(struct btz_buf *out, struct btz_slice text);
BTZ_CHECKED enum btz_err btz_html_str(struct btz_buf *out, const char *text);
/* The same, with [at, at + len) of the raw bytes inside <mark>. */
BTZ_CHECKED enum btz_err btz_html_marked(struct btz_buf *out, struct btz_slice text, size_t at,
                                         size_t len);
/* A rule page (headings, paragraphs, lists, `code`, **bold**, links as text) from its section `heading` on; the whole
 * page when `heading` is NULL. Nothing when there is no such section. */
BTZ_CHECKED enum btz_err btz_html_page(struct btz_buf *out, const char *markdown,
                                       const char *heading);

/* ---- html_charts.c: inline SVG; each has a title and a description for screen readers ---- */

/* A rate with its interval on a scale of 0 to 100 %. */
BTZ_CHECKED enum btz_err btz_chart_rate(struct btz_buf *out, double value, double low, double high,
                                        const char *css);
/* A score with its interval on a scale of 0 to 100. */
BTZ_CHECKED enum btz_err btz_chart_score(struct btz_buf *out, const struct btz_risk *risk);
/* The half circle on top of the page. */
BTZ_CHECKED enum btz_err btz_chart_gauge(struct btz_buf *out, const struct btz_risk *risk);
/* Risk of earlier runs and this one, oldest first. */
BTZ_CHECKED enum btz_err btz_chart_trend(struct btz_buf *out, const struct btz_past_run *past,
                                         size_t count, const struct btz_past_run *now);

extern const char btz_html_style[];

/* "low", "medium", "high", "critical" by score; the bands of docs/risk.md. */
const char *btz_risk_band(double score);

#endif
