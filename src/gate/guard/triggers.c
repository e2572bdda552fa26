/*
 * Many words in one pass. A bit for each hash of three bytes says whether a trigger may begin there: for almost all places
 * none does, and that is a load without a chain of dependences, so it costs about a cycle a byte. Where one may, the few
 * triggers with the same first two bytes are compared.
 */
#include <stdlib.h>

#include "gate/guard/triggers.h"
#include "gate/guard/view.h"

enum { BITS = 16, WORDS_MAX = 65535 };

struct word {
    char text[BTZ_TRIGGER_LEN_MAX + 1], exact[BTZ_TRIGGER_LEN_MAX + 1];
    uint8_t len, detector, flags;
    uint16_t id;
};
struct btz_triggers {
    struct word *words; /* by text, once built */
    size_t count, cap, longest;
    unsigned owner;
    uint32_t owners;
    uint16_t start[65537]; /* by the first two bytes */
    uint8_t *third;        /* bytes of the words, 0: it has two */
    /* Where one may begin at all, and where one may within a word. */
    uint64_t bits[(1 << BITS) / 64], inside[(1 << BITS) / 64];
};

enum btz_err btz_triggers_new(struct btz_triggers **out)
{
    struct btz_triggers *t = calloc(1, sizeof *t);

    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory for triggers");
    *out = t;
    return BTZ_OK;
}

void btz_triggers_free(struct btz_triggers *t)
{
    if (!t)
        return;
    free(t->words);
    free(t->third);
    free(t);
}

void btz_triggers_owner(struct btz_triggers *t, unsigned detector)
{
    t->owner = detector;
}

bool btz_triggers_has(const struct btz_triggers *t, unsigned detector)
{
    return t->owners >> detector & 1;
}

enum btz_err btz_triggers_add(struct btz_triggers *t, const char *text, uint16_t id, unsigned flags)
{
    size_t len = strlen(text);

    if (len < 2 || len > BTZ_TRIGGER_LEN_MAX)
        return btz_fail(BTZ_USAGE, "trigger `%s` of %zu bytes: 2 to %d", text, len,
                        BTZ_TRIGGER_LEN_MAX);
    if (t->count == WORDS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d triggers", WORDS_MAX);
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        struct word *grown = realloc(t->words, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu triggers", cap);
        t->words = grown;
        t->cap = cap;
    }
    t->words[t->count] = (struct word){
        .len = (uint8_t)len, .detector = (uint8_t)t->owner, .flags = (uint8_t)flags, .id = id
    };
    memcpy(t->words[t->count].exact, text, len);
    btz_view_fold((const uint8_t *)text, len, (uint8_t *)t->words[t->count].text);
    t->count++;
    t->longest = len > t->longest ? len : t->longest;
    t->owners |= 1u << t->owner;
    return BTZ_OK;
}

static uint32_t hash_of(uint8_t a, uint8_t b, uint8_t c)
{
    return ((uint32_t)a | (uint32_t)b << 8 | (uint32_t)c << 16) * 2654435761u >> (32 - BITS);
}

static void set(struct btz_triggers *t, const struct word *w, uint32_t hash)
{
    t->bits[hash / 64] |= (uint64_t)1 << (hash % 64);
    if (!(w->flags & BTZ_TRIGGER_WORD))
        t->inside[hash / 64] |= (uint64_t)1 << (hash % 64);
}

static int by_text(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : (int)x->detector - (int)y->detector;
}

static size_t pair_of(const char *text)
{
    return (size_t)((uint8_t)text[0] << 8 | (uint8_t)text[1]);
}

enum btz_err btz_triggers_build(struct btz_triggers *t)
{
    size_t w = 0;

    if (t->count > 0)
        qsort(t->words, t->count, sizeof *t->words, by_text);
    for (size_t pair = 0; pair <= 65536; pair++) {
        while (w < t->count && pair_of(t->words[w].text) < pair)
            w++;
        t->start[pair] = (uint16_t)w;
    }
    t->third = malloc(t->count + 1);
    if (!t->third)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu triggers", t->count);
    for (w = 0; w < t->count; w++) {
        const uint8_t *p = (const uint8_t *)t->words[w].text;

        t->third[w] = p[2];
        if (t->words[w].len > 2)
            set(t, &t->words[w], hash_of(p[0], p[1], p[2]));
        else
            for (unsigned c = 0; c < 256; c++)
                set(t, &t->words[w], hash_of(p[0], p[1], (uint8_t)c));
    }
    return BTZ_OK;
}

static bool in_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           c >= 0x80;
}

static enum btz_err mark(struct btz_marks *m, size_t at, const struct word *w)
{
    if (m->count == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 32;
        struct btz_mark *grown = realloc(m->at, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu places", cap);
        m->at = grown;
        m->cap = cap;
    }
    m->at[m->count++] = (struct btz_mark){ (uint32_t)at, w->id, w->len };
    return BTZ_OK;
}

static enum btz_err compare(const struct btz_triggers *t, struct btz_slice in, size_t at,
                            bool inside, struct btz_marks *marks)
{
    size_t pair = (size_t)(in.ptr[at] << 8 | in.ptr[at + 1]), left = in.len - at;
    uint8_t third = left > 2 ? in.ptr[at + 2] : 0;

    for (size_t w = t->start[pair]; w < t->start[pair + 1]; w++) {
        const struct word *word;

        if (t->third[w] != third && t->third[w] != 0)
            continue;
        word = &t->words[w];
        if (word->len <= left && !((word->flags & BTZ_TRIGGER_WORD) && inside) &&
            memcmp(in.ptr + at, word->text, word->len) == 0)
            BTZ_TRY(mark(&marks[word->detector], at, word));
    }
    return BTZ_OK;
}

/* At a place where one may begin. */
static enum btz_err look(const struct btz_triggers *t, struct btz_slice in, size_t at,
                         uint32_t hash, struct btz_marks *marks)
{
    bool inside = at > 0 && in_word(in.ptr[at - 1]);

    if (inside && !(t->inside[hash / 64] >> (hash % 64) & 1))
        return BTZ_OK;
    return compare(t, in, at, inside, marks);
}

enum btz_err btz_triggers_scan(const struct btz_triggers *t, struct btz_slice folded,
                               struct btz_marks marks[BTZ_DETECTORS_MAX])
{
    size_t i = 0;

    for (size_t d = 0; d < BTZ_DETECTORS_MAX; d++)
        marks[d].count = 0;
    for (; i + 4 <= folded.len; i++) {
        uint32_t four, h;

        memcpy(&four, folded.ptr + i, 4);
        h = hash_of((uint8_t)four, (uint8_t)(four >> 8), (uint8_t)(four >> 16));
        if (t->bits[h / 64] >> (h % 64) & 1)
            BTZ_TRY(look(t, folded, i, h, marks));
    }
    for (; i + 2 < folded.len; i++) {
        uint32_t h = hash_of(folded.ptr[i], folded.ptr[i + 1], folded.ptr[i + 2]);

        if (t->bits[h / 64] >> (h % 64) & 1)
            BTZ_TRY(look(t, folded, i, h, marks));
    }
    if (i + 1 >= folded.len)
        return BTZ_OK;
    return compare(t, folded, i, i > 0 && in_word(folded.ptr[i - 1]), marks);
}

void btz_triggers_tail(const struct btz_triggers *t, struct btz_slice folded, const uint8_t *text,
                       size_t first[BTZ_DETECTORS_MAX])
{
    size_t from = folded.len >= t->longest ? folded.len - t->longest + 1 : 0;

    if (t->longest == 0)
        return;
    for (size_t at = from; at < folded.len; at++) {
        size_t left = folded.len - at, low = (size_t)folded.ptr[at] << 8;
        size_t high = left > 1 ? (low | folded.ptr[at + 1]) + 1 : low + 256;
        bool inside = at > 0 && in_word(folded.ptr[at - 1]);

        low = left > 1 ? high - 1 : low;
        for (size_t w = t->start[low]; w < t->start[high]; w++) {
            const struct word *word = &t->words[w];

            if (word->len > left && at < first[word->detector] &&
                !(word->flags & BTZ_TRIGGER_FRONT) &&
                !((word->flags & BTZ_TRIGGER_WORD) && inside) &&
                memcmp(folded.ptr + at, word->text, left) == 0 &&
                (!(word->flags & BTZ_TRIGGER_EXACT) || memcmp(text + at, word->exact, left) == 0))
                first[word->detector] = at;
        }
    }
}
