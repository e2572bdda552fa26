/* Ids, API keys, bearer tokens, recovery codes. Expected values are from Python's int, zlib.crc32 and hmac. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "access/identity.h"

static void test_ids(void **state)
{
    static const uint8_t ulid[BTZ_ID_RANDOM] = { 0xd6, 0x76, 0x4c, 0x61, 0xef,
                                                 0xb9, 0x93, 0x02, 0xbd, 0x5b };
    char id[BTZ_ID_TEXT], other[BTZ_ID_TEXT];

    (void)state;
    btz_id_new("usr_", 1469918176385, id);
    assert_int_equal(strlen(id), 30);
    assert_true(btz_is_id(id, "usr_"));
    assert_true(btz_is_id(id, "usr"));
    assert_false(btz_is_id(id, "svc_"));
    assert_false(btz_is_id(id, "us"));
    /* ulid/spec: the time 1469918176385 is 01ARYZ6S41. */
    assert_memory_equal(id, "usr_01ARYZ6S41", 14);
    /* And this is its example. */
    btz_id_from("usr", 1469918176385, ulid, other);
    assert_string_equal(other, "usr_01ARYZ6S41TSV4RRFFQ69G5FAV");
    btz_id_new("usr", 1469918176385, other);
    assert_true(btz_is_id(other, "usr_"));
    assert_string_not_equal(id, other);
    btz_id_new("usr", UINT64_MAX, other);
    assert_memory_equal(other, "usr_7ZZZZZZZZZ", 14);
    assert_true(btz_is_id(other, "usr"));
    other[4] = '8';
    assert_false(btz_is_id(other, "usr"));
    assert_false(btz_is_id(NULL, "usr"));
    assert_false(btz_is_id("usr", "usr"));
    assert_false(btz_is_id("usr_01ARYZ6S41TSV4RRFFQ69G5FA", "usr"));
    assert_false(btz_is_id("usr_01ARYZ6S41TSV4RRFFQ69G5FAVV", "usr"));
    assert_false(btz_is_id("usr_01ARYZ6S41TSV4RRFFQ69G5FAU", "usr"));
    assert_false(btz_is_id("usr_01aryz6s41tsv4rrffq69g5fav", "usr"));
    btz_id_new("much-too-long-a-prefix", 0, other);
    assert_int_equal(strlen(other), BTZ_ID_TEXT - 1);
}

static void test_ids_sort_by_age(void **state)
{
    char before[BTZ_ID_TEXT], after[BTZ_ID_TEXT];
    (void)state;
    btz_id_new("evt", 1, before);
    for (uint64_t ms = 2; ms < (uint64_t)1 << 47; ms *= 3) {
        btz_id_new("evt", ms, after);
        assert_true(strcmp(before, after) < 0);
        memcpy(before, after, sizeof before);
    }
}

static void test_crc32(void **state)
{
    (void)state;
    assert_int_equal(btz_crc32(btz_str("")), 0);
    assert_int_equal(btz_crc32(btz_str("123456789")), 0xCBF43926); /* the check value */
    assert_int_equal(btz_crc32(btz_str("The quick brown fox jumps over the lazy dog")), 0x414FA339);
    assert_int_equal(btz_crc32(btz_str("a")), 0xE8B7BE43);
}

static void test_keys_of_bits(void **state)
{
    static const char *const zero = "btz_00000000000000000000000000000000000000000000c8Zic",
                             *const ones = "btz_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp12WnBfu",
                             *const rows = "btz_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf0EJwiY",
                             *const z61 = "btz_000000000000000000000000000000000000000000z3MU0KC",
                             *const z62 = "btz_000000000000000000000000000000000000000001012ChOV";
    uint8_t bits[32] = { 0 };
    char key[BTZ_KEY_TEXT];
    (void)state;
    btz_key_from(bits, key);
    assert_string_equal(key, zero);
    bits[31] = 61;
    btz_key_from(bits, key);
    assert_string_equal(key, z61);
    bits[31] = 62;
    btz_key_from(bits, key);
    assert_string_equal(key, z62);
    memset(bits, 0xFF, sizeof bits);
    btz_key_from(bits, key);
    assert_string_equal(key, ones);
    for (uint8_t i = 0; i < 32; i++)
        bits[i] = i;
    btz_key_from(bits, key);
    assert_string_equal(key, rows);
    assert_true(btz_is_key(btz_str(key)));
}

/* Base 62 back to bits, by multiplication where the code divides. */
static void decode(const char *key, uint8_t bits[32])
{
    memset(bits, 0, 32);
    for (int i = 4; i < 47; i++) {
        char c = key[i];
        unsigned carry = (unsigned)(c <= '9' ? c - '0' : c <= 'Z' ? c - 'A' + 10 : c - 'a' + 36);

        for (int j = 31; j >= 0; j--) {
            carry += bits[j] * 62u;
            bits[j] = (uint8_t)carry;
            carry >>= 8;
        }
        assert_int_equal(carry, 0);
    }
}

static void test_round_trips(void **state)
{
    struct btz_rng rng;
    (void)state;
    btz_rng_init(&rng, 7, 0);
    for (int n = 0; n < 2000; n++) {
        uint8_t bits[32], back[32];
        char key[BTZ_KEY_TEXT];

        for (int i = 0; i < 32; i++)
            bits[i] = (uint8_t)btz_rng_u32(&rng);
        btz_key_from(bits, key);
        assert_true(btz_is_key(btz_str(key)));
        decode(key, back);
        assert_memory_equal(bits, back, 32);
    }
}

/* A scanner takes no text that a typing mistake made: any one letter changed, two swapped, one lost or added. */
static void test_wrong_keys(void **state)
{
    char key[BTZ_KEY_TEXT], copy[BTZ_KEY_TEXT + 1];
    (void)state;
    btz_key_new(key);
    assert_true(btz_is_key(btz_str(key)));
    for (size_t i = 0; i < BTZ_KEY_TEXT - 1; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(copy, key, sizeof key);
            copy[i] = (char)byte;
            assert_int_equal(btz_is_key(btz_slice_of(copy, BTZ_KEY_TEXT - 1)), copy[i] == key[i]);
        }
        memcpy(copy, key, sizeof key);
        if (i + 2 < BTZ_KEY_TEXT && key[i] != key[i + 1]) {
            copy[i] = key[i + 1];
            copy[i + 1] = key[i];
            assert_false(btz_is_key(btz_str(copy)));
        }
        assert_false(btz_is_key(btz_slice_of(key, i)));
    }
    snprintf(copy, sizeof copy, "%s0", key);
    assert_false(btz_is_key(btz_str(copy)));
    assert_false(btz_is_key(btz_str(NULL)));
}

static void test_key_hash(void **state)
{
    uint8_t pepper[32], hash[BTZ_SHA256_LEN];
    char hex[2 * BTZ_SHA256_LEN + 1];
    (void)state;
    for (uint8_t i = 0; i < 32; i++)
        pepper[i] = i;
    btz_key_hash(btz_str("btz_x"), pepper, hash);
    btz_hex(hash, sizeof hash, hex);
    assert_string_equal(hex, "62c878e5464fb7a0666dfd188f182394a989acec5c95641ad399366be0c056fc");
}

static void test_tokens(void **state)
{
    char token[BTZ_TOKEN_TEXT], other[BTZ_TOKEN_TEXT], hex[2 * BTZ_SHA256_LEN + 1];
    uint8_t hash[BTZ_SHA256_LEN];
    (void)state;
    btz_token_new(token);
    btz_token_new(other);
    assert_string_not_equal(token, other);
    assert_int_equal(btz_token_hash(btz_str(token), hash), BTZ_OK);
    /* sha256sum of 43 letters A */
    assert_int_equal(btz_token_hash(btz_str("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), hash),
                     BTZ_OK);
    btz_hex(hash, sizeof hash, hex);
    assert_string_equal(hex, "0f007385b6f9d4b7eeb2748605afe1a984a0a3bfa3f014d09e2a784ce9e5cd1a");
    assert_int_equal(btz_token_hash(btz_str(""), hash), BTZ_INPUT);
    assert_int_equal(btz_token_hash(btz_slice_of(token, 42), hash), BTZ_INPUT);
    /* Bits beyond the 256 are 0: one text for each token. */
    assert_int_equal(btz_token_hash(btz_str("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"), hash),
                     BTZ_INPUT);
    for (unsigned byte = 0; byte < 256; byte++) {
        bool letter = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                      (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '_';

        other[7] = (char)byte;
        assert_int_equal(btz_token_hash(btz_slice_of(other, 43), hash),
                         letter ? BTZ_OK : BTZ_INPUT);
    }
}

static void test_recovery(void **state)
{
    char codes[BTZ_RECOVERY_CODES][BTZ_RECOVERY_TEXT];
    uint8_t pepper[32] = { 1 }, hash[BTZ_SHA256_LEN], other[BTZ_SHA256_LEN];
    (void)state;
    btz_recovery_new(codes);
    for (int i = 0; i < BTZ_RECOVERY_CODES; i++) {
        assert_int_equal(strlen(codes[i]), 11);
        assert_int_equal(codes[i][5], '-');
        assert_int_equal(strspn(codes[i], "0123456789abcdefghjkmnpqrstvwxyz-"), 11);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(codes[i], codes[j]);
    }
    assert_int_equal(btz_recovery_hash(btz_str("abc01-1vwxz"), pepper, hash), BTZ_OK);
    assert_int_equal(btz_recovery_hash(btz_str(" ABCOI lvwxz "), pepper, other), BTZ_OK);
    assert_memory_equal(hash, other, sizeof hash);
    assert_int_equal(btz_recovery_hash(btz_str("abc01-1vwxy"), pepper, other), BTZ_OK);
    assert_memory_not_equal(hash, other, sizeof hash);
    pepper[0] = 2;
    assert_int_equal(btz_recovery_hash(btz_str("abc01-1vwxz"), pepper, other), BTZ_OK);
    assert_memory_not_equal(hash, other, sizeof hash);
    assert_int_equal(btz_recovery_hash(btz_str(""), pepper, other), BTZ_INPUT);
    assert_int_equal(btz_recovery_hash(btz_str("abc01-1vwx"), pepper, other), BTZ_INPUT);
    assert_int_equal(btz_recovery_hash(btz_str("abc01-1vwxzz"), pepper, other), BTZ_INPUT);
    assert_int_equal(btz_recovery_hash(btz_str("abc01-1vwxu"), pepper, other), BTZ_INPUT);
    assert_int_equal(btz_recovery_hash(btz_str("abc01-1vwx'"), pepper, other), BTZ_INPUT);
    assert_int_equal(btz_recovery_hash(btz_slice_of("abc01\0001vwxz", 11), pepper, other),
                     BTZ_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),         cmocka_unit_test(test_ids_sort_by_age),
        cmocka_unit_test(test_crc32),       cmocka_unit_test(test_keys_of_bits),
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_wrong_keys),
        cmocka_unit_test(test_key_hash),    cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
