/* https://platform.openai.com/docs/api-reference/responses */
#include "redteam/target.h"

static const char vendor[] = "https://api.openai.com/v1";

static enum btz_err add_tool_result(json_t *array, size_t number, struct btz_slice text)
{
    char id[40];
    json_t *item;

    snprintf(id, sizeof id, "call_%zu", number);
    BTZ_TRY(btz_json_append(array, json_pack("{s:s, s:s, s:s, s:s}", "type", "function_call",
                                             "call_id", id, "name", "lookup", "arguments", "{}")));
    item = json_pack("{s:s, s:s}", "type", "function_call_output", "call_id", id);
    BTZ_TRY(btz_json_append(array, item));
    return btz_json_put(item, "output", btz_json_text(text));
}

static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_JSON json_t *body = json_object();
    json_t *input = json_array();
    struct btz_http_header auth;

    BTZ_TRY(btz_json_put(body, "input", input));
    BTZ_TRY(btz_json_put(body, "model", btz_json_text(btz_str(conf->model))));
    if (conf->system && *conf->system)
        BTZ_TRY(btz_json_put(body, "instructions", btz_json_text(btz_str(conf->system))));
    for (size_t i = 0; i < count; i++) {
        json_t *m;

        if (messages[i].role == BTZ_ROLE_TOOL) {
            BTZ_TRY(add_tool_result(input, i, messages[i].text));
            continue;
        }
        m = json_pack("{s:s}", "role", btz_role_name(messages[i].role));
        BTZ_TRY(btz_json_append(input, m));
        BTZ_TRY(btz_json_put(m, "content", btz_json_text(messages[i].text)));
    }
    if (conf->max_tokens > 0)
        BTZ_TRY(btz_json_put(body, "max_output_tokens", json_integer(conf->max_tokens)));
    if (conf->temperature >= 0)
        BTZ_TRY(btz_json_put(body, "temperature", json_real(conf->temperature)));
    BTZ_TRY(btz_json_put(body, "stream", json_boolean(conf->stream)));
    /* Attacks need not stay at the provider. */
    BTZ_TRY(btz_json_put(body, "store", json_false()));
    BTZ_TRY(btz_bearer(conf, arena, &auth));
    return btz_target_post_json(conf,
                                btz_target_url(arena, conf->url ? conf->url : vendor, "/responses"),
                                body, &auth, arena, out);
}

/* ---- the answer ---- */

static enum btz_err parts(struct btz_draft *d, const json_t *list)
{
    for (size_t i = 0; json_is_array(list) && i < json_array_size(list); i++) {
        const json_t *part = json_array_get(list, i);

        BTZ_TRY(btz_draft_text(d, json_object_get(part, "text")));
        BTZ_TRY(btz_draft_text(d, json_object_get(part, "refusal")));
    }
    return BTZ_OK;
}

static enum btz_err item(struct btz_draft *d, const json_t *it)
{
    struct btz_slice type;

    btz_json_get_text(it, "type", &type);
    if (btz_slice_is(type, "message"))
        return parts(d, json_object_get(it, "content"));
    if (btz_slice_is(type, "reasoning")) {
        BTZ_TRY(btz_draft_reasoning(d, json_object_get(it, "summary")));
        return btz_draft_reasoning(d, json_object_get(it, "content"));
    }
    if (btz_slice_is(type, "function_call"))
        return btz_draft_tool_call(d, json_object_get(it, "name"),
                                   json_object_get(it, "arguments"));
    return BTZ_OK;
}

static enum btz_err whole(struct btz_draft *d, const json_t *root)
{
    const json_t *output = json_object_get(root, "output"), *u = json_object_get(root, "usage");
    struct btz_slice text;

    d->answered = json_is_array(output);
    btz_draft_model(d, json_object_get(root, "model"));
    d->tokens_in = btz_json_count(json_object_get(u, "input_tokens"));
    d->tokens_out = btz_json_count(json_object_get(u, "output_tokens"));
    for (size_t i = 0; d->answered && i < json_array_size(output); i++)
        BTZ_TRY(item(d, json_array_get(output, i)));
    if (btz_json_get_text(json_object_get(root, "incomplete_details"), "reason", &text) &&
        btz_slice_is(text, "content_filter"))
        btz_draft_block(d, "the provider's content filter ended the reply");
    if (btz_json_get_text(root, "status", &text) && btz_slice_is(text, "failed"))
        btz_draft_fail(d, root);
    return BTZ_OK;
}

static enum btz_err event(struct btz_draft *d, const json_t *root)
{
    const json_t *response = json_object_get(root, "response");
    struct btz_slice type;

    d->answered = true;
    btz_json_get_text(root, "type", &type);
    if (btz_slice_is(type, "response.completed") || btz_slice_is(type, "response.incomplete") ||
        btz_slice_is(type, "response.failed")) {
        /* The last event repeats everything: it counts, not the pieces. */
        btz_buf_clear(&d->text);
        btz_buf_clear(&d->reasoning);
        d->in_tool_call = false;
        BTZ_TRY(whole(d, response));
        d->answered = d->ended = true;
        return BTZ_OK;
    }
    if (btz_slice_is(type, "response.output_text.delta") ||
        btz_slice_is(type, "response.refusal.delta"))
        return btz_draft_text(d, json_object_get(root, "delta"));
    if (btz_slice_is(type, "error"))
        btz_draft_fail(d, root);
    return BTZ_OK;
}

static void parse(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                  const struct btz_slice *events, size_t event_count, struct btz_arena *arena,
                  struct btz_reply *out)
{
    static const struct btz_dialect dialect = { .whole = whole, .event = event };

    btz_reply_parse_json(&dialect, conf, reply, events, event_count, arena, out);
}

const struct btz_preset btz_preset_openai_responses = {
    .id = "openai-responses",
    .title = "OpenAI responses",
    .default_url = vendor,
    .needs = BTZ_TARGET_NEEDS_MODEL | BTZ_TARGET_NEEDS_KEY,
    .request = request,
    .parse = parse,
};
