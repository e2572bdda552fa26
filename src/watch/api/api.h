/*
 * api: the table of operations over HTTP. One function turns a request into an answer and knows no socket; the server
 * (server.c) carries bytes between it and Unix sockets.
 *
 *   target parsed -> route -> host and origin -> caller -> body -> btz_access_call() -> answer
 */
#ifndef BTZ_WATCH_API_H
#define BTZ_WATCH_API_H

#include "access/access.h"
#include "base/json.h"
#include "watch/web/web.h"

#define BTZ_API_BODY_MAX   ((size_t)1 << 20)
#define BTZ_API_ANSWER_MAX ((size_t)16 << 20)
#define BTZ_API_TARGET_MAX 8192
#define BTZ_API_SEGMENTS   12
#define BTZ_API_PAIRS      64
#define BTZ_API_HEADERS    24
#define BTZ_API_COOKIE     "__Host-bartizan"
#define BTZ_API_VAULT      "/.vault/" /* where the front serves the files of the vault to itself */

struct btz_api_pair {
    const char *name, *value;
};

/* ---- request targets (target.c): RFC 9112 s.3.2.1, RFC 3986 ------------------------------------------------------ */

struct btz_api_target {
    const char *path; /* as sent, without the query */
    const char
        *segments[BTZ_API_SEGMENTS]; /* decoded; "" where two slashes meet, or behind the last */
    size_t segment_count;
    struct btz_api_pair query[BTZ_API_PAIRS]; /* decoded, in order */
    size_t query_count;
};
/* Everything is copied into the arena. Errors: INPUT (not origin-form, bad percent-encoding, dot segments, NUL, not
 * UTF-8), LIMIT. */
BTZ_CHECKED enum btz_err btz_api_target_parse(struct btz_slice text, struct btz_arena *arena,
                                              struct btz_api_target *out);
/* Percent-encodes all but unreserved characters. */
BTZ_CHECKED enum btz_err btz_api_encode(struct btz_slice text, struct btz_buf *out);

/* ---- routes (router.c) ------------------------------------------------------------------------------------------- */

enum btz_api_route { BTZ_API_ROUTE_NONE, BTZ_API_ROUTE_METHOD, BTZ_API_ROUTE_FOUND };
struct btz_api_match {
    const struct btz_operation *op;
    struct btz_api_pair params[BTZ_API_SEGMENTS]; /* names and values of "{...}" */
    size_t param_count;
    char allow[64]; /* methods of this path: "GET, HEAD, POST" */
};
struct btz_api_router;
/* `operations` is NULL-terminated and outlives the router; those without a path are left out. Errors: INTERNAL (two
 * operations at one place, a template that is none), LIMIT. */
BTZ_CHECKED enum btz_err btz_api_router_new(const struct btz_operation *const *operations,
                                            struct btz_api_router **out);
void btz_api_router_free(struct btz_api_router *r);
/* Words win over parameters. HEAD is GET. */
enum btz_api_route btz_api_router_find(const struct btz_api_router *r, const char *method,
                                       const struct btz_api_target *target,
                                       struct btz_api_match *out);

/* ---- requests and answers (answer.c) ----------------------------------------------------------------------------- */

struct btz_api_request {
    const char *method;
    struct btz_slice target;
    const struct btz_api_pair *headers;
    size_t header_count;
    struct btz_slice body;
    bool local;            /* came by the local socket */
    const char *unix_name; /* who is at its other end; NULL: not the owner of the state */
};
struct btz_api_answer {
    unsigned status;
    const char *media_type;                       /* NULL: no body */
    struct btz_buf buf;                           /* the body, unless `bytes` is set */
    struct btz_slice bytes;                       /* static */
    struct btz_api_pair headers[BTZ_API_HEADERS]; /* values in the arena or static */
    size_t header_count;
    bool no_body; /* HEAD, 304: headers only */
};
/* Value of a header that may come once only; NULL when absent. *twice is set when it came more often. */
const char *btz_api_header(const struct btz_api_request *r, const char *name, bool *twice);
/* `value` is copied. */
BTZ_CHECKED enum btz_err btz_api_add_header(struct btz_api_answer *a, struct btz_arena *arena,
                                            const char *name, const char *value);
struct btz_api_problem {
    unsigned status;
    const char *type;   /* last part of the URN: "denied" */
    const char *title;  /* the same for the same type */
    const char *detail; /* of this time; NULL: none */
    const char *needs;  /* "step-up" */
    unsigned retry_after_s;
};
/* RFC 9457. Replaces whatever body the answer has. */
BTZ_CHECKED enum btz_err btz_api_problem(struct btz_api_answer *a, struct btz_arena *arena,
                                         const struct btz_api_problem *p);
/* The usual problem of a status, with `detail`. */
BTZ_CHECKED enum btz_err btz_api_refuse(struct btz_api_answer *a, struct btz_arena *arena,
                                        unsigned status, const char *detail);
BTZ_CHECKED enum btz_err btz_api_json(struct btz_api_answer *a, unsigned status,
                                      const json_t *value);

/* ---- what stands behind it (backend.c; tests bring their own) ----------------------------------------------------- */

struct btz_api_backend {
    struct btz_access *access;
    enum btz_err (*call)(struct btz_call *call); /* btz_access_call */
    void (*release)(struct btz_call *call);
    bool (*was_not_found)(const struct btz_call *call);
    enum btz_err (*session)(struct btz_access *a, struct btz_slice token, struct btz_caller *io);
    enum btz_err (*key)(struct btz_access *a, struct btz_slice key, struct btz_caller *io);
    enum btz_err (*token)(struct btz_access *a, struct btz_slice jwt, struct btz_caller *io);
    enum btz_err (*cert)(struct btz_access *a, struct btz_slice pem, struct btz_caller *io);
    enum btz_err (*own_cert)(struct btz_access *a, struct btz_slice pem, struct btz_caller *io);
    enum btz_err (*local)(struct btz_access *a, const char *unix_name, struct btz_caller *out);
    enum btz_err (*note)(struct btz_access *a, const struct btz_caller *caller,
                         const struct btz_trail_entry *e);
    json_t *(*schema)(const char *name);
    enum btz_err (*store)(struct btz_access *a, struct btz_store **out);
    void (*store_back)(struct btz_access *a, struct btz_store *s);
    const struct btz_seal *seal;
    unsigned (*waits)(const struct btz_access *a); /* NULL: nobody waits for long */
    uint64_t (*now_ms)(const struct btz_access *a);
    enum btz_err (*address)(const char *text, struct btz_address *out);
};

void btz_api_backend_init(struct btz_access *access, struct btz_api_backend *out);

/* ---- the whole (api.c) --------------------------------------------------------------------------------------------- */

struct btz_api_options {
    const struct btz_api_backend *backend;
    const struct btz_operation *const *operations; /* NULL-terminated */
    const struct btz_web_file *files;              /* ends with a NULL path */
    const char *origin;                            /* "https://localhost:8443" */
    struct btz_log *log;
};
struct btz_api;
BTZ_CHECKED enum btz_err btz_api_new(const struct btz_api_options *o, struct btz_api **out);
void btz_api_free(struct btz_api *api);
/* Always leaves an answer, if only 500. Thread-safe. `out` is zeroed by the call; release it. */
void btz_api_answer(const struct btz_api *api, const struct btz_api_request *request,
                    struct btz_arena *arena, struct btz_api_answer *out);
void btz_api_answer_release(struct btz_api_answer *a);

/* ---- OpenAPI 3.1 (openapi.c) --------------------------------------------------------------------------------------- */

/* The document of a table; `schema` gives the schemas of answers. Caller owns *out. */
BTZ_CHECKED enum btz_err btz_openapi(const struct btz_operation *const *operations,
                                     json_t *(*schema)(const char *name), json_t **out);

/* ---- the server (server.c) ----------------------------------------------------------------------------------------- */

struct btz_api_server_options {
    const struct btz_api *api;
    const char *socket, *local_socket; /* paths; a stale socket is replaced. local may be NULL */
    unsigned connections;              /* of each socket, 0: 512 */
    unsigned workers;                  /* 0: 8 more than callers may wait (btz_access_waits) */
    unsigned local_workers;            /* of the local socket alone, 0: 2 */
    unsigned queue; /* requests that wait for a worker, at each socket, 0: 256; others get 503 */
    unsigned timeout_s; /* silence of a connection, 0: 15 */
    struct btz_log *log;
};
struct btz_api_server;
BTZ_CHECKED enum btz_err btz_api_server_start(const struct btz_api_server_options *o,
                                              struct btz_api_server **out);
/* Finishes what is at hand and removes the sockets. */
void btz_api_server_stop(struct btz_api_server *s);

#endif
