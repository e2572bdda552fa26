/*
 * From a model to a net: what is needed, what is constant, every shape, where gradients flow.
 */
#include <stdlib.h>

#include "graph/net.h"

static enum btz_type computed(const struct btz_net *n, enum btz_type type)
{
    struct btz_call call = { .doubles = n->options.doubles };

    return btz_call_type(&call, type);
}

static void mark_live(struct btz_net *n)
{
    const struct btz_model *m = n->model;

    for (uint32_t i = 0; i < m->output_count; i++)
        n->slots[m->outputs[i]].live = true;
    for (uint32_t i = m->node_count; i-- > 0;) {
        const struct btz_node *node = &m->nodes[i];

        for (uint32_t k = 0; k < node->out_count; k++)
            if (node->out[k] != BTZ_NONE && n->slots[node->out[k]].live)
                n->steps[i].live = true;
        for (uint32_t k = 0; n->steps[i].live && k < node->in_count; k++)
            if (node->in[k] != BTZ_NONE)
                n->slots[node->in[k]].live = true;
    }
    /* What a live node leaves behind beside is written, too. */
    for (uint32_t i = 0; i < m->node_count; i++)
        for (uint32_t k = 0; n->steps[i].live && k < m->nodes[i].out_count; k++)
            if (m->nodes[i].out[k] != BTZ_NONE)
                n->slots[m->nodes[i].out[k]].live = true;
}

static enum btz_err plan_inputs(struct btz_net *n)
{
    const struct btz_model *m = n->model;

    for (uint32_t i = 0; i < m->input_count; i++) {
        const struct btz_value *v = &m->values[m->inputs[i]];
        struct btz_slot *s = &n->slots[m->inputs[i]];
        size_t count;

        enum btz_type type = v->type || !n->options.types ? v->type : n->options.types[i];

        if (!btz_type_size(type))
            return btz_fail(BTZ_UNSUPPORTED, "input '%s' is no tensor of a supported type",
                            v->name);
        if (!n->options.inputs && !v->has_shape)
            return btz_fail(BTZ_INPUT, "input '%s' declares no shape: say one", v->name);
        s->t.type = computed(n, type);
        s->t.shape = n->options.inputs ? n->options.inputs[i] : v->shape;
        if (!n->options.inputs && s->t.shape.rank && s->t.shape.dim[0] < 0 && n->options.batch > 0)
            s->t.shape.dim[0] = n->options.batch;
        if (v->has_shape && v->shape.rank != s->t.shape.rank)
            return btz_fail(BTZ_INPUT, "input '%s' has %" PRIu32 " axes, expected %" PRIu32,
                            v->name, s->t.shape.rank, v->shape.rank);
        for (uint32_t k = 0; k < s->t.shape.rank; k++) {
            if (s->t.shape.dim[k] < 0)
                return btz_fail(BTZ_INPUT, "input '%s': dimension %" PRIu32 " is open: say which",
                                v->name, k);
            if (v->has_shape && k > 0 && v->shape.dim[k] >= 0 &&
                v->shape.dim[k] != s->t.shape.dim[k])
                return btz_fail(BTZ_INPUT,
                                "input '%s': dimension %" PRIu32 " is %" PRId64
                                ", expected %" PRId64,
                                v->name, k, s->t.shape.dim[k], v->shape.dim[k]);
        }
        BTZ_TRY(btz_shape_count(&s->t.shape, &count));
        s->live = s->defined = s->kept = true;
        s->wants = n->options.input_grads && btz_type_is_real(s->t.type);
    }
    return BTZ_OK;
}

static enum btz_err plan_constants(struct btz_net *n)
{
    const struct btz_model *m = n->model;

    for (uint32_t v = 0; v < m->value_count; v++) {
        struct btz_slot *s = &n->slots[v];
        const struct btz_tensor *c = m->values[v].constant;

        s->root = v;
        s->kept = s->kept || m->values[v].is_output;
        if (!c || !s->live)
            continue;
        s->t = *c;
        s->t.type = computed(n, c->type);
        s->defined = s->constant = s->fixed = true;
        s->wants = n->options.param_grads && btz_type_is_real(s->t.type);
        if (s->t.type != c->type) {
            s->t.data = btz_arena_alloc(&n->arena, btz_tensor_bytes(&s->t) + 1);
            if (!s->t.data)
                return BTZ_LIMIT;
            btz_tensor_convert(c, &s->t);
        }
    }
    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct btz_node *node = &m->nodes[i];

        for (uint32_t k = 0; node->op && k < node->in_count && k < 32; k++)
            if (node->op->settings >> k & 1 && node->in[k] != BTZ_NONE &&
                m->values[node->in[k]].constant)
                n->slots[node->in[k]].wants = false;
    }
    return BTZ_OK;
}

static enum btz_err bind(struct btz_net *n, uint32_t index)
{
    const struct btz_node *node = &n->model->nodes[index];
    struct btz_step *s = &n->steps[index];

    s->in = btz_arena_array(&n->arena, node->in_count + 1, sizeof s->in[0]);
    s->out = btz_arena_array(&n->arena, node->out_count + 1, sizeof s->out[0]);
    s->in_grad = btz_arena_array(&n->arena, node->in_count + 1, sizeof s->in_grad[0]);
    s->in_id = btz_arena_array(&n->arena, node->in_count + 1, sizeof s->in_id[0]);
    s->out_id = btz_arena_array(&n->arena, node->out_count + 1, sizeof s->out_id[0]);
    s->out_grad = btz_arena_array(&n->arena, node->out_count + 1, sizeof s->out_grad[0]);
    if (!s->in || !s->out || !s->in_grad || !s->out_grad || !s->in_id || !s->out_id)
        return BTZ_LIMIT;
    for (uint32_t k = 0; k < node->in_count; k++)
        s->in[k] = node->in[k] == BTZ_NONE ? NULL : &n->slots[node->in[k]].t;
    for (uint32_t k = 0; k < node->out_count; k++)
        s->out[k] = node->out[k] == BTZ_NONE ? NULL : &n->slots[node->out[k]].t;
    s->call = (struct btz_call){
        .node = node,
        .model = n->model,
        .in_count = node->in_count,
        .out_count = node->out_count,
        .in = s->in,
        .out = s->out,
        .in_grad = s->in_grad,
        .out_grad = s->out_grad,
        .training = n->options.training,
        .reference = n->options.reference,
        .doubles = n->options.doubles,
        .own = n->options.isa != NULL,
        .rng = &n->rng,
        .memory_max = n->options.memory_max,
        .turns_max = n->options.turns_max ? n->options.turns_max : UINT64_C(1) << 22,
        .turns = n->options.turns ? n->options.turns : &n->turns,
    };
    return BTZ_OK;
}

/* Runs a step whose inputs will not change, once and for all. */
static enum btz_err fold(struct btz_net *n, struct btz_step *s)
{
    const struct btz_node *node = s->call.node;

    s->folded = true;
    for (uint32_t k = 0; k < node->out_count; k++) {
        struct btz_slot *out = node->out[k] == BTZ_NONE ? NULL : &n->slots[node->out[k]];

        if (!out)
            continue;
        out->constant = out->fixed = true;
        out->t.data = btz_arena_alloc(&n->arena, btz_tensor_bytes(&out->t) + 1);
        if (!out->t.data)
            return BTZ_LIMIT;
    }
    return btz_net_run_step(n, s);
}

static enum btz_err plan_step(struct btz_net *n, uint32_t index)
{
    const struct btz_node *node = &n->model->nodes[index];
    struct btz_step *s = &n->steps[index];
    bool later = false, constant = true, wanted = false;
    size_t count;

    if (!node->op)
        return btz_fail(
            BTZ_UNSUPPORTED, "operator %s%s%s of node '%s' in opset %" PRId64 " is not supported",
            node->domain, *node->domain ? "." : "", node->type, node->name, node->opset);
    BTZ_TRY(bind(n, index));
    for (uint32_t k = 0; k < node->in_count; k++) {
        const struct btz_slot *in = node->in[k] == BTZ_NONE ? NULL : &n->slots[node->in[k]];

        s->dynamic = s->dynamic || (in && !in->defined);
        constant = constant && (!in || in->constant);
        wanted = wanted || (in && in->wants);
    }
    if (node->op->prepare)
        BTZ_TRY(node->op->prepare(&s->call, &n->arena));
    if (!s->dynamic)
        BTZ_TRY(node->op->infer(&s->call, &later));
    s->dynamic = s->dynamic || later;
    for (uint32_t k = 0; k < node->out_count; k++) {
        struct btz_slot *out = node->out[k] == BTZ_NONE ? NULL : &n->slots[node->out[k]];

        if (!out)
            continue;
        out->wants = wanted && (node->op->grad || node->op->flags & BTZ_OP_VIEW) &&
                     (s->dynamic || btz_type_is_real(out->t.type));
        out->defined = !s->dynamic;
        if (out->defined) {
            BTZ_TRY(btz_shape_count(&out->t.shape, &count));
            if (!btz_type_size(out->t.type))
                return btz_op_fail(&s->call, BTZ_INPUT, "output %" PRIu32 " has no type", k);
        }
    }
    if (s->dynamic)
        return BTZ_OK;
    if (node->op->scratch)
        s->scratch_bytes = node->op->scratch(&s->call);
    if (s->scratch_bytes > SIZE_MAX / 4)
        return btz_op_fail(&s->call, BTZ_LIMIT, "needs too much memory");
    if (((constant && !wanted) || (node->op->flags & BTZ_OP_SHAPE_ONLY)) &&
        !(node->op->flags & BTZ_OP_RANDOM))
        return fold(n, s);
    return BTZ_OK;
}

/* Gradients flow where both ends want them. */
static enum btz_err plan_grads(struct btz_net *n)
{
    const struct btz_model *m = n->model;

    /* No loss is given for an output whose shape depends on data, so nothing flows through such steps. */
    for (uint32_t i = 0; i < m->output_count; i++)
        n->slots[m->outputs[i]].reaches = n->slots[m->outputs[i]].defined;
    for (uint32_t i = m->node_count; i-- > 0;) {
        const struct btz_node *node = &m->nodes[i];
        struct btz_step *s = &n->steps[i];
        bool reaches = false;

        if (!s->live || s->folded || !(node->op->grad || node->op->flags & BTZ_OP_VIEW))
            continue;
        for (uint32_t k = 0; k < node->out_count; k++)
            reaches = reaches || (node->out[k] != BTZ_NONE && n->slots[node->out[k]].reaches &&
                                  n->slots[node->out[k]].wants);
        for (uint32_t k = 0; reaches && k < node->in_count; k++)
            if (node->in[k] != BTZ_NONE)
                n->slots[node->in[k]].reaches = true;
        s->backward = reaches;
    }
    for (uint32_t v = 0; v < m->value_count; v++) {
        n->slots[v].has_grad = n->slots[v].wants && n->slots[v].reaches;
        n->param_count += n->slots[v].has_grad && m->values[v].constant;
    }
    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct btz_node *node = &m->nodes[i];
        struct btz_step *s = &n->steps[i];

        if (!s->backward)
            continue;
        for (uint32_t k = 0; k < node->in_count; k++)
            if (node->in[k] != BTZ_NONE && n->slots[node->in[k]].has_grad)
                s->in_grad[k] = &n->slots[node->in[k]].grad;
        for (uint32_t k = 0; k < node->out_count; k++)
            if (node->out[k] != BTZ_NONE && n->slots[node->out[k]].has_grad)
                s->out_grad[k] = &n->slots[node->out[k]].grad;
    }
    n->params = btz_arena_array(&n->arena, n->param_count + 1, sizeof n->params[0]);
    return n->params ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err plan(struct btz_net *n)
{
    const struct btz_model *m = n->model;
    size_t at = 0;

    mark_live(n);
    BTZ_TRY(plan_inputs(n));
    BTZ_TRY(plan_constants(n));
    for (uint32_t i = 0; i < m->node_count; i++)
        if (n->steps[i].live)
            BTZ_TRY(plan_step(n, i));
    BTZ_TRY(plan_grads(n));
    BTZ_TRY(btz_net_lanes(n));
    BTZ_TRY(btz_net_place(n));
    BTZ_TRY(btz_net_lanes_bind(n));
    for (uint32_t v = 0; v < m->value_count; v++)
        if (n->slots[v].has_grad && m->values[v].constant)
            n->params[at++] = (struct btz_net_param){ v, m->values[v].constant, &n->slots[v].grad };
    return BTZ_OK;
}

void btz_net_seed(struct btz_net *n, uint64_t seed)
{
    btz_rng_init(&n->rng, seed, btz_rng_stream(btz_str("graph")));
}

enum btz_err btz_net_new(const struct btz_model *model, const struct btz_net_options *options,
                         struct btz_net **out)
{
    struct btz_net *n = calloc(1, sizeof *n);
    enum btz_err err;

    if (!n)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_gemm_setup();
    n->model = model;
    n->options = *options;
    btz_arena_init(&n->arena, options->memory_max ? options->memory_max : (size_t)8 << 30);
    btz_net_seed(n, options->seed);
    n->slot_count = 2 * model->value_count;
    n->slots = btz_arena_array(&n->arena, (size_t)n->slot_count + 1, sizeof n->slots[0]);
    n->steps = btz_arena_array(&n->arena, (size_t)model->node_count + 1, sizeof n->steps[0]);
    err = n->slots && n->steps ? plan(n) : BTZ_LIMIT;
    if (err != BTZ_OK) {
        btz_net_free(n);
        return err;
    }
    n->options.inputs = NULL; /* the caller's, not kept */
    n->options.types = NULL;
    *out = n;
    return BTZ_OK;
}
