/* Roles and their rules; the rest of a file is parse_people.c. */
#include "access/policy/parse.h"

#define ACTIONS_MAX   64
#define RESOURCES_MAX 64
#define INHERITS_MAX  32
#define RULES_MAX     65536
#define ROLES_MAX     4096

static const char *list_text(const struct btz_yaml *rule, const char *key)
{
    const struct btz_yaml *n = btz_yaml_get(rule, key);

    return n && n->kind == BTZ_YAML_SCALAR ? n->text : NULL;
}

/* A rule whose actions and resources never meet is a slip of the pen that would go unnoticed. */
static enum btz_err check_kinds(const struct btz_policy_reader *r,
                                const struct btz_rule_model *rule)
{
    for (size_t i = 0; rule->resources[i]; i++) {
        bool met = strcmp(rule->resources[i], "*") == 0;

        for (size_t k = 0; rule->actions[k] && !met; k++)
            for (size_t a = 0; a < btz_action_count && !met; a++)
                met = btz_action_matches(rule->actions[k], &btz_actions[a]) &&
                      btz_resource_has_kind(btz_str(rule->resources[i]), btz_actions[a].resource);
        if (met)
            continue;
        btz_error_set("rule `%s`: none of its actions is about `%s`", rule->id, rule->resources[i]);
        return btz_policy_at(r, rule->line, BTZ_USAGE);
    }
    return BTZ_OK;
}

static enum btz_err parse_effect(const struct btz_policy_reader *r, const struct btz_yaml *node,
                                 struct btz_rule_model *rule)
{
    static const char *const effects[] = { "allow", "deny", NULL };
    const struct btz_yaml *n = btz_yaml_get(node, "effect");
    int effect = 0;

    if (!n) {
        btz_error_set("rule `%s`: needs `effect: allow` or `effect: deny`", rule->id);
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    BTZ_TRY(btz_policy_choice(r, n, effects, &effect));
    rule->effect = effect == 0 ? BTZ_EFFECT_ALLOW : BTZ_EFFECT_DENY;
    return BTZ_OK;
}

static enum btz_err parse_rule(const struct btz_policy_reader *r, const struct btz_yaml *node,
                               struct btz_rule_model *rule)
{
    static const char *const keys[] = { "id", "effect", "actions", "resources", "when", NULL };
    const struct btz_yaml *id, *actions, *resources;
    const char *name;

    BTZ_TRY(btz_policy_keys(r, node, "rule", keys));
    id = btz_yaml_get(node, "id");
    actions = btz_yaml_get(node, "actions");
    resources = btz_yaml_get(node, "resources");
    if (!id || !actions || !resources) {
        btz_error_set("rule%s%s: needs `id`, `effect`, `actions` and `resources`", id ? " " : "",
                      id ? list_text(node, "id") : "");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    BTZ_TRY(btz_policy_name(r, id, &name));
    rule->file = r->file;
    rule->line = node->line;
    rule->id = btz_arena_printf(r->arena, "%s/%s", r->policy, name);
    if (!rule->id)
        return BTZ_LIMIT;
    BTZ_TRY(parse_effect(r, node, rule));
    BTZ_TRY(btz_policy_texts(r, actions, ACTIONS_MAX, btz_action_pattern_check, &rule->actions));
    BTZ_TRY(btz_policy_texts(r, resources, RESOURCES_MAX, btz_resource_pattern_check,
                             &rule->resources));
    if (!rule->actions[0] || !rule->resources[0]) {
        btz_error_set("rule `%s`: `actions` and `resources` must name something", rule->id);
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    BTZ_TRY(check_kinds(r, rule));
    return btz_policy_when(r, btz_yaml_get(node, "when"), &rule->when);
}

static enum btz_err check_name(const char *text)
{
    return btz_is_policy_name(text) ? BTZ_OK : btz_fail(BTZ_USAGE, "`%.64s` is no name", text);
}

static enum btz_err parse_role(const struct btz_policy_reader *r, const struct btz_yaml *node,
                               struct btz_role_model *role)
{
    static const char *const keys[] = { "about", "inherits", "rules", NULL };
    const struct btz_yaml *n;
    struct btz_rule_model *rules;
    size_t i = 0;

    if (check_name(node->key) != BTZ_OK)
        return btz_policy_at(r, node->key_line, BTZ_USAGE);
    BTZ_TRY(btz_policy_keys(r, node, "role", keys));
    role->name = node->key;
    role->line = node->key_line;
    role->file = r->file;
    role->about = "";
    if ((n = btz_yaml_get(node, "about")))
        BTZ_TRY(btz_policy_text(r, n, &role->about));
    if ((n = btz_yaml_get(node, "inherits")))
        BTZ_TRY(btz_policy_texts(r, n, INHERITS_MAX, check_name, &role->inherits));
    else if (!(role->inherits = btz_arena_array(r->arena, 1, sizeof *role->inherits)))
        return BTZ_LIMIT;
    n = btz_yaml_get(node, "rules");
    if (!n)
        return BTZ_OK;
    if (n->kind != BTZ_YAML_LIST) {
        btz_error_set("rules: expected a list");
        return btz_policy_at(r, n->line, BTZ_USAGE);
    }
    role->rule_count = btz_policy_children(n);
    if (role->rule_count > RULES_MAX) {
        btz_error_set("role `%s`: more than %d rules", role->name, RULES_MAX);
        return btz_policy_at(r, n->line, BTZ_LIMIT);
    }
    rules = btz_arena_array(r->arena, role->rule_count + 1, sizeof *rules);
    if (!rules)
        return BTZ_LIMIT;
    for (const struct btz_yaml *c = n->first; c; c = c->next)
        BTZ_TRY(parse_rule(r, c, &rules[i++]));
    role->rules = rules;
    return BTZ_OK;
}

static enum btz_err parse_roles(const struct btz_policy_reader *r, const struct btz_yaml *node)
{
    struct btz_policy_model *m = r->model;
    struct btz_role_model *roles;
    size_t more = btz_policy_children(node);

    if (!node)
        return BTZ_OK;
    if (node->kind != BTZ_YAML_MAP) {
        btz_error_set("roles: expected a map from the name of a role to its rules");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    if (m->role_count + more > ROLES_MAX) {
        btz_error_set("more than %d roles", ROLES_MAX);
        return btz_policy_at(r, node->line, BTZ_LIMIT);
    }
    BTZ_TRY(btz_policy_grow(r->arena, m->roles, m->role_count, more, sizeof *roles, &roles));
    for (const struct btz_yaml *c = node->first; c; c = c->next)
        BTZ_TRY(parse_role(r, c, &roles[m->role_count++]));
    m->roles = roles;
    return BTZ_OK;
}

/* "policies/base.yaml" names the policy "base". */
static const char *name_of_file(const char *file, struct btz_arena *arena)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    size_t n = strcspn(base, ".");

    return btz_arena_str(arena, btz_slice_of(base, n));
}

enum btz_err btz_policy_read(const struct btz_yaml *root, const char *file, bool tests,
                             struct btz_arena *arena, struct btz_policy_model *model)
{
    static const char *const keys[] = { "policy", "roles",     "principals", "groups",  "bindings",
                                        "keys",   "exclusive", "tests",      "include", NULL };
    static const char *const plain[] = { "policy",   "roles", "principals", "groups",
                                         "bindings", "keys",  "exclusive",  NULL };
    struct btz_policy_model work = *model;
    struct btz_policy_reader r = { .file = file, .arena = arena, .model = &work };
    const struct btz_yaml *n;

    BTZ_TRY(btz_policy_keys(&r, root, "policy", tests ? keys : plain));
    if ((n = btz_yaml_get(root, "policy"))) {
        BTZ_TRY(btz_policy_name(&r, n, &r.policy));
    } else {
        r.policy = name_of_file(file, arena);
        if (!r.policy)
            return BTZ_LIMIT;
        if (!btz_is_policy_name(r.policy)) {
            btz_error_set("the file's name is no name for a policy: give one with `policy:`");
            return btz_policy_at(&r, root->line ? root->line : 1, BTZ_USAGE);
        }
    }
    BTZ_TRY(parse_roles(&r, btz_yaml_get(root, "roles")));
    BTZ_TRY(btz_policy_people(&r, root));
    *model = work;
    return BTZ_OK;
}

enum btz_err btz_policy_parse(struct btz_slice yaml, const char *file, struct btz_arena *arena,
                              struct btz_policy_model *model)
{
    const struct btz_yaml *root;
    enum btz_err err = btz_yaml_parse(yaml, file, arena, &root);

    if (err != BTZ_OK)
        return err == BTZ_INPUT ? BTZ_USAGE : err;
    return btz_policy_read(root, file, false, arena, model);
}
