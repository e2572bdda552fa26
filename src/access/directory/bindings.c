#include "access/directory/directory.h"
#include "access/policy/pattern.h"

/* Roles given to people, services and groups. */

#define COLUMNS                                                                                    \
    "b.id, b.role, b.subject, COALESCE(p.name, g.name), COALESCE(p.kind, 'group'), b.resource, "   \
    "b.from_s, b.until_s, b.created_ms, b.created_by, b.reason, b.kind"
#define TABLES                                                                                     \
    " FROM bindings b LEFT JOIN principals p ON p.id = b.subject LEFT JOIN groups g ON g.id = "    \
    "b.subject"
enum column {
    ID,
    ROLE,
    SUBJECT,
    SUBJECT_NAME,
    SUBJECT_KIND,
    RESOURCE,
    FROM,
    UNTIL,
    CREATED,
    CREATED_BY,
    REASON,
    KIND,
    COUNT
};

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    (void)c;
    BTZ_TRY(btz_json_set_column(item, "id", &v[ID]));
    BTZ_TRY(btz_json_set_column(item, "role", &v[ROLE]));
    BTZ_TRY(btz_json_set_column(item, "subject", &v[SUBJECT]));
    BTZ_TRY(btz_json_set_column(item, "subject_name", &v[SUBJECT_NAME]));
    BTZ_TRY(btz_json_set_column(item, "subject_kind", &v[SUBJECT_KIND]));
    BTZ_TRY(btz_json_set_column(item, "resource", &v[RESOURCE]));
    BTZ_TRY(btz_json_set_time(item, "from", (uint64_t)v[FROM].i * 1000));
    BTZ_TRY(btz_json_set_time(item, "until", (uint64_t)v[UNTIL].i * 1000));
    BTZ_TRY(btz_json_set_time(item, "created", (uint64_t)v[CREATED].i));
    BTZ_TRY(btz_json_set_column(item, "created_by", &v[CREATED_BY]));
    BTZ_TRY(btz_json_set_column(item, "reason", &v[REASON]));
    return btz_json_set_column(item, "kind", &v[KIND]);
}

enum btz_err btz_binding_json(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value v[] = { btz_value_str(id) };
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS TABLES " WHERE b.id = ?", v, 1, c->arena,
                          COUNT, &row));
    if (!row)
        return btz_call_not_found(c, "binding", id);
    if (!item)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(fill(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

/* ---- subjects: "user/alice", "group/research", an id, or a name that only one of them has ---- */

static enum btz_err find_in(struct btz_call *c, const char *sql, const char *name, const char **out)
{
    const struct btz_value *row;

    *out = NULL;
    BTZ_TRY(btz_row_find(c, sql, name, 1, &row));
    if (!row)
        return BTZ_OK;
    *out = btz_column_text(c->arena, &row[0]);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err find_subject(struct btz_call *c, const char *text, const char **out)
{
    const char *slash = strchr(text, '/'), *name = slash ? slash + 1 : text;
    const char *principal = NULL, *group = NULL;
    bool any = !slash;

    if (any || strncmp(text, "user/", 5) == 0 || strncmp(text, "service/", 8) == 0)
        BTZ_TRY(find_in(c, "SELECT id FROM principals WHERE id = ? OR name = ?", name, &principal));
    if (any || strncmp(text, "group/", 6) == 0)
        BTZ_TRY(find_in(c, "SELECT id FROM groups WHERE id = ? OR name = ?", name, &group));
    if (principal && group)
        return btz_fail(BTZ_USAGE,
                        "`subject`: a person or service and a group are called %s; write "
                        "user/%s or group/%s",
                        name, name, name);
    if (!principal && !group)
        return btz_call_not_found(c, "person, service or group", text);
    *out = principal ? principal : group;
    return BTZ_OK;
}

/* Is the caller himself the one, or a member of the group? */
static enum btz_err check_own(struct btz_call *c, const char *subject)
{
    const struct btz_value v[] = { btz_value_str(subject), btz_value_str(c->caller->principal) };
    const struct btz_value *row;
    bool own = btz_call_is_own(c, subject);

    if (c->caller->kind == BTZ_CALLER_LOCAL)
        return BTZ_OK;
    if (!own) {
        BTZ_TRY(btz_store_one(
            c->store, "SELECT group_id FROM members WHERE group_id = ? AND principal_id = ?", v, 2,
            c->arena, 1, &row));
        own = row != NULL;
    }
    return own ? btz_call_refuse(c, "nobody changes his own roles; ask another administrator")
               : BTZ_OK;
}

static enum btz_err list(struct btz_call *c)
{
    const char *subject = btz_call_text(c, "subject"), *id;
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "SELECT " COLUMNS TABLES " WHERE b.id > ?");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    btz_sql_where(&q, " AND b.role = ?", btz_call_text(c, "role"));
    btz_sql_where(&q, " AND b.kind = ?", btz_call_text(c, "kind"));
    if (subject) {
        BTZ_TRY(find_subject(c, subject, &id));
        btz_sql_where(&q, " AND b.subject = ?", id);
    }
    btz_sql_add(&q, " AND (b.until_s = 0 OR b.until_s > ?) ORDER BY b.id");
    btz_sql_int(&q, (int64_t)(c->now_ms / 1000));
    return btz_list_run(c, &q, fill);
}

enum btz_err btz_binding_add(struct btz_call *c, const struct btz_new_binding *b,
                             char id[BTZ_ID_TEXT])
{
    struct btz_sql q = { .len = 0 };

    btz_id_new("bnd_", c->now_ms, id);
    btz_sql_add(&q, "INSERT INTO bindings (id, role, subject, resource, from_s, until_s, "
                    "created_ms, created_by, reason, kind) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    btz_sql_text(&q, id);
    btz_sql_text(&q, b->role);
    btz_sql_text(&q, b->subject);
    btz_sql_text(&q, b->resource);
    btz_sql_int(&q, (int64_t)b->from_s);
    btz_sql_int(&q, (int64_t)b->until_s);
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_text(&q, b->by ? b->by : c->caller->principal);
    btz_sql_text(&q, b->reason);
    btz_sql_text(&q, b->kind);
    BTZ_TRY(btz_sql_run(c, &q, NULL));
    c->policy_changed = true;
    c->target = btz_arena_printf(c->arena, "role/%s", b->role);
    if (!c->target)
        return BTZ_LIMIT;
    c->note.reason = b->reason;
    BTZ_TRY(btz_binding_json(c, id, &c->after));
    c->out = json_incref(c->after);
    return BTZ_OK;
}

enum btz_err btz_role_exists(struct btz_call *c, const char *name)
{
    struct btz_policy_model model = { 0 };
    const char **names, *near;

    BTZ_TRY(btz_policies_parse(c->store, c->arena, &model));
    names = btz_arena_array(c->arena, model.role_count + 1, sizeof *names);
    if (!names)
        return BTZ_LIMIT;
    for (size_t i = 0; i < model.role_count; i++) {
        names[i] = model.roles[i].name;
        if (strcmp(names[i], name) == 0)
            return BTZ_OK;
    }
    near = strlen(name) <= 63 ? btz_nearest(name, names, model.role_count) : NULL;
    if (near)
        return btz_fail(BTZ_USAGE, "`role`: there is no role %s; did you mean %s?", name, near);
    return btz_fail(BTZ_USAGE, "`role`: there is no role %s", name);
}

static enum btz_err create(struct btz_call *c)
{
    const char *resource = btz_call_text(c, "resource");
    struct btz_new_binding b = { .role = btz_call_text(c, "role"),
                                 .resource = resource && resource[0] ? resource : NULL,
                                 .from_s = btz_call_ms(c, "from", 0) / 1000,
                                 .until_s = btz_call_ms(c, "until", 0) / 1000,
                                 .reason = btz_call_text(c, "reason"),
                                 .kind = "normal" };
    char id[BTZ_ID_TEXT];

    BTZ_TRY(btz_role_exists(c, b.role));
    BTZ_TRY(find_subject(c, btz_call_text(c, "subject"), &b.subject));
    BTZ_TRY(check_own(c, b.subject));
    if (b.resource && btz_resource_pattern_check(b.resource) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "`resource`");
    if (b.until_s && (b.until_s <= c->now_ms / 1000 || b.until_s <= b.from_s))
        return btz_fail(BTZ_USAGE, "`until` must be in the future, and behind `from`");
    return btz_binding_add(c, &b, id);
}

static enum btz_err delete (struct btz_call *c) {
    const char *id = btz_call_text(c, "binding"), *subject, *role;
    const struct btz_value v[] = { btz_value_str(id) };

    BTZ_TRY(btz_binding_json(c, id, &c->before));
    subject = json_string_value(json_object_get(c->before, "subject"));
    role = json_string_value(json_object_get(c->before, "role"));
    BTZ_TRY(check_own(c, subject));
    BTZ_TRY(btz_store_run(c->store, "DELETE FROM bindings WHERE id = ?", v, 1, NULL));
    c->policy_changed = true;
    c->target = btz_arena_printf(c->arena, "role/%s", role);
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

/* ---- operations ---- */

static const char *const kind_names[] = { "normal", "elevation", "break-glass", NULL };

static const struct btz_field list_fields[] = {
    { .name = "role", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_QUERY, .help = "Only of that role." },
    { .name = "subject",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only of that person, service or group." },
    { .name = "kind",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only those.",
      .choices = kind_names },
    BTZ_PAGE_FIELDS,
};
static const struct btz_field create_fields[] = {
    { .name = "role",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Name of the role." },
    { .name = "subject",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Name or id; `user/NAME`, `service/NAME`, `group/NAME` where a name is not unique." },
    { .name = "resource",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "Only for these resources, such as model/gpt-*; everything when not given.",
      .max = 512 },
    { .name = "from", .kind = BTZ_FIELD_TIME, .place = BTZ_IN_BODY, .help = "Not before." },
    { .name = "until", .kind = BTZ_FIELD_TIME, .place = BTZ_IN_BODY, .help = "Not after." },
    { .name = "reason",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "Why.",
      .max = REASON_MAX },
};
static const struct btz_field path[] = {
    { .name = "binding",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_PATH,
      .required = true,
      .help = "Id of the binding.",
      .names = BTZ_NAMES_BINDING },
};

const struct btz_operation btz_operation_binding_list = {
    .id = "binding.list",
    .method = "GET",
    .path = "/v1/bindings",
    .command = "binding list",
    .columns = "id role subject_name subject_kind resource until kind created_by reason",
    .summary = "List who has which role.",
    .tag = "roles",
    .action = "role.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "binding-list",
    .run = list,
};
const struct btz_operation btz_operation_binding_create = {
    .id = "binding.create",
    .method = "POST",
    .path = "/v1/bindings",
    .command = "role give",
    .summary = "Give a role to a person, service or group.",
    .details = "Nobody gives himself a role.",
    .tag = "roles",
    .action = "role.bind",
    .resource = "role/{role}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = create_fields,
    .field_count = BTZ_COUNT(create_fields),
    .result = "binding",
    .created = true,
    .run = create,
};
const struct btz_operation btz_operation_binding_delete = {
    .id = "binding.delete",
    .method = "DELETE",
    .path = "/v1/bindings/{binding}",
    .command = "role take",
    .summary = "Take a role away.",
    .tag = "roles",
    .action = "role.bind",
    .resource = "role/{binding}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = path,
    .field_count = BTZ_COUNT(path),
    .run = delete,
};
