/*
 * Many words in one pass (Aho and Corasick, 1975), as a complete automaton: one look-up per byte. Bytes that occur in
 * no word share a column.
 */
#include <stdlib.h>

#include "text/text.h"

enum { TABLE_MAX = 64 << 20 }; /* entries */

struct btz_patterns {
    uint8_t column[256];
    size_t columns, states;
    uint32_t *next;    /* [state * columns + column] */
    uint32_t *ends;    /* [state]: first pattern that ends here + 1 */
    uint32_t *shorter; /* [state]: nearest suffix state at which a pattern ends, 0 none */
    uint32_t *same;    /* [pattern]: the next equal pattern + 1 */
    size_t *length;    /* [pattern] */
};

void btz_patterns_free(struct btz_patterns *p)
{
    if (!p)
        return;
    free(p->next);
    free(p->ends);
    free(p->shorter);
    free(p->same);
    free(p->length);
    free(p);
}

static enum btz_err measure(struct btz_patterns *p, const struct btz_slice *words, size_t count,
                            size_t *states)
{
    *states = 1;
    p->columns = 1;
    for (size_t w = 0; w < count; w++) {
        if (words[w].len == 0)
            return btz_fail(BTZ_USAGE, "pattern %zu is empty", w);
        if (!btz_size_add(*states, words[w].len, states) || *states > TABLE_MAX)
            return btz_fail(BTZ_LIMIT, "patterns of more than %d bytes together", TABLE_MAX);
        for (size_t i = 0; i < words[w].len; i++)
            if (!p->column[words[w].ptr[i]])
                p->column[words[w].ptr[i]] = (uint8_t)(p->columns++ & 255);
    }
    return BTZ_OK;
}

static void insert(struct btz_patterns *p, struct btz_slice word, size_t index)
{
    uint32_t state = 0;

    for (size_t i = 0; i < word.len; i++) {
        uint32_t *to = &p->next[state * p->columns + p->column[word.ptr[i]]];

        if (!*to)
            *to = (uint32_t)p->states++;
        state = *to;
    }
    p->length[index] = word.len;
    p->same[index] = p->ends[state];
    p->ends[state] = (uint32_t)index + 1;
}

/* Breadth first: the failure of a state is known before its children are visited; missing transitions are filled from
 * it, so that the scan never goes back. */
static void complete(struct btz_patterns *p, uint32_t *queue, uint32_t *failure)
{
    size_t head = 0, tail = 0;

    for (size_t c = 0; c < p->columns; c++)
        if (p->next[c])
            queue[tail++] = p->next[c];
    while (head < tail) {
        uint32_t state = queue[head++], back = failure[state];

        p->shorter[state] = p->ends[back] ? back : p->shorter[back];
        for (size_t c = 0; c < p->columns; c++) {
            uint32_t *to = &p->next[state * p->columns + c];
            uint32_t other = p->next[back * p->columns + c];

            if (*to) {
                failure[*to] = other;
                queue[tail++] = *to;
            } else {
                *to = other;
            }
        }
    }
}

static enum btz_err build(struct btz_patterns *p, const struct btz_slice *words, size_t count)
{
    size_t states, entries;
    BTZ_FREE uint32_t *queue = NULL;
    BTZ_FREE uint32_t *failure = NULL;

    BTZ_TRY(measure(p, words, count, &states));
    if (p->columns >
        256) /* all bytes occur: no column is left for the others, and none is needed */
        p->columns = 256;
    if (count >= UINT32_MAX || !btz_size_mul(states, p->columns, &entries) || entries > TABLE_MAX)
        return btz_fail(BTZ_LIMIT, "a pattern table of more than %d entries", TABLE_MAX);
    p->next = calloc(entries, sizeof *p->next);
    p->ends = calloc(states, sizeof *p->ends);
    p->shorter = calloc(states, sizeof *p->shorter);
    p->same = calloc(count + 1, sizeof *p->same);
    p->length = calloc(count + 1, sizeof *p->length);
    queue = calloc(states, sizeof *queue);
    failure = calloc(states, sizeof *failure);
    if (!p->next || !p->ends || !p->shorter || !p->same || !p->length || !queue || !failure)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu patterns", count);
    p->states = 1;
    /* From the last: lists of equal patterns are in the order given. */
    for (size_t w = count; w-- > 0;)
        insert(p, words[w], w);
    complete(p, queue, failure);
    return BTZ_OK;
}

enum btz_err btz_patterns_new(const struct btz_slice *words, size_t count,
                              struct btz_patterns **out)
{
    struct btz_patterns *p = calloc(1, sizeof *p);
    enum btz_err err;

    if (!p)
        return btz_fail(BTZ_LIMIT, "out of memory for patterns");
    err = build(p, words, count);
    if (err != BTZ_OK) {
        btz_patterns_free(p);
        return err;
    }
    *out = p;
    return BTZ_OK;
}

void btz_patterns_scan(const struct btz_patterns *p, struct btz_slice in,
                       bool (*hit)(void *user, size_t pattern, size_t end), void *user)
{
    uint32_t state = 0;

    for (size_t i = 0; i < in.len; i++) {
        state = p->next[state * p->columns + p->column[in.ptr[i]]];
        for (uint32_t s = p->ends[state] ? state : p->shorter[state]; s; s = p->shorter[s])
            for (uint32_t w = p->ends[s]; w; w = p->same[w - 1])
                if (!hit(user, w - 1, i + 1))
                    return;
    }
}
