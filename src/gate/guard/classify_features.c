#include "gate/guard/classify_features.h"

#include <math.h>

#include "gate/guard/view.h"

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

enum { STEM = 5, PIECE = 4, WORD_MAX = 32, MANY = 128 };

/* Name spaces of features. */
enum {
    SPACE_WORD = 1,
    SPACE_PAIR,
    SPACE_SKIP,
    SPACE_PIECE,
    SPACE_STEM_PAIR,
    SPACE_MEETING,
    SPACE_IDEA
};

/* Ideas are few and say much: each stands in several slots, so that a weight counts as often. */
enum { IDEA_SLOTS = 6, IDEA_START = 255 };

#define START_HASH  0x9E3779B9u /* stands before the first word of a sentence */
#define NUMBER_HASH 0x85EBCA77u
#define LONG_HASH   0xC2B2AE3Du

struct builder {
    uint32_t slot[BTZ_CLASS_FEATURES_MAX];
    uint64_t seen[BTZ_CLASS_SLOTS / 64];
    struct btz_class_sentence sentence;
    const struct btz_class_lexicon *lexicon;
    uint32_t word1, stem1, stem2; /* of the last token, of the last two words */
    unsigned idea1, idea2;        /* the last two ideas */
    uint64_t ideas;               /* all of the sentence, as bits */
    uint32_t narrow;              /* hash of the last character of a script without spaces */
    size_t narrow_end;
    uint64_t steps;
    void (*each)(void *, const struct btz_class_sentence *);
    void *user;
};

static inline uint32_t mix(uint32_t space, uint32_t a, uint32_t b)
{
    uint32_t h = space * 0x9E3779B1u ^ a * 0x85EBCA6Bu ^ ((b << 15) | (b >> 17)) * 0xC2B2AE35u;

    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    h ^= h >> 13;
    h *= 0x297A2D39u;
    return h ^ h >> 16;
}

/* Without a jump that depends on the text: one wrong guess costs more than all of this. `count` is at most FEATURES_MAX. */
static inline unsigned put_slot(struct builder *b, unsigned count, uint32_t hash)
{
    uint32_t slot = hash % BTZ_CLASS_SLOTS;
    uint64_t bit = (uint64_t)1 << (slot & 63), word = b->seen[slot >> 6];

    if (count == BTZ_CLASS_FEATURES_MAX)
        return count;
    b->seen[slot >> 6] = word | bit;
    b->slot[count] = slot;
    return count + !(word & bit);
}

static inline void put(struct builder *b, uint32_t hash)
{
    b->steps++;
    b->sentence.count = put_slot(b, b->sentence.count, hash);
}

static void finish(struct builder *b)
{
    if (b->sentence.count) {
        b->each(b->user, &b->sentence);
        if (b->sentence.count > MANY)
            memset(b->seen, 0, sizeof b->seen);
        else
            for (unsigned i = 0; i < b->sentence.count; i++)
                b->seen[b->slot[i] >> 6] = 0;
    }
    b->sentence.count = 0;
    b->word1 = b->stem1 = START_HASH;
    b->stem2 = 0;
    b->idea1 = IDEA_START;
    b->idea2 = 0;
    b->ideas = 0;
    b->narrow_end = SIZE_MAX;
}

/* Scripts written without spaces: each character is a word of its own. */
static bool is_unspaced(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
           (c >= 0x20000 && c <= 0x323AF) || (c >= 0xE00 && c <= 0xEFF) ||
           (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF);
}

static bool is_separator(uint32_t c)
{
    return (c >= 0x80 && c < 0xC0 && c != 0xAA && c != 0xB5 && c != 0xBA) || c == 0xD7 ||
           c == 0xF7 || (c >= 0x2000 && c <= 0x206F) || (c >= 0x2190 && c <= 0x2BFF) ||
           (c >= 0x3000 && c <= 0x303F) || c == 0x60C || c == 0x61B || c == 0x61F || c == 0x6D4 ||
           c == 0x964 || c == 0xFFFD || (c >= 0xFF00 && c <= 0xFF0F) || c == 0xFF1A ||
           c == 0xFF1F || (c >= 0x1F000 && c <= 0x1FAFF);
}

static bool is_end(uint32_t c)
{
    return c == 0x3002 || c == 0x61F || c == 0x6D4 || c == 0x964 || c == 0x2026 || c == 0xFF01 ||
           c == 0xFF1F || c == 0x2028 || c == 0x2029 || c == 0x2022;
}

/* Small letters of Latin-1, Greek and Cyrillic; other scripts as they are. */
static uint32_t lower(uint32_t c)
{
    if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
        (c >= 0x410 && c <= 0x42F))
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40F)
        return c + 0x50;
    if (c >= 0x100 && c <= 0x17F && c != 0x130 && c != 0x138 && c != 0x149 && c != 0x178 &&
        !(c >= 0x139 && c <= 0x148) && !(c >= 0x179 && c <= 0x17E))
        return c | 1;
    return c;
}

struct word {
    uint8_t byte[WORD_MAX];     /* small letters */
    unsigned len;               /* as far as kept */
    uint32_t hash, stem, start; /* start: of the first two characters */
    uint32_t first;             /* character */
    unsigned letters;           /* characters */
    bool digits, cut;
};

static void word_add(struct word *w, uint32_t c)
{
    uint8_t bytes[4];
    unsigned n = 0;

    if (c < 0x80) {
        bytes[n++] = (uint8_t)c;
    } else if (c < 0x800) {
        bytes[n++] = (uint8_t)(0xC0 | c >> 6);
        bytes[n++] = (uint8_t)(0x80 | (c & 63));
    } else {
        /* Three bytes tell any two characters apart, if not as UTF-8. */
        bytes[n++] = (uint8_t)(0xE0 ^ c >> 12);
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
        bytes[n++] = (uint8_t)(0x80 | (c & 63));
    }
    for (unsigned i = 0; i < n; i++) {
        w->hash = (w->hash ^ bytes[i]) * FNV_PRIME;
        if (w->len < WORD_MAX)
            w->byte[w->len++] = bytes[i];
        else
            w->cut = true;
    }
    if (++w->letters <= STEM)
        w->stem = w->hash;
    if (w->letters == 1)
        w->first = c;
    if (w->letters <= 2)
        w->start = w->hash;
    w->digits = w->digits && c >= '0' && c <= '9';
}

/* "_ign", "igno", "gnor", "nore", "ore_": of a word of at least PIECE bytes. */
static void add_pieces(struct builder *b, const struct word *w)
{
    uint32_t h = (uint32_t)'_' << 16 | (uint32_t)w->byte[0] << 8 | w->byte[1];
    unsigned count = b->sentence.count;

    for (unsigned i = 2; i < w->len; i++) {
        h = h << 8 | w->byte[i];
        count = put_slot(b, count, mix(SPACE_PIECE, h, 0));
    }
    b->sentence.count = put_slot(b, count, mix(SPACE_PIECE, h << 8 | '_', 0));
    b->steps += w->len - 1;
}

static void put_idea(struct builder *b, uint32_t what)
{
    unsigned count = b->sentence.count;

    for (uint32_t i = 0; i < IDEA_SLOTS; i++)
        count = put_slot(b, count, mix(SPACE_IDEA + i, what, 7));
    b->sentence.count = count;
    b->steps += IDEA_SLOTS;
}

/* Ideas follow each other whatever stands between them; the same one twice is one. */
static void add_idea(struct builder *b, unsigned idea)
{
    if (idea == 0 || idea == b->idea1)
        return;
    put_idea(b, idea);
    put_idea(b, b->idea1 << 8 | idea);
    if (b->idea2) {
        put_idea(b, b->idea2 << 16 | b->idea1 << 8 | idea);
        put_idea(b, 1u << 24 | b->idea2 << 8 | idea);
    }
    b->idea2 = b->idea1;
    b->idea1 = idea;
    if (b->ideas >> idea & 1)
        return;
    /* Which ideas meet at all: languages order them as they like. */
    for (uint64_t rest = b->ideas; rest; rest &= rest - 1) {
        unsigned other = (unsigned)__builtin_ctzll(rest);

        put(b, mix(SPACE_MEETING, other < idea ? other : idea, other < idea ? idea : other));
    }
    b->ideas |= (uint64_t)1 << idea;
}

static void find_idea(struct builder *b, const struct word *w, size_t end, bool narrow)
{
    unsigned idea = btz_class_idea(b->lexicon, w->hash);

    if (narrow) {
        if (b->narrow_end == end - w->len) {
            uint32_t pair = b->narrow;

            for (unsigned i = 0; i < w->len; i++)
                pair = (pair ^ w->byte[i]) * FNV_PRIME;
            if (btz_class_idea(b->lexicon, pair))
                idea = btz_class_idea(b->lexicon, pair);
        }
        b->narrow = w->hash;
        b->narrow_end = end;
    } else if (idea == 0 && w->first >= 0xAC00 && w->first <= 0xD7A3) {
        idea =
            btz_class_idea(b->lexicon, w->start); /* Korean puts its endings behind two syllables */
    } else if (idea == 0 && w->letters > STEM) {
        idea = btz_class_idea(b->lexicon, w->stem);
    }
    add_idea(b, idea);
}

static void add_word(struct builder *b, struct word *w)
{
    if (w->cut)
        w->hash = w->stem = LONG_HASH;
    else if (w->digits)
        w->hash = w->stem = NUMBER_HASH + (w->letters > 4);
    put(b, mix(SPACE_WORD, w->hash, 0));
    put(b, mix(SPACE_PAIR, b->word1, w->hash));
    if (w->stem != w->hash || b->stem1 != b->word1)
        put(b, mix(SPACE_STEM_PAIR, b->stem1, w->stem));
    if (b->stem2)
        put(b, mix(SPACE_SKIP, b->stem2, w->stem));
    if (!w->cut && !w->digits && w->letters >= PIECE)
        add_pieces(b, w);
    b->word1 = w->hash;
    b->stem2 = b->stem1;
    b->stem1 = w->stem;
}

/* Marks stand between words in pairs of whole tokens; stems look past them. */
static void add_mark(struct builder *b, uint32_t hash, unsigned len)
{
    if (len > 1)
        put(b, mix(SPACE_WORD, hash, 1));
    put(b, mix(SPACE_PAIR, b->word1, hash));
    b->word1 = hash;
}

/* Small letters, digits and "_" as they are, capitals as small letters; 0: not within a word. */
static const uint8_t word_bytes[256] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['_'] = '_', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j',
    ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l',
    ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's',
    ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

static bool is_word_byte(uint8_t c)
{
    return word_bytes[c] != 0;
}

/* The letters of `word_bytes` from `at` on: word_add() for each, in one go. */
static size_t add_letters(struct word *w, struct btz_slice in, size_t at)
{
    size_t kept = w->len, from;
    uint32_t hash = w->hash;
    uint8_t largest = 0, c;

    for (; at < in.len && (c = word_bytes[in.ptr[at]]) && w->letters < STEM; at++) {
        hash = (hash ^ c) * FNV_PRIME;
        largest = c > largest ? c : largest;
        w->byte[kept++] = c;
        w->stem = hash;
        if (++w->letters <= 2)
            w->start = hash;
        if (w->letters == 1)
            w->first = c;
    }
    from = at;
    for (; at < in.len && (c = word_bytes[in.ptr[at]]); at++) {
        hash = (hash ^ c) * FNV_PRIME;
        largest = c > largest ? c : largest;
        if (kept < WORD_MAX)
            w->byte[kept++] = c;
        else
            w->cut = true;
    }
    w->letters += (unsigned)(at - from);
    w->hash = hash;
    w->len = (unsigned)kept;
    w->digits = w->digits && largest <= '9';
    return at;
}

/* Reads a word at `at`; false when there is none. */
static inline bool read_word(struct btz_slice in, size_t *at, struct word *w)
{
    size_t from = *at;

    w->len = w->letters = 0;
    w->hash = w->stem = FNV_BASIS;
    w->digits = true;
    w->cut = false;
    while (*at < in.len) {
        uint8_t c = in.ptr[*at];
        size_t next = *at;
        uint32_t p;

        if (is_word_byte(c)) {
            *at = add_letters(w, in, *at);
            continue;
        }
        if (c == '\'' && *at > from && *at + 1 < in.len && is_word_byte(in.ptr[*at + 1])) {
            ++*at;
            continue;
        }
        if (c < 0x80)
            break;
        btz_utf8_next(in, &next, &p);
        if (p == 0x2019 && *at > from) {
            *at = next;
            continue;
        }
        if (is_separator(p) || (is_unspaced(p) && *at > from))
            break;
        word_add(w, lower(p));
        *at = next;
        if (is_unspaced(p))
            break;
    }
    return *at > from;
}

static bool ends_sentence(struct btz_slice in, size_t at, uint32_t c, size_t next)
{
    switch (c) {
    case '\n':
    case '|':
    case '<':
    case '>':
    case '{':
    case '}':
    case ';':
        return true;
    case '.':
    case '!':
    case '?':
        /* Not within "3.5", "example.com" or "v1.2"; but "end.Next" is two sentences. */
        return next >= in.len || !is_word_byte(in.ptr[next]) ||
               (in.ptr[next] >= 'A' && in.ptr[next] <= 'Z' && at > 0 && in.ptr[at - 1] >= 'a' &&
                in.ptr[at - 1] <= 'z');
    case '\\':
        return next < in.len && (in.ptr[next] == 'n' || in.ptr[next] == 'r');
    case '"':
        /* Strings of JSON: "...", "...": and {"... */
        return next < in.len &&
               (in.ptr[next] == ',' || in.ptr[next] == ':' || in.ptr[next] == '}') && at > 0;
    default:
        return is_end(c);
    }
}

/* A run of marks from `at`, up to a word, a space or the end of a sentence. */
static uint32_t read_marks(struct btz_slice in, size_t *at, unsigned *len, bool *end)
{
    uint32_t h = FNV_BASIS, c;

    *len = 0;
    *end = false;
    while (*at < in.len && *len < 4) {
        size_t next = *at;
        uint8_t byte = in.ptr[*at];

        if (is_word_byte(byte) || byte == ' ' || byte == '\t' || byte == '\r')
            break;
        btz_utf8_next(in, &next, &c);
        if (byte >= 0x80 && !is_separator(c))
            break;
        if (ends_sentence(in, *at, c, next)) {
            *end = true;
            *at = next + (c == '\\');
            break;
        }
        h = (h ^ c) * FNV_PRIME;
        *at = next;
        ++*len;
    }
    return h;
}

uint32_t btz_class_word_hash(struct btz_slice word, bool stem)
{
    uint32_t hash = FNV_BASIS;
    struct word w;
    size_t at = 0;

    while (read_word(word, &at, &w)) {
        if (w.len == word.len || stem)
            return stem ? w.stem : w.hash;
        for (unsigned i = 0; i < w.len; i++)
            hash = (hash ^ w.byte[i]) * FNV_PRIME;
    }
    return hash;
}

enum btz_err btz_class_normalise(struct btz_slice raw, struct btz_buf *out)
{
    struct btz_view_room room;
    struct btz_view view;
    enum btz_err err;
    size_t wait;

    btz_view_room_init(&room);
    err = btz_view_plain(&room, raw, 0, true, &view, &wait);
    if (err == BTZ_OK)
        err = btz_buf_add_slice(out, view.text);
    btz_view_room_release(&room);
    return err;
}

uint64_t btz_class_read(const struct btz_class_lexicon *l, struct btz_slice text,
                        void (*each)(void *user, const struct btz_class_sentence *s), void *user)
{
    struct builder b;
    struct word w;
    size_t at = 0;

    memset(b.seen, 0, sizeof b.seen);
    b.sentence = (struct btz_class_sentence){ .slot = b.slot };
    b.lexicon = l;
    b.each = each;
    b.user = user;
    b.steps = 0;
    b.narrow = 0;
    finish(&b);
    while (at < text.len) {
        size_t from = at;
        bool fresh = b.sentence.count == 0, end;
        unsigned len;

        if (text.ptr[at] == ' ' || text.ptr[at] == '\t' || text.ptr[at] == '\r') {
            at++;
        } else if (read_word(text, &at, &w)) {
            if (!fresh && at - b.sentence.from > BTZ_CLASS_SENTENCE) {
                finish(&b);
                fresh = true;
            }
            if (!w.cut && !w.digits)
                find_idea(&b, &w, at, w.letters == 1 && w.len > 2);
            add_word(&b, &w);
            if (fresh)
                b.sentence.from = from;
            b.sentence.to = at;
        } else {
            uint32_t mark = read_marks(text, &at, &len, &end);

            if (len > 0) {
                add_mark(&b, mark, len);
                if (fresh)
                    b.sentence.from = from;
                b.sentence.to = at;
            }
            if (end)
                finish(&b);
        }
        b.steps += at - from;
    }
    finish(&b);
    return b.steps;
}

void btz_class_runs_init(struct btz_class_runs *r)
{
    memset(r, 0, sizeof *r);
    r->best = -INFINITY;
}

void btz_class_runs_add(struct btz_class_runs *r, size_t from, size_t to, unsigned count,
                        double sum)
{
    double total = 0;
    unsigned features = 0;
    size_t mine = r->seen++;

    r->last[mine % BTZ_CLASS_RUN].from = from;
    r->last[mine % BTZ_CLASS_RUN].to = to;
    r->last[mine % BTZ_CLASS_RUN].sum = sum;
    r->last[mine % BTZ_CLASS_RUN].count = count;
    for (size_t n = 0; n < BTZ_CLASS_RUN && n <= mine; n++) {
        size_t first = (mine - n) % BTZ_CLASS_RUN;
        double value;

        if (n > 0 && to - r->last[first].from > BTZ_CLASS_WINDOW)
            break;
        total += r->last[first].sum;
        features += r->last[first].count;
        value = total / sqrt((double)features + BTZ_CLASS_DAMPING);
        if (value > r->best) {
            r->best = value;
            r->from = r->last[first].from;
            r->to = to;
            r->best_first = mine - n;
            r->best_last = mine;
        }
    }
}
