/*
 * Secrets at rest. Another process may rotate the keys while this one runs: the file is looked at before sealing, and when
 * a key is unknown, so that nothing new is sealed under a key that is about to be forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/identity/seal.h"

#define VERSION  1
#define NONCE    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG      crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD     (1 + BTZ_RING_ID)
#define OVERHEAD (HEAD + NONCE + TAG)

struct shared {
    pthread_rwlock_t lock;
    struct btz_ring ring;
    char *file; /* NULL: the keys are from the environment */
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

struct btz_seal {
    struct shared *shared;
};

/* ---- the key file ---- */

static enum btz_err check_file(const char *file, const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return btz_fail(BTZ_DENIED, "%s: expected a file with keys", file);
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return btz_fail(BTZ_DENIED, "%s: belongs to another user", file);
    if (st->st_mode & 077)
        return btz_fail(BTZ_DENIED,
                        "%s: others may read or write it (mode %03o); chmod 600 it, and rotate "
                        "the keys if somebody may have read them",
                        file, st->st_mode & 0777);
    return BTZ_OK;
}

static enum btz_err read_ring(int fd, const char *file, struct stat *st, struct btz_ring *out)
{
    uint8_t text[BTZ_RING_TEXT];
    enum btz_err err;

    if (fstat(fd, st) < 0)
        return btz_fail_errno(BTZ_IO, "read %s", file);
    BTZ_TRY(check_file(file, st));
    if (st->st_size > BTZ_RING_TEXT)
        return btz_fail(BTZ_INPUT, "%s: too long for a file of keys", file);
    err = btz_fd_pread_all(fd, text, (size_t)st->st_size, 0, file);
    if (err == BTZ_OK)
        err = btz_ring_parse(btz_slice_of(text, (size_t)st->st_size), out);
    btz_wipe(text, sizeof text);
    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "%s", file);
}

static void remember(struct shared *k, const struct stat *st)
{
    k->device = st->st_dev;
    k->inode = st->st_ino;
    k->changed = st->st_ctim;
}

/* For the handle's owner or under the lock. */
static enum btz_err load(struct shared *k)
{
    BTZ_CLOSE_FD int fd = open(k->file, O_RDONLY | O_CLOEXEC);
    struct btz_ring ring;
    struct stat st;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", k->file);
    BTZ_TRY(read_ring(fd, k->file, &st, &ring));
    k->ring = ring;
    btz_wipe(&ring, sizeof ring);
    remember(k, &st);
    return BTZ_OK;
}

static enum btz_err write_beside(const char *beside, struct btz_slice text)
{
    BTZ_CLOSE_FD int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create %s", beside);
    BTZ_TRY(btz_fd_write_all(fd, text, beside));
    if (fsync(fd) < 0)
        return btz_fail_errno(BTZ_IO, "write %s", beside);
    return BTZ_OK;
}

/* A whole file appears under the name, or the one that another process made first stays. */
static enum btz_err create_with(const char *file, const char *beside, struct btz_slice text)
{
    enum btz_err err = write_beside(beside, text);

    if (err == BTZ_OK && link(beside, file) < 0 && errno != EEXIST)
        err = btz_fail_errno(BTZ_IO, "create %s", file);
    unlink(beside);
    return err == BTZ_OK ? btz_file_sync_folder(file) : err;
}

static enum btz_err create_file(const char *file)
{
    BTZ_FREE char *beside = NULL;
    struct btz_ring ring = { 0 };
    struct btz_buf text = BTZ_BUF(2 * BTZ_RING_TEXT);
    uint64_t salt;
    enum btz_err err;

    btz_random_bytes(&salt, sizeof salt);
    if (asprintf(&beside, "%s.%016" PRIx64, file, salt) < 0) {
        beside = NULL;
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    btz_random_bytes(ring.root, sizeof ring.root);
    err = btz_ring_add(&ring);
    if (err == BTZ_OK)
        err = btz_ring_write(&ring, &text);
    if (err == BTZ_OK)
        err = create_with(file, beside, btz_buf_slice(&text));
    if (text.ptr)
        btz_wipe(text.ptr, text.cap);
    btz_buf_release(&text);
    btz_wipe(&ring, sizeof ring);
    return err;
}

/* ---- handles ---- */

void btz_seal_close(struct btz_seal *s)
{
    if (!s)
        return;
    pthread_rwlock_destroy(&s->shared->lock);
    free(s->shared->file);
    sodium_free(s->shared); /* wipes */
    free(s);
}

static enum btz_err open_keys(struct shared *k, const char *file, const char *key)
{
    if (key && *key)
        return btz_ring_from_keys(key, &k->ring);
    k->file = strdup(file);
    if (!k->file)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (access(file, F_OK) < 0 && errno == ENOENT)
        BTZ_TRY(create_file(file));
    return load(k);
}

enum btz_err btz_seal_open(const char *file, const char *key, struct btz_seal **out)
{
    struct btz_seal *s;
    enum btz_err err;

    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium did not start");
    s = calloc(1, sizeof *s);
    if (s)
        s->shared = sodium_malloc(sizeof *s->shared);
    if (!s || !s->shared) {
        free(s);
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    memset(s->shared, 0, sizeof *s->shared);
    pthread_rwlock_init(&s->shared->lock, NULL);
    err = open_keys(s->shared, file, key);
    if (err != BTZ_OK) {
        btz_seal_close(s);
        return err;
    }
    *out = s;
    return BTZ_OK;
}

static bool is_stale(const struct shared *k)
{
    struct stat st;

    return k->file &&
           (stat(k->file, &st) < 0 || st.st_dev != k->device || st.st_ino != k->inode ||
            st.st_ctim.tv_sec != k->changed.tv_sec || st.st_ctim.tv_nsec != k->changed.tv_nsec);
}

/* Takes the lock for reading, with the keys that the file has now. */
static enum btz_err lock_fresh(struct shared *k)
{
    enum btz_err err = BTZ_OK;

    pthread_rwlock_rdlock(&k->lock);
    if (!is_stale(k))
        return BTZ_OK;
    pthread_rwlock_unlock(&k->lock);
    pthread_rwlock_wrlock(&k->lock);
    if (is_stale(k))
        err = load(k);
    pthread_rwlock_unlock(&k->lock);
    if (err == BTZ_OK)
        pthread_rwlock_rdlock(&k->lock);
    return err;
}

/* ---- sealing ---- */

/* What is authenticated beside the text: the head, and what the secret belongs to. */
static enum btz_err bound_data(struct btz_slice head, const char *about, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_slice(out, head));
    return btz_buf_add_str(out, about);
}

static enum btz_err seal_with(const struct btz_ring *ring, const char *about,
                              struct btz_slice clear, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf bound = BTZ_BUF(4096);
    uint8_t head[HEAD] = { VERSION };
    unsigned long long len;
    uint8_t *nonce;

    memcpy(head + 1, ring->key[0].id, BTZ_RING_ID);
    BTZ_TRY(bound_data(btz_slice_of(head, HEAD), about, &bound));
    BTZ_TRY(btz_buf_reserve(out, OVERHEAD + clear.len));
    BTZ_TRY(btz_buf_add(out, head, HEAD));
    nonce = out->ptr + out->len;
    btz_random_bytes(nonce, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE, &len, clear.ptr, clear.len, bound.ptr,
                                               bound.len, NULL, nonce, ring->key[0].bytes);
    out->len += NONCE + (size_t)len;
    return BTZ_OK;
}

enum btz_err btz_seal(const struct btz_seal *s, const char *about, struct btz_slice clear,
                      struct btz_buf *out)
{
    enum btz_err err;

    if (clear.len > SIZE_MAX - OVERHEAD)
        return btz_fail(BTZ_LIMIT, "seal: too long");
    BTZ_TRY(lock_fresh(s->shared));
    err = seal_with(&s->shared->ring, about, clear, out);
    pthread_rwlock_unlock(&s->shared->lock);
    return err;
}

static const uint8_t *find_key(const struct btz_ring *ring, const uint8_t id[BTZ_RING_ID])
{
    for (size_t i = 0; i < ring->count; i++)
        if (memcmp(ring->key[i].id, id, BTZ_RING_ID) == 0)
            return ring->key[i].bytes;
    return NULL;
}

static enum btz_err unseal_with(const struct btz_ring *ring, const char *about,
                                struct btz_slice sealed, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf bound = BTZ_BUF(4096);
    const uint8_t *key = find_key(ring, sealed.ptr + 1), *nonce = sealed.ptr + HEAD;
    unsigned long long len;

    if (!key)
        return btz_fail(BTZ_DENIED, "seal of %s: sealed under a key that is not there", about);
    BTZ_TRY(bound_data(btz_slice_sub(sealed, 0, HEAD), about, &bound));
    /* One more, so that there is storage for an empty text too. */
    BTZ_TRY(btz_buf_reserve(out, sealed.len - OVERHEAD + 1));
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out->ptr + out->len, &len, NULL, nonce + NONCE,
                                                   sealed.len - HEAD - NONCE, bound.ptr, bound.len,
                                                   nonce, key) != 0)
        return btz_fail(BTZ_INPUT, "seal of %s: damaged, or moved from somewhere else", about);
    out->len += (size_t)len;
    return BTZ_OK;
}

enum btz_err btz_unseal(const struct btz_seal *s, const char *about, struct btz_slice sealed,
                        struct btz_buf *out)
{
    enum btz_err err;

    if (sealed.len < OVERHEAD || sealed.ptr[0] != VERSION)
        return btz_fail(BTZ_INPUT, "seal of %s: not a sealed secret", about);
    BTZ_TRY(lock_fresh(s->shared));
    err = unseal_with(&s->shared->ring, about, sealed, out);
    pthread_rwlock_unlock(&s->shared->lock);
    return err;
}

bool btz_seal_is_current(const struct btz_seal *s, struct btz_slice sealed)
{
    bool current;

    if (sealed.len < OVERHEAD || sealed.ptr[0] != VERSION || lock_fresh(s->shared) != BTZ_OK)
        return false;
    current = memcmp(sealed.ptr + 1, s->shared->ring.key[0].id, BTZ_RING_ID) == 0;
    pthread_rwlock_unlock(&s->shared->lock);
    return current;
}

void btz_seal_derive(const struct btz_seal *s, const char *purpose, uint8_t out[32])
{
    pthread_rwlock_rdlock(&s->shared->lock);
    btz_hkdf(btz_slice_of(s->shared->ring.root, BTZ_RING_KEY), btz_str("bartizan/derive/v1"),
             btz_str(purpose), out);
    pthread_rwlock_unlock(&s->shared->lock);
}

/* ---- rotation ---- */

static enum btz_err forget_older(struct btz_ring *ring)
{
    ring->count = 1;
    btz_wipe(&ring->key[1], (BTZ_RING_KEYS - 1) * sizeof ring->key[0]);
    return BTZ_OK;
}

static enum btz_err write_ring(const char *file, const struct btz_ring *ring)
{
    struct btz_buf text = BTZ_BUF(2 * BTZ_RING_TEXT);
    enum btz_err err = btz_ring_write(ring, &text);

    if (err == BTZ_OK)
        err = btz_file_write(file, btz_buf_slice(&text), 0600);
    if (text.ptr)
        btz_wipe(text.ptr, text.cap);
    btz_buf_release(&text);
    return err;
}

/* The file under its lock. Whoever waited finds that it was replaced, and takes the new one. */
static enum btz_err open_locked(const char *file, int *out)
{
    for (;;) {
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        struct stat mine, named;

        if (fd < 0)
            return btz_fail_errno(BTZ_IO, "open %s", file);
        if (flock(fd, LOCK_EX) < 0 || fstat(fd, &mine) < 0 || stat(file, &named) < 0) {
            btz_close_fd(&fd);
            return btz_fail_errno(BTZ_IO, "lock %s", file);
        }
        if (mine.st_dev == named.st_dev && mine.st_ino == named.st_ino) {
            *out = fd;
            return BTZ_OK;
        }
        btz_close_fd(&fd);
    }
}

static enum btz_err change_file(struct shared *k, enum btz_err (*change)(struct btz_ring *))
{
    BTZ_CLOSE_FD int fd = -1;
    struct btz_ring ring;
    struct stat st;
    enum btz_err err;

    BTZ_TRY(open_locked(k->file, &fd));
    BTZ_TRY(read_ring(fd, k->file, &st, &ring));
    err = change(&ring);
    if (err == BTZ_OK)
        err = write_ring(k->file, &ring);
    btz_wipe(&ring, sizeof ring);
    return err == BTZ_OK ? load(k) : err;
}

static enum btz_err change_keys(struct btz_seal *s, enum btz_err (*change)(struct btz_ring *))
{
    enum btz_err err;

    if (!s->shared->file)
        return btz_fail(BTZ_UNSUPPORTED,
                        "the seal key is from the environment: put the new key in front of the "
                        "old one there (NEW,OLD), and seal everything again");
    pthread_rwlock_wrlock(&s->shared->lock);
    err = change_file(s->shared, change);
    pthread_rwlock_unlock(&s->shared->lock);
    return err;
}

enum btz_err btz_seal_rotate(struct btz_seal *s)
{
    return change_keys(s, btz_ring_add);
}

enum btz_err btz_seal_forget(struct btz_seal *s)
{
    return change_keys(s, forget_older);
}
