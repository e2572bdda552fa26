#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "access/identity.h"

enum btz_err btz_hotp(struct btz_slice secret, enum btz_otp_hash hash, uint64_t counter,
                      unsigned digits, uint32_t *code)
{
    const EVP_MD *md = hash == BTZ_OTP_SHA512   ? EVP_sha512()
                       : hash == BTZ_OTP_SHA256 ? EVP_sha256()
                                                : EVP_sha1();
    uint8_t message[8], mac[EVP_MAX_MD_SIZE];
    unsigned len = 0, modulus = 1, at;

    if (digits < 6 || digits > 8)
        return btz_fail(BTZ_USAGE, "one-time codes have 6 to 8 digits, not %u", digits);
    if (secret.len == 0 || secret.len > 1024)
        return btz_fail(BTZ_INPUT, "secret of one-time codes: %zu bytes", secret.len);
    for (int i = 0; i < 8; i++)
        message[i] = (uint8_t)(counter >> 8 * (7 - i));
    if (!HMAC(md, secret.ptr, (int)secret.len, message, sizeof message, mac, &len))
        return btz_fail(BTZ_LIMIT, "out of memory for HMAC");
    at = mac[len - 1] & 15; /* dynamic truncation, RFC 4226 section 5.3 */
    for (unsigned i = 0; i < digits; i++)
        modulus *= 10;
    *code = ((mac[at] & 0x7Fu) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 |
             mac[at + 3]) %
            modulus;
    btz_wipe(mac, sizeof mac);
    return BTZ_OK;
}

/* Six digits, perhaps with spaces between them, as apps show them. */
static bool read_code(const char *text, uint32_t *out)
{
    unsigned count = 0;
    uint32_t code = 0;

    for (size_t i = 0; text[i]; i++) {
        if (i >= 16)
            return false;
        if (text[i] == ' ')
            continue;
        if (text[i] < '0' || text[i] > '9' || ++count > 6)
            return false;
        code = code * 10 + (uint32_t)(text[i] - '0');
    }
    *out = code;
    return count == 6;
}

enum btz_err btz_totp_verify(struct btz_slice secret, const char *code, uint64_t now_s,
                             uint64_t *last)
{
    uint64_t now = now_s / BTZ_TOTP_STEP_S, found = 0;
    uint32_t given = 0;
    bool formed = read_code(code, &given);

    for (uint64_t step = now > 0 ? now - 1 : 0; step <= now + 1; step++) {
        uint32_t expected;
        uint64_t match;

        BTZ_TRY(btz_hotp(secret, BTZ_OTP_SHA1, step, 6, &expected));
        match = (uint64_t)btz_equal_ct(&given, &expected, sizeof given) & (step > *last);
        /* The newest of several that match: none of them can be used again. */
        found = match * step + (1 - match) * found;
    }
    if (!formed || found == 0)
        return btz_fail(BTZ_DENIED, "wrong code");
    *last = found;
    return BTZ_OK;
}

enum btz_err btz_base32(struct btz_slice in, struct btz_buf *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 section 6 */
    unsigned bits = 0, count = 0;

    for (size_t i = 0; i < in.len; i++) {
        bits = bits << 8 | in.ptr[i];
        for (count += 8; count >= 5; count -= 5)
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)letters[bits >> (count - 5) & 31]));
        bits &= 31;
    }
    if (count > 0)
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)letters[bits << (5 - count) & 31]));
    return BTZ_OK;
}

static enum btz_err percent(const char *text, struct btz_buf *out)
{
    for (; *text; text++) {
        bool plain = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
                     (*text >= 'A' && *text <= 'Z') || strchr("-._~", *text);

        BTZ_TRY(plain ? btz_buf_add_byte(out, (uint8_t)*text)
                      : btz_buf_printf(out, "%%%02X", (unsigned)(uint8_t)*text));
    }
    return BTZ_OK;
}

enum btz_err btz_totp_uri(struct btz_slice secret, const char *issuer, const char *name,
                          struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "otpauth://totp/"));
    BTZ_TRY(percent(issuer, out));
    BTZ_TRY(btz_buf_add_byte(out, ':'));
    BTZ_TRY(percent(name, out));
    BTZ_TRY(btz_buf_add_str(out, "?secret="));
    BTZ_TRY(btz_base32(secret, out));
    BTZ_TRY(btz_buf_add_str(out, "&issuer="));
    BTZ_TRY(percent(issuer, out));
    return btz_buf_add_str(out, "&algorithm=SHA1&digits=6&period=30");
}
