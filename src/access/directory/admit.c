#include <math.h>

#include "access/directory/admit.h"

/* Who may go on with a call: everything that is asked before the operation itself has a say. */

#define CLOCK_SKEW_MS 60000

/* Seconds since the second factor. One from the future is none, but for the skew of two machines. */
static uint32_t factor_age(const struct btz_caller *caller, uint64_t now_ms)
{
    uint64_t at = caller->second_factor_ms, age;

    if (at == 0 || at > now_ms + CLOCK_SKEW_MS)
        return UINT32_MAX;
    age = at > now_ms ? 0 : (now_ms - at) / 1000;
    return age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
}

enum btz_err btz_lane_decide(struct btz_access *a, struct btz_lane *lane,
                             const struct btz_caller *caller, struct btz_request *request,
                             struct btz_decision *out)
{
    uint64_t now = btz_access_now_ms(a);

    BTZ_TRY(btz_lane_snapshot(a, lane));
    request->now_s = now / 1000;
    request->address = caller->address;
    request->mfa_age_s = factor_age(caller, now);
    request->client_cert = caller->client_cert;
    request->key = BTZ_NOBODY;
    request->principal = btz_snapshot_principal(lane->snapshot, caller->principal);
    if (caller->kind == BTZ_CALLER_KEY) {
        uint32_t owner = BTZ_NOBODY;

        request->key = btz_snapshot_key(lane->snapshot, caller->key_hash, &owner);
        /* Revoked since the caller showed it. */
        if (request->key == BTZ_NOBODY || owner != request->principal) {
            *out = (struct btz_decision){ .verdict = BTZ_VERDICT_DENY,
                                          .why = BTZ_WHY_KEY_EXPIRED,
                                          .rule = BTZ_NOBODY };
            return BTZ_OK;
        }
    }
    btz_decide(lane->snapshot, request, out);
    return BTZ_OK;
}

static void split_resource(const char *resource, struct btz_request *r)
{
    r->resource = btz_str(resource);
    r->cost = NAN;
    if (strncmp(resource, "model/", 6) == 0)
        r->model = btz_str(resource + 6);
    else if (strncmp(resource, "endpoint/", 9) == 0)
        r->endpoint = btz_str(resource + 9);
    else if (strncmp(resource, "tool/", 5) == 0)
        r->tool = btz_str(resource + 5);
}

enum btz_err btz_access_decide(struct btz_access *a, const struct btz_caller *caller,
                               const char *action, const char *resource, struct btz_decision *out)
{
    struct btz_request r = { .action = btz_action_find(action) };
    struct btz_decision d = { .rule = BTZ_NOBODY };
    struct btz_lane *lane;
    enum btz_err err;

    if (r.action < 0)
        return btz_fail(BTZ_USAGE, "there is no action `%.80s`", action);
    if (caller->kind == BTZ_CALLER_LOCAL) {
        d.verdict = BTZ_VERDICT_ALLOW;
        *out = d;
        return BTZ_OK;
    }
    split_resource(resource, &r);
    BTZ_TRY(btz_lane_take(a, &lane));
    err = btz_lane_decide(a, lane, caller, &r, &d);
    btz_lane_back(a, lane);
    if (err == BTZ_OK)
        *out = d;
    return err;
}

enum btz_err btz_call_would(struct btz_call *c, const char *principal, const char *action,
                            const char *resource, bool *out)
{
    struct btz_request r = { .action = btz_action_find(action), .key = BTZ_NOBODY };
    struct btz_lane *lane = c->state->lane;
    struct btz_decision d;

    if (r.action < 0)
        return btz_fail(BTZ_USAGE, "there is no action `%.80s`", action);
    BTZ_TRY(btz_lane_snapshot(c->access, lane));
    split_resource(resource, &r);
    r.principal = btz_snapshot_principal(lane->snapshot, principal);
    r.now_s = c->now_ms / 1000;
    r.address = c->caller->address;
    r.client_cert = c->caller->client_cert;
    btz_decide(lane->snapshot, &r, &d);
    *out = d.verdict == BTZ_VERDICT_ALLOW;
    return BTZ_OK;
}

/* ---- the resource of a call ---- */

/* Policies name people and groups, callers may give their ids. */
static enum btz_err canonical(struct btz_call *c, const char *field, const char *given,
                              const char **out)
{
    static const struct {
        const char *field, *sql;
    } tables[] = {
        { "user", "SELECT name FROM principals WHERE id = ? OR name = ?" },
        { "service", "SELECT name FROM principals WHERE id = ? OR name = ?" },
        { "principal", "SELECT name FROM principals WHERE id = ? OR name = ?" },
        { "group", "SELECT name FROM groups WHERE id = ? OR name = ?" },
        /* Taking a role away is about the role. */
        { "binding", "SELECT role FROM bindings WHERE id = ? OR id = ?" },
    };
    const struct btz_value *row;
    struct btz_value v[2];
    char *lower;

    *out = given;
    for (size_t i = 0; i < BTZ_COUNT(tables); i++) {
        if (strcmp(tables[i].field, field) != 0)
            continue;
        lower = btz_arena_str(c->arena, btz_str(given));
        if (!lower)
            return BTZ_LIMIT;
        for (char *p = lower; *p; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p + 'a' - 'A');
        v[0] = btz_value_str(given);
        v[1] = btz_value_str(lower);
        BTZ_TRY(btz_store_one(c->store, tables[i].sql, v, 2, c->arena, 1, &row));
        *out = row ? btz_column_text(c->arena, &row[0]) : lower;
        return *out ? BTZ_OK : BTZ_LIMIT;
    }
    return BTZ_OK;
}

static enum btz_err add_field(struct btz_call *c, struct btz_slice name, struct btz_buf *out)
{
    char field[64];
    const char *value;

    snprintf(field, sizeof field, "%.*s", BTZ_SLICE_ARG(name));
    value = btz_call_text(c, field);
    /* Not given, or with what only patterns have: all of the kind. */
    if (!value || !value[0] || strchr(value, '*'))
        return btz_buf_add_byte(out, '*');
    BTZ_TRY(canonical(c, field, value, &value));
    return btz_buf_add_str(out, value);
}

enum btz_err btz_call_resource(struct btz_call *c, char **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    int action = c->op->action ? btz_action_find(c->op->action) : -1;
    const char *p = c->op->resource;

    if (!p) {
        *out = action < 0 ? btz_arena_str(c->arena, btz_str(""))
                          : btz_arena_printf(c->arena, "%s/*", btz_actions[action].resource);
        return *out ? BTZ_OK : BTZ_LIMIT;
    }
    while (*p) {
        size_t plain = strcspn(p, "{"), name;

        BTZ_TRY(btz_buf_add(&text, p, plain));
        p += plain;
        if (!*p)
            break;
        name = strcspn(++p, "}");
        BTZ_TRY(add_field(c, btz_slice_of(p, name), &text));
        p += name + (p[name] == '}');
    }
    *out = btz_arena_str(c->arena, btz_buf_slice(&text));
    return *out ? BTZ_OK : BTZ_LIMIT;
}

/* ---- admission ---- */

static enum btz_err refuse(struct btz_call *c, const char *reason)
{
    c->note.reason = reason;
    return btz_fail(BTZ_DENIED, "%s", reason);
}

/* Is the caller still somebody? Deleted, disabled and revoked since he showed his proof: no. */
static enum btz_err still_there(struct btz_call *c)
{
    struct btz_request r = { .cost = NAN, .resource = btz_str("system/*") };
    struct btz_decision d;

    if (c->caller->kind == BTZ_CALLER_LOCAL)
        return BTZ_OK;
    BTZ_TRY(btz_lane_decide(c->access, c->state->lane, c->caller, &r, &d));
    if (d.why == BTZ_WHY_NO_PRINCIPAL || d.why == BTZ_WHY_DISABLED ||
        d.why == BTZ_WHY_KEY_EXPIRED || d.why == BTZ_WHY_SNAPSHOT)
        return refuse(c, btz_why_text(d.why));
    return BTZ_OK;
}

static enum btz_err step_up(struct btz_call *c, const char *why)
{
    c->needs_step_up = true;
    return refuse(c, why);
}

static enum btz_err permitted(struct btz_call *c)
{
    struct btz_request r = { .action = btz_action_find(c->op->action) };
    struct btz_decision d;
    const char *rule;

    if (r.action < 0)
        return btz_fail(BTZ_INTERNAL, "%s asks for the unknown action %s", c->op->id,
                        c->op->action);
    if (c->caller->kind == BTZ_CALLER_LOCAL)
        return BTZ_OK;
    split_resource(c->state->resource, &r);
    BTZ_TRY(btz_lane_decide(c->access, c->state->lane, c->caller, &r, &d));
    rule = btz_snapshot_rule_id(c->state->lane->snapshot, d.rule);
    snprintf(c->state->rule, sizeof c->state->rule, "%s", rule);
    if (d.verdict == BTZ_VERDICT_ALLOW)
        return BTZ_OK;
    if (d.verdict == BTZ_VERDICT_STEP_UP)
        return step_up(c, "a fresh second factor is needed");
    c->note.reason = btz_why_text(d.why);
    return btz_fail(BTZ_DENIED, "%s may not %s on %s: %s%s%s", c->caller->name, c->op->action,
                    c->state->resource, btz_why_text(d.why), rule[0] ? " " : "", rule);
}

/* Does a scope of the key name the action itself? A key without scopes was not made for changes. */
static enum btz_err scope_names(struct btz_call *c, bool *out)
{
    const struct btz_value v[] = { btz_value_str(c->caller->key) };
    const char *dot = strchr(c->op->action, '.'), *scope;
    BTZ_JSON json_t *scopes = NULL;
    const struct btz_value *row;
    size_t i, area;
    json_t *item;

    *out = false;
    BTZ_TRY(
        btz_store_one(c->store, "SELECT scopes FROM keys WHERE id = ?", v, 1, c->arena, 1, &row));
    if (!row || row[0].kind == BTZ_VALUE_NULL)
        return BTZ_OK;
    BTZ_TRY(btz_json_parse(row[0].bytes, 1u << 20, "scopes of a key", &scopes));
    area = dot ? (size_t)(dot - c->op->action) + 1 : 0;
    json_array_foreach(scopes, i, item)
    {
        size_t n;

        scope = json_string_value(item);
        n = scope ? strcspn(scope, " ") : 0;
        if (n == strlen(c->op->action) && strncmp(scope, c->op->action, n) == 0)
            *out = true;
        if (area && n == area + 1 && strncmp(scope, c->op->action, area) == 0 && scope[area] == '*')
            *out = true;
    }
    return BTZ_OK;
}

enum btz_err btz_call_fresh(struct btz_call *c)
{
    uint32_t age = factor_age(c->caller, c->now_ms);

    if (c->caller->kind == BTZ_CALLER_LOCAL)
        return BTZ_OK;
    if (age == UINT32_MAX || (uint64_t)age * 1000 > (uint64_t)c->access->conf->step_up_ms)
        return step_up(c, "a fresh second factor is needed");
    return BTZ_OK;
}

static enum btz_err fresh(struct btz_call *c)
{
    bool named;

    if (c->caller->kind != BTZ_CALLER_KEY)
        return btz_call_fresh(c);
    if (!c->op->action)
        return refuse(c, "a key cannot do this; sign in");
    BTZ_TRY(scope_names(c, &named));
    return named ? BTZ_OK : refuse(c, "no scope of the key names this action");
}

/* Whoever changes an account can make it his own. */
static enum btz_err over_account(struct btz_call *c)
{
    const char *user = btz_call_text(c, "user"), *service = btz_call_text(c, "service");
    const char *who = user ? user : service, *resource = c->op->resource;

    if (!who || c->caller->kind == BTZ_CALLER_LOCAL || !(c->op->needs & BTZ_NEEDS_STEP_UP) ||
        !resource ||
        (strcmp(resource, "user/{user}") != 0 && strcmp(resource, "service/{service}") != 0))
        return BTZ_OK;
    return btz_rights_over(c, who);
}

enum btz_err btz_call_admit(struct btz_call *c)
{
    unsigned needs = c->op->needs;
    enum btz_caller_kind kind = c->caller->kind;

    BTZ_TRY(btz_call_resource(c, &c->state->resource));
    if (needs & BTZ_PUBLIC)
        return BTZ_OK;
    if (needs & BTZ_NEEDS_LOCAL && kind != BTZ_CALLER_LOCAL)
        return refuse(c, "only from the command line of whoever owns the state folder");
    if (kind == BTZ_CALLER_NOBODY)
        return refuse(c, "sign in first");
    if (c->caller->enrolling && !(needs & BTZ_ENROLLING))
        return refuse(c, "add a second factor first");
    if (needs & BTZ_NEEDS_SESSION && kind != BTZ_CALLER_SESSION)
        return refuse(c, "only for a person who signed in");
    if (needs & BTZ_NEEDS_PERMISSION)
        BTZ_TRY(permitted(c));
    else
        BTZ_TRY(still_there(c));
    if (needs & BTZ_NEEDS_STEP_UP)
        BTZ_TRY(fresh(c));
    return over_account(c);
}
