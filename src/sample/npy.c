/*
 * Arrays of numpy. The header is the text of a Python dictionary; a small grammar reads exactly what numpy writes: three keys,
 * strings without escapes, True, False, a tuple of numbers. Nothing is evaluated.
 * Source: numpy, NEP 1 and numpy.lib.format.
 */
#include "sample/reader.h"

#define HEADER_MAX 65536

struct literal {
    struct btz_slice in;
    size_t at;
    const char *what;
};

bool btz_npy_is(struct btz_slice head)
{
    return head.len >= 6 && memcmp(head.ptr, "\x93NUMPY", 6) == 0;
}

static void skip_space(struct literal *l)
{
    while (l->at < l->in.len && (l->in.ptr[l->at] == ' ' || l->in.ptr[l->at] == '\n' ||
                                 l->in.ptr[l->at] == '\t' || l->in.ptr[l->at] == '\r'))
        l->at++;
}

static bool take(struct literal *l, char c)
{
    skip_space(l);
    if (l->at < l->in.len && l->in.ptr[l->at] == (uint8_t)c) {
        l->at++;
        return true;
    }
    return false;
}

static enum btz_err expect(struct literal *l, char c)
{
    if (take(l, c))
        return BTZ_OK;
    return btz_fail(BTZ_INPUT, "%s: npy header: expected '%c' at character %zu", l->what, c, l->at);
}

static enum btz_err string(struct literal *l, struct btz_slice *out)
{
    size_t from;
    char quote;

    if (take(l, '\''))
        quote = '\'';
    else if (take(l, '"'))
        quote = '"';
    else
        return btz_fail(BTZ_INPUT, "%s: npy header: expected a string at character %zu", l->what,
                        l->at);
    from = l->at;
    while (l->at < l->in.len && l->in.ptr[l->at] != (uint8_t)quote) {
        if (l->in.ptr[l->at] == '\\' || l->in.ptr[l->at] == '\n')
            return btz_fail(BTZ_INPUT, "%s: npy header: escape in a string at character %zu",
                            l->what, l->at);
        l->at++;
    }
    *out = btz_slice_sub(l->in, from, l->at - from);
    return expect(l, quote);
}

static enum btz_err boolean(struct literal *l, bool *out)
{
    skip_space(l);
    if (btz_slice_has_prefix(btz_slice_sub(l->in, l->at, 4), btz_str("True"))) {
        l->at += 4;
        *out = true;
        return BTZ_OK;
    }
    if (btz_slice_has_prefix(btz_slice_sub(l->in, l->at, 5), btz_str("False"))) {
        l->at += 5;
        *out = false;
        return BTZ_OK;
    }
    return btz_fail(BTZ_INPUT, "%s: npy header: expected True or False at character %zu", l->what,
                    l->at);
}

static enum btz_err shape(struct literal *l, struct btz_sample_table *out)
{
    BTZ_TRY(expect(l, '('));
    while (!take(l, ')')) {
        size_t from = l->at;

        while (l->at < l->in.len && l->in.ptr[l->at] >= '0' && l->in.ptr[l->at] <= '9')
            l->at++;
        if (out->rank > BTZ_SAMPLE_RANK_MAX)
            return btz_fail(BTZ_LIMIT, "%s: npy array of more than %d axes", l->what,
                            BTZ_SAMPLE_RANK_MAX + 1);
        if (btz_parse_u64(btz_slice_sub(l->in, from, l->at - from), &out->dim[out->rank]) != BTZ_OK)
            return btz_fail(BTZ_INPUT, "%s: npy header: expected a size at character %zu", l->what,
                            from);
        out->rank++;
        (void)take(l, 'L'); /* of Python 2 */
        if (!take(l, ',')) {
            BTZ_TRY(expect(l, ')'));
            break;
        }
    }
    return BTZ_OK;
}

static enum btz_err type(struct literal *l, struct btz_sample_table *out)
{
    static const struct {
        const char *text;
        enum btz_sample_type type;
    } types[] = {
        { "f2", BTZ_SAMPLE_F16 }, { "f4", BTZ_SAMPLE_F32 }, { "f8", BTZ_SAMPLE_F64 },
        { "i1", BTZ_SAMPLE_I8 },  { "i2", BTZ_SAMPLE_I16 }, { "i4", BTZ_SAMPLE_I32 },
        { "i8", BTZ_SAMPLE_I64 }, { "u1", BTZ_SAMPLE_U8 },  { "u2", BTZ_SAMPLE_U16 },
        { "u4", BTZ_SAMPLE_U32 }, { "u8", BTZ_SAMPLE_U64 }, { "b1", BTZ_SAMPLE_BOOL },
    };
    struct btz_slice text;

    if (take(l, '['))
        return btz_fail(BTZ_UNSUPPORTED, "%s: npy array of structures; numbers are read", l->what);
    BTZ_TRY(string(l, &text));
    for (size_t i = 0; text.len == 3 && i < BTZ_COUNT(types); i++)
        if (memcmp(text.ptr + 1, types[i].text, 2) == 0 && memchr("<>|=", text.ptr[0], 4)) {
            out->type = types[i].type;
            out->big_endian = text.ptr[0] == '>';
            return BTZ_OK;
        }
    return btz_fail(BTZ_UNSUPPORTED,
                    "%s: npy array of type \"%.*s\"; read are floats, integers and booleans "
                    "(objects are pickles and never loaded)",
                    l->what, BTZ_SLICE_ARG(text));
}

static enum btz_err dictionary(struct literal *l, struct btz_sample_table *out, bool *fortran)
{
    unsigned seen = 0;

    BTZ_TRY(expect(l, '{'));
    while (!take(l, '}')) {
        struct btz_slice key;
        unsigned bit;

        BTZ_TRY(string(l, &key));
        BTZ_TRY(expect(l, ':'));
        bit = btz_slice_is(key, "descr")           ? 1
              : btz_slice_is(key, "fortran_order") ? 2
              : btz_slice_is(key, "shape")         ? 4
                                                   : 0;
        if (bit == 0 || (seen & bit))
            return btz_fail(BTZ_INPUT, "%s: npy header: key \"%.*s\" %s", l->what,
                            BTZ_SLICE_ARG(btz_slice_sub(key, 0, 40)),
                            bit ? "stands there twice" : "is unknown");
        seen |= bit;
        BTZ_TRY(bit == 1 ? type(l, out) : bit == 2 ? boolean(l, fortran) : shape(l, out));
        if (!take(l, ',')) {
            BTZ_TRY(expect(l, '}'));
            break;
        }
    }
    skip_space(l);
    if (seen != 7 || l->at != l->in.len)
        return btz_fail(BTZ_INPUT,
                        "%s: npy header: expected descr, fortran_order and shape, nothing else",
                        l->what);
    return BTZ_OK;
}

/* First axis fastest to last axis fastest. */
static enum btz_err turn(struct btz_slice in, const char *what, uint64_t memory_max,
                         struct btz_sample_table *out)
{
    size_t size = btz_sample_type_size(out->type), count;
    uint64_t bytes, index[BTZ_SAMPLE_RANK_MAX + 1] = { 0 }, stride[BTZ_SAMPLE_RANK_MAX + 1];

    BTZ_TRY(btz_sample_table_bytes(out, what, memory_max, &bytes));
    if (in.len < out->offset || in.len - out->offset < bytes)
        return btz_fail(BTZ_LIMIT,
                        "%s: arrays in the order of Fortran must fit into memory; save it in the "
                        "order of C, and it is read from disk",
                        what);
    out->own.max = memory_max;
    BTZ_TRY(btz_buf_reserve(&out->own, bytes));
    count = bytes / size;
    for (uint32_t i = 0; i < out->rank; i++)
        stride[i] = i ? stride[i - 1] * out->dim[i - 1] : 1;
    for (size_t n = 0; n < count; n++) {
        uint64_t at = 0;

        for (uint32_t i = 0; i < out->rank; i++)
            at += index[i] * stride[i];
        memcpy(out->own.ptr + n * size, in.ptr + out->offset + at * size, size);
        for (uint32_t i = out->rank; i-- > 0;) {
            if (++index[i] < out->dim[i])
                break;
            index[i] = 0;
        }
    }
    out->own.len = bytes;
    out->in_own = true;
    return BTZ_OK;
}

enum btz_err btz_npy_table(struct btz_slice in, uint64_t size, const char *what,
                           uint64_t memory_max, struct btz_sample_table *out)
{
    struct btz_reader r = { .in = in, .what = what };
    struct literal l = { .what = what };
    struct btz_slice magic, version, lengths;
    bool fortran = false;
    uint64_t bytes;
    uint32_t len;

    BTZ_TRY(btz_read_bytes(&r, 6, &magic));
    BTZ_TRY(btz_read_bytes(&r, 2, &version));
    if (!btz_npy_is(magic) || version.ptr[0] < 1 || version.ptr[0] > 3 || version.ptr[1] != 0)
        return btz_fail(BTZ_INPUT, "%s: no npy file of version 1.0, 2.0 or 3.0", what);
    BTZ_TRY(btz_read_bytes(&r, version.ptr[0] == 1 ? 2 : 4, &lengths));
    len = (uint32_t)(lengths.ptr[0] | lengths.ptr[1] << 8);
    if (version.ptr[0] != 1)
        len |= (uint32_t)lengths.ptr[2] << 16 | (uint32_t)lengths.ptr[3] << 24;
    if (len > HEADER_MAX)
        return btz_fail(BTZ_LIMIT, "%s: npy header of %u bytes", what, len);
    BTZ_TRY(btz_read_bytes(&r, len, &l.in));
    BTZ_TRY(dictionary(&l, out, &fortran));
    out->offset = r.at;
    BTZ_TRY(btz_sample_table_bytes(out, what, INT64_MAX, &bytes));
    if (bytes != size - r.at)
        return btz_fail(BTZ_INPUT,
                        "%s: npy announces %" PRIu64 " bytes of elements, %" PRIu64 " follow", what,
                        bytes, size - r.at);
    if (out->rank == 0) { /* one number */
        out->rank = 1;
        out->dim[0] = 1;
    }
    return fortran && out->rank > 1 && bytes > 0 ? turn(in, what, memory_max, out) : BTZ_OK;
}
