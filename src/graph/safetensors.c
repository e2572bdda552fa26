/* safetensors: length of the header, the header in JSON, elements. Every byte belongs to one tensor. */
#include <stdlib.h>

#include "base/json.h"
#include "graph/weights.h"

#define HEADER_MAX 100000000 /* as in the reference implementation */

struct span {
    uint64_t from, to;
};

static bool type_of(const char *text, enum btz_weight_type *out)
{
    static const struct {
        const char *text;
        enum btz_weight_type type;
    } types[] = {
        { "F64", BTZ_WEIGHT_F64 },   { "F32", BTZ_WEIGHT_F32 }, { "F16", BTZ_WEIGHT_F16 },
        { "BF16", BTZ_WEIGHT_BF16 }, { "I64", BTZ_WEIGHT_I64 }, { "I32", BTZ_WEIGHT_I32 },
        { "I16", BTZ_WEIGHT_I16 },   { "I8", BTZ_WEIGHT_I8 },   { "U64", BTZ_WEIGHT_U64 },
        { "U32", BTZ_WEIGHT_U32 },   { "U16", BTZ_WEIGHT_U16 }, { "U8", BTZ_WEIGHT_U8 },
        { "BOOL", BTZ_WEIGHT_BOOL },
    };

    for (size_t i = 0; text && i < BTZ_COUNT(types); i++)
        if (strcmp(types[i].text, text) == 0) {
            *out = types[i].type;
            return true;
        }
    return false;
}

static enum btz_err shape_of(const struct btz_weights_job *job, const char *name,
                             const json_t *list, struct btz_shape *out)
{
    if (!json_is_array(list) || json_array_size(list) > BTZ_RANK_MAX)
        return btz_fail(BTZ_INPUT, "%s: shape of tensor %s is no list of at most %d sizes",
                        job->what, name, BTZ_RANK_MAX);
    out->rank = (uint32_t)json_array_size(list);
    for (uint32_t i = 0; i < out->rank; i++) {
        const json_t *dim = json_array_get(list, i);

        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return btz_fail(BTZ_INPUT, "%s: axis %u of tensor %s is no size", job->what, i, name);
        out->dim[i] = json_integer_value(dim);
    }
    return BTZ_OK;
}

static enum btz_err add(struct btz_weights_job *job, const char *name, const json_t *entry,
                        struct btz_slice data, struct span *span)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    enum btz_weight_type type = BTZ_WEIGHT_F32;
    struct btz_shape shape = { 0 };
    json_int_t from, to;
    size_t count, size;

    if (!json_is_object(entry) || !json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !json_is_integer(json_array_get(offsets, 0)) ||
        !json_is_integer(json_array_get(offsets, 1)))
        return btz_fail(BTZ_INPUT, "%s: tensor %s has no dtype, shape and data_offsets", job->what,
                        name);
    if (!type_of(dtype, &type))
        return btz_fail(BTZ_UNSUPPORTED, "%s: tensor %s is of type %s", job->what, name,
                        dtype ? dtype : "(none)");
    BTZ_TRY(shape_of(job, name, json_object_get(entry, "shape"), &shape));
    from = json_integer_value(json_array_get(offsets, 0));
    to = json_integer_value(json_array_get(offsets, 1));
    if (from < 0 || to < from || (uint64_t)to > data.len)
        return btz_fail(BTZ_INPUT,
                        "%s: tensor %s lies at %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
                        " of %zu bytes",
                        job->what, name, from, to, data.len);
    BTZ_TRY(btz_shape_count(&shape, &count));
    if (!btz_size_mul(count, btz_weight_type_size(type), &size) || size != (uint64_t)(to - from))
        return btz_fail(BTZ_INPUT,
                        "%s: tensor %s has %zu elements and %" JSON_INTEGER_FORMAT " bytes",
                        job->what, name, count, to - from);
    *span = (struct span){ (uint64_t)from, (uint64_t)to };
    return btz_weights_add(job, btz_str(name), type, &shape,
                           btz_slice_sub(data, (size_t)from, size), 0, NULL);
}

static int by_place(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return (x->to > y->to) - (x->to < y->to);
}

enum btz_err btz_safetensors_read(struct btz_weights_job *job, struct btz_slice bytes)
{
    BTZ_JSON json_t *header = NULL;
    BTZ_FREE struct span *spans = NULL;
    struct btz_slice data;
    uint64_t len = 0, at = 0;
    const char *name;
    size_t count = 0;
    json_t *entry;

    if (bytes.len < 8)
        return btz_fail(BTZ_INPUT, "%s: %zu bytes are no safetensors file", job->what, bytes.len);
    for (int i = 0; i < 8; i++)
        len |= (uint64_t)bytes.ptr[i] << 8 * i;
    if (len > HEADER_MAX || len > bytes.len - 8)
        return btz_fail(len > HEADER_MAX ? BTZ_LIMIT : BTZ_INPUT,
                        "%s: header of %" PRIu64 " bytes in a file of %zu", job->what, len,
                        bytes.len);
    BTZ_TRY(btz_json_parse(btz_slice_sub(bytes, 8, (size_t)len), HEADER_MAX, job->what, &header));
    if (!json_is_object(header))
        return btz_fail(BTZ_INPUT, "%s: the header is no object", job->what);
    data = btz_slice_sub(bytes, 8 + (size_t)len, bytes.len);
    spans = calloc(json_object_size(header) + 1, sizeof *spans);
    if (!spans)
        return btz_fail(BTZ_LIMIT, "out of memory");
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        BTZ_TRY(add(job, name, entry, data, &spans[count]));
        count++;
    }
    qsort(spans, count, sizeof *spans, by_place);
    for (size_t i = 0; i < count; i++) {
        if (spans[i].from != at)
            return btz_fail(BTZ_INPUT, "%s: tensors %s at byte %" PRIu64 " of the data", job->what,
                            spans[i].from < at ? "lie over each other" : "leave a hole", at);
        at = spans[i].to;
    }
    if (at != data.len)
        return btz_fail(BTZ_INPUT, "%s: %" PRIu64 " bytes behind the last tensor", job->what,
                        data.len - at);
    return BTZ_OK;
}
