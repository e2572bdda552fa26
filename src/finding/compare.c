#include <math.h>

#include "finding/results.h"

/* Counts beyond which the hypergeometric sum is replaced by the normal approximation of two proportions: there
 * they agree far better than the 5 % level needs. */
#define EXACT_MAX 100000

static double log_gamma(double x)
{
    int sign;

    return lgamma_r(x, &sign);
}

static double log_choose(double n, double k)
{
    return log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1);
}

double btz_compare_rates(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    double a = (double)k1, na = (double)n1, b = (double)k2, nb = (double)n2;
    double hits = a + b, trials = na + nb, term, sum = 0;

    if (n1 == 0 || n2 == 0 || k1 > n1 || k2 > n2 || b * na <= a * nb)
        return 1;
    if (n1 > EXACT_MAX || n2 > EXACT_MAX) {
        double rate = hits / trials;
        double z = (b / nb - a / na) / sqrt(rate * (1 - rate) * (1 / na + 1 / nb));

        return rate >= 1 ? 1 : 0.5 * erfc(z / sqrt(2));
    }
    /* P(X = k2), then the terms after it by their ratio: above the mode they only fall. */
    term = exp(log_choose(nb, b) + log_choose(na, a) - log_choose(trials, hits));
    for (double x = b; x <= nb && x <= hits; x++) {
        sum += term;
        if (term < sum * 1e-17)
            break;
        term *= (nb - x) * (hits - x) / ((x + 1) * (na - hits + x + 1));
    }
    return sum < 1 ? sum : 1;
}
