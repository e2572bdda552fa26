/*
 * ledger: an append-only Merkle log (RFC 6962 tree, C2SP tlog-tiles layout) with Ed25519-signed checkpoints
 * (C2SP signed-note, tlog-checkpoint) and an evidence store with salted commitments.
 *
 * Folder:  key (0600)  vkey  checkpoint  pending  lock  tile/L/N[.p/W]  tile/entries/N[.p/W]
 *          evidence/aa/<sha256>  evidence/aa/<sha256>.salt  evidence/staged/<random>/
 *
 * Acknowledged means: entry, tiles and a checkpoint that covers them are on disk (fsync). A process killed at
 * any instant leaves the last checkpoint valid; the next writer repairs what is past it.
 *
 * A handle may be used from several threads.
 */
#ifndef BTZ_LEDGER_H
#define BTZ_LEDGER_H

#include "base/base.h"

#define BTZ_LEDGER_ENTRY_MAX 65535

/* ---- Merkle tree arithmetic (merkle.c): RFC 6962 s.2.1, RFC 9162 s.2.1 --------------------------- */

struct btz_hash {
    uint8_t b[BTZ_SHA256_LEN];
};
void btz_merkle_leaf(struct btz_slice entry, struct btz_hash *out);
void btz_merkle_node(const struct btz_hash *l, const struct btz_hash *r, struct btz_hash *out);
bool btz_hash_equal(const struct btz_hash *a, const struct btz_hash *b);

/* The longest proof of a tree of up to 2^64 - 1 leaves. */
#define BTZ_PROOF_MAX 64
struct btz_proof {
    struct btz_hash hash[BTZ_PROOF_MAX];
    size_t count;
};

/* Where hashes of complete subtrees come from: D[index * 2^height : (index + 1) * 2^height]. */
struct btz_merkle_source {
    enum btz_err (*subtree)(void *user, unsigned height, uint64_t index, struct btz_hash *out);
    void *user;
};
BTZ_CHECKED enum btz_err btz_merkle_root(const struct btz_merkle_source *source, uint64_t size,
                                         struct btz_hash *out);
/* Errors: INPUT (index or size out of range), and those of the source. */
BTZ_CHECKED enum btz_err btz_merkle_prove_inclusion(const struct btz_merkle_source *source,
                                                    uint64_t index, uint64_t size,
                                                    struct btz_proof *out);
BTZ_CHECKED enum btz_err btz_merkle_prove_consistency(const struct btz_merkle_source *source,
                                                      uint64_t size1, uint64_t size2,
                                                      struct btz_proof *out);

/* OK when the proof leads from leaf to root, DENIED when it does not, INPUT when its length is impossible. */
BTZ_CHECKED enum btz_err btz_merkle_verify_inclusion(uint64_t index, uint64_t size,
                                                     const struct btz_hash *leaf,
                                                     const struct btz_hash *proof, size_t count,
                                                     const struct btz_hash *root);
BTZ_CHECKED enum btz_err btz_merkle_verify_consistency(uint64_t size1, uint64_t size2,
                                                       const struct btz_hash *proof, size_t count,
                                                       const struct btz_hash *root1,
                                                       const struct btz_hash *root2);

/* ---- keys, signed notes, checkpoints (note.c): C2SP signed-note, tlog-checkpoint, tlog-cosignature --- */

#define BTZ_KEY_NAME_MAX 255
enum btz_key_kind { BTZ_KEY_ED25519 = 0x01, BTZ_KEY_COSIGN = 0x04 };
struct btz_vkey {
    char name[BTZ_KEY_NAME_MAX + 1]; /* no spaces, no '+' */
    enum btz_key_kind kind;
    uint8_t id[4];
    uint8_t public_key[32];
};
struct btz_skey {
    struct btz_vkey vkey;
    uint8_t seed[32], secret[64];
};
/* "name+hexid+base64(kind || key)", white space around it allowed. Errors: INPUT, UNSUPPORTED (other kinds). */
BTZ_CHECKED enum btz_err btz_vkey_parse(struct btz_slice text, struct btz_vkey *out);
BTZ_CHECKED enum btz_err btz_vkey_write(const struct btz_vkey *key, struct btz_buf *out);
/* A fresh key from the operating system's randomness. Errors: USAGE (name). */
BTZ_CHECKED enum btz_err btz_skey_new(const char *name, enum btz_key_kind kind,
                                      struct btz_skey *out);
/* "PRIVATE+KEY+name+hexid+base64(kind || seed)", the form of golang.org/x/mod/sumdb/note. */
BTZ_CHECKED enum btz_err btz_skey_parse(struct btz_slice text, struct btz_skey *out);
BTZ_CHECKED enum btz_err btz_skey_write(const struct btz_skey *key, struct btz_buf *out);
void btz_skey_wipe(struct btz_skey *key);

#define BTZ_NOTE_MAX        (1 << 20)
#define BTZ_NOTE_SIGNATURES 64
struct btz_note_signature {
    struct btz_slice name, base64; /* of key id and signature */
    uint8_t id[4];
};
/* Borrows the bytes it was parsed from. */
struct btz_note {
    struct btz_slice text; /* with its last newline */
    struct btz_note_signature signature[BTZ_NOTE_SIGNATURES];
    size_t count;
};
BTZ_CHECKED enum btz_err btz_note_parse(struct btz_slice bytes, struct btz_note *out);
/* Appends one signature line over `text`; `seconds` (Unix) only counts for BTZ_KEY_COSIGN. */
BTZ_CHECKED enum btz_err btz_note_sign(struct btz_slice text, const struct btz_skey *key,
                                       uint64_t seconds, struct btz_buf *out);
/* OK when the key signed; DENIED when no line is of that key, or one is and fails. `seconds`: time of a
 * cosignature, else 0; may be NULL. */
BTZ_CHECKED enum btz_err btz_note_verify(const struct btz_note *note, const struct btz_vkey *key,
                                         uint64_t *seconds);

/* Borrows the text it was parsed from. */
struct btz_checkpoint {
    struct btz_slice origin;
    uint64_t size;
    struct btz_hash root;
    struct btz_slice extensions; /* lines, may be empty */
};
BTZ_CHECKED enum btz_err btz_checkpoint_parse(struct btz_slice text, struct btz_checkpoint *out);
BTZ_CHECKED enum btz_err btz_checkpoint_write(const char *origin, uint64_t size,
                                              const struct btz_hash *root, struct btz_buf *out);
/* Note, signature of the log's key, origin equal to the key's name. `note` may be NULL. */
BTZ_CHECKED enum btz_err btz_checkpoint_open(struct btz_slice bytes, const struct btz_vkey *log,
                                             struct btz_note *note, struct btz_checkpoint *out);

/* ---- the log ------------------------------------------------------------------------------------- */

struct btz_ledger;
enum btz_ledger_mode { BTZ_LEDGER_READ, BTZ_LEDGER_WRITE };

/* Creates folder and keys; CONFLICT when there is a ledger already. `origin` is the log's name, no spaces, no '+'. */
BTZ_CHECKED enum btz_err btz_ledger_create(const char *dir, const char *origin);
/* Writers hold an exclusive lock while they append (two writers are serialised, not refused); opening for
 * writing repairs a torn tail. Errors: IO, INPUT (not a ledger, damaged: says which file and offset), DENIED. */
BTZ_CHECKED enum btz_err btz_ledger_open(const char *dir, enum btz_ledger_mode mode,
                                         struct btz_ledger **out);
/* For writing; where there is none it is created first, under the name of this machine and a salt, and one that a killed
 * process left without a checkpoint and without entries is completed under the name it has. Errors: those of both. */
BTZ_CHECKED enum btz_err btz_ledger_open_own(const char *dir, struct btz_ledger **out);
void btz_ledger_close(struct btz_ledger *l);
uint64_t btz_ledger_size(const struct btz_ledger *l);
const char *btz_ledger_origin(const struct btz_ledger *l);

/* Appends a group and returns once all of it is durable under a signed checkpoint. `*first` is the index of
 * entries[0]; the others follow. All or nothing. After an error nothing of the group was acknowledged; when it
 * struck after the group was on disk, the next append completes the whole group under its checkpoint first.
 * Publishes the evidence that this handle has staged before it commits anything, and fails as that does.
 * Errors: LIMIT (entry > 65,535 bytes), IO (full disk, read-only folder), INPUT (ledger damaged), CONFLICT (the
 * folder was put back to an older state), USAGE (handle opened for reading). */
BTZ_CHECKED enum btz_err btz_ledger_append(struct btz_ledger *l, const struct btz_slice *entries,
                                           size_t count, uint64_t *first);

/* Group commit from many threads: queue from anywhere; one call flushes what everybody queued. */
BTZ_CHECKED enum btz_err btz_ledger_append_shared(struct btz_ledger *l, struct btz_slice entry,
                                                  uint64_t *index);

/* One entry, appended to `out`; checked against the tiles up to the signed root, so never silently altered. */
BTZ_CHECKED enum btz_err btz_ledger_entry(struct btz_ledger *l, uint64_t index,
                                          struct btz_buf *out);

/* Takes notice of what other processes appended since. */
BTZ_CHECKED enum btz_err btz_ledger_refresh(struct btz_ledger *l);
/* The signed note of the current checkpoint, appended to `out`. */
BTZ_CHECKED enum btz_err btz_ledger_checkpoint(struct btz_ledger *l, struct btz_buf *out);
void btz_ledger_root(struct btz_ledger *l, struct btz_hash *out);
void btz_ledger_vkey(const struct btz_ledger *l, struct btz_vkey *out);
/* Root and proofs of any size up to the current one. Errors: INPUT (out of range, or damaged tiles). */
BTZ_CHECKED enum btz_err btz_ledger_root_at(struct btz_ledger *l, uint64_t size,
                                            struct btz_hash *out);
BTZ_CHECKED enum btz_err btz_ledger_prove_inclusion(struct btz_ledger *l, uint64_t index,
                                                    uint64_t size, struct btz_proof *out);
BTZ_CHECKED enum btz_err btz_ledger_prove_consistency(struct btz_ledger *l, uint64_t size1,
                                                      uint64_t size2, struct btz_proof *out);

/* ---- evidence (evidence.c) ----------------------------------------------------------------------- */

#define BTZ_EVIDENCE_MAX  (256u << 20)
#define BTZ_EVIDENCE_SALT 32
/* SHA-256("bartizan/evidence/v1\n" || salt || digest). */
void btz_evidence_commitment(const uint8_t salt[BTZ_EVIDENCE_SALT],
                             const uint8_t digest[BTZ_SHA256_LEN], uint8_t out[BTZ_SHA256_LEN]);

/* Stages bytes by content; `digest` is SHA-256 of them. They become readable and durable with the next append of
 * this handle (of one entry or more; under the same lock, before its entries are committed), with
 * btz_ledger_put_evidence or btz_ledger_publish_evidence, or by themselves when 4,096 are staged; what is still
 * staged at btz_ledger_close is dropped. Entries that mention it must be appended through this handle.
 *
 * The entry that mentions evidence must carry the commitment, never the bare digest, so that the bytes and the salt
 * can be deleted later without breaking the log. The salt lives beside the blob; equal bytes, stored or staged by
 * whichever handle, have one salt and commitment. Verification finds mentions in compact JSON:
 * "commitment":"<64 hex digits>" or "evidence":["<64 hex>",...].
 *
 * Errors: LIMIT (more than BTZ_EVIDENCE_MAX), IO, INPUT (its stored salt is damaged), USAGE (handle opened for
 * reading), at 4,096 those of btz_ledger_publish_evidence. After an error nothing of these bytes is staged. */
BTZ_CHECKED enum btz_err btz_ledger_stage_evidence(struct btz_ledger *l, struct btz_slice bytes,
                                                   uint8_t digest[BTZ_SHA256_LEN],
                                                   uint8_t commitment[BTZ_SHA256_LEN]);

/* Makes everything staged durable and readable: all of it on BTZ_OK. Up to 8 pieces with one fsync a file; for
 * more with syncfs(2), which waits for other writers of that file system too.
 * Errors: CONFLICT (somebody stored the same bytes with another salt meanwhile), INPUT (a stored salt is damaged),
 * IO. btz_ledger_append fails with the same errors before it writes anything. After CONFLICT, INPUT and after a
 * failed sync every later publish or append of this handle fails: close it, and stage and append again. */
BTZ_CHECKED enum btz_err btz_ledger_publish_evidence(struct btz_ledger *l);

/* Stage and publish: durable on return, with all that was staged before. */
BTZ_CHECKED enum btz_err btz_ledger_put_evidence(struct btz_ledger *l, struct btz_slice bytes,
                                                 uint8_t digest[BTZ_SHA256_LEN],
                                                 uint8_t commitment[BTZ_SHA256_LEN]);

/* The bytes of a digest, checked, appended to `out`. Errors: IO (not there, or only staged), INPUT (damaged). */
BTZ_CHECKED enum btz_err btz_ledger_get_evidence(struct btz_ledger *l,
                                                 const uint8_t digest[BTZ_SHA256_LEN],
                                                 struct btz_buf *out);
/* Deletes bytes and salt for good, also those that this handle has staged, not those that another has; the log
 * stays whole. OK also when they are gone already. */
BTZ_CHECKED enum btz_err btz_ledger_drop_evidence(struct btz_ledger *l,
                                                  const uint8_t digest[BTZ_SHA256_LEN]);

/* ---- verification (verify.c) --------------------------------------------------------------------- */

/* What verification found. Everything before `first_bad` is proven intact. */
struct btz_ledger_check {
    uint64_t size, entries_read, evidence_present, evidence_deleted;
    bool intact;
    uint64_t
        first_bad; /* index of the first entry that cannot be proven; `size` when every entry is proven
                         * and something else is wrong (a tile, a key, evidence, a rollback) */
    uint64_t problems; /* how many; `what` tells the first */
    bool unfinished;   /* a writer is at work, or died: files past the checkpoint are not judged */
    uint64_t waiting;  /* entries past the checkpoint that the next writer will complete */
    char what[512];    /* file, offset, and what is wrong */
};
/* Recomputes every hash from the entry bundles and compares tiles, checkpoint signature and, when given, an
 * older checkpoint kept outside (`witness_note`, may be empty), so that truncation and rollback show too.
 * OK also when the ledger is damaged: `out` says so. */
BTZ_CHECKED enum btz_err btz_ledger_verify(const char *dir, struct btz_slice vkey,
                                           struct btz_slice witness_note,
                                           struct btz_ledger_check *out);

/* ---- portable proofs (proof.c): C2SP tlog-proof@v1 and the body of tlog-witness add-checkpoint ----- */

/* Borrows the bytes it was parsed from. */
struct btz_proof_file {
    bool is_inclusion;      /* else consistency: `index` is the old size */
    struct btz_slice extra; /* base64, not authenticated; empty when absent */
    uint64_t index;
    struct btz_proof proof;
    struct btz_slice checkpoint; /* a signed note */
};
BTZ_CHECKED enum btz_err btz_proof_parse(struct btz_slice bytes, struct btz_proof_file *out);
BTZ_CHECKED enum btz_err btz_proof_write(const struct btz_proof_file *file, struct btz_buf *out);
/* The proof of one entry under the current checkpoint, the entry itself as extra data. */
BTZ_CHECKED enum btz_err btz_ledger_prove_entry(struct btz_ledger *l, uint64_t index,
                                                struct btz_buf *out);
/* From an older signed checkpoint of this ledger to the current one. Errors: DENIED (not signed by this
 * ledger), CONFLICT (not a prefix of this ledger, or larger than it). */
BTZ_CHECKED enum btz_err btz_ledger_prove_since(struct btz_ledger *l, struct btz_slice old_note,
                                                struct btz_buf *out);

/* Which witnesses must have cosigned: `need` of `count`. */
struct btz_witness_policy {
    const struct btz_vkey *witnesses;
    size_t count, need;
};
/* Offline: leaf hash, log signature, witnesses, inclusion, in that order. `policy` may be NULL.
 * Errors: INPUT (not a proof), DENIED (does not prove it, and why). */
BTZ_CHECKED enum btz_err btz_proof_check_entry(const struct btz_proof_file *file,
                                               struct btz_slice entry, const struct btz_vkey *log,
                                               const struct btz_witness_policy *policy,
                                               struct btz_checkpoint *out);
/* That the checkpoint in the file continues the old one, signed by the same log. */
BTZ_CHECKED enum btz_err btz_proof_check_since(const struct btz_proof_file *file,
                                               struct btz_slice old_note,
                                               const struct btz_vkey *log,
                                               struct btz_checkpoint *out);

/* ---- witness (witness.c): cosigns checkpoints, remembers the last one of each log ------------------- */

/* `key_path`: private key 0600; `<key_path>.vkey` public; `<key_path>.seen/<sha256 of origin>` what it signed. */
BTZ_CHECKED enum btz_err btz_witness_create(const char *key_path, const char *name,
                                            struct btz_vkey *out);
/* `request`: a checkpoint (the first of this log) or a consistency proof from the last one cosigned. Appends the
 * checkpoint with the cosignature added. The new state is durable before the signature exists.
 * Errors: DENIED (not signed by `log`, proof fails), CONFLICT (old size is not the last cosigned: says it). */
BTZ_CHECKED enum btz_err btz_witness_sign(const char *key_path, const struct btz_vkey *log,
                                          struct btz_slice request, uint64_t seconds,
                                          struct btz_buf *out);

#endif
