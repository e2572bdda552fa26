/*
 * Convolutions by oneDNN, where the library is installed (version 2; it is looked for once, at run time), of batches that are too
 * small for lanes: larger ones are faster there, where what stands between convolutions is part of them. Images and weights
 * are brought into the library's own layouts, an image at a time, so that what a sample yields does not depend on its batch. Only
 * onednn.c sees the library.
 */
#ifndef BTZ_GRAPH_ONEDNN_H
#define BTZ_GRAPH_ONEDNN_H

#include "graph/ops/conv.h"

/* "2.6.3", or NULL: this build or this machine has none. */
const char *btz_onednn_version(void);

struct btz_onednn;
/* A small batch, two axes, floats, one group, and enough work to pay for the layouts. False without the library, too. */
bool btz_onednn_fits(const struct btz_call *call, const struct btz_conv *c);
/* For convolutions of these extents, which fit. NULL: the library has no kernel for them. */
struct btz_onednn *btz_onednn_new(const struct btz_conv *c, bool bias);
void btz_onednn_free(struct btz_onednn *d);
/* Bytes of scratch, aligned to 64, of a forward or a backward pass. */
size_t btz_onednn_scratch(const struct btz_onednn *d);
/* Errors: INTERNAL (the library failed). */
BTZ_CHECKED enum btz_err btz_onednn_run(struct btz_onednn *d, struct btz_call *call);
/* Adds to the gradients of inputs 0 and 1, where they are wanted. */
BTZ_CHECKED enum btz_err btz_onednn_grad(struct btz_onednn *d, struct btz_call *call);

#endif
