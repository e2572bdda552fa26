/* Time zones against libc with TZ set, for every zone of the system; hostile files; windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "access/policy/pattern.h"

/* Offsets of one zone at many moments from 1900 to 2199, around each change too. */
static size_t compare(const char *name)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_zone zone;
    struct btz_rng r;
    size_t count = 0;

    btz_arena_init(&arena, 1 << 20);
    if (btz_zone_load(name, &arena, &zone) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    setenv("TZ", name, 1);
    tzset();
    btz_rng_init(&r, 8, 0);
    for (size_t i = 0; i < 400 + zone.count; i++) {
        int64_t at = -2208988800 + (int64_t)btz_rng_below(&r, 2000000) * 4717;
        struct tm tm;
        time_t t;

        if (i >= 400)
            at = zone.transitions[i - 400].at - (int64_t)(i % 2);
        t = (time_t)at;
        if (at < -2208988800 || at > 7258118399 || !localtime_r(&t, &tm))
            continue;
        if (btz_zone_offset(zone.transitions, zone.count, zone.offset, at) != tm.tm_gmtoff)
            fail_msg("%s at %" PRId64 ": %d, libc says %ld", name, at,
                     btz_zone_offset(zone.transitions, zone.count, zone.offset, at), tm.tm_gmtoff);
        count++;
    }
    return count;
}

static void test_all_zones(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf table = BTZ_BUF(1 << 20);
    struct btz_reader r = { .what = "zone1970.tab" };
    struct btz_slice line;
    size_t zones = 0, moments = 0;
    (void)state;

    if (btz_file_read("/usr/share/zoneinfo/zone1970.tab", 1 << 20, &table) != BTZ_OK) {
        print_message("# skipped: no tzdata\n");
        skip();
    }
    r.in = btz_buf_slice(&table);
    while (btz_read_line(&r, &line)) {
        size_t from, to;
        char name[65];

        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        from = btz_slice_find(line, btz_str("\t"), 0);
        from = btz_slice_find(line, btz_str("\t"), from + 1) + 1;
        to = btz_slice_find(line, btz_str("\t"), from);
        to = to == SIZE_MAX ? line.len : to;
        assert_true(to - from < sizeof name);
        memcpy(name, line.ptr + from, to - from);
        name[to - from] = 0;
        moments += compare(name);
        zones++;
    }
    moments += compare("UTC") + compare("Etc/GMT+5") + compare("EST5EDT") + compare("CET");
    print_message("# %zu zones, %zu moments\n", zones, moments);
    assert_true(zones > 250);
}

static void test_names(void **state)
{
    static const char *const bad[] = {
        "",
        "/etc/passwd",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "Europe/",
        "Europe//Paris",
        ".hidden",
        "Europe/.x",
        "Europe\\X",
        "Eur ope",
        "5EST",
        "A234567890123456789012345678901234567890123456789012345678901234567890"
    };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_zone zone;
    (void)state;

    btz_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_zone_load(bad[i], &arena, &zone), BTZ_USAGE);
    assert_int_equal(btz_zone_load("Europe/Nowhere", &arena, &zone), BTZ_USAGE);
    assert_int_equal(btz_zone_load("Europe", &arena, &zone), BTZ_USAGE);
}

/* Bytes cut off and changed: an answer or a refusal, never a crash (the fuzzer goes further). */
static void test_hostile(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(1 << 18);
    struct btz_rng r;
    (void)state;

    if (btz_file_read("/usr/share/zoneinfo/Europe/Berlin", 1 << 18, &file) != BTZ_OK)
        skip();
    btz_rng_init(&r, 9, 0);
    for (int i = 0; i < 4000; i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        BTZ_FREE uint8_t *copy = malloc(file.len);
        size_t len = i % 4 ? file.len : btz_rng_below(&r, (uint32_t)file.len);
        struct btz_zone zone;
        enum btz_err err;

        btz_arena_init(&arena, 1 << 20);
        memcpy(copy, file.ptr, file.len);
        for (int k = 0; k < 3 && i % 4; k++)
            copy[btz_rng_below(&r, i % 2 ? 200 : (uint32_t)file.len)] = (uint8_t)btz_rng_u32(&r);
        err = btz_zone_parse(btz_slice_of(copy, len), "x", &arena, &zone);
        assert_true(err == BTZ_OK || err == BTZ_INPUT || err == BTZ_USAGE);
        for (size_t k = 1; err == BTZ_OK && k < zone.count; k++)
            assert_true(zone.transitions[k].at > zone.transitions[k - 1].at);
    }
}

/* Each minute of a week against the days and hours written out by hand. */
static void test_windows(void **state)
{
    struct btz_window office = { 0x1f, 8 * 60, 18 * 60 }; /* mon-fri 08:00-18:00 */
    struct btz_window nights = { 0x10, 22 * 60, 6 * 60 }; /* friday 22:00 to saturday 06:00 */
    struct btz_window late = { 0x40, 20 * 60, 24 * 60 };  /* sunday 20:00 to midnight */
    struct btz_window sunday = { 0x40, 23 * 60, 60 };     /* sunday 23:00 to monday 01:00 */
    int64_t monday = 1772409600;                          /* 2026-03-02T00:00 */
    (void)state;

    for (int64_t m = 0; m < 7 * 1440; m++) {
        int64_t at = monday + m * 60 + 59, day = m / 1440, minute = m % 1440;

        assert_int_equal(btz_window_has(&office, at), day < 5 && minute >= 480 && minute < 1080);
        assert_int_equal(btz_window_has(&nights, at),
                         (day == 4 && minute >= 1320) || (day == 5 && minute < 360));
        assert_int_equal(btz_window_has(&late, at), day == 6 && minute >= 1200);
        assert_int_equal(btz_window_has(&sunday, at),
                         (day == 6 && minute >= 1380) || (day == 0 && minute < 60));
    }
    assert_true(
        btz_window_has(&office, -259200 + 12 * 3600 - 604800 * 3)); /* a Monday before 1970 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_zones),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
