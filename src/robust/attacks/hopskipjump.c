/* HopSkipJump: normals of the boundary from labels, steps along them. */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/known.h"

extern const struct btz_attack btz_attack_hopskipjump;

enum { QUERIES, START, FIRST, MOST, EARLY };
static const struct btz_attack_param params[] = {
    [QUERIES] = { "queries", "questions for each sample", 5000, 1, 1e9, true },
    [START] = { "start", "tries to find a first misclassified input", 100, 0, 10000, true },
    [FIRST] = { "first", "questions for the first normal; grows with the root of the round", 100, 1,
                1e6, true },
    [MOST] = { "most", "questions for a normal at most", 10000, 1, 1e7, true },
    [EARLY] = { "early", "1: stop at the first success", 0, 0, 1, true },
};

static void draw_cube(const struct btz_hunt_draw *d, struct btz_rng *r, size_t n, float *out)
{
    double length = 0;

    (void)d;
    for (size_t k = 0; k < n; k++) {
        out[k] = (float)(2 * btz_rng_unit(r) - 1);
        length += (double)out[k] * (double)out[k];
    }
    length = sqrt(fmax(length, 1e-12));
    for (size_t k = 0; k < n; k++)
        out[k] = (float)((double)out[k] / length);
}

/* Steps of distance / sqrt(round), halved until the end is misclassified. */
static enum btz_err advance(struct btz_hunt *h, size_t round, const float *normal, double *step,
                            float *at)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features;
    bool linf = job->norm == BTZ_NORM_LINF;

    for (size_t i = 0; i < job->n; i++)
        step[i] = btz_norm_of(job->norm, at + i * f, job->x + i * f, f) / sqrt((double)round);
    for (int halved = 0; halved < 20; halved++) {
        for (size_t i = 0; i < job->n; i++) {
            float *row;

            if (!btz_hunt_is_on(h, i) || !(step[i] > 0))
                continue;
            row = btz_hunt_row(h, i);
            for (size_t k = 0; k < f; k++) {
                float u = normal[i * f + k];

                row[k] = at[i * f + k] + (float)step[i] * (linf ? (float)((u > 0) - (u < 0)) : u);
            }
        }
        if (!h->filled)
            break;
        BTZ_TRY(btz_hunt_ask(h));
        for (size_t r = 0; r < h->filled; r++) {
            size_t i = h->who[r];

            step[i] /= 2;
            if (h->fooled[r] == 1) {
                memcpy(at + i * f, h->rows + r * f, f * sizeof *at);
                step[i] = 0;
            }
        }
        h->filled = 0;
    }
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t n = job->n, f = job->features;
    const struct btz_hunt_draw draw = { .draw = job->norm == BTZ_NORM_LINF ? draw_cube
                                                                           : btz_hunt_draw_normal };
    double d = (double)f, tol = fmin(1 / (d * sqrt(d)), 0.001);
    double range = (double)job->box.high - (double)job->box.low;
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;
    BTZ_FREE float *at = malloc(2 * n * f * sizeof *at);
    BTZ_FREE double *size = malloc(n * sizeof *size);
    BTZ_FREE size_t *count = malloc(n * sizeof *count);

    if (!at || !size || !count)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_hunt_new(job, job->param[QUERIES], job->param[EARLY] > 0, &h));
    BTZ_TRY(btz_hunt_start(h, (size_t)job->param[START]));
    memcpy(at, job->adv, n * f * sizeof *at);
    BTZ_TRY(btz_hunt_bisect(h, at, tol));
    for (size_t round = 1; btz_hunt_left(h); round++) {
        for (size_t i = 0; i < n; i++) {
            count[i] = (size_t)fmin(job->param[FIRST] * sqrt((double)round), job->param[MOST]);
            size[i] = btz_norm_of(job->norm, at + i * f, job->x + i * f, f) / d;
            if (!(size[i] > 0))
                h->done[i] = true;
            else if (round == 1)
                size[i] = 0.1 * range;
        }
        BTZ_TRY(btz_hunt_normal(h, at, size, count, round, &draw, at + n * f));
        BTZ_TRY(advance(h, round, at + n * f, size, at));
        BTZ_TRY(btz_hunt_bisect(h, at, tol));
    }
    return BTZ_OK;
}

static enum btz_err selftest(void)
{
    BTZ_TRY(btz_known_linear(&btz_attack_hopskipjump, BTZ_NORM_L2, 1.01));
    return btz_known_linear(&btz_attack_hopskipjump, BTZ_NORM_LINF, 1.05);
}

const struct btz_attack btz_attack_hopskipjump = {
    .id = "hopskipjump",
    .summary = "normals of the boundary from labels, and steps along them",
    .access = BTZ_ATTACK_LABELS,
    .norms = 1U << BTZ_NORM_L2 | 1U << BTZ_NORM_LINF,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.decision",
    .source = "Chen et al. 2020, arXiv 1904.02144",
    .run = run,
    .most = btz_hunt_most,
    .selftest = selftest,
};
