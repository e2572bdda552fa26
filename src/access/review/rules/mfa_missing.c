/* People with a password and no second factor; those who can change who may do what first of all. */
#include "access/review/review.h"

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->person_count; i++) {
        const struct btz_review_person *p = &r->people[i];
        bool admin;

        if (p->p->disabled || p->p->kind != BTZ_PRINCIPAL_USER)
            continue;
        out->looked_at++;
        if (p->has_factor)
            continue;
        admin = btz_review_is_administrative(r, p->p->id);
        if (admin || r->mfa_required || p->has_password)
            BTZ_TRY(btz_review_fail(out,
                                    admin             ? BTZ_SEVERITY_HIGH
                                    : r->mfa_required ? BTZ_SEVERITY_MEDIUM
                                                      : BTZ_SEVERITY_LOW,
                                    p->p->id, "%s has no second factor%s", p->p->name,
                                    admin ? " and holds administrative actions" : ""));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_mfa_missing = { "mfa-missing", check };
