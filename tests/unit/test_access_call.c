#include "access_fixture.h"

static void test_files_are_private(void **state)
{
    static const char *const files[] = { "access/access.db", "access/seal.key", "access/snapshot" };
    struct access_fixture f;
    struct stat st;
    char path[256];

    (void)state;
    access_start(&f);
    for (size_t i = 0; i < BTZ_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", f.dir, files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    snprintf(path, sizeof path, "%s/access", f.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    access_stop(&f);
}

static void test_users_by_local(void **state)
{
    struct access_fixture f;
    json_t *user, *list;

    (void)state;
    access_start(&f);
    user = access_ok(&f, &f.local, "user.create",
                     json_pack("{s:s, s:s, s:s}", "name", "Alice", "display_name", "Alice Müller",
                               "email", "alice@example.com"));
    assert_string_equal(json_string_value(json_object_get(user, "name")), "alice");
    assert_string_equal(json_string_value(json_object_get(user, "status")), "active");
    assert_true(btz_is_id(json_string_value(json_object_get(user, "id")), "usr_"));
    assert_string_equal(f.etag, "1");
    json_decref(user);
    access_refused(&f, &f.local, "user.create", json_pack("{s:s}", "name", "alice"), BTZ_CONFLICT);
    list = access_ok(&f, &f.local, "user.list", json_object());
    assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
    assert_true(json_is_null(json_object_get(list, "next")));
    json_decref(list);
    access_stop(&f);
}

static void test_permission_decides(void **state)
{
    struct access_fixture f;
    struct btz_caller admin, viewer, nobody = { .kind = BTZ_CALLER_NOBODY };

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    viewer = access_person(&f, "bob", "viewer");
    access_do(&f, &admin, "user.create", json_pack("{s:s}", "name", "carol"));
    access_refused(&f, &viewer, "user.create", json_pack("{s:s}", "name", "dave"), BTZ_DENIED);
    access_refused(&f, &nobody, "user.list", json_object(), BTZ_DENIED);
    /* A second factor that is too old, or none. */
    f.now_ms += (uint64_t)f.conf.step_up_ms + 1000;
    access_refused(&f, &admin, "user.create", json_pack("{s:s}", "name", "dave"), BTZ_DENIED);
    assert_true(f.needs_step_up);
    access_do(&f, &admin, "user.get", json_pack("{s:s}", "user", "carol"));
    /* Disabled: nothing at all. */
    access_do(&f, &f.local, "user.update",
              json_pack("{s:s, s:s}", "user", "bob", "status", "disabled"));
    access_refused(&f, &viewer, "me.approval.list", json_object(), BTZ_DENIED);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_private),
        cmocka_unit_test(test_users_by_local),
        cmocka_unit_test(test_permission_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
