/*
 * Dropout, where in training elements are left out at random and the others grow; and what draws numbers. All draw from the
 * net's generator: attributes named seed are not read, so that a net's seed decides everything.
 */
#include <math.h>

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

/* ---- Bernoulli, Random*, Multinomial ----------------------------------------------------------------------------------- */

static enum btz_err drawn_type(const struct btz_call *call, enum btz_type absent,
                               enum btz_type *out)
{
    int64_t type;

    BTZ_TRY(btz_attr_int(call->node, "dtype", absent, &type));
    if (type <= 0 || type > BTZ_BF16 || type == BTZ_STRING || !btz_type_size((enum btz_type)type))
        return btz_op_fail(call, BTZ_INPUT, "dtype %" PRId64, type);
    *out = btz_call_type(call, (enum btz_type)type);
    return BTZ_OK;
}

/* Like the input, or of the attribute `shape`. */
static enum btz_err infer_drawn(struct btz_call *call, bool *later)
{
    bool like = call->in_count > 0;
    const int64_t *list;
    size_t n;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 0, 1));
    BTZ_TRY(drawn_type(call, like ? call->in[0]->type : BTZ_F32, &call->out[0]->type));
    if (like) {
        call->out[0]->shape = call->in[0]->shape;
        return BTZ_OK;
    }
    BTZ_TRY(btz_attr_ints(call->node, "shape", &list, &n));
    if (!list || n > BTZ_RANK_MAX)
        return btz_op_fail(call, BTZ_INPUT, "a shape of %zu axes", n);
    call->out[0]->shape.rank = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (list[i] < 0)
            return btz_op_fail(call, BTZ_INPUT, "dimension %" PRId64, list[i]);
        call->out[0]->shape.dim[i] = list[i];
    }
    return BTZ_OK;
}

static enum btz_err run_uniform(struct btz_call *call)
{
    float low, high;

    BTZ_TRY(btz_attr_float(call->node, "low", 0, &low));
    BTZ_TRY(btz_attr_float(call->node, "high", 1, &high));
    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n; i++)
        btz_put_real(call->out[0], i,
                     (double)low + btz_rng_unit(call->rng) * ((double)high - (double)low));
    return BTZ_OK;
}

/* Box and Muller. */
static enum btz_err run_normal(struct btz_call *call)
{
    float mean, scale;

    BTZ_TRY(btz_attr_float(call->node, "mean", 0, &mean));
    BTZ_TRY(btz_attr_float(call->node, "scale", 1, &scale));
    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n; i++) {
        double u = 1 - btz_rng_unit(call->rng), v = btz_rng_unit(call->rng);

        btz_put_real(call->out[0], i,
                     (double)mean + (double)scale * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
    }
    return BTZ_OK;
}

static enum btz_err infer_bernoulli(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    return infer_drawn(call, later);
}

static enum btz_err run_bernoulli(struct btz_call *call)
{
    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n; i++)
        btz_put_int(call->out[0], i, btz_rng_unit(call->rng) < btz_get(call->in[0], i));
    return BTZ_OK;
}

static enum btz_err infer_multinomial(struct btz_call *call, bool *later)
{
    int64_t count;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_rank(call, 0, 2, 2));
    BTZ_TRY(btz_attr_int(call->node, "sample_size", 1, &count));
    BTZ_TRY(drawn_type(call, BTZ_I32, &call->out[0]->type));
    if (count < 0 || !call->in[0]->shape.dim[1])
        return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " samples of %" PRId64 " classes", count,
                           call->in[0]->shape.dim[1]);
    call->out[0]->shape = (struct btz_shape){ 2, { call->in[0]->shape.dim[0], count } };
    return BTZ_OK;
}

/* The input's logarithms of probabilities need not be normalised. */
static enum btz_err run_multinomial(struct btz_call *call)
{
    size_t rows = (size_t)call->in[0]->shape.dim[0], classes = (size_t)call->in[0]->shape.dim[1],
           count = (size_t)call->out[0]->shape.dim[1];

    for (size_t r = 0; r < rows; r++) {
        double most = -INFINITY, sum = 0;

        for (size_t c = 0; c < classes; c++)
            most = fmax(most, btz_get(call->in[0], r * classes + c));
        for (size_t c = 0; c < classes; c++)
            sum += exp(btz_get(call->in[0], r * classes + c) - most);
        for (size_t i = 0; i < count; i++) {
            double left = btz_rng_unit(call->rng) * sum;
            size_t c = 0;

            for (; c + 1 < classes; c++) {
                left -= exp(btz_get(call->in[0], r * classes + c) - most);
                if (left < 0)
                    break;
            }
            btz_put_int(call->out[0], r * count + i, (int64_t)c);
        }
    }
    return BTZ_OK;
}

#define DRAW(text, from, infers, runs)                                                             \
    {                                                                                              \
        .name = text, .since = from, .infer = infers, .run = runs, .flags = BTZ_OP_RANDOM          \
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
    DRAW("Bernoulli", 15, infer_bernoulli, run_bernoulli),
    DRAW("Multinomial", 7, infer_multinomial, run_multinomial),
    DRAW("RandomNormal", 1, infer_drawn, run_normal),
    DRAW("RandomNormalLike", 1, infer_drawn, run_normal),
    DRAW("RandomUniform", 1, infer_drawn, run_uniform),
    DRAW("RandomUniformLike", 1, infer_drawn, run_uniform),
};
BTZ_OP_FAMILY(random, ops);
