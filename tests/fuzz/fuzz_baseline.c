/* A JSON report as a baseline and as the source of other reports; what is read is written in every format. */
#include <stdlib.h>

#include "finding/finding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice text = btz_slice_of(data, size);
    struct btz_arena arena;
    struct btz_results *results = NULL, *mine = NULL;
    struct btz_run run;

    btz_arena_init(&arena, (size_t)64 << 20);
    if (btz_report_read(text, &arena, &results, &run) == BTZ_OK) {
        for (size_t i = 0; btz_report_formats[i]; i++) {
            struct btz_buf out = BTZ_BUF((size_t)64 << 20);

            if (btz_report_formats[i]->write(&run, &out) == BTZ_OK &&
                !btz_is_utf8(btz_buf_slice(&out)))
                abort();
            btz_buf_release(&out);
        }
        /* What a report says of itself is known, so nothing can be new or worse. */
        if (btz_results_baseline(results, text) == BTZ_OK && results)
            (void)btz_results_has_failed(results, BTZ_SEVERITY_INFO);
    } else if (btz_results_new(&mine) == BTZ_OK) {
        enum btz_err err = btz_results_baseline(mine, text);

        if (err == BTZ_INTERNAL || err == BTZ_USAGE)
            abort();
    }
    btz_results_free(results);
    btz_results_free(mine);
    btz_arena_release(&arena);
    return 0;
}
