/* Frames: what is heard does not depend on how the bytes were cut. The first byte says how. */
#include <stdlib.h>

#include "gate/protocol/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum btz_err hear(void *user, struct btz_slice piece, bool end)
{
    BTZ_TRY(btz_buf_add_slice(user, piece));
    return end ? btz_buf_add_byte(user, '|') : BTZ_OK;
}

static enum btz_err run(struct btz_slice in, size_t step, struct btz_frames *f, struct btz_buf *out)
{
    enum btz_err err = BTZ_OK;

    for (size_t at = 0; at < in.len && err == BTZ_OK; at += step)
        err = btz_frames_feed(f, btz_slice_sub(in, at, step), 4096, hear, out);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_buf whole = BTZ_BUF(1 << 20), cut = BTZ_BUF(1 << 20);
    struct btz_frames a = { .messages = 0 }, b = { .messages = 0 };
    struct btz_slice in;

    if (size < 1)
        return 0;
    in = btz_slice_of(data + 1, size - 1);
    if (run(in, SIZE_MAX / 2, &a, &whole) != run(in, 1u + data[0] % 16, &b, &cut) ||
        !btz_slice_equal(btz_buf_slice(&whole), btz_buf_slice(&cut)) || a.messages != b.messages)
        abort();
    btz_buf_release(&whole);
    btz_buf_release(&cut);
    return 0;
}
