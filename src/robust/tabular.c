/*
 * Rows of tables: taking back what is not needed, and a row whose one way out is known.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/tabular.h"

enum btz_err btz_tabular_prune(struct btz_hunt *h, const struct btz_constraint *c)
{
    struct btz_attack_job *job = h->job;
    size_t f = job->features;

    for (size_t unit = 0; unit < f + c->group_count && !h->over; unit++) {
        for (size_t i = 0; i < job->n; i++) {
            const float *x0 = job->x + i * f, *now = job->adv + i * f;
            float *row;

            if (!btz_hunt_is_on(h, i) || !btz_constraint_is_changed(c, x0, unit, now) ||
                (unit < f && c->columns[unit].group != BTZ_NO_GROUP))
                continue;
            row = btz_hunt_row(h, i);
            memcpy(row, now, f * sizeof *row);
            btz_constraint_revert(c, x0, unit, row);
        }
        /* The hunt keeps a row that is misclassified and nearer: in L0 a row with less changed is. */
        BTZ_TRY(btz_hunt_ask(h));
        h->filled = 0;
    }
    return BTZ_OK;
}

#define COLUMNS 7

static enum btz_err attempt(const struct btz_attack *attack, const struct btz_model *m,
                            const struct btz_constraint *constraint, const float *x, float *adv,
                            bool *broken)
{
    const uint32_t y = 0;
    const uint64_t index = 3;
    struct btz_classifier *c = NULL;
    struct btz_oracle *o = NULL;
    enum btz_err err;

    memcpy(adv, x, COLUMNS * sizeof *adv);
    *broken = false;
    BTZ_TRY(btz_classifier_new(m, NULL, &c));
    err = btz_oracle_of_classifier(c, &o);
    if (!err) {
        struct btz_attack_job job = { .attack = attack,
                                      .classifier = c,
                                      .oracle = o,
                                      .shape = c->shape,
                                      .n = 1,
                                      .features = COLUMNS,
                                      .classes = 2,
                                      .x = x,
                                      .y = &y,
                                      .index = &index,
                                      .norm = BTZ_NORM_L0,
                                      .eps = COLUMNS,
                                      .box = { 0, 100 },
                                      .seed = 1,
                                      .constraint = constraint,
                                      .adv = adv,
                                      .broken = broken };

        btz_attack_defaults(attack, job.param);
        err = attack->run(&job);
        btz_oracle_free(o);
    }
    btz_classifier_free(c);
    return err;
}

enum btz_err btz_tabular_known(const struct btz_attack *attack)
{
    /* Immutable; integer 0 to 10, up; real 0 to 1, down; a category of three; free and useless. */
    struct btz_column columns[COLUMNS] = {
        { .immutable = true, .high = 100, .group = BTZ_NO_GROUP },
        { .kind = BTZ_COLUMN_INTEGER, .moves = BTZ_MOVES_UP, .high = 10, .group = BTZ_NO_GROUP },
        { .moves = BTZ_MOVES_DOWN, .high = 1, .group = BTZ_NO_GROUP },
        { .high = 1 },
        { .high = 1 },
        { .high = 1 },
        { .high = 100, .group = BTZ_NO_GROUP },
    };
    struct btz_column_group group = { 3, 3 };
    const struct btz_constraint constraint = { COLUMNS, 1, columns, &group };
    /* Class 1 leads when the sum is over 5: now it is 0. Growing column 0 or 2 would do it, but neither may; column 1 gains
     * at most 4; the second category gains 6, the third 1. */
    static const float gain[COLUMNS] = { 100, 0.5F, 50, 0, 6, 1, 0 };
    static const float x[COLUMNS] = { 0, 2, 0.5F, 1, 0, 0, 50 };
    static const struct btz_shape shape = { 1, { COLUMNS } };
    float w[2 * COLUMNS] = { 0 }, b[2] = { 5, 0 }, adv[COLUMNS];
    const struct btz_known_layer layer = { w, b, 2 };
    struct btz_model *m = NULL;
    bool broken = false, spared = false;
    enum btz_err err;

    for (size_t k = 0; k < COLUMNS; k++) {
        w[2 * k + 1] = gain[k];
        b[1] -= gain[k] * x[k];
    }
    BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
    err = attempt(attack, m, &constraint, x, adv, &broken);
    if (!err && (!broken || !btz_constraint_holds(&constraint, x, adv) ||
                 btz_norm_of(BTZ_NORM_L0, adv, x, COLUMNS) > 2 || !(adv[4] > 0.5F)))
        err =
            btz_fail(BTZ_INTERNAL, "%s: the one category that is enough was not found", attack->id);
    columns[4].immutable = true;
    if (!err)
        err = attempt(attack, m, &constraint, x, adv, &spared);
    if (!err && spared)
        err = btz_fail(BTZ_INTERNAL, "%s: a row was broken that no allowed change breaks",
                       attack->id);
    btz_model_free(m);
    return err;
}
