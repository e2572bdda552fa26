/* Words with nearly the same meaning: a list of the user's, or the small one here. */
#include <stdlib.h>
#include <strings.h>

#include "robust/text.h"

#define BYTES_MAX ((size_t)8 << 20)
#define OTHERS    64 /* a word */

struct entry {
    struct btz_slice word;
    const struct btz_slice *others;
    size_t count, line;
};
struct btz_synonyms {
    struct btz_arena arena;
    struct entry *entries; /* sorted */
    size_t count;
};

/* Written for this program; each line both ways where both are true. */
static const char built_in[] = "ignore: disregard, skip, overlook\n"
                               "disregard: ignore, skip\n"
                               "instructions: directions, guidance, orders\n"
                               "instruction: direction, order\n"
                               "previous: prior, earlier, preceding\n"
                               "prior: previous, earlier\n"
                               "reveal: disclose, show, expose\n"
                               "show: display, present\n"
                               "tell: inform, say\n"
                               "prompt: message, text\n"
                               "system: platform, setup\n"
                               "secret: hidden, private\n"
                               "password: passphrase, credential\n"
                               "pretend: act, imagine\n"
                               "bypass: avoid, evade\n"
                               "rules: guidelines, policies\n"
                               "restrictions: limits, constraints\n"
                               "forget: drop, neglect\n"
                               "immediately: promptly, instantly\n"
                               "answer: reply, respond\n"
                               "respond: answer, reply\n"
                               "good: fine, great, decent\n"
                               "great: excellent, superb, good\n"
                               "bad: poor, awful, lousy\n"
                               "terrible: awful, dreadful\n"
                               "awful: dreadful, terrible\n"
                               "boring: dull, tedious\n"
                               "funny: amusing, humorous\n"
                               "movie: film, picture\n"
                               "film: movie, picture\n"
                               "free: complimentary, gratis\n"
                               "win: gain, earn\n"
                               "winner: victor, champion\n"
                               "money: cash, funds\n"
                               "cash: money, funds\n"
                               "urgent: pressing, critical\n"
                               "offer: deal, proposal\n"
                               "claim: request, collect\n"
                               "click: press, tap\n"
                               "buy: purchase, acquire\n"
                               "cheap: inexpensive, affordable\n"
                               "stupid: foolish, silly\n"
                               "idiot: fool, dunce\n"
                               "hate: detest, loathe\n"
                               "love: adore, cherish\n"
                               "kill: slay, murder\n"
                               "make: create, produce\n"
                               "help: assist, aid\n";

static int order(struct btz_slice a, struct btz_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int way = n ? strncasecmp((const char *)a.ptr, (const char *)b.ptr, n) : 0;

    return way ? way : (a.len > b.len) - (a.len < b.len);
}

static int by_word(const void *a, const void *b)
{
    return order(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

/* One word by the rules for texts, without digits. */
static bool is_entry(struct btz_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= '0' && s.ptr[i] <= '9')
            return false;
    return s.len < BTZ_TEXT_WORD_MAX && btz_text_is_word(s);
}

static enum btz_err read_line(struct btz_synonyms *s, struct btz_slice line, const char *what,
                              size_t number)
{
    struct btz_slice others[OTHERS], rest;
    struct entry *e = &s->entries[s->count];
    size_t colon = btz_slice_find(line, btz_str(":"), 0), count = 0;
    struct btz_slice *list;

    if (colon == SIZE_MAX)
        return btz_fail(BTZ_INPUT, "%s:%zu: expected \"word: other, other\"", what, number);
    e->word = btz_slice_trim(btz_slice_sub(line, 0, colon));
    e->line = number;
    for (rest = btz_slice_sub(line, colon + 1, line.len); rest.len;) {
        size_t comma = btz_slice_find(rest, btz_str(","), 0);
        size_t n = comma == SIZE_MAX ? rest.len : comma;

        if (count == OTHERS)
            return btz_fail(BTZ_LIMIT, "%s:%zu: more than %d words", what, number, OTHERS);
        others[count] = btz_slice_trim(btz_slice_sub(rest, 0, n));
        if (!is_entry(others[count++]))
            return btz_fail(BTZ_INPUT, "%s:%zu: entry %zu is not one word without digits", what,
                            number, count);
        rest = btz_slice_sub(rest, n + 1, rest.len);
    }
    if (!is_entry(e->word) || !count)
        return btz_fail(BTZ_INPUT, "%s:%zu: expected \"word: other, other\"", what, number);
    e->others = list = btz_arena_array(&s->arena, count, sizeof *list);
    if (!list)
        return BTZ_LIMIT;
    memcpy(list, others, count * sizeof *list);
    e->count = count;
    s->count++;
    return BTZ_OK;
}

static enum btz_err read_lines(struct btz_synonyms *s, struct btz_slice text, const char *what)
{
    struct btz_reader r = { .what = what };
    struct btz_slice line;
    size_t lines = 1, number = 0;

    if (text.len > BYTES_MAX)
        return btz_fail(BTZ_LIMIT, "%s: more than %zu bytes", what, BYTES_MAX);
    BTZ_TRY(btz_arena_copy(&s->arena, text, &r.in));
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    s->entries = btz_arena_array(&s->arena, lines, sizeof *s->entries);
    if (!s->entries)
        return BTZ_LIMIT;
    while (btz_read_line(&r, &line)) {
        number++;
        line = btz_slice_trim(line);
        if (line.len && line.ptr[0] != '#')
            BTZ_TRY(read_line(s, line, what, number));
    }
    qsort(s->entries, s->count, sizeof *s->entries, by_word);
    for (size_t i = 1; i < s->count; i++)
        if (order(s->entries[i - 1].word, s->entries[i].word) == 0)
            return btz_fail(BTZ_INPUT, "%s:%zu: the word of line %zu once more", what,
                            s->entries[i].line, s->entries[i - 1].line);
    return BTZ_OK;
}

enum btz_err btz_synonyms_parse(struct btz_slice text, const char *what, struct btz_synonyms **out)
{
    struct btz_synonyms *s = calloc(1, sizeof *s);
    enum btz_err err;

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_arena_init(&s->arena, (size_t)512 << 20);
    err = read_lines(s, text, what);
    if (err) {
        btz_synonyms_free(s);
        return err;
    }
    *out = s;
    return BTZ_OK;
}

enum btz_err btz_synonyms_read(const char *path, struct btz_synonyms **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BYTES_MAX);

    if (!path)
        return btz_synonyms_parse(btz_str(built_in), "built-in", out);
    BTZ_TRY(btz_file_read(path, BYTES_MAX, &text));
    return btz_synonyms_parse(btz_buf_slice(&text), path, out);
}

void btz_synonyms_free(struct btz_synonyms *s)
{
    if (!s)
        return;
    btz_arena_release(&s->arena);
    free(s);
}

const struct btz_slice *btz_synonyms_of(const struct btz_synonyms *s, struct btz_slice word,
                                        size_t *count)
{
    const struct entry key = { .word = word };
    const struct entry *e =
        s && s->count ? bsearch(&key, s->entries, s->count, sizeof key, by_word) : NULL;

    *count = e ? e->count : 0;
    return e ? e->others : NULL;
}
