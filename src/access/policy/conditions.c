#include "access/policy/conditions.h"

#include <arpa/inet.h>
#include <math.h>

enum btz_err btz_unmet_add(struct btz_unmet *u, bool unknown, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    u->count++;
    u->only_unknown &= unknown;
    if (json_array_append_new(u->words, btz_json_text(btz_str(text))) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

const char *btz_join(struct btz_arena *arena, const char *const *list)
{
    const char *text = "";

    for (size_t i = 0; text && list && list[i]; i++)
        text = btz_arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", list[i]);
    return text;
}

const char *btz_second_text(struct btz_arena *arena, uint64_t unix_s)
{
    char text[BTZ_TIME_TEXT];

    btz_time_format(unix_s < UINT64_MAX / 1000 ? unix_s * 1000 : UINT64_MAX, text);
    return btz_arena_printf(arena, "%.19sZ", text);
}

const char *btz_span_text(struct btz_arena *arena, uint32_t seconds)
{
    static const struct {
        uint32_t size;
        char letter;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };

    for (size_t i = 0; i < BTZ_COUNT(units); i++)
        if (seconds >= units[i].size && seconds % units[i].size == 0)
            return btz_arena_printf(arena, "%" PRIu32 "%c", seconds / units[i].size,
                                    units[i].letter);
    return btz_arena_printf(arena, "%" PRIu32 "s", seconds);
}

static enum btz_err names(const char *const *list, struct btz_slice given, const char *kind,
                          const struct btz_request *r, struct btz_unmet *out)
{
    const char *wanted;

    if (!list)
        return BTZ_OK;
    if (given.len == 0 && btz_resource_has_kind(r->resource, kind))
        given = btz_slice_sub(r->resource, strlen(kind) + 1, r->resource.len);
    for (size_t i = 0; list[i] && given.len > 0; i++) {
        struct btz_pattern p = btz_pattern_of(list[i]);

        if (btz_pattern_matches(&p, given))
            return BTZ_OK;
    }
    wanted = btz_join(out->arena, list);
    if (!wanted)
        return BTZ_LIMIT;
    if (given.len == 0)
        return btz_unmet_add(out, true, "the request does not say which %s; it must be %s", kind,
                             wanted);
    return btz_unmet_add(out, false, "%s %.*s is not %s", kind, BTZ_SLICE_ARG(given), wanted);
}

static const char *address_text(struct btz_arena *arena, const struct btz_address *a)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    bool v4 = memcmp(a->b, mapped, sizeof mapped) == 0;
    char text[INET6_ADDRSTRLEN] = "?";

    inet_ntop(v4 ? AF_INET : AF_INET6, a->b + (v4 ? 12 : 0), text, sizeof text);
    return btz_arena_str(arena, btz_str(text));
}

static enum btz_err addresses(const struct btz_when *w, const struct btz_request *r,
                              struct btz_unmet *out)
{
    const char *wanted, *found;

    if (!w->addresses)
        return BTZ_OK;
    for (size_t i = 0; w->addresses[i]; i++) {
        struct btz_net n;

        BTZ_TRY(btz_net_parse(w->addresses[i], &n));
        if (btz_net_has(&n, &r->address))
            return BTZ_OK;
    }
    wanted = btz_join(out->arena, w->addresses);
    found = address_text(out->arena, &r->address);
    if (!wanted || !found)
        return BTZ_LIMIT;
    if (!r->address.known)
        return btz_unmet_add(out, true, "the request's address is not known; it must be in %s",
                             wanted);
    return btz_unmet_add(out, false, "address %s is not in %s", found, wanted);
}

static enum btz_err window_text(const struct btz_when *w, struct btz_buf *out)
{
    static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

    for (size_t i = 0; i < w->window_count; i++) {
        const struct btz_window *v = &w->windows[i];

        if (i > 0)
            BTZ_TRY(btz_buf_add_str(out, ", "));
        for (int d = 0; d < 7; d++)
            if (v->days >> d & 1)
                BTZ_TRY(btz_buf_printf(out, "%s ", days[d]));
        BTZ_TRY(btz_buf_printf(out, "%02d:%02d-%02d:%02d", v->from_minute / 60, v->from_minute % 60,
                               v->to_minute / 60, v->to_minute % 60));
    }
    return BTZ_OK;
}

static enum btz_err times(const struct btz_when *w, const struct btz_request *r,
                          struct btz_unmet *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 16);
    struct btz_zone zone;
    const char *wanted, *moment;
    int64_t local;

    if (w->from_s > 0 && r->now_s < w->from_s && (moment = btz_second_text(out->arena, w->from_s)))
        BTZ_TRY(btz_unmet_add(out, false, "the rule holds from %s", moment));
    if (w->until_s > 0 && r->now_s >= w->until_s &&
        (moment = btz_second_text(out->arena, w->until_s)))
        BTZ_TRY(btz_unmet_add(out, false, "the rule held until %s", moment));
    if (w->window_count == 0)
        return BTZ_OK;
    BTZ_TRY(btz_zone_load(w->time_zone, out->arena, &zone));
    local = (int64_t)(r->now_s < (1ULL << 40) ? r->now_s : 1ULL << 40);
    local += btz_zone_offset(zone.transitions, zone.count, zone.offset, local);
    for (size_t i = 0; i < w->window_count; i++)
        if (btz_window_has(&w->windows[i], local))
            return BTZ_OK;
    BTZ_TRY(window_text(w, &text));
    BTZ_TRY(btz_buf_cstr(&text, &wanted));
    moment = btz_second_text(out->arena, local > 0 ? (uint64_t)local : 0);
    if (!moment)
        return BTZ_LIMIT;
    return btz_unmet_add(out, false, "it is %.10s %.5s in %s, outside %s", moment, moment + 11,
                         w->time_zone, wanted);
}

static enum btz_err factor(const struct btz_when *w, const struct btz_request *r,
                           struct btz_unmet *out)
{
    const char *within = btz_span_text(out->arena, w->mfa_within_s), *age;
    bool alone = out->count == 0;

    if (w->mfa_within_s == 0 || (r->mfa_age_s != UINT32_MAX && r->mfa_age_s <= w->mfa_within_s))
        return BTZ_OK;
    age = btz_span_text(out->arena, r->mfa_age_s);
    if (!within || !age)
        return BTZ_LIMIT;
    out->only_factor = alone;
    if (r->mfa_age_s == UINT32_MAX)
        return btz_unmet_add(out, false, "no second factor was shown; one is needed within %s",
                             within);
    return btz_unmet_add(out, false, "the second factor was shown %s ago; it is needed within %s",
                         age, within);
}

enum btz_err btz_unmet_conditions(const struct btz_when *w, const struct btz_request *r,
                                  struct btz_unmet *out)
{
    BTZ_TRY(names(w->models, r->model, "model", r, out));
    BTZ_TRY(names(w->endpoints, r->endpoint, "endpoint", r, out));
    BTZ_TRY(names(w->tools, r->tool, "tool", r, out));
    if (!isnan(w->cost_max) && !(r->cost >= 0))
        BTZ_TRY(
            btz_unmet_add(out, true, "the cost is not known; it may be %g at most", w->cost_max));
    else if (!isnan(w->cost_max) && r->cost > w->cost_max)
        BTZ_TRY(btz_unmet_add(out, false, "cost %g is over %g", r->cost, w->cost_max));
    BTZ_TRY(addresses(w, r, out));
    if (w->client_cert && !r->client_cert)
        BTZ_TRY(btz_unmet_add(out, false, "no client certificate was shown"));
    BTZ_TRY(times(w, r, out));
    return factor(w, r, out);
}
