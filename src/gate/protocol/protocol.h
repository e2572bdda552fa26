/*
 * protocol: the shapes in which models are asked and answer. Reads who is asked for what into texts with channels, writes it
 * back changed, takes streams of deltas apart and puts them together again, translates between OpenAI and Anthropic.
 * No sockets, no policy, no guard: texts go out through a function and come back changed.
 */
#ifndef BTZ_GATE_PROTOCOL_H
#define BTZ_GATE_PROTOCOL_H

#include "base/json.h"
#include "gate/guard/guard.h"

enum btz_protocol {
    BTZ_PROTOCOL_CHAT,        /* OpenAI POST /v1/chat/completions */
    BTZ_PROTOCOL_COMPLETIONS, /* OpenAI POST /v1/completions */
    BTZ_PROTOCOL_RESPONSES,   /* OpenAI POST /v1/responses */
    BTZ_PROTOCOL_EMBEDDINGS,
    BTZ_PROTOCOL_IMAGES,     /* JSON or multipart */
    BTZ_PROTOCOL_SPEECH,     /* JSON in, audio out */
    BTZ_PROTOCOL_TRANSCRIBE, /* multipart in, text out */
    BTZ_PROTOCOL_MODERATIONS,
    BTZ_PROTOCOL_FILES, /* multipart upload; list, get, delete, content */
    BTZ_PROTOCOL_BATCHES,
    BTZ_PROTOCOL_MODELS,   /* GET: answered from the configuration, filtered by permission */
    BTZ_PROTOCOL_MESSAGES, /* Anthropic POST /v1/messages */
    BTZ_PROTOCOL_COUNT_TOKENS,
    BTZ_PROTOCOL_OLLAMA_CHAT, /* POST /api/chat; NDJSON when streaming, which is its default */
    BTZ_PROTOCOL_OLLAMA_GENERATE,
    BTZ_PROTOCOL_OLLAMA_EMBED,
    BTZ_PROTOCOL_OLLAMA_TAGS, /* GET, and show, version, ps */
    BTZ_PROTOCOL_MCP,         /* JSON-RPC over streamable HTTP */
    BTZ_PROTOCOL_PASS,        /* declared route: bytes */
    BTZ_PROTOCOL_COUNT
};
const char *btz_protocol_name(enum btz_protocol p); /* "chat", "messages", ... */
/* Shape of its errors and streams. */
enum btz_dialect {
    BTZ_DIALECT_OPENAI,
    BTZ_DIALECT_ANTHROPIC,
    BTZ_DIALECT_OLLAMA,
    BTZ_DIALECT_MCP,
    BTZ_DIALECT_PLAIN
};
enum btz_dialect btz_protocol_dialect(enum btz_protocol p);

/* ---- requests (one file a family: openai_chat.c, anthropic.c, ...; multipart.c) ------------------------------------ */

enum btz_part_form {
    BTZ_PART_STRING, /* holder[key] or holder[index] is this string */
    BTZ_PART_JSON, /* ... is any value, and the text is its JSON: arguments, schemas, unknown members */
    BTZ_PART_BYTES /* bytes of a body that is not JSON; the holder is json_null() */
};
struct btz_part { /* one text of a request or of a whole response */
    enum btz_channel channel;
    struct btz_slice text; /* borrowed from `holder`, the arena or the body */
    json_t *
        holder; /* object or array it stands in; NULL: it cannot be changed (then a mask is a block) */
    const char *key; /* member of an object (NULL: an array) ... */
    size_t index;    /* ... or index of an array; offset in the body of BTZ_PART_BYTES */
    enum btz_part_form form;
};
struct btz_tool {
    struct btz_slice name, description;
    struct btz_slice schema; /* canonical JSON; arena */
};
struct btz_tool_call {
    struct btz_slice name, arguments; /* arguments: JSON text */
};
struct btz_usage {
    bool known;
    uint64_t input_tokens, output_tokens, cached_tokens;
};
#define BTZ_PARTS_MAX 4096
struct btz_message { /* a request or a whole response, read */
    enum btz_protocol protocol;
    json_t *root; /* owned; NULL: not JSON */
    struct btz_slice model;
    bool stream;
    uint64_t max_tokens;    /* 0: not said; times the number of choices */
    uint64_t choices;       /* of all prompts together; 0: not said */
    struct btz_part *parts; /* arena */
    size_t part_count;
    struct btz_tool *tools; /* that the model may use (request), or MCP tools listed (response) */
    size_t tool_count;
    struct btz_tool_call
        *calls; /* tools the model wants called (response); MCP tools/call (request) */
    size_t call_count;
    struct btz_usage usage;  /* response */
    struct btz_slice finish; /* "stop", "length", ...; response */
    size_t images, files;    /* parts that no detector of text can read: not-evaluated */
    struct btz_slice mcp_method;
    struct btz_slice
        words;    /* response: what it says beside its texts, one a line: identifiers, names
                               of members, alternatives. It cannot be changed */
    bool changed; /* it differs from what was read: only then it is to be written */
    /* private */
    bool usage_unasked;         /* translated: the client's own request asks for no usage */
    uint64_t token_ids;         /* given instead of texts */
    struct btz_slice body;      /* as read */
    struct btz_slice model_at;  /* of a multipart body */
    struct btz_splice *splices; /* of a body that is not JSON */
    struct btz_arena *arena;
    json_t *kept; /* texts that were replaced: slices into them stay good */
};
/* Errors: INPUT (not of that shape: says what was expected where), LIMIT. `content_type` tells JSON from multipart.
 * Strict: duplicate members, ill-formed UTF-8 and trailing bytes are refused, so nobody reads it otherwise. */
/* `body` and `arena` outlive the message. */
BTZ_CHECKED enum btz_err btz_request_read(enum btz_protocol p, struct btz_slice content_type,
                                          struct btz_slice body, struct btz_arena *arena,
                                          struct btz_message *out);
BTZ_CHECKED enum btz_err btz_response_read(enum btz_protocol p, struct btz_slice body,
                                           struct btz_arena *arena, struct btz_message *out);
/* The JSON schema that the answer has to conform to; NULL: none is asked for. */
const json_t *btz_request_schema(const struct btz_message *request);
/* Is that part of a response the text of the answer itself, no refusal, reasoning or citation? */
bool btz_part_is_answer(const struct btz_message *response, const struct btz_part *part);
/* The name of the tool whose arguments that part of a response is; empty: it is none. */
struct btz_slice btz_part_tool(const struct btz_message *response, const struct btz_part *part);
void btz_message_release(struct btz_message *m);
/* Log probabilities repeat a text token by token: they go when a text of the response changes, and so do signatures of
 * reasoning and token numbers of a context. Errors: DENIED (cannot be changed, or JSON text that no longer is JSON), LIMIT. */
BTZ_CHECKED enum btz_err btz_part_replace(struct btz_message *m, struct btz_part *part,
                                          struct btz_slice text);
BTZ_CHECKED enum btz_err btz_message_set_model(struct btz_message *m, const char *model);
/* Asks a stream for its usage where the protocol has a switch for it (stream_options.include_usage); *asked is true when
 * the client had not: then the extra chunk must not reach it. */
BTZ_CHECKED enum btz_err btz_message_ask_usage(struct btz_message *m, bool *asked);
BTZ_CHECKED enum btz_err btz_message_write(const struct btz_message *m, struct btz_buf *out);
/* A rough upper bound of tokens, for reservations: bytes / 3 + 16 a part. */
uint64_t btz_message_tokens(const struct btz_message *m);

/* ---- streams of responses (stream.c): SSE and NDJSON ----------------------------------------------------------------- */

/* A lane is one text that grows: a choice's content, the arguments of one tool call, the reasoning. */
struct btz_lane {
    enum btz_channel channel;
    uint32_t choice, part; /* which one */
    struct btz_slice tool; /* name of the tool, for arguments */
    bool answer;           /* the text of the answer itself, no refusal, reasoning or citation */
    void *user; /* of the function below, NULL at first; drop() is called for each that is set */
};
struct btz_lane_ops {
    /* A piece of a lane's text. What goes on is appended to `out` (may be nothing). `final`: the lane ends. DENIED: the
     * stream is cut: the client gets an error event and the proper end. */
    enum btz_err (*text)(void *user, struct btz_lane *lane, struct btz_slice piece, bool final,
                         struct btz_buf *out);
    void (*drop)(void *user, struct btz_lane *lane);
    /* What an event says beside its texts, like `words` of a message, before it goes on, unless one of the last events said
     * the same. DENIED: as above. NULL: nobody looks. */
    enum btz_err (*words)(void *user, struct btz_slice words);
    /* Texts that repeat lanes (response.output_text.done and alike) become what was released. */
};
struct btz_protocol_stream;
struct btz_stream_options {
    enum btz_protocol from, to; /* of the upstream, of the client: differ when translated */
    bool hide_usage;            /* the client did not ask for the usage chunk */
    const char *model; /* name the client used, put in place of the upstream's; NULL: as it comes */
    size_t event_max;  /* bytes of one event, 1 MiB */
    /* Declared routes: a line of JSON an event instead of server-sent events; and where in JSON events the pieces of a text
     * stand, as JSON pointers (RFC 6901) whose steps may be a star. They go through lanes. */
    bool lines;
    const char *const *texts;
    size_t text_count;
    /* MCP: each message of the server, read, before it goes on; it may be changed. Its parts are not given to lanes then.
     * DENIED cuts. NULL: its texts are whole texts of lanes. */
    enum btz_err (*message)(void *user, struct btz_message *m);
};
BTZ_CHECKED enum btz_err btz_protocol_stream_new(const struct btz_stream_options *o,
                                                 const struct btz_lane_ops *ops, void *user,
                                                 struct btz_protocol_stream **out);
void btz_protocol_stream_free(struct btz_protocol_stream *s);
/* Bytes from upstream, cut anywhere. What goes to the client is appended. `final`: upstream ended; if that was no proper
 * end, an error event is written. After DENIED `out` holds error event and end: send it and close upstream.
 * Retry lines, pings and unknown events of the protocol pass, of comments that they were there; text in unknown events does not (an event whose
 * strings cannot be told apart is guarded as a whole by the raw channel). Errors: DENIED (cut), INPUT (not such a stream;
 * `out` then holds an error event too), LIMIT. */
BTZ_CHECKED enum btz_err btz_protocol_stream_feed(struct btz_protocol_stream *s,
                                                  struct btz_slice bytes, bool final,
                                                  struct btz_buf *out);
const struct btz_usage *btz_protocol_stream_usage(const struct btz_protocol_stream *s);
/* Images and sounds that went by unread. */
uint64_t btz_protocol_stream_unread(const struct btz_protocol_stream *s);
/* A whole message of a WebSocket: do its strings, or it itself, spell something together with those before it? Errors: those
 * of ops->words; INPUT, LIMIT: JSON that only some readers take. */
BTZ_CHECKED enum btz_err btz_protocol_stream_message(struct btz_protocol_stream *s,
                                                     struct btz_slice text);
bool btz_protocol_stream_ended(const struct btz_protocol_stream *s); /* its proper end was seen */

/* ---- errors as each dialect's clients expect them (problem.c) -------------------------------------------------------- */

/* HTTP status, "type" word of ours ("guard_blocked", "rate_limited", "budget_exceeded", ...), one sentence. */
BTZ_CHECKED enum btz_err btz_problem_write(enum btz_dialect d, unsigned status, const char *code,
                                           const char *message, const char *request_id,
                                           struct btz_buf *out);
/* The same inside a stream that already began, with the end that clients wait for. */
BTZ_CHECKED enum btz_err btz_problem_event(enum btz_dialect d, const char *code,
                                           const char *message, const char *request_id,
                                           struct btz_buf *out);

/* ---- translation (translate.c): chat <-> messages, whole requests and responses; streams through `from` and `to` ----- */
/* What one side has and the other has not is refused: INPUT names the member. `out` is read anew: guard before, or after. */
BTZ_CHECKED enum btz_err btz_translate_request(const struct btz_message *from, enum btz_protocol to,
                                               uint64_t max_tokens, struct btz_arena *arena,
                                               struct btz_message *out);
BTZ_CHECKED enum btz_err btz_translate_response(const struct btz_message *from,
                                                enum btz_protocol to, const char *model,
                                                struct btz_arena *arena, struct btz_message *out);

/* ---- WebSocket frames (websocket.c): RFC 6455; for pass-through routes, to count and to read text ------------------- */
struct btz_frames { /* zeroed: one direction of a connection */
    uint64_t messages, bytes;
    /* private */
    uint8_t head[14];
    unsigned head_len;
    uint64_t left;
    uint8_t opcode, mask[4];
    bool masked, final, in_message, text;
    uint32_t mask_at;
    uint64_t bytes_in_message;
};
/* Calls `text` for payload of text messages, unmasked; `end` at the end of one. INPUT: not frames (reserved bits, too long
 * control frames, continuation without beginning); LIMIT: a message over `max`. */
BTZ_CHECKED enum btz_err
btz_frames_feed(struct btz_frames *f, struct btz_slice bytes, uint64_t max,
                enum btz_err (*text)(void *user, struct btz_slice piece, bool end), void *user);
/* How much of `there` bytes to feed, so that a message is seen to end where it does: one byte of a frame's head, or of its
 * payload what is there. */
size_t btz_frames_part(const struct btz_frames *f, size_t there);
/* Between messages: what was fed so far was whole. */
bool btz_frames_between(const struct btz_frames *f);

#endif
