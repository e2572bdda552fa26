/*
 * jose: keys (RFC 7517, 7638, 8037), signatures (RFC 7515, 7518, 7797) and signed tokens (RFC 7519 by the rules of RFC
 * 8725). Pure functions over bytes. What is signed with which algorithm is decided by the key and its owner's settings;
 * the header may only agree. Encryption (JWE) is not here: nothing that bartizan accepts is encrypted.
 *
 * Errors everywhere: INPUT (ill-formed), LIMIT (too large), UNSUPPORTED (kinds of keys that are not known), DENIED
 * (well-formed, but not to be believed). Answers to strangers must not repeat the detail of DENIED.
 */
#ifndef BTZ_ACCESS_JOSE_H
#define BTZ_ACCESS_JOSE_H

#include "base/json.h"

#define BTZ_JOSE_TOKEN_MAX 16384 /* bytes of a token in compact form */
#define BTZ_JWK_MAX        16384
#define BTZ_JWKS_MAX       262144
#define BTZ_JWKS_KEYS      64 /* keys of a set; more are refused */

/* ---- base64url without padding, strict: no white space, no padding, unused bits zero (base64url.c) ----------------- */
BTZ_CHECKED enum btz_err btz_base64url_encode(struct btz_slice in, struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_base64url_decode(struct btz_slice in, struct btz_buf *out);

/* ---- algorithms (jose_alg.c): RFC 7518 section 3.1 and RFC 8037, without "none" ------------------------------------ */
enum btz_jose_alg {
    BTZ_JOSE_HS256,
    BTZ_JOSE_HS384,
    BTZ_JOSE_HS512,
    BTZ_JOSE_RS256,
    BTZ_JOSE_RS384,
    BTZ_JOSE_RS512,
    BTZ_JOSE_PS256,
    BTZ_JOSE_PS384,
    BTZ_JOSE_PS512,
    BTZ_JOSE_ES256,
    BTZ_JOSE_ES384,
    BTZ_JOSE_ES512,
    BTZ_JOSE_EDDSA,
    BTZ_JOSE_ALGS
};
#define BTZ_JOSE_BIT(alg) (1u << (alg))
/* Sets of algorithms. A set that has both secrets and public keys in it is refused everywhere. */
#define BTZ_JOSE_HMAC   ((1u << BTZ_JOSE_HS256) | (1u << BTZ_JOSE_HS384) | (1u << BTZ_JOSE_HS512))
#define BTZ_JOSE_PUBLIC ((1u << BTZ_JOSE_ALGS) - 1 - BTZ_JOSE_HMAC)
const char *btz_jose_alg_name(enum btz_jose_alg alg);
/* Names are case-sensitive. UNSUPPORTED for all others, also "none". */
BTZ_CHECKED enum btz_err btz_jose_alg_find(const char *name, enum btz_jose_alg *out);

/* ---- keys (jwk.c) -------------------------------------------------------------------------------------------------- */
struct btz_jwk;
/* RSA of 2048 to 8192 bits, EC P-256, P-384, P-521 (points on the curve), OKP Ed25519, oct. Private parts are kept when
 * they are given. Numbers must have their full length (EC) or no leading zero (RSA). */
BTZ_CHECKED enum btz_err btz_jwk_parse(struct btz_slice json, struct btz_jwk **out);
BTZ_CHECKED enum btz_err btz_jwk_of_json(const json_t *object, struct btz_jwk **out);
/* A shared secret. INPUT when it is a public key or certificate in PEM, DER or JWK form. */
BTZ_CHECKED enum btz_err btz_jwk_of_secret(struct btz_slice secret, struct btz_jwk **out);
/* A new private key: ES256, EdDSA (Ed25519) or HS256. `kid` may be NULL: the thumbprint. */
BTZ_CHECKED enum btz_err btz_jwk_new(enum btz_jose_alg alg, const char *kid, struct btz_jwk **out);
void btz_jwk_free(struct btz_jwk *key);
const char *btz_jwk_kid(const struct btz_jwk *key); /* NULL: none */
/* The set of algorithms that kind, size, "alg", "use" and "key_ops" leave; 0 for keys of encryption. HMAC keys fit hashes
 * of at most their length. */
unsigned btz_jwk_algs(const struct btz_jwk *key);
bool btz_jwk_is_private(const struct btz_jwk *key);
/* RFC 7638, SHA-256. */
BTZ_CHECKED enum btz_err btz_jwk_thumbprint(const struct btz_jwk *key, uint8_t out[BTZ_SHA256_LEN]);
/* JSON of the key; the public part alone unless `with_private`. USAGE: a secret has no public part. */
BTZ_CHECKED enum btz_err btz_jwk_write(const struct btz_jwk *key, bool with_private,
                                       struct btz_buf *out);

struct btz_jwks {
    struct btz_jwk *keys[BTZ_JWKS_KEYS];
    size_t count,
        skipped; /* skipped: of kinds that are not known, or not for signatures (RFC 7517, 5) */
};
BTZ_CHECKED enum btz_err btz_jwks_parse(struct btz_slice json, struct btz_jwks *out);
void btz_jwks_release(struct btz_jwks *set);
/* Is there a key of that id? */
bool btz_jwks_has(const struct btz_jwks *set, const char *kid);

/* ---- signatures (jws.c, jws_json.c) -------------------------------------------------------------------------------- */
struct btz_jws_rules {
    const struct btz_jwks *keys;
    unsigned algorithms; /* what the owner of the keys signs with; a key allows a part of it */
    bool unencoded;      /* b64 = false is understood (RFC 7797) */
    bool detached;       /* the payload is given here and must be absent in the text */
    struct btz_slice payload;
};
struct btz_jws {
    json_t *header;           /* protected and unprotected parameters; owned */
    struct btz_slice payload; /* in the arena */
    enum btz_jose_alg alg;
    const struct btz_jwk *key; /* the one that verified; borrowed of the rules' set */
};
/*
 * Compact form. Refused with DENIED: an algorithm outside `algorithms` or unfit for the key, "none", parameters that
 * bring or point to keys (jwk, jku, x5c, x5u, x5t alone is ignored), unknown "crit", no key, a wrong signature. A
 * header "kid" selects keys of that very id (compared as bytes) and keys without any; without "kid" each key that fits is
 * tried. *out only on OK; btz_jws_release it.
 */
BTZ_CHECKED enum btz_err btz_jws_verify(struct btz_slice text, const struct btz_jws_rules *rules,
                                        struct btz_arena *arena, struct btz_jws *out);
/* Flattened and general JSON. Every signature that one of our keys claims to have made must be right, and there must be
 * one at least; signatures of others say nothing. *out tells of the first. */
BTZ_CHECKED enum btz_err btz_jws_verify_json(struct btz_slice json,
                                             const struct btz_jws_rules *rules,
                                             struct btz_arena *arena, struct btz_jws *out);
void btz_jws_release(struct btz_jws *jws);
/* Compact form; `header` (borrowed, may be NULL) is what else the header says. "alg" first, then "kid" of the key. */
BTZ_CHECKED enum btz_err btz_jws_sign(const struct btz_jwk *key, enum btz_jose_alg alg,
                                      const json_t *header, struct btz_slice payload,
                                      struct btz_buf *out);
/* The bare signature over bytes, as JWS has it (ECDSA: r || s). */
BTZ_CHECKED enum btz_err btz_jose_sign(const struct btz_jwk *key, enum btz_jose_alg alg,
                                       struct btz_slice bytes, struct btz_buf *out);
/* DENIED when wrong. */
BTZ_CHECKED enum btz_err btz_jose_verify(const struct btz_jwk *key, enum btz_jose_alg alg,
                                         struct btz_slice bytes, struct btz_slice signature);

/* ---- tokens (jwt.c): RFC 8725 -------------------------------------------------------------------------------------- */
#define BTZ_JWT_LEEWAY_MAX_S 60
struct btz_jwt_rules {
    const char *issuer;   /* must equal "iss" */
    const char *audience; /* must be (in) "aud" */
    const char *const
        *types; /* NULL-terminated, accepted "typ", "application/" left out; "": none at all */
    uint64_t now_s, leeway_s; /* USAGE when the leeway is over a minute */
    uint64_t max_age_s;       /* since "iat", which is then required; 0: any */
};
/* Verifies the signature, then typ, cty (nested tokens are refused), iss, aud, exp (required), nbf, iat, sub (required,
 * text of 1 to 255 bytes). *claims is owned by the caller. DENIED says which one was wrong. */
BTZ_CHECKED enum btz_err btz_jwt_verify(struct btz_slice token, const struct btz_jws_rules *jws,
                                        const struct btz_jwt_rules *rules, json_t **claims);
/* What an unverified token says of its issuer, to find whose settings apply; nothing else may be done with it. */
BTZ_CHECKED enum btz_err btz_jwt_peek_issuer(struct btz_slice token, struct btz_buf *out);
/* Signs claims. `typ` may be NULL. */
BTZ_CHECKED enum btz_err btz_jwt_sign(const struct btz_jwk *key, enum btz_jose_alg alg,
                                      const char *typ, const json_t *claims, struct btz_buf *out);

#endif
