/*
 * The fifteen common corruptions of pictures in five severities: noise, blur, weather, digital.
 *
 * Constants: hendrycks/robustness, make_cifar_c.py for pictures of 32 pixels and make_imagenet_c.py for those of 224
 * (Hendrycks and Dietterich 2019, arXiv 1903.12261). Pictures whose smaller side is at most 64 take the former, larger ones
 * the latter; lengths in pixels grow with the smaller side, from 32 on. The weather is drawn and not photographed: frost is a texture made
 * of noise, so that its figures are comparable between runs of ours, and not with published ones.
 */
#ifndef BTZ_ROBUST_CORRUPTION_H
#define BTZ_ROBUST_CORRUPTION_H

#include "robust/picture.h"

enum btz_corruption {
    BTZ_CORRUPT_GAUSSIAN_NOISE,
    BTZ_CORRUPT_SHOT_NOISE,
    BTZ_CORRUPT_IMPULSE_NOISE,
    BTZ_CORRUPT_DEFOCUS_BLUR,
    BTZ_CORRUPT_GLASS_BLUR,
    BTZ_CORRUPT_MOTION_BLUR,
    BTZ_CORRUPT_ZOOM_BLUR,
    BTZ_CORRUPT_SNOW,
    BTZ_CORRUPT_FROST,
    BTZ_CORRUPT_FOG,
    BTZ_CORRUPT_BRIGHTNESS,
    BTZ_CORRUPT_CONTRAST,
    BTZ_CORRUPT_ELASTIC,
    BTZ_CORRUPT_PIXELATE,
    BTZ_CORRUPT_JPEG,
    BTZ_CORRUPT_COUNT
};
#define BTZ_SEVERITIES 5
const char *btz_corruption_name(enum btz_corruption kind); /* "gaussian-noise" */
bool btz_corruption_parse(const char *text, enum btz_corruption *out);
/*
 * Corrupts a picture whose values are in [box.low, box.high]; severity 1 to 5. The same draws give the same picture. `out` may
 * not be `in`. Errors: LIMIT (memory), USAGE (kind, severity).
 */
BTZ_CHECKED enum btz_err btz_corrupt(const struct btz_picture *p, struct btz_box box,
                                     enum btz_corruption kind, int severity, struct btz_rng *rng,
                                     const float *in, float *out);

#endif
