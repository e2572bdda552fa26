/* The ledger's handle. Inside of the ledger folder; nobody else includes this (its tests do). */
#ifndef BTZ_LEDGER_LOG_H
#define BTZ_LEDGER_LOG_H

#include <pthread.h>
#include <stdatomic.h>

#include "ledger/tiles.h"

struct btz_ledger_waiting;

/* "evidence/staged/" and a random name. */
#define BTZ_STAGING_NAME 16
#define BTZ_STAGING_PATH (sizeof "evidence/staged/" + BTZ_STAGING_NAME)

/* Evidence that the next append publishes. */
struct btz_staged {
    uint8_t digest[BTZ_SHA256_LEN];
    uint8_t salt[BTZ_EVIDENCE_SALT + BTZ_SHA256_LEN]; /* salt || commitment */
    bool salt_waits, blob_waits;                      /* for their place; else they are there */
};

struct btz_ledger {
    pthread_mutex_t mutex; /* over everything down to staging_lock */
    char *path;
    int dir, lock;
    enum btz_ledger_mode mode;
    struct btz_vkey vkey;
    struct btz_skey skey;      /* WRITE only */
    struct btz_edge edge;      /* of the checkpoint */
    struct btz_hash root;      /* of the edge */
    struct btz_hash seen;      /* root at `size`: what the handle last knew to be durable */
    struct btz_buf checkpoint; /* signed note, as on disk */
    struct btz_buf tail;       /* WRITE only: bytes of the partial bundle */
    struct btz_buf scratch;
    bool loaded, stale, deep;
    _Atomic uint64_t size;
    struct {
        bool valid;
        uint64_t n;
        struct btz_hash hash[BTZ_TILE_WIDTH];
    } tile[BTZ_TILE_LEVELS]; /* full tiles, proven up to the root */
    struct {
        bool valid;
        uint64_t n;
        unsigned width;
        struct btz_buf bytes;
        struct btz_bundle bundle;
    } bundle;

    struct btz_staged *staged; /* WRITE only */
    size_t staged_count, staged_room;
    bool staged_lost;               /* a sync failed: nobody knows what of it is on the disk */
    bool evidence_synced;           /* the folder `evidence` itself is durable */
    char staging[BTZ_STAGING_PATH]; /* this handle's folder, empty before the first use */
    int staging_lock;

    pthread_mutex_t group_mutex;
    pthread_cond_t group_done;
    struct btz_ledger_waiting *group_first, **group_end;
    bool group_busy;

    /* Called before each step of a commit that the disk can see; tests stop the process in it. */
    void (*step)(void *user, const char *what);
    void *step_user;
};

#define BTZ_LEDGER_CHECKPOINT_NEW "checkpoint.new"

/* log.c; the caller holds the mutex. Exclusive or shared lock of the folder. */
BTZ_CHECKED enum btz_err btz_ledger_lock(struct btz_ledger *l, bool exclusive);
void btz_ledger_unlock(struct btz_ledger *l);

/* load.c; the caller holds the mutex, and the exclusive lock in WRITE mode. */
BTZ_CHECKED enum btz_err btz_ledger_load(struct btz_ledger *l);
/* Signs `text`, makes it the checkpoint, durably. `fd` is checkpoint.new. */
BTZ_CHECKED enum btz_err btz_ledger_publish(struct btz_ledger *l, int fd, struct btz_slice text);
/* Records size and root as about to be signed, durably. */
BTZ_CHECKED enum btz_err btz_ledger_write_pending(int dir, const char *dir_name,
                                                  const struct btz_skey *key,
                                                  struct btz_slice text);
/* `key` NULL: the authentication code is not checked. INPUT when missing or damaged. */
BTZ_CHECKED enum btz_err btz_ledger_read_pending(int dir, const char *dir_name,
                                                 const struct btz_skey *key, struct btz_buf *bytes,
                                                 struct btz_checkpoint *out);
/* Right edge of a tree of that size, from the tiles. INPUT when it does not give `root`. */
BTZ_CHECKED enum btz_err btz_edge_load(int dir, const char *dir_name, uint64_t size,
                                       const struct btz_hash *root, struct btz_edge *out);

/* evidence.c; the caller holds the mutex and the exclusive lock. */
BTZ_CHECKED enum btz_err btz_evidence_publish(struct btz_ledger *l);
/* Removes what processes that died had staged. */
void btz_evidence_wipe_dead(struct btz_ledger *l);
/* Drops what is staged; without any lock, when the handle is closed. */
void btz_evidence_release(struct btz_ledger *l);

/* read.c; the caller holds the mutex. */
BTZ_CHECKED enum btz_err btz_ledger_tile(struct btz_ledger *l, unsigned level, uint64_t n,
                                         const struct btz_hash **out);
/* Entry bundle into the cache; entries are checked one by one by btz_ledger_entry_check. */
BTZ_CHECKED enum btz_err btz_ledger_load_bundle(struct btz_ledger *l, uint64_t n);
BTZ_CHECKED enum btz_err btz_ledger_entry_check(struct btz_ledger *l, uint64_t index,
                                                struct btz_slice *out);
struct btz_merkle_source btz_ledger_source(struct btz_ledger *l);

#endif
