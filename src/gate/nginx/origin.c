/* Browsers: pages of our own origin may ask with a cookie, others only with a key, and none reads what is not for it. */
#include "gate/nginx/module.h"

#include "gate/exchange.h"

static bool is_own(const struct btz_nginx_ctx *c)
{
    const ngx_str_t *own = &c->main->origin;

    return own->len > 0 && c->in.origin.len == own->len &&
           ngx_memcmp(own->data, c->in.origin.ptr, own->len) == 0;
}

static bool has_csrf_header(ngx_http_request_t *r)
{
    const ngx_table_elt_t *h = btz_nginx_header(&r->headers_in.headers, "x-bartizan-csrf");

    return h && btz_slice_is(btz_nginx_slice(h->value), "1");
}

/* A page of elsewhere makes the browser ask: it says so, one way or the other. */
static bool is_from_elsewhere(struct btz_nginx_ctx *c)
{
    const ngx_table_elt_t *site = btz_nginx_header(&c->r->headers_in.headers, "sec-fetch-site");
    struct btz_slice said = site ? btz_nginx_slice(site->value) : btz_str("");

    return (c->in.origin.len && !is_own(c)) ||
           (said.len && !btz_slice_is(said, "same-origin") && !btz_slice_is(said, "none"));
}

static bool is_type(struct btz_slice type, const char *name)
{
    size_t end = btz_slice_find(type, btz_str(";"), 0), n = strlen(name);

    type = btz_slice_trim(btz_slice_sub(type, 0, end));
    return type.len == n && ngx_strncasecmp((u_char *)type.ptr, (u_char *)name, n) == 0;
}

/* A form of any page can send these without asking first. Who carries a key cannot be such a form. */
static bool is_form(struct btz_nginx_ctx *c)
{
    struct btz_slice type = c->in.content_type;
    const struct btz_route *route;

    if (type.len == 0)
        return c->in.content_length > 0 || c->r->headers_in.chunked;
    if (is_type(type, "application/x-www-form-urlencoded") || is_type(type, "text/plain"))
        return true;
    if (!is_type(type, "multipart/form-data"))
        return false;
    route = btz_route_find(c->main->conf, c->in.method, c->in.path, &c->x->arena);
    return route && route->protocol != BTZ_PROTOCOL_IMAGES &&
           route->protocol != BTZ_PROTOCOL_TRANSCRIBE && route->protocol != BTZ_PROTOCOL_FILES &&
           route->protocol != BTZ_PROTOCOL_PASS;
}

ngx_int_t btz_nginx_origin_headers(struct btz_nginx_ctx *c)
{
    static const struct {
        const char *name;
        ngx_str_t value;
    } more[] = {
        { "Access-Control-Allow-Credentials", ngx_string("true") },
        { "Access-Control-Expose-Headers",
          ngx_string("X-Bartizan-Request-Id, X-Bartizan-Guard, X-Bartizan-Overhead-Ms, "
                     "X-Request-Id, Request-Id, Retry-After") },
        { "Vary", ngx_string("Origin") },
    };

    if (!is_own(c))
        return NGX_OK;
    for (size_t i = 0; i < BTZ_COUNT(more); i++)
        if (btz_nginx_add_header(c->r, more[i].name, more[i].value) != NGX_OK)
            return NGX_ERROR;
    return btz_nginx_add_header(c->r, "Access-Control-Allow-Origin", c->main->origin);
}

/* The question that browsers ask first. */
static void answer_preflight(struct btz_nginx_ctx *c)
{
    static const struct {
        const char *name;
        ngx_str_t value;
    } more[] = {
        { "Access-Control-Allow-Methods", ngx_string("GET, POST, DELETE") },
        { "Access-Control-Allow-Headers",
          ngx_string("Authorization, Content-Type, Accept, X-Api-Key, X-Bartizan-CSRF, "
                     "Anthropic-Version, Anthropic-Beta, OpenAI-Beta, Idempotency-Key, "
                     "Mcp-Session-Id, Mcp-Protocol-Version, Last-Event-Id") },
        { "Access-Control-Max-Age", ngx_string("600") },
    };
    ngx_http_request_t *r = c->r;
    ngx_int_t rc = ngx_http_discard_request_body(r);

    c->mode = BTZ_NGINX_MODE_OWN;
    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    for (size_t i = 0; rc == NGX_OK && i < BTZ_COUNT(more); i++)
        rc = btz_nginx_add_header(r, more[i].name, more[i].value);
    if (rc == NGX_OK)
        rc = btz_nginx_own_headers(c);
    if (rc == NGX_OK)
        rc = ngx_http_send_header(r);
    ngx_http_finalize_request(r, rc);
}

bool btz_nginx_preflight(struct btz_nginx_ctx *c)
{
    if (!btz_slice_is(c->in.method, "OPTIONS") || !is_own(c))
        return false;
    answer_preflight(c);
    return true;
}

bool btz_nginx_origin(struct btz_nginx_ctx *c)
{
    const struct btz_incoming *in = &c->in;
    bool has_key = in->authorization.len || in->x_api_key.len || in->api_key.len;
    bool by_cookie = in->cookie.len && !has_key;
    bool by_browser = by_cookie || (in->client_cert.len && !has_key);
    bool reads = btz_slice_is(in->method, "GET") || btz_slice_is(in->method, "HEAD");

    if (btz_slice_is(in->method, "OPTIONS")) {
        btz_nginx_fail(c, in->origin.len ? 403 : 405, "forbidden",
                       in->origin.len ? "pages of this origin may not ask here"
                                      : "OPTIONS is for browsers");
        return true;
    }
    /* A cookie goes along whoever makes the browser ask: the page must be ours. */
    if (by_cookie && ((in->origin.len && !is_own(c)) || ((!reads || in->upgrade) && !is_own(c)) ||
                      (!reads && !has_csrf_header(c->r)))) {
        btz_nginx_fail(c, 403, "forbidden",
                       "with a cookie, Origin and X-Bartizan-CSRF: 1 are needed");
        return true;
    }
    /* So does a client certificate. */
    if (by_browser && is_from_elsewhere(c)) {
        btz_nginx_fail(c, 403, "forbidden", "pages of this origin may not ask here");
        return true;
    }
    if (by_browser && !reads && is_form(c)) {
        btz_nginx_fail(c, 415, "unsupported_media_type",
                       "without a key, bodies are application/json");
        return true;
    }
    return false;
}
