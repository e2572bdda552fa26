/*
 * gate: the gateway without its transport. A gate is the compiled configuration with everything that workers share; an
 * exchange is one request from its head to its end in the journal. nginx/ drives exchanges; tests drive them without nginx.
 *
 *   head -> who, which route, may he at all -> body -> texts guarded, permission, limits reserved -> upstream chosen
 *        -> response head -> pieces guarded as they come -> end: settled, counted, written down
 */
#ifndef BTZ_GATE_H
#define BTZ_GATE_H

#include "access/policy.h"
#include "gate/guard/guard.h"
#include "gate/journal/journal.h"
#include "gate/limits/limits.h"
#include "gate/protocol/protocol.h"
#include "gate/trace.h"

/* ---- settings: section `gate:` of bartizan.yaml (settings.c) ------------------------------------------------------- */

enum btz_credential_kind {
    BTZ_CREDENTIAL_BEARER,
    BTZ_CREDENTIAL_X_API_KEY,
    BTZ_CREDENTIAL_API_KEY,
    BTZ_CREDENTIAL_NONE
};
enum btz_upstream_dialect {
    BTZ_UPSTREAM_OPENAI,
    BTZ_UPSTREAM_ANTHROPIC,
    BTZ_UPSTREAM_OLLAMA,
    BTZ_UPSTREAM_MCP,
    BTZ_UPSTREAM_PLAIN
};
struct btz_upstream_conf {
    const char *name; /* [a-z0-9-]{1,40} */
    const char *
        url; /* "https://api.openai.com", "http://127.0.0.1:11434", perhaps with a path before /v1 */
    const char *root;       /* stands there in the place of /v1: "/v1", "/v1beta/openai", "" */
    int dialect;            /* enum btz_upstream_dialect */
    const char *credential; /* secret; sent as `credential_as`; the client's is never sent on */
    int credential_as;      /* enum btz_credential_kind */
    struct btz_conf_list headers; /* struct btz_conf_pair, added; e.g. anthropic-version */
    const char *ca_file;          /* empty: the system's */
    bool tls_verify;              /* true */
    int64_t connect_ms,
        idle_ms; /* between two reads; streams may last as long as they give signs of life */
    int64_t break_after,
        break_ms; /* consecutive failures that open the circuit, and for how long */
};
struct btz_served_conf { /* one way to serve a model */
    const char *upstream;
    const char *model; /* name there; empty: the same */
    int64_t weight;    /* 1..1000; 0: only when all others failed */
};
struct btz_model_conf {
    const char *name;                 /* as clients ask for it; may end in a star */
    struct btz_conf_list upstreams;   /* struct btz_served_conf */
    double input_price, output_price; /* per million tokens */
    int64_t max_tokens;               /* assumed where a request says none; 4096 */
    bool
        retry; /* also after 500 and a lost connection before the response; default false: only where
                                     * nothing was done: refused connections, 429, 503 */
};
struct btz_route_conf { /* declared pass-through */
    const char *path;   /* "/score" or "/images/" with all below */
    struct btz_conf_list methods;
    const char *upstream, *action, *resource; /* "endpoint.use", "endpoint/score" */
    bool websocket;
    struct btz_conf_list
        texts; /* JSON pointers with stars: where pieces of texts stand in events */
};
struct btz_mcp_conf {                   /* MCP server NAME is served at /mcp/NAME */
    const char *name, *upstream, *path; /* path there: "/mcp" */
    struct btz_conf_list
        pins;    /* struct btz_pin_conf; none: descriptions are pinned when first seen */
    bool pinned; /* true: tools without a matching pin are taken away and alarmed */
};
struct btz_pin_conf {
    const char *tool, *digest;
};
enum btz_audit_mode { BTZ_AUDIT_ASYNC, BTZ_AUDIT_DURABLE };
enum btz_audit_bodies { BTZ_BODIES_NONE, BTZ_BODIES_BLOCKED, BTZ_BODIES_ALL };
struct btz_audit_conf {
    int mode, bodies; /* enum btz_audit_mode, btz_audit_bodies */
};
struct btz_gate_conf {
    const char *http; /* "127.0.0.1:8080": plain, this machine only; empty: none */
    struct btz_conf_list upstreams, models, routes, mcp, limits;
    const char *shared_limits; /* "redis://127.0.0.1:6379/0", "unix:/path"; empty: this machine's */
    int64_t shared_lease_ms;
    int64_t lookup_ms; /* between two looks at the addresses of upstreams (names.h); 0: never */
    struct btz_guard_conf guard;
    struct btz_audit_conf audit;
    int64_t body_max,
        response_max; /* bytes; 32 MiB: larger responses that must be read whole are refused */
    int64_t workers;
    const char *otlp; /* "http://127.0.0.1:4318"; empty: none */
};
extern const struct btz_conf_struct btz_gate_conf_struct;
/* What one struct cannot show: names that do not exist, upstreams twice, URLs, patterns. One upstream and no model: every
 * model is its. Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_gate_conf_check(const struct btz_gate_conf *conf);
/* Can the guard be made of that? Reads the files that it names; those of schemas lie beside `yaml`. */
BTZ_CHECKED enum btz_err btz_gate_guard_check(const struct btz_guard_conf *conf, const char *yaml,
                                              struct btz_arena *arena);
/* Only the section `gate:` and the state folder of a bartizan.yaml; for the module. */
BTZ_CHECKED enum btz_err btz_gate_conf_load(const char *yaml, const struct btz_conf_env *env,
                                            struct btz_arena *arena, struct btz_gate_conf **out,
                                            const char **state);

/* ---- routes (route.c) ------------------------------------------------------------------------------------------------ */

struct btz_route {
    const char *name;          /* "chat", "files-content": bounded set, for metrics */
    const char *method, *path; /* "{id}" is one segment of [A-Za-z0-9._:-]{1,128} */
    enum btz_protocol protocol;
    const char *action,
        *resource; /* "model.invoke", "model/{model}"; "endpoint.use", "endpoint/files" */
    const struct btz_route_conf *declared;
    const struct btz_mcp_conf *mcp;
};
extern const struct btz_route btz_routes[]; /* the built-in ones; last has no path */
/* Paths are compared as bytes: no decoding, no dot segments, no double slashes: what is not plain is no route. */
const struct btz_route *btz_route_find(const struct btz_gate_conf *conf, struct btz_slice method,
                                       struct btz_slice path, struct btz_arena *arena);

/* ---- the gate (gate.c): one a worker --------------------------------------------------------------------------------- */

struct btz_gate_options {
    const struct btz_gate_conf *conf; /* outlives it */
    const char *state_dir;
    const uint8_t *snapshot_secret,
        *pepper;                    /* 32 bytes each: btz_seal_derive() "snapshot", "pepper" */
    const struct btz_guard *guard;  /* compiled before the fork; NULL: made here */
    uint64_t (*now_ms)(void *user); /* NULL: the clock */
    void *clock_user;
};
struct btz_gate;
/* Errors: those of its parts. A gate without a snapshot refuses every request with 503. */
BTZ_CHECKED enum btz_err btz_gate_open(const struct btz_gate_options *o, struct btz_gate **out);
void btz_gate_close(struct btz_gate *g);
/* Looks at the files of the state folder with which no worker would serve, and makes none. Errors: INPUT, with the file's name
 * and what to do; IO. */
BTZ_CHECKED enum btz_err btz_gate_check_state(const struct btz_gate_conf *conf,
                                              const char *state_dir);
struct btz_limits *btz_gate_limits(struct btz_gate *g);
struct btz_journal *btz_gate_journal(struct btz_gate *g);
struct btz_metrics *btz_gate_metrics(struct btz_gate *g);
const struct btz_gate_conf *btz_gate_settings(const struct btz_gate *g);

/* What the transport refuses by itself (refused.c): code and one sentence for the client. False: a status that is no refusal
 * of that kind; both are set all the same. */
bool btz_gate_refusal(unsigned status, const char **code, const char **why);
/* Writes such a request down. False: nothing was written. */
struct btz_incoming;
bool btz_gate_refused(struct btz_gate *g, const struct btz_incoming *in, unsigned status,
                      uint64_t took_us);

/* ---- an exchange (exchange.c, exchange_response.c) ------------------------------------------------------------------- */

struct btz_exchange;
/* What to do next. */
enum btz_step {
    BTZ_STEP_GO,     /* on to the next function */
    BTZ_STEP_REFUSE, /* answer with btz_exchange_answer() and end */
    BTZ_STEP_ANSWER, /* the same, no refusal: the answer comes from the gateway (list of models) */
    BTZ_STEP_IDENTIFY, /* ask the daemon who it is (tokens, sessions, certificates), then btz_exchange_identified() */
    BTZ_STEP_LIMITS, /* send btz_exchange_redis() to Redis, then btz_exchange_limited() */
    BTZ_STEP_WAIT,   /* durable mode: call btz_exchange_durable() again in a millisecond */
    BTZ_STEP_WORK, /* a large body: btz_exchange_work() in any thread, then btz_exchange_worked() in this one, which may
                    * say WORK again */
};
struct btz_incoming { /* borrowed for the life of the exchange, but for `body` */
    const char *request_id;
    struct btz_slice method, path, query, content_type, user_agent, origin;
    struct btz_slice authorization, x_api_key, api_key, cookie; /* where clients carry keys */
    struct btz_slice mcp_session;                               /* Mcp-Session-Id; empty: none */
    const char *address_text;
    struct btz_slice traceparent; /* empty: none, or more than one */
    struct btz_slice client_cert; /* PEM or DER as the transport has it; empty: none */
    bool upgrade;                 /* WebSocket */
    int64_t content_length;       /* -1: not said */
};
struct btz_answer { /* borrowed from the exchange */
    unsigned status;
    const char *content_type;
    struct btz_slice body;
    uint32_t retry_after_s; /* 0: none */
};
BTZ_CHECKED enum btz_err btz_exchange_new(struct btz_gate *g, const struct btz_incoming *in,
                                          struct btz_exchange **out);
/* What a browser says of the page that made it ask (exchange_page.c). Before btz_exchange_head(). A cookie and a certificate go
 * along whoever makes it ask: without a key beside them the page must be of our own origin, with a cookie it has to say so,
 * and nothing that a form can send is taken. GO or REFUSE. */
struct btz_page {
    struct btz_slice own;        /* our origin: "https://gate.example:8443"; empty: there is none */
    struct btz_slice fetch_site; /* Sec-Fetch-Site; empty: not said */
    struct btz_slice csrf;       /* X-Bartizan-CSRF */
    bool chunked;                /* there is a body of unknown length */
};
bool btz_page_is_own(struct btz_slice own, struct btz_slice origin);
enum btz_step btz_exchange_page(struct btz_exchange *x, const struct btz_page *page);
/* Route, caller, and whether he may use this route at all: before the body is read. */
enum btz_step btz_exchange_head(struct btz_exchange *x);
enum btz_step btz_exchange_identified(struct btz_exchange *x, const char *principal,
                                      const char *method, uint32_t mfa_age_s);
/* The whole body: read, guarded, decided, reserved. WORK: one of more than BTZ_WORK_MIN bytes, of which nothing was done
 * yet, because it would keep others waiting. */
#define BTZ_WORK_MIN ((size_t)64 << 10)
enum btz_step btz_exchange_body(struct btz_exchange *x, struct btz_slice body);
/* Reads the body; the second time guards its texts; then an answer. In any thread, while nothing else is done with this exchange; of the
 * gate it uses what never changes (guard, settings), so that other exchanges go on. */
void btz_exchange_work(struct btz_exchange *x);
/* In the thread of the gate, after each time: permission, so that WORK goes on only for who may ask; then what the guard
 * said, then the rest. */
enum btz_step btz_exchange_worked(struct btz_exchange *x);
const struct btz_redis_command *btz_exchange_redis(struct btz_exchange *x);
enum btz_step btz_exchange_limited(struct btz_exchange *x, bool reached, struct btz_slice answer);
/* Every third of `shared_lease`: what to send so that Redis does not take the request for a dead gateway's. NULL: nothing. */
const struct btz_redis_command *btz_exchange_renew(struct btz_exchange *x);
enum btz_step btz_exchange_durable(struct btz_exchange *x);
/* Refuses for a reason of the transport's: REFUSE, and the answer is ready. Also before btz_exchange_head(). */
enum btz_step btz_exchange_deny(struct btz_exchange *x, unsigned status, const char *code,
                                const char *message);
const struct btz_answer *btz_exchange_answer(const struct btz_exchange *x);
/* `traceparent` for the upstream: the request's own span in the client's trace, or in one of its own. Where no spans are
 * sent anywhere (gate.otlp), the client's as it is. False: none. */
bool btz_exchange_traceparent(const struct btz_exchange *x, char out[BTZ_TRACE_TEXT + 1]);

/* What goes upstream. `attempt` from 0; false: there is no other one to try. `last`: there is none after it, so its errors
 * go to the client as they are. */
struct btz_forward {
    size_t upstream; /* index into conf->upstreams */
    struct btz_slice path, query;
    struct btz_slice body; /* changed or as it came */
    const char *content_type;
    const char *accept;           /* NULL: the client's */
    struct btz_slice mcp_session; /* empty: none */
    bool last;
};
bool btz_exchange_forward(struct btz_exchange *x, unsigned attempt, struct btz_forward *out);
/* How the attempt went, for the circuit: status 0: no response. */
void btz_exchange_attempted(struct btz_exchange *x, unsigned status);
/* May another upstream be asked after this status (0: no response)? `sent`: this one may have got the request. */
bool btz_exchange_retries(const struct btz_exchange *x, unsigned status, bool sent);
/* The upstream has all of it and nobody else is asked: forward.body is not there any more. */
void btz_exchange_sent(struct btz_exchange *x);

/* How the response is to be handled. */
enum btz_response_mode {
    BTZ_RESPONSE_PIECES, /* give each piece to btz_exchange_pieces(), send what it yields */
    BTZ_RESPONSE_WHOLE, /* collect all (at most response_max), then the same with `final`; the status may change */
    BTZ_RESPONSE_PASS /* no detector can read it: as it is; recorded as not-evaluated. Count the bytes with
                          * btz_exchange_passed() */
};
struct btz_response_head {
    unsigned status;
    struct btz_slice content_type, content_encoding, mcp_session;
    struct btz_slice words; /* what its headers say that go on to the client, a line each */
    int64_t content_length;
};
enum btz_step btz_exchange_response(struct btz_exchange *x, const struct btz_response_head *head,
                                    enum btz_response_mode *mode);
/* Types that a browser shows without running anything in them. */
bool btz_type_is_inert(struct btz_slice type);
/* Appends what goes to the client. WORK in mode WHOLE: it is large, and btz_exchange_answered() has it when
 * btz_exchange_work() is done. REFUSE in mode WHOLE: btz_exchange_answer(). REFUSE in mode PIECES: send `out` (error
 * event and end), close upstream. */
enum btz_step btz_exchange_pieces(struct btz_exchange *x, struct btz_slice piece, bool final,
                                  struct btz_buf *out);
enum btz_step btz_exchange_answered(struct btz_exchange *x, struct btz_buf *out);
/* Text of no protocol has no words for a cut: its connection is broken off then, or it would look whole. */
bool btz_exchange_breaks(const struct btz_exchange *x);
/* LIMIT: more than the limits of the caller allow; they must not go on, and nothing after them. */
BTZ_CHECKED enum btz_err btz_exchange_passed(struct btz_exchange *x, uint64_t bytes);
/* Mcp-Session-Id for the client in place of the server's; NULL: none. */
const char *btz_exchange_session(const struct btz_exchange *x);
/* WebSocket: text messages, whole, of the server and of the client. Frames are not written anew: what a rule would mask
 * is not let through. DENIED: close. */
BTZ_CHECKED enum btz_err btz_exchange_message(struct btz_exchange *x, struct btz_slice text);
BTZ_CHECKED enum btz_err btz_exchange_asked(struct btz_exchange *x, struct btz_slice text);
/* A message of the client that is no text. */
void btz_exchange_asked_bytes(struct btz_exchange *x, uint64_t bytes);
/* May he still use the route that he has a connection of? DENIED: no; the reason is that of the entry. */
BTZ_CHECKED enum btz_err btz_exchange_still(struct btz_exchange *x);
/* Value of the header that says whether the guard ran: "evaluated", "window", "not-evaluated; reason", "off". */
const char *btz_exchange_guard_header(const struct btz_exchange *x);
/* The content type for the client where it differs (translation); NULL: as it is. */
const char *btz_exchange_response_type(const struct btz_exchange *x);

/* Always, exactly once: settles limits (or gives back), counts, writes the record, frees. With Redis: `*redis` (may be
 * NULL where there is none) is filled for the caller to send; it lives until btz_exchange_free(). */
enum btz_end { BTZ_END_DONE, BTZ_END_CLIENT_GONE, BTZ_END_UPSTREAM_FAILED, BTZ_END_REFUSED };
struct btz_end_facts {
    enum btz_end how;
    unsigned status;
    uint64_t request_bytes, response_bytes, took_us, own_us, first_token_us;
};
void btz_exchange_end(struct btz_exchange *x, const struct btz_end_facts *facts,
                      const struct btz_redis_command **redis);
void btz_exchange_free(struct btz_exchange *x);

#endif
