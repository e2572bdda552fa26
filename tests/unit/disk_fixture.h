/* A small file system of its own that can be filled, where one can be mounted; a limit on the size of files otherwise. */
#ifndef BTZ_TEST_DISK_FIXTURE_H
#define BTZ_TEST_DISK_FIXTURE_H

#include "access_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define DISK_SIZE "size=%um,mode=0700"

struct disk {
    bool mounted;
    struct rlimit before;
    char filler[128];
};

static inline void disk_start(struct access_fixture *f, struct disk *d, unsigned mebibytes)
{
    char size[64];

    access_prepare(f);
    snprintf(size, sizeof size, DISK_SIZE, mebibytes);
    memset(d, 0, sizeof *d);
    d->mounted = mount("tmpfs", f->dir, "tmpfs", MS_NOSUID | MS_NODEV, size) == 0;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &d->before), 0);
    signal(SIGXFSZ, SIG_IGN);
    snprintf(d->filler, sizeof d->filler, "%s/filler", f->dir);
    access_open(f);
}

static inline void disk_fill(struct disk *d)
{
    static const char block[4096];
    struct rlimit none = d->before;
    size_t size = sizeof block;
    int fd;

    if (!d->mounted) {
        none.rlim_cur = 4096;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        return;
    }
    fd = open(d->filler, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (size > 0)
        if (write(fd, block, size) != (ssize_t)size)
            size /= 2;
    close(fd);
}

static inline void disk_free(struct disk *d)
{
    if (d->mounted)
        assert_int_equal(unlink(d->filler), 0);
    else
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &d->before), 0);
}

static inline void disk_stop(struct access_fixture *f, struct disk *d)
{
    btz_access_close(f->access);
    if (d->mounted)
        assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    btz_arena_release(&f->arena);
    access_remove(f->dir);
}

#endif
