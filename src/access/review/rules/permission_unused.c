/* Roles that somebody holds for good and of which he used nothing in the whole window. */
#include "access/review/review.h"

static bool used(const struct btz_review *r, const struct btz_review_binding *b)
{
    for (size_t i = 0; i < r->use_count; i++) {
        const struct btz_review_use *u = &r->uses[i];

        if (u->allowed && u->principal && u->action && btz_review_binding_has(r, b, u->principal) &&
            btz_review_role_allows(r, b->role, u->action, NULL))
            return true;
    }
    return false;
}

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    bool skipped;

    BTZ_TRY(btz_review_needs_window(r, out, &skipped));
    for (size_t i = 0; i < r->binding_count && !skipped; i++) {
        const struct btz_review_binding *b = &r->bindings[i];

        /* One that is younger than the window had no time to be used. */
        if (!btz_review_binding_is_on(r, b) || b->created_ms > r->now_ms - r->window_ms)
            continue;
        out->looked_at++;
        if (!used(r, b))
            BTZ_TRY(btz_review_fail(
                out, -1, b->id, "%s holds the role %s and used nothing of it in %" PRIu64 " days",
                btz_review_name(r, b->subject), b->role, r->window_ms / BTZ_REVIEW_DAY));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_permission_unused = { "permission-unused", check };
