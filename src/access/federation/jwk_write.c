/* JSON Web Keys: writing, thumbprints, new ones; and sets of keys. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "access/federation/jwk.h"

/* ,"name":"base64url" of one number; `bytes` 0: as short as it is. */
static enum btz_err write_number(const struct btz_jwk *key, const char *param, const char *name,
                                 size_t bytes, struct btz_buf *out)
{
    uint8_t raw[2048];
    BIGNUM *bn = NULL;
    int len = -1;
    enum btz_err err;

    if (EVP_PKEY_get_bn_param(key->pkey, param, &bn) == 1) {
        len = bytes ? (int)bytes : BN_num_bytes(bn);
        if ((size_t)len > sizeof raw || BN_bn2binpad(bn, raw, len) < 0)
            len = -1;
    }
    BN_clear_free(bn);
    ERR_clear_error();
    if (len < 0)
        return btz_fail(BTZ_INTERNAL, "a number of a key could not be read");
    err = btz_buf_printf(out, ",\"%s\":\"", name);
    if (err == BTZ_OK)
        err = btz_base64url_encode(btz_slice_of(raw, (size_t)len), out);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(out, '"');
    btz_wipe(raw, sizeof raw);
    return err;
}

static enum btz_err write_okp(const struct btz_jwk *key, bool private_part, struct btz_buf *out)
{
    uint8_t raw[32];
    size_t len = sizeof raw;
    int ok = private_part ? EVP_PKEY_get_raw_private_key(key->pkey, raw, &len)
                          : EVP_PKEY_get_raw_public_key(key->pkey, raw, &len);
    enum btz_err err;

    if (ok != 1)
        return btz_fail(BTZ_INTERNAL, "a number of a key could not be read");
    err = btz_buf_add_str(out, private_part ? ",\"d\":\"" : ",\"x\":\"");
    if (err == BTZ_OK)
        err = btz_base64url_encode(btz_slice_of(raw, len), out);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(out, '"');
    btz_wipe(raw, sizeof raw);
    return err;
}

/* The members of RFC 7638 section 3.2 in their order, without the braces. */
static enum btz_err write_required(const struct btz_jwk *key, struct btz_buf *out)
{
    switch (key->kind) {
    case BTZ_JWK_RSA: {
        BTZ_BUF_RELEASE struct btz_buf e = BTZ_BUF(64);

        BTZ_TRY(write_number(key, OSSL_PKEY_PARAM_RSA_E, "e", 0, &e));
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(btz_buf_slice(&e), 1, e.len)));
        BTZ_TRY(btz_buf_add_str(out, ",\"kty\":\"RSA\""));
        return write_number(key, OSSL_PKEY_PARAM_RSA_N, "n", 0, out);
    }
    case BTZ_JWK_EC:
        BTZ_TRY(btz_buf_printf(out, "\"crv\":\"%s\",\"kty\":\"EC\"", key->curve->name));
        BTZ_TRY(write_number(key, OSSL_PKEY_PARAM_EC_PUB_X, "x", key->curve->bytes, out));
        return write_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", key->curve->bytes, out);
    case BTZ_JWK_OKP:
        BTZ_TRY(btz_buf_add_str(out, "\"crv\":\"Ed25519\",\"kty\":\"OKP\""));
        return write_okp(key, false, out);
    case BTZ_JWK_OCT:
        BTZ_TRY(btz_buf_add_str(out, "\"k\":\""));
        BTZ_TRY(btz_base64url_encode(btz_slice_of(key->secret, key->secret_len), out));
        return btz_buf_add_str(out, "\",\"kty\":\"oct\"");
    }
    return btz_fail(BTZ_INTERNAL, "unknown kind of key");
}

enum btz_err btz_jwk_thumbprint(const struct btz_jwk *key, uint8_t out[BTZ_SHA256_LEN])
{
    struct btz_buf text = BTZ_BUF(8192);
    enum btz_err err = btz_buf_add_byte(&text, '{');

    if (err == BTZ_OK)
        err = write_required(key, &text);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(&text, '}');
    if (err == BTZ_OK)
        btz_sha256(btz_buf_slice(&text), out);
    if (text.ptr)
        btz_wipe(text.ptr, text.cap);
    btz_buf_release(&text);
    return err;
}

static enum btz_err write_private(const struct btz_jwk *key, struct btz_buf *out)
{
    if (key->kind == BTZ_JWK_EC)
        return write_number(key, OSSL_PKEY_PARAM_PRIV_KEY, "d", key->curve->bytes, out);
    if (key->kind == BTZ_JWK_OKP)
        return write_okp(key, true, out);
    if (key->kind == BTZ_JWK_OCT)
        return BTZ_OK;
    BTZ_TRY(write_number(key, OSSL_PKEY_PARAM_RSA_D, "d", 0, out));
    BTZ_TRY(write_number(key, OSSL_PKEY_PARAM_RSA_FACTOR1, "p", 0, out));
    BTZ_TRY(write_number(key, OSSL_PKEY_PARAM_RSA_FACTOR2, "q", 0, out));
    BTZ_TRY(write_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1, "dp", 0, out));
    BTZ_TRY(write_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2, "dq", 0, out));
    return write_number(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, "qi", 0, out);
}

enum btz_err btz_jwk_write(const struct btz_jwk *key, bool with_private, struct btz_buf *out)
{
    if (with_private && !key->has_private)
        return btz_fail(BTZ_USAGE, "the key has no private part");
    if (!with_private && key->kind == BTZ_JWK_OCT)
        return btz_fail(BTZ_USAGE, "a secret has no public part");
    BTZ_TRY(btz_buf_add_byte(out, '{'));
    BTZ_TRY(write_required(key, out));
    if (with_private)
        BTZ_TRY(write_private(key, out));
    if (key->kid) {
        BTZ_JSON json_t *kid = json_string(key->kid);

        BTZ_TRY(btz_buf_add_str(out, ",\"kid\":"));
        BTZ_TRY(btz_json_write(kid, false, out));
    }
    return btz_buf_add_str(out, "}");
}

/* ---- new keys ---- */

static EVP_PKEY *generate(enum btz_jose_alg alg)
{
    EVP_PKEY *key = alg == BTZ_JOSE_ES256 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                                          : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    ERR_clear_error();
    return key;
}

/* A key of OpenSSL's making, through the same door as all others: its JSON. */
static enum btz_err reparse(EVP_PKEY *pkey, enum btz_jose_alg alg, struct btz_jwk **out)
{
    static const struct btz_jwk_curve p256 = { "P-256", "P-256", 32, BTZ_JOSE_ES256 };
    struct btz_jwk made = { .kind = alg == BTZ_JOSE_ES256 ? BTZ_JWK_EC : BTZ_JWK_OKP,
                            .pkey = pkey,
                            .curve = &p256,
                            .has_private = true };
    struct btz_buf text = BTZ_BUF(1024);
    enum btz_err err = btz_jwk_write(&made, true, &text);

    if (err == BTZ_OK)
        err = btz_jwk_parse(btz_buf_slice(&text), out);
    if (text.ptr)
        btz_wipe(text.ptr, text.cap);
    btz_buf_release(&text);
    return err;
}

static enum btz_err name_key(struct btz_jwk *key, const char *kid)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(128);
    uint8_t print[BTZ_SHA256_LEN];

    if (!kid) {
        BTZ_TRY(btz_jwk_thumbprint(key, print));
        BTZ_TRY(btz_base64url_encode(btz_slice_of(print, sizeof print), &text));
        BTZ_TRY(btz_buf_cstr(&text, &kid));
    }
    key->kid = strdup(kid);
    return key->kid ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for a key");
}

enum btz_err btz_jwk_new(enum btz_jose_alg alg, const char *kid, struct btz_jwk **out)
{
    struct btz_jwk *key = NULL;
    enum btz_err err;

    if (alg == BTZ_JOSE_HS256) {
        uint8_t secret[32];

        btz_random_bytes(secret, sizeof secret);
        err = btz_jwk_of_secret(btz_slice_of(secret, sizeof secret), &key);
        btz_wipe(secret, sizeof secret);
    } else if (alg == BTZ_JOSE_ES256 || alg == BTZ_JOSE_EDDSA) {
        EVP_PKEY *pkey = generate(alg);

        err = pkey ? reparse(pkey, alg, &key) : btz_fail(BTZ_INTERNAL, "no key could be made");
        EVP_PKEY_free(pkey);
    } else {
        return btz_fail(BTZ_USAGE, "new keys are for ES256, EdDSA or HS256");
    }
    if (err == BTZ_OK)
        err = name_key(key, kid);
    if (err == BTZ_OK)
        *out = key;
    else
        btz_jwk_free(key);
    return err;
}

/* ---- sets ---- */

enum btz_err btz_jwks_parse(struct btz_slice json, struct btz_jwks *out)
{
    BTZ_JSON json_t *object = NULL;
    struct btz_jwks set = { 0 };
    const json_t *keys, *one;
    enum btz_err err = BTZ_OK;
    size_t i;

    BTZ_TRY(btz_json_parse(json, BTZ_JWKS_MAX, "set of keys", &object));
    keys = json_object_get(object, "keys");
    if (!json_is_array(keys))
        return btz_fail(BTZ_INPUT, "set of keys: expected an object with an array in \"keys\"");
    if (json_array_size(keys) > BTZ_JWKS_KEYS)
        return btz_fail(BTZ_LIMIT, "set of keys: more than %d keys", BTZ_JWKS_KEYS);
    json_array_foreach(keys, i, one)
    {
        struct btz_jwk *key = NULL;

        if (!json_is_object(one)) {
            err = btz_fail(BTZ_INPUT, "set of keys: keys are objects");
            break;
        }
        err = btz_jwk_of_json(one, &key);
        if (err == BTZ_LIMIT)
            break;
        if (err == BTZ_OK && btz_jwk_algs(key) != 0) {
            set.keys[set.count++] = key;
            continue;
        }
        /* RFC 7517 section 5: what is not understood, or out of range, is left out. */
        btz_jwk_free(key);
        set.skipped++;
        err = BTZ_OK;
    }
    if (err == BTZ_OK)
        *out = set;
    else
        btz_jwks_release(&set);
    return err;
}

void btz_jwks_release(struct btz_jwks *set)
{
    for (size_t i = 0; i < set->count; i++)
        btz_jwk_free(set->keys[i]);
    *set = (struct btz_jwks){ 0 };
}

bool btz_jwks_has(const struct btz_jwks *set, const char *kid)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->keys[i]->kid && strcmp(set->keys[i]->kid, kid) == 0)
            return true;
    return false;
}
