/* Elements of any type and byte order as floats. */
#include "base/half.h"
#include "sample/reader.h"

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [BTZ_SAMPLE_U8] = { "u8", 1 },   [BTZ_SAMPLE_I8] = { "i8", 1 },
    [BTZ_SAMPLE_U16] = { "u16", 2 }, [BTZ_SAMPLE_I16] = { "i16", 2 },
    [BTZ_SAMPLE_U32] = { "u32", 4 }, [BTZ_SAMPLE_I32] = { "i32", 4 },
    [BTZ_SAMPLE_U64] = { "u64", 8 }, [BTZ_SAMPLE_I64] = { "i64", 8 },
    [BTZ_SAMPLE_F16] = { "f16", 2 }, [BTZ_SAMPLE_F32] = { "f32", 4 },
    [BTZ_SAMPLE_F64] = { "f64", 8 }, [BTZ_SAMPLE_BOOL] = { "bool", 1 },
};

size_t btz_sample_type_size(enum btz_sample_type type)
{
    return (size_t)type < BTZ_COUNT(types) ? types[type].size : 0;
}

const char *btz_sample_type_name(enum btz_sample_type type)
{
    return (size_t)type < BTZ_COUNT(types) ? types[type].name : "?";
}

static uint64_t bits_of(const uint8_t *p, size_t size, bool big_endian)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)p[big_endian ? size - 1 - i : i] << 8 * i;
    return bits;
}

double btz_sample_number(const uint8_t *from, enum btz_sample_type type, bool big_endian)
{
    uint64_t bits = bits_of(from, btz_sample_type_size(type), big_endian);
    uint32_t low = (uint32_t)bits;
    double d;
    float f;

    switch (type) {
    case BTZ_SAMPLE_I8:
        return (int8_t)bits;
    case BTZ_SAMPLE_I16:
        return (int16_t)bits;
    case BTZ_SAMPLE_I32:
        return (int32_t)bits;
    case BTZ_SAMPLE_I64:
        return (double)(int64_t)bits;
    case BTZ_SAMPLE_F16:
        return (double)btz_f16_to_f32((uint16_t)bits);
    case BTZ_SAMPLE_F32:
        memcpy(&f, &low, sizeof f);
        return (double)f;
    case BTZ_SAMPLE_F64:
        memcpy(&d, &bits, sizeof d);
        return d;
    case BTZ_SAMPLE_BOOL:
        return bits != 0;
    case BTZ_SAMPLE_U8:
    case BTZ_SAMPLE_U16:
    case BTZ_SAMPLE_U32:
    case BTZ_SAMPLE_U64:
        break;
    }
    return (double)bits;
}

void btz_sample_floats(const uint8_t *from, enum btz_sample_type type, bool big_endian,
                       size_t stride, size_t count, float scale, float *to)
{
    if (type == BTZ_SAMPLE_U8) {
        for (size_t i = 0; i < count; i++)
            to[i] = (float)from[i * stride] * scale;
    } else if (type == BTZ_SAMPLE_F32 && !big_endian) {
        for (size_t i = 0; i < count; i++) {
            float f;

            memcpy(&f, from + i * stride, sizeof f);
            to[i] = f * scale;
        }
    } else {
        for (size_t i = 0; i < count; i++)
            to[i] = (float)btz_sample_number(from + i * stride, type, big_endian) * scale;
    }
}
