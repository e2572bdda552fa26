/*
 * What pooling is, for the ways it is computed.
 */
#ifndef BTZ_GRAPH_OPS_POOL_H
#define BTZ_GRAPH_OPS_POOL_H

#include "graph/lanes.h"
#include "graph/ops/window.h"

/* Planes are samples times channels. Global pooling is a window of the image's size. */
BTZ_CHECKED enum btz_err btz_pool_window(const struct btz_call *call, struct btz_window *w,
                                         size_t *planes);

extern const struct btz_op_lanes btz_max_lanes, btz_mean_lanes; /* pool_lanes.c */

#endif
