/*
 * Normal forms of text (UAX #15, full case folding, UTS #39 look-alikes). ASCII runs are copied in one pass; a run of
 * other characters goes through a table-free short cut where every character is its own normal form, and through
 * libunistring otherwise.
 */
#include <stdlib.h>

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "text/text.h"
#include "text/unicode.h"

#define ON_STACK 256

/* A growing run of code points: on the stack until it gets long. */
struct run {
    uint32_t *at;
    size_t len, cap;
    uint32_t room[ON_STACK];
};

struct norm {
    unsigned what;
    struct btz_buf *out;
    size_t start; /* where our part of `out` begins */
    bool gap;     /* white space seen, not written yet */
    struct run run;
};

bool btz_unicode_is_invisible(uint32_t c)
{
    if (c < 0xAD)
        return false;
    return c == 0xAD || c == 0x34F || c == 0x61C || c == 0x115F || c == 0x1160 || c == 0x17B4 ||
           c == 0x17B5 || (c >= 0x180B && c <= 0x180F) || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0x3164 ||
           (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0xFFA0 ||
           (c >= 0xFFF0 && c <= 0xFFFB) || (c >= 0x1BCA0 && c <= 0x1BCA3) ||
           (c >= 0x1D173 && c <= 0x1D17A) || (c >= 0xE0000 && c <= 0xE0FFF);
}

uint32_t btz_unicode_plain_quote(uint32_t c)
{
    if (c < 0xAB)
        return c;
    if ((c >= 0x2018 && c <= 0x201B) || c == 0x2032 || c == 0x2035 || c == 0xB4 ||
        (c >= 0x2B9 && c <= 0x2BC) || c == 0x2C8 || c == 0x2CA || c == 0x2CB || c == 0x2039 ||
        c == 0x203A || c == 0xFF07 || c == 0x55A || c == 0x5F3 || c == 0xA78C)
        return '\'';
    if ((c >= 0x201C && c <= 0x201F) || c == 0x2033 || c == 0x2036 || c == 0xAB || c == 0xBB ||
        c == 0x2BA || c == 0x5F4 || (c >= 0x301D && c <= 0x301F) || c == 0xFF02)
        return '"';
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2043 || c == 0x2212 || c == 0x58A || c == 0xFE58 ||
        c == 0xFE63 || c == 0xFF0D)
        return '-';
    return c;
}

bool btz_unicode_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static enum btz_err push(struct run *r, uint32_t c)
{
    if (r->len == r->cap) {
        bool heap = r->at != r->room;
        size_t cap = r->cap * 2;
        uint32_t *grown =
            cap > SIZE_MAX / 8 ? NULL : realloc(heap ? r->at : NULL, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu characters", cap);
        if (!heap)
            memcpy(grown, r->room, sizeof r->room);
        r->at = grown;
        r->cap = cap;
    }
    r->at[r->len++] = c;
    return BTZ_OK;
}

static bool keeps(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
}

static enum btz_err emit(struct norm *n, uint32_t c)
{
    if ((n->what & BTZ_NORM_ALNUM) && !keeps(c))
        return BTZ_OK;
    if (n->what & BTZ_NORM_SPACE) {
        if (btz_unicode_is_space(c)) {
            n->gap = true;
            return BTZ_OK;
        }
        if (n->gap && n->out->len > n->start)
            BTZ_TRY(btz_buf_add_byte(n->out, ' '));
        n->gap = false;
    }
    return btz_buf_add_utf8(n->out, c);
}

static enum btz_err ascii(struct norm *n, const uint8_t *p, size_t len)
{
    bool fold = n->what & BTZ_NORM_CASEFOLD, space = n->what & BTZ_NORM_SPACE;
    bool alnum = n->what & BTZ_NORM_ALNUM;
    size_t at;

    BTZ_TRY(btz_buf_reserve(n->out, len + 1));
    at = n->out->len;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i];

        if (alnum && !keeps(c))
            continue;
        if (space && (c == ' ' || (c >= 9 && c <= 13))) {
            n->gap = true;
            continue;
        }
        if (n->gap && at > n->start)
            n->out->ptr[at++] = ' ';
        n->gap = false;
        n->out->ptr[at++] = fold && c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    }
    n->out->len = at;
    return BTZ_OK;
}

/*
 * The folded form of a character that no normal form changes and that never composes with a neighbour of its kind;
 * 0 for all others. Each line is a range of UnicodeData.txt without decompositions that matter here.
 */
static uint32_t simple(unsigned what, uint32_t c)
{
    bool fold = what & BTZ_NORM_CASEFOLD;

    if (c < 0x80)
        return fold && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    if (c >= 0xC0 && c <= 0xFF && c != 0xDF)
        return fold && c <= 0xDE && c != 0xD7 ? c + 32 : c;
    if (c >= 0x3B1 && c <= 0x3C9)
        return fold && c == 0x3C2 ? 0x3C3 : c;
    if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2)
        return fold ? c + 32 : c;
    if (c >= 0x430 && c <= 0x45F)
        return c;
    if (c >= 0x410 && c <= 0x42F)
        return fold ? c + 32 : c;
    if (c >= 0x400 && c <= 0x40F)
        return fold ? c + 80 : c;
    if ((c >= 0x5D0 && c <= 0x5EA) || (c >= 0x621 && c <= 0x63A) || (c >= 0x641 && c <= 0x64A) ||
        (c >= 0x4E00 && c <= 0x9FEF) || (c >= 0x3041 && c <= 0x3096) ||
        (c >= 0x30A1 && c <= 0x30FA) || (c >= 0xAC00 && c <= 0xD7A3) || c == 0x3001 ||
        c == 0x3002 || (c >= 0x300A && c <= 0x3011))
        return c;
    if (c >= 0xFF01 && c <= 0xFF5E && (what & BTZ_NORM_NFKC))
        return simple(what, c - 0xFEE0);
    return 0;
}

static bool is_mark(uint32_t c)
{
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M);
}

/* Normalises or folds `in` into `out` (its own storage reused); libunistring picks `room` or the heap. */
static enum btz_err through(const struct run *in, uninorm_t form, bool fold, struct run *out)
{
    size_t len = out->cap;
    uint32_t *made = fold ? u32_casefold(in->at, in->len, NULL, NULL, out->at, &len)
                          : u32_normalize(form, in->at, in->len, out->at, &len);

    if (!made && in->len > 0)
        return btz_fail(BTZ_LIMIT, "out of memory to normalise %zu characters", in->len);
    if (made && made != out->at) {
        if (out->at != out->room)
            free(out->at);
        out->at = made;
        out->cap = len;
    }
    out->len = len;
    return BTZ_OK;
}

/* Again what mixed() did to the characters: normal forms bring new ones ("\u0149" holds an apostrophe). */
static void refine(unsigned what, struct run *r)
{
    for (size_t i = 0; i < r->len; i++) {
        if (what & BTZ_NORM_QUOTES)
            r->at[i] = btz_unicode_plain_quote(r->at[i]);
        if (what & BTZ_NORM_CONFUSABLE)
            r->at[i] = btz_unicode_ascii_twin(r->at[i]);
        /* Cherokee folds to capitals, some of which look like ours. */
        if ((what & BTZ_NORM_CASEFOLD) && r->at[i] >= 'A' && r->at[i] <= 'Z')
            r->at[i] |= 0x20;
    }
}

static void drop_marks(struct run *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->len; i++)
        if (!is_mark(r->at[i]))
            r->at[kept++] = r->at[i];
    r->len = kept;
}

/* Marks go before composing hides them, look-alikes go before and after folding: capitals differ from small letters. */
static enum btz_err slow_steps(struct norm *n, struct run *other, struct run **result)
{
    bool nfkc = n->what & BTZ_NORM_NFKC;
    struct run *from = &n->run, *to = other, *swap;

#define STEP(form, fold)                                                                           \
    do {                                                                                           \
        BTZ_TRY(through(from, form, fold, to));                                                    \
        swap = from;                                                                               \
        from = to;                                                                                 \
        to = swap;                                                                                 \
    } while (0)

    if (n->what & BTZ_NORM_MARKS) {
        STEP(nfkc ? UNINORM_NFKD : UNINORM_NFD, false);
        drop_marks(from);
        STEP(nfkc ? UNINORM_NFKC : UNINORM_NFC, false);
    } else if (nfkc) {
        STEP(UNINORM_NFKC, false);
    }
    refine(n->what, from);
    if (n->what & BTZ_NORM_CASEFOLD)
        STEP(NULL, true);
    refine(n->what, from);
    if (n->what & BTZ_NORM_MARKS)
        drop_marks(from);
    if (nfkc)
        STEP(UNINORM_NFKC, false);
#undef STEP
    *result = from;
    return BTZ_OK;
}

static enum btz_err slow(struct norm *n)
{
    struct run other, *result = NULL;
    enum btz_err err;

    other.at = other.room;
    other.cap = ON_STACK;
    other.len = 0;
    err = slow_steps(n, &other, &result);
    for (size_t i = 0; err == BTZ_OK && i < result->len; i++)
        err = emit(n, result->at[i]);
    if (other.at != other.room)
        free(other.at);
    return err;
}

/* One character that is not ASCII and what composes with it: at most one ASCII character, then the run. */
static enum btz_err mixed(struct norm *n, struct btz_slice part)
{
    bool quotes = n->what & BTZ_NORM_QUOTES, twin = n->what & BTZ_NORM_CONFUSABLE;
    bool easy = true;
    size_t at = 0;
    uint32_t c;

    n->run.len = 0;
    while (btz_utf8_next(part, &at, &c)) {
        if ((n->what & BTZ_NORM_INVISIBLE) && btz_unicode_is_invisible(c))
            continue;
        if (quotes && c == 0x2026) {
            BTZ_TRY(push(&n->run, '.'));
            BTZ_TRY(push(&n->run, '.'));
            c = '.';
        }
        if (quotes)
            c = btz_unicode_plain_quote(c);
        if (twin && c >= 0x80)
            c = btz_unicode_ascii_twin(c);
        if (easy && simple(n->what, c) == 0 && c != 0)
            easy = false;
        BTZ_TRY(push(&n->run, c));
    }
    if (!easy || (n->what & BTZ_NORM_MARKS))
        return slow(n);
    for (size_t i = 0; i < n->run.len; i++) {
        c = simple(n->what, n->run.at[i]);
        BTZ_TRY(emit(n, twin && c >= 0x80 ? btz_unicode_ascii_twin(c) : c));
    }
    return BTZ_OK;
}

static enum btz_err once(struct btz_slice in, unsigned what, struct btz_buf *out)
{
    struct norm n;
    enum btz_err err = BTZ_OK;
    size_t at = 0;

    n.what = what;
    n.out = out;
    n.start = out->len;
    n.gap = false;
    n.run.at = n.run.room;
    n.run.cap = ON_STACK;
    n.run.len = 0;
    while (err == BTZ_OK && at < in.len) {
        size_t end = at;

        while (end < in.len && in.ptr[end] < 0x80)
            end++;
        /* A mark composes with the letter in front of it, so that letter goes with the marks. */
        if (end < in.len && end > at)
            end--;
        if (end > at)
            err = ascii(&n, in.ptr + at, end - at);
        at = end;
        if (at == in.len || err != BTZ_OK)
            break;
        end = at + 1;
        while (end < in.len && in.ptr[end] >= 0x80)
            end++;
        err = mixed(&n, btz_slice_of(in.ptr + at, end - at));
        at = end;
    }
    if (n.run.at != n.run.room)
        free(n.run.at);
    return err;
}

/* Characters that come together when what stood between them is dropped may compose ("\u1100-\u1161"). */
static enum btz_err close_ranks(unsigned what, size_t start, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(out->max);
    bool ascii = true;

    for (size_t i = start; i < out->len && ascii; i++)
        ascii = out->ptr[i] < 0x80;
    if (ascii)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add(&again, out->ptr + start, out->len - start));
    out->len = start;
    return once(btz_buf_slice(&again), what, out);
}

enum btz_err btz_text_normalise(struct btz_slice in, unsigned what, struct btz_buf *out)
{
    size_t start = out->len;
    enum btz_err err = once(in, what, out);

    if (err == BTZ_OK && (what & BTZ_NORM_ALNUM) && (what & BTZ_NORM_NFKC))
        err = close_ranks(what, start, out);
    if (err != BTZ_OK)
        out->len = start;
    return err;
}
