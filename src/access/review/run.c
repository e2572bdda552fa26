#include <math.h>

#include "access/review/review.h"

static const struct btz_asset asset = { .kind = "gateway", .name = "access", .address = "" };

static enum btz_err send(struct btz_review_out *out, enum btz_outcome outcome,
                         enum btz_severity severity, const char *location, const char *reason)
{
    const struct btz_finding f = { .rule = out->rule,
                                   .asset = asset,
                                   .location = location,
                                   .outcome = outcome,
                                   .severity = severity,
                                   .reason = reason,
                                   .value = (double)out->failed,
                                   .ci_low = NAN,
                                   .ci_high = NAN };

    return out->sink->finding(out->sink, &f);
}

enum btz_err btz_review_fail(struct btz_review_out *out, int severity, const char *location,
                             const char *fmt, ...)
{
    char reason[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    out->failed++;
    return send(out, BTZ_OUTCOME_FAIL,
                severity < 0 ? out->rule->severity : (enum btz_severity)severity, location, reason);
}

enum btz_err btz_review_skip(struct btz_review_out *out, const char *fmt, ...)
{
    char reason[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    out->skipped = true;
    return send(out, BTZ_OUTCOME_NOT_EVALUATED, out->rule->severity, "", reason);
}

enum btz_err btz_review_needs_window(const struct btz_review *r, struct btz_review_out *out,
                                     bool *skipped)
{
    uint64_t known = r->now_ms > r->from_ms ? r->now_ms - r->from_ms : 0;

    *skipped = known < r->window_ms;
    if (!*skipped)
        return BTZ_OK;
    return btz_review_skip(out,
                           "the trail is known for %" PRIu64 " days, the rule must see %" PRIu64,
                           known / BTZ_REVIEW_DAY, r->window_ms / BTZ_REVIEW_DAY);
}

static enum btz_err run_one(const struct btz_review *r, const struct btz_review_rule *rule,
                            struct btz_sink *sink)
{
    struct btz_review_out out = { .sink = sink };
    char text[128];

    snprintf(text, sizeof text, "access.review.%s", rule->word);
    out.rule = btz_rule_find(text);
    if (!out.rule)
        return btz_fail(BTZ_INTERNAL, "there is no rule %s", text);
    BTZ_TRY(rule->check(r, &out));
    if (out.failed > 0 || out.skipped)
        return BTZ_OK;
    snprintf(text, sizeof text, "%" PRIu64 " looked at, none to be named", out.looked_at);
    return send(&out, BTZ_OUTCOME_PASS, out.rule->severity, "", text);
}

enum btz_err btz_review_run(const struct btz_review *r, struct btz_sink *sink)
{
    const struct btz_coverage people = { .practice = BTZ_PRACTICE_ACCESS,
                                         .asset = asset,
                                         .unit = "accounts",
                                         .planned = r->person_count,
                                         .done = r->person_count };
    const struct btz_coverage keys = { .practice = BTZ_PRACTICE_ACCESS,
                                       .asset = asset,
                                       .unit = "keys",
                                       .planned = r->key_count,
                                       .done = r->key_count };
    const struct btz_coverage uses = { .practice = BTZ_PRACTICE_ACCESS,
                                       .asset = asset,
                                       .unit = "trail entries",
                                       .planned = r->use_count,
                                       .done = r->use_count };

    for (size_t i = 0; btz_review_rules[i]; i++)
        BTZ_TRY(run_one(r, btz_review_rules[i], sink));
    BTZ_TRY(sink->coverage(sink, &people));
    BTZ_TRY(sink->coverage(sink, &keys));
    return sink->coverage(sink, &uses);
}
