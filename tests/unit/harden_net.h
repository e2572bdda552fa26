/*
 * Networks written as ONNX for the tests and measurements of training: layers one behind the other, weights drawn as torch
 * draws them, U(-1/sqrt(fan in), 1/sqrt(fan in)).
 */
#ifndef BTZ_TEST_HARDEN_NET_H
#define BTZ_TEST_HARDEN_NET_H

#include <math.h>
#include <stdlib.h>

#include "graph/wire.h"
#include "robust/harden/harden.h"

struct net_text {
    struct btz_buf graph;
    struct btz_rng rng;
    char now[32];
    int made;
    bool failed;
};

static inline void net_must(struct net_text *t, enum btz_err err)
{
    t->failed = t->failed || err != BTZ_OK;
}

static inline void net_tensor(struct net_text *t, const char *name, const int64_t *dims,
                              size_t rank, const float *data)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(64U << 20);
    size_t count = 1;

    for (size_t i = 0; i < rank; i++) {
        net_must(t, btz_wire_put_number(&b, 1, (uint64_t)dims[i]));
        count *= (size_t)dims[i];
    }
    net_must(t, btz_wire_put_number(&b, 2, BTZ_F32));
    net_must(t, btz_wire_put_text(&b, 8, name));
    net_must(t, btz_wire_put_bytes(&b, 9, btz_slice_of(data, count * sizeof *data)));
    net_must(t, btz_wire_put_bytes(&t->graph, 5, btz_buf_slice(&b)));
}

static inline void net_weight(struct net_text *t, const char *name, const int64_t *dims,
                              size_t rank, double bound)
{
    size_t count = 1;
    float *data;

    for (size_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    data = malloc(count * sizeof *data);
    for (size_t i = 0; data && i < count; i++)
        data[i] = (float)(bound * (2 * btz_rng_unit(&t->rng) - 1));
    if (data)
        net_tensor(t, name, dims, rank, data);
    free(data);
}

static inline void net_ints(struct net_text *t, struct btz_buf *node, const char *name,
                            const int64_t *v, size_t n)
{
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(4096);

    net_must(t, btz_wire_put_text(&a, 1, name));
    for (size_t i = 0; i < n; i++)
        net_must(t, btz_wire_put_number(&a, n == 1 && name[0] == 't' ? 3 : 8, (uint64_t)v[i]));
    net_must(t, btz_wire_put_number(&a, 20, n == 1 && name[0] == 't' ? 2 : 7));
    net_must(t, btz_wire_put_bytes(node, 5, btz_buf_slice(&a)));
}

/* One node that reads what is there and `count` initializers; its output is what is there then. */
static inline void net_node(struct net_text *t, const char *op, const char *const *more,
                            size_t count, struct btz_buf *attrs, const char *out)
{
    BTZ_BUF_RELEASE struct btz_buf n = BTZ_BUF(8192);
    char name[sizeof t->now];

    if (out)
        snprintf(name, sizeof name, "%s", out);
    else
        snprintf(name, sizeof name, "v%d", t->made++);
    net_must(t, btz_wire_put_text(&n, 1, t->now));
    for (size_t i = 0; i < count; i++)
        net_must(t, btz_wire_put_text(&n, 1, more[i]));
    net_must(t, btz_wire_put_text(&n, 2, name));
    net_must(t, btz_wire_put_text(&n, 4, op));
    if (attrs)
        net_must(t, btz_buf_add(&n, attrs->ptr, attrs->len));
    net_must(t, btz_wire_put_bytes(&t->graph, 1, btz_buf_slice(&n)));
    snprintf(t->now, sizeof t->now, "%s", name);
}

static inline void net_conv(struct net_text *t, int64_t in, int64_t out, int64_t kernel,
                            int64_t stride, int64_t pad)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(4096);
    char w[16], b[16];
    double bound = 1 / sqrt((double)(in * kernel * kernel));

    snprintf(w, sizeof w, "cw%d", t->made);
    snprintf(b, sizeof b, "cb%d", t->made);
    net_weight(t, w, (int64_t[]){ out, in, kernel, kernel }, 4, bound);
    net_weight(t, b, (int64_t[]){ out }, 1, bound);
    net_ints(t, &attrs, "strides", (int64_t[]){ stride, stride }, 2);
    net_ints(t, &attrs, "pads", (int64_t[]){ pad, pad, pad, pad }, 4);
    net_node(t, "Conv", (const char *const[]){ w, b }, 2, &attrs, NULL);
}

/* Weights out x in, as torch writes them. */
static inline void net_dense(struct net_text *t, int64_t in, int64_t out, const char *name)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(4096);
    char w[16], b[16];
    double bound = 1 / sqrt((double)in);

    snprintf(w, sizeof w, "fw%d", t->made);
    snprintf(b, sizeof b, "fb%d", t->made);
    net_weight(t, w, (int64_t[]){ out, in }, 2, bound);
    net_weight(t, b, (int64_t[]){ out }, 1, bound);
    net_ints(t, &attrs, "transB", (int64_t[]){ 1 }, 1);
    net_node(t, "Gemm", (const char *const[]){ w, b }, 2, &attrs, name);
}

static inline void net_norm(struct net_text *t, int64_t channels)
{
    static const char *const suffix[] = { "s", "b", "m", "v" };
    char names[4][16];
    float data[64];

    for (int k = 0; k < 4; k++) {
        for (int64_t i = 0; i < channels; i++)
            data[i] = k == 0 || k == 3 ? 1 : 0;
        snprintf(names[k], sizeof names[k], "n%d%s", t->made, suffix[k]);
        net_tensor(t, names[k], &channels, 1, data);
    }
    net_node(t, "BatchNormalization",
             (const char *const[]){ names[0], names[1], names[2], names[3] }, 4, NULL, NULL);
}

static inline void net_value(struct net_text *t, uint32_t field, const char *name,
                             const int64_t *dims, size_t rank)
{
    BTZ_BUF_RELEASE struct btz_buf shape = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf tensor = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf type = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf value = BTZ_BUF(4096);

    for (size_t i = 0; i < rank + 1; i++) {
        BTZ_BUF_RELEASE struct btz_buf dim = BTZ_BUF(256);

        if (!i)
            net_must(t, btz_wire_put_text(&dim, 2, "batch"));
        else
            net_must(t, btz_wire_put_number(&dim, 1, (uint64_t)dims[i - 1]));
        net_must(t, btz_wire_put_bytes(&shape, 1, btz_buf_slice(&dim)));
    }
    net_must(t, btz_wire_put_number(&tensor, 1, BTZ_F32));
    net_must(t, btz_wire_put_bytes(&tensor, 2, btz_buf_slice(&shape)));
    net_must(t, btz_wire_put_bytes(&type, 1, btz_buf_slice(&tensor)));
    net_must(t, btz_wire_put_text(&value, 1, name));
    net_must(t, btz_wire_put_bytes(&value, 2, btz_buf_slice(&type)));
    net_must(t, btz_wire_put_bytes(&t->graph, field, btz_buf_slice(&value)));
}

static inline void net_begin(struct net_text *t, uint64_t seed)
{
    *t = (struct net_text){ .graph = BTZ_BUF(64U << 20), .now = "x" };
    btz_rng_init(&t->rng, seed, 0);
}

/* Bytes of the model; the last node was named "y". */
static inline enum btz_err net_end_of(struct net_text *t, uint8_t version, const int64_t *sample,
                                      size_t rank, int64_t classes, struct btz_buf *out)
{
    const uint8_t opset[] = { 0x10, version };

    net_must(t, btz_wire_put_text(&t->graph, 2, "net"));
    net_value(t, 11, "x", sample, rank);
    net_value(t, 12, "y", &classes, 1);
    net_must(t, btz_wire_put_number(out, 1, 8));
    net_must(t, btz_wire_put_bytes(out, 7, btz_buf_slice(&t->graph)));
    net_must(t, btz_wire_put_bytes(out, 8, btz_slice_of(opset, sizeof opset)));
    btz_buf_release(&t->graph);
    return t->failed ? BTZ_INTERNAL : BTZ_OK;
}

static inline enum btz_err net_end(struct net_text *t, const int64_t *sample, size_t rank,
                                   int64_t classes, struct btz_buf *out)
{
    return net_end_of(t, 15, sample, rank, classes, out);
}

/* The network of locuslab/fast_adversarial for MNIST: 166,406 parameters. */
static inline enum btz_err net_fast_adversarial(uint64_t seed, struct btz_buf *out)
{
    struct net_text t;

    net_begin(&t, seed);
    net_conv(&t, 1, 16, 4, 2, 1);
    net_node(&t, "Relu", NULL, 0, NULL, NULL);
    net_conv(&t, 16, 32, 4, 2, 1);
    net_node(&t, "Relu", NULL, 0, NULL, NULL);
    net_node(&t, "Flatten", NULL, 0, NULL, NULL);
    net_dense(&t, 1568, 100, NULL);
    net_node(&t, "Relu", NULL, 0, NULL, NULL);
    net_dense(&t, 100, 10, "y");
    return net_end(&t, (int64_t[]){ 1, 28, 28 }, 3, 10, out);
}

#endif
