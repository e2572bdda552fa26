/*
 * Functions of one number: mathematics and activations.
 */
#include <math.h>
#include <tgmath.h>

#include "graph/kernel.h"

/* name, value, slope; Y: the slope is made of y, not x. */
#define UNARY_LIST(F)                                                                              \
    F(abs, fabs(x), x > 0 ? 1 : x < 0 ? -1 : 0)                                                    \
    F(neg, -x, -1)                                                                                 \
    F(exp, exp(x), y)                                                                              \
    F(log, log(x), 1 / x)                                                                          \
    F(sqrt, sqrt(x), K(0.5) / y)                                                                   \
    F(reciprocal, 1 / x, -y * y)                                                                   \
    F(sign, x > 0 ? 1 : x < 0 ? -1 : x, 0)                                                         \
    F(floor, floor(x), 0)                                                                          \
    F(ceil, ceil(x), 0)                                                                            \
    F(round, rint(x), 0)                                                                           \
    F(sin, sin(x), cos(x))                                                                         \
    F(cos, cos(x), -sin(x))                                                                        \
    F(tan, tan(x), 1 + y * y)                                                                      \
    F(asin, asin(x), 1 / sqrt(1 - x * x))                                                          \
    F(acos, acos(x), -1 / sqrt(1 - x * x))                                                         \
    F(atan, atan(x), 1 / (1 + x * x))                                                              \
    F(sinh, sinh(x), cosh(x))                                                                      \
    F(cosh, cosh(x), sinh(x))                                                                      \
    F(tanh, tanh(x), 1 - y * y)                                                                    \
    F(asinh, asinh(x), 1 / sqrt(x * x + 1))                                                        \
    F(acosh, acosh(x), 1 / sqrt(x * x - 1))                                                        \
    F(atanh, atanh(x), 1 / (1 - x * x))                                                            \
    F(erf, erf(x), K(1.1283791670955126) * exp(-x * x))                                            \
    F(relu, x > 0 || x != x ? x : 0, y > 0 ? 1 : 0)                                                \
    F(leaky_relu, x < 0 ? a * x : x, x < 0 ? a : 1)                                                \
    F(elu, x < 0 ? a * expm1(x) : x, x < 0 ? a * exp(x) : 1)                                       \
    F(selu, x <= 0 ? b * a * expm1(x) : b * x, x <= 0 ? b * a * exp(x) : b)                        \
    F(celu, x < 0 ? a * expm1(x / a) : x, x < 0 ? exp(x / a) : 1)                                  \
    F(sigmoid, N(sigmoid_of)(x), y *(1 - y))                                                       \
    F(hard_sigmoid, fmin(fmax(a *x + b, K(0)), K(1)), y > 0 && y < 1 ? a : 0)                      \
    F(hard_swish, x *fmin(fmax(x / 6 + K(0.5), K(0)), K(1)),                                       \
      x <= -3  ? 0                                                                                 \
      : x >= 3 ? 1                                                                                 \
               : x / 3 + K(0.5))                                                                   \
    F(softplus, N(softplus_of)(x), N(sigmoid_of)(x))                                               \
    F(softsign, x / (1 + fabs(x)), 1 / ((1 + fabs(x)) * (1 + fabs(x))))                            \
    F(thresholded_relu, x > a ? x : 0, x > a ? 1 : 0)                                              \
    F(shrink, x<-a ? x + b : x> a ? x - b : 0, x<-a || x> a ? 1 : 0)                               \
    F(gelu, K(0.5) * x * (1 + erf(x * K(0.7071067811865476))),                                     \
      K(0.5) * (1 + erf(x * K(0.7071067811865476))) +                                              \
          x * K(0.3989422804014327) * exp(K(-0.5) * x * x))                                        \
    F(gelu_approx, K(0.5) * x * (1 + N(gelu_tanh)(x)),                                             \
      K(0.5) * (1 + N(gelu_tanh)(x)) + K(0.5) * x * (1 - N(gelu_tanh)(x) * N(gelu_tanh)(x)) *      \
                                           K(0.7978845608028654) * (1 + K(0.134145) * x * x))      \
    F(mish, x *tanh(N(softplus_of)(x)),                                                            \
      tanh(N(softplus_of)(x)) +                                                                    \
          x * (1 - tanh(N(softplus_of)(x)) * tanh(N(softplus_of)(x))) * N(sigmoid_of)(x))

#define REAL  float
#define N(id) id##_f32
#include "graph/ops/unary_real.h"
#undef REAL
#undef N
#define REAL  double
#define N(id) id##_f64
#include "graph/ops/unary_real.h"

struct unary_state {
    double a, b;
};

static enum btz_err prepare(struct btz_call *call, struct btz_arena *arena, float alpha,
                            const char *second, float beta, const char *first)
{
    struct unary_state *s = btz_arena_alloc(arena, sizeof *s);
    float a, b = 0;

    if (!s)
        return BTZ_LIMIT;
    BTZ_TRY(btz_attr_float(call->node, first, alpha, &a));
    if (second)
        BTZ_TRY(btz_attr_float(call->node, second, beta, &b));
    s->a = a;
    s->b = b;
    call->state = s;
    return BTZ_OK;
}

#define PREPARE(id, alpha, second, beta, first)                                                    \
    static enum btz_err prepare_##id(struct btz_call *call, struct btz_arena *arena)               \
    {                                                                                              \
        return prepare(call, arena, alpha, second, beta, first);                                   \
    }
PREPARE(leaky, 0.01F, NULL, 0, "alpha")
PREPARE(one, 1, NULL, 0, "alpha")
PREPARE(selu, 1.67326319217681884765625F, "gamma", 1.05070102214813232421875F, "alpha")
PREPARE(hard_sigmoid, 0.2F, "beta", 0.5F, "alpha")
PREPARE(shrink, 0.5F, "bias", 0, "lambd")

static enum btz_err infer_real(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    return btz_infer_same(call, later);
}

/* Whole numbers, too. */
static enum btz_err infer_number(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    if (!btz_type_is_real(call->in[0]->type) && !btz_type_is_integer(call->in[0]->type))
        return btz_op_fail(call, BTZ_INPUT, "is not for inputs of type %s",
                           btz_type_name(call->in[0]->type));
    return btz_infer_same(call, later);
}

static enum btz_err run_int(struct btz_call *call)
{
    const char *type = call->node->type;
    char what = type[0]; /* Abs Neg Relu Sign */

    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        int64_t x = btz_at_int(call->in[0], i);
        bool uns = call->in[0]->type == BTZ_U64, negative = !uns && x < 0;
        int64_t minus = (int64_t)(0 - (uint64_t)x);

        btz_put_int(call->out[0], i,
                    what == 'A'   ? (negative ? minus : x)
                    : what == 'N' ? minus
                    : what == 'R' ? (negative ? 0 : x)
                                  : (negative ? -1 : x != 0));
    }
    return BTZ_OK;
}

#define RUN(id, value, slope)                                                                      \
    static enum btz_err run_##id(struct btz_call *call)                                            \
    {                                                                                              \
        const struct btz_tensor *in = call->in[0], *out = call->out[0];                            \
        struct unary_state none = { 0, 0 }, *s = call->state ? call->state : &none;                \
        size_t n = btz_tensor_count(in);                                                           \
                                                                                                   \
        if (in->type == BTZ_F32)                                                                   \
            id##_f32(in->data, out->data, n, (float)s->a, (float)s->b);                            \
        else if (in->type == BTZ_F64)                                                              \
            id##_f64(in->data, out->data, n, s->a, s->b);                                          \
        else                                                                                       \
            return run_int(call);                                                                  \
        return BTZ_OK;                                                                             \
    }                                                                                              \
    static enum btz_err grad_##id(struct btz_call *call)                                           \
    {                                                                                              \
        const struct btz_tensor *in = call->in[0], *out = call->out[0];                            \
        unsigned flags = call->node->op->flags;                                                    \
        const void *x = flags & BTZ_OP_GRAD_IN ? in->data : NULL;                                  \
        const void *y = flags & BTZ_OP_GRAD_OUT ? out->data : NULL;                                \
        struct unary_state none = { 0, 0 }, *s = call->state ? call->state : &none;                \
        size_t n = btz_tensor_count(in);                                                           \
                                                                                                   \
        if (in->type == BTZ_F32)                                                                   \
            id##_grad_f32(x, y, call->out_grad[0]->data, call->in_grad[0]->data, n, (float)s->a,   \
                          (float)s->b);                                                            \
        else                                                                                       \
            id##_grad_f64(x, y, call->out_grad[0]->data, call->in_grad[0]->data, n, s->a, s->b);   \
        return BTZ_OK;                                                                             \
    }
UNARY_LIST(RUN)

static bool approximate(const struct btz_call *call)
{
    struct btz_slice mode = { 0 };

    return btz_attr_string(call->node, "approximate", "none", &mode) == BTZ_OK &&
           btz_slice_is(mode, "tanh");
}

static enum btz_err run_gelu_either(struct btz_call *call)
{
    return approximate(call) ? run_gelu_approx(call) : run_gelu(call);
}

static enum btz_err grad_gelu_either(struct btz_call *call)
{
    return approximate(call) ? grad_gelu_approx(call) : grad_gelu(call);
}

#define WITH(text, first, id, infers, need, reads)                                                 \
    {                                                                                              \
        .name = text, .since = first, .prepare = reads, .infer = infers, .run = run_##id,          \
        .grad = grad_##id, .flags = (need) | BTZ_OP_IN_PLACE | BTZ_OP_WISE                         \
    }
#define OP(text, first, id, infers, need) WITH(text, first, id, infers, need, NULL)
static const struct btz_op ops[] = {
    OP("Abs", 6, abs, infer_number, BTZ_OP_GRAD_IN),
    OP("Neg", 6, neg, infer_number, 0),
    OP("Exp", 6, exp, infer_real, BTZ_OP_GRAD_OUT),
    OP("Log", 6, log, infer_real, BTZ_OP_GRAD_IN),
    OP("Sqrt", 6, sqrt, infer_real, BTZ_OP_GRAD_OUT),
    OP("Reciprocal", 6, reciprocal, infer_real, BTZ_OP_GRAD_OUT),
    OP("Sign", 9, sign, infer_number, 0),
    OP("Floor", 6, floor, infer_real, 0),
    OP("Ceil", 6, ceil, infer_real, 0),
    OP("Round", 11, round, infer_real, 0),
    OP("Sin", 7, sin, infer_real, BTZ_OP_GRAD_IN),
    OP("Cos", 7, cos, infer_real, BTZ_OP_GRAD_IN),
    OP("Tan", 7, tan, infer_real, BTZ_OP_GRAD_OUT),
    OP("Asin", 7, asin, infer_real, BTZ_OP_GRAD_IN),
    OP("Acos", 7, acos, infer_real, BTZ_OP_GRAD_IN),
    OP("Atan", 7, atan, infer_real, BTZ_OP_GRAD_IN),
    OP("Sinh", 9, sinh, infer_real, BTZ_OP_GRAD_IN),
    OP("Cosh", 9, cosh, infer_real, BTZ_OP_GRAD_IN),
    OP("Tanh", 6, tanh, infer_real, BTZ_OP_GRAD_OUT),
    OP("Asinh", 9, asinh, infer_real, BTZ_OP_GRAD_IN),
    OP("Acosh", 9, acosh, infer_real, BTZ_OP_GRAD_IN),
    OP("Atanh", 9, atanh, infer_real, BTZ_OP_GRAD_IN),
    OP("Erf", 9, erf, infer_real, BTZ_OP_GRAD_IN),
    OP("Relu", 6, relu, infer_number, BTZ_OP_GRAD_OUT),
    WITH("LeakyRelu", 6, leaky_relu, infer_real, BTZ_OP_GRAD_IN, prepare_leaky),
    WITH("Elu", 6, elu, infer_real, BTZ_OP_GRAD_IN, prepare_one),
    WITH("Selu", 6, selu, infer_real, BTZ_OP_GRAD_IN, prepare_selu),
    WITH("Celu", 12, celu, infer_real, BTZ_OP_GRAD_IN, prepare_one),
    OP("Sigmoid", 6, sigmoid, infer_real, BTZ_OP_GRAD_OUT),
    WITH("HardSigmoid", 6, hard_sigmoid, infer_real, BTZ_OP_GRAD_OUT, prepare_hard_sigmoid),
    OP("HardSwish", 14, hard_swish, infer_real, BTZ_OP_GRAD_IN),
    OP("Softplus", 1, softplus, infer_real, BTZ_OP_GRAD_IN),
    OP("Softsign", 1, softsign, infer_real, BTZ_OP_GRAD_IN),
    WITH("ThresholdedRelu", 10, thresholded_relu, infer_real, BTZ_OP_GRAD_IN, prepare_one),
    WITH("Shrink", 9, shrink, infer_real, BTZ_OP_GRAD_IN, prepare_shrink),
    OP("Gelu", 20, gelu_either, infer_real, BTZ_OP_GRAD_IN),
    OP("Mish", 18, mish, infer_real, BTZ_OP_GRAD_IN),
};
BTZ_OP_FAMILY(unary, ops);
