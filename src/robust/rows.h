/*
 * What attacks share: the samples at work, packed; balls, boxes and planes; losses beside the cross entropy.
 */
#ifndef BTZ_ROBUST_ROWS_H
#define BTZ_ROBUST_ROWS_H

#include "robust/robust.h"

/* ---- rows (rows.c) --------------------------------------------------------------------------------------------------- */

#define BTZ_ROWS_ARRAYS 16
/*
 * The samples of a job that are not broken yet, one after the other, so that no call computes what nobody wants to know. When a
 * row is dropped the last one takes its place, in all arrays. What becomes of a sample does not depend on the others: their
 * classifier has no state between rows and randomness is drawn per sample, so who is dropped when changes no verdict.
 */
struct btz_rows {
    struct btz_attack_job *job;
    size_t n, cap;
    struct {
        void *data;
        size_t size; /* bytes of a row */
    } arrays[BTZ_ROWS_ARRAYS];
    size_t count;
    size_t *sample; /* in the job */
    float *x;       /* the clean inputs */
    uint32_t *y;
};
BTZ_CHECKED enum btz_err btz_rows_init(struct btz_rows *r, struct btz_attack_job *job);
void btz_rows_release(struct btz_rows *r);
/* Zeroed, `size` bytes for each row; NULL with the detail set. */
void *btz_rows_array(struct btz_rows *r, size_t size);
void btz_rows_drop(struct btz_rows *r, size_t row);
/* The row's sample is broken by `adv`: noted in the job, and dropped. */
void btz_rows_broken(struct btz_rows *r, size_t row, const float *adv);
/* Every row was asked once; with a gradient or without. */
void btz_rows_asked(const struct btz_rows *r, bool gradient);
bool btz_rows_stopped(const struct btz_rows *r);

/* ---- points (project.c) ---------------------------------------------------------------------------------------------- */

/* Nearest point to `p` (in L2; for Linf and L2 first the ball and then the box) within eps of x and inside the box. */
void btz_project_ball(enum btz_norm norm, double eps, struct btz_box box, const float *x, size_t n,
                      float *p);
/*
 * Smallest step d in the norm with w.(t + d) = w.t - c inside the box; towards the corner where no point does that, as far as
 * the box reaches. `scratch` holds 2n floats. Source: Croce and Hein, arXiv 1907.02044, section 2.
 */
void btz_project_plane(enum btz_norm norm, struct btz_box box, const float *t, const float *w,
                       double c, size_t n, float *d, float *scratch);
/* Point drawn from the ball: Linf scaled so that the farthest feature is at eps, L2 on the sphere, L1 a normal one that is
 * projected; then the box. */
void btz_random_start(enum btz_norm norm, double eps, struct btz_box box, const float *x, size_t n,
                      struct btz_rng *rng, float *out);
double btz_random_normal(struct btz_rng *rng); /* mean 0, deviation 1 */
/* btz_norm_of, quickly. */
double btz_distance(enum btz_norm norm, const float *a, const float *b, size_t n);
double btz_inner(const float *a, const float *b, size_t n);
/* Value at `rank` (0 the smallest) of |v|. */
float btz_rank_of_abs(const float *v, size_t n, size_t rank);

static inline float btz_clamp(float v, float low, float high)
{
    v = v < low ? low : v;
    return v > high ? high : v;
}
static inline float btz_sign(float v)
{
    return (float)((v > 0) - (v < 0));
}

/* ---- losses (dlr.c): to be raised ------------------------------------------------------------------------------------- */

struct btz_labels {
    const uint32_t *y, *target; /* of the whole call */
};
/* Difference of logits ratio over `user` = struct btz_labels; with fewer than 3 classes the margin, negated. */
void btz_loss_dlr(const void *user, size_t first, size_t count, size_t classes, const float *logits,
                  float *loss, float *grad);
/* Towards `target`; with fewer than 4 classes z_t - z_y. */
void btz_loss_dlr_targeted(const void *user, size_t first, size_t count, size_t classes,
                           const float *logits, float *loss, float *grad);
/* z_t - z_y. */
void btz_loss_difference(const void *user, size_t first, size_t count, size_t classes,
                         const float *logits, float *loss, float *grad);
/* Class with the rank-th largest logit, rank 1 the largest. */
uint32_t btz_class_of_rank(const float *logits, size_t classes, size_t rank);

/* ---- images (rows.c) ------------------------------------------------------------------------------------------------- */

/* A sample as an image: c x h x w, h x w x c where the last dimension is small and the first is not, h x w; anything else is
 * one row of pixels. */
struct btz_image {
    size_t c, h, w, step_c, step_h, step_w;
};
struct btz_image btz_image_of(const struct btz_shape *shape);

/* ---- families -------------------------------------------------------------------------------------------------------- */

enum btz_apgd_loss { BTZ_APGD_CE, BTZ_APGD_DLR, BTZ_APGD_TARGETED };
/* Parameters in this order: steps, restarts, rho, eot, large-eps; then targets. */
#define BTZ_APGD_PARAMS 5
extern const struct btz_attack_param btz_apgd_params[BTZ_APGD_PARAMS + 1];
BTZ_CHECKED enum btz_err btz_apgd_run(struct btz_attack_job *job, enum btz_apgd_loss loss);
struct btz_attack_most btz_apgd_most(const struct btz_attack_job *job);

/* Parameters in this order: steps, restarts, alpha-max, eta, beta, minimise; then targets. */
#define BTZ_FAB_PARAMS 6
extern const struct btz_attack_param btz_fab_params[BTZ_FAB_PARAMS + 1];
BTZ_CHECKED enum btz_err btz_fab_run(struct btz_attack_job *job, bool targeted);
struct btz_attack_most btz_fab_most(const struct btz_attack_job *job);

/* Iterated sign steps with momentum, on inputs that are resized at random, with gradients that are smoothed. Parameters in this
 * order: steps, step, decay; then kernel and sigma (smooth) or probability and rate (resize). */
#define BTZ_MOMENTUM_PARAMS 3
extern const struct btz_attack_param btz_momentum_params[BTZ_MOMENTUM_PARAMS];
BTZ_CHECKED enum btz_err btz_momentum_run(struct btz_attack_job *job, bool smooth, bool resize);
struct btz_attack_most btz_momentum_most(const struct btz_attack_job *job);

#endif
