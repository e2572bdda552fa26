/*
 * Dropout: in training, elements are left out at random and the others grow.
 */
#include "graph/kernel.h"

static enum btz_err ratio_of(const struct btz_call *call, double *ratio, bool *training)
{
    float absent;

    *training = call->training;
    if (call->node->opset < 12) {
        BTZ_TRY(btz_attr_float(call->node, "ratio", 0.5F, &absent));
        *ratio = absent;
    } else {
        *ratio = btz_call_in(call, 1) ? btz_at_real(call->in[1], 0) : 0.5;
        if (btz_call_in(call, 2))
            *training = btz_at_int(call->in[2], 0) != 0;
    }
    if (!(*ratio >= 0 && *ratio < 1))
        return btz_op_fail(call, BTZ_INPUT, "a ratio of %g, expected 0 to 1", *ratio);
    return BTZ_OK;
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 3));
    for (uint32_t i = 1; i < call->in_count; i++)
        if (call->in[i] && btz_tensor_count(call->in[i]) != 1)
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is no scalar", i);
    BTZ_TRY(btz_want_real(call, 0));
    if (btz_call_out(call, 1)) {
        call->out[1]->type = call->node->opset < 10 ? call->in[0]->type : BTZ_BOOL;
        call->out[1]->shape = call->in[0]->shape;
    }
    return btz_infer_same(call, later);
}

/* A byte for each element: kept. */
static size_t scratch(const struct btz_call *call)
{
    return btz_tensor_count(call->in[0]);
}

static enum btz_err run(struct btz_call *call)
{
    uint8_t *kept = call->scratch;
    bool training;
    double ratio;

    BTZ_TRY(ratio_of(call, &ratio, &training));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        kept[i] = !training || btz_rng_unit(call->rng) >= ratio;
        btz_set(call->out[0], i,
                kept[i] ? btz_get(call->in[0], i) / (training ? 1 - ratio : 1) : 0);
        if (btz_call_out(call, 1))
            btz_put_int(call->out[1], i, kept[i]);
    }
    return BTZ_OK;
}

static enum btz_err grad(struct btz_call *call)
{
    const uint8_t *kept = call->scratch;
    bool training;
    double ratio;

    if (!call->out_grad[0] || !call->in_grad[0])
        return BTZ_OK;
    BTZ_TRY(ratio_of(call, &ratio, &training));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++)
        if (kept[i])
            btz_add(call->in_grad[0], i,
                    btz_get(call->out_grad[0], i) / (training ? 1 - ratio : 1));
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "Dropout",
      .since = 7,
      .infer = infer,
      .run = run,
      .grad = grad,
      .scratch = scratch,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_SAVED | BTZ_OP_RANDOM,
      .settings = 2 },
};
BTZ_OP_FAMILY(random, ops);
