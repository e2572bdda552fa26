#include "access/directory/directory.h"
#include "access/signin.h"

/* People and services: the same table and the same code, two families of operations. */

#define COLUMNS                                                                                    \
    "p.name, p.id, p.kind, p.display_name, p.email, p.external_id, p.status, p.created_ms, "       \
    "p.updated_ms, p.version, p.last_used_ms"

/* ---- answers ---- */

static enum btz_err group_row(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    return json_array_append_new(user, btz_json_text(v[0].bytes)) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

static enum btz_err set_groups(struct btz_call *c, const char *id, json_t *item)
{
    const struct btz_value v[] = { btz_value_str(id) };
    json_t *groups = json_array();

    BTZ_TRY(btz_json_set(item, "groups", groups));
    return btz_store_query(c->store,
                           "SELECT g.name FROM groups g JOIN members m ON m.group_id = g.id WHERE "
                           "m.principal_id = ? ORDER BY g.name",
                           v, 1, group_row, groups);
}

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    bool service = btz_slice_is(v[2].bytes, "service");
    const char *id = btz_column_text(c->arena, &v[1]);

    if (!id)
        return BTZ_LIMIT;
    BTZ_TRY(btz_json_set_text(item, "id", id));
    BTZ_TRY(btz_json_set_text(item, "kind", service ? "service" : "user"));
    BTZ_TRY(btz_json_set_column(item, "name", &v[0]));
    BTZ_TRY(btz_json_set_column(item, "display_name", &v[3]));
    if (!service)
        BTZ_TRY(btz_json_set_column(item, "email", &v[4]));
    BTZ_TRY(btz_json_set_column(item, "external_id", &v[5]));
    BTZ_TRY(btz_json_set_column(item, "status", &v[6]));
    BTZ_TRY(btz_json_set_time(item, "created", (uint64_t)v[7].i));
    BTZ_TRY(btz_json_set_time(item, "updated", (uint64_t)v[8].i));
    BTZ_TRY(btz_json_set_time(item, "last_used", (uint64_t)v[10].i));
    return btz_json_set(item, "version", json_integer(v[9].i));
}

enum btz_err btz_principal_json(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value v[] = { btz_value_str(id) };
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS " FROM principals p WHERE p.id = ?", v, 1,
                          c->arena, 11, &row));
    if (!row)
        return btz_call_not_found(c, "person or service", id);
    if (!item)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(fill(c, row, item));
    BTZ_TRY(set_groups(c, id, item));
    *out = json_incref(item);
    return BTZ_OK;
}

/* ---- finding them ---- */

static enum btz_err find(struct btz_call *c, enum btz_principal_kind kind,
                         struct btz_principal *out)
{
    const char *what = kind == BTZ_PRINCIPAL_USER ? "user" : "service";
    const char *name = btz_call_text(c, what);

    BTZ_TRY(btz_principal_find(c, name, out));
    if (out->kind != kind)
        return btz_call_not_found(c, what, name);
    c->target = btz_arena_printf(c->arena, "%s/%s", what, out->id);
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

/* Lists have no groups, but for the one that asks by group: groups are read row by row. */
static enum btz_err list(struct btz_call *c, const char *kind)
{
    struct btz_sql q = { .len = 0 };
    const char *prefix = btz_call_text(c, "prefix"), *group = btz_call_text(c, "group");
    char *name;

    btz_sql_add(&q, "SELECT " COLUMNS " FROM principals p WHERE p.kind = ?");
    btz_sql_text(&q, kind);
    btz_sql_where(&q, " AND p.name > ?", btz_call_text(c, "cursor"));
    btz_sql_where(&q, " AND p.status = ?", btz_call_text(c, "status"));
    btz_sql_where(&q, " AND p.external_id = ?", btz_call_text(c, "external_id"));
    if (btz_call_text(c, "name")) {
        BTZ_TRY(btz_name_form(kind, btz_call_text(c, "name"), c->arena, &name));
        btz_sql_where(&q, " AND p.name = ?", name);
    }
    if (prefix && prefix[0]) {
        BTZ_TRY(btz_name_form(kind, prefix, c->arena, &name));
        btz_sql_where(&q, " AND p.name >= ?", name);
        /* Behind every name that begins so: names are ASCII. */
        btz_sql_where(&q, " AND p.name < ?", btz_arena_printf(c->arena, "%s~", name));
    }
    if (group) {
        btz_sql_add(&q,
                    " AND p.id IN (SELECT m.principal_id FROM members m JOIN groups g ON g.id = "
                    "m.group_id WHERE g.id = ? OR g.name = ?)");
        btz_sql_text(&q, group);
        btz_sql_text(&q, group);
    }
    btz_sql_add(&q, " ORDER BY p.name");
    return btz_list_run(c, &q, fill);
}

static enum btz_err show(struct btz_call *c, enum btz_principal_kind kind)
{
    struct btz_principal p;

    BTZ_TRY(find(c, kind, &p));
    BTZ_TRY(btz_call_version(c, p.version));
    return btz_principal_json(c, p.id, &c->out);
}

/* ---- changes ---- */

/* An empty text takes a value away. */
static const char *given(const struct btz_call *c, const char *field, const char *old)
{
    const char *text = btz_call_text(c, field);

    return !text ? old : text[0] ? text : NULL;
}

static enum btz_err check_email(const char *email)
{
    const char *at = email ? strchr(email, '@') : NULL;

    if (email && (!at || at == email || !at[1] || strchr(at + 1, '@') || strpbrk(email, " <>,;\"")))
        return btz_fail(BTZ_USAGE, "`email`: expected an address such as alice@example.com");
    return BTZ_OK;
}

static enum btz_err create(struct btz_call *c, const char *kind, const char *prefix)
{
    const char *email = given(c, "email", NULL);
    struct btz_sql q = { .len = 0 };
    char id[BTZ_ID_TEXT], *name;

    BTZ_TRY(btz_name_check(kind, btz_call_text(c, "name"), c->arena, &name));
    BTZ_TRY(check_email(email));
    btz_id_new(prefix, c->now_ms, id);
    btz_sql_add(&q, "INSERT INTO principals (id, kind, name, display_name, email, external_id, "
                    "status, created_ms, updated_ms, version) VALUES (?, ?, ?, ?, ?, ?, 'active', "
                    "?, ?, 1)");
    btz_sql_text(&q, id);
    btz_sql_text(&q, kind);
    btz_sql_text(&q, name);
    btz_sql_text(&q, given(c, "display_name", NULL));
    btz_sql_text(&q, email);
    btz_sql_text(&q, given(c, "external_id", NULL));
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_int(&q, (int64_t)c->now_ms);
    BTZ_TRY(btz_taken(btz_sql_run(c, &q, NULL), "person or service", name));
    c->policy_changed = true;
    c->target = btz_arena_printf(c->arena, "%s/%s", kind, id);
    BTZ_TRY(btz_principal_json(c, id, &c->after));
    c->out = json_incref(c->after);
    return btz_call_version(c, 1);
}

static enum btz_err update(struct btz_call *c, enum btz_principal_kind kind)
{
    const char *status = btz_call_text(c, "status"), *email;
    struct btz_sql q = { .len = 0 };
    struct btz_principal p;
    char *name;

    BTZ_TRY(find(c, kind, &p));
    BTZ_TRY(btz_call_version(c, p.version));
    name = (char *)(uintptr_t)p.name;
    if (btz_call_has(c, "name"))
        BTZ_TRY(btz_name_check(kind == BTZ_PRINCIPAL_USER ? "user" : "service",
                               btz_call_text(c, "name"), c->arena, &name));
    email = given(c, "email", p.email);
    BTZ_TRY(check_email(email));
    BTZ_TRY(btz_principal_json(c, p.id, &c->before));
    btz_sql_add(&q, "UPDATE principals SET name = ?, display_name = ?, email = ?, external_id = ?, "
                    "status = ?, updated_ms = ?, version = version + 1 WHERE id = ?");
    btz_sql_text(&q, name);
    btz_sql_text(&q, given(c, "display_name", p.display_name));
    btz_sql_text(&q, email);
    btz_sql_text(&q, given(c, "external_id", p.external_id));
    btz_sql_text(&q, status ? status : p.disabled ? "disabled" : "active");
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_text(&q, p.id);
    BTZ_TRY(btz_taken(btz_sql_run(c, &q, NULL), "person or service", name));
    c->policy_changed = true;
    if (status && strcmp(status, "disabled") == 0)
        BTZ_TRY(btz_sessions_end(c->store, p.id, NULL, c->now_ms, NULL));
    if (status && p.disabled && strcmp(status, "active") == 0)
        BTZ_TRY(btz_call_touched(c, p.id)); /* back among those who approve */
    BTZ_TRY(btz_principal_json(c, p.id, &c->after));
    c->out = json_incref(c->after);
    snprintf(c->etag, sizeof c->etag, "%" PRIu64, p.version + 1);
    return BTZ_OK;
}

static enum btz_err delete (struct btz_call *c, enum btz_principal_kind kind) {
    struct btz_principal p; struct btz_value v[1];

    BTZ_TRY(find(c, kind, &p));
    BTZ_TRY(btz_call_version(c, p.version));
    if (strcmp(p.id, c->caller->principal) ==
        0) return btz_fail(BTZ_CONFLICT, "nobody deletes himself; ask another administrator");
    BTZ_TRY(btz_principal_json(c, p.id, &c->before));
    for (size_t i = 0; btz_access_parts[i]; i++) if (btz_access_parts[i]->forget)
        BTZ_TRY(btz_access_parts[i]->forget(c->store, p.id));
    v[0] = btz_value_str(p.id);
    BTZ_TRY(btz_store_run(c->store, "DELETE FROM principals WHERE id = ?", v, 1, NULL));
    c->policy_changed = true;
    c->etag[0] = '\0';
    return BTZ_OK;
}

/* ---- operations ---- */

static const char *const status_names[] = { "active", "disabled", NULL };

#define WHO(what)                                                                                  \
    {                                                                                              \
        .name = what, .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,              \
        .help = "Name or id.", .names = BTZ_NAMES_PRINCIPAL                                        \
    }
#define DISPLAY_NAME                                                                               \
    {                                                                                              \
        .name = "display_name", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY,                      \
        .help = "As people write it."                                                              \
    }
#define EMAIL                                                                                      \
    {                                                                                              \
        .name = "email", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .help = "Address."          \
    }
#define EXTERNAL_ID                                                                                \
    {                                                                                              \
        .name = "external_id", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY,                       \
        .help = "What a provisioning system calls it."                                             \
    }
#define NEW_NAME                                                                                   \
    {                                                                                              \
        .name = "name", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .required = true,            \
        .operand = true, .help = "Unique: a-z, 0-9 and ._@+-, at most 127.", .max = NAME_LEN_MAX,  \
        .names = BTZ_NAMES_NEW                                                                     \
    }
#define OTHER_NAME                                                                                 \
    {                                                                                              \
        .name = "name", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .help = "Another name.",     \
        .max = NAME_LEN_MAX, .names = BTZ_NAMES_NEW                                                \
    }
#define STATUS(where, text)                                                                        \
    {                                                                                              \
        .name = "status", .kind = BTZ_FIELD_TEXT, .place = where, .help = text,                    \
        .choices = status_names                                                                    \
    }
#define FILTERS                                                                                    \
    STATUS(BTZ_IN_QUERY, "Only those."),                                                           \
        { .name = "name",                                                                          \
          .kind = BTZ_FIELD_TEXT,                                                                  \
          .place = BTZ_IN_QUERY,                                                                   \
          .help = "Only that one." },                                                              \
        { .name = "prefix",                                                                        \
          .kind = BTZ_FIELD_TEXT,                                                                  \
          .place = BTZ_IN_QUERY,                                                                   \
          .help = "Only names that begin so." },                                                   \
        { .name = "external_id",                                                                   \
          .kind = BTZ_FIELD_TEXT,                                                                  \
          .place = BTZ_IN_QUERY,                                                                   \
          .help = "Only the one that a provisioning system calls so." },                           \
        { .name = "group",                                                                         \
          .kind = BTZ_FIELD_TEXT,                                                                  \
          .place = BTZ_IN_QUERY,                                                                   \
          .help = "Only members of that group.",                                                   \
          .names = BTZ_NAMES_GROUP },                                                              \
        BTZ_PAGE_FIELDS

static const struct btz_field list_fields[] = { FILTERS };
static const struct btz_field user_path[] = { WHO("user") };
static const struct btz_field service_path[] = { WHO("service") };
static const struct btz_field user_create_fields[] = { NEW_NAME, DISPLAY_NAME, EMAIL, EXTERNAL_ID };
static const struct btz_field service_create_fields[] = { NEW_NAME, DISPLAY_NAME, EXTERNAL_ID };
static const struct btz_field user_update_fields[] = {
    WHO("user"), OTHER_NAME,  DISPLAY_NAME,
    EMAIL,       EXTERNAL_ID, STATUS(BTZ_IN_BODY, "Disabled people can do nothing at all."),
};
static const struct btz_field service_update_fields[] = {
    WHO("service"),
    OTHER_NAME,
    DISPLAY_NAME,
    EXTERNAL_ID,
    STATUS(BTZ_IN_BODY, "Disabled services can do nothing at all."),
};

static enum btz_err user_list(struct btz_call *c)
{
    return list(c, "user");
}
static enum btz_err user_get(struct btz_call *c)
{
    return show(c, BTZ_PRINCIPAL_USER);
}
static enum btz_err user_create(struct btz_call *c)
{
    return create(c, "user", "usr_");
}
static enum btz_err user_update(struct btz_call *c)
{
    return update(c, BTZ_PRINCIPAL_USER);
}
static enum btz_err user_delete(struct btz_call *c)
{
    return delete (c, BTZ_PRINCIPAL_USER);
}
static enum btz_err service_list(struct btz_call *c)
{
    return list(c, "service");
}
static enum btz_err service_get(struct btz_call *c)
{
    return show(c, BTZ_PRINCIPAL_SERVICE);
}
static enum btz_err service_create(struct btz_call *c)
{
    return create(c, "service", "svc_");
}
static enum btz_err service_update(struct btz_call *c)
{
    return update(c, BTZ_PRINCIPAL_SERVICE);
}
static enum btz_err service_delete(struct btz_call *c)
{
    return delete (c, BTZ_PRINCIPAL_SERVICE);
}

const struct btz_operation btz_operation_user_list = {
    .id = "user.list",
    .method = "GET",
    .path = "/v1/users",
    .command = "user list",
    .columns = "name display_name email status last_used created",
    .summary = "List people.",
    .tag = "users",
    .action = "user.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "user-list",
    .run = user_list,
};
const struct btz_operation btz_operation_user_get = {
    .id = "user.get",
    .method = "GET",
    .path = "/v1/users/{user}",
    .command = "user show",
    .summary = "Show a person.",
    .tag = "users",
    .action = "user.read",
    .resource = "user/{user}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = user_path,
    .field_count = BTZ_COUNT(user_path),
    .result = "user",
    .run = user_get,
};
const struct btz_operation btz_operation_user_create = {
    .id = "user.create",
    .method = "POST",
    .path = "/v1/users",
    .command = "user add",
    .summary = "Add a person.",
    .details = "The person has no role and cannot sign in until invited.",
    .tag = "users",
    .action = "user.write",
    .resource = "user/{name}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = user_create_fields,
    .field_count = BTZ_COUNT(user_create_fields),
    .result = "user",
    .created = true,
    .run = user_create,
};
const struct btz_operation btz_operation_user_update = {
    .id = "user.update",
    .method = "PATCH",
    .path = "/v1/users/{user}",
    .command = "user set",
    .summary = "Change, disable or enable a person.",
    .details = "Disabling takes effect at once, also on sessions and keys. An empty text takes a "
               "value away.",
    .tag = "users",
    .action = "user.write",
    .resource = "user/{user}",
    .renamed = "user/{name}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = user_update_fields,
    .field_count = BTZ_COUNT(user_update_fields),
    .result = "user",
    .run = user_update,
};
const struct btz_operation btz_operation_user_delete = {
    .id = "user.delete",
    .method = "DELETE",
    .path = "/v1/users/{user}",
    .command = "user remove",
    .summary = "Remove a person with keys, sessions, roles and memberships.",
    .details = "What the person did stays in the audit trail.",
    .tag = "users",
    .action = "user.delete",
    .resource = "user/{user}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = user_path,
    .field_count = BTZ_COUNT(user_path),
    .run = user_delete,
};
const struct btz_operation btz_operation_service_list = {
    .id = "service.list",
    .method = "GET",
    .path = "/v1/services",
    .command = "service list",
    .columns = "name display_name status last_used created",
    .summary = "List services.",
    .tag = "services",
    .action = "service.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "service-list",
    .run = service_list,
};
const struct btz_operation btz_operation_service_get = {
    .id = "service.get",
    .method = "GET",
    .path = "/v1/services/{service}",
    .command = "service show",
    .summary = "Show a service.",
    .tag = "services",
    .action = "service.read",
    .resource = "service/{service}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = service_path,
    .field_count = BTZ_COUNT(service_path),
    .result = "service",
    .run = service_get,
};
const struct btz_operation btz_operation_service_create = {
    .id = "service.create",
    .method = "POST",
    .path = "/v1/services",
    .command = "service add",
    .summary = "Add a service: a program that has keys and roles of its own.",
    .tag = "services",
    .action = "service.write",
    .resource = "service/{name}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = service_create_fields,
    .field_count = BTZ_COUNT(service_create_fields),
    .result = "service",
    .created = true,
    .run = service_create,
};
const struct btz_operation btz_operation_service_update = {
    .id = "service.update",
    .method = "PATCH",
    .path = "/v1/services/{service}",
    .command = "service set",
    .summary = "Change, disable or enable a service.",
    .tag = "services",
    .action = "service.write",
    .resource = "service/{service}",
    .renamed = "service/{name}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = service_update_fields,
    .field_count = BTZ_COUNT(service_update_fields),
    .result = "service",
    .run = service_update,
};
const struct btz_operation btz_operation_service_delete = {
    .id = "service.delete",
    .method = "DELETE",
    .path = "/v1/services/{service}",
    .command = "service remove",
    .summary = "Remove a service with its keys, roles and memberships.",
    .tag = "services",
    .action = "service.delete",
    .resource = "service/{service}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = service_path,
    .field_count = BTZ_COUNT(service_path),
    .run = service_delete,
};
