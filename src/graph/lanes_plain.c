/*
 * Lanes with what every processor has.
 */
#include <math.h>

#include "graph/lanes.h"
#include "graph/unroll.h"

#define WIDTH      4
#define ROWS       4
#define TILES_FOUR TILES_3
#define OUTER_ROWS 2
#define OUTER_COLS 3
#define ISA        btz_isa_plain
#define ISA_NAME   "plain"

static bool works(void)
{
    return true;
}

#include "graph/lanes_real.h"
