#include "base/cover.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COVERS 4096

/* A signal has no argument: what it must know can only be where it finds it. */
struct btz_cover {
    _Atomic uintptr_t from; /* 0: free; 1: being filled */
    _Atomic size_t len;
    atomic_bool cut;
};
static struct btz_cover covers[COVERS];
static struct sigaction before;
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

static struct btz_cover *find(uintptr_t at)
{
    for (size_t i = 0; i < COVERS; i++) {
        uintptr_t from = atomic_load(&covers[i].from);

        if (from > 1 && at >= from && at - from < atomic_load(&covers[i].len))
            return &covers[i];
    }
    return NULL;
}

/* Only loads, stores and system calls; errno is the interrupted code's. mmap() of libc may be another's (sanitizers). */
static void on_bus(int number, siginfo_t *info, void *context)
{
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)4095;
    struct btz_cover *c = info->si_code == BUS_ADRERR ? find((uintptr_t)info->si_addr) : NULL;
    int kept = errno;

    (void)context;
    if (c) {
        atomic_store(&c->cut, true);
        if (syscall(SYS_mmap, page, (size_t)4096, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L) == (long)page) {
            errno = kept;
            return;
        }
    }
    /* Not ours: it comes again, and does what it would have done. */
    sigaction(SIGBUS, &before, NULL);
    if (info->si_code <= 0)
        raise(number);
    errno = kept;
}

/* Looked at with every mapping: somebody may have put his own there since. */
static int install(void)
{
    struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_RESTART }, now;

    if (sysconf(_SC_PAGESIZE) != 4096)
        return ENOTSUP;
    if (sigaction(SIGBUS, NULL, &now) != 0)
        return errno;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_bus)
        return 0;
    before = now;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) == 0 ? 0 : errno;
}

enum btz_err btz_cover(void *at, size_t len, struct btz_cover **out)
{
    int failed;

    pthread_mutex_lock(&installing);
    failed = install();
    pthread_mutex_unlock(&installing);
    if (failed) {
        errno = failed;
        return btz_fail_errno(BTZ_IO, "cannot guard mapped files against being cut");
    }
    for (size_t i = 0; i < COVERS; i++) {
        uintptr_t none = 0;

        if (!atomic_compare_exchange_strong(&covers[i].from, &none, 1))
            continue;
        atomic_store(&covers[i].cut, false);
        atomic_store(&covers[i].len, len);
        atomic_store(&covers[i].from, (uintptr_t)at);
        *out = &covers[i];
        return BTZ_OK;
    }
    return btz_fail(BTZ_LIMIT, "more than %d files are mapped", COVERS);
}

void btz_uncover(struct btz_cover *c)
{
    if (c)
        atomic_store(&c->from, 0);
}

bool btz_is_cut(const struct btz_cover *c)
{
    return c && atomic_load_explicit(&c->cut, memory_order_acquire);
}

bool btz_is_cut_now(const struct btz_cover *c)
{
    const volatile uint8_t *last;

    if (!c)
        return false;
    last = (const volatile uint8_t *)(atomic_load_explicit(&c->from, memory_order_relaxed) +
                                      atomic_load_explicit(&c->len, memory_order_relaxed) - 1);
    (void)*last;
    return btz_is_cut(c);
}

void btz_cover_again(struct btz_cover *c)
{
    if (c)
        atomic_store(&c->cut, false);
}
