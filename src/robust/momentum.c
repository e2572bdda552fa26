/*
 * Iterated sign steps with momentum: Dong et al., arXiv 1710.06081 (mi-fgsm); on inputs that are shrunk and padded at random:
 * Xie et al., arXiv 1803.06978 (di-fgsm); with gradients smoothed by a Gaussian, the mean over translations: Dong et al.,
 * arXiv 1904.02884 (ti-fgsm). Made to transfer to models that are not known; against the model itself weaker than pgd.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/rows.h"

const struct btz_attack_param btz_momentum_params[BTZ_MOMENTUM_PARAMS] = {
    { "steps", "iterations", 10, 1, 100000, true },
    { "step", "size of a step in units of the input; 0: eps / steps", 0, 0, 1e9, false },
    { "decay", "weight of earlier gradients", 1, 0, 10, false },
};

/* Where a shrunk image lies in the frame; side 0: the image as it is. */
struct place {
    size_t height, width, top, left;
};

struct momentum {
    struct btz_attack_job *job;
    struct btz_rows rows;
    struct btz_image m;
    bool smooth, resize;
    float *adv, *speed, *grad, *shown, *logits; /* rows */
    struct btz_rng *rng;
    struct place *place;
    float *kernel, *spare; /* spare: a row */
    size_t reach;          /* of the kernel, to either side */
    double step;
};

/* ---- resized inputs ---------------------------------------------------------------------------------------------------- */

static size_t pixel(const struct btz_image *m, size_t c, size_t i, size_t j)
{
    return c * m->step_c + i * m->step_h + j * m->step_w;
}

static void draw_place(struct momentum *a, size_t row)
{
    const double probability = a->job->param[BTZ_MOMENTUM_PARAMS];
    const double rate = a->job->param[BTZ_MOMENTUM_PARAMS + 1];
    struct btz_rng *rng = &a->rng[row];
    struct place *p = &a->place[row];
    double share;

    *p = (struct place){ 0 };
    if (btz_rng_unit(rng) >= probability)
        return;
    share = rate + (1 - rate) * btz_rng_unit(rng);
    p->height = (size_t)fmax(1, floor(share * (double)a->m.h));
    p->width = (size_t)fmax(1, floor(share * (double)a->m.w));
    p->top = btz_rng_below(rng, (uint32_t)(a->m.h - p->height + 1));
    p->left = btz_rng_below(rng, (uint32_t)(a->m.w - p->width + 1));
}

/* What the model is shown: the nearest pixels of the shrunk image, the low end of the box around it. */
static void show(const struct momentum *a, size_t row)
{
    size_t n = a->job->features;
    const struct place *p = &a->place[row];
    const float *from = a->adv + row * n;
    float *to = a->shown + row * n;

    if (!p->height) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    for (size_t i = 0; i < n; i++)
        to[i] = a->job->box.low;
    for (size_t c = 0; c < a->m.c; c++)
        for (size_t i = 0; i < p->height; i++)
            for (size_t j = 0; j < p->width; j++)
                to[pixel(&a->m, c, p->top + i, p->left + j)] =
                    from[pixel(&a->m, c, i * a->m.h / p->height, j * a->m.w / p->width)];
}

/* The derivative of show(): each gradient back to the pixel that was shown there. */
static void gather(const struct momentum *a, size_t row)
{
    size_t n = a->job->features;
    const struct place *p = &a->place[row];
    float *grad = a->grad + row * n;

    if (!p->height)
        return;
    memcpy(a->spare, grad, n * sizeof *grad);
    memset(grad, 0, n * sizeof *grad);
    for (size_t c = 0; c < a->m.c; c++)
        for (size_t i = 0; i < p->height; i++)
            for (size_t j = 0; j < p->width; j++)
                grad[pixel(&a->m, c, i * a->m.h / p->height, j * a->m.w / p->width)] +=
                    a->spare[pixel(&a->m, c, p->top + i, p->left + j)];
}

/* ---- smoothed gradients ------------------------------------------------------------------------------------------------ */

static enum btz_err make_kernel(struct momentum *a)
{
    size_t size = (size_t)a->job->param[BTZ_MOMENTUM_PARAMS];
    double sigma = a->job->param[BTZ_MOMENTUM_PARAMS + 1], sum = 0;

    a->reach = size / 2;
    a->kernel = calloc(2 * a->reach + 1, sizeof *a->kernel);
    if (!a->kernel)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i <= 2 * a->reach; i++) {
        double x = ((double)i - (double)a->reach) * sigma / fmax(1, (double)a->reach);

        a->kernel[i] = (float)exp(-x * x / 2);
        sum += (double)a->kernel[i];
    }
    for (size_t i = 0; i <= 2 * a->reach; i++)
        a->kernel[i] /= (float)sum;
    return BTZ_OK;
}

/* One line of pixels, nothing beyond its ends. */
static void smooth_line(const struct momentum *a, const float *from, float *to, size_t count,
                        size_t step)
{
    for (size_t i = 0; i < count; i++) {
        size_t first = i > a->reach ? i - a->reach : 0;
        float sum = 0;

        for (size_t k = first; k < count && k <= i + a->reach; k++)
            sum += from[k * step] * a->kernel[k + a->reach - i];
        to[i * step] = sum;
    }
}

static void smooth(const struct momentum *a, size_t row)
{
    float *grad = a->grad + row * a->job->features;

    for (size_t c = 0; c < a->m.c; c++) {
        for (size_t i = 0; i < a->m.h; i++)
            smooth_line(a, grad + pixel(&a->m, c, i, 0), a->spare + pixel(&a->m, c, i, 0), a->m.w,
                        a->m.step_w);
        if (a->m.h == 1) {
            memcpy(grad, a->spare, a->job->features * sizeof *grad);
            return;
        }
        for (size_t j = 0; j < a->m.w; j++)
            smooth_line(a, a->spare + pixel(&a->m, c, 0, j), grad + pixel(&a->m, c, 0, j), a->m.h,
                        a->m.step_h);
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------------------- */

static void move(const struct momentum *a, size_t row)
{
    const struct btz_attack_job *job = a->job;
    size_t n = job->features;
    const float *grad = a->grad + row * n;
    float *speed = a->speed + row * n, *adv = a->adv + row * n;
    float decay = (float)job->param[2], scale, step = (float)a->step;
    double length = 0;

    for (size_t i = 0; i < n; i++)
        length += fabs((double)grad[i]);
    scale = (float)(1 / (length + 1e-12));
    for (size_t i = 0; i < n; i++) {
        speed[i] = decay * speed[i] + scale * grad[i];
        adv[i] += step * btz_sign(speed[i]);
    }
    btz_project_ball(BTZ_NORM_LINF, job->eps, job->box, a->rows.x + row * n, n, adv);
}

/* Classes are those of the inputs themselves, whatever was shown for the gradient. */
static enum btz_err judge(struct momentum *a)
{
    size_t n = a->job->features, classes = a->job->classes;

    BTZ_TRY(btz_classifier_logits(a->job->classifier, a->adv, a->rows.n, a->logits));
    btz_rows_asked(&a->rows, false);
    for (size_t row = a->rows.n; row-- > 0;)
        if (btz_argmax(a->logits + row * classes, classes) != a->rows.y[row])
            btz_rows_broken(&a->rows, row, a->adv + row * n);
    return BTZ_OK;
}

static enum btz_err run_steps(struct momentum *a)
{
    const struct btz_loss loss = { btz_loss_cross_entropy, a->rows.y };
    struct btz_attack_job *job = a->job;

    for (size_t i = 0; i < (size_t)job->param[0] && a->rows.n && !btz_rows_stopped(&a->rows); i++) {
        for (size_t row = 0; row < a->rows.n && a->resize; row++) {
            draw_place(a, row);
            show(a, row);
        }
        BTZ_TRY(btz_classifier_gradient(job->classifier, a->resize ? a->shown : a->adv, a->rows.n,
                                        &loss, 1, NULL, NULL, a->grad));
        btz_rows_asked(&a->rows, true);
        for (size_t row = 0; row < a->rows.n; row++) {
            if (a->resize)
                gather(a, row);
            if (a->smooth)
                smooth(a, row);
            move(a, row);
        }
        BTZ_TRY(judge(a));
    }
    for (size_t row = 0; row < a->rows.n; row++)
        memcpy(job->adv + a->rows.sample[row] * job->features, a->adv + row * job->features,
               job->features * sizeof *a->adv);
    return BTZ_OK;
}

static enum btz_err allocate(struct momentum *a)
{
    struct btz_rows *r = &a->rows;
    size_t row = a->job->features * sizeof(float);

    BTZ_TRY(btz_rows_init(r, a->job));
    if (!(a->adv = btz_rows_array(r, row)) || !(a->speed = btz_rows_array(r, row)) ||
        !(a->grad = btz_rows_array(r, row)) ||
        !(a->logits = btz_rows_array(r, a->job->classes * sizeof(float))) ||
        (a->resize &&
         (!(a->shown = btz_rows_array(r, row)) || !(a->rng = btz_rows_array(r, sizeof *a->rng)) ||
          !(a->place = btz_rows_array(r, sizeof *a->place)))))
        return BTZ_LIMIT;
    for (size_t i = 0; i < r->n && a->resize; i++)
        btz_attack_rng(a->job, r->sample[i], 0, &a->rng[i]);
    memcpy(a->adv, r->x, r->n * row);
    a->spare = malloc(row);
    if (!a->spare)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return a->smooth ? make_kernel(a) : BTZ_OK;
}

struct btz_attack_most btz_momentum_most(const struct btz_attack_job *job)
{
    uint64_t steps = (uint64_t)job->param[0];

    return (struct btz_attack_most){ 2 * steps, steps };
}

enum btz_err btz_momentum_run(struct btz_attack_job *job, bool smooth_gradients, bool resize)
{
    struct momentum a = {
        .job = job,
        .m = btz_image_of(&job->shape),
        .smooth = smooth_gradients,
        .resize = resize,
        .step = job->param[1] > 0 ? job->param[1] : job->eps / job->param[0],
    };
    enum btz_err err = allocate(&a);

    if (!err)
        err = run_steps(&a);
    btz_rows_release(&a.rows);
    free(a.kernel);
    free(a.spare);
    return err;
}
