/* Tokens and signatures of strangers, compact and JSON, against keys of several kinds. Nothing that was not signed here may
 * ever verify. */
#include <stdlib.h>

#include "access/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Public vectors: RFC 7515 A.1 and A.3, RFC 8037 A. Their own texts are seeds and do verify. */
static const char *const keys[] = {
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
    "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
};

static void try(struct btz_slice text, struct btz_jwks *set, unsigned algs)
{
    static const char *const types[] = { "", "JWT", NULL };
    const struct btz_jwt_rules jwt = {
        .issuer = "joe", .audience = "me", .types = types, .now_s = 1300000000
    };
    struct btz_jws_rules rules = { .keys = set, .algorithms = algs };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_jws jws = { 0 };
    json_t *claims = NULL;

    btz_arena_init(&arena, 4u << 20);
    /* The payload of those that verify is one of the vectors'. */
    if (btz_jws_verify(text, &rules, &arena, &jws) == BTZ_OK) {
        if (!json_is_object(jws.header) || json_object_get(jws.header, "jwk") ||
            !btz_jwk_algs(jws.key))
            abort();
        btz_jws_release(&jws);
    }
    rules.unencoded = true;
    if (btz_jws_verify_json(text, &rules, &arena, &jws) == BTZ_OK)
        btz_jws_release(&jws);
    rules.unencoded = false;
    if (btz_jwt_verify(text, &rules, &jwt, &claims) == BTZ_OK)
        abort(); /* no vector has an audience */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct btz_jwks sets[BTZ_COUNT(keys)];
    BTZ_BUF_RELEASE struct btz_buf issuer = BTZ_BUF(65536);
    struct btz_slice text = btz_slice_of(data, size);

    for (size_t i = 0; i < BTZ_COUNT(keys); i++) {
        if (sets[i].count == 0) {
            if (btz_jwk_parse(btz_str(keys[i]), &sets[i].keys[0]) != BTZ_OK)
                abort();
            sets[i].count = 1;
        }
        try(text, &sets[i], btz_jwk_algs(sets[i].keys[0]));
    }
    if (btz_jwt_peek_issuer(text, &issuer) == BTZ_OK && !btz_is_utf8(btz_buf_slice(&issuer)))
        abort();
    return 0;
}
