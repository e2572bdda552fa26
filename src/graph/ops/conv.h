/*
 * What a convolution is, for the ways it is computed.
 */
#ifndef BTZ_GRAPH_OPS_CONV_H
#define BTZ_GRAPH_OPS_CONV_H

#include "graph/lanes.h"
#include "graph/ops/window.h"

struct btz_conv {
    struct btz_window w; /* of the transpose: from its output to its input */
    size_t batch, groups, in_channels, out_channels; /* a group's */
    size_t col;                                      /* elements of the columns of a group */
};
/* Checks the inputs of a Conv, too. */
BTZ_CHECKED enum btz_err btz_conv_of(struct btz_call *call, struct btz_conv *c);

extern const struct btz_op_lanes btz_conv_lanes; /* conv_lanes.c */
extern const struct btz_op_lanes
    btz_dense_lanes; /* dense_lanes.c: Gemm and MatMul with a constant matrix */

#endif
