/*
 * Time zones from the system's tz database, read here rather than by libc: TZ belongs to the whole process, and a
 * snapshot must give the same answer wherever it is read. Source: RFC 8536; POSIX.1-2017, Base Definitions 8.3 (TZ).
 */
#include "access/policy/pattern.h"

#define ZONE_FOLDER   "/usr/share/zoneinfo/"
#define ZONE_MAX      (1u << 18)
#define COUNT_MAX     4096
#define LAST_YEAR     2200
#define ZONE_NAME_MAX 64

static const char *text_of(struct btz_arena *arena, const char *name)
{
    return btz_arena_str(arena, btz_str(name));
}

/* "Area/City": no way out of the folder. */
static bool is_zone_name(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > ZONE_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (i == 0 || name[i - 1] == '/') {
            if (!letter)
                return false;
        } else if (!letter && !(c >= '0' && c <= '9') && !strchr("_+-/", c)) {
            return false;
        }
    }
    return name[n - 1] != '/';
}

/* ---- the body of the file ---- */

struct tzif {
    uint32_t isut, isstd, leap, times, types, chars;
};

static enum btz_err read_header(struct btz_reader *r, uint8_t *version, struct tzif *h)
{
    struct btz_slice magic, unused;
    uint32_t *const counts[] = { &h->isut, &h->isstd, &h->leap, &h->times, &h->types, &h->chars };

    BTZ_TRY(btz_read_bytes(r, 4, &magic));
    BTZ_TRY(btz_read_u8(r, version));
    BTZ_TRY(btz_read_bytes(r, 15, &unused));
    if (!btz_slice_is(magic, "TZif"))
        return btz_fail(BTZ_INPUT, "%s: no TZif file", r->what);
    for (size_t i = 0; i < BTZ_COUNT(counts); i++) {
        BTZ_TRY(btz_read_be32(r, counts[i]));
        if (*counts[i] > COUNT_MAX)
            return btz_fail(BTZ_INPUT, "%s: a count of %u in a TZif header", r->what, *counts[i]);
    }
    if (h->types == 0 || h->types > 256)
        return btz_fail(BTZ_INPUT, "%s: %u local time types", r->what, h->types);
    if (h->leap > 0)
        return btz_fail(BTZ_USAGE, "%s: zones that count leap seconds are not for windows",
                        r->what);
    return BTZ_OK;
}

static size_t body_size(const struct tzif *h, size_t word)
{
    return h->times * (word + 1) + (size_t)h->types * 6 + h->chars + h->leap * (word + 4) +
           h->isstd + h->isut;
}

static int64_t be_signed(const uint8_t *p, size_t n)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

static enum btz_err read_body(struct btz_reader *r, const struct tzif *h, size_t word,
                              struct btz_transition *out, int32_t *before)
{
    struct btz_slice times, which, types, rest;

    BTZ_TRY(btz_read_bytes(r, h->times * word, &times));
    BTZ_TRY(btz_read_bytes(r, h->times, &which));
    BTZ_TRY(btz_read_bytes(r, (size_t)h->types * 6, &types));
    BTZ_TRY(btz_read_bytes(r, body_size(h, word) - h->times * (word + 1) - (size_t)h->types * 6,
                           &rest));
    for (uint32_t i = 0; i < h->types; i++) {
        int64_t offset = be_signed(types.ptr + i * 6, 4);

        if (offset < -93600 || offset > 93600)
            return btz_fail(BTZ_INPUT, "%s: an offset of %" PRId64 " s", r->what, offset);
    }
    *before = (int32_t)be_signed(types.ptr, 4);
    for (uint32_t i = 0; i < h->times; i++) {
        if (which.ptr[i] >= h->types)
            return btz_fail(BTZ_INPUT, "%s: local time type out of range", r->what);
        out[i].at = be_signed(times.ptr + i * word, word);
        out[i].offset = (int32_t)be_signed(types.ptr + which.ptr[i] * 6, 4);
        if (i > 0 && out[i].at <= out[i - 1].at)
            return btz_fail(BTZ_INPUT, "%s: transitions out of order", r->what);
    }
    return BTZ_OK;
}

/* ---- the footer: a rule for the time after the last transition ---- */

struct rule_day {
    char kind; /* 'M', 'J', '0' */
    int month, week, day;
    int32_t time; /* seconds of the local day, may be negative */
};
struct posix_tz {
    int32_t standard, daylight; /* east of Greenwich */
    bool has_daylight;
    struct rule_day start, end;
};

static bool skip_name(const char **s)
{
    const char *p = *s;

    if (*p == '<') {
        while (*p && *p != '>')
            p++;
        if (!*p)
            return false;
        p++;
    } else {
        while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
            p++;
        if (p - *s < 3)
            return false;
    }
    *s = p;
    return true;
}

static bool read_number(const char **s, int max, int *out)
{
    int v = 0;
    const char *p = *s;

    while (*p >= '0' && *p <= '9' && p - *s < 4)
        v = v * 10 + (*p++ - '0');
    if (p == *s || v > max)
        return false;
    *s = p;
    *out = v;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool read_clock(const char **s, int32_t *out)
{
    bool negative = **s == '-';
    int h, m = 0, sec = 0;

    if (**s == '-' || **s == '+')
        (*s)++;
    if (!read_number(s, 167, &h))
        return false;
    if (**s == ':') {
        (*s)++;
        if (!read_number(s, 59, &m))
            return false;
        if (**s == ':') {
            (*s)++;
            if (!read_number(s, 59, &sec))
                return false;
        }
    }
    *out = h * 3600 + m * 60 + sec;
    if (negative)
        *out = -*out;
    return true;
}

static bool read_rule(const char **s, struct rule_day *d)
{
    if (**s != ',')
        return false;
    (*s)++;
    d->time = 7200;
    d->kind = **s == 'M' || **s == 'J' ? *(*s)++ : '0';
    if (d->kind == 'M') {
        if (!read_number(s, 12, &d->month) || d->month < 1 || *(*s)++ != '.' ||
            !read_number(s, 5, &d->week) || d->week < 1 || *(*s)++ != '.' ||
            !read_number(s, 6, &d->day))
            return false;
    } else if (!read_number(s, 365, &d->day) || (d->kind == 'J' && d->day < 1)) {
        return false;
    }
    if (**s != '/')
        return true;
    (*s)++;
    return read_clock(s, &d->time);
}

static bool read_posix(const char *s, struct posix_tz *out)
{
    int32_t west;

    memset(out, 0, sizeof *out);
    if (!skip_name(&s) || !read_clock(&s, &west))
        return false;
    out->standard = -west;
    if (!*s)
        return true;
    out->has_daylight = true;
    out->daylight = out->standard + 3600;
    if (!skip_name(&s))
        return false;
    if (*s && *s != ',') {
        if (!read_clock(&s, &west))
            return false;
        out->daylight = -west;
    }
    return read_rule(&s, &out->start) && read_rule(&s, &out->end) && !*s;
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days from 1970-01-01 to January 1st of the year. */
static int64_t days_to_year(int64_t y)
{
    int64_t p = y - 1;

    return 365 * (y - 1970) + (p / 4 - p / 100 + p / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

/* Local seconds since 1970-01-01 of the moment that a rule names in a year. */
static int64_t rule_moment(const struct rule_day *d, int64_t year)
{
    static const int before[2][12] = {
        { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 },
        { 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335 },
    };
    int64_t start = days_to_year(year), day;
    int leap = is_leap(year);

    if (d->kind == 'M') {
        int64_t first = start + before[leap][d->month - 1];
        int64_t weekday = (first % 7 + 7 + 4) % 7; /* 1970-01-01 was a Thursday; Sunday is 0 */
        int64_t length = d->month == 12 ? 31 : before[leap][d->month] - before[leap][d->month - 1];
        int64_t in_month = (d->day - weekday + 7) % 7 + (d->week - 1) * 7;

        while (in_month >= length)
            in_month -= 7;
        day = first + in_month;
    } else if (d->kind == 'J') { /* February 29th is never counted */
        day = start + d->day - 1 + (leap && d->day >= 60);
    } else {
        day = start + d->day;
    }
    return day * 86400 + d->time;
}

static int64_t year_of(int64_t at)
{
    int64_t y = 1970 + at / 31556952;

    while (days_to_year(y) * 86400 > at)
        y--;
    while (days_to_year(y + 1) * 86400 <= at)
        y++;
    return y;
}

static size_t apply_rule(const struct posix_tz *tz, struct btz_transition *t, size_t count,
                         size_t room)
{
    int64_t last = count > 0 ? t[count - 1].at : INT64_MIN;
    int64_t year = 1970;

    if (last > days_to_year(LAST_YEAR) * 86400)
        return count;
    if (last > 0)
        year = year_of(last);
    for (; tz->has_daylight && year <= LAST_YEAR; year++) {
        struct btz_transition on = { .at = rule_moment(&tz->start, year) - tz->standard,
                                     .offset = tz->daylight };
        struct btz_transition off = { .at = rule_moment(&tz->end, year) - tz->daylight,
                                      .offset = tz->standard };
        const struct btz_transition *pair[2] = { on.at < off.at ? &on : &off,
                                                 on.at < off.at ? &off : &on };

        for (int i = 0; i < 2; i++)
            if (pair[i]->at > last && count < room) {
                t[count++] = *pair[i];
                last = pair[i]->at;
            }
    }
    return count;
}

enum btz_err btz_zone_parse(struct btz_slice tzif, const char *name, struct btz_arena *arena,
                            struct btz_zone *out)
{
    struct btz_reader r = { .in = tzif, .what = name };
    struct btz_transition *t;
    struct btz_slice skipped, footer;
    struct posix_tz tz;
    struct tzif h;
    uint8_t version, newline;
    size_t word = 4, count, room;
    const char *rule;

    BTZ_TRY(read_header(&r, &version, &h));
    if (version >= '2') {
        word = 8;
        BTZ_TRY(btz_read_bytes(&r, body_size(&h, 4), &skipped));
        BTZ_TRY(read_header(&r, &version, &h));
    }
    room = h.times + 2 * (LAST_YEAR - 1970 + 1);
    t = btz_arena_array(arena, room, sizeof *t);
    if (!t)
        return BTZ_LIMIT;
    BTZ_TRY(read_body(&r, &h, word, t, &out->offset));
    count = h.times;
    if (word == 8) {
        BTZ_TRY(btz_read_u8(&r, &newline));
        if (newline != '\n' || !btz_read_line(&r, &footer))
            return btz_fail(BTZ_INPUT, "%s: no footer", name);
        rule = btz_arena_str(arena, footer);
        if (!rule)
            return BTZ_LIMIT;
        if (footer.len > 0 && !read_posix(rule, &tz))
            return btz_fail(BTZ_INPUT, "%s: footer `%.64s`", name, rule);
        if (footer.len > 0)
            count = apply_rule(&tz, t, count, room);
    }
    out->name = text_of(arena, name);
    out->transitions = t;
    out->count = count;
    return out->name ? BTZ_OK : BTZ_LIMIT;
}

enum btz_err btz_zone_load(const char *name, struct btz_arena *arena, struct btz_zone *out)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(ZONE_MAX + 1);
    char path[sizeof ZONE_FOLDER + ZONE_NAME_MAX];
    enum btz_err err;

    if (!is_zone_name(name))
        return btz_fail(BTZ_USAGE,
                        "`%.80s` is no time zone: write one such as Europe/Berlin or UTC", name);
    if (strcmp(name, "UTC") == 0) { /* known where there is no tz database */
        *out = (struct btz_zone){ .name = "UTC" };
        return BTZ_OK;
    }
    snprintf(path, sizeof path, "%s%s", ZONE_FOLDER, name);
    err = btz_file_read(path, ZONE_MAX, &file);
    if (err != BTZ_OK)
        return btz_fail(BTZ_USAGE, "there is no time zone `%s` in %s (package tzdata)", name,
                        ZONE_FOLDER);
    return btz_zone_parse(btz_buf_slice(&file), name, arena, out);
}

int32_t btz_zone_offset(const struct btz_transition *transitions, size_t count, int32_t before,
                        int64_t at)
{
    size_t low = 0, high = count; /* transitions before low are not after `at` */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (transitions[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? before : transitions[low - 1].offset;
}

bool btz_window_has(const struct btz_window *w, int64_t local_s)
{
    int64_t day = local_s / 86400, second = local_s % 86400;
    unsigned weekday, minute;

    if (second < 0) {
        second += 86400;
        day--;
    }
    weekday = (unsigned)(((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday; Monday is 0 */
    minute = (unsigned)(second / 60);
    if (w->from_minute < w->to_minute)
        return (w->days >> weekday & 1) && minute >= w->from_minute && minute < w->to_minute;
    return ((w->days >> weekday & 1) && minute >= w->from_minute) ||
           ((w->days >> (weekday + 6) % 7 & 1) && minute < w->to_minute);
}
