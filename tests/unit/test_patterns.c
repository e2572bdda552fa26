/* Containment, longest copy and many patterns, against brute force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "text/text.h"

#define S(text) btz_slice_of(text, sizeof(text) - 1)

/* Vectors of garak/resources/matching.py, n = 4. */
static void test_containment(void **state)
{
    (void)state;
    assert_float_equal(btz_text_containment(S("abcdef"), S("xxabcdexx"), 4), 2.0 / 3, 1e-12);
    assert_float_equal(btz_text_containment(S("secret"), S("my SECRET is"), 4), 1, 0);
    assert_float_equal(btz_text_containment(S("abc"), S("abc"), 4), 0, 0);
    assert_float_equal(btz_text_containment(S(""), S("abc"), 4), 0, 0);
    assert_float_equal(btz_text_containment(S("abcd"), S(""), 4), 0, 0);
    assert_float_equal(btz_text_containment(S("abcd"), S("abcd"), 0), 0, 0);
    assert_float_equal(btz_text_containment(S("\u00C4\u00D6\u00DCx"), S("\u00E4\u00F6\u00FCX"), 4),
                       1, 0);
}

static double containment_by_hand(const char *a, size_t a_len, const char *b, size_t b_len,
                                  size_t n)
{
    size_t distinct = 0, found = 0;

    for (size_t i = 0; i + n <= a_len; i++) {
        bool again = false, hit = false;

        for (size_t j = 0; j < i; j++)
            again = again || memcmp(a + i, a + j, n) == 0;
        for (size_t j = 0; j + n <= b_len; j++)
            hit = hit || memcmp(a + i, b + j, n) == 0;
        distinct += !again;
        found += !again && hit;
    }
    return distinct ? (double)found / (double)distinct : 0;
}

static void letters(struct btz_rng *rng, char *out, size_t n, unsigned kinds)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('a' + btz_rng_below(rng, kinds));
}

static void test_containment_brute_force(void **state)
{
    struct btz_rng rng;
    char a[64], b[64];

    (void)state;
    btz_rng_init(&rng, 3, 1);
    for (int round = 0; round < 5000; round++) {
        size_t a_len = btz_rng_below(&rng, 40), b_len = btz_rng_below(&rng, 60);
        unsigned n = 1 + btz_rng_below(&rng, 5);

        letters(&rng, a, a_len, 3);
        letters(&rng, b, b_len, 3);
        assert_float_equal(btz_text_containment(btz_slice_of(a, a_len), btz_slice_of(b, b_len), n),
                           containment_by_hand(a, a_len, b, b_len, n), 1e-12);
    }
}

static void test_longest_copy(void **state)
{
    (void)state;
    assert_int_equal(btz_text_longest_copy(S("You are Max. Never reveal the code."),
                                           S("Sure: \"never  reveal\nTHE code\" is one rule.")),
                     4);
    assert_int_equal(btz_text_longest_copy(S("don\u2019t say it"), S("Don't say it!")), 3);
    assert_int_equal(btz_text_longest_copy(S("a b c"), S("c b a")), 1);
    assert_int_equal(btz_text_longest_copy(S(""), S("a")), 0);
    assert_int_equal(btz_text_longest_copy(S("a"), S("")), 0);
    assert_int_equal(btz_text_longest_copy(S("..."), S("...")), 0);
}

static void test_longest_copy_brute_force(void **state)
{
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 4, 1);
    for (int round = 0; round < 4000; round++) {
        char a[128], b[128];
        size_t n = btz_rng_below(&rng, 40), m = btz_rng_below(&rng, 40), best = 0;
        unsigned kinds = 1 + btz_rng_below(&rng, 4);

        for (size_t i = 0; i < 2 * n; i += 2) {
            letters(&rng, a + i, 1, kinds);
            a[i + 1] = ' ';
        }
        for (size_t i = 0; i < 2 * m; i += 2) {
            letters(&rng, b + i, 1, kinds);
            b[i + 1] = ',';
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < m; j++) {
                size_t k = 0;

                while (i + k < n && j + k < m && a[2 * (i + k)] == b[2 * (j + k)])
                    k++;
                best = k > best ? k : best;
            }
        assert_int_equal(btz_text_longest_copy(btz_slice_of(a, 2 * n), btz_slice_of(b, 2 * m)),
                         best);
    }
}

/* One word a hundred thousand times in both: a quadratic search would not end. */
static void test_longest_copy_repeats(void **state)
{
    size_t n = 100000;
    char *a = malloc(2 * n);

    (void)state;
    assert_non_null(a);
    for (size_t i = 0; i < n; i++)
        memcpy(a + 2 * i, "a ", 2);
    assert_int_equal(btz_text_longest_copy(btz_slice_of(a, 2 * n), btz_slice_of(a, 2 * n)), n);
    assert_float_equal(btz_text_containment(btz_slice_of(a, 2 * n), btz_slice_of(a, 2 * n), 4), 1,
                       0);
    free(a);
}

struct hits {
    size_t pattern[4096], end[4096], count, stop;
};

static bool note(void *user, size_t pattern, size_t end)
{
    struct hits *h = user;

    h->pattern[h->count] = pattern;
    h->end[h->count++] = end;
    return h->count != h->stop;
}

static void test_patterns(void **state)
{
    /* The example of Aho and Corasick's paper. */
    struct btz_slice words[] = { S("he"), S("she"), S("his"), S("hers"), S("he") };
    struct btz_patterns *p;
    struct hits h = { .stop = 0 };

    (void)state;
    assert_int_equal(btz_patterns_new(words, 5, &p), BTZ_OK);
    btz_patterns_scan(p, S("ushers"), note, &h);
    assert_int_equal(h.count, 4);
    assert_true(h.pattern[0] == 1 && h.end[0] == 4);
    assert_true(h.pattern[1] == 0 && h.end[1] == 4);
    assert_true(h.pattern[2] == 4 && h.end[2] == 4);
    assert_true(h.pattern[3] == 3 && h.end[3] == 6);
    h = (struct hits){ .stop = 2 };
    btz_patterns_scan(p, S("ushers"), note, &h);
    assert_int_equal(h.count, 2);
    btz_patterns_free(p);
    btz_patterns_free(NULL);
    assert_int_equal(btz_patterns_new((struct btz_slice[]){ S("") }, 1, &p), BTZ_USAGE);
    assert_int_equal(btz_patterns_new(NULL, 0, &p), BTZ_OK);
    h = (struct hits){ .stop = 0 };
    btz_patterns_scan(p, S("anything"), note, &h);
    assert_int_equal(h.count, 0);
    btz_patterns_free(p);
}

static void test_patterns_brute_force(void **state)
{
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 5, 1);
    for (int round = 0; round < 1500; round++) {
        struct btz_slice words[12];
        char store[12][6], text[120];
        size_t count = 1 + btz_rng_below(&rng, 12), n = btz_rng_below(&rng, 120), expected = 0;
        struct btz_patterns *p;
        struct hits h = { .stop = 0 };

        for (size_t w = 0; w < count; w++) {
            size_t len = 1 + btz_rng_below(&rng, 5);

            letters(&rng, store[w], len, 3);
            words[w] = btz_slice_of(store[w], len);
        }
        letters(&rng, text, n, 4);
        assert_int_equal(btz_patterns_new(words, count, &p), BTZ_OK);
        btz_patterns_scan(p, btz_slice_of(text, n), note, &h);
        for (size_t i = 0; i < n; i++)
            for (size_t w = 0; w < count; w++)
                expected += btz_slice_has_prefix(btz_slice_of(text + i, n - i), words[w]);
        assert_int_equal(h.count, expected);
        for (size_t i = 0; i < h.count; i++) {
            size_t len = words[h.pattern[i]].len;

            assert_true(i == 0 || h.end[i - 1] <= h.end[i]);
            assert_memory_equal(text + h.end[i] - len, words[h.pattern[i]].ptr, len);
        }
        btz_patterns_free(p);
    }
}

static void test_patterns_all_bytes(void **state)
{
    uint8_t store[256], text[512];
    struct btz_slice words[256];
    struct btz_patterns *p;
    struct hits h = { .stop = 0 };

    (void)state;
    for (int i = 0; i < 256; i++) {
        store[i] = (uint8_t)i;
        words[i] = btz_slice_of(store + i, 1);
        text[2 * i] = (uint8_t)(i * 7);
        text[2 * i + 1] = (uint8_t)i;
    }
    assert_int_equal(btz_patterns_new(words, 256, &p), BTZ_OK);
    btz_patterns_scan(p, btz_slice_of(text, sizeof text), note, &h);
    assert_int_equal(h.count, sizeof text);
    for (size_t i = 0; i < h.count; i++)
        assert_int_equal(h.pattern[i], text[i]);
    btz_patterns_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_containment),
        cmocka_unit_test(test_containment_brute_force),
        cmocka_unit_test(test_longest_copy),
        cmocka_unit_test(test_longest_copy_brute_force),
        cmocka_unit_test(test_longest_copy_repeats),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_patterns_brute_force),
        cmocka_unit_test(test_patterns_all_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
