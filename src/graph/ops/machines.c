/*
 * Linear models and support vector machines.
 */
#include <math.h>

#include "graph/ops/classic.h"

#define ML "ai.onnx.ml"

/* ---- LinearRegressor, LinearClassifier -------------------------------------------------------------------------------- */

struct linear {
    const float *weights, *intercepts;
    size_t targets, weight_count, intercept_count;
    struct btz_labels labels;
    enum btz_transform transform;
    bool classifier;
};

static enum btz_err prepare_linear(struct btz_call *call, struct btz_arena *arena)
{
    struct linear *l = btz_arena_alloc(arena, sizeof *l);
    int64_t targets;

    if (!l)
        return BTZ_LIMIT;
    *l = (struct linear){ .classifier = strstr(call->node->type, "Class") != NULL };
    call->state = l;
    BTZ_TRY(btz_transform_of(call, &l->transform));
    BTZ_TRY(btz_attr_floats(call->node, "coefficients", &l->weights, &l->weight_count));
    BTZ_TRY(btz_attr_floats(call->node, "intercepts", &l->intercepts, &l->intercept_count));
    if (l->classifier) {
        BTZ_TRY(btz_labels_of(call, "classlabels_ints", "classlabels_strings", &l->labels));
        /* Two classes may have one row of weights. */
        l->targets = l->intercept_count ? l->intercept_count : l->labels.count;
        if (!l->labels.count ||
            (l->targets != l->labels.count && !(l->targets == 1 && l->labels.count == 2)))
            return btz_op_fail(call, BTZ_INPUT, "has %zu labels for %zu rows", l->labels.count,
                               l->targets);
    } else {
        BTZ_TRY(btz_attr_int(call->node, "targets", 1, &targets));
        l->targets = targets > 0 ? (size_t)targets : 0;
        if (l->intercept_count && l->intercept_count != l->targets)
            return btz_op_fail(call, BTZ_INPUT, "has %zu intercepts for %zu targets",
                               l->intercept_count, l->targets);
    }
    if (!l->targets || l->targets > l->weight_count || l->weight_count % l->targets)
        return btz_op_fail(call, BTZ_INPUT, "has %zu coefficients for %zu rows", l->weight_count,
                           l->targets);
    return BTZ_OK;
}

static enum btz_err infer_linear(struct btz_call *call, bool *later)
{
    const struct linear *l = call->state;
    size_t rows, features;

    (void)later;
    if (call->in_count != 1 || !call->in[0])
        return btz_op_fail(call, BTZ_INPUT, "has %" PRIu32 " inputs, expected 1", call->in_count);
    BTZ_TRY(btz_rows_of(call, &rows, &features));
    if (features != l->weight_count / l->targets)
        return btz_op_fail(call, BTZ_INPUT, "%zu features for %zu coefficients", features,
                           l->weight_count / l->targets);
    if (l->classifier)
        btz_infer_classes(call, rows, &l->labels, l->labels.count);
    else if (btz_call_out(call, 0)) {
        call->out[0]->type = btz_call_type(call, BTZ_F32);
        call->out[0]->shape = (struct btz_shape){ 2, { (int64_t)rows, (int64_t)l->targets } };
    }
    return BTZ_OK;
}

static size_t scratch_linear(const struct btz_call *call)
{
    const struct linear *l = call->state;

    return (l->targets + 2) * sizeof(double);
}

static enum btz_err run_linear(struct btz_call *call)
{
    const struct linear *l = call->state;
    const struct btz_tensor *out = btz_call_out(call, l->classifier ? 1 : 0);
    size_t rows, features, width = l->classifier ? l->labels.count : l->targets;
    double *s = call->scratch;

    BTZ_TRY(btz_rows_of(call, &rows, &features));
    for (size_t r = 0; r < rows; r++) {
        for (size_t t = 0; t < l->targets; t++) {
            s[t] = l->intercept_count ? (double)l->intercepts[t] : 0;
            for (size_t i = 0; i < features; i++)
                s[t] += btz_at_real(call->in[0], r * features + i) *
                        (double)l->weights[t * features + i];
        }
        if (l->classifier)
            btz_put_label(btz_call_out(call, 0), r, &l->labels,
                          width > l->targets ? s[0] > 0 : btz_best(s, l->targets));
        btz_finish_scores(s, l->targets, l->transform,
                          width <= l->targets            ? BTZ_SECOND_NONE
                          : l->transform == BTZ_LOGISTIC ? BTZ_SECOND_SIGN
                                                         : BTZ_SECOND_SHARE);
        for (size_t k = 0; k < width && out; k++)
            btz_set(out, r * width + k, s[k]);
    }
    return BTZ_OK;
}

/* ---- support vector machines ------------------------------------------------------------------------------------------ */

enum kernel { LINEAR, POLY, RBF, SIGMOID };

/* Classes come in pairs i < j: a pair's score is a sum over the vectors of both. Source: LIBSVM, section "multi-class". */
struct svm {
    enum kernel kernel;
    double gamma, coef0, degree;
    const float *vectors, *coefs, *rho, *prob_a, *prob_b;
    const int64_t *per_class;
    size_t vector_count, coef_count, rho_count, prob_count, classes, pairs, features;
    size_t *starts;
    struct btz_labels labels;
    enum btz_transform transform;
    bool classifier, one_class;
};

static enum btz_err read_kernel(const struct btz_call *call, struct svm *v)
{
    static const char *const names[] = { "LINEAR", "POLY", "RBF", "SIGMOID" };
    const float *params;
    size_t count, k = 0;
    struct btz_slice name;

    BTZ_TRY(btz_attr_string(call->node, "kernel_type", "LINEAR", &name));
    while (k < BTZ_COUNT(names) && !btz_slice_is(name, names[k]))
        k++;
    BTZ_TRY(btz_attr_floats(call->node, "kernel_params", &params, &count));
    if (k == BTZ_COUNT(names) || (count && count != 3))
        return btz_op_fail(call, BTZ_INPUT, "kernel %.*s of %zu parameters", BTZ_SLICE_ARG(name),
                           count);
    v->kernel = (enum kernel)k;
    if (count) {
        v->gamma = (double)params[0];
        v->coef0 = (double)params[1];
        v->degree = (double)params[2];
    }
    return BTZ_OK;
}

/* Vectors lie class by class. */
static enum btz_err read_classes(struct btz_call *call, struct btz_arena *arena, struct svm *v)
{
    size_t count, betas;

    BTZ_TRY(btz_labels_of(call, "classlabels_ints", "classlabels_strings", &v->labels));
    BTZ_TRY(btz_attr_ints(call->node, "vectors_per_class", &v->per_class, &count));
    BTZ_TRY(btz_attr_floats(call->node, "prob_a", &v->prob_a, &v->prob_count));
    BTZ_TRY(btz_attr_floats(call->node, "prob_b", &v->prob_b, &betas));
    v->classes = v->labels.count;
    if (v->classes < 2 || v->classes > 4096)
        return btz_op_fail(call, v->classes < 2 ? BTZ_INPUT : BTZ_LIMIT, "has %zu classes",
                           v->classes);
    v->pairs = v->classes * (v->classes - 1) / 2;
    if (!count) {
        if (v->coef_count % v->classes || !v->coef_count || !v->rho_count || v->prob_count)
            return btz_op_fail(call, BTZ_INPUT, "has %zu coefficients for %zu classes",
                               v->coef_count, v->classes);
        v->features = v->coef_count / v->classes;
        return BTZ_OK;
    }
    v->starts = btz_arena_array(arena, count + 1, sizeof v->starts[0]);
    if (!v->starts)
        return BTZ_LIMIT;
    if (count != v->classes || v->rho_count != v->pairs || v->prob_count != betas ||
        (v->prob_count && v->prob_count != v->pairs))
        return btz_op_fail(call, BTZ_INPUT, "lists do not fit %zu classes", v->classes);
    for (size_t i = 0; i < count; i++) {
        v->starts[i] = v->vector_count;
        if (v->per_class[i] < 0 || v->per_class[i] > INT32_MAX)
            return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " vectors of a class", v->per_class[i]);
        v->vector_count += (size_t)v->per_class[i];
    }
    if (v->coef_count != v->vector_count * (v->classes - 1))
        return btz_op_fail(call, BTZ_INPUT, "has %zu coefficients, expected %zu", v->coef_count,
                           v->vector_count * (v->classes - 1));
    return BTZ_OK;
}

static enum btz_err prepare_svm(struct btz_call *call, struct btz_arena *arena)
{
    struct svm *v = btz_arena_alloc(arena, sizeof *v);
    int64_t supports, one;
    size_t numbers;

    if (!v)
        return BTZ_LIMIT;
    *v = (struct svm){ .classifier = strstr(call->node->type, "Class") != NULL };
    call->state = v;
    BTZ_TRY(btz_transform_of(call, &v->transform));
    BTZ_TRY(read_kernel(call, v));
    BTZ_TRY(btz_attr_floats(call->node, "coefficients", &v->coefs, &v->coef_count));
    BTZ_TRY(btz_attr_floats(call->node, "rho", &v->rho, &v->rho_count));
    BTZ_TRY(btz_attr_floats(call->node, "support_vectors", &v->vectors, &numbers));
    if (v->classifier)
        BTZ_TRY(read_classes(call, arena, v));
    else {
        BTZ_TRY(btz_attr_int(call->node, "n_supports", 0, &supports));
        BTZ_TRY(btz_attr_int(call->node, "one_class", 0, &one));
        v->one_class = one != 0;
        if (supports < 0 || !v->rho_count || (supports && v->coef_count != (size_t)supports))
            return btz_op_fail(call, BTZ_INPUT, "has %zu coefficients for %" PRId64 " vectors",
                               v->coef_count, supports);
        v->vector_count = (size_t)supports;
        v->features = v->coef_count;
    }
    if (v->vector_count) {
        if (!numbers || numbers % v->vector_count)
            return btz_op_fail(call, BTZ_INPUT, "%zu numbers of %zu vectors", numbers,
                               v->vector_count);
        v->features = numbers / v->vector_count;
    } else
        v->kernel = LINEAR;
    return BTZ_OK;
}

/* The columns of scores: one for each class where there are probabilities or weights of classes, else one for each pair. */
static size_t svm_width(const struct svm *v)
{
    return !v->vector_count || v->prob_count || v->classes == 2 ? v->classes : v->pairs;
}

static enum btz_err infer_svm(struct btz_call *call, bool *later)
{
    const struct svm *v = call->state;
    size_t rows, features;

    (void)later;
    if (call->in_count != 1 || !call->in[0])
        return btz_op_fail(call, BTZ_INPUT, "has %" PRIu32 " inputs, expected 1", call->in_count);
    BTZ_TRY(btz_rows_of(call, &rows, &features));
    if (features != v->features)
        return btz_op_fail(call, BTZ_INPUT, "%zu features, expected %zu", features, v->features);
    if (v->classifier)
        btz_infer_classes(call, rows, &v->labels, svm_width(v));
    else if (btz_call_out(call, 0)) {
        call->out[0]->type = btz_call_type(call, BTZ_F32);
        call->out[0]->shape = (struct btz_shape){ 2, { (int64_t)rows, 1 } };
    }
    return BTZ_OK;
}

/* Kernels; scores of pairs; votes, probabilities and the matrix they come from. */
static size_t scratch_svm(const struct btz_call *call)
{
    const struct svm *v = call->state;
    size_t c = v->classes;

    return (v->vector_count + v->pairs + 2 + 3 * (c + 1) + 2 * c * c) * sizeof(double);
}

static double kernel_of(const struct svm *v, const struct btz_tensor *x, size_t row, const float *w)
{
    double sum = 0;

    for (size_t i = 0; i < v->features; i++) {
        double a = btz_at_real(x, row + i), b = (double)w[i];
        sum += v->kernel == RBF ? (a - b) * (a - b) : a * b;
    }
    switch (v->kernel) {
    case POLY:
        return pow(v->gamma * sum + v->coef0, v->degree);
    case RBF:
        return exp(-v->gamma * sum);
    case SIGMOID:
        return tanh(v->gamma * sum + v->coef0);
    case LINEAR:
        break;
    }
    return sum;
}

/* Pairs to classes. Source: Wu, Lin and Weng 2004, "Probability estimates for multi-class classification by pairwise
 * coupling", algorithm 2, with the bounds of LIBSVM. `r` is c x c, `q` room for as much. */
static void couple(const double *r, double *q, double *qp, double *p, size_t c)
{
    double eps = 0.005 / (double)c;

    for (size_t i = 0; i < c; i++) {
        p[i] = 1.0 / (double)c;
        q[i * c + i] = 0;
        for (size_t j = 0; j < c; j++)
            if (j != i) {
                q[i * c + i] += r[j * c + i] * r[j * c + i];
                q[i * c + j] = -r[j * c + i] * r[i * c + j];
            }
    }
    for (size_t step = 0; step < (c > 100 ? c : 100); step++) {
        double pqp = 0, most = 0;

        for (size_t i = 0; i < c; i++) {
            qp[i] = 0;
            for (size_t j = 0; j < c; j++)
                qp[i] += q[i * c + j] * p[j];
            pqp += p[i] * qp[i];
        }
        for (size_t i = 0; i < c; i++)
            most = fmax(most, fabs(qp[i] - pqp));
        if (most < eps)
            return;
        for (size_t i = 0; i < c; i++) {
            double d = (pqp - qp[i]) / q[i * c + i];

            p[i] += d;
            pqp = (pqp + d * (d * q[i * c + i] + 2 * qp[i])) / ((1 + d) * (1 + d));
            for (size_t j = 0; j < c; j++) {
                qp[j] = (qp[j] + d * q[i * c + j]) / (1 + d);
                p[j] /= 1 + d;
            }
        }
    }
}

/* Scores of all pairs, the votes for classes; returns the class with most. */
static size_t vote(const struct svm *v, const double *k, double *scores, double *votes)
{
    size_t at = 0;

    memset(votes, 0, v->classes * sizeof *votes);
    for (size_t i = 0; i < v->classes; i++)
        for (size_t j = i + 1; j < v->classes; j++, at++) {
            double sum = (double)v->rho[at];

            for (size_t n = 0; n < (size_t)v->per_class[i]; n++)
                sum += (double)v->coefs[(j - 1) * v->vector_count + v->starts[i] + n] *
                       k[v->starts[i] + n];
            for (size_t n = 0; n < (size_t)v->per_class[j]; n++)
                sum +=
                    (double)v->coefs[i * v->vector_count + v->starts[j] + n] * k[v->starts[j] + n];
            scores[at] = sum;
            votes[sum > 0 ? i : j]++;
        }
    return btz_best(votes, v->classes);
}

static void probabilities(const struct svm *v, const double *scores, double *r, double *q,
                          double *qp, double *p)
{
    size_t at = 0, c = v->classes;

    for (size_t i = 0; i < c; i++)
        for (size_t j = i + 1; j < c; j++, at++) {
            double z = scores[at] * (double)v->prob_a[at] + (double)v->prob_b[at],
                   one = 1 / (1 + exp(z));

            one = fmin(fmax(one, 1e-7), 1 - 1e-7);
            r[i * c + j] = one;
            r[j * c + i] = 1 - one;
        }
    couple(r, q, qp, p, c);
}

static size_t run_row(const struct svm *v, const struct btz_tensor *x, size_t row, double *k,
                      double **out)
{
    double *scores = k + v->vector_count, *votes = scores + v->pairs + 2,
           *p = votes + v->classes + 1, *qp = p + v->classes + 1, *r = qp + v->classes + 1,
           *q = r + v->classes * v->classes;
    enum btz_second second = BTZ_SECOND_NONE;
    size_t best;

    if (!v->vector_count) {
        for (size_t c = 0; c < v->classes; c++)
            votes[c] = kernel_of(v, x, row, v->coefs + c * v->features) + (double)v->rho[0];
        best = btz_best(votes, v->classes);
        btz_finish_scores(votes, v->classes, v->transform, BTZ_SECOND_NONE);
        *out = votes;
        return best;
    }
    for (size_t i = 0; i < v->vector_count; i++)
        k[i] = kernel_of(v, x, row, v->vectors + i * v->features);
    best = vote(v, k, scores, votes);
    if (v->prob_count) {
        probabilities(v, scores, r, q, qp, p);
        btz_finish_scores(p, v->classes, v->transform, BTZ_SECOND_NONE);
        *out = p;
        return best;
    }
    /* Two classes have one score; the votes decide, with probabilities too. */
    if (v->classes == 2)
        second = v->transform == BTZ_PLAIN || v->transform == BTZ_LOGISTIC ? BTZ_SECOND_SIGN
                                                                           : BTZ_SECOND_SHARE;
    btz_finish_scores(scores, v->pairs, v->transform, second);
    *out = scores;
    return best;
}

static enum btz_err run_svm(struct btz_call *call)
{
    const struct svm *v = call->state;
    const struct btz_tensor *x = call->in[0], *out = btz_call_out(call, v->classifier ? 1 : 0);
    size_t rows, features, width = svm_width(v);
    double *k = call->scratch;

    BTZ_TRY(btz_rows_of(call, &rows, &features));
    for (size_t r = 0; r < rows; r++) {
        double *scores, sum;

        if (v->classifier) {
            btz_put_label(btz_call_out(call, 0), r, &v->labels,
                          run_row(v, x, r * features, k, &scores));
            for (size_t c = 0; c < width && out; c++)
                btz_set(out, r * width + c, scores[c]);
            continue;
        }
        sum = (double)v->rho[0];
        for (size_t i = 0; i < v->vector_count; i++)
            sum +=
                (double)v->coefs[i] * kernel_of(v, x, r * features, v->vectors + i * v->features);
        if (!v->vector_count)
            sum += kernel_of(v, x, r * features, v->coefs);
        if (v->one_class)
            sum = sum > 0 ? 1 : -1;
        btz_finish_scores(&sum, 1, v->transform, BTZ_SECOND_NONE);
        if (out)
            btz_set(out, r, sum);
    }
    return BTZ_OK;
}

#define OP(text, id)                                                                               \
    {                                                                                              \
        .name = text, .domain = ML, .since = 1, .prepare = prepare_##id, .infer = infer_##id,      \
        .run = run_##id, .scratch = scratch_##id                                                   \
    }
static const struct btz_op ops[] = {
    OP("LinearClassifier", linear),
    OP("LinearRegressor", linear),
    OP("SVMClassifier", svm),
    OP("SVMRegressor", svm),
};
BTZ_OP_FAMILY(machines, ops);
