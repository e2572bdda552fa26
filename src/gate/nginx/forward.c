/* To an upstream: the request as the exchange wants it, the jump to its location, and on to the next one. */
#include "gate/nginx/module.h"

#include "gate/exchange.h"

/* ---- variables for `proxy_pass` and `proxy_set_header` --------------------------------------------------------------- */

enum variable {
    VARIABLE_URI,
    VARIABLE_CREDENTIAL,
    VARIABLE_TYPE,
    VARIABLE_ACCEPT,
    VARIABLE_UPGRADE,
    VARIABLE_CONNECTION,
    VARIABLE_TOKEN,
    VARIABLE_COOKIE,
    VARIABLE_IDEMPOTENCY,
    VARIABLE_SESSION,
    VARIABLE_TRACE,
};

static const struct btz_upstream_conf *upstream_of(const struct btz_nginx_ctx *c)
{
    const struct btz_upstream_conf *all = c->main->conf->upstreams.items;

    return c->forwarded ? &all[c->forward.upstream] : NULL;
}

static ngx_str_t text_of(const char *text)
{
    return (ngx_str_t){ text ? strlen(text) : 0, (u_char *)text };
}

/* Borrowed. */
static ngx_str_t bytes_of(struct btz_slice s)
{
    return (ngx_str_t){ s.len, (u_char *)s.ptr };
}

static ngx_str_t bearer(struct btz_nginx_ctx *c, struct btz_slice key)
{
    ngx_str_t out = { 0, ngx_pnalloc(c->r->pool, key.len + 7) };

    if (out.data)
        out.len =
            (size_t)(ngx_cpymem(ngx_cpymem(out.data, "Bearer ", 7), key.ptr, key.len) - out.data);
    return out;
}

/* Only the location of an attempt sees it. */
static ngx_str_t credential(struct btz_nginx_ctx *c)
{
    const struct btz_upstream_conf *u = upstream_of(c);

    if (!u || !u->credential || !u->credential[0])
        return (ngx_str_t)ngx_null_string;
    return u->credential_as == BTZ_CREDENTIAL_BEARER ? bearer(c, btz_str(u->credential))
                                                     : text_of(u->credential);
}

/* For the daemon: clients of Anthropic carry what they have in x-api-key. */
static ngx_str_t token(struct btz_nginx_ctx *c)
{
    struct btz_slice key = c->in.x_api_key.len ? c->in.x_api_key : c->in.api_key;

    return c->in.authorization.len || key.len == 0 ? bytes_of(c->in.authorization) : bearer(c, key);
}

static ngx_str_t client_header(ngx_http_request_t *r, const char *name)
{
    const ngx_table_elt_t *h = btz_nginx_header(&r->headers_in.headers, name);

    return h ? h->value : (ngx_str_t)ngx_null_string;
}

/* All callers are one for the upstream: whoever guesses the key of another's request must not get its answer. */
static ngx_str_t idempotency(struct btz_nginx_ctx *c)
{
    ngx_str_t value = client_header(c->r, "idempotency-key"), out = ngx_null_string;
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_sha256 hash;

    if (value.len == 0 || !c->x || !c->x->id)
        return out;
    btz_sha256_init(&hash);
    btz_sha256_add(&hash, btz_slice_of(c->x->id, strlen(c->x->id) + 1));
    btz_sha256_add(&hash, btz_nginx_slice(value));
    btz_sha256_end(&hash, digest);
    out.data = ngx_pnalloc(c->r->pool, 2 * sizeof digest);
    if (!out.data)
        return out;
    out.len = (size_t)(ngx_hex_dump(out.data, digest, sizeof digest) - out.data);
    return out;
}

static ngx_str_t trace(struct btz_nginx_ctx *c)
{
    char text[BTZ_TRACE_TEXT + 1];

    return c->x && btz_exchange_traceparent(c->x, text) ? btz_nginx_str(c->r->pool, btz_str(text))
                                                        : (ngx_str_t)ngx_null_string;
}

static ngx_str_t value_of(struct btz_nginx_ctx *c, enum variable which)
{
    switch (which) {
    case VARIABLE_URI:
        return c->uri;
    case VARIABLE_CREDENTIAL:
        return credential(c);
    case VARIABLE_TYPE:
        return c->content_type;
    case VARIABLE_ACCEPT:
        return c->accept;
    case VARIABLE_UPGRADE:
        return text_of(c->in.upgrade ? "websocket" : "");
    case VARIABLE_CONNECTION:
        return text_of(c->in.upgrade ? "upgrade" : "");
    case VARIABLE_IDEMPOTENCY:
        return idempotency(c);
    case VARIABLE_SESSION:
        return bytes_of(c->forward.mcp_session);
    case VARIABLE_TRACE:
        return trace(c);
    case VARIABLE_COOKIE: /* one credential at a time */
        return token(c).len ? (ngx_str_t)ngx_null_string : bytes_of(c->in.cookie);
    default:
        return token(c);
    }
}

static ngx_int_t give(ngx_http_variable_value_t *v, ngx_str_t text)
{
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = (unsigned)text.len;
    v->data = text.data;
    return NGX_OK;
}

static ngx_int_t get_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    struct btz_nginx_ctx *c = btz_nginx_ctx(r->main);

    return give(v, c ? value_of(c, (enum variable)data) : (ngx_str_t)ngx_null_string);
}

/* $bartizan_header_N: value of the Nth of the upstream's own headers. */
static ngx_int_t get_header(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    static const size_t prefix = sizeof "bartizan_header_" - 1;
    struct btz_nginx_ctx *c = btz_nginx_ctx(r->main);
    const struct btz_upstream_conf *u = c ? upstream_of(c) : NULL;
    const ngx_str_t *name = (const ngx_str_t *)data;
    const struct btz_conf_pair *pairs = u ? u->headers.items : NULL;
    ngx_int_t i = ngx_atoi(name->data + prefix, name->len - prefix);

    if (!u || i < 0 || (size_t)i >= u->headers.count)
        return give(v, (ngx_str_t)ngx_null_string);
    return give(v, text_of(pairs[i].value));
}

ngx_int_t btz_nginx_add_variables(ngx_conf_t *cf)
{
    static const struct {
        ngx_str_t name;
        enum variable which;
    } all[] = {
        { ngx_string("bartizan_uri"), VARIABLE_URI },
        { ngx_string("bartizan_credential"), VARIABLE_CREDENTIAL },
        { ngx_string("bartizan_type"), VARIABLE_TYPE },
        { ngx_string("bartizan_accept"), VARIABLE_ACCEPT },
        { ngx_string("bartizan_upgrade"), VARIABLE_UPGRADE },
        { ngx_string("bartizan_connection"), VARIABLE_CONNECTION },
        { ngx_string("bartizan_token"), VARIABLE_TOKEN },
        { ngx_string("bartizan_cookie"), VARIABLE_COOKIE },
        { ngx_string("bartizan_idempotency"), VARIABLE_IDEMPOTENCY },
        { ngx_string("bartizan_trace"), VARIABLE_TRACE },
        { ngx_string("bartizan_mcp_session"), VARIABLE_SESSION },
    };
    ngx_str_t headers = ngx_string("bartizan_header_");
    ngx_http_variable_t *v;

    for (size_t i = 0; i < BTZ_COUNT(all); i++) {
        ngx_str_t name = all[i].name;

        v = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (!v)
            return NGX_ERROR;
        v->get_handler = get_variable;
        v->data = all[i].which;
    }
    v = ngx_http_add_variable(cf, &headers, NGX_HTTP_VAR_NOCACHEABLE | NGX_HTTP_VAR_PREFIX);
    if (!v)
        return NGX_ERROR;
    v->get_handler = get_header;
    return NGX_OK;
}

/* ---- the jump ------------------------------------------------------------------------------------------------------- */

/* The changed body takes the place of the one that came. It lives as long as the exchange, so longer than the request. */
static bool put_body(struct btz_nginx_ctx *c)
{
    ngx_http_request_t *r = c->r;
    struct btz_slice body = c->forward.body;
    ngx_buf_t *b;

    r->headers_in.chunked = 0;
    r->headers_in.content_length_n = body.len ? (off_t)body.len : -1;
    if (!r->request_body)
        return body.len == 0;
    if (body.len == 0) {
        r->request_body->bufs = NULL;
        return true;
    }
    b = ngx_calloc_buf(r->pool);
    r->request_body->bufs = ngx_alloc_chain_link(r->pool);
    if (!b || !r->request_body->bufs)
        return false;
    b->start = b->pos = (u_char *)body.ptr;
    b->end = b->last = b->pos + body.len;
    b->memory = 1;
    b->last_buf = 1;
    r->request_body->bufs->buf = b;
    r->request_body->bufs->next = NULL;
    r->request_body->buf = b;
    return true;
}

static bool put_uri(struct btz_nginx_ctx *c)
{
    const struct btz_forward *f = &c->forward;
    u_char *at;

    c->uri.data = at = ngx_pnalloc(c->r->pool, f->path.len + f->query.len + 1);
    if (!at)
        return false;
    at = ngx_cpymem(at, f->path.ptr, f->path.len);
    if (f->query.len) {
        *at++ = '?';
        at = ngx_cpymem(at, f->query.ptr, f->query.len);
    }
    c->uri.len = (size_t)(at - c->uri.data);
    return true;
}

static bool prepare(struct btz_nginx_ctx *c)
{
    c->forwarded = true;
    c->accept = c->forward.accept ? text_of(c->forward.accept) : client_header(c->r, "accept");
    c->content_type =
        c->forward.content_type ? text_of(c->forward.content_type) : bytes_of(c->in.content_type);
    return put_uri(c) && put_body(c);
}

static void jump(struct btz_nginx_ctx *c)
{
    ngx_http_request_t *r = c->r;
    const struct btz_upstream_conf *u = upstream_of(c);
    ngx_str_t name = { 0, ngx_pnalloc(r->pool, strlen(u->name) + sizeof "@btz_") };

    if (!name.data || !prepare(c)) {
        btz_nginx_fail(c, 500, "internal", "no memory");
        return;
    }
    name.len = (size_t)(ngx_sprintf(name.data, "@btz_%s", u->name) - name.data);
    c->attempt_told = false;
    r->uri_changes = NGX_HTTP_MAX_URI_CHANGES + 1;
    r->error_page = 0;
    r->err_status = 0;
    ngx_http_finalize_request(r, ngx_http_named_location(r, &name));
}

void btz_nginx_forward(struct btz_nginx_ctx *c)
{
    c->stage = BTZ_NGINX_FORWARD;
    c->forwarded = btz_exchange_forward(c->x, c->attempt, &c->forward);
    if (c->forwarded)
        jump(c);
    else
        btz_nginx_answer(c);
}

/* ---- after a failure ------------------------------------------------------------------------------------------------ */

/* nginx itself refused the request: the client gets to know in the words of its protocol. */
static ngx_int_t refused(ngx_http_request_t *r, struct btz_nginx_ctx *c)
{
    unsigned status = (unsigned)r->err_status;
    const char *code, *why;

    if (!c)
        c = btz_nginx_ctx_new(r, ngx_http_get_module_main_conf(r, ngx_http_bartizan_module));
    if (!c)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    r->err_status = 0;
    r->main->count++;
    (void)btz_gate_refusal(status, &code, &why);
    btz_nginx_fail(c, status, code, why);
    return NGX_DONE;
}

/* An attempt ended without a response that could be sent on. */
ngx_int_t btz_nginx_next_handler(ngx_http_request_t *r)
{
    struct btz_nginx_ctx *c = btz_nginx_ctx(r);
    bool sent = r->upstream && r->upstream->request_sent, again;

    if (r != r->main)
        return NGX_HTTP_NOT_FOUND;
    if (!c || !c->forwarded)
        return r->err_status >= NGX_HTTP_BAD_REQUEST ? refused(r, c) : NGX_HTTP_NOT_FOUND;
    /* A response that was turned away in response.c may be tried again; so may a request that nobody got. */
    again = c->attempt_told || btz_exchange_retries(c->x, 0, sent);
    if (!c->attempt_told)
        btz_exchange_attempted(c->x, 0);
    ngx_http_clean_header(r);
    c->mode = BTZ_NGINX_MODE_NONE;
    c->attempt++;
    r->main->count++;
    if (!again)
        btz_exchange_refuse(c->x, 502, "upstream_failed", "the model's server does not answer");
    c->forwarded = again && btz_exchange_forward(c->x, c->attempt, &c->forward);
    if (c->forwarded)
        jump(c);
    else
        btz_nginx_answer(c);
    return NGX_DONE;
}
