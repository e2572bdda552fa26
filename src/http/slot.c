/* One libcurl easy handle: how it is set up, what it hands us, what its end means. */
#include <stdlib.h>
#include <strings.h>

#include <openssl/ssl.h>

#include "http/engine.h"

#define HEAD_MAX   ((size_t)256 * 1024)
#define KEEP_BYTES ((size_t)16 * 1024) /* of buffers between requests */

/* ---- what libcurl hands us ---- */

static bool is_stream_type(struct btz_slice head, enum btz_http_stream *kind)
{
    static const struct {
        const char *type;
        enum btz_http_stream kind;
    } types[] = {
        { "text/event-stream", BTZ_HTTP_SSE },          { "application/x-ndjson", BTZ_HTTP_NDJSON },
        { "application/ndjson", BTZ_HTTP_NDJSON },      { "application/jsonl", BTZ_HTTP_NDJSON },
        { "application/x-jsonlines", BTZ_HTTP_NDJSON },
    };
    struct btz_reader r = { .in = head };
    struct btz_slice line;

    while (btz_read_line(&r, &line)) {
        if (line.len < 13 || strncasecmp((const char *)line.ptr, "content-type:", 13) != 0)
            continue;
        line = btz_slice_trim(btz_slice_sub(line, 13, line.len));
        for (size_t i = 0; i < BTZ_COUNT(types); i++) {
            size_t n = strlen(types[i].type);

            if (line.len >= n && strncasecmp((const char *)line.ptr, types[i].type, n) == 0 &&
                (line.len == n || memchr("; \t", line.ptr[n], 3))) {
                *kind = types[i].kind;
                return true;
            }
        }
        return false;
    }
    return false;
}

/* Only a reply that says yes is a stream; an error is read whole even where a stream was asked for. */
static void decide(struct http_slot *s)
{
    long status = 0;

    s->decided = true;
    s->cutting = BTZ_HTTP_WHOLE;
    if (s->job->stream == BTZ_HTTP_WHOLE || !s->job->on_event)
        return;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299)
        return;
    s->cutting = s->job->stream;
    if (s->cutting == BTZ_HTTP_DETECT && !is_stream_type(btz_buf_slice(&s->head), &s->cutting))
        s->cutting = BTZ_HTTP_WHOLE;
}

static bool forward_event(void *user, const struct btz_http_event *event)
{
    struct http_slot *s = user;

    return s->job->on_event(s->job->user, event);
}

static enum btz_err cut_events(struct http_slot *s, struct btz_slice bytes, bool *more)
{
    if (s->cutting == BTZ_HTTP_NDJSON) {
        s->lines.on_event = forward_event;
        s->lines.user = s;
        return btz_lines_feed(&s->lines, bytes, more);
    }
    if (!s->sse)
        BTZ_TRY(btz_sse_new(s->max_body, forward_event, s, &s->sse));
    return btz_sse_feed(s->sse, bytes, more);
}

static size_t on_body(char *bytes, size_t one, size_t n, void *user)
{
    struct http_slot *s = user;
    size_t room = s->max_body - s->body.len;
    bool more = true;

    (void)one;
    if (!s->decided)
        decide(s);
    if (btz_buf_add(&s->body, bytes, n < room ? n : room) != BTZ_OK) {
        s->cut = HTTP_CUT_MEMORY;
        return 0;
    }
    if (s->cutting != BTZ_HTTP_WHOLE &&
        cut_events(s, btz_slice_of(bytes, n < room ? n : room), &more) != BTZ_OK) {
        s->cut = HTTP_CUT_BODY;
        return 0;
    }
    if (!more) {
        s->cut = HTTP_CUT_STOPPED;
        return 0;
    }
    if (n > room) {
        s->cut = HTTP_CUT_BODY;
        return 0;
    }
    return n;
}

static void note_tls(struct http_slot *s)
{
    struct curl_tlssessioninfo *info = NULL;

    if (curl_easy_getinfo(s->easy, CURLINFO_TLS_SSL_PTR, &info) == CURLE_OK && info &&
        info->backend == CURLSSLBACKEND_OPENSSL && info->internals)
        s->tls_version = SSL_get_version(info->internals);
}

static size_t on_head(char *bytes, size_t one, size_t n, void *user)
{
    struct http_slot *s = user;

    (void)one;
    /* Each status line begins anew: what came before was 1xx or a proxy's. */
    if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        btz_buf_clear(&s->head);
    if (n <= 2 && s->job->template->https)
        note_tls(s);
    if (btz_buf_add(&s->head, bytes, n) != BTZ_OK) {
        s->cut = HTTP_CUT_HEAD;
        return 0;
    }
    return n;
}

/* ---- setting up ---- */

/* The options take different types behind one variadic name; one failure is as bad as another. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_code_ = curl_easy_setopt(easy, option, value);                                \
        if (set_code_ != CURLE_OK)                                                                 \
            return btz_fail(set_code_ == CURLE_OUT_OF_MEMORY ? BTZ_LIMIT : BTZ_UNSUPPORTED,        \
                            "libcurl: %s: %s", #option, curl_easy_strerror(set_code_));            \
    } while (0)

static enum btz_err set_tls(CURL *easy, const struct btz_http_opts *o)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (o->ca_file) {
        SET(CURLOPT_CAINFO, o->ca_file);
        SET(CURLOPT_CAPATH, (char *)NULL);
    }
    if (o->client_cert) {
        SET(CURLOPT_SSLCERT, o->client_cert);
        SET(CURLOPT_SSLKEY, o->client_key ? o->client_key : o->client_cert);
    }
    if (o->insecure) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    /* Empty, not unset: libcurl would look for proxies in the environment. */
    SET(CURLOPT_PROXY, o->proxy ? o->proxy : "");
    SET(CURLOPT_NOPROXY, "");
    if (o->proxy && o->ca_file)
        SET(CURLOPT_PROXY_CAINFO, o->ca_file);
    return BTZ_OK;
}

enum btz_err http_slot_init(struct http_slot *s, const struct btz_http_opts *o, CURLSH *share)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        return btz_fail(BTZ_LIMIT, "out of memory for a connection");
    s->easy = easy;
    s->max_body = o->max_body;
    s->head.max = HEAD_MAX;
    s->body.max = o->max_body;
    s->lines.line.max = o->max_body;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_ERRORBUFFER, s->error);
    SET(CURLOPT_PRIVATE, s);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, s);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, s);
    SET(CURLOPT_USERAGENT, o->user_agent);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
    /* Thousands of handles: 16 KiB of receive buffer each by default is more than a reply needs. */
    SET(CURLOPT_BUFFERSIZE, 8192L);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    SET(CURLOPT_SHARE, share);
    if (o->unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
    return set_tls(easy, o);
}

void http_slot_release(struct http_slot *s)
{
    if (s->easy)
        curl_easy_cleanup(s->easy);
    s->easy = NULL;
    btz_sse_free(s->sse);
    s->sse = NULL;
    btz_buf_release(&s->lines.line);
    btz_buf_release(&s->head);
    btz_buf_release(&s->body);
}

static enum btz_err apply(CURL *easy, const struct http_template *t, const struct btz_http_opts *o)
{
    bool http2 = t->https && !o->http1_only;

    SET(CURLOPT_URL, t->url);
    SET(CURLOPT_HTTP_VERSION, http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    /* Wait for the first handshake: it tells whether one connection can carry all the others. */
    SET(CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
    if (t->body == HTTP_BODY_HEAD)
        SET(CURLOPT_NOBODY, 1L);
    else if (t->body == HTTP_BODY_GET)
        SET(CURLOPT_HTTPGET, 1L);
    else
        SET(CURLOPT_POST, 1L);
    SET(CURLOPT_CUSTOMREQUEST, t->method);
    SET(CURLOPT_HTTPHEADER, t->list);
    return BTZ_OK;
}

static void shrink(struct btz_buf *b)
{
    btz_buf_clear(b);
    if (b->cap > KEEP_BYTES)
        btz_buf_release(b);
}

enum btz_err http_slot_prepare(struct http_slot *s, const struct btz_http_opts *o, long timeout_ms)
{
    const struct http_job *j = s->job;
    CURL *easy = s->easy;

    if (s->applied != j->template->serial) {
        s->applied = 0;
        BTZ_TRY(apply(easy, j->template, o));
        s->applied = j->template->serial;
    }
    if (j->template->body == HTTP_BODY_POST) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)j->body_len);
        SET(CURLOPT_POSTFIELDS, (const char *)j->body);
    }
    if (s->applied_timeout_ms != timeout_ms) {
        SET(CURLOPT_TIMEOUT_MS, timeout_ms);
        s->applied_timeout_ms = timeout_ms;
    }
    btz_buf_clear(&s->head);
    shrink(&s->body);
    shrink(&s->lines.line);
    if (s->sse)
        btz_sse_restart(s->sse);
    s->decided = false;
    s->cutting = BTZ_HTTP_WHOLE;
    s->cut = HTTP_CUT_NO;
    s->tls_version = NULL;
    s->error[0] = '\0';
    return BTZ_OK;
}

/* ---- what the end means ---- */

static size_t parse_headers(struct btz_buf *head, struct btz_http_header *out, size_t room)
{
    char *p = (char *)head->ptr, *end = p ? p + head->len : p;
    size_t count = 0;

    while (p < end && count < room) {
        char *line = p, *eol = memchr(p, '\n', (size_t)(end - p)), *colon;

        if (!eol)
            break;
        p = eol + 1;
        while (eol > line && (eol[-1] == '\r' || eol[-1] == ' ' || eol[-1] == '\t'))
            eol--;
        *eol = '\0';
        colon = memchr(line, ':', (size_t)(eol - line));
        if (!colon || memcmp(line, "HTTP/", eol - line < 5 ? (size_t)(eol - line) : 5) == 0)
            continue;
        *colon++ = '\0';
        while (*colon == ' ' || *colon == '\t')
            colon++;
        out[count++] = (struct btz_http_header){ .name = line, .value = colon };
    }
    return count;
}

/* Without user, password and query: they may hold keys. */
static struct btz_slice public_url(const char *url, size_t *host_at)
{
    struct btz_slice s = btz_str(url);
    size_t host = btz_slice_find(s, btz_str("://"), 0) + 3, end = host;

    while (end < s.len && s.ptr[end] != '/' && s.ptr[end] != '?' && s.ptr[end] != '#') {
        if (s.ptr[end] == '@')
            host = end + 1;
        end++;
    }
    while (end < s.len && s.ptr[end] != '?' && s.ptr[end] != '#')
        end++;
    s.len = end;
    *host_at = host;
    return btz_slice_sub(s, host, s.len);
}

static const char *advice(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "; check the host name in the URL";
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "; check the host name of the proxy";
    case CURLE_COULDNT_CONNECT:
        return "; check that the server runs and that the port is right";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "; give the authority that signed the server's certificate as ca_file";
    case CURLE_SSL_CONNECT_ERROR:
        return "; check that the port speaks TLS and whether it wants a client certificate";
    case CURLE_SSL_CERTPROBLEM:
        return "; check client_cert and client_key";
    case CURLE_SSL_CACERT_BADFILE:
        return "; check ca_file";
    case CURLE_OPERATION_TIMEDOUT:
        return "; raise the timeout if the server is this slow";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return "; check that the port speaks HTTP, and whether it wants https";
    default:
        return "";
    }
}

static enum btz_err err_of(const struct http_slot *s, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return BTZ_OK;
    case CURLE_RECV_ERROR:
        /* One code for a connection that broke and for chunks that are none; only the text tells. */
        return strstr(s->error, "chunked") ? BTZ_INPUT : BTZ_UNREACHABLE;
    case CURLE_OUT_OF_MEMORY:
        return BTZ_LIMIT;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, or no HTTP at all */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR: /* not one of our cuts */
        return BTZ_INPUT;
    default:
        return BTZ_UNREACHABLE;
    }
}

static void describe(struct http_slot *s, CURLcode code, struct btz_http_reply *out)
{
    const struct http_template *t = s->job->template;
    size_t host_at;
    struct btz_slice url = public_url(t->url, &host_at);
    int url_len = (int)(url.len < 200 ? url.len : 200);

    out->detail = s->detail;
    switch (s->cut) {
    case HTTP_CUT_BODY:
        out->err = BTZ_LIMIT;
        snprintf(s->detail, sizeof s->detail,
                 "%s %.*s: the reply is larger than the limit of %zu bytes", t->method, url_len,
                 (const char *)url.ptr, s->max_body);
        return;
    case HTTP_CUT_HEAD:
        out->err = BTZ_INPUT;
        snprintf(s->detail, sizeof s->detail,
                 "%s %.*s: the header of the reply is larger than %zu bytes", t->method, url_len,
                 (const char *)url.ptr, HEAD_MAX);
        return;
    case HTTP_CUT_MEMORY:
        out->err = BTZ_LIMIT;
        snprintf(s->detail, sizeof s->detail, "%s %.*s: out of memory for the reply", t->method,
                 url_len, (const char *)url.ptr);
        return;
    default:
        break;
    }
    out->err = err_of(s, code);
    out->timed_out = code == CURLE_OPERATION_TIMEDOUT;
    snprintf(s->detail, sizeof s->detail, "%s %.*s: %s%s", t->method, url_len,
             (const char *)url.ptr, s->error[0] ? s->error : curl_easy_strerror(code),
             advice(code));
}

void http_slot_reply(struct http_slot *s, CURLcode code, struct btz_http_header *headers,
                     size_t count, struct btz_http_reply *out)
{
    curl_off_t sending = 0, first = 0, total = 0;
    long status = 0, version = 0;

    *out = (struct btz_http_reply){ .err = BTZ_OK };
    if (s->cutting == BTZ_HTTP_NDJSON && code == CURLE_OK)
        btz_lines_end(&s->lines);
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(s->easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(s->easy, CURLINFO_PRETRANSFER_TIME_T, &sending);
    curl_easy_getinfo(s->easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
    curl_easy_getinfo(s->easy, CURLINFO_TOTAL_TIME_T, &total);
    out->status = (unsigned)status;
    out->http_version = version == CURL_HTTP_VERSION_2_0   ? 20
                        : version == CURL_HTTP_VERSION_1_1 ? 11
                        : version == CURL_HTTP_VERSION_1_0 ? 10
                                                           : 0;
    out->tls_version = s->tls_version;
    out->body = btz_buf_slice(&s->body);
    out->header_count = parse_headers(&s->head, headers, count);
    out->headers = headers;
    out->tries = s->job->tries;
    out->seconds = (double)(total > sending ? total - sending : 0) * 1e-6;
    out->first_byte_seconds = (double)(first > sending ? first - sending : 0) * 1e-6;
    out->waited_seconds = (double)s->job->waited_ns * 1e-9;
    if (code != CURLE_OK && s->cut != HTTP_CUT_STOPPED)
        describe(s, code, out);
}

bool http_slot_is_worth_retry(const struct http_slot *s, CURLcode code, unsigned status)
{
    curl_off_t connected = 0;

    if (s->cut != HTTP_CUT_NO)
        return false;
    switch (code) {
    case CURLE_OK:
        return status == 429 || status == 502 || status == 503 || status == 504;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return true;
    case CURLE_OPERATION_TIMEDOUT:
        /* Only while connecting: a request that was sent may have been worked on. */
        curl_easy_getinfo(s->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
        return connected == 0;
    default:
        return false;
    }
}

const char *btz_http_reply_header(const struct btz_http_reply *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}
