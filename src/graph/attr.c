/*
 * Attributes of nodes, and how operators complain.
 */
#include "graph/op.h"

const struct btz_attr *btz_attr(const struct btz_node *n, const char *name)
{
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

static enum btz_err find(const struct btz_node *n, const char *name, enum btz_attr_kind kind,
                         const struct btz_attr **out)
{
    *out = btz_attr(n, name);
    if (*out && (*out)->kind != kind)
        return btz_fail(BTZ_INPUT,
                        "%s '%s' (opset %" PRId64 "): attribute %s is of kind %d, expected %d",
                        n->type, n->name, n->opset, name, (int)(*out)->kind, (int)kind);
    return BTZ_OK;
}

enum btz_err btz_attr_int(const struct btz_node *n, const char *name, int64_t absent, int64_t *out)
{
    const struct btz_attr *a;

    BTZ_TRY(find(n, name, BTZ_ATTR_INT, &a));
    *out = a ? a->i : absent;
    return BTZ_OK;
}

enum btz_err btz_attr_float(const struct btz_node *n, const char *name, float absent, float *out)
{
    const struct btz_attr *a;

    BTZ_TRY(find(n, name, BTZ_ATTR_FLOAT, &a));
    *out = a ? a->f : absent;
    return BTZ_OK;
}

enum btz_err btz_attr_ints(const struct btz_node *n, const char *name, const int64_t **out,
                           size_t *count)
{
    const struct btz_attr *a;

    BTZ_TRY(find(n, name, BTZ_ATTR_INTS, &a));
    *out = a ? a->ints : NULL;
    *count = a ? a->count : 0;
    return BTZ_OK;
}

enum btz_err btz_attr_floats(const struct btz_node *n, const char *name, const float **out,
                             size_t *count)
{
    const struct btz_attr *a;

    BTZ_TRY(find(n, name, BTZ_ATTR_FLOATS, &a));
    *out = a ? a->floats : NULL;
    *count = a ? a->count : 0;
    return BTZ_OK;
}

enum btz_err btz_attr_string(const struct btz_node *n, const char *name, const char *absent,
                             struct btz_slice *out)
{
    const struct btz_attr *a;

    BTZ_TRY(find(n, name, BTZ_ATTR_STRING, &a));
    *out = a ? a->s : btz_str(absent);
    return BTZ_OK;
}

enum btz_err btz_axis(const struct btz_call *call, int64_t axis, uint32_t rank, uint32_t *out)
{
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        return btz_op_fail(call, BTZ_INPUT, "axis %" PRId64 " of a tensor of %" PRIu32 " axes",
                           axis, rank);
    *out = (uint32_t)(axis < 0 ? axis + rank : axis);
    return BTZ_OK;
}

enum btz_err btz_op_fail_at(const struct btz_call *call, enum btz_err err)
{
    const struct btz_node *n = call->node;

    return btz_fail_context(err, "%s '%s' (opset %" PRId64 ")", n->type, n->name, n->opset);
}

const struct btz_op *btz_op_find(const char *domain, const char *name, int64_t opset)
{
    for (const struct btz_op_family *const *f = btz_op_families; *f; f++)
        for (size_t i = 0; i < (*f)->count; i++) {
            const struct btz_op *op = &(*f)->ops[i];

            if (strcmp(op->name, name) == 0 && strcmp(op->domain ? op->domain : "", domain) == 0 &&
                opset >= op->since && (!op->until || opset <= op->until))
                return op;
        }
    return NULL;
}
