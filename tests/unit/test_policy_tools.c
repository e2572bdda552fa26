/* Comparison of models and tests of policies, against the plain evaluator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_random.h"
#include "access/policy_tools.h"
#include "base/json.h"

#define NOW 1800000000

/* A model that differs in one or two rules, or in a binding. */
static void change(struct btz_rng *r, struct btz_arena *arena, const struct btz_policy_model *m,
                   bool conditions, struct btz_policy_model *out)
{
    struct btz_role_model *roles = btz_arena_array(arena, m->role_count, sizeof *roles);

    *out = *m;
    memcpy(roles, m->roles, m->role_count * sizeof *roles);
    out->roles = roles;
    if (chance(r, 30) && m->binding_count > 0) {
        out->binding_count--;
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct btz_role_model *role = &roles[btz_rng_below(r, (uint32_t)m->role_count)];
        struct btz_rule_model *rules = btz_arena_array(arena, role->rule_count + 1, sizeof *rules);

        memcpy(rules, role->rules, role->rule_count * sizeof *rules);
        rules[role->rule_count] = random_rule(r, arena, i ? "p/new-2" : "p/new-1", 25);
        if (!conditions)
            rules[role->rule_count].when = (struct btz_when){ .cost_max = NAN };
        role->rules = rules;
        role->rule_count++;
    }
}

/* No conditions and no times: what is left are principals, actions and resources. */
static void strip(const struct btz_policy_model *m)
{
    for (size_t i = 0; i < m->role_count; i++)
        for (size_t k = 0; k < m->roles[i].rule_count; k++)
            ((struct btz_rule_model *)(uintptr_t)&m->roles[i].rules[k])->when =
                (struct btz_when){ .cost_max = NAN };
    for (size_t i = 0; i < m->binding_count; i++) {
        struct btz_binding_model *b = (struct btz_binding_model *)(uintptr_t)&m->bindings[i];

        b->from_s = b->until_s = 0;
    }
}

static json_t *diff(const struct btz_policy_model *a, const struct btz_policy_model *b)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(64 << 20);
    struct btz_policy_diff_limits limits = { .now_s = NOW };
    size_t changed;
    json_t *j;

    if (btz_policy_diff(a, b, &limits, &changed, &out) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    assert_int_equal(btz_json_parse(btz_buf_slice(&out), 64 << 20, "diff", &j), BTZ_OK);
    assert_int_equal(changed, json_integer_value(json_object_get(j, "changed")));
    assert_false(json_is_true(json_object_get(j, "capped")));
    return j;
}

static const struct btz_principal_model *named(const struct btz_policy_model *m, const char *name)
{
    for (size_t i = 0; i < m->principal_count; i++)
        if (strcmp(m->principals[i].name, name) == 0)
            return &m->principals[i];
    fail_msg("nobody is called %s", name);
    return NULL;
}

static uint32_t age_of(const char *text)
{
    char *unit;
    uint32_t n;

    if (!text || strcmp(text, "none") == 0)
        return UINT32_MAX;
    n = (uint32_t)strtoul(text, &unit, 10);
    return n * (*unit == 'm' ? 60 : *unit == 'h' ? 3600 : *unit == 'd' ? 86400 : 1);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));

    return t ? t : "";
}

static struct reference_request request_of(const json_t *c, const struct btz_policy_model *m,
                                           const char *name)
{
    const json_t *x = json_object_get(c, "context"), *cost = json_object_get(x, "cost");
    struct reference_request q = { .caller = named(m, name),
                                   .action = text_of(c, "action"),
                                   .resource = text_of(c, "resource"),
                                   .model = text_of(x, "model"),
                                   .endpoint = text_of(x, "endpoint"),
                                   .tool = text_of(x, "tool"),
                                   .address = text_of(x, "address"),
                                   .now_s = NOW,
                                   .cost = json_is_number(cost) ? json_number_value(cost) : NAN };
    uint64_t ms;

    q.mfa_age_s = age_of(json_string_value(json_object_get(x, "mfa_age")));
    q.client_cert = json_is_true(json_object_get(x, "client_cert"));
    if (json_is_string(json_object_get(x, "time"))) {
        assert_int_equal(btz_time_parse(btz_str(text_of(x, "time")), &ms), BTZ_OK);
        q.now_s = ms / 1000;
    }
    return q;
}

/* Each change that is told is one: both models asked again, by the plain evaluator, in the context that it names. */
static size_t check_sound(const json_t *d, const struct btz_policy_model *a,
                          const struct btz_policy_model *b)
{
    json_t *changes = json_object_get(d, "changes"), *c, *who;
    size_t i, k, told = 0;

    json_array_foreach(changes, i, c) json_array_foreach(json_object_get(c, "principals"), k, who)
    {
        struct reference_request q = request_of(c, a, json_string_value(who));
        struct reference_answer before = reference_decide(a, &q), after = reference_decide(b, &q);

        if (strcmp(btz_verdict_name(before.verdict), text_of(c, "before")) != 0 ||
            strcmp(btz_verdict_name(after.verdict), text_of(c, "after")) != 0)
            fail_msg("%s %s %s: told %s -> %s, is %s -> %s", q.caller->name, q.action, q.resource,
                     text_of(c, "before"), text_of(c, "after"), btz_verdict_name(before.verdict),
                     btz_verdict_name(after.verdict));
        told++;
    }
    return told;
}

static void test_sound(void **state)
{
    size_t told = 0;
    (void)state;

    for (uint64_t i = 0; i < 60; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m, n;
        struct btz_rng r;
        json_t *d;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 11, i);
        random_model(&r, &arena, &m);
        change(&r, &arena, &m, true, &n);
        d = diff(&m, &n);
        told += check_sound(d, &m, &n);
        json_decref(d);
    }
    assert_true(told > 100);
}

static bool is_told(const json_t *d, const struct reference_request *q)
{
    json_t *c, *who;
    size_t i, k;

    json_array_foreach(json_object_get(d, "changes"), i, c)
    {
        if (strcmp(text_of(c, "action"), q->action) != 0)
            continue;
        json_array_foreach(json_object_get(c, "principals"), k,
                           who) if (strcmp(json_string_value(who), q->caller->name) ==
                                    0) return true;
    }
    return false;
}

/* Without conditions the universe is complete: whatever resource is asked for, an answer that differs is told for that
 * person and action. */
static void test_complete(void **state)
{
    size_t differ = 0;
    (void)state;

    for (uint64_t i = 0; i < 300; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m, n;
        struct btz_rng r;
        json_t *d;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 12, i);
        random_model(&r, &arena, &m);
        strip(&m);
        change(&r, &arena, &m, false, &n);
        d = diff(&m, &n);
        check_sound(d, &m, &n);
        for (int k = 0; k < 300; k++) {
            struct reference_request q = random_request(&r, &m);

            if (!q.caller)
                continue;
            q.key = NULL;
            q.now_s = NOW;
            if (reference_decide(&m, &q).verdict == reference_decide(&n, &q).verdict)
                continue;
            differ++;
            if (!is_told(d, &q))
                fail_msg("models %" PRIu64 ": %s %s %s differs and is not told", i, q.caller->name,
                         q.action, q.resource);
        }
        json_decref(d);
    }
    assert_true(differ > 300);
}

/* Compared with itself, and with itself in another order, nothing differs; told the other way round, it is the reverse. */
static void test_symmetry(void **state)
{
    size_t compared = 0;
    (void)state;

    for (uint64_t i = 0; i < 40; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m, n;
        struct btz_rng r;
        json_t *d, *back;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 13, i);
        random_model(&r, &arena, &m);
        /* With conditions contexts may be a sample, and of other combinations the other way round. */
        if (i % 2)
            strip(&m);
        change(&r, &arena, &m, i % 2 == 0, &n);
        d = diff(&m, &m);
        assert_int_equal(json_integer_value(json_object_get(d, "changed")), 0);
        json_decref(d);
        d = diff(&m, &n);
        back = diff(&n, &m);
        if (!json_is_true(json_object_get(d, "contexts_sampled"))) {
            assert_int_equal(json_integer_value(json_object_get(d, "more")),
                             json_integer_value(json_object_get(back, "less")));
            assert_int_equal(json_integer_value(json_object_get(d, "less")),
                             json_integer_value(json_object_get(back, "more")));
            compared++;
        }
        json_decref(d);
        json_decref(back);
    }
    assert_true(compared >= 20);
}

/* Somebody who is new, and somebody who is gone. */
static void test_people(void **state)
{
    static const char before[] =
        "principals: {old: {}}\nbindings: [{role: user, principal: old}]\n";
    static const char after[] = "principals: {new: {}}\nbindings: [{role: user, principal: new}]\n";
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_file a, b;
    bool lost = false, gained = false;
    json_t *d, *c, *who;
    size_t i, k;
    (void)state;

    btz_arena_init(&arena, 64 << 20);
    assert_int_equal(btz_policy_load_text(btz_str(before), "a.yaml", NOW, &arena, &a), BTZ_OK);
    assert_int_equal(btz_policy_load_text(btz_str(after), "b.yaml", NOW, &arena, &b), BTZ_OK);
    d = diff(&a.model, &b.model);
    json_array_foreach(json_object_get(d, "changes"), i, c)
        json_array_foreach(json_object_get(c, "principals"), k, who)
    {
        lost |=
            strcmp(json_string_value(who), "old") == 0 && strcmp(text_of(c, "after"), "deny") == 0;
        gained |=
            strcmp(json_string_value(who), "new") == 0 && strcmp(text_of(c, "before"), "deny") == 0;
    }
    assert_true(lost && gained);
    assert_int_equal(json_integer_value(json_object_get(d, "more")),
                     json_integer_value(json_object_get(d, "less")));
    json_decref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_symmetry),
        cmocka_unit_test(test_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
