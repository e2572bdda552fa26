#include "access/directory/directory.h"

/* The rows of the directory as a model for the compiler. */

struct fill {
    struct btz_arena *arena;
    struct btz_policy_model *model;
    void *items;
    size_t count, room;
    uint64_t now_s;
    const char *skip; /* name of a policy that is left out; NULL: none */
};

const char *btz_column_text(struct btz_arena *arena, const struct btz_value *v)
{
    return v->kind == BTZ_VALUE_NULL ? NULL : btz_arena_str(arena, v->bytes);
}

static uint64_t seconds(const struct btz_value *v)
{
    return v->i > 0 ? (uint64_t)v->i : 0;
}

static enum btz_err count_row(void *user, const struct btz_value *columns, size_t count)
{
    (void)count;
    *(size_t *)user = (size_t)columns[0].i;
    return BTZ_OK;
}

/* Room for every row of a table that `sql` counts. */
static enum btz_err make_room(struct btz_store *s, const char *sql, struct fill *f, size_t size)
{
    f->count = 0;
    f->room = 0;
    BTZ_TRY(btz_store_query(s, sql, NULL, 0, count_row, &f->room));
    f->items = btz_arena_array(f->arena, f->room + 1, size);
    return f->items ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err full(const struct fill *f)
{
    return f->count < f->room ? BTZ_OK
                              : btz_fail(BTZ_CONFLICT, "a table grew while it was being read");
}

static enum btz_err principal_row(void *user, const struct btz_value *v, size_t count)
{
    struct fill *f = user;
    struct btz_principal_model *p = f->items;

    (void)count;
    BTZ_TRY(full(f));
    p += f->count++;
    p->id = btz_column_text(f->arena, &v[0]);
    p->name = btz_column_text(f->arena, &v[1]);
    p->kind = btz_slice_is(v[2].bytes, "service") ? BTZ_PRINCIPAL_SERVICE : BTZ_PRINCIPAL_USER;
    p->disabled = !btz_slice_is(v[3].bytes, "active");
    return p->id && p->name ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err add_principals(struct btz_store *s, struct fill *f)
{
    BTZ_TRY(make_room(s, "SELECT COUNT(*) FROM principals", f, sizeof(struct btz_principal_model)));
    BTZ_TRY(btz_store_query(s, "SELECT id, name, kind, status FROM principals ORDER BY id", NULL, 0,
                            principal_row, f));
    f->model->principals = f->items;
    f->model->principal_count = f->count;
    return BTZ_OK;
}

static enum btz_err group_row(void *user, const struct btz_value *v, size_t count)
{
    struct fill *f = user;
    struct btz_group_model *g = f->items;

    (void)count;
    BTZ_TRY(full(f));
    g += f->count++;
    g->id = btz_column_text(f->arena, &v[0]);
    g->name = btz_column_text(f->arena, &v[1]);
    return g->id && g->name ? BTZ_OK : BTZ_LIMIT;
}

/* Members come sorted by group, as the groups do: one list of all, cut by NULLs. */
struct members {
    struct btz_arena *arena;
    struct btz_group_model *groups;
    size_t group_count, group, count, room;
    const char **items;
};

static enum btz_err member_row(void *user, const struct btz_value *v, size_t count)
{
    struct members *m = user;

    (void)count;
    while (m->group < m->group_count && !btz_slice_is(v[0].bytes, m->groups[m->group].id)) {
        m->count++;
        m->group++;
        if (m->group < m->group_count && m->count < m->room)
            m->groups[m->group].members = &m->items[m->count];
    }
    if (m->group == m->group_count || m->count >= m->room)
        return btz_fail(BTZ_CONFLICT, "a table grew while it was being read");
    m->items[m->count] = btz_column_text(m->arena, &v[1]);
    return m->items[m->count++] ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err add_groups(struct btz_store *s, struct fill *f)
{
    struct members m = { .arena = f->arena };

    BTZ_TRY(make_room(s, "SELECT COUNT(*) FROM groups", f, sizeof(struct btz_group_model)));
    BTZ_TRY(btz_store_query(s, "SELECT id, name FROM groups ORDER BY id", NULL, 0, group_row, f));
    f->model->groups = m.groups = f->items;
    f->model->group_count = m.group_count = f->count;
    BTZ_TRY(btz_store_query(s, "SELECT COUNT(*) FROM members", NULL, 0, count_row, &m.room));
    m.room += m.group_count + 1;
    m.items = btz_arena_array(f->arena, m.room, sizeof *m.items);
    if (!m.items)
        return BTZ_LIMIT;
    if (m.group_count > 0)
        m.groups[0].members = m.items;
    BTZ_TRY(btz_store_query(s,
                            "SELECT group_id, principal_id FROM members ORDER BY group_id, "
                            "principal_id",
                            NULL, 0, member_row, &m));
    while (++m.group < m.group_count)
        m.groups[m.group].members = &m.items[++m.count];
    return BTZ_OK;
}

static enum btz_err binding_row(void *user, const struct btz_value *v, size_t count)
{
    struct fill *f = user;
    struct btz_binding_model *b = f->items;

    (void)count;
    BTZ_TRY(full(f));
    b += f->count++;
    b->id = btz_column_text(f->arena, &v[0]);
    b->role = btz_column_text(f->arena, &v[1]);
    b->subject = btz_column_text(f->arena, &v[2]);
    b->resource = btz_column_text(f->arena, &v[3]);
    b->from_s = seconds(&v[4]);
    b->until_s = seconds(&v[5]);
    if (v[3].kind != BTZ_VALUE_NULL && !b->resource)
        return BTZ_LIMIT;
    return b->id && b->role && b->subject ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err add_bindings(struct btz_store *s, struct fill *f)
{
    const struct btz_value now[] = { btz_value_int((int64_t)f->now_s) };

    BTZ_TRY(make_room(s, "SELECT COUNT(*) FROM bindings", f, sizeof(struct btz_binding_model)));
    BTZ_TRY(btz_store_query(s,
                            "SELECT id, role, subject, resource, from_s, until_s FROM bindings "
                            "WHERE until_s = 0 OR until_s > ? ORDER BY id",
                            now, 1, binding_row, f));
    f->model->bindings = f->items;
    f->model->binding_count = f->count;
    return BTZ_OK;
}

static enum btz_err scopes(struct btz_arena *arena, struct btz_slice text, const char *const **out)
{
    BTZ_JSON json_t *list = NULL;
    const char **items;
    size_t i;
    json_t *item;

    BTZ_TRY(btz_json_parse(text, 1u << 20, "scopes of a key", &list));
    items = btz_arena_array(arena, json_array_size(list) + 1, sizeof *items);
    if (!items)
        return BTZ_LIMIT;
    json_array_foreach(list, i, item)
    {
        items[i] = btz_arena_str(arena, btz_str(json_string_value(item)));
        if (!items[i])
            return BTZ_LIMIT;
    }
    *out = items;
    return BTZ_OK;
}

static enum btz_err key_row(void *user, const struct btz_value *v, size_t count)
{
    struct fill *f = user;
    struct btz_key_model *k = f->items;

    (void)count;
    BTZ_TRY(full(f));
    k += f->count++;
    k->id = btz_column_text(f->arena, &v[0]);
    k->principal = btz_column_text(f->arena, &v[1]);
    if (!k->id || !k->principal)
        return BTZ_LIMIT;
    if (v[2].bytes.len != sizeof k->hash)
        return btz_fail(BTZ_INPUT, "key %s: its stored hash is damaged", k->id);
    memcpy(k->hash, v[2].bytes.ptr, sizeof k->hash);
    if (v[3].kind != BTZ_VALUE_NULL)
        BTZ_TRY(scopes(f->arena, v[3].bytes, &k->scopes));
    k->from_s = seconds(&v[4]);
    k->until_s = seconds(&v[5]);
    return BTZ_OK;
}

#define EXPIRED_KNOWN_S (30 * 86400)

/* Keys that ended lately are known: who uses one reads that it has expired, and the trail says whose it was. */
static enum btz_err add_keys(struct btz_store *s, struct fill *f)
{
    const struct btz_value known[] = { btz_value_int((int64_t)f->now_s - EXPIRED_KNOWN_S) };

    BTZ_TRY(make_room(s, "SELECT COUNT(*) FROM keys", f, sizeof(struct btz_key_model)));
    BTZ_TRY(btz_store_query(s,
                            "SELECT id, principal, hash, scopes, from_s, until_s FROM keys WHERE "
                            "status = 'active' AND (until_s = 0 OR until_s > ?) ORDER BY id",
                            known, 1, key_row, f));
    f->model->keys = f->items;
    f->model->key_count = f->count;
    return BTZ_OK;
}

static enum btz_err policy_row(void *user, const struct btz_value *v, size_t count)
{
    struct fill *f = user;
    char *name = btz_arena_str(f->arena, v[0].bytes);
    char *text = btz_arena_str(f->arena, v[1].bytes);

    (void)count;
    if (!name || !text)
        return BTZ_LIMIT;
    if (f->skip && strcmp(f->skip, name) == 0)
        return BTZ_OK;
    return btz_policy_parse(btz_slice_of(text, v[1].bytes.len), name, f->arena, f->model);
}

static enum btz_err parse_policies(struct btz_store *s, struct fill *f)
{
    BTZ_TRY(btz_policy_parse(btz_str(btz_policy_ready), "ready roles", f->arena, f->model));
    return btz_store_query(s, "SELECT name, text FROM policies ORDER BY name", NULL, 0, policy_row,
                           f);
}

enum btz_err btz_policies_parse(struct btz_store *s, struct btz_arena *arena,
                                struct btz_policy_model *model)
{
    struct fill f = { .arena = arena, .model = model };

    return parse_policies(s, &f);
}

enum btz_err btz_policies_parse_with(struct btz_store *s, struct btz_arena *arena, const char *name,
                                     const char *text, struct btz_policy_model *model)
{
    struct fill f = { .arena = arena, .model = model, .skip = name };

    BTZ_TRY(parse_policies(s, &f));
    return text ? btz_policy_parse(btz_str(text), name, arena, model) : BTZ_OK;
}

enum btz_err btz_access_model_with(struct btz_access *a, struct btz_store *s,
                                   struct btz_arena *arena, const char *name, const char *text,
                                   struct btz_policy_model *out)
{
    struct btz_policy_model model = { 0 };
    struct fill f = {
        .arena = arena, .model = &model, .now_s = btz_access_now_ms(a) / 1000, .skip = name
    };

    BTZ_TRY(parse_policies(s, &f));
    if (text)
        BTZ_TRY(btz_policy_parse(btz_str(text), name, arena, &model));
    BTZ_TRY(add_principals(s, &f));
    BTZ_TRY(add_groups(s, &f));
    BTZ_TRY(add_bindings(s, &f));
    BTZ_TRY(add_keys(s, &f));
    *out = model;
    return BTZ_OK;
}

enum btz_err btz_access_model(struct btz_access *a, struct btz_store *s, struct btz_arena *arena,
                              struct btz_policy_model *out)
{
    return btz_access_model_with(a, s, arena, NULL, NULL, out);
}
