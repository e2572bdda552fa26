#include "access/directory/directory.h"

/*
 * Separation of duties inside operations: what a permission alone cannot say. Nobody changes what he himself may do, and
 * nobody hands on an administrator's rights by a side door (a group, a key) without being allowed to give the role.
 */

static const struct btz_role_model *find_role(const struct btz_policy_model *m, const char *name)
{
    for (size_t i = 0; i < m->role_count; i++)
        if (strcmp(m->roles[i].name, name) == 0)
            return &m->roles[i];
    return NULL;
}

static bool has_administrative(const char *const *patterns)
{
    for (size_t p = 0; patterns && patterns[p]; p++)
        for (size_t i = 0; i < btz_action_count; i++)
            if (btz_actions[i].administrative && btz_action_matches(patterns[p], &btz_actions[i]))
                return true;
    return false;
}

static bool is_administrative(const struct btz_policy_model *m, const char *name, unsigned depth)
{
    const struct btz_role_model *role = find_role(m, name);

    if (!role || depth > 32)
        return false;
    for (size_t i = 0; i < role->rule_count; i++)
        if (role->rules[i].effect == BTZ_EFFECT_ALLOW && has_administrative(role->rules[i].actions))
            return true;
    for (size_t i = 0; role->inherits && role->inherits[i]; i++)
        if (is_administrative(m, role->inherits[i], depth + 1))
            return true;
    return false;
}

bool btz_role_is_administrative(const struct btz_policy_model *m, const char *name)
{
    return is_administrative(m, name, 0);
}

bool btz_role_reaches(const struct btz_policy_model *m, const char *from, const char *to,
                      unsigned depth)
{
    const struct btz_role_model *role = find_role(m, from);

    if (strcmp(from, to) == 0)
        return true;
    for (size_t i = 0; role && depth < 32 && role->inherits && role->inherits[i]; i++)
        if (btz_role_reaches(m, role->inherits[i], to, depth + 1))
            return true;
    return false;
}

bool btz_call_is_own(const struct btz_call *c, const char *principal)
{
    return c->caller->kind != BTZ_CALLER_LOCAL && strcmp(c->caller->principal, principal) == 0;
}

enum btz_err btz_call_refuse(struct btz_call *c, const char *reason)
{
    c->note.reason = reason;
    return btz_fail(BTZ_DENIED, "%s", reason);
}

enum btz_err btz_call_may(struct btz_call *c, const char *action, const char *resource, bool *out)
{
    struct btz_request r = { .action = btz_action_find(action),
                             .resource = btz_str(resource),
                             .cost = __builtin_nan("") };
    struct btz_decision d;

    if (c->caller->kind == BTZ_CALLER_LOCAL) {
        *out = true;
        return BTZ_OK;
    }
    if (r.action < 0)
        return btz_fail(BTZ_INTERNAL, "there is no action %s", action);
    BTZ_TRY(btz_lane_decide(c->access, c->state->lane, c->caller, &r, &d));
    *out = d.verdict == BTZ_VERDICT_ALLOW;
    return BTZ_OK;
}

/* By himself or a group; those that end behind a moment. */
#define ROLES_OF                                                                                   \
    "SELECT role FROM bindings WHERE subject = ? AND (until_s = 0 OR until_s > ?) UNION SELECT "   \
    "b.role FROM bindings b JOIN members m ON m.group_id = b.subject WHERE m.principal_id = ? "    \
    "AND (b.until_s = 0 OR b.until_s > ?)"

struct bound {
    struct btz_call *call;
    const char **roles;
    size_t count, room;
};

static enum btz_err role_row(void *user, const struct btz_value *v, size_t count)
{
    struct bound *b = user;

    (void)count;
    if (b->count == b->room)
        return btz_fail(BTZ_LIMIT, "more than %zu roles", b->room);
    b->roles[b->count] = btz_column_text(b->call->arena, &v[0]);
    return b->roles[b->count++] ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err roles_of(struct btz_call *c, const char *sql, const struct btz_value *v,
                             size_t count, struct bound *out)
{
    *out = (struct bound){ .call = c, .room = 4096 };
    out->roles = btz_arena_array(c->arena, out->room, sizeof *out->roles);
    if (!out->roles)
        return BTZ_LIMIT;
    return btz_store_query(c->store, sql, v, count, role_row, out);
}

enum btz_err btz_rights_through_group(struct btz_call *c, const char *group, const char *principal)
{
    const struct btz_value v[] = { btz_value_str(group) };
    struct btz_policy_model model = { 0 };
    struct bound bound;
    bool may;

    if (c->caller->kind == BTZ_CALLER_LOCAL)
        return BTZ_OK;
    BTZ_TRY(roles_of(c, "SELECT DISTINCT role FROM bindings WHERE subject = ?", v, 1, &bound));
    if (bound.count == 0)
        return BTZ_OK;
    if (principal && btz_call_is_own(c, principal))
        return btz_call_refuse(c, "nobody changes his own membership of a group that has roles");
    BTZ_TRY(btz_policies_parse(c->store, c->arena, &model));
    for (size_t i = 0; i < bound.count; i++) {
        const char *resource = btz_arena_printf(c->arena, "role/%s", bound.roles[i]);

        if (!resource)
            return BTZ_LIMIT;
        if (!btz_role_is_administrative(&model, bound.roles[i]))
            continue;
        BTZ_TRY(btz_call_may(c, "role.bind", resource, &may));
        if (!may)
            return btz_call_refuse(c, "the group has an administrative role that you may not give");
    }
    return BTZ_OK;
}

enum btz_err btz_holds_role(struct btz_call *c, const struct btz_policy_model *m,
                            const char *principal, const char *role, bool *out)
{
    const struct btz_value v[] = { btz_value_str(principal), btz_value_int(0),
                                   btz_value_str(principal), btz_value_int(0) };
    struct bound bound;

    *out = false;
    BTZ_TRY(roles_of(c, ROLES_OF, v, 4, &bound));
    for (size_t i = 0; i < bound.count && !*out; i++)
        *out = btz_role_reaches(m, bound.roles[i], role, 0);
    return BTZ_OK;
}

/* Roles that are over give nothing any more. */
static enum btz_err administrative_roles(struct btz_call *c, const char *principal,
                                         struct bound *out)
{
    const struct btz_value now = btz_value_int((int64_t)(c->now_ms / 1000));
    const struct btz_value v[] = { btz_value_str(principal), now, btz_value_str(principal), now };
    struct btz_policy_model model = { 0 };
    size_t kept = 0;

    BTZ_TRY(roles_of(c, ROLES_OF, v, 4, out));
    if (out->count > 0)
        BTZ_TRY(btz_policies_parse(c->store, c->arena, &model));
    for (size_t i = 0; i < out->count; i++)
        if (btz_role_is_administrative(&model, out->roles[i]))
            out->roles[kept++] = out->roles[i];
    out->count = kept;
    return BTZ_OK;
}

enum btz_err btz_call_is_administrative(struct btz_call *c, const char *principal, bool *out)
{
    struct bound bound;

    BTZ_TRY(administrative_roles(c, principal, &bound));
    *out = bound.count > 0;
    return BTZ_OK;
}

enum btz_err btz_rights_over(struct btz_call *c, const char *principal)
{
    const struct btz_value v[] = { btz_value_str(principal) };
    const struct btz_value *row;
    struct bound bound;
    bool may;

    if (c->caller->kind == BTZ_CALLER_LOCAL ||
        (c->caller->kind == BTZ_CALLER_SESSION && btz_call_is_own(c, principal)))
        return BTZ_OK;
    BTZ_TRY(
        btz_store_one(c->store, "SELECT id FROM principals WHERE id = ?", v, 1, c->arena, 1, &row));
    if (!row)
        return btz_call_not_found(c, "person or service", principal);
    BTZ_TRY(administrative_roles(c, principal, &bound));
    for (size_t i = 0; i < bound.count; i++) {
        const char *resource = btz_arena_printf(c->arena, "role/%s", bound.roles[i]);

        if (!resource)
            return BTZ_LIMIT;
        BTZ_TRY(btz_call_may(c, "role.bind", resource, &may));
        if (!may)
            return btz_call_refuse(c, "the account has an administrative role that you may not "
                                      "give");
    }
    return BTZ_OK;
}
