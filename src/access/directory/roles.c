#include <math.h>

#include "access/directory/directory.h"

/* What roles there are and what each gives: the ready ones and those of the policies. */

static enum btz_err texts(json_t *o, const char *key, const char *const *list)
{
    json_t *array;

    if (!list)
        return BTZ_OK;
    array = json_array();
    BTZ_TRY(btz_json_set(o, key, array));
    for (size_t i = 0; list[i]; i++)
        if (json_array_append_new(array, btz_json_text(btz_str(list[i]))) != 0)
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
    return BTZ_OK;
}

static enum btz_err windows(struct btz_call *c, json_t *o, const struct btz_when *w)
{
    static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
    json_t *array;

    if (!w->window_count)
        return BTZ_OK;
    array = json_array();
    BTZ_TRY(btz_json_set_text(o, "time_zone", w->time_zone ? w->time_zone : "UTC"));
    BTZ_TRY(btz_json_set(o, "times", array));
    for (size_t i = 0; i < w->window_count; i++) {
        const struct btz_window *at = &w->windows[i];
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(128);

        for (size_t d = 0; d < BTZ_COUNT(days); d++)
            if (at->days >> d & 1)
                BTZ_TRY(btz_buf_printf(&text, "%s%s", text.len ? "," : "", days[d]));
        BTZ_TRY(btz_buf_printf(&text, " %02u:%02u-%02u:%02u", at->from_minute / 60u,
                               at->from_minute % 60u, at->to_minute / 60u, at->to_minute % 60u));
        if (json_array_append_new(array, btz_json_text(btz_buf_slice(&text))) != 0)
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
    }
    (void)c;
    return BTZ_OK;
}

static enum btz_err set_when(struct btz_call *c, json_t *rule, const struct btz_when *w)
{
    json_t *o = json_object();

    BTZ_TRY(btz_json_set(rule, "when", o));
    BTZ_TRY(texts(o, "models", w->models));
    BTZ_TRY(texts(o, "endpoints", w->endpoints));
    BTZ_TRY(texts(o, "tools", w->tools));
    BTZ_TRY(texts(o, "addresses", w->addresses));
    if (!isnan(w->cost_max))
        BTZ_TRY(btz_json_set(o, "cost_max", json_real(w->cost_max)));
    if (w->mfa_within_s)
        BTZ_TRY(btz_json_set(o, "mfa_within_s", json_integer(w->mfa_within_s)));
    if (w->client_cert)
        BTZ_TRY(btz_json_set(o, "client_cert", json_true()));
    if (w->from_s)
        BTZ_TRY(btz_json_set_time(o, "from", w->from_s * 1000));
    if (w->until_s)
        BTZ_TRY(btz_json_set_time(o, "until", w->until_s * 1000));
    return windows(c, o, w);
}

static enum btz_err set_rules(struct btz_call *c, json_t *item, const struct btz_role_model *role)
{
    json_t *rules = json_array();

    BTZ_TRY(btz_json_set(item, "rules", rules));
    for (size_t i = 0; i < role->rule_count; i++) {
        const struct btz_rule_model *r = &role->rules[i];
        json_t *rule = json_object();

        if (!rule || json_array_append_new(rules, rule) != 0)
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
        BTZ_TRY(btz_json_set_text(rule, "id", r->id));
        BTZ_TRY(btz_json_set_text(rule, "effect", r->effect == BTZ_EFFECT_DENY ? "deny" : "allow"));
        BTZ_TRY(texts(rule, "actions", r->actions));
        BTZ_TRY(texts(rule, "resources", r->resources));
        BTZ_TRY(set_when(c, rule, &r->when));
    }
    return BTZ_OK;
}

static enum btz_err role_json(struct btz_call *c, const struct btz_policy_model *m,
                              const struct btz_role_model *role, json_t *item)
{
    const char *file = role->file ? role->file : "ready roles";

    BTZ_TRY(btz_json_set_text(item, "name", role->name));
    BTZ_TRY(btz_json_set_text(item, "about", role->about));
    BTZ_TRY(btz_json_set_text(item, "policy", strcmp(file, "ready roles") == 0 ? NULL : file));
    BTZ_TRY(btz_json_set(item, "inherits", json_array()));
    if (role->inherits)
        BTZ_TRY(texts(item, "inherits", role->inherits));
    BTZ_TRY(btz_json_set(item, "administrative",
                         json_boolean(btz_role_is_administrative(m, role->name))));
    return set_rules(c, item, role);
}

static enum btz_err list(struct btz_call *c)
{
    struct btz_policy_model model = { 0 };
    BTZ_JSON json_t *items = json_array();

    BTZ_TRY(btz_policies_parse(c->store, c->arena, &model));
    for (size_t i = 0; i < model.role_count; i++) {
        json_t *item = json_object();

        if (!item || json_array_append_new(items, item) != 0)
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
        BTZ_TRY(role_json(c, &model, &model.roles[i], item));
    }
    return btz_page(c, json_incref(items), NULL);
}

static enum btz_err get(struct btz_call *c)
{
    const char *name = btz_call_text(c, "role");
    struct btz_policy_model model = { 0 };
    BTZ_JSON json_t *item = json_object();

    BTZ_TRY(btz_policies_parse(c->store, c->arena, &model));
    for (size_t i = 0; i < model.role_count; i++) {
        if (strcmp(model.roles[i].name, name) != 0)
            continue;
        if (!item)
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
        BTZ_TRY(role_json(c, &model, &model.roles[i], item));
        c->out = json_incref(item);
        return BTZ_OK;
    }
    return btz_call_not_found(c, "role", name);
}

static enum btz_err actions(struct btz_call *c)
{
    BTZ_JSON json_t *items = json_array();

    for (size_t i = 0; i < btz_action_count; i++) {
        json_t *item = json_object();

        if (!item || json_array_append_new(items, item) != 0)
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
        BTZ_TRY(btz_json_set_text(item, "name", btz_actions[i].name));
        BTZ_TRY(btz_json_set_text(item, "resource", btz_actions[i].resource));
        BTZ_TRY(btz_json_set_text(item, "about", btz_actions[i].what));
        BTZ_TRY(btz_json_set(item, "administrative", json_boolean(btz_actions[i].administrative)));
    }
    return btz_page(c, json_incref(items), NULL);
}

static const struct btz_field path[] = {
    { .name = "role",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_PATH,
      .required = true,
      .help = "Name of the role." },
};

const struct btz_operation btz_operation_role_list = {
    .id = "role.list",
    .method = "GET",
    .path = "/v1/roles",
    .command = "role list",
    .summary = "List roles with their rules.",
    .tag = "roles",
    .action = "role.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .result = "role-list",
    .run = list,
};
const struct btz_operation btz_operation_role_get = {
    .id = "role.get",
    .method = "GET",
    .path = "/v1/roles/{role}",
    .command = "role show",
    .summary = "Show a role.",
    .tag = "roles",
    .action = "role.read",
    .resource = "role/{role}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = path,
    .field_count = BTZ_COUNT(path),
    .result = "role",
    .run = get,
};
const struct btz_operation btz_operation_action_list = {
    .id = "action.list",
    .method = "GET",
    .path = "/v1/actions",
    .command = "action list",
    .summary = "List every action that a role can allow.",
    .tag = "roles",
    .needs = BTZ_NEEDS_CALLER,
    .result = "action-list",
    .run = actions,
};
