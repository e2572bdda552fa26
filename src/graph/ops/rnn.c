/*
 * Recurrent layers: RNN, GRU, LSTM, in both directions, over sequences of different lengths; gradients through time.
 */
#include <math.h>
#include <tgmath.h>

#include "graph/ops/rnn.h"

#define REAL  float
#define N(id) rnn_##id##_f32
#include "graph/ops/rnn_real.h"
#undef REAL
#undef N
#define REAL  double
#define N(id) rnn_##id##_f64
#include "graph/ops/rnn_real.h"
#undef REAL
#undef N

enum { IN_X, IN_W, IN_R, IN_B, IN_LENGTHS, IN_H, IN_C, IN_P };

/* The defaults are those of the operators of the same names. */
static const struct {
    const char *name;
    enum rnn_act act;
    double alpha, beta;
} acts[] = {
    { "relu", RNN_RELU, 0, 0 },
    { "tanh", RNN_TANH, 0, 0 },
    { "sigmoid", RNN_SIGMOID, 0, 0 },
    { "affine", RNN_AFFINE, 1, 0 },
    { "leakyrelu", RNN_LEAKY_RELU, 0.01, 0 },
    { "thresholdedrelu", RNN_THRESHOLDED_RELU, 1, 0 },
    { "scaledtanh", RNN_SCALED_TANH, 1, 1 },
    { "hardsigmoid", RNN_HARD_SIGMOID, 0.2, 0.5 },
    { "elu", RNN_ELU, 1, 0 },
    { "softsign", RNN_SOFTSIGN, 0, 0 },
    { "softplus", RNN_SOFTPLUS, 0, 0 },
};

static size_t fn_count(const struct rnn *r)
{
    return r->gates == 4 ? 3 : r->gates == 3 ? 2 : 1;
}

static bool named(struct btz_slice s, const char *name)
{
    size_t n = strlen(name);

    if (s.len != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + 32 : s.ptr[i]) != name[i])
            return false;
    return true;
}

static bool has_alpha(enum rnn_act a)
{
    return a >= RNN_AFFINE && a <= RNN_ELU;
}

static bool has_beta(enum rnn_act a)
{
    return a == RNN_AFFINE || a == RNN_SCALED_TANH || a == RNN_HARD_SIGMOID;
}

/* alpha and beta are given in order to those functions that have them. */
static enum btz_err read_functions(const struct btz_call *call, struct rnn *r)
{
    const struct btz_attr *list = btz_attr(call->node, "activations");
    const float *alpha, *beta;
    size_t alphas, betas, n = fn_count(r), at_a = 0, at_b = 0;

    BTZ_TRY(btz_attr_floats(call->node, "activation_alpha", &alpha, &alphas));
    BTZ_TRY(btz_attr_floats(call->node, "activation_beta", &beta, &betas));
    if (list && (list->kind != BTZ_ATTR_STRINGS || list->count != n * r->dirs))
        return btz_op_fail(call, BTZ_INPUT, "has %zu activations, expected %zu", list->count,
                           n * r->dirs);
    for (size_t d = 0; d < r->dirs; d++)
        for (size_t i = 0; i < n; i++) {
            struct btz_slice name = list                      ? list->strings[d * n + i]
                                    : i == 0 && r->gates != 1 ? btz_str("sigmoid")
                                                              : btz_str("tanh");
            size_t k = 0;

            while (k < BTZ_COUNT(acts) && !named(name, acts[k].name))
                k++;
            if (k == BTZ_COUNT(acts))
                return btz_op_fail(call, BTZ_UNSUPPORTED, "activation %.*s", BTZ_SLICE_ARG(name));
            r->fn[d][i] = (struct rnn_fn){ acts[k].act, acts[k].alpha, acts[k].beta };
            if (has_alpha(acts[k].act) && at_a < alphas)
                r->fn[d][i].alpha = alpha[at_a++];
            if (has_beta(acts[k].act) && at_b < betas)
                r->fn[d][i].beta = beta[at_b++];
        }
    return BTZ_OK;
}

static enum btz_err read_rnn(const struct btz_call *call, struct rnn *r)
{
    const struct btz_shape *x = &call->in[IN_X]->shape;
    struct btz_slice direction;
    int64_t hidden, layout, linear, coupled;
    float clip;

    BTZ_TRY(btz_attr_string(call->node, "direction", "forward", &direction));
    BTZ_TRY(btz_attr_int(call->node, "hidden_size", call->in[IN_R]->shape.dim[2], &hidden));
    BTZ_TRY(btz_attr_int(call->node, "layout", 0, &layout));
    BTZ_TRY(btz_attr_int(call->node, "linear_before_reset", 0, &linear));
    BTZ_TRY(btz_attr_int(call->node, "input_forget", 0, &coupled));
    BTZ_TRY(btz_attr_float(call->node, "clip", 0, &clip));
    if (hidden < 1 || hidden > INT32_MAX || layout < 0 || layout > 1 || !(clip >= 0))
        return btz_op_fail(call, BTZ_INPUT, "hidden_size %" PRId64 ", layout %" PRId64 ", clip %g",
                           hidden, layout, (double)clip);
    *r = (struct rnn){ .steps = (size_t)x->dim[layout],
                       .batch = (size_t)x->dim[1 - layout],
                       .input = (size_t)x->dim[2],
                       .hidden = (size_t)hidden,
                       .dirs = btz_slice_is(direction, "bidirectional") ? 2 : 1,
                       .gates = call->node->type[0] == 'L'   ? 4
                                : call->node->type[0] == 'G' ? 3
                                                             : 1,
                       .reverse = btz_slice_is(direction, "reverse"),
                       .batch_first = layout == 1,
                       .coupled = coupled != 0,
                       .linear_first = linear != 0,
                       .clip = clip > 0 ? (double)clip : INFINITY };
    if (r->dirs == 1 && !r->reverse && !btz_slice_is(direction, "forward"))
        return btz_op_fail(call, BTZ_INPUT, "direction %.*s", BTZ_SLICE_ARG(direction));
    return read_functions(call, r);
}

/* Input i is absent or a tensor like X of these dimensions. */
static enum btz_err want(struct btz_call *call, uint32_t i, uint32_t rank, size_t a, size_t b,
                         size_t c)
{
    const struct btz_tensor *t = btz_call_in(call, i);
    size_t dims[3] = { a, b, c };

    if (!t)
        return BTZ_OK;
    for (uint32_t k = 0; k < rank; k++)
        if (t->shape.rank != rank || (size_t)t->shape.dim[k] != dims[k] ||
            t->type != (i == IN_LENGTHS ? BTZ_I32 : call->in[IN_X]->type)) {
            char text[BTZ_SHAPE_TEXT];
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is %s of shape %s", i,
                               btz_type_name(t->type), btz_shape_text(&t->shape, text));
        }
    return BTZ_OK;
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    struct btz_shape state = { .rank = 3 };
    struct rnn r;
    size_t width, other;

    (void)later;
    if (call->in_count < 3 || call->in_count > 8 || !call->in[0] || !call->in[1] || !call->in[2])
        return btz_op_fail(call, BTZ_INPUT, "wants inputs X, W and R");
    BTZ_TRY(btz_want_real(call, IN_X));
    for (uint32_t i = 0; i < 3; i++)
        BTZ_TRY(btz_want_rank(call, i, 3, 3));
    BTZ_TRY(read_rnn(call, &r));
    if (!btz_size_mul(r.gates, r.hidden, &width) || !btz_size_mul(width, 2, &width))
        return btz_op_fail(call, BTZ_LIMIT, "hidden_size %zu", r.hidden);
    width = r.gates * r.hidden;
    BTZ_TRY(want(call, IN_W, 3, r.dirs, width, r.input));
    BTZ_TRY(want(call, IN_R, 3, r.dirs, width, r.hidden));
    BTZ_TRY(want(call, IN_B, 2, r.dirs, 2 * width, 0));
    BTZ_TRY(want(call, IN_LENGTHS, 1, r.batch, 0, 0));
    state.dim[r.batch_first ? 1 : 0] = (int64_t)r.dirs;
    state.dim[r.batch_first ? 0 : 1] = (int64_t)r.batch;
    state.dim[2] = (int64_t)r.hidden;
    other = (size_t)state.dim[0];
    BTZ_TRY(want(call, IN_H, 3, other, (size_t)state.dim[1], r.hidden));
    BTZ_TRY(want(call, IN_C, 3, other, (size_t)state.dim[1], r.hidden));
    BTZ_TRY(want(call, IN_P, 2, r.dirs, 3 * r.hidden, 0));
    for (uint32_t i = 0; i < call->out_count; i++) {
        if (!call->out[i])
            continue;
        if (i > (r.gates == 4 ? 2U : 1U))
            return btz_op_fail(call, BTZ_INPUT, "output %" PRIu32, i);
        call->out[i]->type = call->in[IN_X]->type;
        call->out[i]->shape = state;
    }
    if (btz_call_out(call, 0))
        call->out[0]->shape = r.batch_first
                                  ? (struct btz_shape){ 4,
                                                        { (int64_t)r.batch, (int64_t)r.steps,
                                                          (int64_t)r.dirs, (int64_t)r.hidden } }
                                  : (struct btz_shape){ 4,
                                                        { (int64_t)r.steps, (int64_t)r.dirs,
                                                          (int64_t)r.batch, (int64_t)r.hidden } };
    return BTZ_OK;
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/* Numbers in the arrays of one direction, in their order; the last seven are backward's. SIZE_MAX: too many. */
#define ARRAYS 13
#define SAVED  6

static bool array_sizes(const struct rnn *r, size_t out[ARRAYS])
{
    size_t rows, width, n, all = r->gates * r->hidden, wide, most;

    if (!btz_size_mul(r->steps + 1, r->batch, &rows) || !btz_size_mul(rows, all, &width) ||
        !btz_size_mul(rows, r->hidden, &n) || !btz_size_mul(rows, r->input, &wide))
        return false;
    most = r->batch * all;
    memcpy(out,
           (size_t[ARRAYS]){ wide, width, width, n, n, n, width, width, n, wide, most, most, most },
           ARRAYS * sizeof out[0]);
    return true;
}

static size_t scratch(const struct btz_call *call)
{
    size_t sizes[ARRAYS], sum = 0, bytes;
    struct rnn r;

    if (read_rnn(call, &r) != BTZ_OK || !array_sizes(&r, sizes))
        return SIZE_MAX;
    for (size_t i = 0; i < ARRAYS; i++)
        for (size_t d = 0; d < (i < SAVED ? r.dirs : 1); d++)
            if (!btz_size_add(sum, sizes[i], &sum))
                return SIZE_MAX;
    if (!btz_size_mul(sum, btz_type_size(call->in[IN_X]->type), &bytes) ||
        !btz_size_add(bytes, r.batch * sizeof(int64_t), &bytes))
        return SIZE_MAX;
    return bytes;
}

/* The lengths come first in scratch: those of all sequences. */
static enum btz_err read_lengths(const struct btz_call *call, const struct rnn *r)
{
    int64_t *lengths = call->scratch;

    for (size_t b = 0; b < r->batch; b++) {
        lengths[b] =
            btz_call_in(call, IN_LENGTHS) ? btz_at_int(call->in[IN_LENGTHS], b) : (int64_t)r->steps;
        if (lengths[b] < 0 || lengths[b] > (int64_t)r->steps)
            return btz_op_fail(call, BTZ_INPUT, "a sequence of %" PRId64 " of %zu steps",
                               lengths[b], r->steps);
    }
    return BTZ_OK;
}

#define REAL  float
#define N(id) rnn_##id##_f32
#include "graph/ops/rnn_call.h"
#undef REAL
#undef N
#define REAL  double
#define N(id) rnn_##id##_f64
#include "graph/ops/rnn_call.h"

static enum btz_err run(struct btz_call *call)
{
    struct rnn r;

    BTZ_TRY(read_rnn(call, &r));
    BTZ_TRY(read_lengths(call, &r));
    if (call->in[IN_X]->type == BTZ_F32)
        rnn_run_f32(call, &r);
    else
        rnn_run_f64(call, &r);
    return BTZ_OK;
}

static enum btz_err grad(struct btz_call *call)
{
    struct rnn r;

    BTZ_TRY(read_rnn(call, &r));
    if (call->in[IN_X]->type == BTZ_F32)
        rnn_grad_f32(call, &r);
    else
        rnn_grad_f64(call, &r);
    return BTZ_OK;
}

#define OP(text)                                                                                   \
    {                                                                                              \
        .name = text, .since = 7, .infer = infer, .run = run, .grad = grad, .scratch = scratch,    \
        .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_SAVED                                                \
    }
static const struct btz_op ops[] = { OP("RNN"), OP("GRU"), OP("LSTM") };
BTZ_OP_FAMILY(rnn, ops);
