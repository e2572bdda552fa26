/* Records of an evaluation's state, of anybody: 4 features, units of 8. What is read is written as it was. */
#include <stdlib.h>

#include "robust/evaluating.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(1 << 20);
    struct btz_unit_result r;

    if (btz_state_parse(btz_slice_of(data, size), 4, 8, &r) != BTZ_OK)
        return 0;
    if (btz_state_write(&r, 4, &again) != BTZ_OK ||
        !btz_slice_equal(btz_buf_slice(&again), btz_slice_of(data, size)))
        abort();
    btz_unit_result_release(&r);
    return 0;
}
