/* Fast gradient sign method: one step of eps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/robust.h"

extern const struct btz_attack btz_attack_fgsm;

static float clamp(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

static enum btz_err run(struct btz_attack_job *job)
{
    const struct btz_loss loss = { btz_loss_cross_entropy, job->y };
    BTZ_FREE float *grad = malloc(job->n * job->features * sizeof *grad);
    BTZ_FREE float *logits = malloc(job->n * job->classes * sizeof *logits);

    if (!grad || !logits)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_classifier_gradient(job->classifier, job->x, job->n, &loss, 1, NULL, NULL, grad));
    for (size_t i = 0; i < job->n * job->features; i++) {
        float sign = (float)((grad[i] > 0) - (grad[i] < 0));

        job->adv[i] = clamp(job->x[i] + (float)job->eps * sign, job->box.low, job->box.high);
    }
    BTZ_TRY(btz_classifier_logits(job->classifier, job->adv, job->n, logits));
    for (size_t i = 0; i < job->n; i++) {
        btz_attack_count(job, i, 2, 1);
        job->broken[i] = btz_argmax(logits + i * job->classes, job->classes) != job->y[i];
    }
    return BTZ_OK;
}

/* Scores +-w.x of |w|_1 = 4: eps moves w.x by 4 eps, so what stands 0.36 from the boundary falls at 0.1 and not at 0.08. */
static enum btz_err selftest(void)
{
    static const float w[] = { 1, -1, -2, 2, 0.5F, -0.5F, -0.5F, 0.5F }, b[] = { 0, 0 };
    static const float x[] = { 0.9F, 0.2F, 0.3F, 0.58F };
    static const struct btz_shape shape = { 1, { 4 } };
    const struct btz_known_layer layer = { w, b, 2 };
    const uint32_t y = 0;
    struct btz_model *m = NULL;
    float adv[4];
    bool broken = false, spared = true;
    enum btz_err err;

    BTZ_TRY(btz_known_model(&shape, &layer, 1, true, &m));
    err = btz_known_run(&btz_attack_fgsm, m, BTZ_NORM_LINF, 0.08, 1, x, &y, adv, &spared);
    if (!err)
        err = btz_known_run(&btz_attack_fgsm, m, BTZ_NORM_LINF, 0.1, 1, x, &y, adv, &broken);
    btz_model_free(m);
    if (!err && (spared || !broken || fabsf(adv[0] - 0.8F) > 1e-6F || fabsf(adv[1] - 0.3F) > 1e-6F))
        return btz_fail(BTZ_INTERNAL, "fgsm moved a linear model's input to %g, %g", (double)adv[0],
                        (double)adv[1]);
    return err;
}

static struct btz_attack_most most(const struct btz_attack_job *job)
{
    (void)job;
    return (struct btz_attack_most){ 2, 1 };
}

const struct btz_attack btz_attack_fgsm = {
    .id = "fgsm",
    .summary = "one step of eps along the sign of the gradient",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_LINF,
    .rule = "redteam.evasion.gradient",
    .source = "Goodfellow et al. 2015, arXiv 1412.6572",
    .run = run,
    .most = most,
    .selftest = selftest,
};
