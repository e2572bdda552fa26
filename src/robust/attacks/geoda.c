/* GeoDA: the boundary as a plane whose normal is estimated in the low frequencies, by labels alone. */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/known.h"
#include "robust/rows.h"

extern const struct btz_attack btz_attack_geoda;

enum { QUERIES, START, ROUNDS, FREQUENCIES, LAMBDA, EARLY };
static const struct btz_attack_param params[] = {
    [QUERIES] = { "queries", "questions for each sample", 5000, 1, 1e9, true },
    [START] = { "start", "tries to find a first misclassified input", 100, 0, 10000, true },
    [ROUNDS] = { "rounds", "normals that are estimated", 10, 1, 1000, true },
    [FREQUENCIES] = { "frequencies", "lowest frequencies of each axis of a picture; 0: all", 10, 0,
                      1000, true },
    [LAMBDA] = { "lambda", "how the questions grow: by lambda^(-2/3) a round", 0.6, 0.01, 1,
                 false },
    [EARLY] = { "early", "1: stop at the first success", 0, 0, 1, true },
};

/* Cosines of the lowest frequencies along both axes of a picture. */
struct cosines {
    size_t height, width, rows, columns;
    float *down, *across; /* rows x height, columns x width */
    float *coefficients;  /* rows x columns and rows x width: scratch */
};

static void fill(float *table, size_t frequencies, size_t length)
{
    for (size_t k = 0; k < frequencies; k++)
        for (size_t j = 0; j < length; j++)
            table[k * length + j] = (float)(sqrt((k ? 2.0 : 1.0) / (double)length) *
                                            cos(3.14159265358979323846 * (double)k *
                                                ((double)j + 0.5) / (double)length));
}

/* Orthonormal, so that what is drawn is white in the subspace. */
static void draw_low(const struct btz_hunt_draw *d, struct btz_rng *r, size_t n, float *out)
{
    const struct cosines *c = d->user;
    float *half = c->coefficients + c->rows * c->columns;
    size_t plane = c->height * c->width;
    double length;

    memset(out, 0, n * sizeof *out);
    for (size_t first = 0; first < n; first += plane) {
        memset(half, 0, c->rows * c->width * sizeof *half);
        for (size_t k = 0; k < c->rows; k++)
            for (size_t q = 0; q < c->columns; q++) {
                float a = (float)btz_random_normal(r);

                for (size_t j = 0; j < c->width; j++)
                    half[k * c->width + j] += a * c->across[q * c->width + j];
            }
        for (size_t k = 0; k < c->rows; k++)
            for (size_t i = 0; i < c->height; i++)
                for (size_t j = 0; j < c->width; j++)
                    out[first + i * c->width + j] +=
                        c->down[k * c->height + i] * half[k * c->width + j];
    }
    length = sqrt(fmax(btz_inner(out, out, n), 1e-12));
    for (size_t k = 0; k < n; k++)
        out[k] = (float)((double)out[k] / length);
}

/* Along the normal from the input, further and further until the end is misclassified. */
static enum btz_err reach(struct btz_hunt *h, const float *normal, double *distance, float *at)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features;

    for (size_t i = 0; i < job->n; i++)
        distance[i] = btz_norm_of(job->norm, at + i * f, job->x + i * f, f);
    for (int t = 0; t < 12; t++) {
        for (size_t i = 0; i < job->n; i++) {
            float *row;

            if (!btz_hunt_is_on(h, i) || !(distance[i] > 0))
                continue;
            row = btz_hunt_row(h, i);
            for (size_t k = 0; k < f; k++) {
                float u = normal[i * f + k];

                if (job->norm == BTZ_NORM_LINF)
                    u = (float)((u > 0) - (u < 0));
                row[k] = job->x[i * f + k] + (float)distance[i] * u;
            }
        }
        if (!h->filled)
            break;
        BTZ_TRY(btz_hunt_ask(h));
        for (size_t r = 0; r < h->filled; r++) {
            size_t i = h->who[r];

            distance[i] *= 1.25;
            if (h->fooled[r] == 1) {
                memcpy(at + i * f, h->rows + r * f, f * sizeof *at);
                distance[i] = 0;
            }
        }
        h->filled = 0;
    }
    return BTZ_OK;
}

/* The next normal gets its share of what is left, so that the last round ends the budget. */
static size_t questions(const struct btz_attack_job *job, const struct btz_hunt *h, size_t i,
                        size_t round)
{
    size_t rounds = (size_t)job->param[ROUNDS];
    double growth = pow(job->param[LAMBDA], -2.0 / 3), sum = 0;
    uint64_t left = h->budget > h->asked[i] ? h->budget - h->asked[i] : 0;

    for (size_t r = round; r < rounds; r++)
        sum += pow(growth, (double)(r - round));
    /* Some forty go into finding the boundary again. */
    return (size_t)fmax(0.95 * ((double)left - 40.0 * (double)(rounds - round)) / fmax(sum, 1), 10);
}

static enum btz_err rounds(struct btz_hunt *h, const struct btz_hunt_draw *draw, float *at,
                           double *size, size_t *count)
{
    struct btz_attack_job *job = h->job;
    size_t n = job->n, f = job->features;
    float *normal = at + n * f;

    for (size_t round = 0; btz_hunt_left(h); round++) {
        size_t last = (size_t)job->param[ROUNDS] - 1;

        for (size_t i = 0; i < n; i++) {
            size[i] = 0.02 * btz_norm_of(BTZ_NORM_L2, at + i * f, job->x + i * f, f);
            h->done[i] = h->done[i] || !(size[i] > 0);
            count[i] = questions(job, h, i, round < last ? round : last);
        }
        BTZ_TRY(btz_hunt_normal(h, at, size, count, round, draw, normal));
        BTZ_TRY(reach(h, normal, size, at));
        BTZ_TRY(btz_hunt_bisect(h, at, 1e-4));
    }
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    const struct btz_shape *s = &job->shape;
    size_t n = job->n, f = job->features, most = (size_t)job->param[FREQUENCIES];
    struct cosines c = { 0 };
    struct btz_hunt_draw draw = { .draw = btz_hunt_draw_normal, .user = &c };
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;
    BTZ_FREE float *at = malloc(2 * n * f * sizeof *at);
    BTZ_FREE double *size = malloc(n * sizeof *size);
    BTZ_FREE size_t *count = malloc(n * sizeof *count);
    BTZ_FREE float *tables = NULL;

    if (!at || !size || !count)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (most && s->rank >= 2) {
        c.height = (size_t)s->dim[s->rank - 2];
        c.width = (size_t)s->dim[s->rank - 1];
        c.rows = c.height < most ? c.height : most;
        c.columns = c.width < most ? c.width : most;
        tables =
            calloc(c.rows * (c.height + c.columns + c.width) + c.columns * c.width, sizeof *tables);
        if (!tables)
            return btz_fail(BTZ_LIMIT, "out of memory");
        c.down = tables;
        c.across = c.down + c.rows * c.height;
        c.coefficients = c.across + c.columns * c.width;
        fill(c.down, c.rows, c.height);
        fill(c.across, c.columns, c.width);
        draw.draw = draw_low;
    }
    BTZ_TRY(btz_hunt_new(job, job->param[QUERIES], job->param[EARLY] > 0, &h));
    BTZ_TRY(btz_hunt_start(h, (size_t)job->param[START]));
    memcpy(at, job->adv, n * f * sizeof *at);
    BTZ_TRY(btz_hunt_bisect(h, at, 1e-4));
    return rounds(h, &draw, at, size, count);
}

static enum btz_err selftest(void)
{
    BTZ_TRY(btz_known_linear(&btz_attack_geoda, BTZ_NORM_L2, 1.02));
    return btz_known_linear(&btz_attack_geoda, BTZ_NORM_LINF, 1.01);
}

const struct btz_attack btz_attack_geoda = {
    .id = "geoda",
    .summary = "the boundary as a plane whose normal comes from labels, in the low frequencies",
    .access = BTZ_ATTACK_LABELS,
    .norms = 1U << BTZ_NORM_L2 | 1U << BTZ_NORM_LINF,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.decision",
    .source = "Rahmati et al. 2020, arXiv 2003.06468",
    .run = run,
    .most = btz_hunt_most,
    .selftest = selftest,
};
