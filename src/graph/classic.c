/*
 * Labels and scores of classic machine learning.
 */
#include <math.h>

#include "graph/ops/classic.h"

enum btz_err btz_transform_of(const struct btz_call *call, enum btz_transform *out)
{
    static const char *const names[] = { "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT" };
    struct btz_slice s;

    BTZ_TRY(btz_attr_string(call->node, "post_transform", "NONE", &s));
    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (btz_slice_is(s, names[i])) {
            *out = (enum btz_transform)i;
            return BTZ_OK;
        }
    return btz_op_fail(call, BTZ_INPUT, "post_transform %.*s", BTZ_SLICE_ARG(s));
}

enum btz_err btz_labels_of(const struct btz_call *call, const char *ints, const char *strings,
                           struct btz_labels *out)
{
    const struct btz_attr *s = btz_attr(call->node, strings);

    *out = (struct btz_labels){ 0 };
    BTZ_TRY(btz_attr_ints(call->node, ints, &out->ints, &out->count));
    if (s && s->kind != BTZ_ATTR_STRINGS && s->count)
        return btz_op_fail(call, BTZ_INPUT, "%s is of kind %d", strings, (int)s->kind);
    if (s && s->count) {
        if (out->count)
            return btz_op_fail(call, BTZ_INPUT, "has both %s and %s", ints, strings);
        out->strings = s->strings;
        out->count = s->count;
    }
    return BTZ_OK;
}

enum btz_type btz_labels_type(const struct btz_labels *l)
{
    return l->strings ? BTZ_STRING : BTZ_I64;
}

void btz_put_label(const struct btz_tensor *out, size_t row, const struct btz_labels *l,
                   size_t index)
{
    if (!out)
        return;
    if (l->strings)
        ((struct btz_slice *)out->data)[row] = l->strings[index];
    else
        ((int64_t *)out->data)[row] = l->ints[index];
}

static double logistic(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* The inverse of the normal distribution: a first guess (Winitzki 2008), then Newton's steps. */
static double probit(double p)
{
    double x = 2 * p - 1, l = log((1 - x) * (1 + x)), v = 2 / (3.14159265358979 * 0.147) + l / 2, y;

    if (!(fabs(x) < 1))
        return x == 1 ? INFINITY : x == -1 ? -INFINITY : NAN;
    y = copysign(sqrt(sqrt(v * v - l / 0.147) - v), x);
    for (int i = 0; i < 4; i++)
        y -= (erf(y) - x) / (1.1283791670955126 * exp(-y * y));
    return 1.4142135623730951 * y;
}

static void softmax(double *s, size_t n, bool keep_zeros)
{
    double most = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        most = s[i] > most ? s[i] : most;
    for (size_t i = 0; i < n; i++) {
        if (keep_zeros && fabs(s[i]) <= 1e-7) {
            s[i] *= exp(-most);
            continue;
        }
        s[i] = exp(s[i] - most);
        sum += s[i];
    }
    for (size_t i = 0; i < n; i++)
        s[i] = sum > 0 ? s[i] / sum : s[i];
}

void btz_finish_scores(double *s, size_t n, enum btz_transform transform, enum btz_second second)
{
    if (n == 1 && second == BTZ_SECOND_SHARE && transform != BTZ_PROBIT) {
        s[1] = s[0];
        s[0] = 1 - s[1];
        return;
    }
    if (n == 1 && second == BTZ_SECOND_SIGN && transform != BTZ_PROBIT) {
        s[1] = transform == BTZ_LOGISTIC ? logistic(s[0]) : s[0];
        s[0] = transform == BTZ_LOGISTIC ? logistic(-s[0]) : -s[0];
        return;
    }
    if (transform == BTZ_SOFTMAX || transform == BTZ_SOFTMAX_ZERO)
        softmax(s, n, transform == BTZ_SOFTMAX_ZERO);
    for (size_t i = 0; i < n; i++)
        if (transform == BTZ_LOGISTIC)
            s[i] = logistic(s[i]);
        else if (transform == BTZ_PROBIT)
            s[i] = probit(s[i]);
}

size_t btz_best(const double *scores, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

enum btz_err btz_rows_of(struct btz_call *call, size_t *rows, size_t *features)
{
    const struct btz_shape *x = &call->in[0]->shape;

    BTZ_TRY(btz_want_rank(call, 0, 1, 2));
    if (call->in[0]->type == BTZ_STRING || call->in[0]->type == BTZ_BOOL)
        return btz_op_fail(call, BTZ_INPUT, "is not for inputs of type %s",
                           btz_type_name(call->in[0]->type));
    *rows = x->rank == 2 ? (size_t)x->dim[0] : 1;
    *features = (size_t)x->dim[x->rank - 1];
    return BTZ_OK;
}

enum btz_err btz_reals_of(const struct btz_call *call, const char *name, struct btz_reals *out)
{
    const struct btz_attr *a;
    char text[96];

    *out = (struct btz_reals){ 0 };
    snprintf(text, sizeof text, "%s_as_tensor", name);
    a = btz_attr(call->node, text);
    if (a && (a->kind != BTZ_ATTR_TENSOR || !btz_type_is_real(a->t->type)))
        return btz_op_fail(call, BTZ_INPUT, "%s is no tensor of floats", text);
    if (a && btz_tensor_count(a->t)) {
        out->tensor = a->t;
        out->count = btz_tensor_count(a->t);
        return BTZ_OK;
    }
    return btz_attr_floats(call->node, name, &out->floats, &out->count);
}

void btz_infer_classes(struct btz_call *call, size_t rows, const struct btz_labels *l, size_t n)
{
    if (btz_call_out(call, 0)) {
        call->out[0]->type = btz_labels_type(l);
        call->out[0]->shape = (struct btz_shape){ 1, { (int64_t)rows } };
    }
    if (btz_call_out(call, 1)) {
        call->out[1]->type = btz_call_type(call, BTZ_F32);
        call->out[1]->shape = (struct btz_shape){ 2, { (int64_t)rows, (int64_t)n } };
    }
}
