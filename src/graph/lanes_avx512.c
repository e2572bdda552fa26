/*
 * Lanes with AVX-512.
 */
#include <math.h>

#include "graph/lanes.h"
#include "graph/unroll.h"

#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx2,fma")
#endif
#define WIDTH      16
#define ROWS       8
#define TILES_FOUR TILES_6
#define OUTER_ROWS 6
#define OUTER_COLS 4
#define ISA        btz_isa_avx512
#define ISA_NAME   "avx512"

static bool works(void)
{
    return __builtin_cpu_supports("avx512f");
}

#include "graph/lanes_real.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
