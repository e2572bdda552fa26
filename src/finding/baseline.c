#include <bartizan/stats.h>

#include "finding/results.h"

#define SIGNIFICANT 0.05

enum btz_err btz_compare_rates(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double *p)
{
    *p = 1;
    return n1 == 0 || n2 == 0 ? BTZ_OK : btz_fisher_test(k1, n1, k2, n2, BTZ_SIDE_LOWER, p);
}

static char *what_was(struct btz_arena *arena, const struct btz_baseline_entry *e)
{
    if (e->n == 0)
        return btz_arena_printf(arena, "%s in the baseline", btz_severity_name(e->severity));
    return btz_arena_printf(arena, "%s with %" PRIu64 "/%" PRIu64 " in the baseline",
                            btz_severity_name(e->severity), e->k, e->n);
}

static enum btz_err compare(struct btz_kept *k, struct btz_record *r,
                            const struct btz_baseline_entry *was)
{
    const struct btz_finding *f = &r->finding;
    const char *before = what_was(&k->arena, was);
    double p;

    BTZ_TRY(btz_compare_rates(was->k, was->n, f->k, f->n, &p));
    if (!before)
        return BTZ_LIMIT;
    r->status = BTZ_STATUS_BASELINE;
    r->status_reason = before;
    if (f->severity > was->severity) {
        r->status = BTZ_STATUS_WORSE;
    } else if (p < SIGNIFICANT) {
        r->status = BTZ_STATUS_WORSE;
        r->status_reason = btz_arena_printf(&k->arena, "%s, p = %.2g", before, p);
    }
    return r->status_reason ? BTZ_OK : BTZ_LIMIT;
}

enum btz_err btz_results_baseline(struct btz_results *r, struct btz_slice report)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_baseline_entry *list, *was;
    struct btz_kept *k = r->kept;
    size_t count;

    btz_arena_init(&arena, BTZ_REPORT_MAX);
    BTZ_TRY(btz_baseline_parse(report, &arena, &list, &count));
    for (size_t i = 0; i < k->count; i++) {
        struct btz_record *record = &k->records[i];

        if (record->finding.outcome != BTZ_OUTCOME_FAIL || record->status == BTZ_STATUS_SUPPRESSED)
            continue;
        was = btz_baseline_find(list, count, record->fingerprint);
        /* What was suppressed then was never accepted as known: it counts once its suppression is gone. */
        if (was && was->outcome == BTZ_OUTCOME_FAIL && was->status != BTZ_STATUS_SUPPRESSED)
            BTZ_TRY(compare(k, record, was));
    }
    k->sorted = false;
    return BTZ_OK;
}
