/*
 * Text in characters that nobody sees. Sources: tag characters, Unicode 15 section 23.9; variation selectors as in
 * garak (U+E0100 + byte) and in "Smuggling arbitrary data through an emoji" (P. Butler, 2025: 16 selectors at U+FE00
 * first); sneaky bits as in garak (bits of the code point, no padding) and padded to bytes (J. Rehberger, 2025);
 * bidi swaps as in "Bad Characters" (arXiv 2106.09898).
 */
#include <stdlib.h>

#include "text/codecs.h"

enum {
    TAG = 0xE0000,
    SELECTOR = 0xFE00,
    SELECTOR_MORE = 0xE0100,
    BIT_0 = 0x2062,
    BIT_1 = 0x2064,
    ZERO_SPACE = 0x200B,
    PDF = 0x202C,
    LRO = 0x202D,
    RLO = 0x202E,
    LRI = 0x2066,
    RLI = 0x2067,
    FSI = 0x2068,
    PDI = 0x2069,
};

/* ---- tags ---- */

enum btz_err btz_tags_write(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c))
        BTZ_TRY(btz_buf_add_utf8(out, c < 0x80 ? TAG + c : c));
    return BTZ_OK;
}

enum btz_err btz_tags_read(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0, found = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c)) {
        /* U+E0001 and U+E007F begin and cancel a tag. */
        if (c < TAG + 2 || c >= TAG + 0x7F)
            continue;
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(c - TAG)));
        found++;
    }
    if (found == 0)
        return btz_fail(BTZ_INPUT, "tags: no tag characters in the text");
    return BTZ_OK;
}

/* ---- variation selectors ---- */

enum btz_err btz_variation_write(struct btz_slice in, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i++)
        BTZ_TRY(btz_buf_add_utf8(out, (uint32_t)SELECTOR_MORE + in.ptr[i]));
    return BTZ_OK;
}

static enum btz_err read_selectors(struct btz_slice in, bool short_first, struct btz_buf *out)
{
    size_t at = 0, found = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c)) {
        bool more = c >= SELECTOR_MORE && c <= SELECTOR_MORE + 0xFF;
        uint32_t byte = c - SELECTOR_MORE + (short_first ? 16 : 0);

        if (short_first && c >= SELECTOR && c <= SELECTOR + 15)
            byte = c - SELECTOR;
        else if (!more || byte > 0xFF)
            continue;
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)byte));
        found++;
    }
    if (found == 0)
        return btz_fail(BTZ_INPUT, "variation: no variation selectors in the text");
    return BTZ_OK;
}

/* Letters, digits and spaces, when all of it is text. */
static size_t letters_in(struct btz_slice s)
{
    size_t n = 0, at = 0;
    uint32_t c;

    if (!btz_is_utf8(s))
        return 0;
    while (btz_utf8_next(s, &at, &c)) {
        if (c < ' ' && c != '\n' && c != '\t')
            return 0;
        n += c == ' ' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
             c >= 0xC0;
    }
    return n;
}

/* The scheme that gives more letters; the first when they are even. */
enum btz_err btz_variation_read(struct btz_slice in, struct btz_buf *out)
{
    size_t before = out->len, letters;
    bool plain;

    plain = read_selectors(in, false, out) == BTZ_OK;
    letters = letters_in(btz_slice_sub(btz_buf_slice(out), before, out->len));
    out->len = before;
    BTZ_TRY(read_selectors(in, true, out));
    if (!plain || letters_in(btz_slice_sub(btz_buf_slice(out), before, out->len)) > letters)
        return BTZ_OK;
    out->len = before;
    return read_selectors(in, false, out);
}

/* ---- sneaky bits ---- */

enum btz_err btz_sneaky_write(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c)) {
        int bit = 6;

        if (c == ' ' || (c >= 9 && c <= 13)) {
            BTZ_TRY(btz_buf_add_utf8(out, ZERO_SPACE));
            continue;
        }
        if (c >= 0x80 || c < ' ') {
            BTZ_TRY(btz_buf_add_utf8(out, c));
            continue;
        }
        while (!(c >> bit & 1))
            bit--;
        for (; bit >= 0; bit--)
            BTZ_TRY(btz_buf_add_utf8(out, c >> bit & 1 ? BIT_1 : BIT_0));
    }
    return BTZ_OK;
}

/* How likely a character is in hidden text; the bits of several characters can be cut in several ways. */
static unsigned liking(unsigned c)
{
    if (c >= 'a' && c <= 'z')
        return 10;
    if (c >= 'A' && c <= 'Z')
        return 7;
    if (c >= '0' && c <= '9')
        return 6;
    return strchr(".,!?:'-_/", (int)c) ? 5 : 2;
}

/* The likeliest cut of a word of bits into characters of 6 and 7 bits, each beginning with 1, by dynamic programming
 * from the end; `best` and `width` have n+1 places. */
static bool cut_bits(const uint8_t *bits, size_t n, uint32_t *best, uint8_t *width)
{
    best[n] = 1;
    for (size_t i = n; i-- > 0;) {
        unsigned c = 0;

        best[i] = 0;
        for (unsigned w = 1; w <= 7 && i + w <= n && bits[i]; w++) {
            uint32_t score;

            c = c << 1 | bits[i + w - 1];
            if (w < 6 || best[i + w] == 0 || c == 0x7F)
                continue;
            /* Per bit, so that shorter characters are not liked for their number. */
            score = best[i + w] + liking(c) * w;
            if (score > best[i]) {
                best[i] = score;
                width[i] = (uint8_t)w;
            }
        }
    }
    return best[0] > 0;
}

static enum btz_err write_word(const uint8_t *bits, size_t n, uint32_t *best, uint8_t *width,
                               struct btz_buf *out)
{
    bool padded = n > 0 && n % 8 == 0;

    for (size_t i = 0; i < n; i += 8)
        padded = padded && !bits[i];
    if (!padded && !cut_bits(bits, n, best, width))
        return btz_fail(BTZ_INPUT, "sneaky: %zu bits are no characters", n);
    for (size_t i = 0; i < n;) {
        size_t w = padded ? 8 : width[i];
        unsigned c = 0;

        for (size_t end = i + w; i < end; i++)
            c = c << 1 | bits[i];
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)c));
    }
    return BTZ_OK;
}

enum btz_err btz_sneaky_read(struct btz_slice in, struct btz_buf *out)
{
    size_t most = in.len / 3 + 1, n = 0, words = 0, at = 0;
    BTZ_FREE uint8_t *bits = malloc(most * 2);
    BTZ_FREE uint32_t *best = malloc((most + 1) * sizeof *best);
    uint32_t c;

    if (!bits || !best)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu bits", most);
    while (btz_utf8_next(in, &at, &c)) {
        if (c == BIT_0 || c == BIT_1)
            bits[n++] = c == BIT_1;
        if (c != ZERO_SPACE)
            continue;
        BTZ_TRY(write_word(bits, n, best, bits + most, out));
        words += n > 0;
        n = 0;
        BTZ_TRY(btz_buf_add_byte(out, ' '));
    }
    BTZ_TRY(write_word(bits, n, best, bits + most, out));
    if (words + n == 0)
        return btz_fail(BTZ_INPUT, "sneaky: no hidden bits in the text");
    return BTZ_OK;
}

/* ---- bidi ---- */

/* Displays `second` in front of `first`. */
static enum btz_err swapped(uint32_t first, uint32_t second, struct btz_buf *out)
{
    uint32_t all[] = { LRO, LRI, RLO, LRI, first, PDI, LRI, second, PDI, PDF, PDI, PDF };

    for (size_t i = 0; i < BTZ_COUNT(all); i++)
        BTZ_TRY(btz_buf_add_utf8(out, all[i]));
    return BTZ_OK;
}

enum btz_err btz_bidi_write(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t a, b;

    while (btz_utf8_next(in, &at, &a)) {
        size_t ahead = at;

        /* Overrides end with the line. */
        if (a == '\n' || !btz_utf8_next(in, &ahead, &b) || b == '\n') {
            BTZ_TRY(btz_buf_add_utf8(out, a));
            continue;
        }
        at = ahead;
        BTZ_TRY(swapped(b, a, out));
    }
    return BTZ_OK;
}

enum { DEPTH_MAX = 60 }; /* UAX #9 allows 125 levels */

struct display {
    struct btz_slice in;
    size_t at;
    uint32_t *line; /* in display order */
    size_t len;
    bool any;
};

static void flip(uint32_t *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        uint32_t c = p[i];

        p[i] = p[n - 1 - i];
        p[n - 1 - i] = c;
    }
}

/* One frame up to its closing character: overrides end with PDF, isolates with PDI. What stands in a right-to-left
 * frame is shown in reverse order, inner frames as one piece each. */
static enum btz_err frame(struct display *d, bool rtl, uint32_t closer, unsigned depth)
{
    size_t start = d->len;
    uint32_t c;

    if (depth > DEPTH_MAX)
        return btz_fail(BTZ_INPUT, "bidi: nested deeper than %d levels", DEPTH_MAX);
    while (btz_utf8_next(d->in, &d->at, &c)) {
        size_t piece = d->len;

        if (c == closer)
            break;
        if (c == LRO || c == RLO || c == LRI || c == RLI || c == FSI) {
            d->any = d->any || c == RLO;
            BTZ_TRY(frame(d, c == RLO, c == LRO || c == RLO ? PDF : PDI, depth + 1));
            if (rtl)
                flip(d->line + piece, d->len - piece);
        } else if (c != PDF && c != PDI) {
            d->line[d->len++] = c;
        }
    }
    if (rtl)
        flip(d->line + start, d->len - start);
    return BTZ_OK;
}

enum btz_err btz_bidi_read(struct btz_slice in, struct btz_buf *out)
{
    BTZ_FREE uint32_t *line = malloc((in.len + 1) * sizeof *line);
    struct display d = { .in = in, .line = line };

    if (!line)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu characters", in.len);
    BTZ_TRY(frame(&d, false, UINT32_MAX, 0));
    if (!d.any)
        return btz_fail(BTZ_INPUT, "bidi: no right-to-left override in the text");
    for (size_t i = 0; i < d.len; i++)
        BTZ_TRY(btz_buf_add_utf8(out, d.line[i]));
    return BTZ_OK;
}
