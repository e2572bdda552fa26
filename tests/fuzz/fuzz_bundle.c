/* Entry bundles. First byte: the width asked for; second: whether a longer bundle may be given. */
#include <stdlib.h>

#include "ledger/tiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct btz_bundle b;
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(BTZ_BUNDLE_MAX);
    struct btz_slice in;
    unsigned width;
    bool prefix;

    if (size < 2)
        return 0;
    width = data[0] + 1u;
    prefix = data[1] & 1;
    in = btz_slice_of(data + 2, size - 2);
    if (btz_bundle_parse(in, width, prefix, "fuzz", &b) == BTZ_OK && b.count != width)
        abort();
    /* What was read, complete or not, is the beginning of the input. */
    if (b.count > width || b.end > in.len)
        abort();
    for (unsigned i = 0; i < b.count; i++)
        if (btz_bundle_add(&again, b.entry[i]) != BTZ_OK)
            abort();
    if (again.len != b.end || !btz_slice_has_prefix(in, btz_buf_slice(&again)))
        abort();
    return 0;
}
