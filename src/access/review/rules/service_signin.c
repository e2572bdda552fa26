/* Accounts of programs that sign in as people do. */
#include "access/review/review.h"

static const struct btz_review_use *signed_in(const struct btz_review *r, const char *id)
{
    for (size_t i = r->use_count; i-- > 0;) {
        const struct btz_review_use *u = &r->uses[i];

        if (u->allowed && u->principal && strcmp(u->principal, id) == 0 &&
            strcmp(u->event, "sign-in") == 0 && u->method &&
            (strncmp(u->method, "password", 8) == 0 || strncmp(u->method, "passkey", 7) == 0 ||
             strncmp(u->method, "oidc:", 5) == 0))
            return u;
    }
    return NULL;
}

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->person_count; i++) {
        const struct btz_review_person *p = &r->people[i];
        const struct btz_review_use *u;

        if (p->p->kind != BTZ_PRINCIPAL_SERVICE || p->p->disabled)
            continue;
        out->looked_at++;
        u = signed_in(r, p->p->id);
        if (u)
            BTZ_TRY(btz_review_fail(out, -1, p->p->id, "the service %s signed in by %s", p->p->name,
                                    u->method));
        else if (p->has_password || p->has_factor)
            BTZ_TRY(btz_review_fail(out, BTZ_SEVERITY_MEDIUM, p->p->id,
                                    "the service %s has a %s, as people have", p->p->name,
                                    p->has_password ? "password" : "second factor"));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_service_signin = { "service-signin", check };
