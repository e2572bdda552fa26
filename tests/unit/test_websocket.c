/* WebSocket frames: the examples of RFC 6455 section 5.7, cut everywhere, and what section 5 forbids. */
#include "protocol_fixture.h"

struct heard {
    struct btz_buf text;
};

static enum btz_err hear(void *user, struct btz_slice piece, bool end)
{
    struct heard *h = user;

    assert_int_equal(btz_buf_add_slice(&h->text, piece), BTZ_OK);
    return end ? btz_buf_add_byte(&h->text, '|') : BTZ_OK;
}

static enum btz_err feed(struct btz_slice in, size_t step, uint64_t max, struct btz_frames *f,
                         struct heard *h)
{
    for (size_t at = 0; at < in.len; at += step)
        BTZ_TRY(btz_frames_feed(f, btz_slice_sub(in, at, step), max, hear, h));
    return BTZ_OK;
}

#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct {
    const char *in;
    size_t len;
} frames[] = {
    BYTES("\x81\x05\x48\x65\x6c\x6c\x6f"), /* a single-frame unmasked text message */
    BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),      /* masked */
    BYTES("\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"),              /* fragmented */
    BYTES("\x01\x03\x48\x65\x6c\x89\x05Hello\x80\x02\x6c\x6f"), /* a ping in between */
};

static void test_hello(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(frames); i++)
        for (size_t step = 1; step <= frames[i].len; step++) {
            struct btz_frames f = { .messages = 0 };
            struct heard h = { .text = BTZ_BUF(1000) };

            assert_int_equal(feed(btz_slice_of(frames[i].in, frames[i].len), step, 1000, &f, &h),
                             BTZ_OK);
            assert_true(btz_slice_is(btz_buf_slice(&h.text), "Hello|"));
            assert_int_equal(f.messages, 1);
            assert_false(f.in_message);
            btz_buf_release(&h.text);
        }
}

/* 256 bytes and 64 KiB of binary data: counted, not heard. */
static void test_binary(void **state)
{
    static uint8_t big[65536 + 10];
    struct btz_frames f = { .messages = 0 };
    struct heard h = { .text = BTZ_BUF(1000) };
    (void)state;

    memcpy(big, "\x82\x7e\x01\x00", 4);
    assert_int_equal(feed(btz_slice_of(big, 260), 7, 1 << 20, &f, &h), BTZ_OK);
    memcpy(big, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
    assert_int_equal(feed(btz_slice_of(big, sizeof big), 999, 1 << 20, &f, &h), BTZ_OK);
    assert_int_equal(f.messages, 2);
    assert_int_equal(f.bytes, 256 + 65536);
    assert_int_equal(h.text.len, 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *in;
        size_t len;
    } bad[] = {
        BYTES("\xc1\x00"),         /* a reserved bit */
        BYTES("\x83\x00"),         /* an unknown frame */
        BYTES("\x8b\x00"),         /* an unknown control frame */
        BYTES("\x80\x00"),         /* a continuation of nothing */
        BYTES("\x01\x00\x81\x00"), /* a message within a message */
        BYTES("\x09\x00"),         /* a ping in fragments */
        BYTES("\x89\x7e\x00\x7e"), /* a long ping */
        BYTES("\x82\x7e\x00\x05"), /* a length that is not minimal */
        BYTES("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"),
        BYTES("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), /* the highest bit of a length */
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        struct btz_frames f = { .messages = 0 };
        struct heard h = { .text = BTZ_BUF(1000) };

        assert_int_equal(feed(btz_slice_of(bad[i].in, bad[i].len), 1, UINT64_MAX, &f, &h),
                         BTZ_INPUT);
        btz_buf_release(&h.text);
    }
}

static void test_limit(void **state)
{
    struct btz_frames f = { .messages = 0 };
    struct heard h = { .text = BTZ_BUF(1000) };
    (void)state;

    assert_int_equal(feed(btz_slice_of(frames[2].in, frames[2].len), 1, 5, &f, &h), BTZ_OK);
    f = (struct btz_frames){ .messages = 0 };
    assert_int_equal(feed(btz_slice_of(frames[2].in, frames[2].len), 1, 4, &f, &h), BTZ_LIMIT);
    btz_buf_release(&h.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
