/*
 * A net from within: what the plan leaves and the run uses.
 */
#ifndef BTZ_GRAPH_NET_H
#define BTZ_GRAPH_NET_H

#include "graph/kernel.h"

/* A value at work. */
struct btz_slot {
    struct btz_tensor t, grad, loss; /* loss: where the user writes the gradient of an output */
    bool live;                       /* an output depends on it */
    bool defined;                    /* type and shape are known before the run */
    bool constant;                   /* and its data, too */
    bool fixed;                      /* t.data is not of the plan: a constant's */
    bool kept;                       /* it has memory of its own for good: inputs, outputs */
    bool wants,
        reaches; /* depends on what gradients are asked for; an output depends on it by way of operators with gradients */
    bool has_grad;
    bool lanes;         /* t, grad and loss are in lanes */
    bool is_output;     /* its loss is the user's */
    uint32_t alt;       /* the slot of the same value in the other layout; BTZ_NONE: none */
    uint32_t producer;  /* step, or BTZ_NONE */
    uint32_t root;      /* whose memory it shares; itself: nobody's */
    size_t first, last; /* times at which the memory is in use, of roots */
    size_t grad_first, grad_last;
    size_t grad_begin; /* when it is first added to */
    void *heap;        /* memory of a value whose shape is known only at run time */
};

struct btz_step {
    struct btz_call call;
    const struct btz_tensor **in;
    struct btz_tensor **out, **in_grad;
    const struct btz_tensor **out_grad;
    uint32_t *in_id, *out_id; /* slots; BTZ_NONE: left out */
    bool live, folded, dynamic, backward;
    bool lanes;
    bool fused; /* part of the step before it */
    size_t scratch_bytes;
    void *scratch, *scratch_back;
};

/* Forward of node i is at time i, backward at 2 * nodes - 1 - i. */
struct btz_net {
    const struct btz_model *model;
    struct btz_net_options options;
    struct btz_arena arena;
    struct btz_slot *slots; /* of the model's values, then as many for those in the other layout */
    struct btz_step *steps;
    const struct btz_isa *isa; /* NULL: nothing in lanes */
    uint32_t slot_count;
    struct btz_net_param *params;
    size_t param_count;
    void *memory;
    size_t memory_bytes, fixed_bytes;
    struct btz_rng rng;
    uint64_t turns; /* of loops in this run, when this net is the outermost */
    bool ran;
};

/* Memory for what has a lifetime (layout.c). */
struct btz_place {
    size_t first, last, bytes;
    void **where;
};
/* Offsets such that no two that live at once overlap; sorts the places. *total is the size of all. */
BTZ_CHECKED enum btz_err btz_layout(struct btz_place *places, size_t count, struct btz_arena *arena,
                                    size_t *offsets, size_t *total);

/* Lifetimes and memory of a net whose shapes are known (memory.c). */
BTZ_CHECKED enum btz_err btz_net_place(struct btz_net *n);
/* Which steps work in lanes, and where values change their layout (plan_lanes.c): before and after memory is there. */
BTZ_CHECKED enum btz_err btz_net_lanes(struct btz_net *n);
BTZ_CHECKED enum btz_err btz_net_lanes_bind(struct btz_net *n);
/* Packs parameters as they are now. */
void btz_net_pack(struct btz_net *n);
/* The slot of an input or output of the model as users see it. */
struct btz_slot *btz_net_plain(const struct btz_net *n, uint32_t value);

/* Copies the constants that are computed in another type, runs what was folded (net.c). */
BTZ_CHECKED enum btz_err btz_net_run_step(struct btz_net *n, struct btz_step *s);

#endif
