/* A server on a Unix socket with operations and callers of the test's own, and a client that sends bytes. */
#ifndef API_FIXTURE_H
#define API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "watch/api/exchange.h"

struct api_reply {
    struct btz_buf raw;
    struct btz_slice head, body;
    unsigned status;
};

static inline int api_dial(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof to.sun_path);
    memcpy(to.sun_path, path, strlen(path) + 1);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* What arrives until the other side closes or says nothing for `ms`. */
static inline void api_read(int fd, int ms, struct api_reply *r)
{
    uint8_t block[65536];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    size_t end;
    ssize_t n;

    r->raw = BTZ_BUF((size_t)32 << 20);
    while (poll(&p, 1, ms) > 0 && (n = recv(fd, block, sizeof block, 0)) > 0)
        assert_int_equal(btz_buf_add(&r->raw, block, (size_t)n), BTZ_OK);
    r->head = btz_buf_slice(&r->raw);
    r->body = btz_str("");
    r->status = 0;
    end = btz_slice_find(r->head, btz_str("\r\n\r\n"), 0);
    if (end == SIZE_MAX)
        return;
    r->body = btz_slice_sub(r->head, end + 4, r->head.len);
    r->head.len = end + 2;
    if (r->head.len > 12)
        r->status = (unsigned)strtoul((const char *)r->head.ptr + 9, NULL, 10);
}

static inline struct api_reply api_send(const char *path, struct btz_slice bytes)
{
    struct api_reply r;
    int fd = api_dial(path);

    /* The server may close before it has read all. */
    (void)!send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    api_read(fd, 10000, &r);
    close(fd);
    return r;
}

/* `headers`: lines with CRLF. A body gets its length and, unless `headers` name one, its type. */
static inline struct api_reply api_call(const char *path, const char *method, const char *target,
                                        const char *headers, const char *body)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)8 << 20);

    assert_int_equal(
        btz_buf_printf(&text, "%s %s HTTP/1.1\r\nConnection: close\r\n%s%s", method, target,
                       strstr(headers, "Host:") ? "" : "Host: test.example\r\n", headers),
        BTZ_OK);
    if (body)
        assert_int_equal(btz_buf_printf(&text, "%sContent-Length: %zu\r\n",
                                        strstr(headers, "Content-Type:")
                                            ? ""
                                            : "Content-Type: application/json\r\n",
                                        strlen(body)),
                         BTZ_OK);
    assert_int_equal(btz_buf_printf(&text, "\r\n%s", body ? body : ""), BTZ_OK);
    return api_send(path, btz_buf_slice(&text));
}

static inline void api_drop(struct api_reply *r)
{
    btz_buf_release(&r->raw);
}

/* Value of the first header of that name; "" when absent. In a static room: one at a time. */
static inline const char *api_header(const struct api_reply *r, const char *name)
{
    static char value[4096];
    struct btz_reader lines = { .in = r->head, .what = "head" };
    struct btz_slice line;
    size_t n = strlen(name);

    while (btz_read_line(&lines, &line))
        if (line.len > n && line.ptr[n] == ':' &&
            strncasecmp((const char *)line.ptr, name, n) == 0) {
            line = btz_slice_trim(btz_slice_sub(line, n + 1, line.len));
            snprintf(value, sizeof value, "%.*s", BTZ_SLICE_ARG(line));
            return value;
        }
    return "";
}

static inline json_t *api_json(const struct api_reply *r)
{
    json_t *value = NULL;

    if (btz_json_parse(r->body, (size_t)16 << 20, "answer", &value) != BTZ_OK)
        fail_msg("no JSON: %.*s", BTZ_SLICE_ARG(r->body));
    return value;
}

/* A folder of its own, short enough for a socket. */
static inline void api_folder(char out[32])
{
    memcpy(out, "/tmp/btz-api-XXXXXX", sizeof "/tmp/btz-api-XXXXXX");
    assert_non_null(mkdtemp(out));
}

#endif
