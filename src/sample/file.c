/* Files of samples: in memory, unpacked, or read from disk piece by piece. */
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/zip.h"
#include "sample/reader.h"

static enum btz_err unpack(struct btz_slice packed, uint64_t memory_max,
                           struct btz_sample_file *out)
{
    struct btz_buf plain = BTZ_BUF(memory_max);
    enum btz_err err = btz_gunzip(packed, out->name, &plain);

    if (err != BTZ_OK) {
        btz_buf_release(&plain);
        return err == BTZ_LIMIT
                   ? btz_fail_context(err, "the file must fit into memory unpacked; unpack it, and "
                                           "it is read from disk")
                   : err;
    }
    btz_buf_release(&out->own);
    out->own = plain;
    return BTZ_OK;
}

static enum btz_err load(int fd, uint64_t memory_max, struct btz_sample_file *out)
{
    uint8_t head[4] = { 0 };
    bool packed;

    BTZ_TRY(btz_fd_pread_all(fd, head, out->size < 4 ? out->size : 4, 0, out->name));
    packed = out->size >= 4 && btz_is_gzip(btz_slice_of(head, 4));
    if (out->size > memory_max && packed)
        return btz_fail(BTZ_LIMIT,
                        "%s: %" PRIu64 " bytes, packed files must fit into %" PRIu64
                        "; unpack it, and it is read from disk",
                        out->name, out->size, memory_max);
    if (out->size > memory_max) {
        uint64_t some = out->size < BTZ_SAMPLE_HEAD ? out->size : BTZ_SAMPLE_HEAD;

        out->own.max = BTZ_SAMPLE_HEAD;
        BTZ_TRY(btz_buf_reserve(&out->own, some));
        BTZ_TRY(btz_fd_pread_all(fd, out->own.ptr, some, 0, out->name));
        out->own.len = some;
        out->fd = fd;
    } else {
        out->own.max = memory_max;
        BTZ_TRY(btz_buf_reserve(&out->own, out->size));
        BTZ_TRY(btz_fd_pread_all(fd, out->own.ptr, out->size, 0, out->name));
        out->own.len = out->size;
        if (packed)
            BTZ_TRY(unpack(btz_buf_slice(&out->own), memory_max, out));
        out->size = out->own.len;
    }
    out->bytes = btz_buf_slice(&out->own);
    return BTZ_OK;
}

enum btz_err btz_sample_file_open(const char *path, uint64_t memory_max,
                                  struct btz_sample_file *out)
{
    struct btz_sample_file f = { .name = path, .fd = -1 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    enum btz_err err = BTZ_OK;

    if (fd < 0 || fstat(fd, &st) != 0)
        err = btz_fail_errno(BTZ_IO, "open %s", path);
    else if (S_ISDIR(st.st_mode))
        f.folder = true;
    else if (!S_ISREG(st.st_mode))
        err = btz_fail(BTZ_INPUT, "%s: neither a file nor a folder", path);
    else {
        f.size = (uint64_t)st.st_size;
        err = load(fd, memory_max, &f);
    }
    if (fd >= 0 && f.fd < 0)
        close(fd);
    if (err != BTZ_OK)
        btz_sample_file_close(&f);
    else
        *out = f;
    return err;
}

enum btz_err btz_sample_file_wrap(struct btz_slice bytes, const char *name, uint64_t memory_max,
                                  struct btz_sample_file *out)
{
    struct btz_sample_file f = { .name = name, .fd = -1 };
    enum btz_err err;

    f.own.max = memory_max;
    err = btz_is_gzip(bytes) ? unpack(bytes, memory_max, &f) : btz_buf_add_slice(&f.own, bytes);
    if (err != BTZ_OK) {
        btz_sample_file_close(&f);
        return err;
    }
    f.bytes = btz_buf_slice(&f.own);
    f.size = f.bytes.len;
    *out = f;
    return BTZ_OK;
}

void btz_sample_file_close(struct btz_sample_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    btz_buf_release(&f->own);
    f->bytes = btz_slice_of(NULL, 0);
}

bool btz_sample_file_is(const struct btz_sample_file *f, const char *extension)
{
    size_t len = f->name ? strlen(f->name) : 0, n = strlen(extension);

    if (len > 3 && strcasecmp(f->name + len - 3, ".gz") == 0)
        len -= 3;
    return len > n && strncasecmp(f->name + len - n, extension, n) == 0;
}

enum btz_err btz_sample_file_whole(const struct btz_sample_file *f)
{
    if (f->fd >= 0)
        return btz_fail(BTZ_LIMIT,
                        "%s: %" PRIu64 " bytes; files of this format must fit into memory "
                        "(uncompressed idx and npy need not)",
                        f->name, f->size);
    return BTZ_OK;
}
