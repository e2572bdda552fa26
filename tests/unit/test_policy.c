/* Policies: the files, the ready roles, separation of duties, and single decisions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "access/access.h"
#include "access/policy/snapshot.h"
#include "base/json.h"

static const uint8_t secret[32] = { 7 };

struct fixture {
    struct btz_arena arena;
    struct btz_policy_model model;
    struct btz_buf bytes;
    struct btz_snapshot *s;
};

static enum btz_err add(struct fixture *f, const char *yaml)
{
    if (!f->arena.cap)
        btz_arena_init(&f->arena, 64 << 20);
    return btz_policy_parse(btz_str(yaml), "test.yaml", &f->arena, &f->model);
}

static void compile(struct fixture *f)
{
    f->bytes = BTZ_BUF(64 << 20);
    if (btz_snapshot_compile(&f->model, 1, secret, &f->bytes) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    assert_int_equal(
        btz_snapshot_of(btz_slice_of(f->bytes.ptr, f->bytes.len - BTZ_SNAP_MAC), &f->s), BTZ_OK);
}

static void done(struct fixture *f)
{
    btz_snapshot_close(f->s);
    btz_buf_release(&f->bytes);
    btz_arena_release(&f->arena);
}

static struct btz_request ask(const struct fixture *f, const char *who, const char *action,
                              const char *resource)
{
    return (struct btz_request){ .principal = btz_snapshot_principal(f->s, who),
                                 .key = BTZ_NOBODY,
                                 .action = btz_action_find(action),
                                 .resource = btz_str(resource),
                                 .cost = NAN,
                                 .now_s = 1800000000,
                                 .mfa_age_s = UINT32_MAX };
}

static const char *verdict(const struct fixture *f, const struct btz_request *r)
{
    struct btz_decision d;

    btz_decide(f->s, r, &d);
    return btz_verdict_name(d.verdict);
}

static const char *answer(const struct fixture *f, const char *who, const char *action,
                          const char *resource)
{
    struct btz_request r = ask(f, who, action, resource);

    return verdict(f, &r);
}

static const char people[] = "principals:\n"
                             "  alice: {id: usr_alice}\n"
                             "  bob: {}\n"
                             "  gone: {status: disabled}\n"
                             "  ci: {kind: service, id: svc_ci}\n"
                             "groups:\n"
                             "  team: {members: [alice, ci]}\n";

static void test_ready(void **state)
{
    struct fixture f = { 0 };
    (void)state;

    assert_int_equal(add(&f, btz_policy_ready), BTZ_OK);
    assert_int_equal(add(&f, people), BTZ_OK);
    assert_int_equal(add(&f, "bindings:\n"
                             "  - {role: ml-engineer, group: team}\n"
                             "  - {role: auditor, principal: bob}\n"
                             "  - {role: admin, principal: gone}\n"),
                     BTZ_OK);
    compile(&f);
    assert_string_equal(answer(&f, "alice", "model.invoke", "model/x"), "allow");
    assert_string_equal(answer(&f, "usr_alice", "model.release", "model/x"), "step-up");
    assert_string_equal(answer(&f, "ci", "model.write", "model/x"), "allow");
    assert_string_equal(answer(&f, "alice", "user.read", "user/self"), "allow");
    assert_string_equal(answer(&f, "alice", "user.read", "user/usr_alice"), "allow");
    assert_string_equal(answer(&f, "alice", "user.read", "user/bob"), "deny");
    assert_string_equal(answer(&f, "ci", "service.read", "service/ci"), "allow");
    assert_string_equal(answer(&f, "ci", "user.read", "user/self"), "deny");
    assert_string_equal(answer(&f, "bob", "audit.export", "audit/*"), "allow");
    assert_string_equal(answer(&f, "bob", "policy.write", "policy/x"), "deny");
    assert_string_equal(answer(&f, "gone", "user.read", "user/x"), "deny");
    assert_string_equal(answer(&f, "nobody", "model.list", "model/*"), "deny");
    assert_string_equal(answer(&f, "alice", "model.list", "dataset/x"), "deny");
    done(&f);
}

static bool ends_with_any(const char *name, const char *const *endings)
{
    for (; *endings; endings++) {
        size_t n = strlen(name), k = strlen(*endings);

        if (n >= k && strcmp(name + n - k, *endings) == 0)
            return true;
    }
    return false;
}

/* What the duties of the ready roles forbid, action by action, with a fresh factor, even with all the ready roles that one
 * may hold together. */
static void test_duties(void **state)
{
    static const char *const reads[] = { ".list", ".read", ".verify", ".export", ".ask", NULL };
    static const char *const access[] = { "user.",    "service.", "group.",    "role.",   "key.",
                                          "session.", "policy.",  "approval.", "config.", NULL };
    struct fixture f = { 0 };
    (void)state;

    assert_int_equal(add(&f, btz_policy_ready), BTZ_OK);
    assert_int_equal(add(&f, "principals: {aud: {}, adm: {}, ste: {}, use: {}, vie: {}}\n"
                             "bindings:\n"
                             "  - {role: auditor, principal: aud}\n"
                             "  - {role: ml-engineer, principal: aud}\n"
                             "  - {role: data-steward, principal: aud}\n"
                             "  - {role: red-teamer, principal: aud}\n"
                             "  - {role: admin, principal: adm}\n"
                             "  - {role: data-steward, principal: ste}\n"
                             "  - {role: ml-engineer, principal: ste}\n"
                             "  - {role: user, principal: use}\n"
                             "  - {role: viewer, principal: vie}\n"),
                     BTZ_OK);
    compile(&f);
    for (size_t a = 0; a < btz_action_count; a++) {
        const char *name = btz_actions[a].name;
        char any[64];
        struct btz_request r;

        snprintf(any, sizeof any, "%s/x", btz_actions[a].resource);
        r = ask(&f, "aud", name, any);
        r.mfa_age_s = 0;
        /* Changes nothing, whatever else he is; using a model and his own keys changes nothing of that. */
        if (strcmp(verdict(&f, &r), "allow") == 0)
            assert_true(ends_with_any(name, reads) || strcmp(name, "model.invoke") == 0 ||
                        ends_with_any(name, (const char *const[]){ ".use", ".call", NULL }));
        r.principal = btz_snapshot_principal(f.s, "adm");
        /* Changes access and nothing but access; reads no data, uses no model. */
        if (strcmp(verdict(&f, &r), "allow") == 0 && !ends_with_any(name, reads)) {
            bool found = false;

            for (size_t i = 0; access[i]; i++)
                found |= strncmp(name, access[i], strlen(access[i])) == 0;
            assert_true(found);
        }
        if (strncmp(name, "dataset.", 8) == 0 || strncmp(name, "artifact.", 9) == 0)
            assert_string_equal(verdict(&f, &r), "deny");
        r.principal = btz_snapshot_principal(f.s, "ste");
        if (strstr(name, ".release"))
            assert_string_equal(verdict(&f, &r), "deny");
        if (btz_actions[a].administrative) {
            assert_string_equal(verdict(&f, &r), "deny");
            r.principal = btz_snapshot_principal(f.s, "use");
            assert_string_equal(verdict(&f, &r), "deny");
            r.principal = btz_snapshot_principal(f.s, "vie");
            assert_string_equal(verdict(&f, &r), "deny");
        }
        /* The log is written by what happens, not by anybody. */
        if (btz_actions[a].resource[0] == 'l' || strncmp(name, "audit.", 6) == 0)
            assert_true(ends_with_any(name, reads));
    }
    done(&f);
}

/* What operations ask for is an action, on resources of its kind: anything else would be denied for good. */
static void test_operations(void **state)
{
    (void)state;
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];
        int action = op->action ? btz_action_find(op->action) : -1;

        if (!op->action)
            continue;
        if (action < 0)
            fail_msg("%s asks for %s, which is no action", op->id, op->action);
        if (op->resource &&
            !btz_resource_has_kind(btz_str(op->resource), btz_actions[action].resource))
            fail_msg("%s asks for %s on %s", op->id, op->action, op->resource);
    }
}

static void test_separation(void **state)
{
    static const char *const toxic[] = {
        "bindings: [{role: auditor, group: team}, {role: admin, principal: alice}]",
        "bindings: [{role: auditor, principal: bob}, {role: operator, principal: bob, "
        "resource: scan/x, from: 2030-01-01}]",
        "roles: {lead: {inherits: [admin]}}\n"
        "bindings: [{role: lead, group: team}, {role: auditor, principal: ci}]",
        "roles: {both: {inherits: [admin, auditor]}}",
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(toxic); i++) {
        struct fixture f = { 0 };

        assert_int_equal(add(&f, btz_policy_ready), BTZ_OK);
        assert_int_equal(add(&f, people), BTZ_OK);
        assert_int_equal(btz_policy_check(&f.model), BTZ_OK);
        assert_int_equal(add(&f, toxic[i]), BTZ_OK);
        assert_int_equal(btz_policy_check(&f.model), BTZ_USAGE);
        assert_non_null(strstr(btz_error_detail(), "separation of duties"));
        done(&f);
    }
}

static json_t *explain(const struct fixture *f, const struct btz_request *r)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    json_t *out;

    assert_int_equal(btz_explain(&f->model, f->s, r, &text), BTZ_OK);
    assert_int_equal(btz_json_parse(btz_buf_slice(&text), 1 << 20, "explain", &out), BTZ_OK);
    return out;
}

static const char *member(json_t *e, const char *object, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(e, object), key));

    return text ? text : "";
}

static const char *unmet(json_t *e, size_t i)
{
    const char *text = json_string_value(
        json_array_get(json_object_get(json_object_get(e, "nearest"), "unmet"), i));

    return text ? text : "";
}

static const char explained[] =
    "roles:\n"
    "  writer:\n"
    "    rules:\n"
    "      - id: small\n"
    "        effect: allow\n"
    "        actions: [model.invoke]\n"
    "        resources: [model/*]\n"
    "        when: {models: [gpt-4*], cost_max: 0.5, addresses: [10.0.0.0/8], mfa_within: 15m}\n"
    "      - id: nights\n"
    "        effect: deny\n"
    "        actions: [model.*]\n"
    "        resources: [model/secret-*]\n"
    "        when: {time: {zone: Europe/Berlin, hours: [\"22:00-06:00\"]}}\n"
    "bindings:\n"
    "  - {id: b1, role: writer, group: team}\n"
    "  - {id: b2, role: writer, principal: bob, until: 2026-06-30}\n";

static void test_explain(void **state)
{
    struct fixture f = { 0 };
    struct btz_request r;
    json_t *e;
    (void)state;

    assert_int_equal(add(&f, people), BTZ_OK);
    assert_int_equal(add(&f, explained), BTZ_OK);
    compile(&f);
    r = ask(&f, "alice", "model.invoke", "model/gpt-4o");
    r.cost = 0.75;
    e = explain(&f, &r);
    assert_string_equal(member(e, "nearest", "id"), "test/small");
    assert_string_equal(unmet(e, 0), "cost 0.75 is over 0.5");
    assert_string_equal(unmet(e, 1),
                        "the request's address is not known; it must be in 10.0.0.0/8");
    assert_string_equal(unmet(e, 2), "no second factor was shown; one is needed within 15m");
    json_decref(e);
    r.cost = 0.5;
    assert_int_equal(btz_address_parse("10.9.8.7", &r.address), BTZ_OK);
    r.mfa_age_s = 60;
    e = explain(&f, &r);
    assert_string_equal(json_string_value(json_object_get(e, "verdict")), "allow");
    assert_string_equal(member(e, "rule", "id"), "test/small");
    assert_string_equal(
        json_string_value(json_object_get(
            json_array_get(json_object_get(json_object_get(e, "rule"), "bindings"), 0), "group")),
        "team");
    json_decref(e);
    r.principal = btz_snapshot_principal(f.s, "bob");
    e = explain(&f, &r);
    assert_string_equal(unmet(e, 0), "binding b2 ended 2026-06-30T00:00:00Z");
    json_decref(e);
    /* 2027-01-15T23:00 in Berlin. */
    r = ask(&f, "alice", "model.invoke", "model/secret-1");
    r.now_s = 1800050400;
    e = explain(&f, &r);
    assert_string_equal(member(e, "rule", "id"), "test/nights");
    assert_string_equal(member(e, "rule", "effect"), "deny");
    json_decref(e);
    done(&f);
}

static void refused(const char *yaml, const char *says)
{
    struct fixture f = { 0 };
    enum btz_err err = add(&f, yaml);

    if (err == BTZ_OK)
        err = btz_policy_check(&f.model);
    assert_int_equal(err, BTZ_USAGE);
    if (!strstr(btz_error_detail(), says))
        fail_msg("\"%s\" does not say \"%s\"", btz_error_detail(), says);
    btz_arena_release(&f.arena);
}

#define RULE(rest) "roles:\n  r:\n    rules:\n      - " rest

static void test_errors(void **state)
{
    (void)state;
    refused("rols: {}", "test.yaml:1: policy: unknown key `rols`; did you mean `roles`?");
    refused("roles:\n  r: {inherit: [x]}",
            "test.yaml:2: role: unknown key `inherit`; did you mean `inherits`?");
    refused("roles:\n  a: {inherits: [viewr]}\n  viewer: {}",
            "test.yaml:2: role `a`: there is no role `viewr`; did you mean `viewer`?");
    refused("roles:\n  a: {inherits: [b]}\n  b: {inherits: [a]}", "inherits itself");
    refused(RULE("{id: x, effect: alow, actions: [model.invoke], resources: [model/*]}"),
            "test.yaml:4: effect: `alow` is not one of its values; did you mean `allow`?");
    refused(RULE("{id: x, effect: allow, actions: [model.invok], resources: [model/*]}"),
            "test.yaml:4: there is no action `model.invok`; did you mean `model.invoke`?");
    refused(RULE("{id: x, effect: allow, actions: [ledger.write], resources: [ledger/*]}"),
            "there is no action `ledger.write`");
    refused(
        RULE("{id: x, effect: allow, actions: [model.invoke], resources: [modell/*]}"),
        "test.yaml:4: `modell/*`: there is no kind of resource `modell`; did you mean `model`?");
    refused(RULE("{id: x, effect: allow, actions: [model.invoke], resources: [\"model/*-x\"]}"),
            "a star stands only at the end");
    refused(RULE("{id: x, effect: allow, actions: [model.invoke], resources: [dataset/*]}"),
            "none of its actions is about `dataset/*`");
    refused(RULE("{id: x, actions: [model.invoke], resources: [model/*]}"),
            "needs `effect: allow`");
    refused(RULE("{id: x, effect: allow, actions: [], resources: [model/*]}"),
            "must name something");
    refused(
        RULE("{id: x, effect: allow, actions: [\"*\"], resources: [\"*\"], when: {models: []}}"),
        "models: the list is empty");
    refused(
        RULE("{id: x, effect: deny, actions: [\"*\"], resources: [\"*\"], when: {mfa_within: 5m}}"),
        "would forbid those who have it");
    refused(RULE("{id: x, effect: allow, actions: [\"*\"], resources: [\"*\"], when: {addresses: "
                 "[10.0.0.1/8]}}"),
            "bits are set behind the prefix");
    refused(RULE("{id: x, effect: allow, actions: [\"*\"], resources: [\"*\"], when: {time: {zone: "
                 "../../etc/passwd, days: [mon]}}}"),
            "is no time zone");
    refused(RULE("{id: x, effect: allow, actions: [\"*\"], resources: [\"*\"], when: {time: {zone: "
                 "Europe/Berlino, days: [mon]}}}"),
            "there is no time zone `Europe/Berlino`");
    refused(RULE("{id: x, effect: allow, actions: [\"*\"], resources: [\"*\"], when: {time: {zone: "
                 "UTC, hours: [\"8-17\"]}}}"),
            "HH:MM-HH:MM");
    refused(
        RULE(
            "{id: x, effect: allow, actions: [\"*\"], resources: [\"*\"]}\n      - {id: x, effect: "
            "allow, actions: [\"*\"], resources: [\"*\"]}"),
        "two rules have the id `test/x`");
    refused("principals: {alice: {}}\nbindings: [{role: r, principal: alise}]",
            "there is no principal `alise`; did you mean `alice`?");
    refused("principals: {self: {}}", "nobody can be called `self`");
    refused("principals: {a: {id: b}, b: {}}",
            "is the name of one principal and the id of another");
    refused("principals: {a: {}}\nkeys: {k: {principal: a, scopes: [\"user.wrte user/*\"]}}",
            "did you mean `user.write`?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready),      cmocka_unit_test(test_duties),
        cmocka_unit_test(test_operations), cmocka_unit_test(test_separation),
        cmocka_unit_test(test_explain),    cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
