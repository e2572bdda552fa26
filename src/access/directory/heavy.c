#include "access/directory/directory.h"

/*
 * Answers that read the whole model: gigabytes in a large installation, and the least of keys may ask. One at a time, and
 * of each principal so many a minute. The owner of the state has his turn whatever others ask.
 */

#define EACH_MAX  30
#define MINUTE_MS 60000
#define PROBES    8

static uint64_t hash_of(const char *id)
{
    uint64_t h = UINT64_C(14695981039346656037);

    while (*id)
        h = (h ^ (uint8_t)*id++) * UINT64_C(1099511628211);
    return h | 1;
}

/* With the lock held. Where every slot is taken in this minute, strangers to each other share one. */
static struct btz_heavy *slot_of(struct btz_access *a, uint64_t who, uint64_t minute)
{
    struct btz_heavy *old = NULL;

    for (size_t i = 0; i < PROBES; i++) {
        struct btz_heavy *h = &a->heavy[(who + i) % HEAVY_MAX];

        if (h->who == who)
            return h;
        if (!old && h->minute != minute)
            old = h;
    }
    return old ? old : &a->heavy[who % HEAVY_MAX];
}

enum btz_err btz_heavy_begin(struct btz_call *c)
{
    struct btz_access *a = c->access;
    uint64_t minute = c->now_ms / MINUTE_MS, who = hash_of(c->caller->principal);
    bool free_now = false, paced = c->caller->kind != BTZ_CALLER_LOCAL;
    struct btz_heavy *h;

    pthread_mutex_lock(&a->heavy_lock);
    h = slot_of(a, who, minute);
    if (h->minute != minute)
        *h = (struct btz_heavy){ .who = who, .minute = minute };
    if (!paced || h->count < EACH_MAX) {
        paced = false;
        free_now = !a->heavy_busy;
        if (free_now) {
            a->heavy_busy = true;
            h->count++;
        }
    }
    pthread_mutex_unlock(&a->heavy_lock);
    if (free_now)
        return BTZ_OK;
    if (!paced)
        return btz_fail(BTZ_LIMIT, "another such answer is being made; try again in a moment");
    c->retry_after_s = (unsigned)((MINUTE_MS - c->now_ms % MINUTE_MS + 999) / 1000);
    return btz_fail(BTZ_LIMIT, "at most %d such answers a minute", EACH_MAX);
}

void btz_heavy_end(struct btz_access *a)
{
    pthread_mutex_lock(&a->heavy_lock);
    a->heavy_busy = false;
    pthread_mutex_unlock(&a->heavy_lock);
}
