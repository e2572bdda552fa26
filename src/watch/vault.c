#include "watch/vault.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define TURN_S 2 /* so long a change may go unnoticed, where nobody asks for the file */

struct btz_verifier {
    struct btz_access *a;
    struct btz_log *log;
    struct btz_vault_watch *watch;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool runs, stopping;
};

static void turn(struct btz_verifier *v)
{
    uint64_t rate = (uint64_t)btz_access_settings(v->a)->artifact_read_rate;

    if (btz_vault_watch_turn(v->watch, rate * TURN_S) != BTZ_OK)
        btz_log(v->log, BTZ_LOG_WARN, "vault: %s", btz_error_detail());
}

static void *verify(void *user)
{
    struct btz_verifier *v = user;

    pthread_mutex_lock(&v->lock);
    while (!v->stopping) {
        struct timespec until;

        pthread_mutex_unlock(&v->lock);
        turn(v);
        pthread_mutex_lock(&v->lock);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TURN_S;
        while (!v->stopping && pthread_cond_timedwait(&v->changed, &v->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&v->lock);
    return NULL;
}

enum btz_err btz_verifier_start(struct btz_access *a, struct btz_log *log,
                                struct btz_verifier **out)
{
    struct btz_verifier *v = calloc(1, sizeof *v);
    pthread_condattr_t monotonic;

    if (!v)
        return btz_fail(BTZ_LIMIT, "out of memory");
    v->a = a;
    v->log = log;
    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&v->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *out = v;
    BTZ_TRY(btz_vault_watch_new(a, &v->watch));
    if (pthread_create(&v->thread, NULL, verify, v) != 0)
        return btz_fail(BTZ_LIMIT, "cannot start a thread");
    v->runs = true;
    return BTZ_OK;
}

void btz_verifier_stop(struct btz_verifier *v)
{
    if (!v)
        return;
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_cond_signal(&v->changed);
    pthread_mutex_unlock(&v->lock);
    if (v->runs)
        pthread_join(v->thread, NULL);
    btz_vault_watch_free(v->watch);
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v);
}
