/*
 * Client CPU of one request, and memory at 2,000 in flight, against a server in a child process that answers at
 * once. Floor: the same bytes over 64 blocking sockets, one send and one recv each, nothing parsed.
 *
 *   bench/http [requests]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http/http.h"

#define BODY_LEN 1024
#define CONNS    8192

/* ---- the server: one epoll loop, answers each complete request with the same kilobyte ---- */

static uint16_t seen[CONNS]; /* bytes of the request so far; every request has the same length */
static uint32_t want;        /* learned from the first request */
static char reply[2048];
static size_t reply_len;

static uint32_t request_length(const char *bytes, size_t n)
{
    const char *end = memmem(bytes, n, "\r\n\r\n", 4);

    return end ? (uint32_t)(end + 4 - bytes) + BODY_LEN : 0;
}

static void serve_one(int epoll_fd, int fd)
{
    char in[8192];
    ssize_t n = recv(fd, in, sizeof in, 0);

    if (n <= 0) {
        close(fd);
        return;
    }
    if (want == 0)
        want = request_length(in, (size_t)n);
    seen[fd] = (uint16_t)(seen[fd] + n);
    if (want == 0 || seen[fd] < want)
        return;
    seen[fd] = 0;
    if (send(fd, reply, reply_len, MSG_NOSIGNAL) < 0)
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* `hold`: answers only once that many requests have arrived, so that all of them are in flight together. */
static void serve(int listener, int hold)
{
    static int held[CONNS];
    int epoll_fd = epoll_create1(0), held_count = 0;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[256];

    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 256, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == listener) {
                int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                if (conn < 0 || conn >= CONNS)
                    continue;
                seen[conn] = 0;
                event = (struct epoll_event){ .events = EPOLLIN, .data.fd = conn };
                epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn, &event);
            } else if (hold > 0) {
                char in[8192];

                if (recv(fd, in, sizeof in, 0) <= 0)
                    continue;
                held[held_count++] = fd;
                if (held_count < hold)
                    continue;
                for (int k = 0; k < held_count; k++)
                    if (send(held[k], reply, reply_len, MSG_NOSIGNAL) < 0)
                        break;
                hold = 0;
            } else {
                serve_one(epoll_fd, fd);
            }
        }
    }
}

static pid_t start_server(int hold, uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(listener, 4096) != 0 || getsockname(listener, (struct sockaddr *)&a, &len) != 0)
        exit(4);
    *port = ntohs(a.sin_port);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, hold);
        _exit(0);
    }
    close(listener);
    return pid;
}

static void stop_server(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ---- measures ---- */

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double rss_mb(void)
{
    BTZ_CLOSE_FILE FILE *f = fopen("/proc/self/statm", "r");
    char line[128] = "";
    char *end;

    if (!f || !fgets(line, sizeof line, f))
        return 0;
    (void)strtoul(line, &end, 10);
    return (double)strtoul(end, NULL, 10) * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

struct load {
    struct btz_http *http;
    struct btz_http_request request;
    long left, ok, failed;
};

static void on_done(void *user, const struct btz_http_reply *r)
{
    struct load *l = user;

    if (r->err == BTZ_OK && r->status == 200 && r->body.len == BODY_LEN)
        l->ok++;
    else if (l->failed++ == 0)
        fprintf(stderr, "bench http: %s\n", r->detail ? r->detail : "unexpected reply");
    if (l->left > 0) {
        l->left--;
        if (btz_http_submit(l->http, &l->request) != BTZ_OK)
            l->failed++;
    }
}

static char request_body[BODY_LEN + 1];
static const struct btz_http_header request_headers[] = {
    { "Content-Type", "application/json" },
    { "Authorization", "Bearer sk-0123456789abcdef0123456789abcdef" },
};

static void run_engine(uint16_t port, unsigned in_flight, long requests, struct load *l)
{
    struct btz_http_opts opts = { .max_in_flight = in_flight };
    static char url[80];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/chat/completions", port);
    *l = (struct load){ .left = requests };
    l->request = (struct btz_http_request){ .method = "POST",
                                            .url = url,
                                            .headers = request_headers,
                                            .header_count = BTZ_COUNT(request_headers),
                                            .body = btz_str(request_body),
                                            .user = l,
                                            .on_done = on_done };
    if (btz_http_new(&opts, &l->http) != BTZ_OK) {
        fprintf(stderr, "bench http: %s\n", btz_error_detail());
        exit(4);
    }
    for (unsigned i = 0; i < in_flight && l->left > 0; i++, l->left--)
        if (btz_http_submit(l->http, &l->request) != BTZ_OK)
            exit(4);
}

static void finish(struct load *l, long expected)
{
    if (btz_http_run(l->http, -1, NULL) != BTZ_OK || l->failed > 0 || l->ok != expected) {
        fprintf(stderr, "bench http: %ld of %ld answered\n", l->ok, expected);
        exit(4);
    }
    btz_http_free(l->http);
}

/* CPU of `requests` after as many as are in flight were answered once: connections stand, memory is warm. */
static double engine_us(unsigned in_flight, long requests)
{
    uint16_t port;
    pid_t server = start_server(0, &port);
    struct load l;
    double before, us;

    run_engine(port, in_flight, in_flight, &l);
    if (btz_http_run(l.http, -1, NULL) != BTZ_OK)
        exit(4);
    before = cpu_seconds();
    l.left = requests;
    for (unsigned i = 0; i < in_flight && l.left > 0; i++, l.left--)
        if (btz_http_submit(l.http, &l.request) != BTZ_OK)
            exit(4);
    if (btz_http_run(l.http, -1, NULL) != BTZ_OK)
        exit(4);
    us = (cpu_seconds() - before) / (double)requests * 1e6;
    finish(&l, requests + in_flight);
    stop_server(server);
    return us;
}

static void send_one(int fd, const char *bytes, size_t n)
{
    if (send(fd, bytes, n, 0) != (ssize_t)n)
        exit(4);
}

static void receive_one(int fd)
{
    char in[8192];
    size_t got = 0;
    ssize_t k;

    while (got < reply_len && (k = recv(fd, in, sizeof in, 0)) > 0)
        got += (size_t)k;
    if (got != reply_len)
        exit(4);
}

/* One send and one recv a request, over as many blocking sockets as the engine has in flight. */
static double floor_us(long requests)
{
    enum { SOCKETS = 64 };
    uint16_t port;
    pid_t server = start_server(0, &port);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd[SOCKETS], on = 1;
    char out[4096];
    double before;
    int n = snprintf(out, sizeof out,
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                     "application/json\r\nContent-Length: %d\r\n\r\n%s",
                     BODY_LEN, request_body);

    a.sin_port = htons(port);
    for (int i = 0; i < SOCKETS; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(fd[i], (struct sockaddr *)&a, sizeof a) != 0)
            exit(4);
    }
    before = cpu_seconds();
    for (long i = 0; i < requests; i += SOCKETS) {
        for (int k = 0; k < SOCKETS; k++)
            send_one(fd[k], out, (size_t)n);
        for (int k = 0; k < SOCKETS; k++)
            receive_one(fd[k]);
    }
    before =
        (cpu_seconds() - before) / (double)((requests + SOCKETS - 1) / SOCKETS * SOCKETS) * 1e6;
    for (int i = 0; i < SOCKETS; i++)
        close(fd[i]);
    stop_server(server);
    return before;
}

static double memory_mb(unsigned in_flight, double *empty)
{
    uint16_t port;
    pid_t server = start_server((int)in_flight, &port);
    struct load l;
    struct rusage use;
    double peak = 0;

    *empty = rss_mb();
    run_engine(port, in_flight, in_flight, &l);
    finish(&l, in_flight);
    getrusage(RUSAGE_SELF, &use);
    peak = (double)use.ru_maxrss * 1024 / 1e6;
    stop_server(server);
    return peak;
}

int main(int argc, char **argv)
{
    long requests = argc > 1 ? strtol(argv[1], NULL, 10) : 50000;
    struct rlimit files = { .rlim_cur = CONNS, .rlim_max = CONNS };
    double mb, empty, us, floor;
    char filler[BODY_LEN + 1];

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 3000 && files.rlim_max >= 3000) {
        files.rlim_cur = 3000;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    memset(filler, 'a', BODY_LEN);
    filler[BODY_LEN] = '\0';
    snprintf(request_body, sizeof request_body, "{\"prompt\":\"%.*s\"}", BODY_LEN - 13, filler);
    reply_len = (size_t)snprintf(reply, sizeof reply,
                                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Length: %d\r\n\r\n{\"content\":\"%.*s\"}",
                                 BODY_LEN, BODY_LEN - 14, filler);
    /* Memory first: the peak is of the whole process. */
    mb = memory_mb(2000, &empty);
    printf("{\"name\":\"http.rss_at_2000_in_flight\",\"value\":%.1f,\"unit\":\"MB\",\"before\":%."
           "1f}\n",
           mb, empty);
    floor = floor_us(requests);
    us = engine_us(64, requests);
    printf("{\"name\":\"http.cpu_per_request\",\"value\":%.2f,\"unit\":\"us\",\"peer\":%.2f,"
           "\"ratio\":%.2f,\"in_flight\":64,\"peer_is\":\"send and recv on 64 sockets, nothing "
           "parsed\"}\n",
           us, floor, us / floor);
    us = engine_us(2000, requests);
    printf("{\"name\":\"http.cpu_per_request_2000\",\"value\":%.2f,\"unit\":\"us\",\"peer\":%.2f,"
           "\"ratio\":%.2f,\"in_flight\":2000}\n",
           us, floor, us / floor);
    return 0;
}
