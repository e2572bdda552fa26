/*
 * WebAuthn: the W3C's own vectors, a software authenticator with four kinds of keys, and everything that can be wrong
 * with what it sends.
 */
#include "authenticator.h"

static const char *const origins[] = { "http://localhost", "https://bartizan.example", NULL };
static const struct btz_webauthn_rp rp = {
    .id = "localhost", .name = "bartizan", .origins = origins, .user_verification = true
};
static const int algs[] = { BTZ_COSE_ES256, BTZ_COSE_EDDSA, BTZ_COSE_ES384, BTZ_COSE_RS256 };

static const uint8_t challenge_bytes[BTZ_WEBAUTHN_CHALLENGE] = "0123456789abcdef0123456789abcde";
static struct btz_slice challenge;
static char challenge_text[64];

static enum btz_err do_register(const struct btz_webauthn_rp *site, struct btz_slice wanted,
                                const json_t *credential, struct btz_webauthn_key *key)
{
    struct btz_webauthn_response r;
    struct btz_arena arena;
    enum btz_err err;

    btz_arena_init(&arena, 1 << 20);
    err = btz_webauthn_response_parse(credential, true, &arena, &r);
    if (err == BTZ_OK)
        err = btz_webauthn_register(site, wanted, &r, key);
    btz_arena_release(&arena);
    return err;
}

static enum btz_err do_assert(const struct btz_webauthn_rp *site, struct btz_slice wanted,
                              const struct btz_webauthn_key *key, const json_t *credential,
                              struct btz_webauthn_result *out)
{
    struct btz_webauthn_response r;
    struct btz_arena arena;
    enum btz_err err;

    btz_arena_init(&arena, 1 << 20);
    err = btz_webauthn_response_parse(credential, false, &arena, &r);
    if (err == BTZ_OK)
        err = btz_webauthn_assert(site, wanted, key, &r, out);
    btz_arena_release(&arena);
    return err;
}

/* Takes the credential. */
static enum btz_err registered(struct authenticator *a, struct ceremony c,
                               struct btz_webauthn_key *key)
{
    struct btz_webauthn_key made;
    json_t *credential;
    enum btz_err err;

    c.challenge = c.challenge ? c.challenge : challenge_text;
    credential = authenticator_create(a, &c);
    err = do_register(&rp, challenge, credential, key ? key : &made);
    json_decref(credential);
    return err;
}

static enum btz_err asserted(struct authenticator *a, const struct btz_webauthn_key *key,
                             struct ceremony c, struct btz_webauthn_result *out)
{
    struct btz_webauthn_result made;
    json_t *credential;
    enum btz_err err;

    c.challenge = c.challenge ? c.challenge : challenge_text;
    credential = authenticator_get(a, &c);
    err = do_assert(&rp, challenge, key, credential, out ? out : &made);
    json_decref(credential);
    return err;
}

/* ---- W3C ---- */

static void from_b64(const char *text, struct btz_buf *out)
{
    assert_ok(btz_base64url_decode(btz_str(text), out));
}

static void check_kept(const json_t *vector, const struct btz_webauthn_key *key)
{
    uint8_t aaguid[16];

    assert_ok(btz_unhex(btz_str(text_of(vector, "aaguid")), aaguid, sizeof aaguid));
    assert_memory_equal(key->aaguid, aaguid, sizeof aaguid);
    assert_string_equal(key->format, text_of(vector, "format"));
    assert_int_equal(key->self_attested, json_is_true(json_object_get(vector, "self")));
    assert_int_equal(key->backup_eligible,
                     json_is_true(json_object_get(vector, "backup_eligible")));
    assert_int_equal(key->backed_up, json_is_true(json_object_get(vector, "backed_up")));
    assert_int_equal(key->alg, BTZ_COSE_ES256);
}

static void test_w3c(void **state)
{
    static const char *const example[] = { "https://example.org", NULL };
    struct btz_webauthn_rp site = { .id = "example.org", .name = "example", .origins = example };
    json_t *all = golden("webauthn/w3c.json"), *vector;
    size_t i;
    (void)state;
    json_array_foreach(json_object_get(all, "vectors"), i, vector)
    {
        const json_t *reg = json_object_get(vector, "registration"),
                     *get = json_object_get(vector, "assertion");
        bool accepted = json_is_true(json_object_get(vector, "accepted"));
        struct btz_buf c1 = BTZ_BUF(64), c2 = BTZ_BUF(64);
        struct btz_webauthn_key key;
        struct btz_webauthn_result result;
        enum btz_err err;

        from_b64(text_of(reg, "challenge"), &c1);
        from_b64(text_of(get, "challenge"), &c2);
        err = do_register(&site, btz_buf_slice(&c1), json_object_get(reg, "credential"), &key);
        assert_int_equal(err, accepted ? BTZ_OK : BTZ_DENIED);
        if (accepted) {
            check_kept(vector, &key);
            assert_ok(do_assert(&site, btz_buf_slice(&c2), &key, json_object_get(get, "credential"),
                                &result));
            assert_int_equal(result.sign_count, 0);
            site.user_verification = true; /* neither assertion has it */
            assert_int_equal(do_assert(&site, btz_buf_slice(&c2), &key,
                                       json_object_get(get, "credential"), &result),
                             BTZ_DENIED);
            site.user_verification = false;
            assert_int_equal(do_assert(&site, btz_buf_slice(&c1), &key,
                                       json_object_get(get, "credential"), &result),
                             BTZ_DENIED);
        }
        btz_buf_release(&c1);
        btz_buf_release(&c2);
    }
    json_decref(all);
}

/* ---- honest ceremonies ---- */

static void test_honest(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(algs); i++)
        for (int packed = 0; packed < 2; packed++) {
            struct authenticator a;
            struct btz_webauthn_key key;
            struct btz_webauthn_result result;

            authenticator_init(&a, algs[i]);
            assert_ok(
                registered(&a, (struct ceremony){ .format = packed ? "packed" : NULL }, &key));
            assert_int_equal(key.alg, algs[i]);
            assert_int_equal(key.id_len, sizeof a.id);
            assert_memory_equal(key.id, a.id, sizeof a.id);
            assert_int_equal(key.sign_count, 1);
            assert_int_equal(key.self_attested, packed);
            assert_true(key.user_verified);
            for (uint32_t n = 2; n < 5; n++) {
                assert_ok(asserted(&a, &key, (struct ceremony){ 0 }, &result));
                assert_int_equal(result.sign_count, n);
                assert_true(result.user_verified);
                key.sign_count = result.sign_count;
            }
            assert_ok(asserted(&a, &key, (struct ceremony){ .origin = "https://bartizan.example" },
                               &result));
            authenticator_release(&a);
        }
}

/* ---- what is wrong in client data, whatever the ceremony ---- */

static const struct ceremony lies[] = {
    { .type = "webauthn.get" }, /* replaced below: the other ceremony's */
    { .type = "payment.get" },
    { .type = "" },
    { .challenge = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZGY" },
    { .challenge = "" },
    { .challenge = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ" },
    { .origin = "https://localhost" },
    { .origin = "http://localhost:8080" },
    { .origin = "http://localhost/" },
    { .origin = "http://LOCALHOST" },
    { .origin = "http://localhost.evil.example" },
    { .origin = "https://evil.example" },
    { .origin = "https://sub.bartizan.example" },
    { .origin = "" },
    { .extra = ",\"crossOrigin\":true" },
    { .extra = ",\"crossOrigin\":1" },
    { .extra = ",\"topOrigin\":\"http://localhost\"" },
    { .extra = ",\"tokenBinding\":{\"status\":\"present\",\"id\":\"AAAA\"}" },
    { .extra = ",\"tokenBinding\":null" },
    { .extra = ",\"origin\":\"http://localhost\"" }, /* a member twice */
    { .rp = "evil.example" },
    { .rp = "LOCALHOST" },
    { .rp = "" },
    { .flags = -1 },   /* nobody present */
    { .flags = 0x04 }, /* verified, not present */
    { .flags = 0x01 }, /* present, not verified */
    { .flags = 0x15 }, /* backed up without being eligible */
    { .trailing = true },
    { .extensions = (const uint8_t *)"\xA1", .extensions_len = 1 },     /* cut short */
    { .extensions = (const uint8_t *)"\x01", .extensions_len = 1 },     /* no map */
    { .extensions = (const uint8_t *)"\xBF\xFF", .extensions_len = 2 }, /* indefinite */
    { .extensions = (const uint8_t *)"\xA2\x61\x61\x01\x61\x61\x01",
      .extensions_len = 7 }, /* twice */
};

static void test_lies(void **state)
{
    struct authenticator a;
    struct btz_webauthn_key key;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    assert_ok(registered(&a, (struct ceremony){ 0 }, &key));
    for (size_t i = 0; i < BTZ_COUNT(lies); i++) {
        struct ceremony c = lies[i];

        for (int packed = 0; packed < 2; packed++) {
            enum btz_err err;

            c.format = packed ? "packed" : NULL;
            err = registered(&a, c, NULL);
            if (err != BTZ_DENIED && err != BTZ_INPUT)
                fail_msg("registration %zu: %s", i, btz_err_name(err));
        }
        if (i == 0)
            c.type = "webauthn.create";
        if (asserted(&a, &key, c, NULL) == BTZ_OK)
            fail_msg("assertion %zu", i);
    }
    /* The same without the lie. */
    assert_ok(
        registered(&a, (struct ceremony){ .extra = ",\"crossOrigin\":false,\"more\":[1]" }, NULL));
    assert_ok(asserted(&a, &key,
                       (struct ceremony){ .extra = ",\"crossOrigin\":false,\"more\":[1]" }, NULL));
    authenticator_release(&a);
}

/* ---- registration alone ---- */

static void test_registration(void **state)
{
    static const struct ceremony bad[] = {
        { .no_credential = true },
        { .format = "packed", .no_statement_alg = true },
        { .format = "packed", .wrong_statement_alg = true },
        { .format = "packed", .broken_statement = true },
        { .format = "" },
        { .format = "a-format-identifier-that-is-far-too-long" },
        { .format = "with\x01"
                    "control" },
    };
    static const char *const unknown[] = { "tpm",         "fido-u2f",          "apple",
                                           "android-key", "android-safetynet", "new" };
    struct authenticator a, other;
    struct btz_webauthn_key key;
    json_t *credential;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    authenticator_init(&other, BTZ_COSE_ES256);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        if (registered(&a, bad[i], NULL) == BTZ_OK)
            fail_msg("registration %zu", i);
    /* Other formats are taken, and not believed. */
    for (size_t i = 0; i < BTZ_COUNT(unknown); i++) {
        assert_ok(registered(&a, (struct ceremony){ .format = unknown[i] }, &key));
        assert_string_equal(key.format, unknown[i]);
        assert_false(key.self_attested);
    }
    /* The id outside is that of another credential. */
    credential = authenticator_create(&a, &(struct ceremony){ .challenge = challenge_text });
    {
        struct btz_buf id = BTZ_BUF(64);

        assert_ok(btz_buf_add(&id, other.id, sizeof other.id));
        json_object_set_new(credential, "id", b64_json(&id));
        assert_int_equal(do_register(&rp, challenge, credential, &key),
                         BTZ_INPUT); /* rawId differs */
        json_object_set_new(credential, "rawId", b64_json(&id));
        assert_int_equal(do_register(&rp, challenge, credential, &key), BTZ_DENIED);
        btz_buf_release(&id);
    }
    json_decref(credential);
    authenticator_release(&a);
    authenticator_release(&other);
}

/* Extensions that nobody asked for are put up with (section 9), in both ceremonies. */
static void test_extensions(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } maps[] = {
        { "\xA0", 1 },
        { "\xA1\x6B"
          "credProtect\x02",
          14 },
        { "\xA1\x6B"
          "hmac-secret\xF5",
          14 },
        { "\xA1\x68"
          "credBlob\xF5",
          11 },
        { "\xA1\x6C"
          "minPinLength\x04",
          15 },
        { "\xA1\x67"
          "unknown\x83\x01\x02\x03",
          13 },
        { "\xA2\x61z\xF6\x6B"
          "credProtect\x03",
          17 },
    };
    (void)state;
    for (size_t k = 0; k < BTZ_COUNT(algs); k++)
        for (size_t i = 0; i < BTZ_COUNT(maps); i++) {
            struct ceremony c = { .extensions = (const uint8_t *)maps[i].bytes,
                                  .extensions_len = maps[i].len,
                                  .format = "packed" };
            struct authenticator a;
            struct btz_webauthn_key key;

            if (k && i)
                continue;
            authenticator_init(&a, algs[k]);
            if (registered(&a, c, &key) != BTZ_OK)
                fail_msg("extensions %zu: %s", i, btz_error_detail());
            assert_true(key.self_attested);
            if (i != 2 && i != 3) /* in assertions these two are bytes, not true */
                assert_ok(asserted(&a, &key, c, NULL));
            authenticator_release(&a);
        }
}

/* ---- assertion alone ---- */

static void test_counter(void **state)
{
    struct authenticator a, clone;
    struct btz_webauthn_key key;
    struct btz_webauthn_result result;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    assert_ok(registered(&a, (struct ceremony){ 0 }, &key));
    clone = a;
    assert_ok(asserted(&a, &key, (struct ceremony){ 0 }, &result));
    key.sign_count = result.sign_count;
    /* The copy counts from where it was taken: the same number again, then a lower one. */
    assert_int_equal(asserted(&clone, &key, (struct ceremony){ 0 }, NULL), BTZ_CONFLICT);
    key.sign_count = 100;
    assert_int_equal(asserted(&a, &key, (struct ceremony){ 0 }, NULL), BTZ_CONFLICT);
    /* One that counted and says zero now. */
    a.counts = false;
    a.count = 0;
    assert_int_equal(asserted(&a, &key, (struct ceremony){ 0 }, NULL), BTZ_CONFLICT);
    /* One that never counted is no alarm; one that begins to count is none either. */
    key.sign_count = 0;
    assert_ok(asserted(&a, &key, (struct ceremony){ 0 }, NULL));
    a.count = 0xFFFFFFFF;
    assert_ok(asserted(&a, &key, (struct ceremony){ 0 }, &result));
    assert_int_equal(result.sign_count, 0xFFFFFFFF);
    /* A wrong signature with a low counter is no alarm: anybody can send one. */
    key.sign_count = 0xFFFFFFFF;
    clone.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    assert_int_equal(asserted(&clone, &key, (struct ceremony){ 0 }, NULL), BTZ_DENIED);
    EVP_PKEY_free(clone.key);
    authenticator_release(&a);
}

static void test_backup(void **state)
{
    struct authenticator a;
    struct btz_webauthn_key plain, synced;
    struct btz_webauthn_result result;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    assert_ok(registered(&a, (struct ceremony){ 0 }, &plain));
    assert_ok(registered(&a, (struct ceremony){ .flags = 0x0D }, &synced));
    assert_true(synced.backup_eligible && !synced.backed_up);
    assert_ok(asserted(&a, &synced, (struct ceremony){ .flags = 0x1D }, &result));
    assert_true(result.backed_up);
    assert_int_equal(asserted(&a, &synced, (struct ceremony){ .flags = 0x05 }, NULL), BTZ_DENIED);
    assert_int_equal(asserted(&a, &plain, (struct ceremony){ .flags = 0x0D }, NULL), BTZ_DENIED);
    authenticator_release(&a);
}

static void test_other_key(void **state)
{
    struct authenticator a, b;
    struct btz_webauthn_key ka, kb, mixed;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    authenticator_init(&b, BTZ_COSE_ES256);
    assert_ok(registered(&a, (struct ceremony){ 0 }, &ka));
    assert_ok(registered(&b, (struct ceremony){ 0 }, &kb));
    assert_int_equal(asserted(&a, &kb, (struct ceremony){ 0 }, NULL), BTZ_DENIED);
    /* The id of one, the key of the other. */
    mixed = ka;
    memcpy(mixed.cose, kb.cose, kb.cose_len);
    mixed.cose_len = kb.cose_len;
    assert_int_equal(asserted(&a, &mixed, (struct ceremony){ 0 }, NULL), BTZ_DENIED);
    /* A stored row that was tampered with. */
    mixed = ka;
    mixed.alg = BTZ_COSE_EDDSA;
    assert_int_equal(asserted(&a, &mixed, (struct ceremony){ 0 }, NULL), BTZ_INPUT);
    authenticator_release(&a);
    authenticator_release(&b);
}

/* ---- every bit, every cut ---- */

static void flip_response(const json_t *credential, const char *member,
                          struct btz_webauthn_key *key, size_t *done)
{
    struct btz_buf raw = BTZ_BUF(1 << 16);
    json_t *copy = json_deep_copy(credential), *response = json_object_get(copy, "response");

    from_b64(text_of(response, member), &raw);
    for (size_t bit = 0; bit < 8 * raw.len; bit++) {
        struct btz_webauthn_result result;
        enum btz_err err;

        raw.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        json_object_set_new(response, member, b64_json(&raw));
        err = do_assert(&rp, challenge, key, copy, &result);
        if (err == BTZ_OK || err == BTZ_CONFLICT)
            fail_msg("%s, bit %zu: %s", member, bit, btz_err_name(err));
        raw.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        (*done)++;
    }
    for (size_t cut = 0; cut < raw.len; cut++) {
        struct btz_webauthn_result result;
        struct btz_buf shorter = { .ptr = raw.ptr, .len = cut };

        json_object_set_new(response, member, b64_json(&shorter));
        assert_int_not_equal(do_assert(&rp, challenge, key, copy, &result), BTZ_OK);
        (*done)++;
    }
    btz_buf_release(&raw);
    json_decref(copy);
}

static void test_every_bit_of_assertions(void **state)
{
    size_t done = 0;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(algs); i++) {
        struct authenticator a;
        struct btz_webauthn_key key;
        struct btz_webauthn_result result;
        json_t *credential;

        authenticator_init(&a, algs[i]);
        assert_ok(registered(&a, (struct ceremony){ 0 }, &key));
        credential = authenticator_get(&a, &(struct ceremony){ .challenge = challenge_text,
                                                               .extra = ",\"crossOrigin\":false" });
        assert_ok(do_assert(&rp, challenge, &key, credential, &result));
        flip_response(credential, "clientDataJSON", &key, &done);
        flip_response(credential, "authenticatorData", &key, &done);
        flip_response(credential, "signature", &key, &done);
        json_decref(credential);
        authenticator_release(&a);
    }
    print_message("# %zu changed assertions refused\n", done);
}

/*
 * Registrations: with a self-attestation every bit is signed, but for the identifier of the format, the name of which may
 * become one that is not believed. Without attestation nothing is signed: what is accepted then differs in the key,
 * the id or the counter alone, and is never taken for attested.
 */
static void test_every_bit_of_registrations(void **state)
{
    static const char *const formats[] = { "packed", "none" };
    size_t refused = 0, accepted = 0;
    (void)state;
    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < BTZ_COUNT(algs); i++) {
            struct authenticator a;
            struct btz_webauthn_key key;
            struct btz_buf raw = BTZ_BUF(1 << 16);
            json_t *credential, *response;

            authenticator_init(&a, algs[i]);
            credential = authenticator_create(
                &a, &(struct ceremony){ .challenge = challenge_text, .format = formats[f] });
            response = json_object_get(credential, "response");
            assert_ok(do_register(&rp, challenge, credential, &key));
            from_b64(text_of(response, "attestationObject"), &raw);
            for (size_t bit = 0; bit < 8 * raw.len; bit++) {
                enum btz_err err;

                raw.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
                json_object_set_new(response, "attestationObject", b64_json(&raw));
                err = do_register(&rp, challenge, credential, &key);
                if (err == BTZ_OK &&
                    (key.self_attested || (f == 0 && strcmp(key.format, "packed") == 0)))
                    fail_msg("%s, bit %zu of the object accepted", formats[f], bit);
                *(err == BTZ_OK ? &accepted : &refused) += 1;
                raw.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
            }
            for (size_t cut = 0; cut < raw.len; cut++) {
                struct btz_buf shorter = { .ptr = raw.ptr, .len = cut };

                json_object_set_new(response, "attestationObject", b64_json(&shorter));
                assert_int_not_equal(do_register(&rp, challenge, credential, &key), BTZ_OK);
            }
            btz_buf_release(&raw);
            json_decref(credential);
            authenticator_release(&a);
        }
    print_message("# %zu changed registrations refused, %zu taken for another, unattested key\n",
                  refused, accepted);
}

/* ---- CBOR and keys that are none ---- */

/* Heads that promise more than there is, depth, tags. */
static void test_hostile_cbor(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        { "", 0 },
        { "\xBB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9 },
        { "\xBA\x7F\xFF\xFF\xFF", 5 },
        { "\x9B\x00\x00\x00\xFF\xFF\xFF\xFF\xFF", 9 },
        { "\x5B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9 },
        { "\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01", 13 },
        { "\xC0\xA0", 2 },
        { "\xFF", 1 },
        { "\xA1\x01", 2 },
        { "\xA1\xA0\x01", 3 }, /* a map as a key */
        { "\xA1\x62\xC3\x28\x01", 5 },
        { "\xF8\x10", 2 },
    };
    struct btz_webauthn_response r = { 0 };
    struct btz_buf client = BTZ_BUF(4096);
    struct btz_webauthn_key key;
    (void)state;
    put_client_data(&client, &(struct ceremony){ .challenge = challenge_text }, "webauthn.create");
    r.client_data = btz_buf_slice(&client);
    r.id = btz_str("x");
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        enum btz_err err;

        r.attestation_object = btz_slice_of(bad[i].bytes, bad[i].len);
        err = btz_webauthn_register(&rp, challenge, &r, &key);
        if (err != BTZ_INPUT && err != BTZ_LIMIT)
            fail_msg("object %zu: %s", i, btz_err_name(err));
    }
    btz_buf_release(&client);
}

/* A registration whose key is `cose`. */
static enum btz_err with_key(const struct btz_buf *cose)
{
    struct btz_buf auth = BTZ_BUF(4096), client = BTZ_BUF(4096), object = BTZ_BUF(8192);
    struct authenticator a = { .id = "0123456789abcdef0123456789abcde" };
    struct ceremony c = { .challenge = challenge_text };
    struct btz_webauthn_response r = { .id = btz_slice_of(a.id, sizeof a.id) };
    struct btz_webauthn_key key;
    uint8_t hash[BTZ_SHA256_LEN];
    enum btz_err err;

    btz_sha256(btz_str("localhost"), hash);
    assert_ok(btz_buf_add(&auth, hash, sizeof hash));
    assert_ok(btz_buf_add(&auth,
                          "\x45\0\0\0\0"
                          "0123456789abcdef\0\x20",
                          5 + 16 + 2));
    assert_ok(btz_buf_add(&auth, a.id, sizeof a.id));
    assert_ok(btz_buf_add_slice(&auth, btz_buf_slice(cose)));
    put_client_data(&client, &c, "webauthn.create");
    put_head(&object, 5, 3);
    put_text(&object, "fmt"), put_text(&object, "none");
    put_text(&object, "attStmt"), put_head(&object, 5, 0);
    put_text(&object, "authData"), put_bytes(&object, auth.ptr, auth.len);
    r.client_data = btz_buf_slice(&client);
    r.attestation_object = btz_buf_slice(&object);
    err = btz_webauthn_register(&rp, challenge, &r, &key);
    btz_buf_release(&auth);
    btz_buf_release(&client);
    btz_buf_release(&object);
    return err;
}

static void put_ec_key(struct btz_buf *b, int kty, int alg, int crv, const uint8_t *x,
                       const uint8_t *y, size_t len)
{
    put_head(b, 5, 5);
    put_int(b, 1), put_int(b, kty), put_int(b, 3), put_int(b, alg), put_int(b, -1), put_int(b, crv);
    put_int(b, -2), put_bytes(b, x, len), put_int(b, -3), put_bytes(b, y, len);
}

static void test_bad_keys(void **state)
{
    static const struct {
        int kty, alg, crv;
        size_t len;
        bool swapped;
        enum btz_err err;
    } cases[] = {
        { 2, -7, 1, 32, false, BTZ_OK },           { 2, -7, 1, 32, true, BTZ_DENIED },
        { 2, -7, 1, 31, false, BTZ_INPUT },        { 2, -7, 2, 32, false, BTZ_INPUT },
        { 3, -7, 1, 32, false, BTZ_INPUT },        { 2, -47, 8, 32, false, BTZ_UNSUPPORTED },
        { 2, -36, 3, 32, false, BTZ_UNSUPPORTED }, { 2, -65535, 1, 32, false, BTZ_UNSUPPORTED },
        { 2, 0, 1, 32, false, BTZ_UNSUPPORTED },   { 2, -35, 2, 32, false, BTZ_INPUT },
        { 2, -8, 6, 32, false, BTZ_INPUT },        { 2, 5, 1, 32, false, BTZ_UNSUPPORTED },
    };
    struct authenticator a;
    uint8_t x[32], y[32], small[32] = { 1 };
    struct btz_buf b = BTZ_BUF(4096);
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    number_of(a.key, OSSL_PKEY_PARAM_EC_PUB_X, 32, x);
    number_of(a.key, OSSL_PKEY_PARAM_EC_PUB_Y, 32, y);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        enum btz_err err;

        btz_buf_clear(&b);
        put_ec_key(&b, cases[i].kty, cases[i].alg, cases[i].crv, cases[i].swapped ? y : x,
                   cases[i].swapped ? x : y, cases[i].len);
        err = with_key(&b);
        if (err != cases[i].err)
            fail_msg("key %zu: %s: %s", i, btz_err_name(err), btz_error_detail());
    }
    /* Ed25519's neutral element, and RSA numbers that are even, short, or 1. */
    btz_buf_clear(&b);
    put_head(&b, 5, 4);
    put_int(&b, 1), put_int(&b, 1), put_int(&b, 3), put_int(&b, -8), put_int(&b, -1),
        put_int(&b, 6);
    put_int(&b, -2), put_bytes(&b, small, 32);
    assert_int_equal(with_key(&b), BTZ_DENIED);
    for (int k = 0; k < 4; k++) {
        uint8_t n[256], e[3] = { 1, 0, 1 };

        memset(n, 0xFF, sizeof n);
        if (k == 0)
            n[255] = 0xFE;
        if (k == 1)
            n[0] = 0x7F;
        if (k == 2)
            e[0] = 0;
        btz_buf_clear(&b);
        put_head(&b, 5, 4);
        put_int(&b, 1), put_int(&b, 3), put_int(&b, 3), put_int(&b, -257);
        put_int(&b, -1), put_bytes(&b, n, k == 3 ? 128 : 256), put_int(&b, -2), put_bytes(&b, e, 3);
        assert_int_equal(with_key(&b), k == 3 ? BTZ_INPUT : BTZ_DENIED);
    }
    btz_buf_release(&b);
    authenticator_release(&a);
}

/* ---- the JSON around it ---- */

static void test_json(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "null",
        "{\"id\":\"eA\",\"type\":\"public-key\"}",
        "{\"id\":\"eA\",\"type\":\"password\",\"response\":{}}",
        "{\"id\":\"eA==\",\"type\":\"public-key\",\"response\":{\"clientDataJSON\":\"eA\","
        "\"authenticatorData\":\"eA\",\"signature\":\"eA\"}}",
        "{\"id\":\"\",\"type\":\"public-key\",\"response\":{\"clientDataJSON\":\"eA\","
        "\"authenticatorData\":\"eA\",\"signature\":\"eA\"}}",
        "{\"id\":7,\"type\":\"public-key\",\"response\":{\"clientDataJSON\":\"eA\","
        "\"authenticatorData\":\"eA\",\"signature\":\"eA\"}}",
        "{\"id\":\"eA\",\"rawId\":\"eB\",\"type\":\"public-key\",\"response\":{\"clientDataJSON\":"
        "\"eA\",\"authenticatorData\":\"eA\",\"signature\":\"eA\"}}",
        "{\"id\":\"eA\",\"type\":\"public-key\",\"response\":{\"clientDataJSON\":\"eA\","
        "\"authenticatorData\":\"eA\"}}",
        "{\"id\":\"eA\",\"type\":\"public-key\",\"response\":{\"clientDataJSON\":\"eA\","
        "\"authenticatorData\":\"eA\",\"signature\":\"e A\"}}",
        "{\"id\":\"eA\",\"type\":\"public-key\",\"response\":{\"clientDataJSON\":\"eA\","
        "\"authenticatorData\":\"eA\",\"signature\":\"eA\",\"userHandle\":7}}",
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        struct btz_webauthn_response r;
        struct btz_arena arena;
        json_t *value = NULL;

        btz_arena_init(&arena, 1 << 20);
        assert_ok(btz_json_parse(btz_str(bad[i]), 4096, "test", &value));
        if (btz_webauthn_response_parse(value, false, &arena, &r) != BTZ_INPUT)
            fail_msg("taken: %s", bad[i]);
        json_decref(value);
        btz_arena_release(&arena);
    }
}

static void test_options(void **state)
{
    struct btz_slice ids[] = { btz_str("one"), btz_str("two") };
    struct btz_webauthn_user user = { .handle = btz_str("usr_1"),
                                      .name = "alice",
                                      .display_name = "Alice" };
    json_t *create = btz_webauthn_create_options(&rp, &user, challenge, ids, 2),
           *get = btz_webauthn_get_options(&rp, challenge, ids, 1);
    const json_t *params;
    (void)state;
    assert_non_null(create);
    assert_non_null(get);
    assert_string_equal(text_of(create, "challenge"), challenge_text);
    assert_string_equal(text_of(create, "attestation"), "none");
    assert_string_equal(text_of(json_object_get(create, "rp"), "id"), "localhost");
    assert_string_equal(text_of(json_object_get(create, "user"), "id"), "dXNyXzE");
    assert_int_equal(json_array_size(json_object_get(create, "excludeCredentials")), 2);
    params = json_object_get(create, "pubKeyCredParams");
    assert_int_equal(json_array_size(params), 4);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(params, 0), "alg")), -7);
    assert_string_equal(text_of(json_array_get(json_object_get(get, "allowCredentials"), 0), "id"),
                        "b25l");
    assert_string_equal(text_of(get, "userVerification"), "required");
    assert_string_equal(text_of(get, "rpId"), "localhost");
    json_decref(create);
    json_decref(get);
}

static void test_rp_id(void **state)
{
    static const struct {
        const char *origin, *id;
    } cases[] = { { "https://bartizan.example.com", "bartizan.example.com" },
                  { "https://bartizan.example.com:8443", "bartizan.example.com" },
                  { "http://localhost:8080", "localhost" },
                  { "http://bartizan.example.com", NULL },
                  { "https://", NULL },
                  { "https://a/b", NULL },
                  { "https://user@host", NULL },
                  { "bartizan.example.com", NULL },
                  { "", NULL } };
    char id[64];
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        enum btz_err err = btz_webauthn_rp_id(cases[i].origin, id, sizeof id);

        assert_int_equal(err, cases[i].id ? BTZ_OK : BTZ_USAGE);
        if (cases[i].id)
            assert_string_equal(id, cases[i].id);
    }
}

static int setup(void **state)
{
    struct btz_buf text = BTZ_BUF(64);
    const char *at;
    (void)state;
    challenge = btz_slice_of(challenge_bytes, sizeof challenge_bytes);
    if (btz_base64url_encode(challenge, &text) != BTZ_OK || btz_buf_cstr(&text, &at) != BTZ_OK)
        return -1;
    snprintf(challenge_text, sizeof challenge_text, "%s", at);
    btz_buf_release(&text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_w3c),
        cmocka_unit_test(test_honest),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_registration),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_counter),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_other_key),
        cmocka_unit_test(test_every_bit_of_assertions),
        cmocka_unit_test(test_every_bit_of_registrations),
        cmocka_unit_test(test_hostile_cbor),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_rp_id),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
