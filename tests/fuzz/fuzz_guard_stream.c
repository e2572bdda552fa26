/* First bytes: where to cut. A stream gives what the whole text gives. */
#include <stdlib.h>

#include "gate/guard/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *canaries[] = { "Blue Heron 42" };
static struct btz_guard_rule_conf mask[] = {
    { "*", { NULL, 0 }, BTZ_GUARD_MASK, -1, "", { NULL, 0 } }
};

static const struct btz_guard *guard(bool masks)
{
    static struct btz_guard *g[2];
    struct btz_guard_conf conf = { .enabled = true,
                                   .canaries = { canaries, 1 },
                                   .rules = { mask, masks },
                                   .classifier = "",
                                   .calibration = "",
                                   .hold_max = 1 << 20 };

    if (!g[masks] && btz_guard_new(&conf, &g[masks]) != BTZ_OK)
        abort();
    return g[masks];
}

/* Cut behind byte i where bit i % 16 of `cuts` is set. */
static enum btz_err feed(bool masks, struct btz_slice text, unsigned cuts, struct btz_buf *out)
{
    struct btz_guard_session *s;
    struct btz_guard_stream *t;
    enum btz_err err = BTZ_OK;
    size_t from = 0;

    if (btz_guard_session_new(guard(masks), &s) != BTZ_OK ||
        btz_guard_stream_new(s, BTZ_CHANNEL_OUTPUT, &t) != BTZ_OK)
        abort();
    for (size_t i = 0; i + 1 < text.len && err == BTZ_OK; i++)
        if (cuts >> i % 16 & 1) {
            err = btz_guard_stream_feed(t, btz_slice_of(text.ptr + from, i + 1 - from), false, out);
            from = i + 1;
        }
    if (err == BTZ_OK)
        err = btz_guard_stream_feed(t, btz_slice_sub(text, from, text.len), true, out);
    btz_guard_stream_free(t);
    btz_guard_session_free(s);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf whole = BTZ_BUF(1 << 26), pieces = BTZ_BUF(1 << 26);
    enum btz_err a, b;

    if (size < 3 || size > 4096)
        return 0;
    a = feed(data[0] & 1, btz_slice_of(data + 2, size - 2), 0, &whole);
    b = feed(data[0] & 1, btz_slice_of(data + 2, size - 2), (unsigned)(data[1] << 8 | data[0]),
             &pieces);
    if (a != b || !btz_slice_equal(btz_buf_slice(&whole), btz_buf_slice(&pieces)))
        abort();
    return 0;
}
