/* From one proof to the next: what happens when a factor was right. */
#include "access/signin/rows.h"

/* ---- signing in ---- */

static enum btz_err find_active(struct btz_call *c, const char *principal, struct btz_account *out)
{
    BTZ_TRY(btz_account_by_id(c, principal, out));
    c->note.principal = principal;
    if (out->id)
        c->note.name = out->name;
    return out->id && out->active ? BTZ_OK : btz_wrong_credentials();
}

static enum btz_err add_methods(struct btz_call *c, const char *principal)
{
    json_t *methods = json_array();

    BTZ_TRY(btz_set(c->out, "methods", methods));
    for (size_t i = 0; btz_factors[i]; i++) {
        bool has = false;

        BTZ_TRY(btz_factors[i]->has(c->store, principal, &has));
        if (has && json_array_append_new(methods, json_string(btz_factors[i]->name)) != 0)
            return btz_fail(BTZ_LIMIT, "no memory");
    }
    return BTZ_OK;
}

static enum btz_err ask_second(struct btz_call *c, const struct btz_account *who,
                               const char *method)
{
    char token[BTZ_TOKEN_TEXT];

    BTZ_TRY(btz_ticket_new(c, BTZ_TICKET_SECOND, who->id, method, BTZ_TICKET_MS, token));
    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set_text(c->out, "state", "second-factor"));
    BTZ_TRY(btz_set_text(c->out, "ticket", token));
    c->note.method = btz_arena_str(c->arena, btz_str(method));
    c->note.reason = "the first factor was right; the second is asked for";
    return add_methods(c, who->id);
}

static enum btz_err begin_session(struct btz_call *c, const struct btz_account *who,
                                  const char *method, bool second_factor, bool enrolling)
{
    BTZ_TRY(btz_session_new(c, who, method, second_factor, enrolling));
    BTZ_TRY(btz_throttle_clear(c->store, BTZ_THROTTLE_ACCOUNT, who->name));
    if (enrolling)
        c->note.reason = "this session may only add a second factor";
    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set_text(c->out, "state", enrolling ? "enrol" : "signed-in"));
    BTZ_TRY(btz_set_text(c->out, "name", who->name));
    return btz_set_text(c->out, "session", c->note.session);
}

enum btz_err btz_signin_first(struct btz_call *c, const char *principal, const char *method)
{
    struct btz_account who;
    bool has, must;

    BTZ_TRY(find_active(c, principal, &who));
    BTZ_TRY(btz_has_second_factor(c->store, who.id, &has));
    if (has)
        return ask_second(c, &who, method);
    BTZ_TRY(btz_must_have_factor(c, who.id, &must));
    return begin_session(c, &who, method, false, must);
}

enum btz_err btz_signin_done(struct btz_call *c, const char *principal, const char *method,
                             bool second_factor)
{
    struct btz_account who;

    BTZ_TRY(find_active(c, principal, &who));
    return begin_session(c, &who, method, second_factor, false);
}

/* ---- for signed-in people ---- */

enum btz_err btz_step_up_done(struct btz_call *c, const char *factor)
{
    BTZ_TRY(btz_signin_clock(c->access, c->store, c->now_ms));
    c->note.method = btz_arena_str(c->arena, btz_str(factor));
    BTZ_TRY(btz_session_renew(c, NULL, c->now_ms, c->caller->enrolling));
    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set_text(c->out, "session", c->caller->session));
    return btz_set_time(c->out, "fresh_until",
                        c->now_ms + (uint64_t)btz_access_settings(c->access)->step_up_ms);
}

static bool is_fresh(const struct btz_call *c)
{
    uint64_t at = c->caller->second_factor_ms, now = c->now_ms;

    return at > 0 && at <= now + CLOCK_SLACK_MS &&
           (now <= at || now - at <= (uint64_t)btz_access_settings(c->access)->step_up_ms);
}

enum btz_err btz_factor_may_change(struct btz_call *c)
{
    const struct btz_value session[] = { btz_value_str(c->caller->session) };
    const struct btz_value *row;
    uint64_t life = (uint64_t)btz_access_settings(c->access)->step_up_ms;
    bool has;

    /* Who has none yet may have to find his device, or an app, first. */
    if (life < FIRST_FACTOR_MS)
        life = FIRST_FACTOR_MS;
    if (is_fresh(c))
        return BTZ_OK;
    BTZ_TRY(btz_has_second_factor(c->store, c->caller->principal, &has));
    if (!has) {
        /* There is nothing to show again but the sign-in itself. */
        BTZ_TRY(btz_store_one(c->store, "SELECT created_ms FROM sessions WHERE id = ?", session, 1,
                              c->arena, 1, &row));
        if (row && (uint64_t)row[0].i + life >= c->now_ms)
            return BTZ_OK;
        c->note.reason = "the sign-in is too old for a first password or factor";
        return btz_fail(BTZ_DENIED, "you signed in too long ago for this; sign out, sign in again, "
                                    "and do it then");
    }
    c->needs_step_up = true;
    return btz_fail(BTZ_DENIED, "a fresh second factor is needed");
}

enum btz_err btz_factor_added(struct btz_call *c, const char *factor)
{
    const char *method = c->caller->method;

    if (c->caller->kind != BTZ_CALLER_SESSION)
        return BTZ_OK;
    /* The session has just shown the factor. */
    if (!strchr(method, '+') && strcmp(method, "passkey") != 0) {
        method = btz_arena_printf(c->arena, "%s+%s", method, factor);
        if (!method)
            return BTZ_LIMIT;
        /* Other sessions were begun without it. */
        BTZ_TRY(
            btz_sessions_end(c->store, c->caller->principal, c->caller->session, c->now_ms, NULL));
    }
    return btz_session_renew(c, method, c->now_ms, false);
}

enum btz_err btz_factor_removed(struct btz_call *c)
{
    bool has, must;

    BTZ_TRY(btz_has_second_factor(c->store, c->caller->principal, &has));
    if (has)
        return BTZ_OK;
    BTZ_TRY(btz_must_have_factor(c, c->caller->principal, &must));
    if (must)
        return btz_fail(BTZ_CONFLICT,
                        "this is your last second factor, and your account must have one; add "
                        "another one first");
    return BTZ_OK;
}
