/*
 * What the operators share: elements of any type, walks over broadcast shapes, matrix products.
 */
#ifndef BTZ_GRAPH_KERNEL_H
#define BTZ_GRAPH_KERNEL_H

#include "base/half.h"
#include "graph/op.h"

/* ---- elements (tensor.c) ---------------------------------------------------------------------------------------------- */

bool btz_type_is_real(enum btz_type type);    /* float or double */
bool btz_type_is_integer(enum btz_type type); /* bool is none */
/* Element i as a number, whatever its type; of uint64 the same bits. Integers wrap when they are put. */
int64_t btz_at_int(const struct btz_tensor *t, size_t i);
double btz_at_real(const struct btz_tensor *t, size_t i);
void btz_put_int(const struct btz_tensor *t, size_t i, int64_t v);
void btz_put_real(const struct btz_tensor *t, size_t i, double v);
int64_t btz_real_to_int(double v); /* towards zero, clipped; NaN is INT64_MIN */
/* Every element, converted; equal counts. */
void btz_tensor_convert(const struct btz_tensor *from, const struct btz_tensor *to);

/* ---- walks (walk.c) --------------------------------------------------------------------------------------------------- */

#define BTZ_WALK_MAX 4
/*
 * Visits a shape row by row, with up to four tensors that are broadcast to it. A row is `len` elements; of tensor k they lie at
 * at[k], at[k] + step[k] ...; step is 0 where it is broadcast. Axes that can be one are one, so equal shapes are one row.
 */
struct btz_walk {
    uint32_t rank, tensors;
    size_t len, at[BTZ_WALK_MAX], step[BTZ_WALK_MAX];
    size_t dim[BTZ_RANK_MAX], stride[BTZ_WALK_MAX][BTZ_RANK_MAX], index[BTZ_RANK_MAX];
    bool done;
};
void btz_walk_init(struct btz_walk *w, const struct btz_shape *shape, uint32_t tensors,
                   const struct btz_shape *const shapes[]);
void btz_walk_next(struct btz_walk *w);
/* for (each row) */
#define BTZ_WALK(w) for (; !(w)->done; btz_walk_next(w))

/* Elements before, at and after an axis. */
struct btz_split {
    size_t outer, n, inner;
};
struct btz_split btz_split_at(const struct btz_shape *shape, uint32_t axis);

/* ---- matrix products (gemm.c) ----------------------------------------------------------------------------------------- */

/* C = alpha A B + beta C, row-major and dense, A m x k or transposed, B k x n or transposed; of type F32 or F64. With beta 0
 * nothing of C is read. */
struct btz_gemm {
    enum btz_type type;
    bool reference, trans_a, trans_b;
    size_t m, n, k;
    double alpha, beta;
};
void btz_gemm(const struct btz_gemm *g, const void *a, const void *b, void *c);
/* One thread in the linear algebra: work is spread over nets. */
void btz_gemm_setup(void);

/* ---- shapes of calls (infer.c) ---------------------------------------------------------------------------------------- */

/* The type in which the net computes what the file says: float16 as float, and float as double on the reference path. */
enum btz_type btz_call_type(const struct btz_call *call, enum btz_type type);
/* One output like input 0. */
BTZ_CHECKED enum btz_err btz_infer_same(struct btz_call *call, bool *later);
/* Output 0 as all inputs broadcast, with the type of input 0. */
BTZ_CHECKED enum btz_err btz_infer_broadcast(struct btz_call *call, bool *later);
BTZ_CHECKED enum btz_err btz_call_counts(struct btz_call *call, uint32_t in_min, uint32_t in_max);
/* The call's input, or NULL when it was left out or is not there at all. */
const struct btz_tensor *btz_call_in(const struct btz_call *call, uint32_t i);
struct btz_tensor *btz_call_out(const struct btz_call *call, uint32_t i);
struct btz_tensor *btz_call_in_grad(const struct btz_call *call, uint32_t i);
const struct btz_tensor *btz_call_out_grad(const struct btz_call *call, uint32_t i);
/* Input i is float or double. */
BTZ_CHECKED enum btz_err btz_want_real(struct btz_call *call, uint32_t i);
BTZ_CHECKED enum btz_err btz_want_rank(struct btz_call *call, uint32_t i, uint32_t min,
                                       uint32_t max);
/* The whole numbers of an input of rank 0 or 1, at most BTZ_RANK_MAX; *known is false while its data are not there. */
BTZ_CHECKED enum btz_err btz_want_ints(struct btz_call *call, uint32_t i, int64_t out[BTZ_RANK_MAX],
                                       uint32_t *count, bool *known);
/* Axes as bits, from an attribute before `since`, from input i after. Absent: *given is false. */
BTZ_CHECKED enum btz_err btz_want_axes(struct btz_call *call, uint32_t i, int64_t since,
                                       uint32_t rank, uint32_t *bits, bool *given, bool *known);

/* Index v of n elements, negative ones from the end; INPUT. */
BTZ_CHECKED enum btz_err btz_want_index(const struct btz_call *call, int64_t v, int64_t n,
                                        size_t *out);

/* ---- one element of a float or double, for kernels that sum in double -------------------------------------------------- */

static inline double btz_get(const struct btz_tensor *t, size_t i)
{
    return t->type == BTZ_F32 ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static inline void btz_set(const struct btz_tensor *t, size_t i, double v)
{
    if (t->type == BTZ_F32)
        ((float *)t->data)[i] = (float)v;
    else
        ((double *)t->data)[i] = v;
}

static inline void btz_add(const struct btz_tensor *t, size_t i, double v)
{
    if (t->type == BTZ_F32)
        ((float *)t->data)[i] += (float)v;
    else
        ((double *)t->data)[i] += v;
}

#define BTZ_OP_FAMILY(name, list)                                                                  \
    const struct btz_op_family btz_op_family_##name = { #name, list, BTZ_COUNT(list) }

#endif
