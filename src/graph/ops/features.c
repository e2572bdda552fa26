/*
 * Features made ready for classic models: scaled, filled in, looked up, put together.
 */
#include <math.h>

#include "graph/ops/classic.h"

#define ML "ai.onnx.ml"

static enum btz_err infer_floats(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    if (call->in[0]->type == BTZ_STRING || call->in[0]->type == BTZ_BOOL)
        return btz_op_fail(call, BTZ_INPUT, "is not for inputs of type %s",
                           btz_type_name(call->in[0]->type));
    call->out[0]->type = btz_call_type(call, BTZ_F32);
    return BTZ_OK;
}

/* The length of the last axis. */
static size_t width_of(const struct btz_tensor *t)
{
    return t->shape.rank ? (size_t)t->shape.dim[t->shape.rank - 1] : 1;
}

/* Floats of which there is one for all, or one for each feature. */
static enum btz_err per_feature(const struct btz_call *call, const char *name, const float **out,
                                size_t *count)
{
    size_t width = width_of(call->in[0]);

    BTZ_TRY(btz_attr_floats(call->node, name, out, count));
    if (*count > 1 && *count != width)
        return btz_op_fail(call, BTZ_INPUT, "%s has %zu numbers for %zu features", name, *count,
                           width);
    return BTZ_OK;
}

static double feature(const float *list, size_t count, size_t i, double absent)
{
    return count ? (double)list[count == 1 ? 0 : i % count] : absent;
}

/* ---- Scaler, Normalizer, Binarizer ------------------------------------------------------------------------------------ */

static enum btz_err infer_scaler(struct btz_call *call, bool *later)
{
    const float *list;
    size_t count;

    BTZ_TRY(infer_floats(call, later));
    BTZ_TRY(per_feature(call, "offset", &list, &count));
    return per_feature(call, "scale", &list, &count);
}

static enum btz_err run_scaler(struct btz_call *call)
{
    const float *offset, *scale;
    size_t offsets, scales;

    BTZ_TRY(per_feature(call, "offset", &offset, &offsets));
    BTZ_TRY(per_feature(call, "scale", &scale, &scales));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++)
        btz_set(call->out[0], i,
                (btz_at_real(call->in[0], i) - feature(offset, offsets, i, 0)) *
                    feature(scale, scales, i, 1));
    return BTZ_OK;
}

static enum btz_err norm_name(const struct btz_call *call, struct btz_slice *norm)
{
    BTZ_TRY(btz_attr_string(call->node, "norm", "MAX", norm));
    if (!btz_slice_is(*norm, "MAX") && !btz_slice_is(*norm, "L1") && !btz_slice_is(*norm, "L2"))
        return btz_op_fail(call, BTZ_INPUT, "norm %.*s", BTZ_SLICE_ARG(*norm));
    return BTZ_OK;
}

static enum btz_err infer_normalizer(struct btz_call *call, bool *later)
{
    struct btz_slice norm;

    BTZ_TRY(norm_name(call, &norm));
    return infer_floats(call, later);
}

/* Rows are the last axis. Of the maximum the sign counts, as in the specification: X / max(X). */
static enum btz_err run_normalizer(struct btz_call *call)
{
    size_t width = width_of(call->in[0]), n = btz_tensor_count(call->in[0]);
    struct btz_slice norm;

    BTZ_TRY(norm_name(call, &norm));
    for (size_t row = 0; row < n; row += width) {
        double sum = btz_slice_is(norm, "MAX") ? -INFINITY : 0;

        for (size_t i = 0; i < width; i++) {
            double v = btz_at_real(call->in[0], row + i);

            sum = btz_slice_is(norm, "MAX")  ? fmax(sum, v)
                  : btz_slice_is(norm, "L1") ? sum + fabs(v)
                                             : sum + v * v;
        }
        sum = btz_slice_is(norm, "L2") ? sqrt(sum) : sum;
        for (size_t i = 0; i < width; i++) {
            double v = btz_at_real(call->in[0], row + i);

            btz_set(call->out[0], row + i, sum == 0 ? v : v / sum);
        }
    }
    return BTZ_OK;
}

static enum btz_err infer_binarizer(struct btz_call *call, bool *later)
{
    BTZ_TRY(infer_floats(call, later));
    call->out[0]->type = call->in[0]->type;
    return BTZ_OK;
}

static enum btz_err run_binarizer(struct btz_call *call)
{
    float threshold;

    BTZ_TRY(btz_attr_float(call->node, "threshold", 0, &threshold));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++)
        btz_put_int(call->out[0], i, btz_at_real(call->in[0], i) > (double)threshold);
    return BTZ_OK;
}

/* ---- Imputer ---------------------------------------------------------------------------------------------------------- */

static enum btz_err imputed(const struct btz_call *call, const float **floats, const int64_t **ints,
                            size_t *count)
{
    bool real = btz_type_is_real(call->in[0]->type);

    *floats = NULL;
    *ints = NULL;
    BTZ_TRY(real ? btz_attr_floats(call->node, "imputed_value_floats", floats, count)
                 : btz_attr_ints(call->node, "imputed_value_int64s", ints, count));
    if (*count != 1 && *count != width_of(call->in[0]))
        return btz_op_fail(call, BTZ_INPUT, "%zu values for %zu features", *count,
                           width_of(call->in[0]));
    return BTZ_OK;
}

static enum btz_err infer_imputer(struct btz_call *call, bool *later)
{
    const int64_t *ints;
    const float *floats;
    size_t count;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    if (!btz_type_is_real(call->in[0]->type) && call->in[0]->type != BTZ_I64)
        return btz_op_fail(call, BTZ_UNSUPPORTED, "of %s", btz_type_name(call->in[0]->type));
    return imputed(call, &floats, &ints, &count);
}

static enum btz_err run_imputer(struct btz_call *call)
{
    size_t count, width = width_of(call->in[0]);
    const int64_t *ints;
    const float *floats;
    int64_t replaced_int;
    float replaced;

    BTZ_TRY(imputed(call, &floats, &ints, &count));
    BTZ_TRY(btz_attr_float(call->node, "replaced_value_float", 0, &replaced));
    BTZ_TRY(btz_attr_int(call->node, "replaced_value_int64", 0, &replaced_int));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        size_t k = count == 1 ? 0 : i % width;

        if (ints) {
            int64_t v = btz_at_int(call->in[0], i);
            btz_put_int(call->out[0], i, v == replaced_int ? ints[k] : v);
        } else {
            double v = btz_get(call->in[0], i);
            bool gone = isnan(replaced) ? isnan(v) : v == (double)replaced;
            btz_set(call->out[0], i, gone ? (double)floats[k] : v);
        }
    }
    return BTZ_OK;
}

/* ---- look-ups --------------------------------------------------------------------------------------------------------- */

/* One of three lists of keys or values. */
struct list {
    enum btz_type type; /* I64, STRING or F32; NONE: not there */
    size_t count;
    const struct btz_attr *attr;
};

static enum btz_err list_of(const struct btz_call *call, const char *what, struct list *out)
{
    static const struct {
        const char *suffix;
        enum btz_attr_kind kind;
        enum btz_type type;
    } kinds[] = { { "int64s", BTZ_ATTR_INTS, BTZ_I64 },
                  { "strings", BTZ_ATTR_STRINGS, BTZ_STRING },
                  { "floats", BTZ_ATTR_FLOATS, BTZ_F32 } };
    char name[48];

    *out = (struct list){ 0 };
    for (size_t i = 0; i < BTZ_COUNT(kinds); i++) {
        const struct btz_attr *a;

        snprintf(name, sizeof name, "%s_%s", what, kinds[i].suffix);
        a = btz_attr(call->node, name);
        if (!a || !a->count)
            continue;
        if (a->kind != kinds[i].kind || out->type)
            return btz_op_fail(call, BTZ_INPUT, "%s is of a wrong kind, or not the only one", name);
        *out = (struct list){ kinds[i].type, a->count, a };
    }
    return BTZ_OK;
}

/* The place of element i of x in a list, or its length; of floats NaN is equal to NaN. */
static size_t find(const struct list *l, const struct btz_tensor *x, size_t i)
{
    size_t k = 0;

    for (; k < l->count; k++) {
        bool same;

        if (l->type == BTZ_STRING)
            same = btz_slice_equal(((const struct btz_slice *)x->data)[i], l->attr->strings[k]);
        else if (l->type == BTZ_I64)
            same = btz_at_int(x, i) == l->attr->ints[k];
        else
            same = (float)btz_at_real(x, i) == l->attr->floats[k] ||
                   (isnan(btz_at_real(x, i)) && isnan(l->attr->floats[k]));
        if (same)
            break;
    }
    return k;
}

static bool list_fits(const struct list *l, const struct btz_tensor *x)
{
    return l->type == BTZ_STRING ? x->type == BTZ_STRING
           : l->type == BTZ_I64  ? btz_type_is_integer(x->type)
                                 : btz_type_is_real(x->type);
}

static enum btz_err encoder_of(const struct btz_call *call, struct list *keys, struct list *values)
{
    const struct btz_attr *classes = btz_attr(call->node, "classes_strings");

    if (call->node->opset < 2) { /* strings to their places or back */
        bool from = call->in[0]->type == BTZ_STRING;

        if (!classes || classes->kind != BTZ_ATTR_STRINGS)
            return btz_op_fail(call, BTZ_INPUT, "has no classes_strings");
        *keys = (struct list){ from ? BTZ_STRING : BTZ_I64, from ? classes->count : 0, classes };
        *values = (struct list){ from ? BTZ_I64 : BTZ_STRING, classes->count, classes };
    } else {
        BTZ_TRY(list_of(call, "keys", keys));
        BTZ_TRY(list_of(call, "values", values));
        if (!keys->count || keys->count != values->count)
            return btz_op_fail(call, BTZ_INPUT, "%zu keys and %zu values", keys->count,
                               values->count);
    }
    if (!list_fits(keys, call->in[0]))
        return btz_op_fail(call, BTZ_INPUT, "keys are not of the type of the input");
    return BTZ_OK;
}

static enum btz_err infer_encoder(struct btz_call *call, bool *later)
{
    struct list keys, values;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(encoder_of(call, &keys, &values));
    call->out[0]->type = btz_call_type(call, values.type);
    return BTZ_OK;
}

static enum btz_err put_default(const struct btz_call *call, const struct btz_tensor *y, size_t i)
{
    struct btz_slice text;
    int64_t whole;
    float real;

    BTZ_TRY(btz_attr_string(call->node, "default_string", call->node->opset < 2 ? "" : "_Unused",
                            &text));
    BTZ_TRY(btz_attr_int(call->node, "default_int64", -1, &whole));
    BTZ_TRY(btz_attr_float(call->node, "default_float", -0.0F, &real));
    if (y->type == BTZ_STRING)
        ((struct btz_slice *)y->data)[i] = text;
    else if (y->type == BTZ_I64)
        btz_put_int(y, i, whole);
    else
        btz_set(y, i, (double)real);
    return BTZ_OK;
}

static enum btz_err run_encoder(struct btz_call *call)
{
    const struct btz_tensor *x = call->in[0], *y = call->out[0];
    struct list keys, values;

    BTZ_TRY(encoder_of(call, &keys, &values));
    for (size_t i = 0, n = btz_tensor_count(x); i < n; i++) {
        size_t k;

        if (call->node->opset < 2 && keys.type == BTZ_I64) /* the number is the place */
            k = btz_at_int(x, i) < 0 ? SIZE_MAX : (size_t)btz_at_int(x, i);
        else
            k = find(&keys, x, i);
        if (k >= values.count)
            BTZ_TRY(put_default(call, y, i));
        else if (y->type == BTZ_STRING)
            ((struct btz_slice *)y->data)[i] = values.attr->strings[k];
        else if (y->type == BTZ_I64)
            btz_put_int(y, i, call->node->opset < 2 ? (int64_t)k : values.attr->ints[k]);
        else
            btz_set(y, i, (double)values.attr->floats[k]);
    }
    return BTZ_OK;
}

static enum btz_err mapper_of(const struct btz_call *call, const struct btz_attr **ints,
                              const struct btz_attr **strings)
{
    *ints = btz_attr(call->node, "cats_int64s");
    *strings = btz_attr(call->node, "cats_strings");
    if (!*ints || !*strings || (*ints)->kind != BTZ_ATTR_INTS ||
        (*strings)->kind != BTZ_ATTR_STRINGS || (*ints)->count != (*strings)->count)
        return btz_op_fail(call, BTZ_INPUT, "categories of strings and numbers do not fit");
    if (call->in[0]->type != BTZ_STRING && call->in[0]->type != BTZ_I64)
        return btz_op_fail(call, BTZ_INPUT, "is not for inputs of type %s",
                           btz_type_name(call->in[0]->type));
    return BTZ_OK;
}

static enum btz_err infer_mapper(struct btz_call *call, bool *later)
{
    const struct btz_attr *ints, *strings;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(mapper_of(call, &ints, &strings));
    call->out[0]->type = call->in[0]->type == BTZ_STRING ? BTZ_I64 : BTZ_STRING;
    return BTZ_OK;
}

static enum btz_err run_mapper(struct btz_call *call)
{
    const struct btz_attr *ints, *strings;
    struct list keys;

    BTZ_TRY(mapper_of(call, &ints, &strings));
    keys = call->in[0]->type == BTZ_STRING ? (struct list){ BTZ_STRING, strings->count, strings }
                                           : (struct list){ BTZ_I64, ints->count, ints };
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        size_t k = find(&keys, call->in[0], i);

        if (k == keys.count)
            BTZ_TRY(put_default(call, call->out[0], i));
        else if (call->out[0]->type == BTZ_STRING)
            ((struct btz_slice *)call->out[0]->data)[i] = strings->strings[k];
        else
            btz_put_int(call->out[0], i, ints->ints[k]);
    }
    return BTZ_OK;
}

static enum btz_err categories(const struct btz_call *call, struct list *l)
{
    BTZ_TRY(list_of(call, "cats", l));
    if (!l->count || (l->type == BTZ_STRING) != (call->in[0]->type == BTZ_STRING))
        return btz_op_fail(call, BTZ_INPUT, "%zu categories for inputs of type %s", l->count,
                           btz_type_name(call->in[0]->type));
    return BTZ_OK;
}

static enum btz_err infer_one_hot(struct btz_call *call, bool *later)
{
    struct list l;

    BTZ_TRY(btz_call_counts(call, 1, 1));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_want_rank(call, 0, 0, BTZ_RANK_MAX - 1));
    BTZ_TRY(categories(call, &l));
    call->out[0]->type = btz_call_type(call, BTZ_F32);
    call->out[0]->shape.dim[call->out[0]->shape.rank++] = (int64_t)l.count;
    return BTZ_OK;
}

static enum btz_err run_one_hot(struct btz_call *call)
{
    struct list l;
    int64_t zeros;

    BTZ_TRY(categories(call, &l));
    BTZ_TRY(btz_attr_int(call->node, "zeros", 1, &zeros));
    for (size_t i = 0, n = btz_tensor_count(call->in[0]); i < n; i++) {
        size_t k = find(&l, call->in[0], i);

        if (k == l.count && !zeros)
            return btz_op_fail(call, BTZ_INPUT, "element %zu is in no category", i);
        for (size_t c = 0; c < l.count; c++)
            btz_set(call->out[0], i * l.count + c, c == k);
    }
    return BTZ_OK;
}

/* ---- putting together ------------------------------------------------------------------------------------------------- */

static enum btz_err infer_extractor(struct btz_call *call, bool *later)
{
    struct btz_shape *out;

    BTZ_TRY(btz_call_counts(call, 2, 2));
    BTZ_TRY(btz_infer_same(call, later));
    BTZ_TRY(btz_want_rank(call, 0, 1, BTZ_RANK_MAX));
    if (!btz_type_is_integer(call->in[1]->type))
        return btz_op_fail(call, BTZ_INPUT, "wants indices of int64");
    out = &call->out[0]->shape;
    if (out->rank == 1)
        *out = (struct btz_shape){ 2, { 1, out->dim[0] } };
    out->dim[out->rank - 1] = (int64_t)btz_tensor_count(call->in[1]);
    return BTZ_OK;
}

static enum btz_err run_extractor(struct btz_call *call)
{
    size_t size = btz_type_size(call->in[0]->type), width = width_of(call->in[0]),
           n = btz_tensor_count(call->in[1]), k = 0;

    for (size_t i = 0, count = btz_tensor_count(call->out[0]); i < count; i++) {
        BTZ_TRY(btz_want_index(call, btz_at_int(call->in[1], i % n), (int64_t)width, &k));
        memcpy((uint8_t *)call->out[0]->data + i * size,
               (const uint8_t *)call->in[0]->data + (i / n * width + k) * size, size);
    }
    return BTZ_OK;
}

/* Rows side by side, each as long as inputdimensions says: cut or filled with zeros. */
static enum btz_err widths_of(const struct btz_call *call, const int64_t **widths)
{
    size_t count;

    BTZ_TRY(btz_attr_ints(call->node, "inputdimensions", widths, &count));
    if (count && count != call->in_count)
        return btz_op_fail(call, BTZ_INPUT, "has %zu dimensions for %" PRIu32 " inputs", count,
                           call->in_count);
    return BTZ_OK;
}

static enum btz_err infer_vectorizer(struct btz_call *call, bool *later)
{
    const int64_t *widths;
    int64_t total = 0, rows = 0;

    (void)later;
    BTZ_TRY(btz_call_counts(call, 1, UINT32_MAX));
    BTZ_TRY(widths_of(call, &widths));
    for (uint32_t k = 0; k < call->in_count; k++) {
        const struct btz_tensor *t = call->in[k];
        int64_t own;

        if (!t || t->type == BTZ_STRING || t->type == BTZ_BOOL || t->shape.rank < 1 ||
            t->shape.rank > 2)
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " is no row of numbers", k);
        own = t->shape.rank == 2 ? t->shape.dim[0] : 1;
        if (k && own != rows)
            return btz_op_fail(call, BTZ_INPUT, "%" PRId64 " rows and %" PRId64, rows, own);
        rows = own;
        own = widths ? widths[k] : (int64_t)width_of(t);
        if (own < 0 || __builtin_add_overflow(total, own, &total))
            return btz_op_fail(call, BTZ_INPUT, "input %" PRIu32 " of %" PRId64 " features", k,
                               own);
    }
    call->out[0]->type = btz_call_type(call, BTZ_F32);
    call->out[0]->shape = (struct btz_shape){ 2, { rows, total } };
    return BTZ_OK;
}

static enum btz_err run_vectorizer(struct btz_call *call)
{
    size_t total = width_of(call->out[0]), rows = (size_t)call->out[0]->shape.dim[0], from = 0;
    const int64_t *widths;

    BTZ_TRY(widths_of(call, &widths));
    for (uint32_t k = 0; k < call->in_count; k++) {
        size_t have = width_of(call->in[k]), want = widths ? (size_t)widths[k] : have;

        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < want; i++)
                btz_set(call->out[0], r * total + from + i,
                        i < have ? btz_at_real(call->in[k], r * have + i) : 0);
        from += want;
    }
    return BTZ_OK;
}

/* A sequence of maps has no tensor: what comes out is the scores themselves, in the order of the labels. */
static enum btz_err infer_zip(struct btz_call *call, bool *later)
{
    BTZ_TRY(btz_call_counts(call, 1, 1));
    return btz_infer_same(call, later);
}

static enum btz_err run_view(struct btz_call *call)
{
    (void)call;
    return BTZ_OK;
}

#define OP(text, id)                                                                               \
    {                                                                                              \
        .name = text, .domain = ML, .since = 1, .infer = infer_##id, .run = run_##id               \
    }
static const struct btz_op ops[] = {
    OP("Scaler", scaler),
    OP("Normalizer", normalizer),
    OP("Binarizer", binarizer),
    OP("Imputer", imputer),
    OP("LabelEncoder", encoder),
    OP("CategoryMapper", mapper),
    OP("OneHotEncoder", one_hot),
    OP("ArrayFeatureExtractor", extractor),
    OP("FeatureVectorizer", vectorizer),
    { .name = "ZipMap",
      .domain = ML,
      .since = 1,
      .infer = infer_zip,
      .run = run_view,
      .flags = BTZ_OP_VIEW },
};
BTZ_OP_FAMILY(features, ops);
