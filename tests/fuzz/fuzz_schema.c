/*
 * A schema, a line break, a JSON text. Whatever they are: an answer comes, twice the same, and schemas that only wrap it
 * agree: `allOf` with it conforms where it does, `not` where it does not.
 */
#include <stdlib.h>

#include "text/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 1: conforms, 0: it does not, -1: not known. */
static int check(const struct btz_schema *s, struct btz_slice text)
{
    struct btz_schema_fault fault = { .keyword = NULL };
    bool conforms = false;

    if (btz_schema_check_text(s, text, 1 << 20, &conforms, &fault) != BTZ_OK)
        return -1;
    if (!conforms && (!fault.keyword || !btz_is_utf8(btz_str(fault.where))))
        abort();
    return conforms;
}

static int check_wrapped(const char *keyword, json_t *schema, bool list, struct btz_slice text)
{
    json_t *root =
        list ? json_pack("{s:[O]}", keyword, schema) : json_pack("{s:O}", keyword, schema);
    struct btz_schema *s = NULL;
    int said = -1;

    if (root && btz_schema_new(root, &s) == BTZ_OK)
        said = check(s, text);
    btz_schema_free(s);
    json_decref(root);
    return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t n = line ? (size_t)(line - data) : size;
    struct btz_slice text = btz_slice_of(data + n + (line != NULL), size - n - (line != NULL));
    BTZ_JSON json_t *root = NULL;
    struct btz_schema *s = NULL;
    int said, all, not ;

    if (btz_json_parse(btz_slice_of(data, n), 1 << 20, "schema", &root) != BTZ_OK ||
        btz_schema_new(root, &s) != BTZ_OK)
        return 0;
    said = check(s, text);
    if (said != check(s, text))
        abort();
    btz_schema_free(s);
    /* References and drafts are of the root. */
    if (btz_slice_has(btz_slice_of(data, n), "$") || btz_slice_has(btz_slice_of(data, n), "\\"))
        return 0;
    all = check_wrapped("allOf", root, true, text);
    if (said >= 0 && all >= 0 && said != all)
        abort();
    if (said < 0 || btz_slice_trim(text).len == 0)
        return 0;
    not = check_wrapped("not", root, false, text);
    if (not >= 0 && not == said && said == 1)
        abort();
    return 0;
}
