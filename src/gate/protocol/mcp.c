/* Model Context Protocol: JSON-RPC 2.0 over streamable HTTP. Requests of the client, answers and requests of the server. */
#include "gate/protocol/members.h"

/* ---- content ---- */

static const struct btz_shape_member text_members[] = { ID("type"), TEXT("text", BTZ_HERE), LAST };
SHAPE(text, NULL);
static const struct btz_shape_member image_members[] = {
    ID("type"), ID("mimeType"), { "data", BTZ_SHAPE_IMAGE, BTZ_HERE, NULL }, LAST
};
SHAPE(image, NULL);
static const struct btz_shape_member sound_members[] = { ID("type"), ID("mimeType"), DATA("data"),
                                                         LAST };
SHAPE(sound, NULL);
static const struct btz_shape_member resource_members[] = { ID("type"),
                                                            TEXT("uri", BTZ_HERE),
                                                            TEXT("name", BTZ_HERE),
                                                            TEXT("title", BTZ_HERE),
                                                            TEXT("description", BTZ_HERE),
                                                            ID("mimeType"),
                                                            TEXT("text", BTZ_HERE),
                                                            DATA("blob"),
                                                            LAST };
SHAPE(resource, NULL);
static const struct btz_shape_member embedded_members[] = {
    ID("type"), OBJECT_IN("resource", BTZ_CHANNEL_DOCUMENT, resource), LAST
};
SHAPE(embedded, NULL);
static const struct btz_shape_variant content_variants[] = { { "text", &text, BTZ_HERE },
                                                             { "image", &image, BTZ_HERE },
                                                             { "audio", &sound, BTZ_HERE },
                                                             { "resource", &embedded, BTZ_HERE },
                                                             { "resource_link", &resource,
                                                               BTZ_CHANNEL_DOCUMENT },
                                                             { NULL, NULL, BTZ_HERE } };
static const struct btz_shape content = { NULL, content_variants, NULL };
static const struct btz_shape_member message_members[] = {
    ID("role"), { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &content }, LAST
};
SHAPE(message, NULL);

/* ---- lists ---- */

static enum btz_err enter_tool(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = BTZ_CHANNEL_TOOL_DESCRIPTION;
    return btz_walk_tool(w, json_object_get(object, "name"), json_object_get(object, "description"),
                         json_object_get(object, "inputSchema"));
}
static const struct btz_shape_member tool_members[] = {
    TEXT("name", BTZ_HERE),        TEXT("title", BTZ_HERE),        TEXT("description", BTZ_HERE),
    JSON("inputSchema", BTZ_HERE), JSON("outputSchema", BTZ_HERE), JSON("annotations", BTZ_HERE),
    JSON("icons", BTZ_HERE),       JSON("_meta", BTZ_HERE),        LAST
};
SHAPE(tool, enter_tool);
static const struct btz_shape_member listed_members[] = {
    TEXT("uri", BTZ_HERE),       TEXT("uriTemplate", BTZ_HERE), TEXT("name", BTZ_HERE),
    TEXT("title", BTZ_HERE),     TEXT("description", BTZ_HERE), ID("mimeType"),
    JSON("arguments", BTZ_HERE), JSON("annotations", BTZ_HERE), LAST
};
SHAPE(listed, NULL);
static const struct btz_shape_member named_members[] = { TEXT("name", BTZ_HERE),
                                                         TEXT("title", BTZ_HERE), ID("version"),
                                                         TEXT("websiteUrl", BTZ_HERE), LAST };
SHAPE(named, NULL);

/* ---- results and parameters ---- */

static const struct btz_shape_member result_members[] = {
    { "content", BTZ_SHAPE_TEXT, BTZ_CHANNEL_TOOL_RESULT, &content },
    JSON("structuredContent", BTZ_CHANNEL_TOOL_RESULT),
    OBJECT_IN("contents", BTZ_CHANNEL_DOCUMENT, resource),
    OBJECT_IN("messages", BTZ_CHANNEL_DOCUMENT, message),
    TEXT("description", BTZ_CHANNEL_TOOL_DESCRIPTION),
    OBJECT_IN("tools", BTZ_CHANNEL_TOOL_DESCRIPTION, tool),
    OBJECT_IN("prompts", BTZ_CHANNEL_TOOL_DESCRIPTION, listed),
    OBJECT_IN("resources", BTZ_CHANNEL_TOOL_DESCRIPTION, listed),
    OBJECT_IN("resourceTemplates", BTZ_CHANNEL_TOOL_DESCRIPTION, listed),
    TEXT("instructions", BTZ_CHANNEL_TOOL_DESCRIPTION),
    OBJECT_IN("serverInfo", BTZ_CHANNEL_TOOL_DESCRIPTION, named),
    ID("protocolVersion"),
    ID("nextCursor"),
    /* answers of the client to requests of the server */
    ID("role"),
    ID("model"),
    ID("stopReason"),
    ID("action"),
    JSON("roots", BTZ_CHANNEL_RAW),
    LAST
};
SHAPE(result, NULL);

static const struct btz_shape_member called_members[] = {
    ID("name"), JSON("arguments", BTZ_CHANNEL_TOOL_ARGUMENTS), LAST
};
static enum btz_err enter_called(struct btz_walk *w, json_t *object, int *channel)
{
    (void)channel;
    return btz_walk_call(w, json_object_get(object, "name"), json_object_get(object, "arguments"));
}
SHAPE(called, enter_called);
static const struct btz_shape_member parameters_members[] = {
    ID("protocolVersion"),
    OBJECT("clientInfo", named),
    TEXT("uri", BTZ_CHANNEL_RAW),
    ID("cursor"),
    ID("name"),
    JSON("arguments", BTZ_CHANNEL_USER),
    ID("level"),
    ID("logger"),
    JSON("data", BTZ_CHANNEL_TOOL_RESULT),
    ID("requestId"),
    TEXT("reason", BTZ_CHANNEL_RAW),
    ID("progressToken"),
    TEXT("message", BTZ_CHANNEL_TOOL_RESULT),
    JSON("requestedSchema", BTZ_CHANNEL_TOOL_DESCRIPTION),
    TEXT("systemPrompt", BTZ_CHANNEL_TOOL_RESULT),
    OBJECT_IN("messages", BTZ_CHANNEL_TOOL_RESULT, message),
    OBJECT_IN("tools", BTZ_CHANNEL_TOOL_DESCRIPTION, tool),
    LAST
};
SHAPE(parameters, NULL);

static const struct btz_shape_member error_members[] = { TEXT("message", BTZ_CHANNEL_TOOL_RESULT),
                                                         JSON("data", BTZ_CHANNEL_TOOL_RESULT),
                                                         LAST };
SHAPE(error, NULL);

/* What `params` are depends on the method. */
static enum btz_err enter_rpc(struct btz_walk *w, json_t *object, int *channel)
{
    static const struct btz_shape_member call_params = OBJECT_IN("params", BTZ_CHANNEL_RAW, called);
    static const struct btz_shape_member other_params =
        OBJECT_IN("params", BTZ_CHANNEL_RAW, parameters);
    struct btz_slice method = btz_text_of(json_object_get(object, "method"));
    json_t *params = json_object_get(object, "params");

    if (!btz_slice_is(btz_text_of(json_object_get(object, "jsonrpc")), "2.0"))
        return btz_fail(BTZ_INPUT, "\"jsonrpc\": \"2.0\" was expected");
    if (w->message)
        w->message->mcp_method = method;
    *channel = BTZ_CHANNEL_RAW;
    if (!params)
        return BTZ_OK;
    return btz_walk_value(w, object, "params", 0, params,
                          btz_slice_is(method, "tools/call") ? &call_params : &other_params,
                          BTZ_CHANNEL_RAW);
}
static const struct btz_shape_member rpc_members[] = { ID("jsonrpc"),
                                                       ID("id"),
                                                       ID("method"),
                                                       READ("params"), /* read above */
                                                       OBJECT("result", result),
                                                       OBJECT_IN("error", BTZ_CHANNEL_TOOL_RESULT,
                                                                 error),
                                                       LAST };
const struct btz_shape btz_mcp_message = { rpc_members, NULL, enter_rpc };

enum btz_err btz_mcp_request_done(struct btz_message *m)
{
    const json_t *method = json_object_get(m->root, "method"), *id = json_object_get(m->root, "id");

    if (method && !json_is_string(method))
        return btz_fail(BTZ_INPUT, "\"method\": a string was expected");
    if (id && !json_is_string(id) && !json_is_number(id))
        return btz_fail(BTZ_INPUT, "\"id\": a string or a number was expected");
    if (!method && !json_object_get(m->root, "result") && !json_object_get(m->root, "error"))
        return btz_fail(BTZ_INPUT, "\"method\" is missing");
    if (btz_slice_is(m->mcp_method, "tools/call") &&
        (m->call_count != 1 || m->calls[0].name.len == 0))
        return btz_fail(BTZ_INPUT, "\"params\": the name of a tool was expected");
    return BTZ_OK;
}
