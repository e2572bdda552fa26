/* Group commit: whoever finds nobody flushing flushes what all have queued; the others wait for it. */
#include "ledger/log.h"

#define GROUP_MAX 1024

struct btz_ledger_waiting {
    struct btz_slice entry;
    uint64_t index;
    enum btz_err err;
    bool done;
    char detail[512]; /* error details are per thread: carried over to the one that waits */
    struct btz_ledger_waiting *next;
};

/* Takes up to GROUP_MAX off the queue and appends them. Called with the queue's mutex, which it lets go. */
static void flush(struct btz_ledger *l)
{
    struct btz_ledger_waiting *first = l->group_first, *w = first;
    struct btz_slice entries[GROUP_MAX];
    size_t count = 0;
    uint64_t index = 0;
    enum btz_err err;

    for (; w && count < GROUP_MAX; w = w->next)
        entries[count++] = w->entry;
    l->group_first = w;
    if (!w)
        l->group_end = &l->group_first;
    l->group_busy = true;
    pthread_mutex_unlock(&l->group_mutex);
    err = btz_ledger_append(l, entries, count, &index);
    pthread_mutex_lock(&l->group_mutex);
    l->group_busy = false;
    for (w = first; count > 0; count--) {
        struct btz_ledger_waiting *next = w->next; /* w is gone once its thread sees `done` */

        w->index = index++;
        w->err = err;
        if (err != BTZ_OK)
            snprintf(w->detail, sizeof w->detail, "%s", btz_error_detail());
        w->done = true;
        w = next;
    }
    pthread_cond_broadcast(&l->group_done);
}

enum btz_err btz_ledger_append_shared(struct btz_ledger *l, struct btz_slice entry, uint64_t *index)
{
    struct btz_ledger_waiting me = { .entry = entry };

    /* One too large must not spoil the group it would be in. */
    if (entry.len > BTZ_LEDGER_ENTRY_MAX)
        return btz_fail(BTZ_LIMIT,
                        "ledger entry of %zu bytes; at most %d: keep large things as evidence",
                        entry.len, BTZ_LEDGER_ENTRY_MAX);
    pthread_mutex_lock(&l->group_mutex);
    *l->group_end = &me;
    l->group_end = &me.next;
    while (!me.done) {
        if (l->group_busy)
            pthread_cond_wait(&l->group_done, &l->group_mutex);
        else
            flush(l);
    }
    pthread_mutex_unlock(&l->group_mutex);
    if (me.err != BTZ_OK)
        return btz_fail(me.err, "%s", me.detail);
    *index = me.index;
    return BTZ_OK;
}
