/*
 * json_quick: the common case of JSON, several times as fast as jansson, whose values it makes and gives out. What it does not
 * take, jansson judges: it never decides that a text is no JSON, so errors and their places stay jansson's.
 */
#ifndef BTZ_BASE_JSON_QUICK_H
#define BTZ_BASE_JSON_QUICK_H

#include "base/json.h"

/* NULL: not taken (no JSON, duplicate members, NUL, deeper than depth_max, memory, or just unusual). Otherwise equal to what
 * json_loadb() with JSON_REJECT_DUPLICATES | JSON_DECODE_ANY gives. */
json_t *btz_json_quick_parse(struct btz_slice text, size_t depth_max);

/* The bytes of json_dumps() with JSON_COMPACT | JSON_ENCODE_ANY. False: not written (memory, too deep to be a tree). */
bool btz_json_quick_write(const json_t *value, struct btz_buf *out);

#endif
