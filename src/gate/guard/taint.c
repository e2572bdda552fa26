/*
 * Where addresses came from. The addresses, hosts and account numbers of what goes in are kept as hashes, with who said
 * them: what stands only in tool results and documents, and then in the arguments of a tool, was not the user's idea.
 */
#include <stdlib.h>

#include "gate/guard/detectors/charset.h"
#include "gate/guard/inside.h"

enum { ATOMS_MAX = 8192, FIRST_SLOTS = 64, TRUSTED = 1, UNTRUSTED = 2, ATOM_MAX = 254 };

struct atom {
    uint64_t key; /* 0: free */
    uint8_t who;
};
struct btz_atoms { /* open addressing; at most half full */
    size_t count, slots;
    struct atom *slot;
};

void btz_atoms_free(struct btz_atoms *a)
{
    if (!a)
        return;
    free(a->slot);
    free(a);
}

static uint64_t hash_of(struct btz_slice s, uint64_t seed)
{
    uint64_t h = 1469598103934665603u ^ seed;

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.ptr[i]) * 1099511628211u;
    h ^= h >> 29;
    return h ? h : 1;
}

static struct atom *place(const struct btz_atoms *a, uint64_t key)
{
    size_t i = (size_t)(key * 0x9E3779B97F4A7C15u >> 40) & (a->slots - 1);

    while (a->slot[i].key && a->slot[i].key != key)
        i = (i + 1) & (a->slots - 1);
    return &a->slot[i];
}

static enum btz_err grow(struct btz_atoms *a)
{
    struct btz_atoms larger = { a->count, a->slots ? a->slots * 2 : FIRST_SLOTS, NULL };

    larger.slot = calloc(larger.slots, sizeof *larger.slot);
    if (!larger.slot)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu addresses", larger.slots);
    for (size_t i = 0; i < a->slots; i++)
        if (a->slot[i].key)
            *place(&larger, a->slot[i].key) = a->slot[i];
    free(a->slot);
    *a = larger;
    return BTZ_OK;
}

/* When there are too many, later ones are nobody's: what was said first is what orders are compared with. */
static enum btz_err say(struct btz_atoms *a, uint64_t key, uint8_t who)
{
    struct atom *said;

    if (a->count * 2 >= a->slots && a->count < ATOMS_MAX)
        BTZ_TRY(grow(a));
    said = place(a, key);
    if (!said->key) {
        if (a->count == ATOMS_MAX)
            return BTZ_OK;
        a->count++;
        said->key = key;
    }
    said->who |= who;
    return BTZ_OK;
}

enum { LETTER = 1, DIGIT, EDGE, AT }; /* sorts of bytes; 0: not in an atom */

#define LETTERS_8(c)                                                                               \
    [(c)] = LETTER, [(c) + 1] = LETTER, [(c) + 2] = LETTER, [(c) + 3] = LETTER,                    \
    [(c) + 4] = LETTER, [(c) + 5] = LETTER, [(c) + 6] = LETTER, [(c) + 7] = LETTER
static const uint8_t atom_bytes[256] = {
    LETTERS_8('a'),  LETTERS_8('i'),  LETTERS_8('q'),  ['y'] = LETTER,  ['z'] = LETTER,
    LETTERS_8(0x80), LETTERS_8(0x88), LETTERS_8(0x90), LETTERS_8(0x98), LETTERS_8(0xA0),
    LETTERS_8(0xA8), LETTERS_8(0xB0), LETTERS_8(0xB8), LETTERS_8(0xC0), LETTERS_8(0xC8),
    LETTERS_8(0xD0), LETTERS_8(0xD8), LETTERS_8(0xE0), LETTERS_8(0xE8), LETTERS_8(0xF0),
    LETTERS_8(0xF8), ['0'] = DIGIT,   ['1'] = DIGIT,   ['2'] = DIGIT,   ['3'] = DIGIT,
    ['4'] = DIGIT,   ['5'] = DIGIT,   ['6'] = DIGIT,   ['7'] = DIGIT,   ['8'] = DIGIT,
    ['9'] = DIGIT,   ['.'] = EDGE,    ['-'] = EDGE,    ['_'] = EDGE,    ['+'] = EDGE,
    ['@'] = AT,
};

static bool is_edge(uint8_t c)
{
    return atom_bytes[c] == EDGE;
}

/* user@host.tld; what follows "://"; an IBAN or at least eight digits. */
static enum btz_atom_sort sort_of(struct btz_slice t, size_t from, size_t to)
{
    size_t digits = 0, signs = 0, at = SIZE_MAX, dot = SIZE_MAX;

    if (to - from < 4 || to - from > ATOM_MAX)
        return BTZ_ATOM_NONE;
    for (size_t i = from; i < to; i++) {
        digits += t.ptr[i] >= '0' && t.ptr[i] <= '9';
        signs += is_edge(t.ptr[i]);
        if (t.ptr[i] == '@')
            at = i;
        if (t.ptr[i] == '.')
            dot = i;
    }
    if (at != SIZE_MAX)
        return at > from && dot != SIZE_MAX && dot > at + 1 ? BTZ_ATOM_EMAIL : BTZ_ATOM_NONE;
    if (from >= 3 && memcmp(t.ptr + from - 3, "://", 3) == 0)
        return BTZ_ATOM_HOST;
    return digits >= 8 && digits + signs + 4 >= to - from ? BTZ_ATOM_NUMBER : BTZ_ATOM_NONE;
}

bool btz_atom_next(const struct btz_view *view, size_t *at, struct btz_atom *out)
{
    struct btz_slice t = btz_slice_of(view->folded, view->text.len);

    while (*at < t.len) {
        size_t from = *at, to;
        unsigned sorts = 0;
        uint8_t sort;

        if (!atom_bytes[t.ptr[from]]) {
            (*at)++;
            continue;
        }
        for (to = from; to < t.len && (sort = atom_bytes[t.ptr[to]]); to++)
            sorts |= 1u << sort;
        *at = to;
        out->open = to == t.len && !view->final;
        /* Nearly always: a word of letters alone, with no "://" in front. */
        if (sorts == 1u << LETTER && !out->open && !(from > 0 && t.ptr[from - 1] == '/'))
            continue;
        while (from < to && is_edge(t.ptr[from]))
            from++;
        while (to > from && is_edge(t.ptr[to - 1]))
            to--;
        out->from = from;
        out->to = to;
        out->sort = sort_of(t, from, to);
        if (to > from && (out->open || out->sort != BTZ_ATOM_NONE))
            return true;
    }
    return false;
}

/* Without "@", "/" and a digit there is no atom. */
static bool may_hold_atoms(const struct btz_view *view)
{
    struct btz_slice t = btz_slice_of(view->folded, view->text.len);

    if (memchr(t.ptr, '@', t.len))
        return true;
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] >= '/' && t.ptr[i] <= '9')
            return true;
        i = btz_skip_letters(t, i + 1) - 1;
    }
    return false;
}

enum btz_err btz_atoms_learn(struct btz_guard_session *s, enum btz_channel channel,
                             const struct btz_view *view)
{
    uint8_t who = channel == BTZ_CHANNEL_USER || channel == BTZ_CHANNEL_SYSTEM ? TRUSTED
                  : channel == BTZ_CHANNEL_TOOL_RESULT || channel == BTZ_CHANNEL_DOCUMENT ||
                          channel == BTZ_CHANNEL_IMAGE_TEXT ||
                          channel == BTZ_CHANNEL_TOOL_DESCRIPTION
                      ? UNTRUSTED
                      : 0;
    struct btz_atom atom;
    size_t at = 0;

    if (!who || view->text.len == 0 || !may_hold_atoms(view))
        return BTZ_OK;
    while (btz_atom_next(view, &at, &atom)) {
        if (atom.sort == BTZ_ATOM_NONE)
            continue;
        if (!s->atoms && !(s->atoms = calloc(1, sizeof *s->atoms)))
            return btz_fail(BTZ_LIMIT, "out of memory for addresses");
        BTZ_TRY(say(
            s->atoms,
            hash_of(btz_slice_of(view->folded + atom.from, atom.to - atom.from), s->guard->seed),
            who));
    }
    return BTZ_OK;
}

bool btz_atoms_tainted(const struct btz_guard_session *s, struct btz_slice folded)
{
    return s->atoms && s->atoms->slots > 0 &&
           place(s->atoms, hash_of(folded, s->guard->seed))->who == UNTRUSTED;
}
