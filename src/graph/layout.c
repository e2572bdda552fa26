/*
 * Memory by lifetimes: first fit in the order of the beginnings.
 */
#include <stdlib.h>

#include "graph/net.h"

#define ALIGN 64

static int by_first(const void *a, const void *b)
{
    const struct btz_place *x = a, *y = b;

    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->where < y->where ? -1 : x->where > y->where;
}

enum btz_err btz_layout(struct btz_place *places, size_t count, struct btz_arena *arena,
                        size_t *offsets, size_t *total)
{
    size_t *active = btz_arena_array(arena, count + 1, sizeof *active); /* by offset */
    size_t used = 0;

    if (!active)
        return BTZ_LIMIT;
    *total = 0;
    if (count)
        qsort(places, count, sizeof places[0], by_first);
    for (size_t i = 0; i < count; i++) {
        size_t bytes, at = 0, kept = 0, slot = 0;
        bool found = false;

        if (!btz_size_add(places[i].bytes, ALIGN - 1, &bytes) || bytes > SIZE_MAX / 4)
            return btz_fail(BTZ_LIMIT, "%zu bytes of memory at once", places[i].bytes);
        bytes -= bytes % ALIGN;
        for (size_t k = 0; k < used; k++)
            if (places[active[k]].last >= places[i].first)
                active[kept++] = active[k];
        used = kept;
        for (size_t k = 0; k < used && !found; k++) {
            size_t begin = offsets[active[k]];

            if (begin >= at && begin - at >= bytes)
                found = true;
            else {
                size_t size = places[active[k]].bytes;

                at = begin + size + (ALIGN - size % ALIGN) % ALIGN;
                slot = k + 1;
            }
        }
        memmove(&active[slot + 1], &active[slot], (used - slot) * sizeof active[0]);
        active[slot] = i;
        used++;
        offsets[i] = at;
        if (!btz_size_add(at, bytes, &at) || at > SIZE_MAX / 2)
            return btz_fail(BTZ_LIMIT, "the plan needs more memory than there are addresses");
        if (at > *total)
            *total = at;
    }
    return BTZ_OK;
}
