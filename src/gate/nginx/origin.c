/* Browsers: what they ask first, and what they may read. What their pages may do is in gate/exchange_page.c. */
#include "gate/nginx/module.h"

static bool is_own(const struct btz_nginx_ctx *c)
{
    return btz_page_is_own(btz_nginx_slice(c->main->origin), c->in.origin);
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

static struct btz_slice said(const struct btz_nginx_ctx *c, const char *name)
{
    const ngx_table_elt_t *h = btz_nginx_header(&c->r->headers_in.headers, name);

    return h ? btz_nginx_slice(h->value) : btz_str("");
}

bool btz_nginx_origin(struct btz_nginx_ctx *c)
{
    struct btz_page page = { .own = btz_nginx_slice(c->main->origin),
                             .fetch_site = said(c, "sec-fetch-site"),
                             .csrf = said(c, "x-bartizan-csrf"),
                             .chunked = c->r->headers_in.chunked };

    if (btz_exchange_page(c->x, &page) == BTZ_STEP_GO)
        return false;
    btz_nginx_answer(c);
    return true;
}
