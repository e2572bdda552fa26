/* Four eyes against somebody who has only two: side doors to a role, and second persons who are none. */
#include "access_fixture.h"

#define DAY UINT64_C(86400000)

/* Behind the people of a test: they get their roles without waiting. */
static void four_eyes(struct access_fixture *f, const char *action)
{
    static const char *actions[1];

    actions[0] = action;
    f->conf.four_eyes = (struct btz_conf_list){ .items = (void *)actions, .count = 1 };
}

static bool waits(struct access_fixture *f, const struct btz_caller *who, const char *operation,
                  json_t *in)
{
    access_do(f, who, operation, in);
    return f->approval[0] != '\0';
}

static enum btz_err approve(struct access_fixture *f, const struct btz_caller *who, const char *id)
{
    json_t *in = json_pack("{s:s}", "approval", id);

    return access_call(f, who, "approval.approve", NULL, in, NULL);
}

static size_t members(struct access_fixture *f, const char *group)
{
    json_t *out = access_ok(f, &f->local, "group.get", json_pack("{s:s}", "group", group));
    size_t n = json_array_size(json_object_get(out, "members"));

    json_decref(out);
    return n;
}

static void pass_days(struct access_fixture *f, unsigned days, struct btz_caller *one,
                      struct btz_caller *other)
{
    f->now_ms += days * DAY;
    one->second_factor_ms = other->second_factor_ms = f->now_ms;
}

/* ---- what comes to giving a role ---- */

static void test_joining_a_group_is_being_given_its_roles(void **state)
{
    static const char *const groups[] = { "admins", "plain", "watched" };
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_person(&f, "puppet", NULL);
    for (size_t i = 0; i < BTZ_COUNT(groups); i++)
        access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", groups[i]));
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "user", "subject", "group/admins"));
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "data-steward", "subject", "group/watched"));
    access_do(&f, &f.local, "group.member.add",
              json_pack("{s:s, s:s}", "group", "watched", "principal", "puppet"));
    four_eyes(&f, "role.bind");
    assert_false(waits(&f, &alice, "group.member.add",
                       json_pack("{s:s, s:s}", "group", "plain", "principal", "puppet")));
    assert_true(waits(&f, &alice, "group.member.add",
                      json_pack("{s:s, s:s}", "group", "Admins", "principal", "puppet")));
    snprintf(id, sizeof id, "%s", f.approval);
    assert_int_equal(members(&f, "admins"), 0);
    assert_int_equal(approve(&f, &alice, id), BTZ_DENIED);
    assert_int_equal(members(&f, "admins"), 0);
    assert_int_equal(approve(&f, &bob, id), BTZ_OK);
    assert_int_equal(members(&f, "admins"), 1);
    /* Leaving takes a role away, unless the role is one that forbids. */
    assert_false(waits(&f, &alice, "group.member.remove",
                       json_pack("{s:s, s:s}", "group", "admins", "principal", "puppet")));
    assert_true(waits(&f, &alice, "group.member.remove",
                      json_pack("{s:s, s:s}", "group", "watched", "principal", "puppet")));
    assert_int_equal(members(&f, "watched"), 1);
    assert_true(waits(&f, &alice, "group.delete", json_pack("{s:s}", "group", "watched")));
    assert_false(waits(&f, &alice, "group.delete", json_pack("{s:s}", "group", "admins")));
    access_stop(&f);
}

#define POLICY(body)                                                                               \
    "policy: help\nroles:\n  helper:\n    about: Helps.\n    rules:\n      - id: help\n"           \
    "        effect: allow\n        actions: " body "\n        resources: [\"*\"]\n"
#define FORBIDS                                                                                    \
    "      - id: no\n        effect: deny\n        actions: [role.bind]\n        resources: "      \
    "[\"*\"]\n"

static json_t *put(const char *text)
{
    return json_pack("{s:s, s:s}", "policy", "help", "text", text);
}

static void test_a_policy_that_makes_administrators(void **state)
{
    struct btz_caller alice, bob, puppet;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_do(&f, &f.local, "policy.put", put(POLICY("[model.list]")));
    puppet = access_person(&f, "puppet", "helper");
    four_eyes(&f, "role.bind");
    /* What helpers do with models is work of an administrator. */
    assert_false(waits(&f, &alice, "policy.put", put(POLICY("[model.list, model.read]"))));
    /* Rules that only roles nobody has speak of administer nothing yet. */
    assert_false(waits(&f, &alice, "policy.put",
                       json_pack("{s:s, s:s}", "policy", "spare", "text",
                                 "policy: spare\nroles:\n  spare:\n    about: Spare.\n    rules:\n"
                                 "      - id: all\n        effect: allow\n        actions: "
                                 "[\"user.*\"]\n        resources: [\"*\"]\n")));
    assert_true(waits(&f, &alice, "binding.create",
                      json_pack("{s:s, s:s}", "role", "spare", "subject", "puppet")));
    /* Making the role of somebody administrative, itself or by what it inherits. */
    assert_true(waits(&f, &alice, "policy.put", put(POLICY("[model.list, \"user.*\"]"))));
    assert_true(
        waits(&f, &alice, "policy.put", put(POLICY("[model.list]") "    inherits: [admin]\n")));
    access_refused(&f, &puppet, "user.create", json_pack("{s:s}", "name", "x"), BTZ_DENIED);
    assert_true(waits(&f, &alice, "policy.put", put(POLICY("[\"user.*\"]") FORBIDS)));
    snprintf(id, sizeof id, "%s", f.approval);
    assert_int_equal(approve(&f, &bob, id), BTZ_OK);
    access_do(&f, &puppet, "user.create", json_pack("{s:s}", "name", "x"));
    /* And taking away what forbids. */
    assert_true(waits(&f, &alice, "policy.put", put(POLICY("[\"*\"]"))));
    assert_true(waits(&f, &alice, "policy.put", put(POLICY("[model.list]"))));
    access_stop(&f);
}

/* A service is a way to a role as well. */
static void test_roles_of_services_wait_too(void **state)
{
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    four_eyes(&f, "role.bind");
    access_do(&f, &alice, "service.create", json_pack("{s:s}", "name", "robot"));
    assert_true(waits(&f, &alice, "binding.create",
                      json_pack("{s:s, s:s}", "role", "auditor", "subject", "service/robot")));
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(
        &f, &alice, "key.create",
        json_pack("{s:s, s:s, s:[s]}", "principal", "robot", "name", "k", "scopes", "audit.read *"),
        BTZ_USAGE);
    assert_int_equal(approve(&f, &alice, id), BTZ_DENIED);
    assert_int_equal(approve(&f, &bob, id), BTZ_OK);
    access_stop(&f);
}

/* ---- a second person who is the first one ---- */

static void test_who_was_taken_over_is_no_second_person(void **state)
{
    static const char *const takes[] = { "user.invite", "user.reset-mfa" };
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    four_eyes(&f, "group.write");
    for (size_t i = 0; i < BTZ_COUNT(takes); i++) {
        /* After asking, and before. */
        access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "g"));
        snprintf(id, sizeof id, "%s", f.approval);
        access_do(&f, &alice, takes[i], json_pack("{s:s}", "user", "bob"));
        assert_int_equal(approve(&f, &bob, id), BTZ_DENIED);
        pass_days(&f, 6, &alice, &bob);
        access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "g"));
        snprintf(id, sizeof id, "%s", f.approval);
        assert_int_equal(approve(&f, &bob, id), BTZ_DENIED);
        assert_non_null(strstr(f.detail, "within a week"));
        /* Nor the other way round: what bob asks for, alice may have asked for. */
        access_do(&f, &bob, "group.create", json_pack("{s:s}", "name", "h"));
        snprintf(id, sizeof id, "%s", f.approval);
        assert_int_equal(approve(&f, &alice, id), BTZ_DENIED);
        pass_days(&f, 2, &alice, &bob);
        assert_true(waits(&f, &alice, "group.create",
                          json_pack("{s:s}", "name", i == 0 ? "first" : "second")));
        snprintf(id, sizeof id, "%s", f.approval);
        assert_int_equal(approve(&f, &bob, id), BTZ_OK);
    }
    access_stop(&f);
}

static void test_other_ways_to_be_somebody(void **state)
{
    struct btz_caller alice, bob, carol, dave, local;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    carol = access_person(&f, "carol", "admin");
    dave = access_person(&f, "dave", "admin");
    four_eyes(&f, "role.bind");
    access_do(&f, &alice, "certificate.add",
              json_pack("{s:s, s:s}", "principal", "bob", "san", "email:bob@example.org"));
    /* Through somebody between; by the command line under his own name; by waking up who slept. */
    access_do(&f, &bob, "user.invite", json_pack("{s:s}", "user", "carol"));
    assert_true(waits(&f, &alice, "binding.create",
                      json_pack("{s:s, s:s}", "role", "user", "subject", "dave")));
    snprintf(id, sizeof id, "%s", f.approval);
    assert_int_equal(approve(&f, &bob, id), BTZ_DENIED);
    assert_int_equal(approve(&f, &carol, id), BTZ_DENIED);
    access_must(btz_caller_local(f.access, "alice", &local));
    access_do(&f, &local, "user.update",
              json_pack("{s:s, s:s}", "user", "dave", "status", "disabled"));
    access_do(&f, &local, "user.update",
              json_pack("{s:s, s:s}", "user", "dave", "status", "active"));
    assert_int_equal(approve(&f, &dave, id), BTZ_DENIED);
    /* The owner of the folder, who is nobody in it, invites whom he likes. */
    access_do(&f, &f.local, "user.invite", json_pack("{s:s}", "user", "alice"));
    assert_int_equal(approve(&f, &f.local, id), BTZ_OK);
    access_stop(&f);
}

static void test_the_maker_stays_behind_a_rotated_key(void **state)
{
    struct btz_caller alice, bob, local, key, second;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_service(&f, "ci", "admin");
    access_must(btz_caller_local(f.access, "alice", &local));
    four_eyes(&f, "group.write");
    for (unsigned i = 0; i < 4; i++) {
        /* Made by alice, by alice at the command line, and taken by alice from another one's. */
        const struct btz_caller *maker = i == 0 ? &alice : i == 1 ? &local : &bob;

        out = access_ok(&f, maker, "key.create",
                        json_pack("{s:s, s:s, s:[s,s,s]}", "principal", "ci", "name", "k", "scopes",
                                  "group.write *", "key.own key/own", "key.write key/*"));
        key = access_by_key(&f, json_string_value(json_object_get(out, "secret")));
        json_decref(out);
        if (i == 2)
            out = access_ok(&f, &alice, "key.rotate", json_pack("{s:s}", "key", key.key));
        else if (i == 3)
            out = access_ok(&f, &key, "key.rotate", json_pack("{s:s}", "key", key.key));
        else
            out = access_ok(&f, &key, "me.key.rotate", json_pack("{s:s}", "key", key.key));
        second = access_by_key(&f, json_string_value(json_object_get(out, "secret")));
        json_decref(out);
        access_do(&f, &second, "group.create", json_pack("{s:s}", "name", "g"));
        snprintf(id, sizeof id, "%s", f.approval);
        assert_int_equal(approve(&f, i == 3 ? &bob : &alice, id), BTZ_DENIED);
        assert_int_equal(approve(&f, i == 3 ? &bob : &local, id), BTZ_DENIED);
        access_do(&f, &f.local, "approval.deny",
                  json_pack("{s:s, s:s}", "approval", id, "reason", "no"));
    }
    access_stop(&f);
}

/* A program that makes a key for another program; a certificate that somebody registered long ago. */
static void test_the_maker_stays_behind_programs(void **state)
{
    struct btz_caller alice, bob, one, two, cert = { .kind = BTZ_CALLER_CERT };
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    const char *robot;
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_service(&f, "maker", "admin");
    robot = access_service(&f, "robot", "admin");
    access_do(&f, &alice, "certificate.add",
              json_pack("{s:s, s:s}", "principal", "robot", "san", "dns:robot.example.org"));
    out = access_ok(&f, &alice, "key.create",
                    json_pack("{s:s, s:s, s:[s,s]}", "principal", "maker", "name", "k", "scopes",
                              "key.write *", "group.write *"));
    one = access_by_key(&f, json_string_value(json_object_get(out, "secret")));
    json_decref(out);
    out = access_ok(&f, &one, "key.create",
                    json_pack("{s:s, s:s, s:[s]}", "principal", "robot", "name", "k", "scopes",
                              "group.write *"));
    two = access_by_key(&f, json_string_value(json_object_get(out, "secret")));
    json_decref(out);
    pass_days(&f, 30, &alice, &bob);
    four_eyes(&f, "group.write");
    snprintf(cert.principal, sizeof cert.principal, "%s", robot);
    snprintf(cert.name, sizeof cert.name, "robot");
    snprintf(cert.method, sizeof cert.method, "mtls");
    cert.client_cert = true;
    cert.second_factor_ms = f.now_ms;
    access_do(&f, &two, "group.create", json_pack("{s:s}", "name", "g"));
    snprintf(id, sizeof id, "%s", f.approval);
    assert_int_equal(approve(&f, &alice, id), BTZ_DENIED);
    assert_int_equal(approve(&f, &bob, id), BTZ_OK);
    access_do(&f, &cert, "group.create", json_pack("{s:s}", "name", "h"));
    snprintf(id, sizeof id, "%s", f.approval);
    assert_int_equal(approve(&f, &alice, id), BTZ_DENIED);
    assert_int_equal(approve(&f, &bob, id), BTZ_OK);
    access_stop(&f);
}

/* The emergency of oscar is not reviewed by oscar at the command line. */
static void test_no_review_of_ones_own_emergency(void **state)
{
    struct btz_caller oscar, local;
    struct access_fixture f;
    json_t *out, *in;

    (void)state;
    access_start(&f);
    oscar = access_person(&f, "oscar", "operator");
    access_do(&f, &oscar, "break-glass.use", json_pack("{s:s}", "reason", "fire"));
    out = access_ok(&f, &oscar, "break-glass.list", json_object());
    in = json_pack("{s:O}", "emergency",
                   json_object_get(json_array_get(json_object_get(out, "items"), 0), "id"));
    json_decref(out);
    json_object_set_new(in, "remark", json_string("right"));
    access_must(btz_caller_local(f.access, "oscar", &local));
    access_refused(&f, &local, "break-glass.review", json_incref(in), BTZ_DENIED);
    access_refused(&f, &oscar, "break-glass.review", json_incref(in), BTZ_DENIED);
    access_do(&f, &f.local, "break-glass.review", in);
    access_stop(&f);
}

/* ---- what a stolen key may touch ---- */

static void test_a_key_has_nothing_of_the_other_credentials(void **state)
{
    struct btz_caller alice, bob, key, other;
    struct access_fixture f;
    char by_alice[BTZ_ID_TEXT], by_key[BTZ_ID_TEXT];
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    access_service(&f, "robot", "admin");
    key = access_key(&f, alice.principal, "key.write key/*", NULL);
    other = access_key(&f, alice.principal, NULL, NULL);
    four_eyes(&f, "key.write");
    access_do(&f, &alice, "key.create", json_pack("{s:s, s:s}", "principal", "robot", "name", "a"));
    snprintf(by_alice, sizeof by_alice, "%s", f.approval);
    access_do(&f, &key, "key.create",
              json_pack("{s:s, s:s, s:[s]}", "principal", "robot", "name", "b", "scopes",
                        "key.write key/*"));
    snprintf(by_key, sizeof by_key, "%s", f.approval);
    access_refused(&f, &other, "me.approval.withdraw", json_pack("{s:s}", "approval", by_alice),
                   BTZ_INPUT);
    access_refused(&f, &other, "me.approval.withdraw", json_pack("{s:s}", "approval", by_key),
                   BTZ_INPUT);
    assert_int_equal(approve(&f, &bob, by_alice), BTZ_OK);
    assert_int_equal(approve(&f, &bob, by_key), BTZ_OK);
    access_refused(&f, &other, "me.approval.collect", json_pack("{s:s}", "approval", by_alice),
                   BTZ_INPUT);
    access_refused(&f, &key, "me.approval.collect", json_pack("{s:s}", "approval", by_alice),
                   BTZ_INPUT);
    access_refused(&f, &other, "me.approval.collect", json_pack("{s:s}", "approval", by_key),
                   BTZ_INPUT);
    access_do(&f, &key, "me.approval.collect", json_pack("{s:s}", "approval", by_key));
    access_do(&f, &alice, "me.approval.collect", json_pack("{s:s}", "approval", by_alice));
    out = access_ok(&f, &other, "me.approval.list", json_object());
    assert_int_equal(json_array_size(json_object_get(out, "items")), 0);
    json_decref(out);
    out = access_ok(&f, &key, "me.approval.list", json_object());
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    json_decref(out);
    out = access_ok(&f, &alice, "me.approval.list", json_object());
    assert_int_equal(json_array_size(json_object_get(out, "items")), 2);
    json_decref(out);
    /* It sees and ends itself alone. */
    out = access_ok(&f, &other, "me.key.list", json_object());
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    json_decref(out);
    access_refused(&f, &other, "me.key.delete", json_pack("{s:s}", "key", key.key), BTZ_DENIED);
    access_do(&f, &key, "me.key.list", json_object());
    access_do(&f, &other, "me.key.delete", json_pack("{s:s}", "key", other.key));
    access_do(&f, &alice, "me.key.delete", json_pack("{s:s}", "key", key.key));
    access_stop(&f);
}

/* Waiting for a second person is no second factor: who asked with an old one is refused when it counts. */
static void test_waiting_refreshes_no_factor(void **state)
{
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    four_eyes(&f, "key.own");
    f.now_ms += 3600000;
    access_do(&f, &alice, "me.key.create",
              json_pack("{s:s, s:[s]}", "name", "k", "scopes", "user.write user/*"));
    snprintf(id, sizeof id, "%s", f.approval);
    bob.second_factor_ms = f.now_ms;
    assert_int_equal(approve(&f, &bob, id), BTZ_DENIED);
    alice.second_factor_ms = f.now_ms;
    access_do(&f, &alice, "me.key.create",
              json_pack("{s:s, s:[s]}", "name", "k", "scopes", "user.write user/*"));
    snprintf(id, sizeof id, "%s", f.approval);
    f.now_ms += 3600000;
    bob.second_factor_ms = f.now_ms;
    assert_int_equal(approve(&f, &bob, id), BTZ_OK);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joining_a_group_is_being_given_its_roles),
        cmocka_unit_test(test_a_policy_that_makes_administrators),
        cmocka_unit_test(test_roles_of_services_wait_too),
        cmocka_unit_test(test_who_was_taken_over_is_no_second_person),
        cmocka_unit_test(test_other_ways_to_be_somebody),
        cmocka_unit_test(test_the_maker_stays_behind_a_rotated_key),
        cmocka_unit_test(test_the_maker_stays_behind_programs),
        cmocka_unit_test(test_no_review_of_ones_own_emergency),
        cmocka_unit_test(test_a_key_has_nothing_of_the_other_credentials),
        cmocka_unit_test(test_waiting_refreshes_no_factor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
