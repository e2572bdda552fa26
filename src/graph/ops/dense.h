/*
 * A product of rows with a constant matrix: out = alpha * in * weights + beta * bias.
 */
#ifndef BTZ_GRAPH_OPS_DENSE_H
#define BTZ_GRAPH_OPS_DENSE_H

#include "graph/kernel.h"

struct btz_dense {
    size_t in, out, in_stride, out_stride; /* strides: of the matrix */
    float alpha, beta;
};
/* Whether a Gemm or a MatMul is one (matmul.c). */
bool btz_dense_of(const struct btz_call *call, struct btz_dense *d);

#endif
