/*
 * Tensors: types, shapes, elements.
 */
#include "graph/kernel.h"

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [BTZ_F32] = { "float", 4 },  [BTZ_U8] = { "uint8", 1 },
    [BTZ_I8] = { "int8", 1 },    [BTZ_U16] = { "uint16", 2 },
    [BTZ_I16] = { "int16", 2 },  [BTZ_I32] = { "int32", 4 },
    [BTZ_I64] = { "int64", 8 },  [BTZ_STRING] = { "string", sizeof(struct btz_slice) },
    [BTZ_BOOL] = { "bool", 1 },  [BTZ_F16] = { "float16", 2 },
    [BTZ_F64] = { "double", 8 }, [BTZ_U32] = { "uint32", 4 },
    [BTZ_U64] = { "uint64", 8 }, [BTZ_BF16] = { "bfloat16", 2 },
};

size_t btz_type_size(enum btz_type type)
{
    return (size_t)type < BTZ_COUNT(types) ? types[type].size : 0;
}

const char *btz_type_name(enum btz_type type)
{
    return btz_type_size(type) ? types[type].name : "no tensor";
}

bool btz_type_is_real(enum btz_type type)
{
    return type == BTZ_F32 || type == BTZ_F64;
}

bool btz_type_is_integer(enum btz_type type)
{
    return btz_type_size(type) && !btz_type_is_real(type) && type != BTZ_STRING &&
           type != BTZ_F16 && type != BTZ_BF16 && type != BTZ_BOOL;
}

enum btz_err btz_shape_count(const struct btz_shape *shape, size_t *out)
{
    size_t n = 1;
    bool empty = false;

    for (uint32_t i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == 0)
            empty = true;
        else if (shape->dim[i] < 0 || !btz_size_mul(n, (size_t)shape->dim[i], &n) ||
                 n > SIZE_MAX / 32) {
            char text[BTZ_SHAPE_TEXT];
            return btz_fail(BTZ_LIMIT, "a tensor of shape %s is too large",
                            btz_shape_text(shape, text));
        }
    }
    *out = empty ? 0 : n;
    return BTZ_OK;
}

bool btz_shape_equal(const struct btz_shape *a, const struct btz_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

const char *btz_shape_text(const struct btz_shape *shape, char out[BTZ_SHAPE_TEXT])
{
    size_t at = 0;

    if (!shape->rank)
        return "scalar";
    for (uint32_t i = 0; i < shape->rank && at < BTZ_SHAPE_TEXT; i++) {
        const char *by = i ? "x" : "";
        int n = shape->dim[i] < 0
                    ? snprintf(out + at, BTZ_SHAPE_TEXT - at, "%s?", by)
                    : snprintf(out + at, BTZ_SHAPE_TEXT - at, "%s%" PRId64, by, shape->dim[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return out;
}

enum btz_err btz_shape_broadcast(const struct btz_shape *a, const struct btz_shape *b,
                                 struct btz_shape *out)
{
    struct btz_shape r = { .rank = a->rank > b->rank ? a->rank : b->rank };

    for (uint32_t i = 0; i < r.rank; i++) {
        int64_t x = i + a->rank >= r.rank ? a->dim[i + a->rank - r.rank] : 1;
        int64_t y = i + b->rank >= r.rank ? b->dim[i + b->rank - r.rank] : 1;

        if (x != y && x != 1 && y != 1) {
            char s[BTZ_SHAPE_TEXT], t[BTZ_SHAPE_TEXT];
            return btz_fail(BTZ_INPUT, "shapes %s and %s do not go together", btz_shape_text(a, s),
                            btz_shape_text(b, t));
        }
        r.dim[i] = x == 1 ? y : x;
    }
    *out = r;
    return BTZ_OK;
}

size_t btz_tensor_count(const struct btz_tensor *t)
{
    size_t n = 1;

    for (uint32_t i = 0; i < t->shape.rank; i++)
        n *= (size_t)t->shape.dim[i];
    return n;
}

size_t btz_tensor_bytes(const struct btz_tensor *t)
{
    return btz_tensor_count(t) * btz_type_size(t->type);
}

/* ---- elements --------------------------------------------------------------------------------------------------------- */

int64_t btz_at_int(const struct btz_tensor *t, size_t i)
{
    switch (t->type) {
    case BTZ_U8:
    case BTZ_BOOL:
        return ((const uint8_t *)t->data)[i];
    case BTZ_I8:
        return ((const int8_t *)t->data)[i];
    case BTZ_U16:
        return ((const uint16_t *)t->data)[i];
    case BTZ_I16:
        return ((const int16_t *)t->data)[i];
    case BTZ_I32:
        return ((const int32_t *)t->data)[i];
    case BTZ_U32:
        return ((const uint32_t *)t->data)[i];
    case BTZ_I64:
    case BTZ_U64:
        return ((const int64_t *)t->data)[i];
    default:
        return btz_real_to_int(btz_at_real(t, i));
    }
}

double btz_at_real(const struct btz_tensor *t, size_t i)
{
    switch (t->type) {
    case BTZ_F32:
        return ((const float *)t->data)[i];
    case BTZ_F64:
        return ((const double *)t->data)[i];
    case BTZ_F16:
        return btz_f16_to_f32(((const uint16_t *)t->data)[i]);
    case BTZ_BF16:
        return btz_bf16_to_f32(((const uint16_t *)t->data)[i]);
    case BTZ_U64:
        return (double)((const uint64_t *)t->data)[i];
    case BTZ_STRING:
        return 0;
    default:
        return (double)btz_at_int(t, i);
    }
}

int64_t btz_real_to_int(double v)
{
    if (!(v > -9.2233720368547758e18)) /* NaN too: the same on every machine */
        return INT64_MIN;
    return v < 9.2233720368547758e18 ? (int64_t)v : INT64_MAX;
}

void btz_put_int(const struct btz_tensor *t, size_t i, int64_t v)
{
    switch (t->type) {
    case BTZ_U8:
    case BTZ_I8:
        ((uint8_t *)t->data)[i] = (uint8_t)v;
        break;
    case BTZ_BOOL:
        ((uint8_t *)t->data)[i] = v != 0;
        break;
    case BTZ_U16:
    case BTZ_I16:
        ((uint16_t *)t->data)[i] = (uint16_t)v;
        break;
    case BTZ_I32:
    case BTZ_U32:
        ((uint32_t *)t->data)[i] = (uint32_t)v;
        break;
    case BTZ_I64:
    case BTZ_U64:
        ((int64_t *)t->data)[i] = v;
        break;
    default:
        btz_put_real(t, i, (double)v);
    }
}

void btz_put_real(const struct btz_tensor *t, size_t i, double v)
{
    switch (t->type) {
    case BTZ_F32:
        ((float *)t->data)[i] = (float)v;
        break;
    case BTZ_F64:
        ((double *)t->data)[i] = v;
        break;
    case BTZ_F16:
        ((uint16_t *)t->data)[i] = btz_f32_to_f16((float)v);
        break;
    case BTZ_BF16:
        ((uint16_t *)t->data)[i] = btz_f32_to_bf16((float)v);
        break;
    case BTZ_STRING:
        break;
    case BTZ_BOOL:
        ((uint8_t *)t->data)[i] = v != 0;
        break;
    case BTZ_U64:
        ((uint64_t *)t->data)[i] = v >= 1.8446744073709552e19 ? UINT64_MAX
                                   : v > 0                    ? (uint64_t)v
                                                              : (uint64_t)btz_real_to_int(v);
        break;
    default:
        btz_put_int(t, i, btz_real_to_int(v));
    }
}

void btz_tensor_convert(const struct btz_tensor *from, const struct btz_tensor *to)
{
    size_t n = btz_tensor_count(from);
    bool real = !btz_type_is_integer(from->type) && from->type != BTZ_BOOL;

    if (from->type == to->type) {
        if (n)
            memcpy(to->data, from->data, n * btz_type_size(from->type));
        return;
    }
    /* Not by way of double between whole numbers: 64 bits do not fit. */
    for (size_t i = 0; i < n; i++)
        if (real || btz_type_is_real(to->type) || to->type == BTZ_F16 || to->type == BTZ_BF16)
            btz_put_real(to, i, btz_at_real(from, i));
        else
            btz_put_int(to, i, btz_at_int(from, i));
}
