/* llama-server of llama.cpp, tools/server/README.md: POST /v1/chat/completions. One model a server, no key by default. */
#include "redteam/target.h"

static const char local[] = "http://127.0.0.1:8080";

static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    const char *base = conf->url ? conf->url : local;
    size_t len = strlen(base);
    bool has_version = len >= 3 && strcmp(base + len - 3, "/v1") == 0;
    struct btz_chat_style style = {
        .url =
            btz_target_url(arena, base, has_version ? "/chat/completions" : "/v1/chat/completions"),
        .max_tokens = "max_tokens",
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

const struct btz_preset btz_preset_llamacpp = {
    .id = "llamacpp",
    .title = "llama-server of llama.cpp",
    .default_url = local,
    .request = request,
    .parse = parse,
};
