/* The relying party's checks: WebAuthn Level 2, sections 7.1 and 7.2; BE and BS as Level 3 has them. */
#include "access/webauthn.h"

#include "access/federation/webauthn_verify.h"
#include "access/jose.h"

/* ---- client data ---- */

static bool member_is(const json_t *object, const char *name, const char *wanted)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) && strcmp(json_string_value(value), wanted) == 0;
}

static bool is_our_challenge(const json_t *data, struct btz_slice challenge)
{
    BTZ_BUF_RELEASE struct btz_buf given = BTZ_BUF(1024);
    struct btz_slice text;

    return challenge.len > 0 && btz_json_get_text(data, "challenge", &text) &&
           btz_base64url_decode(text, &given) == BTZ_OK && given.len == challenge.len &&
           btz_equal_ct(given.ptr, challenge.ptr, challenge.len);
}

static enum btz_err check_members(const json_t *data, const char *type,
                                  const struct btz_webauthn_rp *rp, struct btz_slice challenge)
{
    const json_t *cross = json_object_get(data, "crossOrigin"),
                 *binding = json_object_get(data, "tokenBinding");

    if (!json_is_object(data))
        return btz_fail(BTZ_INPUT, "passkey: client data is not an object");
    if (!member_is(data, "type", type))
        return btz_fail(BTZ_DENIED, "passkey: client data is not of type %s", type);
    if (!is_our_challenge(data, challenge))
        return btz_fail(BTZ_DENIED, "passkey: another challenge");
    if (cross && !json_is_false(cross))
        return btz_fail(BTZ_DENIED, "passkey: made within a page of another origin");
    if (json_object_get(data, "topOrigin"))
        return btz_fail(BTZ_DENIED, "passkey: made within a page of another origin");
    if (binding && !member_is(binding, "status", "supported"))
        return btz_fail(BTZ_DENIED, "passkey: bound to a TLS connection that we do not know");
    for (size_t i = 0; rp->origins[i]; i++)
        if (member_is(data, "origin", rp->origins[i]))
            return BTZ_OK;
    return btz_fail(BTZ_DENIED, "passkey: from an origin that is not ours");
}

static enum btz_err check_client(struct btz_slice client_data, const char *type,
                                 const struct btz_webauthn_rp *rp, struct btz_slice challenge,
                                 uint8_t hash[BTZ_SHA256_LEN])
{
    BTZ_JSON json_t *data = NULL;

    BTZ_TRY(btz_json_parse(client_data, BTZ_WEBAUTHN_CLIENT_MAX, "passkey: client data", &data));
    BTZ_TRY(check_members(data, type, rp, challenge));
    btz_sha256(client_data, hash);
    return BTZ_OK;
}

/* ---- authenticator data ---- */

static enum btz_err check_auth(const struct btz_auth_data *a, const struct btz_webauthn_rp *rp)
{
    uint8_t hash[BTZ_SHA256_LEN];

    btz_sha256(btz_str(rp->id), hash);
    if (!btz_equal_ct(hash, a->rp_hash.ptr, sizeof hash))
        return btz_fail(BTZ_DENIED, "passkey: made for another site");
    if (!(a->flags & BTZ_AUTH_UP))
        return btz_fail(BTZ_DENIED, "passkey: nobody was present");
    if (rp->user_verification && !(a->flags & BTZ_AUTH_UV))
        return btz_fail(BTZ_DENIED, "passkey: the user was not verified");
    if ((a->flags & BTZ_AUTH_BS) && !(a->flags & BTZ_AUTH_BE))
        return btz_fail(BTZ_DENIED, "passkey: backed up, and not fit for it");
    return BTZ_OK;
}

/* ---- registration ---- */

struct statement { /* borrowed of the object */
    cbor_item_t *object;
    struct btz_slice format, auth_data;
    const cbor_item_t *map;
};

static enum btz_err parse_object(struct btz_slice in, struct statement *out)
{
    static const char what[] = "attestation object";
    size_t used;

    if (in.len > BTZ_WEBAUTHN_OBJECT_MAX)
        return btz_fail(BTZ_LIMIT, "%s: larger than %d bytes", what, BTZ_WEBAUTHN_OBJECT_MAX);
    BTZ_TRY(btz_cbor_load(in, what, &used, &out->object));
    out->map = btz_cbor_text_member(out->object, "attStmt");
    if (used != in.len || !cbor_isa_map(out->object) || !out->map || !cbor_isa_map(out->map) ||
        !btz_cbor_text(btz_cbor_text_member(out->object, "fmt"), &out->format) ||
        !btz_cbor_bytes(btz_cbor_text_member(out->object, "authData"), &out->auth_data))
        return btz_fail(BTZ_INPUT, "%s: expected a map of fmt, attStmt and authData", what);
    /* Registered identifiers have at most 32 printable characters (RFC 8809). */
    if (out->format.len == 0 || out->format.len > 32)
        return btz_fail(BTZ_INPUT, "%s: the format has 1 to 32 characters", what);
    for (size_t i = 0; i < out->format.len; i++)
        if (out->format.ptr[i] <= 0x20 || out->format.ptr[i] >= 0x7F)
            return btz_fail(BTZ_INPUT, "%s: the format has other than printable characters", what);
    return BTZ_OK;
}

/* Formats with certificates are recorded; nobody here has a list of makers to believe. */
static enum btz_err check_statement(const struct statement *st, const struct btz_webauthn_signed *s,
                                    const struct btz_cose_key *key, bool *self)
{
    struct btz_webauthn_signed with = *s;
    int64_t alg;

    *self = false;
    if (btz_slice_is(st->format, "none"))
        return cbor_map_size(st->map) == 0
                   ? BTZ_OK
                   : btz_fail(BTZ_INPUT, "attestation object: \"none\" has an empty statement");
    if (!btz_slice_is(st->format, "packed") || btz_cbor_text_member(st->map, "x5c"))
        return BTZ_OK;
    if (!btz_cbor_int(btz_cbor_text_member(st->map, "alg"), &alg) || alg != key->alg ||
        !btz_cbor_bytes(btz_cbor_text_member(st->map, "sig"), &with.signature) ||
        with.signature.len > BTZ_WEBAUTHN_SIGNATURE_MAX || cbor_map_size(st->map) != 2)
        return btz_fail(BTZ_DENIED, "attestation object: a packed self-attestation has the "
                                    "algorithm of the key and a signature");
    BTZ_TRY(btz_webauthn_verify_self(&with, key));
    *self = true;
    return BTZ_OK;
}

static enum btz_err register_object(const struct btz_webauthn_rp *rp,
                                    const struct btz_webauthn_response *r,
                                    const struct statement *st, struct btz_webauthn_signed *s,
                                    struct btz_webauthn_key *out)
{
    struct btz_webauthn_key key = { 0 };
    struct btz_auth_data a;
    struct btz_cose_key cose;

    BTZ_TRY(btz_auth_data_parse(st->auth_data, &a));
    BTZ_TRY(check_auth(&a, rp));
    if (!(a.flags & BTZ_AUTH_AT))
        return btz_fail(BTZ_DENIED, "passkey: there is no credential in it");
    if (!btz_slice_equal(a.id, r->id))
        return btz_fail(BTZ_DENIED, "passkey: two credential ids that differ");
    BTZ_TRY(btz_cose_parse(a.cose, &cose));
    BTZ_TRY(btz_webauthn_check_key(&cose));
    s->parsed = &a;
    s->auth_data = st->auth_data;
    BTZ_TRY(check_statement(st, s, &cose, &key.self_attested));
    memcpy(key.id, a.id.ptr, a.id.len);
    key.id_len = a.id.len;
    memcpy(key.cose, a.cose.ptr, a.cose.len);
    key.cose_len = a.cose.len;
    key.alg = cose.alg;
    key.sign_count = a.sign_count;
    memcpy(key.aaguid, a.aaguid.ptr, sizeof key.aaguid);
    key.user_verified = (a.flags & BTZ_AUTH_UV) != 0;
    key.backup_eligible = (a.flags & BTZ_AUTH_BE) != 0;
    key.backed_up = (a.flags & BTZ_AUTH_BS) != 0;
    memcpy(key.format, st->format.ptr, st->format.len);
    *out = key;
    return BTZ_OK;
}

enum btz_err btz_webauthn_register(const struct btz_webauthn_rp *rp, struct btz_slice challenge,
                                   const struct btz_webauthn_response *r,
                                   struct btz_webauthn_key *out)
{
    struct btz_webauthn_signed s = { .rp_id = rp->id, .user_verification = rp->user_verification };
    struct statement st = { 0 };
    enum btz_err err;

    BTZ_TRY(check_client(r->client_data, "webauthn.create", rp, challenge, s.client_hash));
    err = parse_object(r->attestation_object, &st);
    if (err == BTZ_OK)
        err = register_object(rp, r, &st, &s, out);
    btz_cbor_drop(&st.object);
    return err;
}

/* ---- assertion ---- */

enum btz_err btz_webauthn_assert(const struct btz_webauthn_rp *rp, struct btz_slice challenge,
                                 const struct btz_webauthn_key *key,
                                 const struct btz_webauthn_response *r,
                                 struct btz_webauthn_result *out)
{
    struct btz_webauthn_signed s = { .rp_id = rp->id, .user_verification = rp->user_verification };
    struct btz_auth_data a;
    struct btz_cose_key cose;

    if (!btz_slice_equal(r->id, btz_slice_of(key->id, key->id_len)))
        return btz_fail(BTZ_DENIED, "passkey: another credential");
    BTZ_TRY(check_client(r->client_data, "webauthn.get", rp, challenge, s.client_hash));
    BTZ_TRY(btz_auth_data_parse(r->auth_data, &a));
    BTZ_TRY(check_auth(&a, rp));
    if (a.flags & BTZ_AUTH_AT)
        return btz_fail(BTZ_DENIED, "passkey: a credential where none is expected");
    if (((a.flags & BTZ_AUTH_BE) != 0) != key->backup_eligible)
        return btz_fail(BTZ_DENIED, "passkey: its fitness for backup has changed");
    if (r->signature.len == 0 || r->signature.len > BTZ_WEBAUTHN_SIGNATURE_MAX)
        return btz_fail(BTZ_INPUT, "passkey: signatures have 1 to %d bytes",
                        BTZ_WEBAUTHN_SIGNATURE_MAX);
    BTZ_TRY(btz_cose_parse(btz_slice_of(key->cose, key->cose_len), &cose));
    if (cose.alg != key->alg)
        return btz_fail(BTZ_INPUT, "passkey: the stored key is of another algorithm");
    s.parsed = &a;
    s.auth_data = r->auth_data;
    s.signature = r->signature;
    BTZ_TRY(btz_webauthn_verify_assertion(&s, &cose));
    /* Last: only who holds the key can raise this alarm. */
    if ((a.sign_count != 0 || key->sign_count != 0) && a.sign_count <= key->sign_count)
        return btz_fail(BTZ_CONFLICT,
                        "passkey: its counter went from %" PRIu32 " to %" PRIu32
                        "; there may be a copy of it",
                        key->sign_count, a.sign_count);
    *out = (struct btz_webauthn_result){ .sign_count = a.sign_count,
                                         .user_verified = (a.flags & BTZ_AUTH_UV) != 0,
                                         .backed_up = (a.flags & BTZ_AUTH_BS) != 0 };
    return BTZ_OK;
}
