/*
 * Lanes with AVX2 and FMA.
 */
#include <math.h>

#include "graph/lanes.h"
#include "graph/unroll.h"

#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define WIDTH      8
#define ROWS       4
#define TILES_FOUR TILES_3
#define OUTER_ROWS 3
#define OUTER_COLS 3
#define ISA        btz_isa_avx2
#define ISA_NAME   "avx2"

static bool works(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#include "graph/lanes_real.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
