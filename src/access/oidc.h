/*
 * oidc: signing in with an OpenID Connect provider (authorisation code with PKCE), bearer tokens of configured issuers,
 * and client certificates. The protocol is pure: what must be fetched goes through struct btz_fetch, what must be
 * remembered is the caller's.
 */
#ifndef BTZ_ACCESS_OIDC_H
#define BTZ_ACCESS_OIDC_H

#include "access/access.h"
#include "access/jose.h"

/* ---- settings: list `access.issuers` (oidc_conf.c) ----------------------------------------------------------------- */
struct
    btz_issuer_map { /* who has `value` in `claim` is put into the group at each sign-in; others are taken out */
    const char *claim, *value, *group;
};
struct btz_issuer_conf {
    const char *name;                      /* in addresses: /v1/oidc/NAME/start */
    const char *title;                     /* on the button; empty: the name */
    const char *url;                       /* issuer identifier, https, compared byte by byte */
    const char *client_id, *client_secret; /* client_id empty: bearer tokens only */
    struct btz_conf_list scopes;           /* "openid" is always asked for */
    const char *audience;   /* "aud" of bearer tokens; empty: bearer tokens are refused */
    const char *token_type; /* "typ" of bearer tokens: "at+jwt"; "" accepts any but ID tokens */
    struct btz_conf_list algorithms; /* "RS256", "ES256", ... */
    const char *name_claim;          /* of new users: "preferred_username" */
    bool create_users;         /* on first sign-in; false: only those that are linked already */
    bool second_factor;        /* its sign-in counts as two factors when "amr" has "mfa" */
    struct btz_conf_list maps; /* struct btz_issuer_map */
};
extern const struct btz_conf_struct btz_issuer_conf_struct;
/* What a table cannot say: https, names that fit an address, algorithms known and of one kind. USAGE. */
BTZ_CHECKED enum btz_err btz_issuer_check(const struct btz_issuer_conf *c);
BTZ_CHECKED enum btz_err btz_issuer_algorithms(const struct btz_issuer_conf *c, unsigned *out);

/* ---- an issuer and what is known of it (oidc_issuer.c). Thread-safe. ----------------------------------------------- */
#define BTZ_OIDC_URL_MAX    2048
#define BTZ_OIDC_REFRESH_MS 300000 /* unknown key ids ask for the keys again at most that often */
#define BTZ_OIDC_KEYS_AGE_MS                                                                       \
    3600000 /* older keys are fetched anew; the old ones serve a day when that fails */
#define BTZ_OIDC_KEYS_STALE_MS 86400000
/* Callers who wait for issuers at a time, in the whole process; others are told LIMIT at once: whatever issuers do, no
 * more threads hang on them. */
#define BTZ_OIDC_WAITERS 2
struct btz_oidc;
/* `conf` and `fetch` are borrowed for the life of the object. */
BTZ_CHECKED enum btz_err btz_oidc_new(const struct btz_issuer_conf *conf,
                                      const struct btz_fetch *fetch, struct btz_oidc **out);
void btz_oidc_free(struct btz_oidc *o);
const struct btz_issuer_conf *btz_oidc_conf(const struct btz_oidc *o);

/* One sign-in under way: kept under a ticket that only this browser holds, used once. */
struct btz_oidc_state {
    char state[44], nonce[44], verifier[44]; /* 256 random bits each, base64url */
};
/* A fresh state and the address to send the browser to. UNREACHABLE: the issuer does not answer; LIMIT: too many wait. */
BTZ_CHECKED enum btz_err btz_oidc_start(struct btz_oidc *o, const char *redirect, uint64_t now_ms,
                                        struct btz_oidc_state *state, struct btz_buf *url);
/* What came back. `iss` NULL: the parameter was absent (refused when the issuer says that it always sends it, RFC 9207).
 * Exchanges the code and checks the ID token: signature, iss, aud, azp, exp, iat, nonce, at_hash. DENIED otherwise. */
BTZ_CHECKED enum btz_err btz_oidc_finish(struct btz_oidc *o, const struct btz_oidc_state *state,
                                         const char *got_state, const char *got_iss,
                                         const char *code, const char *redirect, uint64_t now_ms,
                                         json_t **claims);
/* A bearer token for us. DENIED. */
BTZ_CHECKED enum btz_err btz_oidc_bearer(struct btz_oidc *o, struct btz_slice token,
                                         uint64_t now_ms, json_t **claims);
/* Has the claim that value (a text, or an array with it in it)? */
bool btz_oidc_claim_has(const json_t *claims, const char *claim, const char *value);

/* ---- the issuers of an installation (federation.c) ----------------------------------- */
struct btz_federation;
/* For btz_access_open and btz_access_close. USAGE: a setting. */
BTZ_CHECKED enum btz_err btz_federation_open(const struct btz_access_conf *conf,
                                             const struct btz_fetch *fetch,
                                             struct btz_federation **out);
void btz_federation_close(struct btz_federation *f);
struct btz_oidc *btz_federation_issuer(struct btz_federation *f, const char *name); /* NULL: none */
struct btz_oidc *btz_federation_issuer_of(struct btz_federation *f, const char *url);
struct btz_oidc *btz_federation_at(struct btz_federation *f, size_t i); /* NULL behind the last */

/* ---- client certificates (cert.c) ----------------------------------------------------------------------------------
 * TRUST: the TLS layer in front (nginx, ssl_verify_client with the installation's CA) has verified the chain and that the
 * client holds the private key. Nothing here repeats that; what is passed in must come from that layer alone. */
#define BTZ_CERT_PEM_MAX 32768
#define BTZ_CERT_NAMES   16
struct btz_cert {
    char fingerprint[65]; /* SHA-256 of the DER, lower-case hex */
    char subject[512];    /* RFC 2253 */
    char names[BTZ_CERT_NAMES]
              [256]; /* subject alternative names: "dns:...", "email:...", "uri:..." */
    size_t name_count;
    uint64_t from_s, until_s;
};
/* The first certificate of a PEM text. INPUT: ill-formed, LIMIT, DENIED: its extended key usage is there and is not for
 * clients, or it is that of an authority. Dates are told, not judged. */
BTZ_CHECKED enum btz_err btz_cert_parse(struct btz_slice pem, struct btz_cert *out);
bool btz_cert_is_valid_at(const struct btz_cert *c, uint64_t now_s);

#endif
