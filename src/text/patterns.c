/* A. Aho and M. Corasick, "Efficient string matching: an aid to bibliographic search", CACM 18 (1975). */
#include <stdlib.h>

#include "text/text.h"

#define STATES_MAX (1u << 22)
#define NONE       UINT32_MAX

/* Children of a state are a sorted linked list while the trie is built, then a dense row for the root and a short walk
 * elsewhere: the words are few and short, the text is long. */
struct state {
    uint32_t child, sibling; /* first child, next child of the parent */
    uint32_t fail,
        output;    /* longest proper suffix; nearest state on the way of fails that ends a word */
    uint32_t word; /* first word that ends here, NONE: none */
    uint8_t byte;
};

struct btz_patterns {
    struct state *states;
    uint32_t *same; /* next word equal to this one */
    uint32_t root[256];
    size_t state_count, word_count;
};

static uint32_t find_child(const struct btz_patterns *p, uint32_t at, uint8_t byte)
{
    uint32_t child;

    if (at == 0)
        return p->root[byte];
    for (child = p->states[at].child; child != NONE && p->states[child].byte != byte;
         child = p->states[child].sibling)
        ;
    return child;
}

static void insert(struct btz_patterns *p, struct btz_slice word, uint32_t index)
{
    uint32_t at = 0;

    for (size_t i = 0; i < word.len; i++) {
        uint32_t child = find_child(p, at, word.ptr[i]);

        if (child == NONE) {
            child = (uint32_t)p->state_count++;
            p->states[child] = (struct state){ NONE, p->states[at].child, 0, 0, NONE, word.ptr[i] };
            p->states[at].child = child;
            if (at == 0)
                p->root[word.ptr[i]] = child;
        }
        at = child;
    }
    p->same[index] = p->states[at].word;
    p->states[at].word = index;
}

static uint32_t step(const struct btz_patterns *p, uint32_t at, uint8_t byte)
{
    uint32_t next;

    while ((next = find_child(p, at, byte)) == NONE && at != 0)
        at = p->states[at].fail;
    return next == NONE ? 0 : next;
}

/* Breadth first, so that the fail of a state is ready before its children need it. */
static bool link_fails(struct btz_patterns *p)
{
    uint32_t *queue = malloc(p->state_count * sizeof *queue);
    size_t head = 0, tail = 0;

    if (!queue)
        return false;
    queue[tail++] = 0;
    while (head < tail) {
        uint32_t at = queue[head++];

        for (uint32_t child = p->states[at].child; child != NONE;
             child = p->states[child].sibling) {
            struct state *c = &p->states[child];

            c->fail = at == 0 ? 0 : step(p, p->states[at].fail, c->byte);
            c->output = p->states[c->fail].word != NONE ? c->fail : p->states[c->fail].output;
            queue[tail++] = child;
        }
    }
    free(queue);
    return true;
}

enum btz_err btz_patterns_new(const struct btz_slice *words, size_t count,
                              struct btz_patterns **out)
{
    struct btz_patterns *p = calloc(1, sizeof *p);
    size_t states = 1;

    for (size_t i = 0; i < count; i++) {
        if (words[i].len == 0) {
            free(p);
            return btz_fail(BTZ_USAGE, "pattern %zu is empty", i);
        }
        if (words[i].len > STATES_MAX - states) {
            free(p);
            return btz_fail(BTZ_LIMIT, "patterns hold more than %u bytes", STATES_MAX);
        }
        states += words[i].len;
    }
    if (p) {
        p->states = malloc(states * sizeof *p->states);
        p->same = malloc((count ? count : 1) * sizeof *p->same);
    }
    if (!p || !p->states || !p->same) {
        btz_patterns_free(p);
        return btz_fail(BTZ_LIMIT, "out of memory for patterns");
    }
    memset(p->root, 0xFF, sizeof p->root);
    p->states[0] = (struct state){ NONE, NONE, 0, 0, NONE, 0 };
    p->state_count = 1;
    p->word_count = count;
    for (size_t i = count; i-- > 0;)
        insert(p, words[i], (uint32_t)i);
    if (!link_fails(p)) {
        btz_patterns_free(p);
        return btz_fail(BTZ_LIMIT, "out of memory for patterns");
    }
    *out = p;
    return BTZ_OK;
}

void btz_patterns_free(struct btz_patterns *p)
{
    if (!p)
        return;
    free(p->states);
    free(p->same);
    free(p);
}

void btz_patterns_scan(const struct btz_patterns *p, struct btz_slice in,
                       bool (*hit)(void *user, size_t pattern, size_t end), void *user)
{
    uint32_t at = 0;

    for (size_t i = 0; i < in.len; i++) {
        at = step(p, at, in.ptr[i]);
        for (uint32_t end = p->states[at].word != NONE ? at : p->states[at].output; end != 0;
             end = p->states[end].output)
            for (uint32_t word = p->states[end].word; word != NONE; word = p->same[word])
                if (!hit(user, word, i + 1))
                    return;
    }
}
