/* What the files of schemas share. Private to schema*.c. */
#ifndef BTZ_TEXT_SCHEMA_INSIDE_H
#define BTZ_TEXT_SCHEMA_INSIDE_H

#include "text/regex.h"
#include "text/schema.h"

enum btz_schema_type {
    BTZ_TYPE_NULL = 1,
    BTZ_TYPE_BOOLEAN = 2,
    BTZ_TYPE_OBJECT = 4,
    BTZ_TYPE_ARRAY = 8,
    BTZ_TYPE_NUMBER = 16,
    BTZ_TYPE_STRING = 32,
    BTZ_TYPE_INTEGER = 64
};

struct btz_schema_node;
struct btz_schema_named { /* a schema, or texts, for a member */
    const char *name;
    const struct btz_schema_node *node;
};
struct btz_schema_pattern {
    struct btz_regex *regex;
    const char *text;
    const struct btz_schema_node *node;
};
struct btz_schema_list {
    const struct btz_schema_node **at;
    size_t count;
};
struct btz_schema_nameds {
    struct btz_schema_named *at;
    size_t count;
};
struct btz_schema_node { /* NULL and 0 where the schema says nothing */
    const json_t *json;
    bool never; /* the schema false */
    unsigned types;
    const json_t *constant, *choices, *required, *members, *needs;
    const json_t *minimum, *maximum, *above, *below, *multiple;
    uint64_t min_length, max_length, min_items, max_items, min_contains, max_contains, min_members,
        max_members;
    bool unique;
    struct btz_schema_pattern pattern, *patterns;
    size_t pattern_count;
    struct btz_schema_nameds properties, dependents;
    struct btz_schema_list prefix, all, any, one;
    const struct btz_schema_node *ref, *additional, *names, *items, *contains, *negated, *condition,
        *then, *otherwise;
};
struct btz_schema {
    json_t *json;
    struct btz_arena arena;
    const struct btz_schema_node *root;
    struct btz_regex **regexes; /* to be freed */
    size_t regex_count, regex_room;
};

enum btz_schema_draft { BTZ_DRAFT_2020, BTZ_DRAFT_2019, BTZ_DRAFT_7 };

/* schema_ref.c: what `$ref` names in the document of `root`. Errors: INPUT, UNSUPPORTED. */
BTZ_CHECKED enum btz_err btz_schema_resolve(const json_t *root, const char *ref,
                                            const json_t **out);
/* It has an `$id` of its own, against which its references are read. */
bool btz_schema_is_document(const json_t *schema);

/* schema_value.c: JSON's idea of equality: 1 and 1.0 are one number, members have no order. `*steps` is taken from. Errors:
 * LIMIT. */
BTZ_CHECKED enum btz_err btz_schema_equal(const json_t *a, const json_t *b, uint64_t *steps,
                                          bool *equal);
BTZ_CHECKED enum btz_err btz_schema_unique(const json_t *array, uint64_t *steps, size_t *first,
                                           size_t *second, bool *unique);
bool btz_schema_is_integer(const json_t *number);
int btz_schema_compare(const json_t *a, const json_t *b); /* of numbers, exact */
/* Exact, in decimals as they are written. */
bool btz_schema_is_multiple(const json_t *a, const json_t *of);

#endif
