/* Targets: a configuration, a preset and the way to reach it. */
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "http/jsonpath.h"
#include "redteam/target_open.h"

#define REQUEST_FILE_MAX ((size_t)1 << 20)

/* ---- checks ---- */

#define COMPLAIN(conf, ...)                                                                        \
    (btz_error_set(__VA_ARGS__),                                                                   \
     btz_fail_context(BTZ_USAGE, "target %s", (conf)->name ? (conf)->name : "?"))

static bool is_set(const char *text)
{
    return text && *text;
}

const struct btz_preset *btz_preset_find(const char *id)
{
    for (size_t i = 0; btz_presets[i]; i++)
        if (strcmp(btz_presets[i]->id, id) == 0)
            return btz_presets[i];
    return NULL;
}

static enum btz_err unknown_preset(const struct btz_target_conf *conf, const char *id)
{
    const char *names[64], *nearest;
    size_t count = 0;

    for (; btz_presets[count] && count < BTZ_COUNT(names); count++)
        names[count] = btz_presets[count]->id;
    nearest = btz_nearest(id, names, count);
    if (nearest)
        return COMPLAIN(conf, "unknown preset \"%s\"; did you mean \"%s\"?", id, nearest);
    return COMPLAIN(conf, "unknown preset \"%s\"; `bartizan redteam list --kind presets` has all",
                    id);
}

static bool has_credential(const struct btz_target_conf *conf)
{
    static const char *const names[] = { "authorization", "api-key", "x-api-key", "cookie" };
    const struct btz_conf_pair *pairs = conf->headers.items;

    for (size_t i = 0; i < conf->headers.count; i++)
        for (size_t k = 0; k < BTZ_COUNT(names); k++)
            if (strcasecmp(pairs[i].name, names[k]) == 0)
                return true;
    return is_set(conf->key);
}

static enum btz_err check_url(const struct btz_target_conf *conf, const char *key, const char *url)
{
    if (is_set(url) && strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return COMPLAIN(conf, "%s: expected http:// or https:// in front, found \"%.60s\"", key,
                        url);
    return BTZ_OK;
}

static enum btz_err check_needs(const struct btz_target_conf *conf, const struct btz_preset *preset)
{
    unsigned needs = preset->needs;

    if ((needs & BTZ_TARGET_NEEDS_URL) && !is_set(conf->url))
        return COMPLAIN(conf, "preset %s needs url", preset->id);
    if ((needs & BTZ_TARGET_NEEDS_MODEL) && !is_set(conf->model))
        return COMPLAIN(conf, "preset %s needs model", preset->id);
    /* A server of one's own that speaks a vendor's language often asks for no key. */
    if ((needs & BTZ_TARGET_NEEDS_KEY) && !has_credential(conf) &&
        !(preset->default_url && is_set(conf->url)))
        return COMPLAIN(conf, "preset %s needs key, such as key: ${API_KEY}", preset->id);
    if ((needs & BTZ_TARGET_NEEDS_BODY) && !btz_target_has_place(conf->body) &&
        !btz_target_has_place(conf->url))
        return COMPLAIN(conf,
                        "preset %s needs a body (or url) with {{prompt}} or {{messages}} in it",
                        preset->id);
    if ((needs & BTZ_TARGET_NEEDS_COMMAND) && conf->command.count == 0)
        return COMPLAIN(conf, "preset %s needs command, such as command: [python3, ask.py]",
                        preset->id);
    if ((needs & BTZ_TARGET_NEEDS_FILE) && !is_set(conf->request_file))
        return COMPLAIN(conf, "preset %s needs request_file", preset->id);
    return BTZ_OK;
}

/* Bodies for http are filled once with harmless words: a quote forgotten around a place shows now, not after
 * thousands of requests. */
static enum btz_err check_trial(const struct btz_target_conf *conf, const struct btz_preset *preset)
{
    static const struct btz_message hello = { .role = BTZ_ROLE_USER,
                                              .text = { (const uint8_t *)"say \"hello\"", 11 } };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_http_request request;
    BTZ_JSON json_t *body = NULL;
    const char *type = NULL;

    btz_arena_init(&arena, BTZ_TARGET_ARENA);
    if (preset->request(conf, &hello, 1, &arena, &request) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "target %s", conf->name ? conf->name : "?");
    for (size_t i = 0; i < request.header_count; i++)
        if (strcasecmp(request.headers[i].name, "content-type") == 0)
            type = request.headers[i].value;
    if (request.body.len > 0 && type && btz_escape_for(type) == BTZ_ESCAPE_JSON &&
        btz_json_parse(request.body, SIZE_MAX, "body", &body) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE,
                                "target %s: the body is not JSON once its places are filled; write "
                                "\"{{prompt}}\" with quotes and {{messages}} without",
                                conf->name ? conf->name : "?");
    return BTZ_OK;
}

static enum btz_err check_conf(const struct btz_target_conf *conf, const struct btz_preset *preset)
{
    BTZ_TRY(check_url(conf, "url", conf->url));
    BTZ_TRY(check_url(conf, "document_url", conf->document_url));
    BTZ_TRY(check_needs(conf, preset));
    if (is_set(conf->document_url) && !strstr(conf->document_url, "{{name}}"))
        return COMPLAIN(conf, "document_url: expected {{name}} in it");
    if (is_set(conf->select)) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_jsonpath path;

        btz_arena_init(&arena, (size_t)1 << 20);
        if (btz_jsonpath_parse(btz_str(conf->select), &arena, &path) != BTZ_OK)
            return btz_fail_context(BTZ_USAGE, "target %s: select", conf->name ? conf->name : "?");
    }
    return BTZ_OK;
}

/* ---- opening ---- */

/* The request of a raw target takes the place of the body, so that it is read once. */
static enum btz_err load_request_file(struct btz_target *t)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(REQUEST_FILE_MAX);
    const char *path = t->conf.request_file;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_raw_request raw;
    char *body, *target;

    btz_arena_init(&arena, (size_t)4 << 20);
    BTZ_TRY(btz_file_read(path, REQUEST_FILE_MAX, &text));
    if (text.len > 0 && memchr(text.ptr, 0, text.len))
        return btz_fail(BTZ_USAGE, "%s: binary; expected a request in plain text", path);
    if (btz_raw_request_parse(btz_buf_slice(&text), &arena, &raw) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "%s", path);
    body = btz_arena_str(&arena, raw.body);
    target = btz_arena_str(&arena, raw.target);
    if (!body || !target)
        return BTZ_LIMIT;
    if (!btz_target_has_place(body) && !btz_target_has_place(target))
        return btz_fail(
            BTZ_USAGE,
            "%s: put {{prompt}} (or {{messages}}) where the words stand, in the body or "
            "in the path",
            path);
    t->request_text = btz_arena_str(&t->arena, btz_buf_slice(&text));
    t->conf.body = t->request_text;
    return t->request_text ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err open_http(struct btz_target *t, uint64_t seed)
{
    const struct btz_target_conf *c = &t->conf;
    int64_t timeout = c->timeout > 0 ? c->timeout : BTZ_TARGET_TIMEOUT_MS, total;
    struct btz_http_opts opts = {
        .max_in_flight = (unsigned)(c->concurrency > 0 ? c->concurrency : 8),
        .rate_per_second = c->rate,
        .max_retries = (unsigned)(c->retries > 0 ? c->retries : 0),
        .max_body = (size_t)(c->max_reply > 0 ? c->max_reply : BTZ_TARGET_MAX_REPLY),
        .ca_file = is_set(c->ca_file) ? c->ca_file : NULL,
        .client_cert = is_set(c->client_cert) ? c->client_cert : NULL,
        .client_key = is_set(c->client_key) ? c->client_key : NULL,
        .proxy = is_set(c->proxy) ? c->proxy : NULL,
        .insecure = c->insecure,
        .seed = seed,
    };

    if (timeout > 86400000)
        timeout = 86400000;
    total = timeout * (opts.max_retries + 1);
    if (total < 600000)
        total = 600000;
    opts.request_timeout_ms = (uint32_t)timeout;
    opts.total_timeout_ms = total > UINT32_MAX ? UINT32_MAX : (uint32_t)total;
    if (timeout < 10000)
        opts.connect_timeout_ms = (uint32_t)timeout;
    if (c->insecure)
        btz_log(t->log, BTZ_LOG_WARN,
                "target %s: certificates are not verified (insecure: true); anybody on the way can "
                "read the key and change replies",
                c->name ? c->name : "?");
    t->http_opts = opts;
    return btz_http_new(&opts, &t->http);
}

static enum btz_err set_up(struct btz_target *t, const struct btz_preset *preset, uint64_t seed)
{
    unsigned threads = (unsigned)(t->conf.concurrency > 0 ? t->conf.concurrency : 8);

    BTZ_TRY(check_conf(&t->conf, preset));
    if (preset->needs & BTZ_TARGET_NEEDS_FILE)
        BTZ_TRY(load_request_file(t));
    if (preset->request) {
        BTZ_TRY(check_trial(&t->conf, preset));
        return open_http(t, seed);
    }
    if (preset->needs & BTZ_TARGET_NEEDS_COMMAND)
        return btz_runner_new(&t->conf, preset, threads > 64 ? 64 : threads, &t->runner);
    return BTZ_OK;
}

enum btz_err btz_target_open(const struct btz_target_conf *conf, uint64_t seed, struct btz_log *log,
                             struct btz_target **out)
{
    const char *id = is_set(conf->preset) ? conf->preset : "openai";
    const struct btz_preset *preset = btz_preset_find(id);
    struct btz_target *t;
    enum btz_err err;

    if (!preset)
        return unknown_preset(conf, id);
    t = calloc(1, sizeof *t);
    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory");
    t->conf = *conf;
    /* An empty word in the file means the same as none. */
    if (!is_set(t->conf.url))
        t->conf.url = NULL;
    t->preset = preset;
    t->log = log;
    btz_arena_init(&t->arena, (size_t)8 << 20);
    err = set_up(t, preset, seed);
    if (err != BTZ_OK) {
        btz_target_close(t);
        return err;
    }
    *out = t;
    return BTZ_OK;
}

void btz_target_close(struct btz_target *t)
{
    if (!t)
        return;
    btz_http_free(t->http);
    btz_runner_free(t->runner);
    btz_http_free(t->documents);
    btz_arena_release(&t->arena);
    free(t);
}

const struct btz_target_conf *btz_target_config(const struct btz_target *t)
{
    return &t->conf;
}

/* ---- conversations ---- */

/* One request under way: its events as they come, end to end, and where each ends. */
struct talk {
    struct btz_target *target;
    void (*on_reply)(void *user, const struct btz_reply *reply);
    void *user;
    struct btz_buf events, ends;
};

static bool on_event(void *user, const struct btz_http_event *event)
{
    struct talk *k = user;

    /* Past the maximum the engine ends the request anyway: it counts the same bytes. */
    return btz_buf_add_slice(&k->events, event->data) == BTZ_OK &&
           btz_buf_add(&k->ends, &k->events.len, sizeof k->events.len) == BTZ_OK;
}

static size_t list_events(const struct talk *k, struct btz_arena *arena,
                          const struct btz_slice **out)
{
    size_t count = k->ends.len / sizeof(size_t), from = 0, end;
    struct btz_slice *events = btz_arena_array(arena, count ? count : 1, sizeof *events);

    *out = events;
    if (!events)
        return 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(&end, k->ends.ptr + i * sizeof end, sizeof end);
        events[i] = btz_slice_of(k->events.ptr ? k->events.ptr + from : NULL, end - from);
        from = end;
    }
    return count;
}

static void on_done(void *user, const struct btz_http_reply *reply)
{
    struct talk *k = user;
    struct btz_target *t = k->target;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_slice *events;
    struct btz_reply out = { .kind = BTZ_REPLY_ERROR };
    size_t count;

    btz_arena_init(&arena, BTZ_TARGET_ARENA);
    count = list_events(k, &arena, &events);
    t->preset->parse(&t->conf, reply, events, count, &arena, &out);
    if (t->watch)
        t->watch(t->watch_user, reply, events, count);
    k->on_reply(k->user, &out);
    btz_buf_release(&k->events);
    btz_buf_release(&k->ends);
    free(k);
}

static enum btz_err submit_http(struct btz_target *t, const struct btz_message *messages,
                                size_t count,
                                void (*on_reply)(void *user, const struct btz_reply *reply),
                                void *user)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_http_request request;
    struct talk *k;
    enum btz_err err;

    btz_arena_init(&arena, BTZ_TARGET_ARENA);
    BTZ_TRY(t->preset->request(&t->conf, messages, count, &arena, &request));
    k = calloc(1, sizeof *k);
    if (!k)
        return btz_fail(BTZ_LIMIT, "out of memory");
    *k = (struct talk){ .target = t, .on_reply = on_reply, .user = user };
    k->events.max = t->http_opts.max_body;
    k->ends.max = SIZE_MAX;
    request.user = k;
    request.on_event = on_event;
    request.on_done = on_done;
    err = btz_http_submit(t->http, &request);
    if (err != BTZ_OK)
        free(k);
    return err;
}

enum btz_err btz_target_submit(struct btz_target *t, const struct btz_message *messages,
                               size_t count,
                               void (*on_reply)(void *user, const struct btz_reply *reply),
                               void *user)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_reply reply;

    btz_arena_init(&arena, BTZ_TARGET_ARENA);
    if (t->http)
        return submit_http(t, messages, count, on_reply, user);
    if (t->runner)
        return btz_runner_submit(t->runner, messages, count, on_reply, user);
    BTZ_TRY(t->preset->run(&t->conf, messages, count, &arena, NULL, &reply));
    on_reply(user, &reply);
    return BTZ_OK;
}

size_t btz_target_pending(const struct btz_target *t)
{
    return t->http ? btz_http_pending(t->http) : t->runner ? btz_runner_pending(t->runner) : 0;
}

enum btz_err btz_target_run(struct btz_target *t, int timeout_ms, const volatile int *stop)
{
    if (t->http)
        return btz_http_run(t->http, timeout_ms, stop);
    return t->runner ? btz_runner_run(t->runner, timeout_ms, stop) : BTZ_OK;
}
