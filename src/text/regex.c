/* Trees to states, and all states at once over a text (Thompson, CACM 11(6), 1968). */
#include <stdlib.h>

#include "text/regex_inside.h"

enum { TREE_BYTES = 4 << 20, WORK_MAX = 1 << 17 };
#define NOWHERE UINT32_MAX

enum op {
    OP_CHAR,
    OP_DOT,
    OP_SET,
    OP_SPLIT,
    OP_JUMP,
    OP_BEGIN,
    OP_END,
    OP_EDGE,
    OP_NO_EDGE,
    OP_MATCH
};
struct state {
    enum op op;
    uint32_t c, a, b; /* a, b: where it goes on; otherwise behind it */
    const struct btz_regex_set *set;
};
struct btz_regex {
    struct btz_arena arena;
    struct state *states;
    size_t count, room;
    size_t
        work; /* spent on writing repetitions out: an empty group can be repeated without a state */
};

/* ---- states ---------------------------------------------------------------------------------------------------------- */

static enum btz_err add(struct btz_regex *r, enum op op, size_t *at)
{
    if (r->count == BTZ_REGEX_STATES_MAX)
        return btz_fail(BTZ_LIMIT, "pattern: more than %d states", BTZ_REGEX_STATES_MAX);
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 32;
        struct state *states = realloc(r->states, room * sizeof *states);

        if (!states)
            return btz_fail(BTZ_LIMIT, "out of memory for a pattern");
        r->states = states;
        r->room = room;
    }
    *at = r->count++;
    r->states[*at] = (struct state){ .op = op, .a = NOWHERE, .b = NOWHERE };
    return BTZ_OK;
}

static enum btz_err emit(struct btz_regex *r, const struct btz_regex_tree *t);

static enum btz_err emit_sequence(struct btz_regex *r, const struct btz_regex_tree *t)
{
    for (; t; t = t->next)
        BTZ_TRY(emit(r, t));
    return BTZ_OK;
}

static enum btz_err emit_either(struct btz_regex *r, const struct btz_regex_tree *t)
{
    uint32_t jumps = NOWHERE; /* to the end, which is not known yet: a list through `b` */
    size_t split, jump;

    for (; t->other; t = t->other) {
        BTZ_TRY(add(r, OP_SPLIT, &split));
        r->states[split].a = (uint32_t)r->count;
        BTZ_TRY(emit_sequence(r, t->inner));
        BTZ_TRY(add(r, OP_JUMP, &jump));
        r->states[jump].b = jumps;
        jumps = (uint32_t)jump;
        r->states[split].b = (uint32_t)r->count;
    }
    BTZ_TRY(emit_sequence(r, t->inner));
    while (jumps != NOWHERE) {
        struct state *s = &r->states[jumps];

        jumps = s->b;
        s->a = (uint32_t)r->count;
    }
    return BTZ_OK;
}

/* Repeats the tree itself, whatever follows it in its sequence. */
static enum btz_err emit_repeat(struct btz_regex *r, const struct btz_regex_tree *t)
{
    uint32_t splits = NOWHERE;
    size_t split, jump;

    for (uint32_t i = 0; i < t->min; i++)
        BTZ_TRY(emit(r, t->inner));
    if (t->max == UINT32_MAX) {
        BTZ_TRY(add(r, OP_SPLIT, &split));
        r->states[split].a = (uint32_t)r->count;
        BTZ_TRY(emit(r, t->inner));
        BTZ_TRY(add(r, OP_JUMP, &jump));
        r->states[jump].a = (uint32_t)split;
        r->states[split].b = (uint32_t)r->count;
        return BTZ_OK;
    }
    for (uint32_t i = t->min; i < t->max; i++) {
        BTZ_TRY(add(r, OP_SPLIT, &split));
        r->states[split].a = (uint32_t)r->count;
        r->states[split].b = splits;
        splits = (uint32_t)split;
        BTZ_TRY(emit(r, t->inner));
    }
    while (splits != NOWHERE) {
        struct state *s = &r->states[splits];

        splits = s->b;
        s->b = (uint32_t)r->count;
    }
    return BTZ_OK;
}

static enum btz_err emit(struct btz_regex *r, const struct btz_regex_tree *t)
{
    static const enum op ops[] = {
        [BTZ_TREE_CHAR] = OP_CHAR,      [BTZ_TREE_DOT] = OP_DOT, [BTZ_TREE_SET] = OP_SET,
        [BTZ_TREE_BEGIN] = OP_BEGIN,    [BTZ_TREE_END] = OP_END, [BTZ_TREE_EDGE] = OP_EDGE,
        [BTZ_TREE_NO_EDGE] = OP_NO_EDGE
    };
    size_t at;

    if (++r->work > WORK_MAX)
        return btz_fail(BTZ_LIMIT, "pattern: too much to write out");
    switch (t->kind) {
    case BTZ_TREE_EMPTY:
        return BTZ_OK;
    case BTZ_TREE_EITHER:
        return emit_either(r, t);
    case BTZ_TREE_REPEAT:
        return emit_repeat(r, t);
    default:
        BTZ_TRY(add(r, ops[t->kind], &at));
        r->states[at].c = t->c;
        r->states[at].set = t->set;
        return BTZ_OK;
    }
}

static enum btz_err compile(struct btz_regex *r, struct btz_slice pattern)
{
    struct btz_regex_tree *tree;
    size_t at;

    BTZ_TRY(btz_regex_parse(pattern, &r->arena, &tree));
    BTZ_TRY(emit(r, tree));
    return add(r, OP_MATCH, &at);
}

enum btz_err btz_regex_new(struct btz_slice pattern, struct btz_regex **out)
{
    struct btz_regex *r = calloc(1, sizeof *r);
    enum btz_err err;

    if (!r)
        return btz_fail(BTZ_LIMIT, "out of memory for a pattern");
    btz_arena_init(&r->arena, TREE_BYTES);
    err = compile(r, pattern);
    if (err != BTZ_OK) {
        btz_regex_free(r);
        return err;
    }
    *out = r;
    return BTZ_OK;
}

void btz_regex_free(struct btz_regex *r)
{
    if (!r)
        return;
    btz_arena_release(&r->arena);
    free(r->states);
    free(r);
}

/* ---- matching -------------------------------------------------------------------------------------------------------- */

struct matching {
    const struct btz_regex *r;
    uint32_t *now, *then, *stack; /* lists of states that wait for a character */
    uint32_t *seen;               /* state: was last added at this place */
    size_t now_count, then_count;
    uint32_t place;
    int64_t before, after; /* characters around; -1: none */
    bool found;
};

static bool is_edge(const struct matching *m)
{
    bool a = m->before >= 0 && btz_regex_is_word((uint32_t)m->before);
    bool b = m->after >= 0 && btz_regex_is_word((uint32_t)m->after);

    return a != b;
}

static bool stands(const struct matching *m, enum op op)
{
    return op == OP_BEGIN  ? m->before < 0
           : op == OP_END  ? m->after < 0
           : op == OP_EDGE ? is_edge(m)
                           : !is_edge(m);
}

/* Adds a state and all that follows it without a character. */
static void follow(struct matching *m, uint32_t from)
{
    size_t n = 0;

    m->stack[n++] = from;
    while (n > 0) {
        uint32_t i = m->stack[--n];
        const struct state *s = &m->r->states[i];

        if (m->seen[i] == m->place)
            continue;
        m->seen[i] = m->place;
        switch (s->op) {
        case OP_SPLIT:
            m->stack[n++] = s->b;
            m->stack[n++] = s->a;
            break;
        case OP_JUMP:
            m->stack[n++] = s->a;
            break;
        case OP_MATCH:
            m->found = true;
            break;
        case OP_CHAR:
        case OP_DOT:
        case OP_SET:
            m->then[m->then_count++] = i;
            break;
        default:
            if (stands(m, s->op))
                m->stack[n++] = i + 1;
            break;
        }
    }
}

static bool takes(const struct state *s, uint32_t c)
{
    return s->op == OP_CHAR  ? c == s->c
           : s->op == OP_DOT ? c != '\n' && c != '\r' && c != 0x2028 && c != 0x2029
                             : btz_regex_in_set(s->set, c);
}

/* A character was read: `before` is it, `after` the next one. */
static void step(struct matching *m)
{
    uint32_t *swap = m->now;

    m->now = m->then;
    m->now_count = m->then_count;
    m->then = swap;
    m->then_count = 0;
    m->place++;
    for (size_t i = 0; i < m->now_count; i++)
        if (takes(&m->r->states[m->now[i]], (uint32_t)m->before))
            follow(m, m->now[i] + 1);
    if (!m->found)
        follow(m, 0);
}

static enum btz_err run(struct matching *m, struct btz_slice text, uint64_t *steps)
{
    size_t at = 0;
    uint32_t c;

    m->before = -1;
    m->after = btz_utf8_next(text, &at, &c) ? (int64_t)c : -1;
    m->place = 1;
    follow(m, 0);
    while (!m->found && m->after >= 0) {
        uint64_t cost = m->then_count + 1;

        if (cost > *steps) {
            *steps = 0;
            return btz_fail(BTZ_LIMIT, "a pattern takes too many steps");
        }
        *steps -= cost;
        m->before = m->after;
        m->after = btz_utf8_next(text, &at, &c) ? (int64_t)c : -1;
        step(m);
    }
    return BTZ_OK;
}

enum btz_err btz_regex_find(const struct btz_regex *r, struct btz_slice text, uint64_t *steps,
                            bool *found)
{
    /* Of a stack each state is pushed at most twice before it is seen. */
    BTZ_FREE uint32_t *room = calloc(r->count * 6 + 2, sizeof *room);
    struct matching m = { .r = r };

    if (!room)
        return btz_fail(BTZ_LIMIT, "out of memory for a pattern");
    if (text.len >= UINT32_MAX - 2)
        return btz_fail(BTZ_LIMIT, "a text is too long for a pattern");
    m.now = room;
    m.then = room + r->count;
    m.seen = room + 2 * r->count;
    m.stack = room + 3 * r->count;
    BTZ_TRY(run(&m, text, steps));
    *found = m.found;
    return BTZ_OK;
}
