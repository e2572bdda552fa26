/*
 * Difference of logits ratio: Croce and Hein, arXiv 2003.01690, equations 6 and 7. In double, where saturated nets would
 * underflow.
 */
#include <math.h>

#include "robust/rows.h"

/* The classes of the four largest logits, the lowest index first among equals. */
static void top(const float *z, size_t classes, size_t wanted, size_t out[4])
{
    size_t have = 0;

    for (size_t k = 0; k < classes; k++) {
        size_t at = have;

        while (at && z[k] > z[out[at - 1]])
            at--;
        if (at >= wanted)
            continue;
        if (have < wanted)
            have++;
        for (size_t m = have - 1; m > at; m--)
            out[m] = out[m - 1];
        out[at] = k;
    }
}

uint32_t btz_class_of_rank(const float *z, size_t classes, size_t rank)
{
    for (size_t k = 0; k < classes; k++) {
        size_t before = 0;

        for (size_t m = 0; m < classes; m++)
            before += z[m] > z[k] || (z[m] >= z[k] && m < k);
        if (before + 1 == rank)
            return (uint32_t)k;
    }
    return 0;
}

/* -(z_y - z_o) / d and its derivative, where d falls by `weight` of each of the `count` classes of `low`. */
static float ratio(const float *z, size_t classes, size_t y, size_t other, size_t high,
                   const size_t *low, size_t count, float *grad)
{
    double weight = 1.0 / (double)count, d = (double)z[high] + 1e-12, difference;

    for (size_t i = 0; i < count; i++)
        d -= weight * (double)z[low[i]];
    difference = (double)z[y] - (double)z[other];
    if (grad) {
        double by_d = difference / (d * d);

        for (size_t k = 0; k < classes; k++)
            grad[k] = 0;
        grad[high] += (float)by_d;
        for (size_t i = 0; i < count; i++)
            grad[low[i]] -= (float)(by_d * weight);
        grad[y] -= (float)(1 / d);
        grad[other] += (float)(1 / d);
    }
    return (float)(-difference / d);
}

static float difference(const float *z, size_t classes, size_t y, size_t other, float *grad)
{
    for (size_t k = 0; grad && k < classes; k++)
        grad[k] = k == y ? -1.0F : k == other ? 1.0F : 0.0F;
    return z[other] - z[y];
}

void btz_loss_dlr(const void *user, size_t first, size_t count, size_t classes, const float *logits,
                  float *loss, float *grad)
{
    const struct btz_labels *labels = user;

    for (size_t i = 0; i < count; i++) {
        const float *z = logits + i * classes;
        float *g = grad ? grad + i * classes : NULL, value;
        size_t y = labels->y[first + i], p[4] = { 0 }, other;

        top(z, classes, classes < 3 ? 2 : 3, p);
        other = p[0] == y ? p[1] : p[0];
        value = classes < 3 ? difference(z, classes, y, other, g)
                            : ratio(z, classes, y, other, p[0], &p[2], 1, g);
        if (loss)
            loss[i] = value;
    }
}

void btz_loss_dlr_targeted(const void *user, size_t first, size_t count, size_t classes,
                           const float *logits, float *loss, float *grad)
{
    const struct btz_labels *labels = user;

    for (size_t i = 0; i < count; i++) {
        const float *z = logits + i * classes;
        float *g = grad ? grad + i * classes : NULL, value;
        size_t y = labels->y[first + i], target = labels->target[first + i], p[4] = { 0 };

        if (classes >= 4)
            top(z, classes, 4, p);
        value = classes < 4 ? difference(z, classes, y, target, g)
                            : ratio(z, classes, y, target, p[0], &p[2], 2, g);
        if (loss)
            loss[i] = value;
    }
}

void btz_loss_difference(const void *user, size_t first, size_t count, size_t classes,
                         const float *logits, float *loss, float *grad)
{
    const struct btz_labels *labels = user;

    for (size_t i = 0; i < count; i++) {
        float value = difference(logits + i * classes, classes, labels->y[first + i],
                                 labels->target[first + i], grad ? grad + i * classes : NULL);

        if (loss)
            loss[i] = value;
    }
}
