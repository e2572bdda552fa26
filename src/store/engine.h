/* What the two engines have in common. Only files of this folder include it. */
#ifndef BTZ_STORE_ENGINE_H
#define BTZ_STORE_ENGINE_H

#include "store/store.h"

/* Longest value, statement text, and number of bound values: the same for both engines, far below what either holds. */
#define BTZ_STORE_VALUE_MAX   (64u << 20)
#define BTZ_STORE_SQL_MAX     (1u << 20)
#define BTZ_STORE_VALUES_MAX  200
#define BTZ_STORE_COLUMNS_MAX 64
#define BTZ_STORE_PARTS_MAX   32
#define BTZ_STORE_BUSY_MS     10000

/* How SQL of the common part is written for one engine. */
struct btz_dialect {
    bool numbered; /* `?` becomes $1, $2 ... */
    const char *int_type, *real_type, *text_type, *blob_type, *id_type;
    const char *table_end; /* behind CREATE TABLE (...) */
    const char *drop_end;  /* behind DROP TABLE name */
};

enum btz_store_state { BTZ_STORE_IDLE, BTZ_STORE_READING, BTZ_STORE_WRITING };

/* Rows are put back in any order, so references are checked when all are there. */
enum btz_loading {
    BTZ_LOADING_BEFORE, /* outside the transaction; no tables */
    BTZ_LOADING_START,  /* inside; the tables are made */
    BTZ_LOADING_CHECK,  /* inside; the rows are in */
    BTZ_LOADING_AFTER   /* outside, whatever happened; no tables */
};

#define BTZ_STORE_NAME       64 /* of a table or column, with its NUL: what PostgreSQL allows */
#define BTZ_STORE_TABLES_MAX 256
struct btz_tables {
    size_t count;
    char name[BTZ_STORE_TABLES_MAX][BTZ_STORE_NAME];
};

/* The engines' own stores begin with this. */
struct btz_store {
    const struct btz_engine *engine;
    enum btz_store_state state;
    enum btz_err failed; /* what broke the open transaction */
    struct {
        const char *part;
        const struct btz_migration *migrations;
        size_t count;
    } known
        [BTZ_STORE_PARTS_MAX]; /* given to btz_store_migrate; restore builds its tables from them */
    size_t known_count;
};

struct btz_engine {
    const char *name;
    const char *const *prefixes; /* of `where`; NULL-terminated */
    struct btz_dialect dialect;
    enum btz_err (*open)(const char *where, struct btz_store **out);
    void (*close)(struct btz_store *s);
    void (*set_busy)(struct btz_store *s, unsigned ms);
    /* Values are checked. `row` may be NULL; its error stops and is returned. */
    enum btz_err (*execute)(struct btz_store *s, const char *sql, const struct btz_value *values,
                            size_t count, btz_row_fn *row, void *user, uint64_t *changed);
    enum btz_err (*begin)(struct btz_store *s, bool writing);
    enum btz_err (*commit)(struct btz_store *s);
    void (*rollback)(struct btz_store *s);

    /* For backup and restore. */
    const char *tables_sql; /* names, sorted */
    const char
        *columns_sql; /* of the table `?`, in their order: name, "int" "real" "text" "blob" */
    /* Like execute without values, in pieces: a table may be larger than memory. Inside a reading transaction. */
    enum btz_err (*scan)(struct btz_store *s, const char *sql, btz_row_fn *row, void *user);
    /* The largest number that the {id} column of a table gave out; 0: none, or no such column. */
    enum btz_err (*last_id)(struct btz_store *s, const char *table, uint64_t *out);
    enum btz_err (*set_last_id)(struct btz_store *s, const char *table, uint64_t id);
    enum btz_err (*loading)(struct btz_store *s, enum btz_loading step,
                            const struct btz_tables *tables);
};
extern const struct btz_engine btz_engine_sqlite, btz_engine_postgres;

/* ---- sql.c ---- */

/* Length of the literal, quoted name or comment at `at`; 0 when there is none. An open one reaches to the end. */
size_t btz_sql_quoted(const char *at);
/* Writes `sql` for an engine, NUL-terminated. *values: how many `?`. Errors: INTERNAL, LIMIT. */
BTZ_CHECKED enum btz_err btz_sql_translate(const struct btz_dialect *d, struct btz_slice sql,
                                           struct btz_buf *out, size_t *values);
/* The next statement before a ";", trimmed, comments in front of it cut off; false at the end. */
bool btz_sql_next(const char **at, struct btz_slice *statement);
/* First word, upper or lower case; `word` is upper case. */
bool btz_sql_is(struct btz_slice statement, const char *word);

/* Translated and run without values: for DDL. */
BTZ_CHECKED enum btz_err btz_store_ddl(struct btz_store *s, struct btz_slice statement);
#define BTZ_STORE_MIGRATIONS                                                                       \
    "CREATE TABLE IF NOT EXISTS migrations (part {text} NOT NULL, version {int} NOT NULL, "        \
    "digest {text} NOT NULL, applied_ms {int} NOT NULL, PRIMARY KEY (part, version))"
/* Applies versions (from, to] of one part inside the open transaction and records them. */
BTZ_CHECKED enum btz_err btz_store_apply(struct btz_store *s, const char *part,
                                         const struct btz_migration *migrations, unsigned from,
                                         unsigned to);

#endif
