/*
 * vault: models and data sets that must not change. A file is registered by its SHA-256 and lies in the state folder
 * under that name; a signed manifest says what it is and lets every part of it be verified alone. The operations
 * artifact.* are in vault/, with everything that operations have: permissions, second factors, four eyes, the trail.
 *
 *   upload -> quarantined -> released -> withdrawn
 *                    \____ damaged ____/   (its file is no longer what was registered: refused from then on)
 */
#ifndef BTZ_ACCESS_VAULT_H
#define BTZ_ACCESS_VAULT_H

#include "access/access.h"

#define BTZ_ARTIFACT_NAME_MAX 127
#define BTZ_CHUNK_MIN         (UINT64_C(1) << 20)
#define BTZ_CHUNKS_MAX        8192u /* larger files have larger chunks, by powers of two */
#define BTZ_MANIFEST_MAX      ((size_t)1 << 20)

/* ---- manifests (manifest.c): canonical JSON in a signed note ------------------------------------------------------ */

/*
 * The text of the note is one line of JSON, keys sorted, no blanks: chunk_size, chunks (hex SHA-256 of each), created,
 * digest ("sha256:" and hex), kind, media_type, name, size, type ("bartizan.artifact.v1"), version. What is not exactly
 * what the writer would write is refused: one manifest has one spelling.
 */
struct btz_manifest {
    const char *name, *kind, *media_type, *created; /* in the arena */
    uint64_t version, size, chunk_size;
    uint8_t digest[BTZ_SHA256_LEN];
    const uint8_t (*chunks)[BTZ_SHA256_LEN];
    size_t chunk_count;
};
/* The smallest chunk with which `size` bytes have at most BTZ_CHUNKS_MAX of them. LIMIT: not even the largest. */
BTZ_CHECKED enum btz_err btz_chunk_size(uint64_t size, uint64_t *out);
BTZ_CHECKED enum btz_err btz_manifest_write(const struct btz_manifest *m,
                                            const struct btz_skey *key, struct btz_buf *out);
/* Form alone; `note` (may be NULL) gets the signatures. Errors: INPUT, LIMIT. */
BTZ_CHECKED enum btz_err btz_manifest_parse(struct btz_slice bytes, struct btz_arena *arena,
                                            struct btz_manifest *out, struct btz_note *note);
/* Form and signature. DENIED: the key did not sign it. */
BTZ_CHECKED enum btz_err btz_manifest_open(struct btz_slice bytes, const struct btz_vkey *key,
                                           struct btz_arena *arena, struct btz_manifest *out);
/* Bytes that begin at chunk `index`: OK when every whole chunk (the last may be short) is what was registered. INPUT: the
 * first that is not; or `bytes` does not end with a chunk. */
BTZ_CHECKED enum btz_err btz_manifest_check_chunks(const struct btz_manifest *m, size_t index,
                                                   struct btz_slice bytes);
/* The whole file, read once. INPUT: says which bytes differ. */
BTZ_CHECKED enum btz_err btz_manifest_check_file(const struct btz_manifest *m, int fd,
                                                 const char *what);

/* ---- the background verifier (watch.c) ----------------------------------------------------------------------------- */

/*
 * Looks at size, times and inode of every registered file at each turn, and reads all of them in slices, one after the
 * other, so many bytes a turn. What differs is recorded as damaged, with an alarm in the trail. Files that nobody
 * registered go after an hour, halves of uploads whose process died at once. One thread.
 */
struct btz_vault_watch;
BTZ_CHECKED enum btz_err btz_vault_watch_new(struct btz_access *a, struct btz_vault_watch **out);
void btz_vault_watch_free(struct btz_vault_watch *w);
/* One turn. Errors: IO (the vault cannot be read), those of the store. */
BTZ_CHECKED enum btz_err btz_vault_watch_turn(struct btz_vault_watch *w, uint64_t read_max);

/* ---- for front ends --------------------------------------------------------------------------------------------------- */

/* <state>/vault, made when missing; in the arena. */
BTZ_CHECKED enum btz_err btz_vault_folder(struct btz_access *a, struct btz_arena *arena,
                                          const char **out);
/* Where the front may leave bodies of uploads: <state>/gate/temp/client_body, below which alone they are taken from. */
BTZ_CHECKED enum btz_err btz_vault_spool(struct btz_access *a, struct btz_arena *arena,
                                         const char **out);

#endif
