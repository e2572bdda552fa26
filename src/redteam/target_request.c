/* Saying a conversation: URLs, headers, messages as JSON or as one text. */
#include <strings.h>

#include "redteam/target.h"

#define REQUEST_MAX ((size_t)64 << 20)

const char *btz_role_name(enum btz_role role)
{
    static const char *const names[] = { "system", "user", "assistant", "tool" };

    return names[role];
}

char *btz_target_url(struct btz_arena *arena, const char *base, const char *path)
{
    size_t len = strlen(base), path_len = strlen(path);

    if (len >= path_len && strcmp(base + len - path_len, path) == 0)
        return btz_arena_str(arena, btz_str(base));
    while (len > 0 && base[len - 1] == '/')
        len--;
    return btz_arena_printf(arena, "%.*s%s", (int)len, base, path);
}

static bool has_header(const struct btz_target_conf *conf, const char *name)
{
    const struct btz_conf_pair *pairs = conf->headers.items;

    for (size_t i = 0; i < conf->headers.count; i++)
        if (strcasecmp(pairs[i].name, name) == 0)
            return true;
    return false;
}

enum btz_err btz_target_headers(const struct btz_target_conf *conf,
                                const struct btz_http_header *own, size_t own_count,
                                struct btz_arena *arena, struct btz_http_request *out)
{
    const struct btz_conf_pair *pairs = conf->headers.items;
    struct btz_http_header *headers =
        btz_arena_array(arena, own_count + conf->headers.count + 1, sizeof *headers);
    size_t count = 0;

    if (!headers)
        return BTZ_LIMIT;
    for (size_t i = 0; i < own_count; i++)
        if (own[i].name && !has_header(conf, own[i].name))
            headers[count++] = own[i];
    for (size_t i = 0; i < conf->headers.count; i++) {
        BTZ_BUF_RELEASE struct btz_buf value = BTZ_BUF((size_t)1 << 16);

        BTZ_TRY(btz_target_fill(btz_str(pairs[i].value), BTZ_ESCAPE_NONE, conf, NULL, 0, &value));
        headers[count].name = pairs[i].name;
        headers[count].value = btz_arena_str(arena, btz_buf_slice(&value));
        if (!headers[count++].value)
            return BTZ_LIMIT;
    }
    out->headers = headers;
    out->header_count = count;
    return BTZ_OK;
}

enum btz_err btz_target_post_json(const struct btz_target_conf *conf, const char *url,
                                  const json_t *body, const struct btz_http_header *auth,
                                  struct btz_arena *arena, struct btz_http_request *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(REQUEST_MAX);
    struct btz_http_header own[] = { { "Content-Type", "application/json" },
                                     { auth ? auth->name : NULL, auth ? auth->value : NULL } };

    if (!url || !body)
        return btz_fail(BTZ_LIMIT, "out of memory for a request");
    BTZ_TRY(btz_json_write(body, false, &text));
    *out = (struct btz_http_request){ .method = "POST", .url = url };
    out->stream = BTZ_HTTP_DETECT; /* some servers stream without being asked */
    BTZ_TRY(btz_target_headers(conf, own, BTZ_COUNT(own), arena, out));
    return btz_arena_copy(arena, btz_buf_slice(&text), &out->body);
}

enum btz_err btz_bearer(const struct btz_target_conf *conf, struct btz_arena *arena,
                        struct btz_http_header *out)
{
    *out = (struct btz_http_header){ 0 };
    if (!conf->key || !*conf->key)
        return BTZ_OK;
    out->name = "Authorization";
    out->value = btz_arena_printf(arena, "Bearer %s", conf->key);
    return out->value ? BTZ_OK : BTZ_LIMIT;
}

/* ---- messages ---- */

enum btz_err btz_json_put(json_t *object, const char *key, json_t *value)
{
    /* Takes the reference even when it fails. */
    if (!value || json_object_set_new(object, key, value) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a request");
    return BTZ_OK;
}

enum btz_err btz_json_append(json_t *array, json_t *value)
{
    if (!value || json_array_append_new(array, value) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a request");
    return BTZ_OK;
}

static enum btz_err add_message(json_t *array, const char *role, struct btz_slice text)
{
    json_t *m = json_object();

    BTZ_TRY(btz_json_append(array, m));
    BTZ_TRY(btz_json_put(m, "role", json_string(role)));
    return btz_json_put(m, "content", btz_json_text(text));
}

/* A result without the call it answers is refused by most servers: say that the assistant had called. */
static enum btz_err add_tool_result(json_t *array, size_t number, struct btz_slice text)
{
    char id[40];
    json_t *m;

    snprintf(id, sizeof id, "call_%zu", number);
    BTZ_TRY(btz_json_append(array, json_pack("{s:s, s:s, s:[{s:s, s:s, s:{s:s, s:s}}]}", "role",
                                             "assistant", "content", "", "tool_calls", "id", id,
                                             "type", "function", "function", "name", "lookup",
                                             "arguments", "{}")));
    m = json_pack("{s:s, s:s}", "role", "tool", "tool_call_id", id);
    BTZ_TRY(btz_json_append(array, m));
    return btz_json_put(m, "content", btz_json_text(text));
}

enum btz_err btz_target_messages(const struct btz_target_conf *conf,
                                 const struct btz_message *messages, size_t count, json_t **out)
{
    BTZ_JSON json_t *array = json_array();

    if (!array)
        return btz_fail(BTZ_LIMIT, "out of memory for a request");
    if (conf->system && *conf->system)
        BTZ_TRY(add_message(array, "system", btz_str(conf->system)));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(messages[i].role == BTZ_ROLE_TOOL
                    ? add_tool_result(array, i, messages[i].text)
                    : add_message(array, btz_role_name(messages[i].role), messages[i].text));
    *out = json_incref(array);
    return BTZ_OK;
}

enum btz_err btz_target_prompt(const struct btz_message *messages, size_t count,
                               struct btz_buf *out)
{
    static const char *const labels[] = { "System", "User", "Assistant", "Tool result" };

    if (count == 1)
        return btz_buf_add_slice(out, messages[0].text);
    for (size_t i = 0; i < count; i++) {
        BTZ_TRY(btz_buf_printf(out, "%s%s: ", i ? "\n\n" : "", labels[messages[i].role]));
        BTZ_TRY(btz_buf_add_slice(out, messages[i].text));
    }
    return BTZ_OK;
}
