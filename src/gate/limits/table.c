#include "gate/limits/table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPEN_TRIES 200
#define LOCK_S     2
#define BACK_MS                                                                                    \
    120000 /* clocks of workers differ a little; more than this, and the clock was set back */

_Static_assert(sizeof(struct btz_table_head) <= BTZ_TABLE_HEAD, "the head has room");
_Static_assert(sizeof(struct btz_table_slot) == 384, "no holes between machines of one kind");

/* ---- the layout ---- */

static uint64_t align(uint64_t at)
{
    return (at + 4095) & ~4095ULL;
}

static uint64_t tags_at(void)
{
    return BTZ_TABLE_HEAD;
}

static uint64_t owners_at(uint32_t slots)
{
    return align(tags_at() + slots * sizeof(uint32_t));
}

static uint64_t slots_at(uint32_t slots, uint32_t leases)
{
    return align(owners_at(slots) + leases * sizeof(uint32_t));
}

static uint64_t leases_at(uint32_t slots, uint32_t leases)
{
    return align(slots_at(slots, leases) + (uint64_t)slots * sizeof(struct btz_table_slot));
}

static uint64_t file_size(uint32_t slots, uint32_t leases)
{
    return align(leases_at(slots, leases) + (uint64_t)leases * sizeof(struct btz_table_lease));
}

static bool is_possible(uint32_t slots, uint32_t leases)
{
    return slots >= BTZ_TABLE_SET && slots <= 1u << 20 && (slots & (slots - 1)) == 0 &&
           leases >= 1 && leases <= 1u << 20;
}

static void describe(struct btz_table_head *h, uint32_t slots, uint32_t leases)
{
    h->magic = BTZ_TABLE_MAGIC;
    h->version = BTZ_TABLE_VERSION;
    h->head_size = sizeof *h;
    h->slot_size = sizeof(struct btz_table_slot);
    h->lease_size = sizeof(struct btz_table_lease);
    h->mutex_size = sizeof(pthread_mutex_t);
    h->slots = slots;
    h->leases = leases;
    h->seconds = BTZ_TABLE_SECONDS;
    h->size = file_size(slots, leases);
}

/* The part of the head that never changes, and the size. */
static enum btz_err check_file(int fd, const char *path, uint32_t *slots, uint32_t *leases)
{
    struct btz_table_head wanted = { 0 }, found;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "stat %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)BTZ_TABLE_HEAD)
        return btz_fail(
            BTZ_INPUT, "%s: no table of limits: %lld bytes; move it away, and counting begins anew",
            path, (long long)st.st_size);
    BTZ_TRY(btz_fd_pread_all(fd, &found, sizeof found, 0, path));
    if (!is_possible(found.slots, found.leases))
        return btz_fail(
            BTZ_INPUT,
            "%s: no table of limits, or a damaged one; move it away, and counting begins "
            "anew",
            path);
    describe(&wanted, found.slots, found.leases);
    if (memcmp(&found, &wanted, offsetof(struct btz_table_head, key)) != 0 ||
        (uint64_t)st.st_size != found.size)
        return btz_fail(
            BTZ_INPUT,
            "%s: damaged table of limits, or one of another version of bartizan; move it "
            "away, and counting begins anew",
            path);
    *slots = found.slots;
    *leases = found.leases;
    return BTZ_OK;
}

static enum btz_err map_file(struct btz_limits *l, const char *path)
{
    void *p;

    BTZ_TRY(check_file(l->fd, path, &l->slot_count, &l->lease_count));
    l->size = (size_t)file_size(l->slot_count, l->lease_count);
    p = mmap(NULL, l->size, l->writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, l->fd, 0);
    if (p == MAP_FAILED)
        return btz_fail_errno(BTZ_IO, "map %s", path);
    l->map = p;
    BTZ_TRY(btz_cover(p, l->size, &l->cover));
    l->head = p;
    l->tags = (void *)(l->map + tags_at());
    l->owners = (void *)(l->map + owners_at(l->slot_count));
    l->slots = (void *)(l->map + slots_at(l->slot_count, l->lease_count));
    l->leases = (void *)(l->map + leases_at(l->slot_count, l->lease_count));
    return BTZ_OK;
}

/* Disk is taken now: a full disk must not kill workers later. The head is the last that is written. */
static enum btz_err create(int fd, const char *path, uint32_t slots, uint32_t leases)
{
    struct btz_table_head h = { 0 };
    int failed;

    describe(&h, slots, leases);
    btz_random_bytes(h.key, sizeof h.key);
    if (ftruncate(fd, 0) < 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    failed = posix_fallocate(fd, 0, (off_t)h.size);
    if (failed) {
        errno = failed;
        return btz_fail_errno(BTZ_IO, "%s: cannot take %" PRIu64 " bytes of disk", path, h.size);
    }
    if (pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
        return btz_fail_errno(BTZ_IO, "write %s", path);
    return BTZ_OK;
}

uint64_t btz_limits_disk(void)
{
    struct btz_table_head h = { 0 };

    describe(&h, BTZ_TABLE_SLOTS, BTZ_TABLE_LEASES);
    return h.size;
}

/* Nothing was ever written to it, or whoever made it died before its head was there. */
static bool is_unfinished(int fd)
{
    uint8_t head[sizeof(struct btz_table_head)] = { 0 };
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    if (st.st_size == 0)
        return true;
    return pread(fd, head, sizeof head, 0) > 0 && sodium_is_zero(head, sizeof head);
}

/* ---- the lock and the old values ---- */

/* Is that a place in what changes? */
static bool may_restore(const struct btz_limits *l, const struct btz_table_old *o)
{
    if ((o->size != 4 && o->size != 8) || o->at % o->size || o->at > l->size - o->size)
        return false;
    return o->at >= tags_at() || (o->at >= offsetof(struct btz_table_head, clock_ms) &&
                                  o->at <= offsetof(struct btz_table_head, hint));
}

static void roll_back(struct btz_limits *l)
{
    struct btz_table_head *h = l->head;
    uint32_t n = __atomic_load_n(&h->old_count, __ATOMIC_ACQUIRE);

    if (n > BTZ_TABLE_JOURNAL)
        n = 0; /* damaged: nothing of it can be believed */
    while (n-- > 0) {
        struct btz_table_old o = h->old[n];

        if (may_restore(l, &o))
            memcpy(l->map + o.at, &o.value, o.size);
    }
    __atomic_store_n(&h->old_count, 0, __ATOMIC_RELEASE);
}

static void write_down(struct btz_limits *l, const void *at, uint32_t size, uint64_t value)
{
    struct btz_table_head *h = l->head;
    uint32_t n = h->old_count;

    if (n >= BTZ_TABLE_JOURNAL)
        return; /* cannot be: a change is of at most 3 values a counter */
    h->old[n] = (struct btz_table_old){ (uint32_t)((const uint8_t *)at - l->map), size, value };
    __atomic_store_n(&h->old_count, n + 1, __ATOMIC_RELEASE);
}

void btz_table_set64(struct btz_limits *l, uint64_t *at, uint64_t value)
{
    write_down(l, at, sizeof *at, *at);
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

void btz_table_set32(struct btz_limits *l, uint32_t *at, uint32_t value)
{
    uint64_t old = 0;

    memcpy(&old, at, sizeof *at);
    write_down(l, at, sizeof *at, old);
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

void btz_table_commit(struct btz_limits *l)
{
    __atomic_store_n(&l->head->old_count, 0, __ATOMIC_RELEASE);
}

static enum btz_err make_lock(struct btz_limits *l)
{
    pthread_mutexattr_t a;
    bool ok;

    if (pthread_mutexattr_init(&a) != 0)
        return btz_fail(BTZ_INTERNAL, "no lock for limits");
    memset(&l->head->lock, 0, sizeof l->head->lock);
    ok = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0 &&
         pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0 &&
         pthread_mutex_init(&l->head->lock, &a) == 0;
    pthread_mutexattr_destroy(&a);
    return ok ? BTZ_OK : btz_fail(BTZ_INTERNAL, "no lock for limits");
}

enum btz_err btz_table_check(const struct btz_limits *l)
{
    if (!btz_is_cut_now(l->cover))
        return BTZ_OK;
    return btz_fail(BTZ_INPUT,
                    "%s: cut while in use; move it away, and `bartizan gate reload`: counting "
                    "begins anew",
                    l->path ? l->path : "limits");
}

/* Held for microseconds. But who waits for it while the file is cut, waits on a page that nobody will ever touch again. */
enum btz_err btz_table_lock(struct btz_limits *l)
{
    struct timespec until;
    int failed;

    BTZ_TRY(btz_table_check(l));
    failed = pthread_mutex_trylock(&l->head->lock);
    if (failed == EBUSY) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOCK_S;
        failed = pthread_mutex_clocklock(&l->head->lock, CLOCK_MONOTONIC, &until);
    }
    if (failed == EOWNERDEAD) {
        roll_back(l);
        failed = pthread_mutex_consistent(&l->head->lock);
    }
    BTZ_TRY(btz_table_check(l));
    return failed == 0 ? BTZ_OK : btz_fail(BTZ_INTERNAL, "the lock of the limits cannot be had");
}

void btz_table_unlock(struct btz_limits *l)
{
    btz_table_commit(l);
    pthread_mutex_unlock(&l->head->lock);
}

uint64_t btz_table_pass(struct btz_limits *l, uint64_t now_ms)
{
    struct btz_table_head *h = l->head;

    if (now_ms > h->clock_ms) {
        h->clock_ms = now_ms;
    } else if (h->clock_ms - now_ms > BACK_MS) {
        btz_table_set64(l, &h->ahead_ms, h->ahead_ms + (h->clock_ms - now_ms));
        btz_table_set64(l, &h->clock_ms, now_ms);
        btz_table_commit(l);
    }
    return h->clock_ms + h->ahead_ms;
}

/* ---- processes ---- */

/* When a process began: field 22 of its stat, behind the name, which may hold anything. 0: there is none, or it is dead
 * and only not yet waited for. */
static uint64_t start_of(uint32_t pid)
{
    char path[32], text[512];
    BTZ_CLOSE_FD int fd = -1;
    const char *at;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (n = read(fd, text, sizeof text - 1)) <= 0)
        return 0;
    text[n] = '\0';
    at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return 0;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

uint32_t btz_table_self(struct btz_limits *l, uint64_t *started)
{
    uint32_t pid = l->self ? __atomic_load_n(&l->self->pid, __ATOMIC_ACQUIRE) : 0;

    if (pid > 0) {
        *started = __atomic_load_n(&l->self->started, __ATOMIC_RELAXED);
        return pid;
    }
    pid = (uint32_t)getpid();
    *started = start_of(pid);
    if (l->self) { /* threads that find out at once find out the same */
        __atomic_store_n(&l->self->started, *started, __ATOMIC_RELAXED);
        __atomic_store_n(&l->self->pid, pid, __ATOMIC_RELEASE);
    }
    return pid;
}

/* A system call for each request would cost more than all the rest. */
static void remember_self(struct btz_limits *l)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return;
    if (madvise(p, 4096, MADV_WIPEONFORK) == 0)
        l->self = p;
    else
        munmap(p, 4096);
}

bool btz_table_is_alive(uint32_t pid, uint64_t started)
{
    /* Without /proc only the number is known. */
    if (started == 0)
        return pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
    return start_of(pid) == started;
}

/* ---- opening ---- */

/* Nobody else has it open: locks and leases in it are of processes that are gone, and of this one before. */
static enum btz_err start_over(struct btz_limits *l)
{
    BTZ_TRY(make_lock(l));
    roll_back(l);
    for (uint32_t i = 0; i < l->lease_count; i++)
        if (l->owners[i])
            l->owners[i] = 0;
    for (uint32_t i = 0; i < l->slot_count; i++)
        if (l->tags[i] && l->slots[i].kind == BTZ_LIMIT_CONCURRENCY)
            l->slots[i].used = 0;
    return BTZ_OK;
}

static enum btz_err open_alone(struct btz_limits *l, const char *path, uint32_t slots,
                               uint32_t leases)
{
    if (is_unfinished(l->fd))
        BTZ_TRY(create(l->fd, path, slots, leases));
    BTZ_TRY(map_file(l, path));
    BTZ_TRY(start_over(l));
    /* From here on it counts as used by others too. */
    if (flock(l->fd, LOCK_SH) < 0)
        return btz_fail_errno(BTZ_IO, "lock %s", path);
    return BTZ_OK;
}

enum btz_err btz_table_open(const char *path, uint32_t slots, uint32_t leases, struct btz_limits *l)
{
    if (!is_possible(slots, leases))
        return btz_fail(BTZ_USAGE, "%u counters and %u leases: not a size of a table", slots,
                        leases);
    remember_self(l);
    l->path = strdup(path);
    l->writable = true;
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    for (int i = 0; i < OPEN_TRIES; i++) {
        if (flock(l->fd, LOCK_EX | LOCK_NB) == 0)
            return open_alone(l, path, slots, leases);
        if (errno != EWOULDBLOCK && errno != EINTR)
            return btz_fail_errno(BTZ_IO, "lock %s", path);
        /* Waits while somebody makes it; if he gave up, it is this one's turn. */
        if (flock(l->fd, LOCK_SH) < 0)
            return btz_fail_errno(BTZ_IO, "lock %s", path);
        if (!is_unfinished(l->fd))
            return map_file(l, path);
        flock(l->fd, LOCK_UN);
        usleep(1000);
    }
    return btz_fail(
        BTZ_IO,
        "%s: others have it open and do not finish it; move it away, and counting begins anew",
        path);
}

enum btz_err btz_table_view(const char *path, struct btz_limits *l)
{
    l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (l->fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    return map_file(l, path);
}

void btz_table_close(struct btz_limits *l)
{
    /* libc's list of the locks of a thread may lead through a lock that was cut: that stays as it is. */
    if (l->map && !btz_is_cut(l->cover)) {
        btz_uncover(l->cover);
        munmap(l->map, l->size);
    }
    free(l->path);
    if (l->self)
        munmap(l->self, 4096);
    l->map = NULL;
    l->cover = NULL;
    l->path = NULL;
    l->self = NULL;
    btz_close_fd(&l->fd);
}
