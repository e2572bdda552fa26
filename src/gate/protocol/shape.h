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
    BTZ_SHAPE_OPAQUE, /* base64 that only its maker can read: signatures, encrypted reasoning */
    BTZ_SHAPE_LANE,   /* string that the caller handles himself: deltas of streams */
    BTZ_SHAPE_LOGPROBS, /* tokens that repeat a text: the caller handles them */
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

struct btz_walk {
    bool response;
    /* What a text is given to. It may replace the text in its holder. */
    enum btz_err (*part)(struct btz_walk *w, const struct btz_part *part);
    struct btz_message *message; /* NULL in streams */
    struct btz_arena *arena;     /* NULL in streams */
    size_t part_room, tool_room, call_room;
    size_t images, files;
    uint64_t token_ids;
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

bool btz_is_word(struct btz_slice s);
bool btz_is_base64(struct btz_slice s);
/* The tokens of a list of log probabilities, put together, are exactly `text`. Both forms of OpenAI. */
bool btz_logprobs_repeat(const json_t *logprobs, struct btz_slice text);
int btz_role_channel(const json_t *object);
struct btz_slice btz_text_of(const json_t *string); /* empty when it is none */

#endif
