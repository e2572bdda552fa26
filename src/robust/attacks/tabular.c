/* Rows of tables by scores or labels alone: random allowed moves, then as many as possible taken back. */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/tabular.h"

extern const struct btz_attack btz_attack_tabular;

enum { QUERIES, TOGETHER };
static const struct btz_attack_param params[] = {
    [QUERIES] = { "queries", "questions for each sample", 1000, 1, 1e9, true },
    [TOGETHER] = { "together", "moves that are asked about at once", 8, 1, 64, true },
};

struct walk {
    float best;     /* margin of the present row */
    unsigned stale; /* rounds without gain: moves of more columns are tried */
    bool moved;
};

/* Rows that differ from the present one in a few units. With labels alone nothing but their number can grow. */
static void propose(struct btz_hunt *h, const struct btz_constraint *c, size_t i, size_t round,
                    const struct walk *w, const float *now)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features, units = f + c->group_count;
    struct btz_rng rng;

    btz_attack_rng(job, i, 0x10000 + round, &rng);
    for (size_t t = 0; t < (size_t)job->param[TOGETHER]; t++) {
        float *row = btz_hunt_row(h, i);
        size_t moves = 1 + (size_t)btz_rng_below(&rng, 1 + w->stale);

        memcpy(row, now + i * f, f * sizeof *row);
        for (size_t m = 0; m < moves; m++)
            for (int tries = 0; tries < 8; tries++)
                if (btz_constraint_move(c, job->x + i * f, btz_rng_below(&rng, (uint32_t)units),
                                        &rng, row))
                    break;
    }
}

static enum btz_err flush(struct btz_hunt *h, struct walk *walks, float *now)
{
    size_t f = h->job->features;

    BTZ_TRY(btz_hunt_ask(h));
    for (size_t r = 0; r < h->filled; r++) {
        size_t i = h->who[r];

        if (h->fooled[r] >= 0 && h->margin[r] < walks[i].best) {
            walks[i].best = h->margin[r];
            walks[i].moved = true;
            memcpy(now + i * f, h->rows + r * f, f * sizeof *now);
        }
    }
    h->filled = 0;
    return BTZ_OK;
}

static enum btz_err search(struct btz_hunt *h, const struct btz_constraint *c, struct walk *walks,
                           float *now)
{
    struct btz_attack_job *job = h->job;
    bool left = true;

    for (size_t round = 0; left && !h->over; round++) {
        left = false;
        for (size_t i = 0; i < job->n; i++) {
            if (h->done[i] || h->best[i] < (double)INFINITY)
                continue;
            left = true;
            if (h->filled + (size_t)job->param[TOGETHER] > h->room)
                BTZ_TRY(flush(h, walks, now));
            propose(h, c, i, round, &walks[i], now);
        }
        BTZ_TRY(flush(h, walks, now));
        for (size_t i = 0; i < job->n; i++) {
            walks[i].stale = walks[i].moved ? 0 : walks[i].stale + (walks[i].stale < 64);
            walks[i].moved = false;
        }
    }
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t f = job->features;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;
    BTZ_FREE struct walk *walks = calloc(job->n, sizeof *walks);
    BTZ_FREE float *now = malloc(job->n * f * sizeof *now);
    struct btz_constraint c;

    btz_arena_init(&arena, 64U << 20);
    if (!walks || !now)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_constraint_of_job(job, &arena, &c));
    BTZ_TRY(btz_hunt_new(job, job->param[QUERIES], false, &h));
    if (job->param[TOGETHER] > (double)h->room)
        return btz_fail(BTZ_LIMIT, "together: at most %zu", h->room);
    memcpy(now, job->x, job->n * f * sizeof *now);
    for (size_t i = 0; i < job->n; i++)
        walks[i].best = INFINITY;
    BTZ_TRY(search(h, &c, walks, now));
    return btz_tabular_prune(h, &c);
}

static enum btz_err selftest(void)
{
    return btz_tabular_known(&btz_attack_tabular);
}

const struct btz_attack btz_attack_tabular = {
    .id = "tabular",
    .summary = "rows within the constraints of their columns, by scores or labels",
    .access = BTZ_ATTACK_SCORES,
    .norms = 1U << BTZ_NORM_L0,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.tabular",
    .source = "random search over allowed moves; constraints as in Simonetto et al. 2021, arXiv "
              "2112.01156",
    .run = run,
    .most = btz_hunt_most,
    .selftest = selftest,
};
