/*
 * What is trained: the float constants of layers, as they stand in the model; and the model as the nets see it.
 *
 * A constant that no layer stands before (subtracted means, pixel scales) is a part of the input's meaning: changing it would
 * change what eps means, so it stays as it is. So do scalars, masks and tables that are added.
 */
#include <stdlib.h>

#include "robust/harden/inside.h"

static const char *const layers[] = { "BatchNormalization",
                                      "Conv",
                                      "ConvTranspose",
                                      "GRU",
                                      "Gemm",
                                      "LSTM",
                                      "RNN",
                                      "GroupNormalization",
                                      "Gather",
                                      "MatMul",
                                      "PRelu",
                                      "InstanceNormalization",
                                      "LayerNormalization",
                                      "FusedGemm" };
static const char *const elementwise[] = { "Add", "Div", "Mul", "Sub", "Sum" };
/* What leaves the numbers as they are: behind it a constant is still that constant. */
static const char *const carriers[] = { "Flatten", "Identity",  "Reshape",
                                        "Squeeze", "Transpose", "Unsqueeze" };

static bool is_one_of(const struct btz_node *n, const char *const *names, size_t count)
{
    for (size_t i = 0; !n->domain[0] && i < count; i++)
        if (strcmp(n->type, names[i]) == 0)
            return true;
    return false;
}

static bool named(const struct btz_node *n, const char *name)
{
    return is_one_of(n, &name, 1);
}

/* One axis is long and all others are one: a bias or a scale. */
static bool is_line(const struct btz_tensor *t)
{
    size_t longest = 0;

    for (uint32_t k = 0; k < t->shape.rank; k++)
        if ((size_t)t->shape.dim[k] > longest)
            longest = (size_t)t->shape.dim[k];
    return longest > 1 && longest == btz_tensor_count(t);
}

/* Which constants; `origin` says for each value the constant it is, `deep` whether a layer stands before it. */
struct search {
    const struct btz_model *m;
    uint32_t *origin;
    bool *deep, *trained;
};

static const struct btz_tensor *constant_at(const struct search *s, const struct btz_node *n,
                                            uint32_t k, uint32_t *value)
{
    if (k >= n->in_count || n->in[k] == BTZ_NONE)
        return NULL;
    *value = s->origin[n->in[k]];
    return *value == BTZ_NONE ? NULL : s->m->values[*value].constant;
}

static void search_layer(const struct search *s, const struct btz_node *n)
{
    uint32_t most = n->in_count, value;

    if (named(n, "BatchNormalization"))
        most = 3; /* then running statistics */
    else if (named(n, "LSTM") || named(n, "GRU") || named(n, "RNN"))
        most = 4; /* then lengths and first states */
    else if (named(n, "Gather"))
        most = 1;
    for (uint32_t k = 0; k < most && k < n->in_count; k++) {
        const struct btz_tensor *c = constant_at(s, n, k, &value);

        if (c &&
            (c->type == BTZ_F32 || c->type == BTZ_F64 || c->type == BTZ_F16 || c->type == BTZ_BF16))
            s->trained[value] = true;
    }
}

static void search_node(const struct search *s, const struct btz_node *n)
{
    bool layer = is_one_of(n, layers, BTZ_COUNT(layers)), deep = layer;
    uint32_t value;

    for (uint32_t k = 0; k < n->in_count; k++)
        deep = deep || (n->in[k] != BTZ_NONE && s->deep[n->in[k]]);
    if (layer)
        search_layer(s, n);
    for (uint32_t k = 0;
         deep && k < n->in_count && is_one_of(n, elementwise, BTZ_COUNT(elementwise)); k++) {
        const struct btz_tensor *c = constant_at(s, n, k, &value);

        if (c && btz_type_size(c->type) && c->type == BTZ_F32 && is_line(c))
            s->trained[value] = true;
    }
    for (uint32_t k = 0; k < n->out_count; k++)
        if (n->out[k] != BTZ_NONE)
            s->deep[n->out[k]] = deep;
    if (is_one_of(n, carriers, BTZ_COUNT(carriers)) && n->in_count && n->in[0] != BTZ_NONE &&
        n->out_count && n->out[0] != BTZ_NONE)
        s->origin[n->out[0]] = s->origin[n->in[0]];
}

static enum btz_err list_params(const struct search *s, struct btz_harden_params *p)
{
    const struct btz_model *m = s->m;

    p->list = btz_arena_array(&p->arena, (size_t)m->value_count + 1, sizeof p->list[0]);
    if (!p->list)
        return BTZ_LIMIT;
    for (uint32_t v = 0; v < m->value_count; v++) {
        const struct btz_tensor *c = m->values[v].constant;
        size_t count;

        if (!s->trained[v])
            continue;
        if (c->type != BTZ_F32)
            return btz_fail(BTZ_UNSUPPORTED,
                            "weight '%s' is of %s; training needs a model of float32",
                            m->values[v].name, btz_type_name(c->type));
        BTZ_TRY(btz_shape_count(&c->shape, &count));
        p->list[p->count++] =
            (struct btz_harden_param){ v, c->data, count, p->numbers, c->shape.rank };
        p->numbers += count;
    }
    if (!p->numbers)
        return btz_fail(BTZ_UNSUPPORTED, "there is nothing to train: no layer of the model takes "
                                         "its weights from a float32 initializer");
    return BTZ_OK;
}

static enum btz_err find_params(const struct btz_model *m, struct btz_harden_params *p)
{
    size_t values = (size_t)m->value_count + 1;
    struct search s = { .m = m };

    s.origin = btz_arena_array(&p->arena, values, sizeof s.origin[0]);
    s.deep = btz_arena_array(&p->arena, values, sizeof s.deep[0]);
    s.trained = btz_arena_array(&p->arena, values, sizeof s.trained[0]);
    if (!s.origin || !s.deep || !s.trained)
        return BTZ_LIMIT;
    for (uint32_t v = 0; v < m->value_count; v++)
        s.origin[v] = m->values[v].constant ? v : BTZ_NONE;
    for (uint32_t i = 0; i < m->node_count; i++)
        search_node(&s, &m->nodes[i]);
    return list_params(&s, p);
}

/* ---- the model as the nets see it --------------------------------------------------------------------------------------- */

static bool keeps_statistics(const struct btz_model *m, const struct btz_node *n)
{
    return named(n, "BatchNormalization") && n->in_count == 5 && n->in[3] != BTZ_NONE &&
           n->in[4] != BTZ_NONE && m->values[n->in[3]].constant && m->values[n->in[4]].constant &&
           m->values[n->in[3]].constant->type == BTZ_F32 &&
           m->values[n->in[4]].constant->type == BTZ_F32;
}

/* Lets a node of batch normalisation yield its next statistics, as outputs of the model. */
static enum btz_err expose(struct btz_harden_params *p, struct btz_node *n)
{
    struct btz_model *m = &p->cut;
    uint32_t *out = btz_arena_array(&p->arena, 3, sizeof *out);

    if (!out)
        return BTZ_LIMIT;
    out[0] = n->out[0];
    for (uint32_t k = 0; k < 2; k++) {
        uint32_t v = m->value_count++;
        const struct btz_tensor *c = m->values[n->in[3 + k]].constant;

        m->values[v] = (struct btz_value){ .name = "",
                                           .producer = (uint32_t)(n - m->nodes),
                                           .is_output = true };
        out[1 + k] = v;
        p->stats[p->stat_count++] =
            (struct btz_harden_stat){ m->output_count, c->data, btz_tensor_count(c),
                                      p->stat_numbers };
        p->stat_numbers += btz_tensor_count(c);
        m->outputs[m->output_count++] = v;
    }
    n->out = out;
    n->out_count = 3;
    return BTZ_OK;
}

static bool is_softmax(const struct btz_node *n)
{
    return n->in_count && n->in[0] != BTZ_NONE && (named(n, "Softmax") || named(n, "LogSoftmax"));
}

static enum btz_err cut(const struct btz_model *m, struct btz_harden_params *p)
{
    size_t norms = 0;
    uint32_t logits = m->outputs[0];

    for (uint32_t i = 0; i < m->node_count; i++) {
        norms += keeps_statistics(m, &m->nodes[i]);
        p->two_faced = p->two_faced || named(&m->nodes[i], "BatchNormalization") ||
                       named(&m->nodes[i], "Dropout");
    }
    p->cut = *m;
    p->cut.values = btz_arena_array(&p->arena, m->value_count + 2 * norms, sizeof m->values[0]);
    p->cut.nodes = btz_arena_array(&p->arena, (size_t)m->node_count + 1, sizeof m->nodes[0]);
    p->cut.outputs = btz_arena_array(&p->arena, 1 + 2 * norms, sizeof m->outputs[0]);
    p->stats = btz_arena_array(&p->arena, 2 * norms + 1, sizeof p->stats[0]);
    if (!p->cut.values || !p->cut.nodes || !p->cut.outputs || !p->stats)
        return BTZ_LIMIT;
    memcpy(p->cut.values, m->values, m->value_count * sizeof m->values[0]);
    memcpy(p->cut.nodes, m->nodes, m->node_count * sizeof m->nodes[0]);
    while (m->values[logits].producer != BTZ_NONE &&
           is_softmax(&m->nodes[m->values[logits].producer]))
        logits = m->nodes[m->values[logits].producer].in[0];
    for (uint32_t k = 0; k < m->output_count; k++)
        p->cut.values[m->outputs[k]].is_output = false;
    p->cut.values[logits].is_output = true;
    p->cut.outputs[0] = logits;
    p->cut.output_count = 1;
    for (uint32_t i = 0; i < m->node_count; i++)
        if (keeps_statistics(m, &m->nodes[i]))
            BTZ_TRY(expose(p, &p->cut.nodes[i]));
    return BTZ_OK;
}

static enum btz_err find_sample(const struct btz_model *m, const struct btz_shape *sample,
                                struct btz_harden_params *p)
{
    const struct btz_value *in;

    if (m->input_count != 1 || m->output_count < 1)
        return btz_fail(BTZ_UNSUPPORTED,
                        "the model has %" PRIu32 " inputs and %" PRIu32
                        " outputs; a classifier has one input and its scores first",
                        m->input_count, m->output_count);
    in = &m->values[m->inputs[0]];
    if (in->type != BTZ_F32)
        return btz_fail(BTZ_UNSUPPORTED, "input '%s' is of %s; training needs float32", in->name,
                        btz_type_name(in->type));
    p->sample = *sample;
    if (in->has_shape && in->shape.rank > 1) {
        p->sample.rank = in->shape.rank - 1;
        for (uint32_t k = 0; k < p->sample.rank; k++) {
            int64_t d = in->shape.dim[k + 1];

            if (d < 0 && k < sample->rank && sample->rank == p->sample.rank)
                d = sample->dim[k];
            if (d <= 0)
                return btz_fail(BTZ_UNSUPPORTED,
                                "input '%s': dimension %" PRIu32
                                " is open and the data do not say it",
                                in->name, k + 1);
            p->sample.dim[k] = d;
        }
    }
    if (!p->sample.rank)
        return btz_fail(BTZ_UNSUPPORTED, "input '%s' declares no shape of a batch of samples",
                        in->name);
    return btz_shape_count(&p->sample, &p->features);
}

enum btz_err btz_harden_params_open(const struct btz_model *m, const struct btz_shape *sample,
                                    struct btz_harden_params *out)
{
    enum btz_err err;

    *out = (struct btz_harden_params){ 0 };
    btz_arena_init(&out->arena, (size_t)1 << 30);
    err = find_sample(m, sample, out);
    if (!err)
        err = find_params(m, out);
    if (!err)
        err = cut(m, out);
    if (err)
        btz_harden_params_release(out);
    return err;
}

void btz_harden_params_release(struct btz_harden_params *p)
{
    btz_arena_release(&p->arena);
    *p = (struct btz_harden_params){ 0 };
}

void btz_harden_gather(const struct btz_harden_params *p, float *weights, float *stats)
{
    for (size_t i = 0; i < p->count; i++)
        memcpy(weights + p->list[i].offset, p->list[i].data, p->list[i].count * sizeof *weights);
    for (size_t i = 0; i < p->stat_count; i++)
        memcpy(stats + p->stats[i].offset, p->stats[i].data, p->stats[i].count * sizeof *stats);
}

void btz_harden_scatter(const struct btz_harden_params *p, const float *weights, const float *stats)
{
    for (size_t i = 0; i < p->count; i++)
        memcpy(p->list[i].data, weights + p->list[i].offset, p->list[i].count * sizeof *weights);
    for (size_t i = 0; i < p->stat_count; i++)
        memcpy(p->stats[i].data, stats + p->stats[i].offset, p->stats[i].count * sizeof *stats);
}
