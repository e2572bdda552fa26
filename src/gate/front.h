/*
 * front: stock nginx before the daemon. TLS, HTTP/2, limits and timeouts are its work; it speaks to the daemon over a
 * Unix socket and says, in headers that clients cannot set, where a request came from.
 */
#ifndef BTZ_GATE_FRONT_H
#define BTZ_GATE_FRONT_H

#include "base/base.h"

#define BTZ_FRONT_LISTEN "localhost:8443"

struct btz_front_options {
    const char *folder; /* made when missing, 0700: everything nginx writes is in it */
    const char *socket; /* of the daemon */
    const char *listen; /* "localhost:8443", "0.0.0.0:443", "[::1]:0"; port 0: a free one */
    const char *certificate,
        *key;                /* PEM; NULL: self-signed ones in the folder, kept while they last */
    const char *client_ca;   /* PEM; NULL: client certificates are not asked for */
    const char *worker_user; /* when root starts it; NULL: no change */
    const char *origin;      /* NULL or empty: https://HOST:PORT of `listen` */
    const char *vault;       /* folder of /artifacts/; NULL: not served */
    uint64_t artifact_max;   /* bytes of one upload */
};
struct btz_front {
    char listen[2][80]; /* addresses as nginx takes them; the second may be empty */
    char host[72];      /* of the URL */
    uint16_t port;
    char origin[300];
    char conf[4096], certificate[4096], key[4096]; /* paths */
    bool self_signed, loopback;
};
/* Checks the options, makes what is missing, writes the configuration. Errors: USAGE, INPUT (a certificate), IO. */
BTZ_CHECKED enum btz_err btz_front_write(const struct btz_front_options *o, struct btz_front *out);

/* ---- parts -------------------------------------------------------------------------------------------------------- */

/* HOST:PORT or PORT into addresses; only literal addresses and "localhost". USAGE. */
BTZ_CHECKED enum btz_err btz_front_listen(const char *listen, struct btz_front *out);
/* A certificate of its own for localhost, 127.0.0.1, ::1 and `host`: EC P-256, 397 days; key 0600. What is there is kept
 * if it belongs together, names `host` and lasts another week. */
BTZ_CHECKED enum btz_err btz_front_self_signed(const char *certificate, const char *key,
                                               const char *host);
/* Can both be read, do they belong together, is it the time for them? INPUT, IO. */
BTZ_CHECKED enum btz_err btz_front_check_pair(const char *certificate, const char *key);

#endif
