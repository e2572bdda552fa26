/* What goes to the browser and what comes back: WebAuthn Level 3 section 5.1, the JSON forms. */
#include "access/jose.h"
#include "access/webauthn.h"

#define TIMEOUT_MS 300000

/* ---- from the browser ---- */

static enum btz_err take_bytes(const json_t *object, const char *name, bool required, size_t max,
                               struct btz_arena *arena, struct btz_slice *out)
{
    const json_t *value = json_object_get(object, name);
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(max + 3);
    struct btz_slice text;

    *out = (struct btz_slice){ 0 };
    if ((!value || json_is_null(value)) && !required)
        return BTZ_OK;
    if (!btz_json_get_text(object, name, &text) || (required && text.len == 0))
        return btz_fail(BTZ_INPUT, "passkey: expected base64url in \"%s\"", name);
    if (text.len > max / 3 * 4 + 4)
        return btz_fail(BTZ_LIMIT, "passkey: \"%s\" is larger than %zu bytes", name, max);
    if (btz_base64url_decode(text, &raw) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "passkey: \"%s\"", name);
    if (raw.len > max)
        return btz_fail(BTZ_LIMIT, "passkey: \"%s\" is larger than %zu bytes", name, max);
    return btz_arena_copy(arena, btz_buf_slice(&raw), out);
}

enum btz_err btz_webauthn_response_parse(const json_t *credential, bool registration,
                                         struct btz_arena *arena, struct btz_webauthn_response *out)
{
    const json_t *response = json_object_get(credential, "response");
    struct btz_webauthn_response r = { 0 };
    struct btz_slice type, raw_id;

    if (!json_is_object(credential) || !json_is_object(response) ||
        !btz_json_get_text(credential, "type", &type) || !btz_slice_is(type, "public-key"))
        return btz_fail(BTZ_INPUT, "passkey: expected a credential of type public-key");
    BTZ_TRY(take_bytes(credential, "id", true, BTZ_WEBAUTHN_ID_MAX, arena, &r.id));
    BTZ_TRY(take_bytes(credential, "rawId", false, BTZ_WEBAUTHN_ID_MAX, arena, &raw_id));
    if (raw_id.len && !btz_slice_equal(raw_id, r.id))
        return btz_fail(BTZ_INPUT, "passkey: \"id\" and \"rawId\" differ");
    BTZ_TRY(take_bytes(response, "clientDataJSON", true, BTZ_WEBAUTHN_CLIENT_MAX, arena,
                       &r.client_data));
    if (registration) {
        BTZ_TRY(take_bytes(response, "attestationObject", true, BTZ_WEBAUTHN_OBJECT_MAX, arena,
                           &r.attestation_object));
    } else {
        BTZ_TRY(take_bytes(response, "authenticatorData", true, BTZ_WEBAUTHN_OBJECT_MAX, arena,
                           &r.auth_data));
        BTZ_TRY(take_bytes(response, "signature", true, BTZ_WEBAUTHN_SIGNATURE_MAX, arena,
                           &r.signature));
        BTZ_TRY(take_bytes(response, "userHandle", false, BTZ_WEBAUTHN_HANDLE_MAX, arena,
                           &r.user_handle));
    }
    *out = r;
    return BTZ_OK;
}

/* ---- to the browser ---- */

static json_t *encoded(struct btz_slice bytes)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);

    if (btz_base64url_encode(bytes, &text) != BTZ_OK)
        return NULL;
    return json_stringn(text.ptr ? (const char *)text.ptr : "", text.len);
}

static json_t *descriptors(const struct btz_slice *ids, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count && list; i++)
        if (json_array_append_new(
                list, json_pack("{s:s, s:o}", "type", "public-key", "id", encoded(ids[i]))) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *parameters(void)
{
    static const int algs[] = { BTZ_COSE_ES256, BTZ_COSE_EDDSA, BTZ_COSE_ES384, BTZ_COSE_RS256 };
    json_t *list = json_array();

    for (size_t i = 0; i < BTZ_COUNT(algs) && list; i++)
        if (json_array_append_new(
                list, json_pack("{s:s, s:i}", "type", "public-key", "alg", algs[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

json_t *btz_webauthn_create_options(const struct btz_webauthn_rp *rp,
                                    const struct btz_webauthn_user *user,
                                    struct btz_slice challenge, const struct btz_slice *ids,
                                    size_t count)
{
    const char *verification = rp->user_verification ? "required" : "preferred";

    return json_pack(
        "{s:{s:s, s:s}, s:{s:o, s:s, s:s}, s:o, s:o, s:i, s:o, s:{s:s, s:b, s:s}, s:s}", "rp", "id",
        rp->id, "name", rp->name, "user", "id", encoded(user->handle), "name", user->name,
        "displayName", user->display_name, "challenge", encoded(challenge), "pubKeyCredParams",
        parameters(), "timeout", TIMEOUT_MS, "excludeCredentials", descriptors(ids, count),
        "authenticatorSelection", "residentKey", "preferred", "requireResidentKey", 0,
        "userVerification", verification, "attestation", "none");
}

json_t *btz_webauthn_get_options(const struct btz_webauthn_rp *rp, struct btz_slice challenge,
                                 const struct btz_slice *ids, size_t count)
{
    return json_pack("{s:o, s:i, s:s, s:o, s:s}", "challenge", encoded(challenge), "timeout",
                     TIMEOUT_MS, "rpId", rp->id, "allowCredentials", descriptors(ids, count),
                     "userVerification", rp->user_verification ? "required" : "preferred");
}

/* ---- the site ---- */

enum btz_err btz_webauthn_rp_id(const char *origin, char *out, size_t size)
{
    struct btz_slice o = btz_str(origin), https = btz_str("https://"), http = btz_str("http://");
    bool secure = btz_slice_has_prefix(o, https);
    struct btz_slice host;
    size_t end;

    if (!secure && !btz_slice_has_prefix(o, http))
        return btz_fail(BTZ_USAGE, "expected an origin such as https://bartizan.example.com");
    host = btz_slice_sub(o, secure ? https.len : http.len, o.len);
    end = btz_slice_find(host, btz_str(":"), 0);
    if (end != SIZE_MAX)
        host = btz_slice_sub(host, 0, end);
    if (host.len == 0 || host.len >= size || btz_slice_has(host, "/") || btz_slice_has(host, "@"))
        return btz_fail(BTZ_USAGE, "origin %s: expected scheme and host, perhaps a port", origin);
    if (!secure && !btz_slice_is(host, "localhost"))
        return btz_fail(BTZ_USAGE, "origin %s: passkeys need https, or http on localhost", origin);
    memcpy(out, host.ptr, host.len);
    out[host.len] = '\0';
    return BTZ_OK;
}
