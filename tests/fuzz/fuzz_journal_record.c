/* Records of the journal. What is accepted is JSON of the same members. */
#include <stdlib.h>

#include "gate/journal/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice in = btz_slice_of(data, size);
    BTZ_JSON json_t *o = NULL;
    struct btz_record_view v;

    if (btz_record_parse(in, &v) != BTZ_OK)
        return 0;
    in.len -= v.request_body.len + v.response_body.len;
    if (btz_json_parse(in, BTZ_JOURNAL_RECORD_MAX, "record", &o) != BTZ_OK ||
        json_object_size(o) != v.count)
        abort();
    return 0;
}
