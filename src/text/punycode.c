/* Punycode, RFC 3492: parameters of section 5, algorithms of section 6. */
#include "text/codecs.h"

enum {
    BASE = 36,
    T_MIN = 1,
    T_MAX = 26,
    SKEW = 38,
    DAMP = 700,
    INITIAL_BIAS = 72,
    INITIAL_N = 128,
    POINTS_MAX = 1024 /* inserting is quadratic */
};

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / DAMP : delta / 2;
    for (delta += delta / points; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
    return k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
}

static enum btz_err read_points(struct btz_slice in, uint32_t *points, size_t *count)
{
    size_t at = 0;
    uint32_t c;

    *count = 0;
    while (btz_utf8_next(in, &at, &c)) {
        if (*count == POINTS_MAX)
            return btz_fail(BTZ_LIMIT, "punycode: more than %d characters", POINTS_MAX);
        points[(*count)++] = c;
    }
    return BTZ_OK;
}

static enum btz_err write_delta(uint32_t q, uint32_t bias, struct btz_buf *out)
{
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = threshold(k, bias), digit;

        if (q < t)
            return btz_buf_add_byte(out, (uint8_t)(q < 26 ? 'a' + q : '0' + q - 26));
        digit = t + (q - t) % (BASE - t);
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(digit < 26 ? 'a' + digit : '0' + digit - 26)));
        q = (q - t) / (BASE - t);
    }
}

enum btz_err btz_punycode_write(struct btz_slice in, struct btz_buf *out)
{
    uint32_t points[POINTS_MAX], n = INITIAL_N, bias = INITIAL_BIAS;
    uint64_t delta = 0;
    size_t count, basic = 0, done;

    BTZ_TRY(read_points(in, points, &count));
    for (size_t i = 0; i < count; i++) {
        if (points[i] >= 0x80)
            continue;
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)points[i]));
        basic++;
    }
    if (basic > 0)
        BTZ_TRY(btz_buf_add_byte(out, '-'));
    for (done = basic; done < count; n++, delta++) {
        uint32_t next = UINT32_MAX;

        for (size_t i = 0; i < count; i++)
            if (points[i] >= n && points[i] < next)
                next = points[i];
        delta += (uint64_t)(next - n) * (done + 1);
        n = next;
        for (size_t i = 0; i < count; i++) {
            delta += points[i] < n;
            if (points[i] != n)
                continue;
            if (delta > UINT32_MAX)
                return btz_fail(BTZ_LIMIT, "punycode: the text is too long");
            BTZ_TRY(write_delta((uint32_t)delta, bias, out));
            bias = adapt((uint32_t)delta, (uint32_t)done + 1, done == basic);
            delta = 0;
            done++;
        }
    }
    return BTZ_OK;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0' + 26;
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' : -1;
}

/* One generalised variable-length integer. */
static enum btz_err read_delta(struct btz_slice in, size_t *at, uint32_t bias, uint64_t *i)
{
    uint64_t weight = 1;

    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = threshold(k, bias);
        int digit = *at < in.len ? digit_of(in.ptr[*at]) : -1;

        if (digit < 0)
            return btz_fail(BTZ_INPUT, "punycode: expected a digit at byte %zu", *at);
        (*at)++;
        *i += (uint64_t)digit * weight;
        if (*i > UINT32_MAX || weight > UINT32_MAX)
            return btz_fail(BTZ_INPUT, "punycode: a number is too large");
        if ((uint32_t)digit < t)
            return BTZ_OK;
        weight *= BASE - t;
    }
}

static size_t last_hyphen(struct btz_slice in)
{
    for (size_t i = in.len; i > 0; i--)
        if (in.ptr[i - 1] == '-')
            return i - 1;
    return SIZE_MAX;
}

enum btz_err btz_punycode_read(struct btz_slice in, struct btz_buf *out)
{
    uint32_t points[POINTS_MAX], bias = INITIAL_BIAS;
    uint64_t n = INITIAL_N, i = 0;
    size_t count = 0, at = 0, hyphen;

    if (btz_slice_has_prefix(in, btz_str("xn--")))
        in = btz_slice_sub(in, 4, in.len);
    hyphen = last_hyphen(in);
    if (in.len == 0 || in.len > POINTS_MAX)
        return btz_fail(BTZ_INPUT, "punycode: %zu bytes, expected 1 to %d", in.len, POINTS_MAX);
    if (hyphen != SIZE_MAX) {
        for (; count < hyphen; count++) {
            if (in.ptr[count] >= 0x80)
                return btz_fail(BTZ_INPUT, "punycode: a byte outside ASCII at %zu", count);
            points[count] = in.ptr[count];
        }
        at = hyphen + 1;
    }
    while (at < in.len) {
        uint64_t old = i;

        BTZ_TRY(read_delta(in, &at, bias, &i));
        bias = adapt((uint32_t)(i - old), (uint32_t)count + 1, old == 0);
        n += i / (count + 1);
        i %= count + 1;
        if (n > 0x10FFFF || (n >= 0xD800 && n <= 0xDFFF))
            return btz_fail(BTZ_INPUT, "punycode: not a character");
        memmove(points + i + 1, points + i, (count - i) * sizeof *points);
        points[i++] = (uint32_t)n;
        count++;
    }
    for (size_t k = 0; k < count; k++)
        BTZ_TRY(btz_buf_add_utf8(out, points[k]));
    return BTZ_OK;
}
