/*
 * The network of a published evaluation and the digits it was evaluated on: shared/data/model. Its weights lie at offsets that
 * are known, so that this needs no reader of such files.
 */
#ifndef MNIST_NET_H
#define MNIST_NET_H

#include <stdlib.h>
#include <string.h>

#include "graph/wire.h"
#include "robust/robust.h"
#include "sample/sample.h"

static const char *mnist_path(const char *name, char out[512])
{
    const char *data = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE");

    if (data)
        snprintf(out, 512, "%s/model/%s", data, name);
    else
        snprintf(out, 512, "%s/../shared/data/model/%s", source ? source : ".", name);
    return out;
}

static void mnist_must(enum btz_err err)
{
    if (err == BTZ_OK)
        return;
    fprintf(stderr, "%s\n", btz_error_detail());
    abort();
}

/* Field numbers: onnx.proto3. */
static void mnist_tensor(struct btz_buf *graph, struct btz_slice file, const char *name, size_t at,
                         const uint64_t *dims, size_t rank)
{
    BTZ_BUF_RELEASE struct btz_buf t = BTZ_BUF(8U << 20);
    size_t count = 1;

    for (size_t i = 0; i < rank; i++) {
        mnist_must(btz_wire_put_number(&t, 1, dims[i]));
        count *= dims[i];
    }
    mnist_must(btz_wire_put_number(&t, 2, BTZ_F32));
    mnist_must(btz_wire_put_text(&t, 8, name));
    mnist_must(btz_wire_put_bytes(&t, 9, btz_slice_sub(file, at + 8, count * 4)));
    mnist_must(btz_wire_put_bytes(graph, 5, btz_buf_slice(&t)));
}

static void mnist_ints(struct btz_buf *node, const char *name, const uint64_t *v, size_t count)
{
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(256);

    mnist_must(btz_wire_put_text(&a, 1, name));
    for (size_t i = 0; i < count; i++)
        mnist_must(btz_wire_put_number(&a, count == 1 ? 3 : 8, v[i]));
    mnist_must(btz_wire_put_number(&a, 20, count == 1 ? BTZ_ATTR_INT : BTZ_ATTR_INTS));
    mnist_must(btz_wire_put_bytes(node, 5, btz_buf_slice(&a)));
}

static void mnist_node(struct btz_buf *graph, const char *op, const char *in, const char *w,
                       const char *b, const char *out)
{
    static const uint64_t twos[] = { 2, 2 }, ones[] = { 1, 1, 1, 1 };
    BTZ_BUF_RELEASE struct btz_buf n = BTZ_BUF(1024);

    mnist_must(btz_wire_put_text(&n, 1, in));
    if (w) {
        mnist_must(btz_wire_put_text(&n, 1, w));
        mnist_must(btz_wire_put_text(&n, 1, b));
    }
    mnist_must(btz_wire_put_text(&n, 2, out));
    mnist_must(btz_wire_put_text(&n, 4, op));
    if (strcmp(op, "Conv") == 0) {
        mnist_ints(&n, "strides", twos, 2);
        mnist_ints(&n, "pads", ones, 4);
    }
    if (strcmp(op, "Gemm") == 0)
        mnist_ints(&n, "transB", ones, 1);
    mnist_must(btz_wire_put_bytes(graph, 1, btz_buf_slice(&n)));
}

static void mnist_value(struct btz_buf *graph, uint32_t field, const char *name,
                        const uint64_t *dims, size_t rank)
{
    BTZ_BUF_RELEASE struct btz_buf shape = BTZ_BUF(512), tensor = BTZ_BUF(512), type = BTZ_BUF(512),
                                   value = BTZ_BUF(512);

    for (size_t i = 0; i <= rank; i++) {
        BTZ_BUF_RELEASE struct btz_buf dim = BTZ_BUF(64);

        mnist_must(i ? btz_wire_put_number(&dim, 1, dims[i - 1])
                     : btz_wire_put_text(&dim, 2, "batch"));
        mnist_must(btz_wire_put_bytes(&shape, 1, btz_buf_slice(&dim)));
    }
    mnist_must(btz_wire_put_number(&tensor, 1, BTZ_F32));
    mnist_must(btz_wire_put_bytes(&tensor, 2, btz_buf_slice(&shape)));
    mnist_must(btz_wire_put_bytes(&type, 1, btz_buf_slice(&tensor)));
    mnist_must(btz_wire_put_text(&value, 1, name));
    mnist_must(btz_wire_put_bytes(&value, 2, btz_buf_slice(&type)));
    mnist_must(btz_wire_put_bytes(graph, field, btz_buf_slice(&value)));
}

/* NULL: the file is not there. */
static struct btz_model *mnist_model(void)
{
    static const uint8_t opset[] = { 0x10, 13 };
    BTZ_BUF_RELEASE struct btz_buf pth = BTZ_BUF(1 << 20), graph = BTZ_BUF(1 << 20),
                                   model = BTZ_BUF(1 << 20);
    struct btz_model *m = NULL;
    struct btz_slice f;
    char path[512];

    if (btz_file_read(mnist_path("fast_adversarial/fgsm.pth", path), 1 << 20, &pth) != BTZ_OK)
        return NULL;
    f = btz_buf_slice(&pth);
    mnist_tensor(&graph, f, "w0", 666003, (const uint64_t[]){ 16, 1, 4, 4 }, 4);
    mnist_tensor(&graph, f, "b0", 661515, (const uint64_t[]){ 16 }, 1);
    mnist_tensor(&graph, f, "w1", 1347, (const uint64_t[]){ 32, 16, 4, 4 }, 4);
    mnist_tensor(&graph, f, "b1", 34123, (const uint64_t[]){ 32 }, 1);
    mnist_tensor(&graph, f, "w2", 34307, (const uint64_t[]){ 100, 1568 }, 2);
    mnist_tensor(&graph, f, "b2", 665595, (const uint64_t[]){ 100 }, 1);
    mnist_tensor(&graph, f, "w3", 661587, (const uint64_t[]){ 10, 100 }, 2);
    mnist_tensor(&graph, f, "b3", 34259, (const uint64_t[]){ 10 }, 1);
    mnist_node(&graph, "Conv", "x", "w0", "b0", "c0");
    mnist_node(&graph, "Relu", "c0", NULL, NULL, "r0");
    mnist_node(&graph, "Conv", "r0", "w1", "b1", "c1");
    mnist_node(&graph, "Relu", "c1", NULL, NULL, "r1");
    mnist_node(&graph, "Flatten", "r1", NULL, NULL, "f");
    mnist_node(&graph, "Gemm", "f", "w2", "b2", "g2");
    mnist_node(&graph, "Relu", "g2", NULL, NULL, "r2");
    mnist_node(&graph, "Gemm", "r2", "w3", "b3", "y");
    mnist_must(btz_wire_put_text(&graph, 2, "fgsm"));
    mnist_value(&graph, 11, "x", (const uint64_t[]){ 1, 28, 28 }, 3);
    mnist_value(&graph, 12, "y", (const uint64_t[]){ 10 }, 1);
    mnist_must(btz_wire_put_number(&model, 1, 8));
    mnist_must(btz_wire_put_bytes(&model, 7, btz_buf_slice(&graph)));
    mnist_must(btz_wire_put_bytes(&model, 8, btz_slice_of(opset, sizeof opset)));
    mnist_must(btz_model_parse(btz_buf_slice(&model), NULL, NULL, &m));
    return m;
}

/* `count` test images, spread evenly over all 10,000; false: the files are not there. Both arrays are the caller's. */
static bool mnist_samples(size_t count, float **x, uint32_t **y)
{
    char data[512], labels[512];
    struct btz_samples_options o = {
        .data = mnist_path("mnist/t10k-images-idx3-ubyte.gz", data),
        .labels = mnist_path("mnist/t10k-labels-idx1-ubyte.gz", labels),
    };
    struct btz_samples *s = NULL;

    if (btz_samples_open(&o, &s) != BTZ_OK)
        return false;
    *x = malloc(count * 784 * sizeof **x);
    *y = malloc(count * sizeof **y);
    for (size_t i = 0; *x && *y && i < count; i++)
        mnist_must(btz_samples_rows(s, i * 10000 / count, 1, *x + i * 784, *y + i));
    btz_samples_close(s);
    return *x && *y;
}

#endif
