/* Four eyes, elevation for a while, and emergencies. */
#include "access_fixture.h"

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void start_with_four_eyes(struct access_fixture *f, const char *const *actions, size_t count)
{
    access_prepare(f);
    f->conf.four_eyes =
        (struct btz_conf_list){ .items = (void *)(uintptr_t)actions, .count = count };
    access_open(f);
}

/* Entries of the trail for an operation; the last one's members are copied. */
struct seen {
    const char *operation, *event;
    size_t count;
    char name[64], approved_by[64], verdict[16], reason[256];
};

static enum btz_err each(void *user, const struct btz_trail_record *r)
{
    struct seen *s = user;
    const char *operation = text(r->entry, "operation"), *event = text(r->entry, "event");

    if ((s->operation && (!operation || strcmp(operation, s->operation) != 0)) ||
        (s->event && (!event || strcmp(event, s->event) != 0)))
        return BTZ_OK;
    s->count++;
    snprintf(s->name, sizeof s->name, "%s", text(r->entry, "name") ? text(r->entry, "name") : "");
    snprintf(s->approved_by, sizeof s->approved_by, "%s",
             text(r->entry, "approved_by") ? text(r->entry, "approved_by") : "");
    snprintf(s->verdict, sizeof s->verdict, "%s", text(r->entry, "verdict"));
    snprintf(s->reason, sizeof s->reason, "%s",
             text(r->entry, "reason") ? text(r->entry, "reason") : "");
    return BTZ_OK;
}

static struct seen trail(struct access_fixture *f, const char *operation, const char *event)
{
    const struct btz_trail_filter all = { .limit = SIZE_MAX };
    struct seen seen = { .operation = operation, .event = event };
    struct btz_store *s;

    access_must(btz_access_store(f->access, &s));
    access_must(btz_trail_read(btz_access_trail(f->access), s, &all, each, &seen, NULL));
    btz_access_store_back(f->access, s);
    return seen;
}

static void test_waits_for_a_second_person(void **state)
{
    static const char *const actions[] = { "group.write" };
    struct btz_caller alice, bob, viewer;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    struct seen seen;
    json_t *out;

    (void)state;
    start_with_four_eyes(&f, actions, 1);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    viewer = access_person(&f, "victor", "viewer");
    out = access_ok(&f, &alice, "group.create", json_pack("{s:s}", "name", "g"));
    assert_true(btz_is_id(f.approval, "apr_"));
    snprintf(id, sizeof id, "%s", f.approval);
    assert_string_equal(text(out, "status"), "pending");
    assert_string_equal(text(json_object_get(out, "input"), "name"), "g");
    json_decref(out);
    access_refused(&f, &f.local, "group.get", json_pack("{s:s}", "group", "g"), BTZ_INPUT);
    /* Who may not: himself, also by another session; somebody without the permission. */
    access_refused(&f, &alice, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    btz_id_new("ses_", f.now_ms, alice.session);
    access_refused(&f, &alice, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    access_refused(&f, &viewer, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    out = access_ok(&f, &bob, "approval.list", json_pack("{s:s}", "status", "pending"));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    json_decref(out);
    out = access_ok(&f, &bob, "approval.approve",
                    json_pack("{s:s, s:s}", "approval", id, "reason", "needed"));
    assert_string_equal(text(out, "status"), "approved");
    json_decref(out);
    access_do(&f, &f.local, "group.get", json_pack("{s:s}", "group", "g"));
    /* The change is in the name of whoever asked, with a note of the second person. */
    seen = trail(&f, "group.create", "change");
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.name, "alice");
    assert_string_equal(seen.approved_by, bob.principal);
    seen = trail(&f, "approval.approve", "approval");
    assert_string_equal(seen.name, "bob");
    /* Once. */
    access_refused(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_CONFLICT);
    access_stop(&f);
}

static void test_denied_withdrawn_expired(void **state)
{
    static const char *const actions[] = { "group.write" };
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    start_with_four_eyes(&f, actions, 1);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "g"));
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(&f, &bob, "approval.deny", json_pack("{s:s}", "approval", id), BTZ_USAGE);
    access_do(&f, &bob, "approval.deny",
              json_pack("{s:s, s:s}", "approval", id, "reason", "not now"));
    access_refused(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_CONFLICT);
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "g"));
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(&f, &bob, "me.approval.withdraw", json_pack("{s:s}", "approval", id), BTZ_INPUT);
    access_do(&f, &alice, "me.approval.withdraw", json_pack("{s:s}", "approval", id));
    access_refused(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_CONFLICT);
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "g"));
    snprintf(id, sizeof id, "%s", f.approval);
    f.now_ms += (uint64_t)f.conf.approval_ms + 1;
    bob.second_factor_ms = f.now_ms;
    access_refused(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_CONFLICT);
    access_refused(&f, &f.local, "group.get", json_pack("{s:s}", "group", "g"), BTZ_INPUT);
    access_stop(&f);
}

/* Between asking and approving the world goes on. */
static void test_checked_again_when_approved(void **state)
{
    static const char *const actions[] = { "group.write" };
    struct btz_caller alice, bob, carol;
    struct access_fixture f;
    char first[BTZ_ID_TEXT], second[BTZ_ID_TEXT];

    (void)state;
    start_with_four_eyes(&f, actions, 1);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    carol = access_person(&f, "carol", "admin");
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "g"));
    snprintf(first, sizeof first, "%s", f.approval);
    access_do(&f, &carol, "group.create", json_pack("{s:s}", "name", "g"));
    snprintf(second, sizeof second, "%s", f.approval);
    access_do(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", first));
    /* The name is taken now: the approval fails and changes nothing. */
    access_refused(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", second),
                   BTZ_CONFLICT);
    access_do(&f, &carol, "group.create", json_pack("{s:s}", "name", "h"));
    snprintf(second, sizeof second, "%s", f.approval);
    /* Whoever asked was disabled meanwhile. */
    access_do(&f, &f.local, "user.update",
              json_pack("{s:s, s:s}", "user", "carol", "status", "disabled"));
    access_refused(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", second),
                   BTZ_CONFLICT);
    access_refused(&f, &f.local, "group.get", json_pack("{s:s}", "group", "h"), BTZ_INPUT);
    access_stop(&f);
}

static void test_keys_do_not_help(void **state)
{
    static const char *const actions[] = { "group.write" };
    struct btz_caller alice, bob, robot, local;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    const char *secret;
    json_t *key;

    (void)state;
    start_with_four_eyes(&f, actions, 1);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_service(&f, "robot", "admin");
    /* A service whose key alice made asks: alice is behind it. */
    key = access_ok(&f, &alice, "key.create",
                    json_pack("{s:s, s:s, s:[s,s]}", "principal", "robot", "name", "k", "scopes",
                              "group.write group/*", "approval.decide approval/*"));
    secret = access_text(&f, key, "secret");
    json_decref(key);
    robot = access_by_key(&f, secret);
    access_do(&f, &robot, "group.create", json_pack("{s:s}", "name", "g"));
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(&f, &alice, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    access_do(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id));
    /* And a key approves nothing, whatever its scopes. */
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "h"));
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(&f, &robot, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    /* Nor does the same person at the command line. */
    access_must(btz_caller_local(f.access, "alice", &local));
    access_refused(&f, &local, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    access_do(&f, &f.local, "approval.approve", json_pack("{s:s}", "approval", id));
    /* The owner of the folder waits as well, and does not approve his own. */
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "i"));
    assert_true(f.approval[0] != '\0');
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(&f, &f.local, "approval.approve", json_pack("{s:s}", "approval", id),
                   BTZ_DENIED);
    access_do(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id));
    access_stop(&f);
}

/* What the operation answers is a secret of whoever asked. */
static void test_answer_is_for_whoever_asked(void **state)
{
    static const char *const actions[] = { "key.write" };
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    const char *secret;
    json_t *out;
    char *dump;

    (void)state;
    start_with_four_eyes(&f, actions, 1);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_service(&f, "robot", "user");
    access_do(&f, &alice, "key.create", json_pack("{s:s, s:s}", "principal", "robot", "name", "k"));
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(&f, &alice, "me.approval.collect", json_pack("{s:s}", "approval", id),
                   BTZ_CONFLICT);
    out = access_ok(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id));
    dump = json_dumps(out, 0);
    assert_null(strstr(dump, "btz_"));
    free(dump);
    json_decref(out);
    access_refused(&f, &bob, "me.approval.collect", json_pack("{s:s}", "approval", id), BTZ_INPUT);
    out = access_ok(&f, &alice, "me.approval.collect", json_pack("{s:s}", "approval", id));
    secret = text(json_object_get(out, "result"), "secret");
    assert_true(btz_is_key(btz_str(secret)));
    access_by_key(&f, secret);
    json_decref(out);
    access_refused(&f, &alice, "me.approval.collect", json_pack("{s:s}", "approval", id),
                   BTZ_CONFLICT);
    access_stop(&f);
}

/* ---- elevation ---- */

static void test_elevation(void **state)
{
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "user");
    bob = access_person(&f, "bob", "admin");
    access_refused(
        &f, &alice, "elevation.request",
        json_pack("{s:s, s:s, s:s}", "role", "data-steward", "duration", "9h", "reason", "claims"),
        BTZ_USAGE);
    out = access_ok(
        &f, &alice, "elevation.request",
        json_pack("{s:s, s:s, s:s}", "role", "auditor", "duration", "2h", "reason", "claims"));
    snprintf(id, sizeof id, "%s", f.approval);
    assert_string_equal(text(out, "reason"), "claims");
    json_decref(out);
    access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
    access_refused(&f, &alice, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    f.now_ms += 600000;
    access_do(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id));
    access_do(&f, &alice, "user.list", json_object());
    out = access_ok(&f, &f.local, "binding.list", json_pack("{s:s}", "kind", "elevation"));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    json_decref(out);
    /* From the approval on, and no longer. */
    f.now_ms += 2 * 3600000 - 1000;
    access_do(&f, &alice, "user.list", json_object());
    f.now_ms += 2000;
    access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
    out = access_ok(&f, &f.local, "binding.list", json_pack("{s:s}", "kind", "elevation"));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 0);
    json_decref(out);
    assert_int_equal(trail(&f, "elevation.request", "elevation").count, 1);
    assert_int_equal(trail(&f, "elevation.grant", "elevation").count, 1);
    /* A toxic pair is refused for a while as well. */
    alice = access_person(&f, "ada", "auditor");
    access_refused(&f, &alice, "elevation.request",
                   json_pack("{s:s, s:s, s:s}", "role", "admin", "duration", "1h", "reason", "x"),
                   BTZ_DENIED);
    access_stop(&f);
}

/* ---- break-glass ---- */

static void test_break_glass(void **state)
{
    struct btz_caller oscar, alice, viewer;
    struct access_fixture f;
    struct seen seen;
    json_t *out;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    oscar = access_person(&f, "oscar", "operator");
    viewer = access_person(&f, "victor", "viewer");
    access_refused(&f, &viewer, "break-glass.use", json_pack("{s:s}", "reason", "fire"),
                   BTZ_DENIED);
    access_refused(&f, &oscar, "user.create", json_pack("{s:s}", "name", "x"), BTZ_DENIED);
    access_refused(&f, &oscar, "break-glass.use", json_object(), BTZ_USAGE);
    assert_int_equal(f.errors, 0);
    access_do(&f, &oscar, "break-glass.use", json_pack("{s:s}", "reason", "fire"));
    /* At once, with an alarm in the log and in the trail. */
    access_do(&f, &oscar, "user.create", json_pack("{s:s}", "name", "x"));
    assert_int_equal(f.errors, 1);
    assert_non_null(strstr(f.last_error, "ALARM"));
    assert_non_null(strstr(f.last_error, "oscar"));
    seen = trail(&f, NULL, "break-glass");
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.name, "oscar");
    assert_string_equal(seen.reason, "fire");
    /* It is not the last administrator who stays, and it ends by itself. */
    f.now_ms += (uint64_t)f.conf.break_glass_ms + 1000;
    oscar.second_factor_ms = alice.second_factor_ms = f.now_ms;
    access_refused(&f, &oscar, "user.create", json_pack("{s:s}", "name", "y"), BTZ_DENIED);
    /* Listed until somebody else has looked at it. */
    out = access_ok(&f, &alice, "break-glass.list", json_object());
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    snprintf(id, sizeof id, "%s", text(json_array_get(json_object_get(out, "items"), 0), "id"));
    json_decref(out);
    access_do(&f, &alice, "break-glass.review",
              json_pack("{s:s, s:s}", "emergency", id, "remark", "right"));
    out = access_ok(&f, &alice, "break-glass.list", json_object());
    assert_int_equal(json_array_size(json_object_get(out, "items")), 0);
    json_decref(out);
    out = access_ok(&f, &alice, "break-glass.list", json_pack("{s:b}", "all", 1));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    json_decref(out);
    access_stop(&f);
}

/* What is old goes: requests that nobody decided, answers that nobody collected. */
static void test_tidied(void **state)
{
    static const char *const actions[] = { "key.write" };
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    struct btz_store *s;
    json_t *out;

    (void)state;
    start_with_four_eyes(&f, actions, 1);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_service(&f, "robot", "user");
    access_do(&f, &alice, "key.create", json_pack("{s:s, s:s}", "principal", "robot", "name", "k"));
    snprintf(id, sizeof id, "%s", f.approval);
    access_do(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id));
    access_do(&f, &alice, "key.create", json_pack("{s:s, s:s}", "principal", "robot", "name", "l"));
    f.now_ms += UINT64_C(8) * 86400000;
    access_must(btz_access_store(f.access, &s));
    access_must(btz_access_tidy(f.access, s));
    btz_access_store_back(f.access, s);
    access_refused(&f, &alice, "me.approval.collect", json_pack("{s:s}", "approval", id),
                   BTZ_CONFLICT);
    out = access_ok(&f, &bob, "approval.list", json_pack("{s:s}", "status", "expired"));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    json_decref(out);
    access_stop(&f);
}

static void test_settings_that_cannot_be(void **state)
{
    static const char *const wrong[] = { "approval.decide", "break-glass.use", "role.bnd" };
    struct access_fixture f;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(wrong); i++) {
        struct btz_access_options o;

        access_prepare(&f);
        f.conf.four_eyes =
            (struct btz_conf_list){ .items = (void *)(uintptr_t)&wrong[i], .count = 1 };
        o = (struct btz_access_options){ .state_dir = f.dir, .conf = &f.conf };
        assert_int_equal(btz_access_open(&o, &f.access), BTZ_USAGE);
        assert_non_null(strstr(btz_error_detail(), wrong[i]));
        f.access = NULL;
        access_stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_for_a_second_person),
        cmocka_unit_test(test_denied_withdrawn_expired),
        cmocka_unit_test(test_checked_again_when_approved),
        cmocka_unit_test(test_keys_do_not_help),
        cmocka_unit_test(test_answer_is_for_whoever_asked),
        cmocka_unit_test(test_elevation),
        cmocka_unit_test(test_break_glass),
        cmocka_unit_test(test_tidied),
        cmocka_unit_test(test_settings_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
