#include "access/signin/rows.h"

const char *btz_row_text(struct btz_call *c, const struct btz_value *v)
{
    return v->kind == BTZ_VALUE_NULL ? NULL : btz_arena_str(c->arena, v->bytes);
}

enum btz_err btz_set(json_t *object, const char *key, json_t *value)
{
    if (!value || json_object_set_new(object, key, value) != 0)
        return btz_fail(BTZ_LIMIT, "no memory");
    return BTZ_OK;
}

enum btz_err btz_set_text(json_t *object, const char *key, const char *text)
{
    return btz_set(object, key, text ? btz_json_text(btz_str(text)) : json_null());
}

enum btz_err btz_set_time(json_t *object, const char *key, uint64_t ms)
{
    char text[BTZ_TIME_TEXT];

    btz_time_format(ms, text);
    return btz_set_text(object, key, ms ? text : NULL);
}

enum btz_err btz_out(struct btz_call *c)
{
    c->out = json_object();
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory");
}

static enum btz_err find(struct btz_call *c, const char *sql, const char *key,
                         struct btz_account *out)
{
    const struct btz_value values[] = { btz_value_str(key) };
    const struct btz_value *row;

    memset(out, 0, sizeof *out);
    BTZ_TRY(btz_store_one(c->store, sql, values, 1, c->arena, 6, &row));
    if (!row)
        return BTZ_OK;
    out->id = btz_row_text(c, &row[0]);
    out->name = btz_row_text(c, &row[1]);
    out->display_name = btz_row_text(c, &row[2]);
    out->email = btz_row_text(c, &row[3]);
    out->active = btz_slice_is(row[4].bytes, "active");
    out->hash = btz_row_text(c, &row[5]);
    return out->id && out->name ? BTZ_OK : BTZ_LIMIT;
}

#define ACCOUNT                                                                                    \
    "SELECT p.id, p.name, p.display_name, p.email, p.status, k.password_hash FROM principals p "   \
    "LEFT JOIN credentials k ON k.principal = p.id WHERE p.kind = 'user' AND "

enum btz_err btz_account_by_name(struct btz_call *c, const char *name, struct btz_account *out)
{
    return find(c, ACCOUNT "p.name = ?", name, out);
}

enum btz_err btz_account_by_id(struct btz_call *c, const char *id, struct btz_account *out)
{
    return find(c, ACCOUNT "p.id = ?", id, out);
}

enum btz_err btz_password_store(struct btz_call *c, const char *principal, const char *hash)
{
    const struct btz_value row[] = { btz_value_str(principal), btz_value_str(hash),
                                     btz_value_int((int64_t)c->now_ms) };

    return btz_store_run(c->store,
                         "INSERT INTO credentials (principal, password_hash, password_ms) VALUES "
                         "(?, ?, ?) ON CONFLICT (principal) DO UPDATE SET password_hash = "
                         "excluded.password_hash, password_ms = excluded.password_ms",
                         row, 3, NULL);
}

enum btz_err btz_must_have_factor(struct btz_call *c, const char *principal, bool *out)
{
    /* By the roles, not by what a decision would say here and now: conditions change, the account stays. */
    BTZ_TRY(btz_call_is_administrative(c, principal, out));
    *out = *out || btz_access_settings(c->access)->mfa_required;
    return BTZ_OK;
}

enum btz_err btz_wrong_credentials(void)
{
    return btz_fail(BTZ_DENIED, "wrong name or password");
}

enum btz_err btz_has_second_factor(struct btz_store *s, const char *principal, bool *out)
{
    *out = false;
    for (size_t i = 0; btz_factors[i] && !*out; i++)
        if (btz_factors[i]->enrols)
            BTZ_TRY(btz_factors[i]->has(s, principal, out));
    return BTZ_OK;
}
