#include "access/directory/directory.h"

/* Policies as documents: the text that people wrote is kept as it is. */

#define COLUMNS "name, version, updated_ms, updated_by, text"

/* ---- answers ---- */

static enum btz_err set_roles(struct btz_call *c, const char *name, struct btz_slice text,
                              json_t *item)
{
    struct btz_policy_model model = { 0 };
    json_t *roles = json_array();

    BTZ_TRY(btz_json_set(item, "roles", roles));
    BTZ_TRY(btz_policy_parse(text, name, c->arena, &model));
    for (size_t i = 0; i < model.role_count; i++)
        if (json_array_append_new(roles, btz_json_text(btz_str(model.roles[i].name))) != 0)
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
    return BTZ_OK;
}

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    const char *name = btz_column_text(c->arena, &v[0]);
    const char *text = btz_column_text(c->arena, &v[4]);

    if (!name || !text)
        return BTZ_LIMIT;
    BTZ_TRY(btz_json_set_text(item, "name", name));
    BTZ_TRY(btz_json_set(item, "version", json_integer(v[1].i)));
    BTZ_TRY(btz_json_set_time(item, "updated", (uint64_t)v[2].i));
    BTZ_TRY(btz_json_set_column(item, "updated_by", &v[3]));
    return set_roles(c, name, btz_str(text), item);
}

static enum btz_err find(struct btz_call *c, const char **name, const struct btz_value **row)
{
    char *lower;

    BTZ_TRY(btz_name_form("policy", btz_call_text(c, "policy"), c->arena, &lower));
    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS " FROM policies WHERE name = ?",
                          (const struct btz_value[]){ btz_value_str(lower) }, 1, c->arena, 5, row));
    *name = lower;
    return BTZ_OK;
}

static enum btz_err answer(struct btz_call *c, const char *name, json_t **out)
{
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS " FROM policies WHERE name = ?",
                          (const struct btz_value[]){ btz_value_str(name) }, 1, c->arena, 5, &row));
    if (!row)
        return btz_call_not_found(c, "policy", name);
    if (!item)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(fill(c, row, item));
    BTZ_TRY(btz_json_set_column(item, "text", &row[4]));
    *out = json_incref(item);
    return BTZ_OK;
}

static enum btz_err list(struct btz_call *c)
{
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "SELECT " COLUMNS " FROM policies WHERE name > ? ORDER BY name");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    return btz_list_run(c, &q, fill);
}

static enum btz_err get(struct btz_call *c)
{
    const struct btz_value *row;
    const char *name;

    BTZ_TRY(find(c, &name, &row));
    if (!row)
        return btz_call_not_found(c, "policy", name);
    BTZ_TRY(btz_call_version(c, (uint64_t)row[1].i));
    return answer(c, name, &c->out);
}

/* ---- changes ---- */

/* Rules are named after their policy: whoever reads of one in the trail must find it. */
static enum btz_err check_rule_name(const char *name, const struct btz_rule_model *rule)
{
    size_t n = strlen(name);

    if (strncmp(rule->id, name, n) == 0 && rule->id[n] == '/')
        return BTZ_OK;
    return btz_fail(BTZ_USAGE, "%s: the text begins with `policy: %.*s`; write `policy: %s`", name,
                    (int)strcspn(rule->id, "/"), rule->id, name);
}

/* A stored policy brings roles; who holds them is in the directory, not in a text. */
enum btz_err btz_policy_text_check(struct btz_call *c, const char *name, const char *text,
                                   struct btz_policy_model *out)
{
    struct btz_policy_model model = { 0 };

    BTZ_TRY(btz_policy_parse(btz_str(text), name, c->arena, &model));
    if (model.principal_count || model.group_count || model.binding_count || model.key_count)
        return btz_fail(BTZ_USAGE,
                        "%s: an installed policy holds roles only; people, groups, bindings and "
                        "keys have commands of their own",
                        name);
    for (size_t r = 0; r < model.role_count; r++)
        for (size_t i = 0; i < model.roles[r].rule_count; i++)
            BTZ_TRY(check_rule_name(name, &model.roles[r].rules[i]));
    *out = model;
    return BTZ_OK;
}

/* Nobody writes the rules of a role that he holds. */
static enum btz_err check_own(struct btz_call *c, const struct btz_policy_model *changed)
{
    struct btz_policy_model all = { 0 };
    bool holds;

    if (c->caller->kind == BTZ_CALLER_LOCAL)
        return BTZ_OK;
    BTZ_TRY(btz_policies_parse(c->store, c->arena, &all));
    for (size_t i = 0; i < changed->role_count; i++) {
        BTZ_TRY(btz_holds_role(c, &all, c->caller->principal, changed->roles[i].name, &holds));
        if (holds)
            return btz_call_refuse(c, "nobody changes the rules of a role that he holds himself");
    }
    return BTZ_OK;
}

static enum btz_err store_text(struct btz_call *c, const char *name, uint64_t version)
{
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "INSERT INTO policies (name, text, version, updated_ms, updated_by) VALUES (?, "
                    "?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text, version = "
                    "excluded.version, updated_ms = excluded.updated_ms, updated_by = "
                    "excluded.updated_by");
    btz_sql_text(&q, name);
    btz_sql_text(&q, btz_call_text(c, "text"));
    btz_sql_int(&q, (int64_t)version);
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_text(&q, c->caller->principal);
    return btz_sql_run(c, &q, NULL);
}

static enum btz_err put(struct btz_call *c)
{
    struct btz_policy_model old = { 0 }, new = { 0 };
    const struct btz_value *row;
    const char *name, *text;
    uint64_t version = 1;
    char *checked;

    BTZ_TRY(find(c, &name, &row));
    c->target = btz_arena_printf(c->arena, "policy/%s", name);
    BTZ_TRY(btz_policy_text_check(c, name, btz_call_text(c, "text"), &new));
    if (row) {
        version = (uint64_t)row[1].i + 1;
        BTZ_TRY(btz_call_version(c, version - 1));
        text = btz_column_text(c->arena, &row[4]);
        BTZ_TRY(btz_policy_parse(btz_str(text), name, c->arena, &old));
        BTZ_TRY(answer(c, name, &c->before));
    } else if (c->if_match) {
        c->stale = true;
        return btz_fail(BTZ_CONFLICT, "there is no policy %s to change", name);
    } else {
        BTZ_TRY(btz_name_check("policy", name, c->arena, &checked));
    }
    BTZ_TRY(check_own(c, &old));
    BTZ_TRY(check_own(c, &new));
    BTZ_TRY(store_text(c, name, version));
    c->policy_changed = true;
    BTZ_TRY(answer(c, name, &c->after));
    c->out = json_incref(c->after);
    snprintf(c->etag, sizeof c->etag, "%" PRIu64, version);
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err delete (struct btz_call *c) {
    struct btz_policy_model old = { 0 }; const struct btz_value * row; const char * name;

    BTZ_TRY(find(c, &name, &row));
    if (!row) return btz_call_not_found(c, "policy", name);
    BTZ_TRY(btz_call_version(c, (uint64_t)row[1].i));
    c->target = btz_arena_printf(c->arena, "policy/%s", name);
    BTZ_TRY(answer(c, name, &c->before));
    BTZ_TRY(btz_policy_parse(btz_str(btz_column_text(c->arena, &row[4])), name, c->arena, &old));
    BTZ_TRY(check_own(c, &old));
    BTZ_TRY(btz_store_run(c->store, "DELETE FROM policies WHERE name = ?",
                          (const struct btz_value[]){ btz_value_str(name) }, 1, NULL));
    c->policy_changed = true;
    c->etag[0] = '\0';
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

/* ---- operations ---- */

#define POLICY                                                                                     \
    {                                                                                              \
        .name = "policy", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,          \
        .help = "Name of the policy.", .max = NAME_LEN_MAX, .names = BTZ_NAMES_NEW                 \
    }
static const struct btz_field list_fields[] = { BTZ_PAGE_FIELDS };
static const struct btz_field path[] = { POLICY };
static const struct btz_field put_fields[] = {
    POLICY,
    { .name = "text",
      .kind = BTZ_FIELD_FILE,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "The policy, in YAML.",
      .max = POLICY_MAX },
};

const struct btz_operation btz_operation_policy_list = {
    .id = "policy.list",
    .method = "GET",
    .path = "/v1/policies",
    .command = "policy list",
    .summary = "List policies.",
    .tag = "policies",
    .action = "policy.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "policy-list",
    .run = list,
};
const struct btz_operation btz_operation_policy_get = {
    .id = "policy.get",
    .method = "GET",
    .path = "/v1/policies/{policy}",
    .command = "policy show",
    .summary = "Show a policy with its text.",
    .tag = "policies",
    .action = "policy.read",
    .resource = "policy/{policy}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = path,
    .field_count = BTZ_COUNT(path),
    .result = "policy",
    .run = get,
};
const struct btz_operation btz_operation_policy_put = {
    .id = "policy.put",
    .method = "PUT",
    .path = "/v1/policies/{policy}",
    .command = "policy set",
    .summary = "Add or replace a policy; it takes effect at once.",
    .details = "It is checked together with all others first. Nobody changes the rules of a role "
               "that he holds himself.",
    .tag = "policies",
    .action = "policy.write",
    .resource = "policy/{policy}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .also = "role.bind",
    .also_if = btz_policy_gives,
    .fields = put_fields,
    .field_count = BTZ_COUNT(put_fields),
    .result = "policy",
    .run = put,
};
const struct btz_operation btz_operation_policy_delete = {
    .id = "policy.delete",
    .method = "DELETE",
    .path = "/v1/policies/{policy}",
    .command = "policy remove",
    .summary = "Remove a policy that no binding needs.",
    .tag = "policies",
    .action = "policy.delete",
    .resource = "policy/{policy}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .also = "role.bind",
    .also_if = btz_policy_gives,
    .fields = path,
    .field_count = BTZ_COUNT(path),
    .run = delete,
};
