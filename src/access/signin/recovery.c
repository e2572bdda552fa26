/* Recovery codes: for the day the second factor is lost. */
#include "access/signin/rows.h"

static enum btz_err has(struct btz_store *s, const char *principal, bool *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value key[] = { btz_value_str(principal) };
    const struct btz_value *row;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_store_one(s, "SELECT 1 FROM recovery WHERE principal = ? AND used_ms = 0 LIMIT 1",
                          key, 1, &arena, 1, &row));
    *out = row != NULL;
    return BTZ_OK;
}

static enum btz_err reset(struct btz_store *s, const char *principal)
{
    const struct btz_value key[] = { btz_value_str(principal) };

    return btz_store_run(s, "DELETE FROM recovery WHERE principal = ?", key, 1, NULL);
}

const struct btz_factor btz_factor_recovery = { .name = "recovery", .has = has, .reset = reset };

static enum btz_err store_codes(struct btz_call *c, const char codes[][BTZ_RECOVERY_TEXT])
{
    uint8_t pepper[32], hash[BTZ_SHA256_LEN];
    struct btz_value row[] = { btz_value_str(c->caller->principal),
                               btz_value_blob(hash, sizeof hash) };
    enum btz_err err = BTZ_OK;

    btz_seal_derive(btz_access_seal(c->access), "recovery", pepper);
    for (int i = 0; i < BTZ_RECOVERY_CODES && err == BTZ_OK; i++) {
        err = btz_recovery_hash(btz_str(codes[i]), pepper, hash);
        if (err == BTZ_OK)
            err = btz_store_run(c->store,
                                "INSERT INTO recovery (principal, hash, used_ms) VALUES (?, ?, 0)",
                                row, 2, NULL);
    }
    btz_wipe(pepper, sizeof pepper);
    return err;
}

static enum btz_err show_codes(struct btz_call *c, const char codes[][BTZ_RECOVERY_TEXT])
{
    json_t *list = json_array();

    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set(c->out, "codes", list));
    for (int i = 0; i < BTZ_RECOVERY_CODES; i++)
        if (json_array_append_new(list, json_string(codes[i])) != 0)
            return btz_fail(BTZ_LIMIT, "no memory");
    return BTZ_OK;
}

static enum btz_err codes_run(struct btz_call *c)
{
    char codes[BTZ_RECOVERY_CODES][BTZ_RECOVERY_TEXT];
    enum btz_err err;
    bool enrolled;

    BTZ_TRY(btz_factor_may_change(c));
    BTZ_TRY(btz_has_second_factor(c->store, c->caller->principal, &enrolled));
    if (!enrolled)
        return btz_fail(BTZ_CONFLICT, "recovery codes stand in for a second factor; add one first");
    BTZ_TRY(reset(c->store, c->caller->principal));
    btz_recovery_new(codes);
    err = store_codes(c, (const char(*)[BTZ_RECOVERY_TEXT])codes);
    if (err == BTZ_OK)
        err = show_codes(c, (const char(*)[BTZ_RECOVERY_TEXT])codes);
    btz_wipe(codes, sizeof codes);
    c->note.reason = "new recovery codes";
    return err;
}

const struct btz_operation btz_operation_me_recovery_codes = {
    .id = "me.recovery-codes",
    .method = "POST",
    .path = "/v1/me/recovery-codes",
    .summary = "Make new recovery codes",
    .details = "Ten codes, shown only now. Each signs in once in place of the second factor. "
               "Codes made before stop working.",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION,
    .result = "recovery-codes",
    .run = codes_run,
};
