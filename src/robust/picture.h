/* Samples that are pictures: planes of height x width. */
#ifndef BTZ_ROBUST_PICTURE_H
#define BTZ_ROBUST_PICTURE_H

#include "robust/robust.h"

struct btz_picture {
    size_t channels, height, width; /* channels x height x width floats */
};
/* Of rank 2 (height, width) or 3 (channels first). Errors: UNSUPPORTED, LIMIT (a side over 16,384). */
BTZ_CHECKED enum btz_err btz_picture_of(const struct btz_shape *shape, struct btz_picture *out);
/* Bilinear value of a plane; `outside` where there is no pixel. */
float btz_picture_at(const float *plane, size_t height, size_t width, double row, double column,
                     float outside);
/*
 * Turned by `degrees` (against the clock, around the centre) after being moved by rows and columns; bilinear; what was not in
 * the picture is `outside`.
 */
void btz_picture_turn(const struct btz_picture *p, const float *in, double degrees, double rows,
                      double columns, float outside, float *out);

#endif
