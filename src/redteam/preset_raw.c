/* An HTTP request as an intercepting proxy saves it, with {{prompt}} put where the words stood. */
#include "redteam/target.h"

/* Scheme, host and port of a URL. */
static struct btz_slice origin_of(const char *url)
{
    struct btz_slice s = btz_str(url);
    size_t host = btz_slice_find(s, btz_str("://"), 0);
    size_t end = host == SIZE_MAX ? SIZE_MAX : btz_slice_find(s, btz_str("/"), host + 3);

    return btz_slice_sub(s, 0, end);
}

static enum btz_err build_url(const struct btz_target_conf *conf, const struct btz_raw_request *raw,
                              const struct btz_message *messages, size_t count,
                              struct btz_arena *arena, const char **out)
{
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF((size_t)1 << 20);

    if (raw->target.ptr[0] == '/') {
        if (conf->url && *conf->url)
            BTZ_TRY(btz_buf_add_slice(&url, origin_of(conf->url)));
        else if (raw->host)
            BTZ_TRY(btz_buf_printf(&url, "https://%s", raw->host));
        else
            return btz_fail(BTZ_USAGE,
                            "request_file: no Host header; set url to say where it goes");
    }
    BTZ_TRY(btz_target_fill(raw->target, BTZ_ESCAPE_FORM, conf, messages, count, &url));
    *out = btz_arena_str(arena, btz_buf_slice(&url));
    return *out ? BTZ_OK : BTZ_LIMIT;
}

/* `conf->body` holds the text of the file, read when the target was opened. */
static enum btz_err request(const struct btz_target_conf *conf, const struct btz_message *messages,
                            size_t count, struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF((size_t)64 << 20);
    struct btz_raw_request raw;

    BTZ_TRY(btz_raw_request_parse(btz_str(conf->body), arena, &raw));
    *out = (struct btz_http_request){ .stream = BTZ_HTTP_DETECT };
    out->method = btz_arena_str(arena, raw.method);
    if (!out->method)
        return BTZ_LIMIT;
    BTZ_TRY(build_url(conf, &raw, messages, count, arena, &out->url));
    for (size_t i = 0; i < raw.header_count; i++) {
        BTZ_BUF_RELEASE struct btz_buf value = BTZ_BUF((size_t)1 << 20);

        /* The key may stand in a header, words may not: they hold line breaks. */
        BTZ_TRY(
            btz_target_fill(btz_str(raw.headers[i].value), BTZ_ESCAPE_NONE, conf, NULL, 0, &value));
        raw.headers[i].value = btz_arena_str(arena, btz_buf_slice(&value));
        if (!raw.headers[i].value)
            return BTZ_LIMIT;
    }
    BTZ_TRY(btz_target_headers(conf, raw.headers, raw.header_count, arena, out));
    BTZ_TRY(btz_target_fill(raw.body, raw.escape, conf, messages, count, &body));
    return btz_arena_copy(arena, btz_buf_slice(&body), &out->body);
}

const struct btz_preset btz_preset_raw = {
    .id = "raw",
    .title = "A request saved by a proxy",
    .needs = BTZ_TARGET_NEEDS_FILE,
    .request = request,
    .parse = btz_reply_parse_select,
};
