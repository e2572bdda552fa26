/* What `limits:` says, and which counters a request is about. */
#include <math.h>
#include <stdlib.h>

#include "gate/limits/table.h"

#define RULES_MAX   1024
#define DAY_MS      86400000ULL
#define MICRO       1e6
#define AMOUNT_MAX  4e9 /* of tokens and requests a minute: below what a second of a rate can hold */
#define BYTES_MAX   1e15
#define BUDGET_MAX  1e9
#define PATTERN_MAX 512

#define KEY_AS(name_, member_, kind_, help_)                                                       \
    .name = name_, .kind = BTZ_CONF_##kind_, .offset = offsetof(struct btz_limit_conf, member_),   \
    .help = help_
#define KEY(name_, kind_, help_) KEY_AS(#name_, name_, kind_, help_)

static const char *const scopes[] = { "principal", "group", "key", "model", "everything", NULL };
static const char *const kinds[] = { "requests per minute", "tokens per minute",
                                     "requests at once",    "budget",
                                     "bytes of a request",  "bytes of a response" };

static const struct btz_conf_key keys[] = {
    { KEY_AS(
          "each", scope, ENUM,
          "What is counted for itself: each principal, group, key or model that the name fits, or "
          "everything together."),
      .fallback = "principal", .choices = scopes },
    { KEY(name, STRING, "Its name, perhaps with a star at the end."), .fallback = "\"*\"" },
    { KEY(requests_per_minute, INT, "Requests in any 60 seconds; 0: none pass, -1: no limit."),
      .fallback = "-1", .min = -1, .max = AMOUNT_MAX },
    { KEY(tokens_per_minute, INT,
          "Tokens in any 60 seconds, input and output; 0: none pass, -1: no limit."),
      .fallback = "-1", .min = -1, .max = AMOUNT_MAX },
    { KEY(concurrency, INT, "Requests at once; 0: none pass, -1: no limit."), .fallback = "-1",
      .min = -1, .max = AMOUNT_MAX },
    { KEY(request_bytes, INT, "Bytes of the body of a request; 0: none pass, -1: no limit."),
      .fallback = "-1", .min = -1, .max = BYTES_MAX },
    { KEY(response_bytes, INT, "Bytes of an answer; 0: none pass, -1: no limit."), .fallback = "-1",
      .min = -1, .max = BYTES_MAX },
    { KEY(budget, REAL,
          "Money in a window, in the currency of the models' prices; 0: nothing passes, negative: "
          "no limit."),
      .fallback = "-1", .min = -1, .max = BUDGET_MAX },
    { KEY_AS("window", budget_window_ms, DURATION,
             "Window of the budget; windows of a day begin at 00:00 UTC."),
      .fallback = "1d", .min = 60000, .max = 366.0 * DAY_MS },
    { KEY_AS("calendar_month", budget_calendar_month, BOOL, "The window is the month, in UTC."),
      .fallback = "false" },
};
const struct btz_conf_struct btz_limit_conf_struct = { "limit", sizeof(struct btz_limit_conf), keys,
                                                       BTZ_COUNT(keys) };

const char *btz_limit_kind_name(enum btz_limit_kind kind)
{
    return (unsigned)kind < BTZ_COUNT(kinds) ? kinds[kind] : "?";
}

const char *btz_limit_scope_name(enum btz_limit_scope scope)
{
    return (unsigned)scope <= BTZ_LIMIT_EVERYTHING ? scopes[scope] : "?";
}

/* ---- windows ---- */

/* Days since 1970 of the first of a month counted from January of year 0 (H. Hinnant, "chrono-compatible low-level date
 * algorithms"), for years after 1970. */
static uint64_t month_begins(uint64_t month)
{
    uint64_t y = month / 12 - (month % 12 < 2), m = (month + 10) % 12; /* years begin in March */

    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 719468;
}

uint64_t btz_limit_window(const struct btz_limit_rule *rule, uint64_t now_ms, uint64_t *ends_ms)
{
    uint64_t window;

    if (rule->window_ms > 0) {
        window = now_ms / rule->window_ms;
        *ends_ms = (window + 1) * rule->window_ms;
        return window;
    }
    window = 1970 * 12 + now_ms / DAY_MS * 12 / 366; /* at or before, and never far */
    while (month_begins(window + 1) <= now_ms / DAY_MS)
        window++;
    *ends_ms = month_begins(window + 1) * DAY_MS;
    return window;
}

/* ---- compiling ---- */

static void name_identity(struct btz_limit_rule *r)
{
    uint8_t head[16] = { (uint8_t)r->scope, (uint8_t)r->kind, r->prefix }, digest[BTZ_SHA256_LEN];

    memcpy(head + 8, &r->window_ms, sizeof r->window_ms);
    btz_sha256_2(btz_slice_of(head, sizeof head), r->pattern, digest);
    memcpy(r->identity, digest, sizeof r->identity);
}

/* In the order of btz_limit_kind. */
static void limits_of(const struct btz_limit_conf *c, int64_t out[BTZ_LIMIT_KIND_COUNT])
{
    out[BTZ_LIMIT_REQUESTS_PER_MINUTE] = c->requests_per_minute;
    out[BTZ_LIMIT_TOKENS_PER_MINUTE] = c->tokens_per_minute;
    out[BTZ_LIMIT_CONCURRENCY] = c->concurrency;
    out[BTZ_LIMIT_BUDGET] = c->budget < 0 ? -1 : llround(c->budget * MICRO);
    out[BTZ_LIMIT_REQUEST_BYTES] = c->request_bytes;
    out[BTZ_LIMIT_RESPONSE_BYTES] = c->response_bytes;
}

static enum btz_err check(const struct btz_limit_conf *c, size_t number)
{
    const char *star = c->name ? strchr(c->name, '*') : NULL;

    if (c->scope < 0 || c->scope > BTZ_LIMIT_EVERYTHING)
        return btz_fail(BTZ_USAGE, "limit %zu: no such scope", number);
    if (!c->name || !c->name[0] || strlen(c->name) > PATTERN_MAX)
        return btz_fail(BTZ_USAGE, "limit %zu: a name of 1 to %d bytes, \"*\" for all", number,
                        PATTERN_MAX);
    if (star && star[1])
        return btz_fail(BTZ_USAGE, "limit %zu: `%s`: a star may only be at the end", number,
                        c->name);
    if (c->scope == BTZ_LIMIT_EVERYTHING && strcmp(c->name, "*") != 0)
        return btz_fail(BTZ_USAGE, "limit %zu: everything has no name, but `%s` was given", number,
                        c->name);
    if (isnan(c->budget) || c->budget > BUDGET_MAX ||
        c->requests_per_minute > (int64_t)AMOUNT_MAX ||
        c->tokens_per_minute > (int64_t)AMOUNT_MAX || c->concurrency > (int64_t)AMOUNT_MAX)
        return btz_fail(BTZ_USAGE, "limit %zu: too large a number; -1 is no limit", number);
    if (c->budget >= 0 && !c->budget_calendar_month && c->budget_window_ms <= 0)
        return btz_fail(BTZ_USAGE, "limit %zu: a budget needs a window, such as 1d", number);
    return BTZ_OK;
}

static enum btz_err add_rule(struct btz_limits *l, const struct btz_limit_conf *c, size_t number,
                             enum btz_limit_kind kind, uint64_t limit)
{
    struct btz_limit_rule *r = &l->rules[l->rule_count];
    size_t len = strlen(c->name);

    if (l->rule_count == RULES_MAX)
        return btz_fail(BTZ_USAGE, "more than %d limits", RULES_MAX);
    *r = (struct btz_limit_rule){ .scope = (enum btz_limit_scope)c->scope,
                                  .kind = kind,
                                  .prefix = c->name[len - 1] == '*',
                                  .limit = limit };
    if (kind == BTZ_LIMIT_BUDGET && !c->budget_calendar_month)
        r->window_ms = (uint64_t)c->budget_window_ms;
    BTZ_TRY(btz_arena_copy(&l->arena, btz_slice_of(c->name, len - r->prefix), &r->pattern));
    name_identity(r);
    for (size_t i = 0; i < l->rule_count; i++)
        if (memcmp(l->rules[i].identity, r->identity, sizeof r->identity) == 0)
            return btz_fail(BTZ_USAGE, "limit %zu: `%s` (%s) has a limit of %s already", number,
                            c->name, scopes[c->scope], kinds[kind]);
    l->rule_count++;
    return BTZ_OK;
}

enum btz_err btz_limit_rules(const struct btz_limit_conf *limits, size_t count,
                             struct btz_limits *l)
{
    l->rules = btz_arena_array(&l->arena, RULES_MAX, sizeof *l->rules);
    if (!l->rules)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++) {
        int64_t each[BTZ_LIMIT_KIND_COUNT];

        BTZ_TRY(check(&limits[i], i + 1));
        limits_of(&limits[i], each);
        for (int kind = 0; kind < BTZ_LIMIT_KIND_COUNT; kind++)
            if (each[kind] >= 0)
                BTZ_TRY(add_rule(l, &limits[i], i + 1, (enum btz_limit_kind)kind,
                                 (uint64_t)each[kind]));
    }
    return BTZ_OK;
}

/* ---- matching ---- */

static bool fits(const struct btz_limit_rule *r, struct btz_slice name)
{
    return r->prefix ? btz_slice_has_prefix(name, r->pattern) : btz_slice_equal(name, r->pattern);
}

static uint64_t amount_of(enum btz_limit_kind kind, const struct btz_limit_amounts *a)
{
    switch (kind) {
    case BTZ_LIMIT_TOKENS_PER_MINUTE:
        return a->tokens;
    case BTZ_LIMIT_BUDGET:
        return a->cost;
    case BTZ_LIMIT_REQUEST_BYTES:
        return a->request_bytes;
    default:
        return 1;
    }
}

/* Name number `i` of a scope; false: there are no more. A request without key or model is not about keys and models;
 * somebody always asks. */
static bool name_of(const struct btz_limit_subject *who, enum btz_limit_scope scope, size_t i,
                    struct btz_slice *out)
{
    if (scope == BTZ_LIMIT_GROUP) {
        if (i < who->group_count)
            *out = who->groups[i];
        return i < who->group_count;
    }
    if (scope == BTZ_LIMIT_EVERYTHING)
        *out = btz_str("");
    else
        *out = scope == BTZ_LIMIT_PRINCIPAL ? who->principal
               : scope == BTZ_LIMIT_KEY     ? who->key
                                            : who->model;
    return i == 0 &&
           (out->len > 0 || scope == BTZ_LIMIT_PRINCIPAL || scope == BTZ_LIMIT_EVERYTHING);
}

/* Two groups of one name count once. */
static bool is_there(const struct btz_limit_target *list, size_t n,
                     const struct btz_limit_rule *rule, struct btz_slice name)
{
    for (; n > 0 && list[n - 1].rule == rule; n--)
        if (btz_slice_equal(list[n - 1].name, name))
            return true;
    return false;
}

enum btz_err btz_limit_targets(const struct btz_limits *l, const struct btz_limit_subject *who,
                               const struct btz_limit_amounts *amounts,
                               struct btz_limit_target out[BTZ_LEASE_COUNTERS], size_t *count)
{
    struct btz_slice name;
    size_t n = 0;

    for (size_t r = 0; r < l->rule_count; r++) {
        const struct btz_limit_rule *rule = &l->rules[r];

        if (rule->kind == BTZ_LIMIT_RESPONSE_BYTES)
            continue;
        for (size_t i = 0; name_of(who, rule->scope, i, &name); i++) {
            if (!fits(rule, name) || is_there(out, n, rule, name))
                continue;
            if (n == BTZ_LEASE_COUNTERS)
                return btz_fail(BTZ_LIMIT, "more than %d limits apply to one request",
                                BTZ_LEASE_COUNTERS);
            out[n++] = (struct btz_limit_target){ rule, name, amount_of(rule->kind, amounts) };
        }
    }
    *count = n;
    return BTZ_OK;
}

uint64_t btz_limits_response_bytes(const struct btz_limits *l, const struct btz_limit_subject *who)
{
    uint64_t least = UINT64_MAX;
    struct btz_slice name;

    for (size_t r = 0; r < l->rule_count; r++) {
        const struct btz_limit_rule *rule = &l->rules[r];

        if (rule->kind != BTZ_LIMIT_RESPONSE_BYTES || rule->limit >= least)
            continue;
        for (size_t i = 0; name_of(who, rule->scope, i, &name); i++)
            if (fits(rule, name))
                least = rule->limit;
    }
    return least;
}

/* ---- refusing ---- */

enum btz_err btz_limit_say(const struct btz_refusal *why)
{
    const char *of = why->scope == BTZ_LIMIT_EVERYTHING ? "" : why->name;
    bool money = why->kind == BTZ_LIMIT_BUDGET;
    char limit[40], used[40];

    snprintf(limit, sizeof limit, money ? "%.6f" : "%.0f",
             (double)why->limit / (money ? MICRO : 1));
    snprintf(used, sizeof used, money ? "%.6f" : "%.0f", (double)why->used / (money ? MICRO : 1));
    return btz_fail(BTZ_LIMIT, "limit of %s of %s%s%s: %s, %s %s", kinds[why->kind],
                    scopes[why->scope], of[0] ? " " : "", of, limit, used,
                    why->kind == BTZ_LIMIT_REQUEST_BYTES ? "asked for" : "in use");
}

enum btz_err btz_limit_refuse(const struct btz_limit_rule *rule, struct btz_slice name,
                              uint64_t used, uint32_t retry_after_s, struct btz_refusal *why)
{
    size_t len = name.len < sizeof why->name ? name.len : sizeof why->name - 1;

    *why = (struct btz_refusal){ .kind = rule->kind,
                                 .scope = rule->scope,
                                 .limit = rule->limit,
                                 .used = used,
                                 .retry_after_s = retry_after_s };
    while (len > 0 && len < name.len && (name.ptr[len] & 0xc0) == 0x80)
        len--; /* not within a character */
    if (len > 0)
        memcpy(why->name, name.ptr, len);
    return btz_limit_say(why);
}
