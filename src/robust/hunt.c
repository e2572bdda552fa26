/*
 * Questions of many samples at once, counted for each.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/rows.h"

#define ROWS_BYTES ((size_t)16 << 20)

void btz_draw_direction(struct btz_rng *r, size_t n, float *out)
{
    double length;

    do {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)btz_random_normal(r);
        length = sqrt(btz_inner(out, out, n));
    } while (length < 1e-12);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)((double)out[i] / length);
}

enum btz_err btz_hunt_new(struct btz_attack_job *job, double budget, bool early,
                          struct btz_hunt **out)
{
    struct btz_hunt *h = calloc(1, sizeof *h);
    size_t row;

    if (!h)
        return btz_fail(BTZ_LIMIT, "out of memory");
    h->job = job;
    h->budget = budget >= 1 ? (uint64_t)budget : UINT64_MAX;
    h->early = early;
    row = job->features * sizeof(float);
    h->room = ROWS_BYTES / row;
    h->room = h->room > 1024 ? 1024 : h->room;
    h->room = h->room < job->n ? job->n : h->room;
    h->asked = calloc(job->n, sizeof *h->asked);
    h->best = calloc(job->n, sizeof *h->best);
    h->done = calloc(job->n, sizeof *h->done);
    h->rows = calloc(h->room, row);
    h->who = calloc(h->room, sizeof *h->who);
    h->tag = calloc(h->room, sizeof *h->tag);
    h->number = calloc(h->room, sizeof *h->number);
    h->fooled = calloc(h->room, sizeof *h->fooled);
    h->margin = calloc(h->room, sizeof *h->margin);
    h->scores = calloc(h->room, job->classes * sizeof *h->scores);
    if (!h->asked || !h->best || !h->done || !h->rows || !h->who || !h->tag || !h->number ||
        !h->fooled || !h->margin || !h->scores) {
        btz_hunt_free(&h);
        return btz_fail(BTZ_LIMIT, "out of memory for %zu questions of %zu features", h->room,
                        job->features);
    }
    for (size_t i = 0; i < job->n; i++)
        h->best[i] = (double)INFINITY;
    *out = h;
    return BTZ_OK;
}

void btz_hunt_free(struct btz_hunt **at)
{
    struct btz_hunt *h = *at;

    if (!h)
        return;
    free(h->asked);
    free(h->best);
    free(h->done);
    free(h->rows);
    free(h->who);
    free(h->tag);
    free(h->number);
    free(h->fooled);
    free(h->margin);
    free(h->scores);
    free(h);
    *at = NULL;
}

struct btz_attack_most btz_hunt_most(const struct btz_attack_job *job)
{
    return (struct btz_attack_most){
        (uint64_t)job->param[btz_attack_param_find(job->attack, "queries")], 0
    };
}

float *btz_hunt_row(struct btz_hunt *h, size_t i)
{
    h->who[h->filled] = i;
    return h->rows + h->filled++ * h->job->features;
}

size_t btz_hunt_left(const struct btz_hunt *h)
{
    size_t left = 0;

    for (size_t i = 0; i < h->job->n; i++)
        left += btz_hunt_is_on(h, i);
    return left;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

/* May row r be asked? Counts it when so. */
static bool afford(struct btz_hunt *h, size_t r, size_t pending)
{
    const struct btz_oracle *o = h->job->oracle;
    size_t i = h->who[r];

    if (o->budget && o->queries + pending >= o->budget)
        h->over = true;
    if (h->job->stop && *h->job->stop)
        h->over = true;
    if (h->over || h->done[i])
        return false;
    if (h->asked[i] >= h->budget) {
        h->done[i] = true;
        return false;
    }
    h->number[r] = ++h->asked[i];
    return true;
}

static void keep(struct btz_hunt *h, size_t r)
{
    struct btz_attack_job *job = h->job;
    size_t i = h->who[r], f = job->features;
    double norm =
        job->norm == BTZ_NORM_NONE ? 0 : btz_norm_of(job->norm, h->rows + r * f, job->x + i * f, f);

    if (norm >= h->best[i])
        return;
    h->best[i] = norm;
    memcpy(job->adv + i * f, h->rows + r * f, f * sizeof *job->adv);
    if (job->on_best)
        job->on_best(job->user, i, h->number[r], norm);
    if (norm <= job->eps || job->norm == BTZ_NORM_NONE) {
        job->broken[i] = true;
        h->done[i] = h->done[i] || h->early;
    }
}

static void judge(struct btz_hunt *h, size_t r)
{
    struct btz_attack_job *job = h->job;
    size_t i = h->who[r];
    const float *z = h->scores + r * job->classes;
    float other = -INFINITY;
    bool was_broken = job->broken[i];

    for (size_t k = 0; k < job->classes; k++)
        if (k != job->y[i])
            other = fmaxf(other, z[k]);
    h->margin[r] = z[job->y[i]] - other;
    h->fooled[r] = btz_argmax(z, job->classes) != job->y[i];
    if (h->fooled[r])
        keep(h, r);
    if (job->queries && !was_broken)
        job->queries[i] = h->number[r];
}

enum btz_err btz_hunt_ask(struct btz_hunt *h)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features, first = 0, r = 0;

    for (size_t k = 0; k < h->filled * f; k++)
        h->rows[k] = fminf(fmaxf(h->rows[k], job->box.low), job->box.high);
    memset(h->fooled, -1, h->filled);
    while (r < h->filled) {
        /* Rows that may be asked, up to the first that may not. */
        while (r < h->filled && afford(h, r, r - first))
            r++;
        if (r > first)
            BTZ_TRY(btz_oracle_ask(job->oracle, h->rows + first * f, r - first,
                                   h->scores + first * job->classes));
        for (size_t k = first; k < r; k++)
            judge(h, k);
        first = ++r;
    }
    return BTZ_OK;
}

/* ---- where to start ---------------------------------------------------------------------------------------------------- */

/* The nearest of the pool that has another label, and is nearer than none or further than `after`. */
static const float *nearest_of_pool(const struct btz_attack_job *job, size_t i, double *after)
{
    const float *found = NULL;
    double best = (double)INFINITY;

    for (size_t p = 0; job->pool && p < job->pool_count; p++) {
        const float *x = job->pool + p * job->features;
        double d;

        if (job->pool_label[p] == job->y[i])
            continue;
        d = btz_norm_of(BTZ_NORM_L2, x, job->x + i * job->features, job->features);
        if (d > *after && d < best) {
            best = d;
            found = x;
        }
    }
    *after = best;
    return found;
}

#define POOL_TRIES 3

/* Noise of a kind that goes round: fine, in blocks, extremes only, flat. Blocks make sense where the last two axes are a
 * picture's; elsewhere they are as good as any other noise. */
static void noise(const struct btz_attack_job *job, size_t i, size_t round, float *row)
{
    const struct btz_shape *s = &job->shape;
    size_t w = (size_t)s->dim[s->rank - 1], h = s->rank > 1 ? (size_t)s->dim[s->rank - 2] : 1;
    size_t side = round % 4 == 1 ? (w < 4 ? 1 : w / 4) : round % 4 == 3 ? w : 1;
    float range = job->box.high - job->box.low, cell[1024];
    struct btz_rng rng;

    btz_attack_rng(job, i, 0x8000 + round, &rng);
    for (size_t k = 0; k < BTZ_COUNT(cell); k++)
        cell[k] = (float)btz_rng_unit(&rng);
    for (size_t k = 0; k < job->features; k++) {
        size_t place = k / (w * h) * 97 + k / w % h / side * 31 + k % w / side;
        float u = side > 1 ? cell[place % BTZ_COUNT(cell)] : (float)btz_rng_unit(&rng);

        if (round % 4 == 2)
            u = u < 0.5F ? 0 : 1;
        row[k] = job->box.low + range * u;
    }
}

enum btz_err btz_hunt_start(struct btz_hunt *h, size_t tries)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features;
    BTZ_FREE double *after = calloc(job->n, sizeof *after);

    if (!after)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t round = 0; round < POOL_TRIES + 1 + tries && !h->over; round++) {
        for (size_t i = 0; i < job->n; i++) {
            const float *x = job->x + i * f, *other;
            float *row;

            if (h->done[i] || h->best[i] < (double)INFINITY)
                continue;
            if (round < POOL_TRIES) {
                other = nearest_of_pool(job, i, &after[i]);
                if (other)
                    memcpy(btz_hunt_row(h, i), other, f * sizeof *other);
                continue;
            }
            row = btz_hunt_row(h, i);
            if (round > POOL_TRIES)
                noise(job, i, round - POOL_TRIES - 1, row);
            for (size_t k = 0; round == POOL_TRIES && k < f; k++)
                row[k] = job->box.low + job->box.high - x[k];
        }
        BTZ_TRY(btz_hunt_ask(h));
        h->filled = 0;
    }
    for (size_t i = 0; i < job->n; i++)
        h->done[i] = h->done[i] || !(h->best[i] < (double)INFINITY);
    return BTZ_OK;
}

/* ---- onto the boundary ------------------------------------------------------------------------------------------------- */

/* Between the input (t = 0) and the point (t = 1). */
static void between(const struct btz_hunt *h, const float *x, const float *p, double t,
                    double reach, float *row)
{
    for (size_t k = 0; k < h->job->features; k++) {
        double d = (double)p[k] - (double)x[k];

        if (h->job->norm == BTZ_NORM_LINF)
            d = fmax(fmin(d, t * reach), -t * reach);
        else
            d *= t;
        row[k] = (float)((double)x[k] + d);
    }
}

struct span {
    double low, high, reach;
};

enum btz_err btz_hunt_bisect(struct btz_hunt *h, float *points, double tol)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features;
    BTZ_FREE struct span *span = calloc(job->n, sizeof *span);
    BTZ_FREE float *ends = malloc(job->n * f * sizeof *ends);

    if (!span || !ends)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memcpy(ends, points, job->n * f * sizeof *ends);
    for (size_t i = 0; i < job->n; i++)
        span[i] =
            (struct span){ 0, 1, btz_norm_of(BTZ_NORM_LINF, points + i * f, job->x + i * f, f) };
    for (int round = 0; round < 40; round++) {
        for (size_t i = 0; i < job->n; i++)
            if (btz_hunt_is_on(h, i) && span[i].reach > 0 && span[i].high - span[i].low > tol)
                between(h, job->x + i * f, ends + i * f, (span[i].low + span[i].high) / 2,
                        span[i].reach, btz_hunt_row(h, i));
        if (!h->filled)
            break;
        BTZ_TRY(btz_hunt_ask(h));
        for (size_t r = 0; r < h->filled; r++) {
            struct span *s = &span[h->who[r]];

            if (h->fooled[r] == 1) {
                s->high = (s->low + s->high) / 2;
                memcpy(points + h->who[r] * f, h->rows + r * f, f * sizeof *points);
            } else if (h->fooled[r] == 0)
                s->low = (s->low + s->high) / 2;
        }
        h->filled = 0;
    }
    return BTZ_OK;
}
