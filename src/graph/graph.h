/*
 * graph: networks in the Open Neural Network Exchange format: read, checked, run, differentiated, written back. Knows nothing
 * of attacks and of training.
 *
 *   file -> btz_model (as it stands in the file) -> btz_net (planned for one shape: forward, backward) -> tensors
 *
 * A net belongs to one thread; nets of one model share its parameters. Work is spread by giving fixed parts of a batch to
 * nets of several threads, so that results do not depend on their number.
 *
 * Source: the ONNX specification, onnx.proto3 and Operators.md of v1.12.0 (opset 17) and v1.18.0 (opset 23, for what changed
 * up to opset 22).
 */
#ifndef BTZ_GRAPH_H
#define BTZ_GRAPH_H

#include "base/base.h"

/* ---- tensors (tensor.c) ---------------------------------------------------------------------------------------------- */

#define BTZ_RANK_MAX 8

/* Numbers as in TensorProto.DataType. */
enum btz_type {
    BTZ_TYPE_NONE = 0,
    BTZ_F32 = 1,
    BTZ_U8 = 2,
    BTZ_I8 = 3,
    BTZ_U16 = 4,
    BTZ_I16 = 5,
    BTZ_I32 = 6,
    BTZ_I64 = 7,
    BTZ_STRING = 8, /* struct btz_slice each */
    BTZ_BOOL = 9,   /* a byte, 0 or 1 */
    BTZ_F16 =
        10, /* nets compute with these two as BTZ_F32, rounded where something is cast to them */
    BTZ_F64 = 11,
    BTZ_U32 = 12,
    BTZ_U64 = 13,
    BTZ_BF16 = 16,
};
size_t btz_type_size(enum btz_type type); /* 0: no such type */
const char *btz_type_name(enum btz_type type);

struct btz_shape {
    uint32_t rank;
    int64_t dim[BTZ_RANK_MAX]; /* >= 0; in declarations also -1: any */
};
/* Elements; LIMIT where they do not fit into SIZE_MAX / 16. A scalar has one. */
BTZ_CHECKED enum btz_err btz_shape_count(const struct btz_shape *shape, size_t *out);
bool btz_shape_equal(const struct btz_shape *a, const struct btz_shape *b);
/* Writes "2x3x224x224", "any" dimensions as "?"; a scalar is "scalar". */
#define BTZ_SHAPE_TEXT 192
const char *btz_shape_text(const struct btz_shape *shape, char out[BTZ_SHAPE_TEXT]);
/* Numpy's rule over two shapes; INPUT when they do not go together. */
BTZ_CHECKED enum btz_err btz_shape_broadcast(const struct btz_shape *a, const struct btz_shape *b,
                                             struct btz_shape *out);

/* Dense, row-major. `data` is borrowed unless somebody says otherwise; NULL while only type and shape are known. */
struct btz_tensor {
    enum btz_type type;
    struct btz_shape shape;
    void *data;
};
size_t btz_tensor_count(const struct btz_tensor *t);
size_t btz_tensor_bytes(const struct btz_tensor *t);
/* A file of one TensorProto, as the conformance tests have them; data and name live in the arena. Errors: INPUT, LIMIT. */
BTZ_CHECKED enum btz_err btz_tensor_parse(struct btz_slice file, struct btz_arena *arena,
                                          struct btz_tensor *out, const char **name);

/* ---- models (read.c, write.c) ---------------------------------------------------------------------------------------- */

#define BTZ_OPSET_MIN 1 /* before 7 only operators that have not changed since */
#define BTZ_OPSET_MAX 22
#define BTZ_NONE      UINT32_MAX /* of indexes: an input that is left out */

enum btz_attr_kind { /* as in AttributeProto.AttributeType */
                     BTZ_ATTR_FLOAT = 1,
                     BTZ_ATTR_INT = 2,
                     BTZ_ATTR_STRING = 3,
                     BTZ_ATTR_TENSOR = 4,
                     BTZ_ATTR_GRAPH = 5,
                     BTZ_ATTR_FLOATS = 6,
                     BTZ_ATTR_INTS = 7,
                     BTZ_ATTR_STRINGS = 8,
};
struct btz_attr {
    const char *name;
    enum btz_attr_kind kind;
    size_t count; /* of the lists */
    union {
        float f;
        int64_t i;
        struct btz_slice s;
        const struct btz_tensor *t;
        struct btz_slice g; /* a GraphProto, as it stands: kept for writing */
        const float *floats;
        const int64_t *ints;
        const struct btz_slice *strings;
    };
    /* Of a graph: read, in the model's arena. What it reads from around it are its last inputs, and inputs of the node from
     * `captured` on. */
    const struct btz_model *body;
    uint32_t captured, captured_count;
};

struct btz_op; /* op.h */
struct btz_node {
    const char *name, *type, *domain;
    const struct btz_op *op; /* NULL: not supported; planning says so */
    int64_t opset;           /* of its domain */
    uint32_t *in, *out;      /* values; BTZ_NONE: left out */
    uint32_t in_count, out_count;
    uint32_t
        captured; /* of the inputs, the last ones: not stated, but read by the graphs of its attributes */
    struct btz_attr *attrs;
    uint32_t attr_count;
};

struct btz_value {
    const char *name;
    enum btz_type type; /* NONE: not said */
    bool has_shape;
    struct btz_shape shape;             /* as declared */
    const char *dim_name[BTZ_RANK_MAX]; /* "batch"; NULL: none */
    struct btz_tensor *
        constant; /* initializer; NULL: none. Its data may be changed: parameters are trained there */
    struct btz_slice type_proto; /* of a value that is no tensor: its TypeProto, kept for writing */
    uint32_t producer;           /* node, or BTZ_NONE */
    bool is_input, is_output;
};

/* Immutable but for the data of its constants. Everything is in its arena. */
struct btz_model {
    struct btz_arena arena;
    int64_t ir_version;
    struct btz_opset {
        const char *domain; /* "" is the standard one */
        int64_t version;
    } * opsets;
    size_t opset_count;
    const char *graph_name, *producer;
    struct btz_pair_text {
        const char *key, *value;
    } * metadata;
    size_t metadata_count;
    struct btz_value *values;
    struct btz_node *nodes;     /* in topological order, as the specification demands */
    uint32_t *inputs, *outputs; /* inputs without those that are initializers */
    uint32_t value_count, node_count, input_count, output_count;
    uint32_t *slots, slot_mask; /* values by the hash of their names */
};

struct btz_model_limits { /* 0: the default */
    uint64_t file_max;    /* 2 GiB */
    uint64_t memory_max;  /* 4 GiB, of the arena */
    uint32_t nodes_max;   /* 200,000 */
};
/*
 * External data are read only from the model's own folder, without links. Everything is checked that can be
 * checked without running: names are unique and defined before they are used, types and sizes fit, offsets are inside.
 * Errors: IO, INPUT (with the place in the graph), LIMIT, UNSUPPORTED (opset).
 */
BTZ_CHECKED enum btz_err btz_model_read(const char *path, const struct btz_model_limits *limits,
                                        struct btz_model **out);
/* The same from memory; `folder` is where external data are, NULL refuses them. Nothing of `bytes` is kept. */
BTZ_CHECKED enum btz_err btz_model_parse(struct btz_slice bytes, const char *folder,
                                         const struct btz_model_limits *limits,
                                         struct btz_model **out);
void btz_model_free(struct btz_model *m);
/* Appends ModelProto bytes: all that was read, parameters as they are now. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_model_write(const struct btz_model *m, struct btz_buf *out);
/* Value of that name, or BTZ_NONE. */
uint32_t btz_model_value(const struct btz_model *m, const char *name);

/* ---- nets (plan.c, net.c) -------------------------------------------------------------------------------------------- */

struct btz_net;
struct btz_net_options {
    const struct btz_shape *
        inputs; /* one an input of the model; NULL: as declared, with `batch` for the first dimension */
    int64_t batch;
    const enum btz_type *
        types; /* of the inputs where the model says none, as in bodies of control flow; may be NULL */
    bool doubles;     /* floats are computed as doubles: the reference path */
    bool reference;   /* scalar kernels only */
    bool training;    /* dropout and batch statistics are on */
    bool input_grads; /* backward to the inputs that are floats */
    bool
        param_grads; /* backward to the float constants that reach an output, but running statistics */
    bool repeat;     /* backward may follow a forward more than once; needs more memory */
    size_t memory_max;  /* 0: 8 GiB */
    uint64_t seed;      /* of dropout and the random operators */
    uint64_t turns_max; /* 0: 4,194,304; of Loop and Scan, all together in one forward */
    uint64_t *turns;    /* where they are counted; NULL, but for nets inside of nets */
    const char *
        isa; /* "plain", "avx2", "avx512": our kernels for these instructions; NULL: the best of this processor, and
                        oneDNN for convolutions of few samples where it is installed */
};
/*
 * Infers every shape, folds what is constant and lays out memory. The model outlives the net.
 * Errors: UNSUPPORTED (names the operator, the node and the opset), INPUT (shapes that do not fit), LIMIT (the plan is larger
 * than allowed: says how large).
 */
BTZ_CHECKED enum btz_err btz_net_new(const struct btz_model *model,
                                     const struct btz_net_options *options, struct btz_net **out);
void btz_net_free(struct btz_net *n);
/* Dropout and the random operators begin anew, as in a net that was made with this seed. */
void btz_net_seed(struct btz_net *n, uint64_t seed);
/* Bytes that the net holds, all of them from its planning on: activations, gradients, scratch, tables and packed parameters;
 * without the model's constants and tensors whose shape is known only at run time. */
size_t btz_net_memory(const struct btz_net *n);

/* Samples that are computed at once: a smaller batch costs as much. 1: none are. */
size_t btz_net_grain(const struct btz_net *n);

/* Where an input is to be written, before forward. Of type F64 where floats are doubles, of F32 where it is declared as
 * float16 or bfloat16. Kept by forward and backward. */
struct btz_tensor *btz_net_input(struct btz_net *n, uint32_t i);
/* Valid after forward, until the next. */
const struct btz_tensor *btz_net_output(const struct btz_net *n, uint32_t i);
BTZ_CHECKED enum btz_err btz_net_forward(struct btz_net *n);

/* Where the derivative of the loss by an output is to be written, before backward. NULL: nothing that is wanted depends on it
 * through operators with gradients, or its shape depends on data. */
struct btz_tensor *btz_net_output_grad(struct btz_net *n, uint32_t i);
/* Derivatives by inputs and parameters of what output_grad says; after a forward of the same net, as often as one likes. */
BTZ_CHECKED enum btz_err btz_net_backward(struct btz_net *n);
const struct btz_tensor *btz_net_input_grad(const struct btz_net *n,
                                            uint32_t i); /* NULL: not one of floats */
struct btz_net_param {
    uint32_t value; /* of the model */
    struct btz_tensor *data;
    const struct btz_tensor *grad;
};
size_t btz_net_params(const struct btz_net *n, const struct btz_net_param **out);
/* Parameters were changed: what was folded from them is computed anew. */
BTZ_CHECKED enum btz_err btz_net_params_changed(struct btz_net *n);

#endif
