/* Halves as bits: IEEE 754 binary16 and bfloat16. Towards them to the nearest, ties to even. */
#ifndef BTZ_BASE_HALF_H
#define BTZ_BASE_HALF_H

#include "base/base.h"

float btz_f16_to_f32(uint16_t h);
uint16_t btz_f32_to_f16(float f);
float btz_bf16_to_f32(uint16_t h);
uint16_t btz_f32_to_bf16(float f);

#endif
