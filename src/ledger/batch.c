#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/tiles.h"

void btz_batch_init(struct btz_batch *b, int dir, const char *dir_name, bool deep)
{
    b->dir = dir;
    b->dir_name = dir_name;
    b->deep = deep;
    b->files = b->dirs = 0;
}

static void close_files(struct btz_batch *b)
{
    while (b->files > 0)
        btz_close_fd(&b->file[--b->files].fd);
}

void btz_batch_release(struct btz_batch *b)
{
    close_files(b);
    b->dirs = 0;
}

/* Cuts the last element off; "" is the ledger folder itself. */
static void to_parent(char *path)
{
    char *slash = strrchr(path, '/');

    *(slash ? slash : path) = '\0';
}

static enum btz_err remember_folder(struct btz_batch *b, const char *path)
{
    for (size_t i = 0; i < b->dirs; i++)
        if (strcmp(b->folder[i], path) == 0)
            return BTZ_OK;
    if (b->dirs == BTZ_BATCH_DIRS)
        BTZ_TRY(btz_batch_sync(b));
    snprintf(b->folder[b->dirs++], BTZ_TILE_PATH, "%s", path);
    return BTZ_OK;
}

static enum btz_err make_folders(struct btz_batch *b, const char *path)
{
    char part[BTZ_TILE_PATH];

    snprintf(part, sizeof part, "%s", path);
    for (char *p = part; (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        if (mkdirat(b->dir, part, 0755) == 0) {
            char above[BTZ_TILE_PATH];

            memcpy(above, part, sizeof above);
            to_parent(above);
            BTZ_TRY(remember_folder(b, above));
        } else if (errno != EEXIST) {
            return btz_fail_errno(BTZ_IO, "create folder %s/%s", b->dir_name, part);
        }
    }
    return BTZ_OK;
}

enum btz_err btz_batch_write(struct btz_batch *b, const char *path, struct btz_slice bytes)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    char folder[BTZ_TILE_PATH];
    int fd;

    if (b->files == BTZ_BATCH_FILES)
        BTZ_TRY(btz_batch_sync(b));
    fd = openat(b->dir, path, flags, 0644);
    if (fd < 0 && errno == ENOENT) {
        BTZ_TRY(make_folders(b, path));
        fd = openat(b->dir, path, flags, 0644);
    }
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create %s/%s", b->dir_name, path);
    b->file[b->files].fd = fd;
    snprintf(b->file[b->files].path, BTZ_TILE_PATH, "%s", path);
    b->files++;
    if (btz_fd_write_all(fd, bytes, path) != BTZ_OK)
        return btz_fail_context(BTZ_IO, "%s", b->dir_name);
    /* Starts the disk early; fsync below is what counts. */
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    snprintf(folder, sizeof folder, "%s", path);
    do {
        to_parent(folder);
        BTZ_TRY(remember_folder(b, folder));
    } while (b->deep && folder[0] != '\0');
    return BTZ_OK;
}

static enum btz_err sync_folder(const struct btz_batch *b, const char *path)
{
    BTZ_CLOSE_FD int fd = openat(b->dir, path[0] ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return btz_fail_errno(BTZ_IO, "sync folder %s/%s", b->dir_name, path);
    return BTZ_OK;
}

enum btz_err btz_batch_sync(struct btz_batch *b)
{
    for (size_t i = 0; i < b->files; i++)
        if (fsync(b->file[i].fd) < 0)
            return btz_fail_errno(BTZ_IO, "sync %s/%s", b->dir_name, b->file[i].path);
    close_files(b);
    while (b->dirs > 0)
        BTZ_TRY(sync_folder(b, b->folder[--b->dirs]));
    return BTZ_OK;
}

enum btz_err btz_replace_at(int dir, const char *dir_name, const char *path, struct btz_slice bytes,
                            unsigned mode)
{
    char beside[BTZ_TILE_PATH];
    BTZ_CLOSE_FD int fd = -1;

    snprintf(beside, sizeof beside, "%s.new", path);
    (void)unlinkat(dir, beside, 0); /* of a writer that died; the lock is ours */
    fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create %s/%s", dir_name, beside);
    if (btz_fd_write_all(fd, bytes, beside) != BTZ_OK)
        return btz_fail_context(BTZ_IO, "%s", dir_name);
    if (fsync(fd) < 0)
        return btz_fail_errno(BTZ_IO, "sync %s/%s", dir_name, beside);
    if (renameat(dir, beside, dir, path) < 0)
        return btz_fail_errno(BTZ_IO, "rename to %s/%s", dir_name, path);
    if (fsync(dir) < 0)
        return btz_fail_errno(BTZ_IO, "sync folder %s", dir_name);
    return BTZ_OK;
}
