/* Fast adaptive boundary towards the each of the next classes. */
#include "robust/rows.h"

extern const struct btz_attack btz_attack_fab_t;

static enum btz_err run(struct btz_attack_job *job)
{
    return btz_fab_run(job, true);
}

/* On a plane the first step lands 1.05 times as far as it is; the next ones are nearer. */
static enum btz_err selftest(void)
{
    return btz_known_bounds(&btz_attack_fab_t, btz_attack_fab_t.norms, 0.99, 1.02);
}

const struct btz_attack btz_attack_fab_t = {
    .id = "fab-t",
    .summary = "the smallest step over the boundary, towards the each of the next classes",
    .access = BTZ_ATTACK_GRADIENT,
    .norms = 1U << BTZ_NORM_LINF | 1U << BTZ_NORM_L2 | 1U << BTZ_NORM_L1,
    .params = btz_fab_params,
    .param_count = BTZ_FAB_PARAMS + 1,
    .rule = "redteam.evasion.gradient",
    .source = "Croce and Hein 2020, arXiv 1907.02044",
    .run = run,
    .most = btz_fab_most,
    .selftest = selftest,
};
