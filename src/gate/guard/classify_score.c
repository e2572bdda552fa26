/* The score of a text under one set of weights. Apart from the built-in weights, so that the trainer judges as the guard does. */
#include <math.h>

#include "gate/guard/classify.h"

enum { CODE_PARTS = 14 }; /* a sign in this many bytes: program text, not sentences */

struct said { /* a sentence that was scored */
    uint64_t hash;
    size_t at;
};
struct scoring {
    const int8_t *weight;
    struct btz_slice text;
    bool direct;
    struct said said[BTZ_CLASS_RUN];
    unsigned said_next;
    struct btz_class_runs runs;
};

enum { SIGN = 1, SIGN_WITHIN, SIGN_COLON, SPACE };

/* What programs, settings and mark-up are full of. */
static const uint8_t signs_of_code[256] = {
    ['{'] = SIGN,       ['}'] = SIGN,  ['('] = SIGN, [')'] = SIGN,        ['['] = SIGN,
    [']'] = SIGN,       ['<'] = SIGN,  ['>'] = SIGN, ['='] = SIGN,        [';'] = SIGN,
    ['&'] = SIGN,       ['|'] = SIGN,  ['/'] = SIGN, ['\\'] = SIGN,       ['"'] = SIGN,
    ['`'] = SIGN,       ['$'] = SIGN,  ['#'] = SIGN, ['@'] = SIGN,        ['_'] = SIGN,
    ['+'] = SIGN,       ['*'] = SIGN,  ['%'] = SIGN, ['.'] = SIGN_WITHIN, ['\''] = SIGN_WITHIN,
    [':'] = SIGN_COLON, [' '] = SPACE,
};

/* A row of signs counts as two at most: a tail of braces makes no sentence code. */
static bool is_code(struct btz_slice s)
{
    size_t signs = 0, row = 0, spaces = 0, colon = SIZE_MAX;

    for (size_t i = 0; i < s.len; i++) {
        uint8_t sort = signs_of_code[s.ptr[i]];
        bool within;

        if (sort == 0 || sort == SPACE) { /* nearly always */
            spaces += sort == SPACE;
            row = 0;
            continue;
        }
        within = i > 0 && i + 1 < s.len && s.ptr[i - 1] > ' ' && s.ptr[i + 1] > ' ';
        if (sort == SIGN_COLON && colon == SIZE_MAX)
            colon = spaces;
        row = sort != SIGN_WITHIN || within ? row + 1 : 0;
        signs += row > 0 && row <= 2;
    }
    /* "key:" and "key: value" are lines of settings. */
    return (signs >= 3 && signs * CODE_PARTS >= s.len) || (colon == 0 && spaces <= 1);
}

/* And what ended the sentence before it, and ends it: "<", ">", ";" are signs as well. */
static struct btz_slice with_ends(struct btz_slice text, size_t from, size_t to)
{
    from -= from > 0 && text.ptr[from - 1] != '\n';
    for (unsigned i = 0; i < 2 && to < text.len && text.ptr[to] != '\n'; i++)
        to++;
    return btz_slice_sub(text, from, to - from);
}

/* Said a moment ago: saying it twenty times makes it no worse. What is further apart than a window counts anew. */
static bool is_repeated(struct scoring *k, const struct btz_class_sentence *s)
{
    uint64_t hash = UINT64_C(14695981039346656037), eight = 1;

    /* Eight bytes at a time: one would wait for the product of the one before. */
    for (size_t i = s->from; i < s->to; i++) {
        if (k->text.ptr[i] <= ' ')
            continue;
        if (eight >> 56) {
            hash = (hash ^ eight) * UINT64_C(0x9E3779B97F4A7C15);
            hash ^= hash >> 29;
            eight = 1;
        }
        eight = eight << 8 | k->text.ptr[i];
    }
    hash = (hash ^ eight) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 29;
    for (unsigned i = 0; i < BTZ_CLASS_RUN; i++)
        if (k->said[i].hash == hash && s->to - k->said[i].at <= BTZ_CLASS_WINDOW)
            return true;
    k->said[k->said_next++ % BTZ_CLASS_RUN] = (struct said){ hash, s->from };
    return false;
}

static void score_sentence(void *user, const struct btz_class_sentence *s)
{
    struct scoring *k = user;
    long sum = 0;

    if (is_repeated(k, s))
        return;
    for (unsigned i = 0; i < s->count; i++)
        sum += k->weight[s->slot[i]];
    /* People paste code all day; its words are those of orders, and nobody gives orders in it. */
    if (k->direct && sum > 0 && is_code(with_ends(k->text, s->from, s->to)))
        sum = 0;
    btz_class_runs_add(&k->runs, s->from, s->to, s->count, (double)sum);
}

double btz_class_value(const struct btz_class_lexicon *l, enum btz_class_head head,
                       const int8_t *weight, struct btz_slice text, struct btz_class_place *at)
{
    struct scoring k = { .weight = weight, .text = text, .direct = head == BTZ_CLASS_DIRECT };

    btz_class_runs_init(&k.runs);
    at->steps = btz_class_read(l, text, score_sentence, &k);
    at->from = k.runs.from;
    at->to = k.runs.to;
    return k.runs.seen == 0 ? -INFINITY : k.runs.best;
}
