/*
 * A net at work: forward, backward.
 */
#include <stdlib.h>

#include "graph/lanes.h"
#include "graph/net.h"

void btz_net_free(struct btz_net *n)
{
    if (!n)
        return;
    for (uint32_t v = 0; n->slots && v < n->model->value_count; v++) {
        free(n->slots[v].heap);
    }
    for (uint32_t i = 0; n->steps && i < n->model->node_count; i++)
        if (n->steps[i].call.state && n->steps[i].call.node->op->release)
            n->steps[i].call.node->op->release(&n->steps[i].call);
    free(n->memory);
    btz_arena_release(&n->arena);
    free(n);
}

size_t btz_net_memory(const struct btz_net *n)
{
    return sizeof *n + n->arena.used + n->memory_bytes;
}

size_t btz_net_grain(const struct btz_net *n)
{
    for (uint32_t i = 0; i < n->model->node_count; i++)
        if (n->steps[i].lanes)
            return BTZ_LANES;
    return 1;
}

struct btz_tensor *btz_net_input(struct btz_net *n, uint32_t i)
{
    return &n->slots[n->model->inputs[i]].t;
}

const struct btz_tensor *btz_net_output(const struct btz_net *n, uint32_t i)
{
    return &btz_net_plain(n, n->model->outputs[i])->t;
}

struct btz_tensor *btz_net_output_grad(struct btz_net *n, uint32_t i)
{
    struct btz_slot *s = btz_net_plain(n, n->model->outputs[i]);

    return s->has_grad ? &s->loss : NULL;
}

const struct btz_tensor *btz_net_input_grad(const struct btz_net *n, uint32_t i)
{
    const struct btz_slot *s = &n->slots[n->model->inputs[i]];

    return s->has_grad ? &s->grad : NULL;
}

size_t btz_net_params(const struct btz_net *n, const struct btz_net_param **out)
{
    *out = n->params;
    return n->param_count;
}

/* ---- forward ---------------------------------------------------------------------------------------------------------- */

enum btz_err btz_net_run_step(struct btz_net *n, struct btz_step *s)
{
    const struct btz_op *op = s->call.node->op;
    BTZ_FREE void *scratch = NULL;

    (void)n;
    if (op->flags & BTZ_OP_VIEW) {
        if (s->folded || s->dynamic)
            s->out[0]->data = s->in[0]->data;
        return BTZ_OK;
    }
    s->call.scratch = s->scratch;
    if (s->lanes && op->lanes)
        return op->lanes->run(&s->call);
    if (s->scratch_bytes && !s->scratch) {
        scratch = aligned_alloc(64, s->scratch_bytes + 64 - s->scratch_bytes % 64);
        if (!scratch)
            return btz_op_fail(&s->call, BTZ_LIMIT, "needs %zu bytes of memory", s->scratch_bytes);
        memset(scratch, 0, s->scratch_bytes);
        s->call.scratch = scratch;
    }
    return op->run(&s->call);
}

static enum btz_err grow(struct btz_net *n, const struct btz_tensor *t, void **heap)
{
    size_t count, bytes, limit = n->options.memory_max ? n->options.memory_max : (size_t)8 << 30;
    void *data;

    BTZ_TRY(btz_shape_count(&t->shape, &count));
    bytes = count * btz_type_size(t->type);
    if (bytes > limit)
        return btz_fail(BTZ_LIMIT, "a tensor of %zu bytes, allowed are %zu", bytes, limit);
    data = realloc(*heap, bytes + 1);
    if (!data)
        return btz_fail(BTZ_LIMIT, "no memory for a tensor of %zu bytes", bytes);
    *heap = data;
    return BTZ_OK;
}

/* A step whose shapes are known only now. */
static enum btz_err run_dynamic(struct btz_net *n, struct btz_step *s)
{
    const struct btz_node *node = s->call.node;
    bool later = false;

    BTZ_TRY(node->op->infer(&s->call, &later));
    if (later)
        return btz_op_fail(&s->call, BTZ_UNSUPPORTED, "its shape cannot be known even at run time");
    for (uint32_t k = 0; k < node->out_count && !(node->op->flags & BTZ_OP_VIEW); k++) {
        struct btz_slot *out = node->out[k] == BTZ_NONE ? NULL : &n->slots[node->out[k]];

        if (!out)
            continue;
        if (!btz_type_size(out->t.type))
            return btz_op_fail(&s->call, BTZ_INPUT, "output %" PRIu32 " has no type", k);
        BTZ_TRY(grow(n, &out->t, &out->heap));
        out->t.data = out->heap;
    }
    s->scratch_bytes = node->op->scratch ? node->op->scratch(&s->call) : 0;
    if (s->scratch_bytes > SIZE_MAX / 4)
        return btz_op_fail(&s->call, BTZ_LIMIT, "needs too much memory");
    return btz_net_run_step(n, s);
}

/* A value in its other layout, for those that want it. */
static void convert(struct btz_net *n, uint32_t id)
{
    const struct btz_slot *s = id == BTZ_NONE ? NULL : &n->slots[id];
    const struct btz_slot *alt = s && s->alt != BTZ_NONE ? &n->slots[s->alt] : NULL;

    if (!alt)
        return;
    if (s->lanes)
        btz_lanes_scatter(n->isa, &s->t, &alt->t, false);
    else
        btz_lanes_gather(n->isa, &s->t, &alt->t, false);
}

enum btz_err btz_net_forward(struct btz_net *n)
{
    n->turns = 0;
    for (uint32_t i = 0; i < n->model->input_count; i++)
        convert(n, n->model->inputs[i]);
    for (uint32_t i = 0; i < n->model->node_count; i++) {
        struct btz_step *s = &n->steps[i];

        if (!s->live || s->folded || s->fused)
            continue;
        BTZ_TRY(s->dynamic ? run_dynamic(n, s) : btz_net_run_step(n, s));
        for (uint32_t k = 0; k < s->call.out_count; k++)
            convert(n, s->out_id[k]);
    }
    n->ran = true;
    return BTZ_OK;
}

enum btz_err btz_net_params_changed(struct btz_net *n)
{
    for (uint32_t v = 0; v < n->model->value_count; v++) {
        const struct btz_tensor *c = n->model->values[v].constant;

        if (c && n->slots[v].live && n->slots[v].t.type != c->type)
            btz_tensor_convert(c, &n->slots[v].t);
    }
    for (uint32_t i = 0; i < n->model->node_count; i++)
        if (n->steps[i].folded)
            BTZ_TRY(btz_net_run_step(n, &n->steps[i]));
    btz_net_pack(n);
    n->ran = false;
    return BTZ_OK;
}

/* ---- backward --------------------------------------------------------------------------------------------------------- */

static void add_all(const struct btz_tensor *from, const struct btz_tensor *to)
{
    size_t count = btz_tensor_count(from);

    if (from->type == BTZ_F32) {
        const float *a = from->data;
        float *b = to->data;

        for (size_t i = 0; i < count; i++)
            b[i] += a[i];
    } else {
        const double *a = from->data;
        double *b = to->data;

        for (size_t i = 0; i < count; i++)
            b[i] += a[i];
    }
}

static void zero(const struct btz_tensor *t)
{
    if (t->data)
        memset(t->data, 0, btz_tensor_bytes(t));
}

/* Gradients that came in the other layout. `time` is now. */
static void merge(struct btz_net *n, uint32_t id, size_t time)
{
    const struct btz_slot *s = id == BTZ_NONE ? NULL : &n->slots[id];
    const struct btz_slot *alt = s && s->alt != BTZ_NONE ? &n->slots[s->alt] : NULL;
    bool add = s && s->grad_begin < time;

    if (!alt || !alt->has_grad)
        return;
    if (!s->lanes)
        btz_lanes_scatter(n->isa, &alt->grad, &s->grad, add);
    else if (add)
        btz_lanes_add(&alt->grad, &s->grad);
    else
        btz_lanes_gather(n->isa, &alt->grad, &s->grad, true);
}

/* Gradients of inputs that nobody has added to yet: zeros, or written where the operator can. */
static void begin_grads(struct btz_net *n, struct btz_step *s, size_t time)
{
    s->call.overwrite = 0;
    for (uint32_t k = 0; k < s->call.in_count; k++) {
        struct btz_slot *in = s->in_id[k] == BTZ_NONE ? NULL : &n->slots[s->in_id[k]];

        if (!in || !in->has_grad)
            continue;
        if (in->grad_begin == time) {
            if (k < 32 &&
                (s->call.node->op->flags & BTZ_OP_VIEW || (s->lanes && s->call.node->op->lanes)))
                s->call.overwrite |= (uint32_t)1 << k;
            else
                zero(&in->grad);
        }
    }
}

static enum btz_err back_step(struct btz_net *n, struct btz_step *s, size_t time)
{
    const struct btz_node *node = s->call.node;
    bool any = false;

    for (uint32_t k = 0; k < node->out_count; k++) {
        any = any || s->out_grad[k];
        merge(n, s->out_id[k], time);
    }
    begin_grads(n, s, time);
    if (!any)
        return BTZ_OK;
    if (node->op->flags & BTZ_OP_VIEW) {
        if (s->call.overwrite & 1)
            memcpy(s->in_grad[0]->data, s->out_grad[0]->data, btz_tensor_bytes(s->out_grad[0]));
        else
            add_all(s->out_grad[0], s->in_grad[0]);
        return BTZ_OK;
    }
    s->call.scratch = s->scratch_back;
    if (s->lanes && node->op->lanes)
        return node->op->lanes->grad(&s->call);
    return node->op->grad(&s->call);
}

enum btz_err btz_net_backward(struct btz_net *n)
{
    const struct btz_model *m = n->model;
    size_t end = 2 * (size_t)m->node_count;

    if (!n->ran)
        return btz_fail(BTZ_INTERNAL, "backward without a forward before");
    /* Without `repeat`, gradients lie where the activations were. */
    n->ran = n->options.repeat;
    for (uint32_t v = 0; v < n->slot_count; v++) {
        struct btz_slot *s = &n->slots[v];

        if (!s->has_grad)
            continue;
        if (s->producer == BTZ_NONE && s->grad_begin == end)
            zero(&s->grad);
        if (s->is_output)
            memcpy(s->grad.data, s->loss.data, btz_tensor_bytes(&s->grad));
    }
    for (uint32_t i = m->node_count; i-- > 0;)
        if (n->steps[i].backward && !n->steps[i].fused)
            BTZ_TRY(back_step(n, &n->steps[i], 2 * (size_t)m->node_count - 1 - i));
    for (uint32_t i = 0; i < m->input_count; i++)
        merge(n, m->inputs[i], end);
    return BTZ_OK;
}
