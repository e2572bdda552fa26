/* Which paths there are. Everything else is denied. */
#include "gate/gate.h"

#define INVOKE    "model.invoke", "model/{model}"
#define USE(name) "endpoint.use", "endpoint/" name

const struct btz_route btz_routes[] = {
    { "chat", "POST", "/v1/chat/completions", BTZ_PROTOCOL_CHAT, INVOKE, NULL, NULL },
    { "completions", "POST", "/v1/completions", BTZ_PROTOCOL_COMPLETIONS, INVOKE, NULL, NULL },
    { "responses", "POST", "/v1/responses", BTZ_PROTOCOL_RESPONSES, INVOKE, NULL, NULL },
    { "embeddings", "POST", "/v1/embeddings", BTZ_PROTOCOL_EMBEDDINGS, INVOKE, NULL, NULL },
    { "moderations", "POST", "/v1/moderations", BTZ_PROTOCOL_MODERATIONS, INVOKE, NULL, NULL },
    { "images", "POST", "/v1/images/generations", BTZ_PROTOCOL_IMAGES, INVOKE, NULL, NULL },
    { "images-edit", "POST", "/v1/images/edits", BTZ_PROTOCOL_IMAGES, INVOKE, NULL, NULL },
    { "images-vary", "POST", "/v1/images/variations", BTZ_PROTOCOL_IMAGES, INVOKE, NULL, NULL },
    { "speech", "POST", "/v1/audio/speech", BTZ_PROTOCOL_SPEECH, INVOKE, NULL, NULL },
    { "transcribe", "POST", "/v1/audio/transcriptions", BTZ_PROTOCOL_TRANSCRIBE, INVOKE, NULL,
      NULL },
    { "translate", "POST", "/v1/audio/translations", BTZ_PROTOCOL_TRANSCRIBE, INVOKE, NULL, NULL },
    { "messages", "POST", "/v1/messages", BTZ_PROTOCOL_MESSAGES, INVOKE, NULL, NULL },
    { "count-tokens", "POST", "/v1/messages/count_tokens", BTZ_PROTOCOL_COUNT_TOKENS, INVOKE, NULL,
      NULL },
    { "models", "GET", "/v1/models", BTZ_PROTOCOL_MODELS, "model.list", "model/*", NULL, NULL },
    { "model", "GET", "/v1/models/{id}", BTZ_PROTOCOL_MODELS, "model.list", "model/{id}", NULL,
      NULL },
    /* Each sees his own: exchange_owned.c. */
    { "files-upload", "POST", "/v1/files", BTZ_PROTOCOL_FILES, USE("files"), NULL, NULL },
    { "files", "GET", "/v1/files", BTZ_PROTOCOL_FILES, USE("files"), NULL, NULL },
    { "file", "GET", "/v1/files/{id}", BTZ_PROTOCOL_FILES, USE("files"), NULL, NULL },
    { "file-delete", "DELETE", "/v1/files/{id}", BTZ_PROTOCOL_FILES, USE("files"), NULL, NULL },
    { "file-content", "GET", "/v1/files/{id}/content", BTZ_PROTOCOL_FILES, USE("files"), NULL,
      NULL },
    { "batch-create", "POST", "/v1/batches", BTZ_PROTOCOL_BATCHES, USE("batches"), NULL, NULL },
    { "batches", "GET", "/v1/batches", BTZ_PROTOCOL_BATCHES, USE("batches"), NULL, NULL },
    { "batch", "GET", "/v1/batches/{id}", BTZ_PROTOCOL_BATCHES, USE("batches"), NULL, NULL },
    { "batch-cancel", "POST", "/v1/batches/{id}/cancel", BTZ_PROTOCOL_BATCHES, USE("batches"), NULL,
      NULL },
    { "ollama-chat", "POST", "/api/chat", BTZ_PROTOCOL_OLLAMA_CHAT, INVOKE, NULL, NULL },
    { "ollama-generate", "POST", "/api/generate", BTZ_PROTOCOL_OLLAMA_GENERATE, INVOKE, NULL,
      NULL },
    { "ollama-embed", "POST", "/api/embed", BTZ_PROTOCOL_OLLAMA_EMBED, INVOKE, NULL, NULL },
    { "ollama-embeddings", "POST", "/api/embeddings", BTZ_PROTOCOL_OLLAMA_EMBED, INVOKE, NULL,
      NULL },
    { "ollama-show", "POST", "/api/show", BTZ_PROTOCOL_OLLAMA_TAGS, INVOKE, NULL, NULL },
    { "ollama-tags", "GET", "/api/tags", BTZ_PROTOCOL_OLLAMA_TAGS, "model.list", "model/*", NULL,
      NULL },
    { "ollama-version", "GET", "/api/version", BTZ_PROTOCOL_OLLAMA_TAGS, "model.list", "model/*",
      NULL, NULL },
    { 0 },
};

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '-';
}

/* Only paths that every reader takes apart in the same way. */
static bool is_plain(struct btz_slice path)
{
    if (path.len == 0 || path.len > 1024 || path.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < path.len; i++) {
        bool begins = path.ptr[i] == '/';

        if (!begins && !is_word(path.ptr[i]) && path.ptr[i] != '~' && path.ptr[i] != '@')
            return false;
        if (begins && i + 1 < path.len && (path.ptr[i + 1] == '/' || path.ptr[i + 1] == '.'))
            return false;
    }
    return true;
}

/* "{id}" is one segment. */
static bool fits(const char *shape, struct btz_slice path)
{
    size_t at = 0;

    while (*shape) {
        if (*shape == '{') {
            size_t from = at;

            while (at < path.len && is_word(path.ptr[at]))
                at++;
            if (at == from || at - from > 128)
                return false;
            shape = strchr(shape, '}') + 1;
            continue;
        }
        if (at == path.len || path.ptr[at] != (uint8_t)*shape)
            return false;
        at++;
        shape++;
    }
    return at == path.len;
}

static bool is_among(const struct btz_conf_list *methods, struct btz_slice method)
{
    const char *const *names = methods->items;

    if (methods->count == 0)
        return btz_slice_is(method, "POST");
    for (size_t i = 0; i < methods->count; i++)
        if (btz_slice_is(method, names[i]))
            return true;
    return false;
}

static const struct btz_route *find_mcp(const struct btz_gate_conf *conf, struct btz_slice method,
                                        struct btz_slice path, struct btz_arena *arena)
{
    struct btz_slice name = btz_slice_sub(path, 5, path.len);
    const struct btz_mcp_conf *servers = conf->mcp.items;

    if (!btz_slice_is(method, "POST") && !btz_slice_is(method, "GET") &&
        !btz_slice_is(method, "DELETE"))
        return NULL;
    for (size_t i = 0; i < conf->mcp.count; i++) {
        struct btz_route *r;

        if (!btz_slice_is(name, servers[i].name))
            continue;
        r = btz_arena_alloc(arena, sizeof *r);
        if (!r)
            return NULL;
        *r = (struct btz_route){ .name = "mcp",
                                 .protocol = BTZ_PROTOCOL_MCP,
                                 .action = "endpoint.use",
                                 .mcp = &servers[i] };
        r->path = btz_arena_str(arena, path);
        r->method = btz_arena_str(arena, method);
        r->resource = btz_arena_printf(arena, "endpoint/mcp/%s", servers[i].name);
        return r->path && r->method && r->resource ? r : NULL;
    }
    return NULL;
}

static const struct btz_route *find_declared(const struct btz_gate_conf *conf,
                                             struct btz_slice method, struct btz_slice path,
                                             struct btz_arena *arena)
{
    const struct btz_route_conf *routes = conf->routes.items;

    for (size_t i = 0; i < conf->routes.count; i++) {
        struct btz_slice declared = btz_str(routes[i].path);
        bool below = declared.len > 1 && declared.ptr[declared.len - 1] == '/';
        struct btz_route *r;

        if (!(below ? btz_slice_has_prefix(path, declared) : btz_slice_equal(path, declared)) ||
            !is_among(&routes[i].methods, method))
            continue;
        r = btz_arena_alloc(arena, sizeof *r);
        if (!r)
            return NULL;
        *r = (struct btz_route){ .name = routes[i].path,
                                 .protocol = BTZ_PROTOCOL_PASS,
                                 .action = routes[i].action,
                                 .resource = routes[i].resource,
                                 .declared = &routes[i] };
        r->path = btz_arena_str(arena, path);
        r->method = btz_arena_str(arena, method);
        return r->path && r->method ? r : NULL;
    }
    return NULL;
}

const struct btz_route *btz_route_find(const struct btz_gate_conf *conf, struct btz_slice method,
                                       struct btz_slice path, struct btz_arena *arena)
{
    if (!is_plain(path))
        return NULL;
    for (const struct btz_route *r = btz_routes; r->path; r++)
        if (btz_slice_is(method, r->method) && fits(r->path, path))
            return r;
    if (btz_slice_has_prefix(path, btz_str("/mcp/")))
        return find_mcp(conf, method, path, arena);
    return find_declared(conf, method, path, arena);
}
