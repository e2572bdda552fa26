/*
 * The normal of the boundary from labels alone.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/rows.h"

void btz_hunt_draw_normal(const struct btz_hunt_draw *d, struct btz_rng *r, size_t n, float *out)
{
    (void)d;
    btz_draw_direction(r, n, out);
}

struct sums {
    float *signed_sum, *plain; /* n x features */
    double *answers;           /* n: sum of the signs */
    uint64_t *count;           /* n */
    const float *points;
    const double *delta;
};

static enum btz_err flush(struct btz_hunt *h, struct sums *s)
{
    size_t f = h->job->features;

    BTZ_TRY(btz_hunt_ask(h));
    for (size_t r = 0; r < h->filled; r++) {
        size_t i = h->who[r];
        const float *row = h->rows + r * f, *point = s->points + i * f;
        float sign = h->fooled[r] == 1 ? 1 : -1, scale = (float)(1 / s->delta[i]);

        if (h->fooled[r] < 0)
            continue;
        s->answers[i] += (double)sign;
        s->count[i]++;
        /* Not what was drawn, but what the box left of it. */
        for (size_t k = 0; k < f; k++) {
            float u = (row[k] - point[k]) * scale;

            s->signed_sum[i * f + k] += sign * u;
            s->plain[i * f + k] += u;
        }
    }
    h->filled = 0;
    return BTZ_OK;
}

static void put(struct btz_hunt *h, size_t i, const struct sums *s, struct btz_rng *rng,
                const struct btz_hunt_draw *draw)
{
    size_t f = h->job->features;
    const float *x = h->job->x + i * f, *point = s->points + i * f;
    float *row = btz_hunt_row(h, i);
    double radius;

    draw->draw(draw, rng, f, row);
    for (size_t k = 0; k < f; k++)
        row[k] = point[k] + (float)s->delta[i] * row[k];
    radius = draw->on_sphere ? btz_norm_of(BTZ_NORM_L2, row, x, f) : 0;
    if (radius > 0) {
        float shrink = (float)(btz_norm_of(BTZ_NORM_L2, point, x, f) / radius);

        for (size_t k = 0; k < f; k++)
            row[k] = x[k] + (row[k] - x[k]) * shrink;
    }
}

/* The mean is taken out where both answers came: where most are alike, the odd ones say more (variance reduction of
 * HopSkipJump). */
static void finish(const struct btz_hunt *h, const struct sums *s, float *normal)
{
    size_t f = h->job->features;

    for (size_t i = 0; i < h->job->n; i++) {
        double mean = s->count[i] ? s->answers[i] / (double)s->count[i] : 0, length;
        float *out = normal + i * f;

        if (fabs(mean) >= 1)
            mean = 0;
        for (size_t k = 0; k < f; k++)
            out[k] = s->signed_sum[i * f + k] - (float)mean * s->plain[i * f + k];
        length = sqrt(btz_inner(out, out, f));
        for (size_t k = 0; k < f; k++)
            out[k] = length > 1e-12 ? (float)((double)out[k] / length) : 0;
    }
}

enum btz_err btz_hunt_normal(struct btz_hunt *h, const float *points, const double *delta,
                             const size_t *count, uint64_t part, const struct btz_hunt_draw *draw,
                             float *normal)
{
    const struct btz_attack_job *job = h->job;
    size_t n = job->n;
    BTZ_FREE float *sums = calloc(2 * n, job->features * sizeof *sums);
    BTZ_FREE double *answers = calloc(n, sizeof *answers);
    BTZ_FREE uint64_t *counts = calloc(n, sizeof *counts);
    struct sums s = { sums, NULL, answers, counts, points, delta };

    if (!sums || !answers || !counts)
        return btz_fail(BTZ_LIMIT, "out of memory");
    s.plain = sums + n * job->features;
    for (size_t i = 0; i < n; i++) {
        struct btz_rng rng;

        btz_attack_rng(job, i, 0x10000 + part, &rng);
        for (size_t k = 0; k < count[i] && btz_hunt_is_on(h, i) && delta[i] > 0; k++) {
            if (h->filled == h->room)
                BTZ_TRY(flush(h, &s));
            put(h, i, &s, &rng, draw);
        }
    }
    BTZ_TRY(flush(h, &s));
    finish(h, &s, normal);
    return BTZ_OK;
}
