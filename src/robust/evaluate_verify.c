/*
 * Nothing an attack says is believed: its inputs are measured, classified again, and once more by scalar kernels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/constraint.h"
#include "robust/evaluating.h"

void btz_unit_result_release(struct btz_unit_result *r)
{
    free(r->samples);
    free(r->adv);
    free(r->best);
    *r = (struct btz_unit_result){ 0 };
}

/* Within eps, the box and the constraint, without NaN; notes the extremes of all that is. */
static bool is_valid(const struct btz_evaluating *ev, const float *x, const float *adv,
                     struct btz_unit_result *out, double *distance)
{
    const struct btz_evaluate_options *o = ev->o;
    size_t n = ev->e->features, nans = 0;
    float low = INFINITY, high = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        nans += isnan(adv[i]) != 0;
        low = adv[i] < low ? adv[i] : low;
        high = adv[i] > high ? adv[i] : high;
    }
    out->nan_count += nans;
    *distance = btz_norm_of(o->norm, adv, x, n);
    if (nans || low < o->box.low - (float)BTZ_EVALUATE_SLACK ||
        high > o->box.high + (float)BTZ_EVALUATE_SLACK ||
        (o->norm != BTZ_NORM_NONE &&
         !(*distance <= o->eps + BTZ_EVALUATE_SLACK * fmax(1, o->eps))) ||
        (o->constraint && !btz_constraint_holds(o->constraint, x, adv)))
        return false;
    out->distance_max = fmax(out->distance_max, *distance);
    out->adv_min = fminf(out->adv_min, low);
    out->adv_max = fmaxf(out->adv_max, high);
    return true;
}

/* A fresh pass over what is claimed and valid: the rows of w->who. An oracle whose budget is spent is not asked. */
static enum btz_err classify(const struct btz_evaluating *ev, struct btz_worker *w, size_t count,
                             struct btz_unit_result *out)
{
    size_t classes = ev->e->classes;
    const struct btz_oracle *o = w->oracle;
    bool ask = w->classifier || !o->budget || o->queries + count <= o->budget;

    if (ask)
        BTZ_TRY(btz_worker_scores(w, w->rows, count, w->scores));
    for (size_t k = 0; k < count; k++) {
        struct btz_unit_sample *s = &out->samples[w->who[k]];
        size_t class = ask ? btz_argmax(w->scores + k * classes, classes) : SIZE_MAX;

        s->predicted = class == SIZE_MAX ? UINT32_MAX : (uint32_t) class;
        s->broken = class != w->y[w->who[k]];
        out->claimed_correct += !s->broken;
        out->broken += s->broken;
    }
    return BTZ_OK;
}

static enum btz_err by_scalars(const struct btz_evaluating *ev, struct btz_worker *w, size_t count,
                               struct btz_unit_result *out)
{
    size_t classes = ev->e->classes;

    if (!w->reference || !count)
        return BTZ_OK;
    BTZ_TRY(btz_classifier_logits(w->reference, w->rows, count, w->scores));
    for (size_t k = 0; k < count; k++) {
        struct btz_unit_sample *s = &out->samples[w->who[k]];

        s->scalar_disagrees =
            s->broken && btz_argmax(w->scores + k * classes, classes) == w->y[w->who[k]];
    }
    return BTZ_OK;
}

static enum btz_err keep_inputs(const struct btz_evaluating *ev, const struct btz_worker *w,
                                struct btz_unit_result *out)
{
    size_t n = ev->e->features, at = 0;

    if (!out->broken)
        return BTZ_OK;
    out->adv = malloc(out->broken * n * sizeof *out->adv);
    if (!out->adv)
        return btz_fail(BTZ_LIMIT, "out of memory for %" PRIu32 " adversarial inputs", out->broken);
    for (size_t i = 0; i < out->count; i++)
        if (out->samples[i].broken)
            memcpy(out->adv + at++ * n, w->adv + i * n, n * sizeof *out->adv);
    return BTZ_OK;
}

enum btz_err btz_verify_unit(struct btz_evaluating *ev, struct btz_worker *w,
                             struct btz_unit_result *out)
{
    size_t n = ev->e->features, claimed = 0;

    out->adv_min = INFINITY;
    out->adv_max = -INFINITY;
    out->samples = calloc(out->count, sizeof *out->samples);
    if (!out->samples)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < out->count; i++) {
        struct btz_unit_sample *s = &out->samples[i];
        double distance;

        s->index = w->index[i];
        s->queries = w->queries[i];
        s->gradients = w->gradients[i];
        s->distance = NAN;
        if (!w->broken[i])
            continue;
        if (!is_valid(ev, w->x + i * n, w->adv + i * n, out, &distance)) {
            out->claimed_invalid++;
            continue;
        }
        s->distance = (float)distance;
        w->who[claimed] = i;
        memcpy(w->rows + claimed++ * n, w->adv + i * n, n * sizeof *w->rows);
    }
    if (claimed)
        BTZ_TRY(classify(ev, w, claimed, out));
    BTZ_TRY(by_scalars(ev, w, claimed, out));
    return keep_inputs(ev, w, out);
}
