/*
 * What the judge looks at: words and pairs of words of the beginning of a reply, hashed into slots, and general signs
 * (known phrases by kind and place, lists, code, length). Shared by the judge and its trainer; private to this folder.
 */
#ifndef BTZ_TEXT_FEATURES_H
#define BTZ_TEXT_FEATURES_H

#include "base/base.h"

enum {
    BTZ_FEATURE_SLOTS = 1 << 15, /* hashed words and pairs */
    BTZ_FEATURE_SIGNS = 128,     /* general signs, one weight each */
    BTZ_FEATURE_TOKENS = 192,    /* tokens of a reply that are looked at */
    BTZ_FEATURE_MAX = 384,       /* distinct slots of one reply */
    BTZ_FEATURE_BYTES = 4096,    /* of the reply and of the prompt that are read */
    BTZ_CUE_TABLE = 1 << 12,
    BTZ_CUE_WORDS = 10,
};

/* Kinds of known phrases; tools/judge_cues.txt names them in this order from the second on. */
enum btz_cue_kind {
    BTZ_CUE_NONE,
    BTZ_CUE_WORD, /* no phrase by itself, but a word of one */
    BTZ_CUE_APOLOGY,
    BTZ_CUE_CANNOT,
    BTZ_CUE_WONT,
    BTZ_CUE_REQUEST,
    BTZ_CUE_POLICY,
    BTZ_CUE_IDENTITY,
    BTZ_CUE_ALTERNATIVE,
    BTZ_CUE_SCOPE,
    BTZ_CUE_CONDEMN,
    BTZ_CUE_COMPLY,
    BTZ_CUE_NOINFO,
    BTZ_CUE_HEDGE,
    BTZ_CUE_CLARIFY,
    BTZ_CUE_NEGATION,
    BTZ_CUE_SELF,
    BTZ_CUE_ONLY,
    BTZ_CUE_KINDS
};
extern const char *const btz_cue_kind_names[BTZ_CUE_KINDS];

/* A phrase by the hash of its words. Table: open addressing by the low bits; kind NONE is an empty place. */
struct btz_cue {
    uint32_t hash;
    uint8_t kind;
};

struct btz_features {
    uint16_t slot[BTZ_FEATURE_MAX];
    uint8_t sign[BTZ_FEATURE_SIGNS];
    unsigned slots, signs;
};

/* `cues` has BTZ_CUE_TABLE entries. Errors: LIMIT (memory). */
BTZ_CHECKED enum btz_err btz_features_of(struct btz_slice prompt, struct btz_slice response,
                                         const struct btz_cue *cues, struct btz_features *out);

/* Puts a phrase and its words into a table. Errors: INPUT (no words, too many), LIMIT (full), CONFLICT (known with
 * another kind). */
BTZ_CHECKED enum btz_err btz_cue_add(struct btz_cue *cues, struct btz_slice phrase,
                                     enum btz_cue_kind kind);

#endif
