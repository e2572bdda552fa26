/*
 * Evidence blobs. `evidence/aa/<sha256>` is the blob; `.salt` beside it holds salt || commitment, so that a damaged
 * salt shows. The salt is put there before the blob and deleted after it: a blob without salt is damage.
 *
 * Both are first staged, not synced, in a folder that belongs to one handle: `evidence/staged/<random>/`. Publishing
 * makes the data of all of them durable, renames them into place and makes the folders durable, so that the cost is
 * that of a group. The handle holds a lock on the file `lock` in there; the system lets go of it when the process
 * dies, and the next writer to open the ledger removes what is not locked. Everything here happens under the lock
 * of the ledger, so a folder without `lock` is never one in the making.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ledger/log.h"

#define STAGED     "evidence/staged"
#define PATH_SIZE  (sizeof "evidence/aa/" + 64 + sizeof ".salt")
#define TEMP_SIZE  (BTZ_STAGING_PATH + 1 + 64 + sizeof ".salt")
#define SALT_BYTES (BTZ_EVIDENCE_SALT + BTZ_SHA256_LEN)
#define STAGED_MAX 4096
/* Up to this many blobs each file is synced by itself; for more, syncfs is faster whatever else it has to write. */
#define FEW 8

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
    char staged_blob[TEMP_SIZE], staged_salt[TEMP_SIZE];
};

static void make_paths(const struct btz_ledger *l, const uint8_t digest[BTZ_SHA256_LEN],
                       struct paths *p)
{
    char hex[65];

    btz_hex(digest, BTZ_SHA256_LEN, hex);
    snprintf(p->folder, sizeof p->folder, "evidence/%.2s", hex);
    snprintf(p->blob, sizeof p->blob, "evidence/%.2s/%s", hex, hex);
    snprintf(p->salt, sizeof p->salt, "evidence/%.2s/%s.salt", hex, hex);
    snprintf(p->staged_blob, sizeof p->staged_blob, "%s/%s", l->staging, hex);
    snprintf(p->staged_salt, sizeof p->staged_salt, "%s/%s.salt", l->staging, hex);
}

static bool has(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum btz_err read_salt(const struct btz_ledger *l, const char *path,
                              const uint8_t digest[BTZ_SHA256_LEN], uint8_t bytes[SALT_BYTES])
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(SALT_BYTES + 1);
    uint8_t commitment[BTZ_SHA256_LEN];

    BTZ_TRY(btz_read_at(l->dir, l->path, path, SALT_BYTES, &buf));
    if (buf.len != SALT_BYTES)
        return btz_fail(BTZ_INPUT, "%s/%s: expected %d bytes, found %zu", l->path, path, SALT_BYTES,
                        buf.len);
    btz_evidence_commitment(buf.ptr, digest, commitment);
    if (memcmp(commitment, buf.ptr + BTZ_EVIDENCE_SALT, sizeof commitment) != 0)
        return btz_fail(BTZ_INPUT, "%s/%s: damaged: salt and commitment do not fit", l->path, path);
    memcpy(bytes, buf.ptr, SALT_BYTES);
    return BTZ_OK;
}

static bool blob_is(const struct btz_ledger *l, const struct paths *p, struct btz_slice bytes)
{
    BTZ_BUF_RELEASE struct btz_buf buf = BTZ_BUF(BTZ_EVIDENCE_MAX + 1);

    return has(l->dir, p->blob) &&
           btz_read_at(l->dir, l->path, p->blob, bytes.len, &buf) == BTZ_OK &&
           btz_slice_equal(btz_buf_slice(&buf), bytes);
}

static DIR *list_folder(const struct btz_ledger *l, const char *path)
{
    int fd = openat(l->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);

    if (!list)
        btz_close_fd(&fd);
    return list;
}

static void step(struct btz_ledger *l, const char *what)
{
    if (l->step)
        l->step(l->step_user, what);
}

/* ---- the folder of a handle ---- */

static void wipe_folder(const struct btz_ledger *l, const char *path)
{
    DIR *list = list_folder(l, path);
    struct dirent *item;

    if (!list)
        return;
    while ((item = readdir(list)) != NULL)
        if (item->d_name[0] != '.')
            (void)unlinkat(dirfd(list), item->d_name, 0);
    closedir(list);
    (void)unlinkat(l->dir, path, AT_REMOVEDIR);
}

static bool is_dead(const struct btz_ledger *l, const char *path)
{
    char lock[BTZ_STAGING_PATH + sizeof "/lock"];
    BTZ_CLOSE_FD int fd = -1;

    snprintf(lock, sizeof lock, "%s/lock", path);
    fd = openat(l->dir, lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void btz_evidence_wipe_dead(struct btz_ledger *l)
{
    DIR *list = list_folder(l, STAGED);
    struct dirent *item;
    char path[BTZ_STAGING_PATH];

    if (!list)
        return;
    while ((item = readdir(list)) != NULL) {
        if (strlen(item->d_name) != BTZ_STAGING_NAME)
            continue;
        snprintf(path, sizeof path, STAGED "/%.*s", BTZ_STAGING_NAME, item->d_name);
        if (is_dead(l, path))
            wipe_folder(l, path);
    }
    closedir(list);
}

static enum btz_err make_folder(const struct btz_ledger *l, const char *path)
{
    if (mkdirat(l->dir, path, 0700) < 0 && errno != EEXIST)
        return btz_fail_errno(BTZ_IO, "create folder %s/%s", l->path, path);
    return BTZ_OK;
}

static enum btz_err make_staging(struct btz_ledger *l)
{
    uint8_t random[BTZ_STAGING_NAME / 2];
    char name[BTZ_STAGING_NAME + 1], lock[BTZ_STAGING_PATH + sizeof "/lock"];

    if (l->staging[0])
        return BTZ_OK;
    BTZ_TRY(make_folder(l, "evidence"));
    BTZ_TRY(make_folder(l, STAGED));
    btz_random_bytes(random, sizeof random);
    btz_hex(random, sizeof random, name);
    snprintf(l->staging, sizeof l->staging, STAGED "/%s", name);
    snprintf(lock, sizeof lock, "%s/lock", l->staging);
    if (mkdirat(l->dir, l->staging, 0700) == 0) {
        l->staging_lock =
            openat(l->dir, lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (l->staging_lock >= 0 && flock(l->staging_lock, LOCK_EX | LOCK_NB) == 0)
            return BTZ_OK;
    }
    (void)btz_fail_errno(BTZ_IO, "create folder %s/%s", l->path, l->staging);
    wipe_folder(l, l->staging);
    btz_close_fd(&l->staging_lock);
    l->staging[0] = '\0';
    return BTZ_IO;
}

/* ---- staging ---- */

/* Bytes staged by several handles at once get one salt, or all but the first to publish would meet a conflict. */
static bool find_salt_of_others(const struct btz_ledger *l, const uint8_t digest[BTZ_SHA256_LEN],
                                uint8_t bytes[SALT_BYTES])
{
    DIR *list = list_folder(l, STAGED);
    struct dirent *item;
    char path[TEMP_SIZE], hex[65];
    bool found = false;

    if (!list)
        return false;
    btz_hex(digest, BTZ_SHA256_LEN, hex);
    while (!found && (item = readdir(list)) != NULL) {
        if (strlen(item->d_name) != BTZ_STAGING_NAME)
            continue;
        snprintf(path, sizeof path, STAGED "/%.*s/%s.salt", BTZ_STAGING_NAME, item->d_name, hex);
        found = has(l->dir, path) && read_salt(l, path, digest, bytes) == BTZ_OK;
    }
    closedir(list);
    return found;
}

static enum btz_err write_file(const struct btz_ledger *l, const char *path, struct btz_slice bytes)
{
    BTZ_CLOSE_FD int fd =
        openat(l->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create %s/%s", l->path, path);
    if (btz_fd_write_all(fd, bytes, path) != BTZ_OK)
        return btz_fail_context(BTZ_IO, "%s", l->path);
    return BTZ_OK;
}

static enum btz_err write_staged(struct btz_ledger *l, const struct btz_staged *item,
                                 struct btz_slice bytes)
{
    struct paths p;
    enum btz_err err;

    BTZ_TRY(make_staging(l));
    make_paths(l, item->digest, &p);
    step(l, "evidence staging");
    err = write_file(l, p.staged_salt, btz_slice_of(item->salt, SALT_BYTES));
    if (err == BTZ_OK) {
        step(l, "evidence salt staged");
        err = write_file(l, p.staged_blob, bytes);
    }
    if (err != BTZ_OK) {
        (void)unlinkat(l->dir, p.staged_blob, 0);
        (void)unlinkat(l->dir, p.staged_salt, 0);
        return err;
    }
    step(l, "evidence staged");
    return BTZ_OK;
}

static struct btz_staged *find_staged(const struct btz_ledger *l,
                                      const uint8_t digest[BTZ_SHA256_LEN])
{
    for (size_t i = 0; i < l->staged_count; i++)
        if (memcmp(l->staged[i].digest, digest, BTZ_SHA256_LEN) == 0)
            return &l->staged[i];
    return NULL;
}

static enum btz_err make_room(struct btz_ledger *l)
{
    size_t room = l->staged_room ? l->staged_room * 2 : 16;
    struct btz_staged *more;

    if (l->staged_count == STAGED_MAX)
        BTZ_TRY(btz_evidence_publish(l));
    if (l->staged_count < l->staged_room)
        return BTZ_OK;
    more = realloc(l->staged, room * sizeof *more);
    if (!more)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu pieces of evidence", room);
    l->staged = more;
    l->staged_room = room;
    return BTZ_OK;
}

static enum btz_err stage(struct btz_ledger *l, struct btz_slice bytes,
                          const uint8_t digest[BTZ_SHA256_LEN], uint8_t commitment[BTZ_SHA256_LEN])
{
    struct btz_staged item = { 0 }, *old = find_staged(l, digest);
    struct paths p;
    bool stored;

    if (old) {
        memcpy(commitment, old->salt + BTZ_EVIDENCE_SALT, BTZ_SHA256_LEN);
        return BTZ_OK;
    }
    BTZ_TRY(make_room(l));
    make_paths(l, digest, &p);
    memcpy(item.digest, digest, sizeof item.digest);
    stored = has(l->dir, p.salt);
    if (stored) {
        BTZ_TRY(read_salt(l, p.salt, digest, item.salt));
    } else if (!find_salt_of_others(l, digest, item.salt)) {
        btz_random_bytes(item.salt, BTZ_EVIDENCE_SALT);
        btz_evidence_commitment(item.salt, digest, item.salt + BTZ_EVIDENCE_SALT);
    }
    item.salt_waits = item.blob_waits = !stored || !blob_is(l, &p, bytes);
    if (item.blob_waits)
        BTZ_TRY(write_staged(l, &item, bytes));
    l->staged[l->staged_count++] = item;
    memcpy(commitment, item.salt + BTZ_EVIDENCE_SALT, BTZ_SHA256_LEN);
    return BTZ_OK;
}

/* ---- publishing ---- */

static enum btz_err check_stored(const struct btz_ledger *l, const struct btz_staged *item)
{
    uint8_t stored[SALT_BYTES];
    struct paths p;

    make_paths(l, item->digest, &p);
    if (has(l->dir, p.salt))
        BTZ_TRY(read_salt(l, p.salt, item->digest, stored));
    else if (item->salt_waits || !item->blob_waits)
        return BTZ_OK; /* new, or stored when it was staged and deleted since */
    else
        return btz_fail(BTZ_CONFLICT,
                        "%s/%s: was deleted while an earlier attempt put it there; nothing was "
                        "appended: close the ledger and store evidence and entries again",
                        l->path, p.salt);
    if (memcmp(stored, item->salt, sizeof stored) != 0)
        return btz_fail(BTZ_CONFLICT,
                        "%s/%s: another process stored this evidence with another salt after it "
                        "was staged here; nothing was appended: close the ledger and store "
                        "evidence and entries again",
                        l->path, p.blob);
    return BTZ_OK;
}

static enum btz_err sync_path(const struct btz_ledger *l, const char *path)
{
    BTZ_CLOSE_FD int fd = openat(l->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fsync(fd) < 0)
        return btz_fail_errno(BTZ_IO, "sync %s/%s", l->path, path);
    return BTZ_OK;
}

/* l->dir was opened before anything was staged, so it hears of every write that failed since (Linux 5.8). */
static enum btz_err sync_disk(const struct btz_ledger *l)
{
    if (syncfs(l->dir) < 0)
        return btz_fail_errno(BTZ_IO, "sync the disk of %s", l->path);
    return BTZ_OK;
}

static enum btz_err sync_data(const struct btz_ledger *l)
{
    struct paths p;

    if (l->staged_count > FEW)
        return sync_disk(l);
    for (size_t i = 0; i < l->staged_count; i++) {
        make_paths(l, l->staged[i].digest, &p);
        if (l->staged[i].salt_waits)
            BTZ_TRY(sync_path(l, p.staged_salt));
        if (l->staged[i].blob_waits)
            BTZ_TRY(sync_path(l, p.staged_blob));
    }
    return BTZ_OK;
}

static enum btz_err put_in_place(struct btz_ledger *l, const char *from, const char *to,
                                 bool *waits)
{
    if (!*waits)
        return BTZ_OK;
    if (renameat(l->dir, from, l->dir, to) < 0)
        return btz_fail_errno(BTZ_IO, "rename to %s/%s", l->path, to);
    *waits = false;
    step(l, to);
    return BTZ_OK;
}

/* Also the folders of what was there: the process that put it there may have died before its own sync. */
static enum btz_err sync_folders(struct btz_ledger *l)
{
    struct paths p;

    if (l->staged_count > FEW)
        return sync_disk(l);
    for (size_t i = 0; i < l->staged_count; i++) {
        make_paths(l, l->staged[i].digest, &p);
        if (has(l->dir, p.folder))
            BTZ_TRY(sync_path(l, p.folder));
    }
    BTZ_TRY(sync_path(l, "evidence"));
    return l->evidence_synced ? BTZ_OK : sync_path(l, ".");
}

static void clear_staged(struct btz_ledger *l)
{
    if (l->staged_count > 0)
        btz_wipe(l->staged, l->staged_count * sizeof *l->staged);
    l->staged_count = 0;
    l->staged_lost = false;
}

/* After a sync that failed the system takes the pages for clean: a second sync would prove nothing. */
static enum btz_err synced(struct btz_ledger *l, enum btz_err err)
{
    l->staged_lost = err != BTZ_OK;
    return err;
}

enum btz_err btz_evidence_publish(struct btz_ledger *l)
{
    bool waits = false;
    struct paths p;

    if (l->staged_count == 0)
        return BTZ_OK;
    if (l->staged_lost)
        return btz_fail(BTZ_IO,
                        "%s: evidence could not be made durable before; nothing was appended: "
                        "close the ledger and store evidence and entries again",
                        l->path);
    for (size_t i = 0; i < l->staged_count; i++) {
        BTZ_TRY(check_stored(l, &l->staged[i]));
        waits |= l->staged[i].salt_waits || l->staged[i].blob_waits;
    }
    if (waits)
        BTZ_TRY(synced(l, sync_data(l)));
    step(l, "evidence data durable");
    for (size_t i = 0; waits && i < l->staged_count; i++) {
        struct btz_staged *item = &l->staged[i];

        make_paths(l, item->digest, &p);
        if (item->blob_waits)
            BTZ_TRY(make_folder(l, p.folder));
        BTZ_TRY(put_in_place(l, p.staged_salt, p.salt, &item->salt_waits));
        BTZ_TRY(put_in_place(l, p.staged_blob, p.blob, &item->blob_waits));
    }
    BTZ_TRY(synced(l, sync_folders(l)));
    step(l, "evidence published");
    l->evidence_synced = true;
    clear_staged(l);
    return BTZ_OK;
}

void btz_evidence_release(struct btz_ledger *l)
{
    clear_staged(l);
    free(l->staged);
    if (l->staging[0])
        wipe_folder(l, l->staging);
    btz_close_fd(&l->staging_lock);
}

/* ---- calls ---- */

static enum btz_err begin(struct btz_ledger *l)
{
    enum btz_err err;

    if (l->mode != BTZ_LEDGER_WRITE)
        return btz_fail(BTZ_USAGE, "%s: opened for reading only", l->path);
    pthread_mutex_lock(&l->mutex);
    err = btz_ledger_lock(l, true);
    if (err != BTZ_OK)
        pthread_mutex_unlock(&l->mutex);
    return err;
}

static enum btz_err end(struct btz_ledger *l, enum btz_err err)
{
    btz_ledger_unlock(l);
    pthread_mutex_unlock(&l->mutex);
    return err;
}

static enum btz_err store(struct btz_ledger *l, struct btz_slice bytes, bool now,
                          uint8_t digest[BTZ_SHA256_LEN], uint8_t commitment[BTZ_SHA256_LEN])
{
    uint8_t sum[BTZ_SHA256_LEN], promise[BTZ_SHA256_LEN];
    enum btz_err err;

    if (bytes.len > BTZ_EVIDENCE_MAX)
        return btz_fail(BTZ_LIMIT, "evidence of %zu bytes; at most %u", bytes.len,
                        BTZ_EVIDENCE_MAX);
    btz_sha256(bytes, sum);
    BTZ_TRY(begin(l));
    err = stage(l, bytes, sum, promise);
    if (err == BTZ_OK && now)
        err = btz_evidence_publish(l);
    BTZ_TRY(end(l, err));
    memcpy(digest, sum, sizeof sum);
    memcpy(commitment, promise, sizeof promise);
    return BTZ_OK;
}

enum btz_err btz_ledger_stage_evidence(struct btz_ledger *l, struct btz_slice bytes,
                                       uint8_t digest[BTZ_SHA256_LEN],
                                       uint8_t commitment[BTZ_SHA256_LEN])
{
    return store(l, bytes, false, digest, commitment);
}

enum btz_err btz_ledger_put_evidence(struct btz_ledger *l, struct btz_slice bytes,
                                     uint8_t digest[BTZ_SHA256_LEN],
                                     uint8_t commitment[BTZ_SHA256_LEN])
{
    return store(l, bytes, true, digest, commitment);
}

enum btz_err btz_ledger_publish_evidence(struct btz_ledger *l)
{
    BTZ_TRY(begin(l));
    return end(l, btz_evidence_publish(l));
}

enum btz_err btz_ledger_get_evidence(struct btz_ledger *l, const uint8_t digest[BTZ_SHA256_LEN],
                                     struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_EVIDENCE_MAX + 1);
    uint8_t sum[BTZ_SHA256_LEN];
    struct paths p;

    make_paths(l, digest, &p);
    if (!has(l->dir, p.blob))
        return btz_fail_errno(BTZ_IO, "%s/%s", l->path, p.blob);
    BTZ_TRY(btz_read_at(l->dir, l->path, p.blob, BTZ_EVIDENCE_MAX, &bytes));
    btz_sha256(btz_buf_slice(&bytes), sum);
    if (memcmp(sum, digest, sizeof sum) != 0)
        return btz_fail(BTZ_INPUT, "%s/%s: damaged: its bytes are not those of its name", l->path,
                        p.blob);
    return btz_buf_add_slice(out, btz_buf_slice(&bytes));
}

static enum btz_err drop(struct btz_ledger *l, const uint8_t digest[BTZ_SHA256_LEN])
{
    struct btz_staged *item = find_staged(l, digest);
    struct paths p;

    make_paths(l, digest, &p);
    if (item) {
        (void)unlinkat(l->dir, p.staged_blob, 0);
        (void)unlinkat(l->dir, p.staged_salt, 0);
        *item = l->staged[--l->staged_count];
        btz_wipe(&l->staged[l->staged_count], sizeof *item);
    }
    if (unlinkat(l->dir, p.blob, 0) < 0 && errno != ENOENT)
        return btz_fail_errno(BTZ_IO, "delete %s/%s", l->path, p.blob);
    if (unlinkat(l->dir, p.salt, 0) < 0 && errno != ENOENT)
        return btz_fail_errno(BTZ_IO, "delete %s/%s", l->path, p.salt);
    return has(l->dir, p.folder) ? sync_path(l, p.folder) : BTZ_OK;
}

enum btz_err btz_ledger_drop_evidence(struct btz_ledger *l, const uint8_t digest[BTZ_SHA256_LEN])
{
    BTZ_TRY(begin(l));
    return end(l, drop(l, digest));
}
