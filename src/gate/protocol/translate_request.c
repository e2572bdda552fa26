/* Requests of OpenAI's chat as Anthropic's messages, and the other way. */
#include "gate/protocol/translate.h"

/* ---- chat to messages ---- */

/* A block at the end of the talk: turns of one role that follow each other become one. */
static enum btz_err say(json_t *messages, const char *role, json_t *block)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);

    if (!last || !btz_slice_is(btz_text_of(json_object_get(last, "role")), role)) {
        BTZ_TRY(btz_tr_add(messages, json_pack("{s:s, s:[]}", "role", role, "content")));
        last = json_array_get(messages, json_array_size(messages) - 1);
    }
    return btz_tr_add(json_object_get(last, "content"), block);
}

static json_t *text_block(const json_t *text)
{
    return json_pack("{s:s, s:O}", "type", "text", "text", text);
}

static enum btz_err image_block(const json_t *part, json_t **out)
{
    const json_t *url = json_object_get(json_object_get(part, "image_url"), "url");
    struct btz_slice type, data;

    if (!json_is_string(url))
        return btz_tr_refuse("content", "image_url");
    if (btz_tr_data_url(btz_text_of(url), &type, &data))
        *out = json_pack("{s:s, s:{s:s, s:s%, s:s%}}", "type", "image", "source", "type", "base64",
                         "media_type", type.ptr, type.len, "data", data.ptr, data.len);
    else if (btz_slice_has_prefix(btz_text_of(url), btz_str("http")))
        *out =
            json_pack("{s:s, s:{s:s, s:O}}", "type", "image", "source", "type", "url", "url", url);
    else
        return btz_tr_refuse("content", "image_url");
    return BTZ_OK;
}

static enum btz_err file_block(const json_t *part, json_t **out)
{
    const json_t *file = json_object_get(part, "file"), *name = json_object_get(file, "filename");
    struct btz_slice type, data;
    json_t *block;

    if (!btz_tr_data_url(btz_text_of(json_object_get(file, "file_data")), &type, &data) ||
        !btz_slice_is(type, "application/pdf"))
        return btz_tr_refuse("content", "file");
    block = json_pack("{s:s, s:{s:s, s:s%, s:s%}}", "type", "document", "source", "type", "base64",
                      "media_type", type.ptr, type.len, "data", data.ptr, data.len);
    if (block && json_is_string(name))
        (void)json_object_set_new(block, "title", json_copy((json_t *)(uintptr_t)name));
    *out = block;
    return BTZ_OK;
}

static enum btz_err part_block(const json_t *part, bool images, json_t **out)
{
    struct btz_slice type = btz_text_of(json_object_get(part, "type"));

    *out = NULL;
    if (btz_slice_is(type, "text") && json_is_string(json_object_get(part, "text")))
        *out = text_block(json_object_get(part, "text"));
    else if (btz_slice_is(type, "refusal") && json_is_string(json_object_get(part, "refusal")))
        *out = text_block(json_object_get(part, "refusal"));
    else if (images && btz_slice_is(type, "image_url"))
        return image_block(part, out);
    else if (images && btz_slice_is(type, "file"))
        return file_block(part, out);
    else
        return btz_tr_refuse("content",
                             btz_is_word(type) && type.len ? (const char *)type.ptr : "type");
    return BTZ_OK;
}

/* Content of any form as blocks given to `to`; empty texts are left out: Anthropic refuses them, and they say nothing. */
static enum btz_err content_blocks(const json_t *content, bool images, json_t *messages,
                                   const char *role, json_t *list)
{
    const json_t *part;
    json_t *block;
    size_t i;

    if (!content || json_is_null(content))
        return BTZ_OK;
    if (json_is_string(content)) {
        if (json_string_length(content) == 0)
            return BTZ_OK;
        block = text_block(content);
        return list ? btz_tr_add(list, block) : say(messages, role, block);
    }
    if (!json_is_array(content))
        return btz_tr_refuse("messages", "content");
    json_array_foreach(content, i, part)
    {
        BTZ_TRY(part_block(part, images, &block));
        if (block && json_is_string(json_object_get(block, "text")) &&
            json_string_length(json_object_get(block, "text")) == 0) {
            json_decref(block);
            continue;
        }
        BTZ_TRY(list ? btz_tr_add(list, block) : say(messages, role, block));
    }
    return BTZ_OK;
}

static enum btz_err assistant(const json_t *message, json_t *messages)
{
    static const char *const known[] = { "role",       "content",     "refusal",
                                         "tool_calls", "annotations", NULL };
    const json_t *call;
    size_t i;

    if (json_array_size(json_object_get(message, "annotations")) > 0)
        return btz_tr_refuse("messages", "annotations");
    BTZ_TRY(btz_tr_only(message, known, "messages"));
    BTZ_TRY(
        content_blocks(json_object_get(message, "content"), false, messages, "assistant", NULL));
    BTZ_TRY(
        content_blocks(json_object_get(message, "refusal"), false, messages, "assistant", NULL));
    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        const json_t *f = json_object_get(call, "function");
        json_t *input;

        if (!json_is_string(json_object_get(call, "id")) ||
            !json_is_string(json_object_get(f, "name")))
            return btz_tr_refuse("messages", "tool_calls");
        BTZ_TRY(btz_tr_arguments(btz_text_of(json_object_get(f, "arguments")), &input));
        BTZ_TRY(say(messages, "assistant",
                    json_pack("{s:s, s:O, s:O, s:o}", "type", "tool_use", "id",
                              json_object_get(call, "id"), "name", json_object_get(f, "name"),
                              "input", input)));
    }
    return BTZ_OK;
}

static enum btz_err tool_message(const json_t *message, json_t *messages)
{
    static const char *const known[] = { "role", "content", "tool_call_id", NULL };
    json_t *content = json_array();
    json_t *block = json_pack("{s:s, s:O?, s:o}", "type", "tool_result", "tool_use_id",
                              json_object_get(message, "tool_call_id"), "content", content);

    BTZ_TRY(say(messages, "user", block));
    BTZ_TRY(btz_tr_only(message, known, "messages"));
    if (!json_is_string(json_object_get(message, "tool_call_id")))
        return btz_tr_refuse("messages", "tool_call_id");
    return content_blocks(json_object_get(message, "content"), false, NULL, "", content);
}

static enum btz_err chat_message(const json_t *message, json_t *system, json_t *messages)
{
    static const char *const known[] = { "role", "content", NULL };
    struct btz_slice role = btz_text_of(json_object_get(message, "role"));

    if (btz_slice_is(role, "assistant"))
        return assistant(message, messages);
    if (btz_slice_is(role, "tool"))
        return tool_message(message, messages);
    BTZ_TRY(btz_tr_only(message, known, "messages"));
    if (btz_slice_is(role, "system") || btz_slice_is(role, "developer"))
        return content_blocks(json_object_get(message, "content"), false, NULL, "", system);
    if (!btz_slice_is(role, "user"))
        return btz_tr_refuse("messages", "role");
    return content_blocks(json_object_get(message, "content"), true, messages, "user", NULL);
}

static enum btz_err chat_tools(const json_t *from, json_t *out)
{
    static const char *const known[] = { "name", "description", "parameters", "strict", NULL };
    json_t *tools = json_array(), *tool;
    size_t i;

    BTZ_TRY(btz_tr_set(out, "tools", tools));
    json_array_foreach(json_object_get(from, "tools"), i, tool)
    {
        json_t *f = json_object_get(tool, "function"), *schema = json_object_get(f, "parameters");
        json_t *made;

        if (!btz_slice_is(btz_text_of(json_object_get(tool, "type")), "function") ||
            !json_is_string(json_object_get(f, "name")))
            return btz_tr_refuse("tools", "type");
        BTZ_TRY(btz_tr_only(f, known, "tools"));
        made = json_is_object(schema)
                   ? json_pack("{s:O, s:O}", "name", json_object_get(f, "name"), "input_schema",
                               schema)
                   : json_pack("{s:O, s:{s:s, s:{}}}", "name", json_object_get(f, "name"),
                               "input_schema", "type", "object", "properties");
        BTZ_TRY(btz_tr_add(tools, made));
        if (json_is_string(json_object_get(f, "description")))
            BTZ_TRY(
                btz_tr_set(made, "description", json_incref(json_object_get(f, "description"))));
        if (json_is_true(json_object_get(f, "strict")))
            BTZ_TRY(btz_tr_set(made, "strict", json_true()));
    }
    return BTZ_OK;
}

static enum btz_err chat_tool_choice(const json_t *from, json_t *out)
{
    const json_t *choice = json_object_get(from, "tool_choice");
    const json_t *name = json_object_get(json_object_get(choice, "function"), "name");
    struct btz_slice word = btz_text_of(choice);
    const json_t *parallel = json_object_get(from, "parallel_tool_calls");
    json_t *made;

    if (!choice || json_is_null(choice)) {
        if (!json_is_false(parallel))
            return BTZ_OK;
        word = btz_str("auto");
    }
    if (btz_slice_is(word, "auto") || btz_slice_is(word, "none"))
        made = json_pack("{s:s}", "type", btz_slice_is(word, "auto") ? "auto" : "none");
    else if (btz_slice_is(word, "required"))
        made = json_pack("{s:s}", "type", "any");
    else if (json_is_string(name))
        made = json_pack("{s:s, s:O}", "type", "tool", "name", name);
    else
        return btz_tr_refuse("", "tool_choice");
    BTZ_TRY(btz_tr_set(out, "tool_choice", made));
    if (json_is_false(parallel) && !btz_slice_is(word, "none"))
        BTZ_TRY(btz_tr_set(made, "disable_parallel_tool_use", json_true()));
    return BTZ_OK;
}

/* Members whose value changes nothing may stand there. */
static enum btz_err chat_idle(const json_t *from)
{
    static const char *const zero[] = { "frequency_penalty", "presence_penalty" };
    static const char *const off[] = { "logprobs", "store" };
    const json_t *format = json_object_get(from, "response_format"), *v;

    for (size_t i = 0; i < BTZ_COUNT(zero); i++)
        if (json_number_value(json_object_get(from, zero[i])) != 0)
            return btz_tr_refuse("", zero[i]);
    for (size_t i = 0; i < BTZ_COUNT(off); i++)
        if (json_is_true(json_object_get(from, off[i])))
            return btz_tr_refuse("", off[i]);
    v = json_object_get(from, "n");
    if (v && !json_is_null(v) && json_integer_value(v) != 1)
        return btz_tr_refuse("", "n");
    if (format && !json_is_null(format) &&
        !btz_slice_is(btz_text_of(json_object_get(format, "type")), "text"))
        return btz_tr_refuse("", "response_format");
    if (json_object_size(json_object_get(from, "logit_bias")) > 0)
        return btz_tr_refuse("", "logit_bias");
    v = json_object_get(from, "service_tier");
    if (v && !json_is_null(v) && !btz_slice_is(btz_text_of(v), "auto"))
        return btz_tr_refuse("", "service_tier");
    v = json_object_get(from, "temperature");
    if (json_number_value(v) > 1)
        return btz_tr_refuse("", "temperature");
    return BTZ_OK;
}

static enum btz_err copy(const json_t *from, const char *key, json_t *out, const char *as)
{
    json_t *value = json_object_get(from, key);

    return value && !json_is_null(value) ? btz_tr_set(out, as, json_incref(value)) : BTZ_OK;
}

enum btz_err btz_tr_chat_request(const json_t *from, uint64_t max_tokens, json_t *out)
{
    static const char *const known[] = { "model",
                                         "messages",
                                         "max_tokens",
                                         "max_completion_tokens",
                                         "stop",
                                         "temperature",
                                         "top_p",
                                         "stream",
                                         "stream_options",
                                         "tools",
                                         "tool_choice",
                                         "parallel_tool_calls",
                                         "user",
                                         "n",
                                         "response_format",
                                         "logprobs",
                                         "store",
                                         "frequency_penalty",
                                         "presence_penalty",
                                         "logit_bias",
                                         "service_tier",
                                         NULL };
    json_t *system = json_array(), *messages = json_array(), *message;
    const json_t *stop = json_object_get(from, "stop");
    uint64_t most = btz_count_of(from, "max_completion_tokens");
    size_t i;

    BTZ_TRY(btz_tr_set(out, "system", system));
    BTZ_TRY(btz_tr_set(out, "messages", messages));
    BTZ_TRY(btz_tr_only(from, known, ""));
    BTZ_TRY(chat_idle(from));
    BTZ_TRY(copy(from, "model", out, "model"));
    if (most == 0)
        most = btz_count_of(from, "max_tokens");
    BTZ_TRY(btz_tr_set(out, "max_tokens", json_integer((json_int_t)(most ? most : max_tokens))));
    json_array_foreach(json_object_get(from, "messages"), i, message)
    {
        BTZ_TRY(chat_message(message, system, messages));
    }
    if (json_array_size(system) == 0)
        (void)json_object_del(out, "system");
    BTZ_TRY(copy(from, "temperature", out, "temperature"));
    BTZ_TRY(copy(from, "top_p", out, "top_p"));
    BTZ_TRY(copy(from, "stream", out, "stream"));
    if (json_is_string(stop))
        BTZ_TRY(btz_tr_set(out, "stop_sequences", json_pack("[O]", stop)));
    else
        BTZ_TRY(copy(from, "stop", out, "stop_sequences"));
    if (json_is_string(json_object_get(from, "user")))
        BTZ_TRY(btz_tr_set(out, "metadata",
                           json_pack("{s:O}", "user_id", json_object_get(from, "user"))));
    if (json_array_size(json_object_get(from, "tools")) == 0)
        return BTZ_OK;
    BTZ_TRY(chat_tools(from, out));
    return chat_tool_choice(from, out);
}

/* ---- messages to chat ---- */

static enum btz_err image_part(const json_t *block, json_t **out)
{
    const json_t *source = json_object_get(block, "source");
    struct btz_slice type = btz_text_of(json_object_get(source, "type"));
    struct btz_slice media = btz_text_of(json_object_get(source, "media_type"));
    struct btz_slice data = btz_text_of(json_object_get(source, "data"));
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF(SIZE_MAX / 4);
    bool document = btz_slice_is(btz_text_of(json_object_get(block, "type")), "document");
    const char *title = json_string_value(json_object_get(block, "title"));

    if (btz_slice_is(type, "url") && !document) {
        *out = json_pack("{s:s, s:{s:O}}", "type", "image_url", "image_url", "url",
                         json_object_get(source, "url"));
        return BTZ_OK;
    }
    if (!btz_slice_is(type, "base64") || !btz_is_word(media) || media.len == 0)
        return btz_tr_refuse("content", "source");
    BTZ_TRY(btz_buf_add_str(&url, "data:"));
    BTZ_TRY(btz_buf_add_slice(&url, media));
    BTZ_TRY(btz_buf_add_str(&url, ";base64,"));
    BTZ_TRY(btz_buf_add_slice(&url, data));
    *out = document ? json_pack("{s:s, s:{s:s%, s:s}}", "type", "file", "file", "file_data",
                                url.ptr, url.len, "filename", title ? title : "document.pdf")
                    : json_pack("{s:s, s:{s:s%}}", "type", "image_url", "image_url", "url", url.ptr,
                                url.len);
    return BTZ_OK;
}

/* Text of a tool's result; OpenAI knows no failed ones, so that is said in words. */
static enum btz_err result_message(const json_t *block, json_t *messages)
{
    static const char *const known[] = { "type",     "tool_use_id",   "content",
                                         "is_error", "cache_control", NULL };
    const json_t *content = json_object_get(block, "content"), *part;
    json_t *parts = json_array(), *made;
    size_t i;

    BTZ_TRY(
        btz_tr_add(messages, json_pack("{s:s, s:O?, s:o}", "role", "tool", "tool_call_id",
                                       json_object_get(block, "tool_use_id"), "content", parts)));
    BTZ_TRY(btz_tr_only(block, known, "content"));
    made = json_array_get(messages, json_array_size(messages) - 1);
    if (json_is_true(json_object_get(block, "is_error")))
        BTZ_TRY(btz_tr_add(parts,
                           json_pack("{s:s, s:s}", "type", "text", "text", "The tool failed: ")));
    if (json_is_string(content) && json_array_size(parts) == 0)
        return btz_tr_set(made, "content", json_incref((json_t *)(uintptr_t)content));
    if (json_is_string(content))
        return btz_tr_add(parts, text_block(content));
    if (!content || json_is_null(content))
        return json_array_size(parts) == 0 ? btz_tr_set(made, "content", json_string("")) : BTZ_OK;
    json_array_foreach(content, i, part)
    {
        if (!btz_slice_is(btz_text_of(json_object_get(part, "type")), "text"))
            return btz_tr_refuse("tool_result", "content");
        BTZ_TRY(btz_tr_add(parts, text_block(json_object_get(part, "text"))));
    }
    return BTZ_OK;
}

static enum btz_err user_message(const json_t *content, json_t *messages)
{
    BTZ_JSON json_t *parts = json_array();
    const json_t *block;
    size_t i;

    if (json_is_string(content))
        return btz_tr_add(messages, json_pack("{s:s, s:O}", "role", "user", "content", content));
    json_array_foreach(content, i, block)
    {
        struct btz_slice type = btz_text_of(json_object_get(block, "type"));
        json_t *part = NULL;

        if (btz_slice_is(type, "tool_result")) {
            /* Results of tools answer the turn before: they may not stand behind other words. */
            if (json_array_size(parts) > 0)
                return btz_tr_refuse("content", "tool_result");
            BTZ_TRY(result_message(block, messages));
            continue;
        }
        if (btz_slice_is(type, "text"))
            part = text_block(json_object_get(block, "text"));
        else if (btz_slice_is(type, "image") || btz_slice_is(type, "document"))
            BTZ_TRY(image_part(block, &part));
        else
            return btz_tr_refuse("content", "type");
        BTZ_TRY(btz_tr_add(parts, part));
    }
    if (json_array_size(parts) == 0)
        return BTZ_OK;
    return btz_tr_add(messages, json_pack("{s:s, s:O}", "role", "user", "content", parts));
}

static enum btz_err assistant_block(const json_t *block, struct btz_buf *text,
                                    struct btz_buf *thinking, json_t *calls)
{
    struct btz_slice type = btz_text_of(json_object_get(block, "type"));

    if (btz_slice_is(type, "text"))
        return btz_buf_add_slice(text, btz_text_of(json_object_get(block, "text")));
    if (btz_slice_is(type, "thinking"))
        return btz_buf_add_slice(thinking, btz_text_of(json_object_get(block, "thinking")));
    if (!btz_slice_is(type, "tool_use"))
        return btz_tr_refuse("content", "type");
    return btz_tr_add(calls, json_pack("{s:O, s:s, s:{s:O, s:o}}", "id",
                                       json_object_get(block, "id"), "type", "function", "function",
                                       "name", json_object_get(block, "name"), "arguments",
                                       btz_tr_input(json_object_get(block, "input"))));
}

static enum btz_err assistant_message(const json_t *content, json_t *messages)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 4);
    BTZ_BUF_RELEASE struct btz_buf thinking = BTZ_BUF(SIZE_MAX / 4);
    BTZ_JSON json_t *calls = json_array();
    const json_t *block;
    json_t *made;
    size_t i;

    if (json_is_string(content))
        return btz_tr_add(messages,
                          json_pack("{s:s, s:O}", "role", "assistant", "content", content));
    json_array_foreach(content, i, block)
    {
        BTZ_TRY(assistant_block(block, &text, &thinking, calls));
    }
    BTZ_TRY(btz_tr_add(messages, json_pack("{s:s}", "role", "assistant")));
    made = json_array_get(messages, json_array_size(messages) - 1);
    BTZ_TRY(btz_tr_set(made, "content",
                       text.len > 0 || json_array_size(calls) == 0
                           ? btz_json_text(btz_buf_slice(&text))
                           : json_null()));
    if (thinking.len > 0)
        BTZ_TRY(btz_tr_set(made, "reasoning_content", btz_json_text(btz_buf_slice(&thinking))));
    if (json_array_size(calls) > 0)
        BTZ_TRY(btz_tr_set(made, "tool_calls", json_incref(calls)));
    return BTZ_OK;
}

static enum btz_err system_message(const json_t *system, json_t *messages)
{
    json_t *parts, *block;
    size_t i;

    if (!system || json_is_null(system))
        return BTZ_OK;
    if (json_is_string(system))
        return btz_tr_add(messages, json_pack("{s:s, s:O}", "role", "system", "content", system));
    parts = json_array();
    BTZ_TRY(btz_tr_add(messages, json_pack("{s:s, s:o}", "role", "system", "content", parts)));
    json_array_foreach(system, i, block)
    {
        if (!btz_slice_is(btz_text_of(json_object_get(block, "type")), "text"))
            return btz_tr_refuse("system", "type");
        BTZ_TRY(btz_tr_add(parts, text_block(json_object_get(block, "text"))));
    }
    return BTZ_OK;
}

static enum btz_err messages_tools(const json_t *from, json_t *out)
{
    static const char *const known[] = { "type",          "name",   "description", "input_schema",
                                         "cache_control", "strict", NULL };
    json_t *tools = json_array(), *tool;
    size_t i;

    BTZ_TRY(btz_tr_set(out, "tools", tools));
    json_array_foreach(json_object_get(from, "tools"), i, tool)
    {
        const json_t *type = json_object_get(tool, "type");
        json_t *f;

        if (type && !json_is_null(type) && !btz_slice_is(btz_text_of(type), "custom"))
            return btz_tr_refuse("tools", "type");
        BTZ_TRY(btz_tr_only(tool, known, "tools"));
        if (!json_is_string(json_object_get(tool, "name")) ||
            !json_is_object(json_object_get(tool, "input_schema")))
            return btz_tr_refuse("tools", "input_schema");
        f = json_pack("{s:O, s:O}", "name", json_object_get(tool, "name"), "parameters",
                      json_object_get(tool, "input_schema"));
        BTZ_TRY(btz_tr_add(tools, json_pack("{s:s, s:o}", "type", "function", "function", f)));
        BTZ_TRY(copy(tool, "description", f, "description"));
        BTZ_TRY(copy(tool, "strict", f, "strict"));
    }
    return BTZ_OK;
}

static enum btz_err messages_tool_choice(const json_t *from, json_t *out)
{
    const json_t *choice = json_object_get(from, "tool_choice");
    struct btz_slice type = btz_text_of(json_object_get(choice, "type"));
    json_t *made;

    if (!choice || json_is_null(choice))
        return BTZ_OK;
    if (json_is_true(json_object_get(choice, "disable_parallel_tool_use")))
        BTZ_TRY(btz_tr_set(out, "parallel_tool_calls", json_false()));
    if (btz_slice_is(type, "auto") || btz_slice_is(type, "none"))
        made = json_string(btz_slice_is(type, "auto") ? "auto" : "none");
    else if (btz_slice_is(type, "any"))
        made = json_string("required");
    else if (btz_slice_is(type, "tool"))
        made = json_pack("{s:s, s:{s:O}}", "type", "function", "function", "name",
                         json_object_get(choice, "name"));
    else
        return btz_tr_refuse("", "tool_choice");
    return btz_tr_set(out, "tool_choice", made);
}

static enum btz_err messages_idle(const json_t *from)
{
    const json_t *thinking = json_object_get(from, "thinking");
    const json_t *tier = json_object_get(from, "service_tier");

    if (thinking && !json_is_null(thinking) &&
        !btz_slice_is(btz_text_of(json_object_get(thinking, "type")), "disabled"))
        return btz_tr_refuse("", "thinking");
    if (tier && !json_is_null(tier) && !btz_slice_is(btz_text_of(tier), "auto"))
        return btz_tr_refuse("", "service_tier");
    return BTZ_OK;
}

enum btz_err btz_tr_messages_request(const json_t *from, json_t *out)
{
    static const char *const known[] = { "model",          "messages",      "system",
                                         "max_tokens",     "temperature",   "top_p",
                                         "stop_sequences", "stream",        "tools",
                                         "tool_choice",    "metadata",      "thinking",
                                         "service_tier",   "cache_control", NULL };
    static const char *const known_message[] = { "role", "content", NULL };
    static const char *const known_metadata[] = { "user_id", NULL };
    json_t *messages = json_array(), *message;
    size_t i;

    BTZ_TRY(btz_tr_set(out, "messages", messages));
    BTZ_TRY(btz_tr_only(from, known, ""));
    BTZ_TRY(messages_idle(from));
    BTZ_TRY(copy(from, "model", out, "model"));
    BTZ_TRY(copy(from, "max_tokens", out, "max_tokens"));
    BTZ_TRY(system_message(json_object_get(from, "system"), messages));
    json_array_foreach(json_object_get(from, "messages"), i, message)
    {
        const json_t *content = json_object_get(message, "content");
        struct btz_slice role = btz_text_of(json_object_get(message, "role"));

        BTZ_TRY(btz_tr_only(message, known_message, "messages"));
        if (!json_is_string(content) && !json_is_array(content))
            return btz_tr_refuse("messages", "content");
        if (btz_slice_is(role, "user"))
            BTZ_TRY(user_message(content, messages));
        else if (btz_slice_is(role, "assistant"))
            BTZ_TRY(assistant_message(content, messages));
        else
            return btz_tr_refuse("messages", "role");
    }
    BTZ_TRY(copy(from, "temperature", out, "temperature"));
    BTZ_TRY(copy(from, "top_p", out, "top_p"));
    BTZ_TRY(copy(from, "stop_sequences", out, "stop"));
    if (json_is_true(json_object_get(from, "stream"))) {
        BTZ_TRY(btz_tr_set(out, "stream", json_true()));
        BTZ_TRY(btz_tr_set(out, "stream_options", json_pack("{s:b}", "include_usage", 1)));
    }
    BTZ_TRY(btz_tr_only(json_object_get(from, "metadata"), known_metadata, "metadata"));
    BTZ_TRY(copy(json_object_get(from, "metadata"), "user_id", out, "user"));
    if (json_array_size(json_object_get(from, "tools")) > 0)
        BTZ_TRY(messages_tools(from, out));
    return messages_tool_choice(from, out);
}
