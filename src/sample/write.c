/* Arrays as npy and idx files. */
#include "sample/sample.h"

static enum btz_err array_bytes(const struct btz_sample_array *a, size_t *out)
{
    size_t n = btz_sample_type_size(a->type);

    if (n == 0 || a->rank == 0 || a->rank > BTZ_SAMPLE_RANK_MAX + 1)
        return btz_fail(BTZ_USAGE, "no array of %u axes", a->rank);
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->dim[i] > SIZE_MAX || !btz_size_mul(n, (size_t)a->dim[i], &n))
            return btz_fail(BTZ_LIMIT, "array is too large");
    *out = n;
    return BTZ_OK;
}

enum btz_err btz_npy_encode(const struct btz_sample_array *array, struct btz_buf *out)
{
    static const char *const types[] = {
        [BTZ_SAMPLE_U8] = "|u1",  [BTZ_SAMPLE_I8] = "|i1",  [BTZ_SAMPLE_U16] = "<u2",
        [BTZ_SAMPLE_I16] = "<i2", [BTZ_SAMPLE_U32] = "<u4", [BTZ_SAMPLE_I32] = "<i4",
        [BTZ_SAMPLE_U64] = "<u8", [BTZ_SAMPLE_I64] = "<i8", [BTZ_SAMPLE_F16] = "<f2",
        [BTZ_SAMPLE_F32] = "<f4", [BTZ_SAMPLE_F64] = "<f8", [BTZ_SAMPLE_BOOL] = "|b1",
    };
    BTZ_BUF_RELEASE struct btz_buf head = BTZ_BUF(1024);
    size_t bytes;
    uint8_t length[2];

    BTZ_TRY(array_bytes(array, &bytes));
    BTZ_TRY(btz_buf_printf(&head, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                           types[array->type]));
    for (uint32_t i = 0; i < array->rank; i++)
        BTZ_TRY(btz_buf_printf(&head, "%s%" PRIu64, i ? ", " : "", array->dim[i]));
    BTZ_TRY(btz_buf_add_str(&head, array->rank == 1 ? ",), }" : "), }"));
    while ((10 + head.len + 1) % 64 != 0) /* elements are aligned */
        BTZ_TRY(btz_buf_add_byte(&head, ' '));
    BTZ_TRY(btz_buf_add_byte(&head, '\n'));
    length[0] = (uint8_t)head.len, length[1] = (uint8_t)(head.len >> 8);
    BTZ_TRY(btz_buf_add(out, "\x93NUMPY\x01\x00", 8));
    BTZ_TRY(btz_buf_add(out, length, 2));
    BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&head)));
    return btz_buf_add(out, array->data, bytes);
}

enum btz_err btz_idx_encode(const struct btz_sample_array *array, struct btz_buf *out)
{
    static const uint8_t codes[] = {
        [BTZ_SAMPLE_U8] = 0x08,  [BTZ_SAMPLE_I8] = 0x09,  [BTZ_SAMPLE_I16] = 0x0b,
        [BTZ_SAMPLE_I32] = 0x0c, [BTZ_SAMPLE_F32] = 0x0d, [BTZ_SAMPLE_F64] = 0x0e,
    };
    const uint8_t *from = array->data;
    size_t bytes, size = btz_sample_type_size(array->type);
    uint8_t head[4] = { 0, 0, 0, (uint8_t)array->rank };

    BTZ_TRY(array_bytes(array, &bytes));
    if ((size_t)array->type >= BTZ_COUNT(codes) || !codes[array->type])
        return btz_fail(BTZ_USAGE, "idx files have no elements of type %s",
                        btz_sample_type_name(array->type));
    head[2] = codes[array->type];
    BTZ_TRY(btz_buf_add(out, head, sizeof head));
    for (uint32_t i = 0; i < array->rank; i++) {
        uint8_t dim[4];

        if (array->dim[i] > UINT32_MAX)
            return btz_fail(BTZ_LIMIT, "an axis of %" PRIu64 " does not fit into an idx file",
                            array->dim[i]);
        for (int k = 0; k < 4; k++)
            dim[k] = (uint8_t)(array->dim[i] >> (24 - 8 * k));
        BTZ_TRY(btz_buf_add(out, dim, sizeof dim));
    }
    BTZ_TRY(btz_buf_reserve(out, bytes));
    for (size_t i = 0; i < bytes; i++)
        out->ptr[out->len + i] = from[i - i % size + size - 1 - i % size];
    out->len += bytes;
    return BTZ_OK;
}
