#include "gate/guard/classify.h"

#include <math.h>
#include <stdlib.h>

/*
 * What the operator and the model write speaks of instructions all the time and is not hostile: it takes more to be
 * suspicious. In units of the margin; the user's own channel and those of third parties have none.
 */
static double shift_of(enum btz_channel c)
{
    switch (c) {
    case BTZ_CHANNEL_SYSTEM:
    case BTZ_CHANNEL_ASSISTANT:
    case BTZ_CHANNEL_OUTPUT:
    case BTZ_CHANNEL_REASONING:
    case BTZ_CHANNEL_TOOL_ARGUMENTS:
        return 1;
    case BTZ_CHANNEL_TOOL_DESCRIPTION: /* orders to the model are what they are made of */
        return 0.5;
    case BTZ_CHANNEL_USER:
    case BTZ_CHANNEL_TOOL_RESULT:
    case BTZ_CHANNEL_DOCUMENT:
    case BTZ_CHANNEL_IMAGE_TEXT:
    case BTZ_CHANNEL_RAW:
    case BTZ_CHANNEL_COUNT:
        break;
    }
    return 0;
}

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

double btz_classifier_measure(const struct btz_classifier *c, enum btz_channel channel,
                              struct btz_slice text, size_t *from, size_t *to, uint64_t *steps)
{
    const struct btz_class_weights *w = c->weights;
    enum btz_class_head h = btz_class_head_of(channel);
    struct scoring k = { .weight = w->weight[h], .text = text, .direct = h == BTZ_CLASS_DIRECT };
    double margin;

    btz_class_runs_init(&k.runs);
    *steps = btz_class_read(c->lexicon, text, score_sentence, &k);
    if (from)
        *from = k.runs.from;
    if (to)
        *to = k.runs.to;
    if (k.runs.seen == 0)
        return 0;
    margin = k.runs.best * w->scale[h] + w->bias[h] - shift_of(channel);
    return 1 / (1 + exp(-w->slope[h] * margin));
}

double btz_classifier_score(const struct btz_classifier *c, enum btz_channel channel,
                            struct btz_slice text, size_t *from, size_t *to)
{
    uint64_t steps;

    return btz_classifier_measure(c, channel, text, from, to, &steps);
}

static enum btz_err load(const char *file, struct btz_classifier *c)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_CLASS_FILE_MAX);

    BTZ_TRY(btz_class_lexicon_new(&c->lexicon));
    if (file && *file) {
        c->owned = malloc(sizeof *c->owned);
        if (!c->owned)
            return btz_fail(BTZ_LIMIT, "out of memory for the classifier");
        BTZ_TRY(btz_file_read(file, BTZ_CLASS_FILE_MAX, &bytes));
        BTZ_TRY(btz_class_decode(btz_buf_slice(&bytes), file, c->owned));
        c->weights = c->owned;
    } else {
        c->weights = &btz_class_weights;
        BTZ_TRY(btz_class_encode(c->weights, &bytes));
    }
    btz_sha256(btz_buf_slice(&bytes), c->digest);
    return BTZ_OK;
}

enum btz_err btz_classifier_open(const char *file, struct btz_classifier **out)
{
    struct btz_classifier *c = calloc(1, sizeof *c);
    enum btz_err err;

    if (!c)
        return btz_fail(BTZ_LIMIT, "out of memory for the classifier");
    err = load(file, c);
    if (err != BTZ_OK) {
        btz_classifier_free(c);
        return err;
    }
    *out = c;
    return BTZ_OK;
}

void btz_classifier_free(struct btz_classifier *c)
{
    if (!c)
        return;
    btz_class_lexicon_free(c->lexicon);
    free(c->owned);
    free(c);
}

void btz_classifier_digest(const struct btz_classifier *c, uint8_t out[BTZ_SHA256_LEN])
{
    memcpy(out, c->digest, BTZ_SHA256_LEN);
}
