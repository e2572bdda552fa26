/* What the tests of protocols share: a stand-in for the guard, and a reader of streams that shares no code with ours. */
#ifndef PROTOCOL_FIXTURE_H
#define PROTOCOL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate/protocol/protocol.h"

/* "secret" becomes "[x]", whatever pieces it comes in; "stop!" cuts. What may still become one of them is held. */
struct lane_text {
    struct btz_buf held;
};
struct watcher {
    bool plain; /* everything passes as it is */
    unsigned lanes, drops;
    struct btz_buf tools; /* names of tools heard of */
    struct btz_buf seen;  /* every text: "channel=text;" */
    struct btz_buf words; /* every time words were heard of: "word word;" */
};

static inline bool begins(struct btz_slice rest, const char *word)
{
    size_t n = strlen(word) < rest.len ? strlen(word) : rest.len;

    return n > 0 && memcmp(rest.ptr, word, n) == 0;
}

static inline enum btz_err watch_text(void *user, struct btz_lane *lane, struct btz_slice piece,
                                      bool final, struct btz_buf *out)
{
    struct watcher *w = user;
    struct lane_text *t = lane->user;
    struct btz_slice all;
    size_t at = 0;

    if (!t) {
        t = calloc(1, sizeof *t);
        assert_non_null(t);
        t->held = BTZ_BUF(1 << 20);
        lane->user = t;
        w->lanes++;
        if (lane->tool.len > 0)
            assert_int_equal(btz_buf_printf(&w->tools, "%.*s;", BTZ_SLICE_ARG(lane->tool)), BTZ_OK);
    }
    if (piece.len > 0)
        assert_int_equal(btz_buf_printf(&w->seen, "%s=%.*s;", btz_channel_name(lane->channel),
                                        BTZ_SLICE_ARG(piece)),
                         BTZ_OK);
    if (w->plain)
        return btz_buf_add_slice(out, piece);
    assert_int_equal(btz_buf_add_slice(&t->held, piece), BTZ_OK);
    all = btz_buf_slice(&t->held);
    while (at < all.len) {
        struct btz_slice rest = btz_slice_sub(all, at, all.len);

        if (begins(rest, "secret") || begins(rest, "stop!")) {
            bool secret = begins(rest, "secret");

            if (rest.len < (secret ? 6 : 5)) {
                if (!final)
                    break;
            } else if (!secret) {
                return BTZ_DENIED;
            } else {
                assert_int_equal(btz_buf_add_str(out, "[x]"), BTZ_OK);
                at += 6;
                continue;
            }
        }
        assert_int_equal(btz_buf_add_byte(out, all.ptr[at++]), BTZ_OK);
    }
    if (at > 0)
        memmove(t->held.ptr, t->held.ptr + at, t->held.len - at);
    t->held.len -= at;
    return BTZ_OK;
}

static inline void watch_drop(void *user, struct btz_lane *lane)
{
    struct watcher *w = user;
    struct lane_text *t = lane->user;

    btz_buf_release(&t->held);
    free(t);
    w->drops++;
}

static inline enum btz_err watch_words(void *user, struct btz_slice words)
{
    struct watcher *w = user;

    for (size_t i = 0; i < words.len; i++)
        assert_int_equal(btz_buf_add_byte(&w->words, words.ptr[i] == '\n'
                                                         ? (i + 1 < words.len ? ' ' : ';')
                                                         : words.ptr[i]),
                         BTZ_OK);
    return btz_slice_has(words, "stop-word") ? BTZ_DENIED : BTZ_OK;
}

static const struct btz_lane_ops watch_ops = { .text = watch_text,
                                               .drop = watch_drop,
                                               .words = watch_words };

struct run {
    enum btz_err err;
    struct btz_buf out;
    struct btz_usage usage;
    bool ended;
};

static inline void watcher_release(struct watcher *w)
{
    btz_buf_release(&w->tools);
    btz_buf_release(&w->seen);
    btz_buf_release(&w->words);
}

/* A stream cut at `cut`, or byte by byte when it is SIZE_MAX. */
static inline struct run run_stream(const struct btz_stream_options *o, struct btz_slice in,
                                    size_t cut, struct watcher *w)
{
    struct run r = { .out = BTZ_BUF(1 << 22) };
    struct btz_protocol_stream *s;

    w->tools = w->seen = w->words = BTZ_BUF(1 << 22);
    assert_int_equal(btz_protocol_stream_new(o, &watch_ops, w, &s), BTZ_OK);
    if (cut == SIZE_MAX) {
        for (size_t i = 0; i < in.len && r.err == BTZ_OK; i++)
            r.err = btz_protocol_stream_feed(s, btz_slice_sub(in, i, 1), false, &r.out);
    } else {
        r.err = btz_protocol_stream_feed(s, btz_slice_sub(in, 0, cut), false, &r.out);
        if (r.err == BTZ_OK)
            r.err = btz_protocol_stream_feed(s, btz_slice_sub(in, cut, in.len), false, &r.out);
    }
    if (r.err == BTZ_OK)
        r.err = btz_protocol_stream_feed(s, btz_str(""), true, &r.out);
    r.usage = *btz_protocol_stream_usage(s);
    r.ended = btz_protocol_stream_ended(s);
    btz_protocol_stream_free(s);
    assert_int_equal(w->lanes, w->drops);
    return r;
}

/* The events of a stream, one a line: "name|data"; lines of JSON are events without a name. Written for plain streams only. */
static inline void list_events(struct btz_slice in, struct btz_buf *out)
{
    struct btz_reader r = { .in = in, .what = "stream" };
    struct btz_slice line, name = { NULL, 0 };

    while (btz_read_line(&r, &line)) {
        if (btz_slice_has_prefix(line, btz_str("event: ")))
            name = btz_slice_sub(line, 7, line.len);
        else if (btz_slice_has_prefix(line, btz_str("data: ")))
            assert_int_equal(btz_buf_printf(out, "%.*s|%.*s\n", BTZ_SLICE_ARG(name),
                                            BTZ_SLICE_ARG(btz_slice_sub(line, 6, line.len))),
                             BTZ_OK);
        else if (line.len == 0)
            name.len = 0;
        else if (line.ptr[0] == '{')
            assert_int_equal(btz_buf_printf(out, "|%.*s\n", BTZ_SLICE_ARG(line)), BTZ_OK);
    }
}

#endif
