/*
 * Calibration: thresholds such that of benign traffic like the one given at most a stated share is held suspicious.
 *
 * What is guaranteed. The lines are a sample of the traffic (exchangeable with what comes). With n scores, the threshold
 * lies above all but k of them, k the largest for which the exact binomial (Clopper-Pearson) upper bound of k in n, at the
 * stated confidence, is at most the wanted rate. A bound on a quantile by order statistics: with that confidence over the
 * draw of the n lines, the rate of false positives of coming traffic is at most the wanted one, whatever the
 * distribution of scores (ties only help, as a score must be above). With fewer lines than
 * log(1 - confidence) / log(1 - rate) not even k = 0 suffices: refused.
 */
#ifndef BTZ_GATE_CALIBRATE_H
#define BTZ_GATE_CALIBRATE_H

#include "gate/guard/guard.h"

#define BTZ_CALIBRATION_FORMAT  "bartizan-calibration"
#define BTZ_CALIBRATION_VERSION 1
#define BTZ_CALIBRATION_MAX     (1 << 20)
enum { BTZ_CALIBRATED_MAX = 256 };

struct btz_calibrated {
    char detector[64];
    enum btz_channel channel;
    double threshold; /* a score of at least this counts */
    uint64_t lines, above;
    double upper; /* of the rate, at the confidence */
};

/* Errors: as btz_calibration_open. */
BTZ_CHECKED enum btz_err btz_calibration_parse(struct btz_slice text, const char *what,
                                               const uint8_t digest[BTZ_SHA256_LEN],
                                               struct btz_calibration *out);

#endif
