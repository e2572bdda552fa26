/* Ciphers over a stretch of text. The caller keeps what turns out to be readable. */
#include "demo/understand.h"

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum btz_err shift_letters(struct btz_slice in, unsigned by, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i], base = c >= 'a' ? 'a' : 'A';

        BTZ_TRY(btz_buf_add_byte(out, is_letter(c) ? (uint8_t)(base + (c - base + by) % 26) : c));
    }
    return BTZ_OK;
}

static enum btz_err read_rot13(const struct btz_demo_lexicon *x, struct btz_slice in,
                               struct btz_buf *out)
{
    (void)x;
    return shift_letters(in, 13, out);
}

/* The shift whose text has most known words. */
static enum btz_err read_caesar(const struct btz_demo_lexicon *x, struct btz_slice in,
                                struct btz_buf *out)
{
    struct btz_slice sample = btz_slice_sub(in, 0, 120);
    unsigned best = 13;
    double best_share = 0;

    for (unsigned by = 1; by < 26; by++) {
        BTZ_BUF_RELEASE struct btz_buf trial = BTZ_BUF(256);
        size_t words;
        double share;

        BTZ_TRY(shift_letters(sample, by, &trial));
        share = btz_demo_known_share(x, btz_buf_slice(&trial), &words);
        if (share > best_share) {
            best_share = share;
            best = by;
        }
    }
    return shift_letters(in, best, out);
}

static enum btz_err read_atbash(const struct btz_demo_lexicon *x, struct btz_slice in,
                                struct btz_buf *out)
{
    (void)x;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];

        if (is_letter(c))
            c = c >= 'a' ? (uint8_t)('a' + 'z' - c) : (uint8_t)('A' + 'Z' - c);
        BTZ_TRY(btz_buf_add_byte(out, c));
    }
    return BTZ_OK;
}

static enum btz_err add_reversed(struct btz_slice in, struct btz_buf *out)
{
    for (size_t end = in.len; end > 0;) {
        size_t at = end - 1;

        while (at > 0 && (in.ptr[at] & 0xC0) == 0x80)
            at--;
        BTZ_TRY(btz_buf_add(out, in.ptr + at, end - at));
        end = at;
    }
    return BTZ_OK;
}

static enum btz_err read_reverse(const struct btz_demo_lexicon *x, struct btz_slice in,
                                 struct btz_buf *out)
{
    (void)x;
    return add_reversed(in, out);
}

/* Applies `word` to each stretch without white space. */
static enum btz_err each_word(struct btz_slice in,
                              enum btz_err (*word)(struct btz_slice, struct btz_buf *),
                              struct btz_buf *out)
{
    for (size_t i = 0; i < in.len;) {
        size_t start = i;

        while (i < in.len && in.ptr[i] > ' ')
            i++;
        if (i > start)
            BTZ_TRY(word(btz_slice_sub(in, start, i - start), out));
        else
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
    }
    return BTZ_OK;
}

static enum btz_err read_reverse_words(const struct btz_demo_lexicon *x, struct btz_slice in,
                                       struct btz_buf *out)
{
    (void)x;
    return each_word(in, add_reversed, out);
}

/* The last word first. */
static enum btz_err read_word_order(const struct btz_demo_lexicon *x, struct btz_slice in,
                                    struct btz_buf *out)
{
    (void)x;
    for (size_t end = in.len; end > 0;) {
        size_t at = end;

        while (at > 0 && in.ptr[at - 1] > ' ')
            at--;
        BTZ_TRY(btz_buf_add(out, in.ptr + at, end - at));
        if (at > 0)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        end = at > 0 ? at - 1 : 0;
    }
    return BTZ_OK;
}

static char leet_letter(uint8_t c, char one)
{
    static const char from[] = "43057@$+8962!|", to[] = "aeostastbggzil";
    const char *at = c ? strchr(from, c) : NULL;

    if (c == '1')
        return one;
    return at ? to[at - from] : 0;
}

/* A word with digits or signs in it; pure numbers stay numbers. */
static enum btz_err leet_word(struct btz_slice in, char one, struct btz_buf *out)
{
    size_t letters = 0, end = in.len;

    for (size_t i = 0; i < in.len; i++)
        letters += is_letter(in.ptr[i]);
    /* An exclamation mark at the end is one. */
    while (letters > 0 && end > 0 && in.ptr[end - 1] == '!')
        end--;
    for (size_t i = 0; i < in.len; i++) {
        char c = letters > 0 && i < end ? leet_letter(in.ptr[i], one) : 0;

        BTZ_TRY(btz_buf_add_byte(out, c ? (uint8_t)c : in.ptr[i]));
    }
    return BTZ_OK;
}

static bool is_known(const struct btz_demo_lexicon *x, struct btz_slice word)
{
    size_t words;

    return btz_demo_known_share(x, word, &words) > 0 && words == 1;
}

/* "1" may be i or l: known words decide, else `one`. A digit alone is a letter only as "4" and "1". */
static enum btz_err read_leet_as(const struct btz_demo_lexicon *x, struct btz_slice in, char one,
                                 struct btz_buf *out)
{
    for (size_t i = 0; i < in.len;) {
        size_t start = i, before = out->len;
        struct btz_slice word;

        while (i < in.len && in.ptr[i] > ' ')
            i++;
        if (i == start) {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
            continue;
        }
        word = btz_slice_sub(in, start, i - start);
        BTZ_TRY(leet_word(word, one, out));
        if (memchr(word.ptr, '1', word.len)) {
            BTZ_BUF_RELEASE struct btz_buf other = BTZ_BUF(SIZE_MAX);

            BTZ_TRY(leet_word(word, one == 'i' ? 'l' : 'i', &other));
            if (!is_known(x, btz_slice_of(out->ptr + before, out->len - before)) &&
                is_known(x, btz_buf_slice(&other))) {
                out->len = before;
                BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&other)));
            }
        }
    }
    return BTZ_OK;
}

static enum btz_err read_leet(const struct btz_demo_lexicon *x, struct btz_slice in,
                              struct btz_buf *out)
{
    return read_leet_as(x, in, 'i', out);
}

static enum btz_err read_leet_l(const struct btz_demo_lexicon *x, struct btz_slice in,
                                struct btz_buf *out)
{
    return read_leet_as(x, in, 'l', out);
}

/* Groups of consonants English words begin with, longest first where one ends another. */
static const char *const onsets[] = { "thr", "shr", "str", "spr", "spl", "scr", "squ", "sch",
                                      "qu",  "th",  "sh",  "ch",  "wh",  "ph",  "wr",  "kn",
                                      "br",  "cr",  "dr",  "fr",  "gr",  "pr",  "tr",  "bl",
                                      "cl",  "fl",  "gl",  "pl",  "sl",  "sc",  "sk",  "sm",
                                      "sn",  "sp",  "st",  "sw",  "tw",  "dw",  "gn" };

/* "intpray" -> "print": the end before "ay" goes to the front. */
static enum btz_err pig_word(const struct btz_demo_lexicon *x, struct btz_slice body,
                             struct btz_buf *out)
{
    size_t stem, moved = 1, before = out->len;
    bool capital = body.ptr[0] >= 'A' && body.ptr[0] <= 'Z';
    uint8_t copy[48];

    if (body.len < 3 || body.len > sizeof copy || (body.ptr[body.len - 2] | 32) != 'a' ||
        (body.ptr[body.len - 1] | 32) != 'y')
        return btz_buf_add_slice(out, body);
    stem = body.len - 2;
    memcpy(copy, body.ptr, body.len);
    if (capital && !(body.ptr[1] >= 'A' && body.ptr[1] <= 'Z'))
        copy[0] |= 32;
    for (size_t i = 0; i < BTZ_COUNT(onsets); i++) {
        size_t n = strlen(onsets[i]);

        if (stem > n && strncasecmp((const char *)copy + stem - n, onsets[i], n) == 0) {
            moved = n;
            break;
        }
    }
    /* A word that begins with a vowel only got "way", "yay" or "ay". */
    if (is_known(x, btz_slice_of(copy, stem)))
        return btz_buf_add(out, copy, stem);
    if ((copy[stem - 1] == 'w' || copy[stem - 1] == 'y') && stem > 1 &&
        is_known(x, btz_slice_of(copy, stem - 1)))
        return btz_buf_add(out, copy, stem - 1);
    for (size_t n = 1; n <= 3 && n < stem; n++) {
        BTZ_TRY(btz_buf_add(out, copy + stem - n, n));
        BTZ_TRY(btz_buf_add(out, copy, stem - n));
        if (is_known(x, btz_slice_of(out->ptr + before, out->len - before)))
            return BTZ_OK;
        out->len = before;
    }
    if (moved >= stem)
        moved = 1;
    BTZ_TRY(btz_buf_add(out, copy + stem - moved, moved));
    BTZ_TRY(btz_buf_add(out, copy, stem - moved));
    if (capital)
        out->ptr[before] &= (uint8_t)~32u;
    return BTZ_OK;
}

static enum btz_err read_pig_latin(const struct btz_demo_lexicon *x, struct btz_slice in,
                                   struct btz_buf *out)
{
    for (size_t i = 0; i < in.len;) {
        size_t start = i;

        while (i < in.len && is_letter(in.ptr[i]))
            i++;
        if (i > start)
            BTZ_TRY(pig_word(x, btz_slice_sub(in, start, i - start), out));
        else
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
    }
    return BTZ_OK;
}

/* Base 85 as Adobe and Python write it, with or without the frame. */
static enum btz_err read_ascii85(const struct btz_demo_lexicon *x, struct btz_slice in,
                                 struct btz_buf *out)
{
    uint64_t group = 0;
    unsigned held = 0;
    size_t i = 0;

    (void)x;
    if (btz_slice_has_prefix(in, btz_str("<~")))
        i = 2;
    for (; i <= in.len; i++) {
        uint8_t c = i < in.len ? in.ptr[i] : '~';

        if (c == 'z' && held == 0) {
            BTZ_TRY(btz_buf_add(out, "\0\0\0\0", 4));
            continue;
        }
        if (c >= '!' && c <= 'u') {
            group = group * 85 + (uint64_t)(c - '!');
            held++;
        }
        if (held == 5 || (c == '~' && held > 1)) {
            unsigned keep = held - 1;

            for (; held < 5; held++)
                group = group * 85 + 84;
            for (unsigned k = 0; k < keep; k++)
                BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(group >> (24 - 8 * k))));
            group = 0;
            held = 0;
        }
        if (c == '~')
            break;
    }
    return BTZ_OK;
}

/* The lines of uuencode: a length, then three bytes in four characters. */
static enum btz_err read_uu(const struct btz_demo_lexicon *x, struct btz_slice in,
                            struct btz_buf *out)
{
    struct btz_reader lines = { .in = in, .what = "uu" };
    struct btz_slice line;

    (void)x;
    while (btz_read_line(&lines, &line)) {
        size_t want;

        if (line.len < 2 || btz_slice_has_prefix(line, btz_str("begin ")) ||
            btz_slice_is(line, "end"))
            continue;
        want = (size_t)((line.ptr[0] - 32) & 63);
        for (size_t i = 1; i + 3 < line.len && want > 0; i += 4) {
            uint32_t bits = 0;

            for (size_t k = 0; k < 4; k++)
                bits = bits << 6 | (uint32_t)((line.ptr[i + k] - 32) & 63);
            for (unsigned k = 0; k < 3 && want > 0; k++, want--)
                BTZ_TRY(btz_buf_add_byte(out, (uint8_t)(bits >> (16 - 8 * k))));
        }
    }
    return BTZ_OK;
}

/* "combineKestrelAndMarble". */
static enum btz_err read_camel(const struct btz_demo_lexicon *x, struct btz_slice in,
                               struct btz_buf *out)
{
    (void)x;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];

        if (i > 0 && c >= 'A' && c <= 'Z' && is_letter(in.ptr[i - 1]) && in.ptr[i - 1] >= 'a') {
            BTZ_TRY(btz_buf_add_byte(out, ' '));
            c |= 32;
        }
        BTZ_TRY(btz_buf_add_byte(out, c));
    }
    return BTZ_OK;
}

/* The first letter of each line, spaces where a line is empty. */
static enum btz_err read_acrostic(const struct btz_demo_lexicon *x, struct btz_slice in,
                                  struct btz_buf *out)
{
    struct btz_reader lines = { .in = in, .what = "acrostic" };
    struct btz_slice line;

    (void)x;
    while (btz_read_line(&lines, &line)) {
        line = btz_slice_trim(line);
        BTZ_TRY(btz_buf_add_byte(out, line.len ? line.ptr[0] : ' '));
    }
    return BTZ_OK;
}

const struct btz_demo_cipher btz_demo_ciphers[] = {
    { "rot13", "rot13 rot-13 rot", read_rot13 },
    { "caesar", "caesar shifted shift", read_caesar },
    { "atbash", "atbash", read_atbash },
    { "reverse", "reverse reversed backwards backward mirrored", read_reverse },
    { "reversed words", "reverse reversed backwards backward mirrored", read_reverse_words },
    { "word order", "order flipped reversed", read_word_order },
    { "leet", "leet leetspeak 1337", read_leet },
    { "leet l", "leet leetspeak 1337", read_leet_l },
    { "pig latin", "pig latin", read_pig_latin },
    { "ascii85", "ascii85 base85 a85 ascii-85", read_ascii85 },
    { "uu", "uu uuencode uuencoded uudecode", read_uu },
    { "camel case", "camel camelcase", read_camel },
    { "acrostic", "acrostic line", read_acrostic },
};
const size_t btz_demo_cipher_count = BTZ_COUNT(btz_demo_ciphers);
