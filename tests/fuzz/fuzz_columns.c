/* Constraints of anybody: refused, or every move they allow is one that holds. */
#include <stdlib.h>
#include <string.h>

#include "robust/constraint.h"
#include "robust/practice.h"

#define FEATURES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const float row[FEATURES] = { 40, 1, 100, 3, 0, 1, 0, 0.25F };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_constraint c;
    struct btz_rng rng;
    float x[FEATURES];

    btz_arena_init(&arena, 1 << 24);
    if (btz_columns_parse(btz_slice_of(data, size), "fuzz", FEATURES, &arena, &c) != BTZ_OK)
        return 0;
    btz_rng_init(&rng, size, 1);
    for (size_t unit = 0; unit < FEATURES + c.group_count; unit++) {
        memcpy(x, row, sizeof x);
        (void)btz_constraint_move(&c, row, unit, &rng, x);
        if (!btz_constraint_holds(&c, row, x))
            abort();
        btz_constraint_revert(&c, row, unit, x);
        if (memcmp(x, row, sizeof x) != 0)
            abort();
    }
    return 0;
}
