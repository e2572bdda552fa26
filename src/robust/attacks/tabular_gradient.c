/* Rows of tables by gradients: the allowed moves that promise most are asked about, the best is made. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/tabular.h"

extern const struct btz_attack btz_attack_tabular_gradient;

enum { MOVES, TOGETHER };
static const struct btz_attack_param params[] = {
    [MOVES] = { "moves", "moves that are made one after the other", 30, 1, 10000, true },
    [TOGETHER] = { "together", "most promising moves that are asked about", 16, 1, 64, true },
};
#define TOGETHER_MAX 64

struct move {
    size_t unit, category;
    float value, gain;
};

/* Keeps the best `most`, in order. */
static void offer(struct move *best, size_t *count, size_t most, struct move m)
{
    size_t at;

    if (!(m.gain > 0) || (*count == most && m.gain <= best[most - 1].gain))
        return;
    at = *count < most ? (*count)++ : most - 1;
    for (; at && best[at - 1].gain < m.gain; at--)
        best[at] = best[at - 1];
    best[at] = m;
}

/* What the gradient of the margin promises: columns to both ends and half of the way, groups to each category. */
static size_t promising(const struct btz_constraint *c, const float *x0, const float *now,
                        const float *grad, size_t most, float *scratch, struct move *best)
{
    size_t count = 0;

    for (size_t k = 0; k < c->features; k++) {
        const struct btz_column *column = &c->columns[k];
        const double to[] = { (double)column->low, (double)column->high };

        for (int e = 0; e < 4 && column->group == BTZ_NO_GROUP; e++) {
            double wanted = e < 2 ? to[e] : ((double)now[k] + to[e - 2]) / 2;
            struct move m = { .unit = k, .value = btz_constraint_value(c, x0, k, wanted) };

            m.gain = -grad[k] * (m.value - now[k]);
            offer(best, &count, most, m);
        }
    }
    for (size_t g = 0; g < c->group_count; g++)
        for (size_t q = 0; q < c->groups[g].count; q++) {
            struct move m = { .unit = c->features + g, .category = q };

            memcpy(scratch, now, c->features * sizeof *scratch);
            if (!btz_constraint_choose(c, x0, g, q, scratch))
                continue;
            for (size_t k = 0; k < c->groups[g].count; k++) {
                size_t at = c->groups[g].first + k;

                m.gain -= grad[at] * (scratch[at] - now[at]);
            }
            offer(best, &count, most, m);
        }
    return count;
}

struct work {
    const struct btz_constraint *c;
    float *now, *grad, *logits, *margin, *scratch, *next;
    float *best; /* n: margin that `next` would have */
};

static enum btz_err flush(struct btz_hunt *h, struct work *w)
{
    size_t f = h->job->features;

    BTZ_TRY(btz_hunt_ask(h));
    for (size_t r = 0; r < h->filled; r++) {
        size_t i = h->who[r];

        if (h->fooled[r] >= 0 && h->margin[r] < w->best[i]) {
            w->best[i] = h->margin[r];
            memcpy(w->next + i * f, h->rows + r * f, f * sizeof *w->next);
        }
    }
    h->filled = 0;
    return BTZ_OK;
}

static enum btz_err round_of(struct btz_hunt *h, struct work *w)
{
    struct btz_attack_job *job = h->job;
    const struct btz_loss loss = { btz_loss_margin, job->y };
    size_t f = job->features, most = (size_t)job->param[TOGETHER];

    BTZ_TRY(btz_classifier_gradient(job->classifier, w->now, job->n, &loss, 1, NULL, w->margin,
                                    w->grad));
    for (size_t i = 0; i < job->n; i++) {
        struct move best[TOGETHER_MAX];
        size_t count;

        w->best[i] = INFINITY;
        if (h->done[i] || h->best[i] < (double)INFINITY)
            continue;
        count = promising(w->c, job->x + i * f, w->now + i * f, w->grad + i * f, most, w->scratch,
                          best);
        if (!count)
            h->done[i] = true;
        if (h->filled + count > h->room)
            BTZ_TRY(flush(h, w));
        for (size_t m = 0; m < count; m++) {
            float *row = btz_hunt_row(h, i);

            memcpy(row, w->now + i * f, f * sizeof *row);
            if (best[m].unit < f)
                row[best[m].unit] = best[m].value;
            else
                (void)btz_constraint_choose(w->c, job->x + i * f, best[m].unit - f,
                                            best[m].category, row);
        }
    }
    BTZ_TRY(flush(h, w));
    for (size_t i = 0; i < job->n; i++)
        if (w->best[i] < w->margin[i])
            memcpy(w->now + i * f, w->next + i * f, f * sizeof *w->now);
        else if (!(h->best[i] < (double)INFINITY))
            h->done[i] = true; /* no move helps */
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t n = job->n, f = job->features;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;
    BTZ_FREE float *block = calloc(3 * n + 1, f * sizeof *block);
    BTZ_FREE float *numbers = calloc(n, 2 * sizeof *numbers);
    struct btz_constraint c;
    struct work w = { .c = &c, .now = block, .margin = numbers };

    btz_arena_init(&arena, 64U << 20);
    if (!block || !numbers)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w.grad = block + n * f;
    w.next = block + 2 * n * f;
    w.scratch = block + 3 * n * f;
    w.best = numbers + n;
    BTZ_TRY(btz_constraint_of_job(job, &arena, &c));
    BTZ_TRY(btz_hunt_new(job, 0, false, &h));
    if (job->param[TOGETHER] > (double)h->room)
        return btz_fail(BTZ_LIMIT, "together: at most %zu", h->room);
    memcpy(w.now, job->x, n * f * sizeof *w.now);
    for (size_t m = 0; m < (size_t)job->param[MOVES] && !h->over; m++) {
        bool left = false;

        for (size_t i = 0; i < n; i++)
            left = left || !(h->done[i] || h->best[i] < (double)INFINITY);
        if (!left)
            break;
        BTZ_TRY(round_of(h, &w));
    }
    return btz_tabular_prune(h, &c);
}

static enum btz_err selftest(void)
{
    return btz_tabular_known(&btz_attack_tabular_gradient);
}

const struct btz_attack btz_attack_tabular_gradient = {
    .id = "tabular-gradient",
    .summary = "rows within the constraints of their columns, by gradients",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_L0,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "robust.evasion.tabular",
    .source =
        "greedy over allowed moves; constraints as in Simonetto et al. 2021, arXiv 2112.01156",
    .run = run,
    .selftest = selftest,
};
