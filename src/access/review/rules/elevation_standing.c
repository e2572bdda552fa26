/* Rights for a while that have become rights for good: without end, longer than allowed, or taken again and again. */
#include "access/review/review.h"

#define AGAIN 5 /* in the window */

static unsigned taken(const struct btz_review *r, const struct btz_review_binding *b)
{
    unsigned count = 0;

    for (size_t i = 0; i < r->binding_count; i++)
        count += strcmp(r->bindings[i].kind, "elevation") == 0 &&
                 strcmp(r->bindings[i].role, b->role) == 0 &&
                 strcmp(r->bindings[i].subject, b->subject) == 0 &&
                 r->bindings[i].created_ms + r->window_ms >= r->now_ms;
    return count;
}

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->binding_count; i++) {
        const struct btz_review_binding *b = &r->bindings[i];
        const char *name = btz_review_name(r, b->subject);

        if (strcmp(b->kind, "elevation") != 0)
            continue;
        out->looked_at++;
        if (b->until_s == 0 ||
            b->until_s * 1000 > b->created_ms + r->elevation_max_ms + BTZ_REVIEW_DAY)
            BTZ_TRY(btz_review_fail(out, -1, b->id, "%s holds the role %s by an elevation that %s",
                                    name, b->role,
                                    b->until_s ? "lasts longer than allowed" : "has no end"));
        else if (btz_review_binding_is_on(r, b) && taken(r, b) >= AGAIN)
            BTZ_TRY(btz_review_fail(out, -1, b->id,
                                    "%s took the role %s for a while %u times in %" PRIu64 " days",
                                    name, b->role, taken(r, b), r->window_ms / BTZ_REVIEW_DAY));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_elevation_standing = { "elevation-standing", check };
