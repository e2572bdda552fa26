/* Who is it? The daemon knows sessions, tokens and certificates: it is asked through an internal location. */
#include "gate/nginx/module.h"

static struct btz_slice said(ngx_http_request_t *sub, const char *name)
{
    const ngx_table_elt_t *h = btz_nginx_header(&sub->headers_out.headers, name);

    return h ? btz_nginx_slice(h->value) : btz_str("");
}

static ngx_int_t on_answer(ngx_http_request_t *sub, void *data, ngx_int_t rc)
{
    struct btz_nginx_ctx *c = data;
    uint64_t age;

    (void)rc;
    if (!sub->upstream || sub->headers_out.status != NGX_HTTP_OK) {
        /* 401 is an answer: nobody. What else it may be, it is none. */
        c->identity.answered = sub->headers_out.status == NGX_HTTP_UNAUTHORIZED;
        return NGX_OK;
    }
    c->identity.answered = true;
    c->identity.principal = btz_nginx_str(c->r->pool, said(sub, "x-bartizan-principal"));
    c->identity.method = btz_nginx_str(c->r->pool, said(sub, "x-bartizan-method"));
    if (btz_parse_u64(said(sub, "x-bartizan-mfa-age"), &age) == BTZ_OK)
        c->identity.mfa_age_s = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
    return NGX_OK;
}

static void resume(ngx_http_request_t *r)
{
    struct btz_nginx_ctx *c = btz_nginx_ctx(r);
    struct btz_nginx_identity *who = &c->identity;

    r->write_event_handler = ngx_http_request_empty_handler;
    if (!who->answered)
        btz_nginx_fail(c, 503, "unavailable", "nobody can be identified now");
    else
        btz_nginx_step(c, btz_exchange_identified(
                              c->x, who->principal.len ? (const char *)who->principal.data : NULL,
                              who->method.len ? (const char *)who->method.data : NULL,
                              who->mfa_age_s));
}

ngx_int_t btz_nginx_identify(struct btz_nginx_ctx *c)
{
    ngx_http_post_subrequest_t *then = ngx_pcalloc(c->r->pool, sizeof *then);
    ngx_http_request_t *sub;

    if (!then || c->main->identify.len == 0)
        return NGX_ERROR;
    then->handler = on_answer;
    then->data = c;
    c->identity.mfa_age_s = UINT32_MAX;
    if (ngx_http_subrequest(c->r, &c->main->identify, NULL, &sub, then,
                            NGX_HTTP_SUBREQUEST_WAITED) != NGX_OK)
        return NGX_ERROR;
    sub->header_only = 1;
    sub->request_body = ngx_pcalloc(c->r->pool, sizeof *sub->request_body);
    if (!sub->request_body)
        return NGX_ERROR;
    sub->method = NGX_HTTP_GET;
    sub->method_name = (ngx_str_t)ngx_string("GET");
    c->r->write_event_handler = resume;
    return NGX_OK;
}
