/*
 * What the units of an attack share: perturbations that are trained once, and inputs to start from.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/evaluating.h"

#define POOL_MAX 256 /* inputs that attacks by labels may start from */

void btz_evaluating_forget(struct btz_evaluating *ev)
{
    free(ev->shared);
    free(ev->pool);
    free(ev->pool_label);
    ev->shared = NULL;
    ev->pool = NULL;
    ev->pool_label = NULL;
    ev->pool_count = 0;
}

/* The first samples of the list, as many as are allowed and fit. */
static enum btz_err first_samples(struct btz_evaluating *ev, size_t most)
{
    size_t fit = BTZ_EVALUATE_ROOM / ev->e->features + 1;
    size_t count = most < fit ? most : fit;

    count = count < ev->list_count ? count : ev->list_count;
    ev->pool = malloc((count + 1) * ev->e->features * sizeof *ev->pool);
    ev->pool_label = malloc((count + 1) * sizeof *ev->pool_label);
    if (!ev->pool || !ev->pool_label)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_evaluating_read(ev, ev->list, count, ev->pool, ev->pool_label));
    ev->pool_count = count;
    return BTZ_OK;
}

enum btz_err btz_evaluating_prepare(struct btz_evaluating *ev)
{
    const struct btz_evaluate_attack *a = &ev->o->attacks[ev->attack];
    struct btz_attack_job job;

    btz_evaluating_forget(ev);
    if (!ev->list_count || (!a->attack->train && a->attack->access != BTZ_ATTACK_LABELS))
        return BTZ_OK;
    BTZ_TRY(first_samples(ev, a->attack->train ? BTZ_ATTACK_TRAIN_MAX : POOL_MAX));
    if (!a->attack->train)
        return BTZ_OK;
    ev->shared = calloc(ev->e->features, sizeof *ev->shared);
    if (!ev->shared)
        return btz_fail(BTZ_LIMIT, "out of memory");
    job = btz_evaluating_job(ev, &ev->workers[0], a, 0);
    job.shared = NULL;
    job.n = ev->pool_count;
    job.x = ev->pool;
    job.y = ev->pool_label;
    job.index = ev->list;
    job.adv = NULL;
    job.broken = NULL;
    job.queries = job.gradients = NULL;
    return a->attack->train(&job, ev->shared);
}
