/* Keys older than the settings allow. */
#include "access/review/review.h"

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->key_count; i++) {
        const struct btz_review_key *k = &r->keys[i];
        uint64_t age = r->now_ms > k->created_ms ? r->now_ms - k->created_ms : 0;

        if (!k->active || (k->until_s > 0 && k->until_s * 1000 <= r->now_ms))
            continue;
        out->looked_at++;
        if (age > r->key_max_age_ms)
            BTZ_TRY(btz_review_fail(out, -1, k->id,
                                    "the key \"%s\" of %s is %" PRIu64 " days old, at most %" PRIu64
                                    " are allowed",
                                    k->name, btz_review_name(r, k->principal), age / BTZ_REVIEW_DAY,
                                    r->key_max_age_ms / BTZ_REVIEW_DAY));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_key_unrotated = { "key-unrotated", check };
