/*
 * Retention: the content of old months goes, the log stays. Evidence first, then in one transaction the keys and the
 * record of the evidence: a run that is killed leaves keys and records behind, and the next one finishes. The store
 * writes over what it deletes.
 */
#include "access/trail/handle.h"

#include <stdlib.h>

static enum btz_err on_months(void *user, const struct btz_value *columns, size_t count)
{
    struct btz_trail_retained *r = user;

    (void)count;
    r->months++;
    r->entries += columns[1].i > 0 ? (uint64_t)columns[1].i : 0;
    if (columns[0].bytes.len < sizeof r->until)
        snprintf(r->until, sizeof r->until, "%.*s", BTZ_SLICE_ARG(columns[0].bytes));
    return BTZ_OK;
}

static enum btz_err on_count(void *user, const struct btz_value *columns, size_t count)
{
    (void)count;
    *(uint64_t *)user = columns[0].i < 0 ? 0 : (uint64_t)columns[0].i;
    return BTZ_OK;
}

static enum btz_err count_all(struct btz_trail *t, struct btz_store *s, const char *first_kept,
                              struct btz_trail_retained *out)
{
    struct btz_value values[] = { btz_value_str(first_kept), btz_value_str(t->home) };

    BTZ_TRY(btz_store_query(s,
                            "SELECT month, entries FROM trail_months WHERE month < ?"
                            " ORDER BY month",
                            values, 1, on_months, out));
    return btz_store_query(s, "SELECT count(*) FROM trail_evidence WHERE month < ? AND ledger = ?",
                           values, 2, on_count, &out->evidence);
}

static enum btz_err on_evidence(void *user, const struct btz_value *columns, size_t count)
{
    uint8_t digest[BTZ_SHA256_LEN];

    (void)count;
    BTZ_TRY(btz_unhex(columns[0].bytes, digest, sizeof digest));
    return btz_ledger_drop_evidence(user, digest);
}

static enum btz_err drop_evidence(struct btz_trail *t, struct btz_store *s, const char *first_kept)
{
    struct btz_value values[] = { btz_value_str(first_kept), btz_value_str(t->home) };
    struct btz_ledger *l;
    enum btz_err err;

    BTZ_TRY(btz_ledger_open(t->dir, BTZ_LEDGER_WRITE, &l));
    err = btz_store_query(s, "SELECT digest FROM trail_evidence WHERE month < ? AND ledger = ?",
                          values, 2, on_evidence, l);
    btz_ledger_close(l);
    return err;
}

static void name_first_kept(const struct btz_trail *t, uint64_t before_ms,
                            char out[BTZ_TRAIL_MONTH])
{
    char current[BTZ_TRAIL_MONTH];

    btz_trail_month(before_ms, out);
    btz_trail_month(t->now_ms(t->user), current);
    if (strcmp(out, current) > 0)
        memcpy(out, current, sizeof current);
}

enum btz_err btz_trail_retain(struct btz_trail *t, struct btz_store *s, uint64_t before_ms,
                              bool dry_run, struct btz_trail_retained *out)
{
    struct btz_trail_retained r = { 0 };
    char first_kept[BTZ_TRAIL_MONTH];

    name_first_kept(t, before_ms, first_kept);
    /* Evidence that waits in the outbox would be put in place after its record is gone. */
    if (!dry_run)
        BTZ_TRY(btz_trail_flush(t, s));
    BTZ_TRY(count_all(t, s, first_kept, &r));
    if (!dry_run && r.evidence > 0)
        BTZ_TRY(drop_evidence(t, s, first_kept));
    *out = r;
    return BTZ_OK;
}

enum btz_err btz_trail_retain_keys(struct btz_trail *t, struct btz_store *s, uint64_t before_ms)
{
    char first_kept[BTZ_TRAIL_MONTH];
    struct btz_value values[2];

    name_first_kept(t, before_ms, first_kept);
    values[0] = btz_value_str(first_kept);
    values[1] = btz_value_str(t->home);
    BTZ_TRY(btz_store_run(s, "DELETE FROM trail_evidence WHERE month < ? AND ledger = ?", values, 2,
                          NULL));
    return btz_store_run(s, "DELETE FROM trail_months WHERE month < ?", values, 1, NULL);
}
