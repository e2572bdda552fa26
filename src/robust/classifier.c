/*
 * A planned net for each of a few batch sizes; calls of any length are cut into them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/robust.h"

#define SIZES 8 /* 32, 16 ... 1 */

struct sized {
    uint32_t batch;
    struct btz_net *forward, *backward; /* planned when first wanted */
};

struct btz_classifier_inside {
    struct btz_model cut; /* the model with the logits for its output; shares everything else */
    uint32_t logits;
    struct sized sizes[SIZES]; /* from the largest on */
    size_t count;
    struct btz_classifier_options options;
};

/* ---- which model, which shape ------------------------------------------------------------------------------------------ */

static bool is_squashing(const struct btz_node *node, bool sigmoid)
{
    return !node->domain[0] && node->in_count && node->in[0] != BTZ_NONE &&
           (strcmp(node->type, "Softmax") == 0 || strcmp(node->type, "LogSoftmax") == 0 ||
            (sigmoid && strcmp(node->type, "Sigmoid") == 0));
}

enum btz_err btz_model_cut(const struct btz_model *m, bool sigmoid, uint32_t *scores,
                           struct btz_model *out)
{
    while (m->values[*scores].producer != BTZ_NONE &&
           is_squashing(&m->nodes[m->values[*scores].producer], sigmoid))
        *scores = m->nodes[m->values[*scores].producer].in[0];
    *out = *m;
    out->outputs = scores;
    out->output_count = 1;
    out->values = malloc(m->value_count * sizeof m->values[0]);
    if (!out->values)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memcpy(out->values, m->values, m->value_count * sizeof m->values[0]);
    for (uint32_t v = 0; v < m->value_count; v++)
        out->values[v].is_output = v == *scores;
    return BTZ_OK;
}

static enum btz_err check_ends(const struct btz_model *m)
{
    const struct btz_value *in;

    if (m->input_count != 1 || m->output_count < 1)
        return btz_fail(BTZ_UNSUPPORTED,
                        "the model has %" PRIu32 " inputs and %" PRIu32
                        " outputs; a classifier has one input and its scores first",
                        m->input_count, m->output_count);
    in = &m->values[m->inputs[0]];
    if (in->type != BTZ_F32 && in->type != BTZ_F64 && in->type != BTZ_F16 && in->type != BTZ_BF16)
        return btz_fail(BTZ_UNSUPPORTED, "input '%s' is of %s; a classifier reads floats", in->name,
                        btz_type_name(in->type));
    return BTZ_OK;
}

static enum btz_err sample_shape(const struct btz_model *m,
                                 const struct btz_classifier_options *options,
                                 struct btz_shape *out)
{
    const struct btz_value *in = &m->values[m->inputs[0]];

    if (options->sample) {
        *out = *options->sample;
        return BTZ_OK;
    }
    if (!in->has_shape || in->shape.rank < 2)
        return btz_fail(
            BTZ_UNSUPPORTED,
            "input '%s' declares no shape of a batch of samples: say the sample's shape", in->name);
    out->rank = in->shape.rank - 1;
    for (uint32_t k = 0; k < out->rank; k++) {
        out->dim[k] = in->shape.dim[k + 1];
        if (out->dim[k] <= 0)
            return btz_fail(BTZ_UNSUPPORTED,
                            "input '%s': dimension %" PRIu32 " is open: say the sample's shape",
                            in->name, k + 1);
    }
    return BTZ_OK;
}

/* ---- nets -------------------------------------------------------------------------------------------------------------- */

static enum btz_err plan(struct btz_classifier *c, uint32_t batch, bool backward,
                         struct btz_net **out)
{
    struct btz_shape shape = { .rank = c->shape.rank + 1 };
    struct btz_net_options options = {
        .inputs = &shape,
        .batch = batch,
        .reference = c->inside->options.reference,
        .input_grads = backward,
        .repeat = backward,
        .memory_max = c->inside->options.memory_max,
    };
    const struct btz_tensor *logits;

    shape.dim[0] = batch;
    memcpy(shape.dim + 1, c->shape.dim, c->shape.rank * sizeof shape.dim[0]);
    BTZ_TRY(btz_net_new(&c->inside->cut, &options, out));
    logits = btz_net_output(*out, 0);
    if (btz_net_input(*out, 0)->type == BTZ_F32 && logits->type == BTZ_F32 &&
        logits->shape.rank == 2 && logits->shape.dim[0] == batch && logits->shape.dim[1] > 1 &&
        (!c->classes || logits->shape.dim[1] == (int64_t)c->classes) &&
        (!backward || (btz_net_output_grad(*out, 0) && btz_net_input_grad(*out, 0)))) {
        c->classes = (size_t)logits->shape.dim[1];
        return BTZ_OK;
    }
    if (logits->shape.rank == 2 && logits->shape.dim[0] == batch && backward)
        (void)btz_fail(BTZ_UNSUPPORTED, "the input does not reach the scores by way of operators "
                                        "with gradients: only black-box attacks can be used");
    else {
        char text[BTZ_SHAPE_TEXT];

        (void)btz_fail(BTZ_UNSUPPORTED,
                       "for a batch of %" PRIu32 " the first output is %s of %s; a classifier has "
                       "floats, batch x classes",
                       batch, btz_shape_text(&logits->shape, text), btz_type_name(logits->type));
    }
    btz_net_free(*out);
    *out = NULL;
    return BTZ_UNSUPPORTED;
}

static enum btz_err net_for(struct btz_classifier *c, size_t rows, bool backward,
                            struct btz_net **out, uint32_t *batch)
{
    struct sized *s = &c->inside->sizes[0];
    struct btz_net **net;

    /* The smallest that takes all the rows. */
    for (size_t i = 1; i < c->inside->count && c->inside->sizes[i].batch >= rows; i++)
        s = &c->inside->sizes[i];
    net = backward ? &s->backward : &s->forward;
    if (!*net)
        BTZ_TRY(plan(c, s->batch, backward, net));
    *out = *net;
    *batch = s->batch;
    return BTZ_OK;
}

static void plan_sizes(struct btz_classifier_inside *in, uint32_t batch)
{
    in->count = 0;
    for (; batch && in->count < SIZES; batch = batch / 2)
        in->sizes[in->count++].batch = batch;
}

static enum btz_err first_plan(struct btz_classifier *c)
{
    const struct btz_value *input = &c->model->values[c->model->inputs[0]];
    uint32_t wanted = c->inside->options.batch ? c->inside->options.batch : BTZ_CLASSIFIER_BATCH;
    struct btz_net *net;
    uint32_t batch;
    enum btz_err err;

    plan_sizes(c->inside, wanted);
    err = net_for(c, wanted, false, &net, &batch);
    /* Smaller nets would cost as much. */
    while (err == BTZ_OK && c->inside->count > 1 &&
           c->inside->sizes[c->inside->count - 1].batch < btz_net_grain(net))
        c->inside->count--;
    if (err == BTZ_OK || !input->has_shape || input->shape.dim[0] < 1 ||
        input->shape.dim[0] >= (int64_t)wanted)
        return err;
    /* A model made for one batch size: reshapes inside say so. */
    c->inside->count = 1;
    c->inside->sizes[0].batch = (uint32_t)input->shape.dim[0];
    return net_for(c, 1, false, &net, &batch);
}

enum btz_err btz_classifier_new(const struct btz_model *model,
                                const struct btz_classifier_options *options,
                                struct btz_classifier **out)
{
    static const struct btz_classifier_options defaults;
    struct btz_classifier *c;
    enum btz_err err;

    BTZ_TRY(check_ends(model));
    c = calloc(1, sizeof *c);
    if (!c || !(c->inside = calloc(1, sizeof *c->inside))) {
        free(c);
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    c->model = model;
    c->inside->options = options ? *options : defaults;
    c->inside->logits = model->outputs[0];
    err = sample_shape(model, &c->inside->options, &c->shape);
    if (!err)
        err = btz_shape_count(&c->shape, &c->features);
    if (!err)
        err = btz_model_cut(model, false, &c->inside->logits, &c->inside->cut);
    if (!err)
        err = first_plan(c);
    if (err) {
        btz_classifier_free(c);
        return err;
    }
    *out = c;
    return BTZ_OK;
}

void btz_classifier_free(struct btz_classifier *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->inside->count; i++) {
        btz_net_free(c->inside->sizes[i].forward);
        btz_net_free(c->inside->sizes[i].backward);
    }
    free(c->inside->cut.values);
    free(c->inside);
    free(c);
}

enum btz_err btz_classifier_memory(struct btz_classifier *c, bool gradients, size_t *out)
{
    uint32_t most = c->inside->sizes[0].batch, batch;
    struct btz_net *net;

    BTZ_TRY(net_for(c, most, false, &net, &batch));
    *out = btz_net_memory(net);
    if (gradients) {
        BTZ_TRY(net_for(c, most, true, &net, &batch));
        *out += btz_net_memory(net);
    }
    *out *= 2; /* each of the smaller ones takes half of the one before */
    return BTZ_OK;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------- */

/* Puts rows into the net; what is left of its batch repeats the last, so that nothing stale is computed with. */
static void feed(const struct btz_classifier *c, struct btz_net *net, uint32_t batch,
                 const float *x, size_t rows)
{
    float *in = btz_net_input(net, 0)->data;

    memcpy(in, x, rows * c->features * sizeof *in);
    for (size_t i = rows; i < batch; i++)
        memcpy(in + i * c->features, x + (rows - 1) * c->features, c->features * sizeof *in);
}

enum btz_err btz_classifier_logits(struct btz_classifier *c, const float *x, size_t n,
                                   float *logits)
{
    for (size_t first = 0, rows; first < n; first += rows) {
        struct btz_net *net;
        uint32_t batch;

        BTZ_TRY(net_for(c, n - first, false, &net, &batch));
        rows = n - first < batch ? n - first : batch;
        feed(c, net, batch, x + first * c->features, rows);
        BTZ_TRY(btz_net_forward(net));
        memcpy(logits + first * c->classes, btz_net_output(net, 0)->data,
               rows * c->classes * sizeof *logits);
    }
    c->forwards += n;
    return BTZ_OK;
}

enum btz_err btz_classifier_gradient(struct btz_classifier *c, const float *x, size_t n,
                                     const struct btz_loss *losses, size_t count, float *logits,
                                     float *value, float *grad)
{
    for (size_t first = 0, rows; first < n; first += rows) {
        struct btz_net *net;
        uint32_t batch;

        BTZ_TRY(net_for(c, n - first, true, &net, &batch));
        rows = n - first < batch ? n - first : batch;
        feed(c, net, batch, x + first * c->features, rows);
        BTZ_TRY(btz_net_forward(net));
        for (size_t k = 0; k < count; k++) {
            const float *scores = btz_net_output(net, 0)->data;
            float *seed = btz_net_output_grad(net, 0)->data;

            memset(seed, 0, (size_t)batch * c->classes * sizeof *seed);
            losses[k].eval(losses[k].user, first, rows, c->classes, scores,
                           value ? value + k * n + first : NULL, seed);
            if (logits && !k)
                memcpy(logits + first * c->classes, scores, rows * c->classes * sizeof *logits);
            BTZ_TRY(btz_net_backward(net));
            memcpy(grad + (k * n + first) * c->features, btz_net_input_grad(net, 0)->data,
                   rows * c->features * sizeof *grad);
        }
    }
    c->gradients += n * count;
    return BTZ_OK;
}

size_t btz_argmax(const float *logits, size_t classes)
{
    size_t best = 0;

    for (size_t k = 0; k < classes; k++) {
        if (isnan(logits[k]))
            return SIZE_MAX;
        if (logits[k] > logits[best])
            best = k;
    }
    return best;
}
