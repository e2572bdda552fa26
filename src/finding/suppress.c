#include <stddef.h>

#include "finding/results.h"

static const struct btz_conf_key suppression_keys[] = {
    { .name = "rule",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_suppression, rule),
      .help = "A rule's id, or the beginning of ids with `.*` behind it.",
      .required = true },
    { .name = "asset",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_suppression, asset),
      .help = "Name of one asset; without it the suppression is for all." },
    { .name = "location",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_suppression, location),
      .help = "Words that the location must hold, such as a probe or a transform." },
    { .name = "reason",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_suppression, reason),
      .help = "Why this is accepted; it stands in every report.",
      .required = true },
    { .name = "expires",
      .kind = BTZ_CONF_DATE,
      .offset = offsetof(struct btz_suppression, expires),
      .help = "The day from which the finding counts again.",
      .required = true },
};
const struct btz_conf_struct btz_suppression_conf = {
    .name = "suppression",
    .size = sizeof(struct btz_suppression),
    .keys = suppression_keys,
    .count = BTZ_COUNT(suppression_keys),
};

/* The length of the prefix in "prefix.*" with its dot, 0 when the pattern is an id. */
static size_t prefix_length(const char *pattern)
{
    size_t n = strlen(pattern);

    return n > 2 && strcmp(pattern + n - 2, ".*") == 0 ? n - 1 : 0;
}

static bool is_rule(const char *pattern, const char *id)
{
    size_t prefix = prefix_length(pattern);

    return prefix ? strncmp(id, pattern, prefix) == 0 : strcmp(id, pattern) == 0;
}

enum btz_err btz_suppressions_check(const struct btz_suppression *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct btz_suppression *s = &list[i];
        const char *near;
        bool found = false;

        if (!s->rule || !s->rule[0])
            return btz_fail(BTZ_USAGE, "suppression %zu: needs a rule", i + 1);
        if (!s->reason || btz_slice_trim(btz_str(s->reason)).len == 0)
            return btz_fail(BTZ_USAGE, "suppression %zu of %s: needs a reason", i + 1, s->rule);
        if (s->expires == 0)
            return btz_fail(BTZ_USAGE,
                            "suppression %zu of %s: needs `expires`, the day from which the "
                            "finding counts again",
                            i + 1, s->rule);
        for (size_t k = 0; btz_rules[k] && !found; k++)
            found = is_rule(s->rule, btz_rules[k]->id);
        if (found)
            continue;
        near = btz_rule_nearest(s->rule);
        return btz_fail(BTZ_USAGE, "suppression %zu: no rule is called %s%s%s%s", i + 1, s->rule,
                        near ? "; did you mean `" : "; `bartizan rules` lists them",
                        near ? near : "", near ? "`?" : "");
    }
    return BTZ_OK;
}

static bool is_meant(const struct btz_suppression *s, const struct btz_finding *f)
{
    return is_rule(s->rule, f->rule->id) && (!s->asset || strcmp(s->asset, f->asset.name) == 0) &&
           (!s->location || strstr(f->location, s->location));
}

static enum btz_err apply(struct btz_kept *k, struct btz_record *record,
                          const struct btz_suppression *list, size_t count, uint64_t now_ms)
{
    const struct btz_suppression *lapsed = NULL;
    char date[BTZ_TIME_TEXT];

    for (size_t i = 0; i < count; i++) {
        if (!is_meant(&list[i], &record->finding))
            continue;
        if (now_ms >= list[i].expires) {
            lapsed = &list[i];
            continue;
        }
        btz_time_format(list[i].expires, date);
        record->status = BTZ_STATUS_SUPPRESSED;
        record->status_reason =
            btz_arena_printf(&k->arena, "until %.10s: %s", date, list[i].reason);
        return record->status_reason ? BTZ_OK : BTZ_LIMIT;
    }
    if (!lapsed)
        return BTZ_OK;
    btz_time_format(lapsed->expires, date);
    record->status_reason =
        btz_arena_printf(&k->arena, "suppression expired %.10s: %s", date, lapsed->reason);
    return record->status_reason ? BTZ_OK : BTZ_LIMIT;
}

enum btz_err btz_results_suppress(struct btz_results *r, const struct btz_suppression *list,
                                  size_t count, uint64_t now_ms, size_t *expired)
{
    struct btz_kept *k = r->kept;
    size_t past = 0;

    BTZ_TRY(btz_suppressions_check(list, count));
    for (size_t i = 0; i < count; i++)
        past += now_ms >= list[i].expires;
    for (size_t i = 0; i < k->count; i++)
        if (k->records[i].finding.outcome == BTZ_OUTCOME_FAIL)
            BTZ_TRY(apply(k, &k->records[i], list, count, now_ms));
    k->sorted = false;
    *expired = past;
    return BTZ_OK;
}
