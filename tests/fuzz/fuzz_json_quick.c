/* The quick reader and writer of JSON against jansson: what is taken is equal, in values and in bytes. */
#include <stdlib.h>

#include "base/json_quick.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *quick = btz_json_quick_parse(btz_slice_of(data, size), 128), *slow;
    BTZ_BUF_RELEASE struct btz_buf written = BTZ_BUF(1 << 24);
    char *wanted;

    if (!quick)
        return 0;
    slow = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (!slow || !json_equal(quick, slow))
        abort();
    wanted = json_dumps(slow, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!btz_json_quick_write(quick, &written) || !wanted || written.len != strlen(wanted) ||
        memcmp(written.ptr, wanted, written.len) != 0)
        abort();
    free(wanted);
    json_decref(quick);
    json_decref(slow);
    return 0;
}
