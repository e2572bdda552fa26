/* Any HTTP endpoint: the user writes URL, headers and body, and says where the reply stands. */
#include <strings.h>

#include "redteam/target.h"

static const char *configured_type(const struct btz_target_conf *conf)
{
    const struct btz_conf_pair *pairs = conf->headers.items;

    for (size_t i = 0; i < conf->headers.count; i++)
        if (strcasecmp(pairs[i].name, "content-type") == 0)
            return pairs[i].value;
    return NULL;
}

static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF((size_t)1 << 20), body = BTZ_BUF((size_t)64 << 20);
    const char *type = configured_type(conf), *text;
    struct btz_slice template = btz_slice_trim(btz_str(conf->body));
    /* Without a word about it, a body is JSON: that is what such endpoints take. */
    struct btz_http_header own = { template.len > 0 ? "Content-Type" : NULL, "application/json" };

    *out = (struct btz_http_request){ .stream = BTZ_HTTP_DETECT };
    out->method = conf->method && *conf->method ? conf->method : "POST";
    BTZ_TRY(btz_target_fill(btz_str(conf->url), BTZ_ESCAPE_FORM, conf, messages, count, &url));
    BTZ_TRY(btz_target_fill(btz_str(conf->body), type ? btz_escape_for(type) : BTZ_ESCAPE_JSON,
                            conf, messages, count, &body));
    BTZ_TRY(btz_buf_cstr(&url, &text));
    out->url = btz_arena_str(arena, btz_str(text));
    if (!out->url)
        return BTZ_LIMIT;
    BTZ_TRY(btz_target_headers(conf, &own, 1, arena, out));
    return btz_arena_copy(arena, btz_buf_slice(&body), &out->body);
}

const struct btz_preset btz_preset_http = {
    .id = "http",
    .title = "Any HTTP endpoint, by a template",
    .needs = BTZ_TARGET_NEEDS_URL | BTZ_TARGET_NEEDS_BODY,
    .request = request,
    .parse = btz_reply_parse_select,
};
