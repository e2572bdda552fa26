/*
 * nginx: carries exchanges (gate.h) through nginx. Knows events, pools and filters; decides nothing itself.
 *
 *   location with `bartizan on` (request.c): head, identity, body, limits, journal -> @btz_UPSTREAM (forward.c)
 *   @btz_UPSTREAM: nginx's own proxy -> filters (response.c) -> client; failed: @btz_next
 */
#ifndef BTZ_GATE_NGINX_MODULE_H
#define BTZ_GATE_NGINX_MODULE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "base/cover.h"
#include "gate/front.h"
#include "gate/gate.h"
#include "gate/throttle.h"

#define BTZ_NGINX_BUFFERED 0x08 /* bit of r->buffered: we hold something that is still to be sent */

enum btz_nginx_role {
    BTZ_NGINX_OFF,
    BTZ_NGINX_ON,   /* `bartizan on`: guarded routes */
    BTZ_NGINX_NEXT, /* `bartizan next`: where failed attempts go */
};
struct btz_nginx_loc {
    ngx_uint_t role;
};
struct btz_nginx_redis;
struct btz_nginx_main { /* one a configuration: read in the master, shared by what it forks */
    ngx_str_t settings, state, origin, identify;
    ngx_str_t upstream, dialect; /* of the quick start */
    struct btz_arena arena;
    struct btz_gate_conf *conf;
    struct btz_guard *guard;
    struct btz_strangers *strangers;
    ngx_thread_pool_t *threads; /* for large bodies */
    uint8_t snapshot_secret[32], pepper[32];
    bool has_secrets;
    ngx_int_t request_id, verified, certificate; /* indexes of variables */
    /* of one worker */
    struct btz_gate *gate;
    struct btz_nginx_redis *redis;
    uint8_t random[2048]; /* for ids of requests: one question to the system for many */
    size_t random_left;
};

enum btz_nginx_stage { BTZ_NGINX_HEAD, BTZ_NGINX_BODY, BTZ_NGINX_FORWARD };
enum btz_nginx_mode {
    BTZ_NGINX_MODE_NONE,   /* no response yet */
    BTZ_NGINX_MODE_OWN,    /* our own answer, or one of nginx: passes */
    BTZ_NGINX_MODE_PASS,   /* as it is, counted */
    BTZ_NGINX_MODE_PIECES, /* guarded as it comes */
    BTZ_NGINX_MODE_WHOLE,  /* collected; headers held */
    BTZ_NGINX_MODE_REFUSED /* the upstream's body is dropped for our answer */
};
struct btz_nginx_identity { /* what the daemon said; in the pool */
    bool answered, charged;
    ngx_str_t principal, method;
    uint32_t mfa_age_s;
};
struct btz_nginx_work { /* what a thread does; in the pool */
    struct btz_exchange *x;
    uint64_t took_ns;
};
struct btz_nginx_socket; /* both ends of a WebSocket; in the pool */

struct btz_nginx_ctx { /* one a request, in its pool */
    ngx_http_request_t *r;
    struct btz_nginx_main *main;
    ngx_uint_t version; /* of HTTP, that the client speaks */
    struct btz_incoming in;
    struct btz_exchange *x;
    enum btz_nginx_stage stage;
    enum btz_nginx_mode mode;
    struct btz_nginx_identity identity;
    ngx_event_t timer, renewal;
    void *redis_call;            /* under way; cleared when the request is gone */
    struct btz_nginx_work *work; /* NULL until there is a large body */
    void *body_map;
    size_t body_map_len;
    struct btz_cover *body_cover;
    /* forward */
    struct btz_forward forward;
    ngx_str_t uri, accept, content_type;
    unsigned attempt;
    bool forwarded, attempt_told;
    /* response */
    struct btz_buf sending, pending, whole;
    ngx_buf_t *sending_buf, *held_buf;
    ngx_chain_t sending_chain;
    bool answering; /* a thread has the answer */
    bool headers_sent, last_pending, last_sent, broken, ended, busy, cut, upstream_failed,
        cross_origin, keepalive;
    struct btz_nginx_socket *socket;
    /* facts */
    uint64_t began_ns, own_ns, first_ns, request_bytes, response_bytes;
};

extern ngx_module_t ngx_http_bartizan_module;

/* module.c: our context of a request, also after an internal jump cleared it; NULL: none. */
struct btz_nginx_ctx *btz_nginx_ctx(ngx_http_request_t *r);
struct btz_nginx_ctx *btz_nginx_ctx_new(ngx_http_request_t *r, struct btz_nginx_main *main);
/* Settles, counts, writes down; once, whoever is first. */
void btz_nginx_end(struct btz_nginx_ctx *c, enum btz_end how, unsigned status);
ngx_str_t btz_nginx_variable(ngx_http_request_t *r, ngx_int_t index);
/* Is that its name, in whatever case? A star at the end of the name stands for the rest. */
bool btz_nginx_header_is(const ngx_table_elt_t *h, const char *name);
/* The first of that name that was not taken out; NULL: none. */
ngx_table_elt_t *btz_nginx_header(ngx_list_t *headers, const char *name);
ngx_int_t btz_nginx_add_header(ngx_http_request_t *r, const char *name, ngx_str_t value);
static inline struct btz_slice btz_nginx_slice(ngx_str_t s)
{
    return btz_slice_of(s.data, s.len);
}
ngx_str_t btz_nginx_str(ngx_pool_t *pool, struct btz_slice s); /* copy; len 0 without memory */

/* request.c */
ngx_int_t btz_nginx_handler(ngx_http_request_t *r);
/* Answers with what the exchange says; ends the request. */
void btz_nginx_answer(struct btz_nginx_ctx *c);
/* Refuses for a reason of our own, and answers. */
void btz_nginx_fail(struct btz_nginx_ctx *c, unsigned status, const char *code,
                    const char *message);
void btz_nginx_step(struct btz_nginx_ctx *c, enum btz_step step);

/* work.c: large bodies, in a thread; then btz_exchange_worked(). */
void btz_nginx_work(struct btz_nginx_ctx *c);
/* False: no thread takes it. When it is done r->write_event_handler is called, for an answer nginx's writer, which comes to
 * the body filter. */
bool btz_nginx_post_work(struct btz_nginx_ctx *c);

/* forward.c */
ngx_int_t btz_nginx_add_variables(ngx_conf_t *cf);
void btz_nginx_forward(struct btz_nginx_ctx *c);
ngx_int_t btz_nginx_next_handler(ngx_http_request_t *r);

/* response.c */
ngx_int_t btz_nginx_filters(ngx_conf_t *cf);
/* Sets status and headers of an answer of ours in r->headers_out. */
ngx_int_t btz_nginx_answer_headers(struct btz_nginx_ctx *c, const struct btz_answer *a);
ngx_int_t btz_nginx_own_headers(struct btz_nginx_ctx *c);

/* identify.c: asks the daemon, through an internal location; then btz_exchange_identified(). */
ngx_int_t btz_nginx_identify(struct btz_nginx_ctx *c);

/* origin.c: browsers. True: it was answered. The question of one of our own pages needs no exchange. */
bool btz_nginx_preflight(struct btz_nginx_ctx *c);
bool btz_nginx_origin(struct btz_nginx_ctx *c);
ngx_int_t btz_nginx_origin_headers(struct btz_nginx_ctx *c);

/* throttle.c: counts one more of the client's address. True: there were too many within this second. */
bool btz_nginx_throttled(struct btz_nginx_ctx *c);
void btz_nginx_throttle_undo(struct btz_nginx_ctx *c); /* it was somebody */

/* refusals.c: what nginx calls when a request is over. */
ngx_int_t btz_nginx_log(ngx_http_request_t *r);

/* websocket.c: stands between both ends from here on. */
ngx_int_t btz_nginx_websocket(struct btz_nginx_ctx *c);

/* redis.c */
struct btz_nginx_redis *btz_nginx_redis_new(const char *address, ngx_log_t *log);
void btz_nginx_redis_free(struct btz_nginx_redis *r);
/* Sends a command; `done` is called later, or at once when it cannot be sent. NULL done: nobody waits. */
typedef void btz_nginx_redis_done(void *user, bool reached, struct btz_slice answer);
void *btz_nginx_redis_send(struct btz_nginx_redis *r, const struct btz_redis_command *command,
                           btz_nginx_redis_done *done, void *user);
void btz_nginx_redis_forget(void *call); /* the asker is gone */

#endif
