#include <math.h>
#include <stdlib.h>

#include "finding/results.h"

#define COVERAGE_MAX 16384 /* they are searched one by one */

/* ---- copies ---- */

/* Well-formed UTF-8 in the arena; NULL stays NULL. False without memory. */
static bool keep_text(struct btz_kept *k, const char *text, const char **out)
{
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(SIZE_MAX);

    *out = NULL;
    if (!text)
        return true;
    if (!btz_is_utf8(btz_str(text))) {
        if (btz_utf8_clean(btz_str(text), &clean) != BTZ_OK)
            return false;
        *out = btz_arena_str(&k->arena, btz_buf_slice(&clean));
    } else {
        *out = btz_arena_str(&k->arena, btz_str(text));
    }
    return *out != NULL;
}

/* "https://user:password@host/x" must not carry its credentials into reports. */
static bool keep_address(struct btz_kept *k, const char *address, const char **out)
{
    struct btz_slice s = btz_str(address);
    size_t scheme = btz_slice_find(s, btz_str("://"), 0), host, end, at = SIZE_MAX;

    if (scheme == SIZE_MAX)
        return keep_text(k, address, out);
    host = scheme + 3;
    for (end = host; end < s.len && !memchr("/?#", s.ptr[end], 3); end++)
        if (s.ptr[end] == '@')
            at = end;
    if (at == SIZE_MAX)
        return keep_text(k, address, out);
    address = btz_arena_printf(&k->arena, "%.*s***%s", (int)host, address, address + at);
    return address && keep_text(k, address, out);
}

static bool keep_asset(struct btz_kept *k, const struct btz_asset *in, struct btz_asset *out)
{
    return keep_text(k, in->kind ? in->kind : "", &out->kind) &&
           keep_text(k, in->name ? in->name : "", &out->name) &&
           keep_address(k, in->address, &out->address);
}

static bool keep_evidence(struct btz_kept *k, const struct btz_finding *in, struct btz_finding *out)
{
    struct btz_evidence *copies;

    out->evidence = NULL;
    if (in->evidence_count == 0)
        return true;
    copies = btz_arena_array(&k->arena, in->evidence_count, sizeof *copies);
    if (!copies)
        return false;
    for (size_t i = 0; i < in->evidence_count; i++) {
        const struct btz_evidence *e = &in->evidence[i];

        memcpy(copies[i].sha256, e->sha256, sizeof e->sha256);
        if (!keep_text(k, e->label ? e->label : "evidence", &copies[i].label) ||
            !keep_text(k, e->media_type ? e->media_type : "application/octet-stream",
                       &copies[i].media_type))
            return false;
        /* Many transcripts must not end a run: past the budget the digest is kept alone. */
        if (e->bytes.len > k->evidence_max - k->evidence_bytes)
            continue;
        if (btz_arena_copy(&k->arena, e->bytes, &copies[i].bytes) != BTZ_OK)
            return false;
        k->evidence_bytes += e->bytes.len;
    }
    out->evidence = copies;
    return true;
}

/* ---- index ---- */

static size_t slot_of(const struct btz_kept *k, const char *fingerprint)
{
    uint8_t head[8];
    uint64_t hash = 0;

    /* The fingerprint is a hash already: its first 64 bits are as good as any. */
    if (btz_unhex(btz_slice_of(fingerprint, 16), head, sizeof head) == BTZ_OK)
        for (int i = 0; i < 8; i++)
            hash = hash << 8 | head[i];
    return (size_t)(hash & (k->index_size - 1));
}

static void index_put(struct btz_kept *k, size_t position)
{
    size_t slot = slot_of(k, k->records[position].fingerprint);

    while (k->index[slot])
        slot = (slot + 1) & (k->index_size - 1);
    k->index[slot] = (uint32_t)position + 1;
}

static void index_fill(struct btz_kept *k)
{
    if (k->index_size == 0)
        return;
    memset(k->index, 0, k->index_size * sizeof *k->index);
    for (size_t i = 0; i < k->count; i++)
        index_put(k, i);
}

size_t btz_kept_find(struct btz_kept *k, const char *fingerprint)
{
    size_t slot;

    if (k->index_size == 0)
        return SIZE_MAX;
    for (slot = slot_of(k, fingerprint); k->index[slot]; slot = (slot + 1) & (k->index_size - 1))
        if (memcmp(k->records[k->index[slot] - 1].fingerprint, fingerprint, BTZ_FINGERPRINT_TEXT) ==
            0)
            return k->index[slot] - 1;
    return SIZE_MAX;
}

/* Room for one more record and its index entry, at most half full. */
static enum btz_err reserve(struct btz_kept *k)
{
    size_t cap = k->cap ? k->cap * 2 : 64, bytes;
    struct btz_record *records;
    uint32_t *index;

    if (k->count < k->cap)
        return BTZ_OK;
    if (!btz_size_mul(cap, sizeof *records + 2 * sizeof *index, &bytes) || bytes > k->arena.cap ||
        cap > UINT32_MAX / 2)
        return btz_fail(BTZ_LIMIT, "results: %zu findings are all that fit into %zu bytes",
                        k->count, k->arena.cap);
    records = realloc(k->records, cap * sizeof *records);
    if (!records)
        return btz_fail(BTZ_LIMIT, "results: out of memory for %zu findings", cap);
    k->records = records;
    index = realloc(k->index, 2 * cap * sizeof *index);
    if (!index)
        return btz_fail(BTZ_LIMIT, "results: out of memory for %zu findings", cap);
    k->index = index;
    k->cap = cap;
    k->index_size = 2 * cap;
    index_fill(k);
    return BTZ_OK;
}

/* ---- sink ---- */

static enum btz_err check(const struct btz_finding *f)
{
    if (!f->rule || !f->rule->id || !f->rule->refs)
        return btz_fail(BTZ_INTERNAL, "finding without a rule");
    if ((unsigned)f->outcome >= BTZ_OUTCOME_COUNT || (unsigned)f->severity >= BTZ_SEVERITY_COUNT)
        return btz_fail(BTZ_INTERNAL, "%s: finding with outcome %d, severity %d", f->rule->id,
                        (int)f->outcome, (int)f->severity);
    if (f->n > BTZ_TRIALS_MAX || (f->n > 0 && f->k > f->n) || f->k > BTZ_TRIALS_MAX)
        return btz_fail(BTZ_INTERNAL, "%s: finding with k %" PRIu64 " of n %" PRIu64, f->rule->id,
                        f->k, f->n);
    if (isinf(f->value) || isinf(f->ci_low) || isinf(f->ci_high) || f->ci_low > f->ci_high ||
        isnan(f->ci_low) != isnan(f->ci_high))
        return btz_fail(BTZ_INTERNAL, "%s: finding with interval %g to %g", f->rule->id, f->ci_low,
                        f->ci_high);
    if (f->n > 0 && (f->ci_low < 0 || f->ci_high > 1))
        return btz_fail(BTZ_INTERNAL, "%s: finding with a rate between %g and %g", f->rule->id,
                        f->ci_low, f->ci_high);
    if (f->evidence_count > 0 && !f->evidence)
        return btz_fail(BTZ_INTERNAL, "%s: finding without its evidence", f->rule->id);
    return BTZ_OK;
}

static enum btz_err take_finding(struct btz_sink *sink, const struct btz_finding *f)
{
    struct btz_kept *k = ((struct btz_results *)sink)->kept;
    struct btz_record record = { .finding = *f };
    size_t known;

    BTZ_TRY(check(f));
    if (!keep_asset(k, &f->asset, &record.finding.asset) ||
        !keep_text(k, f->location ? f->location : "", &record.finding.location) ||
        !keep_text(k, f->reason, &record.finding.reason) || !keep_evidence(k, f, &record.finding))
        return btz_fail_context(BTZ_LIMIT, "results");
    btz_finding_fingerprint(f, record.fingerprint);
    btz_finding_risk(f, &record.risk, &record.risk_low, &record.risk_high);
    known = btz_kept_find(k, record.fingerprint);
    k->sorted = false;
    if (known != SIZE_MAX) {
        k->records[known] = record;
        return BTZ_OK;
    }
    BTZ_TRY(reserve(k));
    k->records[k->count++] = record;
    index_put(k, k->count - 1);
    return BTZ_OK;
}

static void add_up(uint64_t *to, uint64_t more)
{
    if (__builtin_add_overflow(*to, more, to))
        *to = UINT64_MAX;
}

static enum btz_err take_coverage(struct btz_sink *sink, const struct btz_coverage *c)
{
    struct btz_kept *k = ((struct btz_results *)sink)->kept;
    struct btz_coverage copy = *c, *grown;

    if ((unsigned)c->practice >= BTZ_PRACTICE_COUNT)
        return btz_fail(BTZ_INTERNAL, "coverage of practice %d", (int)c->practice);
    if (!keep_asset(k, &c->asset, &copy.asset) ||
        !keep_text(k, c->unit ? c->unit : "units", &copy.unit))
        return btz_fail_context(BTZ_LIMIT, "results");
    for (size_t i = 0; i < k->coverage_count; i++) {
        struct btz_coverage *have = &k->coverage[i];

        if (have->practice != copy.practice || strcmp(have->asset.kind, copy.asset.kind) != 0 ||
            strcmp(have->asset.name, copy.asset.name) != 0 || strcmp(have->unit, copy.unit) != 0)
            continue;
        add_up(&have->planned, copy.planned);
        add_up(&have->done, copy.done);
        add_up(&have->skipped, copy.skipped);
        add_up(&have->failed, copy.failed);
        return BTZ_OK;
    }
    if (k->coverage_count == k->coverage_cap) {
        size_t cap = k->coverage_cap ? k->coverage_cap * 2 : 16;

        if (cap > COVERAGE_MAX)
            return btz_fail(BTZ_LIMIT, "results: coverage of more than %d assets and units",
                            COVERAGE_MAX);
        grown = realloc(k->coverage, cap * sizeof *grown);
        if (!grown)
            return btz_fail(BTZ_LIMIT, "results: out of memory for coverage");
        k->coverage = grown;
        k->coverage_cap = cap;
    }
    k->coverage[k->coverage_count++] = copy;
    k->sorted = false;
    return BTZ_OK;
}

/* ---- order ---- */

static int outcome_rank(enum btz_outcome o)
{
    return o == BTZ_OUTCOME_FAIL ? 0 : o == BTZ_OUTCOME_NOT_EVALUATED ? 1 : 2;
}

static int status_rank(enum btz_status s)
{
    return s == BTZ_STATUS_WORSE || s == BTZ_STATUS_OPEN ? 0 : s == BTZ_STATUS_BASELINE ? 1 : 2;
}

static int by_place(const struct btz_asset *a, const struct btz_asset *b)
{
    int order = strcmp(a->name, b->name);

    return order ? order : strcmp(a->kind, b->kind);
}

static int by_weight(const void *x, const void *y)
{
    const struct btz_record *a = x, *b = y;
    int order = outcome_rank(a->finding.outcome) - outcome_rank(b->finding.outcome);

    if (order == 0)
        order = status_rank(a->status) - status_rank(b->status);
    if (order == 0)
        order = (int)b->finding.severity - (int)a->finding.severity;
    if (order == 0)
        order = (b->risk > a->risk) - (b->risk < a->risk);
    if (order == 0)
        order = strcmp(a->finding.rule->id, b->finding.rule->id);
    if (order == 0)
        order = by_place(&a->finding.asset, &b->finding.asset);
    if (order == 0)
        order = strcmp(a->finding.location, b->finding.location);
    return order ? order : strcmp(a->fingerprint, b->fingerprint);
}

static int by_asset(const void *x, const void *y)
{
    const struct btz_coverage *a = x, *b = y;
    int order = (int)a->practice - (int)b->practice;

    if (order == 0)
        order = by_place(&a->asset, &b->asset);
    return order ? order : strcmp(a->unit, b->unit);
}

void btz_kept_sort(struct btz_kept *k)
{
    if (k->sorted)
        return;
    if (k->count > 0)
        qsort(k->records, k->count, sizeof *k->records, by_weight);
    if (k->coverage_count > 0)
        qsort(k->coverage, k->coverage_count, sizeof *k->coverage, by_asset);
    index_fill(k);
    k->sorted = true;
}

/* ---- the object ---- */

enum btz_err btz_results_new_within(size_t memory, struct btz_results **out)
{
    struct btz_results *r = calloc(1, sizeof *r);
    struct btz_kept *k = calloc(1, sizeof *k);

    if (!r || !k) {
        free(r);
        free(k);
        return btz_fail(BTZ_LIMIT, "out of memory for results");
    }
    btz_arena_init(&k->arena, memory);
    k->evidence_max = memory / 2;
    r->kept = k;
    r->sink.finding = take_finding;
    r->sink.coverage = take_coverage;
    *out = r;
    return BTZ_OK;
}

enum btz_err btz_results_new(struct btz_results **out)
{
    return btz_results_new_within(BTZ_RESULTS_MEMORY, out);
}

void btz_results_free(struct btz_results *r)
{
    if (!r)
        return;
    btz_arena_release(&r->kept->arena);
    free(r->kept->records);
    free(r->kept->index);
    free(r->kept->coverage);
    free(r->kept);
    free(r);
}

struct btz_sink *btz_results_sink(struct btz_results *r)
{
    return &r->sink;
}

const struct btz_record *btz_results_records(const struct btz_results *r, size_t *count)
{
    btz_kept_sort(r->kept);
    *count = r->kept->count;
    return r->kept->records;
}

const struct btz_coverage *btz_results_coverage(const struct btz_results *r, size_t *count)
{
    btz_kept_sort(r->kept);
    *count = r->kept->coverage_count;
    return r->kept->coverage;
}
