/* https://docs.anthropic.com/en/api/messages */
#include "redteam/target.h"

static const char vendor[] = "https://api.anthropic.com";

static enum btz_err add_turn(json_t *array, const char *role, struct btz_slice text)
{
    json_t *m = json_pack("{s:s}", "role", role);

    BTZ_TRY(btz_json_append(array, m));
    return btz_json_put(m, "content", btz_json_text(text));
}

/* A result must follow the call it answers. */
static enum btz_err add_tool_result(json_t *array, size_t number, struct btz_slice text)
{
    char id[40];
    json_t *block;

    snprintf(id, sizeof id, "toolu_%zu", number);
    BTZ_TRY(btz_json_append(array, json_pack("{s:s, s:[{s:s, s:s, s:s, s:{}}]}", "role",
                                             "assistant", "content", "type", "tool_use", "id", id,
                                             "name", "lookup", "input")));
    block = json_pack("{s:s, s:s}", "type", "tool_result", "tool_use_id", id);
    BTZ_TRY(btz_json_append(array, json_pack("{s:s, s:[o]}", "role", "user", "content", block)));
    return btz_json_put(block, "content", btz_json_text(text));
}

static enum btz_err conversation(const struct btz_target_conf *conf,
                                 const struct btz_message *messages, size_t count, json_t *body)
{
    BTZ_BUF_RELEASE struct btz_buf system = BTZ_BUF((size_t)32 << 20);
    json_t *array = json_array();
    bool tools = false;

    BTZ_TRY(btz_json_put(body, "messages", array));
    if (conf->system)
        BTZ_TRY(btz_buf_add_str(&system, conf->system));
    for (size_t i = 0; i < count; i++) {
        const struct btz_message *m = &messages[i];

        if (m->role == BTZ_ROLE_SYSTEM) {
            BTZ_TRY(btz_buf_add_str(&system, system.len ? "\n\n" : ""));
            BTZ_TRY(btz_buf_add_slice(&system, m->text));
        } else if (m->role == BTZ_ROLE_TOOL) {
            tools = true;
            BTZ_TRY(add_tool_result(array, i, m->text));
        } else {
            BTZ_TRY(add_turn(array, btz_role_name(m->role), m->text));
        }
    }
    if (system.len > 0)
        BTZ_TRY(btz_json_put(body, "system", btz_json_text(btz_buf_slice(&system))));
    if (!tools)
        return BTZ_OK;
    return btz_json_put(body, "tools",
                        json_pack("[{s:s, s:s, s:{s:s, s:{}}}]", "name", "lookup", "description",
                                  "Looks something up.", "input_schema", "type", "object",
                                  "properties"));
}

static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_JSON json_t *body = json_object();
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)64 << 20);
    const char *base = conf->url ? conf->url : vendor;
    size_t len = strlen(base);
    bool has_version = len >= 3 && strcmp(base + len - 3, "/v1") == 0;
    struct btz_http_header own[] = { { "Content-Type", "application/json" },
                                     { "anthropic-version", "2023-06-01" },
                                     { conf->key && *conf->key ? "x-api-key" : NULL, conf->key } };

    if (!body)
        return btz_fail(BTZ_LIMIT, "out of memory for a request");
    BTZ_TRY(btz_json_put(body, "model", btz_json_text(btz_str(conf->model))));
    /* Required by this API. */
    BTZ_TRY(btz_json_put(body, "max_tokens",
                         json_integer(conf->max_tokens > 0 ? conf->max_tokens : 1024)));
    if (conf->temperature >= 0)
        BTZ_TRY(btz_json_put(body, "temperature", json_real(conf->temperature)));
    BTZ_TRY(btz_json_put(body, "stream", json_boolean(conf->stream)));
    BTZ_TRY(conversation(conf, messages, count, body));
    BTZ_TRY(btz_json_write(body, false, &text));
    *out = (struct btz_http_request){ .method = "POST", .stream = BTZ_HTTP_DETECT };
    out->url = btz_target_url(arena, base, has_version ? "/messages" : "/v1/messages");
    if (!out->url)
        return BTZ_LIMIT;
    BTZ_TRY(btz_target_headers(conf, own, BTZ_COUNT(own), arena, out));
    return btz_arena_copy(arena, btz_buf_slice(&text), &out->body);
}

/* ---- the answer ---- */

static void usage(struct btz_draft *d, const json_t *u)
{
    uint64_t in = btz_json_count(json_object_get(u, "input_tokens"));
    uint64_t out = btz_json_count(json_object_get(u, "output_tokens"));

    /* In streams the two come at different times. */
    if (in > 0)
        d->tokens_in = in;
    if (out > 0)
        d->tokens_out = out;
}

static void stop_reason(struct btz_draft *d, const json_t *m)
{
    struct btz_slice reason;

    if (btz_json_get_text(m, "stop_reason", &reason) && btz_slice_is(reason, "refusal"))
        btz_draft_block(d, "the provider's classifier ended the reply (stop_reason refusal)");
}

static enum btz_err whole(struct btz_draft *d, const json_t *root)
{
    const json_t *content = json_object_get(root, "content");

    d->answered = json_is_array(content);
    btz_draft_model(d, json_object_get(root, "model"));
    usage(d, json_object_get(root, "usage"));
    stop_reason(d, root);
    for (size_t i = 0; d->answered && i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        struct btz_slice type;

        btz_json_get_text(block, "type", &type);
        if (btz_slice_is(type, "text"))
            BTZ_TRY(btz_draft_text(d, json_object_get(block, "text")));
        else if (btz_slice_is(type, "thinking"))
            BTZ_TRY(btz_draft_reasoning(d, json_object_get(block, "thinking")));
        else if (btz_slice_is(type, "tool_use"))
            BTZ_TRY(btz_draft_tool_call(d, json_object_get(block, "name"),
                                        json_object_get(block, "input")));
    }
    return BTZ_OK;
}

static enum btz_err event(struct btz_draft *d, const json_t *root)
{
    const json_t *message = json_object_get(root, "message");
    const json_t *block = json_object_get(root, "content_block");
    const json_t *delta = json_object_get(root, "delta");
    struct btz_slice type, block_type;

    d->answered = true;
    btz_json_get_text(root, "type", &type);
    btz_draft_model(d, json_object_get(message, "model"));
    usage(d, json_object_get(message, "usage"));
    usage(d, json_object_get(root, "usage"));
    stop_reason(d, delta);
    if (btz_slice_is(type, "message_stop"))
        d->ended = true;
    if (btz_json_get_text(block, "type", &block_type) && btz_slice_is(block_type, "tool_use"))
        BTZ_TRY(btz_draft_tool_begin(d, json_object_get(block, "name")));
    BTZ_TRY(btz_draft_text(d, json_object_get(block, "text")));
    BTZ_TRY(btz_draft_text(d, json_object_get(delta, "text")));
    BTZ_TRY(btz_draft_reasoning(d, json_object_get(delta, "thinking")));
    return btz_draft_tool_args(d, json_object_get(delta, "partial_json"));
}

static void parse(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                  const struct btz_slice *events, size_t event_count, struct btz_arena *arena,
                  struct btz_reply *out)
{
    static const struct btz_dialect dialect = { .whole = whole, .event = event };

    btz_reply_parse_json(&dialect, conf, reply, events, event_count, arena, out);
}

const struct btz_preset btz_preset_anthropic = {
    .id = "anthropic",
    .title = "Anthropic messages",
    .default_url = vendor,
    .needs = BTZ_TARGET_NEEDS_KEY | BTZ_TARGET_NEEDS_MODEL,
    .request = request,
    .parse = parse,
};
