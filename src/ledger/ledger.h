/*
 * ledger: an append-only Merkle log (RFC 6962 tree, C2SP tlog-tiles layout) with Ed25519-signed checkpoints
 * (C2SP signed-note, tlog-checkpoint) and an evidence store with salted commitments.
 *
 * Folder:  key (0600)  vkey  checkpoint  tile/L/N[.p/W]  tile/entries/N[.p/W]  evidence/aa/<sha256>  lock
 *
 * Acknowledged means: entry, tiles and a checkpoint that covers them are on disk (fsync). A process killed at
 * any instant leaves the last checkpoint valid; the next writer repairs what is past it.
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
/* OK when the proof leads from leaf to root, DENIED when it does not, INPUT when its length is impossible. */
BTZ_CHECKED enum btz_err btz_merkle_verify_inclusion(uint64_t index, uint64_t size,
                                                     const struct btz_hash *leaf,
                                                     const struct btz_hash *proof, size_t count,
                                                     const struct btz_hash *root);
BTZ_CHECKED enum btz_err btz_merkle_verify_consistency(uint64_t size1, uint64_t size2,
                                                       const struct btz_hash *proof, size_t count,
                                                       const struct btz_hash *root1,
                                                       const struct btz_hash *root2);

/* ---- the log ------------------------------------------------------------------------------------- */

struct btz_ledger;
enum btz_ledger_mode { BTZ_LEDGER_READ, BTZ_LEDGER_WRITE };

/* Creates folder and keys; CONFLICT when there is a ledger already. `origin` is the log's name, no spaces, no '+'. */
BTZ_CHECKED enum btz_err btz_ledger_create(const char *dir, const char *origin);
/* Writers hold an exclusive lock while they append (two writers are serialised, not refused); opening for
 * writing repairs a torn tail. Errors: IO, INPUT (not a ledger, damaged: says which file and offset), DENIED. */
BTZ_CHECKED enum btz_err btz_ledger_open(const char *dir, enum btz_ledger_mode mode,
                                         struct btz_ledger **out);
void btz_ledger_close(struct btz_ledger *l);
uint64_t btz_ledger_size(const struct btz_ledger *l);
const char *btz_ledger_origin(const struct btz_ledger *l);

/* Appends a group and returns once all of it is durable under a signed checkpoint. `*first` is the index of
 * entries[0]; the others follow. All or nothing. Errors: LIMIT (entry > 65,535 bytes), IO. */
BTZ_CHECKED enum btz_err btz_ledger_append(struct btz_ledger *l, const struct btz_slice *entries,
                                           size_t count, uint64_t *first);

/* Group commit from many threads: queue from anywhere; one call flushes what everybody queued. */
BTZ_CHECKED enum btz_err btz_ledger_append_shared(struct btz_ledger *l, struct btz_slice entry,
                                                  uint64_t *index);

/* One entry, appended to `out`. */
BTZ_CHECKED enum btz_err btz_ledger_entry(struct btz_ledger *l, uint64_t index,
                                          struct btz_buf *out);

/* Stores bytes by content; `digest` is SHA-256 of them. Durable on return. The entry that mentions evidence must
 * carry btz_evidence_commitment = SHA-256("bartizan/evidence/v1\n" || salt || digest), never the bare digest,
 * so that the bytes and the salt can be deleted later without breaking the log. The salt lives beside the blob. */
BTZ_CHECKED enum btz_err btz_ledger_put_evidence(struct btz_ledger *l, struct btz_slice bytes,
                                                 uint8_t digest[BTZ_SHA256_LEN],
                                                 uint8_t commitment[BTZ_SHA256_LEN]);

/* What verification found. Everything before `first_bad` is proven intact. */
struct btz_ledger_check {
    uint64_t size, entries_read, evidence_present, evidence_deleted;
    bool intact;
    uint64_t first_bad; /* index of the first entry that cannot be proven, when not intact */
    char what[512];     /* file, offset, and what is wrong */
};
/* Recomputes every hash from the entry bundles and compares tiles, checkpoint signature and, when given, an
 * older checkpoint kept outside (`witness_note`, may be empty), so that truncation and rollback show too.
 * OK also when the ledger is damaged: `out` says so. */
BTZ_CHECKED enum btz_err btz_ledger_verify(const char *dir, struct btz_slice vkey,
                                           struct btz_slice witness_note,
                                           struct btz_ledger_check *out);

#endif
