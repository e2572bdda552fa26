/*
 * Softmax, its logarithm and its hard limit. Before opset 13 over all axes from one on, after it over one.
 */
#include <math.h>

#include "graph/kernel.h"

static enum btz_err lines(const struct btz_call *call, struct btz_split *out)
{
    const struct btz_shape *shape = &call->in[0]->shape;
    bool old = call->node->opset < 13;
    int64_t axis;
    uint32_t at;

    BTZ_TRY(btz_attr_int(call->node, "axis", old ? 1 : -1, &axis));
    if (!shape->rank) {
        *out = (struct btz_split){ 1, 1, 1 };
        return BTZ_OK;
    }
    if (old && axis == shape->rank) {
        *out = (struct btz_split){ btz_tensor_count(call->in[0]), 1, 1 };
        return BTZ_OK;
    }
    BTZ_TRY(btz_axis(call, axis, shape->rank, &at));
    *out = btz_split_at(shape, at);
    if (old) {
        out->n *= out->inner;
        out->inner = 1;
    }
    return BTZ_OK;
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    struct btz_split s;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_infer_same(call, later));
    return lines(call, &s);
}

enum which { SOFTMAX, LOG_SOFTMAX, HARDMAX };

static enum btz_err run(struct btz_call *call, enum which which)
{
    const struct btz_tensor *x = call->in[0], *y = call->out[0];
    struct btz_split s;

    BTZ_TRY(lines(call, &s));
    for (size_t line = 0; line < s.outer * s.inner && s.n; line++) {
        size_t at = line / s.inner * s.n * s.inner + line % s.inner, most = 0;
        double max, sum = 0;

        for (size_t i = 1; i < s.n; i++)
            if (btz_get(x, at + i * s.inner) > btz_get(x, at + most * s.inner))
                most = i;
        max = btz_get(x, at + most * s.inner);
        for (size_t i = 0; i < s.n && which != HARDMAX; i++)
            sum += exp(btz_get(x, at + i * s.inner) - max);
        for (size_t i = 0; i < s.n; i++) {
            double v = btz_get(x, at + i * s.inner) - max;

            btz_set(y, at + i * s.inner,
                    which == SOFTMAX       ? exp(v) / sum
                    : which == LOG_SOFTMAX ? v - log(sum)
                                           : (double)(i == most));
        }
    }
    return BTZ_OK;
}

static enum btz_err grad(struct btz_call *call, enum which which)
{
    const struct btz_tensor *y = call->out[0], *g = call->out_grad[0], *d = call->in_grad[0];
    struct btz_split s;

    BTZ_TRY(lines(call, &s));
    for (size_t line = 0; line < s.outer * s.inner; line++) {
        size_t at = line / s.inner * s.n * s.inner + line % s.inner;
        double sum = 0;

        for (size_t i = 0; i < s.n; i++) {
            size_t k = at + i * s.inner;
            sum += btz_get(g, k) * (which == SOFTMAX ? btz_get(y, k) : 1);
        }
        for (size_t i = 0; i < s.n; i++) {
            size_t k = at + i * s.inner;
            btz_add(d, k,
                    which == SOFTMAX ? btz_get(y, k) * (btz_get(g, k) - sum)
                                     : btz_get(g, k) - exp(btz_get(y, k)) * sum);
        }
    }
    return BTZ_OK;
}

static enum btz_err run_softmax(struct btz_call *call)
{
    return run(call, SOFTMAX);
}

static enum btz_err run_log_softmax(struct btz_call *call)
{
    return run(call, LOG_SOFTMAX);
}

static enum btz_err run_hardmax(struct btz_call *call)
{
    return run(call, HARDMAX);
}

static enum btz_err grad_softmax(struct btz_call *call)
{
    return grad(call, SOFTMAX);
}

static enum btz_err grad_log_softmax(struct btz_call *call)
{
    return grad(call, LOG_SOFTMAX);
}

static const struct btz_op ops[] = {
    { .name = "Softmax",
      .since = 7,
      .infer = infer,
      .run = run_softmax,
      .grad = grad_softmax,
      .flags = BTZ_OP_GRAD_OUT },
    { .name = "LogSoftmax",
      .since = 7,
      .infer = infer,
      .run = run_log_softmax,
      .grad = grad_log_softmax,
      .flags = BTZ_OP_GRAD_OUT },
    { .name = "Hardmax", .since = 7, .infer = infer, .run = run_hardmax },
};
BTZ_OP_FAMILY(softmax, ops);
