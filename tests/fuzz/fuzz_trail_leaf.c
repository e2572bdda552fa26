/* Entries of the ledger that claim to be of the trail. What parses is an object with the members all readers rely on. */
#include <stdlib.h>

#include "access/trail/handle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const must[] = { "type", "id", "time", "month", "event", "verdict" };
    static const uint8_t key[BTZ_TRAIL_KEY] = { 1 };
    BTZ_JSON json_t *leaf = NULL;
    uint64_t ms;

    if (btz_leaf_parse(btz_slice_of(data, size), &leaf) != BTZ_OK)
        return 0;
    for (size_t i = 0; i < BTZ_COUNT(must); i++)
        if (!json_is_string(json_object_get(leaf, must[i])))
            abort();
    if (btz_time_parse(btz_str(json_string_value(json_object_get(leaf, "time"))), &ms) != BTZ_OK ||
        btz_leaf_open(leaf, key, NULL) != BTZ_OK)
        abort();
    return 0;
}
