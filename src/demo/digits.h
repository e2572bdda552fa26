/*
 * Digits drawn with a pen: a small set of pictures made in a moment, for a demonstration that has no data of its own.
 */
#ifndef BTZ_DEMO_DIGITS_H
#define BTZ_DEMO_DIGITS_H

#include "base/base.h"

#define BTZ_DIGIT_SIDE   16
#define BTZ_DIGIT_PIXELS (BTZ_DIGIT_SIDE * BTZ_DIGIT_SIDE)

/* `digit` 0 to 9, turned, slanted, scaled, shifted and drawn with a pen as `rng` says; 0 is paper, 255 ink. */
void btz_demo_digit(unsigned digit, struct btz_rng *rng, uint8_t out[BTZ_DIGIT_PIXELS]);

#endif
