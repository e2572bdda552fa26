/* The guarded location: from the head of a request to its place upstream, or to an answer of ours. */
#include "gate/nginx/module.h"

#include <sys/mman.h>

#include "gate/exchange.h"

#define ID_BYTES 16

static void on_body(ngx_http_request_t *r);

/* ---- what the exchange is told -------------------------------------------------------------------------------------- */

struct named {
    const char *name; /* lower case */
    struct btz_slice *to;
};

/* False: a header that says who somebody is came twice, and two readers might take different ones. */
static bool read_headers(ngx_http_request_t *r, struct btz_incoming *in)
{
    const struct named wanted[] = {
        { "authorization", &in->authorization },
        { "x-api-key", &in->x_api_key },
        { "api-key", &in->api_key },
        { "cookie", &in->cookie },
        { "content-type", &in->content_type },
        { "user-agent", &in->user_agent },
        { "origin", &in->origin },
        { "traceparent", &in->traceparent },
        { "mcp-session-id", &in->mcp_session },
    };
    ngx_list_part_t *part = &r->headers_in.headers.part;

    for (; part; part = part->next) {
        ngx_table_elt_t *h = part->elts;

        for (ngx_uint_t i = 0; i < part->nelts; i++)
            for (size_t k = 0; k < BTZ_COUNT(wanted); k++) {
                if (!btz_nginx_header_is(&h[i], wanted[k].name))
                    continue;
                if (wanted[k].to == &in->traceparent && in->traceparent.ptr) {
                    in->traceparent.len = 0; /* of two traces none is continued */
                    continue;
                }
                if (wanted[k].to->ptr)
                    return false;
                *wanted[k].to = btz_nginx_slice(h[i].value);
            }
    }
    return true;
}

static void read_target(ngx_http_request_t *r, struct btz_incoming *in)
{
    struct btz_slice target = btz_nginx_slice(r->unparsed_uri);
    size_t mark = btz_slice_find(target, btz_str("?"), 0);

    in->path = btz_slice_sub(target, 0, mark == SIZE_MAX ? target.len : mark);
    in->query =
        mark == SIZE_MAX ? btz_str("") : btz_slice_sub(target, mark + 1, target.len - mark - 1);
}

static bool wants_upgrade(ngx_http_request_t *r)
{
    static const char websocket[] = "websocket";
    ngx_table_elt_t *upgrade = r->headers_in.upgrade;

    return upgrade && r->http_version == NGX_HTTP_VERSION_11 &&
           upgrade->value.len == sizeof websocket - 1 &&
           ngx_strncasecmp(upgrade->value.data, (u_char *)websocket, sizeof websocket - 1) == 0;
}

/* The value of $request_id, before anybody asks for it: nginx would seed a generator and ask for our pid each time. */
static ngx_str_t request_id(struct btz_nginx_ctx *c)
{
    struct btz_nginx_main *m = c->main;
    ngx_http_variable_value_t *v = &c->r->variables[m->request_id];
    u_char *text;

    if (v->valid) /* not ended by a NUL */
        return btz_nginx_str(c->r->pool, btz_slice_of(v->data, v->len));
    text = ngx_pnalloc(c->r->pool, 2 * ID_BYTES + 1);
    if (!text)
        return (ngx_str_t)ngx_null_string;
    if (m->random_left < ID_BYTES) {
        btz_random_bytes(m->random, sizeof m->random);
        m->random_left = sizeof m->random;
    }
    m->random_left -= ID_BYTES;
    *ngx_hex_dump(text, m->random + m->random_left, ID_BYTES) = '\0';
    *v = (ngx_http_variable_value_t){ .len = 2 * ID_BYTES, .valid = 1, .data = text };
    return (ngx_str_t){ v->len, v->data };
}

static bool read_head(struct btz_nginx_ctx *c, bool *twice)
{
    ngx_http_request_t *r = c->r;
    struct btz_incoming *in = &c->in;
    ngx_str_t verified = btz_nginx_variable(r, c->main->verified);

    in->request_id = (const char *)request_id(c).data;
    in->method = btz_nginx_slice(r->method_name);
    read_target(r, in);
    in->address_text =
        (const char *)btz_nginx_str(r->pool, btz_nginx_slice(r->connection->addr_text)).data;
    if (verified.len == 7 && ngx_memcmp(verified.data, "SUCCESS", 7) == 0)
        in->client_cert = btz_nginx_slice(btz_nginx_variable(r, c->main->certificate));
    in->upgrade = wants_upgrade(r);
    in->content_length = r->headers_in.content_length_n;
    *twice = !read_headers(r, in);
    return in->request_id && in->address_text;
}

/* ---- the body ------------------------------------------------------------------------------------------------------- */

/* Bodies too large for memory lie in a file: all of it is read, not only what happens to be in memory. */
static bool map_body(struct btz_nginx_ctx *c, ngx_buf_t *b, struct btz_slice *out)
{
    size_t len = (size_t)(b->file_last - b->file_pos);
    void *map;

    if (b->file_pos != 0 || len == 0)
        return false;
    map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, b->file->fd, 0);
    if (map == MAP_FAILED)
        return false;
    c->body_map = map;
    c->body_map_len = len;
    if (btz_cover(map, len, &c->body_cover) != BTZ_OK)
        c->body_cover = NULL; /* too many at once: as before, it must not be cut */
    *out = btz_slice_of(map, len);
    return true;
}

static bool join_body(struct btz_nginx_ctx *c, ngx_chain_t *bufs, struct btz_slice *out)
{
    size_t len = 0;
    u_char *all, *at;

    for (ngx_chain_t *one = bufs; one; one = one->next) {
        if (one->buf->in_file && !ngx_buf_in_memory(one->buf))
            return false;
        len += (size_t)(one->buf->last - one->buf->pos);
    }
    all = at = ngx_pnalloc(c->r->pool, len + 1);
    if (!all)
        return false;
    for (ngx_chain_t *one = bufs; one; one = one->next)
        at = ngx_cpymem(at, one->buf->pos, one->buf->last - one->buf->pos);
    *out = btz_slice_of(all, len);
    return true;
}

static bool take_body(struct btz_nginx_ctx *c, struct btz_slice *out)
{
    ngx_chain_t *bufs = c->r->request_body ? c->r->request_body->bufs : NULL;

    *out = btz_str("");
    if (!bufs)
        return true;
    if (bufs->next)
        return join_body(c, bufs, out);
    if (bufs->buf->in_file && !ngx_buf_in_memory(bufs->buf))
        return map_body(c, bufs->buf, out);
    *out = btz_slice_of(bufs->buf->pos, (size_t)(bufs->buf->last - bufs->buf->pos));
    return true;
}

static void on_body(ngx_http_request_t *r)
{
    struct btz_nginx_ctx *c = btz_nginx_ctx(r);
    uint64_t begun = btz_clock_ns();
    struct btz_slice body;
    enum btz_step step;

    r->read_event_handler = ngx_http_test_reading;
    if (!take_body(c, &body)) {
        btz_nginx_fail(c, 500, "internal", "the body cannot be read");
        return;
    }
    c->stage = BTZ_NGINX_BODY;
    c->request_bytes = body.len;
    step = btz_exchange_body(c->x, body);
    c->own_ns += btz_clock_ns() - begun;
    btz_nginx_step(c, step);
}

static void read_body(struct btz_nginx_ctx *c)
{
    ngx_http_request_t *r = c->r;
    ngx_int_t rc;

    r->request_body_in_single_buf = 1;
    rc = ngx_http_read_client_request_body(r, on_body);
    /* Reading holds the request on its own account; what held it until now is given back. */
    ngx_http_finalize_request(r, rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE);
}

/* ---- steps ---------------------------------------------------------------------------------------------------------- */

static void on_timer(ngx_event_t *e)
{
    struct btz_nginx_ctx *c = e->data;
    ngx_connection_t *connection = c->r->connection;
    enum btz_step step = btz_exchange_durable(c->x);

    ngx_http_set_log_request(connection->log, c->r);
    btz_nginx_step(c, step);
    ngx_http_run_posted_requests(connection);
}

static void wait_durable(struct btz_nginx_ctx *c)
{
    if (!c->timer.handler) {
        c->timer.handler = on_timer;
        c->timer.data = c;
        c->timer.log = c->r->connection->log;
    }
    ngx_add_timer(&c->timer, 1);
}

/* Requests that last longer than what they hold in Redis hold it on. */
static void on_renewal(ngx_event_t *e)
{
    struct btz_nginx_ctx *c = e->data;
    const struct btz_redis_command *command;

    if (c->r->aio) { /* a thread has the exchange; it is done long before the lease is */
        ngx_add_timer(&c->renewal, 100);
        return;
    }
    command = c->ended ? NULL : btz_exchange_renew(c->x);
    if (!command)
        return;
    if (c->main->redis)
        btz_nginx_redis_send(c->main->redis, command, NULL, NULL);
    ngx_add_timer(&c->renewal, (ngx_msec_t)c->main->conf->shared_lease_ms / 3);
}

static void hold_on(struct btz_nginx_ctx *c)
{
    c->renewal.handler = on_renewal;
    c->renewal.data = c;
    c->renewal.log = c->r->connection->log;
    c->renewal.cancelable = 1;
    ngx_add_timer(&c->renewal, (ngx_msec_t)c->main->conf->shared_lease_ms / 3);
}

static void on_redis(void *user, bool reached, struct btz_slice answer)
{
    struct btz_nginx_ctx *c = user;
    ngx_connection_t *connection = c->r->connection;

    c->redis_call = NULL;
    hold_on(c);
    btz_nginx_step(c, btz_exchange_limited(c->x, reached, answer));
    ngx_http_run_posted_requests(connection);
}

static void ask_redis(struct btz_nginx_ctx *c)
{
    c->redis_call =
        c->main->redis ? btz_nginx_redis_send(c->main->redis, btz_exchange_redis(c->x), on_redis, c)
                       : NULL;
    if (!c->redis_call)
        btz_nginx_step(c, btz_exchange_limited(c->x, false, btz_str("")));
}

/* No entry: it would be as many as a stranger likes. The counters of the metrics have it. */
static void turn_away(struct btz_nginx_ctx *c)
{
    btz_exchange_deny(c->x, 429, "rate_limited", "too many requests of nobody from this address");
    c->x->answer.retry_after_s = 1;
    c->x->unrecorded = true;
    btz_nginx_answer(c);
}

/* Is this a stranger of whom there were too many? */
static bool is_too_much(struct btz_nginx_ctx *c, enum btz_step step)
{
    bool was = c->identity.charged;

    if (step == BTZ_STEP_IDENTIFY) {
        c->identity.charged = true;
        return btz_nginx_throttled(c);
    }
    c->identity.charged = false;
    if (step == BTZ_STEP_REFUSE && c->stage == BTZ_NGINX_HEAD &&
        btz_exchange_answer(c->x)->status == NGX_HTTP_UNAUTHORIZED) {
        if (was)
            btz_nginx_throttle_undo(c);
        return btz_nginx_throttled(c);
    }
    if (was)
        btz_nginx_throttle_undo(c);
    return false;
}

/* Holds one count of the request, which whatever is done here gives back. */
void btz_nginx_step(struct btz_nginx_ctx *c, enum btz_step step)
{
    if (is_too_much(c, step)) {
        turn_away(c);
        return;
    }
    switch (step) {
    case BTZ_STEP_IDENTIFY:
        if (btz_nginx_identify(c) != NGX_OK)
            btz_nginx_fail(c, 503, "unavailable", "nobody can be identified now");
        return;
    case BTZ_STEP_LIMITS:
        ask_redis(c);
        return;
    case BTZ_STEP_WAIT:
        wait_durable(c);
        return;
    case BTZ_STEP_WORK:
        btz_nginx_work(c);
        return;
    case BTZ_STEP_GO:
        if (c->stage == BTZ_NGINX_HEAD)
            read_body(c);
        else if (btz_is_cut(c->body_cover)) /* what was guarded was not what would be sent */
            btz_nginx_fail(c, 503, "unavailable", "the body cannot be read");
        else
            btz_nginx_forward(c);
        return;
    default:
        btz_nginx_answer(c);
    }
}

/* ---- answers of ours ------------------------------------------------------------------------------------------------ */

static void send_answer(struct btz_nginx_ctx *c, const struct btz_answer *a, enum btz_end how)
{
    ngx_http_request_t *r = c->r;
    ngx_chain_t out = { .next = NULL };
    ngx_int_t rc;

    c->mode = BTZ_NGINX_MODE_OWN;
    if (c->stage == BTZ_NGINX_HEAD && ngx_http_discard_request_body(r) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    c->response_bytes = a->body.len;
    if (btz_nginx_answer_headers(c, a) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }
    btz_nginx_end(c, how, a->status);
    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_finalize_request(r, rc);
        return;
    }
    out.buf = ngx_calloc_buf(r->pool);
    if (!out.buf) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }
    out.buf->pos = (u_char *)a->body.ptr;
    out.buf->last = out.buf->pos + a->body.len;
    out.buf->memory = a->body.len > 0;
    out.buf->last_buf = 1;
    out.buf->last_in_chain = 1;
    ngx_http_finalize_request(r, ngx_http_output_filter(r, &out));
}

void btz_nginx_answer(struct btz_nginx_ctx *c)
{
    const struct btz_answer *a = btz_exchange_answer(c->x);
    bool failed = a->status == 502 || a->status == 504;

    send_answer(c, a, failed ? BTZ_END_UPSTREAM_FAILED : BTZ_END_REFUSED);
}

/* In the words of whose route it was; without one, of most clients. */
static enum btz_dialect dialect_of(struct btz_nginx_ctx *c)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_route *route;

    btz_arena_init(&arena, 1 << 16);
    c->in.method = btz_nginx_slice(c->r->method_name);
    read_target(c->r, &c->in);
    route = c->main->conf ? btz_route_find(c->main->conf, c->in.method, c->in.path, &arena) : NULL;
    return route ? btz_protocol_dialect(route->protocol) : BTZ_DIALECT_OPENAI;
}

void btz_nginx_fail(struct btz_nginx_ctx *c, unsigned status, const char *code, const char *message)
{
    struct btz_buf body = BTZ_BUF(4096);
    struct btz_answer a = { .status = status, .content_type = "application/json" };
    ngx_str_t copy;

    if (c->x) {
        btz_exchange_deny(c->x, status, code, message);
        btz_nginx_answer(c);
        return;
    }
    if (!c->in.request_id)
        c->in.request_id = (const char *)request_id(c).data;
    if (btz_problem_write(dialect_of(c), status, code, message,
                          c->in.request_id ? c->in.request_id : "", &body) != BTZ_OK)
        btz_buf_clear(&body);
    copy = btz_nginx_str(c->r->pool, btz_buf_slice(&body));
    btz_buf_release(&body);
    a.body = btz_nginx_slice(copy);
    send_answer(c, &a, BTZ_END_REFUSED);
}

/* ---- the handler ---------------------------------------------------------------------------------------------------- */

static void begin(struct btz_nginx_ctx *c)
{
    uint64_t begun = btz_clock_ns();
    enum btz_step step;
    bool twice;

    if (!read_head(c, &twice)) {
        btz_nginx_fail(c, 500, "internal", "no memory");
        return;
    }
    if (!twice && btz_nginx_preflight(c))
        return;
    /* First of all the exchange: what is refused from here on stands in the ledger. */
    if (!c->main->gate || btz_exchange_new(c->main->gate, &c->in, &c->x) != BTZ_OK) {
        btz_nginx_fail(c, 503, "unavailable", "the gateway is not ready");
        return;
    }
    if (twice) {
        btz_nginx_fail(c, 400, "bad_request", "a header that says who asks came twice");
        return;
    }
    if (btz_nginx_origin(c))
        return;
    step = btz_exchange_head(c->x);
    c->own_ns += btz_clock_ns() - begun;
    btz_nginx_step(c, step);
}

ngx_int_t btz_nginx_handler(ngx_http_request_t *r)
{
    struct btz_nginx_main *main = ngx_http_get_module_main_conf(r, ngx_http_bartizan_module);
    struct btz_nginx_ctx *c;

    /* Other modules' subrequests and jumps would come without a caller of their own. */
    if (r != r->main || btz_nginx_ctx(r))
        return NGX_HTTP_FORBIDDEN;
    c = btz_nginx_ctx_new(r, main);
    if (!c)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    r->main->count++;
    begin(c);
    return NGX_DONE;
}
