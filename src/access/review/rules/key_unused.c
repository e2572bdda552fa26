/* Keys that work and that nobody used for a long time. */
#include "access/review/review.h"

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->key_count; i++) {
        const struct btz_review_key *k = &r->keys[i];
        uint64_t last = k->last_used_ms > k->created_ms ? k->last_used_ms : k->created_ms;
        uint64_t idle = r->now_ms > last ? r->now_ms - last : 0;

        if (!k->active || (k->until_s > 0 && k->until_s * 1000 <= r->now_ms))
            continue;
        out->looked_at++;
        if (idle > r->dormant_ms)
            BTZ_TRY(btz_review_fail(out, -1, k->id, "the key \"%s\" of %s %s for %" PRIu64 " days",
                                    k->name, btz_review_name(r, k->principal),
                                    k->last_used_ms ? "has not been used"
                                                    : "has never been used; it has been there",
                                    idle / BTZ_REVIEW_DAY));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_key_unused = { "key-unused", check };
