/*
 * limits: how much of it. Counters live in a file that all workers map, so they hold across workers, reloads and
 * restarts. A request reserves what it may cost before it goes on, settles what it did cost, and gives everything back
 * when it failed. Exact under concurrency: of any number of requests at once exactly as many pass as fit. A change is there
 * as a whole or not at all, also when its process is killed in the middle of it. A worker that is killed gives back the
 * concurrency that it held; what it had reserved stays counted, since nobody knows what it did cost. Several gateways share
 * their counters in Redis (limits_redis.c).
 *
 * Rates: in no 60 seconds more than the limit. What came in second s counts until second s + 61 begins. Budgets: in the
 * window they were reserved in. A counter that reached its limit lets nothing pass, also what costs nothing. Clocks that are
 * set back give nothing back. The file belongs to processes of one machine (and one pid namespace).
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

/* What a request is about. Names, not ids. A request without key or model meets no limits of keys and models. `model` is best
 * the name in the configuration where there is one: names that callers make up take counters. */
struct btz_limit_subject {
    struct btz_slice principal, key, model;
    const struct btz_slice *groups;
    size_t group_count;
};
struct btz_limits;
/* `path` is created when missing, for 65,536 counters and 16,384 requests at once: 29 MB of disk, of which only what is used
 * comes into memory. A changed limit goes on with what was counted. Many threads may use it, and children of fork()
 * too. Errors: USAGE (a limit), IO, INPUT (not such a file). */
BTZ_CHECKED enum btz_err btz_limits_open(const char *path, const struct btz_limit_conf *limits,
                                         size_t count, struct btz_limits **out);
uint64_t btz_limits_disk(void); /* bytes that it takes */
void btz_limits_close(struct btz_limits *l);
/* To look at with btz_limits_walk() and nothing else: the file is not changed, not even its lock. */
BTZ_CHECKED enum btz_err btz_limits_view(const char *path, const struct btz_limit_conf *limits,
                                         size_t count, struct btz_limits **out);

#define BTZ_LEASE_COUNTERS 64
struct btz_lease_part {
    uint64_t amount, window;
    uint32_t counter, generation; /* generation: of the counter's slot */
    uint8_t kind;
};
struct btz_lease {   /* what one request holds; zeroed at first */
    uint32_t entry;  /* in the table of leases, which outlives its process */
    uint64_t serial; /* of that entry */
    size_t count;
    bool held;
    struct btz_lease_part part[BTZ_LEASE_COUNTERS];
};
/* Of one that was reserved only these bytes need be kept. */
#define BTZ_LEASE_SIZE(count)                                                                      \
    (offsetof(struct btz_lease, part) + (count) * sizeof(struct btz_lease_part))
struct btz_refusal {
    enum btz_limit_kind kind;
    enum btz_limit_scope scope;
    char name[128];       /* of whom */
    uint64_t limit, used; /* in the kind's unit */
    uint32_t retry_after_s;
};
/* All of it or nothing. LIMIT: refused, `why` says by what: of several the one that takes longest; retry_after_s 0: never. Full table: LIMIT too (kind CONCURRENCY of EVERYTHING): never let
 * through uncounted. More than 64 counters for one request: the same. Any other error: nothing may pass either. tokens: upper
 * bound; cost: in millionths. */
BTZ_CHECKED enum btz_err btz_limits_reserve(struct btz_limits *l,
                                            const struct btz_limit_subject *who, uint64_t tokens,
                                            uint64_t cost, uint64_t request_bytes, uint64_t now_ms,
                                            struct btz_lease *lease, struct btz_refusal *why);
/* Least of the response_bytes limits that fit; UINT64_MAX: none. */
uint64_t btz_limits_response_bytes(const struct btz_limits *l, const struct btz_limit_subject *who);
/* The real figures take the place of the reserved ones, in the window that they were reserved in, if it is not over; more
 * than was reserved counts too. Concurrency is given back. By the process that reserved. */
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

/* redis_address.c: "redis://HOST:PORT/DB" or "unix:/PATH". Without them port 6379 and data base 0; an IPv6 address stands in
 * brackets, and comes out without. Errors: USAGE, what is wrong with `gate.shared_limits`. */
struct btz_redis_address {
    char path[108]; /* of a Unix socket, as long as one may be; empty: host and port */
    char host[254];
    int port, database;
};
BTZ_CHECKED enum btz_err btz_redis_address_parse(const char *text, struct btz_redis_address *out);

/*
 * The server's clock counts. A gateway that dies gives its concurrency back when the lease is over; a request that lasts longer
 * must renew it, best every third of that time. The server must not evict keys (maxmemory-policy noeviction) and needs a data
 * base for itself or no others with keys that begin with {btz}. A request's id must be unique among all gateways: a second
 * request with the id of one that is being served is refused. NOSCRIPT: send btz_redis_load() and the command again.
 */
#define BTZ_REDIS_LEASE_MS 600000
/* Another time than that for a lease, for what is written from now on. */
void btz_limits_set_lease(struct btz_limits *l, uint64_t ms);
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
/* The request goes on for another lease. */
BTZ_CHECKED enum btz_err btz_redis_renew(const struct btz_limits *l, const char *request_id,
                                         struct btz_arena *arena, struct btz_redis_command *out);
void btz_redis_load(struct btz_redis_command *out); /* SCRIPT LOAD */
/* `answer`: the bulk string the script returns. OK, or LIMIT with `why`; CONFLICT: the id is in use; INPUT: no such answer:
 * nothing may pass. */
BTZ_CHECKED enum btz_err btz_redis_answer(const struct btz_limits *l, struct btz_slice answer,
                                          struct btz_refusal *why);

#endif
