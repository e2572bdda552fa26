/*
 * Where the texts of a JSON document are: tables say what each member is, a walk along them finds the texts. What no table
 * names is text of the raw channel: a member nobody thought of is read like an upload, never skipped.
 */
#ifndef BTZ_GATE_SHAPE_H
#define BTZ_GATE_SHAPE_H

#include "gate/protocol/protocol.h"

enum btz_shape_kind {
    BTZ_SHAPE_ID, /* a word for machines: identifier, enumeration, date. What is no such word is raw text */
    BTZ_SHAPE_TEXT,   /* text; each element of an array; objects as `shape` says */
    BTZ_SHAPE_OBJECT, /* object, or array of objects, as `shape` says; a string here is raw text */
    BTZ_SHAPE_JSON,   /* any value, read as one JSON text */
    BTZ_SHAPE_IMAGE,  /* address, data URL or base64 of an image */
    BTZ_SHAPE_DATA,   /* base64 of a file: cannot be read */
    BTZ_SHAPE_OPAQUE, /* base64 that says nothing: signatures, vectors, padding */
    BTZ_SHAPE_SEALED, /* base64 of a text that only its maker can read: encrypted reasoning */
    BTZ_SHAPE_LANE,   /* string that the caller handles himself: deltas of streams */
    BTZ_SHAPE_LOGPROBS, /* tokens that repeat a text: `enter`, or the caller, saw to that */
    BTZ_SHAPE_READ,     /* the caller reads it himself */
};
#define BTZ_HERE (-1) /* the channel of the object around */

struct btz_shape;
struct btz_shape_member {
    const char *name;
    enum btz_shape_kind kind;
    int channel; /* enum btz_channel or BTZ_HERE */
    const struct btz_shape *shape;
};
struct btz_shape_variant {
    const char *type; /* value of the member "type"; "" when it is missing */
    const struct btz_shape *shape;
    int channel;
};
struct btz_walk;
struct btz_shape {
    const struct btz_shape_member *members; /* last has no name; NULL with variants */
    const struct btz_shape_variant
        *variants; /* last has no shape; an unknown one is raw as a whole */
    enum btz_err (*enter)(struct btz_walk *w, json_t *object, int *channel);
};

/*
 * What a response says to its client where no text is: identifiers, names of members that no table has, short values of
 * members nobody thought of, alternative tokens. It cannot be changed, only be looked at.
 */
struct btz_words {
    struct btz_buf values,
        names;  /* one a line each: what is spread over neighbours stands together */
    bool coded; /* there was base64 too long to be a word */
};
#define BTZ_WORDS_MAX ((size_t)16 << 20)
#define BTZ_WORDS                                                                                  \
    {                                                                                              \
        BTZ_BUF(BTZ_WORDS_MAX), BTZ_BUF(BTZ_WORDS_MAX), false                                      \
    }
void btz_words_release(struct btz_words *w);
void btz_words_clear(struct btz_words *w);
/* Nothing where `w` is NULL. */
BTZ_CHECKED enum btz_err btz_words_value(struct btz_words *w, struct btz_slice value);
BTZ_CHECKED enum btz_err btz_words_name(struct btz_words *w, struct btz_slice name);
/* Base64 that nobody reads. */
BTZ_CHECKED enum btz_err btz_words_coded(struct btz_words *w, struct btz_slice value);
/* All strings and names in a value. */
BTZ_CHECKED enum btz_err btz_words_all(struct btz_words *w, const json_t *value);
/* The alternatives in a list of log probabilities that repeats a text: each, and those of one rank behind one another. */
BTZ_CHECKED enum btz_err btz_words_tokens(struct btz_words *w, const json_t *logprobs);
/* All of it in one text, added to `out`. */
BTZ_CHECKED enum btz_err btz_words_text(const struct btz_words *w, struct btz_buf *out);
/* May base64 in `json` be written with escapes, so that its bytes do not show what it says? */
bool btz_words_hide(const struct btz_words *w, struct btz_slice json);

struct btz_walk {
    bool response;
    struct btz_words *words; /* of a response; NULL: nobody wants them */
    bool *changed;           /* set when the walk itself takes something away */
    /* What a text is given to. It may replace the text in its holder. */
    enum btz_err (*part)(struct btz_walk *w, const struct btz_part *part);
    /* What of a member that no table names, or of a form that it does not have there, is left of it; NULL: nobody asks. */
    enum btz_err (*unnamed)(struct btz_walk *w, const char *key, json_t *value);
    struct btz_message *message; /* NULL in streams */
    struct btz_arena *arena;     /* NULL in streams */
    size_t part_room, tool_room, call_room;
    size_t images, files;
    uint64_t token_ids;
    struct btz_buf
        *path; /* btz_walk_strings(): JSON pointer of the string at hand; NULL: nobody asks */
    void *user;
};

BTZ_CHECKED enum btz_err btz_walk_object(struct btz_walk *w, json_t *object,
                                         const struct btz_shape *shape, int channel);
/* One value at holder[key] or holder[index], read as `how` says. */
BTZ_CHECKED enum btz_err btz_walk_value(struct btz_walk *w, json_t *holder, const char *key,
                                        size_t index, json_t *value,
                                        const struct btz_shape_member *how, int channel);
/* Every string in `value` is text of that channel. */
BTZ_CHECKED enum btz_err btz_walk_strings(struct btz_walk *w, json_t *holder, const char *key,
                                          size_t index, json_t *value, int channel);

/* For `enter` functions: no effect in streams. */
BTZ_CHECKED enum btz_err btz_walk_tool(struct btz_walk *w, const json_t *name,
                                       const json_t *description, const json_t *schema);
BTZ_CHECKED enum btz_err btz_walk_call(struct btz_walk *w, const json_t *name,
                                       const json_t *arguments);

#define BTZ_WORD_MAX 96
bool btz_is_word(struct btz_slice s);
bool btz_is_base64(struct btz_slice s);
/* The tokens of a list of log probabilities, put together, are exactly `text`, and beside them stand only numbers and
 * alternatives. Both forms of OpenAI. */
bool btz_logprobs_repeat(const json_t *logprobs, struct btz_slice text);
/* The same of a member: it may be missing, null or an empty list as well. */
bool btz_logprobs_fit(const json_t *logprobs, struct btz_slice text);
/* Takes object[key] away where it does not fit; `none` is put in its place. */
BTZ_CHECKED enum btz_err btz_logprobs_check(struct btz_walk *w, json_t *object,
                                            struct btz_slice text);
int btz_role_channel(const json_t *object);
struct btz_slice btz_text_of(const json_t *string); /* empty when it is none */

#endif
