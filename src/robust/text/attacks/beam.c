/* All positions with all candidates, the best few texts kept from one change to the next. */
#include <stdlib.h>

#include "robust/text/search.h"

extern const struct btz_text_attack btz_text_attack_beam;

enum { WIDTH, SYNONYMS, PARAMS };
static const struct btz_attack_param params[PARAMS] = {
    [WIDTH] = { "width", "texts kept from one change to the next", 4, 1, 64, true },
    [SYNONYMS] = { "synonyms", "synonyms alone (1), or characters, too (0)", 0, 0, 1, true },
};

struct state {
    struct btz_slice *now;
    double margin;
};
struct step {
    struct btz_trial trial;
    size_t from, order; /* state; among all */
};

static int by_margin(const void *a, const void *b)
{
    const struct step *x = a, *y = b;

    if (x->trial.margin < y->trial.margin || x->trial.margin > y->trial.margin)
        return x->trial.margin < y->trial.margin ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

struct beam {
    struct btz_search *s;
    struct btz_trial *all; /* candidates of all positions */
    size_t all_count;
    struct state *states, *next;
    size_t state_count, width;
    struct step *steps;
    struct btz_trial *asked;
};

static enum btz_err collect(struct beam *b)
{
    unsigned kinds = BTZ_EDIT_SYNONYM;
    struct btz_search *s = b->s;
    size_t room = 0;
    struct btz_trial **lists = btz_arena_array(&s->arena, s->words.count + 1, sizeof *lists);
    size_t *counts = btz_arena_array(&s->arena, s->words.count + 1, sizeof *counts);

    if (s->job->param[SYNONYMS] < 1)
        kinds |= BTZ_EDIT_SWAP | BTZ_EDIT_DELETE | BTZ_EDIT_KEYBOARD | BTZ_EDIT_LOOK;
    if (!lists || !counts)
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->words.count; i++) {
        if (s->touchable[i])
            BTZ_TRY(btz_search_candidates(s, i, kinds, false, &lists[i], &counts[i]));
        room += counts[i];
    }
    b->all = btz_arena_array(&s->arena, room + 1, sizeof *b->all);
    b->asked = btz_arena_array(&s->arena, room + 1, sizeof *b->asked);
    b->steps = btz_arena_array(&s->arena, room * b->width + 1, sizeof *b->steps);
    if (!b->all || !b->asked || !b->steps)
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->words.count; i++)
        for (size_t k = 0; k < counts[i]; k++)
            b->all[b->all_count++] = lists[i][k];
    return BTZ_OK;
}

/* The same words came from two texts. */
static bool is_known(const struct beam *b, size_t count, const struct state *state)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;

        while (k < b->s->words.count && btz_slice_equal(b->next[i].now[k], state->now[k]))
            k++;
        if (k == b->s->words.count)
            return true;
    }
    return false;
}

/* One more change of every text kept. */
static enum btz_err widen(struct beam *b)
{
    struct btz_search *s = b->s;
    size_t count = 0, kept = 0, words = s->words.count;

    for (size_t from = 0; from < b->state_count; from++) {
        const struct state *state = &b->states[from];
        size_t n = 0, asked;

        memcpy(s->now, state->now, words * sizeof *s->now);
        for (size_t i = 0; i < b->all_count; i++)
            if (btz_slice_equal(state->now[b->all[i].at], s->words.word[b->all[i].at]) &&
                btz_search_near(s, &b->all[i]))
                b->asked[n++] = b->all[i];
        BTZ_TRY(btz_search_ask(s, b->asked, n, &asked));
        for (size_t i = 0; i < asked; i++, count++)
            b->steps[count] = (struct step){ b->asked[i], from, count };
    }
    qsort(b->steps, count, sizeof *b->steps, by_margin);
    for (size_t i = 0; i < count && kept < b->width; i++) {
        struct state *to = &b->next[kept];

        memcpy(to->now, b->states[b->steps[i].from].now, words * sizeof *to->now);
        to->now[b->steps[i].trial.at] = b->steps[i].trial.word;
        to->margin = b->steps[i].trial.margin;
        kept += !is_known(b, kept, to);
    }
    if (kept) {
        struct state *swap = b->states;

        b->states = b->next;
        b->next = swap;
    }
    b->state_count = kept;
    return BTZ_OK;
}

static enum btz_err search(struct beam *b)
{
    struct btz_search *s = b->s;
    size_t words = s->words.count, depth = 0;

    BTZ_TRY(collect(b));
    b->states = btz_arena_array(&s->arena, b->width, sizeof *b->states);
    b->next = btz_arena_array(&s->arena, b->width, sizeof *b->next);
    if (!b->states || !b->next)
        return BTZ_LIMIT;
    for (size_t i = 0; i < b->width; i++) {
        b->states[i].now = btz_arena_array(&s->arena, words + 1, sizeof(struct btz_slice));
        b->next[i].now = btz_arena_array(&s->arena, words + 1, sizeof(struct btz_slice));
        if (!b->states[i].now || !b->next[i].now)
            return BTZ_LIMIT;
    }
    memcpy(b->states[0].now, s->words.word, words * sizeof *s->now);
    b->state_count = 1;
    while (depth < s->changed_max && b->state_count && s->margin >= 0 && !btz_search_over(s)) {
        BTZ_TRY(widen(b));
        depth++;
        if (b->state_count)
            s->margin = b->states[0].margin;
    }
    if (s->margin < 0) {
        memcpy(s->now, b->states[0].now, words * sizeof *s->now);
        s->changed = depth;
    }
    return btz_search_finish(s);
}

static enum btz_err run(struct btz_text_job *job)
{
    struct btz_search s;
    struct beam b = { .s = &s, .width = (size_t)job->param[WIDTH] };
    enum btz_err err = btz_search_open(&s, job);

    if (!err && s.margin >= 0)
        err = search(&b);
    btz_search_release(&s);
    return err;
}

static enum btz_err selftest(void)
{
    return btz_text_known_run(&btz_text_attack_beam,
                              "awful: poor, dreadful\nfilm: movie, feature\n", NULL);
}

const struct btz_text_attack btz_text_attack_beam = {
    .id = "beam",
    .summary = "all positions with all candidates, the best few texts kept from one change to the "
               "next; many questions",
    .source = "beam search over the substitutions of HotFlip (Ebrahimi et al. 2018, arXiv "
              "1712.06751), by scores instead of gradients",
    .params = params,
    .param_count = PARAMS,
    .run = run,
    .selftest = selftest,
};
