/*
 * A server for tests: loopback, a free port, one thread a connection, able to misbehave. Included as one piece by
 * the tests that need it (each test is one program of one file).
 */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include <stdatomic.h>

#include "base/base.h"

struct test_server;
struct test_conn;

struct test_request {
    char method[16], path[2048];
    char *headers; /* raw, NUL-terminated, without the request line */
    char *body;    /* NUL-terminated */
    size_t body_len;
    unsigned number; /* of this server, from 1 */
    bool tls;
};

/* Answers on the connection. Runs in the connection's thread; several at a time. */
typedef void (*test_handler)(struct test_conn *c, const struct test_request *r, void *user);

/* A made-up authority with certificates, as PEM files in a folder of its own. */
struct test_pki {
    char dir[64];
    char ca[96], server_cert[96], server_key[96], client_cert[96], client_key[96];
    char other_ca[96];                        /* signed nothing */
    char stranger_cert[96], stranger_key[96]; /* by `ca`, for the host stranger.example */
};
void test_pki_make(struct test_pki *p);
void test_pki_remove(struct test_pki *p);

struct test_server_opts {
    const char *cert, *key; /* TLS when set */
    const char *client_ca;  /* asks for a client certificate */
    bool tls_after_connect; /* a proxy: plain until CONNECT, which leads to this very server */
    bool http2;             /* offers h2 by ALPN; every reply is then 200 with h2_body */
    const char *h2_body;
    bool socks5;  /* each connection begins with a SOCKS5 handshake that is granted */
    bool garbage; /* speaks no HTTP at all */
};
struct test_server *test_server_start(test_handler handler, void *user,
                                      const struct test_server_opts *opts);
void test_server_stop(struct test_server *s);
unsigned test_server_port(const struct test_server *s);
unsigned test_server_connections(const struct test_server *s);
unsigned test_server_requests(const struct test_server *s);
/* A loopback port nobody listens on. */
unsigned test_free_port(void);

/* For handlers. False once the peer is gone or the server stops. */
bool test_send(struct test_conn *c, const void *bytes, size_t n);
bool test_reply(struct test_conn *c, unsigned status, const char *headers, const char *body);
void test_hang_up(struct test_conn *c);   /* after the handler */
bool test_wait_gone(struct test_conn *c); /* sleeps until the peer hangs up or the server stops */
/* Value of a request header into `out`; false when absent. */
bool test_header(const struct test_request *r, const char *name, char *out, size_t room);

#endif
