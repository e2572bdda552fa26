/*
 * oneDNN 2, C API (https://oneapi-src.github.io/oneDNN/v2). Loaded when it is first asked for: it is 40 MB, and nothing that is
 * no network needs it.
 */
#include "graph/onednn.h"

#include <dlfcn.h>
#include <dnnl.h>
#include <pthread.h>
#include <stdlib.h>

/* Where it pays for the layouts, by bench/conv. */
#define CHANNELS_MIN 16
#define WORK_MIN     5e5 /* multiplications and additions of an image */

#define CALLS(X)                                                                                   \
    X(dnnl_version)                                                                                \
    X(dnnl_engine_create)                                                                          \
    X(dnnl_stream_create)                                                                          \
    X(dnnl_stream_destroy)                                                                         \
    X(dnnl_stream_wait)                                                                            \
    X(dnnl_memory_desc_init_by_tag)                                                                \
    X(dnnl_memory_desc_get_size)                                                                   \
    X(dnnl_memory_desc_equal)                                                                      \
    X(dnnl_dilated_convolution_forward_desc_init)                                                  \
    X(dnnl_dilated_convolution_backward_data_desc_init)                                            \
    X(dnnl_dilated_convolution_backward_weights_desc_init)                                         \
    X(dnnl_primitive_attr_create)                                                                  \
    X(dnnl_primitive_attr_destroy)                                                                 \
    X(dnnl_primitive_attr_set_scratchpad_mode)                                                     \
    X(dnnl_primitive_desc_create)                                                                  \
    X(dnnl_primitive_desc_destroy)                                                                 \
    X(dnnl_primitive_desc_query_md)                                                                \
    X(dnnl_reorder_primitive_desc_create)                                                          \
    X(dnnl_primitive_create)                                                                       \
    X(dnnl_primitive_destroy)                                                                      \
    X(dnnl_primitive_execute)                                                                      \
    X(dnnl_memory_create)                                                                          \
    X(dnnl_memory_destroy)                                                                         \
    X(dnnl_memory_set_data_handle)

static struct {
    void *handle;
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr; /* scratchpads are ours */
    void (*one_thread)(int);
    char version[32];
#define X(name) __typeof__(&name) name;
    CALLS(X)
#undef X
} lib;

static bool load(void)
{
    const dnnl_version_t *v;

    lib.handle = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!lib.handle)
        return false;
        /* A pointer to a function by way of one to data, as POSIX wants it. */
#define X(name) *(void **)&lib.name = dlsym(lib.handle, #name);
    CALLS(X)
#undef X
#define X(name)                                                                                    \
    if (!lib.name)                                                                                 \
        return false;
    CALLS(X)
#undef X
    *(void **)&lib.one_thread =
        dlsym(lib.handle, "omp_set_num_threads"); /* of its OpenMP, if that is what it has */
    v = lib.dnnl_version();
    snprintf(lib.version, sizeof lib.version, "%d.%d.%d", v->major, v->minor, v->patch);
    return lib.dnnl_engine_create(&lib.engine, dnnl_cpu, 0) == dnnl_success &&
           lib.dnnl_primitive_attr_create(&lib.attr) == dnnl_success &&
           lib.dnnl_primitive_attr_set_scratchpad_mode(lib.attr, dnnl_scratchpad_mode_user) ==
               dnnl_success;
}

static void load_once(void)
{
    if (!load())
        lib.version[0] = '\0';
}

const char *btz_onednn_version(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load_once);
    return lib.version[0] ? lib.version : NULL;
}

bool btz_onednn_fits(const struct btz_call *call, const struct btz_conv *c)
{
    double work = 2.0 * (double)c->in_channels * (double)c->out_channels *
                  (double)c->w.kernel_size * (double)c->w.out_size;

    return call->in[0]->type == BTZ_F32 && !call->reference && !call->own &&
           c->batch < BTZ_LANES_LEAST && c->w.axes == 2 && c->groups == 1 &&
           c->in_channels >= CHANNELS_MIN && c->out_channels >= CHANNELS_MIN && c->w.in_size &&
           work >= WORK_MIN && work < 1e15 && btz_onednn_version();
}

/* ---- what a convolution needs ----------------------------------------------------------------------------------------- */

enum pass { FORWARD, BACK_DATA, BACK_WEIGHTS, PASSES };
enum tensor { SRC, WEIGHTS, DST, TENSORS };

/* One of the tensors of a pass: in the layout of the library, and how it gets there or back. */
struct side {
    dnnl_memory_t plain, own;
    dnnl_primitive_t convert; /* NULL: the layouts are the same */
    size_t at;                /* in scratch */
};

struct step {
    dnnl_primitive_t primitive;
    dnnl_memory_t pad;
    size_t pad_at, out_floats; /* of what it yields, in the library's layout */
    enum tensor yields;
    struct side side[TENSORS];
};

struct btz_onednn {
    dnnl_stream_t stream;
    dnnl_memory_desc_t plain[TENSORS], bias_desc;
    dnnl_memory_t bias;
    struct step step[PASSES];
    size_t floats[TENSORS], sum_at, plain_at, scratch;
    bool has_bias;
};

static size_t place(struct btz_onednn *d, size_t bytes)
{
    size_t at = d->scratch;

    d->scratch += (bytes + 63) / 64 * 64;
    return at;
}

static bool add_side(struct btz_onednn *d, const dnnl_primitive_desc_t pd, dnnl_query_t query,
                     enum tensor which, bool yields, struct side *s)
{
    const dnnl_memory_desc_t *own = lib.dnnl_primitive_desc_query_md(pd, query, 0);
    const dnnl_memory_desc_t *plain = &d->plain[which];
    dnnl_primitive_desc_t reorder;
    bool made;

    if (!own ||
        lib.dnnl_memory_create(&s->plain, plain, lib.engine, DNNL_MEMORY_NONE) != dnnl_success ||
        lib.dnnl_memory_create(&s->own, own, lib.engine, DNNL_MEMORY_NONE) != dnnl_success)
        return false;
    s->at = place(d, lib.dnnl_memory_desc_get_size(own));
    if (lib.dnnl_memory_desc_equal(own, plain))
        return true;
    if (lib.dnnl_reorder_primitive_desc_create(&reorder, yields ? own : plain, lib.engine,
                                               yields ? plain : own, lib.engine,
                                               NULL) != dnnl_success)
        return false;
    made = lib.dnnl_primitive_create(&s->convert, reorder) == dnnl_success;
    lib.dnnl_primitive_desc_destroy(reorder);
    return made;
}

static bool add_step(struct btz_onednn *d, enum pass pass, const dnnl_primitive_desc_t pd)
{
    static const dnnl_query_t query[PASSES][TENSORS] = {
        { dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md },
        { dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md },
        { dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md },
    };
    static const enum tensor yields[PASSES] = { DST, SRC, WEIGHTS };
    const dnnl_memory_desc_t *pad =
        lib.dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    struct step *s = &d->step[pass];

    s->yields = yields[pass];
    for (int i = 0; i < TENSORS; i++)
        if (!add_side(d, pd, query[pass][i], (enum tensor)i, i == (int)s->yields, &s->side[i]))
            return false;
    s->out_floats = lib.dnnl_memory_desc_get_size(
                        lib.dnnl_primitive_desc_query_md(pd, query[pass][s->yields], 0)) /
                    sizeof(float);
    if (!pad || lib.dnnl_memory_create(&s->pad, pad, lib.engine, DNNL_MEMORY_NONE) != dnnl_success)
        return false;
    s->pad_at = place(d, lib.dnnl_memory_desc_get_size(pad));
    return lib.dnnl_primitive_create(&s->primitive, pd) == dnnl_success;
}

/* The layouts of all three passes are the library's choice. */
static bool add_steps(struct btz_onednn *d, const struct btz_window *w)
{
    dnnl_dims_t stride, dilation, before, after;
    dnnl_memory_desc_t any[TENSORS];
    dnnl_convolution_desc_t desc[PASSES];
    dnnl_primitive_desc_t forward = NULL, back = NULL;
    const dnnl_memory_desc_t *bias = d->has_bias ? &d->bias_desc : NULL;
    bool well;

    for (int i = 0; i < 2; i++) {
        stride[i] = w->stride[1 + i], dilation[i] = w->dilation[1 + i] - 1;
        before[i] = w->pad[1 + i], after[i] = w->pad_end[1 + i];
    }
    for (int i = 0; i < TENSORS; i++)
        if (lib.dnnl_memory_desc_init_by_tag(&any[i], 4, d->plain[i].dims, dnnl_f32,
                                             dnnl_format_tag_any) != dnnl_success)
            return false;
    if (lib.dnnl_dilated_convolution_forward_desc_init(
            &desc[FORWARD], dnnl_forward_training, dnnl_convolution_direct, &any[SRC],
            &any[WEIGHTS], bias, &any[DST], stride, dilation, before, after) != dnnl_success ||
        lib.dnnl_dilated_convolution_backward_data_desc_init(
            &desc[BACK_DATA], dnnl_convolution_direct, &any[SRC], &any[WEIGHTS], &any[DST], stride,
            dilation, before, after) != dnnl_success ||
        lib.dnnl_dilated_convolution_backward_weights_desc_init(
            &desc[BACK_WEIGHTS], dnnl_convolution_direct, &any[SRC], &any[WEIGHTS], NULL, &any[DST],
            stride, dilation, before, after) != dnnl_success ||
        lib.dnnl_primitive_desc_create(&forward, &desc[FORWARD], lib.attr, lib.engine, NULL) !=
            dnnl_success)
        return false;
    well = add_step(d, FORWARD, forward);
    for (enum pass p = BACK_DATA; well && p < PASSES; p++) {
        well = lib.dnnl_primitive_desc_create(&back, &desc[p], lib.attr, lib.engine, forward) ==
               dnnl_success;
        if (!well)
            break;
        well = add_step(d, p, back);
        lib.dnnl_primitive_desc_destroy(back);
    }
    lib.dnnl_primitive_desc_destroy(forward);
    return well;
}

static bool describe(struct btz_onednn *d, const struct btz_conv *c)
{
    const dnnl_dims_t dims[TENSORS] = {
        { 1, (dnnl_dim_t)c->in_channels, c->w.in[1], c->w.in[2] },
        { (dnnl_dim_t)c->out_channels, (dnnl_dim_t)c->in_channels, c->w.kernel[1], c->w.kernel[2] },
        { 1, (dnnl_dim_t)c->out_channels, c->w.out[1], c->w.out[2] },
    };

    for (int i = 0; i < TENSORS; i++) {
        if (lib.dnnl_memory_desc_init_by_tag(&d->plain[i], 4, dims[i], dnnl_f32, dnnl_abcd) !=
            dnnl_success)
            return false;
        d->floats[i] = lib.dnnl_memory_desc_get_size(&d->plain[i]) / sizeof(float);
    }
    return !d->has_bias || (lib.dnnl_memory_desc_init_by_tag(&d->bias_desc, 1, &dims[WEIGHTS][0],
                                                             dnnl_f32, dnnl_a) == dnnl_success &&
                            lib.dnnl_memory_create(&d->bias, &d->bias_desc, lib.engine,
                                                   DNNL_MEMORY_NONE) == dnnl_success);
}

/* The setting is each thread's own: nets share the processors, a net has one. */
static void one_thread(void)
{
    if (lib.one_thread)
        lib.one_thread(1);
}

struct btz_onednn *btz_onednn_new(const struct btz_conv *c, bool bias)
{
    struct btz_onednn *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->has_bias = bias;
    one_thread();
    if (lib.dnnl_stream_create(&d->stream, lib.engine, dnnl_stream_default_flags) != dnnl_success ||
        !describe(d, c) || !add_steps(d, &c->w)) {
        btz_onednn_free(d);
        return NULL;
    }
    d->sum_at = place(d, d->step[BACK_WEIGHTS].out_floats * sizeof(float));
    d->plain_at =
        place(d, (d->floats[SRC] > d->floats[WEIGHTS] ? d->floats[SRC] : d->floats[WEIGHTS]) *
                     sizeof(float));
    return d;
}

void btz_onednn_free(struct btz_onednn *d)
{
    if (!d)
        return;
    for (int p = 0; p < PASSES; p++) {
        struct step *s = &d->step[p];

        for (int i = 0; i < TENSORS; i++) {
            if (s->side[i].convert)
                lib.dnnl_primitive_destroy(s->side[i].convert);
            if (s->side[i].plain)
                lib.dnnl_memory_destroy(s->side[i].plain);
            if (s->side[i].own)
                lib.dnnl_memory_destroy(s->side[i].own);
        }
        if (s->pad)
            lib.dnnl_memory_destroy(s->pad);
        if (s->primitive)
            lib.dnnl_primitive_destroy(s->primitive);
    }
    if (d->bias)
        lib.dnnl_memory_destroy(d->bias);
    if (d->stream)
        lib.dnnl_stream_destroy(d->stream);
    free(d);
}

size_t btz_onednn_scratch(const struct btz_onednn *d)
{
    return d->scratch;
}

/* ---- at work ---------------------------------------------------------------------------------------------------------- */

static bool compute(struct btz_onednn *d, dnnl_primitive_t p, int count,
                    const dnnl_exec_arg_t *args)
{
    return lib.dnnl_primitive_execute(p, d->stream, count, args) == dnnl_success &&
           lib.dnnl_stream_wait(d->stream) == dnnl_success;
}

/* Says where the tensors lie: `plain` as the net has it, and its place in scratch when the layouts differ. */
static bool attach(struct side *s, void *plain, uint8_t *scratch)
{
    return lib.dnnl_memory_set_data_handle(s->plain, plain) == dnnl_success &&
           lib.dnnl_memory_set_data_handle(s->own, s->convert ? scratch + s->at : plain) ==
               dnnl_success;
}

static bool convert(struct btz_onednn *d, struct side *s, bool back)
{
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, back ? s->own : s->plain },
                                     { DNNL_ARG_TO, back ? s->plain : s->own } };

    return !s->convert || compute(d, s->convert, 2, args);
}

/* A tensor that is read, ready for use. */
static bool bring(struct btz_onednn *d, struct side *s, void *plain, uint8_t *scratch)
{
    return attach(s, plain, scratch) && convert(d, s, false);
}

static bool execute(struct btz_onednn *d, enum pass pass, uint8_t *scratch)
{
    static const int arg[PASSES][TENSORS] = {
        { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST },
        { DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST },
        { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST },
    };
    struct step *s = &d->step[pass];
    dnnl_exec_arg_t args[TENSORS + 2];
    int n = 0;

    for (int i = 0; i < TENSORS; i++)
        args[n++] = (dnnl_exec_arg_t){ arg[pass][i], s->side[i].own };
    args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_SCRATCHPAD, s->pad };
    if (pass == FORWARD && d->has_bias)
        args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_BIAS, d->bias };
    return lib.dnnl_memory_set_data_handle(s->pad, scratch + s->pad_at) == dnnl_success &&
           compute(d, s->primitive, n, args);
}

static enum btz_err failed(const struct btz_call *call)
{
    return btz_op_fail(call, BTZ_INTERNAL, "oneDNN %s failed", lib.version);
}

enum btz_err btz_onednn_run(struct btz_onednn *d, struct btz_call *call)
{
    float *x = call->in[0]->data;
    float *y = call->out[0]->data;
    struct step *s = &d->step[FORWARD];
    bool well;

    one_thread();
    well = bring(d, &s->side[WEIGHTS], call->in[1]->data, call->scratch);
    if (d->has_bias)
        well = well && lib.dnnl_memory_set_data_handle(d->bias, call->in[2]->data) == dnnl_success;
    for (int64_t i = 0; well && i < call->in[0]->shape.dim[0]; i++)
        well = bring(d, &s->side[SRC], x + (size_t)i * d->floats[SRC], call->scratch) &&
               attach(&s->side[DST], y + (size_t)i * d->floats[DST], call->scratch) &&
               execute(d, FORWARD, call->scratch) && convert(d, &s->side[DST], true);
    return well ? BTZ_OK : failed(call);
}

static void add(float *to, const float *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

static bool grad_data(struct btz_onednn *d, struct btz_call *call)
{
    float *g = call->out_grad[0]->data;
    float *to = call->in_grad[0]->data;
    uint8_t *scratch = call->scratch;
    float *plain = (float *)(scratch + d->plain_at);
    struct step *s = &d->step[BACK_DATA];
    bool well = bring(d, &s->side[WEIGHTS], call->in[1]->data, scratch);

    for (int64_t i = 0; well && i < call->in[0]->shape.dim[0]; i++) {
        well = bring(d, &s->side[DST], g + (size_t)i * d->floats[DST], scratch) &&
               attach(&s->side[SRC], plain, scratch) && execute(d, BACK_DATA, scratch) &&
               convert(d, &s->side[SRC], true);
        add(to + (size_t)i * d->floats[SRC], plain, d->floats[SRC]);
    }
    return well;
}

/* Summed in the layout of the library, which is the same for every image. */
static bool grad_weights(struct btz_onednn *d, struct btz_call *call)
{
    float *x = call->in[0]->data, *g = call->out_grad[0]->data;
    uint8_t *scratch = call->scratch;
    float *plain = (float *)(scratch + d->plain_at), *sum = (float *)(scratch + d->sum_at);
    struct step *s = &d->step[BACK_WEIGHTS];
    struct side *w = &s->side[WEIGHTS];
    float *own = w->convert ? (float *)(scratch + w->at) : plain;
    bool well = attach(w, plain, scratch);

    memset(sum, 0, s->out_floats * sizeof *sum);
    for (int64_t i = 0; well && i < call->in[0]->shape.dim[0]; i++) {
        well = bring(d, &s->side[SRC], x + (size_t)i * d->floats[SRC], scratch) &&
               bring(d, &s->side[DST], g + (size_t)i * d->floats[DST], scratch) &&
               execute(d, BACK_WEIGHTS, scratch);
        add(sum, own, s->out_floats);
    }
    memcpy(own, sum, s->out_floats * sizeof *sum);
    well = well && convert(d, w, true);
    add(call->in_grad[1]->data, plain, d->floats[WEIGHTS]);
    return well;
}

enum btz_err btz_onednn_grad(struct btz_onednn *d, struct btz_call *call)
{
    bool well = true;

    one_thread();
    if (call->in_grad[0])
        well = well && grad_data(d, call);
    if (call->in_grad[1])
        well = well && grad_weights(d, call);
    return well ? BTZ_OK : failed(call);
}
