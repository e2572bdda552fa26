/* How much of a text stands in another one. */
#include <stdlib.h>

#include <unicase.h>
#include <unictype.h>

#include "text/text.h"
#include "text/unicode.h"

/* ---- n-grams ---- */

/* Simple folding, character by character: n-grams keep their lengths. */
static uint32_t fold(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    return uc_tolower(uc_toupper(c));
}

/* Folded code points, or NULL. */
static uint32_t *folded(struct btz_slice s, size_t *count)
{
    uint32_t *out = s.len < SIZE_MAX / sizeof *out ? malloc((s.len + 1) * sizeof *out) : NULL;
    size_t at = 0;
    uint32_t c;

    *count = 0;
    while (out && btz_utf8_next(s, &at, &c))
        out[(*count)++] = fold(c);
    return out;
}

/* Open addressing over positions of n-grams in `text`; 0 is an empty place, else position + 1. */
struct grams {
    const uint32_t *text;
    size_t n, mask, *places;
    uint8_t *hit;
};

static uint64_t mix(uint64_t h, uint32_t c)
{
    return (h ^ c) * 0x9E3779B97F4A7C15u;
}

static uint64_t gram_hash(const uint32_t *gram, size_t n)
{
    uint64_t h = 1469598103934665603u;

    for (size_t i = 0; i < n; i++)
        h = mix(h, gram[i]) ^ h >> 29;
    return h ^ h >> 32;
}

static size_t place_of(const struct grams *g, const uint32_t *gram)
{
    size_t place = gram_hash(gram, g->n) & g->mask;

    while (g->places[place] &&
           memcmp(g->text + g->places[place] - 1, gram, g->n * sizeof *gram) != 0)
        place = (place + 1) & g->mask;
    return place;
}

/* Share of the distinct n-grams of a in b. */
static double share(struct grams *g, const uint32_t *a, size_t a_len, const uint32_t *b,
                    size_t b_len)
{
    size_t distinct = 0, found = 0;

    g->text = a;
    for (size_t i = 0; i + g->n <= a_len; i++) {
        size_t place = place_of(g, a + i);

        if (g->places[place])
            continue;
        g->places[place] = i + 1;
        distinct++;
    }
    for (size_t i = 0; i + g->n <= b_len && found < distinct; i++) {
        size_t place = place_of(g, b + i);

        if (!g->places[place] || g->hit[place])
            continue;
        g->hit[place] = 1;
        found++;
    }
    return (double)found / (double)distinct;
}

/* The same without memory: each n-gram of the secret counts at its last occurrence, found by search. */
static bool occurs(struct btz_slice in, size_t from, struct btz_slice gram_at, unsigned n)
{
    for (size_t start = from; start < in.len;) {
        size_t i = start, k = 0;
        unsigned same = 0;
        uint32_t a, b;

        while (same < n && btz_utf8_next(in, &i, &a) && btz_utf8_next(gram_at, &k, &b) &&
               fold(a) == fold(b))
            same++;
        if (same == n)
            return true;
        btz_utf8_next(in, &start, &a);
    }
    return false;
}

static double share_slowly(struct btz_slice secret, struct btz_slice output, unsigned n)
{
    size_t distinct = 0, found = 0, at = 0;
    uint32_t c;

    while (at < secret.len) {
        struct btz_slice gram = btz_slice_sub(secret, at, secret.len);
        size_t ahead = 0;
        unsigned have = 0;

        while (have < n && btz_utf8_next(gram, &ahead, &c))
            have++;
        if (have < n)
            break;
        btz_utf8_next(secret, &at, &c);
        if (occurs(secret, at, gram, n))
            continue;
        distinct++;
        found += occurs(output, 0, gram, n);
    }
    return distinct ? (double)found / (double)distinct : 0;
}

double btz_text_containment(struct btz_slice secret, struct btz_slice output, unsigned n)
{
    size_t a_len, b_len, size = 16;
    BTZ_FREE uint32_t *a = folded(secret, &a_len);
    BTZ_FREE uint32_t *b = folded(output, &b_len);
    BTZ_FREE size_t *places = NULL;
    BTZ_FREE uint8_t *hit = NULL;

    if (n == 0)
        return 0;
    if (!a || !b)
        return share_slowly(secret, output, n);
    if (a_len < n)
        return 0;
    while (size < a_len * 2)
        size *= 2;
    places = calloc(size, sizeof *places);
    hit = calloc(size, 1);
    if (!places || !hit)
        return share_slowly(secret, output, n);
    return share(&(struct grams){ .n = n, .mask = size - 1, .places = places, .hit = hit }, a,
                 a_len, b, b_len);
}

/* ---- longest copy ---- */

/* Words are runs of letters, digits and apostrophes; everything else only separates them. */
static bool in_word(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '\'';
    return c == 0x2019 || uc_is_general_category_withtable(
                              c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_M);
}

/* Hash of the next word at or after *at; false at the end. Equal hashes are taken for equal words (64 bits). */
static bool next_word(struct btz_slice s, size_t *at, uint64_t *hash)
{
    uint64_t h = 1469598103934665603u;
    size_t before = *at, letters = 0;
    uint32_t c;

    for (; btz_utf8_next(s, at, &c); before = *at) {
        if (!in_word(c)) {
            if (letters == 0)
                continue;
            *at = before;
            break;
        }
        h = mix(h, c == 0x2019 ? '\'' : fold(c));
        h ^= h >> 29;
        letters++;
    }
    *hash = h;
    return letters > 0;
}

static uint64_t *words_of(struct btz_slice s, size_t *count)
{
    size_t cap = s.len / 2 + 1, at = 0;
    uint64_t *out = malloc(cap * sizeof *out);

    *count = 0;
    while (out && *count < cap && next_word(s, &at, &out[*count]))
        (*count)++;
    return out;
}

/*
 * Suffix automaton of the source's words (Blumer et al., 1985): it reads the output word by word and always knows the
 * longest suffix that stands in the source. Transitions are in one hash table, so both steps are linear.
 */
struct state {
    uint32_t link, length;
    uint32_t first; /* head of its list of transitions: for cloning */
};
struct transition {
    uint64_t word;
    uint32_t from, to, next; /* next: of the same state */
};
struct automaton {
    struct state *states;
    struct transition *transitions;
    uint32_t *table; /* transition + 1 */
    size_t mask;
    uint32_t state_count, transition_count, last;
};
#define NO_LINK UINT32_MAX

static uint32_t *slot(const struct automaton *a, uint32_t from, uint64_t word)
{
    size_t at = mix(word, from) >> 20 & a->mask;

    while (a->table[at]) {
        const struct transition *t = &a->transitions[a->table[at] - 1];

        if (t->from == from && t->word == word)
            break;
        at = (at + 1) & a->mask;
    }
    return &a->table[at];
}

static struct transition *follow(const struct automaton *a, uint32_t from, uint64_t word)
{
    uint32_t at = *slot(a, from, word);

    return at ? &a->transitions[at - 1] : NULL;
}

static void connect(struct automaton *a, uint32_t from, uint64_t word, uint32_t to)
{
    uint32_t *place = slot(a, from, word);
    struct transition *t = &a->transitions[a->transition_count];

    *t = (struct transition){ word, from, to, a->states[from].first };
    *place = a->states[from].first = ++a->transition_count;
}

static uint32_t clone(struct automaton *a, uint32_t of, uint32_t length)
{
    uint32_t copy = a->state_count++;

    a->states[copy] = (struct state){ a->states[of].link, length, 0 };
    for (uint32_t t = a->states[of].first; t; t = a->transitions[t - 1].next)
        connect(a, copy, a->transitions[t - 1].word, a->transitions[t - 1].to);
    a->states[of].link = copy;
    return copy;
}

static void extend(struct automaton *a, uint64_t word)
{
    uint32_t now = a->state_count++, p = a->last;
    struct transition *t = NULL;

    a->states[now] = (struct state){ 0, a->states[p].length + 1, 0 };
    for (; p != NO_LINK && !(t = follow(a, p, word)); p = a->states[p].link)
        connect(a, p, word, now);
    if (p != NO_LINK) {
        uint32_t q = t->to;

        if (a->states[q].length != a->states[p].length + 1) {
            uint32_t copy = clone(a, q, a->states[p].length + 1);

            for (; p != NO_LINK && (t = follow(a, p, word)) && t->to == q; p = a->states[p].link)
                t->to = copy;
            q = copy;
        }
        a->states[now].link = q;
    }
    a->last = now;
}

static size_t longest(struct automaton *a, const uint64_t *source, size_t source_count,
                      struct btz_slice output)
{
    size_t best = 0, now = 0, at = 0;
    uint32_t state = 0;
    uint64_t word;

    a->states[0] = (struct state){ NO_LINK, 0, 0 };
    a->state_count = 1;
    for (size_t i = 0; i < source_count; i++)
        extend(a, source[i]);
    while (next_word(output, &at, &word)) {
        const struct transition *t;

        while (!(t = follow(a, state, word)) && a->states[state].link != NO_LINK) {
            state = a->states[state].link;
            now = a->states[state].length;
        }
        if (t) {
            state = t->to;
            now++;
        }
        if (now > best)
            best = now;
    }
    return best;
}

/* Without memory: every pair of starting words. Quadratic and worse, but right. */
static size_t longest_slowly(struct btz_slice source, struct btz_slice output)
{
    size_t best = 0, i = 0;
    uint64_t a, b;

    for (size_t from = 0; next_word(source, &i, &a); from = i) {
        size_t j = 0;

        for (size_t start = 0; next_word(output, &j, &b); start = j) {
            size_t n = 0, p = from, q = start;

            while (next_word(source, &p, &a) && next_word(output, &q, &b) && a == b)
                n++;
            if (n > best)
                best = n;
        }
    }
    return best;
}

size_t btz_text_longest_copy(struct btz_slice source, struct btz_slice output)
{
    size_t count, size = 16;
    BTZ_FREE uint64_t *words = words_of(source, &count);
    BTZ_FREE struct state *states = NULL;
    BTZ_FREE struct transition *transitions = NULL;
    BTZ_FREE uint32_t *table = NULL;

    if (!words || count > UINT32_MAX / 8)
        return longest_slowly(source, output);
    /* At most 2n states and 3n transitions. */
    while (size < count * 6)
        size *= 2;
    states = malloc((2 * count + 2) * sizeof *states);
    transitions = malloc((3 * count + 2) * sizeof *transitions);
    table = calloc(size, sizeof *table);
    if (!states || !transitions || !table)
        return longest_slowly(source, output);
    return longest(
        &(struct automaton){
            .states = states, .transitions = transitions, .table = table, .mask = size - 1 },
        words, count, output);
}
