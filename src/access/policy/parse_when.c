#include <math.h>

#include "access/policy/parse.h"

static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL };

static int day_of(struct btz_slice word)
{
    for (int i = 0; days[i]; i++)
        if (btz_slice_is(word, days[i]))
            return i;
    return -1;
}

/* "mon-fri", "sat", "fri-mon": bits. */
static enum btz_err parse_days(const struct btz_policy_reader *r, const struct btz_yaml *node,
                               uint8_t *out)
{
    const char *const *words;

    BTZ_TRY(btz_policy_texts(r, node, 7, NULL, &words));
    *out = 0;
    for (size_t i = 0; words[i]; i++) {
        struct btz_slice word = btz_str(words[i]);
        size_t dash = btz_slice_find(word, btz_str("-"), 0);
        int from = day_of(btz_slice_sub(word, 0, dash == SIZE_MAX ? word.len : dash));
        int to = dash == SIZE_MAX ? from : day_of(btz_slice_sub(word, dash + 1, word.len));

        if (from < 0 || to < 0) {
            btz_error_set("days: expected mon, tue, wed, thu, fri, sat, sun or a range such as "
                          "mon-fri, found `%.64s`",
                          words[i]);
            return btz_policy_at(r, node->line, BTZ_USAGE);
        }
        for (int d = from;; d = (d + 1) % 7) {
            *out |= (uint8_t)(1u << d);
            if (d == to)
                break;
        }
    }
    if (*out == 0) {
        btz_error_set("days: expected at least one day");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    return BTZ_OK;
}

static bool parse_minute(struct btz_slice s, unsigned *out)
{
    unsigned h, m;

    if (s.len != 5 || s.ptr[2] != ':')
        return false;
    for (size_t i = 0; i < 5; i++)
        if (i != 2 && (s.ptr[i] < '0' || s.ptr[i] > '9'))
            return false;
    h = (unsigned)(s.ptr[0] - '0') * 10 + (unsigned)(s.ptr[1] - '0');
    m = (unsigned)(s.ptr[3] - '0') * 10 + (unsigned)(s.ptr[4] - '0');
    *out = h * 60 + m;
    return m < 60 && *out <= 1440;
}

/* "08:00-18:00" */
static bool parse_hours(const char *text, struct btz_window *w)
{
    struct btz_slice s = btz_str(text);
    unsigned from, to;

    if (s.len != 11 || s.ptr[5] != '-' || !parse_minute(btz_slice_sub(s, 0, 5), &from) ||
        !parse_minute(btz_slice_sub(s, 6, 5), &to) || from == to || from == 1440)
        return false;
    w->from_minute = (uint16_t)from;
    w->to_minute = (uint16_t)to;
    return true;
}

static enum btz_err parse_clock(const struct btz_policy_reader *r, const struct btz_yaml *node,
                                struct btz_when *out)
{
    static const char *const keys[] = { "zone", "days", "hours", NULL };
    const struct btz_yaml *zone, *on, *hours;
    struct btz_window *windows;
    uint8_t bits = 0x7f;
    const char *const *words = (const char *const[]){ "00:00-24:00", NULL };
    struct btz_zone loaded;
    size_t n = 0;

    BTZ_TRY(btz_policy_keys(r, node, "time", keys));
    zone = btz_yaml_get(node, "zone");
    on = btz_yaml_get(node, "days");
    hours = btz_yaml_get(node, "hours");
    if (!zone || (!on && !hours)) {
        btz_error_set("time: needs `zone` such as Europe/Berlin or UTC, and `days` or `hours`");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    BTZ_TRY(btz_policy_text(r, zone, &out->time_zone));
    if (btz_zone_load(out->time_zone, r->arena, &loaded) != BTZ_OK)
        return btz_policy_at(r, zone->line, BTZ_USAGE);
    if (on)
        BTZ_TRY(parse_days(r, on, &bits));
    if (hours)
        BTZ_TRY(btz_policy_texts(r, hours, BTZ_POLICY_WORDS_MAX, NULL, &words));
    while (words[n])
        n++;
    windows = btz_arena_array(r->arena, n + 1, sizeof *windows);
    if (!windows)
        return BTZ_LIMIT;
    for (size_t i = 0; i < n; i++) {
        windows[i].days = bits;
        if (parse_hours(words[i], &windows[i]))
            continue;
        btz_error_set("hours: expected HH:MM-HH:MM such as 08:00-18:00, found `%.64s`", words[i]);
        return btz_policy_at(r, hours->line, BTZ_USAGE);
    }
    if (n == 0) {
        btz_error_set("hours: expected at least one window");
        return btz_policy_at(r, hours->line, BTZ_USAGE);
    }
    out->windows = windows;
    out->window_count = n;
    return BTZ_OK;
}

static enum btz_err check_net(const char *text)
{
    struct btz_net n;

    return btz_net_parse(text, &n);
}

/* A list that is there must say something: an empty one would be no condition. */
static enum btz_err parse_list(const struct btz_policy_reader *r, const struct btz_yaml *map,
                               const char *key, enum btz_err (*check)(const char *),
                               const char *const **out)
{
    const struct btz_yaml *node = btz_yaml_get(map, key);

    if (!node)
        return BTZ_OK;
    BTZ_TRY(btz_policy_texts(r, node, BTZ_POLICY_WORDS_MAX, check, out));
    if ((*out)[0])
        return BTZ_OK;
    btz_error_set("%s: the list is empty; leave it out, or name something", key);
    return btz_policy_at(r, node->line, BTZ_USAGE);
}

enum btz_err btz_policy_when(const struct btz_policy_reader *r, const struct btz_yaml *node,
                             struct btz_when *out)
{
    static const char *const keys[] = { "models",    "endpoints",  "tools",       "cost_max",
                                        "addresses", "mfa_within", "client_cert", "time",
                                        "from",      "until",      NULL };
    const struct btz_yaml *n;

    out->cost_max = NAN;
    if (!node)
        return BTZ_OK;
    BTZ_TRY(btz_policy_keys(r, node, "when", keys));
    BTZ_TRY(parse_list(r, node, "models", btz_name_pattern_check, &out->models));
    BTZ_TRY(parse_list(r, node, "endpoints", btz_name_pattern_check, &out->endpoints));
    BTZ_TRY(parse_list(r, node, "tools", btz_name_pattern_check, &out->tools));
    BTZ_TRY(parse_list(r, node, "addresses", check_net, &out->addresses));
    if ((n = btz_yaml_get(node, "cost_max")))
        BTZ_TRY(btz_policy_real(r, n, &out->cost_max));
    if ((n = btz_yaml_get(node, "mfa_within")))
        BTZ_TRY(btz_policy_duration(r, n, &out->mfa_within_s));
    if ((n = btz_yaml_get(node, "client_cert"))) {
        BTZ_TRY(btz_policy_bool(r, n, &out->client_cert));
        if (!out->client_cert) {
            btz_error_set("client_cert: only `true` is a condition; leave it out otherwise");
            return btz_policy_at(r, n->line, BTZ_USAGE);
        }
    }
    if ((n = btz_yaml_get(node, "time")))
        BTZ_TRY(parse_clock(r, n, out));
    if ((n = btz_yaml_get(node, "from")))
        BTZ_TRY(btz_policy_time(r, n, &out->from_s));
    if ((n = btz_yaml_get(node, "until")))
        BTZ_TRY(btz_policy_time(r, n, &out->until_s));
    return BTZ_OK;
}
