/* SQLite. Settings are those of a file that may be damaged or crafted and must not lose a commit. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/engine.h"

#define CACHED         64
#define APPLICATION_ID 0x42747a31 /* "Btz1", in the header of the file */

struct cached {
    char *sql;
    sqlite3_stmt *statement;
    uint64_t used;
    bool busy;
};

struct sqlite {
    struct btz_store base;
    sqlite3 *db;
    unsigned busy_ms;
    uint64_t tick;
    struct cached cache[CACHED];
};

/* ---- errors ---- */

/* SQLite knows a full disk as SQLITE_FULL; a quota or a limit of file sizes is an input-output error to it. */
static bool is_full(sqlite3 *db)
{
    sqlite3_file *log = NULL;
    int of_file = 0, of_log = 0;

    sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &of_file);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &of_log);
    return of_file == EDQUOT || of_file == EFBIG || of_log == EDQUOT || of_log == EFBIG ||
           of_file == ENOSPC || of_log == ENOSPC;
}

static enum btz_err fail(sqlite3 *db, int code)
{
    const char *said = db ? sqlite3_errmsg(db) : sqlite3_errstr(code), *file;

    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return btz_fail(code == SQLITE_CONSTRAINT_DATATYPE ? BTZ_INTERNAL : BTZ_CONFLICT,
                        "store: %s", said);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return btz_fail(BTZ_CONFLICT, "store: another writer did not end in time; try again");
    case SQLITE_FULL:
        return btz_fail(BTZ_IO, "store: the disk is full; nothing was changed");
    case SQLITE_IOERR:
        if (db && is_full(db))
            return btz_fail(BTZ_IO, "store: the disk is full; nothing was changed");
        if ((code & ~0xff) == (SQLITE_IOERR_NOMEM & ~0xff))
            return btz_fail(BTZ_LIMIT, "store: out of memory");
        return btz_fail(BTZ_IO, "store: %s", said);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        file = db ? sqlite3_db_filename(db, "main") : NULL;
        return btz_fail(BTZ_INPUT, "%s%sstore: %s; put it back from a backup", file ? file : "",
                        file ? ": " : "", said);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return btz_fail(BTZ_IO, "store: %s", said);
    case SQLITE_NOMEM:
        return btz_fail(BTZ_LIMIT, "store: out of memory");
    case SQLITE_TOOBIG:
        return btz_fail(BTZ_LIMIT, "store: a value or statement is too long");
    default:
        return btz_fail(BTZ_INTERNAL, "store: %s", said);
    }
}

static enum btz_err simple(struct sqlite *q, const char *sql)
{
    int code = sqlite3_exec(q->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? BTZ_OK : fail(q->db, code);
}

/* ---- opening ---- */

/* SQLite would make the file by the umask; its -wal and -shm take over the mode of the file. One that others may read has
 * given its secrets away already: that must not go unnoticed. */
static enum btz_err create_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 && errno != EEXIST)
        return btz_fail_errno(BTZ_IO, "create store %s", path);
    if (fd < 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 077)
        return btz_fail(BTZ_DENIED, "%s: others may read or write it (mode %03o); chmod 600 it",
                        path, st.st_mode & 0777);
    btz_close_fd(&fd);
    return BTZ_OK;
}

static int read_int(void *user, int count, char **text, char **names)
{
    uint64_t value;

    (void)names;
    if (count == 1 && text[0] && btz_parse_u64(btz_str(text[0]), &value) == BTZ_OK)
        *(uint64_t *)user = value;
    return 0;
}

/* A data base of somebody else, named by mistake, must not get our tables. */
static enum btz_err check_owner(struct sqlite *q, const char *path)
{
    uint64_t id = 0, tables = 0;
    int code = sqlite3_exec(q->db, "PRAGMA application_id", read_int, &id, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_exec(q->db, "SELECT count(*) FROM sqlite_schema", read_int, &tables, NULL);
    if (code != SQLITE_OK)
        return fail(q->db, code);
    if (id == APPLICATION_ID)
        return BTZ_OK;
    if (id != 0 || tables != 0)
        return btz_fail(BTZ_INPUT, "%s is a data base of another program", path);
    return simple(q, "PRAGMA application_id = 1114929713");
}

/* The change to WAL needs the file alone and does not wait for others by itself. */
static enum btz_err use_wal(struct sqlite *q)
{
    const struct timespec pause = { 0, 5000000 };
    uint64_t start = btz_clock_ns();

    for (;;) {
        int code = sqlite3_exec(q->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);

        if (code == SQLITE_OK)
            return BTZ_OK;
        if ((code & 0xff) != SQLITE_BUSY || btz_clock_ns() - start > BTZ_STORE_BUSY_MS * 1000000ull)
            return fail(q->db, code);
        nanosleep(&pause, NULL);
    }
}

static enum btz_err set_up(struct sqlite *q, const char *path)
{
    static const struct {
        int option, on;
    } options[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_ENABLE_FKEY, 1 },    { SQLITE_DBCONFIG_DQS_DDL, 0 },
        { SQLITE_DBCONFIG_DQS_DML, 0 },        { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
    };

    sqlite3_extended_result_codes(q->db, 1);
    for (size_t i = 0; i < BTZ_COUNT(options); i++) {
        int code = sqlite3_db_config(q->db, options[i].option, options[i].on, NULL);

        if (code != SQLITE_OK)
            return fail(q->db, code);
    }
    sqlite3_limit(q->db, SQLITE_LIMIT_LENGTH, (int)BTZ_STORE_VALUE_MAX + 4096);
    sqlite3_limit(q->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(q->db, (int)q->busy_ms);
    BTZ_TRY(simple(q, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0"));
    BTZ_TRY(check_owner(q, path));
    BTZ_TRY(use_wal(q));
    return simple(q, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; "
                     "PRAGMA temp_store = MEMORY");
}

static void sqlite_close(struct btz_store *s)
{
    struct sqlite *q = (struct sqlite *)s;

    for (size_t i = 0; i < CACHED; i++) {
        sqlite3_finalize(q->cache[i].statement);
        free(q->cache[i].sql);
    }
    sqlite3_close_v2(q->db);
    free(q);
}

static enum btz_err sqlite_open(const char *where, struct btz_store **out)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                      SQLITE_OPEN_EXRESCODE;
    const char *path = strncmp(where, "sqlite:", 7) == 0 ? where + 7 : where;
    struct sqlite *q;
    enum btz_err err;
    int code;

    if (*path == '\0' || *path == ':')
        return btz_fail(BTZ_USAGE, "store: expected the path of a file, found \"%s\"", where);
    BTZ_TRY(create_file(path));
    q = calloc(1, sizeof *q);
    if (!q)
        return btz_fail(BTZ_LIMIT, "out of memory");
    q->base.engine = &btz_engine_sqlite;
    q->busy_ms = BTZ_STORE_BUSY_MS;
    code = sqlite3_open_v2(path, &q->db, flags, NULL);
    err = code == SQLITE_OK ? set_up(q, path) : fail(q->db, code);
    if (err != BTZ_OK) {
        sqlite_close(&q->base);
        return err == BTZ_INPUT ? err : btz_fail_context(err, "%s", path);
    }
    *out = &q->base;
    return BTZ_OK;
}

static void sqlite_set_busy(struct btz_store *s, unsigned ms)
{
    struct sqlite *q = (struct sqlite *)s;

    q->busy_ms = ms;
    sqlite3_busy_timeout(q->db, (int)ms);
}

/* ---- statements ---- */

static enum btz_err prepare(struct sqlite *q, const char *sql, unsigned flags, sqlite3_stmt **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_STORE_SQL_MAX);
    const char *translated, *tail;
    size_t values;
    int code;

    BTZ_TRY(btz_sql_translate(&q->base.engine->dialect, btz_str(sql), &text, &values));
    BTZ_TRY(btz_buf_cstr(&text, &translated));
    code = sqlite3_prepare_v3(q->db, translated, -1, flags, out, &tail);
    if (code != SQLITE_OK)
        return fail(q->db, code);
    while (isspace((unsigned char)*tail) || *tail == ';')
        tail++;
    if (*out && *tail == '\0')
        return BTZ_OK;
    sqlite3_finalize(*out);
    *out = NULL;
    return btz_fail(BTZ_INTERNAL, "store: expected one statement");
}

/* A prepared statement of the cache; the one used longest ago makes room. NULL when that one is running. */
static enum btz_err from_cache(struct sqlite *q, const char *sql, struct cached **out)
{
    struct cached *oldest = &q->cache[0];
    sqlite3_stmt *fresh;
    char *copy;

    *out = NULL;
    for (size_t i = 0; i < CACHED; i++) {
        struct cached *c = &q->cache[i];

        if (c->sql && strcmp(c->sql, sql) == 0) {
            *out = c->busy ? NULL : c;
            return BTZ_OK;
        }
        if (c->used < oldest->used)
            oldest = c;
    }
    if (oldest->busy)
        return BTZ_OK;
    BTZ_TRY(prepare(q, sql, SQLITE_PREPARE_PERSISTENT, &fresh));
    copy = strdup(sql);
    if (!copy) {
        sqlite3_finalize(fresh);
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    sqlite3_finalize(oldest->statement);
    free(oldest->sql);
    oldest->sql = copy;
    oldest->statement = fresh;
    *out = oldest;
    return BTZ_OK;
}

static int bind(sqlite3_stmt *statement, int at, const struct btz_value *v)
{
    const char *bytes = v->bytes.len ? (const char *)v->bytes.ptr : "";

    switch (v->kind) {
    case BTZ_VALUE_INT:
        return sqlite3_bind_int64(statement, at, v->i);
    case BTZ_VALUE_REAL:
        return sqlite3_bind_double(statement, at, v->real);
    case BTZ_VALUE_TEXT:
        return sqlite3_bind_text64(statement, at, bytes, v->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    case BTZ_VALUE_BLOB:
        return sqlite3_bind_blob64(statement, at, bytes, v->bytes.len, SQLITE_STATIC);
    case BTZ_VALUE_NULL:
        break;
    }
    return sqlite3_bind_null(statement, at);
}

static enum btz_err bind_all(struct sqlite *q, sqlite3_stmt *statement,
                             const struct btz_value *values, size_t count)
{
    if ((size_t)sqlite3_bind_parameter_count(statement) != count)
        return btz_fail(BTZ_INTERNAL, "store: a statement of %d values was given %zu",
                        sqlite3_bind_parameter_count(statement), count);
    for (size_t i = 0; i < count; i++) {
        int code = bind(statement, (int)i + 1, &values[i]);

        if (code != SQLITE_OK)
            return fail(q->db, code);
    }
    return BTZ_OK;
}

static enum btz_err read_column(struct sqlite *q, sqlite3_stmt *statement, int at,
                                struct btz_value *out)
{
    const void *bytes;

    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
        *out = btz_value_int(sqlite3_column_int64(statement, at));
        return BTZ_OK;
    case SQLITE_FLOAT:
        *out = btz_value_real(sqlite3_column_double(statement, at));
        return BTZ_OK;
    case SQLITE_NULL:
        *out = btz_value_null();
        return BTZ_OK;
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(statement, at);
        *out = btz_value_text(btz_slice_of(bytes, (size_t)sqlite3_column_bytes(statement, at)));
        break;
    default:
        bytes = sqlite3_column_blob(statement, at);
        *out = btz_value_blob(bytes, (size_t)sqlite3_column_bytes(statement, at));
        break;
    }
    if (!bytes && out->bytes.len > 0)
        return fail(q->db, SQLITE_NOMEM);
    return BTZ_OK;
}

static enum btz_err step_all(struct sqlite *q, sqlite3_stmt *statement, btz_row_fn *row, void *user)
{
    struct btz_value columns[BTZ_STORE_COLUMNS_MAX];
    int code, count = sqlite3_column_count(statement);

    if (count > BTZ_STORE_COLUMNS_MAX)
        return btz_fail(BTZ_INTERNAL, "store: a row of %d columns", count);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!row)
            continue;
        for (int i = 0; i < count; i++)
            BTZ_TRY(read_column(q, statement, i, &columns[i]));
        BTZ_TRY(row(user, columns, (size_t)count));
    }
    return code == SQLITE_DONE ? BTZ_OK : fail(q->db, code);
}

static enum btz_err run_statement(struct sqlite *q, sqlite3_stmt *statement,
                                  const struct btz_value *values, size_t count, btz_row_fn *row,
                                  void *user, uint64_t *changed)
{
    bool reads = sqlite3_stmt_readonly(statement);

    if (!reads && q->base.state == BTZ_STORE_READING)
        return btz_fail(BTZ_INTERNAL, "store: a write inside a reading transaction");
    BTZ_TRY(bind_all(q, statement, values, count));
    BTZ_TRY(step_all(q, statement, row, user));
    *changed = reads ? 0 : (uint64_t)sqlite3_changes64(q->db);
    return BTZ_OK;
}

static enum btz_err sqlite_execute(struct btz_store *s, const char *sql,
                                   const struct btz_value *values, size_t count, btz_row_fn *row,
                                   void *user, uint64_t *changed)
{
    struct sqlite *q = (struct sqlite *)s;
    struct cached *cached;
    sqlite3_stmt *once;
    enum btz_err err;

    BTZ_TRY(from_cache(q, sql, &cached));
    if (!cached) {
        BTZ_TRY(prepare(q, sql, 0, &once));
        err = run_statement(q, once, values, count, row, user, changed);
        sqlite3_finalize(once);
        return err;
    }
    cached->busy = true;
    cached->used = ++q->tick;
    err = run_statement(q, cached->statement, values, count, row, user, changed);
    sqlite3_reset(cached->statement);
    /* Values are borrowed and may be secret: none stays bound. */
    sqlite3_clear_bindings(cached->statement);
    cached->busy = false;
    return err;
}

/* ---- transactions ---- */

static void sqlite_rollback(struct btz_store *s)
{
    struct sqlite *q = (struct sqlite *)s;

    /* A full disk may have rolled it back already. */
    if (!sqlite3_get_autocommit(q->db))
        sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
}

static enum btz_err sqlite_begin(struct btz_store *s, bool writing)
{
    struct sqlite *q = (struct sqlite *)s;
    enum btz_err err;

    if (writing)
        return simple(q, "BEGIN IMMEDIATE");
    BTZ_TRY(simple(q, "BEGIN"));
    /* The view is that of the first read: take it now. */
    err = simple(q, "SELECT 1 FROM sqlite_schema LIMIT 1");
    if (err != BTZ_OK)
        sqlite_rollback(s);
    return err;
}

static enum btz_err sqlite_commit(struct btz_store *s)
{
    return simple((struct sqlite *)s, "COMMIT");
}

/* ---- backup and restore ---- */

static enum btz_err sqlite_scan(struct btz_store *s, const char *sql, btz_row_fn *row, void *user)
{
    return btz_store_query(s, sql, NULL, 0, row, user);
}

static enum btz_err keep_int(void *user, const struct btz_value *columns, size_t count)
{
    (void)count;
    *(int64_t *)user = columns[0].i;
    return BTZ_OK;
}

static enum btz_err gives_numbers(struct btz_store *s, const struct btz_value *table, int64_t *out)
{
    return btz_store_query(
        s,
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ? AND "
        "sql LIKE '%AUTOINCREMENT%'",
        table, 1, keep_int, out);
}

static enum btz_err sqlite_last_id(struct btz_store *s, const char *table, uint64_t *out)
{
    const struct btz_value name = btz_value_str(table);
    int64_t there = 0, id = 0;

    BTZ_TRY(gives_numbers(s, &name, &there));
    if (there)
        BTZ_TRY(btz_store_query(s, "SELECT seq FROM sqlite_sequence WHERE name = ?", &name, 1,
                                keep_int, &id));
    *out = id > 0 ? (uint64_t)id : 0;
    return BTZ_OK;
}

static enum btz_err sqlite_set_last_id(struct btz_store *s, const char *table, uint64_t id)
{
    const struct btz_value values[] = { btz_value_str(table), btz_value_int((int64_t)id) };
    int64_t there = 0;

    BTZ_TRY(gives_numbers(s, &values[0], &there));
    if (!there)
        return btz_fail(BTZ_INPUT, "backup: table %s gives out no numbers", table);
    BTZ_TRY(btz_store_run(s, "DELETE FROM sqlite_sequence WHERE name = ?", values, 1, NULL));
    return btz_store_run(s, "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", values, 2,
                         NULL);
}

static enum btz_err dangling(void *user, const struct btz_value *columns, size_t count)
{
    (void)user, (void)count;
    return btz_fail(BTZ_INPUT, "backup: a row of table %.*s refers to a row that is not there",
                    BTZ_SLICE_ARG(columns[0].bytes));
}

static enum btz_err sqlite_loading(struct btz_store *s, enum btz_loading step,
                                   const struct btz_tables *tables)
{
    struct sqlite *q = (struct sqlite *)s;

    (void)tables;
    switch (step) {
    case BTZ_LOADING_BEFORE:
        return simple(q, "PRAGMA foreign_keys = OFF");
    case BTZ_LOADING_START:
        break;
    case BTZ_LOADING_CHECK:
        return btz_store_query(s, "PRAGMA foreign_key_check", NULL, 0, dangling, NULL);
    case BTZ_LOADING_AFTER:
        return simple(q, "PRAGMA foreign_keys = ON");
    }
    return BTZ_OK;
}

static const char *const prefixes[] = { "sqlite:", NULL };

const struct btz_engine btz_engine_sqlite = {
    .name = "sqlite",
    .prefixes = prefixes,
    .dialect = { .int_type = "INTEGER",
                 .real_type = "REAL",
                 .text_type = "TEXT",
                 .blob_type = "BLOB",
                 .id_type = "INTEGER PRIMARY KEY AUTOINCREMENT",
                 .table_end = " STRICT",
                 .drop_end = "" },
    .open = sqlite_open,
    .close = sqlite_close,
    .set_busy = sqlite_set_busy,
    .execute = sqlite_execute,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .tables_sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> "
                  "'sqlite_' ORDER BY name",
    .columns_sql = "SELECT name, CASE type WHEN 'INTEGER' THEN 'int' ELSE lower(type) END "
                   "FROM pragma_table_info(?) ORDER BY cid",
    .scan = sqlite_scan,
    .last_id = sqlite_last_id,
    .set_last_id = sqlite_set_last_id,
    .loading = sqlite_loading,
};
