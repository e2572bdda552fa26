/*
 * libfido2 as a verifier without a device. It also compares the extensions in the signed data with those that were asked
 * for; a relying party must put up with others (section 9), so those that are there are given as asked for.
 */
#include "access/federation/webauthn_verify.h"

#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#include <fido/es384.h>
#include <fido/rs256.h>

struct public_key {
    es256_pk_t *es256;
    es384_pk_t *es384;
    rs256_pk_t *rs256;
    eddsa_pk_t *eddsa;
    const void *any;
};

static void release_key(struct public_key *k)
{
    es256_pk_free(&k->es256);
    es384_pk_free(&k->es384);
    rs256_pk_free(&k->rs256);
    eddsa_pk_free(&k->eddsa);
}

static enum btz_err make_key(const struct btz_cose_key *key, struct public_key *out)
{
    int r = FIDO_ERR_INTERNAL;

    *out = (struct public_key){ 0 };
    switch (key->alg) {
    case BTZ_COSE_ES256:
        out->any = out->es256 = es256_pk_new();
        if (out->any)
            r = es256_pk_from_ptr(out->es256, key->raw, key->raw_len);
        break;
    case BTZ_COSE_ES384:
        out->any = out->es384 = es384_pk_new();
        if (out->any)
            r = es384_pk_from_ptr(out->es384, key->raw, key->raw_len);
        break;
    case BTZ_COSE_RS256:
        out->any = out->rs256 = rs256_pk_new();
        if (out->any)
            r = rs256_pk_from_ptr(out->rs256, key->raw, key->raw_len);
        break;
    case BTZ_COSE_EDDSA:
        out->any = out->eddsa = eddsa_pk_new();
        if (out->any)
            r = eddsa_pk_from_ptr(out->eddsa, key->raw, key->raw_len);
        break;
    default:
        return btz_fail(BTZ_UNSUPPORTED, "credential key: unknown algorithm %d", key->alg);
    }
    if (!out->any)
        return btz_fail(BTZ_LIMIT, "out of memory for a credential key");
    return r == FIDO_OK ? BTZ_OK : btz_fail(BTZ_DENIED, "credential key: not a valid key");
}

enum btz_err btz_webauthn_check_key(const struct btz_cose_key *key)
{
    struct public_key made;
    enum btz_err err = make_key(key, &made);

    release_key(&made);
    return err;
}

static bool has_extension(const cbor_item_t *map, const char *name)
{
    return btz_cbor_text_member(map, name) != NULL;
}

static enum btz_err load_extensions(const struct btz_auth_data *a, cbor_item_t **out)
{
    size_t used;

    *out = NULL;
    return a->extensions.len ? btz_cbor_load(a->extensions, "extensions", &used, out) : BTZ_OK;
}

/* ---- assertion ---- */

static int fill_assertion(fido_assert_t *a, const struct btz_webauthn_signed *s,
                          const cbor_item_t *extensions)
{
    int mask = (has_extension(extensions, "hmac-secret") ? FIDO_EXT_HMAC_SECRET : 0) |
               (has_extension(extensions, "credBlob") ? FIDO_EXT_CRED_BLOB : 0);
    int r = fido_assert_set_rp(a, s->rp_id);

    if (r == FIDO_OK)
        r = fido_assert_set_clientdata_hash(a, s->client_hash, sizeof s->client_hash);
    if (r == FIDO_OK)
        r = fido_assert_set_count(a, 1);
    if (r == FIDO_OK)
        r = fido_assert_set_authdata_raw(a, 0, s->auth_data.ptr, s->auth_data.len);
    if (r == FIDO_OK)
        r = fido_assert_set_sig(a, 0, s->signature.ptr, s->signature.len);
    if (r == FIDO_OK && mask)
        r = fido_assert_set_extensions(a, mask);
    if (r == FIDO_OK)
        r = fido_assert_set_up(a, FIDO_OPT_TRUE);
    if (r == FIDO_OK && s->user_verification)
        r = fido_assert_set_uv(a, FIDO_OPT_TRUE);
    return r;
}

enum btz_err btz_webauthn_verify_assertion(const struct btz_webauthn_signed *s,
                                           const struct btz_cose_key *key)
{
    BTZ_CBOR cbor_item_t *extensions = NULL;
    struct public_key made;
    fido_assert_t *a;
    enum btz_err err;
    int r;

    BTZ_TRY(load_extensions(s->parsed, &extensions));
    a = fido_assert_new();
    err = make_key(key, &made);
    if (err == BTZ_OK && !a)
        err = btz_fail(BTZ_LIMIT, "out of memory for an assertion");
    if (err == BTZ_OK) {
        r = fill_assertion(a, s, extensions);
        if (r == FIDO_OK)
            r = fido_assert_verify(a, 0, key->alg, made.any);
        if (r != FIDO_OK)
            err = btz_fail(BTZ_DENIED, "passkey: the signature is wrong");
    }
    release_key(&made);
    fido_assert_free(&a);
    return err;
}

/* ---- registration ---- */

static int set_extensions(fido_cred_t *c, const cbor_item_t *extensions)
{
    int mask = (has_extension(extensions, "hmac-secret") ? FIDO_EXT_HMAC_SECRET : 0) |
               (has_extension(extensions, "credBlob") ? FIDO_EXT_CRED_BLOB : 0);
    int64_t number;
    int r = mask ? fido_cred_set_extensions(c, mask) : FIDO_OK;

    if (r == FIDO_OK && btz_cbor_int(btz_cbor_text_member(extensions, "credProtect"), &number))
        r = number >= 1 && number <= 3 ? fido_cred_set_prot(c, (int)number)
                                       : FIDO_ERR_INVALID_ARGUMENT;
    if (r == FIDO_OK && btz_cbor_int(btz_cbor_text_member(extensions, "minPinLength"), &number))
        r = number >= 1 && number <= 255 ? fido_cred_set_pin_minlen(c, (size_t)number)
                                         : FIDO_ERR_INVALID_ARGUMENT;
    return r;
}

static int fill_credential(fido_cred_t *c, const struct btz_webauthn_signed *s, int alg,
                           const cbor_item_t *extensions)
{
    int r = fido_cred_set_type(c, alg);

    if (r == FIDO_OK)
        r = fido_cred_set_rp(c, s->rp_id, NULL);
    if (r == FIDO_OK)
        r = fido_cred_set_clientdata_hash(c, s->client_hash, sizeof s->client_hash);
    if (r == FIDO_OK)
        r = fido_cred_set_fmt(c, "packed");
    if (r == FIDO_OK)
        r = set_extensions(c, extensions);
    if (r == FIDO_OK)
        r = fido_cred_set_authdata_raw(c, s->auth_data.ptr, s->auth_data.len);
    if (r == FIDO_OK)
        r = fido_cred_set_sig(c, s->signature.ptr, s->signature.len);
    if (r == FIDO_OK && s->user_verification)
        r = fido_cred_set_uv(c, FIDO_OPT_TRUE);
    return r;
}

enum btz_err btz_webauthn_verify_self(const struct btz_webauthn_signed *s,
                                      const struct btz_cose_key *key)
{
    BTZ_CBOR cbor_item_t *extensions = NULL;
    fido_cred_t *c;
    int r;

    BTZ_TRY(load_extensions(s->parsed, &extensions));
    c = fido_cred_new();
    if (!c)
        return btz_fail(BTZ_LIMIT, "out of memory for a credential");
    r = fill_credential(c, s, key->alg, extensions);
    if (r == FIDO_OK)
        r = fido_cred_verify_self(c);
    fido_cred_free(&c);
    return r == FIDO_OK ? BTZ_OK : btz_fail(BTZ_DENIED, "passkey: the self-attestation is wrong");
}
