/* index: a model sorted and resolved, for the compiler, the checks and the explainer. Everything in the arena. */
#ifndef BTZ_ACCESS_POLICY_INDEX_H
#define BTZ_ACCESS_POLICY_INDEX_H

#include "access/policy/pattern.h"

#define BTZ_ROLES_MAX  4096
#define BTZ_RULES_MAX  65536
#define BTZ_PEOPLE_MAX (1u << 20)
#define BTZ_KEYS_MAX   (1u << 22)

struct btz_model_index {
    const struct btz_policy_model *model;
    const struct btz_role_model **roles;           /* by name */
    size_t words;                                  /* 64-bit words of a set of roles */
    uint64_t *closures;                            /* of each role: itself and what it inherits */
    const struct btz_principal_model **principals; /* by id */
    uint32_t *by_name;                             /* the same by name */
    const struct btz_group_model **groups;         /* by id */
    uint32_t **members;                            /* of each group: principals, ascending */
    size_t *member_counts;
};

/* qsort, but for lists that are in order already: a store gives its rows so, and a million texts take a second to sort. */
void btz_sort(void *list, size_t count, size_t size, int (*compare)(const void *, const void *));
/* Names known, no duplicates, no circles, within limits. Errors: USAGE, LIMIT. */
BTZ_CHECKED enum btz_err btz_model_index(const struct btz_policy_model *m, struct btz_arena *arena,
                                         struct btz_model_index *out);
/* BTZ_NOBODY when there is none. */
uint32_t btz_index_role(const struct btz_model_index *x, const char *name);
uint32_t btz_index_principal(const struct btz_model_index *x, const char *id);
uint32_t btz_index_principal_named(const struct btz_model_index *x, const char *name);
uint32_t btz_index_group(const struct btz_model_index *x, const char *id);
/* The principals a binding is for: one, or a group's. */
void btz_index_subjects(const struct btz_model_index *x, const struct btz_binding_model *b,
                        uint32_t *one, const uint32_t **list, size_t *count);
static inline const uint64_t *btz_index_closure(const struct btz_model_index *x, uint32_t role)
{
    return x->closures + role * x->words;
}
static inline bool btz_bit(const uint64_t *set, size_t i)
{
    return set[i / 64] >> i % 64 & 1;
}
/* "user/usr_..." to "user/alice" where that is somebody's id; other patterns as they are. NULL without memory. */
const char *btz_index_canonical(const struct btz_model_index *x, struct btz_arena *arena,
                                const char *pattern);

#endif
