/* Ollama's own interface: /api/chat, generate, embed, tags, show. */
#include "gate/protocol/members.h"

#define TIMES                                                                                      \
    ID("created_at"), ID("done_reason"), ID("done"), ID("total_duration"), ID("load_duration"),    \
        ID("prompt_eval_count"), ID("prompt_eval_duration"), ID("eval_count"), ID("eval_duration")

static enum btz_err enter_call(struct btz_walk *w, json_t *object, int *channel)
{
    const json_t *f = json_object_get(object, "function");

    *channel = w->response ? BTZ_CHANNEL_TOOL_ARGUMENTS : BTZ_CHANNEL_ASSISTANT;
    return w->response && json_is_object(f)
               ? btz_walk_call(w, json_object_get(f, "name"), json_object_get(f, "arguments"))
               : BTZ_OK;
}
static const struct btz_shape_member function_members[] = { ID("name"),
                                                            TEXT("description", BTZ_HERE),
                                                            JSON("arguments", BTZ_HERE), LAST };
static const struct btz_shape function = { function_members, NULL, NULL };
static const struct btz_shape_member call_members[] = { ID("id"), ID("type"),
                                                        OBJECT("function", function), LAST };
static const struct btz_shape call = { call_members, NULL, enter_call };

static enum btz_err enter_message(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = w->response ? BTZ_CHANNEL_OUTPUT : btz_role_channel(object);
    return BTZ_OK;
}
static const struct btz_shape_member message_members[] = { ID("role"),
                                                           TEXT("content", BTZ_HERE),
                                                           TEXT("thinking", BTZ_HERE),
                                                           ID("tool_name"),
                                                           ID("tool_call_id"),
                                                           { "images", BTZ_SHAPE_IMAGE, BTZ_HERE,
                                                             NULL },
                                                           OBJECT("tool_calls", call),
                                                           LAST };
static const struct btz_shape message = { message_members, NULL, enter_message };
static const struct btz_shape_member said_members[] = { ID("role"),
                                                        TEXT("content", BTZ_HERE),
                                                        TEXT("thinking", BTZ_CHANNEL_REASONING),
                                                        ID("tool_name"),
                                                        { "images", BTZ_SHAPE_IMAGE, BTZ_HERE,
                                                          NULL },
                                                        OBJECT("tool_calls", call),
                                                        LAST };
static const struct btz_shape said = { said_members, NULL, enter_message };

static enum btz_err enter_tool(struct btz_walk *w, json_t *object, int *channel)
{
    *channel = BTZ_CHANNEL_TOOL_DESCRIPTION;
    return btz_walk_tool(w, json_object_get(object, "name"), json_object_get(object, "description"),
                         json_object_get(object, "parameters"));
}
static const struct btz_shape_member described_members[] = { TEXT("name", BTZ_HERE),
                                                             TEXT("description", BTZ_HERE),
                                                             JSON("parameters", BTZ_HERE), LAST };
static const struct btz_shape described = { described_members, NULL, enter_tool };
static const struct btz_shape_member tool_members[] = { ID("type"), OBJECT("function", described),
                                                        LAST };
static const struct btz_shape tool = { tool_members, NULL, NULL };

static const struct btz_shape_member options_members[] = { TEXT("stop", BTZ_CHANNEL_RAW), LAST };
static const struct btz_shape options = { options_members, NULL, NULL };

#define ASKED                                                                                      \
    ID("model"), JSON("format", BTZ_CHANNEL_TOOL_DESCRIPTION), OBJECT("options", options),         \
        ID("keep_alive"), ID("think")

static const struct btz_shape_member chat_members[] = { ASKED, OBJECT("messages", message),
                                                        OBJECT("tools", tool), LAST };
const struct btz_shape btz_shape_ollama_chat_request = { chat_members, NULL, NULL };
static const struct btz_shape_member answer_members[] = { ID("model"),
                                                          ID("remote_model"),
                                                          TEXT("remote_host", BTZ_CHANNEL_OUTPUT),
                                                          TIMES,
                                                          OBJECT_IN("message", BTZ_CHANNEL_OUTPUT,
                                                                    said),
                                                          TEXT("error", BTZ_CHANNEL_OUTPUT),
                                                          LAST };
const struct btz_shape btz_shape_ollama_chat_response = { answer_members, NULL, NULL };

static const struct btz_shape_member generate_members[] = {
    ASKED,
    TEXT("prompt", BTZ_CHANNEL_USER),
    TEXT("suffix", BTZ_CHANNEL_USER),
    TEXT("system", BTZ_CHANNEL_SYSTEM),
    TEXT("template", BTZ_CHANNEL_SYSTEM),
    TEXT("context", BTZ_CHANNEL_ASSISTANT), /* token numbers */
    { "images", BTZ_SHAPE_IMAGE, BTZ_CHANNEL_USER, NULL },
    LAST
};
const struct btz_shape btz_shape_ollama_generate_request = { generate_members, NULL, NULL };
static const struct btz_shape_member generated_members[] = {
    ID("model"),
    ID("remote_model"),
    TEXT("remote_host", BTZ_CHANNEL_OUTPUT),
    TIMES,
    TEXT("response", BTZ_CHANNEL_OUTPUT),
    TEXT("thinking", BTZ_CHANNEL_REASONING),
    TEXT("error", BTZ_CHANNEL_OUTPUT),
    LAST
};
const struct btz_shape btz_shape_ollama_generate_response = { generated_members, NULL, NULL };

static const struct btz_shape_member embed_members[] = { ID("model"),
                                                         TEXT("input", BTZ_CHANNEL_USER),
                                                         TEXT("prompt", BTZ_CHANNEL_USER),
                                                         OBJECT("options", options),
                                                         ID("keep_alive"),
                                                         LAST };
const struct btz_shape btz_shape_ollama_embed_request = { embed_members, NULL, NULL };
static const struct btz_shape_member embedded_members[] = { ID("model"),
                                                            TEXT("error", BTZ_CHANNEL_OUTPUT),
                                                            LAST };
const struct btz_shape btz_shape_ollama_embed_response = { embedded_members, NULL, NULL };

static const struct btz_shape_member show_members[] = { ID("model"), ID("name"), LAST };
const struct btz_shape btz_shape_ollama_show_request = { show_members, NULL, NULL };
/* Lists and descriptions of models: what no member below names is raw. */
static const struct btz_shape_member details_members[] = {
    ID("parent_model"),       ID("format"), ID("family"), ID("families"), ID("parameter_size"),
    ID("quantization_level"), LAST
};
static const struct btz_shape details = { details_members, NULL, NULL };
static const struct btz_shape_member listed_members[] = { ID("name"),
                                                          ID("model"),
                                                          ID("modified_at"),
                                                          ID("expires_at"),
                                                          ID("digest"),
                                                          OBJECT("details", details),
                                                          LAST };
static const struct btz_shape listed = { listed_members, NULL, NULL };
static const struct btz_shape_member tags_members[] = {
    OBJECT("models", listed), OBJECT("details", details), ID("version"),
    ID("modified_at"),        ID("capabilities"),         LAST
};
const struct btz_shape btz_shape_ollama_tags_response = { tags_members, NULL, NULL };

void btz_usage_ollama(const json_t *root, struct btz_usage *out)
{
    if (!json_object_get(root, "prompt_eval_count") && !json_object_get(root, "eval_count"))
        return;
    out->known = true;
    out->input_tokens = btz_count_of(root, "prompt_eval_count");
    out->output_tokens = btz_count_of(root, "eval_count");
}

enum btz_err btz_ollama_response_done(struct btz_message *m)
{
    m->model = btz_text_of(json_object_get(m->root, "model"));
    m->finish = btz_text_of(json_object_get(m->root, "done_reason"));
    btz_usage_ollama(m->root, &m->usage);
    return BTZ_OK;
}

void btz_ollama_forget(struct btz_message *m, const struct btz_part *part)
{
    (void)part;
    /* Token numbers of the talk so far, the old text among them. A request's own is refused by no one. */
    if (json_object_get(m->root, "response"))
        (void)json_object_del(m->root, "context");
}

enum btz_err btz_ollama_request_done(struct btz_message *m)
{
    const json_t *limit = json_object_get(json_object_get(m->root, "options"), "num_predict");

    if (json_is_integer(limit) && json_integer_value(limit) > 0)
        m->max_tokens = (uint64_t)json_integer_value(limit);
    return BTZ_OK;
}
