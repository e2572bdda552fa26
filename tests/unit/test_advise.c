/*
 * Advice against the engine of decisions: whatever is proposed, the test applies it itself, compiles and decides every
 * request of the window again. And proposals written down by hand for small worlds.
 */
#include <math.h>

#include "access_fixture.h"

#include "access/review/review.h"

#define NOW     (UINT64_C(1795000000) * 1000)
#define DAYS(n) ((uint64_t)(n)*BTZ_REVIEW_DAY)

static const uint8_t secret[32] = { 7 };

struct world {
    struct btz_arena arena;
    struct btz_policy_model model;
    struct btz_review r;
    struct btz_review_binding bindings[64];
    struct btz_review_use uses[512];
    char dir[64], scratch[96];
};

static struct world *new_world(const char *yaml)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    btz_arena_init(&w->arena, 256u << 20);
    snprintf(w->dir, sizeof w->dir, "/tmp/btz-advise-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->scratch, sizeof w->scratch, "%s/snapshot", w->dir);
    access_must(btz_policy_parse(btz_str(btz_policy_ready), "ready roles", &w->arena, &w->model));
    access_must(btz_policy_parse(btz_str(yaml), "test.yaml", &w->arena, &w->model));
    w->r = (struct btz_review){ .arena = &w->arena,
                                .now_ms = NOW,
                                .window_ms = DAYS(30),
                                .from_ms = NOW - DAYS(100),
                                .model = &w->model,
                                .bindings = w->bindings,
                                .uses = w->uses };
    access_must(btz_model_index(&w->model, &w->arena, &w->r.index));
    w->r.person_count = w->model.principal_count;
    for (size_t i = 0; i < w->model.binding_count; i++) {
        const struct btz_binding_model *b = &w->model.bindings[i];

        w->bindings[w->r.binding_count++] =
            (struct btz_review_binding){ .id = b->id,
                                         .role = b->role,
                                         .subject = b->subject,
                                         .resource = b->resource,
                                         .kind = "normal",
                                         .created_ms = NOW - DAYS(90) };
    }
    return w;
}

static void free_world(struct world *w)
{
    btz_arena_release(&w->arena);
    access_remove(w->dir);
    free(w);
}

static void use(struct world *w, const char *principal, const char *action, const char *resource,
                unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        w->uses[w->r.use_count++] = (struct btz_review_use){ .ms = NOW - DAYS(2) + i,
                                                             .event = "decision",
                                                             .principal = principal,
                                                             .action = action,
                                                             .resource = resource,
                                                             .allowed = true };
}

static json_t *advise(struct world *w, const char *only)
{
    json_t *out = NULL;

    access_must(btz_advise(&w->r, only, w->scratch, &out));
    assert_int_equal(access(w->scratch, F_OK), -1); /* nothing is left behind */
    return out;
}

static const json_t *item_of(const json_t *out, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(out, "items"), i,
                       item) if (strcmp(json_string_value(json_object_get(item, "name")), name) ==
                                 0) return item;
    fail_msg("nothing about %s", name);
    return NULL;
}

static int64_t number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static bool lists(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)list, i,
                       item) if (strcmp(json_string_value(item), text) == 0) return true;
    return false;
}

static void test_existing(void **state)
{
    struct world *w = new_world("principals: {ann: {id: usr_ann}, bob: {id: usr_bob}}\n"
                                "bindings:\n"
                                "  - {role: ml-engineer, principal: ann}\n"
                                "  - {role: user, principal: bob}\n");
    BTZ_JSON json_t *out = NULL;
    const json_t *ann, *bob;
    (void)state;
    use(w, "usr_ann", "model.invoke", "model/gpt-4o", 7);
    use(w, "usr_bob", "model.invoke", "model/gpt-4o", 1);
    use(w, "usr_bob", "tool.call", "tool/search", 1);
    use(w, "usr_bob", "endpoint.use", "endpoint/chat", 1);
    use(w, "usr_bob", "key.own", "key/own", 1);
    use(w, "usr_bob", "elevation.request", "role/admin", 1);
    use(w, "usr_bob", "model.list", "model/x", 1);
    use(w, "usr_bob", "tool.list", "tool/x", 1);
    use(w, "usr_bob", "endpoint.list", "endpoint/x", 1);
    out = advise(w, NULL);
    ann = item_of(out, "ann");
    assert_true(lists(json_object_get(ann, "proposed"), "user"));
    /* Looking at lists of artifacts leaves no entry, so that the right to is kept. */
    assert_true(lists(json_object_get(ann, "proposed"), "viewer"));
    assert_int_equal(json_array_size(json_object_get(ann, "proposed")), 2);
    assert_int_equal(number(ann, "requests"), 7);
    assert_int_equal(number(ann, "allowed_now"), 7);
    assert_int_equal(number(ann, "allowed_then"), 7);
    assert_true(lists(json_object_get(ann, "vanish"), "model.release"));
    assert_true(lists(json_object_get(ann, "vanish"), "dataset.read"));
    assert_false(lists(json_object_get(ann, "vanish"), "model.invoke"));
    assert_true(number(ann, "permissions_then") < number(ann, "permissions_now"));
    bob = item_of(out, "bob");
    assert_int_equal(json_array_size(json_object_get(bob, "proposed")), 0);
    assert_true(json_is_string(json_object_get(bob, "reason")));
    free_world(w);
}

static void test_written_role(void **state)
{
    struct world *w = new_world("roles:\n"
                                "  wide: {rules: [{id: w, effect: allow, resources: [\"*\"],\n"
                                "          actions: [model.invoke, model.delete, dataset.read, "
                                "artifact.read, tool.call]}]}\n"
                                "principals: {ann: {id: usr_ann}}\n"
                                "groups: {team: {id: grp_team, members: [ann]}}\n"
                                "bindings: [{role: wide, group: team}]\n");
    BTZ_JSON json_t *out = NULL;
    const json_t *team;
    const char *yaml;
    struct btz_policy_model again = { 0 };
    (void)state;
    use(w, "usr_ann", "dataset.read", "dataset/sales", 3);
    use(w, "usr_ann", "artifact.read", "artifact/a", 2);
    out = advise(w, "team");
    team = item_of(out, "team");
    assert_int_equal(number(team, "requests"), 5);
    assert_int_equal(number(team, "allowed_then"), 5);
    assert_int_equal(number(team, "permissions_now"), 5);
    assert_int_equal(number(team, "permissions_then"), 2);
    assert_true(lists(json_object_get(team, "vanish"), "model.delete"));
    assert_int_equal(number(json_object_get(team, "used"), "dataset.read"), 3);
    yaml = json_string_value(json_object_get(team, "policy"));
    assert_non_null(yaml);
    assert_non_null(strstr(yaml, "# 3 requests"));
    access_must(btz_policy_parse(btz_str(yaml), "advice", &w->arena, &again));
    assert_int_equal(again.role_count, 1);
    free_world(w);
}

static void test_nothing_used(void **state)
{
    struct world *w =
        new_world("roles: {inv: {rules: [{id: i, effect: allow, actions: [model.invoke], "
                  "resources: [\"*\"]}]}}\n"
                  "principals: {ann: {id: usr_ann}}\n"
                  "bindings: [{role: inv, principal: ann}]\n");
    BTZ_JSON json_t *out = NULL;
    json_t *none = NULL;
    (void)state;
    out = advise(w, NULL);
    assert_non_null(strstr(json_string_value(json_object_get(item_of(out, "ann"), "reason")),
                           "nothing of its roles was used"));
    assert_int_equal(btz_advise(&w->r, "nobody", w->scratch, &none), BTZ_USAGE);
    free_world(w);
}

/* What is read without an entry in the trail must not be taken away. */
static void test_unseen_is_kept(void **state)
{
    struct world *w = new_world("principals: {ada: {id: usr_ada}}\n"
                                "bindings: [{role: auditor, principal: ada}]\n");
    BTZ_JSON json_t *out = NULL;
    const json_t *ada;
    (void)state;
    use(w, "usr_ada", "audit.export", "audit/trail", 1);
    out = advise(w, NULL);
    ada = item_of(out, "ada");
    assert_true(number(ada, "unseen") >= 5);
    assert_false(lists(json_object_get(ada, "vanish"), "audit.read"));
    assert_false(lists(json_object_get(ada, "vanish"), "user.read"));
    assert_false(lists(json_object_get(ada, "vanish"), "audit.export"));
    free_world(w);
}

/* ---- random worlds ---- */

static const char random_yaml[] =
    "roles:\n"
    "  r0: {rules: [{id: a0, effect: allow, actions: [\"model.*\", tool.call], resources: "
    "[\"*\"]}]}\n"
    "  r1: {rules: [{id: a1, effect: allow, actions: [\"dataset.*\"], resources: [\"*\"]},\n"
    "               {id: d1, effect: deny, actions: [model.release], resources: [\"*\"]}]}\n"
    "  r2: {rules: [{id: a2, effect: allow, actions: [model.invoke, dataset.read], resources: "
    "[model/a*, dataset/*]}]}\n"
    "  r3: {inherits: [r2], rules: [{id: a3, effect: allow, actions: [\"artifact.*\"], resources: "
    "[\"*\"]}]}\n"
    "  r4: {rules: [{id: a4, effect: allow, actions: [\"*\"], resources: [\"*\"], when: "
    "{mfa_within: 15m}}]}\n"
    "  r5: {rules: [{id: a5, effect: allow, actions: [tool.call], resources: [tool/x]}]}\n"
    "principals: {p0: {id: usr_p0}, p1: {id: usr_p1}, p2: {id: usr_p2}, p3: {id: usr_p3}}\n"
    "groups: {g0: {id: grp_g0, members: [p0, p1]}, g1: {id: grp_g1, members: [p1, p2]}}\n"
    "bindings:\n";

static struct btz_snapshot *compile(struct world *w, const struct btz_policy_model *m)
{
    struct btz_snapshot *s;

    access_must(btz_snapshot_write(m, 1, secret, w->scratch));
    access_must(btz_snapshot_open(w->scratch, secret, &s));
    unlink(w->scratch);
    return s;
}

static bool allowed(const struct btz_snapshot *s, const struct btz_review_use *u)
{
    struct btz_request request = { .principal = btz_snapshot_principal(s, u->principal),
                                   .key = BTZ_NOBODY,
                                   .action = btz_action_find(u->action),
                                   .resource = btz_str(u->resource),
                                   .cost = NAN,
                                   .now_s = NOW / 1000 };
    struct btz_decision d;

    btz_decide(s, &request, &d);
    return d.verdict == BTZ_VERDICT_ALLOW;
}

/* Random bindings and random requests, of which the engine says whether they were allowed. */
static struct world *random_world(struct btz_rng *r)
{
    static const char *const actions[] = { "model.invoke",  "model.release", "dataset.read",
                                           "dataset.write", "artifact.read", "tool.call",
                                           "model.list" };
    static const char *const resources[] = { "model/a1",   "model/b", "dataset/d",
                                             "artifact/x", "tool/x",  "tool/y" };
    static const char *const people[] = { "usr_p0", "usr_p1", "usr_p2", "usr_p3" };
    char yaml[4096];
    size_t len = (size_t)snprintf(yaml, sizeof yaml, "%s", random_yaml);
    struct btz_snapshot *s;
    struct world *w;

    for (uint32_t n = 2 + btz_rng_below(r, 6); n > 0; n--) {
        uint32_t who = btz_rng_below(r, 6);

        len += (size_t)snprintf(yaml + len, sizeof yaml - len, "  - {role: r%u, %s: %c%u}\n",
                                btz_rng_below(r, 6), who < 4 ? "principal" : "group",
                                who < 4 ? 'p' : 'g', who < 4 ? who : who - 4);
    }
    w = new_world(yaml);
    s = compile(w, &w->model);
    for (int i = 0; i < 60; i++) {
        const char *action = actions[btz_rng_below(r, BTZ_COUNT(actions))];
        const char *resource = resources[btz_rng_below(r, BTZ_COUNT(resources))];

        use(w, people[btz_rng_below(r, 4)], action, resource, 1);
        w->uses[w->r.use_count - 1].allowed = allowed(s, &w->uses[w->r.use_count - 1]);
    }
    btz_snapshot_close(s);
    return w;
}

/* The proposals as somebody would carry them out: the policies added, the bindings of the subject exchanged. */
static struct btz_policy_model carry_out(struct world *w, const json_t *out)
{
    struct btz_policy_model m = w->model;
    struct btz_binding_model *list = btz_arena_array(&w->arena, 256, sizeof *list);
    size_t i, k, n = 0;
    json_t *item, *role;

    for (i = 0; i < w->model.binding_count; i++)
        list[n++] = w->model.bindings[i];
    json_array_foreach(json_object_get(out, "items"), i, item)
    {
        const char *subject = json_string_value(json_object_get(item, "subject"));
        const char *yaml = json_string_value(json_object_get(item, "policy"));
        const json_t *proposed = json_object_get(item, "proposed");

        if (json_array_size(proposed) == 0)
            continue;
        if (yaml)
            access_must(btz_policy_parse(btz_str(yaml), "advice", &w->arena, &m));
        for (k = 0; k < n;)
            if (strcmp(list[k].subject, subject) == 0)
                list[k] = list[--n];
            else
                k++;
        json_array_foreach((json_t *)(uintptr_t)proposed, k, role)
        {
            char *id = btz_arena_printf(&w->arena, "new-%zu-%zu", i, k);

            list[n++] = (struct btz_binding_model){ .id = id,
                                                    .role = json_string_value(role),
                                                    .subject = subject };
        }
    }
    m.bindings = list;
    m.binding_count = n;
    return m;
}

static void test_random(void **state)
{
    struct btz_rng r;
    unsigned proposals = 0, vanished = 0;
    (void)state;
    btz_rng_init(&r, 2026, 11);
    for (int round = 0; round < 120; round++) {
        struct world *w = random_world(&r);
        BTZ_JSON json_t *out = advise(w, NULL);
        struct btz_policy_model then = carry_out(w, out);
        struct btz_snapshot *s = compile(w, &then);
        size_t i;
        json_t *item;

        for (i = 0; i < w->r.use_count; i++)
            if (w->uses[i].allowed && !allowed(s, &w->uses[i])) {
                /* Only a fresh factor may be what is missing here. */
                struct btz_request request = { .principal =
                                                   btz_snapshot_principal(s, w->uses[i].principal),
                                               .key = BTZ_NOBODY,
                                               .action = btz_action_find(w->uses[i].action),
                                               .resource = btz_str(w->uses[i].resource),
                                               .cost = NAN,
                                               .now_s = NOW / 1000 };
                struct btz_decision d;

                btz_decide(s, &request, &d);
                if (d.verdict == BTZ_VERDICT_DENY)
                    fail_msg("round %d: %s %s by %s is refused now", round, w->uses[i].action,
                             w->uses[i].resource, w->uses[i].principal);
            }
        json_array_foreach(json_object_get(out, "items"), i, item)
        {
            bool any = json_array_size(json_object_get(item, "proposed")) > 0;

            assert_true(number(item, "allowed_then") >= number(item, "allowed_now"));
            if (any)
                assert_true(number(item, "permissions_then") < number(item, "permissions_now"));
            assert_int_equal(json_array_size(json_object_get(item, "vanish")) > 0, any);
            proposals += any;
            vanished += (unsigned)json_array_size(json_object_get(item, "vanish"));
        }
        btz_snapshot_close(s);
        free_world(w);
    }
    print_message("# 120 worlds, %u proposals, %u permissions fewer, no request lost\n", proposals,
                  vanished);
    assert_true(proposals > 60);
}

static void test_operation(void **state)
{
    struct access_fixture f;
    struct btz_caller ann;
    BTZ_JSON json_t *out = NULL;
    (void)state;
    access_start(&f);
    ann = access_person(&f, "ann", "admin");
    access_do(&f, &ann, "user.create", json_pack("{s:s}", "name", "bob"));
    out = access_ok(&f, &f.local, "advise", json_pack("{s:s}", "subject", "ann"));
    assert_int_equal(number(item_of(out, "ann"), "requests"), 1);
    assert_int_equal(number(item_of(out, "ann"), "allowed_then"), 1);
    assert_true(json_is_false(json_object_get(out, "complete")));
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_existing),     cmocka_unit_test(test_written_role),
        cmocka_unit_test(test_nothing_used), cmocka_unit_test(test_unseen_is_kept),
        cmocka_unit_test(test_random),       cmocka_unit_test(test_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
