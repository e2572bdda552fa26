/* Texts as words, and how far words are from each other. */
#include "robust/text.h"

static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return c > 0xbf && c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c <= 0x206f) &&
           !(c >= 0x3000 && c <= 0x303f) && c != 0xfeff && c != 0xfffd && c != 0x1680;
}

static bool is_apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2019;
}

/* An apostrophe belongs to the word it stands within. */
static size_t end_of_word(struct btz_slice text, size_t at)
{
    size_t end = at, next = at;
    uint32_t c;

    while (btz_utf8_next(text, &next, &c)) {
        if (is_letter(c))
            end = next;
        else if (!is_apostrophe(c))
            break;
        else {
            size_t after = next;

            if (!btz_utf8_next(text, &after, &c) || !is_letter(c))
                break;
        }
    }
    return end;
}

enum btz_err btz_words_of(struct btz_slice text, struct btz_arena *arena, struct btz_words *out)
{
    size_t room = text.len / 2 + 1, at = 0, next = 0;
    uint32_t c;

    if (text.len > BTZ_TEXT_BYTES_MAX)
        return btz_fail(BTZ_LIMIT, "a text of %zu bytes; at most %d", text.len, BTZ_TEXT_BYTES_MAX);
    if (!btz_is_utf8(text))
        return btz_fail(BTZ_INPUT, "a text is not well-formed UTF-8");
    room = room < BTZ_TEXT_WORDS_MAX ? room : BTZ_TEXT_WORDS_MAX;
    *out =
        (struct btz_words){ .text = text, .word = btz_arena_array(arena, room, sizeof *out->word) };
    if (!out->word)
        return BTZ_LIMIT;
    for (; out->count < room && btz_utf8_next(text, &next, &c); at = next)
        if (is_letter(c)) {
            next = end_of_word(text, at);
            out->word[out->count++] = btz_slice_sub(text, at, next - at);
        }
    return BTZ_OK;
}

size_t btz_word_length(struct btz_slice word)
{
    size_t n = 0, at = 0;
    uint32_t c;

    while (btz_utf8_next(word, &at, &c))
        n++;
    return n;
}

static size_t decode(struct btz_slice s, uint32_t out[BTZ_TEXT_WORD_MAX])
{
    size_t n = 0, at = 0;
    uint32_t c;

    while (btz_utf8_next(s, &at, &c)) {
        if (n == BTZ_TEXT_WORD_MAX)
            return SIZE_MAX;
        out[n++] = c;
    }
    return n;
}

size_t btz_word_distance(struct btz_slice a, struct btz_slice b, bool swaps)
{
    uint32_t x[BTZ_TEXT_WORD_MAX], y[BTZ_TEXT_WORD_MAX];
    size_t rows[3][BTZ_TEXT_WORD_MAX + 1];
    size_t n = decode(a, x), m = decode(b, y);

    if (n == SIZE_MAX || m == SIZE_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (x[i - 1] != y[j - 1]);

            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (swaps && i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

bool btz_text_is_word(struct btz_slice s)
{
    size_t at = 0;
    uint32_t c;

    return s.len && btz_is_utf8(s) && btz_utf8_next(s, &at, &c) && is_letter(c) &&
           end_of_word(s, 0) == s.len;
}
