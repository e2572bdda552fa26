/* Roles other than the ready ones whose holders can widen them: by writing policies, or by giving themselves roles. */
#include "access/review/review.h"

static bool is_ready(const struct btz_role_model *role)
{
    return role->rule_count > 0 && role->rules[0].file &&
           strcmp(role->rules[0].file, "ready roles") == 0;
}

/* A condition on a second person is none that a rule can make: only approvals can, and those are settings. */
static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    static const char *const actions[] = { "policy.write", "role.bind" };

    for (size_t i = 0; i < r->model->role_count; i++) {
        const struct btz_role_model *role = &r->model->roles[i];

        if (is_ready(role))
            continue;
        out->looked_at++;
        for (size_t k = 0; k < BTZ_COUNT(actions); k++) {
            const char *pattern = NULL;
            char location[256];

            if (!btz_review_role_allows(r, role->name, actions[k], &pattern))
                continue;
            snprintf(location, sizeof location, "%s %s", role->name, actions[k]);
            BTZ_TRY(btz_review_fail(out, -1, location,
                                    "whoever holds the role %s may %s on %s, and so give himself "
                                    "more than the role says",
                                    role->name, actions[k], pattern));
        }
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_role_self_change = { "role-self-change", check };
