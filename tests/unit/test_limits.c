/* Limits against a plain reference that remembers every request, and what each kind of limit promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "limits_place.h"

#define START 1800000000000ULL /* 2027-01-15 08:00 UTC */
#define DAY   86400000ULL

/* ---- the reference: lists, and sums over all of them ---- */

struct memory { /* one amount on one counter */
    const struct btz_limit_conf *limit;
    enum btz_limit_kind kind;
    char name[16];
    uint64_t second; /* rates */
    uint64_t window; /* budgets: first day of it, or months */
    uint64_t amount;
    bool holding; /* concurrency that was not given back */
};
struct reference {
    const struct btz_limit_conf *limits;
    size_t limit_count;
    struct memory *list;
    size_t count;
    uint64_t latest, ahead; /* of the clock */
    struct memory seen[64]; /* latest window of each budget */
    size_t seen_count;
};
struct asked {
    const char *principal, *key, *model, *groups[3];
    size_t group_count;
    uint64_t tokens, cost, bytes;
};
struct held {
    struct btz_lease lease;
    size_t from, to; /* of the reference's list */
    bool open;
};

static uint64_t month_of(uint64_t ms)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    return (uint64_t)tm.tm_year * 12 + (uint64_t)tm.tm_mon;
}

static uint64_t window_of(const struct btz_limit_conf *c, uint64_t ms)
{
    return c->budget_calendar_month ? month_of(ms) : ms / (uint64_t)c->budget_window_ms;
}

static uint64_t clock_of(struct reference *r, uint64_t now)
{
    if (now > r->latest) {
        r->latest = now;
    } else if (r->latest - now > 120000) {
        r->ahead += r->latest - now;
        r->latest = now;
    }
    return (r->latest + r->ahead) / 1000;
}

/* The window that a counter is in: never an older one than it was seen in before. */
static uint64_t budget_window(struct reference *r, const struct btz_limit_conf *c, const char *name,
                              uint64_t now)
{
    uint64_t window = window_of(c, now);
    struct memory *m = r->seen;

    while (m < r->seen + r->seen_count && (m->limit != c || strcmp(m->name, name) != 0))
        m++;
    if (m == r->seen + r->seen_count) {
        assert_true(++r->seen_count <= BTZ_COUNT(r->seen));
        *m = (struct memory){ .limit = c };
        snprintf(m->name, sizeof m->name, "%s", name);
    }
    if (window > m->window)
        m->window = window;
    return m->window;
}

static uint64_t sum_of(const struct reference *r, const struct btz_limit_conf *c,
                       enum btz_limit_kind kind, const char *name, uint64_t second, uint64_t window)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < r->count; i++) {
        const struct memory *m = &r->list[i];

        if (m->limit != c || m->kind != kind || strcmp(m->name, name) != 0)
            continue;
        if (kind == BTZ_LIMIT_CONCURRENCY)
            sum += m->holding;
        else if (kind == BTZ_LIMIT_BUDGET)
            sum += m->window == window ? m->amount : 0;
        else
            sum += m->second + 60 >= second ? m->amount : 0;
    }
    return sum;
}

static bool fits(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);

    if (pattern[len - 1] == '*')
        return strncmp(pattern, name, len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

/* One counter: does it fit? When it does, it is remembered. */
static bool try_counter(struct reference *r, const struct btz_limit_conf *c,
                        enum btz_limit_kind kind, const char *name, int64_t limit, uint64_t amount,
                        uint64_t now, uint64_t second)
{
    struct memory m = { .limit = c, .kind = kind, .second = second, .amount = amount };
    uint64_t before;

    if (limit < 0)
        return true;
    if (kind == BTZ_LIMIT_REQUEST_BYTES)
        return limit > 0 && amount <= (uint64_t)limit;
    if (kind == BTZ_LIMIT_BUDGET)
        m.window = budget_window(r, c, name, now);
    before = sum_of(r, c, kind, name, second, m.window);
    m.holding = kind == BTZ_LIMIT_CONCURRENCY;
    snprintf(m.name, sizeof m.name, "%s", name);
    r->list[r->count++] = m;
    return before < (uint64_t)limit && before + amount <= (uint64_t)limit;
}

static bool try_limit(struct reference *r, const struct btz_limit_conf *c, const char *name,
                      const struct asked *a, uint64_t now, uint64_t second)
{
    int64_t budget = c->budget < 0 ? -1 : (int64_t)(c->budget * 1e6 + 0.5);
    bool ok = true;

    ok &= try_counter(r, c, BTZ_LIMIT_REQUESTS_PER_MINUTE, name, c->requests_per_minute, 1, now,
                      second);
    ok &= try_counter(r, c, BTZ_LIMIT_TOKENS_PER_MINUTE, name, c->tokens_per_minute, a->tokens, now,
                      second);
    ok &= try_counter(r, c, BTZ_LIMIT_CONCURRENCY, name, c->concurrency, 1, now, second);
    ok &= try_counter(r, c, BTZ_LIMIT_BUDGET, name, budget, a->cost, now, second);
    ok &= try_counter(r, c, BTZ_LIMIT_REQUEST_BYTES, name, c->request_bytes, a->bytes, now, second);
    return ok;
}

/* Does any limit fit? The clock is only looked at for those that some limit is for. */
static bool is_limited(const struct reference *r, const struct asked *a)
{
    for (size_t i = 0; i < r->limit_count; i++) {
        const struct btz_limit_conf *c = &r->limits[i];
        bool any = c->scope == BTZ_LIMIT_EVERYTHING ||
                   (c->scope == BTZ_LIMIT_PRINCIPAL && fits(c->name, a->principal)) ||
                   (c->scope == BTZ_LIMIT_KEY && a->key && fits(c->name, a->key)) ||
                   (c->scope == BTZ_LIMIT_MODEL && a->model && fits(c->name, a->model));

        for (size_t g = 0; g < a->group_count; g++)
            any |= c->scope == BTZ_LIMIT_GROUP && fits(c->name, a->groups[g]);
        if (any && (c->requests_per_minute >= 0 || c->tokens_per_minute >= 0 ||
                    c->concurrency >= 0 || c->budget >= 0 || c->request_bytes >= 0))
            return true;
    }
    return false;
}

static bool reference_reserve(struct reference *r, const struct asked *a, uint64_t now,
                              struct held *h)
{
    uint64_t second = is_limited(r, a) ? clock_of(r, now) : 0;
    bool ok = true;

    h->from = r->count;
    for (size_t i = 0; i < r->limit_count; i++) {
        const struct btz_limit_conf *c = &r->limits[i];
        const char *name = c->scope == BTZ_LIMIT_PRINCIPAL ? a->principal
                           : c->scope == BTZ_LIMIT_KEY     ? a->key
                                                           : a->model;

        if (c->scope == BTZ_LIMIT_GROUP) {
            for (size_t g = 0; g < a->group_count; g++)
                if (fits(c->name, a->groups[g]))
                    ok &= try_limit(r, c, a->groups[g], a, now, second);
        } else if (c->scope == BTZ_LIMIT_EVERYTHING) {
            ok &= try_limit(r, c, "", a, now, second);
        } else if (name && fits(c->name, name)) {
            ok &= try_limit(r, c, name, a, now, second);
        }
    }
    if (!ok)
        r->count = h->from;
    h->to = r->count;
    return ok;
}

static void reference_end(struct reference *r, struct held *h, bool release, uint64_t tokens,
                          uint64_t cost, uint64_t now)
{
    if (h->to > h->from)
        clock_of(r, now);
    for (size_t i = h->from; i < h->to; i++) {
        struct memory *m = &r->list[i];

        m->holding = false;
        if (release)
            m->amount = 0;
        else if (m->kind == BTZ_LIMIT_TOKENS_PER_MINUTE)
            m->amount = tokens;
        else if (m->kind == BTZ_LIMIT_BUDGET)
            m->amount = cost;
    }
}

/* ---- random sequences ---- */

#define STEPS     400
#define SEQUENCES 150
#define LIMITS    6

static struct btz_limit_conf random_limit(struct btz_rng *r)
{
    static const char *const names[] = { "*", "a*", "al", "ali", "b", "g1", "g*" };
    static const int64_t windows[] = { 60000, 3600000, DAY, 7 * DAY };
    struct btz_limit_conf c = no_limit((int)btz_rng_below(r, 5), "*");

    if (c.scope != BTZ_LIMIT_EVERYTHING)
        c.name = names[btz_rng_below(r, BTZ_COUNT(names))];
    if (btz_rng_below(r, 2))
        c.requests_per_minute = btz_rng_below(r, 8);
    if (btz_rng_below(r, 2))
        c.tokens_per_minute = btz_rng_below(r, 200);
    if (btz_rng_below(r, 2))
        c.concurrency = 1 + btz_rng_below(r, 5);
    if (btz_rng_below(r, 2))
        c.budget = btz_rng_below(r, 300) / 1e3;
    if (btz_rng_below(r, 8) == 0)
        c.request_bytes = btz_rng_below(r, 1000);
    c.budget_window_ms = windows[btz_rng_below(r, BTZ_COUNT(windows))];
    c.budget_calendar_month = btz_rng_below(r, 4) == 0;
    return c;
}

static struct asked random_asked(struct btz_rng *r)
{
    static const char *const names[] = { "al", "ali", "bob", "b", "g1", "g2", "" };
    struct asked a = { .principal = names[btz_rng_below(r, 7)],
                       .key = btz_rng_below(r, 2) ? names[btz_rng_below(r, 6)] : NULL,
                       .model = btz_rng_below(r, 4) ? names[btz_rng_below(r, 6)] : NULL,
                       .tokens = btz_rng_below(r, 60),
                       .cost = btz_rng_below(r, 60000),
                       .bytes = btz_rng_below(r, 1200) };

    for (size_t i = btz_rng_below(r, 6); i < 6; i += 1 + btz_rng_below(r, 4))
        if (a.group_count < 3)
            a.groups[a.group_count++] = names[i];
    return a;
}

/* Mostly small steps; now and then across windows; now and then back, by moments or by hours. */
static uint64_t random_time(struct btz_rng *r, uint64_t now)
{
    switch (btz_rng_below(r, 40)) {
    case 0:
        return now + btz_rng_below(r, 4 * 3600000);
    case 1:
        return now + btz_rng_below(r, 3) * DAY + btz_rng_below(r, 86400000);
    case 2:
        return now - btz_rng_below(r, 120000);
    case 3:
        return now - 120001 - btz_rng_below(r, 50000000);
    case 4:
        return now + 60000 + btz_rng_below(r, 2000);
    default:
        return now + btz_rng_below(r, 9000);
    }
}

static enum btz_err reserve(struct btz_limits *l, const struct asked *a, uint64_t now,
                            struct btz_lease *lease, struct btz_refusal *why)
{
    struct btz_slice groups[3];
    struct btz_limit_subject who = { .principal = btz_str(a->principal),
                                     .key = btz_str(a->key),
                                     .model = btz_str(a->model),
                                     .groups = groups,
                                     .group_count = a->group_count };

    for (size_t i = 0; i < a->group_count; i++)
        groups[i] = btz_str(a->groups[i]);
    return btz_limits_reserve(l, &who, a->tokens, a->cost, a->bytes, now, lease, why);
}

static void check_step(struct btz_rng *r, struct btz_limits *l, struct reference *ref, uint64_t now,
                       struct held *held, size_t counts[4])
{
    struct held *h = &held[btz_rng_below(r, 12)];
    struct btz_refusal why = { 0 };

    if (!h->open) {
        struct asked a = random_asked(r);
        bool wanted = reference_reserve(ref, &a, now, h);
        enum btz_err err = reserve(l, &a, now, &h->lease, &why);

        if (err != (wanted ? BTZ_OK : BTZ_LIMIT))
            fail_msg("%s at %" PRIu64 ": %s, wanted %s", a.principal, now,
                     err == BTZ_OK ? "passed" : btz_error_detail(), wanted ? "pass" : "refuse");
        h->open = wanted;
        counts[wanted]++;
    } else {
        bool release = btz_rng_below(r, 3) == 0;
        uint64_t tokens = btz_rng_below(r, 120), cost = btz_rng_below(r, 120000);

        reference_end(ref, h, release, tokens, cost, now);
        if (release)
            btz_limits_release(l, &h->lease, now);
        else
            btz_limits_settle(l, &h->lease, tokens, cost, now);
        h->open = false;
        counts[2 + release]++;
    }
}

static void test_random(void **state)
{
    struct memory *list = calloc(STEPS * 64, sizeof *list);
    size_t counts[4] = { 0 };
    (void)state;

    assert_non_null(list);
    for (uint64_t n = 0; n < SEQUENCES; n++) {
        struct btz_limit_conf conf[LIMITS];
        struct reference ref = { .limits = conf, .list = list };
        struct held held[12] = { 0 };
        struct btz_limits *l = NULL;
        uint64_t now = START;
        struct btz_rng r;
        struct place p;

        btz_rng_init(&r, 1, n);
        place_new(&p);
        while (!l) { /* until no two limit the same */
            ref.limit_count = 1 + btz_rng_below(&r, LIMITS);
            for (size_t i = 0; i < ref.limit_count; i++)
                conf[i] = random_limit(&r);
            if (btz_limits_open_sized(p.path, conf, ref.limit_count, 256, 64, &l) != BTZ_OK)
                l = NULL;
        }
        for (size_t i = 0; i < STEPS; i++) {
            now = random_time(&r, now);
            check_step(&r, l, &ref, now, held, counts);
            if (btz_rng_below(&r, 50) == 0 && held[0].open == false) {
                /* What is counted outlives whoever counts, as long as somebody has it open. */
                struct btz_limits *again = open_limits(&p, conf, ref.limit_count);

                btz_limits_close(l);
                l = again;
            }
        }
        btz_limits_close(l);
        place_remove(&p);
    }
    free(list);
    print_message("# refused %zu, passed %zu, settled %zu, given back %zu\n", counts[0], counts[1],
                  counts[2], counts[3]);
    for (size_t i = 0; i < 4; i++)
        assert_true(counts[i] > 1000);
}

/* ---- what is promised ---- */

/* In no 60 seconds more than the limit, and Retry-After is neither too early nor too late. */
static void test_retry(void **state)
{
    struct btz_limit_conf conf[3] = { no_limit(BTZ_LIMIT_PRINCIPAL, "*"),
                                      no_limit(BTZ_LIMIT_PRINCIPAL, "a*"),
                                      no_limit(BTZ_LIMIT_PRINCIPAL, "al*") };
    uint64_t passed[3000], now = START + 123;
    size_t count = 0, refused = 0;
    struct btz_limits *l;
    struct btz_rng r;
    struct place p;
    (void)state;

    conf[0].requests_per_minute = 20;
    conf[1].tokens_per_minute = 300;
    conf[2].budget = 0.001;
    conf[2].budget_window_ms = 600000;
    place_new(&p);
    btz_rng_init(&r, 2, 0);
    l = open_limits(&p, conf, 3);
    for (int i = 0; i < 3000; i++, now += btz_rng_below(&r, 3000)) {
        uint64_t tokens = btz_rng_below(&r, 40), cost = btz_rng_below(&r, 20), wait;
        struct btz_lease lease = { 0 };
        struct btz_refusal why;

        if (ask(l, "alice", tokens, cost, now, &lease, &why) == BTZ_OK) {
            passed[count++] = now;
            assert_true(count <= 20 || now - passed[count - 21] >= 60000);
            continue;
        }
        refused++;
        wait = why.retry_after_s;
        assert_true(wait > 0 && wait <= (why.kind == BTZ_LIMIT_BUDGET ? 600 : 61));
        if (i % 3)
            continue;
        if (wait > 1)
            assert_int_equal(ask(l, "alice", tokens, cost, now + (wait - 1) * 1000, &lease, &why),
                             BTZ_LIMIT);
        now += wait * 1000;
        if (ask(l, "alice", tokens, cost, now, &lease, &why) != BTZ_OK)
            fail_msg("after %" PRIu64 " s: %s", wait, btz_error_detail());
        passed[count++] = now;
    }
    assert_true(count > 200 && refused > 200);
    btz_limits_close(l);
    place_remove(&p);
}

static void test_zero_and_none(void **state)
{
    struct btz_limit_conf conf[6];
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    (void)state;

    for (int i = 0; i < 6; i++)
        conf[i] = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    conf[0].requests_per_minute = conf[1].tokens_per_minute = conf[2].concurrency = 0;
    conf[3].budget = 0;
    conf[4].request_bytes = 0;
    for (int i = 0; i < 6; i++) {
        place_new(&p);
        l = open_limits(&p, &conf[i], 1);
        if (i == 5) { /* -1 all over */
            for (int k = 0; k < 1000; k++)
                assert_int_equal(ask(l, "admin", UINT64_MAX, UINT64_MAX, START, &lease, &why),
                                 BTZ_OK);
            assert_true(lease.held);
            btz_limits_settle(l, &lease, 1, 1, START);
        } else {
            assert_int_equal(ask(l, "admin", 0, 0, START, &lease, &why), BTZ_LIMIT);
            assert_int_equal(why.limit, 0);
            assert_int_equal(why.retry_after_s, 0);
            assert_string_equal(why.name, "admin");
            assert_false(lease.held);
            btz_limits_settle(l, &lease, 1, 1, START); /* nothing is held: nothing happens */
            assert_int_equal(used(l, why.kind, "admin", START), 0);
        }
        btz_limits_close(l);
        place_remove(&p);
    }
}

/* Usage above what was reserved counts, and in the window it was reserved in. */
static void test_overrun(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_lease lease, late;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    (void)state;

    c.tokens_per_minute = 1000;
    c.budget = 1;
    place_new(&p);
    l = open_limits(&p, &c, 1);
    assert_int_equal(ask(l, "al", 10, 10000, START, &lease, &why), BTZ_OK);
    btz_limits_settle(l, &lease, 5000, 1500000, START + 30000);
    assert_int_equal(used(l, BTZ_LIMIT_TOKENS_PER_MINUTE, "al", START + 30000), 5000);
    assert_int_equal(used(l, BTZ_LIMIT_BUDGET, "al", START + 30000), 1500000);
    assert_int_equal(ask(l, "al", 0, 0, START + 40000, &lease, &why), BTZ_LIMIT);
    assert_int_equal(why.kind, BTZ_LIMIT_BUDGET); /* the longer wait of the two */
    assert_int_equal(why.used, 1500000);
    assert_int_equal(why.retry_after_s, (DAY - (START + 40000) % DAY) / 1000);
    assert_string_equal(btz_error_detail(),
                        "limit of budget of principal al: 1.000000, 1.500000 in use");
    /* Reserved just before midnight, settled after it: the new day pays nothing for it. */
    assert_int_equal(ask(l, "bo", 10, 400000, START / DAY * DAY + DAY - 1, &late, &why), BTZ_OK);
    assert_int_equal(ask(l, "bo", 10, 100000, START / DAY * DAY + DAY + 5, &lease, &why), BTZ_OK);
    btz_limits_settle(l, &late, 10, 900000, START / DAY * DAY + DAY + 10);
    assert_int_equal(used(l, BTZ_LIMIT_BUDGET, "bo", START / DAY * DAY + DAY + 10), 100000);
    /* A stream longer than a minute: its tokens were of a minute that is over. */
    assert_int_equal(ask(l, "cy", 900, 0, START + 3 * DAY, &late, &why), BTZ_OK);
    assert_int_equal(ask(l, "cy", 900, 0, START + 3 * DAY + 61000, &lease, &why), BTZ_OK);
    btz_limits_settle(l, &late, 950, 0, START + 3 * DAY + 62000);
    assert_int_equal(used(l, BTZ_LIMIT_TOKENS_PER_MINUTE, "cy", START + 3 * DAY + 62000), 900);
    btz_limits_close(l);
    place_remove(&p);
}

/* A hundred times as much usage as a second can hold does not come out small. */
static void test_saturated(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_EVERYTHING, "*");
    struct btz_lease lease, other;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    (void)state;

    c.tokens_per_minute = 4000000000;
    c.budget = 1e9;
    place_new(&p);
    l = open_limits(&p, &c, 1);
    assert_int_equal(ask(l, "a", 7, 7, START, &other, &why), BTZ_OK);
    assert_int_equal(ask(l, "a", 7, 7, START, &lease, &why), BTZ_OK);
    btz_limits_settle(l, &lease, UINT64_MAX, UINT64_MAX, START);
    btz_limits_release(l, &other, START);
    assert_int_equal(ask(l, "a", 1, 0, START, &lease, &why), BTZ_LIMIT);
    assert_true(used(l, BTZ_LIMIT_TOKENS_PER_MINUTE, "", START) > 4000000000);
    assert_true(used(l, BTZ_LIMIT_BUDGET, "", START) > 1000000000000000);
    btz_limits_close(l);
    place_remove(&p);
}

/* Of windows by the calendar of the C library, for 40 years. */
static void test_months(void **state)
{
    struct btz_limit_rule rule = { .kind = BTZ_LIMIT_BUDGET };
    uint64_t ends, first = 0;
    struct btz_rng r;
    (void)state;

    btz_rng_init(&r, 3, 0);
    for (int i = 0; i < 20000; i++) {
        uint64_t at = ((uint64_t)btz_rng_below(&r, 40 * 365) * DAY) + START +
                      (uint64_t)btz_rng_below(&r, 3) * (DAY - 1) / 2;
        uint64_t window = btz_limit_window(&rule, at, &ends);

        if (i == 0)
            first = window - month_of(at);
        assert_int_equal(window - month_of(at), first);
        assert_int_equal(month_of(ends), month_of(at) + 1);
        assert_int_equal(month_of(ends - 1), month_of(at));
    }
    rule.window_ms = DAY;
    assert_int_equal(btz_limit_window(&rule, START, &ends), START / DAY);
    assert_int_equal(ends, 1800057600000); /* 2027-01-16 00:00 UTC */
}

/* Another limit for the same: what was used stays. Another window: another counter. */
static void test_changed(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    (void)state;

    c.requests_per_minute = 5;
    c.budget = 1;
    place_new(&p);
    l = open_limits(&p, &c, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(l, "al", 0, 200000, START, &lease, &why), BTZ_OK);
    btz_limits_close(l);
    c.requests_per_minute = 6;
    c.budget = 1.1;
    l = open_limits(&p, &c, 1);
    assert_int_equal(ask(l, "al", 0, 100000, START, &lease, &why), BTZ_OK);
    assert_int_equal(ask(l, "al", 0, 0, START, &lease, &why), BTZ_LIMIT);
    btz_limits_close(l);
    c.requests_per_minute = 3; /* below what was used: refused, and nothing runs below zero */
    c.budget_window_ms = 3600000;
    l = open_limits(&p, &c, 1);
    assert_int_equal(used(l, BTZ_LIMIT_BUDGET, "al", START), 0);
    assert_int_equal(used(l, BTZ_LIMIT_REQUESTS_PER_MINUTE, "al", START), 6);
    assert_int_equal(ask(l, "al", 0, 0, START, &lease, &why), BTZ_LIMIT);
    assert_int_equal(why.kind, BTZ_LIMIT_REQUESTS_PER_MINUTE);
    btz_limits_close(l);
    place_remove(&p);
}

static void test_configuration(void **state)
{
    struct btz_limit_conf c[2] = { no_limit(BTZ_LIMIT_PRINCIPAL, "*"),
                                   no_limit(BTZ_LIMIT_PRINCIPAL, "*") };
    static const char *const bad[] = { "", "a*b", "**", NULL };
    struct btz_limits *l;
    struct place p;
    (void)state;

    place_new(&p);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        c[0].name = bad[i];
        assert_int_equal(btz_limits_open(p.path, c, 1, &l), BTZ_USAGE);
    }
    c[0].name = "*";
    c[0].budget = c[1].budget = 1;
    assert_int_equal(btz_limits_open(p.path, c, 2, &l), BTZ_USAGE);
    assert_non_null(strstr(btz_error_detail(), "limit 2: `*` (principal) has a limit of budget"));
    c[1].budget_calendar_month = true; /* a day's and a month's: both count */
    assert_int_equal(btz_limits_open_sized(p.path, c, 2, 16, 1, &l), BTZ_OK);
    btz_limits_close(l);
    c[0].scope = BTZ_LIMIT_EVERYTHING;
    c[0].name = "al";
    assert_int_equal(btz_limits_open(p.path, c, 1, &l), BTZ_USAGE);
    place_remove(&p);
}

/* Sizes: nothing is counted; the least of those that fit. */
static void test_sizes(void **state)
{
    struct btz_limit_conf c[3] = { no_limit(BTZ_LIMIT_PRINCIPAL, "*"),
                                   no_limit(BTZ_LIMIT_GROUP, "st*"),
                                   no_limit(BTZ_LIMIT_MODEL, "gpt") };
    struct btz_slice groups[] = { btz_str("xx"), btz_str("staff") };
    struct btz_limit_subject who = { .principal = btz_str("al"), .groups = groups };
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    (void)state;

    c[0].response_bytes = 5000;
    c[1].response_bytes = 3000;
    c[1].request_bytes = 100;
    c[2].response_bytes = 0;
    place_new(&p);
    l = open_limits(&p, c, 3);
    assert_int_equal(btz_limits_response_bytes(l, &who), 5000);
    assert_int_equal(btz_limits_reserve(l, &who, 0, 0, 101, START, &lease, &why), BTZ_OK);
    who.group_count = 2;
    assert_int_equal(btz_limits_response_bytes(l, &who), 3000);
    assert_int_equal(btz_limits_reserve(l, &who, 0, 0, 101, START, &lease, &why), BTZ_LIMIT);
    assert_int_equal(why.kind, BTZ_LIMIT_REQUEST_BYTES);
    assert_string_equal(why.name, "staff");
    assert_int_equal(btz_limits_reserve(l, &who, 0, 0, 100, START, &lease, &why), BTZ_OK);
    who.model = btz_str("gpt");
    assert_int_equal(btz_limits_response_bytes(l, &who), 0);
    btz_limits_close(l);
    l = open_limits(&p, c, 0);
    assert_int_equal(btz_limits_response_bytes(l, &who), UINT64_MAX);
    btz_limits_close(l);
    place_remove(&p);
}

/* A table without room refuses; what is over makes room. Nobody's counter is lost to make it. */
static void test_full(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_refusal why = { 0 };
    size_t passed = 0, again = 0;
    struct btz_lease lease;
    struct btz_limits *l;
    char name[32];
    struct place p;
    (void)state;

    c.requests_per_minute = 1;
    place_new(&p);
    l = open_limits(&p, &c, 1);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "user%d", i);
        if (ask(l, name, 0, 0, START, &lease, &why) == BTZ_OK) {
            passed++;
        } else {
            assert_int_equal(why.kind, BTZ_LIMIT_CONCURRENCY);
            assert_int_equal(why.scope, BTZ_LIMIT_EVERYTHING);
            assert_int_equal(why.limit, 256);
        }
    }
    assert_true(passed > 220 && passed <= 256);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "user%d", i);
        again += ask(l, name, 0, 0, START + 60000, &lease, &why) == BTZ_OK;
    }
    assert_int_equal(again, 0);
    for (int i = 2000; i < 2100; i++) {
        snprintf(name, sizeof name, "user%d", i);
        assert_int_equal(ask(l, name, 0, 0, START + 61000, &lease, &why), BTZ_OK);
        assert_int_equal(ask(l, name, 0, 0, START + 61000, &lease, &why), BTZ_LIMIT);
        assert_int_equal(why.limit, 1);
    }
    btz_limits_close(l);
    place_remove(&p);
}

/* Names that differ only far behind, and beyond what is kept of them. */
static void test_long_names(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    char name[3000];
    struct place p;
    (void)state;

    c.requests_per_minute = 1;
    place_new(&p);
    l = open_limits(&p, &c, 1);
    memset(name, 'x', sizeof name);
    for (size_t len = 80; len < sizeof name; len += 97) {
        name[len] = '\0';
        assert_int_equal(ask(l, name, 0, 0, START, &lease, &why), BTZ_OK);
        name[len - 1] = 'y';
        assert_int_equal(ask(l, name, 0, 0, START, &lease, &why), BTZ_OK);
        assert_int_equal(ask(l, name, 0, 0, START, &lease, &why), BTZ_LIMIT);
        name[len] = name[len - 1] = 'x';
    }
    btz_limits_close(l);
    place_remove(&p);
}

/* Clocks put back by hours, forth and back again: nothing is given back, and time goes on. */
static void test_clock_back(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    uint64_t now = START + 5 * 3600000;
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    (void)state;

    c.requests_per_minute = 3;
    c.budget = 1;
    place_new(&p);
    l = open_limits(&p, &c, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(l, "al", 0, 100000, now, &lease, &why), BTZ_OK);
    now -= 2 * 3600000;
    for (int i = 0; i < 60; i++, now += 1000)
        assert_int_equal(ask(l, "al", 0, 100000, now, &lease, &why), BTZ_LIMIT);
    assert_int_equal(ask(l, "al", 0, 100000, now + 1000, &lease, &why), BTZ_OK);
    now -= DAY; /* yesterday is no new budget */
    assert_int_equal(used(l, BTZ_LIMIT_BUDGET, "al", now), 400000);
    assert_int_equal(ask(l, "al", 0, 700000, now, &lease, &why), BTZ_LIMIT);
    assert_int_equal(why.kind, BTZ_LIMIT_BUDGET);
    btz_limits_close(l);
    place_remove(&p);
}

/* ---- files ---- */

static void write_at(const char *path, off_t at, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

static void test_foreign(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_limits *l;
    uint8_t text[10000];
    struct place p;
    (void)state;

    memset(text, 'x', sizeof text);
    place_new(&p);
    assert_int_equal(btz_limits_view(p.path, &c, 1, &l), BTZ_IO);
    for (size_t n = 1; n < sizeof text; n += 999) {
        assert_int_equal(btz_file_write(p.path, btz_slice_of(text, n), 0600), BTZ_OK);
        assert_int_equal(btz_limits_open(p.path, &c, 1, &l), BTZ_INPUT);
        assert_non_null(strstr(btz_error_detail(), "no table of limits"));
        assert_int_equal(btz_limits_view(p.path, &c, 1, &l), BTZ_INPUT);
    }
    unlink(p.path);
    /* One that was begun and not finished is begun anew. */
    memset(text, 0, sizeof text);
    assert_int_equal(btz_file_write(p.path, btz_slice_of(text, sizeof text), 0600), BTZ_OK);
    btz_limits_close(open_limits(&p, &c, 1));
    /* Each number of the head, one more. */
    for (size_t i = 0; i < offsetof(struct btz_table_head, key); i += 4) {
        uint32_t old, other;
        int fd = open(p.path, O_RDONLY);

        if (i == offsetof(struct btz_table_head, leases))
            i += 4; /* one more has room in the same file */
        assert_int_equal(pread(fd, &old, 4, (off_t)i), 4);
        close(fd);
        other = old + 1;
        write_at(p.path, (off_t)i, &other, 4);
        assert_int_equal(btz_limits_open(p.path, &c, 1, &l), BTZ_INPUT);
        write_at(p.path, (off_t)i, &old, 4);
    }
    assert_int_equal(truncate(p.path, 9000), 0);
    assert_int_equal(btz_limits_open(p.path, &c, 1, &l), BTZ_INPUT);
    unlink(p.path);
    assert_int_equal(symlink("/dev/null", p.path), 0);
    assert_int_equal(btz_limits_open(p.path, &c, 1, &l), BTZ_IO);
    place_remove(&p);
}

/* A file that is full of anything behind a good head: used, and nothing outside it is touched (sanitizers look). */
static void test_noise(void **state)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    size_t passed = 0;
    (void)state;

    c.requests_per_minute = 1000;
    c.tokens_per_minute = 4000000000;
    c.concurrency = 5;
    c.budget = 1000;
    for (uint64_t n = 0; n < 40; n++) {
        struct btz_lease lease[8];
        struct btz_refusal why;
        struct btz_limits *l;
        uint8_t noise[4096];
        struct btz_rng r;
        struct place p;

        place_new(&p);
        btz_rng_init(&r, 4, n);
        l = open_limits(&p, &c, 1);
        for (size_t at = offsetof(struct btz_table_head, clock_ms); at + sizeof noise < l->size;
             at += sizeof noise) {
            for (size_t i = 0; i < sizeof noise; i++)
                noise[i] = btz_rng_below(&r, 3) ? (uint8_t)btz_rng_u32(&r) : 0;
            write_at(p.path, (off_t)at, noise, sizeof noise);
        }
        btz_limits_close(l);
        l = open_limits(&p, &c, 1); /* makes a new lock */
        for (int i = 0; i < 8; i++)
            passed += ask(l, i % 2 ? "al" : "bo", 5, 5, START, &lease[i], &why) == BTZ_OK;
        for (int i = 0; i < 8; i++)
            btz_limits_settle(l, &lease[i], 9, 9, START);
        btz_limits_reap(l);
        used(l, BTZ_LIMIT_BUDGET, "al", START);
        btz_limits_close(l);
        place_remove(&p);
    }
    print_message("# %zu of 320 passed\n", passed);
}

/* Looking changes nothing. */
static void test_view(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf before = BTZ_BUF(1 << 20), after = BTZ_BUF(1 << 20);
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_limits *l, *view;
    struct btz_lease lease;
    struct btz_refusal why;
    struct place p;
    (void)state;

    c.requests_per_minute = 3;
    place_new(&p);
    l = open_limits(&p, &c, 1);
    assert_int_equal(ask(l, "al", 0, 0, START, &lease, &why), BTZ_OK);
    assert_int_equal(btz_file_read(p.path, 1 << 20, &before), BTZ_OK);
    assert_int_equal(chmod(p.path, 0400), 0);
    assert_int_equal(btz_limits_view(p.path, &c, 1, &view), BTZ_OK);
    assert_int_equal(used(view, BTZ_LIMIT_REQUESTS_PER_MINUTE, "al", START + 60000), 1);
    assert_int_equal(used(view, BTZ_LIMIT_REQUESTS_PER_MINUTE, "al", START + 61000), 0);
    btz_limits_close(view);
    assert_int_equal(btz_file_read(p.path, 1 << 20, &after), BTZ_OK);
    assert_memory_equal(before.ptr, after.ptr, before.len);
    btz_limits_close(l);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_zero_and_none), cmocka_unit_test(test_overrun),
        cmocka_unit_test(test_saturated),     cmocka_unit_test(test_months),
        cmocka_unit_test(test_changed),       cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_full),
        cmocka_unit_test(test_long_names),    cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_foreign),       cmocka_unit_test(test_noise),
        cmocka_unit_test(test_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
