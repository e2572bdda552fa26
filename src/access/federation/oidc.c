/* OpenID Connect Core 1.0, authorisation code flow, as RFC 9700 (security best practice) would have it. */
#include <openssl/evp.h>
#include <strings.h>

#include "access/federation/jwk.h"
#include "access/federation/oidc_issuer.h"

#define LEEWAY_S     30
#define ID_AGE_S     600 /* an ID token is fetched a moment after it is made */
#define CODE_MAX     2048
#define RESPONSE_MAX 131072
#define MEMBERS_MAX  1000

/* ---- the way there ---- */

static enum btz_err add_escaped(struct btz_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || *p == '-' || *p == '.' || *p == '_' || *p == '~';

        BTZ_TRY(plain ? btz_buf_add_byte(out, (uint8_t)*p)
                      : btz_buf_printf(out, "%%%02X", (unsigned)(uint8_t)*p));
    }
    return BTZ_OK;
}

static enum btz_err add_parameter(struct btz_buf *out, const char *name, const char *value)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '?')
        BTZ_TRY(btz_buf_add_byte(out, '&'));
    BTZ_TRY(btz_buf_add_str(out, name));
    BTZ_TRY(btz_buf_add_byte(out, '='));
    return add_escaped(out, value);
}

/* RFC 7636: base64url of SHA-256 of the verifier. */
static enum btz_err add_challenge(struct btz_buf *out, const char *verifier)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(64);
    uint8_t hash[BTZ_SHA256_LEN];
    const char *at;

    btz_sha256(btz_str(verifier), hash);
    BTZ_TRY(btz_base64url_encode(btz_slice_of(hash, sizeof hash), &text));
    BTZ_TRY(btz_buf_cstr(&text, &at));
    BTZ_TRY(add_parameter(out, "code_challenge", at));
    return add_parameter(out, "code_challenge_method", "S256");
}

static enum btz_err add_scopes(struct btz_buf *out, const struct btz_conf_list *scopes)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1024);
    const char *const *names = scopes->items, *at;

    BTZ_TRY(btz_buf_add_str(&text, "openid"));
    for (size_t i = 0; i < scopes->count; i++)
        if (strcmp(names[i], "openid") != 0)
            BTZ_TRY(btz_buf_printf(&text, " %s", names[i]));
    BTZ_TRY(btz_buf_cstr(&text, &at));
    return add_parameter(out, "scope", at);
}

static enum btz_err random_text(char out[44])
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(64);
    uint8_t bytes[32];

    btz_random_bytes(bytes, sizeof bytes);
    BTZ_TRY(btz_base64url_encode(btz_slice_of(bytes, sizeof bytes), &text));
    memcpy(out, text.ptr, 43);
    out[43] = '\0';
    return BTZ_OK;
}

enum btz_err btz_oidc_start(struct btz_oidc *o, const char *redirect, uint64_t now_ms,
                            struct btz_oidc_state *state, struct btz_buf *url)
{
    struct btz_oidc_metadata m;
    struct btz_oidc_state s;

    if (!o->conf->client_id || !o->conf->client_id[0])
        return btz_fail(BTZ_USAGE, "issuer %s: nobody signs in by it (no client_id)",
                        o->conf->name);
    BTZ_TRY(btz_oidc_metadata_get(o, now_ms, &m));
    BTZ_TRY(random_text(s.state));
    BTZ_TRY(random_text(s.nonce));
    BTZ_TRY(random_text(s.verifier));
    BTZ_TRY(btz_buf_add_str(url, m.authorization));
    if (!strchr(m.authorization, '?'))
        BTZ_TRY(btz_buf_add_byte(url, '?'));
    BTZ_TRY(add_parameter(url, "response_type", "code"));
    BTZ_TRY(add_parameter(url, "client_id", o->conf->client_id));
    BTZ_TRY(add_parameter(url, "redirect_uri", redirect));
    BTZ_TRY(add_scopes(url, &o->conf->scopes));
    BTZ_TRY(add_parameter(url, "state", s.state));
    BTZ_TRY(add_parameter(url, "nonce", s.nonce));
    BTZ_TRY(add_challenge(url, s.verifier));
    *state = s;
    return BTZ_OK;
}

/* ---- the way back ---- */

static bool same_text(const char *a, const char *b)
{
    size_t len = strlen(a);

    return len == strlen(b) && btz_equal_ct(a, b, len);
}

static enum btz_err check_return(const struct btz_oidc *o, const struct btz_oidc_metadata *m,
                                 const struct btz_oidc_state *state, const char *got_state,
                                 const char *got_iss, const char *code)
{
    if (!got_state || !state->state[0] || !same_text(state->state, got_state))
        return btz_fail(BTZ_DENIED, "issuer %s: another state than the one sent", o->conf->name);
    /* Mix-up: RFC 9207 section 2.4. */
    if (got_iss ? strcmp(got_iss, o->conf->url) != 0 : m->sends_iss)
        return btz_fail(BTZ_DENIED, "issuer %s: the answer is of another issuer", o->conf->name);
    if (!code || !code[0] || strlen(code) > CODE_MAX)
        return btz_fail(BTZ_DENIED, "issuer %s: no code", o->conf->name);
    return BTZ_OK;
}

static enum btz_err exchange(struct btz_oidc *o, const struct btz_oidc_metadata *m,
                             const struct btz_oidc_state *state, const char *code,
                             const char *redirect, json_t **out)
{
    BTZ_BUF_RELEASE struct btz_buf form = BTZ_BUF(16384), text = BTZ_BUF(RESPONSE_MAX);
    enum btz_err err;

    BTZ_TRY(add_parameter(&form, "grant_type", "authorization_code"));
    BTZ_TRY(add_parameter(&form, "code", code));
    BTZ_TRY(add_parameter(&form, "redirect_uri", redirect));
    BTZ_TRY(add_parameter(&form, "client_id", o->conf->client_id));
    if (o->conf->client_secret && o->conf->client_secret[0])
        BTZ_TRY(add_parameter(&form, "client_secret", o->conf->client_secret));
    BTZ_TRY(add_parameter(&form, "code_verifier", state->verifier));
    if (!o->fetch)
        return btz_fail(BTZ_UNREACHABLE, "issuer %s: nothing here can ask it", o->conf->name);
    /* Anybody can come back with any code. */
    if (!btz_oidc_wait())
        return btz_fail(BTZ_LIMIT, "issuer %s: others wait for an answer; try again in a moment",
                        o->conf->name);
    err = o->fetch->get(o->fetch->user, m->token, btz_buf_slice(&form), &text);
    btz_oidc_waited();
    btz_wipe(form.ptr, form.len);
    BTZ_TRY(err);
    return btz_json_parse(btz_buf_slice(&text), RESPONSE_MAX, "token response", out);
}

static bool member_is(const json_t *object, const char *name, const char *wanted)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) && same_text(json_string_value(value), wanted);
}

/* Core 3.1.3.6: the left half of the hash that belongs to the algorithm. */
static bool at_hash_fits(const char *at_hash, const char *token, struct btz_slice id_token)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(128);
    BTZ_JSON json_t *header = NULL;
    uint8_t hash[EVP_MAX_MD_SIZE];
    const char *alg, *digest = "SHA256", *at;
    size_t len;

    if (btz_jws_peek(id_token, &header) != BTZ_OK)
        return false;
    alg = json_string_value(json_object_get(header, "alg"));
    if (!alg)
        return false;
    if (strstr(alg, "384"))
        digest = "SHA384";
    else if (strstr(alg, "512") || strcmp(alg, "EdDSA") == 0)
        digest = "SHA512";
    return EVP_Q_digest(NULL, digest, NULL, token, strlen(token), hash, &len) == 1 &&
           btz_base64url_encode(btz_slice_of(hash, len / 2), &text) == BTZ_OK &&
           btz_buf_cstr(&text, &at) == BTZ_OK && same_text(at, at_hash);
}

static enum btz_err check_id_claims(const struct btz_oidc *o, const struct btz_oidc_state *state,
                                    const json_t *response, struct btz_slice id_token,
                                    const json_t *claims)
{
    const json_t *azp = json_object_get(claims, "azp"),
                 *at_hash = json_object_get(claims, "at_hash"),
                 *token = json_object_get(response, "access_token");

    if (!member_is(claims, "nonce", state->nonce))
        return btz_fail(BTZ_DENIED, "ID token: another nonce than the one sent");
    if (azp ? !member_is(claims, "azp", o->conf->client_id)
            : json_array_size(json_object_get(claims, "aud")) > 1)
        return btz_fail(BTZ_DENIED, "ID token: asked for by another client (\"azp\")");
    if (at_hash &&
        (!json_is_string(at_hash) ||
         (token && (!json_is_string(token) || !at_hash_fits(json_string_value(at_hash),
                                                            json_string_value(token), id_token)))))
        return btz_fail(BTZ_DENIED, "ID token: it belongs to another access token (\"at_hash\")");
    return BTZ_OK;
}

static enum btz_err check_response(struct btz_oidc *o, const struct btz_oidc_state *state,
                                   const json_t *response, uint64_t now_ms, json_t **claims)
{
    static const char *const types[] = { "", "JWT", NULL };
    struct btz_jwt_rules rules = { .issuer = o->conf->url,
                                   .audience = o->conf->client_id,
                                   .types = types,
                                   .now_s = now_ms / 1000,
                                   .leeway_s = LEEWAY_S,
                                   .max_age_s = ID_AGE_S };
    const json_t *type = json_object_get(response, "token_type");
    struct btz_slice id_token;
    json_t *found = NULL;
    enum btz_err err;

    if (!json_is_object(response) || json_object_get(response, "error"))
        return btz_fail(BTZ_DENIED, "issuer %s: it refused the code", o->conf->name);
    if (!json_is_string(type) || strcasecmp(json_string_value(type), "Bearer") != 0 ||
        !btz_json_get_text(response, "id_token", &id_token))
        return btz_fail(BTZ_DENIED, "issuer %s: expected a bearer token and an ID token",
                        o->conf->name);
    BTZ_TRY(btz_oidc_verify(o, id_token, &rules, now_ms, &found));
    err = check_id_claims(o, state, response, id_token, found);
    if (err == BTZ_OK)
        *claims = found;
    else
        json_decref(found);
    return err;
}

enum btz_err btz_oidc_finish(struct btz_oidc *o, const struct btz_oidc_state *state,
                             const char *got_state, const char *got_iss, const char *code,
                             const char *redirect, uint64_t now_ms, json_t **claims)
{
    BTZ_JSON json_t *response = NULL;
    struct btz_oidc_metadata m;

    if (!o->conf->client_id || !o->conf->client_id[0])
        return btz_fail(BTZ_DENIED, "issuer %s: nobody signs in by it", o->conf->name);
    BTZ_TRY(btz_oidc_metadata_get(o, now_ms, &m));
    BTZ_TRY(check_return(o, &m, state, got_state, got_iss, code));
    BTZ_TRY(exchange(o, &m, state, code, redirect, &response));
    return check_response(o, state, response, now_ms, claims);
}

/* ---- bearer tokens ---- */

enum btz_err btz_oidc_bearer(struct btz_oidc *o, struct btz_slice token, uint64_t now_ms,
                             json_t **claims)
{
    static const char *const any[] = { "", "JWT", "at+jwt", NULL };
    const char *const given[] = { o->conf->token_type, NULL };
    bool named = o->conf->token_type && o->conf->token_type[0];
    struct btz_jwt_rules rules = { .issuer = o->conf->url,
                                   .audience = o->conf->audience,
                                   .types = named ? given : any,
                                   .now_s = now_ms / 1000,
                                   .leeway_s = LEEWAY_S };
    json_t *found = NULL;

    if (!o->conf->audience || !o->conf->audience[0])
        return btz_fail(BTZ_DENIED, "issuer %s: its bearer tokens are not accepted", o->conf->name);
    BTZ_TRY(btz_oidc_verify(o, token, &rules, now_ms, &found));
    /* Only ID tokens have these. */
    if (json_object_get(found, "nonce") || json_object_get(found, "at_hash")) {
        json_decref(found);
        return btz_fail(BTZ_DENIED, "issuer %s: an ID token is no access token", o->conf->name);
    }
    *claims = found;
    return BTZ_OK;
}

bool btz_oidc_claim_has(const json_t *claims, const char *claim, const char *value)
{
    const json_t *found = json_object_get(claims, claim), *one;
    size_t i;

    if (json_is_string(found))
        return strcmp(json_string_value(found), value) == 0;
    json_array_foreach(found, i, one) if (i < MEMBERS_MAX && json_is_string(one) &&
                                          strcmp(json_string_value(one), value) == 0) return true;
    return false;
}
