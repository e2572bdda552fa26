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

void btz_id_new(const char *prefix, uint64_t now_ms, char out[BTZ_ID_TEXT])
{
    uint8_t bits[16];
    size_t at = prefix_len(prefix);

    if (at > BTZ_ID_TEXT - DIGITS - 2)
        at = BTZ_ID_TEXT - DIGITS - 2;
    for (int i = 0; i < 6; i++)
        bits[i] = (uint8_t)(now_ms >> 8 * (5 - i));
    btz_random_bytes(bits + 6, 10);
    memcpy(out, prefix, at);
    out[at++] = '_';
    for (int i = 0; i < DIGITS; i++) {
        unsigned digit = 0;

        for (int bit = 5 * i - 2; bit < 5 * i + 3; bit++)
            digit = digit << 1 | (bit < 0 ? 0 : bits[bit / 8] >> (7 - bit % 8) & 1);
        out[at++] = digits[digit];
    }
    out[at] = '\0';
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
