/* Base-N encodings of bytes. Sources: RFC 4648; Ascii85 as in Python's base64.a85encode; uuencode of POSIX. */
#include "text/codecs.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

/* ---- RFC 4648 with 2^bits letters ---- */

struct alphabet {
    const char *name, *letters;
    unsigned bits, group; /* group: letters that are padded to */
    bool any_case;
};
static const struct alphabet base64 = {
    "base64", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4, false
};
static const struct alphabet base32 = { "base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8, true };
static const struct alphabet base32hex = { "base32hex", "0123456789ABCDEFGHIJKLMNOPQRSTUV", 5, 8,
                                           true };

static enum btz_err write_base(const struct alphabet *a, struct btz_slice in, struct btz_buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0, letters = 0;

    for (size_t i = 0; i < in.len; i++) {
        bits = bits << 8 | in.ptr[i];
        for (held += 8; held >= a->bits; letters++) {
            held -= a->bits;
            BTZ_TRY(
                btz_buf_add_byte(out, (uint8_t)a->letters[bits >> held & ((1u << a->bits) - 1)]));
        }
        bits &= (1u << held) - 1;
    }
    if (held > 0) {
        letters++;
        BTZ_TRY(btz_buf_add_byte(
            out, (uint8_t)a->letters[bits << (a->bits - held) & ((1u << a->bits) - 1)]));
    }
    for (; letters % a->group != 0; letters++)
        BTZ_TRY(btz_buf_add_byte(out, '='));
    return BTZ_OK;
}

static int letter_value(const struct alphabet *a, uint8_t c)
{
    const char *at;

    if (a->any_case && c >= 'a' && c <= 'z')
        c = (uint8_t)(c - 32);
    if (a->bits == 6 && (c == '-' || c == '_'))
        c = c == '-' ? '+' : '/';
    at = c ? strchr(a->letters, c) : NULL;
    return at ? (int)(at - a->letters) : -1;
}

static enum btz_err read_base(const struct alphabet *a, struct btz_slice in, struct btz_buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t letters = 0, padding = 0;

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];
        int value;

        if (is_blank(c))
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        value = letter_value(a, c);
        if (value < 0 || padding > 0)
            return btz_fail(BTZ_INPUT, "%s: unexpected byte 0x%02x at %zu", a->name, c, i);
        letters++;
        bits = bits << a->bits | (uint32_t)value;
        held += a->bits;
        if (held >= 8) {
            held -= 8;
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(bits >> held)));
            bits &= (1u << held) - 1;
        }
    }
    /* What is left over is less than a letter, or the last letter was cut off. */
    if (letters == 0 || held >= a->bits || padding >= a->group ||
        (padding > 0 && (letters + padding) % a->group != 0))
        return btz_fail(BTZ_INPUT, "%s: %zu letters and %zu of padding do not end a text", a->name,
                        letters, padding);
    return BTZ_OK;
}

enum btz_err btz_base64_write(struct btz_slice in, struct btz_buf *out)
{
    return write_base(&base64, in, out);
}

enum btz_err btz_base64_read(struct btz_slice in, struct btz_buf *out)
{
    return read_base(&base64, in, out);
}

enum btz_err btz_base32_write(struct btz_slice in, struct btz_buf *out)
{
    return write_base(&base32, in, out);
}

enum btz_err btz_base32_read(struct btz_slice in, struct btz_buf *out)
{
    return read_base(&base32, in, out);
}

enum btz_err btz_base32hex_write(struct btz_slice in, struct btz_buf *out)
{
    return write_base(&base32hex, in, out);
}

enum btz_err btz_base32hex_read(struct btz_slice in, struct btz_buf *out)
{
    return read_base(&base32hex, in, out);
}

/* ---- hex ---- */

enum btz_err btz_hex_write(struct btz_slice in, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t) "0123456789ABCDEF"[in.ptr[i] >> 4]));
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t) "0123456789ABCDEF"[in.ptr[i] & 15]));
    }
    return BTZ_OK;
}

enum btz_err btz_hex_read(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0, bytes = 0;

    while (at < in.len) {
        uint8_t c = in.ptr[at], next = at + 1 < in.len ? in.ptr[at + 1] : 0;

        if (is_blank(c) || c == ':' || c == '-' || c == ',') {
            at++;
        } else if ((c == '0' || c == '\\') && (next | 0x20) == 'x') {
            at += 2;
        } else if (btz_hex_value(c) >= 0 && btz_hex_value(next) >= 0) {
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(btz_hex_value(c) << 4 | btz_hex_value(next))));
            bytes++;
            at += 2;
        } else {
            return btz_fail(BTZ_INPUT, "hex: expected two digits at byte %zu", at);
        }
    }
    if (bytes == 0)
        return btz_fail(BTZ_INPUT, "hex: no digits");
    return BTZ_OK;
}

/* ---- Ascii85 ---- */

enum btz_err btz_ascii85_write(struct btz_slice in, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i += 4) {
        size_t have = in.len - i < 4 ? in.len - i : 4;
        uint32_t word = 0;
        uint8_t letters[5];

        for (size_t k = 0; k < 4; k++)
            word = word << 8 | (k < have ? in.ptr[i + k] : 0u);
        if (word == 0 && have == 4) {
            BTZ_TRY(btz_buf_add_byte(out, 'z'));
            continue;
        }
        for (int k = 4; k >= 0; k--) {
            letters[k] = (uint8_t)('!' + word % 85);
            word /= 85;
        }
        BTZ_TRY(btz_buf_add(out, letters, have + 1));
    }
    return BTZ_OK;
}

static enum btz_err ascii85_group(uint64_t word, unsigned have, struct btz_buf *out)
{
    if (have == 1)
        return btz_fail(BTZ_INPUT, "ascii85: one letter alone at the end");
    for (unsigned k = have; k < 5; k++)
        word = word * 85 + 84;
    if (word > UINT32_MAX)
        return btz_fail(BTZ_INPUT, "ascii85: a group is larger than 32 bits");
    for (unsigned k = 0; k + 1 < have; k++)
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(word >> (24 - 8 * k))));
    return BTZ_OK;
}

enum btz_err btz_ascii85_read(struct btz_slice in, struct btz_buf *out)
{
    uint64_t word = 0;
    unsigned have = 0;
    bool any = false;

    in = btz_slice_trim(in);
    if (btz_slice_has_prefix(in, btz_str("<~")) && in.len >= 4 && in.ptr[in.len - 2] == '~' &&
        in.ptr[in.len - 1] == '>')
        in = btz_slice_sub(in, 2, in.len - 4);
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];

        if (is_blank(c))
            continue;
        any = true;
        if (c == 'z' && have == 0) {
            BTZ_TRY(btz_buf_add(out, "\0\0\0\0", 4));
            continue;
        }
        if (c < '!' || c > 'u')
            return btz_fail(BTZ_INPUT, "ascii85: unexpected byte 0x%02x at %zu", c, i);
        word = word * 85 + (c - (uint64_t)'!');
        if (++have == 5) {
            BTZ_TRY(ascii85_group(word, 5, out));
            word = have = 0;
        }
    }
    if (!any)
        return btz_fail(BTZ_INPUT, "ascii85: empty");
    return have > 0 ? ascii85_group(word, have, out) : BTZ_OK;
}

/* ---- uuencode ---- */

static uint8_t uu_letter(unsigned six_bits)
{
    return six_bits ? (uint8_t)(' ' + six_bits) : '`';
}

enum btz_err btz_uu_write(struct btz_slice in, struct btz_buf *out)
{
    for (size_t line = 0; line < in.len; line += 45) {
        size_t n = in.len - line < 45 ? in.len - line : 45;

        BTZ_TRY(btz_buf_add_byte(out, uu_letter((unsigned)n)));
        for (size_t i = 0; i < n; i += 3) {
            uint32_t word = 0;

            for (size_t k = 0; k < 3; k++)
                word = word << 8 | (i + k < n ? in.ptr[line + i + k] : 0u);
            for (int shift = 18; shift >= 0; shift -= 6)
                BTZ_TRY(btz_buf_add_byte(out, uu_letter(word >> shift & 63)));
        }
        if (line + n < in.len)
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

static enum btz_err uu_line(struct btz_slice line, struct btz_buf *out)
{
    size_t n = (line.ptr[0] - (size_t)' ') & 63, groups = (n + 2) / 3;

    if (line.ptr[0] < ' ' || line.ptr[0] > '`' || line.len < 1 + (n * 8 + 5) / 6 ||
        line.len > 2 + groups * 4)
        return btz_fail(BTZ_INPUT, "uu: a line of %zu bytes says it holds %zu", line.len, n);
    for (size_t i = 0; i < n; i++) {
        size_t at = 1 + i / 3 * 4 + i % 3;
        unsigned high = (line.ptr[at] - (unsigned)' ') & 63;
        unsigned low = (line.ptr[at + 1] - (unsigned)' ') & 63, by = 2 * (unsigned)(i % 3 + 1);

        if (line.ptr[at] < ' ' || line.ptr[at] > '`' || line.ptr[at + 1] < ' ' ||
            line.ptr[at + 1] > '`')
            return btz_fail(BTZ_INPUT, "uu: a byte outside the alphabet");
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(high << by | low >> (6 - by))));
    }
    return BTZ_OK;
}

enum btz_err btz_uu_read(struct btz_slice in, struct btz_buf *out)
{
    struct btz_reader r = { .in = in, .what = "uu" };
    struct btz_slice line;
    size_t lines = 0;

    while (btz_read_line(&r, &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (btz_slice_has_prefix(line, btz_str("begin ")) || btz_slice_is(line, "`") ||
            line.len == 0)
            continue;
        if (btz_slice_is(line, "end"))
            break;
        BTZ_TRY(uu_line(line, out));
        lines++;
    }
    if (lines == 0)
        return btz_fail(BTZ_INPUT, "uu: no lines");
    return BTZ_OK;
}
