#include "gate/owned.h"

#include "base/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x3164656e776f7a74u /* "tzowned1" */
#define SLOTS 65536
#define WAYS  16
#define NAME  16 /* bytes of a digest */

struct slot {
    uint8_t what[NAME], who[NAME];
    uint64_t since_ms; /* 0: free */
};
struct page {
    uint64_t magic;
    struct slot slots[SLOTS];
};
struct btz_owned {
    int fd;
    char *path;
    struct page *page;
    struct btz_cover *cover;
    pthread_mutex_t mutex; /* threads of one process share its lock of the file */
};

static enum btz_err not_owned(const char *path)
{
    return btz_fail(BTZ_INPUT,
                    "%s: damaged, or of another version: who made which files and batches; put it "
                    "back from a backup, or move it away, and nobody owns those of before",
                    path);
}

/* A new file is made; one that is not ours is left alone, for with it all would lose what they own. */
static enum btz_err map_file(struct btz_owned *o, const char *path)
{
    struct stat st;

    if (fstat(o->fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    if (st.st_size == 0) {
        errno = posix_fallocate(o->fd, 0, sizeof *o->page);
        if (errno != 0)
            return btz_fail_errno(BTZ_IO, "space for %s", path);
        st.st_size = sizeof *o->page;
    }
    if (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof *o->page)
        return not_owned(path);
    o->page = mmap(NULL, sizeof *o->page, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
    if (o->page == MAP_FAILED)
        return btz_fail_errno(BTZ_IO, "map %s", path);
    BTZ_TRY(btz_cover(o->page, sizeof *o->page, &o->cover));
    if (o->page->magic == 0)
        o->page->magic = MAGIC;
    return o->page->magic == MAGIC ? BTZ_OK : not_owned(path);
}

enum btz_err btz_owned_open(const char *path, struct btz_owned **out)
{
    struct btz_owned *o = calloc(1, sizeof *o);
    enum btz_err err;

    if (!o)
        return btz_fail(BTZ_LIMIT, "no memory");
    pthread_mutex_init(&o->mutex, NULL);
    o->page = MAP_FAILED;
    o->path = strdup(path);
    o->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (!o->path)
        err = btz_fail(BTZ_LIMIT, "no memory");
    else if (o->fd < 0 || flock(o->fd, LOCK_EX) != 0)
        err = btz_fail_errno(BTZ_IO, "%s", path);
    else
        err = map_file(o, path);
    if (err != BTZ_OK) {
        btz_owned_close(o);
        return err;
    }
    flock(o->fd, LOCK_UN);
    *out = o;
    return BTZ_OK;
}

void btz_owned_close(struct btz_owned *o)
{
    if (!o)
        return;
    btz_uncover(o->cover);
    if (o->page != MAP_FAILED)
        munmap(o->page, sizeof *o->page);
    if (o->fd >= 0)
        close(o->fd);
    pthread_mutex_destroy(&o->mutex);
    free(o->path);
    free(o);
}

enum btz_err btz_owned_check(const struct btz_owned *o)
{
    struct stat st;

    if (!btz_is_cut(o->cover) && fstat(o->fd, &st) == 0 && st.st_size == (off_t)sizeof *o->page)
        return BTZ_OK;
    return btz_fail(BTZ_INPUT,
                    "%s: cut while in use; put it back from a backup, or move it away, and nobody "
                    "owns the files and batches of before; then `bartizan gate reload`",
                    o->path);
}

static void name_of(const char *space, struct btz_slice text, uint8_t out[NAME])
{
    uint8_t digest[BTZ_SHA256_LEN];

    btz_sha256_2(btz_slice_of(space, strlen(space) + 1), text, digest);
    memcpy(out, digest, NAME);
}

static bool lock(struct btz_owned *o)
{
    pthread_mutex_lock(&o->mutex);
    if (flock(o->fd, LOCK_EX) == 0)
        return true;
    pthread_mutex_unlock(&o->mutex);
    return false;
}

static void unlock(struct btz_owned *o)
{
    flock(o->fd, LOCK_UN);
    pthread_mutex_unlock(&o->mutex);
}

/* Its slot, NULL: none; *room: the one to use for it. */
static struct slot *find(struct btz_owned *o, const uint8_t what[NAME], struct slot **room)
{
    uint64_t hash;
    struct slot *first;

    memcpy(&hash, what, sizeof hash);
    first = o->page->slots + hash % (SLOTS / WAYS) * WAYS;
    *room = first;
    for (size_t i = 0; i < WAYS; i++) {
        if (first[i].since_ms && memcmp(first[i].what, what, NAME) == 0)
            return &first[i];
        if (first[i].since_ms < (*room)->since_ms)
            *room = &first[i];
    }
    return NULL;
}

void btz_owned_add(struct btz_owned *o, const char *upstream, struct btz_slice id,
                   const char *owner, uint64_t now_ms)
{
    struct slot new = { .since_ms = now_ms ? now_ms : 1 }, *room;

    name_of(upstream, id, new.what);
    name_of("", btz_str(owner), new.who);
    if (!lock(o))
        return;
    if (!find(o, new.what, &room))
        *room = new;
    unlock(o);
}

bool btz_owned_is(struct btz_owned *o, const char *upstream, struct btz_slice id, const char *owner)
{
    uint8_t what[NAME], who[NAME];
    struct slot *found, *room;
    bool is;

    name_of(upstream, id, what);
    name_of("", btz_str(owner), who);
    if (!lock(o))
        return false;
    found = find(o, what, &room);
    is = found && memcmp(found->who, who, NAME) == 0;
    unlock(o);
    return is;
}

void btz_owned_remove(struct btz_owned *o, const char *upstream, struct btz_slice id)
{
    uint8_t what[NAME];
    struct slot *found, *room;

    name_of(upstream, id, what);
    if (!lock(o))
        return;
    found = find(o, what, &room);
    if (found)
        memset(found, 0, sizeof *found);
    unlock(o);
}
