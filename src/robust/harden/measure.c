/*
 * Accuracy as samples are, and under PGD.
 */
#include <stdlib.h>

#include "base/pool.h"
#include "robust/harden/inside.h"

struct probe_run {
    const struct btz_harden_probe *p;
    size_t rows, units;
    struct btz_harden_accuracy *found; /* one a unit */
};

static enum btz_err attacked(const struct btz_harden_probe *p, struct btz_harden_nets *n,
                             const size_t *index, size_t count, const float *x, const uint32_t *y,
                             bool *right)
{
    BTZ_FREE struct btz_rng *rng = malloc(count * sizeof *rng);
    float *adv = n->work[1];
    const float *z;

    if (!rng)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (uint32_t k = 0; k < p->restarts; k++) {
        for (size_t i = 0; i < count; i++)
            btz_rng_init(&rng[i], (p->seed ^ btz_rng_stream(btz_str("harden.probe"))) + k,
                         p->stream << 40 | index[i]);
        BTZ_TRY(btz_harden_inner(n, &p->attack, p->version, 0, rng, count, x, y, adv));
        BTZ_TRY(btz_harden_forward(n, BTZ_HARDEN_EVAL, p->version, 0, adv, count, &z));
        for (size_t i = 0; i < count; i++)
            right[i] = right[i] && btz_argmax(z + i * n->classes, n->classes) == y[i];
    }
    return BTZ_OK;
}

static enum btz_err probe_unit(void *user, size_t unit, unsigned worker)
{
    const struct probe_run *run = user;
    const struct btz_harden_probe *p = run->p;
    struct btz_harden_nets *n = &p->workers[worker];
    size_t first = unit * run->rows;
    size_t count = p->count - first < run->rows ? p->count - first : run->rows;
    BTZ_FREE size_t *index = malloc(count * sizeof *index);
    BTZ_FREE uint32_t *y = malloc(count * sizeof *y);
    BTZ_FREE bool *right = malloc(count * sizeof *right);
    struct btz_harden_accuracy *out = &run->found[unit];
    const float *z;

    if (p->ranks && unit % p->ranks->count != p->ranks->rank)
        return BTZ_OK;
    if (!index || !y || !right)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < count; i++)
        index[i] = p->index
                       ? p->index[first + i]
                       : (size_t)((double)(first + i) * (double)p->data->count / (double)p->count);
    BTZ_TRY(btz_harden_take(p->data, index, count, n->classes, n->work[0], y));
    BTZ_TRY(btz_harden_forward(n, BTZ_HARDEN_EVAL, p->version, 0, n->work[0], count, &z));
    for (size_t i = 0; i < count; i++)
        right[i] = btz_argmax(z + i * n->classes, n->classes) == y[i];
    for (size_t i = 0; i < count; i++)
        out->clean += right[i];
    BTZ_TRY(attacked(p, n, index, count, n->work[0], y, right));
    for (size_t i = 0; i < count; i++)
        out->robust += right[i];
    out->n = count;
    return BTZ_OK;
}

enum btz_err btz_harden_probe(struct btz_harden_probe *p, struct btz_harden_accuracy *out)
{
    struct probe_run run = { .p = p, .rows = p->workers[0].rows };
    BTZ_FREE struct btz_harden_accuracy *found = NULL;
    struct btz_pool_job job = { .threads = p->worker_count, .unit = probe_unit, .user = &run };
    double sums[3] = { 0 };

    job.count = run.units = (p->count + run.rows - 1) / run.rows;
    run.found = found = calloc(run.units + 1, sizeof *found);
    if (!found)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_pool_run(&job, NULL));
    for (size_t i = 0; i < run.units; i++) {
        sums[0] += (double)found[i].n;
        sums[1] += (double)found[i].clean;
        sums[2] += (double)found[i].robust;
    }
    if (p->ranks)
        BTZ_TRY(p->ranks->sum_doubles(p->ranks, sums, 3));
    *out = (struct btz_harden_accuracy){ (size_t)sums[0], (size_t)sums[1], (size_t)sums[2] };
    return BTZ_OK;
}

enum btz_err btz_harden_measure(const struct btz_model *model, const struct btz_harden_data *data,
                                size_t max, const struct btz_harden_options *options,
                                uint32_t steps, double step, uint32_t restarts,
                                struct btz_harden_accuracy *out)
{
    struct btz_harden_options o = *options;
    struct btz_harden_params params;
    BTZ_FREE struct btz_harden_nets *workers = NULL;
    struct btz_harden_probe probe = { .data = data, .restarts = restarts, .version = 1 };
    unsigned opened = 0;
    uint32_t rows = 128;
    enum btz_err err;

    BTZ_TRY(btz_harden_settle(&o));
    BTZ_TRY(btz_harden_params_open(model, &data->shape, &params));
    workers = calloc(o.threads, sizeof *workers);
    err = !workers ? btz_fail(BTZ_LIMIT, "out of memory")
          : params.features != data->features
              ? btz_fail(BTZ_INPUT, "the model reads %zu values a sample, the data have %zu",
                         params.features, data->features)
              : BTZ_OK;
    for (; !err && opened < o.threads; opened += !err)
        err = btz_harden_nets_open(&params, &o, false, &rows, &workers[opened]);
    if (!err) {
        probe.count = max && max < data->count ? max : data->count;
        probe.attack = (struct btz_inner){ .norm = o.norm,
                                           .eps = o.eps,
                                           .step = step,
                                           .steps = steps,
                                           .box = o.box,
                                           .start = BTZ_INNER_UNIFORM,
                                           .only_right = true };
        probe.seed = o.seed;
        probe.workers = workers;
        probe.worker_count = o.threads;
        probe.ranks = o.ranks;
        err = btz_harden_probe(&probe, out);
    }
    for (unsigned i = 0; i < opened; i++)
        btz_harden_nets_release(&workers[i]);
    btz_harden_params_release(&params);
    return err;
}
