/* Boundary attack: a walk along the boundary, by labels alone. */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/known.h"
#include "robust/rows.h"

extern const struct btz_attack btz_attack_boundary;

enum { QUERIES, START, SPHERE, SOURCE, EARLY };
static const struct btz_attack_param params[] = {
    [QUERIES] = { "queries", "questions for each sample", 5000, 1, 1e9, true },
    [START] = { "start", "tries to find a first misclassified input", 100, 0, 10000, true },
    [SPHERE] = { "sphere", "first step along the sphere, as a share of the distance", 0.01, 1e-9, 1,
                 false },
    [SOURCE] = { "source", "first step towards the input, as a share of the distance", 0.01, 1e-9,
                 1, false },
    [EARLY] = { "early", "1: stop at the first success", 0, 0, 1, true },
};

#define ADAPTATION 1.5

struct walk {
    double sphere, source;
    unsigned sphere_tries, sphere_hits, source_tries, source_hits;
    unsigned steps;
    bool sphere_fooled;
};

/* A candidate on the sphere around the input, and the same nearer to it (Foolbox's geometry). */
static void propose(const struct btz_hunt *h, size_t i, const struct walk *w, const float *at,
                    float *side, float *nearer)
{
    size_t f = h->job->features;
    const float *x = h->job->x + i * f;
    double distance = btz_norm_of(BTZ_NORM_L2, at, x, f), along = 0, length, pull, reach = 0;
    struct btz_rng rng;

    btz_attack_rng(h->job, i, 0x10000 + w->steps, &rng);
    for (size_t k = 0; k < f; k++) {
        side[k] = (float)btz_random_normal(&rng);
        along += (double)side[k] * ((double)x[k] - (double)at[k]) / distance;
    }
    for (size_t k = 0; k < f; k++)
        side[k] -= (float)(along * ((double)x[k] - (double)at[k]) / distance);
    length = sqrt(btz_inner(side, side, f));
    for (size_t k = 0; k < f; k++) {
        double eta = length > 0 ? (double)side[k] * w->sphere * distance / length : 0;
        double v =
            (double)x[k] + (eta - ((double)x[k] - (double)at[k])) / sqrt(w->sphere * w->sphere + 1);

        v = fmin(fmax(v, (double)h->job->box.low), (double)h->job->box.high);
        side[k] = (float)v;
        reach += (v - (double)x[k]) * (v - (double)x[k]);
    }
    reach = sqrt(reach);
    pull = reach > 0 ? fmin(fmax(w->source * distance + reach - distance, 0) / reach, 1) : 0;
    for (size_t k = 0; k < f; k++)
        nearer[k] = (float)((double)side[k] + pull * ((double)x[k] - (double)side[k]));
}

/* Steps grow where they succeed too often, and shrink where too seldom. */
static void adapt(struct walk *w)
{
    if (w->sphere_tries >= 100) {
        double rate = (double)w->sphere_hits / w->sphere_tries;

        if (rate > 0.5 || rate < 0.2) {
            double by = rate > 0.5 ? ADAPTATION : 1 / ADAPTATION;

            w->sphere *= by;
            w->source *= by;
        }
        w->sphere_tries = w->sphere_hits = 0;
    }
    if (w->source_tries >= 30) {
        double rate = (double)w->source_hits / w->source_tries;

        if (rate > 0.25)
            w->source *= ADAPTATION;
        else if (rate < 0.1)
            w->source /= ADAPTATION;
        w->source_tries = w->source_hits = 0;
    }
}

enum { NEARER, SIDE };

static void judge(struct btz_hunt *h, struct walk *walks, float *at)
{
    size_t f = h->job->features;

    for (size_t r = 0; r < h->filled; r++) {
        size_t i = h->who[r];
        struct walk *w = &walks[i];

        if (h->fooled[r] < 0)
            continue;
        if (h->tag[r] == SIDE) {
            w->sphere_tries++;
            w->sphere_hits += h->fooled[r] == 1;
            w->sphere_fooled = h->fooled[r] == 1;
            continue;
        }
        if (w->sphere_fooled) {
            w->source_tries++;
            w->source_hits += h->fooled[r] == 1;
            w->sphere_fooled = false;
        }
        if (h->fooled[r] == 1 && btz_norm_of(BTZ_NORM_L2, h->rows + r * f, h->job->x + i * f, f) <
                                     btz_norm_of(BTZ_NORM_L2, at + i * f, h->job->x + i * f, f))
            memcpy(at + i * f, h->rows + r * f, f * sizeof *at);
        adapt(w);
        if (w->source < 1e-7)
            h->done[i] = true;
    }
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t f = job->features;
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;
    BTZ_FREE struct walk *walks = calloc(job->n, sizeof *walks);
    BTZ_FREE float *at = malloc(job->n * f * sizeof *at);
    BTZ_FREE float *pair = malloc(2 * f * sizeof *pair);

    if (!walks || !at || !pair)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_hunt_new(job, job->param[QUERIES], job->param[EARLY] > 0, &h));
    BTZ_TRY(btz_hunt_start(h, (size_t)job->param[START]));
    memcpy(at, job->adv, job->n * f * sizeof *at);
    BTZ_TRY(btz_hunt_bisect(h, at, 0.001));
    for (size_t i = 0; i < job->n; i++)
        walks[i] = (struct walk){ .sphere = job->param[SPHERE], .source = job->param[SOURCE] };
    while (btz_hunt_left(h)) {
        for (size_t i = 0; i < job->n; i++) {
            if (!btz_hunt_is_on(h, i))
                continue;
            if (!(btz_norm_of(BTZ_NORM_L2, at + i * f, job->x + i * f, f) > 0)) {
                h->done[i] = true;
                continue;
            }
            if (h->filled + 2 > h->room) {
                BTZ_TRY(btz_hunt_ask(h));
                judge(h, walks, at);
                h->filled = 0;
            }
            propose(h, i, &walks[i], at + i * f, pair, pair + f);
            if (walks[i].steps++ % 10 == 0) {
                memcpy(btz_hunt_row(h, i), pair, f * sizeof *pair);
                h->tag[h->filled - 1] = SIDE;
            }
            memcpy(btz_hunt_row(h, i), pair + f, f * sizeof *pair);
            h->tag[h->filled - 1] = NEARER;
        }
        BTZ_TRY(btz_hunt_ask(h));
        judge(h, walks, at);
        h->filled = 0;
    }
    return BTZ_OK;
}

/*
 * A walk needs its questions: 5,000 leave up to 5 % (measured with six seeds, and 10 % once), 10,000 leave 0.2 %, and with the
 * 25,000 of Foolbox 3 it stands on the distance (1.00001).
 */
static enum btz_err selftest(void)
{
    BTZ_TRY(btz_known_linear(&btz_attack_boundary, BTZ_NORM_L2, 1.1));
    return btz_known_linear_with(&btz_attack_boundary, BTZ_NORM_L2, "queries", 25000, 1.001);
}

const struct btz_attack btz_attack_boundary = {
    .id = "boundary",
    .summary = "walk along the boundary, by labels alone",
    .access = BTZ_ATTACK_LABELS,
    .norms = 1U << BTZ_NORM_L2,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.decision",
    .source = "Brendel et al. 2018, arXiv 1712.04248",
    .run = run,
    .most = btz_hunt_most,
    .selftest = selftest,
};
