/* Units over threads: the same result for any number of them, the lowest error, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pool.h"

#define UNITS 5000

struct work {
    uint64_t results[UNITS];
    atomic_uint times[UNITS];
    unsigned threads;
    size_t fail_from, fail_step; /* units fail_from, fail_from + fail_step, ... fail */
    size_t stop_at;
    volatile int stop;
    atomic_bool bad_worker;
};

static enum btz_err unit(void *user, size_t i, unsigned worker)
{
    struct work *w = user;
    struct btz_rng rng;

    if (worker >= w->threads)
        atomic_store(&w->bad_worker, true);
    atomic_fetch_add(&w->times[i], 1);
    btz_rng_init(&rng, 42, i);
    for (unsigned spin = btz_rng_below(&rng, 200); spin > 0; spin--)
        w->results[i] += btz_rng_u32(&rng);
    if (i == w->stop_at)
        __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
    if (i >= w->fail_from && (i - w->fail_from) % w->fail_step == 0)
        return btz_fail(i % 2 ? BTZ_IO : BTZ_INPUT, "unit %zu is broken", i);
    return BTZ_OK;
}

static struct work fresh(unsigned threads)
{
    return (struct work){
        .threads = threads, .fail_from = SIZE_MAX, .fail_step = 1, .stop_at = SIZE_MAX
    };
}

static enum btz_err go(struct work *w, size_t count, size_t *done)
{
    const struct btz_pool_job job = {
        .count = count, .threads = w->threads, .unit = unit, .user = w, .stop = &w->stop
    };

    return btz_pool_run(&job, done);
}

static void test_same_result(void **state)
{
    static struct work alone, many;
    size_t done = 0;

    (void)state;
    alone = fresh(1);
    assert_int_equal(go(&alone, UNITS, &done), BTZ_OK);
    assert_int_equal(done, UNITS);
    for (unsigned threads = 2; threads <= 33; threads += 31) {
        many = fresh(threads);
        done = 0;
        assert_int_equal(go(&many, UNITS, &done), BTZ_OK);
        assert_int_equal(done, UNITS);
        assert_memory_equal(alone.results, many.results, sizeof alone.results);
        assert_false(many.bad_worker);
        for (size_t i = 0; i < UNITS; i++)
            assert_int_equal(many.times[i], 1);
    }
}

static void test_lowest_error(void **state)
{
    static struct work w;

    (void)state;
    for (unsigned threads = 1; threads <= 16; threads *= 4)
        for (size_t from = 0; from < 2000; from += 333) {
            char want[64];
            size_t done = 77;

            w = fresh(threads);
            w.fail_from = from;
            w.fail_step = 3;
            snprintf(want, sizeof want, "unit %zu is broken", from);
            btz_error_set("none");
            assert_int_equal(go(&w, UNITS, &done), from % 2 ? BTZ_IO : BTZ_INPUT);
            assert_string_equal(btz_error_detail(), want);
            assert_int_equal(done, 77);
            for (size_t i = 0; i <= from; i++)
                assert_int_equal(w.times[i], 1);
        }
}

static void test_stop(void **state)
{
    static struct work w;
    size_t done;

    (void)state;
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        w = fresh(threads);
        w.stop_at = 700;
        assert_int_equal(go(&w, UNITS, &done), BTZ_OK);
        assert_true(done > 700);
        if (threads == 1)
            assert_int_equal(done, 701);
        for (size_t i = 0; i < UNITS; i++)
            assert_int_equal(w.times[i], i < done);
    }
    w = fresh(4);
    w.stop = 1;
    assert_int_equal(go(&w, UNITS, &done), BTZ_OK);
    assert_int_equal(done, 0);
}

static void test_edges(void **state)
{
    static struct work w;
    size_t done = 5;

    (void)state;
    w = fresh(0);
    assert_int_equal(go(&w, 3, &done), BTZ_USAGE);
    w = fresh(8);
    assert_int_equal(go(&w, 0, &done), BTZ_OK);
    assert_int_equal(done, 0);
    assert_int_equal(go(&w, 1, NULL), BTZ_OK);
    w = fresh(100000);
    assert_int_equal(go(&w, 1000, &done), BTZ_OK);
    assert_int_equal(done, 1000);
    assert_in_range(btz_pool_processors(), 1, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_result),
        cmocka_unit_test(test_lowest_error),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
