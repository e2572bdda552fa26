/*
 * Einstein's sums, and determinants.
 */
#include <math.h>

#include "graph/kernel.h"

#define OPERANDS  8
#define LABELS    24
#define WORK_MAX  ((size_t)1 << 32) /* products of one node, where no matrix product fits */
#define DOTS_BASE 128 /* labels of what an ellipsis stands for: the last axis is the first */

/* The labels of the output come first, in its order; then those over which is summed. */
struct einsum {
    uint32_t operands, labels, out_labels;
    uint8_t label[LABELS];
    int64_t dim[LABELS];
    size_t stride[OPERANDS][LABELS];
};

/* The labels of one term, of `rank` axes; rank < 0: as many as it says, `dots` for the ellipsis. */
static enum btz_err read_term(const struct btz_call *call, struct btz_slice term, int64_t rank,
                              uint32_t dots, uint8_t out[LABELS], uint32_t *count)
{
    uint32_t letters = 0;
    bool has_dots = false;

    for (size_t i = 0; i < term.len; i++) {
        uint8_t c = term.ptr[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            letters++;
        else if (c == '.' && !has_dots && i + 2 < term.len && term.ptr[i + 1] == '.' &&
                 term.ptr[i + 2] == '.') {
            has_dots = true;
            i += 2;
        } else if (c != ' ')
            return btz_op_fail(call, BTZ_INPUT, "'%c' in the equation",
                               c >= 32 && c < 127 ? c : '?');
    }
    if (rank >= 0) {
        if (letters > rank || (!has_dots && letters != rank))
            return btz_op_fail(call, BTZ_INPUT, "%" PRIu32 " labels for %" PRId64 " axes", letters,
                               rank);
        dots = (uint32_t)rank - letters;
    }
    *count = 0;
    if (letters + (has_dots ? dots : 0) > LABELS)
        return btz_op_fail(call, BTZ_LIMIT, "more than %d labels", LABELS);
    for (size_t i = 0; i < term.len; i++) {
        if (term.ptr[i] == '.') {
            for (uint32_t k = dots; k-- > 0;)
                out[(*count)++] = (uint8_t)(DOTS_BASE + k);
            i += 2;
        } else if (term.ptr[i] != ' ')
            out[(*count)++] = term.ptr[i];
    }
    return BTZ_OK;
}

static uint32_t find_label(const struct einsum *e, uint8_t label)
{
    uint32_t i = 0;

    while (i < e->labels && e->label[i] != label)
        i++;
    return i;
}

static enum btz_err add_label(const struct btz_call *call, struct einsum *e, uint8_t label,
                              uint32_t *at)
{
    *at = find_label(e, label);
    if (*at < e->labels)
        return BTZ_OK;
    if (e->labels == LABELS)
        return btz_op_fail(call, BTZ_LIMIT, "more than %d labels", LABELS);
    e->label[e->labels] = label;
    e->dim[e->labels++] = 1;
    return BTZ_OK;
}

/* The output's labels where the equation has no arrow: those of an ellipsis, then those that appear once, by alphabet. */
static void implicit(const struct btz_slice text, uint32_t dots, uint8_t out[LABELS],
                     uint32_t *count)
{
    *count = 0;
    for (uint32_t k = dots; k-- > 0;)
        out[(*count)++] = (uint8_t)(DOTS_BASE + k);
    for (uint8_t c = 'A'; c <= 'z'; c++) {
        size_t seen = 0;

        for (size_t i = 0; i < text.len; i++)
            seen += text.ptr[i] == c && c != '[' && c != ']' && c != '^';
        if (seen == 1 && *count < LABELS)
            out[(*count)++] = c;
    }
}

static struct btz_slice next_term(struct btz_slice *rest)
{
    size_t n = 0;
    struct btz_slice term;

    while (n < rest->len && rest->ptr[n] != ',')
        n++;
    term = btz_slice_of(rest->ptr, n);
    *rest = n < rest->len ? btz_slice_of(rest->ptr + n + 1, rest->len - n - 1)
                          : btz_slice_of(rest->ptr + n, 0);
    return term;
}

static enum btz_err read_operand(const struct btz_call *call, struct einsum *e, uint32_t k,
                                 const uint8_t *labels, uint32_t count)
{
    const struct btz_shape *s = &call->in[k]->shape;
    size_t stride = 1;

    for (uint32_t i = count; i-- > 0;) {
        int64_t d = s->dim[i];
        uint32_t at;

        BTZ_TRY(add_label(call, e, labels[i], &at));
        if (d != e->dim[at] && d != 1 && e->dim[at] != 1)
            return btz_op_fail(call, BTZ_INPUT,
                               "input %" PRIu32 ": axis %" PRIu32 " has %" PRId64
                               " elements, another of the same label %" PRId64,
                               k, i, d, e->dim[at]);
        if (d != 1) {
            e->dim[at] = d;
            e->stride[k][at] += stride;
        }
        stride *= (size_t)d;
    }
    return BTZ_OK;
}

static enum btz_err einsum_of(const struct btz_call *call, struct einsum *e)
{
    uint8_t labels[OPERANDS][LABELS], out[LABELS];
    uint32_t counts[OPERANDS], out_count, dots = 0, at;
    struct btz_slice text, left, rest;
    size_t arrow = 0;

    *e = (struct einsum){ .operands = call->in_count };
    BTZ_TRY(btz_attr_string(call->node, "equation", "", &text));
    if (call->in_count > OPERANDS)
        return btz_op_fail(call, BTZ_LIMIT, "more than %d inputs", OPERANDS);
    while (arrow < text.len && text.ptr[arrow] != '-')
        arrow++;
    left = rest = btz_slice_of(text.ptr, arrow);
    if (arrow < text.len && (arrow + 1 >= text.len || text.ptr[arrow + 1] != '>'))
        return btz_op_fail(call, BTZ_INPUT, "an arrow that is none in the equation");
    for (uint32_t k = 0; k < call->in_count; k++) {
        struct btz_slice term = next_term(&rest);
        uint32_t letters = 0, own;

        BTZ_TRY(read_term(call, term, call->in[k]->shape.rank, 0, labels[k], &counts[k]));
        for (uint32_t i = 0; i < counts[k]; i++)
            letters += labels[k][i] < DOTS_BASE;
        own = counts[k] - letters;
        dots = own > dots ? own : dots;
    }
    at = 1;
    for (size_t i = 0; i < left.len; i++)
        at += left.ptr[i] == ',';
    if (at != call->in_count)
        return btz_op_fail(call, BTZ_INPUT, "%" PRIu32 " terms for %" PRIu32 " inputs", at,
                           call->in_count);
    if (arrow < text.len)
        BTZ_TRY(read_term(call, btz_slice_of(text.ptr + arrow + 2, text.len - arrow - 2), -1, dots,
                          out, &out_count));
    else
        implicit(left, dots, out, &out_count);
    for (uint32_t i = 0; i < out_count; i++) {
        if (find_label(e, out[i]) < e->labels)
            return btz_op_fail(call, BTZ_INPUT, "a label of the output appears twice");
        BTZ_TRY(add_label(call, e, out[i], &at));
    }
    e->out_labels = out_count;
    for (uint32_t k = 0; k < call->in_count; k++)
        BTZ_TRY(read_operand(call, e, k, labels[k], counts[k]));
    /* A label of the output that no input has. */
    for (uint32_t i = 0; i < e->out_labels; i++) {
        bool found = false;

        for (uint32_t k = 0; k < call->in_count && !found; k++)
            found = memchr(labels[k], e->label[i], counts[k]) != NULL;
        if (!found)
            return btz_op_fail(call, BTZ_INPUT, "a label of the output is in no input");
    }
    return BTZ_OK;
}

static enum btz_err infer_einsum(struct btz_call *call, bool *later)
{
    struct einsum e;
    size_t work = 1;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, UINT32_MAX));
    for (uint32_t k = 0; k < call->in_count; k++) {
        if (!call->in[k])
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is left out", k);
        BTZ_TRY(btz_want_real(call, k));
        if (call->in[k]->type != call->in[0]->type)
            return btz_op_fail(call, BTZ_INPUT, "inputs of different types");
    }
    BTZ_TRY(einsum_of(call, &e));
    if (e.out_labels > BTZ_RANK_MAX)
        return btz_op_fail(call, BTZ_LIMIT, "an output of %" PRIu32 " axes", e.out_labels);
    call->out[0]->type = call->in[0]->type;
    call->out[0]->shape.rank = e.out_labels;
    memcpy(call->out[0]->shape.dim, e.dim, e.out_labels * sizeof e.dim[0]);
    for (uint32_t i = 0; i < e.labels; i++)
        if (!btz_size_mul(work, (size_t)e.dim[i], &work) || work > WORK_MAX)
            return btz_op_fail(call, BTZ_LIMIT, "more than %zu products", WORK_MAX);
    return BTZ_OK;
}

/* Visits every index over all labels; at[k] is the element of operand k, out that of the output. */
struct visit {
    size_t at[OPERANDS], out, inner;
    int64_t index[LABELS];
};

static size_t count_from(const struct einsum *e, uint32_t first)
{
    size_t n = 1;

    for (uint32_t i = first; i < e->labels; i++)
        n *= (size_t)e->dim[i];
    return n;
}

static void visit_next(struct visit *v, const struct einsum *e)
{
    for (uint32_t i = e->labels; i-- > 0;) {
        if (++v->index[i] < e->dim[i]) {
            for (uint32_t k = 0; k < e->operands; k++)
                v->at[k] += e->stride[k][i];
            break;
        }
        for (uint32_t k = 0; k < e->operands; k++)
            v->at[k] -= e->stride[k][i] * (size_t)(e->dim[i] - 1);
        v->index[i] = 0;
    }
}

static enum btz_err run_einsum(struct btz_call *call)
{
    size_t outs = btz_tensor_count(call->out[0]), inner;
    struct visit v = { 0 };
    struct einsum e;

    BTZ_TRY(einsum_of(call, &e));
    inner = count_from(&e, e.out_labels);
    for (size_t o = 0; o < outs; o++) {
        double sum = 0;

        for (size_t i = 0; i < inner; i++) {
            double p = btz_get(call->in[0], v.at[0]);

            for (uint32_t k = 1; k < e.operands; k++)
                p *= btz_get(call->in[k], v.at[k]);
            sum += p;
            visit_next(&v, &e);
        }
        btz_set(call->out[0], o, sum);
    }
    return BTZ_OK;
}

static enum btz_err grad_einsum(struct btz_call *call)
{
    size_t outs = btz_tensor_count(call->out[0]), inner;
    struct visit v = { 0 };
    struct einsum e;

    BTZ_TRY(einsum_of(call, &e));
    inner = count_from(&e, e.out_labels);
    for (size_t o = 0; o < outs; o++) {
        double g = btz_get(call->out_grad[0], o);

        for (size_t i = 0; i < inner; i++) {
            for (uint32_t k = 0; k < e.operands; k++) {
                double p = g;

                if (!call->in_grad[k])
                    continue;
                for (uint32_t j = 0; j < e.operands; j++)
                    p *= j == k ? 1 : btz_get(call->in[j], v.at[j]);
                btz_add(call->in_grad[k], v.at[k], p);
            }
            visit_next(&v, &e);
        }
    }
    return BTZ_OK;
}

/* ---- Det -------------------------------------------------------------------------------------------------------------- */

static enum btz_err infer_det(struct btz_call *call, bool *later)
{
    struct btz_shape *out;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_rank(call, 0, 2, BTZ_RANK_MAX));
    BTZ_TRY(btz_infer_same(call, later));
    out = &call->out[0]->shape;
    if (out->dim[out->rank - 1] != out->dim[out->rank - 2])
        return btz_op_fail(call, BTZ_INPUT, "a matrix that is not square");
    out->rank -= 2;
    return BTZ_OK;
}

/* A matrix, and its inverse for the gradient. */
static size_t scratch_det(const struct btz_call *call)
{
    size_t n = (size_t)call->in[0]->shape.dim[call->in[0]->shape.rank - 1], all;

    return btz_size_mul(n, n, &all) && btz_size_mul(all, 2 * sizeof(double), &all) ? all : SIZE_MAX;
}

/* Elimination with the largest pivot; `inverse` follows, NULL: not wanted. */
static double eliminate(double *a, double *inverse, size_t n)
{
    double det = 1;

    for (size_t i = 0; i < n; i++) {
        size_t best = i;

        for (size_t r = i + 1; r < n; r++)
            if (fabs(a[r * n + i]) > fabs(a[best * n + i]))
                best = r;
        for (size_t c = 0; c < n && best != i; c++) {
            double t = a[i * n + c];

            a[i * n + c] = a[best * n + c];
            a[best * n + c] = t;
            if (inverse) {
                t = inverse[i * n + c];
                inverse[i * n + c] = inverse[best * n + c];
                inverse[best * n + c] = t;
            }
        }
        det *= best != i ? -a[i * n + i] : a[i * n + i];
        if (a[i * n + i] == 0)
            return 0;
        for (size_t r = inverse ? 0 : i + 1; r < n; r++) {
            double f = a[r * n + i] / a[i * n + i];

            for (size_t c = 0; c < n && r != i; c++) {
                a[r * n + c] -= f * a[i * n + c];
                if (inverse)
                    inverse[r * n + c] -= f * inverse[i * n + c];
            }
        }
    }
    for (size_t i = 0; i < n * n && inverse; i++)
        inverse[i] /= a[i / n * n + i / n];
    return det;
}

static enum btz_err run_det(struct btz_call *call)
{
    size_t n = (size_t)call->in[0]->shape.dim[call->in[0]->shape.rank - 1];
    double *a = call->scratch;

    for (size_t m = 0, outs = btz_tensor_count(call->out[0]); m < outs; m++) {
        for (size_t i = 0; i < n * n; i++)
            a[i] = btz_get(call->in[0], m * n * n + i);
        btz_set(call->out[0], m, eliminate(a, NULL, n));
    }
    return BTZ_OK;
}

/* d det / d A = det A^-T; of a singular matrix it is said to be nothing. */
static enum btz_err grad_det(struct btz_call *call)
{
    size_t n = (size_t)call->in[0]->shape.dim[call->in[0]->shape.rank - 1];
    double *a = call->scratch, *inverse = a + n * n;

    for (size_t m = 0, outs = btz_tensor_count(call->out[0]); m < outs; m++) {
        double det, g = btz_get(call->out_grad[0], m);

        for (size_t i = 0; i < n * n; i++) {
            a[i] = btz_get(call->in[0], m * n * n + i);
            inverse[i] = i / n == i % n;
        }
        det = eliminate(a, inverse, n);
        for (size_t i = 0; i < n * n && det != 0; i++)
            btz_add(call->in_grad[0], m * n * n + i, g * det * inverse[i % n * n + i / n]);
    }
    return BTZ_OK;
}

static const struct btz_op ops[] = {
    { .name = "Einsum",
      .since = 12,
      .infer = infer_einsum,
      .run = run_einsum,
      .grad = grad_einsum,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "Det",
      .since = 11,
      .infer = infer_det,
      .run = run_det,
      .grad = grad_det,
      .scratch = scratch_det,
      .flags = BTZ_OP_GRAD_IN },
};
BTZ_OP_FAMILY(einsum, ops);
