#include "access/federation/rows.h"

const char *btz_fed_text(struct btz_call *c, const struct btz_value *v)
{
    return v->kind == BTZ_VALUE_NULL ? NULL : btz_arena_str(c->arena, v->bytes);
}

enum btz_err btz_fed_set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

enum btz_err btz_fed_set_text(json_t *object, const char *key, const char *text)
{
    return btz_fed_set(object, key, text ? btz_json_text(btz_str(text)) : json_null());
}

enum btz_err btz_fed_set_time(json_t *object, const char *key, uint64_t ms)
{
    char text[BTZ_TIME_TEXT];

    if (ms == 0)
        return btz_fed_set(object, key, json_null());
    btz_time_format(ms, text);
    return btz_fed_set_text(object, key, text);
}

enum btz_err btz_fed_list(struct btz_call *c, json_t *items)
{
    c->out = json_pack("{s:o, s:n}", "items", items, "next");
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

/* The same as for passwords and keys: whoever makes a proof of somebody can be him. */
enum btz_err btz_fed_may_prove(struct btz_call *c, const struct btz_principal *p)
{
    bool person = p->kind == BTZ_PRINCIPAL_USER, may;
    const char *action = person ? "user.write" : "key.write";
    const char *resource = btz_arena_printf(c->arena, person ? "user/%s" : "key/*", p->name);

    if (!resource)
        return BTZ_LIMIT;
    if (c->caller->kind == BTZ_CALLER_SESSION && strcmp(c->caller->principal, p->id) == 0)
        return BTZ_OK;
    BTZ_TRY(btz_call_may(c, action, resource, &may));
    if (!may) {
        c->note.reason =
            btz_arena_printf(c->arena, "a way into %s needs %s on %s", p->name, action, resource);
        return btz_fail(BTZ_DENIED, "a way into %s needs %s on %s", p->name, action, resource);
    }
    return btz_rights_over(c, p->id);
}

enum btz_err btz_fed_caller(struct btz_store *s, struct btz_arena *arena, const char *principal,
                            struct btz_caller *io, bool *active)
{
    const struct btz_value v[] = { btz_value_str(principal) };
    const struct btz_value *row;

    *active = false;
    BTZ_TRY(
        btz_store_one(s, "SELECT name, status FROM principals WHERE id = ?", v, 1, arena, 2, &row));
    if (!row)
        return BTZ_OK;
    snprintf(io->principal, sizeof io->principal, "%s", principal);
    snprintf(io->name, sizeof io->name, "%.*s", BTZ_SLICE_ARG(row[0].bytes));
    *active = btz_slice_is(row[1].bytes, "active");
    return BTZ_OK;
}
