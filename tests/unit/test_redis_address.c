/* Addresses of shared limits: what is taken, and that nothing is cut to fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate/limits/limits.h"

static void test_good(void **state)
{
    static const struct {
        const char *text, *path, *host;
        int port, database;
    } cases[] = {
        { "redis://127.0.0.1:6379/0", "", "127.0.0.1", 6379, 0 },
        { "redis://127.0.0.1:1/1000", "", "127.0.0.1", 1, 1000 },
        { "redis://10.0.0.5:65535/7", "", "10.0.0.5", 65535, 7 },
        { "redis://cache.internal", "", "cache.internal", 6379, 0 },
        { "redis://cache_1-a.internal/3", "", "cache_1-a.internal", 6379, 3 },
        { "redis://Cache:6380", "", "Cache", 6380, 0 },
        { "redis://cache:6380/", "", "cache", 6380, 0 },
        { "redis://[::1]:6379/2", "", "::1", 6379, 2 },
        { "redis://[2001:db8::192.0.2.1]", "", "2001:db8::192.0.2.1", 6379, 0 },
        { "redis://[fd00::5]/9", "", "fd00::5", 6379, 9 },
        { "unix:/run/redis/redis.sock", "/run/redis/redis.sock", "", 0, 0 },
        { "unix:/a@b:c [d]", "/a@b:c [d]", "", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_redis_address a;

        if (btz_redis_address_parse(cases[i].text, &a) != BTZ_OK)
            fail_msg("%s: %s", cases[i].text, btz_error_detail());
        assert_string_equal(a.path, cases[i].path);
        assert_string_equal(a.host, cases[i].host);
        assert_int_equal(a.port, cases[i].port);
        assert_int_equal(a.database, cases[i].database);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        { "", "redis://HOST:PORT/DB" },
        { "127.0.0.1:6379", "redis://HOST:PORT/DB" },
        { "REDIS://127.0.0.1", "redis://HOST:PORT/DB" },
        { "http://127.0.0.1:6379", "redis://HOST:PORT/DB" },
        { "redis:/127.0.0.1", "redis://HOST:PORT/DB" },
        { "rediss://cache:6379", "TLS" },
        { " redis://cache", "redis://HOST:PORT/DB" },
        { "redis://", "host" },
        { "redis:///0", "host" },
        { "redis://:6379/0", "host" },
        { "redis://ca che", "host" },
        { "redis://cache ", "host" },
        { "redis://cache?db=1", "host" },
        { "redis://cache,other", "host" },
        { "redis://::1", "IPv6 in brackets" },
        { "redis://2001:db8::1:6379", "port" },
        { "redis://[::1", "IPv6 address in brackets" },
        { "redis://[", "IPv6 address in brackets" },
        { "redis://[]", "IPv6 address in brackets" },
        { "redis://[]:6379", "IPv6 address in brackets" },
        { "redis://[127.0.0.1]", "IPv6 address in brackets" },
        { "redis://[cache]", "IPv6 address in brackets" },
        { "redis://[fe80::1%eth0]", "IPv6 address in brackets" },
        { "redis://[::1]6379", ":PORT" },
        { "redis://[::1]]:6379", ":PORT" },
        { "redis://cache:", "port from 1 to 65535" },
        { "redis://cache:0", "port from 1 to 65535" },
        { "redis://cache:65536", "port from 1 to 65535" },
        { "redis://cache:-1", "port from 1 to 65535" },
        { "redis://cache:+1", "port from 1 to 65535" },
        { "redis://cache:06379", "port from 1 to 65535" },
        { "redis://cache:18446744073709558000", "port from 1 to 65535" },
        { "redis://cache:6379x/0", "port from 1 to 65535" },
        { "redis://cache:6379/-1", "data base from 0 to 1000" },
        { "redis://cache:6379/1001", "data base from 0 to 1000" },
        { "redis://cache:6379/4294967296", "data base from 0 to 1000" },
        { "redis://cache:6379/0/", "data base from 0 to 1000" },
        { "redis://cache:6379//", "data base from 0 to 1000" },
        { "redis://cache:6379/counters", "data base from 0 to 1000" },
        { "unix:", "path" },
        { "unix:run/redis.sock", "path" },
        { "unix://run", NULL }, /* a path with two slashes in front is one */
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_redis_address a = { .port = 4711 };
        enum btz_err err = btz_redis_address_parse(cases[i].text, &a);

        if (!cases[i].word) {
            assert_int_equal(err, BTZ_OK);
            continue;
        }
        if (err != BTZ_USAGE || !strstr(btz_error_detail(), cases[i].word) ||
            !strstr(btz_error_detail(), "gate: `shared_limits`: "))
            fail_msg("\"%s\": expected \"%s\", found %d %s", cases[i].text, cases[i].word, err,
                     err ? btz_error_detail() : "");
        assert_int_equal(a.port, 4711); /* nothing was written */
    }
}

static void test_secrets(void **state)
{
    static const char *const cases[] = { "redis://:hunter2@cache:6379/0",
                                         "redis://me:hunter2@cache", "rediss://me:hunter2@cache",
                                         "valkey://me:hunter2@cache", "redis://cache/hunter2@0" };
    struct btz_redis_address a;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        assert_int_equal(btz_redis_address_parse(cases[i], &a), BTZ_USAGE);
        assert_null(strstr(btz_error_detail(), "hunter2"));
    }
}

/* As long as may be, and one more. */
static void test_lengths(void **state)
{
    struct btz_redis_address a;
    char text[512];

    (void)state;
    for (int more = 0; more < 2; more++) {
        enum btz_err wanted = more ? BTZ_USAGE : BTZ_OK;

        snprintf(text, sizeof text, "unix:/%0*d", 106 + more, 0);
        assert_int_equal(btz_redis_address_parse(text, &a), wanted);
        assert_true(more ? strstr(btz_error_detail(), "at most 107 bytes, found 108") != NULL
                         : strlen(a.path) == 107);
        snprintf(text, sizeof text, "redis://%0*d:6379/1", 253 + more, 0);
        assert_int_equal(btz_redis_address_parse(text, &a), wanted);
        assert_true(more ? strstr(btz_error_detail(), "at most 253 bytes, found 254") != NULL
                         : strlen(a.host) == 253 && a.database == 1);
    }
    snprintf(text, sizeof text, "redis://[%0*d]", 300, 0);
    assert_int_equal(btz_redis_address_parse(text, &a), BTZ_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
