/* parse: what the readers of policy files share. */
#ifndef BTZ_ACCESS_POLICY_PARSE_H
#define BTZ_ACCESS_POLICY_PARSE_H

#include "access/policy/pattern.h"
#include "base/yaml.h"

#define BTZ_POLICY_WORDS_MAX 256 /* items of one list */

struct btz_policy_names; /* parse_people.c */
struct btz_policy_reader {
    const char *file, *policy;
    struct btz_policy_names *names;
    struct btz_arena *arena;
    struct btz_policy_model *model;
};

/* "file:line: " before the detail already set. */
enum btz_err btz_policy_at(const struct btz_policy_reader *r, unsigned line, enum btz_err err);
/* Every key of the map is one of `keys` (NULL-terminated); USAGE with the nearest one otherwise, or when it is no map. */
BTZ_CHECKED enum btz_err btz_policy_keys(const struct btz_policy_reader *r,
                                         const struct btz_yaml *map, const char *what,
                                         const char *const *keys);
BTZ_CHECKED enum btz_err btz_policy_text(const struct btz_policy_reader *r,
                                         const struct btz_yaml *node, const char **out);
BTZ_CHECKED enum btz_err btz_policy_name(const struct btz_policy_reader *r,
                                         const struct btz_yaml *node, const char **out);
/* One text or a list of texts, each through `check` (may be NULL); NULL-terminated. At most `max`. */
BTZ_CHECKED enum btz_err btz_policy_texts(const struct btz_policy_reader *r,
                                          const struct btz_yaml *node, size_t max,
                                          enum btz_err (*check)(const char *),
                                          const char *const **out);
/* RFC 3339 or a day, to Unix seconds. */
BTZ_CHECKED enum btz_err btz_policy_time(const struct btz_policy_reader *r,
                                         const struct btz_yaml *node, uint64_t *out);
BTZ_CHECKED enum btz_err btz_policy_duration(const struct btz_policy_reader *r,
                                             const struct btz_yaml *node, uint32_t *seconds);
BTZ_CHECKED enum btz_err btz_policy_choice(const struct btz_policy_reader *r,
                                           const struct btz_yaml *node, const char *const *choices,
                                           int *out);
BTZ_CHECKED enum btz_err btz_policy_real(const struct btz_policy_reader *r,
                                         const struct btz_yaml *node, double *out);
BTZ_CHECKED enum btz_err btz_policy_bool(const struct btz_policy_reader *r,
                                         const struct btz_yaml *node, bool *out);
/* parse_when.c */
BTZ_CHECKED enum btz_err btz_policy_when(const struct btz_policy_reader *r,
                                         const struct btz_yaml *node, struct btz_when *out);
/* parse_people.c: principals, groups, bindings, keys, exclusive. */
BTZ_CHECKED enum btz_err btz_policy_people(const struct btz_policy_reader *r,
                                           const struct btz_yaml *root);
size_t btz_policy_children(const struct btz_yaml *node);
/* An array of old + more items in the arena, the old ones copied. */
BTZ_CHECKED enum btz_err btz_policy_grow(struct btz_arena *arena, const void *old, size_t count,
                                         size_t more, size_t size, void *out);
/* The whole of a file of policies, with a section `tests:` passed over when `tests`. */
BTZ_CHECKED enum btz_err btz_policy_read(const struct btz_yaml *root, const char *file, bool tests,
                                         struct btz_arena *arena, struct btz_policy_model *model);

#endif
