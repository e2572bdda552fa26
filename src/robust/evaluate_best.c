/*
 * Distance over questions: each sample's best at fixed numbers of questions, then the median of all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/evaluating.h"

#define P BTZ_BEST_POINTS

static uint64_t questions_at(size_t k)
{
    return (uint64_t)floor(pow(2, (double)k / 2));
}

bool btz_best_is_kept(const struct btz_attack *a)
{
    return a->rule && strcmp(a->rule, "redteam.evasion.decision") == 0;
}

void btz_best_note(void *user, size_t i, uint64_t queries, double norm)
{
    struct btz_worker *w = user;

    for (size_t k = P; k-- > 0 && questions_at(k) >= queries;)
        w->best[i * P + k] = (float)norm;
}

enum btz_err btz_best_begin(struct btz_evaluating *ev)
{
    if (!btz_best_is_kept(ev->o->attacks[ev->attack].attack))
        return BTZ_OK;
    ev->best = calloc(ev->list_count + 1, P * sizeof *ev->best);
    return ev->best ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

enum btz_err btz_best_keep(const struct btz_worker *w, struct btz_unit_result *r)
{
    r->best = malloc(r->count * P * sizeof *r->best);
    if (!r->best)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memcpy(r->best, w->best, r->count * P * sizeof *r->best);
    return BTZ_OK;
}

void btz_best_commit(struct btz_evaluating *ev, const struct btz_unit_result *r, uint64_t done)
{
    if (ev->best && r->best)
        memcpy(ev->best + done * P, r->best, r->count * P * sizeof *ev->best);
    else {
        free(ev->best);
        ev->best = NULL;
    }
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

enum btz_err btz_best_end(struct btz_evaluating *ev, struct btz_evaluate_attacked *a)
{
    size_t at = btz_attack_param_find(a->given.attack, "queries"), n = (size_t)a->tried;
    uint64_t budget =
        at == SIZE_MAX || a->given.param[at] < 1 ? UINT64_MAX : (uint64_t)a->given.param[at];
    BTZ_FREE float *column = malloc((n + 1) * sizeof *column);

    if (!column)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t k = 0; ev->best && n && k < P; k++) {
        struct btz_best_point *p = &a->best[a->best_count++];
        size_t within = 0;

        for (size_t i = 0; i < n; i++) {
            column[i] = ev->best[i * P + k];
            within += (double)column[i] <= ev->o->eps;
        }
        qsort(column, n, sizeof *column, compare);
        *p = (struct btz_best_point){ .questions =
                                          questions_at(k) < budget ? questions_at(k) : budget,
                                      .median = (double)column[(n - 1) / 2],
                                      .within = (double)within / (double)n };
        if (p->questions == budget)
            break;
    }
    free(ev->best);
    ev->best = NULL;
    return BTZ_OK;
}
