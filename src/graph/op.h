/*
 * Operators: how each infers shapes, runs and is differentiated. A file of src/graph/ops defines one family, its name stands
 * in the list of meson.build; nothing else has to be edited.
 */
#ifndef BTZ_GRAPH_OP_H
#define BTZ_GRAPH_OP_H

#include "graph/graph.h"

/* One node at work. Inputs that were left out are NULL. */
struct btz_call {
    const struct btz_node *node;
    const struct btz_model *model;
    uint32_t in_count, out_count;
    const struct btz_tensor *const *in;
    struct btz_tensor *const *out;
    bool training, reference, doubles;
    bool own;    /* no kernels of other libraries but matrix products */
    void *state; /* what `prepare` made of the attributes; in the net's arena */
    void *scratch;
    struct btz_rng *rng; /* of dropout and the random operators */
    size_t memory_max;   /* of the net */
    uint64_t turns_max, *turns;
    /* Backward. Gradients are ADDED to in_grad; NULL: not wanted, or not a float. */
    const struct btz_tensor *const *out_grad; /* NULL: no loss depends on it */
    struct btz_tensor *const *in_grad;
    /* In lanes (lanes.h); isa NULL: plain. */
    const struct btz_isa *isa;
    void *lanes_state;
    bool relu;                   /* a Relu behind is part of it */
    const struct btz_call *norm; /* as is this batch normalisation before that; NULL: none */
    uint32_t overwrite;          /* bit k: in_grad k holds nothing yet and is written */
};

enum btz_op_flags {
    BTZ_OP_VIEW = 1,        /* out 0 is in 0 with another shape: no copy */
    BTZ_OP_IN_PLACE = 2,    /* out 0 may lie where in 0 lies */
    BTZ_OP_GRAD_IN = 4,     /* backward reads the inputs */
    BTZ_OP_GRAD_OUT = 8,    /* backward reads the outputs */
    BTZ_OP_GRAD_SAVED = 16, /* backward reads what forward left in scratch */
    BTZ_OP_RANDOM = 32,     /* never folded */
    BTZ_OP_SHAPE_ONLY = 64, /* run reads no data, only shapes: folded wherever those are known */
    BTZ_OP_WISE = 128,      /* element by element, broadcast: works in lanes as it is */
};

struct btz_op_lanes;
struct btz_isa;
struct btz_op {
    const char *name, *domain; /* "" is the standard domain */
    int64_t since, until;      /* opsets, both included; until 0: no end */
    unsigned flags;
    uint32_t
        settings; /* bits of inputs that are never parameters: running statistics, bounds, scales of images */
    /* Reads attributes once; may be NULL. `arena` is the net's. */
    enum btz_err (*prepare)(struct btz_call *call, struct btz_arena *arena);
    /*
     * Sets type and shape of each output. The data of an input is there when it is constant; an operator whose shape depends on
     * data that are not there sets `*later`, and is asked again at run time.
     */
    enum btz_err (*infer)(struct btz_call *call, bool *later);
    /* Bytes of scratch for these shapes, aligned to 64; may be NULL: none. Backward has as much of its own, or what forward
     * left, see BTZ_OP_GRAD_SAVED. A product that does not fit is SIZE_MAX. */
    size_t (*scratch)(const struct btz_call *call);
    enum btz_err (*run)(struct btz_call *call);
    enum btz_err (*grad)(struct btz_call *call); /* NULL: not differentiable; gradients stop here */
    const struct btz_op_lanes *lanes;            /* NULL: none of its own */
    void (*release)(
        struct btz_call *call); /* what `state` holds outside of the arena; may be NULL */
};
struct btz_op_family {
    const char *id;
    const struct btz_op *ops;
    size_t count;
};
extern const struct btz_op_family *const btz_op_families[]; /* NULL at the end */

/* The operator of a name in an opset; NULL: none. */
const struct btz_op *btz_op_find(const char *domain, const char *name, int64_t opset);

/* ---- attributes (attr.c): the specification's defaults are the caller's; a wrong kind is INPUT ------------------------ */

BTZ_CHECKED enum btz_err btz_attr_int(const struct btz_node *n, const char *name, int64_t absent,
                                      int64_t *out);
BTZ_CHECKED enum btz_err btz_attr_float(const struct btz_node *n, const char *name, float absent,
                                        float *out);
/* NULL and 0 when it is absent. */
BTZ_CHECKED enum btz_err btz_attr_ints(const struct btz_node *n, const char *name,
                                       const int64_t **out, size_t *count);
BTZ_CHECKED enum btz_err btz_attr_floats(const struct btz_node *n, const char *name,
                                         const float **out, size_t *count);
BTZ_CHECKED enum btz_err btz_attr_string(const struct btz_node *n, const char *name,
                                         const char *absent, struct btz_slice *out);
const struct btz_attr *btz_attr(const struct btz_node *n, const char *name);
/* -rank .. rank-1 to 0 .. rank-1; INPUT otherwise. */
BTZ_CHECKED enum btz_err btz_axis(const struct btz_call *call, int64_t axis, uint32_t rank,
                                  uint32_t *out);
/* "Conv 'conv1' (opset 13): " and what is wrong. */
#define btz_op_fail(call, err, ...) (btz_error_set(__VA_ARGS__), btz_op_fail_at((call), (err)))
enum btz_err btz_op_fail_at(const struct btz_call *call, enum btz_err err);

#endif
