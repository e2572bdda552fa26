/* Any YAML as a file of policies and tests: refused, or run; against itself nothing differs. */
#include <stdlib.h>

#include "access/policy_tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(64 << 20), changes = BTZ_BUF(64 << 20);
    struct btz_policy_diff_limits limits = { .questions = 2000, .now_s = 1800000000 };
    struct btz_policy_file file;
    size_t failed, changed;

    btz_arena_init(&arena, 64 << 20);
    if (size > 20000 || btz_policy_load_text(btz_slice_of(data, size), "f.yaml", 1800000000, &arena,
                                             &file) != BTZ_OK)
        return 0;
    if (file.case_count <= 20 && btz_policy_test(&file, &failed, &out) == BTZ_OK &&
        failed > file.case_count)
        abort();
    if (btz_policy_diff(&file.model, &file.model, &limits, &changed, &changes) == BTZ_OK &&
        changed > 0)
        abort();
    return 0;
}
