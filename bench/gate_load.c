/*
 * Load for bench/gate.mjs, over keep-alive connections to 127.0.0.1.
 *
 *   gate_load rate  PORT RATE  CONNECTIONS SECONDS REQUEST   a fixed rate, whatever the server does (open loop): a request
 *                                                            that had to wait counts from when it was due; those of
 *                                                            the first second, which open the connections, do not count
 *   gate_load count PORT COUNT CONNECTIONS 0 REQUEST         so many, as fast as they are answered (closed loop)
 *   gate_load first PORT COUNT 1 0 REQUEST                   one by one; times until the first event of the stream
 *   gate_load idle  PORT COUNT COUNT SECONDS REQUEST         so many streams; says "ready" when each gave its first event,
 *                                                            holds them for so many seconds
 *
 * REQUEST is a file with a whole request. One line of JSON on stdout; times in microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
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

#define WARM_UP_NS 1000000000u

enum mode { MODE_RATE, MODE_COUNT, MODE_FIRST, MODE_IDLE };

struct conn {
    int fd;
    bool busy, first; /* its first event came */
    uint64_t due;
    char head[4096];
    size_t head_len; /* of the head so far; 0 again once it is read */
    bool in_body, chunked;
    int64_t left;    /* of the body or of the chunk; chunked: -1 in a size line */
    int64_t size;    /* of the chunk in the making */
    unsigned tail;   /* bytes of line ends still to skip */
    bool last, ends; /* the server closes after this response */
};

static struct {
    enum mode mode;
    uint16_t port;
    uint64_t number, answered, errors, started, first, count_from;
    size_t conns;
    double seconds;
    char *request;
    size_t request_len;
    uint32_t *times;
    size_t time_count, time_cap;
    int epoll;
    struct conn *conn;
    struct conn **free; /* a stack */
    size_t free_count;
} run;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(4);
}

static void note(uint64_t due)
{
    if (due >= run.count_from && run.time_count < run.time_cap)
        run.times[run.time_count++] =
            (uint32_t)((now_ns() - due) / 100); /* tenths of a microsecond */
}

static void dial(struct conn *c)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(run.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    int one = 1;

    memset(c, 0, sizeof *c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("epoll_ctl");
    run.free[run.free_count++] = c;
}

static void again(struct conn *c)
{
    close(c->fd);
    dial(c);
}

static void begin(uint64_t due)
{
    struct conn *c = run.free[--run.free_count];
    size_t at = 0;

    c->busy = true;
    c->first = c->in_body = c->chunked = c->last = false;
    c->head_len = 0;
    c->due = due;
    run.started++;
    while (at < run.request_len) {
        ssize_t n = send(c->fd, run.request + at, run.request_len - at, MSG_NOSIGNAL);

        if (n <= 0) {
            run.errors++;
            again(c);
            return;
        }
        at += (size_t)n;
    }
}

static void done(struct conn *c)
{
    c->busy = false;
    run.answered++;
    if (run.mode != MODE_FIRST)
        note(c->due);
    if (c->ends)
        again(c);
    else
        run.free[run.free_count++] = c;
}

/* The head is complete: how long is the body? */
static void head_done(struct conn *c)
{
    const char *p;

    c->head[c->head_len] = 0;
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0)
        run.errors++;
    p = strcasestr(c->head, "\r\ncontent-length:");
    c->chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL;
    c->left = c->chunked ? -1 : p ? strtoll(p + 17, NULL, 10) : 0;
    c->ends = strcasestr(c->head, "\r\nconnection: close") != NULL;
    c->size = 0;
    c->tail = 0;
    c->in_body = true;
}

/* True: the response is whole. */
static bool body(struct conn *c, const char *p, size_t n)
{
    if (!c->chunked) {
        c->left -= (int64_t)n;
        return c->left <= 0;
    }
    while (n > 0) {
        if (c->tail > 0) {
            c->tail--;
            if (c->tail == 0 && c->last)
                return true;
            p++;
            n--;
        } else if (c->left > 0) {
            size_t k = n < (size_t)c->left ? n : (size_t)c->left;

            c->left -= (int64_t)k;
            p += k;
            n -= k;
            if (c->left == 0) {
                c->left = -1;
                c->tail = 2;
            }
        } else if (*p == '\n') {
            c->left = c->size > 0 ? c->size : -1;
            if (c->size == 0) {
                c->last = true;
                c->tail = 2;
            }
            c->size = 0;
            p++;
            n--;
        } else {
            if (*p != '\r')
                c->size = c->size * 16 + (*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
            p++;
            n--;
        }
    }
    return c->tail == 0 && c->last;
}

static void readable(struct conn *c)
{
    static char in[65536];
    ssize_t n = recv(c->fd, in, sizeof in, MSG_DONTWAIT);
    const char *p = in;
    size_t len;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || !c->busy) { /* closed: with an answer outstanding that is an error */
        run.errors += c->busy;
        for (size_t i = 0; i < run.free_count; i++)
            if (run.free[i] == c)
                run.free[i--] = run.free[--run.free_count];
        again(c);
        return;
    }
    len = (size_t)n;
    while (len > 0 && !c->in_body) {
        if (c->head_len < sizeof c->head - 1)
            c->head[c->head_len++] = *p;
        p++;
        len--;
        if (c->head_len >= 4 && memcmp(c->head + c->head_len - 4, "\r\n\r\n", 4) == 0)
            head_done(c);
    }
    if (!c->in_body)
        return;
    if (len > 0 && !c->first) {
        c->first = true;
        run.first++;
        if (run.mode == MODE_FIRST)
            note(c->due);
    }
    if ((len > 0 || (!c->chunked && c->left == 0)) && body(c, p, len))
        done(c);
}

static void turn(uint64_t until)
{
    struct epoll_event events[256];
    uint64_t now = now_ns(), ns = until > now ? until - now : 0;
    struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
    int n = epoll_pwait2(run.epoll, events, 256, until == UINT64_MAX ? NULL : &t, NULL);

    for (int i = 0; i < n; i++)
        readable(events[i].data.ptr);
}

static void fixed_rate(void)
{
    uint64_t began = now_ns(), gap = 1000000000u / run.number, due = began;
    uint64_t end = began + WARM_UP_NS + (uint64_t)(run.seconds * 1e9);

    run.count_from = began + WARM_UP_NS;

    while (due < end || run.answered + run.errors < run.started) {
        uint64_t now = now_ns();

        while (due < end && due <= now && run.free_count > 0) {
            begin(due);
            due += gap;
        }
        if (now > end + 5000000000u)
            break;
        turn(due < end && run.free_count > 0 ? due : now + 100000000u);
    }
}

static void so_many(void)
{
    while (run.answered < run.number && run.errors < 1000 + run.number / 100) {
        while (run.free_count > 0 && run.started - run.errors < run.number)
            begin(now_ns());
        turn(now_ns() + 100000000u);
    }
}

static void streams(void)
{
    uint64_t end;

    while (run.free_count > 0) {
        begin(now_ns());
        turn(0);
    }
    while (run.first < run.number && run.errors == 0)
        turn(now_ns() + 100000000u);
    puts("ready");
    fflush(stdout);
    end = now_ns() + (uint64_t)(run.seconds * 1e9);
    while (now_ns() < end)
        turn(end);
}

static int by_time(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double at(double share)
{
    size_t i = (size_t)(share * (double)run.time_count);

    if (run.time_count == 0)
        return 0;
    return run.times[i < run.time_count ? i : run.time_count - 1] / 10.0;
}

static void request_read(const char *file)
{
    FILE *f = fopen(file, "rb");

    run.request = malloc(1u << 20);
    if (f == NULL || run.request == NULL)
        die(file);
    run.request_len = fread(run.request, 1, 1u << 20, f);
    fclose(f);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = { "rate", "count", "first", "idle" };
    struct rlimit files;
    uint64_t began;
    double took;
    int mode = -1;

    for (int i = 0; i < 4 && argc == 7; i++)
        if (strcmp(argv[1], modes[i]) == 0)
            mode = i;
    if (mode < 0) {
        fprintf(stderr,
                "usage: gate_load rate|count|first|idle PORT NUMBER CONNECTIONS SECONDS REQUEST\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    run.mode = (enum mode)mode;
    run.port = (uint16_t)strtoul(argv[2], NULL, 10);
    run.number = strtoull(argv[3], NULL, 10);
    run.conns = strtoul(argv[4], NULL, 10);
    run.seconds = strtod(argv[5], NULL);
    request_read(argv[6]);
    if (run.number == 0 || run.conns == 0)
        return 2;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    run.time_cap = mode == MODE_RATE ? (size_t)((double)run.number * run.seconds) + 1000
                                     : (size_t)run.number + 1000;
    run.times = malloc(run.time_cap * sizeof *run.times);
    run.conn = calloc(run.conns, sizeof *run.conn);
    run.free = malloc(run.conns * sizeof(struct conn *));
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run.times == NULL || run.conn == NULL || run.free == NULL || run.epoll < 0)
        die("setup");
    for (size_t i = 0; i < run.conns; i++)
        dial(&run.conn[i]);
    began = now_ns();
    if (mode == MODE_RATE)
        fixed_rate();
    else if (mode == MODE_IDLE)
        streams();
    else
        so_many();
    took = (double)(now_ns() - began) / 1e9;
    qsort(run.times, run.time_count, sizeof *run.times, by_time);
    printf(
        "{\"started\":%llu,\"answered\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"per_second\":%.0f,"
        "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}\n",
        (unsigned long long)run.started, (unsigned long long)run.answered,
        (unsigned long long)run.errors, took, (double)run.answered / took, at(0.5), at(0.9),
        at(0.99), at(0.999), at(1));
    return 0;
}
