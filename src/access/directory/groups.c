#include "access/directory/directory.h"

#define COLUMNS                                                                                    \
    "g.name, g.id, g.display_name, g.external_id, g.created_ms, g.updated_ms, g.version, "         \
    "(SELECT COUNT(*) FROM members m WHERE m.group_id = g.id)"
enum column { NAME, ID, DISPLAY_NAME, EXTERNAL_ID, CREATED, UPDATED, VERSION, MEMBERS, COUNT };

struct group {
    const char *id, *name, *display_name, *external_id;
    uint64_t version;
};

/* ---- answers ---- */

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    (void)c;
    BTZ_TRY(btz_json_set_column(item, "id", &v[ID]));
    BTZ_TRY(btz_json_set_column(item, "name", &v[NAME]));
    BTZ_TRY(btz_json_set_column(item, "display_name", &v[DISPLAY_NAME]));
    BTZ_TRY(btz_json_set_column(item, "external_id", &v[EXTERNAL_ID]));
    BTZ_TRY(btz_json_set(item, "member_count", json_integer(v[MEMBERS].i)));
    BTZ_TRY(btz_json_set_time(item, "created", (uint64_t)v[CREATED].i));
    BTZ_TRY(btz_json_set_time(item, "updated", (uint64_t)v[UPDATED].i));
    return btz_json_set(item, "version", json_integer(v[VERSION].i));
}

static enum btz_err member_row(void *user, const struct btz_value *v, size_t count)
{
    json_t *member = json_object();

    (void)count;
    if (!member || json_array_append_new(user, member) != 0)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(btz_json_set_column(member, "id", &v[0]));
    BTZ_TRY(btz_json_set_column(member, "name", &v[1]));
    return btz_json_set_column(member, "kind", &v[2]);
}

static enum btz_err answer(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value v[] = { btz_value_str(id) };
    BTZ_JSON json_t *item = json_object();
    json_t *members = json_array();
    const struct btz_value *row;

    BTZ_TRY(btz_json_set(item, "members", members));
    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS " FROM groups g WHERE g.id = ?", v, 1,
                          c->arena, COUNT, &row));
    if (!row)
        return btz_call_not_found(c, "group", id);
    BTZ_TRY(fill(c, row, item));
    BTZ_TRY(btz_store_query(c->store,
                            "SELECT p.id, p.name, p.kind FROM members m JOIN principals p ON p.id "
                            "= m.principal_id WHERE m.group_id = ? ORDER BY p.name",
                            v, 1, member_row, members));
    *out = json_incref(item);
    return BTZ_OK;
}

static enum btz_err find(struct btz_call *c, struct group *out)
{
    const char *name = btz_call_text(c, "group");
    const struct btz_value *row;

    BTZ_TRY(btz_row_find(c,
                         "SELECT id, name, display_name, external_id, version FROM groups WHERE id "
                         "= ? OR name = ?",
                         name, 5, &row));
    if (!row)
        return btz_call_not_found(c, "group", name);
    *out = (struct group){ .id = btz_column_text(c->arena, &row[0]),
                           .name = btz_column_text(c->arena, &row[1]),
                           .display_name = btz_column_text(c->arena, &row[2]),
                           .external_id = btz_column_text(c->arena, &row[3]),
                           .version = (uint64_t)row[4].i };
    c->target = btz_arena_printf(c->arena, "group/%s", out->id ? out->id : "");
    return out->id && out->name && c->target ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err list(struct btz_call *c)
{
    struct btz_sql q = { .len = 0 };
    char *name;

    btz_sql_add(&q, "SELECT " COLUMNS " FROM groups g WHERE g.name > ?");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    if (btz_call_text(c, "name")) {
        BTZ_TRY(btz_name_form("group", btz_call_text(c, "name"), c->arena, &name));
        btz_sql_where(&q, " AND g.name = ?", name);
    }
    btz_sql_where(&q, " AND g.external_id = ?", btz_call_text(c, "external_id"));
    btz_sql_add(&q, " ORDER BY g.name");
    return btz_list_run(c, &q, fill);
}

static enum btz_err get(struct btz_call *c)
{
    struct group g;

    BTZ_TRY(find(c, &g));
    BTZ_TRY(btz_call_version(c, g.version));
    return answer(c, g.id, &c->out);
}

/* ---- changes ---- */

static const char *given(const struct btz_call *c, const char *field, const char *old)
{
    const char *text = btz_call_text(c, field);

    return !text ? old : text[0] ? text : NULL;
}

static enum btz_err create(struct btz_call *c)
{
    struct btz_sql q = { .len = 0 };
    char id[BTZ_ID_TEXT], *name;

    BTZ_TRY(btz_name_check("group", btz_call_text(c, "name"), c->arena, &name));
    btz_id_new("grp_", c->now_ms, id);
    btz_sql_add(&q, "INSERT INTO groups (id, name, display_name, external_id, created_ms, "
                    "updated_ms, version) VALUES (?, ?, ?, ?, ?, ?, 1)");
    btz_sql_text(&q, id);
    btz_sql_text(&q, name);
    btz_sql_text(&q, given(c, "display_name", NULL));
    btz_sql_text(&q, given(c, "external_id", NULL));
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_int(&q, (int64_t)c->now_ms);
    BTZ_TRY(btz_taken(btz_sql_run(c, &q, NULL), "group", name));
    c->policy_changed = true;
    c->target = btz_arena_printf(c->arena, "group/%s", id);
    BTZ_TRY(answer(c, id, &c->after));
    c->out = json_incref(c->after);
    return btz_call_version(c, 1);
}

static enum btz_err touch(struct btz_call *c, const struct group *g)
{
    const struct btz_value v[] = { btz_value_int((int64_t)c->now_ms), btz_value_str(g->id) };

    BTZ_TRY(btz_store_run(c->store,
                          "UPDATE groups SET updated_ms = ?, version = version + 1 WHERE id = ?", v,
                          2, NULL));
    c->policy_changed = true;
    BTZ_TRY(answer(c, g->id, &c->after));
    c->out = json_incref(c->after);
    snprintf(c->etag, sizeof c->etag, "%" PRIu64, g->version + 1);
    return BTZ_OK;
}

static enum btz_err update(struct btz_call *c)
{
    struct btz_sql q = { .len = 0 };
    struct group g;
    char *name;

    BTZ_TRY(find(c, &g));
    BTZ_TRY(btz_call_version(c, g.version));
    name = (char *)(uintptr_t)g.name;
    if (btz_call_has(c, "name"))
        BTZ_TRY(btz_name_check("group", btz_call_text(c, "name"), c->arena, &name));
    BTZ_TRY(answer(c, g.id, &c->before));
    btz_sql_add(&q, "UPDATE groups SET name = ?, display_name = ?, external_id = ? WHERE id = ?");
    btz_sql_text(&q, name);
    btz_sql_text(&q, given(c, "display_name", g.display_name));
    btz_sql_text(&q, given(c, "external_id", g.external_id));
    btz_sql_text(&q, g.id);
    BTZ_TRY(btz_taken(btz_sql_run(c, &q, NULL), "group", name));
    return touch(c, &g);
}

static enum btz_err delete (struct btz_call *c) {
    static const char *const sql[] = { "DELETE FROM members WHERE group_id = ?",
                                       "DELETE FROM bindings WHERE subject = ?",
                                       "DELETE FROM groups WHERE id = ?" };
    struct btz_value v[1];
    struct group g;

    BTZ_TRY(find(c, &g));
    BTZ_TRY(btz_call_version(c, g.version));
    BTZ_TRY(btz_rights_through_group(c, g.id, NULL));
    BTZ_TRY(answer(c, g.id, &c->before));
    v[0] = btz_value_str(g.id);
    for (size_t i = 0; i < BTZ_COUNT(sql); i++)
        BTZ_TRY(btz_store_run(c->store, sql[i], v, 1, NULL));
    c->policy_changed = true;
    c->etag[0] = '\0';
    return BTZ_OK;
}

static enum btz_err change_member(struct btz_call *c, const char *sql)
{
    struct btz_principal p;
    struct btz_value v[2];
    struct group g;
    uint64_t changed;

    BTZ_TRY(find(c, &g));
    BTZ_TRY(btz_call_version(c, g.version));
    BTZ_TRY(btz_principal_find(c, btz_call_text(c, "principal"), &p));
    BTZ_TRY(btz_rights_through_group(c, g.id, p.id));
    BTZ_TRY(answer(c, g.id, &c->before));
    v[0] = btz_value_str(g.id);
    v[1] = btz_value_str(p.id);
    BTZ_TRY(btz_store_run(c->store, sql, v, 2, &changed));
    if (changed)
        return touch(c, &g);
    c->after = json_incref(c->before);
    c->out = json_incref(c->before);
    return BTZ_OK;
}

static enum btz_err add_member(struct btz_call *c)
{
    return change_member(c, "INSERT INTO members (group_id, principal_id) VALUES (?, ?) ON "
                            "CONFLICT (group_id, principal_id) DO NOTHING");
}

static enum btz_err remove_member(struct btz_call *c)
{
    return change_member(c, "DELETE FROM members WHERE group_id = ? AND principal_id = ?");
}

/* ---- operations ---- */

#define GROUP                                                                                      \
    {                                                                                              \
        .name = "group", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,           \
        .help = "Name or id of the group.", .names = BTZ_NAMES_GROUP                               \
    }
#define MEMBER                                                                                     \
    {                                                                                              \
        .name = "principal", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,       \
        .help = "Name or id of the person or service.", .names = BTZ_NAMES_PRINCIPAL               \
    }
#define DISPLAY_NAME                                                                               \
    {                                                                                              \
        .name = "display_name", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY,                      \
        .help = "As people write it."                                                              \
    }
#define EXTERNAL_ID                                                                                \
    {                                                                                              \
        .name = "external_id", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY,                       \
        .help = "What a provisioning system calls it."                                             \
    }

static const struct btz_field list_fields[] = {
    { .name = "name", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_QUERY, .help = "Only that one." },
    { .name = "external_id",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only the one that a provisioning system calls so." },
    BTZ_PAGE_FIELDS,
};
static const struct btz_field group_path[] = { GROUP };
static const struct btz_field member_path[] = { GROUP, MEMBER };
static const struct btz_field create_fields[] = {
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Unique: a-z, 0-9 and ._@+-, at most 127.",
      .max = NAME_LEN_MAX,
      .names = BTZ_NAMES_NEW },
    DISPLAY_NAME,
    EXTERNAL_ID,
};
static const struct btz_field update_fields[] = {
    GROUP,
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "Another name.",
      .max = NAME_LEN_MAX,
      .names = BTZ_NAMES_NEW },
    DISPLAY_NAME,
    EXTERNAL_ID,
};

const struct btz_operation btz_operation_group_list = {
    .id = "group.list",
    .method = "GET",
    .path = "/v1/groups",
    .command = "group list",
    .summary = "List groups.",
    .tag = "groups",
    .action = "group.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "group-list",
    .run = list,
};
const struct btz_operation btz_operation_group_get = {
    .id = "group.get",
    .method = "GET",
    .path = "/v1/groups/{group}",
    .command = "group show",
    .summary = "Show a group with its members.",
    .tag = "groups",
    .action = "group.read",
    .resource = "group/{group}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = group_path,
    .field_count = BTZ_COUNT(group_path),
    .result = "group",
    .run = get,
};
const struct btz_operation btz_operation_group_create = {
    .id = "group.create",
    .method = "POST",
    .path = "/v1/groups",
    .command = "group add",
    .summary = "Add a group.",
    .tag = "groups",
    .action = "group.write",
    .resource = "group/{name}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = create_fields,
    .field_count = BTZ_COUNT(create_fields),
    .result = "group",
    .created = true,
    .run = create,
};
const struct btz_operation btz_operation_group_update = {
    .id = "group.update",
    .method = "PATCH",
    .path = "/v1/groups/{group}",
    .command = "group set",
    .summary = "Change the names of a group.",
    .tag = "groups",
    .action = "group.write",
    .resource = "group/{group}",
    .renamed = "group/{name}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = update_fields,
    .field_count = BTZ_COUNT(update_fields),
    .result = "group",
    .run = update,
};
const struct btz_operation btz_operation_group_delete = {
    .id = "group.delete",
    .method = "DELETE",
    .path = "/v1/groups/{group}",
    .command = "group remove",
    .summary = "Remove a group; its members lose what it gave them.",
    .tag = "groups",
    .action = "group.delete",
    .resource = "group/{group}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .also = "role.bind",
    .also_if = btz_group_withholds,
    .fields = group_path,
    .field_count = BTZ_COUNT(group_path),
    .run = delete,
};
const struct btz_operation btz_operation_group_member_add = {
    .id = "group.member.add",
    .method = "PUT",
    .path = "/v1/groups/{group}/members/{principal}",
    .command = "group join",
    .summary = "Put a person or service into a group.",
    .details = "Where the group has an administrative role, whoever adds must be allowed to give "
               "that role. Nobody joins a group with roles by his own hand.",
    .tag = "groups",
    .action = "group.write",
    .resource = "group/{group}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .also = "role.bind",
    .also_if = btz_group_gives,
    .fields = member_path,
    .field_count = BTZ_COUNT(member_path),
    .result = "group",
    .run = add_member,
};
const struct btz_operation btz_operation_group_member_remove = {
    .id = "group.member.remove",
    .method = "DELETE",
    .path = "/v1/groups/{group}/members/{principal}",
    .command = "group leave",
    .summary = "Take a person or service out of a group.",
    .tag = "groups",
    .action = "group.write",
    .resource = "group/{group}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .also = "role.bind",
    .also_if = btz_group_withholds,
    .fields = member_path,
    .field_count = BTZ_COUNT(member_path),
    .result = "group",
    .run = remove_member,
};
