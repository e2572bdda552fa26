/* https://platform.openai.com/docs/api-reference/chat, and every server that calls itself compatible. */
#include "redteam/target.h"

static const char vendor[] = "https://api.openai.com/v1";

static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    const char *base = conf->url ? conf->url : vendor;
    bool at_vendor = btz_slice_has_prefix(btz_str(base), btz_str("https://api.openai.com/"));
    struct btz_chat_style style = {
        .url = btz_target_url(arena, base, "/chat/completions"),
        /* The vendor's newer models refuse max_tokens; other servers know only that. */
        .max_tokens = at_vendor ? "max_completion_tokens" : "max_tokens",
        .usage_in_stream = at_vendor,
    };

    BTZ_TRY(btz_bearer(conf, arena, &style.auth));
    return btz_chat_request(conf, &style, messages, count, arena, out);
}

static void parse(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                  const struct btz_slice *events, size_t event_count, struct btz_arena *arena,
                  struct btz_reply *out)
{
    btz_reply_parse_json(&btz_chat_dialect, conf, reply, events, event_count, arena, out);
}

const struct btz_preset btz_preset_openai = {
    .id = "openai",
    .title = "OpenAI chat completions, and servers compatible with it",
    .default_url = vendor,
    .needs = BTZ_TARGET_NEEDS_MODEL | BTZ_TARGET_NEEDS_KEY,
    .request = request,
    .parse = parse,
};
