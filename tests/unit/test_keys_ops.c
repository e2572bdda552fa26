/* API keys: shown once, never more than their owner, expiry, rotation with overlap, revocation. */
#include "access_fixture.h"

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void expect_refused(struct access_fixture *f, const char *secret)
{
    struct btz_caller c = { .kind = BTZ_CALLER_NOBODY };

    assert_int_equal(btz_caller_key(f->access, btz_str(secret), &c), BTZ_DENIED);
    assert_int_equal(c.kind, BTZ_CALLER_NOBODY);
    /* Whoever tries is not told what was wrong. */
    assert_string_equal(btz_error_detail(), "the key is not accepted");
}

/* Do the bytes stand in any file of the state? */
static bool found;
static const char *needle;

static int search(const char *path, const struct stat *st, int type, struct FTW *at)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64u << 20);

    (void)st, (void)at;
    if (type == FTW_F && btz_file_read(path, 64u << 20, &bytes) == BTZ_OK)
        found |= btz_slice_has(btz_buf_slice(&bytes), needle);
    return 0;
}

static bool is_on_disk(struct access_fixture *f, const char *bytes)
{
    found = false;
    needle = bytes;
    nftw(f->dir, search, 16, FTW_PHYS);
    return found;
}

static void test_shown_once(void **state)
{
    const char *id, *secret;
    struct access_fixture f;
    struct btz_caller alice;
    json_t *key, *shown;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "user");
    key = access_ok(&f, &alice, "me.key.create", json_pack("{s:s}", "name", "laptop"));
    secret = access_text(&f, key, "secret");
    id = access_text(&f, key, "id");
    assert_true(btz_is_key(btz_str(secret)));
    assert_int_equal(strncmp(secret, text(key, "shown"), strlen(text(key, "shown"))), 0);
    assert_true(strlen(text(key, "shown")) <= 12);
    json_decref(key);
    shown = access_ok(&f, &alice, "me.key.list", json_object());
    assert_int_equal(json_array_size(json_object_get(shown, "items")), 1);
    assert_null(json_object_get(json_array_get(json_object_get(shown, "items"), 0), "secret"));
    json_decref(shown);
    shown = access_ok(&f, &f.local, "key.get", json_pack("{s:s}", "key", id));
    assert_null(json_object_get(shown, "secret"));
    json_decref(shown);
    assert_string_equal(access_by_key(&f, secret).principal, alice.principal);
    btz_access_close(f.access);
    f.access = NULL;
    assert_false(is_on_disk(&f, secret));
    assert_false(is_on_disk(&f, secret + 12));
    access_open(&f);
    assert_string_equal(access_by_key(&f, secret).name, "alice");
    access_stop(&f);
}

static void test_what_is_no_key(void **state)
{
    static const char *const bad[] = { "", "btz_", "x", "btz_000000000000000000000000000000000000",
                                       "' OR 1=1 --" };
    char other[BTZ_KEY_TEXT], changed[BTZ_KEY_TEXT];
    struct access_fixture f;
    const char *secret;

    (void)state;
    access_start(&f);
    access_service(&f, "robot", "user");
    access_key(&f, "robot", NULL, &secret);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        expect_refused(&f, bad[i]);
    btz_key_new(other);
    expect_refused(&f, other);
    snprintf(changed, sizeof changed, "%s", secret);
    changed[20] = changed[20] == 'a' ? 'b' : 'a';
    expect_refused(&f, changed);
    access_stop(&f);
}

static void test_scopes(void **state)
{
    struct btz_caller robot, admin, key;
    struct btz_decision d;
    struct access_fixture f;

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    access_service(&f, "robot", "user");
    robot = access_key(&f, "robot", "model.invoke model/gpt-*", NULL);
    access_must(btz_access_decide(f.access, &robot, "model.invoke", "model/gpt-4o", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_ALLOW);
    access_must(btz_access_decide(f.access, &robot, "model.invoke", "model/llama", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_DENY);
    assert_int_equal(d.why, BTZ_WHY_KEY_SCOPE);
    access_must(btz_access_decide(f.access, &robot, "tool.call", "tool/x", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_DENY);
    /* Without scopes: all that the owner may. */
    robot = access_key(&f, "robot", NULL, NULL);
    access_must(btz_access_decide(f.access, &robot, "model.invoke", "model/llama", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_ALLOW);
    /* Wider than the owner, unknown, ill-formed. */
    access_refused(&f, &f.local, "key.create",
                   json_pack("{s:s, s:s, s:[s]}", "principal", "robot", "name", "k", "scopes",
                             "dataset.write dataset/*"),
                   BTZ_USAGE);
    access_refused(&f, &f.local, "key.create",
                   json_pack("{s:s, s:s, s:[s]}", "principal", "robot", "name", "k", "scopes",
                             "model.invok model/*"),
                   BTZ_USAGE);
    access_refused(&f, &f.local, "key.create",
                   json_pack("{s:s, s:s, s:[s]}", "principal", "robot", "name", "k", "scopes",
                             "model.invoke nonsense"),
                   BTZ_USAGE);
    /* An administrator's rights: only where a scope names the action in full. */
    access_service(&f, "provision", "admin");
    key = access_key(&f, "provision", NULL, NULL);
    access_refused(&f, &key, "user.create", json_pack("{s:s}", "name", "bob"), BTZ_DENIED);
    access_do(&f, &key, "user.list", json_object());
    key = access_key(&f, "provision", "user.write user/*", NULL);
    access_do(&f, &key, "user.create", json_pack("{s:s}", "name", "bob"));
    access_refused(&f, &key, "group.create", json_pack("{s:s}", "name", "g"), BTZ_DENIED);
    (void)admin;
    access_stop(&f);
}

/* The key of a service must not give its maker what he has not himself; and nobody gets a person's key. */
static void test_makers(void **state)
{
    static const char policy[] = "policy: keys\nroles:\n  keymaster:\n    about: Makes keys.\n"
                                 "    rules:\n      - id: keys\n        effect: allow\n"
                                 "        actions: [key.read, key.write]\n"
                                 "        resources: [\"*\"]\n";
    struct access_fixture f;
    struct btz_caller maker;

    (void)state;
    access_start(&f);
    access_person(&f, "alice", "admin");
    access_do(&f, &f.local, "policy.put",
              json_pack("{s:s, s:s}", "policy", "keys", "text", policy));
    maker = access_person(&f, "mark", "keymaster");
    access_service(&f, "provision", "admin");
    access_refused(&f, &maker, "key.create",
                   json_pack("{s:s, s:s}", "principal", "alice", "name", "k"), BTZ_DENIED);
    access_refused(&f, &maker, "key.create",
                   json_pack("{s:s, s:s, s:[s]}", "principal", "provision", "name", "k", "scopes",
                             "role.bind role/*"),
                   BTZ_DENIED);
    access_do(&f, &maker, "key.create",
              json_pack("{s:s, s:s}", "principal", "provision", "name", "k"));
    access_stop(&f);
}

static void test_expiry(void **state)
{
    struct access_fixture f;
    const char *secret;
    struct btz_caller robot;
    json_t *key;

    (void)state;
    access_start(&f);
    access_service(&f, "robot", "user");
    key = access_ok(&f, &f.local, "key.create",
                    json_pack("{s:s, s:s, s:s}", "principal", "robot", "name", "k", "life", "1h"));
    secret = access_text(&f, key, "secret");
    json_decref(key);
    robot = access_by_key(&f, secret);
    access_do(&f, &robot, "me.key.list", json_object());
    f.now_ms += 3601000;
    expect_refused(&f, secret);
    /* Also for whoever showed it before. */
    access_refused(&f, &robot, "me.key.list", json_object(), BTZ_DENIED);
    key = access_ok(&f, &f.local, "key.list", json_object());
    assert_string_equal(text(json_array_get(json_object_get(key, "items"), 0), "status"),
                        "expired");
    json_decref(key);
    access_refused(&f, &f.local, "key.create",
                   json_pack("{s:s, s:s, s:s}", "principal", "robot", "name", "k", "expires",
                             "2020-01-01T00:00:00Z"),
                   BTZ_USAGE);
    access_stop(&f);
}

static void test_rotation(void **state)
{
    const char *old, *new, *newest;
    struct access_fixture f;
    struct btz_caller robot;
    struct btz_decision d;
    char first[BTZ_ID_TEXT];
    json_t *key;

    (void)state;
    access_start(&f);
    access_service(&f, "robot", "user");
    robot = access_key(&f, "robot", "model.invoke model/a", &old);
    snprintf(first, sizeof first, "%s", robot.key);
    key = access_ok(&f, &f.local, "key.rotate",
                    json_pack("{s:s, s:s}", "key", first, "overlap", "2h"));
    new = access_text(&f, key, "secret");
    assert_string_not_equal(new, old);
    json_decref(key);
    /* Both go on, with the same rights. */
    access_by_key(&f, old);
    robot = access_by_key(&f, new);
    access_must(btz_access_decide(f.access, &robot, "model.invoke", "model/a", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_ALLOW);
    access_must(btz_access_decide(f.access, &robot, "model.invoke", "model/b", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_DENY);
    /* Once is enough: a stolen old key must not make more. */
    access_refused(&f, &f.local, "key.rotate", json_pack("{s:s}", "key", first), BTZ_CONFLICT);
    f.now_ms += 7201000;
    expect_refused(&f, old);
    access_by_key(&f, new);
    /* Without overlap, at once. */
    key = access_ok(&f, &f.local, "key.rotate",
                    json_pack("{s:s, s:s}", "key", robot.key, "overlap", "0"));
    newest = access_text(&f, key, "secret");
    json_decref(key);
    expect_refused(&f, new);
    access_by_key(&f, newest);
    access_stop(&f);
}

/* A service rotates its own key by itself, and nothing else. */
static void test_a_key_rotates_itself(void **state)
{
    struct access_fixture f;
    struct btz_caller one, two;
    json_t *key;

    (void)state;
    access_start(&f);
    access_service(&f, "robot", "user");
    one = access_key(&f, "robot", NULL, NULL);
    two = access_key(&f, "robot", NULL, NULL);
    access_refused(&f, &one, "me.key.rotate", json_pack("{s:s}", "key", two.key), BTZ_DENIED);
    access_refused(&f, &one, "me.key.create", json_pack("{s:s}", "name", "k"), BTZ_DENIED);
    key = access_ok(&f, &one, "me.key.rotate", json_pack("{s:s}", "key", one.key));
    access_by_key(&f, text(key, "secret"));
    json_decref(key);
    access_stop(&f);
}

/* An administrator's cookie alone, without a fresh factor, makes no key that may do administrative things. */
static void test_a_key_is_no_way_around_the_second_factor(void **state)
{
    struct access_fixture f;
    struct btz_caller alice, bob, robot;
    json_t *key;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    key = access_ok(&f, &alice, "me.key.create",
                    json_pack("{s:s, s:[s,s]}", "name", "k", "scopes", "user.write user/*",
                              "role.bind role/*"));
    snprintf(id, sizeof id, "%s", text(key, "id"));
    json_decref(key);
    f.now_ms += (uint64_t)f.conf.step_up_ms + 1000;
    for (size_t i = 0; i < 2; i++) {
        access_refused(&f, &alice, "me.key.create",
                       json_pack("{s:s, s:[s]}", "name", "k", "scopes", "user.write user/*"),
                       BTZ_DENIED);
        assert_true(f.needs_step_up);
        access_refused(&f, &alice, "me.key.rotate", json_pack("{s:s}", "key", id), BTZ_DENIED);
        assert_true(f.needs_step_up);
        alice.second_factor_ms = 0; /* and none at all */
    }
    /* Nor one that outlives the stolen cookie, where there is a factor to ask for. */
    alice.second_factor_ms = f.now_ms - (uint64_t)f.conf.step_up_ms - 1000;
    access_refused(&f, &alice, "me.key.create", json_pack("{s:s}", "name", "k"), BTZ_DENIED);
    assert_true(f.needs_step_up);
    alice.second_factor_ms = f.now_ms;
    access_do(&f, &alice, "me.key.rotate", json_pack("{s:s}", "key", id));
    /* Somebody without a factor makes keys for his work. */
    bob = access_person(&f, "bob", "user");
    bob.second_factor_ms = 0;
    access_do(&f, &bob, "me.key.create",
              json_pack("{s:s, s:[s]}", "name", "k", "scopes", "model.invoke model/*"));
    /* The key of a service goes on rotating itself. */
    access_service(&f, "robot", "admin");
    robot = access_key(&f, "robot", "*", NULL);
    access_do(&f, &robot, "me.key.rotate", json_pack("{s:s}", "key", robot.key));
    access_stop(&f);
}

static void test_revocation(void **state)
{
    struct access_fixture f;
    struct btz_caller robot, other, alice;
    const char *secret, *second;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "user");
    access_service(&f, "robot", "user");
    robot = access_key(&f, "robot", NULL, &secret);
    other = access_key(&f, "robot", NULL, &second);
    /* Not by somebody else; nobody is told that it exists. */
    access_refused(&f, &alice, "me.key.delete", json_pack("{s:s}", "key", robot.key), BTZ_INPUT);
    assert_true(f.not_found);
    access_do(&f, &f.local, "key.delete", json_pack("{s:s}", "key", robot.key));
    expect_refused(&f, secret);
    access_refused(&f, &robot, "me.key.list", json_object(), BTZ_DENIED);
    access_by_key(&f, second);
    /* With its owner. */
    access_do(&f, &f.local, "service.update",
              json_pack("{s:s, s:s}", "service", "robot", "status", "disabled"));
    expect_refused(&f, second);
    access_do(&f, &f.local, "service.update",
              json_pack("{s:s, s:s}", "service", "robot", "status", "active"));
    access_by_key(&f, second);
    access_do(&f, &f.local, "service.delete", json_pack("{s:s}", "service", "robot"));
    expect_refused(&f, second);
    access_refused(&f, &other, "me.key.list", json_object(), BTZ_DENIED);
    access_stop(&f);
}

static void test_last_use(void **state)
{
    char now[BTZ_TIME_TEXT];
    struct access_fixture f;
    struct btz_caller robot;
    const char *secret;
    json_t *key;

    (void)state;
    access_start(&f);
    access_service(&f, "robot", "user");
    robot = access_key(&f, "robot", NULL, &secret);
    btz_time_format(f.now_ms, now);
    access_do(&f, &robot, "me.key.list", json_object());
    key = access_ok(&f, &f.local, "key.get", json_pack("{s:s}", "key", robot.key));
    assert_string_equal(text(key, "last_used"), now);
    json_decref(key);
    /* Not again within the hour. */
    f.now_ms += 60000;
    access_by_key(&f, secret);
    access_do(&f, &robot, "me.key.list", json_object());
    key = access_ok(&f, &f.local, "key.get", json_pack("{s:s}", "key", robot.key));
    assert_string_equal(text(key, "last_used"), now);
    json_decref(key);
    f.now_ms += 2 * 3600000;
    btz_time_format(f.now_ms, now);
    access_by_key(&f, secret);
    access_do(&f, &robot, "me.key.list", json_object());
    key = access_ok(&f, &f.local, "key.get", json_pack("{s:s}", "key", robot.key));
    assert_string_equal(text(key, "last_used"), now);
    json_decref(key);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shown_once),
        cmocka_unit_test(test_what_is_no_key),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_makers),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_a_key_rotates_itself),
        cmocka_unit_test(test_a_key_is_no_way_around_the_second_factor),
        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_last_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
