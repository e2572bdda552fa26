/* RFC 6455, the server's half: echoes what it is sent; a message with a marker is answered with that text. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "mock_server.h"

void websocket_accept(struct span key, struct reply *r)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH], text[64];
    struct out o = { 0 };

    while (key.len > 0 && (key.p[key.len - 1] == ' ' || key.p[key.len - 1] == '\r'))
        key.len--;
    out_add(&o, key.p, key.len);
    out_text(&o, guid);
    SHA1((const unsigned char *)o.p, o.len, digest);
    EVP_EncodeBlock(text, digest, sizeof digest);
    out_format(&r->bytes,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n",
               (const char *)text);
    free(o.p);
}

static void frame(struct reply *r, unsigned char first, struct span payload)
{
    unsigned char h[10] = { first };
    size_t len = 2;

    if (payload.len < 126) {
        h[1] = (unsigned char)payload.len;
    } else if (payload.len < 65536) {
        h[1] = 126;
        h[2] = (unsigned char)(payload.len >> 8);
        h[3] = (unsigned char)payload.len;
        len = 4;
    } else {
        h[1] = 127;
        for (int i = 0; i < 8; i++)
            h[2 + i] = (unsigned char)(payload.len >> (56 - 8 * i));
        len = 10;
    }
    out_add(&r->bytes, h, len);
    out_add(&r->bytes, payload.p, payload.len);
}

/* One frame. 1: answered; 0: more is needed; -1: not a frame. */
int websocket_turn(struct conn *c)
{
    unsigned char *p = (unsigned char *)c->in.p;
    size_t len, at = 2;
    struct span payload;

    if (c->in.len < 2)
        return 0;
    len = p[1] & 127;
    if (len == 126) {
        if (c->in.len < 4)
            return 0;
        len = (size_t)p[2] << 8 | p[3];
        at = 4;
    } else if (len == 127) {
        if (c->in.len < 10)
            return 0;
        len = 0;
        for (int i = 0; i < 8; i++)
            len = len << 8 | p[2 + i];
        at = 10;
    }
    if (!(p[1] & 128) || len > 1u << 26)
        return -1;
    if (c->in.len < at + 4 + len)
        return 0;
    for (size_t i = 0; i < len; i++)
        p[at + 4 + i] ^= p[at + i % 4];
    payload = (struct span){ (char *)p + at + 4, len };
    c->reply.bytes.len = c->reply.pause_count = c->sent = c->pause = 0;
    if ((p[0] & 15) == 8)
        c->close = true;
    if ((p[0] & 15) == 1) {
        struct ask a = { .path = { "/", 1 }, .body = payload };

        ask_read(&a);
        if (a.marked && a.wish.say > 0)
            payload = texts_get(a.wish.say);
    }
    frame(&c->reply, (p[0] & 15) == 9 ? 0x8a : p[0], payload);
    memmove(c->in.p, c->in.p + at + 4 + len, c->in.len - at - 4 - len);
    c->in.len -= at + 4 + len;
    return 1;
}
