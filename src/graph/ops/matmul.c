/*
 * Matrix products: MatMul by numpy's rule for stacks, Gemm.
 */
#include "graph/ops/conv.h"
#include "graph/ops/dense.h"

/* A stack of products: shapes of the stacks, and one product. */
struct stack {
    struct btz_shape a, b, out; /* without the last two axes */
    size_t m, n, k;
};

static enum btz_err stack_of(const struct btz_call *call, struct stack *s, struct btz_shape *shape)
{
    const struct btz_shape *a = &call->in[0]->shape, *b = &call->in[1]->shape;
    bool vector_a = a->rank == 1, vector_b = b->rank == 1;
    enum btz_err err;

    if (!a->rank || !b->rank)
        return btz_op_fail(call, BTZ_INPUT, "an input is a scalar");
    s->a = s->b = (struct btz_shape){ 0 };
    s->m = vector_a ? 1 : (size_t)a->dim[a->rank - 2];
    s->k = (size_t)a->dim[a->rank - 1];
    s->n = vector_b ? 1 : (size_t)b->dim[b->rank - 1];
    if ((size_t)b->dim[vector_b ? 0 : b->rank - 2] != s->k) {
        char x[BTZ_SHAPE_TEXT], y[BTZ_SHAPE_TEXT];
        return btz_op_fail(call, BTZ_INPUT, "no product of %s and %s", btz_shape_text(a, x),
                           btz_shape_text(b, y));
    }
    for (; !vector_a && s->a.rank + 2 < a->rank; s->a.rank++)
        s->a.dim[s->a.rank] = a->dim[s->a.rank];
    for (; !vector_b && s->b.rank + 2 < b->rank; s->b.rank++)
        s->b.dim[s->b.rank] = b->dim[s->b.rank];
    err = btz_shape_broadcast(&s->a, &s->b, &s->out);
    if (err != BTZ_OK)
        return btz_op_fail_at(call, err);
    *shape = s->out;
    if (!vector_a)
        shape->dim[shape->rank++] = (int64_t)s->m;
    if (!vector_b)
        shape->dim[shape->rank++] = (int64_t)s->n;
    return BTZ_OK;
}

static enum btz_err infer_matmul(struct btz_call *call, bool *later)
{
    struct stack s;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 2));
    if (call->in[0]->type != call->in[1]->type || call->in[0]->type == BTZ_STRING ||
        call->in[0]->type == BTZ_BOOL)
        return btz_op_fail(call, BTZ_INPUT, "inputs of types %s and %s",
                           btz_type_name(call->in[0]->type), btz_type_name(call->in[1]->type));
    call->out[0]->type = call->in[0]->type;
    return stack_of(call, &s, &call->out[0]->shape);
}

static void int_product(const struct stack *s, const struct btz_tensor *a, size_t at_a,
                        const struct btz_tensor *b, size_t at_b, const struct btz_tensor *c,
                        size_t at_c)
{
    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < s->n; j++) {
            uint64_t sum = 0;

            for (size_t k = 0; k < s->k; k++)
                sum += (uint64_t)btz_at_int(a, at_a + i * s->k + k) *
                       (uint64_t)btz_at_int(b, at_b + k * s->n + j);
            btz_put_int(c, at_c + i * s->n + j, (int64_t)sum);
        }
}

static void *part(const struct btz_tensor *t, size_t at)
{
    return (uint8_t *)t->data + at * btz_type_size(t->type);
}

static enum btz_err run_matmul(struct btz_call *call)
{
    const struct btz_tensor *a = call->in[0], *b = call->in[1], *c = call->out[0];
    struct btz_gemm g = { .type = a->type, .reference = call->reference, .alpha = 1 };
    struct btz_shape shape;
    struct btz_walk w;
    struct stack s;
    size_t at = 0;

    BTZ_TRY(stack_of(call, &s, &shape));
    g.m = s.m, g.n = s.n, g.k = s.k;
    btz_walk_init(&w, &s.out, 2, (const struct btz_shape *const[]){ &s.a, &s.b });
    if (s.b.rank == 0 && btz_type_is_real(a->type)) { /* one matrix for all: one product */
        g.m *= w.len;
        w.len = 1;
    }
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++, at++) {
        size_t x = (w.at[0] + i * w.step[0]) * s.m * s.k, y = (w.at[1] + i * w.step[1]) * s.k * s.n;

        if (btz_type_is_real(a->type))
            btz_gemm(&g, part(a, x), part(b, y), part(c, at * s.m * s.n));
        else
            int_product(&s, a, x, b, y, c, at * s.m * s.n);
    }
    return BTZ_OK;
}

static enum btz_err grad_matmul(struct btz_call *call)
{
    const struct btz_tensor *a = call->in[0], *b = call->in[1], *g = call->out_grad[0];
    struct btz_gemm da = {
        .type = a->type, .reference = call->reference, .alpha = 1, .beta = 1, .trans_b = true
    };
    struct btz_gemm db = {
        .type = a->type, .reference = call->reference, .alpha = 1, .beta = 1, .trans_a = true
    };
    struct btz_shape shape;
    struct btz_walk w;
    struct stack s;
    size_t at = 0;

    BTZ_TRY(stack_of(call, &s, &shape));
    da.m = s.m, da.n = s.k, da.k = s.n;
    db.m = s.k, db.n = s.n, db.k = s.m;
    btz_walk_init(&w, &s.out, 2, (const struct btz_shape *const[]){ &s.a, &s.b });
    if (s.b.rank == 0) {
        da.m *= w.len;
        db.k *= w.len;
        w.len = w.len ? 1 : 0;
    }
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++, at++) {
        size_t x = (w.at[0] + i * w.step[0]) * s.m * s.k, y = (w.at[1] + i * w.step[1]) * s.k * s.n;

        if (call->in_grad[0])
            btz_gemm(&da, part(g, at * s.m * s.n), part(b, y), part(call->in_grad[0], x));
        if (call->in_grad[1])
            btz_gemm(&db, part(a, x), part(g, at * s.m * s.n), part(call->in_grad[1], y));
    }
    return BTZ_OK;
}

/* ---- Gemm ------------------------------------------------------------------------------------------------------------- */

struct gemm_state {
    float alpha, beta;
    int64_t ta, tb;
};

static enum btz_err prepare_gemm(struct btz_call *call, struct btz_arena *arena)
{
    struct gemm_state *s = btz_arena_alloc(arena, sizeof *s);

    if (!s)
        return BTZ_LIMIT;
    BTZ_TRY(btz_attr_float(call->node, "alpha", 1, &s->alpha));
    BTZ_TRY(btz_attr_float(call->node, "beta", 1, &s->beta));
    BTZ_TRY(btz_attr_int(call->node, "transA", 0, &s->ta));
    BTZ_TRY(btz_attr_int(call->node, "transB", 0, &s->tb));
    call->state = s;
    return BTZ_OK;
}

static enum btz_err infer_gemm(struct btz_call *call, bool *later)
{
    const struct gemm_state *s = call->state;
    const struct btz_shape *a, *b;
    struct btz_shape both, *out;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 2, 3));
    for (uint32_t i = 0; i < call->in_count; i++)
        if (call->in[i]) {
            BTZ_TRY(btz_want_real(call, i));
            BTZ_TRY(btz_want_rank(call, i, i < 2 ? 2 : 0, 2));
            if (call->in[i]->type != call->in[0]->type)
                return btz_op_fail(call, BTZ_INPUT, "inputs of several types");
        }
    a = &call->in[0]->shape, b = &call->in[1]->shape, out = &call->out[0]->shape;
    *out = (struct btz_shape){ 2, { a->dim[s->ta ? 1 : 0], b->dim[s->tb ? 0 : 1] } };
    call->out[0]->type = call->in[0]->type;
    if (a->dim[s->ta ? 0 : 1] != b->dim[s->tb ? 1 : 0])
        return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " columns times %" PRId64 " rows",
                           a->dim[s->ta ? 0 : 1], b->dim[s->tb ? 1 : 0]);
    if (btz_call_in(call, 2) && (btz_shape_broadcast(out, &call->in[2]->shape, &both) != BTZ_OK ||
                                 !btz_shape_equal(&both, out)))
        return btz_op_fail(call, BTZ_INPUT, "the third input does not fit the product");
    return BTZ_OK;
}

bool btz_dense_of(const struct btz_call *call, struct btz_dense *d)
{
    const struct btz_shape *x = &call->in[0]->shape, *w = &call->in[1]->shape;
    const struct btz_tensor *bias = btz_call_in(call, 2);
    const struct gemm_state *s = call->state; /* none: a MatMul */
    bool across = s && s->tb;

    if (x->rank != 2 || w->rank != 2 || (s && s->ta))
        return false;
    *d = (struct btz_dense){ .in = (size_t)w->dim[across],
                             .out = (size_t)w->dim[!across],
                             .in_stride = across ? 1 : (size_t)w->dim[1],
                             .out_stride = across ? (size_t)w->dim[1] : 1,
                             .alpha = s ? s->alpha : 1,
                             .beta = s ? s->beta : 0 };
    /* A bias for each output. */
    return d->in > 0 && d->out > 0 &&
           (!bias || (bias->shape.rank > 0 && btz_tensor_count(bias) == d->out &&
                      bias->shape.dim[bias->shape.rank - 1] == (int64_t)d->out));
}

static enum btz_err run_gemm(struct btz_call *call)
{
    const struct gemm_state *s = call->state;
    const struct btz_tensor *c = btz_call_in(call, 2), *out = call->out[0];
    struct btz_gemm g = { .type = out->type,
                          .reference = call->reference,
                          .trans_a = s->ta,
                          .trans_b = s->tb,
                          .m = (size_t)out->shape.dim[0],
                          .n = (size_t)out->shape.dim[1],
                          .k = (size_t)call->in[0]->shape.dim[s->ta ? 0 : 1],
                          .alpha = (double)s->alpha,
                          .beta = c ? 1 : 0 };

    if (c) {
        struct btz_walk w;
        size_t at = 0;

        btz_walk_init(&w, &out->shape, 1, (const struct btz_shape *const[]){ &c->shape });
        BTZ_WALK(&w)
        for (size_t i = 0; i < w.len; i++)
            btz_set(out, at++, (double)s->beta * btz_get(c, w.at[0] + i * w.step[0]));
    }
    btz_gemm(&g, call->in[0]->data, call->in[1]->data, out->data);
    return BTZ_OK;
}

static enum btz_err grad_gemm(struct btz_call *call)
{
    const struct gemm_state *s = call->state;
    const struct btz_tensor *g = call->out_grad[0], *a = call->in[0], *b = call->in[1];
    size_t m = (size_t)g->shape.dim[0], n = (size_t)g->shape.dim[1];
    size_t k = (size_t)a->shape.dim[s->ta ? 0 : 1];
    struct btz_gemm p = {
        .type = g->type, .reference = call->reference, .alpha = (double)s->alpha, .beta = 1
    };

    if (call->in_grad[0]) {
        p.k = n;
        if (s->ta) { /* dA' = B G' */
            p.m = k, p.n = m, p.trans_a = s->tb, p.trans_b = true;
            btz_gemm(&p, b->data, g->data, call->in_grad[0]->data);
        } else { /* dA = G B' */
            p.m = m, p.n = k, p.trans_a = false, p.trans_b = !s->tb;
            btz_gemm(&p, g->data, b->data, call->in_grad[0]->data);
        }
    }
    if (call->in_grad[1]) {
        p.k = m;
        if (s->tb) { /* dB' = G' A */
            p.m = n, p.n = k, p.trans_a = true, p.trans_b = s->ta;
            btz_gemm(&p, g->data, a->data, call->in_grad[1]->data);
        } else { /* dB = A' G */
            p.m = k, p.n = n, p.trans_a = !s->ta, p.trans_b = false;
            btz_gemm(&p, a->data, g->data, call->in_grad[1]->data);
        }
    }
    if (btz_call_in_grad(call, 2)) {
        struct btz_walk w;
        size_t at = 0;

        btz_walk_init(&w, &g->shape, 1, (const struct btz_shape *const[]){ &call->in[2]->shape });
        BTZ_WALK(&w)
        for (size_t i = 0; i < w.len; i++)
            btz_add(call->in_grad[2], w.at[0] + i * w.step[0], (double)s->beta * btz_get(g, at++));
    }
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "MatMul",
      .since = 7,
      .infer = infer_matmul,
      .run = run_matmul,
      .grad = grad_matmul,
      .lanes = &btz_dense_lanes,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "Gemm",
      .since = 7,
      .prepare = prepare_gemm,
      .infer = infer_gemm,
      .run = run_gemm,
      .grad = grad_gemm,
      .lanes = &btz_dense_lanes,
      .flags = BTZ_OP_GRAD_IN },
};
BTZ_OP_FAMILY(matmul, ops);
