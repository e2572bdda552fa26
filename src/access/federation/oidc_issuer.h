/* An issuer's published data, fetched and kept; and what follows from it. */
#ifndef BTZ_FEDERATION_OIDC_ISSUER_H
#define BTZ_FEDERATION_OIDC_ISSUER_H

#include <pthread.h>

#include "access/oidc.h"

#define BTZ_OIDC_RETRY_MS 30000 /* after a fetch that failed */

/* Somebody is about to wait for an issuer: false when as many as may do already. */
bool btz_oidc_wait(void);
void btz_oidc_waited(void);

struct btz_oidc_metadata {
    char authorization[BTZ_OIDC_URL_MAX], token[BTZ_OIDC_URL_MAX], keys[BTZ_OIDC_URL_MAX];
    bool sends_iss;
};

struct btz_oidc_keys { /* counted: verifying goes on while newer ones arrive */
    struct btz_jwks set;
    size_t users;
};

struct btz_oidc {
    const struct btz_issuer_conf *conf;
    const struct btz_fetch *fetch;
    unsigned algs;
    struct btz_jwks secret; /* algorithms HS...: the client's secret */
    pthread_mutex_t lock;   /* all below */
    pthread_cond_t fetched;
    bool fetching;
    struct btz_oidc_metadata metadata;
    bool has_metadata;
    struct btz_oidc_keys *keys;
    uint64_t metadata_ms, keys_ms, tried_ms; /* tried: last fetch of keys, whatever came */
    uint64_t asked_ms;                       /* last fetch of the document, whatever came */
    enum btz_err asked_err;
    bool tried, asked;
};

/* Pure: a discovery document of exactly this issuer. Errors: INPUT, DENIED (another issuer), UNSUPPORTED, LIMIT. */
BTZ_CHECKED enum btz_err btz_oidc_metadata_parse(struct btz_slice json,
                                                 const struct btz_issuer_conf *conf,
                                                 struct btz_oidc_metadata *out);
/* A copy of what is known, fetched when it is not or is a day old. UNREACHABLE. */
BTZ_CHECKED enum btz_err btz_oidc_metadata_get(struct btz_oidc *o, uint64_t now_ms,
                                               struct btz_oidc_metadata *out);
/* A token against the issuer's keys; an unknown key makes them be fetched again, as often as is allowed. */
BTZ_CHECKED enum btz_err btz_oidc_verify(struct btz_oidc *o, struct btz_slice token,
                                         const struct btz_jwt_rules *rules, uint64_t now_ms,
                                         json_t **claims);

#endif
