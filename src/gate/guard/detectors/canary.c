/*
 * Strings that must never be seen, in any spelling: whatever stands between their letters, in other case, backwards, in
 * ROT13 or encoded. Letters and digits alone are compared; sixteen other characters at most may stand between two, and
 * markup counts as one. Base64 and hex of them are spellings as well: found in whatever lines and quotes they stand.
 */
#include <stdlib.h>

#include <unictype.h>

#include "gate/guard/detectors/charset.h"
#include "gate/guard/view.h"

enum {
    GAP_MAX = 16,
    MARKUP_MAX = 128, /* <...>, or a control sequence */
    LETTERS_MIN = 4,
    ENCODED_MIN = 7, /* fewer come by chance */
    LETTERS_MAX = 128,
    CANARIES_MAX = 4096,
    SPELLINGS = 7,
    KEY = 4, /* letters that spellings are looked up by */
    RING = 256,
    BITS_MIN = 12,
    BITS_MAX = 18,
    NONE = 0xFFFF
};

struct spelling {
    const char *kind;
    uint8_t len;
    bool exact; /* its case matters */
    bool hex;   /* "0x" and "x" are no letters */
    uint8_t letter[LETTERS_MAX];
    uint16_t next_by_end, next_by_start;
};
/*
 * All spellings at once: the last four letters that were read say which may end there, and the first four of what is left at
 * the end of a text that goes on, which may have begun. So what a text costs does not depend on how many there are.
 */
struct canaries {
    size_t count, longest;
    struct spelling *spelling;
    unsigned bits; /* of the hashes */
    uint64_t *ends;
    uint16_t *by_end, *by_start;
    uint64_t starts[2][(1 << BITS_MIN) /
                       64]; /* their first letters, 1 to KEY of them; case matters in [1] */
    uint8_t sort[4][256];   /* of bytes; [markup | hex * 2] */
};
enum { SORT_GAP, SORT_LETTER, SORT_SPECIAL };

static uint32_t hash_of(uint32_t letters, unsigned bits)
{
    return letters * 2654435761u >> (32 - bits);
}

static uint8_t lower(uint8_t c)
{
    return btz_is_upper(c) ? (uint8_t)(c | 0x20) : c;
}

static void rot13(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (btz_is_lower(p[i]))
            p[i] = (uint8_t)('a' + (p[i] - 'a' + 13) % 26);
}

static void turn(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        uint8_t c = p[i];

        p[i] = p[n - 1 - i];
        p[n - 1 - i] = c;
    }
}

/* Characters, not bytes: those of each are turned once more. */
static void reverse(uint8_t *p, size_t n)
{
    turn(p, n);
    for (size_t i = 0, first = 0; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) {
            turn(p + first, i + 1 - first);
            first = i + 1;
        }
}

static bool is_letter(uint32_t c)
{
    if ((c >= 0x410 && c <= 0x481) || (c >= 0x4E00 && c <= 0x9F00) || (c >= 0xAC00 && c <= 0xD7A3))
        return true;
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
}

/* The letter or digit at `at`: its bytes; or of what is none, with *gap set. At least one. */
static size_t letter_at(struct btz_slice t, size_t at, bool *gap)
{
    size_t next = at;
    uint32_t c = t.ptr[at];

    if (c < 0x80) {
        *gap = !btz_is_alnum((uint8_t)c);
        return 1;
    }
    *gap = !btz_utf8_next(t, &next, &c) || !is_letter(c);
    return next > at ? next - at : 1;
}

static void add_letters(struct spelling *s, struct btz_slice word)
{
    bool gap;

    for (size_t i = 0, n; i < word.len; i += n) {
        n = letter_at(word, i, &gap);
        if (!gap && s->len + n < LETTERS_MAX) {
            memcpy(s->letter + s->len, word.ptr + i, n);
            s->len = (uint8_t)(s->len + n);
        }
    }
}

/* The characters of base64 that the text alone decides, when it begins `before` bytes into a group of three. */
static void add_base64(struct spelling *s, struct btz_slice text, unsigned before)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0, drop = (before * 8 + 5) / 6 * 6 - before * 8;

    for (size_t i = 0; i < text.len; i++) {
        bits = bits << 8 | text.ptr[i];
        have += 8;
        if (drop > 0) {
            have -= drop;
            drop = 0;
        }
        for (; have >= 6; have -= 6) {
            uint8_t c = (uint8_t)set[bits >> (have - 6) & 63];

            if (btz_is_alnum(c) && s->len < LETTERS_MAX - 1)
                s->letter[s->len++] = c;
        }
    }
}

static void add_hex(struct spelling *s, struct btz_slice text)
{
    static const char set[] = "0123456789abcdef";

    for (size_t i = 0; i < text.len && s->len + 2 < LETTERS_MAX; i++) {
        s->letter[s->len++] = (uint8_t)set[text.ptr[i] >> 4];
        s->letter[s->len++] = (uint8_t)set[text.ptr[i] & 15];
    }
}

static void add_encoded(struct canaries *all, struct btz_slice text)
{
    for (unsigned i = 0; i < 4; i++) {
        struct spelling *s = &all->spelling[all->count];

        s->kind = "canary-encoded";
        s->exact = i < 3;
        s->hex = i == 3;
        if (s->hex)
            add_hex(s, text);
        else
            add_base64(s, text, i);
        if (s->len >= ENCODED_MIN)
            all->count++;
        else
            memset(s, 0, sizeof *s);
    }
}

static enum btz_err add(struct canaries *all, const char *text)
{
    BTZ_BUF_RELEASE struct btz_buf word = BTZ_BUF(4096);
    struct spelling *s = &all->spelling[all->count];

    BTZ_TRY(btz_view_word(btz_str(text), &word));
    s->kind = "canary";
    add_letters(s, btz_buf_slice(&word));
    if (s->len < LETTERS_MIN)
        return btz_fail(BTZ_USAGE,
                        "guard canaries: one of %d letters and digits (an empty variable of the "
                        "environment?); expected at least %d",
                        s->len, LETTERS_MIN);
    s[1] = s[2] = *s;
    s[1].kind = "canary-reversed";
    reverse(s[1].letter, s->len);
    s[2].kind = "canary-rot13";
    rot13(s[2].letter, s->len);
    all->count += 3;
    add_encoded(all, btz_str(text));
    return BTZ_OK;
}

static void release(void *setup)
{
    struct canaries *all = setup;

    if (!all)
        return;
    if (all->spelling)
        btz_wipe(all->spelling, all->count * sizeof *all->spelling);
    free(all->spelling);
    free(all->ends);
    free(all->by_end);
    free(all->by_start);
    free(all);
}

static void sorts(struct canaries *all)
{
    for (unsigned mode = 0; mode < 4; mode++)
        for (unsigned c = 0; c < 256; c++) {
            bool special = c >= 0x80 || ((mode & 1) && (c == '<' || c == 0x1B)) ||
                           ((mode & 2) && (c == 'x' || c == '0'));

            all->sort[mode][c] = special                    ? SORT_SPECIAL
                                 : btz_is_alnum((uint8_t)c) ? SORT_LETTER
                                                            : SORT_GAP;
        }
}

/* `n` letters, at most KEY, and how many they are. */
static uint32_t start_of(const uint8_t *letter, size_t n)
{
    uint32_t key = 0;

    for (size_t i = 0; i < n; i++)
        key = key << 8 | letter[i];
    return hash_of(key + (uint32_t)n * 0x9E3779B9u, BITS_MIN);
}

static enum btz_err index_all(struct canaries *all)
{
    size_t slots;

    for (all->bits = BITS_MIN; all->bits < BITS_MAX && (size_t)1 << all->bits < all->count * 16;)
        all->bits++;
    slots = (size_t)1 << all->bits;
    all->ends = calloc(slots / 64, sizeof *all->ends);
    all->by_end = malloc(slots * sizeof *all->by_end);
    all->by_start = malloc(slots * sizeof *all->by_start);
    if (!all->ends || !all->by_end || !all->by_start)
        return btz_fail(BTZ_LIMIT, "out of memory for canaries");
    memset(all->by_end, 0xFF, slots * sizeof *all->by_end);
    memset(all->by_start, 0xFF, slots * sizeof *all->by_start);
    for (size_t i = 0; i < all->count; i++) {
        struct spelling *s = &all->spelling[i];
        uint32_t first = 0, last = 0, h;

        for (size_t k = 0; k < KEY; k++) {
            first = first << 8 | lower(s->letter[k]);
            last = last << 8 | lower(s->letter[s->len - KEY + k]);
            h = start_of(s->letter, k + 1);
            all->starts[s->exact][h / 64] |= (uint64_t)1 << (h % 64);
        }
        h = hash_of(last, all->bits);
        all->ends[h / 64] |= (uint64_t)1 << (h % 64);
        s->next_by_end = all->by_end[h];
        all->by_end[h] = (uint16_t)i;
        h = hash_of(first, all->bits);
        s->next_by_start = all->by_start[h];
        all->by_start[h] = (uint16_t)i;
        all->longest = s->len > all->longest ? s->len : all->longest;
    }
    sorts(all);
    return BTZ_OK;
}

static enum btz_err compile(const struct btz_guard_conf *conf, void **out)
{
    const char *const *text = conf->canaries.items;
    struct canaries *all;
    enum btz_err err = BTZ_OK;

    *out = NULL;
    if (conf->canaries.count == 0)
        return BTZ_OK;
    if (conf->canaries.count > CANARIES_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d canaries", CANARIES_MAX);
    all = calloc(1, sizeof *all);
    if (!all ||
        !(all->spelling = calloc(conf->canaries.count * SPELLINGS, sizeof *all->spelling))) {
        free(all);
        return btz_fail(BTZ_LIMIT, "out of memory for canaries");
    }
    for (size_t i = 0; err == BTZ_OK && i < conf->canaries.count; i++)
        err = add(all, text[i]);
    if (err == BTZ_OK)
        err = index_all(all);
    if (err != BTZ_OK) {
        release(all);
        return err;
    }
    *out = all;
    return BTZ_OK;
}

/* ---- what is passed over ------------------------------------------------------------------------------------------- */

/* Does a control sequence, or one of its C1 forms, begin here? Its introducer; 0: none, or 1: too short to tell. */
static uint8_t introducer(struct btz_slice t, size_t at, size_t *body)
{
    *body = at + 2;
    if (t.ptr[at] == 0x1B)
        return at + 1 < t.len ? t.ptr[at + 1] : 1;
    if (t.ptr[at] != 0xC2 || at + 1 >= t.len)
        return 0;
    switch (t.ptr[at + 1]) {
    case 0x9B:
        return '[';
    case 0x90:
    case 0x98:
    case 0x9D:
    case 0x9E:
    case 0x9F:
        return ']';
    default:
        return 0;
    }
}

static size_t tag_end(struct btz_slice t, size_t at, bool *cut)
{
    size_t i = at + 1, limit = at + MARKUP_MAX;

    if (i < t.len && !btz_is_alpha(t.ptr[i]) && !strchr("/!?", t.ptr[i] ? t.ptr[i] : 'x'))
        return at;
    while (i < t.len && i < limit && t.ptr[i] != '>' && t.ptr[i] != '<')
        i++;
    *cut = i == t.len && i < limit;
    return i < t.len && t.ptr[i] == '>' ? i + 1 : at;
}

/* Where the markup that begins at `at` ends; `at`: there is none. *cut: the text ends before that is sure. */
static size_t markup_end(struct btz_slice t, size_t at, bool *cut)
{
    size_t i, limit = at + MARKUP_MAX;
    uint8_t sort;

    if (t.ptr[at] == '<')
        return tag_end(t, at, cut);
    sort = introducer(t, at, &i);
    *cut = sort == 1;
    if (sort == '[') {
        while (i < t.len && i < limit && t.ptr[i] >= 0x20 && t.ptr[i] < 0x40)
            i++;
        *cut = i >= t.len && i < limit;
        return i < t.len && t.ptr[i] >= 0x40 && t.ptr[i] < 0x7F ? i + 1 : at;
    }
    if (!sort || !strchr("]PX^_", sort))
        return at;
    while (i < t.len && i < limit && t.ptr[i] != 7 && t.ptr[i] != 0x1B &&
           !(t.ptr[i] == 0xC2 && i + 1 < t.len && t.ptr[i + 1] == 0x9C))
        i++;
    *cut = i + 1 >= t.len && i < limit && !(i < t.len && t.ptr[i] == 7);
    if (i >= t.len || i >= limit)
        return at;
    return t.ptr[i] == 7 ? i + 1 : i + 1 < t.len && t.ptr[i + 1] != '[' ? i + 2 : at;
}

/* ---- search ---------------------------------------------------------------------------------------------------------- */

/* The last letters that were read. */
struct search {
    const struct canaries *all;
    struct btz_found *found;
    const uint8_t *text, *folded;
    const uint8_t *sort;
    size_t seen;
    uint32_t last, gap; /* the last four; how much stood behind the last */
    bool markup, hex, stop;
    uint8_t letter[RING], exact[RING], before[RING]; /* before: how much stood in front of it */
    uint32_t place[RING];
};

/* Are the `n` letters from the `first`-th on those of the spelling? */
static bool same(const struct search *f, const struct spelling *s, size_t first, size_t n)
{
    const uint8_t *read = s->exact ? f->exact : f->letter;

    if (f->hex && !s->hex)
        return false;
    for (size_t i = n; i-- > 0;)
        if (read[(first + i) % RING] != s->letter[i] ||
            (i > 0 && f->before[(first + i) % RING] > GAP_MAX))
            return false;
    return true;
}

static enum btz_err ends(const struct search *f, uint32_t hash)
{
    for (uint16_t i = f->all->by_end[hash]; i != NONE; i = f->all->spelling[i].next_by_end) {
        const struct spelling *s = &f->all->spelling[i];

        if (f->seen >= s->len && same(f, s, f->seen - s->len, s->len))
            BTZ_TRY(btz_found_hit(f->found, f->place[(f->seen - s->len) % RING],
                                  f->place[(f->seen - 1) % RING] + 1, s->kind, 1));
    }
    return BTZ_OK;
}

static enum btz_err letters(struct search *f, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        uint32_t h;

        f->letter[f->seen % RING] = f->folded[i];
        f->exact[f->seen % RING] = f->text[i];
        f->before[f->seen % RING] = (uint8_t)f->gap;
        f->place[f->seen % RING] = (uint32_t)i;
        f->seen++;
        f->gap = 0;
        f->last = f->last << 8 | f->folded[i];
        h = hash_of(f->last, f->all->bits);
        if (f->all->ends[h / 64] >> (h % 64) & 1)
            BTZ_TRY(ends(f, h));
    }
    return BTZ_OK;
}

/* Could the `n` letters from the `first`-th on be the beginning of a spelling? */
static bool begins(const struct search *f, size_t first, size_t n)
{
    uint8_t key[2][KEY];
    size_t have = n < KEY ? n : KEY;
    uint32_t h[2], word = 0;

    for (size_t i = 0; i < have; i++) {
        key[0][i] = f->letter[(first + i) % RING];
        key[1][i] = f->exact[(first + i) % RING];
        word = word << 8 | lower(key[0][i]);
    }
    h[0] = start_of(key[0], have);
    h[1] = start_of(key[1], have);
    if (!(f->all->starts[0][h[0] / 64] >> (h[0] % 64) & 1) &&
        !(f->all->starts[1][h[1] / 64] >> (h[1] % 64) & 1))
        return false;
    if (n < KEY)
        return true;
    for (uint16_t i = f->all->by_start[hash_of(word, f->all->bits)]; i != NONE;
         i = f->all->spelling[i].next_by_start)
        if (f->all->spelling[i].len > n && same(f, &f->all->spelling[i], first, n))
            return true;
    return false;
}

/* The longest end of what was read that a spelling begins with is waited for. */
static void tail(const struct search *f)
{
    size_t first = f->seen, least;

    if (f->seen == 0 || f->gap > GAP_MAX)
        return;
    least = f->seen >= f->all->longest ? f->seen - f->all->longest + 1 : 0;
    while (first > least && (first == f->seen || f->before[first % RING] <= GAP_MAX))
        first--;
    for (; first < f->seen; first++)
        if (begins(f, first, f->seen - first)) {
            btz_found_wait(f->found, f->place[first % RING]);
            return;
        }
}

/* What is no ASCII, and what markup or hex make of bytes. *n: its length. */
static enum btz_err special(struct search *f, const struct btz_view *view, size_t i, size_t *n)
{
    struct btz_slice t = btz_slice_of(f->folded, view->text.len);
    bool gap, cut = false;

    *n = letter_at(t, i, &gap);
    if (f->markup && (t.ptr[i] == '<' || t.ptr[i] == 0x1B || t.ptr[i] == 0xC2)) {
        size_t end = markup_end(t, i, &cut);

        if (cut && !view->final) {
            btz_found_wait(f->found, i);
            f->stop = true;
            return BTZ_OK;
        }
        if (end > i) {
            gap = true;
            *n = end - i;
        }
    } else if (f->hex && t.ptr[i] == 'x') {
        gap = true;
    } else if (f->hex && t.ptr[i] == '0') {
        if (i + 1 == t.len && !view->final) {
            f->stop = true;
            return BTZ_OK;
        }
        gap = i + 1 < t.len && t.ptr[i + 1] == 'x';
    }
    if (!gap)
        return letters(f, i, *n);
    f->gap += f->gap < 255;
    return BTZ_OK;
}

/* `markup`: what is within <...> and in control sequences is passed over; else it is read like the rest. */
static enum btz_err search(const struct canaries *all, const struct btz_view *view, bool markup,
                           bool hex, struct btz_found *found)
{
    struct search f;
    size_t len = view->text.len;

    f.all = all;
    f.found = found;
    f.text = view->text.ptr;
    f.folded = view->folded;
    f.sort = all->sort[markup + 2 * hex];
    f.seen = f.last = f.gap = 0;
    f.markup = markup;
    f.hex = hex;
    f.stop = false;
    for (size_t i = 0, n; i < len && !f.stop; i += n) {
        uint8_t c = f.folded[i], sort = f.sort[c];
        uint8_t at = (uint8_t)f.seen;
        uint32_t h, is = sort == SORT_LETTER;

        n = 1;
        if (sort == SORT_SPECIAL) {
            BTZ_TRY(special(&f, view, i, &n));
            continue;
        }
        f.letter[at] = c;
        f.exact[at] = f.text[i];
        f.before[at] = (uint8_t)f.gap;
        f.place[at] = (uint32_t)i;
        f.seen += is;
        f.gap = is ? 0 : f.gap + (f.gap < 255);
        f.last = is ? f.last << 8 | c : f.last;
        h = hash_of(f.last, all->bits);
        if (is && (all->ends[h / 64] >> (h % 64) & 1))
            BTZ_TRY(ends(&f, h));
    }
    if (!view->final)
        tail(&f);
    return BTZ_OK;
}

/* "0x42, 0x6c": only there x and 0 are other than letters. */
static bool has_hex(const struct btz_view *view)
{
    const uint8_t *p = view->folded, *end = p + view->text.len, *x;

    if (!view->final && (end[-1] == '0' || end[-1] == 'x'))
        return true;
    for (x = p; (x = memchr(x, 'x', (size_t)(end - x))); x++)
        if ((x > p && btz_is_digit(x[-1])) || (x + 1 < end && btz_is_digit(x[1])))
            return true;
    return false;
}

static bool has_markup(struct btz_slice t)
{
    const uint8_t *end = t.ptr + t.len;

    if (memchr(t.ptr, '<', t.len) || memchr(t.ptr, 0x1B, t.len))
        return true;
    for (const uint8_t *p = t.ptr; (p = memchr(p, 0xC2, (size_t)(end - p))); p++)
        if (p + 1 == end || (p[1] >= 0x80 && p[1] < 0xA0))
            return true;
    return false;
}

/*
 * Does some spelling have all its letters in the text, in whatever order? Nearly always none has, and to see that takes a
 * tenth of the search. Only where no more text follows, and where spellings are few against it.
 */
static bool may_hold(const struct canaries *all, const struct btz_view *view)
{
    uint8_t there[2][256];
    size_t len = view->text.len;

    if (!view->final || all->count > len / 8)
        return true;
    memset(there, 0, sizeof there);
    for (size_t i = 0; i < len; i++) {
        there[false][view->folded[i]] = 1;
        there[true][view->text.ptr[i]] = 1;
    }
    for (size_t i = 0; i < all->count; i++) {
        const struct spelling *s = &all->spelling[i];
        size_t k = 0;

        while (k < s->len && there[s->exact][s->letter[k]])
            k++;
        if (k == s->len)
            return true;
    }
    return false;
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    const struct canaries *all = setup;
    bool markup;

    (void)session;
    if (view->text.len == 0 || !may_hold(all, view))
        return BTZ_OK;
    markup = has_markup(view->text);
    BTZ_TRY(search(all, view, false, false, found));
    if (markup)
        BTZ_TRY(search(all, view, true, false, found));
    if (!has_hex(view))
        return BTZ_OK;
    BTZ_TRY(search(all, view, false, true, found));
    return markup ? search(all, view, true, true, found) : BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_canary = {
    .id = "canary",
    .summary = "Strings of `canaries` in any spelling: spaced, backwards, ROT13, encoded.",
    .mask = "canary",
    .channels = ((1u << BTZ_CHANNEL_COUNT) - 1) & ~(1u << BTZ_CHANNEL_SYSTEM),
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_BLOCK,
    .decoded = true,
    .words = true,
    .scan = scan,
    .compile = compile,
    .release = release,
};
