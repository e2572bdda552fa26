/*
 * Auto-PGD: Croce and Hein, arXiv 2003.01690 (Linf, L2) and arXiv 2103.01208 (L1). Constants and order of steps as in
 * fra31/auto-attack, so that its published figures can be compared with ours.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/rows.h"

const struct btz_attack_param btz_apgd_params[BTZ_APGD_PARAMS + 1] = {
    { "steps", "iterations of a run", 100, 1, 100000, true },
    { "restarts", "runs, of each target", 1, 1, 1000, true },
    { "rho", "share of steps that must raise the loss", 0.75, 0, 1, false },
    { "eot", "gradients averaged for each step, for models with randomness", 1, 1, 1000, true },
    { "large-eps", "L1: begin with 3 and 2 times eps (1) or not (0)", 0, 0, 1, true },
    { "targets", "classes aimed at, likeliest first", 9, 1, 1000, true },
};

/* What a row remembers. */
struct trace {
    double step, top, sparsity; /* the last two of L1 */
    float best, best_checked;
    bool reduced;
};

struct apgd {
    struct btz_attack_job *job;
    struct btz_rows rows;
    struct btz_loss loss;
    struct btz_labels labels;
    bool targeted;
    uint32_t *target;
    float *adv, *old, *grad, *best, *best_grad, *history; /* rows; history: losses by step */
    struct trace *trace;
    float *logits, *value, *one; /* of a call; one: a gradient, where several are averaged */
    float *spare;                /* a single row */
    size_t steps_max, eot;
    double rho;
};

struct stage {
    double eps;
    size_t steps;
    bool begun; /* adv holds where to begin, found by an earlier stage */
    bool last;  /* within the true eps: what is misclassified counts */
};

static enum btz_err allocate(struct apgd *a)
{
    size_t row = a->job->features * sizeof(float);
    struct btz_rows *r = &a->rows;

    BTZ_TRY(btz_rows_init(r, a->job));
    a->labels.y = r->y;
    if (!(a->target = btz_rows_array(r, sizeof *a->target)) || !(a->adv = btz_rows_array(r, row)) ||
        !(a->old = btz_rows_array(r, row)) || !(a->grad = btz_rows_array(r, row)) ||
        !(a->best = btz_rows_array(r, row)) || !(a->best_grad = btz_rows_array(r, row)) ||
        !(a->trace = btz_rows_array(r, sizeof *a->trace)) ||
        !(a->history = btz_rows_array(r, a->steps_max * sizeof(float))))
        return BTZ_LIMIT;
    a->labels.target = a->target;
    if (!(a->logits = btz_rows_array(r, a->job->classes * sizeof(float))) ||
        !(a->value = btz_rows_array(r, sizeof(float))) ||
        (a->eot > 1 && !(a->one = btz_rows_array(r, row))))
        return BTZ_LIMIT;
    a->spare = malloc(row);
    return a->spare ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

/* ---- one step ---------------------------------------------------------------------------------------------------------- */

static void step_linf(float eps, struct btz_box box, float step, float share, size_t n,
                      const float *restrict x, const float *restrict grad, float *restrict old,
                      float *restrict adv)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float low = x[i] - eps, high = x[i] + eps, at = adv[i], z;

        z = btz_clamp(btz_clamp(at + step * btz_sign(grad[i]), low, high), box.low, box.high);
        z = at + (z - at) * share + (at - old[i]) * (1 - share);
        old[i] = at;
        adv[i] = btz_clamp(btz_clamp(z, low, high), box.low, box.high);
    }
}

static void step_l2(double eps, struct btz_box box, double step, float share, size_t n,
                    const float *x, const float *grad, float *spare, float *old, float *adv)
{
    float move = (float)(step / (sqrt(btz_inner(grad, grad, n)) + 1e-12));

#pragma omp simd
    for (size_t i = 0; i < n; i++)
        spare[i] = adv[i] + move * grad[i];
    btz_project_ball(BTZ_NORM_L2, eps, box, x, n, spare);
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float at = adv[i], z = at + (spare[i] - at) * share + (at - old[i]) * (1 - share);

        old[i] = at;
        adv[i] = z;
    }
    btz_project_ball(BTZ_NORM_L2, eps, box, x, n, adv);
}

/* Along the sign of the largest entries of the gradient; no momentum. */
static void step_l1(double eps, struct btz_box box, double step, double top, size_t n,
                    const float *x, const float *grad, float *old, float *adv)
{
    double rank = (1 - top) * (double)n, count = 0;
    float least, move;

    rank = rank < 0 ? 0 : rank > (double)(n - 1) ? (double)(n - 1) : rank;
    least = btz_rank_of_abs(grad, n, (size_t)rank);
    for (size_t i = 0; i < n; i++)
        count += fabsf(grad[i]) >= least && fabsf(grad[i]) > 0 ? 1 : 0;
    move = (float)(step / (count + 1e-10));
    memcpy(old, adv, n * sizeof *old);
    for (size_t i = 0; i < n; i++)
        adv[i] += fabsf(grad[i]) >= least ? move * btz_sign(grad[i]) : 0;
    btz_project_ball(BTZ_NORM_L1, eps, box, x, n, adv);
}

static void step(struct apgd *a, const struct stage *s, size_t row, bool first)
{
    const struct btz_attack_job *job = a->job;
    size_t n = job->features, at = row * n;
    const struct trace *t = &a->trace[row];
    float share = first ? 1.0F : 0.75F;

    if (job->norm == BTZ_NORM_LINF)
        step_linf((float)s->eps, job->box, (float)t->step, share, n, a->rows.x + at, a->grad + at,
                  a->old + at, a->adv + at);
    else if (job->norm == BTZ_NORM_L2)
        step_l2(s->eps, job->box, t->step, share, n, a->rows.x + at, a->grad + at, a->spare,
                a->old + at, a->adv + at);
    else
        step_l1(s->eps, job->box, t->step, t->top, n, a->rows.x + at, a->grad + at, a->old + at,
                a->adv + at);
}

/* ---- losses and gradients ---------------------------------------------------------------------------------------------- */

/* Logits and losses are those of the last of the averaged calls, as in the source. */
static enum btz_err ask(struct apgd *a)
{
    size_t count = a->rows.n * a->job->features;

    for (size_t k = 0; k < a->eot; k++) {
        BTZ_TRY(btz_classifier_gradient(a->job->classifier, a->adv, a->rows.n, &a->loss, 1,
                                        a->logits, a->value, k ? a->one : a->grad));
        btz_rows_asked(&a->rows, true);
        for (size_t i = 0; k && i < count; i++)
            a->grad[i] += a->one[i];
    }
    for (size_t i = 0; a->eot > 1 && i < count; i++)
        a->grad[i] /= (float)a->eot;
    return BTZ_OK;
}

static void keep_best(struct apgd *a, size_t row)
{
    size_t n = a->job->features;

    memcpy(a->best + row * n, a->adv + row * n, n * sizeof *a->best);
    memcpy(a->best_grad + row * n, a->grad + row * n, n * sizeof *a->best_grad);
    a->trace[row].best = a->value[row];
}

/* The source goes on with points that are broken, and returns the last iterate that was; here the first one ends it. */
static void take_broken(struct apgd *a, const struct stage *s)
{
    for (size_t row = a->rows.n; s->last && row-- > 0;)
        if (btz_argmax(a->logits + row * a->job->classes, a->job->classes) != a->rows.y[row])
            btz_rows_broken(&a->rows, row, a->adv + row * a->job->features);
}

/* ---- step sizes -------------------------------------------------------------------------------------------------------- */

static double sparsity(const struct apgd *a, size_t row, const float *p)
{
    return btz_norm_of(BTZ_NORM_L0, p + row * a->job->features, a->rows.x + row * a->job->features,
                       a->job->features);
}

static void restart_from_best(struct apgd *a, size_t row)
{
    size_t n = a->job->features;

    memcpy(a->adv + row * n, a->best + row * n, n * sizeof *a->adv);
    memcpy(a->grad + row * n, a->best_grad + row * n, n * sizeof *a->grad);
}

/* Too few of the last `every` steps raised the loss. In the source the step before the first is the last row of a table that is
 * still zero; so it is here. */
static bool oscillates(const struct apgd *a, size_t row, size_t steps, size_t now, size_t every)
{
    const float *history = a->history + row * a->steps_max;
    size_t raised = 0;

    for (size_t q = 0; q < every; q++)
        raised += history[now - q] > history[now - q > 0 ? now - q - 1 : steps - 1];
    return (double)raised <= a->rho * (double)every;
}

static void check_halving(struct apgd *a, const struct stage *s, size_t now, size_t every)
{
    for (size_t row = 0; row < a->rows.n; row++) {
        struct trace *t = &a->trace[row];
        bool stuck =
            oscillates(a, row, s->steps, now, every) || (!t->reduced && t->best_checked >= t->best);

        t->reduced = stuck;
        t->best_checked = t->best;
        if (stuck) {
            t->step /= 2;
            restart_from_best(a, row);
        }
    }
}

static void check_sparsity(struct apgd *a, const struct stage *s)
{
    for (size_t row = 0; row < a->rows.n; row++) {
        struct trace *t = &a->trace[row];
        double now = sparsity(a, row, a->best);
        bool sparser = now / t->sparsity < 0.95;

        t->top = now / (double)a->job->features / 1.5;
        t->step = sparser ? s->eps : fmax(t->step / 1.5, s->eps / 10);
        t->sparsity = now;
        if (sparser)
            restart_from_best(a, row);
    }
}

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

static void begin_row(struct apgd *a, const struct stage *s, size_t row)
{
    struct trace *t = &a->trace[row];
    bool l1 = a->job->norm == BTZ_NORM_L1;

    *t = (struct trace){ .step = l1 ? s->eps : 2 * s->eps, .reduced = true };
    t->top = 0.2;
    t->sparsity = (double)a->job->features;
    if (l1 && s->begun) {
        t->sparsity = sparsity(a, row, a->adv);
        t->top = t->sparsity / (double)a->job->features / 1.5;
    }
    memset(a->history + row * a->steps_max, 0, a->steps_max * sizeof *a->history);
}

static enum btz_err begin(struct apgd *a, const struct stage *s)
{
    size_t n = a->job->features;

    for (size_t row = 0; row < a->rows.n; row++) {
        if (s->begun)
            btz_project_ball(a->job->norm, s->eps, a->job->box, a->rows.x + row * n, n,
                             a->adv + row * n);
        begin_row(a, s, row);
        memcpy(a->old + row * n, a->adv + row * n, n * sizeof *a->old);
    }
    BTZ_TRY(ask(a));
    for (size_t row = 0; row < a->rows.n; row++) {
        keep_best(a, row);
        a->trace[row].best_checked = a->value[row];
    }
    take_broken(a, s);
    return BTZ_OK;
}

static size_t at_least(double share, size_t steps, size_t least)
{
    size_t n = (size_t)(share * (double)steps);

    return n > least ? n : least;
}

static enum btz_err run_stage(struct apgd *a, const struct stage *s)
{
    bool l1 = a->job->norm == BTZ_NORM_L1;
    size_t every = at_least(l1 ? .04 : .22, s->steps, 1), since = 0;
    size_t less = at_least(.03, s->steps, 1), least = at_least(.06, s->steps, 1);

    BTZ_TRY(begin(a, s));
    for (size_t i = 0; i < s->steps && a->rows.n && !btz_rows_stopped(&a->rows); i++) {
        for (size_t row = 0; row < a->rows.n; row++)
            step(a, s, row, i == 0);
        BTZ_TRY(ask(a));
        for (size_t row = 0; row < a->rows.n; row++) {
            a->history[row * a->steps_max + i] = a->value[row];
            if (a->value[row] > a->trace[row].best)
                keep_best(a, row);
        }
        take_broken(a, s);
        if (++since != every)
            continue;
        since = 0;
        if (l1) {
            check_sparsity(a, s);
        } else {
            check_halving(a, s, i, every);
            every = every > less + least ? every - less : least;
        }
    }
    return BTZ_OK;
}

static void random_starts(struct apgd *a, double eps, uint64_t part)
{
    for (size_t row = 0; row < a->rows.n; row++) {
        size_t at = row * a->job->features;
        struct btz_rng rng;

        btz_attack_rng(a->job, a->rows.sample[row], part, &rng);
        btz_random_start(a->job->norm, eps, a->job->box, a->rows.x + at, a->job->features, &rng,
                         a->adv + at);
    }
}

/* Steps of each of the two stages with larger eps of L1; 0: there are none. */
static size_t early_steps(const struct btz_attack_job *job)
{
    size_t steps = (size_t)job->param[0], early = (size_t)ceil(.3 * (double)steps);

    return job->norm == BTZ_NORM_L1 && job->param[4] > 0 && steps > 2 * early ? early : 0;
}

static enum btz_err run_once(struct apgd *a, uint64_t part)
{
    double eps = a->job->eps;
    size_t steps = a->steps_max, early = early_steps(a->job);
    size_t n = a->job->features;

    if (early) {
        random_starts(a, 3 * eps, part);
        for (int k = 3; k >= 1; k--) {
            struct stage s = { k * eps, k > 1 ? early : steps - 2 * early, true, k == 1 };

            BTZ_TRY(run_stage(a, &s));
            if (k > 1)
                memcpy(a->adv, a->best, a->rows.n * n * sizeof *a->adv);
        }
    } else {
        random_starts(a, eps, part);
        BTZ_TRY(run_stage(a, &(struct stage){ eps, steps, false, true }));
    }
    for (size_t row = 0; row < a->rows.n; row++)
        memcpy(a->job->adv + a->rows.sample[row] * n, a->best + row * n, n * sizeof *a->best);
    return BTZ_OK;
}

/* The classes that come next at the clean input. */
static enum btz_err aim(struct apgd *a, size_t rank)
{
    BTZ_TRY(btz_classifier_logits(a->job->classifier, a->rows.x, a->rows.n, a->logits));
    btz_rows_asked(&a->rows, false);
    for (size_t row = 0; row < a->rows.n; row++)
        a->target[row] =
            btz_class_of_rank(a->logits + row * a->job->classes, a->job->classes, rank);
    return BTZ_OK;
}

static size_t targets_of(const struct btz_attack_job *job)
{
    return (size_t)fmin(job->param[BTZ_APGD_PARAMS], (double)(job->classes - 1));
}

struct btz_attack_most btz_apgd_most(const struct btz_attack_job *job)
{
    bool targeted = job->attack->param_count > BTZ_APGD_PARAMS;
    uint64_t runs = (uint64_t)job->param[1] * (targeted ? targets_of(job) : 1);
    uint64_t stages = early_steps(job) ? 3 : 1;
    uint64_t gradients = runs * (uint64_t)job->param[3] * ((uint64_t)job->param[0] + stages);

    return (struct btz_attack_most){ gradients + (targeted ? runs : 0), gradients };
}

static enum btz_err run_all(struct apgd *a)
{
    size_t restarts = (size_t)a->job->param[1], targets = a->targeted ? targets_of(a->job) : 1;

    for (size_t k = 0; k < targets; k++)
        for (size_t restart = 0; restart < restarts; restart++) {
            if (!a->rows.n || btz_rows_stopped(&a->rows))
                return BTZ_OK;
            if (a->targeted)
                BTZ_TRY(aim(a, k + 2));
            BTZ_TRY(run_once(a, k * restarts + restart));
        }
    return BTZ_OK;
}

enum btz_err btz_apgd_run(struct btz_attack_job *job, enum btz_apgd_loss loss)
{
    struct apgd a = {
        .job = job,
        .targeted = loss == BTZ_APGD_TARGETED,
        .steps_max = (size_t)job->param[0],
        .rho = job->param[2],
        .eot = (size_t)job->param[3],
    };
    enum btz_err err = allocate(&a);

    a.loss.eval = loss == BTZ_APGD_CE    ? btz_loss_cross_entropy
                  : loss == BTZ_APGD_DLR ? btz_loss_dlr
                                         : btz_loss_dlr_targeted;
    a.loss.user = loss == BTZ_APGD_CE ? (const void *)a.rows.y : (const void *)&a.labels;
    if (!err)
        err = run_all(&a);
    btz_rows_release(&a.rows);
    free(a.spare);
    return err;
}
