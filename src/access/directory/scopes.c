#include "access/directory/directory.h"
#include "access/policy/pattern.h"

/*
 * Scopes of a new key. A decision always asks for both, what the scope and what the owner may do; this says early, and
 * to a person, that a scope would give nothing, and keeps anybody from making a key that may more than himself.
 */

struct scope {
    const char *text, *action, *resource;
};

static bool overlaps(const char *a, const char *b)
{
    size_t n = strcspn(a, "*"), m = strcspn(b, "*"), shorter = n < m ? n : m;

    /* A pattern without a star must be reached whole by the other. */
    if (strncmp(a, b, shorter) != 0)
        return false;
    return (a[n] == '*' || n >= m) && (b[m] == '*' || m >= n);
}

static bool rule_gives(const struct btz_rule_model *r, const struct scope *s)
{
    bool action = false, resource = false;

    if (r->effect != BTZ_EFFECT_ALLOW)
        return false;
    for (size_t i = 0; i < btz_action_count && !action; i++) {
        if (!btz_scope_has_action(s->action, &btz_actions[i]))
            continue;
        for (size_t p = 0; r->actions && r->actions[p] && !action; p++)
            action = btz_action_matches(r->actions[p], &btz_actions[i]);
    }
    for (size_t p = 0; r->resources && r->resources[p] && !resource; p++)
        resource = overlaps(r->resources[p], s->resource);
    return action && resource;
}

static enum btz_err owner_has(struct btz_call *c, const struct btz_policy_model *m,
                              const char *owner, const struct scope *s, bool *out)
{
    *out = false;
    for (size_t i = 0; i < m->role_count && !*out; i++) {
        bool gives = false;

        for (size_t r = 0; r < m->roles[i].rule_count && !gives; r++)
            gives = rule_gives(&m->roles[i].rules[r], s);
        if (gives)
            BTZ_TRY(btz_holds_role(c, m, owner, m->roles[i].name, out));
    }
    return BTZ_OK;
}

/* An administrative action in a scope of somebody else's key: the maker must have it as well. */
static enum btz_err maker_has(struct btz_call *c, const struct scope *s)
{
    bool may;

    for (size_t i = 0; i < btz_action_count; i++) {
        const struct btz_action *a = &btz_actions[i];
        const char *resource = s->resource;

        if (!a->administrative || !btz_scope_has_action(s->action, a))
            continue;
        if (strcmp(resource, "*") == 0)
            resource = btz_arena_printf(c->arena, "%s/*", a->resource);
        if (!resource)
            return BTZ_LIMIT;
        BTZ_TRY(btz_call_may(c, a->name, resource, &may));
        if (!may)
            return btz_call_refuse(c, "a scope has an administrative action that you may not do");
    }
    return BTZ_OK;
}

static bool is_administrative(const char *action)
{
    for (size_t i = 0; i < btz_action_count; i++)
        if (btz_actions[i].administrative && btz_scope_has_action(action, &btz_actions[i]))
            return true;
    return false;
}

enum btz_err btz_scopes_fresh(struct btz_call *c, const char *scopes)
{
    BTZ_JSON json_t *list = NULL;
    struct scope s;
    json_t *item;
    size_t i;

    if (!scopes || c->caller->kind == BTZ_CALLER_KEY)
        return BTZ_OK;
    BTZ_TRY(btz_json_parse(btz_str(scopes), 1u << 20, "scopes of a key", &list));
    json_array_foreach(list, i, item)
    {
        BTZ_TRY(btz_scope_parse(json_string_value(item), c->arena, &s.action, &s.resource));
        if (is_administrative(s.action))
            return btz_call_fresh(c);
    }
    return BTZ_OK;
}

/* ---- no key makes a wider one ---- */

/* Does `wide` have all that `narrow` has of one kind? */
static bool covers(const char *wide, const char *narrow, const char *kind)
{
    struct btz_pattern w = btz_pattern_of(wide), n = btz_pattern_of(narrow);
    size_t len = strlen(kind);

    if (strcmp(wide, "*") == 0)
        return true;
    if (strcmp(narrow, "*") == 0) /* all of the kind */
        return w.prefix && w.text.len == len + 1 && btz_resource_has_kind(btz_str(wide), kind);
    return w.prefix ? btz_slice_has_prefix(n.text, w.text)
                    : !n.prefix && btz_slice_equal(n.text, w.text);
}

static bool is_about(const char *resource, const char *kind)
{
    return strcmp(resource, "*") == 0 || btz_resource_has_kind(btz_str(resource), kind);
}

static enum btz_err is_within(struct btz_call *c, const json_t *own, const char *text, bool *out)
{
    struct scope s, t;
    json_t *item;
    size_t i;

    *out = true;
    if (btz_scope_parse(text, c->arena, &s.action, &s.resource) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "`scopes`");
    for (size_t a = 0; a < btz_action_count && *out; a++) {
        const struct btz_action *action = &btz_actions[a];
        bool found = false;

        if (!btz_scope_has_action(s.action, action) || !is_about(s.resource, action->resource))
            continue;
        json_array_foreach(own, i, item)
        {
            BTZ_TRY(btz_scope_parse(json_string_value(item), c->arena, &t.action, &t.resource));
            found |= btz_scope_has_action(t.action, action) &&
                     covers(t.resource, s.resource, action->resource);
        }
        *out = found;
    }
    return BTZ_OK;
}

enum btz_err btz_scopes_within(struct btz_call *c, const json_t *scopes)
{
    const struct btz_value v[] = { btz_value_str(c->caller->key) };
    BTZ_JSON json_t *own = NULL;
    const struct btz_value *row;
    json_t *item;
    bool within;
    size_t i;

    if (c->caller->kind != BTZ_CALLER_KEY)
        return BTZ_OK;
    BTZ_TRY(
        btz_store_one(c->store, "SELECT scopes FROM keys WHERE id = ?", v, 1, c->arena, 1, &row));
    if (!row || row[0].kind == BTZ_VALUE_NULL || json_array_size(scopes) == 0)
        return btz_call_refuse(c, "a key makes keys of its own scopes at most, and names them");
    BTZ_TRY(btz_json_parse(row[0].bytes, 1u << 20, "scopes of a key", &own));
    json_array_foreach(scopes, i, item)
    {
        BTZ_TRY(is_within(c, own, json_string_value(item), &within));
        if (!within)
            return btz_call_refuse(c, "a key makes keys of its own scopes at most");
    }
    return BTZ_OK;
}

enum btz_err btz_scopes_check(struct btz_call *c, const struct btz_principal *owner,
                              const json_t *scopes)
{
    struct btz_policy_model model = { 0 };
    struct scope s;
    json_t *item;
    size_t i;
    bool has;

    BTZ_TRY(btz_policies_parse(c->store, c->arena, &model));
    json_array_foreach(scopes, i, item)
    {
        s.text = json_string_value(item);
        if (btz_scope_parse(s.text, c->arena, &s.action, &s.resource) != BTZ_OK)
            return btz_fail_context(BTZ_USAGE, "`scopes`");
        BTZ_TRY(owner_has(c, &model, owner->id, &s, &has));
        if (!has)
            return btz_fail(BTZ_USAGE, "`scopes`: %s has no role that allows \"%s\"", owner->name,
                            s.text);
        BTZ_TRY(maker_has(c, &s));
    }
    return BTZ_OK;
}
