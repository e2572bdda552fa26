/*
 * front: stock nginx before the daemon. TLS, HTTP/2, limits and timeouts are its work; it speaks to the daemon over a
 * Unix socket and says, in headers that clients cannot set, where a request came from.
 */
#ifndef BTZ_GATE_FRONT_H
#define BTZ_GATE_FRONT_H

#include "gate/gate.h"

#define BTZ_FRONT_LISTEN "localhost:8443"
#define BTZ_FRONT_HTTP   "127.0.0.1:8080"

/* Model traffic: nginx loads the module and guards the model routes. */
struct btz_front_models {
    const struct btz_gate_conf *conf; /* NULL, or without upstreams: none */
    const char *module;               /* path of the .so */
    const char *settings, *state;     /* absolute: bartizan.yaml and the state folder */
    const char *quick;                /* of --upstream, NULL: none */
    const char *http;                 /* plain listener of this machine; NULL or empty: none */
    /* Filled by btz_front_write. */
    const char *origin;
    bool client_certificates;
};

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
    struct btz_front_models models;
    const char *name;              /* of the file in the folder; NULL: "nginx.conf" */
    const struct btz_front *again; /* the addresses of before are kept: they are in use, by us */
};
struct btz_front {
    char listen[2][80]; /* addresses as nginx takes them; the second may be empty */
    char host[72];      /* of the URL */
    uint16_t port;
    char origin[300];
    char conf[4096], certificate[4096], key[4096]; /* paths */
    bool self_signed, loopback;
    int64_t
        renew_s; /* of a self-signed one: Unix time from which on btz_front_write makes it anew */
    char http_listen[2][80], http[300]; /* of the plain listener and its URL; empty: none */
};
/* Checks the options, makes what is missing, writes the configuration. Errors: USAGE, INPUT (a certificate), IO. */
BTZ_CHECKED enum btz_err btz_front_write(const struct btz_front_options *o, struct btz_front *out);
/* Takes away what uploads left behind that were on their way when nginx was killed. Before it is started. IO. */
BTZ_CHECKED enum btz_err btz_front_empty_spool(const char *folder);

/* ---- parts -------------------------------------------------------------------------------------------------------- */

/* HOST:PORT or PORT into addresses; only literal addresses and "localhost". USAGE. */
BTZ_CHECKED enum btz_err btz_front_listen(const char *listen, struct btz_front *out);
/* A certificate of its own for localhost, 127.0.0.1, ::1 and `host`: EC P-256, 397 days; key 0600. What is there is kept
 * if it belongs together, names `host` and lasts another week. `renew_s`: the Unix time from which on it is not kept. */
BTZ_CHECKED enum btz_err btz_front_self_signed(const char *certificate, const char *key,
                                               const char *host, int64_t *renew_s);
/* Can both be read, do they belong together, is it the time for them? INPUT, IO. */
BTZ_CHECKED enum btz_err btz_front_check_pair(const char *certificate, const char *key);

/* ---- model traffic (front_model.c, quick.c) ------------------------------------------------------------------------- */

bool btz_front_has_models(const struct btz_front_models *m);
/* What stands at the level of http, in a server, and a server of its own for the plain listener. */
BTZ_CHECKED enum btz_err btz_front_models_main(struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_front_models_http(const struct btz_front_models *m,
                                               struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_front_models_server(const struct btz_front_models *m,
                                                 struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_front_models_plain(const struct btz_front_models *m,
                                                const char *const *listen, size_t count,
                                                struct btz_buf *out);
/* The settings of `--upstream URL`: one upstream for every model, with its key from BARTIZAN_UPSTREAM_KEY. USAGE: the
 * file names upstreams, or it is no URL. */
BTZ_CHECKED enum btz_err btz_gate_conf_quick(struct btz_gate_conf *conf, const char *url,
                                             const struct btz_conf_env *env,
                                             struct btz_arena *arena);
/* `access.seal_key` of bartizan.yaml; empty: the keys are in the state folder. */
BTZ_CHECKED enum btz_err btz_gate_seal_key(const char *yaml, const struct btz_conf_env *env,
                                           struct btz_arena *arena, const char **out);

#endif
