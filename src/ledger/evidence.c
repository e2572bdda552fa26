/*
 * Evidence blobs. `evidence/aa/<sha256>` is the blob; `.salt` beside it holds salt || commitment, so that a damaged
 * salt shows. The salt is written before the blob and deleted after it: a blob without salt is damage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ledger/log.h"

#define NEW_FILE   "evidence/put.new"
#define PATH_SIZE  (sizeof "evidence/aa/" + 64 + sizeof ".salt")
#define SALT_BYTES (BTZ_EVIDENCE_SALT + BTZ_SHA256_LEN)

void btz_evidence_commitment(const uint8_t salt[BTZ_EVIDENCE_SALT],
                             const uint8_t digest[BTZ_SHA256_LEN], uint8_t out[BTZ_SHA256_LEN])
{
    static const char domain[] = "bartizan/evidence/v1\n";
    crypto_hash_sha256_state h;

    crypto_hash_sha256_init(&h);
    crypto_hash_sha256_update(&h, (const uint8_t *)domain, sizeof domain - 1);
    crypto_hash_sha256_update(&h, salt, BTZ_EVIDENCE_SALT);
    crypto_hash_sha256_update(&h, digest, BTZ_SHA256_LEN);
    crypto_hash_sha256_final(&h, out);
}

struct paths {
    char folder[sizeof "evidence/aa"], blob[PATH_SIZE], salt[PATH_SIZE];
};

static void make_paths(const uint8_t digest[BTZ_SHA256_LEN], struct paths *p)
{
    char hex[65];

    btz_hex(digest, BTZ_SHA256_LEN, hex);
    snprintf(p->folder, sizeof p->folder, "evidence/%.2s", hex);
    snprintf(p->blob, sizeof p->blob, "evidence/%.2s/%s", hex, hex);
    snprintf(p->salt, sizeof p->salt, "evidence/%.2s/%s.salt", hex, hex);
}

static bool has(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum btz_err sync_folder(const struct btz_ledger *l, const char *path)
{
    BTZ_CLOSE_FD int fd = openat(l->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return btz_fail_errno(BTZ_IO, "sync folder %s/%s", l->path, path);
    return BTZ_OK;
}

static enum btz_err make_folders(const struct btz_ledger *l, const struct paths *p)
{
    if (mkdirat(l->dir, "evidence", 0700) == 0)
        BTZ_TRY(sync_folder(l, "."));
    else if (errno != EEXIST)
        return btz_fail_errno(BTZ_IO, "create folder %s/evidence", l->path);
    if (mkdirat(l->dir, p->folder, 0700) < 0 && errno != EEXIST)
        return btz_fail_errno(BTZ_IO, "create folder %s/%s", l->path, p->folder);
    /* Also when it was there: the process that made it may have died before its own sync. */
    return sync_folder(l, "evidence");
}

static enum btz_err write_file(const struct btz_ledger *l, const char *path, struct btz_slice bytes)
{
    BTZ_CLOSE_FD int fd =
        openat(l->dir, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create %s/" NEW_FILE, l->path);
    if (btz_fd_write_all(fd, bytes, NEW_FILE) != BTZ_OK)
        return btz_fail_context(BTZ_IO, "%s", l->path);
    if (fsync(fd) < 0)
        return btz_fail_errno(BTZ_IO, "sync %s/" NEW_FILE, l->path);
    if (renameat(l->dir, NEW_FILE, l->dir, path) < 0)
        return btz_fail_errno(BTZ_IO, "rename to %s/%s", l->path, path);
    return BTZ_OK;
}

static enum btz_err read_salt(const struct btz_ledger *l, const struct paths *p,
                              const uint8_t digest[BTZ_SHA256_LEN], uint8_t bytes[SALT_BYTES])
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(SALT_BYTES + 1);
    uint8_t commitment[BTZ_SHA256_LEN];

    BTZ_TRY(btz_read_at(l->dir, l->path, p->salt, SALT_BYTES, &buf));
    if (buf.len != SALT_BYTES)
        return btz_fail(BTZ_INPUT, "%s/%s: expected %d bytes, found %zu", l->path, p->salt,
                        SALT_BYTES, buf.len);
    btz_evidence_commitment(buf.ptr, digest, commitment);
    if (memcmp(commitment, buf.ptr + BTZ_EVIDENCE_SALT, sizeof commitment) != 0)
        return btz_fail(BTZ_INPUT, "%s/%s: damaged: salt and commitment do not fit", l->path,
                        p->salt);
    memcpy(bytes, buf.ptr, SALT_BYTES);
    return BTZ_OK;
}

static enum btz_err write_salt(const struct btz_ledger *l, const struct paths *p,
                               const uint8_t digest[BTZ_SHA256_LEN], uint8_t bytes[SALT_BYTES])
{
    btz_random_bytes(bytes, BTZ_EVIDENCE_SALT);
    btz_evidence_commitment(bytes, digest, bytes + BTZ_EVIDENCE_SALT);
    return write_file(l, p->salt, btz_slice_of(bytes, SALT_BYTES));
}

static bool blob_is(const struct btz_ledger *l, const struct paths *p, struct btz_slice bytes)
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(BTZ_EVIDENCE_MAX + 1);

    return has(l->dir, p->blob) &&
           btz_read_at(l->dir, l->path, p->blob, bytes.len, &buf) == BTZ_OK &&
           btz_slice_equal(btz_buf_slice(&buf), bytes);
}

static enum btz_err put(struct btz_ledger *l, struct btz_slice bytes,
                        const uint8_t digest[BTZ_SHA256_LEN], uint8_t commitment[BTZ_SHA256_LEN])
{
    uint8_t salt[SALT_BYTES];
    struct paths p;

    make_paths(digest, &p);
    BTZ_TRY(make_folders(l, &p));
    if (has(l->dir, p.salt))
        BTZ_TRY(read_salt(l, &p, digest, salt));
    else
        BTZ_TRY(write_salt(l, &p, digest, salt));
    if (!blob_is(l, &p, bytes))
        BTZ_TRY(write_file(l, p.blob, bytes));
    BTZ_TRY(sync_folder(l, p.folder));
    memcpy(commitment, salt + BTZ_EVIDENCE_SALT, BTZ_SHA256_LEN);
    return BTZ_OK;
}

enum btz_err btz_ledger_put_evidence(struct btz_ledger *l, struct btz_slice bytes,
                                     uint8_t digest[BTZ_SHA256_LEN],
                                     uint8_t commitment[BTZ_SHA256_LEN])
{
    uint8_t sum[BTZ_SHA256_LEN];
    enum btz_err err;

    if (l->mode != BTZ_LEDGER_WRITE)
        return btz_fail(BTZ_USAGE, "%s: opened for reading only", l->path);
    if (bytes.len > BTZ_EVIDENCE_MAX)
        return btz_fail(BTZ_LIMIT, "evidence of %zu bytes; at most %u", bytes.len,
                        BTZ_EVIDENCE_MAX);
    btz_sha256(bytes, sum);
    pthread_mutex_lock(&l->mutex);
    err = btz_ledger_lock(l, true);
    if (err == BTZ_OK) {
        err = put(l, bytes, sum, commitment);
        btz_ledger_unlock(l);
    }
    pthread_mutex_unlock(&l->mutex);
    if (err == BTZ_OK)
        memcpy(digest, sum, sizeof sum);
    return err;
}

enum btz_err btz_ledger_get_evidence(struct btz_ledger *l, const uint8_t digest[BTZ_SHA256_LEN],
                                     struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_EVIDENCE_MAX + 1);
    uint8_t sum[BTZ_SHA256_LEN];
    struct paths p;

    make_paths(digest, &p);
    if (!has(l->dir, p.blob))
        return btz_fail_errno(BTZ_IO, "%s/%s", l->path, p.blob);
    BTZ_TRY(btz_read_at(l->dir, l->path, p.blob, BTZ_EVIDENCE_MAX, &bytes));
    btz_sha256(btz_buf_slice(&bytes), sum);
    if (memcmp(sum, digest, sizeof sum) != 0)
        return btz_fail(BTZ_INPUT, "%s/%s: damaged: its bytes are not those of its name", l->path,
                        p.blob);
    return btz_buf_add_slice(out, btz_buf_slice(&bytes));
}

static enum btz_err drop(struct btz_ledger *l, const struct paths *p)
{
    if (unlinkat(l->dir, p->blob, 0) < 0 && errno != ENOENT)
        return btz_fail_errno(BTZ_IO, "delete %s/%s", l->path, p->blob);
    if (unlinkat(l->dir, p->salt, 0) < 0 && errno != ENOENT)
        return btz_fail_errno(BTZ_IO, "delete %s/%s", l->path, p->salt);
    return has(l->dir, p->folder) ? sync_folder(l, p->folder) : BTZ_OK;
}

enum btz_err btz_ledger_drop_evidence(struct btz_ledger *l, const uint8_t digest[BTZ_SHA256_LEN])
{
    struct paths p;
    enum btz_err err;

    if (l->mode != BTZ_LEDGER_WRITE)
        return btz_fail(BTZ_USAGE, "%s: opened for reading only", l->path);
    make_paths(digest, &p);
    pthread_mutex_lock(&l->mutex);
    err = btz_ledger_lock(l, true);
    if (err == BTZ_OK) {
        err = drop(l, &p);
        btz_ledger_unlock(l);
    }
    pthread_mutex_unlock(&l->mutex);
    return err;
}
