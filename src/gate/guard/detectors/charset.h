/* Sorts of bytes that detectors ask for. Private to the detectors. */
#ifndef BTZ_GATE_GUARD_CHARSET_H
#define BTZ_GATE_GUARD_CHARSET_H

#include "gate/guard/guard.h"

static inline bool btz_is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}
static inline bool btz_is_upper(uint8_t c)
{
    return (uint8_t)(c - 'A') < 26;
}
static inline bool btz_is_lower(uint8_t c)
{
    return (uint8_t)(c - 'a') < 26;
}
static inline bool btz_is_alpha(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') < 26;
}
static inline bool btz_is_alnum(uint8_t c)
{
    return btz_is_alpha(c) || btz_is_digit(c);
}
static inline bool btz_is_hex(uint8_t c)
{
    return btz_is_digit(c) || (uint8_t)((c | 0x20) - 'a') < 6;
}
/* From `at` on as many bytes, in eights, as hold none from '(' to '9': no digits, and none of "()*+,-./". */
static inline size_t btz_skip_letters(struct btz_slice t, size_t at)
{
    const uint64_t each = UINT64_C(0x0101010101010101), high = each << 7;
    uint64_t w, low;

    for (; at + 8 <= t.len; at += 8) {
        memcpy(&w, t.ptr + at, 8);
        low = w & ~high;
        if ((low + each * (0x80 - '(')) & ~(low + each * (0x7F - '9')) & ~w & high)
            break;
    }
    return at;
}
/* Does a word end in front of `at`? */
static inline bool btz_at_boundary(struct btz_slice t, size_t at)
{
    return at == 0 || !(btz_is_alnum(t.ptr[at - 1]) || t.ptr[at - 1] == '_');
}

#endif
