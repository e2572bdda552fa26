/* What an attack may change, and whether it kept to it. */
#include <strings.h>

#include "robust/text.h"

/* The words that TextFooler and its followers leave alone: articles, pronouns, prepositions, auxiliaries, negations. */
static const char *const stop_words[] = {
    "a",       "about", "after", "all",     "also",   "am",    "an",    "and",  "any",   "are",
    "as",      "at",    "be",    "been",    "before", "but",   "by",    "can",  "could", "did",
    "do",      "does",  "for",   "from",    "had",    "has",   "have",  "he",   "her",   "him",
    "his",     "how",   "i",     "if",      "in",     "into",  "is",    "it",   "its",   "may",
    "me",      "might", "my",    "neither", "never",  "no",    "nor",   "not",  "of",    "on",
    "or",      "our",   "she",   "should",  "so",     "some",  "than",  "that", "the",   "their",
    "them",    "then",  "there", "these",   "they",   "this",  "those", "to",   "us",    "was",
    "we",      "were",  "what",  "when",    "where",  "which", "who",   "why",  "will",  "with",
    "without", "would", "you",   "your",
};

static bool same(struct btz_slice word, const char *text)
{
    return strlen(text) == word.len && strncasecmp(text, (const char *)word.ptr, word.len) == 0;
}

bool btz_text_touchable(const struct btz_text_limits *l, struct btz_slice word)
{
    size_t length = btz_word_length(word);

    if (length < l->least || length >= BTZ_TEXT_WORD_MAX)
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (word.ptr[i] >= '0' && word.ptr[i] <= '9')
            return false;
    for (size_t i = 0; !l->stop_words && i < BTZ_COUNT(stop_words); i++)
        if (same(word, stop_words[i]))
            return false;
    for (size_t i = 0; i < l->keep_count; i++)
        if (same(word, l->keep[i]))
            return false;
    return true;
}

size_t btz_text_words_max(const struct btz_text_limits *l, size_t words)
{
    size_t n = (size_t)(l->words * (double)words + 1e-9);

    return n ? n : 1;
}

/* Bytes before word i and after the one before it; i = count: behind the last. */
static struct btz_slice gap(const struct btz_words *w, size_t i)
{
    const uint8_t *from = i ? w->word[i - 1].ptr + w->word[i - 1].len : w->text.ptr;
    const uint8_t *to = i < w->count ? w->word[i].ptr : w->text.ptr + w->text.len;

    return btz_slice_of(from, (size_t)(to - from));
}

static bool is_synonym(const struct btz_synonyms *s, struct btz_slice word, struct btz_slice other)
{
    size_t count;
    const struct btz_slice *list = btz_synonyms_of(s, word, &count);

    for (size_t i = 0; i < count; i++)
        if (list[i].len == other.len &&
            strncasecmp((const char *)list[i].ptr, (const char *)other.ptr, other.len) == 0)
            return true;
    return false;
}

static bool has_character(struct btz_slice word, uint32_t wanted)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(word, &at, &c))
        if (c == wanted)
            return true;
    return false;
}

/* What is wrong with one word, or NULL. */
static const char *wrong_word(const struct btz_text_limits *l, const struct btz_synonyms *s,
                              struct btz_slice word, struct btz_slice other)
{
    size_t at = 0;
    uint32_t c;

    if (!btz_text_touchable(l, word))
        return "a word was changed that must not be";
    while (btz_utf8_next(other, &at, &c)) {
        if (c >= '0' && c <= '9')
            return "a digit came in";
        if (l->ascii && c >= 0x80 && !has_character(word, c))
            return "something else than ASCII came in";
    }
    if (is_synonym(s, word, other))
        return NULL;
    return btz_word_distance(word, other, true) > l->edits ? "too many edits of one word" : NULL;
}

static const char *compare(const struct btz_text_limits *l, const struct btz_synonyms *s,
                           const struct btz_words *a, const struct btz_words *b, size_t *words)
{
    size_t distance = 0;

    if (a->count != b->count)
        return "words were joined or split";
    for (size_t i = 0; i <= a->count; i++) {
        const char *wrong;
        size_t far;

        if (!btz_slice_equal(gap(a, i), gap(b, i)))
            return "something between the words was changed";
        if (i == a->count || btz_slice_equal(a->word[i], b->word[i]))
            continue;
        wrong = wrong_word(l, s, a->word[i], b->word[i]);
        if (wrong)
            return wrong;
        ++*words;
        far = btz_word_distance(a->word[i], b->word[i], false);
        distance = far == SIZE_MAX ? SIZE_MAX / 2 : distance + far;
    }
    if (*words > btz_text_words_max(l, a->count))
        return "too many words were changed";
    return l->distance && distance > l->distance ? "the texts are too far from each other" : NULL;
}

enum btz_err btz_text_verify(const struct btz_text_limits *l, const struct btz_synonyms *s,
                             struct btz_slice text, struct btz_slice changed, bool *kept,
                             size_t *words, char why[160])
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_words a, b;
    const char *wrong;

    *kept = false;
    *words = 0;
    btz_arena_init(&arena, (size_t)4 << 20);
    BTZ_TRY(btz_words_of(text, &arena, &a));
    wrong = changed.len > BTZ_TEXT_BYTES_MAX ? "the text is too long"
            : !btz_is_utf8(changed)          ? "the text is not well-formed UTF-8"
                                             : NULL;
    if (!wrong) {
        BTZ_TRY(btz_words_of(changed, &arena, &b));
        wrong = compare(l, s, &a, &b, words);
    }
    *kept = !wrong;
    snprintf(why, 160, "%s", wrong ? wrong : "");
    return BTZ_OK;
}
