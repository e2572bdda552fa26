/* The configuration of the front for model traffic: the module, upstreams, guarded locations. No secret is in it. */
#include "gate/front.h"

#include <strings.h>

#define CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct address { /* of an upstream */
    bool tls;
    char given[300], host[300], name[256]; /* as it is written; with its port; without */
};

bool btz_front_has_models(const struct btz_front_models *m)
{
    return m->conf && m->conf->upstreams.count > 0;
}

static void take_address(const char *url, struct address *out)
{
    const char *rest = strstr(url, "://") + 3;
    size_t host = strcspn(rest, "/"), name;

    out->tls = strncasecmp(url, "https", 5) == 0;
    name = rest[0] == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":/");
    snprintf(out->given, sizeof out->given, "%.*s", (int)host, rest);
    snprintf(out->name, sizeof out->name, "%.*s", (int)name, rest);
    snprintf(out->host, sizeof out->host,
             name < host ? "%.*s"
             : out->tls  ? "%.*s:443"
                         : "%.*s:80",
             (int)host, rest);
}

/* ---- outermost level ------------------------------------------------------------------------------------------------ */

/* Threads of each worker, for large bodies. */
enum btz_err btz_front_models_main(struct btz_buf *out)
{
    return btz_buf_add_str(out, "thread_pool default threads=2 max_queue=256;\n");
}

/* ---- http level --------------------------------------------------------------------------------------------------- */

enum btz_err btz_front_models_http(const struct btz_front_models *m, struct btz_buf *out)
{
    const struct btz_upstream_conf *u = m->conf->upstreams.items;
    struct address at;

    BTZ_TRY(btz_buf_printf(out,
                           "    bartizan_settings \"%s\";\n"
                           "    bartizan_state \"%s\";\n"
                           "    bartizan_origin \"%s\";\n"
                           "    bartizan_identify /.bartizan/who;\n",
                           m->settings, m->state, m->origin));
    if (m->quick)
        BTZ_TRY(btz_buf_printf(out, "    bartizan_upstream \"%s\";\n", m->quick));
    BTZ_TRY(btz_buf_add_str(
        out, /* Whoever has one address of IPv6 has 2^64 of them: they count as one. */
        "    map $binary_remote_addr $bartizan_client {\n"
        "        \"~(?s)^\\x00{10}\\xff\\xff(?<btz_four>.{4})\\z\" $btz_four;\n"
        "        \"~(?s)^(?<btz_network>.{8}).{8}\\z\" $btz_network;\n"
        "        default $binary_remote_addr;\n"
        "    }\n"
        "    limit_conn_zone $bartizan_client zone=bartizan_models:4m;\n"));
    for (size_t i = 0; i < m->conf->upstreams.count; i++) {
        take_address(u[i].url, &at);
        /* Servers in front of models close idle connections after 5 s; a request must not meet one that closes. */
        BTZ_TRY(btz_buf_printf(out,
                               "    upstream btz_%s {\n"
                               "        server %s max_fails=0;\n"
                               "        keepalive 128;\n"
                               "        keepalive_requests 100000;\n"
                               "        keepalive_timeout %s;\n"
                               "    }\n",
                               u[i].name, at.host, at.tls ? "30s" : "4s"));
    }
    return BTZ_OK;
}

/* ---- guarded locations -------------------------------------------------------------------------------------------- */

static enum btz_err add_pattern(struct btz_buf *out, const char *path)
{
    BTZ_TRY(btz_buf_add_byte(out, '|'));
    for (const char *p = path; *p; p++) {
        if (*p == '{') { /* one segment */
            p = strchr(p, '}');
            BTZ_TRY(btz_buf_add_str(out, "[^/]+"));
            continue;
        }
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-", *p))
            BTZ_TRY(btz_buf_add_byte(out, '\\'));
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)*p));
    }
    if (path[strlen(path) - 1] == '/')
        return btz_buf_add_str(out, ".*");
    return BTZ_OK;
}

static enum btz_err write_guarded(const struct btz_front_models *m, bool local, struct btz_buf *out)
{
    const struct btz_route_conf *routes = m->conf->routes.items;

    BTZ_TRY(btz_buf_add_str(out, "        location ~ \"^(/mcp/[a-z0-9-]+"));
    for (const struct btz_route *r = btz_routes; r->path; r++)
        if (r == btz_routes || strcmp(r->path, r[-1].path) != 0)
            BTZ_TRY(add_pattern(out, r->path));
    for (size_t i = 0; i < m->conf->routes.count; i++)
        BTZ_TRY(add_pattern(out, routes[i].path));
    return btz_buf_printf(out,
                          ")$\" {\n"
                          "            bartizan on;\n"
                          "%s"
                          "            client_max_body_size %" PRId64 ";\n"
                          "            client_body_buffer_size 256k;\n"
                          "            client_body_timeout 30s;\n"
                          "            send_timeout 60s;\n"
                          "            error_page 400 =400 @btz_next;\n"
                          "            error_page 413 =413 @btz_next;\n"
                          "        }\n"
                          "        location @btz_next { bartizan next; }\n",
                          /* This machine's own programs are one address. */
                          local ? ""
                                : "            limit_conn bartizan_models 512;\n"
                                  "            limit_conn_status 429;\n"
                                  "            error_page 429 =429 @btz_next;\n",
                          m->conf->body_max);
}

/* The daemon is asked who somebody is; nobody else gets there. */
static enum btz_err write_who(const struct btz_front_models *m, struct btz_buf *out)
{
    const char *authority = strstr(m->origin, "://");

    return btz_buf_printf(out,
                          "        location /.bartizan/ { return 404; }\n"
                          "        location = /.bartizan/who {\n"
                          "            internal;\n"
                          "            proxy_pass http://daemon/v1/gate/who;\n"
                          "            proxy_http_version 1.1;\n"
                          "            proxy_pass_request_body off;\n"
                          "            proxy_pass_request_headers off;\n"
                          "            proxy_set_header Connection \"\";\n"
                          "            proxy_set_header Host \"%s\";\n"
                          "            proxy_set_header Content-Length \"\";\n"
                          "            proxy_set_header Authorization $bartizan_token;\n"
                          "            proxy_set_header Cookie $bartizan_cookie;\n"
                          "            proxy_set_header User-Agent $http_user_agent;\n"
                          "            proxy_set_header X-Bartizan-Gate 1;\n"
                          "            proxy_set_header X-Bartizan-Address $remote_addr;\n"
                          "            proxy_set_header X-Bartizan-Request-Id $request_id;\n"
                          "            proxy_set_header X-Bartizan-Client-Cert %s;\n"
                          "            proxy_connect_timeout 2s;\n"
                          "            proxy_read_timeout 10s;\n"
                          "            proxy_intercept_errors off;\n"
                          "        }\n",
                          authority ? authority + 3 : m->origin,
                          m->client_certificates ? "$ssl_client_escaped_cert" : "\"\"");
}

/* ---- upstreams ---------------------------------------------------------------------------------------------------- */

static bool sets_header(const struct btz_upstream_conf *u, const char *name)
{
    const struct btz_conf_pair *pairs = u->headers.items;

    for (size_t i = 0; i < u->headers.count; i++)
        if (strcasecmp(pairs[i].name, name) == 0)
            return true;
    return false;
}

/* Of the client's headers only those that say how it wants to be answered; nothing that says who it is. */
static enum btz_err write_request(const struct btz_upstream_conf *u, const struct address *at,
                                  struct btz_buf *out)
{
    static const struct {
        const char *name, *value;
    } sent[] = {
        { "Connection", "$bartizan_connection" },
        { "Upgrade", "$bartizan_upgrade" },
        { "Content-Type", "$bartizan_type" },
        { "Accept", "$bartizan_accept" },
        { "Accept-Encoding", "identity" },
        { "User-Agent", "bartizan" },
        { "X-Request-Id", "$request_id" },
        { "Traceparent", "$bartizan_trace" },
        { "Anthropic-Version", "$http_anthropic_version" },
        { "Anthropic-Beta", "$http_anthropic_beta" },
        { "OpenAI-Beta", "$http_openai_beta" },
        { "Idempotency-Key", "$bartizan_idempotency" },
        { "Mcp-Session-Id", "$bartizan_mcp_session" },
        { "Mcp-Protocol-Version", "$http_mcp_protocol_version" },
        { "Last-Event-Id", "$http_last_event_id" },
        { "Sec-WebSocket-Key", "$http_sec_websocket_key" },
        { "Sec-WebSocket-Version", "$http_sec_websocket_version" },
        { "Sec-WebSocket-Protocol", "$http_sec_websocket_protocol" },
    };
    static const char *const names[] = { "Authorization", "X-Api-Key", "Api-Key" };
    const struct btz_conf_pair *pairs = u->headers.items;

    BTZ_TRY(btz_buf_printf(out, "            proxy_set_header Host \"%s\";\n", at->given));
    for (size_t i = 0; i < BTZ_COUNT(sent); i++)
        if (!sets_header(u, sent[i].name))
            BTZ_TRY(btz_buf_printf(out, "            proxy_set_header %s %s;\n", sent[i].name,
                                   sent[i].value));
    if (u->credential_as < BTZ_CREDENTIAL_NONE && u->credential && u->credential[0])
        BTZ_TRY(btz_buf_printf(out, "            proxy_set_header %s $bartizan_credential;\n",
                               names[u->credential_as]));
    for (size_t i = 0; i < u->headers.count; i++)
        BTZ_TRY(btz_buf_printf(out, "            proxy_set_header \"%s\" $bartizan_header_%zu;\n",
                               pairs[i].name, i));
    return BTZ_OK;
}

static enum btz_err write_trust(const struct btz_upstream_conf *u, const struct address *at,
                                struct btz_buf *out)
{
    if (!at->tls)
        return BTZ_OK;
    return btz_buf_printf(out,
                          "            proxy_ssl_verify %s;\n"
                          "            proxy_ssl_verify_depth 5;\n"
                          "            proxy_ssl_trusted_certificate \"%s\";\n"
                          "            proxy_ssl_server_name on;\n"
                          "            proxy_ssl_name \"%s\";\n"
                          "            proxy_ssl_protocols TLSv1.2 TLSv1.3;\n",
                          u->tls_verify ? "on" : "off",
                          u->ca_file && u->ca_file[0] ? u->ca_file : CA_FILE, at->name);
}

static enum btz_err write_upstream(const struct btz_upstream_conf *u, struct btz_buf *out)
{
    struct address at;

    take_address(u->url, &at);
    BTZ_TRY(btz_buf_printf(out,
                           "        location @btz_%s {\n"
                           "            proxy_pass %s://btz_%s$bartizan_uri;\n"
                           "            proxy_http_version 1.1;\n"
                           "            proxy_pass_request_headers off;\n",
                           u->name, at.tls ? "https" : "http", u->name));
    BTZ_TRY(write_request(u, &at, out));
    BTZ_TRY(write_trust(u, &at, out));
    /* Its headers steer nothing here: no jump to another place, no cache, no speed. */
    return btz_buf_printf(
        out,
        "            proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate "
        "X-Accel-Buffering X-Accel-Charset Cache-Control Expires Set-Cookie Vary;\n"
        "            proxy_buffering off;\n"
        "            proxy_buffer_size 6k;\n"
        "            proxy_redirect off;\n"
        "            proxy_next_upstream off;\n"
        "            proxy_connect_timeout %" PRId64 "ms;\n"
        "            proxy_send_timeout %" PRId64 "ms;\n"
        "            proxy_read_timeout %" PRId64 "ms;\n"
        "            recursive_error_pages on;\n"
        "            error_page 500 502 504 = @btz_next;\n"
        "        }\n",
        u->connect_ms, u->idle_ms, u->idle_ms);
}

static enum btz_err write_server(const struct btz_front_models *m, bool local, struct btz_buf *out)
{
    const struct btz_upstream_conf *u = m->conf->upstreams.items;

    /* A head that is too large is known for whose protocol it was meant: it begins with the path. */
    BTZ_TRY(btz_buf_add_str(out, "        error_page 494 =431 @btz_next;\n"));
    BTZ_TRY(write_who(m, out));
    BTZ_TRY(write_guarded(m, local, out));
    for (size_t i = 0; i < m->conf->upstreams.count; i++)
        BTZ_TRY(write_upstream(&u[i], out));
    return BTZ_OK;
}

enum btz_err btz_front_models_server(const struct btz_front_models *m, struct btz_buf *out)
{
    return write_server(m, false, out);
}

/* ---- the plain listener ------------------------------------------------------------------------------------------- */

enum btz_err btz_front_models_plain(const struct btz_front_models *m, const char *const *listen,
                                    size_t count, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "    server {\n"));
    for (size_t i = 0; i < count && listen[i][0]; i++)
        BTZ_TRY(btz_buf_printf(out, "        listen %s;\n", listen[i]));
    /* A name of elsewhere that leads here is a page's attempt to reach this machine. */
    BTZ_TRY(btz_buf_add_str(
        out,
        "        server_name _;\n"
        "        client_header_buffer_size 2k;\n"
        "        request_pool_size 1k;\n" /* what is left of blocks is as much for each waiting stream */
        "        default_type application/json;\n"
        "        if ($host !~ \"^(localhost|127\\.0\\.0\\.[0-9]+|\\[::1\\])$\") {\n"
        "            return 421 '{\"error\":{\"message\":\"use localhost or 127.0.0.1\","
        "\"type\":\"misdirected\"}}\\n';\n"
        "        }\n"
        "        location / {\n"
        "            return 404 '{\"error\":{\"message\":\"there is no such route\","
        "\"type\":\"unknown_route\"}}\\n';\n"
        "        }\n"));
    BTZ_TRY(btz_buf_printf(out,
                           "        error_page 400 405 408 414 501 505 /.unread.json;\n"
                           "        location = /.unread.json {\n"
                           "            internal;\n"
                           "            root \"%s/gate/pages\";\n"
                           "        }\n",
                           m->state));
    BTZ_TRY(write_server(m, true, out));
    return btz_buf_add_str(out, "    }\n");
}
