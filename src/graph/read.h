/*
 * What the reader's two files share.
 */
#ifndef BTZ_GRAPH_READ_H
#define BTZ_GRAPH_READ_H

#include "graph/graph.h"
#include "graph/wire.h"

/* A TensorProto. `folder` is the descriptor of the model's folder for external data; -1: refused. */
BTZ_CHECKED enum btz_err btz_read_tensor(struct btz_slice bytes, int folder,
                                         struct btz_arena *arena, struct btz_tensor *out,
                                         const char **name);

#endif
