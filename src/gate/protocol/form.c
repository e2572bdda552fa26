/* The form that an answer was asked to have, and which of its texts that is about. */
#include "gate/protocol/family.h"

static bool is(const json_t *object, const char *key, const char *text)
{
    return btz_slice_is(btz_text_of(json_object_get(object, key)), text);
}

static const json_t *get(const json_t *object, const char *a, const char *b)
{
    return json_object_get(json_object_get(object, a), b);
}

static const json_t *schema_in(const json_t *format)
{
    const json_t *inner = json_object_get(format, "json_schema");

    if (!is(format, "type", "json_schema"))
        return NULL;
    return json_object_get(inner ? inner : format, "schema");
}

const json_t *btz_request_schema(const struct btz_message *request)
{
    const json_t *root = request->root, *format = json_object_get(root, "format");

    switch (request->protocol) {
    case BTZ_PROTOCOL_CHAT:
        return schema_in(json_object_get(root, "response_format"));
    case BTZ_PROTOCOL_RESPONSES:
        return schema_in(get(root, "text", "format"));
    case BTZ_PROTOCOL_MESSAGES:
        format = get(root, "output_config", "format");
        return schema_in(format ? format : json_object_get(root, "output_format"));
    case BTZ_PROTOCOL_OLLAMA_CHAT:
    case BTZ_PROTOCOL_OLLAMA_GENERATE:
        return json_is_object(format) ? format : NULL;
    default:
        return NULL;
    }
}

static bool is_message(const json_t *root, const json_t *holder)
{
    const json_t *choice;
    size_t i;

    json_array_foreach(json_object_get(root, "choices"), i,
                       choice) if (json_object_get(choice, "message") == holder) return true;
    return false;
}

static bool is_block(const json_t *root, const json_t *holder)
{
    const json_t *block;
    size_t i;

    json_array_foreach(json_object_get(root, "content"), i,
                       block) if (block == holder) return is(block, "type", "text");
    return false;
}

bool btz_part_is_answer(const struct btz_message *response, const struct btz_part *part)
{
    const json_t *root = response->root, *holder = part->holder;
    struct btz_slice key = btz_str(part->key);

    if (part->channel != BTZ_CHANNEL_OUTPUT || !holder || !root || part->form != BTZ_PART_STRING)
        return false;
    switch (response->protocol) {
    case BTZ_PROTOCOL_CHAT:
        return btz_slice_is(key, "content") && is_message(root, holder);
    case BTZ_PROTOCOL_RESPONSES:
        return btz_slice_is(key, "text") && is(holder, "type", "output_text");
    case BTZ_PROTOCOL_MESSAGES:
        return btz_slice_is(key, "text") && is_block(root, holder);
    case BTZ_PROTOCOL_OLLAMA_CHAT:
        return btz_slice_is(key, "content") && json_object_get(root, "message") == holder;
    case BTZ_PROTOCOL_OLLAMA_GENERATE:
        return btz_slice_is(key, "response") && holder == root;
    default:
        return false;
    }
}

struct btz_slice btz_part_tool(const struct btz_message *response, const struct btz_part *part)
{
    struct btz_slice key = btz_str(part->key);

    if (part->channel != BTZ_CHANNEL_TOOL_ARGUMENTS || !json_is_object(part->holder) ||
        response->protocol == BTZ_PROTOCOL_MCP ||
        !(btz_slice_is(key, "arguments") || btz_slice_is(key, "input")))
        return btz_str("");
    return btz_text_of(json_object_get(part->holder, "name"));
}
