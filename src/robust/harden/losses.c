/*
 * Losses of two rows of logits: of the input as it is, and of the adversarial one.
 */
#include <math.h>

#include "robust/harden/inside.h"

/* What the logarithm of a softmax needs. */
struct row {
    double top, log_sum;
};

static struct row row_of(const float *z, size_t classes)
{
    struct row r = { (double)z[0], 0 };
    double sum = 0;

    for (size_t k = 1; k < classes; k++)
        r.top = fmax(r.top, (double)z[k]);
    for (size_t k = 0; k < classes; k++)
        sum += exp((double)z[k] - r.top);
    r.log_sum = log(sum);
    return r;
}

static double log_of(const struct row *r, const float *z, size_t k)
{
    return (double)z[k] - r->top - r->log_sum;
}

double btz_loss_kl_row(const float *clean, const float *adv, size_t classes, double *grad_clean,
                       double *grad_adv)
{
    struct row a = row_of(clean, classes), b = row_of(adv, classes);
    double kl = 0;

    for (size_t k = 0; k < classes; k++) {
        double lp = log_of(&a, clean, k), lq = log_of(&b, adv, k);

        kl += exp(lp) * (lp - lq);
    }
    for (size_t k = 0; k < classes; k++) {
        double lp = log_of(&a, clean, k), lq = log_of(&b, adv, k), p = exp(lp);

        if (grad_clean)
            grad_clean[k] = p * (lp - lq - kl);
        grad_adv[k] = exp(lq) - p;
    }
    return kl;
}

double btz_loss_trades_row(const float *clean, const float *adv, size_t classes, uint32_t y,
                           double beta, double *grad_clean, double *grad_adv)
{
    struct row a = row_of(clean, classes);
    double kl = btz_loss_kl_row(clean, adv, classes, grad_clean, grad_adv);

    for (size_t k = 0; k < classes; k++) {
        grad_clean[k] = beta * grad_clean[k] + exp(log_of(&a, clean, k)) - (k == y ? 1 : 0);
        grad_adv[k] *= beta;
    }
    return beta * kl - log_of(&a, clean, y);
}

/* The constants that keep logarithms finite are the authors': YisenWang/MART, mart.py. */
double btz_loss_mart_row(const float *clean, const float *adv, size_t classes, uint32_t y,
                         double beta, double *grad_clean, double *grad_adv)
{
    const double tiny = 1e-12, above = 1.0001, weight_above = 1.0000001;
    struct row a = row_of(clean, classes), b = row_of(adv, classes);
    double kl = 0, of_q = 0, of_p = 0, weight, rival, loss;
    size_t other = y == 0;

    for (size_t k = 0; k < classes; k++) {
        double lp = log_of(&a, clean, k), q = exp(log_of(&b, adv, k));

        if (k != y && adv[k] > adv[other])
            other = k;
        kl += exp(lp) * (lp - log(q + tiny));
    }
    weight = weight_above - exp(log_of(&a, clean, y));
    rival = above - exp(log_of(&b, adv, other)) + tiny;
    loss = -log_of(&b, adv, y) - log(rival) + beta * weight * kl;
    /* Derivatives by the probabilities, then through both softmaxes. */
    for (size_t k = 0; k < classes; k++) {
        double lp = log_of(&a, clean, k), p = exp(lp), q = exp(log_of(&b, adv, k));

        grad_adv[k] = (k == other ? 1 / rival : 0) - beta * weight * p / (q + tiny);
        grad_clean[k] = beta * (weight * (lp - log(q + tiny) + 1) - (k == y ? kl : 0));
        of_q += q * grad_adv[k];
        of_p += p * grad_clean[k];
    }
    for (size_t k = 0; k < classes; k++) {
        double p = exp(log_of(&a, clean, k)), q = exp(log_of(&b, adv, k));

        grad_adv[k] = q * (grad_adv[k] - of_q) + q - (k == y ? 1 : 0);
        grad_clean[k] = p * (grad_clean[k] - of_p);
    }
    return loss;
}
