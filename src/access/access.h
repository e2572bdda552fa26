/*
 * access: identities, roles and decisions of one installation. Everything that can be asked or changed is an
 * *operation*: one descriptor that gives the REST route, its OpenAPI text, the command of the command line, the
 * permission it needs and the code that does it. There is one way through all of them, btz_access_call():
 *
 *   fields checked -> caller known -> permission decided -> second factor fresh -> second pair of eyes -> transaction
 *   { what the operation does, its trail entry } -> ledger -> snapshot published
 *
 * Nothing here knows HTTP or a terminal. A handle is used from several threads.
 */
#ifndef BTZ_ACCESS_H
#define BTZ_ACCESS_H

#include "access/policy.h"
#include "access/trail.h"
#include "base/conf.h"

/* ---- settings: section `access:` of bartizan.yaml (settings.c) ------------------------------------------------- */

struct btz_issuer_conf; /* OIDC and JWT issuers: oidc.h */
struct btz_access_conf {
    const char *store; /* path or URL; empty: <state>/access/access.db */
    const char *
        seal_key; /* 64 hex digits, from the environment; empty: the file <state>/access/seal.key */
    const char *breached;    /* breached-password list, empty: none */
    const char *origin;      /* "https://bartizan.example.com": cookies, WebAuthn, redirects */
    const char *issuer_name; /* shown by authenticator apps, "bartizan" */
    struct btz_conf_list issuers;
    struct btz_conf_list four_eyes; /* actions that need a second person */
    bool
        mfa_required; /* for people who hold an administrative action: always; true: for everybody */
    int64_t session_idle_ms, session_absolute_ms, step_up_ms, approval_ms, elevation_max_ms,
        break_glass_ms;
    int64_t enrolment_ms; /* life of an enrolment link */
    int64_t concurrent_hashes;
    int64_t key_max_age_ms, dormant_ms;       /* of the review */
    int64_t retain_ms;                        /* content of trail entries; 0: for good */
    const char *auditor_key;                  /* base64 X25519, empty: none */
    struct btz_conf_list forward;             /* struct btz_forward_conf of export.h */
    int64_t artifact_max, artifact_read_rate; /* bytes; bytes a second of the vault's verifier */
};
extern const struct btz_conf_struct btz_access_conf_struct;

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* Fetches for issuers: given by the daemon, so that this folder knows no HTTP. */
struct btz_fetch {
    /* GET when `form` is empty, else POST of application/x-www-form-urlencoded. https only. At most 1 MiB. */
    enum btz_err (*get)(void *user, const char *url, struct btz_slice form, struct btz_buf *out);
    void *user;
};

struct btz_access_options {
    const char *state_dir;
    const struct btz_access_conf *conf;
    const struct btz_fetch *fetch;  /* NULL: issuers cannot be asked */
    uint64_t (*now_ms)(void *user); /* NULL: the clock */
    void *clock_user;
    struct btz_log *log;
};

struct btz_access;
/* Opens store, keys, trail; migrates; completes what a killed process left; publishes a snapshot when there is none.
 * Files: <state>/access/{access.db,seal.key,snapshot,generation}, <state>/ledger. */
BTZ_CHECKED enum btz_err btz_access_open(const struct btz_access_options *o,
                                         struct btz_access **out);
void btz_access_close(struct btz_access *a);

/* ---- callers -------------------------------------------------------------------------------------------------------- */

enum btz_caller_kind {
    BTZ_CALLER_NOBODY,
    BTZ_CALLER_LOCAL, /* the command line of whoever owns the state folder: principal "local:<unix name>"; may do
                         * everything but approve what he asked for himself */
    BTZ_CALLER_SESSION, /* a person who signed in */
    BTZ_CALLER_KEY,     /* an API key */
    BTZ_CALLER_TOKEN,   /* a JWT of a configured issuer */
    BTZ_CALLER_CERT     /* a client certificate */
};
struct btz_caller {
    enum btz_caller_kind kind;
    char principal[64], name[128], session[BTZ_ID_TEXT], key[BTZ_ID_TEXT], method[64];
    uint64_t second_factor_ms; /* when it was last shown, 0: never */
    struct btz_address address;
    const char *address_text, *user_agent, *request;
    bool client_cert;
    bool enrolling; /* a session that may only add a second factor: BTZ_ENROLLING alone */
    uint8_t key_hash[BTZ_SHA256_LEN]; /* of BTZ_CALLER_KEY */
};
/* Who is asking? From what a request carries; each *out is complete or the caller is told why not. DENIED: refused (and
 * in the trail); the detail never says which part was wrong. */
BTZ_CHECKED enum btz_err btz_caller_local(struct btz_access *a, const char *unix_name,
                                          struct btz_caller *out);
BTZ_CHECKED enum btz_err btz_caller_session(struct btz_access *a, struct btz_slice token,
                                            struct btz_caller *io);
BTZ_CHECKED enum btz_err btz_caller_key(struct btz_access *a, struct btz_slice key,
                                        struct btz_caller *io);
BTZ_CHECKED enum btz_err btz_caller_token(struct btz_access *a, struct btz_slice jwt,
                                          struct btz_caller *io);
BTZ_CHECKED enum btz_err btz_caller_cert(struct btz_access *a, struct btz_slice pem,
                                         struct btz_caller *io);
/* A caller who is known by another proof came over a connection with this certificate: sets io->client_cert when it is
 * registered as his own and valid today. That of somebody else, or of nobody, says nothing about him. */
BTZ_CHECKED enum btz_err btz_caller_own_cert(struct btz_access *a, struct btz_slice pem,
                                             struct btz_caller *io);

/* ---- operations ------------------------------------------------------------------------------------------------------ */

enum btz_field_kind {
    BTZ_FIELD_TEXT,
    BTZ_FIELD_SECRET /* never echoed or logged; on the command line read from a prompt or file */,
    BTZ_FIELD_INT,
    BTZ_FIELD_BOOL,
    BTZ_FIELD_TIME /* RFC 3339 */,
    BTZ_FIELD_DURATION /* "7d" */,
    BTZ_FIELD_TEXTS /* array of text */,
    BTZ_FIELD_OBJECT /* JSON as it is */,
    BTZ_FIELD_FILE /* text; on the command line the
                                                                    * name of a file */
};
enum btz_field_place { BTZ_IN_PATH, BTZ_IN_QUERY, BTZ_IN_BODY };
/* What a text names. Permissions are asked for, and changes are made, for one and the same thing: admission finds it
 * once, by its id or else its name in any spelling, and puts its id in place of the text. */
enum btz_field_names {
    BTZ_NAMES_NOTHING,
    BTZ_NAMES_NEW, /* what something is or will be called: in lower case, as it is kept */
    BTZ_NAMES_PRINCIPAL,
    BTZ_NAMES_GROUP,
    BTZ_NAMES_BINDING /* its resource is the role */
};
struct btz_field {
    const char *name; /* snake_case in JSON; the command line writes "-" for "_" */
    enum btz_field_kind kind;
    enum btz_field_place place; /* path fields are operands on the command line, in order */
    bool required, operand;     /* operand: body field that is an operand too */
    const char *help;
    size_t max; /* bytes of text, items of texts; 0: 256 bytes, 100 items */
    int64_t min_int, max_int;
    const char *const *choices;
    enum btz_field_names names;
};

enum btz_operation_needs {
    BTZ_NEEDS_PERMISSION = 1, /* `action` on `resource`, by the policy */
    BTZ_NEEDS_CALLER = 2,     /* anybody who is known: own account */
    BTZ_NEEDS_SESSION = 4,    /* a signed-in person, no key */
    BTZ_NEEDS_STEP_UP =
        8, /* second factor within step_up_ms; keys: the scope must name the action */
    BTZ_NEEDS_LOCAL = 16, /* the state's owner only: not on the network */
    BTZ_PUBLIC = 32,      /* nobody need be known: sign-in */
    BTZ_ENROLLING = 64    /* also for a session that may only add a second factor */
};

struct btz_call;
struct btz_operation {
    const char *id;            /* "user.create": operationId, `operation` of the trail */
    const char *method, *path; /* "POST", "/v1/users/{user}"; path NULL: not on the network */
    const char *command; /* "user add": `bartizan access user add`; NULL: not on the command line */
    const char *summary, *details;
    const char *tag;      /* "users": group in OpenAPI */
    const char *action;   /* "user.write"; NULL where no permission is asked for */
    const char *resource; /* "user/{user}": fields are put in; NULL: all of the kind */
    /* "user/{name}": where the field is given, the action is asked for on that as well */
    const char *renamed;
    /* What only a stored request runs: the operation that whoever asked must still be allowed */
    const char *asked_by;
    unsigned needs;
    /* For four eyes it counts as this action too ("role.bind") where also_if() says so: what it does comes to the same.
     * Asked before it runs, and again inside its transaction. NULL: as nothing else. */
    const char *also;
    enum btz_err (*also_if)(struct btz_call *c, bool *out);
    const struct btz_field *fields;
    size_t field_count;
    const char *
        result; /* name of the schema of the answer (schemas.c): "user", "user-list"; NULL: empty */
    const char *
        columns; /* of its items, where a list is printed as a table: names with blanks between; NULL: all */
    bool created; /* answers 201 */
    const char
        *raw; /* member of the answer that front ends deliver as it is (an export), with the member
                      * "media_type" as its type; NULL: the JSON object */
    const char
        *file; /* member of the answer that names a file of the vault: the front sends that */
    /* Of its trail entry. NULL: "change" for methods other than GET, none for GET. "": none. */
    const char *event;
    /* Slow, outside any transaction (password hashing, fetching); may be NULL. c->store may be used, also for a
     * transaction of its own that is over when prepare() returns. */
    enum btz_err (*prepare)(struct btz_call *c);
    /* Inside the transaction (a reading one for GET). Sets c->out. */
    enum btz_err (*run)(struct btz_call *c);
};
extern const struct btz_operation
    *const btz_operations[]; /* NULL-terminated, from the families' lists */
const struct btz_operation *btz_operation_find(const char *id);

/* One run of an operation. */
struct btz_call {
    struct btz_access *access;
    const struct btz_operation *op;
    struct btz_caller *caller;
    struct btz_store *store; /* of this call, inside its transaction during run() */
    struct btz_arena *arena;
    uint64_t now_ms;
    json_t *in;            /* object: fields, checked, defaults absent */
    const char *if_match;  /* ETag the caller saw, NULL: none */
    const char *body_file; /* where the front left a large body; NULL: none */
    void *prepared;        /* from prepare() to run() */
    /* Set by run() */
    json_t *out;   /* object, owned by the call; lists are {"items":[...],"next":"cursor"} */
    char etag[72]; /* "" none */
    json_t *before, *after; /* for the trail; owned by the call */
    const char *target;     /* resource for the trail where it is made in run() ("user/usr_...") */
    bool policy_changed;    /* a new snapshot is due */
    bool
        keep; /* with an error: what run() wrote is committed all the same (a wrong code counts against its
                * account), and the trail entry says that it was refused */
    char set_session[BTZ_TOKEN_TEXT]; /* a session token to hand out (cookie), "" none */
    bool end_session;                 /* the cookie goes */
    struct btz_trail_entry
        note; /* what the handler wants to say otherwise: reason, verdict, event, principal */
    /* Set by btz_access_call on refusal */
    bool needs_step_up;
    bool stale;             /* CONFLICT because of if_match: 412 */
    unsigned retry_after_s; /* with LIMIT: locked out for that long, 429; 0: busy, 503 */
    char approval
        [BTZ_ID_TEXT]; /* pending: the operation waits for a second person; out holds the approval */
    struct btz_call_state *state; /* of call.c */
};

/*
 * The one way. `in` is an object of the fields (borrowed). `call` must be zeroed with access, op, caller, arena, in and
 * if_match set; release it in any case. Errors: USAGE (a field: names it), DENIED (permission, second factor: see
 * needs_step_up), CONFLICT (if_match, a name taken, a state that forbids it), INPUT (no such thing: detail "no such ..."),
 * LIMIT (too many at a time, locked out), IO (disk), and 202 in the form of OK with `approval` set.
 */
BTZ_CHECKED enum btz_err btz_access_call(struct btz_call *call);
void btz_call_release(struct btz_call *call);
/* Fields of a call, checked already: NULL, the fallback or false when absent. */
const char *btz_call_text(const struct btz_call *c, const char *field);
int64_t btz_call_int(const struct btz_call *c, const char *field, int64_t fallback);
bool btz_call_bool(const struct btz_call *c, const char *field, bool fallback);
bool btz_call_has(const struct btz_call *c, const char *field);
/* TIME and DURATION fields in milliseconds. */
uint64_t btz_call_ms(const struct btz_call *c, const char *field, uint64_t fallback);
/* Sets c->etag; CONFLICT when the caller saw another version (if_match). */
BTZ_CHECKED enum btz_err btz_call_version(struct btz_call *c, uint64_t version);
/* Errors of handlers that the caller must tell apart. Each sets the detail. */
enum btz_err btz_call_not_found(const struct btz_call *c, const char *what,
                                const char *name); /* INPUT, 404 */
bool btz_call_was_not_found(const struct btz_call *c);

/* Is this caller allowed? For code that is no operation. Decisions asked for by others are the operation "decide". */
BTZ_CHECKED enum btz_err btz_access_decide(struct btz_access *a, const struct btz_caller *caller,
                                           const char *action, const char *resource,
                                           struct btz_decision *out);
/* Would the policy let that principal do it, were he to show a fresh second factor? Inside run() and prepare(). */
BTZ_CHECKED enum btz_err btz_call_would(struct btz_call *c, const char *principal,
                                        const char *action, const char *resource, bool *out);
/* Would the policy let the caller do this as well, with his key's scopes, from where he is, now? */
BTZ_CHECKED enum btz_err btz_call_may(struct btz_call *c, const char *action, const char *resource,
                                      bool *out);
/* Has the principal (id) a role that changes who may do what, by whatever group, for whatever part of the resources and
 * under whatever condition? */
BTZ_CHECKED enum btz_err btz_call_is_administrative(struct btz_call *c, const char *principal,
                                                    bool *out);
/* Changing an account (id), or giving it a way in, is having it: DENIED where it has an administrative role that the
 * caller may not give. One's own account is left to oneself, signed in; a key does not become its owner. */
BTZ_CHECKED enum btz_err btz_rights_over(struct btz_call *c, const char *principal);
/* Writes an entry of its own transaction: refusals, alarms, sign-ins that failed. */
BTZ_CHECKED enum btz_err btz_access_note(struct btz_access *a, const struct btz_caller *caller,
                                         const struct btz_trail_entry *e);

/* The caller has a hand in how `principal` proves who he is: an invitation, a reset, an account of an issuer, a
 * certificate. For a week neither approves what the other asks for. Inside run(). */
BTZ_CHECKED enum btz_err btz_call_touched(struct btz_call *c, const char *principal);

/* A person or service by id or name; of one kind, or either. Not found: btz_call_not_found. Inside run() and prepare(). */
struct btz_principal {
    const char *id, *name, *display_name, *email, *external_id; /* in the arena; NULL: none */
    enum btz_principal_kind kind;
    bool disabled;
    uint64_t created_ms, updated_ms, version;
};
BTZ_CHECKED enum btz_err btz_principal_find(struct btz_call *c, const char *id_or_name,
                                            struct btz_principal *out);

/* Names of people, groups, policies: lower-cased. USAGE: cannot be one, looks like an id, or stands for whoever asks. */
BTZ_CHECKED enum btz_err btz_name_check(const char *what, const char *text, struct btz_arena *arena,
                                        char **out);

/* The model of the whole installation, in the arena: for snapshots, explain, review. */
BTZ_CHECKED enum btz_err btz_access_model(struct btz_access *a, struct btz_store *s,
                                          struct btz_arena *arena, struct btz_policy_model *out);
/* Is there somebody who can manage people, roles and policies? */
BTZ_CHECKED enum btz_err btz_access_has_administrator(struct btz_access *a, bool *out);
/* Compiles and publishes. */
BTZ_CHECKED enum btz_err btz_access_publish(struct btz_access *a, struct btz_store *s);

/* ---- tables: each part of this folder brings its own. "signin" in the list `parts` of meson.build is
 * btz_access_part_signin ------------------------------------------------------------------------------------------ */
struct btz_schema {
    const char *name,
        *text; /* JSON Schema 2020-12; another one is {"$ref":"#/components/schemas/NAME"} */
};
/* A column of sealed secrets: rows are told apart by `key`, and sealed about `before` + key + `after`. */
struct btz_sealed_column {
    const char *table, *column, *key, *before, *after;
};
struct btz_access_part {
    const char *name; /* of its migrations */
    const struct btz_migration *migrations;
    size_t migration_count;
    /* Deletes rows that are out of date (ended sessions, used tickets); may be NULL. Called now and then, in a
     * transaction. */
    enum btz_err (*tidy)(struct btz_access *a, struct btz_store *s);
    /* The clock was set back from `high_ms` to `now_ms`: what had ended by then ends for good; may be NULL. In the
     * transaction that notices it. */
    enum btz_err (*set_back)(struct btz_store *s, uint64_t now_ms, uint64_t high_ms);
    /* Deletes what belongs to a principal that is being deleted; may be NULL. Inside its transaction. */
    enum btz_err (*forget)(struct btz_store *s, const char *principal);
    const struct btz_schema *schemas; /* of answers; the last has no name; may be NULL */
    const struct btz_sealed_column
        *sealed; /* for seal.rotate; the last has no table; may be NULL */
    /* Statements behind a restore: what must not come to life again; NULL-terminated; may be NULL. */
    const char *const *after_restore;
};
extern const struct btz_access_part *const btz_access_parts[]; /* NULL-terminated */
extern const struct btz_access_part btz_access_part_api;       /* of watch/api/idempotency.c */

/* Deletes what is out of date in all parts; in a transaction of its own. For the daemon. */
BTZ_CHECKED enum btz_err btz_access_tidy(struct btz_access *a, struct btz_store *s);

/* Looks at the clock before anything is judged by it, outside transactions: keeps the latest time, and where the clock
 * was set back, ends for good what had ended. Where that cannot be written, the latest time is what counts. */
BTZ_CHECKED enum btz_err btz_access_clock(struct btz_access *a, struct btz_store *s);

/* For the folder's own files and the daemon. A store handle of the pool: give it back. */
BTZ_CHECKED enum btz_err btz_access_store(struct btz_access *a, struct btz_store **out);
void btz_access_store_back(struct btz_access *a, struct btz_store *s);
/* A key (or a principal) was used now: what `last_used` says, to the hour. Writing it may come later, by anybody; what cannot
 * be written is logged. */
void btz_used_note(struct btz_access *a, const char *id, bool is_key);
void btz_used_write(struct btz_access *a, struct btz_store *s);
struct btz_trail *btz_access_trail(struct btz_access *a);
const struct btz_access_conf *btz_access_settings(const struct btz_access *a);
const struct btz_seal *btz_access_seal(const struct btz_access *a);
struct btz_hasher *btz_access_hasher(struct btz_access *a);
/* How many callers may wait in here at a time for something slow (passwords, issuers), each holding a thread: a front end
 * needs more threads than that. */
unsigned btz_access_waits(const struct btz_access *a);
const char *btz_access_snapshot_path(const struct btz_access *a);
const struct btz_fetch *btz_access_fetch(const struct btz_access *a);
uint64_t btz_access_now_ms(const struct btz_access *a);
/* What only who serves an installation knows: the operations metrics.show, traffic.show, traffic.calls, and readiness.
 * Set before anybody is served, outlives `a`. */
struct btz_access_live {
    void *user;
    enum btz_err (*metrics)(void *user, struct btz_buf *out);
    enum btz_err (*traffic)(void *user, json_t **out);
    enum btz_err (*calls)(void *user, json_t **out);
    /* What of it works, by name: {"ledger": true, ...}; *ready when all does. */
    enum btz_err (*ready)(void *user, bool *ready, json_t **out);
};
void btz_access_set_live(struct btz_access *a, const struct btz_access_live *live);
const struct btz_access_live *btz_access_get_live(const struct btz_access *a);
struct btz_federation; /* btz_federation_open() of oidc.h: opened and closed with `a` */
struct btz_federation *btz_access_federation(struct btz_access *a);

/* Schemas of answers by name, from all parts; NULL when there is none. Caller owns. */
json_t *btz_access_schema(const char *name);
const char *btz_access_schema_name(size_t i); /* NULL behind the last */

#endif
