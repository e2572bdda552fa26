#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/pool.h"

struct shared {
    const struct btz_pool_job *job;
    atomic_size_t next;   /* the unit to begin next */
    atomic_size_t failed; /* lowest unit that failed so far, or SIZE_MAX */
    pthread_mutex_t lock; /* guards err and detail, which belong to `failed` */
    enum btz_err err;
    char detail[1024];
};

struct worker {
    struct shared *shared;
    unsigned number;
    pthread_t thread;
};

static void record(struct shared *s, size_t unit, enum btz_err err)
{
    pthread_mutex_lock(&s->lock);
    if (unit < atomic_load(&s->failed)) {
        atomic_store(&s->failed, unit);
        s->err = err;
        snprintf(s->detail, sizeof s->detail, "%s", btz_error_detail());
    }
    pthread_mutex_unlock(&s->lock);
}

static void *work(void *arg)
{
    const struct worker *w = arg;
    struct shared *s = w->shared;
    const struct btz_pool_job *job = s->job;

    for (;;) {
        enum btz_err err;
        size_t unit = atomic_load(&s->next);

        /* Taken one by one and only when it will be run: what has been begun is always 0 .. next-1. */
        do {
            if (unit >= job->count || atomic_load(&s->failed) != SIZE_MAX ||
                (job->stop && __atomic_load_n(job->stop, __ATOMIC_RELAXED)))
                return NULL;
        } while (!atomic_compare_exchange_weak(&s->next, &unit, unit + 1));
        err = job->unit(job->user, unit, w->number);
        if (err != BTZ_OK)
            record(s, unit, err);
    }
}

/* Threads beside the caller's; signals stay with the caller, whose handlers they are. */
static unsigned start(struct worker *workers, unsigned wanted)
{
    sigset_t all, before;
    unsigned started = 0;

    sigfillset(&all);
    /* Blocked, it would end the process when a mapped file is cut (cover.h). */
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted &&
           pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

enum btz_err btz_pool_run(const struct btz_pool_job *job, size_t *done)
{
    struct shared s = { .job = job, .failed = SIZE_MAX, .lock = PTHREAD_MUTEX_INITIALIZER };
    struct worker workers[BTZ_POOL_THREADS_MAX];
    unsigned threads = job->threads, started;

    if (threads == 0)
        return btz_fail(BTZ_USAGE, "threads: at least 1");
    if (threads > BTZ_POOL_THREADS_MAX)
        threads = BTZ_POOL_THREADS_MAX;
    if (threads > job->count)
        threads = job->count > 0 ? (unsigned)job->count : 1;
    for (unsigned i = 0; i < threads; i++)
        workers[i] = (struct worker){ .shared = &s, .number = i };
    started = start(workers + 1, threads - 1);
    work(&workers[0]);
    for (unsigned i = 1; i <= started; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_mutex_destroy(&s.lock);
    if (s.err != BTZ_OK)
        return btz_fail(s.err, "%s", s.detail);
    if (done)
        *done = atomic_load(&s.next);
    return BTZ_OK;
}

unsigned btz_pool_processors(void)
{
    cpu_set_t set;
    int count;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}
