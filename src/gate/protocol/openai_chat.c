/* OpenAI POST /v1/chat/completions and /v1/completions, with what compatible servers add. */
#include "gate/protocol/members.h"

static const struct btz_shape_member nothing[] = { LAST };
const struct btz_shape btz_nothing = { nothing, NULL, NULL };

static const struct btz_shape_member token_members[] = { ID("cached_tokens"),
                                                         ID("audio_tokens"),
                                                         ID("text_tokens"),
                                                         ID("image_tokens"),
                                                         ID("reasoning_tokens"),
                                                         ID("accepted_prediction_tokens"),
                                                         ID("rejected_prediction_tokens"),
                                                         LAST };
static const struct btz_shape tokens = { token_members, NULL, NULL };
static const struct btz_shape_member usage_members[] = { ID("prompt_tokens"),
                                                         ID("completion_tokens"),
                                                         ID("total_tokens"),
                                                         ID("input_tokens"),
                                                         ID("output_tokens"),
                                                         OBJECT("prompt_tokens_details", tokens),
                                                         OBJECT("completion_tokens_details",
                                                                tokens),
                                                         OBJECT("input_tokens_details", tokens),
                                                         OBJECT("output_tokens_details", tokens),
                                                         LAST };
const struct btz_shape btz_openai_usage = { usage_members, NULL, NULL };

static const struct btz_shape_member error_members[] = { TEXT("message", BTZ_CHANNEL_OUTPUT),
                                                         ID("type"), ID("code"), ID("param"),
                                                         LAST };
const struct btz_shape btz_openai_error = { error_members, NULL, NULL };

/* ---- parts of a message's content ---- */

static const struct btz_shape_member text_part_members[] = {
    ID("type"), TEXT("text", BTZ_HERE), OBJECT("cache_control", btz_cache_control), LAST
};
static const struct btz_shape text_part = { text_part_members, NULL, NULL };

static const struct btz_shape_member refusal_part_members[] = { ID("type"),
                                                                TEXT("refusal", BTZ_HERE), LAST };
static const struct btz_shape refusal_part = { refusal_part_members, NULL, NULL };

static const struct btz_shape_member url_members[] = {
    { "url", BTZ_SHAPE_IMAGE, BTZ_HERE, NULL }, ID("detail"), ID("format"), LAST
};
static const struct btz_shape url = { url_members, NULL, NULL };
static const struct btz_shape_member image_part_members[] = {
    ID("type"),
    { "image_url", BTZ_SHAPE_IMAGE, BTZ_HERE, &url },
    { "video_url", BTZ_SHAPE_IMAGE, BTZ_HERE, &url },
    { "audio_url", BTZ_SHAPE_IMAGE, BTZ_HERE, &url },
    OBJECT("cache_control", btz_cache_control),
    LAST
};
static const struct btz_shape image_part = { image_part_members, NULL, NULL };

static const struct btz_shape_member audio_data_members[] = { DATA("data"), ID("format"), LAST };
static const struct btz_shape audio_data = { audio_data_members, NULL, NULL };
static const struct btz_shape_member audio_part_members[] = { ID("type"),
                                                              OBJECT("input_audio", audio_data),
                                                              LAST };
static const struct btz_shape audio_part = { audio_part_members, NULL, NULL };

static const struct btz_shape_member file_members[] = { { "file_data", BTZ_SHAPE_DATA,
                                                          BTZ_CHANNEL_DOCUMENT, NULL },
                                                        ID("file_id"),
                                                        TEXT("filename", BTZ_CHANNEL_DOCUMENT),
                                                        LAST };
static const struct btz_shape file = { file_members, NULL, NULL };
static const struct btz_shape_member file_part_members[] = { ID("type"), OBJECT("file", file),
                                                             LAST };
static enum btz_err count_file(struct btz_walk *w, json_t *object, int *channel)
{
    (void)channel;
    if (json_object_get(json_object_get(object, "file"), "file_id"))
        w->files++;
    return BTZ_OK;
}
static const struct btz_shape file_part = { file_part_members, NULL, count_file };

static const struct btz_shape_variant content_variants[] = {
    { "text", &text_part, BTZ_HERE },
    { "refusal", &refusal_part, BTZ_HERE },
    { "image_url", &image_part, BTZ_HERE },
    { "video_url", &image_part, BTZ_HERE },
    { "audio_url", &image_part, BTZ_HERE },
    { "input_audio", &audio_part, BTZ_HERE },
    { "file", &file_part, BTZ_CHANNEL_DOCUMENT },
    { NULL, NULL, BTZ_HERE }
};
static const struct btz_shape content_part = { NULL, content_variants, NULL };

/* ---- calls of tools ---- */

static enum btz_err enter_call(struct btz_walk *w, json_t *object, int *channel)
{
    const json_t *f = json_object_get(object, "function"),
                 *custom = json_object_get(object, "custom");

    /* What the model once asked for is a part of the talk; what it wants now is an order. */
    *channel = w->response ? BTZ_CHANNEL_TOOL_ARGUMENTS : BTZ_CHANNEL_ASSISTANT;
    if (!w->response)
        return BTZ_OK;
    if (json_is_object(f))
        BTZ_TRY(btz_walk_call(w, json_object_get(f, "name"), json_object_get(f, "arguments")));
    if (json_is_object(custom))
        BTZ_TRY(
            btz_walk_call(w, json_object_get(custom, "name"), json_object_get(custom, "input")));
    return BTZ_OK;
}
static enum btz_err enter_old_call(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = w->response ? BTZ_CHANNEL_TOOL_ARGUMENTS : BTZ_CHANNEL_ASSISTANT;
    return w->response ? btz_walk_call(w, json_object_get(object, "name"),
                                       json_object_get(object, "arguments"))
                       : BTZ_OK;
}
static const struct btz_shape_member function_members[] = { ID("name"), JSON("arguments", BTZ_HERE),
                                                            LAST };
static const struct btz_shape function_call = { function_members, NULL, enter_old_call };
static const struct btz_shape called_function = { function_members, NULL, NULL };
static const struct btz_shape_member custom_members[] = { ID("name"), JSON("input", BTZ_HERE),
                                                          LAST };
static const struct btz_shape called_custom = { custom_members, NULL, NULL };
static const struct btz_shape_member call_members[] = { ID("id"), ID("type"),
                                                        OBJECT("function", called_function),
                                                        OBJECT("custom", called_custom), LAST };
static const struct btz_shape tool_call = { call_members, NULL, enter_call };

/* ---- messages ---- */

static const struct btz_shape_member audio_members[] = { ID("id"), DATA("data"),
                                                         TEXT("transcript", BTZ_HERE), LAST };
static const struct btz_shape audio = { audio_members, NULL, NULL };

static const struct btz_shape_member citation_members[] = { TEXT("url", BTZ_HERE),
                                                            TEXT("title", BTZ_HERE),
                                                            TEXT("content", BTZ_HERE), LAST };
static const struct btz_shape citation = { citation_members, NULL, NULL };
static const struct btz_shape_member annotation_members[] = { ID("type"),
                                                              OBJECT("url_citation", citation),
                                                              LAST };
const struct btz_shape btz_chat_annotation = { annotation_members, NULL, NULL };

static enum btz_err enter_message(struct btz_walk *w, json_t *object, int *channel)
{
    (void)w;
    *channel = btz_role_channel(object);
    return BTZ_OK;
}
static const struct btz_shape_member message_members[] = {
    ID("role"),
    { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &content_part },
    TEXT("name", BTZ_HERE),
    TEXT("refusal", BTZ_HERE),
    TEXT("reasoning_content", BTZ_HERE),
    TEXT("reasoning", BTZ_HERE),
    TEXT("reasoning_details", BTZ_HERE),
    OBJECT("tool_calls", tool_call),
    OBJECT("function_call", function_call),
    ID("tool_call_id"),
    OBJECT("audio", audio),
    OBJECT("annotations", btz_chat_annotation),
    LAST
};
static const struct btz_shape message = { message_members, NULL, enter_message };

static enum btz_err enter_said(struct btz_walk *w, json_t *object, int *channel)
{
    (void)w;
    (void)object;
    *channel = BTZ_CHANNEL_OUTPUT;
    return BTZ_OK;
}
static const struct btz_shape_member said_members[] = {
    ID("role"),
    { "content", BTZ_SHAPE_TEXT, BTZ_HERE, &content_part },
    TEXT("refusal", BTZ_HERE),
    TEXT("reasoning_content", BTZ_CHANNEL_REASONING),
    TEXT("reasoning", BTZ_CHANNEL_REASONING),
    TEXT("reasoning_details", BTZ_CHANNEL_REASONING),
    OBJECT("tool_calls", tool_call),
    OBJECT("function_call", function_call),
    OBJECT("audio", audio),
    OBJECT("annotations", btz_chat_annotation),
    LAST
};
static const struct btz_shape said = { said_members, NULL, enter_said };

/* ---- tools that the model may call ---- */

static enum btz_err enter_function(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = BTZ_CHANNEL_TOOL_DESCRIPTION;
    return btz_walk_tool(w, json_object_get(object, "name"), json_object_get(object, "description"),
                         json_object_get(object, "parameters"));
}
static const struct btz_shape_member function_def_members[] = {
    TEXT("name", BTZ_HERE), TEXT("description", BTZ_HERE), JSON("parameters", BTZ_HERE), LAST
};
static const struct btz_shape function_def = { function_def_members, NULL, enter_function };
static const struct btz_shape_member custom_def_members[] = { TEXT("name", BTZ_HERE),
                                                              TEXT("description", BTZ_HERE),
                                                              JSON("format", BTZ_HERE), LAST };
static const struct btz_shape custom_def = { custom_def_members, NULL, enter_function };
static const struct btz_shape_member tool_members[] = {
    ID("type"), OBJECT_IN("function", BTZ_CHANNEL_TOOL_DESCRIPTION, function_def),
    OBJECT_IN("custom", BTZ_CHANNEL_TOOL_DESCRIPTION, custom_def), LAST
};
/* Tools of the provider have no name but their type: they need the permission as well. */
static enum btz_err enter_tool(struct btz_walk *w, json_t *object, int *channel)
{
    (void)channel;
    if (json_object_get(object, "function") || json_object_get(object, "custom"))
        return BTZ_OK;
    return btz_walk_tool(w, json_object_get(object, "type"), NULL, NULL);
}
static const struct btz_shape tool = { tool_members, NULL, enter_tool };

static const struct btz_shape_member chosen_name_members[] = { ID("name"), LAST };
static const struct btz_shape chosen_name = { chosen_name_members, NULL, NULL };
static const struct btz_shape_member choice_of_tool_members[] = {
    ID("type"), OBJECT("function", chosen_name), OBJECT("custom", chosen_name), ID("name"), LAST
};
static const struct btz_shape choice_of_tool = { choice_of_tool_members, NULL, NULL };

static const struct btz_shape_member schema_members[] = { TEXT("name", BTZ_HERE),
                                                          TEXT("description", BTZ_HERE),
                                                          JSON("schema", BTZ_HERE), LAST };
static const struct btz_shape schema = { schema_members, NULL, NULL };
static const struct btz_shape_member format_members[] = {
    ID("type"), OBJECT_IN("json_schema", BTZ_CHANNEL_TOOL_DESCRIPTION, schema), LAST
};
static const struct btz_shape response_format = { format_members, NULL, NULL };

static const struct btz_shape_member prediction_members[] = {
    ID("type"), { "content", BTZ_SHAPE_TEXT, BTZ_CHANNEL_ASSISTANT, &content_part }, LAST
};
static const struct btz_shape prediction = { prediction_members, NULL, NULL };

static const struct btz_shape_member request_members[] = {
    ID("model"),
    OBJECT("messages", message),
    OBJECT("tools", tool),
    OBJECT_IN("functions", BTZ_CHANNEL_TOOL_DESCRIPTION, function_def),
    { "tool_choice", BTZ_SHAPE_ID, BTZ_HERE, &choice_of_tool },
    { "function_call", BTZ_SHAPE_ID, BTZ_HERE, &chosen_name },
    OBJECT("response_format", response_format),
    OBJECT("prediction", prediction),
    TEXT("documents", BTZ_CHANNEL_DOCUMENT), /* vLLM and others */
    TEXT("chat_template", BTZ_CHANNEL_SYSTEM),
    TEXT("stop", BTZ_CHANNEL_RAW),
    TEXT("user", BTZ_CHANNEL_RAW),
    TEXT("metadata", BTZ_CHANNEL_RAW),
    ID("modalities"),
    ID("reasoning_effort"),
    ID("service_tier"),
    ID("verbosity"),
    ID("safety_identifier"),
    ID("prompt_cache_key"),
    ID("prompt_cache_retention"),
    LAST
};
const struct btz_shape btz_shape_chat_request = { request_members, NULL, NULL };

/* ---- responses ---- */

bool btz_chat_logprobs_plain(const json_t *logprobs)
{
    size_t known = (json_object_get(logprobs, "content") ? 1 : 0) +
                   (json_object_get(logprobs, "refusal") ? 1 : 0);

    return !logprobs || json_is_null(logprobs) ||
           (json_is_object(logprobs) && json_object_size(logprobs) == known);
}

static bool repeats(const json_t *logprobs, const json_t *said_message)
{
    static const char *const lists[] = { "content", "refusal" };

    for (size_t i = 0; i < BTZ_COUNT(lists); i++)
        if (!btz_logprobs_fit(json_object_get(logprobs, lists[i]),
                              btz_text_of(json_object_get(said_message, lists[i]))))
            return false;
    return btz_chat_logprobs_plain(logprobs);
}

static enum btz_err enter_choice(struct btz_walk *w, json_t *object, int *channel)
{
    const json_t *logprobs = json_object_get(object, "logprobs");
    const json_t *message_said = json_object_get(object, "message");

    *channel = BTZ_CHANNEL_OUTPUT;
    if (!logprobs || json_is_null(logprobs))
        return BTZ_OK;
    /* Other tokens than those of the text would be a text that nobody read. */
    if (message_said ? repeats(logprobs, message_said)
                     : btz_logprobs_repeat(logprobs, btz_text_of(json_object_get(object, "text"))))
        return BTZ_OK;
    if (json_object_set_new(object, "logprobs", json_null()) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a choice");
    *w->changed = true;
    return BTZ_OK;
}
static const struct btz_shape_member choice_members[] = { ID("index"),
                                                          ID("finish_reason"),
                                                          OBJECT_IN("message", BTZ_CHANNEL_OUTPUT,
                                                                    said),
                                                          LOGPROBS,
                                                          TEXT("stop_reason", BTZ_CHANNEL_OUTPUT),
                                                          LAST };
static const struct btz_shape choice = { choice_members, NULL, enter_choice };

static const struct btz_shape_member response_members[] = {
    ID("id"),
    ID("object"),
    ID("created"),
    ID("model"),
    ID("system_fingerprint"),
    ID("service_tier"),
    OBJECT_IN("choices", BTZ_CHANNEL_OUTPUT, choice),
    OBJECT("usage", btz_openai_usage),
    { "error", BTZ_SHAPE_TEXT, BTZ_CHANNEL_OUTPUT, &btz_openai_error },
    LAST
};
const struct btz_shape btz_shape_chat_response = { response_members, NULL, NULL };

void btz_usage_openai(const json_t *usage, struct btz_usage *out)
{
    const json_t *details;

    if (!json_is_object(usage))
        return;
    out->known = true;
    /* Chat and completions say prompt and completion; responses and the rest say input and output. */
    out->input_tokens = btz_count_of(usage, "prompt_tokens") + btz_count_of(usage, "input_tokens");
    out->output_tokens =
        btz_count_of(usage, "completion_tokens") + btz_count_of(usage, "output_tokens");
    details = json_object_get(usage, "prompt_tokens_details");
    if (!details)
        details = json_object_get(usage, "input_tokens_details");
    out->cached_tokens = btz_count_of(details, "cached_tokens");
}

enum btz_err btz_chat_response_done(struct btz_message *m)
{
    const json_t *first = json_array_get(json_object_get(m->root, "choices"), 0);

    m->model = btz_text_of(json_object_get(m->root, "model"));
    m->finish = btz_text_of(json_object_get(first, "finish_reason"));
    btz_usage_openai(json_object_get(m->root, "usage"), &m->usage);
    return BTZ_OK;
}

void btz_chat_forget(struct btz_message *m, const struct btz_part *part)
{
    json_t *choices = json_object_get(m->root, "choices"), *one;
    size_t i;

    (void)part;
    json_array_foreach(choices, i, one)
    {
        if (json_object_get(one, "logprobs"))
            (void)json_object_set_new(one, "logprobs", json_null());
    }
}

/* ---- completions ---- */

static const struct btz_shape_member old_request_members[] = { ID("model"),
                                                               TEXT("prompt", BTZ_CHANNEL_USER),
                                                               TEXT("suffix", BTZ_CHANNEL_USER),
                                                               TEXT("prefix", BTZ_CHANNEL_USER),
                                                               TEXT("stop", BTZ_CHANNEL_RAW),
                                                               TEXT("user", BTZ_CHANNEL_RAW),
                                                               TEXT("metadata", BTZ_CHANNEL_RAW),
                                                               LAST };
const struct btz_shape btz_shape_completions_request = { old_request_members, NULL, NULL };

static const struct btz_shape_member old_choice_members[] = {
    TEXT("text", BTZ_CHANNEL_OUTPUT),
    TEXT("reasoning", BTZ_CHANNEL_REASONING),
    ID("index"),
    ID("finish_reason"),
    LOGPROBS,
    TEXT("stop_reason", BTZ_CHANNEL_OUTPUT),
    LAST
};
static const struct btz_shape old_choice = { old_choice_members, NULL, enter_choice };
static const struct btz_shape_member old_response_members[] = {
    ID("id"),
    ID("object"),
    ID("created"),
    ID("model"),
    ID("system_fingerprint"),
    OBJECT_IN("choices", BTZ_CHANNEL_OUTPUT, old_choice),
    OBJECT("usage", btz_openai_usage),
    { "error", BTZ_SHAPE_TEXT, BTZ_CHANNEL_OUTPUT, &btz_openai_error },
    LAST
};
const struct btz_shape btz_shape_completions_response = { old_response_members, NULL, NULL };
