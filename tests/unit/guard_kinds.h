/* What the tests of detectors share: one guard, and the kinds that a detector finds in a text. */
#ifndef BTZ_TEST_GUARD_KINDS_H
#define BTZ_TEST_GUARD_KINDS_H

#include "guarding.h"

static struct btz_guard *guard;

static int open_guard(void **state)
{
    struct btz_guard_conf conf = test_conf(BTZ_GUARD_MODE_WINDOW);

    (void)state;
    guard = test_guard(&conf);
    return 0;
}

static int close_guard(void **state)
{
    (void)state;
    btz_guard_free(guard);
    return 0;
}

/* The kinds that `detector` finds in a text, "," between them; "" for none. */
static const char *kinds(enum btz_channel c, const char *detector, struct btz_slice text)
{
    static char out[512];
    struct btz_guard_session *s;
    size_t count, len = 0;
    const struct btz_guard_record *r;

    assert_int_equal(btz_guard_session_new(guard, &s), BTZ_OK);
    {
        struct btz_buf ignored = test_whole(s, c, text);

        btz_buf_release(&ignored);
    }
    r = btz_guard_records(s, &count);
    out[0] = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(r[i].hit.detector->id, detector) == 0 && len < sizeof out - 64)
            len += (size_t)snprintf(out + len, sizeof out - len, "%s%s", len ? "," : "",
                                    r[i].hit.kind);
    btz_guard_session_free(s);
    return out;
}

struct vector {
    const char *text, *kinds;
};

static void check(enum btz_channel c, const char *detector, const struct vector *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = kinds(c, detector, btz_str(v[i].text));

        if (strcmp(got, v[i].kinds) != 0)
            fail_msg("%s: \"%s\": found \"%s\", not \"%s\"", detector, v[i].text, got, v[i].kinds);
    }
}

#endif
