#include "access/signin/rows.h"

#define TICKETS_MAX 20000 /* live ones of a kind */

/*
 * Strangers may ask for challenges as fast as they can. Of one kind only the youngest are kept, so that a flood costs a
 * bounded room and whoever signs in meanwhile still has minutes. Looked at now and then, by the random hash.
 */
static enum btz_err make_room(struct btz_call *c, const char *kind,
                              const uint8_t hash[BTZ_SHA256_LEN])
{
    const struct btz_value values[] = { btz_value_str(kind), btz_value_int(TICKETS_MAX) };

    if (hash[0] >= 2 || strcmp(kind, BTZ_TICKET_ENROL) == 0)
        return BTZ_OK;
    return btz_store_run(
        c->store,
        "DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets WHERE kind = ? "
        "ORDER BY expires_ms DESC LIMIT 100000000 OFFSET ?)",
        values, 2, NULL);
}

enum btz_err btz_ticket_new(struct btz_call *c, const char *kind, const char *principal,
                            const char *data, uint64_t life_ms, char token[BTZ_TOKEN_TEXT])
{
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_value row[5];

    if (data && strlen(data) > BTZ_TICKET_DATA)
        return btz_fail(BTZ_LIMIT, "ticket: %zu bytes of data", strlen(data));
    BTZ_TRY(btz_signin_clock(c->access, c->store, c->now_ms));
    btz_token_new(token);
    BTZ_TRY(btz_token_hash(btz_str(token), hash));
    BTZ_TRY(make_room(c, kind, hash));
    row[0] = btz_value_blob(hash, sizeof hash);
    row[1] = btz_value_str(kind);
    row[2] = btz_value_str(principal);
    row[3] = btz_value_str(data);
    row[4] = btz_value_int((int64_t)(c->now_ms + life_ms));
    return btz_store_run(c->store,
                         "INSERT INTO tickets (hash, kind, principal, data, expires_ms, used, "
                         "failures) VALUES (?, ?, ?, ?, ?, 0, 0)",
                         row, 5, NULL);
}

static enum btz_err worthless(void)
{
    return btz_fail(BTZ_DENIED, "this step was used already or took too long; start again");
}

/* Whatever the clock says next: what was too old once is gone. */
static enum btz_err drop(struct btz_call *c, const uint8_t hash[BTZ_SHA256_LEN])
{
    const struct btz_value key[] = { btz_value_blob(hash, BTZ_SHA256_LEN) };

    c->keep = true;
    BTZ_TRY(btz_store_run(c->store, "UPDATE tickets SET used = 1 WHERE hash = ?", key, 1, NULL));
    return worthless();
}

enum btz_err btz_ticket_peek(struct btz_call *c, const char *kind, const char *token,
                             struct btz_ticket *out)
{
    uint8_t hash[BTZ_SHA256_LEN];
    const struct btz_value *row;
    struct btz_value key[2];

    if (btz_token_hash(btz_str(token), hash) != BTZ_OK)
        return worthless();
    key[0] = btz_value_blob(hash, sizeof hash);
    key[1] = btz_value_str(kind);
    BTZ_TRY(btz_store_one(c->store,
                          "SELECT principal, data, expires_ms FROM tickets WHERE hash = ? AND kind "
                          "= ? AND used = 0",
                          key, 2, c->arena, 3, &row));
    if (!row)
        return worthless();
    out->principal = btz_row_text(c, &row[0]);
    out->data = btz_row_text(c, &row[1]);
    out->expires_ms = (uint64_t)row[2].i;
    return c->now_ms < out->expires_ms ? BTZ_OK : drop(c, hash);
}

enum btz_err btz_ticket_take(struct btz_call *c, const char *kind, const char *token,
                             struct btz_ticket *out)
{
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_value key[1];
    uint64_t changed;

    BTZ_TRY(btz_signin_clock(c->access, c->store, c->now_ms));
    BTZ_TRY(btz_ticket_peek(c, kind, token, out));
    BTZ_TRY(btz_token_hash(btz_str(token), hash));
    key[0] = btz_value_blob(hash, sizeof hash);
    BTZ_TRY(btz_store_run(c->store, "UPDATE tickets SET used = 1 WHERE hash = ? AND used = 0", key,
                          1, &changed));
    if (changed != 1)
        return worthless();
    c->keep = true;
    return BTZ_OK;
}

enum btz_err btz_ticket_failed(struct btz_call *c, const char *token)
{
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_value values[2];

    BTZ_TRY(btz_token_hash(btz_str(token), hash));
    values[0] = btz_value_int(TICKET_TRIES);
    values[1] = btz_value_blob(hash, sizeof hash);
    return btz_store_run(c->store,
                         "UPDATE tickets SET failures = failures + 1, used = CASE WHEN failures + "
                         "1 >= ? THEN 1 ELSE used END WHERE hash = ?",
                         values, 2, NULL);
}
