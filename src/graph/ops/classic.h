/*
 * What the classifiers and regressors of classic machine learning share: labels, scores, rows of features. Source: Operators-ml.md
 * of ONNX 1.12; where it is silent (two classes of which one has scores), ONNX Runtime 1.30 was watched. Unlike that, a
 * regressor of one target transforms it as it says, and of two classes with scores of their own the larger wins.
 */
#ifndef BTZ_GRAPH_OPS_CLASSIC_H
#define BTZ_GRAPH_OPS_CLASSIC_H

#include "graph/kernel.h"

enum btz_transform { BTZ_PLAIN, BTZ_SOFTMAX, BTZ_LOGISTIC, BTZ_SOFTMAX_ZERO, BTZ_PROBIT };

BTZ_CHECKED enum btz_err btz_transform_of(const struct btz_call *call, enum btz_transform *out);

struct btz_labels {
    const int64_t *ints;
    const struct btz_slice *strings; /* NULL: they are ints */
    size_t count;
};
/* Of attributes of these names, of which one is there. */
BTZ_CHECKED enum btz_err btz_labels_of(const struct btz_call *call, const char *ints,
                                       const char *strings, struct btz_labels *out);
enum btz_type btz_labels_type(const struct btz_labels *l);
void btz_put_label(const struct btz_tensor *out, size_t row, const struct btz_labels *l,
                   size_t index);

/* Scores of a row, `n` of them; of one score for two classes makes two, in the way `second` says. */
enum btz_second {
    BTZ_SECOND_NONE,  /* one stays one */
    BTZ_SECOND_SHARE, /* 1 - s and s */
    BTZ_SECOND_SIGN   /* -s and s, or what the logistic function makes of them */
};
void btz_finish_scores(double *scores, size_t n, enum btz_transform transform,
                       enum btz_second second);
size_t btz_best(const double *scores, size_t n);

/* X as rows of features: [N, C], or [C]: one row. Numbers of any type but strings. */
BTZ_CHECKED enum btz_err btz_rows_of(struct btz_call *call, size_t *rows, size_t *features);
/* Floats of an attribute, or of the tensor attribute of that name with "_as_tensor" behind it. */
struct btz_reals {
    const float *floats;
    const struct btz_tensor *tensor;
    size_t count;
};
BTZ_CHECKED enum btz_err btz_reals_of(const struct btz_call *call, const char *name,
                                      struct btz_reals *out);
static inline double btz_real_at(const struct btz_reals *r, size_t i)
{
    return r->tensor ? btz_at_real(r->tensor, i) : (double)r->floats[i];
}
/* Sets labels [N] and scores [N, n] of a classifier. */
void btz_infer_classes(struct btz_call *call, size_t rows, const struct btz_labels *l, size_t n);

#endif
