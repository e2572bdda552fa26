/*
 * WebSocket: nginx carries bytes both ways past all filters, so we stand at the sockets: what is received from either side
 * is taken apart into frames, and text is held until its message is whole and the guard has read it. Who may not be here
 * any more is sent away.
 */
#include "gate/nginx/module.h"

#define READ_SIZE   16384
#define MESSAGE_MAX ((size_t)4 << 20)
#define LOOK_MS     1000 /* how often permission is looked at */

struct side { /* one direction */
    struct btz_nginx_socket *socket;
    ngx_connection_t *connection;
    ngx_recv_pt recv; /* what was there before us */
    enum btz_err (*message)(struct btz_exchange *x, struct btz_slice text);
    struct btz_frames frames;
    struct btz_buf held;  /* frames of a message that is not whole yet */
    struct btz_buf text;  /* its text */
    struct btz_buf ready; /* may go on */
    size_t ready_at;
};
struct btz_nginx_socket {
    struct btz_nginx_ctx *ctx;
    struct side client, server;
    bool over; /* nothing passes any more but what is ready for the client */
    ngx_event_t look;
    u_char room[READ_SIZE];
};

static enum btz_err take_text(void *user, struct btz_slice piece, bool end)
{
    struct side *side = user;
    enum btz_err err;

    BTZ_TRY(btz_buf_add_slice(&side->text, piece));
    if (!end)
        return BTZ_OK;
    err = side->message(side->socket->ctx->x, btz_buf_slice(&side->text));
    btz_buf_clear(&side->text);
    return err;
}

/* The client gets what was ready for it, then a close; the server's connection ends with the request. */
static void end_socket(struct btz_nginx_socket *s)
{
    /* Close, 1008: policy violation. */
    static const uint8_t closing[] = { 0x88, 0x02, 0x03, 0xF0 };

    if (s->over)
        return;
    s->over = true;
    s->ctx->cut = true;
    btz_buf_clear(&s->server.held);
    btz_buf_clear(&s->client.held);
    btz_buf_clear(&s->client.ready);
    s->client.ready_at = 0;
    (void)!btz_buf_add(&s->server.ready, closing, sizeof closing);
    s->server.connection->read->ready = 1;
    ngx_post_event(s->server.connection->read, &ngx_posted_events);
}

/* A message that nobody reads: counted. */
static bool may_pass(struct side *side)
{
    struct btz_exchange *x = side->socket->ctx->x;

    if (side == &side->socket->server)
        return btz_exchange_passed(x, side->frames.bytes_in_message) == BTZ_OK;
    btz_exchange_asked_bytes(x, side->frames.bytes_in_message);
    return true;
}

static void read_frames(struct side *side, struct btz_slice bytes)
{
    struct btz_frames *f = &side->frames;

    while (bytes.len && !side->socket->over) {
        size_t n = btz_frames_part(f, bytes.len);
        uint64_t messages = f->messages;
        struct btz_slice part = btz_slice_sub(bytes, 0, n);

        if (btz_frames_feed(f, part, MESSAGE_MAX, take_text, side) != BTZ_OK ||
            btz_buf_add_slice(&side->held, part) != BTZ_OK ||
            (f->messages > messages && !f->text && !may_pass(side))) {
            end_socket(side->socket);
            return;
        }
        bytes = btz_slice_sub(bytes, n, bytes.len - n);
        if (!btz_frames_between(f))
            continue;
        if (btz_buf_add_slice(&side->ready, btz_buf_slice(&side->held)) != BTZ_OK) {
            end_socket(side->socket);
            return;
        }
        btz_buf_clear(&side->held);
    }
}

static ssize_t give_ready(struct side *side, u_char *out, size_t size)
{
    size_t there = side->ready.len - side->ready_at, n = there < size ? there : size;

    ngx_memcpy(out, side->ready.ptr + side->ready_at, n);
    side->ready_at += n;
    if (side->ready_at == side->ready.len) {
        btz_buf_clear(&side->ready);
        side->ready_at = 0;
    }
    /* More of it is here, or the end: nobody else would wake us. */
    if (side->ready.len || side->socket->over)
        side->connection->read->ready = 1;
    return (ssize_t)n;
}

static ssize_t receive(struct side *side, u_char *out, size_t size)
{
    struct btz_nginx_socket *s = side->socket;
    ssize_t n;

    for (;;) {
        if (side->ready_at < side->ready.len)
            return give_ready(side, out, size);
        if (s->over && side == &s->client)
            return NGX_AGAIN; /* the other side has the last word */
        if (s->over) {
            side->connection->read->eof = 1;
            return 0;
        }
        n = side->recv(side->connection, s->room, sizeof s->room);
        if (n <= 0)
            return n;
        if (side == &s->client)
            s->ctx->request_bytes += (uint64_t)n;
        read_frames(side, btz_slice_of(s->room, (size_t)n));
    }
}

static struct btz_nginx_socket *socket_of(ngx_connection_t *connection)
{
    ngx_http_request_t *r = connection->data;

    return btz_nginx_ctx(r)->socket;
}

static ssize_t receive_server(ngx_connection_t *connection, u_char *out, size_t size)
{
    struct btz_nginx_socket *s = socket_of(connection);
    ssize_t n = receive(&s->server, out, size);

    if (n > 0)
        s->ctx->response_bytes += (uint64_t)n;
    return n;
}

static ssize_t receive_client(ngx_connection_t *connection, u_char *out, size_t size)
{
    return receive(&socket_of(connection)->client, out, size);
}

/* What came with the request, before there was an answer to it, would go upstream without being received by us. */
static void read_early(struct btz_nginx_socket *s)
{
    struct btz_nginx_ctx *c = s->ctx;
    ngx_buf_t *b = c->r->header_in;
    size_t early = b ? (size_t)(b->last - b->pos) : 0;

    if (early == 0)
        return;
    c->request_bytes += early;
    read_frames(&s->client, btz_slice_of(b->pos, early));
    b->pos = b->last;
    c->r->connection->read->ready = 1;
    ngx_post_event(c->r->connection->read, &ngx_posted_events);
}

/* A key that was revoked, a role that was taken away, the end of an hour: a socket is not for ever. */
static void on_look(ngx_event_t *e)
{
    struct btz_nginx_socket *s = e->data;

    if (s->over || s->ctx->ended)
        return;
    if (btz_exchange_still(s->ctx->x) != BTZ_OK)
        end_socket(s);
    else
        ngx_add_timer(&s->look, LOOK_MS);
}

static void release(void *data)
{
    struct btz_nginx_socket *s = data;

    if (s->look.timer_set)
        ngx_del_timer(&s->look);
    s->client.connection->recv = s->client.recv;
    for (struct side *side = &s->client; side; side = side == &s->client ? &s->server : NULL) {
        btz_buf_release(&side->held);
        btz_buf_release(&side->text);
        btz_buf_release(&side->ready);
    }
}

static void take_side(struct btz_nginx_socket *s, struct side *side, ngx_connection_t *connection,
                      ngx_recv_pt recv)
{
    side->socket = s;
    side->connection = connection;
    side->recv = connection->recv;
    side->held = side->text = side->ready = BTZ_BUF(2 * MESSAGE_MAX);
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
    c->socket = s;
    take_side(s, &s->client, c->r->connection, receive_client);
    take_side(s, &s->server, u->peer.connection, receive_server);
    s->client.message = btz_exchange_asked;
    s->server.message = btz_exchange_message;
    cleanup->handler = release;
    cleanup->data = s;
    s->look.handler = on_look;
    s->look.data = s;
    s->look.log = c->r->connection->log;
    s->look.cancelable = 1;
    ngx_add_timer(&s->look, LOOK_MS);
    read_early(s);
    /* Frames that came with the head of the response. */
    if (early) {
        read_frames(&s->server, btz_slice_of(u->buffer.pos, early));
        u->buffer.last = u->buffer.pos;
        u->peer.connection->read->ready = 1;
    }
    return NGX_OK;
}
