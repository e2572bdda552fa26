/* The configuration of the front. */
#include "gate/front.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_MAX          ((size_t)1 << 20)
#define CONNECTIONS       1024
#define FILES_A_WORKER    20000
#define MODEL_CONNECTIONS 8192 /* a stream has two: 4,000 at a time for each worker */

/* ---- where it listens --------------------------------------------------------------------------------------------- */

/* Tries an address; a port of 0 is replaced by the one the system gave. */
static bool try_bind(int family, const char *host, uint16_t *port)
{
    BTZ_CLOSE_FD int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } to = { .any.sa_family = (sa_family_t)family };
    socklen_t len = family == AF_INET ? sizeof to.four : sizeof to.six;
    int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return false;
    if (family == AF_INET) {
        to.four.sin_port = htons(*port);
        if (inet_pton(AF_INET, host, &to.four.sin_addr) != 1)
            return false;
    } else {
        to.six.sin6_port = htons(*port);
        if (inet_pton(AF_INET6, host, &to.six.sin6_addr) != 1)
            return false;
    }
    if (bind(fd, &to.any, len) != 0 || getsockname(fd, &to.any, &len) != 0)
        return false;
    *port = ntohs(family == AF_INET ? to.four.sin_port : to.six.sin6_port);
    return true;
}

static enum btz_err split(const char *listen, char host[72], uint16_t *port)
{
    const char *colon = strrchr(listen, ':'), *digits = colon ? colon + 1 : listen;
    size_t n = colon ? (size_t)(colon - listen) : 0;
    const char *from = listen;
    uint64_t number;

    if (btz_parse_u64(btz_str(digits), &number) != BTZ_OK || number > 65535)
        return btz_fail(BTZ_USAGE, "expected ADDRESS:PORT, found \"%.80s\"", listen);
    if (n > 2 && from[0] == '[' && from[n - 1] == ']') {
        from++;
        n -= 2;
    } else if (n && memchr(from, ':', n)) {
        return btz_fail(BTZ_USAGE, "IPv6 addresses stand in brackets, \"[::1]:8443\"");
    }
    if (n >= 72)
        return btz_fail(BTZ_USAGE, "\"%.80s\" is no address", listen);
    snprintf(host, 72, "%.*s", (int)n, from);
    if (!*host)
        snprintf(host, 72, "localhost");
    *port = (uint16_t)number;
    return BTZ_OK;
}

static bool is_loopback(int family, const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (family == AF_INET)
        return inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

enum btz_err btz_front_listen(const char *listen, struct btz_front *out)
{
    struct in6_addr bytes;
    int family;

    BTZ_TRY(split(listen, out->host, &out->port));
    if (strcmp(out->host, "localhost") == 0) {
        if (!try_bind(AF_INET, "127.0.0.1", &out->port))
            return btz_fail_errno(BTZ_IO, "cannot listen on 127.0.0.1:%u", out->port);
        snprintf(out->listen[0], sizeof out->listen[0], "127.0.0.1:%u", out->port);
        if (try_bind(AF_INET6, "::1", &out->port))
            snprintf(out->listen[1], sizeof out->listen[1], "[::1]:%u", out->port);
        out->loopback = true;
        return BTZ_OK;
    }
    family = inet_pton(AF_INET, out->host, &bytes) == 1    ? AF_INET
             : inet_pton(AF_INET6, out->host, &bytes) == 1 ? AF_INET6
                                                           : 0;
    if (!family)
        return btz_fail(BTZ_USAGE,
                        "\"%.60s\" is no address; names but localhost are not "
                        "looked up",
                        out->host);
    errno = 0;
    if (!try_bind(family, out->host, &out->port))
        return btz_fail_errno(
            BTZ_IO, family == AF_INET ? "cannot listen on %s:%u" : "cannot listen on [%s]:%u",
            out->host, out->port);
    snprintf(out->listen[0], sizeof out->listen[0], family == AF_INET ? "%s:%u" : "[%s]:%u",
             out->host, out->port);
    out->loopback = is_loopback(family, out->host);
    return BTZ_OK;
}

/* ---- paths -------------------------------------------------------------------------------------------------------- */

/* nginx reads quoted strings; what could end them or stand for a variable is refused rather than guessed at. */
static enum btz_err check_path(const char *what, const char *path)
{
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < ' ' || strchr("\"'\\$;{}#", *p))
            return btz_fail(BTZ_USAGE, "%s: \"%.200s\" has a character that nginx cannot take",
                            what, path);
    return BTZ_OK;
}

static enum btz_err absolute(const char *what, const char *path, char *out, size_t size)
{
    BTZ_FREE char *real = realpath(path, NULL);

    if (!real)
        return btz_fail_errno(BTZ_IO, "%s %s", what, path);
    if (strlen(real) >= size)
        return btz_fail(BTZ_USAGE, "%s: the path is too long", what);
    memcpy(out, real, strlen(real) + 1);
    return check_path(what, out);
}

static enum btz_err join(const char *folder, const char *name, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/%s", folder, name);

    return n > 0 && (size_t)n < size ? BTZ_OK
                                     : btz_fail(BTZ_USAGE, "%s: the path is too long", folder);
}

/* ---- the text ----------------------------------------------------------------------------------------------------- */

static const char refused[] =
    "{\"type\":\"urn:bartizan:problem:refused\",\"title\":\"The request was refused before anybody "
    "looked at it\"}\n";
/* On the listener of models nobody is a browser: an error as most clients there read it. */
static const char unread[] =
    "{\"error\":{\"message\":\"the request could not be read\",\"type\":"
    "\"invalid_request_error\",\"param\":null,\"code\":\"bad_request\"}}\n";
static const char down[] =
    "{\"type\":\"urn:bartizan:problem:unreachable\",\"title\":\"The daemon does not answer\"}\n";

/* Streams may last for long: workers of an older configuration wait for theirs. */
static enum btz_err write_processes(const struct btz_front_options *o, const char *folder,
                                    struct btz_buf *out)
{
    bool models = btz_front_has_models(&o->models);
    int64_t workers = models && o->models.conf->workers ? o->models.conf->workers : 2;
    struct rlimit files = { .rlim_max = 1024 };

    (void)getrlimit(RLIMIT_NOFILE, &files);
    if (models)
        BTZ_TRY(btz_buf_printf(out, "load_module \"%s\";\n", o->models.module));
    if (models && files.rlim_max > 1024)
        BTZ_TRY(btz_buf_printf(out, "worker_rlimit_nofile %u;\n",
                               files.rlim_max < FILES_A_WORKER ? (unsigned)files.rlim_max
                                                               : FILES_A_WORKER));
    if (models && o->models.conf->workers == 0)
        BTZ_TRY(btz_buf_add_str(out, "worker_processes auto;\n"));
    else
        BTZ_TRY(btz_buf_printf(out, "worker_processes %" PRId64 ";\n", workers));
    if (models)
        BTZ_TRY(btz_front_models_main(out));
    return btz_buf_printf(out,
                          "daemon off;\n"
                          "worker_shutdown_timeout %s;\n"
                          "pid \"%s/nginx.pid\";\n"
                          "error_log stderr warn;\n"
                          "events { worker_connections %d; }\n"
                          "http {\n",
                          models ? "1h" : "5s", folder, models ? MODEL_CONNECTIONS : CONNECTIONS);
}

static enum btz_err write_main(const struct btz_front_options *o, const char *folder,
                               struct btz_buf *out)
{
    static const char *const temporary[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };

    BTZ_TRY(btz_buf_add_str(out, "# Written by `bartizan gate run`; changes are lost.\n"));
    if (o->worker_user)
        BTZ_TRY(btz_buf_printf(out, "user %s;\n", o->worker_user));
    BTZ_TRY(write_processes(o, folder, out));
    for (size_t i = 0; i < BTZ_COUNT(temporary); i++)
        BTZ_TRY(btz_buf_printf(out, "    %s_temp_path \"%s/temp/%s\";\n", temporary[i], folder,
                               temporary[i]));
    return btz_buf_add_str(
        out, "    access_log off;\n"
             "    server_tokens off;\n"
             "    types { }\n"
             "    default_type application/octet-stream;\n"
             /* Slow and greedy clients. */
             "    client_header_timeout 10s;\n"
             "    client_body_timeout 10s;\n"
             "    send_timeout 20s;\n"
             "    keepalive_timeout 30s;\n"
             "    keepalive_requests 1000;\n"
             "    reset_timedout_connection on;\n"
             "    client_header_buffer_size 4k;\n"
             "    large_client_header_buffers 4 8k;\n"
             "    client_max_body_size 1m;\n"
             "    client_body_buffer_size 64k;\n"
             "    http2_max_concurrent_streams 64;\n"
             /* Whoever has one address of IPv6 has 2^64 of them: they count as one. */
             "    map $binary_remote_addr $client {\n"
             "        \"~(?s)^\\x00{10}\\xff\\xff(?<four>.{4})\\z\" $four;\n"
             "        \"~(?s)^(?<network>.{8}).{8}\\z\" $network;\n"
             "        default $binary_remote_addr;\n"
             "    }\n"
             "    limit_conn_zone $client zone=connections:4m;\n"
             "    limit_req_zone $client zone=requests:4m rate=100r/s;\n"
             "    limit_req_zone $client zone=signing:4m rate=10r/s;\n"
             "    limit_conn_zone $server_name zone=uploads:64k;\n"
             "    map $http_content_length $artifact_size {\n"
             "        \"\" 0;\n"
             "        default $http_content_length;\n"
             "    }\n"
             "    limit_conn_status 429;\n"
             "    limit_req_status 429;\n");
}

static enum btz_err write_tls(const struct btz_front_options *o, const struct btz_front *f,
                              const char *client_ca, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(
        out,
        "    ssl_certificate \"%s\";\n"
        "    ssl_certificate_key \"%s\";\n"
        "    ssl_protocols TLSv1.2 TLSv1.3;\n"
        "    ssl_ciphers "
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;\n"
        "    ssl_prefer_server_ciphers off;\n"
        "    ssl_session_cache shared:tls:4m;\n"
        "    ssl_session_timeout 1h;\n"
        "    ssl_session_tickets off;\n",
        f->certificate, f->key));
    if (o->client_ca)
        BTZ_TRY(btz_buf_printf(out,
                               "    ssl_client_certificate \"%s\";\n"
                               "    ssl_verify_client optional;\n"
                               "    ssl_verify_depth 3;\n",
                               client_ca));
    return BTZ_OK;
}

/* What goes on to the daemon. Headers that say who somebody is are set here or taken away. A location that sets one header
 * has to set them all: it inherits none. */
static enum btz_err write_headers(const struct btz_front_options *o, const char *body_file,
                                  struct btz_buf *out)
{
    static const char *const dropped[] = {
        "X-Bartizan-Local",
        "X-Bartizan-Gate",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "Forwarded",
        "Proxy",
        "Upgrade",
        "TE",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Trailer",
        "Expect",
    };

    BTZ_TRY(btz_buf_add_str(out, "        proxy_http_version 1.1;\n"
                                 "        proxy_set_header Connection \"\";\n"
                                 "        proxy_set_header Host $http_host;\n"
                                 "        proxy_set_header X-Bartizan-Address $remote_addr;\n"
                                 "        proxy_set_header X-Bartizan-Request-Id $request_id;\n"));
    BTZ_TRY(btz_buf_printf(out, "        proxy_set_header X-Bartizan-Client-Cert %s;\n",
                           o->client_ca ? "$ssl_client_escaped_cert" : "\"\""));
    BTZ_TRY(btz_buf_printf(out, "        proxy_set_header X-Bartizan-Body-File %s;\n", body_file));
    for (size_t i = 0; i < BTZ_COUNT(dropped); i++)
        BTZ_TRY(btz_buf_printf(out, "        proxy_set_header %s \"\";\n", dropped[i]));
    return BTZ_OK;
}

/* Of whoever asks the daemon. Model routes have limits of their own, by caller and not by address. */
#define LIMITS                                                                                     \
    "            limit_conn connections 128;\n"                                                    \
    "            limit_req zone=requests burst=400 nodelay;\n"

static enum btz_err write_proxy(const struct btz_front_options *o, struct btz_buf *out)
{
    BTZ_TRY(write_headers(o, "\"\"", out));
    return btz_buf_add_str(out,
                           "        proxy_next_upstream off;\n"
                           "        proxy_connect_timeout 5s;\n"
                           "        proxy_send_timeout 30s;\n"
                           "        proxy_read_timeout 60s;\n"
                           "        proxy_buffers 8 16k;\n"
                           "        proxy_buffer_size 16k;\n"
                           "        proxy_max_temp_file_size 32m;\n"
                           "        proxy_redirect off;\n"
                           "        location / {\n"
                           "            if ($request_method = OPTIONS) { return 405; }\n" LIMITS
                           "            proxy_pass http://daemon;\n"
                           "        }\n"
                           /* Where strangers make the daemon work. */
                           "        location ~ ^/v1/(sign-in|enrol|oidc)(/|$) {\n"
                           "            if ($request_method = OPTIONS) { return 405; }\n" LIMITS
                           "            limit_req zone=signing burst=40 nodelay;\n"
                           "            proxy_pass http://daemon;\n"
                           "        }\n");
}

/* ---- the vault ------------------------------------------------------------------------------------------------------ */

#define ARTIFACT_NAME "[A-Za-z0-9][A-Za-z0-9._+-]{0,126}"

/* GET and HEAD: the daemon says whether and which file, nginx sends it. The entity tag is the digest, so that ranges of
 * two versions are never put together. */
static enum btz_err write_vault_reading(const struct btz_front_options *o, struct btz_buf *out)
{
    return btz_buf_printf(
        out,
        "        location ~ \"^/artifacts/(?<artifact>" ARTIFACT_NAME ")$\" {\n" LIMITS
        "            proxy_pass http://daemon/v1/artifacts/$artifact/versions/latest/content;\n"
        "        }\n"
        "        location ~ \"^/artifacts/(?<artifact>" ARTIFACT_NAME
        ")@(?<artifact_version>[0-9]{1,10}|latest)$\" {\n" LIMITS "            proxy_pass "
        "http://daemon/v1/artifacts/$artifact/versions/$artifact_version/content;\n"
        "        }\n"
        "        location /artifacts/ { return 404; }\n"
        "        location /.vault/ {\n"
        "            internal;\n"
        "            alias \"%s/\";\n"
        "            disable_symlinks on;\n"
        "            if_modified_since off;\n"
        "            etag off;\n"
        "            max_ranges 16;\n"
        "            add_header ETag $upstream_http_etag;\n"
        "            add_header Last-Modified \"\";\n"
        "            add_header Cache-Control \"private, no-cache\" always;\n"
        "            add_header X-Content-Type-Options nosniff always;\n"
        "            add_header Content-Security-Policy \"default-src 'none'; sandbox\" always;\n"
        "        }\n",
        o->vault);
}

#define UNREACHABLE                                                                                \
    "'{\"type\":\"urn:bartizan:problem:unreachable\",\"title\":\"The daemon does not answer\"}'"

/*
 * PUT: whether somebody may is asked before his body is taken; then it goes to a file whose name the daemon is told.
 * Rewritten before a location is found: nowhere else is a body of that size let in.
 */
static enum btz_err write_vault_writing(const struct btz_front_options *o, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "        if ($request_method = PUT) {\n"
                                 "            rewrite \"^/artifacts/(" ARTIFACT_NAME
                                 ")$\" /.vault-upload/$1 last;\n"
                                 "        }\n"
                                 "        location /.vault-upload/ {\n"
                                 "            internal;\n"
                                 "            rewrite ^/.vault-upload/(?<artifact>.*)$ "
                                 "/v1/artifacts/$artifact/versions break;\n"
                                 "            auth_request /.vault-allowed;\n"
                                 "            auth_request_set $artifact_needs "
                                 "$upstream_http_x_bartizan_needs;\n"
                                 "            auth_request_set $artifact_checked "
                                 "$upstream_status;\n"
                                 "            error_page 401 @vault_unknown;\n"
                                 "            error_page 403 @vault_denied;\n"
                                 /* Named: elsewhere the length of the body would be refused. */
                                 "            error_page 400 408 413 429 @vault_refused;\n"
                                 "            error_page 500 = @vault_full;\n"
                                 "            error_page 502 503 504 @vault_failed;\n"));
    BTZ_TRY(
        btz_buf_printf(out, "            client_max_body_size %" PRIu64 ";\n", o->artifact_max));
    BTZ_TRY(btz_buf_add_str(out, "            client_body_in_file_only clean;\n" LIMITS
                                 "            limit_conn uploads 4;\n"
                                 "            proxy_pass_request_body off;\n"
                                 "            proxy_set_header Content-Length \"\";\n"
                                 "            proxy_set_header Content-Type \"\";\n"
                                 "            proxy_method POST;\n"
                                 "            proxy_read_timeout 1h;\n"));
    BTZ_TRY(write_headers(o, "$request_body_file", out));
    BTZ_TRY(btz_buf_add_str(
        out, "            proxy_pass http://daemon;\n"
             "        }\n"
             "        location = /.vault-allowed {\n"
             "            internal;\n"
             /* It takes no body; the length of the one that waits counts all the same. */
             "            client_max_body_size 0;\n"
             "            proxy_pass_request_body off;\n"
             "            proxy_set_header Content-Length \"\";\n"
             "            proxy_set_header Content-Type \"\";\n"
             "            proxy_method POST;\n"));
    BTZ_TRY(write_headers(o, "\"\"", out));
    return btz_buf_add_str(
        out,
        "            proxy_pass http://daemon/v1/artifacts/$artifact/upload-check"
        "?size=$artifact_size;\n"
        "        }\n"
        "        location @vault_unknown {\n"
        "            default_type application/problem+json;\n"
        "            add_header Cache-Control no-store always;\n"
        "            return 401 "
        "'{\"type\":\"urn:bartizan:problem:unknown-caller\",\"title\":\"Who is asking is not "
        "known\",\"status\":401}';\n"
        "        }\n"
        "        location @vault_denied {\n"
        "            default_type application/problem+json;\n"
        "            add_header Cache-Control no-store always;\n"
        "            return 403 "
        "'{\"type\":\"urn:bartizan:problem:denied\",\"title\":\"This is not allowed\","
        "\"status\":403,\"needs\":\"$artifact_needs\"}';\n"
        "        }\n"
        "        location @vault_refused {\n"
        "            default_type application/problem+json;\n"
        "            add_header Cache-Control no-store always;\n"
        "            return 400 "
        "'{\"type\":\"urn:bartizan:problem:refused\",\"title\":\"The request was refused before "
        "anybody looked at it\"}';\n"
        "        }\n"
        /* nginx makes a 500 of what the check answers beyond 401 and 403, and of a body that it cannot write. */
        "        location @vault_full {\n"
        "            default_type application/problem+json;\n"
        "            add_header Cache-Control no-store always;\n"
        "            if ($artifact_checked ~ \"^(2|507)\") {\n"
        "                return 507 "
        "'{\"type\":\"urn:bartizan:problem:full\",\"title\":\"There is no room to write\","
        "\"status\":507,\"detail\":\"The disk of the gateway is full or fails; nothing was "
        "kept\"}';\n"
        "            }\n"
        "            return 503 " UNREACHABLE ";\n"
        "        }\n"
        "        location @vault_failed {\n"
        "            default_type application/problem+json;\n"
        "            add_header Cache-Control no-store always;\n"
        "            return 503 " UNREACHABLE ";\n"
        "        }\n");
}

static enum btz_err write_page(const char *status, const char *name, const char *folder,
                               struct btz_buf *out)
{
    return btz_buf_printf(
        out,
        "        error_page %s /%s;\n"
        "        location = /%s {\n"
        "            internal;\n"
        "            root \"%s/pages\";\n"
        "            default_type application/problem+json;\n"
        "            add_header Content-Security-Policy \"default-src 'none'\" always;\n"
        "            add_header X-Content-Type-Options nosniff always;\n"
        "            add_header Cache-Control no-store always;\n"
        "        }\n",
        status, name, name, folder);
}

static enum btz_err write_server(const struct btz_front_options *o, const struct btz_front *f,
                                 const char *folder, const char *socket_path, struct btz_buf *out)
{
    struct btz_front_models models = o->models;

    models.origin = f->origin;
    models.client_certificates = o->client_ca != NULL;
    BTZ_TRY(btz_buf_printf(out, "    upstream daemon { server \"unix:%s\"; keepalive 16; }\n",
                           socket_path));
    if (btz_front_has_models(&models))
        BTZ_TRY(btz_front_models_http(&models, out));
    if (btz_front_has_models(&models) && f->http_listen[0][0]) {
        const char *const plain[] = { f->http_listen[0], f->http_listen[1] };

        BTZ_TRY(btz_front_models_plain(&models, plain, BTZ_COUNT(plain), out));
    }
    BTZ_TRY(btz_buf_add_str(out, "    server {\n"));
    for (size_t i = 0; i < BTZ_COUNT(f->listen) && f->listen[i][0]; i++)
        BTZ_TRY(btz_buf_printf(out, "        listen %s ssl http2;\n", f->listen[i]));
    BTZ_TRY(btz_buf_printf(out,
                           "        server_name _;\n"
                           "        error_page 497 =307 %s/;\n"
                           "        if ($request_method !~ "
                           "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$) {\n"
                           "            return 405;\n"
                           "        }\n",
                           f->origin));
    BTZ_TRY(
        write_page("400 405 408 413 414 429 431 495 496 501 505", ".refused.json", folder, out));
    BTZ_TRY(write_page("500 502 503 504", ".down.json", folder, out));
    BTZ_TRY(write_proxy(o, out));
    BTZ_TRY(btz_front_has_models(&models)
                ? btz_front_models_server(&models, out)
                : btz_buf_add_str(out, "        error_page 494 /.refused.json;\n"));
    if (o->vault) {
        BTZ_TRY(write_vault_reading(o, out));
        BTZ_TRY(write_vault_writing(o, out));
    }
    return btz_buf_add_str(out, "    }\n}\n");
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

static enum btz_err make_folders(const char *folder)
{
    static const char *const below[] = { "temp", "pages" };
    char path[PATH_MAX];

    for (size_t i = 0; i < BTZ_COUNT(below); i++) {
        BTZ_TRY(join(folder, below[i], path, sizeof path));
        BTZ_TRY(btz_file_mkdirs(path, 0700));
    }
    BTZ_TRY(join(folder, "pages/.refused.json", path, sizeof path));
    BTZ_TRY(btz_file_write(path, btz_str(refused), 0644));
    BTZ_TRY(join(folder, "pages/.unread.json", path, sizeof path));
    BTZ_TRY(btz_file_write(path, btz_str(unread), 0644));
    BTZ_TRY(join(folder, "pages/.down.json", path, sizeof path));
    return btz_file_write(path, btz_str(down), 0644);
}

enum btz_err btz_front_empty_spool(const char *folder)
{
    char path[PATH_MAX];
    enum btz_err err = BTZ_OK;
    struct dirent *entry;
    DIR *spool;

    BTZ_TRY(join(folder, "temp/client_body", path, sizeof path));
    spool = opendir(path);
    if (!spool)
        return errno == ENOENT ? BTZ_OK : btz_fail_errno(BTZ_IO, "%s", path);
    while (err == BTZ_OK && (entry = readdir(spool)) != NULL)
        if (entry->d_name[0] != '.' && unlinkat(dirfd(spool), entry->d_name, 0) != 0 &&
            errno != ENOENT)
            err = btz_fail_errno(BTZ_IO, "%s/%s", path, entry->d_name);
    closedir(spool);
    return err;
}

static enum btz_err take_certificate(const struct btz_front_options *o, const char *folder,
                                     struct btz_front *out)
{
    if (!o->certificate != !o->key)
        return btz_fail(BTZ_USAGE, "a certificate and its key are given together");
    if (o->certificate) {
        BTZ_TRY(absolute("certificate", o->certificate, out->certificate, sizeof out->certificate));
        BTZ_TRY(absolute("key", o->key, out->key, sizeof out->key));
        return btz_front_check_pair(out->certificate, out->key);
    }
    out->self_signed = true;
    BTZ_TRY(join(folder, "self-signed.pem", out->certificate, sizeof out->certificate));
    BTZ_TRY(join(folder, "self-signed.key", out->key, sizeof out->key));
    return btz_front_self_signed(out->certificate, out->key, out->host, &out->renew_s);
}

static enum btz_err take_origin(const struct btz_front_options *o, struct btz_front *out)
{
    bool any = strcmp(out->host, "0.0.0.0") == 0 || strcmp(out->host, "::") == 0;

    if (o->origin && *o->origin) {
        if (strlen(o->origin) >= sizeof out->origin)
            return btz_fail(BTZ_USAGE, "origin: too long");
        memcpy(out->origin, o->origin, strlen(o->origin) + 1);
        return check_path("origin", out->origin);
    }
    if (strcmp(out->host, "127.0.0.1") == 0 || strcmp(out->host, "::1") == 0 || any)
        snprintf(out->origin, sizeof out->origin, "https://localhost:%u", out->port);
    else
        snprintf(out->origin, sizeof out->origin,
                 strchr(out->host, ':') ? "https://[%s]:%u" : "https://%s:%u", out->host,
                 out->port);
    return BTZ_OK;
}

/* The plain listener is for this machine: whatever passes there can be read on its way. */
static enum btz_err take_http(const struct btz_front_options *o, struct btz_front *out)
{
    struct btz_front plain = { 0 };
    enum btz_err err;

    if (!btz_front_has_models(&o->models) || !o->models.http || !*o->models.http)
        return BTZ_OK;
    err = btz_front_listen(o->models.http, &plain);
    if (err != BTZ_OK)
        return btz_fail_context(err, "gate.http (--http)");
    if (!plain.loopback)
        return btz_fail(BTZ_USAGE,
                        "gate.http (--http): \"%.80s\" is not of this machine; use https there",
                        o->models.http);
    memcpy(out->http_listen, plain.listen, sizeof out->http_listen);
    snprintf(out->http, sizeof out->http,
             strchr(plain.host, ':') ? "http://[%s]:%u" : "http://%s:%u", plain.host, plain.port);
    return BTZ_OK;
}

static enum btz_err take_listen(const struct btz_front_options *o, struct btz_front *out)
{
    enum btz_err err;

    if (o->again) {
        *out = *o->again;
        return BTZ_OK;
    }
    err = btz_front_listen(o->listen ? o->listen : BTZ_FRONT_LISTEN, out);
    return err == BTZ_OK ? take_http(o, out) : btz_fail_context(err, "--listen");
}

static enum btz_err check_models(const struct btz_front_models *m)
{
    const struct btz_upstream_conf *u = m->conf->upstreams.items;

    BTZ_TRY(check_path("module", m->module));
    BTZ_TRY(check_path("settings", m->settings));
    BTZ_TRY(check_path("state folder", m->state));
    for (size_t i = 0; i < m->conf->upstreams.count; i++)
        if (u[i].ca_file)
            BTZ_TRY(check_path("ca_file", u[i].ca_file));
    return BTZ_OK;
}

enum btz_err btz_front_write(const struct btz_front_options *o, struct btz_front *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(CONF_MAX);
    char folder[2048], client_ca[PATH_MAX] = "";

    memset(out, 0, sizeof *out);
    BTZ_TRY(btz_file_mkdirs(o->folder, 0700));
    BTZ_TRY(absolute("state folder", o->folder, folder, sizeof folder));
    BTZ_TRY(check_path("socket", o->socket));
    BTZ_TRY(take_listen(o, out));
    BTZ_TRY(take_origin(o, out));
    if (btz_front_has_models(&o->models))
        BTZ_TRY(check_models(&o->models));
    BTZ_TRY(make_folders(folder));
    BTZ_TRY(take_certificate(o, folder, out));
    if (o->client_ca)
        BTZ_TRY(absolute("client-ca", o->client_ca, client_ca, sizeof client_ca));
    BTZ_TRY(join(folder, o->name ? o->name : "nginx.conf", out->conf, sizeof out->conf));
    BTZ_TRY(write_main(o, folder, &text));
    BTZ_TRY(write_tls(o, out, client_ca, &text));
    BTZ_TRY(write_server(o, out, folder, o->socket, &text));
    return btz_file_write(out->conf, btz_buf_slice(&text), 0600);
}
