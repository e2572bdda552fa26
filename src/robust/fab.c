/*
 * Fast adaptive boundary: Croce and Hein, arXiv 1907.02044. Looks for the smallest step over the boundary; constants as in
 * fra31/auto-attack.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/rows.h"

const struct btz_attack_param btz_fab_params[BTZ_FAB_PARAMS + 1] = {
    { "steps", "iterations of a run", 100, 1, 100000, true },
    { "restarts", "runs; the first begins at the sample, others at random", 1, 1, 1000, true },
    { "alpha-max", "largest weight of the clean input", 0.1, 0, 1, false },
    { "eta", "overshooting", 1.05, 1, 2, false },
    { "beta", "how far to step back towards the clean input", 0.9, 0.01, 1, false },
    { "minimise", "go on within eps, for the smallest distance (1) or not (0)", 0, 0, 1, true },
    { "targets", "classes aimed at, likeliest first", 9, 1, 1000, true },
};

struct fab {
    struct btz_attack_job *job;
    struct btz_rows rows;
    struct btz_labels labels;
    bool targeted;
    uint32_t *target;
    float *at, *grad, *best, *logits, *value; /* rows; value: of the class that is aimed at */
    double *distance;                         /* of best; INFINITY: none */
    float *step, *from_clean, *scratch;       /* a row each, scratch two */
    /* Untargeted: gradients of all differences to the label, and their losses. */
    float *grads, *values;
    struct btz_loss *losses;
    struct btz_labels *to;
    uint32_t *classes;
    size_t restarts, steps;
};

static enum btz_err allocate_classes(struct fab *f)
{
    size_t k = f->job->classes, cells;

    if (!btz_size_mul(f->rows.cap, f->job->features, &cells) || !btz_size_mul(cells, k, &cells))
        return btz_fail(BTZ_LIMIT, "fab: %zu classes of %zu features: aim at classes with fab-t", k,
                        f->job->features);
    f->grads = calloc(cells, sizeof *f->grads);
    f->values = calloc(f->rows.cap * k, sizeof *f->values);
    f->losses = calloc(k, sizeof *f->losses);
    f->to = calloc(k, sizeof *f->to);
    f->classes = calloc(f->rows.cap * k, sizeof *f->classes);
    if (!f->grads || !f->values || !f->losses || !f->to || !f->classes)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t c = 0; c < k; c++) {
        for (size_t i = 0; i < f->rows.cap; i++)
            f->classes[c * f->rows.cap + i] = (uint32_t)c;
        f->to[c] = (struct btz_labels){ f->rows.y, f->classes + c * f->rows.cap };
        f->losses[c] = (struct btz_loss){ btz_loss_difference, &f->to[c] };
    }
    return BTZ_OK;
}

static enum btz_err allocate(struct fab *f)
{
    struct btz_rows *r = &f->rows;
    size_t row = f->job->features * sizeof(float);

    BTZ_TRY(btz_rows_init(r, f->job));
    if (!(f->target = btz_rows_array(r, sizeof *f->target)) || !(f->at = btz_rows_array(r, row)) ||
        !(f->grad = btz_rows_array(r, row)) || !(f->best = btz_rows_array(r, row)) ||
        !(f->logits = btz_rows_array(r, f->job->classes * sizeof(float))) ||
        !(f->value = btz_rows_array(r, sizeof *f->value)) ||
        !(f->distance = btz_rows_array(r, sizeof *f->distance)))
        return BTZ_LIMIT;
    f->labels = (struct btz_labels){ r->y, f->target };
    f->step = malloc(row);
    f->from_clean = malloc(row);
    f->scratch = malloc(2 * row);
    if (!f->step || !f->from_clean || !f->scratch)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return f->targeted ? BTZ_OK : allocate_classes(f);
}

static void release(struct fab *f)
{
    btz_rows_release(&f->rows);
    free(f->step);
    free(f->from_clean);
    free(f->scratch);
    free(f->grads);
    free(f->values);
    free(f->losses);
    free(f->to);
    free(f->classes);
}

/* ---- the nearest plane ------------------------------------------------------------------------------------------------- */

static double norm_of_step(enum btz_norm norm, const float *d, size_t n)
{
    double sum = 0;

    if (norm == BTZ_NORM_L2)
        return sqrt(btz_inner(d, d, n));
    if (norm == BTZ_NORM_L1) {
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < n; i++)
            sum += fabs((double)d[i]);
        return sum;
    }
    float most = 0;

#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++)
        most = fabsf(d[i]) > most ? fabsf(d[i]) : most;
    return (double)most;
}

/* In the norm dual to the one whose steps are small. */
static double dual_norm(enum btz_norm norm, const float *g, size_t n)
{
    return norm_of_step(norm == BTZ_NORM_LINF ? BTZ_NORM_L1
                        : norm == BTZ_NORM_L1 ? BTZ_NORM_LINF
                                              : BTZ_NORM_L2,
                        g, n);
}

/* The class whose boundary is nearest where all are planes. Its gradient and value become the row's. */
static double nearest(struct fab *f, size_t row)
{
    size_t n = f->job->features, rows = f->rows.n, best = 0;
    double least = INFINITY;

    for (size_t k = 0; k < f->job->classes; k++) {
        const float *g = f->grads + (k * rows + row) * n;
        double away;

        if (k == f->rows.y[row])
            continue;
        away = fabs((double)f->values[k * rows + row]) / (1e-12 + dual_norm(f->job->norm, g, n));
        if (away < least || !isfinite(least)) {
            least = away;
            best = k;
        }
    }
    memcpy(f->grad + row * n, f->grads + (best * rows + row) * n, n * sizeof *f->grad);
    return (double)f->values[best * rows + row];
}

/* z_k - z_y of the class that is aimed at, and its gradient, where the rows are. */
static enum btz_err differentiate(struct fab *f)
{
    struct btz_loss loss = { btz_loss_difference, &f->labels };

    if (f->targeted) {
        BTZ_TRY(btz_classifier_gradient(f->job->classifier, f->at, f->rows.n, &loss, 1, NULL,
                                        f->value, f->grad));
        btz_rows_asked(&f->rows, true);
        return BTZ_OK;
    }
    BTZ_TRY(btz_classifier_gradient(f->job->classifier, f->at, f->rows.n, f->losses,
                                    f->job->classes, NULL, f->values, f->grads));
    for (size_t k = 0; k < f->job->classes; k++)
        btz_rows_asked(&f->rows, true);
    for (size_t row = 0; row < f->rows.n; row++)
        f->value[row] = (float)nearest(f, row);
    return BTZ_OK;
}

/* ---- one iteration ----------------------------------------------------------------------------------------------------- */

/* Towards the plane from where the row is, a little towards the plane from the clean input. */
static void move(struct fab *f, size_t row)
{
    const struct btz_attack_job *job = f->job;
    size_t n = job->features;
    const float *x0 = f->rows.x + row * n, *w = f->grad + row * n;
    float *x1 = f->at + row * n, eta = (float)job->param[3], share;
    double value = (double)f->value[row], clean = value, near, far, alpha;

    /* w.x0 - b with b = w.x1 - value */
#pragma omp simd reduction(+ : clean)
    for (size_t i = 0; i < n; i++)
        clean += (double)w[i] * ((double)x0[i] - (double)x1[i]);
    btz_project_plane(job->norm, job->box, x1, w, value, n, f->step, f->scratch);
    btz_project_plane(job->norm, job->box, x0, w, clean, n, f->from_clean, f->scratch);
    near = norm_of_step(job->norm, f->step, n);
    far = norm_of_step(job->norm, f->from_clean, n);
    near = near > 1e-8 ? near : 1e-8;
    far = far > 1e-8 ? far : 1e-8;
    alpha = fmin(near / (near + far), job->param[2]);
    share = (float)alpha;
    const float *step = f->step, *from_clean = f->from_clean;

#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float v = (x1[i] + eta * step[i]) * (1 - share) + (x0[i] + eta * from_clean[i]) * share;

        x1[i] = btz_clamp(v, job->box.low, job->box.high);
    }
}

/* A row over the boundary: kept where it is nearer than before, then moved back. Within eps it is what the job asks for. */
static void over(struct fab *f, size_t row)
{
    const struct btz_attack_job *job = f->job;
    size_t n = job->features;
    const float *x0 = f->rows.x + row * n;
    float *x1 = f->at + row * n, beta = (float)job->param[4];
    double distance = btz_distance(job->norm, x1, x0, n);

    if (distance < f->distance[row]) {
        f->distance[row] = distance;
        memcpy(f->best + row * n, x1, n * sizeof *x1);
        if (distance <= job->eps && job->param[5] <= 0) {
            btz_rows_broken(&f->rows, row, x1);
            return;
        }
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x1[i] = x0[i] + (x1[i] - x0[i]) * beta;
}

static enum btz_err iterate(struct fab *f)
{
    size_t classes = f->job->classes;

    BTZ_TRY(differentiate(f));
    for (size_t row = 0; row < f->rows.n; row++)
        move(f, row);
    BTZ_TRY(btz_classifier_logits(f->job->classifier, f->at, f->rows.n, f->logits));
    btz_rows_asked(&f->rows, false);
    for (size_t row = f->rows.n; row-- > 0;)
        if (btz_argmax(f->logits + row * classes, classes) != f->rows.y[row])
            over(f, row);
    return BTZ_OK;
}

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

/* Restarts begin halfway to eps, or nearer where something nearer was found. */
static void begin(struct fab *f, uint64_t part, bool random)
{
    const struct btz_attack_job *job = f->job;
    size_t n = job->features;

    for (size_t row = 0; row < f->rows.n; row++) {
        const float *x = f->rows.x + row * n;
        float *at = f->at + row * n;
        double radius = fmin(job->eps, f->distance[row]) / 2, size;
        struct btz_rng rng;

        memcpy(at, x, n * sizeof *at);
        if (!random)
            continue;
        btz_attack_rng(job, f->rows.sample[row], part, &rng);
        for (size_t i = 0; i < n; i++)
            f->step[i] = (float)(job->norm == BTZ_NORM_LINF ? 2 * btz_rng_unit(&rng) - 1
                                                            : btz_random_normal(&rng));
        size = norm_of_step(job->norm, f->step, n) + 1e-12;
        for (size_t i = 0; i < n; i++)
            at[i] =
                btz_clamp(x[i] + (float)(radius / size) * f->step[i], job->box.low, job->box.high);
    }
}

static enum btz_err aim(struct fab *f, size_t rank)
{
    BTZ_TRY(btz_classifier_logits(f->job->classifier, f->rows.x, f->rows.n, f->logits));
    btz_rows_asked(&f->rows, false);
    for (size_t row = 0; row < f->rows.n; row++)
        f->target[row] =
            btz_class_of_rank(f->logits + row * f->job->classes, f->job->classes, rank);
    return BTZ_OK;
}

/* What was found, for rows that are not dropped: over eps it does not count. */
static void settle(struct fab *f)
{
    const struct btz_attack_job *job = f->job;
    size_t n = job->features;

    for (size_t row = f->rows.n; row-- > 0;) {
        if (!isfinite(f->distance[row]))
            continue;
        memcpy(job->adv + f->rows.sample[row] * n, f->best + row * n, n * sizeof *f->best);
        if (f->distance[row] <= job->eps)
            job->broken[f->rows.sample[row]] = true;
    }
}

static size_t targets_of(const struct btz_attack_job *job)
{
    return (size_t)fmin(job->param[BTZ_FAB_PARAMS], (double)(job->classes - 1));
}

struct btz_attack_most btz_fab_most(const struct btz_attack_job *job)
{
    bool targeted = job->attack->param_count > BTZ_FAB_PARAMS;
    uint64_t runs = (uint64_t)job->param[1] * (targeted ? targets_of(job) : 1);
    uint64_t passes = runs * (uint64_t)job->param[0];
    uint64_t gradients = passes * (targeted ? 1 : job->classes);

    return (struct btz_attack_most){ gradients + passes + (targeted ? runs : 0), gradients };
}

static enum btz_err run_all(struct fab *f)
{
    size_t targets = f->targeted ? targets_of(f->job) : 1;

    for (size_t row = 0; row < f->rows.n; row++)
        f->distance[row] = INFINITY;
    for (size_t k = 0; k < targets; k++)
        for (size_t restart = 0; restart < f->restarts; restart++) {
            if (f->targeted && f->rows.n)
                BTZ_TRY(aim(f, k + 2));
            begin(f, k * f->restarts + restart, restart > 0);
            for (size_t i = 0; i < f->steps && f->rows.n; i++) {
                if (btz_rows_stopped(&f->rows))
                    return BTZ_OK;
                BTZ_TRY(iterate(f));
            }
        }
    return BTZ_OK;
}

enum btz_err btz_fab_run(struct btz_attack_job *job, bool targeted)
{
    struct fab f = {
        .job = job,
        .targeted = targeted,
        .steps = (size_t)job->param[0],
        .restarts = (size_t)job->param[1],
    };
    enum btz_err err = allocate(&f);

    if (!err)
        err = run_all(&f);
    if (!err)
        settle(&f);
    release(&f);
    return err;
}
