/* Credentials that vendors made recognisable. Private to the detector of secrets. */
#ifndef BTZ_GATE_GUARD_SECRET_RULES_H
#define BTZ_GATE_GUARD_SECRET_RULES_H

#include "gate/guard/guard.h"

enum btz_secret_set { /* what a credential is made of */
                      BTZ_SET_ALNUM,
                      BTZ_SET_WORD,   /* and "_" */
                      BTZ_SET_TOKEN,  /* and "_", "-" */
                      BTZ_SET_DOTTED, /* and "_", "-", ".", "=", "~" */
                      BTZ_SET_HEX,
                      BTZ_SET_BASE64, /* and "+", "/", "=" */
                      BTZ_SET_UPPER,  /* and digits */
                      BTZ_SET_LOWER,  /* and digits */
                      BTZ_SET_ALPHA,
                      BTZ_SET_BASE32, /* A-Z, 2-7 */
                      BTZ_SET_UUID,   /* hex digits and "-" */
                      BTZ_SET_COUNT
};
/*
 * `prefix` as it is written, then `min` to `max` of the set. `part` must be in it; "": the prefix may stand within a word.
 * `glued`: chance makes no such thing, so words may be joined to either end of it; else it stands alone.
 */
struct btz_secret_rule {
    const char *prefix, *kind;
    enum btz_secret_set set;
    uint16_t min, max;
    uint8_t bits; /* tenths of bits of entropy a character, at least */
    const char *part;
    bool glued;
};
extern const struct btz_secret_rule btz_secret_rules[];
extern const size_t btz_secret_rule_count;
/* Names of services in front of "= value" whose keys look like nothing in particular. */
extern const char *const btz_secret_vendors[];

#endif
