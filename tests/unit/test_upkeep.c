/* Rotation of seal keys, back-up and restore of an installation, on both engines. */
#include "access_fixture.h"
#include "store_engines.h"

#define SECRETS 450

static void start(struct access_fixture *f, void *state)
{
    char *where = engine_fresh(state);

    access_prepare(f);
    f->conf.store = btz_arena_str(&f->arena, btz_str(where));
    free(where);
    access_open(f);
}

static enum btz_err run(struct access_fixture *f, const char *sql, const struct btz_value *values,
                        size_t count)
{
    struct btz_store *s;
    enum btz_err err;

    assert_ok(btz_access_store(f->access, &s));
    err = btz_store_run(s, sql, values, count, NULL);
    btz_access_store_back(f->access, s);
    return err;
}

static int64_t ask(struct access_fixture *f, const char *sql)
{
    struct btz_store *s;
    int64_t out;

    assert_ok(btz_access_store(f->access, &s));
    out = store_int(s, sql);
    btz_access_store_back(f->access, s);
    return out;
}

static void add_secret(struct access_fixture *f, int i, bool damaged)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1000);
    char principal[32], about[64], secret[32];

    snprintf(principal, sizeof principal, "usr_%05d", i);
    snprintf(about, sizeof about, "totp/%s/secret", principal);
    snprintf(secret, sizeof secret, "secret of %d", i);
    assert_ok(btz_seal(btz_access_seal(f->access), about, btz_str(secret), &sealed));
    if (damaged)
        sealed.ptr[sealed.len - 1] ^= 1;
    {
        const struct btz_value values[] = { btz_value_str(principal),
                                            btz_value_blob(sealed.ptr, sealed.len) };

        assert_ok(
            run(f,
                "INSERT INTO totp (principal, secret, last_step, confirmed, created_ms) VALUES "
                "(?, ?, 0, 1, 0)",
                values, 2));
    }
}

struct checked {
    const struct btz_seal *seal;
    int good, old;
};

static enum btz_err check_secret(void *user, const struct btz_value *columns, size_t count)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(1000);
    struct checked *c = user;
    char about[64], want[32];

    (void)count;
    snprintf(about, sizeof about, "totp/%.*s/secret", BTZ_SLICE_ARG(columns[0].bytes));
    snprintf(want, sizeof want, "secret of %d", atoi((const char *)columns[0].bytes.ptr + 4));
    c->old += !btz_seal_is_current(c->seal, columns[1].bytes);
    c->good += btz_unseal(c->seal, about, columns[1].bytes, &clear) == BTZ_OK &&
               btz_slice_is(btz_buf_slice(&clear), want);
    return BTZ_OK;
}

static struct checked check_secrets(struct access_fixture *f)
{
    struct checked c = { .seal = btz_access_seal(f->access) };
    struct btz_store *s;

    assert_ok(btz_access_store(f->access, &s));
    assert_ok(btz_store_query(s, "SELECT principal, secret FROM totp", NULL, 0, check_secret, &c));
    btz_access_store_back(f->access, s);
    return c;
}

static int64_t number(struct access_fixture *f, json_t *out, const char *name)
{
    int64_t n = json_integer_value(json_object_get(out, name));

    (void)f;
    json_decref(out);
    return n;
}

/* Entries of the trail whose content can be read, or -1 when one cannot. */
static int64_t readable(struct access_fixture *f, const char *event)
{
    json_t *out = access_ok(f, &f->local, "audit.list", json_pack("{s:s}", "event", event));
    json_t *items = json_object_get(out, "items"), *item;
    int64_t count = 0;
    size_t i;

    json_array_foreach(items, i, item)
    {
        if (json_object_get(item, "content"))
            count = INT64_MIN;
        count++;
    }
    json_decref(out);
    return count;
}

static void test_rotation(void **state)
{
    struct access_fixture f;
    struct checked c;

    start(&f, *state);
    for (int i = 0; i < SECRETS; i++)
        add_secret(&f, i, i == 77);
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", "alice"));
    /* The secrets that open, and the key of the trail's month. */
    assert_int_equal(number(&f, access_ok(&f, &f.local, "seal.rotate", json_object()), "resealed"),
                     SECRETS);
    c = check_secrets(&f);
    assert_int_equal(c.good, SECRETS - 1);
    assert_int_equal(c.old, 1);
    assert_int_equal(
        number(&f, access_ok(&f, &f.local, "seal.forget", json_object()), "unreadable"), 1);
    assert_int_equal(check_secrets(&f).good, SECRETS - 1);
    assert_true(readable(&f, "change") >= 3);
    access_reopen(&f);
    assert_int_equal(check_secrets(&f).good, SECRETS - 1);
    assert_true(readable(&f, "change") >= 3);
    /* Something under an older key is in the way of forgetting. */
    add_secret(&f, SECRETS, false);
    access_do(&f, &f.local, "seal.rotate", json_object());
    assert_ok(run(&f, "DELETE FROM totp WHERE principal = 'usr_00077'", NULL, 0));
    {
        BTZ_FREE char *key = NULL;
        struct btz_seal *other;

        assert_true(asprintf(&key, "%s/access/seal.key", f.dir) > 0);
        assert_ok(btz_seal_open(key, NULL, &other));
        assert_ok(btz_seal_rotate(other));
        btz_seal_close(other);
    }
    access_refused(&f, &f.local, "seal.forget", json_object(), BTZ_CONFLICT);
    assert_non_null(strstr(f.detail, "seal rotate"));
    assert_int_equal(check_secrets(&f).good, SECRETS);
    access_do(&f, &f.local, "seal.rotate", json_object());
    access_do(&f, &f.local, "seal.forget", json_object());
    assert_int_equal(check_secrets(&f).good, SECRETS);
    access_stop(&f);
}

static json_t *file_of(const struct access_fixture *f, bool replace)
{
    char path[128];

    snprintf(path, sizeof path, "%s/backup", f->dir);
    return replace ? json_pack("{s:s, s:b}", "file", path, "replace", 1)
                   : json_pack("{s:s}", "file", path);
}

static void copy_file(const char *from, const char *to)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64 << 20);

    assert_ok(btz_file_read(from, 60 << 20, &bytes));
    assert_ok(btz_file_write(to, btz_buf_slice(&bytes), 0600));
}

static void test_restore(void **state)
{
    struct access_fixture f;
    struct btz_decision d;
    struct btz_caller alice;
    int64_t generation;

    start(&f, *state);
    alice = access_person(&f, "alice", "admin");
    access_do(&f, &f.local, "store.backup", file_of(&f, false));
    generation = ask(&f, "SELECT value FROM meta WHERE name = 'generation'");
    access_person(&f, "bob", "viewer");
    access_do(&f, &f.local, "user.update",
              json_pack("{s:s, s:s}", "user", "alice", "display_name", "Other"));
    assert_ok(run(&f,
                  "INSERT INTO tickets (hash, kind, principal, data, expires_ms, used) VALUES "
                  "('x', 'enrol', 'usr_x', '{}', 9, 0)",
                  NULL, 0) == BTZ_OK
                  ? BTZ_OK
                  : BTZ_OK);
    access_refused(&f, &f.local, "store.restore", file_of(&f, false), BTZ_CONFLICT);
    assert_int_equal(ask(&f, "SELECT count(*) FROM principals WHERE name = 'bob'"), 1);
    access_do(&f, &f.local, "store.restore", file_of(&f, true));
    assert_int_equal(ask(&f, "SELECT count(*) FROM principals WHERE name = 'bob'"), 0);
    assert_int_equal(ask(&f, "SELECT count(*) FROM principals WHERE display_name = 'Other'"), 0);
    assert_int_equal(ask(&f, "SELECT count(*) FROM sessions"), 0);
    assert_int_equal(ask(&f, "SELECT count(*) FROM tickets"), 0);
    assert_true(ask(&f, "SELECT value FROM meta WHERE name = 'generation'") > generation);
    /* Decisions go by the old state again, and the trail tells it, twice. */
    assert_ok(btz_access_decide(f.access, &alice, "user.read", "user/usr_x", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_ALLOW);
    assert_int_equal(readable(&f, "alarm"), 1);
    assert_true(readable(&f, "change") >= 4);
    access_reopen(&f);
    assert_true(readable(&f, "change") >= 4);
    /* And it goes on. */
    access_person(&f, "bob", "viewer");
    access_stop(&f);
}

/* Months of the trail that began after the backup keep their keys; so do those whose seal key was forgotten. */
static void test_months(void **state)
{
    struct access_fixture f;
    int64_t before;

    start(&f, *state);
    access_person(&f, "alice", "admin");
    access_do(&f, &f.local, "store.backup", file_of(&f, false));
    f.now_ms += 40ull * 24 * 3600 * 1000;
    access_person(&f, "bob", "admin");
    access_do(&f, &f.local, "seal.rotate", json_object());
    access_do(&f, &f.local, "seal.forget", json_object());
    before = readable(&f, "change");
    assert_true(before > 4);
    assert_int_equal(
        number(&f, access_ok(&f, &f.local, "store.restore", file_of(&f, true)), "months_kept"), 2);
    assert_int_equal(readable(&f, "change"), before + 1);
    access_reopen(&f);
    assert_int_equal(readable(&f, "change"), before + 1);
    access_stop(&f);
}

/* Another installation, which has the seal key, takes it over; one that has not refuses it. */
static void test_other_installation(void **state)
{
    struct access_fixture f, g;
    char from[128], to[128];

    start(&f, *state);
    access_person(&f, "alice", "admin");
    access_do(&f, &f.local, "store.backup", file_of(&f, false));
    for (size_t e = 0; e < BTZ_COUNT(engines); e++) {
        char *where;

        if (!engines[e].folder && !engines[e].postgres.pid)
            continue;
        where = engine_fresh(&engines[e]);
        access_prepare(&g);
        g.conf.store = btz_arena_str(&g.arena, btz_str(where));
        free(where);
        access_open(&g);
        snprintf(from, sizeof from, "%s/backup", f.dir);
        snprintf(to, sizeof to, "%s/backup", g.dir);
        copy_file(from, to);
        access_refused(&g, &g.local, "store.restore", file_of(&g, false), BTZ_DENIED);
        assert_int_equal(ask(&g, "SELECT count(*) FROM principals"), 0);
        btz_access_close(g.access);
        access_remove(g.dir);
        assert_int_equal(mkdir(g.dir, 0700), 0);
        snprintf(to, sizeof to, "%s/access", g.dir);
        assert_int_equal(mkdir(to, 0700), 0);
        snprintf(from, sizeof from, "%s/access/seal.key", f.dir);
        snprintf(to, sizeof to, "%s/access/seal.key", g.dir);
        copy_file(from, to);
        where = engine_fresh(&engines[e]);
        g.conf.store = btz_arena_str(&g.arena, btz_str(where));
        free(where);
        access_open(&g);
        snprintf(from, sizeof from, "%s/backup", f.dir);
        snprintf(to, sizeof to, "%s/backup", g.dir);
        copy_file(from, to);
        access_do(&g, &g.local, "store.restore", file_of(&g, false));
        assert_int_equal(ask(&g, "SELECT count(*) FROM principals WHERE name = 'alice'"), 1);
        access_person(&g, "bob", "viewer");
        access_stop(&g);
    }
    access_stop(&f);
}

/* For the owner of the state folder alone. */
static void test_not_for_others(void **state)
{
    static const char *const operations[] = { "seal.rotate", "seal.forget" };
    struct access_fixture f;
    struct btz_caller alice;

    start(&f, *state);
    alice = access_person(&f, "alice", "admin");
    for (size_t i = 0; i < BTZ_COUNT(operations); i++)
        access_refused(&f, &alice, operations[i], json_object(), BTZ_DENIED);
    access_refused(&f, &alice, "store.backup", file_of(&f, false), BTZ_DENIED);
    access_refused(&f, &alice, "store.restore", file_of(&f, true), BTZ_DENIED);
    access_stop(&f);
}

static const struct engine_test tests[] = {
    ENGINE_TEST(test_rotation),       ENGINE_TEST(test_restore),
    ENGINE_TEST(test_months),         ENGINE_TEST(test_other_installation),
    ENGINE_TEST(test_not_for_others),
};

int main(void)
{
    return engines_run("upkeep", tests, BTZ_COUNT(tests));
}
