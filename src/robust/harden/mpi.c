/*
 * Ranks of MPI. A module of its own, loaded only for --mpi: the library that it stands on takes longer to load than the
 * program to start. MPI returns its errors, so that the program can say what failed where before all ranks end.
 */
#include <mpi.h>

#include "robust/harden/ranks.h"

#define EACH (1 << 26) /* numbers a call */

extern __attribute__((visibility("default"))) btz_ranks_open_fn btz_ranks_mpi_open;

static struct btz_ranks ranks;
static btz_ranks_say_fn *say;

static enum btz_err check(int code, const char *doing)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;

    if (code == MPI_SUCCESS)
        return BTZ_OK;
    MPI_Error_string(code, text, &length);
    say("--mpi: rank %u of %u: %s: %s; the same command continues at the last checkpoint",
        ranks.rank, ranks.count, doing, text);
    return BTZ_IO;
}

static enum btz_err sum(void *v, size_t n, size_t size, MPI_Datatype type)
{
    for (size_t at = 0; at < n; at += EACH)
        BTZ_TRY(check(MPI_Allreduce(MPI_IN_PLACE, (char *)v + at * size,
                                    n - at < EACH ? (int)(n - at) : EACH, type, MPI_SUM,
                                    MPI_COMM_WORLD),
                      "sum over all ranks"));
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
        BTZ_TRY(check(MPI_Bcast((char *)bytes + at, n - at < EACH ? (int)(n - at) : EACH, MPI_BYTE,
                                0, MPI_COMM_WORLD),
                      "bytes from rank 0"));
    return BTZ_OK;
}

static void leave(struct btz_ranks *r, int status)
{
    (void)r;
    /* The others wait in a sum for this one, and would for ever. */
    if (status)
        MPI_Abort(MPI_COMM_WORLD, status);
    MPI_Finalize();
}

enum btz_err btz_ranks_mpi_open(btz_ranks_say_fn *say_error, struct btz_ranks **out)
{
    int level, rank = 0, count = 0;

    say = say_error;
    /* Only the thread that came here calls MPI. A start that fails ends the process: no handler can be set before. */
    BTZ_TRY(check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), "start"));
    BTZ_TRY(check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "start"));
    BTZ_TRY(check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "start"));
    BTZ_TRY(check(MPI_Comm_size(MPI_COMM_WORLD, &count), "start"));
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
