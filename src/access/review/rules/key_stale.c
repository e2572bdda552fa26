/* Keys that nobody should be able to use any more, and can be used or are kept: of accounts that are disabled, or
 * replaced by a rotation whose overlap is long over. */
#include "access/review/review.h"

#define OVERLAP_MS (14 * BTZ_REVIEW_DAY)

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->key_count; i++) {
        const struct btz_review_key *k = &r->keys[i];
        uint32_t who = btz_index_principal(&r->index, k->principal);
        bool expired = k->until_s > 0 && k->until_s * 1000 <= r->now_ms;

        if (!k->active || expired)
            continue;
        out->looked_at++;
        if (who == BTZ_NOBODY || r->index.principals[who]->disabled)
            BTZ_TRY(btz_review_fail(out, -1, k->id,
                                    "the key \"%s\" is active, its account %s is disabled", k->name,
                                    btz_review_name(r, k->principal)));
        else if (k->rotated_to && (k->until_s == 0 || k->until_s * 1000 > r->now_ms + OVERLAP_MS))
            BTZ_TRY(btz_review_fail(out, -1, k->id,
                                    "the key \"%s\" of %s was replaced by %s and still works",
                                    k->name, btz_review_name(r, k->principal), k->rotated_to));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_key_stale = { "key-stale", check };
