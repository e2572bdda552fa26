/* Who am I, and what may I do? */
#include "access/signin/rows.h"

static enum btz_err add_factors(struct btz_call *c)
{
    const struct btz_value who[] = { btz_value_str(c->caller->principal) };
    const struct btz_value *row;

    for (size_t i = 0; btz_factors[i]; i++) {
        bool has = false;

        if (!btz_factors[i]->enrols)
            continue;
        BTZ_TRY(btz_factors[i]->has(c->store, c->caller->principal, &has));
        BTZ_TRY(btz_set(c->out, btz_factors[i]->name, json_boolean(has)));
    }
    BTZ_TRY(btz_store_one(c->store,
                          "SELECT COUNT(*) FROM recovery WHERE principal = ? AND used_ms = 0", who,
                          1, c->arena, 1, &row));
    return btz_set(c->out, "recovery_codes", json_integer(row ? (json_int_t)row[0].i : 0));
}

static enum btz_err add_name(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    if (json_array_append_new(user, btz_json_text(v[0].bytes)) != 0)
        return btz_fail(BTZ_LIMIT, "no memory");
    return BTZ_OK;
}

static enum btz_err add_names(struct btz_call *c, const char *key, const char *sql, size_t values)
{
    json_t *list = json_array();
    const struct btz_value who[] = { btz_value_str(c->caller->principal),
                                     btz_value_str(c->caller->principal),
                                     btz_value_int((int64_t)(c->now_ms / 1000)),
                                     btz_value_int((int64_t)(c->now_ms / 1000)) };

    BTZ_TRY(btz_set(c->out, key, list));
    return btz_store_query(c->store, sql, who, values, add_name, list);
}

/* Actions on everything of their kind: what pages show their links by. The decision itself is made at each call. */
static enum btz_err add_may(struct btz_call *c)
{
    json_t *may = json_array();
    char resource[64];

    BTZ_TRY(btz_set(c->out, "may", may));
    for (size_t i = 0; i < btz_action_count; i++) {
        bool would = false;

        snprintf(resource, sizeof resource, "%s/*", btz_actions[i].resource);
        BTZ_TRY(btz_call_would(c, c->caller->principal, btz_actions[i].name, resource, &would));
        if (would && json_array_append_new(may, json_string(btz_actions[i].name)) != 0)
            return btz_fail(BTZ_LIMIT, "no memory");
    }
    return BTZ_OK;
}

static enum btz_err add_person(struct btz_call *c)
{
    struct btz_account me;

    BTZ_TRY(btz_account_by_id(c, c->caller->principal, &me));
    BTZ_TRY(btz_set_text(c->out, "display_name", me.id ? me.display_name : NULL));
    BTZ_TRY(btz_set_text(c->out, "email", me.id ? me.email : NULL));
    BTZ_TRY(btz_set(c->out, "password", json_boolean(me.id && me.hash)));
    BTZ_TRY(add_factors(c));
    BTZ_TRY(add_names(c, "groups",
                      "SELECT g.name FROM groups g JOIN members m ON m.group_id = g.id WHERE "
                      "m.principal_id = ? ORDER BY g.name",
                      1));
    BTZ_TRY(add_names(c, "roles",
                      "SELECT DISTINCT b.role FROM bindings b LEFT JOIN members m ON m.group_id = "
                      "b.subject WHERE (b.subject = ? OR m.principal_id = ?) AND b.from_s <= ? "
                      "AND (b.until_s = 0 OR b.until_s > ?) ORDER BY b.role",
                      4));
    /* A key may less than its principal: its scopes say what. */
    return c->caller->enrolling || c->caller->kind == BTZ_CALLER_KEY ? BTZ_OK : add_may(c);
}

static enum btz_err me_run(struct btz_call *c)
{
    const struct btz_caller *me = c->caller;

    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set_text(c->out, "id", me->principal));
    BTZ_TRY(btz_set_text(c->out, "name", me->name));
    BTZ_TRY(btz_set_text(c->out, "method", me->method));
    BTZ_TRY(btz_set_text(c->out, "session", me->session[0] ? me->session : NULL));
    BTZ_TRY(btz_set_time(c->out, "second_factor", me->second_factor_ms));
    BTZ_TRY(btz_set(c->out, "enrolling", json_boolean(me->enrolling)));
    return me->kind == BTZ_CALLER_LOCAL ? BTZ_OK : add_person(c);
}

const struct btz_operation btz_operation_me = {
    .id = "me",
    .method = "GET",
    .path = "/v1/me",
    .summary = "Who one is, which factors one has, what one may do",
    .tag = "account",
    .needs = BTZ_NEEDS_CALLER | BTZ_ENROLLING,
    .result = "me",
    .run = me_run,
};
