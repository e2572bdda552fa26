/*
 * The quick reader and writer of JSON against jansson itself: what the reader takes, jansson takes too, and both give equal
 * values and equal bytes. What jansson refuses is never taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json_quick.h"

/* True: taken. */
static bool same(struct btz_slice text)
{
    json_t *quick = btz_json_quick_parse(text, 128);
    json_t *slow = json_loadb((const char *)text.ptr, text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    BTZ_BUF_RELEASE struct btz_buf written = BTZ_BUF(1 << 24);
    bool taken = quick != NULL;

    if (quick) {
        char *wanted;

        if (!slow)
            fail_msg("taken, but no JSON: %.*s", (int)text.len, (const char *)text.ptr);
        assert_true(json_equal(quick, slow));
        wanted = json_dumps(slow, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_true(btz_json_quick_write(quick, &written));
        assert_non_null(wanted);
        assert_int_equal(written.len, strlen(wanted));
        assert_memory_equal(written.ptr, wanted, written.len);
        free(wanted);
    }
    json_decref(quick);
    json_decref(slow);
    return taken;
}

/* What must be taken, or the quick reader is none. */
static const char *const usual[] = {
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "42",
    "123456789012345678",
    "1.5",
    "-0.25e-3",
    "1E5",
    "[1,2,3]",
    " [ 1 , 2 ] ",
    "\t{\r\n\"a\" : 1 }\n",
    "\"\"",
    "\"text\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\\u00e9\\u20ac\\ud83e\\udd93\"",
    "\"\x7f\"",
    "\"Gr\xc3\xbc\xc3\x9f\x65 \xe4\xbd\xa0 \xf0\x9f\xa6\x93\"",
    "{\"a\":{\"b\":[{\"c\":null}]},\"d\":\"\\u000a\"}",
    "{\"\":1,\"\\u0061\\n\":\"\\u0062\"}",
    "{\"model\":\"m\",\"temperature\":0.7,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
};
/* What must not be: jansson has the word. */
static const char *const unusual[] = {
    "",
    " ",
    "{",
    "}",
    "[1,]",
    "{\"a\":1,}",
    "{\"a\"}",
    "{a:1}",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "+1",
    "0x1",
    "nul",
    "truee",
    "\"",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u00g0\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"a\nb\"",
    "\"\x01\"",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "[1] x",
    "[1][2]",
    "\xef\xbb\xbf[]",
    "\"\xff\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "99999999999999999999",
    "1e999",
    "NaN",
    "Infinity",
    "[1 2]",
    "{\"a\" 1}",
    "'a'",
    "/**/1",
    "\x0b[]",
};

static void test_usual(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(usual); i++)
        if (!same(btz_str(usual[i])))
            fail_msg("not taken: %s", usual[i]);
}

static void test_unusual(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(unusual); i++)
        if (same(btz_str(unusual[i])))
            fail_msg("taken: %s", unusual[i]);
    assert_false(same(btz_slice_of("[1]\0", 4)));
    assert_false(same(btz_slice_of("\"a\0b\"", 5)));
}

static void test_depth(void **state)
{
    char text[600];

    (void)state;
    for (size_t depth = 120; depth < 140; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(same(btz_slice_of(text, 2 * depth)), depth <= 128);
    }
}

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Bytes exchanged, put in, taken out, and texts cut: all that is left must be judged as jansson does. */
static void test_mutations(void **state)
{
    static const char bytes[] = "{}[]\",:\\u0ade1.-+ \n\x80\xc3\xff";
    uint64_t seed = 42;
    size_t taken = 0;
    char text[400];

    (void)state;
    for (int i = 0; i < 60000; i++) {
        const char *from = usual[next(&seed) % BTZ_COUNT(usual)];
        size_t len = strlen(from), at;

        memcpy(text, from, len);
        for (uint64_t n = next(&seed) % 4; n > 0; n--) {
            at = next(&seed) % (len + 1);
            switch (next(&seed) % 3) {
            case 0:
                memmove(text + at + 1, text + at, len - at);
                len++;
                __attribute__((fallthrough));
            case 1:
                if (at < len)
                    text[at] = bytes[next(&seed) % (sizeof bytes - 1)];
                break;
            default:
                if (at < len) {
                    memmove(text + at, text + at + 1, len - at - 1);
                    len--;
                }
            }
        }
        taken += same(btz_slice_of(text, len));
    }
    assert_true(taken > 15000);
}

static void test_numbers(void **state)
{
    uint64_t seed = 7;
    char text[64];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        double value = ((double)next(&seed) - 9e18) / (double)(1 + next(&seed) % 1000000007);

        snprintf(text, sizeof text, "%.*g", (int)(1 + next(&seed) % 17), value);
        if (!same(btz_str(text)) && strlen(text) < 18)
            fail_msg("not taken: %s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),   cmocka_unit_test(test_unusual),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
