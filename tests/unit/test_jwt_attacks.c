/*
 * Every attack of RFC 8725 section 2, and the practices of section 3 that answer them, against btz_jwt_verify. Tokens are
 * put together by hand where our own signer would not make them.
 */
#include "jose_fixture.h"

#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define NOW    1700000000u
#define ISSUER "https://issuer.example"
#define CLIENT "bartizan"

static struct btz_jwk *rsa, *ec, *ed, *mac, *other_ec;
static const char *const plain_types[] = { "", "JWT", NULL }, *const access_types[] = { "at+jwt",
                                                                                        NULL };

static json_t *claims_new(void)
{
    json_t *claims = json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", ISSUER, "aud", CLIENT, "sub",
                               "alice", "exp", (json_int_t)NOW + 300, "iat", (json_int_t)NOW);

    assert_non_null(claims);
    return claims;
}

static struct btz_jwt_rules rules_new(void)
{
    return (struct btz_jwt_rules){
        .issuer = ISSUER, .audience = CLIENT, .types = plain_types, .now_s = NOW, .leeway_s = 30
    };
}

static unsigned single(const struct btz_jwk *key)
{
    unsigned algs = btz_jwk_algs(key);

    return algs & -algs;
}

static enum btz_jose_alg first_alg(const struct btz_jwk *key)
{
    enum btz_jose_alg alg = BTZ_JOSE_HS256;

    while (!(btz_jwk_algs(key) & BTZ_JOSE_BIT(alg)))
        alg++;
    return alg;
}

/* The verdict on a token, with one key and what that key signs with. */
static enum btz_err verdict(struct btz_slice token, struct btz_jwk *key, unsigned algs,
                            const struct btz_jwt_rules *rules)
{
    struct btz_jwks set;
    struct btz_jws_rules jws = rules_of(&set, key, algs);
    json_t *claims = NULL;
    enum btz_err err = btz_jwt_verify(token, &jws, rules, &claims);

    assert_true((err == BTZ_OK) == (claims != NULL));
    json_decref(claims);
    return err;
}

/* Signs `claims` (taken) with the key and gives the verdict. */
static enum btz_err judge(struct btz_jwk *key, const char *typ, json_t *claims,
                          const struct btz_jwt_rules *rules)
{
    struct btz_buf text = BTZ_BUF(1 << 16);
    enum btz_err err;

    assert_ok(btz_jwt_sign(key, first_alg(key), typ, claims, &text));
    err = verdict(btz_buf_slice(&text), key, single(key), rules);
    btz_buf_release(&text);
    json_decref(claims);
    return err;
}

/* header (raw JSON bytes) . payload . signature by the bytes of an HMAC key; NULL: no signature. */
static char *forge(struct btz_arena *arena, struct btz_slice header, const char *payload,
                   const struct btz_jwk *key, enum btz_jose_alg alg)
{
    struct btz_buf signature = BTZ_BUF(2048);
    char *input =
        btz_arena_printf(arena, "%s.%s", b64(arena, header), b64(arena, btz_str(payload)));

    if (key)
        assert_ok(btz_jose_sign(key, alg, btz_str(input), &signature));
    input = btz_arena_printf(arena, "%s.%s", input, b64(arena, btz_buf_slice(&signature)));
    btz_buf_release(&signature);
    assert_non_null(input);
    return input;
}

static const char good_claims[] = "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT
                                  "\",\"sub\":\"alice\",\"exp\":1700000300,\"iat\":1700000000}";

static void test_good(void **state)
{
    struct btz_jwk *keys[] = { rsa, ec, ed, mac };
    struct btz_jwt_rules rules = rules_new();
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(keys); i++) {
        assert_int_equal(judge(keys[i], NULL, claims_new(), &rules), BTZ_OK);
        assert_int_equal(judge(keys[i], "JWT", claims_new(), &rules), BTZ_OK);
        assert_int_equal(judge(keys[i], "application/jwt", claims_new(), &rules), BTZ_OK);
    }
}

/* 2.1: "none" in all spellings, with and without a signature. */
static void test_none(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",    "{\"alg\":\"None\"}",
        "{\"alg\":\"NONE\"}",    "{\"alg\":\"nOnE\"}",
        "{\"alg\":\"\"}",        "{\"alg\":null}",
        "{\"alg\":[\"RS256\"]}", "{}",
        "{\"typ\":\"JWT\"}",     "{\"alg\":\"none\",\"alg\":\"ES256\"}"
    };
    struct btz_jwk *keys[] = { rsa, ec, ed, mac };
    struct btz_jwt_rules rules = rules_new();
    struct btz_arena arena;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    for (size_t h = 0; h < BTZ_COUNT(headers); h++)
        for (size_t k = 0; k < BTZ_COUNT(keys); k++) {
            char *bare = forge(&arena, btz_str(headers[h]), good_claims, NULL, BTZ_JOSE_HS256),
                 *full = forge(&arena, btz_str(headers[h]), good_claims, mac, BTZ_JOSE_HS256);

            assert_int_not_equal(verdict(btz_str(bare), keys[k], btz_jwk_algs(keys[k]), &rules),
                                 BTZ_OK);
            assert_int_not_equal(verdict(btz_str(full), keys[k], btz_jwk_algs(keys[k]), &rules),
                                 BTZ_OK);
        }
    btz_arena_release(&arena);
}

/* The PEM of the RSA key, as attackers download it. */
static struct btz_slice public_pem(struct btz_arena *arena, bool der)
{
    struct btz_buf text = BTZ_BUF(8192);
    json_t *object = NULL;
    struct btz_slice n, e, out;
    struct btz_buf nb = BTZ_BUF(1024), eb = BTZ_BUF(16);
    RSA *raw;
    EVP_PKEY *pkey = EVP_PKEY_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *at;
    long len;

    assert_ok(btz_jwk_write(rsa, false, &text));
    assert_ok(btz_json_parse(btz_buf_slice(&text), 8192, "key", &object));
    assert_true(btz_json_get_text(object, "n", &n));
    assert_true(btz_json_get_text(object, "e", &e));
    assert_ok(btz_base64url_decode(n, &nb));
    assert_ok(btz_base64url_decode(e, &eb));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    raw = RSA_new();
    RSA_set0_key(raw, BN_bin2bn(nb.ptr, (int)nb.len, NULL), BN_bin2bn(eb.ptr, (int)eb.len, NULL),
                 NULL);
    EVP_PKEY_assign_RSA(pkey, raw);
#pragma GCC diagnostic pop
    if (der)
        i2d_PUBKEY_bio(bio, pkey);
    else
        PEM_write_bio_PUBKEY(bio, pkey);
    len = BIO_get_mem_data(bio, &at);
    assert_ok(btz_arena_copy(arena, btz_slice_of(at, (size_t)len), &out));
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    btz_buf_release(&text);
    btz_buf_release(&nb);
    btz_buf_release(&eb);
    json_decref(object);
    return out;
}

/* 2.1: the public key taken as an HMAC secret. Refused by the verifier, and by whoever configures it so. */
static void test_rs_as_hs(void **state)
{
    struct btz_jwt_rules rules = rules_new();
    struct btz_arena arena;
    struct btz_slice pem, forms[3];
    struct btz_jwks set;
    struct btz_jws_rules mixed;
    json_t *claims = NULL;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    pem = public_pem(&arena, false);
    forms[0] = pem;
    forms[1] = public_pem(&arena, true);
    {
        struct btz_buf jwk = BTZ_BUF(8192);

        assert_ok(btz_jwk_write(rsa, false, &jwk));
        assert_ok(btz_arena_copy(&arena, btz_buf_slice(&jwk), &forms[2]));
        btz_buf_release(&jwk);
    }
    for (size_t i = 0; i < BTZ_COUNT(forms); i++) {
        static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
        char *b64_of = b64(&arena, forms[i]),
             *jwk = btz_arena_printf(&arena, "{\"kty\":\"oct\",\"k\":\"%s\"}", b64_of), *token,
             *input;
        struct btz_jwk *made = NULL;
        uint8_t digest[32];
        unsigned len = sizeof digest;

        /* The attacker's own library signs with it ... */
        input = btz_arena_printf(&arena, "%s.%s", b64(&arena, btz_str(header)),
                                 b64(&arena, btz_str(good_claims)));
        HMAC(EVP_sha256(), forms[i].ptr, (int)forms[i].len, (const uint8_t *)input, strlen(input),
             digest, &len);
        token = btz_arena_printf(&arena, "%s.%s", input, b64(&arena, btz_slice_of(digest, 32)));
        /* ... and the public key's owner does not believe it, */
        assert_int_equal(verdict(btz_str(token), rsa, BTZ_JOSE_BIT(BTZ_JOSE_RS256), &rules),
                         BTZ_DENIED);
        assert_int_equal(verdict(btz_str(token), rsa, btz_jwk_algs(rsa), &rules), BTZ_DENIED);
        assert_int_equal(verdict(btz_str(token), rsa, BTZ_JOSE_HMAC, &rules), BTZ_DENIED);
        /* nor can the public key become a secret. */
        assert_int_equal(btz_jwk_of_secret(forms[i], &made), BTZ_DENIED);
        assert_int_equal(btz_jwk_parse(btz_str(jwk), &made), BTZ_DENIED);
        assert_null(made);
    }
    /* Sets of algorithms of both sorts are a mistake of the caller. */
    mixed = rules_of(&set, rsa, BTZ_JOSE_BIT(BTZ_JOSE_RS256) | BTZ_JOSE_BIT(BTZ_JOSE_HS256));
    assert_int_equal(btz_jwt_verify(btz_str("a.b.c"), &mixed, &rules, &claims), BTZ_USAGE);
    mixed.algorithms = 0;
    assert_int_equal(btz_jwt_verify(btz_str("a.b.c"), &mixed, &rules, &claims), BTZ_USAGE);
    btz_arena_release(&arena);
}

/* 2.1, 3.1: a key for one algorithm is not used with another of its kind. */
static void test_algorithm_of_key(void **state)
{
    struct btz_jwt_rules rules = rules_new();
    struct btz_buf text = BTZ_BUF(1 << 16);
    json_t *claims = claims_new();
    (void)state;
    assert_ok(btz_jwt_sign(rsa, BTZ_JOSE_PS256, NULL, claims, &text));
    assert_int_equal(verdict(btz_buf_slice(&text), rsa, BTZ_JOSE_BIT(BTZ_JOSE_PS256), &rules),
                     BTZ_OK);
    assert_int_equal(verdict(btz_buf_slice(&text), rsa, BTZ_JOSE_BIT(BTZ_JOSE_RS256), &rules),
                     BTZ_DENIED);
    assert_int_equal(verdict(btz_buf_slice(&text), rsa, BTZ_JOSE_BIT(BTZ_JOSE_PS512), &rules),
                     BTZ_DENIED);
    btz_buf_release(&text);
    json_decref(claims);
}

/* 2.2, 3.5: secrets that people choose. */
static void test_weak_secret(void **state)
{
    struct btz_jwt_rules rules = rules_new();
    struct btz_arena arena;
    struct btz_jwk *weak = NULL;
    uint8_t digest[32];
    unsigned len = sizeof digest;
    char *input, *token;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_ok(btz_jwk_of_secret(btz_str("secret"), &weak));
    assert_int_equal(btz_jwk_algs(weak), 0);
    input = btz_arena_printf(&arena, "%s.%s", b64(&arena, btz_str("{\"alg\":\"HS256\"}")),
                             b64(&arena, btz_str(good_claims)));
    HMAC(EVP_sha256(), "secret", 6, (const uint8_t *)input, strlen(input), digest, &len);
    token = btz_arena_printf(&arena, "%s.%s", input, b64(&arena, btz_slice_of(digest, 32)));
    assert_int_equal(verdict(btz_str(token), weak, BTZ_JOSE_HMAC, &rules), BTZ_DENIED);
    btz_jwk_free(weak);
    /* 32 bytes are enough for SHA-256 and not for SHA-512. */
    assert_ok(btz_jwk_of_secret(btz_str("0123456789abcdef0123456789abcdef"), &weak));
    assert_int_equal(btz_jwk_algs(weak), BTZ_JOSE_BIT(BTZ_JOSE_HS256));
    btz_jwk_free(weak);
    btz_arena_release(&arena);
}

/* 2.4 (psychic signatures, CVE-2022-21449) and other numbers that are no signature. */
static void test_psychic(void **state)
{
    static const uint8_t order[32] = { 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00,
                                       0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                       0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84,
                                       0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51 };
    struct btz_jwt_rules rules = rules_new();
    struct btz_arena arena;
    char *input;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    input = btz_arena_printf(&arena, "%s.%s", b64(&arena, btz_str("{\"alg\":\"ES256\"}")),
                             b64(&arena, btz_str(good_claims)));
    for (int r = 0; r < 3; r++)
        for (int s = 0; s < 3; s++) {
            uint8_t raw[64] = { 0 };
            char *token;

            if (r)
                memcpy(raw, order, 32);
            if (s)
                memcpy(raw + 32, order, 32);
            raw[31] = (uint8_t)(raw[31] - (r == 2));
            raw[63] = (uint8_t)(raw[63] - (s == 2));
            token = btz_arena_printf(&arena, "%s.%s", input, b64(&arena, btz_slice_of(raw, 64)));
            assert_int_equal(verdict(btz_str(token), ec, BTZ_JOSE_BIT(BTZ_JOSE_ES256), &rules),
                             BTZ_DENIED);
        }
    /* Empty, half, DER instead of r || s, Ed25519 of zeros. */
    {
        static const uint8_t zeros[72] = { 0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01 };
        static const size_t lengths[] = { 0, 8, 32, 63, 65, 72 };

        for (size_t i = 0; i < BTZ_COUNT(lengths); i++) {
            char *token = btz_arena_printf(&arena, "%s.%s", input,
                                           b64(&arena, btz_slice_of(zeros, lengths[i])));

            assert_int_equal(verdict(btz_str(token), ec, BTZ_JOSE_BIT(BTZ_JOSE_ES256), &rules),
                             BTZ_DENIED);
        }
    }
    btz_arena_release(&arena);
}

/* 2.5, 3.4: a key that is not on its curve never becomes a key (test_jose has more); in a set it is left out. */
static void test_invalid_curve(void **state)
{
    static const char set_text[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\","
                                   "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
                                   "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1\"}]}";
    struct btz_jwks set;
    (void)state;
    /* The last character has unused bits; the next test is one with them clear. */
    assert_ok(btz_jwks_parse(btz_str(set_text), &set));
    assert_int_equal(set.count, 0);
    assert_int_equal(set.skipped, 1);
    btz_jwks_release(&set);
    {
        char text[512];

        memcpy(text, set_text, sizeof set_text);
        memcpy(strstr(text, "5a1\""), "5aw\"", 4);
        assert_ok(btz_jwks_parse(btz_str(text), &set));
        assert_int_equal(set.count, 0);
        btz_jwks_release(&set);
    }
}

/* 2.6: JSON that two readers read differently, and UTF-8 that is none. */
static void test_ambiguous_json(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}", /* the same name once unescaped */
        "{\"alg\":\"HS256\"}{}",
        "{\"alg\":\"HS256\"} x",
        "{\"alg\":\"HS256\",\"x\":\"\xC3\x28\"}",
        "{\"alg\":\"HS256\",\"x\":\"\xED\xA0\x80\"}", /* a surrogate */
        "{\"alg\":\"HS256\",\"x\":\"\xC0\xAF\"}",     /* overlong */
        "{\"alg\":\"HS256\",\"x\":\"a\\u0000b\"}",
        "\xEF\xBB\xBF{\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",}",
        "[\"HS256\"]",
        "\"HS256\"",
        "{'alg':'HS256'}",
        "",
    };
    static const char *const bodies[] = {
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT
        "\",\"sub\":\"alice\",\"sub\":\"admin\",\"exp\":1700000300}",
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT "\",\"sub\":\"al\xFFice\",\"exp\":1700000300}",
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT
        "\",\"sub\":\"alice\\u0000admin\",\"exp\":1700000300}",
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT "\",\"sub\":\"alice\",\"exp\":1e999}",
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT "\",\"sub\":\"alice\",\"exp\":\"1700000300\"}",
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT "\",\"sub\":\"alice\",\"exp\":-1}",
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" CLIENT "\",\"sub\":\"alice\",\"exp\":true}",
        "[]",
        "null",
        "",
    };
    struct btz_jwt_rules rules = rules_new();
    struct btz_arena arena;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < BTZ_COUNT(headers); i++) {
        char *token = forge(&arena, btz_str(headers[i]), good_claims, mac, BTZ_JOSE_HS256);

        if (verdict(btz_str(token), mac, BTZ_JOSE_HMAC, &rules) == BTZ_OK)
            fail_msg("believed with header %s", headers[i]);
    }
    for (size_t i = 0; i < BTZ_COUNT(bodies); i++) {
        char *token = forge(&arena, btz_str("{\"alg\":\"HS256\"}"), bodies[i], mac, BTZ_JOSE_HS256);

        if (verdict(btz_str(token), mac, BTZ_JOSE_HMAC, &rules) == BTZ_OK)
            fail_msg("believed with claims %s", bodies[i]);
    }
    btz_arena_release(&arena);
}

/* 2.7: a token for somebody else, 3.9. */
static void test_substitution(void **state)
{
    struct btz_jwt_rules rules = rules_new();
    json_t *claims;
    (void)state;
    claims = claims_new();
    json_object_set_new(claims, "aud", json_string("billing"));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_set_new(claims, "aud", json_pack("[s,s]", "billing", "Bartizan"));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_set_new(claims, "aud", json_pack("[s,s]", "billing", CLIENT));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_OK);
    claims = claims_new();
    json_object_del(claims, "aud");
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_set_new(claims, "aud", json_pack("[s,i]", CLIENT, 7));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_INPUT);
    claims = claims_new();
    json_object_set_new(claims, "aud", json_array());
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
}

/* 2.8, 3.11: a token of another kind, from the same issuer with the same key. */
static void test_cross_token(void **state)
{
    struct btz_jwt_rules rules = rules_new(), access = rules_new();
    (void)state;
    access.types = access_types;
    assert_int_equal(judge(ec, "at+jwt", claims_new(), &rules), BTZ_DENIED);
    assert_int_equal(judge(ec, "logout+jwt", claims_new(), &rules), BTZ_DENIED);
    assert_int_equal(judge(ec, "dpop+jwt", claims_new(), &rules), BTZ_DENIED);
    assert_int_equal(judge(ec, "secevent+jwt", claims_new(), &rules), BTZ_DENIED);
    assert_int_equal(judge(ec, NULL, claims_new(), &access), BTZ_DENIED);
    assert_int_equal(judge(ec, "", claims_new(), &access), BTZ_DENIED);
    assert_int_equal(judge(ec, "JWT", claims_new(), &access), BTZ_DENIED);
    assert_int_equal(judge(ec, "at+jwt", claims_new(), &access), BTZ_OK);
    assert_int_equal(judge(ec, "application/AT+JWT", claims_new(), &access), BTZ_OK);
    assert_int_equal(judge(ec, "", claims_new(), &rules), BTZ_DENIED);
}

/* 3.8: issuer and subject. */
static void test_issuer_and_subject(void **state)
{
    static const char *const issuers[] = { "https://issuer.example/", "https://issuer.example.evil",
                                           "http://issuer.example", "HTTPS://ISSUER.EXAMPLE", "" };
    struct btz_jwt_rules rules = rules_new();
    json_t *claims;
    char *longest;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(issuers); i++) {
        claims = claims_new();
        json_object_set_new(claims, "iss", json_string(issuers[i]));
        assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    }
    claims = claims_new();
    json_object_set_new(claims, "iss", json_pack("[s]", ISSUER));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_del(claims, "iss");
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_del(claims, "sub");
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_set_new(claims, "sub", json_string(""));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_set_new(claims, "sub", json_integer(7));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    longest = malloc(257);
    memset(longest, 'a', 256);
    longest[256] = '\0';
    claims = claims_new();
    json_object_set_new(claims, "sub", json_string(longest));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    free(longest);
    /* Another key of the same kind. */
    {
        struct btz_buf text = BTZ_BUF(1 << 16);

        claims = claims_new();
        assert_ok(btz_jwt_sign(other_ec, BTZ_JOSE_ES256, NULL, claims, &text));
        assert_int_equal(verdict(btz_buf_slice(&text), ec, single(ec), &rules), BTZ_DENIED);
        btz_buf_release(&text);
        json_decref(claims);
    }
}

static json_t *dated(const char *name, json_int_t at)
{
    json_t *claims = claims_new();

    json_object_set_new(claims, name, json_integer(at));
    return claims;
}

/* Dates to the second, with the leeway of 30 s. */
static void test_dates(void **state)
{
    struct btz_jwt_rules rules = rules_new();
    json_t *claims;
    (void)state;
    assert_int_equal(judge(ec, NULL, dated("exp", NOW - 30), &rules), BTZ_DENIED);
    assert_int_equal(judge(ec, NULL, dated("exp", NOW - 29), &rules), BTZ_OK);
    assert_int_equal(judge(ec, NULL, dated("nbf", NOW + 30), &rules), BTZ_OK);
    assert_int_equal(judge(ec, NULL, dated("nbf", NOW + 31), &rules), BTZ_DENIED);
    assert_int_equal(judge(ec, NULL, dated("iat", NOW + 31), &rules), BTZ_DENIED);
    assert_int_equal(judge(ec, NULL, dated("iat", 0), &rules), BTZ_OK);
    assert_int_equal(judge(ec, NULL, dated("exp", (json_int_t)1 << 62), &rules), BTZ_INPUT);
    claims = claims_new();
    json_object_del(claims, "exp");
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_set_new(claims, "exp", json_real(NOW + 0.5));
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_OK);
    rules.max_age_s = 600;
    assert_int_equal(judge(ec, NULL, dated("iat", NOW - 630), &rules), BTZ_OK);
    assert_int_equal(judge(ec, NULL, dated("iat", NOW - 631), &rules), BTZ_DENIED);
    claims = claims_new();
    json_object_del(claims, "iat");
    assert_int_equal(judge(ec, NULL, claims, &rules), BTZ_DENIED);
    rules = rules_new();
    rules.leeway_s = 61;
    assert_int_equal(judge(ec, NULL, claims_new(), &rules), BTZ_USAGE);
}

/* 2.9, 2.10, 3.10: what the header says of keys is neither fetched nor believed; kid is compared and nothing else. */
static void test_header_keys(void **state)
{
    static const char *const traps[] = {
        "\"jku\":\"http://169.254.169.254/latest/meta-data\"",
        "\"jku\":\"" ISSUER "/jwks\"",
        "\"x5u\":\"https://evil.example/c.pem\"",
        "\"x5c\":[\"MIIB\"]",
        "\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "\"jwk\":null",
        "\"crit\":[\"exp\"],\"exp\":1700000300",
        "\"crit\":[]",
        "\"crit\":\"b64\"",
        "\"crit\":[\"b64\"],\"b64\":false",
        "\"crit\":[\"b64\"],\"b64\":true",
        "\"b64\":false",
        "\"b64\":true",
        "\"kid\":7",
        "\"kid\":[\"own\"]",
        "\"kid\":{\"$ne\":null}",
    };
    static const char *const kids[] = {
        "../../../../dev/null",      "own' OR '1'='1", "own\\n", "OWN", "own ",
        "https://evil.example/jwks", "own\\u0001",     "%6Fwn"
    };
    struct btz_jwt_rules rules = rules_new();
    struct btz_jwk *own = NULL;
    struct btz_arena arena;
    char *token;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_ok(btz_jwk_new(BTZ_JOSE_HS256, "own", &own));
    for (size_t i = 0; i < BTZ_COUNT(traps); i++) {
        char *header = btz_arena_printf(&arena, "{\"alg\":\"HS256\",%s}", traps[i]);

        token = forge(&arena, btz_str(header), good_claims, own, BTZ_JOSE_HS256);
        if (verdict(btz_str(token), own, BTZ_JOSE_HMAC, &rules) == BTZ_OK)
            fail_msg("believed with %s", traps[i]);
    }
    for (size_t i = 0; i < BTZ_COUNT(kids); i++) {
        char *header = btz_arena_printf(&arena, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kids[i]);

        token = forge(&arena, btz_str(header), good_claims, own, BTZ_JOSE_HS256);
        assert_int_equal(verdict(btz_str(token), own, BTZ_JOSE_HMAC, &rules), BTZ_DENIED);
    }
    token = forge(&arena, btz_str("{\"alg\":\"HS256\",\"kid\":\"own\"}"), good_claims, own,
                  BTZ_JOSE_HS256);
    assert_int_equal(verdict(btz_str(token), own, BTZ_JOSE_HMAC, &rules), BTZ_OK);
    /* Unknown parameters that nobody calls critical say nothing (RFC 7515 section 4). */
    token = forge(&arena, btz_str("{\"alg\":\"HS256\",\"zip\":\"DEF\",\"x\":{}}"), good_claims, own,
                  BTZ_JOSE_HS256);
    assert_int_equal(verdict(btz_str(token), own, BTZ_JOSE_HMAC, &rules), BTZ_OK);
    btz_jwk_free(own);
    btz_arena_release(&arena);
}

/* A token within a token, and a token that is encrypted. */
static void test_nested(void **state)
{
    struct btz_jwt_rules rules = rules_new();
    struct btz_arena arena;
    char *inner, *outer;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    inner = forge(&arena, btz_str("{\"alg\":\"HS256\"}"), good_claims, mac, BTZ_JOSE_HS256);
    assert_int_equal(verdict(btz_str(inner), mac, BTZ_JOSE_HMAC, &rules), BTZ_OK);
    outer =
        forge(&arena, btz_str("{\"alg\":\"HS256\",\"cty\":\"JWT\"}"), inner, mac, BTZ_JOSE_HS256);
    assert_int_equal(verdict(btz_str(outer), mac, BTZ_JOSE_HMAC, &rules), BTZ_DENIED);
    outer = forge(&arena, btz_str("{\"alg\":\"HS256\",\"cty\":\"JWT\"}"), good_claims, mac,
                  BTZ_JOSE_HS256);
    assert_int_equal(verdict(btz_str(outer), mac, BTZ_JOSE_HMAC, &rules), BTZ_DENIED);
    outer = forge(&arena, btz_str("{\"alg\":\"HS256\"}"), inner, mac, BTZ_JOSE_HS256);
    assert_int_equal(verdict(btz_str(outer), mac, BTZ_JOSE_HMAC, &rules), BTZ_INPUT);
    assert_int_equal(verdict(btz_str("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0....a"), mac,
                             BTZ_JOSE_HMAC, &rules),
                     BTZ_INPUT);
    btz_arena_release(&arena);
}

/* Texts that are too large, too deep, or hardly texts. */
static void test_shapes(void **state)
{
    static const char *const shapes[] = { "",
                                          ".",
                                          "..",
                                          "...",
                                          "a",
                                          "a.b",
                                          "a.b.c.d",
                                          ".b.c",
                                          "e30..",
                                          "e30.e30.",
                                          " e30.e30.e30",
                                          "e30.e30.e30 ",
                                          "e30=.e30.e30",
                                          "e3 0.e30.e30" };
    struct btz_jwt_rules rules = rules_new();
    struct btz_arena arena;
    char *big = malloc(BTZ_JOSE_TOKEN_MAX + 2), *deep;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < BTZ_COUNT(shapes); i++)
        assert_int_not_equal(verdict(btz_str(shapes[i]), mac, BTZ_JOSE_HMAC, &rules), BTZ_OK);
    memset(big, 'A', BTZ_JOSE_TOKEN_MAX + 1);
    big[BTZ_JOSE_TOKEN_MAX + 1] = '\0';
    big[20] = big[4000] = '.';
    assert_int_equal(verdict(btz_str(big), mac, BTZ_JOSE_HMAC, &rules), BTZ_LIMIT);
    memset(big, '[', 4000);
    big[4000] = '\0';
    deep = btz_arena_printf(&arena, "{\"alg\":\"HS256\",\"x\":%s", big);
    deep = forge(&arena, btz_str(deep), good_claims, mac, BTZ_JOSE_HS256);
    assert_int_equal(verdict(btz_str(deep), mac, BTZ_JOSE_HMAC, &rules), BTZ_LIMIT);
    free(big);
    btz_arena_release(&arena);
}

static int setup(void **state)
{
    json_t *all = golden("jose/rfc.json");
    (void)state;
    rsa = jwk_of(json_object_get(json_array_get(json_object_get(all, "compact"), 1), "key"));
    json_decref(all);
    return btz_jwk_new(BTZ_JOSE_ES256, NULL, &ec) ||
           btz_jwk_new(BTZ_JOSE_ES256, btz_jwk_kid(ec), &other_ec) ||
           btz_jwk_new(BTZ_JOSE_EDDSA, NULL, &ed) ||
           btz_jwk_of_secret(btz_str("correct horse battery staple, and 32 bytes more"), &mac);
}

static int teardown(void **state)
{
    (void)state;
    btz_jwk_free(rsa);
    btz_jwk_free(ec);
    btz_jwk_free(other_ec);
    btz_jwk_free(ed);
    btz_jwk_free(mac);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_rs_as_hs),
        cmocka_unit_test(test_algorithm_of_key),
        cmocka_unit_test(test_weak_secret),
        cmocka_unit_test(test_psychic),
        cmocka_unit_test(test_invalid_curve),
        cmocka_unit_test(test_ambiguous_json),
        cmocka_unit_test(test_substitution),
        cmocka_unit_test(test_cross_token),
        cmocka_unit_test(test_issuer_and_subject),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_header_keys),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
