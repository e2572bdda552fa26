#include "gate/circuit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x3174697563726963u /* "circuit1" */

struct circuit {
    _Atomic uint64_t open_until_ms, trial_until_ms;
    _Atomic uint32_t failures;
    uint32_t unused;
};
struct page {
    uint64_t magic;
    uint8_t names[BTZ_SHA256_LEN]; /* of whom the circuits are */
    struct circuit circuit[BTZ_CIRCUITS];
};
struct btz_circuits {
    struct page *page;
    size_t count;
};

static void digest_names(const char *const *names, size_t count, uint8_t out[BTZ_SHA256_LEN])
{
    memset(out, 0, BTZ_SHA256_LEN);
    for (size_t i = 0; i < count; i++)
        btz_sha256_2(btz_slice_of(out, BTZ_SHA256_LEN),
                     btz_slice_of(names[i], strlen(names[i]) + 1), out);
}

static enum btz_err map_page(int fd, const char *path, const uint8_t *names, struct page **out)
{
    struct stat st;
    struct page *page;

    if (flock(fd, LOCK_EX) != 0 || fstat(fd, &st) != 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    if (st.st_size != (off_t)sizeof *page && ftruncate(fd, sizeof *page) != 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return btz_fail_errno(BTZ_IO, "map %s", path);
    if (page->magic != MAGIC || memcmp(page->names, names, BTZ_SHA256_LEN) != 0) {
        memset(page, 0, sizeof *page);
        memcpy(page->names, names, BTZ_SHA256_LEN);
        page->magic = MAGIC;
    }
    flock(fd, LOCK_UN);
    *out = page;
    return BTZ_OK;
}

enum btz_err btz_circuits_open(const char *path, const char *const *names, size_t count,
                               struct btz_circuits **out)
{
    BTZ_CLOSE_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct btz_circuits *c;
    uint8_t digest[BTZ_SHA256_LEN];
    enum btz_err err;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    if (count > BTZ_CIRCUITS)
        return btz_fail(BTZ_LIMIT, "more than %d upstreams", BTZ_CIRCUITS);
    c = calloc(1, sizeof *c);
    if (!c)
        return btz_fail(BTZ_LIMIT, "no memory");
    c->count = count;
    digest_names(names, count, digest);
    err = map_page(fd, path, digest, &c->page);
    if (err != BTZ_OK) {
        free(c);
        return err;
    }
    *out = c;
    return BTZ_OK;
}

void btz_circuits_close(struct btz_circuits *c)
{
    if (!c)
        return;
    munmap(c->page, sizeof *c->page);
    free(c);
}

/* A time so far away was not written by us, or the clock was set back: it does not count. */
static bool is_ahead(uint64_t until_ms, uint64_t now_ms)
{
    return until_ms > now_ms && until_ms - now_ms <= 3600000;
}

bool btz_circuit_is_open(const struct btz_circuits *c, size_t which, uint64_t now_ms)
{
    return which < c->count && is_ahead(atomic_load_explicit(&c->page->circuit[which].open_until_ms,
                                                             memory_order_relaxed),
                                        now_ms);
}

bool btz_circuit_may(struct btz_circuits *c, size_t which, uint64_t now_ms)
{
    struct circuit *k;
    uint64_t trial;

    if (which >= c->count)
        return false;
    k = &c->page->circuit[which];
    if (atomic_load_explicit(&k->open_until_ms, memory_order_relaxed) == 0)
        return true;
    if (btz_circuit_is_open(c, which, now_ms))
        return false;
    trial = atomic_load(&k->trial_until_ms);
    return !is_ahead(trial, now_ms) &&
           atomic_compare_exchange_strong(&k->trial_until_ms, &trial, now_ms + 5000);
}

void btz_circuit_untried(struct btz_circuits *c, size_t which)
{
    if (which < c->count)
        atomic_store(&c->page->circuit[which].trial_until_ms, 0);
}

void btz_circuit_ok(struct btz_circuits *c, size_t which)
{
    struct circuit *k;

    if (which >= c->count)
        return;
    k = &c->page->circuit[which];
    if (atomic_load_explicit(&k->failures, memory_order_relaxed) == 0)
        return;
    atomic_store(&k->failures, 0);
    atomic_store(&k->open_until_ms, 0);
    atomic_store(&k->trial_until_ms, 0);
}

void btz_circuit_failed(struct btz_circuits *c, size_t which, uint64_t after, uint64_t for_ms,
                        uint64_t now_ms)
{
    struct circuit *k;

    if (which >= c->count || after == 0)
        return;
    k = &c->page->circuit[which];
    if (atomic_fetch_add(&k->failures, 1) + 1 < after)
        return;
    atomic_store(&k->failures, (uint32_t)after);
    atomic_store(&k->open_until_ms, now_ms + for_ms);
    atomic_store(&k->trial_until_ms, 0);
}
