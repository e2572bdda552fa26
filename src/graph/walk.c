/*
 * Walks over broadcast shapes.
 */
#include "graph/kernel.h"

void btz_walk_init(struct btz_walk *w, const struct btz_shape *shape, uint32_t tensors,
                   const struct btz_shape *const shapes[])
{
    size_t stride[BTZ_WALK_MAX][BTZ_RANK_MAX];

    *w = (struct btz_walk){ .tensors = tensors };
    for (uint32_t k = 0; k < tensors; k++) {
        uint32_t off = shape->rank - shapes[k]->rank;
        size_t s = 1;

        for (uint32_t i = shape->rank; i-- > 0;) {
            int64_t d = i >= off ? shapes[k]->dim[i - off] : 1;
            stride[k][i] = d == 1 ? 0 : s;
            s *= (size_t)d;
        }
    }
    for (uint32_t i = 0; i < shape->rank; i++) {
        size_t d = (size_t)shape->dim[i];
        bool merge = w->rank > 0;

        if (!d)
            w->done = true;
        if (d == 1)
            continue;
        for (uint32_t k = 0; k < tensors && merge; k++)
            merge = w->stride[k][w->rank - 1] == stride[k][i] * d;
        if (!merge)
            w->dim[w->rank++] = 1;
        w->dim[w->rank - 1] *= d;
        for (uint32_t k = 0; k < tensors; k++)
            w->stride[k][w->rank - 1] = stride[k][i];
    }
    if (!w->rank)
        w->dim[w->rank++] = 1;
    w->len = w->dim[w->rank - 1];
    for (uint32_t k = 0; k < tensors; k++)
        w->step[k] = w->stride[k][w->rank - 1];
}

void btz_walk_next(struct btz_walk *w)
{
    for (uint32_t i = w->rank - 1; i-- > 0;) {
        for (uint32_t k = 0; k < w->tensors; k++)
            w->at[k] += w->stride[k][i];
        if (++w->index[i] < w->dim[i])
            return;
        for (uint32_t k = 0; k < w->tensors; k++)
            w->at[k] -= w->stride[k][i] * w->dim[i];
        w->index[i] = 0;
    }
    w->done = true;
}

struct btz_split btz_split_at(const struct btz_shape *shape, uint32_t axis)
{
    struct btz_split s = { 1, 1, 1 };

    for (uint32_t i = 0; i < shape->rank; i++)
        *(i < axis ? &s.outer : i == axis ? &s.n : &s.inner) *= (size_t)shape->dim[i];
    return s;
}
