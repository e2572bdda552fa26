/* Letters spelled with other signs: binary digits, Morse (ITU-R M.1677-1), the NATO alphabet (ICAO Annex 10). */
#include "text/codecs.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

/* Next word between white space at or after *at. */
static bool next_word(struct btz_slice in, size_t *at, struct btz_slice *word)
{
    size_t from;

    while (*at < in.len && is_blank(in.ptr[*at]))
        (*at)++;
    from = *at;
    while (*at < in.len && !is_blank(in.ptr[*at]))
        (*at)++;
    *word = btz_slice_sub(in, from, *at - from);
    return word->len > 0;
}

/* ---- binary ---- */

enum btz_err btz_binary_write(struct btz_slice in, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        if (i > 0)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        for (int bit = 7; bit >= 0; bit--)
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)('0' + (in.ptr[i] >> bit & 1))));
    }
    return BTZ_OK;
}

enum btz_err btz_binary_read(struct btz_slice in, struct btz_buf *out)
{
    struct btz_slice group;
    size_t at = 0, groups = 0;

    while (next_word(in, &at, &group)) {
        unsigned width = group.len == 7 ? 7 : 8, value = 0;

        if (group.len % width != 0)
            return btz_fail(BTZ_INPUT, "binary: a group of %zu digits", group.len);
        for (size_t i = 0; i < group.len; i++) {
            if (group.ptr[i] != '0' && group.ptr[i] != '1')
                return btz_fail(BTZ_INPUT, "binary: unexpected byte 0x%02x", group.ptr[i]);
            value = value << 1 | (group.ptr[i] & 1u);
            if ((i + 1) % width == 0) {
                BTZ_TRY(btz_buf_add_byte(out, (uint8_t)value));
                value = 0;
            }
        }
        groups++;
    }
    if (groups == 0)
        return btz_fail(BTZ_INPUT, "binary: no digits");
    return BTZ_OK;
}

/* ---- Morse ---- */

static const struct {
    char letter;
    const char *signs;
} morse[] = {
    { 'a', ".-" },     { 'b', "-..." },   { 'c', "-.-." },   { 'd', "-.." },    { 'e', "." },
    { 'f', "..-." },   { 'g', "--." },    { 'h', "...." },   { 'i', ".." },     { 'j', ".---" },
    { 'k', "-.-" },    { 'l', ".-.." },   { 'm', "--" },     { 'n', "-." },     { 'o', "---" },
    { 'p', ".--." },   { 'q', "--.-" },   { 'r', ".-." },    { 's', "..." },    { 't', "-" },
    { 'u', "..-" },    { 'v', "...-" },   { 'w', ".--" },    { 'x', "-..-" },   { 'y', "-.--" },
    { 'z', "--.." },   { '0', "-----" },  { '1', ".----" },  { '2', "..---" },  { '3', "...--" },
    { '4', "....-" },  { '5', "....." },  { '6', "-...." },  { '7', "--..." },  { '8', "---.." },
    { '9', "----." },  { '.', ".-.-.-" }, { ',', "--..--" }, { '?', "..--.." }, { '\'', ".----." },
    { '!', "-.-.--" }, { '/', "-..-." },  { '(', "-.--." },  { ')', "-.--.-" }, { '&', ".-..." },
    { ':', "---..." }, { ';', "-.-.-." }, { '=', "-...-" },  { '+', ".-.-." },  { '-', "-....-" },
    { '_', "..--.-" }, { '"', ".-..-." }, { '@', ".--.-." },
};

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

enum btz_err btz_morse_write(struct btz_slice in, struct btz_buf *out)
{
    bool first = true, gap = false;

    for (size_t i = 0; i < in.len; i++) {
        char c = lower(in.ptr[i]);

        gap = gap || is_blank(in.ptr[i]);
        for (size_t k = 0; k < BTZ_COUNT(morse); k++) {
            if (morse[k].letter != c)
                continue;
            if (!first)
                BTZ_TRY(btz_buf_add_str(out, gap ? " / " : " "));
            BTZ_TRY(btz_buf_add_str(out, morse[k].signs));
            first = gap = false;
        }
    }
    return BTZ_OK;
}

/* Typographic dots and dashes as ASCII; 0 for other characters. */
static char morse_sign(uint32_t c)
{
    if (c == '.' || c == 0xB7 || c == 0x2022 || c == 0x22C5)
        return '.';
    if (c == '-' || c == '_' || (c >= 0x2010 && c <= 0x2015) || c == 0x2212)
        return '-';
    return 0;
}

static enum btz_err morse_letter(struct btz_slice word, struct btz_buf *out)
{
    char signs[8] = { 0 };
    size_t at = 0, n = 0;
    uint32_t c;

    while (btz_utf8_next(word, &at, &c)) {
        char sign = morse_sign(c);

        if (!sign || n == sizeof signs - 1)
            return btz_fail(BTZ_INPUT, "morse: \"%.*s\" is no letter", BTZ_SLICE_ARG(word));
        signs[n++] = sign;
    }
    for (size_t k = 0; k < BTZ_COUNT(morse); k++)
        if (strcmp(morse[k].signs, signs) == 0)
            return btz_buf_add_byte(out, (uint8_t)morse[k].letter);
    return btz_fail(BTZ_INPUT, "morse: \"%s\" is no letter", signs);
}

enum btz_err btz_morse_read(struct btz_slice in, struct btz_buf *out)
{
    struct btz_slice word;
    size_t at = 0, letters = 0;

    while (next_word(in, &at, &word)) {
        if (btz_slice_is(word, "/") || btz_slice_is(word, "|")) {
            BTZ_TRY(btz_buf_add_byte(out, ' '));
            continue;
        }
        BTZ_TRY(morse_letter(word, out));
        letters++;
    }
    if (letters == 0)
        return btz_fail(BTZ_INPUT, "morse: no letters");
    return BTZ_OK;
}

/* ---- NATO ---- */

static const char *const nato[] = {
    "alfa",    "bravo", "charlie", "delta",  "echo",     "foxtrot", "golf",   "hotel",  "india",
    "juliett", "kilo",  "lima",    "mike",   "november", "oscar",   "papa",   "quebec", "romeo",
    "sierra",  "tango", "uniform", "victor", "whiskey",  "xray",    "yankee", "zulu",   "zero",
    "one",     "two",   "three",   "four",   "five",     "six",     "seven",  "eight",  "nine",
};
/* Other spellings in use. */
static const struct {
    const char *word;
    char letter;
} nato_also[] = {
    { "alpha", 'a' }, { "juliet", 'j' }, { "whisky", 'w' }, { "x-ray", 'x' },
    { "tree", '3' },  { "fower", '4' },  { "fife", '5' },   { "niner", '9' },
};

static bool same_word(struct btz_slice word, const char *name)
{
    size_t n;

    /* Most words differ in the first letter already. */
    if (word.len == 0 || lower(word.ptr[0]) != name[0])
        return false;
    n = strlen(name);
    if (word.len != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(word.ptr[i]) != name[i])
            return false;
    return true;
}

bool btz_nato_letter(struct btz_slice word, char *letter)
{
    for (size_t i = 0; i < BTZ_COUNT(nato); i++) {
        if (same_word(word, nato[i])) {
            *letter = (char)(i < 26 ? 'a' + (int)i : '0' + (int)i - 26);
            return true;
        }
    }
    for (size_t i = 0; i < BTZ_COUNT(nato_also); i++) {
        if (same_word(word, nato_also[i].word)) {
            *letter = nato_also[i].letter;
            return true;
        }
    }
    return false;
}

enum btz_err btz_nato_write(struct btz_slice in, struct btz_buf *out)
{
    bool first = true, gap = false;

    for (size_t i = 0; i < in.len; i++) {
        char c = lower(in.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            gap = gap || is_blank(in.ptr[i]);
            continue;
        }
        if (!first)
            BTZ_TRY(btz_buf_add_str(out, gap ? " / " : " "));
        BTZ_TRY(btz_buf_add_str(out, nato[c >= 'a' ? c - 'a' : c - '0' + 26]));
        first = gap = false;
    }
    return BTZ_OK;
}

enum btz_err btz_nato_read(struct btz_slice in, struct btz_buf *out)
{
    struct btz_slice word;
    size_t at = 0, letters = 0;

    while (next_word(in, &at, &word)) {
        char letter;
        bool comma =
            word.len > 1 && (word.ptr[word.len - 1] == ',' || word.ptr[word.len - 1] == '.');

        if (btz_slice_is(word, "/") || btz_slice_is(word, "|") || btz_slice_is(word, "-")) {
            BTZ_TRY(btz_buf_add_byte(out, ' '));
            continue;
        }
        if (!btz_nato_letter(btz_slice_sub(word, 0, word.len - comma), &letter))
            return btz_fail(BTZ_INPUT, "nato: \"%.*s\" is no letter", BTZ_SLICE_ARG(word));
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)letter));
        letters++;
    }
    if (letters == 0)
        return btz_fail(BTZ_INPUT, "nato: no words");
    return BTZ_OK;
}
