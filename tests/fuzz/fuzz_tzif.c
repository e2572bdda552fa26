/* Any bytes as a time zone: refused, or transitions in order with offsets that can be. */
#include <stdlib.h>

#include "access/policy/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_zone zone;

    btz_arena_init(&arena, 1 << 20);
    if (btz_zone_parse(btz_slice_of(data, size), "f", &arena, &zone) != BTZ_OK)
        return 0;
    for (size_t i = 0; i < zone.count; i++) {
        const struct btz_transition *t = &zone.transitions[i];

        if (i > 0 && t->at <= t[-1].at)
            abort();
        if (btz_zone_offset(zone.transitions, zone.count, zone.offset, t->at) != t->offset)
            abort();
        if (t->offset < -7 * 86400 || t->offset > 7 * 86400)
            abort();
    }
    return 0;
}
