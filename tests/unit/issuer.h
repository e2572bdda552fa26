/*
 * A small OpenID Connect provider for tests, behind a struct btz_fetch: discovery document, keys, and a token endpoint
 * that checks client, redirect and PKCE as RFC 6749 and RFC 7636 have it. It can be told to misbehave.
 */
#ifndef BTZ_TEST_ISSUER_H
#define BTZ_TEST_ISSUER_H

#include "access/oidc.h"
#include "jose_fixture.h"

#define IDP      "https://idp.example/realm"
#define CLIENT   "bartizan"
#define SECRET   "a client secret of more than 32 bytes, as HS256 wants it"
#define REDIRECT "https://bartizan.example/v1/oidc/corp/callback"

struct issuer {
    struct btz_jwk *keys[4], *signer; /* keys: published */
    size_t key_count;
    enum btz_jose_alg alg;
    char code[80], challenge[64], nonce[64], redirect[256],
        state[64]; /* of the sign-in under way */
    const char *typ;
    json_t *claims;        /* over the honest ones; a null takes one away */
    json_t *response;      /* the same for the token response */
    json_t *document;      /* the same for the discovery document */
    const char *raw_token; /* instead of an ID token */
    uint64_t now_s;
    bool down, no_pkce, at_hash;
    unsigned asked, documents, key_fetches, exchanges; /* asked: for anything, down or not */
};

/* ---- queries and forms ---- */

/* The value of a parameter, unescaped, into out; false when there is none. */
static inline bool parameter(struct btz_slice text, const char *name, char *out, size_t size)
{
    struct btz_buf key = BTZ_BUF(64);
    size_t at, len = 0;

    assert_ok(btz_buf_printf(&key, "%s=", name));
    at = btz_slice_find(text, btz_buf_slice(&key), 0);
    while (at != SIZE_MAX && at > 0 && text.ptr[at - 1] != '&' && text.ptr[at - 1] != '?')
        at = btz_slice_find(text, btz_buf_slice(&key), at + 1);
    if (at != SIZE_MAX)
        for (at += key.len; at < text.len && text.ptr[at] != '&' && len + 1 < size; at++) {
            uint8_t c = text.ptr[at];

            if (c == '%') {
                assert_ok(btz_unhex(btz_slice_sub(text, at + 1, 2), &c, 1));
                at += 2;
            }
            out[len++] = (char)c;
        }
    out[len] = '\0';
    btz_buf_release(&key);
    return at != SIZE_MAX;
}

/* The user signs in at the issuer: what the browser brings along is remembered for the token endpoint. */
static inline void issuer_authorise(struct issuer *i, struct btz_slice url)
{
    char text[256];

    assert_true(parameter(url, "response_type", text, sizeof text));
    assert_string_equal(text, "code");
    assert_true(parameter(url, "client_id", text, sizeof text));
    assert_string_equal(text, CLIENT);
    assert_true(parameter(url, "code_challenge_method", text, sizeof text));
    assert_string_equal(text, "S256");
    assert_true(parameter(url, "code_challenge", i->challenge, sizeof i->challenge));
    assert_true(parameter(url, "nonce", i->nonce, sizeof i->nonce));
    assert_true(parameter(url, "state", i->state, sizeof i->state));
    assert_true(parameter(url, "redirect_uri", i->redirect, sizeof i->redirect));
    snprintf(i->code, sizeof i->code, "code-%s", i->challenge);
}

/* ---- what it says ---- */

static inline void overlay(json_t *object, const json_t *over)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)over, name, value) if (json_is_null(value))
        json_object_del(object, name);
    else json_object_set(object, name, value);
}

static inline char *issuer_token(struct issuer *i, json_t *claims)
{
    struct btz_buf text = BTZ_BUF(1 << 16);
    const char *at;
    char *out;

    overlay(claims, i->claims);
    assert_ok(btz_jwt_sign(i->signer, i->alg, i->typ, claims, &text));
    assert_ok(btz_buf_cstr(&text, &at));
    out = strdup(at);
    btz_buf_release(&text);
    json_decref(claims);
    return out;
}

static inline json_t *issuer_claims(const struct issuer *i)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "iss", IDP, "aud", CLIENT, "sub",
                     "248289761001", "exp", (json_int_t)i->now_s + 300, "iat", (json_int_t)i->now_s,
                     "nonce", i->nonce, "preferred_username", "alice");
}

static inline enum btz_err issuer_exchange(struct issuer *i, struct btz_slice form,
                                           struct btz_buf *out)
{
    char text[256], challenge[64];
    struct btz_buf encoded = BTZ_BUF(64);
    uint8_t hash[BTZ_SHA256_LEN];
    json_t *response;
    char *token;
    bool right;

    i->exchanges++;
    right =
        parameter(form, "grant_type", text, sizeof text) && strcmp(text, "authorization_code") == 0;
    right = right && parameter(form, "client_id", text, sizeof text) && strcmp(text, CLIENT) == 0;
    right =
        right && parameter(form, "client_secret", text, sizeof text) && strcmp(text, SECRET) == 0;
    right = right && parameter(form, "redirect_uri", text, sizeof text) &&
            strcmp(text, i->redirect) == 0;
    right = right && parameter(form, "code", text, sizeof text) && i->code[0] &&
            strcmp(text, i->code) == 0;
    right = right && parameter(form, "code_verifier", text, sizeof text) && strlen(text) >= 43;
    btz_sha256(btz_str(text), hash);
    assert_ok(btz_base64url_encode(btz_slice_of(hash, sizeof hash), &encoded));
    snprintf(challenge, sizeof challenge, "%.*s", BTZ_SLICE_ARG(btz_buf_slice(&encoded)));
    btz_buf_release(&encoded);
    right = right && (i->no_pkce || strcmp(challenge, i->challenge) == 0);
    i->code[0] = '\0'; /* codes are used once */
    if (!right)
        return btz_buf_add_str(out, "{\"error\":\"invalid_grant\"}");
    token = i->raw_token ? strdup(i->raw_token) : issuer_token(i, issuer_claims(i));
    response = json_pack("{s:s, s:s, s:i, s:s}", "access_token",
                         "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "token_type", "Bearer",
                         "expires_in", 300, "id_token", token);
    overlay(response, i->response);
    assert_ok(btz_json_write(response, false, out));
    json_decref(response);
    free(token);
    return BTZ_OK;
}

static inline enum btz_err issuer_keys(struct issuer *i, struct btz_buf *out)
{
    i->key_fetches++;
    assert_ok(btz_buf_add_str(out, "{\"keys\":["));
    for (size_t k = 0; k < i->key_count; k++) {
        if (k)
            assert_ok(btz_buf_add_byte(out, ','));
        assert_ok(btz_jwk_write(i->keys[k], false, out));
    }
    return btz_buf_add_str(out, "]}");
}

static inline enum btz_err issuer_document(struct issuer *i, struct btz_buf *out)
{
    json_t *d =
        json_pack("{s:s, s:s, s:s, s:s, s:[s], s:[s], s:b}", "issuer", IDP,
                  "authorization_endpoint", "https://idp.example/auth?tenant=7", "token_endpoint",
                  "https://idp.example/token", "jwks_uri", "https://keys.example/jwks",
                  "response_types_supported", "code", "code_challenge_methods_supported", "S256",
                  "authorization_response_iss_parameter_supported", 1);

    i->documents++;
    overlay(d, i->document);
    assert_ok(btz_json_write(d, false, out));
    json_decref(d);
    return BTZ_OK;
}

static inline enum btz_err issuer_fetch(void *user, const char *url, struct btz_slice form,
                                        struct btz_buf *out)
{
    struct issuer *i = user;

    i->asked++;
    if (i->down)
        return btz_fail(BTZ_UNREACHABLE, "%s: nobody answers", url);
    if (strcmp(url, IDP "/.well-known/openid-configuration") == 0 && form.len == 0)
        return issuer_document(i, out);
    if (strcmp(url, "https://keys.example/jwks") == 0 && form.len == 0)
        return issuer_keys(i, out);
    if (strcmp(url, "https://idp.example/token") == 0 && form.len > 0)
        return issuer_exchange(i, form, out);
    return btz_fail(BTZ_UNREACHABLE, "%s: not expected", url);
}

static inline void issuer_init(struct issuer *i, enum btz_jose_alg alg, uint64_t now_s)
{
    *i = (struct issuer){ .alg = alg, .now_s = now_s };
    if (alg == BTZ_JOSE_HS256) {
        assert_ok(btz_jwk_of_secret(btz_str(SECRET), &i->signer));
    } else if (alg == BTZ_JOSE_RS256) { /* the key of RFC 7515 A.2: new ones are never made */
        json_t *all = golden("jose/rfc.json");

        i->signer =
            jwk_of(json_object_get(json_array_get(json_object_get(all, "compact"), 1), "key"));
        json_decref(all);
        i->keys[i->key_count++] = i->signer;
    } else {
        assert_ok(btz_jwk_new(alg, NULL, &i->signer));
        i->keys[i->key_count++] = i->signer;
    }
}

static inline void issuer_release(struct issuer *i)
{
    bool published = false;

    for (size_t k = 0; k < i->key_count; k++) {
        published = published || i->keys[k] == i->signer;
        btz_jwk_free(i->keys[k]);
    }
    if (!published)
        btz_jwk_free(i->signer);
    json_decref(i->claims);
    json_decref(i->response);
    json_decref(i->document);
}

#endif
