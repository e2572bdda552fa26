#include "base/base.h"

/* Unicode 15 table 3-7: first byte decides the length and the range of the second. */
bool btz_utf8_next(struct btz_slice s, size_t *at, uint32_t *code_point)
{
    const uint8_t *p;
    size_t left, need;
    uint8_t low = 0x80, high = 0xBF;
    uint32_t c;

    if (*at >= s.len)
        return false;
    p = s.ptr + *at;
    left = s.len - *at;
    if (p[0] < 0x80) {
        *code_point = p[0];
        *at += 1;
        return true;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        need = 1;
        c = p[0] & 0x1F;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        need = 2;
        c = p[0] & 0x0F;
        if (p[0] == 0xE0)
            low = 0xA0;
        if (p[0] == 0xED)
            high = 0x9F;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        need = 3;
        c = p[0] & 0x07;
        if (p[0] == 0xF0)
            low = 0x90;
        if (p[0] == 0xF4)
            high = 0x8F;
    } else {
        *code_point = 0xFFFD;
        *at += 1;
        return true;
    }
    for (size_t i = 1; i <= need; i++) {
        if (i >= left || p[i] < low || p[i] > high) {
            *code_point = 0xFFFD;
            *at += i;
            return true;
        }
        c = c << 6 | (p[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *code_point = c;
    *at += need + 1;
    return true;
}

bool btz_is_utf8(struct btz_slice s)
{
    size_t at = 0, before;
    uint64_t eight;
    uint32_t c;

    for (;;) {
        /* Most text is ASCII: eight bytes at a time. */
        for (; s.len - at >= sizeof eight; at += sizeof eight) {
            memcpy(&eight, s.ptr + at, sizeof eight);
            if (eight & 0x8080808080808080u)
                break;
        }
        before = at;
        if (!btz_utf8_next(s, &at, &c))
            return true;
        if (c == 0xFFFD && (at - before != 3 || s.ptr[before] != 0xEF))
            return false;
    }
}

enum btz_err btz_utf8_clean(struct btz_slice s, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(s, &at, &c))
        BTZ_TRY(btz_buf_add_utf8(out, c == 0 ? 0xFFFD : c));
    return BTZ_OK;
}

/* Characters that a terminal or a reader would not show as what they are. */
static bool is_invisible(uint32_t c)
{
    return c == 0xAD || c == 0x34F || c == 0x61C || c == 0x115F || c == 0x1160 ||
           (c >= 0x17B4 && c <= 0x17B5) || (c >= 0x180B && c <= 0x180F) || c == 0x3164 ||
           c == 0xFFA0 || (c >= 0x1D173 && c <= 0x1D17A) || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
           (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFB) ||
           (c >= 0xE0000 && c <= 0xE0FFF);
}

enum btz_err btz_utf8_printable(struct btz_slice s, bool keep_newlines, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(s, &at, &c)) {
        if (c == '\n' && keep_newlines)
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
        else if (c == '\n')
            BTZ_TRY(btz_buf_add_str(out, "\\n"));
        else if (c == '\t')
            BTZ_TRY(btz_buf_add_str(out, keep_newlines ? "    " : "\\t"));
        else if (c < 0x20 || (c >= 0x7F && c < 0xA0))
            BTZ_TRY(btz_buf_printf(out, "\\x%02x", c));
        else if (is_invisible(c))
            BTZ_TRY(btz_buf_printf(out, c > 0xFFFF ? "\\U%08x" : "\\u%04x", c));
        else
            BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    return BTZ_OK;
}
