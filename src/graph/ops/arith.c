/*
 * Arithmetic with two and more operands, broadcast by numpy's rule.
 */
#include <math.h>
#include <tgmath.h>

#include "graph/kernel.h"

#define REAL  float
#define N(id) id##_f32
#include "graph/ops/arith_real.h"
#undef REAL
#undef N
#define REAL  double
#define N(id) id##_f64
#include "graph/ops/arith_real.h"

enum arith { ADD, SUB, MUL, DIV, POW, MOD, MAX, MIN, PRELU, ARITH_COUNT };

typedef void f32_loop(const float *, size_t, const float *, size_t, float *, size_t);
typedef void f64_loop(const double *, size_t, const double *, size_t, double *, size_t);
typedef void f32_grad(const float *, size_t, const float *, size_t, const float *, float *, float *,
                      size_t);
typedef void f64_grad(const double *, size_t, const double *, size_t, const double *, double *,
                      double *, size_t);
static const struct kernel {
    f32_loop *f32;
    f64_loop *f64;
    f32_grad *grad_f32;
    f64_grad *grad_f64;
} kernels[] = {
#define KERNEL(id)                                                                                 \
    {                                                                                              \
        id##_f32, id##_f64, id##_grad_f32, id##_grad_f64                                           \
    }
    [ADD] = KERNEL(add), [SUB] = KERNEL(sub), [MUL] = KERNEL(mul),
    [DIV] = KERNEL(div), [POW] = KERNEL(pow), [MOD] = KERNEL(mod),
    [MAX] = KERNEL(max), [MIN] = KERNEL(min), [PRELU] = KERNEL(prelu),
};

static int64_t ipow(int64_t x, int64_t y)
{
    uint64_t r = 1, b = (uint64_t)x;

    if (y < 0)
        return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
    for (; y; y >>= 1, b *= b)
        if (y & 1)
            r *= b;
    return (int64_t)r;
}

/* Whole numbers wrap; a division by zero gives zero. `uns`: the 64 bits are unsigned. */
static int64_t int_arith(enum arith what, int64_t x, int64_t y, bool uns, bool fmod_sign)
{
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    int64_t r;

    switch (what) {
    case ADD:
        return (int64_t)(a + b);
    case SUB:
        return (int64_t)(a - b);
    case MUL:
        return (int64_t)(a * b);
    case DIV:
        if (!y)
            return 0;
        return uns ? (int64_t)(a / b) : y == -1 ? (int64_t)(0 - a) : x / y;
    case MOD:
        if (!y || (y == -1 && !uns))
            return 0;
        r = uns ? (int64_t)(a % b) : x % y;
        return !fmod_sign && !uns && r && (r < 0) != (y < 0) ? r + y : r;
    case MAX:
        return (uns ? a > b : x > y) ? x : y;
    case MIN:
        return (uns ? a < b : x < y) ? x : y;
    case POW:
        return ipow(x, y);
    case PRELU:
        return x < 0 ? (int64_t)(a * b) : x;
    case ARITH_COUNT:
        break;
    }
    return 0;
}

/* out = a what b. */
static void apply(enum arith what, const struct btz_tensor *a, const struct btz_tensor *b,
                  const struct btz_tensor *out, bool fmod_sign)
{
    struct btz_walk w;
    size_t at = 0;

    btz_walk_init(&w, &out->shape, 2, (const struct btz_shape *const[]){ &a->shape, &b->shape });
    BTZ_WALK(&w)
    {
        if (a->type == b->type && a->type == BTZ_F32)
            kernels[what].f32((const float *)a->data + w.at[0], w.step[0],
                              (const float *)b->data + w.at[1], w.step[1], (float *)out->data + at,
                              w.len);
        else if (a->type == b->type && a->type == BTZ_F64)
            kernels[what].f64((const double *)a->data + w.at[0], w.step[0],
                              (const double *)b->data + w.at[1], w.step[1],
                              (double *)out->data + at, w.len);
        else
            for (size_t i = 0; i < w.len; i++) {
                size_t x = w.at[0] + i * w.step[0], y = w.at[1] + i * w.step[1];

                if (btz_type_is_real(a->type) ||
                    btz_type_is_real(b->type)) /* Pow alone mixes types */
                    btz_put_real(out, at + i, pow(btz_at_real(a, x), btz_at_real(b, y)));
                else
                    btz_put_int(out, at + i,
                                int_arith(what, btz_at_int(a, x), btz_at_int(b, y),
                                          a->type == BTZ_U64, fmod_sign));
            }
        at += w.len;
    }
}

static void apply_grad(enum arith what, const struct btz_tensor *a, const struct btz_tensor *b,
                       const struct btz_tensor *g, const struct btz_tensor *da,
                       const struct btz_tensor *db)
{
    struct btz_walk w;
    size_t at = 0;

    btz_walk_init(&w, &g->shape, 2, (const struct btz_shape *const[]){ &a->shape, &b->shape });
    BTZ_WALK(&w)
    {
        if (a->type == BTZ_F32)
            kernels[what].grad_f32(
                (const float *)a->data + w.at[0], w.step[0], (const float *)b->data + w.at[1],
                w.step[1], (const float *)g->data + at, da ? (float *)da->data + w.at[0] : NULL,
                db ? (float *)db->data + w.at[1] : NULL, w.len);
        else
            kernels[what].grad_f64(
                (const double *)a->data + w.at[0], w.step[0], (const double *)b->data + w.at[1],
                w.step[1], (const double *)g->data + at, da ? (double *)da->data + w.at[0] : NULL,
                db ? (double *)db->data + w.at[1] : NULL, w.len);
        at += w.len;
    }
}

static enum btz_err infer_two(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(btz_infer_broadcast(call, later));
    if (call->in[0]->type == BTZ_STRING || call->in[0]->type == BTZ_BOOL)
        return btz_op_fail(call, BTZ_INPUT, "is not for inputs of type %s",
                           btz_type_name(call->in[0]->type));
    if (call->in[0]->type != call->in[1]->type)
        return btz_op_fail(call, BTZ_INPUT, "inputs of types %s and %s, expected the same",
                           btz_type_name(call->in[0]->type), btz_type_name(call->in[1]->type));
    return BTZ_OK;
}

static enum btz_err infer_pow(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 2, 2));
    return btz_infer_broadcast(call, later);
}

static enum btz_err infer_prelu(struct btz_call *call, bool *later)
{
    BTZ_TRY(infer_two(call, later));
    return btz_shape_equal(&call->out[0]->shape, &call->in[0]->shape)
               ? BTZ_OK
               : btz_op_fail(call, BTZ_INPUT, "the slope is larger than the input");
}

static enum btz_err infer_mod(struct btz_call *call, bool *later)
{
    int64_t mode;

    BTZ_TRY(infer_two(call, later));
    BTZ_TRY(btz_attr_int(call->node, "fmod", 0, &mode));
    if (!mode && btz_type_is_real(call->in[0]->type))
        return btz_op_fail(call, BTZ_INPUT, "floats want fmod=1");
    return BTZ_OK;
}

static enum btz_err run_mod(struct btz_call *call)
{
    int64_t mode;

    BTZ_TRY(btz_attr_int(call->node, "fmod", 0, &mode));
    apply(MOD, call->in[0], call->in[1], call->out[0], mode != 0);
    return BTZ_OK;
}

static enum btz_err grad_pow(struct btz_call *call)
{
    if (call->in[0]->type == call->in[1]->type) {
        apply_grad(POW, call->in[0], call->in[1], call->out_grad[0], call->in_grad[0],
                   call->in_grad[1]);
        return BTZ_OK;
    }
    if (call->in_grad[0]) {
        struct btz_walk w;
        size_t at = 0;

        btz_walk_init(
            &w, &call->out[0]->shape, 2,
            (const struct btz_shape *const[]){ &call->in[0]->shape, &call->in[1]->shape });
        BTZ_WALK(&w)
        {
            for (size_t i = 0; i < w.len; i++, at++) {
                size_t x = w.at[0] + i * w.step[0];
                double e = btz_at_real(call->in[1], w.at[1] + i * w.step[1]);

                if (e != 0)
                    btz_add(call->in_grad[0], x,
                            btz_get(call->out_grad[0], at) * e *
                                pow(btz_get(call->in[0], x), e - 1));
            }
        }
    }
    return BTZ_OK;
}

#define TWO(id, what)                                                                              \
    static enum btz_err run_##id(struct btz_call *call)                                            \
    {                                                                                              \
        apply(what, call->in[0], call->in[1], call->out[0], false);                                \
        return BTZ_OK;                                                                             \
    }
#define TWO_GRAD(id, what)                                                                         \
    static enum btz_err grad_##id(struct btz_call *call)                                           \
    {                                                                                              \
        apply_grad(what, call->in[0], call->in[1], call->out_grad[0], call->in_grad[0],            \
                   call->in_grad[1]);                                                              \
        return BTZ_OK;                                                                             \
    }
TWO(add, ADD)
TWO(sub, SUB)
TWO(mul, MUL)
TWO(div, DIV)
TWO(pow, POW)
TWO(prelu, PRELU)
TWO_GRAD(add, ADD)
TWO_GRAD(sub, SUB)
TWO_GRAD(mul, MUL)
TWO_GRAD(div, DIV)
TWO_GRAD(mod, MOD)
TWO_GRAD(prelu, PRELU)

/* ---- any number of operands ------------------------------------------------------------------------------------------- */

static enum btz_err infer_many(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_infer_broadcast(call, later));
    for (uint32_t i = 0; i < call->in_count; i++)
        if (call->in[i]->type != call->in[0]->type || call->in[i]->type == BTZ_STRING ||
            call->in[i]->type == BTZ_BOOL)
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is of type %s, the first of %s",
                               i, btz_type_name(call->in[i]->type),
                               btz_type_name(call->in[0]->type));
    return BTZ_OK;
}

static void copy_first(struct btz_call *call)
{
    struct btz_walk w;
    size_t at = 0, size = btz_type_size(call->out[0]->type);

    btz_walk_init(&w, &call->out[0]->shape, 1,
                  (const struct btz_shape *const[]){ &call->in[0]->shape });
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++, at++)
        memcpy((uint8_t *)call->out[0]->data + at * size,
               (const uint8_t *)call->in[0]->data + (w.at[0] + i * w.step[0]) * size, size);
}

static enum btz_err run_many(struct btz_call *call, enum arith what)
{
    copy_first(call);
    for (uint32_t i = 1; i < call->in_count; i++)
        apply(what, call->out[0], call->in[i], call->out[0], false);
    return BTZ_OK;
}

static enum btz_err run_sum(struct btz_call *call)
{
    return run_many(call, ADD);
}

static enum btz_err run_max(struct btz_call *call)
{
    return run_many(call, MAX);
}

static enum btz_err run_min(struct btz_call *call)
{
    return run_many(call, MIN);
}

static enum btz_err run_mean(struct btz_call *call)
{
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(run_many(call, ADD));
    for (size_t i = 0, n = btz_tensor_count(call->out[0]); i < n; i++)
        btz_set(call->out[0], i, btz_get(call->out[0], i) / call->in_count);
    return BTZ_OK;
}

/* d input k += gradient * scale, where it was the one that won when `pick` says so. */
static void grad_many(struct btz_call *call, double scale, bool pick)
{
    for (uint32_t k = 0; k < call->in_count; k++) {
        struct btz_walk w;
        size_t at = 0;

        if (!call->in_grad[k])
            continue;
        btz_walk_init(&w, &call->out[0]->shape, 1,
                      (const struct btz_shape *const[]){ &call->in[k]->shape });
        BTZ_WALK(&w)
        for (size_t i = 0; i < w.len; i++, at++) {
            size_t x = w.at[0] + i * w.step[0];

            if (!pick || btz_get(call->in[k], x) == btz_get(call->out[0], at))
                btz_add(call->in_grad[k], x, btz_get(call->out_grad[0], at) * scale);
        }
    }
}

static enum btz_err grad_sum(struct btz_call *call)
{
    grad_many(call, 1, false);
    return BTZ_OK;
}

static enum btz_err grad_mean(struct btz_call *call)
{
    grad_many(call, 1.0 / call->in_count, false);
    return BTZ_OK;
}

static enum btz_err grad_extreme(struct btz_call *call)
{
    if (call->in_count == 2) /* ties go to the first */
        apply_grad(strcmp(call->node->type, "Max") == 0 ? MAX : MIN, call->in[0], call->in[1],
                   call->out_grad[0], call->in_grad[0], call->in_grad[1]);
    else
        grad_many(call, 1, true);
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "Add",
      .since = 7,
      .infer = infer_two,
      .run = run_add,
      .grad = grad_add,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_WISE },
    { .name = "Sub",
      .since = 7,
      .infer = infer_two,
      .run = run_sub,
      .grad = grad_sub,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_WISE },
    { .name = "Mul",
      .since = 7,
      .infer = infer_two,
      .run = run_mul,
      .grad = grad_mul,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_WISE },
    { .name = "Div",
      .since = 7,
      .infer = infer_two,
      .run = run_div,
      .grad = grad_div,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_WISE },
    { .name = "Pow",
      .since = 7,
      .infer = infer_pow,
      .run = run_pow,
      .grad = grad_pow,
      .flags = BTZ_OP_GRAD_IN,
      .settings = 2 },
    { .name = "Mod",
      .since = 10,
      .infer = infer_mod,
      .run = run_mod,
      .grad = grad_mod,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "PRelu",
      .since = 7,
      .infer = infer_prelu,
      .run = run_prelu,
      .grad = grad_prelu,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_WISE },
    { .name = "Sum", .since = 7, .infer = infer_many, .run = run_sum, .grad = grad_sum },
    { .name = "Mean", .since = 7, .infer = infer_many, .run = run_mean, .grad = grad_mean },
    { .name = "Max",
      .since = 7,
      .infer = infer_many,
      .run = run_max,
      .grad = grad_extreme,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT },
    { .name = "Min",
      .since = 7,
      .infer = infer_many,
      .run = run_min,
      .grad = grad_extreme,
      .flags = BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT },
};
BTZ_OP_FAMILY(arith, ops);
