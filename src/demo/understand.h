/*
 * What a reader of many scripts and codes takes from a message: the text as it looks, and what it says once it
 * is decoded. Naive on purpose and written for this assistant alone, so that what the demonstration understands
 * does not depend on what the scanner understands. Inside demo only.
 */
#ifndef BTZ_DEMO_UNDERSTAND_H
#define BTZ_DEMO_UNDERSTAND_H

#include "demo/lexicon.h"

#define BTZ_DEMO_READINGS_MAX 24

struct btz_demo_reading {
    struct btz_slice text; /* UTF-8 without accents, look-alikes and invisible characters */
    const char *how;       /* "plain", "base64", ... the last decoding */
    bool disguised;        /* it did not stand there in plain letters */
};

/*
 * Readings of a message, the plain one first, at most BTZ_DEMO_READINGS_MAX; texts longer than 64 KiB are read
 * at both ends. In the arena. Errors: LIMIT.
 */
BTZ_CHECKED enum btz_err btz_demo_understand(const struct btz_demo_lexicon *lexicon,
                                             struct btz_slice message, struct btz_arena *arena,
                                             struct btz_demo_reading *out, size_t *count);

/* ---- fold.c: how it looks ------------------------------------------------------------------------- */

struct btz_demo_fold {
    struct btz_buf plain;
    struct btz_buf hidden; /* written in tags, variation selectors or invisible bits */
    bool disguised;
};
BTZ_CHECKED enum btz_err btz_demo_fold(struct btz_slice message, struct btz_demo_fold *out);
void btz_demo_fold_release(struct btz_demo_fold *fold);

/* ---- decode.c: codes that stand inside a text -------------------------------------------------------- */

/* Appends `in` with every run of one code replaced by what it says; *changed tells whether there was one. */
struct btz_demo_code {
    const char *name;
    enum btz_err (*read)(struct btz_slice in, bool told, struct btz_buf *out, bool *changed);
};
extern const struct btz_demo_code btz_demo_codes[];
extern const size_t btz_demo_code_count;

/* ---- cipher.c: ciphers over a stretch of text -------------------------------------------------------- */

struct btz_demo_cipher {
    const char *name;
    const char *told; /* words that announce it, separated by spaces */
    enum btz_err (*read)(const struct btz_demo_lexicon *lexicon, struct btz_slice in,
                         struct btz_buf *out);
};
extern const struct btz_demo_cipher btz_demo_ciphers[];
extern const size_t btz_demo_cipher_count;

#endif
