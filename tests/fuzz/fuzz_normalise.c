/* First byte: the forms. Results are well-formed and stay when normalised again. */
#include <stdlib.h>

#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf once = BTZ_BUF(1 << 24), twice = BTZ_BUF(1 << 24);
    unsigned what;

    if (size == 0)
        return 0;
    what = data[0];
    if (btz_text_normalise(btz_slice_of(data + 1, size - 1), what, &once) != BTZ_OK)
        return 0;
    if (!btz_is_utf8(btz_buf_slice(&once)))
        abort();
    if ((what & BTZ_NORM_MATCH) == BTZ_NORM_MATCH &&
        btz_text_normalise(btz_buf_slice(&once), what, &twice) == BTZ_OK &&
        !btz_slice_equal(btz_buf_slice(&once), btz_buf_slice(&twice)))
        abort();
    return 0;
}
