/* conditions: one request against the conditions of a rule of the model, in words. For explanations; decide.c is the law. */
#ifndef BTZ_ACCESS_POLICY_CONDITIONS_H
#define BTZ_ACCESS_POLICY_CONDITIONS_H

#include "access/policy/index.h"
#include "base/json.h"

struct btz_unmet {
    struct btz_arena *arena;
    json_t *words; /* array of sentences */
    size_t count;
    bool only_unknown; /* every unmet one is a fact that the request does not say */
    bool only_factor;  /* nothing but the second factor */
};
/* Adds a sentence for every condition that does not hold. */
BTZ_CHECKED enum btz_err btz_unmet_conditions(const struct btz_when *w, const struct btz_request *r,
                                              struct btz_unmet *out);
BTZ_CHECKED enum btz_err btz_unmet_add(struct btz_unmet *u, bool unknown, const char *fmt, ...)
    BTZ_PRINTF(3, 4);
/* The texts with ", " between them. NULL without memory. */
const char *btz_join(struct btz_arena *arena, const char *const *list);
/* "2027-01-31T08:00:00Z" */
const char *btz_second_text(struct btz_arena *arena, uint64_t unix_s);
const char *btz_span_text(struct btz_arena *arena, uint32_t seconds); /* "15m" */

#endif
