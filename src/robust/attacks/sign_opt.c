/* Sign-OPT: the direction whose way to the boundary is shortest, by signs of its derivative from labels. */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/known.h"

extern const struct btz_attack btz_attack_sign_opt;

enum { QUERIES, START, SIGNS, BETA, EARLY };
static const struct btz_attack_param params[] = {
    [QUERIES] = { "queries", "questions for each sample", 5000, 1, 1e9, true },
    [START] = { "start", "tries to find a first misclassified input", 100, 0, 10000, true },
    [SIGNS] = { "signs", "questions for one derivative", 200, 1, 1e6, true },
    [BETA] = { "beta", "change of direction that is asked about", 0.001, 1e-7, 1, false },
    [EARLY] = { "early", "1: stop at the first success", 0, 0, 1, true },
};

/* Steps along the derivative, all asked at once. The paper doubles or halves one step instead, a search for each. */
#define STEPS 10
#define FIRST 0.0125

struct line {
    double low, high; /* distances: not misclassified, misclassified */
    unsigned live;    /* steps misclassified at `high`, a bit each */
    unsigned now;     /* of `live`, those misclassified at the distance that is asked */
    double beta;
};

static double ask_at(const struct line *l, int round)
{
    return round ? (l->low + l->high) / 2 : l->high;
}

static enum btz_err flush(struct btz_hunt *h, struct line *lines, float *ends)
{
    size_t f = h->job->features;

    BTZ_TRY(btz_hunt_ask(h));
    for (size_t r = 0; r < h->filled; r++)
        if (h->fooled[r] == 1) {
            size_t i = h->who[r];

            lines[i].now |= 1U << h->tag[r];
            memcpy(ends + i * f, h->rows + r * f, f * sizeof *ends);
        }
    h->filled = 0;
    return BTZ_OK;
}

/* A row on the way of step s at `distance`. */
static void put(struct btz_hunt *h, size_t i, unsigned s, double distance, const float *at,
                const float *normal)
{
    size_t f = h->job->features;
    const float *x = h->job->x + i * f;
    float *row = btz_hunt_row(h, i);
    double reach = btz_norm_of(BTZ_NORM_L2, at, x, f), step = FIRST * (double)(1U << s), length = 0;

    h->tag[h->filled - 1] = s;
    for (size_t k = 0; k < f; k++) {
        double d = ((double)at[k] - (double)x[k]) / reach + step * (double)normal[k];

        row[k] = (float)d;
        length += d * d;
    }
    length = sqrt(fmax(length, 1e-24));
    for (size_t k = 0; k < f; k++)
        row[k] = x[k] + (float)(distance / length) * row[k];
}

/*
 * Which steps are misclassified at the present distance, or a little nearer? Then the distance is halved between the two ends,
 * and of the steps those stay that are misclassified at it.
 */
static enum btz_err step(struct btz_hunt *h, struct line *lines, const float *normal, float *at,
                         float *ends)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features;

    for (size_t i = 0; i < job->n; i++) {
        struct line *l = &lines[i];

        l->high = btz_norm_of(BTZ_NORM_L2, at + i * f, job->x + i * f, f) * (1 - 1e-4);
        l->low = l->high / 2;
        l->live = (1U << STEPS) - 1;
    }
    for (int round = 0; round < 14; round++) {
        for (size_t i = 0; i < job->n; i++) {
            lines[i].now = 0;
            for (unsigned s = 0; s < STEPS && btz_hunt_is_on(h, i); s++) {
                if (!(lines[i].live >> s & 1))
                    continue;
                if (h->filled == h->room)
                    BTZ_TRY(flush(h, lines, ends));
                put(h, i, s, ask_at(&lines[i], round), at + i * f, normal + i * f);
            }
        }
        BTZ_TRY(flush(h, lines, ends));
        for (size_t i = 0; i < job->n; i++) {
            struct line *l = &lines[i];

            if (l->now) {
                l->high = ask_at(l, round);
                l->live = l->now;
            } else if (round)
                l->low = ask_at(l, round);
            else {
                l->live = 0;
                l->beta = fmax(l->beta / 2, 1e-6);
            }
        }
    }
    /* `ends` holds the last misclassified row of each, which is the nearest. */
    for (size_t i = 0; i < job->n; i++)
        if (lines[i].live)
            memcpy(at + i * f, ends + i * f, f * sizeof *at);
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t n = job->n, f = job->features;
    const struct btz_hunt_draw draw = { .draw = btz_hunt_draw_normal, .on_sphere = true };
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;
    BTZ_FREE float *at = malloc(3 * n * f * sizeof *at);
    BTZ_FREE double *size = malloc(n * sizeof *size);
    BTZ_FREE size_t *count = malloc(n * sizeof *count);
    BTZ_FREE struct line *lines = calloc(n, sizeof *lines);

    if (!at || !size || !count || !lines)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_hunt_new(job, job->param[QUERIES], job->param[EARLY] > 0, &h));
    BTZ_TRY(btz_hunt_start(h, (size_t)job->param[START]));
    memcpy(at, job->adv, n * f * sizeof *at);
    memcpy(at + 2 * n * f, at, n * f * sizeof *at);
    BTZ_TRY(btz_hunt_bisect(h, at, 1e-4));
    for (size_t i = 0; i < n; i++) {
        lines[i].beta = job->param[BETA];
        count[i] = (size_t)job->param[SIGNS];
    }
    for (size_t round = 0; btz_hunt_left(h); round++) {
        for (size_t i = 0; i < n; i++) {
            size[i] = lines[i].beta * btz_norm_of(BTZ_NORM_L2, at + i * f, job->x + i * f, f);
            h->done[i] = h->done[i] || !(size[i] > 0);
        }
        BTZ_TRY(btz_hunt_normal(h, at, size, count, round, &draw, at + n * f));
        BTZ_TRY(step(h, lines, at + n * f, at, at + 2 * n * f));
    }
    return BTZ_OK;
}

static enum btz_err selftest(void)
{
    return btz_known_linear(&btz_attack_sign_opt, BTZ_NORM_L2, 1.01);
}

const struct btz_attack btz_attack_sign_opt = {
    .id = "sign-opt",
    .summary = "the direction with the shortest way to the boundary, by signs from labels",
    .access = BTZ_ATTACK_LABELS,
    .norms = 1U << BTZ_NORM_L2,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.decision",
    .source = "Cheng et al. 2020, arXiv 1909.10773",
    .run = run,
    .most = btz_hunt_most,
    .selftest = selftest,
};
