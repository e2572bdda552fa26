/* First line: a path or JSON operations; the rest: a resource. A patched resource still makes sense of its fields. */
#include <stdlib.h>

#include "watch/api/scim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_reader r = { .in = { data, size }, .what = "input" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *resource = NULL, *operations = NULL, *fields = NULL;
    struct btz_scim_path path;
    struct btz_slice line;
    const char *why = NULL;
    enum btz_err err;

    btz_arena_init(&arena, 1 << 18);
    if (!btz_read_line(&r, &line))
        return 0;
    if (btz_scim_path_parse(line, &arena, &path) == BTZ_OK && !path.attribute)
        abort();
    if (btz_json_parse(line, 1 << 16, "operations", &operations) != BTZ_OK ||
        btz_json_parse(btz_slice_sub(r.in, r.at, size), 1 << 16, "resource", &resource) != BTZ_OK ||
        !json_is_object(resource))
        return 0;
    err = btz_scim_patch(resource, operations, &arena, &why);
    if (err == BTZ_INPUT && !why)
        abort();
    if (err == BTZ_OK && btz_scim_fields(BTZ_SCIM_USER, NULL, resource, &fields) == BTZ_OK &&
        !json_object_get(fields, "name"))
        abort();
    return 0;
}
