/* What the files of this folder share about kept results. */
#ifndef BTZ_FINDING_RESULTS_H
#define BTZ_FINDING_RESULTS_H

#include "finding/figures.h"
#include "finding/finding.h"

/* Behind struct btz_results, which reports hold as const: sorting is not a change they can see. */
struct btz_kept {
    struct btz_arena arena;
    struct btz_record *records;
    size_t count, cap;
    uint32_t *index; /* open addressing on the fingerprint: position + 1, 0 free */
    size_t index_size;
    struct btz_coverage *coverage;
    size_t coverage_count, coverage_cap;
    struct btz_slice figures[BTZ_RUN_FIGURES]; /* JSON */
    size_t figure_count;
    size_t evidence_bytes, evidence_max;
    bool sorted;
};
struct btz_results {
    struct btz_sink sink;
    struct btz_kept *kept;
};

/* Position of a fingerprint, or SIZE_MAX. */
size_t btz_kept_find(struct btz_kept *k, const char *fingerprint);
void btz_kept_sort(struct btz_kept *k);

/* Does any reference of the rule belong to that framework, or begin with that prefix? NULL fits all. */
bool btz_rule_has_reference(const struct btz_rule *rule, const char *reference);

/* Trials that a finding and a baseline may claim: far more than anybody runs, and quick to compare. */
#define BTZ_TRIALS_MAX (UINT64_C(1) << 40)

/* Is a rate of k2 of n2 significantly above one of k1 of n1? `*p` is from Fisher's exact test, one-sided. */
BTZ_CHECKED enum btz_err btz_compare_rates(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2,
                                           double *p);

/* ---- reading a report (report_read.c) ---- */

#define BTZ_REPORT_VERSION 1
#define BTZ_REPORT_MAX     ((size_t)256 << 20)

/* One finding of an earlier report, as far as a baseline needs it. */
struct btz_baseline_entry {
    char fingerprint[BTZ_FINGERPRINT_TEXT];
    enum btz_outcome outcome;
    enum btz_severity severity;
    enum btz_status status;
    uint64_t k, n;
};
/* All findings of a report, sorted by fingerprint, in the arena. Errors: INPUT, LIMIT, UNSUPPORTED. */
BTZ_CHECKED enum btz_err btz_baseline_parse(struct btz_slice report, struct btz_arena *arena,
                                            const struct btz_baseline_entry **out, size_t *count);
const struct btz_baseline_entry *btz_baseline_find(const struct btz_baseline_entry *list,
                                                   size_t count, const char *fingerprint);

#endif
