/*
 * The wire format of protocol buffers.
 */
#include "graph/wire.h"

static enum btz_err varint(struct btz_reader *r, uint64_t *out)
{
    uint64_t v = 0;
    uint8_t byte;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        BTZ_TRY(btz_read_u8(r, &byte));
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) {
            *out = v;
            return BTZ_OK;
        }
    }
    return btz_fail(BTZ_INPUT, "%s: a number of more than 64 bits at byte %zu", r->what, r->at);
}

static enum btz_err fixed(struct btz_reader *r, size_t size, uint64_t *out)
{
    struct btz_slice b;

    BTZ_TRY(btz_read_bytes(r, size, &b));
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out |= (uint64_t)b.ptr[i] << 8 * i;
    return BTZ_OK;
}

enum btz_err btz_wire_next(struct btz_wire *w, bool *more)
{
    uint64_t key;

    *more = w->in.at < w->in.in.len;
    if (!*more)
        return BTZ_OK;
    BTZ_TRY(varint(&w->in, &key));
    if (key >> 3 == 0 || key >> 3 > 536870911)
        return btz_fail(BTZ_INPUT, "%s: field number %" PRIu64 " at byte %zu", w->in.what, key >> 3,
                        w->in.at);
    w->field = (uint32_t)(key >> 3);
    w->kind = (enum btz_wire_kind)(key & 7);
    w->number = 0;
    w->bytes = (struct btz_slice){ 0 };
    switch (w->kind) {
    case BTZ_WIRE_VARINT:
        return varint(&w->in, &w->number);
    case BTZ_WIRE_FIXED64:
        return fixed(&w->in, 8, &w->number);
    case BTZ_WIRE_FIXED32:
        return fixed(&w->in, 4, &w->number);
    case BTZ_WIRE_BYTES:
        BTZ_TRY(varint(&w->in, &key));
        if (key > w->in.in.len - w->in.at)
            return btz_fail(BTZ_INPUT,
                            "%s: field %" PRIu32 " of %" PRIu64 " bytes at byte %zu, %zu are left",
                            w->in.what, w->field, key, w->in.at, w->in.in.len - w->in.at);
        return btz_read_bytes(&w->in, (size_t)key, &w->bytes);
    }
    return btz_fail(BTZ_INPUT, "%s: field %" PRIu32 " has the wire type %d at byte %zu", w->in.what,
                    w->field, (int)w->kind, w->in.at);
}

enum btz_err btz_wire_want(const struct btz_wire *w, enum btz_wire_kind kind)
{
    if (w->kind != kind)
        return btz_fail(BTZ_INPUT,
                        "%s: field %" PRIu32 " has the wire type %d, expected %d, at byte %zu",
                        w->in.what, w->field, (int)w->kind, (int)kind, w->in.at);
    return BTZ_OK;
}

enum btz_err btz_wire_numbers(const struct btz_wire *w, enum btz_wire_kind kind, uint64_t *out,
                              size_t max, size_t *count)
{
    struct btz_reader r = { .in = w->bytes, .what = w->in.what };
    uint64_t v = w->number;

    if (w->kind != BTZ_WIRE_BYTES) {
        BTZ_TRY(btz_wire_want(w, kind));
        if (out && *count < max)
            out[*count] = v;
        ++*count;
        return BTZ_OK;
    }
    while (r.at < r.in.len) {
        BTZ_TRY(kind == BTZ_WIRE_VARINT ? varint(&r, &v)
                                        : fixed(&r, kind == BTZ_WIRE_FIXED32 ? 4 : 8, &v));
        if (out && *count < max)
            out[*count] = v;
        ++*count;
    }
    return BTZ_OK;
}

static enum btz_err put_varint(struct btz_buf *out, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;

    do {
        bytes[n++] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        v >>= 7;
    } while (v);
    return btz_buf_add(out, bytes, n);
}

static enum btz_err put_key(struct btz_buf *out, uint32_t field, enum btz_wire_kind kind)
{
    return put_varint(out, (uint64_t)field << 3 | kind);
}

enum btz_err btz_wire_put_number(struct btz_buf *out, uint32_t field, uint64_t value)
{
    BTZ_TRY(put_key(out, field, BTZ_WIRE_VARINT));
    return put_varint(out, value);
}

enum btz_err btz_wire_put_fixed32(struct btz_buf *out, uint32_t field, uint32_t value)
{
    uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                         (uint8_t)(value >> 24) };

    BTZ_TRY(put_key(out, field, BTZ_WIRE_FIXED32));
    return btz_buf_add(out, bytes, sizeof bytes);
}

enum btz_err btz_wire_put_bytes(struct btz_buf *out, uint32_t field, struct btz_slice value)
{
    BTZ_TRY(put_key(out, field, BTZ_WIRE_BYTES));
    BTZ_TRY(put_varint(out, value.len));
    return btz_buf_add_slice(out, value);
}

enum btz_err btz_wire_put_text(struct btz_buf *out, uint32_t field, const char *value)
{
    return btz_wire_put_bytes(out, field, btz_str(value));
}
