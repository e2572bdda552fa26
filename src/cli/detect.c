#include "cli/detect.h"

#include "base/json.h"
#include "http/http.h"

#define REPLY_MAX ((size_t)1 << 20)

struct fetch {
    json_t *body;
};

static void on_done(void *user, const struct btz_http_reply *reply)
{
    struct fetch *f = user;

    if (reply->err != BTZ_OK || reply->status != 200 ||
        btz_json_parse(reply->body, REPLY_MAX, "reply", &f->body) != BTZ_OK)
        f->body = NULL;
}

/* The JSON at an address of this machine, or NULL. */
static json_t *get_json(unsigned port, const char *path)
{
    const struct btz_http_opts opts = { .connect_timeout_ms = 500,
                                        .request_timeout_ms = 2000,
                                        .total_timeout_ms = 2000,
                                        .max_body = REPLY_MAX,
                                        .http1_only = true };
    struct fetch f = { .body = NULL };
    struct btz_http_request request = {
        .method = "GET", .stream = BTZ_HTTP_WHOLE, .no_retry = true, .user = &f, .on_done = on_done
    };
    struct btz_http *http;
    char url[128];

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    request.url = url;
    if (btz_http_new(&opts, &http) != BTZ_OK)
        return NULL;
    if (btz_http_submit(http, &request) != BTZ_OK || btz_http_run(http, 5000, NULL) != BTZ_OK)
        btz_json_drop(&f.body);
    btz_http_free(http);
    return f.body;
}

static const char *keep(struct btz_arena *arena, const json_t *text)
{
    return json_is_string(text) ? btz_arena_str(arena, btz_str(json_string_value(text))) : NULL;
}

bool btz_detect_ollama(unsigned port, struct btz_arena *arena, struct btz_detected *out)
{
    /* GET /api/tags: {"models":[{"name":"llama3:8b",...}]} */
    BTZ_JSON json_t *tags = get_json(port, "/api/tags");
    const json_t *models = json_object_get(tags, "models");

    if (!json_is_array(models))
        return false;
    out->preset = "ollama";
    out->url = btz_arena_printf(arena, "http://127.0.0.1:%u", port);
    out->model = keep(arena, json_object_get(json_array_get(models, 0), "name"));
    return out->url != NULL;
}

bool btz_detect_llamacpp(unsigned port, struct btz_arena *arena, struct btz_detected *out)
{
    /* GET /v1/models: {"object":"list","data":[{"id":"...","owned_by":"llamacpp",...}]} */
    BTZ_JSON json_t *reply = get_json(port, "/v1/models");
    const json_t *model = json_array_get(json_object_get(reply, "data"), 0);
    const char *owner = json_string_value(json_object_get(model, "owned_by"));

    /* Port 8080 is everybody's: only what says that it is llama.cpp is taken for it. */
    if (!owner || strcmp(owner, "llamacpp") != 0)
        return false;
    out->preset = "llamacpp";
    out->url = btz_arena_printf(arena, "http://127.0.0.1:%u", port);
    out->model = keep(arena, json_object_get(model, "id"));
    return out->url != NULL;
}

bool btz_cli_detect(struct btz_arena *arena, struct btz_detected *out)
{
    return btz_detect_ollama(11434, arena, out) || btz_detect_llamacpp(8080, arena, out);
}
