#include "gate/journal/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

uint64_t btz_frame_check(struct btz_slice bytes, uint64_t sequence, uint64_t epoch)
{
    uint64_t h = mix(mix(bytes.len, sequence), epoch), word;
    size_t i = 0;

    for (; i + sizeof word <= bytes.len; i += sizeof word) {
        memcpy(&word, bytes.ptr + i, sizeof word);
        h = mix(h, word);
    }
    word = 0;
    if (i < bytes.len)
        memcpy(&word, bytes.ptr + i, bytes.len - i);
    return mix(h, word);
}

/* ---- a ring ---- */

#define MAP_BYTES (BTZ_RING_PAGE + 2 * (size_t)BTZ_JOURNAL_BYTES)

/* In one piece: the page, the data, the data once more. */
static enum btz_err map_all(const char *name, struct btz_ring_map *m)
{
    const int both = PROT_READ | PROT_WRITE;
    uint8_t *at = mmap(NULL, MAP_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return btz_fail_errno(BTZ_LIMIT, "map %s", name);
    m->ring = (void *)at;
    m->data = at + BTZ_RING_PAGE;
    if (mmap(at, BTZ_RING_FILE, both, MAP_SHARED | MAP_FIXED, m->fd, 0) == MAP_FAILED ||
        mmap(at + BTZ_RING_FILE, BTZ_JOURNAL_BYTES, both, MAP_SHARED | MAP_FIXED, m->fd,
             BTZ_RING_PAGE) == MAP_FAILED)
        return btz_fail_errno(BTZ_LIMIT, "map %s", name);
    return btz_cover(at, MAP_BYTES, &m->cover);
}

static enum btz_err map_page(const char *name, unsigned number, bool make, struct btz_ring_map *m)
{
    struct btz_ring *r;
    struct stat st;

    if (fstat(m->fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "look at %s", name);
    if (st.st_size == 0 && make) {
        /* Space is taken now: a full disk must be an error here, not a signal at some later store. */
        errno = posix_fallocate(m->fd, 0, BTZ_RING_FILE);
        if (errno != 0) {
            enum btz_err err = btz_fail_errno(BTZ_IO, "space for %s", name);

            if (ftruncate(m->fd, 0) < 0)
                return btz_fail_context(err, "what was made of it stays");
            return err;
        }
        st.st_size = BTZ_RING_FILE;
    }
    if (!S_ISREG(st.st_mode) || st.st_size != BTZ_RING_FILE)
        return btz_fail(BTZ_INPUT, "%s: not a ring of the journal: expected %u bytes, found %lld",
                        name, BTZ_RING_FILE, (long long)st.st_size);
    BTZ_TRY(map_all(name, m));
    r = m->ring;
    if (r->magic == 0 && !make)
        return btz_fail(BTZ_CONFLICT, "%s is not made yet", name);
    if (r->magic == 0) {
        r->bytes = BTZ_JOURNAL_BYTES;
        r->number = number;
        atomic_thread_fence(memory_order_release);
        r->magic = BTZ_RING_MAGIC;
    }
    if (r->magic != BTZ_RING_MAGIC || r->bytes != BTZ_JOURNAL_BYTES || r->number != number)
        return btz_fail(BTZ_INPUT, "%s: not a ring of the journal", name);
    return BTZ_OK;
}

enum btz_err btz_ring_map(int folder, const char *path, unsigned number, bool make,
                          struct btz_ring_map *out)
{
    struct btz_ring_map m = { .fd = -1 };
    char name[16];
    enum btz_err err;

    snprintf(name, sizeof name, "ring-%02u", number);
    m.fd = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600);
    if (m.fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s/%s", path, name);
    err = map_page(name, number, make, &m);
    if (err != BTZ_OK) {
        btz_ring_unmap(&m);
        return btz_fail_context(err, "%s", path);
    }
    *out = m;
    return BTZ_OK;
}

void btz_ring_unmap(struct btz_ring_map *m)
{
    btz_uncover(m->cover);
    if (m->ring)
        munmap(m->ring, MAP_BYTES);
    btz_close_fd(&m->fd);
    *m = (struct btz_ring_map){ .fd = -1 };
}

/* ---- the shared page ---- */

static enum btz_err not_control(const char *folder)
{
    return btz_fail(BTZ_INPUT,
                    "%s/control: damaged, or not a file of the journal; move it away: a new one is "
                    "made, and what lies in the rings is still read",
                    folder);
}

/* What the folder says goes before what the page says, which may have been lost: a ring that is not known would not be
 * read. One that is not at its full size is being made, and is told by who makes it. */
static void find_rings(int at, struct btz_control *c)
{
    for (unsigned n = 0; n < BTZ_JOURNAL_WRITERS; n++) {
        struct stat st;
        char name[16];

        snprintf(name, sizeof name, "ring-%02u", n);
        if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            if (S_ISREG(st.st_mode) && st.st_size == BTZ_RING_FILE)
                atomic_fetch_or(&c->rings, UINT64_C(1) << n);
        } else if (errno == ENOENT) {
            atomic_fetch_and(&c->rings, ~(UINT64_C(1) << n));
        }
    }
}

static enum btz_err map_control(int at, int fd, const char *folder, struct btz_control **page,
                                struct btz_cover **cover)
{
    int fixed = *page ? MAP_FIXED : 0;
    struct btz_control *c;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "look at %s/control", folder);
    if (st.st_size == 0) {
        errno = posix_fallocate(fd, 0, BTZ_CONTROL_SIZE);
        if (errno != 0)
            return btz_fail_errno(BTZ_IO, "space for %s/control", folder);
        st.st_size = BTZ_CONTROL_SIZE;
    }
    if (!S_ISREG(st.st_mode) || st.st_size != BTZ_CONTROL_SIZE)
        return not_control(folder);
    c = mmap(*page, BTZ_CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, fd, 0);
    if (c == MAP_FAILED)
        return btz_fail_errno(BTZ_LIMIT, "map %s/control", folder);
    *page = c;
    if (!*cover)
        BTZ_TRY(btz_cover(c, BTZ_CONTROL_SIZE, cover));
    btz_cover_again(*cover);
    if (c->magic == 0)
        c->magic = BTZ_RING_MAGIC;
    if (c->magic != BTZ_RING_MAGIC)
        return not_control(folder);
    find_rings(at, c);
    return BTZ_OK;
}

enum btz_err btz_control_map(const char *folder, int *dir, struct btz_control **page,
                             struct btz_cover **cover)
{
    BTZ_CLOSE_FD int at = -1;
    BTZ_CLOSE_FD int fd = -1;
    bool first = !*page;
    enum btz_err err;

    BTZ_TRY(btz_file_mkdirs(folder, 0700));
    at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return btz_fail_errno(BTZ_IO, "open folder %s", folder);
    fd = openat(at, "control", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s/control", folder);
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return btz_fail_errno(BTZ_IO, "lock %s/control", folder);
    err = map_control(at, fd, folder, page, cover);
    flock(fd, LOCK_UN); /* a mapping keeps the file open, and so the lock */
    if (err != BTZ_OK) {
        if (first) {
            btz_control_unmap(*page, *cover);
            *page = NULL;
            *cover = NULL;
        }
        return err;
    }
    if (dir) {
        *dir = at;
        at = -1;
    }
    return BTZ_OK;
}

void btz_control_unmap(struct btz_control *c, struct btz_cover *cover)
{
    btz_uncover(cover);
    if (c)
        munmap(c, BTZ_CONTROL_SIZE);
}

/* Field 22 of /proc/PID/stat, counted behind the name, which may hold anything. */
uint64_t btz_process_started(uint64_t pid)
{
    BTZ_BUF_RELEASE struct btz_buf stat = BTZ_BUF(4096);
    const char *text, *at;
    char path[48];

    if (pid == 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
        return 0;
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    if (btz_file_read(path, 4000, &stat) != BTZ_OK || btz_buf_cstr(&stat, &text) != BTZ_OK)
        return 0;
    at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return 0;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

void btz_control_wake(struct btz_control *c)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&c->asleep, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(&c->asleep, 0, memory_order_seq_cst) != 0)
        syscall(SYS_futex, &c->asleep, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
