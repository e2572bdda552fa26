/* All actions on all resources, held by a person for good; and administrators beyond what is needed. */
#include "access/review/review.h"

#define ADMINISTRATORS_MOST 5

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    size_t administrators = 0;

    for (size_t i = 0; i < r->binding_count; i++) {
        const struct btz_review_binding *b = &r->bindings[i];

        if (!btz_review_binding_is_on(r, b) || strcmp(b->kind, "normal") != 0 || b->until_s > 0)
            continue;
        out->looked_at++;
        if ((!b->resource || strcmp(b->resource, "*") == 0) &&
            btz_review_role_is_everything(r, b->role))
            BTZ_TRY(btz_review_fail(out, -1, b->id,
                                    "%s holds the role %s for good: all actions on all resources",
                                    btz_review_name(r, b->subject), b->role));
    }
    for (size_t i = 0; i < r->person_count; i++)
        administrators += r->people[i].p->kind == BTZ_PRINCIPAL_USER && !r->people[i].p->disabled &&
                          btz_review_may(r, r->people[i].p->id, "role.bind") != NULL;
    if (administrators > ADMINISTRATORS_MOST)
        BTZ_TRY(btz_review_fail(out, BTZ_SEVERITY_MEDIUM, "role.bind",
                                "%zu people can give roles to anybody; %d are enough for most",
                                administrators, ADMINISTRATORS_MOST));
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_role_broad = { "role-broad", check };
