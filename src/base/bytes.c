#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "base/base.h"

struct btz_slice btz_slice_of(const void *ptr, size_t len)
{
    return (struct btz_slice){ .ptr = ptr, .len = len };
}

struct btz_slice btz_str(const char *text)
{
    return btz_slice_of(text, text ? strlen(text) : 0);
}

bool btz_slice_equal(struct btz_slice a, struct btz_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool btz_slice_is(struct btz_slice s, const char *text)
{
    return btz_slice_equal(s, btz_str(text));
}

bool btz_slice_has_prefix(struct btz_slice s, struct btz_slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

size_t btz_slice_find(struct btz_slice s, struct btz_slice needle, size_t from)
{
    const uint8_t *at;

    if (from > s.len)
        return SIZE_MAX;
    if (needle.len == 0)
        return from;
    if (s.len == 0)
        return SIZE_MAX;
    at = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

bool btz_slice_has(struct btz_slice s, const char *needle)
{
    return s.len > 0 && btz_slice_find(s, btz_str(needle), 0) != SIZE_MAX;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct btz_slice btz_slice_trim(struct btz_slice s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct btz_slice btz_slice_sub(struct btz_slice s, size_t from, size_t len)
{
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return btz_slice_of(s.ptr ? s.ptr + from : NULL, len);
}

enum btz_err btz_read_bytes(struct btz_reader *r, size_t n, struct btz_slice *out)
{
    if (n > r->in.len - r->at)
        return btz_fail(BTZ_INPUT, "%s: at byte %zu: expected %zu more bytes, found %zu", r->what,
                        r->at, n, r->in.len - r->at);
    *out = btz_slice_sub(r->in, r->at, n);
    r->at += n;
    return BTZ_OK;
}

static enum btz_err read_be(struct btz_reader *r, size_t n, uint64_t *out)
{
    struct btz_slice bytes;
    uint64_t value = 0;

    BTZ_TRY(btz_read_bytes(r, n, &bytes));
    for (size_t i = 0; i < n; i++)
        value = value << 8 | bytes.ptr[i];
    *out = value;
    return BTZ_OK;
}

enum btz_err btz_read_u8(struct btz_reader *r, uint8_t *out)
{
    uint64_t value;

    BTZ_TRY(read_be(r, 1, &value));
    *out = (uint8_t)value;
    return BTZ_OK;
}

enum btz_err btz_read_be16(struct btz_reader *r, uint16_t *out)
{
    uint64_t value;

    BTZ_TRY(read_be(r, 2, &value));
    *out = (uint16_t)value;
    return BTZ_OK;
}

enum btz_err btz_read_be32(struct btz_reader *r, uint32_t *out)
{
    uint64_t value;

    BTZ_TRY(read_be(r, 4, &value));
    *out = (uint32_t)value;
    return BTZ_OK;
}

enum btz_err btz_read_be64(struct btz_reader *r, uint64_t *out)
{
    return read_be(r, 8, out);
}

bool btz_read_line(struct btz_reader *r, struct btz_slice *line)
{
    const uint8_t *start, *end;
    size_t left = r->in.len - r->at;

    if (left == 0)
        return false;
    start = r->in.ptr + r->at;
    end = memchr(start, '\n', left);
    *line = btz_slice_of(start, end ? (size_t)(end - start) : left);
    r->at += line->len + (end ? 1 : 0);
    return true;
}

bool btz_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool btz_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

enum btz_err btz_parse_u64(struct btz_slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 20 || (text.len > 1 && text.ptr[0] == '0'))
        return btz_fail(BTZ_INPUT, "expected a decimal number, found \"%.*s\"",
                        BTZ_SLICE_ARG(btz_slice_sub(text, 0, 40)));
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c < '0' || c > '9')
            return btz_fail(BTZ_INPUT, "expected a decimal number, found \"%.*s\"",
                            BTZ_SLICE_ARG(btz_slice_sub(text, 0, 40)));
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return btz_fail(BTZ_INPUT, "number \"%.*s\" is larger than 2^64 - 1",
                            BTZ_SLICE_ARG(text));
    }
    *out = value;
    return BTZ_OK;
}

enum btz_err btz_parse_double(struct btz_slice text, double *out)
{
    char copy[64], *end;
    locale_t c_locale, old;
    double value;

    if (text.len == 0 || text.len >= sizeof copy || is_space(text.ptr[0]))
        return btz_fail(BTZ_INPUT, "expected a number, found \"%.*s\"",
                        BTZ_SLICE_ARG(btz_slice_sub(text, 0, 40)));
    for (size_t i = 0; i < text.len; i++)
        if (!memchr("0123456789+-.eE", text.ptr[i], 15))
            return btz_fail(BTZ_INPUT, "expected a number, found \"%.*s\"", BTZ_SLICE_ARG(text));
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!c_locale)
        return btz_fail(BTZ_LIMIT, "out of memory");
    old = uselocale(c_locale);
    value = strtod(copy, &end);
    uselocale(old);
    freelocale(c_locale);
    if (*end != '\0' || !isfinite(value))
        return btz_fail(BTZ_INPUT, "expected a finite number, found \"%s\"", copy);
    *out = value;
    return BTZ_OK;
}

void btz_hex(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum btz_err btz_unhex(struct btz_slice text, uint8_t *out, size_t n)
{
    if (text.len != 2 * n)
        return btz_fail(BTZ_INPUT, "expected %zu hex digits, found %zu characters", 2 * n,
                        text.len);
    for (size_t i = 0; i < text.len; i++)
        if (hex_digit(text.ptr[i]) < 0)
            return btz_fail(BTZ_INPUT, "expected a hex digit at position %zu", i);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(hex_digit(text.ptr[2 * i]) << 4 | hex_digit(text.ptr[2 * i + 1]));
    return BTZ_OK;
}

/* Optimal string alignment: Levenshtein's three edits, and two neighbours swapped count as one. */
unsigned btz_edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned rows[3][64];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    if (la >= BTZ_COUNT(rows[0]) || lb >= BTZ_COUNT(rows[0]))
        return (unsigned)(la > lb ? la : lb);
    for (size_t j = 0; j <= lb; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *spare = before;

        before = above;
        above = row;
        row = spare;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

const char *btz_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned distance = btz_edit_distance(word, names[i]);

        /* The start of a name is as good as one wrong letter. */
        if (distance > 1 && strlen(word) >= 3 && strncmp(word, names[i], strlen(word)) == 0)
            distance = 1;
        if (!best || distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    /* A third of the word may be wrong; one letter always may. */
    if (best && best_distance > 1 && best_distance > strlen(word) / 3)
        return NULL;
    return best;
}
