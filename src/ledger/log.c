/*
 * The log's writer. One commit, after the evidence that the handle has staged is in its place and durable:
 *   1. checkpoint.new is made: it marks that a writer is at work, and holds the space its note will need
 *   2. entry bundles and tiles, fsync of files and folders
 *   3. pending: size and root that will be signed, fsync, rename, fsync of the folder
 *   4. signature, into checkpoint.new, fsync, rename to checkpoint, fsync of the folder: acknowledged
 * Death before 3 leaves the old checkpoint and files nobody refers to; death after 3 leaves a group that the next
 * writer completes, for its root may have been signed. So no two trees of one size are ever signed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ledger/log.h"

/* ---- create ---- */

static bool has(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum btz_err read_key(int dir, const char *path, struct btz_skey *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4097);
    struct stat st;
    enum btz_err err;

    if (fstatat(dir, "key", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return btz_fail_errno(errno == ENOENT ? BTZ_INPUT : BTZ_IO, "%s/key", path);
    if (st.st_mode & 077)
        return btz_fail(BTZ_DENIED,
                        "%s/key: others may read the private key (mode %03o); run chmod 600", path,
                        (unsigned)st.st_mode & 0777);
    BTZ_TRY(btz_read_at(dir, path, "key", 4096, &text));
    err = btz_skey_parse(btz_buf_slice(&text), out);
    btz_wipe(text.ptr, text.cap);
    if (err != BTZ_OK)
        return btz_fail_context(err, "%s/key", path);
    if (out->vkey.kind != BTZ_KEY_ED25519)
        return btz_fail(BTZ_INPUT, "%s/key: not a key for a log", path);
    return BTZ_OK;
}

static enum btz_err write_key(int dir, const char *path, const struct btz_skey *key)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    enum btz_err err;

    BTZ_TRY(btz_buf_reserve(&text, 1024)); /* no copies left behind by growing */
    err = btz_skey_write(key, &text);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(&text, '\n');
    if (err == BTZ_OK)
        err = btz_replace_at(dir, path, "key", btz_buf_slice(&text), 0600);
    btz_wipe(text.ptr, text.cap);
    return err;
}

/* What a killed `create` may have left is completed; anything more is a ledger already. `any`: its name may be another. */
static enum btz_err create_files(int dir, const char *path, const char *origin, bool any,
                                 struct btz_skey *key)
{
    BTZ_BUF_RELEASE struct btz_buf vkey = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf note = BTZ_BUF(BTZ_NOTE_MAX);
    struct btz_merkle_source none = { 0 };
    struct btz_hash root;
    size_t text;

    if (has(dir, "checkpoint") || has(dir, "tile"))
        return btz_fail(BTZ_CONFLICT, "%s: there is a ledger already", path);
    if (has(dir, "key")) {
        BTZ_TRY(read_key(dir, path, key));
        if (!any && strcmp(key->vkey.name, origin) != 0)
            return btz_fail(BTZ_CONFLICT, "%s/key: belongs to the ledger %s", path, key->vkey.name);
    } else {
        BTZ_TRY(btz_skey_new(origin, BTZ_KEY_ED25519, key));
        BTZ_TRY(write_key(dir, path, key));
    }
    BTZ_TRY(btz_vkey_write(&key->vkey, &vkey));
    BTZ_TRY(btz_buf_add_byte(&vkey, '\n'));
    BTZ_TRY(btz_replace_at(dir, path, "vkey", btz_buf_slice(&vkey), 0644));
    BTZ_TRY(btz_merkle_root(&none, 0, &root));
    BTZ_TRY(btz_checkpoint_write(key->vkey.name, 0, &root, &note));
    text = note.len;
    BTZ_TRY(btz_ledger_write_pending(dir, path, key, btz_buf_slice(&note)));
    BTZ_TRY(btz_buf_add_byte(&note, '\n'));
    BTZ_TRY(btz_note_sign(btz_slice_of(note.ptr, text), key, 0, &note));
    return btz_replace_at(dir, path, "checkpoint", btz_buf_slice(&note), 0644);
}

static enum btz_err flock_wait(int fd, int how, const char *path)
{
    while (flock(fd, how) < 0)
        if (errno != EINTR)
            return btz_fail_errno(BTZ_IO, "lock %s/lock", path);
    return BTZ_OK;
}

static enum btz_err create(const char *dir, const char *origin, bool any)
{
    BTZ_CLOSE_FD int folder = -1;
    BTZ_CLOSE_FD int lock = -1;
    struct btz_skey key = { 0 };
    enum btz_err err;

    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium does not start");
    BTZ_TRY(btz_skey_new(origin, BTZ_KEY_ED25519,
                         &key)); /* refuses bad names before any folder is made */
    btz_skey_wipe(&key);
    BTZ_TRY(btz_file_mkdirs(dir, 0700));
    folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return btz_fail_errno(BTZ_IO, "open folder %s", dir);
    lock = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (lock < 0)
        return btz_fail_errno(BTZ_IO, "create %s/lock", dir);
    BTZ_TRY(flock_wait(lock, LOCK_EX, dir));
    err = create_files(folder, dir, origin, any, &key);
    btz_skey_wipe(&key);
    return err;
}

enum btz_err btz_ledger_create(const char *dir, const char *origin)
{
    return create(dir, origin, false);
}

/* The name of a new log: this machine's, as far as it fits a key name. */
static void name_log(char *out, size_t size)
{
    uint8_t salt[4];
    char host[65] = "", hex[2 * sizeof salt + 1];

    if (gethostname(host, sizeof host - 1) < 0 || host[0] == '\0')
        snprintf(host, sizeof host, "localhost");
    for (char *c = host; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              *c == '.' || *c == '-'))
            *c = '-';
    btz_random_bytes(salt, sizeof salt);
    btz_hex(salt, sizeof salt, hex);
    snprintf(out, size, "bartizan.%s.%s", host, hex);
}

enum btz_err btz_ledger_open_own(const char *dir, struct btz_ledger **out)
{
    BTZ_CLOSE_FD int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[128];

    if (folder < 0 || !has(folder, "checkpoint")) {
        enum btz_err err;

        name_log(name, sizeof name);
        err = create(dir, name, true);
        /* Another process that begins now may have been faster; of one that is damaged, opening says what. */
        if (err != BTZ_OK && err != BTZ_CONFLICT)
            return err;
    }
    return btz_ledger_open(dir, BTZ_LEDGER_WRITE, out);
}

/* ---- open and close ---- */

enum btz_err btz_ledger_lock(struct btz_ledger *l, bool exclusive)
{
    return flock_wait(l->lock, exclusive ? LOCK_EX : LOCK_SH, l->path);
}

void btz_ledger_unlock(struct btz_ledger *l)
{
    flock(l->lock, LOCK_UN);
}

static enum btz_err read_vkey(struct btz_ledger *l)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4097);
    enum btz_err err = btz_read_at(l->dir, l->path, "vkey", 4096, &text);

    if (err == BTZ_INPUT)
        return btz_fail_context(err, "not a ledger");
    BTZ_TRY(err);
    if (btz_vkey_parse(btz_buf_slice(&text), &l->vkey) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "%s/vkey", l->path);
    return BTZ_OK;
}

static enum btz_err open_writer(struct btz_ledger *l)
{
    enum btz_err err;

    BTZ_TRY(read_key(l->dir, l->path, &l->skey));
    if (memcmp(&l->skey.vkey.public_key, &l->vkey.public_key, sizeof l->vkey.public_key) != 0 ||
        strcmp(l->skey.vkey.name, l->vkey.name) != 0)
        return btz_fail(BTZ_INPUT, "%s: key and vkey do not belong together", l->path);
    l->lock = openat(l->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (l->lock < 0)
        return btz_fail_errno(BTZ_IO, "open %s/lock for writing", l->path);
    BTZ_TRY(btz_ledger_lock(l, true));
    err = btz_ledger_load(l);
    if (err == BTZ_OK)
        btz_evidence_wipe_dead(l);
    btz_ledger_unlock(l);
    return err;
}

enum btz_err btz_ledger_open(const char *dir, enum btz_ledger_mode mode, struct btz_ledger **out)
{
    struct btz_ledger *l;
    enum btz_err err = BTZ_OK;

    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium does not start");
    l = calloc(1, sizeof *l);
    if (!l)
        return btz_fail(BTZ_LIMIT, "out of memory");
    pthread_mutex_init(&l->mutex, NULL);
    pthread_mutex_init(&l->group_mutex, NULL);
    pthread_cond_init(&l->group_done, NULL);
    l->group_end = &l->group_first;
    l->mode = mode;
    l->dir = l->lock = l->staging_lock = -1;
    l->checkpoint = BTZ_BUF(BTZ_NOTE_MAX + 1);
    l->tail = l->scratch = l->bundle.bytes = BTZ_BUF(BTZ_BUNDLE_MAX + 1);
    l->path = strdup(dir);
    if (!l->path)
        err = btz_fail(BTZ_LIMIT, "out of memory");
    if (err == BTZ_OK) {
        l->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (l->dir < 0)
            err = btz_fail_errno(BTZ_IO, "open the ledger %s", dir);
    }
    if (err == BTZ_OK)
        err = read_vkey(l);
    if (err == BTZ_OK)
        err = mode == BTZ_LEDGER_WRITE ? open_writer(l) : btz_ledger_load(l);
    if (err != BTZ_OK) {
        btz_ledger_close(l);
        return err;
    }
    *out = l;
    return BTZ_OK;
}

void btz_ledger_close(struct btz_ledger *l)
{
    if (!l)
        return;
    btz_evidence_release(l);
    btz_skey_wipe(&l->skey);
    btz_buf_release(&l->checkpoint);
    btz_buf_release(&l->tail);
    btz_buf_release(&l->scratch);
    btz_buf_release(&l->bundle.bytes);
    btz_close_fd(&l->lock);
    btz_close_fd(&l->dir);
    pthread_cond_destroy(&l->group_done);
    pthread_mutex_destroy(&l->group_mutex);
    pthread_mutex_destroy(&l->mutex);
    free(l->path);
    free(l);
}

uint64_t btz_ledger_size(const struct btz_ledger *l)
{
    return l->size;
}

const char *btz_ledger_origin(const struct btz_ledger *l)
{
    return l->vkey.name;
}

void btz_ledger_vkey(const struct btz_ledger *l, struct btz_vkey *out)
{
    *out = l->vkey;
}

/* ---- append ---- */

static void step(struct btz_ledger *l, const char *what)
{
    if (l->step)
        l->step(l->step_user, what);
}

struct commit {
    struct btz_ledger *l;
    struct btz_batch batch;
    uint64_t old_size;
};

/* A partial tile of that index was there before this commit. */
static bool was_partial(const struct commit *c, int level, uint64_t n)
{
    return btz_tile_partial(level, c->old_size) > 0 && btz_tile_full(level, c->old_size) == n;
}

static enum btz_err write_tile(struct commit *c, int level, uint64_t n, unsigned width,
                               struct btz_slice bytes)
{
    char path[BTZ_TILE_PATH];

    /* Partial tiles of a tile that no checkpoint knows are remains of a writer that died. */
    if (!was_partial(c, level, n))
        btz_tile_wipe(c->l->dir, level, n, 0);
    btz_tile_path(level, n, width, path);
    BTZ_TRY(btz_batch_write(&c->batch, path, bytes));
    step(c->l, path);
    return BTZ_OK;
}

static enum btz_err write_full(void *user, unsigned level, uint64_t n,
                               const struct btz_hash hash[BTZ_TILE_WIDTH])
{
    struct commit *c = user;

    if (level == 0) {
        BTZ_TRY(write_tile(c, BTZ_TILE_ENTRIES, n, BTZ_TILE_WIDTH, btz_buf_slice(&c->l->tail)));
        btz_buf_clear(&c->l->tail);
    }
    return write_tile(c, (int)level, n, BTZ_TILE_WIDTH,
                      btz_slice_of(hash, BTZ_TILE_WIDTH * sizeof *hash));
}

static enum btz_err write_partials(struct commit *c)
{
    const struct btz_edge *e = &c->l->edge;
    unsigned width = btz_tile_partial(BTZ_TILE_ENTRIES, e->size);

    if (width > 0)
        BTZ_TRY(write_tile(c, BTZ_TILE_ENTRIES, btz_tile_full(BTZ_TILE_ENTRIES, e->size), width,
                           btz_buf_slice(&c->l->tail)));
    for (int level = 0; level < (int)BTZ_TILE_LEVELS; level++) {
        bool changed = e->size >> (8 * level) != c->old_size >> (8 * level);

        width = btz_tile_partial(level, e->size);
        if (changed && width > 0)
            BTZ_TRY(write_tile(c, level, btz_tile_full(level, e->size), width,
                               btz_slice_of(e->hash[level], width * sizeof e->hash[level][0])));
    }
    return BTZ_OK;
}

/* Partial tiles may go once the full one is there. */
static void drop_superseded(const struct commit *c)
{
    for (int level = BTZ_TILE_ENTRIES; level < (int)BTZ_TILE_LEVELS; level++) {
        uint64_t n = btz_tile_full(level, c->old_size);

        if (was_partial(c, level, n) && btz_tile_full(level, c->l->edge.size) > n)
            btz_tile_wipe(c->l->dir, level, n, 0);
    }
}

static enum btz_err write_group(struct commit *c, const struct btz_slice *entries, size_t count)
{
    struct btz_ledger *l = c->l;
    struct btz_hash leaf;

    for (size_t i = 0; i < count; i++) {
        btz_merkle_leaf(entries[i], &leaf);
        BTZ_TRY(btz_bundle_add(&l->tail, entries[i]));
        BTZ_TRY(btz_edge_add(&l->edge, &leaf, write_full, c));
    }
    BTZ_TRY(write_partials(c));
    return btz_batch_sync(&c->batch);
}

/* Blocks for the note, so that a full disk shows before anything is recorded as pending. */
static enum btz_err reserve_note(struct btz_ledger *l, int fd, struct btz_slice text)
{
    off_t need = (off_t)(text.len + strlen(l->vkey.name) + 128);

    errno = posix_fallocate(fd, 0, need);
    if (errno != 0)
        return btz_fail_errno(BTZ_IO, "reserve space for %s/" BTZ_LEDGER_CHECKPOINT_NEW, l->path);
    return BTZ_OK;
}

static enum btz_err commit(struct btz_ledger *l, const struct btz_slice *entries, size_t count)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    BTZ_CLOSE_FD int fd = -1;
    struct commit c = { .l = l, .old_size = l->edge.size };
    enum btz_err err;

    fd = openat(l->dir, BTZ_LEDGER_CHECKPOINT_NEW,
                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create %s/" BTZ_LEDGER_CHECKPOINT_NEW, l->path);
    l->stale = true; /* until the end: an error leaves the handle's memory ahead of the disk */
    step(l, "begun");
    btz_batch_init(&c.batch, l->dir, l->path, l->deep);
    err = write_group(&c, entries, count);
    btz_batch_release(&c.batch);
    BTZ_TRY(err);
    step(l, "synced");
    btz_edge_root(&l->edge, &l->root);
    BTZ_TRY(btz_checkpoint_write(l->vkey.name, l->edge.size, &l->root, &text));
    BTZ_TRY(reserve_note(l, fd, btz_buf_slice(&text)));
    step(l, "reserved");
    BTZ_TRY(btz_ledger_write_pending(l->dir, l->path, &l->skey, btz_buf_slice(&text)));
    step(l, "pending");
    BTZ_TRY(btz_ledger_publish(l, fd, btz_buf_slice(&text)));
    step(l, "published");
    drop_superseded(&c);
    l->size = l->edge.size;
    l->seen = l->root;
    l->stale = l->deep = false;
    return BTZ_OK;
}

static enum btz_err is_current(struct btz_ledger *l, bool *out)
{
    *out = false;
    if (l->stale || has(l->dir, BTZ_LEDGER_CHECKPOINT_NEW))
        return BTZ_OK;
    BTZ_TRY(btz_read_at(l->dir, l->path, "checkpoint", BTZ_NOTE_MAX, &l->scratch));
    *out = btz_slice_equal(btz_buf_slice(&l->scratch), btz_buf_slice(&l->checkpoint));
    return BTZ_OK;
}

static enum btz_err append_locked(struct btz_ledger *l, const struct btz_slice *entries,
                                  size_t count, uint64_t *first)
{
    bool current;
    uint64_t at;

    BTZ_TRY(is_current(l, &current));
    if (!current)
        BTZ_TRY(btz_ledger_load(l));
    at = l->edge.size;
    BTZ_TRY(btz_evidence_publish(l));
    BTZ_TRY(commit(l, entries, count));
    *first = at;
    return BTZ_OK;
}

enum btz_err btz_ledger_append(struct btz_ledger *l, const struct btz_slice *entries, size_t count,
                               uint64_t *first)
{
    enum btz_err err;

    if (l->mode != BTZ_LEDGER_WRITE)
        return btz_fail(BTZ_USAGE, "%s: opened for reading only", l->path);
    for (size_t i = 0; i < count; i++)
        if (entries[i].len > BTZ_LEDGER_ENTRY_MAX)
            return btz_fail(BTZ_LIMIT,
                            "ledger entry of %zu bytes; at most %d: keep large things as evidence",
                            entries[i].len, BTZ_LEDGER_ENTRY_MAX);
    pthread_mutex_lock(&l->mutex);
    if (count == 0) {
        *first = l->size;
        err = BTZ_OK;
    } else {
        err = btz_ledger_lock(l, true);
        if (err == BTZ_OK) {
            err = append_locked(l, entries, count, first);
            btz_ledger_unlock(l);
        }
    }
    pthread_mutex_unlock(&l->mutex);
    return err;
}
