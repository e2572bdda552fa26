/* The connection to PostgreSQL and what its errors mean; postgres.c runs statements over it. */
#ifndef BTZ_STORE_POSTGRES_H
#define BTZ_STORE_POSTGRES_H

#include <libpq-fe.h>

#include "store/engine.h"

#define BTZ_POSTGRES_CACHED 64

struct btz_postgres_cached {
    char *key; /* kinds of the values, then the SQL */
    uint64_t number, used;
};

struct btz_postgres {
    struct btz_store base;
    PGconn *c;
    char *where, *password; /* wiped when closed; the password may be NULL */
    unsigned busy_ms;
    uint64_t tick, numbers;
    char transaction[24]; /* number of the open one, to ask for its fate */
    struct btz_postgres_cached cache[BTZ_POSTGRES_CACHED];
};

/* The password in `where` and whether the address can be read at all. Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_postgres_parse(const char *where, char **password);
/* Connects anew and forgets what the old connection had prepared. */
BTZ_CHECKED enum btz_err btz_postgres_connect(struct btz_postgres *p);
void btz_postgres_forget_prepared(struct btz_postgres *p);
/* The error of a result (NULL: of the connection). Values, which servers put into their details, are left out. */
enum btz_err btz_postgres_fail(struct btz_postgres *p, const PGresult *r);
bool btz_postgres_is_lost(const struct btz_postgres *p);
/* One command without values, whose rows are not wanted. */
BTZ_CHECKED enum btz_err btz_postgres_simple(struct btz_postgres *p, const char *sql);
/* Every row of a result. */
BTZ_CHECKED enum btz_err btz_postgres_rows(const PGresult *r, btz_row_fn *fn, void *user);

/* ---- postgres_load.c: for backup and restore, see struct btz_engine ---- */
enum btz_err btz_postgres_scan(struct btz_store *s, const char *sql, btz_row_fn *row, void *user);
enum btz_err btz_postgres_last_id(struct btz_store *s, const char *table, uint64_t *out);
enum btz_err btz_postgres_set_last_id(struct btz_store *s, const char *table, uint64_t id);
enum btz_err btz_postgres_loading(struct btz_store *s, enum btz_loading step,
                                  const struct btz_tables *tables);

#endif
