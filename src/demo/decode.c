/* Codes that stand inside a text: a run of them is replaced by what it says. */
#include "demo/understand.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether decoded bytes look like something a person wrote. */
static bool looks_written(struct btz_slice s)
{
    size_t letters = 0, at = 0, points = 0;
    uint32_t c;

    while (btz_utf8_next(s, &at, &c)) {
        if (c == 0xFFFD || (c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7F)
            return false;
        points++;
        letters += (c < 0x80 && (is_alnum((uint8_t)c) || c == ' ')) || c > 0xBF;
    }
    return points >= 3 && letters * 10 >= points * 7;
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static int base32_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* Digits of `bits` bits each, in one run; line breaks inside long runs belong to it. */
struct radix {
    int (*value)(uint8_t);
    unsigned bits;
    size_t min_run, min_run_told;
};

static size_t radix_run(const struct radix *x, struct btz_slice in, size_t from)
{
    size_t end = from, line = from;

    while (end < in.len) {
        if (x->value(in.ptr[end]) >= 0) {
            end++;
        } else if (in.ptr[end] == '\n' && end - line >= 56 && end + 1 < in.len &&
                   x->value(in.ptr[end + 1]) >= 0) {
            line = ++end;
        } else {
            break;
        }
    }
    return end;
}

static enum btz_err radix_decode(const struct radix *x, struct btz_slice run, struct btz_buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < run.len; i++) {
        int v = x->value(run.ptr[i]);

        if (v < 0)
            continue;
        bits = bits << x->bits | (uint32_t)v;
        held += x->bits;
        if (held >= 8) {
            held -= 8;
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(bits >> held)));
            bits &= (1u << held) - 1;
        }
    }
    return BTZ_OK;
}

static enum btz_err read_radix(const struct radix *x, struct btz_slice in, bool told,
                               struct btz_buf *out, bool *changed)
{
    size_t min = told ? x->min_run_told : x->min_run;

    for (size_t i = 0; i < in.len;) {
        size_t end = radix_run(x, in, i), start = out->len;

        if (end == i) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
            continue;
        }
        if (end - i >= min) {
            BTZ_TRY(radix_decode(x, btz_slice_sub(in, i, end - i), out));
            if (looks_written(btz_slice_of(out->ptr + start, out->len - start))) {
                *changed = true;
                i = end;
                while (i < in.len && in.ptr[i] == '=')
                    i++;
                continue;
            }
            out->len = start;
        }
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(in, i, end - i)));
        i = end;
    }
    return BTZ_OK;
}

static enum btz_err read_base64(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    static const struct radix x = { base64_value, 6, 12, 6 };

    return read_radix(&x, in, told, out, changed);
}

static enum btz_err read_base32(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    static const struct radix x = { base32_value, 5, 16, 8 };

    return read_radix(&x, in, told, out, changed);
}

/* One byte in hex at `at`, with the prefix that may stand before it; 0 when there is none, else its length. */
static size_t hex_byte(struct btz_slice in, size_t at, uint8_t *byte)
{
    size_t i = at;

    if (i + 1 < in.len && (in.ptr[i] == '\\' || in.ptr[i] == '0') && (in.ptr[i + 1] | 32) == 'x')
        i += 2;
    if (i + 1 >= in.len || hex_value(in.ptr[i]) < 0 || hex_value(in.ptr[i + 1]) < 0)
        return 0;
    *byte = (uint8_t)(hex_value(in.ptr[i]) << 4 | hex_value(in.ptr[i + 1]));
    return i + 2 - at;
}

static enum btz_err read_hex(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    size_t min = told ? 3 : 6;

    for (size_t i = 0; i < in.len;) {
        size_t start = out->len, at = i, end = i, n;
        uint8_t byte;
        bool fresh = i == 0 || !is_alnum(in.ptr[i - 1]);
        bool marked = i + 1 < in.len && in.ptr[i] == '0' && (in.ptr[i + 1] | 32) == 'x';

        while (fresh && (n = hex_byte(in, at, &byte)) > 0) {
            BTZ_TRY(btz_buf_add_byte(out, byte));
            end = at += n;
            if (at < in.len && memchr(" :,\n", in.ptr[at], 4))
                at++;
        }
        if (out->len - start >= (marked ? 3 : min) && (end == in.len || !is_alnum(in.ptr[end])) &&
            looks_written(btz_slice_of(out->ptr + start, out->len - start))) {
            *changed = true;
            i = end;
            continue;
        }
        out->len = start;
        BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
    }
    return BTZ_OK;
}

/* Numbers of a base that are character codes, at least `min` in a row. */
static enum btz_err read_codes(struct btz_slice in, unsigned base, size_t digits_min,
                               size_t digits_max, size_t min, struct btz_buf *out, bool *changed)
{
    for (size_t i = 0; i < in.len;) {
        size_t start = out->len, at = i, end = i, count = 0;
        bool fresh = i == 0 || !is_alnum(in.ptr[i - 1]);

        while (fresh && at < in.len) {
            unsigned value = 0;
            size_t n = 0;

            while (at + n < in.len && n < digits_max && in.ptr[at + n] >= '0' &&
                   in.ptr[at + n] < '0' + base)
                value = value * base + (unsigned)(in.ptr[at + n++] - '0');
            if (n < digits_min || (value < 32 && value != 10 && value != 9) || value > 126)
                break;
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)value));
            count++;
            end = at += n;
            while (at < in.len && at - end < 2 && memchr(" ,;\n", in.ptr[at], 4))
                at++;
        }
        if (count >= min && (end == in.len || !is_alnum(in.ptr[end])) &&
            looks_written(btz_slice_of(out->ptr + start, out->len - start))) {
            *changed = true;
            i = end;
            continue;
        }
        out->len = start;
        BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
    }
    return BTZ_OK;
}

static enum btz_err read_binary(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    return read_codes(in, 2, 7, 8, told ? 2 : 4, out, changed);
}

static enum btz_err read_decimal(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    return read_codes(in, 10, 2, 3, told ? 4 : 6, out, changed);
}

static enum btz_err read_octal(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    return read_codes(in, 8, 2, 3, told ? 4 : 6, out, changed);
}

/* %XX and =XX. */
static enum btz_err read_escaped_bytes(struct btz_slice in, uint8_t sign, size_t min,
                                       struct btz_buf *out, bool *changed)
{
    size_t count = 0;

    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] == sign && i + 2 < in.len && hex_value(in.ptr[i + 1]) >= 0 &&
            hex_value(in.ptr[i + 2]) >= 0) {
            BTZ_TRY(btz_buf_add_byte(
                out, (uint8_t)(hex_value(in.ptr[i + 1]) << 4 | hex_value(in.ptr[i + 2]))));
            count++;
            i += 2;
        } else if (sign == '=' && in.ptr[i] == '=' && i + 1 < in.len && in.ptr[i + 1] == '\n') {
            i++;
        } else if (sign == '%' && in.ptr[i] == '+' && count > 0) {
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        } else {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i]));
        }
    }
    *changed = count >= min;
    return BTZ_OK;
}

static enum btz_err read_url(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    (void)told;
    return read_escaped_bytes(in, '%', 2, out, changed);
}

static enum btz_err read_quoted_printable(struct btz_slice in, bool told, struct btz_buf *out,
                                          bool *changed)
{
    return read_escaped_bytes(in, '=', told ? 1 : 3, out, changed);
}

/* A number written in `base` digits from `at`; moves *at past it. */
static bool take_number(struct btz_slice in, size_t *at, unsigned base, size_t max, uint32_t *out)
{
    size_t n = 0;
    uint32_t value = 0;

    while (n < max && *at < in.len) {
        int v = hex_value(in.ptr[*at]);

        if (v < 0 || (unsigned)v >= base)
            break;
        value = value * base + (uint32_t)v;
        n++;
        (*at)++;
    }
    *out = value;
    return n > 0;
}

static bool take_entity(struct btz_slice in, size_t *at, uint32_t *c)
{
    static const struct {
        const char *name;
        uint32_t c;
    } names[] = { { "&lt;", '<' },    { "&gt;", '>' },     { "&amp;", '&' },  { "&quot;", '"' },
                  { "&apos;", '\'' }, { "&nbsp;", ' ' },   { "&lpar;", '(' }, { "&rpar;", ')' },
                  { "&comma;", ',' }, { "&period;", '.' }, { "&colon;", ':' } };
    struct btz_slice rest = btz_slice_sub(in, *at, SIZE_MAX);
    size_t i = *at + 2;
    bool hex;

    for (size_t k = 0; k < BTZ_COUNT(names); k++) {
        if (btz_slice_has_prefix(rest, btz_str(names[k].name))) {
            *at += strlen(names[k].name);
            *c = names[k].c;
            return true;
        }
    }
    if (rest.len < 3 || rest.ptr[1] != '#')
        return false;
    hex = (in.ptr[i] | 32) == 'x';
    i += hex;
    if (!take_number(in, &i, hex ? 16 : 10, 7, c))
        return false;
    *at = i + (i < in.len && in.ptr[i] == ';');
    return true;
}

static bool take_escape(struct btz_slice in, size_t *at, uint32_t *c)
{
    size_t i = *at + 2, digits;
    bool braces;

    if (i >= in.len)
        return false;
    if (in.ptr[*at + 1] == 'u' || in.ptr[*at + 1] == 'U')
        digits = in.ptr[*at + 1] == 'u' ? 4 : 8;
    else if (in.ptr[*at + 1] == 'x')
        digits = 2;
    else
        return false;
    braces = in.ptr[i] == '{';
    i += braces;
    if (!take_number(in, &i, 16, braces ? 6 : digits, c))
        return false;
    *at = i + (braces && i < in.len && in.ptr[i] == '}');
    return true;
}

static enum btz_err read_taken(struct btz_slice in, uint8_t sign,
                               bool (*take)(struct btz_slice, size_t *, uint32_t *), size_t min,
                               struct btz_buf *out, bool *changed)
{
    size_t count = 0;

    for (size_t i = 0; i < in.len;) {
        uint32_t c;

        if (in.ptr[i] == sign && take(in, &i, &c)) {
            BTZ_TRY(btz_buf_add_utf8(out, c ? c : 0xFFFD));
            count++;
        } else {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
        }
    }
    *changed = count >= min;
    return BTZ_OK;
}

static enum btz_err read_html(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    return read_taken(in, '&', take_entity, told ? 1 : 2, out, changed);
}

static enum btz_err read_escapes(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    return read_taken(in, '\\', take_escape, told ? 2 : 4, out, changed);
}

/* ITU-R M.1677-1. */
static const char *const morse[] = { ".-",    "-...",  "-.-.",  "-..",   ".",     "..-.",
                                     "--.",   "....",  "..",    ".---",  "-.-",   ".-..",
                                     "--",    "-.",    "---",   ".--.",  "--.-",  ".-.",
                                     "...",   "-",     "..-",   "...-",  ".--",   "-..-",
                                     "-.--",  "--..",  "-----", ".----", "..---", "...--",
                                     "....-", ".....", "-....", "--...", "---..", "----." };
static const struct {
    const char *sign;
    char c;
} morse_signs[] = { { ".-.-.-", '.' }, { "--..--", ',' },  { "..--..", '?' }, { "-.-.--", '!' },
                    { "---...", ':' }, { ".----.", '\'' }, { "-....-", '-' }, { "-..-.", '/' },
                    { ".-..-.", '"' }, { "-.--.", '(' },   { "-.--.-", ')' }, { "-...-", '=' },
                    { ".-.-.", '+' },  { "..--.-", '_' },  { ".--.-.", '@' }, { "-.-.-.", ';' } };

static char morse_letter(struct btz_slice sign)
{
    for (size_t i = 0; i < BTZ_COUNT(morse); i++)
        if (btz_slice_is(sign, morse[i]))
            return (char)(i < 26 ? 'a' + i : '0' + (i - 26));
    for (size_t i = 0; i < BTZ_COUNT(morse_signs); i++)
        if (btz_slice_is(sign, morse_signs[i].sign))
            return morse_signs[i].c;
    return 0;
}

static enum btz_err read_morse(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    for (size_t i = 0; i < in.len;) {
        size_t start = out->len, end = i, at = i, letters = 0;
        bool fresh = i == 0 || memchr(" \n:\"'`", in.ptr[i - 1], 6);

        while (fresh && at < in.len) {
            size_t n = 0, gap = 0;
            bool slash = false;
            char c;

            while (at + n < in.len && (in.ptr[at + n] == '.' || in.ptr[at + n] == '-'))
                n++;
            c = n > 0 && n <= 7 ? morse_letter(btz_slice_sub(in, at, n)) : 0;
            if (!c)
                break;
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)c));
            letters++;
            end = at += n;
            while (at + gap < in.len && memchr(" /|\n", in.ptr[at + gap], 4)) {
                slash = slash || in.ptr[at + gap] == '/' || in.ptr[at + gap] == '|';
                gap++;
            }
            if (gap == 0)
                break;
            if (slash || gap >= 2)
                BTZ_TRY(btz_buf_add_byte(out, ' '));
            at += gap;
        }
        if (letters >= (told ? 3u : 6u)) {
            *changed = true;
            i = end;
            continue;
        }
        out->len = start;
        BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
    }
    return BTZ_OK;
}

static const char nato[] =
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar "
    "papa "
    "quebec romeo sierra tango uniform victor whiskey xray yankee zulu alpha juliet x-ray whisky ";

/* The letter a word of the spelling alphabet stands for. */
static char nato_letter(struct btz_slice word)
{
    char lower[12];

    if (word.len < 4 || word.len >= sizeof lower - 1)
        return 0;
    for (size_t i = 0; i < word.len; i++)
        lower[i] = (char)(word.ptr[i] | 32);
    lower[word.len] = ' ';
    lower[word.len + 1] = '\0';
    for (const char *at = strstr(nato, lower); at; at = strstr(at + 1, lower))
        if (at == nato || at[-1] == ' ')
            return at[0];
    return 0;
}

static enum btz_err read_nato(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    for (size_t i = 0; i < in.len;) {
        size_t start = out->len, end = i, at = i, letters = 0;
        bool fresh = i == 0 || !is_alnum(in.ptr[i - 1]);

        while (fresh && at < in.len) {
            size_t n = 0, gap = 0;
            char c;

            while (at + n < in.len && (is_alnum(in.ptr[at + n]) || in.ptr[at + n] == '-'))
                n++;
            c = nato_letter(btz_slice_sub(in, at, n));
            if (!c)
                break;
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)c));
            letters++;
            end = at += n;
            while (at + gap < in.len && memchr(" ,/|\n.-_", in.ptr[at + gap], 8))
                gap++;
            /* One sign between letters, more between words. */
            if (gap > 2 || (gap == 1 && memchr("/|\n", in.ptr[at], 3)) ||
                (gap == 2 && in.ptr[at] == ' '))
                BTZ_TRY(btz_buf_add_byte(out, ' '));
            at += gap;
        }
        if (letters >= (told ? 3u : 4u)) {
            *changed = true;
            i = end;
            continue;
        }
        out->len = start;
        BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
    }
    return BTZ_OK;
}

/* Unicode block U+2800, English braille, first grade. */
static enum btz_err read_braille(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    static const uint8_t dots[26] = { 0x01, 0x03, 0x09, 0x19, 0x11, 0x0B, 0x1B, 0x13, 0x0A,
                                      0x1A, 0x05, 0x07, 0x0D, 0x1D, 0x15, 0x0F, 0x1F, 0x17,
                                      0x0E, 0x1E, 0x25, 0x27, 0x3A, 0x2D, 0x3D, 0x35 };
    size_t at = 0;
    uint32_t c;

    (void)told;
    while (btz_utf8_next(in, &at, &c)) {
        if (c < 0x2800 || c > 0x28FF) {
            BTZ_TRY(btz_buf_add_utf8(out, c));
            continue;
        }
        for (size_t i = 0; i < 26; i++) {
            if (dots[i] == (c & 0xFF)) {
                BTZ_TRY(btz_buf_add_byte(out, (uint8_t)('a' + i)));
                *changed = true;
            }
        }
        if (c == 0x2800)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
    }
    return BTZ_OK;
}

/* "c o m b i n e", "c-o-m-b-i-n-e", "c.o.m": single characters with the same sign between them. */
static enum btz_err read_spaced(struct btz_slice in, bool told, struct btz_buf *out, bool *changed)
{
    for (size_t i = 0; i < in.len;) {
        size_t at = i, end = i, letters = 0, start = out->len;
        bool fresh = i == 0 || !is_alnum(in.ptr[i - 1]);
        uint8_t sign = i + 1 < in.len ? in.ptr[i + 1] : 0;
        uint8_t second = sign == ',' && i + 2 < in.len && in.ptr[i + 2] == ' ' ? ' ' : 0;
        size_t step = second ? 2 : 1;

        if (!fresh || !is_alnum(in.ptr[i]) || !memchr(" -._*|,/~+:", sign ? sign : 'x', 11)) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
            continue;
        }
        while (at < in.len && in.ptr[at] > ' ' && in.ptr[at] != sign &&
               (at + 1 == in.len || !is_alnum(in.ptr[at + 1]) || in.ptr[at + 1] == sign)) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[at]));
            letters += is_alnum(in.ptr[at]) && in.ptr[at] > '9';
            end = ++at;
            if (at >= in.len || in.ptr[at] != sign)
                break;
            at += step;
            if (at < in.len && (in.ptr[at] == sign || in.ptr[at] <= ' ')) {
                while (at < in.len && (in.ptr[at] == sign || in.ptr[at] <= ' '))
                    at++;
                BTZ_TRY(btz_buf_add_byte(out, ' '));
            }
        }
        if (letters >= (told ? 3u : 4u)) {
            *changed = true;
            i = end;
            continue;
        }
        out->len = start;
        BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
    }
    return BTZ_OK;
}

const struct btz_demo_code btz_demo_codes[] = {
    { "base64", read_base64 },
    { "hex", read_hex },
    { "binary", read_binary },
    { "decimal", read_decimal },
    { "octal", read_octal },
    { "url", read_url },
    { "html", read_html },
    { "escapes", read_escapes },
    { "morse", read_morse },
    { "base32", read_base32 },
    { "nato", read_nato },
    { "braille", read_braille },
    { "quoted-printable", read_quoted_printable },
    { "spaced", read_spaced },
};
const size_t btz_demo_code_count = BTZ_COUNT(btz_demo_codes);
