/*
 * Inside of streams: events are cut from the bytes (stream.c), a family reads each, gives its texts to lanes and hands it on
 * (stream_chat.c and the others); what is handed on is written as it is, or translated first (translate_stream.c).
 */
#ifndef BTZ_GATE_STREAM_H
#define BTZ_GATE_STREAM_H

#include "gate/protocol/family.h"

struct btz_event {
    struct btz_slice name; /* empty: none */
    struct btz_slice data; /* as it came */
    json_t *root;          /* of `data`; owned by the stream */
    bool changed;          /* root is no longer what `data` says */
};

/* Which lane: choice or index, what of it, which part. */
#define BTZ_LANE_KEY(choice, kind, part)                                                           \
    ((uint64_t)(choice) << 32 | (uint64_t)(kind) << 24 | (part))
#define BTZ_LANE_PART_MAX ((1u << 24) - 1)

struct btz_lane_state {
    struct btz_lane lane;
    uint64_t key;
    char *tool;
    struct btz_buf pending;  /* came in and did not go out yet, while nothing was changed */
    struct btz_buf released; /* all that went out; only where the protocol repeats it */
    uint8_t tail[4];         /* beginning of a character that came out alone */
    unsigned tail_len;
    bool ended, changed;
    bool in_event; /* had a piece in the event at hand */
    bool no_logprobs;
    struct btz_lane_state *next;
};

#define BTZ_PASSED 4 /* events whose words are remembered */

struct btz_places; /* stream_pass.c */
struct btz_translator;
struct btz_stream_family {
    bool lines;    /* NDJSON */
    bool any;      /* data need not be JSON: root may be NULL */
    bool remember; /* lanes keep what they released */
    bool keeps;    /* the family itself keeps of an event what it needs later */
    enum btz_err (*event)(struct btz_protocol_stream *s, struct btz_event *e);
    /* "[DONE]" */
    enum btz_err (*done)(struct btz_protocol_stream *s);
    /* The upstream ended: what is held comes out. True when that was a proper end even without its last event. */
    enum btz_err (*end)(struct btz_protocol_stream *s, bool *proper);
};

struct btz_protocol_stream {
    struct btz_stream_options o;
    char *model;
    const struct btz_stream_family *family;
    const struct btz_lane_ops *ops;
    void *user;
    struct btz_buf *out;

    /* framing */
    struct btz_buf line, name, data, extra;
    bool begun, has_data, skip_lf, closed;

    struct btz_lane_state *lanes;
    size_t lane_count;
    struct btz_buf scratch;
    struct btz_words words;            /* of the event at hand */
    struct btz_buf passed[BTZ_PASSED]; /* words of earlier events */
    unsigned passed_at;
    size_t seams;              /* strings of this event of which places were looked at */
    struct btz_places *places; /* of strings in events of which nobody said what they are */
    struct btz_event *at;      /* event that is being read */
    json_t *last;              /* of the event before: the envelope of what comes out late */
    struct btz_usage usage;
    bool ended;  /* proper end seen */
    bool failed; /* cut */
    bool told;   /* the upstream itself sent an error */
    uint32_t whole_count;
    int64_t shift;   /* events put in so far: later sequence numbers move on */
    uint64_t unread; /* images and sounds that went by */
    size_t remembered;
    struct btz_translator *translator;
};

extern const struct btz_stream_family btz_chat_stream, btz_messages_stream, btz_responses_stream,
    btz_ollama_stream, btz_mcp_stream, btz_pass_stream;

/* The lane of that key, made when there is none; an ended one is an error (INPUT) when `piece` follows. */
BTZ_CHECKED enum btz_err btz_lane_open(struct btz_protocol_stream *s, uint64_t key,
                                       enum btz_channel channel, struct btz_lane_state **out);
struct btz_lane_state *btz_lane_find(struct btz_protocol_stream *s, uint64_t key);
void btz_lane_close(struct btz_protocol_stream *s, struct btz_lane_state *l); /* forgets it */
BTZ_CHECKED enum btz_err btz_lane_name(struct btz_lane_state *l, struct btz_slice tool);
/* A piece through the lane; what goes on is in s->scratch. */
BTZ_CHECKED enum btz_err btz_lane_piece(struct btz_protocol_stream *s, struct btz_lane_state *l,
                                        struct btz_slice piece, bool final);
/* The same for a string member of the event at hand. Not a string: nothing. */
BTZ_CHECKED enum btz_err btz_lane_member(struct btz_protocol_stream *s, struct btz_lane_state *l,
                                         json_t *holder, const char *key, bool final);
/* Puts a text in the place of a part of the event at hand. */
BTZ_CHECKED enum btz_err btz_stream_put(struct btz_protocol_stream *s, const struct btz_part *part,
                                        struct btz_slice text);
/* A whole text at holder[key] that no lane is for; what became of it is in s->scratch. */
BTZ_CHECKED enum btz_err btz_stream_whole(struct btz_protocol_stream *s,
                                          const struct btz_part *part, struct btz_slice tool);
/* A walk for it, with that function for texts. */
struct btz_walk btz_stream_walker(struct btz_protocol_stream *s,
                                  enum btz_err (*part)(struct btz_walk *w,
                                                       const struct btz_part *part));
/* All texts of an object of the event at hand, as whole texts. */
BTZ_CHECKED enum btz_err btz_stream_walk(struct btz_protocol_stream *s, json_t *object,
                                         const struct btz_shape *shape, enum btz_channel channel);
/* Hands an event on: writes it, or translates it. */
BTZ_CHECKED enum btz_err btz_stream_emit(struct btz_protocol_stream *s, struct btz_event *e);
/* The event at hand does not go on, but may lend its envelope to one that does. */
BTZ_CHECKED enum btz_err btz_stream_withhold(struct btz_protocol_stream *s);
/* An event that was made here; takes `root`. */
BTZ_CHECKED enum btz_err btz_stream_emit_new(struct btz_protocol_stream *s, const char *name,
                                             json_t *root);
BTZ_CHECKED enum btz_err btz_stream_done(struct btz_protocol_stream *s); /* "data: [DONE]" */
bool btz_begins_json(struct btz_slice data);
void btz_places_free(struct btz_places *p);
enum btz_err btz_stream_unnamed(struct btz_walk *w, const char *key, json_t *value);

BTZ_CHECKED enum btz_err btz_problem_event_of(enum btz_protocol p, const char *code,
                                              const char *message, const char *request_id,
                                              struct btz_buf *out);

/* In a stream of lines. */
BTZ_CHECKED enum btz_err btz_problem_line(enum btz_protocol p, const char *code,
                                          const char *message, struct btz_buf *out);

BTZ_CHECKED enum btz_err btz_translator_new(struct btz_protocol_stream *s,
                                            struct btz_translator **out);
void btz_translator_free(struct btz_translator *t);
/* An event of the upstream's protocol in; events of the client's out through btz_stream_write(). */
BTZ_CHECKED enum btz_err btz_translator_event(struct btz_translator *t, struct btz_event *e);
BTZ_CHECKED enum btz_err btz_translator_done(struct btz_translator *t);
BTZ_CHECKED enum btz_err btz_stream_write(struct btz_protocol_stream *s, struct btz_slice name,
                                          const json_t *root);

#endif
