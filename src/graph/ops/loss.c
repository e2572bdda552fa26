/*
 * Losses of classes: SoftmaxCrossEntropyLoss, NegativeLogLikelihoodLoss.
 */
#include <math.h>

#include "graph/kernel.h"

enum reduction { NONE, MEAN, SUM };

struct loss {
    struct btz_split s; /* samples, classes, positions */
    enum reduction how;
    bool softmax, ignores;
    int64_t ignored;
};

static enum btz_err loss_of(const struct btz_call *call, struct loss *l)
{
    struct btz_slice how;

    BTZ_TRY(btz_attr_string(call->node, "reduction", "mean", &how));
    BTZ_TRY(btz_attr_int(call->node, "ignore_index", 0, &l->ignored));
    l->ignores = btz_attr(call->node, "ignore_index") != NULL;
    l->softmax = call->node->type[0] == 'S';
    if (!btz_slice_is(how, "mean") && !btz_slice_is(how, "sum") && !btz_slice_is(how, "none"))
        return btz_op_fail(call, BTZ_INPUT, "reduction %.*s", BTZ_SLICE_ARG(how));
    l->how = btz_slice_is(how, "mean") ? MEAN : btz_slice_is(how, "sum") ? SUM : NONE;
    l->s = btz_split_at(&call->in[0]->shape, 1);
    return BTZ_OK;
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    const struct btz_shape *x, *labels;
    struct loss l;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 3));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_rank(call, 0, 2, BTZ_RANK_MAX));
    BTZ_TRY(loss_of(call, &l));
    x = &call->in[0]->shape, labels = &call->in[1]->shape;
    if (!btz_type_is_integer(call->in[1]->type) || labels->rank + 1 != x->rank ||
        labels->dim[0] != x->dim[0] ||
        memcmp(&labels->dim[1], &x->dim[2], (x->rank - 2) * sizeof x->dim[0]) != 0)
        return btz_op_fail(call, BTZ_INPUT, "labels do not fit the scores");
    if (btz_call_in(call, 2) &&
        (btz_tensor_count(call->in[2]) != l.s.n || call->in[2]->type != call->in[0]->type))
        return btz_op_fail(call, BTZ_INPUT, "weights do not fit the classes");
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape = l.how == NONE ? *labels : (struct btz_shape){ 0 };
    if (btz_call_out(call, 1)) {
        call->out[1]->type = call->in[0]->type;
        call->out[1]->shape = *x;
    }
    return BTZ_OK;
}

/* Weight of sample i; its class in *label; 0 when it is ignored. */
static enum btz_err weight_of(const struct btz_call *call, const struct loss *l, size_t i,
                              size_t *label, double *weight)
{
    int64_t v = btz_at_int(call->in[1], i);

    *label = 0;
    *weight = 0;
    if (l->ignores && v == l->ignored)
        return BTZ_OK;
    if (v < 0 || v >= (int64_t)l->s.n)
        return btz_op_fail(call, BTZ_INPUT, "label %" PRId64 " of %zu classes", v, l->s.n);
    *label = (size_t)v;
    *weight = btz_call_in(call, 2) ? btz_get(call->in[2], (size_t)v) : 1;
    return BTZ_OK;
}

/* ln of the sum of exponentials of a sample. */
static double log_sum(const struct btz_tensor *x, size_t start, const struct btz_split *s)
{
    double max = -INFINITY, sum = 0;

    for (size_t c = 0; c < s->n; c++) {
        double v = btz_get(x, start + c * s->inner);
        max = v > max ? v : max;
    }
    for (size_t c = 0; c < s->n; c++)
        sum += exp(btz_get(x, start + c * s->inner) - max);
    return max + log(sum);
}

static enum btz_err run(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0];
    double total = 0, weights = 0, weight;
    struct loss l;
    size_t label;

    BTZ_TRY(loss_of(call, &l));
    for (size_t i = 0; i < l.s.outer * l.s.inner; i++) {
        size_t start = i / l.s.inner * l.s.n * l.s.inner + i % l.s.inner;
        double norm = l.softmax ? log_sum(x, start, &l.s) : 0, loss;

        BTZ_TRY(weight_of(call, &l, i, &label, &weight));
        loss = weight == 0 ? 0 : -weight * (btz_get(x, start + label * l.s.inner) - norm);
        total += loss;
        weights += weight;
        if (l.how == NONE)
            btz_set(call->out[0], i, loss);
        for (size_t c = 0; c < l.s.n && btz_call_out(call, 1); c++)
            btz_set(call->out[1], start + c * l.s.inner, btz_get(x, start + c * l.s.inner) - norm);
    }
    if (l.how != NONE)
        btz_set(call->out[0], 0, l.how == MEAN ? total / weights : total);
    return BTZ_OK;
}

/* The weights' own gradient: of a sum w l / W it is (l - mean) / W, of a sum l. */
static enum btz_err grad_weights(struct btz_call *call, const struct loss *l, double weights)
{
    const struct btz_tensor *x = call->in[0], *g = call->out_grad[0];

    for (size_t i = 0; i < l->s.outer * l->s.inner; i++) {
        size_t start = i / l->s.inner * l->s.n * l->s.inner + i % l->s.inner, label;
        double weight, one;

        BTZ_TRY(weight_of(call, l, i, &label, &weight));
        if (l->ignores && btz_at_int(call->in[1], i) == l->ignored)
            continue;
        one = (l->softmax ? log_sum(x, start, &l->s) : 0) - btz_get(x, start + label * l->s.inner);
        if (l->how == MEAN)
            one = (one - btz_get(call->out[0], 0)) / weights;
        btz_add(call->in_grad[2], label, one * btz_get(g, l->how == NONE ? i : 0));
    }
    return BTZ_OK;
}

static enum btz_err grad(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *g = call->out_grad[0],
                            *g_log = btz_call_out_grad(call, 1);
    double weights = 0, weight;
    struct loss l;
    size_t label;

    BTZ_TRY(loss_of(call, &l));
    for (size_t i = 0; i < l.s.outer * l.s.inner; i++) {
        BTZ_TRY(weight_of(call, &l, i, &label, &weight));
        weights += weight;
    }
    if (btz_call_in_grad(call, 2) && g)
        BTZ_TRY(grad_weights(call, &l, weights));
    for (size_t i = 0; i < l.s.outer * l.s.inner && call->in_grad[0]; i++) {
        size_t start = i / l.s.inner * l.s.n * l.s.inner + i % l.s.inner;
        double norm = l.softmax ? log_sum(x, start, &l.s) : 0, scale = 0, log_total = 0;

        BTZ_TRY(weight_of(call, &l, i, &label, &weight));
        if (g && weight != 0)
            scale = weight * btz_get(g, l.how == NONE ? i : 0) / (l.how == MEAN ? weights : 1);
        for (size_t c = 0; c < l.s.n && g_log; c++)
            log_total += btz_get(g_log, start + c * l.s.inner);
        for (size_t c = 0; c < l.s.n; c++) {
            size_t at = start + c * l.s.inner;
            double p = l.softmax ? exp(btz_get(x, at) - norm) : 0;

            btz_add(call->in_grad[0], at,
                    scale * (p - (double)(c == label)) +
                        (g_log ? btz_get(g_log, at) - p * log_total : 0));
        }
    }
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "SoftmaxCrossEntropyLoss",
      .since = 12,
      .infer = infer,
      .run = run,
      .grad = grad,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT,
      .settings = 4 },
    { .name = "NegativeLogLikelihoodLoss",
      .since = 12,
      .infer = infer,
      .run = run,
      .grad = grad,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT,
      .settings = 4 },
};
BTZ_OP_FAMILY(loss, ops);
