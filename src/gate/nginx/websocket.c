/*
 * WebSocket: nginx carries bytes both ways past all filters, so we stand at the sockets: what is received from the upstream
 * is taken apart into frames, and text is held until its message is whole and the guard has read it.
 */
#include "gate/nginx/module.h"

#define READ_SIZE   16384
#define MESSAGE_MAX ((size_t)4 << 20)

struct side { /* one direction */
    ngx_connection_t *connection;
    ngx_recv_pt recv; /* what was there before us */
    struct btz_frames frames;
    bool broken; /* no frames any more: nothing passes */
};
struct btz_nginx_socket {
    struct btz_nginx_ctx *ctx;
    struct side client, server;
    struct btz_buf held;  /* frames of a message that is not whole yet */
    struct btz_buf text;  /* its text */
    struct btz_buf ready; /* may go on */
    size_t ready_at;
    u_char room[READ_SIZE];
};

static enum btz_err take_text(void *user, struct btz_slice piece, bool end)
{
    struct btz_nginx_socket *s = user;
    enum btz_err err;

    BTZ_TRY(btz_buf_add_slice(&s->text, piece));
    if (!end)
        return BTZ_OK;
    err = btz_exchange_message(s->ctx->x, btz_buf_slice(&s->text));
    btz_buf_clear(&s->text);
    return err;
}

static enum btz_err count_text(void *user, struct btz_slice piece, bool end)
{
    (void)user;
    (void)piece;
    (void)end;
    return BTZ_OK;
}

/* Between messages: what is held was read whole. */
static bool is_between(const struct btz_frames *f)
{
    return !f->in_message && f->head_len == 0 && f->left == 0;
}

static void refuse(struct btz_nginx_socket *s)
{
    /* Close, 1008: policy violation. */
    static const uint8_t closing[] = { 0x88, 0x02, 0x03, 0xF0 };

    s->server.broken = true;
    s->ctx->cut = true;
    btz_buf_clear(&s->held);
    (void)!btz_buf_add(&s->ready, closing, sizeof closing);
}

/* One byte of a frame's head, or as much payload as is there, so that a finished message does not wait for the next. */
static size_t part_of(const struct btz_frames *f, size_t there)
{
    if (f->left == 0 || there == 0)
        return there ? 1 : 0;
    return f->left < there ? (size_t)f->left : there;
}

static void read_frames(struct btz_nginx_socket *s, struct btz_slice bytes)
{
    struct btz_frames *f = &s->server.frames;

    while (bytes.len && !s->server.broken) {
        size_t n = part_of(f, bytes.len);
        uint64_t messages = f->messages;
        struct btz_slice part = btz_slice_sub(bytes, 0, n);

        if (btz_frames_feed(&s->server.frames, part, MESSAGE_MAX, take_text, s) != BTZ_OK ||
            btz_buf_add_slice(&s->held, part) != BTZ_OK) {
            refuse(s);
            return;
        }
        bytes = btz_slice_sub(bytes, n, bytes.len - n);
        /* Binary: nobody reads it. */
        if (f->messages > messages && !f->text &&
            btz_exchange_passed(s->ctx->x, f->bytes_in_message) != BTZ_OK) {
            refuse(s);
            return;
        }
        if (is_between(&s->server.frames)) {
            if (btz_buf_add_slice(&s->ready, btz_buf_slice(&s->held)) != BTZ_OK) {
                refuse(s);
                return;
            }
            btz_buf_clear(&s->held);
        }
    }
}

static ssize_t give_ready(struct btz_nginx_socket *s, u_char *out, size_t size)
{
    size_t n = s->ready.len - s->ready_at < size ? s->ready.len - s->ready_at : size;

    ngx_memcpy(out, s->ready.ptr + s->ready_at, n);
    s->ready_at += n;
    if (s->ready_at == s->ready.len) {
        btz_buf_clear(&s->ready);
        s->ready_at = 0;
    }
    /* More of it is here, or the end: nobody else would wake us. */
    if (s->ready.len || s->server.broken)
        s->server.connection->read->ready = 1;
    s->ctx->response_bytes += n;
    return (ssize_t)n;
}

static ssize_t receive_server(ngx_connection_t *connection, u_char *out, size_t size)
{
    ngx_http_request_t *r = connection->data;
    struct btz_nginx_ctx *c = btz_nginx_ctx(r);
    struct btz_nginx_socket *s = c->socket;
    ssize_t n;

    for (;;) {
        if (s->ready_at < s->ready.len)
            return give_ready(s, out, size);
        if (s->server.broken) {
            connection->read->eof = 1;
            return 0;
        }
        n = s->server.recv(connection, s->room, sizeof s->room);
        if (n <= 0)
            return n;
        read_frames(s, btz_slice_of(s->room, (size_t)n));
    }
}

static ssize_t receive_client(ngx_connection_t *connection, u_char *out, size_t size)
{
    ngx_http_request_t *r = connection->data;
    struct btz_nginx_ctx *c = btz_nginx_ctx(r);
    struct btz_nginx_socket *s = c->socket;
    ssize_t n = s->client.recv(connection, out, size);

    if (n <= 0)
        return n;
    c->request_bytes += (uint64_t)n;
    if (btz_frames_feed(&s->client.frames, btz_slice_of(out, (size_t)n), MESSAGE_MAX, count_text,
                        s) != BTZ_OK) {
        connection->read->eof = 1;
        return 0;
    }
    return n;
}

/* What came with the request, before there was an answer to it, goes upstream without being received by us. */
static bool read_early(struct btz_nginx_socket *s)
{
    struct btz_nginx_ctx *c = s->ctx;
    ngx_buf_t *b = c->r->header_in;
    size_t early = b ? (size_t)(b->last - b->pos) : 0;

    c->request_bytes += early;
    return btz_frames_feed(&s->client.frames, btz_slice_of(early ? b->pos : NULL, early),
                           MESSAGE_MAX, count_text, s) == BTZ_OK;
}

static void release(void *data)
{
    struct btz_nginx_socket *s = data;

    s->client.connection->recv = s->client.recv;
    btz_buf_release(&s->held);
    btz_buf_release(&s->text);
    btz_buf_release(&s->ready);
}

static void take_side(struct side *side, ngx_connection_t *connection, ngx_recv_pt recv)
{
    side->connection = connection;
    side->recv = connection->recv;
    connection->recv = recv;
}

ngx_int_t btz_nginx_websocket(struct btz_nginx_ctx *c)
{
    ngx_http_upstream_t *u = c->r->upstream;
    struct btz_nginx_socket *s = ngx_pcalloc(c->r->pool, sizeof *s);
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(c->r->pool, 0);
    size_t early = (size_t)(u->buffer.last - u->buffer.pos);

    if (!s || !cleanup || !u->peer.connection || !c->in.upgrade)
        return NGX_ERROR;
    s->ctx = c;
    s->held = s->text = s->ready = BTZ_BUF(2 * MESSAGE_MAX);
    c->socket = s;
    if (!read_early(s))
        return NGX_ERROR;
    take_side(&s->client, c->r->connection, receive_client);
    take_side(&s->server, u->peer.connection, receive_server);
    cleanup->handler = release;
    cleanup->data = s;
    /* Frames that came with the head of the response. */
    if (early) {
        read_frames(s, btz_slice_of(u->buffer.pos, early));
        u->buffer.last = u->buffer.pos;
        u->peer.connection->read->ready = 1;
    }
    return NGX_OK;
}
