/* The response on its way to the client: read by the exchange, piece by piece or whole, before anything of it leaves. */
#include "gate/nginx/module.h"

#include "gate/exchange.h"

static ngx_http_output_header_filter_pt next_header;
static ngx_http_output_body_filter_pt next_body;

/* ---- headers -------------------------------------------------------------------------------------------------------- */

/* What clients of models read. All else is the upstream's own: cookies, its connection, names of its insides, permissions
 * for pages of elsewhere. A star at the end stands for the rest. */
static const char *const passing[] = {
    "content-type",
    "content-length",
    "content-encoding",
    "content-disposition",
    "content-language",
    "content-range",
    "accept-ranges",
    "date",
    "etag",
    "last-modified",
    "expires",
    "cache-control",
    "vary",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "request-id",
    "x-request-id",
    "x-ratelimit-*",
    "ratelimit*",
    "anthropic-ratelimit-*",
    "openai-processing-ms",
    "openai-version",
    "openai-model",
    "mcp-session-id",
    "mcp-protocol-version",
    "sec-websocket-accept",
    "sec-websocket-protocol",
};

/* NULL: it stays here. */
static const char *passing_of(const ngx_table_elt_t *h)
{
    for (size_t i = 0; i < BTZ_COUNT(passing); i++)
        if (btz_nginx_header_is(h, passing[i]))
            return passing[i];
    return NULL;
}

/* The client cannot believe a 101 that does not say to what. */
static bool is_upgrade(const ngx_http_request_t *r, const ngx_table_elt_t *h)
{
    return r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS &&
           btz_nginx_header_is(h, "upgrade");
}

static void drop_headers(ngx_http_request_t *r)
{
    for (ngx_list_part_t *part = &r->headers_out.headers.part; part; part = part->next) {
        ngx_table_elt_t *h = part->elts;

        for (ngx_uint_t i = 0; i < part->nelts; i++)
            if (!passing_of(&h[i]) && !is_upgrade(r, &h[i]))
                h[i].hash = 0;
    }
    r->headers_out.server = NULL;
    r->headers_out.www_authenticate = NULL;
    if (r->headers_out.location)
        ngx_http_clear_location(r);
    /* The words behind the status are the upstream's, too; nginx has its own. */
    ngx_str_null(&r->headers_out.status_line);
    if (r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS)
        ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");
}

/* All of that name. */
static void drop_header(ngx_http_request_t *r, const char *name)
{
    ngx_table_elt_t *h;

    while ((h = btz_nginx_header(&r->headers_out.headers, name)) != NULL)
        h->hash = 0;
}

static bool is_inert(const ngx_http_request_t *r)
{
    return btz_type_is_inert(btz_nginx_slice(r->headers_out.content_type)) ||
           r->headers_out.status == NGX_HTTP_NO_CONTENT ||
           r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS;
}

/* Models and tools answer from the origin of the account pages: nothing they say may run there as a page or a script. */
static ngx_int_t contain(ngx_http_request_t *r)
{
    static const ngx_str_t nosniff = ngx_string("nosniff"), attachment = ngx_string("attachment"),
                           policy = ngx_string("default-src 'none'; sandbox; "
                                               "frame-ancestors 'none'");

    if (btz_nginx_add_header(r, "X-Content-Type-Options", nosniff) != NGX_OK ||
        btz_nginx_add_header(r, "Content-Security-Policy", policy) != NGX_OK)
        return NGX_ERROR;
    if (is_inert(r))
        return NGX_OK;
    drop_header(r, "content-disposition");
    return btz_nginx_add_header(r, "Content-Disposition", attachment);
}

/* What every response of ours says. */
ngx_int_t btz_nginx_own_headers(struct btz_nginx_ctx *c)
{
    const char *guard = c->x ? btz_exchange_guard_header(c->x) : NULL;
    ngx_http_request_t *r = c->r;
    ngx_str_t ms = { 0, ngx_pnalloc(r->pool, 32) };

    if (!ms.data)
        return NGX_ERROR;
    ms.len = (size_t)(ngx_sprintf(ms.data, "%.3f", (double)c->own_ns / 1e6) - ms.data);
    if (btz_nginx_add_header(r, "X-Bartizan-Overhead-Ms", ms) != NGX_OK)
        return NGX_ERROR;
    if (c->in.request_id &&
        btz_nginx_add_header(r, "X-Bartizan-Request-Id",
                             (ngx_str_t){ strlen(c->in.request_id), (u_char *)c->in.request_id }) !=
            NGX_OK)
        return NGX_ERROR;
    if (guard && btz_nginx_add_header(r, "X-Bartizan-Guard",
                                      btz_nginx_str(r->pool, btz_str(guard))) != NGX_OK)
        return NGX_ERROR;
    if (contain(r) != NGX_OK)
        return NGX_ERROR;
    return btz_nginx_origin_headers(c);
}

static void set_type(ngx_http_request_t *r, const char *type)
{
    r->headers_out.content_type = (ngx_str_t){ strlen(type), (u_char *)type };
    r->headers_out.content_type_len = strlen(type);
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;
}

static void forget_length(ngx_http_request_t *r)
{
    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);
    r->allow_ranges = 0;
}

ngx_int_t btz_nginx_answer_headers(struct btz_nginx_ctx *c, const struct btz_answer *a)
{
    ngx_http_request_t *r = c->r;
    u_char *number;

    ngx_http_clean_header(r);
    r->headers_out.status = a->status;
    r->headers_out.content_length_n = (off_t)a->body.len;
    set_type(r, a->content_type ? a->content_type : "application/json");
    if (a->status == NGX_HTTP_UNAUTHORIZED &&
        btz_nginx_add_header(r, "WWW-Authenticate",
                             (ngx_str_t)ngx_string("Bearer realm=\"bartizan\"")) != NGX_OK)
        return NGX_ERROR;
    if (a->retry_after_s) {
        number = ngx_pnalloc(r->pool, 16);
        if (!number ||
            btz_nginx_add_header(
                r, "Retry-After",
                (ngx_str_t){ (size_t)(ngx_sprintf(number, "%uD", a->retry_after_s) - number),
                             number }) != NGX_OK)
            return NGX_ERROR;
    }
    return btz_nginx_own_headers(c);
}

/* ---- the head of an upstream's response ----------------------------------------------------------------------------- */

/* Of several that of which a client has to take something off. */
static struct btz_slice encoding_of(ngx_http_request_t *r)
{
    for (ngx_list_part_t *part = &r->headers_out.headers.part; part; part = part->next) {
        ngx_table_elt_t *h = part->elts;

        for (ngx_uint_t i = 0; i < part->nelts; i++)
            if (h[i].hash && h[i].value.len && btz_nginx_header_is(&h[i], "content-encoding") &&
                !btz_slice_is(btz_nginx_slice(h[i].value), "identity"))
                return btz_nginx_slice(h[i].value);
    }
    return btz_str("");
}

static void read_response(ngx_http_request_t *r, struct btz_response_head *out)
{
    *out = (struct btz_response_head){ .status = (unsigned)r->headers_out.status,
                                       .content_type = btz_nginx_slice(r->headers_out.content_type),
                                       .content_encoding = encoding_of(r),
                                       .content_length = r->headers_out.content_length_n };
}

static ngx_int_t add_line(struct btz_buf *out, ngx_str_t text)
{
    return btz_buf_add_slice(out, btz_nginx_slice(text)) == BTZ_OK &&
                   btz_buf_add_byte(out, '\n') == BTZ_OK
               ? NGX_OK
               : NGX_ERROR;
}

/* Not short numbers and dates, of which most heads are full. */
static bool says_something(ngx_str_t value)
{
    static const char date[] = "Mon, 28 Sep 1970 12:00:00 GMT";
    size_t digits = 0;

    while (digits < value.len && value.data[digits] >= '0' && value.data[digits] <= '9')
        digits++;
    if (digits == value.len && digits <= 8)
        return false;
    return value.len != sizeof date - 1 || value.data[3] != ',' ||
           ngx_parse_http_time(value.data, value.len) == NGX_ERROR;
}

static bool is_plain_type(ngx_str_t type)
{
    static const char *const plain[] = { "application/json", "text/event-stream",
                                         "application/json; charset=utf-8",
                                         "text/event-stream; charset=utf-8" };

    for (size_t i = 0; i < BTZ_COUNT(plain); i++)
        if (btz_slice_is(btz_nginx_slice(type), plain[i]))
            return true;
    return false;
}

static bool is_open_name(const ngx_table_elt_t *h)
{
    const char *name = passing_of(h);

    return name && name[strlen(name) - 1] == '*';
}

/* Names after the values, so that none looks like the name of a secret that follows it; what is known says nothing. */
static ngx_int_t read_words(ngx_http_request_t *r, struct btz_buf *out)
{
    ngx_str_t type = r->headers_out.content_type;

    if (type.len && !is_plain_type(type) && add_line(out, type) != NGX_OK)
        return NGX_ERROR;
    for (int names = 0; names < 2; names++)
        for (ngx_list_part_t *part = &r->headers_out.headers.part; part; part = part->next) {
            ngx_table_elt_t *h = part->elts;

            for (ngx_uint_t i = 0; i < part->nelts; i++)
                if (h[i].hash && (names ? is_open_name(&h[i]) : says_something(h[i].value)) &&
                    add_line(out, names ? h[i].key : h[i].value) != NGX_OK)
                    return NGX_ERROR;
        }
    return NGX_OK;
}

/* Sessions of servers are known to the gateway only; the client gets one of his. */
static ngx_int_t put_session(struct btz_nginx_ctx *c)
{
    const char *session = btz_exchange_session(c->x);

    return session ? btz_nginx_add_header(c->r, "Mcp-Session-Id",
                                          (ngx_str_t){ strlen(session), (u_char *)session })
                   : NGX_OK;
}

/* What comes from now on is of no use: it is as if the upstream had ended well. */
static void cut_upstream(struct btz_nginx_ctx *c)
{
    ngx_http_upstream_t *u = c->r->upstream;

    c->cut = true;
    if (!u)
        return;
    u->length = 0;
    u->keepalive = 0;
    u->upgrade = 0;
}

static bool has_no_body(const ngx_http_request_t *r)
{
    return r->method == NGX_HTTP_HEAD || r->headers_out.status == NGX_HTTP_NO_CONTENT ||
           r->headers_out.status == NGX_HTTP_NOT_MODIFIED;
}

/* The answer of the exchange takes the place of the response; its body follows with the first call of the body filter. */
static ngx_int_t replace_response(struct btz_nginx_ctx *c)
{
    const struct btz_answer *a = btz_exchange_answer(c->x);

    c->mode = BTZ_NGINX_MODE_REFUSED;
    c->headers_sent = true;
    c->last_pending = true;
    btz_buf_clear(&c->pending);
    if (btz_buf_add_slice(&c->pending, a->body) != BTZ_OK ||
        btz_nginx_answer_headers(c, a) != NGX_OK)
        return NGX_ERROR;
    c->response_bytes = a->body.len;
    cut_upstream(c);
    btz_nginx_end(c, BTZ_END_REFUSED, a->status);
    return next_header(c->r);
}

/* Held headers go out, with what the exchange made of the response. */
static ngx_int_t send_headers(struct btz_nginx_ctx *c)
{
    const char *type = btz_exchange_response_type(c->x);
    ngx_http_request_t *r = c->r;

    c->headers_sent = true;
    c->keepalive = r->keepalive;
    if (type)
        set_type(r, type);
    if (btz_nginx_own_headers(c) != NGX_OK)
        return NGX_ERROR;
    return next_header(r);
}

/* Streams last for long, and the requests of some are large. */
static void drop_request(struct btz_nginx_ctx *c)
{
    ngx_http_request_t *r = c->r;

    if (!r->upstream->request_body_sent || !r->request_body)
        return;
    r->request_body->bufs = NULL;
    r->request_body->buf = NULL;
    btz_exchange_sent(c->x);
}

static enum btz_step take_head(struct btz_nginx_ctx *c, struct btz_response_head *head,
                               enum btz_response_mode *mode)
{
    struct btz_buf words = BTZ_BUF((size_t)1 << 20);
    enum btz_step step;

    if (read_words(c->r, &words) == NGX_OK) {
        head->words = btz_buf_slice(&words);
        step = btz_exchange_response(c->x, head, mode);
    } else {
        step = btz_exchange_refuse(c->x, 503, "out_of_memory", "no memory");
    }
    btz_buf_release(&words);
    return step;
}

static ngx_int_t begin_response(struct btz_nginx_ctx *c)
{
    ngx_http_request_t *r = c->r;
    struct btz_response_head head;
    enum btz_response_mode mode = BTZ_RESPONSE_PASS;
    ngx_table_elt_t *session = btz_nginx_header(&r->headers_out.headers, "mcp-session-id");
    enum btz_step step;

    read_response(r, &head);
    if (session)
        head.mcp_session = btz_nginx_slice(session->value);
    btz_exchange_attempted(c->x, head.status);
    c->attempt_told = true;
    /* Another one is tried: error_page leads to it. */
    if (!c->forward.last && btz_exchange_retries(c->x, head.status, true))
        return NGX_HTTP_BAD_GATEWAY;
    drop_request(c);
    drop_headers(r);
    drop_header(r, "mcp-session-id");
    r->upstream->buffering = 0;
    step = take_head(c, &head, &mode);
    if (step != BTZ_STEP_GO)
        return replace_response(c);
    if (put_session(c) != NGX_OK)
        return NGX_ERROR;
    if (head.status == NGX_HTTP_SWITCHING_PROTOCOLS) {
        c->mode = BTZ_NGINX_MODE_PASS;
        return btz_nginx_websocket(c) == NGX_OK ? send_headers(c) : NGX_ERROR;
    }
    if (has_no_body(r)) {
        c->mode = BTZ_NGINX_MODE_PASS;
        btz_nginx_end(c, BTZ_END_DONE, head.status);
        return send_headers(c);
    }
    r->main_filter_need_in_memory = 1;
    r->filter_need_in_memory = 1;
    if (mode == BTZ_RESPONSE_PASS) {
        c->mode = BTZ_NGINX_MODE_PASS;
        return send_headers(c);
    }
    forget_length(r);
    c->mode = mode == BTZ_RESPONSE_WHOLE ? BTZ_NGINX_MODE_WHOLE : BTZ_NGINX_MODE_PIECES;
    return c->mode == BTZ_NGINX_MODE_WHOLE ? NGX_OK : send_headers(c);
}

static ngx_int_t header_filter(ngx_http_request_t *r)
{
    struct btz_nginx_ctx *c = r == r->main ? btz_nginx_ctx(r) : NULL;
    uint64_t begun;
    ngx_int_t rc;

    if (!c || c->mode == BTZ_NGINX_MODE_OWN)
        return next_header(r);
    /* What has no head is no answer. nginx takes it for one of HTTP/0.9, and would send it on unread. */
    if (r->http_version != c->version) {
        r->http_version = c->version;
        return NGX_HTTP_BAD_GATEWAY;
    }
    if (!c->x || !c->forwarded || !r->upstream || !r->upstream->headers_in.status_n ||
        c->mode != BTZ_NGINX_MODE_NONE || c->attempt_told) {
        /* nginx answers by itself: a body too large, or too slow. */
        c->mode = BTZ_NGINX_MODE_OWN;
        btz_nginx_end(c, BTZ_END_REFUSED, (unsigned)r->headers_out.status);
        return next_header(r);
    }
    begun = btz_clock_ns();
    rc = begin_response(c);
    c->own_ns += btz_clock_ns() - begun;
    return rc;
}

/* ---- the body ------------------------------------------------------------------------------------------------------- */

/* Sends what is pending, one batch at a time. While a batch is under way the last input stays unread, so that nginx does
 * not read on from the upstream: a slow client slows the model down, and does not fill our memory. */
static ngx_int_t send_pending(struct btz_nginx_ctx *c)
{
    ngx_http_request_t *r = c->r;
    struct btz_buf empty;
    ngx_buf_t *b;
    ngx_int_t rc;

    if (c->busy) {
        rc = next_body(r, NULL);
        if (rc == NGX_ERROR || ngx_buf_size(c->sending_buf) > 0)
            return rc;
        c->busy = false;
    }
    if (c->pending.len == 0 && !(c->last_pending && !c->last_sent))
        return NGX_OK;
    empty = c->sending;
    btz_buf_clear(&empty);
    c->sending = c->pending;
    c->pending = empty;
    b = c->sending_buf ? c->sending_buf : ngx_calloc_buf(r->pool);
    if (!b)
        return NGX_ERROR;
    ngx_memzero(b, sizeof *b);
    b->tag = (ngx_buf_tag_t)&ngx_http_bartizan_module;
    b->start = b->pos = c->sending.ptr;
    b->end = b->last = c->sending.ptr + c->sending.len;
    b->memory = c->sending.len > 0;
    b->flush = 1;
    b->last_buf = c->last_pending && !c->broken;
    b->last_in_chain = c->last_pending;
    c->last_sent = c->last_pending;
    c->sending_buf = b;
    c->sending_chain.buf = b;
    c->sending_chain.next = NULL;
    rc = next_body(r, &c->sending_chain);
    c->busy = ngx_buf_size(b) > 0;
    return rc;
}

/* The input was read: nginx may read on. */
static void let_go(struct btz_nginx_ctx *c)
{
    if (c->held_buf)
        c->held_buf->pos = c->held_buf->last;
    c->held_buf = NULL;
}

static ngx_int_t push(struct btz_nginx_ctx *c)
{
    ngx_int_t rc;

    do {
        rc = send_pending(c);
    } while (rc != NGX_ERROR && !c->busy &&
             (c->pending.len > 0 || (c->last_pending && !c->last_sent)));
    if (c->broken && c->last_sent && !c->busy)
        return NGX_ERROR; /* no proper end: the client must see that something is missing */
    if (!c->busy)
        let_go(c);
    if (c->busy)
        c->r->buffered |= BTZ_NGINX_BUFFERED;
    else
        c->r->buffered &= (unsigned)~BTZ_NGINX_BUFFERED & 0xff;
    return rc;
}

/* A piece of a stream. */
static void feed(struct btz_nginx_ctx *c, struct btz_slice piece, bool final)
{
    size_t before = c->pending.len;
    enum btz_step step = btz_exchange_pieces(c->x, piece, final, &c->pending);

    if (!c->first_ns && c->pending.len > before)
        c->first_ns = btz_clock_ns();
    c->response_bytes += c->pending.len - before;
    if (step != BTZ_STEP_GO) {
        cut_upstream(c);
        c->last_pending = true;
        c->broken = btz_exchange_breaks(c->x);
        btz_nginx_end(c, BTZ_END_REFUSED, (unsigned)c->r->headers_out.status);
    } else if (final) {
        c->last_pending = true;
        c->broken = c->upstream_failed && btz_exchange_breaks(c->x);
        /* nginx would close after an upstream that broke off; but this answer says that the connection stays, and it has
         * an end, so that the client's next request would meet one that closes. */
        if (c->upstream_failed && !c->broken)
            c->r->keepalive = c->keepalive;
        btz_nginx_end(c, c->upstream_failed ? BTZ_END_UPSTREAM_FAILED : BTZ_END_DONE,
                      (unsigned)c->r->headers_out.status);
    }
}

static ngx_int_t send_whole(struct btz_nginx_ctx *c, enum btz_step step)
{
    c->first_ns = btz_clock_ns();
    if (step != BTZ_STEP_GO)
        return replace_response(c);
    c->r->headers_out.content_length_n = (off_t)c->pending.len;
    c->response_bytes = c->pending.len;
    c->last_pending = true;
    btz_nginx_end(c, BTZ_END_DONE, (unsigned)c->r->headers_out.status);
    return send_headers(c);
}

/* The whole of a response was read. */
static ngx_int_t end_whole(struct btz_nginx_ctx *c)
{
    enum btz_step step;

    if (c->upstream_failed || c->whole.len > (size_t)c->main->conf->response_max)
        step = btz_exchange_refuse(
            c->x, 502, c->upstream_failed ? "upstream_failed" : "response_too_large",
            c->upstream_failed ? "the model's server broke off its answer"
                               : "the answer is larger than `response_max` allows");
    else
        step = btz_exchange_pieces(c->x, btz_buf_slice(&c->whole), true, &c->pending);
    btz_buf_release(&c->whole);
    if (step == BTZ_STEP_WORK) {
        c->answering = btz_nginx_post_work(c);
        if (c->answering)
            return NGX_OK;
        step = btz_exchange_refuse(c->x, 503, "overloaded",
                                   "too many large answers are being read; try again");
    }
    return send_whole(c, step);
}

/* Its thread may still be at it. */
static ngx_int_t wait_whole(struct btz_nginx_ctx *c)
{
    ngx_int_t rc;

    c->r->buffered |= BTZ_NGINX_BUFFERED;
    if (c->r->aio)
        return NGX_AGAIN;
    c->answering = false;
    c->own_ns += c->work->took_ns;
    rc = send_whole(c, btz_exchange_answered(c->x, &c->pending));
    return rc == NGX_ERROR || rc > NGX_OK ? NGX_ERROR : NGX_OK;
}

static ngx_int_t collect(struct btz_nginx_ctx *c, struct btz_slice piece, bool final)
{
    bool too_large = piece.len + c->whole.len > (size_t)c->main->conf->response_max;
    ngx_int_t rc;

    if (piece.len && btz_buf_add_slice(&c->whole, piece) != BTZ_OK)
        too_large = true;
    if (!final && !too_large)
        return NGX_OK;
    if (too_large)
        c->whole.len = (size_t)c->main->conf->response_max + 1;
    rc = end_whole(c);
    return rc == NGX_ERROR || rc > NGX_OK ? NGX_ERROR : NGX_OK;
}

/* nginx gives up an upstream that broke off: a flush of nothing, after its connection was taken away. */
static bool has_broken_off(const struct btz_nginx_ctx *c, const ngx_chain_t *in)
{
    const ngx_http_upstream_t *u = c->r->upstream;

    return in && in->buf->flush && ngx_buf_size(in->buf) == 0 && !in->buf->last_buf && u &&
           u->cleanup == NULL;
}

static ngx_int_t guard_chain(struct btz_nginx_ctx *c, ngx_chain_t *in)
{
    ngx_int_t rc;

    if (has_broken_off(c, in))
        c->upstream_failed = true;
    for (ngx_chain_t *one = in; one; one = one->next) {
        ngx_buf_t *b = one->buf;
        bool final = b->last_buf || c->upstream_failed;
        struct btz_slice piece = btz_slice_of(b->pos, (size_t)ngx_buf_size(b));

        if (!c->last_pending && c->mode == BTZ_NGINX_MODE_PIECES && (piece.len || final))
            feed(c, piece, final);
        if (!c->last_pending && c->mode == BTZ_NGINX_MODE_WHOLE && (piece.len || final)) {
            rc = collect(c, piece, final);
            if (rc != NGX_OK)
                return rc;
        }
        let_go(c);
        c->held_buf = piece.len ? b : NULL;
    }
    return NGX_OK;
}

/* Bytes that nobody can read go through, counted. */
static ngx_int_t pass(struct btz_nginx_ctx *c, ngx_chain_t *in)
{
    uint64_t bytes = 0;
    bool last = false;

    for (ngx_chain_t *one = in; one; one = one->next) {
        bytes += (uint64_t)ngx_buf_size(one->buf);
        last = last || one->buf->last_buf;
    }
    if (c->x && !c->ended) {
        c->upstream_failed = c->upstream_failed || has_broken_off(c, in);
        if (bytes && !c->first_ns)
            c->first_ns = btz_clock_ns();
        if (bytes && btz_exchange_passed(c->x, bytes) != BTZ_OK) {
            btz_nginx_end(c, BTZ_END_REFUSED, (unsigned)c->r->headers_out.status);
            return NGX_ERROR; /* no proper end: the client must see that something is missing */
        }
        c->response_bytes += bytes;
        if (last)
            btz_nginx_end(c, c->cut ? BTZ_END_REFUSED : BTZ_END_DONE,
                          (unsigned)c->r->headers_out.status);
    }
    return next_body(c->r, in);
}

static ngx_int_t body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    struct btz_nginx_ctx *c = r == r->main ? btz_nginx_ctx(r) : NULL;
    uint64_t begun;
    ngx_int_t rc;

    if (!c || c->mode == BTZ_NGINX_MODE_NONE || c->mode == BTZ_NGINX_MODE_OWN)
        return next_body(r, in);
    if (c->mode == BTZ_NGINX_MODE_PASS)
        return pass(c, in);
    begun = btz_clock_ns();
    if (c->cut) /* beginning to read sets the length anew */
        cut_upstream(c);
    rc = c->answering ? wait_whole(c) : guard_chain(c, in);
    if (rc == NGX_OK && c->answering)
        rc = wait_whole(c);
    c->own_ns += btz_clock_ns() - begun;
    if (rc == NGX_OK && c->headers_sent)
        return push(c);
    let_go(c);
    return rc;
}

ngx_int_t btz_nginx_filters(ngx_conf_t *cf)
{
    ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    ngx_http_handler_pt *log = ngx_array_push(&core->phases[NGX_HTTP_LOG_PHASE].handlers);

    if (!log)
        return NGX_ERROR;
    *log = btz_nginx_log;
    next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
    next_body = ngx_http_top_body_filter;
    ngx_http_top_body_filter = body_filter;
    return NGX_OK;
}
