/* Lists of layers of anybody: what is built must be a model that is read. */
#include "graph/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 22);

    (void)!btz_build(btz_slice_of(data, size), "fuzz", NULL, 1, &out);
    return 0;
}
