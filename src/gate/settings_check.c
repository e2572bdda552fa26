/* What the tables of settings.c cannot say. */
#include "gate/gate.h"

#include <limits.h>

#include "base/yaml.h"

#define TEXTS_MAX 64
#define NAMES_MAX 64

static bool is_label(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n <= 40 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool has_bad_bytes(const char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text <= ' ' || (uint8_t)*text >= 127 || strchr("\"\\${};'", *text))
            return true;
    return false;
}

static const struct btz_upstream_conf *upstream_of(const struct btz_gate_conf *conf,
                                                   const char *name)
{
    const struct btz_upstream_conf *upstreams = conf->upstreams.items;

    for (size_t i = 0; i < conf->upstreams.count; i++)
        if (strcmp(upstreams[i].name, name) == 0)
            return &upstreams[i];
    return NULL;
}

static enum btz_err check_named(const struct btz_gate_conf *conf, const char *what,
                                const char *which, const char *name)
{
    const struct btz_upstream_conf *upstreams = conf->upstreams.items;
    const char *names[NAMES_MAX], *near;
    size_t count = 0;

    if (upstream_of(conf, name))
        return BTZ_OK;
    for (; count < conf->upstreams.count && count < NAMES_MAX; count++)
        names[count] = upstreams[count].name;
    near = btz_nearest(name, names, count);
    return btz_fail(BTZ_USAGE,
                    "gate: %s %.60s names the upstream \"%.60s\", which is not among `upstreams`"
                    "%s%s%s",
                    what, which, name, near ? "; did you mean `" : "", near ? near : "",
                    near ? "`?" : "");
}

static enum btz_err check_url(const struct btz_upstream_conf *u)
{
    const char *rest = strncmp(u->url, "https://", 8) == 0  ? u->url + 8
                       : strncmp(u->url, "http://", 7) == 0 ? u->url + 7
                                                            : NULL;
    size_t host = rest ? strcspn(rest, "/") : 0;

    if (!rest || host == 0 || has_bad_bytes(u->url) || memchr(rest, '@', host) ||
        strpbrk(rest, "?#") || strstr(rest, "//") || strstr(rest, "/.") || strlen(u->url) > 1000)
        return btz_fail(BTZ_USAGE,
                        "gate: upstream %s: `url` must be http:// or https:// with a host, perhaps "
                        "a port and a path, found \"%.100s\"",
                        u->name, u->url);
    if (u->root[0] && (u->root[0] != '/' || u->root[strlen(u->root) - 1] == '/' ||
                       has_bad_bytes(u->root) || strpbrk(u->root, "?#") || strstr(u->root, "//") ||
                       strstr(u->root, "/.") || strlen(u->root) > 200))
        return btz_fail(
            BTZ_USAGE,
            "gate: upstream %s: `root` must be a path such as /v1beta/openai, or empty, "
            "found \"%.100s\"",
            u->name, u->root);
    return BTZ_OK;
}

static enum btz_err check_upstreams(const struct btz_gate_conf *conf)
{
    const struct btz_upstream_conf *upstreams = conf->upstreams.items;

    for (size_t i = 0; i < conf->upstreams.count; i++) {
        const struct btz_conf_pair *headers = upstreams[i].headers.items;

        if (!is_label(upstreams[i].name))
            return btz_fail(BTZ_USAGE,
                            "gate: an upstream's name is a-z, 0-9 and -, at most 40 characters, "
                            "found \"%.60s\"",
                            upstreams[i].name);
        BTZ_TRY(check_url(&upstreams[i]));
        if (strpbrk(upstreams[i].credential, "\r\n"))
            return btz_fail(BTZ_USAGE, "gate: upstream %s: `credential` holds a line end",
                            upstreams[i].name);
        for (size_t k = 0; k < upstreams[i].headers.count; k++)
            if (has_bad_bytes(headers[k].name) || strpbrk(headers[k].value, "\r\n\"\\$"))
                return btz_fail(BTZ_USAGE, "gate: upstream %s: header \"%.60s\" cannot be sent",
                                upstreams[i].name, headers[k].name);
    }
    return BTZ_OK;
}

static enum btz_err check_models(const struct btz_gate_conf *conf)
{
    const struct btz_model_conf *models = conf->models.items;

    for (size_t i = 0; i < conf->models.count; i++) {
        const struct btz_served_conf *served = models[i].upstreams.items;

        if (models[i].upstreams.count == 0 && conf->upstreams.count != 1)
            return btz_fail(
                BTZ_USAGE, "gate: model %.60s: say by `upstreams` which of the upstreams serves it",
                models[i].name);
        for (size_t k = 0; k < models[i].upstreams.count; k++)
            BTZ_TRY(check_named(conf, "model", models[i].name, served[k].upstream));
    }
    if (conf->models.count == 0 && conf->upstreams.count > 1)
        return btz_fail(BTZ_USAGE,
                        "gate: with several upstreams `models` has to say which serves what");
    return BTZ_OK;
}

/* RFC 6901, with stars. */
static enum btz_err check_texts(const struct btz_route_conf *route)
{
    const char *const *texts = route->texts.items;

    if (route->texts.count > TEXTS_MAX)
        return btz_fail(BTZ_USAGE, "gate: route %.100s: more than %d `texts`", route->path,
                        TEXTS_MAX);
    for (size_t i = 0; i < route->texts.count; i++)
        if (texts[i][0] != '/')
            return btz_fail(BTZ_USAGE,
                            "gate: route %.100s: texts: expected a JSON pointer such as "
                            "/choices/*/text, found \"%.60s\"",
                            route->path, texts[i]);
    return BTZ_OK;
}

static enum btz_err check_routes(const struct btz_gate_conf *conf)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD" };
    const struct btz_route_conf *routes = conf->routes.items;
    const struct btz_mcp_conf *servers = conf->mcp.items;

    for (size_t i = 0; i < conf->routes.count; i++) {
        const char *const *given = routes[i].methods.items;

        BTZ_TRY(check_named(conf, "route", routes[i].path, routes[i].upstream));
        if (routes[i].path[0] != '/' || has_bad_bytes(routes[i].path) ||
            strcmp(routes[i].path, "/") == 0 || strstr(routes[i].path, "//") ||
            strstr(routes[i].path, "/."))
            return btz_fail(BTZ_USAGE, "gate: route \"%.100s\": expected a plain path",
                            routes[i].path);
        if (btz_action_find(routes[i].action) < 0)
            return btz_fail(BTZ_USAGE,
                            "gate: route %.100s: there is no action \"%.60s\" (`bartizan access "
                            "action list`)",
                            routes[i].path, routes[i].action);
        for (size_t k = 0; k < routes[i].methods.count; k++)
            if (!btz_nearest(given[k], methods, BTZ_COUNT(methods)) ||
                strcmp(btz_nearest(given[k], methods, BTZ_COUNT(methods)), given[k]) != 0)
                return btz_fail(BTZ_USAGE, "gate: route %.100s: \"%.20s\" is no method",
                                routes[i].path, given[k]);
        BTZ_TRY(check_texts(&routes[i]));
    }
    for (size_t i = 0; i < conf->mcp.count; i++) {
        BTZ_TRY(check_named(conf, "mcp server", servers[i].name, servers[i].upstream));
        if (!is_label(servers[i].name))
            return btz_fail(BTZ_USAGE, "gate: mcp: a name is a-z, 0-9 and -, found \"%.60s\"",
                            servers[i].name);
        if (servers[i].path[0] != '/' || has_bad_bytes(servers[i].path))
            return btz_fail(BTZ_USAGE, "gate: mcp %s: `path` must be a plain path",
                            servers[i].name);
    }
    return BTZ_OK;
}

/* Routes with answers that a schema can be about. */
static enum btz_err check_schemas(const struct btz_gate_conf *conf)
{
    static const char *const routes[] = { "chat", "responses", "messages", "ollama-chat",
                                          "ollama-generate" };
    const struct btz_guard_schema_conf *s = conf->guard.schemas.items;

    for (size_t i = 0; i < conf->guard.schemas.count; i++) {
        const char *near = s[i].route[0] ? btz_nearest(s[i].route, routes, BTZ_COUNT(routes)) : "";

        if (!near || strcmp(near, s[i].route) != 0)
            return btz_fail(BTZ_USAGE,
                            "gate: guard: schemas: route \"%.40s\": known are chat, responses, "
                            "messages, ollama-chat and ollama-generate",
                            s[i].route);
    }
    return BTZ_OK;
}

static bool is_web_address(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

/* A topic without words would look as if it were guarded. */
static enum btz_err check_topics(const struct btz_gate_conf *conf)
{
    const struct btz_guard_topic_conf *topics = conf->guard.topics.items;

    for (size_t i = 0; i < conf->guard.topics.count; i++)
        if (topics[i].words.count == 0)
            return btz_fail(BTZ_USAGE,
                            "gate: guard: topic %.60s has no `words`: nothing would be found",
                            topics[i].name);
    return BTZ_OK;
}

enum btz_err btz_gate_conf_check(const struct btz_gate_conf *conf)
{
    const struct btz_guard_rule_conf *rules = conf->guard.rules.items;
    struct btz_redis_address shared;

    BTZ_TRY(check_upstreams(conf));
    BTZ_TRY(check_models(conf));
    BTZ_TRY(check_routes(conf));
    BTZ_TRY(check_schemas(conf));
    BTZ_TRY(check_topics(conf));
    if (conf->otlp[0] && !is_web_address(conf->otlp))
        return btz_fail(BTZ_USAGE,
                        "gate: otlp: expected http:// or https:// with a host, found \"%.100s\"",
                        conf->otlp);
    if (conf->shared_limits[0])
        BTZ_TRY(btz_redis_address_parse(conf->shared_limits, &shared));
    for (size_t i = 0; i < conf->guard.rules.count; i++)
        if ((rules[i].action == BTZ_GUARD_ROUTE) != (rules[i].route[0] != '\0'))
            return btz_fail(BTZ_USAGE,
                            "gate: guard: the action route needs `route`, and only that one does");
    return BTZ_OK;
}

/* ---- the section alone ---------------------------------------------------------------------------------------------- */

static const struct btz_yaml empty = { .kind = BTZ_YAML_MAP, .line = 1 };

static const char *state_of(const struct btz_yaml *root, const char *file,
                            const struct btz_conf_env *env, struct btz_arena *arena)
{
    static const struct btz_conf_key keys[] = {
        { .name = "state", .kind = BTZ_CONF_STRING, .fallback = ".bartizan" }
    };
    static const struct btz_conf_struct of = { "", sizeof(const char *), keys, 1 };
    const struct btz_yaml *node = btz_yaml_get(root, "state");
    struct btz_yaml alone, map = empty;
    const char *given, *slash = strrchr(file, '/');

    if (node) {
        alone = *node;
        alone.next = NULL;
        map.first = &alone;
    }
    if (btz_conf_load(&map, &of, file, env, arena, &given) != BTZ_OK)
        return NULL;
    if (given[0] == '/' || !slash)
        return given;
    return btz_arena_printf(arena, "%.*s/%s", (int)(slash - file), file, given);
}

/* Schemas lie beside the settings. */
static enum btz_err place_schemas(const struct btz_guard_conf *guard, const char *file,
                                  struct btz_arena *arena)
{
    struct btz_guard_schema_conf *s = (struct btz_guard_schema_conf *)guard->schemas.items;
    const char *slash = strrchr(file, '/');

    for (size_t i = 0; slash && i < guard->schemas.count; i++) {
        if (s[i].file[0] == '/')
            continue;
        s[i].file = btz_arena_printf(arena, "%.*s/%s", (int)(slash - file), file, s[i].file);
        if (!s[i].file)
            return BTZ_LIMIT;
    }
    return BTZ_OK;
}

enum btz_err btz_gate_guard_check(const struct btz_guard_conf *conf, const char *yaml,
                                  struct btz_arena *arena)
{
    struct btz_guard_conf placed = *conf;
    struct btz_guard_schema_conf *schemas =
        btz_arena_array(arena, conf->schemas.count, sizeof *schemas);
    struct btz_guard *guard;

    if (!schemas && conf->schemas.count > 0)
        return BTZ_LIMIT;
    for (size_t i = 0; i < conf->schemas.count; i++)
        schemas[i] = ((const struct btz_guard_schema_conf *)conf->schemas.items)[i];
    placed.schemas.items = schemas;
    BTZ_TRY(place_schemas(&placed, yaml, arena));
    BTZ_TRY(btz_guard_new(&placed, &guard));
    btz_guard_free(guard);
    return BTZ_OK;
}

enum btz_err btz_gate_conf_load(const char *yaml, const struct btz_conf_env *env,
                                struct btz_arena *arena, struct btz_gate_conf **out,
                                const char **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)8 << 20);
    struct btz_gate_conf *conf = btz_arena_alloc(arena, sizeof *conf);
    const struct btz_yaml *root, *section;

    if (!conf)
        return BTZ_LIMIT;
    BTZ_TRY(btz_file_read(yaml, (size_t)4 << 20, &text));
    BTZ_TRY(btz_yaml_parse(btz_buf_slice(&text), yaml, arena, &root));
    section = btz_yaml_get(root, "gate");
    BTZ_TRY(
        btz_conf_load(section ? section : &empty, &btz_gate_conf_struct, yaml, env, arena, conf));
    BTZ_TRY(btz_gate_conf_check(conf));
    BTZ_TRY(place_schemas(&conf->guard, yaml, arena));
    *state = state_of(root, yaml, env, arena);
    if (!*state)
        return BTZ_USAGE;
    *out = conf;
    return BTZ_OK;
}
