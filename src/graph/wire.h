/*
 * The wire format of protocol buffers: fields read from hostile bytes, fields written.
 * Source: protobuf.dev, "Encoding".
 */
#ifndef BTZ_GRAPH_WIRE_H
#define BTZ_GRAPH_WIRE_H

#include "base/base.h"

enum btz_wire_kind {
    BTZ_WIRE_VARINT = 0,
    BTZ_WIRE_FIXED64 = 1,
    BTZ_WIRE_BYTES = 2,
    BTZ_WIRE_FIXED32 = 5
};

/* One message, field by field. Start with BTZ_WIRE(bytes). */
struct btz_wire {
    struct btz_reader in;
    uint32_t field;
    enum btz_wire_kind kind;
    uint64_t number;        /* of all kinds but bytes */
    struct btz_slice bytes; /* borrowed */
};
#define BTZ_WIRE(slice, name)                                                                      \
    (struct btz_wire)                                                                              \
    {                                                                                              \
        .in = {.in = (slice), .what = (name) }                                                     \
    }
/* The next field; *more is false at the end. Errors: INPUT. */
BTZ_CHECKED enum btz_err btz_wire_next(struct btz_wire *w, bool *more);
/* The field is of that kind, INPUT otherwise. */
BTZ_CHECKED enum btz_err btz_wire_want(const struct btz_wire *w, enum btz_wire_kind kind);
/*
 * A repeated number, packed or not: takes each number of this field. `kind` is how each is encoded. Call with out NULL to
 * count. *count grows.
 */
BTZ_CHECKED enum btz_err btz_wire_numbers(const struct btz_wire *w, enum btz_wire_kind kind,
                                          uint64_t *out, size_t max, size_t *count);

BTZ_CHECKED enum btz_err btz_wire_put_number(struct btz_buf *out, uint32_t field, uint64_t value);
BTZ_CHECKED enum btz_err btz_wire_put_fixed32(struct btz_buf *out, uint32_t field, uint32_t value);
BTZ_CHECKED enum btz_err btz_wire_put_bytes(struct btz_buf *out, uint32_t field,
                                            struct btz_slice value);
BTZ_CHECKED enum btz_err btz_wire_put_text(struct btz_buf *out, uint32_t field, const char *value);

#endif
