/* Trace contexts: the examples of the W3C recommendation and the cases of its test suite (w3c/trace-context, test.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate/trace.h"

#define ID   "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static bool parses(const char *text)
{
    struct btz_trace t;

    return btz_trace_parse(btz_str(text), &t);
}

static void test_continued(void **state)
{
    static const struct {
        const char *text;
        bool sampled;
    } good[] = {
        { "00-" ID "-" SPAN "-01", true },  { "00-" ID "-" SPAN "-00", false },
        { "00-" ID "-" SPAN "-fe", false }, { "00-" ID "-" SPAN "-ff", true },
        { "cc-" ID "-" SPAN "-01", true },  { "cc-" ID "-" SPAN "-01-what-will-be", true },
        { "fe-" ID "-" SPAN "-03-", true },
    };
    struct btz_trace t;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(good); i++) {
        memset(&t, 0, sizeof t);
        assert_true(btz_trace_parse(btz_str(good[i].text), &t));
        assert_string_equal(t.id, ID);
        assert_string_equal(t.parent, SPAN);
        assert_int_equal(t.sampled, good[i].sampled);
    }
}

static void test_not_continued(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-" ID "-" SPAN,                                 /* no flags */
        "00-" ID "-" SPAN "-1",                            /* too short */
        "00-" ID "-" SPAN "-01-what-will-be",              /* version 00 has no more */
        "00-" ID "-" SPAN "-01-",                          /* */
        "cc-" ID "-" SPAN "-01.what-will-be",              /* no dash behind the flags */
        "ff-" ID "-" SPAN "-01",                           /* forbidden version */
        ".0-" ID "-" SPAN "-01",                           /* illegal characters */
        "0.-" ID "-" SPAN "-01",                           /* */
        "00-" ID "-" SPAN "-.0",                           /* */
        "00-" ID "-" SPAN "-0.",                           /* */
        "00-.bf92f3577b34da6a3ce929d0e0e4736-" SPAN "-01", /* */
        "00-" ID "-.0f067aa0ba902b7-01",                   /* */
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", /* upper case */
        "00-" ID "-00F067AA0BA902B7-01",                   /* */
        "00-" ID "-" SPAN "-0A",                           /* */
        "00-00000000000000000000000000000000-" SPAN "-01", /* no ids */
        "00-" ID "-0000000000000000-01",                   /* */
        "00-" ID "0-" SPAN "-01",                          /* too long */
        "00_" ID "_" SPAN "_01",                           /* */
        "00- " ID "-" SPAN "-01",                          /* */
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        if (parses(bad[i]))
            fail_msg("continued: %s", bad[i]);
    /* Each byte changed into one that cannot stand there. */
    for (size_t i = 0; i < BTZ_TRACE_TEXT; i++) {
        char text[] = "00-" ID "-" SPAN "-01";

        text[i] = text[i] == '-' ? '0' : 'g';
        assert_false(parses(text));
    }
}

static void test_of_request(void **state)
{
    char trace[BTZ_TRACE_ID + 1], span[BTZ_TRACE_SPAN + 1], text[BTZ_TRACE_TEXT + 1];
    struct btz_trace t;

    (void)state;
    assert_true(btz_trace_of_request(btz_str(ID), trace, span));
    assert_string_equal(trace, ID);
    assert_string_equal(span, "a3ce929d0e0e4736");
    assert_false(btz_trace_of_request(btz_str("req_1"), trace, span));
    assert_false(btz_trace_of_request(btz_str("4bf92f3577b34da60000000000000000"), trace, span));
    btz_trace_write(trace, span, true, text);
    assert_string_equal(text, "00-" ID "-a3ce929d0e0e4736-01");
    assert_true(btz_trace_parse(btz_str(text), &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continued),
        cmocka_unit_test(test_not_continued),
        cmocka_unit_test(test_of_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
