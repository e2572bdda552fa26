/* The trained judge: generated into judge_weights.c by tools/train_judge.c. Private to this folder. */
#ifndef BTZ_TEXT_JUDGE_WEIGHTS_H
#define BTZ_TEXT_JUDGE_WEIGHTS_H

#include "text/judge_features.h"

struct btz_judge_weights {
    double scale, bias, slope; /* scale: of one step of the two tables */
    double sign[BTZ_FEATURE_SIGNS];
    int8_t slot[BTZ_FEATURE_SLOTS];
    struct btz_cue cues[BTZ_CUE_TABLE];
};
extern const struct btz_judge_weights btz_judge_weights;

#endif
