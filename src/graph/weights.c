/* Weights: the format of a file, tensors made dense, names sorted. */
#include <stdlib.h>

#include "base/half.h"
#include "base/zip.h"
#include "graph/weights.h"

#define FILE_DEFAULT   (UINT64_C(2) << 30)
#define MEMORY_DEFAULT (UINT64_C(4) << 30)
#define COUNT_MAX      1000000
/* Strides of 0 make much of little: more than this only where the file has as many elements. */
#define EXPANDED_MAX (1 << 24)

static const struct {
    size_t size;
    enum btz_type type;
} types[] = {
    [BTZ_WEIGHT_F64] = { 8, BTZ_F32 },   [BTZ_WEIGHT_F32] = { 4, BTZ_F32 },
    [BTZ_WEIGHT_F16] = { 2, BTZ_F32 },   [BTZ_WEIGHT_BF16] = { 2, BTZ_F32 },
    [BTZ_WEIGHT_I64] = { 8, BTZ_I64 },   [BTZ_WEIGHT_I32] = { 4, BTZ_I32 },
    [BTZ_WEIGHT_I16] = { 2, BTZ_I16 },   [BTZ_WEIGHT_I8] = { 1, BTZ_I8 },
    [BTZ_WEIGHT_U64] = { 8, BTZ_U64 },   [BTZ_WEIGHT_U32] = { 4, BTZ_U32 },
    [BTZ_WEIGHT_U16] = { 2, BTZ_U16 },   [BTZ_WEIGHT_U8] = { 1, BTZ_U8 },
    [BTZ_WEIGHT_BOOL] = { 1, BTZ_BOOL },
};

size_t btz_weight_type_size(enum btz_weight_type type)
{
    return types[type].size;
}

/* One element to where it belongs. */
static void put(enum btz_weight_type type, const uint8_t *from, void *to, size_t i)
{
    float *f = to;
    uint16_t half;
    double d;

    switch (type) {
    case BTZ_WEIGHT_F64:
        memcpy(&d, from, sizeof d);
        f[i] = (float)d;
        break;
    case BTZ_WEIGHT_F16:
        memcpy(&half, from, sizeof half);
        f[i] = btz_f16_to_f32(half);
        break;
    case BTZ_WEIGHT_BF16:
        memcpy(&half, from, sizeof half);
        f[i] = btz_bf16_to_f32(half);
        break;
    case BTZ_WEIGHT_BOOL:
        ((uint8_t *)to)[i] = *from != 0;
        break;
    case BTZ_WEIGHT_F32:
    case BTZ_WEIGHT_I64:
    case BTZ_WEIGHT_I32:
    case BTZ_WEIGHT_I16:
    case BTZ_WEIGHT_I8:
    case BTZ_WEIGHT_U64:
    case BTZ_WEIGHT_U32:
    case BTZ_WEIGHT_U16:
    case BTZ_WEIGHT_U8:
        memcpy((uint8_t *)to + i * types[type].size, from, types[type].size);
        break;
    }
}

/* The last element that is touched lies inside. */
static enum btz_err check_place(const struct btz_weights_job *job, struct btz_slice name,
                                const struct btz_shape *shape, uint64_t there, uint64_t offset,
                                const uint64_t *stride)
{
    size_t last = offset, step;

    for (uint32_t i = 0; i < shape->rank; i++)
        if (!btz_size_mul((size_t)shape->dim[i] - 1, stride[i], &step) ||
            !btz_size_add(last, step, &last))
            last = SIZE_MAX;
    if (last >= there)
        return btz_fail(BTZ_INPUT,
                        "%s: tensor %.*s reaches beyond its %" PRIu64
                        " elements (offset, axis or stride)",
                        job->what, BTZ_SLICE_ARG(name), there);
    return BTZ_OK;
}

static void copy(enum btz_weight_type type, const struct btz_tensor *t, size_t count,
                 const uint8_t *from, uint64_t offset, const uint64_t *stride)
{
    size_t size = types[type].size;
    int64_t index[BTZ_RANK_MAX] = { 0 };
    uint64_t at = offset;

    for (size_t n = 0; n < count; n++) {
        put(type, from + at * size, t->data, n);
        for (uint32_t i = t->shape.rank; i-- > 0;) {
            at += stride[i];
            if (++index[i] < t->shape.dim[i])
                break;
            at -= stride[i] * (uint64_t)t->shape.dim[i];
            index[i] = 0;
        }
    }
}

static enum btz_err grow(struct btz_weights_job *job)
{
    struct btz_weights *w = job->out;
    size_t room = job->room ? job->room * 2 : 64;
    struct btz_weight *more;

    if (w->count >= COUNT_MAX)
        return btz_fail(BTZ_LIMIT, "%s: more than %d tensors", job->what, COUNT_MAX);
    more = btz_arena_array(&w->arena, room, sizeof *more);
    if (!more)
        return BTZ_LIMIT;
    if (w->count)
        memcpy(more, w->items, w->count * sizeof *more);
    w->items = more;
    job->room = room;
    return BTZ_OK;
}

enum btz_err btz_weights_add(struct btz_weights_job *job, struct btz_slice name,
                             enum btz_weight_type type, const struct btz_shape *shape,
                             struct btz_slice bytes, uint64_t offset, const uint64_t *stride)
{
    struct btz_weights *w = job->out;
    uint64_t dense[BTZ_RANK_MAX], there = bytes.len / types[type].size;
    struct btz_tensor t = { .type = types[type].type, .shape = *shape };
    size_t count, size;

    BTZ_TRY(btz_shape_count(shape, &count));
    if (!btz_size_mul(count, btz_type_size(t.type), &size) || size > job->memory_max)
        return btz_fail(BTZ_LIMIT, "%s: tensor %.*s of %zu elements is larger than allowed",
                        job->what, BTZ_SLICE_ARG(name), count);
    if (count > there && count > EXPANDED_MAX)
        return btz_fail(BTZ_LIMIT,
                        "%s: tensor %.*s repeats %" PRIu64 " elements of its storage to %zu, "
                        "larger than allowed",
                        job->what, BTZ_SLICE_ARG(name), there, count);
    if (name.len == 0 || memchr(name.ptr, 0, name.len) || !btz_is_utf8(name))
        return btz_fail(BTZ_INPUT, "%s: a tensor's name is empty or no text", job->what);
    for (uint32_t i = shape->rank; !stride && i-- > 0;)
        dense[i] = i + 1 < shape->rank ? dense[i + 1] * (uint64_t)shape->dim[i + 1] : 1;
    if (!stride)
        stride = dense;
    if (count)
        BTZ_TRY(check_place(job, name, shape, there, offset, stride));
    if (w->count == job->room)
        BTZ_TRY(grow(job));
    t.data = btz_arena_alloc(&w->arena, size ? size : 1);
    if (!t.data)
        return BTZ_LIMIT;
    copy(type, &t, count, bytes.ptr, offset, stride);
    w->items[w->count].name = btz_arena_str(&w->arena, name);
    if (!w->items[w->count].name)
        return BTZ_LIMIT;
    w->items[w->count++].tensor = t;
    return BTZ_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct btz_weight *)a)->name, ((const struct btz_weight *)b)->name);
}

static enum btz_err read_any(struct btz_weights_job *job, struct btz_slice bytes)
{
    struct btz_weights *w = job->out;

    if (btz_is_zip(bytes)) {
        w->format = "pth-zip";
        BTZ_TRY(btz_pth_read(job, bytes));
    } else if (btz_pth_is(bytes)) {
        w->format = "pth";
        BTZ_TRY(btz_pth_read(job, bytes));
    } else if (bytes.len > 8 && bytes.ptr[8] == '{') {
        w->format = "safetensors";
        BTZ_TRY(btz_safetensors_read(job, bytes));
    } else
        return btz_fail(BTZ_INPUT, "%s: neither safetensors nor a .pth of PyTorch", job->what);
    if (w->count)
        qsort(w->items, w->count, sizeof *w->items, by_name);
    for (size_t i = 1; i < w->count; i++)
        if (strcmp(w->items[i].name, w->items[i - 1].name) == 0)
            return btz_fail(BTZ_INPUT, "%s: two tensors named %s", job->what, w->items[i].name);
    return BTZ_OK;
}

enum btz_err btz_weights_parse(struct btz_slice bytes, const char *what,
                               const struct btz_weights_limits *limits, struct btz_weights **out)
{
    struct btz_weights *w = calloc(1, sizeof *w);
    struct btz_weights_job job = { .out = w, .what = what };
    enum btz_err err;

    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    job.memory_max = limits && limits->memory_max ? limits->memory_max : MEMORY_DEFAULT;
    btz_arena_init(&w->arena, job.memory_max);
    err = read_any(&job, bytes);
    if (err != BTZ_OK)
        btz_weights_free(w);
    else
        *out = w;
    return err;
}

enum btz_err btz_weights_read(const char *path, const struct btz_weights_limits *limits,
                              struct btz_weights **out)
{
    uint64_t max = limits && limits->file_max ? limits->file_max : FILE_DEFAULT;
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(max + 1);

    BTZ_TRY(btz_file_read(path, max, &bytes));
    return btz_weights_parse(btz_buf_slice(&bytes), path, limits, out);
}

void btz_weights_free(struct btz_weights *w)
{
    if (!w)
        return;
    btz_arena_release(&w->arena);
    free(w);
}

const struct btz_tensor *btz_weights_find(const struct btz_weights *w, const char *name)
{
    const struct btz_weight key = { .name = name };
    const struct btz_weight *found =
        w->count ? bsearch(&key, w->items, w->count, sizeof key, by_name) : NULL;

    return found ? &found->tensor : NULL;
}
