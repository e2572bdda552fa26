/* Compiled decisions against the plain evaluator of policy_reference.h, and what must hold for every policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_random.h"
#include "base/json.h"

#define EACH 500
#if defined(__SANITIZE_ADDRESS__)
#define POLICIES 200
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POLICIES 200
#endif
#endif
#ifndef POLICIES
#define POLICIES 2000
#endif

static const uint8_t secret[32] = { 1 };

static struct btz_snapshot *compile(const struct btz_policy_model *m, struct btz_buf *bytes)
{
    struct btz_snapshot *s;

    btz_buf_clear(bytes);
    if (btz_snapshot_compile(m, 1, secret, bytes) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    assert_int_equal(btz_snapshot_of(btz_slice_of(bytes->ptr, bytes->len - BTZ_SNAP_MAC), &s),
                     BTZ_OK);
    return s;
}

static void compare(const struct btz_policy_model *m, const struct btz_snapshot *s,
                    const struct reference_request *q, size_t number, size_t seen[4])
{
    struct reference_answer wanted = reference_decide(m, q);
    struct btz_request r = compiled_request(s, q);
    struct btz_decision d;

    btz_decide(s, &r, &d);
    seen[d.verdict]++;
    seen[3] += d.verdict == BTZ_VERDICT_DENY && d.why == BTZ_WHY_RULE;
    if (d.verdict != wanted.verdict || d.why != wanted.why || d.mfa_within_s != wanted.within ||
        strcmp(btz_snapshot_rule_id(s, d.rule), wanted.rule) != 0)
        fail_msg("policy %zu: %s %s %s at %" PRIu64 ": %s by %s (%d), wanted %s by %s (%d)", number,
                 q->caller ? q->caller->name : "nobody", q->action, q->resource, q->now_s,
                 btz_verdict_name(d.verdict), btz_snapshot_rule_id(s, d.rule), d.why,
                 btz_verdict_name(wanted.verdict), wanted.rule, wanted.why);
}

static void test_differential(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64 << 20);
    size_t seen[4] = { 0 }, count = 0;
    (void)state;

    for (size_t i = 0; i < POLICIES; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m;
        struct btz_snapshot *s;
        struct btz_rng r;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 3, i);
        random_model(&r, &arena, &m);
        s = compile(&m, &bytes);
        for (size_t k = 0; k < EACH; k++, count++) {
            struct reference_request q = random_request(&r, &m);

            compare(&m, s, &q, i, seen);
        }
        btz_snapshot_close(s);
    }
    print_message(
        "# %zu decisions compared: %zu allow, %zu step-up, %zu denied by a rule, %zu denied "
        "otherwise\n",
        count, seen[BTZ_VERDICT_ALLOW], seen[BTZ_VERDICT_STEP_UP], seen[3],
        seen[BTZ_VERDICT_DENY] - seen[3]);
    /* The universe is of no use where it has no such cases. */
    assert_true(seen[BTZ_VERDICT_ALLOW] > count / 100 && seen[BTZ_VERDICT_STEP_UP] > count / 1000 &&
                seen[3] > count / 100);
}

/* Is the rule among those that match, by the plain evaluator? */
static bool is_matching(const struct btz_policy_model *m, const struct btz_role_model *role,
                        const struct btz_rule_model *rule, const struct reference_request *q)
{
    struct reference_best best[3] = { { 0 } };

    if (!reference_holds(m, role->name, q))
        return false;
    reference_rule(m, role, rule, q, best);
    return best[0].role || best[1].role;
}

static void check_explanation(const struct btz_policy_model *m, const struct reference_request *q,
                              const struct btz_decision *d, const char *rule, json_t *e)
{
    const json_t *matching = json_object_get(e, "matching"), *near = json_object_get(e, "nearest");
    const char *named = json_string_value(json_object_get(json_object_get(e, "rule"), "id"));
    size_t count = 0;

    assert_string_equal(json_string_value(json_object_get(e, "verdict")),
                        btz_verdict_name(d->verdict));
    assert_string_equal(named ? named : "", rule);
    if (named)
        assert_true(json_array_size(json_object_get(json_object_get(e, "rule"), "bindings")) > 0);
    if (json_is_string(json_object_get(e, "note"))) {
        assert_int_equal(json_array_size(matching), 0);
        assert_int_equal(d->verdict, BTZ_VERDICT_DENY);
        return;
    }
    for (size_t i = 0; i < m->role_count; i++)
        for (size_t k = 0; k < m->roles[i].rule_count; k++)
            count += is_matching(m, &m->roles[i], &m->roles[i].rules[k], q);
    assert_int_equal(json_array_size(matching), count);
    /* Whatever is not allowed has a nearest miss with a reason, unless no rule allows the action at all. */
    if (d->verdict == BTZ_VERDICT_ALLOW)
        assert_true(json_is_null(near));
    else if (json_is_object(near))
        assert_true(json_array_size(json_object_get(near, "unmet")) > 0);
    if (d->verdict == BTZ_VERDICT_STEP_UP)
        assert_int_equal(json_array_size(json_object_get(near, "unmet")), 1);
}

static void test_explain(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64 << 20), text = BTZ_BUF(1 << 20);
    size_t steps = 0, allowed = 0;
    (void)state;

    for (size_t i = 0; i < POLICIES / 4; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m;
        struct btz_snapshot *s;
        struct btz_rng r;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 7, i);
        random_model(&r, &arena, &m);
        s = compile(&m, &bytes);
        for (size_t k = 0; k < 20; k++) {
            struct reference_request q = random_request(&r, &m);
            struct btz_request asked = compiled_request(s, &q);
            BTZ_JSON json_t *e = NULL;
            struct btz_decision d;

            if (!q.caller)
                continue;
            btz_buf_clear(&text);
            btz_decide(s, &asked, &d);
            assert_int_equal(btz_explain(&m, s, &asked, &text), BTZ_OK);
            assert_int_equal(btz_json_parse(btz_buf_slice(&text), 1 << 20, "explain", &e), BTZ_OK);
            check_explanation(&m, &q, &d, btz_snapshot_rule_id(s, d.rule), e);
            steps += d.verdict == BTZ_VERDICT_STEP_UP;
            allowed += d.verdict == BTZ_VERDICT_ALLOW;
        }
        btz_snapshot_close(s);
    }
    assert_true(allowed > 0 && steps > 0);
}

/* One more rule for one of the roles. */
static void with_rule(struct btz_rng *r, struct btz_arena *arena, const struct btz_policy_model *m,
                      const struct btz_rule_model *rule, struct btz_policy_model *out)
{
    struct btz_role_model *roles = btz_arena_array(arena, m->role_count, sizeof *roles);
    struct btz_role_model *role = &roles[btz_rng_below(r, (uint32_t)m->role_count)];
    struct btz_rule_model *rules;

    memcpy(roles, m->roles, m->role_count * sizeof *roles);
    rules = btz_arena_array(arena, role->rule_count + 1, sizeof *rules);
    memcpy(rules, role->rules, role->rule_count * sizeof *rules);
    rules[role->rule_count++] = *rule;
    role->rules = rules;
    *out = *m;
    out->roles = roles;
}

/* More rules of one kind, asked the same: the answers move in one direction. */
static void test_monotone(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64 << 20), more_bytes = BTZ_BUF(64 << 20);
    size_t changed[2] = { 0 };
    (void)state;

    for (size_t i = 0; i < POLICIES; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m, more;
        struct btz_snapshot *s, *t;
        struct btz_rule_model rule;
        bool deny = i % 2;
        struct btz_rng r;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 4, i);
        random_model(&r, &arena, &m);
        rule = random_rule(&r, &arena, "p/added", deny ? 100 : 0);
        with_rule(&r, &arena, &m, &rule, &more);
        s = compile(&m, &bytes);
        t = compile(&more, &more_bytes);
        for (size_t k = 0; k < 200; k++) {
            struct reference_request q = random_request(&r, &m);
            struct btz_request a = compiled_request(s, &q), b = compiled_request(t, &q);
            struct btz_decision before, after;

            btz_decide(s, &a, &before);
            btz_decide(t, &b, &after);
            changed[deny] += before.verdict != after.verdict;
            if (deny) { /* a deny takes and never gives */
                assert_true(after.verdict == BTZ_VERDICT_DENY || after.verdict == before.verdict);
            } else { /* without the allow, nobody may more than with it */
                assert_true(before.verdict != BTZ_VERDICT_ALLOW ||
                            after.verdict == BTZ_VERDICT_ALLOW);
                assert_true(before.verdict != BTZ_VERDICT_STEP_UP ||
                            after.verdict != BTZ_VERDICT_DENY);
            }
        }
        btz_snapshot_close(s);
        btz_snapshot_close(t);
    }
    print_message("# answers changed by an allow: %zu, by a deny: %zu\n", changed[0], changed[1]);
    assert_true(changed[0] > POLICIES / 10 && changed[1] > POLICIES / 10);
}

static void shuffle(struct btz_rng *r, void *list, size_t count, size_t size)
{
    unsigned char *p = list, spare[512];

    assert_true(size <= sizeof spare);
    for (size_t i = count; i > 1; i--) {
        size_t k = btz_rng_below(r, (uint32_t)i);

        memcpy(spare, p + k * size, size);
        memmove(p + k * size, p + (i - 1) * size, size);
        memcpy(p + (i - 1) * size, spare, size);
    }
}

static void shuffle_texts(struct btz_rng *r, const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    shuffle(r, (void *)(uintptr_t)list, n, sizeof *list);
}

#define SHUFFLE(r, list, count) shuffle((r), (void *)(uintptr_t)(list), (count), sizeof *(list))
static void shuffle_model(struct btz_rng *r, const struct btz_policy_model *m)
{
    for (size_t i = 0; i < m->role_count; i++) {
        shuffle_texts(r, m->roles[i].inherits);
        for (size_t k = 0; k < m->roles[i].rule_count; k++) {
            const struct btz_rule_model *rule = &m->roles[i].rules[k];

            shuffle_texts(r, rule->actions);
            shuffle_texts(r, rule->resources);
            shuffle_texts(r, rule->when.models);
            shuffle_texts(r, rule->when.endpoints);
            shuffle_texts(r, rule->when.tools);
            shuffle_texts(r, rule->when.addresses);
            SHUFFLE(r, rule->when.windows, rule->when.window_count);
        }
        SHUFFLE(r, m->roles[i].rules, m->roles[i].rule_count);
    }
    for (size_t i = 0; i < m->group_count; i++)
        shuffle_texts(r, m->groups[i].members);
    for (size_t i = 0; i < m->key_count; i++)
        shuffle_texts(r, m->keys[i].scopes);
    SHUFFLE(r, m->roles, m->role_count);
    SHUFFLE(r, m->principals, m->principal_count);
    SHUFFLE(r, m->groups, m->group_count);
    SHUFFLE(r, m->bindings, m->binding_count);
    SHUFFLE(r, m->keys, m->key_count);
}

/* What a model says does not hang on the order in which it says it: same bytes, so same answers. */
static void test_order(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64 << 20), again = BTZ_BUF(64 << 20);
    (void)state;

    for (size_t i = 0; i < POLICIES / 4; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m;
        struct btz_rng r;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 5, i);
        random_model(&r, &arena, &m);
        btz_snapshot_close(compile(&m, &bytes));
        shuffle_model(&r, &m);
        btz_snapshot_close(compile(&m, &again));
        assert_int_equal(bytes.len, again.len);
        assert_memory_equal(bytes.ptr, again.ptr, bytes.len);
    }
}

static bool is_member(const struct btz_group_model *g, const char *id)
{
    for (size_t i = 0; g->members[i]; i++)
        if (strcmp(g->members[i], id) == 0)
            return true;
    return false;
}

/* Groups of everybody, in the order of their names, against the model; and with room for fewer. */
static size_t check_groups(const struct btz_policy_model *m, const struct btz_snapshot *s)
{
    static const char *const names[] = { "team a", "team b", "team c" };
    size_t seen = 0;

    for (size_t i = 0; i < m->principal_count; i++) {
        uint32_t who = btz_snapshot_principal(s, m->principals[i].id);
        struct btz_slice groups[3] = { { 0 } }, few[3] = { { 0 } };
        size_t count = btz_snapshot_groups(s, who, groups, BTZ_COUNT(groups)), wanted = 0;

        for (size_t n = 0; n < BTZ_COUNT(names); n++)
            for (size_t g = 0; g < m->group_count; g++)
                if (strcmp(m->groups[g].name, names[n]) == 0 &&
                    is_member(&m->groups[g], m->principals[i].id)) {
                    assert_true(btz_slice_is(groups[wanted], names[n]));
                    wanted++;
                }
        assert_int_equal(count, wanted);
        assert_int_equal(btz_snapshot_groups(s, who, few, 1), wanted);
        assert_true(few[1].ptr == NULL);
        assert_true(wanted == 0 || btz_slice_equal(few[0], groups[0]));
        seen += wanted;
    }
    return seen;
}

static void test_groups(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64 << 20);
    size_t seen = 0;
    (void)state;

    for (size_t i = 0; i < POLICIES / 4; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_policy_model m;
        struct btz_snapshot *s;
        struct btz_rng r;

        btz_arena_init(&arena, 64 << 20);
        btz_rng_init(&r, 8, i);
        random_model(&r, &arena, &m);
        s = compile(&m, &bytes);
        seen += check_groups(&m, s);
        assert_int_equal(btz_snapshot_groups(s, BTZ_NOBODY, NULL, 0), 0);
        assert_int_equal(btz_snapshot_groups(s, (uint32_t)m.principal_count, NULL, 0), 0);
        btz_snapshot_close(s);
    }
    assert_true(seen > POLICIES / 4);
}

/* A list that names a group which is not there, a range past the lists, a name past the texts. */
static void test_groups_damaged(void **state)
{
    static const char *const both[] = { "usr_a", "usr_b", NULL };
    static const struct btz_principal_model people[] = { { "usr_a", "alice", 0, false },
                                                         { "usr_b", "bob", 0, false } };
    static const struct btz_group_model group = { "grp_1", "staff", both };
    struct btz_policy_model m = {
        .principals = people, .principal_count = 2, .groups = &group, .group_count = 1
    };
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
    struct btz_snap_principal *p;
    struct btz_snap_text *name;
    struct btz_snapshot *s;
    struct btz_slice raw;
    uint32_t *lists;
    (void)state;

    s = compile(&m, &bytes);
    raw = btz_slice_of(bytes.ptr, bytes.len - BTZ_SNAP_MAC);
    p = (void *)(uintptr_t)btz_snap_at(&s->view, BTZ_SNAP_PRINCIPALS);
    lists = (void *)(uintptr_t)btz_snap_at(&s->view, BTZ_SNAP_GROUP_LISTS);
    name = (void *)(uintptr_t)btz_snap_at(&s->view, BTZ_SNAP_GROUPS);
    btz_snapshot_close(s);
    lists[1] = 1;
    assert_int_equal(btz_snapshot_of(raw, &s), BTZ_INPUT);
    lists[1] = 0;
    p[1].groups.count++;
    assert_int_equal(btz_snapshot_of(raw, &s), BTZ_INPUT);
    p[1].groups.count--;
    name->len++;
    assert_int_equal(btz_snapshot_of(raw, &s), BTZ_INPUT);
    name->len--;
    assert_int_equal(btz_snapshot_of(raw, &s), BTZ_OK);
    btz_snapshot_close(s);
}

/* Random graphs of inheritance: refused exactly when somebody reaches himself (Warshall). */
static void test_circles(void **state)
{
    size_t refused = 0, accepted = 0;
    (void)state;

    for (size_t i = 0; i < 2000; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_role_model roles[8] = { { 0 } };
        struct btz_policy_model m = { .roles = roles, .role_count = 8 };
        bool reach[8][8] = { { false } }, circle = false;
        struct btz_rng r;
        enum btz_err err;

        btz_arena_init(&arena, 1 << 20);
        btz_rng_init(&r, 6, i);
        for (size_t k = 0; k < 8; k++) {
            const char **inherits = btz_arena_array(&arena, 9, sizeof *inherits);
            size_t n = 0;

            roles[k].name = btz_arena_printf(&arena, "r%zu", k);
            roles[k].file = "f";
            for (size_t j = 0; j < 8; j++)
                if ((reach[k][j] = chance(&r, 11)))
                    inherits[n++] = btz_arena_printf(&arena, "r%zu", j);
            roles[k].inherits = inherits;
        }
        for (size_t via = 0; via < 8; via++)
            for (size_t a = 0; a < 8; a++)
                for (size_t b = 0; b < 8; b++)
                    reach[a][b] |= reach[a][via] && reach[via][b];
        for (size_t k = 0; k < 8; k++)
            circle |= reach[k][k];
        err = btz_policy_check(&m);
        assert_int_equal(err, circle ? BTZ_USAGE : BTZ_OK);
        refused += circle;
        accepted += !circle;
    }
    assert_true(refused > 200 && accepted > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differential),   cmocka_unit_test(test_explain),
        cmocka_unit_test(test_monotone),       cmocka_unit_test(test_order),
        cmocka_unit_test(test_circles),        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_groups_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
