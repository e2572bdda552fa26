/* https://learn.microsoft.com/azure/ai-services/openai/reference: the deployment stands in the path, the key in api-key. */
#include "redteam/target.h"

static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF(8192);
    struct btz_slice base = btz_str(conf->url);
    struct btz_chat_style style = { .max_tokens = "max_tokens", .no_model = true };
    const char *text;

    while (base.len > 0 && base.ptr[base.len - 1] == '/')
        base.len--;
    BTZ_TRY(btz_buf_add_slice(&url, base));
    /* A whole URL, as the portal shows it, is taken as it is. */
    if (!btz_slice_has(base, "/chat/completions")) {
        BTZ_TRY(btz_buf_add_str(&url, "/openai/deployments/"));
        BTZ_TRY(btz_percent_encode(btz_str(conf->model), &url));
        BTZ_TRY(btz_buf_add_str(&url, "/chat/completions"));
    }
    if (!btz_slice_has(base, "api-version=")) {
        BTZ_TRY(btz_buf_add_str(&url, "?api-version="));
        BTZ_TRY(btz_percent_encode(
            btz_str(conf->api_version && *conf->api_version ? conf->api_version : "2024-10-21"),
            &url));
    }
    BTZ_TRY(btz_buf_cstr(&url, &text));
    style.url = btz_arena_str(arena, btz_str(text));
    if (conf->key && *conf->key)
        style.auth = (struct btz_http_header){ "api-key", conf->key };
    return btz_chat_request(conf, &style, messages, count, arena, out);
}

static void parse(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                  const struct btz_slice *events, size_t event_count, struct btz_arena *arena,
                  struct btz_reply *out)
{
    btz_reply_parse_json(&btz_chat_dialect, conf, reply, events, event_count, arena, out);
}

const struct btz_preset btz_preset_azure = {
    .id = "azure",
    .title = "Azure OpenAI; `model` is the deployment",
    .needs = BTZ_TARGET_NEEDS_URL | BTZ_TARGET_NEEDS_KEY | BTZ_TARGET_NEEDS_MODEL,
    .request = request,
    .parse = parse,
};
