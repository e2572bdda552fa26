#include "gate/circuit.h"

#include "base/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
    struct btz_cover *cover;
    size_t count;
    pthread_mutex_t mending;
    uint8_t names[BTZ_SHA256_LEN];
    char *path;
};

static void digest_names(const char *const *names, size_t count, uint8_t out[BTZ_SHA256_LEN])
{
    memset(out, 0, BTZ_SHA256_LEN);
    for (size_t i = 0; i < count; i++)
        btz_sha256_2(btz_slice_of(out, BTZ_SHA256_LEN),
                     btz_slice_of(names[i], strlen(names[i]) + 1), out);
}

/* In the place of what is mapped already, where that was cut. */
static enum btz_err map_page(struct btz_circuits *c, int fd)
{
    int fixed = c->page ? MAP_FIXED : 0;
    struct stat st;
    struct page *page;

    if (flock(fd, LOCK_EX) != 0 || fstat(fd, &st) != 0)
        return btz_fail_errno(BTZ_IO, "%s", c->path);
    if (st.st_size != (off_t)sizeof *page && ftruncate(fd, sizeof *page) != 0)
        return btz_fail_errno(BTZ_IO, "%s", c->path);
    page = mmap(c->page, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, fd, 0);
    if (page == MAP_FAILED)
        return btz_fail_errno(BTZ_IO, "map %s", c->path);
    c->page = page;
    if (!c->cover)
        BTZ_TRY(btz_cover(page, sizeof *page, &c->cover));
    btz_cover_again(c->cover);
    if (page->magic != MAGIC || memcmp(page->names, c->names, BTZ_SHA256_LEN) != 0) {
        memset(page, 0, sizeof *page);
        memcpy(page->names, c->names, BTZ_SHA256_LEN);
        page->magic = MAGIC;
    }
    return BTZ_OK;
}

static enum btz_err map_file(struct btz_circuits *c)
{
    BTZ_CLOSE_FD int fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum btz_err err;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", c->path);
    err = map_page(c, fd);
    flock(fd, LOCK_UN); /* a mapping keeps the file open, and so the lock */
    return err;
}

enum btz_err btz_circuits_open(const char *path, const char *const *names, size_t count,
                               struct btz_circuits **out)
{
    struct btz_circuits *c;
    enum btz_err err;

    if (count > BTZ_CIRCUITS)
        return btz_fail(BTZ_LIMIT, "more than %d upstreams", BTZ_CIRCUITS);
    c = calloc(1, sizeof *c);
    if (!c)
        return btz_fail(BTZ_LIMIT, "no memory");
    pthread_mutex_init(&c->mending, NULL);
    c->count = count;
    c->path = strdup(path);
    digest_names(names, count, c->names);
    err = c->path ? map_file(c) : btz_fail(BTZ_LIMIT, "no memory");
    if (err != BTZ_OK) {
        btz_circuits_close(c);
        return err;
    }
    *out = c;
    return BTZ_OK;
}

void btz_circuits_close(struct btz_circuits *c)
{
    if (!c)
        return;
    btz_uncover(c->cover);
    if (c->page)
        munmap(c->page, sizeof *c->page);
    pthread_mutex_destroy(&c->mending);
    free(c->path);
    free(c);
}

/* Cut while in use, it is made anew: all circuits are closed then. Where that cannot be, they are of this process alone. */
static struct page *page_of(struct btz_circuits *c)
{
    if (btz_is_cut(c->cover)) {
        pthread_mutex_lock(&c->mending);
        if (btz_is_cut(c->cover))
            (void)map_file(c);
        pthread_mutex_unlock(&c->mending);
    }
    return c->page;
}

/* A time so far away was not written by us, or the clock was set back: it does not count. */
static bool is_ahead(uint64_t until_ms, uint64_t now_ms)
{
    return until_ms > now_ms && until_ms - now_ms <= 3600000;
}

bool btz_circuit_is_open(struct btz_circuits *c, size_t which, uint64_t now_ms)
{
    return which < c->count &&
           is_ahead(atomic_load_explicit(&page_of(c)->circuit[which].open_until_ms,
                                         memory_order_relaxed),
                    now_ms);
}

bool btz_circuit_may(struct btz_circuits *c, size_t which, uint64_t now_ms)
{
    struct circuit *k;
    uint64_t trial;

    if (which >= c->count)
        return false;
    k = &page_of(c)->circuit[which];
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
        atomic_store(&page_of(c)->circuit[which].trial_until_ms, 0);
}

void btz_circuit_ok(struct btz_circuits *c, size_t which)
{
    struct circuit *k;

    if (which >= c->count)
        return;
    k = &page_of(c)->circuit[which];
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
    k = &page_of(c)->circuit[which];
    if (atomic_fetch_add(&k->failures, 1) + 1 < after)
        return;
    atomic_store(&k->failures, (uint32_t)after);
    atomic_store(&k->open_until_ms, now_ms + for_ms);
    atomic_store(&k->trial_until_ms, 0);
}
