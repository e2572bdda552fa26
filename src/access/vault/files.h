/* files: what lies in the vault's folder. Only for the files of this folder. */
#ifndef BTZ_VAULT_FILES_H
#define BTZ_VAULT_FILES_H

#include "access/directory/directory.h"
#include "access/vault.h"

#define SMALL_MAX ((uint64_t)1 << 20) /* such files are read whole before each serving */

/* What the file system says of a file; what changes without us is looked at again. */
struct btz_file_seen {
    uint64_t size, inode, mtime_ns, ctime_ns;
};
/* A file that was taken in. */
struct btz_taken_file {
    uint8_t digest[BTZ_SHA256_LEN];
    char hex[2 * BTZ_SHA256_LEN + 1];
    struct btz_file_seen seen;
    uint64_t chunk_size;
    const uint8_t (*chunks)[BTZ_SHA256_LEN]; /* in the arena */
    size_t chunk_count;
};

/* <vault>/<hex>, in the arena. */
BTZ_CHECKED enum btz_err btz_vault_path(struct btz_access *a, struct btz_arena *arena,
                                        const char *hex, const char **out);
/* Copies `from` into the vault: read once, at most `max` bytes, written beside, synced, renamed, mode 0400. Errors: IO,
 * LIMIT, INPUT (no plain file; `expected`, hex, is another digest). */
BTZ_CHECKED enum btz_err btz_vault_take(struct btz_access *a, struct btz_arena *arena,
                                        const char *from, uint64_t max, const char *expected,
                                        struct btz_taken_file *out);
/* As btz_vault_take, of a body that the front has spooled: only from its folder. */
BTZ_CHECKED enum btz_err btz_vault_take_body(struct btz_access *a, struct btz_arena *arena,
                                             const char *from, uint64_t max, const char *expected,
                                             struct btz_taken_file *out);
/* Is there room for an upload of that size, which is there twice for a while? IO: "too full". */
BTZ_CHECKED enum btz_err btz_vault_room(struct btz_access *a, uint64_t size);
/* Nobody is writing this `.new-` file of the vault's folder any more. */
bool btz_vault_abandoned(int folder, const char *name);
/* INPUT: it is not there, or no plain file. */
BTZ_CHECKED enum btz_err btz_vault_look(struct btz_access *a, const char *hex,
                                        struct btz_file_seen *out);
bool btz_seen_equal(const struct btz_file_seen *a, const struct btz_file_seen *b);
/* The whole file. INPUT: its content is another one. */
BTZ_CHECKED enum btz_err btz_vault_read(struct btz_access *a, const char *hex,
                                        struct btz_file_seen *out);
BTZ_CHECKED enum btz_err btz_vault_remove(struct btz_access *a, const char *hex);

/* The key of manifests, made when missing: <vault>/key and <vault>/vkey. Wipe it. */
BTZ_CHECKED enum btz_err btz_vault_key(struct btz_access *a, struct btz_arena *arena,
                                       struct btz_skey *out);

/* ---- rows (rows.c) ---- */

/* One artifact, in the arena. */
struct btz_artifact {
    const char *id, *name, *kind, *media_type, *state, *hex, *created_by;
    uint64_t version, size;
    struct btz_file_seen seen;
};
#define BTZ_ARTIFACT_NAME                                                                          \
    {                                                                                              \
        .name = "artifact", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,        \
        .help = "Name of the artifact: a-z, 0-9 and ._+-, at most 127.",                           \
        .max = BTZ_ARTIFACT_NAME_MAX, .names = BTZ_NAMES_NEW                                       \
    }
#define BTZ_ARTIFACT_VERSION                                                                       \
    {                                                                                              \
        .name = "version", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,         \
        .help = "Which version: a number, or `latest`, the newest that is released.", .max = 10    \
    }
extern const char *const btz_artifact_kinds[], *const btz_artifact_states[]; /* NULL-terminated */
/* USAGE: not a-z, 0-9 and ._+- (begins with a letter or digit). */
BTZ_CHECKED enum btz_err btz_artifact_name_check(const char *name);
/* What the fields `artifact` and `version` name; sets c->target. Not found: btz_call_not_found. */
BTZ_CHECKED enum btz_err btz_artifact_find(struct btz_call *c, struct btz_artifact *out);
BTZ_CHECKED enum btz_err btz_artifact_json(struct btz_call *c, const char *id, json_t **out);
extern const struct btz_schema btz_vault_schemas[];

/* ---- damage (damage.c) ---- */

/* In a transaction: every artifact of the file is damaged from now on, with one alarm in the trail. */
BTZ_CHECKED enum btz_err btz_vault_damaged(struct btz_access *a, struct btz_store *s,
                                           const struct btz_caller *caller, const char *hex,
                                           const char *why);
/* The same in a transaction of its own, behind one that is over. */
BTZ_CHECKED enum btz_err btz_vault_alarm(struct btz_access *a, struct btz_store *s, const char *hex,
                                         const char *why);
/* In a transaction: it was read whole, and this is how it looks now. */
BTZ_CHECKED enum btz_err btz_vault_proven(struct btz_access *a, struct btz_store *s,
                                          const char *hex, const struct btz_file_seen *seen);

#endif
