/*
 * From an evaluation to findings.
 */
#include <math.h>

#include "robust/practice.h"

enum btz_severity btz_evasion_severity(const struct btz_rule *rule, double share)
{
    enum btz_severity s = share >= 0.5   ? BTZ_SEVERITY_HIGH
                          : share >= 0.1 ? BTZ_SEVERITY_MEDIUM
                                         : BTZ_SEVERITY_LOW;

    return s < rule->severity ? s : rule->severity;
}

enum btz_err btz_evasion_rate(const char *rule, uint64_t k, uint64_t n, struct btz_finding *out)
{
    struct btz_finding f = { .rule = btz_rule_find(rule),
                             .outcome = BTZ_OUTCOME_NOT_EVALUATED,
                             .k = k,
                             .n = n,
                             .ci_low = NAN,
                             .ci_high = NAN };
    struct btz_interval interval;

    if (!f.rule)
        return btz_fail(BTZ_INTERNAL, "there is no rule %s", rule);
    f.severity = f.rule->severity;
    if (n) {
        BTZ_TRY(btz_exact_interval(k, n, 0.95, BTZ_SIDE_TWO, &interval));
        f.value = (double)k / (double)n;
        f.ci_low = interval.low;
        f.ci_high = interval.high;
        f.severity = btz_evasion_severity(f.rule, f.value);
        f.outcome = k ? BTZ_OUTCOME_FAIL : BTZ_OUTCOME_PASS;
    }
    *out = f;
    return BTZ_OK;
}

struct btz_asset btz_model_asset(const char *path)
{
    const char *slash = strrchr(path, '/');

    return (struct btz_asset){ "model", slash && slash[1] ? slash + 1 : path, path };
}

enum btz_err btz_evasion_tell(const struct btz_finding *f, uint64_t samples, struct btz_sink *sink)
{
    const struct btz_coverage coverage = { .practice = f->rule->practice,
                                           .asset = f->asset,
                                           .unit = "samples",
                                           .planned = samples,
                                           .done = samples };

    BTZ_TRY(sink->finding(sink, f));
    return sink->coverage(sink, &coverage);
}

struct say {
    const struct btz_model_conf *conf;
    const struct btz_evaluation *e;
    struct btz_asset asset;
    struct btz_sink *sink;
};

/* k of n samples were broken. */
static enum btz_err say_rate(const struct say *s, const char *rule, const char *what, uint64_t k,
                             uint64_t n, const struct btz_figures *f)
{
    char location[300], reason[300];
    struct btz_finding finding;
    double robust = s->e->robust.value;

    BTZ_TRY(btz_evasion_rate(rule, k, n, &finding));
    finding.asset = s->asset;
    snprintf(location, sizeof location, "%s, %s %.6g", what,
             btz_norm_name((enum btz_norm)s->conf->norm), s->conf->eps);
    finding.location = location;
    if (s->conf->robust_min >= 0) {
        finding.outcome = robust < s->conf->robust_min ? BTZ_OUTCOME_FAIL : BTZ_OUTCOME_PASS;
        finding.severity = finding.rule->severity;
    }
    if (n)
        snprintf(reason, sizeof reason,
                 "%" PRIu64 " of %" PRIu64
                 " samples that were classified correctly were broken; clean "
                 "accuracy %.2f %%, worst case of all attacks %.2f %%.",
                 k, n, 100 * s->e->clean.value, 100 * robust);
    else
        snprintf(reason, sizeof reason,
                 "None of %" PRIu64 " samples is classified correctly, so none was attacked: are "
                 "these labels, and this range of values, those of the model?",
                 s->e->clean.n);
    finding.reason = reason;
    if (f) {
        finding.evidence = f->list;
        finding.evidence_count = f->count;
    }
    return s->sink->finding(s->sink, &finding);
}

/* A check that failed is a finding; those that passed or could not be made are said, too. */
static enum btz_err say_check(const struct say *s, enum btz_check_id id)
{
    const struct btz_check *check = &s->e->checks[id];
    char location[64];
    struct btz_finding finding = {
        .rule = btz_rule_find("redteam.evasion.masked-gradients"),
        .asset = s->asset,
        .location = location,
        .outcome = check->outcome,
        .reason = check->text,
        .value = check->value,
        .ci_low = NAN,
        .ci_high = NAN,
    };

    if (!finding.rule)
        return btz_fail(BTZ_INTERNAL, "the rule of the self-checks is missing");
    finding.severity = finding.rule->severity;
    snprintf(location, sizeof location, "check %s", btz_check_name(id));
    return s->sink->finding(s->sink, &finding);
}

enum btz_err btz_robust_findings(const struct btz_model_conf *conf, const struct btz_evaluation *e,
                                 const struct btz_figures *f, struct btz_sink *sink)
{
    const struct say s = {
        .conf = conf,
        .e = e,
        .asset = { .kind = "model",
                   .name = conf->name,
                   .address = conf->path ? conf->path : conf->url },
        .sink = sink,
    };
    const struct btz_attack *most = e->attack_count ? e->attacks[0].given.attack : NULL;
    uint64_t broken = 0;
    bool gradients = false;

    for (size_t i = 0; i < e->attack_count; i++) {
        const struct btz_evaluate_attacked *a = &e->attacks[i];
        bool only = e->attack_count == 1;

        gradients = gradients || a->given.attack->access == BTZ_ATTACK_GRADIENT;
        if (a->broken > broken) {
            broken = a->broken;
            most = a->given.attack;
        }

        /* The rate among survivors of others is no rate of the model. */
        if (a->alone && a->tried)
            BTZ_TRY(say_rate(&s, a->given.attack->rule, a->given.attack->id, a->broken, a->tried,
                             only ? f : NULL));
    }
    if (e->attack_count && (e->attack_count > 1 || !e->clean.k))
        BTZ_TRY(say_rate(&s, gradients ? "redteam.evasion.gradient" : most->rule,
                         "worst case of all attacks", e->clean.k - e->robust.k, e->clean.k, f));
    /* They tell whether a figure can be believed: without one they have nothing to say. */
    for (int i = 0; e->attack_count && e->clean.k && i < BTZ_CHECK_COUNT; i++)
        BTZ_TRY(say_check(&s, (enum btz_check_id)i));
    return BTZ_OK;
}
