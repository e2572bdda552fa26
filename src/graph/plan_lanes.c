/*
 * Which steps of a net work in lanes, and where values change their layout: a value has the layout of the step that makes it,
 * and a second slot for those that want the other one.
 */
#include <stdlib.h>

#include "graph/lanes.h"
#include "graph/net.h"

/* A batch of floats of the net's size. */
static bool is_batch(const struct btz_net *n, uint32_t v, int64_t batch)
{
    const struct btz_slot *s;

    if (v == BTZ_NONE)
        return false;
    s = &n->slots[v];
    return s->defined && !s->constant && s->t.type == BTZ_F32 && s->t.shape.rank > 0 &&
           s->t.shape.rank < BTZ_RANK_MAX && s->t.shape.dim[0] == batch;
}

static bool constant_floats(const struct btz_net *n, uint32_t v)
{
    return n->slots[v].constant && n->slots[v].t.type == BTZ_F32;
}

/* Element by element: batches of the same number of axes, and constants without one. */
static bool fits_wise(const struct btz_net *n, const struct btz_node *node, int64_t batch)
{
    uint32_t rank = n->slots[node->out[0]].t.shape.rank;
    bool any = false;

    for (uint32_t k = 0; k < node->in_count; k++) {
        const struct btz_slot *in;

        if (node->in[k] == BTZ_NONE)
            continue;
        in = &n->slots[node->in[k]];
        any = any || in->lanes;
        if (is_batch(n, node->in[k], batch) && in->t.shape.rank == rank)
            continue;
        if (!constant_floats(n, node->in[k]) || in->t.shape.rank > rank ||
            (in->t.shape.rank == rank && in->t.shape.dim[0] != 1))
            return false;
    }
    return any;
}

static bool fits(struct btz_net *n, struct btz_step *s, int64_t batch)
{
    const struct btz_node *node = s->call.node;
    const struct btz_op_lanes *own;

    if (!s->live || s->folded || s->dynamic || node->in_count < 1 || node->out_count < 1 ||
        !is_batch(n, node->out[0], batch))
        return false;
    own = node->op->lanes; /* a step that is not live has no node */
    for (uint32_t k = 1; k < node->out_count; k++)
        if (node->out[k] != BTZ_NONE)
            return false;
    if (node->op->flags & BTZ_OP_VIEW)
        return is_batch(n, node->in[0], batch) && n->slots[node->in[0]].lanes;
    if (node->op->flags & BTZ_OP_WISE)
        return fits_wise(n, node, batch);
    if (!own || !is_batch(n, node->in[0], batch) || (own->seldom && !n->slots[node->in[0]].lanes))
        return false;
    for (uint32_t k = 1; k < node->in_count; k++)
        if (node->in[k] != BTZ_NONE && !constant_floats(n, node->in[k]))
            return false;
    return own->fits(&s->call);
}

/* ---- steps that become part of the one before them --------------------------------------------------------------------- */

static bool can_join(const struct btz_step *to, const struct btz_step *s)
{
    const struct btz_op_lanes *own = to->call.node->op->lanes;

    if (!s->lanes || !to->lanes || to->fused || !own || to->call.relu)
        return false;
    if (strcmp(s->call.node->type, "Relu") == 0)
        return own->relu;
    return own->scaled && !to->call.norm && !to->in_grad[1] && !btz_call_in_grad(&to->call, 2) &&
           strcmp(s->call.node->type, "BatchNormalization") == 0;
}

static void join(struct btz_net *n, uint32_t index, struct btz_step *s, uint32_t value)
{
    struct btz_step *to = &n->steps[index];

    s->fused = true;
    if (strcmp(s->call.node->type, "Relu") == 0)
        to->call.relu = true;
    else
        to->call.norm = &s->call;
    to->out_id[0] = s->out_id[0];
    n->slots[s->out_id[0]].producer = index;
    n->slots[value].live = n->slots[value].has_grad = false;
}

static enum btz_err fuse(struct btz_net *n)
{
    const struct btz_model *m = n->model;
    uint32_t *users = btz_arena_array(&n->arena, m->value_count + 1, sizeof *users);

    if (!users)
        return BTZ_LIMIT;
    for (uint32_t i = 0; i < m->node_count; i++)
        for (uint32_t k = 0; n->steps[i].live && k < m->nodes[i].in_count; k++)
            if (m->nodes[i].in[k] != BTZ_NONE)
                users[m->nodes[i].in[k]]++;
    for (uint32_t i = 0; i < m->node_count; i++) {
        struct btz_step *s = &n->steps[i];
        uint32_t v, before;

        if (!s->lanes || !m->nodes[i].in_count || m->nodes[i].in[0] == BTZ_NONE)
            continue;
        v = m->nodes[i].in[0];
        before = n->slots[v].producer;
        if (before != BTZ_NONE && users[v] == 1 && !m->values[v].is_output &&
            can_join(&n->steps[before], s))
            join(n, before, s, v);
    }
    return BTZ_OK;
}

/* ---- layouts ---------------------------------------------------------------------------------------------------------- */

static uint32_t other(struct btz_net *n, uint32_t v)
{
    uint32_t id = n->model->value_count + v;
    struct btz_slot *s = &n->slots[v], *alt = &n->slots[id];

    if (s->alt != BTZ_NONE)
        return s->alt;
    *alt = (struct btz_slot){ .t = s->t,
                              .live = true,
                              .defined = true,
                              .lanes = !s->lanes,
                              .alt = BTZ_NONE,
                              .producer = s->producer,
                              .root = id };
    s->alt = id;
    return id;
}

static void choose_slots(struct btz_net *n)
{
    const struct btz_model *m = n->model;

    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct btz_node *node = &m->nodes[i];
        struct btz_step *s = &n->steps[i];

        for (uint32_t k = 0; s->live && !s->folded && k < node->in_count; k++) {
            struct btz_slot *in = node->in[k] == BTZ_NONE ? NULL : &n->slots[node->in[k]];

            if (!in || in->constant || !in->defined || in->lanes == s->lanes)
                continue;
            s->in_id[k] = other(n, node->in[k]);
            /* Gradients come from steps that have some. */
            if (s->backward && in->has_grad)
                n->slots[s->in_id[k]].has_grad = true;
        }
    }
    for (uint32_t i = 0; i < m->output_count; i++) {
        uint32_t v = m->outputs[i];

        if (!n->slots[v].lanes)
            continue;
        n->slots[other(n, v)].kept = true;
        n->slots[n->slots[v].alt].is_output = true;
        n->slots[n->slots[v].alt].has_grad = n->slots[v].has_grad;
        n->slots[v].kept = n->slots[v].is_output = false;
    }
    for (uint32_t v = 0; v < n->slot_count; v++)
        if (n->slots[v].lanes)
            (void)btz_lanes_shape(&n->slots[v].t.shape, &n->slots[v].t.shape);
}

/* Constants of a step element by element get an axis for the lanes. */
static enum btz_err widen(struct btz_net *n, struct btz_step *s)
{
    const struct btz_node *node = s->call.node;
    uint32_t rank = n->slots[s->out_id[0]].t.shape.rank;

    for (uint32_t k = 0; k < node->in_count; k++) {
        const struct btz_slot *in = node->in[k] == BTZ_NONE ? NULL : &n->slots[node->in[k]];
        struct btz_tensor *both;

        if (!in || !in->constant)
            continue;
        both = btz_arena_array(&n->arena, 2, sizeof *both);
        if (!both)
            return BTZ_LIMIT;
        both[0] = in->t;
        both[0].shape.rank = rank;
        for (uint32_t i = 0; i < rank; i++)
            both[0].shape.dim[i] = 1;
        memcpy(&both[0].shape.dim[rank - 1 - in->t.shape.rank], in->t.shape.dim,
               in->t.shape.rank * sizeof in->t.shape.dim[0]);
        both[1] = both[0];
        s->in[k] = &both[0];
        if (s->in_grad[k])
            s->in_grad[k] = &both[1];
    }
    return BTZ_OK;
}

static enum btz_err connect(struct btz_net *n, uint32_t i)
{
    const struct btz_node *node = &n->model->nodes[i];
    const struct btz_op_lanes *own = node->op->lanes;
    struct btz_step *s = &n->steps[i];

    for (uint32_t k = 0; k < node->in_count; k++) {
        if (s->in_id[k] == BTZ_NONE)
            continue;
        s->in[k] = &n->slots[s->in_id[k]].t;
        if (s->backward && n->slots[s->in_id[k]].has_grad)
            s->in_grad[k] = &n->slots[s->in_id[k]].grad;
    }
    for (uint32_t k = 0; k < node->out_count; k++) {
        if (s->out_id[k] == BTZ_NONE)
            continue;
        s->out[k] = &n->slots[s->out_id[k]].t;
        if (s->backward && n->slots[s->out_id[k]].has_grad)
            s->out_grad[k] = &n->slots[s->out_id[k]].grad;
    }
    if (!s->lanes)
        return BTZ_OK;
    s->scratch_bytes = 0;
    s->call.isa = n->isa;
    if (node->op->flags & BTZ_OP_WISE)
        return widen(n, s);
    if (!own)
        return BTZ_OK;
    if (own->prepare)
        BTZ_TRY(own->prepare(&s->call, &n->arena));
    if (own->scratch)
        s->scratch_bytes = own->scratch(&s->call);
    return s->scratch_bytes > SIZE_MAX / 4
               ? btz_op_fail(&s->call, BTZ_LIMIT, "needs too much memory")
               : BTZ_OK;
}

enum btz_err btz_net_lanes(struct btz_net *n)
{
    const struct btz_model *m = n->model;
    const struct btz_shape *first = m->input_count ? &n->slots[m->inputs[0]].t.shape : NULL;
    int64_t batch = first && first->rank ? first->dim[0] : 0;

    for (uint32_t v = 0; v < n->slot_count; v++) {
        n->slots[v].alt = BTZ_NONE;
        n->slots[v].producer = v < m->value_count ? m->values[v].producer : BTZ_NONE;
        n->slots[v].is_output = v < m->value_count && m->values[v].is_output;
    }
    for (uint32_t i = 0; i < m->node_count; i++) {
        struct btz_step *s = &n->steps[i];

        for (uint32_t k = 0; s->live && k < m->nodes[i].in_count; k++)
            s->in_id[k] = m->nodes[i].in[k];
        for (uint32_t k = 0; s->live && k < m->nodes[i].out_count; k++)
            s->out_id[k] = m->nodes[i].out[k];
    }
    if (n->options.reference || n->options.doubles || batch < BTZ_LANES_LEAST)
        return BTZ_OK;
    n->isa = btz_isa_find(n->options.isa);
    if (!n->isa)
        return btz_fail(BTZ_UNSUPPORTED, "no instructions '%s' here", n->options.isa);
    for (uint32_t i = 0; i < m->node_count; i++) {
        n->steps[i].lanes = fits(n, &n->steps[i], batch);
        if (n->steps[i].lanes)
            n->slots[m->nodes[i].out[0]].lanes = true;
    }
    BTZ_TRY(fuse(n));
    choose_slots(n);
    for (uint32_t i = 0; i < m->node_count; i++)
        if (n->steps[i].live && !n->steps[i].folded && !n->steps[i].fused)
            BTZ_TRY(connect(n, i));
    return BTZ_OK;
}

enum btz_err btz_net_lanes_bind(struct btz_net *n)
{
    for (uint32_t i = 0; i < n->model->node_count; i++) {
        struct btz_step *s = &n->steps[i];

        for (uint32_t k = 0; s->lanes && !s->fused && k < s->call.in_count; k++) {
            if (s->in_id[k] == BTZ_NONE || s->in[k] == &n->slots[s->in_id[k]].t)
                continue;
            if (s->in_grad[k])
                s->in_grad[k]->data = n->slots[s->in_id[k]].grad.data;
        }
    }
    btz_net_pack(n);
    return BTZ_OK;
}

void btz_net_pack(struct btz_net *n)
{
    for (uint32_t i = 0; i < n->model->node_count; i++) {
        struct btz_step *s = &n->steps[i];

        if (s->lanes && !s->fused && s->call.node->op->lanes && s->call.node->op->lanes->pack)
            s->call.node->op->lanes->pack(&s->call);
    }
}

struct btz_slot *btz_net_plain(const struct btz_net *n, uint32_t value)
{
    struct btz_slot *s = &n->slots[value];

    return s->lanes ? &n->slots[s->alt] : s;
}
