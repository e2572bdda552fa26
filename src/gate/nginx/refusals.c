/*
 * Requests that nginx refused by itself, before there was an exchange: malformed, too long, too slow, too many at a time.
 * They are written down when nginx writes its own log; without a caller, for none was looked for, and not more of one
 * address than strangers get entries.
 */
#include "gate/nginx/module.h"

ngx_int_t btz_nginx_log(ngx_http_request_t *r)
{
    struct btz_nginx_main *m = ngx_http_get_module_main_conf(r, ngx_http_bartizan_module);
    struct btz_nginx_ctx *c = btz_nginx_ctx(r), stranger = { .r = r, .main = m };
    unsigned status = (unsigned)(r->err_status ? r->err_status : r->headers_out.status);
    struct btz_incoming in = { .method = btz_nginx_slice(r->method_name),
                               .path = btz_nginx_slice(r->uri) };
    ngx_time_t *now = ngx_timeofday();
    const char *code, *why;
    time_t ms;

    /* What an exchange was made for has its entry; what the daemon was asked has one there. */
    if (r != r->main || !m || !m->gate || (c && c->x) || r->upstream_states ||
        !btz_gate_refusal(status, &code, &why) || btz_nginx_throttled(&stranger))
        return NGX_OK;
    in.request_id =
        (char *)btz_nginx_str(r->pool, btz_nginx_slice(btz_nginx_variable(r, m->request_id))).data;
    in.address_text =
        (char *)btz_nginx_str(r->pool, btz_nginx_slice(r->connection->addr_text)).data;
    if (r->headers_in.user_agent)
        in.user_agent = btz_nginx_slice(r->headers_in.user_agent->value);
    ms = (now->sec - r->start_sec) * 1000 + (time_t)now->msec - (time_t)r->start_msec;
    if (in.request_id && in.address_text)
        (void)btz_gate_refused(m->gate, &in, status, (uint64_t)ms * 1000);
    return NGX_OK;
}
