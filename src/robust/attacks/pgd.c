/* Projected gradient descent: steps of one size, from random points. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/rows.h"

extern const struct btz_attack btz_attack_pgd;

enum { STEPS, STEP, RESTARTS, RANDOM, TOP, PARAMS };
static const struct btz_attack_param params[PARAMS] = {
    [STEPS] = { "steps", "iterations of a run", 40, 1, 100000, true },
    [STEP] = { "step", "size of a step in units of the input; 0: 2.5 eps / steps", 0, 0, 1e9,
               false },
    [RESTARTS] = { "restarts", "runs", 1, 1, 1000, true },
    [RANDOM] = { "random", "begin at random (1) or at the sample (0)", 1, 0, 1, true },
    [TOP] = { "top", "L1: share of the features that a step moves", 0.05, 0.0001, 1, false },
};

struct pgd {
    struct btz_attack_job *job;
    struct btz_rows rows;
    float *adv, *grad, *logits, *value, *best; /* rows */
    float *best_value;
    double step;
};

/* Along the gradient: its sign, its direction, or the signs of its largest entries. */
static void move(const struct pgd *p, size_t row)
{
    const struct btz_attack_job *job = p->job;
    size_t n = job->features;
    const float *grad = p->grad + row * n;
    float *adv = p->adv + row * n, by = (float)p->step, least = 0;

    if (job->norm == BTZ_NORM_L2) {
        by = (float)(p->step / (sqrt(btz_inner(grad, grad, n)) + 1e-12));
        for (size_t i = 0; i < n; i++)
            adv[i] += by * grad[i];
    } else {
        if (job->norm == BTZ_NORM_L1) {
            double count = 0;
            size_t moved = (size_t)ceil(job->param[TOP] * (double)n);

            least = btz_rank_of_abs(grad, n, n - moved);
            for (size_t i = 0; i < n; i++)
                count += fabsf(grad[i]) >= least && fabsf(grad[i]) > 0 ? 1 : 0;
            by = (float)(p->step / (count + 1e-10));
        }
        for (size_t i = 0; i < n; i++)
            adv[i] += fabsf(grad[i]) >= least ? by * btz_sign(grad[i]) : 0;
    }
    btz_project_ball(job->norm, job->eps, job->box, p->rows.x + row * n, n, adv);
}

/* Drops what is broken, keeps the point of the highest loss of the others. */
static void judge(struct pgd *p)
{
    size_t n = p->job->features, classes = p->job->classes;

    for (size_t row = p->rows.n; row-- > 0;) {
        if (btz_argmax(p->logits + row * classes, classes) != p->rows.y[row]) {
            btz_rows_broken(&p->rows, row, p->adv + row * n);
        } else if (p->value[row] > p->best_value[row]) {
            p->best_value[row] = p->value[row];
            memcpy(p->best + row * n, p->adv + row * n, n * sizeof *p->best);
        }
    }
}

/* One start for each row. A uniform one in Linf, as the evaluations that are compared have it: not scaled to the surface. */
static void begin(struct pgd *p, uint64_t part)
{
    const struct btz_attack_job *job = p->job;
    size_t n = job->features;

    memcpy(p->adv, p->rows.x, p->rows.n * n * sizeof *p->adv);
    for (size_t row = 0; row < p->rows.n && job->param[RANDOM] > 0; row++) {
        float *adv = p->adv + row * n;
        struct btz_rng rng;

        btz_attack_rng(job, p->rows.sample[row], part, &rng);
        if (job->norm != BTZ_NORM_LINF) {
            btz_random_start(job->norm, job->eps, job->box, p->rows.x + row * n, n, &rng, adv);
            continue;
        }
        for (size_t i = 0; i < n; i++)
            adv[i] += (float)(job->eps * (2 * btz_rng_unit(&rng) - 1));
        btz_project_ball(job->norm, job->eps, job->box, p->rows.x + row * n, n, adv);
    }
}

static enum btz_err run_once(struct pgd *p, uint64_t part)
{
    struct btz_attack_job *job = p->job;
    const struct btz_loss loss = { btz_loss_cross_entropy, p->rows.y };
    size_t steps = (size_t)job->param[STEPS];

    begin(p, part);
    for (size_t i = 0; i <= steps && p->rows.n && !btz_rows_stopped(&p->rows); i++) {
        /* After the last step only the class is wanted. */
        if (i == steps)
            BTZ_TRY(btz_classifier_logits(job->classifier, p->adv, p->rows.n, p->logits));
        else
            BTZ_TRY(btz_classifier_gradient(job->classifier, p->adv, p->rows.n, &loss, 1, p->logits,
                                            p->value, p->grad));
        btz_rows_asked(&p->rows, i < steps);
        if (i == steps)
            btz_loss_cross_entropy(p->rows.y, 0, p->rows.n, job->classes, p->logits, p->value,
                                   NULL);
        judge(p);
        for (size_t row = 0; i < steps && row < p->rows.n; row++)
            move(p, row);
    }
    return BTZ_OK;
}

static enum btz_err allocate(struct pgd *p)
{
    struct btz_rows *r = &p->rows;
    size_t row = p->job->features * sizeof(float);

    BTZ_TRY(btz_rows_init(r, p->job));
    if (!(p->adv = btz_rows_array(r, row)) || !(p->grad = btz_rows_array(r, row)) ||
        !(p->best = btz_rows_array(r, row)) || !(p->value = btz_rows_array(r, sizeof(float))) ||
        !(p->best_value = btz_rows_array(r, sizeof(float))) ||
        !(p->logits = btz_rows_array(r, p->job->classes * sizeof(float))))
        return BTZ_LIMIT;
    for (size_t i = 0; i < r->n; i++)
        p->best_value[i] = -INFINITY;
    memcpy(p->best, r->x, r->n * row);
    return BTZ_OK;
}

static enum btz_err run(struct btz_attack_job *job)
{
    struct pgd p = { .job = job, .step = job->param[STEP] };
    enum btz_err err = allocate(&p);

    if (p.step <= 0)
        p.step = 2.5 * job->eps / job->param[STEPS];
    for (size_t k = 0; !err && k < (size_t)job->param[RESTARTS]; k++)
        err = run_once(&p, k);
    for (size_t row = 0; !err && row < p.rows.n; row++)
        memcpy(job->adv + p.rows.sample[row] * job->features, p.best + row * job->features,
               job->features * sizeof *p.best);
    btz_rows_release(&p.rows);
    return err;
}

static enum btz_err selftest(void)
{
    BTZ_TRY(btz_known_bounds(&btz_attack_pgd, 1U << BTZ_NORM_LINF | 1U << BTZ_NORM_L2, 0.97, 1.05));
    return btz_known_bounds(&btz_attack_pgd, 1U << BTZ_NORM_L1, 0.97, 1.3);
}

static struct btz_attack_most most(const struct btz_attack_job *job)
{
    uint64_t runs = (uint64_t)job->param[RESTARTS], gradients = runs * (uint64_t)job->param[STEPS];

    return (struct btz_attack_most){ gradients + runs, gradients };
}

const struct btz_attack btz_attack_pgd = {
    .id = "pgd",
    .summary = "projected steps of one size, from random points",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_LINF | 1U << BTZ_NORM_L2 | 1U << BTZ_NORM_L1,
    .params = params,
    .param_count = PARAMS,
    .rule = "redteam.evasion.gradient",
    .source = "Madry et al. 2018, arXiv 1706.06083; L1: Tramer and Boneh 2019, arXiv 1904.13000",
    .run = run,
    .most = most,
    .selftest = selftest,
};
