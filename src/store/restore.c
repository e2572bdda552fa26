/*
 * Restore. The file says which versions of which parts it was taken from; the tables of those versions are made again
 * from the texts of this program, filled, and brought up to date. Nothing of the file is ever run as SQL.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/dump.h"

struct restore {
    struct btz_store *s;
    struct btz_tables tables;
    btz_restored_fn *finish;
    void *user;
    unsigned from[BTZ_STORE_PARTS_MAX]; /* version of each known part in the file */
    char insert[BTZ_STORE_COLUMNS_MAX * (BTZ_STORE_NAME + 6) + 200];
};

static enum btz_err read_in(void *user, uint8_t *to, size_t n, size_t *got)
{
    for (;;) {
        ssize_t r = read(*(int *)user, to, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return btz_fail_errno(BTZ_IO, "read");
        *got = (size_t)r;
        return BTZ_OK;
    }
}

/* ---- tables ---- */

static enum btz_err run_on_tables(struct restore *r, const char *before, const char *after)
{
    BTZ_BUF_RELEASE struct btz_buf sql = BTZ_BUF(BTZ_STORE_SQL_MAX);

    for (size_t i = 0; i < r->tables.count; i++) {
        btz_buf_clear(&sql);
        BTZ_TRY(btz_buf_printf(&sql, "%s \"%s\"%s", before, r->tables.name[i], after));
        BTZ_TRY(btz_store_ddl(r->s, btz_buf_slice(&sql)));
    }
    return BTZ_OK;
}

static enum btz_err drop_tables(struct restore *r)
{
    BTZ_TRY(btz_tables_list(r->s, &r->tables));
    /* CASCADE: references among them, in whatever order. */
    BTZ_TRY(run_on_tables(r, "DROP TABLE", r->s->engine->dialect.drop_end));
    return btz_store_ddl(r->s, btz_str("DROP TABLE IF EXISTS migrations"));
}

static enum btz_err see_part(void *user, const struct btz_dump_part *part)
{
    struct restore *r = user;
    struct btz_store *s = r->s;
    uint8_t digest[BTZ_SHA256_LEN];
    size_t i = 0;

    while (i < s->known_count && strcmp(s->known[i].part, part->name) != 0)
        i++;
    if (i == s->known_count || part->version == 0 || part->version > s->known[i].count)
        return btz_fail(BTZ_UNSUPPORTED,
                        "backup: it has tables of \"%s\" version %u, which this "
                        "program does not know; use a newer bartizan",
                        part->name, part->version);
    btz_sha256(btz_str(s->known[i].migrations[part->version - 1].sql), digest);
    if (memcmp(digest, part->digest, sizeof digest) != 0)
        return btz_fail(BTZ_UNSUPPORTED,
                        "backup: its version %u of the tables of \"%s\" is not that "
                        "of this program",
                        part->version, part->name);
    r->from[i] = part->version;
    return btz_store_apply(s, s->known[i].part, s->known[i].migrations, 0, part->version);
}

static enum btz_err make_tables(void *user)
{
    struct restore *r = user;

    BTZ_TRY(btz_tables_list(r->s, &r->tables));
    BTZ_TRY(r->s->engine->loading(r->s, BTZ_LOADING_START, &r->tables));
    /* Rows that the migrations put in are in the backup, as they were then. */
    return run_on_tables(r, "DELETE FROM", "");
}

static enum btz_err update_tables(struct restore *r)
{
    struct btz_store *s = r->s;

    for (size_t i = 0; i < s->known_count; i++)
        BTZ_TRY(btz_store_apply(s, s->known[i].part, s->known[i].migrations, r->from[i],
                                (unsigned)s->known[i].count));
    return BTZ_OK;
}

/* ---- rows ---- */

static bool has_table(const struct btz_tables *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->name[i], name) == 0)
            return true;
    return false;
}

static bool same_columns(const struct btz_dump_table *a, const struct btz_dump_table *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->column[i].name, b->column[i].name) != 0 ||
            a->column[i].kind != b->column[i].kind)
            return false;
    return true;
}

/* The columns are those of the table, so names of the file can stand in SQL. */
static enum btz_err see_table(void *user, const struct btz_dump_table *t)
{
    struct restore *r = user;
    struct btz_dump_table ours;
    size_t used;

    if (!has_table(&r->tables, t->name))
        return btz_fail(BTZ_INPUT, "backup: there is no table %s", t->name);
    BTZ_TRY(btz_tables_describe(r->s, t->name, &ours));
    if (!same_columns(t, &ours))
        return btz_fail(BTZ_INPUT, "backup: table %s has other columns", t->name);
    used = (size_t)snprintf(r->insert, sizeof r->insert, "INSERT INTO \"%s\" (", t->name);
    for (size_t i = 0; i < t->count; i++)
        used += (size_t)snprintf(r->insert + used, sizeof r->insert - used, "%s\"%s\"",
                                 i ? ", " : "", t->column[i].name);
    used += (size_t)snprintf(r->insert + used, sizeof r->insert - used, ") VALUES (");
    for (size_t i = 0; i < t->count; i++)
        used += (size_t)snprintf(r->insert + used, sizeof r->insert - used, "%s", i ? ", ?" : "?");
    snprintf(r->insert + used, sizeof r->insert - used, ")");
    return t->next > 0 ? r->s->engine->set_last_id(r->s, t->name, t->next) : BTZ_OK;
}

static enum btz_err see_row(void *user, const struct btz_dump_table *t,
                            const struct btz_value *values)
{
    struct restore *r = user;
    enum btz_err err = btz_store_run(r->s, r->insert, values, t->count, NULL);

    return err == BTZ_CONFLICT ? btz_fail_context(BTZ_INPUT, "backup: table %s", t->name) : err;
}

/* ---- the whole ---- */

static enum btz_err is_empty(struct restore *r)
{
    BTZ_TRY(btz_tables_list(r->s, &r->tables));
    for (size_t i = 0; i < r->tables.count; i++) {
        char sql[BTZ_STORE_NAME + 40];
        struct btz_arena arena;
        const struct btz_value *row = NULL;
        enum btz_err err;

        btz_arena_init(&arena, 1 << 16);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\"", r->tables.name[i]);
        err = btz_store_one(r->s, sql, NULL, 0, &arena, 1, &row);
        if (err == BTZ_OK && row && row[0].i > 0)
            err =
                btz_fail(BTZ_CONFLICT, "store: table %s holds rows already; they would be replaced",
                         r->tables.name[i]);
        btz_arena_release(&arena);
        BTZ_TRY(err);
    }
    return BTZ_OK;
}

static enum btz_err load(struct restore *r, int fd, const uint8_t *key, bool replace)
{
    const struct btz_dump_sink sink = { see_part, make_tables, see_table, see_row, r };

    if (!replace)
        BTZ_TRY(is_empty(r));
    BTZ_TRY(drop_tables(r));
    BTZ_TRY(btz_store_ddl(r->s, btz_str(BTZ_STORE_MIGRATIONS)));
    if (lseek(fd, 0, SEEK_SET) < 0)
        return btz_fail_errno(BTZ_IO, "read");
    BTZ_TRY(btz_dump_read(read_in, &fd, key, &sink));
    BTZ_TRY(r->s->engine->loading(r->s, BTZ_LOADING_CHECK, &r->tables));
    BTZ_TRY(update_tables(r));
    if (r->finish)
        BTZ_TRY(r->finish(r->user, r->s));
    return btz_store_commit(r->s);
}

static enum btz_err restore(struct restore *r, int fd, const uint8_t *key, bool replace)
{
    const struct btz_dump_sink nothing = { 0 };
    enum btz_err err;

    /* The digest first: what is damaged changes nothing, and says so in its own words. */
    BTZ_TRY(btz_dump_read(read_in, &fd, key, &nothing));
    BTZ_TRY(r->s->engine->loading(r->s, BTZ_LOADING_BEFORE, NULL));
    err = btz_store_begin(r->s);
    if (err == BTZ_OK)
        err = load(r, fd, key, replace);
    btz_store_rollback(r->s);
    if (r->s->engine->loading(r->s, BTZ_LOADING_AFTER, NULL) != BTZ_OK && err == BTZ_OK)
        return btz_fail_context(BTZ_IO, "restored, but open the store again");
    return err;
}

enum btz_err btz_store_restore(struct btz_store *s, const char *path, const uint8_t *key,
                               bool replace, btz_restored_fn *finish, void *user)
{
    BTZ_CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct restore *r = calloc(1, sizeof *r);
    enum btz_err err;

    if (fd < 0 || !r) {
        free(r);
        return fd < 0 ? btz_fail_errno(BTZ_IO, "open %s", path)
                      : btz_fail(BTZ_LIMIT, "out of memory");
    }
    r->s = s;
    r->finish = finish;
    r->user = user;
    if (s->state != BTZ_STORE_IDLE)
        err = btz_fail(BTZ_INTERNAL, "store: a transaction is open already");
    else
        err = restore(r, fd, key, replace);
    free(r);
    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "%s", path);
}
