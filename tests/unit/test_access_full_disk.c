/*
 * A disk that is full: who is signed in goes on and reads, changes fail clearly and change nothing, refusals stay refusals.
 * With room again everything goes on, and nothing that was acknowledged is missing. A small file system of its own where
 * one can be mounted; a limit on the size of files otherwise.
 */
#include "disk_fixture.h"

static size_t user_count(struct access_fixture *f, const struct btz_caller *caller)
{
    json_t *page = access_ok(f, caller, "user.list", json_pack("{s:i}", "limit", 500));
    size_t count = json_array_size(json_object_get(page, "items"));

    json_decref(page);
    return count;
}

static size_t entries(struct access_fixture *f, const char *operation);

static void test_full_disk(void **state)
{
    struct btz_caller admin, viewer;
    size_t before, failed = 0, done = 0, written;
    struct access_fixture f;
    struct disk d;
    char name[32];

    (void)state;
    disk_start(&f, &d, 4);
    print_message("%s\n", d.mounted ? "a file system of its own" : "a limit on file sizes");
    admin = access_person(&f, "alice", "admin");
    viewer = access_person(&f, "bob", "viewer");
    before = user_count(&f, &admin);
    written = entries(&f, "user.create");
    disk_fill(&d);
    for (int i = 0; i < 10; i++) {
        enum btz_err err;

        snprintf(name, sizeof name, "u%d", i);
        err = access_call(&f, &admin, "user.create", NULL, json_pack("{s:s}", "name", name), NULL);
        if (err == BTZ_OK) {
            done++;
            continue;
        }
        failed++;
        if (err != BTZ_IO)
            print_error("%s: %s\n", btz_err_name(err), f.detail);
        assert_int_equal(err, BTZ_IO);
        assert_true(f.detail[0] != '\0');
        /* Reads and those who are signed in go on, also in another lane. */
        assert_int_equal(user_count(&f, &admin), before + done);
        access_do(&f, &viewer, "me.approval.list", json_object());
        access_refused(&f, &viewer, "user.list", json_object(), BTZ_DENIED);
    }
    assert_true(failed > 0);
    disk_free(&d);
    f.now_ms += 61000;
    access_do(&f, &admin, "user.create", json_pack("{s:s}", "name", "after"));
    assert_int_equal(user_count(&f, &admin), before + done + 1);
    /* One entry for each that was done, none for those that failed. */
    assert_int_equal(entries(&f, "user.create"), written + done + 1);
    access_reopen(&f);
    assert_int_equal(user_count(&f, &admin), before + done + 1);
    access_do(&f, &admin, "user.create", json_pack("{s:s}", "name", "later"));
    disk_stop(&f, &d);
}

/* Opening with no room may fail, clearly; nothing is lost by it. */
static void test_opened_when_full(void **state)
{
    struct btz_access_options o;
    struct btz_caller admin;
    struct access_fixture f;
    enum btz_err err;
    struct disk d;

    (void)state;
    disk_start(&f, &d, 4);
    admin = access_person(&f, "alice", "admin");
    btz_access_close(f.access);
    f.access = NULL;
    disk_fill(&d);
    o = (struct btz_access_options){
        .state_dir = f.dir, .conf = &f.conf, .now_ms = access_clock, .clock_user = &f
    };
    err = btz_access_open(&o, &f.access);
    assert_true(err == BTZ_OK || err == BTZ_IO);
    btz_access_close(err == BTZ_OK ? f.access : NULL);
    disk_free(&d);
    access_open(&f);
    assert_int_equal(user_count(&f, &admin), 1);
    access_do(&f, &admin, "user.create", json_pack("{s:s}", "name", "x"));
    disk_stop(&f, &d);
}

/* ---- entries of an operation ---- */

struct seen {
    const char *operation;
    size_t count;
};

static enum btz_err each(void *user, const struct btz_trail_record *r)
{
    struct seen *s = user;
    const char *operation = json_string_value(json_object_get(r->entry, "operation"));
    const char *verdict = json_string_value(json_object_get(r->entry, "verdict"));

    if (operation && strcmp(operation, s->operation) == 0 && strcmp(verdict, "allow") == 0)
        s->count++;
    return BTZ_OK;
}

static size_t entries(struct access_fixture *f, const char *operation)
{
    const struct btz_trail_filter all = { .limit = SIZE_MAX };
    struct seen seen = { .operation = operation };
    struct btz_store *s;

    access_must(btz_access_store(f->access, &s));
    access_must(btz_trail_read(btz_access_trail(f->access), s, &all, each, &seen, NULL));
    btz_access_store_back(f->access, s);
    return seen.count;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_opened_when_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
