/* First line: a path. The rest: JSON. What the path leads to is bounded, whatever both are. */
#include <stdlib.h>

#include "http/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_reader r = { .in = { data, size }, .what = "input" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    BTZ_JSON json_t *root = NULL;
    struct btz_jsonpath path;
    struct btz_slice line;
    size_t found = 0;

    btz_arena_init(&arena, 1 << 16);
    if (!btz_read_line(&r, &line) || btz_jsonpath_parse(line, &arena, &path) != BTZ_OK)
        return 0;
    if (path.count > 64)
        abort();
    if (btz_json_parse(btz_slice_sub(r.in, r.at, size), 1 << 16, "json", &root) != BTZ_OK)
        return 0;
    if (btz_jsonpath_text(&path, root, &out, &found) == BTZ_OK && found > 10000)
        abort();
    return 0;
}
