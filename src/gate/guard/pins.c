/* What a tool said of itself, as one digest. */
#include <stdlib.h>

#include "base/json.h"
#include "gate/guard/guard.h"

enum { SCHEMA_MAX = 1 << 20 };

void btz_tool_digest(struct btz_slice name, struct btz_slice description, struct btz_slice schema,
                     uint8_t out[BTZ_SHA256_LEN])
{
    BTZ_JSON json_t *tool = json_object();
    BTZ_FREE char *text = NULL;
    json_t *parsed = NULL;

    /* What is no JSON is pinned as the text it is: it differs from every schema. */
    if (schema.len == 0)
        parsed = json_null();
    else if (btz_json_parse(schema, SCHEMA_MAX, "schema", &parsed) != BTZ_OK)
        parsed = btz_json_text(schema);
    if (json_object_set_new(tool, "inputSchema", parsed) == 0 &&
        json_object_set_new(tool, "name", btz_json_text(name)) == 0 &&
        json_object_set_new(tool, "description", btz_json_text(description)) == 0)
        text = json_dumps(tool, JSON_COMPACT | JSON_SORT_KEYS);
    if (text)
        btz_sha256(btz_str(text), out);
    else /* no memory: a digest that no pin has */
        btz_random_bytes(out, BTZ_SHA256_LEN);
}
