/* What a run of hardening says: a finding about the model that came out, and figures of how it came about. */
#ifndef BTZ_HARDEN_REPORT_H
#define BTZ_HARDEN_REPORT_H

#include "finding/figures.h"
#include "robust/harden/harden.h"

/* PGD of "before" and "after". */
#define BTZ_HARDEN_FINAL_STEPS    40
#define BTZ_HARDEN_FINAL_RESTARTS 2

struct btz_harden_file {
    const char *path;
    uint8_t sha256[BTZ_SHA256_LEN];
    size_t bytes;
};
/* The model as it was and as it is, on the same samples. */
struct btz_harden_measured {
    const char *samples; /* "of the validation data" */
    struct btz_harden_accuracy before, after;
};
struct btz_harden_account {
    struct btz_harden_file original, hardened;
    const char *data, *labels, *valid_data, *valid_labels; /* NULL: none */
    const struct btz_harden_options *options;              /* as they were given */
    const struct btz_harden_result *result;
    /* The finding is about the first. */
    struct btz_harden_measured measured[2];
    size_t measured_count;
};

/* The epoch, from 1, whose training collapsed, 0: none was seen; `*stopped`: the run ended there. Without a stop it is where the
 * accuracy on training samples under PGD fell by more than `overfit_drop` from one epoch to the next. */
size_t btz_harden_collapse(const struct btz_harden_options *o, const struct btz_harden_result *r,
                           bool *stopped);
/* Sends it all. */
BTZ_CHECKED enum btz_err btz_harden_tell(const struct btz_harden_account *a,
                                         struct btz_results *results);

#endif
