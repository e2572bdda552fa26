/* People, services, groups, bindings, roles and policies: what can be done, and what nobody can. */
#include "access_fixture.h"

static size_t items(const json_t *page)
{
    return json_array_size(json_object_get(page, "items"));
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* ---- names ---- */

static void test_names(void **state)
{
    static const char *const good[] = { "a", "0", "alice.b_c@d+e-f", "ALICE2", "x1234567890" };
    static const char *const bad[] = { "",       "-a",  ".a",   "@a",     "a b",
                                       "müller", "a/b", "a*",   "a\tb",   "self",
                                       "own",    "me",  "a'--", "user:a", "a\xe2\x80\xaez" };
    struct access_fixture f;
    char longest[200];

    (void)state;
    access_start(&f);
    for (size_t i = 0; i < BTZ_COUNT(good); i++)
        access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", good[i]));
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        access_refused(&f, &f.local, "user.create", json_pack("{s:s}", "name", bad[i]), BTZ_USAGE);
    memset(longest, 'a', sizeof longest);
    longest[127] = '\0';
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", longest));
    longest[127] = 'a';
    longest[128] = '\0';
    access_refused(&f, &f.local, "user.create", json_pack("{s:s}", "name", longest), BTZ_USAGE);
    /* One name space: a service cannot take a person's name, in any spelling. */
    access_refused(&f, &f.local, "service.create", json_pack("{s:s}", "name", "alice2"),
                   BTZ_CONFLICT);
    access_stop(&f);
}

static void test_fields_are_checked(void **state)
{
    struct access_fixture f;

    (void)state;
    access_start(&f);
    access_refused(&f, &f.local, "user.create", json_object(), BTZ_USAGE);
    assert_non_null(strstr(f.detail, "`name`"));
    access_refused(&f, &f.local, "user.create", json_pack("{s:s, s:s}", "name", "a", "emial", "x"),
                   BTZ_USAGE);
    assert_non_null(strstr(f.detail, "did you mean `email`?"));
    access_refused(&f, &f.local, "user.create", json_pack("{s:i}", "name", 7), BTZ_USAGE);
    access_refused(&f, &f.local, "user.create", json_pack("{s:s, s:s}", "name", "a", "email", "b"),
                   BTZ_USAGE);
    access_refused(&f, &f.local, "user.list", json_pack("{s:i}", "limit", 0), BTZ_USAGE);
    access_refused(&f, &f.local, "user.list", json_pack("{s:i}", "limit", 501), BTZ_USAGE);
    access_refused(&f, &f.local, "user.list", json_pack("{s:s}", "status", "actve"), BTZ_USAGE);
    assert_non_null(strstr(f.detail, "did you mean \"active\"?"));
    access_refused(&f, &f.local, "user.create",
                   json_pack("{s:s, s:s}", "name", "a", "display_name", "two\nlines"), BTZ_USAGE);
    /* From a query everything is text. */
    access_do(&f, &f.local, "user.list", json_pack("{s:s}", "limit", "5"));
    access_refused(&f, &f.local, "user.list", json_pack("{s:s}", "limit", "5x"), BTZ_USAGE);
    access_stop(&f);
}

/* ---- versions ---- */

static void test_versions(void **state)
{
    struct access_fixture f;
    json_t *out;

    (void)state;
    access_start(&f);
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", "alice"));
    assert_int_equal(access_call(&f, &f.local, "user.update", "\"1\"",
                                 json_pack("{s:s, s:s}", "user", "alice", "display_name", "A"),
                                 &out),
                     BTZ_OK);
    json_decref(out);
    assert_string_equal(f.etag, "2");
    /* Somebody who saw version 1 changes nothing. */
    assert_int_equal(access_call(&f, &f.local, "user.update", "\"1\"",
                                 json_pack("{s:s, s:s}", "user", "alice", "display_name", "B"),
                                 &out),
                     BTZ_CONFLICT);
    assert_true(f.stale);
    assert_int_equal(
        access_call(&f, &f.local, "user.delete", "1", json_pack("{s:s}", "user", "alice"), &out),
        BTZ_CONFLICT);
    out = access_ok(&f, &f.local, "user.get", json_pack("{s:s}", "user", "alice"));
    assert_string_equal(text(out, "display_name"), "A");
    json_decref(out);
    /* An empty text takes a value away; what is not named stays. */
    access_do(&f, &f.local, "user.update",
              json_pack("{s:s, s:s, s:s}", "user", "alice", "display_name", "", "email",
                        "a@example.com"));
    out = access_ok(&f, &f.local, "user.get", json_pack("{s:s}", "user", "alice"));
    assert_true(json_is_null(json_object_get(out, "display_name")));
    assert_string_equal(text(out, "email"), "a@example.com");
    json_decref(out);
    access_stop(&f);
}

/* ---- pages ---- */

static void test_pages(void **state)
{
    char seen[25][16], name[16];
    struct access_fixture f;
    size_t count = 0;
    json_t *in = json_pack("{s:i}", "limit", 7), *page;

    (void)state;
    access_start(&f);
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "u%02d", i * 7 % 25);
        access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", name));
    }
    while (in) {
        page = access_ok(&f, &f.local, "user.list", in);
        for (size_t i = 0; i < items(page); i++)
            snprintf(seen[count++], sizeof seen[0], "%s",
                     text(json_array_get(json_object_get(page, "items"), i), "name"));
        in = text(page, "next") ? json_pack("{s:i, s:s}", "limit", 7, "cursor", text(page, "next"))
                                : NULL;
        json_decref(page);
    }
    assert_int_equal(count, 25);
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "u%02d", i);
        assert_string_equal(seen[i], name);
    }
    page = access_ok(&f, &f.local, "user.list", json_pack("{s:s}", "prefix", "u1"));
    assert_int_equal(items(page), 10);
    json_decref(page);
    access_stop(&f);
}

/* ---- groups ---- */

static void test_groups_give_roles(void **state)
{
    struct access_fixture f;
    struct btz_caller alice;
    json_t *group;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", NULL);
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "auditors"));
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "auditor", "subject", "group/auditors"));
    access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
    group = access_ok(&f, &f.local, "group.member.add",
                      json_pack("{s:s, s:s}", "group", "auditors", "principal", "alice"));
    assert_int_equal(json_array_size(json_object_get(group, "members")), 1);
    json_decref(group);
    access_do(&f, &alice, "user.list", json_object());
    /* Twice is once. */
    access_do(&f, &f.local, "group.member.add",
              json_pack("{s:s, s:s}", "group", "auditors", "principal", "alice"));
    access_do(&f, &f.local, "group.member.remove",
              json_pack("{s:s, s:s}", "group", "auditors", "principal", "alice"));
    access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
    access_stop(&f);
}

/* ---- bindings that are for a while, or for a part ---- */

static void test_bindings_end_by_themselves(void **state)
{
    struct access_fixture f;
    struct btz_caller alice;
    char until[BTZ_TIME_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", NULL);
    btz_time_format(f.now_ms + 3600000, until);
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s, s:s}", "role", "auditor", "subject", "alice", "until", until));
    access_do(&f, &alice, "user.list", json_object());
    f.now_ms += 3599000;
    access_do(&f, &alice, "user.list", json_object());
    f.now_ms += 2000;
    access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
    btz_time_format(f.now_ms - 1, until);
    access_refused(&f, &f.local, "binding.create",
                   json_pack("{s:s, s:s, s:s}", "role", "user", "subject", "alice", "until", until),
                   BTZ_USAGE);
    access_refused(&f, &f.local, "binding.create",
                   json_pack("{s:s, s:s}", "role", "auditr", "subject", "alice"), BTZ_USAGE);
    assert_non_null(strstr(f.detail, "did you mean auditor?"));
    access_stop(&f);
}

static void test_bindings_for_a_part(void **state)
{
    struct access_fixture f;
    struct btz_caller alice;

    (void)state;
    access_start(&f);
    access_person(&f, "root-admin", "admin");
    alice = access_person(&f, "alice", NULL);
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s, s:s}", "role", "admin", "subject", "alice", "resource",
                        "group/team-*"));
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "team-a"));
    access_refused(&f, &alice, "group.create", json_pack("{s:s}", "name", "other"), BTZ_DENIED);
    access_refused(&f, &alice, "group.list", json_object(), BTZ_DENIED);
    access_refused(&f, &alice, "user.create", json_pack("{s:s}", "name", "x"), BTZ_DENIED);
    /* By id as by name. */
    access_do(&f, &alice, "group.get", json_pack("{s:s}", "group", "TEAM-A"));
    access_refused(
        &f, &f.local, "binding.create",
        json_pack("{s:s, s:s, s:s}", "role", "admin", "subject", "alice", "resource", "nonsense"),
        BTZ_USAGE);
    access_stop(&f);
}

/* ---- separation of duties ---- */

static void test_nobody_serves_himself(void **state)
{
    struct access_fixture f;
    struct btz_caller alice, bob;
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    /* A role for himself: by name, by id, by a group he is in, by joining a group that has one. */
    access_refused(&f, &alice, "binding.create",
                   json_pack("{s:s, s:s}", "role", "user", "subject", "alice"), BTZ_DENIED);
    access_refused(&f, &alice, "binding.create",
                   json_pack("{s:s, s:s}", "role", "user", "subject", alice.principal), BTZ_DENIED);
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "mine"));
    access_do(&f, &alice, "group.member.add",
              json_pack("{s:s, s:s}", "group", "mine", "principal", "alice"));
    access_refused(&f, &alice, "binding.create",
                   json_pack("{s:s, s:s}", "role", "user", "subject", "group/mine"), BTZ_DENIED);
    access_do(&f, &bob, "group.create", json_pack("{s:s}", "name", "users"));
    access_do(&f, &bob, "binding.create",
              json_pack("{s:s, s:s}", "role", "user", "subject", "group/users"));
    access_refused(&f, &alice, "group.member.add",
                   json_pack("{s:s, s:s}", "group", "users", "principal", "alice"), BTZ_DENIED);
    /* Others do it for him. */
    access_do(&f, &bob, "group.member.add",
              json_pack("{s:s, s:s}", "group", "users", "principal", "alice"));
    /* Nor does he take one of his own away. */
    out = access_ok(&f, &bob, "binding.list", json_pack("{s:s}", "subject", "alice"));
    assert_int_equal(items(out), 1);
    access_refused(
        &f, &alice, "binding.delete",
        json_pack("{s:s}", "binding", text(json_array_get(json_object_get(out, "items"), 0), "id")),
        BTZ_DENIED);
    json_decref(out);
    access_refused(&f, &alice, "user.delete", json_pack("{s:s}", "user", "alice"), BTZ_CONFLICT);
    access_stop(&f);
}

static void test_toxic_pairs(void **state)
{
    struct access_fixture f;

    (void)state;
    access_start(&f);
    access_person(&f, "alice", "auditor");
    access_person(&f, "bob", "admin");
    access_refused(&f, &f.local, "binding.create",
                   json_pack("{s:s, s:s}", "role", "admin", "subject", "alice"), BTZ_USAGE);
    /* By a group too. */
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "admins"));
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "admin", "subject", "group/admins"));
    access_refused(&f, &f.local, "group.member.add",
                   json_pack("{s:s, s:s}", "group", "admins", "principal", "alice"), BTZ_USAGE);
    access_stop(&f);
}

/* An administrator of a corner does not become one of everything through somebody else's account or group. */
static void test_no_side_door(void **state)
{
    static const char helper[] = "policy: helpdesk\n"
                                 "roles:\n"
                                 "  helpdesk:\n"
                                 "    about: Adds and unlocks people, and fills groups.\n"
                                 "    rules:\n"
                                 "      - id: people\n"
                                 "        effect: allow\n"
                                 "        actions: [user.read, user.write, group.write]\n"
                                 "        resources: [\"*\"]\n";
    struct access_fixture f;
    struct btz_caller helpdesk;

    (void)state;
    access_start(&f);
    access_person(&f, "alice", "admin");
    access_person(&f, "carol", "viewer");
    access_do(&f, &f.local, "policy.put",
              json_pack("{s:s, s:s}", "policy", "helpdesk", "text", helper));
    helpdesk = access_person(&f, "helen", "helpdesk");
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "admins"));
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "admin", "subject", "group/admins"));
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "viewers"));
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "viewer", "subject", "group/viewers"));
    access_do(&f, &helpdesk, "group.member.add",
              json_pack("{s:s, s:s}", "group", "viewers", "principal", "carol"));
    access_refused(&f, &helpdesk, "group.member.add",
                   json_pack("{s:s, s:s}", "group", "admins", "principal", "carol"), BTZ_DENIED);
    /* A new password, or no second factor, for an administrator's account would be the account. */
    access_do(&f, &helpdesk, "user.invite", json_pack("{s:s}", "user", "carol"));
    access_refused(&f, &helpdesk, "user.invite", json_pack("{s:s}", "user", "alice"), BTZ_DENIED);
    access_refused(&f, &helpdesk, "user.reset-mfa", json_pack("{s:s}", "user", "alice"),
                   BTZ_DENIED);
    access_refused(&f, &helpdesk, "user.update",
                   json_pack("{s:s, s:s}", "user", "alice", "email", "evil@example.com"),
                   BTZ_DENIED);
    /* Nobody writes the rules of a role that he holds. */
    access_stop(&f);
}

static void test_last_administrator(void **state)
{
    struct access_fixture f;
    struct btz_caller alice, bob;
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    access_refused(&f, &f.local, "user.delete", json_pack("{s:s}", "user", "alice"), BTZ_CONFLICT);
    assert_non_null(strstr(f.detail, "give the role admin to another"));
    access_refused(&f, &f.local, "user.update",
                   json_pack("{s:s, s:s}", "user", "alice", "status", "disabled"), BTZ_CONFLICT);
    access_refused(&f, &alice, "user.update",
                   json_pack("{s:s, s:s}", "user", "alice", "status", "disabled"), BTZ_CONFLICT);
    out = access_ok(&f, &f.local, "binding.list", json_object());
    access_refused(
        &f, &f.local, "binding.delete",
        json_pack("{s:s}", "binding", text(json_array_get(json_object_get(out, "items"), 0), "id")),
        BTZ_CONFLICT);
    json_decref(out);
    /* Nothing of it happened. */
    access_do(&f, &alice, "user.get", json_pack("{s:s}", "user", "alice"));
    bob = access_person(&f, "bob", "admin");
    access_do(&f, &bob, "user.delete", json_pack("{s:s}", "user", "alice"));
    access_refused(&f, &f.local, "user.delete", json_pack("{s:s}", "user", "bob"), BTZ_CONFLICT);
    /* An administrator for a while is none who stays. */
    access_person(&f, "carol", NULL);
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s, s:s}", "role", "admin", "subject", "carol", "until",
                        "2030-01-01T00:00:00Z"));
    access_refused(&f, &f.local, "user.delete", json_pack("{s:s}", "user", "bob"), BTZ_CONFLICT);
    access_stop(&f);
}

/* ---- policies ---- */

#define POLICY(name, role, actions)                                                                \
    "policy: " name "\nroles:\n  " role                                                            \
    ":\n    about: test\n    rules:\n      - id: r1\n        effect: "                             \
    "allow\n        actions: [" actions "]\n        resources: [\"*\"]\n"

static void test_policies(void **state)
{
    struct access_fixture f;
    struct btz_caller admin, writer, alice;
    json_t *out;

    (void)state;
    access_start(&f);
    admin = access_person(&f, "root-admin", "admin");
    access_do(&f, &admin, "policy.put",
              json_pack("{s:s, s:s}", "policy", "p", "text", POLICY("p", "lister", "user.read")));
    assert_string_equal(f.etag, "1");
    alice = access_person(&f, "alice", "lister");
    access_do(&f, &alice, "user.list", json_object());
    /* A change of the rules takes effect at once. */
    access_do(&f, &admin, "policy.put",
              json_pack("{s:s, s:s}", "policy", "p", "text", POLICY("p", "lister", "group.read")));
    access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
    access_do(&f, &alice, "group.list", json_object());
    /* A role that is bound cannot go; nor can a policy come that is wrong, or that redefines a ready role. */
    assert_int_not_equal(
        access_call(&f, &admin, "policy.delete", NULL, json_pack("{s:s}", "policy", "p"), NULL),
        BTZ_OK);
    access_refused(&f, &admin, "policy.put",
                   json_pack("{s:s, s:s}", "policy", "q", "text", POLICY("q", "x", "user.raed")),
                   BTZ_USAGE);
    assert_non_null(strstr(f.detail, "user.read"));
    access_refused(
        &f, &admin, "policy.put",
        json_pack("{s:s, s:s}", "policy", "q", "text", POLICY("q", "viewer", "user.read")),
        BTZ_USAGE);
    access_refused(&f, &admin, "policy.put",
                   json_pack("{s:s, s:s}", "policy", "q", "text", POLICY("z", "x", "user.read")),
                   BTZ_USAGE);
    /* People are not written into policies. */
    access_refused(&f, &admin, "policy.put",
                   json_pack("{s:s, s:s}", "policy", "q", "text",
                             "policy: q\nprincipals:\n  - {id: usr_1, name: mallory}\n"),
                   BTZ_USAGE);
    access_do(&f, &alice, "group.list", json_object());
    /* Nobody writes the rules of a role that he holds, nor of one that it inherits. */
    access_do(&f, &admin, "policy.put",
              json_pack("{s:s, s:s}", "policy", "w", "text",
                        POLICY("w", "writer", "policy.read, policy.write")));
    writer = access_person(&f, "wendy", "writer");
    access_refused(&f, &writer, "policy.put",
                   json_pack("{s:s, s:s}", "policy", "w", "text", POLICY("w", "writer", "\"*\"")),
                   BTZ_DENIED);
    access_do(&f, &writer, "policy.put",
              json_pack("{s:s, s:s}", "policy", "p", "text", POLICY("p", "lister", "role.read")));
    out = access_ok(&f, &writer, "policy.get", json_pack("{s:s}", "policy", "p"));
    assert_string_equal(f.etag, "3");
    assert_string_equal(text(out, "text"), POLICY("p", "lister", "role.read"));
    json_decref(out);
    access_stop(&f);
}

static void test_roles_are_shown(void **state)
{
    struct access_fixture f;
    struct btz_caller auditor;
    json_t *out;

    (void)state;
    access_start(&f);
    auditor = access_person(&f, "alice", "auditor");
    out = access_ok(&f, &auditor, "role.list", json_object());
    assert_int_equal(items(out), 8);
    json_decref(out);
    out = access_ok(&f, &auditor, "role.get", json_pack("{s:s}", "role", "admin"));
    assert_true(json_is_true(json_object_get(out, "administrative")));
    json_decref(out);
    out = access_ok(&f, &auditor, "role.get", json_pack("{s:s}", "role", "viewer"));
    assert_false(json_is_true(json_object_get(out, "administrative")));
    json_decref(out);
    access_refused(&f, &auditor, "role.get", json_pack("{s:s}", "role", "none"), BTZ_INPUT);
    assert_true(f.not_found);
    access_stop(&f);
}

/* ---- decisions ---- */

static void test_decisions(void **state)
{
    struct access_fixture f;
    struct btz_caller alice, auditor;
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "user");
    auditor = access_person(&f, "ada", "auditor");
    out = access_ok(&f, &alice, "decide",
                    json_pack("{s:s, s:s}", "action", "model.invoke", "resource", "model/m"));
    assert_string_equal(text(out, "verdict"), "allow");
    json_decref(out);
    out = access_ok(&f, &alice, "decide",
                    json_pack("{s:s, s:s}", "action", "model.delete", "resource", "model/m"));
    assert_string_equal(text(out, "verdict"), "deny");
    json_decref(out);
    /* Of others only with permission. */
    access_refused(&f, &alice, "decide",
                   json_pack("{s:s, s:s, s:s}", "principal", "ada", "action", "model.invoke",
                             "resource", "model/m"),
                   BTZ_DENIED);
    out = access_ok(&f, &auditor, "decide",
                    json_pack("{s:s, s:s, s:s}", "principal", "alice", "action", "model.invoke",
                              "resource", "model/m"));
    assert_string_equal(text(out, "verdict"), "allow");
    json_decref(out);
    access_refused(&f, &alice, "decide",
                   json_pack("{s:s, s:s}", "action", "model.invok", "resource", "model/m"),
                   BTZ_USAGE);
    assert_non_null(strstr(f.detail, "did you mean model.invoke?"));
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_fields_are_checked),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_groups_give_roles),
        cmocka_unit_test(test_bindings_end_by_themselves),
        cmocka_unit_test(test_bindings_for_a_part),
        cmocka_unit_test(test_nobody_serves_himself),
        cmocka_unit_test(test_toxic_pairs),
        cmocka_unit_test(test_no_side_door),
        cmocka_unit_test(test_last_administrator),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_roles_are_shown),
        cmocka_unit_test(test_decisions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
