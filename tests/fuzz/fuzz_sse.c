/* Events must not depend on how the bytes were cut. The first byte seeds the cuts. */
#include <stdlib.h>

#include "http/http.h"

struct digest {
    struct btz_sha256 hash;
    unsigned count;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool add(void *user, const struct btz_http_event *e)
{
    struct digest *d = user;
    uint64_t lengths[2] = { e->name.len, e->data.len };

    btz_sha256_add(&d->hash, btz_slice_of(lengths, sizeof lengths));
    btz_sha256_add(&d->hash, e->name);
    btz_sha256_add(&d->hash, e->data);
    return ++d->count < 1000;
}

static enum btz_err feed(struct btz_slice in, uint32_t step, uint8_t out[BTZ_SHA256_LEN])
{
    struct digest d = { .count = 0 };
    struct btz_sse *s;
    enum btz_err err = BTZ_OK;
    bool more = true;

    btz_sha256_init(&d.hash);
    if (btz_sse_new(64, add, &d, &s) != BTZ_OK)
        abort();
    for (size_t at = 0; at < in.len && err == BTZ_OK; at += step)
        err = btz_sse_feed(s, btz_slice_sub(in, at, step), &more);
    btz_sse_free(s);
    btz_sha256_end(&d.hash, out);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t whole[BTZ_SHA256_LEN], cut[BTZ_SHA256_LEN];
    struct btz_slice in;

    if (size < 2)
        return 0;
    in = btz_slice_of(data + 1, size - 1);
    if (feed(in, UINT32_MAX, whole) != feed(in, 1u + data[0] % 16, cut) ||
        memcmp(whole, cut, sizeof whole) != 0)
        abort();
    return 0;
}
