/* Rotation and translation: the whole grid, or the worst of k draws. */
#include <stdlib.h>
#include <string.h>

#include "robust/hunt.h"
#include "robust/picture.h"

extern const struct btz_attack btz_attack_spatial;

enum { ROTATION, TRANSLATION, ANGLES, OFFSETS, TRIES };
static const struct btz_attack_param params[] = {
    [ROTATION] = { "rotation", "degrees at most, to both sides", 30, 0, 180, false },
    [TRANSLATION] = { "translation", "share of the side at most, to both sides", 0.1, 0, 1, false },
    [ANGLES] = { "angles", "rotations of the grid", 31, 1, 1000, true },
    [OFFSETS] = { "offsets", "translations of the grid along each axis", 5, 1, 100, true },
    [TRIES] = { "tries", "draws instead of the grid; 0: the grid", 0, 0, 1e6, true },
};

/* The k-th of `count` values from -most to most. */
static double spread(size_t k, size_t count, double most)
{
    return count < 2 ? 0 : most * (2 * (double)k / (double)(count - 1) - 1);
}

struct move {
    double degrees, rows, columns;
};

static struct move move(const struct btz_attack_job *job, const struct btz_picture *p, size_t i,
                        size_t t, size_t total)
{
    double turn = job->param[ROTATION], rows = job->param[TRANSLATION] * (double)p->height,
           columns = job->param[TRANSLATION] * (double)p->width;
    size_t offsets = (size_t)job->param[OFFSETS];

    if (job->param[TRIES] > 0) {
        struct btz_rng rng;
        struct move m;

        btz_attack_rng(job, i, t, &rng);
        m.degrees = turn * (2 * btz_rng_unit(&rng) - 1);
        m.rows = rows * (2 * btz_rng_unit(&rng) - 1);
        m.columns = columns * (2 * btz_rng_unit(&rng) - 1);
        return m;
    }
    /* From the end of the grid: the widest rotations break most, and what is broken is not asked again. */
    t = t % 2 ? t / 2 : total - 1 - t / 2;
    return (struct move){ spread(t / (offsets * offsets), (size_t)job->param[ANGLES], turn),
                          round(spread(t / offsets % offsets, offsets, rows)),
                          round(spread(t % offsets, offsets, columns)) };
}

static enum btz_err run(struct btz_attack_job *job)
{
    size_t f = job->features, total = (size_t)job->param[TRIES];
    struct btz_picture p;
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;

    if (!total)
        total = (size_t)(job->param[ANGLES] * job->param[OFFSETS] * job->param[OFFSETS]);
    BTZ_TRY(btz_picture_of(&job->shape, &p));
    BTZ_TRY(btz_hunt_new(job, (double)total, true, &h));
    for (size_t t = 0; t < total && !h->over; t++) {
        for (size_t i = 0; i < job->n; i++) {
            struct move m;

            if (h->done[i])
                continue;
            m = move(job, &p, i, t, total);
            btz_picture_turn(&p, job->x + i * f, m.degrees, m.rows, m.columns, job->box.low,
                             btz_hunt_row(h, i));
        }
        if (!h->filled)
            break;
        BTZ_TRY(btz_hunt_ask(h));
        h->filled = 0;
    }
    return BTZ_OK;
}

/* A point of light in 10 x 10 whose column is the class: it moves by one column, and by no more than one. */
static enum btz_err selftest(void)
{
    static const struct btz_shape shape = { 3, { 1, 10, 10 } };
    BTZ_FREE float *w = calloc(100, 2 * sizeof *w);
    float x[200] = { 0 }, adv[200], b[2] = { 0, 0 };
    const uint32_t y[2] = { 0, 0 };
    const struct btz_known_layer layer = { w, b, 2 };
    bool broken[2];
    struct btz_model *m = NULL;
    enum btz_err err;

    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    /* Columns below 5 speak for class 0, the others for class 1. */
    for (size_t k = 0; k < 100; k++)
        w[2 * k + (k % 10 >= 5)] = 1;
    x[44] = 1;       /* row 4, column 4: one column away */
    x[100 + 40] = 1; /* row 4, column 0: too far for rotations of 30 degrees and one column */
    x[100 + 50] = 1;
    BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
    err = btz_known_run(&btz_attack_spatial, m, BTZ_NORM_NONE, 0, 2, x, y, adv, broken);
    btz_model_free(m);
    if (!err && (!broken[0] || broken[1]))
        return btz_fail(BTZ_INTERNAL, "spatial: one column away is %s, five columns are %s",
                        broken[0] ? "broken" : "safe", broken[1] ? "broken" : "safe");
    return err;
}

const struct btz_attack btz_attack_spatial = {
    .id = "spatial",
    .summary = "rotations and translations: a grid, or the worst of some draws",
    .access = BTZ_ATTACK_LABELS,
    .norms = 1U << BTZ_NORM_NONE,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.spatial",
    .source = "Engstrom et al. 2019, arXiv 1712.02779",
    .run = run,
    .selftest = selftest,
};
