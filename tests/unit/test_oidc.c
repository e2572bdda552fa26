/* OpenID Connect against a small issuer: the honest way, and every way to cheat that RFC 9700 and RFC 8725 name. */
#include <openssl/hmac.h>
#include <pthread.h>

#include "issuer.h"
#include "watch/fetch.h"

#include "test_server.c"

#define NOW    1700000000u
#define NOW_MS (NOW * UINT64_C(1000))

static const char *const algs_es[] = { "ES256" }, *const algs_ed[] = { "EdDSA" },
                         *const algs_hs[] = { "HS256" }, *const algs_rs[] = { "RS256" },
                         *const scopes[] = { "profile", "openid" };

static struct btz_issuer_conf conf_new(void)
{
    return (struct btz_issuer_conf){ .name = "corp",
                                     .url = IDP,
                                     .client_id = CLIENT,
                                     .client_secret = SECRET,
                                     .audience = "https://bartizan.example/api",
                                     .token_type = "at+jwt",
                                     .scopes = { (void *)(uintptr_t)scopes, 2 },
                                     .algorithms = { (void *)(uintptr_t)algs_es, 1 } };
}

struct world {
    struct issuer issuer;
    struct btz_issuer_conf conf;
    struct btz_fetch fetch;
    struct btz_oidc *oidc;
};

static void world_open(struct world *w, enum btz_jose_alg alg)
{
    issuer_init(&w->issuer, alg, NOW);
    w->conf = conf_new();
    if (alg == BTZ_JOSE_EDDSA)
        w->conf.algorithms.items = (void *)(uintptr_t)algs_ed;
    if (alg == BTZ_JOSE_RS256)
        w->conf.algorithms.items = (void *)(uintptr_t)algs_rs;
    if (alg == BTZ_JOSE_HS256)
        w->conf.algorithms.items = (void *)(uintptr_t)algs_hs;
    w->fetch = (struct btz_fetch){ issuer_fetch, &w->issuer };
    assert_ok(btz_oidc_new(&w->conf, &w->fetch, &w->oidc));
}

static void world_close(struct world *w)
{
    btz_oidc_free(w->oidc);
    issuer_release(&w->issuer);
}

/* A browser goes to the issuer and is there signed in. */
static void go(struct world *w, struct btz_oidc_state *state, uint64_t now_ms)
{
    struct btz_buf url = BTZ_BUF(8192);

    assert_ok(btz_oidc_start(w->oidc, REDIRECT, now_ms, state, &url));
    issuer_authorise(&w->issuer, btz_buf_slice(&url));
    btz_buf_release(&url);
}

/* It comes back as the issuer sent it. */
static enum btz_err come_back(struct world *w, const struct btz_oidc_state *state, uint64_t now_ms)
{
    char code[80], got[64];
    json_t *claims = NULL;
    enum btz_err err;

    snprintf(code, sizeof code, "%s", w->issuer.code);
    snprintf(got, sizeof got, "%s", w->issuer.state);
    err = btz_oidc_finish(w->oidc, state, got, IDP, code, REDIRECT, now_ms, &claims);
    assert_true((err == BTZ_OK) == (claims != NULL));
    if (claims)
        assert_string_equal(text_of(claims, "sub"), "248289761001");
    json_decref(claims);
    return err;
}

static enum btz_err sign_in(struct world *w)
{
    struct btz_oidc_state state;

    go(w, &state, NOW_MS);
    return come_back(w, &state, NOW_MS);
}

/* ---- the honest way ---- */

static void test_flow(void **state)
{
    static const enum btz_jose_alg algs[] = { BTZ_JOSE_ES256, BTZ_JOSE_EDDSA, BTZ_JOSE_RS256,
                                              BTZ_JOSE_HS256 };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(algs); i++) {
        struct world w;

        world_open(&w, algs[i]);
        for (int n = 0; n < 3; n++)
            assert_ok(sign_in(&w));
        assert_int_equal(w.issuer.documents, 1);
        assert_int_equal(w.issuer.key_fetches, algs[i] == BTZ_JOSE_HS256 ? 0 : 1);
        assert_int_equal(w.issuer.exchanges, 3);
        world_close(&w);
    }
}

static void test_address(void **state)
{
    struct btz_oidc_state first, second;
    struct btz_buf url = BTZ_BUF(8192);
    struct world w;
    char text[256];
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    assert_ok(btz_oidc_start(w.oidc, REDIRECT, NOW_MS, &first, &url));
    assert_true(btz_slice_has_prefix(
        btz_buf_slice(&url), btz_str("https://idp.example/auth?tenant=7&response_type=code&")));
    assert_true(btz_slice_has(
        btz_buf_slice(&url),
        "redirect_uri=https%3A%2F%2Fbartizan.example%2Fv1%2Foidc%2Fcorp%2Fcallback&"));
    assert_true(parameter(btz_buf_slice(&url), "scope", text, sizeof text));
    assert_string_equal(text, "openid profile");
    assert_false(btz_slice_has(btz_buf_slice(&url), first.verifier));
    assert_int_equal(strlen(first.state), 43);
    btz_buf_clear(&url);
    assert_ok(btz_oidc_start(w.oidc, REDIRECT, NOW_MS, &second, &url));
    assert_string_not_equal(first.state, second.state);
    assert_string_not_equal(first.nonce, second.nonce);
    assert_string_not_equal(first.verifier, second.verifier);
    btz_buf_release(&url);
    world_close(&w);
}

/* RFC 7636 appendix B: the challenge of a known verifier, through the address that it comes in. */
static void test_pkce_vector(void **state)
{
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_buf text = BTZ_BUF(64);
    struct btz_oidc_state s;
    struct btz_buf url = BTZ_BUF(8192);
    struct world w;
    char sent[64];
    (void)state;
    btz_sha256(btz_str("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), hash);
    assert_ok(btz_base64url_encode(btz_slice_of(hash, sizeof hash), &text));
    assert_true(btz_slice_is(btz_buf_slice(&text), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
    world_open(&w, BTZ_JOSE_ES256);
    assert_ok(btz_oidc_start(w.oidc, REDIRECT, NOW_MS, &s, &url));
    assert_true(parameter(btz_buf_slice(&url), "code_challenge", sent, sizeof sent));
    btz_sha256(btz_str(s.verifier), hash);
    btz_buf_clear(&text);
    assert_ok(btz_base64url_encode(btz_slice_of(hash, sizeof hash), &text));
    assert_true(btz_slice_is(btz_buf_slice(&text), sent));
    btz_buf_release(&text);
    btz_buf_release(&url);
    world_close(&w);
}

/* OpenID Connect Core 1.0 appendix A.3 has this access token and at_hash (RS256). */
static void test_at_hash(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    w.issuer.claims = json_pack("{s:s}", "at_hash", "77QmUPtjPfzWtF2AnpK9RQ");
    assert_ok(sign_in(&w));
    json_object_set_new(w.issuer.claims, "at_hash", json_string("77QmUPtjPfzWtF2AnpK9RA"));
    assert_int_equal(sign_in(&w), BTZ_DENIED);
    json_object_set_new(w.issuer.claims, "at_hash", json_integer(7));
    assert_int_equal(sign_in(&w), BTZ_DENIED);
    world_close(&w);
}

/* ---- ID tokens that are wrong ---- */

static void test_id_tokens(void **state)
{
    static const struct {
        const char *over; /* claims */
        bool good;
    } cases[] = {
        { "{}", true },
        { "{\"nonce\":\"other\"}", false },
        { "{\"nonce\":null}", false },
        { "{\"nonce\":7}", false },
        { "{\"iss\":\"https://evil.example\"}", false },
        { "{\"iss\":\"https://idp.example/realm/\"}", false },
        { "{\"aud\":\"another\"}", false },
        { "{\"aud\":[\"bartizan\"]}", true },
        { "{\"aud\":[\"bartizan\",\"another\"]}", false },
        { "{\"aud\":[\"bartizan\",\"another\"],\"azp\":\"bartizan\"}", true },
        { "{\"aud\":[\"bartizan\",\"another\"],\"azp\":\"another\"}", false },
        { "{\"azp\":\"another\"}", false },
        { "{\"azp\":7}", false },
        { "{\"azp\":\"bartizan\"}", true },
        { "{\"exp\":1699999969}", false },
        { "{\"exp\":null}", false },
        { "{\"iat\":1699999000}", false },
        { "{\"iat\":1700000100}", false },
        { "{\"iat\":null}", false },
        { "{\"nbf\":1700000100}", false },
        { "{\"sub\":null}", false },
        { "{\"sub\":\"\"}", false },
    };
    struct world w;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        enum btz_err err;

        json_decref(w.issuer.claims);
        assert_ok(btz_json_parse(btz_str(cases[i].over), 4096, "test", &w.issuer.claims));
        err = sign_in(&w);
        if ((err == BTZ_OK) != cases[i].good)
            fail_msg("%s: %s: %s", cases[i].over, btz_err_name(err), btz_error_detail());
    }
    json_decref(w.issuer.claims);
    w.issuer.claims = NULL;
    w.issuer.typ = "at+jwt";
    assert_int_equal(sign_in(&w), BTZ_DENIED);
    w.issuer.typ = "logout+jwt";
    assert_int_equal(sign_in(&w), BTZ_DENIED);
    w.issuer.typ = "JWT";
    assert_ok(sign_in(&w));
    world_close(&w);
}

/* Unsigned, signed by others, signed with what everybody knows. */
static void test_signers(void **state)
{
    struct btz_jwk *own, *other = NULL, *twin = NULL;
    struct btz_oidc_state s;
    struct btz_arena arena;
    struct world w;
    json_t *object;
    char *claims, *token;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    world_open(&w, BTZ_JOSE_ES256);
    own = w.issuer.signer;
    assert_ok(btz_jwk_new(BTZ_JOSE_ES256, NULL, &other));
    assert_ok(btz_jwk_new(BTZ_JOSE_ES256, btz_jwk_kid(own), &twin));
    w.issuer.signer = other;
    assert_int_equal(sign_in(&w), BTZ_DENIED);
    w.issuer.signer = twin; /* with the id of the right one */
    assert_int_equal(sign_in(&w), BTZ_DENIED);
    w.issuer.signer = own;
    for (int k = 0; k < 3; k++) {
        static const char *const headers[] = { "{\"alg\":\"none\"}", "{\"alg\":\"HS256\"}",
                                               "{\"alg\":\"HS256\"}" };
        struct btz_buf secret = BTZ_BUF(4096);
        uint8_t mac[32];
        unsigned len = sizeof mac;

        go(&w, &s, NOW_MS);
        object = issuer_claims(&w.issuer);
        claims = json_dumps(object, JSON_COMPACT);
        json_decref(object);
        token = btz_arena_printf(&arena, "%s.%s", b64(&arena, btz_str(headers[k])),
                                 b64(&arena, btz_str(claims)));
        if (k == 1)
            assert_ok(btz_jwk_write(own, false, &secret));
        else
            assert_ok(btz_buf_add_str(&secret, SECRET)); /* the client's: not for ES256 issuers */
        HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const uint8_t *)token, strlen(token), mac,
             &len);
        token =
            btz_arena_printf(&arena, "%s.%s", token, k ? b64(&arena, btz_slice_of(mac, 32)) : "");
        w.issuer.raw_token = token;
        assert_int_equal(come_back(&w, &s, NOW_MS), BTZ_DENIED);
        free(claims);
        btz_buf_release(&secret);
    }
    w.issuer.raw_token = "not a token";
    assert_int_not_equal(sign_in(&w), BTZ_OK);
    w.issuer.raw_token = NULL;
    assert_ok(sign_in(&w));
    btz_jwk_free(other);
    btz_jwk_free(twin);
    world_close(&w);
    btz_arena_release(&arena);
}

static void test_responses(void **state)
{
    static const char *const bad[] = { "{\"id_token\":null}", "{\"id_token\":7}",
                                       "{\"token_type\":\"MAC\"}", "{\"token_type\":null}",
                                       "{\"error\":\"server_error\"}" };
    struct world w;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        json_decref(w.issuer.response);
        assert_ok(btz_json_parse(btz_str(bad[i]), 4096, "test", &w.issuer.response));
        assert_int_equal(sign_in(&w), BTZ_DENIED);
    }
    world_close(&w);
}

/* ---- the way back ---- */

static void test_state_and_iss(void **state)
{
    struct btz_oidc_state s, none = { 0 };
    struct world w;
    json_t *claims = NULL;
    unsigned before;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    go(&w, &s, NOW_MS);
    before = w.issuer.exchanges;
#define FINISH(st, got, iss, code)                                                                 \
    btz_oidc_finish(w.oidc, st, got, iss, code, REDIRECT, NOW_MS, &claims)
    assert_int_equal(FINISH(&s, NULL, IDP, "c"), BTZ_DENIED);
    assert_int_equal(FINISH(&s, "", IDP, "c"), BTZ_DENIED);
    assert_int_equal(FINISH(&s, s.nonce, IDP, "c"), BTZ_DENIED);
    assert_int_equal(FINISH(&none, "", IDP, "c"), BTZ_DENIED);
    assert_int_equal(FINISH(&s, s.state, "https://evil.example", "c"), BTZ_DENIED);
    assert_int_equal(FINISH(&s, s.state, IDP "/", "c"), BTZ_DENIED);
    assert_int_equal(FINISH(&s, s.state, NULL, "c"), BTZ_DENIED); /* it says that it sends it */
    assert_int_equal(FINISH(&s, s.state, IDP, NULL), BTZ_DENIED);
    assert_int_equal(FINISH(&s, s.state, IDP, ""), BTZ_DENIED);
    /* No code left the house. */
    assert_int_equal(w.issuer.exchanges, before);
    world_close(&w);
    /* An issuer that does not say so may leave it out, and still must not lie. */
    world_open(&w, BTZ_JOSE_ES256);
    w.issuer.document = json_pack("{s:n}", "authorization_response_iss_parameter_supported");
    go(&w, &s, NOW_MS);
    assert_int_equal(FINISH(&s, s.state, "https://evil.example", w.issuer.code), BTZ_DENIED);
    assert_ok(FINISH(&s, s.state, NULL, w.issuer.code));
    json_decref(claims);
    claims = NULL;
    /* The same answer once more: the code is used up. */
    assert_int_equal(FINISH(&s, s.state, NULL, "code"), BTZ_DENIED);
    world_close(&w);
}

/* A code of the attacker's own sign-in, put into the victim's: PKCE stops it, and the nonce where PKCE is not checked. */
static void test_code_injection(void **state)
{
    struct btz_oidc_state victim, attacker;
    json_t *claims = NULL;
    struct world w;
    (void)state;
    for (int pkce = 0; pkce < 2; pkce++) {
        world_open(&w, BTZ_JOSE_ES256);
        w.issuer.no_pkce = !pkce;
        go(&w, &victim, NOW_MS);
        go(&w, &attacker, NOW_MS);
        assert_int_equal(FINISH(&victim, victim.state, IDP, w.issuer.code), BTZ_DENIED);
        assert_int_equal(w.issuer.exchanges, 1);
        world_close(&w);
    }
    /* Another redirect than the one asked for. */
    world_open(&w, BTZ_JOSE_ES256);
    go(&w, &victim, NOW_MS);
    assert_int_equal(btz_oidc_finish(w.oidc, &victim, victim.state, IDP, w.issuer.code,
                                     "https://evil.example/callback", NOW_MS, &claims),
                     BTZ_DENIED);
    world_close(&w);
}

/* ---- keys ---- */

static void test_rotation(void **state)
{
    struct btz_oidc_state s;
    uint64_t later = NOW_MS + BTZ_OIDC_REFRESH_MS;
    struct world w;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    assert_ok(sign_in(&w));
    assert_ok(btz_jwk_new(BTZ_JOSE_ES256, "next", &w.issuer.keys[1]));
    w.issuer.key_count = 2;
    w.issuer.signer = w.issuer.keys[1];
    /* A moment after the last fetch the new key is not believed yet; then it is, by one fetch. */
    assert_int_equal(sign_in(&w), BTZ_DENIED);
    assert_int_equal(w.issuer.key_fetches, 1);
    w.issuer.now_s = later / 1000;
    go(&w, &s, later);
    assert_ok(come_back(&w, &s, later));
    assert_int_equal(w.issuer.key_fetches, 2);
    /* The old key goes: after an hour it is not believed any more. */
    btz_jwk_free(w.issuer.keys[0]);
    w.issuer.keys[0] = w.issuer.keys[1];
    w.issuer.key_count = 1;
    later += BTZ_OIDC_KEYS_AGE_MS;
    w.issuer.now_s = later / 1000;
    go(&w, &s, later);
    assert_ok(come_back(&w, &s, later));
    assert_int_equal(w.issuer.key_fetches, 3);
    world_close(&w);
}

static enum btz_err bearer(struct world *w, const char *typ, const char *over, uint64_t now_ms)
{
    json_t *claims =
               json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", IDP, "aud",
                         "https://bartizan.example/api", "sub", "svc-7", "exp",
                         (json_int_t)(now_ms / 1000) + 60, "iat", (json_int_t)(now_ms / 1000)),
           *out = NULL;
    enum btz_err err;
    char *token;

    json_decref(w->issuer.claims);
    assert_ok(btz_json_parse(btz_str(over), 4096, "test", &w->issuer.claims));
    w->issuer.typ = typ;
    token = issuer_token(&w->issuer, claims);
    err = btz_oidc_bearer(w->oidc, btz_str(token), now_ms, &out);
    assert_true((err == BTZ_OK) == (out != NULL));
    json_decref(out);
    free(token);
    return err;
}

/* A thousand tokens with keys that nobody has: the issuer is asked once, and once more each five minutes. */
static void test_flooding(void **state)
{
    struct world w;
    unsigned fetches;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS));
    fetches = w.issuer.key_fetches;
    for (unsigned i = 0; i < 1000; i++) {
        struct btz_jwk *real = w.issuer.signer, *fake = NULL;
        char kid[16];

        snprintf(kid, sizeof kid, "k%u", i);
        assert_ok(btz_jwk_new(BTZ_JOSE_HS256, kid, &fake));
        w.issuer.alg = BTZ_JOSE_HS256;
        w.issuer.signer = fake;
        assert_int_equal(bearer(&w, "at+jwt", "{}", NOW_MS + i * 1000), BTZ_DENIED);
        w.issuer.alg = BTZ_JOSE_ES256;
        w.issuer.signer = real;
        btz_jwk_free(fake);
    }
    /* 1,000 s hold three spans of 300 s. */
    assert_in_range(w.issuer.key_fetches - fetches, 1, 4);
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS + 1000000));
    world_close(&w);
}

/* The issuer goes away: known keys serve for a day; questions to it do not pile up. */
static void test_down(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS));
    w.issuer.down = true;
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS + 2 * BTZ_OIDC_KEYS_AGE_MS));
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS + BTZ_OIDC_KEYS_STALE_MS - 1));
    assert_int_equal(bearer(&w, "at+jwt", "{}", NOW_MS + BTZ_OIDC_KEYS_STALE_MS), BTZ_UNREACHABLE);
    w.issuer.down = false;
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS + 2 * BTZ_OIDC_KEYS_STALE_MS));
    /* The clock jumps back: what was fetched "later" is fetched again, not trusted for good. */
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS));
    world_close(&w);
    world_open(&w, BTZ_JOSE_ES256);
    w.issuer.down = true;
    assert_int_equal(bearer(&w, "at+jwt", "{}", NOW_MS), BTZ_UNREACHABLE);
    world_close(&w);
}

/* Whoever knocks: an issuer that gives no document is asked twice a minute, and yesterday's document serves meanwhile. */
static void test_document_is_asked_for_seldom(void **state)
{
    struct btz_buf url = BTZ_BUF(8192);
    struct btz_oidc_state s;
    struct world w;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    w.issuer.down = true;
    for (unsigned i = 0; i < 600; i++) {
        btz_buf_clear(&url);
        assert_int_equal(btz_oidc_start(w.oidc, REDIRECT, NOW_MS + i * 100, &s, &url),
                         BTZ_UNREACHABLE);
    }
    assert_int_equal(w.issuer.asked, 2);
    w.issuer.down = false;
    assert_ok(btz_oidc_start(w.oidc, REDIRECT, NOW_MS + 60000, &s, &url));
    assert_int_equal(w.issuer.asked, 3);
    /* Two days later it is away again. */
    w.issuer.down = true;
    for (unsigned i = 0; i < 600; i++) {
        btz_buf_clear(&url);
        assert_ok(
            btz_oidc_start(w.oidc, REDIRECT, NOW_MS + UINT64_C(172800000) + i * 100, &s, &url));
    }
    assert_int_equal(w.issuer.asked, 5);
    /* A document of somebody else does not make it be asked more often, and is not used. */
    w.issuer.down = false;
    w.issuer.document = json_pack("{s:s}", "issuer", "https://evil.example");
    for (unsigned i = 0; i < 300; i++) {
        btz_buf_clear(&url);
        assert_int_equal(
            btz_oidc_start(w.oidc, REDIRECT, NOW_MS + UINT64_C(259200000) + i * 100, &s, &url),
            BTZ_DENIED);
    }
    assert_int_equal(w.issuer.asked, 6);
    btz_buf_release(&url);
    world_close(&w);
}

/* ---- bearer tokens ---- */

static void test_bearer(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, BTZ_JOSE_ES256);
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS));
    assert_ok(bearer(&w, "application/at+jwt", "{}", NOW_MS));
    assert_int_equal(bearer(&w, NULL, "{}", NOW_MS), BTZ_DENIED);
    assert_int_equal(bearer(&w, "JWT", "{}", NOW_MS), BTZ_DENIED);
    assert_int_equal(bearer(&w, "at+jwt", "{\"aud\":\"bartizan\"}", NOW_MS), BTZ_DENIED);
    assert_int_equal(bearer(&w, "at+jwt", "{\"iss\":\"https://evil.example\"}", NOW_MS),
                     BTZ_DENIED);
    assert_int_equal(bearer(&w, "at+jwt", "{\"exp\":1}", NOW_MS), BTZ_DENIED);
    /* Issuers that give no type: ID tokens are known by their members, and by their audience. */
    w.conf.token_type = "";
    assert_ok(bearer(&w, NULL, "{}", NOW_MS));
    assert_ok(bearer(&w, "JWT", "{}", NOW_MS));
    assert_int_equal(bearer(&w, "JWT", "{\"nonce\":\"n\"}", NOW_MS), BTZ_DENIED);
    assert_int_equal(bearer(&w, "JWT", "{\"at_hash\":\"n\"}", NOW_MS), BTZ_DENIED);
    assert_int_equal(bearer(&w, "logout+jwt", "{}", NOW_MS), BTZ_DENIED);
    w.conf.audience = "";
    assert_int_equal(bearer(&w, "at+jwt", "{\"aud\":\"\"}", NOW_MS), BTZ_DENIED);
    world_close(&w);
}

/* ---- discovery documents and settings ---- */

static void test_documents(void **state)
{
    static const struct {
        const char *over;
        enum btz_err err;
    } cases[] = {
        { "{}", BTZ_OK },
        { "{\"issuer\":\"https://idp.example/realm/\"}", BTZ_DENIED },
        { "{\"issuer\":\"https://evil.example\"}", BTZ_DENIED },
        { "{\"issuer\":null}", BTZ_INPUT },
        { "{\"jwks_uri\":null}", BTZ_INPUT },
        { "{\"jwks_uri\":\"http://keys.example/jwks\"}", BTZ_INPUT },
        { "{\"jwks_uri\":\"file:///etc/passwd\"}", BTZ_INPUT },
        { "{\"token_endpoint\":\"http://169.254.169.254/\"}", BTZ_INPUT },
        { "{\"token_endpoint\":\"https://\"}", BTZ_INPUT },
        { "{\"token_endpoint\":7}", BTZ_INPUT },
        { "{\"authorization_endpoint\":\"javascript:alert(1)\"}", BTZ_INPUT },
        { "{\"authorization_endpoint\":\"https://a b\"}", BTZ_INPUT },
        { "{\"authorization_endpoint\":\"https://a#f\"}", BTZ_INPUT },
        { "{\"response_types_supported\":[\"token\"]}", BTZ_UNSUPPORTED },
        { "{\"code_challenge_methods_supported\":[\"plain\"]}", BTZ_UNSUPPORTED },
        { "{\"code_challenge_methods_supported\":null}", BTZ_OK },
        { "{\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\"]}", BTZ_UNSUPPORTED },
        { "{\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"]}", BTZ_OK },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_buf url = BTZ_BUF(8192);
        struct btz_oidc_state s;
        struct world w;
        enum btz_err err;

        world_open(&w, BTZ_JOSE_ES256);
        assert_ok(btz_json_parse(btz_str(cases[i].over), 4096, "test", &w.issuer.document));
        err = btz_oidc_start(w.oidc, REDIRECT, NOW_MS, &s, &url);
        if (err != cases[i].err)
            fail_msg("%s: %s: %s", cases[i].over, btz_err_name(err), btz_error_detail());
        btz_buf_release(&url);
        world_close(&w);
    }
}

static void test_settings(void **state)
{
    static const char *const mixed[] = { "RS256", "HS256" }, *const none[] = { "none" };
    struct btz_issuer_conf c = conf_new();
    unsigned algs;
    (void)state;
    assert_ok(btz_issuer_check(&c));
#define BAD(change)                                                                                \
    do {                                                                                           \
        c = conf_new();                                                                            \
        change;                                                                                    \
        assert_int_equal(btz_issuer_check(&c), BTZ_USAGE);                                         \
    } while (0)
    BAD(c.url = "http://idp.example");
    BAD(c.url = "https://idp.example?x=1");
    BAD(c.url = "https://idp.example#x");
    BAD(c.url = "https://user@idp.example");
    BAD(c.url = "https://");
    BAD(c.url = "https:///path");
    BAD(c.name = "");
    BAD(c.name = "Corp");
    BAD(c.name = "../x");
    BAD(c.audience = CLIENT);
    BAD(c.audience = c.client_id = "");
    BAD(c.algorithms.items = (void *)(uintptr_t)mixed; c.algorithms.count = 2);
    BAD(c.algorithms.items = (void *)(uintptr_t)none);
    BAD(c.algorithms.items = (void *)(uintptr_t)algs_hs; c.client_secret = "");
    c = conf_new();
    c.algorithms.count = 0;
    assert_ok(btz_issuer_algorithms(&c, &algs));
    assert_int_equal(algs, BTZ_JOSE_BIT(BTZ_JOSE_RS256) | BTZ_JOSE_BIT(BTZ_JOSE_ES256));
    {
        struct btz_oidc *o = NULL;

        c = conf_new();
        c.algorithms.items = (void *)(uintptr_t)algs_hs;
        c.client_secret = "short";
        assert_int_equal(btz_oidc_new(&c, NULL, &o), BTZ_USAGE);
        assert_null(o);
    }
}

static void test_claims(void **state)
{
    json_t *claims =
        json_pack("{s:s, s:[s,s,i], s:i}", "role", "admin", "groups", "a", "b", 7, "n", 7);
    (void)state;
    assert_true(btz_oidc_claim_has(claims, "role", "admin"));
    assert_false(btz_oidc_claim_has(claims, "role", "adm"));
    assert_true(btz_oidc_claim_has(claims, "groups", "b"));
    assert_false(btz_oidc_claim_has(claims, "groups", "7"));
    assert_false(btz_oidc_claim_has(claims, "n", "7"));
    assert_false(btz_oidc_claim_has(claims, "absent", ""));
    json_decref(claims);
}

/* ---- threads ---- */

struct worker {
    struct btz_oidc *oidc;
    const char *token;
    pthread_barrier_t *minute; /* all see the same time */
    unsigned good;
};

static void *verify_many(void *user)
{
    struct worker *w = user;

    for (unsigned i = 0; i < 200; i++) {
        json_t *claims = NULL;
        /* Time goes on, so that keys are fetched and dropped under the others' feet. */
        uint64_t now_ms = NOW_MS + i * UINT64_C(60000);

        if (btz_oidc_bearer(w->oidc, btz_str(w->token), now_ms, &claims) == BTZ_OK)
            w->good++;
        json_decref(claims);
        pthread_barrier_wait(w->minute);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[6];
    struct worker workers[6];
    pthread_barrier_t minute;
    struct world w;
    char *token;
    (void)state;
    pthread_barrier_init(&minute, NULL, BTZ_COUNT(threads));
    world_open(&w, BTZ_JOSE_ES256);
    w.issuer.typ = "at+jwt";
    token = issuer_token(&w.issuer, json_pack("{s:s, s:s, s:s, s:I}", "iss", IDP, "aud",
                                              "https://bartizan.example/api", "sub", "svc", "exp",
                                              (json_int_t)NOW + 86400));
    /* Who comes before any key is known may be told to come back; not so those who come later. */
    assert_ok(bearer(&w, "at+jwt", "{}", NOW_MS));
    w.issuer.typ = "at+jwt";
    for (size_t i = 0; i < BTZ_COUNT(threads); i++) {
        workers[i] = (struct worker){ w.oidc, token, &minute, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, verify_many, &workers[i]), 0);
    }
    for (size_t i = 0; i < BTZ_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].good, 200);
    }
    /* 200 minutes: one fetch an hour, whatever the order of the threads. */
    assert_int_equal(w.issuer.key_fetches, 4);
    pthread_barrier_destroy(&minute);
    free(token);
    world_close(&w);
}

/* ---- over the wire ---- */

static void serve(struct test_conn *c, const struct test_request *r, void *user)
{
    struct btz_buf out = BTZ_BUF(1 << 17);
    struct issuer *i = user;
    unsigned status = 200;
    const char *body;

    if (strcmp(r->path, "/realm/.well-known/openid-configuration") == 0)
        assert_ok(issuer_document(i, &out));
    else if (strcmp(r->path, "/jwks") == 0)
        assert_ok(issuer_keys(i, &out));
    else if (strcmp(r->path, "/token") == 0 && strcmp(r->method, "POST") == 0)
        assert_ok(issuer_exchange(i, btz_str(r->body), &out));
    else
        status = 404;
    if (btz_slice_has(btz_buf_slice(&out), "invalid_grant"))
        status = 400;
    assert_ok(btz_buf_cstr(&out, &body));
    test_reply(c, status, "Content-Type: application/json\r\n", body);
    btz_buf_release(&out);
}

/* The daemon's own fetcher, TLS on loopback: the whole way once; a certificate of another authority; a wrong code. */
static void test_https(void **state)
{
    struct btz_access_conf access = { 0 };
    struct btz_fetcher *fetcher = NULL, *blind = NULL;
    struct test_server_opts opts = { 0 };
    struct btz_oidc_state s;
    struct test_pki pki;
    struct test_server *server;
    struct world w;
    char url[80], base[64], code[80];
    json_t *claims = NULL;
    struct btz_buf way = BTZ_BUF(8192);
    (void)state;
    test_pki_make(&pki);
    world_open(&w, BTZ_JOSE_ES256);
    opts.cert = pki.server_cert;
    opts.key = pki.server_key;
    server = test_server_start(serve, &w.issuer, &opts);
    snprintf(base, sizeof base, "https://localhost:%u", test_server_port(server));
    snprintf(url, sizeof url, "%s/realm", base);
    w.issuer.document =
        json_pack("{s:s, s:s+, s:s+, s:s+}", "issuer", url, "authorization_endpoint", base, "/auth",
                  "token_endpoint", base, "/token", "jwks_uri", base, "/jwks");
    w.issuer.claims = json_pack("{s:s}", "iss", url);
    btz_oidc_free(w.oidc);
    w.conf.url = url;
    access.issuers.items = &w.conf;
    access.issuers.count = 1;
    assert_ok(btz_fetcher_new(&access, pki.ca, &fetcher));
    assert_ok(btz_fetcher_new(&access, pki.other_ca, &blind));

    assert_ok(btz_oidc_new(&w.conf, btz_fetcher_fetch(blind), &w.oidc));
    assert_int_equal(btz_oidc_start(w.oidc, REDIRECT, NOW_MS, &s, &way), BTZ_UNREACHABLE);
    btz_oidc_free(w.oidc);

    assert_ok(btz_oidc_new(&w.conf, btz_fetcher_fetch(fetcher), &w.oidc));
    btz_buf_clear(&way);
    assert_ok(btz_oidc_start(w.oidc, REDIRECT, NOW_MS, &s, &way));
    issuer_authorise(&w.issuer, btz_buf_slice(&way));
    snprintf(code, sizeof code, "%s", w.issuer.code);
    assert_ok(btz_oidc_finish(w.oidc, &s, s.state, url, code, REDIRECT, NOW_MS, &claims));
    assert_string_equal(text_of(claims, "sub"), "248289761001");
    json_decref(claims);
    claims = NULL;
    assert_int_not_equal(btz_oidc_finish(w.oidc, &s, s.state, url, code, REDIRECT, NOW_MS, &claims),
                         BTZ_OK);
    assert_null(claims);
    test_server_stop(server);
    btz_fetcher_free(fetcher);
    btz_fetcher_free(blind);
    btz_buf_release(&way);
    world_close(&w);
    test_pki_remove(&pki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_pkce_vector),
        cmocka_unit_test(test_at_hash),
        cmocka_unit_test(test_id_tokens),
        cmocka_unit_test(test_signers),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_state_and_iss),
        cmocka_unit_test(test_code_injection),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_flooding),
        cmocka_unit_test(test_down),
        cmocka_unit_test(test_document_is_asked_for_seldom),
        cmocka_unit_test(test_bearer),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_https),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
