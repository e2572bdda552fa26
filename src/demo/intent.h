/* What a text asks for, in general terms. Inside demo only. */
#ifndef BTZ_DEMO_INTENT_H
#define BTZ_DEMO_INTENT_H

#include "demo/lexicon.h"

/* ---- tokens.c ------------------------------------------------------------------------------------- */

struct btz_demo_token {
    struct btz_slice text; /* lower case */
    struct btz_slice raw;
    uint64_t kinds;
    uint64_t value;    /* of numbers */
    unsigned sentence; /* counted from 0 */
    bool word, number; /* neither: one sign */
    bool quoted;       /* inside quotes, brackets or backticks of at most three words */
};
struct btz_demo_tokens {
    struct btz_slice source;
    struct btz_demo_token *at;
    size_t count;
    size_t *sentences; /* where each begins */
    unsigned sentence_count;
};
#define BTZ_DEMO_TOKENS_MAX 4096 /* of one text; longer ones are read at both ends */

BTZ_CHECKED enum btz_err btz_demo_tokenise(const struct btz_demo_lexicon *lexicon,
                                           struct btz_slice text, struct btz_arena *arena,
                                           struct btz_demo_tokens *out);
/* Whether a token in [from, to) of the same sentence as `from` has one of the kinds. */
bool btz_demo_near(const struct btz_demo_tokens *t, size_t from, size_t to, uint64_t kinds);
/* Whether a token of that sentence has one of the kinds. */
bool btz_demo_in_sentence(const struct btz_demo_tokens *t, unsigned sentence, uint64_t kinds);
/* Whether the token is one of the words, separated by spaces. */
bool btz_demo_is_any(const struct btz_demo_token *token, const char *words);
/* Whether the text holds the phrase, whatever the case. */
bool btz_demo_says(struct btz_slice text, const char *phrase);

/* ---- intent.c, join.c, wordgame.c, output.c ------------------------------------------------------------------- */

enum btz_demo_ask_kind {
    ASK_JOIN,   /* text: the words joined */
    ASK_NUMBER, /* text: the result */
    ASK_SAY,    /* text: to be repeated */
    ASK_SYSTEM, /* its instructions */
    ASK_SECRET, /* which: bits */
    ASK_NOTES,  /* raw data and internal notes of a tool */
    ASK_MEMO,   /* papers for staff */
    ASK_IMAGE,  /* text: the address */
    ASK_LINK,   /* text: the address */
    ASK_HTML,   /* text: a literal to use, may be empty; alike below */
    ASK_SQL,
    ASK_SHELL,
    ASK_TEMPLATE,
    ASK_ANSI,
    ASK_KIND_COUNT
};
enum btz_demo_form {
    FORM_PLAIN,
    FORM_SUMMARY,
    FORM_FRENCH,
    FORM_GERMAN,
    FORM_SPANISH,
    FORM_POEM,
    FORM_FIRST_LETTERS,
    FORM_BASE64,
    FORM_HEX,
    FORM_ROT13,
    FORM_REVERSED,
    FORM_SPELLED, /* single characters with a sign between them */
    FORM_PART     /* the beginning only */
};
enum { SECRET_KEY = 1, SECRET_CODE = 2 };

struct btz_demo_ask {
    enum btz_demo_ask_kind kind;
    struct btz_slice text;
    enum btz_demo_form form;
    unsigned which;
    uint64_t a, b;         /* of a product; 0 else */
    struct btz_slice verb; /* the command or statement it shall be */
};
#define BTZ_DEMO_ASKS_MAX 16
struct btz_demo_asks {
    struct btz_demo_ask at[BTZ_DEMO_ASKS_MAX];
    size_t count;
    bool overrides; /* earlier instructions are said not to count, or a fake authority speaks */
    bool persona;   /* a role without limits */
    bool role;      /* a role */
    bool teaches;   /* it wants something explained */
    bool ciphers;   /* it names a code */
    bool decodes;   /* it wants something decoded */
    bool papers;    /* it speaks of documents */
    bool json;      /* answer as JSON */
    struct btz_slice assembled;      /* a text that came in pieces */
    struct btz_slice filled;         /* the form it was wanted in, with the text in its place */
    struct btz_slice payload;        /* a word for active output */
    struct btz_slice prefix, suffix; /* the answer shall begin, end with */
    enum btz_demo_form
        answer_form; /* of the whole answer; FORM_PLAIN, BASE64, HEX, ROT13, REVERSED */
};

/* What `text` asks for; word games may use words of `earlier` messages. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_demo_intent(const struct btz_demo_lexicon *lexicon,
                                         struct btz_slice text, struct btz_slice earlier,
                                         struct btz_arena *arena, struct btz_demo_asks *out);

/* Adds an ask unless the same one is there or the list is full; returns it or NULL. */
struct btz_demo_ask *btz_demo_add_ask(struct btz_demo_asks *asks, enum btz_demo_ask_kind kind,
                                      struct btz_slice text);
const struct btz_demo_ask *btz_demo_find_ask(const struct btz_demo_asks *asks,
                                             enum btz_demo_ask_kind kind);

/* How much a token looks like the object of a word game; negative: not at all. */
int btz_demo_object_score(const struct btz_demo_tokens *t, size_t i);
BTZ_CHECKED enum btz_err btz_demo_find_join(const struct btz_demo_lexicon *lexicon,
                                            const struct btz_demo_tokens *t,
                                            struct btz_slice earlier, struct btz_arena *arena,
                                            struct btz_demo_asks *asks);
/* Texts that come in pieces. */
BTZ_CHECKED enum btz_err btz_demo_find_parts(const struct btz_demo_tokens *t,
                                             struct btz_arena *arena, struct btz_demo_asks *asks);
/* Words to join, numbers to multiply, texts to repeat, beginnings of answers. */
BTZ_CHECKED enum btz_err btz_demo_find_games(const struct btz_demo_lexicon *lexicon,
                                             const struct btz_demo_tokens *t,
                                             struct btz_slice earlier, struct btz_arena *arena,
                                             struct btz_demo_asks *asks);
/* Active output: images, links, markup, queries, commands. `teaching` has a flag for each sentence. */
BTZ_CHECKED enum btz_err btz_demo_find_outputs(const struct btz_demo_tokens *t,
                                               const bool *teaching, struct btz_arena *arena,
                                               struct btz_demo_asks *asks);

#endif
