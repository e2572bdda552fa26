/* One-time codes: every value of RFC 4226 appendix D and RFC 6238 appendix B, oathtool, replay, clocks that jump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "access/identity.h"

#define KEY64 "1234567890123456789012345678901234567890123456789012345678901234"

static struct btz_slice key(size_t len)
{
    return btz_slice_of(KEY64, len);
}

static void test_rfc4226(void **state)
{
    /* Appendix D: the 31-bit values, of which the codes are the last six digits. */
    static const uint32_t truncated[10] = { 1284755224, 1094287082, 137359152,  1726969429,
                                            1640338314, 868254676,  1918287922, 82162583,
                                            673399871,  645520489 };
    static const uint32_t codes[10] = { 755224, 287082, 359152, 969429, 338314,
                                        254676, 287922, 162583, 399871, 520489 };
    (void)state;
    for (uint64_t counter = 0; counter < 10; counter++) {
        uint32_t code;

        for (unsigned digits = 6, modulus = 1000000; digits <= 8; digits++, modulus *= 10) {
            assert_int_equal(btz_hotp(key(20), BTZ_OTP_SHA1, counter, digits, &code), BTZ_OK);
            assert_int_equal(code, truncated[counter] % modulus);
        }
        assert_int_equal(btz_hotp(key(20), BTZ_OTP_SHA1, counter, 6, &code), BTZ_OK);
        assert_int_equal(code, codes[counter]);
    }
}

static void test_rfc6238(void **state)
{
    static const struct {
        uint64_t time;
        uint32_t sha1, sha256, sha512;
    } rows[] = {
        { 59, 94287082, 46119246, 90693936 },         { 1111111109, 7081804, 68084774, 25091201 },
        { 1111111111, 14050471, 67062674, 99943326 }, { 1234567890, 89005924, 91819424, 93441116 },
        { 2000000000, 69279037, 90698825, 38618901 }, { 20000000000, 65353130, 77737706, 47863826 },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(rows); i++) {
        uint64_t step = rows[i].time / BTZ_TOTP_STEP_S;
        uint32_t code;

        assert_int_equal(btz_hotp(key(20), BTZ_OTP_SHA1, step, 8, &code), BTZ_OK);
        assert_int_equal(code, rows[i].sha1);
        assert_int_equal(btz_hotp(key(32), BTZ_OTP_SHA256, step, 8, &code), BTZ_OK);
        assert_int_equal(code, rows[i].sha256);
        assert_int_equal(btz_hotp(key(64), BTZ_OTP_SHA512, step, 8, &code), BTZ_OK);
        assert_int_equal(code, rows[i].sha512);
    }
}

static void test_wrong_use(void **state)
{
    uint32_t code = 7;
    (void)state;
    assert_int_equal(btz_hotp(key(20), BTZ_OTP_SHA1, 0, 5, &code), BTZ_USAGE);
    assert_int_equal(btz_hotp(key(20), BTZ_OTP_SHA1, 0, 9, &code), BTZ_USAGE);
    assert_int_equal(btz_hotp(key(0), BTZ_OTP_SHA1, 0, 6, &code), BTZ_INPUT);
    assert_int_equal(code, 7);
}

static const char *code_at(uint64_t step, char out[16])
{
    uint32_t code;

    assert_int_equal(btz_hotp(key(20), BTZ_OTP_SHA1, step, 6, &code), BTZ_OK);
    snprintf(out, 16, "%06u", code);
    return out;
}

static void test_window(void **state)
{
    char code[16];
    (void)state;
    for (int64_t drift = -3; drift <= 3; drift++) {
        uint64_t last = 0, step = 1000000;
        bool inside = drift >= -1 && drift <= 1;

        code_at((uint64_t)((int64_t)step + drift), code);
        assert_int_equal(btz_totp_verify(key(20), code, step * 30, &last),
                         inside ? BTZ_OK : BTZ_DENIED);
        assert_int_equal(last, inside ? (int64_t)step + drift : 0);
        last = 0;
        assert_int_equal(btz_totp_verify(key(20), code, step * 30 + 29, &last),
                         inside ? BTZ_OK : BTZ_DENIED);
    }
}

static void test_replay(void **state)
{
    char code[16], older[16];
    uint64_t last = 0;
    (void)state;
    code_at(5000, code);
    code_at(4999, older);
    assert_int_equal(btz_totp_verify(key(20), code, 5000 * 30, &last), BTZ_OK);
    assert_int_equal(btz_totp_verify(key(20), code, 5000 * 30 + 1, &last), BTZ_DENIED);
    assert_int_equal(btz_totp_verify(key(20), code, 5001 * 30, &last), BTZ_DENIED);
    /* One seen over a shoulder before it was used is worthless after a newer one. */
    assert_int_equal(btz_totp_verify(key(20), older, 5000 * 30, &last), BTZ_DENIED);
    assert_int_equal(last, 5000);
    assert_int_equal(btz_totp_verify(key(20), code_at(5001, code), 5000 * 30 + 29, &last), BTZ_OK);
    assert_int_equal(last, 5001);
}

static void test_clock_jumps(void **state)
{
    char code[16];
    uint64_t last = 0;
    (void)state;
    assert_int_equal(btz_totp_verify(key(20), code_at(5000, code), 5000 * 30, &last), BTZ_OK);
    /* Back: nothing that could have been seen before is taken again, and nothing is lost for good. */
    for (uint64_t step = 4900; step <= 5000; step++)
        assert_int_equal(btz_totp_verify(key(20), code_at(step, code), step * 30, &last),
                         BTZ_DENIED);
    assert_int_equal(last, 5000);
    assert_int_equal(btz_totp_verify(key(20), code_at(5001, code), 5001 * 30, &last), BTZ_OK);
    /* The server's clock runs ahead and comes back: codes of the owner's clock do not move `last`. */
    assert_int_equal(btz_totp_verify(key(20), code_at(5002, code), 9000000 * (uint64_t)30, &last),
                     BTZ_DENIED);
    assert_int_equal(btz_totp_verify(key(20), code, 5002 * 30, &last), BTZ_OK);
    /* The ends of time. */
    last = 0;
    assert_int_equal(btz_totp_verify(key(20), code_at(1, code), 0, &last), BTZ_OK);
    assert_int_equal(btz_totp_verify(key(20), "000000", UINT64_MAX, &last), BTZ_DENIED);
}

static void test_forms(void **state)
{
    static const char *const wrong[] = {
        "",         "12345",    "1234567",           "12345a",     "-12345",
        "+12345",   "0x1234",   "12345\n",           "1234567890", "１２３",
        "12345'--", "        ", "123456123456123456"
    };
    char code[16], spaced[32];
    uint64_t last = 0;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(wrong); i++)
        assert_int_equal(btz_totp_verify(key(20), wrong[i], 1000 * 30, &last), BTZ_DENIED);
    code_at(1000, code);
    snprintf(spaced, sizeof spaced, "%.3s %s", code, code + 3);
    assert_int_equal(btz_totp_verify(key(20), spaced, 1000 * 30, &last), BTZ_OK);
}

/* What a fool's guesses are worth: exactly the codes of three steps are taken, of a million. */
static void test_all_codes(void **state)
{
    unsigned taken = 0, expected = 0;
    uint32_t three[3];
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(btz_hotp(key(20), BTZ_OTP_SHA1, 41152262 + i, 6, &three[i]), BTZ_OK);
    expected = 1 + (three[1] != three[0]) + (three[2] != three[0] && three[2] != three[1]);
    for (unsigned n = 0; n < 1000000; n++) {
        bool valid = n == three[0] || n == three[1] || n == three[2];
        uint64_t last = 0;
        char code[16];

        /* Every valid one and a sample of the others: each costs three HMACs. */
        if (!valid && n % 50 != 0)
            continue;
        snprintf(code, sizeof code, "%06u", n);
        taken += btz_totp_verify(key(20), code, 41152263 * (uint64_t)30, &last) == BTZ_OK;
    }
    assert_int_equal(taken, expected);
}

static void test_base32(void **state)
{
    /* RFC 4648 section 10, without its padding. */
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "MY" },
        { "fo", "MZXQ" },
        { "foo", "MZXW6" },
        { "foob", "MZXW6YQ" },
        { "fooba", "MZXW6YTB" },
        { "foobar", "MZXW6YTBOI" },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(rows); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(100);

        assert_int_equal(btz_base32(btz_str(rows[i][0]), &out), BTZ_OK);
        assert_true(btz_slice_is(btz_buf_slice(&out), rows[i][1]));
    }
}

static void test_uri(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1000);
    (void)state;
    assert_int_equal(
        btz_totp_uri(btz_str("foobar"), "Big Corp:x", "alice@example.com&secret=A", &out), BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&out),
                             "otpauth://totp/Big%20Corp%3Ax:alice%40example.com%26secret%3DA"
                             "?secret=MZXW6YTBOI&issuer=Big%20Corp%3Ax&algorithm=SHA1&digits=6"
                             "&period=30"));
}

/* The codes that oathtool says for this secret at this time. */
static void oathtool(const char *base32, uint64_t now_s, char out[16])
{
    char now[64];
    int ends[2], status;
    pid_t child;
    ssize_t n;

    snprintf(now, sizeof now, "--now=@%" PRIu64, now_s);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], 1);
        execl("/usr/bin/oathtool", "oathtool", "--totp", "--base32", now, base32, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    n = read(ends[0], out, 15);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(n, 7);
    out[6] = '\0';
}

static void test_oathtool(void **state)
{
    struct btz_rng rng;
    (void)state;
    if (access("/usr/bin/oathtool", X_OK) != 0)
        skip();
    btz_rng_init(&rng, 3, 0);
    for (int i = 0; i < 40; i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(200);
        uint64_t now = btz_rng_u64(&rng) >> 31, last = 0;
        uint8_t secret[20];
        const char *base32;
        char code[16];

        for (size_t j = 0; j < sizeof secret; j++)
            secret[j] = (uint8_t)btz_rng_u32(&rng);
        assert_int_equal(btz_base32(btz_slice_of(secret, sizeof secret), &text), BTZ_OK);
        assert_int_equal(btz_buf_cstr(&text, &base32), BTZ_OK);
        oathtool(base32, now, code);
        assert_int_equal(btz_totp_verify(btz_slice_of(secret, sizeof secret), code, now, &last),
                         BTZ_OK);
        assert_int_equal(last, now / 30);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc4226),   cmocka_unit_test(test_rfc6238),
        cmocka_unit_test(test_wrong_use), cmocka_unit_test(test_window),
        cmocka_unit_test(test_replay),    cmocka_unit_test(test_clock_jumps),
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_all_codes),
        cmocka_unit_test(test_base32),    cmocka_unit_test(test_uri),
        cmocka_unit_test(test_oathtool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
