#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "test_server.h"

#define TEST_CONNS 4096

struct test_conn {
    struct test_server *server;
    pthread_t thread;
    int fd;
    SSL *ssl;
    bool hang_up;
    char *in;
    size_t in_len, in_cap;
};

struct test_server {
    test_handler handler;
    void *user;
    struct test_server_opts opts;
    SSL_CTX *tls;
    int listener, wake[2]; /* wake[0] becomes readable when the server stops */
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct test_conn *conns[TEST_CONNS];
    atomic_uint conn_count;
    atomic_uint requests;
    atomic_bool stopping;
};

static void test_die(const char *what)
{
    fprintf(stderr, "test server: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

/* ---- bytes ---- */

/* Waits for what the socket needs, or for the end of the server. */
static bool test_ready(struct test_conn *c, short events)
{
    struct pollfd p[2] = { { .fd = c->fd, .events = events },
                           { .fd = c->server->wake[0], .events = POLLIN } };

    while (poll(p, 2, -1) < 0)
        ;
    return p[1].revents == 0;
}

static ssize_t test_read_some(struct test_conn *c, char *out, size_t n)
{
    for (;;) {
        ssize_t got;
        int k;

        if (!c->ssl) {
            if (!test_ready(c, POLLIN))
                return -1;
            got = recv(c->fd, out, n, 0);
            return got;
        }
        if (SSL_pending(c->ssl) == 0 && !test_ready(c, POLLIN))
            return -1;
        k = SSL_read(c->ssl, out, (int)n);
        if (k > 0)
            return k;
        if (SSL_get_error(c->ssl, k) != SSL_ERROR_WANT_READ)
            return -1;
    }
}

bool test_send(struct test_conn *c, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t k;

        if (!test_ready(c, POLLOUT))
            return false;
        if (c->ssl)
            k = SSL_write(c->ssl, p, (int)(n > 16384 ? 16384 : n));
        else
            k = send(c->fd, p, n > 65536 ? 65536 : n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

bool test_wait_gone(struct test_conn *c)
{
    char sink[4096];

    while (test_read_some(c, sink, sizeof sink) > 0)
        ;
    return true;
}

void test_hang_up(struct test_conn *c)
{
    c->hang_up = true;
}

bool test_reply(struct test_conn *c, unsigned status, const char *headers, const char *body)
{
    char head[2048];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %u Status\r\nContent-Length: %zu\r\n%s\r\n",
                     status, strlen(body), headers ? headers : "");

    return test_send(c, head, (size_t)n) && test_send(c, body, strlen(body));
}

bool test_header(const struct test_request *r, const char *name, char *out, size_t room)
{
    size_t len = strlen(name);

    for (const char *p = r->headers; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
            snprintf(out, room, "%.*s", (int)strcspn(p + len + 2, "\r\n"), p + len + 2);
            return true;
        }
    return false;
}

/* ---- HTTP/1.1 ---- */

static bool test_fill(struct test_conn *c, size_t want)
{
    while (c->in_len < want) {
        ssize_t n;

        if (c->in_cap - c->in_len < 65536) {
            c->in_cap = c->in_cap * 2 + 131072;
            c->in = realloc(c->in, c->in_cap);
            if (!c->in)
                test_die("memory");
        }
        n = test_read_some(c, c->in + c->in_len, c->in_cap - c->in_len - 1);
        if (n <= 0)
            return false;
        c->in_len += (size_t)n;
    }
    return true;
}

static void test_accept_tls(struct test_conn *c)
{
    c->ssl = SSL_new(c->server->tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        test_die("SSL_new");
    if (SSL_accept(c->ssl) != 1) {
        ERR_clear_error();
        c->hang_up = true;
    }
}

static bool test_one_request(struct test_conn *c)
{
    struct test_request r = { .tls = c->ssl != NULL };
    char *end, *line, text[32] = "0";
    size_t head, total;

    while (!c->in || !(end = memmem(c->in, c->in_len, "\r\n\r\n", 4)))
        if (!test_fill(c, c->in_len + 1))
            return false;
    head = (size_t)(end - c->in) + 4;
    end[2] = '\0';
    line = strstr(c->in, "\r\n") + 2;
    /* "METHOD PATH HTTP/1.1" */
    snprintf(r.method, sizeof r.method, "%.*s", (int)strcspn(c->in, " "), c->in);
    snprintf(r.path, sizeof r.path, "%.*s", (int)strcspn(strchr(c->in, ' ') + 1, " "),
             strchr(c->in, ' ') + 1);
    r.headers = strdup(line);
    test_header(&r, "content-length", text, sizeof text);
    r.body_len = strtoul(text, NULL, 10);
    total = head + r.body_len;
    if (!test_fill(c, total)) {
        free(r.headers);
        return false;
    }
    r.body = strndup(c->in + head, r.body_len);
    memmove(c->in, c->in + total, c->in_len - total);
    c->in_len -= total;
    r.number = atomic_fetch_add(&c->server->requests, 1) + 1;
    if (strcmp(r.method, "CONNECT") == 0) {
        test_send(c, "HTTP/1.1 200 Connected\r\n\r\n", 26);
        test_accept_tls(c);
    } else {
        c->server->handler(c, &r, c->server->user);
    }
    free(r.headers);
    free(r.body);
    return !c->hang_up;
}

/* ---- HTTP/2 (RFC 9113), as little as answers a client: header blocks are not decoded ---- */

static bool test_frame(struct test_conn *c, uint8_t type, uint8_t flags, uint32_t stream,
                       const void *payload, size_t n)
{
    uint8_t head[9] = { (uint8_t)(n >> 16),
                        (uint8_t)(n >> 8),
                        (uint8_t)n,
                        type,
                        flags,
                        (uint8_t)(stream >> 24),
                        (uint8_t)(stream >> 16),
                        (uint8_t)(stream >> 8),
                        (uint8_t)stream };

    return test_send(c, head, sizeof head) && (n == 0 || test_send(c, payload, n));
}

static bool test_h2_frame(struct test_conn *c)
{
    static const uint8_t status_200 = 0x88; /* RFC 7541 appendix A, index 8 */
    const uint8_t *p;
    size_t n;
    uint32_t stream;
    bool ok = true;

    if (!test_fill(c, 9))
        return false;
    p = (const uint8_t *)c->in;
    n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
    if (!test_fill(c, 9 + n))
        return false;
    p = (const uint8_t *)c->in;
    stream = (uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8];
    if (p[3] == 4 && !(p[4] & 1))
        ok = test_frame(c, 4, 1, 0, NULL, 0);
    else if (p[3] == 6 && !(p[4] & 1))
        ok = test_frame(c, 6, 1, 0, p + 9, n);
    else if ((p[3] == 0 || p[3] == 1) && (p[4] & 1)) {
        const char *body = c->server->opts.h2_body;

        atomic_fetch_add(&c->server->requests, 1);
        ok = test_frame(c, 1, 4, stream, &status_200, 1) &&
             test_frame(c, 0, 1, stream, body, strlen(body));
    }
    memmove(c->in, c->in + 9 + n, c->in_len - 9 - n);
    c->in_len -= 9 + n;
    return ok && p[3] != 7;
}

static void test_h2(struct test_conn *c)
{
    if (!test_fill(c, 24) || memcmp(c->in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24) != 0)
        return;
    memmove(c->in, c->in + 24, c->in_len - 24);
    c->in_len -= 24;
    if (test_frame(c, 4, 0, 0, NULL, 0))
        while (test_h2_frame(c))
            ;
}

static int test_choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                          const unsigned char *in, unsigned in_len, void *user)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";

    (void)ssl;
    (void)user;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof ours - 1,
                                 in, in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/* ---- connections ---- */

static bool test_socks5(struct test_conn *c)
{
    /* RFC 1928: greeting, method; request with an IPv4 address, granted. */
    if (!test_fill(c, 2) || !test_fill(c, 2 + (size_t)(uint8_t)c->in[1]))
        return false;
    c->in_len = 0;
    if (!test_send(c, "\x05\x00", 2) || !test_fill(c, 10) || c->in[3] != 1)
        return false;
    c->in_len = 0;
    return test_send(c, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10);
}

static void *test_conn_main(void *arg)
{
    struct test_conn *c = arg;
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;

    if (c->server->opts.socks5 && !test_socks5(c))
        c->hang_up = true;
    if (c->server->tls && !c->hang_up && !c->server->opts.tls_after_connect)
        test_accept_tls(c);
    if (c->ssl)
        SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
    if (c->server->opts.garbage) {
        test_send(c, "220 mail.example ESMTP ready\r\n", 30);
    } else if (!c->hang_up && alpn_len == 2) {
        test_h2(c);
    } else {
        while (!c->hang_up && test_one_request(c))
            ;
    }
    shutdown(c->fd, SHUT_RDWR);
    return NULL;
}

static void *test_server_main(void *arg)
{
    struct test_server *s = arg;
    struct pollfd p[2] = { { .fd = s->listener, .events = POLLIN },
                           { .fd = s->wake[0], .events = POLLIN } };

    for (;;) {
        struct test_conn *c;
        int fd, on = 1;

        if (poll(p, 2, -1) < 0)
            continue;
        if (p[1].revents != 0)
            return NULL;
        fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c = calloc(1, sizeof *c);
        if (!c || s->conn_count == TEST_CONNS)
            test_die("connections");
        c->server = s;
        c->fd = fd;
        pthread_mutex_lock(&s->lock);
        s->conns[s->conn_count++] = c;
        pthread_mutex_unlock(&s->lock);
        if (pthread_create(&c->thread, NULL, test_conn_main, c) != 0)
            test_die("thread");
    }
}

static void test_server_tls(struct test_server *s)
{
    s->tls = SSL_CTX_new(TLS_server_method());
    if (!s->tls || SSL_CTX_use_certificate_chain_file(s->tls, s->opts.cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(s->tls, s->opts.key, SSL_FILETYPE_PEM) != 1)
        test_die("certificate");
    if (s->opts.client_ca) {
        if (SSL_CTX_load_verify_locations(s->tls, s->opts.client_ca, NULL) != 1)
            test_die("client authority");
        SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (s->opts.http2)
        SSL_CTX_set_alpn_select_cb(s->tls, test_choose_h2, NULL);
}

static int test_listen(unsigned *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        test_die("listen");
    *port = ntohs(a.sin_port);
    return fd;
}

struct test_server *test_server_start(test_handler handler, void *user,
                                      const struct test_server_opts *opts)
{
    struct test_server *s = calloc(1, sizeof *s);

    if (!s)
        test_die("memory");
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write() */
    s->handler = handler;
    s->user = user;
    if (opts)
        s->opts = *opts;
    if (s->opts.cert)
        test_server_tls(s);
    s->listener = test_listen(&s->port);
    pthread_mutex_init(&s->lock, NULL);
    if (pipe2(s->wake, O_CLOEXEC) != 0 ||
        pthread_create(&s->thread, NULL, test_server_main, s) != 0)
        test_die("thread");
    return s;
}

void test_server_stop(struct test_server *s)
{
    atomic_store(&s->stopping, true);
    close(s->wake[1]);
    pthread_join(s->thread, NULL);
    for (unsigned i = 0; i < s->conn_count; i++) {
        struct test_conn *c = s->conns[i];

        shutdown(c->fd, SHUT_RDWR);
        pthread_join(c->thread, NULL);
        SSL_free(c->ssl);
        close(c->fd);
        free(c->in);
        free(c);
    }
    close(s->wake[0]);
    close(s->listener);
    SSL_CTX_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

unsigned test_server_port(const struct test_server *s)
{
    return s->port;
}

unsigned test_server_requests(const struct test_server *s)
{
    return atomic_load(&s->requests);
}

unsigned test_server_connections(const struct test_server *s)
{
    return atomic_load(&s->conn_count);
}

unsigned test_free_port(void)
{
    unsigned port;

    close(test_listen(&port));
    return port;
}

/* ---- certificates ---- */

static EVP_PKEY *test_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(path, "w");

    if (!key || !f || PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 1)
        test_die("key");
    fclose(f);
    return key;
}

static void test_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (!e || X509_add_ext(cert, e, -1) != 1)
        test_die("extension");
    X509_EXTENSION_free(e);
}

/* issuer NULL: signs itself, an authority. */
static X509 *test_cert(const char *path, const char *name, const char *alt, EVP_PKEY *key,
                       X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial;
    X509 *cert = X509_new();
    X509_NAME *subject = cert ? X509_get_subject_name(cert) : NULL;
    FILE *f = fopen(path, "w");

    if (!f || !cert || X509_set_version(cert, 2) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial) != 1 ||
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                   0) != 1)
        test_die("certificate");
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
    X509_set_pubkey(cert, key);
    test_extend(cert, issuer ? issuer : cert, NID_basic_constraints,
                issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (alt)
        test_extend(cert, issuer, NID_subject_alt_name, alt);
    if (X509_sign(cert, issuer_key, EVP_sha256()) == 0 || PEM_write_X509(f, cert) != 1)
        test_die("sign");
    fclose(f);
    return cert;
}

static void test_leaf(const char *cert_path, const char *key_path, const char *name,
                      const char *alt, X509 *ca, EVP_PKEY *ca_key)
{
    EVP_PKEY *key = test_key(key_path);

    X509_free(test_cert(cert_path, name, alt, key, ca, ca_key));
    EVP_PKEY_free(key);
}

void test_pki_make(struct test_pki *p)
{
    char scratch[96];
    EVP_PKEY *key;
    X509 *ca;

    snprintf(p->dir, sizeof p->dir, "/tmp/btz-pki-XXXXXX");
    if (!mkdtemp(p->dir))
        test_die("mkdtemp");
#define IN_DIR(field, name) snprintf(p->field, sizeof p->field, "%s/%s", p->dir, name)
    IN_DIR(ca, "ca.pem");
    IN_DIR(server_cert, "server.pem");
    IN_DIR(server_key, "server.key");
    IN_DIR(client_cert, "client.pem");
    IN_DIR(client_key, "client.key");
    IN_DIR(other_ca, "other.pem");
    IN_DIR(stranger_cert, "stranger.pem");
    IN_DIR(stranger_key, "stranger.key");
#undef IN_DIR
    snprintf(scratch, sizeof scratch, "%s/scratch.key", p->dir);
    key = test_key(scratch);
    X509_free(test_cert(p->other_ca, "other test authority", NULL, key, NULL, key));
    EVP_PKEY_free(key);
    key = test_key(scratch);
    ca = test_cert(p->ca, "test authority", NULL, key, NULL, key);
    test_leaf(p->server_cert, p->server_key, "localhost", "IP:127.0.0.1,DNS:localhost", ca, key);
    test_leaf(p->client_cert, p->client_key, "client", NULL, ca, key);
    test_leaf(p->stranger_cert, p->stranger_key, "stranger", "DNS:stranger.example", ca, key);
    unlink(scratch);
    X509_free(ca);
    EVP_PKEY_free(key);
}

void test_pki_remove(struct test_pki *p)
{
    const char *files[] = { p->ca,         p->server_cert, p->server_key,    p->client_cert,
                            p->client_key, p->other_ca,    p->stranger_cert, p->stranger_key };

    for (size_t i = 0; i < BTZ_COUNT(files); i++)
        unlink(files[i]);
    rmdir(p->dir);
}
