/*
 * Processes that train one model together: each computes some parts of a batch, sums are made over all.
 */
#ifndef BTZ_RANKS_H
#define BTZ_RANKS_H

#include "base/base.h"

struct btz_ranks {
    unsigned rank, count;
    /* Sums over all ranks, in place: every rank gets the same numbers. Called by one thread. */
    enum btz_err (*sum_floats)(struct btz_ranks *, float *v, size_t n);
    enum btz_err (*sum_doubles)(struct btz_ranks *, double *v, size_t n);
    /* Rank 0's bytes for all. */
    enum btz_err (*share)(struct btz_ranks *, void *bytes, size_t n);
    void (*close)(struct btz_ranks *, int status); /* not 0: all ranks end, with this exit status */
};

/*
 * What the module of MPI exports (mpi.c); it is loaded only when it is asked for. `say` is btz_error_set(): the module is linked
 * with nothing of the library.
 */
#define BTZ_RANKS_OPEN_SYMBOL "btz_ranks_mpi_open"
typedef void btz_ranks_say_fn(const char *fmt, ...) BTZ_PRINTF(1, 2);
typedef enum btz_err btz_ranks_open_fn(btz_ranks_say_fn *say, struct btz_ranks **out);

#endif
