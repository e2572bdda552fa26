/* Margins of texts by weights that did not see them, and thresholds from such margins. */
#include <math.h>
#include <stdlib.h>

#include <bartizan/stats.h>

#include "gate/guard/train.h"

/* Rates of false positives that a threshold promises. Of direct orders they are those that the product promises; few
 * documents speak of attacks, and the ordinary ones must stay far below what people may be asked to put up with. */
static const double rates[BTZ_CLASS_HEADS][BTZ_TRAIN_KINDS] = { { 0.02, 0.05 }, { 0.015, 0.25 } };

uint64_t btz_train_family(const struct btz_train_set *s, size_t source)
{
    uint64_t mask = 0;

    for (size_t k = 0; k < s->sources; k++)
        if (s->source[k].group == s->source[source].group)
            mask |= UINT64_C(1) << k;
    return mask;
}

enum btz_err btz_train_judge_fit(const struct btz_train_set *s, enum btz_class_head head,
                                 uint64_t without, const struct btz_train_options *o,
                                 struct btz_train_judge *out)
{
    BTZ_FREE double *weight = malloc((BTZ_CLASS_SLOTS + 1) * sizeof *weight);

    if (!weight)
        return btz_fail(BTZ_LIMIT, "out of memory for training");
    BTZ_TRY(btz_train_fit(s, head, without, o, weight));
    out->head = head;
    btz_train_quantise(weight, 0, 1, head, &out->weights);
    return BTZ_OK;
}

double btz_train_judge_margin(const struct btz_train_judge *j, const struct btz_class_lexicon *l,
                              struct btz_slice text)
{
    struct btz_class_place at;

    return btz_class_value(l, j->head, j->weights.weight[j->head], text, &at) *
               j->weights.scale[j->head] +
           j->weights.bias[j->head];
}

/* Is the text one that the head is judged by? */
static bool is_judged(const struct btz_train_set *s, const struct btz_train_text *t,
                      enum btz_class_head head)
{
    return s->source[t->source].kind != BTZ_TRAIN_MADE && btz_train_is_of(t, head);
}

/* And does it set the threshold? */
static bool sets_threshold(const struct btz_train_set *s, const struct btz_train_text *t,
                           enum btz_class_head head)
{
    return is_judged(s, t, head) && !t->injection && btz_class_head_of(t->channel) == head;
}

/* Which sources have such texts. */
static uint64_t sources_with(const struct btz_train_set *s, enum btz_class_head head,
                             bool (*is)(const struct btz_train_set *, const struct btz_train_text *,
                                        enum btz_class_head))
{
    uint64_t mask = 0;

    for (size_t i = 0; i < s->count; i++)
        if (is(s, &s->texts[i], head))
            mask |= UINT64_C(1) << s->texts[i].source;
    return mask;
}

/* Margins of those texts of `sources` that are asked for, by weights that saw none of `without`. */
static enum btz_err judge(const struct btz_train_set *s, enum btz_class_head head,
                          const struct btz_train_options *o, uint64_t without, uint64_t sources,
                          bool (*is)(const struct btz_train_set *, const struct btz_train_text *,
                                     enum btz_class_head),
                          double *margin)
{
    BTZ_FREE struct btz_train_judge *j = malloc(sizeof *j);

    if (!j)
        return btz_fail(BTZ_LIMIT, "out of memory for training");
    BTZ_TRY(btz_train_judge_fit(s, head, without, o, j));
    for (size_t i = 0; i < s->count; i++)
        if ((sources >> s->texts[i].source & 1) && is(s, &s->texts[i], head))
            margin[i] = btz_train_judge_margin(j, s->lexicon, s->texts[i].text);
    return BTZ_OK;
}

enum btz_err btz_train_leave_one_out(const struct btz_train_set *s, enum btz_class_head head,
                                     const struct btz_train_options *o, double *margin)
{
    uint64_t left = sources_with(s, head, is_judged);

    for (size_t i = 0; i < s->count; i++)
        margin[i] = NAN;
    for (size_t out = 0; out < s->sources; out++) {
        uint64_t family = btz_train_family(s, out);

        if (!(left >> out & 1))
            continue;
        BTZ_TRY(judge(s, head, o, family, family, is_judged, margin));
        left &= ~family;
    }
    return BTZ_OK;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* Just above the first value that may no longer be exceeded; too few values promise nothing: above all of them. */
static double above(double *values, size_t n, double rate, double confidence)
{
    struct btz_interval i;
    size_t low = 0, high = n;

    if (n == 0)
        return -INFINITY;
    qsort(values, n, sizeof *values, falling);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (btz_exact_interval(middle, n, confidence, BTZ_SIDE_UPPER, &i) == BTZ_OK &&
            i.high <= rate)
            low = middle;
        else
            high = middle;
    }
    return values[low];
}

double btz_train_threshold(const struct btz_train_set *s, enum btz_class_head head,
                           const double *margin, uint64_t without, double confidence)
{
    BTZ_FREE double *values = malloc((s->count + 1) * sizeof *values);
    double out = -INFINITY;

    if (!values)
        return 0;
    for (int kind = 0; kind < BTZ_TRAIN_KINDS; kind++) {
        size_t n = 0;

        for (size_t i = 0; i < s->count; i++) {
            const struct btz_train_text *t = &s->texts[i];

            if (sets_threshold(s, t, head) && !(without >> t->source & 1) && !isnan(margin[i]) &&
                (int)s->source[t->source].kind == kind)
                values[n++] = margin[i];
        }
        out = fmax(out, above(values, n, rates[head][kind], confidence));
    }
    return isfinite(out) ? out + 1e-9 : 0;
}

/* Families are dealt to the folds one after the other, so that the sets of one author come into many. */
static uint64_t fold_of(const struct btz_train_set *s, uint64_t sources, unsigned fold,
                        unsigned folds)
{
    uint64_t mask = 0;
    unsigned dealt = 0;

    for (size_t k = 0; k < s->sources; k++) {
        uint64_t family = btz_train_family(s, k) & sources;

        if ((family & (~family + 1)) == UINT64_C(1) << k && dealt++ % folds == fold)
            mask |= family;
    }
    return mask;
}

/* Has it texts of the head's own channels? What people paste is judged besides, at the threshold of all. */
static bool is_own(const struct btz_train_set *s, const struct btz_train_text *t,
                   enum btz_class_head head)
{
    return is_judged(s, t, head) && btz_class_head_of(t->channel) == head;
}

static enum btz_err inner_margins(const struct btz_train_set *s, enum btz_class_head head,
                                  const struct btz_train_options *o, uint64_t family,
                                  unsigned folds, double *margin)
{
    uint64_t setting = sources_with(s, head, sets_threshold) & ~family;

    for (size_t i = 0; i < s->count; i++)
        margin[i] = NAN;
    for (unsigned fold = 0; fold < folds; fold++) {
        uint64_t inner = fold_of(s, setting, fold, folds);

        if (inner)
            BTZ_TRY(judge(s, head, o, family | inner, inner, sets_threshold, margin));
    }
    return BTZ_OK;
}

enum btz_err btz_train_nested(const struct btz_train_set *s, enum btz_class_head head,
                              const struct btz_train_options *o, unsigned folds,
                              const double *confidence, size_t count, double *threshold)
{
    BTZ_FREE double *margin = malloc((s->count + 1) * sizeof *margin);
    uint64_t left = sources_with(s, head, is_own);

    if (!margin)
        return btz_fail(BTZ_LIMIT, "out of memory for training");
    for (size_t i = 0; i < count * s->sources; i++)
        threshold[i] = NAN;
    for (size_t out = 0; out < s->sources; out++) {
        uint64_t family = btz_train_family(s, out);

        if (!(left >> out & 1))
            continue;
        BTZ_TRY(inner_margins(s, head, o, family, folds, margin));
        for (size_t c = 0; c < count; c++) {
            double at = btz_train_threshold(s, head, margin, family, confidence[c]);

            for (size_t k = 0; k < s->sources; k++)
                if (family >> k & 1)
                    threshold[c * s->sources + k] = at;
        }
        left &= ~family;
    }
    return BTZ_OK;
}
