/* Threads: independent units of work, the same result whatever the number of threads. */
#ifndef BTZ_POOL_H
#define BTZ_POOL_H

#include "base/base.h"

#define BTZ_POOL_THREADS_MAX 256

struct btz_pool_job {
    size_t count; /* units 0 .. count-1 */
    unsigned
        threads; /* at least 1, the caller's included; clipped to count and to the maximum above */
    /* One unit. `worker` < threads tells which scratch space of the caller to use; it must not influence
     * what the unit yields. Randomness belongs to the unit: btz_rng_init(&r, seed, stream_of(unit)). */
    enum btz_err (*unit)(void *user, size_t unit, unsigned worker);
    void *user;
    /* Non-zero: units at hand are finished, none is begun. Read atomically; may be NULL. */
    const volatile int *stop;
};

/*
 * Runs a job and returns when every unit begun has ended. Units are begun in ascending order, so
 * - the error returned is that of the lowest failing unit, with its detail text, whatever the threads;
 *   every unit below it has succeeded, some units above it may have run;
 * - on BTZ_OK units 0 .. *done-1 have run and no other; *done < count only when `stop` was set.
 * `done` may be NULL. The unit's errors as they are; USAGE for a job without threads.
 * If the system refuses threads the job runs on those there are, at worst on the caller's alone.
 */
BTZ_CHECKED enum btz_err btz_pool_run(const struct btz_pool_job *job, size_t *done);

/* Processors this process may use, at least 1. */
unsigned btz_pool_processors(void);

#endif
