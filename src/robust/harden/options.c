/*
 * What can be asked for: names, published recipes, what goes together.
 */
#include <math.h>

#include "robust/harden/inside.h"

const char *const btz_harden_method_names[] = { "plain",  "fgsm-rs", "pgd", "free",
                                                "trades", "mart",    NULL };
const char *const btz_harden_optimiser_names[] = { "sgd", "adam", "adamw", NULL };
const char *const btz_harden_schedule_names[] = { "flat", "cyclic", "step", "cosine", NULL };
const char *const btz_harden_keep_names[] = { "last", "best", NULL };
const char *const btz_harden_end_names[] = { "done", "catastrophic overfitting", "stopped", NULL };

/* Sources: the repositories of the authors, docs/harden.md. */
void btz_harden_defaults(enum btz_harden_method method, struct btz_harden_options *out)
{
    *out = (struct btz_harden_options){
        .method = method,
        .norm = BTZ_NORM_LINF,
        .eps = 0.3,
        .box = { 0, 1 },
        .steps = 40,
        .replays = 1,
        .awp_gamma = 0.01,
        .optimiser = BTZ_HARDEN_ADAM,
        .momentum = 0.9,
        .lr = 5e-3,
        .schedule = BTZ_HARDEN_CYCLIC,
        .epochs = 10,
        .batch = 100,
        .drop = 0.1,
        .validation = 0.02,
        .overfit_drop = 0.2,
        .seed = 1,
        .threads = 1,
        .checkpoint_ms = 30000,
    };
    switch (method) {
    case BTZ_HARDEN_FGSM_RS:
        out->steps = 1;
        out->epochs = 14;
        out->lr = 2e-3;
        out->average = 0.999;
        out->awp = true;
        out->awp_warmup = 3;
        out->eps_warmup = -1;
        out->overfit_stop = true;
        break;
    case BTZ_HARDEN_PGD:
        out->epochs = 100;
        out->batch = 50;
        out->lr = 1e-4;
        out->schedule = BTZ_HARDEN_FLAT;
        break;
    case BTZ_HARDEN_FREE:
        out->steps = 1;
        out->replays = 4;
        out->epochs = 6;
        out->lr = 1e-3;
        out->average = 0.999;
        out->eps_warmup = -1;
        out->overfit_stop = true;
        break;
    case BTZ_HARDEN_TRADES:
        out->epochs = 100;
        out->batch = 128;
        out->optimiser = BTZ_HARDEN_SGD;
        out->lr = 0.01;
        out->schedule = BTZ_HARDEN_STEP;
        out->drops[0] = 55;
        out->drop_count = 1;
        out->beta = 1;
        out->awp_gamma = 0.005;
        out->awp_warmup = 10;
        break;
    case BTZ_HARDEN_MART:
        out->eps_warmup = -1;
        out->steps = 7;
        out->epochs = 12;
        out->lr = 2e-3;
        out->average = 0.999;
        out->beta = 5;
        break;
    default:
        break;
    }
}

static enum btz_err want(double v, double low, double high, const char *what)
{
    if (v >= low && v <= high)
        return BTZ_OK;
    return btz_fail(BTZ_USAGE, "%s is %g; it must lie in %g ... %g", what, v, low, high);
}

static enum btz_err check(const struct btz_harden_options *o)
{
    bool pairs = o->method == BTZ_HARDEN_TRADES || o->method == BTZ_HARDEN_MART;

    BTZ_TRY(want(o->method, 0, BTZ_HARDEN_METHODS - 1, "method"));
    BTZ_TRY(want(o->optimiser, 0, BTZ_HARDEN_OPTIMISERS - 1, "optimiser"));
    BTZ_TRY(want(o->schedule, 0, BTZ_HARDEN_SCHEDULES - 1, "schedule"));
    BTZ_TRY(want(o->keep, 0, BTZ_HARDEN_KEEPS - 1, "which weights are kept"));
    BTZ_TRY(want(o->eps, 0, 1e6, "eps"));
    BTZ_TRY(want(o->step, 0, 1e6, "step"));
    BTZ_TRY(want(o->steps, 1, 100000, "steps"));
    BTZ_TRY(want(o->epochs, 1, 100000, "epochs"));
    BTZ_TRY(want(o->eps_warmup, -1, o->epochs, "epochs in which eps grows"));
    BTZ_TRY(want(o->batch, 1, 65536, "batch"));
    BTZ_TRY(want(o->part, 0, 65536, "part"));
    BTZ_TRY(want(o->replays, 1, 1000, "replays"));
    BTZ_TRY(want(o->lr, 0, 1e3, "learning rate"));
    BTZ_TRY(want(o->momentum, 0, 0.9999, "momentum"));
    BTZ_TRY(want(o->decay, 0, 10, "decay"));
    BTZ_TRY(want(o->beta, 0, 1e4, "beta"));
    BTZ_TRY(want(o->clean_ratio, 0, 1, "clean ratio"));
    BTZ_TRY(want(o->validation, 0, 0.9, "validation share"));
    BTZ_TRY(want(o->awp_gamma, 0, 1, "gamma of the weight perturbation"));
    BTZ_TRY(want(o->drop, 0, 1, "drop"));
    BTZ_TRY(want(o->average, 0, 0.999999, "averaging of the weights"));
    BTZ_TRY(want(o->overfit_drop, 0, 1, "drop of accuracy that stops the run"));
    BTZ_TRY(want((double)o->drop_count, 0, BTZ_HARDEN_DROPS_MAX, "number of drops"));
    BTZ_TRY(want((double)o->augment_count, 0, BTZ_HARDEN_AUGMENTS_MAX, "number of augmentations"));
    BTZ_TRY(want(o->peak, 0, o->epochs, "epoch of the highest rate"));
    for (size_t i = 0; i < o->augment_count; i++)
        BTZ_TRY(want(o->augments[i].share, 0, 1, "share of an augmentation"));
    if (!(o->box.low < o->box.high))
        return btz_fail(BTZ_USAGE, "the box from %g to %g is empty", (double)o->box.low,
                        (double)o->box.high);
    if (o->norm != BTZ_NORM_LINF && o->norm != BTZ_NORM_L2)
        return btz_fail(BTZ_USAGE, "training knows linf and l2, not %s", btz_norm_name(o->norm));
    if (o->method == BTZ_HARDEN_FREE && o->norm != BTZ_NORM_LINF)
        return btz_fail(BTZ_USAGE, "method free knows linf only");
    if (o->threads < 1)
        return btz_fail(BTZ_USAGE, "threads: at least 1");
    if (o->replays > 1 && o->method != BTZ_HARDEN_FREE)
        return btz_fail(BTZ_USAGE, "replays belong to method free");
    if (o->clean_ratio > 0 && pairs)
        return btz_fail(BTZ_USAGE,
                        "%s trains on clean and adversarial inputs anyway: no clean ratio",
                        btz_harden_method_names[o->method]);
    if (o->awp && o->method == BTZ_HARDEN_FREE)
        return btz_fail(BTZ_USAGE, "awp has no place in method free: one pass serves both");
    if (o->method == BTZ_HARDEN_FREE && o->augment_count)
        return btz_fail(BTZ_USAGE, "method free carries its perturbation from batch to batch and "
                                   "takes no augmentations");
    return BTZ_OK;
}

enum btz_err btz_harden_settle(struct btz_harden_options *o)
{
    BTZ_TRY(check(o));
    if (o->eps_warmup < 0)
        o->eps_warmup = o->epochs * (o->method == BTZ_HARDEN_FGSM_RS ? 3 / 14.0 : 1 / 3.0);
    o->awp = o->awp && o->awp_gamma > 0;
    if (o->step <= 0)
        o->step = o->method == BTZ_HARDEN_FGSM_RS ? 1.25 * o->eps
                  : o->method == BTZ_HARDEN_FREE  ? o->eps
                  : o->method == BTZ_HARDEN_MART  ? 0.3 * o->eps
                                                  : o->eps / 30;
    if (o->peak <= 0)
        o->peak = o->epochs * (o->method == BTZ_HARDEN_FREE   ? 0.5
                               : o->method == BTZ_HARDEN_MART ? 1.0 / 6
                                                              : 0.4);
    if (!o->part) {
        o->part = (o->batch + 3) / 4;
        if (o->part > 32)
            o->part = 32;
    }
    if (o->part > o->batch)
        o->part = o->batch;
    if (!o->measure_max)
        o->measure_max = 1000;
    if (!o->measure_steps)
        o->measure_steps = 20;
    if (!o->memory_max)
        o->memory_max = (size_t)8 << 30;
    return BTZ_OK;
}

enum btz_err btz_harden_fingerprint(const struct btz_harden_options *o, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out,
                           "method %d norm %d eps %a step %a warmup %a steps %" PRIu32
                           " box %a %a beta %a replays %" PRIu32 " clean %a\n",
                           o->method, o->norm, o->eps, o->step, o->eps_warmup, o->steps,
                           (double)o->box.low, (double)o->box.high, o->beta, o->replays,
                           o->clean_ratio));
    BTZ_TRY(btz_buf_printf(out, "awp %d %a %" PRIu32 "\n", o->awp, o->awp_gamma, o->awp_warmup));
    BTZ_TRY(btz_buf_printf(out,
                           "epochs %" PRIu32 " batch %" PRIu32 " part %" PRIu32
                           " optimiser %d lr %a momentum %a decay %a schedule %d peak %a drop %a",
                           o->epochs, o->batch, o->part, o->optimiser, o->lr, o->momentum, o->decay,
                           o->schedule, o->peak, o->drop));
    for (size_t i = 0; i < o->drop_count; i++)
        BTZ_TRY(btz_buf_printf(out, " %" PRIu32, o->drops[i]));
    for (size_t i = 0; i < o->augment_count; i++)
        BTZ_TRY(btz_buf_printf(out, "\naugment %s %a", o->augments[i].name, o->augments[i].share));
    BTZ_TRY(btz_buf_printf(out, " average %a keep %d", o->average, o->keep));
    return btz_buf_printf(
        out, "\nvalidation %a measure %" PRIu32 " %" PRIu32 " overfit %d %a seed %" PRIu64 "\n",
        o->validation, o->measure_max, o->measure_steps, o->overfit_stop, o->overfit_drop, o->seed);
}
