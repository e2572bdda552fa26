/* Server-sent events: the examples of WHATWG HTML 9.2.6, cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/http.h"

struct record {
    struct btz_buf text;
    unsigned count, stop_after;
};

static bool keep(void *user, const struct btz_http_event *e)
{
    struct record *r = user;

    assert_int_equal(
        btz_buf_printf(&r->text, "<%.*s|%.*s>", BTZ_SLICE_ARG(e->name), BTZ_SLICE_ARG(e->data)),
        BTZ_OK);
    return ++r->count != r->stop_after;
}

static const struct {
    const char *in, *out;
} cases[] = {
    { "data: YHOO\ndata: +2\ndata: 10\n\n", "<message|YHOO\n+2\n10>" },
    /* A comment, an event, an event without the space, and one that is never finished. */
    { ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
      "<message|first event><message|second event>" },
    { "data\n\ndata\ndata\n\ndata:", "<message|><message|\n>" },
    { "data:test\n\ndata: test\n\n", "<message|test><message|test>" },
    { "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
      "<add|73857293><remove|2153>" },
    { "\xEF\xBB\xBF"
      "data: a\r\rdata: b\r\n\r\ndata: c\n\r\n",
      "<message|a><message|b><message|c>" },
    { "data: x\nevent: late\n\ndata: y\n\n", "<late|x><message|y>" },
    { "event: nothing\n\ndata: z\n\n", "<message|z>" },
    { "datax: a\n data: b\nDATA: c\n\n", "" },
    { "data: a:b: c\nretry: 10\nid: 4\n\n", "<message|a:b: c>" },
    { "\n\n\r\n\r", "" },
};

static void test_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_slice in = btz_str(cases[i].in);

        /* Two pieces at every place, then byte by byte. */
        for (size_t cut = 0; cut <= in.len + 1; cut++) {
            struct record r = { .text = BTZ_BUF(10000) };
            struct btz_sse *s;
            bool more = true;

            assert_int_equal(btz_sse_new(1000, keep, &r, &s), BTZ_OK);
            if (cut <= in.len) {
                assert_int_equal(btz_sse_feed(s, btz_slice_sub(in, 0, cut), &more), BTZ_OK);
                assert_int_equal(btz_sse_feed(s, btz_slice_sub(in, cut, in.len), &more), BTZ_OK);
            } else {
                for (size_t k = 0; k < in.len; k++)
                    assert_int_equal(btz_sse_feed(s, btz_slice_sub(in, k, 1), &more), BTZ_OK);
            }
            assert_true(more);
            if (!btz_slice_is(btz_buf_slice(&r.text), cases[i].out))
                fail_msg("case %zu cut at %zu: %.*s", i, cut,
                         BTZ_SLICE_ARG(btz_buf_slice(&r.text)));
            btz_sse_free(s);
            btz_buf_release(&r.text);
        }
    }
}

static void test_stop(void **state)
{
    struct record r = { .text = BTZ_BUF(1000), .stop_after = 2 };
    struct btz_sse *s;
    bool more;
    (void)state;

    assert_int_equal(btz_sse_new(1000, keep, &r, &s), BTZ_OK);
    assert_int_equal(btz_sse_feed(s, btz_str("data: 1\n\ndata: 2\n\ndata: 3\n\n"), &more), BTZ_OK);
    assert_false(more);
    assert_int_equal(r.count, 2);
    assert_int_equal(btz_sse_feed(s, btz_str("data: 4\n\n"), &more), BTZ_OK);
    assert_false(more);
    assert_int_equal(r.count, 2);
    btz_sse_free(s);
    btz_buf_release(&r.text);
}

static void test_limits(void **state)
{
    struct record r = { .text = BTZ_BUF(1000) };
    struct btz_sse *s;
    bool more;
    (void)state;

    assert_int_equal(btz_sse_new(10, keep, &r, &s), BTZ_OK);
    assert_int_equal(btz_sse_feed(s, btz_str("data: 0123456789\n\n"), &more), BTZ_OK);
    assert_int_equal(btz_sse_feed(s, btz_str("data: 0123456789x\n"), &more), BTZ_LIMIT);
    btz_sse_free(s);
    /* Many short lines of one event. */
    assert_int_equal(btz_sse_new(10, keep, &r, &s), BTZ_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(btz_sse_feed(s, btz_str("data: x\n"), &more), BTZ_OK);
    assert_int_equal(btz_sse_feed(s, btz_str("data: x\n"), &more), BTZ_LIMIT);
    btz_sse_free(s);
    /* One line that never ends. */
    assert_int_equal(btz_sse_new(10, keep, &r, &s), BTZ_OK);
    for (int i = 0; i < 26; i++)
        assert_int_equal(btz_sse_feed(s, btz_str("z"), &more), BTZ_OK);
    assert_int_equal(btz_sse_feed(s, btz_str("z"), &more), BTZ_LIMIT);
    btz_sse_free(s);
    assert_int_equal(r.count, 1);
    btz_buf_release(&r.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
