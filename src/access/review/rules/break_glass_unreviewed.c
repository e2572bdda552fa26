/* Emergencies that are over and that nobody else has looked at. */
#include "access/review/review.h"

#define TIME_MS (7 * BTZ_REVIEW_DAY)

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->glass_count; i++) {
        const struct btz_review_glass *g = &r->glass[i];
        char when[BTZ_TIME_TEXT];

        out->looked_at++;
        if (g->reviewed_ms > 0 || r->now_ms < g->at_ms + TIME_MS)
            continue;
        btz_time_format(g->at_ms, when);
        BTZ_TRY(btz_review_fail(out, -1, g->id,
                                "%s took an administrator's rights at %s (\"%s\"), and nobody has "
                                "reviewed it",
                                g->name, when, g->reason));
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_break_glass_unreviewed = { "break-glass-unreviewed",
                                                                        check };
