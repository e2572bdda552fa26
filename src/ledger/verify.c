/* Verification of a whole ledger: keys, checkpoint, tree, pending record, outside checkpoint, evidence. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ledger/log.h"
#include "ledger/verify.h"

#define CHECK_TRIES 20

/* Evidence by commitment: open addressing, never full. */
struct evidence {
    uint8_t commitment[BTZ_SHA256_LEN];
    bool used, mentioned, intact;
    char path[sizeof "evidence/aa/" + 64];
};

struct check {
    int dir;
    const char *path;
    struct btz_problems problems;
    struct btz_vkey vkey;
    bool has_vkey;
    struct btz_ledger_check *out;
    struct evidence *table;
    size_t used, room;
};

/* ---- evidence ---- */

static struct evidence *find(struct check *c, const uint8_t commitment[BTZ_SHA256_LEN])
{
    uint64_t at;

    memcpy(&at, commitment, sizeof at);
    for (size_t i = (size_t)at & (c->room - 1);; i = (i + 1) & (c->room - 1))
        if (!c->table[i].used || memcmp(c->table[i].commitment, commitment, BTZ_SHA256_LEN) == 0)
            return &c->table[i];
}

static enum btz_err grow(struct check *c)
{
    struct evidence *old = c->table;
    size_t room = c->room;

    c->room = room ? room * 2 : 64;
    c->table = calloc(c->room, sizeof *c->table);
    if (!c->table) {
        c->table = old;
        c->room = room;
        return btz_fail(BTZ_LIMIT, "out of memory for %zu pieces of evidence", room * 2);
    }
    for (size_t i = 0; i < room; i++)
        if (old[i].used)
            *find(c, old[i].commitment) = old[i];
    free(old);
    return BTZ_OK;
}

/* One blob with its salt: `hex` is its name. */
static enum btz_err read_evidence(struct check *c, const char *hex, struct btz_buf *bytes)
{
    struct evidence e = { .used = true };
    uint8_t name[BTZ_SHA256_LEN], sum[BTZ_SHA256_LEN], commitment[BTZ_SHA256_LEN];
    char salt[sizeof e.path + sizeof ".salt"];
    struct evidence *slot;
    bool blob_there;
    enum btz_err err;

    snprintf(e.path, sizeof e.path, "evidence/%.2s/%s", hex, hex);
    snprintf(salt, sizeof salt, "%s.salt", e.path);
    BTZ_TRY(btz_unhex(btz_str(hex), name, sizeof name));
    blob_there = faccessat(c->dir, e.path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (faccessat(c->dir, salt, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        btz_problem(&c->problems, "%s: its salt is missing: deleting evidence removes both",
                    e.path);
        return BTZ_OK;
    }
    if (blob_there) {
        err = btz_read_at(c->dir, c->path, e.path, BTZ_EVIDENCE_MAX, bytes);
        if (err == BTZ_IO || err == BTZ_LIMIT)
            return err;
        btz_sha256(btz_buf_slice(bytes), sum);
        e.intact = err == BTZ_OK && memcmp(sum, name, sizeof sum) == 0;
        if (!e.intact)
            btz_problem(&c->problems, "%s: was changed: its SHA-256 is not its name", e.path);
    }
    err = btz_read_at(c->dir, c->path, salt, 4096, bytes);
    if (err == BTZ_IO || err == BTZ_LIMIT)
        return err;
    if (err == BTZ_OK && bytes->len == BTZ_EVIDENCE_SALT + BTZ_SHA256_LEN) {
        btz_evidence_commitment(bytes->ptr, name, commitment);
        memcpy(e.commitment, bytes->ptr + BTZ_EVIDENCE_SALT, sizeof e.commitment);
    }
    if (err != BTZ_OK || bytes->len != BTZ_EVIDENCE_SALT + BTZ_SHA256_LEN ||
        memcmp(commitment, e.commitment, sizeof commitment) != 0) {
        btz_problem(&c->problems, "%s: was changed: salt and commitment do not fit", salt);
        return BTZ_OK;
    }
    if (c->used * 2 >= c->room)
        BTZ_TRY(grow(c));
    slot = find(c, e.commitment);
    c->used += !slot->used;
    *slot = e;
    c->out->evidence_present += e.intact;
    return BTZ_OK;
}

/* Each name once: the blob's, or that of a salt whose blob is gone. */
static enum btz_err read_evidence_folder(struct check *c, const char *name, struct btz_buf *bytes)
{
    char path[sizeof "evidence/" + 256];
    struct dirent *item;
    enum btz_err err = BTZ_OK;
    DIR *list;
    int fd;

    snprintf(path, sizeof path, "evidence/%.255s", name);
    fd = openat(c->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        btz_close_fd(&fd);
        return btz_fail_errno(BTZ_IO, "read folder %s/%s", c->path, path);
    }
    while (err == BTZ_OK && (item = readdir(list)) != NULL) {
        char hex[65];
        size_t len = strlen(item->d_name);

        if (len < 64 || (len > 64 && strcmp(item->d_name + 64, ".salt") != 0))
            continue;
        memcpy(hex, item->d_name, 64);
        hex[64] = '\0';
        if (len > 64 && faccessat(fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        err = read_evidence(c, hex, bytes);
    }
    closedir(list);
    return err;
}

static enum btz_err read_all_evidence(struct check *c)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_EVIDENCE_MAX + 1);
    struct dirent *item;
    enum btz_err err = BTZ_OK;
    DIR *list;
    int fd;

    BTZ_TRY(grow(c));
    fd = openat(c->dir, "evidence", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return BTZ_OK;
    list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        btz_close_fd(&fd);
        return btz_fail_errno(BTZ_IO, "read folder %s/evidence", c->path);
    }
    while (err == BTZ_OK && (item = readdir(list)) != NULL)
        if (strlen(item->d_name) == 2 && item->d_name[0] != '.')
            err = read_evidence_folder(c, item->d_name, &bytes);
    closedir(list);
    return err;
}

static void on_mention(struct check *c, uint64_t index, const uint8_t commitment[BTZ_SHA256_LEN])
{
    struct evidence *e = find(c, commitment);

    if (!e->used)
        c->out->evidence_deleted++;
    else if (!e->intact && !e->mentioned)
        btz_problem(&c->problems,
                    "%s: the evidence of entry %" PRIu64 " is gone or damaged while its salt "
                    "remains: deleting evidence removes both",
                    e->path, index);
    e->mentioned = e->used;
}

/* Quotes inside JSON strings are escaped, so text in an entry does not pass for a mention. */
static void on_entry(void *user, uint64_t index, struct btz_slice entry)
{
    static const char *const starts[] = { "\"commitment\":\"", "\"evidence\":[\"" };

    for (size_t i = 0; i < BTZ_COUNT(starts); i++) {
        struct btz_slice needle = btz_str(starts[i]);
        uint8_t commitment[BTZ_SHA256_LEN];

        for (size_t at = 0; (at = btz_slice_find(entry, needle, at)) != SIZE_MAX;) {
            at += needle.len;
            while (btz_unhex(btz_slice_sub(entry, at, 64), commitment, sizeof commitment) ==
                   BTZ_OK) {
                on_mention(user, index, commitment);
                at += 64;
                if (i == 0 || !btz_slice_is(btz_slice_sub(entry, at, 3), "\",\""))
                    break;
                at += 3;
            }
        }
    }
}

/* ---- keys ---- */

static enum btz_err check_vkey(struct check *c, struct btz_slice given)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(4097);
    BTZ_BUF_RELEASE struct btz_buf canonical = BTZ_BUF(4096);
    struct btz_vkey stored;
    bool readable;

    if (given.len > 0) {
        BTZ_TRY(btz_vkey_parse(given, &c->vkey));
        c->has_vkey = true;
    }
    readable = btz_read_at(c->dir, c->path, "vkey", 4096, &file) == BTZ_OK &&
               btz_vkey_parse(btz_buf_slice(&file), &stored) == BTZ_OK &&
               btz_vkey_write(&stored, &canonical) == BTZ_OK &&
               btz_buf_add_byte(&canonical, '\n') == BTZ_OK &&
               btz_slice_equal(btz_buf_slice(&file), btz_buf_slice(&canonical));
    if (!readable) {
        if (c->has_vkey)
            btz_problem(&c->problems, "vkey: missing or changed");
        else
            btz_problem_entry(&c->problems, 0,
                              "vkey: missing or changed; nothing can be proven without it, nor "
                              "without the key kept outside (--key)");
        return BTZ_OK;
    }
    if (!c->has_vkey) {
        c->vkey = stored;
        c->has_vkey = true;
    } else if (memcmp(stored.public_key, c->vkey.public_key, sizeof stored.public_key) != 0 ||
               strcmp(stored.name, c->vkey.name) != 0) {
        btz_problem(&c->problems, "vkey: is not the key given: it was replaced");
    }
    return BTZ_OK;
}

/* The private key is not needed and often not there (a copy for auditors); when it is, it must fit. */
static bool check_key(struct check *c, struct btz_skey *key)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(4097);
    BTZ_BUF_RELEASE struct btz_buf canonical = BTZ_BUF(4096);
    bool good;

    if (faccessat(c->dir, "key", R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) < 0 || !c->has_vkey)
        return false;
    good = btz_read_at(c->dir, c->path, "key", 4096, &file) == BTZ_OK &&
           btz_skey_parse(btz_buf_slice(&file), key) == BTZ_OK &&
           btz_skey_write(key, &canonical) == BTZ_OK &&
           btz_buf_add_byte(&canonical, '\n') == BTZ_OK &&
           btz_slice_equal(btz_buf_slice(&file), btz_buf_slice(&canonical)) &&
           memcmp(key->vkey.public_key, c->vkey.public_key, sizeof c->vkey.public_key) == 0 &&
           strcmp(key->vkey.name, c->vkey.name) == 0;
    if (file.ptr)
        btz_wipe(file.ptr, file.cap);
    if (canonical.ptr)
        btz_wipe(canonical.ptr, canonical.cap);
    if (!good)
        btz_problem(&c->problems, "key: was changed: it does not belong to the verifier key");
    return good;
}

/* ---- checkpoint and pending ---- */

struct heads {
    struct btz_buf checkpoint_bytes, pending_bytes;
    struct btz_checkpoint checkpoint, pending;
    bool signed_ok, pending_ok;
    bool died; /* a writer left in the middle of a commit: it could not take its mark away */
    char checkpoint_error[256], pending_error[256];
};

/* Nobody is within a commit while it is held. Without a lock file (a copy) nobody writes. */
static void lock_shared(const struct check *c, int *lock)
{
    *lock = openat(c->dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*lock >= 0)
        while (flock(*lock, LOCK_SH) < 0 && errno == EINTR) {
        }
}

static enum btz_err read_heads(struct check *c, const struct btz_skey *key, struct heads *h)
{
    BTZ_CLOSE_FD int lock = -1;
    enum btz_err err;

    lock_shared(c, &lock);
    err = btz_read_at(c->dir, c->path, "checkpoint", BTZ_NOTE_MAX, &h->checkpoint_bytes);
    if (err == BTZ_OK)
        err = btz_checkpoint_open(btz_buf_slice(&h->checkpoint_bytes), &c->vkey, NULL,
                                  &h->checkpoint);
    if (err == BTZ_IO || err == BTZ_LIMIT)
        return err;
    h->signed_ok = err == BTZ_OK;
    if (!h->signed_ok)
        snprintf(h->checkpoint_error, sizeof h->checkpoint_error, "%.255s", btz_error_detail());
    err = btz_ledger_read_pending(c->dir, c->path, key, &h->pending_bytes, &h->pending);
    if (err == BTZ_IO || err == BTZ_LIMIT)
        return err;
    h->pending_ok = err == BTZ_OK;
    if (!h->pending_ok)
        snprintf(h->pending_error, sizeof h->pending_error, "%.255s", btz_error_detail());
    h->died = faccessat(c->dir, BTZ_LEDGER_CHECKPOINT_NEW, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return BTZ_OK;
}

/* `pending` is the writer's memory of the newest root it may have signed. */
static enum btz_err check_pending(struct check *c, const struct heads *h)
{
    const struct btz_checkpoint *p = &h->pending, *now = &h->checkpoint;
    struct btz_edge *edge;
    enum btz_err err;

    if (!h->pending_ok) {
        btz_problem(&c->problems, "pending: %s", h->pending_error);
        return BTZ_OK;
    }
    if (!btz_slice_equal(p->origin, now->origin) || p->size < now->size ||
        (p->size == now->size && !btz_hash_equal(&p->root, &now->root))) {
        btz_problem(&c->problems,
                    "pending: was changed or put back: says %" PRIu64
                    " entries, the checkpoint %" PRIu64 "%s",
                    p->size, now->size, p->size == now->size ? " with another root" : "");
        return BTZ_OK;
    }
    if (p->size == now->size)
        return BTZ_OK;
    if (!h->died) {
        btz_problem(&c->problems,
                    "checkpoint: has %" PRIu64 " entries, the writer signed %" PRIu64
                    ": it was put back to an older state, or pending was changed",
                    now->size, p->size);
        return BTZ_OK;
    }
    c->out->unfinished = true;
    edge = malloc(sizeof *edge);
    if (!edge)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = btz_edge_load(c->dir, c->path, p->size, &p->root, edge);
    free(edge);
    if (err == BTZ_INPUT || err == BTZ_CONFLICT) {
        btz_problem(&c->problems,
                    "pending: says %" PRIu64
                    " entries, the checkpoint and the files end at %" PRIu64
                    ": one of them was changed or put back",
                    p->size, now->size);
        return BTZ_OK;
    }
    c->out->waiting = p->size - now->size;
    return err;
}

/* A writer that dies leaves its mark. Files past the checkpoint without it belong to a later state. */
static enum btz_err check_more(struct check *c, const struct heads *h)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(BTZ_NOTE_MAX + 1);
    BTZ_CLOSE_FD int lock = -1;
    bool died;

    lock_shared(c, &lock);
    died = faccessat(c->dir, BTZ_LEDGER_CHECKPOINT_NEW, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    c->out->unfinished |= died;
    if (died || c->problems.count > 0 || !btz_tree_has_more(c->dir, h->checkpoint.size))
        return BTZ_OK;
    BTZ_TRY(btz_read_at(c->dir, c->path, "checkpoint", BTZ_NOTE_MAX, &again));
    if (btz_slice_equal(btz_buf_slice(&again), btz_buf_slice(&h->checkpoint_bytes)))
        btz_problem(&c->problems,
                    "checkpoint: ends at %" PRIu64
                    " entries, but files of later ones are there and "
                    "no writer left off: checkpoint and pending were put back to an older state",
                    h->checkpoint.size);
    return BTZ_OK;
}

/* ---- the outside checkpoint ---- */

static void check_witness(struct check *c, const struct btz_checkpoint *outside,
                          const struct btz_tree_check *t)
{
    if (outside->size > t->size) {
        btz_problem(&c->problems,
                    "checkpoint: has %" PRIu64 " entries, the checkpoint kept outside %" PRIu64
                    ": the ledger was cut off or put back to an older state",
                    t->size, outside->size);
        return;
    }
    if (!t->has_witness_root)
        return; /* what is wrong there is told already */
    if (btz_hash_equal(&t->witness_root, &outside->root)) {
        /* Signed by this log as well: so far history is proven whatever became of the rest. */
        if (t->unprovable && c->problems.first_bad < outside->size)
            c->problems.first_bad = outside->size;
    } else if (!c->problems.entry) {
        btz_problem_entry(&c->problems, 0,
                          "the first %" PRIu64
                          " entries are not those of the checkpoint kept outside: history was "
                          "rewritten and signed anew",
                          outside->size);
    }
}

/* ---- all of it ---- */

static enum btz_err verify(struct check *c, const struct heads *h, struct btz_slice witness_note)
{
    struct btz_tree_check t = {
        .dir = c->dir,
        .dir_name = c->path,
        .problems = &c->problems,
        .witness_size = UINT64_MAX,
        .entry = on_entry,
        .user = c,
    };
    struct btz_checkpoint outside = { .size = 0 };
    bool has_outside = false;

    if (!c->has_vkey)
        return BTZ_OK;
    if (witness_note.len > 0) {
        has_outside = btz_checkpoint_open(witness_note, &c->vkey, NULL, &outside) == BTZ_OK;
        if (!has_outside)
            btz_problem(&c->problems,
                        "checkpoint kept outside: %s: it is of another ledger, or the "
                        "key of this one was replaced",
                        btz_error_detail());
    }
    if (!h->signed_ok && !has_outside) {
        btz_problem_entry(&c->problems, 0, "checkpoint: %s; nothing can be proven without it",
                          h->checkpoint_error);
        return BTZ_OK;
    }
    /* Signed by this log as well, the outside checkpoint proves as far as it reaches. */
    t.size = h->signed_ok ? h->checkpoint.size : outside.size;
    t.root = h->signed_ok ? h->checkpoint.root : outside.root;
    if (has_outside && outside.size <= t.size)
        t.witness_size = outside.size;
    BTZ_TRY(btz_tree_verify(&t));
    c->out->size = t.size;
    c->out->entries_read = t.entries_read;
    if (!h->signed_ok) {
        btz_problem_entry(&c->problems, t.size,
                          "checkpoint: %s; entries are proven up to the "
                          "checkpoint kept outside",
                          h->checkpoint_error);
        return BTZ_OK;
    }
    if (has_outside)
        check_witness(c, &outside, &t);
    BTZ_TRY(check_pending(c, h));
    return check_more(c, h);
}

static enum btz_err run(struct check *c, struct btz_slice vkey, struct btz_slice witness_note)
{
    struct heads h = { .checkpoint_bytes = BTZ_BUF(BTZ_NOTE_MAX + 1),
                       .pending_bytes = BTZ_BUF(8192) };
    struct btz_skey key = { 0 };
    bool has_key;
    enum btz_err err;

    if (faccessat(c->dir, "checkpoint", F_OK, 0) < 0 && faccessat(c->dir, "tile", F_OK, 0) < 0 &&
        faccessat(c->dir, "vkey", F_OK, 0) < 0)
        return btz_fail(BTZ_INPUT, "%s: not a ledger", c->path);
    BTZ_TRY(check_vkey(c, vkey));
    has_key = check_key(c, &key);
    err = read_heads(c, has_key ? &key : NULL, &h);
    btz_skey_wipe(&key);
    if (err == BTZ_OK)
        err = read_all_evidence(c);
    if (err == BTZ_OK)
        err = verify(c, &h, witness_note);
    btz_buf_release(&h.checkpoint_bytes);
    btz_buf_release(&h.pending_bytes);
    free(c->table);
    return err;
}

enum btz_err btz_ledger_verify(const char *dir, struct btz_slice vkey,
                               struct btz_slice witness_note, struct btz_ledger_check *out)
{
    struct btz_ledger_check result = { 0 };
    struct check c = { .path = dir, .out = &result };
    BTZ_CLOSE_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open the ledger %s", dir);
    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium does not start");
    c.dir = fd;
    BTZ_TRY(run(&c, vkey, witness_note));
    result.problems = c.problems.count;
    result.intact = c.problems.count == 0;
    result.first_bad = c.problems.entry ? c.problems.first_bad : result.size;
    if (c.problems.count > 1)
        snprintf(result.what, sizeof result.what, "%.470s (and %" PRIu64 " more)", c.problems.what,
                 c.problems.count - 1);
    else
        snprintf(result.what, sizeof result.what, "%s", c.problems.what);
    *out = result;
    return BTZ_OK;
}
