/*
 * Control flow: If, Loop, Scan. Their bodies are nets of their own, planned for the shapes that come. An If whose condition is
 * known while planning, and whose branch has known shapes, is like any operator and has a gradient; everything else is run when
 * its shapes are asked for, and has none.
 */
#include <stdlib.h>

#include "graph/net.h"

#define MANY 64 /* inputs or outputs of a body */

struct body {
    const struct btz_attr *attr;
    struct btz_net *net;
    struct btz_shape shapes[MANY]; /* for which the net is */
    enum btz_type types[MANY];
};

/* A tensor with memory of its own. */
struct owned {
    struct btz_tensor t;
    size_t capacity;
};

struct control {
    struct body bodies[2]; /* of an If: else, then */
    struct owned vars[MANY], scans[MANY];
    size_t turns;
    bool fresh; /* what `infer` ran is what `run` is asked for */
};

static enum btz_err prepare(struct btz_call *call, struct btz_arena *arena)
{
    bool two = call->node->type[0] == 'I';
    struct control *c = btz_arena_alloc(arena, sizeof *c);

    if (!c)
        return BTZ_LIMIT;
    memset(c, 0, sizeof *c);
    call->state = c;
    for (int i = 0; i < 1 + two; i++) {
        const char *name = !two ? "body" : i ? "then_branch" : "else_branch";
        const struct btz_attr *a = btz_attr(call->node, name);

        if (!a || !a->body)
            return btz_op_fail(call, BTZ_INPUT, "has no %s", name);
        if (a->body->input_count > MANY || a->body->output_count > MANY || call->out_count > MANY ||
            call->in_count > MANY)
            return btz_op_fail(call, BTZ_LIMIT, "more than %d inputs or outputs", MANY);
        c->bodies[i].attr = a;
    }
    return BTZ_OK;
}

static void release(struct btz_call *call)
{
    struct control *c = call->state;

    for (int i = 0; i < 2; i++)
        btz_net_free(c->bodies[i].net);
    for (size_t i = 0; i < MANY; i++) {
        free(c->vars[i].t.data);
        free(c->scans[i].t.data);
    }
}

/* ---- bodies ------------------------------------------------------------------------------------------------------------ */

/* A net for inputs like these; the one there is when it fits. */
static enum btz_err open_body(const struct btz_call *call, struct body *b,
                              const struct btz_tensor *const *in, bool grads)
{
    const struct btz_model *m = b->attr->body;
    bool same = b->net != NULL;
    enum btz_err err;

    for (uint32_t i = 0; i < m->input_count; i++) {
        same = same && b->types[i] == in[i]->type && btz_shape_equal(&b->shapes[i], &in[i]->shape);
        b->types[i] = in[i]->type;
        b->shapes[i] = in[i]->shape;
    }
    if (same)
        return BTZ_OK;
    btz_net_free(b->net);
    b->net = NULL;
    err = btz_net_new(m,
                      &(struct btz_net_options){ .inputs = b->shapes,
                                                 .types = b->types,
                                                 .doubles = call->doubles,
                                                 .reference = call->reference,
                                                 .training = call->training,
                                                 .input_grads = grads,
                                                 .repeat = grads,
                                                 .memory_max = call->memory_max,
                                                 .turns_max = call->turns_max,
                                                 .turns = call->turns,
                                                 .seed = btz_rng_u64(call->rng) },
                      &b->net);
    return err == BTZ_OK ? BTZ_OK : btz_op_fail_at(call, err);
}

static enum btz_err run_body(const struct btz_call *call, struct body *b,
                             const struct btz_tensor *const *in)
{
    enum btz_err err;

    for (uint32_t i = 0; i < b->attr->body->input_count; i++) {
        struct btz_tensor *to = btz_net_input(b->net, i);

        if (to->type != in[i]->type)
            return btz_op_fail(call, BTZ_INPUT,
                               "input %" PRIu32 " of its body is of type %s, not %s", i,
                               btz_type_name(to->type), btz_type_name(in[i]->type));
        btz_tensor_convert(in[i], to);
    }
    err = btz_net_forward(b->net);
    return err == BTZ_OK ? BTZ_OK : btz_op_fail_at(call, err);
}

/* The last inputs of a body are what it reads from around it. */
static enum btz_err captured(const struct btz_call *call, const struct body *b,
                             const struct btz_tensor **in, uint32_t formal, bool *known)
{
    const struct btz_attr *a = b->attr;

    if (a->body->input_count != formal + a->captured_count)
        return btz_op_fail(call, BTZ_INPUT, "its body has %" PRIu32 " inputs, expected %" PRIu32,
                           a->body->input_count - a->captured_count, formal);
    for (uint32_t i = 0; i < a->captured_count; i++) {
        in[formal + i] = call->in[a->captured + i];
        if (!in[formal + i])
            return btz_op_fail(call, BTZ_INPUT, "its body reads what is left out");
        *known = *known && in[formal + i]->data;
    }
    return BTZ_OK;
}

static enum btz_err keep(const struct btz_call *call, struct owned *o, const struct btz_tensor *t)
{
    size_t bytes = btz_tensor_bytes(t);

    if (bytes > o->capacity || !o->t.data) {
        void *data = realloc(o->t.data, bytes + 1);

        if (!data)
            return btz_op_fail(call, BTZ_LIMIT, "needs too much memory");
        o->t.data = data;
        o->capacity = bytes;
    }
    o->t.type = t->type;
    o->t.shape = t->shape;
    if (bytes)
        memcpy(o->t.data, t->data, bytes);
    return BTZ_OK;
}

/* ---- If ---------------------------------------------------------------------------------------------------------------- */

static enum btz_err branch_of(struct btz_call *call, struct body **b)
{
    const struct btz_tensor *cond = call->in[0];
    struct control *c = call->state;

    *b = NULL;
    if (call->in_count - call->node->captured != 1 || !cond || cond->type != BTZ_BOOL ||
        btz_tensor_count(cond) != 1)
        return btz_op_fail(call, BTZ_INPUT, "the condition is no truth value");
    if (cond->data)
        *b = &c->bodies[*(const uint8_t *)cond->data != 0];
    if (*b && (*b)->attr->body->output_count != call->out_count)
        return btz_op_fail(call, BTZ_INPUT, "a branch has %" PRIu32 " outputs, expected %" PRIu32,
                           (*b)->attr->body->output_count, call->out_count);
    return BTZ_OK;
}

static enum btz_err infer_if(struct btz_call *call, bool *later)
{
    const struct btz_tensor *in[MANY];
    struct control *c = call->state;
    bool known = true, fixed = true;
    struct body *b;

    BTZ_TRY(branch_of(call, &b));
    if (!b) {
        *later = true;
        return BTZ_OK;
    }
    BTZ_TRY(captured(call, b, in, 0, &known));
    BTZ_TRY(open_body(call, b, in, true));
    c->fresh = false;
    for (uint32_t i = 0; i < call->out_count; i++)
        fixed = fixed && btz_net_plain(b->net, b->attr->body->outputs[i])->defined;
    if (!fixed && !known) {
        *later = true;
        return BTZ_OK;
    }
    if (!fixed) {
        BTZ_TRY(run_body(call, b, in));
        c->fresh = true;
    }
    for (uint32_t i = 0; i < call->out_count; i++) {
        const struct btz_tensor *t = btz_net_output(b->net, i);

        if (!call->out[i])
            continue;
        call->out[i]->type = t->type;
        call->out[i]->shape = t->shape;
    }
    return BTZ_OK;
}

static enum btz_err run_if(struct btz_call *call)
{
    const struct btz_tensor *in[MANY];
    struct control *c = call->state;
    bool known = true;
    struct body *b;

    BTZ_TRY(branch_of(call, &b));
    if (!b)
        return btz_op_fail(call, BTZ_INTERNAL, "without a condition");
    BTZ_TRY(captured(call, b, in, 0, &known));
    if (!c->fresh)
        BTZ_TRY(run_body(call, b, in));
    c->fresh = false;
    for (uint32_t i = 0; i < call->out_count; i++) {
        const struct btz_tensor *t = btz_net_output(b->net, i);

        if (!call->out[i])
            continue;
        if (t->type != call->out[i]->type || !btz_shape_equal(&t->shape, &call->out[i]->shape))
            return btz_op_fail(call, BTZ_INPUT, "a branch with other shapes than the planned one");
        btz_tensor_convert(t, call->out[i]);
    }
    return BTZ_OK;
}

static enum btz_err grad_if(struct btz_call *call)
{
    struct body *b;
    enum btz_err err;

    BTZ_TRY(branch_of(call, &b));
    for (uint32_t i = 0; b && i < call->out_count; i++) {
        struct btz_tensor *g = btz_net_output_grad(b->net, i);

        if (g && call->out_grad[i])
            btz_tensor_convert(call->out_grad[i], g);
        else if (g)
            memset(g->data, 0, btz_tensor_bytes(g));
    }
    err = b ? btz_net_backward(b->net) : BTZ_OK;
    if (err != BTZ_OK)
        return btz_op_fail_at(call, err);
    for (uint32_t i = 0; b && i < b->attr->captured_count; i++) {
        const struct btz_tensor *g = btz_net_input_grad(b->net, i),
                                *to = call->in_grad[b->attr->captured + i];

        for (size_t k = 0, n = g && to ? btz_tensor_count(g) : 0; k < n; k++)
            btz_add(to, k, btz_get(g, k));
    }
    return BTZ_OK;
}

/* ---- what Loop and Scan share ------------------------------------------------------------------------------------------ */

/* Loops in loops share one count. */
static enum btz_err count_turn(const struct btz_call *call)
{
    if (++*call->turns > call->turns_max)
        return btz_op_fail(call, BTZ_LIMIT, "more than %" PRIu64 " turns", call->turns_max);
    return BTZ_OK;
}

/* One more turn's value behind the others. */
static enum btz_err append(const struct btz_call *call, struct owned *o, const struct btz_tensor *t,
                           size_t turn)
{
    size_t bytes = btz_tensor_bytes(t), all,
           most = call->memory_max ? call->memory_max : (size_t)8 << 30;

    if (turn == 0) {
        o->t.type = t->type;
        o->t.shape = t->shape;
    } else if (t->type != o->t.type || !btz_shape_equal(&t->shape, &o->t.shape))
        return btz_op_fail(call, BTZ_INPUT, "the turns have outputs of different shapes");
    if (t->shape.rank + 1 > BTZ_RANK_MAX || !btz_size_mul(bytes, turn + 1, &all) || all > most)
        return btz_op_fail(call, BTZ_LIMIT, "an output that is too large");
    if (all > o->capacity || !o->t.data) {
        void *data = realloc(o->t.data, 2 * all + 1);

        if (!data)
            return btz_op_fail(call, BTZ_LIMIT, "needs too much memory");
        o->t.data = data;
        o->capacity = 2 * all;
    }
    if (bytes)
        memcpy((uint8_t *)o->t.data + turn * bytes, t->data, bytes);
    return BTZ_OK;
}

/* Without a turn an output has the shape that the body declares. */
static void declare(const struct btz_value *v, struct owned *o)
{
    o->t.type = v->type ? v->type : BTZ_F32;
    o->t.shape = v->has_shape ? v->shape : (struct btz_shape){ 0 };
    for (uint32_t i = 0; i < o->t.shape.rank; i++)
        o->t.shape.dim[i] = o->t.shape.dim[i] < 0 ? 0 : o->t.shape.dim[i];
}

/* Outputs: `vars` final values, then what was collected, with the turns as a new axis. */
static enum btz_err result_shapes(struct btz_call *call, uint32_t vars, const int64_t *axes)
{
    struct control *c = call->state;

    for (uint32_t i = 0; i < call->out_count; i++) {
        const struct btz_tensor *t = i < vars ? &c->vars[i].t : &c->scans[i - vars].t;
        struct btz_shape *s;
        uint32_t at = 0;

        if (!call->out[i])
            continue;
        s = &call->out[i]->shape;
        call->out[i]->type = t->type;
        *s = t->shape;
        if (i < vars)
            continue;
        s->rank++;
        if (axes)
            BTZ_TRY(btz_axis(call, axes[i - vars], s->rank, &at));
        memmove(&s->dim[at + 1], &s->dim[at], (s->rank - 1 - at) * sizeof s->dim[0]);
        s->dim[at] = (int64_t)c->turns;
    }
    return BTZ_OK;
}

static enum btz_err results(struct btz_call *call, uint32_t vars, const int64_t *axes,
                            const int64_t *reversed)
{
    struct control *c = call->state;

    for (uint32_t i = 0; i < call->out_count; i++) {
        const struct btz_tensor *t = i < vars ? &c->vars[i].t : &c->scans[i - vars].t;
        struct btz_split s;
        size_t size, n;
        uint32_t at = 0;

        if (!call->out[i])
            continue;
        size = btz_type_size(t->type);
        if (i < vars) {
            btz_tensor_convert(t, call->out[i]);
            continue;
        }
        if (axes)
            BTZ_TRY(btz_axis(call, axes[i - vars], call->out[i]->shape.rank, &at));
        s = btz_split_at(&call->out[i]->shape, at);
        n = s.inner * size;
        for (size_t turn = 0; turn < s.n; turn++)
            for (size_t o = 0; o < s.outer && n; o++) {
                size_t to = reversed && reversed[i - vars] ? s.n - 1 - turn : turn;

                memcpy((uint8_t *)call->out[i]->data + (o * s.n + to) * n,
                       (const uint8_t *)t->data + (turn * s.outer + o) * n, n);
            }
    }
    return BTZ_OK;
}

/* After a turn: new values of the variables, from output `first` of the body on, and what is collected. */
static enum btz_err take_outputs(struct btz_call *call, uint32_t first, uint32_t vars, size_t turn)
{
    struct control *c = call->state;
    struct body *b = &c->bodies[0];

    for (uint32_t i = first; i < b->attr->body->output_count; i++) {
        const struct btz_tensor *t = btz_net_output(b->net, i);

        if (i - first < vars)
            BTZ_TRY(keep(call, &c->vars[i - first], t));
        else
            BTZ_TRY(append(call, &c->scans[i - first - vars], t, turn));
    }
    return BTZ_OK;
}

/* ---- Loop -------------------------------------------------------------------------------------------------------------- */

/* A number or truth value as the body declares it: a scalar, or a row of one. */
static struct btz_tensor single(const struct btz_model *m, uint32_t i, enum btz_type type,
                                void *data)
{
    const struct btz_value *v = &m->values[m->inputs[i]];

    return (struct btz_tensor){ type, { v->has_shape && v->shape.rank == 1, { 1 } }, data };
}

static enum btz_err loop_turns(struct btz_call *call, uint32_t vars, int64_t most, bool going,
                               const struct btz_tensor **in)
{
    struct control *c = call->state;
    struct body *b = &c->bodies[0];
    const struct btz_model *m = b->attr->body;
    int64_t turn = 0;
    uint8_t cond = going;
    struct btz_tensor number = single(m, 0, BTZ_I64, &turn), truth = single(m, 1, BTZ_BOOL, &cond);

    in[0] = &number;
    in[1] = &truth;
    for (uint32_t i = 0; i < vars; i++)
        in[2 + i] = &c->vars[i].t;
    for (; turn < most && cond; turn++) {
        const struct btz_tensor *t;

        BTZ_TRY(count_turn(call));
        BTZ_TRY(open_body(call, b, in, false));
        BTZ_TRY(run_body(call, b, in));
        t = btz_net_output(b->net, 0);
        if (t->type != BTZ_BOOL || btz_tensor_count(t) != 1)
            return btz_op_fail(call, BTZ_INPUT, "the condition is no truth value");
        cond = *(const uint8_t *)t->data != 0;
        BTZ_TRY(take_outputs(call, 1, vars, (size_t)turn));
    }
    c->turns = (size_t)turn;
    for (uint32_t i = 1 + vars; i < m->output_count && !turn; i++)
        declare(&m->values[m->outputs[i]], &c->scans[i - 1 - vars]);
    return BTZ_OK;
}

static enum btz_err infer_loop(struct btz_call *call, bool *later)
{
    struct control *c = call->state;
    const struct btz_tensor *in[MANY], *most = btz_call_in(call, 0), *cond = btz_call_in(call, 1);
    uint32_t stated = call->in_count - call->node->captured, vars = stated < 2 ? 0 : stated - 2;
    bool known = true;

    if (stated < 2 || c->bodies[0].attr->body->output_count != call->out_count + 1 ||
        call->out_count < vars)
        return btz_op_fail(call, BTZ_INPUT, "the body's outputs do not fit");
    if ((most && (most->type != BTZ_I64 || btz_tensor_count(most) != 1)) ||
        (cond && (cond->type != BTZ_BOOL || btz_tensor_count(cond) != 1)))
        return btz_op_fail(call, BTZ_INPUT, "the count or the condition is no scalar");
    BTZ_TRY(captured(call, &c->bodies[0], in, 2 + vars, &known));
    for (uint32_t i = 0; i < stated; i++) {
        if (i >= 2 && !call->in[i])
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is left out", i);
        known = known && (!call->in[i] || call->in[i]->data);
    }
    if (!known) {
        *later = true;
        return BTZ_OK;
    }
    for (uint32_t i = 0; i < vars; i++)
        BTZ_TRY(keep(call, &c->vars[i], call->in[2 + i]));
    BTZ_TRY(loop_turns(call, vars, most ? btz_at_int(most, 0) : INT64_MAX,
                       !cond || *(const uint8_t *)cond->data != 0, in));
    return result_shapes(call, vars, NULL);
}

/* What was computed to know the shapes is the result. */
static enum btz_err run_loop(struct btz_call *call)
{
    return results(call, call->in_count - call->node->captured - 2, NULL, NULL);
}

/* ---- Scan -------------------------------------------------------------------------------------------------------------- */

struct scan {
    uint32_t vars, ins, outs;
    int64_t in_axes[MANY], in_back[MANY], out_axes[MANY], out_back[MANY];
};

static enum btz_err scan_list(const struct btz_call *call, const char *name, uint32_t n,
                              int64_t out[MANY])
{
    const int64_t *list;
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, name, &list, &count));
    if (list && count != n)
        return btz_op_fail(call, BTZ_INPUT, "%s has %zu numbers, expected %" PRIu32, name, count,
                           n);
    for (uint32_t i = 0; i < n; i++)
        out[i] = list ? list[i] : 0;
    return BTZ_OK;
}

static enum btz_err scan_of(const struct btz_call *call, struct scan *s)
{
    const struct control *c = call->state;
    uint32_t stated = call->in_count - call->node->captured;
    int64_t ins;

    BTZ_TRY(btz_attr_int(call->node, "num_scan_inputs", 0, &ins));
    if (ins < 1 || ins > stated)
        return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " inputs to scan of %" PRIu32, ins, stated);
    s->ins = (uint32_t)ins;
    s->vars = stated - s->ins;
    if (call->out_count < s->vars || c->bodies[0].attr->body->output_count != call->out_count)
        return btz_op_fail(call, BTZ_INPUT, "the body's outputs do not fit");
    s->outs = call->out_count - s->vars;
    BTZ_TRY(scan_list(call, "scan_input_axes", s->ins, s->in_axes));
    BTZ_TRY(scan_list(call, "scan_input_directions", s->ins, s->in_back));
    BTZ_TRY(scan_list(call, "scan_output_axes", s->outs, s->out_axes));
    return scan_list(call, "scan_output_directions", s->outs, s->out_back);
}

/* The slice of a turn, without its axis. */
static enum btz_err slice(struct btz_call *call, const struct btz_tensor *x, uint32_t axis,
                          size_t at, struct owned *to)
{
    struct btz_split s = btz_split_at(&x->shape, axis);
    size_t size = btz_type_size(x->type) * s.inner;
    struct btz_tensor t = *x;

    memmove(&t.shape.dim[axis], &t.shape.dim[axis + 1],
            (t.shape.rank - axis - 1) * sizeof t.shape.dim[0]);
    t.shape.rank--;
    /* `keep` copies as much as the slice has from the beginning: it only makes room here. */
    BTZ_TRY(keep(call, to, &t));
    for (size_t o = 0; o < s.outer && size; o++)
        memcpy((uint8_t *)to->t.data + o * size, (const uint8_t *)x->data + (o * s.n + at) * size,
               size);
    return BTZ_OK;
}

static enum btz_err scan_turns(struct btz_call *call, const struct scan *s, struct owned *slices,
                               const struct btz_tensor **in)
{
    struct control *c = call->state;
    const struct btz_model *m = c->bodies[0].attr->body;
    uint32_t axes[MANY];
    int64_t turns = -1;

    for (uint32_t i = 0; i < s->ins; i++) {
        const struct btz_tensor *x = call->in[s->vars + i];

        BTZ_TRY(btz_axis(call, s->in_axes[i], x->shape.rank, &axes[i]));
        if (turns >= 0 && turns != x->shape.dim[axes[i]])
            return btz_op_fail(call, BTZ_INPUT, "inputs of %" PRId64 " and %" PRId64 " turns",
                               turns, x->shape.dim[axes[i]]);
        turns = x->shape.dim[axes[i]];
        in[s->vars + i] = &slices[i].t;
    }
    for (uint32_t i = 0; i < s->vars; i++)
        in[i] = &c->vars[i].t;
    for (int64_t turn = 0; turn < turns; turn++) {
        BTZ_TRY(count_turn(call));
        for (uint32_t i = 0; i < s->ins; i++)
            BTZ_TRY(slice(call, call->in[s->vars + i], axes[i],
                          (size_t)(s->in_back[i] ? turns - 1 - turn : turn), &slices[i]));
        BTZ_TRY(open_body(call, &c->bodies[0], in, false));
        BTZ_TRY(run_body(call, &c->bodies[0], in));
        BTZ_TRY(take_outputs(call, 0, s->vars, (size_t)turn));
    }
    c->turns = (size_t)turns;
    for (uint32_t i = s->vars; i < m->output_count && !turns; i++)
        declare(&m->values[m->outputs[i]], &c->scans[i - s->vars]);
    return BTZ_OK;
}

static enum btz_err infer_scan(struct btz_call *call, bool *later)
{
    struct owned slices[MANY] = { 0 };
    struct control *c = call->state;
    const struct btz_tensor *in[MANY];
    enum btz_err err = BTZ_OK;
    bool known = true;
    struct scan s;

    BTZ_TRY(scan_of(call, &s));
    BTZ_TRY(captured(call, &c->bodies[0], in, s.vars + s.ins, &known));
    for (uint32_t i = 0; i < s.vars + s.ins; i++) {
        if (!call->in[i])
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is left out", i);
        known = known && call->in[i]->data;
    }
    if (!known) {
        *later = true;
        return BTZ_OK;
    }
    for (uint32_t i = 0; i < s.vars; i++)
        BTZ_TRY(keep(call, &c->vars[i], call->in[i]));
    err = scan_turns(call, &s, slices, in);
    for (uint32_t i = 0; i < MANY; i++)
        free(slices[i].t.data);
    return err == BTZ_OK ? result_shapes(call, s.vars, s.out_axes) : err;
}

static enum btz_err run_scan(struct btz_call *call)
{
    struct scan s;

    BTZ_TRY(scan_of(call, &s));
    return results(call, s.vars, s.out_axes, s.out_back);
}

static const struct btz_op ops[] = {
    { .name = "If",
      .since = 1,
      .prepare = prepare,
      .infer = infer_if,
      .run = run_if,
      .grad = grad_if,
      .release = release },
    { .name = "Loop",
      .since = 1,
      .prepare = prepare,
      .infer = infer_loop,
      .run = run_loop,
      .release = release },
    { .name = "Scan",
      .since = 9,
      .prepare = prepare,
      .infer = infer_scan,
      .run = run_scan,
      .release = release },
};
BTZ_OP_FAMILY(control, ops);
