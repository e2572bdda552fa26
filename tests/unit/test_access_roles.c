/*
 * Every operation by every ready role. What is expected comes from the table of operations and src/access/policy/ready.yaml
 * alone, by the plainest evaluator there is; what happens comes from the whole way of a call.
 */
#include "access_fixture.h"

#define NOW_S (ACCESS_START_MS / 1000)

/* ---- the plainest evaluator ---- */

static const char *scalar(const struct btz_yaml *map, const char *key)
{
    const struct btz_yaml *n = btz_yaml_get(map, key);

    return n ? n->text : NULL;
}

static bool action_named(const struct btz_yaml *list, const char *action)
{
    for (const struct btz_yaml *n = list ? list->first : NULL; n; n = n->next) {
        size_t len = strlen(n->text);

        if (strcmp(n->text, "*") == 0 || strcmp(n->text, action) == 0)
            return true;
        if (len > 1 && strcmp(n->text + len - 2, ".*") == 0 &&
            strncmp(n->text, action, len - 1) == 0)
            return true;
    }
    return false;
}

/* `own`: what "self" and "own" stand for here. */
static bool resource_named(const struct btz_yaml *list, const char *resource, bool own)
{
    for (const struct btz_yaml *n = list ? list->first : NULL; n; n = n->next) {
        size_t len = strlen(n->text);
        bool self = strstr(n->text, "/self") || strstr(n->text, "/own");

        if (self) {
            if (own && strncmp(n->text, resource, strcspn(n->text, "/") + 1) == 0)
                return true;
            continue;
        }
        if (n->text[len - 1] == '*' ? strncmp(n->text, resource, len - 1) == 0
                                    : strcmp(n->text, resource) == 0)
            return true;
    }
    return false;
}

static void look(const struct btz_yaml *roles, const char *role, const char *action,
                 const char *resource, bool own, bool *allow, bool *deny)
{
    const struct btz_yaml *r = btz_yaml_get(roles, role);
    const struct btz_yaml *rules = btz_yaml_get(r, "rules"), *up = btz_yaml_get(r, "inherits");

    assert_non_null(r);
    for (const struct btz_yaml *rule = rules ? rules->first : NULL; rule; rule = rule->next) {
        /* The only condition in there is a fresh second factor, which everybody here has. */
        if (!action_named(btz_yaml_get(rule, "actions"), action) ||
            !resource_named(btz_yaml_get(rule, "resources"), resource, own))
            continue;
        if (strcmp(scalar(rule, "effect"), "allow") == 0)
            *allow = true;
        else
            *deny = true;
    }
    for (const struct btz_yaml *n = up ? up->first : NULL; n; n = n->next)
        look(roles, n->text, action, resource, own, allow, deny);
}

static bool expected(const struct btz_yaml *roles, const char *role, const struct btz_operation *op,
                     const char *resource)
{
    bool allow = false, deny = false, own = op->resource && strstr(op->resource, "/own");

    look(roles, role, op->action, resource, own, &allow, &deny);
    return allow && !deny;
}

/* ---- calls made from the table ---- */

static const char *value_of(const struct btz_field *f)
{
    if (f->choices)
        return f->choices[0];
    if (strcmp(f->name, "role") == 0)
        return "viewer";
    if (strcmp(f->name, "principal") == 0 || strcmp(f->name, "service") == 0)
        return "robot";
    if (strcmp(f->name, "user") == 0 || strcmp(f->name, "subject") == 0)
        return "target";
    if (strcmp(f->name, "group") == 0)
        return "crowd";
    if (f->kind == BTZ_FIELD_DURATION)
        return "1h";
    if (f->kind == BTZ_FIELD_TIME)
        return "2030-01-01T00:00:00Z";
    return "something";
}

static json_t *input_of(const struct btz_operation *op)
{
    json_t *in = json_object();

    for (size_t i = 0; i < op->field_count; i++)
        if (op->fields[i].required)
            json_object_set_new(in, op->fields[i].name, json_string(value_of(&op->fields[i])));
    return in;
}

/* The resource that a call with those values is about. */
static void resource_of(const struct btz_operation *op, char *out, size_t size)
{
    const char *open = op->resource ? strchr(op->resource, '{') : NULL;
    char field[64];

    if (!op->resource) {
        snprintf(out, size, "%s/*", btz_actions[btz_action_find(op->action)].resource);
        return;
    }
    snprintf(out, size, "%s", op->resource);
    if (!open)
        return;
    snprintf(field, sizeof field, "%.*s", (int)(strlen(open) - 2), open + 1);
    for (size_t i = 0; i < op->field_count; i++)
        if (strcmp(op->fields[i].name, field) == 0)
            snprintf(out, size, "%.*s%s", (int)(open - op->resource), op->resource,
                     value_of(&op->fields[i]));
}

static void furnish(struct access_fixture *f)
{
    access_do(f, &f->local, "user.create", json_pack("{s:s}", "name", "target"));
    access_do(f, &f->local, "service.create", json_pack("{s:s}", "name", "robot"));
    access_do(f, &f->local, "group.create", json_pack("{s:s}", "name", "crowd"));
}

/* ---- the tests ---- */

static const char *const ready[] = { "viewer",     "user",    "ml-engineer", "data-steward",
                                     "red-teamer", "auditor", "operator",    "admin" };

static void check(struct access_fixture *f, const struct btz_yaml *roles, const char *role,
                  const struct btz_caller *caller, const struct btz_operation *op)
{
    char resource[256];
    enum btz_err err;
    bool want;

    resource_of(op, resource, sizeof resource);
    want = expected(roles, role, op, resource);
    err = access_call(f, caller, op->id, NULL, input_of(op), NULL);
    if ((err != BTZ_DENIED) != want)
        fail_msg("%s by %s on %s: expected %s, found %s (%s)", op->id, role, resource,
                 want ? "allow" : "deny", btz_err_name(err), f->detail);
    if (!want)
        assert_false(f->needs_step_up);
}

static void test_every_operation_by_every_role(void **state)
{
    struct btz_caller callers[BTZ_COUNT(ready)];
    const struct btz_yaml *root, *roles;
    struct access_fixture f;
    size_t checked = 0;

    (void)state;
    access_start(&f);
    furnish(&f);
    access_must(btz_yaml_parse(btz_str(btz_policy_ready), "ready", &f.arena, &root));
    roles = btz_yaml_get(root, "roles");
    for (size_t r = 0; r < BTZ_COUNT(ready); r++) {
        char name[32];

        snprintf(name, sizeof name, "p-%s", ready[r]);
        callers[r] = access_person(&f, name, ready[r]);
    }
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];

        /* Gives its caller more rights: it comes last. */
        if (!(op->needs & BTZ_NEEDS_PERMISSION) || strcmp(op->id, "break-glass.use") == 0)
            continue;
        for (size_t r = 0; r < BTZ_COUNT(ready); r++, checked++)
            check(&f, roles, ready[r], &callers[r], op);
    }
    for (size_t r = 0; r < BTZ_COUNT(ready); r++, checked++)
        check(&f, roles, ready[r], &callers[r], btz_operation_find("break-glass.use"));
    print_message("%zu pairs\n", checked);
    assert_true(checked > 300);
    access_stop(&f);
}

static void test_without_role_nothing_is_allowed(void **state)
{
    struct btz_caller none, nobody = { .kind = BTZ_CALLER_NOBODY };
    struct access_fixture f;

    (void)state;
    access_start(&f);
    furnish(&f);
    none = access_person(&f, "none", NULL);
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];

        if (op->needs & BTZ_PUBLIC)
            continue;
        access_refused(&f, &nobody, op->id, input_of(op), BTZ_DENIED);
        assert_false(f.needs_step_up);
        if (op->needs & (BTZ_NEEDS_PERMISSION | BTZ_NEEDS_LOCAL))
            access_refused(&f, &none, op->id, input_of(op), BTZ_DENIED);
    }
    access_stop(&f);
}

/* Every change that says so needs a fresh second factor; a key never has one, and needs a scope instead. */
static void test_step_up_by_the_table(void **state)
{
    struct access_fixture f;
    struct btz_caller admin, engineer;
    size_t checked = 0;

    (void)state;
    access_start(&f);
    furnish(&f);
    admin = access_person(&f, "alice", "admin");
    engineer = access_person(&f, "eva", "ml-engineer");
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];
        struct btz_caller stale = admin;

        /* No ready role deletes artifacts. */
        if (!(op->needs & BTZ_NEEDS_STEP_UP) || !(op->needs & BTZ_NEEDS_PERMISSION) ||
            strcmp(op->action, "break-glass.use") == 0 ||
            strcmp(op->action, "artifact.delete") == 0)
            continue;
        if (strncmp(op->action, "artifact.", 9) == 0)
            stale = engineer;
        stale.second_factor_ms = f.now_ms - (uint64_t)f.conf.step_up_ms - 1000;
        access_refused(&f, &stale, op->id, input_of(op), BTZ_DENIED);
        assert_true(f.needs_step_up);
        stale.second_factor_ms = 0;
        access_refused(&f, &stale, op->id, input_of(op), BTZ_DENIED);
        assert_true(f.needs_step_up);
        /* From tomorrow: a clock that jumped. */
        stale.second_factor_ms = f.now_ms + 86400000;
        access_refused(&f, &stale, op->id, input_of(op), BTZ_DENIED);
        assert_true(f.needs_step_up);
        checked++;
    }
    assert_true(checked > 15);
    access_stop(&f);
}

/* What changes who may do what is never done without permission, second factor or the folder's owner. */
static void test_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];
        int action = op->action ? btz_action_find(op->action) : -1;
        unsigned needs = op->needs;

        if (!(needs & (BTZ_NEEDS_PERMISSION | BTZ_NEEDS_CALLER | BTZ_NEEDS_SESSION |
                       BTZ_NEEDS_LOCAL | BTZ_PUBLIC)))
            fail_msg("%s asks for nothing", op->id);
        if (needs & BTZ_NEEDS_PERMISSION && action < 0)
            fail_msg("%s asks for the unknown action %s", op->id, op->action);
        if (needs & BTZ_NEEDS_LOCAL && op->path)
            fail_msg("%s is for the owner of the folder and has a route", op->id);
        if (action >= 0 && btz_actions[action].administrative && !(needs & BTZ_NEEDS_STEP_UP))
            fail_msg("%s changes who may do what without a second factor", op->id);
        if (op->resource && action >= 0) {
            const char *kind = btz_actions[action].resource;

            if (strncmp(op->resource, kind, strlen(kind)) != 0)
                fail_msg("%s: %s is about %s", op->id, op->resource, kind);
        }
        if (op->result && op->path) {
            json_t *schema = btz_access_schema(op->result);

            if (!schema)
                fail_msg("%s: there is no schema %s", op->id, op->result);
            json_decref(schema);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_every_operation_by_every_role),
        cmocka_unit_test(test_without_role_nothing_is_allowed),
        cmocka_unit_test(test_step_up_by_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
