/*
 * Elements chosen by what they are: the largest, those that differ, those that are not zero, those under a condition.
 */
#include <math.h>
#include <stdlib.h>

#include "graph/kernel.h"

/* ---- OneHot ----------------------------------------------------------------------------------------------------------- */

static enum btz_err one_hot_axis(const struct btz_call *call, uint32_t *out)
{
    int64_t axis;

    BTZ_TRY(btz_attr_int(call->node, "axis", -1, &axis));
    return btz_axis(call, axis, call->in[0]->shape.rank + 1, out);
}

static enum btz_err infer_one_hot(struct btz_call *call, bool *later)
{
    struct btz_shape *out;
    const struct btz_shape *in;
    uint32_t axis;
    int64_t depth;

    BTZ_TRY(btz_call_counts(call, 3, 3));
    if (call->in[0]->type == BTZ_STRING || call->in[1]->type == BTZ_STRING ||
        btz_tensor_count(call->in[1]) != 1 || btz_tensor_count(call->in[2]) != 2)
        return btz_op_fail(call, BTZ_INPUT, "wants numbers, one depth and two values");
    BTZ_TRY(btz_want_rank(call, 0, 0, BTZ_RANK_MAX - 1));
    BTZ_TRY(one_hot_axis(call, &axis));
    call->out[0]->type = call->in[2]->type;
    if (!call->in[1]->data) {
        *later = true;
        return BTZ_OK;
    }
    depth = btz_at_int(call->in[1], 0);
    if (depth < 0)
        return btz_op_fail(call, BTZ_INPUT, "a depth of %" PRId64, depth);
    in = &call->in[0]->shape, out = &call->out[0]->shape;
    out->rank = in->rank + 1;
    for (uint32_t i = 0; i < out->rank; i++)
        out->dim[i] = i < axis ? in->dim[i] : i == axis ? depth : in->dim[i - 1];
    return BTZ_OK;
}

static enum btz_err run_one_hot(struct btz_call *call)
{
    size_t size = btz_type_size(call->out[0]->type);
    const uint8_t *values = call->in[2]->data;
    struct btz_split s;
    uint32_t axis;

    BTZ_TRY(one_hot_axis(call, &axis));
    s = btz_split_at(&call->out[0]->shape, axis);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            int64_t v = btz_at_int(call->in[0], o * s.inner + i);

            v += v < 0 ? (int64_t)s.n : 0;
            for (size_t k = 0; k < s.n; k++)
                memcpy((uint8_t *)call->out[0]->data + ((o * s.n + k) * s.inner + i) * size,
                       values + ((int64_t)k == v ? size : 0), size);
        }
    return BTZ_OK;
}

/* ---- TopK ------------------------------------------------------------------------------------------------------------- */

struct top {
    struct btz_split s;
    size_t k;
    bool least;
};

static enum btz_err top_of(const struct btz_call *call, struct top *t, uint32_t *axis, bool *known)
{
    int64_t at, k = 0, largest;

    BTZ_TRY(btz_attr_int(call->node, "axis", -1, &at));
    BTZ_TRY(btz_attr_int(call->node, "largest", 1, &largest));
    BTZ_TRY(btz_axis(call, at, call->in[0]->shape.rank, axis));
    *known = true;
    if (call->node->opset < 10)
        BTZ_TRY(btz_attr_int(call->node, "k", -1, &k));
    else {
        const struct btz_tensor *list = btz_call_in(call, 1);

        if (!list || btz_tensor_count(list) != 1 || !btz_type_is_integer(list->type))
            return btz_op_fail(call, BTZ_INPUT, "wants one K of int64");
        *known = list->data != NULL;
        k = *known ? btz_at_int(list, 0) : 0;
    }
    t->s = btz_split_at(&call->in[0]->shape, *axis);
    t->least = !largest;
    if (k < 0 || k > (int64_t)t->s.n)
        return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " of %zu elements", k, t->s.n);
    t->k = (size_t)k;
    return BTZ_OK;
}

static enum btz_err infer_top(struct btz_call *call, bool *later)
{
    struct top t;
    uint32_t axis;
    bool known;

    BTZ_TRY(btz_call_counts(call, 1, 2));
    BTZ_TRY(btz_infer_same(call, later));
    if (call->in[0]->type == BTZ_STRING)
        return btz_op_fail(call, BTZ_INPUT, "is not for strings");
    BTZ_TRY(top_of(call, &t, &axis, &known));
    *later = !known;
    call->out[0]->shape.dim[axis] = (int64_t)t.k;
    if (btz_call_out(call, 1)) {
        call->out[1]->type = BTZ_I64;
        call->out[1]->shape = call->out[0]->shape;
    }
    return BTZ_OK;
}

struct ranked {
    double real;
    int64_t whole; /* in place of `real` for whole numbers */
    size_t index;
};

/* The chosen indexes, for the gradient; and one line to sort. */
static size_t scratch_top(const struct btz_call *call)
{
    struct top t;
    uint32_t axis;
    size_t bytes;
    bool known;

    if (top_of(call, &t, &axis, &known) != BTZ_OK ||
        !btz_size_mul(t.s.n, sizeof(struct ranked), &bytes) ||
        !btz_size_add(bytes, btz_tensor_count(call->out[0]) * sizeof(int64_t), &bytes))
        return SIZE_MAX;
    return bytes;
}

/* Not a number is more than every number; equals in order of their places. */
static int ascending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (isnan(x->real) != isnan(y->real))
        return isnan(x->real) ? 1 : -1;
    if (x->real != y->real && !isnan(x->real))
        return x->real < y->real ? -1 : 1;
    if (x->whole != y->whole)
        return x->whole < y->whole ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int descending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (isnan(x->real) != isnan(y->real))
        return isnan(x->real) ? -1 : 1;
    if (x->real != y->real && !isnan(x->real))
        return x->real > y->real ? -1 : 1;
    if (x->whole != y->whole)
        return x->whole > y->whole ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static enum btz_err run_top(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0];
    size_t size = btz_type_size(x->type), chosen = btz_tensor_count(call->out[0]);
    int64_t *index = call->scratch;
    struct ranked *line = (struct ranked *)(index + chosen);
    bool real = btz_type_is_real(x->type);
    struct top t;
    uint32_t axis;
    bool known;

    BTZ_TRY(top_of(call, &t, &axis, &known));
    for (size_t at = 0; at < t.s.outer * t.s.inner && t.k; at++) {
        size_t o = at / t.s.inner, i = at % t.s.inner;

        for (size_t k = 0; k < t.s.n; k++) {
            size_t e = (o * t.s.n + k) * t.s.inner + i;

            line[k] = (struct ranked){ real ? btz_get(x, e) : 0, real ? 0 : btz_at_int(x, e), k };
            if (x->type == BTZ_U64) /* the same order with a sign */
                line[k].whole = (int64_t)((uint64_t)line[k].whole ^ (UINT64_C(1) << 63));
        }
        qsort(line, t.s.n, sizeof *line, t.least ? ascending : descending);
        for (size_t k = 0; k < t.k; k++) {
            size_t to = (o * t.k + k) * t.s.inner + i,
                   from = (o * t.s.n + line[k].index) * t.s.inner + i;

            memcpy((uint8_t *)call->out[0]->data + to * size,
                   (const uint8_t *)x->data + from * size, size);
            index[to] = (int64_t)line[k].index;
            if (btz_call_out(call, 1))
                ((int64_t *)call->out[1]->data)[to] = index[to];
        }
    }
    return BTZ_OK;
}

static enum btz_err grad_top(struct btz_call *call)
{
    const int64_t *index = call->scratch;
    struct top t;
    uint32_t axis;
    bool known;

    if (!call->in_grad[0] || !call->out_grad[0])
        return BTZ_OK;
    BTZ_TRY(top_of(call, &t, &axis, &known));
    for (size_t to = 0, n = btz_tensor_count(call->out[0]); to < n; to++)
        btz_add(call->in_grad[0],
                (to / t.s.inner / t.k * t.s.n + (size_t)index[to]) * t.s.inner + to % t.s.inner,
                btz_get(call->out_grad[0], to));
    return BTZ_OK;
}

/* ---- NonZero, Compress ------------------------------------------------------------------------------------------------ */

static bool is_zero(const struct btz_tensor *t, size_t i)
{
    return t->type == BTZ_STRING ? !((const struct btz_slice *)t->data)[i].len
                                 : btz_at_real(t, i) == 0;
}

static size_t count_set(const struct btz_tensor *t, size_t most)
{
    size_t n = btz_tensor_count(t), set = 0;

    for (size_t i = 0; i < n && i < most; i++)
        set += !is_zero(t, i);
    return set;
}

static enum btz_err infer_non_zero(struct btz_call *call, bool *later)
{
    uint32_t rank;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    rank = call->in[0]->shape.rank;
    call->out[0]->type = BTZ_I64;
    if (!call->in[0]->data)
        *later = true;
    else
        call->out[0]->shape =
            (struct btz_shape){ 2, { rank, (int64_t)count_set(call->in[0], SIZE_MAX) } };
    return BTZ_OK;
}

static enum btz_err run_non_zero(struct btz_call *call)
{
    const struct btz_shape *s = &call->in[0]->shape;
    size_t found = 0, all = (size_t)call->out[0]->shape.dim[1];
    int64_t *out = call->out[0]->data;

    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        size_t rest = i;

        if (is_zero(call->in[0], i))
            continue;
        for (uint32_t d = s->rank; d-- > 0; rest /= (size_t)s->dim[d])
            out[d * all + found] = (int64_t)(rest % (size_t)s->dim[d]);
        found++;
    }
    return BTZ_OK;
}

/* Without an axis all elements are one. */
static enum btz_err compress_split(const struct btz_call *call, struct btz_split *s, uint32_t *axis,
                                   bool *flat)
{
    int64_t at;

    *flat = btz_attr(call->node, "axis") == NULL;
    *axis = 0;
    if (*flat) {
        *s = (struct btz_split){ 1, btz_tensor_count(call->in[0]), 1 };
        return BTZ_OK;
    }
    BTZ_TRY(btz_attr_int(call->node, "axis", 0, &at));
    BTZ_TRY(btz_axis(call, at, call->in[0]->shape.rank, axis));
    *s = btz_split_at(&call->in[0]->shape, *axis);
    return BTZ_OK;
}

static enum btz_err infer_compress(struct btz_call *call, bool *later)
{
    struct btz_split s;
    uint32_t axis;
    bool flat;

    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_want_rank(call, 1, 1, 1));
    if (call->in[1]->type != BTZ_BOOL)
        return btz_op_fail(call, BTZ_INPUT, "wants a condition of truth values");
    BTZ_TRY(compress_split(call, &s, &axis, &flat));
    if (!call->in[1]->data) {
        *later = true;
        return BTZ_OK;
    }
    if (flat)
        call->out[0]->shape = (struct btz_shape){ .rank = 1 };
    call->out[0]->shape.dim[axis] = (int64_t)count_set(call->in[1], s.n);
    return BTZ_OK;
}

static enum btz_err compress(struct btz_call *call, bool back)
{
    const uint8_t *chosen = call->in[1]->data;
    size_t size = btz_type_size(call->in[0]->type), to = 0, given = btz_tensor_count(call->in[1]);
    struct btz_split s;
    uint32_t axis;
    bool flat;

    BTZ_TRY(compress_split(call, &s, &axis, &flat));
    for (size_t o = 0; o < s.outer; o++)
        for (size_t k = 0; k < s.n && k < given; k++) {
            size_t from = (o * s.n + k) * s.inner;

            if (!chosen[k])
                continue;
            if (!back)
                memcpy((uint8_t *)call->out[0]->data + to * size,
                       (const uint8_t *)call->in[0]->data + from * size, s.inner * size);
            for (size_t i = 0; i < s.inner && back && call->in_grad[0]; i++)
                btz_add(call->in_grad[0], from + i, btz_get(call->out_grad[0], to + i));
            to += s.inner;
        }
    return BTZ_OK;
}

static enum btz_err run_compress(struct btz_call *call)
{
    return compress(call, false);
}

static enum btz_err grad_compress(struct btz_call *call)
{
    return compress(call, true);
}

/* ---- Unique ----------------------------------------------------------------------------------------------------------- */

/* Items along an axis, or single elements. */
struct items {
    const struct btz_tensor *x;
    struct btz_split s;
    uint32_t axis;
    bool flat;
};

static int compare_elements(const struct btz_tensor *t, size_t a, size_t b)
{
    if (t->type == BTZ_STRING) {
        const struct btz_slice *x = (const struct btz_slice *)t->data + a,
                               *y = (const struct btz_slice *)t->data + b;
        size_t n = x->len < y->len ? x->len : y->len;
        int c = n ? memcmp(x->ptr, y->ptr, n) : 0;

        return c ? c : x->len < y->len ? -1 : x->len > y->len;
    }
    if (btz_type_is_real(t->type)) {
        double x = btz_get(t, a), y = btz_get(t, b);

        if (isnan(x) || isnan(y))
            return isnan(x) - isnan(y);
        return x < y ? -1 : x > y;
    }
    if (t->type == BTZ_U64) {
        uint64_t x = ((const uint64_t *)t->data)[a], y = ((const uint64_t *)t->data)[b];
        return x < y ? -1 : x > y;
    }
    return btz_at_int(t, a) < btz_at_int(t, b) ? -1 : btz_at_int(t, a) > btz_at_int(t, b);
}

static int compare_items(const struct items *it, size_t a, size_t b)
{
    for (size_t o = 0; o < it->s.outer; o++)
        for (size_t i = 0; i < it->s.inner; i++) {
            int c = compare_elements(it->x, (o * it->s.n + a) * it->s.inner + i,
                                     (o * it->s.n + b) * it->s.inner + i);
            if (c)
                return c;
        }
    return 0;
}

static int by_item(const void *a, const void *b, void *user)
{
    const size_t *x = a, *y = b;
    int c = compare_items(user, *x, *y);

    return c ? c : *x < *y ? -1 : *x > *y;
}

static int by_number(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* order: the items sorted; first: the first of each kind in the order of the output. */
static enum btz_err sort_items(const struct btz_call *call, struct items *it, size_t **order,
                               size_t **first, size_t *kinds)
{
    size_t bytes, *list;
    int64_t sorted;

    it->x = call->in[0];
    BTZ_TRY(compress_split(call, &it->s, &it->axis, &it->flat));
    BTZ_TRY(btz_attr_int(call->node, "sorted", 1, &sorted));
    if (!btz_size_mul(it->s.n + 1, 2 * sizeof(size_t), &bytes) || !(list = malloc(bytes)))
        return btz_op_fail(call, BTZ_LIMIT, "needs too much memory");
    *order = list;
    *first = list + it->s.n;
    *kinds = 0;
    for (size_t i = 0; i < it->s.n; i++)
        list[i] = i;
    if (it->s.n)
        qsort_r(list, it->s.n, sizeof *list, by_item, it);
    for (size_t i = 0; i < it->s.n; i++)
        if (i == 0 || compare_items(it, list[i - 1], list[i]) != 0)
            (*first)[(*kinds)++] = list[i];
    if (!sorted && *kinds)
        qsort(*first, *kinds, sizeof *list, by_number);
    return BTZ_OK;
}

static enum btz_err infer_unique(struct btz_call *call, bool *later)
{
    BTZ_FREE size_t *order = NULL;
    size_t *first, kinds;
    struct items it;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    for (uint32_t k = 1; k < call->out_count; k++)
        if (call->out[k])
            *call->out[k] = (struct btz_tensor){ BTZ_I64, { .rank = 1 }, call->out[k]->data };
    if (!call->in[0]->data) {
        *later = true;
        return BTZ_OK;
    }
    BTZ_TRY(sort_items(call, &it, &order, &first, &kinds));
    if (it.flat)
        call->out[0]->shape = (struct btz_shape){ .rank = 1 };
    call->out[0]->shape.dim[it.axis] = (int64_t)kinds;
    for (uint32_t k = 1; k < call->out_count; k++)
        if (call->out[k])
            call->out[k]->shape.dim[0] = (int64_t)(k == 2 ? it.s.n : kinds);
    return BTZ_OK;
}

/* The kind of an item: `first` is sorted by items, or by number where the output is not sorted. */
static enum btz_err run_unique(struct btz_call *call)
{
    BTZ_FREE size_t *order = NULL;
    size_t *first, kinds, size = btz_type_size(call->in[0]->type), at = 0, kind = 0;
    int64_t *indices = btz_call_out(call, 1) ? call->out[1]->data : NULL,
            *inverse = btz_call_out(call, 2) ? call->out[2]->data : NULL,
            *counts = btz_call_out(call, 3) ? call->out[3]->data : NULL;
    struct items it;

    BTZ_TRY(sort_items(call, &it, &order, &first, &kinds));
    for (size_t o = 0; o < it.s.outer; o++)
        for (size_t k = 0; k < kinds; k++, at++)
            memcpy((uint8_t *)call->out[0]->data + at * it.s.inner * size,
                   (const uint8_t *)call->in[0]->data + (o * it.s.n + first[k]) * it.s.inner * size,
                   it.s.inner * size);
    for (size_t k = 0; k < kinds; k++) {
        if (indices)
            indices[k] = (int64_t)first[k];
        if (counts)
            counts[k] = 0;
    }
    for (size_t i = 0; i < it.s.n; i++) {
        if (i == 0 || compare_items(&it, order[i - 1], order[i]) != 0) {
            const size_t *found = NULL;

            /* order[i] is the first of its kind. */
            if (kind < kinds && first[kind] == order[i])
                at = kind++;
            else if ((found = bsearch(&order[i], first, kinds, sizeof *first, by_number)))
                at = (size_t)(found - first);
        }
        if (inverse)
            inverse[order[i]] = (int64_t)at;
        if (counts)
            counts[at]++;
    }
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "OneHot", .since = 9, .infer = infer_one_hot, .run = run_one_hot },
    { .name = "TopK",
      .since = 7,
      .infer = infer_top,
      .run = run_top,
      .grad = grad_top,
      .scratch = scratch_top,
      .flags = BTZ_OP_GRAD_SAVED },
    { .name = "NonZero", .since = 9, .infer = infer_non_zero, .run = run_non_zero },
    { .name = "Compress",
      .since = 9,
      .infer = infer_compress,
      .run = run_compress,
      .grad = grad_compress,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "Unique", .since = 11, .infer = infer_unique, .run = run_unique },
};
BTZ_OP_FAMILY(select, ops);
