/*
 * table: the counters and leases in a file that all workers map. Whatever the file says, nothing outside it is touched:
 * positions come from digests and from this process, and those that are read from the file are checked where they are used.
 *
 * Everything below is changed with the lock held, by btz_table_set32/64, which write the old value down first. Whoever
 * finds the lock of a process that died puts the old values back, so a change is there as a whole or not at all. Only what
 * is worth nothing any more (a window that is over, a slot that counts nothing) is overwritten without that.
 */
#ifndef BTZ_GATE_LIMITS_TABLE_H
#define BTZ_GATE_LIMITS_TABLE_H

#include <pthread.h>

#include "base/cover.h"
#include "gate/limits/limits.h"

#define BTZ_TABLE_MAGIC    0x314d494c5a5442ULL /* "BTZLIM1" */
#define BTZ_TABLE_VERSION  1
#define BTZ_TABLE_SLOTS    65536u
#define BTZ_TABLE_LEASES   16384u
#define BTZ_TABLE_SECONDS  61u /* of a rate: the second that runs and the 60 before it */
#define BTZ_TABLE_JOURNAL  256u
#define BTZ_TABLE_NAME     84u
#define BTZ_TABLE_HEAD     8192u
#define BTZ_TABLE_SET      16u /* slots that share a line of tags */
#define BTZ_TABLE_CHOICES  4u  /* sets that a counter may be in */
#define BTZ_NO_SLOT        UINT32_MAX
#define BTZ_NO_LEASE       UINT32_MAX
#define BTZ_LIMIT_IDENTITY 16

struct btz_table_old {
    uint32_t at, size; /* 4 or 8 bytes at this offset of the file */
    uint64_t value;
};
struct btz_table_head {
    /* Never changes. */
    uint64_t magic;
    uint32_t version, head_size, slot_size, lease_size, mutex_size, slots, leases, seconds;
    uint64_t size;   /* of the file */
    uint8_t key[16]; /* of the digests: names cannot be chosen to meet in one place */
    /* Changes. */
    uint64_t clock_ms; /* latest time that was said */
    uint64_t ahead_ms; /* how far rates are ahead of it, where the clock was set back */
    uint64_t serial;   /* of the latest lease */
    uint64_t
        reaped_ns; /* when the dead were looked for because somebody was refused (monotonic clock) */
    uint32_t hint; /* where a free lease may be */
    uint32_t old_count;
    struct btz_table_old old[BTZ_TABLE_JOURNAL];
    pthread_mutex_t lock;
};
struct btz_table_slot {
    uint8_t digest[16];
    uint64_t window;  /* rates: latest second in `rate`; budgets: number of the window */
    uint64_t ends_ms; /* budgets: end of that window */
    uint64_t used;    /* budgets and concurrency */
    uint32_t generation;
    uint8_t scope, kind;
    uint16_t name_len;
    uint64_t identity; /* of the limit, the first 8 bytes */
    uint32_t rate[BTZ_TABLE_SECONDS];
    char name[BTZ_TABLE_NAME];
};
struct btz_table_lease { /* the concurrency that a request holds; in use where its owner is not 0 */
    uint64_t started;    /* when its process began, in the kernel's ticks: pids are used again */
    uint64_t serial;
    uint32_t count, zero;
    uint32_t counter[BTZ_LEASE_COUNTERS];
};

/* One kind of one item of `limits:`. */
struct btz_limit_rule {
    enum btz_limit_scope scope;
    enum btz_limit_kind kind;
    struct btz_slice pattern;
    bool prefix;        /* the pattern had a star */
    uint64_t limit;     /* in the kind's unit */
    uint64_t window_ms; /* budgets; 0: calendar months */
    /* Digest of scope, kind, pattern and window, not of the limit: a changed limit finds its counters again. */
    uint8_t identity[BTZ_LIMIT_IDENTITY];
};
struct btz_table_process {
    uint64_t started;
    uint32_t pid;
};
struct btz_limits {
    struct btz_limit_rule *rules;
    size_t rule_count;
    struct btz_arena arena;
    uint64_t lease_ms; /* in Redis */
    int fd;
    bool writable;
    char *path;
    uint8_t *map;
    struct btz_cover *cover;
    size_t size;
    uint32_t slot_count, lease_count; /* what was checked, not what the file says now */
    struct btz_table_head *head;
    uint32_t *tags;   /* of slots; 0: free */
    uint32_t *owners; /* of leases; 0: free */
    struct btz_table_slot *slots;
    struct btz_table_lease *leases;
    struct btz_table_process
        *self; /* a page that is zeros in a child of fork(); NULL: the kernel is asked each time */
};

/* ---- rules.c: what the configuration says ---- */

BTZ_CHECKED enum btz_err btz_limit_rules(const struct btz_limit_conf *limits, size_t count,
                                         struct btz_limits *l);

/* A counter that a request is about. Groups give one each. */
struct btz_limit_target {
    const struct btz_limit_rule *rule;
    struct btz_slice name;
    uint64_t amount;
};
struct btz_limit_amounts {
    uint64_t tokens, cost, request_bytes;
};
/* LIMIT: more than BTZ_LEASE_COUNTERS. Response sizes are left out. */
BTZ_CHECKED enum btz_err btz_limit_targets(const struct btz_limits *l,
                                           const struct btz_limit_subject *who,
                                           const struct btz_limit_amounts *amounts,
                                           struct btz_limit_target out[BTZ_LEASE_COUNTERS],
                                           size_t *count);
/* Number of the window of a budget at that time, and when it ends. */
uint64_t btz_limit_window(const struct btz_limit_rule *rule, uint64_t now_ms, uint64_t *ends_ms);
const char *btz_limit_kind_name(enum btz_limit_kind kind);    /* "requests per minute" */
const char *btz_limit_scope_name(enum btz_limit_scope scope); /* "principal" */
/* As people say it: LIMIT with the detail, `why` filled. */
enum btz_err btz_limit_refuse(const struct btz_limit_rule *rule, struct btz_slice name,
                              uint64_t used, uint32_t retry_after_s, struct btz_refusal *why);
enum btz_err btz_limit_say(const struct btz_refusal *why);

/* ---- table.c ---- */

BTZ_CHECKED enum btz_err btz_table_open(const char *path, uint32_t slots, uint32_t leases,
                                        struct btz_limits *l);
BTZ_CHECKED enum btz_err btz_table_view(const char *path, struct btz_limits *l);
void btz_table_close(struct btz_limits *l);
/* Errors: INTERNAL: the lock cannot be had; INPUT: the file was cut while in use. Nothing may pass. */
BTZ_CHECKED enum btz_err btz_table_lock(struct btz_limits *l);
void btz_table_unlock(struct btz_limits *l); /* what was set stays */
/* INPUT: the file was cut while in use: what was read since the last time may be zeros, what was set is in no file. */
BTZ_CHECKED enum btz_err btz_table_check(const struct btz_limits *l);
void btz_table_set64(struct btz_limits *l, uint64_t *at, uint64_t value);
void btz_table_set32(struct btz_limits *l, uint32_t *at, uint32_t value);
/* What was set so far stays. */
void btz_table_commit(struct btz_limits *l);
/* The time for rates: that of the clock, but it never goes back. */
uint64_t btz_table_pass(struct btz_limits *l, uint64_t now_ms);
/* This process; its start goes out. */
uint32_t btz_table_self(struct btz_limits *l, uint64_t *started);
bool btz_table_is_alive(uint32_t pid, uint64_t started);

/* Of another size than workers use: a power of two of slots, at least 16. (limits.c) */
BTZ_CHECKED enum btz_err btz_limits_open_sized(const char *path,
                                               const struct btz_limit_conf *limits, size_t count,
                                               uint32_t slots, uint32_t leases,
                                               struct btz_limits **out);

/* ---- slots.c ---- */

/* The slot of a counter, made where there is none; none of `taken` is used again for it. BTZ_NO_SLOT: no room. */
uint32_t btz_slot_find(struct btz_limits *l, const struct btz_limit_target *t, uint64_t now_ms,
                       uint64_t rate_ms, const uint32_t *taken, size_t taken_count);
/* To the present: what is over is forgotten. */
void btz_slot_advance(struct btz_table_slot *s, const struct btz_limit_rule *rule, uint64_t now_ms,
                      uint64_t rate_ms);
uint64_t btz_slot_used(const struct btz_table_slot *s, uint64_t rate_ms);
/* Seconds until `amount` fits below `limit`; 0: never. */
uint32_t btz_slot_retry(const struct btz_table_slot *s, uint64_t limit, uint64_t amount,
                        uint64_t now_ms, uint64_t rate_ms);
/* Takes `less` away and adds `more`, in the window that is named, if it is not over. */
void btz_slot_change(struct btz_limits *l, struct btz_table_slot *s, uint64_t window, uint64_t less,
                     uint64_t more);

#endif
