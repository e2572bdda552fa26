/* How a message looks to a reader: invisible characters are not there, look-alikes are what they resemble. */
#include <stdlib.h>

#include <uninorm.h>

#include "demo/understand.h"

#define DEPTH 8

/* Letters of other scripts that a reader takes for Latin ones (after UTS #39, the common ones only). */
static const struct {
    uint32_t from;
    char to;
} look_alikes[] = {
    { 0x0430, 'a' }, { 0x0410, 'A' }, { 0x0435, 'e' }, { 0x0415, 'E' }, { 0x043E, 'o' },
    { 0x041E, 'O' }, { 0x0440, 'p' }, { 0x0420, 'P' }, { 0x0441, 'c' }, { 0x0421, 'C' },
    { 0x0443, 'y' }, { 0x0423, 'Y' }, { 0x0445, 'x' }, { 0x0425, 'X' }, { 0x0456, 'i' },
    { 0x0406, 'I' }, { 0x0458, 'j' }, { 0x0408, 'J' }, { 0x0455, 's' }, { 0x0405, 'S' },
    { 0x0501, 'd' }, { 0x0500, 'D' }, { 0x051B, 'q' }, { 0x051A, 'Q' }, { 0x051D, 'w' },
    { 0x051C, 'W' }, { 0x04BB, 'h' }, { 0x04BA, 'H' }, { 0x043A, 'k' }, { 0x041A, 'K' },
    { 0x043C, 'm' }, { 0x041C, 'M' }, { 0x043D, 'h' }, { 0x041D, 'H' }, { 0x0442, 't' },
    { 0x0422, 'T' }, { 0x0412, 'B' }, { 0x0432, 'b' }, { 0x0433, 'r' }, { 0x0438, 'u' },
    { 0x043F, 'n' }, { 0x044C, 'b' }, { 0x0475, 'v' }, { 0x0474, 'V' }, { 0x04CF, 'l' },
    { 0x04C0, 'l' }, { 0x0457, 'i' }, { 0x03B1, 'a' }, { 0x0391, 'A' }, { 0x0392, 'B' },
    { 0x03B2, 'b' }, { 0x03B5, 'e' }, { 0x0395, 'E' }, { 0x03B9, 'i' }, { 0x0399, 'I' },
    { 0x03BA, 'k' }, { 0x039A, 'K' }, { 0x03BD, 'v' }, { 0x039D, 'N' }, { 0x03BF, 'o' },
    { 0x039F, 'O' }, { 0x03C1, 'p' }, { 0x03A1, 'P' }, { 0x03C4, 't' }, { 0x03A4, 'T' },
    { 0x03C5, 'u' }, { 0x03A5, 'Y' }, { 0x03C7, 'x' }, { 0x03A7, 'X' }, { 0x0397, 'H' },
    { 0x03B7, 'n' }, { 0x039C, 'M' }, { 0x0396, 'Z' }, { 0x03C9, 'w' }, { 0x03F2, 'c' },
    { 0x03F9, 'C' }, { 0x03C3, 'o' }, { 0x03B3, 'y' }, { 0x03BC, 'u' }, { 0x0561, 'w' },
    { 0x0570, 'h' }, { 0x0578, 'n' }, { 0x057D, 'u' }, { 0x0585, 'o' }, { 0x0581, 'g' },
    { 0x0566, 'q' }, { 0x0575, 'j' }, { 0x0582, 'i' }, { 0x0562, 'f' }, { 0x0584, 'f' },
    { 0x13A0, 'D' }, { 0x13A1, 'R' }, { 0x13A2, 'T' }, { 0x13AA, 'A' }, { 0x13B3, 'W' },
    { 0x13C2, 'h' }, { 0x13C3, 'Z' }, { 0x13D2, 'R' }, { 0x13DA, 'S' }, { 0x13DF, 'C' },
    { 0x13E2, 'P' }, { 0x13F4, 'B' }, { 0x0250, 'a' }, { 0x0251, 'a' }, { 0x0261, 'g' },
    { 0x0269, 'i' }, { 0x026F, 'w' }, { 0x0280, 'r' }, { 0x028B, 'u' }, { 0x0299, 'b' },
    { 0x0262, 'g' }, { 0x029C, 'h' }, { 0x026A, 'i' }, { 0x0274, 'n' }, { 0x028F, 'y' },
    { 0x029F, 'l' }, { 0x0131, 'i' }, { 0x0237, 'j' }, { 0x1D00, 'a' }, { 0x1D04, 'c' },
    { 0x1D05, 'd' }, { 0x1D07, 'e' }, { 0x1D0A, 'j' }, { 0x1D0B, 'k' }, { 0x1D0D, 'm' },
    { 0x1D0F, 'o' }, { 0x1D18, 'p' }, { 0x1D1B, 't' }, { 0x1D1C, 'u' }, { 0x1D20, 'v' },
    { 0x1D21, 'w' }, { 0x1D22, 'z' }, { 0xA730, 'f' }, { 0xA731, 's' }, { 0x0138, 'k' },
    { 0x01BD, 's' }, { 0x0185, 'b' }, { 0x0184, 'b' }, { 0x01C0, 'l' }, { 0x2223, 'l' },
    { 0x0627, 'l' }, { 0x05D5, 'l' }, { 0x0660, 'o' }, { 0x06F0, 'o' }, { 0x0966, 'o' },
    { 0x2C9F, 'o' }, { 0x2CA3, 'p' }, { 0x10D5, 'v' },
};

static char look_alike(uint32_t c)
{
    for (size_t i = 0; i < BTZ_COUNT(look_alikes); i++)
        if (look_alikes[i].from == c)
            return look_alikes[i].to;
    return 0;
}

static bool is_latin(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_foreign_letter(uint32_t c)
{
    return c >= 0x0180 && !(c >= 0x2000 && c <= 0x2BFF) && !(c >= 0x3000 && c <= 0x3020) &&
           !(c >= 0xE000 && c <= 0xF8FF) && !(c >= 0x1F000 && c <= 0x1FAFF);
}

static bool is_mark(uint32_t c)
{
    return (c >= 0x0300 && c <= 0x036F) || (c >= 0x0483 && c <= 0x0489) ||
           (c >= 0x1AB0 && c <= 0x1AFF) || (c >= 0x1DC0 && c <= 0x1DFF) ||
           (c >= 0x20D0 && c <= 0x20FF) || (c >= 0xFE20 && c <= 0xFE2F);
}

static bool is_invisible(uint32_t c)
{
    return (c >= 0x200B && c <= 0x200F) || (c >= 0x2060 && c <= 0x2064) ||
           (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || c == 0x00AD || c == 0x034F ||
           c == 0x061C || c == 0x115F || c == 0x1160 || c == 0x180E || c == 0x3164 || c == 0xFFA0 ||
           (c >= 0x17B4 && c <= 0x17B5) || (c >= 0xFE00 && c <= 0xFE0E) || c == 0x0640;
}

/* Letters drawn in another font, in a circle or a box. */
static char drawn_letter(uint32_t c)
{
    if (c >= 0x1F1E6 && c <= 0x1F1FF)
        return (char)('a' + (c - 0x1F1E6));
    if (c >= 0x1F150 && c <= 0x1F169)
        return (char)('A' + (c - 0x1F150));
    if (c >= 0x1F170 && c <= 0x1F189)
        return (char)('A' + (c - 0x1F170));
    return 0;
}

static bool is_styled(uint32_t c)
{
    return (c >= 0x1D400 && c <= 0x1D7FF) || (c >= 0xFF01 && c <= 0xFF5E) ||
           (c >= 0x2460 && c <= 0x24FF) || (c >= 0x1F100 && c <= 0x1F1FF) ||
           (c >= 0x2070 && c <= 0x209C) || (c >= 0x1D2C && c <= 0x1D6A) ||
           (c >= 0x02B0 && c <= 0x02B8) || (c >= 0x2100 && c <= 0x214F);
}

static char plain_sign(uint32_t c)
{
    if (c == 0x2018 || c == 0x2019 || c == 0x201B || c == 0x2032 || c == 0x00B4 || c == 0x02BC)
        return '\'';
    if ((c >= 0x201C && c <= 0x201F) || c == 0x2033 || c == 0x00AB || c == 0x00BB ||
        (c >= 0x300C && c <= 0x300F))
        return '"';
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212)
        return '-';
    if (c == 0x00D7 || c == 0x2715 || c == 0x22C5)
        return '*';
    if (c == 0x00A0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000)
        return ' ';
    if (c == 0x2028 || c == 0x2029)
        return '\n';
    return 0;
}

struct runes {
    uint32_t *at;
    size_t count;
};

static enum btz_err decode_utf8(struct btz_slice s, struct runes *out)
{
    size_t at = 0;
    uint32_t c;

    out->at = malloc((s.len + 1) * sizeof *out->at);
    if (!out->at)
        return btz_fail(BTZ_LIMIT, "out of memory for a message");
    out->count = 0;
    while (btz_utf8_next(s, &at, &c))
        out->at[out->count++] = c;
    return BTZ_OK;
}

/* A backspace takes the character before it away, a carriage return is a line end. */
static bool apply_deletions(struct runes *r)
{
    size_t n = 0;
    bool changed = false;

    for (size_t i = 0; i < r->count; i++) {
        uint32_t c = r->at[i];

        if (c == 0x08 || c == 0x7F) {
            n -= n > 0;
            changed = true;
        } else if (c == '\r') {
            if (i + 1 == r->count || r->at[i + 1] != '\n')
                r->at[n++] = '\n';
        } else {
            r->at[n++] = c;
        }
    }
    r->count = n;
    return changed;
}

static bool opens(uint32_t c)
{
    return c == 0x202A || c == 0x202B || c == 0x202D || c == 0x202E || (c >= 0x2066 && c <= 0x2068);
}

static bool closes(uint32_t c)
{
    return c == 0x202C || c == 0x2069;
}

/* The end of the group that opens at `from`: the index of its closing sign, or `end`. */
static size_t group_end(const uint32_t *in, size_t from, size_t end)
{
    size_t depth = 0;

    for (size_t i = from; i < end; i++) {
        if (opens(in[i]))
            depth++;
        else if (closes(in[i]) && --depth == 0)
            return i;
    }
    return end;
}

/* Copies in[from, end) in the order in which it is displayed; in an override to the left, groups swap. */
static void display(const uint32_t *in, size_t from, size_t end, bool leftwards, unsigned depth,
                    uint32_t *out, size_t *n)
{
    size_t start = *n;

    for (size_t i = from; i < end;) {
        size_t item = *n, last = i;

        if (opens(in[i]) && depth < DEPTH) {
            last = group_end(in, i, end);
            display(in, i + 1, last, in[i] == 0x202E, depth + 1, out, n);
        } else if (!opens(in[i]) && !closes(in[i])) {
            out[(*n)++] = in[i];
        }
        if (leftwards && *n > item && item > start) {
            size_t len = *n - item;

            /* Move the new item before the ones already there: the tail has room for one copy. */
            for (size_t k = 0; k < len; k++) {
                uint32_t c = out[*n - 1];

                memmove(&out[start + 1], &out[start], (*n - 1 - start) * sizeof *out);
                out[start] = c;
            }
        }
        i = last + 1;
    }
}

static enum btz_err apply_bidi(struct runes *r, bool *changed)
{
    uint32_t *out;
    size_t n = 0, groups = 0;

    for (size_t i = 0; i < r->count; i++)
        groups += opens(r->at[i]);
    if (groups == 0)
        return BTZ_OK;
    *changed = true;
    /* Moving items is quadratic: a text full of groups is read as it stands. */
    if (groups > 4096 || r->count > 8192)
        return BTZ_OK;
    out = malloc((r->count + 1) * sizeof *out);
    if (!out)
        return btz_fail(BTZ_LIMIT, "out of memory for a message");
    display(r->at, 0, r->count, false, 0, out, &n);
    free(r->at);
    r->at = out;
    r->count = n;
    return BTZ_OK;
}

/* Invisible bits, one code point of text between separators or eight bits each. */
static enum btz_err read_bits(const struct runes *r, struct btz_buf *out)
{
    uint32_t value = 0;
    unsigned bits = 0;

    for (size_t i = 0; i <= r->count; i++) {
        uint32_t c = i < r->count ? r->at[i] : 0;
        bool bit = c == 0x2062 || c == 0x2064;

        if (bit) {
            value = value << 1 | (c == 0x2064);
            bits++;
        }
        /* Letters start with bits 10 or 11 in seven bits: a full one ends by itself. */
        if (bits > 0 &&
            ((!bit && c != 0) || i == r->count || bits == 8 || (bits == 7 && value >= 64))) {
            if (value >= 32 && value < 127)
                BTZ_TRY(btz_buf_add_byte(out, (uint8_t)value));
            value = 0;
            bits = 0;
        }
        if (c == 0x200B && out->len > 0)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
    }
    return BTZ_OK;
}

static enum btz_err read_hidden(const struct runes *r, struct btz_buf *out)
{
    size_t bits = 0;

    for (size_t i = 0; i < r->count; i++) {
        uint32_t c = r->at[i];

        if (c >= 0xE0020 && c <= 0xE007E)
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(c - 0xE0000)));
        else if (c >= 0xE0100 && c <= 0xE01EF && c - 0xE0100 >= 9 && c - 0xE0100 < 127)
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(c - 0xE0100)));
        bits += c == 0x2062 || c == 0x2064;
    }
    return bits >= 8 ? read_bits(r, out) : BTZ_OK;
}

/* Whether some word mixes scripts: then look-alikes are taken for what they resemble everywhere. */
static bool mixes_scripts(const struct runes *r)
{
    bool latin = false, alike = false;

    for (size_t i = 0; i <= r->count; i++) {
        uint32_t c = i < r->count ? r->at[i] : ' ';

        if (is_latin(c)) {
            latin = true;
        } else if (look_alike(c)) {
            alike = true;
        } else {
            if (latin && alike)
                return true;
            latin = alike = false;
        }
        if (latin && alike)
            return true;
    }
    return false;
}

/* A foreign word all of whose letters resemble Latin ones, beside Latin words. */
static bool has_posing_word(const struct runes *r)
{
    size_t latin = 0, letters = 0;
    bool posing = false, all = true;

    for (size_t i = 0; i <= r->count; i++) {
        uint32_t c = i < r->count ? r->at[i] : ' ';

        latin += is_latin(c);
        if (is_foreign_letter(c)) {
            letters++;
            all = all && look_alike(c);
        } else if (!is_latin(c)) {
            posing = posing || (letters > 1 && all);
            letters = 0;
            all = true;
        }
    }
    return posing && latin > 10;
}

static enum btz_err emit(const struct runes *r, bool alike, struct btz_demo_fold *out)
{
    size_t marks = 0, unseen = 0;

    for (size_t i = 0; i < r->count; i++) {
        uint32_t c = r->at[i];
        char sign;

        if (c < 0x80) {
            if (c >= 0x20 || c == '\n' || c == '\t')
                BTZ_TRY(btz_buf_add_byte(&out->plain, (uint8_t)c));
            continue;
        }
        if (is_mark(c)) {
            marks++;
            continue;
        }
        /* A joiner among emoji and a selector behind one are ordinary. */
        if (is_invisible(c) || c == 0xFE0F || (c >= 0xE0000 && c <= 0xE01EF) || opens(c) ||
            closes(c)) {
            unseen +=
                i > 0 && i + 1 < r->count && c != 0xFE0F && !(c == 0x200D && r->at[i + 1] > 0x2000);
            continue;
        }
        sign = plain_sign(c);
        if (!sign && (sign = drawn_letter(c)) != 0)
            out->disguised = true;
        if (!sign && alike && (sign = look_alike(c)) != 0)
            out->disguised = true;
        BTZ_TRY(sign ? btz_buf_add_byte(&out->plain, (uint8_t)sign)
                     : btz_buf_add_utf8(&out->plain, c));
    }
    out->disguised = out->disguised || unseen > 0 || marks > 16 + r->count / 16;
    return BTZ_OK;
}

static enum btz_err fold_runes(struct runes *r, struct btz_demo_fold *out)
{
    uint32_t *wide;
    size_t wide_len = 0;
    bool alike, special = false;

    out->disguised = apply_deletions(r);
    BTZ_TRY(apply_bidi(r, &out->disguised));
    BTZ_TRY(read_hidden(r, &out->hidden));
    for (size_t i = 0; i < r->count; i++) {
        out->disguised = out->disguised || is_styled(r->at[i]);
        special = special || r->at[i] > 0x7F;
        /* Circled and boxed letters have no decomposition that is a letter. */
        if (drawn_letter(r->at[i]))
            r->at[i] = (uint32_t)drawn_letter(r->at[i]);
    }
    if (!special)
        return emit(r, false, out);
    alike = mixes_scripts(r) || has_posing_word(r);
    wide = u32_normalize(UNINORM_NFKD, r->at, r->count, NULL, &wide_len);
    if (!wide)
        return btz_fail(BTZ_LIMIT, "out of memory for a message");
    free(r->at);
    r->at = wide;
    r->count = wide_len;
    return emit(r, alike, out);
}

enum btz_err btz_demo_fold(struct btz_slice message, struct btz_demo_fold *out)
{
    struct runes r = { 0 };
    struct btz_demo_fold fold = { .plain = BTZ_BUF((size_t)1 << 20),
                                  .hidden = BTZ_BUF((size_t)1 << 18) };
    enum btz_err err = decode_utf8(message, &r);

    if (err == BTZ_OK)
        err = fold_runes(&r, &fold);
    free(r.at);
    if (err != BTZ_OK) {
        btz_demo_fold_release(&fold);
        return err;
    }
    *out = fold;
    return BTZ_OK;
}

void btz_demo_fold_release(struct btz_demo_fold *fold)
{
    btz_buf_release(&fold->plain);
    btz_buf_release(&fold->hidden);
}
