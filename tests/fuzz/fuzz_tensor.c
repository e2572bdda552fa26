/* Tensors of anybody. */
#include "graph/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_tensor t;
    const char *name;

    btz_arena_init(&arena, 1 << 22);
    (void)!btz_tensor_parse(btz_slice_of(data, size), &arena, &t, &name);
    return 0;
}
