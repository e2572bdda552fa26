/* Files of the vault: taken in, looked at, read again. */
#include "access/vault/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BLOCK    ((size_t)1 << 20)
#define KEY_NAME "bartizan-vault"
/* An upload is spooled and copied; entries, rings and the store must go on meanwhile. */
#define ROOM_LEFT (UINT64_C(16) << 20)

/* ---- places ---- */

static enum btz_err below_state(struct btz_access *a, struct btz_arena *arena, const char *name,
                                const char **out)
{
    /* a->folder is <state>/access. */
    const char *slash = strrchr(a->folder, '/');

    *out = btz_arena_printf(arena, "%.*s/%s", (int)(slash - a->folder), a->folder, name);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

enum btz_err btz_vault_folder(struct btz_access *a, struct btz_arena *arena, const char **out)
{
    BTZ_TRY(below_state(a, arena, "vault", out));
    return btz_file_mkdirs(*out, 0700);
}

enum btz_err btz_vault_spool(struct btz_access *a, struct btz_arena *arena, const char **out)
{
    return below_state(a, arena, "gate/temp/client_body", out);
}

enum btz_err btz_vault_path(struct btz_access *a, struct btz_arena *arena, const char *hex,
                            const char **out)
{
    const char *folder;

    BTZ_TRY(btz_vault_folder(a, arena, &folder));
    *out = btz_arena_printf(arena, "%s/%s", folder, hex);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

/* ---- what the file system says ---- */

static uint64_t nanoseconds(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct btz_file_seen seen_of(const struct stat *st)
{
    return (struct btz_file_seen){ .size = (uint64_t)st->st_size,
                                   .inode = st->st_ino,
                                   .mtime_ns = nanoseconds(st->st_mtim),
                                   .ctime_ns = nanoseconds(st->st_ctim) };
}

bool btz_seen_equal(const struct btz_file_seen *a, const struct btz_file_seen *b)
{
    return a->size == b->size && a->inode == b->inode && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

enum btz_err btz_vault_look(struct btz_access *a, const char *hex, struct btz_file_seen *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const char *path;
    struct stat st;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_vault_path(a, &arena, hex, &path));
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? btz_fail(BTZ_INPUT, "the file is gone")
                               : btz_fail_errno(BTZ_IO, "%s", path);
    if (!S_ISREG(st.st_mode))
        return btz_fail(BTZ_INPUT, "it is no plain file any more");
    *out = seen_of(&st);
    return BTZ_OK;
}

/* ---- taking in ---- */

struct intake {
    int from, to;
    uint64_t size, left_of_chunk;
    struct btz_sha256 whole, chunk;
    bool chunk_open;
    uint8_t (*chunks)[BTZ_SHA256_LEN];
    struct btz_taken_file *out;
};

static enum btz_err end_chunk(struct intake *in)
{
    if (in->chunk_open)
        btz_sha256_end(&in->chunk, in->chunks[in->out->chunk_count++]);
    in->chunk_open = false;
    return BTZ_OK;
}

/* A block never goes past the end of a chunk: chunks are whole blocks. */
static enum btz_err take_block(struct intake *in, struct btz_slice block)
{
    if (!in->chunk_open) {
        btz_sha256_init(&in->chunk);
        in->chunk_open = true;
        in->left_of_chunk = in->out->chunk_size;
    }
    btz_sha256_add(&in->whole, block);
    btz_sha256_add(&in->chunk, block);
    in->left_of_chunk -= block.len;
    if (in->left_of_chunk == 0)
        BTZ_TRY(end_chunk(in));
    return btz_fd_write_all(in->to, block, "vault");
}

static enum btz_err copy(struct intake *in, const char *what)
{
    BTZ_BUF_RELEASE struct btz_buf block = BTZ_BUF(BLOCK);
    uint64_t at = 0;

    BTZ_TRY(btz_buf_reserve(&block, BLOCK));
    while (at < in->size) {
        size_t n = in->size - at < BLOCK ? (size_t)(in->size - at) : BLOCK;

        BTZ_TRY(btz_fd_pread_all(in->from, block.ptr, n, at, what));
        BTZ_TRY(take_block(in, btz_slice_of(block.ptr, n)));
        at += n;
    }
    BTZ_TRY(end_chunk(in));
    if (fchmod(in->to, 0400) != 0 || fsync(in->to) != 0)
        return btz_fail_errno(BTZ_IO, "vault");
    return BTZ_OK;
}

static enum btz_err copy_hashed(struct intake *in, const char *what)
{
    enum btz_err err;

    btz_sha256_init(&in->whole);
    err = copy(in, what);
    if (in->chunk_open) {
        uint8_t unused[BTZ_SHA256_LEN];

        btz_sha256_end(&in->chunk, unused);
    }
    btz_sha256_end(&in->whole, in->out->digest);
    return err;
}

static enum btz_err put_in_place(struct btz_access *a, struct btz_arena *arena, const char *beside,
                                 struct btz_taken_file *out)
{
    struct btz_file_seen there;
    const char *path;

    BTZ_TRY(btz_vault_path(a, arena, out->hex, &path));
    /* Versions may rest on that file already: in its place another of the same bytes would look like a change. */
    if (btz_vault_read(a, out->hex, &there) == BTZ_OK) {
        if (unlink(beside) != 0)
            return btz_fail_errno(BTZ_IO, "%s", beside);
        out->seen = there;
        return BTZ_OK;
    }
    if (rename(beside, path) != 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    BTZ_TRY(btz_file_sync_folder(path));
    return btz_vault_look(a, out->hex, &out->seen);
}

/* Locked while it is written: what nobody holds is of a process that died (btz_vault_abandoned). */
static enum btz_err open_beside(const char *folder, struct btz_arena *arena, char **path, int *out)
{
    uint8_t random[8];
    char name[17];
    struct stat st;

    for (;;) {
        btz_random_bytes(random, sizeof random);
        btz_hex(random, sizeof random, name);
        *path = btz_arena_printf(arena, "%s/.new-%s", folder, name);
        if (!*path)
            return BTZ_LIMIT;
        *out = open(*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (*out < 0)
            return btz_fail_errno(BTZ_IO, "%s", *path);
        if (flock(*out, LOCK_EX | LOCK_NB) == 0 && fstat(*out, &st) == 0 && st.st_nlink > 0)
            return BTZ_OK;
        /* Taken for abandoned before it was locked. */
        unlink(*path);
        close(*out);
    }
}

bool btz_vault_abandoned(int folder, const char *name)
{
    BTZ_CLOSE_FD int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

enum btz_err btz_vault_room(struct btz_access *a, uint64_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const char *folder;
    struct statvfs st;
    uint64_t room;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_vault_folder(a, &arena, &folder));
    if (statvfs(folder, &st) != 0)
        return btz_fail_errno(BTZ_IO, "%s", folder);
    room = (uint64_t)st.f_bavail * st.f_frsize;
    room = room > ROOM_LEFT ? (room - ROOM_LEFT) / 2 : 0;
    if (size > room)
        return btz_fail(BTZ_IO,
                        "the disk is too full: there is room for an upload of %" PRIu64
                        " bytes, not of %" PRIu64,
                        room, size);
    return BTZ_OK;
}

static enum btz_err take_open(struct btz_access *a, struct btz_arena *arena, int from,
                              const char *what, const char *expected, struct btz_taken_file *out)
{
    struct intake in = { .from = from, .to = -1, .size = out->seen.size, .out = out };
    const char *folder;
    enum btz_err err;
    char *beside;
    size_t count;

    BTZ_TRY(btz_chunk_size(in.size, &out->chunk_size));
    count = (size_t)(in.size / out->chunk_size) + 1;
    in.chunks = btz_arena_array(arena, count, sizeof *in.chunks);
    BTZ_TRY(btz_vault_folder(a, arena, &folder));
    if (!in.chunks)
        return BTZ_LIMIT;
    BTZ_TRY(open_beside(folder, arena, &beside, &in.to));
    err = copy_hashed(&in, what);
    out->chunks = (const uint8_t(*)[BTZ_SHA256_LEN])in.chunks;
    btz_hex(out->digest, BTZ_SHA256_LEN, out->hex);
    if (err == BTZ_OK && expected && strcmp(expected, out->hex) != 0)
        err = btz_fail(BTZ_INPUT, "it was said to be sha256:%.64s, and is sha256:%s", expected,
                       out->hex);
    if (err == BTZ_OK)
        err = put_in_place(a, arena, beside, out);
    if (err != BTZ_OK)
        unlink(beside);
    close(in.to);
    return err;
}

enum btz_err btz_vault_take(struct btz_access *a, struct btz_arena *arena, const char *from,
                            uint64_t max, const char *expected, struct btz_taken_file *out)
{
    BTZ_CLOSE_FD int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    *out = (struct btz_taken_file){ .chunk_count = 0 };
    /* A name that leads to nothing is the caller's mistake, no trouble of the disk. */
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO ||
                   errno == ENAMETOOLONG))
        return btz_fail_errno(BTZ_INPUT, "%s", from);
    if (fd < 0 || fstat(fd, &st) != 0)
        return btz_fail_errno(BTZ_IO, "%s", from);
    if (!S_ISREG(st.st_mode))
        return btz_fail(BTZ_INPUT, "%s is no plain file", from);
    if ((uint64_t)st.st_size > max)
        return btz_fail(BTZ_LIMIT,
                        "%" PRIu64 " bytes; artifacts may have %" PRIu64 " (access.artifact_max)",
                        (uint64_t)st.st_size, max);
    out->seen = seen_of(&st);
    return take_open(a, arena, fd, from, expected, out);
}

enum btz_err btz_vault_take_body(struct btz_access *a, struct btz_arena *arena, const char *from,
                                 uint64_t max, const char *expected, struct btz_taken_file *out)
{
    char folder[PATH_MAX], file[PATH_MAX];
    const char *spool;
    size_t n;

    BTZ_TRY(btz_vault_spool(a, arena, &spool));
    /* The front says where it is; who got past the front must not have the daemon read something else. */
    if (!realpath(spool, folder) || !realpath(from, file))
        return btz_fail_errno(BTZ_IO, "the body of the upload");
    n = strlen(folder);
    if (strncmp(file, folder, n) != 0 || file[n] != '/')
        return btz_fail(BTZ_INTERNAL, "the body of an upload lies outside of %s", folder);
    return btz_vault_take(a, arena, file, max, expected, out);
}

/* ---- reading again ---- */

enum btz_err btz_vault_read(struct btz_access *a, const char *hex, struct btz_file_seen *out)
{
    BTZ_BUF_RELEASE struct btz_buf block = BTZ_BUF(BLOCK);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    uint8_t digest[BTZ_SHA256_LEN];
    char found[2 * BTZ_SHA256_LEN + 1];
    struct btz_sha256 hash;
    const char *path;
    ssize_t n;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_vault_look(a, hex, out));
    BTZ_TRY(btz_vault_path(a, &arena, hex, &path));
    BTZ_TRY(btz_buf_reserve(&block, BLOCK));
    BTZ_CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    btz_sha256_init(&hash);
    while ((n = read(fd, block.ptr, BLOCK)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            btz_sha256_add(&hash, btz_slice_of(block.ptr, (size_t)n));
    btz_sha256_end(&hash, digest);
    if (n < 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    btz_hex(digest, BTZ_SHA256_LEN, found);
    if (strcmp(found, hex) != 0)
        return btz_fail(BTZ_INPUT, "the content is another one (sha256:%s)", found);
    return BTZ_OK;
}

enum btz_err btz_vault_remove(struct btz_access *a, const char *hex)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const char *path;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_vault_path(a, &arena, hex, &path));
    if (unlink(path) != 0 && errno != ENOENT)
        return btz_fail_errno(BTZ_IO, "%s", path);
    return btz_file_sync_folder(path);
}

/* ---- the key of manifests ---- */

static enum btz_err read_key(const char *path, struct btz_skey *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    enum btz_err err = btz_file_read(path, 4095, &text);

    if (err == BTZ_OK)
        err = btz_skey_parse(btz_slice_trim(btz_buf_slice(&text)), out);
    if (text.ptr)
        btz_wipe(text.ptr, text.cap);
    return err == BTZ_OK ? err : btz_fail_context(err, "%s", path);
}

/* Two processes may be first: whose link is there wins, and both read it. */
static enum btz_err make_key(const char *path, const char *shown_path)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096), shown = BTZ_BUF(4096);
    BTZ_FREE char *beside = NULL;
    struct btz_skey key;
    enum btz_err err;

    if (asprintf(&beside, "%s.%ld", path, (long)getpid()) < 0) {
        beside = NULL;
        return btz_fail(BTZ_LIMIT, "no memory");
    }
    BTZ_TRY(btz_skey_new(KEY_NAME, BTZ_KEY_ED25519, &key));
    err = btz_skey_write(&key, &text);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(&text, '\n');
    if (err == BTZ_OK)
        err = btz_file_write(beside, btz_buf_slice(&text), 0600);
    btz_wipe(text.ptr, text.cap);
    btz_skey_wipe(&key);
    BTZ_TRY(err);
    if (link(beside, path) != 0 && errno != EEXIST)
        err = btz_fail_errno(BTZ_IO, "%s", path);
    unlink(beside);
    BTZ_TRY(err);
    BTZ_TRY(btz_file_sync_folder(path));
    BTZ_TRY(read_key(path, &key));
    err = btz_vkey_write(&key.vkey, &shown);
    btz_skey_wipe(&key);
    BTZ_TRY(err);
    BTZ_TRY(btz_buf_add_byte(&shown, '\n'));
    return btz_file_write(shown_path, btz_buf_slice(&shown), 0644);
}

enum btz_err btz_vault_key(struct btz_access *a, struct btz_arena *arena, struct btz_skey *out)
{
    const char *path, *shown;

    BTZ_TRY(btz_vault_path(a, arena, "key", &path));
    BTZ_TRY(btz_vault_path(a, arena, "vkey", &shown));
    if (access(path, F_OK) != 0 || access(shown, F_OK) != 0)
        BTZ_TRY(make_key(path, shown));
    return read_key(path, out);
}
