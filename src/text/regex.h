/*
 * regex: patterns as JSON Schema has them (ECMA-262 with the flag u), matched in time linear in the text: all ways through
 * the pattern are followed at once. What cannot be followed so (references back, looking ahead or behind) is refused by name.
 */
#ifndef BTZ_TEXT_REGEX_H
#define BTZ_TEXT_REGEX_H

#include "base/base.h"

#define BTZ_REGEX_STATES_MAX 8192

struct btz_regex;
/* Immutable, shared by threads; borrows nothing. `pattern` is UTF-8. Errors: INPUT (no pattern; says where), UNSUPPORTED (names
 * what), LIMIT (more than BTZ_REGEX_STATES_MAX states, repetitions written out). */
BTZ_CHECKED enum btz_err btz_regex_new(struct btz_slice pattern, struct btz_regex **out);
void btz_regex_free(struct btz_regex *r);

/* Does it match anywhere in `text`? Takes from `*steps` what it cost: one for each state at each character. Errors: LIMIT (no
 * steps left, memory). */
BTZ_CHECKED enum btz_err btz_regex_find(const struct btz_regex *r, struct btz_slice text,
                                        uint64_t *steps, bool *found);

#endif
