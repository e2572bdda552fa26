#include "access/directory/directory.h"

/* From rows to the objects of answers. */

enum btz_err btz_json_set(json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

enum btz_err btz_json_set_text(json_t *object, const char *key, const char *text)
{
    return btz_json_set(object, key, text ? btz_json_text(btz_str(text)) : json_null());
}

enum btz_err btz_json_set_time(json_t *object, const char *key, uint64_t ms)
{
    char text[BTZ_TIME_TEXT];

    if (ms == 0)
        return btz_json_set(object, key, json_null());
    btz_time_format(ms, text);
    return btz_json_set_text(object, key, text);
}

enum btz_err btz_json_set_column(json_t *object, const char *key, const struct btz_value *v)
{
    return btz_json_set(object, key,
                        v->kind == BTZ_VALUE_NULL ? json_null() : btz_json_text(v->bytes));
}

size_t btz_page_limit(const struct btz_call *c)
{
    return (size_t)btz_call_int(c, "limit", PAGE_DEFAULT);
}

enum btz_err btz_page(struct btz_call *c, json_t *items, const char *last)
{
    json_t *page = json_object();
    enum btz_err err;

    err = page ? btz_json_set(page, "items", items) : btz_fail(BTZ_LIMIT, "no memory");
    if (!page)
        json_decref(items);
    if (err == BTZ_OK)
        err = btz_json_set_text(page, "next", last);
    if (err != BTZ_OK) {
        json_decref(page);
        return err;
    }
    c->out = page;
    return BTZ_OK;
}

/* ---- one page of a query ---- */

static enum btz_err list_row(void *user, const struct btz_value *v, size_t count)
{
    struct btz_list *l = user;
    json_t *item;

    (void)count;
    if (l->count == l->limit) {
        l->more = true;
        return BTZ_OK;
    }
    item = json_object();
    if (!item || json_array_append_new(l->items, item) != 0)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    l->count++;
    l->last = btz_column_text(l->call->arena, &v[0]);
    if (!l->last)
        return BTZ_LIMIT;
    return l->fill(l->call, v, item);
}

enum btz_err btz_list_run(struct btz_call *c, struct btz_sql *q, btz_fill_fn *fill)
{
    struct btz_list l = { .call = c, .fill = fill, .limit = btz_page_limit(c) };
    enum btz_err err;

    l.items = json_array();
    if (!l.items)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    btz_sql_add(q, " LIMIT ?");
    btz_sql_int(q, (int64_t)l.limit + 1);
    err = q->failed ? btz_fail(BTZ_INTERNAL, "a query is too long")
                    : btz_store_query(c->store, q->text, q->values, q->count, list_row, &l);
    if (err != BTZ_OK) {
        json_decref(l.items);
        return err;
    }
    return btz_page(c, l.items, l.more ? l.last : NULL);
}

/* ---- SQL put together from constant parts ---- */

void btz_sql_add(struct btz_sql *q, const char *part)
{
    size_t len = strlen(part);

    if (q->len + len >= sizeof q->text) {
        q->failed = true;
        return;
    }
    memcpy(q->text + q->len, part, len + 1);
    q->len += len;
}

static void add_value(struct btz_sql *q, struct btz_value v)
{
    if (q->count == BTZ_COUNT(q->values))
        q->failed = true;
    else
        q->values[q->count++] = v;
}

void btz_sql_int(struct btz_sql *q, int64_t value)
{
    add_value(q, btz_value_int(value));
}

void btz_sql_text(struct btz_sql *q, const char *text)
{
    add_value(q, btz_value_str(text));
}

void btz_sql_blob(struct btz_sql *q, struct btz_slice bytes)
{
    add_value(q, btz_value_blob(bytes.ptr, bytes.len));
}

void btz_sql_where(struct btz_sql *q, const char *condition, const char *text)
{
    if (!text)
        return;
    btz_sql_add(q, condition);
    btz_sql_text(q, text);
}

enum btz_err btz_sql_run(struct btz_call *c, struct btz_sql *q, uint64_t *changed)
{
    if (q->failed)
        return btz_fail(BTZ_INTERNAL, "a statement is too long");
    return btz_store_run(c->store, q->text, q->values, q->count, changed);
}

/* ---- principals ---- */

static char *lower(struct btz_arena *arena, const char *text)
{
    char *copy = btz_arena_str(arena, btz_str(text));

    for (char *p = copy; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 'a' - 'A');
    return copy;
}

enum btz_err btz_row_find(struct btz_call *c, const char *sql, const char *id_or_name,
                          size_t columns, const struct btz_value **out)
{
    char *name = lower(c->arena, id_or_name), id[BTZ_ID_TEXT];
    bool is_id = btz_id_form(id_or_name, id);
    struct btz_value v[2];

    if (!name)
        return BTZ_LIMIT;
    v[0] = btz_value_str(is_id ? id : "");
    v[1] = btz_value_str(is_id ? "" : name);
    return btz_store_one(c->store, sql, v, 2, c->arena, columns, out);
}

enum btz_err btz_principal_find(struct btz_call *c, const char *id_or_name,
                                struct btz_principal *out)
{
    const struct btz_value *row;
    struct btz_principal p;

    BTZ_TRY(btz_row_find(c,
                         "SELECT id, name, display_name, email, external_id, kind, status, "
                         "created_ms, updated_ms, version FROM principals WHERE id = ? OR name = ?",
                         id_or_name, 10, &row));
    if (!row)
        return btz_call_not_found(c, "person or service", id_or_name);
    p = (struct btz_principal){ .id = btz_column_text(c->arena, &row[0]),
                                .name = btz_column_text(c->arena, &row[1]),
                                .display_name = btz_column_text(c->arena, &row[2]),
                                .email = btz_column_text(c->arena, &row[3]),
                                .external_id = btz_column_text(c->arena, &row[4]),
                                .kind = btz_slice_is(row[5].bytes, "service")
                                            ? BTZ_PRINCIPAL_SERVICE
                                            : BTZ_PRINCIPAL_USER,
                                .disabled = !btz_slice_is(row[6].bytes, "active"),
                                .created_ms = (uint64_t)row[7].i,
                                .updated_ms = (uint64_t)row[8].i,
                                .version = (uint64_t)row[9].i };
    if (!p.id || !p.name)
        return BTZ_LIMIT;
    *out = p;
    return BTZ_OK;
}

enum btz_err btz_taken(enum btz_err err, const char *what, const char *name)
{
    return err == BTZ_CONFLICT
               ? btz_fail(BTZ_CONFLICT, "there is a %s called %s already", what, name)
               : err;
}
