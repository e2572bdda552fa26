/* Anthropic POST /v1/messages and /v1/messages/count_tokens. */
#include "gate/protocol/members.h"

#define CACHE OBJECT("cache_control", btz_cache_control)

static const struct btz_shape_member cache_members[] = { ID("type"), ID("ttl"), LAST };
const struct btz_shape btz_cache_control = { cache_members, NULL, NULL };

/* ---- content blocks ---- */

static const struct btz_shape block;

static const struct btz_shape_member citation_members[] = { ID("type"),
                                                            TEXT("cited_text", BTZ_HERE),
                                                            TEXT("document_title", BTZ_HERE),
                                                            TEXT("title", BTZ_HERE),
                                                            TEXT("url", BTZ_HERE),
                                                            TEXT("source", BTZ_HERE),
                                                            ID("file_id"),
                                                            OPAQUE("encrypted_index"),
                                                            LAST };
const struct btz_shape btz_anthropic_citation = { citation_members, NULL, NULL };
static const struct btz_shape_member text_members[] = { ID("type"), TEXT("text", BTZ_HERE),
                                                        OBJECT("citations", btz_anthropic_citation),
                                                        CACHE, LAST };
static const struct btz_shape text = { text_members, NULL, NULL };

static const struct btz_shape_member image_source_members[] = {
    ID("type"),
    ID("media_type"),
    ID("file_id"),
    { "data", BTZ_SHAPE_IMAGE, BTZ_HERE, NULL },
    { "url", BTZ_SHAPE_IMAGE, BTZ_HERE, NULL },
    LAST
};
static const struct btz_shape image_source = { image_source_members, NULL, NULL };
static const struct btz_shape_member image_members[] = { ID("type"), OBJECT("source", image_source),
                                                         CACHE, LAST };
static enum btz_err enter_image(struct btz_walk *w, json_t *object, int *channel)
{
    (void)channel;
    if (json_object_get(json_object_get(object, "source"), "file_id"))
        w->images++;
    return BTZ_OK;
}
static const struct btz_shape image = { image_members, NULL, enter_image };

static const struct btz_shape_member plain_source_members[] = { ID("type"), ID("media_type"),
                                                                TEXT("data", BTZ_HERE), LAST };
static const struct btz_shape_member coded_source_members[] = { ID("type"), ID("media_type"),
                                                                DATA("data"), LAST };
static const struct btz_shape_member content_source_members[] = {
    ID("type"), { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &block }, LAST
};
static const struct btz_shape_member url_source_members[] = { ID("type"), TEXT("url", BTZ_HERE),
                                                              ID("file_id"), LAST };
static enum btz_err enter_elsewhere(struct btz_walk *w, json_t *object, int *channel)
{
    (void)object;
    (void)channel;
    w->files++;
    return BTZ_OK;
}
static const struct btz_shape plain_source = { plain_source_members, NULL, NULL };
static const struct btz_shape coded_source = { coded_source_members, NULL, NULL };
static const struct btz_shape content_source = { content_source_members, NULL, NULL };
static const struct btz_shape url_source = { url_source_members, NULL, enter_elsewhere };
static const struct btz_shape_variant source_variants[] = {
    { "text", &plain_source, BTZ_HERE },      { "base64", &coded_source, BTZ_HERE },
    { "content", &content_source, BTZ_HERE }, { "url", &url_source, BTZ_HERE },
    { "file", &url_source, BTZ_HERE },        { NULL, NULL, BTZ_HERE }
};
static const struct btz_shape document_source = { NULL, source_variants, NULL };

/* What a server's own tool found goes to the client now, or was read by the model in an earlier turn. */
static enum btz_err enter_found(struct btz_walk *w, json_t *object, int *channel)
{
    (void)object;
    if (w->response)
        *channel = BTZ_CHANNEL_OUTPUT;
    return BTZ_OK;
}
static const struct btz_shape_member document_members[] = { ID("type"),
                                                            OBJECT("source", document_source),
                                                            TEXT("title", BTZ_HERE),
                                                            TEXT("context", BTZ_HERE),
                                                            OBJECT("citations", btz_nothing),
                                                            CACHE,
                                                            LAST };
static const struct btz_shape document = { document_members, NULL, enter_found };

static const struct btz_shape_member search_result_members[] = { ID("type"),
                                                                 TEXT("source", BTZ_HERE),
                                                                 TEXT("title", BTZ_HERE),
                                                                 { "content", BTZ_SHAPE_TEXT,
                                                                   BTZ_HERE, &block },
                                                                 OBJECT("citations", btz_nothing),
                                                                 CACHE,
                                                                 LAST };
static const struct btz_shape search_result = { search_result_members, NULL, enter_found };

static enum btz_err enter_use(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = w->response ? BTZ_CHANNEL_TOOL_ARGUMENTS : BTZ_CHANNEL_ASSISTANT;
    return w->response
               ? btz_walk_call(w, json_object_get(object, "name"), json_object_get(object, "input"))
               : BTZ_OK;
}
static const struct btz_shape_member caller_members[] = { ID("type"), ID("tool_id"), LAST };
static const struct btz_shape caller = { caller_members, NULL, NULL };
static const struct btz_shape_member use_members[] = { ID("type"),
                                                       ID("id"),
                                                       ID("name"),
                                                       ID("server_name"),
                                                       JSON("input", BTZ_HERE),
                                                       OBJECT("caller", caller),
                                                       CACHE,
                                                       LAST };
static const struct btz_shape tool_use = { use_members, NULL, enter_use };

static const struct btz_shape_member result_members[] = {
    ID("type"), ID("tool_use_id"), { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &block }, CACHE, LAST
};
static const struct btz_shape tool_result = { result_members, NULL, enter_found };

static const struct btz_shape_member web_members[] = { ID("type"),
                                                       TEXT("url", BTZ_HERE),
                                                       TEXT("title", BTZ_HERE),
                                                       TEXT("page_age", BTZ_HERE),
                                                       ID("error_code"),
                                                       ID("retrieved_at"),
                                                       SEALED("encrypted_content"),
                                                       { "content", BTZ_SHAPE_TEXT, BTZ_HERE,
                                                         &block },
                                                       LAST };
static const struct btz_shape web = { web_members, NULL, NULL };
static const struct btz_shape_member web_result_members[] = { ID("type"),
                                                              ID("tool_use_id"),
                                                              { "content", BTZ_SHAPE_TEXT, BTZ_HERE,
                                                                &web },
                                                              OBJECT("caller", caller),
                                                              CACHE,
                                                              LAST };
static const struct btz_shape web_result = { web_result_members, NULL, enter_found };
/* Results of other tools of the vendor: all of them as they are. */
static const struct btz_shape_member other_result_members[] = { ID("type"), ID("tool_use_id"),
                                                                TEXT("content", BTZ_HERE), CACHE,
                                                                LAST };
static const struct btz_shape other_result = { other_result_members, NULL, enter_found };

static enum btz_err enter_thinking(struct btz_walk *w, json_t *object, int *channel)
{
    (void)object;
    *channel = w->response ? BTZ_CHANNEL_REASONING : BTZ_CHANNEL_ASSISTANT;
    return BTZ_OK;
}
static const struct btz_shape_member thinking_members[] = { ID("type"), TEXT("thinking", BTZ_HERE),
                                                            OPAQUE("signature"), LAST };
static const struct btz_shape thinking = { thinking_members, NULL, enter_thinking };
static const struct btz_shape_member redacted_members[] = { ID("type"), SEALED("data"), LAST };
static const struct btz_shape redacted = { redacted_members, NULL, NULL };
static const struct btz_shape_member upload_members[] = { ID("type"), ID("file_id"), LAST };
static const struct btz_shape upload = { upload_members, NULL, enter_elsewhere };

static const struct btz_shape_variant block_variants[] = {
    { "text", &text, BTZ_HERE },
    { "image", &image, BTZ_HERE },
    { "document", &document, BTZ_CHANNEL_DOCUMENT },
    { "search_result", &search_result, BTZ_CHANNEL_DOCUMENT },
    { "tool_use", &tool_use, BTZ_HERE },
    { "server_tool_use", &tool_use, BTZ_HERE },
    { "mcp_tool_use", &tool_use, BTZ_HERE },
    { "tool_result", &tool_result, BTZ_CHANNEL_TOOL_RESULT },
    { "mcp_tool_result", &tool_result, BTZ_CHANNEL_TOOL_RESULT },
    { "web_search_tool_result", &web_result, BTZ_CHANNEL_DOCUMENT },
    { "web_fetch_tool_result", &web_result, BTZ_CHANNEL_DOCUMENT },
    { "code_execution_tool_result", &other_result, BTZ_CHANNEL_TOOL_RESULT },
    { "bash_code_execution_tool_result", &other_result, BTZ_CHANNEL_TOOL_RESULT },
    { "text_editor_code_execution_tool_result", &other_result, BTZ_CHANNEL_TOOL_RESULT },
    { "tool_search_tool_result", &other_result, BTZ_CHANNEL_TOOL_RESULT },
    { "thinking", &thinking, BTZ_HERE },
    { "redacted_thinking", &redacted, BTZ_HERE },
    { "container_upload", &upload, BTZ_HERE },
    { NULL, NULL, BTZ_HERE }
};
static const struct btz_shape block = { NULL, block_variants, NULL };
const struct btz_shape *const btz_anthropic_block = &block;

/* ---- requests ---- */

static enum btz_err enter_message(struct btz_walk *w, json_t *object, int *channel)
{
    (void)w;
    *channel = btz_role_channel(object);
    return BTZ_OK;
}
static const struct btz_shape_member message_members[] = {
    ID("role"), { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &block }, LAST
};
static const struct btz_shape message = { message_members, NULL, enter_message };

static enum btz_err enter_tool(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = BTZ_CHANNEL_TOOL_DESCRIPTION;
    return btz_walk_tool(w, json_object_get(object, "name"), json_object_get(object, "description"),
                         json_object_get(object, "input_schema"));
}
static const struct btz_shape_member tool_members[] = { ID("type"),
                                                        TEXT("name", BTZ_HERE),
                                                        TEXT("description", BTZ_HERE),
                                                        JSON("input_schema", BTZ_HERE),
                                                        JSON("input_examples", BTZ_HERE),
                                                        TEXT("allowed_domains", BTZ_HERE),
                                                        TEXT("blocked_domains", BTZ_HERE),
                                                        ID("allowed_callers"),
                                                        CACHE,
                                                        LAST };
static const struct btz_shape tool = { tool_members, NULL, enter_tool };
static const struct btz_shape_member choice_members[] = { ID("type"), ID("name"), LAST };
static const struct btz_shape choice = { choice_members, NULL, NULL };
static const struct btz_shape_member metadata_members[] = { TEXT("user_id", BTZ_CHANNEL_RAW),
                                                            LAST };
static const struct btz_shape metadata = { metadata_members, NULL, NULL };
static const struct btz_shape_member thinks_members[] = { ID("type"), ID("display"), LAST };
static const struct btz_shape thinks = { thinks_members, NULL, NULL };

static const struct btz_shape_member request_members[] = {
    ID("model"),
    { "system", BTZ_SHAPE_TEXT, BTZ_CHANNEL_SYSTEM, &block },
    OBJECT("messages", message),
    OBJECT_IN("tools", BTZ_CHANNEL_TOOL_DESCRIPTION, tool),
    OBJECT("tool_choice", choice),
    TEXT("stop_sequences", BTZ_CHANNEL_RAW),
    OBJECT_IN("metadata", BTZ_CHANNEL_RAW, metadata),
    OBJECT("thinking", thinks),
    ID("service_tier"),
    ID("inference_geo"),
    ID("container"),
    CACHE,
    LAST
};

/* The upstream would send the conversation to whatever address the caller names. */
static enum btz_err enter_request(struct btz_walk *w, json_t *object, int *channel)
{
    (void)w, (void)channel;
    if (json_object_get(object, "mcp_servers"))
        return btz_fail(BTZ_INPUT,
                        "mcp_servers: servers of tools are named by the settings, not by requests");
    return BTZ_OK;
}
const struct btz_shape btz_shape_messages_request = { request_members, NULL, enter_request };

/* ---- responses ---- */

static const struct btz_shape_member error_members[] = { ID("type"),
                                                         TEXT("message", BTZ_CHANNEL_OUTPUT),
                                                         LAST };
const struct btz_shape btz_anthropic_error = { error_members, NULL, NULL };
static const struct btz_shape_member creation_members[] = { ID("ephemeral_5m_input_tokens"),
                                                            ID("ephemeral_1h_input_tokens"), LAST };
static const struct btz_shape creation = { creation_members, NULL, NULL };
static const struct btz_shape_member usage_members[] = { ID("input_tokens"),
                                                         ID("output_tokens"),
                                                         ID("cache_creation_input_tokens"),
                                                         ID("cache_read_input_tokens"),
                                                         OBJECT("cache_creation", creation),
                                                         ID("service_tier"),
                                                         ID("inference_geo"),
                                                         ID("speed"),
                                                         LAST };
const struct btz_shape btz_anthropic_usage = { usage_members, NULL, NULL };
static const struct btz_shape_member container_members[] = { ID("id"), ID("expires_at"), LAST };
static const struct btz_shape container = { container_members, NULL, NULL };
static const struct btz_shape_member response_members[] = {
    ID("id"),
    ID("type"),
    ID("role"),
    ID("model"),
    { "content", BTZ_SHAPE_TEXT, BTZ_CHANNEL_OUTPUT, &block },
    ID("stop_reason"),
    TEXT("stop_sequence", BTZ_CHANNEL_OUTPUT),
    OBJECT("usage", btz_anthropic_usage),
    OBJECT("container", container),
    OBJECT_IN("error", BTZ_CHANNEL_OUTPUT, btz_anthropic_error),
    ID("request_id"),
    LAST
};
const struct btz_shape btz_shape_messages_response = { response_members, NULL, NULL };

void btz_usage_anthropic(const json_t *usage, struct btz_usage *out)
{
    uint64_t cached;

    if (!json_is_object(usage))
        return;
    out->known = true;
    /* message_start says the input, message_delta the output so far; either may repeat the other. What was read from or
     * written to the cache is counted beside input_tokens. */
    cached = btz_count_of(usage, "cache_read_input_tokens");
    if (json_object_get(usage, "input_tokens"))
        out->input_tokens = btz_count_of(usage, "input_tokens") + cached +
                            btz_count_of(usage, "cache_creation_input_tokens");
    if (cached > 0)
        out->cached_tokens = cached;
    if (json_object_get(usage, "output_tokens"))
        out->output_tokens = btz_count_of(usage, "output_tokens");
}

enum btz_err btz_messages_response_done(struct btz_message *m)
{
    m->model = btz_text_of(json_object_get(m->root, "model"));
    m->finish = btz_text_of(json_object_get(m->root, "stop_reason"));
    btz_usage_anthropic(json_object_get(m->root, "usage"), &m->usage);
    return BTZ_OK;
}

void btz_messages_forget(struct btz_message *m, const struct btz_part *part)
{
    (void)m;
    /* The signature is of the text as it was. */
    if (part->key && strcmp(part->key, "thinking") == 0 &&
        json_object_get(part->holder, "signature"))
        (void)json_object_set_new(part->holder, "signature", json_string(""));
}
