/*
 * Geometry of pictures.
 */
#include <math.h>

#include "robust/picture.h"

#define SIDE_MAX 16384

enum btz_err btz_picture_of(const struct btz_shape *shape, struct btz_picture *out)
{
    char text[BTZ_SHAPE_TEXT];

    if (shape->rank < 2 || shape->rank > 3)
        return btz_fail(BTZ_UNSUPPORTED,
                        "samples of %s are no pictures: channels x height x width is expected",
                        btz_shape_text(shape, text));
    for (uint32_t k = 0; k < shape->rank; k++)
        if (shape->dim[k] < 1 || shape->dim[k] > SIDE_MAX)
            return btz_fail(BTZ_LIMIT, "a picture of %s: sides of 1 to %d are possible",
                            btz_shape_text(shape, text), SIDE_MAX);
    *out = (struct btz_picture){
        .channels = shape->rank == 3 ? (size_t)shape->dim[0] : 1,
        .height = (size_t)shape->dim[shape->rank - 2],
        .width = (size_t)shape->dim[shape->rank - 1],
    };
    return BTZ_OK;
}

float btz_picture_at(const float *plane, size_t height, size_t width, double row, double column,
                     float outside)
{
    double top = floor(row), left = floor(column), sum = 0;

    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
            double r = top + a, c = left + b;
            double weight = (1 - fabs(row - r)) * (1 - fabs(column - c));
            bool inside = r >= 0 && c >= 0 && r < (double)height && c < (double)width;

            if (weight > 0)
                sum += weight * (double)(inside ? plane[(size_t)r * width + (size_t)c] : outside);
        }
    return (float)sum;
}

void btz_picture_turn(const struct btz_picture *p, const float *in, double degrees, double rows,
                      double columns, float outside, float *out)
{
    double angle = degrees * 3.14159265358979323846 / 180, c = cos(angle), s = sin(angle);
    double middle_row = ((double)p->height - 1) / 2, middle_column = ((double)p->width - 1) / 2;
    size_t plane = p->height * p->width;

    for (size_t i = 0; i < p->height; i++)
        for (size_t j = 0; j < p->width; j++) {
            double y = (double)i - middle_row, x = (double)j - middle_column;
            double from_row = c * y + s * x + middle_row - rows;
            double from_column = c * x - s * y + middle_column - columns;

            /* Whole steps and quarter turns stay exact. */
            if (fabs(from_row - round(from_row)) < 1e-9)
                from_row = round(from_row);
            if (fabs(from_column - round(from_column)) < 1e-9)
                from_column = round(from_column);
            for (size_t k = 0; k < p->channels; k++)
                out[k * plane + i * p->width + j] = btz_picture_at(
                    in + k * plane, p->height, p->width, from_row, from_column, outside);
        }
}
