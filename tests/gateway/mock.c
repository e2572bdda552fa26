/*
 * The server around the mock's answers: one process, epoll, HTTP/1.1 with keep-alive, loopback only. Prints its port.
 *
 *   mock_upstream [PORT]
 *
 * For the tests themselves: PUT /_text/N (what "say=N" says), GET /_seen (requests since the last time: head and body as
 * they came), GET /_counts, GET /_go (who waits for long is answered).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mock_server.h"

static struct {
    int epoll;
    struct conn **pending; /* those with something to send */
    size_t pending_count, pending_cap;
    uint64_t requests, connections, aborted;
    int64_t open;
} server;

static struct { /* the last requests */
    struct out head, body;
} seen[128];
static size_t seen_count, seen_at;

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void conn_free(struct conn *c)
{
    for (size_t i = 0; i < server.pending_count; i++)
        if (server.pending[i] == c)
            server.pending[i--] = server.pending[--server.pending_count];
    if (c->sent < c->reply.bytes.len)
        server.aborted++;
    close(c->fd);
    free(c->in.p);
    free(c->body.p);
    free(c->reply.bytes.p);
    free(c->reply.pauses);
    free(c);
    server.open--;
}

static void pend(struct conn *c)
{
    if (c->pending)
        return;
    if (server.pending_count == server.pending_cap) {
        server.pending_cap = server.pending_cap * 2 + 64;
        server.pending = realloc(server.pending, server.pending_cap * sizeof(struct conn *));
        if (server.pending == NULL)
            abort();
    }
    server.pending[server.pending_count++] = c;
    c->pending = true;
}

/* Sends what may go now. False: the connection is gone. */
static bool push(struct conn *c)
{
    struct reply *r = &c->reply;

    while (c->sent < r->bytes.len) {
        size_t until = r->bytes.len;
        ssize_t n;

        if (c->pause < r->pause_count) {
            until = r->pauses[c->pause].at;
            if (c->sent == until) {
                c->wake = now_ms() + (uint64_t)r->pauses[c->pause++].ms;
                return true;
            }
        }
        if (c->cut > 0 && until - c->sent > c->cut)
            until = c->sent + c->cut;
        n = send(c->fd, r->bytes.p + c->sent, until - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            conn_free(c);
            return false;
        }
        if (n <= 0) { /* full: a little later */
            c->wake = now_ms() + 1;
            return true;
        }
        c->sent += (size_t)n;
        if (c->cut > 0) {
            c->wake = now_ms();
            return true;
        }
    }
    if (r->close || c->close) {
        shutdown(c->fd, SHUT_WR);
        conn_free(c);
        return false;
    }
    return true;
}

static bool settled(const struct conn *c)
{
    return c->sent == c->reply.bytes.len;
}

/* ---- requests -------------------------------------------------------------------------------------------------------- */

static bool named(struct span line, const char *name, struct span *value)
{
    size_t len = strlen(name);

    if (line.len <= len || line.p[len] != ':' || strncasecmp(line.p, name, len) != 0)
        return false;
    *value = (struct span){ line.p + len + 1, line.len - len - 1 };
    while (value->len > 0 && (value->p[0] == ' ' || value->p[0] == '\t')) {
        value->p++;
        value->len--;
    }
    return true;
}

static bool has(struct span s, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= s.len; i++)
        if (strncasecmp(s.p + i, word, len) == 0)
            return true;
    return false;
}

/* The head in c->in, `len` bytes with its empty line. */
static bool head_read(struct conn *c, size_t len, struct request *out)
{
    const char *p = c->in.p, *end = p + len, *eol, *q;
    struct span line, v;

    *out = (struct request){ .length = 0 };
    for (bool first = true; p < end; p = eol + 2, first = false) {
        eol = memmem(p, (size_t)(end - p), "\r\n", 2);
        if (eol == NULL || eol == p)
            break;
        line = (struct span){ p, (size_t)(eol - p) };
        if (first) {
            q = memchr(p, ' ', line.len);
            if (q == NULL)
                return false;
            out->ask.method = (struct span){ p, (size_t)(q - p) };
            out->ask.path.p = ++q;
            while (q < eol && *q != ' ' && *q != '?')
                q++;
            out->ask.path.len = (size_t)(q - out->ask.path.p);
            if (q < eol && *q == '?') {
                out->ask.query.p = ++q;
                while (q < eol && *q != ' ')
                    q++;
                out->ask.query.len = (size_t)(q - out->ask.query.p);
            }
        } else if (named(line, "content-length", &v))
            out->length = strtoull(v.p, NULL, 10);
        else if (named(line, "transfer-encoding", &v))
            out->chunked = has(v, "chunked");
        else if (named(line, "content-type", &v))
            out->ask.content_type = v;
        else if (named(line, "connection", &v))
            out->close = has(v, "close");
        else if (named(line, "expect", &v))
            out->expect = has(v, "100-continue");
        else if (named(line, "upgrade", &v))
            out->upgrade = has(v, "websocket");
        else if (named(line, "sec-websocket-key", &v))
            out->key = v;
    }
    return out->ask.path.len > 0;
}

/* Decodes chunks of c->in from `at` into c->body. 1: all; 0: more is needed; -1: not chunks. */
static int chunks(struct conn *c, size_t at, size_t *end)
{
    c->body.len = 0;
    for (;;) {
        const char *p = c->in.p + at, *eol = memmem(p, c->in.len - at, "\r\n", 2);
        char *stop;
        uint64_t n;

        if (eol == NULL)
            return 0;
        n = strtoull(p, &stop, 16);
        if (stop == p)
            return -1;
        at = (size_t)(eol + 2 - c->in.p);
        if (n == 0) {
            if (c->in.len - at < 2)
                return 0;
            *end = at + 2;
            return 1;
        }
        if (c->in.len - at < n + 2)
            return 0;
        out_add(&c->body, c->in.p + at, n);
        at += n + 2;
    }
}

static void record(struct span head, struct span body)
{
    if (body.len > 1u << 20)
        body.len = 1u << 20;
    seen[seen_at].head.len = seen[seen_at].body.len = 0;
    out_add(&seen[seen_at].head, head.p, head.len);
    out_add(&seen[seen_at].body, body.p, body.len);
    seen_at = (seen_at + 1) % 128;
    if (seen_count < 128)
        seen_count++;
}

static void tell_seen(struct reply *r)
{
    struct out o = { 0 };

    out_text(&o, "[");
    for (size_t i = 0; i < seen_count; i++) {
        size_t k = (seen_at + 128 - seen_count + i) % 128;

        out_text(&o, i ? ",{\"head\":\"" : "{\"head\":\"");
        escaped(&o, (struct span){ seen[k].head.p, seen[k].head.len }, false);
        out_text(&o, "\",\"body\":\"");
        escaped(&o, (struct span){ seen[k].body.p, seen[k].body.len }, false);
        out_text(&o, "\"}");
    }
    out_text(&o, "]");
    answer_json(r, 200, "", (struct span){ o.p, o.len });
    seen_count = 0;
    free(o.p);
}

/* Answers that were to wait for over half a minute ("first=600000") wait no longer. */
static void go_on(void)
{
    uint64_t now = now_ms();

    for (size_t i = 0; i < server.pending_count; i++)
        if (server.pending[i]->wake > now + 30000)
            server.pending[i]->wake = now;
}

/* What the tests ask of the mock itself. */
static bool control(const struct ask *a, struct reply *r)
{
    char text[200], number[16];

    if (a->path.len < 3 || a->path.p[1] != '_')
        return false;
    if (a->path.len > 7 && memcmp(a->path.p, "/_text/", 7) == 0) {
        snprintf(number, sizeof number, "%.*s", (int)(a->path.len - 7), a->path.p + 7);
        answer_json(r, texts_put((int)strtol(number, NULL, 10), a->body) ? 200 : 400, "",
                    (struct span){ "{}", 2 });
    } else if (memcmp(a->path.p, "/_seen", 6) == 0) {
        tell_seen(r);
    } else if (memcmp(a->path.p, "/_go", 4) == 0) {
        go_on();
        answer_json(r, 200, "", (struct span){ "{}", 2 });
    } else {
        int n =
            snprintf(text, sizeof text,
                     "{\"requests\":%llu,\"connections\":%llu,\"open\":%lld,\"aborted\":%llu}",
                     (unsigned long long)server.requests, (unsigned long long)server.connections,
                     (long long)server.open, (unsigned long long)server.aborted);

        answer_json(r, 200, "", (struct span){ text, (size_t)n });
    }
    return true;
}

static void serve(struct conn *c, struct request *q, size_t head_len)
{
    struct reply *r = &c->reply;

    r->bytes.len = r->pause_count = c->sent = c->pause = 0;
    r->close = r->dead = false;
    r->events = 0;
    c->wake = 0;
    c->cut = 0;
    c->close = q->close;
    if (control(&q->ask, r))
        return;
    server.requests++;
    record((struct span){ c->in.p, head_len }, q->ask.body);
    if (q->upgrade) {
        websocket_accept(q->key, r);
        c->websocket = true;
        return;
    }
    ask_read(&q->ask);
    c->cut = (size_t)q->ask.wish.cut;
    answer(&q->ask, r);
}

/* One request of what came, if it is complete. 1: served; 0: more is needed; -1: nonsense. */
static int request(struct conn *c)
{
    struct request q;
    const char *eoh = c->in.len ? memmem(c->in.p, c->in.len, "\r\n\r\n", 4) : NULL;
    size_t head_len, end = 0;

    if (eoh == NULL)
        return c->in.len > 1u << 20 ? -1 : 0;
    head_len = (size_t)(eoh + 4 - c->in.p);
    if (!head_read(c, head_len, &q))
        return -1;
    if (q.expect && !c->continued) {
        c->continued = true;
        if (send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) < 0)
            return -1;
    }
    if (q.chunked) {
        int rc = chunks(c, head_len, &end);

        if (rc <= 0)
            return rc;
        q.ask.body = (struct span){ c->body.p ? c->body.p : "", c->body.len };
    } else {
        end = head_len + q.length;
        if (c->in.len < end)
            return 0;
        q.ask.body = (struct span){ c->in.p + head_len, q.length };
    }
    c->continued = false;
    serve(c, &q, head_len);
    memmove(c->in.p, c->in.p + end, c->in.len - end);
    c->in.len -= end;
    return 1;
}

/* Serves and sends as long as there are whole requests and nothing waits to be sent. */
static void turn(struct conn *c)
{
    while (settled(c)) {
        int rc = c->websocket ? websocket_turn(c) : request(c);

        if (rc < 0) {
            conn_free(c);
            return;
        }
        if (rc == 0)
            return;
        if (!push(c))
            return;
    }
    pend(c);
}

static void readable(struct conn *c)
{
    bool gone = false;

    for (;;) {
        ssize_t n;

        if (c->in.cap - c->in.len < 16384) {
            c->in.cap = c->in.cap * 2 + 32768;
            c->in.p = realloc(c->in.p, c->in.cap);
            if (c->in.p == NULL)
                abort();
        }
        n = recv(c->fd, c->in.p + c->in.len, c->in.cap - c->in.len, MSG_DONTWAIT);
        if (n > 0)
            c->in.len += (size_t)n;
        if (n > 0 && c->in.len == c->in.cap)
            continue;
        gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        break;
    }
    if (gone)
        conn_free(c);
    else
        turn(c);
}

/* ---- the loop -------------------------------------------------------------------------------------------------------- */

/* Everything that waits and may go on; how long until the next one, in ms. */
static int pushes(void)
{
    uint64_t now = now_ms(), least = UINT64_MAX;

    for (size_t i = 0; i < server.pending_count;) {
        struct conn *c = server.pending[i];

        if (c->wake <= now && !push(c))
            continue; /* gone: another one stands in its place */
        if (settled(c) && c->wake <= now) {
            server.pending[i] = server.pending[--server.pending_count];
            c->pending = false;
            turn(c);
            continue;
        }
        if (c->wake < least)
            least = c->wake;
        i++;
    }
    if (least == UINT64_MAX)
        return -1;
    now = now_ms();
    return least > now ? (int)(least - now) : 0;
}

static void accepted(int listener)
{
    int fd, one = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

        if (c == NULL)
            abort();
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &e);
        server.connections++;
        server.open++;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    struct rlimit files = { 65536, 65536 };
    struct epoll_event e = { .events = EPOLLIN }, events[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    a.sin_port = htons(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) != 0 ||
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, listener, &e) != 0)
        return 4;
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(server.epoll, events, 256, pushes());

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accepted(listener);
            else
                readable(events[i].data.ptr);
        }
    }
}
