/*
 * Convolutions of several widths by our own kernels and by oneDNN, where it is installed: forward, forward with the gradient of
 * the input, with those of the weights, on one thread. Shows where oneDNN begins to pay (graph/onednn.c).
 *
 *   bench/conv [BATCH]
 *
 * A line of JSON each, in seconds of CPU; values are medians of five turns, the two in turns.
 */
#include <stdlib.h>
#include <time.h>

#include "../tests/unit/graph_make.h"
#include "graph/lanes.h"
#include "graph/onednn.h"

enum { TURNS = 5 };
enum mode { FORWARD, GRADIENT, TRAIN };
static const char *const modes[] = { "forward", "gradient", "train" };

struct layer {
    unsigned in, out, size, kernel, stride;
};
static const struct layer layers[] = {
    { 1, 16, 28, 4, 2 },   { 16, 32, 14, 4, 2 },  { 3, 64, 32, 3, 1 },    { 16, 16, 32, 3, 1 },
    { 32, 32, 16, 3, 1 },  { 64, 64, 32, 3, 1 },  { 128, 128, 16, 3, 1 }, { 256, 256, 8, 3, 1 },
    { 64, 128, 32, 3, 2 }, { 64, 256, 16, 1, 1 }, { 3, 64, 224, 7, 2 },
};

static struct btz_model *make(const struct layer *l)
{
    struct graph_make g;
    char x[64], w[64], attrs[96];

    snprintf(x, sizeof x, "-1,%u,%u,%u", l->in, l->size, l->size);
    snprintf(w, sizeof w, "%u,%u,%u,%u", l->out, l->in, l->kernel, l->kernel);
    snprintf(attrs, sizeof attrs, "pads=%u,%u,%u,%u strides=%u,%u", l->kernel / 2, l->kernel / 2,
             l->kernel / 2, l->kernel / 2, l->stride, l->stride);
    make_init(&g, 5);
    make_value(&g, 11, "x", x);
    make_value(&g, 12, "y", "-1,1,1,1");
    make_constant(&g, "w", w, 0, 0.1);
    make_node(&g, "Conv", "x w", "c", attrs);
    make_node(&g, "ReduceMean", "c", "y", "axes=1,2,3");
    return make_model(&g);
}

static struct btz_net *net_of(const struct btz_model *m, enum mode mode, size_t batch, bool own)
{
    struct btz_net *net = NULL;
    float *x;

    make_ok(btz_net_new(m,
                        &(struct btz_net_options){ .batch = (int64_t)batch,
                                                   .input_grads = mode != FORWARD,
                                                   .param_grads = mode == TRAIN,
                                                   .isa = own ? btz_isa_find(NULL)->name : NULL },
                        &net));
    x = btz_net_input(net, 0)->data;
    for (size_t i = 0, n = btz_tensor_count(btz_net_input(net, 0)); i < n; i++)
        x[i] = (float)(i * 7919 % 1000) / 1000;
    return net;
}

static void step(struct btz_net *net, enum mode mode)
{
    make_ok(btz_net_forward(net));
    if (mode == FORWARD)
        return;
    for (size_t i = 0, n = btz_tensor_count(btz_net_output_grad(net, 0)); i < n; i++)
        ((float *)btz_net_output_grad(net, 0)->data)[i] = 1;
    make_ok(btz_net_backward(net));
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Images a second, the best of about a tenth of a second. */
static double rate(struct btz_net *net, enum mode mode, size_t batch)
{
    uint64_t end = cpu_ns() + 100000000u, best = UINT64_MAX;

    for (int i = 0; i < 3 || cpu_ns() < end; i++) {
        uint64_t begin = cpu_ns(), took;

        step(net, mode);
        took = cpu_ns() - begin;
        best = took < best ? took : best;
    }
    return (double)batch * 1e9 / (double)best;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void compare(const struct layer *l, enum mode mode, size_t batch)
{
    struct btz_model *m = make(l);
    struct btz_net *own = net_of(m, mode, batch, true), *fast = net_of(m, mode, batch, false);
    double us[TURNS], them[TURNS], out = (double)(l->size / l->stride);
    double mflop = 2e-6 * l->in * l->out * l->kernel * l->kernel * out * out;

    for (int i = 0; i < TURNS; i++) {
        us[i] = rate(own, mode, batch);
        them[i] = rate(fast, mode, batch);
    }
    qsort(us, TURNS, sizeof *us, by_value);
    qsort(them, TURNS, sizeof *them, by_value);
    printf("{\"name\":\"conv.%u_%u.%ux%u.kernel_%u.stride_%u.%s.batch_%zu\",\"value\":%.0f,"
           "\"unit\":\"images/s\",",
           l->in, l->out, l->size, l->size, l->kernel, l->stride, modes[mode], batch,
           them[TURNS / 2]);
    printf(
        "\"own\":%.0f,\"ratio\":%.2f,\"mflop_forward\":%.2f,\"gflops\":%.0f,\"onednn\":\"%s\"}\n",
        us[TURNS / 2], them[TURNS / 2] / us[TURNS / 2], mflop,
        them[TURNS / 2] * mflop * (mode + 1) / 1e3,
        btz_onednn_version() ? btz_onednn_version() : "none");
    fflush(stdout);
    btz_net_free(own);
    btz_net_free(fast);
    btz_model_free(m);
}

int main(int argc, char **argv)
{
    size_t batch = argc > 1 ? strtoul(argv[1], NULL, 10) : 32;

    for (size_t i = 0; i < BTZ_COUNT(layers); i++)
        for (enum mode mode = FORWARD; mode <= TRAIN; mode++)
            compare(&layers[i], mode, batch ? batch : 1);
    return 0;
}
