/*
 * Adversarial weight perturbation: a step of the weights up the loss, of gamma times the norm of each matrix, from which the
 * gradient is taken. Vectors (biases, scales) stay. Source: csdongxian/AWP, diff_in_weights and AdvWeightPerturb.
 */
#include <math.h>

#include "robust/harden/inside.h"

static double norm_of(const float *v, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

void btz_harden_awp_lift(struct btz_harden_run *r)
{
    for (size_t i = 0; i < r->params.count; i++) {
        const struct btz_harden_param *p = &r->params.list[i];
        const float *g = r->sum + p->offset;
        float *lift = r->lift + p->offset;
        double factor;

        if (p->rank < 2) {
            memset(lift, 0, p->count * sizeof *lift);
            continue;
        }
        factor = r->o.awp_gamma * norm_of(p->data, p->count) / (norm_of(g, p->count) + 1e-20);
        for (size_t k = 0; k < p->count; k++) {
            lift[k] = (float)(factor * (double)g[k]);
            p->data[k] += lift[k];
        }
    }
    r->version++;
}

void btz_harden_awp_drop(struct btz_harden_run *r)
{
    for (size_t i = 0; i < r->params.count; i++) {
        const struct btz_harden_param *p = &r->params.list[i];

        for (size_t k = 0; k < p->count; k++)
            p->data[k] -= r->lift[p->offset + k];
    }
    r->version++;
}
