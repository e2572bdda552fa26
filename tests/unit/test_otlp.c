/* The exporter against a receiver of our own: what comes is OTLP in JSON with the names of the conventions; a receiver that
 * is away or slow costs spans, which are counted, and never time. */
#include "ledger_fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "gate/journal/counters.h"
#include "watch/otlp.h"

#define WAIT_MS 60000

struct receiver {
    int fd;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    json_t *traces, *metrics; /* bodies */
    bool refuses;
};

static void nap(void)
{
    const struct timespec t = { .tv_nsec = 2000000 };

    nanosleep(&t, NULL);
}

/* One request on a connection; false when the other side is gone. */
static bool take_request(struct receiver *r, int fd)
{
    BTZ_BUF_RELEASE struct btz_buf in = BTZ_BUF(32u << 20);
    size_t end = SIZE_MAX, length = 0;
    const char *text;
    json_t *body = NULL;
    char block[65536];

    while (end == SIZE_MAX || in.len < end + 4 + length) {
        ssize_t n = read(fd, block, sizeof block);

        if (n <= 0)
            return false;
        assert_ok(btz_buf_add(&in, block, (size_t)n));
        end = btz_slice_find(btz_buf_slice(&in), btz_str("\r\n\r\n"), 0);
        if (end == SIZE_MAX)
            continue;
        assert_ok(btz_buf_cstr(&in, &text));
        text = strcasestr(text, "content-length:");
        assert_non_null(text);
        length = strtoul(text + 15, NULL, 10);
        if (btz_slice_has(btz_buf_slice(&in), "Expect: 100-continue") && in.len == end + 4)
            assert_int_equal(write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25), 25);
    }
    assert_ok(btz_buf_cstr(&in, &text));
    assert_non_null(strcasestr(text, "content-type: application/json"));
    assert_ok(btz_json_parse(btz_slice_of(in.ptr + end + 4, length), 32u << 20, "body", &body));
    pthread_mutex_lock(&r->lock);
    if (strncmp(text, "POST /v1/traces ", 16) == 0)
        json_array_append_new(r->traces, body);
    else if (strncmp(text, "POST /v1/metrics ", 17) == 0)
        json_array_append_new(r->metrics, body);
    else
        fail_msg("asked for: %.60s", text);
    pthread_mutex_unlock(&r->lock);
    text = r->refuses ? "HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n"
                      : "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                        "2\r\n\r\n{}";
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static void *receive(void *user)
{
    struct receiver *r = user;

    for (;;) {
        int fd = accept(r->fd, NULL, NULL);

        if (fd < 0)
            return NULL;
        while (take_request(r, fd))
            ;
        close(fd);
    }
}

static void receiver_start(struct receiver *r)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;

    memset(r, 0, sizeof *r);
    r->traces = json_array();
    r->metrics = json_array();
    pthread_mutex_init(&r->lock, NULL);
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(r->fd >= 0);
    assert_int_equal(bind(r->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(r->fd, 16), 0);
    assert_int_equal(getsockname(r->fd, (struct sockaddr *)&at, &len), 0);
    r->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&r->thread, NULL, receive, r), 0);
}

static void receiver_stop(struct receiver *r)
{
    shutdown(r->fd, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    close(r->fd);
    json_decref(r->traces);
    json_decref(r->metrics);
}

static size_t received(struct receiver *r, const json_t *list)
{
    size_t n;

    pthread_mutex_lock(&r->lock);
    n = json_array_size(list);
    pthread_mutex_unlock(&r->lock);
    return n;
}

static struct btz_call_record chat(void)
{
    return (struct btz_call_record){ .request = "req_1",
                                     .at_ms = 1795881600000,
                                     .took_us = 1500000,
                                     .route = "chat",
                                     .model = "gpt \"x\"\n",
                                     .upstream = "east",
                                     .served_model = "gpt-x-1",
                                     .verdict = "allow",
                                     .status = 200,
                                     .guard = "passed",
                                     .input_tokens = 11,
                                     .output_tokens = 0,
                                     .tokens_known = true,
                                     .stream = true,
                                     .first_token_us = 20000 };
}

static void span(struct btz_otlp *x, const struct btz_call_record *r)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    struct btz_record_view v;

    assert_ok(btz_record_write(r, &text));
    assert_ok(btz_record_parse(btz_buf_slice(&text), &v));
    btz_otlp_span(x, &v);
}

/* stringValue or intValue of an attribute; NULL: none. */
static const char *value_of(const json_t *object, const char *key)
{
    const json_t *attribute, *value;
    size_t i;

    json_array_foreach(json_object_get(object, "attributes"), i, attribute)
    {
        if (strcmp(json_string_value(json_object_get(attribute, "key")), key) != 0)
            continue;
        value = json_object_get(attribute, "value");
        return json_string_value(json_object_get(value, "stringValue")
                                     ? json_object_get(value, "stringValue")
                                     : json_object_get(value, "intValue"));
    }
    return NULL;
}

static const json_t *first(const json_t *o, const char *name)
{
    return json_array_get(json_object_get(o, name), 0);
}

static void has(const json_t *o, const char *name, const char *wanted)
{
    assert_string_equal(json_string_value(json_object_get(o, name)), wanted);
}

static void check_spans(const json_t *body)
{
    const json_t *spans =
        json_object_get(first(first(body, "resourceSpans"), "scopeSpans"), "spans");
    const json_t *ok = json_array_get(spans, 0), *bad = json_array_get(spans, 1),
                 *child = json_array_get(spans, 2);

    assert_int_equal(json_array_size(spans), 3);
    assert_string_equal(
        value_of(json_object_get(first(body, "resourceSpans"), "resource"), "service.name"),
        "bartizan");
    assert_string_equal(json_string_value(json_object_get(ok, "name")), "chat gpt \"x\"\n");
    assert_int_equal(strlen(json_string_value(json_object_get(ok, "traceId"))), 32);
    assert_int_equal(strlen(json_string_value(json_object_get(ok, "spanId"))), 16);
    assert_string_equal(json_string_value(json_object_get(ok, "startTimeUnixNano")),
                        "1795881600000000000");
    assert_string_equal(json_string_value(json_object_get(ok, "endTimeUnixNano")),
                        "1795881601500000000");
    assert_int_equal(json_integer_value(json_object_get(ok, "kind")), 3);
    assert_string_equal(value_of(ok, "gen_ai.operation.name"), "chat");
    assert_string_equal(value_of(ok, "gen_ai.provider.name"), "east");
    assert_string_equal(value_of(ok, "gen_ai.request.model"), "gpt \"x\"\n");
    assert_string_equal(value_of(ok, "gen_ai.response.model"), "gpt-x-1");
    assert_string_equal(value_of(ok, "gen_ai.usage.input_tokens"), "11");
    assert_string_equal(value_of(ok, "gen_ai.usage.output_tokens"), "0");
    assert_null(value_of(ok, "error.type"));
    /* A request that continues no trace is one; one that continues a trace is a part of that. */
    has(bad, "traceId", "4bf92f3577b34da6a3ce929d0e0e4736");
    has(bad, "spanId", "a3ce929d0e0e4736");
    assert_null(json_object_get(bad, "parentSpanId"));
    has(child, "traceId", "0af7651916cd43dd8448eb211c80319c");
    has(child, "spanId", "a3ce929d0e0e4736");
    has(child, "parentSpanId", "b7ad6b7169203331");
    assert_string_equal(value_of(bad, "error.type"), "limited");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(bad, "status"), "code")),
                     2);
}

static void check_metrics(const json_t *body)
{
    const json_t *metrics = json_object_get(first(first(body, "resourceMetrics"), "scopeMetrics"),
                                            "metrics"),
                 *metric, *point;
    size_t i, seen = 0;

    json_array_foreach(metrics, i, metric)
    {
        const char *name = json_string_value(json_object_get(metric, "name"));

        if (strcmp(name, "gen_ai.client.token.usage") != 0 &&
            strcmp(name, "gen_ai.client.operation.time_to_first_chunk") != 0)
            continue;
        point = first(json_object_get(metric, "histogram"), "dataPoints");
        assert_int_equal(json_array_size(json_object_get(point, "bucketCounts")),
                         json_array_size(json_object_get(point, "explicitBounds")) + 1);
        assert_string_equal(json_string_value(json_object_get(point, "count")), "1");
        assert_string_equal(value_of(point, "gen_ai.request.model"), "gpt*");
        seen++;
    }
    assert_int_equal(seen, 2);
}

static void test_received(void **state)
{
    static const char *const models[] = { "gpt*" }, *const upstreams[] = { "east" };
    char *folder = make_folder(), *path = join(folder, "metrics"), url[64];
    struct btz_otlp_options o = {
        .endpoint = url, .metrics_path = path, .batch_ms = 20, .metrics_ms = 1
    };
    struct btz_call_record r = chat();
    struct btz_metrics *m;
    struct receiver rec;
    struct btz_otlp *x;

    (void)state;
    assert_ok(btz_metrics_open(path, models, 1, upstreams, 1, &m));
    btz_metrics_end(m, &r);
    receiver_start(&rec);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", rec.port);
    assert_ok(btz_otlp_start(&o, &x));
    span(x, &r);
    r.verdict = "deny";
    r.status = 429;
    r.request = "4bf92f3577b34da6a3ce929d0e0e4736";
    span(x, &r);
    r.trace = "0af7651916cd43dd8448eb211c80319c";
    r.parent_span = "b7ad6b7169203331";
    span(x, &r);
    for (int i = 0; i < WAIT_MS / 2 && (btz_otlp_sent(x) < 3 || received(&rec, rec.metrics) == 0);
         i++)
        nap();
    assert_int_equal(btz_otlp_sent(x), 3);
    assert_int_equal(btz_otlp_dropped(x), 0);
    btz_otlp_stop(x);
    check_spans(json_array_get(rec.traces, 0));
    check_metrics(json_array_get(rec.metrics, 0));
    receiver_stop(&rec);
    btz_metrics_close(m);
    free(path);
    remove_tree(folder);
    free(folder);
}

/* Whoever does not take, or is not there: everything is dropped and counted, nobody waits. */
static void test_dropped(void **state)
{
    struct btz_otlp_options o = { .batch_ms = 600000, .queue = 16 };
    struct btz_call_record r = chat();
    struct receiver rec;
    struct btz_otlp *x;
    char url[64];

    (void)state;
    receiver_start(&rec);
    rec.refuses = true;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", rec.port);
    o.endpoint = url;
    assert_ok(btz_otlp_start(&o, &x));
    for (int i = 0; i < 1000; i++)
        span(x, &r);
    assert_int_equal(btz_otlp_dropped(x), 1000 - 16);
    btz_otlp_stop(x);
    receiver_stop(&rec);
    o.batch_ms = 1;
    assert_ok(btz_otlp_start(&o, &x)); /* nobody listens there any more */
    span(x, &r);
    for (int i = 0; i < WAIT_MS / 2 && btz_otlp_dropped(x) == 0; i++)
        nap();
    assert_int_equal(btz_otlp_dropped(x), 1);
    assert_int_equal(btz_otlp_sent(x), 0);
    btz_otlp_stop(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_received),
        cmocka_unit_test(test_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
