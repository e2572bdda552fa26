/*
 * Back-off. A counter of failures for each account, for each person's second factor and for each address slows guessing
 * down; the wait ends after 15 minutes at most, so that nobody is locked out for good. Names that nobody has are counted
 * like others: waiting tells nothing about who exists.
 */
#include "access/signin/rows.h"

static const struct {
    const char *name;
    struct btz_backoff backoff;
} kinds[] = {
    [BTZ_THROTTLE_ACCOUNT] = { "account:", { 4, 900000 } },
    [BTZ_THROTTLE_FACTOR] = { "factor:", { 4, 900000 } },
    /* Many people may share an address. */
    [BTZ_THROTTLE_ADDRESS] = { "address:", { 30, 120000 } },
};

uint64_t btz_backoff_ms(const struct btz_backoff *b, uint64_t failures)
{
    uint64_t beyond = failures > b->free ? failures - b->free : 0, ms;

    if (beyond == 0)
        return 0;
    if (beyond > 10)
        return BTZ_BACKOFF_MAX_MS;
    ms = (uint64_t)1000 << (beyond - 1);
    return ms < BTZ_BACKOFF_MAX_MS ? ms : BTZ_BACKOFF_MAX_MS;
}

/* An IPv6 network of 64 bits is one address: whoever has it has all of them. */
static bool address_name(const struct btz_address *a, char out[64])
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };
    size_t len = memcmp(a->b, mapped, sizeof mapped) == 0 ? 16 : 8;

    btz_hex(a->b, len, out);
    return a->known;
}

/* Name of the counter; NULL when there is nothing to count. */
static const char *counter(struct btz_call *c, enum btz_throttle kind, const char *who)
{
    char address[64];

    if (kind == BTZ_THROTTLE_ADDRESS) {
        if (!address_name(&c->caller->address, address))
            return "";
        who = address;
    }
    return btz_arena_printf(c->arena, "%s%s", kinds[kind].name, who);
}

struct count {
    uint64_t failures, last_ms;
};

static enum btz_err read_count(struct btz_call *c, const char *name, struct count *out)
{
    const struct btz_value key[] = { btz_value_str(name) };
    const struct btz_value *row;

    out->failures = out->last_ms = 0;
    BTZ_TRY(btz_store_one(c->store, "SELECT failures, last_ms FROM throttle WHERE name = ?", key, 1,
                          c->arena, 2, &row));
    if (row) {
        out->failures = (uint64_t)row[0].i;
        out->last_ms = (uint64_t)row[1].i;
    }
    return BTZ_OK;
}

static uint64_t remembered(const struct btz_backoff *b, const struct count *count, uint64_t now_ms)
{
    uint64_t gone = now_ms > count->last_ms ? (now_ms - count->last_ms) / b->forget_ms : 0;

    return gone < count->failures ? count->failures - gone : 0;
}

enum btz_err btz_throttle_check(struct btz_call *c, enum btz_throttle kind, const char *who)
{
    const char *name = counter(c, kind, who);
    struct count count;
    uint64_t wait, passed;

    if (!name)
        return BTZ_LIMIT;
    if (!name[0])
        return BTZ_OK;
    BTZ_TRY(read_count(c, name, &count));
    wait = btz_backoff_ms(&kinds[kind].backoff, count.failures);
    passed = c->now_ms > count.last_ms ? c->now_ms - count.last_ms : 0;
    if (passed < wait)
        c->retry_after_s = (unsigned)((wait - passed + 999) / 1000);
    if (passed < wait)
        return btz_fail(BTZ_LIMIT, "too many failed attempts; try again in %" PRIu64 " s",
                        (wait - passed + 999) / 1000);
    return BTZ_OK;
}

static enum btz_err write_count(struct btz_call *c, const char *name, uint64_t failures,
                                uint64_t last_ms)
{
    const struct btz_value row[] = { btz_value_str(name), btz_value_int((int64_t)failures),
                                     btz_value_int((int64_t)last_ms) };

    return btz_store_run(c->store,
                         "INSERT INTO throttle (name, failures, last_ms) VALUES (?, ?, ?) ON "
                         "CONFLICT (name) DO UPDATE SET failures = excluded.failures, last_ms = "
                         "excluded.last_ms",
                         row, 3, NULL);
}

enum btz_err btz_throttle_add(struct btz_call *c, enum btz_throttle kind, const char *who)
{
    const char *name = counter(c, kind, who);
    struct count count;

    if (!name)
        return BTZ_LIMIT;
    if (!name[0])
        return BTZ_OK;
    BTZ_TRY(read_count(c, name, &count));
    return write_count(c, name, remembered(&kinds[kind].backoff, &count, c->now_ms) + 1, c->now_ms);
}

enum btz_err btz_throttle_undo(struct btz_call *c, enum btz_throttle kind, const char *who)
{
    const char *name = counter(c, kind, who);
    struct count count;

    if (!name)
        return BTZ_LIMIT;
    if (!name[0])
        return BTZ_OK;
    BTZ_TRY(read_count(c, name, &count));
    if (count.failures == 0)
        return BTZ_OK;
    return write_count(c, name, count.failures - 1, count.last_ms);
}

enum btz_err btz_throttle_clear(struct btz_store *s, enum btz_throttle kind, const char *who)
{
    struct btz_value key[1];
    char name[256];

    snprintf(name, sizeof name, "%s%s", kinds[kind].name, who);
    key[0] = btz_value_str(name);
    return btz_store_run(s, "DELETE FROM throttle WHERE name = ?", key, 1, NULL);
}

/* Each forgets at least one failure in 15 minutes, and more than a few hundred are never gathered in a day. */
enum btz_err btz_throttle_tidy(struct btz_store *s, uint64_t now_ms)
{
    const struct btz_value old[] = { btz_value_int((int64_t)now_ms), btz_value_int(900000) };

    return btz_store_run(s, "DELETE FROM throttle WHERE (? - last_ms) / ? > failures", old, 2,
                         NULL);
}
