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
bool btz_severity_parse(const char *text, enum btz_severity *out);

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

/* A reference's framework ("OWASP LLM 2025"), title ("Prompt Injection") and address, from our tables.
 * false when the reference is not one we know. */
struct btz_reference {
    const char *id, *framework, *title, *url;
};
bool btz_reference_find(const char *id, struct btz_reference *out);

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

#define BTZ_FINGERPRINT_TEXT 33
/* Stable identity across runs: first 16 bytes in hex of SHA-256 over rule id, asset kind and name, location
 * (each length-prefixed), never of counts or times. */
void btz_finding_fingerprint(const struct btz_finding *f, char out[BTZ_FINGERPRINT_TEXT]);

/* How much was looked at. Units are the practice's own ("requests", "bytes", "rows"). */
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
struct btz_results;
BTZ_CHECKED enum btz_err btz_results_new(struct btz_results **out);
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

#endif
