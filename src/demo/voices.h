/* What the assistant says when it has nothing special to do. Inside demo only. */
#ifndef BTZ_DEMO_VOICES_H
#define BTZ_DEMO_VOICES_H

#include "demo/intent.h"

/* One of a table of sentences. */
const char *btz_demo_pick(struct btz_rng *rng, const char *const *table, size_t count);

const char *btz_demo_refusal(struct btz_rng *rng); /* in one of many languages */
const char *btz_demo_short_refusal(struct btz_rng *rng);
const char *btz_demo_deflection(struct btz_rng *rng);
const char *btz_demo_explanation(struct btz_rng *rng); /* of what an attack is */
const char *btz_demo_long_help(struct btz_rng *rng);
const char *btz_demo_opener(struct btz_rng *rng); /* before an answer: "Sure." */
const char *btz_demo_closer(struct btz_rng *rng); /* behind it, may be empty */

/* All refusals, for the tests. */
const char *const *btz_demo_refusals(size_t *count);

/* A helpful answer to an ordinary question. Appends. */
BTZ_CHECKED enum btz_err btz_demo_help(const struct btz_demo_tokens *question, struct btz_rng *rng,
                                       struct btz_buf *out);
/* The harmless part of a question, or NULL when it has none: one sentence about shipping and alike. */
const char *btz_demo_harmless_part(const struct btz_demo_tokens *question, struct btz_rng *rng);

#endif
