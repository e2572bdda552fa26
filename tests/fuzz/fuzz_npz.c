#include "sample_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_sample(data, size, "npz");
    return 0;
}
