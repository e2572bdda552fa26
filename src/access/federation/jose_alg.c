/* Signatures of RFC 7518 section 3 and RFC 8037 on OpenSSL. */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "access/federation/jwk.h"

static const struct {
    const char *name, *digest;
} algs[BTZ_JOSE_ALGS] = {
    [BTZ_JOSE_HS256] = { "HS256", "SHA256" }, [BTZ_JOSE_HS384] = { "HS384", "SHA384" },
    [BTZ_JOSE_HS512] = { "HS512", "SHA512" }, [BTZ_JOSE_RS256] = { "RS256", "SHA256" },
    [BTZ_JOSE_RS384] = { "RS384", "SHA384" }, [BTZ_JOSE_RS512] = { "RS512", "SHA512" },
    [BTZ_JOSE_PS256] = { "PS256", "SHA256" }, [BTZ_JOSE_PS384] = { "PS384", "SHA384" },
    [BTZ_JOSE_PS512] = { "PS512", "SHA512" }, [BTZ_JOSE_ES256] = { "ES256", "SHA256" },
    [BTZ_JOSE_ES384] = { "ES384", "SHA384" }, [BTZ_JOSE_ES512] = { "ES512", "SHA512" },
    [BTZ_JOSE_EDDSA] = { "EdDSA", NULL },
};

const char *btz_jose_alg_name(enum btz_jose_alg alg)
{
    return (unsigned)alg < BTZ_JOSE_ALGS ? algs[alg].name : "";
}

enum btz_err btz_jose_alg_find(const char *name, enum btz_jose_alg *out)
{
    for (unsigned i = 0; i < BTZ_JOSE_ALGS; i++)
        if (strcmp(algs[i].name, name) == 0) {
            *out = (enum btz_jose_alg)i;
            return BTZ_OK;
        }
    return btz_fail(BTZ_UNSUPPORTED,
                    "unknown signature algorithm; known are HS, RS, PS and ES with "
                    "256, 384 and 512, and EdDSA");
}

static bool is_in(enum btz_jose_alg alg, unsigned set)
{
    return (unsigned)alg < BTZ_JOSE_ALGS && (set & BTZ_JOSE_BIT(alg)) != 0;
}

static enum btz_err mac(const struct btz_jwk *key, enum btz_jose_alg alg, struct btz_slice bytes,
                        uint8_t out[EVP_MAX_MD_SIZE], size_t *len)
{
    if (!EVP_Q_mac(NULL, "HMAC", NULL, algs[alg].digest, NULL, key->secret, key->secret_len,
                   bytes.ptr, bytes.len, out, EVP_MAX_MD_SIZE, len)) {
        ERR_clear_error();
        return btz_fail(BTZ_INTERNAL, "HMAC could not be computed");
    }
    return BTZ_OK;
}

/* The padding of RFC 7518 section 3.5: MGF1 with the same hash, salt as long as the hash. */
static bool set_padding(EVP_PKEY_CTX *ctx, enum btz_jose_alg alg)
{
    if (alg != BTZ_JOSE_PS256 && alg != BTZ_JOSE_PS384 && alg != BTZ_JOSE_PS512)
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, algs[alg].digest, NULL) > 0;
}

/* r || s to the DER that OpenSSL wants. Zeros are refused here and not left to the library. */
static enum btz_err ecdsa_to_der(struct btz_slice raw, size_t half, uint8_t **der, int *len)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = NULL, *s = NULL;
    enum btz_err err = BTZ_OK;

    if (raw.len == 2 * half) {
        r = BN_bin2bn(raw.ptr, (int)half, NULL);
        s = BN_bin2bn(raw.ptr + half, (int)half, NULL);
    }
    if (!sig || !r || !s || BN_is_zero(r) || BN_is_zero(s) || !ECDSA_SIG_set0(sig, r, s)) {
        BN_free(r);
        BN_free(s);
        err = btz_fail(BTZ_DENIED, "the signature is not two numbers of %zu bytes", half);
    } else {
        *der = NULL;
        *len = i2d_ECDSA_SIG(sig, der);
        if (*len <= 0)
            err = btz_fail(BTZ_INTERNAL, "out of memory for a signature");
    }
    ECDSA_SIG_free(sig);
    return err;
}

static enum btz_err der_to_ecdsa(struct btz_slice der, size_t half, struct btz_buf *out)
{
    const uint8_t *p = der.ptr;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.len);
    enum btz_err err = btz_buf_reserve(out, 2 * half);

    if (err == BTZ_OK &&
        (!sig || BN_bn2binpad(ECDSA_SIG_get0_r(sig), out->ptr + out->len, (int)half) < 0 ||
         BN_bn2binpad(ECDSA_SIG_get0_s(sig), out->ptr + out->len + half, (int)half) < 0))
        err = btz_fail(BTZ_INTERNAL, "an ECDSA signature could not be written");
    if (err == BTZ_OK)
        out->len += 2 * half;
    ECDSA_SIG_free(sig);
    return err;
}

static enum btz_err verify_public(const struct btz_jwk *key, enum btz_jose_alg alg,
                                  struct btz_slice bytes, struct btz_slice signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    int ok =
        ctx &&
        EVP_DigestVerifyInit_ex(ctx, &pctx, algs[alg].digest, NULL, NULL, key->pkey, NULL) > 0 &&
        set_padding(pctx, alg);

    if (ok)
        ok = EVP_DigestVerify(ctx, signature.ptr, signature.len, bytes.ptr, bytes.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? BTZ_OK : btz_fail(BTZ_DENIED, "the signature is wrong");
}

enum btz_err btz_jose_verify(const struct btz_jwk *key, enum btz_jose_alg alg,
                             struct btz_slice bytes, struct btz_slice signature)
{
    uint8_t computed[EVP_MAX_MD_SIZE], *der = NULL;
    size_t len = 0;
    int der_len = 0;
    enum btz_err err;

    if (!is_in(alg, btz_jwk_algs(key)))
        return btz_fail(BTZ_DENIED, "the key is not one for %s", btz_jose_alg_name(alg));
    if (is_in(alg, BTZ_JOSE_HMAC)) {
        BTZ_TRY(mac(key, alg, bytes, computed, &len));
        return signature.len == len && btz_equal_ct(signature.ptr, computed, len)
                   ? BTZ_OK
                   : btz_fail(BTZ_DENIED, "the signature is wrong");
    }
    if (key->kind != BTZ_JWK_EC)
        return verify_public(key, alg, bytes, signature);
    BTZ_TRY(ecdsa_to_der(signature, key->curve->bytes, &der, &der_len));
    err = verify_public(key, alg, bytes, btz_slice_of(der, (size_t)der_len));
    OPENSSL_free(der);
    return err;
}

enum btz_err btz_jose_sign(const struct btz_jwk *key, enum btz_jose_alg alg, struct btz_slice bytes,
                           struct btz_buf *out)
{
    uint8_t made[1024];
    size_t len = sizeof made;
    EVP_MD_CTX *ctx;
    EVP_PKEY_CTX *pctx = NULL;
    int ok;

    if (!is_in(alg, btz_jwk_algs(key)))
        return btz_fail(BTZ_USAGE, "the key is not one for %s", btz_jose_alg_name(alg));
    if (!key->has_private)
        return btz_fail(BTZ_USAGE, "signing needs the private key");
    if (is_in(alg, BTZ_JOSE_HMAC)) {
        BTZ_TRY(mac(key, alg, bytes, made, &len));
        return btz_buf_add(out, made, len);
    }
    ctx = EVP_MD_CTX_new();
    ok = ctx &&
         EVP_DigestSignInit_ex(ctx, &pctx, algs[alg].digest, NULL, NULL, key->pkey, NULL) > 0 &&
         set_padding(pctx, alg) && EVP_DigestSign(ctx, made, &len, bytes.ptr, bytes.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (!ok)
        return btz_fail(BTZ_INTERNAL, "the signature could not be made");
    if (key->kind == BTZ_JWK_EC)
        return der_to_ecdsa(btz_slice_of(made, len), key->curve->bytes, out);
    return btz_buf_add(out, made, len);
}
