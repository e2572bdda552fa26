/*
 * http: a client engine on curl_multi and epoll. One thread, thousands of requests in flight. One bad reply
 * is a counted outcome of that request and never aborts a run.
 */
#ifndef BTZ_HTTP_H
#define BTZ_HTTP_H

#include "base/base.h"

struct btz_http_header {
    const char *name, *value;
};

/* How a reply body is cut into events for the caller while it arrives. Only replies with a 2xx status are cut;
 * reply.body holds the raw bytes in every mode. */
enum btz_http_stream {
    BTZ_HTTP_WHOLE,  /* no events, the body in one piece at the end */
    BTZ_HTTP_SSE,    /* WHATWG HTML 9.2 server-sent events: one event per dispatch */
    BTZ_HTTP_NDJSON, /* one event per line */
    BTZ_HTTP_DETECT  /* by the reply's Content-Type; anything else is WHOLE */
};

struct btz_http_opts {
    unsigned max_in_flight;   /* 0: 64 */
    double rate_per_second;   /* token bucket over all requests, 0: none */
    unsigned burst;           /* bucket size, 0: 1 */
    unsigned max_retries;     /* of 429, 502, 503, 504 and failures to connect; 0 is none */
    uint32_t backoff_base_ms; /* 0: 250; doubled each time, full jitter, capped */
    uint32_t backoff_cap_ms;  /* 0: 30,000; also caps Retry-After (RFC 9110 s.10.2.3, both forms) */
    uint32_t connect_timeout_ms; /* 0: 10,000 */
    uint32_t request_timeout_ms; /* one try, 0: 120,000 */
    uint32_t total_timeout_ms;   /* all tries of one request with their waits, 0: 600,000 */
    size_t max_body;     /* reply bytes kept, 0: 4 MiB; past it the request ends as BTZ_LIMIT */
    const char *ca_file; /* PEM; NULL: the system's */
    const char *client_cert, *client_key; /* PEM */
    const char *unix_socket;              /* connect there instead, whatever host the URL names */
    bool public_only;       /* addresses of this machine and of private networks are not dialled */
    const char *proxy;      /* http, https or socks5 URL; NULL: none, the environment is not read */
    bool insecure;          /* no TLS verification; callers must warn */
    bool http1_only;        /* default: HTTP/2 by ALPN where TLS, HTTP/1.1 else */
    const char *user_agent; /* NULL: "bartizan/VERSION" */
    uint64_t seed;          /* of the jitter */
};

/* How a request ended. `err` is OK whenever a complete reply came, whatever its status. */
struct btz_http_reply {
    enum btz_err
        err; /* OK, UNREACHABLE (refused, TLS, timeout, cut), LIMIT (body), INPUT (bad HTTP) */
    const char *detail; /* one sentence when err is not OK */
    bool timed_out;
    unsigned status;       /* last status line seen, 0: none */
    struct btz_slice body; /* what was read, also when err is not OK */
    const struct btz_http_header *headers;
    size_t header_count;
    unsigned http_version;   /* 10, 11, 20; 0: no status line came */
    const char *tls_version; /* "TLSv1.3"; NULL without TLS */
    unsigned tries;
    double seconds; /* of the last try, from sending to the last byte */
    double first_byte_seconds;
    double waited_seconds; /* in queue, bucket and back-off */
};
/* Value of a reply header, names compared without case; NULL when absent. */
const char *btz_http_reply_header(const struct btz_http_reply *r, const char *name);

struct btz_http_event {
    struct btz_slice name; /* SSE event name, "message" unless given; empty for NDJSON */
    struct btz_slice data;
};

/* A request. Everything is copied by btz_http_submit. Callbacks run inside btz_http_run; they may submit. */
struct btz_http_request {
    const char *method; /* "POST" */
    const char *url;
    const struct btz_http_header *headers;
    size_t header_count;
    struct btz_slice body;
    enum btz_http_stream stream;
    uint32_t timeout_ms; /* one try, 0: the engine's */
    bool no_retry;
    void *user;
    /* An event of a stream; return false to stop reading (the reply is then OK with what came). */
    bool (*on_event)(void *user, const struct btz_http_event *event);
    /* Exactly once for each submitted request. The reply is borrowed while the call lasts. */
    void (*on_done)(void *user, const struct btz_http_reply *reply);
};

struct btz_http;
BTZ_CHECKED enum btz_err btz_http_new(const struct btz_http_opts *opts, struct btz_http **out);
/* Ends what is in flight (on_done with UNREACHABLE "cancelled") and frees. */
void btz_http_free(struct btz_http *h);
BTZ_CHECKED enum btz_err btz_http_submit(struct btz_http *h,
                                         const struct btz_http_request *request);
/* Requests submitted and not yet done, those waiting in queue included. */
size_t btz_http_pending(const struct btz_http *h);
/* Works for at most timeout_ms (-1: until nothing is pending or *stop is non-zero). */
BTZ_CHECKED enum btz_err btz_http_run(struct btz_http *h, int timeout_ms, const volatile int *stop);

/* Incremental parsers, usable without the engine (and fuzzed so). feed may be called with any split. */
struct btz_sse;
BTZ_CHECKED enum btz_err btz_sse_new(size_t max_event,
                                     bool (*on_event)(void *, const struct btz_http_event *),
                                     void *user, struct btz_sse **out);
void btz_sse_free(struct btz_sse *s);
/* `*more` is false once on_event asked to stop. Errors: LIMIT when one event is larger than max_event. */
BTZ_CHECKED enum btz_err btz_sse_feed(struct btz_sse *s, struct btz_slice bytes, bool *more);

#endif
