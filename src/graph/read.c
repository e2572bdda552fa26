/*
 * ModelProto: a model from a file. Messages are walked in two passes: count, then fill.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "graph/op.h"
#include "graph/read.h"

#define DEPTH_MAX 8

/* Field numbers of onnx.proto3. */
enum {
    MODEL_IR = 1,
    MODEL_PRODUCER = 2,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14,
    MODEL_FUNCTIONS = 25
};
enum {
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INIT = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE = 13,
    GRAPH_SPARSE = 15
};
enum {
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_TYPE = 4,
    NODE_ATTR = 5,
    NODE_DOMAIN = 7
};

enum btz_err btz_read_text(struct btz_reading *r, const struct btz_wire *w, const char **out)
{
    BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
    if (memchr(w->bytes.ptr ? (const void *)w->bytes.ptr : "", 0, w->bytes.len))
        return btz_fail(BTZ_INPUT, "%s: a name with a NUL byte", w->in.what);
    *out = btz_arena_str(r->arena, w->bytes);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

static uint32_t hash(const char *name)
{
    uint32_t h = 2166136261;

    while (*name)
        h = (h ^ (uint8_t)*name++) * 16777619;
    return h ^ h >> 15;
}

uint32_t btz_model_value(const struct btz_model *m, const char *name)
{
    for (uint32_t at = hash(name) & m->slot_mask;; at = (at + 1) & m->slot_mask) {
        if (m->slots[at] == BTZ_NONE)
            return BTZ_NONE;
        if (strcmp(m->values[m->slots[at]].name, name) == 0)
            return m->slots[at];
    }
}

/* The value of that name, made when there is none. value_max was counted before. */
static uint32_t intern(struct btz_reading *r, const char *name)
{
    struct btz_model *m = r->m;
    uint32_t v = btz_model_value(m, name), at;

    if (v != BTZ_NONE)
        return v;
    v = m->value_count++;
    m->values[v].name = name;
    m->values[v].producer = BTZ_NONE;
    for (at = hash(name) & m->slot_mask; m->slots[at] != BTZ_NONE; at = (at + 1) & m->slot_mask)
        ;
    m->slots[at] = v;
    return v;
}

static enum btz_err read_dim(struct btz_reading *r, struct btz_slice bytes, struct btz_value *v)
{
    struct btz_wire w = BTZ_WIRE(bytes, "dimension");
    uint32_t i = v->shape.rank;
    bool more;

    if (i >= BTZ_RANK_MAX)
        return btz_fail(BTZ_LIMIT, "value '%s' has more than %d axes", v->name, BTZ_RANK_MAX);
    v->shape.dim[i] = -1;
    v->dim_name[i] = NULL;
    EACH(w, more)
    if (w.field == 1) {
        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_VARINT));
        v->shape.dim[i] = (int64_t)w.number < 0 ? -1 : (int64_t)w.number;
    } else if (w.field == 2)
        BTZ_TRY(btz_read_text(r, &w, &v->dim_name[i]));
    END_EACH
    v->shape.rank++;
    return BTZ_OK;
}

static enum btz_err read_tensor_type(struct btz_reading *r, struct btz_slice bytes,
                                     struct btz_value *v)
{
    struct btz_wire w = BTZ_WIRE(bytes, "tensor type");
    bool more;

    EACH(w, more)
    if (w.field == 1) {
        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_VARINT));
        v->type = w.number < 64 && btz_type_size((enum btz_type)w.number) ? (enum btz_type)w.number
                                                                          : BTZ_TYPE_NONE;
    } else if (w.field == 2) {
        struct btz_wire s = BTZ_WIRE(w.bytes, "shape");
        bool more_dims;

        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_BYTES));
        v->has_shape = true;
        v->shape.rank = 0;
        EACH(s, more_dims)
        if (s.field == 1) {
            BTZ_TRY(btz_wire_want(&s, BTZ_WIRE_BYTES));
            BTZ_TRY(read_dim(r, s.bytes, v));
        }
        END_EACH
    }
    END_EACH
    return BTZ_OK;
}

/* ValueInfoProto. */
static enum btz_err read_value(struct btz_reading *r, struct btz_slice bytes, uint32_t *out)
{
    struct btz_wire w = BTZ_WIRE(bytes, "value"), t;
    struct btz_slice type = { 0 };
    struct btz_value *v;
    const char *name = "";
    bool more, tensor = false;

    EACH(w, more)
    if (w.field == 1)
        BTZ_TRY(btz_read_text(r, &w, &name));
    else if (w.field == 2) {
        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_BYTES));
        type = w.bytes;
    }
    END_EACH
    if (!*name)
        return btz_fail(BTZ_INPUT, "a value without a name");
    *out = intern(r, name);
    v = &r->m->values[*out];
    t = BTZ_WIRE(type, "type");
    EACH(t, more)
    if (t.field == 1) {
        BTZ_TRY(btz_wire_want(&t, BTZ_WIRE_BYTES));
        BTZ_TRY(read_tensor_type(r, t.bytes, v));
        tensor = true;
    }
    END_EACH
    return tensor ? BTZ_OK : btz_arena_copy(r->arena, type, &v->type_proto);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------ */

static enum btz_err read_graph(struct btz_reading *r, struct btz_slice graph);

/* A graph inside a node. */
static enum btz_err read_body(struct btz_reading *around, struct btz_attr *a)
{
    struct btz_model *m = btz_arena_alloc(around->arena, sizeof *m);
    struct btz_reading r = { .m = m,
                             .arena = around->arena,
                             .folder = around->folder,
                             .nodes_max = around->nodes_max,
                             .depth = around->depth + 1 };

    if (!m)
        return BTZ_LIMIT;
    if (r.depth > DEPTH_MAX)
        return btz_fail(BTZ_LIMIT, "graphs in graphs, deeper than %d", DEPTH_MAX);
    *m = (struct btz_model){ .ir_version = around->m->ir_version,
                             .opsets = around->m->opsets,
                             .opset_count = around->m->opset_count,
                             .graph_name = "",
                             .producer = "" };
    BTZ_TRY(read_graph(&r, a->g));
    a->body = m;
    a->captured_count = r.captured;
    return BTZ_OK;
}

/* A value of the graph around this one. */
static uint32_t capture(struct btz_reading *r, const char *name)
{
    uint32_t v = intern(r, name);

    r->m->values[v].is_input = true;
    r->m->inputs[r->m->input_count++] = v;
    r->captured++;
    return v;
}

static bool is_defined(const struct btz_model *m, uint32_t v)
{
    return v != BTZ_NONE &&
           (m->values[v].producer != BTZ_NONE || m->values[v].constant || m->values[v].is_input);
}

/* What a node reads: BTZ_NONE where the name is empty. */
static enum btz_err input_of(struct btz_reading *r, const struct btz_node *n, uint32_t index,
                             const char *name, uint32_t *out)
{
    *out = *name ? btz_model_value(r->m, name) : BTZ_NONE;
    if (!*name || is_defined(r->m, *out))
        return BTZ_OK;
    if (!r->depth)
        return btz_fail(BTZ_INPUT, "node %" PRIu32 " (%s '%s') uses '%s' before it is defined",
                        index, n->type, n->name, name);
    *out = capture(r, name);
    return BTZ_OK;
}

/* The inputs that only the node's graphs read. */
static enum btz_err captured_names(struct btz_reading *r, struct btz_node *n, uint32_t index)
{
    for (uint32_t k = 0; k < n->attr_count; k++) {
        struct btz_attr *a = &n->attrs[k];

        a->captured = n->in_count;
        for (uint32_t i = 0; a->body && i < a->captured_count; i++) {
            const struct btz_model *b = a->body;
            uint32_t v = b->inputs[b->input_count - a->captured_count + i];

            BTZ_TRY(input_of(r, n, index, b->values[v].name, &n->in[n->in_count]));
            n->in_count++;
            n->captured++;
        }
    }
    return BTZ_OK;
}

static enum btz_err node_names(struct btz_reading *r, struct btz_slice bytes, struct btz_node *n,
                               uint32_t index)
{
    struct btz_wire w = BTZ_WIRE(bytes, "node");
    uint32_t in = 0, out = 0;
    const char *name;
    bool more;

    EACH(w, more)
    if (w.field == NODE_INPUT) {
        BTZ_TRY(btz_read_text(r, &w, &name));
        BTZ_TRY(input_of(r, n, index, name, &n->in[in]));
        in++;
    }
    END_EACH
    BTZ_TRY(captured_names(r, n, index));
    w = BTZ_WIRE(bytes, "node");
    EACH(w, more)
    if (w.field == NODE_OUTPUT) {
        struct btz_value *v;

        BTZ_TRY(btz_read_text(r, &w, &name));
        n->out[out] = *name ? intern(r, name) : BTZ_NONE;
        v = *name ? &r->m->values[n->out[out]] : NULL;
        if (v && (v->producer != BTZ_NONE || v->constant || v->is_input))
            return btz_fail(BTZ_INPUT, "node %" PRIu32 " (%s '%s') defines '%s' once more", index,
                            n->type, n->name, name);
        if (v)
            v->producer = index;
        out++;
    }
    END_EACH
    return BTZ_OK;
}

static int64_t opset_of(const struct btz_model *m, const char *domain)
{
    for (size_t i = 0; i < m->opset_count; i++)
        if (strcmp(m->opsets[i].domain, domain) == 0)
            return m->opsets[i].version;
    return -1;
}

static enum btz_err read_node(struct btz_reading *r, struct btz_slice bytes, struct btz_node *n,
                              uint32_t index)
{
    struct btz_wire w = BTZ_WIRE(bytes, "node");
    uint32_t attr = 0;
    size_t captured = 0;
    bool more;

    n->name = n->type = n->domain = "";
    EACH(w, more)
    if (w.field == NODE_INPUT)
        n->in_count++;
    else if (w.field == NODE_OUTPUT)
        n->out_count++;
    else if (w.field == NODE_ATTR)
        n->attr_count++;
    else if (w.field == NODE_NAME)
        BTZ_TRY(btz_read_text(r, &w, &n->name));
    else if (w.field == NODE_TYPE)
        BTZ_TRY(btz_read_text(r, &w, &n->type));
    else if (w.field == NODE_DOMAIN)
        BTZ_TRY(btz_read_text(r, &w, &n->domain));
    END_EACH
    if (strcmp(n->domain, "ai.onnx") == 0)
        n->domain = "";
    n->out = btz_arena_array(r->arena, n->out_count + 1, sizeof n->out[0]);
    n->attrs = btz_arena_array(r->arena, n->attr_count + 1, sizeof n->attrs[0]);
    if (!n->out || !n->attrs)
        return BTZ_LIMIT;
    w = BTZ_WIRE(bytes, "node");
    EACH(w, more)
    if (w.field == NODE_ATTR) {
        enum btz_err err;

        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_BYTES));
        err = btz_read_attr(r, w.bytes, &n->attrs[attr]);
        if (err == BTZ_OK && n->attrs[attr].kind == BTZ_ATTR_GRAPH)
            err = read_body(r, &n->attrs[attr]);
        if (err != BTZ_OK)
            return btz_fail_context(err, "node %" PRIu32 " (%s '%s')", index, n->type, n->name);
        for (uint32_t i = 0; i < attr; i++)
            if (strcmp(n->attrs[i].name, n->attrs[attr].name) == 0)
                return btz_fail(BTZ_INPUT, "node %" PRIu32 " (%s '%s') has attribute '%s' twice",
                                index, n->type, n->name, n->attrs[attr].name);
        captured += n->attrs[attr++].captured_count;
    }
    END_EACH
    n->in = btz_arena_array(r->arena, n->in_count + captured + 1, sizeof n->in[0]);
    if (!n->in)
        return BTZ_LIMIT;
    n->opset = opset_of(r->m, n->domain);
    n->op = n->opset < 0 ? NULL : btz_op_find(n->domain, n->type, n->opset);
    return node_names(r, bytes, n, index);
}

/* ---- the graph -------------------------------------------------------------------------------------------------------- */

static enum btz_err read_initializer(struct btz_reading *r, struct btz_slice bytes)
{
    struct btz_tensor *t = btz_arena_alloc(r->arena, sizeof *t);
    const char *name;
    struct btz_value *v;

    if (!t)
        return BTZ_LIMIT;
    BTZ_TRY(btz_read_tensor(bytes, r->folder, r->arena, t, &name));
    if (!*name)
        return btz_fail(BTZ_INPUT, "an initializer without a name");
    v = &r->m->values[intern(r, name)];
    if (v->constant)
        return btz_fail(BTZ_INPUT, "initializer '%s' is there twice", name);
    if (v->type && v->type != t->type)
        return btz_fail(BTZ_INPUT, "initializer '%s' is of type %s, declared as %s", name,
                        btz_type_name(t->type), btz_type_name(v->type));
    v->constant = t;
    v->type = t->type;
    return BTZ_OK;
}

/* Names that a graph may take from around it, at most, with those of the graphs inside. */
static enum btz_err count_captures(struct btz_slice graph, uint32_t depth, uint64_t *count)
{
    struct btz_wire w = BTZ_WIRE(graph, "graph");
    bool more, more_fields, more_attrs;

    if (depth > DEPTH_MAX)
        return btz_fail(BTZ_LIMIT, "graphs in graphs, deeper than %d", DEPTH_MAX);
    EACH(w, more)
    *count += w.field == GRAPH_OUTPUT;
    if (w.field == GRAPH_NODE) {
        struct btz_wire n = BTZ_WIRE(w.bytes, "node");

        EACH(n, more_fields)
        *count += n.field == NODE_INPUT;
        if (n.field == NODE_ATTR) {
            struct btz_wire a = BTZ_WIRE(n.bytes, "attribute");

            EACH(a, more_attrs)
            if (a.field == 6)
                BTZ_TRY(count_captures(a.bytes, depth + 1, count));
            END_EACH
        }
        END_EACH
    }
    END_EACH
    return BTZ_OK;
}

/* Names, at most, and nodes; both bounded by the bytes that are there. */
static enum btz_err count_graph(struct btz_reading *r, struct btz_slice graph)
{
    struct btz_wire w = BTZ_WIRE(graph, "graph");
    uint64_t values = 0, nodes = 0, inputs = 0, outputs = 0, slots = 16, captures = 0;
    struct btz_model *m = r->m;
    bool more, more_fields;

    EACH(w, more)
    if (w.field == GRAPH_NODE) {
        struct btz_wire n = BTZ_WIRE(w.bytes, "node");

        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_BYTES));
        nodes++;
        EACH(n, more_fields)
        values += n.field == NODE_OUTPUT;
        END_EACH
    } else if (w.field == GRAPH_INIT || w.field == GRAPH_INPUT || w.field == GRAPH_OUTPUT ||
               w.field == GRAPH_VALUE) {
        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_BYTES));
        values++;
        inputs += w.field == GRAPH_INPUT;
        outputs += w.field == GRAPH_OUTPUT;
    } else if (w.field == GRAPH_SPARSE)
        return btz_fail(BTZ_UNSUPPORTED, "sparse initializers");
    END_EACH
    if (r->depth)
        BTZ_TRY(count_captures(graph, r->depth, &captures));
    values += captures;
    inputs += captures;
    if (nodes > r->nodes_max || values > UINT32_MAX / 4)
        return btz_fail(BTZ_LIMIT, "%" PRIu64 " nodes, at most %" PRIu32 " are allowed", nodes,
                        r->nodes_max);
    while (slots < values * 2)
        slots *= 2;
    r->value_max = (uint32_t)values;
    m->slot_mask = (uint32_t)slots - 1;
    m->slots = btz_arena_array(r->arena, slots, sizeof m->slots[0]);
    m->values = btz_arena_array(r->arena, values + 1, sizeof m->values[0]);
    m->nodes = btz_arena_array(r->arena, nodes + 1, sizeof m->nodes[0]);
    m->inputs = btz_arena_array(r->arena, inputs + 1, sizeof m->inputs[0]);
    m->outputs = btz_arena_array(r->arena, outputs + 1, sizeof m->outputs[0]);
    if (!m->slots || !m->values || !m->nodes || !m->inputs || !m->outputs)
        return BTZ_LIMIT;
    memset(m->slots, 0xff, slots * sizeof m->slots[0]);
    return BTZ_OK;
}

static enum btz_err read_pass(struct btz_reading *r, struct btz_slice graph, uint32_t field)
{
    struct btz_wire w = BTZ_WIRE(graph, "graph");
    struct btz_model *m = r->m;
    uint32_t v;
    bool more;

    EACH(w, more)
    if (w.field != field)
        continue;
    switch (field) {
    case GRAPH_NAME:
        BTZ_TRY(btz_read_text(r, &w, &m->graph_name));
        break;
    case GRAPH_INPUT:
        BTZ_TRY(read_value(r, w.bytes, &v));
        if (m->values[v].is_input)
            return btz_fail(BTZ_INPUT, "input '%s' is there twice", m->values[v].name);
        m->values[v].is_input = true;
        m->inputs[m->input_count++] = v;
        break;
    case GRAPH_INIT:
        BTZ_TRY(read_initializer(r, w.bytes));
        break;
    case GRAPH_NODE:
        BTZ_TRY(read_node(r, w.bytes, &m->nodes[m->node_count], m->node_count));
        m->node_count++;
        break;
    case GRAPH_VALUE:
        BTZ_TRY(read_value(r, w.bytes, &v));
        break;
    case GRAPH_OUTPUT:
        BTZ_TRY(read_value(r, w.bytes, &v));
        if (m->values[v].is_output)
            return btz_fail(BTZ_INPUT, "output '%s' is there twice", m->values[v].name);
        if (!is_defined(m, v) && !r->depth)
            return btz_fail(BTZ_INPUT, "output '%s' is defined nowhere", m->values[v].name);
        if (!is_defined(m, v))
            (void)capture(r, m->values[v].name);
        m->values[v].is_output = true;
        m->outputs[m->output_count++] = v;
        break;
    }
    END_EACH
    return BTZ_OK;
}

static enum btz_err read_graph(struct btz_reading *r, struct btz_slice graph)
{
    static const uint32_t passes[] = { GRAPH_NAME, GRAPH_INPUT, GRAPH_INIT,
                                       GRAPH_NODE, GRAPH_VALUE, GRAPH_OUTPUT };
    struct btz_model *m = r->m;
    uint32_t kept = 0;

    BTZ_TRY(count_graph(r, graph));
    for (size_t i = 0; i < BTZ_COUNT(passes); i++)
        BTZ_TRY(read_pass(r, graph, passes[i]));
    /* Old files list initializers as inputs, too. */
    for (uint32_t i = 0; i < m->input_count; i++)
        if (!m->values[m->inputs[i]].constant)
            m->inputs[kept++] = m->inputs[i];
    m->input_count = kept;
    return BTZ_OK;
}

/* ---- the model -------------------------------------------------------------------------------------------------------- */

static enum btz_err read_opset(struct btz_reading *r, struct btz_slice bytes, struct btz_opset *o)
{
    struct btz_wire w = BTZ_WIRE(bytes, "opset");
    bool more;

    o->domain = "";
    EACH(w, more)
    if (w.field == 1)
        BTZ_TRY(btz_read_text(r, &w, &o->domain));
    else if (w.field == 2) {
        BTZ_TRY(btz_wire_want(&w, BTZ_WIRE_VARINT));
        o->version = (int64_t)w.number;
    }
    END_EACH
    if (strcmp(o->domain, "ai.onnx") == 0)
        o->domain = "";
    if (!*o->domain && (o->version < BTZ_OPSET_MIN || o->version > BTZ_OPSET_MAX))
        return btz_fail(BTZ_UNSUPPORTED, "opset %" PRId64 ", supported are %d to %d", o->version,
                        BTZ_OPSET_MIN, BTZ_OPSET_MAX);
    return BTZ_OK;
}

static enum btz_err read_pair(struct btz_reading *r, struct btz_slice bytes,
                              struct btz_pair_text *p)
{
    struct btz_wire w = BTZ_WIRE(bytes, "metadata");
    bool more;

    p->key = p->value = "";
    EACH(w, more)
    if (w.field == 1)
        BTZ_TRY(btz_read_text(r, &w, &p->key));
    else if (w.field == 2)
        BTZ_TRY(btz_read_text(r, &w, &p->value));
    END_EACH
    return BTZ_OK;
}

static enum btz_err read_model_field(struct btz_reading *r, const struct btz_wire *w,
                                     struct btz_slice *graph)
{
    struct btz_model *m = r->m;

    switch (w->field) {
    case MODEL_IR:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_VARINT));
        m->ir_version = (int64_t)w->number;
        return BTZ_OK;
    case MODEL_PRODUCER:
        return btz_read_text(r, w, &m->producer);
    case MODEL_GRAPH:
        if (graph->ptr)
            return btz_fail(BTZ_INPUT, "two graphs");
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        *graph = w->bytes;
        return BTZ_OK;
    case MODEL_OPSET:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        return read_opset(r, w->bytes, &m->opsets[m->opset_count++]);
    case MODEL_METADATA:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        return read_pair(r, w->bytes, &m->metadata[m->metadata_count++]);
    case MODEL_FUNCTIONS:
        return btz_fail(BTZ_UNSUPPORTED, "functions of the model's own");
    }
    return BTZ_OK;
}

static enum btz_err read_model(struct btz_reading *r, struct btz_slice bytes)
{
    struct btz_wire w = BTZ_WIRE(bytes, "model");
    struct btz_slice graph = { 0 };
    size_t opsets = 0, pairs = 0;
    struct btz_model *m = r->m;
    bool more;

    m->graph_name = m->producer = "";
    EACH(w, more)
    opsets += w.field == MODEL_OPSET;
    pairs += w.field == MODEL_METADATA;
    END_EACH
    m->opsets = btz_arena_array(r->arena, opsets + 1, sizeof m->opsets[0]);
    m->metadata = btz_arena_array(r->arena, pairs + 1, sizeof m->metadata[0]);
    if (!m->opsets || !m->metadata)
        return BTZ_LIMIT;
    w = BTZ_WIRE(bytes, "model");
    EACH(w, more)
    BTZ_TRY(read_model_field(r, &w, &graph));
    END_EACH
    if (!graph.ptr)
        return btz_fail(BTZ_INPUT, "no graph: not an ONNX model");
    if (!m->opset_count)
        return btz_fail(BTZ_INPUT, "no opset is named");
    return read_graph(r, graph);
}

static enum btz_err parse(struct btz_slice bytes, int folder, const struct btz_model_limits *limits,
                          struct btz_model **out)
{
    struct btz_model *m = calloc(1, sizeof *m);
    struct btz_reading r = { .m = m, .folder = folder };
    enum btz_err err;

    if (!m)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_arena_init(&m->arena,
                   limits && limits->memory_max ? limits->memory_max : UINT64_C(4) << 30);
    r.arena = &m->arena;
    r.nodes_max = limits && limits->nodes_max ? limits->nodes_max : 200000;
    err = read_model(&r, bytes);
    if (err != BTZ_OK) {
        btz_model_free(m);
        return err;
    }
    *out = m;
    return BTZ_OK;
}

void btz_model_free(struct btz_model *m)
{
    if (!m)
        return;
    btz_arena_release(&m->arena);
    free(m);
}

enum btz_err btz_model_parse(struct btz_slice bytes, const char *folder,
                             const struct btz_model_limits *limits, struct btz_model **out)
{
    BTZ_CLOSE_FD int fd = -1;

    if (folder) {
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return btz_fail_errno(BTZ_IO, "open %s", folder);
    }
    return parse(bytes, fd, limits, out);
}

enum btz_err btz_model_read(const char *path, const struct btz_model_limits *limits,
                            struct btz_model **out)
{
    uint64_t max = limits && limits->file_max ? limits->file_max : UINT64_C(2) << 30;
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF((size_t)max);
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";
    enum btz_err err;

    if (slash) {
        size_t n = slash == path ? 1 : (size_t)(slash - path);

        if (n >= sizeof folder)
            return btz_fail(BTZ_INPUT, "%s: the name is too long", path);
        memcpy(folder, path, n);
        folder[n] = 0;
    }
    BTZ_TRY(btz_file_read(path, (size_t)max, &file));
    err = btz_model_parse(btz_buf_slice(&file), folder, limits, out);
    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "%s", path);
}
