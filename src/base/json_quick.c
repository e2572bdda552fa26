#include "base/json_quick.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define WRITE_DEPTH_MAX 256

struct quick {
    const uint8_t *p, *end;
    char *scratch; /* decoded strings: never longer than the text */
    size_t scratch_size, depth, depth_max;
};

static json_t *read_value(struct quick *q);

static void skip_blanks(struct quick *q)
{
    while (q->p < q->end && (*q->p == ' ' || *q->p == '\n' || *q->p == '\t' || *q->p == '\r'))
        q->p++;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits at q->p. Negative: none. */
static int32_t read_unit(struct quick *q)
{
    int32_t unit = 0;

    if (q->end - q->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(q->p[i]);

        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    q->p += 4;
    return unit;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* Behind "\u". Zero: not taken: no digits, NUL, or half a pair. */
static uint32_t read_escape(struct quick *q)
{
    int32_t high = read_unit(q), low;

    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff))
        return 0;
    if (high < 0xd800 || high > 0xdfff)
        return (uint32_t)high;
    if (q->end - q->p < 6 || q->p[0] != '\\' || q->p[1] != 'u')
        return 0;
    q->p += 2;
    low = read_unit(q);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000u + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

static char simple_escape(uint8_t c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : 0;
}

/* A string with escapes; `start` is behind its quote, q->p at the first backslash. */
static bool read_escaped(struct quick *q, const uint8_t *start, struct btz_slice *out)
{
    size_t len = (size_t)(q->p - start);

    if (!q->scratch) {
        q->scratch = malloc(q->scratch_size);
        if (!q->scratch)
            return false;
    }
    memcpy(q->scratch, start, len);
    while (q->p < q->end && *q->p != '"') {
        uint8_t c = *q->p++;
        uint32_t code;

        if (c < 32)
            return false;
        if (c != '\\') {
            q->scratch[len++] = (char)c;
            continue;
        }
        if (q->p == q->end)
            return false;
        c = *q->p++;
        code = c == 'u' ? read_escape(q) : (uint32_t)simple_escape(c);
        if (code == 0)
            return false;
        len += put_utf8(q->scratch + len, code);
    }
    if (q->p == q->end)
        return false;
    q->p++;
    *out = btz_slice_of(q->scratch, len);
    return true;
}

#define EACH(c) (UINT64_C(0x0101010101010101) * (c))

/* Is none of eight bytes a quote, a backslash or a control character? A byte is less than c where (b - c) borrows from its
 * high bit, and it had none. */
static bool is_plain(const uint8_t *p)
{
    uint64_t w, quote, backslash;

    memcpy(&w, p, 8);
    quote = w ^ EACH('"');
    backslash = w ^ EACH('\\');
    return ((((quote - EACH(1)) & ~quote) | ((backslash - EACH(1)) & ~backslash) |
             ((w - EACH(32)) & ~w)) &
            EACH(0x80)) == 0;
}

/* q->p is at the quote. The text is borrowed until the next string. */
static bool read_string(struct quick *q, struct btz_slice *out)
{
    const uint8_t *start = ++q->p;

    while (q->end - q->p >= 8 && is_plain(q->p))
        q->p += 8;
    while (q->p < q->end && *q->p != '"' && *q->p != '\\' && *q->p >= 32)
        q->p++;
    if (q->p == q->end || *q->p < 32)
        return false;
    if (*q->p == '\\')
        return read_escaped(q, start, out);
    *out = btz_slice_of(start, (size_t)(q->p - start));
    q->p++;
    return true;
}

static void skip_digits(struct quick *q)
{
    while (q->p < q->end && *q->p >= '0' && *q->p <= '9')
        q->p++;
}

/* Behind the whole part of a number that began at `start`. */
static json_t *read_real(struct quick *q, const uint8_t *start)
{
    const uint8_t *from;
    char text[64], *end;
    double value;
    size_t len;

    if (*q->p == '.') {
        from = ++q->p;
        skip_digits(q);
        if (q->p == from)
            return NULL;
    }
    if (q->p < q->end && (*q->p | 32) == 'e') {
        q->p++;
        if (q->p < q->end && (*q->p == '+' || *q->p == '-'))
            q->p++;
        from = q->p;
        skip_digits(q);
        if (q->p == from)
            return NULL;
    }
    len = (size_t)(q->p - start);
    if (len >= sizeof text)
        return NULL;
    memcpy(text, start, len);
    text[len] = '\0';
    errno = 0;
    value = strtod(text, &end);
    if (end != text + len || errno != 0 || !isfinite(value))
        return NULL;
    return json_real(value);
}

static json_t *read_number(struct quick *q)
{
    const uint8_t *start = q->p, *digits;
    json_int_t value = 0;
    bool negative = *q->p == '-';

    q->p += negative;
    digits = q->p;
    skip_digits(q);
    if (q->p == digits || q->p - digits > 18 || (*digits == '0' && q->p - digits > 1))
        return NULL;
    if (q->p < q->end && (*q->p == '.' || (*q->p | 32) == 'e'))
        return read_real(q, start);
    for (const uint8_t *d = digits; d < q->p; d++)
        value = value * 10 + (*d - '0');
    return json_integer(negative ? -value : value);
}

static json_t *read_word(struct quick *q)
{
    static const struct {
        char text[6];
        uint8_t len;
    } words[] = { { "true", 4 }, { "false", 5 }, { "null", 4 } };

    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if ((size_t)(q->end - q->p) >= words[i].len &&
            memcmp(q->p, words[i].text, words[i].len) == 0) {
            q->p += words[i].len;
            return i == 0 ? json_true() : i == 1 ? json_false() : json_null();
        }
    return NULL;
}

/* One member; q->p is behind it afterwards. */
static bool read_member(struct quick *q, json_t *object)
{
    struct btz_slice name;
    BTZ_FREE char *copy = NULL;
    json_t *value;

    if (q->p == q->end || *q->p != '"' || !read_string(q, &name))
        return false;
    if (name.ptr == (const uint8_t *)q->scratch) { /* the value may need the scratch */
        copy = malloc(name.len + 1);
        if (!copy)
            return false;
        memcpy(copy, name.ptr, name.len);
        name.ptr = (const uint8_t *)copy;
    }
    skip_blanks(q);
    if (q->p == q->end || *q->p++ != ':' ||
        json_object_getn(object, (const char *)name.ptr, name.len))
        return false;
    value = read_value(q);
    /* It takes the value in any case; NULL is a failure. */
    return json_object_setn_new_nocheck(object, (const char *)name.ptr, name.len, value) == 0;
}

/* Behind `[` or `{`: items up to `close`. */
static bool read_items(struct quick *q, json_t *container, uint8_t close)
{
    skip_blanks(q);
    if (q->p < q->end && *q->p == close) {
        q->p++;
        return true;
    }
    for (;;) {
        skip_blanks(q);
        if (close == '}' ? !read_member(q, container)
                         : json_array_append_new(container, read_value(q)) != 0)
            return false;
        skip_blanks(q);
        if (q->p == q->end)
            return false;
        if (*q->p == close) {
            q->p++;
            return true;
        }
        if (*q->p++ != ',')
            return false;
    }
}

static json_t *read_container(struct quick *q)
{
    uint8_t open = *q->p++;
    json_t *container;
    bool ok;

    if (q->depth == q->depth_max)
        return NULL;
    container = open == '{' ? json_object() : json_array();
    q->depth++;
    ok = container && read_items(q, container, open == '{' ? '}' : ']');
    q->depth--;
    if (ok)
        return container;
    json_decref(container);
    return NULL;
}

static json_t *read_value(struct quick *q)
{
    struct btz_slice text;

    skip_blanks(q);
    if (q->p == q->end)
        return NULL;
    switch (*q->p) {
    case '{':
    case '[':
        return read_container(q);
    case '"':
        if (!read_string(q, &text))
            return NULL;
        return json_stringn_nocheck((const char *)text.ptr, text.len);
    case 't':
    case 'f':
    case 'n':
        return read_word(q);
    default:
        return *q->p == '-' || (*q->p >= '0' && *q->p <= '9') ? read_number(q) : NULL;
    }
}

json_t *btz_json_quick_parse(struct btz_slice text, size_t depth_max)
{
    struct quick q = { .p = text.ptr, .depth_max = depth_max, .scratch_size = text.len + 1 };
    json_t *value;

    if (text.len == 0 || !btz_is_utf8(text))
        return NULL;
    q.end = text.ptr + text.len;
    value = read_value(&q);
    skip_blanks(&q);
    if (value && q.p != q.end) {
        json_decref(value);
        value = NULL;
    }
    free(q.scratch);
    return value;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static bool put(struct btz_buf *out, const void *bytes, size_t len)
{
    return btz_buf_add(out, bytes, len) == BTZ_OK;
}

static bool write_escape(struct btz_buf *out, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c ? strchr(from, c) : NULL;

    if (at)
        return put(out, (const char[]){ '\\', to[at - from] }, 2);
    return put(out, (const char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
}

static bool write_text(struct btz_buf *out, const char *text, size_t len)
{
    size_t from = 0;

    if (!put(out, "\"", 1))
        return false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];

        if (c >= 32 && c != '"' && c != '\\')
            continue;
        if (!put(out, text + from, i - from) || !write_escape(out, c))
            return false;
        from = i + 1;
    }
    return put(out, text + from, len - from) && put(out, "\"", 1);
}

static bool write_number(struct btz_buf *out, const json_t *value)
{
    char text[128];
    size_t len;

    if (json_is_integer(value))
        len =
            (size_t)snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        len = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY | JSON_COMPACT);
    return len > 0 && len < sizeof text && put(out, text, len);
}

static bool write_value(struct btz_buf *out, const json_t *value, unsigned depth);

static bool write_object(struct btz_buf *out, const json_t *value, unsigned depth)
{
    /* jansson's iterators want what they do not change without const. */
    json_t *object = (json_t *)(uintptr_t)value;
    bool first = true;

    if (!put(out, "{", 1))
        return false;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        if ((!first && !put(out, ",", 1)) ||
            !write_text(out, json_object_iter_key(i), json_object_iter_key_len(i)) ||
            !put(out, ":", 1) || !write_value(out, json_object_iter_value(i), depth + 1))
            return false;
        first = false;
    }
    return put(out, "}", 1);
}

static bool write_array(struct btz_buf *out, const json_t *value, unsigned depth)
{
    if (!put(out, "[", 1))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++)
        if ((i > 0 && !put(out, ",", 1)) || !write_value(out, json_array_get(value, i), depth + 1))
            return false;
    return put(out, "]", 1);
}

static bool write_value(struct btz_buf *out, const json_t *value, unsigned depth)
{
    if (depth > WRITE_DEPTH_MAX)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(out, value, depth);
    case JSON_ARRAY:
        return write_array(out, value, depth);
    case JSON_STRING:
        return write_text(out, json_string_value(value), json_string_length(value));
    case JSON_TRUE:
        return put(out, "true", 4);
    case JSON_FALSE:
        return put(out, "false", 5);
    case JSON_NULL:
        return put(out, "null", 4);
    default:
        return write_number(out, value);
    }
}

bool btz_json_quick_write(const json_t *value, struct btz_buf *out)
{
    size_t before = out->len;

    if (write_value(out, value, 0))
        return true;
    out->len = before;
    return false;
}
