/* Wald's sequential probability ratio test. */
#include <math.h>

#include "base/stats_tails.h"

enum btz_err btz_sprt_init(double p0, double p1, double alpha, double beta, struct btz_sprt *out)
{
    if (!(p0 > 0 && p0 < p1 && p1 < 1))
        return btz_fail(BTZ_USAGE, "rates %g and %g: need 0 < first < second < 1", p0, p1);
    if (!(alpha > 0 && alpha < 0.5 && beta > 0 && beta < 0.5))
        return btz_fail(BTZ_USAGE, "errors %g and %g: must be between 0 and 0.5", alpha, beta);
    *out = (struct btz_sprt){ .up = log(p1 / p0),
                              .down = log1p(-p1) - log1p(-p0),
                              .lower = log(beta / (1 - alpha)),
                              .upper = log((1 - beta) / alpha),
                              .decision = BTZ_SPRT_CONTINUE };
    return BTZ_OK;
}

double btz_sprt_ratio(const struct btz_sprt *s)
{
    return (double)s->successes * s->up + (double)s->failures * s->down;
}

enum btz_sprt_decision btz_sprt_add(struct btz_sprt *s, bool success)
{
    double now;

    if (s->decision != BTZ_SPRT_CONTINUE)
        return s->decision;
    if (success)
        s->successes++;
    else
        s->failures++;
    now = btz_sprt_ratio(s);
    if (now >= s->upper)
        s->decision = BTZ_SPRT_ACCEPT_H1;
    else if (now <= s->lower)
        s->decision = BTZ_SPRT_ACCEPT_H0;
    return s->decision;
}
