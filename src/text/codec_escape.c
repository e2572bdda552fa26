/* Escapes inside ordinary text: percent, character references, \u and quoted-printable. */
#include "text/codecs.h"

/* ---- RFC 3986 ---- */

static bool is_unreserved(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

enum btz_err btz_url_write(struct btz_slice in, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        if (is_unreserved(in.ptr[i]))
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i]));
        else
            BTZ_TRY(btz_buf_printf(out, "%%%02X", in.ptr[i]));
    }
    return BTZ_OK;
}

enum btz_err btz_url_read(struct btz_slice in, struct btz_buf *out)
{
    size_t escapes = 0;

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];

        if (c == '%' && i + 2 < in.len && btz_hex_value(in.ptr[i + 1]) >= 0 &&
            btz_hex_value(in.ptr[i + 2]) >= 0) {
            c = (uint8_t)(btz_hex_value(in.ptr[i + 1]) << 4 | btz_hex_value(in.ptr[i + 2]));
            i += 2;
            escapes++;
        } else if (c == '+') {
            c = ' ';
        }
        BTZ_TRY(btz_buf_add_byte(out, c));
    }
    if (escapes == 0)
        return btz_fail(BTZ_INPUT, "url: no %%XX in the text");
    return BTZ_OK;
}

/* ---- HTML character references ---- */

/* The names attackers use to spell markup; from the named character references of the HTML standard. */
static const struct {
    const char *name;
    uint32_t c;
} names[] = {
    { "amp", '&' },    { "apos", '\'' },     { "ast", '*' },       { "bsol", '\\' },
    { "colon", ':' },  { "comma", ',' },     { "commat", '@' },    { "copy", 0xA9 },
    { "dollar", '$' }, { "equals", '=' },    { "excl", '!' },      { "grave", '`' },
    { "gt", '>' },     { "hellip", 0x2026 }, { "hyphen", 0x2010 }, { "lbrace", '{' },
    { "lbrack", '[' }, { "ldquo", 0x201C },  { "lowbar", '_' },    { "lpar", '(' },
    { "lsqb", '[' },   { "lsquo", 0x2018 },  { "lt", '<' },        { "mdash", 0x2014 },
    { "nbsp", 0xA0 },  { "ndash", 0x2013 },  { "NewLine", '\n' },  { "num", '#' },
    { "percnt", '%' }, { "period", '.' },    { "plus", '+' },      { "quest", '?' },
    { "quot", '"' },   { "rbrace", '}' },    { "rbrack", ']' },    { "rdquo", 0x201D },
    { "rpar", ')' },   { "rsqb", ']' },      { "rsquo", 0x2019 },  { "semi", ';' },
    { "shy", 0xAD },   { "sol", '/' },       { "Tab", '\t' },      { "verbar", '|' },
    { "zwj", 0x200D }, { "zwnj", 0x200C },
};

enum btz_err btz_html_write(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c))
        BTZ_TRY(btz_buf_printf(out, "&#%u;", c));
    return BTZ_OK;
}

/* The reference at the front of `in` (which begins with "&"): its length, 0 when there is none. */
static size_t reference(struct btz_slice in, uint32_t *c)
{
    uint32_t value = 0;
    size_t at = 2, digits = 0;
    bool hex;

    if (in.len >= 3 && in.ptr[1] == '#') {
        hex = (in.ptr[2] | 0x20) == 'x';
        for (at += hex; at < in.len && digits < 8; at++, digits++) {
            int d = btz_hex_value(in.ptr[at]);

            if (d < 0 || (!hex && d > 9))
                break;
            value = value * (hex ? 16 : 10) + (uint32_t)d;
        }
        if (digits == 0)
            return 0;
        *c = value == 0 ? 0xFFFD : value;
        return at + (at < in.len && in.ptr[at] == ';');
    }
    for (size_t i = 0; i < BTZ_COUNT(names); i++) {
        size_t n = strlen(names[i].name);

        if (in.len > n + 1 && memcmp(in.ptr + 1, names[i].name, n) == 0 && in.ptr[n + 1] == ';') {
            *c = names[i].c;
            return n + 2;
        }
    }
    return 0;
}

enum btz_err btz_html_read(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0, found = 0;

    while (at < in.len) {
        uint32_t c;
        size_t n = in.ptr[at] == '&' ? reference(btz_slice_sub(in, at, 16), &c) : 0;

        if (n == 0) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[at++]));
            continue;
        }
        BTZ_TRY(btz_buf_add_utf8(out, c));
        at += n;
        found++;
    }
    if (found == 0)
        return btz_fail(BTZ_INPUT, "html: no character reference in the text");
    return BTZ_OK;
}

/* ---- \u0041 ---- */

enum btz_err btz_escape_write(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c)) {
        if (c > 0xFFFF)
            BTZ_TRY(btz_buf_printf(out, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
                                   0xDC00 + ((c - 0x10000) & 0x3FF)));
        else
            BTZ_TRY(btz_buf_printf(out, "\\u%04x", c));
    }
    return BTZ_OK;
}

static size_t digits_of(struct btz_slice in, size_t from, size_t least, size_t most, uint32_t *c)
{
    size_t n = 0;

    *c = 0;
    for (; n < most && from + n < in.len && btz_hex_value(in.ptr[from + n]) >= 0; n++)
        *c = *c << 4 | (uint32_t)btz_hex_value(in.ptr[from + n]);
    return n >= least ? n : 0;
}

/* One escape at the front of `in`, which begins with a backslash: its length, 0 when there is none. */
static size_t escape(struct btz_slice in, uint32_t *c)
{
    uint8_t kind = in.len > 1 ? in.ptr[1] : 0;
    size_t n;

    if (kind == 'x')
        return digits_of(in, 2, 2, 2, c) ? 4 : 0;
    if (kind == 'U')
        return digits_of(in, 2, 8, 8, c) ? 10 : 0;
    if (kind != 'u')
        return 0;
    if (in.len > 2 && in.ptr[2] == '{') {
        n = digits_of(in, 3, 1, 6, c);
        return n && 3 + n < in.len && in.ptr[3 + n] == '}' ? n + 4 : 0;
    }
    return digits_of(in, 2, 4, 4, c) ? 6 : 0;
}

enum btz_err btz_escape_read(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0, found = 0;

    while (at < in.len) {
        uint32_t c, low;
        size_t n = in.ptr[at] == '\\' ? escape(btz_slice_sub(in, at, 12), &c) : 0;

        if (n == 0) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[at++]));
            continue;
        }
        at += n;
        found++;
        if (c >= 0xD800 && c <= 0xDBFF && at < in.len && in.ptr[at] == '\\' &&
            escape(btz_slice_sub(in, at, 12), &low) == 6 && low >= 0xDC00 && low <= 0xDFFF) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        /* \xC3\xA9 spells bytes. */
        if (n == 4)
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)c));
        else
            BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    if (found == 0)
        return btz_fail(BTZ_INPUT, "unicode-escape: no escape in the text");
    return BTZ_OK;
}

/* ---- quoted-printable ---- */

enum btz_err btz_quoted_write(struct btz_slice in, struct btz_buf *out)
{
    size_t column = 0;

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];
        bool ends = i + 1 == in.len || in.ptr[i + 1] == '\n' || in.ptr[i + 1] == '\r';
        bool plain = (c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !ends);

        if (c == '\n') {
            BTZ_TRY(btz_buf_add_byte(out, c));
            column = 0;
            continue;
        }
        if (column + (plain ? 1 : 3) > 75) {
            BTZ_TRY(btz_buf_add_str(out, "=\n"));
            column = 0;
        }
        if (plain)
            BTZ_TRY(btz_buf_add_byte(out, c));
        else
            BTZ_TRY(btz_buf_printf(out, "=%02X", c));
        column += plain ? 1 : 3;
    }
    return BTZ_OK;
}

enum btz_err btz_quoted_read(struct btz_slice in, struct btz_buf *out)
{
    size_t found = 0;

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];
        uint8_t a = i + 1 < in.len ? in.ptr[i + 1] : 0, b = i + 2 < in.len ? in.ptr[i + 2] : 0;

        if (c != '=') {
            BTZ_TRY(btz_buf_add_byte(out, c));
            continue;
        }
        found++;
        if (a == '\n') {
            i++;
        } else if (a == '\r' && b == '\n') {
            i += 2;
        } else if (btz_hex_value(a) >= 0 && btz_hex_value(b) >= 0) {
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(btz_hex_value(a) << 4 | btz_hex_value(b))));
            i += 2;
        } else {
            return btz_fail(BTZ_INPUT, "quoted-printable: \"=\" without two digits at byte %zu", i);
        }
    }
    if (found == 0)
        return btz_fail(BTZ_INPUT, "quoted-printable: no \"=\" in the text");
    return BTZ_OK;
}
