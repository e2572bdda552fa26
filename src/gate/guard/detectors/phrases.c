#include "gate/guard/detectors/phrases.h"

#include <stdlib.h>

#include <unicase.h>

#include "gate/guard/detectors/charset.h"
#include "gate/guard/triggers.h"
#include "gate/guard/view.h"

enum {
    SLOTS_MAX = 8,
    GAP_MAX = 6,
    PHRASES_MAX = 4096,
    APART_MAX = 6, /* bytes between two words */
    WORD_MAX = 48,
    AHEAD = 1 + SLOTS_MAX * (GAP_MAX + 1) /* words that one phrase can look at */
};

struct option { /* one word of a slot */
    char text[WORD_MAX + 1];
    uint8_t len;
    bool open; /* "x*" */
};
struct slot {
    unsigned gap;          /* other words that may stand in front */
    uint32_t first, count; /* options */
    uint64_t heads;        /* how its options may begin: bits of head_of() */
};
struct phrase {
    const char *kind;
    double score;
    bool anywhere;
    unsigned slots;
    struct slot slot[SLOTS_MAX];
};
struct btz_phrases {
    struct phrase *phrase;
    size_t count;
    struct option *option;
    size_t options, cap;
};

void btz_phrases_free(struct btz_phrases *p)
{
    if (!p)
        return;
    free(p->phrase);
    free(p->option);
    free(p);
}

/* One of 64 sorts of words, by their first two bytes. */
static inline unsigned head_bit(uint8_t first, uint8_t second)
{
    return (first * 7u + second * 11u) & 63;
}

static uint64_t head_of(uint8_t first, uint8_t second)
{
    return (uint64_t)1 << head_bit(first, second);
}

static enum btz_err add_option(struct btz_phrases *p, struct slot *slot, struct btz_slice word,
                               bool open)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    struct option *o;

    BTZ_TRY(btz_view_word(word, &text));
    if (text.len == 0 || text.len > WORD_MAX)
        return btz_fail(BTZ_USAGE, "`%.*s`: a word of %zu bytes; 1 to %d", BTZ_SLICE_ARG(word),
                        text.len, WORD_MAX);
    for (size_t i = slot->first; i < p->options; i++)
        if (p->option[i].len == text.len && memcmp(p->option[i].text, text.ptr, text.len) == 0)
            return BTZ_OK;
    if (p->options == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 256;

        o = realloc(p->option, cap * sizeof *o);
        if (!o)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu words", cap);
        p->option = o;
        p->cap = cap;
    }
    o = &p->option[p->options++];
    memset(o, 0, sizeof *o);
    memcpy(o->text, text.ptr, text.len);
    o->len = (uint8_t)text.len;
    o->open = open;
    slot->heads |= open && text.len == 1 ? UINT64_MAX : head_of(text.ptr[0], (uint8_t)o->text[1]);
    slot->count++;
    return BTZ_OK;
}

/* Look-alikes are folded letter by letter, and capitals look like others than small letters do: each is an option. */
static enum btz_err add_cases(struct btz_phrases *p, struct slot *slot, struct btz_slice word,
                              bool open)
{
    uint8_t *(*const change[])(const uint8_t *, size_t, const char *, uninorm_t, uint8_t *,
                               size_t *) = { u8_tolower, u8_totitle, u8_toupper };
    bool ascii = true;

    BTZ_TRY(add_option(p, slot, word, open));
    for (size_t i = 0; i < word.len; i++)
        ascii = ascii && word.ptr[i] < 0x80;
    for (size_t i = 0; !ascii && i < BTZ_COUNT(change); i++) {
        size_t len = 0;
        BTZ_FREE uint8_t *made = change[i](word.ptr, word.len, NULL, NULL, NULL, &len);

        if (!made)
            return btz_fail(BTZ_LIMIT, "out of memory for a word");
        BTZ_TRY(add_option(p, slot, btz_slice_of(made, len), open));
    }
    return BTZ_OK;
}

static enum btz_err add_slot(struct btz_phrases *p, struct phrase *phrase, struct btz_slice words,
                             unsigned gap)
{
    struct slot *slot = &phrase->slot[phrase->slots];
    size_t from = 0;

    if (phrase->slots == SLOTS_MAX)
        return btz_fail(BTZ_USAGE, "a phrase of more than %d words", SLOTS_MAX);
    slot->gap = gap;
    slot->first = (uint32_t)p->options;
    for (size_t i = 0; i <= words.len; i++) {
        struct btz_slice word;
        bool open;

        if (i < words.len && words.ptr[i] != '|')
            continue;
        word = btz_slice_sub(words, from, i - from);
        open = word.len > 1 && word.ptr[word.len - 1] == '*';
        word.len -= open;
        BTZ_TRY(add_cases(p, slot, word, open));
        from = i + 1;
    }
    phrase->slots++;
    return BTZ_OK;
}

static enum btz_err parse(struct btz_phrases *p, const struct btz_phrase *from)
{
    struct phrase *phrase = &p->phrase[p->count];
    struct btz_slice text = btz_str(from->pattern);
    unsigned gap = 0;
    size_t at = 0;

    *phrase = (struct phrase){ .kind = from->kind, .score = from->score };
    if (text.len > 1 && text.ptr[0] == '=') {
        phrase->anywhere = true;
        phrase->slot[0].first = (uint32_t)p->options;
        BTZ_TRY(add_cases(p, &phrase->slot[0], btz_slice_sub(text, 1, text.len), false));
        phrase->slots = 1;
        p->count++;
        return BTZ_OK;
    }
    while (at < text.len) {
        size_t end = at;

        while (end < text.len && text.ptr[end] != ' ')
            end++;
        if (text.ptr[at] == '*' && end - at == 2)
            gap = (unsigned)(text.ptr[at + 1] - '0') % (GAP_MAX + 1);
        else if (end > at) {
            BTZ_TRY(add_slot(p, phrase, btz_slice_sub(text, at, end - at), gap));
            gap = 0;
        }
        at = end + 1;
    }
    if (phrase->slots == 0)
        return btz_fail(BTZ_USAGE, "an empty phrase");
    p->count++;
    return BTZ_OK;
}

enum btz_err btz_phrases_new(const struct btz_phrase *list, size_t count, struct btz_phrases **out)
{
    struct btz_phrases *p = calloc(1, sizeof *p);
    enum btz_err err = BTZ_OK;

    if (count > PHRASES_MAX) {
        free(p);
        return btz_fail(BTZ_LIMIT, "more than %d phrases", PHRASES_MAX);
    }
    if (!p || !(p->phrase = calloc(count + 1, sizeof *p->phrase)))
        err = btz_fail(BTZ_LIMIT, "out of memory for %zu phrases", count);
    for (size_t i = 0; err == BTZ_OK && i < count; i++)
        err = parse(p, &list[i]);
    if (err != BTZ_OK) {
        btz_phrases_free(p);
        return err;
    }
    *out = p;
    return BTZ_OK;
}

enum btz_err btz_phrases_triggers(const struct btz_phrases *p, struct btz_triggers *t)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct slot *s = &p->phrase[i].slot[0];

        for (size_t k = s->first; k < s->first + s->count; k++) {
            char text[BTZ_TRIGGER_LEN_MAX + 1];
            size_t len = p->option[k].len;

            if (len > BTZ_TRIGGER_LEN_MAX)
                len = BTZ_TRIGGER_LEN_MAX;
            memcpy(text, p->option[k].text, len);
            text[len] = 0;
            BTZ_TRY(btz_triggers_add(t, text, (uint16_t)i,
                                     p->phrase[i].anywhere ? 0 : BTZ_TRIGGER_WORD));
        }
    }
    return BTZ_OK;
}

#define ALL_16(c)                                                                                  \
    [(c)] = 1, [(c) + 1] = 1, [(c) + 2] = 1, [(c) + 3] = 1, [(c) + 4] = 1, [(c) + 5] = 1,          \
    [(c) + 6] = 1, [(c) + 7] = 1, [(c) + 8] = 1, [(c) + 9] = 1, [(c) + 10] = 1, [(c) + 11] = 1,    \
    [(c) + 12] = 1, [(c) + 13] = 1, [(c) + 14] = 1, [(c) + 15] = 1

static const uint8_t word_bytes[256] = {
    ['0'] = 1,    ['1'] = 1,    ['2'] = 1,    ['3'] = 1,    ['4'] = 1,    ['5'] = 1,
    ['6'] = 1,    ['7'] = 1,    ['8'] = 1,    ['9'] = 1,    ['_'] = 1,    ALL_16('a'),
    ['q'] = 1,    ['r'] = 1,    ['s'] = 1,    ['t'] = 1,    ['u'] = 1,    ['v'] = 1,
    ['w'] = 1,    ['x'] = 1,    ['y'] = 1,    ['z'] = 1,    ALL_16('A'),  ['Q'] = 1,
    ['R'] = 1,    ['S'] = 1,    ['T'] = 1,    ['U'] = 1,    ['V'] = 1,    ['W'] = 1,
    ['X'] = 1,    ['Y'] = 1,    ['Z'] = 1,    ALL_16(0x80), ALL_16(0x90), ALL_16(0xA0),
    ALL_16(0xB0), ALL_16(0xC0), ALL_16(0xD0), ALL_16(0xE0), ALL_16(0xF0),
};

static inline bool in_word(uint8_t c)
{
    return word_bytes[c];
}

/* A word behind another, read once however many phrases look at it. */
struct token {
    size_t from, to;
    uint8_t head; /* which bit of head_of() */
    bool is;      /* false: what stands there is no word, or none a space away */
    bool cut;     /* the text ends before that is sure */
};

struct match {
    const struct btz_phrases *p;
    const struct phrase *phrase;
    const uint8_t *text;
    size_t len;
    bool cut; /* the text ended before it could be told */
    /* From `first` on the words behind the place at hand, which is in the first of them; `count`: where the next comes. */
    struct token token[2 * AHEAD];
    unsigned first, count;
    bool odd; /* the first of them is of its trigger alone */
};

static bool fits(const struct match *m, const struct slot *slot, const struct token *t)
{
    size_t len = t->to - t->from;

    if (!(slot->heads >> t->head & 1))
        return false;
    for (size_t k = slot->first; k < slot->first + slot->count; k++) {
        const struct option *o = &m->p->option[k];

        if ((o->open ? len >= o->len : len == o->len) &&
            memcmp(m->text + t->from, o->text, o->len) == 0)
            return true;
    }
    return false;
}

/* Its end, and what follows from that. */
static void end_token(const struct match *m, struct token *t)
{
    size_t at = t->to;

    while (at < m->len && at - t->from <= WORD_MAX && in_word(m->text[at]))
        at++;
    t->to = at;
    t->cut = at == m->len;
    t->is = at > t->from && at - t->from <= WORD_MAX;
    t->head = 0;
    if (at > t->from)
        t->head = (uint8_t)head_bit(m->text[t->from], at - t->from > 1 ? m->text[t->from + 1] : 0);
}

/* The word behind the last one; none when what stands between is no space between words. */
static void next_token(struct match *m)
{
    struct token *t = &m->token[m->count++];
    size_t start = t[-1].to, at = start;

    for (; at < m->len && at - start < APART_MAX && !in_word(m->text[at]); at++)
        if (m->text[at] == '.' || m->text[at] == '!' || m->text[at] == '?') {
            *t = (struct token){ .from = at, .to = at };
            return;
        }
    *t = (struct token){ .from = at, .to = at };
    end_token(m, t);
}

/* Words from `at` on, where a trigger of `len` bytes stands; those that were read for another place are still right. */
static void begin_at(struct match *m, size_t at, size_t len)
{
    struct token *t;

    while (m->first < m->count && m->token[m->first].from < at)
        m->first++;
    t = &m->token[m->first];
    if (m->first < m->count && t->from == at && m->first < AHEAD && !m->odd && t->to >= at + len)
        return;
    m->first = 0;
    m->count = 1;
    t = &m->token[0];
    *t = (struct token){ .from = at, .to = at };
    end_token(m, t);
    m->odd = t->to < at + len; /* "don't": a trigger of more than one word */
    if (!m->odd)
        return;
    t->to = at + len;
    end_token(m, t);
}

/* Slots from `n` on, behind the word `last`. Gaps are small, so trying all of them is cheap. */
static bool rest(struct match *m, unsigned n, unsigned last, size_t *end)
{
    if (n == m->phrase->slots) {
        *end = m->token[last].to;
        return true;
    }
    for (unsigned skipped = 0; skipped <= m->phrase->slot[n].gap; skipped++) {
        if (++last == m->count)
            next_token(m);
        m->cut |= m->token[last].cut;
        if (!m->token[last].is)
            return false;
        if (fits(m, &m->phrase->slot[n], &m->token[last]) && rest(m, n + 1, last, end))
            return true;
    }
    return false;
}

enum btz_err btz_phrases_scan(const struct btz_phrases *p, const struct btz_view *view,
                              struct btz_found *found)
{
    struct match m;

    m.p = p;
    m.text = view->folded;
    m.len = view->text.len;
    m.first = m.count = 0;
    m.odd = false;
    for (size_t i = 0; i < view->mark_count; i++) {
        const struct btz_mark *mark = &view->marks[i];
        size_t at = mark->at, end;

        m.phrase = &p->phrase[mark->id];
        if (m.phrase->anywhere) {
            const struct option *o = NULL;

            for (size_t k = m.phrase->slot[0].first;
                 !o && k < m.phrase->slot[0].first + m.phrase->slot[0].count; k++) {
                const struct option *c = &p->option[k];
                size_t have = m.len - at < c->len ? m.len - at : c->len;

                if (memcmp(m.text + at, c->text, have) != 0)
                    continue;
                if (have < c->len)
                    btz_found_wait(found, at);
                else
                    o = c;
            }
            if (o)
                BTZ_TRY(btz_found_hit(found, at, at + o->len, m.phrase->kind, m.phrase->score));
            continue;
        }
        begin_at(&m, at, mark->len);
        m.cut = m.token[m.first].cut;
        if (fits(&m, &m.phrase->slot[0], &m.token[m.first]) && rest(&m, 1, m.first, &end)) {
            if (m.cut)
                btz_found_wait(found, at);
            BTZ_TRY(btz_found_hit(found, at, end, m.phrase->kind, m.phrase->score));
        } else if (m.cut) {
            btz_found_wait(found, at);
        }
    }
    return BTZ_OK;
}

void btz_phrases_release(void *setup)
{
    btz_phrases_free(setup);
}

enum btz_err btz_phrases_wake(const void *setup, struct btz_triggers *t)
{
    return btz_phrases_triggers(setup, t);
}

enum btz_err btz_phrases_detect(const void *setup, const struct btz_view *view,
                                struct btz_guard_session *session, struct btz_found *found)
{
    (void)session;
    return btz_phrases_scan(setup, view, found);
}
