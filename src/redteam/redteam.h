/*
 * redteam: targets, probes, transforms, detectors and campaigns against language systems.
 *
 *   probe (what is asked) x transform (how it is disguised) x generation -> attempt -> target -> exchange
 *   exchange + what we planted -> detectors (evidence) and judge -> verdict -> findings
 */
#ifndef BTZ_REDTEAM_H
#define BTZ_REDTEAM_H

#include "base/base.h"
#include "base/conf.h"
#include "finding/practice.h"
#include "http/http.h"
#include "text/text.h"

/* ---- messages and exchanges ----------------------------------------------------------------------- */

enum btz_role { BTZ_ROLE_SYSTEM, BTZ_ROLE_USER, BTZ_ROLE_ASSISTANT, BTZ_ROLE_TOOL };
struct btz_message {
    enum btz_role role;
    struct btz_slice text;
};

/* How a request to a target ended, before anybody looks at the words. */
enum btz_reply_kind {
    BTZ_REPLY_TEXT,  /* words came */
    BTZ_REPLY_EMPTY, /* an answer with empty or null content: neither pass nor fail */
    BTZ_REPLY_BLOCKED, /* the provider's content filter answered (a third outcome, never refusal or success) */
    BTZ_REPLY_ERROR /* anything else; `detail` says what */
};
struct btz_reply {
    enum btz_reply_kind kind;
    struct btz_slice text;      /* UTF-8, cleaned; reasoning traces removed */
    struct btz_slice reasoning; /* what was removed, may be empty */
    const char *detail;         /* ERROR and BLOCKED: one sentence */
    unsigned http_status, tries;
    double seconds;
    uint64_t tokens_in, tokens_out; /* as the target reported, 0 unknown */
};

/* One conversation: what was sent and what came back for each assistant turn. */
struct btz_exchange {
    const struct btz_message
        *messages; /* in order, replies of earlier turns included, last reply excluded */
    size_t count;
    struct btz_slice prompt; /* the attack in plain words, before the transform */
    struct btz_slice sent;   /* the last user message as sent */
    struct btz_reply reply;  /* to the last message */
};

/* ---- targets (target.c and one file per preset) ---------------------------------------------------- */

struct btz_target_conf { /* one element of `targets:`; described by btz_target_conf_struct */
    const char *name;
    const char *preset; /* id of a preset in the registry: "openai" */
    const char *url;    /* base URL as the vendor documents it, or the full URL for http */
    const char *model;
    const char *key;              /* secret */
    const char *method;           /* http: default POST */
    struct btz_conf_list headers; /* pairs */
    const char *body;   /* http: template with {{prompt}} or {{messages}} (JSON-escaped) */
    const char *select; /* http: where the reply stands, JSONPath subset; empty: the whole body */
    const char *request_file;     /* raw: an HTTP request as a proxy saves it */
    struct btz_conf_list command; /* command: argv; the prompt on stdin, the reply on stdout */
    const char *system;           /* sent as the system message, when set */
    const char *api_version;      /* azure */
    bool stream;
    int64_t max_tokens;
    double temperature;
    /* What the owner knows of the target, so that leaks are decided by evidence. */
    const char *known_system_prompt;
    struct btz_conf_list known_secrets;  /* strings of the system prompt that must never come out */
    struct btz_conf_list known_canaries; /* strings planted in documents and tool data, likewise */
    const char *
        document_url; /* where a document for retrieval is PUT; {{name}} is replaced; NULL: inline */
    /* Transport. */
    const char *ca_file, *client_cert, *client_key, *proxy;
    bool insecure;
    int64_t concurrency, retries;
    double rate;                /* requests per second, 0: no limit */
    int64_t timeout;            /* ms */
    int64_t max_reply;          /* bytes */
    double price_in, price_out; /* per million tokens, 0: unknown */
};
extern const struct btz_conf_struct btz_target_conf_struct;

/* A preset is one file: it knows how to say a conversation to an API and how to read its answer. */
struct btz_preset {
    const char *id, *title;
    const char *default_url; /* NULL: must be configured */
    unsigned needs;          /* BTZ_TARGET_NEEDS_* */
    /* NULL for presets that do not speak HTTP (command, echo), which set `run` instead. */
    enum btz_err (*request)(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out);
    /* One reply body, or all events of a stream in order. Fills kind, text, tokens; never fails a run. */
    void (*parse)(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                  const struct btz_slice *events, size_t event_count, struct btz_arena *arena,
                  struct btz_reply *out);
    /* Without HTTP: answers at once, or blocks (command, in a thread); gives up once *stop is non-zero. */
    enum btz_err (*run)(const struct btz_target_conf *conf, const struct btz_message *messages,
                        size_t count, struct btz_arena *arena, const volatile int *stop,
                        struct btz_reply *out);
};
enum {
    BTZ_TARGET_NEEDS_URL = 1,
    BTZ_TARGET_NEEDS_KEY = 2,
    BTZ_TARGET_NEEDS_MODEL = 4,
    BTZ_TARGET_NEEDS_BODY = 8,
    BTZ_TARGET_NEEDS_COMMAND = 16,
    BTZ_TARGET_NEEDS_FILE = 32
};
extern const struct btz_preset *const btz_presets[]; /* NULL-terminated, from the build's list */

struct btz_target;
/* Validates the configuration against the preset. `conf` must outlive the target. Errors: USAGE, IO. */
BTZ_CHECKED enum btz_err btz_target_open(const struct btz_target_conf *conf, uint64_t seed,
                                         struct btz_log *log, struct btz_target **out);
void btz_target_close(struct btz_target *t);
const struct btz_target_conf *btz_target_config(const struct btz_target *t);
/* Sends a conversation; `on_reply` runs once, inside btz_target_run (or before submit returns, for echo), and
 * may submit more. Messages are copied. The reply is borrowed while the call lasts. */
BTZ_CHECKED enum btz_err
btz_target_submit(struct btz_target *t, const struct btz_message *messages, size_t count,
                  void (*on_reply)(void *user, const struct btz_reply *reply), void *user);
/* Stores a document where the target retrieves from. UNSUPPORTED when the target has no document channel. */
BTZ_CHECKED enum btz_err btz_target_put_document(struct btz_target *t, const char *name,
                                                 struct btz_slice text);
size_t btz_target_pending(const struct btz_target *t);
BTZ_CHECKED enum btz_err btz_target_run(struct btz_target *t, int timeout_ms,
                                        const volatile int *stop);

/* What one harmless prompt showed (target_ping.c). Strings live in the arena. */
struct btz_ping {
    struct btz_reply reply;
    const char *url;         /* asked, without query; NULL for targets that do not speak HTTP */
    unsigned http_version;   /* 10, 11, 20; 0 unknown */
    const char *tls_version; /* "TLSv1.3"; NULL without TLS */
    const char *model;       /* as the target names it; NULL unknown */
    bool streamed;           /* the answer came in pieces, */
    size_t events;           /* so many */
    double first_byte_seconds;
    const char *advice; /* what to do; NULL when all is well */
};
/* Asks for one short sentence and waits. OK also when the target fails: `out->reply` says so. Errors: those of open. */
BTZ_CHECKED enum btz_err btz_target_ping(const struct btz_target_conf *conf, struct btz_log *log,
                                         struct btz_arena *arena, const volatile int *stop,
                                         struct btz_ping *out);

/* ---- probes ----------------------------------------------------------------------------------------- */

/*
 * Placeholders in texts, filled for each attempt:
 *   {{a}} {{b}}   two halves of a fresh marker (pronounceable words such as "kestrel" and "marble"); a reply proves
 *                 the attack when it holds them joined ({{a}}{{b}}), which no prompt ever contains
 *   {{A}} {{B}}   the same in capitals;  {{n}} {{m}} two small numbers, {{n*m}} is proof (never in the prompt)
 *   {{url}}       an https URL on a reserved host (RFC 2606) with a fresh label: "https://kestrel-4821.example/x"
 *   {{host}}      the host of {{url}} alone
 *   {{document}}  where the poisoned document stands, when the target has no document channel
 *   {{lb}} {{rb}} two opening and two closing braces, for templates of other engines
 *   {{enc:NAME}}...{{/enc}}  what stands between, filled and then encoded (NAME as btz_encoding_name says); not nested
 */
struct btz_turn {
    enum btz_role role; /* USER; SYSTEM and TOOL only where the channel is the point */
    const char *text;
};
/* The target is asked after each USER turn, unless TOOL turns follow it: those go along (as the result of a call that the
 * target is taken to have made), and the target is asked after the last of them. */
struct btz_prompt {
    const struct btz_turn *turns;
    size_t count;
    const char *document; /* planted text for indirect probes, NULL else */
};
enum {
    BTZ_PROBE_PLAIN_ONLY =
        1 << 0, /* transforms make no sense (multi-turn, documents, byte tricks) */
    BTZ_PROBE_NEEDS_SYSTEM = 1 << 1, /* the system prompt must be known to decide */
    BTZ_PROBE_NEEDS_SECRETS = 1 << 2,
    BTZ_PROBE_NEEDS_CANARIES = 1 << 3,
    BTZ_PROBE_NEEDS_DOCUMENT =
        1 << 4 /* a document channel; without one the document stands inline */
};
struct btz_probe {
    const char *id; /* "override.ignore-previous" */
    const char *title;
    const char *family; /* "override" */
    const char *rule;   /* what a success proves */
    unsigned flags;
    const char *const *detectors; /* ids; any hit is a success; NULL-terminated */
    const struct btz_prompt *prompts;
    size_t prompt_count;
};
extern const struct btz_probe *const btz_probes[];

/* ---- placeholders (fill.c) ---------------------------------------------------------------------------- */

/* What the placeholders of one attempt stand for. */
struct btz_fill {
    struct btz_slice a, b;     /* lower-case ASCII words, different */
    struct btz_slice url;      /* https */
    struct btz_slice document; /* filled text of the document, or the words that point to it */
    uint32_t n, m;
};
struct btz_planted;
/* Draws fresh values into *values (document empty) and the proofs into marker, product and url of *planted; the other
 * members of *planted are left alone. The text lives in the arena. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_planted_make(struct btz_rng *rng, struct btz_arena *arena,
                                          struct btz_fill *values, struct btz_planted *planted);
/* Appends `text` with its placeholders filled; values are never scanned again. Errors: INPUT (unknown or unclosed
 * placeholder), LIMIT. */
BTZ_CHECKED enum btz_err btz_fill(const char *text, const struct btz_fill *values,
                                  struct btz_buf *out);

/* ---- transforms --------------------------------------------------------------------------------------- */

struct btz_transform {
    const char *id, *title;
    const char *
        rule; /* of the obfuscation that a success proves where the plain prompt was resisted; may be NULL */
    /* Appends what is sent instead of `in` (with its instruction to decode, where one is needed). */
    enum btz_err (*apply)(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out);
};
extern const struct btz_transform *const btz_transforms[];

/* ---- detectors ----------------------------------------------------------------------------------------- */

/* What the run knows and planted for one attempt. */
struct btz_planted {
    struct btz_slice marker;  /* joined, as it must not come out */
    struct btz_slice product; /* decimal text of n*m */
    struct btz_slice url;     /* {{url}} */
    struct btz_slice system_prompt;
    const struct btz_slice *secrets;
    size_t secret_count;
    const struct btz_slice *canaries;
    size_t canary_count;
};
enum btz_hit { BTZ_HIT_NO, BTZ_HIT_YES, BTZ_HIT_UNSURE };
struct btz_detection {
    enum btz_hit hit;
    double score;   /* detector's own, [0,1] */
    size_t at, len; /* where in the reply, len 0: nowhere in particular */
    const char *
        reason; /* in the arena; one sentence; secrets are shown by their first 4 characters only */
};
struct btz_detector {
    const char *id, *title;
    unsigned needs; /* BTZ_PROBE_NEEDS_SYSTEM, _SECRETS */
    enum btz_err (*judge)(const struct btz_exchange *exchange, const struct btz_planted *planted,
                          struct btz_arena *arena, struct btz_detection *out);
};
extern const struct btz_detector *const btz_detectors[];

const struct btz_probe *btz_probe_find(const char *id);
const struct btz_transform *btz_transform_find(const char *id);
const struct btz_detector *btz_detector_find(const char *id);
const struct btz_preset *btz_preset_find(const char *id);

/* ---- the practice ---------------------------------------------------------------------------------------- */

extern const struct btz_practice_ops btz_practice_redteam;

#endif
