/*
 * Strangers: each refusal of one is work for the daemon and an entry in the ledger. Whoever sends too many in a second, by
 * his address, gets 429 without either. One table for all workers; callers who are known are never counted.
 */
#include "gate/nginx/module.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>

#define SLOTS 16384
#define WAYS  4

struct btz_nginx_throttle {
    uint64_t seed[2];
    _Atomic uint64_t slots[SLOTS]; /* 32 bits of address, 16 of second, 16 of count */
};

struct btz_nginx_throttle *btz_nginx_throttle_new(void)
{
    struct btz_nginx_throttle *t =
        mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (t == MAP_FAILED)
        return NULL;
    if (getrandom(t->seed, sizeof t->seed, 0) != (ssize_t)sizeof t->seed) {
        munmap(t, sizeof *t);
        return NULL;
    }
    return t;
}

void btz_nginx_throttle_free(struct btz_nginx_throttle *t)
{
    if (t)
        munmap(t, sizeof *t);
}

/* Whoever has one address of IPv6 has 2^64 of them: they count as one. */
static uint64_t address_of(const struct sockaddr *a)
{
    uint64_t out = 0;

    if (a->sa_family == AF_INET) {
        memcpy(&out, &((const struct sockaddr_in *)a)->sin_addr, 4);
        return out;
    }
    if (a->sa_family != AF_INET6)
        return 1;
    if (IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)a)->sin6_addr))
        memcpy(&out, ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr + 12, 4);
    else
        memcpy(&out, ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr, 8);
    return out;
}

/* So that nobody can choose addresses that share a place. */
static uint64_t mix(const struct btz_nginx_throttle *t, uint64_t n)
{
    for (size_t i = 0; i < BTZ_COUNT(t->seed); i++) {
        n ^= t->seed[i];
        n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
        n ^= n >> 31;
    }
    return n;
}

/* The address's place in this second; else one of an earlier second; of all that are taken the first. */
static _Atomic uint64_t *place(struct btz_nginx_throttle *t, uint64_t hash, uint64_t head)
{
    _Atomic uint64_t *first = t->slots + (hash % (SLOTS / WAYS)) * WAYS, *old = first;

    for (size_t i = 0; i < WAYS; i++) {
        uint64_t is = atomic_load(first + i);

        if (is >> 16 == head)
            return first + i;
        if ((is >> 16 & 0xffff) != (head & 0xffff))
            old = first + i;
    }
    return old;
}

static uint64_t change(struct btz_nginx_ctx *c, int by)
{
    struct btz_nginx_throttle *t = c->main->throttle;
    uint64_t hash, head, is, count;
    _Atomic uint64_t *at;

    if (!t)
        return 0;
    hash = mix(t, address_of(c->r->connection->sockaddr));
    head = hash >> 32 << 16 | ((uint64_t)ngx_time() & 0xffff);
    at = place(t, hash, head);
    is = atomic_load(at);
    do {
        count = is >> 16 == head ? is & 0xffff : 0;
        if ((by < 0 && count == 0) || (by > 0 && count == 0xffff))
            return count;
    } while (!atomic_compare_exchange_weak(at, &is, head << 16 | (by < 0 ? count - 1 : count + 1)));
    return count;
}

bool btz_nginx_throttled(struct btz_nginx_ctx *c, unsigned most)
{
    return change(c, 1) >= most;
}

void btz_nginx_throttle_undo(struct btz_nginx_ctx *c)
{
    change(c, -1);
}
