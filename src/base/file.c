#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

enum btz_err btz_file_read(const char *path, size_t cap, struct btz_buf *out)
{
    bool is_stdin = strcmp(path, "-") == 0;
    BTZ_CLOSE_FD int opened = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    int fd = is_stdin ? STDIN_FILENO : opened;
    size_t before = out->len;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    for (;;) {
        size_t room = cap - (out->len - before);
        ssize_t n;

        /* One byte more than allowed, so that "exactly at the limit" and "over it" differ. */
        BTZ_TRY(btz_buf_reserve(out, room < 65536 ? room + 1 : 65536));
        n = read(fd, out->ptr + out->len, room < 65536 ? room + 1 : 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return btz_fail_errno(BTZ_IO, "read %s", path);
        if (n == 0)
            return BTZ_OK;
        if ((size_t)n > room)
            return btz_fail(BTZ_LIMIT, "%s: larger than %zu bytes", path, cap);
        out->len += (size_t)n;
    }
}

enum btz_err btz_fd_write_all(int fd, struct btz_slice bytes, const char *what)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return btz_fail_errno(BTZ_IO, "write %s", what);
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return BTZ_OK;
}

enum btz_err btz_fd_pread_all(int fd, void *out, size_t n, uint64_t at, const char *what)
{
    uint8_t *to = out;

    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return btz_fail_errno(BTZ_IO, "read %s", what);
        if (got == 0)
            return btz_fail(BTZ_INPUT, "%s: ends at byte %" PRIu64 ", expected %zu more bytes",
                            what, at, n);
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return BTZ_OK;
}

enum btz_err btz_file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    BTZ_FREE char *dir =
        slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    BTZ_CLOSE_FD int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open the folder of %s", path);
    if (fsync(fd) < 0)
        return btz_fail_errno(BTZ_IO, "sync the folder of %s", path);
    return BTZ_OK;
}

/* A device or a pipe keeps nothing, so there is nothing to replace: "-o /dev/null" must leave the device alone. */
static bool is_channel(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode));
}

static enum btz_err write_channel(const char *path, struct btz_slice bytes)
{
    BTZ_CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    return btz_fd_write_all(fd, bytes, path);
}

enum btz_err btz_file_write(const char *path, struct btz_slice bytes, unsigned mode)
{
    BTZ_FREE char *beside = NULL;
    BTZ_CLOSE_FD int fd = -1;
    uint64_t salt;
    enum btz_err err;

    if (is_channel(path))
        return write_channel(path, bytes);
    btz_random_bytes(&salt, sizeof salt);
    if (asprintf(&beside, "%s.%016" PRIx64, path, salt) < 0) {
        beside = NULL;
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    /* Never wider than `mode`, nor than the umask of the process. */
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create a file beside %s", path);
    err = btz_fd_write_all(fd, bytes, path);
    if (err == BTZ_OK && fsync(fd) < 0)
        err = btz_fail_errno(BTZ_IO, "write %s", path);
    if (err == BTZ_OK && rename(beside, path) < 0)
        err = btz_fail_errno(BTZ_IO, "rename to %s", path);
    if (err != BTZ_OK) {
        unlink(beside);
        return err;
    }
    return btz_file_sync_folder(path);
}

enum btz_err btz_file_mkdirs(const char *path, unsigned mode)
{
    BTZ_FREE char *copy = strdup(path);

    if (!copy)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (char *p = copy; *p; p++) {
        if (*p != '/' || p == copy)
            continue;
        *p = '\0';
        if (mkdir(copy, (mode_t)mode) < 0 && errno != EEXIST)
            return btz_fail_errno(BTZ_IO, "create folder %s", copy);
        *p = '/';
    }
    if (mkdir(copy, (mode_t)mode) < 0 && errno != EEXIST)
        return btz_fail_errno(BTZ_IO, "create folder %s", path);
    return BTZ_OK;
}
