/* Inside of the corruptions: pictures in [0, 1], float, channels first. */
#ifndef BTZ_ROBUST_CORRUPTING_H
#define BTZ_ROBUST_CORRUPTING_H

#include "robust/corruption.h"

struct btz_corrupting {
    const struct btz_picture *p;
    bool large;   /* constants of 224 pixels; else of 32 */
    double scale; /* of lengths in pixels */
    int severity; /* 0 to 4 */
    struct btz_rng *rng;
};
typedef enum btz_err btz_corrupt_fn(const struct btz_corrupting *c, float *x);

btz_corrupt_fn btz_corrupt_gaussian_noise, btz_corrupt_shot_noise, btz_corrupt_impulse_noise,
    btz_corrupt_brightness, btz_corrupt_contrast, btz_corrupt_pixelate, btz_corrupt_jpeg;
btz_corrupt_fn btz_corrupt_defocus_blur, btz_corrupt_glass_blur, btz_corrupt_motion_blur,
    btz_corrupt_zoom_blur, btz_corrupt_elastic;
btz_corrupt_fn btz_corrupt_snow, btz_corrupt_frost, btz_corrupt_fog;

/* Index i of n mirrored into it: dcba|abcd|dcba. */
size_t btz_mirror(ptrdiff_t i, size_t n);
/* Gaussian blur of a plane in place, cut off at `truncate` sigmas. */
BTZ_CHECKED enum btz_err btz_gaussian(float *plane, size_t height, size_t width, double sigma,
                                      double truncate);
/* Average along a line of `length` pixels at an angle, weights of a half Gaussian. */
BTZ_CHECKED enum btz_err btz_motion(float *plane, size_t height, size_t width, double radius,
                                    double sigma, double degrees);
/* Magnified around the centre, same size. */
BTZ_CHECKED enum btz_err btz_zoom(float *plane, size_t height, size_t width, double factor);
/* Height map in [0, 1] of height x width: plasma by diamond-square. */
BTZ_CHECKED enum btz_err btz_plasma(struct btz_rng *rng, size_t height, size_t width, double decay,
                                    float *out);

#endif
