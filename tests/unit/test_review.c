/* Rules of the review: for each at least two states that must be named and two that must not, written by hand. */
#include <math.h>

#include "access_fixture.h"

#include "access/review/review.h"

#define NOW      (UINT64_C(1795000000) * 1000)
#define DAYS(n)  ((uint64_t)(n)*BTZ_REVIEW_DAY)
#define AGO(n)   (NOW - DAYS(n))
#define AGO_S(n) (AGO(n) / 1000)

static const char world_yaml[] =
    "roles:\n"
    "  boss: {rules: [{id: all, effect: allow, actions: [\"*\"], resources: [\"*\"]}]}\n"
    "  chief: {inherits: [boss]}\n"
    "  hobbled:\n"
    "    inherits: [boss]\n"
    "    rules: [{id: no-policy, effect: deny, actions: [policy.write, role.bind], resources: "
    "[\"*\"]}]\n"
    "  invoker: {rules: [{id: inv, effect: allow, actions: [model.invoke], resources: "
    "[model/*]}]}\n"
    "  binder: {rules: [{id: bind, effect: allow, actions: [role.bind], resources: "
    "[role/viewer]}]}\n"
    "  trainer: {rules: [{id: tr, effect: allow, actions: [dataset.write, model.release], "
    "resources: [\"*\"]}]}\n"
    "  half: {rules: [{id: ha, effect: allow, actions: [dataset.write], resources: [\"*\"]}]}\n"
    "  other-half: {rules: [{id: oh, effect: allow, actions: [model.release], resources: "
    "[\"*\"]}]}\n"
    "principals:\n"
    "  ann: {id: usr_ann}\n"
    "  bob: {id: usr_bob}\n"
    "  gone: {id: usr_gone, status: disabled}\n"
    "  ci: {id: svc_ci, kind: service}\n"
    "groups:\n"
    "  team: {id: grp_team, members: [bob]}\n";

struct counter {
    struct btz_sink sink;
    unsigned failed, passed, skipped;
    int worst;
    char location[256];
};

static enum btz_err count_finding(struct btz_sink *sink, const struct btz_finding *f)
{
    struct counter *c = (struct counter *)sink;

    c->failed += f->outcome == BTZ_OUTCOME_FAIL;
    c->passed += f->outcome == BTZ_OUTCOME_PASS;
    c->skipped += f->outcome == BTZ_OUTCOME_NOT_EVALUATED;
    assert_true(f->reason && f->reason[0]);
    if (f->outcome != BTZ_OUTCOME_FAIL)
        return BTZ_OK;
    c->worst = (int)f->severity > c->worst ? (int)f->severity : c->worst;
    snprintf(c->location, sizeof c->location, "%s", f->location);
    return BTZ_OK;
}

static enum btz_err no_coverage(struct btz_sink *sink, const struct btz_coverage *c)
{
    (void)sink, (void)c;
    return BTZ_OK;
}

/* A world in which nothing is wrong; each case makes one thing wrong or nearly so. */
struct world {
    struct btz_arena arena;
    struct btz_policy_model model;
    struct btz_review r;
    struct btz_review_person people[8];
    struct btz_review_key keys[8];
    struct btz_review_binding bindings[16];
    struct btz_review_glass glass[4];
    struct btz_review_use uses[64];
    struct counter c;
};

static struct world *new_world(void)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    btz_arena_init(&w->arena, 64u << 20);
    access_must(btz_policy_parse(btz_str(btz_policy_ready), "ready roles", &w->arena, &w->model));
    access_must(btz_policy_parse(btz_str(world_yaml), "test.yaml", &w->arena, &w->model));
    w->r = (struct btz_review){ .arena = &w->arena,
                                .now_ms = NOW,
                                .window_ms = DAYS(30),
                                .from_ms = AGO(100),
                                .key_max_age_ms = DAYS(90),
                                .dormant_ms = DAYS(60),
                                .elevation_max_ms = 8 * UINT64_C(3600000),
                                .model = &w->model,
                                .people = w->people,
                                .keys = w->keys,
                                .bindings = w->bindings,
                                .glass = w->glass,
                                .uses = w->uses };
    access_must(btz_model_index(&w->model, &w->arena, &w->r.index));
    w->r.person_count = w->model.principal_count;
    for (size_t i = 0; i < w->r.person_count; i++)
        w->people[i] = (struct btz_review_person){ .p = w->r.index.principals[i],
                                                   .created_ms = AGO(200),
                                                   .last_used_ms = AGO(1),
                                                   .has_factor = w->r.index.principals[i]->kind ==
                                                                 BTZ_PRINCIPAL_USER };
    return w;
}

static struct btz_review_person *person(struct world *w, const char *id)
{
    return &w->people[btz_index_principal(&w->r.index, id)];
}

static struct btz_review_key *add_key(struct world *w)
{
    struct btz_review_key *k = &w->keys[w->r.key_count++];

    *k = (struct btz_review_key){ .id = "key_1",
                                  .name = "build",
                                  .principal = "svc_ci",
                                  .created_ms = AGO(40),
                                  .last_used_ms = AGO(1),
                                  .active = true };
    return k;
}

static struct btz_review_binding *add_binding(struct world *w, const char *role,
                                              const char *subject)
{
    struct btz_review_binding *b = &w->bindings[w->r.binding_count++];

    *b = (struct btz_review_binding){
        .id = "bnd_1", .role = role, .subject = subject, .kind = "normal", .created_ms = AGO(80)
    };
    return b;
}

static struct btz_review_use *add_use(struct world *w, const char *principal, const char *action)
{
    struct btz_review_use *u = &w->uses[w->r.use_count++];

    *u = (struct btz_review_use){ .ms = AGO(5) + w->r.use_count * 60000,
                                  .event = "decision",
                                  .principal = principal,
                                  .action = action,
                                  .address = "192.0.2.1",
                                  .agent = "curl",
                                  .allowed = true };
    return u;
}

/* Runs one rule and frees the world; what it named is in `c`. */
static struct counter judge(struct world *w, const char *word)
{
    struct btz_review_out out = { .sink = &w->c.sink };
    struct counter c;
    char id[128];

    w->c.sink = (struct btz_sink){ count_finding, no_coverage, NULL };
    w->c.worst = -1;
    snprintf(id, sizeof id, "access.review.%s", word);
    out.rule = btz_rule_find(id);
    assert_non_null(out.rule);
    for (size_t i = 0; btz_review_rules[i]; i++)
        if (strcmp(btz_review_rules[i]->word, word) == 0)
            access_must(btz_review_rules[i]->check(&w->r, &out));
    c = w->c;
    btz_arena_release(&w->arena);
    free(w);
    return c;
}

#define NAMES(count, w, word) assert_int_equal(judge(w, word).failed, count)

static void test_key_stale(void **state)
{
    struct world *w = new_world();
    (void)state;
    add_key(w)->principal = "usr_gone";
    NAMES(1, w, "key-stale");
    w = new_world();
    add_key(w)->rotated_to = "key_2";
    NAMES(1, w, "key-stale");
    w = new_world();
    add_key(w);
    NAMES(0, w, "key-stale");
    w = new_world();
    *add_key(w) = (struct btz_review_key){ .id = "k", .name = "n", .principal = "usr_gone" };
    NAMES(0, w, "key-stale"); /* revoked */
    w = new_world();
    add_key(w)->rotated_to = "key_2";
    w->keys[0].until_s = (NOW + DAYS(7)) / 1000;
    NAMES(0, w, "key-stale"); /* the overlap */
}

static void test_key_unrotated(void **state)
{
    struct world *w = new_world();
    (void)state;
    add_key(w)->created_ms = AGO(91);
    NAMES(1, w, "key-unrotated");
    w = new_world();
    add_key(w)->created_ms = AGO(900);
    add_key(w)->created_ms = AGO(100);
    NAMES(2, w, "key-unrotated");
    w = new_world();
    add_key(w)->created_ms = AGO(89);
    NAMES(0, w, "key-unrotated");
    w = new_world();
    add_key(w)->created_ms = AGO(200);
    w->keys[0].until_s = AGO_S(1);
    NAMES(0, w, "key-unrotated"); /* past its end */
}

static void test_key_unused(void **state)
{
    struct world *w = new_world();
    (void)state;
    add_key(w)->created_ms = AGO(80);
    w->keys[0].last_used_ms = AGO(61);
    NAMES(1, w, "key-unused");
    w = new_world();
    add_key(w)->created_ms = AGO(61);
    w->keys[0].last_used_ms = 0;
    NAMES(1, w, "key-unused");
    w = new_world();
    add_key(w)->created_ms = AGO(300);
    w->keys[0].last_used_ms = AGO(59);
    NAMES(0, w, "key-unused");
    w = new_world();
    add_key(w)->created_ms = AGO(10);
    w->keys[0].last_used_ms = 0;
    NAMES(0, w, "key-unused"); /* new */
}

static void test_account_dormant(void **state)
{
    struct world *w = new_world();
    struct counter c;
    (void)state;
    person(w, "usr_ann")->last_used_ms = AGO(61);
    add_binding(w, "admin", "usr_ann");
    c = judge(w, "account-dormant");
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.worst, BTZ_SEVERITY_HIGH);
    w = new_world();
    person(w, "svc_ci")->last_used_ms = 0;
    c = judge(w, "account-dormant");
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.worst, BTZ_SEVERITY_MEDIUM);
    w = new_world();
    person(w, "usr_gone")->last_used_ms = AGO(400); /* disabled */
    NAMES(0, w, "account-dormant");
    w = new_world();
    person(w, "usr_bob")->last_used_ms = 0;
    person(w, "usr_bob")->created_ms = AGO(3);
    NAMES(0, w, "account-dormant");
}

static void test_mfa_missing(void **state)
{
    struct world *w = new_world();
    struct counter c;
    (void)state;
    person(w, "usr_bob")->has_factor = false;
    add_binding(w, "admin", "grp_team");
    c = judge(w, "mfa-missing");
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.worst, BTZ_SEVERITY_HIGH);
    w = new_world();
    person(w, "usr_ann")->has_factor = false;
    person(w, "usr_ann")->has_password = true;
    c = judge(w, "mfa-missing");
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.worst, BTZ_SEVERITY_LOW);
    w = new_world();
    person(w, "usr_ann")->has_factor = false;
    w->r.mfa_required = true;
    c = judge(w, "mfa-missing");
    assert_int_equal(c.worst, BTZ_SEVERITY_MEDIUM);
    w = new_world();
    NAMES(0, w, "mfa-missing");
    w = new_world();
    person(w, "usr_gone")->has_factor = false;
    person(w, "svc_ci")->has_factor = false;
    NAMES(0, w, "mfa-missing");
}

static void test_role_broad(void **state)
{
    struct world *w = new_world();
    (void)state;
    add_binding(w, "boss", "usr_ann");
    NAMES(1, w, "role-broad");
    w = new_world();
    add_binding(w, "chief", "grp_team");
    NAMES(1, w, "role-broad");
    w = new_world();
    add_binding(w, "boss", "usr_ann")->until_s = (NOW + DAYS(1)) / 1000;
    NAMES(0, w, "role-broad");
    w = new_world();
    add_binding(w, "admin", "usr_ann");
    add_binding(w, "boss", "usr_bob")->resource = "model/x";
    NAMES(0, w, "role-broad");
}

static void test_permission_unused(void **state)
{
    struct world *w = new_world();
    struct counter c;
    (void)state;
    add_binding(w, "invoker", "usr_ann");
    NAMES(1, w, "permission-unused");
    w = new_world();
    add_binding(w, "invoker", "grp_team");
    add_use(w, "usr_bob", "model.list");
    add_use(w, "usr_bob", "model.invoke")->allowed = false;
    NAMES(1, w, "permission-unused");
    w = new_world();
    add_binding(w, "invoker", "grp_team");
    add_use(w, "usr_bob", "model.invoke");
    NAMES(0, w, "permission-unused");
    w = new_world();
    add_binding(w, "invoker", "usr_ann")->created_ms = AGO(5);
    NAMES(0, w, "permission-unused");
    w = new_world(); /* the trail is too young to say anything */
    add_binding(w, "invoker", "usr_ann");
    w->r.from_ms = AGO(29);
    c = judge(w, "permission-unused");
    assert_int_equal(c.failed, 0);
    assert_int_equal(c.skipped, 1);
}

static void test_role_toxic(void **state)
{
    struct world *w = new_world();
    (void)state;
    add_binding(w, "trainer", "usr_ann");
    NAMES(1, w, "role-toxic");
    w = new_world();
    add_binding(w, "half", "usr_bob");
    add_binding(w, "other-half", "grp_team");
    NAMES(1, w, "role-toxic");
    w = new_world();
    add_binding(w, "half", "usr_ann");
    add_binding(w, "other-half", "grp_team");
    NAMES(0, w, "role-toxic"); /* two people */
    w = new_world();
    add_binding(w, "half", "usr_bob");
    add_binding(w, "other-half", "usr_bob")->until_s = AGO_S(1);
    NAMES(0, w, "role-toxic"); /* one is over */
    w = new_world();
    add_binding(w, "admin", "usr_ann");
    add_binding(w, "ml-engineer", "usr_bob");
    NAMES(0, w, "role-toxic"); /* the ready roles are made so */
}

static void alternate(struct world *w, const char *key, unsigned times, uint64_t apart_ms)
{
    for (unsigned i = 0; i < times; i++) {
        struct btz_review_use *u = add_use(w, "usr_ann", "model.invoke");

        u->key = key;
        u->ms = AGO(3) + i * apart_ms;
        u->address = i % 2 ? "198.51.100.1" : "192.0.2.1";
        u->agent = i % 2 ? "curl" : "python";
    }
}

static void test_account_shared(void **state)
{
    struct world *w = new_world();
    struct counter c;
    (void)state;
    alternate(w, NULL, 6, 60000);
    NAMES(1, w, "account-shared");
    w = new_world();
    add_key(w);
    alternate(w, "key_1", 8, 30000);
    c = judge(w, "account-shared");
    assert_int_equal(c.failed, 1);
    assert_string_equal(c.location, "key_1");
    w = new_world();
    alternate(w, NULL, 2, 60000); /* from home to the office */
    NAMES(0, w, "account-shared");
    w = new_world();
    alternate(w, NULL, 20, 20 * 60000); /* slowly, over hours */
    NAMES(0, w, "account-shared");
    w = new_world();
    alternate(w, NULL, 6, 60000);
    for (size_t i = 0; i < 6; i++)
        w->uses[i].agent = "curl"; /* an address that changes, one program */
    NAMES(0, w, "account-shared");
    w = new_world();
    w->r.from_ms = AGO(10);
    alternate(w, NULL, 6, 60000);
    c = judge(w, "account-shared");
    assert_int_equal(c.skipped, 1);
}

static void test_break_glass(void **state)
{
    struct world *w = new_world();
    (void)state;
    w->glass[0] = (struct btz_review_glass){
        .id = "brk_1", .principal = "usr_ann", .name = "ann", .reason = "down", .at_ms = AGO(8)
    };
    w->r.glass_count = 1;
    NAMES(1, w, "break-glass-unreviewed");
    w = new_world();
    w->glass[0] = w->glass[1] = (struct btz_review_glass){
        .id = "brk_1", .principal = "usr_ann", .name = "ann", .reason = "", .at_ms = AGO(80)
    };
    w->r.glass_count = 2;
    NAMES(2, w, "break-glass-unreviewed");
    w = new_world();
    w->glass[0] = (struct btz_review_glass){ .id = "brk_1",
                                             .principal = "usr_ann",
                                             .name = "ann",
                                             .reason = "",
                                             .at_ms = AGO(8),
                                             .reviewed_ms = AGO(7) };
    w->r.glass_count = 1;
    NAMES(0, w, "break-glass-unreviewed");
    w = new_world();
    w->glass[0] = (struct btz_review_glass){
        .id = "brk_1", .principal = "usr_ann", .name = "ann", .reason = "", .at_ms = AGO(2)
    };
    w->r.glass_count = 1;
    NAMES(0, w, "break-glass-unreviewed"); /* there is still time */
}

static struct btz_review_binding *elevate(struct world *w, uint64_t created_ms, uint64_t until_ms)
{
    struct btz_review_binding *b = add_binding(w, "viewer", "usr_ann");

    b->kind = "elevation";
    b->created_ms = created_ms;
    b->until_s = until_ms / 1000;
    return b;
}

static void test_elevation(void **state)
{
    struct world *w = new_world();
    (void)state;
    elevate(w, AGO(3), 0);
    NAMES(1, w, "elevation-standing");
    w = new_world();
    elevate(w, AGO(1), AGO(1) + DAYS(90));
    NAMES(1, w, "elevation-standing");
    w = new_world();
    for (unsigned i = 1; i < 5; i++)
        elevate(w, AGO(i), AGO(i) + 3600000);
    elevate(w, NOW - 60000, NOW + 3600000);
    NAMES(1, w, "elevation-standing"); /* the fifth of the month */
    w = new_world();
    elevate(w, NOW - 60000, NOW + 3600000);
    NAMES(0, w, "elevation-standing");
    w = new_world();
    elevate(w, AGO(20), AGO(20) + 3600000);
    add_binding(w, "viewer", "usr_ann"); /* a role for good is no elevation */
    NAMES(0, w, "elevation-standing");
}

static void test_service_signin(void **state)
{
    struct world *w = new_world();
    struct counter c;
    (void)state;
    add_use(w, "svc_ci", NULL)->event = "sign-in";
    w->uses[0].method = "password+totp";
    c = judge(w, "service-signin");
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.worst, BTZ_SEVERITY_HIGH);
    w = new_world();
    person(w, "svc_ci")->has_password = true;
    c = judge(w, "service-signin");
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.worst, BTZ_SEVERITY_MEDIUM);
    w = new_world();
    add_use(w, "svc_ci", "model.invoke")->method = "key";
    NAMES(0, w, "service-signin");
    w = new_world();
    add_use(w, "usr_ann", NULL)->event = "sign-in";
    w->uses[0].method = "password";
    NAMES(0, w, "service-signin");
    w = new_world();
    add_use(w, "svc_ci", NULL)->event = "sign-in";
    w->uses[0].method = "password";
    w->uses[0].allowed = false; /* somebody tried */
    NAMES(0, w, "service-signin");
}

/* Of the roles of the world: boss and chief may both, binder may bind; hobbled, invoker and the halves may neither. */
static void test_role_self_change(void **state)
{
    struct world *w = new_world();
    struct counter c;
    (void)state;
    c = judge(w, "role-self-change");
    assert_int_equal(c.failed, 5);
    w = new_world();
    assert_false(btz_review_role_allows(&w->r, "hobbled", "policy.write", NULL));
    assert_false(btz_review_role_allows(&w->r, "invoker", "role.bind", NULL));
    assert_true(btz_review_role_allows(&w->r, "binder", "role.bind", NULL));
    NAMES(5, w, "role-self-change");
}

/* ---- the whole ---- */

static json_t *finding_of(const json_t *out, const char *rule, const char *outcome)
{
    size_t i;
    json_t *item;

    json_array_foreach(
        json_object_get(out, "items"), i,
        item) if (strcmp(json_string_value(json_object_get(item, "rule")), rule) == 0 &&
                  strcmp(json_string_value(json_object_get(item, "outcome")), outcome) ==
                      0) return item;
    return NULL;
}

static void test_operation(void **state)
{
    struct access_fixture f;
    struct btz_caller ann;
    BTZ_JSON json_t *young = NULL;
    BTZ_JSON json_t *old = NULL;
    unsigned rules = 0;
    (void)state;
    access_start(&f);
    ann = access_person(&f, "ann", "admin");
    young = access_ok(&f, &f.local, "review.run", json_object());
    assert_non_null(finding_of(young, "access.review.mfa-missing", "fail"));
    assert_non_null(finding_of(young, "access.review.permission-unused", "not-evaluated"));
    assert_non_null(finding_of(young, "access.review.key-stale", "pass"));
    f.now_ms += DAYS(100);
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", "new"));
    old = access_ok(&f, &f.local, "review.run", json_object());
    assert_non_null(finding_of(old, "access.review.account-dormant", "fail"));
    assert_non_null(finding_of(old, "access.review.permission-unused", "fail"));
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(old, "items"), 0), "severity")),
                        "high");
    while (btz_review_rules[rules])
        rules++;
    assert_int_equal(rules, 13);
    (void)ann;
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_stale),         cmocka_unit_test(test_key_unrotated),
        cmocka_unit_test(test_key_unused),        cmocka_unit_test(test_account_dormant),
        cmocka_unit_test(test_mfa_missing),       cmocka_unit_test(test_role_broad),
        cmocka_unit_test(test_permission_unused), cmocka_unit_test(test_role_toxic),
        cmocka_unit_test(test_account_shared),    cmocka_unit_test(test_break_glass),
        cmocka_unit_test(test_elevation),         cmocka_unit_test(test_service_signin),
        cmocka_unit_test(test_role_self_change),  cmocka_unit_test(test_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
