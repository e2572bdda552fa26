/*
 * The part of JSONPath (RFC 9535) that says where a reply stands: names, indexes and wildcards.
 *   $.a.b[0]['c'][-1][*]    choices[0].message.content    answer
 * The leading `$` may be left out. Names without quotes may hold letters, digits, `_`, `-` and anything that is not
 * ASCII. `..`, filters, slices and unions are refused with the position where they stand.
 */
#ifndef BTZ_HTTP_JSONPATH_H
#define BTZ_HTTP_JSONPATH_H

#include "base/json.h"

struct btz_jsonpath {
    const struct btz_jsonpath_step *steps;
    size_t count;
};

/* Lives in the arena. Errors: USAGE (what is wrong at which position), LIMIT (more than 64 steps). */
BTZ_CHECKED enum btz_err btz_jsonpath_parse(struct btz_slice text, struct btz_arena *arena,
                                            struct btz_jsonpath *out);

/*
 * Calls `visit` for each value the path leads to, in document order, at most 10,000, until it returns something
 * else than OK, which is then returned. `*found` counts the calls. Errors: LIMIT, and those of `visit`.
 */
BTZ_CHECKED enum btz_err btz_jsonpath_visit(const struct btz_jsonpath *path, const json_t *root,
                                            enum btz_err (*visit)(void *user, const json_t *value),
                                            void *user, size_t *found);

/* Appends what the path leads to as text: strings as they are, null as nothing, anything else as JSON; several values
 * on lines of their own. */
BTZ_CHECKED enum btz_err btz_jsonpath_text(const struct btz_jsonpath *path, const json_t *root,
                                           struct btz_buf *out, size_t *found);

#endif
