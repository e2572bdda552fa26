/*
 * Lanes: which instructions, to lanes and back, packed weights.
 */
#include "graph/lanes.h"

static const struct btz_isa *const isas[] = {
#ifdef __x86_64__
    &btz_isa_avx512,
    &btz_isa_avx2,
#endif
    &btz_isa_plain,
};

const struct btz_isa *btz_isa_find(const char *name)
{
    for (size_t i = 0; i < BTZ_COUNT(isas); i++)
        if (isas[i]->works() && (!name || strcmp(isas[i]->name, name) == 0))
            return isas[i];
    return NULL;
}

bool btz_lanes_shape(const struct btz_shape *plain, struct btz_shape *lanes)
{
    if (!plain->rank || plain->rank >= BTZ_RANK_MAX)
        return false;
    *lanes = *plain;
    lanes->dim[0] = (int64_t)btz_lanes_blocks((size_t)plain->dim[0]);
    lanes->dim[lanes->rank++] = BTZ_LANES;
    return true;
}

static size_t features_of(const struct btz_tensor *plain)
{
    struct btz_split s = btz_split_at(&plain->shape, 0);

    return s.inner;
}

void btz_lanes_gather(const struct btz_isa *isa, const struct btz_tensor *plain,
                      const struct btz_tensor *lanes, bool zeros)
{
    size_t n = (size_t)plain->shape.dim[0], features = features_of(plain);

    for (size_t first = 0; first < n; first += BTZ_LANES) {
        float *to = (float *)lanes->data + first * features;
        const float *rows[BTZ_LANES];
        size_t last = n - first < BTZ_LANES ? n - first : BTZ_LANES;

        for (size_t l = 0; l < BTZ_LANES; l++)
            rows[l] = (const float *)plain->data + (first + (l < last ? l : last - 1)) * features;
        isa->gather(rows, features, to);
        for (size_t f = 0; f < features && zeros && last < BTZ_LANES; f++)
            memset(to + f * BTZ_LANES + last, 0, (BTZ_LANES - last) * sizeof *to);
    }
}

void btz_lanes_scatter(const struct btz_isa *isa, const struct btz_tensor *lanes,
                       const struct btz_tensor *plain, bool add)
{
    size_t n = (size_t)plain->shape.dim[0], features = features_of(plain);

    for (size_t first = 0; first < n; first += BTZ_LANES) {
        size_t last = n - first < BTZ_LANES ? n - first : BTZ_LANES;
        float *rows[BTZ_LANES];

        for (size_t l = 0; l < last; l++)
            rows[l] = (float *)plain->data + (first + l) * features;
        isa->scatter((const float *)lanes->data + first * features, features, rows, last, add);
    }
}

void btz_lanes_add(const struct btz_tensor *plain, const struct btz_tensor *lanes)
{
    size_t n = (size_t)plain->shape.dim[0], features = features_of(plain);

    for (size_t i = 0; i < n; i++) {
        const float *from = (const float *)plain->data + i * features;
        float *to = (float *)lanes->data + i / BTZ_LANES * features * BTZ_LANES + i % BTZ_LANES;

        for (size_t f = 0; f < features; f++)
            to[f * BTZ_LANES] += from[f];
    }
}

float *btz_lanes_floats(struct btz_arena *arena, size_t count)
{
    uint8_t *p;

    if (count > SIZE_MAX / 8 || !(p = btz_arena_alloc(arena, count * sizeof(float) + 64)))
        return NULL;
    return (float *)(void *)(p + (64 - (uintptr_t)p % 64) % 64);
}

size_t btz_pack_size(const struct btz_isa *isa, size_t rows, size_t k)
{
    size_t side, padded = 0;

    for (size_t row = 0; row < rows; row += side)
        padded += side = isa->side(rows - row);
    return padded * k;
}

void btz_pack(const struct btz_isa *isa, const float *w, size_t rows, size_t k, size_t row_stride,
              size_t k_stride, float scale, float *out)
{
    size_t side;

    for (size_t row = 0; row < rows; row += side, out += side * k) {
        size_t count = rows - row;

        side = isa->side(rows - row);
        count = count < side ? count : side;
        for (size_t i = 0; i < k; i++)
            for (size_t r = 0; r < side; r++)
                out[i * side + r] =
                    r < count ? scale * w[(row + r) * row_stride + i * k_stride] : 0;
    }
}
