/*
 * Calibration: thresholds such that of benign traffic like the one given at most a stated share is held suspicious.
 *
 * What is guaranteed. The lines are a random sample of the benign traffic to come. Of n scores the threshold lies above
 * all but k, where k is the largest number for which the exact upper bound (Clopper-Pearson, one-sided) of k in n is at
 * most the wanted rate. The share of coming texts above the (k+1)-th largest of n scores has the distribution
 * Beta(k+1, n-k) where scores are continuous, and is smaller where they tie; that bound is its quantile. So: with the
 * stated confidence over the draw of the lines, the rate of false positives is at most the wanted one, whatever the
 * distribution of scores (Wilks, Ann. Math. Stat. 12 (1941) 91; split-conformal prediction, conditional on the
 * calibration set: Vovk, ACML 2012). It says nothing of traffic that is of another kind than the lines.
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

/* The detector that scores by the classifier. */
#define BTZ_CALIBRATE_DETECTOR "injection"

/* Lines without which no threshold can be promised: the least n with (1 - rate)^n <= 1 - confidence. */
uint64_t btz_calibrate_needed(double rate, double confidence);
/* Sorts `scores`. Fills all of `out` but detector and channel. Errors: USAGE (rate or confidence not within (0,1)),
 * INPUT (too few lines: says how many are needed; a score of 1 that would have to pass). */
BTZ_CHECKED enum btz_err btz_calibrate(double *scores, size_t n, double rate, double confidence,
                                       struct btz_calibrated *out);
/* The file. Equal items give equal bytes. */
BTZ_CHECKED enum btz_err btz_calibration_write(const struct btz_calibrated *items, size_t count,
                                               const uint8_t digest[BTZ_SHA256_LEN], double rate,
                                               double confidence, struct btz_buf *out);
/* Errors: as btz_calibration_open. */
BTZ_CHECKED enum btz_err btz_calibration_parse(struct btz_slice text, const char *what,
                                               const uint8_t digest[BTZ_SHA256_LEN],
                                               struct btz_calibration **out);

#endif
