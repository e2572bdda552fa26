/*
 * Streams: what comes out does not depend on how the bytes were cut, and the word that is masked does not come out of a
 * stream of text. First byte: protocol (translated with the highest bit); second: how it is cut, and of declared routes whether
 * it has lines and places of pieces.
 */
#include <stdlib.h>

#include "gate/protocol/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "ab" becomes "[x]"; a lone "a" at the end waits. "stop" cuts when it comes in one piece. */
static enum btz_err mask(void *user, struct btz_lane *lane, struct btz_slice piece, bool final,
                         struct btz_buf *out)
{
    bool held = lane->user != NULL;
    (void)user;

    lane->user = NULL;
    if (btz_slice_has(piece, "stop"))
        return BTZ_DENIED;
    for (size_t i = 0; i < piece.len; i++) {
        if (held && piece.ptr[i] == 'b') {
            held = false;
            BTZ_TRY(btz_buf_add_str(out, "[x]"));
            continue;
        }
        if (held)
            BTZ_TRY(btz_buf_add_byte(out, 'a'));
        held = piece.ptr[i] == 'a';
        if (!held)
            BTZ_TRY(btz_buf_add_byte(out, piece.ptr[i]));
    }
    if (held && final)
        BTZ_TRY(btz_buf_add_byte(out, 'a'));
    else if (held)
        lane->user = lane;
    return BTZ_OK;
}

static void drop(void *user, struct btz_lane *lane)
{
    (void)user;
    (void)lane;
}

static enum btz_err words(void *user, struct btz_slice said)
{
    (void)user;
    return btz_slice_has(said, "stop") ? BTZ_DENIED : BTZ_OK;
}

static const struct btz_lane_ops ops = { .text = mask, .drop = drop, .words = words };

static enum btz_err run(const struct btz_stream_options *o, struct btz_slice in, size_t step,
                        struct btz_buf *out)
{
    struct btz_protocol_stream *s;
    enum btz_err err = BTZ_OK;

    if (btz_protocol_stream_new(o, &ops, NULL, &s) != BTZ_OK)
        return BTZ_UNSUPPORTED;
    for (size_t at = 0; at < in.len && err == BTZ_OK; at += step)
        err = btz_protocol_stream_feed(s, btz_slice_sub(in, at, step), false, out);
    if (err == BTZ_OK)
        err = btz_protocol_stream_feed(s, btz_str(""), true, out);
    btz_protocol_stream_free(s);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = { "/t", "/*/0/text", "/a~1b" };
    struct btz_stream_options o = { .event_max = 65536, .model = "named" };
    struct btz_buf whole = BTZ_BUF(16 << 20), cut = BTZ_BUF(16 << 20);
    bool translated;
    struct btz_slice in;

    if (size < 2)
        return 0;
    translated = data[0] & 0x80;
    o.from = (enum btz_protocol)((data[0] & 0x7f) % BTZ_PROTOCOL_COUNT);
    o.to = o.from;
    if (translated)
        o.to = o.from == BTZ_PROTOCOL_CHAT ? BTZ_PROTOCOL_MESSAGES : BTZ_PROTOCOL_CHAT;
    o.hide_usage = data[1] & 0x80;
    if (o.from == BTZ_PROTOCOL_PASS) {
        o.lines = data[1] & 0x20;
        o.texts = texts;
        o.text_count = data[1] & 0x40 ? BTZ_COUNT(texts) : 0;
    }
    in = btz_slice_of(data + 2, size - 2);
    /* A translation tells the time: only its outcome is compared. */
    if (run(&o, in, SIZE_MAX / 2, &whole) != run(&o, in, 1u + (data[1] & 0x1f), &cut) ||
        (!translated && !btz_slice_equal(btz_buf_slice(&whole), btz_buf_slice(&cut))))
        abort();
    btz_buf_release(&whole);
    btz_buf_release(&cut);
    return 0;
}
