/*
 * The nets of one worker, planned for one part of a batch.
 */
#include <stdlib.h>

#include "robust/harden/inside.h"

static enum btz_err check_net(const struct btz_harden_params *p, struct btz_net *net, uint32_t rows,
                              size_t *classes)
{
    const struct btz_tensor *z = btz_net_output(net, 0);
    char text[BTZ_SHAPE_TEXT];

    if (z->type != BTZ_F32 || z->shape.rank != 2 || z->shape.dim[0] != rows ||
        z->shape.dim[1] < 2 || z->shape.dim[1] > BTZ_HARDEN_CLASSES_MAX)
        return btz_fail(BTZ_UNSUPPORTED,
                        "for a batch of %" PRIu32
                        " the first output is %s of %s; a classifier has floats, batch x classes",
                        rows, btz_shape_text(&z->shape, text), btz_type_name(z->type));
    if (!btz_net_output_grad(net, 0))
        return btz_fail(BTZ_UNSUPPORTED, "no gradient flows back from the scores");
    (void)p;
    *classes = (size_t)z->shape.dim[1];
    return BTZ_OK;
}

static enum btz_err plan(struct btz_harden_nets *n, enum btz_harden_net which, bool inputs,
                         const struct btz_harden_options *o, uint32_t rows)
{
    const struct btz_harden_params *p = n->params;
    struct btz_shape shape = { .rank = p->sample.rank + 1 };
    struct btz_net_options options = {
        .inputs = &shape,
        .batch = rows,
        .training = which != BTZ_HARDEN_EVAL,
        .input_grads = inputs,
        .param_grads = which == BTZ_HARDEN_TRAIN || which == BTZ_HARDEN_TWIN,
        .memory_max = o->memory_max,
        .seed = o->seed,
    };

    shape.dim[0] = rows;
    memcpy(shape.dim + 1, p->sample.dim, p->sample.rank * sizeof shape.dim[0]);
    BTZ_TRY(btz_net_new(&p->cut, &options, &n->net[which]));
    BTZ_TRY(check_net(p, n->net[which], rows, &n->classes));
    if (inputs && !btz_net_input_grad(n->net[which], 0))
        return btz_fail(BTZ_UNSUPPORTED, "the input does not reach the scores by way of operators "
                                         "with gradients");
    n->memory += btz_net_memory(n->net[which]);
    n->version[which] = 0;
    return BTZ_OK;
}

/* Where the net has the gradient of each tensor that is trained. */
static enum btz_err map_params(struct btz_harden_nets *n, enum btz_harden_net which)
{
    const struct btz_harden_params *p = n->params;
    const struct btz_net_param *list;
    size_t count = btz_net_params(n->net[which], &list);

    n->where[which] = calloc(p->count + 1, sizeof *n->where[which]);
    if (!n->where[which])
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < p->count; i++) {
        n->where[which][i] = BTZ_NONE;
        for (size_t k = 0; k < count; k++)
            if (list[k].value == p->list[i].value)
                n->where[which][i] = (uint32_t)k;
    }
    return BTZ_OK;
}

static enum btz_err plan_training(struct btz_harden_nets *n, const struct btz_harden_options *o)
{
    bool pairs = o->method == BTZ_HARDEN_TRADES || o->method == BTZ_HARDEN_MART;

    if (n->params->two_faced && o->method == BTZ_HARDEN_FGSM_RS)
        BTZ_TRY(plan(n, BTZ_HARDEN_SEARCH, true, o, n->rows));
    BTZ_TRY(plan(n, BTZ_HARDEN_TRAIN, o->method == BTZ_HARDEN_FREE, o, n->rows));
    BTZ_TRY(map_params(n, BTZ_HARDEN_TRAIN));
    if (pairs) {
        BTZ_TRY(plan(n, BTZ_HARDEN_TWIN, false, o, n->rows));
        BTZ_TRY(map_params(n, BTZ_HARDEN_TWIN));
    }
    return BTZ_OK;
}

static enum btz_err plan_all(struct btz_harden_nets *n, const struct btz_harden_options *o,
                             bool training)
{
    if (training)
        BTZ_TRY(plan_training(n, o));
    for (size_t i = 0; i < BTZ_COUNT(n->work); i++) {
        n->work[i] = malloc((size_t)n->rows * n->params->features * sizeof(float) + 1);
        if (!n->work[i])
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return BTZ_OK;
}

enum btz_err btz_harden_nets_open(const struct btz_harden_params *p,
                                  const struct btz_harden_options *o, bool training, uint32_t *rows,
                                  struct btz_harden_nets *out)
{
    const struct btz_value *in = &p->cut.values[p->cut.inputs[0]];
    enum btz_err err;

    *out = (struct btz_harden_nets){ .params = p, .rows = *rows };
    err = plan(out, BTZ_HARDEN_EVAL, true, o, *rows);
    /* A model made for one batch size: reshapes inside say so. */
    if (err && in->has_shape && in->shape.dim[0] > 0 && in->shape.dim[0] < *rows) {
        btz_harden_nets_release(out);
        out->params = p;
        *rows = out->rows = (uint32_t)in->shape.dim[0];
        err = plan(out, BTZ_HARDEN_EVAL, true, o, *rows);
    }
    if (!err)
        err = plan_all(out, o, training);
    if (err)
        btz_harden_nets_release(out);
    return err;
}

void btz_harden_nets_release(struct btz_harden_nets *n)
{
    for (int k = 0; k < BTZ_HARDEN_NETS; k++) {
        btz_net_free(n->net[k]);
        free(n->where[k]);
    }
    for (size_t i = 0; i < BTZ_COUNT(n->work); i++)
        free(n->work[i]);
    *n = (struct btz_harden_nets){ 0 };
}

enum btz_err btz_harden_forward(struct btz_harden_nets *n, enum btz_harden_net which,
                                uint64_t version, uint64_t seed, const float *x, size_t count,
                                const float **logits)
{
    struct btz_net *net = n->net[which];
    size_t features = n->params->features;
    float *in = btz_net_input(net, 0)->data;

    if (n->version[which] != version) {
        BTZ_TRY(btz_net_params_changed(net));
        n->version[which] = version;
    }
    if (which != BTZ_HARDEN_EVAL)
        btz_net_seed(net, seed);
    memcpy(in, x, count * features * sizeof *in);
    for (size_t i = count; i < n->rows; i++)
        memcpy(in + i * features, x + i % count * features, features * sizeof *in);
    BTZ_TRY(btz_net_forward(net));
    n->forwards += count;
    *logits = btz_net_output(net, 0)->data;
    return BTZ_OK;
}

enum btz_err btz_harden_backward(struct btz_harden_nets *n, enum btz_harden_net which,
                                 const float *seeds, size_t count, float scale)
{
    float *out = btz_net_output_grad(n->net[which], 0)->data;

    for (size_t i = 0; i < count * n->classes; i++)
        out[i] = seeds[i] * scale;
    memset(out + count * n->classes, 0, (n->rows - count) * n->classes * sizeof *out);
    n->gradients += count;
    return btz_net_backward(n->net[which]);
}

const float *btz_harden_input_grad(const struct btz_harden_nets *n, enum btz_harden_net which)
{
    return btz_net_input_grad(n->net[which], 0)->data;
}

static void collect_stats(const struct btz_harden_nets *n, enum btz_harden_net which, bool add,
                          float *stats)
{
    const struct btz_harden_params *p = n->params;

    for (size_t i = 0; i < p->stat_count; i++) {
        const float *now = btz_net_output(n->net[which], p->stats[i].output)->data;
        float *out = stats + p->stats[i].offset;

        for (size_t k = 0; k < p->stats[i].count; k++)
            out[k] = add ? (out[k] + now[k]) / 2 : now[k];
    }
}

void btz_harden_collect(const struct btz_harden_nets *n, enum btz_harden_net which, bool add,
                        float *out, float *stats)
{
    const struct btz_harden_params *p = n->params;
    const struct btz_net_param *list;

    (void)btz_net_params(n->net[which], &list);
    for (size_t i = 0; i < p->count; i++) {
        const struct btz_harden_param *param = &p->list[i];
        float *to = out + param->offset;
        const float *from;

        if (n->where[which][i] == BTZ_NONE) {
            if (!add)
                memset(to, 0, param->count * sizeof *to);
            continue;
        }
        from = list[n->where[which][i]].grad->data;
        if (!add)
            memcpy(to, from, param->count * sizeof *to);
        for (size_t k = 0; add && k < param->count; k++)
            to[k] += from[k];
    }
    if (stats)
        collect_stats(n, which, add, stats);
}
