/*
 * Gradients against central differences: on the path of doubles to 1e-6, of floats to 1e-3 of the doubles' gradient. Every
 * operator with a gradient has a case here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "graph/kernel.h"

#define MODEL_IN  8
#define MODEL_OUT 3
enum fill { SMOOTH, POSITIVE, UNIT, ABOVE_ONE, LABELS, TRUTHS };

/* One node: inputs by shapes like "2,3", attributes like "axis=1 perm=1,0 mode:edge alpha=0.5f". */
struct grad_case {
    const char *op;
    int64_t opset;
    /* "c:2,3" where the numbers are constants of int64, "i:" int32, "f:" float, "t:" truth; "c1:" a scalar; "@2,2" behind is
     * their shape; "-" is left out */
    const char *shapes[MODEL_IN];
    const char *attrs;
    enum fill fill;
    uint32_t outs;
    const char *domain;
};

static const struct grad_case cases[] = {
    { .op = "Add", .opset = 14, .shapes = { "2,3", "3" } },
    { .op = "Add", .opset = 14, .shapes = { "2,1,3", "4,1" } },
    { .op = "Sub", .opset = 14, .shapes = { "3", "2,3" } },
    { .op = "Mul", .opset = 14, .shapes = { "2,3", "2,1" } },
    { .op = "Mul", .opset = 14, .shapes = { "", "2,2" } },
    { .op = "Div", .opset = 14, .shapes = { "2,3", "3" }, .fill = POSITIVE },
    { .op = "Pow", .opset = 15, .shapes = { "2,3", "3" }, .fill = POSITIVE },
    { .op = "Mod", .opset = 13, .shapes = { "2,3", "3" }, .attrs = "fmod=1", .fill = POSITIVE },
    { .op = "PRelu", .opset = 16, .shapes = { "2,3,2", "3,1" } },
    { .op = "Sum", .opset = 13, .shapes = { "2,3", "3", "2,1" } },
    { .op = "Mean", .opset = 13, .shapes = { "2,3", "3", "2,1" } },
    { .op = "Max", .opset = 13, .shapes = { "2,3", "3" } },
    { .op = "Max", .opset = 13, .shapes = { "2,3", "3", "2,1" } },
    { .op = "Min", .opset = 13, .shapes = { "2,3", "3", "2,1" } },
    { .op = "Abs", .opset = 13, .shapes = { "7" } },
    { .op = "Neg", .opset = 13, .shapes = { "7" } },
    { .op = "Exp", .opset = 13, .shapes = { "7" } },
    { .op = "Log", .opset = 13, .shapes = { "7" }, .fill = POSITIVE },
    { .op = "Sqrt", .opset = 13, .shapes = { "7" }, .fill = POSITIVE },
    { .op = "Reciprocal", .opset = 13, .shapes = { "7" }, .fill = POSITIVE },
    { .op = "Sign", .opset = 13, .shapes = { "7" } },
    { .op = "Floor", .opset = 13, .shapes = { "7" } },
    { .op = "Ceil", .opset = 13, .shapes = { "7" } },
    { .op = "Round", .opset = 11, .shapes = { "7" } },
    { .op = "Sin", .opset = 13, .shapes = { "7" } },
    { .op = "Cos", .opset = 13, .shapes = { "7" } },
    { .op = "Tan", .opset = 13, .shapes = { "7" }, .fill = UNIT },
    { .op = "Asin", .opset = 13, .shapes = { "7" }, .fill = UNIT },
    { .op = "Acos", .opset = 13, .shapes = { "7" }, .fill = UNIT },
    { .op = "Atan", .opset = 13, .shapes = { "7" } },
    { .op = "Sinh", .opset = 13, .shapes = { "7" } },
    { .op = "Cosh", .opset = 13, .shapes = { "7" } },
    { .op = "Tanh", .opset = 13, .shapes = { "7" } },
    { .op = "Asinh", .opset = 13, .shapes = { "7" } },
    { .op = "Acosh", .opset = 13, .shapes = { "7" }, .fill = ABOVE_ONE },
    { .op = "Atanh", .opset = 13, .shapes = { "7" }, .fill = UNIT },
    { .op = "Erf", .opset = 13, .shapes = { "7" } },
    { .op = "Relu", .opset = 14, .shapes = { "9" } },
    { .op = "LeakyRelu", .opset = 16, .shapes = { "9" }, .attrs = "alpha=0.2f" },
    { .op = "Elu", .opset = 13, .shapes = { "9" }, .attrs = "alpha=1.5f" },
    { .op = "Selu", .opset = 13, .shapes = { "9" } },
    { .op = "Celu", .opset = 13, .shapes = { "9" }, .attrs = "alpha=0.7f" },
    { .op = "Sigmoid", .opset = 13, .shapes = { "9" } },
    { .op = "HardSigmoid", .opset = 13, .shapes = { "9" } },
    { .op = "HardSwish", .opset = 14, .shapes = { "9" } },
    { .op = "Softplus", .opset = 13, .shapes = { "9" } },
    { .op = "Softsign", .opset = 13, .shapes = { "9" } },
    { .op = "ThresholdedRelu", .opset = 13, .shapes = { "9" }, .attrs = "alpha=0.3f" },
    { .op = "Shrink", .opset = 13, .shapes = { "9" }, .attrs = "lambd=0.3f bias=0.1f" },
    { .op = "Gelu", .opset = 20, .shapes = { "9" } },
    { .op = "Gelu", .opset = 20, .shapes = { "9" }, .attrs = "approximate:tanh" },
    { .op = "Mish", .opset = 18, .shapes = { "9" } },
    { .op = "Softmax", .opset = 13, .shapes = { "2,3,2" }, .attrs = "axis=1" },
    { .op = "Softmax", .opset = 11, .shapes = { "2,3,2" }, .attrs = "axis=1" },
    { .op = "LogSoftmax", .opset = 13, .shapes = { "2,3,2" }, .attrs = "axis=1" },
    { .op = "MatMul", .opset = 13, .shapes = { "2,3", "3,4" } },
    { .op = "MatMul", .opset = 13, .shapes = { "2,1,2,3", "2,3,2" } },
    { .op = "MatMul", .opset = 13, .shapes = { "2,2,3", "3,2" } },
    { .op = "MatMul", .opset = 13, .shapes = { "3", "3,2" } },
    { .op = "MatMul", .opset = 13, .shapes = { "2,3", "3" } },
    { .op = "Gemm", .opset = 13, .shapes = { "2,3", "3,4", "4" }, .attrs = "alpha=0.5f beta=2.0f" },
    { .op = "Gemm", .opset = 13, .shapes = { "3,2", "4,3", "2,1" }, .attrs = "transA=1 transB=1" },
    { .op = "Gemm", .opset = 13, .shapes = { "3,2", "3,4" }, .attrs = "transA=1" },
    { .op = "Gemm", .opset = 13, .shapes = { "2,3", "4,3" }, .attrs = "transB=1" },
    { .op = "Conv",
      .opset = 11,
      .shapes = { "2,3,5,4", "4,3,3,2", "4" },
      .attrs = "pads=1,0,1,1 strides=2,1" },
    { .op = "Conv",
      .opset = 11,
      .shapes = { "2,4,5", "4,2,2", "4" },
      .attrs = "group=2 dilations=2" },
    { .op = "Conv", .opset = 11, .shapes = { "1,2,3,3", "3,2,1,1" } },
    { .op = "Conv",
      .opset = 11,
      .shapes = { "1,1,3,4,3", "2,1,2,2,2" },
      .attrs = "auto_pad:SAME_UPPER" },
    { .op = "ConvTranspose",
      .opset = 11,
      .shapes = { "2,3,3,2", "3,2,3,2", "2" },
      .attrs = "strides=2,1 pads=1,0,0,1" },
    { .op = "ConvTranspose",
      .opset = 11,
      .shapes = { "1,4,3", "4,1,2", "2" },
      .attrs = "group=2 strides=2 output_padding=1" },
    { .op = "ConvTranspose", .opset = 11, .shapes = { "1,2,3,3", "2,3,1,1" } },
    { .op = "MaxPool",
      .opset = 12,
      .shapes = { "2,2,5,4" },
      .attrs = "kernel_shape=3,2 strides=2,1 pads=1,0,1,1" },
    { .op = "MaxPool",
      .opset = 12,
      .shapes = { "1,2,6" },
      .attrs = "kernel_shape=2 dilations=2 ceil_mode=1 strides=2" },
    { .op = "AveragePool",
      .opset = 11,
      .shapes = { "2,2,5,4" },
      .attrs = "kernel_shape=3,2 strides=2,1 pads=1,0,1,1" },
    { .op = "AveragePool",
      .opset = 11,
      .shapes = { "1,2,5,4" },
      .attrs = "kernel_shape=3,2 pads=1,0,1,1 count_include_pad=1 ceil_mode=1 strides=2,2" },
    { .op = "GlobalAveragePool", .opset = 11, .shapes = { "2,2,3,2" } },
    { .op = "GlobalMaxPool", .opset = 11, .shapes = { "2,2,3,2" } },
    { .op = "LpPool", .opset = 11, .shapes = { "1,2,5,4" }, .attrs = "kernel_shape=3,2 p=3" },
    { .op = "GlobalLpPool", .opset = 11, .shapes = { "2,2,3" } },
    { .op = "BatchNormalization",
      .opset = 15,
      .shapes = { "3,2,4", "2", "2", "2", "2" },
      .fill = POSITIVE },
    { .op = "BatchNormalization",
      .opset = 15,
      .shapes = { "3,2,4", "2", "2", "2", "2" },
      .attrs = "training_mode=1",
      .fill = POSITIVE },
    { .op = "InstanceNormalization", .opset = 13, .shapes = { "2,3,4", "3", "3" } },
    { .op = "LayerNormalization",
      .opset = 17,
      .shapes = { "2,3,4", "3,4", "3,4" },
      .attrs = "axis=1" },
    { .op = "GroupNormalization",
      .opset = 21,
      .shapes = { "2,4,3", "4", "4" },
      .attrs = "num_groups=2" },
    { .op = "LRN", .opset = 13, .shapes = { "2,5,2" }, .attrs = "size=3 alpha=0.5f" },
    { .op = "LpNormalization", .opset = 13, .shapes = { "2,3" }, .attrs = "p=2 axis=1" },
    { .op = "LpNormalization", .opset = 13, .shapes = { "2,3" }, .attrs = "p=1 axis=0" },
    { .op = "ReduceSum", .opset = 13, .shapes = { "2,3,2", "c:1" } },
    { .op = "ReduceMean", .opset = 13, .shapes = { "2,3,2" }, .attrs = "axes=0,2 keepdims=0" },
    { .op = "ReduceSumSquare", .opset = 13, .shapes = { "2,3,2" }, .attrs = "axes=1" },
    { .op = "ReduceL1", .opset = 13, .shapes = { "2,3" }, .attrs = "axes=1" },
    { .op = "ReduceL2", .opset = 13, .shapes = { "2,3" }, .attrs = "axes=1" },
    { .op = "ReduceLogSum", .opset = 13, .shapes = { "2,3" }, .attrs = "axes=1", .fill = POSITIVE },
    { .op = "ReduceLogSumExp", .opset = 13, .shapes = { "2,3" }, .attrs = "axes=0" },
    { .op = "ReduceProd", .opset = 13, .shapes = { "2,3" }, .attrs = "axes=1" },
    { .op = "ReduceMax", .opset = 13, .shapes = { "2,3" }, .attrs = "axes=1" },
    { .op = "ReduceMin", .opset = 13, .shapes = { "2,3" } },
    { .op = "Clip", .opset = 12, .shapes = { "9" } },
    { .op = "Clip", .opset = 12, .shapes = { "9", "", "" } },
    { .op = "Cast", .opset = 13, .shapes = { "5" }, .attrs = "to=1" },
    { .op = "Where", .opset = 16, .shapes = { "b:2,3", "3", "2,1" } },
    { .op = "Transpose", .opset = 13, .shapes = { "2,3,4" }, .attrs = "perm=1,2,0" },
    { .op = "Slice", .opset = 13, .shapes = { "4,5", "c:1,4", "c:4,-6", "c:0,1", "c:2,-2" } },
    { .op = "Expand", .opset = 13, .shapes = { "3,1", "c:2,3,4" } },
    { .op = "Tile", .opset = 13, .shapes = { "2,3", "c:2,2" } },
    { .op = "Pad", .opset = 13, .shapes = { "2,3", "c:1,0,2,1", "" } },
    { .op = "Pad", .opset = 13, .shapes = { "2,4", "c:1,2,0,3" }, .attrs = "mode:reflect" },
    { .op = "Pad", .opset = 13, .shapes = { "2,3", "c:1,0,2,1" }, .attrs = "mode:edge" },
    { .op = "DepthToSpace", .opset = 13, .shapes = { "1,8,2,3" }, .attrs = "blocksize=2" },
    { .op = "SpaceToDepth", .opset = 13, .shapes = { "1,2,4,2" }, .attrs = "blocksize=2" },
    { .op = "Trilu", .opset = 14, .shapes = { "3,4" } },
    { .op = "ReverseSequence", .opset = 10, .shapes = { "3,2,2", "c:2,3" } },
    { .op = "Reshape", .opset = 14, .shapes = { "2,3", "c:3,2" } },
    { .op = "Flatten", .opset = 13, .shapes = { "2,3,2" } },
    { .op = "Squeeze", .opset = 13, .shapes = { "2,1,3" } },
    { .op = "Unsqueeze", .opset = 13, .shapes = { "2,3", "c:1" } },
    { .op = "Identity", .opset = 14, .shapes = { "2,3" } },
    { .op = "Concat", .opset = 13, .shapes = { "2,3", "2,1", "2,2" }, .attrs = "axis=1" },
    { .op = "Split", .opset = 13, .shapes = { "2,5", "c:2,3" }, .attrs = "axis=1", .outs = 2 },
    { .op = "Gather", .opset = 13, .shapes = { "3,4", "c:2,0,-1" }, .attrs = "axis=1" },
    { .op = "GatherElements", .opset = 13, .shapes = { "3", "c:2,0,2,-1@4" } },
    { .op = "CumSum", .opset = 14, .shapes = { "2,4", "c1:1" }, .attrs = "exclusive=1" },
    { .op = "CumSum", .opset = 14, .shapes = { "2,4", "c1:0" }, .attrs = "reverse=1" },
    { .op = "Dropout", .opset = 13, .shapes = { "6" } },
    { .op = "SoftmaxCrossEntropyLoss", .opset = 13, .shapes = { "3,4", "c:0,3,1" } },
    { .op = "SoftmaxCrossEntropyLoss",
      .opset = 13,
      .shapes = { "3,4", "c:0,3,1", "4" },
      .attrs = "reduction:sum ignore_index=3",
      .outs = 2 },
    { .op = "NegativeLogLikelihoodLoss",
      .opset = 13,
      .shapes = { "3,4", "c:0,3,1" },
      .attrs = "reduction:none" },
    { .op = "NegativeLogLikelihoodLoss", .opset = 13, .shapes = { "3,4", "c:0,3,1" } },
    { .op = "NegativeLogLikelihoodLoss",
      .opset = 13,
      .shapes = { "3,4", "c:0,3,1", "4" },
      .fill = POSITIVE },
    { .op = "CastLike", .opset = 15, .shapes = { "5", "1" } },
    { .op = "RNN", .opset = 14, .shapes = { "3,2,2", "1,3,2", "1,3,3" }, .outs = 2 },
    { .op = "RNN",
      .opset = 14,
      .shapes = { "2,3,2", "2,2,2", "2,2,2", "2,4", "i:3,1", "2,2,2" },
      .attrs = "direction:bidirectional layout=1 activations:Affine,ScaledTanh "
               "activation_alpha=0.5,0.8 activation_beta=0.1,1.5",
      .outs = 2 },
    { .op = "RNN",
      .opset = 7,
      .shapes = { "2,2,2", "2,3,2", "2,3,3", "2,6" },
      .attrs = "direction:bidirectional activations:Softplus,Elu" },
    { .op = "RNN",
      .opset = 7,
      .shapes = { "2,2,2", "2,3,2", "2,3,3", "2,6" },
      .attrs = "direction:bidirectional activations:Softsign,HardSigmoid" },
    { .op = "RNN",
      .opset = 7,
      .shapes = { "2,2,2", "2,3,2", "2,3,3", "2,6" },
      .attrs = "direction:bidirectional activations:LeakyRelu,Relu" },
    { .op = "RNN",
      .opset = 7,
      .shapes = { "2,2,2", "2,3,2", "2,3,3", "2,6" },
      .attrs = "direction:bidirectional activations:ThresholdedRelu,Sigmoid "
               "activation_alpha=0.3" },
    { .op = "GRU", .opset = 14, .shapes = { "3,2,2", "1,6,2", "1,6,2" }, .outs = 2 },
    { .op = "GRU",
      .opset = 14,
      .shapes = { "3,2,2", "2,6,2", "2,6,2", "2,12", "i:3,2", "2,2,2" },
      .attrs = "direction:bidirectional",
      .outs = 2 },
    { .op = "GRU",
      .opset = 14,
      .shapes = { "2,3,2", "1,6,2", "1,6,2", "1,12", "i:1,3", "2,1,2" },
      .attrs = "direction:reverse layout=1 linear_before_reset=1 clip=1.5f",
      .outs = 2 },
    { .op = "LSTM", .opset = 14, .shapes = { "3,2,2", "1,8,2", "1,8,2" }, .outs = 3 },
    { .op = "LSTM",
      .opset = 14,
      .shapes = { "3,2,2", "2,8,2", "2,8,2", "2,16", "i:3,2", "2,2,2", "2,2,2", "2,6" },
      .attrs = "direction:bidirectional",
      .outs = 3 },
    { .op = "LSTM",
      .opset = 14,
      .shapes = { "2,3,2", "1,8,2", "1,8,2", "-", "i:2,3", "2,1,2", "2,1,2", "1,6" },
      .attrs = "direction:reverse layout=1 input_forget=1 clip=1.2f",
      .outs = 3 },
    { .op = "Einsum", .opset = 12, .shapes = { "2,3", "3,4" }, .attrs = "equation:ij,jk->ik" },
    { .op = "Einsum",
      .opset = 12,
      .shapes = { "2,1,2,3", "2,3,2" },
      .attrs = "equation:...ij,...jk->...ki" },
    { .op = "Einsum", .opset = 12, .shapes = { "3,3", "3" }, .attrs = "equation:ii,i" },
    { .op = "Einsum",
      .opset = 12,
      .shapes = { "2,3", "3,2", "2,2" },
      .attrs = "equation:ab,bc,ca->a" },
    { .op = "Det", .opset = 11, .shapes = { "2,3,3" } },
    { .op = "Resize", .opset = 10, .shapes = { "1,1,2,3", "f:1,1,2,1.5" } },
    { .op = "Resize",
      .opset = 13,
      .shapes = { "1,1,3,2", "-", "f:1,1,0.7,2.5" },
      .attrs = "mode:linear" },
    { .op = "Resize",
      .opset = 19,
      .shapes = { "1,2,5,4", "-", "-", "c:3,7" },
      .attrs = "mode:cubic axes=2,3 coordinate_transformation_mode:half_pixel_symmetric "
               "exclude_outside=1" },
    { .op = "Resize",
      .opset = 18,
      .shapes = { "1,1,6,4", "-", "-", "c:1,1,3,3" },
      .attrs = "mode:linear antialias=1" },
    { .op = "Resize",
      .opset = 13,
      .shapes = { "1,1,4,4", "f:0,0,0.4,0.2,1,1,0.9,1.4", "-", "c:1,1,3,3" },
      .attrs = "mode:linear coordinate_transformation_mode:tf_crop_and_resize "
               "extrapolation_value=7.0f" },
    { .op = "Upsample", .opset = 9, .shapes = { "1,1,2,3", "f:1,1,2,3" }, .attrs = "mode:linear" },
    { .op = "GatherND", .opset = 13, .shapes = { "2,3,2", "c:1,2,0,-1,1,2@3,2" } },
    { .op = "GatherND", .opset = 13, .shapes = { "2,3,2", "c:2,0@2,1" }, .attrs = "batch_dims=1" },
    { .op = "Scatter", .opset = 9, .shapes = { "4", "c:3,0", "2" } },
    { .op = "ScatterElements", .opset = 13, .shapes = { "3,2", "c:2,0,1,0@2,2", "2,2" } },
    { .op = "ScatterElements",
      .opset = 13,
      .shapes = { "2,3", "c:2,2,0,1@2,2", "2,2" },
      .attrs = "axis=1" }, /* the last one stays */
    { .op = "ScatterElements",
      .opset = 16,
      .shapes = { "4", "c:3,0,3", "3" },
      .attrs = "reduction:add" },
    { .op = "ScatterElements",
      .opset = 16,
      .shapes = { "4", "c:3,0,3", "3" },
      .attrs = "reduction:mul" },
    { .op = "ScatterElements",
      .opset = 18,
      .shapes = { "4", "c:3,0,3", "3" },
      .attrs = "reduction:max" },
    { .op = "ScatterND", .opset = 16, .shapes = { "4,2", "c:1,3@2,1", "2,2" } },
    { .op = "ScatterND",
      .opset = 18,
      .shapes = { "3,2", "c:1,0,2,1,1,0@3,2", "3" },
      .attrs = "reduction:min" },
    { .op = "ScatterND",
      .opset = 16,
      .shapes = { "3,2", "c:1,0,2,1,1,0@3,2", "3" },
      .attrs = "reduction:mul" },
    { .op = "TopK", .opset = 11, .shapes = { "3,4", "c:2" }, .outs = 1 },
    { .op = "TopK", .opset = 11, .shapes = { "3,4", "c:2" }, .attrs = "axis=0 largest=0" },
    { .op = "Compress", .opset = 11, .shapes = { "3,2", "t:1,0,1" }, .attrs = "axis=0" },
    { .op = "Compress", .opset = 11, .shapes = { "3,2", "t:0,1,1,0,1" } },
    { .op = "GroupNormalization",
      .opset = 18,
      .shapes = { "2,4,3", "2", "2" },
      .attrs = "num_groups=2" },
    { .op = "MeanVarianceNormalization", .opset = 13, .shapes = { "2,3,2,2" } },
    { .op = "MeanVarianceNormalization", .opset = 13, .shapes = { "2,3,2" }, .attrs = "axes=1" },
    { .op = "GridSample", .opset = 16, .shapes = { "1,2,3,4", "1,2,3,2" } },
    { .op = "GridSample",
      .opset = 16,
      .shapes = { "2,1,4,3", "2,2,2,2" },
      .attrs = "mode:bicubic padding_mode:reflection align_corners=1" },
    { .op = "GridSample",
      .opset = 20,
      .shapes = { "1,1,2,3,3", "1,2,1,3,3" },
      .attrs = "padding_mode:border" },
    { .op = "GridSample",
      .opset = 20,
      .shapes = { "1,2,3,4", "1,2,3,2" },
      .attrs = "mode:nearest padding_mode:reflection" },
    { .op = "RoiAlign",
      .opset = 16,
      .shapes = { "2,2,4,5", "f:0.5,0.2,3.1,2.7,-1,1,4,6@2,4", "c:1,0" },
      .attrs = "output_height=2 output_width=3 sampling_ratio=2" },
    { .op = "RoiAlign",
      .opset = 10,
      .shapes = { "1,2,4,5", "f:0.5,0.2,3.1,2.7@1,4", "c:0" },
      .attrs = "output_height=2 output_width=2 mode:max" },
    { .op = "MaxUnpool",
      .opset = 11,
      .shapes = { "1,1,2,2", "c:5,7,13,15@1,1,2,2" },
      .attrs = "kernel_shape=2,2 strides=2,2" },
    { .op = "ZipMap", .opset = 1, .shapes = { "2,3" }, .domain = "ai.onnx.ml" },
    { .op = "Upsample", .opset = 7, .shapes = { "1,1,2,3" }, .attrs = "scales=1,1,2,3" },
};

static size_t numbers(const char *text, int64_t out[16])
{
    size_t n = 0;

    while (*text && n < 16) {
        out[n++] = strtoll(text, NULL, 10);
        text += strcspn(text, ",");
        text += *text == ',';
    }
    return n;
}

/* What is behind the k-th comma. */
static const char *nth(const char *text, size_t k)
{
    for (; k > 0; k--)
        text = strchr(text, ',') + 1;
    return text;
}

/* ---- the model of a case ---------------------------------------------------------------------------------------------- */

struct built {
    struct btz_model m;
    struct btz_value values[MODEL_IN + MODEL_OUT];
    struct btz_node node;
    struct btz_tensor constants[MODEL_IN];
    int64_t data[MODEL_IN][16], narrow[MODEL_IN][16], ints[8][16];
    struct btz_attr attrs[8];
    float floats[8][16];
    struct btz_slice strings[8][8];
    uint32_t in[MODEL_IN], out[MODEL_OUT], inputs[MODEL_IN], outputs[MODEL_OUT];
    char text[8][64];
    struct btz_shape shapes[MODEL_IN];
};

static void build_attrs(struct built *b, const char *text)
{
    while (text && *text) {
        struct btz_attr *a = &b->attrs[b->node.attr_count];
        char *word = b->text[b->node.attr_count];
        size_t n = strcspn(text, " "), key = strcspn(text, "=:");
        bool word_value = text[key] == ':';

        memcpy(word, text, n);
        word[key] = 0;
        a->name = word;
        word += key + 1;
        if (word_value && strcmp(a->name, "activations") == 0) {
            a->kind = BTZ_ATTR_STRINGS;
            a->strings = b->strings[b->node.attr_count];
            for (char *next; word; word = next) {
                next = strchr(word, ',');
                if (next)
                    *next++ = 0;
                b->strings[b->node.attr_count][a->count++] = btz_str(word);
            }
        } else if (word_value) {
            a->kind = BTZ_ATTR_STRING;
            a->s = btz_str(word);
        } else if (strncmp(a->name, "activation_", 11) == 0 || strcmp(a->name, "scales") == 0) {
            a->kind = BTZ_ATTR_FLOATS;
            a->floats = b->floats[b->node.attr_count];
            for (const char *at = word; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
                b->floats[b->node.attr_count][a->count++] = strtof(at, NULL);
        } else if (strchr(word, 'f')) {
            a->kind = BTZ_ATTR_FLOAT;
            a->f = strtof(word, NULL);
        } else if (strchr(word, ',') || strcmp(a->name, "axes") == 0 ||
                   strcmp(a->name, "kernel_shape") == 0 || strcmp(a->name, "strides") == 0 ||
                   strcmp(a->name, "dilations") == 0 || strcmp(a->name, "output_padding") == 0) {
            a->kind = BTZ_ATTR_INTS;
            a->count = numbers(word, b->ints[b->node.attr_count]);
            a->ints = b->ints[b->node.attr_count];
        } else {
            a->kind = BTZ_ATTR_INT;
            a->i = strtoll(word, NULL, 10);
        }
        b->node.attr_count++;
        text += n;
        text += *text == ' ';
    }
}

static void build(struct built *b, const struct grad_case *c)
{
    static const char *const in_names[MODEL_IN] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    static const char *const out_names[MODEL_OUT] = { "x", "y", "z" };

    memset(b, 0, sizeof *b);
    b->node = (struct btz_node){ .name = "",
                                 .type = c->op,
                                 .domain = c->domain ? c->domain : "",
                                 .opset = c->opset,
                                 .in = b->in,
                                 .out = b->out,
                                 .attrs = b->attrs };
    b->node.op = btz_op_find(b->node.domain, c->op, c->opset);
    assert_non_null(b->node.op);
    build_attrs(b, c->attrs);
    b->m = (struct btz_model){ .values = b->values,
                               .nodes = &b->node,
                               .node_count = 1,
                               .inputs = b->inputs,
                               .outputs = b->outputs };
    for (uint32_t i = 0; i < MODEL_IN && c->shapes[i]; i++) {
        struct btz_value *v = &b->values[b->m.value_count];
        const char *text = c->shapes[i];
        int64_t dims[16];
        bool truth = text[0] == 'b', constant = text[0] && strchr("cift", text[0]);
        char list[64];

        if (text[0] == '-') {
            b->in[b->node.in_count++] = BTZ_NONE;
            continue;
        }
        *v = (struct btz_value){ .name = in_names[i],
                                 .type = truth ? BTZ_BOOL : BTZ_F32,
                                 .producer = BTZ_NONE };
        b->in[b->node.in_count++] = b->m.value_count;
        if (constant) {
            bool scalar = text[1] == '1';
            const char *shape = strchr(text, '@');
            enum btz_type type = text[0] == 'c'   ? BTZ_I64
                                 : text[0] == 'i' ? BTZ_I32
                                 : text[0] == 't' ? BTZ_BOOL
                                                  : BTZ_F32;
            size_t n;

            snprintf(list, sizeof list, "%s", text);
            list[strcspn(list, "@")] = 0;
            n = numbers(list + (scalar ? 3 : 2), b->data[i]);

            b->constants[i] =
                (struct btz_tensor){ type, { scalar ? 0 : 1, { (int64_t)n } }, b->narrow[i] };
            for (size_t k = 0; k < n; k++)
                if (type == BTZ_F32)
                    ((float *)(void *)b->narrow[i])[k] = strtof(nth(text + 2, k), NULL);
                else
                    btz_put_int(&b->constants[i], k, b->data[i][k]);
            if (shape) {
                b->constants[i].shape.rank = (uint32_t)numbers(shape + 1, dims);
                memcpy(b->constants[i].shape.dim, dims,
                       b->constants[i].shape.rank * sizeof dims[0]);
            }
            v->constant = &b->constants[i];
            v->type = type;
        } else {
            struct btz_shape *s = &b->shapes[b->m.input_count];

            s->rank = (uint32_t)numbers(text + (truth ? 2 : 0), dims);
            memcpy(s->dim, dims, s->rank * sizeof dims[0]);
            v->is_input = true;
            b->inputs[b->m.input_count++] = b->m.value_count;
        }
        b->m.value_count++;
    }
    for (uint32_t i = 0; i < (c->outs ? c->outs : 1); i++) {
        b->values[b->m.value_count] =
            (struct btz_value){ .name = out_names[i], .producer = 0, .is_output = true };
        b->out[b->node.out_count++] = b->m.value_count;
        b->outputs[b->m.output_count++] = b->m.value_count++;
    }
}

/* ---- the check -------------------------------------------------------------------------------------------------------- */

/* Far from the kinks at multiples of 0.1, and all different. */
static double sample(struct btz_rng *r, enum fill fill)
{
    double v = 0.1 * (double)btz_rng_below(r, 20) + 0.02 + 0.06 * btz_rng_unit(r);

    switch (fill) {
    case POSITIVE:
        return 0.5 + v;
    case UNIT:
        return v * 0.4;
    case ABOVE_ONE:
        return 1.2 + v;
    default:
        return btz_rng_below(r, 2) ? v : -v;
    }
}

static double loss(struct btz_net *net, const struct btz_model *m, double *const weights[MODEL_OUT])
{
    double sum = 0;

    assert_int_equal(btz_net_forward(net), BTZ_OK);
    for (uint32_t o = 0; o < m->output_count; o++) {
        const struct btz_tensor *t = btz_net_output(net, o);

        for (size_t i = 0, n = btz_tensor_count(t); i < n; i++)
            sum += weights[o][i] * btz_get(t, i);
    }
    return sum;
}

static struct btz_net *open_net(const struct grad_case *c, struct built *b, bool doubles,
                                bool reference)
{
    struct btz_net *net = NULL;
    enum btz_err err = btz_net_new(&b->m,
                                   &(struct btz_net_options){ .inputs = b->shapes,
                                                              .doubles = doubles,
                                                              .reference = reference,
                                                              .input_grads = true,
                                                              .repeat = true },
                                   &net);

    if (err != BTZ_OK)
        print_message("# %s: %s\n", c->op, btz_error_detail());
    assert_int_equal(err, BTZ_OK);
    return net;
}

static void fill_inputs(struct btz_net *net, const struct grad_case *c, const struct built *b)
{
    struct btz_rng r;

    btz_rng_init(&r, 7, btz_rng_stream(btz_str(c->op)));
    for (uint32_t k = 0; k < b->m.input_count; k++) {
        struct btz_tensor *t = btz_net_input(net, k);

        for (size_t i = 0, n = btz_tensor_count(t); i < n; i++)
            if (t->type == BTZ_BOOL)
                btz_put_int(t, i, i % 2 == 0);
            else
                btz_set(t, i, sample(&r, c->fill));
    }
}

static void backward(struct btz_net *net, const struct built *b, double *const weights[MODEL_OUT])
{
    for (uint32_t o = 0; o < b->m.output_count; o++) {
        struct btz_tensor *g = btz_net_output_grad(net, o);

        assert_non_null(g);
        for (size_t i = 0, n = btz_tensor_count(g); i < n; i++)
            btz_set(g, i, weights[o][i]);
    }
    assert_int_equal(btz_net_backward(net), BTZ_OK);
    assert_int_equal(btz_net_backward(net), BTZ_OK); /* twice is the same as once */
}

static void check_case(const struct grad_case *c)
{
    struct built b;
    double *weights[MODEL_OUT] = { 0 };
    struct btz_net *net, *single, *plain;
    struct btz_rng r;
    bool bad = false;

    build(&b, c);
    net = open_net(c, &b, true, false);
    single = open_net(c, &b, false, false);
    plain = open_net(c, &b, false, true);
    fill_inputs(net, c, &b);
    fill_inputs(single, c, &b);
    fill_inputs(plain, c, &b);
    btz_rng_init(&r, 9, 1);
    for (uint32_t o = 0; o < b.m.output_count; o++) {
        size_t n = btz_tensor_count(btz_net_output(net, o));

        weights[o] = calloc(n + 1, sizeof(double));
        for (size_t i = 0; i < n; i++)
            weights[o][i] = btz_rng_unit(&r) * 2 - 1;
    }
    (void)loss(net, &b.m, weights);
    (void)loss(single, &b.m, weights);
    (void)loss(plain, &b.m, weights);
    backward(net, &b, weights);
    backward(single, &b, weights);
    backward(plain, &b, weights);
    for (uint32_t k = 0; k < b.m.input_count; k++) {
        const struct btz_tensor *g = btz_net_input_grad(net, k);
        struct btz_tensor *x = btz_net_input(net, k);

        for (size_t i = 0, n = btz_tensor_count(x); i < n && g; i++) {
            double old = btz_get(x, i), h = 1e-5, up, down, want, got, low, base;

            btz_set(x, i, old + h);
            up = loss(net, &b.m, weights);
            btz_set(x, i, old - h);
            down = loss(net, &b.m, weights);
            btz_set(x, i, old);
            want = (up - down) / (2 * h);
            if (strcmp(c->op, "Cast") == 0) { /* to float: the double path keeps doubles */
                want = weights[0][i];
            }
            got = btz_get(g, i);
            low = btz_get(btz_net_input_grad(single, k), i);
            base = btz_get(btz_net_input_grad(plain, k), i);
            if (!(fabs(got - want) <= 1e-6 * (1 + fabs(want))) ||
                !(fabs(low - got) <= 1e-3 * (1 + fabs(got))) ||
                !(fabs(base - got) <= 1e-3 * (1 + fabs(got)))) {
                print_message("# %s %s: input %u element %zu: %.9g (float %.9g, reference %.9g), "
                              "expected %.9g\n",
                              c->op, c->attrs ? c->attrs : "", k, i, got, low, base, want);
                bad = true;
            }
        }
    }
    for (uint32_t o = 0; o < MODEL_OUT; o++)
        free(weights[o]);
    btz_net_free(net);
    btz_net_free(single);
    btz_net_free(plain);
    assert_false(bad);
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++)
        check_case(&cases[i]);
}

static void test_every_operator_has_a_case(void **state)
{
    size_t with = 0, all = 0, missing = 0;

    (void)state;
    for (const struct btz_op_family *const *f = btz_op_families; *f; f++)
        for (size_t i = 0; i < (*f)->count; i++) {
            const struct btz_op *op = &(*f)->ops[i];
            bool found = false;

            all++;
            if (!op->grad && !(op->flags & BTZ_OP_VIEW))
                continue;
            if (strcmp(op->name, "If") == 0) /* has graphs: test_graph_control */
                found = true;
            with++;
            for (size_t k = 0; k < BTZ_COUNT(cases) && !found; k++)
                found = btz_op_find(cases[k].domain ? cases[k].domain : "", cases[k].op,
                                    cases[k].opset) == op;
            if (!found) {
                print_message("# no case for %s\n", op->name);
                missing++;
            }
        }
    print_message("# %zu operators, %zu with gradients\n", all, with);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_every_operator_has_a_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
