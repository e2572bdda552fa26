/*
 * The index of rules: one bucket for each (action, pattern), found by hash, with the rules for it by role. A request looks
 * at the bucket of its exact resource and at one for each length of prefix that patterns of its action have; in a bucket,
 * roles that the caller has not are passed over 64 at a time.
 */
#include <stdlib.h>

#include "access/policy/compile.h"

#define TUPLES_MAX (16u << 20)

struct tuple {
    uint32_t action, pattern, role, rule;
};
struct patterns {
    const char **list; /* sorted, distinct */
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static int by_tuple(const void *a, const void *b)
{
    const struct tuple *x = a, *y = b;

    if (x->action != y->action)
        return x->action < y->action ? -1 : 1;
    if (x->pattern != y->pattern)
        return x->pattern < y->pattern ? -1 : 1;
    if (x->role != y->role)
        return x->role < y->role ? -1 : 1;
    return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static uint32_t find_pattern(const struct patterns *p, const char *text)
{
    const char **found = bsearch(&text, p->list, p->count, sizeof *p->list, by_text);

    return found ? (uint32_t)(found - p->list) : BTZ_NOBODY;
}

/* Can a pattern match any resource of a kind? */
static bool concerns(const char *pattern, const char *kind)
{
    struct btz_pattern p = btz_pattern_of(pattern);
    size_t n = strlen(kind);

    if (btz_resource_has_kind(btz_str(pattern), kind))
        return true;
    return p.prefix && p.text.len <= n + 1 &&
           memcmp(p.text.ptr, kind, p.text.len < n ? p.text.len : n) == 0 &&
           (p.text.len <= n || p.text.ptr[n] == '/');
}

static enum btz_err collect_patterns(struct btz_compile *c, struct patterns *out,
                                     const char ***of_rule)
{
    size_t total = 0, n = 0, kept = 0;
    const char **all, **sorted;

    for (size_t i = 0; i < c->rule_count; i++)
        for (size_t k = 0; c->rules[i].rule->resources[k]; k++)
            total++;
    all = btz_arena_array(c->arena, total + 1, sizeof *all);
    sorted = btz_arena_array(c->arena, total + 1, sizeof *sorted);
    if (!all || !sorted)
        return BTZ_LIMIT;
    for (size_t i = 0; i < c->rule_count; i++)
        for (size_t k = 0; c->rules[i].rule->resources[k]; k++) {
            all[n] = btz_index_canonical(&c->index, c->arena, c->rules[i].rule->resources[k]);
            if (!all[n])
                return BTZ_LIMIT;
            sorted[n] = all[n];
            n++;
        }
    qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(sorted[i], sorted[kept - 1]) != 0)
            sorted[kept++] = sorted[i];
    *out = (struct patterns){ sorted, kept };
    *of_rule = all;
    return BTZ_OK;
}

static enum btz_err add_tuples(const struct btz_compile *c, const struct patterns *patterns,
                               uint32_t rule, const char *const *resources, struct btz_buf *out)
{
    const struct btz_rule_model *r = c->rules[rule].rule;

    for (uint32_t a = 0; a < btz_action_count; a++) {
        bool wanted = false;

        for (size_t k = 0; r->actions[k] && !wanted; k++)
            wanted = btz_action_matches(r->actions[k], &btz_actions[a]);
        for (size_t k = 0; wanted && r->resources[k]; k++) {
            struct tuple t = { a, find_pattern(patterns, resources[k]), c->rules[rule].role, rule };

            if (!concerns(resources[k], btz_actions[a].resource))
                continue;
            BTZ_TRY(btz_buf_add(out, &t, sizeof t));
        }
    }
    return BTZ_OK;
}

/* From `at` on, all tuples of one bucket: its role words, starts and entries. Returns the next bucket's first tuple. */
static enum btz_err put_bucket(struct btz_compile *c, const struct patterns *patterns,
                               const struct tuple *t, size_t count, size_t *at)
{
    const struct tuple *first = &t[*at];
    struct btz_snap_bucket bucket = { .action = first->action };
    struct btz_snap_role_word word = { 0 };
    bool open = false;
    size_t i = *at;

    BTZ_TRY(btz_compile_pattern(c, patterns->list[first->pattern], &bucket.pattern));
    bucket.words.at = btz_compile_count(c, BTZ_SNAP_ROLE_WORDS);
    for (; i < count && t[i].action == first->action && t[i].pattern == first->pattern; i++) {
        if (i > *at && by_tuple(&t[i], &t[i - 1]) == 0)
            continue;
        if (!open || word.word != t[i].role / 64) {
            if (open)
                BTZ_TRY(btz_compile_put(c, BTZ_SNAP_ROLE_WORDS, &word, NULL));
            word = (struct btz_snap_role_word){ .word = t[i].role / 64,
                                                .base = btz_compile_count(c, BTZ_SNAP_STARTS) };
            open = true;
        }
        if (!(word.mask >> t[i].role % 64 & 1)) {
            uint32_t entry = btz_compile_count(c, BTZ_SNAP_ENTRIES);

            word.mask |= 1ULL << t[i].role % 64;
            BTZ_TRY(btz_compile_put(c, BTZ_SNAP_STARTS, &entry, NULL));
        }
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_ENTRIES, &t[i].rule, NULL));
    }
    BTZ_TRY(btz_compile_put(c, BTZ_SNAP_ROLE_WORDS, &word, NULL));
    bucket.words.count = btz_compile_count(c, BTZ_SNAP_ROLE_WORDS) - bucket.words.at;
    *at = i;
    return btz_compile_put(c, BTZ_SNAP_BUCKETS, &bucket, NULL);
}

static const struct btz_snap_bucket *bucket_at(const struct btz_compile *c, size_t i)
{
    return (const struct btz_snap_bucket *)(const void *)c->section[BTZ_SNAP_BUCKETS].ptr + i;
}

static enum btz_err put_slots(struct btz_compile *c)
{
    uint32_t count = btz_compile_count(c, BTZ_SNAP_BUCKETS), size = 16;
    struct btz_snap_slot *slots;

    while (size < 2 * count)
        size *= 2;
    slots = btz_arena_array(c->arena, size, sizeof *slots);
    if (!slots)
        return BTZ_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        const struct btz_snap_bucket *b = bucket_at(c, i);
        bool prefix = b->pattern.len & BTZ_SNAP_PREFIX;
        struct btz_slice text = btz_slice_of(c->section[BTZ_SNAP_STRINGS].ptr + b->pattern.at,
                                             b->pattern.len & ~BTZ_SNAP_PREFIX);
        uint64_t h = btz_snap_mix(btz_snap_hash(text), b->action, prefix);
        uint32_t at = (uint32_t)h & (size - 1);

        while (slots[at].index > 0)
            at = (at + 1) & (size - 1);
        slots[at] = (struct btz_snap_slot){ (uint32_t)(h >> 32), i + 1 };
    }
    return btz_buf_add(&c->section[BTZ_SNAP_SLOTS], slots, size * sizeof *slots);
}

/* Buckets are in order of action. */
static enum btz_err put_lengths(struct btz_compile *c)
{
    uint32_t count = btz_compile_count(c, BTZ_SNAP_BUCKETS), next = 0;
    uint32_t *lengths = btz_arena_array(c->arena, count + 1, sizeof *lengths);

    if (!lengths)
        return BTZ_LIMIT;
    for (uint32_t a = 0; a < btz_action_count; a++) {
        struct btz_snap_range range = { btz_compile_count(c, BTZ_SNAP_LENGTHS), 0 };
        size_t n = 0;

        for (; next < count && bucket_at(c, next)->action == a; next++)
            if (bucket_at(c, next)->pattern.len & BTZ_SNAP_PREFIX)
                lengths[n++] = bucket_at(c, next)->pattern.len & ~BTZ_SNAP_PREFIX;
        qsort(lengths, n, sizeof *lengths, by_number);
        for (size_t i = 0; i < n; i++) {
            if (i > 0 && lengths[i] == lengths[i - 1])
                continue;
            BTZ_TRY(btz_compile_put(c, BTZ_SNAP_LENGTHS, &lengths[i], NULL));
            range.count++;
        }
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_ACTIONS, &range, NULL));
    }
    return BTZ_OK;
}

enum btz_err btz_compile_buckets(struct btz_compile *c)
{
    BTZ_BUF_RELEASE struct btz_buf tuples = BTZ_BUF(TUPLES_MAX * sizeof(struct tuple));
    struct patterns patterns;
    const char **of_rule, **next;
    size_t count, at = 0;
    uint32_t end;

    BTZ_TRY(collect_patterns(c, &patterns, &of_rule));
    next = of_rule;
    for (uint32_t i = 0; i < c->rule_count; i++) {
        BTZ_TRY(add_tuples(c, &patterns, i, next, &tuples));
        for (size_t k = 0; c->rules[i].rule->resources[k]; k++)
            next++;
    }
    count = tuples.len / sizeof(struct tuple);
    if (count > 0)
        qsort(tuples.ptr, count, sizeof(struct tuple), by_tuple);
    while (at < count)
        BTZ_TRY(
            put_bucket(c, &patterns, (const struct tuple *)(const void *)tuples.ptr, count, &at));
    end = btz_compile_count(c, BTZ_SNAP_ENTRIES);
    BTZ_TRY(btz_compile_put(c, BTZ_SNAP_STARTS, &end, NULL));
    BTZ_TRY(put_slots(c));
    return put_lengths(c);
}
