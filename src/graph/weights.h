/*
 * Weights without a graph: safetensors and PyTorch's .pth, the older kind and the zip. Pickles are read by a machine that knows
 * the few instructions and names that tensors need and refuses all others; nothing is ever imported or called.
 *
 * Source: huggingface/safetensors, "Format"; pickletools of CPython for the instructions; torch.serialization for the rest.
 */
#ifndef BTZ_GRAPH_WEIGHTS_H
#define BTZ_GRAPH_WEIGHTS_H

#include "graph/graph.h"

struct btz_weight {
    const char *name; /* "0.weight" */
    struct btz_tensor
        tensor; /* dense; floats of any size have become F32, other types are as in the file */
};
struct btz_weights {
    struct btz_arena arena;
    struct btz_weight *items; /* sorted by name, names are unique */
    size_t count;
    const char *format; /* "safetensors", "pth", "pth-zip" */
};
struct btz_weights_limits { /* 0: the default */
    uint64_t file_max;      /* 2 GiB */
    uint64_t memory_max;    /* 4 GiB, of the tensors */
};
/* Errors: IO, INPUT (with the byte), LIMIT, UNSUPPORTED (types), DENIED (a pickle that wants more than tensors). */
BTZ_CHECKED enum btz_err btz_weights_read(const char *path, const struct btz_weights_limits *limits,
                                          struct btz_weights **out);
/* From memory; nothing of `bytes` is kept. `what` names it in errors. */
BTZ_CHECKED enum btz_err btz_weights_parse(struct btz_slice bytes, const char *what,
                                           const struct btz_weights_limits *limits,
                                           struct btz_weights **out);
void btz_weights_free(struct btz_weights *w);
/* NULL: none of that name. */
const struct btz_tensor *btz_weights_find(const struct btz_weights *w, const char *name);

/* ---- between the formats (weights.c) ----------------------------------------------------------------------------------- */

struct btz_weights_job {
    struct btz_weights *out;
    const char *what;
    uint64_t memory_max;
    size_t room;
};
/* Elements as they lie in a file, little-endian. */
enum btz_weight_type {
    BTZ_WEIGHT_F64,
    BTZ_WEIGHT_F32,
    BTZ_WEIGHT_F16,
    BTZ_WEIGHT_BF16,
    BTZ_WEIGHT_I64,
    BTZ_WEIGHT_I32,
    BTZ_WEIGHT_I16,
    BTZ_WEIGHT_I8,
    BTZ_WEIGHT_U64,
    BTZ_WEIGHT_U32,
    BTZ_WEIGHT_U16,
    BTZ_WEIGHT_U8,
    BTZ_WEIGHT_BOOL,
};
size_t btz_weight_type_size(enum btz_weight_type type);
/*
 * Adds a tensor: element (i, j, ...) is element offset + i * stride[0] + j * stride[1] ... of `bytes`; stride NULL: dense. All of
 * it must be inside. Errors: INPUT, LIMIT.
 */
BTZ_CHECKED enum btz_err btz_weights_add(struct btz_weights_job *job, struct btz_slice name,
                                         enum btz_weight_type type, const struct btz_shape *shape,
                                         struct btz_slice bytes, uint64_t offset,
                                         const uint64_t *stride);

BTZ_CHECKED enum btz_err btz_safetensors_read(struct btz_weights_job *job, struct btz_slice bytes);
BTZ_CHECKED enum btz_err btz_pth_read(struct btz_weights_job *job, struct btz_slice bytes);
bool btz_pth_is(struct btz_slice bytes); /* of the older kind */

#endif
