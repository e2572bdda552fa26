/* What the report formats share: escaping for each medium, rates in words, assets and their ids. */
#ifndef BTZ_FINDING_REPORT_H
#define BTZ_FINDING_REPORT_H

#include "base/json.h"
#include "finding/finding.h"

/* "7/20 35% [15-59]", "value 0.83 [0.80-0.86]", empty when nothing was counted or measured. */
BTZ_CHECKED enum btz_err btz_report_rate(const struct btz_finding *f, struct btz_buf *out);
/* "35%", "0.4%", "<0.1%": a measured share, never rounded to 0 or 100. Without the sign the end of an interval,
 * "35" or "0.4", plainly rounded. */
BTZ_CHECKED enum btz_err btz_report_percent(double share, bool sign, struct btz_buf *out);
/* "45 of 100 [12-81]" */
BTZ_CHECKED enum btz_err btz_report_score(const struct btz_risk *risk, struct btz_buf *out);
/* One sentence: why a rule adds what it adds to the score. */
BTZ_CHECKED enum btz_err btz_report_risk_part(const struct btz_risk_part *part,
                                              struct btz_buf *out);
/* "open", "known in the baseline: 3/20 when it was taken", ...: status and its reason, empty when open. */
BTZ_CHECKED enum btz_err btz_report_status(const struct btz_record *r, struct btz_buf *out);
/* "asset: location" without escapes. */
BTZ_CHECKED enum btz_err btz_report_place(const struct btz_record *r, struct btz_buf *out);

/* The figures of a run, as JSON; the caller gives the reference back. */
size_t btz_results_figure_count(const struct btz_results *r);
BTZ_CHECKED enum btz_err btz_results_figure_at(const struct btz_results *r, size_t i, json_t **out);

/* The bytes of an evidence: kept ones, or asked for from the run into `storage`. False when they are gone. */
bool btz_report_evidence(const struct btz_run *run, const struct btz_evidence *e,
                         struct btz_buf *storage, struct btz_slice *out);

/* Columns a text takes in a terminal. */
size_t btz_report_columns(struct btz_slice text);
/* Appends one line of hostile text, printable, broken at blanks before column `width` (0: 80) with continuation lines
 * indented by `indent`, where the text starts too. */
BTZ_CHECKED enum btz_err btz_report_wrap(struct btz_slice text, size_t width, size_t indent,
                                         struct btz_buf *out);

/* Text for XML, in elements and attributes: control characters visible, markup escaped. */
BTZ_CHECKED enum btz_err btz_report_xml(struct btz_slice text, struct btz_buf *out);
/* Text inside a line or table cell of GitHub-flavoured Markdown that cannot become markup. */
BTZ_CHECKED enum btz_err btz_report_md(struct btz_slice text, struct btz_buf *out);

/* ---- JSON ---- */

/* ASCII only, fifteen digits: what is hostile in a terminal is escaped, and 0.35 stays 0.35. */
BTZ_CHECKED enum btz_err btz_report_json(const json_t *value, bool pretty, struct btz_buf *out);
json_t *btz_report_json_real(double value);    /* null for NAN */
json_t *btz_report_json_str(const char *text); /* null for NULL */
json_t *btz_report_json_time(uint64_t unix_ms);

/* The assets of a run, each with a short id: its name, or "kind:name" where two share a name. */
struct btz_report_asset {
    struct btz_asset asset;
    const char *id;
};
struct btz_report_assets {
    struct btz_report_asset *list; /* sorted by name, kind */
    size_t count;
};
BTZ_CHECKED enum btz_err btz_report_assets(const struct btz_results *r, struct btz_arena *arena,
                                           struct btz_report_assets *out);
const char *btz_report_asset_id(const struct btz_report_assets *a, const struct btz_asset *asset);

/* Parts of the JSON report, shared by json and jsonl; NULL without memory. */
json_t *btz_report_json_asset(const struct btz_report_asset *asset);
json_t *btz_report_json_finding(const struct btz_run *run, const struct btz_record *record,
                                const struct btz_report_assets *assets);
json_t *btz_report_json_coverage(const struct btz_run *run, const struct btz_report_assets *assets);
json_t *btz_report_json_risk(const struct btz_run *run);

#endif
