#include <sodium.h>

#include "access/identity.h"

void btz_token_new(char out[BTZ_TOKEN_TEXT])
{
    uint8_t bits[32];

    btz_random_bytes(bits, sizeof bits);
    sodium_bin2base64(out, BTZ_TOKEN_TEXT, bits, sizeof bits,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    btz_wipe(bits, sizeof bits);
}

enum btz_err btz_token_hash(struct btz_slice token, uint8_t out[BTZ_SHA256_LEN])
{
    uint8_t bits[32];
    size_t len = 0;
    const char *end = NULL;
    bool good = token.len == BTZ_TOKEN_TEXT - 1;

    /* libsodium takes 0xAB and 0xAF for letters where char is signed. */
    for (size_t i = 0; good && i < token.len; i++)
        good = token.ptr[i] < 0x80;
    good = good &&
           sodium_base642bin(bits, sizeof bits, (const char *)token.ptr, token.len, NULL, &len,
                             &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           end == (const char *)token.ptr + token.len && len == sizeof bits;
    btz_wipe(bits, sizeof bits);
    if (!good)
        return btz_fail(BTZ_INPUT, "no token: expected 43 letters of base64url");
    btz_sha256(token, out);
    return BTZ_OK;
}
