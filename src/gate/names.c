#include "gate/names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define NAME_SIZE 256
#define STRANGE   2  /* rounds in a row */
#define REST      10 /* rounds after it was told */

struct host {
    char name[NAME_SIZE];
    struct btz_name_address known[BTZ_NAME_ADDRESSES];
    size_t known_count;
    unsigned strange; /* rounds without a known address */
};
struct btz_names {
    btz_name_lookup *lookup;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t changed;
    struct host *hosts;
    size_t count;
    uint64_t generation;
    int64_t every_ms; /* 0: never */
    unsigned rest;    /* rounds in which nothing is told */
    bool fresh;       /* nothing is known yet */
    bool stopping, looking;
};

/* ---- the system's resolver ---- */

static size_t ask_system(const char *name, struct btz_name_address *out)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *list = NULL;
    size_t count = 0;

    if (getaddrinfo(name, NULL, &hints, &list) != 0)
        return 0;
    for (const struct addrinfo *a = list; a && count < BTZ_NAME_ADDRESSES; a = a->ai_next) {
        struct btz_name_address *to = &out[count];

        memset(to, 0, sizeof *to);
        if (a->ai_family == AF_INET) {
            to->family = 4;
            memcpy(to->b, &((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr, 4);
            count++;
        } else if (a->ai_family == AF_INET6) {
            to->family = 6;
            memcpy(to->b, &((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr, 16);
            count++;
        }
    }
    freeaddrinfo(list);
    return count;
}

/* ---- rounds ---- */

static bool is_known(const struct host *h, const struct btz_name_address *found, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < h->known_count; k++)
            if (memcmp(&found[i], &h->known[k], sizeof found[i]) == 0)
                return true;
    return false;
}

static void take(struct host *h, const struct btz_name_address *found, size_t count)
{
    if (count == 0)
        return; /* a resolver that fails says nothing about the name */
    if (h->known_count == 0) {
        memcpy(h->known, found, count * sizeof *found);
        h->known_count = count;
    }
    h->strange = is_known(h, found, count) ? 0 : h->strange + 1;
}

void btz_names_look(struct btz_names *n)
{
    struct btz_name_address found[BTZ_NAME_ADDRESSES];
    char name[NAME_SIZE];
    uint64_t generation;
    size_t count;

    pthread_mutex_lock(&n->lock);
    generation = n->generation;
    n->fresh = false;
    n->rest -= n->rest > 0;
    for (size_t i = 0; i < n->count && generation == n->generation && !n->stopping; i++) {
        memcpy(name, n->hosts[i].name, sizeof name);
        n->looking = true;
        pthread_mutex_unlock(&n->lock);
        count = n->lookup(name, found);
        pthread_mutex_lock(&n->lock);
        n->looking = false;
        if (generation == n->generation)
            take(&n->hosts[i], found, count);
    }
    pthread_mutex_unlock(&n->lock);
}

bool btz_names_moved(struct btz_names *n, char *name, size_t size)
{
    bool moved = false;

    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->count && n->rest == 0 && !moved; i++) {
        moved = n->hosts[i].strange >= STRANGE;
        if (moved)
            snprintf(name, size, "%s", n->hosts[i].name);
    }
    n->rest = moved ? REST : n->rest;
    pthread_mutex_unlock(&n->lock);
    return moved;
}

/* ---- the thread ---- */

/* Until it is time for a round, or there are other names. False: it ends. */
static bool wait_round(struct btz_names *n)
{
    struct timespec until;
    bool goes_on;

    pthread_mutex_lock(&n->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += n->every_ms / 1000;
    until.tv_nsec += n->every_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!n->stopping && !(n->fresh && n->every_ms)) {
        if (n->every_ms == 0)
            pthread_cond_wait(&n->changed, &n->lock);
        else if (pthread_cond_timedwait(&n->changed, &n->lock, &until) != 0)
            break;
    }
    goes_on = !n->stopping;
    pthread_mutex_unlock(&n->lock);
    return goes_on;
}

static void *look_on(void *user)
{
    struct btz_names *n = user;

    while (wait_round(n))
        btz_names_look(n);
    return NULL;
}

/* ---- life ---- */

enum btz_err btz_names_start(btz_name_lookup *lookup, struct btz_names **out)
{
    struct btz_names *n = calloc(1, sizeof *n);
    pthread_condattr_t monotonic;

    if (!n)
        return btz_fail(BTZ_LIMIT, "out of memory");
    n->lookup = lookup ? lookup : ask_system;
    pthread_mutex_init(&n->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&n->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&n->thread, NULL, look_on, n) != 0) {
        free(n);
        return btz_fail(BTZ_LIMIT, "cannot start a thread");
    }
    *out = n;
    return BTZ_OK;
}

/* Without its port; false: it is an address already. */
static bool name_of(const char *url, char out[NAME_SIZE])
{
    const char *rest = strstr(url, "://") + 3;
    size_t len = strcspn(rest, ":/");
    uint8_t bytes[16];

    if (rest[0] == '[' || len >= NAME_SIZE)
        return false;
    snprintf(out, NAME_SIZE, "%.*s", (int)len, rest);
    return inet_pton(AF_INET, out, bytes) != 1;
}

enum btz_err btz_names_set(struct btz_names *n, const struct btz_gate_conf *conf)
{
    const struct btz_upstream_conf *u = conf->upstreams.items;
    struct host *hosts = calloc(conf->upstreams.count + 1, sizeof *hosts);
    size_t count = 0;

    if (!hosts)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < conf->upstreams.count; i++)
        count += name_of(u[i].url, hosts[count].name);
    pthread_mutex_lock(&n->lock);
    free(n->hosts);
    n->hosts = hosts;
    n->count = count;
    n->generation++;
    n->every_ms = conf->lookup_ms;
    n->rest = 0;
    n->fresh = true;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->lock);
    return BTZ_OK;
}

void btz_names_stop(struct btz_names *n)
{
    bool looking;

    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    n->stopping = true;
    looking = n->looking;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->lock);
    if (looking) {
        pthread_detach(n->thread);
        return;
    }
    pthread_join(n->thread, NULL);
    pthread_cond_destroy(&n->changed);
    pthread_mutex_destroy(&n->lock);
    free(n->hosts);
    free(n);
}
