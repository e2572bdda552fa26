/* JSON Web Keys: reading. Numbers are checked before OpenSSL sees them, points by OpenSSL and once more by us. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>

#include "access/federation/jwk.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define NUMBER_MAX   2048 /* bytes: more than any number of a key that is accepted */

static const struct btz_jwk_curve curves[] = {
    { "P-256", "P-256", 32, BTZ_JOSE_ES256 },
    { "P-384", "P-384", 48, BTZ_JOSE_ES384 },
    { "P-521", "P-521", 66, BTZ_JOSE_ES512 },
};

void btz_jwk_free(struct btz_jwk *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    if (key->secret)
        btz_wipe(key->secret, key->secret_len);
    free(key->secret);
    free(key->kid);
    free(key);
}

/* One base64url member: absent gives an empty buffer when it is not required. */
static enum btz_err member(const json_t *object, const char *name, bool required,
                           struct btz_buf *out)
{
    const json_t *value = json_object_get(object, name);
    struct btz_slice text;

    *out = BTZ_BUF(NUMBER_MAX);
    if (!value && !required)
        return BTZ_OK;
    if (!btz_json_get_text(object, name, &text) || text.len == 0)
        return btz_fail(BTZ_INPUT, "key: expected text in \"%s\"", name);
    if (btz_base64url_decode(text, out) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "key: \"%s\"", name);
    return BTZ_OK;
}

static void drop_number(struct btz_buf *b)
{
    if (b->ptr)
        btz_wipe(b->ptr, b->cap);
    btz_buf_release(b);
}

/* ---- EVP keys from numbers ---- */

struct numbers { /* parameters under way; numbers live until the key is made */
    OSSL_PARAM_BLD *bld;
    BIGNUM *bn[8];
    size_t count;
    bool ok;
};

static void numbers_init(struct numbers *n)
{
    *n = (struct numbers){ .bld = OSSL_PARAM_BLD_new() };
    n->ok = n->bld != NULL;
}

static void add_number(struct numbers *n, const char *param, const struct btz_buf *b)
{
    BIGNUM *bn = n->ok && n->count < BTZ_COUNT(n->bn) ? BN_secure_new() : NULL;

    n->ok = bn && BN_bin2bn(b->ptr, (int)b->len, bn) && OSSL_PARAM_BLD_push_BN(n->bld, param, bn);
    if (bn)
        n->bn[n->count++] = bn;
}

static EVP_PKEY *numbers_key(struct numbers *n, const char *type, int selection)
{
    OSSL_PARAM *params = n->ok ? OSSL_PARAM_BLD_to_param(n->bld) : NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &key, selection, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(n->bld);
    for (size_t i = 0; i < n->count; i++)
        BN_clear_free(n->bn[i]);
    ERR_clear_error();
    return key;
}

/* Public part valid; private part, where there is one, belongs to it. */
static bool key_holds(EVP_PKEY *pkey, bool has_private)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool ok = ctx && EVP_PKEY_public_check(ctx) == 1 &&
              (!has_private || EVP_PKEY_pairwise_check(ctx) == 1);

    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static enum btz_err check_rsa(const struct btz_buf *n, const struct btz_buf *e)
{
    size_t bits;

    if (n->len == 0 || n->ptr[0] == 0 || e->len == 0 || e->ptr[0] == 0)
        return btz_fail(BTZ_INPUT, "key: RSA numbers must have no leading zero");
    bits = 8 * n->len;
    for (uint8_t top = n->ptr[0]; !(top & 0x80); top = (uint8_t)(top << 1))
        bits--;
    if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS)
        return btz_fail(BTZ_DENIED, "key: RSA of %zu bits; %d to %d are accepted", bits,
                        RSA_MIN_BITS, RSA_MAX_BITS);
    /* Large exponents make verification slow, 1 makes it no proof, even ones have no inverse. */
    if (e->len > 4 || !(e->ptr[e->len - 1] & 1) || !(n->ptr[n->len - 1] & 1) ||
        (e->len == 1 && e->ptr[0] < 3))
        return btz_fail(BTZ_DENIED, "key: the RSA exponent must be odd, 3 to 2^32");
    return BTZ_OK;
}

static enum btz_err parse_rsa(const json_t *object, struct btz_jwk *key)
{
    static const struct {
        const char *name, *param;
    } parts[] = {
        { "n", OSSL_PKEY_PARAM_RSA_N },          { "e", OSSL_PKEY_PARAM_RSA_E },
        { "d", OSSL_PKEY_PARAM_RSA_D },          { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
        { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
        { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 }, { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
    };
    struct btz_buf b[BTZ_COUNT(parts)] = { 0 };
    struct numbers n;
    size_t have = 0;
    enum btz_err err = BTZ_OK;

    if (json_object_get(object, "oth"))
        return btz_fail(BTZ_UNSUPPORTED, "key: RSA with more than two primes");
    for (size_t i = 0; i < BTZ_COUNT(parts) && err == BTZ_OK; i++) {
        err = member(object, parts[i].name, i < 2, &b[i]);
        have += b[i].len > 0;
    }
    key->has_private = b[2].len > 0;
    if (err == BTZ_OK)
        err = check_rsa(&b[0], &b[1]);
    if (err == BTZ_OK && have != 2 && have != BTZ_COUNT(parts))
        err = btz_fail(BTZ_INPUT, "key: a private RSA key has d, p, q, dp, dq and qi");
    if (err == BTZ_OK) {
        numbers_init(&n);
        for (size_t i = 0; i < have; i++)
            add_number(&n, parts[i].param, &b[i]);
        key->pkey =
            numbers_key(&n, "RSA", key->has_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
        if (!key->pkey || (key->has_private && !key_holds(key->pkey, true)))
            err = btz_fail(BTZ_INPUT, "key: the RSA numbers do not make a key");
    }
    for (size_t i = 0; i < BTZ_COUNT(parts); i++)
        drop_number(&b[i]);
    key->algs = BTZ_JOSE_BIT(BTZ_JOSE_RS256) | BTZ_JOSE_BIT(BTZ_JOSE_RS384) |
                BTZ_JOSE_BIT(BTZ_JOSE_RS512) | BTZ_JOSE_BIT(BTZ_JOSE_PS256) |
                BTZ_JOSE_BIT(BTZ_JOSE_PS384) | BTZ_JOSE_BIT(BTZ_JOSE_PS512);
    return err;
}

static enum btz_err make_ec(const struct btz_buf *x, const struct btz_buf *y,
                            const struct btz_buf *d, struct btz_jwk *key)
{
    size_t half = key->curve->bytes;
    uint8_t point[1 + 2 * 66];
    struct numbers n;

    if (x->len != half || y->len != half || (d->len != 0 && d->len != half))
        return btz_fail(BTZ_INPUT, "key: numbers of %s have %zu bytes", key->curve->name, half);
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, x->ptr, half);
    memcpy(point + 1 + half, y->ptr, half);
    numbers_init(&n);
    n.ok =
        n.ok &&
        OSSL_PARAM_BLD_push_utf8_string(n.bld, OSSL_PKEY_PARAM_GROUP_NAME, key->curve->group, 0) &&
        OSSL_PARAM_BLD_push_octet_string(n.bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half);
    if (d->len)
        add_number(&n, OSSL_PKEY_PARAM_PRIV_KEY, d);
    key->has_private = d->len > 0;
    key->pkey = numbers_key(&n, "EC", key->has_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
    if (!key->pkey || !key_holds(key->pkey, key->has_private))
        return btz_fail(BTZ_DENIED, "key: not a point of %s, or not its private number",
                        key->curve->name);
    key->algs = BTZ_JOSE_BIT(key->curve->alg);
    return BTZ_OK;
}

static enum btz_err parse_ec(const json_t *object, struct btz_jwk *key)
{
    struct btz_buf x = { 0 }, y = { 0 }, d = { 0 };
    struct btz_slice name;
    enum btz_err err;

    if (!btz_json_get_text(object, "crv", &name))
        return btz_fail(BTZ_INPUT, "key: expected text in \"crv\"");
    for (size_t i = 0; i < BTZ_COUNT(curves); i++)
        if (btz_slice_is(name, curves[i].name))
            key->curve = &curves[i];
    if (!key->curve)
        return btz_fail(BTZ_UNSUPPORTED, "key: curve other than P-256, P-384, P-521");
    err = member(object, "x", true, &x);
    if (err == BTZ_OK)
        err = member(object, "y", true, &y);
    if (err == BTZ_OK)
        err = member(object, "d", false, &d);
    if (err == BTZ_OK)
        err = make_ec(&x, &y, &d, key);
    drop_number(&x);
    drop_number(&y);
    drop_number(&d);
    return err;
}

/* Small-order points would let one signature fit every text; libsodium knows them, OpenSSL does not ask. */
static enum btz_err make_okp(const struct btz_buf *x, const struct btz_buf *d, struct btz_jwk *key)
{
    uint8_t derived[32];
    size_t len = sizeof derived;

    if (x->len != 32 || (d->len != 0 && d->len != 32))
        return btz_fail(BTZ_INPUT, "key: numbers of Ed25519 have 32 bytes");
    if (crypto_core_ed25519_is_valid_point(x->ptr) != 1)
        return btz_fail(BTZ_DENIED, "key: not a point of Ed25519's main subgroup");
    key->has_private = d->len > 0;
    key->pkey = key->has_private
                    ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, d->ptr, d->len)
                    : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x->ptr, x->len);
    if (!key->pkey || EVP_PKEY_get_raw_public_key(key->pkey, derived, &len) != 1 || len != 32 ||
        memcmp(derived, x->ptr, 32) != 0) {
        ERR_clear_error();
        return btz_fail(BTZ_DENIED, "key: the private number is of another key");
    }
    key->algs = BTZ_JOSE_BIT(BTZ_JOSE_EDDSA);
    return BTZ_OK;
}

static enum btz_err parse_okp(const json_t *object, struct btz_jwk *key)
{
    struct btz_buf x = { 0 }, d = { 0 };
    struct btz_slice name;
    enum btz_err err;

    if (!btz_json_get_text(object, "crv", &name))
        return btz_fail(BTZ_INPUT, "key: expected text in \"crv\"");
    if (!btz_slice_is(name, "Ed25519"))
        return btz_fail(BTZ_UNSUPPORTED, "key: OKP curve other than Ed25519");
    err = member(object, "x", true, &x);
    if (err == BTZ_OK)
        err = member(object, "d", false, &d);
    if (err == BTZ_OK)
        err = make_okp(&x, &d, key);
    drop_number(&x);
    drop_number(&d);
    return err;
}

/* ---- secrets ---- */

/* What everybody may know must never serve as a secret: RFC 8725 section 2.1. */
static bool is_public_material(struct btz_slice s)
{
    const uint8_t *p = s.ptr;
    EVP_PKEY *pkey;
    X509 *cert;
    struct btz_slice text = btz_slice_trim(s);
    bool found;

    if (btz_slice_has(s, "-----BEGIN") || btz_slice_has(s, "ssh-rsa ") ||
        (text.len && text.ptr[0] == '{' && btz_slice_has(text, "\"kty\"")))
        return true;
    pkey = d2i_PUBKEY(NULL, &p, (long)s.len);
    p = s.ptr;
    cert = d2i_X509(NULL, &p, (long)s.len);
    p = s.ptr;
    found = pkey || cert;
    EVP_PKEY_free(pkey);
    X509_free(cert);
    if (!found) {
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)s.len);
        found = pkey != NULL;
        EVP_PKEY_free(pkey);
    }
    ERR_clear_error();
    return found;
}

static enum btz_err take_secret(struct btz_slice s, struct btz_jwk *key)
{
    if (s.len == 0)
        return btz_fail(BTZ_INPUT, "key: the secret is empty");
    if (s.len > NUMBER_MAX)
        return btz_fail(BTZ_LIMIT, "key: the secret is longer than %d bytes", NUMBER_MAX);
    if (is_public_material(s))
        return btz_fail(BTZ_DENIED, "key: a public key or certificate is no secret");
    key->secret = malloc(s.len);
    if (!key->secret)
        return btz_fail(BTZ_LIMIT, "out of memory for a key");
    memcpy(key->secret, s.ptr, s.len);
    key->secret_len = s.len;
    key->kind = BTZ_JWK_OCT;
    key->has_private = true;
    key->algs = (s.len >= 32 ? BTZ_JOSE_BIT(BTZ_JOSE_HS256) : 0) |
                (s.len >= 48 ? BTZ_JOSE_BIT(BTZ_JOSE_HS384) : 0) |
                (s.len >= 64 ? BTZ_JOSE_BIT(BTZ_JOSE_HS512) : 0);
    return BTZ_OK;
}

static enum btz_err parse_oct(const json_t *object, struct btz_jwk *key)
{
    struct btz_buf k = { 0 };
    enum btz_err err = member(object, "k", true, &k);

    if (err == BTZ_OK)
        err = take_secret(btz_buf_slice(&k), key);
    drop_number(&k);
    return err;
}

enum btz_err btz_jwk_of_secret(struct btz_slice secret, struct btz_jwk **out)
{
    struct btz_jwk *key = calloc(1, sizeof *key);
    enum btz_err err = key ? take_secret(secret, key) : btz_fail(BTZ_LIMIT, "out of memory");

    if (err == BTZ_OK)
        *out = key;
    else
        btz_jwk_free(key);
    return err;
}

/* ---- what all keys have ---- */

/* "alg", "use" and "key_ops" only narrow. */
static enum btz_err narrow(const json_t *object, struct btz_jwk *key)
{
    const json_t *alg = json_object_get(object, "alg"), *use = json_object_get(object, "use"),
                 *ops = json_object_get(object, "key_ops"), *op;
    enum btz_jose_alg found;
    size_t i;

    if ((alg && !json_is_string(alg)) || (use && !json_is_string(use)) ||
        (ops && !json_is_array(ops)))
        return btz_fail(BTZ_INPUT, "key: \"alg\" and \"use\" are text, \"key_ops\" is an array");
    if (alg)
        key->algs &=
            btz_jose_alg_find(json_string_value(alg), &found) == BTZ_OK ? BTZ_JOSE_BIT(found) : 0;
    if (use && strcmp(json_string_value(use), "sig") != 0)
        key->algs = 0;
    if (ops) {
        bool signs = false;

        json_array_foreach(ops, i, op)
        {
            if (!json_is_string(op))
                return btz_fail(BTZ_INPUT, "key: \"key_ops\" is an array of text");
            signs = signs || strcmp(json_string_value(op), "verify") == 0 ||
                    (key->has_private && strcmp(json_string_value(op), "sign") == 0);
        }
        if (!signs)
            key->algs = 0;
    }
    return BTZ_OK;
}

static enum btz_err take_kid(const json_t *object, struct btz_jwk *key)
{
    const json_t *kid = json_object_get(object, "kid");

    if (!kid)
        return BTZ_OK;
    if (!json_is_string(kid) || json_string_length(kid) > 1024)
        return btz_fail(BTZ_INPUT, "key: \"kid\" is text of at most 1,024 bytes");
    key->kid = strdup(json_string_value(kid));
    return key->kid ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for a key");
}

static enum btz_err parse_kind(const json_t *object, struct btz_jwk *key)
{
    struct btz_slice kty;

    if (!json_is_object(object) || !btz_json_get_text(object, "kty", &kty))
        return btz_fail(BTZ_INPUT, "key: expected an object with text in \"kty\"");
    if (btz_slice_is(kty, "RSA")) {
        key->kind = BTZ_JWK_RSA;
        return parse_rsa(object, key);
    }
    if (btz_slice_is(kty, "EC")) {
        key->kind = BTZ_JWK_EC;
        return parse_ec(object, key);
    }
    if (btz_slice_is(kty, "OKP")) {
        key->kind = BTZ_JWK_OKP;
        return parse_okp(object, key);
    }
    if (btz_slice_is(kty, "oct"))
        return parse_oct(object, key);
    return btz_fail(BTZ_UNSUPPORTED, "key: kind other than RSA, EC, OKP and oct");
}

enum btz_err btz_jwk_of_json(const json_t *object, struct btz_jwk **out)
{
    struct btz_jwk *key = calloc(1, sizeof *key);
    enum btz_err err;

    if (!key)
        return btz_fail(BTZ_LIMIT, "out of memory for a key");
    err = parse_kind(object, key);
    if (err == BTZ_OK)
        err = narrow(object, key);
    if (err == BTZ_OK)
        err = take_kid(object, key);
    if (err == BTZ_OK)
        *out = key;
    else
        btz_jwk_free(key);
    return err;
}

enum btz_err btz_jwk_parse(struct btz_slice json, struct btz_jwk **out)
{
    BTZ_JSON json_t *object = NULL;

    BTZ_TRY(btz_json_parse(json, BTZ_JWK_MAX, "key", &object));
    return btz_jwk_of_json(object, out);
}

const char *btz_jwk_kid(const struct btz_jwk *key)
{
    return key->kid;
}

unsigned btz_jwk_algs(const struct btz_jwk *key)
{
    return key->algs;
}

bool btz_jwk_is_private(const struct btz_jwk *key)
{
    return key->has_private;
}
