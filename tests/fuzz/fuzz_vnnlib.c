/* Properties of anybody. */
#include "robust/vnnlib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_property p;
    static double y[4096];

    btz_arena_init(&arena, 1 << 24);
    if (btz_vnnlib_parse(btz_slice_of(data, size), "fuzz", &arena, &p) == BTZ_OK &&
        p.outputs <= BTZ_COUNT(y))
        for (size_t i = 0; i < p.count && i < 64; i++)
            (void)btz_property_margin(&p, i, y);
    return 0;
}
