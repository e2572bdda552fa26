/*
 * The server: libmicrohttpd on Unix sockets. Its threads only move bytes; requests are worked on by threads of our own,
 * more than can wait (for a password hash, for an issuer), so that those hold no other one up. The local socket has
 * threads of its own: whatever comes from the network, the owner can act.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "watch/api/exchange.h"

#define ARENA_MAX      ((size_t)64 << 20)
#define HEADERS_MAX    96
#define CONNECTION_KIB 48 /* the head of a request, of which nginx lets 32 pass */
#define DISCARD_MAX    (4 * BTZ_API_BODY_MAX)
#define BACKLOG        511
#define IO_THREADS     2u
#define UNIX_NAME      64
#define LISTENERS      2
#define WORKERS        8 /* besides those that wait */
#define LOCAL_WORKERS  2

enum phase { READING, WORKING, DONE };

struct listener {
    struct btz_api_server *server;
    struct MHD_Daemon *daemon;
    char *path;
    int fd;
    bool local;
    struct exchange *first, *last; /* wait for a worker */
    size_t waiting;
    pthread_cond_t more;
    pthread_t *workers;
    unsigned worker_count;
};

/* One request, from its first line to the end of its answer. */
struct exchange {
    struct exchange *next; /* in the queue */
    struct listener *listener;
    struct MHD_Connection *connection;
    char *target;
    const char *method;
    enum phase phase;
    bool begun, bad;
    size_t discarded;
    struct btz_buf body;
    struct btz_api_pair headers[HEADERS_MAX];
    size_t header_count;
    char unix_name[UNIX_NAME];
    struct btz_arena arena;
    struct btz_api_answer answer;
};

struct btz_api_server {
    struct btz_api_server_options o;
    struct listener listeners[LISTENERS];
    size_t listener_count;
    pthread_mutex_t lock;
    bool stopping;
};

/* ---- work ---------------------------------------------------------------------------------------------------------- */

static void work_on(struct exchange *e)
{
    const struct btz_api_request request = { .method = e->method,
                                             .target = btz_str(e->target),
                                             .headers = e->headers,
                                             .header_count = e->header_count,
                                             .body = btz_buf_slice(&e->body),
                                             .local = e->listener->local,
                                             .unix_name = e->unix_name[0] ? e->unix_name : NULL };

    btz_api_answer(e->listener->server->o.api, &request, &e->arena, &e->answer);
}

static void *worker(void *user)
{
    struct listener *l = user;
    struct btz_api_server *s = l->server;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct exchange *e = l->first;

        if (!e) {
            if (s->stopping)
                break;
            pthread_cond_wait(&l->more, &s->lock);
            continue;
        }
        l->first = e->next;
        if (!l->first)
            l->last = NULL;
        l->waiting--;
        pthread_mutex_unlock(&s->lock);
        work_on(e);
        e->phase = DONE;
        MHD_resume_connection(e->connection);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* False when there is no room, or no time left: the caller says so at once. */
static bool hand_over(struct exchange *e)
{
    struct listener *l = e->listener;
    struct btz_api_server *s = l->server;
    bool ok = false;

    pthread_mutex_lock(&s->lock);
    if (!s->stopping && l->waiting < s->o.queue) {
        e->phase = WORKING;
        MHD_suspend_connection(e->connection);
        e->next = NULL;
        if (l->last)
            l->last->next = e;
        else
            l->first = e;
        l->last = e;
        l->waiting++;
        pthread_cond_signal(&l->more);
        ok = true;
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* ---- the wire ------------------------------------------------------------------------------------------------------- */

static enum MHD_Result take_header(void *user, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    struct exchange *e = user;

    (void)kind;
    if (!value)
        value_len = 0;
    if (e->header_count == HEADERS_MAX || memchr(name, 0, name_len) ||
        (value_len && memchr(value, 0, value_len))) {
        e->bad = true;
        return MHD_NO;
    }
    e->headers[e->header_count++] =
        (struct btz_api_pair){ .name = name, .value = value ? value : "" };
    return MHD_YES;
}

/* The owner of the state, at the other end of the local socket. */
static void take_peer(struct exchange *e)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(e->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t len = sizeof peer;
    struct passwd entry, *found = NULL;
    char room[4096];

    if (!e->listener->local || !info ||
        getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        len != sizeof peer || (peer.uid != geteuid() && peer.uid != 0))
        return;
    if (getpwuid_r(peer.uid, &entry, room, sizeof room, &found) == 0 && found &&
        strlen(entry.pw_name) < sizeof e->unix_name)
        memcpy(e->unix_name, entry.pw_name, strlen(entry.pw_name) + 1);
    else
        snprintf(e->unix_name, sizeof e->unix_name, "uid-%u", (unsigned)peer.uid);
}

static void refuse(struct exchange *e, unsigned status, const char *detail)
{
    e->answer.buf.max = BTZ_API_ANSWER_MAX;
    if (btz_api_refuse(&e->answer, &e->arena, status, detail) != BTZ_OK)
        e->answer.status = status;
    e->phase = DONE;
}

static enum MHD_Result send_answer(struct exchange *e, bool last)
{
    const struct btz_api_answer *a = &e->answer;
    struct btz_slice bytes = a->bytes.ptr ? a->bytes : btz_buf_slice(&a->buf);
    bool head = strcmp(e->method, "HEAD") == 0;
    struct MHD_Response *response;
    enum MHD_Result result;
    void *body;

    if (a->no_body && !head)
        bytes.len = 0;
    /* The library only reads it. */
    memcpy(&body, &bytes.ptr, sizeof body);
    response =
        MHD_create_response_from_buffer(bytes.len, bytes.len ? body : NULL, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    if (a->media_type && bytes.len)
        MHD_add_response_header(response, "Content-Type", a->media_type);
    for (size_t i = 0; i < a->header_count; i++)
        MHD_add_response_header(response, a->headers[i].name, a->headers[i].value);
    if (last)
        MHD_add_response_header(response, "Connection", "close");
    result = MHD_queue_response(e->connection, a->status, response);
    MHD_destroy_response(response);
    return result;
}

/* The request is whole. */
static enum MHD_Result complete(struct exchange *e)
{
    e->header_count = 0;
    MHD_get_connection_values_n(e->connection, MHD_HEADER_KIND, take_header, e);
    if (e->bad)
        refuse(e, 431, NULL);
    else if (e->discarded)
        refuse(e, 413, NULL);
    if (e->phase == DONE)
        return send_answer(e, true);
    take_peer(e);
    if (hand_over(e))
        return MHD_YES;
    refuse(e, 503, NULL);
    return send_answer(e, true);
}

static enum MHD_Result take_body(struct exchange *e, const char *bytes, size_t *len)
{
    if (e->discarded || btz_buf_add(&e->body, bytes, *len) != BTZ_OK)
        e->discarded += *len;
    *len = 0;
    return e->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
}

/* A body that says it is too large is refused before it is sent. */
static bool is_too_long(struct exchange *e)
{
    const char *text =
        MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, "Content-Length");
    uint64_t n;

    return text && (btz_parse_u64(btz_str(text), &n) != BTZ_OK || n > BTZ_API_BODY_MAX);
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct exchange *e = *state;

    (void)user;
    (void)connection;
    (void)url;
    (void)version;
    if (!e || !e->target)
        return MHD_NO;
    e->method = method;
    if (!e->begun) {
        e->begun = true;
        if (!is_too_long(e))
            return MHD_YES;
        refuse(e, 413, NULL);
        return send_answer(e, true);
    }
    if (*upload_size > 0)
        return take_body(e, upload, upload_size);
    if (e->phase == READING)
        return complete(e);
    return e->phase == DONE ? send_answer(e, false) : MHD_YES;
}

/* The first that is heard of a request: its target as it was sent, before the library decodes it. */
static void *begin(void *user, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->listener = user;
    e->connection = connection;
    e->body = BTZ_BUF(BTZ_API_BODY_MAX);
    e->target = strdup(uri);
    btz_arena_init(&e->arena, ARENA_MAX);
    return e;
}

static void end(void *user, struct MHD_Connection *connection, void **state,
                enum MHD_RequestTerminationCode why)
{
    struct exchange *e = *state;

    (void)user;
    (void)connection;
    (void)why;
    if (!e)
        return;
    if (e->body.ptr)
        btz_wipe(e->body.ptr, e->body.cap);
    btz_buf_release(&e->body);
    btz_api_answer_release(&e->answer);
    btz_arena_release(&e->arena);
    free(e->target);
    free(e);
    *state = NULL;
}

/* ---- sockets -------------------------------------------------------------------------------------------------------- */

static bool is_alive(const struct sockaddr_un *address)
{
    BTZ_CLOSE_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
}

static enum btz_err listen_at(struct listener *l)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(l->path) >= sizeof address.sun_path)
        return btz_fail(BTZ_USAGE,
                        "%s: the path of a socket may have at most %zu bytes; use another state "
                        "folder",
                        l->path, sizeof address.sun_path - 1);
    memcpy(address.sun_path, l->path, strlen(l->path) + 1);
    if (is_alive(&address))
        return btz_fail(BTZ_CONFLICT, "%s: another daemon serves this state", l->path);
    unlink(l->path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return btz_fail_errno(BTZ_IO, "socket");
    /* Before it has a name, lest anybody finds it open. */
    if (fchmod(l->fd, 0600) != 0 ||
        bind(l->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(l->path, 0600) != 0 || listen(l->fd, BACKLOG) != 0)
        return btz_fail_errno(BTZ_IO, "%s", l->path);
    return BTZ_OK;
}

static enum btz_err start_workers(struct listener *l, unsigned count)
{
    l->workers = calloc(count, sizeof *l->workers);
    if (!l->workers)
        return btz_fail(BTZ_LIMIT, "out of memory for threads");
    for (; l->worker_count < count; l->worker_count++)
        if (pthread_create(&l->workers[l->worker_count], NULL, worker, l) != 0)
            return btz_fail(BTZ_LIMIT, "cannot start a thread");
    return BTZ_OK;
}

static enum btz_err serve(struct btz_api_server *s, const char *path, bool local)
{
    struct listener *l = &s->listeners[s->listener_count++];

    *l = (struct listener){ .server = s, .path = strdup(path), .fd = -1, .local = local };
    pthread_cond_init(&l->more, NULL);
    if (!l->path)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(start_workers(l, local ? s->o.local_workers : s->o.workers));
    BTZ_TRY(listen_at(l));
    errno = 0;
    l->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, l,
        MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_THREAD_POOL_SIZE, IO_THREADS,
        MHD_OPTION_CONNECTION_LIMIT, s->o.connections, MHD_OPTION_CONNECTION_TIMEOUT,
        s->o.timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_KIB << 10,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, begin, l,
        MHD_OPTION_NOTIFY_COMPLETED, end, l, MHD_OPTION_END);
    if (!l->daemon)
        return btz_fail_errno(BTZ_IO, "%s: cannot serve", path);
    return BTZ_OK;
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

/* More than can hang at a time on what is slow. */
static unsigned enough_workers(const struct btz_api *api)
{
    const struct btz_api_backend *b = api->o.backend;

    return WORKERS + (b->waits ? b->waits(b->access) : 0);
}

enum btz_err btz_api_server_start(const struct btz_api_server_options *o,
                                  struct btz_api_server **out)
{
    struct btz_api_server *s = calloc(1, sizeof *s);
    enum btz_err err;

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory for the server");
    s->o = *o;
    s->o.connections = o->connections ? o->connections : 512;
    s->o.workers = o->workers ? o->workers : enough_workers(o->api);
    s->o.local_workers = o->local_workers ? o->local_workers : LOCAL_WORKERS;
    s->o.queue = o->queue ? o->queue : 256;
    s->o.timeout_s = o->timeout_s ? o->timeout_s : 15;
    pthread_mutex_init(&s->lock, NULL);
    err = serve(s, o->socket, false);
    if (err == BTZ_OK && o->local_socket)
        err = serve(s, o->local_socket, true);
    if (err != BTZ_OK) {
        btz_api_server_stop(s);
        return err;
    }
    *out = s;
    return BTZ_OK;
}

void btz_api_server_stop(struct btz_api_server *s)
{
    if (!s)
        return;
    /* No more connections; what is at hand is finished; only then may the library stop. */
    for (size_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].daemon)
            MHD_quiesce_daemon(s->listeners[i].daemon);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    for (size_t i = 0; i < s->listener_count; i++)
        pthread_cond_broadcast(&s->listeners[i].more);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->listener_count; i++)
        for (unsigned k = 0; k < s->listeners[i].worker_count; k++)
            pthread_join(s->listeners[i].workers[k], NULL);
    for (size_t i = 0; i < s->listener_count; i++) {
        struct listener *l = &s->listeners[i];

        if (l->daemon)
            MHD_stop_daemon(l->daemon);
        if (l->fd >= 0) {
            close(l->fd);
            unlink(l->path);
        }
        free(l->path);
        free(l->workers);
        pthread_cond_destroy(&l->more);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}
