/*
 * Learning rates, and how far attacks reach.
 */
#include <math.h>

#include "robust/harden/inside.h"

double btz_harden_rate(const struct btz_harden_options *o, uint32_t epoch, uint64_t batch,
                       uint64_t batches)
{
    double epochs = o->epochs, part = (double)batch / (double)batches, rate = o->lr, at;

    switch (o->schedule) {
    case BTZ_HARDEN_CYCLIC:
        /* Of the end of the batch, as in locuslab/fast_adversarial, MNIST/train_mnist.py. */
        at = epoch + ((double)batch + 1) / (double)batches;
        return at < o->peak ? rate * at / o->peak
                            : rate * fmax(0, epochs - at) / fmax(epochs - o->peak, 1e-12);
    case BTZ_HARDEN_COSINE:
        return rate / 2 * (1 + cos(acos(-1.0) * (epoch + part) / epochs));
    case BTZ_HARDEN_STEP:
        for (size_t i = 0; i < o->drop_count; i++)
            if (epoch + 1 >= o->drops[i])
                rate *= o->drop;
        return rate;
    default:
        return rate;
    }
}

double btz_harden_reach(const struct btz_harden_options *o, uint32_t epoch, uint64_t batch,
                        uint64_t batches)
{
    double at = epoch + ((double)batch + 1) / (double)batches;

    return at < o->eps_warmup ? at / o->eps_warmup : 1;
}
