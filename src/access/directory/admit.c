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
    request->now_s = btz_latest_ms(a) / 1000;
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

/* Policies have names of people and groups, callers give names in any spelling, or ids; taking a role away is about the
 * role. */
static const char *const finders[] = {
    [BTZ_NAMES_PRINCIPAL] = "SELECT id, name FROM principals WHERE id = ? OR name = ?",
    [BTZ_NAMES_GROUP] = "SELECT id, name FROM groups WHERE id = ? OR name = ?",
    [BTZ_NAMES_BINDING] = "SELECT id, role FROM bindings WHERE id = ? OR id = ?",
};

enum btz_err btz_named_as(struct btz_call *c, enum btz_field_names names, const char *id,
                          const char **out)
{
    const struct btz_value *row;

    *out = NULL;
    BTZ_TRY(btz_row_find(c, finders[names], id, 2, &row));
    if (!row)
        return BTZ_OK;
    *out = btz_column_text(c->arena, &row[1]);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err find_named(struct btz_call *c, const struct btz_field *f, const char *given)
{
    struct btz_call_state *s = c->state;
    struct btz_named *n = &s->named[s->named_count];
    const struct btz_value *row;
    char *lower;

    if (s->named_count == BTZ_COUNT(s->named))
        return btz_fail(BTZ_INTERNAL, "%s names too much", c->op->id);
    BTZ_TRY(btz_row_find(c, finders[f->names], given, 2, &row));
    *n = (struct btz_named){ .field = f->name };
    if (row) {
        n->id = btz_column_text(c->arena, &row[0]);
        n->name = btz_column_text(c->arena, &row[1]);
        if (!n->id || !n->name)
            return BTZ_LIMIT;
        /* Of a call whose fields are wrong only the admission is asked. */
        if (s->in && json_object_set_new(s->in, f->name, json_string(n->id)) != 0)
            return btz_fail(BTZ_LIMIT, "no memory");
    } else {
        n->name = lower = btz_arena_str(c->arena, btz_str(given));
        if (!lower)
            return BTZ_LIMIT;
        for (; *lower; lower++)
            if (*lower >= 'A' && *lower <= 'Z')
                *lower = (char)(*lower + 'a' - 'A');
    }
    s->named_count++;
    return BTZ_OK;
}

/* What the call is about is found once: nobody behind this looks a name up again and finds something else. */
static enum btz_err resolve(struct btz_call *c)
{
    c->state->named_count = 0;
    for (size_t i = 0; i < c->op->field_count; i++) {
        const struct btz_field *f = &c->op->fields[i];
        const char *given = btz_call_text(c, f->name);

        if (f->names > BTZ_NAMES_NEW && given && given[0])
            BTZ_TRY(find_named(c, f, given));
    }
    return BTZ_OK;
}

static const struct btz_named *named(const struct btz_call *c, const char *field)
{
    for (size_t i = 0; i < c->state->named_count; i++)
        if (strcmp(c->state->named[i].field, field) == 0)
            return &c->state->named[i];
    return NULL;
}

static enum btz_err add_field(struct btz_call *c, struct btz_slice name, struct btz_buf *out)
{
    const struct btz_named *n;
    char field[64];
    const char *value;

    snprintf(field, sizeof field, "%.*s", BTZ_SLICE_ARG(name));
    n = named(c, field);
    value = n ? n->name : btz_call_text(c, field);
    /* Not given, or with what only patterns have: all of the kind. */
    if (!value || !value[0] || strchr(value, '*'))
        return btz_buf_add_byte(out, '*');
    return btz_buf_add_str(out, value);
}

static enum btz_err resource_of(struct btz_call *c, const char *template, char **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    int action = c->op->action ? btz_action_find(c->op->action) : -1;
    const char *p = template;

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

static enum btz_err permitted_on(struct btz_call *c, const char *resource)
{
    struct btz_request r = { .action = btz_action_find(c->op->action) };
    struct btz_decision d;
    const char *rule;

    if (r.action < 0)
        return btz_fail(BTZ_INTERNAL, "%s asks for the unknown action %s", c->op->id,
                        c->op->action);
    if (c->caller->kind == BTZ_CALLER_LOCAL)
        return BTZ_OK;
    split_resource(resource, &r);
    BTZ_TRY(btz_lane_decide(c->access, c->state->lane, c->caller, &r, &d));
    rule = btz_snapshot_rule_id(c->state->lane->snapshot, d.rule);
    snprintf(c->state->rule, sizeof c->state->rule, "%s", rule);
    if (d.verdict == BTZ_VERDICT_ALLOW)
        return BTZ_OK;
    if (d.verdict == BTZ_VERDICT_STEP_UP)
        return step_up(c, "a fresh second factor is needed");
    c->note.reason = btz_why_text(d.why);
    return btz_fail(BTZ_DENIED, "%s may not %s on %s: %s%s%s", c->caller->name, c->op->action,
                    resource, btz_why_text(d.why), rule[0] ? " " : "", rule);
}

/* What is given a new name is asked for by both. */
static enum btz_err permitted(struct btz_call *c)
{
    const char *field = c->op->renamed ? strchr(c->op->renamed, '{') : NULL;
    char name[64], *resource;

    if (field) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(field + 1, "}"), field + 1);
        if (btz_call_has(c, name)) {
            BTZ_TRY(resource_of(c, c->op->renamed, &resource));
            BTZ_TRY(permitted_on(c, resource));
        }
    }
    return permitted_on(c, c->state->resource);
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
    const struct btz_named *user = named(c, "user"), *who = user ? user : named(c, "service");

    if (!who || c->caller->kind == BTZ_CALLER_LOCAL || !(c->op->needs & BTZ_NEEDS_STEP_UP))
        return BTZ_OK;
    if (!who->id)
        return btz_call_not_found(c, who->field, who->name);
    return btz_rights_over(c, who->id);
}

enum btz_err btz_call_admit(struct btz_call *c)
{
    unsigned needs = c->op->needs;
    enum btz_caller_kind kind = c->caller->kind;

    BTZ_TRY(resolve(c));
    BTZ_TRY(resource_of(c, c->op->resource, &c->state->resource));
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
