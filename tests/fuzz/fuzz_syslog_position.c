/* Position files of receivers. What parses is written back byte for byte. */
#include <stdlib.h>

#include "access/export.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(BTZ_SYSLOG_POSITION_MAX + 64);
    struct btz_slice in = btz_slice_of(data, size);
    struct btz_syslog_position p;

    if (btz_syslog_position_parse(in, &p) != BTZ_OK)
        return 0;
    if (btz_syslog_position_write(&p, &again) != BTZ_OK ||
        !btz_slice_equal(btz_buf_slice(&again), in))
        abort();
    return 0;
}
