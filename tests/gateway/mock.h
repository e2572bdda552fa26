/*
 * mock: a model server for tests and measurements, without a model. It says what it is told to: a request carries a marker
 * "mock:KEY=VALUE,KEY=VALUE;" in its body or its query. It shares no code with bartizan: it is the outside truth.
 */
#ifndef BTZ_TESTS_MOCK_H
#define BTZ_TESTS_MOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *p;
    size_t len;
};

struct out {
    char *p;
    size_t len, cap;
};
void out_add(struct out *o, const void *p, size_t len);
void out_text(struct out *o, const char *text);
void out_format(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum shape {
    SHAPE_CHAT,
    SHAPE_COMPLETIONS,
    SHAPE_RESPONSES,
    SHAPE_MESSAGES,
    SHAPE_COUNT,
    SHAPE_EMBEDDINGS,
    SHAPE_MODERATIONS,
    SHAPE_IMAGES,
    SHAPE_SPEECH,
    SHAPE_TRANSCRIBE,
    SHAPE_FILES,
    SHAPE_BATCHES,
    SHAPE_MODELS,
    SHAPE_OLLAMA_CHAT,
    SHAPE_OLLAMA_GENERATE,
    SHAPE_OLLAMA_EMBED,
    SHAPE_OLLAMA_OTHER,
    SHAPE_MCP,
    SHAPE_PASS
};

/* What a marker asks for. Zero: not asked. */
struct wish {
    int say;             /* text number, put there with PUT /_text/N */
    int id;              /* text number that stands in the place of a chat's identifier */
    bool echo;           /* the last user text */
    char kind;           /* 't' text, 'a' tool arguments, 'r' reasoning */
    char tool[64];       /* name of the tool that is called; "lookup" */
    int tools, choices;  /* how many */
    uint64_t seed, mask; /* how the text is split: at random, or at the set bits of mask */
    bool split_mask;
    int size;            /* or in pieces of so many bytes */
    bool escape;         /* every character of a JSON string as \u */
    bool crlf, comments; /* how events are written */
    int cut;             /* the response goes out in writes of so many bytes */
    int slow, first;     /* milliseconds between events, and before the first */
    int die;             /* connection is closed after so many events (1: before the first) */
    int hold;            /* milliseconds that the stream rests after its first event */
    int status;          /* error instead ... */
    int once;            /* ... for the first request with this number only */
    int retry;           /* retry-after of the error */
    int64_t huge;        /* bytes of text */
    bool gzip;           /* compressed, though nobody asked */
    char type[64];       /* another content type */
    bool nousage, truncate;
    bool evil;     /* headers that an honest upstream would not send */
    int64_t usage; /* tokens reported, input and output each */
};

struct ask {
    struct span method, path, query, content_type, body;
    enum shape shape;
    bool stream, include_usage;
    char model[200];
    struct wish wish;
    bool marked;
};

/* A response: bytes, and where to pause in them. */
struct pause {
    size_t at;
    int ms;
};
struct reply {
    struct out bytes;
    struct pause *pauses;
    size_t pause_count, pause_cap;
    bool close;
    int events;
    bool dead; /* nothing more is added */
};
void reply_pause(struct reply *r, int ms);

/* mock_ask.c */
void ask_read(struct ask *a);
struct span json_member(struct span json, const char *name); /* its string, still escaped */
bool texts_put(int number, struct span text);
struct span texts_get(int number);

/* mock_answer.c */
void answer(const struct ask *a, struct reply *r);
void answer_json(struct reply *r, int status, const char *more, struct span body);
void escaped(struct out *o, struct span text, bool all);
void chat_id(struct out *o, const struct wish *w); /* `{"id":"..."` */
void head(struct reply *r, int status, const char *type, const char *more, int64_t length);
size_t piece_next(const struct wish *w, struct span text, size_t from, uint64_t *state);

/* mock_stream.c */
void answer_stream(const struct ask *a, struct span text, struct reply *r);

/* mock_mcp.c */
void answer_mcp(const struct ask *a, struct reply *r);

#endif
