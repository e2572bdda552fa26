/* What the presets share: building a request and making a reply of what came. Inside of the targets only. */
#ifndef BTZ_REDTEAM_TARGET_H
#define BTZ_REDTEAM_TARGET_H

#include "base/json.h"
#include "redteam/redteam.h"

#define BTZ_TARGET_MAX_REPLY  ((int64_t)4 << 20)
#define BTZ_TARGET_TIMEOUT_MS 120000
#define BTZ_TARGET_ARENA      ((size_t)1 << 30) /* ceiling of one exchange */

/* ---- saying a conversation (target_request.c) ---- */

/* "system", "user", "assistant", "tool". */
const char *btz_role_name(enum btz_role role);

/* `base` with `path` behind it, unless `base` already ends so. In the arena; NULL without memory. */
char *btz_target_url(struct btz_arena *arena, const char *base, const char *path);

/* The configured headers after `own` ones; a configured one replaces an own one of that name. */
BTZ_CHECKED enum btz_err btz_target_headers(const struct btz_target_conf *conf,
                                            const struct btz_http_header *own, size_t own_count,
                                            struct btz_arena *arena, struct btz_http_request *out);

/* POST of `body` as JSON. NULL body: no memory. */
BTZ_CHECKED enum btz_err btz_target_post_json(const struct btz_target_conf *conf, const char *url,
                                              const json_t *body,
                                              const struct btz_http_header *auth,
                                              struct btz_arena *arena,
                                              struct btz_http_request *out);

/* [{"role":..,"content":..}] with conf->system first. A tool message becomes a call and its result, with the ids
 * that the API of OpenAI asks for. */
BTZ_CHECKED enum btz_err btz_target_messages(const struct btz_target_conf *conf,
                                             const struct btz_message *messages, size_t count,
                                             json_t **out);
/* object[key] = value, which is taken; LIMIT when value is NULL. */
BTZ_CHECKED enum btz_err btz_json_put(json_t *object, const char *key, json_t *value);
BTZ_CHECKED enum btz_err btz_json_append(json_t *array, json_t *value);

/* The conversation for targets that take one text: the last message alone, or a transcript of several turns. */
BTZ_CHECKED enum btz_err btz_target_prompt(const struct btz_message *messages, size_t count,
                                           struct btz_buf *out);

/* ---- templates of http and raw (target_template.c) ---- */

enum btz_escape { BTZ_ESCAPE_NONE, BTZ_ESCAPE_JSON, BTZ_ESCAPE_FORM };
/* What the media type of a body asks for. */
enum btz_escape btz_escape_for(const char *content_type);
/* Appends `template` with {{prompt}}, {{system}}, {{model}}, {{key}} escaped and {{messages}} as a JSON array. Other braces
 * stay. What is filled in is never scanned again. */
BTZ_CHECKED enum btz_err btz_target_fill(struct btz_slice template, enum btz_escape escape,
                                         const struct btz_target_conf *conf,
                                         const struct btz_message *messages, size_t count,
                                         struct btz_buf *out);
bool btz_target_has_place(const char *template);
/* RFC 3986 s.2.1: everything but unreserved characters becomes %XX. */
BTZ_CHECKED enum btz_err btz_percent_encode(struct btz_slice in, struct btz_buf *out);

/* ---- raw request files (target_template.c) ---- */

struct btz_raw_request {
    struct btz_slice method, target, body;
    const char *host; /* of the Host header, NULL when absent */
    struct btz_http_header *headers;
    size_t header_count;
    enum btz_escape escape;
};
/* Borrows `text`; headers that follow from the body or from the connection are left out. Errors: INPUT with the line. */
BTZ_CHECKED enum btz_err btz_raw_request_parse(struct btz_slice text, struct btz_arena *arena,
                                               struct btz_raw_request *out);

/* ---- reading an answer (target_reply.c) ---- */

/* An answer while it is put together. */
struct btz_draft {
    const struct btz_target_conf *conf;
    struct btz_arena *arena;
    struct btz_buf text, reasoning;
    bool answered; /* something that can be an answer was found, be it empty */
    bool blocked, failed, ended;
    bool in_tool_call;
    const char *why;   /* blocked or failed */
    const char *model; /* as the target names it, may be NULL */
    uint64_t tokens_in, tokens_out;
};

/* How an API writes answers. Unexpected types are skipped, never trusted. */
struct btz_dialect {
    enum btz_err (*whole)(struct btz_draft *d, const json_t *root);
    enum btz_err (*event)(struct btz_draft *d, const json_t *event);
};
/* The parse function of a preset whose answers are JSON. */
void btz_reply_parse_json(const struct btz_dialect *dialect, const struct btz_target_conf *conf,
                          const struct btz_http_reply *reply, const struct btz_slice *events,
                          size_t event_count, struct btz_arena *arena, struct btz_reply *out);

/* That of presets whose answers stand where conf->select says (target_select.c). */
void btz_reply_parse_select(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                            const struct btz_slice *events, size_t event_count,
                            struct btz_arena *arena, struct btz_reply *out);

/* The pieces, for presets that do it themselves. begin is false when `out` is complete: nothing usable came. */
void btz_draft_init(struct btz_draft *d, const struct btz_target_conf *conf,
                    struct btz_arena *arena);
bool btz_reply_begin(struct btz_draft *d, const struct btz_http_reply *reply,
                     struct btz_reply *out);
void btz_reply_finish(struct btz_draft *d, enum btz_err err, struct btz_reply *out);
void btz_reply_error(struct btz_arena *arena, struct btz_reply *out, const char *fmt, ...)
    BTZ_PRINTF(3, 4);
/* JSON from a target: ill-formed UTF-8, \u0000 and lone surrogates become U+FFFD instead of errors. */
BTZ_CHECKED enum btz_err btz_reply_json(struct btz_slice body, const char *what, json_t **out);

BTZ_CHECKED enum btz_err btz_draft_text(struct btz_draft *d, const json_t *value);
BTZ_CHECKED enum btz_err btz_draft_reasoning(struct btz_draft *d, const json_t *value);
/* "[tool call NAME {args}]", so that detectors see it; args is a string or JSON. */
BTZ_CHECKED enum btz_err btz_draft_tool_call(struct btz_draft *d, const json_t *name,
                                             const json_t *args);
/* The same in pieces, as streams bring it. Text and the end of the draft close an open call. */
BTZ_CHECKED enum btz_err btz_draft_tool_begin(struct btz_draft *d, const json_t *name);
BTZ_CHECKED enum btz_err btz_draft_tool_args(struct btz_draft *d, const json_t *args);
void btz_draft_block(struct btz_draft *d, const char *why);
void btz_draft_fail(struct btz_draft *d, const json_t *message);
void btz_draft_model(struct btz_draft *d, const json_t *model);
uint64_t btz_json_count(const json_t *value); /* 0 unless a non-negative integer */
/* Moves <think>..</think> from text to reasoning, in place. */
BTZ_CHECKED enum btz_err btz_split_reasoning(struct btz_buf *text, struct btz_buf *reasoning);
/* Puts [removed] for the key and for credentials in configured headers. */
BTZ_CHECKED enum btz_err btz_target_redact(const struct btz_target_conf *conf, struct btz_buf *b);

/* ---- the chat API that most servers speak (chat.c) ---- */

struct btz_chat_style {
    const char *url;
    struct btz_http_header auth; /* name NULL: none */
    const char *max_tokens;      /* the key */
    bool usage_in_stream;        /* the server knows stream_options */
    bool no_model;               /* the URL names it */
};
BTZ_CHECKED enum btz_err btz_chat_request(const struct btz_target_conf *conf,
                                          const struct btz_chat_style *style,
                                          const struct btz_message *messages, size_t count,
                                          struct btz_arena *arena, struct btz_http_request *out);
extern const struct btz_dialect btz_chat_dialect;
/* "Bearer KEY" in the arena, or an empty header when there is no key. */
BTZ_CHECKED enum btz_err btz_bearer(const struct btz_target_conf *conf, struct btz_arena *arena,
                                    struct btz_http_header *out);

/* ---- targets that block (target_runner.c) ---- */

struct btz_runner;
BTZ_CHECKED enum btz_err btz_runner_new(const struct btz_target_conf *conf,
                                        const struct btz_preset *preset, unsigned threads,
                                        struct btz_runner **out);
/* Stops what runs; every submitted conversation has had its on_reply on return. */
void btz_runner_free(struct btz_runner *r);
BTZ_CHECKED enum btz_err
btz_runner_submit(struct btz_runner *r, const struct btz_message *messages, size_t count,
                  void (*on_reply)(void *user, const struct btz_reply *reply), void *user);
size_t btz_runner_pending(const struct btz_runner *r);
BTZ_CHECKED enum btz_err btz_runner_run(struct btz_runner *r, int timeout_ms,
                                        const volatile int *stop);

#endif
