/* The HTTP engine against a server that misbehaves in the ways servers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/resource.h>

#include "http/http.h"

#include "test_server.c"

/* What came of requests. */
struct seen {
    struct btz_http *http;
    unsigned done, ok, events;
    struct btz_http_reply last;
    char detail[1024], body[65536], header[256], event[256];
    const char *want_header;
    unsigned stop_after, resubmit;
    struct btz_http_request again;
};

static void on_done(void *user, const struct btz_http_reply *r)
{
    struct seen *s = user;
    const char *value = s->want_header ? btz_http_reply_header(r, s->want_header) : NULL;
    size_t n = r->body.len < sizeof s->body - 1 ? r->body.len : sizeof s->body - 1;

    s->done++;
    s->ok += r->err == BTZ_OK && r->status == 200;
    s->last = *r;
    snprintf(s->detail, sizeof s->detail, "%s", r->detail ? r->detail : "");
    snprintf(s->header, sizeof s->header, "%s", value ? value : "");
    if (n > 0)
        memcpy(s->body, r->body.ptr, n);
    s->body[n] = '\0';
    if (s->resubmit > 0) {
        s->resubmit--;
        assert_int_equal(btz_http_submit(s->http, &s->again), BTZ_OK);
    }
}

static bool on_event(void *user, const struct btz_http_event *e)
{
    struct seen *s = user;

    s->events++;
    snprintf(s->event, sizeof s->event, "%.*s|%.*s", BTZ_SLICE_ARG(e->name),
             BTZ_SLICE_ARG(e->data));
    return s->stop_after == 0 || s->events < s->stop_after;
}

static const char *url_of(unsigned port, const char *path)
{
    static char url[256];

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    return url;
}

static struct btz_http_request post(const char *url, struct seen *s)
{
    return (struct btz_http_request){
        .method = "POST", .url = url, .body = btz_str("{}"), .user = s, .on_done = on_done
    };
}

/* One request with an engine of its own. */
static void once(const struct btz_http_opts *opts, struct btz_http_request *r, struct seen *s)
{
    struct btz_http *h;

    assert_int_equal(btz_http_new(opts, &h), BTZ_OK);
    assert_int_equal(btz_http_submit(h, r), BTZ_OK);
    assert_int_equal(btz_http_pending(h), 1);
    assert_int_equal(btz_http_run(h, -1, NULL), BTZ_OK);
    assert_int_equal(btz_http_pending(h), 0);
    btz_http_free(h);
    assert_int_equal(s->done, 1);
}

/* ---- handlers ---- */

/* Says back what it was sent. */
static void echo(struct test_conn *c, const struct test_request *r, void *user)
{
    char out[4096];

    (void)user;
    snprintf(out, sizeof out, "%s %s\n%s\n%s", r->method, r->path, r->headers, r->body);
    test_reply(c, 200, "X-Path: here\r\nX-Empty:\r\n", out);
}

/* Behaves as the path says. */
static void misbehave(struct test_conn *c, const struct test_request *r, void *user)
{
    static char block[65536];
    const char *p = r->path;

    (void)user;
    if (strcmp(p, "/cut") == 0) {
        test_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", 50);
    } else if (strcmp(p, "/nothing") == 0) {
        test_hang_up(c);
    } else if (strcmp(p, "/chunk") == 0) {
        const char *bad = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n";

        test_send(c, bad, strlen(bad));
    } else if (strcmp(p, "/headers") == 0) {
        memset(block, 'h', 60000);
        test_send(c, "HTTP/1.1 200 OK\r\n", 17);
        for (int i = 0; i < 20; i++)
            if (!test_send(c, "X: ", 3) || !test_send(c, block, 60000) || !test_send(c, "\r\n", 2))
                break;
    } else if (strcmp(p, "/huge") == 0) {
        const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n";

        memset(block, 'x', sizeof block);
        test_send(c, head, strlen(head));
        for (int i = 0; i < 1600 && test_send(c, block, sizeof block); i++)
            ;
    } else if (strcmp(p, "/endless") == 0) {
        const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

        test_send(c, head, strlen(head));
        while (test_send(c, "data: tick\n\n", 12))
            ;
    } else if (strcmp(p, "/silent") == 0) {
        test_wait_gone(c);
    } else if (strcmp(p, "/stall") == 0) {
        test_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 44);
        test_wait_gone(c);
    }
    test_hang_up(c);
}

static void stream(struct test_conn *c, const struct test_request *r, void *user)
{
    const char *reply = "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}";

    (void)user;
    if (strcmp(r->path, "/sse") == 0)
        reply = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
                ": hi\nevent: note\ndata: a\ndata: b\n\ndata: [DONE]\n\n";
    else if (strcmp(r->path, "/ndjson") == 0)
        reply = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"
                "{\"a\":1}\r\n\n{\"a\":2}";
    else if (strcmp(r->path, "/json") == 0)
        reply = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\ndata: no\n\n";
    test_send(c, reply, strlen(reply));
    test_hang_up(c);
}

struct script {
    unsigned failures; /* answers before the good one */
    unsigned status;
    const char *headers;
};

static void flaky(struct test_conn *c, const struct test_request *r, void *user)
{
    const struct script *s = user;

    if (r->number <= s->failures)
        test_reply(c, s->status, s->headers, "slow down");
    else
        test_reply(c, 200, NULL, "fine");
}

/* ---- tests ---- */

static void test_round_trip(void **state)
{
    static const struct btz_http_header headers[] = { { "Content-Type", "application/json" },
                                                      { "X-Empty", "" } };
    struct test_server *server = test_server_start(echo, NULL, NULL);
    struct seen s = { .want_header = "x-PATH" };
    struct btz_http_request r = post(url_of(test_server_port(server), "/a?b=c"), &s);
    (void)state;

    r.headers = headers;
    r.header_count = 2;
    r.body = btz_str("{\"x\":1}");
    once(NULL, &r, &s);
    assert_int_equal(s.last.err, BTZ_OK);
    assert_int_equal(s.last.status, 200);
    assert_int_equal(s.last.http_version, 11);
    assert_null(s.last.tls_version);
    assert_int_equal(s.last.tries, 1);
    assert_string_equal(s.header, "here");
    assert_non_null(strstr(s.body, "POST /a?b=c\n"));
    assert_non_null(strstr(s.body, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(s.body, "X-Empty:\r\n"));
    assert_non_null(strstr(s.body, "User-Agent: bartizan/" BTZ_VERSION "\r\n"));
    assert_non_null(strstr(s.body, "{\"x\":1}"));
    assert_null(strstr(s.body, "Expect"));
    assert_true(s.last.seconds >= s.last.first_byte_seconds && s.last.seconds < 60);

    s.done = 0;
    r.method = "GET";
    r.body.len = 0;
    r.header_count = 0;
    once(NULL, &r, &s);
    assert_non_null(strstr(s.body, "GET /a?b=c\n"));
    assert_null(strstr(s.body, "Content-"));
    s.done = 0;
    r.method = "PUT";
    r.body = btz_str("text");
    once(NULL, &r, &s);
    assert_non_null(strstr(s.body, "PUT /a?b=c\n"));
    assert_non_null(strstr(s.body, "Content-Length: 4\r\n"));
    /* No type was given, none is made up. */
    assert_null(strstr(s.body, "Content-Type"));
    test_server_stop(server);
}

static void test_keep_alive(void **state)
{
    struct test_server *server = test_server_start(echo, NULL, NULL);
    struct btz_http_opts opts = { .max_in_flight = 1 };
    struct seen s = { .resubmit = 199 };
    (void)state;

    s.again = post(url_of(test_server_port(server), "/"), &s);
    assert_int_equal(btz_http_new(&opts, &s.http), BTZ_OK);
    assert_int_equal(btz_http_submit(s.http, &s.again), BTZ_OK);
    assert_int_equal(btz_http_run(s.http, -1, NULL), BTZ_OK);
    btz_http_free(s.http);
    assert_int_equal(s.done, 200);
    assert_int_equal(s.ok, 200);
    assert_int_equal(test_server_requests(server), 200);
    assert_int_equal(test_server_connections(server), 1);
    test_server_stop(server);
}

/* Answers nobody before `user` requests are here together. */
static void together(struct test_conn *c, const struct test_request *r, void *user)
{
    unsigned *want = user;

    (void)r;
    while (atomic_load(&c->server->requests) < *want && !atomic_load(&c->server->stopping))
        usleep(1000);
    test_reply(c, 200, NULL, "ok");
}

static void test_many_in_flight(void **state)
{
    unsigned want = 200;
    struct test_server *server = test_server_start(together, &want, NULL);
    struct btz_http_opts opts = { .max_in_flight = want };
    struct seen s = { 0 };
    struct btz_http_request r = post(url_of(test_server_port(server), "/"), &s);
    (void)state;

    assert_int_equal(btz_http_new(&opts, &s.http), BTZ_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(btz_http_submit(s.http, &r), BTZ_OK);
    assert_int_equal(btz_http_run(s.http, -1, NULL), BTZ_OK);
    assert_int_equal(s.done, 1000);
    assert_int_equal(s.ok, 1000);
    assert_in_range(test_server_connections(server), 200, 210);
    btz_http_free(s.http);
    assert_int_equal(s.done, 1000);
    test_server_stop(server);
}

static void test_retries(void **state)
{
    static const struct {
        struct script script;
        unsigned max_retries, tries, status;
        uint32_t total_ms;
    } cases[] = {
        { { 2, 429, "Retry-After: 0\r\n" }, 5, 3, 200, 0 },
        { { 2, 503, NULL }, 5, 3, 200, 0 },
        { { 9, 502, NULL }, 2, 3, 502, 0 },
        { { 9, 504, NULL }, 0, 1, 504, 0 },
        { { 9, 500, NULL }, 5, 1, 500, 0 }, /* not ours to repeat */
        { { 9, 400, NULL }, 5, 1, 400, 0 },
        /* Asked to come back after all is over: no use in waiting. */
        { { 9, 429, "Retry-After: 3600\r\n" }, 5, 1, 429, 3000 },
        /* Capped: an hour becomes the cap. */
        { { 1, 429, "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n" }, 5, 2, 200, 0 },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct script script = cases[i].script;
        struct test_server *server = test_server_start(flaky, &script, NULL);
        struct btz_http_opts opts = { .max_retries = cases[i].max_retries,
                                      .backoff_base_ms = 1,
                                      .backoff_cap_ms = cases[i].total_ms ? 30000 : 5,
                                      .total_timeout_ms = cases[i].total_ms };
        struct seen s = { 0 };
        struct btz_http_request r = post(url_of(test_server_port(server), "/"), &s);

        once(&opts, &r, &s);
        assert_int_equal(s.last.err, BTZ_OK);
        assert_int_equal(s.last.status, cases[i].status);
        assert_int_equal(s.last.tries, cases[i].tries);
        assert_int_equal(test_server_requests(server), cases[i].tries);
        assert_string_equal(s.body, cases[i].status == 200 ? "fine" : "slow down");
        s.done = 0;
        r.no_retry = true;
        once(&opts, &r, &s);
        assert_int_equal(s.last.tries, 1);
        test_server_stop(server);
    }
}

static void test_unreachable(void **state)
{
    struct btz_http_opts opts = { .max_retries = 2, .backoff_base_ms = 1 };
    struct seen s = { 0 };
    char url[128];
    struct btz_http_request r;
    (void)state;

    snprintf(url, sizeof url, "http://user:word@127.0.0.1:%u/v1?key=sk-secret", test_free_port());
    r = post(url, &s);
    once(&opts, &r, &s);
    assert_int_equal(s.last.err, BTZ_UNREACHABLE);
    assert_int_equal(s.last.tries, 3);
    assert_int_equal(s.last.status, 0);
    assert_false(s.last.timed_out);
    assert_non_null(strstr(s.detail, "check that the server runs"));
    assert_non_null(strstr(s.detail, "/v1:"));
    assert_null(strstr(s.detail, "secret"));
    assert_null(strstr(s.detail, "word"));
    /* RFC 2606: .invalid never resolves. */
    s.done = 0;
    r = post("http://name.invalid/", &s);
    r.no_retry = true;
    once(&opts, &r, &s);
    assert_int_equal(s.last.err, BTZ_UNREACHABLE);
    assert_non_null(strstr(s.detail, "check the host name"));
}

static void test_misbehaviour(void **state)
{
    static const struct {
        const char *path;
        enum btz_err err;
        bool timed_out;
        unsigned status;
        size_t body; /* SIZE_MAX: any */
        const char *detail;
    } cases[] = {
        { "/cut", BTZ_UNREACHABLE, false, 200, 10, "90 bytes remaining" },
        { "/nothing", BTZ_UNREACHABLE, false, 0, 0, "mpty reply" },
        { "/chunk", BTZ_INPUT, false, 200, 0, "hunk" },
        { "/headers", BTZ_INPUT, false, 200, 0, "header" },
        { "/huge", BTZ_LIMIT, false, 200, 100000, "larger than the limit of 100000 bytes" },
        { "/endless", BTZ_LIMIT, false, 200, 100000, "larger than the limit" },
        { "/silent", BTZ_UNREACHABLE, true, 0, 0, "imed out" },
        { "/stall", BTZ_UNREACHABLE, true, 200, 4, "imed out" },
    };
    struct test_server *server = test_server_start(misbehave, NULL, NULL);
    struct btz_http_opts opts = { .max_body = 100000, .request_timeout_ms = 20000 };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct seen s = { 0 };
        struct btz_http_request r = post(url_of(test_server_port(server), cases[i].path), &s);

        r.timeout_ms = cases[i].timed_out ? 150 : 0;
        once(&opts, &r, &s);
        assert_int_equal(s.last.err, cases[i].err);
        assert_int_equal(s.last.timed_out, cases[i].timed_out);
        assert_int_equal(s.last.status, cases[i].status);
        assert_int_equal(s.last.body.len, cases[i].body);
        if (!strstr(s.detail, cases[i].detail))
            fail_msg("%s: %s", cases[i].path, s.detail);
    }
    test_server_stop(server);
}

/* Bad replies among good ones: every request ends once, the good ones well. */
static void test_mixed_run(void **state)
{
    struct test_server *bad = test_server_start(misbehave, NULL, NULL);
    struct test_server *good = test_server_start(echo, NULL, NULL);
    static const char *const paths[] = { "/cut", "/nothing", "/chunk", "/huge", "/endless" };
    struct btz_http_opts opts = { .max_body = 100000, .max_in_flight = 16 };
    struct seen bad_seen = { 0 }, good_seen = { 0 };
    struct rusage use;
    struct btz_http *h;
    (void)state;

    assert_int_equal(btz_http_new(&opts, &h), BTZ_OK);
    for (unsigned i = 0; i < 60; i++) {
        struct btz_http_request r =
            post(url_of(test_server_port(bad), paths[i % BTZ_COUNT(paths)]), &bad_seen);

        assert_int_equal(btz_http_submit(h, &r), BTZ_OK);
        r = post(url_of(test_server_port(good), "/"), &good_seen);
        assert_int_equal(btz_http_submit(h, &r), BTZ_OK);
    }
    assert_int_equal(btz_http_run(h, -1, NULL), BTZ_OK);
    btz_http_free(h);
    assert_int_equal(bad_seen.done, 60);
    assert_int_equal(bad_seen.ok, 0);
    assert_int_equal(good_seen.done, 60);
    assert_int_equal(good_seen.ok, 60);
    test_server_stop(bad);
    test_server_stop(good);
    getrusage(RUSAGE_SELF, &use);
    assert_in_range(use.ru_maxrss, 1, 400 * 1024); /* the sanitizers' own memory included */
}

static void test_streams(void **state)
{
    static const struct {
        const char *path;
        enum btz_http_stream mode;
        unsigned stop_after, events;
        const char *last;
    } cases[] = {
        { "/sse", BTZ_HTTP_SSE, 0, 2, "message|[DONE]" },
        { "/sse", BTZ_HTTP_DETECT, 0, 2, "message|[DONE]" },
        { "/sse", BTZ_HTTP_SSE, 1, 1, "note|a\nb" },
        { "/sse", BTZ_HTTP_WHOLE, 0, 0, "" },
        { "/ndjson", BTZ_HTTP_DETECT, 0, 2, "|{\"a\":2}" },
        { "/ndjson", BTZ_HTTP_NDJSON, 1, 1, "|{\"a\":1}" },
        { "/json", BTZ_HTTP_DETECT, 0, 0, "" },
        { "/error", BTZ_HTTP_NDJSON, 0, 0, "" },
    };
    struct test_server *server = test_server_start(stream, NULL, NULL);
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct seen s = { .stop_after = cases[i].stop_after };
        struct btz_http_request r = post(url_of(test_server_port(server), cases[i].path), &s);

        r.stream = cases[i].mode;
        r.on_event = on_event;
        once(NULL, &r, &s);
        assert_int_equal(s.last.err, BTZ_OK);
        assert_int_equal(s.events, cases[i].events);
        assert_string_equal(s.event, cases[i].last);
        assert_true(s.last.body.len > 0);
    }
    test_server_stop(server);
    /* An endless stream ends where the caller says, well. */
    {
        struct seen s = { .stop_after = 3 };
        struct btz_http_request r;

        server = test_server_start(misbehave, NULL, NULL);
        r = post(url_of(test_server_port(server), "/endless"), &s);
        r.stream = BTZ_HTTP_SSE;
        r.on_event = on_event;
        once(NULL, &r, &s);
        assert_int_equal(s.last.err, BTZ_OK);
        assert_int_equal(s.events, 3);
        test_server_stop(server);
    }
}

static void on_cancel(void *user, const struct btz_http_reply *r)
{
    struct seen *s = user;

    on_done(user, r);
    /* Too late for more. */
    assert_int_equal(btz_http_submit(s->http, &s->again), BTZ_CONFLICT);
}

static void test_cancel(void **state)
{
    struct test_server *server = test_server_start(misbehave, NULL, NULL);
    struct btz_http_opts opts = { .max_in_flight = 4, .max_retries = 3, .backoff_base_ms = 60000 };
    struct seen s = { 0 }, asleep = { 0 };
    struct btz_http_request r;
    (void)state;

    assert_int_equal(btz_http_new(&opts, &s.http), BTZ_OK);
    r = post(url_of(test_free_port(), "/"), &asleep);
    assert_int_equal(btz_http_submit(s.http, &r), BTZ_OK);
    s.again = r = post(url_of(test_server_port(server), "/stall"), &s);
    r.on_done = on_cancel;
    for (int i = 0; i < 10; i++)
        assert_int_equal(btz_http_submit(s.http, &r), BTZ_OK);
    while (test_server_requests(server) < 3)
        assert_int_equal(btz_http_run(s.http, 10, NULL), BTZ_OK);
    assert_int_equal(s.done, 0);
    assert_int_equal(btz_http_pending(s.http), 11);
    btz_http_free(s.http);
    assert_int_equal(s.done, 10);
    assert_int_equal(s.last.err, BTZ_UNREACHABLE);
    assert_string_equal(s.detail, "cancelled");
    assert_int_equal(asleep.done, 1);
    assert_string_equal(asleep.detail, "cancelled");
    test_server_stop(server);
}

static void test_stop_flag(void **state)
{
    struct test_server *server = test_server_start(misbehave, NULL, NULL);
    volatile int stop = 1;
    struct seen s = { 0 };
    struct btz_http_request r = post(url_of(test_server_port(server), "/silent"), &s);
    (void)state;

    assert_int_equal(btz_http_new(NULL, &s.http), BTZ_OK);
    assert_int_equal(btz_http_submit(s.http, &r), BTZ_OK);
    assert_int_equal(btz_http_run(s.http, -1, &stop), BTZ_OK);
    assert_int_equal(s.done, 0);
    btz_http_free(s.http);
    assert_int_equal(s.done, 1);
    test_server_stop(server);
}

static void test_refused_requests(void **state)
{
    static const struct btz_http_header bad[] = { { "X-A", "a\r\nX-B: b" },
                                                  { "X A", "a" },
                                                  { "", "a" },
                                                  { "Content-Length", "9" },
                                                  { "X-A", "a\x7f" } };
    static const char *const urls[] = { "ftp://host/",     "file:///etc/passwd",  "host", "",
                                        "http://host/a b", "http://host/\r\nX: y" };
    struct seen s = { 0 };
    struct btz_http_request r = post("http://127.0.0.1/", &s);
    (void)state;

    assert_int_equal(btz_http_new(NULL, &s.http), BTZ_OK);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        r.headers = &bad[i];
        r.header_count = 1;
        assert_int_equal(btz_http_submit(s.http, &r), BTZ_USAGE);
    }
    r.header_count = 0;
    for (size_t i = 0; i < BTZ_COUNT(urls); i++) {
        r.url = urls[i];
        assert_int_equal(btz_http_submit(s.http, &r), BTZ_USAGE);
    }
    r.url = "http://127.0.0.1/";
    r.method = "GET /";
    assert_int_equal(btz_http_submit(s.http, &r), BTZ_USAGE);
    assert_int_equal(btz_http_pending(s.http), 0);
    btz_http_free(s.http);
    assert_int_equal(s.done, 0);
    {
        struct btz_http_opts opts = { .ca_file = "/nonexistent/ca.pem" };
        struct btz_http *h;

        assert_int_equal(btz_http_new(&opts, &h), BTZ_IO);
        assert_non_null(strstr(btz_error_detail(), "/nonexistent/ca.pem"));
    }
}

static void test_garbage(void **state)
{
    struct test_server_opts opts = { .garbage = true };
    struct test_server *server = test_server_start(NULL, NULL, &opts);
    struct seen s = { 0 };
    struct btz_http_request r = post(url_of(test_server_port(server), "/"), &s);
    (void)state;

    once(NULL, &r, &s);
    assert_true(s.last.err == BTZ_INPUT || s.last.err == BTZ_UNREACHABLE);
    assert_true(s.detail[0] != '\0');
    test_server_stop(server);
}

static void test_tls(void **state)
{
    struct test_pki pki;
    struct test_server_opts server_opts = { 0 };
    struct test_server *server;
    char url[64];
    (void)state;

    test_pki_make(&pki);
    {
        const struct {
            const char *cert, *key, *client_ca;
            struct btz_http_opts opts;
            enum btz_err err;
            const char *detail;
        } cases[] = {
            { pki.server_cert, pki.server_key, NULL, { .ca_file = pki.ca }, BTZ_OK, "" },
            { pki.server_cert, pki.server_key, NULL, { 0 }, BTZ_UNREACHABLE, "ca_file" },
            { pki.server_cert,
              pki.server_key,
              NULL,
              { .ca_file = pki.other_ca },
              BTZ_UNREACHABLE,
              "ca_file" },
            { pki.server_cert, pki.server_key, NULL, { .insecure = true }, BTZ_OK, "" },
            { pki.stranger_cert,
              pki.stranger_key,
              NULL,
              { .ca_file = pki.ca },
              BTZ_UNREACHABLE,
              "127.0.0.1" },
            { pki.server_cert,
              pki.server_key,
              pki.ca,
              { .ca_file = pki.ca, .http1_only = true },
              BTZ_UNREACHABLE,
              "" },
            { pki.server_cert,
              pki.server_key,
              pki.ca,
              { .ca_file = pki.ca, .client_cert = pki.client_cert, .client_key = pki.client_key },
              BTZ_OK,
              "" },
        };

        for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
            struct seen s = { 0 };
            struct btz_http_request r;

            server_opts = (struct test_server_opts){ .cert = cases[i].cert,
                                                     .key = cases[i].key,
                                                     .client_ca = cases[i].client_ca };
            server = test_server_start(echo, NULL, &server_opts);
            snprintf(url, sizeof url, "https://127.0.0.1:%u/", test_server_port(server));
            r = post(url, &s);
            once(&cases[i].opts, &r, &s);
            assert_int_equal(s.last.err, cases[i].err);
            if (s.last.err == BTZ_OK)
                assert_string_equal(s.last.tls_version, "TLSv1.3");
            else
                assert_non_null(strstr(s.detail, cases[i].detail));
            test_server_stop(server);
        }
    }
    {
        /* TLS where there is none, and none where there is. */
        struct seen s = { 0 };
        struct btz_http_request r;

        server = test_server_start(echo, NULL, NULL);
        snprintf(url, sizeof url, "https://127.0.0.1:%u/", test_server_port(server));
        r = post(url, &s);
        r.timeout_ms = 2000;
        {
            struct btz_http_opts opts = { .connect_timeout_ms = 300 };

            once(&opts, &r, &s);
        }
        assert_int_equal(s.last.err, BTZ_UNREACHABLE);
        test_server_stop(server);
    }
    test_pki_remove(&pki);
}

static void test_http2(void **state)
{
    struct test_pki pki;
    struct test_server_opts server_opts = { .http2 = true, .h2_body = "{\"ok\":true}" };
    struct btz_http_opts opts = { .max_in_flight = 50 };
    struct test_server *server;
    struct seen s = { 0 };
    struct btz_http_request r;
    char url[64];
    (void)state;

    test_pki_make(&pki);
    server_opts.cert = pki.server_cert;
    server_opts.key = pki.server_key;
    opts.ca_file = pki.ca;
    server = test_server_start(echo, NULL, &server_opts);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", test_server_port(server));
    r = post(url, &s);
    assert_int_equal(btz_http_new(&opts, &s.http), BTZ_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(btz_http_submit(s.http, &r), BTZ_OK);
    assert_int_equal(btz_http_run(s.http, -1, NULL), BTZ_OK);
    btz_http_free(s.http);
    assert_int_equal(s.ok, 200);
    assert_int_equal(s.last.http_version, 20);
    assert_string_equal(s.body, "{\"ok\":true}");
    assert_int_equal(test_server_requests(server), 200);
    assert_int_equal(test_server_connections(server), 1);
    /* The same server, when HTTP/1.1 is asked for. */
    s.done = 0;
    opts.http1_only = true;
    once(&opts, &r, &s);
    assert_int_equal(s.last.http_version, 11);
    test_server_stop(server);
    test_pki_remove(&pki);
}

static void test_proxies(void **state)
{
    struct test_pki pki;
    struct test_server_opts socks = { .socks5 = true }, tunnel = { .tls_after_connect = true };
    struct test_server *server = test_server_start(echo, NULL, NULL);
    struct btz_http_opts opts = { 0 };
    struct seen s = { 0 };
    char proxy[64], url[64];
    struct btz_http_request r;
    (void)state;

    /* A proxy in the environment is nobody's business here. */
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1/", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1/", 1), 0);
    r = post(url_of(test_server_port(server), "/direct"), &s);
    once(NULL, &r, &s);
    assert_non_null(strstr(s.body, "POST /direct\n"));
    /* An HTTP proxy sees the whole URL, and no exception from NO_PROXY. */
    assert_int_equal(setenv("NO_PROXY", "*", 1), 0);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", test_server_port(server));
    opts.proxy = proxy;
    s.done = 0;
    r = post("http://name.invalid/x", &s);
    once(&opts, &r, &s);
    assert_non_null(strstr(s.body, "POST http://name.invalid/x\n"));
    test_server_stop(server);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    unsetenv("NO_PROXY");

    server = test_server_start(echo, NULL, &socks);
    snprintf(proxy, sizeof proxy, "socks5://127.0.0.1:%u", test_server_port(server));
    s.done = 0;
    r = post("http://127.0.0.1:9/socks", &s);
    once(&opts, &r, &s);
    assert_non_null(strstr(s.body, "POST /socks\n"));
    test_server_stop(server);

    test_pki_make(&pki);
    tunnel.cert = pki.server_cert;
    tunnel.key = pki.server_key;
    opts.ca_file = pki.ca;
    server = test_server_start(echo, NULL, &tunnel);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", test_server_port(server));
    snprintf(url, sizeof url, "https://localhost:%u/tunnel", test_server_port(server));
    s.done = 0;
    r = post(url, &s);
    once(&opts, &r, &s);
    assert_non_null(strstr(s.body, "POST /tunnel\n"));
    assert_string_equal(s.last.tls_version, "TLSv1.3");
    test_server_stop(server);
    test_pki_remove(&pki);
}

static void test_rate(void **state)
{
    struct test_server *server = test_server_start(echo, NULL, NULL);
    struct btz_http_opts opts = { .max_in_flight = 32, .rate_per_second = 500, .burst = 5 };
    struct seen s = { 0 };
    struct btz_http_request r = post(url_of(test_server_port(server), "/"), &s);
    uint64_t start = btz_clock_ns();
    (void)state;

    assert_int_equal(btz_http_new(&opts, &s.http), BTZ_OK);
    for (int i = 0; i < 25; i++)
        assert_int_equal(btz_http_submit(s.http, &r), BTZ_OK);
    assert_int_equal(btz_http_run(s.http, -1, NULL), BTZ_OK);
    btz_http_free(s.http);
    assert_int_equal(s.ok, 25);
    /* Five at once, twenty more at 2 ms each: sooner is impossible. */
    assert_true(btz_clock_ns() - start >= UINT64_C(40000000));
    assert_true(s.last.waited_seconds > 0.03);
    test_server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_many_in_flight),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_misbehaviour),
        cmocka_unit_test(test_mixed_run),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_stop_flag),
        cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_http2),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
