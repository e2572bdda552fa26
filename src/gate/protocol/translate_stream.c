/*
 * Streams between OpenAI's chat and Anthropic's messages. Events come in guarded, in the upstream's form and in order, and
 * go out in the client's. Chat may let several calls of tools grow at once, messages have one block at a time: the calls
 * behind the first wait until it is complete.
 */
#include <stdlib.h>

#include "gate/protocol/stream.h"
#include "gate/protocol/translate.h"

#define CALLS_MAX   128
#define WAITING_MAX (4 << 20)

enum open { NOTHING, TEXT, THINKING, CALL };

struct waiting {       /* a call of a tool, or its place among a choice's */
    json_int_t number; /* block (messages) or index (chat) */
    char *id, *name;
    struct btz_buf arguments;
    bool begun; /* of the arguments, something was said */
};
struct btz_translator {
    struct btz_protocol_stream *s;
    bool to_messages;
    bool begun, finished;
    char *id, *upstream_model;
    json_int_t created;
    struct waiting calls[CALLS_MAX];
    size_t call_count;
    /* to messages */
    enum open open;
    json_int_t block;   /* number of the open block, or of the next one */
    size_t calls_begun; /* how many of the calls have a block */
    bool refused;
    char finish[24];
    struct btz_buf late, late_thinking; /* text that came while a call was open */
};

enum btz_err btz_translator_new(struct btz_protocol_stream *s, struct btz_translator **out)
{
    struct btz_translator *t;
    bool to_messages = s->o.from == BTZ_PROTOCOL_CHAT && s->o.to == BTZ_PROTOCOL_MESSAGES;

    if (!to_messages && !(s->o.from == BTZ_PROTOCOL_MESSAGES && s->o.to == BTZ_PROTOCOL_CHAT))
        return btz_fail(BTZ_UNSUPPORTED, "%s to %s: cannot be translated",
                        btz_protocol_name(s->o.from), btz_protocol_name(s->o.to));
    t = calloc(1, sizeof *t);
    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory for a stream");
    t->s = s;
    t->to_messages = to_messages;
    t->late = t->late_thinking = BTZ_BUF(WAITING_MAX);
    *out = t;
    return BTZ_OK;
}

void btz_translator_free(struct btz_translator *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->call_count; i++) {
        free(t->calls[i].id);
        free(t->calls[i].name);
        btz_buf_release(&t->calls[i].arguments);
    }
    btz_buf_release(&t->late);
    btz_buf_release(&t->late_thinking);
    free(t->id);
    free(t->upstream_model);
    free(t);
}

static enum btz_err send(struct btz_translator *t, const char *name, json_t *root)
{
    enum btz_err err;

    if (!root)
        return btz_fail(BTZ_INPUT, "an event that cannot be translated");
    err = btz_stream_write(t->s, btz_str(name), root);
    json_decref(root);
    return err;
}

static const char *model_of(const struct btz_translator *t)
{
    return t->s->model ? t->s->model : t->upstream_model ? t->upstream_model : "";
}

static enum btz_err keep(char **where, const json_t *text)
{
    if (*where || !json_is_string(text))
        return BTZ_OK;
    *where = strdup(json_string_value(text));
    return *where ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for a stream");
}

static struct waiting *call_at(struct btz_translator *t, json_int_t number, size_t *place)
{
    for (size_t i = 0; i < t->call_count; i++)
        if (t->calls[i].number == number) {
            *place = i;
            return &t->calls[i];
        }
    return NULL;
}

static enum btz_err call_new(struct btz_translator *t, json_int_t number, const json_t *id,
                             const json_t *name, struct waiting **out)
{
    struct waiting *w = &t->calls[t->call_count];

    if (t->call_count == CALLS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d calls of tools", CALLS_MAX);
    if (!json_is_string(name))
        return btz_fail(BTZ_INPUT, "a call of a tool without a name");
    w->number = number;
    w->arguments = BTZ_BUF(WAITING_MAX);
    t->call_count++;
    BTZ_TRY(keep(&w->id, id));
    BTZ_TRY(keep(&w->name, name));
    *out = w;
    return BTZ_OK;
}

/* ---- messages to chat ---- */

static enum btz_err chunk(struct btz_translator *t, json_t *delta, const char *finish)
{
    json_t *root;

    if (!delta)
        return btz_fail(BTZ_INPUT, "an event that cannot be translated");
    root = json_pack("{s:s+, s:s, s:I, s:s, s:[{s:i, s:o, s:n, s:s?}]}", "id", "chatcmpl-",
                     t->id ? t->id : "", "object", "chat.completion.chunk", "created", t->created,
                     "model", model_of(t), "choices", "index", 0, "delta", delta, "logprobs",
                     "finish_reason", finish);
    return send(t, "", root);
}

static enum btz_err chat_call(struct btz_translator *t, size_t place, bool first,
                              struct btz_slice arguments)
{
    struct waiting *w = &t->calls[place];
    json_t *text = btz_json_text(arguments);

    w->begun = w->begun || arguments.len > 0;
    if (first)
        return chunk(t,
                     json_pack("{s:[{s:i, s:s, s:s, s:{s:s, s:o}}]}", "tool_calls", "index",
                               (int)place, "id", w->id ? w->id : "", "type", "function", "function",
                               "name", w->name, "arguments", text),
                     NULL);
    return chunk(t,
                 json_pack("{s:[{s:i, s:{s:o}}]}", "tool_calls", "index", (int)place, "function",
                           "arguments", text),
                 NULL);
}

static enum btz_err block_starts(struct btz_translator *t, const json_t *root)
{
    const json_t *block = json_object_get(root, "content_block"), *input;
    struct btz_slice type = btz_text_of(json_object_get(block, "type"));
    const char *member = btz_slice_is(type, "text") ? "text" : "thinking";
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(WAITING_MAX);
    struct waiting *w;

    if (btz_slice_is(type, "text") || btz_slice_is(type, "thinking")) {
        if (json_string_length(json_object_get(block, member)) == 0)
            return BTZ_OK;
        return chunk(t,
                     json_pack("{s:O}",
                               btz_slice_is(type, "text") ? "content" : "reasoning_content",
                               json_object_get(block, member)),
                     NULL);
    }
    if (btz_slice_is(type, "redacted_thinking"))
        return BTZ_OK;
    if (!btz_slice_is(type, "tool_use"))
        return btz_fail(BTZ_INPUT, "a block of content that cannot be translated");
    BTZ_TRY(call_new(t, json_integer_value(json_object_get(root, "index")),
                     json_object_get(block, "id"), json_object_get(block, "name"), &w));
    input = json_object_get(block, "input");
    if (json_object_size(input) > 0)
        BTZ_TRY(btz_json_write(input, false, &text));
    return chat_call(t, t->call_count - 1, true, btz_buf_slice(&text));
}

static enum btz_err block_grows(struct btz_translator *t, const json_t *root)
{
    const json_t *delta = json_object_get(root, "delta");
    struct btz_slice type = btz_text_of(json_object_get(delta, "type"));
    size_t place;

    if (btz_slice_is(type, "text_delta"))
        return chunk(t, json_pack("{s:O}", "content", json_object_get(delta, "text")), NULL);
    if (btz_slice_is(type, "thinking_delta"))
        return chunk(t, json_pack("{s:O}", "reasoning_content", json_object_get(delta, "thinking")),
                     NULL);
    if (!btz_slice_is(type, "input_json_delta"))
        return BTZ_OK; /* signatures and citations: chat has no place for them */
    if (!call_at(t, json_integer_value(json_object_get(root, "index")), &place))
        return btz_fail(BTZ_INPUT, "arguments of a block that is no call");
    return chat_call(t, place, false, btz_text_of(json_object_get(delta, "partial_json")));
}

/* A call without arguments has an empty object: the empty text is no JSON. */
static enum btz_err block_stops(struct btz_translator *t, const json_t *root)
{
    size_t place;
    struct waiting *w = call_at(t, json_integer_value(json_object_get(root, "index")), &place);

    return w && !w->begun ? chat_call(t, place, false, btz_str("{}")) : BTZ_OK;
}

static enum btz_err chat_error(struct btz_translator *t, const json_t *error)
{
    const json_t *message = json_object_get(error, "message"),
                 *type = json_object_get(error, "type");

    return send(t, "",
                json_pack("{s:{s:s, s:s, s:n, s:n}}", "error", "message",
                          json_is_string(message) ? json_string_value(message) : "", "type",
                          json_is_string(type) ? json_string_value(type) : "api_error", "param",
                          "code"));
}

static enum btz_err chat_ends(struct btz_translator *t)
{
    json_t *root;

    if (t->finished)
        return BTZ_OK;
    t->finished = true;
    if (!t->s->o.hide_usage && !t->s->told) {
        root = json_pack("{s:s+, s:s, s:I, s:s, s:[], s:o}", "id", "chatcmpl-", t->id ? t->id : "",
                         "object", "chat.completion.chunk", "created", t->created, "model",
                         model_of(t), "choices", "usage", btz_tr_usage_chat(&t->s->usage));
        BTZ_TRY(send(t, "", root));
    }
    return btz_buf_add_str(t->s->out, "data: [DONE]\n\n");
}

static enum btz_err messages_event(struct btz_translator *t, const json_t *root)
{
    struct btz_slice type = btz_text_of(json_object_get(root, "type"));
    const json_t *message = json_object_get(root, "message");

    if (btz_slice_is(type, "message_start")) {
        BTZ_TRY(keep(&t->id, json_object_get(message, "id")));
        BTZ_TRY(keep(&t->upstream_model, json_object_get(message, "model")));
        if (json_array_size(json_object_get(message, "content")) > 0)
            return btz_fail(BTZ_INPUT, "a message that does not begin empty");
        t->created = (json_int_t)(btz_clock_unix_ms() / 1000);
        return chunk(t, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL);
    }
    if (btz_slice_is(type, "content_block_start"))
        return block_starts(t, root);
    if (btz_slice_is(type, "content_block_delta"))
        return block_grows(t, root);
    if (btz_slice_is(type, "content_block_stop"))
        return block_stops(t, root);
    if (btz_slice_is(type, "message_delta")) {
        const json_t *reason = json_object_get(json_object_get(root, "delta"), "stop_reason");

        return json_is_string(reason) ? chunk(t, json_object(), btz_tr_finish(btz_text_of(reason)))
                                      : BTZ_OK;
    }
    if (btz_slice_is(type, "message_stop"))
        return chat_ends(t);
    if (btz_slice_is(type, "error"))
        return chat_error(t, json_object_get(root, "error"));
    if (btz_slice_is(type, "ping"))
        return btz_buf_add_str(t->s->out, ": ping\n\n");
    return BTZ_OK;
}

/* ---- chat to messages ---- */

static enum btz_err begin(struct btz_translator *t, const json_t *root)
{
    if (t->begun)
        return BTZ_OK;
    t->begun = true;
    BTZ_TRY(keep(&t->id, json_object_get(root, "id")));
    BTZ_TRY(keep(&t->upstream_model, json_object_get(root, "model")));
    return send(t, "message_start",
                json_pack("{s:s, s:{s:s+, s:s, s:s, s:s, s:[], s:n, s:n, s:{s:i, s:i}}}", "type",
                          "message_start", "message", "id", "msg_", t->id ? t->id : "", "type",
                          "message", "role", "assistant", "model", model_of(t), "content",
                          "stop_reason", "stop_sequence", "usage", "input_tokens", 0,
                          "output_tokens", 0));
}

static enum btz_err close_block(struct btz_translator *t)
{
    if (t->open == NOTHING)
        return BTZ_OK;
    t->open = NOTHING;
    return send(t, "content_block_stop",
                json_pack("{s:s, s:I}", "type", "content_block_stop", "index", t->block++));
}

static enum btz_err open_block(struct btz_translator *t, enum open what, json_t *block)
{
    t->open = what;
    return send(t, "content_block_start",
                block ? json_pack("{s:s, s:I, s:o}", "type", "content_block_start", "index",
                                  t->block, "content_block", block)
                      : NULL);
}

static enum btz_err grow(struct btz_translator *t, const char *type, const char *member,
                         struct btz_slice text)
{
    if (text.len == 0)
        return BTZ_OK;
    return send(t, "content_block_delta",
                json_pack("{s:s, s:I, s:{s:s, s:o}}", "type", "content_block_delta", "index",
                          t->block, "delta", "type", type, member, btz_json_text(text)));
}

static enum btz_err open_call(struct btz_translator *t)
{
    struct waiting *w = &t->calls[t->calls_begun++];

    BTZ_TRY(close_block(t));
    BTZ_TRY(open_block(t, CALL,
                       json_pack("{s:s, s:s+, s:s, s:{}}", "type", "tool_use", "id",
                                 w->id ? w->id : "toolu_", w->id ? "" : w->name, "name", w->name,
                                 "input")));
    return grow(t, "input_json_delta", "partial_json", btz_buf_slice(&w->arguments));
}

static enum btz_err said(struct btz_translator *t, enum open what, const json_t *text)
{
    struct btz_slice s = btz_text_of(text);

    if (s.len == 0)
        return BTZ_OK;
    /* The call that is open may still grow. */
    if (t->open == CALL)
        return btz_buf_add_slice(what == TEXT ? &t->late : &t->late_thinking, s);
    if (t->open != what) {
        BTZ_TRY(close_block(t));
        BTZ_TRY(open_block(t, what,
                           what == TEXT ? json_pack("{s:s, s:s}", "type", "text", "text", "")
                                        : json_pack("{s:s, s:s, s:s}", "type", "thinking",
                                                    "thinking", "", "signature", "")));
    }
    return what == TEXT ? grow(t, "text_delta", "text", s)
                        : grow(t, "thinking_delta", "thinking", s);
}

static enum btz_err called(struct btz_translator *t, const json_t *list)
{
    const json_t *call;
    size_t i;

    json_array_foreach(list, i, call)
    {
        const json_t *f = json_object_get(call, "function"),
                     *index = json_object_get(call, "index");
        json_int_t number = json_is_integer(index) ? json_integer_value(index) : (json_int_t)i;
        struct btz_slice arguments = btz_text_of(json_object_get(f, "arguments"));
        size_t place = t->call_count;
        struct waiting *w = call_at(t, number, &place);

        if (!json_is_object(f))
            return btz_fail(BTZ_INPUT, "a call of a tool that cannot be translated");
        if (!w)
            BTZ_TRY(
                call_new(t, number, json_object_get(call, "id"), json_object_get(f, "name"), &w));
        if (place < t->calls_begun && (t->open != CALL || place + 1 != t->calls_begun))
            return btz_fail(BTZ_INPUT, "a call of a tool that grows after its end");
        if (place < t->calls_begun) {
            BTZ_TRY(grow(t, "input_json_delta", "partial_json", arguments));
            continue;
        }
        BTZ_TRY(btz_buf_add_slice(&w->arguments, arguments));
        if (t->open != CALL)
            BTZ_TRY(open_call(t));
    }
    return BTZ_OK;
}

static enum btz_err late(struct btz_translator *t, enum open what, struct btz_buf *waited)
{
    BTZ_JSON json_t *text = waited->len > 0 ? btz_json_text(btz_buf_slice(waited)) : NULL;

    btz_buf_clear(waited);
    BTZ_TRY(said(t, what, text));
    return close_block(t);
}

/* Everything that waited, in its order. */
static enum btz_err settle(struct btz_translator *t)
{
    while (t->calls_begun < t->call_count)
        BTZ_TRY(open_call(t));
    BTZ_TRY(close_block(t));
    BTZ_TRY(late(t, THINKING, &t->late_thinking));
    return late(t, TEXT, &t->late);
}

static enum btz_err messages_end(struct btz_translator *t)
{
    const char *reason = t->refused ? "refusal" : btz_tr_stop_reason(btz_str(t->finish));

    if (t->finished)
        return BTZ_OK;
    t->finished = true;
    if (!t->s->told) {
        BTZ_TRY(begin(t, NULL));
        BTZ_TRY(settle(t));
        BTZ_TRY(send(t, "message_delta",
                     json_pack("{s:s, s:{s:s, s:n}, s:o}", "type", "message_delta", "delta",
                               "stop_reason", reason, "stop_sequence", "usage",
                               btz_tr_usage_messages(&t->s->usage))));
    }
    return send(t, "message_stop", json_pack("{s:s}", "type", "message_stop"));
}

static enum btz_err chat_event(struct btz_translator *t, const json_t *root)
{
    const json_t *choices = json_object_get(root, "choices"),
                 *error = json_object_get(root, "error");
    const json_t *choice = json_array_get(choices, 0), *delta = json_object_get(choice, "delta");
    struct btz_slice finish = btz_text_of(json_object_get(choice, "finish_reason"));
    const json_t *thought = json_object_get(delta, "reasoning_content");

    if (json_is_object(error)) {
        const json_t *message = json_object_get(error, "message");

        return send(t, "error",
                    json_pack("{s:s, s:{s:s, s:s}}", "type", "error", "error", "type", "api_error",
                              "message",
                              json_is_string(message) ? json_string_value(message) : ""));
    }
    BTZ_TRY(begin(t, root));
    if (json_array_size(choices) > 1 || json_integer_value(json_object_get(choice, "index")) != 0)
        return btz_fail(BTZ_INPUT, "\"choices\": one choice was expected");
    BTZ_TRY(said(t, THINKING, thought ? thought : json_object_get(delta, "reasoning")));
    BTZ_TRY(said(t, TEXT, json_object_get(delta, "content")));
    BTZ_TRY(said(t, TEXT, json_object_get(delta, "refusal")));
    t->refused = t->refused || json_string_length(json_object_get(delta, "refusal")) > 0;
    BTZ_TRY(called(t, json_object_get(delta, "tool_calls")));
    if (finish.len == 0)
        return BTZ_OK;
    snprintf(t->finish, sizeof t->finish, "%.*s", BTZ_SLICE_ARG(finish));
    return settle(t);
}

/* ---- both ---- */

enum btz_err btz_translator_event(struct btz_translator *t, struct btz_event *e)
{
    if (!e->root || t->finished)
        return BTZ_OK;
    return t->to_messages ? chat_event(t, e->root) : messages_event(t, e->root);
}

enum btz_err btz_translator_done(struct btz_translator *t)
{
    return t->to_messages ? messages_end(t) : chat_ends(t);
}
