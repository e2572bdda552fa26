/*
 * PostgreSQL. Every writing transaction takes one advisory lock of its schema first: so writers are serialised as in
 * SQLite, and what a transaction has read after that cannot change before it commits.
 */
#include <endian.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "store/postgres.h"

#define BEGIN_WRITE                                                                                \
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "                                            \
    "SELECT pg_advisory_xact_lock(1114929713, hashtext(current_schema())); "                       \
    "SELECT pg_current_xact_id()::text"
/* The view is that of the first statement: take it now. */
#define BEGIN_READ "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"

#define BOOL_OID    16
#define BYTEA_OID   17
#define INT8_OID    20
#define INT2_OID    21
#define INT4_OID    23
#define TEXT_OID    25
#define FLOAT4_OID  700
#define FLOAT8_OID  701
#define NUMERIC_OID 1700

static struct btz_postgres *postgres_of(struct btz_store *s)
{
    return (struct btz_postgres *)s;
}

/* ---- opening ---- */

static void free_secret(char *text)
{
    if (text)
        btz_wipe(text, strlen(text));
    free(text);
}

static void postgres_close(struct btz_store *s)
{
    struct btz_postgres *p = postgres_of(s);

    btz_postgres_forget_prepared(p);
    PQfinish(p->c);
    free_secret(p->where);
    free_secret(p->password);
    free(p);
}

static enum btz_err postgres_open(const char *where, struct btz_store **out)
{
    struct btz_postgres *p = calloc(1, sizeof *p);
    enum btz_err err;

    if (!p)
        return btz_fail(BTZ_LIMIT, "out of memory");
    p->base.engine = &btz_engine_postgres;
    p->busy_ms = BTZ_STORE_BUSY_MS;
    p->where = strdup(where);
    err = p->where ? btz_postgres_parse(where, &p->password) : btz_fail(BTZ_LIMIT, "out of memory");
    if (err == BTZ_OK)
        err = btz_postgres_connect(p);
    if (err != BTZ_OK) {
        postgres_close(&p->base);
        return err;
    }
    *out = &p->base;
    return BTZ_OK;
}

/* One command without values, whose rows are not wanted. */
enum btz_err btz_postgres_simple(struct btz_postgres *p, const char *sql)
{
    PGresult *r = PQexec(p->c, sql);
    ExecStatusType status = PQresultStatus(r);
    enum btz_err err = BTZ_OK;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        err = btz_postgres_fail(p, r);
    PQclear(r);
    return err;
}

static void postgres_set_busy(struct btz_store *s, unsigned ms)
{
    struct btz_postgres *p = postgres_of(s);
    char sql[64];

    p->busy_ms = ms;
    snprintf(sql, sizeof sql, "SET lock_timeout = %u", ms > 0 ? ms : 1);
    /* A lost connection sets it when it comes back. */
    if (!btz_postgres_is_lost(p) && btz_postgres_simple(p, sql) != BTZ_OK)
        btz_error_set("store: lock_timeout was not taken");
}

/* ---- prepared statements ---- */

static char *key_of(const char *sql, const struct btz_value *values, size_t count)
{
    size_t len = strlen(sql);
    char *key = malloc(count + 1 + len + 1);

    if (!key)
        return NULL;
    for (size_t i = 0; i < count; i++)
        key[i] = (char)('0' + values[i].kind);
    key[count] = ' ';
    memcpy(key + count + 1, sql, len + 1);
    return key;
}

static Oid oid_of(enum btz_value_kind kind)
{
    switch (kind) {
    case BTZ_VALUE_INT:
        return INT8_OID;
    case BTZ_VALUE_REAL:
        return FLOAT8_OID;
    case BTZ_VALUE_TEXT:
        return TEXT_OID;
    case BTZ_VALUE_BLOB:
        return BYTEA_OID;
    case BTZ_VALUE_NULL:
        break;
    }
    return 0; /* the server finds it out */
}

static enum btz_err prepare(struct btz_postgres *p, const char *name, const char *sql,
                            const struct btz_value *values, size_t count)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_STORE_SQL_MAX);
    Oid types[BTZ_STORE_VALUES_MAX];
    const char *translated;
    size_t wanted;
    PGresult *r;
    enum btz_err err = BTZ_OK;

    BTZ_TRY(btz_sql_translate(&p->base.engine->dialect, btz_str(sql), &text, &wanted));
    BTZ_TRY(btz_buf_cstr(&text, &translated));
    if (wanted != count)
        return btz_fail(BTZ_INTERNAL, "store: a statement of %zu values was given %zu", wanted,
                        count);
    for (size_t i = 0; i < count; i++)
        types[i] = oid_of(values[i].kind);
    r = PQprepare(p->c, name, translated, (int)count, types);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        err = btz_postgres_fail(p, r);
    PQclear(r);
    return err;
}

static enum btz_err drop(struct btz_postgres *p, struct btz_postgres_cached *c)
{
    char sql[64];

    if (!c->key)
        return BTZ_OK;
    snprintf(sql, sizeof sql, "DEALLOCATE s%" PRIu64, c->number);
    free(c->key);
    *c = (struct btz_postgres_cached){ 0 };
    return btz_postgres_simple(p, sql);
}

/* The one used longest ago makes room. */
static enum btz_err from_cache(struct btz_postgres *p, const char *sql,
                               const struct btz_value *values, size_t count,
                               struct btz_postgres_cached **out)
{
    struct btz_postgres_cached *oldest = &p->cache[0];
    BTZ_FREE char *key = key_of(sql, values, count);
    char name[32];

    if (!key)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < BTZ_POSTGRES_CACHED; i++) {
        if (p->cache[i].key && strcmp(p->cache[i].key, key) == 0) {
            *out = &p->cache[i];
            return BTZ_OK;
        }
        if (p->cache[i].used < oldest->used)
            oldest = &p->cache[i];
    }
    BTZ_TRY(drop(p, oldest));
    snprintf(name, sizeof name, "s%" PRIu64, ++p->numbers);
    BTZ_TRY(prepare(p, name, sql, values, count));
    oldest->key = key;
    key = NULL;
    oldest->number = p->numbers;
    *out = oldest;
    return BTZ_OK;
}

/* ---- values ---- */

struct bound {
    const char *values[BTZ_STORE_VALUES_MAX];
    int lengths[BTZ_STORE_VALUES_MAX], formats[BTZ_STORE_VALUES_MAX];
    uint64_t numbers[BTZ_STORE_VALUES_MAX]; /* big-endian */
};

static void bind(struct bound *b, size_t i, const struct btz_value *v)
{
    uint64_t bits = (uint64_t)v->i;

    b->formats[i] = 1;
    switch (v->kind) {
    case BTZ_VALUE_REAL:
        memcpy(&bits, &v->real, sizeof bits);
        __attribute__((fallthrough));
    case BTZ_VALUE_INT:
        b->numbers[i] = htobe64(bits);
        b->values[i] = (const char *)&b->numbers[i];
        b->lengths[i] = 8;
        return;
    case BTZ_VALUE_TEXT:
    case BTZ_VALUE_BLOB:
        b->values[i] = v->bytes.len ? (const char *)v->bytes.ptr : "";
        b->lengths[i] = (int)v->bytes.len;
        return;
    case BTZ_VALUE_NULL:
        b->values[i] = NULL;
        b->lengths[i] = 0;
        return;
    }
}

static enum btz_err read_integer(struct btz_slice text, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t size;

    BTZ_TRY(btz_parse_u64(btz_slice_sub(text, negative, SIZE_MAX), &size));
    if (size > (uint64_t)INT64_MAX + negative)
        return btz_fail(BTZ_LIMIT, "store: a number is too large");
    *out = negative ? (int64_t)(0 - size) : (int64_t)size;
    return BTZ_OK;
}

static enum btz_err read_number(struct btz_slice text, bool integer, struct btz_value *out)
{
    double real;
    int64_t i;

    if (integer) {
        BTZ_TRY(read_integer(text, &i));
        *out = btz_value_int(i);
    } else {
        BTZ_TRY(btz_parse_double(text, &real));
        *out = btz_value_real(real);
    }
    return BTZ_OK;
}

/* "\x" and hex digits, as bytea_output is set. */
static enum btz_err read_bytes(struct btz_slice text, struct btz_buf *blobs, struct btz_value *out)
{
    size_t n = text.len / 2 - 1;
    uint8_t *to = blobs->ptr + blobs->len;

    if (text.len < 2 || text.len % 2 != 0 || text.ptr[0] != '\\' || text.ptr[1] != 'x')
        return btz_fail(BTZ_INTERNAL,
                        "store: PostgreSQL sent bytes in another form than asked for");
    BTZ_TRY(btz_unhex(btz_slice_sub(text, 2, SIZE_MAX), to, n));
    blobs->len += n;
    *out = btz_value_blob(to, n);
    return BTZ_OK;
}

static enum btz_err read_column(const PGresult *r, int row, int at, struct btz_buf *blobs,
                                struct btz_value *out)
{
    struct btz_slice text = btz_slice_of(PQgetvalue(r, row, at), (size_t)PQgetlength(r, row, at));

    if (PQgetisnull(r, row, at)) {
        *out = btz_value_null();
        return BTZ_OK;
    }
    switch (PQftype(r, at)) {
    case BOOL_OID:
        *out = btz_value_int(btz_slice_is(text, "t"));
        return BTZ_OK;
    case INT2_OID:
    case INT4_OID:
    case INT8_OID:
        return read_number(text, true, out);
    case NUMERIC_OID: /* sums of integers */
        return read_number(text, !memchr(text.ptr, '.', text.len), out);
    case FLOAT4_OID:
    case FLOAT8_OID:
        return read_number(text, false, out);
    case BYTEA_OID:
        return read_bytes(text, blobs, out);
    default:
        *out = btz_value_text(text);
        return BTZ_OK;
    }
}

enum btz_err btz_postgres_rows(const PGresult *r, btz_row_fn *fn, void *user)
{
    BTZ_BUF_RELEASE struct btz_buf blobs = BTZ_BUF(SIZE_MAX / 2);
    int count = PQnfields(r), rows = PQntuples(r);
    struct btz_value columns[BTZ_STORE_COLUMNS_MAX];

    if (count > BTZ_STORE_COLUMNS_MAX)
        return btz_fail(BTZ_INTERNAL, "store: a row of %d columns", count);
    for (int row = 0; row < rows; row++) {
        size_t size = 1;

        for (int at = 0; at < count; at++)
            size += (size_t)PQgetlength(r, row, at);
        /* At once, because columns point into it. */
        btz_buf_clear(&blobs);
        BTZ_TRY(btz_buf_reserve(&blobs, size));
        for (int at = 0; at < count; at++)
            BTZ_TRY(read_column(r, row, at, &blobs, &columns[at]));
        BTZ_TRY(fn(user, columns, (size_t)count));
    }
    return BTZ_OK;
}

/* ---- transactions ---- */

static void postgres_rollback(struct btz_store *s)
{
    struct btz_postgres *p = postgres_of(s);

    p->transaction[0] = '\0';
    if (btz_postgres_is_lost(p) || PQtransactionStatus(p->c) == PQTRANS_IDLE)
        return;
    /* A connection that cannot even roll back is given up; the server rolls back then. */
    if (btz_postgres_simple(p, "ROLLBACK") != BTZ_OK) {
        PQfinish(p->c);
        p->c = NULL;
    }
}

static enum btz_err begin_once(struct btz_postgres *p, bool writing)
{
    PGresult *r = PQexec(p->c, writing ? BEGIN_WRITE : BEGIN_READ);
    enum btz_err err = BTZ_OK;

    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        err = btz_postgres_fail(p, r);
    else
        snprintf(p->transaction, sizeof p->transaction, "%s", writing ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    if (err != BTZ_OK)
        postgres_rollback(&p->base);
    return err;
}

/* Nothing has happened yet, so a connection that died while nobody used it is simply replaced. */
static enum btz_err postgres_begin(struct btz_store *s, bool writing)
{
    struct btz_postgres *p = postgres_of(s);
    enum btz_err err = BTZ_UNREACHABLE;

    if (!btz_postgres_is_lost(p))
        err = begin_once(p, writing);
    if (err != BTZ_UNREACHABLE)
        return err;
    BTZ_TRY(btz_postgres_connect(p));
    return begin_once(p, writing);
}

static enum btz_err ask_fate(struct btz_postgres *p, char *fate, size_t size)
{
    const char *values[] = { p->transaction };
    PGresult *r =
        PQexecParams(p->c, "SELECT pg_xact_status($1::text::xid8)", 1, NULL, values, NULL, NULL, 0);
    enum btz_err err = BTZ_OK;

    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        err = btz_postgres_fail(p, r);
    else
        snprintf(fate, size, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return err;
}

/* The connection broke during COMMIT. The server knows what became of it, once it answers again. */
static enum btz_err learn_fate(struct btz_postgres *p)
{
    const struct timespec pause = { 0, 100000000 };
    uint64_t deadline = btz_clock_ns() + BTZ_STORE_BUSY_MS * 1000000ull;
    char fate[32] = "";

    while (btz_clock_ns() < deadline) {
        if ((!btz_postgres_is_lost(p) || btz_postgres_connect(p) == BTZ_OK) &&
            ask_fate(p, fate, sizeof fate) == BTZ_OK) {
            if (strcmp(fate, "committed") == 0)
                return BTZ_OK;
            if (strcmp(fate, "aborted") == 0)
                return btz_fail(BTZ_UNREACHABLE, "store: the connection to PostgreSQL was lost; "
                                                 "nothing was changed");
        }
        nanosleep(&pause, NULL);
    }
    return btz_fail(BTZ_UNREACHABLE,
                    "store: the connection to PostgreSQL was lost during a commit; "
                    "whether it happened is not known");
}

static enum btz_err postgres_commit(struct btz_store *s)
{
    struct btz_postgres *p = postgres_of(s);
    PGresult *r;
    enum btz_err err = BTZ_OK;

    if (btz_postgres_is_lost(p))
        return btz_fail(BTZ_UNREACHABLE,
                        "store: the connection to PostgreSQL was lost; nothing was "
                        "changed");
    r = PQexec(p->c, "COMMIT");
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        err = btz_postgres_fail(p, r);
    else if (strcmp(PQcmdStatus(r), "COMMIT") != 0)
        err = btz_fail(BTZ_CONFLICT, "store: PostgreSQL rolled back instead of committing");
    PQclear(r);
    if (err == BTZ_UNREACHABLE && p->transaction[0])
        err = learn_fate(p);
    if (err == BTZ_OK)
        p->transaction[0] = '\0';
    return err;
}

/* ---- statements ---- */

static enum btz_err run_once(struct btz_postgres *p, const char *sql,
                             const struct btz_value *values, size_t count, PGresult **out)
{
    struct btz_postgres_cached *c;
    struct bound b;
    char name[32];
    ExecStatusType status;
    enum btz_err err;

    BTZ_TRY(from_cache(p, sql, values, count, &c));
    c->used = ++p->tick;
    for (size_t i = 0; i < count; i++)
        bind(&b, i, &values[i]);
    snprintf(name, sizeof name, "s%" PRIu64, c->number);
    *out = PQexecPrepared(p->c, name, (int)count, b.values, b.lengths, b.formats, 0);
    status = PQresultStatus(*out);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return BTZ_OK;
    /* Its table may have been changed: it is prepared again next time. */
    free(c->key);
    *c = (struct btz_postgres_cached){ 0 };
    err = btz_postgres_fail(p, *out);
    PQclear(*out);
    *out = NULL;
    return err;
}

/* Reads alone need no lock. A statement that begins with WITH may write. */
static bool reads(const char *sql)
{
    struct btz_slice text = btz_str(sql);

    if (btz_sql_is(text, "WITH"))
        return !strcasestr(sql, "INSERT") && !strcasestr(sql, "UPDATE") &&
               !strcasestr(sql, "DELETE");
    return btz_sql_is(text, "SELECT") || btz_sql_is(text, "VALUES");
}

static enum btz_err read_alone(struct btz_postgres *p, const char *sql,
                               const struct btz_value *values, size_t count, PGresult **out)
{
    enum btz_err err =
        btz_postgres_is_lost(p) ? BTZ_UNREACHABLE : run_once(p, sql, values, count, out);

    if (err != BTZ_UNREACHABLE)
        return err;
    BTZ_TRY(btz_postgres_connect(p));
    return run_once(p, sql, values, count, out);
}

static enum btz_err write_alone(struct btz_postgres *p, const char *sql,
                                const struct btz_value *values, size_t count, PGresult **out)
{
    enum btz_err err;

    BTZ_TRY(postgres_begin(&p->base, true));
    err = run_once(p, sql, values, count, out);
    if (err == BTZ_OK)
        err = postgres_commit(&p->base);
    if (err == BTZ_OK)
        return BTZ_OK;
    postgres_rollback(&p->base);
    PQclear(*out);
    *out = NULL;
    return err;
}

static enum btz_err postgres_execute(struct btz_store *s, const char *sql,
                                     const struct btz_value *values, size_t count, btz_row_fn *row,
                                     void *user, uint64_t *changed)
{
    struct btz_postgres *p = postgres_of(s);
    PGresult *r = NULL;
    enum btz_err err;

    if (s->state != BTZ_STORE_IDLE)
        err = btz_postgres_is_lost(p) ? btz_postgres_fail(p, NULL)
                                      : run_once(p, sql, values, count, &r);
    else if (reads(sql))
        err = read_alone(p, sql, values, count, &r);
    else
        err = write_alone(p, sql, values, count, &r);
    if (err != BTZ_OK)
        return err;
    if (row && PQresultStatus(r) == PGRES_TUPLES_OK)
        err = btz_postgres_rows(r, row, user);
    *changed = 0;
    if (err == BTZ_OK && !reads(sql) && *PQcmdTuples(r) &&
        btz_parse_u64(btz_str(PQcmdTuples(r)), changed) != BTZ_OK)
        *changed = 0;
    PQclear(r);
    return err;
}

static const char *const prefixes[] = { "postgresql://", "postgres://", NULL };

const struct btz_engine btz_engine_postgres = {
    .name = "postgresql",
    .prefixes = prefixes,
    .dialect = { .numbered = true,
                 .int_type = "BIGINT",
                 .real_type = "DOUBLE PRECISION",
                 .text_type = "TEXT COLLATE \"C\"",
                 .blob_type = "BYTEA",
                 .id_type = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
                 .table_end = "",
                 .drop_end = " CASCADE" },
    .open = postgres_open,
    .close = postgres_close,
    .set_busy = postgres_set_busy,
    .execute = postgres_execute,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .tables_sql =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = "
        "current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name COLLATE \"C\"",
    .columns_sql =
        "SELECT column_name, CASE data_type WHEN 'bigint' THEN 'int' WHEN 'double precision' THEN "
        "'real' WHEN 'bytea' THEN 'blob' ELSE data_type END FROM information_schema.columns WHERE "
        "table_schema = current_schema() AND table_name = ? ORDER BY ordinal_position",
    .scan = btz_postgres_scan,
    .last_id = btz_postgres_last_id,
    .set_last_id = btz_postgres_set_last_id,
    .loading = btz_postgres_loading,
};
