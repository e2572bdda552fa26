/* First line: a filter. The rest: a resource. Parsing is bounded and matching ends, whatever both are. */
#include <stdlib.h>

#include "watch/api/scim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct btz_scim_filter *f)
{
    return f ? 1 + count(f->a) + count(f->b) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_reader r = { .in = { data, size }, .what = "input" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *resource = NULL;
    const struct btz_scim_filter *f;
    struct btz_slice line;

    btz_arena_init(&arena, 1 << 16);
    if (!btz_read_line(&r, &line) || btz_scim_filter_parse(line, &arena, &f) != BTZ_OK)
        return 0;
    if (count(f) > BTZ_SCIM_NODES)
        abort();
    if (btz_json_parse(btz_slice_sub(r.in, r.at, size), 1 << 16, "json", &resource) == BTZ_OK)
        (void)btz_scim_match(f, resource);
    return 0;
}
