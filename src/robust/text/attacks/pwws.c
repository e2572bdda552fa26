/* Synonyms in the order of what each gains, weighted by the softmax of what masking its word costs. */
#include <math.h>
#include <stdlib.h>

#include "robust/text/search.h"

extern const struct btz_text_attack btz_text_attack_pwws;

struct choice {
    struct btz_trial trial; /* best candidate of its word, asked alone */
    double weight;
};

static int by_weight(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;

    if (x->weight < y->weight || x->weight > y->weight)
        return x->weight > y->weight ? -1 : 1;
    return (x->trial.at > y->trial.at) - (x->trial.at < y->trial.at);
}

static enum btz_err choose(struct btz_search *s, const struct btz_trial *masked, double softmax,
                           struct choice *out)
{
    struct btz_trial *list;
    size_t count, asked;

    BTZ_TRY(btz_search_candidates(s, masked->at, BTZ_EDIT_SYNONYM, false, &list, &count));
    BTZ_TRY(btz_search_ask(s, list, count, &asked));
    out->trial = (struct btz_trial){ .at = SIZE_MAX };
    out->weight = -INFINITY;
    for (size_t k = 0; k < asked; k++)
        if (out->trial.at == SIZE_MAX || list[k].margin < out->trial.margin) {
            out->trial = list[k];
            out->weight = (s->margin - list[k].margin) * softmax;
        }
    return BTZ_OK;
}

static enum btz_err search(struct btz_search *s)
{
    struct btz_trial *masked;
    struct choice *choices;
    double sum = 0;
    size_t count;

    if (s->margin < 0)
        return BTZ_OK;
    BTZ_TRY(btz_search_rank(s, btz_str("[UNK]"), &masked, &count));
    choices = btz_arena_array(&s->arena, count + 1, sizeof *choices);
    if (!choices)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++)
        sum += exp(masked[0].margin - masked[i].margin);
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(choose(s, &masked[i], exp(masked[0].margin - masked[i].margin) / sum, &choices[i]));
    qsort(choices, count, sizeof *choices, by_weight);
    for (size_t i = 0; i < count && s->margin >= 0 && s->changed < s->changed_max; i++) {
        size_t asked;

        if (!(choices[i].weight > 0))
            break;
        BTZ_TRY(btz_search_ask(s, &choices[i].trial, 1, &asked));
        if (asked && choices[i].trial.margin < s->margin && btz_search_near(s, &choices[i].trial))
            btz_search_take(s, &choices[i].trial);
    }
    return btz_search_finish(s);
}

static enum btz_err run(struct btz_text_job *job)
{
    struct btz_search s;
    enum btz_err err = btz_search_open(&s, job);

    if (!err)
        err = search(&s);
    btz_search_release(&s);
    return err;
}

static enum btz_err selftest(void)
{
    return btz_text_known_run(&btz_text_attack_pwws,
                              "awful: poor, dreadful\nfilm: movie, feature\n",
                              "A poor film with dull actors.");
}

const struct btz_text_attack btz_text_attack_pwws = {
    .id = "pwws",
    .summary = "the best synonym of each word, in the order of gain weighted by what masking the "
               "word costs",
    .source = "Ren et al. 2019, ACL P19-1103",
    .run = run,
    .selftest = selftest,
};
