/* compile: the sections of a snapshot while they grow. */
#ifndef BTZ_ACCESS_POLICY_COMPILE_H
#define BTZ_ACCESS_POLICY_COMPILE_H

#include "access/policy/index.h"
#include "access/policy/snapshot.h"

struct btz_compiled_rule {
    const struct btz_rule_model *rule;
    uint32_t role;
};
struct btz_compile {
    struct btz_model_index index;
    struct btz_arena *arena;
    struct btz_buf section[BTZ_SNAP_SECTIONS];
    struct btz_compiled_rule *rules; /* by role, then id */
    size_t rule_count;
};

/* One record at the end of its section; its index in *at (may be NULL). */
BTZ_CHECKED enum btz_err btz_compile_put(struct btz_compile *c, enum btz_snap_section s,
                                         const void *record, uint32_t *at);
BTZ_CHECKED enum btz_err btz_compile_text(struct btz_compile *c, struct btz_slice text,
                                          struct btz_snap_text *out);
BTZ_CHECKED enum btz_err btz_compile_pattern(struct btz_compile *c, const char *text,
                                             struct btz_snap_pattern *out);
uint32_t btz_compile_count(const struct btz_compile *c, enum btz_snap_section s);

BTZ_CHECKED enum btz_err btz_compile_rules(struct btz_compile *c);   /* compile_rules.c */
BTZ_CHECKED enum btz_err btz_compile_buckets(struct btz_compile *c); /* compile_buckets.c */
BTZ_CHECKED enum btz_err btz_compile_people(struct btz_compile *c);  /* compile_people.c */
/* `of`: of each principal by id; zeroed. (compile_groups.c) */
BTZ_CHECKED enum btz_err btz_compile_groups(struct btz_compile *c, struct btz_snap_range *of);
BTZ_CHECKED enum btz_err btz_compile_keys(struct btz_compile *c); /* compile_keys.c */

#endif
