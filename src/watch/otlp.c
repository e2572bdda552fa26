#include "watch/otlp.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "gate/trace.h"
#include "http/http.h"

#define BATCH       512
#define BATCH_MS    2000
#define METRICS_MS  10000
#define QUEUE       4096
#define SPAN_MAX    16384
#define BODY_MAX    ((size_t)16 << 20)
#define TRY_MS      5000
#define FAREWELL_MS 1000

#define HEAD                                                                                       \
    "\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"          \
    "\"bartizan\""                                                                                 \
    "}},{\"key\":\"service.version\",\"value\":{\"stringValue\":\"" BTZ_VERSION "\"}}]}"
#define SCOPE "\"scope\":{\"name\":\"bartizan.gate\",\"version\":\"" BTZ_VERSION "\"}"

struct btz_otlp {
    struct btz_otlp_options o;
    char *traces, *metrics;
    struct btz_http *http;
    uint64_t started_ms;
    pthread_t thread;
    bool runs, failing;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    char **span; /* a ring of texts */
    size_t first, count;
    uint64_t dropped, sent;
};

/* ---- a span ---- */

static enum btz_err attribute(struct btz_buf *out, const char *name, struct btz_slice text,
                              const char *kind)
{
    BTZ_TRY(btz_buf_printf(out, "%s{\"key\":\"%s\",\"value\":{\"%s\":\"",
                           out->ptr[out->len - 1] == '[' ? "" : ",", name, kind));
    BTZ_TRY(btz_buf_add_slice(out, text));
    return btz_buf_add_str(out, "\"}}");
}

/* Texts of a record are written as they stand there: they are JSON already. */
static enum btz_err text_of(struct btz_buf *out, const struct btz_record_view *v, const char *name,
                            const char *member)
{
    struct btz_slice text;

    return btz_record_text(v, member, &text) ? attribute(out, name, text, "stringValue") : BTZ_OK;
}

static enum btz_err number_of(struct btz_buf *out, const struct btz_record_view *v,
                              const char *name, const char *member)
{
    char digits[24];

    for (size_t i = 0; i < v->count; i++)
        if (btz_slice_is(v->member[i].name, member)) {
            snprintf(digits, sizeof digits, "%" PRIu64, btz_record_count(v, member));
            return attribute(out, name, btz_str(digits), "intValue");
        }
    return BTZ_OK;
}

static const char *outcome_of(const struct btz_record_view *v)
{
    char verdict[16] = "", guard[32] = "";
    struct btz_slice text;
    struct btz_call_record r = { .verdict = verdict,
                                 .guard = guard,
                                 .status = (unsigned)btz_record_count(v, "status"),
                                 .client_gone = btz_record_flag(v, "client_gone") };

    if (btz_record_text(v, "verdict", &text))
        snprintf(verdict, sizeof verdict, "%.*s", BTZ_SLICE_ARG(text));
    if (btz_record_text(v, "guard", &text))
        snprintf(guard, sizeof guard, "%.*s", BTZ_SLICE_ARG(text));
    if (btz_record_text(v, "upstream", &text))
        r.upstream = "";
    return btz_call_outcome(&r);
}

static enum btz_err write_attributes(const struct btz_record_view *v, const char *operation,
                                     const char *outcome, struct btz_buf *out)
{
    static const struct {
        const char *name, *member;
        bool number;
    } all[] = {
        { "gen_ai.provider.name", "upstream", false },
        { "gen_ai.request.model", "model", false },
        { "gen_ai.response.model", "served_model", false },
        { "gen_ai.usage.input_tokens", "input_tokens", true },
        { "gen_ai.usage.output_tokens", "output_tokens", true },
        { "http.response.status_code", "status", true },
        { "bartizan.request", "request", false },
        { "bartizan.route", "route", false },
        { "bartizan.verdict", "verdict", false },
        { "bartizan.guard", "guard", false },
        { "bartizan.own_us", "own_us", true },
    };

    BTZ_TRY(btz_buf_add_str(out, "\"attributes\":["));
    BTZ_TRY(attribute(out, "gen_ai.operation.name", btz_str(operation), "stringValue"));
    for (size_t i = 0; i < BTZ_COUNT(all); i++)
        BTZ_TRY(all[i].number ? number_of(out, v, all[i].name, all[i].member)
                              : text_of(out, v, all[i].name, all[i].member));
    if (strcmp(outcome, "ok") != 0)
        BTZ_TRY(attribute(out, "error.type", btz_str(outcome), "stringValue"));
    return btz_buf_add_str(out, "]");
}

/* What the upstream was told (btz_exchange_traceparent). */
static void take_trace(const struct btz_record_view *v, char trace[BTZ_TRACE_ID + 1],
                       char span[BTZ_TRACE_SPAN + 1], char parent[64])
{
    struct btz_slice request, id, of;
    uint8_t random[24];

    if (!btz_record_text(v, "request", &request) || !btz_trace_of_request(request, trace, span)) {
        btz_random_bytes(random, sizeof random);
        btz_hex(random, 16, trace);
        btz_hex(random + 16, 8, span);
    }
    if (!btz_record_text(v, "trace", &id) || !btz_trace_is_id(id, BTZ_TRACE_ID) ||
        !btz_record_text(v, "parent_span", &of) || !btz_trace_is_id(of, BTZ_TRACE_SPAN))
        return;
    snprintf(trace, BTZ_TRACE_ID + 1, "%.*s", BTZ_SLICE_ARG(id));
    snprintf(parent, 64, "\"parentSpanId\":\"%.*s\",", BTZ_SLICE_ARG(of));
}

static enum btz_err write_span(const struct btz_record_view *v, struct btz_buf *out)
{
    uint64_t at = btz_record_count(v, "at"), took = btz_record_count(v, "took_us");
    const char *outcome = outcome_of(v), *operation;
    char route[64] = "", trace[BTZ_TRACE_ID + 1], id[BTZ_TRACE_SPAN + 1], parent[64] = "";
    struct btz_slice text = { 0 };

    if (btz_record_text(v, "route", &text))
        snprintf(route, sizeof route, "%.*s", BTZ_SLICE_ARG(text));
    operation = btz_call_operation(route);
    take_trace(v, trace, id, parent);
    text = btz_str("");
    (void)btz_record_text(v, "model", &text);
    if (at > UINT64_C(10000000000000)) /* what does not fit in nanoseconds was never a time */
        at = 0;
    BTZ_TRY(btz_buf_printf(out, "{\"traceId\":\"%s\",\"spanId\":\"%s\",%s\"name\":\"%s%s", trace,
                           id, parent, operation, text.len ? " " : ""));
    BTZ_TRY(btz_buf_add_slice(out, text));
    BTZ_TRY(btz_buf_printf(
        out,
        "\",\"kind\":3,\"startTimeUnixNano\":\"%" PRIu64 "\",\"endTimeUnixNano\":\"%" PRIu64 "\",",
        at * 1000000, at * 1000000 + (took < UINT64_C(1) << 40 ? took : 0) * 1000));
    BTZ_TRY(write_attributes(v, operation, outcome, out));
    return btz_buf_printf(out, ",\"status\":{%s}}", strcmp(outcome, "ok") ? "\"code\":2" : "");
}

void btz_otlp_span(struct btz_otlp *x, const struct btz_record_view *call)
{
    struct btz_buf text = BTZ_BUF(SPAN_MAX);
    bool kept = false;
    const char *whole;

    if (write_span(call, &text) != BTZ_OK || btz_buf_cstr(&text, &whole) != BTZ_OK)
        btz_buf_release(&text);
    pthread_mutex_lock(&x->lock);
    if (text.ptr && x->count < x->o.queue) {
        x->span[(x->first + x->count++) % x->o.queue] = (char *)text.ptr;
        kept = true;
        if (x->count == BATCH)
            pthread_cond_signal(&x->changed);
    } else {
        x->dropped++;
    }
    pthread_mutex_unlock(&x->lock);
    if (!kept)
        btz_buf_release(&text);
}

/* ---- sending ---- */

struct posted {
    bool taken;
    char why[200];
};

static void on_done(void *user, const struct btz_http_reply *reply)
{
    struct posted *p = user;

    p->taken = reply->err == BTZ_OK && reply->status / 100 == 2;
    if (reply->err != BTZ_OK)
        snprintf(p->why, sizeof p->why, "%s", reply->detail);
    else
        snprintf(p->why, sizeof p->why, "it answers %u", reply->status);
}

static bool post(struct btz_otlp *x, const char *url, struct btz_slice body, unsigned timeout_ms)
{
    static const struct btz_http_header json[] = { { "Content-Type", "application/json" } };
    struct posted done = { false, "" };
    struct btz_http_request r = { .method = "POST",
                                  .url = url,
                                  .headers = json,
                                  .header_count = 1,
                                  .body = body,
                                  .timeout_ms = timeout_ms,
                                  .no_retry = true,
                                  .user = &done,
                                  .on_done = on_done };

    if (btz_http_submit(x->http, &r) != BTZ_OK || btz_http_run(x->http, -1, NULL) != BTZ_OK)
        done = (struct posted){ false, "" };
    if (done.taken && x->failing)
        btz_log(x->o.log, BTZ_LOG_WARN, "otlp: %s takes again", url);
    else if (!done.taken && !x->failing)
        btz_log(x->o.log, BTZ_LOG_WARN, "otlp: %s does not take spans and metrics%s%s", url,
                done.why[0] ? ": " : "", done.why);
    x->failing = !done.taken;
    return done.taken;
}

/* Takes up to BATCH spans off the queue into the text of a request. */
static size_t take_batch(struct btz_otlp *x, struct btz_buf *out)
{
    char *batch[BATCH];
    size_t count = 0;
    enum btz_err err;

    pthread_mutex_lock(&x->lock);
    for (; x->count > 0 && count < BATCH; x->count--) {
        batch[count++] = x->span[x->first];
        x->first = (x->first + 1) % x->o.queue;
    }
    pthread_mutex_unlock(&x->lock);
    err = btz_buf_add_str(out,
                          "{\"resourceSpans\":[{" HEAD ",\"scopeSpans\":[{" SCOPE ",\"spans\":[");
    for (size_t i = 0; i < count; i++) {
        if (err == BTZ_OK && i > 0)
            err = btz_buf_add_byte(out, ',');
        if (err == BTZ_OK)
            err = btz_buf_add_str(out, batch[i]);
        free(batch[i]);
    }
    if (err == BTZ_OK)
        err = btz_buf_add_str(out, "]}]}]}");
    if (err != BTZ_OK)
        btz_buf_clear(out);
    return count;
}

static size_t send_batch(struct btz_otlp *x, unsigned timeout_ms)
{
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(BODY_MAX);
    size_t count = take_batch(x, &body);
    bool taken = count > 0 && body.len > 0 && post(x, x->traces, btz_buf_slice(&body), timeout_ms);

    pthread_mutex_lock(&x->lock);
    *(taken ? &x->sent : &x->dropped) += count;
    pthread_mutex_unlock(&x->lock);
    return count;
}

static void send_metrics(struct btz_otlp *x, unsigned timeout_ms)
{
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(BODY_MAX);
    struct btz_metrics *m;
    enum btz_err err;

    if (!x->o.metrics_path || btz_metrics_open(x->o.metrics_path, NULL, 0, NULL, 0, &m) != BTZ_OK)
        return;
    err = btz_otlp_metrics(m, x->started_ms, btz_clock_unix_ms(), &body);
    btz_metrics_close(m);
    if (err == BTZ_OK)
        (void)post(x, x->metrics, btz_buf_slice(&body), timeout_ms);
}

/* ---- the thread ---- */

/* Until a batch is full, its time is over, or the end; false at the end. */
static bool wait_for_batch(struct btz_otlp *x)
{
    struct timespec until;
    bool on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += x->o.batch_ms / 1000;
    until.tv_nsec += (long)(x->o.batch_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&x->lock);
    while (!x->stopping && x->count < BATCH &&
           pthread_cond_timedwait(&x->changed, &x->lock, &until) != ETIMEDOUT)
        ;
    on = !x->stopping;
    pthread_mutex_unlock(&x->lock);
    return on;
}

static void *export_all(void *user)
{
    struct btz_otlp *x = user;
    uint64_t metrics_ns = 0;

    while (wait_for_batch(x)) {
        (void)send_batch(x, TRY_MS);
        if (btz_clock_ns() - metrics_ns >= x->o.metrics_ms * UINT64_C(1000000)) {
            metrics_ns = btz_clock_ns();
            send_metrics(x, TRY_MS);
        }
    }
    while (send_batch(x, FAREWELL_MS) == BATCH && !x->failing)
        ;
    if (!x->failing)
        send_metrics(x, FAREWELL_MS);
    return NULL;
}

static enum btz_err prepare(struct btz_otlp *x)
{
    const struct btz_http_opts http = { .connect_timeout_ms = 2000,
                                        .max_body = 65536,
                                        .http1_only = true };
    size_t n = strlen(x->o.endpoint);

    while (n > 0 && x->o.endpoint[n - 1] == '/')
        n--;
    if (asprintf(&x->traces, "%.*s/v1/traces", (int)n, x->o.endpoint) < 0)
        x->traces = NULL;
    if (asprintf(&x->metrics, "%.*s/v1/metrics", (int)n, x->o.endpoint) < 0)
        x->metrics = NULL;
    x->span = calloc(x->o.queue, sizeof *x->span);
    if (!x->traces || !x->metrics || !x->span)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return btz_http_new(&http, &x->http);
}

enum btz_err btz_otlp_start(const struct btz_otlp_options *o, struct btz_otlp **out)
{
    struct btz_otlp *x = calloc(1, sizeof *x);
    pthread_condattr_t monotonic;
    enum btz_err err;

    if (!x)
        return btz_fail(BTZ_LIMIT, "out of memory");
    x->o = *o;
    x->o.batch_ms = o->batch_ms ? o->batch_ms : BATCH_MS;
    x->o.metrics_ms = o->metrics_ms ? o->metrics_ms : METRICS_MS;
    x->o.queue = o->queue ? o->queue : QUEUE;
    x->started_ms = btz_clock_unix_ms();
    pthread_mutex_init(&x->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&x->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    err = prepare(x);
    if (err == BTZ_OK && pthread_create(&x->thread, NULL, export_all, x) != 0)
        err = btz_fail(BTZ_LIMIT, "cannot start a thread");
    else if (err == BTZ_OK)
        x->runs = true;
    if (err != BTZ_OK) {
        btz_otlp_stop(x);
        return err;
    }
    *out = x;
    return BTZ_OK;
}

void btz_otlp_stop(struct btz_otlp *x)
{
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    x->stopping = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (x->runs)
        pthread_join(x->thread, NULL);
    for (; x->count > 0; x->count--) {
        free(x->span[x->first]);
        x->first = (x->first + 1) % x->o.queue;
    }
    if (x->http)
        btz_http_free(x->http);
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    free(x->span);
    free(x->traces);
    free(x->metrics);
    free(x);
}

static uint64_t number(struct btz_otlp *x, const uint64_t *from)
{
    uint64_t n;

    pthread_mutex_lock(&x->lock);
    n = *from;
    pthread_mutex_unlock(&x->lock);
    return n;
}

uint64_t btz_otlp_dropped(struct btz_otlp *x)
{
    return number(x, &x->dropped);
}

uint64_t btz_otlp_sent(struct btz_otlp *x)
{
    return number(x, &x->sent);
}
