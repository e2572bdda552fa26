/* Ciphers over letters and their order. */
#include <stdlib.h>

#include "text/codecs.h"

static bool is_letter(uint32_t c)
{
    return c < 0x80 && (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static uint32_t to_lower(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static enum btz_err substitute(struct btz_slice in, bool mirror, struct btz_buf *out)
{
    size_t letters = 0;

    BTZ_TRY(btz_buf_reserve(out, in.len));
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];

        if (is_letter(c)) {
            int a = c & 0x20 ? 'a' : 'A', n = c - a;

            c = (uint8_t)(a + (mirror ? 25 - n : n < 13 ? n + 13 : n - 13));
            letters++;
        }
        out->ptr[out->len++] = c;
    }
    if (letters == 0 && in.len > 0)
        return btz_fail(BTZ_INPUT, "%s: no letters", mirror ? "atbash" : "rot13");
    return BTZ_OK;
}

enum btz_err btz_rot13(struct btz_slice in, struct btz_buf *out)
{
    return substitute(in, false, out);
}

enum btz_err btz_atbash(struct btz_slice in, struct btz_buf *out)
{
    return substitute(in, true, out);
}

enum btz_err btz_reverse(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0, before = 0, start = out->len, end;
    uint32_t c;

    /* Clean first: pieces of ill-formed bytes could join into characters. */
    BTZ_TRY(btz_buf_reserve(out, in.len));
    while (btz_utf8_next(in, &at, &c))
        BTZ_TRY(btz_buf_add_utf8(out, c));
    end = out->len;
    for (size_t i = start, j = end; i + 1 < j; i++) {
        uint8_t b = out->ptr[i];

        out->ptr[i] = out->ptr[--j];
        out->ptr[j] = b;
    }
    /* Bytes are reversed now; turn those of each character back. */
    for (at = before = start; at < end; before = ++at) {
        while ((out->ptr[at] & 0xC0) == 0x80)
            at++;
        for (size_t i = before, j = at; i < j; i++, j--) {
            uint8_t b = out->ptr[i];

            out->ptr[i] = out->ptr[j];
            out->ptr[j] = b;
        }
    }
    return BTZ_OK;
}

/* ---- s p a c e d ---- */

enum btz_err btz_spaced_write(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    for (bool first = true; btz_utf8_next(in, &at, &c); first = false) {
        if (!first)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    return BTZ_OK;
}

enum btz_err btz_spaced_read(struct btz_slice in, struct btz_buf *out)
{
    uint32_t c, separator = 0;
    size_t at = 0, n = 0;

    for (; btz_utf8_next(in, &at, &c); n++) {
        if (n % 2 == 0) {
            BTZ_TRY(btz_buf_add_utf8(out, c));
            continue;
        }
        if (n == 1)
            separator = c;
        if (c != separator || is_letter(c) || (c >= '0' && c <= '9') || c == 0xFFFD)
            return btz_fail(BTZ_INPUT, "spaced: no separator at character %zu", n);
    }
    if (n < 3)
        return btz_fail(BTZ_INPUT, "spaced: %zu characters are too few", n);
    return BTZ_OK;
}

/* ---- leet ---- */

enum btz_err btz_leet_write(struct btz_slice in, struct btz_buf *out)
{
    static const char plain[] = "aeiost", signs[] = "431057";

    for (size_t i = 0; i < in.len; i++) {
        const char *at = is_letter(in.ptr[i]) ? strchr(plain, (int)to_lower(in.ptr[i])) : NULL;

        BTZ_TRY(btz_buf_add_byte(out, at ? (uint8_t)signs[at - plain] : in.ptr[i]));
    }
    return BTZ_OK;
}

enum btz_err btz_leet_read(struct btz_slice in, struct btz_buf *out)
{
    static const char signs[] = "43105728@$!|+(", plain[] = "aeiostzbasiltc";
    size_t changed = 0;

    for (size_t i = 0; i < in.len; i++) {
        const char *at = in.ptr[i] ? strchr(signs, in.ptr[i]) : NULL;
        bool inside =
            i > 0 && i + 1 < in.len && is_letter(in.ptr[i - 1]) && is_letter(in.ptr[i + 1]);

        /* Marks that end sentences and open brackets are letters only between letters. */
        if (at && strchr("!|+(", *at) && !inside)
            at = NULL;
        changed += at != NULL;
        BTZ_TRY(btz_buf_add_byte(out, at ? (uint8_t)plain[at - signs] : in.ptr[i]));
    }
    if (changed == 0)
        return btz_fail(BTZ_INPUT, "leet: no digits for letters");
    return BTZ_OK;
}

/* ---- igpay atinlay ---- */

static bool is_vowel(uint8_t c, bool first)
{
    return strchr("aeiou", (int)to_lower(c)) || (!first && to_lower(c) == 'y');
}

/* Length of the word (letters and inner apostrophes) at `from`. */
static size_t word_length(struct btz_slice in, size_t from)
{
    size_t n = 0;

    while (from + n < in.len && (is_letter(in.ptr[from + n]) ||
                                 (n > 0 && in.ptr[from + n] == '\'' && from + n + 1 < in.len &&
                                  is_letter(in.ptr[from + n + 1]))))
        n++;
    return n;
}

static enum btz_err add_word(const uint8_t *head, size_t head_len, const uint8_t *tail,
                             size_t tail_len, const char *end, bool capital, struct btz_buf *out)
{
    size_t start = out->len;

    BTZ_TRY(btz_buf_add(out, head, head_len));
    BTZ_TRY(btz_buf_add(out, tail, tail_len));
    BTZ_TRY(btz_buf_add_str(out, end));
    if (!capital || out->len == start)
        return BTZ_OK;
    for (size_t i = start; i < out->len; i++)
        out->ptr[i] = (uint8_t)to_lower(out->ptr[i]);
    out->ptr[start] =
        (uint8_t)(is_letter(out->ptr[start]) ? out->ptr[start] & ~0x20 : out->ptr[start]);
    return BTZ_OK;
}

static bool is_capitalised(struct btz_slice word)
{
    return word.len > 1 && !(word.ptr[0] & 0x20) && (word.ptr[1] & 0x20);
}

enum btz_err btz_piglatin_write(struct btz_slice in, struct btz_buf *out)
{
    for (size_t at = 0; at < in.len;) {
        size_t n = word_length(in, at), onset = 0;
        struct btz_slice word = btz_slice_sub(in, at, n);

        if (n == 0) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[at++]));
            continue;
        }
        while (onset < n && !is_vowel(word.ptr[onset], onset == 0))
            onset++;
        if (onset > 0 && onset < n && to_lower(word.ptr[onset - 1]) == 'q' &&
            to_lower(word.ptr[onset]) == 'u')
            onset++;
        BTZ_TRY(add_word(word.ptr + onset, n - onset, word.ptr, onset, onset ? "ay" : "way",
                         is_capitalised(word), out));
        at += n;
    }
    return BTZ_OK;
}

/* Ways English words begin; the longest that ends the rest of a word is taken for its onset. */
static const char *const onsets[] = {
    "squ", "str", "spr", "spl", "scr", "shr", "thr", "sch", "chr", "phr", "bl", "br", "ch",
    "cl",  "cr",  "dr",  "dw",  "fl",  "fr",  "gh",  "gl",  "gn",  "gr",  "kn", "ph", "pl",
    "pr",  "ps",  "qu",  "rh",  "sc",  "sh",  "sk",  "sl",  "sm",  "sn",  "sp", "st", "sw",
    "th",  "tr",  "tw",  "wh",  "wr",  "b",   "c",   "d",   "f",   "g",   "h",  "j",  "k",
    "l",   "m",   "n",   "p",   "r",   "s",   "t",   "v",   "w",   "x",   "y",  "z",
};

static size_t onset_at_end(struct btz_slice word)
{
    for (size_t i = 0; i < BTZ_COUNT(onsets); i++) {
        size_t n = strlen(onsets[i]), k = 0;

        if (n > word.len)
            continue;
        while (k < n && to_lower(word.ptr[word.len - n + k]) == (uint8_t)onsets[i][k])
            k++;
        if (k == n)
            return n;
    }
    return 0;
}

static enum btz_err piglatin_word(struct btz_slice word, struct btz_buf *out)
{
    struct btz_slice rest = btz_slice_sub(word, 0, word.len - 2);
    size_t onset = onset_at_end(rest);

    /* "isway" stands for "is" far more often than for "wis", "it'sway" for "it's". */
    if (rest.len > 1 && to_lower(rest.ptr[rest.len - 1]) == 'w' && is_vowel(rest.ptr[0], true))
        return add_word(rest.ptr, rest.len - 1, NULL, 0, "", is_capitalised(word), out);
    return add_word(rest.ptr + rest.len - onset, onset, rest.ptr, rest.len - onset, "",
                    is_capitalised(word), out);
}

enum btz_err btz_piglatin_read(struct btz_slice in, struct btz_buf *out)
{
    size_t words = 0, latin = 0;

    for (size_t at = 0; at < in.len;) {
        size_t n = word_length(in, at);
        struct btz_slice word = btz_slice_sub(in, at, n);

        if (n == 0) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[at++]));
            continue;
        }
        words++;
        at += n;
        if (n < 3 || to_lower(word.ptr[n - 2]) != 'a' || to_lower(word.ptr[n - 1]) != 'y') {
            BTZ_TRY(btz_buf_add_slice(out, word));
            continue;
        }
        latin++;
        BTZ_TRY(piglatin_word(word, out));
    }
    if (latin == 0 || latin * 2 < words)
        return btz_fail(BTZ_INPUT, "piglatin: %zu of %zu words end in \"ay\"", latin, words);
    return BTZ_OK;
}

/* ---- acrostic ---- */

/* First letters behind each line end (or each space), if there are at least four. */
static enum btz_err initials(struct btz_slice in, bool words, size_t *found, struct btz_buf *out)
{
    bool fresh = true;
    size_t at = 0;
    uint32_t c;

    *found = 0;
    while (btz_utf8_next(in, &at, &c)) {
        bool letter = is_letter(c) || (c >= 0xC0 && c != 0xFFFD && !(c >= 0x2000 && c <= 0x2BFF));

        if (c == '\n' || (words && c == ' ')) {
            fresh = true;
        } else if (fresh && letter) {
            /* Numbers and marks of lists stand in front of the first letter. */
            BTZ_TRY(btz_buf_add_utf8(out, c));
            (*found)++;
            fresh = false;
        }
    }
    return BTZ_OK;
}

enum btz_err btz_acrostic_read(struct btz_slice in, struct btz_buf *out)
{
    size_t before = out->len, found;

    BTZ_TRY(initials(in, false, &found, out));
    if (found >= 4)
        return BTZ_OK;
    out->len = before;
    BTZ_TRY(initials(in, true, &found, out));
    if (found < 4)
        return btz_fail(BTZ_INPUT, "acrostic: fewer than four lines or words");
    return BTZ_OK;
}
