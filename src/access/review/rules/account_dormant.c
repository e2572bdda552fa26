/* Accounts that work and that nobody used for a long time. */
#include "access/review/review.h"

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->person_count; i++) {
        const struct btz_review_person *p = &r->people[i];
        uint64_t last = p->last_used_ms > p->created_ms ? p->last_used_ms : p->created_ms;
        uint64_t idle = r->now_ms > last ? r->now_ms - last : 0;

        if (p->p->disabled)
            continue;
        out->looked_at++;
        if (idle > r->dormant_ms)
            BTZ_TRY(btz_review_fail(
                out, btz_review_is_administrative(r, p->p->id) ? (int)BTZ_SEVERITY_HIGH : -1,
                p->p->id, "the account %s %s for %" PRIu64 " days", p->p->name,
                p->last_used_ms ? "has not been used" : "has never been used; it has been there",
                idle / BTZ_REVIEW_DAY));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_account_dormant = { "account-dormant", check };
