/*
 * Ranks of MPI. A module of its own, loaded only for --mpi: the library that it stands on takes longer to load than the
 * program to start. It is linked with nothing of the library, so it sets no error text; MPI itself ends a run that fails.
 */
#include <mpi.h>

#include "robust/harden/ranks.h"

#define EACH (1 << 26) /* numbers a call */

extern __attribute__((visibility("default"))) btz_ranks_open_fn btz_ranks_mpi_open;

static struct btz_ranks ranks;

static enum btz_err sum(void *v, size_t n, size_t size, MPI_Datatype type)
{
    for (size_t at = 0; at < n; at += EACH)
        if (MPI_Allreduce(MPI_IN_PLACE, (char *)v + at * size, n - at < EACH ? (int)(n - at) : EACH,
                          type, MPI_SUM, MPI_COMM_WORLD) != MPI_SUCCESS)
            return BTZ_IO;
    return BTZ_OK;
}

static enum btz_err sum_floats(struct btz_ranks *r, float *v, size_t n)
{
    (void)r;
    return sum(v, n, sizeof *v, MPI_FLOAT);
}

static enum btz_err sum_doubles(struct btz_ranks *r, double *v, size_t n)
{
    (void)r;
    return sum(v, n, sizeof *v, MPI_DOUBLE);
}

static enum btz_err share(struct btz_ranks *r, void *bytes, size_t n)
{
    (void)r;
    for (size_t at = 0; at < n; at += EACH)
        if (MPI_Bcast((char *)bytes + at, n - at < EACH ? (int)(n - at) : EACH, MPI_BYTE, 0,
                      MPI_COMM_WORLD) != MPI_SUCCESS)
            return BTZ_IO;
    return BTZ_OK;
}

static void leave(struct btz_ranks *r, bool failed)
{
    (void)r;
    if (failed)
        MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Finalize();
}

enum btz_err btz_ranks_mpi_open(struct btz_ranks **out)
{
    int level, rank, count;

    /* Only the thread that came here calls MPI. */
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS ||
        MPI_Comm_rank(MPI_COMM_WORLD, &rank) != MPI_SUCCESS ||
        MPI_Comm_size(MPI_COMM_WORLD, &count) != MPI_SUCCESS)
        return BTZ_UNSUPPORTED;
    ranks = (struct btz_ranks){
        .rank = (unsigned)rank,
        .count = (unsigned)count,
        .sum_floats = sum_floats,
        .sum_doubles = sum_doubles,
        .share = share,
        .close = leave,
    };
    *out = &ranks;
    return BTZ_OK;
}
