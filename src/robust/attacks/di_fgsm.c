/* Sign steps with momentum, by gradients of inputs that are shrunk and padded at random. */
#include "robust/rows.h"

extern const struct btz_attack btz_attack_di_fgsm;

/* The first are those of the family. */
static const struct btz_attack_param params[] = {
    { "steps", "iterations", 10, 1, 100000, true },
    { "step", "size of a step in units of the input; 0: eps / steps", 0, 0, 1e9, false },
    { "decay", "weight of earlier gradients", 1, 0, 10, false },
    { "probability", "how often an input is resized", 0.5, 0, 1, false },
    { "rate", "smallest size, as a share", 0.9, 0.1, 1, false },
};

static enum btz_err run(struct btz_attack_job *job)
{
    return btz_momentum_run(job, false, true);
}

/* Weights that are the same at every pixel keep their signs under any smoothing: the score of the label falls by 16 eps, and
 * stands 0.32 above the other. */
static enum btz_err selftest(void)
{
    static const struct btz_shape shape = { 3, { 1, 4, 4 } };
    const struct btz_known_layer layer = { (const float[32]){ 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
                                                              0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0,
                                                              1, 0, 1, 0, 1, 0, 1, 0, 1, 0 },
                                           (const float[2]){ -7.68F, 0 }, 2 };
    const uint32_t y = 0;
    struct btz_model *m = NULL;
    bool spared = true, broken = false;
    float x[16], adv[16];
    enum btz_err err;

    for (size_t i = 0; i < 16; i++)
        x[i] = 0.5F;
    BTZ_TRY(btz_known_model(&shape, &layer, 1, false, &m));
    err = btz_known_run(&btz_attack_di_fgsm, m, BTZ_NORM_LINF, 0.0195, 1, x, &y, adv, &spared);
    if (!err)
        err = btz_known_run(&btz_attack_di_fgsm, m, BTZ_NORM_LINF, 0.0205, 1, x, &y, adv, &broken);
    btz_model_free(m);
    if (!err && (spared || !broken))
        return btz_fail(BTZ_INTERNAL,
                        "di-fgsm: a plane 0.02 away was%s broken at 0.0195 and%s at 0.0205",
                        spared ? "" : " not", broken ? "" : " not");
    return err;
}

const struct btz_attack btz_attack_di_fgsm = {
    .id = "di-fgsm",
    .summary = "sign steps by gradients of inputs resized at random",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_LINF,
    .params = params,
    .param_count = BTZ_COUNT(params),
    .rule = "redteam.evasion.gradient",
    .source = "Xie et al. 2019, arXiv 1803.06978",
    .run = run,
    .most = btz_momentum_most,
    .selftest = selftest,
};
