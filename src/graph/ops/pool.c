/*
 * Pooling: windows to one number. Global pooling is a window of the image's size.
 */
#include <math.h>

#include "graph/ops/pool.h"

#define REAL  float
#define N(id) id##_f32
#include "graph/ops/pool_real.h"
#undef REAL
#undef N
#define REAL  double
#define N(id) id##_f64
#include "graph/ops/pool_real.h"

static bool is_global(const struct btz_call *call)
{
    return call->node->type[0] == 'G';
}

enum btz_err btz_pool_window(const struct btz_call *call, struct btz_window *w, size_t *planes)
{
    const struct btz_shape *x = &call->in[0]->shape;

    *planes = 0;
    if (is_global(call)) {
        /* Any number of axes: they are one. */
        struct btz_split s;

        if (x->rank < 2)
            return btz_op_fail(call, BTZ_INPUT, "an input of %" PRIu32 " axes", x->rank);
        s = btz_split_at(x, 1);
        *w = (struct btz_window){ .axes = 1,
                                  .in = { 1, 1, (int64_t)s.inner },
                                  .out = { 1, 1, 1 },
                                  .kernel = { 1, 1, (int64_t)s.inner },
                                  .stride = { 1, 1, 1 },
                                  .dilation = { 1, 1, 1 },
                                  .in_size = s.inner,
                                  .out_size = 1,
                                  .kernel_size = s.inner };
    } else
        BTZ_TRY(btz_window_read(call, x, NULL, w));
    *planes = (size_t)x->dim[0] * (size_t)x->dim[1];
    return BTZ_OK;
}

static enum btz_err infer(struct btz_call *call, bool *later)
{
    struct btz_window w;
    struct btz_shape *out;
    size_t planes;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    if (strcmp(call->node->type, "MaxPool") != 0 || btz_call_out(call, 1) ||
        !(call->in[0]->type == BTZ_U8 || call->in[0]->type == BTZ_I8))
        BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_pool_window(call, &w, &planes));
    out = &call->out[0]->shape;
    for (uint32_t i = 2; i < out->rank; i++)
        out->dim[i] = is_global(call) ? 1 : w.out[3 - w.axes + i - 2];
    if (btz_call_out(call, 1)) {
        call->out[1]->type = BTZ_I64;
        call->out[1]->shape = *out;
    }
    return BTZ_OK;
}

/* Of the maximum: where each was. */
static size_t scratch_max(const struct btz_call *call)
{
    return btz_tensor_count(call->out[0]) * sizeof(int64_t) +
           (btz_type_is_real(call->in[0]->type)
                ? 0
                : (btz_tensor_count(call->in[0]) + btz_tensor_count(call->out[0])) * sizeof(float));
}

static enum btz_err run_max(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *y = call->out[0];
    int64_t *which = call->scratch, by_column = 0;
    struct btz_window w;
    size_t planes, count = btz_tensor_count(y);

    BTZ_TRY(btz_pool_window(call, &w, &planes));
    if (x->type == BTZ_F32)
        max_pool_f32(&w, planes, x->data, y->data, which);
    else if (x->type == BTZ_F64)
        max_pool_f64(&w, planes, x->data, y->data, which);
    else {
        float *wide = (float *)(which + count), *out = wide + btz_tensor_count(x);

        btz_tensor_convert(x, &(struct btz_tensor){ BTZ_F32, x->shape, wide });
        max_pool_f32(&w, planes, wide, out, which);
        btz_tensor_convert(&(struct btz_tensor){ BTZ_F32, y->shape, out }, y);
    }
    if (!btz_call_out(call, 1))
        return BTZ_OK;
    BTZ_TRY(btz_attr_int(call->node, "storage_order", 0, &by_column));
    for (size_t i = 0; i < count; i++) {
        int64_t at = which[i], base = (int64_t)(i / w.out_size * w.in_size);

        if (by_column && at >= 0) {
            int64_t col = at % w.in[2], row = at / w.in[2] % w.in[1], z = at / (w.in[1] * w.in[2]);
            at = (col * w.in[1] + row) * w.in[0] + z;
        }
        ((int64_t *)call->out[1]->data)[i] = at < 0 ? at : base + at;
    }
    return BTZ_OK;
}

static enum btz_err grad_max(struct btz_call *call)
{
    const struct btz_tensor *g = call->out_grad[0];
    struct btz_window w;
    size_t planes;

    if (!g || !call->in_grad[0])
        return BTZ_OK;
    BTZ_TRY(btz_pool_window(call, &w, &planes));
    if (g->type == BTZ_F32)
        max_pool_grad_f32(&w, planes, g->data, call->scratch, call->in_grad[0]->data);
    else
        max_pool_grad_f64(&w, planes, g->data, call->scratch, call->in_grad[0]->data);
    return BTZ_OK;
}

/* ---- means and norms -------------------------------------------------------------------------------------------------- */

struct mean {
    struct btz_window w;
    int64_t with_pads, p; /* p: 0 for a mean */
};

static enum btz_err mean_of(const struct btz_call *call, struct mean *m, size_t *planes)
{
    *m = (struct mean){ 0 };
    BTZ_TRY(btz_pool_window(call, &m->w, planes));
    BTZ_TRY(btz_attr_int(call->node, "count_include_pad", 0, &m->with_pads));
    if (strstr(call->node->type, "Lp"))
        BTZ_TRY(btz_attr_int(call->node, "p", 2, &m->p));
    return BTZ_OK;
}

/* The elements of a window: visits each index into a plane. */
struct visit {
    const struct btz_window *w;
    int64_t from[3], to[3], step[3], at[3],
        padded; /* padded: elements with the pads, without what is behind them */
};

static bool visit_start(struct visit *v, const struct btz_window *w, size_t out)
{
    int64_t o[3] = { (int64_t)out / (w->out[1] * w->out[2]), (int64_t)out / w->out[2] % w->out[1],
                     (int64_t)out % w->out[2] };

    *v = (struct visit){ .w = w, .padded = 1 };
    for (int i = 0; i < 3; i++) {
        int64_t begin = o[i] * w->stride[i] - w->pad[i], inside = 0;

        v->step[i] = w->dilation[i];
        v->from[i] = begin < 0
                         ? begin + (-begin + w->dilation[i] - 1) / w->dilation[i] * w->dilation[i]
                         : begin;
        v->to[i] = begin + (w->kernel[i] - 1) * w->dilation[i] + 1;
        for (int64_t k = 0; k < w->kernel[i]; k++)
            inside += begin + k * w->dilation[i] < w->in[i] + w->pad_end[i];
        v->padded *= inside;
        if (v->to[i] > w->in[i])
            v->to[i] = w->in[i];
        v->at[i] = v->from[i];
        if (v->from[i] >= v->to[i])
            return false;
    }
    return true;
}

static size_t visit_index(const struct visit *v)
{
    return (size_t)((v->at[0] * v->w->in[1] + v->at[1]) * v->w->in[2] + v->at[2]);
}

static bool visit_next(struct visit *v)
{
    for (int i = 2; i >= 0; i--) {
        v->at[i] += v->step[i];
        if (v->at[i] < v->to[i])
            return true;
        v->at[i] = v->from[i];
    }
    return false;
}

static enum btz_err run_mean(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *y = call->out[0];
    struct mean m;
    size_t planes;

    BTZ_TRY(mean_of(call, &m, &planes));
    for (size_t o = 0; o < planes * m.w.out_size; o++) {
        size_t plane = o / m.w.out_size * m.w.in_size;
        double sum = 0, n = 0;
        struct visit v;

        for (bool more = visit_start(&v, &m.w, o % m.w.out_size); more;
             more = visit_next(&v), n++) {
            double e = btz_get(x, plane + visit_index(&v));
            sum += m.p ? pow(fabs(e), (double)m.p) : e;
        }
        if (m.with_pads)
            n = (double)v.padded;
        btz_set(y, o, m.p ? pow(sum, 1 / (double)m.p) : sum / n);
    }
    return BTZ_OK;
}

static enum btz_err grad_mean(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *y = call->out[0], *g = call->out_grad[0],
                            *d = call->in_grad[0];
    struct mean m;
    size_t planes;

    BTZ_TRY(mean_of(call, &m, &planes));
    for (size_t o = 0; o < planes * m.w.out_size; o++) {
        size_t plane = o / m.w.out_size * m.w.in_size;
        double go = btz_get(g, o), n = 0;
        struct visit v;

        for (bool more = visit_start(&v, &m.w, o % m.w.out_size); more && !m.p;
             more = visit_next(&v))
            n++;
        if (m.with_pads)
            n = (double)v.padded;
        for (bool more = visit_start(&v, &m.w, o % m.w.out_size); more; more = visit_next(&v)) {
            size_t at = plane + visit_index(&v);
            double e = m.p ? btz_get(x, at) : 0, norm = m.p ? btz_get(y, o) : 0;

            btz_add(d, at,
                    !m.p        ? go / n
                    : norm == 0 ? 0
                                : go * copysign(pow(fabs(e) / norm, (double)m.p - 1), e));
        }
    }
    return BTZ_OK;
}

#define MAX_OP(text)                                                                               \
    {                                                                                              \
        .name = text, .since = 1, .infer = infer, .run = run_max, .grad = grad_max,                \
        .scratch = scratch_max, .flags = BTZ_OP_GRAD_SAVED, .lanes = &btz_max_lanes                \
    }
#define MEAN_OP(text, need, own)                                                                   \
    {                                                                                              \
        .name = text, .since = 1, .infer = infer, .run = run_mean, .grad = grad_mean,              \
        .flags = need, .lanes = own                                                                \
    }
static const struct btz_op ops[] = {
    MAX_OP("MaxPool"),
    MAX_OP("GlobalMaxPool"),
    MEAN_OP("AveragePool", 0, &btz_mean_lanes),
    MEAN_OP("GlobalAveragePool", 0, &btz_mean_lanes),
    MEAN_OP("LpPool", BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT, NULL),
    MEAN_OP("GlobalLpPool", BTZ_OP_GRAD_IN | BTZ_OP_GRAD_OUT, NULL),
};
BTZ_OP_FAMILY(pool, ops);
