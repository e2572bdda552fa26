/* Two things that one person should not be able to do alone. */
#include "access/review/review.h"

static const struct {
    const char *one, *other, *why;
} pairs[] = {
    { "dataset.write", "model.release",
      "can change training data and release what was made of it" },
    { "finding.suppress", "model.release", "can hide a finding and release the model it is about" },
    { "role.bind", "audit.export", "can give roles, and carry away the trail that tells of it" },
    { "system.operate", "role.bind", "runs the machine and gives roles on it" },
    { "key.write", "dataset.read", "can make keys for others and read the data behind them" },
    { "policy.write", "model.invoke", "writes the rules for the models he uses" },
};

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    for (size_t i = 0; i < r->person_count; i++) {
        const struct btz_review_person *p = &r->people[i];

        if (p->p->disabled)
            continue;
        out->looked_at++;
        for (size_t k = 0; k < BTZ_COUNT(pairs); k++) {
            const char *one = btz_review_may(r, p->p->id, pairs[k].one);
            const char *other = one ? btz_review_may(r, p->p->id, pairs[k].other) : NULL;
            char location[256];

            if (!other)
                continue;
            snprintf(location, sizeof location, "%s %s %s", p->p->id, pairs[k].one, pairs[k].other);
            BTZ_TRY(btz_review_fail(out, -1, location, "%s %s: %s by the role %s, %s by %s",
                                    p->p->name, pairs[k].why, pairs[k].one, one, pairs[k].other,
                                    other));
        }
    }
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_role_toxic = { "role-toxic", check };
