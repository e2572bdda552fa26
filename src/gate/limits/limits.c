#include "gate/limits/table.h"

#include <stdlib.h>

#define ARENA_MAX (4u << 20)
#define REAP_NS   1000000000ULL

/* ---- opening ---- */

static enum btz_err new_limits(const struct btz_limit_conf *limits, size_t count,
                               struct btz_limits **out)
{
    struct btz_limits *l = calloc(1, sizeof *l);
    enum btz_err err;

    if (!l)
        return btz_fail(BTZ_LIMIT, "out of memory");
    l->fd = -1;
    l->lease_ms = BTZ_REDIS_LEASE_MS;
    btz_arena_init(&l->arena, ARENA_MAX);
    err = btz_limit_rules(limits, count, l);
    if (err != BTZ_OK) {
        btz_limits_close(l);
        return err;
    }
    *out = l;
    return BTZ_OK;
}

enum btz_err btz_limits_open_sized(const char *path, const struct btz_limit_conf *limits,
                                   size_t count, uint32_t slots, uint32_t leases,
                                   struct btz_limits **out)
{
    struct btz_limits *l;
    enum btz_err err;

    BTZ_TRY(new_limits(limits, count, &l));
    err = btz_table_open(path, slots, leases, l);
    if (err != BTZ_OK) {
        btz_limits_close(l);
        return err;
    }
    *out = l;
    return BTZ_OK;
}

enum btz_err btz_limits_open(const char *path, const struct btz_limit_conf *limits, size_t count,
                             struct btz_limits **out)
{
    return btz_limits_open_sized(path, limits, count, BTZ_TABLE_SLOTS, BTZ_TABLE_LEASES, out);
}

void btz_limits_set_lease(struct btz_limits *l, uint64_t ms)
{
    l->lease_ms = ms;
}

enum btz_err btz_limits_view(const char *path, const struct btz_limit_conf *limits, size_t count,
                             struct btz_limits **out)
{
    struct btz_limits *l;
    enum btz_err err;

    BTZ_TRY(new_limits(limits, count, &l));
    err = btz_table_view(path, l);
    if (err != BTZ_OK) {
        btz_limits_close(l);
        return err;
    }
    *out = l;
    return BTZ_OK;
}

void btz_limits_close(struct btz_limits *l)
{
    if (!l)
        return;
    btz_table_close(l);
    btz_arena_release(&l->arena);
    free(l);
}

/* ---- reserving ---- */

struct reservation {
    struct btz_limit_target target[BTZ_LEASE_COUNTERS];
    uint32_t slot[BTZ_LEASE_COUNTERS]; /* BTZ_NO_SLOT: nothing is counted (sizes) */
    size_t count;
    uint64_t now_ms, rate_ms;
    bool refused;
    struct btz_refusal *why;
};

/* What can never pass says so; of the others the one that takes longest: whoever waits for it passes all. */
static void refuse(struct reservation *r, const struct btz_limit_target *t, uint64_t used,
                   uint32_t retry)
{
    if (r->refused && (r->why->retry_after_s == 0 || (retry > 0 && retry <= r->why->retry_after_s)))
        return;
    r->refused = true;
    (void)btz_limit_refuse(t->rule, t->name, used, retry, r->why);
}

static enum btz_err refuse_full(const struct btz_limits *l, bool leases, struct btz_refusal *why)
{
    uint32_t n = leases ? l->lease_count : l->slot_count;

    *why = (struct btz_refusal){ .kind = BTZ_LIMIT_CONCURRENCY,
                                 .scope = BTZ_LIMIT_EVERYTHING,
                                 .limit = n,
                                 .used = n,
                                 .retry_after_s = 1 };
    return btz_fail(BTZ_LIMIT,
                    leases ? "no room to count another request at once: %u are"
                           : "no room for another counter of limits among %u",
                    n);
}

static bool check_size(struct reservation *r, const struct btz_limit_target *t)
{
    if (t->rule->limit == 0 || t->amount > t->rule->limit)
        refuse(r, t, t->amount, 0);
    return !r->refused;
}

static enum btz_err check_counters(struct btz_limits *l, struct reservation *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct btz_limit_target *t = &r->target[i];
        struct btz_table_slot *s;
        uint64_t used;

        r->slot[i] = BTZ_NO_SLOT;
        if (t->rule->kind == BTZ_LIMIT_REQUEST_BYTES) {
            check_size(r, t);
            continue;
        }
        r->slot[i] = btz_slot_find(l, t, r->now_ms, r->rate_ms, r->slot, i);
        if (r->slot[i] == BTZ_NO_SLOT)
            return refuse_full(l, false, r->why);
        s = &l->slots[r->slot[i]];
        btz_slot_advance(s, t->rule, r->now_ms, r->rate_ms);
        used = btz_slot_used(s, r->rate_ms);
        if (used >= t->rule->limit || t->amount > t->rule->limit - used)
            refuse(r, t, used, btz_slot_retry(s, t->rule->limit, t->amount, r->now_ms, r->rate_ms));
    }
    return r->refused ? btz_limit_say(r->why) : BTZ_OK;
}

static uint32_t free_lease(const struct btz_limits *l)
{
    uint32_t at = l->head->hint % l->lease_count;

    for (uint32_t i = 0; i < l->lease_count; i++, at = at + 1 == l->lease_count ? 0 : at + 1)
        if (l->owners[at] == 0)
            return at;
    return BTZ_NO_LEASE;
}

/* What a dead process would leave: its concurrency. Without any there is nothing to remember. */
static enum btz_err take_lease(struct btz_limits *l, const struct reservation *r,
                               struct btz_lease *lease)
{
    struct btz_table_lease *e;
    uint64_t started;
    uint32_t count = 0, pid = btz_table_self(l, &started);

    lease->entry = BTZ_NO_LEASE;
    for (size_t i = 0; i < r->count; i++)
        count += r->target[i].rule->kind == BTZ_LIMIT_CONCURRENCY;
    if (count == 0)
        return BTZ_OK;
    lease->entry = free_lease(l);
    if (lease->entry == BTZ_NO_LEASE)
        return refuse_full(l, true, r->why);
    e = &l->leases[lease->entry];
    lease->serial = l->head->serial + 1;
    e->started = started;
    e->serial = lease->serial;
    e->count = 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->target[i].rule->kind == BTZ_LIMIT_CONCURRENCY)
            e->counter[e->count++] = r->slot[i];
    btz_table_set64(l, &l->head->serial, lease->serial);
    btz_table_set32(l, &l->owners[lease->entry], pid);
    l->head->hint = lease->entry + 1; /* only a hint */
    return BTZ_OK;
}

static void take(struct btz_limits *l, const struct reservation *r, struct btz_lease *lease)
{
    for (size_t i = 0; i < r->count; i++) {
        struct btz_table_slot *s;

        if (r->slot[i] == BTZ_NO_SLOT)
            continue;
        s = &l->slots[r->slot[i]];
        lease->part[lease->count++] =
            (struct btz_lease_part){ .amount = r->target[i].amount,
                                     .window = s->window,
                                     .counter = r->slot[i],
                                     .generation = s->generation,
                                     .kind = (uint8_t)r->target[i].rule->kind };
        btz_slot_change(l, s, s->window, 0, r->target[i].amount);
    }
}

static enum btz_err reserve_once(struct btz_limits *l, struct reservation *r,
                                 struct btz_lease *lease)
{
    enum btz_err err;

    BTZ_TRY(btz_table_lock(l));
    r->refused = false;
    r->rate_ms = btz_table_pass(l, r->now_ms);
    err = check_counters(l, r);
    if (err == BTZ_OK)
        err = take_lease(l, r, lease);
    if (err == BTZ_OK) {
        take(l, r, lease);
        lease->held = true;
    }
    btz_table_unlock(l);
    /* Whatever it said: it was counted nowhere, or on zeros. */
    if (btz_table_check(l) != BTZ_OK) {
        lease->held = false;
        return BTZ_INPUT;
    }
    return err;
}

/* Refused because so many run: perhaps some of them are dead and nobody looks. At most once a second for all workers. */
static bool may_reap(struct btz_limits *l, const struct btz_refusal *why)
{
    uint64_t now = btz_clock_ns(), last = __atomic_load_n(&l->head->reaped_ns, __ATOMIC_RELAXED);

    if (why->kind != BTZ_LIMIT_CONCURRENCY || why->limit == 0 ||
        (now >= last && now - last < REAP_NS))
        return false;
    return __atomic_compare_exchange_n(&l->head->reaped_ns, &last, now, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

enum btz_err btz_limits_reserve(struct btz_limits *l, const struct btz_limit_subject *who,
                                uint64_t tokens, uint64_t cost, uint64_t request_bytes,
                                uint64_t now_ms, struct btz_lease *lease, struct btz_refusal *why)
{
    struct btz_limit_amounts amounts = { tokens, cost, request_bytes };
    struct reservation r;
    enum btz_err err;

    lease->count = 0;
    lease->held = false;
    r.why = why;
    r.now_ms = now_ms;
    err = btz_limit_targets(l, who, &amounts, r.target, &r.count);
    if (err != BTZ_OK) {
        *why = (struct btz_refusal){ .kind = BTZ_LIMIT_CONCURRENCY,
                                     .scope = BTZ_LIMIT_EVERYTHING,
                                     .limit = BTZ_LEASE_COUNTERS,
                                     .used = BTZ_LEASE_COUNTERS };
        return err;
    }
    if (r.count == 0) {
        lease->entry = BTZ_NO_LEASE;
        lease->held = true;
        return BTZ_OK;
    }
    err = reserve_once(l, &r, lease);
    if (err == BTZ_LIMIT && may_reap(l, why)) {
        btz_limits_reap(l);
        err = reserve_once(l, &r, lease);
    }
    return err;
}

/* ---- giving back ---- */

static bool is_mine(struct btz_limits *l, const struct btz_lease *lease)
{
    uint64_t started;
    uint32_t pid = btz_table_self(l, &started);

    return lease->entry < l->lease_count && l->owners[lease->entry] == pid &&
           l->leases[lease->entry].serial == lease->serial;
}

static void change(struct btz_limits *l, const struct btz_lease_part *p, bool mine, bool release,
                   const uint64_t real[BTZ_LIMIT_KIND_COUNT])
{
    struct btz_table_slot *s = &l->slots[p->counter % l->slot_count];
    unsigned kind = p->kind % BTZ_LIMIT_KIND_COUNT;

    if (s->generation != p->generation || s->kind != kind)
        return; /* its window was over, and the slot is another's now */
    if (kind == BTZ_LIMIT_CONCURRENCY) {
        if (mine)
            btz_slot_change(l, s, s->window, 1, 0);
        return;
    }
    if (kind == BTZ_LIMIT_REQUESTS_PER_MINUTE && !release)
        return;
    btz_slot_change(l, s, p->window, p->amount, release ? 0 : real[kind]);
}

static void give_back(struct btz_limits *l, struct btz_lease *lease, bool release, uint64_t tokens,
                      uint64_t cost, uint64_t now_ms)
{
    const uint64_t real[BTZ_LIMIT_KIND_COUNT] = {
        [BTZ_LIMIT_TOKENS_PER_MINUTE] = tokens, [BTZ_LIMIT_BUDGET] = cost
    };
    bool mine;

    if (!lease->held)
        return;
    lease->held = false;
    if (lease->count == 0 || btz_table_lock(l) != BTZ_OK)
        return;
    btz_table_pass(l, now_ms);
    mine = is_mine(l, lease);
    for (size_t i = 0; i < lease->count && i < BTZ_LEASE_COUNTERS; i++)
        change(l, &lease->part[i], mine, release, real);
    if (mine)
        btz_table_set32(l, &l->owners[lease->entry], 0);
    btz_table_unlock(l);
}

void btz_limits_settle(struct btz_limits *l, struct btz_lease *lease, uint64_t tokens,
                       uint64_t cost, uint64_t now_ms)
{
    give_back(l, lease, false, tokens, cost, now_ms);
}

void btz_limits_release(struct btz_limits *l, struct btz_lease *lease, uint64_t now_ms)
{
    give_back(l, lease, true, 0, 0, now_ms);
}

/* ---- the dead ---- */

static void reap_one(struct btz_limits *l, uint32_t at, uint32_t pid)
{
    const struct btz_table_lease *e = &l->leases[at];

    if (l->owners[at] != pid)
        return;
    for (uint32_t i = 0; i < e->count && i < BTZ_LEASE_COUNTERS; i++) {
        struct btz_table_slot *s;

        if (e->counter[i] >= l->slot_count)
            continue;
        s = &l->slots[e->counter[i]];
        if (s->kind == BTZ_LIMIT_CONCURRENCY)
            btz_slot_change(l, s, s->window, 1, 0);
    }
    btz_table_set32(l, &l->owners[at], 0);
}

/* Each process is asked about once. */
struct roll {
    struct {
        uint64_t started;
        uint32_t pid;
        bool alive;
    } known[64];
    size_t count;
};

static bool is_alive(struct roll *r, uint32_t pid, uint64_t started)
{
    size_t i = 0;

    while (i < r->count && (r->known[i].pid != pid || r->known[i].started != started))
        i++;
    if (i == r->count) {
        if (r->count == BTZ_COUNT(r->known))
            return btz_table_is_alive(pid, started);
        r->count++;
        r->known[i].pid = pid;
        r->known[i].started = started;
        r->known[i].alive = btz_table_is_alive(pid, started);
    }
    return r->known[i].alive;
}

void btz_limits_reap(struct btz_limits *l)
{
    struct roll roll = { .count = 0 };

    /* Whoever died within a change: until it is taken back, a lease that he was giving back looks free. */
    if (btz_table_lock(l) != BTZ_OK)
        return;
    btz_table_unlock(l);
    for (uint32_t i = 0; i < l->lease_count; i++) {
        uint32_t pid = __atomic_load_n(&l->owners[i], __ATOMIC_ACQUIRE);
        uint64_t started = l->leases[i].started;

        if (pid == 0 || is_alive(&roll, pid, started) || btz_table_lock(l) != BTZ_OK)
            continue;
        if (l->leases[i].started == started)
            reap_one(l, i, pid);
        btz_table_unlock(l);
    }
}

/* ---- looking ---- */

static const struct btz_limit_rule *rule_of(const struct btz_limits *l,
                                            const struct btz_table_slot *s)
{
    for (size_t i = 0; i < l->rule_count; i++)
        if (memcmp(l->rules[i].identity, &s->identity, sizeof s->identity) == 0 &&
            l->rules[i].kind == s->kind && l->rules[i].scope == s->scope)
            return &l->rules[i];
    return NULL;
}

/* Without the lock: a slot is copied, and passed over if it became another's meanwhile. */
void btz_limits_walk(struct btz_limits *l, uint64_t now_ms,
                     void (*each)(void *user, const struct btz_limit_state *s), void *user)
{
    uint64_t clock = l->head->clock_ms;
    uint64_t rate_ms = (now_ms > clock ? now_ms : clock) + l->head->ahead_ms;

    for (uint32_t i = 0; i < l->slot_count; i++) {
        struct btz_limit_state state = { 0 };
        const struct btz_limit_rule *rule;
        struct btz_table_slot s;
        uint64_t ends;

        if (__atomic_load_n(&l->tags[i], __ATOMIC_ACQUIRE) == 0)
            continue;
        memcpy(&s, &l->slots[i], sizeof s);
        if (__atomic_load_n(&l->slots[i].generation, __ATOMIC_ACQUIRE) != s.generation)
            continue;
        rule = rule_of(l, &s);
        if (!rule || s.name_len > sizeof s.name)
            continue;
        btz_slot_advance(&s, rule, now_ms, rate_ms);
        state.scope = rule->scope;
        state.kind = rule->kind;
        state.limit = rule->limit;
        state.used = btz_slot_used(&s, rate_ms);
        if (rule->kind == BTZ_LIMIT_BUDGET) {
            btz_limit_window(rule, now_ms, &ends);
            state.window_ends_ms = s.ends_ms > ends ? s.ends_ms : ends;
        } else if (rule->kind != BTZ_LIMIT_CONCURRENCY) {
            state.window_ends_ms = now_ms + BTZ_TABLE_SECONDS * 1000;
        }
        memcpy(state.name, s.name, s.name_len);
        if (state.used > 0)
            each(user, &state);
    }
}
