/* What can be wrong with a whole model though each line of it is right. */
#include <math.h>

#include "access/policy/index.h"

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static enum btz_err check_duplicates(const char **ids, size_t count, const char *what)
{
    btz_sort(ids, count, sizeof *ids, by_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(ids[i - 1], ids[i]) == 0)
            return btz_fail(BTZ_USAGE, "two %s have the id `%s`", what, ids[i]);
    return BTZ_OK;
}

static enum btz_err check_each(const char *const *list, size_t max,
                               enum btz_err (*check)(const char *))
{
    size_t n = 0;

    if (list && !list[0])
        return btz_fail(BTZ_USAGE, "a condition with an empty list");
    for (; list && list[n]; n++) {
        if (n >= max)
            return btz_fail(BTZ_LIMIT, "a list of more than %zu items", max);
        BTZ_TRY(check(list[n]));
    }
    return BTZ_OK;
}

static enum btz_err check_net(const char *text)
{
    struct btz_net net;

    return btz_net_parse(text, &net);
}

static enum btz_err check_rule(const struct btz_rule_model *rule)
{
    const struct btz_when *w = &rule->when;

    if (!rule->actions || !rule->actions[0] || !rule->resources || !rule->resources[0])
        return btz_fail(BTZ_USAGE, "`actions` and `resources` must name something");
    BTZ_TRY(check_each(rule->actions, 64, btz_action_pattern_check));
    BTZ_TRY(check_each(rule->resources, 64, btz_resource_pattern_check));
    BTZ_TRY(check_each(w->models, 256, btz_name_pattern_check));
    BTZ_TRY(check_each(w->endpoints, 256, btz_name_pattern_check));
    BTZ_TRY(check_each(w->tools, 256, btz_name_pattern_check));
    BTZ_TRY(check_each(w->addresses, 256, check_net));
    /* A deny that asks for a fresh factor or a certificate forbids those who have it: the reverse of what is meant. */
    if (rule->effect == BTZ_EFFECT_DENY && (w->mfa_within_s > 0 || w->client_cert))
        return btz_fail(BTZ_USAGE,
                        "a deny with %s would forbid those who have it: put the condition on the "
                        "rule that allows",
                        w->client_cert ? "`client_cert`" : "`mfa_within`");
    if (w->until_s > 0 && w->until_s <= w->from_s)
        return btz_fail(BTZ_USAGE, "`until` is not after `from`");
    if (w->window_count > 256 || (w->window_count > 0 && !w->time_zone))
        return btz_fail(BTZ_USAGE, "at most 256 windows, and a time zone");
    for (size_t i = 0; i < w->window_count; i++)
        if (w->windows[i].from_minute >= 1440 || w->windows[i].to_minute > 1440 ||
            w->windows[i].from_minute == w->windows[i].to_minute || !(w->windows[i].days & 0x7f))
            return btz_fail(BTZ_USAGE, "a window that cannot be");
    return BTZ_OK;
}

static enum btz_err check_rules(const struct btz_policy_model *m, struct btz_arena *arena)
{
    size_t total = 0, n = 0;
    const char **ids;

    for (size_t i = 0; i < m->role_count; i++)
        total += m->roles[i].rule_count;
    if (total > BTZ_RULES_MAX)
        return btz_fail(BTZ_LIMIT, "%zu rules, at most %d", total, BTZ_RULES_MAX);
    ids = btz_arena_array(arena, total + 1, sizeof *ids);
    if (!ids)
        return BTZ_LIMIT;
    for (size_t i = 0; i < m->role_count; i++)
        for (size_t k = 0; k < m->roles[i].rule_count; k++) {
            const struct btz_rule_model *rule = &m->roles[i].rules[k];
            enum btz_err err = check_rule(rule);

            if (err != BTZ_OK)
                return btz_fail_context(err, "%s:%u: rule `%s`", rule->file ? rule->file : "?",
                                        rule->line, rule->id);
            ids[n++] = rule->id;
        }
    return check_duplicates(ids, n, "rules");
}

static enum btz_err check_binding(const struct btz_model_index *x,
                                  const struct btz_binding_model *b)
{
    if (btz_index_role(x, b->role) == BTZ_NOBODY)
        return btz_fail(BTZ_USAGE, "binding `%s`: there is no role `%s`", b->id, b->role);
    if (btz_index_principal(x, b->subject) == BTZ_NOBODY &&
        btz_index_group(x, b->subject) == BTZ_NOBODY)
        return btz_fail(BTZ_USAGE, "binding `%s`: there is no principal or group with the id `%s`",
                        b->id, b->subject);
    if (b->until_s > 0 && b->until_s <= b->from_s)
        return btz_fail(BTZ_USAGE, "binding `%s`: `until` is not after `from`", b->id);
    if (b->resource && btz_resource_pattern_check(b->resource) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "binding `%s`", b->id);
    return BTZ_OK;
}

static enum btz_err check_bindings(const struct btz_model_index *x, struct btz_arena *arena)
{
    const struct btz_policy_model *m = x->model;
    const char **ids = btz_arena_array(arena, m->binding_count + 1, sizeof *ids);

    if (!ids)
        return BTZ_LIMIT;
    if (m->binding_count > BTZ_PEOPLE_MAX)
        return btz_fail(BTZ_LIMIT, "%zu bindings, at most %u", m->binding_count, BTZ_PEOPLE_MAX);
    for (size_t i = 0; i < m->binding_count; i++) {
        BTZ_TRY(check_binding(x, &m->bindings[i]));
        ids[i] = m->bindings[i].id;
    }
    return check_duplicates(ids, m->binding_count, "bindings");
}

static enum btz_err check_keys(const struct btz_model_index *x, struct btz_arena *arena)
{
    const struct btz_policy_model *m = x->model;
    const char **ids = btz_arena_array(arena, m->key_count + 1, sizeof *ids);

    if (!ids)
        return BTZ_LIMIT;
    if (m->key_count > BTZ_KEYS_MAX)
        return btz_fail(BTZ_LIMIT, "%zu keys, at most %u", m->key_count, BTZ_KEYS_MAX);
    for (size_t i = 0; i < m->key_count; i++) {
        const struct btz_key_model *k = &m->keys[i];
        const char *action, *resource;

        ids[i] = k->id;
        if (strcmp(k->id, "own") == 0)
            return btz_fail(BTZ_USAGE, "no key can be called `own`");
        if (btz_index_principal(x, k->principal) == BTZ_NOBODY)
            return btz_fail(BTZ_USAGE, "key `%s`: there is no principal with the id `%s`", k->id,
                            k->principal);
        for (size_t s = 0; k->scopes && k->scopes[s]; s++) {
            if (s >= 64)
                return btz_fail(BTZ_LIMIT, "key `%s`: more than 64 scopes", k->id);
            if (btz_scope_parse(k->scopes[s], arena, &action, &resource) != BTZ_OK)
                return btz_fail_context(BTZ_USAGE, "key `%s`", k->id);
        }
    }
    return check_duplicates(ids, m->key_count, "keys");
}

/* ---- separation of duties ---- */

/* Every role of every principal, whatever the time and the resource of the binding. */
static uint64_t *roles_held(const struct btz_model_index *x, struct btz_arena *arena)
{
    const struct btz_policy_model *m = x->model;
    uint64_t *held = btz_arena_array(arena, (m->principal_count + 1) * x->words, sizeof *held);

    for (size_t i = 0; held && i < m->binding_count; i++) {
        const uint64_t *closure = btz_index_closure(x, btz_index_role(x, m->bindings[i].role));
        const uint32_t *list;
        uint32_t one;
        size_t count;

        btz_index_subjects(x, &m->bindings[i], &one, &list, &count);
        for (size_t k = 0; k < count; k++)
            for (size_t w = 0; w < x->words; w++)
                held[list[k] * x->words + w] |= closure[w];
    }
    return held;
}

static enum btz_err check_pair(const struct btz_model_index *x, const uint64_t *held,
                               const struct btz_exclusive_model *e)
{
    uint32_t a = btz_index_role(x, e->a), b = btz_index_role(x, e->b);

    /* A pair may name a role that this installation does not have. */
    if (a == BTZ_NOBODY || b == BTZ_NOBODY)
        return BTZ_OK;
    if (a == b)
        return btz_fail(BTZ_USAGE, "%s:%u: a role cannot exclude itself", e->file, e->line);
    for (size_t i = 0; i < x->model->role_count; i++)
        if (btz_bit(btz_index_closure(x, (uint32_t)i), a) &&
            btz_bit(btz_index_closure(x, (uint32_t)i), b))
            return btz_fail(BTZ_USAGE,
                            "%s:%u: role `%s` would hold both `%s` and `%s`, which separation of "
                            "duties forbids (%s:%u)",
                            x->roles[i]->file, x->roles[i]->line, x->roles[i]->name, e->a, e->b,
                            e->file, e->line);
    for (size_t i = 0; i < x->model->principal_count; i++)
        if (btz_bit(held + i * x->words, a) && btz_bit(held + i * x->words, b))
            return btz_fail(BTZ_USAGE,
                            "`%s` would hold both `%s` and `%s`, which separation of duties "
                            "forbids (%s:%u)",
                            x->principals[i]->name, e->a, e->b, e->file, e->line);
    return BTZ_OK;
}

enum btz_err btz_policy_check(const struct btz_policy_model *model)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_model_index x;
    const uint64_t *held;

    btz_arena_init(&arena, (size_t)4 << 30);
    BTZ_TRY(check_rules(model, &arena));
    BTZ_TRY(btz_model_index(model, &arena, &x));
    BTZ_TRY(check_bindings(&x, &arena));
    BTZ_TRY(check_keys(&x, &arena));
    held = roles_held(&x, &arena);
    if (!held)
        return BTZ_LIMIT;
    for (size_t i = 0; i < model->exclusive_count; i++)
        BTZ_TRY(check_pair(&x, held, &model->exclusives[i]));
    return BTZ_OK;
}
