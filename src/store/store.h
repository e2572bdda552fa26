/*
 * store: rows that must survive, in SQLite (default) or PostgreSQL, behind one small interface. Values are always
 * bound, never pasted into SQL. What is in here knows nothing of users, roles or findings.
 *
 * SQL is the common part of both: `?` for bound values (translated for PostgreSQL), ON CONFLICT, RETURNING. Types of
 * columns are written {int} {real} {text} {blob} and {id} (a growing integer primary key); the store replaces them, and
 * makes SQLite as strict about them as PostgreSQL. Text sorts by its bytes in both.
 */
#ifndef BTZ_STORE_H
#define BTZ_STORE_H

#include "base/base.h"

enum btz_value_kind {
    BTZ_VALUE_NULL,
    BTZ_VALUE_INT,
    BTZ_VALUE_REAL,
    BTZ_VALUE_TEXT,
    BTZ_VALUE_BLOB
};
struct btz_value {
    enum btz_value_kind kind;
    int64_t i;
    double real;
    struct btz_slice bytes; /* TEXT: UTF-8 without NUL; borrowed */
};
struct btz_value btz_value_null(void);
struct btz_value btz_value_int(int64_t i);
struct btz_value btz_value_real(double real);
struct btz_value btz_value_text(struct btz_slice text);
struct btz_value btz_value_str(const char *text); /* NULL gives NULL */
struct btz_value btz_value_blob(const void *ptr, size_t len);

/* One connection. One thread at a time; several processes and connections may use the same data. */
struct btz_store;

/* A path or "sqlite:PATH" (created when missing, mode 0600, WAL), or "postgresql://...". Errors: IO, INPUT (not a
 * data base), UNREACHABLE, DENIED (PostgreSQL refused the credentials), USAGE. Passwords never appear in details. */
BTZ_CHECKED enum btz_err btz_store_open(const char *where, struct btz_store **out);
void btz_store_close(struct btz_store *s);
const char *btz_store_kind(const struct btz_store *s); /* "sqlite", "postgresql" */
/* How long a writer waits for another; 10 s until told otherwise. */
void btz_store_set_busy(struct btz_store *s, unsigned ms);

/*
 * One statement. `changed` (may be NULL): rows changed. Errors: CONFLICT (a constraint, or a writer that did not end
 * within the busy time of 10 s), IO (full disk: says so, nothing half-written), INPUT (a text value that is not UTF-8
 * or has a NUL), LIMIT, UNREACHABLE (PostgreSQL went away; the next call connects again), INTERNAL (wrong SQL).
 */
BTZ_CHECKED enum btz_err btz_store_run(struct btz_store *s, const char *sql,
                                       const struct btz_value *values, size_t count,
                                       uint64_t *changed);

/* Rows one by one; columns are borrowed while the call lasts. A row's error stops and is returned; it does not break an
 * open transaction. `row` may ask the same store, and must not change the table that it is reading. */
typedef enum btz_err btz_row_fn(void *user, const struct btz_value *columns, size_t count);
BTZ_CHECKED enum btz_err btz_store_query(struct btz_store *s, const char *sql,
                                         const struct btz_value *values, size_t count,
                                         btz_row_fn *row, void *user);
/* At most one row (more: INTERNAL), its columns copied into the arena as an array of `columns`; *found NULL when there is
 * none. Texts have a NUL behind them. */
BTZ_CHECKED enum btz_err btz_store_one(struct btz_store *s, const char *sql,
                                       const struct btz_value *values, size_t count,
                                       struct btz_arena *arena, size_t columns,
                                       const struct btz_value **found);

/*
 * Writers are serialised, in both engines (BEGIN IMMEDIATE; a transaction-level advisory lock): what a transaction has
 * read cannot have changed when it commits. After any error inside, roll back: the engines differ in what they would still
 * do, so everything else is refused with the same error. Commit is durable on return.
 */
BTZ_CHECKED enum btz_err btz_store_begin(struct btz_store *s);
BTZ_CHECKED enum btz_err btz_store_begin_read(struct btz_store *s); /* one consistent view */
BTZ_CHECKED enum btz_err btz_store_commit(struct btz_store *s);
void btz_store_rollback(struct btz_store *s); /* does nothing without a transaction */

/* Versions 1, 2, ... of one part's tables, each applied once and in one transaction; table `migrations` remembers them
 * with a digest of their text. `part` and `migrations` are borrowed until the store is closed: restore builds the tables
 * from them. Errors: CONFLICT (an applied one was changed), UNSUPPORTED (the data base is newer). */
struct btz_migration {
    unsigned version;
    const char *sql; /* statements with ";" between them */
};
BTZ_CHECKED enum btz_err btz_store_migrate(struct btz_store *s, const char *part,
                                           const struct btz_migration *migrations, size_t count);

/*
 * A consistent copy of everything in a file of our own format (dump.h), the same for both engines, while others go on;
 * 0600. Equal content gives equal bytes. `key` (32 bytes, may be NULL) signs it: a file that somebody else made or changed
 * is then refused (DENIED). All parts must have been given to btz_store_migrate through this handle.
 *
 * Restore refuses a store that holds rows (CONFLICT) unless `replace`, and is all or nothing. A backup of older versions
 * is brought up to date. `finish` (may be NULL) runs inside its transaction, behind everything else. Errors: INPUT
 * (damaged, or rows that do not belong together), UNSUPPORTED (of a newer program), those of run.
 */
BTZ_CHECKED enum btz_err btz_store_backup(struct btz_store *s, const char *path,
                                          const uint8_t *key);
typedef enum btz_err btz_restored_fn(void *user, struct btz_store *s);
BTZ_CHECKED enum btz_err btz_store_restore(struct btz_store *s, const char *path,
                                           const uint8_t *key, bool replace,
                                           btz_restored_fn *finish, void *user);

#endif
