/* Targets that block: a few threads ask, the caller's thread hears the answers, as with HTTP. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "redteam/target.h"

struct ask {
    struct ask *next;
    struct btz_arena arena;
    struct btz_message *messages;
    size_t count;
    struct btz_reply reply;
    void (*on_reply)(void *user, const struct btz_reply *reply);
    void *user;
};

struct queue {
    struct ask *first, **end;
};

struct btz_runner {
    const struct btz_target_conf *conf;
    const struct btz_preset *preset;
    pthread_mutex_t lock;
    pthread_cond_t work, answer;
    struct queue asked, answered;
    pthread_t *threads;
    unsigned thread_count;
    size_t pending; /* of the caller's thread only */
    int stop;       /* what runs gives up */
};

static void push(struct queue *q, struct ask *a)
{
    a->next = NULL;
    *q->end = a;
    q->end = &a->next;
}

static struct ask *pop(struct queue *q)
{
    struct ask *a = q->first;

    if (a) {
        q->first = a->next;
        if (!q->first)
            q->end = &q->first;
    }
    return a;
}

static void ask_free(struct ask *a)
{
    btz_arena_release(&a->arena);
    free(a);
}

static void *worker(void *user)
{
    struct btz_runner *r = user;

    pthread_mutex_lock(&r->lock);
    for (;;) {
        struct ask *a;

        while (!r->asked.first && !r->stop)
            pthread_cond_wait(&r->work, &r->lock);
        if (r->stop)
            break;
        a = pop(&r->asked);
        pthread_mutex_unlock(&r->lock);
        if (r->preset->run(r->conf, a->messages, a->count, &a->arena, &r->stop, &a->reply) !=
            BTZ_OK)
            btz_reply_error(&a->arena, &a->reply, "%s", btz_error_detail());
        pthread_mutex_lock(&r->lock);
        push(&r->answered, a);
        pthread_cond_signal(&r->answer);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum btz_err btz_runner_new(const struct btz_target_conf *conf, const struct btz_preset *preset,
                            unsigned threads, struct btz_runner **out)
{
    struct btz_runner *r = calloc(1, sizeof *r);
    pthread_condattr_t attr;

    if (!r)
        return btz_fail(BTZ_LIMIT, "out of memory");
    r->conf = conf;
    r->preset = preset;
    r->asked.end = &r->asked.first;
    r->answered.end = &r->answered.first;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->answer, &attr);
    pthread_condattr_destroy(&attr);
    r->threads = calloc(threads, sizeof *r->threads);
    while (r->threads && r->thread_count < threads &&
           pthread_create(&r->threads[r->thread_count], NULL, worker, r) == 0)
        r->thread_count++;
    if (r->thread_count == 0) {
        btz_runner_free(r);
        return btz_fail(BTZ_LIMIT, "no thread can be started");
    }
    *out = r;
    return BTZ_OK;
}

static void deliver(struct btz_runner *r, struct ask *a)
{
    r->pending--;
    a->on_reply(a->user, &a->reply);
    ask_free(a);
}

void btz_runner_free(struct btz_runner *r)
{
    struct ask *a;

    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    __atomic_store_n(&r->stop, 1, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->thread_count; i++)
        pthread_join(r->threads[i], NULL);
    while ((a = pop(&r->answered)) != NULL)
        deliver(r, a);
    while ((a = pop(&r->asked)) != NULL) {
        a->reply = (struct btz_reply){ .kind = BTZ_REPLY_ERROR, .detail = "cancelled" };
        deliver(r, a);
    }
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->answer);
    pthread_mutex_destroy(&r->lock);
    free(r->threads);
    free(r);
}

enum btz_err btz_runner_submit(struct btz_runner *r, const struct btz_message *messages,
                               size_t count,
                               void (*on_reply)(void *user, const struct btz_reply *reply),
                               void *user)
{
    struct ask *a;

    if (__atomic_load_n(&r->stop, __ATOMIC_RELAXED))
        return btz_fail(BTZ_CONFLICT, "the target is shutting down");
    a = calloc(1, sizeof *a);
    if (!a)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_arena_init(&a->arena, BTZ_TARGET_ARENA);
    a->on_reply = on_reply;
    a->user = user;
    a->count = count;
    a->messages = btz_arena_array(&a->arena, count + 1, sizeof *a->messages);
    for (size_t i = 0; i < count && a->messages; i++) {
        a->messages[i].role = messages[i].role;
        if (btz_arena_copy(&a->arena, messages[i].text, &a->messages[i].text) != BTZ_OK)
            a->messages = NULL;
    }
    if (!a->messages) {
        ask_free(a);
        return BTZ_LIMIT;
    }
    r->pending++;
    pthread_mutex_lock(&r->lock);
    push(&r->asked, a);
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
    return BTZ_OK;
}

size_t btz_runner_pending(const struct btz_runner *r)
{
    return r->pending;
}

/* The next answer, waiting no longer than until `until`. */
static struct ask *next_answer(struct btz_runner *r, uint64_t until)
{
    struct ask *a;
    uint64_t now = btz_clock_ns(), slice = now + 100000000;
    struct timespec t;

    /* In slices: a signal sets *stop without waking us. */
    if (slice > until)
        slice = until;
    t = (struct timespec){ .tv_sec = (time_t)(slice / 1000000000),
                           .tv_nsec = (long)(slice % 1000000000) };
    pthread_mutex_lock(&r->lock);
    while (!r->answered.first && pthread_cond_timedwait(&r->answer, &r->lock, &t) != ETIMEDOUT)
        ;
    a = pop(&r->answered);
    pthread_mutex_unlock(&r->lock);
    return a;
}

enum btz_err btz_runner_run(struct btz_runner *r, int timeout_ms, const volatile int *stop)
{
    uint64_t until = timeout_ms < 0 ? UINT64_MAX : btz_clock_ns() + (uint64_t)timeout_ms * 1000000;

    while (r->pending > 0 && !(stop && *stop)) {
        struct ask *a = next_answer(r, until);

        if (a)
            deliver(r, a);
        else if (btz_clock_ns() >= until)
            break;
    }
    return BTZ_OK;
}
