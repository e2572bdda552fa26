/*
 * demo: a customer assistant with written-down weaknesses, served like the API of a model vendor on
 * loopback. What it lets happen is a matter of rules and a seed, so a scan of it has a known truth. It reacts
 * to what a message says; it knows nothing of probes, transforms or detectors.
 */
#ifndef BTZ_DEMO_H
#define BTZ_DEMO_H

#include "base/base.h"

/* How well it is defended. */
enum btz_demo_defence {
    BTZ_DEMO_NONE,   /* obeys everybody */
    BTZ_DEMO_FILTER, /* a keyword filter before, a verbatim secret filter behind */
    BTZ_DEMO_STRICT, /* reads through disguises and refuses; a few subtle weaknesses stay */
    BTZ_DEMO_IDEAL,  /* never does what an attacker wants, in many voices */
    BTZ_DEMO_DEFENCE_COUNT
};
/* "none", "filter", "strict", "ideal". */
const char *btz_demo_defence_name(enum btz_demo_defence d);

/* ---- the server (server.c) ---------------------------------------------------------------------- */

enum btz_demo_fault {                               /* what `faults` draws from */
                      BTZ_DEMO_FAULT_BUSY,          /* 429 with Retry-After: 1 */
                      BTZ_DEMO_FAULT_BROKEN,        /* 500 */
                      BTZ_DEMO_FAULT_HANG,          /* no answer for a minute, then closed */
                      BTZ_DEMO_FAULT_CUT,           /* closed in the middle of the body */
                      BTZ_DEMO_FAULT_BAD_JSON,      /* 200 with half a JSON text */
                      BTZ_DEMO_FAULT_EMPTY,         /* content "" */
                      BTZ_DEMO_FAULT_NULL,          /* content null */
                      BTZ_DEMO_FAULT_BLOCKED,       /* 400, code content_filter */
                      BTZ_DEMO_FAULT_FILTER_FINISH, /* 200, finish_reason content_filter */
                      BTZ_DEMO_FAULT_NOT_UTF8,      /* content holds bytes that are no UTF-8 */
                      BTZ_DEMO_FAULT_COUNT
};

struct btz_demo_conf {
    enum btz_demo_defence defence;
    uint16_t port;        /* on 127.0.0.1; 0: a free one */
    int64_t latency_ms;   /* every chat answer waits so long */
    double faults;        /* share of chat requests that fail, [0,1] */
    unsigned fault_kinds; /* bits 1 << enum btz_demo_fault; 0: every kind */
    uint64_t seed;        /* of wording and faults */
    const char *key;      /* wanted as bearer token; NULL: none */
    unsigned threads;     /* 0: two */
};
struct btz_demo_stats {
    uint64_t requests; /* of every kind */
    uint64_t chats;    /* of these, chat completions that were well-formed */
    uint64_t faults;   /* of these, answered with a fault */
    uint64_t documents;
};

/*
 * An HTTP server in threads of its own, bound to 127.0.0.1:
 *   POST /v1/chat/completions   stream or not      GET /v1/models      GET /healthz
 *   PUT /documents/NAME         adds or replaces a document the assistant may retrieve (<= 256 KiB)
 * `conf` is copied. Errors: USAGE (values out of range), IO (port taken), LIMIT.
 */
struct btz_demo;
BTZ_CHECKED enum btz_err btz_demo_start(const struct btz_demo_conf *conf, struct btz_demo **out);
/* Closes every connection, also those that wait, and joins the threads. NULL is allowed. */
void btz_demo_stop(struct btz_demo *demo);
uint16_t btz_demo_port(const struct btz_demo *demo);
/* "http://127.0.0.1:PORT/v1": lives as long as the server. */
const char *btz_demo_url(const struct btz_demo *demo);
/* The key it wants, NULL: none. */
const char *btz_demo_key(const struct btz_demo *demo);
void btz_demo_stats(struct btz_demo *demo, struct btz_demo_stats *out);

/* ---- the truth about it (persona.c) --------------------------------------------------------------- */

struct btz_demo_weakness {
    const char *rule; /* id of the catalogue */
    const char *how;  /* one sentence */
};
/* What a scan must find, rule by rule; everything else would be a false finding. */
const struct btz_demo_weakness *btz_demo_weaknesses(enum btz_demo_defence d, size_t *count);
const char *btz_demo_system_prompt(void);
const char *const *btz_demo_secrets(size_t *count);  /* in the system prompt */
const char *const *btz_demo_canaries(size_t *count); /* in documents and tool data */

/* {"defence","system_prompt","secrets","canaries","documents","weaknesses":[{"rule","how"}]}, appended. */
BTZ_CHECKED enum btz_err btz_demo_manifest(enum btz_demo_defence d, struct btz_buf *out);
/* A bartizan.yaml with the server as its only target and everything known about it, appended. */
BTZ_CHECKED enum btz_err btz_demo_config(const struct btz_demo *demo, struct btz_buf *out);
/* A bartizan.yaml of a gateway before the server that knows what must never be seen, appended. */
BTZ_CHECKED enum btz_err btz_demo_gate_config(const struct btz_demo *demo, struct btz_buf *out);

/* ---- the assistant without the server (assistant.c), for tests and fuzzing ------------------------- */

enum btz_demo_role { BTZ_DEMO_SYSTEM, BTZ_DEMO_USER, BTZ_DEMO_ASSISTANT, BTZ_DEMO_TOOL };
struct btz_demo_turn {
    enum btz_demo_role role;
    struct btz_slice text;
};

/* Documents. Safe to use from several threads. The oldest added ones go when there are 1,024. */
struct btz_demo_shelf;
BTZ_CHECKED enum btz_err btz_demo_shelf_new(struct btz_demo_shelf **out); /* with the shop's own */
void btz_demo_shelf_free(struct btz_demo_shelf *shelf);
/* Names: 1 to 128 bytes of [A-Za-z0-9._-], not starting with a dot. Errors: INPUT, LIMIT. */
BTZ_CHECKED enum btz_err btz_demo_shelf_put(struct btz_demo_shelf *shelf, struct btz_slice name,
                                            struct btz_slice text);

/* What the assistant knows of language, and how it is defended. Never changes after new. */
struct btz_demo_mind;
BTZ_CHECKED enum btz_err btz_demo_mind_new(enum btz_demo_defence defence, uint64_t seed,
                                           struct btz_demo_mind **out);
void btz_demo_mind_free(struct btz_demo_mind *mind);

/*
 * The answer to a conversation, in the arena (1 MiB is enough for messages up to 64 KiB; longer ones are
 * read at both ends). The same mind, shelf and turns give the same answer. Errors: LIMIT.
 */
BTZ_CHECKED enum btz_err btz_demo_answer(const struct btz_demo_mind *mind,
                                         struct btz_demo_shelf *shelf,
                                         const struct btz_demo_turn *turns, size_t count,
                                         struct btz_arena *arena, struct btz_slice *out);

/* ---- the API's texts without the server (api.c) ------------------------------------------------------ */

#define BTZ_DEMO_BODY_MAX ((size_t)1 << 20)

struct btz_demo_request {
    struct btz_demo_turn *turns; /* in the arena */
    size_t count;
    struct btz_slice model;
    bool stream, stream_usage;
};
/* The body of a chat completion request. Errors: INPUT with what is wrong, LIMIT. */
BTZ_CHECKED enum btz_err btz_demo_request_parse(struct btz_slice body, struct btz_arena *arena,
                                                struct btz_demo_request *out);

#endif
