#include "gate/protocol/translate.h"

/* What is packed of members that are not there is no value. */
enum btz_err btz_tr_add(json_t *list, json_t *value)
{
    if (!value)
        return btz_fail(BTZ_INPUT, "a member is missing that is needed for the translation");
    return json_array_append_new(list, value) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "out of memory for a translation");
}

enum btz_err btz_tr_set(json_t *object, const char *key, json_t *value)
{
    if (!value)
        return btz_fail(BTZ_INPUT, "\"%s\": a member is missing that is needed for it", key);
    return json_object_set_new(object, key, value) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "out of memory for a translation");
}

enum btz_err btz_tr_refuse(const char *where, const char *what)
{
    return btz_fail(BTZ_INPUT, "\"%s\"%s%s: cannot be translated for the model's server", what,
                    where[0] ? " in " : "", where);
}

enum btz_err btz_tr_only(const json_t *object, const char *const *known, const char *where)
{
    for (void *it = json_object_iter((json_t *)(uintptr_t)object); it;
         it = json_object_iter_next((json_t *)(uintptr_t)object, it)) {
        const char *key = json_object_iter_key(it);
        const char *const *k = known;

        while (*k && strcmp(*k, key) != 0)
            k++;
        if (!*k && !json_is_null(json_object_iter_value(it)))
            return btz_tr_refuse(where, btz_is_word(btz_str(key)) ? key : "a member");
    }
    return BTZ_OK;
}

enum btz_err btz_tr_arguments(struct btz_slice text, json_t **out)
{
    if (btz_slice_trim(text).len == 0) {
        *out = json_object();
        return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for a translation");
    }
    BTZ_TRY(btz_json_parse(text, SIZE_MAX, "arguments of a tool call", out));
    if (json_is_object(*out))
        return BTZ_OK;
    json_decref(*out);
    *out = NULL;
    return btz_fail(BTZ_INPUT, "arguments of a tool call: a JSON object was expected");
}

bool btz_tr_data_url(struct btz_slice url, struct btz_slice *type, struct btz_slice *data)
{
    size_t end;

    if (!btz_slice_has_prefix(url, btz_str("data:")))
        return false;
    end = btz_slice_find(url, btz_str(";base64,"), 5);
    if (end == SIZE_MAX || end > 105)
        return false;
    *type = btz_slice_sub(url, 5, end - 5);
    *data = btz_slice_sub(url, end + 8, url.len);
    return btz_is_word(*type) && btz_is_base64(*data);
}

json_t *btz_tr_input(const json_t *value)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 4);

    if (!value || json_is_null(value))
        return json_string("{}");
    if (btz_json_write(value, false, &text) != BTZ_OK)
        return NULL;
    return btz_json_text(btz_buf_slice(&text));
}

/* ---- why it ended ---- */

static const struct {
    const char *stop_reason, *finish;
} reasons[] = {
    { "end_turn", "stop" },          { "max_tokens", "length" },
    { "tool_use", "tool_calls" },    { "refusal", "content_filter" },
    { "stop_sequence", "stop" },     { "pause_turn", "stop" },
    { "tool_use", "function_call" }, { "model_context_window_exceeded", "length" },
};

const char *btz_tr_finish(struct btz_slice stop_reason)
{
    for (size_t i = 0; i < BTZ_COUNT(reasons); i++)
        if (btz_slice_is(stop_reason, reasons[i].stop_reason))
            return reasons[i].finish;
    return "stop";
}

const char *btz_tr_stop_reason(struct btz_slice finish)
{
    for (size_t i = 0; i < BTZ_COUNT(reasons); i++)
        if (btz_slice_is(finish, reasons[i].finish))
            return reasons[i].stop_reason;
    return "end_turn";
}

json_t *btz_tr_usage_chat(const struct btz_usage *u)
{
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)u->input_tokens,
                     "completion_tokens", (json_int_t)u->output_tokens, "total_tokens",
                     (json_int_t)(u->input_tokens + u->output_tokens), "prompt_tokens_details",
                     "cached_tokens", (json_int_t)u->cached_tokens);
}

/* Anthropic counts what came from the cache beside input_tokens, OpenAI within. */
json_t *btz_tr_usage_messages(const struct btz_usage *u)
{
    uint64_t cached = u->cached_tokens < u->input_tokens ? u->cached_tokens : u->input_tokens;

    return json_pack("{s:I, s:I, s:I}", "input_tokens", (json_int_t)(u->input_tokens - cached),
                     "cache_read_input_tokens", (json_int_t)cached, "output_tokens",
                     (json_int_t)u->output_tokens);
}

/* ---- whole messages ---- */

/* The new document is read like one that came in, so that it has its parts. */
static enum btz_err reread(const json_t *root, enum btz_protocol to, bool response,
                           struct btz_arena *arena, struct btz_message *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 4);
    struct btz_slice body;

    BTZ_TRY(btz_json_write(root, false, &text));
    BTZ_TRY(btz_arena_copy(arena, btz_buf_slice(&text), &body));
    return response ? btz_response_read(to, body, arena, out)
                    : btz_request_read(to, btz_str("application/json"), body, arena, out);
}

enum btz_err btz_translate_request(const struct btz_message *from, enum btz_protocol to,
                                   uint64_t max_tokens, struct btz_arena *arena,
                                   struct btz_message *out)
{
    BTZ_JSON json_t *root = json_object();

    if (!root || !json_is_object(from->root))
        return btz_fail(BTZ_INPUT, "a JSON object was expected");
    if (from->protocol == BTZ_PROTOCOL_CHAT && to == BTZ_PROTOCOL_MESSAGES) {
        BTZ_TRY(btz_tr_chat_request(from->root, max_tokens, root));
        BTZ_TRY(reread(root, to, false, arena, out));
        /* Its usage comes unasked: the client is to get it only when it asked. */
        out->usage_unasked = !json_is_true(
            json_object_get(json_object_get(from->root, "stream_options"), "include_usage"));
        return BTZ_OK;
    }
    if (from->protocol == BTZ_PROTOCOL_MESSAGES && to == BTZ_PROTOCOL_CHAT) {
        BTZ_TRY(btz_tr_messages_request(from->root, root));
        return reread(root, to, false, arena, out);
    }
    return btz_fail(BTZ_UNSUPPORTED, "%s cannot be translated to %s",
                    btz_protocol_name(from->protocol), btz_protocol_name(to));
}

static enum btz_err error_response(const json_t *error, enum btz_protocol to, json_t *out)
{
    const json_t *message = json_object_get(error, "message");
    json_t *type = json_object_get(error, "type");
    json_t *inner = json_pack("{s:O, s:O}", "type", json_is_string(type) ? type : json_null(),
                              "message", json_is_string(message) ? message : json_null());

    if (to == BTZ_PROTOCOL_MESSAGES)
        BTZ_TRY(btz_tr_set(out, "type", json_string("error")));
    return btz_tr_set(out, "error", inner);
}

/* What the model said, of OpenAI's form, as Anthropic's blocks. */
static enum btz_err said_to_blocks(const json_t *message, json_t *content)
{
    static const char *const thinks[] = { "reasoning_content", "reasoning" };
    static const char *const says[] = { "content", "refusal" };
    const json_t *call;
    size_t i;

    for (i = 0; i < BTZ_COUNT(thinks); i++)
        if (json_string_length(json_object_get(message, thinks[i])) > 0) {
            BTZ_TRY(btz_tr_add(content,
                               json_pack("{s:s, s:O, s:s}", "type", "thinking", "thinking",
                                         json_object_get(message, thinks[i]), "signature", "")));
            break;
        }
    for (i = 0; i < BTZ_COUNT(says); i++) {
        const json_t *text = json_object_get(message, says[i]);

        if (text && !json_is_string(text) && !json_is_null(text))
            return btz_tr_refuse("message", says[i]);
        if (json_string_length(text) > 0)
            BTZ_TRY(btz_tr_add(content, json_pack("{s:s, s:O}", "type", "text", "text", text)));
    }
    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        const json_t *f = json_object_get(call, "function");
        json_t *input;

        if (!json_is_string(json_object_get(f, "name")) ||
            !json_is_string(json_object_get(call, "id")))
            return btz_tr_refuse("message", "tool_calls");
        BTZ_TRY(btz_tr_arguments(btz_text_of(json_object_get(f, "arguments")), &input));
        BTZ_TRY(btz_tr_add(content, json_pack("{s:s, s:O, s:O, s:o}", "type", "tool_use", "id",
                                              json_object_get(call, "id"), "name",
                                              json_object_get(f, "name"), "input", input)));
    }
    return BTZ_OK;
}

static enum btz_err chat_response(const struct btz_message *from, const char *model, json_t *out)
{
    const json_t *choices = json_object_get(from->root, "choices");
    const json_t *choice = json_array_get(choices, 0),
                 *message = json_object_get(choice, "message");
    json_t *content = json_array();

    BTZ_TRY(btz_tr_set(out, "content", content));
    if (json_array_size(choices) != 1 || !json_is_object(message))
        return btz_fail(BTZ_INPUT, "\"choices\": one choice was expected");
    BTZ_TRY(
        btz_tr_set(out, "id",
                   json_sprintf("msg_%s", json_string_value(json_object_get(from->root, "id"))
                                              ? json_string_value(json_object_get(from->root, "id"))
                                              : "")));
    BTZ_TRY(btz_tr_set(out, "type", json_string("message")));
    BTZ_TRY(btz_tr_set(out, "role", json_string("assistant")));
    BTZ_TRY(btz_tr_set(out, "model", json_string(model)));
    BTZ_TRY(said_to_blocks(message, content));
    BTZ_TRY(btz_tr_set(out, "stop_reason",
                       json_string(json_string_length(json_object_get(message, "refusal")) > 0
                                       ? "refusal"
                                       : btz_tr_stop_reason(from->finish))));
    BTZ_TRY(btz_tr_set(out, "stop_sequence", json_null()));
    return btz_tr_set(out, "usage", btz_tr_usage_messages(&from->usage));
}

static enum btz_err block_to_said(const json_t *block, struct btz_buf *text,
                                  struct btz_buf *thinking, json_t *calls)
{
    struct btz_slice type = btz_text_of(json_object_get(block, "type"));

    if (btz_slice_is(type, "text"))
        return btz_buf_add_slice(text, btz_text_of(json_object_get(block, "text")));
    if (btz_slice_is(type, "thinking"))
        return btz_buf_add_slice(thinking, btz_text_of(json_object_get(block, "thinking")));
    if (btz_slice_is(type, "redacted_thinking"))
        return BTZ_OK; /* nobody but its maker can read it */
    if (!btz_slice_is(type, "tool_use"))
        return btz_fail(BTZ_INPUT, "a block of content that cannot be translated");
    return btz_tr_add(calls, json_pack("{s:O, s:s, s:{s:O, s:o}}", "id",
                                       json_object_get(block, "id"), "type", "function", "function",
                                       "name", json_object_get(block, "name"), "arguments",
                                       btz_tr_input(json_object_get(block, "input"))));
}

static enum btz_err messages_response(const struct btz_message *from, const char *model,
                                      json_t *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 4);
    BTZ_BUF_RELEASE struct btz_buf thinking = BTZ_BUF(SIZE_MAX / 4);
    BTZ_JSON json_t *calls = json_array();
    const char *id = json_string_value(json_object_get(from->root, "id"));
    json_t *message = json_object(), *block;
    size_t i;

    BTZ_TRY(btz_tr_set(out, "id", json_sprintf("chatcmpl-%s", id ? id : "")));
    BTZ_TRY(btz_tr_set(out, "object", json_string("chat.completion")));
    BTZ_TRY(btz_tr_set(out, "created", json_integer((json_int_t)(btz_clock_unix_ms() / 1000))));
    BTZ_TRY(btz_tr_set(out, "model", json_string(model)));
    BTZ_TRY(btz_tr_set(out, "choices",
                       json_pack("[{s:i, s:o, s:n, s:s}]", "index", 0, "message", message,
                                 "logprobs", "finish_reason", btz_tr_finish(from->finish))));
    json_array_foreach(json_object_get(from->root, "content"), i, block)
    {
        BTZ_TRY(block_to_said(block, &text, &thinking, calls));
    }
    BTZ_TRY(btz_tr_set(message, "role", json_string("assistant")));
    BTZ_TRY(btz_tr_set(message, "content",
                       text.len > 0 || json_array_size(calls) == 0
                           ? btz_json_text(btz_buf_slice(&text))
                           : json_null()));
    BTZ_TRY(btz_tr_set(message, "refusal", json_null()));
    if (thinking.len > 0)
        BTZ_TRY(btz_tr_set(message, "reasoning_content", btz_json_text(btz_buf_slice(&thinking))));
    if (json_array_size(calls) > 0)
        BTZ_TRY(btz_tr_set(message, "tool_calls", json_incref(calls)));
    return btz_tr_set(out, "usage", btz_tr_usage_chat(&from->usage));
}

enum btz_err btz_translate_response(const struct btz_message *from, enum btz_protocol to,
                                    const char *model, struct btz_arena *arena,
                                    struct btz_message *out)
{
    BTZ_JSON json_t *root = json_object();
    const json_t *error = json_object_get(from->root, "error");

    if (!json_is_object(from->root))
        return btz_fail(BTZ_INPUT, "the answer of the model's server is no JSON object");
    if (json_is_object(error))
        BTZ_TRY(error_response(error, to, root));
    else if (from->protocol == BTZ_PROTOCOL_CHAT && to == BTZ_PROTOCOL_MESSAGES)
        BTZ_TRY(chat_response(from, model, root));
    else if (from->protocol == BTZ_PROTOCOL_MESSAGES && to == BTZ_PROTOCOL_CHAT)
        BTZ_TRY(messages_response(from, model, root));
    else
        return btz_fail(BTZ_UNSUPPORTED, "%s cannot be translated to %s",
                        btz_protocol_name(from->protocol), btz_protocol_name(to));
    return reread(root, to, true, arena, out);
}
