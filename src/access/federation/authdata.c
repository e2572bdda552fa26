/* Authenticator data and COSE keys: every byte accounted for. */
#include <sodium.h>

#include "access/federation/authdata.h"

static const char what[] = "authenticator data";

/* Bytes of one CBOR item at the reader's place. */
static enum btz_err skip_cbor(struct btz_reader *r, struct btz_slice *out)
{
    BTZ_CBOR cbor_item_t *item = NULL;
    size_t used;

    BTZ_TRY(btz_cbor_load(btz_slice_sub(r->in, r->at, r->in.len), what, &used, &item));
    if (!cbor_isa_map(item))
        return btz_fail(BTZ_INPUT, "%s: expected a CBOR map", what);
    return btz_read_bytes(r, used, out);
}

enum btz_err btz_auth_data_parse(struct btz_slice in, struct btz_auth_data *out)
{
    struct btz_reader r = { .in = in, .what = what };
    struct btz_auth_data a = { 0 };
    uint16_t len;

    if (in.len > BTZ_WEBAUTHN_OBJECT_MAX)
        return btz_fail(BTZ_LIMIT, "%s: too large", what);
    BTZ_TRY(btz_read_bytes(&r, 32, &a.rp_hash));
    BTZ_TRY(btz_read_u8(&r, &a.flags));
    BTZ_TRY(btz_read_be32(&r, &a.sign_count));
    if (a.flags & BTZ_AUTH_AT) {
        BTZ_TRY(btz_read_bytes(&r, 16, &a.aaguid));
        BTZ_TRY(btz_read_be16(&r, &len));
        if (len == 0 || len > BTZ_WEBAUTHN_ID_MAX)
            return btz_fail(BTZ_INPUT, "%s: credential ids have 1 to %d bytes", what,
                            BTZ_WEBAUTHN_ID_MAX);
        BTZ_TRY(btz_read_bytes(&r, len, &a.id));
        BTZ_TRY(skip_cbor(&r, &a.cose));
        if (a.cose.len > BTZ_WEBAUTHN_KEY_MAX)
            return btz_fail(BTZ_LIMIT, "%s: the key is larger than %d bytes", what,
                            BTZ_WEBAUTHN_KEY_MAX);
    }
    if (a.flags & BTZ_AUTH_ED)
        BTZ_TRY(skip_cbor(&r, &a.extensions));
    if (r.at != in.len)
        return btz_fail(BTZ_INPUT, "%s: %zu bytes too many", what, in.len - r.at);
    *out = a;
    return BTZ_OK;
}

/* ---- COSE keys: RFC 8152 section 13, RFC 8230; the forms of WebAuthn section 6.5.1.1 ---- */

static const struct form {
    int alg, kty, crv; /* crv 0: RSA */
    size_t first, second;
    size_t members;
} forms[] = {
    { BTZ_COSE_ES256, 2, 1, 32, 32, 5 },
    { BTZ_COSE_ES384, 2, 2, 48, 48, 5 },
    { BTZ_COSE_EDDSA, 1, 6, 32, 0, 4 },
    { BTZ_COSE_RS256, 3, 0, 256, 3, 4 },
};

static bool take_number(const cbor_item_t *map, int64_t label, size_t len, struct btz_cose_key *key)
{
    struct btz_slice bytes;

    if (len == 0)
        return true;
    if (!btz_cbor_bytes(btz_cbor_int_member(map, label), &bytes) || bytes.len != len)
        return false;
    memcpy(key->raw + key->raw_len, bytes.ptr, len);
    key->raw_len += len;
    return true;
}

static enum btz_err take_key(const cbor_item_t *map, const struct form *f, struct btz_cose_key *key)
{
    int64_t kty, crv = 0;
    bool rsa = f->crv == 0;

    if (!btz_cbor_int(btz_cbor_int_member(map, 1), &kty) || kty != f->kty ||
        (!rsa && (!btz_cbor_int(btz_cbor_int_member(map, -1), &crv) || crv != f->crv)) ||
        cbor_map_size(map) != f->members || !take_number(map, rsa ? -1 : -2, f->first, key) ||
        !take_number(map, rsa ? -2 : -3, f->second, key))
        return btz_fail(BTZ_INPUT, "credential key: not the members that COSE algorithm %d has",
                        f->alg);
    /* 2,048 bits in full, odd; exponents as authenticators have them. */
    if (rsa && (!(key->raw[0] & 0x80) || !(key->raw[255] & 1) || !(key->raw[258] & 1) ||
                (key->raw[256] == 0 && key->raw[257] == 0 && key->raw[258] < 3)))
        return btz_fail(BTZ_DENIED, "credential key: the RSA numbers make no key");
    if (f->alg == BTZ_COSE_EDDSA && crypto_core_ed25519_is_valid_point(key->raw) != 1)
        return btz_fail(BTZ_DENIED, "credential key: not a point of Ed25519's main subgroup");
    return BTZ_OK;
}

enum btz_err btz_cose_parse(struct btz_slice in, struct btz_cose_key *out)
{
    BTZ_CBOR cbor_item_t *map = NULL;
    struct btz_cose_key key = { 0 };
    int64_t alg;
    size_t used;

    BTZ_TRY(btz_cbor_load(in, "credential key", &used, &map));
    if (used != in.len || !cbor_isa_map(map) || !btz_cbor_int(btz_cbor_int_member(map, 3), &alg))
        return btz_fail(BTZ_INPUT, "credential key: expected a COSE_Key with an algorithm");
    for (size_t i = 0; i < BTZ_COUNT(forms); i++)
        if (forms[i].alg == alg) {
            key.alg = forms[i].alg;
            BTZ_TRY(take_key(map, &forms[i], &key));
            *out = key;
            return BTZ_OK;
        }
    return btz_fail(BTZ_UNSUPPORTED, "credential key: its algorithm was not offered");
}
