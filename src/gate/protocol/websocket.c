/* RFC 6455 frames, read as they pass by. */
#include "gate/protocol/protocol.h"

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PONG = 10 };

/* Bytes of a header, as far as it is known. */
static unsigned head_size(const struct btz_frames *f)
{
    unsigned n = 2;

    if (f->head_len < 2)
        return 2;
    if ((f->head[1] & 0x7f) == 126)
        n += 2;
    else if ((f->head[1] & 0x7f) == 127)
        n += 8;
    return n + (f->head[1] & 0x80 ? 4 : 0);
}

static enum btz_err head_done(struct btz_frames *f, uint64_t max)
{
    unsigned at = 2, extra = (f->head[1] & 0x7f) == 126 ? 2 : (f->head[1] & 0x7f) == 127 ? 8 : 0;
    uint8_t opcode = f->head[0] & 0x0f;
    bool final = f->head[0] & 0x80;
    uint64_t len = f->head[1] & 0x7f;

    /* Extensions are not negotiated by this gateway: reserved bits are errors (section 5.2). */
    if (f->head[0] & 0x70)
        return btz_fail(BTZ_INPUT, "WebSocket: reserved bits are set");
    if (extra > 0)
        for (len = 0; at < 2 + extra; at++)
            len = len << 8 | f->head[at];
    if ((extra == 2 && len < 126) || (extra == 8 && (len <= UINT16_MAX || len >> 63)))
        return btz_fail(BTZ_INPUT, "WebSocket: a length that is not minimal");
    f->masked = f->head[1] & 0x80;
    f->mask_at = 0;
    if (f->masked)
        memcpy(f->mask, f->head + at, 4);
    if (opcode >= CLOSE) {
        if (opcode > PONG)
            return btz_fail(BTZ_INPUT, "WebSocket: an unknown control frame");
        if (!final || len > 125)
            return btz_fail(BTZ_INPUT, "WebSocket: a control frame is cut or too long");
    } else if (opcode > BINARY) {
        return btz_fail(BTZ_INPUT, "WebSocket: an unknown frame");
    } else if (opcode == CONTINUATION ? !f->in_message : f->in_message) {
        return btz_fail(BTZ_INPUT, opcode == CONTINUATION
                                       ? "WebSocket: a continuation of nothing"
                                       : "WebSocket: a message within a message");
    } else if (opcode != CONTINUATION) {
        f->in_message = true;
        f->text = opcode == TEXT;
        f->bytes_in_message = 0;
    }
    f->opcode = opcode;
    f->final = final;
    f->left = len;
    if (opcode < CLOSE) {
        if (len > max || f->bytes_in_message > max - len)
            return btz_fail(BTZ_LIMIT, "WebSocket: a message over %" PRIu64 " bytes", max);
        f->bytes_in_message += len;
    }
    return BTZ_OK;
}

static enum btz_err payload(struct btz_frames *f, struct btz_slice bytes,
                            enum btz_err (*text)(void *, struct btz_slice, bool), void *user)
{
    uint8_t plain[4096];

    f->bytes += bytes.len;
    if (f->opcode >= CLOSE || !f->text || !text)
        return BTZ_OK;
    if (!f->masked)
        return text(user, bytes, false);
    while (bytes.len > 0) {
        size_t n = bytes.len < sizeof plain ? bytes.len : sizeof plain;

        for (size_t i = 0; i < n; i++)
            plain[i] = bytes.ptr[i] ^ f->mask[f->mask_at++ & 3];
        BTZ_TRY(text(user, btz_slice_of(plain, n), false));
        bytes = btz_slice_sub(bytes, n, bytes.len);
    }
    return BTZ_OK;
}

static enum btz_err frame_done(struct btz_frames *f,
                               enum btz_err (*text)(void *, struct btz_slice, bool), void *user)
{
    f->head_len = 0;
    if (f->opcode >= CLOSE || !f->final)
        return BTZ_OK;
    f->in_message = false;
    f->messages++;
    return f->text && text ? text(user, btz_slice_of("", 0), true) : BTZ_OK;
}

enum btz_err btz_frames_feed(struct btz_frames *f, struct btz_slice bytes, uint64_t max,
                             enum btz_err (*text)(void *user, struct btz_slice piece, bool end),
                             void *user)
{
    while (bytes.len > 0) {
        size_t n;

        if (f->head_len < head_size(f)) {
            f->head[f->head_len++] = bytes.ptr[0];
            bytes = btz_slice_sub(bytes, 1, bytes.len);
            if (f->head_len < 2 || f->head_len < head_size(f))
                continue;
            BTZ_TRY(head_done(f, max));
        }
        n = bytes.len < f->left ? bytes.len : (size_t)f->left;
        if (n > 0)
            BTZ_TRY(payload(f, btz_slice_sub(bytes, 0, n), text, user));
        f->left -= n;
        bytes = btz_slice_sub(bytes, n, bytes.len);
        if (f->left == 0)
            BTZ_TRY(frame_done(f, text, user));
    }
    return BTZ_OK;
}

size_t btz_frames_part(const struct btz_frames *f, size_t there)
{
    if (f->left == 0 || there == 0)
        return there ? 1 : 0;
    return f->left < there ? (size_t)f->left : there;
}

bool btz_frames_between(const struct btz_frames *f)
{
    return !f->in_message && f->head_len == 0 && f->left == 0;
}
