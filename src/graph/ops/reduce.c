/*
 * Reductions over axes. Sums are in double, of whole numbers in 64 bits.
 */
#include <math.h>

#include "graph/kernel.h"

enum reduce { SUM, MEAN, SUM_SQUARE, L1, L2, LOG_SUM, LOG_SUM_EXP, PROD, MAX, MIN };

static const struct {
    const char *name;
    enum reduce what;
} names[] = {
    { "ReduceSum", SUM },
    { "ReduceMean", MEAN },
    { "ReduceSumSquare", SUM_SQUARE },
    { "ReduceL1", L1 },
    { "ReduceL2", L2 },
    { "ReduceLogSum", LOG_SUM },
    { "ReduceLogSumExp", LOG_SUM_EXP },
    { "ReduceProd", PROD },
    { "ReduceMax", MAX },
    { "ReduceMin", MIN },
};

static enum reduce what_of(const struct btz_call *call)
{
    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (strcmp(names[i].name, call->node->type) == 0)
            return names[i].what;
    return SUM;
}

/* The input's shape with 1 where it is reduced. */
static enum btz_err kept_shape(struct btz_call *call, struct btz_shape *kept, uint32_t *bits,
                               bool *known)
{
    const struct btz_shape *in = &call->in[0]->shape;
    int64_t noop;
    bool given;

    BTZ_TRY(btz_want_axes(call, 1, what_of(call) == SUM ? 13 : 18, in->rank, bits, &given, known));
    BTZ_TRY(btz_attr_int(call->node, "noop_with_empty_axes", 0, &noop));
    if (*known && !*bits && !noop)
        *bits = (UINT32_C(1) << in->rank) - 1;
    *kept = *in;
    for (uint32_t i = 0; i < in->rank; i++)
        if (*bits >> i & 1)
            kept->dim[i] = 1;
    return BTZ_OK;
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    struct btz_shape kept;
    uint32_t bits, at = 0;
    int64_t keep;
    bool known;

    BTZ_TRY(btz_call_counts(call, 1, 2));
    if (call->in[0]->type == BTZ_STRING || (call->in[0]->type == BTZ_BOOL && what_of(call) < MAX))
        return btz_op_fail(call, BTZ_INPUT, "is not for inputs of type %s",
                           btz_type_name(call->in[0]->type));
    BTZ_TRY(kept_shape(call, &kept, &bits, &known));
    BTZ_TRY(btz_attr_int(call->node, "keepdims", 1, &keep));
    call->out[0]->type = call->in[0]->type;
    if (!known) {
        *later = true;
        return BTZ_OK;
    }
    for (uint32_t i = 0; i < kept.rank; i++)
        if (keep || !(bits >> i & 1))
            call->out[0]->shape.dim[at++] = kept.dim[i];
    call->out[0]->shape.rank = at;
    return BTZ_OK;
}

/* Two doubles for each output. */
static size_t scratch(const struct btz_call *call)
{
    return btz_tensor_count(call->out[0]) * 2 * sizeof(double);
}

static void run_ints(struct btz_call *call, enum reduce what, const struct btz_shape *kept,
                     int64_t *acc)
{
    const struct btz_tensor *x = call->in[0];
    size_t outs = btz_tensor_count(call->out[0]), at = 0,
           each = outs ? btz_tensor_count(x) / outs : 0;
    bool uns = x->type == BTZ_U64;
    struct btz_walk w;

    for (size_t i = 0; i < outs; i++)
        acc[i] = what == PROD  ? 1
                 : what == MAX ? (uns ? 0 : INT64_MIN)
                 : what == MIN ? (uns ? -1 : INT64_MAX)
                               : 0;
    btz_walk_init(&w, &x->shape, 1, (const struct btz_shape *const[]){ kept });
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++) {
        int64_t v = btz_at_int(x, at++), *a = &acc[w.at[0] + i * w.step[0]];
        uint64_t u = (uint64_t)v, b = (uint64_t)*a;

        if (what == PROD)
            *a = (int64_t)(u * b);
        else if (what == MAX)
            *a = (uns ? u > b : v > *a) ? v : *a;
        else if (what == MIN)
            *a = (uns ? u < b : v < *a) ? v : *a;
        else
            *a = (int64_t)(b + (what == SUM_SQUARE || what == L2 ? u * u
                                : what == L1 && v < 0 && !uns    ? 0 - u
                                                                 : u));
    }
    for (size_t i = 0; i < outs; i++)
        if (what == MEAN)
            btz_put_int(call->out[0], i, each ? acc[i] / (int64_t)each : 0);
        else if (what == L2)
            btz_put_real(call->out[0], i, sqrt((double)acc[i]));
        else
            btz_put_int(call->out[0], i, acc[i]);
}

static double start_of(enum reduce what)
{
    return what == PROD                         ? 1
           : what == MAX || what == LOG_SUM_EXP ? -INFINITY
           : what == MIN                        ? INFINITY
                                                : 0;
}

static void gather(const struct btz_tensor *x, enum reduce what, const struct btz_shape *kept,
                   double *acc, double *second)
{
    struct btz_walk w;
    size_t at = 0;

    btz_walk_init(&w, &x->shape, 1, (const struct btz_shape *const[]){ kept });
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++) {
        size_t o = w.at[0] + i * w.step[0];
        double v = btz_get(x, at++), *a = &acc[o];

        if (what == SUM_SQUARE || what == L2)
            *a += v * v;
        else if (what == L1)
            *a += fabs(v);
        else if (what == PROD)
            *a *= v;
        else if (what == MAX)
            *a = v > *a || v != v ? v : *a;
        else if (what == MIN)
            *a = v < *a || v != v ? v : *a;
        else if (what == LOG_SUM_EXP)
            *a += exp(v - second[o]);
        else
            *a += v;
    }
}

static enum btz_err run(struct btz_call *call)
{
    enum reduce what = what_of(call);
    const struct btz_tensor *x = call->in[0];
    size_t outs = btz_tensor_count(call->out[0]), each = outs ? btz_tensor_count(x) / outs : 0;
    double *acc = call->scratch, *second = acc + outs;
    struct btz_shape kept;
    uint32_t bits;
    bool known;

    BTZ_TRY(kept_shape(call, &kept, &bits, &known));
    if (!btz_type_is_real(x->type)) {
        run_ints(call, what, &kept, call->scratch);
        return BTZ_OK;
    }
    for (size_t i = 0; i < outs; i++)
        acc[i] = start_of(what);
    if (what == LOG_SUM_EXP) { /* the largest first */
        gather(x, MAX, &kept, acc, NULL);
        for (size_t i = 0; i < outs; i++) {
            second[i] = isfinite(acc[i]) ? acc[i] : 0;
            acc[i] = 0;
        }
    }
    gather(x, what, &kept, acc, second);
    for (size_t i = 0; i < outs; i++)
        btz_set(call->out[0], i,
                what == MEAN          ? acc[i] / (double)each
                : what == L2          ? sqrt(acc[i])
                : what == LOG_SUM     ? log(acc[i])
                : what == LOG_SUM_EXP ? log(acc[i]) + second[i]
                                      : acc[i]);
    return BTZ_OK;
}

/* What the slopes of products and extremes need: the product without zeros and their count; how many share the extreme. */
static void prepare_grad(struct btz_call *call, enum reduce what, const struct btz_shape *kept,
                         double *acc, double *second)
{
    const struct btz_tensor *x = call->in[0];
    size_t outs = btz_tensor_count(call->out[0]), at = 0;
    struct btz_walk w;

    for (size_t i = 0; i < outs; i++) {
        acc[i] = what == PROD ? 1 : 0;
        second[i] = 0;
    }
    btz_walk_init(&w, &x->shape, 1, (const struct btz_shape *const[]){ kept });
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++) {
        size_t o = w.at[0] + i * w.step[0];
        double v = btz_get(x, at++);

        if (what != PROD)
            acc[o] += v == btz_get(call->out[0], o);
        else if (v == 0)
            second[o]++;
        else
            acc[o] *= v;
    }
}

static double slope(enum reduce what, double x, double y, double acc, double second, double each)
{
    switch (what) {
    case SUM:
        return 1;
    case MEAN:
        return 1 / each;
    case SUM_SQUARE:
        return 2 * x;
    case L1:
        return x > 0 ? 1 : x < 0 ? -1 : 0;
    case L2:
        return y == 0 ? 0 : x / y;
    case LOG_SUM:
        return exp(-y);
    case LOG_SUM_EXP:
        return exp(x - y);
    case PROD:
        return second == 0 ? acc / x : second == 1 && x == 0 ? acc : 0;
    case MAX:
    case MIN:
        return x == y ? 1 / acc : 0;
    }
    return 0;
}

static enum btz_err grad(struct btz_call *call)
{
    enum reduce what = what_of(call);
    const struct btz_tensor *x = call->in[0];
    size_t outs = btz_tensor_count(call->out[0]), at = 0;
    double *acc = call->scratch, *second = acc + outs,
           each = outs ? (double)(btz_tensor_count(x) / outs) : 0;
    struct btz_shape kept;
    struct btz_walk w;
    uint32_t bits;
    bool known;

    if (!call->in_grad[0])
        return BTZ_OK;
    BTZ_TRY(kept_shape(call, &kept, &bits, &known));
    prepare_grad(call, what, &kept, acc, second);
    btz_walk_init(&w, &x->shape, 1, (const struct btz_shape *const[]){ &kept });
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++, at++) {
        size_t o = w.at[0] + i * w.step[0];

        btz_add(call->in_grad[0], at,
                btz_get(call->out_grad[0], o) *
                    slope(what, btz_get(x, at), btz_get(call->out[0], o), acc[o], second[o], each));
    }
    return BTZ_OK;
}

#define OP(text)                                                                                   \
    {                                                                                              \
        .name = text, .since = 1, .infer = infer, .run = run, .grad = grad, .scratch = scratch,    \
        .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT                                                  \
    }
static const struct btz_op ops[] = {
    OP("ReduceSum"), OP("ReduceMean"),   OP("ReduceSumSquare"), OP("ReduceL1"),
    OP("ReduceL2"),  OP("ReduceLogSum"), OP("ReduceLogSumExp"), OP("ReduceProd"),
    OP("ReduceMax"), OP("ReduceMin"),
};
BTZ_OP_FAMILY(reduce, ops);
