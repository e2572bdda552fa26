/*
 * Accuracy under each common corruption and severity by itself, and their mean. The attack `corruption` tells the worst case.
 *
 * Source: Hendrycks and Dietterich 2019, arXiv 1903.12261, in accuracies. Their mCE divides by the errors of a reference
 * network on the same pictures and is left out.
 */
#ifndef BTZ_ROBUST_CORRUPTION_TABLE_H
#define BTZ_ROBUST_CORRUPTION_TABLE_H

#include "robust/corruption.h"
#include "robust/evaluate.h"

struct btz_corruption_table_options {
    const struct btz_model *model; /* a classifier of pictures */
    struct btz_evaluate_samples samples;
    const struct btz_sample_verdict *clean; /* samples.n of a clean pass; NULL: it is made here */
    struct btz_box box;                     /* of the inputs; a value outside is INPUT */
    uint64_t seed;     /* with that of the attack the pictures are the attack's */
    unsigned threads;  /* 0: 1 */
    size_t memory_max; /* of all workers; fewer threads are used to keep it; 0: 8 GiB */
    double confidence; /* 0: 0.95 */
    const volatile int *stop;
};
struct btz_corruption_table {
    uint64_t n; /* samples that were done: the first n */
    struct btz_rate clean;
    struct btz_rate cell[BTZ_CORRUPT_COUNT][BTZ_SEVERITIES]; /* of all n, severity 1 first */
    double kind_mean[BTZ_CORRUPT_COUNT];                     /* over severities */
    double severity_mean[BTZ_SEVERITIES];                    /* over kinds */
    double mean;                                             /* mCA: over all cells */
    struct btz_rate worst; /* correct as they are and under all 75 */
    unsigned threads;      /* used */
    bool stopped;          /* by the flag: n is less than was asked, perhaps 0 */
};
/*
 * The same for any number of threads. Errors: those of the model and the samples; UNSUPPORTED where a sample is no picture;
 * INPUT for a label or a value outside its range (names the sample); LIMIT.
 */
BTZ_CHECKED enum btz_err btz_corruption_table(const struct btz_corruption_table_options *options,
                                              struct btz_corruption_table *out);

#endif
