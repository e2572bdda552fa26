/* What the files of JOSE share: the insides of a key. */
#ifndef BTZ_FEDERATION_JWK_H
#define BTZ_FEDERATION_JWK_H

#include <openssl/evp.h>

#include "access/jose.h"

enum btz_jwk_kind { BTZ_JWK_RSA, BTZ_JWK_EC, BTZ_JWK_OKP, BTZ_JWK_OCT };

struct btz_jwk_curve {
    const char *name;  /* "P-256" */
    const char *group; /* of OpenSSL */
    size_t bytes;      /* of a coordinate, of the private number and of half a signature */
    enum btz_jose_alg alg;
};

struct btz_jwk {
    enum btz_jwk_kind kind;
    EVP_PKEY *pkey;                    /* NULL for oct */
    const struct btz_jwk_curve *curve; /* EC */
    uint8_t *secret;                   /* oct */
    size_t secret_len;
    char *kid;
    bool has_private;
    unsigned algs;
};

/* The header of a text in compact form, not verified. Caller owns. */
BTZ_CHECKED enum btz_err btz_jws_peek(struct btz_slice text, json_t **header);

#endif
