/*
 * Losses of logits, one row at a time, in double where sums are taken.
 */
#include <math.h>

#include "robust/robust.h"

void btz_loss_cross_entropy(const void *user, size_t first, size_t count, size_t classes,
                            const float *logits, float *loss, float *grad)
{
    const uint32_t *labels = user;

    for (size_t i = 0; i < count; i++) {
        const float *z = logits + i * classes;
        uint32_t y = labels[first + i];
        float top = z[0];
        double sum = 0;

        for (size_t k = 1; k < classes; k++)
            top = fmaxf(top, z[k]);
        for (size_t k = 0; k < classes; k++)
            sum += exp((double)(z[k] - top));
        if (loss)
            loss[i] = (float)(log(sum) - (double)(z[y] - top));
        for (size_t k = 0; grad && k < classes; k++)
            grad[i * classes + k] = (float)(exp((double)(z[k] - top)) / sum - (k == y ? 1.0 : 0.0));
    }
}

void btz_loss_margin(const void *user, size_t first, size_t count, size_t classes,
                     const float *logits, float *loss, float *grad)
{
    const uint32_t *labels = user;

    for (size_t i = 0; i < count; i++) {
        const float *z = logits + i * classes;
        uint32_t y = labels[first + i];
        size_t best = y == 0;

        for (size_t k = 0; k < classes; k++)
            if (k != y && z[k] > z[best])
                best = k;
        if (loss)
            loss[i] = z[y] - z[best];
        for (size_t k = 0; grad && k < classes; k++)
            grad[i * classes + k] = k == y ? 1.0F : k == best ? -1.0F : 0.0F;
    }
}
