#include <math.h>

#include "base/json.h"
#include "watch/watch.h"

#define GROUP      256 /* entries a commit */
#define WAIT_BYTES ((size_t)GROUP * BTZ_LEDGER_ENTRY_MAX)

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static enum btz_err queue(struct btz_ledger_sink *s, const json_t *entry)
{
    size_t before, len;

    if (s->waiting == GROUP) /* an earlier flush failed */
        BTZ_TRY(btz_ledger_sink_flush(s));
    before = s->entries.len;
    BTZ_TRY(btz_json_write(entry, false, &s->entries));
    len = s->entries.len - before;
    if (len > BTZ_LEDGER_ENTRY_MAX) {
        s->entries.len = before;
        return btz_fail(BTZ_LIMIT, "ledger entry of %zu bytes; the most is %d", len,
                        BTZ_LEDGER_ENTRY_MAX);
    }
    if (btz_buf_add(&s->sizes, &len, sizeof len) != BTZ_OK) {
        s->entries.len = before;
        return BTZ_LIMIT;
    }
    s->waiting++;
    return s->waiting >= GROUP ? btz_ledger_sink_flush(s) : BTZ_OK;
}

enum btz_err btz_ledger_sink_flush(struct btz_ledger_sink *s)
{
    struct btz_slice group[GROUP];
    size_t at = 0, len;
    uint64_t first;

    if (s->waiting == 0)
        return BTZ_OK;
    for (size_t i = 0; i < s->waiting; i++) {
        memcpy(&len, s->sizes.ptr + i * sizeof len, sizeof len);
        group[i] = btz_slice_of(s->entries.ptr + at, len);
        at += len;
    }
    BTZ_TRY(btz_ledger_append(s->ledger, group, s->waiting, &first));
    btz_buf_clear(&s->entries);
    btz_buf_clear(&s->sizes);
    s->waiting = 0;
    return BTZ_OK;
}

/* The entry holds salted commitments, never bare digests: evidence can be deleted without a trace of what it was.
 * The append of the entry's group publishes what is staged here. */
static enum btz_err stage_evidence(struct btz_ledger_sink *s, const struct btz_finding *f,
                                   json_t *commitments)
{
    for (size_t i = 0; i < f->evidence_count; i++) {
        uint8_t digest[BTZ_SHA256_LEN], commitment[BTZ_SHA256_LEN];
        char hex[2 * BTZ_SHA256_LEN + 1];

        BTZ_TRY(btz_ledger_stage_evidence(s->ledger, f->evidence[i].bytes, digest, commitment));
        btz_hex(commitment, sizeof commitment, hex);
        if (json_array_append_new(commitments, json_string(hex)) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return BTZ_OK;
}

static enum btz_err on_finding(struct btz_sink *sink, const struct btz_finding *f)
{
    struct btz_ledger_sink *s = (struct btz_ledger_sink *)sink;
    BTZ_JSON json_t *commitments = json_array();
    BTZ_JSON json_t *entry = NULL;
    char fingerprint[BTZ_FINGERPRINT_TEXT], when[BTZ_TIME_TEXT];

    if (!commitments)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(stage_evidence(s, f, commitments));
    btz_finding_fingerprint(f, fingerprint);
    btz_time_format(btz_clock_unix_ms(), when);
    entry = json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:s, s:o, s:o}, s:o, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o, "
        "s:s, s:O}",
        "type", "finding", "time", when, "run", s->run_id, "rule", f->rule->id, "asset", "kind",
        f->asset.kind, "name", btz_json_text(btz_str(f->asset.name)), "address",
        btz_json_text(btz_str(f->asset.address)), "location", btz_json_text(btz_str(f->location)),
        "outcome", btz_outcome_name(f->outcome), "severity", btz_severity_name(f->severity),
        "reason", btz_json_text(btz_str(f->reason)), "k", (json_int_t)f->k, "n", (json_int_t)f->n,
        "value", number(f->value), "ci_low", number(f->ci_low), "ci_high", number(f->ci_high),
        "fingerprint", fingerprint, "evidence", commitments);
    return queue(s, entry);
}

static enum btz_err on_coverage(struct btz_sink *sink, const struct btz_coverage *c)
{
    struct btz_ledger_sink *s = (struct btz_ledger_sink *)sink;
    BTZ_JSON json_t *entry =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:I}", "type", "coverage", "run",
                  s->run_id, "practice", btz_practice_name(c->practice), "asset_kind",
                  c->asset.kind, "asset", btz_json_text(btz_str(c->asset.name)), "unit", c->unit,
                  "planned", (json_int_t)c->planned, "done", (json_int_t)c->done, "skipped",
                  (json_int_t)c->skipped, "failed", (json_int_t)c->failed);

    return queue(s, entry);
}

enum btz_err btz_ledger_sink_event(struct btz_ledger_sink *s, const char *type,
                                   struct btz_slice details)
{
    BTZ_JSON json_t *object = NULL;
    BTZ_JSON json_t *entry = NULL;
    char when[BTZ_TIME_TEXT];

    btz_time_format(btz_clock_unix_ms(), when);
    if (details.len > 0)
        BTZ_TRY(btz_json_parse(details, BTZ_LEDGER_ENTRY_MAX, "event details", &object));
    if (object && !json_is_object(object))
        return btz_fail(BTZ_INTERNAL, "event details: expected an object");
    entry = json_pack("{s:s, s:s, s:s, s:s}", "type", type, "time", when, "run", s->run_id,
                      "version", btz_version());
    if (entry && object && json_object_update_missing(entry, object) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(queue(s, entry));
    return btz_ledger_sink_flush(s);
}

void btz_ledger_sink_init(struct btz_ledger_sink *s, struct btz_ledger *ledger, const char *run_id)
{
    *s = (struct btz_ledger_sink){ .sink = { .finding = on_finding, .coverage = on_coverage },
                                   .ledger = ledger,
                                   .run_id = run_id,
                                   .entries = BTZ_BUF(WAIT_BYTES),
                                   .sizes = BTZ_BUF(GROUP * sizeof(size_t)) };
}

void btz_ledger_sink_release(struct btz_ledger_sink *s)
{
    btz_buf_release(&s->entries);
    btz_buf_release(&s->sizes);
}
