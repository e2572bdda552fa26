#include "watch/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define CONNECT_MS 10000
#define SEND_MS    30000

struct btz_wire {
    int fd, wake;
    SSL_CTX *ctx;
    SSL *ssl;
    char host[256], port[8];
};

/* "host:port", "[v6]:port". */
static enum btz_err split_address(const char *address, char host[256], char port[8])
{
    const char *colon = strrchr(address, ':'), *from = address;
    size_t len = colon ? (size_t)(colon - address) : 0;
    uint64_t number;

    if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
        from++;
        len -= 2;
    }
    if (len == 0 || len > 255 || memchr(from, ' ', len) ||
        btz_parse_u64(btz_str(colon + 1), &number) != BTZ_OK || number == 0 || number > 65535)
        return btz_fail(BTZ_USAGE, "access.forward: expected host:port, found \"%.128s\"", address);
    snprintf(host, 256, "%.*s", (int)len, from);
    snprintf(port, 8, "%u", (unsigned)number);
    return BTZ_OK;
}

/* ---- TLS ---- */

static enum btz_err tls_fail(enum btz_err err, const char *what)
{
    char text[256];
    unsigned long code = ERR_peek_last_error();

    ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return btz_fail(err, "%s: %s", what, code ? text : "the connection ended");
}

static enum btz_err make_context(const struct btz_wire_options *o, SSL_CTX **out)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int ok = ctx != NULL;

    if (ok)
        ok = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1;
    if (ok)
        ok = o->ca_file && o->ca_file[0] ? SSL_CTX_load_verify_locations(ctx, o->ca_file, NULL)
                                         : SSL_CTX_set_default_verify_paths(ctx);
    if (!ok) {
        SSL_CTX_free(ctx);
        return tls_fail(BTZ_USAGE, o->ca_file && o->ca_file[0] ? o->ca_file : "TLS");
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *out = ctx;
    return BTZ_OK;
}

static bool is_ip(const char *host)
{
    uint8_t address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static enum btz_err name_peer(struct btz_wire *w, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(w->ssl);
    int ok;

    if (is_ip(name)) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, name);
    } else {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        /* What SSL_set_tlsext_host_name() does, whose cast of a constant clang refuses. */
        ok = X509_VERIFY_PARAM_set1_host(param, name, 0) &&
             SSL_ctrl(w->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                      (void *)(uintptr_t)name) == 1;
    }
    return ok ? BTZ_OK : tls_fail(BTZ_USAGE, name);
}

/* ---- waiting ---- */

/* Until the socket is ready; false when it is not in time, or somebody wants the thread. */
static bool await(const struct btz_wire *w, short events, unsigned ms, bool *woken)
{
    struct pollfd fds[2] = { { .fd = w->fd, .events = events },
                             { .fd = w->wake, .events = POLLIN } };
    int n;

    *woken = false;
    do {
        n = poll(fds, 2, (int)ms);
    } while (n < 0 && errno == EINTR);
    *woken = n > 0 && fds[1].revents != 0;
    return n > 0 && fds[0].revents != 0;
}

static enum btz_err await_or_fail(const struct btz_wire *w, short events, unsigned ms)
{
    bool woken;

    if (await(w, events, ms, &woken))
        return BTZ_OK;
    return btz_fail(BTZ_UNREACHABLE, "%s:%s: %s", w->host, w->port,
                    woken ? "stopped" : "no answer in time");
}

/* What TLS waits for after `n` was returned. */
static enum btz_err tls_wait(struct btz_wire *w, int n, unsigned ms)
{
    switch (SSL_get_error(w->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return await_or_fail(w, POLLIN, ms);
    case SSL_ERROR_WANT_WRITE:
        return await_or_fail(w, POLLOUT, ms);
    default:
        return tls_fail(BTZ_UNREACHABLE, w->host);
    }
}

/* ---- connecting ---- */

static enum btz_err connect_one(struct btz_wire *w, const struct addrinfo *a)
{
    int error = 0, on = 1;
    socklen_t size = sizeof error;

    w->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (w->fd < 0)
        return btz_fail_errno(BTZ_UNREACHABLE, "socket");
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(w->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        return btz_fail_errno(BTZ_UNREACHABLE, "%s:%s", w->host, w->port);
    BTZ_TRY(await_or_fail(w, POLLOUT, CONNECT_MS));
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    errno = error;
    return error ? btz_fail_errno(BTZ_UNREACHABLE, "%s:%s", w->host, w->port) : BTZ_OK;
}

static enum btz_err connect_any(struct btz_wire *w)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *list = NULL;
    enum btz_err err = BTZ_UNREACHABLE;
    int failed = getaddrinfo(w->host, w->port, &hints, &list);

    if (failed)
        return btz_fail(BTZ_UNREACHABLE, "%s: %s", w->host, gai_strerror(failed));
    for (const struct addrinfo *a = list; a && err != BTZ_OK; a = a->ai_next) {
        btz_close_fd(&w->fd);
        err = connect_one(w, a);
    }
    freeaddrinfo(list);
    return err;
}

static enum btz_err shake_hands(struct btz_wire *w, const struct btz_wire_options *o)
{
    int n;

    BTZ_TRY(make_context(o, &w->ctx));
    w->ssl = SSL_new(w->ctx);
    if (!w->ssl || SSL_set_fd(w->ssl, w->fd) != 1)
        return tls_fail(BTZ_UNREACHABLE, "TLS");
    BTZ_TRY(name_peer(w, o->name && o->name[0] ? o->name : w->host));
    while ((n = SSL_connect(w->ssl)) != 1) {
        long why = SSL_get_verify_result(w->ssl);

        if (why != X509_V_OK)
            return btz_fail(BTZ_UNREACHABLE, "%s: its certificate is not good: %s", w->host,
                            X509_verify_cert_error_string(why));
        BTZ_TRY(tls_wait(w, n, CONNECT_MS));
    }
    return BTZ_OK;
}

enum btz_err btz_wire_check(const struct btz_wire_options *o)
{
    char host[256], port[8];
    SSL_CTX *ctx = NULL;

    BTZ_TRY(split_address(o->address, host, port));
    if (o->tls)
        BTZ_TRY(make_context(o, &ctx));
    SSL_CTX_free(ctx);
    return BTZ_OK;
}

enum btz_err btz_wire_open(const struct btz_wire_options *o, struct btz_wire **out)
{
    struct btz_wire *w = calloc(1, sizeof *w);
    enum btz_err err;

    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w->fd = -1;
    w->wake = o->wake;
    err = split_address(o->address, w->host, w->port);
    if (err == BTZ_OK)
        err = connect_any(w);
    if (err == BTZ_OK && o->tls)
        err = shake_hands(w, o);
    if (err != BTZ_OK) {
        btz_wire_close(w);
        return err;
    }
    *out = w;
    return BTZ_OK;
}

void btz_wire_close(struct btz_wire *w)
{
    if (!w)
        return;
    SSL_free(w->ssl);
    SSL_CTX_free(w->ctx);
    btz_close_fd(&w->fd);
    free(w);
}

/* ---- bytes ---- */

static enum btz_err send_some(struct btz_wire *w, struct btz_slice bytes, size_t *sent)
{
    ssize_t n;

    *sent = 0;
    if (w->ssl) {
        int m = SSL_write(w->ssl, bytes.ptr, bytes.len > 65536 ? 65536 : (int)bytes.len);

        if (m <= 0)
            return tls_wait(w, m, SEND_MS);
        *sent = (size_t)m;
        return BTZ_OK;
    }
    n = send(w->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return await_or_fail(w, POLLOUT, SEND_MS);
    if (n < 0)
        return btz_fail_errno(BTZ_UNREACHABLE, "send to %s:%s", w->host, w->port);
    *sent = (size_t)n;
    return BTZ_OK;
}

enum btz_err btz_wire_send(struct btz_wire *w, struct btz_slice bytes)
{
    size_t sent;

    while (bytes.len > 0) {
        BTZ_TRY(send_some(w, bytes, &sent));
        bytes = btz_slice_sub(bytes, sent, bytes.len - sent);
    }
    return BTZ_OK;
}

/* Reads what is there and drops it. *ended: the other side closed in good order. */
static enum btz_err drain(struct btz_wire *w, bool *ended)
{
    uint8_t bytes[4096];

    *ended = false;
    for (;;) {
        if (w->ssl) {
            int n = SSL_read(w->ssl, bytes, sizeof bytes);
            int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(w->ssl, n);

            *ended = why == SSL_ERROR_ZERO_RETURN;
            if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE || *ended)
                return BTZ_OK;
            if (n <= 0)
                return tls_fail(BTZ_UNREACHABLE, w->host);
        } else {
            ssize_t n = recv(w->fd, bytes, sizeof bytes, 0);

            *ended = n == 0;
            if (*ended || (n < 0 && errno == EAGAIN))
                return BTZ_OK;
            if (n < 0 && errno != EINTR)
                return btz_fail_errno(BTZ_UNREACHABLE, "%s:%s", w->host, w->port);
        }
    }
}

enum btz_err btz_wire_wait(struct btz_wire *w, unsigned ms)
{
    bool woken, ended;

    if (!await(w, POLLIN, ms, &woken))
        return BTZ_OK;
    BTZ_TRY(drain(w, &ended));
    return ended ? btz_fail(BTZ_UNREACHABLE, "%s:%s closed the connection", w->host, w->port)
                 : BTZ_OK;
}

bool btz_wire_is_acknowledged(const struct btz_wire *w)
{
    int waiting = 1;

    return ioctl(w->fd, SIOCOUTQ, &waiting) == 0 && waiting == 0;
}

bool btz_wire_finish(struct btz_wire *w, unsigned ms)
{
    uint64_t until = btz_clock_ns() + (uint64_t)ms * 1000000;
    bool ended = false;

    w->wake = -1;
    if (w->ssl)
        (void)SSL_shutdown(w->ssl);
    else
        (void)shutdown(w->fd, SHUT_WR);
    for (uint64_t now = btz_clock_ns(); !ended && now < until; now = btz_clock_ns()) {
        bool woken;

        if (await(w, POLLIN, (unsigned)((until - now) / 1000000 + 1), &woken) &&
            drain(w, &ended) != BTZ_OK)
            return false;
    }
    return ended;
}
