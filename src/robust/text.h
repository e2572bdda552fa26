/*
 * Attacks on classifiers of texts: a few words, or characters of a few words, are changed until the class changes.
 *
 * A text is words with something between them. Attacks change words and nothing between; what they return is believed only
 * after btz_text_verify has compared both texts anew and the oracle has been asked again. All texts are well-formed UTF-8.
 */
#ifndef BTZ_ROBUST_TEXT_H
#define BTZ_ROBUST_TEXT_H

#include "robust/evaluate.h"
#include "robust/oracles.h"
#include "robust/text_oracle.h"

#define BTZ_TEXT_WORDS_MAX   4096 /* of one text; what is behind them is left alone */
#define BTZ_TEXT_CLASSES_MAX 1000

/* ---- an address (text/http.c) ------------------------------------------------------------------------------------------- */

/* An address as in struct btz_oracle_http. In the request "{{texts}}" stands for a list of texts, or "{{text}}" for one: then
 * every text is a request. */
struct btz_text_http {
    const char *url;
    const struct btz_http_header *headers;
    size_t header_count;
    const char *request, *scores, *labels; /* one of the paths */
    const char *const *names;              /* of classes, for labels that are text; or NULL */
    size_t classes;
    uint32_t rows; /* texts a request, 0: 32 */
    const struct btz_http_opts *http;
    const volatile int *stop;
};
BTZ_CHECKED enum btz_err btz_text_oracle_of_http(const struct btz_text_http *conf,
                                                 struct btz_text_oracle **out);

/* ---- texts as BERT reads them (text/wordpiece.c) ------------------------------------------------------------------------ */

struct btz_wordpiece;
enum btz_letter_case {
    BTZ_CASE_AUTO,  /* as the vocabulary is: capitals are kept where it has tokens with them */
    BTZ_CASE_LOWER, /* lower case, accents are taken off */
    BTZ_CASE_KEEP,
};
/* A vocabulary: one token a line (LF or CRLF), its number that of the line from 0. Errors: IO, INPUT with the line (empty, long or
 * ill-formed ones; the same token twice; no [UNK], [CLS] or [SEP]), LIMIT (64 MiB, 1,000,000 tokens). */
BTZ_CHECKED enum btz_err btz_wordpiece_read(const char *path, enum btz_letter_case letters,
                                            struct btz_wordpiece **out);
BTZ_CHECKED enum btz_err btz_wordpiece_parse(struct btz_slice file, enum btz_letter_case letters,
                                             const char *what, struct btz_wordpiece **out);
void btz_wordpiece_free(struct btz_wordpiece *w);
/* The first `max` tokens of a text at most, without [CLS] and [SEP]; such names within the text are text. Ill-formed bytes are
 * left out. Errors: LIMIT (four times BTZ_TEXT_BYTES_MAX, memory). Source: google-research/bert, tokenization.py. */
BTZ_CHECKED enum btz_err btz_wordpiece_encode(const struct btz_wordpiece *w, struct btz_slice text,
                                              size_t max, uint32_t *out, size_t *count);
#define BTZ_WORDPIECE_NONE UINT32_MAX
struct btz_wordpiece_special {
    uint32_t unknown, first, last, pad; /* [UNK], [CLS], [SEP], [PAD]; the last may be NONE */
};
const struct btz_wordpiece_special *btz_wordpiece_special(const struct btz_wordpiece *w);
struct btz_slice btz_wordpiece_token(const struct btz_wordpiece *w, uint32_t id);
bool btz_wordpiece_lowers(const struct btz_wordpiece *w);

/* ---- a network (text/network.c) ----------------------------------------------------------------------------------------- */

/*
 * A classifier such as BERT: inputs input_ids, and optionally attention_mask and token_type_ids, batch x tokens of int64 or int32;
 * the first output of floats that is batch x classes, or one a text (its logit for class 1). Softmax and Sigmoid at the end
 * are left out. Texts of one length are asked about together; [PAD] is behind them only where the model fixes the length.
 * `tokens` of a text with [CLS] and [SEP] are read, 0: what the model fixes, else BTZ_TEXT_TOKENS. `pad`: a model of a fixed length
 * is asked also where it has no attention_mask to tell [PAD] by.
 */
struct btz_text_network {
    const struct btz_model *model; /* both outlive the oracle, and may be shared */
    const struct btz_wordpiece *wordpiece;
    size_t tokens;
    bool pad;
};
#define BTZ_TEXT_TOKENS     512
#define BTZ_TEXT_TOKENS_MAX 65536
/* Runs the model once. Errors: UNSUPPORTED (an input or output that is none of these), INPUT, those of btz_net_new and forward. */
BTZ_CHECKED enum btz_err btz_text_oracle_of_network(const struct btz_text_network *conf,
                                                    struct btz_text_oracle **out);

/* ---- words (text/words.c) ---------------------------------------------------------------------------------------------- */

/* Letters, digits, apostrophes between them, and everything that is not ASCII and neither space nor punctuation. */
struct btz_words {
    struct btz_slice text;
    struct btz_slice *word; /* into the text, ascending */
    size_t count;
};
/* Errors: INPUT (not UTF-8), LIMIT (bytes, memory). */
BTZ_CHECKED enum btz_err btz_words_of(struct btz_slice text, struct btz_arena *arena,
                                      struct btz_words *out);
bool btz_text_is_word(struct btz_slice s); /* one word and nothing else */
/* Characters; insertions, deletions and replacements, and where `swaps` also exchanges of neighbours, each 1 (optimal string
 * alignment). SIZE_MAX for words of more than BTZ_TEXT_WORD_MAX characters. */
#define BTZ_TEXT_WORD_MAX 128
size_t btz_word_length(struct btz_slice word);
size_t btz_word_distance(struct btz_slice a, struct btz_slice b, bool swaps);

/* ---- words with nearly the same meaning (text/synonyms.c) --------------------------------------------------------------- */

struct btz_synonyms;
/* Lines "word: other, other"; "#" begins a remark. Words are ASCII or not, compared with ASCII letters in lower case. NULL: the
 * small built-in list. Errors: IO, INPUT with the line, LIMIT (8 MiB). */
BTZ_CHECKED enum btz_err btz_synonyms_read(const char *path, struct btz_synonyms **out);
BTZ_CHECKED enum btz_err btz_synonyms_parse(struct btz_slice text, const char *what,
                                            struct btz_synonyms **out);
void btz_synonyms_free(struct btz_synonyms *s);
/* The list of a word, in the order of the file. */
const struct btz_slice *btz_synonyms_of(const struct btz_synonyms *s, struct btz_slice word,
                                        size_t *count);

/* ---- limits (text/limits.c) -------------------------------------------------------------------------------------------- */

struct btz_text_limits {
    double words;   /* share of the words that may change, 0 to 1; one word always may */
    unsigned edits; /* of one word (btz_word_distance with swaps), unless a synonym replaces it */
    unsigned least; /* characters of the shortest word that is touched */
    unsigned distance;       /* sum over the words of their distance without swaps; 0: no limit */
    bool ascii;              /* nothing but ASCII comes in */
    bool stop_words;         /* also words such as "the" and "not" may change */
    const char *const *keep; /* words that never change, whatever the case */
    size_t keep_count;
};
/* Words with digits, too short or too long, on either list: never touched. */
bool btz_text_touchable(const struct btz_text_limits *l, struct btz_slice word);
size_t btz_text_words_max(const struct btz_text_limits *l, size_t words);
/*
 * Does `changed` keep the limits? Both are cut into words anew; nothing of the attack is used. `why` gets one sentence where not.
 * `words`: how many changed. Errors: those of btz_words_of for `text`, LIMIT.
 */
BTZ_CHECKED enum btz_err btz_text_verify(const struct btz_text_limits *l,
                                         const struct btz_synonyms *s, struct btz_slice text,
                                         struct btz_slice changed, bool *kept, size_t *words,
                                         char why[160]);

/* ---- attacks (text/attacks/) ------------------------------------------------------------------------------------------- */

struct btz_text_job {
    const struct btz_text_attack *attack;
    struct btz_text_oracle *oracle;
    const struct btz_text_limits *limits;
    const struct btz_synonyms *synonyms;
    struct btz_slice text; /* classified as label */
    uint32_t label;
    uint64_t index, seed, query_max; /* query_max 0: no limit */
    double param[BTZ_ATTACK_PARAMS_MAX];
    const volatile int *stop;
    /* Results: adv is written where broken. */
    struct btz_buf *adv;
    bool broken;
    uint64_t queries;
};
struct btz_text_attack {
    const char *id, *summary, *source;
    const struct btz_attack_param *params;
    size_t param_count;
    enum btz_err (*run)(struct btz_text_job *job);
    enum btz_err (*selftest)(void); /* OK, or INTERNAL with what came out */
};
extern const struct btz_text_attack *const btz_text_attacks[]; /* NULL at the end, sorted by id */
const struct btz_text_attack *btz_text_attack_find(const char *id);

/* A model whose answers can be worked out: each word (ASCII letters compared in lower case) that is in the list adds its weight,
 * score of class 1 is bias + sum, of class 0 is 0. */
struct btz_text_weight {
    const char *word;
    float weight;
};
BTZ_CHECKED enum btz_err btz_text_known_oracle(const struct btz_text_weight *w, size_t count,
                                               float bias, struct btz_text_oracle **out);
/* Known answers: that each attack breaks a text by the change that is right, and spares one that cannot be broken. `expected`
 * NULL: any. */
BTZ_CHECKED enum btz_err btz_text_known_run(const struct btz_text_attack *a, const char *synonyms,
                                            const char *expected);

/* ---- data (text/data.c) ------------------------------------------------------------------------------------------------ */

struct btz_text_data {
    struct btz_arena arena;
    struct btz_slice *text;
    uint32_t *label;
    size_t count, classes;
    const char **names; /* classes: "0", "1", ... or what the file calls them, sorted */
    bool numbered;      /* the former */
};
/*
 * JSON lines of objects, or CSV (name ends in .csv) with a head. Labels are whole numbers (classes by number), or names (classes
 * by the order of the names). Errors: IO, INPUT (names the line), LIMIT (256 MiB, BTZ_TEXT_BYTES_MAX a text, 1,000 classes).
 */
struct btz_text_columns {
    const char *text, *label; /* NULL: "text", "label" */
};
BTZ_CHECKED enum btz_err btz_text_data_read(const char *path, const struct btz_text_columns *c,
                                            struct btz_text_data *out);
BTZ_CHECKED enum btz_err btz_text_data_parse(struct btz_slice file, bool csv, const char *what,
                                             const struct btz_text_columns *c,
                                             struct btz_text_data *out);
void btz_text_data_release(struct btz_text_data *d);

/* ---- evaluation (text/evaluate.c) -------------------------------------------------------------------------------------- */

struct btz_text_given {
    const struct btz_text_attack *attack;
    double param[BTZ_ATTACK_PARAMS_MAX];
};
struct btz_text_options {
    enum btz_err (*oracle)(void *user, struct btz_text_oracle **out); /* one a worker */
    void *oracle_user;
    const struct btz_slice *text;
    const uint32_t *label;
    size_t count;
    const struct btz_text_given *attacks;
    size_t attack_count;
    struct btz_text_limits limits;
    const struct btz_synonyms *synonyms;
    uint64_t seed, query_max; /* of one text and attack */
    unsigned threads;
    const volatile int *stop;
    struct btz_sink *progress; /* may be NULL */
};
struct btz_text_verdict {
    uint32_t clean;          /* class of the text */
    uint32_t attack;         /* first that broke it; BTZ_NOT_BROKEN */
    uint32_t predicted;      /* under that attack */
    uint32_t words, changed; /* words of the text, and how many that attack changed */
    struct btz_slice adv;    /* owned */
};
struct btz_text_attacked {
    uint64_t tried, broken;
    uint64_t
        claimed; /* called broken, but outside the limits or classified correctly when asked again: not counted */
    uint64_t queries;       /* of all texts tried */
    uint64_t changed;       /* words, of all broken texts */
    double share;           /* sum over broken texts of changed / words */
    struct btz_rate robust; /* accuracy under this attack alone */
};
struct btz_text_evaluation {
    size_t n;                          /* done: the first n texts */
    struct btz_text_verdict *verdicts; /* room, of which n count */
    size_t room;
    struct btz_rate clean, robust; /* robust: worst case over all attacks */
    struct btz_text_attacked *attacks;
    size_t attack_count;
    bool stopped;
};
/* Every attack sees every text that is classified correctly. The same for any number of threads. Errors: those of the oracle;
 * INPUT for a label the oracle does not have. */
BTZ_CHECKED enum btz_err btz_text_evaluate(const struct btz_text_options *o,
                                           struct btz_text_evaluation **out);
void btz_text_evaluation_free(struct btz_text_evaluation *e);

#endif
