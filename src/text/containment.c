#include <stdlib.h>

#include "text/text.h"

/* ---- n-grams of code points ---- */

struct points {
    uint32_t *at;
    size_t count;
};

static uint32_t lower(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    /* Latin-1, Greek and Cyrillic capitals with a plain offset; the rest is compared as it is. */
    if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
        (c >= 0x410 && c <= 0x42F))
        return c + 32;
    return c >= 0x400 && c <= 0x40F ? c + 80 : c;
}

static bool decode(struct btz_slice text, struct points *out)
{
    size_t at = 0;
    uint32_t c;

    out->count = 0;
    out->at = malloc((text.len ? text.len : 1) * sizeof *out->at);
    if (!out->at)
        return false;
    while (btz_utf8_next(text, &at, &c))
        out->at[out->count++] = lower(c);
    return true;
}

static uint64_t gram_hash(const uint32_t *at, unsigned n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (unsigned i = 0; i < n; i++) {
        h ^= at[i];
        h *= UINT64_C(0x100000001b3);
    }
    return h ^ h >> 29;
}

/* Open addressing over places in `p`; places are compared, so that equal hashes do no harm. */
struct gram_set {
    size_t *slots; /* place + 1, 0 empty */
    unsigned char *seen;
    size_t mask, count;
};

static size_t find_slot(const struct gram_set *set, const struct points *secret,
                        const uint32_t *gram, unsigned n)
{
    size_t slot = (size_t)gram_hash(gram, n) & set->mask;

    while (set->slots[slot] &&
           memcmp(secret->at + set->slots[slot] - 1, gram, n * sizeof *gram) != 0)
        slot = (slot + 1) & set->mask;
    return slot;
}

static double share_found(const struct points *secret, const struct points *output, unsigned n,
                          struct gram_set *set)
{
    size_t found = 0;

    for (size_t i = 0; i + n <= secret->count; i++) {
        size_t slot = find_slot(set, secret, secret->at + i, n);

        set->count += set->slots[slot] == 0;
        set->slots[slot] = set->slots[slot] ? set->slots[slot] : i + 1;
    }
    for (size_t i = 0; i + n <= output->count; i++) {
        size_t slot = find_slot(set, secret, output->at + i, n);

        if (set->slots[slot] && !set->seen[slot]) {
            set->seen[slot] = 1;
            found++;
        }
    }
    return (double)found / (double)set->count;
}

double btz_text_containment(struct btz_slice secret, struct btz_slice output, unsigned n)
{
    struct points s = { 0 }, o = { 0 };
    struct gram_set set = { 0 };
    size_t size = 16;
    double share = 0;

    if (n > 0 && decode(secret, &s) && decode(output, &o) && s.count >= n) {
        while (size < 2 * s.count)
            size *= 2;
        set.mask = size - 1;
        set.slots = calloc(size, sizeof *set.slots);
        set.seen = calloc(size, 1);
        if (set.slots && set.seen)
            share = share_found(&s, &o, n, &set);
    }
    free(set.slots);
    free(set.seen);
    free(s.at);
    free(o.at);
    return share;
}

/* ---- longest run of words ---- */

struct words {
    struct btz_slice *at;
    size_t count;
};

static bool is_word_byte(uint8_t c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '\'';
}

static bool split(struct btz_slice text, struct words *out)
{
    size_t at = 0;

    out->count = 0;
    out->at = malloc((text.len / 2 + 1) * sizeof *out->at);
    if (!out->at)
        return false;
    while (at < text.len) {
        size_t start;

        while (at < text.len && !is_word_byte(text.ptr[at]))
            at++;
        start = at;
        while (at < text.len && is_word_byte(text.ptr[at]))
            at++;
        if (at > start)
            out->at[out->count++] = btz_slice_sub(text, start, at - start);
    }
    return true;
}

static uint8_t lower_byte(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool same_word(struct btz_slice a, struct btz_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower_byte(a.ptr[i]) != lower_byte(b.ptr[i]))
            return false;
    return true;
}

/* Longest common run by dynamic programming, one row: words(source) x words(output) steps, bounded below. */
#define STEPS_MAX UINT64_C(50000000)

static size_t longest_run(const struct words *source, const struct words *output, size_t *row)
{
    size_t columns = source->count, rows = output->count, best = 0;

    if (columns > 0 && rows > STEPS_MAX / columns)
        rows = (size_t)(STEPS_MAX / columns);
    for (size_t i = 0; i < rows; i++) {
        size_t diagonal = 0;

        for (size_t j = 0; j < columns; j++) {
            size_t above = row[j];

            row[j] = same_word(output->at[i], source->at[j]) ? diagonal + 1 : 0;
            best = row[j] > best ? row[j] : best;
            diagonal = above;
        }
    }
    return best;
}

size_t btz_text_longest_copy(struct btz_slice source, struct btz_slice output)
{
    struct words s = { 0 }, o = { 0 };
    size_t *row = NULL, best = 0;

    if (split(source, &s) && split(output, &o)) {
        row = calloc(s.count + 1, sizeof *row);
        if (row)
            best = longest_run(&s, &o, row);
    }
    free(row);
    free(s.at);
    free(o.at);
    return best;
}
