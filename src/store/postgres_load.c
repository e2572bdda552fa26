#include "store/postgres.h"

#define PIECE      "FETCH 100 FROM whole"
#define IS_ID      "table_schema = current_schema() AND table_name = ? AND is_identity = 'YES'"
#define SEQUENCE   "pg_get_serial_sequence(quote_ident(table_name), column_name)::regclass"
#define FROM_TABLE " FROM information_schema.columns WHERE "

enum btz_err btz_postgres_scan(struct btz_store *s, const char *sql, btz_row_fn *row, void *user)
{
    struct btz_postgres *p = (struct btz_postgres *)s;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_STORE_SQL_MAX);
    const char *declare;
    enum btz_err err = BTZ_OK;
    int rows = 1;

    BTZ_TRY(btz_buf_printf(&text, "DECLARE whole NO SCROLL CURSOR FOR %s", sql));
    BTZ_TRY(btz_buf_cstr(&text, &declare));
    BTZ_TRY(btz_postgres_simple(p, declare));
    while (err == BTZ_OK && rows > 0) {
        PGresult *r = PQexec(p->c, PIECE);

        rows = PQntuples(r);
        err = PQresultStatus(r) == PGRES_TUPLES_OK ? btz_postgres_rows(r, row, user)
                                                   : btz_postgres_fail(p, r);
        PQclear(r);
    }
    BTZ_TRY(err);
    return btz_postgres_simple(p, "CLOSE whole");
}

static enum btz_err keep_int(void *user, const struct btz_value *columns, size_t count)
{
    (void)count;
    *(int64_t *)user = columns[0].i;
    return BTZ_OK;
}

enum btz_err btz_postgres_last_id(struct btz_store *s, const char *table, uint64_t *out)
{
    const struct btz_value name = btz_value_str(table);
    int64_t id = 0;

    BTZ_TRY(btz_store_query(
        s, "SELECT coalesce(pg_sequence_last_value(" SEQUENCE "), 0)" FROM_TABLE IS_ID, &name, 1,
        keep_int, &id));
    *out = (uint64_t)id;
    return BTZ_OK;
}

enum btz_err btz_postgres_set_last_id(struct btz_store *s, const char *table, uint64_t id)
{
    const struct btz_value values[] = { btz_value_int((int64_t)id), btz_value_str(table) };
    int64_t set = 0;

    BTZ_TRY(btz_store_query(s, "SELECT setval(" SEQUENCE ", ?)" FROM_TABLE IS_ID, values, 2,
                            keep_int, &set));
    if (set != (int64_t)id)
        return btz_fail(BTZ_INPUT, "backup: table %s gives out no numbers", table);
    return BTZ_OK;
}

/* ---- references: only those that may be deferred can wait for the last row ---- */

static enum btz_err add_command(void *user, const struct btz_value *columns, size_t count)
{
    (void)count;
    BTZ_TRY(btz_buf_add_slice(user, columns[0].bytes));
    return btz_buf_add_str(user, ";");
}

static enum btz_err alter(struct btz_store *s, const char *name, const char *how)
{
    const struct btz_value values[] = { btz_value_str(how), btz_value_str(name) };
    BTZ_BUF_RELEASE struct btz_buf commands = BTZ_BUF(BTZ_STORE_SQL_MAX);
    const char *sql;

    BTZ_TRY(btz_store_query(s,
                            "SELECT format('ALTER TABLE %s ALTER CONSTRAINT %I %s', "
                            "conrelid::regclass, conname, ?) FROM pg_constraint "
                            "WHERE contype = 'f' AND conrelid = to_regclass(quote_ident(?))",
                            values, 2, add_command, &commands));
    if (commands.len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_cstr(&commands, &sql));
    return btz_postgres_simple((struct btz_postgres *)s, sql);
}

static enum btz_err alter_all(struct btz_store *s, const struct btz_tables *tables, const char *how)
{
    for (size_t i = 0; i < tables->count; i++)
        BTZ_TRY(alter(s, tables->name[i], how));
    return BTZ_OK;
}

enum btz_err btz_postgres_loading(struct btz_store *s, enum btz_loading step,
                                  const struct btz_tables *tables)
{
    struct btz_postgres *p = (struct btz_postgres *)s;
    enum btz_err err;

    switch (step) {
    case BTZ_LOADING_START:
        BTZ_TRY(alter_all(s, tables, "DEFERRABLE"));
        return btz_postgres_simple(p, "SET CONSTRAINTS ALL DEFERRED");
    case BTZ_LOADING_CHECK:
        err = btz_postgres_simple(p, "SET CONSTRAINTS ALL IMMEDIATE");
        if (err == BTZ_CONFLICT)
            return btz_fail_context(BTZ_INPUT, "backup: a row refers to a row that is not there");
        BTZ_TRY(err);
        return alter_all(s, tables, "NOT DEFERRABLE");
    case BTZ_LOADING_BEFORE:
    case BTZ_LOADING_AFTER:
        break;
    }
    return BTZ_OK;
}
