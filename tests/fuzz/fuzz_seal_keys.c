/* Key files from a disk that may be damaged. Whatever parses is written back the same. */
#include <stdlib.h>

#include "access/identity/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice in = btz_slice_of(data, size);
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(2 * BTZ_RING_TEXT);
    BTZ_FREE char *keys = strndup((const char *)data, size);
    struct btz_ring ring;

    if (keys && btz_ring_from_keys(keys, &ring) == BTZ_OK)
        check(ring.count == (strlen(keys) + 1) / 65);
    if (btz_ring_parse(in, &ring) != BTZ_OK)
        return 0;
    check(ring.count > 0 && ring.count <= BTZ_RING_KEYS);
    check(btz_ring_write(&ring, &text) == BTZ_OK);
    check(text.len == size);
    return 0;
}
