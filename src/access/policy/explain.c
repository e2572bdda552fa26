/* Why a request is answered as it is: over the model, in words, for one person. decide.c gives the verdict. */
#include <stdlib.h>

#include "access/policy/conditions.h"
#include "access/policy/snapshot.h"

struct held {
    const struct btz_binding_model *binding;
    const char *group; /* NULL: his own */
};
struct explain {
    struct btz_model_index index;
    struct btz_arena *arena;
    const struct btz_snapshot *s;
    const struct btz_request *r;
    const struct btz_action *action;          /* NULL: there is no such action */
    const struct btz_principal_model *caller; /* NULL: nobody */
    const char *resource;                     /* with names for ids, as the compiler has it */
    const char *own;                          /* "user/self" ... when it is the caller's */
    const char *note;                         /* why no rule can be about it; NULL */
    struct held *mine;
    size_t mine_count;
    struct btz_decision decision;
    json_t *matching, *nearest;
    size_t nearest_count;
    int nearest_rank; /* 2: the role is held, 1: at other times or for other resources, 0: not */
};

static enum btz_err no_memory(void)
{
    return btz_fail(BTZ_LIMIT, "out of memory");
}

/* ---- the resource, as the caller's own and by name ---- */

static const char *own_of(const struct explain *e, const char *resource)
{
    const char *kind = e->caller->kind == BTZ_PRINCIPAL_USER ? "user" : "service";
    const char *slash = strchr(resource, '/');
    uint32_t key;

    if (!slash)
        return NULL;
    if (strncmp(resource, "key/", 4) == 0) {
        const struct btz_snap_key *keys = btz_snap_at(&e->s->view, BTZ_SNAP_KEYS);

        key = btz_snapshot_key_named(e->s, slash + 1);
        return strcmp(slash + 1, "own") == 0 ||
                       (key != BTZ_NOBODY && keys[key].principal == e->r->principal)
                   ? "key/own"
                   : NULL;
    }
    if (strncmp(resource, kind, strlen(kind)) != 0 || resource[strlen(kind)] != '/')
        return NULL;
    if (strcmp(slash + 1, "self") != 0 && strcmp(slash + 1, e->caller->id) != 0 &&
        strcmp(slash + 1, e->caller->name) != 0)
        return NULL;
    return e->caller->kind == BTZ_PRINCIPAL_USER ? "user/self" : "service/self";
}

static enum btz_err name_resource(struct explain *e)
{
    const char *text = btz_arena_str(e->arena, e->r->resource);

    if (!text)
        return no_memory();
    e->own = e->caller ? own_of(e, text) : NULL;
    e->resource =
        e->own && strncmp(text, "key/", 4) != 0
            ? btz_arena_printf(e->arena, "%.*s/%s", (int)strcspn(text, "/"), text, e->caller->name)
            : btz_index_canonical(&e->index, e->arena, text);
    return e->resource ? BTZ_OK : no_memory();
}

/* A request that no rule can be about. */
static const char *impossible(const struct explain *e)
{
    const char *text = e->resource;

    if (!e->action)
        return "there is no such action";
    if (!btz_resource_has_kind(e->r->resource, e->action->resource))
        return btz_arena_printf(e->arena, "%s is about resources %s/..., which `%s` is not",
                                e->action->name, e->action->resource, text);
    if (!e->own && (strcmp(text, "user/self") == 0 || strcmp(text, "service/self") == 0))
        return btz_arena_printf(e->arena, "whoever asks is no %.*s", (int)strcspn(text, "/"), text);
    return NULL;
}

static bool matches(const struct explain *e, const char *pattern)
{
    const char *named = btz_index_canonical(&e->index, e->arena, pattern);
    struct btz_pattern p = btz_pattern_of(named ? named : pattern);

    return btz_pattern_matches(&p, btz_str(e->resource)) ||
           (e->own && strcmp(pattern, e->own) == 0);
}

static bool matches_any(const struct explain *e, const char *const *patterns)
{
    for (size_t i = 0; patterns[i]; i++)
        if (matches(e, patterns[i]))
            return true;
    return false;
}

/* ---- by which binding a role is held ---- */

static bool is_subject(const struct explain *e, const struct btz_binding_model *b, uint32_t me,
                       const char **group)
{
    const uint32_t *list;
    uint32_t one;
    size_t count;

    btz_index_subjects(&e->index, b, &one, &list, &count);
    *group = list == &one ? NULL : e->index.groups[btz_index_group(&e->index, b->subject)]->name;
    for (size_t i = 0; i < count; i++)
        if (list[i] == me)
            return true;
    return false;
}

/* The caller's bindings, once: every rule asks for them. */
static enum btz_err gather_bindings(struct explain *e)
{
    const struct btz_policy_model *m = e->index.model;
    uint32_t me = e->caller ? btz_index_principal(&e->index, e->caller->id) : BTZ_NOBODY;

    e->mine = btz_arena_array(e->arena, m->binding_count + 1, sizeof *e->mine);
    if (!e->mine)
        return BTZ_LIMIT;
    for (size_t i = 0; e->caller && i < m->binding_count; i++) {
        const char *group;

        if (is_subject(e, &m->bindings[i], me, &group))
            e->mine[e->mine_count++] = (struct held){ &m->bindings[i], group };
    }
    return BTZ_OK;
}

/* NULL: it counts for this request. Otherwise why not, in words. */
static const char *binding_fault(const struct explain *e, const struct btz_binding_model *b)
{
    const char *moment;

    if (e->r->now_s < b->from_s) {
        moment = btz_second_text(e->arena, b->from_s);
        return btz_arena_printf(e->arena, "binding %s begins %s", b->id, moment ? moment : "later");
    }
    if (b->until_s > 0 && e->r->now_s >= b->until_s) {
        moment = btz_second_text(e->arena, b->until_s);
        return btz_arena_printf(e->arena, "binding %s ended %s", b->id, moment ? moment : "before");
    }
    if (b->resource && !matches(e, b->resource))
        return btz_arena_printf(e->arena, "binding %s is for %s only", b->id, b->resource);
    return NULL;
}

/* The bindings by which the caller has the role, and what keeps the best of them from counting. */
static enum btz_err find_bindings(struct explain *e, uint32_t role, json_t *bindings, bool *held,
                                  const char **fault)
{
    *held = false;
    *fault = NULL;
    for (size_t i = 0; i < e->mine_count; i++) {
        const struct btz_binding_model *b = e->mine[i].binding;
        const char *wrong;
        uint32_t given = btz_index_role(&e->index, b->role);
        json_t *j;

        if (!btz_bit(btz_index_closure(&e->index, given), role))
            continue;
        wrong = binding_fault(e, b);
        if (wrong) {
            *fault = wrong;
            continue;
        }
        *held = true;
        j = json_pack("{s:s, s:s, s:s*}", "id", b->id, "role", b->role, "group", e->mine[i].group);
        if (!j || json_array_append_new(bindings, j) != 0)
            return no_memory();
    }
    return BTZ_OK;
}

/* ---- rules ---- */

static json_t *rule_json(const struct btz_rule_model *rule, const struct btz_role_model *role,
                         json_t *bindings)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", rule->id, "effect",
                          rule->effect == BTZ_EFFECT_ALLOW ? "allow" : "deny", "role", role->name,
                          "file", rule->file ? rule->file : "", "line", (int)rule->line);

    if (j && bindings && json_object_set(j, "bindings", bindings) != 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}

/* What keeps everything else from counting: told with the nearest miss. */
static enum btz_err add_obstacles(const struct explain *e, struct btz_unmet *u)
{
    const char *deny;

    switch (e->decision.why) {
    case BTZ_WHY_DISABLED:
    case BTZ_WHY_KEY_EXPIRED:
    case BTZ_WHY_KEY_SCOPE:
    case BTZ_WHY_NO_PRINCIPAL:
    case BTZ_WHY_SNAPSHOT:
        return btz_unmet_add(u, false, "%s", btz_why_text(e->decision.why));
    case BTZ_WHY_RULE:
        deny = btz_snapshot_rule_id(e->s, e->decision.rule);
        if (e->decision.verdict == BTZ_VERDICT_DENY)
            return btz_unmet_add(u, false, "rule %s denies it", deny);
        return BTZ_OK;
    case BTZ_WHY_DEFAULT:
        return BTZ_OK;
    }
    return BTZ_OK;
}

static enum btz_err keep_nearest(struct explain *e, const struct btz_rule_model *rule,
                                 const struct btz_role_model *role, struct btz_unmet *u, int rank)
{
    json_t *j;

    BTZ_TRY(add_obstacles(e, u));
    if (e->nearest &&
        (u->count > e->nearest_count || (u->count == e->nearest_count && rank <= e->nearest_rank)))
        return BTZ_OK;
    j = rule_json(rule, role, NULL);
    if (!j || json_object_set(j, "unmet", u->words) != 0) {
        json_decref(j);
        return no_memory();
    }
    json_decref(e->nearest);
    e->nearest = j;
    e->nearest_count = u->count;
    e->nearest_rank = rank;
    return BTZ_OK;
}

static enum btz_err check_rule(struct explain *e, const struct btz_rule_model *rule, uint32_t index)
{
    BTZ_JSON json_t *bindings = json_array(), *words = json_array();
    struct btz_unmet u = { .arena = e->arena, .words = words, .only_unknown = true };
    const struct btz_role_model *role = e->index.roles[index];
    const char *fault, *wanted;
    bool held, covers = matches_any(e, rule->resources), meets;
    json_t *j;

    if (!bindings || !words)
        return no_memory();
    BTZ_TRY(find_bindings(e, index, bindings, &held, &fault));
    BTZ_TRY(btz_unmet_conditions(&rule->when, e->r, &u));
    meets = rule->effect == BTZ_EFFECT_DENY ? u.only_unknown : u.count == 0;
    if (held && covers && meets) {
        j = rule_json(rule, role, bindings);
        return j && json_array_append_new(e->matching, j) == 0 ? BTZ_OK : no_memory();
    }
    if (rule->effect == BTZ_EFFECT_DENY || e->decision.verdict == BTZ_VERDICT_ALLOW)
        return BTZ_OK;
    if (!covers) {
        wanted = btz_join(e->arena, rule->resources);
        BTZ_TRY(btz_unmet_add(&u, false, "%s is not %s", e->resource, wanted ? wanted : "it"));
    }
    if (!held && fault)
        BTZ_TRY(btz_unmet_add(&u, false, "%s", fault));
    else if (!held)
        BTZ_TRY(btz_unmet_add(&u, false, "%s does not hold role %s",
                              e->caller ? e->caller->name : "nobody", role->name));
    return keep_nearest(e, rule, role, &u, held ? 2 : fault ? 1 : 0);
}

static int by_id(const void *a, const void *b)
{
    const struct btz_rule_model *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static enum btz_err check_role(struct explain *e, uint32_t index)
{
    const struct btz_role_model *role = e->index.roles[index];
    const struct btz_rule_model **rules =
        btz_arena_array(e->arena, role->rule_count + 1, sizeof *rules);

    if (!rules)
        return BTZ_LIMIT;
    for (size_t i = 0; i < role->rule_count; i++)
        rules[i] = &role->rules[i];
    qsort(rules, role->rule_count, sizeof *rules, by_id);
    for (size_t i = 0; i < role->rule_count; i++) {
        bool acts = false;

        for (size_t k = 0; e->action && rules[i]->actions[k]; k++)
            acts |= btz_action_matches(rules[i]->actions[k], e->action);
        if (acts)
            BTZ_TRY(check_rule(e, rules[i], index));
    }
    return BTZ_OK;
}

/* The rule that decided, with its bindings: for STEP_UP it is none of those that match. */
static json_t *deciding_rule(struct explain *e)
{
    const struct btz_policy_model *m = e->index.model;
    const char *id = btz_snapshot_rule_id(e->s, e->decision.rule), *fault;
    BTZ_JSON json_t *bindings = json_array();
    bool held;

    for (size_t i = 0; bindings && id[0] && i < m->role_count; i++)
        for (size_t k = 0; k < e->index.roles[i]->rule_count; k++)
            if (strcmp(e->index.roles[i]->rules[k].id, id) == 0 &&
                find_bindings(e, (uint32_t)i, bindings, &held, &fault) == BTZ_OK)
                return rule_json(&e->index.roles[i]->rules[k], e->index.roles[i], bindings);
    return json_null();
}

static enum btz_err write(struct explain *e, struct btz_buf *out)
{
    const char *key = e->r->key == BTZ_NOBODY ? NULL : btz_snapshot_key_id(e->s, e->r->key);
    BTZ_JSON json_t *resource = btz_json_text(e->r->resource);
    BTZ_JSON json_t *j = json_pack(
        "{s:{s:s, s:s}, s:s?, s:s?, s:O, s:s, s:s, s:s?, s:i, s:o, s:O, s:O}", "principal", "id",
        e->caller ? e->caller->id : "", "name", e->caller ? e->caller->name : "", "key", key,
        "action", e->action ? e->action->name : NULL, "resource", resource, "verdict",
        btz_verdict_name(e->decision.verdict), "why", btz_why_text(e->decision.why), "note",
        e->note, "mfa_within_s", (int)e->decision.mfa_within_s, "rule", deciding_rule(e),
        "matching", e->matching, "nearest", e->nearest ? e->nearest : json_null());

    return j ? btz_json_write(j, false, out) : no_memory();
}

static enum btz_err explain(struct explain *e, struct btz_buf *out)
{
    btz_decide(e->s, e->r, &e->decision);
    BTZ_TRY(name_resource(e));
    BTZ_TRY(gather_bindings(e));
    e->note = impossible(e);
    for (size_t i = 0; !e->note && i < e->index.model->role_count; i++)
        BTZ_TRY(check_role(e, (uint32_t)i));
    return write(e, out);
}

enum btz_err btz_explain(const struct btz_policy_model *model, const struct btz_snapshot *s,
                         const struct btz_request *r, struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct explain e = { .arena = &arena, .s = s, .r = r, .matching = json_array() };
    uint32_t caller;
    enum btz_err err;

    btz_arena_init(&arena, (size_t)4 << 30);
    if (!e.matching)
        return no_memory();
    err = btz_model_index(model, &arena, &e.index);
    if (err == BTZ_OK) {
        caller = btz_index_principal(&e.index, btz_snapshot_principal_id(s, r->principal));
        e.caller = caller == BTZ_NOBODY ? NULL : e.index.principals[caller];
        if (r->action >= 0 && (size_t)r->action < btz_action_count)
            e.action = &btz_actions[r->action];
        err = explain(&e, out);
    }
    json_decref(e.matching);
    json_decref(e.nearest);
    return err;
}
