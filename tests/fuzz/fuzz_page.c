/* The pages of docs/rules/ as the build reads them. */
#include <stdlib.h>

#include "finding/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_page page;
    char why[BTZ_PAGE_WHY];
    unsigned line = 0;

    if (!btz_page_parse(btz_slice_of(data, size), &page, &line, why)) {
        if (why[0] == '\0')
            abort();
        return 0;
    }
    if (page.id.len == 0 || page.title.len == 0 || page.reference_count == 0 ||
        page.body.len == 0 || page.body.ptr + page.body.len != data + size)
        abort();
    return 0;
}
