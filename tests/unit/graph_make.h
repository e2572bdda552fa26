/* Networks made in memory, for tests and measurements: nodes by text, parameters at random. */
#ifndef BTZ_GRAPH_MAKE_H
#define BTZ_GRAPH_MAKE_H

#include <math.h>
#include <stdlib.h>

#include "graph/graph.h"
#include "graph/wire.h"

struct graph_make {
    struct btz_buf graph;
    struct btz_rng rng;
};

static inline void make_ok(enum btz_err err)
{
    if (err != BTZ_OK) {
        fprintf(stderr, "%s\n", btz_error_detail());
        abort();
    }
}

static inline void make_init(struct graph_make *g, uint64_t seed)
{
    g->graph = BTZ_BUF(64 << 20);
    btz_rng_init(&g->rng, seed, 1);
}

/* "1,28,28"; -1 is an open one. */
static inline uint32_t make_dims(const char *text, int64_t dims[BTZ_RANK_MAX])
{
    uint32_t n = 0;

    while (*text && n < BTZ_RANK_MAX) {
        char *end;
        dims[n++] = strtoll(text, &end, 10);
        if (*end != ',')
            break;
        text = end + 1;
    }
    return n;
}

/* An input (11) or output (12). */
static inline void make_typed(struct graph_make *g, uint32_t field, const char *name,
                              enum btz_type of, const char *shape)
{
    BTZ_BUF_RELEASE struct btz_buf dims = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf tensor = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf type = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf value = BTZ_BUF(1 << 16);
    int64_t dim[BTZ_RANK_MAX];
    uint32_t rank = make_dims(shape, dim);

    for (uint32_t i = 0; i < rank; i++) {
        BTZ_BUF_RELEASE struct btz_buf one = BTZ_BUF(1 << 16);

        make_ok(dim[i] < 0 ? btz_wire_put_text(&one, 2, "any")
                           : btz_wire_put_number(&one, 1, (uint64_t)dim[i]));
        make_ok(btz_wire_put_bytes(&dims, 1, btz_buf_slice(&one)));
    }
    make_ok(btz_wire_put_number(&tensor, 1, of));
    make_ok(btz_wire_put_bytes(&tensor, 2, btz_buf_slice(&dims)));
    make_ok(btz_wire_put_bytes(&type, 1, btz_buf_slice(&tensor)));
    make_ok(btz_wire_put_text(&value, 1, name));
    make_ok(btz_wire_put_bytes(&value, 2, btz_buf_slice(&type)));
    make_ok(btz_wire_put_bytes(&g->graph, field, btz_buf_slice(&value)));
}

/* The same of floats. */
static inline void make_value(struct graph_make *g, uint32_t field, const char *name,
                              const char *shape)
{
    make_typed(g, field, name, BTZ_F32, shape);
}

/* A constant with these values, as many as the shape says. */
static inline void make_given(struct graph_make *g, const char *name, enum btz_type of,
                              const char *shape, const void *values)
{
    BTZ_BUF_RELEASE struct btz_buf tensor = BTZ_BUF(64 << 20);
    int64_t dim[BTZ_RANK_MAX];
    uint32_t rank = make_dims(shape, dim);
    size_t count = 1;

    for (uint32_t i = 0; i < rank; i++) {
        make_ok(btz_wire_put_number(&tensor, 1, (uint64_t)dim[i]));
        count *= (size_t)dim[i];
    }
    make_ok(btz_wire_put_number(&tensor, 2, of));
    make_ok(btz_wire_put_text(&tensor, 8, name));
    make_ok(btz_wire_put_bytes(&tensor, 9, btz_slice_of(values, count * btz_type_size(of))));
    make_ok(btz_wire_put_bytes(&g->graph, 5, btz_buf_slice(&tensor)));
}

/* A constant of floats, uniform in middle +- spread. */
static inline void make_constant(struct graph_make *g, const char *name, const char *shape,
                                 double middle, double spread)
{
    int64_t dim[BTZ_RANK_MAX];
    uint32_t rank = make_dims(shape, dim);
    size_t count = 1;
    float *data;

    for (uint32_t i = 0; i < rank; i++)
        count *= (size_t)dim[i];
    data = malloc(count * sizeof *data + 1);
    if (!data)
        abort();
    for (size_t i = 0; i < count; i++)
        data[i] = (float)(middle + spread * (2 * btz_rng_unit(&g->rng) - 1));
    make_given(g, name, BTZ_F32, shape, data);
    free(data);
}

static inline void make_names(struct btz_buf *node, uint32_t field, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, " ");

        make_ok(btz_wire_put_bytes(node, field, btz_slice_of(names, n)));
        names += n + (names[n] == ' ');
    }
}

/* Attributes like "strides=2,2 axis:1 alpha/0.5": lists of integers, one integer, a float. */
static inline void make_attrs(struct btz_buf *node, const char *text)
{
    while (*text) {
        BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(1 << 16);
        size_t key = strcspn(text, "=:/"), n = strcspn(text, " ");
        char kind = text[key];

        make_ok(btz_wire_put_bytes(&a, 1, btz_slice_of(text, key)));
        if (kind == '/') {
            float f = strtof(text + key + 1, NULL);
            uint32_t bits;

            memcpy(&bits, &f, sizeof bits);
            make_ok(btz_wire_put_fixed32(&a, 2, bits));
            make_ok(btz_wire_put_number(&a, 20, BTZ_ATTR_FLOAT));
        } else if (kind == ':') {
            make_ok(btz_wire_put_number(&a, 3, (uint64_t)strtoll(text + key + 1, NULL, 10)));
            make_ok(btz_wire_put_number(&a, 20, BTZ_ATTR_INT));
        } else {
            int64_t list[BTZ_RANK_MAX];
            uint32_t count = make_dims(text + key + 1, list);

            for (uint32_t i = 0; i < count; i++)
                make_ok(btz_wire_put_number(&a, 8, (uint64_t)list[i]));
            make_ok(btz_wire_put_number(&a, 20, BTZ_ATTR_INTS));
        }
        make_ok(btz_wire_put_bytes(node, 5, btz_buf_slice(&a)));
        text += n + (text[n] == ' ');
    }
}

static inline void make_node(struct graph_make *g, const char *op, const char *in, const char *out,
                             const char *attrs)
{
    BTZ_BUF_RELEASE struct btz_buf node = BTZ_BUF(1 << 20);

    make_names(&node, 1, in);
    make_names(&node, 2, out);
    make_ok(btz_wire_put_text(&node, 3, out));
    make_ok(btz_wire_put_text(&node, 4, op));
    make_attrs(&node, attrs);
    make_ok(btz_wire_put_bytes(&g->graph, 1, btz_buf_slice(&node)));
}

/* Ends it; the model is the caller's. */
static inline struct btz_model *make_model(struct graph_make *g)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(128 << 20);
    uint8_t version[] = { 0x10, 17 };
    struct btz_model *m = NULL;

    make_ok(btz_wire_put_number(&bytes, 1, 8));
    make_ok(btz_wire_put_bytes(&bytes, 7, btz_buf_slice(&g->graph)));
    make_ok(btz_wire_put_bytes(&bytes, 8, btz_slice_of(version, 2)));
    make_ok(btz_model_parse(btz_buf_slice(&bytes), NULL, NULL, &m));
    btz_buf_release(&g->graph);
    return m;
}

/* The digit classifier of fast_adversarial (locuslab, 2020): 166,406 parameters, here at random. */
static inline struct btz_model *make_digit_net(void)
{
    struct graph_make g;

    make_init(&g, 5);
    make_value(&g, 11, "x", "-1,1,28,28");
    make_value(&g, 12, "logits", "-1,10");
    make_constant(&g, "w1", "16,1,4,4", 0, 0.4);
    make_constant(&g, "b1", "16", 0, 0.1);
    make_constant(&g, "w2", "32,16,4,4", 0, 0.1);
    make_constant(&g, "b2", "32", 0, 0.1);
    make_constant(&g, "w3", "100,1568", 0, 0.04);
    make_constant(&g, "b3", "100", 0, 0.1);
    make_constant(&g, "w4", "10,100", 0, 0.2);
    make_constant(&g, "b4", "10", 0, 0.1);
    make_node(&g, "Conv", "x w1 b1", "c1", "kernel_shape=4,4 strides=2,2 pads=1,1,1,1");
    make_node(&g, "Relu", "c1", "r1", "");
    make_node(&g, "Conv", "r1 w2 b2", "c2", "kernel_shape=4,4 strides=2,2 pads=1,1,1,1");
    make_node(&g, "Relu", "c2", "r2", "");
    make_node(&g, "Flatten", "r2", "f", "axis:1");
    make_node(&g, "Gemm", "f w3 b3", "h", "transB:1");
    make_node(&g, "Relu", "h", "r3", "");
    make_node(&g, "Gemm", "r3 w4 b4", "logits", "transB:1");
    return make_model(&g);
}

#endif
