/*
 * Texts as BERT reads them: cleaned, cut at spaces and punctuation, then each word into the longest pieces of a vocabulary.
 *
 * Source: the algorithm of google-research/bert, tokenization.py (BasicTokenizer, WordpieceTokenizer). A word of more than 100
 * characters is unknown, as in Hugging Face transformers; there it is 200.
 */
#include <stdlib.h>

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "robust/text.h"

#define FILE_MAX   ((size_t)64 << 20)
#define TOKENS_MAX 1000000
#define TOKEN_MAX  512 /* bytes */
#define PIECES_OF  100 /* characters of the longest word that is looked up */

struct entry {
    struct btz_slice token;
    uint32_t id;
};
struct btz_wordpiece {
    struct btz_arena arena;
    struct btz_slice *tokens; /* by id */
    struct entry *sorted;     /* by bytes */
    size_t count;
    size_t inner, inner_end; /* of `sorted`: those that begin with "##" */
    struct btz_wordpiece_special special;
    bool lower;
};

/* ---- the vocabulary ---------------------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    const struct btz_slice *x = &((const struct entry *)a)->token;
    const struct btz_slice *y = &((const struct entry *)b)->token;
    int way = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);

    return way ? way : (x->len > y->len) - (x->len < y->len);
}

/* Narrows [*from, *to), which share their first `depth` bytes, to those that go on with `byte`. */
static void narrow(const struct btz_wordpiece *w, size_t depth, uint8_t byte, size_t *from,
                   size_t *to)
{
    for (unsigned side = 0; side < 2; side++) {
        size_t low = *from, high = *to;

        while (low < high) {
            size_t middle = low + (high - low) / 2;
            struct btz_slice t = w->sorted[middle].token;

            if (t.len <= depth || t.ptr[depth] < byte + side)
                low = middle + 1;
            else
                high = middle;
        }
        *(side ? to : from) = low;
    }
}

/* The longest token of sorted[from, to) that `text` begins with, all of them alike in `depth` bytes that are not of the text;
 * returns its bytes in the text, 0: none. */
static size_t longest(const struct btz_wordpiece *w, struct btz_slice text, size_t depth,
                      size_t from, size_t to, uint32_t *id)
{
    size_t best = 0;

    for (size_t i = 0; i < text.len && from < to; i++) {
        narrow(w, depth + i, text.ptr[i], &from, &to);
        if (from < to && w->sorted[from].token.len == depth + i + 1) {
            best = i + 1;
            *id = w->sorted[from].id;
        }
    }
    return best;
}

static bool find(const struct btz_wordpiece *w, const char *token, uint32_t *id)
{
    return longest(w, btz_str(token), 0, 0, w->count, id) == strlen(token);
}

static enum btz_err read_tokens(struct btz_wordpiece *w, struct btz_slice file, const char *what)
{
    struct btz_reader reader = { .in = file, .what = what };
    struct btz_slice line;
    size_t room = 1;

    for (size_t i = 0; i < file.len; i++)
        room += file.ptr[i] == '\n';
    if (room > TOKENS_MAX + 1)
        return btz_fail(BTZ_LIMIT, "%s: more than %d tokens", what, TOKENS_MAX);
    w->tokens = btz_arena_array(&w->arena, room, sizeof *w->tokens);
    w->sorted = btz_arena_array(&w->arena, room, sizeof *w->sorted);
    if (!w->tokens || !w->sorted)
        return BTZ_LIMIT;
    while (btz_read_line(&reader, &line)) {
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (!line.len || line.len > TOKEN_MAX || !btz_is_utf8(line))
            return btz_fail(BTZ_INPUT,
                            "%s:%zu: expected a token of 1 to %d bytes of UTF-8, found %s", what,
                            w->count + 1, TOKEN_MAX,
                            !line.len              ? "an empty line"
                            : line.len > TOKEN_MAX ? "more"
                                                   : "other bytes");
        BTZ_TRY(btz_arena_copy(&w->arena, line, &w->tokens[w->count]));
        w->sorted[w->count] = (struct entry){ w->tokens[w->count], (uint32_t)w->count };
        w->count++;
    }
    return BTZ_OK;
}

/* A vocabulary with capitals, but for names such as [CLS], is of a model that knows them. */
static bool has_capitals(const struct btz_wordpiece *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct btz_slice t = w->tokens[i];

        if (t.len > 2 && t.ptr[0] == '[' && t.ptr[t.len - 1] == ']')
            continue;
        for (size_t k = 0; k < t.len; k++)
            if (t.ptr[k] >= 'A' && t.ptr[k] <= 'Z')
                return true;
    }
    return false;
}

static enum btz_err parse(struct btz_wordpiece *w, struct btz_slice file, const char *what)
{
    struct btz_wordpiece_special *s = &w->special;
    const struct {
        const char *token;
        uint32_t *id;
    } wanted[] = { { "[UNK]", &s->unknown }, { "[CLS]", &s->first }, { "[SEP]", &s->last } };

    BTZ_TRY(read_tokens(w, file, what));
    qsort(w->sorted, w->count, sizeof *w->sorted, by_bytes);
    for (size_t i = 1; i < w->count; i++)
        if (by_bytes(&w->sorted[i - 1], &w->sorted[i]) == 0) {
            uint32_t a = w->sorted[i - 1].id, b = w->sorted[i].id;

            return btz_fail(BTZ_INPUT, "%s:%u: the same token as in line %u", what,
                            (a > b ? a : b) + 1, (a > b ? b : a) + 1);
        }
    for (size_t i = 0; i < BTZ_COUNT(wanted); i++)
        if (!find(w, wanted[i].token, wanted[i].id))
            return btz_fail(BTZ_INPUT,
                            "%s: no line \"%s\": expected the vocabulary (vocab.txt) of a BERT "
                            "model, one token a line",
                            what, wanted[i].token);
    if (!find(w, "[PAD]", &s->pad))
        s->pad = BTZ_WORDPIECE_NONE;
    w->inner_end = w->count;
    narrow(w, 0, '#', &w->inner, &w->inner_end);
    narrow(w, 1, '#', &w->inner, &w->inner_end);
    return BTZ_OK;
}

enum btz_err btz_wordpiece_parse(struct btz_slice file, enum btz_letter_case letters,
                                 const char *what, struct btz_wordpiece **out)
{
    struct btz_wordpiece *w = calloc(1, sizeof *w);
    enum btz_err err;

    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_arena_init(&w->arena, 4 * FILE_MAX);
    err = parse(w, file, what);
    if (err) {
        btz_wordpiece_free(w);
        return err;
    }
    w->lower = letters == BTZ_CASE_AUTO ? !has_capitals(w) : letters == BTZ_CASE_LOWER;
    *out = w;
    return BTZ_OK;
}

enum btz_err btz_wordpiece_read(const char *path, enum btz_letter_case letters,
                                struct btz_wordpiece **out)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(FILE_MAX);

    BTZ_TRY(btz_file_read(path, FILE_MAX, &file));
    return btz_wordpiece_parse(btz_buf_slice(&file), letters, path, out);
}

void btz_wordpiece_free(struct btz_wordpiece *w)
{
    if (!w)
        return;
    btz_arena_release(&w->arena);
    free(w);
}

const struct btz_wordpiece_special *btz_wordpiece_special(const struct btz_wordpiece *w)
{
    return &w->special;
}

struct btz_slice btz_wordpiece_token(const struct btz_wordpiece *w, uint32_t id)
{
    return id < w->count ? w->tokens[id] : btz_str(NULL);
}

bool btz_wordpiece_lowers(const struct btz_wordpiece *w)
{
    return w->lower;
}

/* ---- texts ------------------------------------------------------------------------------------------------------------- */

struct encoding {
    const struct btz_wordpiece *w;
    struct btz_buf word; /* between two spaces */
    struct btz_buf bare; /* the same in lower case without accents */
    size_t max, *count;
    uint32_t *out;
};

static void put(struct encoding *e, uint32_t id)
{
    if (*e->count < e->max)
        e->out[(*e->count)++] = id;
}

/* A word without a piece for all of it is unknown as a whole. */
static void cut(struct encoding *e, struct btz_slice word, size_t characters)
{
    const struct btz_wordpiece *w = e->w;
    uint32_t ids[PIECES_OF];
    size_t n = 0;

    for (size_t at = 0; at < word.len && characters <= PIECES_OF;) {
        struct btz_slice rest = btz_slice_sub(word, at, word.len);
        size_t taken = at ? longest(w, rest, 2, w->inner, w->inner_end, &ids[n])
                          : longest(w, rest, 0, 0, w->count, &ids[n]);

        if (!taken)
            break;
        at += taken;
        n++;
        if (at == word.len) {
            for (size_t i = 0; i < n; i++)
                put(e, ids[i]);
            return;
        }
    }
    put(e, w->special.unknown);
}

static bool is_punctuation(uint32_t c)
{
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_P);
}

/* Punctuation is a word by itself. */
static void split(struct encoding *e, struct btz_slice word)
{
    size_t from = 0, at = 0, next = 0, characters = 0;
    uint32_t c;

    for (; btz_utf8_next(word, &next, &c); at = next) {
        if (!is_punctuation(c)) {
            characters++;
            continue;
        }
        if (characters)
            cut(e, btz_slice_sub(word, from, at - from), characters);
        cut(e, btz_slice_sub(word, at, next - at), 1);
        from = next;
        characters = 0;
    }
    if (characters)
        cut(e, btz_slice_sub(word, from, word.len), characters);
}

/* Marks go once decomposing has set them free. */
static enum btz_err fold(struct encoding *e)
{
    size_t n, at = 0, next = 0;
    BTZ_FREE uint8_t *lower = u8_tolower(e->word.ptr, e->word.len, NULL, UNINORM_NFD, NULL, &n);
    struct btz_slice word;
    uint32_t c;

    if (!lower)
        return btz_fail(BTZ_LIMIT, "out of memory");
    word = btz_slice_of(lower, n);
    btz_buf_clear(&e->bare);
    for (; btz_utf8_next(word, &next, &c); at = next)
        if (!uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Mn))
            BTZ_TRY(btz_buf_add_slice(&e->bare, btz_slice_sub(word, at, next - at)));
    return BTZ_OK;
}

static enum btz_err end_word(struct encoding *e)
{
    if (e->word.len && *e->count < e->max) {
        if (e->w->lower)
            BTZ_TRY(fold(e));
        split(e, btz_buf_slice(e->w->lower ? &e->bare : &e->word));
    }
    btz_buf_clear(&e->word);
    return BTZ_OK;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
           uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Z);
}

/* The blocks of CJK ideographs; not Hangul and Kana, which are written with spaces or with other letters. */
static bool is_ideograph(uint32_t c)
{
    static const uint32_t blocks[][2] = {
        { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xf900, 0xfaff },   { 0x20000, 0x2a6df },
        { 0x2a700, 0x2b73f }, { 0x2b740, 0x2b81f }, { 0x2b820, 0x2ceaf }, { 0x2f800, 0x2fa1f },
    };

    for (size_t i = 0; i < BTZ_COUNT(blocks); i++)
        if (c >= blocks[i][0] && c <= blocks[i][1])
            return true;
    return false;
}

static enum btz_err encode(struct encoding *e, struct btz_slice text)
{
    size_t at = 0;
    uint32_t c;

    while (*e->count < e->max && btz_utf8_next(text, &at, &c)) {
        if (is_space(c) || is_ideograph(c))
            BTZ_TRY(end_word(e));
        if (is_space(c) || !c || c == 0xfffd ||
            uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf))
            continue;
        BTZ_TRY(btz_buf_add_utf8(&e->word, c));
        if (is_ideograph(c))
            BTZ_TRY(end_word(e));
    }
    return end_word(e);
}

enum btz_err btz_wordpiece_encode(const struct btz_wordpiece *w, struct btz_slice text, size_t max,
                                  uint32_t *out, size_t *count)
{
    struct encoding e = { .w = w, .max = max, .out = out, .count = count };
    enum btz_err err;

    *count = 0;
    if (text.len > (size_t)4 * BTZ_TEXT_BYTES_MAX)
        return btz_fail(BTZ_LIMIT, "a text of %zu bytes; at most %d", text.len,
                        4 * BTZ_TEXT_BYTES_MAX);
    e.word = BTZ_BUF((size_t)4 * BTZ_TEXT_BYTES_MAX + 4);
    e.bare = BTZ_BUF((size_t)64 * BTZ_TEXT_BYTES_MAX);
    err = encode(&e, text);
    btz_buf_release(&e.word);
    btz_buf_release(&e.bare);
    return err;
}
