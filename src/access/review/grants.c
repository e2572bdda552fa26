/* Who may do what, asked of roles and bindings rather than of one request. */
#include "access/review/review.h"

const char *btz_review_name(const struct btz_review *r, const char *id)
{
    uint32_t at = btz_index_principal(&r->index, id);

    if (at != BTZ_NOBODY)
        return r->index.principals[at]->name;
    at = btz_index_group(&r->index, id);
    return at != BTZ_NOBODY ? r->index.groups[at]->name : id;
}

bool btz_review_binding_is_on(const struct btz_review *r, const struct btz_review_binding *b)
{
    uint64_t now_s = r->now_ms / 1000;

    return b->from_s <= now_s && (b->until_s == 0 || b->until_s > now_s);
}

static bool names_action(const struct btz_rule_model *rule, const char *action)
{
    for (size_t i = 0; rule->actions[i]; i++) {
        const char *pattern = rule->actions[i];
        size_t n = strlen(pattern);

        if (strcmp(pattern, action) == 0 ||
            (n > 0 && pattern[n - 1] == '*' && strncmp(pattern, action, n - 1) == 0))
            return true;
    }
    return false;
}

static bool names_all(const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(list[i], "*") == 0)
            return true;
    return false;
}

static bool is_unconditional(const struct btz_when *w)
{
    return !w->models && !w->endpoints && !w->tools && !w->addresses && w->window_count == 0 &&
           w->from_s == 0 && w->until_s == 0;
}

bool btz_review_role_allows(const struct btz_review *r, const char *role, const char *action,
                            const char **pattern)
{
    uint32_t at = btz_index_role(&r->index, role);
    const char *found = NULL;

    for (size_t i = 0; at != BTZ_NOBODY && i < r->model->role_count; i++) {
        const struct btz_role_model *part = r->index.roles[i];

        if (!btz_bit(btz_index_closure(&r->index, at), i))
            continue;
        for (size_t k = 0; k < part->rule_count; k++) {
            const struct btz_rule_model *rule = &part->rules[k];

            if (!names_action(rule, action))
                continue;
            if (rule->effect == BTZ_EFFECT_DENY && names_all(rule->resources) &&
                is_unconditional(&rule->when))
                return false;
            if (rule->effect == BTZ_EFFECT_ALLOW && !found)
                found = rule->resources[0];
        }
    }
    if (found && pattern)
        *pattern = found;
    return found != NULL;
}

bool btz_review_role_denies(const struct btz_review *r, const char *role, const char *action)
{
    uint32_t at = btz_index_role(&r->index, role);

    for (size_t i = 0; at != BTZ_NOBODY && i < r->model->role_count; i++) {
        const struct btz_role_model *part = r->index.roles[i];

        if (!btz_bit(btz_index_closure(&r->index, at), i))
            continue;
        for (size_t k = 0; k < part->rule_count; k++)
            if (part->rules[k].effect == BTZ_EFFECT_DENY && names_action(&part->rules[k], action) &&
                names_all(part->rules[k].resources) && is_unconditional(&part->rules[k].when))
                return true;
    }
    return false;
}

static bool fits(const char *pattern, const char *resource, const char *principal)
{
    const char *slash = strchr(resource, '/');
    const struct btz_pattern p = btz_pattern_of(pattern);

    if (btz_pattern_matches(&p, btz_str(resource)))
        return true;
    if (strcmp(pattern, "key/own") == 0)
        return strncmp(resource, "key/", 4) == 0;
    return slash && principal && strcmp(slash + 1, principal) == 0 &&
           (strcmp(pattern, "user/self") == 0 || strcmp(pattern, "service/self") == 0);
}

bool btz_review_role_covers(const struct btz_review *r, const char *role, const char *action,
                            const char *resource, const char *principal)
{
    uint32_t at = btz_index_role(&r->index, role);

    for (size_t i = 0; at != BTZ_NOBODY && i < r->model->role_count; i++) {
        const struct btz_role_model *part = r->index.roles[i];

        if (!btz_bit(btz_index_closure(&r->index, at), i))
            continue;
        for (size_t k = 0; k < part->rule_count; k++) {
            const struct btz_rule_model *rule = &part->rules[k];

            if (rule->effect != BTZ_EFFECT_ALLOW || !names_action(rule, action))
                continue;
            for (size_t n = 0; rule->resources[n]; n++)
                if (fits(rule->resources[n], resource, principal))
                    return !btz_review_role_denies(r, role, action);
        }
    }
    return false;
}

bool btz_review_role_is_everything(const struct btz_review *r, const char *role)
{
    uint32_t at = btz_index_role(&r->index, role);

    for (size_t i = 0; at != BTZ_NOBODY && i < r->model->role_count; i++) {
        const struct btz_role_model *part = r->index.roles[i];

        if (!btz_bit(btz_index_closure(&r->index, at), i))
            continue;
        for (size_t k = 0; k < part->rule_count; k++)
            if (part->rules[k].effect == BTZ_EFFECT_ALLOW && names_all(part->rules[k].actions) &&
                names_all(part->rules[k].resources))
                return true;
    }
    return false;
}

bool btz_review_binding_has(const struct btz_review *r, const struct btz_review_binding *b,
                            const char *principal)
{
    uint32_t group, who;

    if (strcmp(b->subject, principal) == 0)
        return true;
    group = btz_index_group(&r->index, b->subject);
    who = btz_index_principal(&r->index, principal);
    if (group == BTZ_NOBODY || who == BTZ_NOBODY)
        return false;
    for (size_t i = 0; i < r->index.member_counts[group]; i++)
        if (r->index.members[group][i] == who)
            return true;
    return false;
}

const char *btz_review_may(const struct btz_review *r, const char *principal, const char *action)
{
    const char *by = NULL;

    for (size_t i = 0; i < r->binding_count; i++) {
        const struct btz_review_binding *b = &r->bindings[i];

        if (!by && btz_review_binding_is_on(r, b) && btz_review_binding_has(r, b, principal) &&
            btz_review_role_allows(r, b->role, action, NULL))
            by = b->role;
    }
    return by;
}

bool btz_review_is_administrative(const struct btz_review *r, const char *principal)
{
    for (size_t i = 0; i < btz_action_count; i++)
        if (btz_actions[i].administrative && btz_review_may(r, principal, btz_actions[i].name))
            return true;
    return false;
}
