/* Readings keep their bounds whatever the text; work is linear with a generous factor. */
#include <stdlib.h>

#include "text/codecs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_reading *r = NULL;
    size_t bytes = 0, count = 0, least = size < 256 ? 256 : size;
    uint64_t work;

    btz_arena_init(&arena, 64 << 20);
    if (btz_text_readings_counted(btz_slice_of(data, size), 3, &arena, &r, &work) != BTZ_OK)
        abort();
    for (; r; r = r->next) {
        bytes += r->text.len;
        count++;
    }
    if (count > 64 || bytes > 17 * least || work > 4000 * (uint64_t)least)
        abort();
    return 0;
}
