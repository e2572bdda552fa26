/* What the tests of the guard share: a guard from a few settings, whole texts, texts cut into pieces. */
#ifndef BTZ_TEST_GUARDING_H
#define BTZ_TEST_GUARDING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gate/guard/guard.h"

#define S(text) btz_slice_of(text, sizeof(text) - 1)

static const char *test_canaries[] = { "Blue Heron 42", "zq-canary-7" };
static const char *test_hosts[] = { "docs.example.com", "*.trusted.example" };
static const char *listed_tools[] = { "search", "read_*" };
static const char *test_words[] = { "project nightjar", "Züricher Plan" };
static struct btz_guard_topic_conf test_topics[] = { { "nightjar", { test_words, 2 } } };

/* Every detector has something to do. */
static inline struct btz_guard_conf test_conf(int mode)
{
    return (struct btz_guard_conf){ .enabled = true,
                                    .mode = mode,
                                    .canaries = { test_canaries, 2 },
                                    .link_hosts = { test_hosts, 2 },
                                    .tools = { listed_tools, 2 },
                                    .topics = { test_topics, 1 },
                                    .classifier = "",
                                    .calibration = "",
                                    .hold_max = 65536 };
}

static inline struct btz_guard *test_guard(const struct btz_guard_conf *conf)
{
    struct btz_guard *g = NULL;

    if (btz_guard_new(conf, &g) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return g;
}

/* The text as it goes on. */
static inline struct btz_buf test_whole(struct btz_guard_session *s, enum btz_channel c,
                                        struct btz_slice text)
{
    struct btz_buf out = BTZ_BUF(1 << 26);
    bool changed;

    if (btz_guard_text(s, c, text, &changed, &out) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    if (!changed)
        assert_int_equal(btz_buf_add_slice(&out, text), BTZ_OK);
    return out;
}

/* What came out of a stream; *denied: it was cut. `cut(user, i)` says whether to cut behind byte i. */
static inline struct btz_buf test_stream(struct btz_guard_session *s, enum btz_channel c,
                                         struct btz_slice text, bool (*cut)(void *, size_t),
                                         void *user, bool *denied)
{
    struct btz_buf out = BTZ_BUF(1 << 26);
    struct btz_guard_stream *t;
    enum btz_err err = BTZ_OK;
    size_t from = 0;

    assert_int_equal(btz_guard_stream_new(s, c, &t), BTZ_OK);
    for (size_t i = 0; i + 1 < text.len && err == BTZ_OK; i++)
        if (cut(user, i)) {
            err =
                btz_guard_stream_feed(t, btz_slice_of(text.ptr + from, i + 1 - from), false, &out);
            from = i + 1;
        }
    if (err == BTZ_OK)
        err = btz_guard_stream_feed(t, btz_slice_of(text.ptr + from, text.len - from), true, &out);
    *denied = err == BTZ_DENIED;
    if (err != BTZ_OK && err != BTZ_DENIED)
        fail_msg("%s", btz_error_detail());
    btz_guard_stream_free(t);
    return out;
}

#endif
