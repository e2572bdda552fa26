#include "demo/api.h"

#include <stdlib.h>

#include "base/json.h"

#define TURNS_MAX 2048
#define PIECE     24 /* bytes of text in one event of a stream, at least */

static enum btz_err role_of(struct btz_slice name, size_t at, enum btz_demo_role *out)
{
    static const struct {
        const char *name;
        enum btz_demo_role role;
    } roles[] = {
        { "system", BTZ_DEMO_SYSTEM }, { "developer", BTZ_DEMO_SYSTEM },
        { "user", BTZ_DEMO_USER },     { "assistant", BTZ_DEMO_ASSISTANT },
        { "tool", BTZ_DEMO_TOOL },     { "function", BTZ_DEMO_TOOL },
    };

    for (size_t i = 0; i < BTZ_COUNT(roles); i++) {
        if (btz_slice_is(name, roles[i].name)) {
            *out = roles[i].role;
            return BTZ_OK;
        }
    }
    return btz_fail(BTZ_INPUT,
                    "messages[%zu].role: expected system, developer, user, assistant or tool", at);
}

/* The text of an array of parts: text parts joined, others (images, audio) passed over. */
static enum btz_err parts_text(const json_t *parts, size_t at, struct btz_arena *arena,
                               struct btz_slice *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_DEMO_BODY_MAX);
    const json_t *part;
    size_t i;

    json_array_foreach(parts, i, part)
    {
        struct btz_slice piece;

        if (!json_is_object(part))
            return btz_fail(BTZ_INPUT, "messages[%zu].content[%zu]: expected an object", at, i);
        if (!btz_json_get_text(part, "text", &piece))
            continue;
        if (text.len > 0)
            BTZ_TRY(btz_buf_add_byte(&text, '\n'));
        BTZ_TRY(btz_buf_add_slice(&text, piece));
    }
    return btz_arena_copy(arena, btz_buf_slice(&text), out);
}

static enum btz_err read_turn(const json_t *message, size_t at, struct btz_arena *arena,
                              struct btz_demo_turn *out)
{
    const json_t *content = json_object_get(message, "content");
    struct btz_slice role;

    if (!json_is_object(message))
        return btz_fail(BTZ_INPUT, "messages[%zu]: expected an object with role and content", at);
    if (!btz_json_get_text(message, "role", &role))
        return btz_fail(BTZ_INPUT, "messages[%zu].role: missing", at);
    BTZ_TRY(role_of(role, at, &out->role));
    if (json_is_string(content))
        return btz_arena_copy(arena,
                              btz_slice_of(json_string_value(content), json_string_length(content)),
                              &out->text);
    if (json_is_array(content))
        return parts_text(content, at, arena, &out->text);
    /* An assistant turn that only called tools has none. */
    if (out->role == BTZ_DEMO_ASSISTANT && (!content || json_is_null(content))) {
        out->text = btz_str("");
        return BTZ_OK;
    }
    return btz_fail(BTZ_INPUT, "messages[%zu].content: expected text or an array of parts", at);
}

static enum btz_err read_request(const json_t *root, struct btz_arena *arena,
                                 struct btz_demo_request *out)
{
    const json_t *messages = json_object_get(root, "messages");
    const json_t *stream = json_object_get(root, "stream"), *n = json_object_get(root, "n");
    struct btz_slice model;

    if (!json_is_object(root))
        return btz_fail(BTZ_INPUT, "expected a JSON object");
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return btz_fail(BTZ_INPUT, "messages: expected an array with at least one message");
    if (json_array_size(messages) > TURNS_MAX)
        return btz_fail(BTZ_INPUT, "messages: more than %d", TURNS_MAX);
    if (stream && !json_is_boolean(stream) && !json_is_null(stream))
        return btz_fail(BTZ_INPUT, "stream: expected true or false");
    if (n && !json_is_null(n) && !(json_is_integer(n) && json_integer_value(n) == 1))
        return btz_fail(BTZ_INPUT, "n: only 1 is offered");
    out->stream = json_is_true(stream);
    out->stream_usage =
        json_is_true(json_object_get(json_object_get(root, "stream_options"), "include_usage"));
    out->count = json_array_size(messages);
    out->turns = btz_arena_array(arena, out->count, sizeof *out->turns);
    if (!out->turns)
        return BTZ_LIMIT;
    for (size_t i = 0; i < out->count; i++)
        BTZ_TRY(read_turn(json_array_get(messages, i), i, arena, &out->turns[i]));
    if (!btz_json_get_text(root, "model", &model) || model.len == 0 || model.len > 128)
        model = btz_str(BTZ_DEMO_MODEL);
    return btz_arena_copy(arena, model, &out->model);
}

enum btz_err btz_demo_request_parse(struct btz_slice body, struct btz_arena *arena,
                                    struct btz_demo_request *out)
{
    BTZ_JSON json_t *root = NULL;
    struct btz_demo_request request = { 0 };

    BTZ_TRY(btz_json_parse(body, BTZ_DEMO_BODY_MAX, "request", &root));
    BTZ_TRY(read_request(root, arena, &request));
    *out = request;
    return BTZ_OK;
}

enum btz_err btz_demo_write_error(const char *type, const char *param, const char *code,
                                  const char *message, struct btz_buf *out)
{
    BTZ_JSON json_t *root =
        json_pack("{s:{s:o?,s:s,s:s?,s:s?}}", "error", "message", btz_json_text(btz_str(message)),
                  "type", type, "param", param, "code", code);

    return btz_json_write(root, false, out);
}

uint64_t btz_demo_tokens(struct btz_slice text)
{
    return text.len == 0 ? 0 : (text.len + 3) / 4;
}

static json_t *usage_of(const struct btz_demo_completion *c)
{
    return json_pack("{s:I,s:I,s:I}", "prompt_tokens", (json_int_t)c->tokens_in,
                     "completion_tokens", (json_int_t)c->tokens_out, "total_tokens",
                     (json_int_t)(c->tokens_in + c->tokens_out));
}

static json_t *head_of(const struct btz_demo_completion *c, const char *object)
{
    char id[40];

    snprintf(id, sizeof id, "chatcmpl-%016" PRIx64, c->id);
    return json_pack("{s:s,s:s,s:I,s:o?}", "id", id, "object", object, "created",
                     (json_int_t)(btz_clock_unix_ms() / 1000), "model", btz_json_text(c->model));
}

enum btz_err btz_demo_write_completion(const struct btz_demo_completion *c, struct btz_buf *out)
{
    BTZ_JSON json_t *root = head_of(c, "chat.completion");
    json_t *content = c->null_content ? json_null() : btz_json_text(c->text);
    json_t *choices = json_pack("[{s:i,s:{s:s,s:o?},s:s}]", "index", 0, "message", "role",
                                "assistant", "content", content, "finish_reason", c->finish_reason);

    if (json_object_set_new(root, "choices", choices) != 0 ||
        json_object_set_new(root, "usage", usage_of(c)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for an answer");
    return btz_json_write(root, false, out);
}

enum btz_err btz_demo_write_not_utf8(const struct btz_demo_completion *c, struct btz_buf *out)
{
    static const char mark[] = "@@bytes@@";
    BTZ_BUF_RELEASE struct btz_buf whole = BTZ_BUF(SIZE_MAX);
    struct btz_demo_completion marked = *c;
    struct btz_slice text;
    size_t at;

    marked.text = btz_str(mark);
    BTZ_TRY(btz_demo_write_completion(&marked, &whole));
    text = btz_buf_slice(&whole);
    at = btz_slice_find(text, btz_str(mark), 0);
    if (at == SIZE_MAX)
        return btz_fail(BTZ_INTERNAL, "the mark is gone");
    BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(text, 0, at)));
    BTZ_TRY(btz_buf_add_str(out, "Your caf\xE9 order \xFF\xFE is on its way \xC3"));
    return btz_buf_add_slice(out, btz_slice_sub(text, at + sizeof mark - 1, SIZE_MAX));
}

/* One event with one choice; `delta` is taken. */
static enum btz_err add_event(const struct btz_demo_completion *c, json_t *delta,
                              const char *finish_reason, struct btz_buf *out)
{
    BTZ_JSON json_t *root = head_of(c, "chat.completion.chunk");
    json_t *choices =
        json_pack("[{s:i,s:o?,s:s?}]", "index", 0, "delta", delta, "finish_reason", finish_reason);

    if (json_object_set_new(root, "choices", choices) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for an event");
    BTZ_TRY(btz_buf_add_str(out, "data: "));
    BTZ_TRY(btz_json_write(root, false, out));
    return btz_buf_add_str(out, "\n\n");
}

/* The end of the piece that starts at `from`: after a space where there is one, never inside a character. */
static size_t piece_end(struct btz_slice text, size_t from)
{
    size_t end = from + PIECE;

    if (end >= text.len)
        return text.len;
    while (end < text.len && end < from + 2 * PIECE && text.ptr[end - 1] != ' ')
        end++;
    while (end < text.len && (text.ptr[end] & 0xC0) == 0x80)
        end++;
    return end;
}

enum btz_err btz_demo_write_stream(const struct btz_demo_completion *c, bool usage,
                                   struct btz_buf *out)
{
    BTZ_TRY(add_event(c, json_pack("{s:s,s:s}", "role", "assistant", "content", ""), NULL, out));
    for (size_t at = 0; at < c->text.len && !c->null_content;) {
        size_t end = piece_end(c->text, at);

        BTZ_TRY(add_event(
            c, json_pack("{s:o?}", "content", btz_json_text(btz_slice_sub(c->text, at, end - at))),
            NULL, out));
        at = end;
    }
    BTZ_TRY(add_event(c, json_object(), c->finish_reason, out));
    if (usage) {
        BTZ_JSON json_t *root = head_of(c, "chat.completion.chunk");

        if (json_object_set_new(root, "choices", json_array()) != 0 ||
            json_object_set_new(root, "usage", usage_of(c)) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory for an event");
        BTZ_TRY(btz_buf_add_str(out, "data: "));
        BTZ_TRY(btz_json_write(root, false, out));
        BTZ_TRY(btz_buf_add_str(out, "\n\n"));
    }
    return btz_buf_add_str(out, "data: [DONE]\n\n");
}

enum btz_err btz_demo_write_models(struct btz_buf *out)
{
    BTZ_JSON json_t *root =
        json_pack("{s:s,s:[{s:s,s:s,s:i,s:s}]}", "object", "list", "data", "id", BTZ_DEMO_MODEL,
                  "object", "model", "created", 1750000000, "owned_by", "northwind-outfitters");

    return btz_json_write(root, false, out);
}

enum btz_demo_fault btz_demo_fault_draw(const struct btz_demo_conf *conf, uint64_t n)
{
    unsigned all = (1u << BTZ_DEMO_FAULT_COUNT) - 1;
    unsigned kinds = conf->fault_kinds & all ? conf->fault_kinds & all : all;
    struct btz_rng rng;
    uint32_t pick;

    if (conf->faults <= 0)
        return BTZ_DEMO_FAULT_COUNT;
    btz_rng_init(&rng, conf->seed, n);
    if (btz_rng_unit(&rng) >= conf->faults)
        return BTZ_DEMO_FAULT_COUNT;
    pick = btz_rng_below(&rng, (uint32_t)__builtin_popcount(kinds));
    for (unsigned kind = 0; kind < BTZ_DEMO_FAULT_COUNT; kind++)
        if (kinds >> kind & 1 && pick-- == 0)
            return (enum btz_demo_fault)kind;
    return BTZ_DEMO_FAULT_COUNT;
}
