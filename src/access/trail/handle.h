/* The trail's handle and its files. Inside of this folder; nobody else includes this (its tests do). */
#ifndef BTZ_TRAIL_HANDLE_H
#define BTZ_TRAIL_HANDLE_H

#include <pthread.h>

#include "access/trail.h"

#define BTZ_TRAIL_TYPE    "bartizan/trail/v1"
#define BTZ_TRAIL_MONTH   8  /* "2026-11" */
#define BTZ_TRAIL_HOME    33 /* which ledger an outbox row belongs to */
#define BTZ_TRAIL_KEY     32
#define BTZ_TRAIL_NONCE   24
#define BTZ_TRAIL_JOURNAL 64 /* "WRITER.EPOCH.SEQUENCE" */

struct btz_trail {
    char *dir;
    struct btz_ledger *ledger; /* only of the thread that flushes */
    char home[BTZ_TRAIL_HOME];
    const struct btz_seal *seal;
    bool has_auditor;
    uint8_t auditor_key[32];
    uint64_t (*now_ms)(void *user);
    void *user;
    int lock; /* file trail.lock: held from reading the outbox to clearing it */

    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool busy;
    uint64_t asked, flushed, failed; /* tickets: given out, served, last that met an error */
    enum btz_err last;
    char detail[512];

    /* log.c; of the thread that logs */
    uint8_t log_key[BTZ_TRAIL_KEY];
    char log_month[BTZ_TRAIL_MONTH]; /* whose key that is; "": none */
    uint64_t log_size;               /* of the ledger when it was last looked at */
    uint64_t log_entries,
        log_told_ns; /* not yet added to the month's number, and when they last were */
    struct btz_buf log_leaves;

    /* Called between the steps of a flush; tests stop the process in it. */
    void (*step)(void *user, const char *what);
    void *step_user;
};

/* month.c: content under the key of its month. */
void btz_trail_month(uint64_t unix_ms, char out[BTZ_TRAIL_MONTH]);
/* The key of a month, made in the transaction of `s` when there is none and `make`; *found false when there is none.
 * Never kept between transactions: one that is rolled back takes its key with it. */
BTZ_CHECKED enum btz_err btz_month_key(const struct btz_trail *t, struct btz_store *s,
                                       const char *month, bool make, uint8_t key[BTZ_TRAIL_KEY],
                                       bool *found);
/* XChaCha20-Poly1305: name of the key || nonce || box; `about` is authenticated. Opening: DENIED with another key of
 * the month than it was sealed with, INPUT. */
BTZ_CHECKED enum btz_err btz_month_seal(const uint8_t key[BTZ_TRAIL_KEY], const char *about,
                                        struct btz_slice clear, struct btz_buf *out);
/* `nonce`: from btz_random_bytes(), never used before. */
BTZ_CHECKED enum btz_err btz_month_seal_with(const uint8_t key[BTZ_TRAIL_KEY], const char *about,
                                             const uint8_t nonce[BTZ_TRAIL_NONCE],
                                             struct btz_slice clear, struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_month_open(const uint8_t key[BTZ_TRAIL_KEY], const char *about,
                                        struct btz_slice sealed, struct btz_buf *out);

/* leaf.c: the entry in the ledger. */
struct btz_leaf {
    struct btz_buf text;          /* JSON of the leaf without evidence */
    struct btz_buf large, secret; /* sealed, empty when there is none */
    char large_digest[65], secret_digest[65];
};
void btz_leaf_release(struct btz_leaf *leaf);
BTZ_CHECKED enum btz_err btz_leaf_build(const struct btz_trail *t, const struct btz_trail_entry *e,
                                        const char *id, uint64_t now_ms, const char *month,
                                        const uint8_t key[BTZ_TRAIL_KEY], struct btz_leaf *out);
/* With the commitments of its evidence; `count` 0: as it is. */
BTZ_CHECKED enum btz_err btz_leaf_finish(struct btz_slice text, const char (*commitments)[65],
                                         size_t count, struct btz_buf *out);
/* Where a member of a call stands: in clear, in the content, or there in the object "call". `value` is JSON text. */
enum btz_leaf_place { BTZ_LEAF_CLEAR, BTZ_LEAF_SEALED, BTZ_LEAF_CALL };
enum btz_leaf_place btz_leaf_place(struct btz_slice name, struct btz_slice value);
/* A ledger entry that claims to be of the trail. */
bool btz_is_leaf(struct btz_slice entry);
/* Checks the shape of a leaf. INPUT: names what is wrong. The caller owns *out. */
BTZ_CHECKED enum btz_err btz_leaf_parse(struct btz_slice entry, json_t **out);
/* Replaces member "content" by what it holds; the large objects come from `ledger` (may be NULL: left out). Content
 * of a key that is gone leaves "content": "deleted", what else cannot be opened "damaged". */
BTZ_CHECKED enum btz_err btz_leaf_open(json_t *leaf, const uint8_t key[BTZ_TRAIL_KEY],
                                       struct btz_ledger *ledger);

/* log.c: an entry that never had a row in the outbox. */
bool btz_is_logged(struct btz_slice entry);

/* flush.c: CONFLICT when the ledger was put back to an older state. */
BTZ_CHECKED enum btz_err btz_trail_check_mark(struct btz_trail *t, struct btz_store *s);
/* `job` as the only one of all threads and processes that is at the ledger for the trail. */
BTZ_CHECKED enum btz_err btz_trail_alone(struct btz_trail *t,
                                         enum btz_err (*job)(struct btz_trail *t, void *user),
                                         void *user);

/* trail.c */
void btz_trail_step(const struct btz_trail *t, const char *what);
BTZ_CHECKED enum btz_err btz_trail_reopen(struct btz_trail *t);

#endif
