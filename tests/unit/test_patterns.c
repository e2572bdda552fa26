/* Aho-Corasick against brute force: every occurrence of every word, in order of its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/text.h"

struct hits {
    unsigned count[64];
    size_t last_end, total, stop_after;
};

static bool on_hit(void *user, size_t pattern, size_t end)
{
    struct hits *h = user;

    assert_true(end >= h->last_end);
    h->last_end = end;
    h->count[pattern]++;
    h->total++;
    return h->stop_after == 0 || h->total < h->stop_after;
}

static void test_classic(void **state)
{
    /* The example of the paper. */
    const struct btz_slice words[] = { btz_str("he"), btz_str("she"), btz_str("his"),
                                       btz_str("hers") };
    struct hits h = { 0 };
    struct btz_patterns *p;

    (void)state;
    assert_int_equal(btz_patterns_new(words, 4, &p), BTZ_OK);
    btz_patterns_scan(p, btz_str("ushers"), on_hit, &h);
    assert_int_equal(h.count[0], 1);
    assert_int_equal(h.count[1], 1);
    assert_int_equal(h.count[2], 0);
    assert_int_equal(h.count[3], 1);
    h = (struct hits){ .stop_after = 1 };
    btz_patterns_scan(p, btz_str("ushers"), on_hit, &h);
    assert_int_equal(h.total, 1);
    btz_patterns_free(p);
}

static void test_brute_force(void **state)
{
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 3, 4);
    for (int round = 0; round < 500; round++) {
        char text[300], store[64][8];
        struct btz_slice words[64];
        size_t count = 1 + btz_rng_below(&rng, 63), len = btz_rng_below(&rng, sizeof text);
        struct btz_patterns *p;
        struct hits h = { 0 };

        for (size_t i = 0; i < count; i++) {
            size_t n = 1 + btz_rng_below(&rng, 7);

            for (size_t j = 0; j < n; j++)
                store[i][j] = (char)btz_rng_below(&rng, 3); /* NUL is a byte like others */
            words[i] = btz_slice_of(store[i], n);
        }
        for (size_t i = 0; i < len; i++)
            text[i] = (char)btz_rng_below(&rng, 3);
        assert_int_equal(btz_patterns_new(words, count, &p), BTZ_OK);
        btz_patterns_scan(p, btz_slice_of(text, len), on_hit, &h);
        for (size_t i = 0; i < count; i++) {
            unsigned expected = 0;

            for (size_t j = 0; j + words[i].len <= len; j++)
                expected += memcmp(text + j, words[i].ptr, words[i].len) == 0;
            assert_int_equal(h.count[i], expected);
        }
        btz_patterns_free(p);
    }
}

static void test_limits(void **state)
{
    const struct btz_slice empty = btz_str("");
    struct btz_patterns *p;

    (void)state;
    assert_int_equal(btz_patterns_new(&empty, 1, &p), BTZ_USAGE);
    assert_int_equal(btz_patterns_new(NULL, 0, &p), BTZ_OK);
    btz_patterns_scan(p, btz_str("anything"), on_hit, NULL);
    btz_patterns_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classic),
        cmocka_unit_test(test_brute_force),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
