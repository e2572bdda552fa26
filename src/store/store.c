#include <math.h>
#include <stdlib.h>

#include "store/engine.h"

static const struct btz_engine *const engines[] = { &btz_engine_sqlite, &btz_engine_postgres };

struct btz_value btz_value_null(void)
{
    return (struct btz_value){ .kind = BTZ_VALUE_NULL };
}

struct btz_value btz_value_int(int64_t i)
{
    return (struct btz_value){ .kind = BTZ_VALUE_INT, .i = i };
}

struct btz_value btz_value_real(double real)
{
    return (struct btz_value){ .kind = BTZ_VALUE_REAL, .real = real };
}

struct btz_value btz_value_text(struct btz_slice text)
{
    return (struct btz_value){ .kind = BTZ_VALUE_TEXT, .bytes = text };
}

struct btz_value btz_value_str(const char *text)
{
    return text ? btz_value_text(btz_str(text)) : btz_value_null();
}

struct btz_value btz_value_blob(const void *ptr, size_t len)
{
    return (struct btz_value){ .kind = BTZ_VALUE_BLOB, .bytes = btz_slice_of(ptr, len) };
}

/* ---- opening ---- */

enum btz_err btz_store_open(const char *where, struct btz_store **out)
{
    for (size_t i = 0; i < BTZ_COUNT(engines); i++)
        for (const char *const *p = engines[i]->prefixes; *p; p++)
            if (strncmp(where, *p, strlen(*p)) == 0)
                return engines[i]->open(where, out);
    if (strstr(where, "://"))
        return btz_fail(BTZ_USAGE, "store: expected a path, sqlite:PATH or postgresql://..., "
                                   "found another kind of address");
    return btz_engine_sqlite.open(where, out);
}

void btz_store_close(struct btz_store *s)
{
    if (!s)
        return;
    btz_store_rollback(s);
    s->engine->close(s);
}

const char *btz_store_kind(const struct btz_store *s)
{
    return s->engine->name;
}

void btz_store_set_busy(struct btz_store *s, unsigned ms)
{
    s->engine->set_busy(s, ms);
}

/* ---- statements ---- */

static enum btz_err check_value(const struct btz_value *v, size_t number)
{
    if (v->kind == BTZ_VALUE_REAL && !isfinite(v->real))
        return btz_fail(BTZ_INPUT, "store: value %zu is not a finite number", number);
    if (v->kind != BTZ_VALUE_TEXT && v->kind != BTZ_VALUE_BLOB)
        return BTZ_OK;
    if (v->bytes.len > BTZ_STORE_VALUE_MAX)
        return btz_fail(BTZ_LIMIT, "store: value %zu has %zu bytes, more than %u", number,
                        v->bytes.len, BTZ_STORE_VALUE_MAX);
    if (v->kind == BTZ_VALUE_BLOB || v->bytes.len == 0)
        return BTZ_OK;
    if (memchr(v->bytes.ptr, 0, v->bytes.len))
        return btz_fail(BTZ_INPUT, "store: the text of value %zu has a NUL", number);
    if (!btz_is_utf8(v->bytes))
        return btz_fail(BTZ_INPUT, "store: the text of value %zu is not UTF-8", number);
    return BTZ_OK;
}

static enum btz_err check_values(const struct btz_value *values, size_t count)
{
    if (count > BTZ_STORE_VALUES_MAX)
        return btz_fail(BTZ_INTERNAL, "store: %zu values, more than %d", count,
                        BTZ_STORE_VALUES_MAX);
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(check_value(&values[i], i + 1));
    return BTZ_OK;
}

/* An error of the reader of rows is none of the transaction. */
struct relay {
    btz_row_fn *row;
    void *user;
    enum btz_err err;
};

static enum btz_err relay_row(void *user, const struct btz_value *columns, size_t count)
{
    struct relay *r = user;

    r->err = r->row(r->user, columns, count);
    return r->err;
}

static enum btz_err execute(struct btz_store *s, const char *sql, const struct btz_value *values,
                            size_t count, btz_row_fn *row, void *user, uint64_t *changed)
{
    struct relay relay = { row, user, BTZ_OK };
    uint64_t rows = 0;
    enum btz_err err;

    if (s->failed != BTZ_OK)
        return btz_fail(s->failed, "store: an earlier statement of this transaction failed; it can "
                                   "only be rolled back");
    BTZ_TRY(check_values(values, count));
    err = s->engine->execute(s, sql, values, count, row ? relay_row : NULL, &relay, &rows);
    if (err != BTZ_OK && relay.err == BTZ_OK && s->state != BTZ_STORE_IDLE)
        s->failed = err;
    if (err == BTZ_OK && changed)
        *changed = rows;
    return err;
}

enum btz_err btz_store_run(struct btz_store *s, const char *sql, const struct btz_value *values,
                           size_t count, uint64_t *changed)
{
    return execute(s, sql, values, count, NULL, NULL, changed);
}

enum btz_err btz_store_query(struct btz_store *s, const char *sql, const struct btz_value *values,
                             size_t count, btz_row_fn *row, void *user)
{
    return execute(s, sql, values, count, row, user, NULL);
}

struct one {
    struct btz_arena *arena;
    size_t columns;
    struct btz_value *found;
};

static enum btz_err copy_row(void *user, const struct btz_value *columns, size_t count)
{
    struct one *one = user;

    if (one->found)
        return btz_fail(BTZ_INTERNAL, "store: expected one row, found more");
    if (count != one->columns)
        return btz_fail(BTZ_INTERNAL, "store: expected %zu columns, found %zu", one->columns,
                        count);
    one->found = btz_arena_array(one->arena, count ? count : 1, sizeof *one->found);
    if (!one->found)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++) {
        one->found[i] = columns[i];
        if (columns[i].kind == BTZ_VALUE_TEXT) {
            /* With a NUL behind it, so that callers may use it as a C string. */
            one->found[i].bytes.ptr = (uint8_t *)btz_arena_str(one->arena, columns[i].bytes);
            if (!one->found[i].bytes.ptr)
                return BTZ_LIMIT;
        } else if (columns[i].kind == BTZ_VALUE_BLOB) {
            BTZ_TRY(btz_arena_copy(one->arena, columns[i].bytes, &one->found[i].bytes));
        }
    }
    return BTZ_OK;
}

enum btz_err btz_store_one(struct btz_store *s, const char *sql, const struct btz_value *values,
                           size_t count, struct btz_arena *arena, size_t columns,
                           const struct btz_value **found)
{
    struct one one = { arena, columns, NULL };

    BTZ_TRY(btz_store_query(s, sql, values, count, copy_row, &one));
    *found = one.found;
    return BTZ_OK;
}

/* ---- transactions ---- */

static enum btz_err begin(struct btz_store *s, bool writing)
{
    if (s->state != BTZ_STORE_IDLE)
        return btz_fail(BTZ_INTERNAL, "store: a transaction is open already");
    BTZ_TRY(s->engine->begin(s, writing));
    s->state = writing ? BTZ_STORE_WRITING : BTZ_STORE_READING;
    s->failed = BTZ_OK;
    return BTZ_OK;
}

enum btz_err btz_store_begin(struct btz_store *s)
{
    return begin(s, true);
}

enum btz_err btz_store_begin_read(struct btz_store *s)
{
    return begin(s, false);
}

enum btz_err btz_store_commit(struct btz_store *s)
{
    enum btz_err err;

    if (s->state == BTZ_STORE_IDLE)
        return btz_fail(BTZ_INTERNAL, "store: no transaction to commit");
    if (s->failed != BTZ_OK)
        return btz_fail(s->failed, "store: an earlier statement of this transaction failed; it can "
                                   "only be rolled back");
    err = s->engine->commit(s);
    if (err != BTZ_OK) {
        s->failed = err;
        return err;
    }
    s->state = BTZ_STORE_IDLE;
    return BTZ_OK;
}

void btz_store_rollback(struct btz_store *s)
{
    if (s->state == BTZ_STORE_IDLE)
        return;
    s->engine->rollback(s);
    s->state = BTZ_STORE_IDLE;
    s->failed = BTZ_OK;
}
