#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/dump.h"

static enum btz_err write_out(void *user, struct btz_slice bytes)
{
    return btz_fd_write_all(*(int *)user, bytes, "backup");
}

static bool is_known(const struct btz_store *s, struct btz_slice part)
{
    for (size_t i = 0; i < s->known_count; i++)
        if (btz_slice_is(part, s->known[i].part))
            return true;
    return false;
}

struct dump {
    struct btz_store *s;
    struct btz_dump_writer w;
};

static enum btz_err dump_part(void *user, const struct btz_value *columns, size_t count)
{
    struct dump *d = user;
    struct btz_dump_part part = { .version = (uint32_t)columns[1].i };

    (void)count;
    if (!is_known(d->s, columns[0].bytes) || columns[0].bytes.len >= BTZ_DUMP_NAME)
        return btz_fail(BTZ_INTERNAL,
                        "store: nobody migrated the part \"%.*s\" through this handle",
                        BTZ_SLICE_ARG(columns[0].bytes));
    memcpy(part.name, columns[0].bytes.ptr, columns[0].bytes.len);
    BTZ_TRY(btz_unhex(columns[2].bytes, part.digest, sizeof part.digest));
    return btz_dump_part(&d->w, &part);
}

/* Rows in one order, so that equal content gives equal bytes in both engines. */
static enum btz_err select_of(const struct btz_dump_table *t, struct btz_buf *sql)
{
    BTZ_TRY(btz_buf_add_str(sql, "SELECT "));
    for (size_t i = 0; i < t->count; i++)
        BTZ_TRY(btz_buf_printf(sql, "%s\"%s\"", i ? ", " : "", t->column[i].name));
    BTZ_TRY(btz_buf_printf(sql, " FROM \"%s\" ORDER BY ", t->name));
    for (size_t i = 0; i < t->count; i++)
        BTZ_TRY(btz_buf_printf(sql, "%s\"%s\" NULLS FIRST", i ? ", " : "", t->column[i].name));
    return BTZ_OK;
}

static enum btz_err dump_row(void *user, const struct btz_value *columns, size_t count)
{
    struct dump *d = user;

    return btz_dump_row(&d->w, columns, count);
}

static enum btz_err dump_table(struct dump *d, const char *name)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_STORE_SQL_MAX);
    struct btz_dump_table t;
    const char *sql;

    BTZ_TRY(btz_tables_describe(d->s, name, &t));
    BTZ_TRY(btz_dump_table(&d->w, &t));
    BTZ_TRY(select_of(&t, &text));
    BTZ_TRY(btz_buf_cstr(&text, &sql));
    return d->s->engine->scan(d->s, sql, dump_row, d);
}

static enum btz_err dump_all(struct dump *d, struct btz_tables *tables, const uint8_t *key)
{
    BTZ_TRY(btz_dump_begin(&d->w, key));
    BTZ_TRY(
        btz_store_query(d->s,
                        "SELECT part, version, digest FROM migrations AS m WHERE version = "
                        "(SELECT max(version) FROM migrations WHERE part = m.part) ORDER BY part",
                        NULL, 0, dump_part, d));
    BTZ_TRY(btz_tables_list(d->s, tables));
    for (size_t i = 0; i < tables->count; i++)
        BTZ_TRY(dump_table(d, tables->name[i]));
    return btz_dump_end(&d->w);
}

static enum btz_err dump_to(struct btz_store *s, int fd, const uint8_t *key)
{
    struct dump d = { .s = s, .w = { .out = write_out, .user = &fd } };
    struct btz_tables *tables = calloc(1, sizeof *tables);
    enum btz_err err;

    if (!tables)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = btz_store_begin_read(s);
    if (err == BTZ_OK)
        err = dump_all(&d, tables, key);
    btz_store_rollback(s);
    btz_buf_release(&d.w.pending);
    free(tables);
    if (err == BTZ_OK && fsync(fd) < 0)
        err = btz_fail_errno(BTZ_IO, "write backup");
    return err;
}

enum btz_err btz_store_backup(struct btz_store *s, const char *path, const uint8_t *key)
{
    BTZ_FREE char *beside = NULL;
    BTZ_CLOSE_FD int fd = -1;
    uint64_t salt;
    enum btz_err err;

    btz_random_bytes(&salt, sizeof salt);
    if (asprintf(&beside, "%s.%016" PRIx64, path, salt) < 0) {
        beside = NULL;
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create a file beside %s", path);
    err = dump_to(s, fd, key);
    if (err == BTZ_OK && rename(beside, path) < 0)
        err = btz_fail_errno(BTZ_IO, "rename to %s", path);
    if (err != BTZ_OK) {
        unlink(beside);
        return btz_fail_context(err, "%s", path);
    }
    return btz_file_sync_folder(path);
}
