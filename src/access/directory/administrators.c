#include "access/directory/directory.h"

/*
 * The last administrator: a change must leave somebody who can undo it. This asks the model and not a compiled
 * snapshot: it has to be answered before the change is committed. It is careful: conditions other than a second
 * factor, bindings for a part of the resources or for a while do not count as holding an action.
 */

static const char *const needed[] = { "user.write", "role.bind", "policy.write" };

struct search {
    const struct btz_policy_model *m;
    uint64_t now_s;
};

static bool names_action(const char *const *patterns, const char *action)
{
    const char *dot = strchr(action, '.');

    for (size_t i = 0; patterns && patterns[i]; i++) {
        size_t n = strlen(patterns[i]);

        if (strcmp(patterns[i], "*") == 0 || strcmp(patterns[i], action) == 0)
            return true;
        if (n >= 2 && strcmp(patterns[i] + n - 2, ".*") == 0 && (size_t)(dot - action) == n - 2 &&
            strncmp(patterns[i], action, n - 2) == 0)
            return true;
    }
    return false;
}

static bool covers_all(const char *const *patterns, const char *kind)
{
    size_t n = strlen(kind);

    for (size_t i = 0; patterns && patterns[i]; i++)
        if (strcmp(patterns[i], "*") == 0 || strcmp(patterns[i], "*/*") == 0 ||
            (strncmp(patterns[i], kind, n) == 0 && strcmp(patterns[i] + n, "/*") == 0))
            return true;
    return false;
}

/* A condition that is not always met by somebody who signs in with a second factor. */
static bool is_conditional(const struct btz_when *w)
{
    return w->models || w->endpoints || w->tools || w->addresses || w->client_cert ||
           w->window_count || w->from_s || w->until_s || w->cost_max == w->cost_max;
}

static const struct btz_role_model *find_role(const struct btz_policy_model *m, const char *name)
{
    for (size_t i = 0; i < m->role_count; i++)
        if (strcmp(m->roles[i].name, name) == 0)
            return &m->roles[i];
    return NULL;
}

/* Bits: 1 a rule of the role or of those it inherits allows the action on everything, 2 one denies it. */
static unsigned role_says(const struct search *s, const struct btz_role_model *role,
                          const char *action, const char *kind, unsigned depth)
{
    unsigned says = 0;

    if (!role || depth > 32)
        return 0;
    for (size_t i = 0; i < role->rule_count; i++) {
        const struct btz_rule_model *r = &role->rules[i];

        if (!names_action(r->actions, action))
            continue;
        if (r->effect == BTZ_EFFECT_DENY)
            says |= covers_all(r->resources, kind) && !is_conditional(&r->when) ? 2u : 0;
        else
            says |= covers_all(r->resources, kind) && !is_conditional(&r->when) ? 1u : 0;
    }
    for (size_t i = 0; role->inherits && role->inherits[i]; i++)
        says |= role_says(s, find_role(s->m, role->inherits[i]), action, kind, depth + 1);
    return says;
}

static bool is_member(const struct btz_policy_model *m, const char *group, const char *principal)
{
    for (size_t g = 0; g < m->group_count; g++) {
        if (strcmp(m->groups[g].id, group) != 0)
            continue;
        for (size_t i = 0; m->groups[g].members && m->groups[g].members[i]; i++)
            if (strcmp(m->groups[g].members[i], principal) == 0)
                return true;
    }
    return false;
}

static bool is_bound(const struct search *s, const struct btz_binding_model *b,
                     const char *principal)
{
    return strcmp(b->subject, principal) == 0 ||
           (strncmp(b->subject, "grp_", 4) == 0 && is_member(s->m, b->subject, principal));
}

/* What one person holds: he must have all three by bindings that last and cover everything. */
static bool is_administrator(const struct search *s, const char *principal)
{
    unsigned says[BTZ_COUNT(needed)] = { 0 };

    for (size_t i = 0; i < s->m->binding_count; i++) {
        const struct btz_binding_model *b = &s->m->bindings[i];
        const struct btz_role_model *role = find_role(s->m, b->role);
        bool lasts = !b->resource && b->until_s == 0 && b->from_s <= s->now_s;

        if (!is_bound(s, b, principal))
            continue;
        for (size_t n = 0; n < BTZ_COUNT(needed); n++) {
            int action = btz_action_find(needed[n]);

            if (action >= 0)
                says[n] |= role_says(s, role, needed[n], btz_actions[action].resource, 0) &
                           (lasts ? 3u : 2u);
        }
    }
    for (size_t n = 0; n < BTZ_COUNT(needed); n++)
        if (says[n] != 1)
            return false;
    return true;
}

static bool has_active(const struct search *s, const char *id)
{
    for (size_t i = 0; i < s->m->principal_count; i++)
        if (strcmp(s->m->principals[i].id, id) == 0)
            return !s->m->principals[i].disabled &&
                   s->m->principals[i].kind == BTZ_PRINCIPAL_USER && is_administrator(s, id);
    return false;
}

bool btz_model_has_administrator(const struct btz_policy_model *m, uint64_t now_s)
{
    const struct search s = { .m = m, .now_s = now_s };

    /* Few bindings give so much: only those whom they name are looked at. */
    for (size_t i = 0; i < m->binding_count; i++) {
        const struct btz_binding_model *b = &m->bindings[i];

        if (!(role_says(&s, find_role(m, b->role), needed[0], "user", 0) & 1))
            continue;
        if (has_active(&s, b->subject))
            return true;
        for (size_t g = 0; g < m->group_count; g++) {
            if (strcmp(m->groups[g].id, b->subject) != 0)
                continue;
            for (size_t k = 0; m->groups[g].members && m->groups[g].members[k]; k++)
                if (has_active(&s, m->groups[g].members[k]))
                    return true;
        }
    }
    return false;
}

enum btz_err btz_access_has_administrator(struct btz_access *a, bool *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model model;
    struct btz_store *s;
    enum btz_err err;

    btz_arena_init(&arena, MODEL_MAX);
    BTZ_TRY(btz_access_store(a, &s));
    err = btz_access_model(a, s, &arena, &model);
    btz_access_store_back(a, s);
    if (err == BTZ_OK)
        *out = btz_model_has_administrator(&model, btz_access_now_ms(a) / 1000);
    return err;
}
