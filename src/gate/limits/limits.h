/*
 * limits: how much of it. Counters live in a file that all workers map, so they hold across workers, reloads and
 * restarts. A request reserves what it may cost before it goes on, settles what it did cost, and gives everything back
 * when it failed. Exact under concurrency: of any number of requests at once exactly as many pass as fit. A worker that is
 * killed gives back what it had in flight. Several gateways share their counters in Redis (limits_redis.c).
 */
#ifndef BTZ_GATE_LIMITS_H
#define BTZ_GATE_LIMITS_H

#include "base/base.h"
#include "base/conf.h"

enum btz_limit_scope {
    BTZ_LIMIT_PRINCIPAL,
    BTZ_LIMIT_GROUP,
    BTZ_LIMIT_KEY,
    BTZ_LIMIT_MODEL,
    BTZ_LIMIT_EVERYTHING
};
enum btz_limit_kind {
    BTZ_LIMIT_REQUESTS_PER_MINUTE,
    BTZ_LIMIT_TOKENS_PER_MINUTE, /* input and output */
    BTZ_LIMIT_CONCURRENCY,
    BTZ_LIMIT_BUDGET, /* money in millionths, per window */
    BTZ_LIMIT_REQUEST_BYTES,
    BTZ_LIMIT_RESPONSE_BYTES,
    BTZ_LIMIT_KIND_COUNT
};
/* One item of `limits:`. Each principal (group, key, model) that `name` matches has counters of its own. */
struct btz_limit_conf {
    int scope;        /* enum btz_limit_scope */
    const char *name; /* pattern, may end in a star; "*" */
    int64_t requests_per_minute, tokens_per_minute, concurrency, request_bytes,
        response_bytes;       /* -1: none; 0: nothing passes */
    double budget;            /* in the prices' currency; negative: none */
    int64_t budget_window_ms; /* 1d; windows are aligned to the epoch: days begin at 00:00 UTC */
    bool budget_calendar_month;
};
extern const struct btz_conf_struct btz_limit_conf_struct;

/* What a request is about. Names, not ids; groups at most 64. */
struct btz_limit_subject {
    struct btz_slice principal, key, model;
    const struct btz_slice *groups;
    size_t group_count;
};
struct btz_limits;
/* `path` is created when missing; `slots` counters (65,536). Errors: USAGE (a limit), IO, INPUT (not such a file). */
BTZ_CHECKED enum btz_err btz_limits_open(const char *path, const struct btz_limit_conf *limits,
                                         size_t count, struct btz_limits **out);
void btz_limits_close(struct btz_limits *l);

#define BTZ_LEASE_COUNTERS 64
struct btz_lease { /* what one request holds; zeroed at first */
    uint32_t counter[BTZ_LEASE_COUNTERS];
    uint64_t amount[BTZ_LEASE_COUNTERS], window[BTZ_LEASE_COUNTERS];
    uint8_t kind[BTZ_LEASE_COUNTERS];
    size_t count;
    uint32_t entry; /* in the table of leases, which outlives its process */
    bool held;
};
struct btz_refusal {
    enum btz_limit_kind kind;
    enum btz_limit_scope scope;
    char name[128];       /* of whom */
    uint64_t limit, used; /* in the kind's unit */
    uint32_t retry_after_s;
};
/* All of it or nothing. LIMIT: refused, `why` says by what. Full table: LIMIT too (kind CONCURRENCY of EVERYTHING): never let
 * through uncounted. tokens: upper bound; cost: in millionths. */
BTZ_CHECKED enum btz_err btz_limits_reserve(struct btz_limits *l,
                                            const struct btz_limit_subject *who, uint64_t tokens,
                                            uint64_t cost, uint64_t request_bytes, uint64_t now_ms,
                                            struct btz_lease *lease, struct btz_refusal *why);
/* Least of the response_bytes limits that fit; UINT64_MAX: none. */
uint64_t btz_limits_response_bytes(const struct btz_limits *l, const struct btz_limit_subject *who);
/* The real figures take the place of the reserved ones; concurrency is given back. */
void btz_limits_settle(struct btz_limits *l, struct btz_lease *lease, uint64_t tokens,
                       uint64_t cost, uint64_t now_ms);
/* Nothing was used: everything is given back, the request included. */
void btz_limits_release(struct btz_limits *l, struct btz_lease *lease, uint64_t now_ms);
/* Gives back what dead processes held. For the daemon, once a second. */
void btz_limits_reap(struct btz_limits *l);
/* What stands on every counter in use, for metrics and the command line. */
struct btz_limit_state {
    enum btz_limit_scope scope;
    enum btz_limit_kind kind;
    char name[128];
    uint64_t limit, used, window_ends_ms;
};
void btz_limits_walk(struct btz_limits *l, uint64_t now_ms,
                     void (*each)(void *user, const struct btz_limit_state *s), void *user);

/* ---- the same in Redis (limits_redis.c): one script, atomic in the server; no socket here --------------------------- */
/* Arguments of EVALSHA for reserve, settle, release; and what the answer says. The module and the tests send them. */
struct btz_redis_command {
    const char *argv[8 + 6 * BTZ_LEASE_COUNTERS];
    size_t argv_len[8 + 6 * BTZ_LEASE_COUNTERS];
    int argc;
};
extern const char btz_redis_script[];   /* Lua */
const char *btz_redis_script_sha(void); /* 40 hex digits */
BTZ_CHECKED enum btz_err btz_redis_reserve(const struct btz_limits *l,
                                           const struct btz_limit_subject *who, uint64_t tokens,
                                           uint64_t cost, uint64_t request_bytes,
                                           const char *request_id, uint64_t now_ms,
                                           struct btz_arena *arena, struct btz_redis_command *out);
BTZ_CHECKED enum btz_err btz_redis_settle(const struct btz_limits *l,
                                          const struct btz_limit_subject *who,
                                          const char *request_id, bool release, uint64_t tokens,
                                          uint64_t cost, uint64_t now_ms, struct btz_arena *arena,
                                          struct btz_redis_command *out);
/* `answer`: the bulk string the script returns. OK, or LIMIT with `why`. */
BTZ_CHECKED enum btz_err btz_redis_answer(const struct btz_limits *l, struct btz_slice answer,
                                          struct btz_refusal *why);

#endif
