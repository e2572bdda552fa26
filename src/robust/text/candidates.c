/* Words in place of a word: edits of one character, and synonyms. */
#include <stdlib.h>

#include "robust/text/search.h"

#define CANDIDATES_MAX 1024 /* a word */

/* Neighbours on a QWERTY keyboard. */
static const char *const keyboard[26] = {
    "qwsz",   "vghn",  "xdfv", "erfcxs", "wsdr", "rtgvcd", "tyhbvf", "yujnbg", "ujko",
    "uikmnh", "ijolm", "kop",  "njk",    "bhjm", "iklp",   "ol",     "wa",     "edft",
    "wedxza", "rfgy",  "yhji", "cfgb",   "qase", "zsdc",   "tghu",   "asx",
};
/* Pairs of Unicode's intentional.txt and of UTS #39 confusables.txt (version 15); l and i for ASCII. */
static const struct {
    char ascii;
    uint32_t look[2];
} looks[] = {
    { 'a', { 0x430, 0 } },   { 'c', { 0x441, 0 } }, { 'e', { 0x435, 0 } }, { 'i', { 0x456, 'l' } },
    { 'j', { 0x458, 0 } },   { 'l', { 'i', 0 } },   { 'o', { 0x43e, 0 } }, { 'p', { 0x440, 0 } },
    { 's', { 0x455, 0 } },   { 'x', { 0x445, 0 } }, { 'y', { 0x443, 0 } }, { 'A', { 0x410, 0 } },
    { 'B', { 0x412, 0 } },   { 'C', { 0x421, 0 } }, { 'E', { 0x415, 0 } }, { 'H', { 0x41d, 0 } },
    { 'I', { 0x406, 'l' } }, { 'J', { 0x408, 0 } }, { 'K', { 0x39a, 0 } }, { 'M', { 0x41c, 0 } },
    { 'N', { 0x39d, 0 } },   { 'O', { 0x41e, 0 } }, { 'P', { 0x420, 0 } }, { 'S', { 0x405, 0 } },
    { 'T', { 0x422, 0 } },   { 'X', { 0x425, 0 } }, { 'Y', { 0x3a5, 0 } }, { 'Z', { 0x396, 0 } },
};

struct makes {
    struct btz_search *s;
    size_t at;
    uint32_t c[BTZ_TEXT_WORD_MAX];
    size_t n;
    struct btz_trial *list;
    size_t count;
};

static bool is_ascii(struct btz_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= 0x80)
            return false;
    return true;
}

/* Keeps it unless it is the word itself or there already. */
static void keep(struct makes *m, struct btz_slice word)
{
    if (m->count == CANDIDATES_MAX || btz_slice_equal(word, m->s->words.word[m->at]))
        return;
    for (size_t i = 0; i < m->count; i++)
        if (btz_slice_equal(m->list[i].word, word))
            return;
    if (!btz_text_is_word(word) || (m->s->job->limits->ascii && !is_ascii(word)))
        return;
    m->list[m->count++] = (struct btz_trial){ .at = m->at, .word = word };
}

/* The word with `del` characters at `i` left out and `c` (0: nothing) in their place. */
static enum btz_err splice(struct makes *m, size_t i, size_t del, uint32_t c, uint32_t d)
{
    BTZ_BUF_RELEASE struct btz_buf word = BTZ_BUF(8 * BTZ_TEXT_WORD_MAX);
    struct btz_slice copy;

    for (size_t k = 0; k <= m->n; k++) {
        if (k == i && c)
            BTZ_TRY(btz_buf_add_utf8(&word, c));
        if (k == i && d)
            BTZ_TRY(btz_buf_add_utf8(&word, d));
        if (k < m->n && !(k >= i && k < i + del))
            BTZ_TRY(btz_buf_add_utf8(&word, m->c[k]));
    }
    BTZ_TRY(btz_arena_copy(&m->s->arena, btz_buf_slice(&word), &copy));
    keep(m, copy);
    return BTZ_OK;
}

static enum btz_err look_alikes(struct makes *m, size_t i)
{
    for (size_t k = 0; k < BTZ_COUNT(looks); k++)
        for (size_t j = 0; j < 2 && m->c[i] == (uint32_t)looks[k].ascii; j++)
            if (looks[k].look[j])
                BTZ_TRY(splice(m, i, 1, looks[k].look[j], 0));
    return BTZ_OK;
}

static enum btz_err neighbours(struct makes *m, size_t i)
{
    uint32_t c = m->c[i] | 0x20, upper = m->c[i] < 0x80 ? 0x20 & ~m->c[i] : 0;

    for (const char *k = c >= 'a' && c <= 'z' && m->c[i] < 0x80 ? keyboard[c - 'a'] : ""; *k; k++)
        BTZ_TRY(splice(m, i, 1, (uint32_t)*k - upper, 0));
    return BTZ_OK;
}

/* All that `kind` makes at character i, if anything. */
static enum btz_err edit(struct makes *m, unsigned kind, size_t i)
{
    bool inside = i > 0 && i + 1 < m->n;
    uint32_t letter = 'a' + btz_rng_below(&m->s->rng, 26);

    switch (kind) {
    case BTZ_EDIT_SWAP:
        return inside && i + 2 < m->n ? splice(m, i, 2, m->c[i + 1], m->c[i]) : BTZ_OK;
    case BTZ_EDIT_DELETE:
        return inside ? splice(m, i, 1, 0, 0) : BTZ_OK;
    case BTZ_EDIT_INSERT:
        return i > 0 ? splice(m, i, 0, letter, 0) : BTZ_OK;
    case BTZ_EDIT_LETTER:
        return inside ? splice(m, i, 1, letter, 0) : BTZ_OK;
    case BTZ_EDIT_KEYBOARD:
        return inside ? neighbours(m, i) : BTZ_OK;
    default:
        return look_alikes(m, i);
    }
}

static enum btz_err edits(struct makes *m, unsigned kinds, bool draw)
{
    for (unsigned kind = BTZ_EDIT_SWAP; kind <= BTZ_EDIT_LOOK; kind <<= 1) {
        uint32_t begin = draw && m->n ? btz_rng_below(&m->s->rng, (uint32_t)m->n) : 0;
        size_t had = m->count;

        for (size_t i = 0; i < m->n && (kinds & kind); i++) {
            BTZ_TRY(edit(m, kind, (begin + i) % m->n));
            if (draw && m->count > had)
                break;
        }
    }
    return BTZ_OK;
}

/* As the word it replaces begins, so does the synonym. */
static enum btz_err synonyms(struct makes *m)
{
    struct btz_slice word = m->s->words.word[m->at];
    size_t count;
    const struct btz_slice *list = btz_synonyms_of(m->s->job->synonyms, word, &count);

    for (size_t i = 0; i < count; i++) {
        struct btz_slice copy;
        char *text = btz_arena_str(&m->s->arena, list[i]);

        if (!text)
            return BTZ_LIMIT;
        copy = btz_str(text);
        if (word.ptr[0] >= 'A' && word.ptr[0] <= 'Z' && text[0] >= 'a' && text[0] <= 'z')
            text[0] = (char)(text[0] - 'a' + 'A');
        keep(m, copy);
    }
    return BTZ_OK;
}

enum btz_err btz_search_candidates(struct btz_search *s, size_t at, unsigned kinds, bool draw,
                                   struct btz_trial **out, size_t *count)
{
    struct makes m = { .s = s, .at = at };
    struct btz_trial room[CANDIDATES_MAX];
    struct btz_slice word = s->words.word[at];
    size_t next = 0;

    m.list = room;
    while (m.n < BTZ_TEXT_WORD_MAX - 1 && btz_utf8_next(word, &next, &m.c[m.n]))
        m.n++;
    if ((kinds & BTZ_EDIT_SYNONYM) && s->job->synonyms)
        BTZ_TRY(synonyms(&m));
    if (s->job->limits->edits)
        BTZ_TRY(edits(&m, kinds, draw));
    *out = btz_arena_array(&s->arena, m.count + 1, sizeof **out);
    if (!*out)
        return BTZ_LIMIT;
    memcpy(*out, room, m.count * sizeof **out);
    *count = m.count;
    return BTZ_OK;
}
