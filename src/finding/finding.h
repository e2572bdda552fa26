/*
 * finding: rules, findings, sinks, suppressions, baselines, risk and reports. Feature code fills a
 * struct btz_finding and hands it to a struct btz_sink; everything behind the sink is here.
 */
#ifndef BTZ_FINDING_H
#define BTZ_FINDING_H

#include "base/base.h"
#include "base/conf.h"

/* ---- catalogue: generated from the front matter of docs/rules/ (one page, one rule) ------------- */

enum btz_practice {
    BTZ_PRACTICE_REDTEAM,
    BTZ_PRACTICE_WATERMARK,
    BTZ_PRACTICE_DATA,
    BTZ_PRACTICE_ACCESS,
    BTZ_PRACTICE_AUDIT,
    BTZ_PRACTICE_COUNT
};
enum btz_severity {
    BTZ_SEVERITY_INFO,
    BTZ_SEVERITY_LOW,
    BTZ_SEVERITY_MEDIUM,
    BTZ_SEVERITY_HIGH,
    BTZ_SEVERITY_CRITICAL,
    BTZ_SEVERITY_COUNT
};
enum btz_outcome {
    BTZ_OUTCOME_FAIL,
    BTZ_OUTCOME_PASS,
    BTZ_OUTCOME_NOT_EVALUATED,
    BTZ_OUTCOME_COUNT
};

const char *btz_practice_name(enum btz_practice p);  /* "redteam" */
const char *btz_practice_title(enum btz_practice p); /* "Red teaming" */
const char *btz_severity_name(enum btz_severity s);  /* "critical" */
const char *btz_outcome_name(enum btz_outcome o);    /* "not-evaluated" */
bool btz_practice_parse(const char *text, enum btz_practice *out);
bool btz_severity_parse(const char *text, enum btz_severity *out);
bool btz_outcome_parse(const char *text, enum btz_outcome *out);

struct btz_rule {
    const char *id, *title;
    enum btz_practice practice;
    enum btz_severity severity;
    const char *const
        *refs; /* "OWASP-LLM01:2025", "OWASP-ASI01:2026", "AML.T0051.000", "NIST-MEASURE-2.7",
                              * "CWE-1427"; NULL-terminated */
    const char *page; /* the page's Markdown after the front matter */
};
extern const struct btz_rule *const btz_rules[]; /* NULL-terminated, sorted by id */
/* NULL when there is no such rule. */
const struct btz_rule *btz_rule_find(const char *id);
/* The registered id nearest to a mistyped one, NULL when none is near. */
const char *btz_rule_nearest(const char *id);
/* The catalogue for people (a table) and for programs (a JSON array); practice -1: all. */
BTZ_CHECKED enum btz_err btz_rules_list_text(int practice, unsigned width, struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_rules_list_json(int practice, struct btz_buf *out);
/* A rule's page for a terminal of `width` columns (0: 80); colour codes only when `color`. */
BTZ_CHECKED enum btz_err btz_rule_explain(const struct btz_rule *rule, unsigned width, bool color,
                                          struct btz_buf *out);

/* A reference's framework ("OWASP LLM 2025"), title ("Prompt Injection") and address, from our tables.
 * false when the reference is not one we know. */
struct btz_reference {
    const char *id, *framework, *title, *url;
};
bool btz_reference_find(const char *id, struct btz_reference *out);
size_t btz_reference_count(void);
const struct btz_reference *btz_reference_at(size_t index); /* NULL past the end */

/* ---- findings ----------------------------------------------------------------------------------- */

/* What was looked at: kind is "endpoint", "model", "dataset", "configuration", "host", "log", "gateway". */
struct btz_asset {
    const char *kind, *name, *address;
};

/* Bytes that prove a finding. `sha256` is content address; filled by the sender through btz_evidence_set. */
struct btz_evidence {
    const char *label;      /* "transcript" */
    const char *media_type; /* "application/json" */
    struct btz_slice bytes;
    uint8_t sha256[BTZ_SHA256_LEN];
};
void btz_evidence_set(struct btz_evidence *e, const char *label, const char *media_type,
                      struct btz_slice bytes);

/* What is wrong (or right), where, how sure. Borrowed while the sink call lasts. */
struct btz_finding {
    const struct btz_rule *rule;
    struct btz_asset asset;
    const char *location; /* within the asset: "probe leak.verbatim, transform base64" */
    enum btz_outcome outcome;
    enum btz_severity severity; /* usually the rule's */
    const char *reason;         /* why not-evaluated, or one sentence of evidence */
    uint64_t k, n;              /* successes of the attack (or hits) in trials; n = 0: not a rate */
    double value;               /* k/n, or whatever the rule measures */
    double ci_low, ci_high;     /* its 95 % interval; NAN when there is none */
    const struct btz_evidence *evidence;
    size_t evidence_count;
};

/* Evidence of red-team findings is JSON, so that reports can show it as a conversation:
 *   {"messages":[{"role":"user","text":"..."}],"reply":"...","outcome":"complied","detector":"...","reason":"...",
 *    "at":12,"len":8,"probe":"...","transform":"...","generation":1,"http_status":200,"seconds":0.12}
 * All text is UTF-8 and hostile: every report escapes it for its medium. */

/*
 * Evidence that reports draw, JSON: {"kind","title", ...}, with "note", one sentence, where wanted.
 *   "curve": "x" and "y" (names of the axes), "log" (x), "whole" (x counts), "percent" (y is a share),
 *            "series": [{"name","points":[[x,y], ...]}], a y that is null is a gap, "marks": [{"x","text"}]
 *   "table": "columns": [...], "rows": [[name, number or text, ...], ...]
 *   "counts": the same, of numbers: rows are shaded by share
 * Of type image/png a picture is shown as it is, under its label.
 */
#define BTZ_FIGURE_TYPE "application/vnd.bartizan.figure+json"

#define BTZ_FINGERPRINT_TEXT 33
/* Stable identity across runs: first 16 bytes in hex of SHA-256 over rule id, asset kind and name, location
 * (each with its length before it, 64 bits big-endian; ill-formed UTF-8 as U+FFFD, so that the identity survives a
 * report), never of counts or times. */
void btz_finding_fingerprint(const struct btz_finding *f, char out[BTZ_FINGERPRINT_TEXT]);

/* How much was looked at. Units are the practice's own ("requests", "bytes", "rows"). Parts of one practice, asset
 * and unit may be sent separately: they add up. */
struct btz_coverage {
    enum btz_practice practice;
    struct btz_asset asset;
    const char *unit;
    uint64_t planned, done, skipped, failed;
};

struct btz_progress {
    const char *stage;
    uint64_t done, total;
    double per_second, eta_s; /* eta NAN while unknown */
};

/* Where feature code sends what it learns. An implementation embeds this struct first. Progress may be NULL. */
struct btz_sink {
    enum btz_err (*finding)(struct btz_sink *, const struct btz_finding *);
    enum btz_err (*coverage)(struct btz_sink *, const struct btz_coverage *);
    void (*progress)(struct btz_sink *, const struct btz_progress *);
};

/* Sends everything to each of `to` in order; the first error stops. */
struct btz_tee {
    struct btz_sink sink;
    struct btz_sink *const *to;
    size_t count;
};
void btz_tee_init(struct btz_tee *t, struct btz_sink *const *to, size_t count);

/* ---- results: a sink that keeps everything, for reports (results.c) ----------------------------- */

enum btz_status { /* what suppressions and baselines say of a finding */
                  BTZ_STATUS_OPEN,
                  BTZ_STATUS_SUPPRESSED, /* by a suppression that has not expired */
                  BTZ_STATUS_BASELINE, /* known, and not worse: its interval is not above the baseline's */
                  BTZ_STATUS_WORSE, /* known, and significantly worse */
                  BTZ_STATUS_COUNT
};
const char *btz_status_name(enum btz_status s); /* "baseline" */
bool btz_status_parse(const char *text, enum btz_status *out);

/*
 * Keeps deep copies: text as well-formed UTF-8, addresses without user and password. A finding with the fingerprint
 * of an earlier one replaces it. Evidence bytes over half of the memory limit are dropped, digests stay. One thread
 * at a time. Errors of the sink: LIMIT; INTERNAL for a finding without rule, with k > n, n > 2^40 or a bad interval.
 */
struct btz_results;
#define BTZ_RESULTS_MEMORY ((size_t)512 << 20)
BTZ_CHECKED enum btz_err btz_results_new(struct btz_results **out); /* with BTZ_RESULTS_MEMORY */
BTZ_CHECKED enum btz_err btz_results_new_within(size_t memory, struct btz_results **out);
void btz_results_free(struct btz_results *r);
struct btz_sink *btz_results_sink(struct btz_results *r);

/* Suppressions of bartizan.yaml, under `suppressions:`. */
struct btz_suppression {
    const char *rule;     /* id, or a prefix with ".*" */
    const char *asset;    /* name, NULL: every asset */
    const char *location; /* substring, NULL: everywhere */
    const char *reason;   /* required */
    uint64_t
        expires; /* required, Unix ms; after it the finding counts again and a warning says so */
};
extern const struct btz_conf_struct btz_suppression_conf;
/* Before a run: rules exist, reasons and dates are there. Errors: USAGE, naming the entry. */
BTZ_CHECKED enum btz_err btz_suppressions_check(const struct btz_suppression *list, size_t count);

/* ---- what reports read (results.c, risk.c) ------------------------------------------------------ */

/* A kept finding: deep copies, owned by the results. */
struct btz_record {
    struct btz_finding finding;
    char fingerprint[BTZ_FINGERPRINT_TEXT];
    enum btz_status status;
    const char
        *status_reason; /* the suppression's reason, or what the baseline had; when open NULL, or
                         * which suppression has expired */
    double risk;        /* this record's contribution, [0,100] */
    double risk_low, risk_high;
};
/* Sorted: outcome fail, not-evaluated, pass; then status open or worse first; severity, risk, rule id, asset, location. */
const struct btz_record *btz_results_records(const struct btz_results *r, size_t *count);
const struct btz_coverage *btz_results_coverage(const struct btz_results *r, size_t *count);

/* Marks failing records; returns through *expired how many suppressions were past their date. A suppression counts
 * until its date begins (UTC). */
BTZ_CHECKED enum btz_err btz_results_suppress(struct btz_results *r,
                                              const struct btz_suppression *list, size_t count,
                                              uint64_t now_ms, size_t *expired);
/* `report` is an earlier JSON report of ours. A failing record that failed there too becomes BASELINE, or WORSE when
 * its severity rose or Fisher's exact test of k of n, one-sided, gives p < 0.05. What passed, was not evaluated or was
 * suppressed there is no baseline. Errors: INPUT, LIMIT, UNSUPPORTED (newer schema). */
BTZ_CHECKED enum btz_err btz_results_baseline(struct btz_results *r, struct btz_slice report);

/* Risk of a set of records, [0,100], with the interval that the findings' own intervals give. The formula is in
 * docs/risk.md and uses severity and both bounds: 1 of 1 is not 100 of 100. */
struct btz_risk {
    double score, low, high;
    uint64_t failed, passed, not_evaluated, suppressed;
    uint64_t failed_by_severity[BTZ_SEVERITY_COUNT];
};
/* Over all records that count; `reference` (a btz_reference framework or id prefix, which cuts no number: not "CWE-7"
 * for "CWE-78") and `practice` (-1: all) narrow it. */
void btz_results_risk(const struct btz_results *r, int practice, const char *reference,
                      struct btz_risk *out);
/* One rule's share of a risk score: its worst record, and what the rule adds to the score. */
struct btz_risk_part {
    const struct btz_record *record;
    double weight;                  /* of the severity, [0,100] */
    double chance_low, chance_high; /* that one of ten tries succeeds, at the interval's ends */
    double points;                  /* of the record alone: weight times the mean chance */
    double factor;                  /* 1, 1/2, 1/4 ... by rank */
    double adds;                    /* to the score; the sum over the parts is the score */
};
#define BTZ_RISK_PARTS 16
/* The worst rules, worst first; the records belong to the results. Returns how many, at most BTZ_RISK_PARTS. */
size_t btz_results_risk_parts(const struct btz_results *r, int practice, const char *reference,
                              struct btz_risk_part out[BTZ_RISK_PARTS]);
/* Points of one finding and their bounds, as kept in its record; zeros unless it failed. */
void btz_finding_risk(const struct btz_finding *f, double *points, double *low, double *high);
/* Any open or worse failing record at or above `floor`? */
bool btz_results_has_failed(const struct btz_results *r, enum btz_severity floor);

/* One earlier run, for the trend. */
struct btz_past_run {
    uint64_t finished_ms;
    struct btz_risk risk;
};
/* The date and the risk of a JSON report of ours. Errors: INPUT, LIMIT, UNSUPPORTED. */
BTZ_CHECKED enum btz_err btz_past_run_read(struct btz_slice report, struct btz_past_run *out);

/* Everything a report may show. */
struct btz_run {
    const char *id, *title, *version; /* of bartizan */
    uint64_t started_ms, finished_ms, seed;
    bool complete;       /* false: the report says so at its top */
    const char *failure; /* not complete: what failed; NULL: it was interrupted */
    const struct btz_results *results;
    const struct btz_past_run *past; /* oldest first */
    size_t past_count;
    const char *ledger_origin,
        *ledger_root; /* checkpoint that covers the run, hex root; NULL: no ledger */
    uint64_t ledger_size;
    /* The bytes of an evidence digest, for reports that embed transcripts; false when gone. NULL allowed. */
    bool (*evidence)(void *user, const uint8_t sha256[BTZ_SHA256_LEN], struct btz_buf *out);
    void *evidence_user;
    unsigned width; /* text: columns of the terminal, 0: 100 */
    bool color;     /* text: colour codes wanted */
};

/* A report format is one file. Formats: text, json, jsonl, sarif, junit, html, md. */
struct btz_report_format {
    const char *id, *title, *extension;
    enum btz_err (*write)(const struct btz_run *run, struct btz_buf *out);
};
extern const struct btz_report_format *const btz_report_formats[]; /* NULL-terminated */
const struct btz_report_format *btz_report_format_find(const char *id);

/*
 * Reads a JSON report of ours back, for `report --from`: findings and coverage go into *results (new, to be freed by
 * the caller), the rest into *run (text in the arena, run->results set). Evidence that the report embeds comes back
 * with it and must match its digest. Errors: INPUT, LIMIT, UNSUPPORTED (newer schema, rule unknown to this build).
 */
BTZ_CHECKED enum btz_err btz_report_read(struct btz_slice report, struct btz_arena *arena,
                                         struct btz_results **results, struct btz_run *run);

#endif
