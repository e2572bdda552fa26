#include <time.h>

#include "base/base.h"

uint64_t btz_clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t btz_clock_unix_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void btz_time_format(uint64_t unix_ms, char out[BTZ_TIME_TEXT])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm t;
    char head[24];

    /* Past the year 9999 there is no such form. */
    if (!gmtime_r(&seconds, &t) || strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &t) != 19) {
        seconds = INT64_C(253402300799);
        unix_ms = 999;
        gmtime_r(&seconds, &t);
        strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &t);
    }
    snprintf(out, BTZ_TIME_TEXT, "%s.%03uZ", head, (unsigned)(unix_ms % 1000));
}

static bool digits(struct btz_slice s, size_t at, size_t n, unsigned *out)
{
    *out = 0;
    if (at + n > s.len)
        return false;
    for (size_t i = at; i < at + n; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(s.ptr[i] - '0');
    }
    return true;
}

static bool parse(struct btz_slice s, uint64_t *out)
{
    static const unsigned month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    unsigned year, month, day, hour = 0, minute = 0, second = 0, milli = 0;
    bool leap;
    struct tm t = { 0 };

    if (!digits(s, 0, 4, &year) || !digits(s, 5, 2, &month) || !digits(s, 8, 2, &day) ||
        s.ptr[4] != '-' || s.ptr[7] != '-' || year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > month_days[month - 1] + (month == 2 && leap))
        return false;
    if (s.len != 10) {
        if (!digits(s, 11, 2, &hour) || !digits(s, 14, 2, &minute) || !digits(s, 17, 2, &second) ||
            (s.ptr[10] != 'T' && s.ptr[10] != 't') || s.ptr[13] != ':' || s.ptr[16] != ':' ||
            hour > 23 || minute > 59 || second > 59)
            return false;
        if (s.len == 24 && (s.ptr[19] != '.' || !digits(s, 20, 3, &milli)))
            return false;
        if ((s.len != 20 && s.len != 24) || (s.ptr[s.len - 1] != 'Z' && s.ptr[s.len - 1] != 'z'))
            return false;
    }
    t.tm_year = (int)year - 1900;
    t.tm_mon = (int)month - 1;
    t.tm_mday = (int)day;
    t.tm_hour = (int)hour;
    t.tm_min = (int)minute;
    t.tm_sec = (int)second;
    *out = (uint64_t)timegm(&t) * 1000 + milli;
    return true;
}

enum btz_err btz_time_parse(struct btz_slice text, uint64_t *unix_ms)
{
    if (!parse(text, unix_ms))
        return btz_fail(
            BTZ_INPUT, "expected a date such as 2027-01-31 or 2027-01-31T12:00:00Z, found \"%.*s\"",
            BTZ_SLICE_ARG(btz_slice_sub(text, 0, 40)));
    return BTZ_OK;
}
