/* A witness whose requests and answers are files: the rules of C2SP tlog-witness without its HTTP. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ledger/tiles.h"

static char *join(const char *path, const char *tail)
{
    size_t size = strlen(path) + strlen(tail) + 1;
    char *out = malloc(size);

    if (out)
        snprintf(out, size, "%s%s", path, tail);
    return out;
}

static enum btz_err write_new_key(const char *path, const struct btz_skey *key)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    BTZ_CLOSE_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum btz_err err;

    if (fd < 0)
        return btz_fail_errno(errno == EEXIST ? BTZ_CONFLICT : BTZ_IO, "create %s", path);
    BTZ_TRY(btz_buf_reserve(&text, 1024));
    err = btz_skey_write(key, &text);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(&text, '\n');
    if (err == BTZ_OK)
        err = btz_fd_write_all(fd, btz_buf_slice(&text), path);
    if (err == BTZ_OK && fsync(fd) < 0)
        err = btz_fail_errno(BTZ_IO, "sync %s", path);
    btz_wipe(text.ptr, text.cap);
    if (err != BTZ_OK)
        unlink(path);
    return err;
}

enum btz_err btz_witness_create(const char *key_path, const char *name, struct btz_vkey *out)
{
    BTZ_BUF_RELEASE struct btz_buf vkey = BTZ_BUF(4096);
    BTZ_FREE char *vkey_path = join(key_path, ".vkey");
    struct btz_skey key;
    enum btz_err err;

    if (!vkey_path)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium does not start");
    BTZ_TRY(btz_skey_new(name, BTZ_KEY_COSIGN, &key));
    err = write_new_key(key_path, &key);
    if (err == BTZ_OK)
        err = btz_vkey_write(&key.vkey, &vkey);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(&vkey, '\n');
    if (err == BTZ_OK)
        err = btz_file_write(vkey_path, btz_buf_slice(&vkey), 0644);
    if (err == BTZ_OK)
        *out = key.vkey;
    btz_skey_wipe(&key);
    return err;
}

static enum btz_err read_key(const char *path, struct btz_skey *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(70000);
    struct stat st;
    enum btz_err err;

    if (stat(path, &st) < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    if (st.st_mode & 077)
        return btz_fail(BTZ_DENIED,
                        "%s: others may read the private key (mode %03o); run chmod 600", path,
                        (unsigned)st.st_mode & 0777);
    BTZ_TRY(btz_file_read(path, 4096, &text));
    err = btz_skey_parse(btz_buf_slice(&text), out);
    btz_wipe(text.ptr, text.cap);
    if (err != BTZ_OK)
        return btz_fail_context(err, "%s", path);
    if (out->vkey.kind != BTZ_KEY_COSIGN) {
        btz_skey_wipe(out);
        return btz_fail(BTZ_INPUT, "%s: not a key for a witness", path);
    }
    return BTZ_OK;
}

/* What is asked, against what was cosigned last (`seen` empty: nothing yet). */
static enum btz_err judge(struct btz_slice request, const struct btz_vkey *log,
                          struct btz_slice seen, struct btz_slice *note_bytes,
                          struct btz_note *note)
{
    struct btz_proof_file file = { .checkpoint = request };
    struct btz_checkpoint last, now;

    if (btz_slice_has_prefix(request, btz_str("old ")))
        BTZ_TRY(btz_proof_parse(request, &file));
    BTZ_TRY(btz_checkpoint_open(file.checkpoint, log, note, &now));
    *note_bytes = file.checkpoint;
    if (seen.len == 0) {
        if (file.index != 0 || file.proof.count != 0)
            return btz_fail(BTZ_CONFLICT,
                            "this witness has not cosigned %s yet: expected a plain "
                            "checkpoint or a proof from size 0",
                            log->name);
        return BTZ_OK;
    }
    if (btz_checkpoint_open(seen, log, NULL, &last) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "what this witness remembers of %s", log->name);
    if (now.size == last.size && !btz_hash_equal(&now.root, &last.root))
        return btz_fail(BTZ_DENIED,
                        "%s signed two different roots for %" PRIu64
                        " entries: keep both checkpoints, they prove it",
                        log->name, now.size);
    if (now.size == last.size && file.index == 0 && file.proof.count == 0)
        return BTZ_OK; /* once more, the same */
    if (file.index != last.size)
        return btz_fail(BTZ_CONFLICT,
                        "this witness last cosigned %" PRIu64 " entries of %s; the request starts "
                        "at %" PRIu64 ": make it with `bartizan ledger prove --from-checkpoint`",
                        last.size, log->name, file.index);
    return btz_proof_check_since(&file, seen, log, &now);
}

/* Only adds a line: what others signed and cosigned stays. */
static enum btz_err cosign(struct btz_slice note_bytes, const struct btz_note *note,
                           const struct btz_skey *key, uint64_t seconds, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_slice(out, note_bytes));
    return btz_note_sign(note->text, key, seconds, out);
}

static enum btz_err sign_locked(const char *folder, const struct btz_skey *key,
                                const struct btz_vkey *log, struct btz_slice request,
                                uint64_t seconds, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf seen = BTZ_BUF(BTZ_NOTE_MAX + 70000);
    struct btz_slice note_bytes;
    struct btz_note note;
    uint8_t digest[BTZ_SHA256_LEN];
    char hex[2 * BTZ_SHA256_LEN + 2];
    BTZ_FREE char *path = NULL;

    btz_sha256(btz_str(log->name), digest);
    hex[0] = '/';
    btz_hex(digest, sizeof digest, hex + 1);
    path = join(folder, hex);
    if (!path)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (access(path, F_OK) == 0)
        BTZ_TRY(btz_file_read(path, BTZ_NOTE_MAX, &seen));
    BTZ_TRY(judge(request, log, btz_buf_slice(&seen), &note_bytes, &note));
    BTZ_TRY(btz_file_write(path, note_bytes, 0644));
    return cosign(note_bytes, &note, key, seconds, out);
}

enum btz_err btz_witness_sign(const char *key_path, const struct btz_vkey *log,
                              struct btz_slice request, uint64_t seconds, struct btz_buf *out)
{
    BTZ_FREE char *folder = join(key_path, ".seen");
    BTZ_CLOSE_FD int fd = -1;
    struct btz_skey key;
    enum btz_err err = BTZ_OK;

    if (!folder)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium does not start");
    BTZ_TRY(read_key(key_path, &key));
    err = btz_file_mkdirs(folder, 0700);
    if (err == BTZ_OK) {
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* Check and record are one step, or a slower request could roll the record back. */
        if (fd < 0 || flock(fd, LOCK_EX) < 0)
            err = btz_fail_errno(BTZ_IO, "lock %s", folder);
    }
    if (err == BTZ_OK)
        err = sign_locked(folder, &key, log, request, seconds, out);
    btz_skey_wipe(&key);
    return err;
}
