/*
 * Networks from a list of layers: what torch.nn.Sequential would be, as an ONNX model. The format is in docs/networks.md.
 */
#ifndef BTZ_GRAPH_BUILD_H
#define BTZ_GRAPH_BUILD_H

#include "graph/weights.h"

/*
 * YAML of an architecture to the bytes of a ModelProto (opset 13, first axis "batch"). With weights every parameter is taken
 * from them by its name in PyTorch ("0.weight"), and all of them must be used; without, parameters are drawn as PyTorch does by
 * default: weights and biases of convolutions and linear layers uniform within 1 / sqrt(inputs of one output), batch
 * normalisation 1 and 0. The same seed gives the same bytes. `name` is of the file, for errors.
 * Errors: INPUT (with the line, or the tensor that does not fit), LIMIT.
 */
BTZ_CHECKED enum btz_err btz_build(struct btz_slice yaml, const char *name,
                                   const struct btz_weights *weights, uint64_t seed,
                                   struct btz_buf *out);

/* ---- between the two files -------------------------------------------------------------------------------------------- */

enum btz_layer_kind {
    BTZ_LAYER_AVGPOOL,
    BTZ_LAYER_BATCHNORM,
    BTZ_LAYER_CONV,
    BTZ_LAYER_DROPOUT,
    BTZ_LAYER_FLATTEN,
    BTZ_LAYER_GELU,
    BTZ_LAYER_GLOBAL_AVGPOOL,
    BTZ_LAYER_LEAKY_RELU,
    BTZ_LAYER_LINEAR,
    BTZ_LAYER_MAXPOOL,
    BTZ_LAYER_NORMALIZE,
    BTZ_LAYER_RELU,
    BTZ_LAYER_RESIDUAL,
    BTZ_LAYER_SIGMOID,
    BTZ_LAYER_SOFTMAX,
    BTZ_LAYER_TANH,
};
struct btz_layer {
    enum btz_layer_kind kind;
    unsigned line;
    const char *name; /* given; NULL: its number */
    int64_t out, groups, kernel[2], stride[2], pad[2], dilation[2];
    bool bias;
    double p, slope, eps, momentum;
    double *mean, *std;
    size_t mean_count, std_count;
    struct btz_layer *inner, *shortcut; /* of residual */
    struct btz_layer *next;
};
struct btz_arch {
    struct btz_shape input; /* of one sample */
    struct btz_layer *layers;
};
BTZ_CHECKED enum btz_err btz_arch_parse(struct btz_slice yaml, const char *name,
                                        struct btz_arena *arena, struct btz_arch *out);
const char *btz_layer_name(enum btz_layer_kind kind); /* "global-avgpool" */

#endif
