/* Token bucket, Retry-After and back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/pace.h"

static void test_bucket(void **state)
{
    struct btz_bucket b;
    uint64_t now = 1000000000, wait = 0, until = now + 10 * UINT64_C(1000000000);
    unsigned taken = 0;
    (void)state;

    btz_bucket_init(&b, 7.5, 4, now);
    while (now < until) {
        if (btz_bucket_take(&b, now, &wait))
            taken++;
        else
            now += wait;
    }
    /* The burst, then 7.5 a second for 10 seconds. */
    assert_in_range(taken, 78, 79);
    btz_bucket_init(&b, 0, 1, now);
    for (int i = 0; i < 1000; i++)
        assert_true(btz_bucket_take(&b, now, &wait));
    /* What is not used is kept up to the burst only. */
    btz_bucket_init(&b, 1000, 3, now);
    now += UINT64_C(60000000000);
    for (int i = 0; i < 3; i++)
        assert_true(btz_bucket_take(&b, now, &wait));
    assert_false(btz_bucket_take(&b, now, &wait));
    assert_in_range(wait, 1000000, 1000002);
}

static void test_retry_after(void **state)
{
    /* RFC 9110 s.5.6.7: one instant in three spellings. */
    static const char *const same[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994" };
    static const char *const bad[] = {
        "", "soon", "-1", "1.5", "10 s", "Sun, 99 Xxx 1994", "1994 y"
    };
    uint64_t ms = 0;
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(same); i++) {
        assert_true(btz_http_retry_after(same[i], UINT64_C(784111777000) - 2500, &ms));
        assert_int_equal(ms, 2500);
        assert_true(btz_http_retry_after(same[i], UINT64_C(784111777000) + 1, &ms));
        assert_int_equal(ms, 0);
    }
    assert_true(btz_http_retry_after(" 120 ", 0, &ms));
    assert_int_equal(ms, 120000);
    assert_true(btz_http_retry_after("99999999999999999999999999", 0, &ms));
    assert_true(ms > UINT64_C(1) << 40);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_false(btz_http_retry_after(bad[i], 0, &ms));
}

static void test_backoff(void **state)
{
    static const uint64_t ceilings[] = { 100, 200, 400, 800, 1000, 1000 };
    struct btz_rng a, b;
    (void)state;

    btz_rng_init(&a, 7, 1);
    btz_rng_init(&b, 7, 1);
    for (unsigned tries = 1; tries <= BTZ_COUNT(ceilings); tries++) {
        uint64_t sum = 0, top = 0;

        for (int i = 0; i < 10000; i++) {
            uint64_t ms = btz_http_backoff(&a, 100, 1000, tries);

            assert_int_equal(ms, btz_http_backoff(&b, 100, 1000, tries));
            assert_in_range(ms, 0, ceilings[tries - 1]);
            top = ms > top ? ms : top;
            sum += ms;
        }
        /* Full jitter: uniform, so half the ceiling on average (10 standard errors). */
        assert_in_range(sum / 10000, ceilings[tries - 1] * 46 / 100,
                        ceilings[tries - 1] * 54 / 100);
        assert_in_range(top, ceilings[tries - 1] * 99 / 100, ceilings[tries - 1]);
    }
    assert_in_range(btz_http_backoff(&a, 4000000000u, 4000000000u, 4000000000u), 0, 4000000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
