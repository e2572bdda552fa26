/*
 * The samples at work, packed.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/rows.h"

static void fill(struct btz_rows *r)
{
    const struct btz_attack_job *job = r->job;

    for (size_t i = 0; i < job->n; i++) {
        if (job->broken[i])
            continue;
        r->sample[r->n] = i;
        r->y[r->n] = job->y[i];
        memcpy(r->x + r->n * job->features, job->x + i * job->features,
               job->features * sizeof *r->x);
        r->n++;
    }
}

enum btz_err btz_rows_init(struct btz_rows *r, struct btz_attack_job *job)
{
    *r = (struct btz_rows){ .job = job };
    for (size_t i = 0; i < job->n; i++)
        r->cap += !job->broken[i];
    r->sample = btz_rows_array(r, sizeof *r->sample);
    r->x = btz_rows_array(r, job->features * sizeof *r->x);
    r->y = btz_rows_array(r, sizeof *r->y);
    if (!r->sample || !r->x || !r->y) {
        btz_rows_release(r);
        return BTZ_LIMIT;
    }
    fill(r);
    return BTZ_OK;
}

void btz_rows_release(struct btz_rows *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->arrays[i].data);
    *r = (struct btz_rows){ .job = r->job };
}

void *btz_rows_array(struct btz_rows *r, size_t size)
{
    void *data = r->count < BTZ_ROWS_ARRAYS ? calloc(r->cap + 1, size) : NULL;

    if (!data) {
        btz_error_set("out of memory for %zu samples of %zu bytes", r->cap, size);
        return NULL;
    }
    r->arrays[r->count].data = data;
    r->arrays[r->count++].size = size;
    return data;
}

void btz_rows_drop(struct btz_rows *r, size_t row)
{
    r->n--;
    for (size_t i = 0; row < r->n && i < r->count; i++) {
        char *data = r->arrays[i].data;
        size_t size = r->arrays[i].size;

        memcpy(data + row * size, data + r->n * size, size);
    }
}

void btz_rows_broken(struct btz_rows *r, size_t row, const float *adv)
{
    struct btz_attack_job *job = r->job;
    size_t i = r->sample[row];

    memcpy(job->adv + i * job->features, adv, job->features * sizeof *adv);
    job->broken[i] = true;
    btz_rows_drop(r, row);
}

void btz_rows_asked(const struct btz_rows *r, bool gradient)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->job->queries)
            r->job->queries[r->sample[i]]++;
        if (gradient && r->job->gradients)
            r->job->gradients[r->sample[i]]++;
    }
}

bool btz_rows_stopped(const struct btz_rows *r)
{
    return r->job->stop && __atomic_load_n(r->job->stop, __ATOMIC_RELAXED);
}

struct btz_image btz_image_of(const struct btz_shape *s)
{
    struct btz_image m = { 1, 1, 1, 0, 0, 1 };

    if (s->rank == 3 && s->dim[2] <= 4 && s->dim[0] > 4) {
        m = (struct btz_image){ .c = (size_t)s->dim[2],
                                .h = (size_t)s->dim[0],
                                .w = (size_t)s->dim[1] };
        m.step_c = 1;
        m.step_w = m.c;
        m.step_h = m.w * m.c;
        return m;
    }
    if (s->rank == 3)
        m.c = (size_t)s->dim[0];
    if (s->rank == 2 || s->rank == 3) {
        m.h = (size_t)s->dim[s->rank - 2];
        m.w = (size_t)s->dim[s->rank - 1];
    } else {
        for (uint32_t k = 0; k < s->rank; k++)
            m.w *= (size_t)s->dim[k];
    }
    m.step_h = m.w;
    m.step_c = m.h * m.w;
    return m;
}
