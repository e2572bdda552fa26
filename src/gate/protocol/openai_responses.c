/* OpenAI POST /v1/responses: a talk is a list of items of many kinds. */
#include "gate/protocol/members.h"

/* ---- parts of a message ---- */

static const struct btz_shape_member annotation_members[] = { ID("type"),
                                                              ID("file_id"),
                                                              ID("container_id"),
                                                              TEXT("url", BTZ_HERE),
                                                              TEXT("title", BTZ_HERE),
                                                              TEXT("filename", BTZ_HERE),
                                                              LAST };
const struct btz_shape btz_responses_annotation = { annotation_members, NULL, NULL };

static enum btz_err enter_text(struct btz_walk *w, json_t *object, int *channel)
{
    (void)channel;
    return btz_logprobs_check(w, object, btz_text_of(json_object_get(object, "text")));
}
static const struct btz_shape_member text_members[] = {
    ID("type"), TEXT("text", BTZ_HERE), OBJECT("annotations", btz_responses_annotation), LOGPROBS,
    LAST
};
SHAPE(text, enter_text);
static const struct btz_shape_member refusal_members[] = { ID("type"), TEXT("refusal", BTZ_HERE),
                                                           LAST };
SHAPE(refusal, NULL);
static const struct btz_shape_member image_members[] = {
    ID("type"), ID("detail"), ID("file_id"), { "image_url", BTZ_SHAPE_IMAGE, BTZ_HERE, NULL }, LAST
};
static enum btz_err enter_image(struct btz_walk *w, json_t *object, int *channel)
{
    (void)channel;
    if (json_is_string(json_object_get(object, "file_id")))
        w->images++;
    return BTZ_OK;
}
SHAPE(image, enter_image);
static const struct btz_shape_member file_members[] = { ID("type"),
                                                        ID("file_id"),
                                                        DATA("file_data"),
                                                        TEXT("file_url", BTZ_HERE),
                                                        TEXT("filename", BTZ_HERE),
                                                        LAST };
static enum btz_err enter_file(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = BTZ_CHANNEL_DOCUMENT;
    if (!json_is_string(json_object_get(object, "file_data")))
        w->files++;
    return BTZ_OK;
}
SHAPE(file, enter_file);
static const struct btz_shape_member sound_members[] = { ID("format"), DATA("data"), LAST };
SHAPE(sound, NULL);
static const struct btz_shape_member audio_members[] = { ID("type"), OBJECT("input_audio", sound),
                                                         DATA("data"), TEXT("transcript", BTZ_HERE),
                                                         LAST };
SHAPE(audio, NULL);
static const struct btz_shape_variant part_variants[] = {
    { "input_text", &text, BTZ_HERE },     { "output_text", &text, BTZ_HERE },
    { "text", &text, BTZ_HERE },           { "summary_text", &text, BTZ_HERE },
    { "reasoning_text", &text, BTZ_HERE }, { "refusal", &refusal, BTZ_HERE },
    { "input_image", &image, BTZ_HERE },   { "computer_screenshot", &image, BTZ_HERE },
    { "input_file", &file, BTZ_HERE },     { "input_audio", &audio, BTZ_HERE },
    { "output_audio", &audio, BTZ_HERE },  { NULL, NULL, BTZ_HERE }
};
const struct btz_shape btz_responses_part = { NULL, part_variants, NULL };

/* ---- items ---- */

static enum btz_err enter_message(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = w->response ? BTZ_CHANNEL_OUTPUT : btz_role_channel(object);
    return BTZ_OK;
}
static const struct btz_shape_member message_members[] = {
    ID("type"),   ID("id"),    ID("role"),
    ID("status"), ID("phase"), { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &btz_responses_part },
    LAST
};
SHAPE(message, enter_message);

static enum btz_err enter_call(struct btz_walk *w, json_t *object, int *channel)
{
    const json_t *arguments = json_object_get(object, "arguments");

    *channel = w->response ? BTZ_CHANNEL_TOOL_ARGUMENTS : BTZ_CHANNEL_ASSISTANT;
    if (!w->response || !json_is_string(json_object_get(object, "name")))
        return BTZ_OK;
    return btz_walk_call(w, json_object_get(object, "name"),
                         arguments ? arguments : json_object_get(object, "input"));
}
static const struct btz_shape_member call_members[] = { ID("type"),
                                                        ID("id"),
                                                        ID("call_id"),
                                                        ID("name"),
                                                        ID("namespace"),
                                                        ID("server_label"),
                                                        ID("status"),
                                                        ID("approval_request_id"),
                                                        ID("container_id"),
                                                        JSON("arguments", BTZ_HERE),
                                                        JSON("input", BTZ_HERE),
                                                        JSON("action", BTZ_HERE),
                                                        JSON("actions", BTZ_HERE),
                                                        JSON("operation", BTZ_HERE),
                                                        TEXT("code", BTZ_HERE),
                                                        TEXT("queries", BTZ_HERE),
                                                        JSON("pending_safety_checks", BTZ_HERE),
                                                        LAST };
SHAPE(call, enter_call);

/* The outcome of a tool: read by the model, and in a response given to the client. */
static enum btz_err enter_outcome(struct btz_walk *w, json_t *object, int *channel)
{
    (void)object;
    *channel = w->response ? BTZ_CHANNEL_OUTPUT : BTZ_CHANNEL_TOOL_RESULT;
    return BTZ_OK;
}
static const struct btz_shape_member outcome_members[] = {
    ID("type"),
    ID("id"),
    ID("call_id"),
    ID("status"),
    { "output", BTZ_SHAPE_TEXT, BTZ_HERE, &btz_responses_part },
    TEXT("error", BTZ_HERE),
    JSON("acknowledged_safety_checks", BTZ_HERE),
    ID("approval_request_id"),
    TEXT("reason", BTZ_HERE),
    LAST
};
SHAPE(outcome, enter_outcome);
static const struct btz_shape_member shell_outcome_members[] = {
    ID("type"), ID("id"), ID("call_id"), ID("status"), TEXT("output", BTZ_HERE), LAST
};
SHAPE(shell_outcome, enter_outcome);

/* Calls that carry their outcome: both texts, each in its channel. */
static enum btz_err enter_both(struct btz_walk *w, json_t *object, int *channel)
{
    static const struct btz_shape_member outcomes[] = { TEXT("output", BTZ_HERE),
                                                        TEXT("outputs", BTZ_HERE),
                                                        TEXT("error", BTZ_HERE) };
    int there = w->response ? BTZ_CHANNEL_OUTPUT : BTZ_CHANNEL_TOOL_RESULT;

    for (size_t i = 0; i < BTZ_COUNT(outcomes); i++) {
        json_t *value = json_object_get(object, outcomes[i].name);

        if (value)
            BTZ_TRY(btz_walk_value(w, object, outcomes[i].name, 0, value, &outcomes[i], there));
    }
    return enter_call(w, object, channel);
}
static const struct btz_shape_member both_members[] = { ID("type"),
                                                        ID("id"),
                                                        ID("name"),
                                                        ID("server_label"),
                                                        ID("status"),
                                                        ID("container_id"),
                                                        ID("approval_request_id"),
                                                        JSON("arguments", BTZ_HERE),
                                                        TEXT("code", BTZ_HERE),
                                                        READ("output"), /* read above */
                                                        READ("outputs"),
                                                        READ("error"),
                                                        LAST };
SHAPE(both, enter_both);

static enum btz_err enter_found(struct btz_walk *w, json_t *object, int *channel)
{
    (void)object;
    *channel = w->response ? BTZ_CHANNEL_OUTPUT : BTZ_CHANNEL_DOCUMENT;
    return BTZ_OK;
}
static const struct btz_shape_member found_members[] = { ID("file_id"), TEXT("text", BTZ_HERE),
                                                         TEXT("filename", BTZ_HERE),
                                                         JSON("attributes", BTZ_HERE), LAST };
SHAPE(found, NULL);
static const struct btz_shape_member search_members[] = { ID("type"),
                                                          ID("id"),
                                                          ID("status"),
                                                          TEXT("queries", BTZ_HERE),
                                                          OBJECT("results", found),
                                                          JSON("action", BTZ_HERE),
                                                          LAST };
SHAPE(search, enter_found);

static enum btz_err enter_reasoning(struct btz_walk *w, json_t *object, int *channel)
{
    (void)object;
    *channel = w->response ? BTZ_CHANNEL_REASONING : BTZ_CHANNEL_ASSISTANT;
    return BTZ_OK;
}
static const struct btz_shape_member reasoning_members[] = {
    ID("type"),
    ID("id"),
    ID("status"),
    { "summary", BTZ_SHAPE_TEXT, BTZ_HERE, &btz_responses_part },
    { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &btz_responses_part },
    SEALED("encrypted_content"),
    LAST
};
SHAPE(reasoning, enter_reasoning);

static enum btz_err enter_drawing(struct btz_walk *w, json_t *object, int *channel)
{
    (void)object;
    *channel = w->response ? BTZ_CHANNEL_OUTPUT : BTZ_CHANNEL_ASSISTANT;
    return BTZ_OK;
}
static const struct btz_shape_member drawing_members[] = { ID("type"),
                                                           ID("id"),
                                                           ID("status"),
                                                           ID("size"),
                                                           ID("quality"),
                                                           ID("background"),
                                                           ID("output_format"),
                                                           ID("action"),
                                                           TEXT("revised_prompt", BTZ_HERE),
                                                           { "result", BTZ_SHAPE_IMAGE, BTZ_HERE,
                                                             NULL },
                                                           LAST };
SHAPE(drawing, enter_drawing);

static enum btz_err enter_tool(struct btz_walk *w, json_t *object, int *channel)
{
    const json_t *schema = json_object_get(object, "parameters");

    const json_t *name = json_object_get(object, "name");

    *channel = BTZ_CHANNEL_TOOL_DESCRIPTION;
    /* The upstream would send the conversation to whatever address the caller names. */
    if (json_object_get(object, "server_url") || json_object_get(object, "connector_id"))
        return btz_fail(BTZ_INPUT,
                        "tools: servers of tools are named by the settings, not by requests");
    /* Tools of the provider have no name but their type: they need the permission as well. */
    return btz_walk_tool(w, json_is_string(name) ? name : json_object_get(object, "type"),
                         json_object_get(object, "description"),
                         schema ? schema : json_object_get(object, "input_schema"));
}
static const struct btz_shape_member tool_members[] = { ID("type"),
                                                        TEXT("name", BTZ_HERE),
                                                        TEXT("description", BTZ_HERE),
                                                        JSON("parameters", BTZ_HERE),
                                                        JSON("input_schema", BTZ_HERE),
                                                        JSON("format", BTZ_HERE),
                                                        JSON("annotations", BTZ_HERE),
                                                        ID("vector_store_ids"),
                                                        ID("search_context_size"),
                                                        ID("server_label"),
                                                        TEXT("server_url", BTZ_HERE),
                                                        TEXT("server_description", BTZ_HERE),
                                                        LAST };
SHAPE(tool, enter_tool);
static const struct btz_shape_member listed_members[] = {
    ID("type"), ID("id"), ID("server_label"), OBJECT("tools", tool), TEXT("error", BTZ_HERE), LAST
};
SHAPE(listed, NULL);
static const struct btz_shape_member reference_members[] = { ID("type"), ID("id"),
                                                             SEALED("encrypted_content"), LAST };
SHAPE(reference, NULL);

static const struct btz_shape_variant item_variants[] = {
    { "message", &message, BTZ_HERE },
    { "", &message, BTZ_HERE },
    { "function_call", &call, BTZ_HERE },
    { "custom_tool_call", &call, BTZ_HERE },
    { "computer_call", &call, BTZ_HERE },
    { "local_shell_call", &call, BTZ_HERE },
    { "shell_call", &call, BTZ_HERE },
    { "apply_patch_call", &call, BTZ_HERE },
    { "mcp_approval_request", &call, BTZ_HERE },
    { "mcp_call", &both, BTZ_HERE },
    { "code_interpreter_call", &both, BTZ_HERE },
    { "function_call_output", &outcome, BTZ_HERE },
    { "custom_tool_call_output", &outcome, BTZ_HERE },
    { "computer_call_output", &outcome, BTZ_HERE },
    { "apply_patch_call_output", &outcome, BTZ_HERE },
    { "mcp_approval_response", &outcome, BTZ_HERE },
    { "local_shell_call_output", &shell_outcome, BTZ_HERE },
    { "shell_call_output", &shell_outcome, BTZ_HERE },
    { "file_search_call", &search, BTZ_HERE },
    { "web_search_call", &search, BTZ_HERE },
    { "reasoning", &reasoning, BTZ_HERE },
    { "image_generation_call", &drawing, BTZ_HERE },
    { "mcp_list_tools", &listed, BTZ_CHANNEL_TOOL_DESCRIPTION },
    { "item_reference", &reference, BTZ_HERE },
    { "compaction", &reference, BTZ_HERE },
    /* Parts may stand in a list of input beside messages. */
    { "input_text", &text, BTZ_CHANNEL_USER },
    { "input_image", &image, BTZ_CHANNEL_USER },
    { "input_file", &file, BTZ_HERE },
    { NULL, NULL, BTZ_HERE }
};
const struct btz_shape btz_responses_item = { NULL, item_variants, NULL };

/* ---- requests and responses ---- */

static const struct btz_shape_member format_members[] = { ID("type"), TEXT("name", BTZ_HERE),
                                                          TEXT("description", BTZ_HERE),
                                                          JSON("schema", BTZ_HERE), LAST };
SHAPE(format, NULL);
static const struct btz_shape_member output_text_members[] = { OBJECT("format", format),
                                                               ID("verbosity"), LAST };
SHAPE(output_text, NULL);
static const struct btz_shape_member effort_members[] = { ID("effort"), ID("summary"),
                                                          ID("generate_summary"), LAST };
SHAPE(effort, NULL);
static const struct btz_shape_member choice_members[] = {
    ID("type"), ID("name"), ID("mode"), ID("server_label"), JSON("tools", BTZ_HERE), LAST
};
SHAPE(choice, NULL);
static const struct btz_shape_member conversation_members[] = { ID("id"), LAST };
SHAPE(conversation, NULL);
static const struct btz_shape_member prompt_members[] = { ID("id"), ID("version"),
                                                          JSON("variables", BTZ_CHANNEL_USER),
                                                          LAST };
SHAPE(prompt, NULL);
static const struct btz_shape_member reason_members[] = { ID("reason"), LAST };
SHAPE(reason, NULL);

/* Members that a response repeats from its request. */
#define BOTH                                                                                       \
    ID("model"), ID("previous_response_id"), ID("truncation"), ID("service_tier"),                 \
        ID("safety_identifier"), ID("prompt_cache_key"), ID("prompt_cache_retention"),             \
        { "instructions", BTZ_SHAPE_TEXT, BTZ_CHANNEL_SYSTEM, &btz_responses_item },               \
        OBJECT_IN("tools", BTZ_CHANNEL_TOOL_DESCRIPTION, tool),                                    \
        { "tool_choice", BTZ_SHAPE_ID, BTZ_HERE, &choice },                                        \
        OBJECT_IN("text", BTZ_CHANNEL_TOOL_DESCRIPTION, output_text), OBJECT("reasoning", effort), \
        { "conversation", BTZ_SHAPE_ID, BTZ_HERE, &conversation }, OBJECT("prompt", prompt),       \
        TEXT("metadata", BTZ_CHANNEL_RAW), TEXT("user", BTZ_CHANNEL_RAW)

static const struct btz_shape_member request_members[] = {
    BOTH, { "input", BTZ_SHAPE_TEXT, BTZ_CHANNEL_USER, &btz_responses_item }, ID("include"), LAST
};
const struct btz_shape btz_shape_responses_request = { request_members, NULL, NULL };

static const struct btz_shape_member response_members[] = {
    BOTH,
    ID("id"),
    ID("object"),
    ID("created_at"),
    ID("completed_at"),
    ID("background"),
    ID("store"),
    ID("parallel_tool_calls"),
    ID("temperature"),
    ID("top_p"),
    ID("top_logprobs"),
    ID("max_output_tokens"),
    ID("max_tool_calls"),
    ID("presence_penalty"),
    ID("frequency_penalty"),
    ID("status"),
    OBJECT_IN("output", BTZ_CHANNEL_OUTPUT, btz_responses_item),
    TEXT("output_text", BTZ_CHANNEL_OUTPUT),
    { "error", BTZ_SHAPE_TEXT, BTZ_CHANNEL_OUTPUT, &btz_openai_error },
    OBJECT("incomplete_details", reason),
    OBJECT("usage", btz_openai_usage),
    LAST
};
const struct btz_shape btz_shape_responses_response = { response_members, NULL, NULL };

enum btz_err btz_responses_response_done(struct btz_message *m)
{
    const json_t *why = json_object_get(m->root, "incomplete_details");

    m->model = btz_text_of(json_object_get(m->root, "model"));
    m->finish = btz_text_of(json_object_get(why, "reason"));
    if (m->finish.len == 0)
        m->finish = btz_text_of(json_object_get(m->root, "status"));
    btz_usage_openai(json_object_get(m->root, "usage"), &m->usage);
    return BTZ_OK;
}

void btz_responses_forget(struct btz_message *m, const struct btz_part *part)
{
    const json_t *output = json_object_get(m->root, "output"), *item;
    json_t *content;
    size_t i, k;

    (void)part;
    json_array_foreach(output, i, item)
    {
        json_array_foreach(json_object_get(item, "content"), k, content)
        {
            if (json_object_get(content, "logprobs"))
                (void)json_object_set_new(content, "logprobs", json_array());
        }
    }
}
