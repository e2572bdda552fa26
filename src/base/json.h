/* JSON through jansson, with limits and errors in our terms. */
#ifndef BTZ_BASE_JSON_H
#define BTZ_BASE_JSON_H

#include <jansson.h>

#include "base/base.h"

/* Parses one JSON text (RFC 8259): at most `cap` bytes and depth 128, duplicate keys refused, any value
 * at the top. The caller owns *out (json_decref). Errors: INPUT with line and column, LIMIT. */
BTZ_CHECKED enum btz_err btz_json_parse(struct btz_slice text, size_t cap, const char *what,
                                        json_t **out);

/* Is it one array, object or string of what JSON is written with, so that some reader may take it, whatever else is wrong
 * with it: members twice, numbers out of range, levels, surrogates, commas? */
bool btz_json_is_alike(struct btz_slice text);

/* A string value from any bytes: ill-formed UTF-8 and NUL become U+FFFD. NULL without memory. */
json_t *btz_json_text(struct btz_slice text);

/* Appends the compact text of `value`; `pretty` indents by two. Equal values give equal bytes. */
BTZ_CHECKED enum btz_err btz_json_write(const json_t *value, bool pretty, struct btz_buf *out);

/* The string member `key` of an object as a slice into it; empty slice and false when absent. */
bool btz_json_get_text(const json_t *object, const char *key, struct btz_slice *out);

/* Drops a reference at the end of a scope. */
void btz_json_drop(json_t **value);
#define BTZ_JSON __attribute__((cleanup(btz_json_drop)))

#endif
