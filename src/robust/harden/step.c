/*
 * One batch: its parts by the workers, gradients summed in the order of the parts, a step of the optimiser.
 */
#include <math.h>
#include <stdlib.h>

#include "base/pool.h"
#include "robust/harden/inside.h"

#define CHUNK 16384 /* numbers a worker sums and steps at a time */

size_t btz_harden_part_rows(const struct btz_harden_run *r, size_t part, size_t *first)
{
    *first = part * r->part;
    return r->row_count - *first < r->part ? r->row_count - *first : r->part;
}

static size_t part_count(const struct btz_harden_run *r)
{
    return (r->row_count + r->part - 1) / r->part;
}

/* This process's share of the parts. */
static bool is_ours(const struct btz_harden_run *r, size_t part)
{
    return !r->o.ranks || part % r->o.ranks->count == r->o.ranks->rank;
}

static enum btz_err each_part(struct btz_harden_run *r,
                              enum btz_err (*unit)(void *, size_t, unsigned))
{
    const struct btz_pool_job job = {
        .count = part_count(r),
        .threads = r->worker_count,
        .unit = unit,
        .user = r,
    };

    return btz_pool_run(&job, NULL);
}

/* Dropout of a part in this batch: another one in every pass that is to differ. */
static uint64_t part_seed(const struct btz_harden_run *r, size_t part, uint64_t pass)
{
    struct btz_rng rng;

    btz_harden_rng(r, "harden.dropout",
                   ((r->state.batch * r->parts + part) * r->o.replays + r->replay) * 4 + pass,
                   &rng);
    return btz_rng_u64(&rng);
}

/* ---- rows and what attacks make of them ---------------------------------------------------------------------------------- */

static void inner_of(const struct btz_harden_run *r, struct btz_inner *out)
{
    const struct btz_harden_options *o = &r->o;
    bool pairs = o->method == BTZ_HARDEN_TRADES || o->method == BTZ_HARDEN_MART;

    *out = (struct btz_inner){
        .norm = o->norm,
        .eps = r->reach * o->eps,
        .step = r->reach * o->step,
        .steps = o->steps,
        .box = o->box,
        .start = o->method == BTZ_HARDEN_FGSM_RS ? BTZ_INNER_UNIFORM_OPEN
                 : pairs                         ? BTZ_INNER_NEAR
                                                 : BTZ_INNER_UNIFORM,
        .only_right = o->method == BTZ_HARDEN_PGD,
        .divergence = o->method == BTZ_HARDEN_TRADES,
        .training = o->method == BTZ_HARDEN_FGSM_RS,
    };
}

static enum btz_err attack_part(struct btz_harden_run *r, struct btz_harden_nets *nets, size_t part,
                                size_t first, size_t count)
{
    size_t features = r->params.features;
    size_t kept = (size_t)(r->o.clean_ratio * (double)count + 0.5);
    float *x = r->x + first * features, *adv = r->adv + first * features;
    BTZ_FREE struct btz_rng *rng = malloc(count * sizeof *rng);
    struct btz_inner how;

    if (!rng)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memcpy(adv, x, count * features * sizeof *adv);
    if (r->o.method == BTZ_HARDEN_PLAIN || r->o.method == BTZ_HARDEN_FREE || kept >= count)
        return BTZ_OK;
    for (size_t i = kept; i < count; i++)
        btz_harden_rng(r, "harden.start", r->rows[first + i], &rng[i]);
    inner_of(r, &how);
    return btz_harden_inner(nets, &how, r->version, part_seed(r, part, 0), rng + kept, count - kept,
                            x + kept * features, r->y + first + kept, adv + kept * features);
}

static enum btz_err prepare(void *user, size_t part, unsigned worker)
{
    struct btz_harden_run *r = user;
    struct btz_harden_nets *nets = &r->workers[worker];
    size_t first, count = btz_harden_part_rows(r, part, &first), features = r->params.features;

    if (!is_ours(r, part))
        return BTZ_OK;
    BTZ_TRY(btz_harden_take(r->data, r->rows + first, count, nets->classes, r->x + first * features,
                            r->y + first));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(btz_harden_augment(r, r->rows[first + i], r->x + (first + i) * features));
    return attack_part(r, nets, part, first, count);
}

/* ---- gradients of a part -------------------------------------------------------------------------------------------------- */

struct part_work {
    float *seeds, *twin_seeds;
    double *a, *b; /* a row of derivatives each */
};

static void count_right(const struct btz_harden_nets *n, const float *z, const uint32_t *y,
                        size_t count, double *right)
{
    for (size_t i = 0; i < count; i++)
        *right += btz_argmax(z + i * n->classes, n->classes) == y[i];
}

/* Cross entropy of the adversarial rows alone. */
static enum btz_err single(struct btz_harden_run *r, struct btz_harden_nets *n, size_t part,
                           const float *x, const uint32_t *y, size_t count, struct part_work *w,
                           struct btz_harden_sums *s)
{
    BTZ_FREE float *loss = malloc(count * sizeof *loss);
    const float *z;

    if (!loss)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(
        btz_harden_forward(n, BTZ_HARDEN_TRAIN, r->version, part_seed(r, part, 1), x, count, &z));
    btz_loss_cross_entropy(y, 0, count, n->classes, z, loss, w->seeds);
    for (size_t i = 0; i < count; i++)
        s->loss += (double)loss[i];
    count_right(n, z, y, count, r->o.method == BTZ_HARDEN_PLAIN ? &s->clean : &s->robust);
    if (r->o.method == BTZ_HARDEN_PLAIN)
        s->asked += (double)count;
    return btz_harden_backward(n, BTZ_HARDEN_TRAIN, w->seeds, count,
                               (float)(1 / (double)r->row_count));
}

/* Losses of the rows as they are and of the adversarial ones together. */
static enum btz_err paired(struct btz_harden_run *r, struct btz_harden_nets *n, size_t part,
                           size_t first, size_t count, struct part_work *w,
                           struct btz_harden_sums *s)
{
    const float *x = r->x + first * r->params.features, *adv = r->adv + first * r->params.features;
    float scale = (float)(1 / (double)r->row_count);
    const float *z, *za;

    BTZ_TRY(
        btz_harden_forward(n, BTZ_HARDEN_TRAIN, r->version, part_seed(r, part, 1), x, count, &z));
    BTZ_TRY(
        btz_harden_forward(n, BTZ_HARDEN_TWIN, r->version, part_seed(r, part, 2), adv, count, &za));
    for (size_t i = 0; i < count; i++) {
        size_t at = i * n->classes;

        s->loss += (r->o.method == BTZ_HARDEN_TRADES ? btz_loss_trades_row : btz_loss_mart_row)(
            z + at, za + at, n->classes, r->y[first + i], r->o.beta, w->a, w->b);
        for (size_t k = 0; k < n->classes; k++) {
            w->seeds[at + k] = (float)w->a[k];
            w->twin_seeds[at + k] = (float)w->b[k];
        }
    }
    count_right(n, z, r->y + first, count, &s->clean);
    count_right(n, za, r->y + first, count, &s->robust);
    s->asked += (double)count;
    BTZ_TRY(btz_harden_backward(n, BTZ_HARDEN_TRAIN, w->seeds, count, scale));
    return btz_harden_backward(n, BTZ_HARDEN_TWIN, w->twin_seeds, count, scale);
}

/* FREE: the gradient by the input of the same pass moves the perturbation that the next one uses. */
static void move_delta(struct btz_harden_run *r, const struct btz_harden_nets *n, size_t first,
                       size_t count)
{
    size_t features = r->params.features;
    const float *g = btz_harden_input_grad(n, BTZ_HARDEN_TRAIN);
    float eps = (float)(r->reach * r->o.eps), step = (float)(r->reach * r->o.step);

    for (size_t i = 0; i < count * features; i++) {
        float *d = r->state.delta + first * features + i, x = r->x[first * features + i];

        *d += step * (float)((g[i] > 0) - (g[i] < 0));
        *d = *d < -eps ? -eps : *d > eps ? eps : *d;
        *d = x + *d < r->o.box.low    ? r->o.box.low - x
             : x + *d > r->o.box.high ? r->o.box.high - x
                                      : *d;
    }
}

static enum btz_err gradient(void *user, size_t part, unsigned worker)
{
    struct btz_harden_run *r = user;
    struct btz_harden_nets *n = &r->workers[worker];
    struct btz_harden_sums *s = &r->part_sums[part];
    bool pairs = r->o.method == BTZ_HARDEN_TRADES || r->o.method == BTZ_HARDEN_MART;
    size_t first, count = btz_harden_part_rows(r, part, &first), features = r->params.features;
    float *grads = r->grads + part * r->params.numbers;
    float *stats = r->next_stats + part * r->params.stat_numbers;
    BTZ_FREE float *seeds = malloc(2 * count * n->classes * sizeof *seeds);
    BTZ_FREE double *rows = malloc(2 * n->classes * sizeof *rows);
    struct part_work w = { seeds, seeds + count * n->classes, rows, rows + n->classes };

    if (!is_ours(r, part))
        return BTZ_OK;
    if (!seeds || !rows)
        return btz_fail(BTZ_LIMIT, "out of memory");
    *s = (struct btz_harden_sums){ .seen = (double)count };
    if (pairs)
        BTZ_TRY(paired(r, n, part, first, count, &w, s));
    else {
        float *x = r->adv + first * features;

        for (size_t i = 0; r->o.method == BTZ_HARDEN_FREE && i < count * features; i++)
            x[i] = r->x[first * features + i] + r->state.delta[first * features + i];
        BTZ_TRY(single(r, n, part, x, r->y + first, count, &w, s));
    }
    if (r->o.method == BTZ_HARDEN_FREE)
        move_delta(r, n, first, count);
    btz_harden_collect(n, BTZ_HARDEN_TRAIN, false, grads, stats);
    if (pairs)
        btz_harden_collect(n, BTZ_HARDEN_TWIN, true, grads, stats);
    return BTZ_OK;
}

/* ---- sums over parts ------------------------------------------------------------------------------------------------------- */

struct numbers_job {
    struct btz_harden_run *r;
    bool sum, step, mean; /* what is to be done to each number */
    double rate;
};

static enum btz_err numbers_unit(void *user, size_t unit, unsigned worker)
{
    const struct numbers_job *j = user;
    struct btz_harden_run *r = j->r;
    size_t all = r->params.numbers, from = unit * CHUNK;
    size_t to = all - from < CHUNK ? all : from + CHUNK, parts = part_count(r);

    (void)worker;
    if (j->sum) {
        memset(r->sum + from, 0, (to - from) * sizeof *r->sum);
        for (size_t p = 0; p < parts; p++)
            for (size_t i = from; is_ours(r, p) && i < to; i++)
                r->sum[i] += r->grads[p * all + i];
    }
    for (size_t k = 0; (j->step || j->mean) && k < r->params.count; k++) {
        const struct btz_harden_param *p = &r->params.list[k];
        size_t a = p->offset > from ? p->offset : from;
        size_t b = p->offset + p->count < to ? p->offset + p->count : to;

        if (a < b && j->step)
            btz_harden_step(&r->o, j->rate, r->state.step + 1, b - a, r->sum + a,
                            p->data + (a - p->offset), r->state.first + a,
                            r->state.second ? r->state.second + a : NULL);
        if (a < b && j->mean)
            btz_harden_average(r->o.average, r->state.step, b - a, p->data + (a - p->offset),
                               r->state.mean + a);
    }
    return BTZ_OK;
}

static enum btz_err each_number(struct btz_harden_run *r, struct numbers_job job)
{
    const struct btz_pool_job pool = {
        .count = (r->params.numbers + CHUNK - 1) / CHUNK,
        .threads = r->params.numbers > 4 * CHUNK ? r->worker_count : 1,
        .unit = numbers_unit,
        .user = &job,
    };

    return btz_pool_run(&pool, NULL);
}

/* Running statistics: of the parts, by their rows. */
static enum btz_err sum_stats(struct btz_harden_run *r)
{
    size_t all = r->params.stat_numbers, parts = part_count(r);
    BTZ_FREE double *next = calloc(all + 1, sizeof *next);

    if (!all)
        return BTZ_OK;
    if (!next)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t p = 0; p < parts; p++) {
        size_t first, count = btz_harden_part_rows(r, p, &first);

        for (size_t i = 0; is_ours(r, p) && i < all; i++)
            next[i] += (double)r->next_stats[p * all + i] * (double)count / (double)r->row_count;
    }
    if (r->o.ranks)
        BTZ_TRY(r->o.ranks->sum_doubles(r->o.ranks, next, all));
    for (size_t k = 0; k < r->params.stat_count; k++)
        for (size_t i = 0; i < r->params.stats[k].count; i++)
            r->params.stats[k].data[i] = (float)next[r->params.stats[k].offset + i];
    return BTZ_OK;
}

static void sum_parts(const struct btz_harden_run *r, struct btz_harden_sums *sums)
{
    for (size_t p = 0; p < part_count(r); p++) {
        const struct btz_harden_sums *s = &r->part_sums[p];

        if (!is_ours(r, p))
            continue;
        sums->loss += s->loss;
        sums->seen += s->seen;
        sums->clean += s->clean;
        sums->robust += s->robust;
        sums->asked += s->asked;
    }
}

/* The gradient of the whole batch into r->sum, and with `rate` >= 0 the step. */
static enum btz_err update(struct btz_harden_run *r, double rate)
{
    bool step = rate >= 0;

    if (!r->o.ranks)
        return each_number(r, (struct numbers_job){ r, .sum = true, .step = step, .rate = rate });
    BTZ_TRY(each_number(r, (struct numbers_job){ r, .sum = true }));
    BTZ_TRY(r->o.ranks->sum_floats(r->o.ranks, r->sum, r->params.numbers));
    return step ? each_number(r, (struct numbers_job){ r, .step = true, .rate = rate }) : BTZ_OK;
}

/* Weights and running statistics after the step into their means. */
static enum btz_err average(struct btz_harden_run *r)
{
    if (!r->state.mean_numbers)
        return BTZ_OK;
    for (size_t i = 0; i < r->params.stat_count; i++)
        btz_harden_average(r->o.average, r->state.step, r->params.stats[i].count,
                           r->params.stats[i].data,
                           r->state.mean_stats + r->params.stats[i].offset);
    return each_number(r, (struct numbers_job){ r, .mean = true });
}

enum btz_err btz_harden_batch(struct btz_harden_run *r, const size_t *rows, size_t count,
                              struct btz_harden_sums *sums)
{
    bool lift = r->o.awp && r->state.epoch >= r->o.awp_warmup;

    r->rows = rows;
    r->row_count = count;
    r->replay = 0;
    r->reach = btz_harden_reach(&r->o, r->state.epoch, r->state.batch, r->batches);
    *sums = (struct btz_harden_sums){ 0 };
    BTZ_TRY(each_part(r, prepare));
    for (; r->replay < r->o.replays; r->replay++) {
        double rate =
            btz_harden_rate(&r->o, r->state.epoch, r->state.batch * r->o.replays + r->replay,
                            r->batches * r->o.replays);

        if (lift) {
            BTZ_TRY(each_part(r, gradient));
            BTZ_TRY(update(r, -1));
            btz_harden_awp_lift(r);
        }
        BTZ_TRY(each_part(r, gradient));
        BTZ_TRY(update(r, rate));
        BTZ_TRY(sum_stats(r));
        sum_parts(r, sums);
        sums->rate += rate / (double)r->o.replays;
        r->state.step++;
        if (lift)
            btz_harden_awp_drop(r);
        BTZ_TRY(average(r));
        r->version++;
    }
    return BTZ_OK;
}
