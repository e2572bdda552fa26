/*
 * A software authenticator for tests: P-256, P-384, Ed25519 and RSA keys of OpenSSL, CBOR written by hand. It makes what a
 * browser and a security key would, and, on request, what they must not.
 */
#ifndef BTZ_TEST_AUTHENTICATOR_H
#define BTZ_TEST_AUTHENTICATOR_H

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "access/webauthn.h"
#include "jose_fixture.h"

struct authenticator {
    EVP_PKEY *key;
    int alg; /* COSE */
    uint8_t id[32], aaguid[16], handle[64];
    size_t handle_len;
    uint32_t count;
    bool counts;
};

/* What one ceremony says; zero is an honest one. Text NULL: the honest value. */
struct ceremony {
    const char *rp, *origin, *challenge; /* challenge in base64url */
    const char *type;                    /* "webauthn.create" */
    const char *extra;                   /* more members of client data, each with "," in front */
    const char *format;                  /* "none", "packed" */
    int flags;                           /* UP, UV, BE, BS; 0: UP and UV; -1: none */
    const uint8_t *extensions;           /* CBOR map behind the data */
    size_t extensions_len;
    bool no_credential, no_statement_alg, wrong_statement_alg, broken_statement, trailing;
};

static inline void authenticator_init(struct authenticator *a, int alg)
{
    *a = (struct authenticator){ .alg = alg, .counts = true };
    switch (alg) {
    case BTZ_COSE_ES256:
        a->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        break;
    case BTZ_COSE_ES384:
        a->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
        break;
    case BTZ_COSE_EDDSA:
        a->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    default:
        a->key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    }
    assert_non_null(a->key);
    btz_random_bytes(a->id, sizeof a->id);
    btz_random_bytes(a->aaguid, sizeof a->aaguid);
}

static inline void authenticator_release(struct authenticator *a)
{
    EVP_PKEY_free(a->key);
    a->key = NULL;
}

/* ---- CBOR ---- */

static inline void put_head(struct btz_buf *b, unsigned major, size_t n)
{
    if (n < 24) {
        assert_ok(btz_buf_add_byte(b, (uint8_t)(major << 5 | n)));
    } else if (n < 256) {
        assert_ok(btz_buf_add_byte(b, (uint8_t)(major << 5 | 24)));
        assert_ok(btz_buf_add_byte(b, (uint8_t)n));
    } else {
        assert_ok(btz_buf_add_byte(b, (uint8_t)(major << 5 | 25)));
        assert_ok(btz_buf_add_byte(b, (uint8_t)(n >> 8)));
        assert_ok(btz_buf_add_byte(b, (uint8_t)n));
    }
}

static inline void put_int(struct btz_buf *b, int n)
{
    put_head(b, n < 0 ? 1 : 0, (size_t)(n < 0 ? -1 - n : n));
}

static inline void put_bytes(struct btz_buf *b, const void *bytes, size_t n)
{
    put_head(b, 2, n);
    assert_ok(btz_buf_add(b, bytes, n));
}

static inline void put_text(struct btz_buf *b, const char *text)
{
    put_head(b, 3, strlen(text));
    assert_ok(btz_buf_add_str(b, text));
}

static inline size_t number_of(const EVP_PKEY *key, const char *name, size_t len, uint8_t *out)
{
    BIGNUM *bn = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &bn), 1);
    if (len == 0)
        len = (size_t)BN_num_bytes(bn);
    assert_true(BN_bn2binpad(bn, out, (int)len) > 0);
    BN_free(bn);
    return len;
}

static inline void put_key(struct btz_buf *b, const struct authenticator *a)
{
    uint8_t first[256], second[256];
    size_t len = 32;

    if (a->alg == BTZ_COSE_EDDSA) {
        assert_int_equal(EVP_PKEY_get_raw_public_key(a->key, first, &len), 1);
        put_head(b, 5, 4);
        put_int(b, 1), put_int(b, 1), put_int(b, 3), put_int(b, a->alg);
        put_int(b, -1), put_int(b, 6), put_int(b, -2), put_bytes(b, first, 32);
    } else if (a->alg == BTZ_COSE_RS256) {
        put_head(b, 5, 4);
        put_int(b, 1), put_int(b, 3), put_int(b, 3), put_int(b, a->alg);
        put_int(b, -1), put_bytes(b, first, number_of(a->key, OSSL_PKEY_PARAM_RSA_N, 256, first));
        put_int(b, -2), put_bytes(b, second, number_of(a->key, OSSL_PKEY_PARAM_RSA_E, 0, second));
    } else {
        len = a->alg == BTZ_COSE_ES256 ? 32 : 48;
        number_of(a->key, OSSL_PKEY_PARAM_EC_PUB_X, len, first);
        number_of(a->key, OSSL_PKEY_PARAM_EC_PUB_Y, len, second);
        put_head(b, 5, 5);
        put_int(b, 1), put_int(b, 2), put_int(b, 3), put_int(b, a->alg);
        put_int(b, -1), put_int(b, len == 32 ? 1 : 2);
        put_int(b, -2), put_bytes(b, first, len), put_int(b, -3), put_bytes(b, second, len);
    }
}

/* ---- ceremonies ---- */

static inline void put_auth_data(struct btz_buf *b, struct authenticator *a,
                                 const struct ceremony *c, bool with_credential)
{
    uint8_t hash[BTZ_SHA256_LEN];
    unsigned flags = c->flags == 0 ? 0x05 : c->flags < 0 ? 0 : (unsigned)c->flags;
    uint32_t count;

    if (a->counts)
        a->count++;
    count = a->count;
    btz_sha256(btz_str(c->rp ? c->rp : "localhost"), hash);
    assert_ok(btz_buf_add(b, hash, sizeof hash));
    assert_ok(btz_buf_add_byte(
        b, (uint8_t)(flags | (with_credential ? 0x40 : 0) | (c->extensions_len ? 0x80 : 0))));
    for (int shift = 24; shift >= 0; shift -= 8)
        assert_ok(btz_buf_add_byte(b, (uint8_t)(count >> shift)));
    if (with_credential) {
        assert_ok(btz_buf_add(b, a->aaguid, sizeof a->aaguid));
        assert_ok(btz_buf_add_byte(b, 0));
        assert_ok(btz_buf_add_byte(b, sizeof a->id));
        assert_ok(btz_buf_add(b, a->id, sizeof a->id));
        put_key(b, a);
    }
    assert_ok(btz_buf_add(b, c->extensions, c->extensions_len));
    if (c->trailing)
        assert_ok(btz_buf_add_byte(b, 0));
}

static inline void put_client_data(struct btz_buf *b, const struct ceremony *c, const char *type)
{
    assert_ok(btz_buf_printf(b, "{\"type\":\"%s\",\"challenge\":\"%s\",\"origin\":\"%s\"%s}",
                             c->type ? c->type : type, c->challenge,
                             c->origin ? c->origin : "http://localhost", c->extra ? c->extra : ""));
}

/* Signature over auth data || SHA-256(client data), as section 6.5.5 has it. */
static inline void put_signature(struct btz_buf *out, const struct authenticator *a,
                                 struct btz_slice auth_data, struct btz_slice client_data)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct btz_buf input = BTZ_BUF(1 << 17);
    uint8_t hash[BTZ_SHA256_LEN], made[1024];
    size_t len = sizeof made;
    const char *digest = a->alg == BTZ_COSE_EDDSA   ? NULL
                         : a->alg == BTZ_COSE_ES384 ? "SHA384"
                                                    : "SHA256";

    btz_sha256(client_data, hash);
    assert_ok(btz_buf_add_slice(&input, auth_data));
    assert_ok(btz_buf_add(&input, hash, sizeof hash));
    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, a->key, NULL), 1);
    assert_int_equal(EVP_DigestSign(ctx, made, &len, input.ptr, input.len), 1);
    assert_ok(btz_buf_add(out, made, len));
    EVP_MD_CTX_free(ctx);
    btz_buf_release(&input);
}

static inline json_t *b64_json(const struct btz_buf *b)
{
    struct btz_buf text = BTZ_BUF(1 << 18);
    json_t *out;

    assert_ok(btz_base64url_encode(btz_buf_slice(b), &text));
    out = json_stringn((const char *)text.ptr, text.len);
    btz_buf_release(&text);
    return out;
}

static inline json_t *wrap_credential(const struct authenticator *a, json_t *response)
{
    struct btz_buf id = BTZ_BUF(64);
    json_t *out;

    assert_ok(btz_buf_add(&id, a->id, sizeof a->id));
    out = json_pack("{s:o, s:o, s:s, s:o, s:{}}", "id", b64_json(&id), "rawId", b64_json(&id),
                    "type", "public-key", "response", response, "clientExtensionResults");
    btz_buf_release(&id);
    assert_non_null(out);
    return out;
}

static inline void put_statement(struct btz_buf *b, const struct authenticator *a,
                                 const struct ceremony *c, const struct btz_buf *auth_data,
                                 const struct btz_buf *client_data)
{
    struct btz_buf signature = BTZ_BUF(2048);
    bool packed = c->format && strcmp(c->format, "packed") == 0;

    if (!packed) {
        put_head(b, 5, 0);
        return;
    }
    put_signature(&signature, a, btz_buf_slice(auth_data), btz_buf_slice(client_data));
    if (c->broken_statement)
        signature.ptr[signature.len - 1] ^= 1;
    put_head(b, 5, c->no_statement_alg ? 1 : 2);
    if (!c->no_statement_alg)
        put_text(b, "alg"), put_int(b, c->wrong_statement_alg ? -36 : a->alg);
    put_text(b, "sig"), put_bytes(b, signature.ptr, signature.len);
    btz_buf_release(&signature);
}

/* What navigator.credentials.create() gives. */
static inline json_t *authenticator_create(struct authenticator *a, const struct ceremony *c)
{
    struct btz_buf auth_data = BTZ_BUF(1 << 16), client_data = BTZ_BUF(1 << 16),
                   object = BTZ_BUF(1 << 17);
    json_t *out;

    put_auth_data(&auth_data, a, c, !c->no_credential);
    put_client_data(&client_data, c, "webauthn.create");
    put_head(&object, 5, 3);
    put_text(&object, "fmt"), put_text(&object, c->format ? c->format : "none");
    put_text(&object, "attStmt"), put_statement(&object, a, c, &auth_data, &client_data);
    put_text(&object, "authData"), put_bytes(&object, auth_data.ptr, auth_data.len);
    out = wrap_credential(a, json_pack("{s:o, s:o}", "clientDataJSON", b64_json(&client_data),
                                       "attestationObject", b64_json(&object)));
    btz_buf_release(&auth_data);
    btz_buf_release(&client_data);
    btz_buf_release(&object);
    return out;
}

/* What navigator.credentials.get() gives. */
static inline json_t *authenticator_get(struct authenticator *a, const struct ceremony *c)
{
    struct btz_buf auth_data = BTZ_BUF(1 << 16), client_data = BTZ_BUF(1 << 16),
                   signature = BTZ_BUF(2048), handle = BTZ_BUF(64);
    json_t *out;

    put_auth_data(&auth_data, a, c, false);
    put_client_data(&client_data, c, "webauthn.get");
    put_signature(&signature, a, btz_buf_slice(&auth_data), btz_buf_slice(&client_data));
    assert_ok(btz_buf_add(&handle, a->handle, a->handle_len));
    out = wrap_credential(
        a, json_pack("{s:o, s:o, s:o, s:o}", "clientDataJSON", b64_json(&client_data),
                     "authenticatorData", b64_json(&auth_data), "signature", b64_json(&signature),
                     "userHandle", a->handle_len ? b64_json(&handle) : json_null()));
    btz_buf_release(&auth_data);
    btz_buf_release(&client_data);
    btz_buf_release(&signature);
    btz_buf_release(&handle);
    return out;
}

#endif
