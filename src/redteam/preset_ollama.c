/* https://github.com/ollama/ollama/blob/main/docs/api.md: POST /api/chat; a stream is one JSON object a line. */
#include "redteam/target.h"

static const char local[] = "http://127.0.0.1:11434";

static enum btz_err turns(const struct btz_target_conf *conf, const struct btz_message *messages,
                          size_t count, json_t *array)
{
    for (size_t i = 0; i <= count; i++) {
        bool own = i == 0; /* the configured system message, then the conversation */
        json_t *m;

        if (own && !(conf->system && *conf->system))
            continue;
        m = json_object();
        BTZ_TRY(btz_json_append(array, m));
        BTZ_TRY(btz_json_put(m, "role",
                             json_string(own ? "system" : btz_role_name(messages[i - 1].role))));
        BTZ_TRY(btz_json_put(m, "content",
                             btz_json_text(own ? btz_str(conf->system) : messages[i - 1].text)));
    }
    return BTZ_OK;
}

static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_JSON json_t *body = json_object();
    json_t *array = json_array(), *options;
    struct btz_http_header auth;

    BTZ_TRY(btz_json_put(body, "messages", array));
    BTZ_TRY(btz_json_put(body, "model", btz_json_text(btz_str(conf->model))));
    BTZ_TRY(turns(conf, messages, count, array));
    BTZ_TRY(btz_json_put(body, "stream", json_boolean(conf->stream)));
    options = json_object();
    BTZ_TRY(btz_json_put(body, "options", options));
    if (conf->max_tokens > 0)
        BTZ_TRY(btz_json_put(options, "num_predict", json_integer(conf->max_tokens)));
    if (conf->temperature >= 0)
        BTZ_TRY(btz_json_put(options, "temperature", json_real(conf->temperature)));
    BTZ_TRY(btz_bearer(conf, arena, &auth));
    return btz_target_post_json(conf,
                                btz_target_url(arena, conf->url ? conf->url : local, "/api/chat"),
                                body, &auth, arena, out);
}

/* A whole answer and a line of a stream look alike. */
static enum btz_err line(struct btz_draft *d, const json_t *root)
{
    const json_t *m = json_object_get(root, "message"), *calls = json_object_get(m, "tool_calls");

    d->answered = d->answered || json_is_object(m) || json_object_get(root, "response");
    btz_draft_model(d, json_object_get(root, "model"));
    BTZ_TRY(btz_draft_reasoning(d, json_object_get(m, "thinking")));
    BTZ_TRY(btz_draft_text(d, json_object_get(m, "content")));
    BTZ_TRY(btz_draft_text(d, json_object_get(root, "response"))); /* /api/generate */
    for (size_t i = 0; json_is_array(calls) && i < json_array_size(calls); i++) {
        const json_t *f = json_object_get(json_array_get(calls, i), "function");

        BTZ_TRY(
            btz_draft_tool_call(d, json_object_get(f, "name"), json_object_get(f, "arguments")));
    }
    if (json_is_true(json_object_get(root, "done"))) {
        d->ended = true;
        d->tokens_in = btz_json_count(json_object_get(root, "prompt_eval_count"));
        d->tokens_out = btz_json_count(json_object_get(root, "eval_count"));
    }
    return BTZ_OK;
}

static void parse(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                  const struct btz_slice *events, size_t event_count, struct btz_arena *arena,
                  struct btz_reply *out)
{
    static const struct btz_dialect dialect = { .whole = line, .event = line };

    btz_reply_parse_json(&dialect, conf, reply, events, event_count, arena, out);
}

const struct btz_preset btz_preset_ollama = {
    .id = "ollama",
    .title = "Ollama",
    .default_url = local,
    .needs = BTZ_TARGET_NEEDS_MODEL,
    .request = request,
    .parse = parse,
};
