#include <sodium.h>

#include "access/identity.h"

#define LETTERS 10 /* of 5 bits */

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's */

void btz_recovery_new(char out[BTZ_RECOVERY_CODES][BTZ_RECOVERY_TEXT])
{
    for (int code = 0; code < BTZ_RECOVERY_CODES; code++) {
        uint8_t random[LETTERS];
        char *at = out[code];

        btz_random_bytes(random, sizeof random);
        for (int i = 0; i < LETTERS; i++) {
            if (i == LETTERS / 2)
                *at++ = '-';
            *at++ = digits[random[i] & 31];
        }
        *at = '\0';
        btz_wipe(random, sizeof random);
    }
}

/* A letter as it was printed: case and look-alikes (o for 0, i and l for 1) do not matter; 0 for none. */
static char letter(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        c = (uint8_t)(c + 'a' - 'A');
    if (c == 'o')
        return '0';
    if (c == 'i' || c == 'l')
        return '1';
    return c && strchr(digits, c) ? (char)c : '\0';
}

enum btz_err btz_recovery_hash(struct btz_slice code, const uint8_t pepper[32],
                               uint8_t out[BTZ_SHA256_LEN])
{
    static const char domain[] = "recovery";
    crypto_auth_hmacsha256_state mac;
    uint8_t plain[LETTERS];
    size_t count = 0;
    bool good = code.len <= 64;

    for (size_t i = 0; good && i < code.len; i++) {
        char c = letter(code.ptr[i]);

        if (code.ptr[i] == ' ' || code.ptr[i] == '-')
            continue;
        good = c && count < LETTERS;
        if (good)
            plain[count++] = (uint8_t)c;
    }
    if (good && count == LETTERS) {
        crypto_auth_hmacsha256_init(&mac, pepper, 32);
        crypto_auth_hmacsha256_update(&mac, (const uint8_t *)domain, sizeof domain);
        crypto_auth_hmacsha256_update(&mac, plain, sizeof plain);
        crypto_auth_hmacsha256_final(&mac, out);
        btz_wipe(&mac, sizeof mac);
    }
    btz_wipe(plain, sizeof plain);
    if (!good || count != LETTERS)
        return btz_fail(BTZ_INPUT, "no recovery code: expected 10 letters, as in abcde-fghjk");
    return BTZ_OK;
}
