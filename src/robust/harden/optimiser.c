/*
 * Optimisers: a step of each number by itself, so that numbers may be spread over threads in any way.
 */
#include <math.h>

#include "robust/harden/inside.h"

#define BETA2   0.999
#define EPSILON 1e-8F

static void sgd(float rate, float momentum, float decay, size_t n, const float *grad, float *w,
                float *first)
{
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] + decay * w[i];

        first[i] = momentum * first[i] + g;
        w[i] -= rate * first[i];
    }
}

static void adam(float rate, float beta1, float decay, float shrink, uint64_t step, size_t n,
                 const float *grad, float *w, float *first, float *second)
{
    float beta2 = (float)BETA2;
    float size = rate / (float)(1 - pow((double)beta1, (double)step));
    float correct = 1 / (float)sqrt(1 - pow(BETA2, (double)step));

    for (size_t i = 0; i < n; i++) {
        float g = grad[i] + decay * w[i];

        first[i] = beta1 * first[i] + (1 - beta1) * g;
        second[i] = beta2 * second[i] + (1 - beta2) * g * g;
        w[i] = shrink * w[i] - size * first[i] / (sqrtf(second[i]) * correct + EPSILON);
    }
}

void btz_harden_average(double average, uint64_t step, size_t n, const float *w, float *mean)
{
    double t = (double)step, early = (1 + t) / (10 + t);
    float take = (float)(1 - (early < average ? early : average));

    for (size_t i = 0; i < n; i++)
        mean[i] += take * (w[i] - mean[i]);
}

void btz_harden_step(const struct btz_harden_options *o, double rate, uint64_t step, size_t n,
                     const float *grad, float *w, float *first, float *second)
{
    float r = (float)rate, m = (float)o->momentum, d = (float)o->decay;

    if (o->optimiser == BTZ_HARDEN_SGD)
        sgd(r, m, d, n, grad, w, first);
    else if (o->optimiser == BTZ_HARDEN_ADAM)
        adam(r, m, d, 1, step, n, grad, w, first, second);
    else
        adam(r, m, 0, 1 - r * d, step, n, grad, w, first, second);
}
