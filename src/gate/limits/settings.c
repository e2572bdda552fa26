/* The keys of one item of `limits:`. */
#include "gate/limits/limits.h"

#define KEY(name_, member_, kind_, help_)                                                          \
    .name = #name_, .kind = BTZ_CONF_##kind_, .offset = offsetof(struct btz_limit_conf, member_),  \
    .help = help_
#define COUNT .fallback = "-1", .min = -1, .max = 1e15

static const char *const scopes[] = { "principal", "group", "key", "model", "everything", NULL };

static const struct btz_conf_key keys[] = {
    { KEY(each, scope, ENUM,
          "Whose counter it is: principal, group, key, model, or one for everything."),
      .fallback = "principal", .choices = scopes },
    { KEY(name, name, STRING,
          "Which of them, perhaps with a star at the end; each that fits has its own counters."),
      .fallback = "\"*\"" },
    { KEY(requests_per_minute, requests_per_minute, INT,
          "Requests a minute; -1 is no limit, 0 lets nothing pass."),
      COUNT },
    { KEY(tokens_per_minute, tokens_per_minute, INT,
          "Tokens a minute, of requests and answers together; -1 is no limit."),
      COUNT },
    { KEY(concurrency, concurrency, INT, "Requests at a time; -1 is no limit."), COUNT },
    { KEY(request_bytes, request_bytes, INT, "Bytes of one request's body; -1 is no limit."),
      COUNT },
    { KEY(response_bytes, response_bytes, INT, "Bytes of one answer; -1 is no limit."), COUNT },
    { KEY(budget, budget, REAL,
          "Money in a window, in the currency of the models' prices; -1 is no limit."),
      .fallback = "-1", .min = -1, .max = 1e9 },
    { KEY(window, budget_window_ms, DURATION,
          "Length of the budget's window; days begin at 00:00 UTC."),
      .fallback = "1d", .min = 60000, .max = 366.0 * 86400000 },
    { KEY(calendar_month, budget_calendar_month, BOOL,
          "The budget's window is the calendar month (UTC) instead."),
      .fallback = "false" },
};
const struct btz_conf_struct btz_limit_conf_struct = { "limit", sizeof(struct btz_limit_conf), keys,
                                                       BTZ_COUNT(keys) };
