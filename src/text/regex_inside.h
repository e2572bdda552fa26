/* What the parser of patterns and what follows them share. Private to regex_*.c. */
#ifndef BTZ_TEXT_REGEX_INSIDE_H
#define BTZ_TEXT_REGEX_INSIDE_H

#include <unictype.h>

#include "text/regex.h"

enum btz_regex_item_kind {
    BTZ_ITEM_RANGE,
    BTZ_ITEM_DIGIT,
    BTZ_ITEM_WORD,
    BTZ_ITEM_SPACE,
    BTZ_ITEM_ANY,
    BTZ_ITEM_CATEGORY,
    BTZ_ITEM_PROPERTY,
    BTZ_ITEM_SCRIPT
};
struct btz_regex_item {
    enum btz_regex_item_kind kind;
    bool inverse;
    uint32_t low, high;
    uc_general_category_t category;
    uc_property_t property;
    const uc_script_t *script;
    struct btz_regex_item *next;
};
struct btz_regex_set {
    bool inverse;
    struct btz_regex_item *items;
};

enum btz_regex_kind {
    BTZ_TREE_EMPTY,
    BTZ_TREE_CHAR,
    BTZ_TREE_DOT,
    BTZ_TREE_SET,
    BTZ_TREE_BEGIN,
    BTZ_TREE_END,
    BTZ_TREE_EDGE, /* \b */
    BTZ_TREE_NO_EDGE,
    BTZ_TREE_EITHER, /* `inner` and its `other`s, each a sequence */
    BTZ_TREE_REPEAT  /* `inner`, `min` to `max` times */
};
struct btz_regex_tree {
    enum btz_regex_kind kind;
    uint32_t c;
    const struct btz_regex_set *set;
    uint32_t min, max;            /* max UINT32_MAX: without end */
    struct btz_regex_tree *inner; /* first of a sequence */
    struct btz_regex_tree *next;  /* in a sequence */
    struct btz_regex_tree *other; /* the next EITHER of the same place */
};

/* The pattern as a tree, in the arena. */
BTZ_CHECKED enum btz_err btz_regex_parse(struct btz_slice pattern, struct btz_arena *arena,
                                         struct btz_regex_tree **out);
bool btz_regex_is_word(uint32_t c);
bool btz_regex_in_set(const struct btz_regex_set *set, uint32_t c);

#endif
