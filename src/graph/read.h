/*
 * What the reader's files share.
 */
#ifndef BTZ_GRAPH_READ_H
#define BTZ_GRAPH_READ_H

#include "graph/graph.h"
#include "graph/wire.h"

struct btz_reading {
    struct btz_model *m;
    struct btz_arena *arena;
    uint32_t value_max, nodes_max;
    int folder;
    uint32_t depth,
        captured; /* of graphs inside nodes: how deep, and what they read from around them */
};

/* for each field of a message, inside a function that returns enum btz_err */
#define EACH(w, more)                                                                              \
    for (;;) {                                                                                     \
        BTZ_TRY(btz_wire_next(&(w), &(more)));                                                     \
        if (!(more))                                                                               \
            break;                                                                                 \
        {

#define END_EACH                                                                                   \
    }                                                                                              \
    }

/* A name, in the arena. */
BTZ_CHECKED enum btz_err btz_read_text(struct btz_reading *r, const struct btz_wire *w,
                                       const char **out);
/* An AttributeProto; of a graph only its bytes. */
BTZ_CHECKED enum btz_err btz_read_attr(struct btz_reading *r, struct btz_slice bytes,
                                       struct btz_attr *out);
/* A TensorProto. `folder` is the descriptor of the model's folder for external data; -1: refused. */
BTZ_CHECKED enum btz_err btz_read_tensor(struct btz_slice bytes, int folder,
                                         struct btz_arena *arena, struct btz_tensor *out,
                                         const char **name);

#endif
