/* Policies: the files, the ready roles, separation of duties, and single decisions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "access/policy/snapshot.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_separation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
