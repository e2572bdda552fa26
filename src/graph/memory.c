/*
 * Lifetimes of activations, gradients and scratch, and where each lies.
 */
#include <stdlib.h>

#include "graph/net.h"

static size_t back(const struct btz_net *n, size_t node)
{
    return 2 * (size_t)n->model->node_count - 1 - node;
}

/* Until when what forward left is there for the backward of a node. */
static size_t needed(const struct btz_net *n, size_t node)
{
    return n->options.repeat ? 2 * (size_t)n->model->node_count : back(n, node);
}

static uint32_t root_of(struct btz_net *n, uint32_t v)
{
    while (n->slots[v].root != v)
        v = n->slots[v].root;
    return v;
}

static void use(struct btz_net *n, uint32_t v, size_t time)
{
    struct btz_slot *root = &n->slots[root_of(n, v)];

    if (root->last < time)
        root->last = time;
}

/* Who shares memory because it is the same: views. */
static void share_views(struct btz_net *n)
{
    for (uint32_t i = 0; i < n->model->node_count; i++) {
        const struct btz_node *node = &n->model->nodes[i];
        struct btz_step *s = &n->steps[i];

        if (s->live && !s->folded && !s->dynamic && (node->op->flags & BTZ_OP_VIEW))
            n->slots[s->out_id[0]].root = root_of(n, s->in_id[0]);
    }
}

static void lifetimes(struct btz_net *n)
{
    const struct btz_model *m = n->model;
    size_t end = 2 * (size_t)m->node_count;

    for (uint32_t v = 0; v < n->slot_count; v++) {
        n->slots[v].first = n->slots[v].producer == BTZ_NONE ? 0 : n->slots[v].producer;
        if (n->slots[v].last < n->slots[v].first)
            n->slots[v].last = n->slots[v].first;
    }
    for (uint32_t v = 0; v < n->slot_count; v++)
        if (n->slots[v].kept) {
            use(n, v, end);
            if (v < m->value_count && m->values[v].is_input)
                n->slots[root_of(n, v)].first = 0;
        }
    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct btz_node *node = &m->nodes[i];
        struct btz_step *s = &n->steps[i];

        if (!s->live || s->folded || s->fused)
            continue;
        for (uint32_t k = 0; k < node->in_count; k++)
            if (node->in[k] != BTZ_NONE)
                use(n, s->in_id[k],
                    s->backward && (node->op->flags & BTZ_OP_GRAD_IN) ? needed(n, i) : i);
        /* Whoever reads a view that only the run can make reads this. */
        if (s->dynamic && (node->op->flags & BTZ_OP_VIEW))
            use(n, node->in[0], end);
        for (uint32_t k = 0; k < node->out_count; k++)
            if (node->out[k] != BTZ_NONE)
                use(n, s->out_id[k],
                    s->backward && (s->call.relu || node->op->flags & BTZ_OP_GRAD_OUT)
                        ? needed(n, i)
                        : i);
    }
    /* What backward reads stays until the next forward: backward may run once more, for another loss. */
    for (uint32_t v = 0; v < m->value_count; v++)
        if (n->slots[v].last >= m->node_count)
            n->slots[v].last = end;
}

/* An operator that may write over its input does so where nobody reads that any more. */
static void share_in_place(struct btz_net *n)
{
    const struct btz_model *m = n->model;

    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct btz_node *node = &m->nodes[i];
        struct btz_step *s = &n->steps[i];
        struct btz_slot *in, *out;

        if (!s->live || s->folded || s->dynamic || s->fused || !(node->op->flags & BTZ_OP_IN_PLACE))
            continue;
        in = &n->slots[root_of(n, s->in_id[0])];
        out = &n->slots[s->out_id[0]];
        if (in->fixed || in->kept || in->last != i || out->root != s->out_id[0] ||
            btz_tensor_bytes(&in->t) != btz_tensor_bytes(&out->t))
            continue;
        in->last = out->last;
        in->kept = out->kept;
        out->root = root_of(n, s->in_id[0]);
    }
}

static void grad_lifetimes(struct btz_net *n)
{
    const struct btz_model *m = n->model;
    size_t nodes = m->node_count, end = 2 * nodes;

    for (uint32_t v = 0; v < n->slot_count; v++) {
        struct btz_slot *s = &n->slots[v];

        /* The loss is there before backward begins. */
        s->grad_first = s->is_output ? (nodes ? nodes - 1 : 0) : end;
        s->grad_last = s->producer == BTZ_NONE ? end : back(n, s->producer);
    }
    for (uint32_t i = 0; i < m->node_count; i++)
        for (uint32_t k = 0; n->steps[i].backward && !n->steps[i].fused && k < m->nodes[i].in_count;
             k++) {
            uint32_t v = n->steps[i].in_id[k];

            if (v != BTZ_NONE && back(n, i) < n->slots[v].grad_first)
                n->slots[v].grad_first = back(n, i);
        }
    for (uint32_t v = 0; v < n->slot_count; v++) {
        struct btz_slot *s = &n->slots[v];

        s->grad_begin = s->grad_first;
        /* What only comes from the other layout comes when the producer asks for it. */
        if (s->grad_first > s->grad_last)
            s->grad_first = s->grad_last;
        if (s->producer == BTZ_NONE)
            s->grad_first = 0;
    }
}

static void add_place(struct btz_place *places, size_t *count, size_t first, size_t last,
                      size_t bytes, void **where)
{
    places[(*count)++] = (struct btz_place){ first, last, bytes ? bytes : 1, where };
}

static void collect(struct btz_net *n, struct btz_place *places, size_t *count)
{
    const struct btz_model *m = n->model;
    size_t end = 2 * (size_t)m->node_count;

    for (uint32_t v = 0; v < n->slot_count; v++) {
        struct btz_slot *s = &n->slots[v];

        if (!s->live || !s->defined)
            continue;
        if (!s->constant && !s->fixed && s->root == v)
            add_place(places, count, s->first, s->last, btz_tensor_bytes(&s->t), &s->t.data);
        if (!s->has_grad)
            continue;
        s->grad = s->t;
        add_place(places, count, s->grad_first, s->grad_last, btz_tensor_bytes(&s->t),
                  &s->grad.data);
        if (s->is_output) {
            s->loss = s->t;
            add_place(places, count, 0, end, btz_tensor_bytes(&s->t), &s->loss.data);
        }
    }
    for (uint32_t i = 0; i < m->node_count; i++) {
        struct btz_step *s = &n->steps[i];
        bool saved;

        if (!s->live || s->folded || s->dynamic || s->fused || !s->scratch_bytes)
            continue;
        saved = s->backward && (m->nodes[i].op->flags & BTZ_OP_GRAD_SAVED);
        add_place(places, count, i, saved ? end : i, s->scratch_bytes, &s->scratch);
        if (s->backward && !saved)
            add_place(places, count, back(n, i), back(n, i), s->scratch_bytes, &s->scratch_back);
    }
}

enum btz_err btz_net_place(struct btz_net *n)
{
    const struct btz_model *m = n->model;
    size_t most = (size_t)n->slot_count * 3 + (size_t)m->node_count * 2, count = 0, total;
    size_t limit = n->options.memory_max ? n->options.memory_max : (size_t)8 << 30;
    struct btz_place *places = btz_arena_array(&n->arena, most + 1, sizeof *places);
    size_t *offsets = btz_arena_array(&n->arena, most + 1, sizeof *offsets);

    if (!places || !offsets)
        return BTZ_LIMIT;
    share_views(n);
    lifetimes(n);
    share_in_place(n);
    grad_lifetimes(n);
    collect(n, places, &count);
    BTZ_TRY(btz_layout(places, count, &n->arena, offsets, &total));
    if (total > limit || n->arena.used > limit - total)
        return btz_fail(BTZ_LIMIT,
                        "the plan needs %zu bytes of memory, allowed are %zu: use a smaller batch",
                        total + n->arena.used, limit);
    n->memory_bytes = total;
    n->memory = aligned_alloc(64, total ? total : 64);
    if (!n->memory)
        return btz_fail(BTZ_LIMIT, "no memory for a plan of %zu bytes", total);
    memset(n->memory, 0, total ? total : 64);
    for (size_t i = 0; i < count; i++)
        *places[i].where = (uint8_t *)n->memory + offsets[i];
    for (uint32_t v = 0; v < n->slot_count; v++)
        if (n->slots[v].root != v)
            n->slots[v].t.data = n->slots[root_of(n, v)].t.data;
    for (uint32_t i = 0; i < m->node_count; i++)
        if (!n->steps[i].scratch_back)
            n->steps[i].scratch_back = n->steps[i].scratch;
    return BTZ_OK;
}
