#include "store/engine.h"

static void digest_of(const struct btz_migration *m, char out[2 * BTZ_SHA256_LEN + 1])
{
    uint8_t digest[BTZ_SHA256_LEN];

    btz_sha256(btz_str(m->sql), digest);
    btz_hex(digest, sizeof digest, out);
}

enum btz_err btz_store_ddl(struct btz_store *s, struct btz_slice statement)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_STORE_SQL_MAX);
    const char *sql;
    size_t values;

    /* Written out here, so that an engine's cache does not keep statements that run once. */
    BTZ_TRY(btz_sql_translate(&s->engine->dialect, statement, &text, &values));
    if (values > 0)
        return btz_fail(BTZ_INTERNAL, "store: a migration has `?` in it");
    BTZ_TRY(btz_buf_cstr(&text, &sql));
    return btz_store_run(s, sql, NULL, 0, NULL);
}

static enum btz_err apply_one(struct btz_store *s, const char *part, const struct btz_migration *m)
{
    char digest[2 * BTZ_SHA256_LEN + 1];
    const char *at = m->sql;
    struct btz_slice statement;

    while (btz_sql_next(&at, &statement))
        BTZ_TRY(btz_store_ddl(s, statement));
    digest_of(m, digest);
    {
        const struct btz_value values[] = { btz_value_str(part), btz_value_int(m->version),
                                            btz_value_str(digest),
                                            btz_value_int((int64_t)btz_clock_unix_ms()) };

        return btz_store_run(
            s, "INSERT INTO migrations (part, version, digest, applied_ms) VALUES (?, ?, ?, ?)",
            values, BTZ_COUNT(values), NULL);
    }
}

enum btz_err btz_store_apply(struct btz_store *s, const char *part,
                             const struct btz_migration *migrations, unsigned from, unsigned to)
{
    BTZ_TRY(btz_store_ddl(s, btz_str(BTZ_STORE_MIGRATIONS)));
    for (unsigned v = from + 1; v <= to; v++) {
        enum btz_err err = apply_one(s, part, &migrations[v - 1]);

        if (err != BTZ_OK)
            return btz_fail_context(err, "migration %s/%u", part, v);
    }
    return BTZ_OK;
}

/* What the data base has of one part, held against what the program knows. */
struct applied {
    const char *part;
    const struct btz_migration *migrations;
    size_t count;
    unsigned last;
};

static enum btz_err see_applied(void *user, const struct btz_value *columns, size_t count)
{
    struct applied *a = user;
    char digest[2 * BTZ_SHA256_LEN + 1];
    int64_t version = columns[0].i;

    (void)count;
    if (version > (int64_t)a->count)
        return btz_fail(BTZ_UNSUPPORTED,
                        "store: tables of \"%s\" are of version %" PRId64
                        ", this program knows %zu: use a newer bartizan",
                        a->part, version, a->count);
    if (version != (int64_t)a->last + 1)
        return btz_fail(BTZ_CONFLICT, "store: version %u of the tables of \"%s\" was never applied",
                        a->last + 1, a->part);
    digest_of(&a->migrations[version - 1], digest);
    if (!btz_slice_is(columns[1].bytes, digest))
        return btz_fail(BTZ_CONFLICT,
                        "store: version %" PRId64
                        " of the tables of \"%s\" was made by another text than this program's",
                        version, a->part);
    a->last = (unsigned)version;
    return BTZ_OK;
}

static enum btz_err read_applied(struct btz_store *s, struct applied *a)
{
    const struct btz_value part = btz_value_str(a->part);

    a->last = 0;
    return btz_store_query(s,
                           "SELECT version, digest FROM migrations WHERE part = ? ORDER BY version",
                           &part, 1, see_applied, a);
}

static enum btz_err migrate_within(struct btz_store *s, struct applied *a)
{
    BTZ_TRY(btz_store_ddl(s, btz_str(BTZ_STORE_MIGRATIONS)));
    BTZ_TRY(read_applied(s, a));
    BTZ_TRY(btz_store_apply(s, a->part, a->migrations, a->last, (unsigned)a->count));
    return btz_store_commit(s);
}

/* Restore builds the tables again from the texts of this program, never from those of a file. */
static enum btz_err remember(struct btz_store *s, const struct applied *a)
{
    size_t i = 0;

    while (i < s->known_count && strcmp(s->known[i].part, a->part) != 0)
        i++;
    if (i == BTZ_STORE_PARTS_MAX)
        return btz_fail(BTZ_INTERNAL, "store: more than %d parts", BTZ_STORE_PARTS_MAX);
    s->known[i].part = a->part;
    s->known[i].migrations = a->migrations;
    s->known[i].count = a->count;
    s->known_count += i == s->known_count;
    return BTZ_OK;
}

enum btz_err btz_store_migrate(struct btz_store *s, const char *part,
                               const struct btz_migration *migrations, size_t count)
{
    struct applied a = { part, migrations, count, 0 };
    enum btz_err err;

    for (size_t i = 0; i < count; i++)
        if (migrations[i].version != i + 1)
            return btz_fail(BTZ_INTERNAL, "store: migration %zu of \"%s\" has the number %u", i + 1,
                            part, migrations[i].version);
    BTZ_TRY(remember(s, &a));
    /* The common case writes nothing, so that a full disk or another writer keeps nobody from opening. */
    err = read_applied(s, &a);
    if (err == BTZ_OK && a.last == count)
        return BTZ_OK;
    if (err == BTZ_CONFLICT || err == BTZ_UNSUPPORTED)
        return err;
    BTZ_TRY(btz_store_begin(s));
    err = migrate_within(s, &a);
    if (err != BTZ_OK)
        btz_store_rollback(s);
    return err;
}
