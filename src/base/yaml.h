/* YAML 1.1 documents as a tree that remembers lines (libyaml underneath). */
#ifndef BTZ_BASE_YAML_H
#define BTZ_BASE_YAML_H

#include "base/base.h"

enum btz_yaml_kind { BTZ_YAML_SCALAR, BTZ_YAML_LIST, BTZ_YAML_MAP };

/* One node. Children hang in document order; children of a map carry their key. */
struct btz_yaml {
    enum btz_yaml_kind kind;
    const char *key;  /* NULL outside maps */
    const char *text; /* scalars, NUL-terminated, UTF-8 */
    bool plain;    /* scalar without quotes: null, numbers and booleans are recognised only here */
    unsigned line; /* of the value, from 1 */
    unsigned key_line; /* of the key, 0 outside maps */
    struct btz_yaml *first, *next;
};

/*
 * Parses one document into the arena. Limits: 16 MiB, depth 64, 200,000 nodes; aliases, tags, duplicate
 * keys, NUL in scalars and a second document are refused. An empty document is an empty map.
 * Errors: INPUT with "name:line:column", LIMIT.
 */
BTZ_CHECKED enum btz_err btz_yaml_parse(struct btz_slice text, const char *name,
                                        struct btz_arena *arena, const struct btz_yaml **out);

/* The child with that key, or NULL. */
const struct btz_yaml *btz_yaml_get(const struct btz_yaml *map, const char *key);

#endif
