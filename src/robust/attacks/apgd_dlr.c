/* Auto-PGD on the difference of logits ratio. */
#include "robust/rows.h"

extern const struct btz_attack btz_attack_apgd_dlr;

static enum btz_err run(struct btz_attack_job *job)
{
    return btz_apgd_run(job, BTZ_APGD_DLR);
}

static enum btz_err selftest(void)
{
    BTZ_TRY(btz_known_bounds(&btz_attack_apgd_dlr, 1U << BTZ_NORM_LINF | 1U << BTZ_NORM_L2, 0.97,
                             1.03));
    return btz_known_bounds(&btz_attack_apgd_dlr, 1U << BTZ_NORM_L1, 0.97, 1.12);
}

const struct btz_attack btz_attack_apgd_dlr = {
    .id = "apgd-dlr",
    .summary = "projected steps whose size adapts itself, on the difference of logits ratio",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_LINF | 1U << BTZ_NORM_L2 | 1U << BTZ_NORM_L1,
    .params = btz_apgd_params,
    .param_count = BTZ_APGD_PARAMS,
    .rule = "redteam.evasion.gradient",
    .source = "Croce and Hein 2020, arXiv 2003.01690; L1: 2021, arXiv 2103.01208",
    .run = run,
    .most = btz_apgd_most,
    .selftest = selftest,
};
