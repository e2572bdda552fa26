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
    MARKUP_MAX = 32, /* <...>, or a control sequence */
    LETTERS_MIN = 4,
    ENCODED_MIN = 7, /* fewer come by chance */
    LETTERS_MAX = 128,
    CANARIES_MAX = 256,
    SPELLINGS = 7
};

/* One spelling, as an automaton of Knuth, Morris and Pratt over its letters. */
struct spelling {
    const char *kind;
    size_t len;
    bool exact; /* its case matters */
    bool hex;   /* "0x" and "x" are no letters */
    uint8_t letter[LETTERS_MAX];
    uint8_t back[LETTERS_MAX + 1];
};
struct canaries {
    size_t count;
    struct spelling *spelling;
};

static void prepare(struct spelling *s)
{
    size_t k = 0;

    s->back[0] = s->back[1] = 0;
    for (size_t i = 1; i < s->len; i++) {
        while (k > 0 && s->letter[i] != s->letter[k])
            k = s->back[k];
        k += s->letter[i] == s->letter[k];
        s->back[i + 1] = (uint8_t)k;
    }
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

/* The letter or digit at `at`: its bytes; or of what is none, with *gap set. At least one. */
static size_t letter_at(struct btz_slice t, size_t at, bool *gap)
{
    size_t next = at;
    uint32_t c = t.ptr[at];

    if (c < 0x80) {
        *gap = !btz_is_alnum((uint8_t)c);
        return 1;
    }
    *gap = !btz_utf8_next(t, &next, &c) ||
           !uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
    return next > at ? next - at : 1;
}

static void add_letters(struct spelling *s, struct btz_slice word)
{
    bool gap;

    for (size_t i = 0, n; i < word.len; i += n) {
        n = letter_at(word, i, &gap);
        if (!gap && s->len + n < LETTERS_MAX) {
            memcpy(s->letter + s->len, word.ptr + i, n);
            s->len += n;
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
        if (s->len >= ENCODED_MIN) {
            prepare(s);
            all->count++;
        } else {
            memset(s, 0, sizeof *s);
        }
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
        return btz_fail(BTZ_USAGE, "guard canary: %zu letters and digits; at least %d", s->len,
                        LETTERS_MIN);
    s[1] = s[2] = *s;
    s[1].kind = "canary-reversed";
    reverse(s[1].letter, s->len);
    s[2].kind = "canary-rot13";
    rot13(s[2].letter, s->len);
    for (unsigned i = 0; i < 3; i++)
        prepare(&s[i]);
    all->count += 3;
    add_encoded(all, btz_str(text));
    return BTZ_OK;
}

static void release(void *setup)
{
    struct canaries *all = setup;

    if (!all)
        return;
    btz_wipe(all->spelling, all->count * sizeof *all->spelling);
    free(all->spelling);
    free(all);
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
    if (err != BTZ_OK) {
        release(all);
        return err;
    }
    *out = all;
    return BTZ_OK;
}

/* Where the markup that begins at `at` ends; `at`: there is none. *cut: the text ends before that is sure. */
static size_t markup_end(struct btz_slice t, size_t at, bool *cut)
{
    size_t i = at + 1, limit = at + MARKUP_MAX;

    if (t.ptr[at] == '<') {
        while (i < t.len && i < limit && t.ptr[i] != '>' && t.ptr[i] != '<')
            i++;
        *cut = i == t.len && i < limit;
        return i < t.len && t.ptr[i] == '>' ? i + 1 : at;
    }
    if (i < t.len && t.ptr[i] != '[')
        return at;
    for (i++; i < t.len && i < limit && t.ptr[i] >= 0x20 && t.ptr[i] < 0x40;)
        i++;
    *cut = i >= t.len && i < limit;
    return i < t.len && t.ptr[i] >= 0x40 && t.ptr[i] < 0x7F ? i + 1 : at;
}

struct search {
    const struct spelling *s;
    size_t place[LETTERS_MAX]; /* [i % LETTERS_MAX]: where the i-th letter that fits stands */
    size_t seen, k, gap;
};

static enum btz_err letters(struct search *f, const uint8_t *p, size_t from, size_t n,
                            struct btz_found *found)
{
    const struct spelling *s = f->s;

    f->gap = 0;
    for (size_t i = from; i < from + n; i++) {
        while (f->k > 0 && p[i] != s->letter[f->k])
            f->k = s->back[f->k];
        if (p[i] != s->letter[f->k])
            continue;
        f->place[f->seen++ % LETTERS_MAX] = i;
        if (++f->k == s->len) {
            BTZ_TRY(btz_found_hit(found, f->place[(f->seen - s->len) % LETTERS_MAX], i + 1, s->kind,
                                  1));
            f->k = s->back[f->k];
        }
    }
    return BTZ_OK;
}

/* `markup`: what is within <...> and in control sequences is passed over; else it is read like the rest. */
static enum btz_err search(const struct spelling *s, const struct btz_view *view, bool markup,
                           struct btz_found *found)
{
    struct btz_slice t = btz_slice_of(s->exact ? view->text.ptr : view->folded, view->text.len);
    struct search f = { .s = s };
    bool gap, cut;

    for (size_t i = 0, n; i < t.len; i += n) {
        if (f.k == 0 && !markup) { /* nothing begun: on to the next beginning */
            const uint8_t *next = memchr(t.ptr + i, s->letter[0], t.len - i);

            if (!next)
                break;
            i = (size_t)(next - t.ptr);
        }
        n = letter_at(t, i, &gap);
        cut = false;
        if (markup && (t.ptr[i] == '<' || t.ptr[i] == 0x1B)) {
            size_t end = markup_end(t, i, &cut);

            if (cut && !view->final) {
                btz_found_wait(found, i);
                break;
            }
            n = end > i ? end - i : n;
        } else if (s->hex && t.ptr[i] == 'x') {
            gap = true;
        } else if (s->hex && t.ptr[i] == '0') {
            if (i + 1 == t.len && !view->final)
                break;
            gap = i + 1 < t.len && t.ptr[i + 1] == 'x';
        }
        if (!gap)
            BTZ_TRY(letters(&f, t.ptr, i, n, found));
        else if (++f.gap > GAP_MAX)
            f.k = 0;
    }
    if (f.k > 0)
        btz_found_wait(found, f.place[(f.seen - f.k) % LETTERS_MAX]);
    return BTZ_OK;
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    const struct canaries *all = setup;
    size_t len = view->text.len;
    bool markup =
        len > 0 && (memchr(view->text.ptr, '<', len) || memchr(view->text.ptr, 0x1B, len));

    (void)session;
    for (size_t i = 0; i < all->count; i++) {
        BTZ_TRY(search(&all->spelling[i], view, false, found));
        if (markup)
            BTZ_TRY(search(&all->spelling[i], view, true, found));
    }
    return BTZ_OK;
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
