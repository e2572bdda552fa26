/*
 * idx, as MNIST is published: 0, 0, type, number of axes, each axis as a big-endian 32-bit number, elements big-endian.
 * Source: yann.lecun.com/exdb/mnist, "The IDX file format".
 */
#include "sample/reader.h"

static bool type_of(uint8_t code, enum btz_sample_type *out)
{
    static const struct {
        uint8_t code;
        enum btz_sample_type type;
    } types[] = {
        { 0x08, BTZ_SAMPLE_U8 },  { 0x09, BTZ_SAMPLE_I8 },  { 0x0b, BTZ_SAMPLE_I16 },
        { 0x0c, BTZ_SAMPLE_I32 }, { 0x0d, BTZ_SAMPLE_F32 }, { 0x0e, BTZ_SAMPLE_F64 },
    };

    for (size_t i = 0; i < BTZ_COUNT(types); i++)
        if (types[i].code == code) {
            *out = types[i].type;
            return true;
        }
    return false;
}

static bool knows(const struct btz_sample_file *f)
{
    enum btz_sample_type type;

    return f->bytes.len >= 4 && f->bytes.ptr[0] == 0 && f->bytes.ptr[1] == 0 &&
           type_of(f->bytes.ptr[2], &type) && f->bytes.ptr[3] > 0;
}

static enum btz_err read_idx(struct btz_sample_job *job, struct btz_sample_table *out)
{
    struct btz_sample_file *f = job->file;
    struct btz_reader r = { .in = f->bytes, .what = f->name };
    uint64_t bytes;
    uint8_t code, rank;
    uint16_t zero;
    uint32_t dim;

    BTZ_TRY(btz_read_be16(&r, &zero));
    BTZ_TRY(btz_read_u8(&r, &code));
    BTZ_TRY(btz_read_u8(&r, &rank));
    if (zero != 0 || !type_of(code, &out->type))
        return btz_fail(BTZ_INPUT, "%s: no idx file: starts with %04x, type %02x", f->name, zero,
                        code);
    if (rank == 0 || rank > BTZ_SAMPLE_RANK_MAX + 1)
        return btz_fail(BTZ_INPUT, "%s: idx of %u axes, expected 1 to %d", f->name, rank,
                        BTZ_SAMPLE_RANK_MAX + 1);
    out->rank = rank;
    for (uint32_t i = 0; i < rank; i++) {
        BTZ_TRY(btz_read_be32(&r, &dim));
        out->dim[i] = dim;
    }
    out->big_endian = true;
    out->offset = r.at;
    BTZ_TRY(btz_sample_table_bytes(out, f->name, INT64_MAX, &bytes));
    if (bytes != f->size - r.at)
        return btz_fail(BTZ_INPUT,
                        "%s: idx announces %" PRIu64 " bytes of elements, %" PRIu64 " follow",
                        f->name, bytes, f->size - r.at);
    return BTZ_OK;
}

const struct btz_sample_reader btz_sample_reader_idx = {
    .id = "idx",
    .knows = knows,
    .read = read_idx,
};
