/*
 * ModelProto, written.
 */
#include "graph/graph.h"
#include "graph/wire.h"

static enum btz_err put_tensor_body(struct btz_buf *b, const struct btz_tensor *t, const char *name)
{
    for (uint32_t i = 0; i < t->shape.rank; i++)
        BTZ_TRY(btz_wire_put_number(b, 1, (uint64_t)t->shape.dim[i]));
    BTZ_TRY(btz_wire_put_number(b, 2, t->type));
    if (t->type == BTZ_STRING) {
        const struct btz_slice *s = t->data;

        for (size_t i = 0, n = btz_tensor_count(t); i < n; i++)
            BTZ_TRY(btz_wire_put_bytes(b, 6, s[i]));
    }
    if (*name)
        BTZ_TRY(btz_wire_put_text(b, 8, name));
    if (t->type != BTZ_STRING)
        BTZ_TRY(btz_wire_put_bytes(b, 9, btz_slice_of(t->data, btz_tensor_bytes(t))));
    return BTZ_OK;
}

static enum btz_err put_tensor(struct btz_buf *out, uint32_t field, const struct btz_tensor *t,
                               const char *name)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(out->max);

    BTZ_TRY(put_tensor_body(&b, t, name));
    return btz_wire_put_bytes(out, field, btz_buf_slice(&b));
}

static enum btz_err put_attr(struct btz_buf *out, const struct btz_attr *a)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(out->max);
    uint32_t bits;

    BTZ_TRY(btz_wire_put_text(&b, 1, a->name));
    switch (a->kind) {
    case BTZ_ATTR_FLOAT:
        memcpy(&bits, &a->f, sizeof bits);
        BTZ_TRY(btz_wire_put_fixed32(&b, 2, bits));
        break;
    case BTZ_ATTR_INT:
        BTZ_TRY(btz_wire_put_number(&b, 3, (uint64_t)a->i));
        break;
    case BTZ_ATTR_STRING:
        BTZ_TRY(btz_wire_put_bytes(&b, 4, a->s));
        break;
    case BTZ_ATTR_TENSOR:
        BTZ_TRY(put_tensor(&b, 5, a->t, ""));
        break;
    case BTZ_ATTR_GRAPH:
        BTZ_TRY(btz_wire_put_bytes(&b, 6, a->g));
        break;
    case BTZ_ATTR_FLOATS:
        for (size_t i = 0; i < a->count; i++) {
            memcpy(&bits, &a->floats[i], sizeof bits);
            BTZ_TRY(btz_wire_put_fixed32(&b, 7, bits));
        }
        break;
    case BTZ_ATTR_INTS:
        for (size_t i = 0; i < a->count; i++)
            BTZ_TRY(btz_wire_put_number(&b, 8, (uint64_t)a->ints[i]));
        break;
    case BTZ_ATTR_STRINGS:
        for (size_t i = 0; i < a->count; i++)
            BTZ_TRY(btz_wire_put_bytes(&b, 9, a->strings[i]));
        break;
    }
    BTZ_TRY(btz_wire_put_number(&b, 20, a->kind));
    return btz_wire_put_bytes(out, 5, btz_buf_slice(&b));
}

static enum btz_err put_node(struct btz_buf *out, const struct btz_model *m,
                             const struct btz_node *n)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(out->max);

    for (uint32_t i = 0; i < n->in_count - n->captured; i++)
        BTZ_TRY(btz_wire_put_text(&b, 1, n->in[i] == BTZ_NONE ? "" : m->values[n->in[i]].name));
    for (uint32_t i = 0; i < n->out_count; i++)
        BTZ_TRY(btz_wire_put_text(&b, 2, n->out[i] == BTZ_NONE ? "" : m->values[n->out[i]].name));
    if (*n->name)
        BTZ_TRY(btz_wire_put_text(&b, 3, n->name));
    BTZ_TRY(btz_wire_put_text(&b, 4, n->type));
    for (uint32_t i = 0; i < n->attr_count; i++)
        BTZ_TRY(put_attr(&b, &n->attrs[i]));
    if (*n->domain)
        BTZ_TRY(btz_wire_put_text(&b, 7, n->domain));
    return btz_wire_put_bytes(out, 1, btz_buf_slice(&b));
}

/* TypeProto of a tensor. */
static enum btz_err put_type(struct btz_buf *b, const struct btz_value *v)
{
    BTZ_BUF_RELEASE struct btz_buf tensor = BTZ_BUF(b->max);
    BTZ_BUF_RELEASE struct btz_buf shape = BTZ_BUF(b->max);
    BTZ_BUF_RELEASE struct btz_buf dim = BTZ_BUF(b->max);
    BTZ_BUF_RELEASE struct btz_buf type = BTZ_BUF(b->max);

    BTZ_TRY(btz_wire_put_number(&tensor, 1, v->type));
    for (uint32_t i = 0; i < v->shape.rank && v->has_shape; i++) {
        btz_buf_clear(&dim);
        if (v->shape.dim[i] >= 0)
            BTZ_TRY(btz_wire_put_number(&dim, 1, (uint64_t)v->shape.dim[i]));
        else if (v->dim_name[i])
            BTZ_TRY(btz_wire_put_text(&dim, 2, v->dim_name[i]));
        BTZ_TRY(btz_wire_put_bytes(&shape, 1, btz_buf_slice(&dim)));
    }
    if (v->has_shape)
        BTZ_TRY(btz_wire_put_bytes(&tensor, 2, btz_buf_slice(&shape)));
    BTZ_TRY(btz_wire_put_bytes(&type, 1, btz_buf_slice(&tensor)));
    return btz_wire_put_bytes(b, 2, btz_buf_slice(&type));
}

static enum btz_err put_value(struct btz_buf *out, uint32_t field, const struct btz_value *v)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(out->max);

    BTZ_TRY(btz_wire_put_text(&b, 1, v->name));
    if (v->type_proto.len)
        BTZ_TRY(btz_wire_put_bytes(&b, 2, v->type_proto));
    else if (v->type)
        BTZ_TRY(put_type(&b, v));
    return btz_wire_put_bytes(out, field, btz_buf_slice(&b));
}

static enum btz_err put_graph(struct btz_buf *out, const struct btz_model *m)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(out->max);

    for (uint32_t i = 0; i < m->node_count; i++)
        BTZ_TRY(put_node(&b, m, &m->nodes[i]));
    BTZ_TRY(btz_wire_put_text(&b, 2, m->graph_name));
    for (uint32_t i = 0; i < m->value_count; i++)
        if (m->values[i].constant)
            BTZ_TRY(put_tensor(&b, 5, m->values[i].constant, m->values[i].name));
    for (uint32_t i = 0; i < m->input_count; i++)
        BTZ_TRY(put_value(&b, 11, &m->values[m->inputs[i]]));
    for (uint32_t i = 0; i < m->value_count; i++) /* old files: initializers that are inputs, too */
        if (m->values[i].constant && m->values[i].is_input)
            BTZ_TRY(put_value(&b, 11, &m->values[i]));
    for (uint32_t i = 0; i < m->output_count; i++)
        BTZ_TRY(put_value(&b, 12, &m->values[m->outputs[i]]));
    for (uint32_t i = 0; i < m->value_count; i++) {
        const struct btz_value *v = &m->values[i];

        if (!v->is_input && !v->is_output && !v->constant && (v->has_shape || v->type_proto.len))
            BTZ_TRY(put_value(&b, 13, v));
    }
    return btz_wire_put_bytes(out, 7, btz_buf_slice(&b));
}

enum btz_err btz_model_write(const struct btz_model *m, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(out->max);

    BTZ_TRY(btz_wire_put_number(out, 1, (uint64_t)m->ir_version));
    if (*m->producer)
        BTZ_TRY(btz_wire_put_text(out, 2, m->producer));
    BTZ_TRY(put_graph(out, m));
    for (size_t i = 0; i < m->opset_count; i++) {
        btz_buf_clear(&b);
        if (*m->opsets[i].domain)
            BTZ_TRY(btz_wire_put_text(&b, 1, m->opsets[i].domain));
        BTZ_TRY(btz_wire_put_number(&b, 2, (uint64_t)m->opsets[i].version));
        BTZ_TRY(btz_wire_put_bytes(out, 8, btz_buf_slice(&b)));
    }
    for (size_t i = 0; i < m->metadata_count; i++) {
        btz_buf_clear(&b);
        BTZ_TRY(btz_wire_put_text(&b, 1, m->metadata[i].key));
        BTZ_TRY(btz_wire_put_text(&b, 2, m->metadata[i].value));
        BTZ_TRY(btz_wire_put_bytes(out, 14, btz_buf_slice(&b)));
    }
    return BTZ_OK;
}
