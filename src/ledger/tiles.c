#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/tiles.h"

void btz_tile_path(int level, uint64_t n, unsigned width, char out[BTZ_TILE_PATH])
{
    unsigned part[7];
    size_t parts = 0, at;

    do {
        part[parts++] = (unsigned)(n % 1000);
        n /= 1000;
    } while (n > 0);
    if (level == BTZ_TILE_ENTRIES)
        at = (size_t)snprintf(out, BTZ_TILE_PATH, "tile/entries");
    else
        at = (size_t)snprintf(out, BTZ_TILE_PATH, "tile/%d", level);
    while (parts-- > 0)
        at += (size_t)snprintf(out + at, BTZ_TILE_PATH - at, parts > 0 ? "/x%03u" : "/%03u",
                               part[parts]);
    if (width == 0)
        snprintf(out + at, BTZ_TILE_PATH - at, ".p");
    else if (width < BTZ_TILE_WIDTH)
        snprintf(out + at, BTZ_TILE_PATH - at, ".p/%u", width);
}

static unsigned shift_of(int level)
{
    return level == BTZ_TILE_ENTRIES ? 0 : 8u * (unsigned)level;
}

unsigned btz_tile_partial(int level, uint64_t size)
{
    return (unsigned)(size >> shift_of(level)) & 255;
}

uint64_t btz_tile_full(int level, uint64_t size)
{
    return size >> shift_of(level) >> 8;
}

enum btz_err btz_bundle_parse(struct btz_slice bytes, unsigned width, bool prefix, const char *what,
                              struct btz_bundle *out)
{
    struct btz_reader r = { .in = bytes, .what = what };
    uint16_t len;

    out->count = 0;
    out->end = 0;
    while (out->count < width) {
        BTZ_TRY(btz_read_be16(&r, &len));
        BTZ_TRY(btz_read_bytes(&r, len, &out->entry[out->count]));
        out->count++;
        out->end = r.at;
    }
    if (!prefix && r.at != bytes.len)
        return btz_fail(BTZ_INPUT, "%s: at byte %zu: %zu bytes too many behind %u entries", what,
                        r.at, bytes.len - r.at, width);
    return BTZ_OK;
}

enum btz_err btz_bundle_add(struct btz_buf *bundle, struct btz_slice entry)
{
    BTZ_TRY(btz_buf_reserve(bundle, 2 + entry.len));
    BTZ_TRY(btz_buf_add_byte(bundle, (uint8_t)(entry.len >> 8)));
    BTZ_TRY(btz_buf_add_byte(bundle, (uint8_t)entry.len));
    return btz_buf_add_slice(bundle, entry);
}

/* ---- the right edge ---- */

void btz_tile_root(const struct btz_hash *hash, unsigned count, struct btz_hash *out)
{
    struct btz_hash work[BTZ_TILE_WIDTH];

    memcpy(work, hash, count * sizeof *hash);
    for (; count > 1; count /= 2)
        for (unsigned i = 0; i < count / 2; i++)
            btz_merkle_node(&work[2 * i], &work[2 * i + 1], &work[i]);
    *out = work[0];
}

enum btz_err btz_edge_add(struct btz_edge *e, const struct btz_hash *leaf, btz_tile_full_fn *full,
                          void *user)
{
    struct btz_hash h = *leaf;

    for (unsigned level = 0; level < BTZ_TILE_LEVELS; level++) {
        unsigned width = btz_tile_partial((int)level, e->size);

        e->hash[level][width] = h;
        if (width + 1 < BTZ_TILE_WIDTH)
            break;
        if (full)
            BTZ_TRY(full(user, level, btz_tile_full((int)level, e->size), e->hash[level]));
        btz_tile_root(e->hash[level], BTZ_TILE_WIDTH, &h);
    }
    e->size++;
    return BTZ_OK;
}

/* The complete subtrees of a root's decomposition all lie within partial tiles. */
static enum btz_err edge_subtree(void *user, unsigned height, uint64_t index, struct btz_hash *out)
{
    const struct btz_edge *e = user;
    unsigned inner = height % 8;

    btz_tile_root(&e->hash[height / 8][(index << inner) & 255], 1u << inner, out);
    return BTZ_OK;
}

void btz_edge_root(const struct btz_edge *e, struct btz_hash *out)
{
    struct btz_edge *edge;
    struct btz_merkle_source source = { .subtree = edge_subtree };

    memcpy(&edge, &e, sizeof edge); /* read only, whatever the callback's type says */
    source.user = edge;
    if (btz_merkle_root(&source, e->size, out) != BTZ_OK)
        __builtin_unreachable(); /* edge_subtree cannot fail */
}

/* ---- files ---- */

enum btz_err btz_read_at(int dir, const char *dir_name, const char *path, size_t cap,
                         struct btz_buf *out)
{
    BTZ_CLOSE_FD int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return btz_fail_errno(errno == ENOENT ? BTZ_INPUT : BTZ_IO, "%s/%s", dir_name, path);
    if (fstat(fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "%s/%s", dir_name, path);
    if (!S_ISREG(st.st_mode))
        return btz_fail(BTZ_INPUT, "%s/%s: not a file", dir_name, path);
    if ((uint64_t)st.st_size > cap)
        return btz_fail(BTZ_INPUT, "%s/%s: %" PRIu64 " bytes, expected at most %zu", dir_name, path,
                        (uint64_t)st.st_size, cap);
    btz_buf_clear(out);
    BTZ_TRY(btz_buf_reserve(out, (size_t)st.st_size + 1));
    for (;;) {
        ssize_t n = read(fd, out->ptr + out->len, out->cap - out->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return btz_fail_errno(BTZ_IO, "read %s/%s", dir_name, path);
        if (n == 0)
            return BTZ_OK;
        out->len += (size_t)n;
        if (out->len > (size_t)st.st_size)
            return btz_fail(BTZ_CONFLICT, "%s/%s: grew while it was read", dir_name, path);
    }
}

static bool exists(int dir, const char *path)
{
    return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The path to read for a tile of that width: the partial one, else the full one that replaced it. */
static bool choose(int dir, int level, uint64_t n, unsigned width, char path[BTZ_TILE_PATH])
{
    btz_tile_path(level, n, width, path);
    if (width == BTZ_TILE_WIDTH || exists(dir, path))
        return false;
    btz_tile_path(level, n, BTZ_TILE_WIDTH, path);
    if (exists(dir, path))
        return true;
    btz_tile_path(level, n, width, path);
    return false;
}

enum btz_err btz_tile_read(int dir, const char *dir_name, unsigned level, uint64_t n,
                           unsigned width, struct btz_hash *out)
{
    struct btz_hash both[BTZ_TILE_WIDTH + 1];
    char path[BTZ_TILE_PATH];
    bool full = choose(dir, (int)level, n, width, path);
    size_t expected = (full ? BTZ_TILE_WIDTH : width) * sizeof *out, got = 0;
    BTZ_CLOSE_FD int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return btz_fail_errno(errno == ENOENT ? BTZ_INPUT : BTZ_IO, "%s/%s", dir_name, path);
    while (got < expected + 1) {
        ssize_t r = read(fd, (uint8_t *)both + got, expected + 1 - got);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return btz_fail_errno(BTZ_IO, "read %s/%s", dir_name, path);
        if (r == 0)
            break;
        got += (size_t)r;
    }
    if (got != expected)
        return btz_fail(BTZ_INPUT, "%s/%s: expected %zu bytes, found %s%zu", dir_name, path,
                        expected, got > expected ? "at least " : "", got);
    memcpy(out, both, width * sizeof *out);
    return BTZ_OK;
}

enum btz_err btz_bundle_read(int dir, const char *dir_name, uint64_t n, unsigned width,
                             struct btz_buf *out, bool *prefix)
{
    char path[BTZ_TILE_PATH];
    bool full = choose(dir, BTZ_TILE_ENTRIES, n, width, path);

    BTZ_TRY(btz_read_at(dir, dir_name, path, BTZ_BUNDLE_MAX, out));
    *prefix = full;
    return BTZ_OK;
}

void btz_tile_wipe(int dir, int level, uint64_t n, unsigned above)
{
    char path[BTZ_TILE_PATH];
    struct dirent *item;
    DIR *list;
    int fd;

    btz_tile_path(level, n, 0, path);
    fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    list = fdopendir(fd);
    if (!list) {
        close(fd);
        return;
    }
    while ((item = readdir(list)) != NULL) {
        uint64_t width;

        if (btz_parse_u64(btz_str(item->d_name), &width) == BTZ_OK && width > above)
            unlinkat(fd, item->d_name, 0);
    }
    closedir(list);
    if (above == 0)
        unlinkat(dir, path, AT_REMOVEDIR);
}
