/* The common corruptions: no adversary, one question for each kind and severity. */
#include <stdlib.h>
#include <string.h>

#include "robust/corruption.h"
#include "robust/hunt.h"

extern const struct btz_attack btz_attack_corruption;

enum { KIND, SEVERITY };
static const struct btz_attack_param params[] = {
    [KIND] = { "kind", "number of the corruption, from gaussian-noise 0 to jpeg 14; -1: all", -1,
               -1, BTZ_CORRUPT_COUNT - 1, true },
    [SEVERITY] = { "severity", "1 to 5; 0: all", 0, 0, BTZ_SEVERITIES, true },
};

static enum btz_err one(struct btz_attack_job *job, struct btz_hunt *h, const struct btz_picture *p,
                        enum btz_corruption kind, int severity)
{
    size_t f = job->features;

    for (size_t i = 0; i < job->n; i++) {
        struct btz_rng rng;

        if (h->done[i])
            continue;
        btz_attack_rng(job, i, (uint64_t)kind * BTZ_SEVERITIES + (uint64_t)severity, &rng);
        BTZ_TRY(btz_corrupt(p, job->box, kind, severity, &rng, job->x + i * f, btz_hunt_row(h, i)));
    }
    BTZ_TRY(btz_hunt_ask(h));
    h->filled = 0;
    return BTZ_OK;
}

/* A sample is broken when one of those that were asked for makes it wrong: for the accuracy of each, ask for one. */
static enum btz_err run(struct btz_attack_job *job)
{
    int kind = (int)job->param[KIND], severity = (int)job->param[SEVERITY];
    struct btz_picture p;
    BTZ_HUNT_FREE struct btz_hunt *h = NULL;

    BTZ_TRY(btz_picture_of(&job->shape, &p));
    BTZ_TRY(btz_hunt_new(job, BTZ_CORRUPT_COUNT * BTZ_SEVERITIES, true, &h));
    for (int s = BTZ_SEVERITIES; s >= 1; s--)
        for (int k = 0; k < BTZ_CORRUPT_COUNT; k++)
            if ((kind < 0 || kind == k) && (!severity || severity == s) && !h->over)
                BTZ_TRY(one(job, h, &p, (enum btz_corruption)k, s));
    return BTZ_OK;
}

/* A model of the mean: brightness of severity 5 adds 0.3 and crosses 0.7 from 0.5, and not from 0.3. */
static enum btz_err selftest(void)
{
    static const struct btz_shape shape = { 3, { 1, 8, 8 } };
    float w[128], b[2] = { 0, 0.7F }, x[128], adv[128];
    const struct btz_known_layer layer = { w, b, 2 };
    const uint32_t y[2] = { 1, 1 };
    struct btz_attack attack = btz_attack_corruption;
    struct btz_attack_param all[BTZ_COUNT(params)];
    struct btz_model *m = NULL;
    bool broken[2];
    enum btz_err err;

    memcpy(all, params, sizeof all);
    all[KIND].fallback = BTZ_CORRUPT_BRIGHTNESS;
    attack.params = all;
    for (size_t k = 0; k < 64; k++) {
        w[2 * k] = 1.0F / 64;
        w[2 * k + 1] = 0;
        x[k] = 0.5F;
        x[64 + k] = 0.3F;
    }
    BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
    err = btz_known_run(&attack, m, BTZ_NORM_NONE, 0, 2, x, y, adv, broken);
    btz_model_free(m);
    if (!err && (!broken[0] || broken[1]))
        return btz_fail(BTZ_INTERNAL, "corruption: brightness breaks %d, %d instead of 1, 0",
                        broken[0], broken[1]);
    return err;
}

const struct btz_attack btz_attack_corruption = {
    .id = "corruption",
    .summary = "fifteen common corruptions in five severities",
    .access = BTZ_ATTACK_LABELS,
    .norms = 1U << BTZ_NORM_NONE,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "robust.corruption",
    .source = "Hendrycks and Dietterich 2019, arXiv 1903.12261",
    .run = run,
    .selftest = selftest,
};
