/* Sign steps with momentum. */
#include "robust/rows.h"

extern const struct btz_attack btz_attack_mi_fgsm;

static enum btz_err run(struct btz_attack_job *job)
{
    return btz_momentum_run(job, false, false);
}

static enum btz_err selftest(void)
{
    return btz_known_bounds(&btz_attack_mi_fgsm, 1U << BTZ_NORM_LINF, 0.97, 1.05);
}

const struct btz_attack btz_attack_mi_fgsm = {
    .id = "mi-fgsm",
    .summary = "sign steps with momentum",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_LINF,
    .params = btz_momentum_params,
    .param_count = BTZ_MOMENTUM_PARAMS,
    .rule = "redteam.evasion.gradient",
    .source = "Dong et al. 2018, arXiv 1710.06081",
    .run = run,
    .most = btz_momentum_most,
    .selftest = selftest,
};
