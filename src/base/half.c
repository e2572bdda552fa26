#include "base/half.h"

float btz_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, low = h & 1023, bits;
    float f;

    if (exponent == 31)
        bits = sign | 0x7f800000 | low << 13;
    else if (exponent)
        bits = sign | (exponent + 112) << 23 | low << 13;
    else {
        f = (float)low * 0x1p-24F;
        return sign ? -f : f;
    }
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t btz_f32_to_f16(float f)
{
    uint32_t bits, mag;
    uint16_t sign;

    memcpy(&bits, &f, sizeof bits);
    sign = (uint16_t)(bits >> 16 & 0x8000);
    mag = bits & 0x7fffffff;
    if (mag > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (mag >= 0x477ff000) /* rounds to more than 65504 */
        return (uint16_t)(sign | 0x7c00);
    if (mag < 0x38800000) { /* subnormal: a multiple of 2^-24, to the nearest even */
        float m, scaled;
        uint32_t n;

        memcpy(&m, &mag, sizeof m);
        scaled = m * 0x1p24F;
        n = (uint32_t)scaled;
        if (scaled - (float)n > 0.5F || (scaled - (float)n == 0.5F && (n & 1)))
            n++;
        return (uint16_t)(sign | n);
    }
    mag += 0xfff + (mag >> 13 & 1);
    return (uint16_t)(sign | ((mag >> 13) - (112 << 10)));
}

float btz_bf16_to_f32(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t btz_f32_to_bf16(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
