/*
 * Samples on their way to a batch.
 */
#include <math.h>
#include <stdlib.h>

#include "robust/harden/inside.h"
#include "sample/sample.h"

void btz_harden_shuffle(size_t *index, size_t n, struct btz_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t k = btz_rng_below(rng, (uint32_t)i), other = index[k];

        index[k] = index[i - 1];
        index[i - 1] = other;
    }
}

enum btz_err btz_harden_split(size_t n, const struct btz_harden_options *o, size_t **out,
                              size_t *kept)
{
    struct btz_rng rng;
    size_t *all;

    if (n < 1 || n > UINT32_MAX)
        return btz_fail(BTZ_USAGE, "%zu training samples", n);
    *kept = o->valid ? 0 : (size_t)(o->validation * (double)n);
    if (*kept >= n)
        *kept = n - 1;
    all = malloc(n * sizeof *all);
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_rng_init(&rng, o->seed, btz_rng_stream(btz_str("harden.split")));
    btz_harden_shuffle(all, n, &rng);
    *out = all;
    return BTZ_OK;
}

static enum btz_err take_held(const void *user, const size_t *index, size_t count, float *x,
                              uint32_t *y)
{
    const struct btz_harden_held *h = user;
    BTZ_FREE size_t *of = malloc(count * sizeof *of);

    if (!of)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < count; i++)
        of[i] = h->index[index[i]];
    return h->of->take(h->of->user, of, count, x, y);
}

enum btz_err btz_harden_held_open(const struct btz_harden_data *data,
                                  const struct btz_harden_options *options,
                                  struct btz_harden_held *out)
{
    size_t kept;

    BTZ_TRY(btz_harden_split(data->count, options, &out->index, &kept));
    out->of = data;
    out->data = *data;
    out->data.count = kept;
    out->data.take = take_held;
    out->data.user = out;
    return BTZ_OK;
}

void btz_harden_held_release(struct btz_harden_held *h)
{
    free(h->index);
    h->index = NULL;
}

enum btz_err btz_harden_take(const struct btz_harden_data *d, const size_t *index, size_t count,
                             size_t classes, float *x, uint32_t *y)
{
    BTZ_TRY(d->take(d->user, index, count, x, y));
    for (size_t i = 0; i < count; i++) {
        if (y[i] >= classes)
            return btz_fail(BTZ_INPUT,
                            "sample %zu has label %" PRIu32 ", the model knows 0 ... %zu", index[i],
                            y[i], classes - 1);
        for (size_t k = 0; k < d->features; k++)
            if (!isfinite(x[i * d->features + k]))
                return btz_fail(BTZ_INPUT, "sample %zu: value %zu is no finite number", index[i],
                                k);
    }
    return BTZ_OK;
}

void btz_harden_rng(const struct btz_harden_run *r, const char *part, uint64_t index,
                    struct btz_rng *out)
{
    btz_rng_init(out, r->o.seed ^ btz_rng_stream(btz_str(part)),
                 (uint64_t)r->state.epoch << 40 | index);
}

enum btz_err btz_harden_augment(const struct btz_harden_run *r, size_t index, float *x)
{
    struct btz_rng rng;

    if (!r->o.augment_count)
        return BTZ_OK;
    btz_harden_rng(r, "harden.augment", index, &rng);
    for (size_t i = 0; i < r->o.augment_count; i++) {
        const struct btz_harden_augment *a = &r->o.augments[i];

        if (btz_rng_unit(&rng) < a->share)
            BTZ_TRY(a->change(a->user, &r->params.sample, r->o.box, index, &rng, x));
    }
    for (size_t k = 0; k < r->params.features; k++)
        if (!(x[k] >= r->o.box.low && x[k] <= r->o.box.high))
            return btz_fail(BTZ_INPUT,
                            "sample %zu: value %zu is %g, outside %g ... %g: the box must hold "
                            "what the data hold",
                            index, k, (double)x[k], (double)r->o.box.low, (double)r->o.box.high);
    return BTZ_OK;
}

static enum btz_err take_samples(const void *user, const size_t *index, size_t count, float *x,
                                 uint32_t *y)
{
    return btz_samples_take(user, index, count, x, y);
}

enum btz_err btz_harden_data_of(const struct btz_samples *s, struct btz_harden_data *out)
{
    const struct btz_samples_info *info = btz_samples_info(s);
    struct btz_harden_data d = {
        .count = info->count,
        .features = info->values,
        .classes = info->classes,
        .take = take_samples,
        .user = s,
    };

    if (!info->labelled)
        return btz_fail(BTZ_USAGE, "the samples have no labels: training needs them");
    d.shape.rank = info->shape.rank;
    for (uint32_t k = 0; k < info->shape.rank; k++)
        d.shape.dim[k] = info->shape.dim[k];
    BTZ_TRY(btz_samples_digest(s, d.digest));
    *out = d;
    return BTZ_OK;
}
