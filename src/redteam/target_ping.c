/* One harmless prompt, and everything it shows of the target. */
#include "redteam/target_open.h"

struct ping {
    struct btz_ping *out;
    struct btz_arena *arena;
    enum btz_err err;
    bool done;
};

static const char *copy(struct ping *p, const char *text)
{
    const char *kept = text ? btz_arena_str(p->arena, btz_str(text)) : NULL;

    if (text && !kept)
        p->err = BTZ_LIMIT;
    return kept;
}

/* The name a target gives its model stands at the same place in most APIs. */
static void find_model(struct ping *p, struct btz_slice json)
{
    BTZ_BUF_RELEASE struct btz_buf printable = BTZ_BUF(65536);
    BTZ_JSON json_t *root = NULL;
    struct btz_slice model;
    const char *text;

    if (p->out->model || btz_reply_json(json, "reply", &root) != BTZ_OK)
        return;
    if (!btz_json_get_text(root, "model", &model) &&
        !btz_json_get_text(json_object_get(root, "message"), "model", &model) &&
        !btz_json_get_text(json_object_get(root, "response"), "model", &model))
        return;
    if (btz_utf8_printable(btz_slice_sub(model, 0, 200), false, &printable) == BTZ_OK &&
        btz_buf_cstr(&printable, &text) == BTZ_OK)
        p->out->model = copy(p, text);
}

static void on_http(void *user, const struct btz_http_reply *reply, const struct btz_slice *events,
                    size_t count)
{
    struct ping *p = user;

    p->out->http_version = reply->http_version;
    p->out->tls_version = copy(p, reply->tls_version);
    p->out->streamed = count > 0;
    p->out->events = count;
    p->out->first_byte_seconds = reply->first_byte_seconds;
    for (size_t i = 0; i < count && i < 4; i++)
        find_model(p, events[i]);
    if (count == 0)
        find_model(p, reply->body);
}

static void on_reply(void *user, const struct btz_reply *reply)
{
    struct ping *p = user;

    p->done = true;
    p->out->reply = *reply;
    p->out->reply.detail = copy(p, reply->detail);
    if (btz_arena_copy(p->arena, reply->text, &p->out->reply.text) != BTZ_OK ||
        btz_arena_copy(p->arena, reply->reasoning, &p->out->reply.reasoning) != BTZ_OK)
        p->err = BTZ_LIMIT;
}

/* The URL of the request, without what may hold a key. */
static enum btz_err note_url(struct btz_target *t, const struct btz_message *hello, struct ping *p)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_http_request request;
    struct btz_slice url;
    size_t end = 0, at;

    btz_arena_init(&arena, BTZ_TARGET_ARENA);
    if (!t->preset->request)
        return BTZ_OK;
    BTZ_TRY(t->preset->request(&t->conf, hello, 1, &arena, &request));
    url = btz_str(request.url);
    while (end < url.len && url.ptr[end] != '?' && url.ptr[end] != '#')
        end++;
    url = btz_slice_sub(url, 0, end);
    at = btz_slice_find(url, btz_str("@"), 0);
    if (at != SIZE_MAX && at < btz_slice_find(url, btz_str("/"), 8)) {
        p->out->url = btz_arena_printf(p->arena, "%s://%.*s",
                                       url.ptr[4] == 's' || url.ptr[4] == 'S' ? "https" : "http",
                                       BTZ_SLICE_ARG(btz_slice_sub(url, at + 1, url.len)));
        return p->out->url ? BTZ_OK : BTZ_LIMIT;
    }
    p->out->url = btz_arena_str(p->arena, url);
    return p->out->url ? BTZ_OK : BTZ_LIMIT;
}

static const char *advise(const struct btz_target *t, const struct btz_ping *out)
{
    const struct btz_reply *r = &out->reply;
    bool has_path = out->url && strstr(out->url, "/v1/");

    if (r->kind == BTZ_REPLY_TEXT)
        return t->conf.stream && !out->streamed
                   ? "stream is true, yet the answer came in one piece; the target does not stream"
                   : NULL;
    if (r->kind == BTZ_REPLY_BLOCKED)
        return "a content filter stops even a greeting; ask the owner of the filter";
    if (r->kind == BTZ_REPLY_EMPTY)
        return r->reasoning.len > 0
                   ? "only reasoning came; raise max_tokens so that an answer follows"
               : t->conf.select && *t->conf.select
                   ? "the answer is empty; check that select points to the words"
                   : "the answer is empty; check model and max_tokens";
    if (r->http_status == 401 || r->http_status == 403)
        return t->conf.key ? "the key is refused: is it complete, current and of this account?"
                           : "set key, such as key: ${API_KEY}";
    if (r->http_status == 404 && !has_path && strcmp(t->preset->id, "openai") == 0)
        return "the base URL of compatible servers usually ends in /v1";
    if (r->http_status == 404)
        return "check that url is the base URL of the API and that model exists there";
    if (r->http_status == 429)
        return "lower rate and concurrency, or raise the quota at the provider";
    if (r->http_status == 0 && out->url)
        return "nothing answered at this URL; check host, port, proxy and TLS settings";
    if (r->http_status >= 500)
        return "the server failed; its own log says more";
    if (r->http_status >= 200 && r->http_status <= 299)
        return "the answer is not of the form that this preset expects; check preset, url and "
               "select";
    if (t->preset->needs & BTZ_TARGET_NEEDS_COMMAND)
        return "run the command by hand with some words on its standard input";
    return "check the configuration of this target";
}

enum btz_err btz_target_ping(const struct btz_target_conf *conf, struct btz_log *log,
                             struct btz_arena *arena, const volatile int *stop,
                             struct btz_ping *out)
{
    static const char words[] = "Please answer with one short, friendly sentence.";
    const struct btz_message hello = { .role = BTZ_ROLE_USER,
                                       .text = btz_slice_of(words, sizeof words - 1) };
    struct btz_ping result = { .reply = { .kind = BTZ_REPLY_ERROR, .detail = "interrupted" } };
    struct ping p = { .out = &result, .arena = arena };
    struct btz_target *t;
    enum btz_err err;

    BTZ_TRY(btz_target_open(conf, 0, log, &t));
    t->watch = on_http;
    t->watch_user = &p;
    err = note_url(t, &hello, &p);
    if (err == BTZ_OK)
        err = btz_target_submit(t, &hello, 1, on_reply, &p);
    if (err == BTZ_OK)
        err = btz_target_run(t, -1, stop);
    if (err == BTZ_OK && p.done)
        result.advice = advise(t, &result);
    btz_target_close(t);
    BTZ_TRY(err);
    BTZ_TRY(p.err);
    *out = result;
    return BTZ_OK;
}
