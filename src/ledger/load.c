/* Reading the state a ledger is in, and finishing what a writer that died left undone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ledger/log.h"

#define PENDING     "pending"
#define PENDING_MAX 4096
#define LOAD_TRIES  20

/* ---- pending: what is about to be signed ---- */

/* A code and not a signature, so that no second signed tree head can come of it. */
static void pending_code(const struct btz_skey *key, struct btz_slice text, char hex[65])
{
    static const char domain[] = "bartizan/pending/v1\n";
    uint8_t derived[crypto_auth_hmacsha256_KEYBYTES], code[crypto_auth_hmacsha256_BYTES];
    crypto_hash_sha256_state h;

    crypto_hash_sha256_init(&h);
    crypto_hash_sha256_update(&h, (const uint8_t *)domain, sizeof domain - 1);
    crypto_hash_sha256_update(&h, key->seed, sizeof key->seed);
    crypto_hash_sha256_final(&h, derived);
    crypto_auth_hmacsha256(code, text.ptr, text.len, derived);
    btz_hex(code, sizeof code, hex);
    btz_wipe(derived, sizeof derived);
}

enum btz_err btz_ledger_write_pending(int dir, const char *dir_name, const struct btz_skey *key,
                                      struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(PENDING_MAX);
    char hex[65];

    pending_code(key, text, hex);
    BTZ_TRY(btz_buf_add_slice(&bytes, text));
    BTZ_TRY(btz_buf_printf(&bytes, "\nmac %s\n", hex));
    return btz_replace_at(dir, dir_name, PENDING, btz_buf_slice(&bytes), 0644);
}

enum btz_err btz_ledger_read_pending(int dir, const char *dir_name, const struct btz_skey *key,
                                     struct btz_buf *bytes, struct btz_checkpoint *out)
{
    const size_t tail = 1 + 4 + 64 + 1;
    struct btz_slice text, mac;
    struct btz_checkpoint c;
    char hex[65];

    BTZ_TRY(btz_read_at(dir, dir_name, PENDING, PENDING_MAX, bytes));
    if (bytes->len < tail)
        return btz_fail(BTZ_INPUT, "%s/" PENDING ": only %zu bytes", dir_name, bytes->len);
    text = btz_slice_sub(btz_buf_slice(bytes), 0, bytes->len - tail);
    mac = btz_slice_sub(btz_buf_slice(bytes), text.len, tail);
    if (memcmp(mac.ptr, "\nmac ", 5) != 0 || mac.ptr[tail - 1] != '\n')
        return btz_fail(BTZ_INPUT, "%s/" PENDING ": byte %zu: expected \"mac\" and 64 hex digits",
                        dir_name, text.len);
    if (btz_checkpoint_parse(text, &c) != BTZ_OK || c.extensions.len > 0)
        return btz_fail_context(BTZ_INPUT, "%s/" PENDING, dir_name);
    if (key) {
        pending_code(key, text, hex);
        if (!btz_equal_ct(hex, mac.ptr + 5, 64))
            return btz_fail(BTZ_INPUT, "%s/" PENDING ": was changed: not written with this key",
                            dir_name);
    }
    *out = c;
    return BTZ_OK;
}

/* ---- the right edge ---- */

enum btz_err btz_edge_load(int dir, const char *dir_name, uint64_t size,
                           const struct btz_hash *root, struct btz_edge *out)
{
    struct btz_hash found;

    out->size = size;
    for (unsigned level = 0; level < BTZ_TILE_LEVELS; level++) {
        unsigned width = btz_tile_partial((int)level, size);

        if (width > 0)
            BTZ_TRY(btz_tile_read(dir, dir_name, level, btz_tile_full((int)level, size), width,
                                  out->hash[level]));
    }
    btz_edge_root(out, &found);
    if (!btz_hash_equal(&found, root))
        return btz_fail(BTZ_INPUT,
                        "%s: the tiles on disk do not give the root for %" PRIu64
                        " entries; run `bartizan ledger verify` to locate the damage",
                        dir_name, size);
    return BTZ_OK;
}

/* ---- publishing ---- */

static void step(struct btz_ledger *l, const char *what)
{
    if (l->step)
        l->step(l->step_user, what);
}

enum btz_err btz_ledger_publish(struct btz_ledger *l, int fd, struct btz_slice text)
{
    struct btz_buf note = BTZ_BUF(BTZ_NOTE_MAX);
    enum btz_err err;

    err = btz_buf_add_slice(&note, text);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(&note, '\n');
    if (err == BTZ_OK)
        err = btz_note_sign(text, &l->skey, 0, &note);
    step(l, "signed");
    if (err == BTZ_OK && lseek(fd, 0, SEEK_SET) < 0)
        err = btz_fail_errno(BTZ_IO, "%s/" BTZ_LEDGER_CHECKPOINT_NEW, l->path);
    if (err == BTZ_OK)
        err = btz_fd_write_all(fd, btz_buf_slice(&note), BTZ_LEDGER_CHECKPOINT_NEW);
    if (err == BTZ_OK && (ftruncate(fd, (off_t)note.len) < 0 || fsync(fd) < 0))
        err = btz_fail_errno(BTZ_IO, "write %s/" BTZ_LEDGER_CHECKPOINT_NEW, l->path);
    step(l, "checkpoint written");
    if (err == BTZ_OK && renameat(l->dir, BTZ_LEDGER_CHECKPOINT_NEW, l->dir, "checkpoint") < 0)
        err = btz_fail_errno(BTZ_IO, "rename to %s/checkpoint", l->path);
    step(l, "checkpoint renamed");
    if (err == BTZ_OK && fsync(l->dir) < 0)
        err = btz_fail_errno(BTZ_IO, "sync folder %s", l->path);
    if (err != BTZ_OK) {
        btz_buf_release(&note);
        return err;
    }
    btz_buf_release(&l->checkpoint);
    l->checkpoint = note;
    return BTZ_OK;
}

/* ---- loading ---- */

static bool unfinished(const struct btz_ledger *l)
{
    return faccessat(l->dir, BTZ_LEDGER_CHECKPOINT_NEW, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum btz_err read_checkpoint(struct btz_ledger *l, struct btz_checkpoint *out)
{
    enum btz_err err = btz_read_at(l->dir, l->path, "checkpoint", BTZ_NOTE_MAX, &l->checkpoint);

    if (err == BTZ_INPUT)
        return btz_fail_context(err, "not a ledger, or its checkpoint is gone");
    BTZ_TRY(err);
    if (btz_checkpoint_open(btz_buf_slice(&l->checkpoint), &l->vkey, NULL, out) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "%s/checkpoint", l->path);
    return BTZ_OK;
}

/* Whoever saw a tree accepts only its continuations. */
static enum btz_err check_continues(struct btz_ledger *l, uint64_t size,
                                    const struct btz_hash *root)
{
    struct btz_merkle_source source = btz_ledger_source(l);
    struct btz_proof proof;

    for (unsigned level = 0; level < BTZ_TILE_LEVELS; level++)
        l->tile[level].valid = false;
    l->bundle.valid = false;
    if (l->edge.size < size)
        return btz_fail(BTZ_CONFLICT,
                        "%s: went back from %" PRIu64 " to %" PRIu64
                        " entries while it was open: put back to an older state",
                        l->path, size, l->edge.size);
    if (size == 0)
        return BTZ_OK;
    BTZ_TRY(btz_merkle_prove_consistency(&source, size, l->edge.size, &proof));
    if (btz_merkle_verify_consistency(size, l->edge.size, proof.hash, proof.count, root,
                                      &l->root) != BTZ_OK)
        return btz_fail_context(BTZ_CONFLICT, "%s: history was rewritten while it was open",
                                l->path);
    return BTZ_OK;
}

/* Groups that are on disk and recorded as pending become part of the log: their root may have been signed. */
static enum btz_err roll_forward(struct btz_ledger *l, const struct btz_checkpoint *pending,
                                 uint64_t from)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(PENDING_MAX);
    BTZ_CLOSE_FD int fd = -1;
    struct btz_hash old = l->root;
    struct btz_slice entry;

    BTZ_TRY(btz_edge_load(l->dir, l->path, pending->size, &pending->root, &l->edge));
    l->root = pending->root;
    BTZ_TRY(check_continues(l, from, &old));
    for (uint64_t i = from; i < pending->size; i++)
        BTZ_TRY(btz_ledger_entry_check(l, i, &entry));
    BTZ_TRY(btz_checkpoint_write(l->vkey.name, pending->size, &pending->root, &text));
    fd = openat(l->dir, BTZ_LEDGER_CHECKPOINT_NEW, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                0644);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "create %s/" BTZ_LEDGER_CHECKPOINT_NEW, l->path);
    return btz_ledger_publish(l, fd, btz_buf_slice(&text));
}

static enum btz_err settle_pending(struct btz_ledger *l, const struct btz_checkpoint *c)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(PENDING_MAX + 1);
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(PENDING_MAX);
    struct btz_checkpoint pending;
    enum btz_err err = btz_ledger_read_pending(l->dir, l->path, &l->skey, &bytes, &pending);

    if (err == BTZ_OK && !btz_slice_is(pending.origin, l->vkey.name))
        err = btz_fail(BTZ_INPUT, "%s/" PENDING ": of another log", l->path);
    if (err == BTZ_OK && pending.size < c->size)
        err = btz_fail(BTZ_INPUT, "%s/" PENDING ": put back to %" PRIu64 " entries", l->path,
                       pending.size);
    if (err == BTZ_INPUT && !unfinished(l)) {
        /* Lost, but nobody died in the middle: the checkpoint says all that was signed. */
        BTZ_TRY(btz_checkpoint_write(l->vkey.name, c->size, &c->root, &text));
        return btz_ledger_write_pending(l->dir, l->path, &l->skey, btz_buf_slice(&text));
    }
    if (err == BTZ_INPUT)
        return btz_fail_context(err, "a writer died and its record of what it signed is damaged; "
                                     "restore the ledger from a copy");
    BTZ_TRY(err);
    if (pending.size > c->size)
        return roll_forward(l, &pending, c->size);
    if (!btz_hash_equal(&pending.root, &c->root))
        return btz_fail(BTZ_CONFLICT,
                        "%s: " PENDING " and checkpoint have different roots for %" PRIu64
                        " entries: one of them was put back; nothing is written",
                        l->path, c->size);
    return BTZ_OK;
}

/* Files past the checkpoint come from writers that died before they recorded their group. */
static void wipe_leftovers(struct btz_ledger *l)
{
    for (int level = BTZ_TILE_ENTRIES; level < (int)BTZ_TILE_LEVELS; level++) {
        uint64_t n = btz_tile_full(level, l->edge.size);
        char path[BTZ_TILE_PATH];

        if (n > 0)
            btz_tile_wipe(l->dir, level, n - 1, 0);
        btz_tile_wipe(l->dir, level, n, btz_tile_partial(level, l->edge.size));
        do {
            btz_tile_path(level, n, BTZ_TILE_WIDTH, path);
            btz_tile_wipe(l->dir, level, ++n, 0);
        } while (unlinkat(l->dir, path, 0) == 0);
    }
    (void)unlinkat(l->dir, BTZ_LEDGER_CHECKPOINT_NEW, 0);
    (void)unlinkat(l->dir, PENDING ".new", 0);
}

static enum btz_err load_tail(struct btz_ledger *l)
{
    uint64_t n = btz_tile_full(BTZ_TILE_ENTRIES, l->edge.size);
    unsigned width = btz_tile_partial(BTZ_TILE_ENTRIES, l->edge.size);
    struct btz_slice entry;

    btz_buf_clear(&l->tail);
    for (unsigned i = 0; i < width; i++)
        BTZ_TRY(btz_ledger_entry_check(l, n * BTZ_TILE_WIDTH + i, &entry));
    if (width > 0)
        BTZ_TRY(btz_buf_add(&l->tail, l->bundle.bytes.ptr, l->bundle.bundle.end));
    return BTZ_OK;
}

static enum btz_err load_once(struct btz_ledger *l)
{
    struct btz_checkpoint c;

    BTZ_TRY(read_checkpoint(l, &c));
    BTZ_TRY(btz_edge_load(l->dir, l->path, c.size, &c.root, &l->edge));
    l->root = c.root;
    if (l->loaded)
        BTZ_TRY(check_continues(l, l->size, &l->seen));
    if (l->mode == BTZ_LEDGER_READ)
        return BTZ_OK;
    BTZ_TRY(settle_pending(l, &c));
    wipe_leftovers(l);
    return load_tail(l);
}

enum btz_err btz_ledger_load(struct btz_ledger *l)
{
    BTZ_BUF_RELEASE struct btz_buf before = BTZ_BUF(BTZ_NOTE_MAX);
    enum btz_err err = BTZ_OK;

    l->stale = true;
    for (unsigned level = 0; level < BTZ_TILE_LEVELS; level++)
        l->tile[level].valid = false;
    l->bundle.valid = false;
    for (int i = 0; i < LOAD_TRIES; i++) {
        err = load_once(l);
        /* Without the lock a writer may move on between checkpoint and tiles; else the error is real. */
        if (err == BTZ_OK || l->mode == BTZ_LEDGER_WRITE ||
            btz_slice_equal(btz_buf_slice(&before), btz_buf_slice(&l->checkpoint)))
            break;
        btz_buf_clear(&before);
        BTZ_TRY(btz_buf_add_slice(&before, btz_buf_slice(&l->checkpoint)));
    }
    BTZ_TRY(err);
    l->size = l->edge.size;
    l->seen = l->root;
    l->stale = false;
    l->loaded = l->deep = true;
    return BTZ_OK;
}
