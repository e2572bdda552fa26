/* docs/access-roles.md: what each ready role may do, asked of the decisions themselves. */
#include <math.h>

#include "access/policy/conditions.h"
#include "access/policy_tools.h"

static const char intro[] = "# Ready roles and actions\n\n"
                            "Every installation has these roles; [policies](policies.md) add "
                            "others. The table is asked of the compiled roles, one "
                            "holder of\neach, without any condition but the second factor. `own`: "
                            "only on what is one's own (`user/self`, "
                            "`service/self`, `key/own`);\n`MFA 15m`: with a second factor shown so "
                            "long ago at most; `never`: denied, whatever "
                            "other roles one holds; nothing: not allowed.\nActions marked * change "
                            "who may do what: a key needs a scope that "
                            "names them, and the API asks for a fresh second factor.\n\n"
                            "No action changes or erases the ledger and the trail in it, so no "
                            "role can. Nobody approves what he asked for himself: "
                            "that is\nchecked where approvals are, whatever roles he holds. Nobody "
                            "can hold `auditor` together with `admin` or "
                            "`operator`.\n\n"
                            "This page is printed by `bartizan help --roles`.\n\n";

struct page {
    struct btz_arena *arena;
    struct btz_policy_model model;
    struct btz_snapshot *s;
    struct btz_buf *out;
};

static void ask(const struct page *p, uint32_t who, int action, const char *resource,
                struct btz_decision *out)
{
    struct btz_request r = { .principal = who,
                             .key = BTZ_NOBODY,
                             .action = action,
                             .resource = btz_str(resource),
                             .cost = NAN,
                             .mfa_age_s = UINT32_MAX };

    btz_decide(p->s, &r, out);
}

static const char *cell(const struct page *p, const char *role, int action)
{
    static const char *const own[] = { "user/self", "service/self", "key/own" };
    const char *kind = btz_actions[action].resource;
    const char *any = btz_arena_printf(p->arena, "%s/~any", kind), *within;
    struct btz_decision d;

    if (!any)
        return NULL;
    ask(p, btz_snapshot_principal(p->s, role), action, any, &d);
    within = btz_span_text(p->arena, d.mfa_within_s);
    if (d.verdict == BTZ_VERDICT_ALLOW)
        return "yes";
    if (d.verdict == BTZ_VERDICT_STEP_UP)
        return within ? btz_arena_printf(p->arena, "MFA %s", within) : NULL;
    if (d.why == BTZ_WHY_RULE)
        return "never";
    for (size_t i = 0; i < BTZ_COUNT(own); i++) {
        if (!btz_resource_has_kind(btz_str(own[i]), kind))
            continue;
        /* "service-of-ROLE" is the holder that is a service. */
        role = i == 1 ? btz_arena_printf(p->arena, "service-of-%s", role) : role;
        if (!role)
            return NULL;
        ask(p, btz_snapshot_principal(p->s, role), action, own[i], &d);
        return d.verdict == BTZ_VERDICT_ALLOW ? "own" : "";
    }
    return "";
}

static enum btz_err make_people(struct page *p)
{
    size_t n = p->model.role_count;
    struct btz_principal_model *people = btz_arena_array(p->arena, 2 * n, sizeof *people);
    struct btz_binding_model *bindings = btz_arena_array(p->arena, 2 * n, sizeof *bindings);

    if (!people || !bindings)
        return BTZ_LIMIT;
    for (size_t i = 0; i < 2 * n; i++) {
        const char *role = p->model.roles[i % n].name;
        const char *name = i < n ? role : btz_arena_printf(p->arena, "service-of-%s", role);

        if (!name)
            return BTZ_LIMIT;
        people[i] = (struct btz_principal_model){
            name, name, i < n ? BTZ_PRINCIPAL_USER : BTZ_PRINCIPAL_SERVICE, false
        };
        bindings[i] = (struct btz_binding_model){ .id = name, .role = role, .subject = name };
    }
    p->model.principals = people;
    p->model.bindings = bindings;
    p->model.principal_count = p->model.binding_count = 2 * n;
    return BTZ_OK;
}

static enum btz_err write_roles(const struct page *p)
{
    BTZ_TRY(btz_buf_add_str(p->out, "| role | what for | inherits |\n|---|---|---|\n"));
    for (size_t i = 0; i < p->model.role_count; i++) {
        const struct btz_role_model *role = &p->model.roles[i];
        const char *inherits = btz_join(p->arena, role->inherits);

        if (!inherits)
            return BTZ_LIMIT;
        BTZ_TRY(btz_buf_printf(p->out, "| `%s` | %s | %s |\n", role->name, role->about, inherits));
    }
    return BTZ_OK;
}

static enum btz_err write_actions(const struct page *p)
{
    BTZ_TRY(btz_buf_add_str(p->out, "\n| action | what it is |"));
    for (size_t i = 0; i < p->model.role_count; i++)
        BTZ_TRY(btz_buf_printf(p->out, " %s |", p->model.roles[i].name));
    BTZ_TRY(btz_buf_add_str(p->out, "\n|---|---|"));
    for (size_t i = 0; i < p->model.role_count; i++)
        BTZ_TRY(btz_buf_add_str(p->out, "---|"));
    for (size_t a = 0; a < btz_action_count; a++) {
        BTZ_TRY(btz_buf_printf(p->out, "\n| `%s`%s | %s |", btz_actions[a].name,
                               btz_actions[a].administrative ? " *" : "", btz_actions[a].what));
        for (size_t i = 0; i < p->model.role_count; i++) {
            const char *text = cell(p, p->model.roles[i].name, (int)a);

            if (!text)
                return BTZ_LIMIT;
            BTZ_TRY(btz_buf_printf(p->out, " %s |", text));
        }
    }
    return btz_buf_add_byte(p->out, '\n');
}

static enum btz_err write(struct page *p)
{
    BTZ_TRY(btz_buf_add_str(p->out, intro));
    BTZ_TRY(write_roles(p));
    return write_actions(p);
}

enum btz_err btz_policy_roles_page(struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(0);
    struct page p = { .arena = &arena, .out = out };
    enum btz_err err;

    btz_arena_init(&arena, 64 << 20);
    BTZ_TRY(btz_policy_parse(btz_str(btz_policy_ready), "ready.yaml", &arena, &p.model));
    BTZ_TRY(make_people(&p));
    BTZ_TRY(btz_policy_snapshot(&p.model, &bytes, &p.s));
    err = write(&p);
    btz_snapshot_close(p.s);
    return err;
}
