/*
 * Normalisations. All but batch normalisation with running statistics have the form y = (x - mean) / sqrt(var + epsilon), over
 * groups of elements, then scaled and shifted.
 */
#include <math.h>

#include "graph/lanes.h"

/*
 * How elements are grouped, and which scale is whose: element (g, i) of the input, g < groups, i < size, is at g * size + i, but
 * for batch normalisation where the groups are channels and interleave.
 */
struct groups {
    size_t groups, size, plane, channels, params;
    bool interleaved, per_element,
        per_group; /* scales: per channel, or per element of the group, or one for a group */
    double epsilon;
};

static bool named(const struct btz_call *call, const char *name)
{
    return strcmp(call->node->type, name) == 0;
}

static size_t at_of(const struct groups *n, size_t g, size_t i)
{
    return n->interleaved ? (i / n->plane * n->groups + g) * n->plane + i % n->plane
                          : g * n->size + i;
}

static size_t param_of(const struct groups *n, size_t g, size_t i)
{
    if (n->per_element)
        return i % n->params;
    if (n->per_group)
        return g % n->params;
    return n->interleaved ? g : (g * (n->size / n->plane) + i / n->plane) % n->channels % n->params;
}

static enum btz_err groups_of(const struct btz_call *call, struct groups *n)
{
    const struct btz_shape *x = &call->in[0]->shape;
    struct btz_split s;
    float epsilon;

    *n = (struct groups){ 0 };
    BTZ_TRY(btz_attr_float(call->node, "epsilon", 1e-5F, &epsilon));
    n->epsilon = epsilon;
    if (named(call, "LayerNormalization")) {
        int64_t axis;
        uint32_t at;

        BTZ_TRY(btz_attr_int(call->node, "axis", -1, &axis));
        BTZ_TRY(btz_axis(call, axis, x->rank, &at));
        s = btz_split_at(x, at);
        *n = (struct groups){ s.outer, s.n * s.inner, 1,     1,         s.n * s.inner,
                              false,   true,          false, n->epsilon };
        return BTZ_OK;
    }
    if (x->rank < 2)
        return btz_op_fail(call, BTZ_INPUT, "an input of %" PRIu32 " axes", x->rank);
    s = btz_split_at(x, 1);
    n->channels = n->params = s.n;
    n->plane = s.inner;
    if (named(call, "BatchNormalization")) {
        n->interleaved = true;
        n->groups = s.n;
        n->size = s.outer * s.inner;
    } else if (named(call, "InstanceNormalization")) {
        n->groups = s.outer * s.n;
        n->size = s.inner;
    } else {
        int64_t count;

        BTZ_TRY(btz_attr_int(call->node, "num_groups", 0, &count));
        if (count < 1 || x->dim[1] % count)
            return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " groups of %" PRId64 " channels", count,
                               x->dim[1]);
        n->groups = s.outer * (size_t)count;
        n->size = s.n / (size_t)count * s.inner;
        if (call->node->opset < 21) {
            n->per_group = true;
            n->params = (size_t)count;
        }
    }
    return BTZ_OK;
}

static enum btz_err infer_norm(struct btz_call *call, bool *later)
{
    struct groups n;
    uint32_t least = named(call, "BatchNormalization")   ? 5
                     : named(call, "LayerNormalization") ? 2
                                                         : 3;

    BTZ_TRY(btz_call_counts(call, least, 5));
    BTZ_TRY(btz_infer_same(call, later));
    for (uint32_t i = 0; i < call->in_count; i++)
        if (call->in[i])
            BTZ_TRY(btz_want_real(call, i));
    BTZ_TRY(groups_of(call, &n));
    for (uint32_t i = 1; i < call->in_count; i++)
        if (call->in[i] &&
            (btz_tensor_count(call->in[i]) != n.params || call->in[i]->type != call->in[0]->type))
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " has %zu elements, expected %zu",
                               i, btz_tensor_count(call->in[i]), n.params);
    for (uint32_t i = 1; i < call->out_count; i++) {
        if (!call->out[i])
            continue;
        if (i > 2)
            return btz_op_fail(call, BTZ_UNSUPPORTED, "output %" PRIu32, i);
        call->out[i]->type = call->in[0]->type;
        if (least == 5)
            call->out[i]->shape = call->in[3]->shape;
        else {
            size_t rest = n.groups;

            call->out[i]->shape = call->in[0]->shape;
            for (uint32_t k = 0; k < call->in[0]->shape.rank; k++) {
                if (rest <= 1)
                    call->out[i]->shape.dim[k] = 1;
                else
                    rest /= (size_t)call->in[0]->shape.dim[k];
            }
        }
    }
    return BTZ_OK;
}

/* Mean and 1 / deviation of each group. */
static size_t scratch_norm(const struct btz_call *call)
{
    return (btz_tensor_count(call->in[0]) + btz_tensor_count(call->in[1])) * 2 * sizeof(double);
}

static enum btz_err fixed_statistics(const struct btz_call *call, bool *fixed)
{
    int64_t training;

    BTZ_TRY(btz_attr_int(call->node, "training_mode", 0, &training));
    *fixed = named(call, "BatchNormalization") && !training && !call->training;
    return BTZ_OK;
}

static void statistics(const struct btz_call *call, const struct groups *n, bool fixed,
                       double *mean, double *var)
{
    for (size_t g = 0; g < n->groups; g++) {
        double sum = 0, squares = 0;

        if (fixed) {
            mean[g] = btz_get(call->in[3], g);
            var[g] = btz_get(call->in[4], g);
            continue;
        }
        for (size_t i = 0; i < n->size; i++)
            sum += btz_get(call->in[0], at_of(n, g, i));
        mean[g] = sum / (double)n->size;
        for (size_t i = 0; i < n->size; i++) {
            double d = btz_get(call->in[0], at_of(n, g, i)) - mean[g];
            squares += d * d;
        }
        var[g] = squares / (double)n->size;
    }
}

static enum btz_err run_norm(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *scale = call->in[1], *shift = btz_call_in(call, 2);
    struct groups n;
    double *mean, *var;
    float momentum;
    bool fixed;

    BTZ_TRY(groups_of(call, &n));
    BTZ_TRY(fixed_statistics(call, &fixed));
    BTZ_TRY(btz_attr_float(call->node, "momentum", 0.9F, &momentum));
    mean = call->scratch, var = mean + n.groups;
    statistics(call, &n, fixed, mean, var);
    for (size_t g = 0; g < n.groups; g++) {
        double r = 1 / sqrt(var[g] + n.epsilon);

        for (size_t i = 0; i < n.size; i++) {
            size_t at = at_of(&n, g, i), p = param_of(&n, g, i);

            btz_set(call->out[0], at,
                    (btz_get(x, at) - mean[g]) * r * btz_get(scale, p) +
                        (shift ? btz_get(shift, p) : 0));
        }
        if (named(call, "LayerNormalization")) {
            if (btz_call_out(call, 1))
                btz_set(call->out[1], g, mean[g]);
            if (btz_call_out(call, 2))
                btz_set(call->out[2], g, r);
        } else {
            for (uint32_t k = 1; k < 3 && k < call->out_count; k++)
                if (call->out[k]) {
                    double old = btz_get(call->in[k + 2], g), now = k == 1 ? mean[g] : var[g];

                    btz_set(call->out[k], g,
                            fixed ? old : old * (double)momentum + now * (1 - (double)momentum));
                }
        }
    }
    return BTZ_OK;
}

static enum btz_err grad_norm(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *scale = call->in[1], *gy = call->out_grad[0];
    double *mean, *var;
    struct groups n;
    bool fixed;

    if (!gy)
        return BTZ_OK;
    BTZ_TRY(groups_of(call, &n));
    BTZ_TRY(fixed_statistics(call, &fixed));
    mean = call->scratch, var = mean + n.groups;
    statistics(call, &n, fixed, mean, var);
    for (size_t g = 0; g < n.groups; g++) {
        double r = 1 / sqrt(var[g] + n.epsilon), sum = 0, product = 0;

        for (size_t i = 0; i < n.size; i++) {
            size_t at = at_of(&n, g, i), p = param_of(&n, g, i);
            double go = btz_get(gy, at), h = (btz_get(x, at) - mean[g]) * r,
                   gs = go * btz_get(scale, p);

            sum += gs;
            product += gs * h;
            if (btz_call_in_grad(call, 1))
                btz_add(call->in_grad[1], p, go * h);
            if (btz_call_in_grad(call, 2))
                btz_add(call->in_grad[2], p, go);
        }
        if (fixed) {
            if (btz_call_in_grad(call, 3))
                btz_add(call->in_grad[3], g, -sum * r);
            if (btz_call_in_grad(call, 4))
                btz_add(call->in_grad[4], g, -product * r * r / 2);
            sum = product = 0;
        }
        for (size_t i = 0; i < n.size && call->in_grad[0]; i++) {
            size_t at = at_of(&n, g, i);
            double h = (btz_get(x, at) - mean[g]) * r,
                   gs = btz_get(gy, at) * btz_get(scale, param_of(&n, g, i));

            btz_add(call->in_grad[0], at, r * (gs - (sum + h * product) / (double)n.size));
        }
    }
    return BTZ_OK;
}

/* ---- batch normalisation in lanes: with fixed statistics it is a scale and a shift -------------------------------------- */

static bool fits_lanes(struct btz_call *call)
{
    bool fixed = false;

    for (uint32_t k = 1; k < call->in_count; k++)
        if (call->in_grad[k])
            return false;
    return named(call, "BatchNormalization") && fixed_statistics(call, &fixed) == BTZ_OK && fixed;
}

void btz_norm_affine(const struct btz_call *norm, size_t channel, float *scale, float *shift)
{
    float epsilon = 1e-5F;
    double by;

    if (btz_attr_float(norm->node, "epsilon", 1e-5F, &epsilon) != BTZ_OK)
        epsilon = 1e-5F; /* was read before */
    by = btz_get(norm->in[1], channel) / sqrt(btz_get(norm->in[4], channel) + (double)epsilon);
    *scale = (float)by;
    *shift = (float)(btz_get(norm->in[2], channel) - btz_get(norm->in[3], channel) * by);
}

void btz_norm_fold(const struct btz_call *norm, const float *w, const float *bias, size_t rows,
                   size_t k, size_t row_stride, size_t k_stride, float *w_out, float *bias_out)
{
    for (size_t r = 0; r < rows; r++) {
        float scale, shift;

        btz_norm_affine(norm, r, &scale, &shift);
        for (size_t i = 0; i < k; i++) {
            size_t at = r * row_stride + i * k_stride;
            w_out[at] = scale * w[at];
        }
        bias_out[r] = (bias ? scale * bias[r] : 0) + shift;
    }
}

static enum btz_err lanes_norm(struct btz_call *call, const float *from, const float *mask,
                               float *to, bool back, bool add)
{
    struct btz_split s = btz_split_at(&call->in[0]->shape, 1);

    for (size_t i = 0; i < s.outer * s.n; i++) {
        size_t at = i * s.inner;
        float scale, shift;

        btz_norm_affine(call, i % s.n, &scale, &shift);
        call->isa->affine(to + at, from + at, mask ? mask + at : NULL, s.inner / BTZ_LANES, scale,
                          back ? 0 : shift, call->relu && !back, add);
    }
    return BTZ_OK;
}

static enum btz_err lanes_run(struct btz_call *call)
{
    return lanes_norm(call, call->in[0]->data, NULL, call->out[0]->data, false, false);
}

static enum btz_err lanes_grad(struct btz_call *call)
{
    return lanes_norm(call, call->out_grad[0]->data, call->relu ? call->out[0]->data : NULL,
                      call->in_grad[0]->data, true, !(call->overwrite & 1));
}

static const struct btz_op_lanes norm_lanes = {
    .seldom = true, .relu = true, .fits = fits_lanes, .run = lanes_run, .grad = lanes_grad
};

/* ---- LRN -------------------------------------------------------------------------------------------------------------- */

struct lrn {
    double alpha, beta, bias;
    int64_t size;
    struct btz_split s;
};

static enum btz_err lrn_of(const struct btz_call *call, struct lrn *l)
{
    float alpha, beta, bias;

    BTZ_TRY(btz_attr_float(call->node, "alpha", 1e-4F, &alpha));
    BTZ_TRY(btz_attr_float(call->node, "beta", 0.75F, &beta));
    BTZ_TRY(btz_attr_float(call->node, "bias", 1, &bias));
    BTZ_TRY(btz_attr_int(call->node, "size", 0, &l->size));
    if (l->size < 1 || l->size > INT32_MAX)
        return btz_op_fail(call, BTZ_INPUT, "a size of %" PRId64, l->size);
    l->alpha = (double)alpha / (double)l->size, l->beta = beta, l->bias = bias;
    l->s = btz_split_at(&call->in[0]->shape, 1);
    return BTZ_OK;
}

static enum btz_err infer_lrn(struct btz_call *call, bool *later)
{
    struct lrn l;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(btz_want_rank(call, 0, 2, BTZ_RANK_MAX));
    BTZ_TRY(lrn_of(call, &l));
    return btz_infer_same(call, later);
}

/* The neighbours of channel c: [*from, *to). */
static void neighbours(const struct lrn *l, size_t c, size_t *from, size_t *to)
{
    size_t before = (size_t)(l->size - 1) / 2, behind = (size_t)l->size - 1 - before;

    *from = c < before ? 0 : c - before;
    *to = c + behind >= l->s.n ? l->s.n : c + behind + 1;
}

static double base_of(const struct lrn *l, const struct btz_tensor *x, size_t start, size_t c)
{
    size_t from, to;
    double sum = 0;

    neighbours(l, c, &from, &to);
    for (size_t k = from; k < to; k++) {
        double v = btz_get(x, start + k * l->s.inner);
        sum += v * v;
    }
    return l->bias + l->alpha * sum;
}

static enum btz_err run_lrn(struct btz_call *call)
{
    struct lrn l;

    BTZ_TRY(lrn_of(call, &l));
    for (size_t line = 0; line < l.s.outer * l.s.inner; line++) {
        size_t start = line / l.s.inner * l.s.n * l.s.inner + line % l.s.inner;

        for (size_t c = 0; c < l.s.n; c++) {
            size_t at = start + c * l.s.inner;
            btz_set(call->out[0], at,
                    btz_get(call->in[0], at) / pow(base_of(&l, call->in[0], start, c), l.beta));
        }
    }
    return BTZ_OK;
}

static enum btz_err grad_lrn(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *g = call->out_grad[0];
    struct lrn l;

    BTZ_TRY(lrn_of(call, &l));
    for (size_t line = 0; line < l.s.outer * l.s.inner; line++) {
        size_t start = line / l.s.inner * l.s.n * l.s.inner + line % l.s.inner;

        for (size_t c = 0; c < l.s.n; c++) {
            size_t at = start + c * l.s.inner, from, to;
            double base = base_of(&l, x, start, c), p = pow(base, -l.beta), go = btz_get(g, at);
            double common = -2 * l.alpha * l.beta * go * btz_get(x, at) * p / base;

            btz_add(call->in_grad[0], at, go * p);
            neighbours(&l, c, &from, &to);
            for (size_t k = from; k < to; k++)
                btz_add(call->in_grad[0], start + k * l.s.inner,
                        common * btz_get(x, start + k * l.s.inner));
        }
    }
    return BTZ_OK;
}

/* ---- LpNormalization, MeanVarianceNormalization ----------------------------------------------------------------------- */

static enum btz_err lp_of(const struct btz_call *call, struct btz_split *s, int64_t *p)
{
    int64_t axis;
    uint32_t at;

    BTZ_TRY(btz_attr_int(call->node, "axis", -1, &axis));
    BTZ_TRY(btz_attr_int(call->node, "p", 2, p));
    BTZ_TRY(btz_axis(call, axis, call->in[0]->shape.rank, &at));
    *s = btz_split_at(&call->in[0]->shape, at);
    if (*p != 1 && *p != 2)
        return btz_op_fail(call, BTZ_INPUT, "p is %" PRId64, *p);
    return BTZ_OK;
}

static enum btz_err infer_lp(struct btz_call *call, bool *later)
{
    struct btz_split s;
    int64_t p;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(lp_of(call, &s, &p));
    return btz_infer_same(call, later);
}

static double norm_of(const struct btz_tensor *x, size_t start, const struct btz_split *s,
                      int64_t p)
{
    double sum = 0;

    for (size_t i = 0; i < s->n; i++) {
        double v = btz_get(x, start + i * s->inner);
        sum += p == 1 ? fabs(v) : v * v;
    }
    return p == 1 ? sum : sqrt(sum);
}

static enum btz_err run_lp(struct btz_call *call)
{
    struct btz_split s;
    int64_t p;

    BTZ_TRY(lp_of(call, &s, &p));
    for (size_t line = 0; line < s.outer * s.inner; line++) {
        size_t start = line / s.inner * s.n * s.inner + line % s.inner;
        double norm = norm_of(call->in[0], start, &s, p);

        for (size_t i = 0; i < s.n; i++)
            btz_set(call->out[0], start + i * s.inner,
                    norm == 0 ? 0 : btz_get(call->in[0], start + i * s.inner) / norm);
    }
    return BTZ_OK;
}

static enum btz_err grad_lp(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *g = call->out_grad[0];
    struct btz_split s;
    int64_t p;

    BTZ_TRY(lp_of(call, &s, &p));
    for (size_t line = 0; line < s.outer * s.inner; line++) {
        size_t start = line / s.inner * s.n * s.inner + line % s.inner;
        double norm = norm_of(x, start, &s, p), product = 0;

        for (size_t i = 0; i < s.n; i++)
            product += btz_get(g, start + i * s.inner) * btz_get(x, start + i * s.inner);
        for (size_t i = 0; i < s.n && norm != 0; i++) {
            double v = btz_get(x, start + i * s.inner), d = p == 2  ? v / norm
                                                            : v > 0 ? 1
                                                            : v < 0 ? -1
                                                                    : 0;

            btz_add(call->in_grad[0], start + i * s.inner,
                    btz_get(g, start + i * s.inner) / norm - product * d / (norm * norm));
        }
    }
    return BTZ_OK;
}

/* Groups are what has the same indexes along the axes that are not named; as in its function, 1e-9 is added to the deviation. */
static enum btz_err mvn_groups(const struct btz_call *call, struct btz_shape *kept)
{
    const int64_t *axes, usual[] = { 0, 2, 3 };
    size_t count;
    uint32_t at;

    BTZ_TRY(btz_attr_ints(call->node, "axes", &axes, &count));
    if (!axes) {
        axes = usual;
        count = BTZ_COUNT(usual);
    }
    *kept = call->in[0]->shape;
    for (size_t i = 0; i < count; i++) {
        BTZ_TRY(btz_axis(call, axes[i], kept->rank, &at));
        kept->dim[at] = 1;
    }
    return BTZ_OK;
}

static enum btz_err infer_mvn(struct btz_call *call, bool *later)
{
    struct btz_shape kept;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_want_real(call, 0));
    BTZ_TRY(mvn_groups(call, &kept));
    return btz_infer_same(call, later);
}

/* Means, deviations, and two sums for the gradient. */
static size_t scratch_mvn(const struct btz_call *call)
{
    size_t bytes;

    return btz_size_mul(btz_tensor_count(call->in[0]), 4 * sizeof(double), &bytes) ? bytes
                                                                                   : SIZE_MAX;
}

static size_t mvn_statistics(const struct btz_tensor *x, const struct btz_shape *kept, double *mean,
                             double *dev)
{
    size_t groups = 1, at = 0, all = btz_tensor_count(x);
    struct btz_walk w;

    for (uint32_t i = 0; i < kept->rank; i++)
        groups *= (size_t)kept->dim[i];
    for (size_t g = 0; g < groups; g++)
        mean[g] = dev[g] = 0;
    for (int pass = 0; pass < 2; pass++, at = 0) {
        btz_walk_init(&w, &x->shape, 1, (const struct btz_shape *const[]){ kept });
        BTZ_WALK(&w)
        for (size_t i = 0; i < w.len; i++, at++) {
            size_t g = w.at[0] + i * w.step[0];
            double v = btz_get(x, at);

            if (pass == 0)
                mean[g] += v * (double)groups / (double)all;
            else
                dev[g] += (v - mean[g]) * (v - mean[g]) * (double)groups / (double)all;
        }
    }
    for (size_t g = 0; g < groups; g++)
        dev[g] = sqrt(dev[g]);
    return groups;
}

static enum btz_err run_mvn(struct btz_call *call)
{
    double *mean = call->scratch, *dev = mean + btz_tensor_count(call->in[0]);
    struct btz_shape kept;
    struct btz_walk w;
    size_t at = 0;

    BTZ_TRY(mvn_groups(call, &kept));
    (void)mvn_statistics(call->in[0], &kept, mean, dev);
    btz_walk_init(&w, &call->in[0]->shape, 1, (const struct btz_shape *const[]){ &kept });
    BTZ_WALK(&w)
    for (size_t i = 0; i < w.len; i++, at++) {
        size_t g = w.at[0] + i * w.step[0];

        btz_set(call->out[0], at, (btz_get(call->in[0], at) - mean[g]) / (dev[g] + 1e-9));
    }
    return BTZ_OK;
}

static enum btz_err grad_mvn(struct btz_call *call)
{
    size_t all = btz_tensor_count(call->in[0]), groups, at;
    double *mean = call->scratch, *dev = mean + all, *sum = dev + all, *product = sum + all;
    struct btz_shape kept;
    struct btz_walk w;

    BTZ_TRY(mvn_groups(call, &kept));
    groups = mvn_statistics(call->in[0], &kept, mean, dev);
    for (size_t g = 0; g < groups; g++)
        sum[g] = product[g] = 0;
    for (int pass = 0; pass < 2; pass++) {
        at = 0;
        btz_walk_init(&w, &call->in[0]->shape, 1, (const struct btz_shape *const[]){ &kept });
        BTZ_WALK(&w)
        for (size_t i = 0; i < w.len; i++, at++) {
            size_t g = w.at[0] + i * w.step[0];
            double go = btz_get(call->out_grad[0], at), d = btz_get(call->in[0], at) - mean[g],
                   s = dev[g] + 1e-9, share = (double)groups / (double)all;

            if (pass == 0) {
                sum[g] += go * share;
                product[g] += go * d * share;
            } else
                btz_add(call->in_grad[0], at,
                        (go - sum[g]) / s - (dev[g] > 0 ? d * product[g] / (dev[g] * s * s) : 0));
        }
    }
    return BTZ_OK;
}

#define NORM(text, from, more, own)                                                                \
    {                                                                                              \
        .name = text, .since = from, .infer = infer_norm, .run = run_norm, .grad = grad_norm,      \
        .scratch = scratch_norm, .flags = BTZ_OP_GRAD_IN, .settings = more, .lanes = own           \
    }
static const struct btz_op ops[] = {
    NORM("BatchNormalization", 7, 0x18, &norm_lanes),
    NORM("InstanceNormalization", 6, 0, NULL),
    NORM("LayerNormalization", 17, 0, NULL),
    NORM("GroupNormalization", 18, 0, NULL),
    { .name = "LRN",
      .since = 7,
      .infer = infer_lrn,
      .run = run_lrn,
      .grad = grad_lrn,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "MeanVarianceNormalization",
      .since = 9,
      .infer = infer_mvn,
      .run = run_mvn,
      .grad = grad_mvn,
      .scratch = scratch_mvn,
      .flags = BTZ_OP_GRAD_IN },
    { .name = "LpNormalization",
      .since = 7,
      .infer = infer_lp,
      .run = run_lp,
      .grad = grad_lp,
      .flags = BTZ_OP_GRAD_IN },
};
BTZ_OP_FAMILY(norm, ops);
