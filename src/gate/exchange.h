/* The inside of gates and exchanges. For the files of this folder. */
#ifndef BTZ_GATE_EXCHANGE_H
#define BTZ_GATE_EXCHANGE_H

#include "gate/circuit.h"
#include "gate/gate.h"
#include "gate/owned.h"

#define BTZ_CANDIDATES   16
#define BTZ_EXCHANGE_CAP ((size_t)192 << 20)
#define BTZ_FRESH_S      900 /* of a second factor, where the guard asks for one */
#define BTZ_RANGES       64
#define BTZ_GROUPS       64

struct btz_gate {
    const struct btz_gate_conf *conf;
    struct btz_snapshot *snapshot;
    struct btz_guard *own_guard;
    const struct btz_guard *guard;
    struct btz_limits *limits;
    struct btz_journal *journal;
    struct btz_metrics *metrics;
    struct btz_circuits *circuits;
    struct btz_owned *owned;
    struct btz_rng rng;
    char *snapshot_path, *pins_path;
    uint8_t secret[32], pepper[32];
    uint64_t (*now_ms)(void *user);
    void *clock_user;
    int invoke, tool_call; /* actions */
};
uint64_t btz_gate_now_ms(const struct btz_gate *g);
/* Reads the newest snapshot. False: there is none that can be trusted. */
bool btz_gate_refresh(struct btz_gate *g);
/* The model's line of the settings, NULL: none; `exact` before stars, longer stars before shorter. */
const struct btz_model_conf *btz_gate_model(const struct btz_gate_conf *conf,
                                            struct btz_slice name);
size_t btz_gate_upstream(const struct btz_gate_conf *conf, const char *name); /* SIZE_MAX: none */

struct candidate {
    size_t upstream;
    const char *model; /* name there */
    enum btz_protocol protocol;
    bool tried;
};

struct btz_exchange {
    struct btz_gate *gate;
    const struct btz_incoming *in;
    struct btz_arena arena;
    uint64_t now_ms;
    /* who */
    const struct btz_route *route;
    uint32_t principal, key; /* of the snapshot of `generation` */
    uint64_t generation;
    char method[64]; /* how he was known */
    uint32_t mfa_age_s;
    struct btz_address address;
    const char *name, *id, *key_id;
    struct btz_trace trace; /* the client's */
    bool traced;
    struct btz_slice *groups; /* in the arena, at most BTZ_GROUPS */
    size_t group_count;
    bool too_many_groups;
    /* what */
    struct btz_slice body;
    struct btz_message request;
    bool has_request;
    bool was_read;      /* the body, and it is a request */
    bool guarded;       /* and the guard has read it */
    enum btz_step work; /* what that came to */
    uint64_t tokens_in; /* at most, before masks */
    const char *model;  /* as it was asked for; after ROUTE the one it goes to */
    const struct btz_model_conf *model_conf;
    struct btz_decision decision;
    const char *rule, *resource;
    double cost_bound;
    uint64_t token_bound, input_bound;
    /* the guard */
    struct btz_guard_session *session;
    json_t *schema;            /* that the request asks for; NULL: none */
    struct btz_forms *forms;   /* that answers have to have; NULL: none was needed yet */
    const char *form_why;      /* what of the answer does not conform; NULL: nothing known */
    size_t whole_calls;        /* arguments that came whole, before the lane of their call */
    const char *not_evaluated; /* why something was not */
    bool changed_in, changed_out, blocked_out;
    uint64_t scanned_in, skipped_in, scanned_out, skipped_out, released_out;
    struct btz_range *ranges; /* in the arena, at most BTZ_RANGES */
    size_t range_count;
    /* limits */
    struct btz_lease *lease;         /* in the arena; what is used of it */
    bool reserved, shared;           /* shared: by Redis */
    bool asked;                      /* Redis, and it may have reserved: no refusal is known */
    struct btz_redis_command *redis; /* in the arena, where limits are shared: it is large */
    /* where to */
    struct candidate candidates[BTZ_CANDIDATES];
    size_t candidate_count, current;
    unsigned attempts, upstream_status;
    bool sees_all;  /* files and batches of others too */
    bool forwarded; /* something may have reached an upstream */
    struct btz_buf out_body;
    struct btz_message translated;
    bool has_translated, hide_usage;
    /* response */
    enum btz_response_mode mode;
    unsigned status;
    enum btz_protocol spoken;                      /* by the upstream of the current attempt */
    struct btz_protocol_stream *stream, *messages; /* the latter of a WebSocket */
    struct btz_guard_stream *raw;
    struct btz_buf collected;
    struct btz_buf finished; /* of a large one: what a thread made of it */
    struct btz_slice *calls; /* tools that a whole answer wants called; arena */
    size_t call_count;
    struct btz_usage usage;
    uint64_t out_bytes;
    bool cut, responded, streamed, stream_ended, raw_done, nothing_sent;
    uint64_t response_cap;
    struct btz_sha256 request_hash, response_hash;
    uint8_t request_digest[BTZ_SHA256_LEN];
    struct btz_buf kept; /* of the response, where the audit keeps bodies */
    const char *response_type;
    struct btz_slice session_in; /* Mcp-Session-Id: the server's own */
    const char *session_out;     /* the one for the client */
    char guard_header[160];
    /* answer of the gateway itself */
    struct btz_answer answer;
    struct btz_buf answer_body;
    const char *verdict, *code;
    char reason[256];
    uint64_t sequence; /* of the begin record in durable mode */
    uint64_t wait_from_ms;
    bool begun, ended;
    bool unrecorded; /* a stranger's, of too many: counted, not written down */
};

enum btz_dialect btz_exchange_dialect(const struct btz_exchange *x);
/* Sets the answer: REFUSE. `message` goes to the client; code is ours. */
enum btz_step btz_exchange_refuse(struct btz_exchange *x, unsigned status, const char *code,
                                  const char *fmt, ...) BTZ_PRINTF(4, 5);
/* 503. The entry says the detail of the error, which file and what to do; a client has no use for that. */
enum btz_step btz_exchange_unavailable(struct btz_exchange *x, const char *code,
                                       const char *to_client);
/* Asks the policy. *out is complete. */
void btz_exchange_decide(struct btz_exchange *x, int action, const char *resource,
                         struct btz_slice tool, double cost, struct btz_decision *out);
/* Its rule's id, in the arena; NULL without memory. */
const char *btz_exchange_rule(struct btz_exchange *x, const struct btz_decision *d);
/* exchange_body.c: REFUSE, for what x->decision says about `what`. */
enum btz_step btz_exchange_refuse_decision(struct btz_exchange *x, const char *what);
/* What is asked for, as the policy names it; in the arena. NULL: no memory. */
const char *btz_exchange_resource(struct btz_exchange *x);
/* exchange_target.c: candidates for x->model; GO or REFUSE. */
enum btz_step btz_exchange_target(struct btz_exchange *x);
/* exchange_limits.c */
struct btz_limit_subject btz_exchange_subject(const struct btz_exchange *x);
void btz_exchange_settle(struct btz_exchange *x, bool release, uint64_t tokens, double cost,
                         const struct btz_redis_command **redis);
enum btz_step btz_exchange_reserve(struct btz_exchange *x);
enum btz_step btz_exchange_begin_record(struct btz_exchange *x);
/* models.c: the list from the settings. ANSWER. */
enum btz_step btz_exchange_models(struct btz_exchange *x);
/* exchange_said.c: a whole text of an answer, like btz_exchange_text; lanes of one that grows. */
BTZ_CHECKED enum btz_err btz_exchange_said(struct btz_exchange *x, enum btz_channel channel,
                                           struct btz_slice text, bool *changed,
                                           struct btz_buf *out);
/* What it says beside its texts. OK; DENIED: blocked; LIMIT: not evaluated. */
BTZ_CHECKED enum btz_err btz_exchange_words(struct btz_exchange *x, struct btz_slice words);
void btz_exchange_range(struct btz_exchange *x, uint64_t scanned, uint64_t released, uint64_t seen);
extern const struct btz_lane_ops btz_exchange_lanes;
/* exchange_response.c: notes that and why an answer was cut off. REFUSE. */
enum btz_step btz_exchange_cut(struct btz_exchange *x, const char *code, const char *why);
/* exchange_response.c: btz_exchange_work() of an answer. */
void btz_exchange_work_answer(struct btz_exchange *x);
/* exchange_form.c: what is needed of a request that is released now. */
void btz_exchange_keep_schema(struct btz_exchange *x);
/* What a text of the answer, or the arguments of a tool, has to conform to; NULLs: nothing. Errors: LIMIT. */
struct btz_form;
BTZ_CHECKED enum btz_err btz_exchange_forms(struct btz_exchange *x, bool answer,
                                            struct btz_slice tool, const struct btz_form *out[2]);
/* A whole text against them. OK or DENIED: it must not go on; x->form_why says why. */
BTZ_CHECKED enum btz_err btz_exchange_conforms(struct btz_exchange *x, enum btz_channel channel,
                                               const struct btz_form *const forms[2],
                                               struct btz_slice text);
/* The same for a part of a whole answer, as it goes out. */
BTZ_CHECKED enum btz_err btz_exchange_part_conforms(struct btz_exchange *x,
                                                    const struct btz_message *m,
                                                    const struct btz_part *part,
                                                    struct btz_slice text);
BTZ_CHECKED enum btz_err btz_exchange_call_conforms(struct btz_exchange *x, struct btz_slice tool,
                                                    struct btz_slice arguments);
void btz_exchange_forms_release(struct btz_exchange *x);
/* exchange_response.c: what the one text of an answer that is no JSON came to. */
void btz_exchange_close_text(struct btz_exchange *x);
/* mcp_session.c: the client's session must be one of his; the server's becomes one of his. */
enum btz_step btz_exchange_check_session(struct btz_exchange *x);
enum btz_step btz_exchange_take_session(struct btz_exchange *x, struct btz_slice id);
/* exchange_owned.c: files and batches that the request names must be his; those of an answer become so, and others' go out of
 * lists, which ends the use of m->parts. */
enum btz_step btz_exchange_owns(struct btz_exchange *x);
void btz_exchange_note_owner(struct btz_exchange *x, struct btz_message *m);
/* pins.c: descriptions of tools in an answer of an MCP server. */
struct btz_unpinned {
    bool *is; /* for each tool of the message; arena */
};
enum btz_step btz_exchange_pins(struct btz_exchange *x, const struct btz_message *m,
                                struct btz_unpinned *out);
/* Ends the use of m->tools and of parts that were in them. */
void btz_exchange_take_out(struct btz_exchange *x, struct btz_message *m,
                           const struct btz_unpinned *unpinned);
bool btz_exchange_may_call(const struct btz_exchange *x, struct btz_slice tool);
/* exchange_end.c */
void btz_exchange_record(struct btz_exchange *x, const char *phase,
                         const struct btz_end_facts *facts, struct btz_call_record *out);
/* Is this text of ours to be read at all? Notes why not. */
bool btz_exchange_guards(struct btz_exchange *x);
/* The guard's session, made when the first text comes. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_exchange_guarding(struct btz_exchange *x);
/* A text of a channel through the guard. OK; DENIED: blocked; LIMIT: not evaluated. */
BTZ_CHECKED enum btz_err btz_exchange_text(struct btz_exchange *x, enum btz_channel channel,
                                           struct btz_slice text, bool *changed,
                                           struct btz_buf *out);
/* May the model have this tool called? OK or DENIED. */
BTZ_CHECKED enum btz_err btz_exchange_tool(struct btz_exchange *x, struct btz_slice tool,
                                           bool offered);

#endif
