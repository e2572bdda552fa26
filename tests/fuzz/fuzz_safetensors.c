/* Weights of anybody. */
#include "graph/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_weights *w = NULL;

    if (btz_weights_parse(btz_slice_of(data, size), "fuzz",
                          &(struct btz_weights_limits){ .memory_max = 1 << 20 }, &w) == BTZ_OK) {
        for (size_t i = 0; i < w->count; i++)
            if (btz_weights_find(w, w->items[i].name) != &w->items[i].tensor)
                __builtin_trap();
        btz_weights_free(w);
    }
    return 0;
}
