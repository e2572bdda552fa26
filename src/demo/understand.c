#include "demo/understand.h"

#include <stdlib.h>

#define MESSAGE_HALF ((size_t)32 << 10)
#define CIPHER_MAX   ((size_t)16 << 10) /* stretches longer than this are no ciphers */
#define STRETCHES    24
#define DEPTH        3

struct study {
    const struct btz_demo_lexicon *lexicon;
    struct btz_arena *arena;
    struct btz_demo_reading *out;
    size_t count, bytes;
};

/* Whether the text announces one of `words`. */
static bool announces(struct btz_slice text, const char *words)
{
    for (const char *at = words; *at;) {
        size_t n = strcspn(at, " ");

        for (size_t i = 0; i + n <= text.len; i++)
            if (strncasecmp((const char *)text.ptr + i, at, n) == 0 &&
                (i == 0 || !((text.ptr[i - 1] | 32) >= 'a' && (text.ptr[i - 1] | 32) <= 'z')))
                return true;
        at += n;
        at += strspn(at, " ");
    }
    return false;
}

static enum btz_err add_reading(struct study *s, struct btz_slice text, const char *how,
                                bool disguised)
{
    struct btz_demo_reading *r;

    if (s->count == BTZ_DEMO_READINGS_MAX || s->bytes + text.len > 16 * MESSAGE_HALF)
        return BTZ_OK;
    text = btz_slice_trim(text);
    for (size_t i = 0; i < s->count; i++)
        if (btz_slice_equal(s->out[i].text, text))
            return BTZ_OK;
    r = &s->out[s->count];
    BTZ_TRY(btz_arena_copy(s->arena, text, &r->text));
    r->how = how;
    r->disguised = disguised;
    s->bytes += text.len;
    s->count++;
    return BTZ_OK;
}

static enum btz_err read_codes(struct study *s, struct btz_slice text)
{
    bool told = announces(text, "base64 base32 base16 hex binary morse ascii decode nato url html "
                                "encoded percent quoted spelling spaced decimal octal braille");

    for (size_t i = 0; i < btz_demo_code_count; i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(4 * MESSAGE_HALF);
        bool changed = false;
        enum btz_err err = btz_demo_codes[i].read(text, told, &out, &changed);

        if (err == BTZ_LIMIT)
            continue;
        BTZ_TRY(err);
        if (changed)
            BTZ_TRY(add_reading(s, btz_buf_slice(&out), btz_demo_codes[i].name, true));
    }
    return BTZ_OK;
}

/* The stretches of a text that may be a cipher of their own: all of it, what follows a colon, lines, quotations. */
static size_t stretches_of(struct btz_slice text, struct btz_slice *out)
{
    static const char quotes[] = "\"'`[<({", ends[] = "\"'`]>)}";
    size_t n = 0;

    out[n++] = text;
    for (size_t i = 0; i < text.len && n < STRETCHES; i++) {
        const char *quote = strchr(quotes, text.ptr[i] ? text.ptr[i] : 'x');

        if ((text.ptr[i] == ':' || text.ptr[i] == '\n') && n < STRETCHES / 2) {
            out[n++] = btz_slice_trim(btz_slice_sub(text, i + 1, SIZE_MAX));
        } else if (quote) {
            char end[2] = { ends[quote - quotes], '\0' };
            size_t close = btz_slice_find(text, btz_str(end), i + 1);

            if (close != SIZE_MAX && close - i > 8)
                out[n++] = btz_slice_sub(text, i + 1, close - i - 1);
        }
        if (text.ptr[i] == '\n' && n < STRETCHES) {
            size_t end = btz_slice_find(text, btz_str("\n"), i + 1);

            if (end != SIZE_MAX)
                out[n++] = btz_slice_trim(btz_slice_sub(text, i + 1, end - i - 1));
        }
    }
    return n;
}

static size_t letters_in(struct btz_slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += (s.ptr[i] | 32) >= 'a' && (s.ptr[i] | 32) <= 'z';
    return n;
}

static enum btz_err try_cipher(struct study *s, const struct btz_demo_cipher *c,
                               struct btz_slice in, double share, bool told)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(2 * CIPHER_MAX);
    size_t words;
    double after;
    struct btz_slice text;

    BTZ_TRY(c->read(s->lexicon, in, &out));
    text = btz_buf_slice(&out);
    if (text.len == 0 || !btz_is_utf8(text) || memchr(text.ptr, 0, text.len))
        return BTZ_OK;
    after = btz_demo_known_share(s->lexicon, text, &words);
    if (told ? (after >= share && letters_in(text) >= 3)
             : (words >= 3 && after >= 0.4 && after >= share + 0.25))
        return add_reading(s, text, c->name, true);
    return BTZ_OK;
}

static enum btz_err read_ciphers(struct study *s, struct btz_slice text)
{
    struct btz_slice stretches[STRETCHES];
    size_t count = stretches_of(text, stretches);
    bool told[32] = { false };

    for (size_t k = 0; k < btz_demo_cipher_count; k++)
        told[k] = announces(text, btz_demo_ciphers[k].told);
    for (size_t i = 0; i < count; i++) {
        size_t words;
        double share = btz_demo_known_share(s->lexicon, stretches[i], &words);

        if (stretches[i].len > CIPHER_MAX || stretches[i].len < 4)
            continue;
        for (size_t k = 0; k < btz_demo_cipher_count; k++) {
            /* What is readable is no cipher. */
            if (share > (told[k] ? 0.7 : 0.55) || (!told[k] && letters_in(stretches[i]) < 12))
                continue;
            BTZ_TRY(try_cipher(s, &btz_demo_ciphers[k], stretches[i], i > 0 ? share : share / 2,
                               told[k]));
        }
    }
    return BTZ_OK;
}

/* Words run together ("combinekestreland"): known words are cut out of long unknown ones. */
static enum btz_err cut_words(const struct btz_demo_lexicon *x, struct btz_slice in,
                              struct btz_buf *out, bool *changed)
{
    for (size_t i = 0; i < in.len;) {
        size_t start = i, cost[65], from[65], n;
        bool letters = true;

        while (i < in.len && in.ptr[i] > ' ')
            i++;
        n = i - start;
        for (size_t k = start; k + 1 < i; k++)
            letters = letters && (in.ptr[k] | 32) >= 'a' && (in.ptr[k] | 32) <= 'z';
        if (n < 20 || n > 64 || !letters) {
            BTZ_TRY(btz_buf_add(out, in.ptr + start, n));
            if (n == 0)
                BTZ_TRY(btz_buf_add_byte(out, in.ptr[i++]));
            continue;
        }
        cost[0] = 0;
        for (size_t end = 1; end <= n; end++) {
            cost[end] = SIZE_MAX;
            for (size_t at = end > 24 ? end - 24 : 0; at < end; at++) {
                size_t len = end - at;
                bool known = btz_demo_kinds(x, btz_slice_sub(in, start + at, len)) != 0;
                size_t c = cost[at] + (known ? (len == 1 ? 6 : 4) : 8 + 3 * len);

                if (c < cost[end]) {
                    cost[end] = c;
                    from[end] = at;
                }
            }
        }
        {
            size_t cuts[65], k = 0;

            for (size_t end = n; end > 0; end = from[end])
                cuts[k++] = from[end];
            *changed = *changed || k > 2;
            for (size_t end; k > 0;) {
                size_t at = cuts[--k];

                end = k > 0 ? cuts[k - 1] : n;
                if (at > 0)
                    BTZ_TRY(btz_buf_add_byte(out, ' '));
                BTZ_TRY(btz_buf_add(out, in.ptr + start + at, end - at));
            }
        }
    }
    return BTZ_OK;
}

static enum btz_err read_run_together(struct study *s, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(4 * MESSAGE_HALF);
    bool changed = false;

    BTZ_TRY(cut_words(s->lexicon, text, &out, &changed));
    return changed ? add_reading(s, btz_buf_slice(&out), "run together", true) : BTZ_OK;
}

/* "IgNorE tHe rULes": capitals behind small letters in a fourth of the words. Names like "iPhone" are few. */
static bool is_mixed_case(struct btz_slice text)
{
    size_t words = 0, mixed = 0;

    for (size_t i = 0; i < text.len;) {
        size_t start = i;
        bool turn = false;

        for (; i < text.len && (text.ptr[i] | 32) >= 'a' && (text.ptr[i] | 32) <= 'z'; i++)
            turn = turn || (i > start && text.ptr[i] <= 'Z' && text.ptr[i - 1] >= 'a');
        words += i - start >= 3;
        mixed += i - start >= 3 && turn;
        i += i == start;
    }
    return mixed >= 3 && mixed * 4 >= words;
}

static enum btz_err study(struct study *s, struct btz_slice message)
{
    struct btz_demo_fold fold;
    size_t first = 0;
    enum btz_err err;

    BTZ_TRY(btz_demo_fold(message, &fold));
    err = add_reading(s, btz_buf_slice(&fold.plain), "plain",
                      fold.disguised || is_mixed_case(btz_buf_slice(&fold.plain)));
    if (err == BTZ_OK && fold.hidden.len >= 4)
        err = add_reading(s, btz_buf_slice(&fold.hidden), "hidden", true);
    btz_demo_fold_release(&fold);
    BTZ_TRY(err);
    for (unsigned depth = 0; depth < DEPTH; depth++) {
        size_t end = s->count;

        for (size_t i = first; i < end; i++) {
            BTZ_TRY(read_codes(s, s->out[i].text));
            BTZ_TRY(read_ciphers(s, s->out[i].text));
            BTZ_TRY(read_run_together(s, s->out[i].text));
        }
        first = end;
    }
    return BTZ_OK;
}

enum btz_err btz_demo_understand(const struct btz_demo_lexicon *lexicon, struct btz_slice message,
                                 struct btz_arena *arena, struct btz_demo_reading *out,
                                 size_t *count)
{
    struct study s = { .lexicon = lexicon, .arena = arena, .out = out };
    BTZ_BUF_RELEASE struct btz_buf ends = BTZ_BUF(3 * MESSAGE_HALF);

    if (message.len > 2 * MESSAGE_HALF) {
        BTZ_TRY(btz_buf_add_slice(&ends, btz_slice_sub(message, 0, MESSAGE_HALF)));
        BTZ_TRY(btz_buf_add_str(&ends, "\n"));
        BTZ_TRY(btz_buf_add_slice(
            &ends, btz_slice_sub(message, message.len - MESSAGE_HALF, MESSAGE_HALF)));
        message = btz_buf_slice(&ends);
    }
    BTZ_TRY(study(&s, message));
    *count = s.count;
    return BTZ_OK;
}
