/*
 * TensorProto: a tensor from a file, with its data there or in a file beside it.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graph/read.h"

struct fields {
    struct btz_shape shape;
    enum btz_type type;
    struct btz_slice raw, location;
    bool has_raw, external;
    uint64_t offset, length;
    bool has_length;
    size_t counts[12]; /* numbers in the typed fields, by field */
    const char *name;
};

enum {
    DIMS = 1,
    TYPE = 2,
    FLOATS = 4,
    INT32S = 5,
    STRINGS = 6,
    INT64S = 7,
    NAME = 8,
    RAW = 9,
    DOUBLES = 10,
    UINT64S = 11,
    EXTERNAL = 13,
    LOCATION = 14
};

static enum btz_wire_kind kind_of(uint32_t field)
{
    return field == FLOATS    ? BTZ_WIRE_FIXED32
           : field == DOUBLES ? BTZ_WIRE_FIXED64
                              : BTZ_WIRE_VARINT;
}

/* Which typed field holds a type. */
static uint32_t field_of(enum btz_type type)
{
    switch (type) {
    case BTZ_F32:
        return FLOATS;
    case BTZ_F64:
        return DOUBLES;
    case BTZ_I64:
        return INT64S;
    case BTZ_U32:
    case BTZ_U64:
        return UINT64S;
    case BTZ_STRING:
        return STRINGS;
    default:
        return INT32S;
    }
}

static enum btz_err read_external(struct btz_slice bytes, struct fields *f)
{
    struct btz_wire w = BTZ_WIRE(bytes, "external data");
    struct btz_slice key = { 0 }, value = { 0 };
    bool more;

    for (;;) {
        BTZ_TRY(btz_wire_next(&w, &more));
        if (!more)
            break;
        if (w.field == 1)
            key = w.bytes;
        else if (w.field == 2)
            value = w.bytes;
    }
    if (btz_slice_is(key, "location"))
        f->location = value;
    else if (btz_slice_is(key, "offset"))
        return btz_parse_u64(value, &f->offset);
    else if (btz_slice_is(key, "length")) {
        f->has_length = true;
        return btz_parse_u64(value, &f->length);
    }
    return BTZ_OK;
}

static enum btz_err read_dims(const struct btz_wire *w, struct fields *f)
{
    uint64_t dims[BTZ_RANK_MAX];
    size_t count = f->shape.rank, from = count;

    BTZ_TRY(btz_wire_numbers(w, BTZ_WIRE_VARINT, dims, BTZ_RANK_MAX, &count));
    if (count > BTZ_RANK_MAX)
        return btz_fail(BTZ_LIMIT, "a tensor of %zu axes, at most %d are supported", count,
                        BTZ_RANK_MAX);
    for (size_t i = from; i < count; i++) {
        if (dims[i] > INT64_MAX)
            return btz_fail(BTZ_INPUT, "a tensor with the dimension %" PRId64, (int64_t)dims[i]);
        f->shape.dim[i] = (int64_t)dims[i];
    }
    f->shape.rank = (uint32_t)count;
    return BTZ_OK;
}

static enum btz_err read_field(const struct btz_wire *w, struct btz_arena *arena, struct fields *f)
{
    switch (w->field) {
    case DIMS:
        return read_dims(w, f);
    case TYPE:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_VARINT));
        if (w->number > INT32_MAX || !btz_type_size((enum btz_type)w->number))
            return btz_fail(BTZ_UNSUPPORTED, "a tensor of data type %" PRIu64, w->number);
        f->type = (enum btz_type)w->number;
        return BTZ_OK;
    case NAME:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        f->name = btz_arena_str(arena, w->bytes);
        return f->name ? BTZ_OK : BTZ_LIMIT;
    case RAW:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        f->raw = w->bytes;
        f->has_raw = true;
        return BTZ_OK;
    case STRINGS:
        f->counts[STRINGS]++;
        return btz_wire_want(w, BTZ_WIRE_BYTES);
    case FLOATS:
    case INT32S:
    case INT64S:
    case DOUBLES:
    case UINT64S:
        return btz_wire_numbers(w, kind_of(w->field), NULL, 0, &f->counts[w->field]);
    case EXTERNAL:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        return read_external(w->bytes, f);
    case LOCATION:
        f->external = w->number == 1;
        return BTZ_OK;
    case 3:
        return btz_fail(BTZ_UNSUPPORTED, "a tensor in segments");
    }
    return BTZ_OK;
}

/* Opens a file below `folder` without following a link anywhere on the way. */
static enum btz_err open_below(int folder, struct btz_slice location, int *out)
{
    char part[256];
    int at = folder;

    if (!location.len || location.ptr[0] == '/' || memchr(location.ptr, 0, location.len))
        return btz_fail(BTZ_DENIED,
                        "external data in '%.*s': only names relative to the model's folder",
                        BTZ_SLICE_ARG(location));
    for (size_t from = 0; from <= location.len;) {
        size_t to = btz_slice_find(location, btz_str("/"), from), len;
        bool last = to == SIZE_MAX;
        int next;

        len = (last ? location.len : to) - from;
        if (len >= sizeof part || !len || (len == 2 && memcmp(location.ptr + from, "..", 2) == 0)) {
            if (at != folder)
                close(at);
            return btz_fail(BTZ_DENIED, "external data in '%.*s': leaves the model's folder",
                            BTZ_SLICE_ARG(location));
        }
        memcpy(part, location.ptr + from, len);
        part[len] = 0;
        next = openat(at, part,
                      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
        if (at != folder)
            close(at);
        if (next < 0)
            return btz_fail_errno(BTZ_IO, "external data in '%.*s'", BTZ_SLICE_ARG(location));
        at = next;
        if (last)
            break;
        from = to + 1;
    }
    *out = at;
    return BTZ_OK;
}

static enum btz_err load_external(const struct fields *f, int folder, size_t bytes,
                                  struct btz_arena *arena, struct btz_tensor *out)
{
    BTZ_CLOSE_FD int fd = -1;
    struct stat st;

    if (folder < 0)
        return btz_fail(BTZ_DENIED, "external data in '%.*s': there is no folder to read it from",
                        BTZ_SLICE_ARG(f->location));
    if (f->type == BTZ_STRING || (f->has_length && f->length != bytes))
        return btz_fail(BTZ_INPUT, "external data of %" PRIu64 " bytes, expected %zu", f->length,
                        bytes);
    BTZ_TRY(open_below(folder, f->location, &fd));
    if (fstat(fd, &st) != 0)
        return btz_fail_errno(BTZ_IO, "external data in '%.*s'", BTZ_SLICE_ARG(f->location));
    if (!S_ISREG(st.st_mode))
        return btz_fail(BTZ_DENIED, "external data in '%.*s': not a regular file",
                        BTZ_SLICE_ARG(f->location));
    if (f->offset > (uint64_t)st.st_size || bytes > (uint64_t)st.st_size - f->offset)
        return btz_fail(BTZ_INPUT,
                        "external data in '%.*s': %zu bytes at %" PRIu64 ", the file has %" PRId64,
                        BTZ_SLICE_ARG(f->location), bytes, f->offset, (int64_t)st.st_size);
    out->data = btz_arena_alloc(arena, bytes ? bytes : 1);
    if (!out->data)
        return BTZ_LIMIT;
    return btz_fd_pread_all(fd, out->data, bytes, f->offset, "external data");
}

static enum btz_err load_strings(struct btz_slice bytes, struct btz_arena *arena,
                                 struct btz_tensor *out)
{
    struct btz_wire w = BTZ_WIRE(bytes, "tensor");
    struct btz_slice *to = out->data;
    bool more;

    for (;;) {
        BTZ_TRY(btz_wire_next(&w, &more));
        if (!more)
            return BTZ_OK;
        if (w.field == STRINGS)
            BTZ_TRY(btz_arena_copy(arena, w.bytes, to++));
    }
}

static void store_number(const struct btz_tensor *t, size_t i, uint64_t v)
{
    size_t size = btz_type_size(t->type);

    if (t->type == BTZ_BOOL)
        v = v != 0;
    memcpy((uint8_t *)t->data + i * size, &v, size); /* little-endian: the low bytes */
}

static enum btz_err load_numbers(struct btz_slice bytes, uint32_t field,
                                 const struct btz_tensor *out)
{
    struct btz_wire w = BTZ_WIRE(bytes, "tensor");
    size_t at = 0;
    bool more;

    for (;;) {
        BTZ_TRY(btz_wire_next(&w, &more));
        if (!more)
            return BTZ_OK;
        if (w.field != field)
            continue;
        if (w.kind == BTZ_WIRE_BYTES) {
            /* One number at a time through the same checks as when they were counted. */
            struct btz_wire one = { .in = { .what = "tensor" }, .kind = BTZ_WIRE_BYTES };
            size_t from = 0, width = kind_of(field) == BTZ_WIRE_FIXED32   ? 4
                                     : kind_of(field) == BTZ_WIRE_FIXED64 ? 8
                                                                          : 0;

            while (from < w.bytes.len) {
                uint64_t v = 0;
                size_t n = width, count = 0;

                while (!width && (w.bytes.ptr[from + n++] & 128))
                    ;
                one.bytes = btz_slice_of(w.bytes.ptr + from, n);
                BTZ_TRY(btz_wire_numbers(&one, kind_of(field), &v, 1, &count));
                store_number(out, at++, v);
                from += n;
            }
        } else
            store_number(out, at++, w.number);
    }
}

static enum btz_err load(struct btz_slice bytes, const struct fields *f, int folder,
                         struct btz_arena *arena, struct btz_tensor *out)
{
    uint32_t field = field_of(f->type);
    size_t count, size = btz_type_size(f->type);

    BTZ_TRY(btz_shape_count(&f->shape, &count));
    if (f->external)
        return load_external(f, folder, count * size, arena, out);
    if (f->has_raw ? f->type == BTZ_STRING || f->raw.len != count * size
                   : f->counts[field] != count) {
        char text[BTZ_SHAPE_TEXT];
        return btz_fail(BTZ_INPUT, "a tensor of shape %s of %s has %zu %s",
                        btz_shape_text(&f->shape, text), btz_type_name(f->type),
                        f->has_raw ? f->raw.len : f->counts[field],
                        f->has_raw ? "bytes" : "elements");
    }
    out->data = btz_arena_alloc(arena, count ? count * size : 1);
    if (!out->data)
        return BTZ_LIMIT;
    if (f->type == BTZ_STRING)
        return load_strings(bytes, arena, out);
    if (!f->has_raw)
        return load_numbers(bytes, field, out);
    if (f->raw.len)
        memcpy(out->data, f->raw.ptr, f->raw.len);
    for (size_t i = 0; i < count && f->type == BTZ_BOOL; i++)
        ((uint8_t *)out->data)[i] = ((uint8_t *)out->data)[i] != 0;
    return BTZ_OK;
}

enum btz_err btz_read_tensor(struct btz_slice bytes, int folder, struct btz_arena *arena,
                             struct btz_tensor *out, const char **name)
{
    struct btz_wire w = BTZ_WIRE(bytes, "tensor");
    struct fields f = { .name = "" };
    struct btz_tensor t;
    bool more;

    for (;;) {
        BTZ_TRY(btz_wire_next(&w, &more));
        if (!more)
            break;
        BTZ_TRY(read_field(&w, arena, &f));
    }
    if (f.type == BTZ_TYPE_NONE)
        return btz_fail(BTZ_INPUT, "tensor '%s' has no type", f.name);
    t = (struct btz_tensor){ .type = f.type, .shape = f.shape };
    {
        enum btz_err err = load(bytes, &f, folder, arena, &t);
        if (err != BTZ_OK)
            return btz_fail_context(err, "tensor '%s'", f.name);
    }
    *out = t;
    *name = f.name;
    return BTZ_OK;
}

enum btz_err btz_tensor_parse(struct btz_slice file, struct btz_arena *arena,
                              struct btz_tensor *out, const char **name)
{
    return btz_read_tensor(file, -1, arena, out, name);
}
