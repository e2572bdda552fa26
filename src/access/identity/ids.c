#include "access/identity.h"

/* Crockford: no I, L, O, U. Upper case, so that an id can never be somebody's name (names are lower case). */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#define DIGITS 26 /* 130 bits for 128, the first two are 0 */

/* "usr" and "usr_" name the same prefix. */
static size_t prefix_len(const char *prefix)
{
    size_t len = strlen(prefix);

    return len > 0 && prefix[len - 1] == '_' ? len - 1 : len;
}

void btz_id_from(const char *prefix, uint64_t now_ms, const uint8_t random[BTZ_ID_RANDOM],
                 char out[BTZ_ID_TEXT])
{
    uint64_t high = now_ms << 16 | (uint64_t)random[0] << 8 | random[1], low = 0;
    size_t at = prefix_len(prefix);

    if (at > BTZ_ID_TEXT - DIGITS - 2)
        at = BTZ_ID_TEXT - DIGITS - 2;
    for (int i = 2; i < BTZ_ID_RANDOM; i++)
        low = low << 8 | random[i];
    memcpy(out, prefix, at);
    out[at++] = '_';
    out[at + DIGITS] = '\0';
    for (size_t i = DIGITS; i-- > 0;) {
        out[at + i] = digits[low & 31];
        low = low >> 5 | high << 59;
        high >>= 5;
    }
}

void btz_id_new(const char *prefix, uint64_t now_ms, char out[BTZ_ID_TEXT])
{
    uint8_t random[BTZ_ID_RANDOM];

    btz_random_bytes(random, sizeof random);
    btz_id_from(prefix, now_ms, random, out);
}

bool btz_id_form(const char *text, char out[BTZ_ID_TEXT])
{
    size_t len = strlen(text);

    if (len != 4 + DIGITS || text[3] != '_')
        return false;
    for (size_t i = 0; i <= len; i++) {
        char c = text[i];
        bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';

        if (i != 3 && i < len && !lower && !upper && (i < 3 || c < '0' || c > '9'))
            return false;
        out[i] = i < 3 && upper   ? (char)(c + 'a' - 'A')
                 : i > 3 && lower ? (char)(c - 'a' + 'A')
                                  : c;
    }
    return true;
}

bool btz_is_id(const char *text, const char *prefix)
{
    size_t len = prefix_len(prefix);

    if (!text || strncmp(text, prefix, len) != 0 || text[len] != '_')
        return false;
    text += len + 1;
    return strlen(text) == DIGITS && strspn(text, digits) == DIGITS && text[0] <= '7';
}
