/* universe: the questions that tell two models apart. */
#ifndef BTZ_ACCESS_POLICY_UNIVERSE_H
#define BTZ_ACCESS_POLICY_UNIVERSE_H

#include "access/policy/pattern.h"

/* Distinct texts in the order they came. */
struct btz_words {
    const char **list;
    size_t count, room;
};

enum btz_fact {
    BTZ_FACT_TIME,
    BTZ_FACT_MFA,
    BTZ_FACT_CERT,
    BTZ_FACT_COST,
    BTZ_FACT_ADDRESS,
    BTZ_FACT_MODEL,
    BTZ_FACT_ENDPOINT,
    BTZ_FACT_TOOL,
    BTZ_FACTS
};
#define BTZ_FACT_VALUES 64

/* The values of one fact that some condition tells apart; the last one is the most favourable. */
struct btz_dimension {
    union btz_fact_value {
        uint64_t time;
        uint32_t mfa_age;
        bool cert;
        double cost;
        const char *text; /* address or name; "" not known */
    } values[BTZ_FACT_VALUES];
    size_t count;
    bool cut; /* there were more */
};

struct btz_universe {
    struct btz_arena *arena;
    struct btz_words resources;
    struct btz_dimension dimensions[BTZ_FACTS];
    uint8_t (*contexts)[BTZ_FACTS]; /* index of each value */
    size_t context_count;
    bool sampled;
};
BTZ_CHECKED enum btz_err btz_universe(const struct btz_policy_model *a,
                                      const struct btz_policy_model *b, uint64_t now_s,
                                      struct btz_arena *arena, struct btz_universe *out);
/* Sets the facts of a context. */
void btz_universe_apply(const struct btz_universe *u, size_t context, struct btz_request *r);
BTZ_CHECKED enum btz_err btz_words_add(struct btz_words *w, struct btz_arena *arena,
                                       const char *text);

#endif
