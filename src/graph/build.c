/* Layers to nodes and parameters of an ONNX model. */
#include <math.h>
#include <stdlib.h>

#include "graph/build.h"
#include "graph/wire.h"

#define OPSET       13
#define IR_VERSION  7
#define NAME_MAX_   512
#define MODEL_MAX   (UINT64_C(2) << 30) /* of a file of protocol buffers */
#define NUMBERS_MAX (UINT64_C(256) << 20)

struct builder {
    const char *file;
    const struct btz_weights *weights;
    uint64_t seed, numbers, numbers_max;
    bool *used; /* of the weights */
    struct btz_arena *arena;
    struct btz_buf nodes, parameters; /* fields of GraphProto */
    size_t values;                    /* named so far */
};

/* What flows: a value and its shape without the batch. */
struct flow {
    char name[NAME_MAX_];
    struct btz_shape shape;
};

#define layer_fail(b, l, ...) (btz_error_set(__VA_ARGS__), fail_at((b), (l)))
static enum btz_err fail_at(const struct builder *b, const struct btz_layer *l)
{
    return btz_fail_context(BTZ_INPUT, "%s:%u: %s", b->file, l->line, btz_layer_name(l->kind));
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------- */

enum { INTS = 7, INT = 2, FLOAT = 1, TENSOR = 4 }; /* AttributeProto.AttributeType */

static enum btz_err attr_end(struct btz_buf *node, struct btz_buf *a, uint64_t type)
{
    BTZ_TRY(btz_wire_put_number(a, 20, type));
    return btz_wire_put_bytes(node, 5, btz_buf_slice(a));
}

static enum btz_err attr_int(struct btz_buf *node, const char *name, int64_t v)
{
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(4096);

    BTZ_TRY(btz_wire_put_text(&a, 1, name));
    BTZ_TRY(btz_wire_put_number(&a, 3, (uint64_t)v));
    return attr_end(node, &a, INT);
}

static enum btz_err attr_float(struct btz_buf *node, const char *name, double v)
{
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(4096);
    float f = (float)v;
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    BTZ_TRY(btz_wire_put_text(&a, 1, name));
    BTZ_TRY(btz_wire_put_fixed32(&a, 2, bits));
    return attr_end(node, &a, FLOAT);
}

static enum btz_err attr_ints(struct btz_buf *node, const char *name, const int64_t *v,
                              size_t count)
{
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(4096);

    BTZ_TRY(btz_wire_put_text(&a, 1, name));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(btz_wire_put_number(&a, 8, (uint64_t)v[i]));
    return attr_end(node, &a, INTS);
}

static enum btz_err put_tensor(struct btz_buf *t, const char *name, const struct btz_shape *shape,
                               const float *data)
{
    size_t count;

    BTZ_TRY(btz_shape_count(shape, &count));
    for (uint32_t i = 0; i < shape->rank; i++)
        BTZ_TRY(btz_wire_put_number(t, 1, (uint64_t)shape->dim[i]));
    BTZ_TRY(btz_wire_put_number(t, 2, BTZ_F32));
    if (name)
        BTZ_TRY(btz_wire_put_text(t, 8, name));
    return btz_wire_put_bytes(t, 9, btz_slice_of(data, count * sizeof *data));
}

static void new_name(struct builder *b, const char *what, char out[NAME_MAX_])
{
    snprintf(out, NAME_MAX_, "%s_%zu", what, b->values++);
}

/*
 * A node over the flow and up to four more inputs; what comes out becomes the flow. `attrs` are attributes, encoded already.
 */
static enum btz_err node(struct builder *b, const char *type, struct flow *f,
                         const char *const *more, const struct btz_buf *attrs)
{
    BTZ_BUF_RELEASE struct btz_buf n = BTZ_BUF(1 << 20);
    char out[NAME_MAX_];

    new_name(b, type, out);
    BTZ_TRY(btz_wire_put_text(&n, 1, f->name));
    for (; more && *more; more++)
        BTZ_TRY(btz_wire_put_text(&n, 1, *more));
    BTZ_TRY(btz_wire_put_text(&n, 2, out));
    BTZ_TRY(btz_wire_put_text(&n, 3, out));
    BTZ_TRY(btz_wire_put_text(&n, 4, type));
    if (attrs)
        BTZ_TRY(btz_buf_add_slice(&n, btz_buf_slice(attrs)));
    snprintf(f->name, sizeof f->name, "%s", out);
    return btz_wire_put_bytes(&b->nodes, 1, btz_buf_slice(&n));
}

/* A Constant, not an initializer: training must not change it. */
static enum btz_err constant(struct builder *b, const struct btz_shape *shape, const float *data,
                             char out[NAME_MAX_])
{
    BTZ_BUF_RELEASE struct btz_buf t = BTZ_BUF(1 << 24);
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(1 << 24);
    BTZ_BUF_RELEASE struct btz_buf n = BTZ_BUF(1 << 24);

    new_name(b, "Constant", out);
    BTZ_TRY(put_tensor(&t, NULL, shape, data));
    BTZ_TRY(btz_wire_put_text(&a, 1, "value"));
    BTZ_TRY(btz_wire_put_bytes(&a, 5, btz_buf_slice(&t)));
    BTZ_TRY(btz_wire_put_text(&n, 2, out));
    BTZ_TRY(btz_wire_put_text(&n, 3, out));
    BTZ_TRY(btz_wire_put_text(&n, 4, "Constant"));
    BTZ_TRY(attr_end(&n, &a, TENSOR));
    return btz_wire_put_bytes(&b->nodes, 1, btz_buf_slice(&n));
}

/* ---- parameters -------------------------------------------------------------------------------------------------------- */

/* How a parameter begins: everywhere `value`, or uniform within +-bound. */
struct start {
    double value, bound;
};

static enum btz_err from_weights(struct builder *b, const struct btz_layer *l, const char *name,
                                 const struct btz_shape *shape, const float **out)
{
    const struct btz_tensor *t = btz_weights_find(b->weights, name);
    char want[BTZ_SHAPE_TEXT], have[BTZ_SHAPE_TEXT];
    size_t count;

    if (!t)
        return layer_fail(b, l, "the weights have no tensor %s (of shape %s)", name,
                          btz_shape_text(shape, want));
    if (t->type != BTZ_F32 || !btz_shape_equal(&t->shape, shape))
        return layer_fail(b, l, "tensor %s is %s %s, expected %s %s", name, btz_type_name(t->type),
                          btz_shape_text(&t->shape, have), btz_type_name(BTZ_F32),
                          btz_shape_text(shape, want));
    for (size_t i = 0; i < b->weights->count; i++)
        if (&b->weights->items[i].tensor == t) {
            if (b->used[i])
                return layer_fail(b, l, "tensor %s belongs to another layer already", name);
            b->used[i] = true;
        }
    count = btz_tensor_count(t);
    *out = t->data;
    for (size_t i = 0; i < count; i++)
        if (!isfinite((*out)[i]))
            return layer_fail(b, l, "element %zu of tensor %s is %s", i, name,
                              isnan((*out)[i]) ? "not a number" : "infinite");
    return BTZ_OK;
}

static enum btz_err parameter(struct builder *b, const struct btz_layer *l, const char *prefix,
                              const char *kind, const struct btz_shape *shape, struct start start,
                              char name[NAME_MAX_])
{
    BTZ_BUF_RELEASE struct btz_buf t = BTZ_BUF(MODEL_MAX);
    BTZ_FREE float *made = NULL;
    const float *data;
    size_t count;

    snprintf(name, NAME_MAX_, "%s.%s", prefix, kind);
    BTZ_TRY(btz_shape_count(shape, &count));
    /* Before any memory is taken for them. */
    if (count > b->numbers_max || b->numbers + count > b->numbers_max)
        return btz_fail(BTZ_LIMIT, "%s:%u: %s: the network has more than %" PRIu64 " parameters",
                        b->file, l->line, btz_layer_name(l->kind), b->numbers_max);
    b->numbers += count;
    if (b->weights) {
        BTZ_TRY(from_weights(b, l, name, shape, &data));
    } else {
        struct btz_rng rng;

        made = malloc(count * sizeof *made);
        if (!made)
            return btz_fail(BTZ_LIMIT, "out of memory");
        btz_rng_init(&rng, b->seed, btz_rng_stream(btz_str(name)));
        for (size_t i = 0; i < count; i++)
            made[i] =
                (float)(start.bound > 0 ? (2 * btz_rng_unit(&rng) - 1) * start.bound : start.value);
        data = made;
    }
    BTZ_TRY(put_tensor(&t, name, shape, data));
    return btz_wire_put_bytes(&b->parameters, 5, btz_buf_slice(&t));
}

/* ---- layers ------------------------------------------------------------------------------------------------------------ */

static enum btz_err need_rank(const struct builder *b, const struct btz_layer *l,
                              const struct flow *f, uint32_t rank)
{
    char text[BTZ_SHAPE_TEXT];

    if (f->shape.rank == rank)
        return BTZ_OK;
    return layer_fail(b, l, "gets %s, expected %s", btz_shape_text(&f->shape, text),
                      rank == 1 ? "one axis: put `flatten` before it"
                                : "channels x height x width");
}

/* Size of the two axes behind a window, by the formula of Conv and the pools. */
static enum btz_err slide(const struct builder *b, const struct btz_layer *l, struct flow *f)
{
    for (int i = 0; i < 2; i++) {
        int64_t size = f->shape.dim[1 + i] + 2 * l->pad[i];
        int64_t window = l->dilation[i] * (l->kernel[i] - 1) + 1;

        if (size < window)
            return layer_fail(b, l, "a window of %" PRId64 " over %" PRId64 " with padding", window,
                              size);
        f->shape.dim[1 + i] = (size - window) / l->stride[i] + 1;
    }
    return BTZ_OK;
}

static enum btz_err window_attrs(const struct btz_layer *l, struct btz_buf *attrs)
{
    const int64_t pads[4] = { l->pad[0], l->pad[1], l->pad[0], l->pad[1] };

    BTZ_TRY(attr_ints(attrs, "kernel_shape", l->kernel, 2));
    BTZ_TRY(attr_ints(attrs, "pads", pads, 4));
    return attr_ints(attrs, "strides", l->stride, 2);
}

static enum btz_err conv(struct builder *b, const struct btz_layer *l, const char *prefix,
                         struct flow *f)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(1 << 16);
    char weight[NAME_MAX_], bias[NAME_MAX_];
    struct btz_shape shape = { 4, { l->out, 0, l->kernel[0], l->kernel[1] } };
    struct start start;

    BTZ_TRY(need_rank(b, l, f, 3));
    if (f->shape.dim[0] % l->groups || l->out % l->groups)
        return layer_fail(b, l,
                          "%" PRId64 " groups do not divide %" PRId64 " and %" PRId64 " channels",
                          l->groups, f->shape.dim[0], l->out);
    shape.dim[1] = f->shape.dim[0] / l->groups;
    start = (struct start){ 0, 1 / sqrt((double)shape.dim[1] * (double)l->kernel[0] *
                                        (double)l->kernel[1]) };
    BTZ_TRY(slide(b, l, f));
    f->shape.dim[0] = l->out;
    BTZ_TRY(parameter(b, l, prefix, "weight", &shape, start, weight));
    if (l->bias)
        BTZ_TRY(parameter(b, l, prefix, "bias", &(struct btz_shape){ 1, { l->out } }, start, bias));
    BTZ_TRY(attr_ints(&attrs, "dilations", l->dilation, 2));
    BTZ_TRY(attr_int(&attrs, "group", l->groups));
    BTZ_TRY(window_attrs(l, &attrs));
    return node(b, "Conv", f, (const char *const[]){ weight, l->bias ? bias : NULL, NULL }, &attrs);
}

static enum btz_err linear(struct builder *b, const struct btz_layer *l, const char *prefix,
                           struct flow *f)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(1 << 16);
    char weight[NAME_MAX_], bias[NAME_MAX_];
    struct start start;

    BTZ_TRY(need_rank(b, l, f, 1));
    start = (struct start){ 0, 1 / sqrt((double)f->shape.dim[0]) };
    BTZ_TRY(parameter(b, l, prefix, "weight", &(struct btz_shape){ 2, { l->out, f->shape.dim[0] } },
                      start, weight));
    if (l->bias)
        BTZ_TRY(parameter(b, l, prefix, "bias", &(struct btz_shape){ 1, { l->out } }, start, bias));
    f->shape.dim[0] = l->out;
    BTZ_TRY(attr_int(&attrs, "transB", 1));
    return node(b, "Gemm", f, (const char *const[]){ weight, l->bias ? bias : NULL, NULL }, &attrs);
}

static enum btz_err batchnorm(struct builder *b, const struct btz_layer *l, const char *prefix,
                              struct flow *f)
{
    static const char *const kinds[] = { "weight", "bias", "running_mean", "running_var" };
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(1 << 16);
    const struct btz_shape shape = { 1, { f->shape.dim[0] } };
    char name[4][NAME_MAX_];

    for (size_t i = 0; i < 4; i++)
        BTZ_TRY(
            parameter(b, l, prefix, kinds[i], &shape, (struct start){ i % 3 == 0, 0 }, name[i]));
    BTZ_TRY(attr_float(&attrs, "epsilon", l->eps));
    /* What is kept, not what is taken. */
    BTZ_TRY(attr_float(&attrs, "momentum", 1 - l->momentum));
    return node(b, "BatchNormalization", f,
                (const char *const[]){ name[0], name[1], name[2], name[3], NULL }, &attrs);
}

static enum btz_err pool(struct builder *b, const struct btz_layer *l, struct flow *f)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(1 << 16);
    bool mean = l->kind == BTZ_LAYER_AVGPOOL;

    BTZ_TRY(need_rank(b, l, f, 3));
    for (int i = 0; i < 2; i++)
        if (l->pad[i] * 2 > l->kernel[i])
            return layer_fail(b, l,
                              "padding %" PRId64 " is more than half of the window of %" PRId64,
                              l->pad[i], l->kernel[i]);
    BTZ_TRY(slide(b, l, f));
    if (mean)
        BTZ_TRY(attr_int(&attrs, "count_include_pad", 1));
    BTZ_TRY(window_attrs(l, &attrs));
    return node(b, mean ? "AveragePool" : "MaxPool", f, NULL, &attrs);
}

static enum btz_err normalize(struct builder *b, const struct btz_layer *l, struct flow *f)
{
    size_t channels = (size_t)f->shape.dim[0];
    struct btz_shape shape = { f->shape.rank + 1, { 1, f->shape.dim[0], 1, 1 } };
    const double *const from[] = { l->mean, l->std };
    const size_t counts[] = { l->mean_count, l->std_count };
    float *values = btz_arena_array(b->arena, channels, sizeof *values);

    if (!values)
        return BTZ_LIMIT;
    for (int k = 0; k < 2; k++) {
        char name[NAME_MAX_];

        if (k == 1 && counts[k] == 0) /* no `std`: nothing to divide by */
            break;
        if (counts[k] != 1 && counts[k] != channels)
            return layer_fail(b, l, "%zu numbers of `%s` for %zu channels", counts[k],
                              k ? "std" : "mean", channels);
        for (size_t i = 0; i < channels; i++)
            values[i] = (float)from[k][counts[k] == 1 ? 0 : i];
        BTZ_TRY(constant(b, &shape, values, name));
        BTZ_TRY(node(b, k ? "Div" : "Sub", f, (const char *const[]){ name, NULL }, NULL));
    }
    return BTZ_OK;
}

/* x / 2 * (1 + erf(x / sqrt 2)): there is no Gelu in this opset. */
static enum btz_err gelu(struct builder *b, struct flow *f)
{
    static const float values[] = { 0.70710678118654752F, 1, 0.5F };
    static const char *const ops[] = { "Mul", "Add", "Mul" };
    const struct btz_shape scalar = { 0 };
    char in[NAME_MAX_], name[NAME_MAX_];

    snprintf(in, sizeof in, "%s", f->name);
    for (int i = 0; i < 3; i++) {
        BTZ_TRY(constant(b, &scalar, &values[i], name));
        BTZ_TRY(node(b, ops[i], f, (const char *const[]){ name, NULL }, NULL));
        if (i == 0)
            BTZ_TRY(node(b, "Erf", f, NULL, NULL));
    }
    return node(b, "Mul", f, (const char *const[]){ in, NULL }, NULL);
}

static enum btz_err dropout(struct builder *b, const struct btz_layer *l, struct flow *f)
{
    const struct btz_shape scalar = { 0 };
    const float p = (float)l->p;
    char name[NAME_MAX_];

    BTZ_TRY(constant(b, &scalar, &p, name));
    return node(b, "Dropout", f, (const char *const[]){ name, NULL }, NULL);
}

static enum btz_err flatten(struct builder *b, struct flow *f)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(1 << 16);
    size_t count;

    BTZ_TRY(btz_shape_count(&f->shape, &count));
    f->shape = (struct btz_shape){ 1, { (int64_t)count } };
    BTZ_TRY(attr_int(&attrs, "axis", 1));
    return node(b, "Flatten", f, NULL, &attrs);
}

static enum btz_err softmax(struct builder *b, const struct btz_layer *l, struct flow *f)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(1 << 16);

    BTZ_TRY(need_rank(b, l, f, 1));
    BTZ_TRY(attr_int(&attrs, "axis", -1));
    return node(b, "Softmax", f, NULL, &attrs);
}

static enum btz_err leaky(struct builder *b, const struct btz_layer *l, struct flow *f)
{
    BTZ_BUF_RELEASE struct btz_buf attrs = BTZ_BUF(1 << 16);

    BTZ_TRY(attr_float(&attrs, "alpha", l->slope));
    return node(b, "LeakyRelu", f, NULL, &attrs);
}

static enum btz_err sequence(struct builder *b, const struct btz_layer *layers, const char *prefix,
                             struct flow *f);

/* layers(x) + shortcut(x), or + x. */
static enum btz_err residual(struct builder *b, const struct btz_layer *l, const char *prefix,
                             struct flow *f)
{
    char inside[NAME_MAX_], text[2][BTZ_SHAPE_TEXT];
    struct flow aside = *f;

    if (strlen(prefix) > NAME_MAX_ / 2)
        return btz_fail(BTZ_LIMIT, "%s:%u: names of nested layers are too long", b->file, l->line);
    snprintf(inside, sizeof inside, "%s.", prefix);
    BTZ_TRY(sequence(b, l->inner, inside, f));
    if (l->shortcut) {
        snprintf(inside, sizeof inside, "%s.shortcut.", prefix);
        BTZ_TRY(sequence(b, l->shortcut, inside, &aside));
    }
    if (!btz_shape_equal(&f->shape, &aside.shape))
        return layer_fail(b, l, "its layers give %s, %s gives %s",
                          btz_shape_text(&f->shape, text[0]),
                          l->shortcut ? "the shortcut" : "the input (add a `shortcut`)",
                          btz_shape_text(&aside.shape, text[1]));
    return node(b, "Add", f, (const char *const[]){ aside.name, NULL }, NULL);
}

static enum btz_err global_pool(struct builder *b, const struct btz_layer *l, struct flow *f)
{
    BTZ_TRY(need_rank(b, l, f, 3));
    f->shape.dim[1] = f->shape.dim[2] = 1;
    return node(b, "GlobalAveragePool", f, NULL, NULL);
}

static enum btz_err one_layer(struct builder *b, const struct btz_layer *l, const char *prefix,
                              struct flow *f)
{
    switch (l->kind) {
    case BTZ_LAYER_AVGPOOL:
    case BTZ_LAYER_MAXPOOL:
        return pool(b, l, f);
    case BTZ_LAYER_BATCHNORM:
        return batchnorm(b, l, prefix, f);
    case BTZ_LAYER_CONV:
        return conv(b, l, prefix, f);
    case BTZ_LAYER_DROPOUT:
        return dropout(b, l, f);
    case BTZ_LAYER_FLATTEN:
        return flatten(b, f);
    case BTZ_LAYER_GELU:
        return gelu(b, f);
    case BTZ_LAYER_GLOBAL_AVGPOOL:
        return global_pool(b, l, f);
    case BTZ_LAYER_LEAKY_RELU:
        return leaky(b, l, f);
    case BTZ_LAYER_LINEAR:
        return linear(b, l, prefix, f);
    case BTZ_LAYER_NORMALIZE:
        return normalize(b, l, f);
    case BTZ_LAYER_RELU:
        return node(b, "Relu", f, NULL, NULL);
    case BTZ_LAYER_RESIDUAL:
        return residual(b, l, prefix, f);
    case BTZ_LAYER_SIGMOID:
        return node(b, "Sigmoid", f, NULL, NULL);
    case BTZ_LAYER_SOFTMAX:
        return softmax(b, l, f);
    case BTZ_LAYER_TANH:
        return node(b, "Tanh", f, NULL, NULL);
    }
    return BTZ_INTERNAL;
}

static enum btz_err sequence(struct builder *b, const struct btz_layer *layers, const char *prefix,
                             struct flow *f)
{
    size_t number = 0;

    for (const struct btz_layer *l = layers; l; l = l->next) {
        char name[NAME_MAX_];

        if (l->name) {
            snprintf(name, sizeof name, "%s", l->name);
        } else
            snprintf(name, sizeof name, "%s%zu", prefix, number);
        /* No module of torch: it has no number there. */
        number += l->kind != BTZ_LAYER_NORMALIZE;
        BTZ_TRY(one_layer(b, l, name, f));
    }
    return BTZ_OK;
}

/* ---- the model --------------------------------------------------------------------------------------------------------- */

static enum btz_err put_value(struct btz_buf *graph, uint32_t field, const char *name,
                              const struct btz_shape *sample)
{
    BTZ_BUF_RELEASE struct btz_buf shape = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf tensor = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf type = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf value = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf dim = BTZ_BUF(1 << 16);

    for (uint32_t i = 0; i <= sample->rank; i++) {
        btz_buf_clear(&dim);
        if (i == 0)
            BTZ_TRY(btz_wire_put_text(&dim, 2, "batch"));
        else
            BTZ_TRY(btz_wire_put_number(&dim, 1, (uint64_t)sample->dim[i - 1]));
        BTZ_TRY(btz_wire_put_bytes(&shape, 1, btz_buf_slice(&dim)));
    }
    BTZ_TRY(btz_wire_put_number(&tensor, 1, BTZ_F32));
    BTZ_TRY(btz_wire_put_bytes(&tensor, 2, btz_buf_slice(&shape)));
    BTZ_TRY(btz_wire_put_bytes(&type, 1, btz_buf_slice(&tensor)));
    BTZ_TRY(btz_wire_put_text(&value, 1, name));
    BTZ_TRY(btz_wire_put_bytes(&value, 2, btz_buf_slice(&type)));
    return btz_wire_put_bytes(graph, field, btz_buf_slice(&value));
}

static enum btz_err all_used(const struct builder *b)
{
    static const char counter[] = "num_batches_tracked";

    for (size_t i = 0; b->weights && i < b->weights->count; i++) {
        const char *name = b->weights->items[i].name;
        size_t len = strlen(name);

        if (b->used[i] ||
            (len > strlen(counter) && strcmp(name + len - strlen(counter), counter) == 0))
            continue;
        return btz_fail(BTZ_INPUT, "%s: no layer for tensor %s of the weights", b->file, name);
    }
    return BTZ_OK;
}

static enum btz_err model(struct builder *b, const struct btz_arch *arch, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(MODEL_MAX);
    BTZ_BUF_RELEASE struct btz_buf opset = BTZ_BUF(64);
    struct flow f = { .name = "input", .shape = arch->input };

    BTZ_TRY(sequence(b, arch->layers, "", &f));
    BTZ_TRY(all_used(b));
    BTZ_TRY(btz_buf_add_slice(&graph, btz_buf_slice(&b->nodes)));
    BTZ_TRY(btz_wire_put_text(&graph, 2, "bartizan"));
    BTZ_TRY(btz_buf_add_slice(&graph, btz_buf_slice(&b->parameters)));
    BTZ_TRY(put_value(&graph, 11, "input", &arch->input));
    BTZ_TRY(put_value(&graph, 12, f.name, &f.shape));
    BTZ_TRY(btz_wire_put_number(out, 1, IR_VERSION));
    BTZ_TRY(btz_wire_put_text(out, 2, "bartizan"));
    BTZ_TRY(btz_wire_put_text(out, 3, btz_version()));
    BTZ_TRY(btz_wire_put_bytes(out, 7, btz_buf_slice(&graph)));
    BTZ_TRY(btz_wire_put_text(&opset, 1, ""));
    BTZ_TRY(btz_wire_put_number(&opset, 2, OPSET));
    return btz_wire_put_bytes(out, 8, btz_buf_slice(&opset));
}

enum btz_err btz_build(struct btz_slice yaml, const char *name, const struct btz_weights *weights,
                       uint64_t seed, struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct builder b = { .file = name, .weights = weights, .seed = seed, .arena = &arena };
    struct btz_model *check = NULL;
    size_t before = out->len;
    struct btz_arch arch;
    enum btz_err err;

    b.numbers_max = (out->max - out->len) / sizeof(float);
    if (b.numbers_max > NUMBERS_MAX)
        b.numbers_max = NUMBERS_MAX;
    btz_arena_init(&arena, 256 << 20);
    b.nodes = BTZ_BUF(256 << 20), b.parameters = BTZ_BUF(MODEL_MAX);
    err = btz_arch_parse(yaml, name, &arena, &arch);
    if (err == BTZ_OK && weights) {
        b.used = btz_arena_array(&arena, weights->count + 1, sizeof *b.used);
        err = b.used ? BTZ_OK : BTZ_LIMIT;
    }
    if (err == BTZ_OK)
        err = model(&b, &arch, out);
    btz_buf_release(&b.nodes);
    btz_buf_release(&b.parameters);
    /* What is built can be read: names that are given twice are found here. */
    if (err == BTZ_OK)
        err = btz_model_parse(btz_slice_sub(btz_buf_slice(out), before, out->len), NULL, NULL,
                              &check);
    if (err == BTZ_OK)
        btz_model_free(check);
    return err;
}
