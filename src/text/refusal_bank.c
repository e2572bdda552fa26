#include "text/refusal_bank.h"

#include <stdlib.h>

enum {
    SENTENCES_MAX = 1024, /* kept in a bank */
    REPLY_SENTENCES = 48, /* read of one reply */
    REPLY_BYTES = 4096,
    GRAMS_MAX = 256, /* of one sentence */
    GRAM = 4,
    KEY_MIN = 3, /* letters and digits; shorter sentences say nothing */
};
#define ALIKE 0.6 /* Jaccard similarity of two sentences that are one: a changed word in a dozen */

/* A sentence reduced to letters and digits, as the sorted set of its hashed character 4-grams. */
struct sketch {
    uint32_t grams[GRAMS_MAX];
    size_t count, length;
    uint64_t bits[4]; /* the same set in a small bitmap, to skip most comparisons */
};
struct sentence {
    uint32_t *grams;
    size_t count;
    uint64_t bits[4];
    unsigned refused, helpful; /* replies it stood in */
    unsigned last_reply;
    bool trusted; /* stood in a reply that reads as a refusal */
};
struct btz_refusal_bank {
    struct sentence *items;
    size_t count, cap;
    unsigned replies;
};

enum btz_err btz_refusal_bank_new(struct btz_refusal_bank **out)
{
    struct btz_refusal_bank *b = calloc(1, sizeof *b);

    if (!b)
        return btz_fail(BTZ_LIMIT, "out of memory for a refusal bank");
    *out = b;
    return BTZ_OK;
}

void btz_refusal_bank_free(struct btz_refusal_bank *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        free(b->items[i].grams);
    free(b->items);
    free(b);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static uint32_t gram_hash(const uint8_t *p, size_t n)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 16777619u;
    return h ^ h >> 15;
}

static enum btz_err sketch_of(struct btz_slice sentence, struct sketch *s)
{
    BTZ_BUF_RELEASE struct btz_buf key = BTZ_BUF((size_t)REPLY_BYTES * 16);
    size_t kept = 0, last;

    BTZ_TRY(btz_text_normalise(sentence, BTZ_NORM_MATCH | BTZ_NORM_ALNUM, &key));
    s->length = key.len;
    s->count = 0;
    memset(s->bits, 0, sizeof s->bits);
    if (key.len < KEY_MIN)
        return BTZ_OK;
    last = key.len < GRAM ? 1 : key.len - GRAM + 1;
    for (size_t i = 0; i < last && s->count < GRAMS_MAX; i++)
        s->grams[s->count++] = gram_hash(key.ptr + i, key.len < GRAM ? key.len : GRAM);
    qsort(s->grams, s->count, sizeof *s->grams, by_value);
    for (size_t i = 0; i < s->count; i++) {
        uint32_t g = s->grams[i];

        if (kept > 0 && s->grams[kept - 1] == g)
            continue;
        s->grams[kept++] = g;
        s->bits[g >> 6 & 3] |= (uint64_t)1 << (g & 63);
    }
    s->count = kept;
    return BTZ_OK;
}

static double jaccard(const struct sentence *a, const struct sketch *b)
{
    size_t i = 0, j = 0, both = 0;

    while (i < a->count && j < b->count) {
        if (a->grams[i] == b->grams[j]) {
            both++;
            i++;
            j++;
        } else if (a->grams[i] < b->grams[j]) {
            i++;
        } else {
            j++;
        }
    }
    return (double)both / (double)(a->count + b->count - both);
}

static bool worth_comparing(const struct sentence *a, const struct sketch *b)
{
    int both = 0, any = 0;
    size_t shorter = a->count < b->count ? a->count : b->count;
    size_t longer = a->count < b->count ? b->count : a->count;

    if ((double)shorter < ALIKE * (double)longer)
        return false;
    for (int i = 0; i < 4; i++) {
        both += __builtin_popcountll(a->bits[i] & b->bits[i]);
        any += __builtin_popcountll(a->bits[i] | b->bits[i]);
    }
    return both * 2 >= any; /* less than ALIKE: the bitmap only estimates */
}

static struct sentence *find(const struct btz_refusal_bank *b, const struct sketch *s)
{
    struct sentence *best = NULL;
    double best_alike = ALIKE;

    if (s->count == 0)
        return NULL;
    for (size_t i = 0; i < b->count; i++) {
        double alike;

        if (!worth_comparing(&b->items[i], s))
            continue;
        alike = jaccard(&b->items[i], s);
        if (alike >= best_alike) {
            best = &b->items[i];
            best_alike = alike;
        }
    }
    return best;
}

static enum btz_err insert(struct btz_refusal_bank *b, const struct sketch *s,
                           struct sentence **out)
{
    uint32_t *grams;

    if (b->count == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 32;
        struct sentence *grown = realloc(b->items, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu sentences", cap);
        b->items = grown;
        b->cap = cap;
    }
    grams = malloc(s->count * sizeof *grams);
    if (!grams)
        return btz_fail(BTZ_LIMIT, "out of memory for a sentence");
    memcpy(grams, s->grams, s->count * sizeof *grams);
    *out = &b->items[b->count++];
    **out = (struct sentence){ .grams = grams, .count = s->count };
    memcpy((*out)->bits, s->bits, sizeof s->bits);
    return BTZ_OK;
}

/* Next sentence at or after *at: up to a line end, or to . ! ? (or their kin) in front of white space. */
static bool next_sentence(struct btz_slice text, size_t *at, struct btz_slice *out)
{
    size_t from = *at, before;
    uint32_t c;
    bool ended = false;

    if (from >= text.len)
        return false;
    for (before = from; btz_utf8_next(text, at, &c); before = *at) {
        if (c == '\n' || (ended && (c == ' ' || c == '\t' || c == '\r')))
            break;
        /* The full stops of Chinese and Japanese need no space behind them. */
        if (c == 0x3002 || c == 0xFF01 || c == 0xFF1F) {
            before = *at;
            break;
        }
        ended = c == '.' || c == '!' || c == '?' || c == 0x61F || c == 0x964 ||
                (ended && (c == '"' || c == '\'' || c == ')' || c == 0x201D));
    }
    *out = btz_slice_sub(text, from, before - from);
    return true;
}

enum btz_err btz_refusal_bank_add(struct btz_refusal_bank *b, struct btz_slice reply, bool refused)
{
    struct btz_slice text = btz_slice_sub(reply, 0, REPLY_BYTES), sentence;
    struct btz_verdict verdict;
    size_t at = 0;

    btz_judge(btz_str(""), reply, NULL, &verdict);
    b->replies++;
    for (int n = 0; n < REPLY_SENTENCES && next_sentence(text, &at, &sentence); n++) {
        struct sketch s;
        struct sentence *known;

        BTZ_TRY(sketch_of(sentence, &s));
        if (s.count == 0)
            continue;
        known = find(b, &s);
        if (!known && b->count == SENTENCES_MAX)
            continue;
        if (!known)
            BTZ_TRY(insert(b, &s, &known));
        if (known->last_reply == b->replies)
            continue;
        known->last_reply = b->replies;
        known->refused += refused;
        known->helpful += !refused;
        known->trusted = known->trusted || (refused && verdict.refusal >= 0.5);
    }
    return BTZ_OK;
}

double btz_refusal_bank_share(const struct btz_refusal_bank *b, struct btz_slice response)
{
    struct btz_slice text = btz_slice_sub(response, 0, REPLY_BYTES), sentence;
    size_t at = 0, total = 0, deflected = 0, courtesy = 0;
    bool fixed = false;

    for (int n = 0; n < REPLY_SENTENCES && next_sentence(text, &at, &sentence); n++) {
        struct sketch s;
        const struct sentence *known;

        if (sketch_of(sentence, &s) != BTZ_OK)
            return 0;
        known = find(b, &s);
        total += s.length;
        if (!known || known->refused == 0)
            continue;
        if (known->helpful > 0) {
            courtesy += s.length;
            fixed = fixed || known->refused >= 2;
        } else if (known->trusted || known->refused >= 2) {
            deflected += s.length;
        }
    }
    if (courtesy == total)
        return fixed ? 1 : 0;
    return (double)deflected / (double)(total - courtesy);
}
