#include "gate/throttle.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define SLOTS     16384
#define WAYS      4
#define COUNT_MAX 0xffff

struct btz_strangers {
    uint64_t seed[2];
    _Atomic uint64_t slots[SLOTS]; /* 32 bits of address, 16 of second, 16 of count */
};

enum btz_err btz_strangers_new(struct btz_strangers **out)
{
    struct btz_strangers *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        return btz_fail_errno(BTZ_LIMIT, "memory to count strangers in");
    btz_random_bytes(s->seed, sizeof s->seed);
    *out = s;
    return BTZ_OK;
}

void btz_strangers_free(struct btz_strangers *s)
{
    if (s)
        munmap(s, sizeof *s);
}

/* So that nobody can choose addresses that share a place. */
static uint64_t mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static uint64_t hash_of(const struct btz_strangers *s, struct btz_slice address)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    uint64_t bytes = 0, kind = 0;

    if (address.len == 16 && memcmp(address.ptr, mapped, sizeof mapped) == 0)
        address = btz_slice_of(address.ptr + sizeof mapped, 4);
    if (address.len == 4 || address.len == 16) {
        kind = address.len;
        memcpy(&bytes, address.ptr, address.len == 4 ? 4 : 8);
    }
    return mix(mix(bytes ^ s->seed[0]) ^ kind ^ s->seed[1]);
}

/* The address's place in this second; else one of an earlier second; of all that are taken the first. `*is`: what was there. */
static _Atomic uint64_t *place(struct btz_strangers *s, uint64_t hash, uint64_t head, uint64_t *is)
{
    _Atomic uint64_t *first = s->slots + (hash % (SLOTS / WAYS)) * WAYS, *at = first;

    *is = atomic_load(first);
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t one = i == 0 ? *is : atomic_load(first + i);
        bool own = one >> 16 == head;

        if (!own && (one >> 16 & 0xffff) == (head & 0xffff))
            continue;
        at = first + i;
        *is = one;
        if (own)
            break;
    }
    return at;
}

static unsigned change(struct btz_strangers *s, struct btz_slice address, uint64_t second, int by)
{
    uint64_t hash = hash_of(s, address), head = hash >> 32 << 16 | (second & 0xffff), is, count;
    _Atomic uint64_t *at;

    do { /* with another place, when somebody else was faster at this one */
        at = place(s, hash, head, &is);
        count = is >> 16 == head ? is & COUNT_MAX : 0;
        if (count == (by < 0 ? 0 : COUNT_MAX))
            break;
    } while (
        !atomic_compare_exchange_strong(at, &is, head << 16 | (by < 0 ? count - 1 : count + 1)));
    return (unsigned)count;
}

unsigned btz_strangers_add(struct btz_strangers *s, struct btz_slice address, uint64_t second)
{
    return change(s, address, second, 1);
}

void btz_strangers_undo(struct btz_strangers *s, struct btz_slice address, uint64_t second)
{
    change(s, address, second, -1);
}
