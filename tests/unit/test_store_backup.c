/* Backups: from each engine into each, damaged ones, forged ones, older ones, crafted ones. */
#include <fcntl.h>
#include <openssl/hmac.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/dump.h"
#include "store_engines.h"

static const struct btz_migration shop[] = {
    { 1, "CREATE TABLE persons (id {id}, name {text} NOT NULL UNIQUE, chief {int} REFERENCES "
         "persons (id), "
         "rate {real}, picture {blob});"
         /* Sorted before what they refer to, and in a circle. */
         "CREATE TABLE carts (code {text} PRIMARY KEY, person {int} NOT NULL REFERENCES persons "
         "(id))" },
    { 2, "CREATE TABLE items (cart {text} NOT NULL REFERENCES carts (code) ON DELETE CASCADE, "
         "\"order\" {int} NOT NULL, PRIMARY KEY (cart, \"order\"));"
         "ALTER TABLE persons ADD COLUMN favourite {text} REFERENCES carts (code);"
         "INSERT INTO persons (name) VALUES ('the first')" },
    { 3, "ALTER TABLE items RENAME TO goods; CREATE TABLE later (a {int})" },
};
static const struct btz_migration other[] = {
    { 1, "CREATE TABLE notes (k {text} PRIMARY KEY, v {text})" }
};

static const uint8_t key[32] = "the key of this installation....";

static struct btz_store *open_shop(const char *where, unsigned version)
{
    struct btz_store *s;

    assert_ok(btz_store_open(where, &s));
    assert_ok(btz_store_migrate(s, "shop", shop, version));
    assert_ok(btz_store_migrate(s, "other", other, 1));
    return s;
}

static enum btz_err run(struct btz_store *s, const char *sql)
{
    return btz_store_run(s, sql, NULL, 0, NULL);
}

static void fill(struct btz_store *s)
{
    uint8_t bytes[5000];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    assert_ok(btz_store_begin(s));
    for (int i = 0; i < 300; i++) {
        BTZ_FREE char *name = NULL;

        assert_true(asprintf(&name, "%d '; DROP TABLE \"x\" \xc3\xa9\n", i) > 0);
        const struct btz_value values[] = { btz_value_str(name), btz_value_real(i / 7.0),
                                            btz_value_blob(bytes, (size_t)i * 16) };
        assert_ok(btz_store_run(s, "INSERT INTO persons (name, rate, picture) VALUES (?, ?, ?)",
                                values, 3, NULL));
    }
    assert_ok(run(s, "INSERT INTO carts (code, person) VALUES ('a', 5), ('b', 7)"));
    assert_ok(run(s, "UPDATE persons SET chief = 9, favourite = 'b' WHERE id < 9"));
    /* The largest number is in use no more, and must not be given out again. */
    assert_ok(run(s, "DELETE FROM persons WHERE id = 301"));
    assert_ok(btz_store_commit(s));
}

static char *backup_file(const char *name)
{
    char *path;

    assert_true(asprintf(&path, "%s/%s", SQLITE->folder, name) > 0);
    return path;
}

static void read_file(const char *path, struct btz_buf *out)
{
    *out = BTZ_BUF(64 << 20);
    assert_ok(btz_file_read(path, 60 << 20, out));
}

static void assert_same_files(const char *a, const char *b)
{
    BTZ_BUF_RELEASE struct btz_buf x = { 0 }, y = { 0 };

    read_file(a, &x);
    read_file(b, &y);
    assert_true(btz_slice_equal(btz_buf_slice(&x), btz_buf_slice(&y)));
}

/* From this engine to each, and back; every copy gives the same bytes. */
static void test_there_and_back(void **state)
{
    BTZ_FREE char *first = backup_file("first"), *second = backup_file("second");
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_shop(where, 2);
    struct stat st;

    fill(s);
    assert_ok(btz_store_backup(s, first, key));
    assert_int_equal(stat(first, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    btz_store_close(s);
    for (size_t e = 0; e < BTZ_COUNT(engines); e++) {
        BTZ_FREE char *target = NULL;

        if (!engines[e].folder && !engines[e].postgres.pid)
            continue;
        target = engine_fresh(&engines[e]);
        s = open_shop(target, 2);
        /* Holds what the migrations put in. */
        assert_err(btz_store_restore(s, first, key, false, NULL, NULL), BTZ_CONFLICT);
        assert_ok(btz_store_restore(s, first, key, true, NULL, NULL));
        assert_int_equal(store_int(s, "SELECT count(*) FROM persons"), 300);
        assert_int_equal(store_int(s, "SELECT count(*) FROM persons WHERE favourite = 'b'"), 8);
        assert_ok(btz_store_backup(s, second, key));
        assert_same_files(first, second);
        /* References hold again, at once; numbers go on; migrations are known. */
        assert_err(run(s, "INSERT INTO carts (code, person) VALUES ('z', 100000)"), BTZ_CONFLICT);
        assert_ok(run(s, "INSERT INTO persons (name) VALUES ('new')"));
        assert_int_equal(store_int(s, "SELECT id FROM persons WHERE name = 'new'"), 302);
        assert_ok(btz_store_migrate(s, "shop", shop, 2));
        /* Over rows, twice. */
        assert_ok(btz_store_restore(s, first, key, true, NULL, NULL));
        assert_ok(btz_store_backup(s, second, key));
        assert_same_files(first, second);
        btz_store_close(s);
    }
}

/* A backup of older tables is brought up to date; one of newer ones is refused and nothing is changed. */
static void test_versions(void **state)
{
    BTZ_FREE char *old = backup_file("old"), *new = backup_file("new");
    BTZ_FREE char *a = engine_fresh(*state), *b = engine_fresh(*state);
    struct btz_store *s = open_shop(a, 2);

    fill(s);
    assert_ok(
        btz_store_run(s, "INSERT INTO items (cart, \"order\") VALUES ('a', 3)", NULL, 0, NULL));
    assert_ok(btz_store_backup(s, old, NULL));
    btz_store_close(s);
    s = open_shop(b, 3);
    assert_ok(btz_store_restore(s, old, NULL, true, NULL, NULL));
    assert_int_equal(store_int(s, "SELECT \"order\" FROM goods"), 3);
    assert_int_equal(store_int(s, "SELECT count(*) FROM later"), 0);
    assert_int_equal(store_int(s, "SELECT max(version) FROM migrations"), 3);
    assert_ok(btz_store_migrate(s, "shop", shop, 3));
    assert_ok(btz_store_backup(s, new, NULL));
    btz_store_close(s);
    s = open_shop(a, 2);
    assert_err(btz_store_restore(s, new, NULL, true, NULL, NULL), BTZ_UNSUPPORTED);
    assert_int_equal(store_int(s, "SELECT count(*) FROM persons"), 300);
    assert_err(run(s, "INSERT INTO carts (code, person) VALUES ('z', 100000)"), BTZ_CONFLICT);
    btz_store_close(s);
}

static void test_forgotten_part(void **state)
{
    BTZ_FREE char *file = backup_file("part");
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_shop(where, 2);

    btz_store_close(s);
    assert_ok(btz_store_open(where, &s));
    assert_ok(btz_store_migrate(s, "other", other, 1));
    assert_err(btz_store_backup(s, file, NULL), BTZ_INTERNAL);
    assert_int_not_equal(access(file, F_OK), 0);
    btz_store_close(s);
}

static void write_file(const char *path, struct btz_slice bytes)
{
    assert_ok(btz_file_write(path, bytes, 0600));
}

/* Every kind of damage is refused, and the store is what it was. */
static void test_damage(void **state)
{
    static const uint8_t wrong[32] = "the key of another installation.";
    BTZ_FREE char *file = backup_file("damage"), *bad = backup_file("bad");
    BTZ_FREE char *where = engine_fresh(*state);
    BTZ_BUF_RELEASE struct btz_buf bytes = { 0 };
    struct btz_store *s = open_shop(where, 2);

    assert_ok(run(s, "INSERT INTO notes (k, v) VALUES ('kept', 'x')"));
    assert_ok(btz_store_backup(s, file, NULL));
    read_file(file, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        enum btz_err err;

        bytes.ptr[i] ^= (uint8_t)(1u << i % 8);
        write_file(bad, btz_buf_slice(&bytes));
        err = btz_store_restore(s, bad, NULL, true, NULL, NULL);
        if (err != BTZ_INPUT && err != BTZ_DENIED)
            fail_msg("byte %zu: %s", i, btz_err_name(err));
        bytes.ptr[i] ^= (uint8_t)(1u << i % 8);
        if (i % 5 == 0) {
            write_file(bad, btz_slice_sub(btz_buf_slice(&bytes), 0, i));
            assert_err(btz_store_restore(s, bad, NULL, true, NULL, NULL), BTZ_INPUT);
        }
    }
    assert_ok(btz_buf_add_byte(&bytes, 'R'));
    write_file(bad, btz_buf_slice(&bytes));
    assert_err(btz_store_restore(s, bad, NULL, true, NULL, NULL), BTZ_INPUT);
    /* A key where there was none, another key, none where there was one. */
    assert_err(btz_store_restore(s, file, key, true, NULL, NULL), BTZ_DENIED);
    assert_ok(btz_store_backup(s, file, key));
    assert_err(btz_store_restore(s, file, wrong, true, NULL, NULL), BTZ_DENIED);
    assert_err(btz_store_restore(s, file, NULL, true, NULL, NULL), BTZ_DENIED);
    assert_err(btz_store_restore(s, "/nowhere", key, true, NULL, NULL), BTZ_IO);
    assert_int_equal(store_int(s, "SELECT count(*) FROM notes WHERE k = 'kept'"), 1);
    assert_ok(btz_store_restore(s, file, key, true, NULL, NULL));
    btz_store_close(s);
}

/* ---- crafted files: whole by their digest, but not made by us ---- */

struct memory {
    struct btz_buf bytes;
};

static enum btz_err into_memory(void *user, struct btz_slice bytes)
{
    return btz_buf_add_slice(&((struct memory *)user)->bytes, bytes);
}

static void craft_begin(struct btz_dump_writer *w, struct memory *m, bool with_shop)
{
    struct btz_dump_part o = { "other", 1, { 0 } }, p = { "shop", 2, { 0 } };

    *m = (struct memory){ BTZ_BUF(1 << 20) };
    *w = (struct btz_dump_writer){ .out = into_memory, .user = m };
    btz_sha256(btz_str(other[0].sql), o.digest);
    btz_sha256(btz_str(shop[1].sql), p.digest);
    assert_ok(btz_dump_begin(w, NULL));
    assert_ok(btz_dump_part(w, &o));
    if (with_shop)
        assert_ok(btz_dump_part(w, &p));
}

static void assert_crafted(struct btz_store *s, struct btz_dump_writer *w, struct memory *m,
                           enum btz_err want)
{
    BTZ_FREE char *file = backup_file("crafted");

    assert_ok(btz_dump_end(w));
    write_file(file, btz_buf_slice(&m->bytes));
    assert_err(btz_store_restore(s, file, NULL, true, NULL, NULL), want);
    if (want != BTZ_OK)
        assert_int_equal(store_int(s, "SELECT count(*) FROM notes WHERE k = 'kept'"), 1);
    btz_buf_release(&w->pending);
    btz_buf_release(&m->bytes);
}

static void test_crafted(void **state)
{
    const struct btz_dump_table notes = {
        "notes", 0, 2, { { "k", BTZ_VALUE_TEXT }, { "v", BTZ_VALUE_TEXT } }
    };
    const struct btz_dump_table carts = {
        "carts", 0, 2, { { "code", BTZ_VALUE_TEXT }, { "person", BTZ_VALUE_INT } }
    };
    const struct btz_value row[] = { btz_value_str("a"), btz_value_str("b") };
    const struct btz_value dangling[] = { btz_value_str("a"), btz_value_int(77) };
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_shop(where, 2);
    struct btz_dump_table t;
    struct btz_dump_writer w;
    struct memory m;

    assert_ok(run(s, "INSERT INTO notes (k) VALUES ('kept')"));
    /* Rows that break a key, and a reference to nobody. */
    craft_begin(&w, &m, true);
    assert_ok(btz_dump_table(&w, &notes));
    assert_ok(btz_dump_row(&w, row, 2));
    assert_ok(btz_dump_row(&w, row, 2));
    assert_crafted(s, &w, &m, BTZ_INPUT);
    craft_begin(&w, &m, true);
    assert_ok(btz_dump_table(&w, &carts));
    assert_ok(btz_dump_row(&w, dangling, 2));
    assert_crafted(s, &w, &m, BTZ_INPUT);
    /* A table of ours that is none of its own, one of the engine, columns that are others, numbers for a table without. */
    static const char *const tables[] = { "migrations", "sqlite_schema", "pg_class", "persons2" };
    for (size_t i = 0; i < BTZ_COUNT(tables); i++) {
        t = notes;
        snprintf(t.name, sizeof t.name, "%s", tables[i]);
        craft_begin(&w, &m, true);
        assert_ok(btz_dump_table(&w, &t));
        assert_crafted(s, &w, &m, BTZ_INPUT);
    }
    t = notes;
    snprintf(t.column[1].name, sizeof t.column[1].name, "w");
    craft_begin(&w, &m, true);
    assert_ok(btz_dump_table(&w, &t));
    assert_crafted(s, &w, &m, BTZ_INPUT);
    t = notes;
    t.next = 9;
    craft_begin(&w, &m, true);
    assert_ok(btz_dump_table(&w, &t));
    assert_crafted(s, &w, &m, BTZ_INPUT);
    /* A name that would be SQL. */
    t = notes;
    snprintf(t.name, sizeof t.name, "x\"; drop table notes; --");
    craft_begin(&w, &m, true);
    assert_ok(btz_dump_table(&w, &t));
    assert_crafted(s, &w, &m, BTZ_INPUT);
    /* Only one part: its tables are filled, those of the other part are new. */
    craft_begin(&w, &m, false);
    assert_ok(btz_dump_table(&w, &notes));
    assert_ok(btz_dump_row(&w, row, 2));
    assert_crafted(s, &w, &m, BTZ_OK);
    assert_int_equal(store_int(s, "SELECT count(*) FROM notes WHERE k = 'a'"), 1);
    assert_int_equal(store_int(s, "SELECT count(*) FROM persons WHERE name = 'the first'"), 1);
    btz_store_close(s);
}

/* The digest is HMAC-SHA-256 over all but the last 32 bytes: said by OpenSSL. */
static void test_digest(void **state)
{
    BTZ_FREE char *file = backup_file("digest");
    BTZ_FREE char *where = engine_fresh(*state);
    BTZ_BUF_RELEASE struct btz_buf bytes = { 0 };
    struct btz_store *s = open_shop(where, 2);
    uint8_t mac[32];
    unsigned len = sizeof mac;

    assert_ok(btz_store_backup(s, file, key));
    read_file(file, &bytes);
    assert_non_null(HMAC(EVP_sha256(), key, 32, bytes.ptr, bytes.len - 32, mac, &len));
    assert_memory_equal(mac, bytes.ptr + bytes.len - 32, 32);
    btz_store_close(s);
}

/* No room for the backup: nothing is left behind, and the old one stays. */
static void test_no_room(void **state)
{
    BTZ_FREE char *file = backup_file("room");
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_shop(where, 2);
    int status;
    pid_t child;

    fill(s);
    btz_store_close(s);
    write_file(file, btz_str("the old one"));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit small = { 100000, 100000 };
        enum btz_err err;

        s = open_shop(where, 2);
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        err = btz_store_backup(s, file, NULL);
        _exit(err == BTZ_IO && strstr(btz_error_detail(), "File too large") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    {
        BTZ_BUF_RELEASE struct btz_buf bytes = { 0 };
        char pattern[300];
        glob_t found;

        read_file(file, &bytes);
        assert_true(btz_slice_is(btz_buf_slice(&bytes), "the old one"));
        snprintf(pattern, sizeof pattern, "%s.*", file);
        assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH);
        globfree(&found);
    }
}

static const struct engine_test tests[] = {
    ENGINE_TEST(test_there_and_back), ENGINE_TEST(test_versions), ENGINE_TEST(test_forgotten_part),
    ENGINE_TEST(test_damage),         ENGINE_TEST(test_crafted),  ENGINE_TEST(test_digest),
    ENGINE_TEST(test_no_room),
};

int main(void)
{
    return engines_run("store backup", tests, BTZ_COUNT(tests));
}
