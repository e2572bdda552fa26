#include "demo/demo.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <microhttpd.h>

#include "demo/api.h"

#define HANG_MS     60000
#define LATENCY_MAX 600000
#define CALLS_MAX   16384
#define ARENA_MAX   ((size_t)64 << 20) /* body, its copy, and what is read into it */
#define ANSWER_MAX  ((size_t)16 << 20)

/* What a request becomes once it is worked out. */
struct outcome {
    unsigned status;
    const char *content_type;
    bool stream, cut, hang;
    bool retry_later;
    const char *allow;
};

enum phase { READING, WAITING, DUE };

/* One request, from its first line to the end of its answer. */
struct call {
    struct btz_demo *demo;
    struct MHD_Connection *connection;
    struct btz_buf in, out;
    bool too_big;
    enum phase phase;
    struct outcome outcome;
    uint64_t due_ns;
    size_t heap_at; /* in btz_demo.waiting, while WAITING */
};

struct btz_demo {
    struct btz_demo_conf conf;
    char *key;
    char url[64];
    uint16_t port;
    struct MHD_Daemon *daemon;
    struct btz_demo_mind *mind;
    struct btz_demo_shelf *shelf;
    atomic_uint_fast64_t requests, chats, faults, documents, ids;

    /* Calls that wait, as a heap by due time, and the thread that wakes them. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t timer;
    bool timer_runs, stopping;
    struct call **waiting;
    size_t waiting_count, waiting_room;
};

/* ---- waiting ------------------------------------------------------------------------------------- */

static void heap_set(struct btz_demo *d, size_t at, struct call *c)
{
    d->waiting[at] = c;
    c->heap_at = at;
}

static void heap_push(struct btz_demo *d, struct call *c)
{
    size_t at = d->waiting_count++;

    while (at > 0 && d->waiting[(at - 1) / 2]->due_ns > c->due_ns) {
        heap_set(d, at, d->waiting[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(d, at, c);
}

static struct call *heap_pop(struct btz_demo *d)
{
    struct call *top = d->waiting[0], *last = d->waiting[--d->waiting_count];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < d->waiting_count) {
        if (child + 1 < d->waiting_count &&
            d->waiting[child + 1]->due_ns < d->waiting[child]->due_ns)
            child++;
        if (d->waiting[child]->due_ns >= last->due_ns)
            break;
        heap_set(d, at, d->waiting[child]);
        at = child;
    }
    if (d->waiting_count > 0)
        heap_set(d, at, last);
    return top;
}

/* Puts the call to sleep. False when it cannot be: the caller answers at once. */
static bool wait_for(struct call *c, int64_t ms)
{
    struct btz_demo *d = c->demo;
    bool ok = false;

    pthread_mutex_lock(&d->lock);
    if (!d->stopping && d->waiting_count < d->waiting_room) {
        c->phase = WAITING;
        c->due_ns = btz_clock_ns() + (uint64_t)ms * 1000000u;
        MHD_suspend_connection(c->connection);
        heap_push(d, c);
        if (c->heap_at == 0)
            pthread_cond_signal(&d->changed);
        ok = true;
    }
    pthread_mutex_unlock(&d->lock);
    return ok;
}

static void wake(struct call *c)
{
    c->phase = DUE;
    MHD_resume_connection(c->connection);
}

static void *wake_due(void *user)
{
    struct btz_demo *d = user;

    pthread_mutex_lock(&d->lock);
    while (!d->stopping) {
        uint64_t due;

        if (d->waiting_count == 0) {
            pthread_cond_wait(&d->changed, &d->lock);
            continue;
        }
        due = d->waiting[0]->due_ns;
        if (due > btz_clock_ns()) {
            struct timespec until = { .tv_sec = (time_t)(due / 1000000000u),
                                      .tv_nsec = (long)(due % 1000000000u) };

            pthread_cond_timedwait(&d->changed, &d->lock, &until);
            continue;
        }
        wake(heap_pop(d));
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static enum btz_err say_error(struct call *c, unsigned status, const char *type, const char *code,
                              const char *message)
{
    c->outcome.status = status;
    btz_buf_clear(&c->out);
    return btz_demo_write_error(type, NULL, code, message, &c->out);
}

static enum btz_err say_fault(struct call *c, enum btz_demo_fault fault,
                              struct btz_demo_completion *completion)
{
    switch (fault) {
    case BTZ_DEMO_FAULT_BUSY:
        c->outcome.retry_later = true;
        return say_error(c, 429, "rate_limit_error", "rate_limit_exceeded",
                         "Too many requests; try again in 1 second.");
    case BTZ_DEMO_FAULT_BROKEN:
        return say_error(c, 500, "server_error", NULL, "The server had an error; please retry.");
    case BTZ_DEMO_FAULT_BLOCKED:
        return say_error(c, 400, "invalid_request_error", "content_filter",
                         "The response was filtered due to the prompt triggering the content "
                         "management policy. Please modify your prompt and retry.");
    case BTZ_DEMO_FAULT_HANG:
        c->outcome.hang = true;
        return BTZ_OK;
    case BTZ_DEMO_FAULT_CUT:
        c->outcome.cut = true;
        return BTZ_OK;
    case BTZ_DEMO_FAULT_BAD_JSON:
        btz_buf_clear(&c->out);
        c->outcome.stream = false;
        c->outcome.content_type = "application/json";
        BTZ_TRY(btz_demo_write_completion(completion, &c->out));
        c->out.len -= c->out.len / 3;
        return BTZ_OK;
    case BTZ_DEMO_FAULT_EMPTY:
        completion->text = btz_str("");
        break;
    case BTZ_DEMO_FAULT_NULL:
        completion->null_content = true;
        break;
    case BTZ_DEMO_FAULT_FILTER_FINISH:
        completion->text = btz_str("");
        completion->finish_reason = "content_filter";
        break;
    case BTZ_DEMO_FAULT_NOT_UTF8:
        btz_buf_clear(&c->out);
        c->outcome.stream = false;
        c->outcome.content_type = "application/json";
        return btz_demo_write_not_utf8(completion, &c->out);
    case BTZ_DEMO_FAULT_COUNT:
        break;
    }
    completion->tokens_out = 0;
    btz_buf_clear(&c->out);
    return c->outcome.stream ? btz_demo_write_stream(completion, false, &c->out)
                             : btz_demo_write_completion(completion, &c->out);
}

static enum btz_err chat(struct call *c, struct btz_arena *arena)
{
    struct btz_demo *d = c->demo;
    struct btz_demo_request request;
    struct btz_demo_completion completion = { .finish_reason = "stop" };
    enum btz_demo_fault fault;
    enum btz_err err = btz_demo_request_parse(btz_buf_slice(&c->in), arena, &request);

    if (err == BTZ_INPUT || err == BTZ_LIMIT)
        return say_error(c, 400, "invalid_request_error", NULL, btz_error_detail());
    BTZ_TRY(err);
    BTZ_TRY(
        btz_demo_answer(d->mind, d->shelf, request.turns, request.count, arena, &completion.text));
    completion.id = atomic_fetch_add(&d->ids, 1);
    completion.model = request.model;
    for (size_t i = 0; i < request.count; i++)
        completion.tokens_in += 4 + btz_demo_tokens(request.turns[i].text);
    completion.tokens_out = btz_demo_tokens(completion.text);
    c->outcome.stream = request.stream;
    if (request.stream)
        c->outcome.content_type = "text/event-stream";
    BTZ_TRY(request.stream ? btz_demo_write_stream(&completion, request.stream_usage, &c->out)
                           : btz_demo_write_completion(&completion, &c->out));
    fault = btz_demo_fault_draw(&d->conf, atomic_fetch_add(&d->chats, 1));
    if (fault == BTZ_DEMO_FAULT_COUNT)
        return BTZ_OK;
    atomic_fetch_add(&d->faults, 1);
    return say_fault(c, fault, &completion);
}

static enum btz_err document(struct call *c, const char *name)
{
    enum btz_err err = btz_demo_shelf_put(c->demo->shelf, btz_str(name), btz_buf_slice(&c->in));

    if (err == BTZ_INPUT || err == BTZ_LIMIT)
        return say_error(c, err == BTZ_INPUT ? 400 : 413, "invalid_request_error", NULL,
                         btz_error_detail());
    BTZ_TRY(err);
    atomic_fetch_add(&c->demo->documents, 1);
    c->outcome.status = 201;
    return btz_buf_add_str(&c->out, "{\"status\":\"stored\"}");
}

static bool may_enter(struct call *c)
{
    const char *header =
        MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "Authorization");
    const char *key = c->demo->key;
    size_t len;

    if (!key)
        return true;
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    len = strlen(key);
    return strlen(header + 7) == len && btz_equal_ct(header + 7, key, len);
}

static enum btz_err wrong_method(struct call *c, const char *allow)
{
    c->outcome.allow = allow;
    return say_error(c, 405, "invalid_request_error", NULL, "This method is not offered here.");
}

static enum btz_err work_out(struct call *c, const char *url, const char *method,
                             struct btz_arena *arena)
{
    static const char documents[] = "/documents/";

    if (strcmp(url, "/healthz") == 0) {
        if (strcmp(method, "GET") != 0)
            return wrong_method(c, "GET");
        return btz_buf_add_str(&c->out, "{\"status\":\"ok\"}");
    }
    if (!may_enter(c))
        return say_error(c, 401, "invalid_request_error", "invalid_api_key",
                         "Incorrect API key provided.");
    if (c->too_big)
        return say_error(c, 413, "invalid_request_error", NULL, "The body is larger than 1 MiB.");
    if (strcmp(url, "/v1/models") == 0)
        return strcmp(method, "GET") == 0 ? btz_demo_write_models(&c->out) : wrong_method(c, "GET");
    if (strcmp(url, "/v1/chat/completions") == 0)
        return strcmp(method, "POST") == 0 ? chat(c, arena) : wrong_method(c, "POST");
    if (strncmp(url, documents, sizeof documents - 1) == 0)
        return strcmp(method, "PUT") == 0 ? document(c, url + sizeof documents - 1)
                                          : wrong_method(c, "PUT");
    return say_error(c, 404, "invalid_request_error", NULL, "Unknown path.");
}

/* ---- the wire ------------------------------------------------------------------------------------- */

/* A cut answer announces its whole length and ends half-way. */
static ssize_t read_cut(void *user, uint64_t pos, char *buf, size_t max)
{
    struct call *c = user;
    size_t half = c->out.len / 2, n;

    if (pos >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = half - (size_t)pos < max ? half - (size_t)pos : max;
    memcpy(buf, c->out.ptr + pos, n);
    return (ssize_t)n;
}

/* A stream leaves event by event. */
static ssize_t read_stream(void *user, uint64_t pos, char *buf, size_t max)
{
    struct call *c = user;
    struct btz_slice all = btz_buf_slice(&c->out);
    size_t end, n;

    if (c->outcome.cut && pos >= all.len / 2)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (pos >= all.len)
        return MHD_CONTENT_READER_END_OF_STREAM;
    end = btz_slice_find(all, btz_str("\n\n"), (size_t)pos);
    end = end == SIZE_MAX ? all.len : end + 2;
    n = end - (size_t)pos < max ? end - (size_t)pos : max;
    memcpy(buf, all.ptr + pos, n);
    return (ssize_t)n;
}

static struct MHD_Response *make_response(struct call *c)
{
    if (c->outcome.stream)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, c, NULL);
    if (c->outcome.cut)
        return MHD_create_response_from_callback(c->out.len, 4096, read_cut, c, NULL);
    return MHD_create_response_from_buffer(c->out.len, c->out.ptr, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_answer(struct call *c)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (c->outcome.hang)
        return MHD_NO;
    response = make_response(c);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", c->outcome.content_type);
    if (c->outcome.retry_later)
        MHD_add_response_header(response, "Retry-After", "1");
    if (c->outcome.allow)
        MHD_add_response_header(response, "Allow", c->outcome.allow);
    result = MHD_queue_response(c->connection, c->outcome.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result complete(struct call *c, const char *url, const char *method)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    int64_t wait = 0;

    btz_arena_init(&arena, ARENA_MAX);
    c->outcome = (struct outcome){ .status = 200, .content_type = "application/json" };
    if (work_out(c, url, method, &arena) != BTZ_OK &&
        say_error(c, 500, "server_error", NULL, btz_error_detail()) != BTZ_OK)
        return MHD_NO;
    if (c->outcome.hang)
        wait = HANG_MS;
    else if (strcmp(url, "/v1/chat/completions") == 0)
        wait = c->demo->conf.latency_ms;
    if (wait > 0 && wait_for(c, wait))
        return MHD_YES;
    c->phase = DUE;
    return send_answer(c);
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct btz_demo *d = user;
    struct call *c = *state;

    (void)version;
    if (!c) {
        c = calloc(1, sizeof *c);
        if (!c)
            return MHD_NO;
        c->demo = d;
        c->connection = connection;
        c->in = BTZ_BUF(BTZ_DEMO_BODY_MAX);
        c->out = BTZ_BUF(ANSWER_MAX);
        atomic_fetch_add(&d->requests, 1);
        *state = c;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        if (!c->too_big && btz_buf_add(&c->in, upload, *upload_size) != BTZ_OK)
            c->too_big = true;
        *upload_size = 0;
        return MHD_YES;
    }
    if (c->phase == READING)
        return complete(c, url, method);
    return c->phase == DUE ? send_answer(c) : MHD_YES;
}

static void call_done(void *user, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode why)
{
    struct call *c = *state;

    (void)user;
    (void)connection;
    (void)why;
    if (!c)
        return;
    btz_buf_release(&c->in);
    btz_buf_release(&c->out);
    free(c);
    *state = NULL;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static enum btz_err check_conf(const struct btz_demo_conf *conf)
{
    if ((unsigned)conf->defence >= BTZ_DEMO_DEFENCE_COUNT)
        return btz_fail(BTZ_USAGE, "unknown defence %d", (int)conf->defence);
    if (conf->latency_ms < 0 || conf->latency_ms > LATENCY_MAX)
        return btz_fail(BTZ_USAGE, "latency must be between 0 and %d ms", LATENCY_MAX);
    if (!(conf->faults >= 0 && conf->faults <= 1))
        return btz_fail(BTZ_USAGE, "the share of faults must be between 0 and 1");
    if (conf->threads > 64)
        return btz_fail(BTZ_USAGE, "at most 64 threads");
    return BTZ_OK;
}

static unsigned connection_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return CALLS_MAX;
    if (files.rlim_cur < 256)
        return 64;
    return files.rlim_cur - 128 < CALLS_MAX ? (unsigned)files.rlim_cur - 128 : CALLS_MAX;
}

static enum btz_err start_daemon(struct btz_demo *d)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(d->conf.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const union MHD_DaemonInfo *info;
    unsigned limit = connection_limit();

    d->waiting_room = limit;
    d->waiting = calloc(limit, sizeof *d->waiting);
    if (!d->waiting)
        return btz_fail(BTZ_LIMIT, "out of memory for %u calls", limit);
    errno = 0;
    d->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, d->conf.port, NULL, NULL, handle,
        d, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_THREAD_POOL_SIZE,
        d->conf.threads ? d->conf.threads : 2u, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u, MHD_OPTION_NOTIFY_COMPLETED, call_done, NULL,
        MHD_OPTION_CONNECTION_TIMEOUT, 120u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536,
        MHD_OPTION_END);
    if (!d->daemon)
        return btz_fail_errno(BTZ_IO, "cannot listen on 127.0.0.1:%u", d->conf.port);
    info = MHD_get_daemon_info(d->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (!info)
        return btz_fail(BTZ_INTERNAL, "the server does not know its port");
    d->port = info->port;
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%u/v1", d->port);
    return BTZ_OK;
}

static enum btz_err start(struct btz_demo *d)
{
    BTZ_TRY(btz_demo_mind_new(d->conf.defence, d->conf.seed, &d->mind));
    BTZ_TRY(btz_demo_shelf_new(&d->shelf));
    BTZ_TRY(start_daemon(d));
    if (pthread_create(&d->timer, NULL, wake_due, d) != 0)
        return btz_fail(BTZ_LIMIT, "cannot start a thread");
    d->timer_runs = true;
    return BTZ_OK;
}

enum btz_err btz_demo_start(const struct btz_demo_conf *conf, struct btz_demo **out)
{
    struct btz_demo *d;
    pthread_condattr_t monotonic;
    enum btz_err err = check_conf(conf);

    if (err != BTZ_OK)
        return err;
    d = calloc(1, sizeof *d);
    if (!d)
        return btz_fail(BTZ_LIMIT, "out of memory for the server");
    d->conf = *conf;
    d->conf.key = NULL;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (conf->key && !(d->key = strdup(conf->key)))
        err = btz_fail(BTZ_LIMIT, "out of memory for the key");
    if (err == BTZ_OK)
        err = start(d);
    if (err != BTZ_OK) {
        btz_demo_stop(d);
        return err;
    }
    *out = d;
    return BTZ_OK;
}

void btz_demo_stop(struct btz_demo *d)
{
    if (!d)
        return;
    /* The server may only be stopped when nobody sleeps. */
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    while (d->waiting_count > 0)
        wake(heap_pop(d));
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (d->timer_runs)
        pthread_join(d->timer, NULL);
    if (d->daemon)
        MHD_stop_daemon(d->daemon);
    btz_demo_shelf_free(d->shelf);
    btz_demo_mind_free(d->mind);
    if (d->key)
        btz_wipe(d->key, strlen(d->key));
    free(d->key);
    free(d->waiting);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

uint16_t btz_demo_port(const struct btz_demo *d)
{
    return d->port;
}

const char *btz_demo_url(const struct btz_demo *d)
{
    return d->url;
}

const char *btz_demo_key(const struct btz_demo *d)
{
    return d->key;
}

void btz_demo_stats(struct btz_demo *d, struct btz_demo_stats *out)
{
    *out = (struct btz_demo_stats){ .requests = atomic_load(&d->requests),
                                    .chats = atomic_load(&d->chats),
                                    .faults = atomic_load(&d->faults),
                                    .documents = atomic_load(&d->documents) };
}
