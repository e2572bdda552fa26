#include <ctype.h>
#include <stdlib.h>

#include "store/dump.h"

/* The next word of SQL, upper or lower case as it stands; punctuation is a word of one character. */
static struct btz_slice next_word(struct btz_slice *sql)
{
    struct btz_slice word;
    size_t n = 0;

    *sql = btz_slice_trim(*sql);
    while (n < sql->len && (isalnum(sql->ptr[n]) || sql->ptr[n] == '_'))
        n++;
    word = btz_slice_sub(*sql, 0, n ? n : 1);
    *sql = btz_slice_sub(*sql, word.len, SIZE_MAX);
    return word;
}

static bool skip_words(struct btz_slice *sql, const char *const *words)
{
    struct btz_slice rest = *sql;

    for (; *words; words++) {
        struct btz_slice word = next_word(&rest);

        if (!btz_sql_is(word, *words) || word.len != strlen(*words))
            return false;
    }
    *sql = rest;
    return true;
}

/* The name that a statement gives to a table, or the empty slice. */
static struct btz_slice table_named(struct btz_slice sql)
{
    static const char *const create[] = { "CREATE", "TABLE", NULL };
    static const char *const absent[] = { "IF", "NOT", "EXISTS", NULL };
    static const char *const alter[] = { "ALTER", "TABLE", NULL };
    static const char *const rename[] = { "RENAME", "TO", NULL };

    if (skip_words(&sql, create)) {
        skip_words(&sql, absent);
        return next_word(&sql);
    }
    if (!skip_words(&sql, alter))
        return btz_str("");
    next_word(&sql);
    return skip_words(&sql, rename) ? next_word(&sql) : btz_str("");
}

static enum btz_err add(struct btz_tables *t, struct btz_slice name)
{
    for (size_t i = 0; i < t->count; i++)
        if (btz_slice_is(name, t->name[i]))
            return BTZ_OK;
    if (name.len == 0 || name.len >= BTZ_DUMP_NAME || t->count == BTZ_DUMP_TABLES)
        return btz_fail(BTZ_INTERNAL, "store: too many tables, or one with a long name");
    for (size_t i = 0; i < name.len; i++)
        t->name[t->count][i] = (char)tolower(name.ptr[i]);
    t->name[t->count++][name.len] = '\0';
    return BTZ_OK;
}

static enum btz_err add_named(struct btz_store *s, struct btz_tables *t)
{
    for (size_t p = 0; p < s->known_count; p++)
        for (size_t m = 0; m < s->known[p].count; m++) {
            const char *at = s->known[p].migrations[m].sql;
            struct btz_slice statement, name;

            while (btz_sql_next(&at, &statement)) {
                name = table_named(statement);
                if (name.len > 0)
                    BTZ_TRY(add(t, name));
            }
        }
    return BTZ_OK;
}

struct existing {
    const struct btz_tables *named;
    struct btz_tables *out;
    bool alone;
};

/* Rows come sorted. */
static enum btz_err keep_named(void *user, const struct btz_value *columns, size_t count)
{
    struct existing *e = user;

    (void)count;
    for (size_t i = 0; i < e->named->count; i++)
        if (btz_slice_is(columns[0].bytes, e->named->name[i]))
            return add(e->out, columns[0].bytes);
    /* A server may hold tables of others. */
    if (e->alone && !btz_slice_is(columns[0].bytes, "migrations"))
        return btz_fail(BTZ_INTERNAL, "store: nobody migrated table %.*s through this handle",
                        BTZ_SLICE_ARG(columns[0].bytes));
    return BTZ_OK;
}

enum btz_err btz_tables_list(struct btz_store *s, struct btz_tables *out)
{
    struct btz_tables *named = calloc(1, sizeof *named);
    struct existing e = { named, out, s->engine == &btz_engine_sqlite };
    enum btz_err err;

    out->count = 0;
    if (!named)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = add_named(s, named);
    if (err == BTZ_OK)
        err = btz_store_query(s, s->engine->tables_sql, NULL, 0, keep_named, &e);
    free(named);
    return err;
}

static enum btz_err add_column(void *user, const struct btz_value *columns, size_t count)
{
    static const char *const kinds[] = { NULL, "int", "real", "text", "blob" };
    struct btz_dump_table *t = user;
    size_t kind = 1;

    (void)count;
    while (kind < BTZ_COUNT(kinds) && !btz_slice_is(columns[1].bytes, kinds[kind]))
        kind++;
    if (t->count == BTZ_STORE_COLUMNS_MAX || columns[0].bytes.len >= BTZ_DUMP_NAME ||
        kind == BTZ_COUNT(kinds))
        return btz_fail(BTZ_INTERNAL, "store: table %s has a column that no backup can hold",
                        t->name);
    memcpy(t->column[t->count].name, columns[0].bytes.ptr, columns[0].bytes.len);
    t->column[t->count].name[columns[0].bytes.len] = '\0';
    t->column[t->count++].kind = (enum btz_value_kind)kind;
    return BTZ_OK;
}

enum btz_err btz_tables_describe(struct btz_store *s, const char *name, struct btz_dump_table *out)
{
    const struct btz_value value = btz_value_str(name);

    *out = (struct btz_dump_table){ 0 };
    snprintf(out->name, sizeof out->name, "%s", name);
    BTZ_TRY(btz_store_query(s, s->engine->columns_sql, &value, 1, add_column, out));
    if (out->count == 0)
        return btz_fail(BTZ_INTERNAL, "store: table %s has no columns", name);
    return s->engine->last_id(s, name, &out->next);
}
