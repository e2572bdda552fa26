/* The chat completions API, as OpenAI documents it and most servers speak it. */
#include "redteam/target.h"

enum btz_err btz_chat_request(const struct btz_target_conf *conf,
                              const struct btz_chat_style *style,
                              const struct btz_message *messages, size_t count,
                              struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_JSON json_t *body = json_object();
    json_t *array = NULL;

    if (!body)
        return btz_fail(BTZ_LIMIT, "out of memory for a request");
    if (!style->no_model && conf->model)
        BTZ_TRY(btz_json_put(body, "model", btz_json_text(btz_str(conf->model))));
    BTZ_TRY(btz_target_messages(conf, messages, count, &array));
    BTZ_TRY(btz_json_put(body, "messages", array));
    if (conf->max_tokens > 0)
        BTZ_TRY(btz_json_put(body, style->max_tokens, json_integer(conf->max_tokens)));
    if (conf->temperature >= 0)
        BTZ_TRY(btz_json_put(body, "temperature", json_real(conf->temperature)));
    BTZ_TRY(btz_json_put(body, "stream", json_boolean(conf->stream)));
    if (conf->stream && style->usage_in_stream)
        BTZ_TRY(btz_json_put(body, "stream_options", json_pack("{s:b}", "include_usage", 1)));
    return btz_target_post_json(conf, style->url, body, &style->auth, arena, out);
}

static void usage(struct btz_draft *d, const json_t *root)
{
    const json_t *u = json_object_get(root, "usage");

    if (!json_is_object(u))
        return;
    d->tokens_in = btz_json_count(json_object_get(u, "prompt_tokens"));
    d->tokens_out = btz_json_count(json_object_get(u, "completion_tokens"));
}

static void finish_reason(struct btz_draft *d, const json_t *choice)
{
    struct btz_slice reason;

    if (btz_json_get_text(choice, "finish_reason", &reason)) {
        d->ended = true;
        if (btz_slice_is(reason, "content_filter"))
            btz_draft_block(d, "the provider's content filter ended the reply");
    }
}

/* What a message and a delta have in common. */
static enum btz_err words(struct btz_draft *d, const json_t *m)
{
    BTZ_TRY(btz_draft_reasoning(d, json_object_get(m, "reasoning_content")));
    BTZ_TRY(btz_draft_reasoning(d, json_object_get(m, "reasoning")));
    BTZ_TRY(btz_draft_text(d, json_object_get(m, "content")));
    return btz_draft_text(d, json_object_get(m, "refusal"));
}

static enum btz_err chat_whole(struct btz_draft *d, const json_t *root)
{
    const json_t *choices = json_object_get(root, "choices");
    const json_t *choice = json_array_get(choices, 0), *m = json_object_get(choice, "message");
    const json_t *calls = json_object_get(m, "tool_calls"), *f;

    d->answered = json_is_array(choices);
    btz_draft_model(d, json_object_get(root, "model"));
    usage(d, root);
    finish_reason(d, choice);
    BTZ_TRY(words(d, m));
    BTZ_TRY(btz_draft_text(d, json_object_get(choice, "text"))); /* older completions */
    for (size_t i = 0; json_is_array(calls) && i < json_array_size(calls); i++) {
        f = json_object_get(json_array_get(calls, i), "function");
        BTZ_TRY(
            btz_draft_tool_call(d, json_object_get(f, "name"), json_object_get(f, "arguments")));
    }
    f = json_object_get(m, "function_call");
    if (json_is_object(f))
        BTZ_TRY(
            btz_draft_tool_call(d, json_object_get(f, "name"), json_object_get(f, "arguments")));
    return BTZ_OK;
}

static enum btz_err chat_event(struct btz_draft *d, const json_t *root)
{
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    const json_t *delta = json_object_get(choice, "delta");
    const json_t *calls = json_object_get(delta, "tool_calls");
    struct btz_slice name;

    d->answered = true;
    btz_draft_model(d, json_object_get(root, "model"));
    usage(d, root);
    BTZ_TRY(words(d, delta));
    BTZ_TRY(btz_draft_text(d, json_object_get(choice, "text")));
    for (size_t i = 0; json_is_array(calls) && i < json_array_size(calls); i++) {
        const json_t *f = json_object_get(json_array_get(calls, i), "function");

        /* The name comes once, the arguments in pieces behind it. */
        if (btz_json_get_text(f, "name", &name) && name.len > 0)
            BTZ_TRY(btz_draft_tool_begin(d, json_object_get(f, "name")));
        BTZ_TRY(btz_draft_tool_args(d, json_object_get(f, "arguments")));
    }
    finish_reason(d, choice);
    return BTZ_OK;
}

const struct btz_dialect btz_chat_dialect = { .whole = chat_whole, .event = chat_event };
