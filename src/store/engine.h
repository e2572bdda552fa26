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
};

enum btz_store_state { BTZ_STORE_IDLE, BTZ_STORE_READING, BTZ_STORE_WRITING };

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
/* Applies versions (from, to] of one part inside the open transaction and records them. */
BTZ_CHECKED enum btz_err btz_store_apply(struct btz_store *s, const char *part,
                                         const struct btz_migration *migrations, unsigned from,
                                         unsigned to);

#endif
