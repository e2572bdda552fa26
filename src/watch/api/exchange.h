/* One request on its way to an answer: what the files of this folder hand to each other. */
#ifndef BTZ_WATCH_EXCHANGE_H
#define BTZ_WATCH_EXCHANGE_H

#include "watch/api/api.h"

#define BTZ_API_FILES_MAX 256
#define BTZ_API_ETAG      36 /* with quotes and NUL */

struct btz_api {
    struct btz_api_options o;
    char *origin, *authority; /* "https://host:port", "host:port" */
    bool https, hsts;
    struct btz_api_router *router;
    char etags[BTZ_API_FILES_MAX][BTZ_API_ETAG]; /* of the files */
    struct btz_buf openapi;                      /* the document */
};

struct btz_api_exchange {
    const struct btz_api *api;
    const struct btz_api_request *request;
    struct btz_arena *arena;
    struct btz_api_answer *answer; /* status 0: none yet */
    struct btz_api_target target;
    struct btz_caller caller;
    bool by_cookie;
};

/* ---- callers.c ---- */
/* Headers that must not come twice, hosts and origins. May answer. */
BTZ_CHECKED enum btz_err btz_api_check_headers(struct btz_api_exchange *x);
BTZ_CHECKED enum btz_err btz_api_check_host(struct btz_api_exchange *x, bool page);
/* Fills x->caller. `is_public`: nobody need be known, and what is sent of credentials is not looked at. May answer. */
BTZ_CHECKED enum btz_err btz_api_identify(struct btz_api_exchange *x, bool is_public);
/* A refusal before any operation was called, for the trail. `reason` is static. */
BTZ_CHECKED enum btz_err btz_api_note_refusal(struct btz_api_exchange *x, const char *reason);
/* The value of a cookie; NULL when absent. *twice when it came more than once. */
BTZ_CHECKED enum btz_err btz_api_cookie(const struct btz_api_request *r, const char *name,
                                        struct btz_arena *arena, const char **out, bool *twice);

/* ---- operate.c ---- */
BTZ_CHECKED enum btz_err btz_api_operate(struct btz_api_exchange *x,
                                         const struct btz_api_match *match);
/* Runs an operation for this caller. The call is released by btz_api_call_end. */
enum btz_err btz_api_call(struct btz_api_exchange *x, const struct btz_operation *op,
                          const json_t *in, const char *if_match, struct btz_call *call);
void btz_api_call_end(struct btz_api_exchange *x, struct btz_call *call);
/* The status of an error, with its problem written. */
BTZ_CHECKED enum btz_err btz_api_answer_error(struct btz_api_exchange *x,
                                              const struct btz_call *call, enum btz_err err);
/* Is the body JSON by its Content-Type? `scim`: application/scim+json too. */
bool btz_api_is_json(const struct btz_api_request *r, bool scim);

/* ---- idempotency.c ---- */
struct btz_api_once {
    bool on;
    uint8_t key[BTZ_SHA256_LEN], print[BTZ_SHA256_LEN];
};
BTZ_CHECKED enum btz_err btz_api_once_migrate(struct btz_store *s);
/* Takes the key of the request, or answers (kept answer, 409, 422). */
BTZ_CHECKED enum btz_err btz_api_once_begin(struct btz_api_exchange *x, struct btz_api_once *once);
/* Keeps the answer, sealed, or gives the key back when there is nothing worth keeping. `made`: the answer is a problem,
 * but what was asked for has been done and must not be done again. */
BTZ_CHECKED enum btz_err btz_api_once_end(struct btz_api_exchange *x,
                                          const struct btz_api_once *once, bool made);
/* Forgets what is older than a day; what was under way in a process that is gone stays refused until then. */
BTZ_CHECKED enum btz_err btz_api_once_tidy(struct btz_store *s, uint64_t now_ms);

/* ---- oidc.c ---- */
/* /v1/oidc/{issuer}/start and /callback. */
BTZ_CHECKED enum btz_err btz_api_oidc(struct btz_api_exchange *x);

/* ---- pages.c ---- */
BTZ_CHECKED enum btz_err btz_api_page(struct btz_api_exchange *x);
/* Headers that every answer has. */
BTZ_CHECKED enum btz_err btz_api_secure(struct btz_api_exchange *x);
/* Does a list of entity tags (If-None-Match) name this one? */
bool btz_api_etag_listed(const char *header, const char *etag);

#endif
