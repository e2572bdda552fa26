/*
 * JSON Web Keys and Signatures against published vectors: RFC 7515, 7517, 7638, 7797, 8037 (tests/golden/jose/rfc.json)
 * and the JOSE cookbook (RFC 7520 and its companions; shared data). The cookbook's encryption vectors do not apply: JWE
 * is not there.
 */
#include "jose_fixture.h"

static void test_base64url(void **state)
{
    /* RFC 4648 section 10, without padding. */
    static const char *const pairs[][2] = {
        { "", "" },           { "f", "Zg" },          { "fo", "Zm8" },         { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" }
    };
    static const char *const bad[] = { "Zg==",  "Zh",   "Z",       "Zm9\n",
                                       "Zm 9v", "+/+/", "Zm9vYg=", "Z\xC3" };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(pairs); i++) {
        struct btz_buf out = BTZ_BUF(64), back = BTZ_BUF(64);

        assert_ok(btz_base64url_encode(btz_str(pairs[i][0]), &out));
        assert_true(btz_slice_is(btz_buf_slice(&out), pairs[i][1]));
        assert_ok(btz_base64url_decode(btz_str(pairs[i][1]), &back));
        assert_true(btz_slice_is(btz_buf_slice(&back), pairs[i][0]));
        btz_buf_release(&out);
        btz_buf_release(&back);
    }
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        struct btz_buf out = BTZ_BUF(64);

        assert_int_equal(btz_base64url_decode(btz_str(bad[i]), &out), BTZ_INPUT);
        btz_buf_release(&out);
    }
}

static void check_payload(struct btz_slice payload, const char *wanted, const char *name)
{
    if (!btz_slice_is(payload, wanted))
        fail_msg("%s: payload is %.*s", name, BTZ_SLICE_ARG(payload));
}

/* Every change of one bit, and every cut, must be refused. */
static void check_changes(const char *text, const struct btz_jws_rules *rules)
{
    char *copy = strdup(text);
    size_t len = strlen(text);

    for (size_t bit = 0; bit < 8 * len; bit++) {
        struct btz_arena arena;
        struct btz_jws jws = { 0 };

        btz_arena_init(&arena, 1 << 20);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        if (btz_jws_verify(btz_slice_of(copy, len), rules, &arena, &jws) == BTZ_OK)
            fail_msg("bit %zu changed: %s", bit, copy);
        copy[bit / 8] = text[bit / 8];
        btz_arena_release(&arena);
    }
    for (size_t cut = 0; cut < len; cut++) {
        struct btz_arena arena;
        struct btz_jws jws = { 0 };

        btz_arena_init(&arena, 1 << 20);
        assert_int_not_equal(btz_jws_verify(btz_slice_of(text, cut), rules, &arena, &jws), BTZ_OK);
        btz_arena_release(&arena);
    }
    free(copy);
}

static void test_rfc_compact(void **state)
{
    json_t *all = golden("jose/rfc.json"), *one;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(all, "compact"), i, one)
    {
        const char *name = text_of(one, "name"), *text = text_of(one, "text");
        struct btz_jwk *key = jwk_of(json_object_get(one, "key"));
        struct btz_jwks set;
        struct btz_jws_rules rules = rules_of(&set, key, alg_bit(text_of(one, "alg")));
        struct btz_jws jws;
        struct btz_arena arena;

        btz_arena_init(&arena, 1 << 20);
        assert_ok(btz_jws_verify(btz_str(text), &rules, &arena, &jws));
        check_payload(jws.payload, text_of(one, "payload"), name);
        assert_ptr_equal(jws.key, key);
        btz_jws_release(&jws);
        check_changes(text, &rules);
        btz_arena_release(&arena);
        btz_jwk_free(key);
    }
    json_decref(all);
}

/* A.5 is unsecured: whatever key and algorithms are given, it is refused. */
static void test_rfc_unsecured(void **state)
{
    json_t *all = golden("jose/rfc.json");
    const char *text = text_of(json_object_get(all, "unsecured"), "text");
    json_t *one;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(all, "compact"), i, one)
    {
        struct btz_jwk *key = jwk_of(json_object_get(one, "key"));
        struct btz_jwks set;
        struct btz_jws_rules rules = rules_of(&set, key, btz_jwk_algs(key));
        struct btz_jws jws;
        struct btz_arena arena;

        btz_arena_init(&arena, 1 << 20);
        assert_int_equal(btz_jws_verify(btz_str(text), &rules, &arena, &jws), BTZ_DENIED);
        btz_arena_release(&arena);
        btz_jwk_free(key);
    }
    json_decref(all);
}

static void test_rfc_detached(void **state)
{
    json_t *all = golden("jose/rfc.json"),
           *one = json_array_get(json_object_get(all, "detached"), 0);
    struct btz_jwk *key = jwk_of(json_object_get(one, "key"));
    struct btz_jwks set;
    struct btz_jws_rules rules = rules_of(&set, key, alg_bit("HS256"));
    struct btz_slice text = btz_str(text_of(one, "text"));
    struct btz_jws jws;
    struct btz_arena arena;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    rules.unencoded = rules.detached = true;
    rules.payload = btz_str(text_of(one, "payload"));
    assert_ok(btz_jws_verify(text, &rules, &arena, &jws));
    btz_jws_release(&jws);
    rules.payload = btz_str("$.03");
    assert_int_equal(btz_jws_verify(text, &rules, &arena, &jws), BTZ_DENIED);
    /* Who does not know the extension must refuse it. */
    rules.payload = btz_str(text_of(one, "payload"));
    rules.unencoded = false;
    assert_int_equal(btz_jws_verify(text, &rules, &arena, &jws), BTZ_DENIED);
    btz_arena_release(&arena);
    btz_jwk_free(key);
    json_decref(all);
}

static void test_rfc_general(void **state)
{
    json_t *all = golden("jose/rfc.json"),
           *one = json_array_get(json_object_get(all, "general"), 0);
    json_t *keys = json_object_get(one, "keys"), *pair, *json = json_object_get(one, "json");
    struct btz_buf text = BTZ_BUF(1 << 16), broken = BTZ_BUF(1 << 16);
    struct btz_jws jws;
    struct btz_arena arena;
    struct btz_jwks both = { 0 };
    struct btz_jws_rules rules = { .keys = &both };
    size_t i;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_ok(btz_json_write(json, false, &text));
    json_array_foreach(keys, i, pair)
    {
        struct btz_jwks set;
        struct btz_jwk *key = jwk_of(json_array_get(pair, 1));
        unsigned bit = alg_bit(json_string_value(json_array_get(pair, 0)));
        struct btz_jws_rules alone = rules_of(&set, key, bit);

        assert_ok(btz_jws_verify_json(btz_buf_slice(&text), &alone, &arena, &jws));
        check_payload(jws.payload, text_of(one, "payload"), "general");
        btz_jws_release(&jws);
        both.keys[both.count++] = key;
        rules.algorithms |= bit;
    }
    assert_ok(btz_jws_verify_json(btz_buf_slice(&text), &rules, &arena, &jws));
    btz_jws_release(&jws);
    /* The second is wrong: who knows both keys refuses the text, though the first is right. */
    json_object_set_new(
        json_array_get(json_object_get(json, "signatures"), 1), "signature",
        json_string("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlS"
                    "ApmWQxfKTUJqPP3-Kg6NU1A"));
    assert_ok(btz_json_write(json, false, &broken));
    assert_int_equal(btz_jws_verify_json(btz_buf_slice(&broken), &rules, &arena, &jws), BTZ_DENIED);
    btz_jwks_release(&both);
    btz_arena_release(&arena);
    btz_buf_release(&text);
    btz_buf_release(&broken);
    json_decref(all);
}

static void test_thumbprints(void **state)
{
    json_t *all = golden("jose/rfc.json"), *one;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(all, "thumbprints"), i, one)
    {
        struct btz_jwk *key = jwk_of(json_object_get(one, "key"));
        struct btz_buf text = BTZ_BUF(64);
        uint8_t print[BTZ_SHA256_LEN];

        assert_ok(btz_jwk_thumbprint(key, print));
        assert_ok(btz_base64url_encode(btz_slice_of(print, sizeof print), &text));
        check_payload(btz_buf_slice(&text), text_of(one, "thumbprint"), text_of(one, "name"));
        btz_buf_release(&text);
        btz_jwk_free(key);
    }
    json_decref(all);
}

static void test_set(void **state)
{
    json_t *all = golden("jose/rfc.json"), *one = json_object_get(all, "set");
    struct btz_buf text = BTZ_BUF(1 << 16);
    struct btz_jwks set;
    (void)state;
    assert_ok(btz_json_write(json_object_get(one, "json"), false, &text));
    assert_ok(btz_jwks_parse(btz_buf_slice(&text), &set));
    assert_int_equal(set.count, 1);
    assert_int_equal(set.skipped, 1);
    assert_true(btz_jwks_has(&set, "2011-04-29"));
    assert_false(btz_jwks_has(&set, "1"));
    assert_int_equal(btz_jwk_algs(set.keys[0]), BTZ_JOSE_BIT(BTZ_JOSE_RS256));
    btz_jwks_release(&set);
    btz_buf_release(&text);
    json_decref(all);
}

/* Written keys are the keys read: members equal, all of them known. */
static void check_round_trip(const json_t *object)
{
    struct btz_jwk *key = jwk_of(object);
    struct btz_buf text = BTZ_BUF(1 << 14);
    json_t *back = NULL, *value;
    const char *name;

    assert_ok(btz_jwk_write(key, btz_jwk_is_private(key), &text));
    assert_ok(btz_json_parse(btz_buf_slice(&text), 1 << 14, "key", &back));
    json_object_foreach(back, name, value)
        assert_true(json_equal(value, json_object_get(object, name)));
    json_object_foreach((json_t *)(uintptr_t)object, name,
                        value) if (strcmp(name, "use") != 0 && strcmp(name, "alg") != 0)
        assert_true(json_equal(value, json_object_get(back, name)));
    json_decref(back);
    btz_buf_release(&text);
    btz_jwk_free(key);
}

static void test_round_trips(void **state)
{
    static const struct {
        const char *file;
        unsigned algs;
    } files[] = { { "3_1.ec_public_key.json", BTZ_JOSE_BIT(BTZ_JOSE_ES512) },
                  { "3_2.ec_private_key.json", BTZ_JOSE_BIT(BTZ_JOSE_ES512) },
                  { "3_3.rsa_public_key.json", 0 },
                  { "3_4.rsa_private_key.json", 0 },
                  { "3_5.symmetric_key_mac_computation.json", BTZ_JOSE_BIT(BTZ_JOSE_HS256) },
                  { "3_6.symmetric_key_encryption.json", 0 } };
    json_t *all = golden("jose/rfc.json"), *one;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(all, "compact"), i, one)
        check_round_trip(json_object_get(one, "key"));
    json_decref(all);
    for (i = 0; i < BTZ_COUNT(files); i++) {
        char path[128];
        struct btz_jwk *key;

        snprintf(path, sizeof path, "access/jose/jwk/%s", files[i].file);
        one = shared(path);
        if (!one) {
            print_message("# skipped: no %s below $BTZ_DATA\n", path);
            skip();
        }
        check_round_trip(one);
        key = jwk_of(one);
        if (files[i].algs)
            assert_int_equal(btz_jwk_algs(key), files[i].algs);
        btz_jwk_free(key);
        json_decref(one);
    }
}

/* ---- the cookbook ---- */

static void check_json(const json_t *json, const struct btz_jws_rules *rules, const char *payload,
                       const char *name)
{
    struct btz_buf text = BTZ_BUF(1 << 16);
    struct btz_jws jws;
    struct btz_arena arena;

    btz_arena_init(&arena, 1 << 20);
    assert_ok(btz_json_write(json, false, &text));
    assert_ok(btz_jws_verify_json(btz_buf_slice(&text), rules, &arena, &jws));
    check_payload(jws.payload, payload, name);
    btz_jws_release(&jws);
    btz_buf_release(&text);
    btz_arena_release(&arena);
}

/* The same bytes again, where the signature has no randomness in it. */
static void check_reproduced(struct btz_jwk *key, const char *alg_name, const char *payload,
                             const char *compact)
{
    struct btz_buf made = BTZ_BUF(1 << 16);
    enum btz_jose_alg alg;

    assert_ok(btz_jose_alg_find(alg_name, &alg));
    assert_ok(btz_jws_sign(key, alg, NULL, btz_str(payload), &made));
    check_payload(btz_buf_slice(&made), compact, "signed again");
    btz_buf_release(&made);
}

static void check_forms(const json_t *vector, struct btz_jwk *key, const char *alg, bool detached,
                        bool unencoded)
{
    const json_t *output = json_object_get(vector, "output"), *form;
    const char *payload = text_of(json_object_get(vector, "input"), "payload"),
               *title = text_of(vector, "title");
    struct btz_jwks set;
    struct btz_jws_rules rules = rules_of(&set, key, alg_bit(alg));
    struct btz_arena arena;
    struct btz_jws jws;

    btz_arena_init(&arena, 1 << 20);
    rules.unencoded = unencoded;
    rules.detached = detached;
    rules.payload = detached ? btz_str(payload) : btz_str("");
    if ((form = json_object_get(output, "compact"))) {
        assert_ok(btz_jws_verify(btz_str(json_string_value(form)), &rules, &arena, &jws));
        check_payload(jws.payload, payload, title);
        btz_jws_release(&jws);
        check_changes(json_string_value(form), &rules);
        if (json_is_true(json_object_get(vector, "reproducible")) && !detached && !unencoded)
            check_reproduced(key, alg, payload, json_string_value(form));
    }
    if ((form = json_object_get(output, "json")))
        check_json(form, &rules, payload, title);
    if ((form = json_object_get(output, "json_flat")))
        check_json(form, &rules, payload, title);
    btz_arena_release(&arena);
}

static void test_cookbook(void **state)
{
    static const char *const files[] = { "jws/4_1.rsa_v15_signature.json",
                                         "jws/4_2.rsa-pss_signature.json",
                                         "jws/4_3.ecdsa_signature.json",
                                         "jws/4_4.hmac-sha2_integrity_protection.json",
                                         "jws/4_5.signature_with_detached_content.json",
                                         "jws/4_6.protecting_specific_header_fields.json",
                                         "jws/4_7.protecting_content_only.json",
                                         "jws/4_8.multiple_signatures.json",
                                         "curve25519/jws.json",
                                         "rfc7797/hmac-sha2_b64_false.json" };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(files); i++) {
        char path[128];
        json_t *vector, *keys, *algs;
        size_t count;

        snprintf(path, sizeof path, "access/jose/%s", files[i]);
        vector = shared(path);
        if (!vector) {
            print_message("# skipped: no %s below $BTZ_DATA\n", path);
            skip();
        }
        keys = json_object_get(json_object_get(vector, "input"), "key");
        algs = json_object_get(json_object_get(vector, "input"), "alg");
        count = json_is_array(keys) ? json_array_size(keys) : 1;
        for (size_t k = 0; k < count; k++) {
            struct btz_jwk *key = jwk_of(json_is_array(keys) ? json_array_get(keys, k) : keys);
            const json_t *alg = json_is_array(algs) ? json_array_get(algs, k) : algs;

            check_forms(vector, key, json_string_value(alg), strstr(path, "4_5") != NULL,
                        strstr(path, "7797") != NULL);
            btz_jwk_free(key);
        }
        json_decref(vector);
    }
}

/* The one vector that the RFC forbids: "b64" without "crit" (RFC 7797 section 6). Its HMAC is right all the same. */
static void test_cookbook_without_crit(void **state)
{
    json_t *vector = shared("access/jose/rfc7797/4.2.hmac-sha2_b64_false.json");
    struct btz_buf text = BTZ_BUF(1 << 16);
    struct btz_jwk *key;
    struct btz_jwks set;
    struct btz_jws_rules rules;
    struct btz_arena arena;
    struct btz_jws jws;
    (void)state;
    if (!vector) {
        print_message("# skipped: no access/jose/rfc7797 below $BTZ_DATA\n");
        skip();
    }
    btz_arena_init(&arena, 1 << 20);
    key = jwk_of(json_object_get(json_object_get(vector, "input"), "key"));
    rules = rules_of(&set, key, alg_bit("HS256"));
    rules.unencoded = true;
    assert_ok(btz_json_write(json_object_get(json_object_get(vector, "output"), "json_flat"), false,
                             &text));
    assert_int_equal(btz_jws_verify_json(btz_buf_slice(&text), &rules, &arena, &jws), BTZ_DENIED);
    assert_non_null(strstr(btz_error_detail(), "crit"));
    btz_jwk_free(key);
    btz_buf_release(&text);
    btz_arena_release(&arena);
    json_decref(vector);
}

/* Section 6: the signed token within; its encryption is not ours. */
static void test_cookbook_nested(void **state)
{
    json_t *file = shared("access/jose/6.nesting_signatures_and_encryption.json"), *vector;
    struct btz_jwk *key;
    (void)state;
    if (!file) {
        print_message("# skipped: no access/jose below $BTZ_DATA\n");
        skip();
    }
    vector = json_object_get(file, "sign");
    json_object_set_new(vector, "title", json_string("nested"));
    key = jwk_of(json_object_get(json_object_get(vector, "input"), "key"));
    check_forms(vector, key, "PS256", false, false);
    btz_jwk_free(key);
    json_decref(file);
}

/* ---- keys of our own, all algorithms there and back ---- */

static void test_own_keys(void **state)
{
    static const enum btz_jose_alg kinds[] = { BTZ_JOSE_ES256, BTZ_JOSE_EDDSA, BTZ_JOSE_HS256 };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(kinds); i++) {
        struct btz_jwk *key = NULL, *other = NULL;
        struct btz_buf text = BTZ_BUF(4096);
        struct btz_jwks set;
        struct btz_jws_rules rules;
        struct btz_arena arena;
        struct btz_jws jws;

        btz_arena_init(&arena, 1 << 20);
        assert_ok(btz_jwk_new(kinds[i], NULL, &key));
        assert_ok(btz_jwk_new(kinds[i], btz_jwk_kid(key), &other));
        assert_ok(btz_jws_sign(key, kinds[i], NULL, btz_str("hello"), &text));
        rules = rules_of(&set, key, BTZ_JOSE_BIT(kinds[i]));
        assert_ok(btz_jws_verify(btz_buf_slice(&text), &rules, &arena, &jws));
        btz_jws_release(&jws);
        rules = rules_of(&set, other, BTZ_JOSE_BIT(kinds[i]));
        assert_int_equal(btz_jws_verify(btz_buf_slice(&text), &rules, &arena, &jws), BTZ_DENIED);
        btz_jwk_free(key);
        btz_jwk_free(other);
        btz_buf_release(&text);
        btz_arena_release(&arena);
    }
}

/* Each algorithm that a private key of the golden file allows. */
static void test_all_algorithms(void **state)
{
    json_t *all = golden("jose/rfc.json"), *one;
    unsigned seen = 0;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(all, "compact"), i, one)
    {
        struct btz_jwk *key = jwk_of(json_object_get(one, "key"));

        for (unsigned alg = 0; alg < BTZ_JOSE_ALGS; alg++) {
            struct btz_buf signature = BTZ_BUF(2048);

            if (!(btz_jwk_algs(key) & BTZ_JOSE_BIT(alg)))
                continue;
            seen |= BTZ_JOSE_BIT(alg);
            assert_ok(btz_jose_sign(key, (enum btz_jose_alg)alg, btz_str("text"), &signature));
            assert_ok(btz_jose_verify(key, (enum btz_jose_alg)alg, btz_str("text"),
                                      btz_buf_slice(&signature)));
            assert_int_equal(btz_jose_verify(key, (enum btz_jose_alg)alg, btz_str("texts"),
                                             btz_buf_slice(&signature)),
                             BTZ_DENIED);
            btz_buf_release(&signature);
        }
        btz_jwk_free(key);
    }
    /* All but ES384, for which the RFCs have no key: next test. */
    assert_int_equal(seen, (1u << BTZ_JOSE_ALGS) - 1 - BTZ_JOSE_BIT(BTZ_JOSE_ES384));
    json_decref(all);
}

/* P-384: the key of RFC 6979 appendix A.2.6 and its deterministic signature of "sample" with SHA-384. */
static void test_es384(void **state)
{
    static const char x[] =
        "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A25451"
        "5480BC13",
                      y[] = "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B23"
                            "1C3AE0D4FE7344FD25"
                            "33264720",
                      r[] = "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648"
                            "152E44ACF96E36DD1E"
                            "80FABE46",
                      s[] = "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C1"
                            "45786E679E7B82C71A"
                            "38628AC8";
    uint8_t point[96], signature[96];
    struct btz_arena arena;
    struct btz_jwk *key;
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_ok(btz_unhex(btz_str(x), point, 48));
    assert_ok(btz_unhex(btz_str(y), point + 48, 48));
    assert_ok(btz_unhex(btz_str(r), signature, 48));
    assert_ok(btz_unhex(btz_str(s), signature + 48, 48));
    key = jwk_text(btz_arena_printf(
        &arena, "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"%s\",\"y\":\"%s\"}",
        b64(&arena, btz_slice_of(point, 48)), b64(&arena, btz_slice_of(point + 48, 48))));
    assert_ok(btz_jose_verify(key, BTZ_JOSE_ES384, btz_str("sample"), btz_slice_of(signature, 96)));
    for (size_t bit = 0; bit < 8 * sizeof signature; bit++) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(
            btz_jose_verify(key, BTZ_JOSE_ES384, btz_str("sample"), btz_slice_of(signature, 96)),
            BTZ_DENIED);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    btz_jwk_free(key);
    btz_arena_release(&arena);
}

/* ---- keys that are none ---- */

static void test_bad_keys(void **state)
{
#define RSA_N                                                                                      \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"                        \
    "4qPCJrcS2mJPMEzP1Pt0Bm4d4Ql"                                                                  \
    "L-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"                         \
    "bSf63kpaSHSXndS5z5rexMdbBYUs"                                                                 \
    "LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"    \
    "DWNmoud"                                                                                      \
    "F8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define X256 "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y256 "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    static const struct {
        const char *text;
        enum btz_err err;
    } bad[] = {
        { "", BTZ_INPUT },
        { "[]", BTZ_INPUT },
        { "{}", BTZ_INPUT },
        { "{\"kty\":1}", BTZ_INPUT },
        { "{\"kty\":\"PQC\"}", BTZ_UNSUPPORTED },
        { "{\"kty\":\"rsa\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}", BTZ_UNSUPPORTED },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}", BTZ_INPUT },
        { "{\"kty\":\"RSA\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}", BTZ_INPUT },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "=\",\"e\":\"AQAB\"}", BTZ_INPUT },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}", BTZ_DENIED },    /* 1 */
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Ag\"}", BTZ_DENIED },    /* 2 */
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AAEAAQ\"}", BTZ_INPUT }, /* leading zero */
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAAAAE\"}", BTZ_DENIED }, /* too large */
        { "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
          "wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
          "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_"
          "7OMg0LOL-"
          "bSf63kpaSHSXndS5z5rexMdbBYUsLA9e\",\"e\":\"AQAB\"}",
          BTZ_DENIED }, /* short */
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"d\":\"AQAB\"}", BTZ_INPUT },
        { "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"oth\":[]}", BTZ_UNSUPPORTED },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\"}", BTZ_INPUT },
        { "{\"kty\":\"EC\",\"crv\":\"P-256K\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"}",
          BTZ_UNSUPPORTED },
        { "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"}", BTZ_INPUT },
        /* Coordinates exchanged: not on the curve. */
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" Y256 "\",\"y\":\"" X256 "\"}", BTZ_DENIED },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
          "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
          BTZ_DENIED },
        /* The private number of another key. */
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" Y256
          "\",\"d\":\"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE\"}",
          BTZ_DENIED },
        { "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_"
          "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
          BTZ_UNSUPPORTED },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
          "7TyWQHOg7hcvPapiMlrwIaaPcHUQ\"}",
          BTZ_INPUT },
        /* The neutral element, and a point of order 8: one signature would fit every text. */
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
          "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
          BTZ_DENIED },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"xxdqcD1N2E-6PAt2DRBnDyogU_"
          "osOczGTsf9d5KsA3o\"}",
          BTZ_DENIED },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
          "7TyWQHOg7hcvPapiMlrwIaaPcHURo\","
          "\"d\":\"AWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}",
          BTZ_DENIED },
        { "{\"kty\":\"oct\",\"k\":\"\"}", BTZ_INPUT },
        { "{\"kty\":\"oct\",\"k\":\"a b\"}", BTZ_INPUT },
        { "{\"kty\":\"oct\",\"k\":\"AQAB\",\"kid\":7}", BTZ_INPUT },
        { "{\"kty\":\"oct\",\"k\":\"AQAB\",\"use\":7}", BTZ_INPUT },
        { "{\"kty\":\"oct\",\"k\":\"AQAB\",\"key_ops\":[7]}", BTZ_INPUT },
        { "{\"kty\":\"oct\",\"k\":\"AQAB\"} x", BTZ_INPUT },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        struct btz_jwk *key = NULL;
        enum btz_err err = btz_jwk_parse(btz_str(bad[i].text), &key);

        if (err != bad[i].err)
            fail_msg("%s: %s, expected %s", bad[i].text, btz_err_name(err),
                     btz_err_name(bad[i].err));
        assert_null(key);
    }
}

/* "alg", "use" and "key_ops" take algorithms away and never add one. */
static void test_narrowing(void **state)
{
#define OCT                                                                                        \
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"                       \
    "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\""
    static const struct {
        const char *text;
        unsigned algs;
    } keys[] = {
        { OCT "}", BTZ_JOSE_HMAC },
        { OCT ",\"alg\":\"HS384\"}", BTZ_JOSE_BIT(BTZ_JOSE_HS384) },
        { OCT ",\"alg\":\"RS256\"}", 0 },
        { OCT ",\"alg\":\"none\"}", 0 },
        { OCT ",\"alg\":\"A128KW\"}", 0 },
        { OCT ",\"use\":\"sig\"}", BTZ_JOSE_HMAC },
        { OCT ",\"use\":\"enc\"}", 0 },
        { OCT ",\"key_ops\":[\"encrypt\"]}", 0 },
        { OCT ",\"key_ops\":[\"verify\"]}", BTZ_JOSE_HMAC },
        { "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8\"}",
          BTZ_JOSE_BIT(BTZ_JOSE_HS256) },
        { "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLg\"}",
          0 }, /* 31 bytes */
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(keys); i++) {
        struct btz_jwk *key = jwk_text(keys[i].text);

        assert_int_equal(btz_jwk_algs(key), keys[i].algs);
        btz_jwk_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_rfc_compact),
        cmocka_unit_test(test_rfc_unsecured),
        cmocka_unit_test(test_rfc_detached),
        cmocka_unit_test(test_rfc_general),
        cmocka_unit_test(test_thumbprints),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_cookbook),
        cmocka_unit_test(test_cookbook_without_crit),
        cmocka_unit_test(test_cookbook_nested),
        cmocka_unit_test(test_own_keys),
        cmocka_unit_test(test_all_algorithms),
        cmocka_unit_test(test_es384),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_narrowing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
