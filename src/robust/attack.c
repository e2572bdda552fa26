/*
 * The registry of attacks, and what all of them need.
 */
#include <math.h>
#include <string.h>

#include "robust/robust.h"

static const char *const norm_names[BTZ_NORM_COUNT] = { "linf", "l2", "l1", "l0", "none" };

const char *btz_norm_name(enum btz_norm n)
{
    return norm_names[n];
}

bool btz_norm_parse(const char *text, enum btz_norm *out)
{
    for (int n = 0; n < BTZ_NORM_COUNT; n++)
        if (strcmp(text, norm_names[n]) == 0) {
            *out = (enum btz_norm)n;
            return true;
        }
    return false;
}

double btz_norm_of(enum btz_norm n, const float *a, const float *b, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);

        switch (n) {
        case BTZ_NORM_LINF:
            sum = fmax(sum, d);
            break;
        case BTZ_NORM_L2:
            sum += d * d;
            break;
        case BTZ_NORM_L1:
            sum += d;
            break;
        default:
            sum += d > 0;
            break;
        }
    }
    return n == BTZ_NORM_L2 ? sqrt(sum) : sum;
}

const struct btz_attack *btz_attack_find(const char *id)
{
    for (const struct btz_attack *const *a = btz_attacks; *a; a++)
        if (strcmp((*a)->id, id) == 0)
            return *a;
    return NULL;
}

const char *btz_attack_nearest(const char *id)
{
    const char *names[256];
    size_t count = 0;

    for (const struct btz_attack *const *a = btz_attacks; *a && count < 256; a++)
        names[count++] = (*a)->id;
    return btz_nearest(id, names, count);
}

size_t btz_attack_param_find(const struct btz_attack *a, const char *name)
{
    for (size_t i = 0; i < a->param_count; i++)
        if (strcmp(a->params[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

void btz_attack_defaults(const struct btz_attack *a, double param[BTZ_ATTACK_PARAMS_MAX])
{
    for (size_t i = 0; i < a->param_count; i++)
        param[i] = a->params[i].fallback;
}

void btz_attack_count(struct btz_attack_job *job, size_t i, uint64_t questions, uint64_t gradients)
{
    if (job->queries)
        job->queries[i] += questions;
    if (job->gradients)
        job->gradients[i] += gradients;
}

void btz_attack_rng(const struct btz_attack_job *job, size_t i, uint64_t part, struct btz_rng *out)
{
    /* Philox is keyed by the seed; index and part fill the stream. */
    btz_rng_init(out, job->seed ^ btz_rng_stream(btz_str(job->attack->id)),
                 job->index[i] << 20 | part);
}
