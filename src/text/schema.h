/*
 * schema: does a JSON value conform to a JSON Schema? Draft 2020-12's applicators and validation vocabulary (JSON Schema Core
 * and Validation, 2022-06), and drafts 2019-09, 7 and 6 where `$schema` names them; compiled once, checked many times.
 *
 * A schema that asks for what is not known here is refused by name and never passed in silence: references to other documents,
 * `$id` below the root, `unevaluated...`, `$dynamicRef`, patterns that take more than linear time. `format` and content keywords
 * are annotations, as the draft says; keywords that no draft knows are ignored.
 */
#ifndef BTZ_TEXT_SCHEMA_H
#define BTZ_TEXT_SCHEMA_H

#include "base/json.h"

#define BTZ_SCHEMA_BYTES_MAX ((size_t)1 << 20)
#define BTZ_SCHEMA_NODES_MAX 20000   /* schemas in a schema */
#define BTZ_SCHEMA_DEPTH_MAX 192     /* of schemas applied within one another */
#define BTZ_SCHEMA_STEPS_MAX 1000000 /* of one check; about 10 ms */

struct btz_schema;
/* Immutable, shared by threads. The first holds a reference to `root`, which must not be changed while it lives. Errors: INPUT
 * (no schema: says where and what was expected), UNSUPPORTED (names the keyword), LIMIT. */
BTZ_CHECKED enum btz_err btz_schema_new(json_t *root, struct btz_schema **out);
BTZ_CHECKED enum btz_err btz_schema_parse(struct btz_slice text, const char *what,
                                          struct btz_schema **out);
void btz_schema_free(struct btz_schema *s);

/* Where and why a value does not conform. The texts hold names of members and what the schema says, never values. */
struct btz_schema_fault {
    char where[96]; /* JSON pointer (RFC 6901) into the value, "" is all of it; cut with "..." */
    const char *keyword; /* static: "type", "required", ...; "json": the text is none */
    char expected[112];  /* "string or null", "member `name`", "at most 5" */
    bool foreign; /* `where` holds names that the value made up: no `properties` names them */
};
/* `fault` is written when `*conforms` is false: the first one. Errors: LIMIT (steps, depth, memory): it is not known then. */
BTZ_CHECKED enum btz_err btz_schema_check(const struct btz_schema *s, const json_t *value,
                                          bool *conforms, struct btz_schema_fault *fault);
/* The same for JSON text; one that is none (or holds a member twice, and so is read in two ways) does not conform. Errors: LIMIT
 * (also: more than `cap` bytes, deeper than 128 levels, numbers and characters that cannot be held here). */
BTZ_CHECKED enum btz_err btz_schema_check_text(const struct btz_schema *s, struct btz_slice text,
                                               size_t cap, bool *conforms,
                                               struct btz_schema_fault *fault);

#endif
