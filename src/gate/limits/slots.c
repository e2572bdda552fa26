/* Counters: where they are, what they say, and how they pass from one window to the next. */
#include <sodium.h>

#include "gate/limits/table.h"

#define KEPT_NAME 1024 /* longer ones are hashed first */

static bool is_rate(unsigned kind)
{
    return kind == BTZ_LIMIT_REQUESTS_PER_MINUTE || kind == BTZ_LIMIT_TOKENS_PER_MINUTE;
}

static void name_digest(const struct btz_limits *l, const struct btz_limit_target *t,
                        uint32_t digest[4])
{
    uint8_t text[BTZ_LIMIT_IDENTITY + KEPT_NAME];
    size_t len = t->name.len;

    memcpy(text, t->rule->identity, BTZ_LIMIT_IDENTITY);
    if (len > KEPT_NAME) {
        /* One byte more than a name that stands for itself could have. */
        btz_sha256(t->name, text + BTZ_LIMIT_IDENTITY);
        memset(text + BTZ_LIMIT_IDENTITY + BTZ_SHA256_LEN, 0xff, KEPT_NAME - BTZ_SHA256_LEN);
        len = KEPT_NAME;
    } else if (len > 0) {
        memcpy(text + BTZ_LIMIT_IDENTITY, t->name.ptr, len);
    }
    crypto_shorthash_siphashx24((uint8_t *)digest, text, BTZ_LIMIT_IDENTITY + len, l->head->key);
}

static bool is_over(const struct btz_table_slot *s, uint64_t now_ms, uint64_t rate_ms)
{
    if (is_rate(s->kind))
        return btz_slot_used(s, rate_ms) == 0;
    if (s->kind == BTZ_LIMIT_BUDGET)
        return s->used == 0 || now_ms >= s->ends_ms;
    return s->used == 0;
}

static bool is_taken(const uint32_t *taken, size_t count, uint32_t slot)
{
    while (count > 0)
        if (taken[--count] == slot)
            return true;
    return false;
}

/* Its tag comes last: until then the slot is free. */
static void make(struct btz_limits *l, uint32_t at, const struct btz_limit_target *t,
                 const uint32_t digest[4])
{
    struct btz_table_slot *s = &l->slots[at];
    uint32_t generation = s->generation + 1;
    size_t len = t->name.len < sizeof s->name ? t->name.len : sizeof s->name;

    __atomic_store_n(&l->tags[at], 0, __ATOMIC_RELEASE);
    while (len > 0 && len < t->name.len && (t->name.ptr[len] & 0xc0) == 0x80)
        len--;
    memset(s, 0, sizeof *s);
    memcpy(s->digest, digest, sizeof s->digest);
    s->generation = generation;
    s->scope = (uint8_t)t->rule->scope;
    s->kind = (uint8_t)t->rule->kind;
    s->name_len = (uint16_t)len;
    memcpy(&s->identity, t->rule->identity, sizeof s->identity);
    if (len > 0)
        memcpy(s->name, t->name.ptr, len);
    __atomic_store_n(&l->tags[at], digest[0] | 1, __ATOMIC_RELEASE);
}

uint32_t btz_slot_find(struct btz_limits *l, const struct btz_limit_target *t, uint64_t now_ms,
                       uint64_t rate_ms, const uint32_t *taken, size_t taken_count)
{
    uint32_t digest[4], free_slot = BTZ_NO_SLOT, sets = l->slot_count / BTZ_TABLE_SET;
    uint32_t first[BTZ_TABLE_CHOICES];

    name_digest(l, t, digest);
    for (uint32_t c = 0; c < BTZ_TABLE_CHOICES; c++) {
        first[c] = (digest[1 + c % 3] >> (c / 3 * 16) & (sets - 1)) * BTZ_TABLE_SET;
        for (uint32_t i = first[c]; i < first[c] + BTZ_TABLE_SET; i++) {
            uint32_t tag = l->tags[i];

            if (tag == (digest[0] | 1) && memcmp(l->slots[i].digest, digest, sizeof digest) == 0)
                return i;
            if (tag == 0 && free_slot == BTZ_NO_SLOT)
                free_slot = i;
        }
    }
    for (uint32_t c = 0; c < BTZ_TABLE_CHOICES && free_slot == BTZ_NO_SLOT; c++)
        for (uint32_t i = first[c]; i < first[c] + BTZ_TABLE_SET; i++)
            if (is_over(&l->slots[i], now_ms, rate_ms) && !is_taken(taken, taken_count, i)) {
                free_slot = i;
                break;
            }
    if (free_slot != BTZ_NO_SLOT)
        make(l, free_slot, t, digest);
    return free_slot;
}

void btz_slot_advance(struct btz_table_slot *s, const struct btz_limit_rule *rule, uint64_t now_ms,
                      uint64_t rate_ms)
{
    uint64_t second = rate_ms / 1000, window, ends;

    if (rule->kind == BTZ_LIMIT_BUDGET) {
        window = btz_limit_window(rule, now_ms, &ends);
        if (window <= s->window)
            return; /* the clock was set back: what was used stays used */
        s->used = 0;
        s->ends_ms = ends;
        __atomic_store_n(&s->window, window, __ATOMIC_RELEASE);
    } else if (is_rate(rule->kind) && second > s->window) {
        uint64_t steps = second - s->window;

        for (uint64_t i = 1; i <= steps && i <= BTZ_TABLE_SECONDS; i++)
            s->rate[(s->window + i) % BTZ_TABLE_SECONDS] = 0;
        __atomic_store_n(&s->window, second, __ATOMIC_RELEASE);
    }
}

/* Of the seconds that a rate holds, those that count at this time. */
static bool counts(uint64_t second, uint64_t now_second)
{
    return second + BTZ_TABLE_SECONDS > now_second;
}

uint64_t btz_slot_used(const struct btz_table_slot *s, uint64_t rate_ms)
{
    uint64_t sum = 0, now = rate_ms / 1000;

    if (!is_rate(s->kind))
        return s->used;
    if (s->window >= now) { /* all of them: nearly always */
        for (size_t i = 0; i < BTZ_TABLE_SECONDS; i++)
            sum += s->rate[i];
        return sum;
    }
    for (uint64_t i = 0; i < BTZ_TABLE_SECONDS && i <= s->window; i++)
        if (counts(s->window - i, now))
            sum += s->rate[(s->window - i) % BTZ_TABLE_SECONDS];
    return sum;
}

uint32_t btz_slot_retry(const struct btz_table_slot *s, uint64_t limit, uint64_t amount,
                        uint64_t now_ms, uint64_t rate_ms)
{
    uint64_t left = btz_slot_used(s, rate_ms), now = rate_ms / 1000, wait;

    if (limit == 0 || amount > limit)
        return 0;
    if (s->kind == BTZ_LIMIT_BUDGET) {
        wait = s->ends_ms > now_ms ? (s->ends_ms - now_ms + 999) / 1000 : 1;
        return wait < UINT32_MAX ? (uint32_t)wait : UINT32_MAX;
    }
    if (!is_rate(s->kind))
        return 1;
    /* The oldest go first; second b is gone when b + 61 begins. */
    for (uint64_t i = BTZ_TABLE_SECONDS; i-- > 0;) {
        if (i > s->window || !counts(s->window - i, now))
            continue;
        left -= s->rate[(s->window - i) % BTZ_TABLE_SECONDS];
        if (left < limit && left + amount <= limit) {
            wait = (s->window - i + BTZ_TABLE_SECONDS) * 1000 - rate_ms;
            return (uint32_t)((wait + 999) / 1000);
        }
    }
    return BTZ_TABLE_SECONDS;
}

void btz_slot_change(struct btz_limits *l, struct btz_table_slot *s, uint64_t window, uint64_t less,
                     uint64_t more)
{
    if (is_rate(s->kind)) {
        uint32_t *at = &s->rate[window % BTZ_TABLE_SECONDS];
        uint64_t now = *at;

        if (window > s->window || !counts(window, s->window))
            return;
        if (now == UINT32_MAX)
            return; /* more than any limit: until it is over */
        now = now < less ? 0 : now - less;
        now = more > UINT32_MAX - now ? UINT32_MAX : now + more;
        btz_table_set32(l, at, (uint32_t)now);
        return;
    }
    if (s->kind == BTZ_LIMIT_BUDGET && window != s->window)
        return;
    less = s->used < less ? 0 : s->used - less;
    btz_table_set64(l, &s->used,
                    more > UINT64_MAX / 2 - less % (UINT64_MAX / 2) ? UINT64_MAX / 2 : less + more);
}
