/*
 * Preloaded into ranks by tests/cli/harden-mpi.sh: in rank MPI_FAIL_RANK the sum number MPI_FAIL_CALL fails as one of MPI's own
 * does, or kills the process where MPI_FAIL_HOW is "kill".
 */
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static long number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : -1;
}

__attribute__((visibility("default"))) int
MPI_Allreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    static long calls;
    const char *how = getenv("MPI_FAIL_HOW");
    int rank = 0;

    PMPI_Comm_rank(comm, &rank);
    if (rank != number("MPI_FAIL_RANK") || ++calls != number("MPI_FAIL_CALL"))
        return PMPI_Allreduce(from, to, count, type, op, comm);
    if (how && strcmp(how, "kill") == 0)
        raise(SIGKILL);
    PMPI_Comm_call_errhandler(comm, MPI_ERR_INTERN);
    return MPI_ERR_INTERN;
}
